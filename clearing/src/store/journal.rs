//! The journal: entries, batches, its head.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::facts::answer::Attachment;
use clearing_core::facts::entry::{Entry, JournalEntry};
use clearing_core::units::{BatchId, EntryId, Hash, Timestamp, WindowNumber};

use super::sql::{Cells, Kind, Link, Sql};
use super::{StoreError, small};

pub(super) const STATEMENTS: &[&Sql] =
    &[&ENTRIES, &HEAD, &BATCHES, &ENTRIES_OF_RANGE, &INSERT_ATTACHMENTS, &ATTACHMENT];

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

const ENTRIES: Sql = Sql::new(
    "-- store.entries
    SELECT group_concat(concat_ws(',', hex(e.batch_id), e.ordinal, b.first_sequence + e.ordinal, hex(e.bytes)), ';')
    FROM (SELECT substr($2, value->>0, 16) AS batch_id, value->>1 AS ordinal FROM jsonb_each($1)) AS k
    CROSS JOIN entries AS e ON e.batch_id = k.batch_id AND e.ordinal = k.ordinal
    CROSS JOIN batches AS b ON b.batch_id = k.batch_id",
    "-- store.entries
    SELECT e.batch_id, e.ordinal, b.first_sequence + e.ordinal, e.bytes
    FROM unnest($1::uuid[], $2::bigint[]) AS k (batch_id, ordinal)
    JOIN entries AS e USING (batch_id, ordinal) JOIN batches AS b USING (batch_id)",
);

/// Entries by id; unknown ones are left out.
pub(super) async fn entries(
    link: &mut Link<'_>,
    ids: impl Iterator<Item = EntryId>,
) -> Result<Vec<JournalEntry>, StoreError> {
    let mut keys = link.table(&[Kind::Uuid, Kind::Int]);
    for id in ids {
        keys.uuid(id.batch.0).int(i64::from(id.ordinal));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&ENTRIES).table(keys);
    link.packed_rows(call, &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Bytes], entry).await
}

/// An entry from the columns batch, ordinal, sequence, bytes.
pub(super) fn entry(row: &dyn Cells) -> Result<JournalEntry, StoreError> {
    let id = EntryId { batch: BatchId(row.uuid(0)?), ordinal: small(row.int(1)?)? };
    let entry = Entry::from_bytes(id, row.bytes(3)?).map_err(|error| StoreError::damaged("an entry", error))?;
    Ok(JournalEntry { id, sequence: row.int(2)?, entry: Arc::new(entry) })
}

const HEAD: Sql = Sql::both(
    "-- store.journal_head
    SELECT next_sequence, next_number, hash FROM journal_head",
);

/// Where the journal ends.
pub(super) async fn head(link: &mut Link<'_>) -> Result<JournalHead, StoreError> {
    let call = link.call(&HEAD);
    let head = |row: &dyn Cells| {
        Ok(JournalHead { next_sequence: row.int(0)?, next_number: row.int(1)?, hash: super::hash(row.bytes(2)?)? })
    };
    link.row(call, head).await?.ok_or_else(no_coalition)
}

pub(super) fn no_coalition() -> StoreError {
    StoreError::permanent("the database holds no coalition yet")
}

const BATCHES: Sql = Sql::both(
    "-- store.batches
    SELECT batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash, previous_hash,
        requests_hash, salt
    FROM batches WHERE number >= $1 ORDER BY number LIMIT $2",
);

/// At most `limit` batches in the order of the chain, from the one of the number `from`.
pub(super) async fn batches(link: &mut Link<'_>, from: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
    let call = link.call(&BATCHES).int(from).int(limit);
    link.rows(call, batch).await
}

/// A batch from the columns of [`BATCHES`].
pub(super) fn batch(row: &dyn Cells) -> Result<BatchRow, StoreError> {
    let salt = row.bytes(10)?.try_into().map_err(|error| StoreError::damaged("a batch's salt", error))?;
    Ok(BatchRow {
        batch: BatchId(row.uuid(0)?),
        number: row.int(1)?,
        first_sequence: row.int(2)?,
        entry_count: row.int(3)?,
        request_count: row.int(4)?,
        window: small(row.int(5)?)?,
        time: Timestamp(row.int(6)?),
        hash: super::hash(row.bytes(7)?)?,
        previous_hash: super::hash(row.bytes(8)?)?,
        requests_hash: super::hash(row.bytes(9)?)?,
        salt,
    })
}

const ENTRIES_OF_RANGE: Sql = Sql::both(
    "-- store.entries_of_range
    SELECT e.batch_id, e.ordinal, b.first_sequence + e.ordinal, e.bytes
    FROM batches AS b JOIN entries AS e ON e.batch_id = b.batch_id
    WHERE b.first_sequence >= COALESCE((SELECT max(first_sequence) FROM batches WHERE first_sequence <= $1), 1)
    AND b.first_sequence < $2 AND b.first_sequence + e.ordinal >= $1 AND b.first_sequence + e.ordinal < $2
    ORDER BY b.first_sequence, e.ordinal LIMIT $3",
);

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

const INSERT_ATTACHMENTS: Sql = Sql::new(
    "-- store.insert_attachments
    INSERT INTO attachments (batch_id, ordinal, salt, bytes)
    SELECT substr($2, value->>0, 16), value->>1, substr($2, value->>2, value->>3), substr($2, value->>4, value->>5)
    FROM jsonb_each($1)",
    "-- store.insert_attachments
    INSERT INTO attachments (batch_id, ordinal, salt, bytes)
    SELECT batch_id, ordinal, substring($7::bytea, salt, salt_length), substring($7::bytea, start, length)
    FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[])
    AS a (batch_id, ordinal, salt, salt_length, start, length)",
);

/// Keeps personal data and free text that entries only commit to, apart from the journal, so that it can be erased.
pub(super) async fn insert_attachments(
    link: &mut Link<'_>,
    attachments: &BTreeMap<EntryId, Attachment>,
) -> Result<(), StoreError> {
    if attachments.is_empty() {
        return Ok(());
    }
    let mut rows = link.table(&[Kind::Uuid, Kind::Int, Kind::Bytes, Kind::Bytes]);
    for (entry, attachment) in attachments {
        rows.uuid(entry.batch.0).int(i64::from(entry.ordinal)).bytes(&attachment.salt).bytes(&attachment.bytes);
    }
    let call = link.call(&INSERT_ATTACHMENTS).table(rows);
    link.execute_counted(call, attachments.len()).await
}

const ATTACHMENT: Sql = Sql::both(
    "-- store.attachment
    SELECT salt, bytes FROM attachments WHERE batch_id = $1 AND ordinal = $2 AND erased_at IS NULL",
);

/// The attachment of an entry, unless it has none or it was erased.
pub(super) async fn attachment(link: &mut Link<'_>, entry: EntryId) -> Result<Option<Attachment>, StoreError> {
    let call = link.call(&ATTACHMENT).uuid(entry.batch.0).int(i64::from(entry.ordinal));
    let attachment = |row: &dyn Cells| {
        let salt = row.bytes(0)?.try_into().map_err(|error| StoreError::damaged("an attachment's salt", error))?;
        Ok(Attachment { salt, bytes: row.bytes(1)?.to_vec() })
    };
    link.row(call, attachment).await
}
