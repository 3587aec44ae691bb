//! Every key there is: what it means, what it may be, and what it is when nobody sets it.
//!
//! The commented file of `clearing init`, the messages about wrong values and the table test are all made from this one
//! list.

use std::net::SocketAddr;
use std::path::PathBuf;

use clearing_certs::DOMAIN_LENGTH_MAX;
use clearing_core::units::{PartnerId, digits, whole};
use tracing_subscriber::filter::Targets;

use crate::shares::PerPartner;

/// The longest path of a file, in bytes: what Linux allows.
const PATH_BYTES_MAX: usize = 4_096;

/// The longest log filter and database URL, in bytes: far above any that means something.
const TEXT_BYTES_MAX: usize = 2_048;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name, `section.name`.
    pub name: &'static str,
    /// What a value of it looks like.
    pub kind: Kind,
    /// What it is when nobody sets it. `None`: whoever needs it cannot do without.
    pub default: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number between two bounds, both allowed.
    Whole {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A whole number between two bounds for every partner, and others for some.
    PerPartner {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A file. In a file, relative paths start at the folder of that file.
    File,
    /// The same, and it may be left out for good: `default` being `None` is then no lack.
    OptionalFile,
    /// An IP address with a port.
    Address,
    /// The same, and it may be left out for good.
    OptionalAddress,
    /// A host with a port, that may be left out for good.
    OptionalPlace,
    /// A command of a shell, that may be left out for good.
    OptionalCommand,
    /// The URL of a database.
    Database,
    /// The URL of a server.
    Endpoint,
    /// The same, and it may be left out for good.
    OptionalEndpoint,
    /// The domain of a coalition.
    Domain,
    /// A filter of the log.
    Filter,
}

/// Every key, by section, in the order of the file.
pub const KEYS: &[Key] = &[
    Key {
        name: "house.database",
        kind: Kind::Database,
        default: Some("sqlite:clearing.db"),
        doc: "Where the books are kept: sqlite:FILE (one node) or postgres://USER:PASSWORD@HOST:PORT/DATABASE (one node or \
              several).",
    },
    Key {
        name: "house.listen",
        kind: Kind::Address,
        default: Some("127.0.0.1:7443"),
        doc: "Where partners connect. 0.0.0.0:7443 listens on every network of the machine, port 0 takes a free port.",
    },
    Key {
        name: "house.domain",
        kind: Kind::Domain,
        default: None,
        doc: "The coalition's domain: the host part of the identities in its certificates. It never changes.",
    },
    Key {
        name: "house.drain_seconds",
        kind: Kind::Whole { min: 0, max: 3_600 },
        default: Some("20"),
        doc: "How long a stop may take after SIGTERM, in seconds, whatever a client does: calls that are under way are answered, \
              and cut off shortly before.",
    },
    Key {
        name: "tls.ca",
        kind: Kind::File,
        default: None,
        doc: "The certificate of the coalition's authority, PEM: who is let in. Several while one replaces another.",
    },
    Key { name: "tls.cert", kind: Kind::File, default: None, doc: "The server's certificate, PEM." },
    Key { name: "tls.key", kind: Kind::File, default: None, doc: "The server's private key, PEM." },
    Key {
        name: "tls.crl",
        kind: Kind::OptionalFile,
        default: None,
        doc: "The lists of revoked certificates, PEM. When there is one, every authority that issues needs one; a root need not \
              have one.",
    },
    Key {
        name: "tls.partner_authorities",
        kind: Kind::OptionalFile,
        default: None,
        doc: "A folder with the authorities of partners that have a PKI of their own, PEM: what PARTNER.pem vouches for is let in \
              as that partner, and as nobody else. `clearing partner authority` writes them.",
    },
    Key {
        name: "authority.cert",
        kind: Kind::OptionalFile,
        default: None,
        doc: "The certificate of the authority that issues certificates to those who enrol, PEM: one of `tls.ca`, or signed by \
              one of these, and then those between them behind it.",
    },
    Key {
        name: "authority.key",
        kind: Kind::OptionalFile,
        default: None,
        doc: "Its private key, PEM. Whoever has it can be anybody.",
    },
    Key {
        name: "authority.passphrase_file",
        kind: Kind::OptionalFile,
        default: None,
        doc: "The file whose first line opens that key, if it is encrypted (`clearing authority encrypt issuing`). It must be its \
              owner's alone.",
    },
    Key {
        name: "authority.passphrase_command",
        kind: Kind::OptionalCommand,
        default: None,
        doc: "A command of a shell whose first line opens it, such as \"pass show coalition/issuing\", where there is no such file.",
    },
    Key {
        name: "enrolment.listen",
        kind: Kind::OptionalAddress,
        default: None,
        doc: "Where invites are used, by whoever has no certificate yet. Left out: nowhere, and certificates are made by hand. \
              With it, `authority.cert` and `authority.key` are needed.",
    },
    Key {
        name: "enrolment.endpoint",
        kind: Kind::OptionalPlace,
        default: None,
        doc: "Where that is reached, as invites tell it. Left out: where it listens, unless that is every network of the machine.",
    },
    Key {
        name: "enrolment.house_endpoint",
        kind: Kind::OptionalEndpoint,
        default: None,
        doc: "Where the house is reached, as those who enrol are told it. Left out: where it listens, unless that is every network \
              of the machine.",
    },
    Key {
        name: "enrolment.certificate_days",
        kind: Kind::Whole { min: 1, max: 397 },
        default: Some("90"),
        doc: "How long a certificate is valid that is issued to whoever enrols, in days. The SDK renews it at half of that.",
    },
    Key {
        name: "keys.identifier_key",
        kind: Kind::File,
        default: None,
        doc: "The secret under which identifiers of members are hashed: 64 hexadecimal digits. Who loses it loses the way \
              from a card to its member; it never changes.",
    },
    Key {
        name: "clock.jump_max",
        kind: Kind::Whole { min: 1, max: 3_650 },
        default: Some("8"),
        doc: "How many days after it was last alive the house may be started, in days: a machine whose clock is further ahead \
              is taken to have a wrong clock, until somebody says that it is right (`clearing serve --accept-time`).",
    },
    Key {
        name: "log.format",
        kind: Kind::Word(&["text", "json"]),
        default: Some("text"),
        doc: "How the log is written (to standard error): text for people, json for machines.",
    },
    Key {
        name: "log.filter",
        kind: Kind::Filter,
        default: Some("info"),
        doc: "What is logged: a level (error, warn, info, debug, trace), and others for parts of the program after commas, \
              such as info,clearing::writer=debug. A release says no more at trace than at debug.",
    },
    Key {
        name: "limits.queue_requests",
        kind: Kind::Whole { min: 1, max: 1_000_000 },
        default: Some("16384"),
        doc: "How many requests may wait for the writer, of all callers. Beyond it, who has more than an even share of them \
              is asked to come back.",
    },
    Key {
        name: "limits.partner_requests",
        kind: Kind::PerPartner { min: 1, max: 1_000_000 },
        default: Some("4096"),
        doc: "How many requests of one partner may wait for the writer, the lines of its batches counted one by one. Beyond \
              it this partner is asked to come back, and nobody else. For some partners others: 4096, GROCER=8192.",
    },
    Key {
        name: "limits.partner_requests_per_second",
        kind: Kind::PerPartner { min: 1, max: 10_000_000 },
        default: Some("100000"),
        doc: "How many requests one partner may send in a second, the lines of its batches counted one by one.",
    },
    Key {
        name: "limits.partner_weight",
        kind: Kind::PerPartner { min: 1, max: 1_000 },
        default: Some("10"),
        doc: "How often the turn of one partner comes where several wait, for the writer and for readers alike: twice the \
              weight is twice as often.",
    },
    Key {
        name: "limits.partner_reads",
        kind: Kind::PerPartner { min: 1, max: 64 },
        default: Some("4"),
        doc: "How many reads of one partner may run at the same time. There are seven readers for all; further reads wait.",
    },
    Key {
        name: "limits.partner_reads_waiting",
        kind: Kind::PerPartner { min: 1, max: 1_000_000 },
        default: Some("256"),
        doc: "How many reads of one partner may wait. Beyond it this partner is asked to come back.",
    },
    Key {
        name: "limits.partner_reads_per_second",
        kind: Kind::PerPartner { min: 1, max: 10_000_000 },
        default: Some("100000"),
        doc: "How many reads one partner may send in a second.",
    },
    Key {
        name: "limits.first_byte_seconds",
        kind: Kind::Whole { min: 1, max: 60 },
        default: Some("3"),
        doc: "How long a new connection may say nothing at all, in seconds.",
    },
    Key {
        name: "limits.handshake_seconds",
        kind: Kind::Whole { min: 1, max: 60 },
        default: Some("10"),
        doc: "How long a new connection may take to prove who it is, in seconds.",
    },
    Key {
        name: "limits.preface_seconds",
        kind: Kind::Whole { min: 1, max: 60 },
        default: Some("3"),
        doc: "How long a connection that has proved who it is may take to begin to speak HTTP/2, in seconds.",
    },
    Key {
        name: "limits.waiting",
        kind: Kind::Whole { min: 1, max: 65_536 },
        default: Some("1024"),
        doc: "How many connections may not have come so far at the same time. The one that has said nothing for longest makes \
              room for a further one.",
    },
    Key {
        name: "limits.waiting_per_address",
        kind: Kind::Whole { min: 1, max: 65_536 },
        default: Some("128"),
        doc: "How many of them may come from one address, or from one network of 64 bits of IPv6.",
    },
    Key {
        name: "limits.connections",
        kind: Kind::Whole { min: 1, max: 1_000_000 },
        default: Some("4096"),
        doc: "How many connections may be open. No more are let in than there are file descriptors for.",
    },
    Key {
        name: "limits.connections_per_partner",
        kind: Kind::Whole { min: 1, max: 65_536 },
        default: Some("128"),
        doc: "How many connections one partner may have. The one that is idle for longest makes room for a further one; if \
              none is idle, the further one is refused.",
    },
    Key {
        name: "limits.calls",
        kind: Kind::Whole { min: 1, max: 1_000_000 },
        default: Some("16384"),
        doc: "How many calls may be in flight. Beyond it callers are asked to come back, but for partners that have few.",
    },
    Key {
        name: "limits.calls_per_partner",
        kind: Kind::Whole { min: 1, max: 1_000_000 },
        default: Some("4096"),
        doc: "How many calls of one partner may be in flight. Beyond it that partner is asked to come back.",
    },
    Key {
        name: "limits.megabytes",
        kind: Kind::Whole { min: 32, max: 65_536 },
        default: Some("96"),
        doc: "How much memory calls in flight may take, requests and answers, in megabytes.",
    },
    Key {
        name: "limits.megabytes_per_partner",
        kind: Kind::Whole { min: 32, max: 65_536 },
        default: Some("32"),
        doc: "How much of it calls of one partner may take. A batch of the largest size takes 28.",
    },
    Key {
        name: "limits.still_seconds",
        kind: Kind::Whole { min: 1, max: 600 },
        default: Some("30"),
        doc: "How long a request or an answer may stand still before it is given up, in seconds.",
    },
    Key {
        name: "client.endpoint",
        kind: Kind::Endpoint,
        default: Some("https://localhost:7443"),
        doc: "The house that the operator's commands talk to.",
    },
    Key {
        name: "client.ca",
        kind: Kind::File,
        default: None,
        doc: "The certificate of the coalition's authority, PEM: which house is trusted.",
    },
    Key {
        name: "client.cert",
        kind: Kind::File,
        default: None,
        doc: "The certificate with which the operator's commands say who they are, PEM.",
    },
    Key { name: "client.key", kind: Kind::File, default: None, doc: "Its private key, PEM." },
    Key {
        name: "client.deadline_seconds",
        kind: Kind::Whole { min: 1, max: 600 },
        default: Some("30"),
        doc: "How long a command waits for an answer, in seconds.",
    },
];

/// What every section is for.
pub const SECTIONS: &[(&str, &str)] = &[
    ("house", "The house itself."),
    ("tls", "How the house proves who it is, and whom it lets in."),
    ("authority", "Who issues certificates to those who enrol."),
    ("enrolment", "How whoever is invited gets a certificate."),
    ("keys", "Secrets of the house that are no certificates."),
    ("clock", "When the machine's clock is not believed."),
    ("log", "What is logged, and how."),
    ("limits", "Everything has a limit. The defaults suit a house of any size; change them with a reason."),
    ("client", "The operator's commands (partner, window, settlement, report ...): which house, and as whom."),
];

/// A value that has the form its key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, a URL, a domain or a filter.
    Text(String),
    /// A whole number.
    Whole(u64),
    /// Whole numbers for partners.
    PerPartner(PerPartner),
    /// A file.
    File(PathBuf),
    /// An address with a port.
    Address(SocketAddr),
}

/// Why a text is no value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It has not the form.
    Malformed(String),
    /// It has the form, and lies outside of what is allowed.
    OutOfRange(String),
}

impl Key {
    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The section and the name within it.
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("every key stands in a section")
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{}{}", super::VARIABLE_PREFIX, self.name.replace('.', "_").to_ascii_uppercase())
    }
}

impl Kind {
    /// What is allowed, in words.
    pub fn allowed(self) -> String {
        match self {
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Self::PerPartner { min, max } => {
                format!(
                    "a whole number from {min} to {max}, and after commas others for some partners: {max}, GROCER={min}"
                )
            }
            Self::Word(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or "),
            Self::File | Self::OptionalFile => format!("the path of a file, 1 to {PATH_BYTES_MAX} bytes"),
            Self::Address | Self::OptionalAddress => {
                "an IP address and a port from 0 to 65535, such as 127.0.0.1:7443 or [::1]:7443".to_owned()
            }
            Self::Database => {
                format!("sqlite:FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE, at most {TEXT_BYTES_MAX} bytes")
            }
            Self::OptionalPlace => "HOST:PORT with a port from 1 to 65535".to_owned(),
            Self::OptionalCommand => format!("a command of a shell, 1 to {TEXT_BYTES_MAX} bytes"),
            Self::Endpoint | Self::OptionalEndpoint => "https://HOST:PORT with a port from 1 to 65535".to_owned(),
            Self::Domain => format!("1 to {DOMAIN_LENGTH_MAX} characters of a-z 0-9 . - _, such as points.example"),
            Self::Filter => {
                format!(
                    "a level (error, warn, info, debug, trace) or part=level, by commas, at most {TEXT_BYTES_MAX} bytes"
                )
            }
        }
    }

    /// Whether a file writes it as a number, without quotes.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Whole { .. })
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// `Unfit` says whether the form or the range is wrong, and how.
    pub fn read(self, text: &str) -> Result<Value, Unfit> {
        match self {
            Self::Whole { min, max } => read_whole(text, min, max).map(Value::Whole),
            Self::PerPartner { min, max } => read_per_partner(text, min, max).map(Value::PerPartner),
            Self::Word(words) => {
                if words.contains(&text) {
                    return Ok(Value::Text(text.to_owned()));
                }
                let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
                Err(if is_word {
                    Unfit::OutOfRange("not one of the words".to_owned())
                } else {
                    Unfit::Malformed("not a word in small letters".to_owned())
                })
            }
            Self::File | Self::OptionalFile => read_file(text).map(Value::File),
            Self::Address | Self::OptionalAddress => read_address(text).map(Value::Address),
            Self::OptionalPlace => read_place(text).map(Value::Text),
            Self::OptionalCommand => read_command(text).map(Value::Text),
            Self::Database => read_database(text).map(Value::Text),
            Self::Endpoint | Self::OptionalEndpoint => read_endpoint(text).map(Value::Text),
            Self::Domain => read_domain(text).map(Value::Text),
            Self::Filter => read_filter(text).map(Value::Text),
        }
    }
}

fn malformed<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Malformed(why.into()))
}

fn out_of_range<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::OutOfRange(why.into()))
}

fn read_whole(text: &str, min: u64, max: u64) -> Result<u64, Unfit> {
    let number = whole(text).map_err(|problem| Unfit::Malformed(problem.to_string()))?;
    match u64::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(number) if number > max => out_of_range(format!("above {max}")),
        Ok(_) | Err(_) => out_of_range(format!("below {min}")),
    }
}

fn read_per_partner(text: &str, min: u64, max: u64) -> Result<PerPartner, Unfit> {
    let mut parts = text.split(',').map(str::trim);
    let mut numbers = PerPartner::all(read_whole(parts.next().unwrap_or_default(), min, max)?);
    for part in parts {
        let Some((partner, number)) = part.split_once('=') else {
            return malformed(format!("{part:?} is not PARTNER=NUMBER"));
        };
        let Ok(partner) = partner.trim().parse::<PartnerId>() else {
            return malformed(format!("{:?} is no partner's id", partner.trim()));
        };
        let number = read_whole(number.trim(), min, max)?;
        if numbers.some.insert(partner, number).is_some() {
            return malformed(format!("{partner} comes twice"));
        }
    }
    Ok(numbers)
}

/// The numbers as they are written.
pub(super) fn per_partner_text(numbers: &PerPartner) -> String {
    let some = numbers.some.iter().map(|(partner, number)| format!(", {partner}={number}"));
    std::iter::once(numbers.all.to_string()).chain(some).collect()
}

fn read_file(text: &str) -> Result<PathBuf, Unfit> {
    if text.contains('\0') {
        return malformed("a path has no NUL characters");
    }
    if text.is_empty() {
        return out_of_range("empty");
    }
    if text.len() > PATH_BYTES_MAX {
        return out_of_range(format!("{} bytes long", text.len()));
    }
    Ok(PathBuf::from(text))
}

/// The port behind the last colon.
fn read_port(text: &str, least: u64) -> Result<(), Unfit> {
    let port = digits::<u64>(text).ok_or_else(|| Unfit::Malformed(format!("{text:?} is no port")))?;
    if (least..=65_535).contains(&port) { Ok(()) } else { out_of_range(format!("there is no port {port}")) }
}

fn read_address(text: &str) -> Result<SocketAddr, Unfit> {
    let Some((_, port)) = text.rsplit_once(':') else {
        return malformed("there is no port");
    };
    read_port(port, 0)?;
    text.parse().or_else(|_| malformed("the part before the port is no IP address"))
}

fn read_database(text: &str) -> Result<String, Unfit> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return malformed("not a URL");
    };
    if rest.is_empty() || rest == "//" {
        return malformed("it names no database");
    }
    if text.len() > TEXT_BYTES_MAX {
        return out_of_range(format!("{} bytes long", text.len()));
    }
    match scheme {
        "sqlite" if rest.contains('\0') => malformed("a path has no NUL characters"),
        "sqlite" => Ok(text.to_owned()),
        "postgres" | "postgresql" if rest.starts_with("//") => Ok(text.to_owned()),
        "postgres" | "postgresql" => malformed("after the scheme comes //"),
        _ => out_of_range(format!("the house keeps no books in {scheme:?}")),
    }
}

fn read_endpoint(text: &str) -> Result<String, Unfit> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return malformed("not a URL");
    };
    read_place(rest.strip_suffix('/').unwrap_or(rest))?;
    if scheme != "https" {
        return out_of_range(format!("the house does not speak {scheme}"));
    }
    Ok(text.to_owned())
}

/// A host with a port.
fn read_place(text: &str) -> Result<String, Unfit> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return malformed("there is no port");
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    if !host_fits {
        return malformed(format!("{host:?} is no host"));
    }
    read_port(port, 1)?;
    Ok(text.to_owned())
}

fn read_command(text: &str) -> Result<String, Unfit> {
    if text.contains('\0') {
        return malformed("a zero byte");
    }
    if text.trim().is_empty() {
        return out_of_range("empty");
    }
    if text.len() > TEXT_BYTES_MAX {
        return out_of_range(format!("{} bytes, above {TEXT_BYTES_MAX}", text.len()));
    }
    Ok(text.to_owned())
}

fn read_domain(text: &str) -> Result<String, Unfit> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    if text.is_empty() {
        return out_of_range("empty");
    }
    if !text.bytes().all(allowed) {
        return malformed("other characters than a-z 0-9 . - _");
    }
    if text.len() > DOMAIN_LENGTH_MAX {
        return out_of_range(format!("{} characters long", text.len()));
    }
    Ok(text.to_owned())
}

fn read_filter(text: &str) -> Result<String, Unfit> {
    if text.len() > TEXT_BYTES_MAX {
        return out_of_range(format!("{} bytes long", text.len()));
    }
    if text.contains(['[', '{']) {
        return malformed("of spans and fields nothing is asked; info,clearing::writer=debug is a filter");
    }
    // A space would be taken for a part of a name.
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    // A bare word that is no level is taken by the filter's own grammar as the name of a part of the program, so that
    // `inof` would silently log nothing but that part.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in directives.iter().filter(|directive| !directive.contains(['=', ':'])) {
        if !levels.contains(directive) {
            return malformed(format!("{directive:?} is no level"));
        }
    }
    let text = directives.join(",");
    match text.parse::<Targets>() {
        Ok(_) => Ok(text),
        Err(error) => malformed(error.to_string()),
    }
}
