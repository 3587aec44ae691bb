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

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use clearing::clock::Clock;
use clearing::tls::credentials::Certificate;
use clearing_certs::{Authority, CertError, Passphrase, PrivateKey, SecretError, is_sealed, read_private};
use serde_json::{Value, json};

use crate::certificate::{CA_FILE, valid_for};
use crate::context::Context;
use crate::failure::Failure;
use crate::files::{Made, NewText, is_there, replace_all};
use crate::irrevocable::confirmed;
use crate::material::{of_tls, too_wide};
use crate::output::{Answer, Page};
use crate::passphrase::{NewPassphraseFlags, PassphraseFlags, configured};
use crate::server_certificate;
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
    /// finish ends the trust in the old root: whoever has a certificate of it is not let in any more.
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
                Step::Begin => begin(context, &folder, &arguments.new),
                Step::Switch => switch(context, &folder),
                Step::Finish => finish(context, &folder, arguments.yes),
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
        Self(self.at("next"))
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

    fn read(&self, name: &str) -> Result<String, Failure> {
        let path = self.at(name);
        fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error).hint(HINT))
    }

    /// What is to be trusted, as PEM: the root; while one replaces another, both; the authority itself where it is alone.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn trusted(&self) -> Result<String, Failure> {
        let own = if is_there(&self.at(ROOT_FILE)) { ROOT_FILE } else { CA_FILE };
        let mut trusted = self.read(own)?;
        for other in [PREVIOUS_ROOT_FILE, "next/root.pem"] {
            if is_there(&self.at(other)) {
                trusted.push_str(&self.read(other)?);
            }
        }
        Ok(trusted)
    }
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
            (ROOT_KEY_FILE, kept(&authorities.root.private_key(), root)?, true),
            (ROOT_FILE, authorities.root.cert_pem().to_owned(), false),
            (CA_KEY_FILE, kept(&authorities.issuing.private_key(), issuing)?, true),
            (CA_FILE, authorities.issuing.cert_pem().to_owned(), false),
        ];
        let files = files.map(|(name, text, secret)| NewText { path: folder.at(name), text, secret });
        files.iter().for_each(|file| made.file(&file.path));
        replace_all(&files)?;
        Ok(authorities)
    }
}

/// A key as it is kept: under a passphrase if there is one.
fn kept(key: &PrivateKey, passphrase: Option<&Passphrase>) -> Result<String, CertError> {
    passphrase.map_or_else(|| Ok(key.expose_pem().to_owned()), |passphrase| key.seal(passphrase))
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
        let key = match key.map(|key| fs::read_to_string(self.at(key))) {
            None | Some(Err(_)) => "not here",
            Some(Ok(text)) if is_sealed(&text) => "encrypted",
            Some(Ok(_)) => "in the clear",
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
    Ok(Answer::new(json!({ "folder": folder.0, "authorities": all.iter().map(json).collect::<Value>() }), page))
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
    // Whoever opens the key of the former one opens this one: nodes read it at SIGHUP.
    let passphrase = configured(&context.config()?.authority_passphrase())?;
    folder.retire(&before, &[CA_FILE, CA_KEY_FILE])?;
    replace_all(&[
        NewText {
            path: folder.at(CA_KEY_FILE),
            text: kept(&issuing.private_key(), passphrase.as_ref())?,
            secret: true,
        },
        NewText { path: folder.at(CA_FILE), text: issuing.cert_pem().to_owned(), secret: false },
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
        .next("clearing certificate server   (a server certificate of the new one)");
    Ok(Answer::new(json, page))
}

impl Folder {
    /// Puts copies of files away under the serial number of a certificate. Those that are not there are left out.
    fn retire(&self, serial: &str, names: &[&str]) -> Result<(), Failure> {
        let former = self.at("former");
        let mut made = Made::new();
        made.folder(&former)?;
        let mut copies = Vec::new();
        for name in names {
            let path = self.at(name);
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let secret = name.ends_with(".key");
            copies.push(NewText { path: former.join(format!("{serial}-{name}")), text, secret });
        }
        replace_all(&copies)?;
        made.keep();
        Ok(())
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
    replace_all(&[NewText { path: path.clone(), text: key.seal(&new)?, secret: true }])?;
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

fn begin(context: &Context, folder: &Folder, new: &NewPassphraseFlags) -> Result<Answer, Failure> {
    let next = folder.next();
    if is_there(&next.0) {
        return Err(Failure::usage(format!("{} is there already: a replacement has begun", next.0.display()))
            .hint("clearing authority replace switch goes on with it; remove the folder to give it up"));
    }
    if is_there(&folder.at(PREVIOUS_ROOT_FILE)) {
        return Err(Failure::usage("the last replacement is not finished").hint("clearing authority replace finish"));
    }
    let domain = Authority::domain_of(&folder.read(CA_FILE)?)?;
    let passphrase = new.read(context.output, "next root")?;
    let issuing = configured(&context.config()?.authority_passphrase())?;
    let mut made = Made::new();
    Authorities::make(&next.0, &domain, (passphrase.as_ref(), issuing.as_ref()), &mut made)?;
    made.keep();
    let files = trust(context, folder)?;
    let json = json!({ "folder": next.0, "encrypted": passphrase.is_some(), "trusted_in": files });
    let mut page = Page::new()
        .text(format!("Made the next root and its authority in {}.", next.0.display()))
        .text(format!("Both roots are trusted by {}.", listed(&files)));
    if passphrase.is_none() {
        page = page.text(root_in_the_clear(&next.at(ROOT_KEY_FILE)));
    }
    let page = page
        .text("1. Send SIGHUP to every node: it takes certificates of both then.")
        .text("2. Give every partner the new ca.pem, and let it use that before you go on.")
        .next("clearing authority replace switch");
    Ok(Answer::new(json, page))
}

fn switch(context: &Context, folder: &Folder) -> Result<Answer, Failure> {
    let next = folder.next();
    if !is_there(&next.0) {
        return Err(Failure::usage("no replacement has begun").hint("clearing authority replace begin"));
    }
    let next_root = next.read(ROOT_FILE)?;
    // An authority that is alone is its own root.
    let own = if is_there(&folder.at(ROOT_FILE)) { ROOT_FILE } else { CA_FILE };
    let old_root = folder.read(own)?;
    let old = Authority::serial_of(&old_root)?;
    folder.retire(&old, &[ROOT_FILE, ROOT_KEY_FILE, CA_FILE, CA_KEY_FILE])?;
    let mut files = vec![NewText { path: folder.at(PREVIOUS_ROOT_FILE), text: old_root, secret: false }];
    for (name, secret) in [(ROOT_KEY_FILE, true), (ROOT_FILE, false), (CA_KEY_FILE, true), (CA_FILE, false)] {
        // The next root's key may be away by now.
        match fs::read_to_string(next.at(name)) {
            Ok(text) => files.push(NewText { path: folder.at(name), text, secret }),
            Err(_) if name == ROOT_KEY_FILE => {}
            Err(error) => return Err(Failure::file("cannot read", &next.at(name), &error)),
        }
    }
    replace_all(&files)?;
    if is_there(&folder.at(ROOT_KEY_FILE)) && !is_there(&next.at(ROOT_KEY_FILE)) {
        // That of the old root is in `former`.
        fs::remove_file(folder.at(ROOT_KEY_FILE))
            .map_err(|error| Failure::file("cannot remove", &folder.at(ROOT_KEY_FILE), &error))?;
    }
    fs::remove_dir_all(&next.0).map_err(|error| Failure::file("cannot remove", &next.0, &error))?;
    let trusted_in = trust(context, folder)?;
    let issuing = folder.issuing(context, &PassphraseFlags::default())?;
    let server = server_certificate::replace(context, &issuing, &[], None)?;
    let root = Authority::serial_of(&next_root)?;
    let json = json!({ "root": root, "previous_root": old, "trusted_in": trusted_in, "server": server.json });
    let page = Page::new()
        .text(format!("The root {root} and its authority have taken over from {old}, which is still trusted."))
        .and(&server.page)
        .text("1. Send SIGHUP to every node.")
        .text("2. Renew every certificate that the old one issued: the partners', the operator's, the auditors'.")
        .next("clearing authority replace finish   (when nobody uses one of the old root any more)");
    Ok(Answer::new(json, page))
}

fn finish(context: &Context, folder: &Folder, yes: bool) -> Result<Answer, Failure> {
    let previous = folder.at(PREVIOUS_ROOT_FILE);
    if !is_there(&previous) {
        return Err(Failure::usage("no root is being replaced").hint("clearing authority replace begin"));
    }
    let old = Authority::serial_of(&folder.read(PREVIOUS_ROOT_FILE)?)?;
    let root = folder.read(ROOT_FILE)?;
    server_certificate::check_all_of(context, &root)?;
    confirmed(yes, context.output, &format!("ends the trust in the root {old}: its certificates open no connection"))?;
    fs::remove_file(&previous).map_err(|error| Failure::file("cannot remove", &previous, &error))?;
    let files = trust(context, folder)?;
    let json = json!({ "previous_root": old, "trusted_in": files });
    let page = Page::new()
        .text(format!("The root {old} is not trusted any more by {}.", listed(&files)))
        .next("send SIGHUP to every node, and give the partners the new ca.pem");
    Ok(Answer::new(json, page))
}

/// Writes what is trusted to the files that the configuration names for the house and for the operator's commands, and tells
/// which these are.
fn trust(context: &Context, folder: &Folder) -> Result<Vec<PathBuf>, Failure> {
    let config = context.config()?;
    let mut paths: Vec<PathBuf> = config.server().ok().map(|settings| settings.ca).into_iter().collect();
    paths.extend(config.client().ok().map(|settings| settings.ca));
    paths.dedup();
    let text = folder.trusted()?;
    let files = paths.iter().map(|path| NewText { path: path.clone(), text: text.clone(), secret: false });
    replace_all(&files.collect::<Vec<_>>())?;
    Ok(paths)
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "no file that is configured here".to_owned() } else { names.join(" and ") }
}
