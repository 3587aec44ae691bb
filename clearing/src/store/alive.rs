//! When the house was last alive, and what the database's own clock says: what a node judges its clock by.

use clearing_core::operation::Gate;
use clearing_core::units::Timestamp;

use super::journal::no_coalition;
use super::sql::{Cells, Sql};
use super::{Backend, Store, StoreError};
use crate::clock::DatabaseTime;

pub(super) const STATEMENTS: &[&Sql] = &[&LAST_ALIVE, &NOTE_ALIVE, &DATABASE_TIME];

// A house that has written nothing down yet is as old as what is in its books.
const LAST_ALIVE: Sql = Sql::both(
    "-- store.last_alive
    SELECT a.alive_at, g.opened_at, g.last_time, (SELECT time FROM batches ORDER BY number DESC LIMIT 1)
    FROM gate AS g LEFT JOIN house_alive AS a ON a.id = g.id",
);

const NOTE_ALIVE: Sql = Sql::both(
    "-- store.note_alive
    INSERT INTO house_alive (id, alive_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET alive_at = excluded.alive_at",
);

const DATABASE_TIME: Sql = Sql::new(
    "-- store.database_time
    SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    "-- store.database_time
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
);

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
        let last = |row: &dyn Cells| {
            let books = [row.int(1)?, row.int(2)?, row.int_or_null(3)?.unwrap_or(i64::MIN)];
            Ok(Timestamp(row.int_or_null(0)?.unwrap_or(books.into_iter().fold(i64::MIN, i64::max))))
        };
        link.row(call, last).await?.ok_or_else(no_coalition)
    }

    /// Writes down that the house is alive.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_alive(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut session = self.writer().await?;
        session.begin(Gate::Shared).await?;
        let call = session.link().call(&NOTE_ALIVE).int(now.0);
        session.link().execute_counted(call, 1).await?;
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
        let database = link.row(call, |row| Ok(Timestamp(row.int(0)?))).await?;
        let after = machine();
        Ok(database.map(|database| DatabaseTime { before, database, after }))
    }
}
