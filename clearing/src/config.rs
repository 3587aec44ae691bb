//! Configuration: the only place that reads the environment and configuration files.
//!
//! A value may stand in a file (TOML), in the environment (`CLEARING_HOUSE_LISTEN` is `house.listen`) and on the command
//! line; the later of these three wins. All that is wrong is said at once, each with the key, the value, where it was
//! found and what is allowed. What is missing is said when somebody needs it: a command that asks a house over the
//! network needs no database.

mod keys;
mod problem;
mod sources;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shares::{PerPartner, ReadShares, WriteShares};
use clearing_certs::{SecretError, check_private};

pub use keys::{KEYS, Key, Kind, Value};
pub use problem::{Fault, Problem, Problems, Source};
pub use sources::{Environment, FILE_DEFAULT, FILE_VARIABLE, Flag, VARIABLE_PREFIX};
pub use template::template;

use crate::door::DoorLimits;
use crate::store::Store;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{named_by} {}, which {}", path.display(), lack(source))]
    Unreadable {
        /// What names it, with the verb: "CLEARING_CONFIG names".
        named_by: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}:{line}: not TOML: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The file holds the database's password, and others than its owner have a right to it.
    #[error("{source}: the password of house.database")]
    NotPrivate {
        /// Which file, and its mode.
        source: SecretError,
    },
    /// Keys are wrong or missing.
    #[error("{0}")]
    Keys(#[from] Problems),
}

/// What is the matter with a file that was named.
fn lack(error: &io::Error) -> String {
    let kind = error.kind();
    if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&kind) {
        "is not there".to_owned()
    } else if kind == io::ErrorKind::IsADirectory {
        "is a folder".to_owned()
    } else {
        format!("cannot be read: {error}")
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

/// A configuration without anything malformed, out of range or unknown in it.
#[derive(Clone)]
pub struct Config {
    file: Option<PathBuf>,
    found: BTreeMap<&'static str, Found>,
}

impl fmt::Debug for Config {
    /// As people may see it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.effective().into_iter().map(|(key, value, _)| (key.name, value))).finish()
    }
}

impl Config {
    /// Reads everything. The file is `file`, or the one that the environment names, or `clearing.toml` in the working
    /// folder if there is one.
    ///
    /// # Errors
    ///
    /// A file that was named and cannot be read, a file that is not TOML, and every key that is malformed, out of range or
    /// unknown.
    pub fn load(file: Option<&Path>, environment: &Environment, flags: &[Flag]) -> Result<Self, ConfigError> {
        let named = file.map(|file| ("--config names", file.to_owned()));
        let named = named.or_else(|| environment.file().map(|file| ("CLEARING_CONFIG names", file)));
        let is_named = named.is_some();
        let (named_by, path) = named.unwrap_or_else(|| ("this folder has", PathBuf::from(FILE_DEFAULT)));
        let unreadable = |source| ConfigError::Unreadable { named_by, path: path.clone(), source };
        let opened = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => None,
            Err(source) => return Err(unreadable(source)),
        };
        let text = opened.as_ref().map(io::read_to_string).transpose().map_err(unreadable)?;
        let mut found = BTreeMap::new();
        let mut problems = Vec::new();
        if let Some(text) = &text {
            sources::read_file(&path, text, &mut found, &mut problems)?;
        }
        // Whoever wins below, the password stands in the file.
        let has_password = |found: &Found| matches!(&found.value, Value::Text(url) if without_password(url) != *url);
        if let Some(file) = opened.filter(|_| found.get("house.database").is_some_and(has_password)) {
            check_private(&path, &file).map_err(|source| ConfigError::NotPrivate { source })?;
        }
        environment.read(&mut found, &mut problems);
        for flag in flags {
            flag.read(&mut found, &mut problems);
        }
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        for key in KEYS {
            if let (Some(default), false) = (key.default, found.contains_key(key.name)) {
                let value = key.kind.read(default).expect("the table test reads every default");
                // Without a file, the working folder is where files begin.
                let folder = path.parent().filter(|_| text.is_some()).unwrap_or(Path::new(""));
                let value = relative_to(folder, key.kind, value);
                found.insert(key.name, Found { value, source: Source::Default });
            }
        }
        Ok(Self { file: text.map(|_| path), found })
    }

    /// The file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Every key that has a value, in the order of the file, with the value as people may see it and its source.
    pub fn effective(&self) -> Vec<(&'static Key, String, &Source)> {
        let show = |key: &'static Key| {
            let found = self.found.get(key.name)?;
            let text = match &found.value {
                Value::Text(text) if key.kind == Kind::Database => without_password(text),
                Value::Text(text) => text.clone(),
                Value::Whole(number) => number.to_string(),
                Value::PerPartner(numbers) => keys::per_partner_text(numbers),
                Value::File(path) => path.display().to_string(),
                Value::Address(address) => address.to_string(),
            };
            Some((key, text, &found.source))
        };
        KEYS.iter().filter_map(show).collect()
    }

    /// Where the books are.
    pub fn database(&self) -> String {
        self.needed("house.database", &mut Vec::new(), text)
    }

    /// The coalition's domain and the file of its identifier key, where both are configured.
    pub fn identifier_key(&self) -> Option<(String, PathBuf)> {
        let domain = text(&self.found.get("house.domain")?.value)?;
        Some((domain, path(&self.found.get("keys.identifier_key")?.value)?))
    }

    /// How to log.
    pub fn log(&self) -> LogSettings {
        let mut missing = Vec::new();
        let format = self.needed("log.format", &mut missing, text);
        LogSettings {
            format: if format == "json" { LogFormat::Json } else { LogFormat::Text },
            filter: self.needed("log.filter", &mut missing, text),
        }
    }

    /// What a server needs.
    ///
    /// # Errors
    ///
    /// Every key that is missing.
    pub fn server(&self) -> Result<ServerSettings, Problems> {
        let mut missing = Vec::new();
        let settings = ServerSettings {
            database: self.database(),
            listen: self.needed("house.listen", &mut missing, address),
            domain: self.needed("house.domain", &mut missing, text),
            drain: Duration::from_secs(self.needed("house.drain_seconds", &mut missing, whole)),
            ca: self.needed("tls.ca", &mut missing, path),
            cert: self.needed("tls.cert", &mut missing, path),
            key: self.needed("tls.key", &mut missing, path),
            crl: self.found.get("tls.crl").and_then(|found| path(&found.value)),
            partner_authorities: self.found.get("tls.partner_authorities").and_then(|found| path(&found.value)),
            enrolment: self.enrolment(&mut missing),
            identifier_key: self.needed("keys.identifier_key", &mut missing, path),
            jump_max: Duration::from_secs(self.needed("clock.jump_max", &mut missing, whole) * 86_400),
            writes: WriteShares {
                waiting_all: self.size("limits.queue_requests", &mut missing),
                waiting: self.needed("limits.partner_requests", &mut missing, per_partner),
                weight: self.needed("limits.partner_weight", &mut missing, per_partner),
                per_second: self.needed("limits.partner_requests_per_second", &mut missing, per_partner),
            },
            reads: ReadShares {
                running: self.needed("limits.partner_reads", &mut missing, per_partner),
                waiting: self.needed("limits.partner_reads_waiting", &mut missing, per_partner),
                weight: self.needed("limits.partner_weight", &mut missing, per_partner),
                per_second: self.needed("limits.partner_reads_per_second", &mut missing, per_partner),
                ..ReadShares::default()
            },
            door: DoorLimits {
                first_byte: self.seconds("limits.first_byte_seconds", &mut missing),
                handshake: self.seconds("limits.handshake_seconds", &mut missing),
                preface: self.seconds("limits.preface_seconds", &mut missing),
                waiting: self.size("limits.waiting", &mut missing),
                waiting_per_address: self.size("limits.waiting_per_address", &mut missing),
                connections: self.size("limits.connections", &mut missing),
                connections_per_partner: self.size("limits.connections_per_partner", &mut missing),
                calls: self.size("limits.calls", &mut missing),
                calls_per_partner: self.size("limits.calls_per_partner", &mut missing),
                bytes: self.size("limits.megabytes", &mut missing) << 20,
                bytes_per_partner: self.size("limits.megabytes_per_partner", &mut missing) << 20,
                still: self.seconds("limits.still_seconds", &mut missing),
            },
        };
        if missing.is_empty() { Ok(settings) } else { Err(Problems(missing)) }
    }

    /// How certificates are issued, if they are.
    fn enrolment(&self, missing: &mut Vec<Problem>) -> Option<EnrolmentSettings> {
        let found = |name: &str| self.found.get(name).map(|found| &found.value);
        let listen = address(found("enrolment.listen")?)?;
        // What is bound to every network tells nobody where to go.
        let own = |name: &'static str, listen: SocketAddr, missing: &mut Vec<Problem>| {
            if listen.ip().is_unspecified() {
                Some(self.needed(name, missing, text))
            } else {
                found(name).and_then(text)
            }
        };
        let house = found("house.listen").and_then(address).unwrap_or(listen);
        Some(EnrolmentSettings {
            listen,
            endpoint: own("enrolment.endpoint", listen, missing),
            house_endpoint: own("enrolment.house_endpoint", house, missing),
            authority_cert: self.needed("authority.cert", missing, path),
            authority_key: self.needed("authority.key", missing, path),
            passphrase: self.authority_passphrase(),
            certificate_days: i64::try_from(self.needed("enrolment.certificate_days", missing, whole)).unwrap_or(1),
        })
    }

    /// What opens the key of the authority that issues.
    pub fn authority_passphrase(&self) -> PassphraseSettings {
        let found = |name: &str| self.found.get(name).map(|found| &found.value);
        PassphraseSettings {
            file: found("authority.passphrase_file").and_then(path),
            command: found("authority.passphrase_command").and_then(text),
        }
    }

    /// What a command needs that talks to a house.
    ///
    /// # Errors
    ///
    /// Every key that is missing.
    pub fn client(&self) -> Result<ClientSettings, Problems> {
        let mut missing = Vec::new();
        let settings = ClientSettings {
            endpoint: self.needed("client.endpoint", &mut missing, text),
            ca: self.needed("client.ca", &mut missing, path),
            cert: self.needed("client.cert", &mut missing, path),
            key: self.needed("client.key", &mut missing, path),
            deadline: Duration::from_secs(self.needed("client.deadline_seconds", &mut missing, whole)),
        };
        if missing.is_empty() { Ok(settings) } else { Err(Problems(missing)) }
    }

    /// The value of a key, or a problem and a stand-in that nobody gets to see.
    fn needed<T: Stand>(
        &self,
        name: &'static str,
        missing: &mut Vec<Problem>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let Some(found) = self.found.get(name) else {
            let (key, source) = (name.to_owned(), Source::Default);
            missing.push(Problem { key, value: None, fault: Fault::Missing, source });
            return T::stand_in();
        };
        read(&found.value).expect("a key's values are all of its kind")
    }

    fn seconds(&self, name: &'static str, missing: &mut Vec<Problem>) -> Duration {
        Duration::from_secs(self.needed(name, missing, whole))
    }

    fn size(&self, name: &'static str, missing: &mut Vec<Problem>) -> usize {
        usize::try_from(self.needed(name, missing, whole)).expect("limits are far below the sizes of a machine")
    }
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// For whom.
    pub format: LogFormat,
    /// What: a filter of tracing's.
    pub filter: String,
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    Text,
    /// Machines: an object a line.
    Json,
}

/// What a server needs. It prints as nothing: the address of the database may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The URL of the books.
    pub database: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The coalition's domain.
    pub domain: String,
    /// How long a stop may take.
    pub drain: Duration,
    /// The file of the authority's certificate.
    pub ca: PathBuf,
    /// The file of the server's certificate.
    pub cert: PathBuf,
    /// The file of its private key.
    pub key: PathBuf,
    /// The file of the revocation list.
    pub crl: Option<PathBuf>,
    /// The folder of partners' own authorities.
    pub partner_authorities: Option<PathBuf>,
    /// How certificates are issued, if they are.
    pub enrolment: Option<EnrolmentSettings>,
    /// The file of the identifier key.
    pub identifier_key: PathBuf,
    /// How far ahead of when the house was last alive the clock may be at start.
    pub jump_max: Duration,
    /// What each caller may have of the writer.
    pub writes: WriteShares,
    /// What each caller may have of the readers.
    pub reads: ReadShares,
    /// What connections and calls may cost.
    pub door: DoorLimits,
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSettings(..)")
    }
}

/// What a server needs to issue certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where that is reached, `host:port`, if somebody says so.
    pub endpoint: Option<String>,
    /// Where the house is reached, `https://host:port`, if somebody says so.
    pub house_endpoint: Option<String>,
    /// The file of the issuing authority's certificate.
    pub authority_cert: PathBuf,
    /// The file of its private key.
    pub authority_key: PathBuf,
    /// What opens that key.
    pub passphrase: PassphraseSettings,
    /// How long a certificate is valid, in days.
    pub certificate_days: i64,
}

/// Where the passphrase of a key is, if somebody said so: the first line of the file, or else of what the command prints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassphraseSettings {
    pub file: Option<PathBuf>,
    pub command: Option<String>,
}

/// What a command needs that talks to a house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// The house.
    pub endpoint: String,
    /// The file of the authority's certificate.
    pub ca: PathBuf,
    /// The file of the caller's certificate.
    pub cert: PathBuf,
    /// The file of its private key.
    pub key: PathBuf,
    /// How long a call may take.
    pub deadline: Duration,
}

/// Something to hold while the other missing keys are looked for.
trait Stand {
    fn stand_in() -> Self;
}

impl Stand for String {
    fn stand_in() -> Self {
        Self::new()
    }
}

impl Stand for u64 {
    fn stand_in() -> Self {
        0
    }
}

impl Stand for PathBuf {
    fn stand_in() -> Self {
        Self::new()
    }
}

impl Stand for PerPartner {
    fn stand_in() -> Self {
        Self::all(0)
    }
}

impl Stand for SocketAddr {
    fn stand_in() -> Self {
        Self::from(([0, 0, 0, 0], 0))
    }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn whole(value: &Value) -> Option<u64> {
    if let Value::Whole(number) = value { Some(*number) } else { None }
}

fn per_partner(value: &Value) -> Option<PerPartner> {
    if let Value::PerPartner(numbers) = value { Some(numbers.clone()) } else { None }
}

fn path(value: &Value) -> Option<PathBuf> {
    if let Value::File(path) = value { Some(path.clone()) } else { None }
}

fn address(value: &Value) -> Option<SocketAddr> {
    if let Value::Address(address) = value { Some(*address) } else { None }
}

/// The same value, files in it taken from `folder`.
fn relative_to(folder: &Path, kind: Kind, value: Value) -> Value {
    match value {
        Value::File(path) => Value::File(folder.join(path)),
        Value::Text(url) if kind == Kind::Database => Value::Text(database_in(folder, &url)),
        Value::Text(_) | Value::Whole(_) | Value::PerPartner(_) | Value::Address(_) => value,
    }
}

/// The URL of a database, a relative SQLite file taken from `folder`.
pub fn database_in(folder: &Path, url: &str) -> String {
    match Store::file_of(url) {
        Some(file) => format!("sqlite:{}", folder.join(file).display()),
        None => url.to_owned(),
    }
}

/// What may be seen of the options of a database's URL; all others may hold a password.
const OPEN_OPTIONS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "mode",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The URL of a database as people may see it: no password, neither before the host nor among the options, and neither in
/// a URL that is malformed.
pub fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once(':') {
        // A path, whatever characters are in it.
        Some(("sqlite", _)) => return url.to_owned(),
        Some((scheme, rest)) => (scheme, rest),
        None => return without_secret_options(url),
    };
    let (slashes, rest) = rest.split_at(rest.len() - rest.trim_start_matches('/').len());
    // A host has no @, a password may have one, and whatever else an address is made of.
    let (credentials, place) = rest.rsplit_once('@').map_or((None, rest), |(before, place)| (Some(before), place));
    let credentials =
        match credentials.map(|credentials| credentials.split_once(':').map_or(credentials, |(user, _)| user)) {
            Some(user) if credentials == Some(user) => format!("{user}@"),
            Some(user) => format!("{user}:***@"),
            None => String::new(),
        };
    format!("{scheme}:{slashes}{credentials}{}", without_secret_options(place))
}

fn without_secret_options(place: &str) -> String {
    let Some((place, options)) = place.split_once('?') else { return place.to_owned() };
    let shown = options.split('&').map(|option| match option.split_once('=') {
        Some((name, _)) if !OPEN_OPTIONS.contains(&name) => format!("{name}=***"),
        Some(_) | None => option.to_owned(),
    });
    format!("{place}?{}", shown.collect::<Vec<_>>().join("&"))
}
