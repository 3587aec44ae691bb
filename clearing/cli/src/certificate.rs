//! Certificates on disk: the authority's folder, and `clearing partner certificate`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clearing::clock::Clock;
use clearing_certs::{Authority, CertError, Kind, PrivateKey, Validity, write_private};
use clearing_core::units::Timestamp;
use serde_json::json;

use crate::authority::Place;
use crate::context::Context;
use crate::failure::{Failure, with_causes};
use crate::files::{Made, is_there, may_write, refuse_to_overwrite, write};
use crate::irrevocable::confirmed;
use crate::output::{Answer, Page};
use crate::passphrase::PassphraseFlags;
use crate::values;

/// The file of the authority's certificate, in every folder that has one.
pub const CA_FILE: &str = "ca.pem";

/// How long a certificate is valid unless somebody says otherwise.
pub const CERTIFICATE_DAYS: i64 = 397;

/// How long the authority of a sandbox is valid.
pub const AUTHORITY_DAYS: i64 = 3_653;

/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATED_SECONDS: i64 = 300;

/// Arguments of `partner certificate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Who connects with it: a partner's id, or with --auditor an auditor's name.
    id: String,
    /// The folder for ID.pem, ID.key and ca.pem. It is made when it is not there; no file is overwritten without --force.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A signing request (PKCS#10, PEM) of the brand: its key stays where it was made, and no ID.key is written.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// For an auditor: it may read the books and change nothing.
    #[arg(long)]
    auditor: bool,
    /// For a person of the operator, whose roles `clearing person add` gives.
    #[arg(long, conflicts_with = "auditor")]
    person: bool,
    /// How many days it is valid.
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS, value_parser = |text: &str| values::between::<i64>(text, 1, 3_650))]
    days: i64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: PassphraseFlags,
    /// Overwrites files that are there. A key that is overwritten is lost, so it asks first.
    #[arg(long)]
    force: bool,
    /// Overwrites without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long, requires = "force")]
    yes: bool,
}

/// Runs `partner certificate`.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let folder = arguments.place.folder(context)?;
    let authority = folder.issuing(context, &arguments.passphrase)?;
    let trusted = folder.trusted()?;
    let id = &arguments.id;
    let kind = match (arguments.auditor, arguments.person) {
        (true, _) => Kind::Auditor,
        (false, true) => Kind::Operator,
        (false, false) => Kind::Partner,
    };
    let validity = valid_for(arguments.days);
    let (issued, key) = match &arguments.csr {
        None => authority.issue_client(kind, id, validity).map(|(issued, key)| (issued, Some(key))),
        Some(file) => {
            let request = fs::read_to_string(file).map_err(|error| Failure::file("cannot read", file, &error))?;
            authority.sign_csr(&request, kind, id, validity).map(|issued| (issued, None))
        }
    }?;

    let identity = Identity { cert_pem: issued.cert_pem, key };
    let ca = arguments.out.join(CA_FILE);
    let new_ca = fs::read_to_string(&ca).ok().as_deref() != Some(&trusted);
    let mut there = identity.files(&arguments.out, id);
    if new_ca {
        there.push(ca.clone());
    }
    there.retain(|path| is_there(path));
    if let Some(path) = there.first() {
        may_write(path, arguments.force)?;
        let names: Vec<String> = there.iter().map(|path| path.display().to_string()).collect();
        confirmed(arguments.yes, context.output, &format!("overwrites {}", names.join(" and ")))?;
    }
    let mut made = Made::new();
    made.folder(&arguments.out)?;
    if new_ca {
        made.file(&ca);
        write(&ca, &trusted, arguments.force)?;
    }
    identity.write_over(&arguments.out, id, &mut made, arguments.force)?;
    made.keep();

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
        Kind::Operator => page.next(format!("clearing person list   (shows what {id} may do)")),
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

    /// `NAME.pem` and, if there is a key, `NAME.key`.
    fn files(&self, folder: &Path, name: &str) -> Vec<PathBuf> {
        let key = self.key.as_ref().map(|_| format!("{name}.key"));
        [Some(format!("{name}.pem")), key].into_iter().flatten().map(|file| folder.join(file)).collect()
    }

    /// Writes `NAME.pem` and, if there is a key, `NAME.key`, both of which must not be there yet.
    pub fn write(&self, folder: &Path, name: &str, made: &mut Made) -> Result<(), Failure> {
        self.write_over(folder, name, made, false)
    }

    fn write_over(&self, folder: &Path, name: &str, made: &mut Made, force: bool) -> Result<(), Failure> {
        let files = self.files(folder, name);
        if !force {
            refuse_to_overwrite(&files)?;
        }
        for file in &files {
            made.file(file);
        }
        if let (Some(secret), Some(key)) = (&self.key, files.get(1)) {
            write_private(key, secret.expose_pem()).map_err(|error| Failure::file("cannot write", key, &error))?;
        }
        write(&files[0], &self.cert_pem, force)
    }
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
            return failure.hint("give fewer --days, or renew the authority: clearing authority renew");
        }
        if matches!(error, CertError::Sealed | CertError::WrongPassphrase) {
            return failure
                .hint("type the passphrase at a terminal, or name it with --passphrase-file or --passphrase-command");
        }
        if matches!(error, CertError::OfRoot) {
            return failure
                .hint("name the folder of both authorities: ca.pem and ca.key are those of the one that issues");
        }
        failure
    }
}
