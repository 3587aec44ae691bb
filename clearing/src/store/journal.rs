//! The journal: entries, batches, where it ends.

use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::entry::{Entry, JournalEntry};
use clearing_core::units::{BatchId, EntryId, Hash, Timestamp, WindowNumber};

use super::cause::Cause;
use super::cells::Row;
use super::packed::{pack, unpack};
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, rows};
use super::tables::{BATCHES, Column, ENTRIES, JOURNAL_HEAD, Kind};
use super::{Snapshot, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[
    &ENTRIES_BY_ID,
    &ENTRIES_OF_RANGE,
    &CLAIM_ENTRY,
    &HEAD,
    &INSERT_HEAD,
    &BATCHES_FROM,
    &BATCHES_BETWEEN,
    &BATCHES_WEIGHED,
    &COUNTS,
];

/// The place of an entry in the journal: that of its batch's first one plus its ordinal.
const SEQUENCE: Column = Column::made("sequence", Kind::Int);

const ENTRY: &[Column] = &[ENTRIES.batch_id, ENTRIES.ordinal, ENTRIES.packed, SEQUENCE];

const KEY: &[Column] = &[ENTRIES.batch_id, ENTRIES.ordinal];

static ENTRIES_BY_ID: Sql = Sql::both(
    "store.entries",
    "SELECT {entries e}, b.first_sequence + e.ordinal AS sequence
    FROM {rows k} CROSS JOIN entries AS e CROSS JOIN batches AS b WHERE {match k e} AND b.batch_id = k.batch_id",
)
.takes(&[rows("k", KEY)])
.gives(ENTRY);

/// Entries by id; unknown ones are left out.
pub(super) async fn entries(
    link: &mut Link<'_>,
    ids: impl Iterator<Item = EntryId>,
) -> Result<Vec<JournalEntry>, StoreError> {
    let mut keys = link.row_set(KEY);
    for id in ids {
        keys.uuid(ENTRIES.batch_id, id.batch.0).int(ENTRIES.ordinal, i64::from(id.ordinal));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&ENTRIES_BY_ID).rows(keys);
    link.rows(call, entry).await
}

static ENTRIES_OF_RANGE: Sql = Sql::both(
    "store.entries_of_range",
    "SELECT {entries e}, b.first_sequence + e.ordinal AS sequence
    FROM batches AS b JOIN entries AS e ON e.batch_id = b.batch_id
    WHERE b.first_sequence >= COALESCE((SELECT max(first_sequence) FROM batches WHERE first_sequence <= $1), 1)
    AND b.first_sequence < $2 AND b.first_sequence + e.ordinal >= $1 AND b.first_sequence + e.ordinal < $2
    ORDER BY b.first_sequence, e.ordinal LIMIT $3",
)
.gives(ENTRY);

/// At most `limit` entries with sequences from `from` up to, but not including, `end`, in journal order.
pub(super) async fn entries_of_range(
    link: &mut Link<'_>,
    from: i64,
    end: i64,
    limit: i64,
) -> Result<Vec<JournalEntry>, StoreError> {
    let call = link.call(&ENTRIES_OF_RANGE).int(from).int(end).int(limit);
    link.rows(call, entry).await
}

fn entry(row: &Row<'_>) -> Result<JournalEntry, StoreError> {
    entry_at(row, row.int(SEQUENCE)?)
}

/// An entry, from its row and its sequence.
pub(super) fn entry_at(row: &Row<'_>, sequence: i64) -> Result<JournalEntry, StoreError> {
    let id = row.entry(ENTRIES.batch_id, ENTRIES.ordinal)?;
    let bytes = unpack(row.bytes(ENTRIES.packed)?).map_err(|error| StoreError::damaged("a packed entry", error))?;
    let entry = Entry::from_bytes(id, &bytes).map_err(|error| StoreError::damaged("an entry", error))?;
    Ok(JournalEntry { id, sequence, entry: Arc::new(entry) })
}

/// The entries of a batch.
pub(super) fn written(link: &Link<'_>, book: &Book, changes: &Changes) -> Result<RowSet, StoreError> {
    let mut rows = link.row_set(ENTRIES.all);
    for id in &changes.entries {
        let entry = of_book(book.entries.get(id))?;
        rows.uuid(ENTRIES.batch_id, id.batch.0)
            .int(ENTRIES.ordinal, i64::from(id.ordinal))
            .bytes(ENTRIES.packed, &pack(&entry.to_bytes()));
    }
    Ok(rows)
}

// Trying to write the same key is what waits for a transaction that holds it and has not ended. The claim is rolled back.
static CLAIM_ENTRY: Sql =
    Sql::both("store.claim_entry", "{insert k} ON CONFLICT DO NOTHING").takes(&[rows("k", ENTRIES.all)]);

/// Whether an entry is there, once whoever wrote it has committed or gone.
pub(super) async fn was_written(link: &mut Link<'_>, entry: EntryId) -> Result<bool, StoreError> {
    let mut claim = link.row_set(ENTRIES.all);
    claim.uuid(ENTRIES.batch_id, entry.batch.0).int(ENTRIES.ordinal, i64::from(entry.ordinal));
    claim.bytes(ENTRIES.packed, &[]);
    let call = link.call(&CLAIM_ENTRY).rows(claim);
    Ok(link.execute(call).await? == 0)
}

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    /// The sequence that the next entry gets; the first is 1.
    pub next_sequence: i64,
    /// The number that the next batch gets; the first is 1.
    pub next_number: i64,
    /// The hash of the journal so far.
    pub hash: Hash,
}

impl JournalHead {
    /// That of a journal in which there is nothing.
    pub const START: Self = Self { next_sequence: 1, next_number: 1, hash: [0; 32] };
}

static HEAD: Sql = Sql::both("store.journal_head", "SELECT {journal_head} FROM journal_head").gives(&[
    JOURNAL_HEAD.next_sequence,
    JOURNAL_HEAD.next_number,
    JOURNAL_HEAD.hash,
]);

/// Where the journal ends.
pub(super) async fn head(link: &mut Link<'_>) -> Result<JournalHead, StoreError> {
    let call = link.call(&HEAD);
    let head = |row: &Row<'_>| {
        Ok(JournalHead {
            next_sequence: row.int(JOURNAL_HEAD.next_sequence)?,
            next_number: row.int(JOURNAL_HEAD.next_number)?,
            hash: row.hash(JOURNAL_HEAD.hash)?,
        })
    };
    link.row(call, head).await?.ok_or_else(no_coalition)
}

static INSERT_HEAD: Sql = Sql::both("store.insert_journal_head", "{insert k}").takes(&[rows("k", JOURNAL_HEAD.all)]);

/// Writes where an empty journal ends.
pub(super) async fn insert_head(link: &mut Link<'_>) -> Result<(), StoreError> {
    let mut head = link.row_set(JOURNAL_HEAD.all);
    let JournalHead { next_sequence, next_number, hash } = JournalHead::START;
    head.int(JOURNAL_HEAD.id, 1).int(JOURNAL_HEAD.next_sequence, next_sequence);
    head.int(JOURNAL_HEAD.next_number, next_number).bytes(JOURNAL_HEAD.hash, &hash);
    link.write(&INSERT_HEAD, head).await
}

pub(super) fn no_coalition() -> StoreError {
    StoreError::because(Cause::not_founded())
}

/// One commit that wrote entries or recorded requests, and one link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    pub batch: BatchId,
    /// From 1, without gaps, in the order of commits.
    pub number: i64,
    pub first_sequence: i64,
    pub entry_count: i64,
    pub request_count: i64,
    pub window: WindowNumber,
    pub time: Timestamp,
    pub hash: Hash,
    pub previous_hash: Hash,
    /// Over the requests that it recorded.
    pub requests_hash: Hash,
    pub salt: [u8; 16],
}

impl BatchRow {
    /// The sequence behind its last entry.
    pub fn end_sequence(&self) -> i64 {
        self.first_sequence.saturating_add(self.entry_count)
    }
}

static BATCHES_FROM: Sql =
    Sql::both("store.batches", "SELECT {batches} FROM batches WHERE number >= $1 ORDER BY number LIMIT $2")
        .gives(BATCHES.all);

static BATCHES_BETWEEN: Sql = Sql::both(
    "store.batches_between",
    "SELECT {batches} FROM batches WHERE batch_id BETWEEN $1 AND $2 ORDER BY batch_id LIMIT $3",
)
.gives(BATCHES.all);

fn batch(row: &Row<'_>) -> Result<BatchRow, StoreError> {
    let salt = row.bytes(BATCHES.salt)?.try_into();
    Ok(BatchRow {
        batch: row.batch(BATCHES.batch_id)?,
        number: row.int(BATCHES.number)?,
        first_sequence: row.int(BATCHES.first_sequence)?,
        entry_count: row.int(BATCHES.entry_count)?,
        request_count: row.int(BATCHES.request_count)?,
        window: row.small(BATCHES.window_number)?,
        time: row.time(BATCHES.time)?,
        hash: row.hash(BATCHES.hash)?,
        previous_hash: row.hash(BATCHES.previous_hash)?,
        requests_hash: row.hash(BATCHES.requests_hash)?,
        salt: salt.map_err(|error| StoreError::damaged("a batch's salt", error))?,
    })
}

static BATCHES_WEIGHED: Sql =
    Sql::both("store.batches_weighed", "SELECT {batches} FROM batches WHERE batch_id > $1 ORDER BY batch_id LIMIT $2")
        .gives(&[BATCHES.batch_id, BATCHES.request_count]);

/// At most `limit` batches by id from behind `after`, each with how many requests it recorded.
pub(super) async fn batches_weighed(
    link: &mut Link<'_>,
    after: BatchId,
    limit: i64,
) -> Result<Vec<(BatchId, i64)>, StoreError> {
    let call = link.call(&BATCHES_WEIGHED).uuid(after.0).int(limit);
    link.rows(call, |row| Ok((row.batch(BATCHES.batch_id)?, row.int(BATCHES.request_count)?))).await
}

/// How many rows there are of what the audit looks up one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub entries: i64,
    pub attachments: i64,
    pub receipt_lines: i64,
}

const ENTRY_COUNT: Column = Column::made("entries", Kind::Int);
const ATTACHMENT_COUNT: Column = Column::made("attachments", Kind::Int);
const LINE_COUNT: Column = Column::made("receipt_lines", Kind::Int);

static COUNTS: Sql = Sql::both(
    "store.counts",
    "SELECT (SELECT count(*) FROM entries) AS entries, (SELECT count(*) FROM attachments) AS attachments,
        (SELECT count(*) FROM receipts) AS receipt_lines",
)
.gives(&[ENTRY_COUNT, ATTACHMENT_COUNT, LINE_COUNT]);

impl Store {
    /// An entry by its id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entry(&self, id: EntryId) -> Result<Option<JournalEntry>, StoreError> {
        let found = entries(&mut self.reader().await?.link(), [id].into_iter()).await?;
        Ok(found.into_iter().next())
    }
}

impl Snapshot {
    /// Where the journal ends.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn journal_head(&mut self) -> Result<JournalHead, StoreError> {
        head(&mut self.link()).await
    }

    /// At most `limit` batches in the order of the chain, from the one of the number `from`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches(&mut self, from: i64, limit: u32) -> Result<Vec<BatchRow>, StoreError> {
        let mut link = self.link();
        let call = link.call(&BATCHES_FROM).int(from).int(i64::from(limit));
        link.rows(call, batch).await
    }

    /// At most `limit` batches with ids from the first to the last, by id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches_between(
        &mut self,
        first: BatchId,
        last: BatchId,
        limit: u32,
    ) -> Result<Vec<BatchRow>, StoreError> {
        let mut link = self.link();
        let call = link.call(&BATCHES_BETWEEN).uuid(first.0).uuid(last.0).int(i64::from(limit));
        link.rows(call, batch).await
    }

    /// At most `limit` entries with sequences from `from` up to, but not including, `end`, in journal order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entries(&mut self, from: i64, end: i64, limit: u32) -> Result<Vec<JournalEntry>, StoreError> {
        entries_of_range(&mut self.link(), from, end, i64::from(limit)).await
    }

    /// How many entries, attachments and lines of receipts there are.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn counts(&mut self) -> Result<Counts, StoreError> {
        let mut link = self.link();
        let call = link.call(&COUNTS);
        let counts = |row: &Row<'_>| {
            Ok(Counts {
                entries: row.int(ENTRY_COUNT)?,
                attachments: row.int(ATTACHMENT_COUNT)?,
                receipt_lines: row.int(LINE_COUNT)?,
            })
        };
        link.row(call, counts).await?.ok_or_else(no_coalition)
    }
}
