//! Reads beside the writer, by connections of a pool.

use std::sync::Arc;
use std::time::Duration;

use clearing_core::book::Book;
use clearing_core::facts::coalition::House;
use clearing_core::facts::member::MemberRef;
use clearing_core::units::{Points, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};

use super::sql::{Link, Sql};
use super::tables::{Column, Kind};
use super::{BackEnd, Backend, Known, Store, StoreError, slice};
use crate::backroom;

pub(super) static STATEMENTS: &[&Sql] = &[&BEGIN, &COMMIT, &BEGIN_SNAPSHOT, &EXPORT_SNAPSHOT, &DATA_VERSION];

/// Begins a change that does not pass the gate.
pub(super) static BEGIN: Sql = Sql::new("store.begin_change", "BEGIN IMMEDIATE", "BEGIN");
/// Ends a change or a snapshot.
pub(super) static COMMIT: Sql = Sql::both("store.commit_change", "COMMIT");

/// What a reader sees does not change until it ends. SQLite takes its snapshot with the first read.
static BEGIN_SNAPSHOT: Sql =
    Sql::new("store.begin_snapshot", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");

/// How often SQLite is tried for a moment in which nobody commits, and for how long it is left alone in between.
const TRIES_MAX: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

const SNAPSHOT: Column = Column::made("snapshot", Kind::Text);

static EXPORT_SNAPSHOT: Sql =
    Sql::postgres("store.export_snapshot", "SELECT pg_catalog.pg_export_snapshot() AS snapshot").gives(&[SNAPSHOT]);

const VERSION: Column = Column::made("version", Kind::Int);

// Another number than before, as this connection sees it, where another one has committed meanwhile.
static DATA_VERSION: Sql =
    Sql::sqlite("store.data_version", "SELECT CAST(data_version AS INTEGER) AS version FROM pragma_data_version")
        .gives(&[VERSION]);

impl Store {
    /// Several connections of the pool, one at least, that all see the same state of the database.
    ///
    /// # Errors
    /// See [`StoreError`]; transient if somebody commits to SQLite all the time, so that no two see the same.
    pub async fn snapshots(&self, count: usize) -> Result<Vec<Snapshot>, StoreError> {
        match self.backend() {
            Backend::Postgres => self.exported(count).await,
            Backend::Sqlite => self.undisturbed(count).await,
        }
    }

    /// The first one's state is named to the others.
    async fn exported(&self, count: usize) -> Result<Vec<Snapshot>, StoreError> {
        let mut first = self.snapshot().await?;
        let mut link = first.link();
        let call = link.call(&EXPORT_SNAPSHOT);
        let name = link.row(call, |row| Ok(row.text(SNAPSHOT)?.to_owned())).await?.unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(StoreError::permanent(format!("PostgreSQL names a snapshot {name:?}")));
        }
        let mut snapshots = vec![first];
        while snapshots.len() < count {
            let mut next = self.snapshot().await?;
            if let Some(Pooled::Postgres(connection)) = next.connection.as_mut() {
                let take = sqlx::AssertSqlSafe(format!("SET TRANSACTION SNAPSHOT '{name}'"));
                let taken = sqlx::raw_sql(take).execute(&mut **connection).await;
                taken.map_err(|error| StoreError::of("store.set_snapshot", error))?;
            }
            snapshots.push(next);
        }
        Ok(snapshots)
    }

    /// They begin while nobody commits, as one beside them has seen: no lock is taken, so no writer waits.
    async fn undisturbed(&self, count: usize) -> Result<Vec<Snapshot>, StoreError> {
        let mut watching = self.reader().await?;
        for _ in 0..TRIES_MAX {
            let before = watching.data_version().await?;
            let mut snapshots = Vec::new();
            while snapshots.len() < count.max(1) {
                let mut snapshot = self.snapshot().await?;
                // The state that it sees is that of its first read.
                snapshot.journal_head().await?;
                snapshots.push(snapshot);
            }
            if watching.data_version().await? == before {
                return Ok(snapshots);
            }
            for snapshot in snapshots {
                snapshot.finish().await?;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(StoreError::transient("the database was never left alone for long enough to look at it from several sides"))
    }

    /// A connection of the pool, for one statement.
    pub(super) async fn reader(&self) -> Result<Snapshot, StoreError> {
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
        snapshot.link().run(&BEGIN_SNAPSHOT).await?;
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
    pub(super) fn link(&mut self) -> Link<'_> {
        match self.connection.as_mut().expect("taken only when the snapshot ends") {
            Pooled::Sqlite(connection) => Link::Sqlite(connection),
            Pooled::Postgres(connection) => Link::Postgres(connection),
        }
    }

    async fn data_version(&mut self) -> Result<i64, StoreError> {
        let mut link = self.link();
        let call = link.call(&DATA_VERSION);
        let version = link.row(call, |row| row.int(VERSION)).await?;
        version.ok_or_else(|| StoreError::permanent("SQLite tells no version of its data"))
    }

    /// Ends the snapshot and gives its connection back.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if self.open {
            self.link().run(&COMMIT).await?;
            self.open = false;
        }
        Ok(())
    }

    /// The part of the ledger that tells a member's balance, holdings and next expiry; with `points` so many lots, too,
    /// that redeeming them can be quoted. An unknown member is not in the book.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member(
        &mut self,
        member: MemberRef,
        points: Option<Points>,
        now: Timestamp,
    ) -> Result<Book, StoreError> {
        let gate = self.gate().await?;
        let house = self.house_of(gate.terms_epoch).await?;
        let mut book = Book::new(house, gate.open_window);
        slice::load_member(&mut self.link(), &mut book, member, points, now).await?;
        Ok(book)
    }

    /// The house as this snapshot has it: lots may be of terms that another node made a moment ago.
    pub(super) async fn house_of(&mut self, terms_epoch: i64) -> Result<Arc<House>, StoreError> {
        let known = self.house.lock().expect("nobody panics with the lock").clone();
        if let Some((_, house)) = known.filter(|(epoch, _)| *epoch == terms_epoch) {
            return Ok(house);
        }
        let house = Arc::new(self.house().await?.house);
        *self.house.lock().expect("nobody panics with the lock") = Some((terms_epoch, Arc::clone(&house)));
        Ok(house)
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
