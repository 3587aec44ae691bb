//! Certificates on disk: the authority's folder, and `clearing partner certificate`.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use clearing::clock::Clock;
use clearing_certs::{Authority, CertError, Kind, PrivateKey, SecretError, Validity, read_private, write_private};
use clearing_core::units::Timestamp;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, with_causes};
use crate::material::too_wide;
use crate::output::{Answer, Page};
use crate::values;

/// The file of the authority's certificate, in every folder that has one.
pub const CA_FILE: &str = "ca.pem";

/// The file of the authority's private key.
const CA_KEY_FILE: &str = "ca.key";

/// The folder of the authority, beside the configuration file.
pub const AUTHORITY_FOLDER: &str = "authority";

/// How long a certificate is valid unless somebody says otherwise.
pub const CERTIFICATE_DAYS: i64 = 397;

/// How long the authority is valid.
pub const AUTHORITY_DAYS: i64 = 3_653;

/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATED_SECONDS: i64 = 300;

/// Arguments of `partner certificate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Who connects with it: a partner's id, or with --auditor an auditor's name.
    id: String,
    /// The folder for ID.pem, ID.key and ca.pem. It is made when it is not there; no file is overwritten.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A signing request (PKCS#10, PEM) of the brand: its key stays where it was made, and no ID.key is written.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// For an auditor: it may read the books and change nothing.
    #[arg(long)]
    auditor: bool,
    /// How many days it is valid.
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS, value_parser = |text: &str| values::between::<i64>(text, 1, 3_650))]
    days: i64,
    /// The folder with ca.pem and ca.key of the authority. Left out: "authority" beside the configuration file.
    #[arg(long, value_name = "DIR")]
    authority: Option<PathBuf>,
}

/// Runs `partner certificate`.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let folder = match &arguments.authority {
        Some(folder) => folder.clone(),
        None => context.config()?.file().and_then(Path::parent).unwrap_or(Path::new("")).join(AUTHORITY_FOLDER),
    };
    let authority = read_authority(&folder)?;
    let id = &arguments.id;
    let kind = if arguments.auditor { Kind::Auditor } else { Kind::Partner };
    let validity = valid_for(arguments.days);
    let (issued, key) = match &arguments.csr {
        None => authority.issue_client(kind, id, validity).map(|(issued, key)| (issued, Some(key))),
        Some(file) => {
            let request = fs::read_to_string(file).map_err(|error| Failure::file("cannot read", file, &error))?;
            authority.sign_csr(&request, kind, id, validity).map(|issued| (issued, None))
        }
    }?;

    let identity = Identity { cert_pem: issued.cert_pem, key };
    make_folder(&arguments.out)?;
    let ca = arguments.out.join(CA_FILE);
    if fs::read_to_string(&ca).ok().as_deref() != Some(authority.cert_pem()) {
        write_new(&ca, authority.cert_pem())?;
    }
    identity.write(&arguments.out, id)?;

    let at = |name: &str| arguments.out.join(name).display().to_string();
    let cert = at(&format!("{id}.pem"));
    let key = identity.key.is_some().then(|| at(&format!("{id}.key")));
    let json = json!({
        "id": id,
        "kind": kind.as_str(),
        "domain": authority.domain(),
        "serial": issued.serial_hex,
        "not_after": validity.not_after.to_string(),
        "ca_file": at(CA_FILE),
        "cert_file": cert,
        "key_file": key,
    });
    let mut page = Page::new()
        .text(format!(
            "Made a certificate for {kind} {id} of {}, valid until {}:",
            authority.domain(),
            validity.not_after
        ))
        .text(format!("  {}   the authority: which house to trust", at(CA_FILE)))
        .text(format!("  {cert}   who {id} is"));
    if let Some(key) = key {
        page = page.text(format!("  {key}   its private key: hand it over safely, and keep no copy"));
    }
    let page = match kind {
        Kind::Partner => page.next(format!("clearing partner list   (shows whether {id} is admitted)")),
        Kind::Auditor => page,
    };
    Ok(Answer::new(json, page))
}

/// A certificate, and its private key if it was made here.
pub struct Identity {
    /// The certificate.
    pub cert_pem: String,
    /// The key.
    pub key: Option<PrivateKey>,
}

impl Identity {
    /// One of a client.
    pub fn of_client(authority: &Authority, kind: Kind, id: &str) -> Result<Self, Failure> {
        let (issued, key) = authority.issue_client(kind, id, valid_for(CERTIFICATE_DAYS))?;
        Ok(Self { cert_pem: issued.cert_pem, key: Some(key) })
    }

    /// Writes `NAME.pem` and, if there is a key, `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), Failure> {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let paths = [Some(&cert), self.key.as_ref().map(|_| &key)];
        refuse_to_overwrite(paths.into_iter().flatten())?;
        if let Some(secret) = &self.key {
            write_private(&key, secret.expose_pem()).map_err(|error| Failure::file("cannot write", &key, &error))?;
        }
        write_new(&cert, &self.cert_pem)
    }
}

/// Makes a new authority and writes its certificate and key.
pub fn make_authority(folder: &Path, domain: &str) -> Result<Authority, Failure> {
    let authority = Authority::generate(domain, valid_for(AUTHORITY_DAYS))?;
    make_folder(folder)?;
    let key = folder.join(CA_KEY_FILE);
    write_private(&key, authority.private_key().expose_pem())
        .map_err(|error| Failure::file("cannot write", &key, &error))?;
    write_new(&folder.join(CA_FILE), authority.cert_pem())?;
    Ok(authority)
}

/// Takes up the authority of a folder.
fn read_authority(folder: &Path) -> Result<Authority, Failure> {
    const HINT: &str = "name the folder with ca.pem and ca.key of the coalition's authority: --authority DIR";
    let (ca, key) = (folder.join(CA_FILE), folder.join(CA_KEY_FILE));
    let ca = fs::read_to_string(&ca).map_err(|error| Failure::file("cannot read", &ca, &error).hint(HINT))?;
    let key = read_private(&key).map_err(|error| match error {
        SecretError::Unreadable { .. } => Failure::usage(&error).hint(HINT),
        SecretError::Wide { .. } => too_wide("", &error, &key),
    })?;
    Ok(Authority::from_pem(&ca, &key)?)
}

/// From a little before now.
pub fn valid_for(days: i64) -> Validity {
    // Certificates are checked against the machine's clock, also by a sandbox whose own clock stands still.
    let now = Timestamp::from_seconds(Clock::system().now().to_jiff().as_second());
    Validity { not_before: now.plus_seconds(-BACKDATED_SECONDS).to_jiff(), not_after: now.plus_days(days).to_jiff() }
}

impl From<CertError> for Failure {
    fn from(error: CertError) -> Self {
        let failure = Self::usage(with_causes(&error));
        if matches!(error, CertError::Identity(_)) {
            return failure.hint("an id has 1 to 31 characters of A-Z a-z 0-9 _ -, a domain a-z 0-9 . - _");
        }
        if matches!(error, CertError::OutlivesAuthority { .. }) {
            return failure.hint("give fewer --days");
        }
        failure
    }
}

/// Makes a folder for secrets, which is its owner's alone, with those above it. One that is there stays as it is.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    let made = above.map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            made => made,
        }
    });
    made.map_err(|error| Failure::file("cannot make the folder", folder, &error))
}

/// Refuses when one of these files is there.
pub fn refuse_to_overwrite<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => Err(Failure::usage(format!("{} is there already, and is not overwritten", path.display()))
            .hint("choose another folder, or move the file away")),
        None => Ok(()),
    }
}

/// Writes a file that must not be there yet.
pub fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    refuse_to_overwrite([&path.to_owned()])?;
    let written = fs::File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::file("cannot write", path, &error))
}
