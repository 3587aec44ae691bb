//! The one connection that writes: a transaction of a batch from the gate to the commit.
//!
//! | call | what happens |
//! |---|---|
//! | [`begin`](WriterSession::begin) | the transaction begins, passes the gate, then reads the gate row and, if it has changed, the house |
//! | [`load`](WriterSession::load) | locks, and reads the slice into the book |
//! | [`save`](WriterSession::save) | writes what the batch has changed, the shared rows last |
//! | [`commit`](WriterSession::commit), or [`rollback`](WriterSession::rollback) | makes it durable, or undoes all of it |
//! | [`Store::look_up`] | whether it is durable, when the answer to the commit was lost |
//!
//! What is tried on the way, to find out which request a batch fails on, is undone to a
//! [`savepoint`](WriterSession::savepoint).
//!
//! The gate is an advisory lock of PostgreSQL, which is fair: a close that waits for it is not overtaken by the
//! batches that came later. On SQLite there is one writer anyway, in a fair queue with the projector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::command::Request;
use clearing_core::facts::FoundedFacts;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::coalition::House;
use clearing_core::facts::window::Window;
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, EntryId, Hash, PartnerId, RequestId, Timestamp};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::cells::Row;
use super::checkpoint::Committed;
use super::direct::{Direct, Interrupter};
use super::gate::{GateRow, gate_row};
use super::head::{self, Saved};
use super::identifiers::Enrolled;
use super::journal::{JournalHead, no_coalition};
use super::save::{self, Stored};
use super::sql::{Link, Sql};
use super::tables::{Column, GATE, JOURNAL_HEAD, Kind};
use super::watched::Watched;
use super::{
    Backend, Known, Store, StoreError, attachments, charges, coalition, consents, credentials, funding, gate, journal,
    legal, money, parties, people, proposals, requests, slice, snapshot, windows,
};
use crate::clock;

pub(super) static STATEMENTS: &[&Sql] =
    &[&GATE_SHARED, &GATE_ALONE, &BEGUN_ROW, &COMMIT, &ROLLBACK, &SAVEPOINT, &BACK_TO_SAVEPOINT];

/// Statements that PostgreSQL takes as texts of several, which cannot be prepared.
pub(super) static UNPREPARED: &[&Sql] = &[&BEGIN_SHARED, &BEGIN_ALONE];

/// Something that a batch wrote, to ask for after an unclear commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A key that was not recorded before the batch.
    Request(PartnerId, RequestId),
    /// An entry of the batch.
    Entry(EntryId),
}

/// The transactions of one writer, one after the other. After any error it is to be dropped, and another one opened.
#[derive(Debug)]
pub struct WriterSession {
    connection: Connection,
    write_turn: Arc<Mutex<()>>,
    enrolled: Arc<Enrolled>,
    watched: Arc<Watched>,
    house: Known,
    /// So many lots stand in a member's row at the most.
    lots_in_row: usize,
    /// Held while a transaction of SQLite is open.
    turn: Option<OwnedMutexGuard<()>>,
    /// On SQLite, who copies the log is told of each commit.
    committed: Option<Arc<Committed>>,
    /// Where the journal ends; on PostgreSQL known for sure only by who has the gate alone.
    head: JournalHead,
    gate: Gate,
    /// On PostgreSQL, whether this connection knows the statements that a transaction begins with.
    prepared: bool,
    /// What was read in this transaction, by which rows are found again.
    stored: Stored,
}

/// An owned connection of either kind.
#[derive(Debug)]
pub(super) enum Connection {
    /// SQLite, called by whoever has it.
    Direct(Box<Direct>),
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Connection {
    pub fn link(&mut self) -> Link<'_> {
        match self {
            Self::Direct(connection) => Link::Direct(connection),
            Self::Sqlite(connection) => Link::Sqlite(connection),
            Self::Postgres(connection) => Link::Postgres(connection),
        }
    }

    /// Says goodbye; what could not be said is of no interest any more.
    pub async fn close(self) {
        let closed = match self {
            Self::Direct(_) => Ok(()),
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "a connection did not close cleanly");
        }
    }
}

/// The key of the advisory lock that is the gate: "Clea" in ASCII before the number of this coalition's gate table, so that
/// coalitions in two schemas of one database do not wait for each other. The functions are named in full: one of the same
/// name on the search path is not the lock that [`Store::prove_gate`] has proved.
macro_rules! gate_key {
    () => {
        "1131177313::bigint << 32 | 'gate'::regclass::oid::bigint"
    };
}

const BEGUN: &[Column] = &[
    GATE.window_number,
    GATE.opened_at,
    GATE.terms_epoch,
    GATE.last_time,
    GATE.forgotten_before,
    JOURNAL_HEAD.next_sequence,
    JOURNAL_HEAD.next_number,
    LINK_CHANGE,
    HASH,
];

/// The number of the last change of a link.
const LINK_CHANGE: Column = Column::made("link_change", Kind::Int);
/// Of the journal so far. On PostgreSQL it is read again later, under the head's own lock.
const HASH: Column = Column::made("hash", Kind::Hash);

static GATE_SHARED: Sql =
    Sql::postgres("store.gate_shared", concat!("SELECT pg_catalog.pg_advisory_xact_lock_shared(", gate_key!(), ")"));
static GATE_ALONE: Sql =
    Sql::postgres("store.gate_alone", concat!("SELECT pg_catalog.pg_advisory_xact_lock(", gate_key!(), ")"));

// One round trip, of statements that were planned before. In READ COMMITTED each of them sees what was committed before it
// began, so the gate row is read as it is after the lock was granted.
static BEGIN_SHARED: Sql = Sql::postgres(
    "store.begin_shared",
    "BEGIN ISOLATION LEVEL READ COMMITTED; EXECUTE \"store.gate_shared\"; EXECUTE \"store.begun\"",
);
static BEGIN_ALONE: Sql = Sql::postgres(
    "store.begin_alone",
    "BEGIN ISOLATION LEVEL READ COMMITTED; EXECUTE \"store.gate_alone\"; EXECUTE \"store.begun\"",
);

static BEGUN_ROW: Sql = Sql::both(
    "store.begun",
    "SELECT {gate g}, {journal_head j}, (SELECT coalesce(max(number), 0) FROM link_changes) AS link_change, j.hash
    FROM gate AS g CROSS JOIN journal_head AS j",
)
.gives(BEGUN);

static COMMIT: Sql = Sql::both("store.commit", "COMMIT");
static ROLLBACK: Sql = Sql::both("store.rollback", "ROLLBACK");
static SAVEPOINT: Sql = Sql::both("store.savepoint", "SAVEPOINT traced");
static BACK_TO_SAVEPOINT: Sql = Sql::both("store.back_to_savepoint", "ROLLBACK TO SAVEPOINT traced");

impl WriterSession {
    /// Tells until when the batch that is begun next has time: what waits for the file waits no longer. Of no effect where
    /// whoever waits can give up.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn wait_until(&mut self, until: Instant) -> Result<(), StoreError> {
        match &self.connection {
            Connection::Direct(connection) => connection.wait_until(until),
            Connection::Sqlite(_) | Connection::Postgres(_) => Ok(()),
        }
    }

    /// What breaks off the call that this session is in, if it blocks the thread that made it.
    pub fn interrupter(&self) -> Option<Interrupter> {
        match &self.connection {
            Connection::Direct(connection) => Some(connection.interrupter()),
            Connection::Sqlite(_) | Connection::Postgres(_) => None,
        }
    }

    /// The connection, for a statement of another room.
    pub(super) fn link(&mut self) -> Link<'_> {
        self.connection.link()
    }

    pub(super) fn new(
        connection: Connection,
        write_turn: Arc<Mutex<()>>,
        (enrolled, watched, house): (Arc<Enrolled>, Arc<Watched>, Known),
        committed: Option<Arc<Committed>>,
        lots_in_row: usize,
    ) -> Self {
        Self {
            connection,
            write_turn,
            enrolled,
            watched,
            house,
            lots_in_row,
            turn: None,
            committed,
            head: JournalHead::START,
            gate: Gate::Shared,
            prepared: false,
            stored: Stored::default(),
        }
    }

    /// Begins a transaction, passes the gate, and gives its row and the house as it stands behind it. The time of the batch
    /// must be read after this, and may lie neither before `opened` nor before `last_time`.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn begin(&mut self, gate: Gate) -> Result<(GateRow, Arc<House>), StoreError> {
        let row = self.pass(gate).await?;
        let known = self.house.lock().expect("nobody panics with the lock").clone();
        if let Some((_, house)) = known.filter(|(epoch, _)| *epoch == row.terms_epoch) {
            return Ok((row, house));
        }
        let house = Arc::new(parties::load_house(&mut self.connection.link()).await?.house);
        *self.house.lock().expect("nobody panics with the lock") = Some((row.terms_epoch, Arc::clone(&house)));
        Ok((row, house))
    }

    /// Begins a transaction, passes the gate and reads its row.
    pub(super) async fn pass(&mut self, gate: Gate) -> Result<GateRow, StoreError> {
        self.stored = Stored::default();
        self.gate = gate;
        let begun = |row: &Row<'_>, hash: Hash| {
            let (next_sequence, next_number) =
                (row.int(JOURNAL_HEAD.next_sequence)?, row.int(JOURNAL_HEAD.next_number)?);
            let head = JournalHead { next_sequence, next_number, hash };
            Ok::<_, StoreError>((gate_row(row)?, head, row.int(LINK_CHANGE)?))
        };
        if !self.prepared && self.connection.link().backend() == Backend::Postgres {
            self.connection.link().prepare(&[&GATE_SHARED, &GATE_ALONE, &BEGUN_ROW]).await?;
            self.prepared = true;
        }
        let (row, head, link_change) = if let Connection::Postgres(connection) = &mut self.connection {
            let sql = match gate {
                Gate::Shared => &BEGIN_SHARED,
                Gate::Alone => &BEGIN_ALONE,
            };
            let rows = sqlx::raw_sql(sql.text(Backend::Postgres)).fetch_all(&mut **connection).await;
            let rows = rows.map_err(|error| StoreError::of(sql.name(), error))?;
            // The first row is that of the lock, which says nothing.
            begun(&Row::new(rows.get(1).ok_or_else(no_coalition)?, BEGUN), [0; 32])?
        } else {
            self.turn = Some(Arc::clone(&self.write_turn).lock_owned().await);
            let mut link = self.connection.link();
            link.run(&snapshot::BEGIN).await?;
            let call = link.call(&BEGUN_ROW);
            let row = link.row(call, |row| begun(row, row.hash(HASH)?)).await?;
            row.ok_or_else(no_coalition)?
        };
        self.head = head;
        self.enrolled.follow(&mut self.connection.link(), link_change).await?;
        Ok(row)
    }

    /// Founds a coalition in a migrated, empty database: what its first batch writes, and the rows that there are one of.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if there is a coalition already.
    pub(super) async fn found(
        &mut self,
        founded: &FoundedFacts,
        mut book: Book,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.gate = Gate::Alone;
        if self.connection.link().backend() == Backend::Sqlite {
            self.turn = Some(Arc::clone(&self.write_turn).lock_owned().await);
        }
        let mut link = self.connection.link();
        link.run(&snapshot::BEGIN).await?;
        if coalition::coalition(&mut link).await?.is_some() {
            return Err(StoreError::permanent("the database holds a coalition already"));
        }
        coalition::insert(&mut link, founded, now).await?;
        gate::insert(&mut link, now).await?;
        journal::insert_head(&mut link).await?;
        self.head = JournalHead::START;
        let changes = book.take_changes();
        let coalition = founded.coalition.id.clone();
        let header =
            BatchHeader { coalition, stripe: STRIPE, batch, window: 1, time: now, salt: clock::random_bytes() };
        self.save(&book, &changes, &header).await?;
        self.commit().await
    }

    /// Fills the book with what these requests need, and keeps other nodes from it. The book must be new: what it holds
    /// already is taken as it is. Requests that take the gate alone get all balances but legs, others no more than they lock.
    /// Gives the first sequence of every batch of which an entry was read, among them those that a replayed answer names.
    ///
    /// # Errors
    /// See [`StoreError`]; transient if another node was faster with something that this batch depends on.
    pub async fn load(
        &mut self,
        book: &mut Book,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<BTreeMap<BatchId, i64>, StoreError> {
        let mut link = self.connection.link();
        if self.gate == Gate::Alone {
            self.stored = Stored::default();
            return slice::load_all(&mut link, book, requests, now).await;
        }
        let loaded = {
            let watched = self.watched.sums();
            slice::load(&mut link, book, requests, now, &self.enrolled, &watched).await?
        };
        self.stored = loaded.stored;
        Ok(loaded.sequences)
    }

    /// Writes everything that the batch has changed, with its values from the book. A batch without entries has the
    /// `first_sequence` of the next one.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if a row is not there that should be, or there is one that should not; ungated if a batch
    /// beside others has changed what only one that has the gate alone may change.
    pub async fn save(&mut self, book: &Book, changes: &Changes, header: &BatchHeader) -> Result<Saved, StoreError> {
        if self.gate == Gate::Shared {
            check_shared(book, changes, &self.stored)?;
        }
        let mut link = self.connection.link();
        windows::save(&mut link, book, changes, self.head.next_sequence).await?;
        if changes.under_the_gate() {
            parties::save_house(&mut link, book, changes).await?;
            gate::update(&mut link, book, changes, header.time).await?;
        }
        consents::save_given(&mut link, book, changes).await?;
        legal::save(&mut link, book, changes).await?;
        people::save_care(&mut link, book, changes).await?;
        money::save(&mut link, book, changes).await?;
        charges::save(&mut link, book, changes).await?;
        credentials::save(&mut link, book, changes).await?;
        proposals::save(&mut link, book, changes).await?;
        let records = requests::records(book, changes)?;
        let how = (self.lots_in_row, head::saves_together(changes));
        let rows = save::save_rows(&mut link, book, changes, (header, &self.stored, &records), how);
        // Entries and requests are hashed while the database writes them.
        let (rows, hashed) = futures::join!(rows, async { head::hash_batch(book, changes, header, &records) });
        let unsaved = rows?;
        attachments::save(&mut link, changes).await?;
        let first_sequence = if changes.entries.is_empty() && changes.requests.is_empty() {
            self.head.next_sequence
        } else {
            let bounds = (&*self.watched, self.gate);
            head::save_head(&mut link, (book, changes), header, &self.head, &hashed?, bounds, unsaved).await?
        };
        if !self.stored.told.is_empty() {
            save::check_told(&mut link, book, &self.stored.told).await?;
        }
        funding::save_states(&mut link, book, changes).await?;
        Ok(Saved { first_sequence })
    }

    /// Makes the batch durable.
    ///
    /// # Errors
    /// Commit-unknown if the connection broke before the database answered.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.connection.link().commit(&COMMIT).await;
        self.turn = None;
        if let Some(committed) = &self.committed {
            committed.note();
        }
        done
    }

    /// Sets the one savepoint of a transaction.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.connection.link().run(&SAVEPOINT).await
    }

    /// Undoes everything since [`savepoint`](Self::savepoint), also after an error of the database. It may be called
    /// again and again.
    ///
    /// # Errors
    /// See [`StoreError`]; among others if the error has ended the transaction.
    pub async fn back_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.stored = Stored::default();
        self.connection.link().run(&BACK_TO_SAVEPOINT).await
    }

    /// Undoes everything since [`begin`](Self::begin).
    ///
    /// # Errors
    /// See [`StoreError`]. Dropping the session has the same effect.
    pub async fn rollback(&mut self) -> Result<(), StoreError> {
        let done = self.connection.link().run(&ROLLBACK).await;
        self.turn = None;
        done
    }
}

impl Store {
    /// Whether a batch was committed by a session whose COMMIT did not answer. Waits until that session's transaction
    /// has ended one way or the other.
    ///
    /// # Errors
    /// See [`StoreError`]; then it is still not known.
    pub async fn look_up(&self, batch: BatchId, probe: Probe) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        session.pass(Gate::Shared).await?;
        let mut link = session.connection.link();
        let committed = match probe {
            Probe::Request(partner, request) => requests::was_recorded(&mut link, batch, (partner, request)).await?,
            Probe::Entry(entry) => journal::was_written(&mut link, entry).await?,
        };
        session.rollback().await?;
        Ok(committed)
    }
}
/// Refuses what a batch beside others may not change: what every batch reads once it has passed the gate, a window whose row
/// it has not locked, and what of a window is made by its close.
fn check_shared(book: &Book, changes: &Changes, stored: &Stored) -> Result<(), StoreError> {
    if changes.under_the_gate() {
        return Err(StoreError::ungated("the house, or which window is open"));
    }
    for number in &changes.windows {
        let Some(locked) = stored.windows.get(number) else {
            return Err(StoreError::ungated(format!("window {number}, which it has not locked")));
        };
        let now = book.windows.get(number).map(Window::without_payments);
        if now.as_ref() != Some(&locked.without_payments()) {
            return Err(StoreError::ungated(format!("what the close of window {number} made")));
        }
    }
    Ok(())
}
