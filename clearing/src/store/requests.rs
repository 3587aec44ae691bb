//! Requests: what became of every key, so that a repeated one gets the same answer.

use std::collections::BTreeSet;

use clearing_core::facts::answer::{Accepted, Recorded, RecordedState};
use clearing_core::facts::chain::{Outcome, RequestRecord};
use clearing_core::facts::coalition::CLOCK_SKEW_SECONDS;
use clearing_core::facts::receipt::{Receipt, ReceiptLine};
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, EntryId, PartnerId, RequestId, Timestamp};

use super::sql::{Cells, Kind, Link, Sql};
use super::{Store, StoreError, StoredRequest, guards, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] = &[&REQUESTS, &KNOWN, &FORGETTABLE, &FORGET];

pub(super) const ACCEPTED: i64 = 1;
pub(super) const REJECTED: i64 = 2;
pub(super) const ABANDONED: i64 = 3;

const REQUESTS: Sql = Sql::new(
    "-- store.requests
    SELECT r.partner, r.request_id, r.content_hash, r.state, r.batch_id, r.ordinal, r.entry_count, r.reply
    FROM (SELECT value->>0 AS partner, substr($2, value->>1, 16) AS request_id FROM jsonb_each($1)) AS k
    CROSS JOIN requests AS r WHERE r.partner = k.partner AND r.request_id = k.request_id",
    "-- store.requests
    SELECT partner, request_id, content_hash, state, batch_id, ordinal, entry_count, reply FROM requests
    JOIN unnest($1::text[], $2::uuid[]) AS k (partner, request_id) USING (partner, request_id)",
);

/// What is recorded under a key.
pub(super) struct RequestRow {
    pub key: (PartnerId, RequestId),
    /// The batch that recorded it first.
    pub batch: BatchId,
    pub recorded: Recorded,
}

/// What is recorded under keys; unknown ones are left out.
pub(super) async fn requests(
    link: &mut Link<'_>,
    keys: impl Iterator<Item = (PartnerId, RequestId)>,
) -> Result<Vec<RequestRow>, StoreError> {
    let mut table = link.table(&[Kind::Text, Kind::Uuid]);
    for (partner, request) in keys {
        table.text(partner.as_str()).uuid(request.0);
    }
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&REQUESTS).table(table);
    link.rows(call, request).await
}

/// Which batches recorded these requests; unknown ones are left out.
pub(super) async fn batches_of(
    link: &mut Link<'_>,
    keys: impl Iterator<Item = (PartnerId, RequestId)>,
) -> Result<Vec<((PartnerId, RequestId), BatchId)>, StoreError> {
    let mut table = link.table(&[Kind::Text, Kind::Uuid]);
    for (partner, request) in keys {
        table.text(partner.as_str()).uuid(request.0);
    }
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&REQUESTS).table(table);
    link.rows(call, |row| Ok(((partner_id(row.text(0)?)?, RequestId(row.uuid(1)?)), BatchId(row.uuid(4)?)))).await
}

/// A request as the chain has it, from the columns of [`REQUESTS`] and its time.
pub(super) fn stored_request(row: &dyn Cells) -> Result<StoredRequest, StoreError> {
    let (state, count) = (row.int(3)?, small(row.int(6)?)?);
    let outcome = match state {
        REJECTED => Outcome::Rejected,
        ABANDONED if count == 0 => Outcome::Burned,
        _ => Outcome::Accepted,
    };
    let record = RequestRecord {
        partner: partner_id(row.text(0)?)?,
        request: RequestId(row.uuid(1)?),
        content: super::hash(row.bytes(2)?)?,
        outcome,
        first: row.int_or_null(5)?.map(small).transpose()?,
        count,
        reply: row.bytes(7)?.to_vec(),
    };
    let undone = state == ABANDONED && outcome == Outcome::Accepted;
    Ok(StoredRequest { record, batch: BatchId(row.uuid(4)?), undone, time: Timestamp(row.int(8)?) })
}

// Most batches know no key and no line yet, and would wait for the database twice to hear so.
const KNOWN: Sql = Sql::new(
    "-- store.known
    SELECT r.partner, r.request_id, r.content_hash, r.state, r.batch_id, r.ordinal, r.entry_count, r.reply,
        NULL, NULL, NULL, NULL
    FROM (SELECT value->>0 AS partner, substr($2, value->>1, 16) AS request_id FROM jsonb_each($1)) AS k
    CROSS JOIN requests AS r WHERE r.partner = k.partner AND r.request_id = k.request_id
    UNION ALL
    SELECT r.partner, NULL, NULL, r.side, r.batch_id, r.ordinal, r.line, NULL,
        r.business_date, r.store, r.till, r.number
    FROM (SELECT value->>0 AS partner, value->>1 AS business_date, value->>2 AS store, value->>3 AS till,
        value->>4 AS number FROM jsonb_each($3)) AS k
    CROSS JOIN receipts AS r
    WHERE r.partner = k.partner AND r.business_date = k.business_date AND r.store = k.store AND r.till = k.till
    AND r.number = k.number AND $4 IS NOT NULL",
    "-- store.known
    SELECT partner, request_id, content_hash, state, batch_id, ordinal, entry_count, reply,
        NULL::integer, NULL::text, NULL::text, NULL::text
    FROM requests JOIN unnest($1::text[], $2::uuid[]) AS k (partner, request_id) USING (partner, request_id)
    UNION ALL
    SELECT partner, NULL, NULL, side, batch_id, ordinal, line, NULL, business_date, store, till, number
    FROM receipts JOIN unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
        AS k (partner, business_date, store, till, number) USING (partner, business_date, store, till, number)",
);

// One range of the key for each partner. What was undone is kept: its entries stand in the journal, and whoever reads them
// must know that they no longer count.
const FORGETTABLE: Sql = Sql::both(
    "-- store.forgettable
    SELECT r.partner, r.request_id FROM partners AS p CROSS JOIN requests AS r
    WHERE r.partner = p.partner AND r.request_id >= $1 AND r.request_id < $2
    AND r.time < $3 AND (r.state <> 3 OR r.entry_count = 0) LIMIT $4",
);

const FORGET: Sql = Sql::new(
    "-- store.forget
    DELETE FROM requests WHERE (partner, request_id) IN (
        SELECT value->>0, substr($2, value->>1, 16) FROM jsonb_each($1)
    )",
    "-- store.forget
    DELETE FROM requests AS r USING unnest($1::text[], $2::uuid[]) AS k (partner, request_id)
    WHERE r.partner = k.partner AND r.request_id = k.request_id",
);

/// How many requests are forgotten in one transaction: few, as the tills wait for it.
const FORGOTTEN_AT_ONCE: u32 = 256;
/// By how much more than the coalition takes a key may be older than what was recorded under it: its days are those of a
/// calendar, and clocks of nodes differ.
const OLDER_DAYS: i64 = 1;

impl Store {
    /// Whether the time up to which requests may be forgotten is to be moved.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forgetting_is_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let coalition = snapshot.house().await?.house.coalition;
        let forgotten = snapshot.gate().await?.forgotten;
        snapshot.finish().await?;
        Ok(coalition.forgettable(forgotten, now).is_some())
    }

    /// Deletes requests that were recorded before the time up to which they may be forgotten. Takes at most so many steps,
    /// each a small transaction beside the tills. `from` is where an earlier call came to an end; gives where this one did,
    /// and none if there is more to be done.
    ///
    /// What a key says of its own time bounds when it was recorded, so that all of them are found in a range of each
    /// partner's keys: it was made at most as long before as keys are taken, and at most the clock's skew after. One of a
    /// sandbox may be made later, and waits for its own time.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_requests(&self, from: RequestId, steps: u32) -> Result<Option<RequestId>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let days = i64::from(snapshot.house().await?.house.coalition.key_retention_days);
        let before = snapshot.gate().await?.forgotten;
        snapshot.finish().await?;
        if days == 0 {
            return Ok(Some(from));
        }
        let end = RequestId::first_of(before.plus_seconds(CLOCK_SKEW_SECONDS)).max(from);
        // What is recorded later under an older key is looked for by the next call.
        let next = RequestId::first_of(before.plus_days(-days - OLDER_DAYS)).max(from);
        let mut session = None;
        for _ in 0..steps {
            let mut reader = self.reader().await?;
            let mut link = reader.link();
            let call = link.call(&FORGETTABLE).uuid(from.0).uuid(end.0).int(before.0);
            let call = call.int(i64::from(FORGOTTEN_AT_ONCE));
            let key = |row: &dyn Cells| Ok((partner_id(row.text(0)?)?, RequestId(row.uuid(1)?)));
            let found = link.rows(call, key).await?;
            drop(reader);
            if found.is_empty() {
                return Ok(Some(next));
            }
            let writer = match &mut session {
                Some(writer) => writer,
                None => session.insert(self.writer().await?),
            };
            writer.begin(Gate::Shared).await?;
            let mut link = writer.link();
            let mut keys = link.table(&[Kind::Text, Kind::Uuid]);
            for (partner, request) in &found {
                keys.text(partner.as_str()).uuid(request.0);
            }
            let call = link.call(&FORGET).table(keys);
            link.execute(call).await?;
            writer.commit().await?;
            if found.len() < FORGOTTEN_AT_ONCE as usize {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }
}

/// A row of [`KNOWN`].
enum Known {
    Request(RequestRow),
    Line(ReceiptLine, EntryId),
}

/// What is recorded under keys, and all lines of receipts with the entries that they were booked with; unknown ones are
/// left out.
pub(super) async fn known(
    link: &mut Link<'_>,
    keys: impl Iterator<Item = (PartnerId, RequestId)>,
    receipts: &BTreeSet<Receipt>,
) -> Result<(Vec<RequestRow>, Vec<(ReceiptLine, EntryId)>), StoreError> {
    if receipts.is_empty() {
        return Ok((requests(link, keys).await?, Vec::new()));
    }
    let mut asked = link.table(&[Kind::Text, Kind::Uuid]);
    for (partner, request) in keys {
        asked.text(partner.as_str()).uuid(request.0);
    }
    let mut printed = link.table(guards::RECEIPT_KEY);
    for receipt in receipts {
        guards::push_receipt(&mut printed, receipt);
    }
    let call = link.call(&KNOWN).table(asked).table(printed);
    let found = link.rows(call, |row| match row.uuid_or_null(1)? {
        Some(_) => request(row).map(Known::Request),
        None => guards::receipt_line(row, [0, 8, 9, 10, 11, 3, 6, 4, 5]).map(|(line, entry)| Known::Line(line, entry)),
    });
    let (mut requests, mut lines) = (Vec::new(), Vec::new());
    for known in found.await? {
        match known {
            Known::Request(row) => requests.push(row),
            Known::Line(line, entry) => lines.push((line, entry)),
        }
    }
    Ok((requests, lines))
}

pub(super) fn request(row: &dyn Cells) -> Result<RequestRow, StoreError> {
    let unreadable = |error| StoreError::damaged("a recorded answer", error);
    let batch = BatchId(row.uuid(4)?);
    let accepted = || {
        let first: u32 = row.int_or_null(5)?.map(small).transpose()?.unwrap_or(0);
        let count: u32 = small(row.int(6)?)?;
        let entries = (first..first.saturating_add(count)).map(|ordinal| EntryId { batch, ordinal }).collect();
        let reply = borsh::from_slice(row.bytes(7)?).map_err(unreadable)?;
        Ok::<_, StoreError>(Accepted { entries, reply })
    };
    let state = match row.int(3)? {
        ACCEPTED => RecordedState::Accepted(accepted()?),
        REJECTED => RecordedState::Rejected(borsh::from_slice(row.bytes(7)?).map_err(unreadable)?),
        ABANDONED if row.int(6)? == 0 => RecordedState::Burned,
        ABANDONED => RecordedState::Undone(accepted()?),
        state => return Err(StoreError::permanent(format!("a request has the unknown state {state}"))),
    };
    Ok(RequestRow {
        key: (partner_id(row.text(0)?)?, RequestId(row.uuid(1)?)),
        batch,
        recorded: Recorded { content: super::hash(row.bytes(2)?)?, state },
    })
}

/// The stored number of a state.
///
/// # Errors
/// If the entries of an answer do not follow each other, which only a mistake in the rules makes.
pub(super) fn stored_state(state: &RecordedState) -> Result<i64, StoreError> {
    let (number, entries) = match state {
        RecordedState::Accepted(accepted) => (ACCEPTED, &accepted.entries[..]),
        RecordedState::Undone(accepted) => (ABANDONED, &accepted.entries[..]),
        RecordedState::Rejected(_) => (REJECTED, &[][..]),
        RecordedState::Burned => (ABANDONED, &[][..]),
    };
    let follows = |pair: &[EntryId]| pair[0].batch == pair[1].batch && pair[0].ordinal + 1 == pair[1].ordinal;
    if !entries.windows(2).all(follows) {
        return Err(StoreError::permanent("the entries of an answer do not follow each other"));
    }
    Ok(number)
}
