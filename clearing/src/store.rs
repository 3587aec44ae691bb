//! The house's memory: SQLite in one file, or PostgreSQL shared by several nodes.
//!
//! All SQL and all of `sqlx` is in here; domain types go in and come out. The store decides nothing: which rows a
//! command may need is known here, what becomes of them is not.
//!
//! | room | what is in it |
//! |---|---|
//! | `session` | the writer's transaction: gate, load, save, commit |
//! | `slice`, `save` | reading what the operations of a batch need, and writing what it changed |
//! | `house` | coalition, partners, terms, calendar, gate |
//! | `journal` | entries, batches, the head of the journal, attachments |
//! | `enrolled` | which members identifiers name, kept from earlier reads until a link is changed |
//! | `watched` | sums that have become so large that the rules must know them |
//! | `members` | identifiers, members, lots, returns |
//! | `requests` | the recorded answers |
//! | `settlement` | windows, legs, orders, gross obligations, balances |
//! | `alive`, `occupancy` | when the house was last alive; the one process that writes a file of SQLite |
//! | `schedule` | what the scheduler finds its work by, leases |
//! | `reports`, `books`, `ledger` | reads for those who ask: members and entries, accounts and windows, the audit's whole |
//! | `notices` | for whom something expires soon |
//! | `prober` | whether the books can be written |
//! | `projection` | which entries a partner has a part in |
//! | `durability` | whether the disk takes what is committed |
//! | `sql` | the seam to the two drivers |
//!
//! Locks are taken in one order everywhere: the gate, identifiers, members, request keys, and last of all the
//! journal's head with the rows that every batch moves.

mod alive;
mod books;
mod checkpoint;
mod durability;
mod enrolled;
mod error;
mod gate;
mod guards;
mod house;
mod journal;
mod ledger;
mod members;
mod notices;
mod occupancy;
mod prober;
mod projection;
mod reports;
mod requests;
mod save;
mod schedule;
mod session;
mod settlement;
mod slice;
mod sql;
mod watched;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use clearing_core::book::Book;
use clearing_core::facts::FoundedFacts;
use clearing_core::terms::House;
use clearing_core::units::{BatchId, PartnerId, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Postgres, Sqlite};
use tokio::sync::Mutex;

pub use self::books::{MemberClass, MemberPage, TrialBalance};
pub use self::durability::Durability;
pub use self::error::{ErrorKind, StoreError};
pub use self::gate::GateError;
pub use self::house::{GateRow, HouseRow};
pub use self::journal::{BatchRow, JournalHead};
pub use self::ledger::{AttachmentRow, Counts, GrossRows, MemberRange, MembersLedger, StoredRequest};
pub use self::notices::NoticePage;
pub use self::occupancy::{Occupancy, OccupyError};
pub use self::prober::Prober;
pub use self::projection::{EntryFilter, LOOKED_THROUGH_MAX, OwnEntry, Projector, Step};
pub use self::save::Saved;
pub use self::schedule::{MemberDue, Schedule};
pub use self::session::{Probe, WriterSession};
pub use self::settlement::{Balances, WindowRow, Windows};
pub use self::sql::Sql;

use crate::identifier::IdentifierKey;
use crate::{backroom, clock};

use self::checkpoint::Committed;
use self::enrolled::Enrolled;
use self::session::Connection;
use self::sql::Link;
use self::watched::Watched;

/// Every statement of the house, for the test that prepares them all on both back ends.
pub const STATEMENTS: &[&[&Sql]] = &[
    alive::STATEMENTS,
    enrolled::STATEMENTS,
    guards::STATEMENTS,
    house::STATEMENTS,
    journal::STATEMENTS,
    ledger::STATEMENTS,
    members::STATEMENTS,
    notices::STATEMENTS,
    prober::STATEMENTS,
    projection::STATEMENTS,
    requests::STATEMENTS,
    save::STATEMENTS,
    schedule::STATEMENTS,
    session::STATEMENTS,
    settlement::STATEMENTS,
];

/// Readers beside the writer. More of them than cores only wait for each other.
pub const READERS_MAX: u32 = 8;

/// How long a writer waits for the database file: another program may have it. Then there is no more than half a second
/// left to tell callers within three.
const FILE_WAIT: Duration = Duration::from_millis(1_500);

/// How long a caller waits for a reader. The pool takes a PostgreSQL that refuses connections for one that is starting,
/// and tries for as long as this; it is shorter than the 5 seconds that the SDK gives the first try of a call, so that a
/// caller hears that the database is away before it stops listening.
const READER_WAIT: Duration = Duration::from_millis(2_500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// What the database knows of its own layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    /// Versions of migrations that were applied, ascending.
    pub applied: Vec<i64>,
    /// Versions that this release has and the database has not.
    pub pending: Vec<i64>,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    back_end: BackEnd,
    /// On SQLite whoever writes takes this first, so that writers queue fairly instead of polling for the file's lock.
    write_turn: Arc<Mutex<()>>,
    enrolled: Arc<Enrolled>,
    durability: Arc<Durability>,
    watched: Arc<Watched>,
    /// The house as of an epoch of its terms, for reads.
    house: Known,
}

/// The house as of an epoch of its terms, kept until a read finds another epoch.
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
    /// Permanent for an address that is neither, transient if the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect_later(url).await?;
        if let BackEnd::Postgres { readers, .. } = &store.back_end {
            readers.acquire().await.map_err(|error| StoreError::of("connecting to the database", error))?;
        }
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
        Ok(Self { back_end, write_turn, enrolled, watched, durability, house: Arc::default() })
    }

    async fn open_sqlite(
        file: &Path,
        write_turn: &Arc<Mutex<()>>,
        durability: &Arc<Durability>,
    ) -> Result<BackEnd, StoreError> {
        make_private(file).map_err(|error| StoreError::of("opening the database", sqlx::Error::Io(error)))?;
        // SQLite takes a name that begins with `file:` for a URI; no absolute path does.
        let file = std::path::absolute(file);
        let file = file.map_err(|error| StoreError::of("opening the database", sqlx::Error::Io(error)))?;
        let options = SqliteConnectOptions::new().filename(&file).busy_timeout(FILE_WAIT);
        let readers = options.clone().pragma("query_only", "ON");
        // A page of 2 KB holds a member's row and some lots: random pages cost half as much as at 4 KB, and rows do not
        // spill as they would at 1 KB. The log is copied beside the writer. Triggers see the delete of a REPLACE only
        // with recursive_triggers, and the append-only ones must.
        let options = options
            .create_if_missing(true)
            .page_size(2048)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "0")
            .pragma("recursive_triggers", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-65536");
        // The file must be there, in its final form, before a reader looks.
        let connection = options.connect().await.map_err(|error| StoreError::of("opening the database", error))?;
        Connection::Sqlite(Box::new(connection)).close().await;
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READER_WAIT);
        let dear_readers = pool.clone().connect_lazy_with(readers.clone());
        let readers = pool.connect_with(readers).await;
        let readers = readers.map_err(|error| StoreError::of("opening the database", error))?;
        let committed = Arc::default();
        checkpoint::start(&options, &committed, write_turn, durability).await?;
        Ok(BackEnd::Sqlite { options, file, readers, dear_readers, committed })
    }

    fn open_postgres(options: PgConnectOptions) -> BackEnd {
        // Compiling the writer's statements to machine code would take longer than running them.
        let options = options.application_name("clearing").options([("jit", "off")]);
        let pool = PgPoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READER_WAIT);
        let readers = pool.connect_lazy_with(options.clone());
        BackEnd::Postgres { options, readers }
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
        let failed = |error| StoreError::of("connecting to the database", error);
        Ok(match &self.back_end {
            BackEnd::Sqlite { options, .. } => Connection::Sqlite(Box::new(options.connect().await.map_err(failed)?)),
            BackEnd::Postgres { options, .. } => {
                // The writer finds every row by its key, and lots in the order of theirs. Left to guess from the
                // statistics of a young table, the planner would read whole tables instead, and keep that plan while
                // they grow.
                let by_key = ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"];
                let by_key = by_key.map(|setting| (setting, "off"));
                // A node that lost its network or its power holds its locks until PostgreSQL hears of it. Between two
                // statements a writer only calculates; who is idle for longer than this, in milliseconds, is lost. What
                // was under way is looked up and run again should that node come back. Nor does a statement whose node has
                // given it up wait for locks any longer.
                let lost = [("idle_in_transaction_session_timeout", "1000"), ("lock_timeout", "2000")];
                let options = options.clone().options(by_key).options(lost);
                let mut connection = options.connect().await.map_err(failed)?;
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

    /// Opens a session for the writer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn writer(&self) -> Result<WriterSession, StoreError> {
        let committed = match &self.back_end {
            BackEnd::Sqlite { committed, .. } => Some(Arc::clone(committed)),
            BackEnd::Postgres { .. } => None,
        };
        let known = (Arc::clone(&self.enrolled), Arc::clone(&self.watched));
        Ok(WriterSession::new(self.open().await?, Arc::clone(&self.write_turn), known, committed))
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

    /// Brings the database to the layout of this release. Safe to be called by several nodes at once.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if the database was migrated by a release with other migrations.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let _turn = self.write_turn.lock().await;
        let mut connection = self.open().await?;
        let migrator = self.migrator();
        let done = match &mut connection {
            Connection::Sqlite(connection) => migrator.run(&mut **connection).await,
            Connection::Postgres(connection) => migrator.run(&mut **connection).await,
        };
        connection.close().await;
        done.map_err(StoreError::of_migration)
    }

    fn migrator(&self) -> sqlx::migrate::Migrator {
        match self.backend() {
            Backend::Sqlite => sqlx::migrate!("../migrations/sqlite"),
            Backend::Postgres => sqlx::migrate!("../migrations/postgres"),
        }
    }

    /// Which migrations the database has, and which it still needs.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if it has one that this release does not know.
    pub async fn migration_state(&self) -> Result<Migrations, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&house::MIGRATIONS_TABLE);
        let known = link.row(call, |row| Ok(row.int(0)? > 0)).await?.unwrap_or(false);
        let mut state = Migrations::default();
        if known {
            let call = link.call(&house::MIGRATIONS_APPLIED);
            state.applied = link.rows(call, |row| row.int(0)).await?;
        }
        let migrator = self.migrator();
        let versions = migrator.iter().map(|migration| migration.version);
        state.pending = versions.filter(|version| !state.applied.contains(version)).collect();
        if let Some(version) = state.applied.iter().find(|version| !migrator.version_exists(**version)) {
            return Err(StoreError::permanent(format!("the database has migration {version} of a later release")));
        }
        Ok(state)
    }

    /// Writes a new coalition into a migrated, empty database: its settings, the fingerprint of its identifier key, partners
    /// with their terms, the calendar, and the first window, which begins at `now`.
    ///
    /// # Errors
    /// Permanent if the operator is not among the partners, or if there is a coalition already.
    pub async fn create_coalition(
        &self,
        house: &House,
        domain: &str,
        key: &IdentifierKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !house.partners.contains_key(&PartnerId::operator()) {
            return Err(StoreError::permanent("the operator is a partner of every coalition"));
        }
        let coalition = house.coalition.clone();
        let key_fingerprint = key.fingerprint(&coalition.id, domain);
        let founded = FoundedFacts { coalition, domain: domain.to_owned(), key_fingerprint };
        let batch = BatchId(clock::fresh_uuid());
        let book = Book::found(batch, founded.clone(), house, now);
        let book = book.map_err(|error| StoreError::permanent(format!("the coalition cannot be founded: {error}")))?;
        self.writer().await?.found(&founded, book, batch, now).await
    }

    /// The house as it stands.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn load_house(&self) -> Result<HouseRow, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let house = house::load_house(&mut snapshot.link()).await?;
        snapshot.finish().await?;
        Ok(house)
    }

    /// A connection of the pool, for one statement.
    async fn reader(&self) -> Result<Snapshot, StoreError> {
        let failed = |error| StoreError::of("waiting for a reader", error);
        let connection = match &self.back_end {
            BackEnd::Sqlite { readers, dear_readers, .. } => {
                let readers = if backroom::is_here() { dear_readers } else { readers };
                Pooled::Sqlite(readers.acquire().await.map_err(failed)?)
            }
            BackEnd::Postgres { readers, .. } => Pooled::Postgres(readers.acquire().await.map_err(failed)?),
        };
        Ok(Snapshot { connection: Some(connection), open: false, house: Arc::clone(&self.house) })
    }

    /// A connection of the pool that sees one state of the database, however many statements are asked of it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut snapshot = self.reader().await?;
        snapshot.open = true;
        snapshot.link().run(&house::BEGIN_SNAPSHOT).await?;
        Ok(snapshot)
    }
}

/// Reads that agree with each other. If it is dropped before it was finished, as when a caller goes away, its
/// connection is closed rather than given back with a transaction open.
#[derive(Debug)]
pub struct Snapshot {
    connection: Option<Pooled>,
    open: bool,
    house: Known,
}

#[derive(Debug)]
enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Snapshot {
    fn link(&mut self) -> Link<'_> {
        match self.connection.as_mut().expect("taken only when the snapshot ends") {
            Pooled::Sqlite(connection) => Link::Sqlite(connection),
            Pooled::Postgres(connection) => Link::Postgres(connection),
        }
    }

    /// Ends the snapshot and gives its connection back.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if self.open {
            self.link().run(&house::COMMIT).await?;
            self.open = false;
        }
        Ok(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.open) {
            match connection {
                Pooled::Sqlite(connection) => drop(connection.detach()),
                Pooled::Postgres(connection) => drop(connection.detach()),
            }
        }
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
