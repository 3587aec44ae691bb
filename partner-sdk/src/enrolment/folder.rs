//! A credential on disk.
//!
//! | file | |
//! |---|---|
//! | `client.key` | the private key; it was made here |
//! | `client.pem` | the certificate, and those between it and the authority |
//! | `ca.pem` | the authorities to trust |
//! | `credential.txt` | whose it is, where the house is, when it ends: for programs of this SDK, and for people |
//! | `client.next.key` | the key of the next certificate, while it is asked for |
//!
//! Each file is written beside its place and moved there whole, and is its owner's alone. A key is on disk before anything is
//! asked for it: an answer that was lost is asked for again with the same key, and is the same. A renewal that was broken off
//! between the certificate and its key is put right when the folder is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use prost_types::Timestamp;
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::key::Key;
use crate::answers::IssuedCertificate;
use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::RequestId;

pub(super) const KEY: &str = "client.key";
const NEXT_KEY: &str = "client.next.key";
const CERTIFICATE: &str = "client.pem";
const AUTHORITIES: &str = "ca.pem";
pub(super) const TOLD: &str = "credential.txt";

/// A credential on disk: a folder that [`Enrolment`](crate::Enrolment) made.
///
/// ```no_run
/// # use partner_sdk::{CredentialFolder, Issue};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = CredentialFolder::open("credentials")?.client().connect().await?;
/// client.issue(Issue::to("card", "4000123").points(100)).await?.accepted()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CredentialFolder {
    path: PathBuf,
    told: Told,
}

/// What `credential.txt` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) holder: String,
    pub(super) serial: String,
    pub(super) endpoint: String,
    pub(super) enrolment_endpoint: String,
    pub(super) renew_time: SystemTime,
    pub(super) end_time: SystemTime,
}

impl Told {
    pub(super) fn of(issued: &IssuedCertificate, enrolment_endpoint: &str) -> Self {
        Self {
            holder: issued.holder.to_string(),
            serial: issued.serial.clone(),
            endpoint: issued.endpoint.clone(),
            enrolment_endpoint: enrolment_endpoint.to_owned(),
            renew_time: issued.renew_time,
            end_time: issued.end_time,
        }
    }

    fn text(&self) -> String {
        format!(
            "# What the certificate beside this says, and where the house is. Enrolment and renewals write it anew.\n\
             holder: {}\nserial: {}\nendpoint: {}\nenrolment: {}\nrenew: {}\nend: {}\n",
            self.holder,
            self.serial,
            self.endpoint,
            self.enrolment_endpoint,
            Timestamp::from(self.renew_time),
            Timestamp::from(self.end_time),
        )
    }

    fn read(text: &str) -> Result<Self, String> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(|value| value.trim().to_owned()).ok_or_else(|| format!("it has no line {name}"))
        };
        let time = |name: &str| {
            let time: Timestamp = value(name)?.parse().map_err(|_| format!("{name} is no time"))?;
            SystemTime::try_from(time).map_err(|_| format!("{name} is no time"))
        };
        Ok(Self {
            holder: value("holder")?,
            serial: value("serial")?,
            endpoint: value("endpoint")?,
            enrolment_endpoint: value("enrolment")?,
            renew_time: time("renew")?,
            end_time: time("end")?,
        })
    }
}

impl CredentialFolder {
    /// Opens a folder in which somebody enrolled.
    ///
    /// # Errors
    /// [`Error::File`]: a file of it is not there or cannot be read. [`Error::Config`]: what is in one cannot be used.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let told = Told::read(&read(&path.join(TOLD))?)
            .map_err(|problem| Error::Config { what: "credential.txt of the credential", problem })?;
        let folder = Self { path, told };
        folder.finish_renewal()?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is, as the certificate says it: `partner/grocer`.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.told.holder
    }

    /// The certificate's serial number: lower-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.told.serial
    }

    /// Where the house is: `https://host:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.told.endpoint
    }

    /// Where invites are used, and credentials renewed that have ended: `host:port`.
    #[must_use]
    pub fn enrolment_endpoint(&self) -> &str {
        &self.told.enrolment_endpoint
    }

    /// From when on it is renewed.
    #[must_use]
    pub fn renew_time(&self) -> SystemTime {
        self.told.renew_time
    }

    /// When it ends.
    #[must_use]
    pub fn end_time(&self) -> SystemTime {
        self.told.end_time
    }

    /// Begins a client that has this credential. While the client is there, it renews the credential when that is due, and makes
    /// its connections anew with the new one; no call fails by it.
    pub fn client(&self) -> ClientBuilder {
        self.client_at(&self.told.endpoint)
    }

    /// The same, for a house that is reached at another address.
    pub fn client_at(&self, endpoint: impl Into<String>) -> ClientBuilder {
        Client::builder(endpoint).folder(self.clone())
    }

    pub(crate) fn identity(&self) -> [PathBuf; 3] {
        [AUTHORITIES, CERTIFICATE, KEY].map(|name| self.path.join(name))
    }

    /// The certificate itself, DER.
    pub(super) fn certificate(&self) -> Result<CertificateDer<'static>, Error> {
        first_certificate(read(&self.path.join(CERTIFICATE))?.as_bytes())
    }

    pub(super) fn key(&self) -> Result<Key, Error> {
        Key::from_pem(&read(&self.path.join(KEY))?)
    }

    /// The key of the next certificate: the one that was made for it before, if there is one.
    pub(super) fn next_key(&self) -> Result<Key, Error> {
        key_in(&self.path.join(NEXT_KEY))
    }

    /// Takes a certificate that was issued for [`next_key`](Self::next_key).
    pub(super) fn renewed(&self, issued: &IssuedCertificate) -> Result<Self, Error> {
        write_issued(&self.path, &self.next_key()?, issued, &self.told.enrolment_endpoint)?;
        Self::open(&self.path)
    }

    /// The certificate is that of the next key: the renewal was broken off before the key took its place.
    fn finish_renewal(&self) -> Result<(), Error> {
        let next = self.path.join(NEXT_KEY);
        if !next.exists() {
            return Ok(());
        }
        let public = public_key(&self.certificate()?)?;
        // Another process of the same folder may have moved it meanwhile.
        let Ok(key) = read(&next) else { return Ok(()) };
        if Key::from_pem(&key)?.public() != public {
            return Ok(());
        }
        match fs::rename(&next, self.path.join(KEY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(&next, error)),
            Ok(()) | Err(_) => sync_folder(&self.path),
        }
    }
}

/// Writes what was issued for a key, what tells of it last: where that is, all is.
pub(super) fn write_issued(
    folder: &Path,
    key: &Key,
    issued: &IssuedCertificate,
    enrolment_endpoint: &str,
) -> Result<(), Error> {
    if public_key(&first_certificate(issued.certificate_pem.as_bytes())?)? != key.public() {
        return Err(Error::protocol("the certificate is for another key than the one that was sent"));
    }
    write(&folder.join(AUTHORITIES), issued.ca_pem.as_bytes())?;
    write(&folder.join(CERTIFICATE), issued.certificate_pem.as_bytes())?;
    write(&folder.join(TOLD), Told::of(issued, enrolment_endpoint).text().as_bytes())
}

/// The key in a file, which is made if it is not there.
pub(super) fn key_in(path: &Path) -> Result<Key, Error> {
    if !path.exists() {
        write_new(path, Key::generate()?.pem().as_bytes())?;
    }
    // Whoever came first has made it.
    Key::from_pem(&read(path)?)
}

/// Makes the folder, its owner's alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| file(path, error))
}

fn first_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, Error> {
    let config = |problem: String| Error::Config { what: "the client certificate", problem };
    let first = CertificateDer::pem_slice_iter(pem).next();
    let first = first.ok_or_else(|| config("there is no certificate in it".to_owned()))?;
    first.map_err(|error| config(error.to_string()))
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    let parsed = ParsedCertificate::try_from(certificate)
        .map_err(|error| Error::Config { what: "the client certificate", problem: error.to_string() })?;
    Ok(parsed.subject_public_key_info().to_vec())
}

fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    fs::read_to_string(path).map(Zeroizing::new).map_err(|error| file(path, error))
}

/// Writes a file, over one that is there: it is whole under its name, or not there.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    beside(path, content, |written| fs::rename(written, path))
}

/// Writes a file if none is there; one that is stays as it is.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Error> {
    beside(path, content, |written| {
        let linked = fs::hard_link(written, path);
        fs::remove_file(written)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })
}

fn beside(path: &Path, content: &[u8], place: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = folder.join(format!(".{}", RequestId::at(SystemTime::UNIX_EPOCH)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Nobody else may read it from its first byte on.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let done = options.open(&written).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        place(&written)
    });
    done.map_err(|error| {
        // What cannot be removed is of no use to anybody, and the error before says more.
        let _ = fs::remove_file(&written);
        file(path, error)
    })?;
    sync_folder(folder)
}

/// A name is durable only when its folder is.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| file(folder, error))?;
    }
    Ok(())
}

fn file(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source: Arc::new(source) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_folder_tells_reads_back_as_it_was_written() {
        let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let told = Told {
            holder: "partner/grocer".to_owned(),
            serial: "4f00".to_owned(),
            endpoint: "https://[::1]:7443".to_owned(),
            enrolment_endpoint: "[::1]:7444".to_owned(),
            renew_time: time(1_770_000_000),
            end_time: time(1_780_000_000),
        };
        assert_eq!(Told::read(&told.text()), Ok(told.clone()));
        let cut = told.text().replace("end: ", "ended: ");
        assert_eq!(Told::read(&cut), Err("it has no line end".to_owned()));
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join(KEY);
        make_folder(path.parent().unwrap()).unwrap();
        let made = key_in(&path).unwrap().public();
        write_new(&path, b"another").unwrap();
        assert_eq!(key_in(&path).unwrap().public(), made);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "something was left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
    }
}
