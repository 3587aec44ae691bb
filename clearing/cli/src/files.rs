//! Files and folders that commands make. None that is there is overwritten unless somebody says so, and what a command has made
//! before it fails is taken away again.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What a command has made so far. Unless it is kept, all of it is removed, the latest first.
#[derive(Debug, Default)]
pub struct Made {
    paths: Vec<PathBuf>,
}

impl Made {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a folder for secrets, which is its owner's alone, with those above it. One that is there stays as it is.
    pub fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let missing: Vec<&Path> = folder.ancestors().filter(named).take_while(|path| !path.exists()).collect();
        for path in missing.into_iter().rev() {
            // Those above are nobody's secret.
            let mode = if path == folder { 0o700 } else { 0o777 };
            let made = fs::DirBuilder::new().mode(mode).create(path);
            made.map_err(|error| Failure::file("cannot make the folder", path, &error))?;
            self.paths.push(path.to_owned());
        }
        if folder.is_dir() || folder.as_os_str().is_empty() {
            return Ok(());
        }
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        Err(Failure::file("cannot make the folder", folder, &error))
    }

    /// A file is about to be made here. One that is there is none of ours.
    pub fn file(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        if !is_there(&path) {
            self.paths.push(path);
        }
    }

    /// Everything stays.
    pub fn keep(mut self) {
        self.paths.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            // Whoever cannot remove it cannot be helped, and is told of what failed before.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// Refuses when one of these files is there.
pub fn refuse_to_overwrite<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    match paths.into_iter().find(|path| is_there(path)) {
        Some(path) => Err(there_already(path).hint("choose another folder, or move the file away")),
        None => Ok(()),
    }
}

/// Refuses when the file is there, unless it was said that it may be overwritten. For commands with `--force`, before they
/// begin with anything.
pub fn may_write(path: &Path, force: bool) -> Result<(), Failure> {
    if force || !is_there(path) {
        return Ok(());
    }
    Err(there_already(path).hint("name another file, or overwrite it with --force"))
}

/// Whether something of this name is there, a link that leads nowhere among it.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What to say of a file that is not overwritten.
pub fn there_already(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already, and is not overwritten", path.display()))
}

/// Writes a file that must not be there yet.
pub fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = fs::File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let there = error.kind() == io::ErrorKind::AlreadyExists;
        if there { there_already(path) } else { Failure::file("cannot write", path, &error) }
    })
}

/// Writes a file; over one that is there only where it was said. It is there whole or not at all, whenever this is broken off.
pub fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut file = NewFile::new(path, force)?;
    file.write_all(text.as_bytes()).map_err(|error| Failure::file("cannot write", path, &error))?;
    file.keep()
}

/// A file that takes the place of one that may be there. It does not print: its text may be a secret.
pub struct NewText {
    pub path: PathBuf,
    pub text: Zeroizing<String>,
    /// It is its owner's alone.
    pub secret: bool,
}

impl NewText {
    /// What everybody may read.
    pub fn public(path: PathBuf, text: impl Into<String>) -> Self {
        Self { path, text: Zeroizing::new(text.into()), secret: false }
    }

    /// Its owner's alone.
    pub fn secret(path: PathBuf, text: impl Into<Zeroizing<String>>) -> Self {
        Self { path, text: text.into(), secret: true }
    }
}

/// Puts files in the place of those that are there. All are whole on the disk before the first gets its name, so what is left to
/// fail between the first and the last is next to nothing.
pub fn replace_all(files: &[NewText]) -> Result<(), Failure> {
    let mut whole = Vec::new();
    for NewText { path, text, secret } in files {
        let wrong = |error: &io::Error| Failure::file("cannot write", path, error);
        // A name that leads elsewhere goes on leading there.
        let path = if is_there(path) { path.canonicalize().map_err(|error| wrong(&error))? } else { path.clone() };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mode =
            if *secret { 0o600 } else { path.metadata().map_or(0o644, |file| file.permissions().mode() & 0o777) };
        let permissions = fs::Permissions::from_mode(mode);
        let mut file = tempfile::Builder::new()
            .prefix(".clearing-")
            .permissions(permissions)
            .tempfile_in(folder)
            .map_err(|error| wrong(&error))?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|error| wrong(&error))?;
        whole.push((file, path));
    }
    for (file, path) in whole {
        file.persist(&path).map_err(|error| Failure::file("cannot write", &path, &error.error))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // The name is durable only when its folder is.
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Failure::file("cannot write", &path, &error))?;
    }
    Ok(())
}

/// A file that is written piece by piece, and gets its name when it is whole: what was there before stays until then, and
/// what is dropped before leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl NewFile {
    /// Refuses a file that is there, unless it was said that it may be overwritten.
    pub fn new(path: &Path, force: bool) -> Result<Self, Failure> {
        may_write(path, force)?;
        // A name that leads elsewhere goes on leading there, and a device is none to be replaced.
        let path = &if is_there(path) {
            path.canonicalize().map_err(|error| Failure::file("cannot write", path, &error))?
        } else {
            path.to_owned()
        };
        if path.exists() && !path.is_file() {
            let what = format!("{} is no file", path.display());
            return Err(Failure::usage(what).hint("name a file, or leave the flag out and redirect what is printed"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // As readable as what it replaces, else as any other file: no secret is written so.
        let mode = path.metadata().map_or(0o666, |file| file.permissions().mode() & 0o777);
        let permissions = fs::Permissions::from_mode(mode);
        let file = tempfile::Builder::new().prefix(".clearing-").permissions(permissions).tempfile_in(folder);
        let file = file.map_err(|error| Failure::file("cannot write", path, &error))?;
        Ok(Self { file, path: path.to_owned(), force })
    }

    /// It is whole.
    pub fn keep(self) -> Result<(), Failure> {
        let Self { file, path, force } = self;
        let synced = file.as_file().sync_all();
        synced.map_err(|error| Failure::file("cannot write", &path, &error))?;
        let kept = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        kept.map(drop).map_err(|error| {
            let there = error.error.kind() == io::ErrorKind::AlreadyExists;
            if there { there_already(&path) } else { Failure::file("cannot write", &path, &error.error) }
        })
    }
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_removed_and_what_was_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let there = place.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::write(there.join("old"), "old").unwrap();
        for keep in [false, true] {
            let mut made = Made::new();
            made.folder(&there).unwrap();
            made.folder(&there.join("a/b")).unwrap();
            for file in ["old", "new", "a/b/new", "never"] {
                made.file(there.join(file));
            }
            write_new(&there.join("new"), "new").unwrap();
            write_new(&there.join("a/b/new"), "new").unwrap();
            write_new(&there.join("old"), "new").unwrap_err();
            if keep {
                made.keep()
            } else {
                drop(made)
            }
            assert_eq!(there.join("a/b/new").exists(), keep);
            assert_eq!((there.join("a").exists(), there.join("new").exists()), (keep, keep));
            assert_eq!(fs::read_to_string(there.join("old")).unwrap(), "old");
        }
    }

    /// A file of orders was once emptied before it was written: whoever read it then, or broke the command off, had half of it.
    #[test]
    fn a_file_that_is_overwritten_is_the_old_one_or_the_new_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("orders.csv");
        write(&path, "old", false).unwrap();
        write(&path, "other", false).unwrap_err();
        let mut reader = fs::File::open(&path).unwrap();
        write(&path, "new", true).unwrap();
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        assert_eq!((read.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("old", "new"));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");
    }
}
