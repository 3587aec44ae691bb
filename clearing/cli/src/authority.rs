//! `clearing authority`: the coalition's authorities on disk.
//!
//! | in the folder | what it is |
//! |---|---|
//! | `root.pem`, `root.key` | the root, which everybody trusts. Its key may be away: it is needed to renew and to replace |
//! | `ca.pem`, `ca.key` | the authority below it that issues from day to day |
//! | `next/` | the root and the authority that are to take over: both roots are trusted |
//! | `previous-root.pem` | the root that was replaced and is trusted until `replace finish` |
//! | `former/` | what was replaced, by the serial number of its certificate |
//!
//! A folder without `root.pem` has one authority that is alone: it issues, and is what everybody trusts.

mod replacement;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use clearing::clock::Clock;
use clearing::tls::credentials::Certificate;
use clearing_certs::{Authority, CertError, Passphrase, PrivateKey, SecretError, is_sealed, read_private};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::certificate::{CA_FILE, valid_for};
use crate::context::Context;
use crate::failure::Failure;
use crate::files::{Made, NewText, is_there, replace_all};
use crate::material::{of_tls, too_wide};
use crate::output::{Answer, Page};
use crate::passphrase::{NewPassphraseFlags, PassphraseFlags, configured};
use crate::values;

/// The folder of the authorities, beside the configuration file.
pub const AUTHORITY_FOLDER: &str = "authority";

/// How long a root is valid, and an authority below it: years in which nobody need look for a key that is away.
pub const ROOT_DAYS: i64 = 7_305;
pub const ISSUING_DAYS: i64 = 1_827;

/// The file of the issuing authority's private key.
pub const CA_KEY_FILE: &str = "ca.key";
const ROOT_FILE: &str = "root.pem";
const ROOT_KEY_FILE: &str = "root.key";
const PREVIOUS_ROOT_FILE: &str = "previous-root.pem";
const NEXT: &str = "next";
const FORMER: &str = "former";

/// The authority commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the authorities, how long they last, and where their keys are.
    #[command(after_help = "Examples:\n  clearing authority show\n  clearing authority show --output json")]
    Show(Place),
    /// Makes a new authority for daily use below the root. What the old one issued stays valid.
    ///
    /// It needs the key of the root, which may lie on another machine: bring the folder there, or the key here, and take it away
    /// again.
    #[command(after_help = "Examples:\n  clearing authority renew --passphrase-command 'pass show coalition/root'\n  \
                            clearing authority renew --authority /media/root --days 730")]
    Renew(Renew),
    /// Encrypts a key, or gives it another passphrase.
    #[command(
        after_help = "Examples:\n  clearing authority encrypt root --new-passphrase-command 'pass show coalition/root'\n  \
                            clearing authority encrypt issuing"
    )]
    Encrypt(Encrypt),
    /// Puts another root in the place of this one, in three steps between which everybody goes on.
    ///
    /// begin makes the next root, and lets the house and the operator's commands trust both: give the partners the new
    /// ca.pem. switch lets the next authority issue, and makes a new server certificate: renew the partners' certificates.
    /// finish ends the trust in the old root: whoever has a certificate of it is not let in any more. A step that was broken off is
    /// said again. abandon gives up what begin has begun.
    #[command(after_help = "Examples:\n  clearing authority replace begin --new-passphrase-file root.pass\n  \
                            clearing authority replace switch\n  clearing authority replace finish --yes")]
    Replace(Replace),
}

/// Where the authorities are.
#[derive(Debug, Default, Args)]
pub struct Place {
    /// The folder with ca.pem and ca.key of the authority. Left out: "authority" beside the configuration file.
    #[arg(long, value_name = "DIR")]
    authority: Option<PathBuf>,
}

/// Arguments of `authority renew`.
#[derive(Debug, Args)]
pub struct Renew {
    /// How many days it is valid.
    #[arg(long, value_name = "DAYS", default_value_t = ISSUING_DAYS, value_parser = |text: &str| values::between::<i64>(text, 1, ROOT_DAYS))]
    days: i64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Arguments of `authority encrypt`.
#[derive(Debug, Args)]
pub struct Encrypt {
    /// Whose key.
    #[arg(value_enum)]
    which: Which,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: PassphraseFlags,
    #[command(flatten)]
    new: NewPassphraseFlags,
}

/// One of the two authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Root,
    Issuing,
}

/// Arguments of `authority replace`.
#[derive(Debug, Args)]
pub struct Replace {
    /// Which step.
    #[arg(value_enum)]
    step: Step,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    new: NewPassphraseFlags,
    /// Does it without asking. Scripts and programs need it for finish: nobody can be asked there.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Begin,
    Switch,
    Finish,
    Abandon,
}

/// Runs an authority command.
pub fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Show(place) => show(&place.folder(context)?),
        Command::Renew(arguments) => renew(context, &arguments),
        Command::Encrypt(arguments) => encrypt(context, &arguments),
        Command::Replace(arguments) => {
            let folder = arguments.place.folder(context)?;
            match arguments.step {
                Step::Begin => replacement::begin(context, &folder, &arguments.new),
                Step::Switch => replacement::switch(context, &folder),
                Step::Finish => replacement::finish(context, &folder, arguments.yes),
                Step::Abandon => replacement::abandon(context, &folder),
            }
        }
    }
}

impl Place {
    /// The folder that is meant.
    ///
    /// # Errors
    /// See [`Context::config`].
    pub fn folder(&self, context: &Context) -> Result<Folder, Failure> {
        Ok(Folder(match &self.authority {
            Some(folder) => folder.clone(),
            None => context.config()?.file().and_then(Path::parent).unwrap_or(Path::new("")).join(AUTHORITY_FOLDER),
        }))
    }
}

/// A folder of authorities.
pub struct Folder(PathBuf);

const HINT: &str = "name the folder with ca.pem and ca.key of the coalition's authority: --authority DIR";

impl Folder {
    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn next(&self) -> Self {
        Self(self.at(NEXT))
    }

    /// The authority that issues. Its key may need a passphrase: that of the flags, of the configuration, or one that is asked for.
    ///
    /// # Errors
    /// Files that cannot be read or belong to different authorities; a passphrase that is missing or wrong.
    pub fn issuing(&self, context: &Context, flags: &PassphraseFlags) -> Result<Authority, Failure> {
        self.open((CA_FILE, CA_KEY_FILE), || issuing_passphrase(context, flags))
    }

    fn root(&self, context: &Context, passphrase: &PassphraseFlags) -> Result<Authority, Failure> {
        if !is_there(&self.at(ROOT_FILE)) {
            return Err(Failure::usage(format!("{} has no root: its authority is alone", self.0.display()))
                .hint("clearing authority replace begin makes a root that takes over"));
        }
        self.open((ROOT_FILE, ROOT_KEY_FILE), || passphrase.read(context.output, "root"))
    }

    fn open(
        &self,
        (cert, key): (&str, &str),
        passphrase: impl FnOnce() -> Result<Option<Passphrase>, Failure>,
    ) -> Result<Authority, Failure> {
        let cert = self.read(cert)?;
        let path = self.at(key);
        let key = read_private(&path).map_err(|error| match error {
            SecretError::Unreadable { .. } => Failure::usage(&error).hint(HINT),
            SecretError::Wide { .. } => too_wide("", &error, &path),
        })?;
        let passphrase = if is_sealed(&key) { passphrase()? } else { None };
        Ok(Authority::from_sealed_pem(&cert, &key, passphrase.as_ref())?)
    }

    /// The text of a key, if it is here.
    fn key_text(&self, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.at(name);
        if !is_there(&path) {
            return Ok(None);
        }
        read_private(&path).map(Some).map_err(|error| match error {
            SecretError::Unreadable { .. } => Failure::usage(&error).hint("let this user read it, or take it away"),
            SecretError::Wide { .. } => too_wide("", &error, &path),
        })
    }

    fn read(&self, name: &str) -> Result<String, Failure> {
        let path = self.at(name);
        fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error).hint(HINT))
    }

    /// What is to be trusted, as PEM: the root; while one replaces another, both; the authority itself where it is alone.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn trusted(&self) -> Result<String, Failure> {
        self.trusted_with(&[PREVIOUS_ROOT_FILE, "next/root.pem"])
    }

    /// An authority that is alone is its own root.
    fn own_root(&self) -> &'static str {
        if is_there(&self.at(ROOT_FILE)) { ROOT_FILE } else { CA_FILE }
    }

    fn trusted_with(&self, others: &[&str]) -> Result<String, Failure> {
        let mut trusted = self.read(self.own_root())?;
        for other in others.iter().filter(|other| is_there(&self.at(other))) {
            let text = self.read(other)?;
            if !trusted.contains(&text) {
                trusted.push_str(&text);
            }
        }
        Ok(trusted)
    }
}

/// What the key of the next authority that issues is encrypted under: whoever opens that of the present one opens it, and nodes do
/// so at SIGHUP.
///
/// # Errors
/// The present one is encrypted, and the configuration does not tell under what.
fn cover_of_the_next(context: &Context, folder: &Folder) -> Result<Option<Passphrase>, Failure> {
    let passphrase = configured(&context.config()?.authority_passphrase())?;
    if passphrase.is_none() && folder.key_text(CA_KEY_FILE)?.is_some_and(|text| is_sealed(&text)) {
        return Err(Failure::usage("the key of the authority that issues is encrypted, and the next one would not be").hint(
            "say where the passphrase is: authority.passphrase_file or authority.passphrase_command in clearing.toml",
        ));
    }
    Ok(passphrase)
}

/// What is to be done where the house reads revocation lists: it needs one of each authority that issues.
fn lists_too(context: &Context) -> Result<Page, Failure> {
    let Some(list) = context.config()?.server().ok().and_then(|settings| settings.crl) else { return Ok(Page::new()) };
    Ok(Page::new().text(format!(
        "! {} (tls.crl) needs a list of the new authority before SIGHUP, or nothing is read: clearing certificate crl --out NEW, and \
         put it behind the others.",
        list.display()
    )))
}

/// What opens the key of the authority that issues.
fn issuing_passphrase(context: &Context, flags: &PassphraseFlags) -> Result<Option<Passphrase>, Failure> {
    let configured = if flags.is_given() { None } else { configured(&context.config()?.authority_passphrase())? };
    configured.map_or_else(|| flags.read(context.output, "issuing authority"), |passphrase| Ok(Some(passphrase)))
}

/// The two that a coalition begins with.
pub struct Authorities {
    pub root: Authority,
    pub issuing: Authority,
}

impl Authorities {
    fn generate(domain: &str) -> Result<Self, CertError> {
        let root = Authority::root(domain, valid_for(ROOT_DAYS))?;
        let issuing = root.issuing(valid_for(ISSUING_DAYS))?;
        Ok(Self { root, issuing })
    }

    /// Makes both, and writes them into a folder that is new.
    ///
    /// # Errors
    /// A malformed domain; what cannot be written.
    pub fn make(
        folder: &Path,
        domain: &str,
        (root, issuing): (Option<&Passphrase>, Option<&Passphrase>),
        made: &mut Made,
    ) -> Result<Self, Failure> {
        let authorities = Self::generate(domain)?;
        made.folder(folder)?;
        let folder = Folder(folder.to_owned());
        let files = [
            NewText::secret(folder.at(ROOT_KEY_FILE), kept(&authorities.root.private_key(), root)?),
            NewText::public(folder.at(ROOT_FILE), authorities.root.cert_pem()),
            NewText::secret(folder.at(CA_KEY_FILE), kept(&authorities.issuing.private_key(), issuing)?),
            NewText::public(folder.at(CA_FILE), authorities.issuing.cert_pem()),
        ];
        files.iter().for_each(|file| made.file(&file.path));
        replace_all(&files)?;
        Ok(authorities)
    }
}

/// A key as it is kept: under a passphrase if there is one.
fn kept(key: &PrivateKey, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, CertError> {
    let text = passphrase.map_or_else(|| Ok(key.expose_pem().to_owned()), |passphrase| key.seal(passphrase));
    text.map(Zeroizing::new)
}

/// What is told of one authority.
struct Told {
    name: &'static str,
    certificate: Certificate,
    key: &'static str,
}

impl Folder {
    fn told(&self, name: &'static str, cert: &str, key: Option<&str>) -> Result<Option<Told>, Failure> {
        let path = self.at(cert);
        if !is_there(&path) {
            return Ok(None);
        }
        let read = Certificate::read("authority certificate", &self.read(cert)?);
        let read = read.map_err(|error| of_tls(&path.display().to_string(), &error))?;
        let certificate = read.into_iter().next().expect("a text without one was refused");
        let key = match key.map(|key| self.key_text(key)).transpose()?.flatten() {
            None => "not here",
            Some(text) if is_sealed(&text) => "encrypted",
            Some(_) => "in the clear",
        };
        Ok(Some(Told { name, certificate, key }))
    }
}

fn show(folder: &Folder) -> Result<Answer, Failure> {
    let next = folder.next();
    let all = [
        folder.told("root", ROOT_FILE, Some(ROOT_KEY_FILE))?,
        folder.told("issuing", CA_FILE, Some(CA_KEY_FILE))?,
        folder.told("previous root", PREVIOUS_ROOT_FILE, None)?,
        next.told("next root", ROOT_FILE, Some(ROOT_KEY_FILE))?,
        next.told("next issuing", CA_FILE, Some(CA_KEY_FILE))?,
    ];
    let all: Vec<Told> = all.into_iter().flatten().collect();
    if all.is_empty() {
        return Err(Failure::usage(format!("{} has no authority", folder.0.display())).hint(HINT));
    }
    let now = Clock::system().now();
    let json = |told: &Told| {
        json!({
            "authority": told.name,
            "subject": told.certificate.subject,
            "serial": told.certificate.serial_hex,
            "not_after": told.certificate.not_after.to_string(),
            "days_left": told.certificate.days_left(now),
            "key": told.key,
        })
    };
    let row = |told: &Told| {
        let Told { name, certificate, key } = told;
        let days = certificate.days_left(now).to_string();
        let end = certificate.not_after.to_string();
        let (subject, serial) = (certificate.subject.clone(), certificate.serial_hex.clone());
        vec![(*name).to_owned(), subject, serial, end, days, (*key).to_owned()]
    };
    let page = Page::new().table(&["authority", "name", "serial", "ends (UTC)", ">days", "key"], all.iter().map(row));
    let clear = all.iter().find(|told| told.name == "root" && told.key == "in the clear");
    let page = match clear {
        Some(_) => page.text(root_in_the_clear(&folder.at(ROOT_KEY_FILE))).next("clearing authority encrypt root"),
        None => page,
    };
    let former = folder.former_keys();
    let page = if former == 0 {
        page
    } else {
        let place = folder.at(FORMER).display().to_string();
        page.text(format!(
            "  {place} holds keys of authorities that were replaced: {former}. Take them away, or destroy them"
        ))
    };
    let all = all.iter().map(json).collect::<Value>();
    Ok(Answer::new(json!({ "folder": folder.0, "authorities": all, "former_key_count": former }), page))
}

/// What is said of a root whose key nobody has encrypted.
pub fn root_in_the_clear(key: &Path) -> String {
    format!(
        "  {} lies there in the clear: whoever reads it can be everybody. `clearing authority encrypt root` encrypts it; then take \
         it off this machine",
        key.display()
    )
}

/// What is said of the key of an authority that issues, when it is made.
fn in_the_clear_or_not(passphrase: Option<&Passphrase>) -> &'static str {
    match passphrase {
        Some(_) => {
            "Its key is encrypted under the passphrase of the configuration (authority.passphrase_file or _command)."
        }
        None => "Its key lies there in the clear; `clearing authority encrypt issuing` encrypts it.",
    }
}

fn renew(context: &Context, arguments: &Renew) -> Result<Answer, Failure> {
    let folder = arguments.place.folder(context)?;
    let root = folder.root(context, &arguments.passphrase)?;
    let before = Authority::serial_of(&folder.read(CA_FILE)?)?;
    let validity = valid_for(arguments.days);
    let issuing = root.issuing(validity)?;
    let passphrase = cover_of_the_next(context, &folder)?;
    folder.retire(&before, &[CA_FILE], &[CA_KEY_FILE])?;
    replace_all(&[
        NewText::secret(folder.at(CA_KEY_FILE), kept(&issuing.private_key(), passphrase.as_ref())?),
        NewText::public(folder.at(CA_FILE), issuing.cert_pem()),
    ])?;
    let json = json!({
        "serial": issuing.serial_hex(),
        "replaced": before,
        "not_after": validity.not_after.to_string(),
        "cert_file": folder.at(CA_FILE),
        "key_file": folder.at(CA_KEY_FILE),
        "encrypted": passphrase.is_some(),
    });
    let page = Page::new()
        .text(format!(
            "Made the authority {} below the root, valid until {}.",
            issuing.serial_hex(),
            validity.not_after
        ))
        .text(format!("What {before} issued stays valid; its files are in {}.", folder.at("former").display()))
        .text(in_the_clear_or_not(passphrase.as_ref()))
        .text(format!(
            "Nodes on other machines need {} and {} too.",
            folder.at(CA_FILE).display(),
            folder.at(CA_KEY_FILE).display()
        ))
        .and(&lists_too(context)?)
        .next("clearing certificate server   (a server certificate of the new one)");
    Ok(Answer::new(json, page))
}

impl Folder {
    /// Puts copies of files away under the serial number of a certificate. Those that are not there are left out, and so are those
    /// that were put away before: a step that was broken off is said again.
    fn retire(&self, serial: &str, certs: &[&str], keys: &[&str]) -> Result<(), Failure> {
        let former = self.at(FORMER);
        let mut made = Made::new();
        made.folder(&former)?;
        let place = |name: &str| former.join(format!("{serial}-{name}"));
        let mut copies = Vec::new();
        for name in certs.iter().filter(|name| is_there(&self.at(name))) {
            copies.push(NewText::public(place(name), self.read(name)?));
        }
        for name in keys {
            copies.extend(self.key_text(name)?.map(|text| NewText::secret(place(name), text)));
        }
        copies.retain(|copy| !is_there(&copy.path));
        replace_all(&copies)?;
        made.keep();
        Ok(())
    }

    /// How many keys of authorities that were replaced lie here.
    fn former_keys(&self) -> usize {
        let names = fs::read_dir(self.at(FORMER)).into_iter().flatten().flatten();
        names.filter(|file| file.path().extension().is_some_and(|extension| extension == "key")).count()
    }
}

fn encrypt(context: &Context, arguments: &Encrypt) -> Result<Answer, Failure> {
    let folder = arguments.place.folder(context)?;
    let (name, whose) = match arguments.which {
        Which::Root => (ROOT_KEY_FILE, "root"),
        Which::Issuing => (CA_KEY_FILE, "issuing authority"),
    };
    let path = folder.at(name);
    let text = read_private(&path).map_err(|error| match error {
        SecretError::Unreadable { .. } => Failure::usage(&error).hint(HINT),
        SecretError::Wide { .. } => too_wide("", &error, &path),
    })?;
    let before = match arguments.which {
        _ if !is_sealed(&text) => None,
        Which::Root => arguments.passphrase.read(context.output, whose)?,
        Which::Issuing => issuing_passphrase(context, &arguments.passphrase)?,
    };
    let key = PrivateKey::open(&text, before.as_ref())?;
    let new = arguments.new.read(context.output, whose)?;
    let new = new.ok_or_else(|| {
        Failure::usage("no passphrase was given")
            .hint("type one at a terminal, or name it with --new-passphrase-file or --new-passphrase-command")
    })?;
    replace_all(&[NewText::secret(path.clone(), key.seal(&new)?)])?;
    let json = json!({ "key_file": path, "was_encrypted": is_sealed(&text) });
    let page = Page::new().text(format!("Encrypted {}.", path.display()));
    let page = match arguments.which {
        Which::Root => page.text("Copies of it that lie elsewhere, in backups say, are as they were: destroy them."),
        Which::Issuing => page.text(
            "A house that issues with it needs the passphrase at its start and at SIGHUP: set authority.passphrase_file or \
             authority.passphrase_command in clearing.toml.",
        ),
    };
    Ok(Answer::new(json, page))
}
