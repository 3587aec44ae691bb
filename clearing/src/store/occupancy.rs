//! A file of SQLite belongs to one process. Who serves it, or changes its layout, locks a file beside it for as long as
//! that takes, and writes into that who it is. The lock goes with the process, however that ends; the file stays.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clearing_core::units::Timestamp;

/// What the name of the file beside the books ends with.
const SUFFIX: &str = ".lock";

/// Longer than any name that is written into the file.
const HOLDER_BYTES_MAX: u64 = 512;

/// The right to write a file of SQLite, for as long as it is kept.
#[derive(Debug)]
pub struct Occupancy {
    _locked: File,
}

/// Why a file of SQLite cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OccupyError {
    #[error("{} is in use by {holder}: one process at a time writes a file of SQLite", books.display())]
    Occupied { books: PathBuf, holder: String },
    #[error("the file {} cannot be locked", path.display())]
    File { path: PathBuf, source: io::Error },
}

impl Occupancy {
    /// Takes the file, for a command of this name that began at a time.
    ///
    /// # Errors
    /// [`OccupyError::Occupied`] names the process that has it.
    pub fn of(books: &Path, command: &str, since: Timestamp) -> Result<Self, OccupyError> {
        let mut path = OsString::from(books);
        path.push(SUFFIX);
        let path = PathBuf::from(path);
        let failed = |source| OccupyError::File { path: path.clone(), source };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OccupyError::Occupied { books: books.to_owned(), holder: holder(&file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let own = format!("process {} ({command}) on {host}, since {since}", std::process::id());
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(own.as_bytes()));
        written.map_err(failed)?;
        Ok(Self { _locked: file })
    }
}

/// Who has locked a file, by what it wrote.
fn holder(file: &File) -> String {
    let mut text = String::new();
    // It may not have come to write it yet.
    match file.take(HOLDER_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}
