//! When the house was last alive, and what the database's own clock says: what a node judges its clock by.

use clearing_core::operation::Gate;
use clearing_core::units::Timestamp;

use super::cells::Row;
use super::journal::no_coalition;
use super::sql::{Sql, rows};
use super::tables::{Column, GATE, HOUSE_ALIVE, Kind};
use super::{Backend, Store, StoreError};
use crate::clock::DatabaseTime;

pub(super) static STATEMENTS: &[&Sql] = &[&LAST_ALIVE, &NOTE_ALIVE, &DATABASE_TIME];

// A house that has written nothing down yet is as old as what is in its books.
static LAST_ALIVE: Sql = Sql::both(
    "store.last_alive",
    "SELECT {gate g}, {house_alive a}, (SELECT time FROM batches ORDER BY number DESC LIMIT 1) AS last_batch
    FROM gate AS g LEFT JOIN house_alive AS a ON a.id = g.id",
)
.gives(&[GATE.opened_at, GATE.last_time, HOUSE_ALIVE.alive_at, LAST_BATCH]);

const LAST_BATCH: Column = Column::made("last_batch", Kind::Int);

static NOTE_ALIVE: Sql = Sql::both("store.note_alive", "{upsert k}").takes(&[rows("k", HOUSE_ALIVE.all)]);

static DATABASE_TIME: Sql = Sql::new(
    "store.database_time",
    "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now",
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now",
)
.gives(&[NOW]);

const NOW: Column = Column::made("now", Kind::Int);

impl Store {
    /// When a node of the house was last alive, by what it wrote down; of a house that never ran, when the last change
    /// in its books was made.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn last_alive(&self) -> Result<Timestamp, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&LAST_ALIVE);
        let last = |row: &Row<'_>| {
            let last_batch = row.int_or_null(LAST_BATCH)?.unwrap_or(i64::MIN);
            let books = row.int(GATE.opened_at)?.max(row.int(GATE.last_time)?).max(last_batch);
            Ok(Timestamp(row.int_or_null(HOUSE_ALIVE.alive_at)?.unwrap_or(books)))
        };
        link.row(call, last).await?.ok_or_else(no_coalition)
    }

    /// Writes down that the house is alive.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_alive(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        session.pass(Gate::Shared).await?;
        let mut link = session.link();
        let mut row = link.row_set(HOUSE_ALIVE.all);
        row.int(HOUSE_ALIVE.id, 1).int(HOUSE_ALIVE.alive_at, now.0);
        link.write(&NOTE_ALIVE, row).await?;
        session.commit().await
    }

    /// What the clock of a PostgreSQL says, between two looks at this machine's. SQLite has none of its own.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn database_time(
        &self,
        machine: impl Fn() -> Timestamp + Send,
    ) -> Result<Option<DatabaseTime>, StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(None);
        }
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&DATABASE_TIME);
        let before = machine();
        let database = link.row(call, |row| row.time(NOW)).await?;
        let after = machine();
        Ok(database.map(|database| DatabaseTime { before, database, after }))
    }
}
