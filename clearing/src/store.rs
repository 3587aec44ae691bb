//! The house's memory: SQLite in one file, or PostgreSQL shared by several nodes.
//!
//! All SQL and all of `sqlx` is in here; domain types go in and come out. The store decides nothing: which rows a
//! command may need is known here, what becomes of them is not.
//!
//! Each noun has its room, with its reads and its writes:
//!
//! | room | what is in it |
//! |---|---|
//! | `parties`, `terms`, `limits`, `consents`, `coalition`, `calendar` | the house: partners, their terms and limits, what funders consent to, the coalition, the calendar |
//! | `legal` | partners as legal parties: their records, their bank accounts |
//! | `money` | money at the bank: what arrived, what goes out, lines of statements, claims |
//! | `charges` | charges by schedule, and guarantees |
//! | `credentials` | invites, the credentials that came of them, and what was revoked |
//! | `members`, `identifiers`, `lots`, `lot_row`, `waiting`, `holds`, `returns`, `receipts` | members, the identifiers that name them, what they own in their row and beside it, which lots wait for a payment, what they spent on |
//! | `requests`, `journal`, `packed`, `attachments` | the recorded answers; entries, batches and where the journal ends; the bytes of an entry as a row has them; what entries commit to |
//! | `balances`, `gross`, `funding`, `windows` | the accounts of the house, gross obligations, points that wait for a payment, windows and settlements |
//! | `gate`, `leases`, `alive`, `occupancy` | the gate and the proof that it holds; who does a job; when the house was last alive; the one process that writes a file of SQLite |
//!
//! Beside them stands what takes them together:
//!
//! | room | what is in it |
//! |---|---|
//! | `session` | the writer's transaction: begin, load, save, commit, look up |
//! | `slice` | reading what the operations of a batch need |
//! | `save`, `head` | writing what a batch changed; its last statement, with the sums that all batches share |
//! | `remembered` | which members identifiers name, in a bounded memory |
//! | `watched` | sums that have become so large that the rules must know them |
//! | `snapshot`, `books`, `ledger`, `parts`, `notices` | reads for those who ask: one state of the database; accounts and windows; the audit's whole, and what it takes of it at once; coming expiries |
//! | `projection`, `search` | which entries a partner has a part in; entries that are found by what is known of them |
//! | `actions` | the record of administration |
//! | `migrate` | the layout of the database, and the first rows in it |
//! | `connect`, `error`, `cause` | connections to PostgreSQL; what goes wrong with a database; why it cannot be used, and what to do about it |
//! | `prober`, `durability`, `checkpoint`, `abilities`, `advice` | whether the books can be written, and whether the disk takes what is committed; SQLite's log; what a database can do; what of PostgreSQL's settings costs durability or speed |
//! | `tables`, `schema`, `rows`, `cells`, `sql`, `filling` | the tables and their columns; the migrations that make them; rows on their way in; rows that came out; statements, and the seam to the drivers; lists of columns in their texts |
//! | `direct` | connections to SQLite of those who have a thread of their own, called on it: the writer's and the projector's |
//!
//! Locks are taken in one order everywhere: the gate, identifiers, members, request keys, and last of all the
//! journal's head with the rows that every batch moves.

mod abilities;
mod actions;
mod advice;
mod alive;
mod attachments;
mod balances;
mod books;
mod calendar;
mod cause;
mod cells;
mod charges;
mod checkpoint;
mod coalition;
mod connect;
mod consents;
mod credentials;
mod direct;
mod durability;
mod error;
mod filling;
mod funding;
mod gate;
mod gross;
mod head;
mod holds;
mod identifiers;
mod journal;
mod leases;
mod ledger;
mod legal;
mod limits;
mod lot_row;
mod lots;
mod members;
mod migrate;
mod money;
mod notices;
mod occupancy;
mod packed;
mod parties;
mod parts;
mod people;
mod prober;
mod projection;
mod proposals;
mod receipts;
mod remembered;
mod requests;
mod returns;
mod rows;
mod save;
mod schema;
mod search;
mod session;
mod slice;
mod snapshot;
mod sql;
mod tables;
mod terms;
mod waiting;
mod watched;
mod windows;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use clearing_core::facts::coalition::House;
use clearing_core::units::{PartnerId, Timestamp};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::sync::Mutex;

pub use self::abilities::Abilities;
pub use self::actions::ActionFilter;
pub use self::advice::{Advice, Concern};
pub use self::attachments::AttachmentRow;
pub use self::balances::Balances;
pub use self::books::{MemberClass, MemberPage, TrialBalance};
pub use self::calendar::Schedule;
pub use self::cause::{Cause, Sort};
pub use self::credentials::Part as CredentialsPart;
pub use self::direct::Interrupter;
pub use self::durability::Durability;
pub use self::error::{ErrorKind, StoreError};
pub use self::gate::{GateError, GateRow};
pub use self::gross::GrossRows;
pub use self::head::Saved;
pub use self::journal::{BatchRow, Counts, JournalHead};
pub use self::ledger::{MemberRange, MembersLedger};
pub use self::members::MemberDue;
pub use self::migrate::{Migrations, migrator};
pub use self::money::{OpenMoney, OpenMoneyOf, OpenMoneyRow};
pub use self::notices::NoticePage;
pub use self::occupancy::{Occupancy, OccupyError};
pub use self::packed::pack as pack_entry;
pub use self::parties::HouseRow;
pub use self::prober::Prober;
pub use self::projection::{EntryFilter, LOOKED_THROUGH_MAX, OwnEntry, Projector, Step};
pub use self::proposals::StoredProposal;
pub use self::receipts::{BookedLine, LinePlace};
pub use self::requests::StoredRequest;
pub use self::schema::migrations;
pub use self::search::{Found, Reach, Search};
pub use self::session::{Probe, WriterSession};
pub use self::snapshot::Snapshot;
pub use self::sql::Sql;
pub use self::tables::{Column, Kind, TABLES, Table};
pub use self::windows::{Unconfirmed, WindowRow, Windows};

use self::checkpoint::Committed;
use self::direct::Direct;
use self::identifiers::Enrolled;
use self::lot_row::LOTS_IN_ROW;
use self::session::Connection;
use self::watched::Watched;

/// Every statement of the house that can be prepared, for the tests that prepare and list them all on both back ends.
pub static STATEMENTS: &[&[&Sql]] = &[
    abilities::STATEMENTS,
    actions::STATEMENTS,
    advice::STATEMENTS,
    alive::STATEMENTS,
    attachments::STATEMENTS,
    balances::STATEMENTS,
    calendar::STATEMENTS,
    coalition::STATEMENTS,
    consents::STATEMENTS,
    credentials::STATEMENTS,
    funding::STATEMENTS,
    gate::STATEMENTS,
    gross::STATEMENTS,
    head::STATEMENTS,
    holds::STATEMENTS,
    identifiers::STATEMENTS,
    journal::STATEMENTS,
    leases::STATEMENTS,
    legal::STATEMENTS,
    money::STATEMENTS,
    charges::STATEMENTS,
    limits::STATEMENTS,
    lots::STATEMENTS,
    members::STATEMENTS,
    migrate::STATEMENTS,
    parties::STATEMENTS,
    people::STATEMENTS,
    prober::STATEMENTS,
    projection::STATEMENTS,
    proposals::STATEMENTS,
    receipts::STATEMENTS,
    requests::STATEMENTS,
    returns::STATEMENTS,
    save::STATEMENTS,
    session::STATEMENTS,
    snapshot::STATEMENTS,
    terms::STATEMENTS,
    waiting::STATEMENTS,
    windows::STATEMENTS,
];

/// The rest of them: those that one back end takes as a text of several.
pub static UNPREPARED: &[&Sql] = session::UNPREPARED;

/// All statements as they run, for people to read: kept in `store/statements.sql`.
pub fn listed_statements() -> String {
    let mut listed =
        "-- All statements of the house as they run, in the order of their rooms; on SQLite `$1` is `?1`. Generated by
-- `cargo run -p clearing --example statements` from src/store; not to be edited.\n"
            .to_owned();
    for sql in STATEMENTS.iter().flat_map(|room| room.iter()).chain(UNPREPARED) {
        let text = |backend| sql.is_of(backend).then(|| sql.text(backend).replace('?', "$"));
        let (sqlite, postgres) = (text(Backend::Sqlite), text(Backend::Postgres));
        if sqlite == postgres {
            listed += &format!("\n{};\n", sqlite.unwrap_or_default());
            continue;
        }
        for (text, backend) in [(sqlite, "SQLite"), (postgres, "PostgreSQL")] {
            let of = |text: String| text.replacen('\n', &format!(" ({backend})\n"), 1);
            listed += &text.map_or_else(String::new, |text| format!("\n{};\n", of(text)));
        }
    }
    listed
}

/// Readers beside the writer. More of them than cores only wait for each other.
pub const READERS_MAX: u32 = 8;

/// How long a writer waits for the database file: another program may have it. Then there is no more than half a second
/// left to tell callers within three.
const FILE_WAIT: Duration = Duration::from_millis(1_500);

/// How whoever writes opens SQLite. A page of 2 KB holds a member's row and some lots: random pages cost half as much as at
/// 4 KB, and rows do not spill as they would at 1 KB. The log is copied beside the writer. Triggers see the delete of a
/// REPLACE only with recursive_triggers, and the append-only ones must.
const PRAGMAS: [(&str, &str); 8] = [
    ("page_size", "2048"),
    ("journal_mode", "WAL"),
    ("foreign_keys", "ON"),
    ("synchronous", "FULL"),
    ("wal_autocheckpoint", "0"),
    ("recursive_triggers", "ON"),
    ("temp_store", "MEMORY"),
    ("cache_size", "-65536"),
];

/// How long a caller waits for a reader. The pool takes a PostgreSQL that refuses connections for one that is starting,
/// and tries for as long as this; it is shorter than the 5 seconds that the SDK gives the first try of a call, so that a
/// caller hears that the database is away before it stops listening.
const READER_WAIT: Duration = Duration::from_millis(2_500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The way to the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    back_end: BackEnd,
    /// On SQLite whoever writes takes this first, so that writers queue fairly instead of polling for the file's lock.
    write_turn: Arc<Mutex<()>>,
    enrolled: Arc<Enrolled>,
    durability: Arc<Durability>,
    watched: Arc<Watched>,
    house: Known,
    /// So many lots stand in a member's row at the most.
    lots_in_row: usize,
}

/// The house as of an epoch of its terms, kept until somebody finds another epoch.
type Known = Arc<std::sync::Mutex<Option<(i64, Arc<House>)>>>;

#[derive(Clone)]
enum BackEnd {
    Sqlite {
        options: SqliteConnectOptions,
        file: PathBuf,
        readers: SqlitePool,
        /// Those of dear calls. A connection has a thread of its own, which stands back as the one that opened it does.
        dear_readers: SqlitePool,
        committed: Arc<Committed>,
    },
    Postgres {
        options: PgConnectOptions,
        readers: PgPool,
    },
}

impl fmt::Debug for BackEnd {
    /// Leaves out the options: there may be a password in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite { .. } => "Sqlite(..)",
            Self::Postgres { .. } => "Postgres(..)",
        })
    }
}

/// Makes the file if there is none, so that it is its owner's alone from the first byte; what SQLite makes beside it has
/// the same mode. An empty file is an empty database.
fn make_private(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

impl Store {
    /// The file that `sqlite:PATH` or `sqlite://PATH` names, letter for letter: it is a path and no URL, so that `%`, `?` and
    /// `#` in it mean themselves. None for an address of another kind.
    pub fn file_of(url: &str) -> Option<&Path> {
        let path = url.strip_prefix("sqlite:")?;
        Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
    }

    /// Opens `sqlite:PATH`, `sqlite://PATH` or `postgres://…` (also `postgres:///DB?host=/SOCKET/DIR&user=U`). A
    /// SQLite file is made if there is none. Nothing is migrated.
    ///
    /// # Errors
    /// Permanent for an address that is neither, transient if the database cannot be reached. [`StoreError::cause`] tells
    /// what is wrong with a database.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect_later(url).await?;
        store.reach().await?;
        Ok(store)
    }

    /// As [`connect`](Self::connect), but a PostgreSQL is first looked for when something is asked of it: a house may
    /// start before its database.
    ///
    /// # Errors
    /// Permanent for an address that is neither. A SQLite file is opened at once, since nobody else will bring it.
    pub async fn connect_later(url: &str) -> Result<Self, StoreError> {
        let malformed = |error| StoreError::damaged("the database's address", error);
        let (write_turn, durability) = (Arc::default(), Arc::default());
        let back_end = if let Some(file) = Self::file_of(url) {
            Self::open_sqlite(file, &write_turn, &durability).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(malformed)?;
            Self::open_postgres(options)
        } else {
            return Err(StoreError::permanent("the database's address begins neither with sqlite: nor with postgres:"));
        };
        let (enrolled, watched) = Default::default();
        Ok(Self {
            back_end,
            write_turn,
            enrolled,
            watched,
            durability,
            house: Arc::default(),
            lots_in_row: LOTS_IN_ROW,
        })
    }

    async fn open_sqlite(
        file: &Path,
        write_turn: &Arc<Mutex<()>>,
        durability: &Arc<Durability>,
    ) -> Result<BackEnd, StoreError> {
        let failed = |error: sqlx::Error| StoreError::of_opening(error, |error| Cause::of_opening(file, error));
        make_private(file).map_err(|error| failed(error.into()))?;
        // SQLite takes a name that begins with `file:` for a URI; no absolute path does.
        let path = std::path::absolute(file).map_err(|error| failed(error.into()))?;
        let options = SqliteConnectOptions::new().filename(&path).busy_timeout(FILE_WAIT);
        let readers = options.clone().pragma("query_only", "ON");
        let options = options.create_if_missing(true);
        let options = PRAGMAS.iter().fold(options, |options, (pragma, value)| options.pragma(*pragma, *value));
        // The file must be there, in its final form, before a reader looks.
        let connection = options.connect().await.map_err(failed)?;
        Connection::Sqlite(Box::new(connection)).close().await;
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READER_WAIT);
        let dear_readers = pool.clone().connect_lazy_with(readers.clone());
        let readers = pool.connect_with(readers).await.map_err(failed)?;
        let committed = Arc::default();
        checkpoint::start(&options, &committed, write_turn, durability).await?;
        Ok(BackEnd::Sqlite { options, file: path, readers, dear_readers, committed })
    }

    fn open_postgres(options: PgConnectOptions) -> BackEnd {
        // What a reader tells of floats is in no answer, and poolers do not pass it on.
        let options = options.application_name("clearing").extra_float_digits(None);
        let pool = PgPoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READER_WAIT);
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(connect::SETTINGS)).await.map(drop) })
        });
        let readers = pool.connect_lazy_with(options.clone());
        BackEnd::Postgres { options, readers }
    }

    /// The same store, which keeps no more than so many lots in the row of a member when it writes one; the others stand in a
    /// table of their own. Whoever reads finds them wherever they are.
    #[must_use]
    pub fn with_lots_in_row(self, lots_in_row: usize) -> Self {
        Self { lots_in_row, ..self }
    }

    /// Whether what is committed is safe.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    pub fn backend(&self) -> Backend {
        match self.back_end {
            BackEnd::Sqlite { .. } => Backend::Sqlite,
            BackEnd::Postgres { .. } => Backend::Postgres,
        }
    }

    /// A connection that writes, of its own and never of the pool: a caller that goes away cannot leave it half done.
    async fn open(&self) -> Result<Connection, StoreError> {
        Ok(match &self.back_end {
            BackEnd::Sqlite { options, file, .. } => {
                let failed = |error: sqlx::Error| StoreError::of_opening(error, |error| Cause::of_opening(file, error));
                Connection::Sqlite(Box::new(options.connect().await.map_err(failed)?))
            }
            BackEnd::Postgres { options, .. } => {
                let mut connection = connect::postgres(options, connect::SETTINGS_TO_WRITE).await?;
                // What it sends to a node that is lost is given up as soon, where its system can do that.
                if let Err(error) = sqlx::query("SET tcp_user_timeout = '2s'").execute(&mut connection).await {
                    tracing::debug!(%error, "PostgreSQL may wait longer than two seconds for a node that is lost");
                }
                Connection::Postgres(Box::new(connection))
            }
        })
    }

    /// On SQLite, tells who copies the log of a commit.
    fn note_commit(&self) {
        if let BackEnd::Sqlite { committed, .. } = &self.back_end {
            committed.note();
        }
    }

    /// A connection that writes, for whoever has a thread of its own: on SQLite what it does blocks the thread that calls it.
    async fn open_own(&self) -> Result<Connection, StoreError> {
        match &self.back_end {
            BackEnd::Sqlite { file, .. } => Ok(Connection::Direct(Box::new(Direct::open(file)?))),
            BackEnd::Postgres { .. } => self.open().await,
        }
    }

    /// Opens a session for the writer. On SQLite what it does blocks the thread that calls it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn writer(&self) -> Result<WriterSession, StoreError> {
        Ok(self.session_of(self.open_own().await?))
    }

    /// Opens a session for work beside the writer, which blocks no thread.
    async fn session(&self) -> Result<WriterSession, StoreError> {
        Ok(self.session_of(self.open().await?))
    }

    fn session_of(&self, connection: Connection) -> WriterSession {
        let committed = match &self.back_end {
            BackEnd::Sqlite { committed, .. } => Some(Arc::clone(committed)),
            BackEnd::Postgres { .. } => None,
        };
        let known = (Arc::clone(&self.enrolled), Arc::clone(&self.watched), Arc::clone(&self.house));
        WriterSession::new(connection, Arc::clone(&self.write_turn), known, committed, self.lots_in_row)
    }

    /// Takes the file of SQLite for a command of this process that began at a time: nobody else may write it until the
    /// occupancy is dropped. Nodes share a PostgreSQL: nothing is taken.
    ///
    /// # Errors
    /// [`OccupyError::Occupied`] names the process that has it.
    pub fn occupy(&self, command: &str, since: Timestamp) -> Result<Option<Occupancy>, OccupyError> {
        match &self.back_end {
            BackEnd::Sqlite { file, .. } => Occupancy::of(file, command, since).map(Some),
            BackEnd::Postgres { .. } => Ok(None),
        }
    }

    /// Whether there is a database at an address, as far as that is seen without opening it: a file of SQLite is made by
    /// whoever opens it.
    pub fn may_be_there(url: &str) -> bool {
        Self::file_of(url).is_none_or(Path::exists)
    }
}

fn partner_id(text: &str) -> Result<PartnerId, StoreError> {
    text.parse().map_err(|error| StoreError::damaged("a partner's id", error))
}

fn hash(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|error| StoreError::damaged("a hash", error))
}

/// A number that its column keeps small.
fn small<T: TryFrom<i64>>(value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::permanent(format!("the stored number {value} is out of its range")))
}

/// What a stored word stands for.
fn known<T>(what: &str, parsed: Option<T>) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::permanent(format!("the stored {what} is none that this release knows")))
}
