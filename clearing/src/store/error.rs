//! What can break between the house and its database, and what may be done about it.

use std::borrow::Cow;
use std::error::Error;

use super::cause::{Cause, Sort};

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The database was away, busy, or chose this transaction to give way: nothing was changed, and the same batch may
    /// succeed when it is run again. Also another node wrote the same key first, which the next run will see.
    Transient,
    /// Running it again gives the same error.
    Permanent,
    /// The connection broke while COMMIT was on its way: ask
    /// [`look_up`](crate::store::Store::look_up) before anybody is answered.
    CommitUnknown,
    /// A batch that passed the gate beside others would have changed what only one may change that has it alone, or that has
    /// locked its row. A mistake in the rules: the same batch gives the same error.
    Ungated,
    /// The lists of entries have not come up to the journal. They follow by themselves: the same read succeeds later.
    Behind { entries: i64 },
}

/// Something broke in or on the way to the database. After one a session is broken, too: drop it and open another.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    kind: ErrorKind,
    what: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
    cause: Option<Box<Cause>>,
}

impl StoreError {
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same batch would fail again.
    pub fn is_permanent(&self) -> bool {
        matches!(self.kind, ErrorKind::Permanent | ErrorKind::Ungated)
    }

    /// Why the database cannot be used, where that is known, in the words of whoever runs it.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// Whether the database is laid out, and holds no coalition.
    pub fn is_not_founded(&self) -> bool {
        self.cause().is_some_and(|cause| *cause == Cause::not_founded())
    }

    /// Whether it stays as it is until somebody changes the configuration or the database.
    pub fn is_final(&self) -> bool {
        match self.cause.as_deref().map(|cause| cause.sort) {
            Some(Sort::Configured) => true,
            Some(Sort::Away) => false,
            Some(Sort::Broken) | None => self.is_permanent(),
        }
    }

    /// The database's own code of what went wrong, if it said anything.
    pub(super) fn code(&self) -> Option<Cow<'_, str>> {
        self.source.as_ref()?.downcast_ref::<DriverError>()?.code()
    }

    /// Whether the operating system said that it could not bring to the disk what was written. It may forget then what it
    /// could not write, so a later success says nothing: only a new start, from what the disk holds, does.
    pub fn is_failed_sync(&self) -> bool {
        // SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC. PostgreSQL stops by itself.
        matches!(self.code().as_deref(), Some("1034" | "1290"))
    }

    /// Whether it is what SQLite says when somebody else has broken off what it was at.
    pub fn is_broken_off(&self) -> bool {
        // SQLITE_INTERRUPT.
        self.code().as_deref() == Some("9")
    }

    pub(super) fn permanent(what: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Permanent, what: what.into(), source: None, cause: None }
    }

    pub(super) fn ungated(what: impl std::fmt::Display) -> Self {
        let what = format!("a batch beside others would change {what}");
        Self { kind: ErrorKind::Ungated, what, source: None, cause: None }
    }

    pub(super) fn transient(what: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Transient, what: what.into(), source: None, cause: None }
    }

    pub(super) fn behind(entries: i64) -> Self {
        let what =
            format!("the lists of entries are {entries} entries behind the journal, and follow it by themselves");
        Self { kind: ErrorKind::Behind { entries }, what, source: None, cause: None }
    }

    /// Stored data does not read as what this release writes.
    pub(super) fn damaged(what: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let what = format!("what is stored of {what} cannot be read");
        Self { kind: ErrorKind::Permanent, what, source: Some(source.into()), cause: None }
    }

    /// An error of a statement before COMMIT.
    pub(super) fn of(statement: &str, source: impl Into<DriverError>) -> Self {
        let source = source.into();
        let kind = if source.is_transient() { ErrorKind::Transient } else { ErrorKind::Permanent };
        let cause = Cause::of_statement(&source).map(Box::new);
        Self { kind, what: format!("{statement} failed"), source: Some(Box::new(source)), cause }
    }

    /// Whoever runs the database has to do something, or to wait: running it again at once gives the same.
    pub(super) fn because(cause: Cause) -> Self {
        let kind = if cause.sort == Sort::Away { ErrorKind::Transient } else { ErrorKind::Permanent };
        Self { kind, what: cause.told.clone(), source: None, cause: Some(Box::new(cause)) }
    }

    /// An error of opening a connection, with what it comes from where that is known.
    pub(super) fn of_opening(
        source: impl Into<DriverError>,
        cause: impl FnOnce(&DriverError) -> Option<Cause>,
    ) -> Self {
        let source = source.into();
        let cause = cause(&source);
        let error = Self::of("connecting to the database", source);
        let is_away = cause.as_ref().is_some_and(|cause| cause.sort == Sort::Away);
        let kind = if is_away { ErrorKind::Transient } else { error.kind };
        Self { kind, cause: cause.map(Box::new).or(error.cause), ..error }
    }

    /// An error of COMMIT itself. Only what the database said about it, rather than about the connection, is certain.
    pub(super) fn of_commit(source: impl Into<DriverError>) -> Self {
        let source = source.into();
        let kind = match source.code().as_deref() {
            // PostgreSQL: a constraint or a conflict. SQLite: busy. The transaction did not commit.
            Some(code) if code.starts_with("23") => ErrorKind::Permanent,
            Some(code) if code.starts_with("40") || code == "5" => ErrorKind::Transient,
            Some(_) | None => ErrorKind::CommitUnknown,
        };
        let what = if kind == ErrorKind::CommitUnknown { "COMMIT got no clear answer" } else { "COMMIT failed" };
        let cause = Cause::of_statement(&source).map(Box::new);
        Self { kind, what: what.to_owned(), source: Some(Box::new(source)), cause }
    }

    pub(super) fn of_migration(source: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
        const WHAT: &str = "migrating the database";
        if let Execute(error) | ExecuteMigration(error, _) = source {
            return Self::of(WHAT, error);
        }
        // Whatever else is wrong with migrations is for good.
        let what = format!("{WHAT} failed");
        Self { kind: ErrorKind::Permanent, what, source: Some(Box::new(source)), cause: None }
    }
}

/// What a driver says has gone wrong.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum DriverError {
    Sqlx(#[from] sqlx::Error),
    Rusqlite(#[from] rusqlite::Error),
}

impl DriverError {
    /// The database's own code of it, if it said anything.
    pub(super) fn code(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sqlx(error) => error.as_database_error()?.code(),
            Self::Rusqlite(error) => Some(error.sqlite_error()?.extended_code.to_string().into()),
        }
    }

    /// Whether the same statements may succeed in another transaction.
    fn is_transient(&self) -> bool {
        match self {
            Self::Sqlx(error) => is_transient(error),
            Self::Rusqlite(_) => self.code().is_some_and(|code| is_transient_code(&code)),
        }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(error) = error {
        return error.code().is_some_and(|code| is_transient_code(&code));
    }
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

/// Of a code of SQLite, what it is extended from. None of PostgreSQL's: those have five characters.
pub(super) fn primary(code: &str) -> Option<i32> {
    if code.len() == 5 {
        return None;
    }
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 && !code.starts_with("00") {
        // PostgreSQL, https://www.postgresql.org/docs/current/errcodes-appendix.html: connections, conflicts between
        // transactions, resources, shutdown, a lock that was not to be had, a session that was idle for too long, a
        // key that another node wrote first, and a server that only reads: it has failed over, or is told to take nothing
        // in, and the next session may find the one that writes.
        return matches!(&code[..2], "08" | "40" | "53" | "57" | "58")
            || code == "55P03"
            || code == "25P03"
            || code == "25006"
            || code == "23505";
    }
    // SQLite's extended codes, https://sqlite.org/rescode.html: the low byte is the primary one. Busy, locked, out of
    // memory, broken off, only to be read (a file system that was mounted anew), I/O, full, cannot open, locking protocol. No key can be taken by somebody else: the file is ours.
    primary(code).is_some_and(|code| matches!(code, 5 | 6 | 7 | 8 | 9 | 10 | 13 | 14 | 15))
}
