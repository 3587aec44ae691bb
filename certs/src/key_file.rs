//! Private keys on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// Why a secret was not read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Others than its owner have some right to the file, so it may be no secret any more.
    #[error("{} has mode {mode:04o}: others than its owner may read or change it, and it holds a secret", path.display())]
    Wide {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Reads a private key, or any other secret. What it gives is wiped from memory when it is dropped.
///
/// # Errors
///
/// A file that cannot be read, and one to which others than its owner have any right.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    check_private(path, &file)?;
    // A buffer that grows leaves what it held behind.
    let length = file.metadata().map_err(unreadable)?.len();
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Makes sure that nobody but its owner has any right to an open file.
///
/// # Errors
///
/// [`SecretError::Wide`] names the file and its mode.
pub fn check_private(path: &Path, file: &File) -> Result<(), SecretError> {
    let metadata = file.metadata().map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(SecretError::Wide { path: path.to_owned(), mode }) }
}

/// Writes a secret to a file that must not be there yet and is its owner's alone from its first byte.
///
/// # Errors
///
/// Whatever the file system says, a file that is there among it.
pub fn write_private_new(path: &Path, contents: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

/// Writes a private key (or any other secret) to a file that only its owner can read (mode 0600 on Unix).
///
/// The file appears under its name complete and durable or not at all: it is written beside its place and moved there,
/// so at no moment is a secret readable by others, and a file that was there before is replaced whole.
///
/// # Errors
///
/// Whatever the file system says; a half-written file is removed.
pub fn write_private(path: &Path, contents: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    // `tempfile` creates with mode 0600 and O_EXCL.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(contents.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is durable only when its folder is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_that_others_have_any_right_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private_new(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(*read_private(&path).unwrap(), "secret");
        for wide in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
            let error = read_private(&path).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} has mode {wide:04o}", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(*read_private(&path).unwrap(), "secret");
        assert!(write_private_new(&path, "other").is_err());
        assert_eq!(*read_private(&path).unwrap(), "secret");
    }

    #[test]
    fn a_private_key_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
    }

    #[test]
    fn a_file_that_others_could_read_is_replaced_by_one_they_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn nothing_is_left_behind_when_the_place_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("taken");
        fs::create_dir(&place).unwrap();
        write_private(&place, "secret").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
