//! The one connection that writes: a transaction of a batch from the gate to the commit.
//!
//! | call | what happens |
//! |---|---|
//! | [`begin`](WriterSession::begin) | the transaction begins, passes the gate, then reads the gate row |
//! | [`load`](WriterSession::load), [`load_all`](WriterSession::load_all) | locks, and reads the slice into the book |
//! | [`save`](WriterSession::save) | writes what the batch has changed, the shared rows last |
//! | [`commit`](WriterSession::commit) | makes it durable |
//!
//! The gate is an advisory lock of PostgreSQL, which is fair: a close that waits for it is not overtaken by the
//! batches that came later. On SQLite there is one writer anyway, in a fair queue with the projector.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::command::Request;
use clearing_core::facts::FoundedFacts;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::window::Window;
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, EntryId, PartnerId, RequestId, Timestamp};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::checkpoint::Committed;
use super::enrolled::Enrolled;
use super::house::{GateRow, HouseRow, gate_row};
use super::journal::{JournalHead, no_coalition};
use super::save::{Saved, Stored};
use super::sql::{Cells, Link, Sql};
use super::watched::Watched;
use crate::clock;

use super::{Backend, StoreError, hash, house, journal, requests, save, settlement, slice};

pub(super) const STATEMENTS: &[&Sql] =
    &[&COMMIT, &ROLLBACK, &SAVEPOINT, &BACK_TO_SAVEPOINT, &CLAIM_REQUEST, &CLAIM_ENTRY];

/// Something that a batch wrote, to ask for after an unclear commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A key that was not recorded before the batch.
    Request(PartnerId, RequestId),
    /// An entry of the batch.
    Entry(EntryId),
}

/// See the module. Belongs to one writer; after any error it is to be dropped, and another one opened.
#[derive(Debug)]
pub struct WriterSession {
    connection: Connection,
    write_turn: Arc<Mutex<()>>,
    enrolled: Arc<Enrolled>,
    watched: Arc<Watched>,
    /// Held while a transaction of SQLite is open.
    turn: Option<OwnedMutexGuard<()>>,
    /// On SQLite, who copies the log is told of each commit.
    committed: Option<Arc<Committed>>,
    /// Where the journal ends; on PostgreSQL known for sure only by who has the gate alone.
    head: JournalHead,
    gate: Gate,
    /// What was read in this transaction, by which rows are found again.
    stored: Stored,
}

/// An owned connection of either kind.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Connection {
    pub fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(connection) => Link::Sqlite(connection),
            Self::Postgres(connection) => Link::Postgres(connection),
        }
    }

    /// Says goodbye; what could not be said is of no interest any more.
    pub async fn close(self) {
        let closed = match self {
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
/// name on the search path is not the lock that [`Store::prove_gate`](super::Store::prove_gate) has proved.
macro_rules! gate_key {
    () => {
        "1131177313::bigint << 32 | 'gate'::regclass::oid::bigint"
    };
}

const BEGIN: &str = "-- store.begin
    BEGIN IMMEDIATE;
    SELECT g.window_number, g.opened_at, g.terms_epoch, g.last_time, g.forgotten_before, j.next_sequence, j.next_number,
        (SELECT coalesce(max(number), 0) FROM link_changes), j.hash
    FROM gate AS g CROSS JOIN journal_head AS j";

// One round trip. In READ COMMITTED each statement of it sees what was committed before it began, so the gate row is
// read as it is after the lock was granted.
const PASS_GATE_SHARED: &str = concat!(
    "-- store.pass_gate_shared
    BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_advisory_xact_lock_shared(",
    gate_key!(),
    ");
    SELECT g.window_number, g.opened_at, g.terms_epoch, g.last_time, g.forgotten_before, j.next_sequence, j.next_number,
        (SELECT coalesce(max(number), 0) FROM link_changes)
    FROM gate AS g CROSS JOIN journal_head AS j"
);
const PASS_GATE_ALONE: &str = concat!(
    "-- store.pass_gate_alone
    BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_advisory_xact_lock(",
    gate_key!(),
    ");
    SELECT g.window_number, g.opened_at, g.terms_epoch, g.last_time, g.forgotten_before, j.next_sequence, j.next_number,
        (SELECT coalesce(max(number), 0) FROM link_changes)
    FROM gate AS g CROSS JOIN journal_head AS j"
);

const COMMIT: Sql = Sql::both("-- store.commit\n    COMMIT");
const ROLLBACK: Sql = Sql::both("-- store.rollback\n    ROLLBACK");
const SAVEPOINT: Sql = Sql::both("-- store.savepoint\n    SAVEPOINT traced");
const BACK_TO_SAVEPOINT: Sql = Sql::both("-- store.back_to_savepoint\n    ROLLBACK TO SAVEPOINT traced");

impl WriterSession {
    /// The connection, for a statement of another room.
    pub(super) fn link(&mut self) -> Link<'_> {
        self.connection.link()
    }

    pub(super) fn new(
        connection: Connection,
        write_turn: Arc<Mutex<()>>,
        (enrolled, watched): (Arc<Enrolled>, Arc<Watched>),
        committed: Option<Arc<Committed>>,
    ) -> Self {
        Self {
            connection,
            write_turn,
            enrolled,
            watched,
            turn: None,
            committed,
            head: JournalHead { next_sequence: 1, next_number: 1, hash: [0; 32] },
            gate: Gate::Shared,
            stored: Stored::default(),
        }
    }

    pub fn backend(&self) -> Backend {
        match self.connection {
            Connection::Sqlite(_) => Backend::Sqlite,
            Connection::Postgres(_) => Backend::Postgres,
        }
    }

    /// Begins a transaction, passes the gate and reads its row. The time of the batch must be read after this, and
    /// may lie neither before `opened` nor before `last_time`.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn begin(&mut self, gate: Gate) -> Result<GateRow, StoreError> {
        self.stored = Stored::default();
        self.gate = gate;
        let failed = |error| StoreError::of("store.begin", error);
        let (row, head, link_change) = match &mut self.connection {
            Connection::Sqlite(connection) => {
                self.turn = Some(Arc::clone(&self.write_turn).lock_owned().await);
                let rows = sqlx::query(BEGIN).fetch_all(&mut **connection).await.map_err(failed)?;
                let row = rows.first().ok_or_else(no_coalition)?;
                let (next_sequence, next_number) = (row.int(5)?, row.int(6)?);
                let head = JournalHead { next_sequence, next_number, hash: hash(row.bytes(8)?)? };
                (gate_row(row)?, head, row.int(7)?)
            }
            Connection::Postgres(connection) => {
                let sql = match gate {
                    Gate::Shared => PASS_GATE_SHARED,
                    Gate::Alone => PASS_GATE_ALONE,
                };
                let rows = sqlx::raw_sql(sql).fetch_all(&mut **connection).await.map_err(failed)?;
                // The first row is that of the lock, which says nothing. The hash is read under the head's own lock.
                let row = rows.get(1).ok_or_else(no_coalition)?;
                let (next_sequence, next_number) = (row.int(5)?, row.int(6)?);
                (gate_row(row)?, JournalHead { next_sequence, next_number, hash: [0; 32] }, row.int(7)?)
            }
        };
        self.head = head;
        self.enrolled.follow(&mut self.connection.link(), link_change).await?;
        Ok(row)
    }

    /// Founds a coalition in a migrated, empty database: what its first batch writes, and the rows that there are one of.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if there is a coalition already.
    pub async fn found(
        &mut self,
        founded: &FoundedFacts,
        mut book: Book,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.gate = Gate::Alone;
        if let Connection::Sqlite(_) = &self.connection {
            self.turn = Some(Arc::clone(&self.write_turn).lock_owned().await);
        }
        let mut link = self.connection.link();
        link.run(&house::BEGIN).await?;
        house::insert_coalition(&mut link, founded, now).await?;
        self.head = JournalHead { next_sequence: 1, next_number: 1, hash: [0; 32] };
        let changes = book.take_changes();
        let coalition = founded.coalition.id.clone();
        let header =
            BatchHeader { coalition, stripe: STRIPE, batch, window: 1, time: now, salt: clock::random_bytes() };
        self.save(&book, &changes, &header).await?;
        self.commit().await
    }

    /// The house as it stands inside the transaction.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load_house(&mut self) -> Result<HouseRow, StoreError> {
        house::load_house(&mut self.connection.link()).await
    }

    /// Fills the book with what these commands on points need, and keeps other nodes from it. The book must be new:
    /// what it holds already is taken as it is. Gives the first sequence of every batch of which an entry was read,
    /// among them those that a replayed answer names.
    ///
    /// # Errors
    /// See [`StoreError`]; transient if another node was faster with something that this batch depends on.
    pub async fn load(
        &mut self,
        book: &mut Book,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<BTreeMap<BatchId, i64>, StoreError> {
        let loaded = {
            let watched = self.watched.sums();
            slice::load(&mut self.connection.link(), book, requests, now, &self.enrolled, &watched).await?
        };
        self.stored = loaded.stored;
        Ok(loaded.sequences)
    }

    /// Fills the book with what these commands of the house need. The gate must have been passed alone. Gives first
    /// sequences as [`load`](Self::load) does.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load_all(
        &mut self,
        book: &mut Book,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<BTreeMap<BatchId, i64>, StoreError> {
        slice::load_all(&mut self.connection.link(), book, requests, now).await
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
        settlement::save_windows(&mut link, book, changes, self.head.next_sequence).await?;
        if changes.under_the_gate() {
            house::save_house(&mut link, book, changes, header.time).await?;
            let opened = book.windows.get(&book.open_window).map(|window| window.opened);
            let opened = opened.ok_or_else(|| StoreError::permanent("the open window is not in the book"))?;
            house::update_gate(&mut link, book, opened, changes.house_changed(), header.time).await?;
        }
        if !changes.consents_given.is_empty() {
            house::save_consents(&mut link, book, changes).await?;
        }
        let rows = save::save_rows(&mut link, book, changes, header, &self.stored);
        // Entries and requests are hashed while the database writes them.
        let (rows, hashed) = futures::join!(rows, async { save::hash_batch(book, changes, header) });
        rows?;
        journal::insert_attachments(&mut link, &changes.attachments).await?;
        let first_sequence = if changes.entries.is_empty() && changes.requests.is_empty() {
            self.head.next_sequence
        } else {
            {
                let bounds = (&*self.watched, self.gate);
                save::save_head(&mut link, (book, changes), header, &self.head, &hashed?, bounds).await?
            }
        };
        if !changes.funding_states.is_empty() {
            settlement::save_funding(&mut link, book, changes).await?;
        }
        Ok(Saved { first_sequence })
    }

    /// Makes the batch durable.
    ///
    /// # Errors
    /// Commit-unknown if the connection broke before the database answered.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        let done = match &mut self.connection {
            Connection::Sqlite(connection) => sqlx::raw_sql(COMMIT.sqlite).execute(&mut **connection).await.map(|_| ()),
            Connection::Postgres(connection) => {
                sqlx::raw_sql(COMMIT.postgres).execute(&mut **connection).await.map(|_| ())
            }
        };
        self.turn = None;
        if let Some(committed) = &self.committed {
            committed.note();
        }
        done.map_err(StoreError::of_commit)
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

    /// Whether a batch was committed by a session whose COMMIT did not answer. Waits until that session's transaction
    /// has ended one way or the other. To be asked of a fresh session, outside of any transaction.
    ///
    /// # Errors
    /// See [`StoreError`]; then it is still not known.
    pub async fn was_committed(&mut self, batch: BatchId, probe: Probe) -> Result<bool, StoreError> {
        self.begin(Gate::Shared).await?;
        let committed = was_committed(&mut self.connection.link(), batch, probe).await?;
        self.rollback().await?;
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

// Trying to write the same key is what waits for a transaction that holds it and has not ended. The claim is rolled
// back.
const CLAIM_REQUEST: Sql = Sql::both(
    "-- store.claim_request
    INSERT INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply)
    VALUES ($1, $2, $3, 0, 3, $4, NULL, 0, $5) ON CONFLICT DO NOTHING",
);

const CLAIM_ENTRY: Sql = Sql::both(
    "-- store.claim_entry
    INSERT INTO entries (batch_id, ordinal, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);

async fn was_committed(link: &mut Link<'_>, batch: BatchId, probe: Probe) -> Result<bool, StoreError> {
    match probe {
        Probe::Request(partner, request) => {
            let call = link.call(&CLAIM_REQUEST).text(partner.as_str()).uuid(request.0);
            let call = call.bytes(vec![0; 32]).uuid(batch.0).bytes(Vec::new());
            if link.execute(call).await? == 1 {
                return Ok(false);
            }
            let rows = requests::requests(link, [(partner, request)].into_iter()).await?;
            Ok(rows.iter().any(|row| row.batch == batch))
        }
        Probe::Entry(entry) => {
            let call = link.call(&CLAIM_ENTRY).uuid(entry.batch.0).int(i64::from(entry.ordinal)).bytes(Vec::new());
            Ok(link.execute(call).await? == 0)
        }
    }
}
