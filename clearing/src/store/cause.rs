//! Why a database cannot be used, in the words of whoever runs it, and what to do about it.
//!
//! What a driver says is meant for programmers, and a pool says nothing but that it has waited. So the cause is told where
//! the error is first seen, by the codes of PostgreSQL
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) and SQLite (<https://sqlite.org/rescode.html>).

use std::fmt;
use std::io;
use std::path::Path;

use sqlx::postgres::PgConnectOptions;

use super::error::{DriverError, primary};

/// Who has to do something about a [`Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Whoever configured the house, or set up its database: waiting helps nobody.
    Configured,
    /// Nobody, maybe: the database is out of reach or busy, and may come back by itself.
    Away,
    /// Whoever looks after the disk, or after what is on it.
    Broken,
}

/// Why a database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub sort: Sort,
    /// What is wrong, in one line.
    pub told: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

/// What is said of a pooler that hands out one session for two, however it is found out.
pub(super) const POOLER: &str = "transaction pooling is not supported: between this house and its PostgreSQL stands a pooler \
                                 that shares sessions between transactions or statements";
pub(super) const POOLER_ADVICE: &str =
    "connect to the server itself, or let the pooler give each connection a session of its own (pool_mode = session)";

impl Cause {
    pub(super) fn new(sort: Sort, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { sort, told: told.into(), advice: advice.into() }
    }

    fn configured(told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Sort::Configured, told, advice)
    }

    fn away(told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Sort::Away, told, advice)
    }

    fn broken(told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Sort::Broken, told, advice)
    }

    pub(super) fn pooler() -> Self {
        Self::configured(POOLER, POOLER_ADVICE)
    }

    pub(super) fn not_founded() -> Self {
        Self::configured(
            "the database holds no coalition yet",
            "name the right database with house.database; `clearing init --database URL` founds a coalition in an empty one",
        )
    }

    pub(super) fn of_a_later_release(version: i64) -> Self {
        Self::configured(
            format!("the database has migration {version} of a later release"),
            "run the release that brought the database up to date, or a later one",
        )
    }

    /// Migrations never change once they are released; before that they have.
    pub(super) fn of_an_older_build(version: i64) -> Self {
        Self::configured(
            format!(
                "the database was laid out by a build from before the first release (its migration {version} is another one), \
                 and what is in it cannot be brought over"
            ),
            "use an empty database, or go on with that build",
        )
    }

    /// Of no connection to a PostgreSQL.
    pub(super) fn of_connecting(to: &PgConnectOptions, error: &sqlx::Error) -> Self {
        let at = place(to);
        if let sqlx::Error::Database(error) = error {
            of_refusal(to, &at, &error.code().unwrap_or_default(), error.message())
        } else if let sqlx::Error::Io(error) = error {
            of_way(to, &at, error)
        } else if let sqlx::Error::Tls(error) = error {
            of_tls(&at, &error.to_string())
        } else if let sqlx::Error::Configuration(error) = error {
            Self::configured(format!("house.database cannot be used: {error}"), "correct house.database")
        } else if let sqlx::Error::Protocol(_) = error {
            no_postgresql(&at)
        } else {
            Self::away(format!("no connection to the database server at {at}: {error}"), LOOK_AT_SERVER)
        }
    }

    /// Of a PostgreSQL that says nothing for so many seconds.
    pub(super) fn silent(to: &PgConnectOptions, seconds: u64) -> Self {
        let told = format!("the database server at {} does not answer within {seconds} seconds", place(to));
        Self::away(told, NOT_THERE)
    }

    /// Of a file of SQLite that cannot be opened.
    pub(super) fn of_opening(file: &Path, error: &DriverError) -> Option<Self> {
        let shown = file.display();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if file.is_dir() {
            let told = format!("the database {shown} is a folder");
            return Some(Self::configured(told, "name a file with house.database"));
        }
        if !folder.is_dir() {
            let told = format!("there is no folder {} for the database {shown}", folder.display());
            return Some(Self::configured(told, "make the folder, or name another file with house.database"));
        }
        if let DriverError::Sqlx(sqlx::Error::Io(error)) = error {
            let is = |kinds: [io::ErrorKind; 2]| kinds.contains(&error.kind());
            if is([io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
                return Some(disk_full());
            }
            let forbidden = is([io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem]);
            return forbidden.then(|| not_writable(&shown, error));
        }
        match error.code().as_deref().and_then(primary)? {
            8 | 14 => Some(not_writable(&shown, error)),
            26 => {
                let told = format!("{shown} is no database of SQLite");
                Some(Self::configured(told, "name the right file with house.database"))
            }
            _ => Self::of_statement(error),
        }
    }

    /// Of a statement that failed, where the code alone tells.
    pub(super) fn of_statement(error: &DriverError) -> Option<Self> {
        let code = error.code()?;
        if let Some(primary) = primary(&code) {
            return of_sqlite(primary);
        }
        let said = error.to_string();
        match &*code {
            "42501" => Some(not_allowed(said_by_server(error).unwrap_or(&said))),
            // The statement was prepared in the session of somebody else.
            "26000" | "42P05" => Some(Self::pooler()),
            "08P01" if said.contains("pooling") => Some(Self::pooler()),
            "25006" => Some(Self::away(
                "the database only reads: it is a standby, or is told to take nothing in (default_transaction_read_only)",
                "name the server that writes with house.database, or wait until this one does",
            )),
            "53100" => Some(disk_full()),
            "XX001" | "XX002" => Some(damaged()),
            _ => None,
        }
    }
}

const NOT_THERE: &str = "start the database server, or correct host and port in house.database";
const LOOK_AT_SERVER: &str = "look at the log of the database server";

fn of_tls(at: &str, said: &str) -> Cause {
    if said.contains("built without TLS") {
        return Cause::configured(
            format!(
                "house.database asks for TLS (sslmode) to the server at {at}, and this build speaks none to a database"
            ),
            "leave sslmode out of house.database, and reach the server over a socket, a private network or a tunnel",
        );
    }
    if said.contains("does not support TLS") {
        return Cause::configured(
            format!("house.database asks for TLS (sslmode), and the server at {at} offers none"),
            "turn TLS on at the server (ssl = on), or leave sslmode out of house.database where the way is safe without",
        );
    }
    Cause::configured(
        format!("no trust between this house and the database server at {at}: {said}"),
        "name the authority of the server's certificate with sslrootcert in house.database",
    )
}

/// What PostgreSQL says to somebody whom it does not let in.
fn of_refusal(to: &PgConnectOptions, at: &str, code: &str, said: &str) -> Cause {
    let (role, database) = (to.get_username(), to.get_database().unwrap_or(to.get_username()));
    match code {
        "3D000" => no_database(database, at),
        // A pooler has a list of its own.
        "08P01" if said.contains("no such database") || said.contains("does not exist") => no_database(database, at),
        "28P01" => Cause::configured(
            format!("the database server at {at} refuses the password of the role `{role}`"),
            "correct user and password in house.database",
        ),
        "28000" if said.contains("does not exist") => Cause::configured(
            format!("there is no role `{role}` at {at}"),
            format!("create it with `createuser --pwprompt {role}`, or name another user in house.database"),
        ),
        "28000" if !is_socket(to) && said.contains("no encryption") => Cause::configured(
            format!("the database server at {at} does not let the role `{role}` in without TLS: {said}"),
            "allow it in the server's pg_hba.conf with a line that begins with host, for this build speaks no TLS to a database",
        ),
        "28000" => Cause::configured(
            format!("the database server at {at} does not let the role `{role}` in: {said}"),
            "allow it in the server's pg_hba.conf, or name another user in house.database",
        ),
        "42501" => Cause::configured(
            format!("permission denied: the role `{role}` may not connect to the database `{database}` at {at}"),
            format!("allow it with `GRANT CONNECT ON DATABASE {database} TO {role}`"),
        ),
        "53300" => Cause::away(
            format!("the database server at {at} takes no more connections: {said}"),
            "end what holds them, or raise max_connections: a node of the house needs up to 16",
        ),
        "57P03" | "57P01" | "57P02" => {
            Cause::away(format!("the database server at {at} starts or stops: {said}"), LOOK_AT_SERVER)
        }
        _ if said.contains("password authentication failed") || said.contains("wrong password") => Cause::configured(
            format!("the database server at {at} refuses the password of the role `{role}`"),
            "correct user and password in house.database",
        ),
        _ if said.contains("unsupported startup parameter") => Cause::configured(
            format!("the pooler at {at} does not pass on what house.database asks for: {said}"),
            "leave `options` out of house.database, or connect to the server itself",
        ),
        _ if code.starts_with("28") || code.starts_with("0A") || code.starts_with("22") => Cause::configured(
            format!("the database server at {at} refuses what house.database asks for: {said}"),
            "correct house.database",
        ),
        _ => Cause::away(format!("the database server at {at} refuses the connection: {said}"), LOOK_AT_SERVER),
    }
}

fn no_database(database: &str, at: &str) -> Cause {
    Cause::configured(
        format!("there is no database `{database}` at {at}"),
        format!("create it with `createdb {database}`, or name another one with house.database"),
    )
}

/// What stands between the house and the server.
fn of_way(to: &PgConnectOptions, at: &str, error: &io::Error) -> Cause {
    use io::ErrorKind as Kind;
    let is = |kinds: &[Kind]| kinds.contains(&error.kind());
    let socket = is_socket(to);
    if is(&[Kind::ConnectionRefused]) || socket && is(&[Kind::NotFound]) {
        let what = if socket { "the socket " } else { "" };
        return Cause::away(format!("no database server listens at {what}{at}"), NOT_THERE);
    }
    if is(&[Kind::NotFound]) {
        return Cause::configured(
            format!("a file that house.database names for TLS cannot be read: {error}"),
            "correct sslrootcert, sslcert or sslkey in house.database",
        );
    }
    if is(&[Kind::PermissionDenied]) {
        return Cause::configured(
            format!("permission denied: this user may not open the socket {at}"),
            "run the house as a user that may, or connect over TCP",
        );
    }
    if is(&[Kind::ConnectionReset, Kind::ConnectionAborted, Kind::BrokenPipe, Kind::UnexpectedEof]) {
        return no_postgresql(at);
    }
    if error.to_string().contains("lookup") {
        return Cause::away(
            format!("nobody knows the host of the database server at {at}: {error}"),
            "correct the host in house.database, or look at the name service of this machine",
        );
    }
    Cause::away(format!("the database server at {at} cannot be reached: {error}"), NOT_THERE)
}

fn no_postgresql(at: &str) -> Cause {
    Cause::away(
        format!("what listens at {at} does not speak as PostgreSQL does, or ends the connection without a word"),
        NOT_THERE,
    )
}

fn of_sqlite(primary: i32) -> Option<Cause> {
    match primary {
        5 | 6 => Some(Cause::away(
            "another program holds the database file",
            "end whatever else has it open: a tool of SQLite, a copy that is being made",
        )),
        8 => Some(Cause::configured(
            "the database file can only be read",
            "let the user of the house write it and its folder, on a file system that is mounted for writing",
        )),
        10 => Some(Cause::broken("the disk of the database fails", "look after the disk, then start again")),
        11 => Some(damaged()),
        13 => Some(disk_full()),
        _ => None,
    }
}

fn disk_full() -> Cause {
    Cause::broken("the disk of the database is full", "make room on it; nothing that was acknowledged is lost")
}

fn damaged() -> Cause {
    Cause::broken(
        "what is stored in the database is damaged",
        "keep a copy of it as it is, and restore the last good backup; `clearing audit` tells whether it is good",
    )
}

fn not_writable(shown: &dyn fmt::Display, error: &dyn fmt::Display) -> Cause {
    Cause::configured(
        format!("the database {shown} cannot be opened for writing: {error}"),
        "let the user of the house write the file and its folder, or name another file with house.database",
    )
}

fn not_allowed(said: &str) -> Cause {
    let advice = if said.contains("schema") {
        "let the role of house.database create tables: `GRANT CREATE ON SCHEMA public TO ROLE`, or make it the owner of the \
         database"
    } else {
        "let the role of house.database read and write the tables of the house: make it their owner"
    };
    Cause::configured(
        if said.starts_with("permission denied") { said.to_owned() } else { format!("permission denied: {said}") },
        advice,
    )
}

/// What PostgreSQL says itself, without what drivers put around it.
fn said_by_server(error: &DriverError) -> Option<&str> {
    match error {
        DriverError::Sqlx(error) => Some(error.as_database_error()?.message()),
        DriverError::Rusqlite(_) => None,
    }
}

fn is_socket(to: &PgConnectOptions) -> bool {
    to.get_socket().is_some() || to.get_host().starts_with('/')
}

/// Where a server is, as an operator looks for it.
fn place(to: &PgConnectOptions) -> String {
    match (to.get_socket(), to.get_host()) {
        (Some(folder), _) => folder.display().to_string(),
        (None, host) if host.starts_with('/') => host.to_owned(),
        (None, host) if host.contains(':') => format!("[{}]:{}", host.trim_matches(['[', ']']), to.get_port()),
        (None, host) => format!("{host}:{}", to.get_port()),
    }
}
