//! The gate that every batch passes: its row, and the proof that it holds.
//!
//! What a close and the batches of the tills rely on is an advisory lock of PostgreSQL, or the
//! one writer of SQLite. There are engines that speak PostgreSQL's protocol and take such a lock for nothing, poolers that
//! hand out one session for two, and file systems that lock nothing. On any of these the books would be wrong without a
//! word, so a house does not open on them.
//!
//! The proof has two connections do what two nodes do. On PostgreSQL it takes the gate's functions with a key of its own: the
//! gate itself may be in use.

use std::time::Duration;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::units::{Timestamp, WindowNumber};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

use super::cells::Row;
use super::journal::no_coalition;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, GATE};
use super::{BackEnd, Snapshot, Store, StoreError, connect};
use crate::clock;

pub(super) static STATEMENTS: &[&Sql] = &[&THE_GATE, &INSERT_GATE, &UPDATE_GATE];

/// What a batch reads when it has passed the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateRow {
    pub open_window: WindowNumber,
    /// When the open window began: no batch acts earlier than this.
    pub opened: Timestamp,
    pub terms_epoch: i64,
    /// The time of the last change made under the gate: the house's clock never runs back over it.
    pub last_time: Timestamp,
    /// Requests that were recorded before this may be forgotten.
    pub forgotten: Timestamp,
}

static THE_GATE: Sql = Sql::both("store.gate", "SELECT {gate} FROM gate").gives(PASSED);

/// The columns of a [`GateRow`].
const PASSED: &[Column] =
    &[GATE.window_number, GATE.opened_at, GATE.terms_epoch, GATE.last_time, GATE.forgotten_before];

/// The gate row, outside of any batch.
pub(super) async fn gate(link: &mut Link<'_>) -> Result<GateRow, StoreError> {
    let call = link.call(&THE_GATE);
    link.row(call, gate_row).await?.ok_or_else(no_coalition)
}

pub(super) fn gate_row(row: &Row<'_>) -> Result<GateRow, StoreError> {
    Ok(GateRow {
        open_window: row.small(GATE.window_number)?,
        opened: row.time(GATE.opened_at)?,
        terms_epoch: row.int(GATE.terms_epoch)?,
        last_time: row.time(GATE.last_time)?,
        forgotten: row.time(GATE.forgotten_before)?,
    })
}

static INSERT_GATE: Sql = Sql::both("store.insert_gate", "{insert k}").takes(&[rows("k", GATE.all)]);

/// Writes the gate of a coalition that begins now.
pub(super) async fn insert(link: &mut Link<'_>, now: Timestamp) -> Result<(), StoreError> {
    let mut row = link.row_set(GATE.all);
    row.int(GATE.id, 1).int(GATE.window_number, 1).int(GATE.opened_at, now.0).int(GATE.terms_epoch, 1);
    row.int(GATE.last_time, now.0).int(GATE.forgotten_before, now.0);
    link.write(&INSERT_GATE, row).await
}

// A cut-off that was missed is closed as of its time, which may lie before the last change of terms.
static UPDATE_GATE: Sql = Sql::new(
    "store.update_gate",
    "UPDATE gate SET window_number = $1, opened_at = $2, terms_epoch = terms_epoch + $3,
        last_time = max(last_time, $4), forgotten_before = $5 WHERE id = 1",
    "UPDATE gate SET window_number = $1, opened_at = $2, terms_epoch = terms_epoch + $3,
        last_time = greatest(last_time, $4), forgotten_before = $5 WHERE id = 1",
);

/// Moves the gate row after a change of windows or of the house. The caller has the gate alone.
pub(super) async fn update(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let opened = book.windows.get(&book.open_window).map(|window| window.opened);
    let opened = opened.ok_or_else(|| StoreError::permanent("the open window is not in the book"))?;
    let call = link.call(&UPDATE_GATE).int(i64::from(book.open_window)).int(opened.0);
    let call = call.int(i64::from(changes.house_changed())).int(now.0).int(book.forgotten.0);
    link.execute_counted(call, 1).await
}

impl Snapshot {
    /// The gate row.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gate(&mut self) -> Result<GateRow, StoreError> {
        gate(&mut self.link()).await
    }
}

/// How long the second connection waits before it is believed that it waits, in milliseconds.
const WAIT_MILLIS: u64 = 50;

/// How long a statement may take that is not to wait.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Why a house does not open on a database.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its locks are none.
    #[error(
        "this database does not hold the locks that the books rely on: {0}. Connect the house to a PostgreSQL server itself, \
         neither to an engine that only speaks its protocol nor through a pooler that shares sessions between transactions \
         or statements; keep a file of SQLite on a local disk"
    )]
    NoLock(&'static str),
}

const BATCHES_EXCLUDE: &str = "two batches cannot be at work at once";
const CLOSE_IN_BATCH: &str = "a close does not wait for a batch that is at work";
const BATCH_IN_CLOSE: &str = "a batch does not wait for a close that is at work";
const NOT_RELEASED: &str = "a lock outlives the transaction that took it";
const TWO_WRITERS: &str = "two can write the file at once";

impl Store {
    /// The gate row: the open window and the last change made under the gate.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gate(&self) -> Result<GateRow, StoreError> {
        gate(&mut self.reader().await?.link()).await
    }

    /// Proves with two connections that the gate excludes whom it must, and nobody else.
    ///
    /// # Errors
    /// [`GateError::NoLock`] if it does not; [`GateError::Store`] if the database cannot be asked.
    pub async fn prove_gate(&self) -> Result<(), GateError> {
        match &self.back_end {
            BackEnd::Postgres { options, .. } => {
                let mut one = connect::postgres(options, connect::SETTINGS).await?;
                let mut two = connect::postgres(options, connect::SETTINGS).await?;
                connect::prove_sessions(&mut one, &mut two).await?;
                prove_postgres(&mut one, &mut two).await?;
                let _ = tokio::join!(one.close(), two.close());
            }
            BackEnd::Sqlite { options, .. } => {
                let opening = |error| StoreError::of("connecting to the database", error);
                let _turn = self.write_turn.lock().await;
                let mut one = options.connect().await.map_err(opening)?;
                let hasty = options.clone().busy_timeout(Duration::from_millis(WAIT_MILLIS));
                let mut two = hasty.connect().await.map_err(opening)?;
                prove_sqlite(&mut one, &mut two).await?;
                let _ = tokio::join!(one.close(), two.close());
            }
        }
        Ok(())
    }
}

/// The functions of the gate (`session`), by their full names: a function of the same name that somebody put before them on
/// the search path is another.
#[derive(Clone, Copy)]
enum Lock {
    Shared,
    Alone,
}

async fn prove_postgres(one: &mut PgConnection, two: &mut PgConnection) -> Result<(), GateError> {
    let key = i64::from_be_bytes(clock::random_bytes());
    begin(one).await?;
    take(one, Lock::Shared, key).await?;
    expect(two, Lock::Shared, key, true, BATCHES_EXCLUDE).await?;
    expect(two, Lock::Alone, key, false, CLOSE_IN_BATCH).await?;
    roll_back(one).await?;
    begin(one).await?;
    take(one, Lock::Alone, key).await?;
    expect(two, Lock::Shared, key, false, BATCH_IN_CLOSE).await?;
    roll_back(one).await?;
    expect(two, Lock::Alone, key, true, NOT_RELEASED).await
}

/// Whether a lock is had at once, in a transaction of its own; else it has to be waited for.
async fn expect(
    connection: &mut PgConnection,
    lock: Lock,
    key: i64,
    had: bool,
    otherwise: &'static str,
) -> Result<(), GateError> {
    begin(connection).await?;
    let found = match tokio::time::timeout(ANSWER_WAIT, take(connection, lock, key)).await {
        Ok(Ok(())) => true,
        // 55P03, the lock was not to be had in time.
        Ok(Err(error)) if error.code().as_deref() == Some("55P03") => false,
        Ok(Err(error)) => return Err(error.into()),
        // An engine that knows no end to a wait. The transaction is in doubt, and so is the connection.
        Err(_) => return if had { Err(GateError::NoLock(otherwise)) } else { Ok(()) },
    };
    roll_back(connection).await?;
    if found == had { Ok(()) } else { Err(GateError::NoLock(otherwise)) }
}

async fn begin(connection: &mut PgConnection) -> Result<(), StoreError> {
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {WAIT_MILLIS}");
    let begun = sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(connection).await;
    begun.map(drop).map_err(|error| StoreError::of("store.prove_gate", error))
}

async fn take(connection: &mut PgConnection, lock: Lock, key: i64) -> Result<(), StoreError> {
    let sql = match lock {
        Lock::Shared => "SELECT pg_catalog.pg_advisory_xact_lock_shared($1)",
        Lock::Alone => "SELECT pg_catalog.pg_advisory_xact_lock($1)",
    };
    let taken = sqlx::query(sql).bind(key).execute(connection).await;
    taken.map(drop).map_err(|error| StoreError::of("store.prove_gate", error))
}

async fn roll_back(connection: &mut PgConnection) -> Result<(), StoreError> {
    let done = sqlx::raw_sql("ROLLBACK").execute(connection).await;
    done.map(drop).map_err(|error| StoreError::of("store.prove_gate", error))
}

async fn prove_sqlite(one: &mut SqliteConnection, two: &mut SqliteConnection) -> Result<(), GateError> {
    let failed = |error| StoreError::of("store.prove_gate", error);
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *one).await.map_err(failed)?;
    let second = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *two).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *one).await.map_err(failed)?;
    match second {
        Ok(_) => Err(GateError::NoLock(TWO_WRITERS)),
        // SQLITE_BUSY, with what it is extended by.
        Err(error) if is_busy(&error) => Ok(()),
        Err(error) => Err(failed(error).into()),
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.parse::<i32>().is_ok_and(|code| code & 0xff == 5))
}
