//! Requests: what became of every key, so that a repeated one gets the same answer.

use std::collections::BTreeSet;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::answer::{Accepted, Recorded, RecordedState, Reply};
use clearing_core::facts::chain::{Outcome, RequestRecord};
use clearing_core::facts::coalition::CLOCK_SKEW_SECONDS;
use clearing_core::facts::receipt::Receipt;
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, ContentHash, EntryId, PartnerId, RequestId, Timestamp};

use super::cells::Row;
use super::receipts::{self, BookedLine, booked_line, receipt_keys};
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, RECEIPTS, REQUESTS};
use super::{Backend, Snapshot, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] =
    &[&REQUESTS_BY_KEY, &KNOWN, &REQUESTS_AFTER, &ABANDON_REQUEST, &CLAIM_REQUEST, &FORGETTABLE, &FORGET];

const ACCEPTED: i64 = 1;
const REJECTED: i64 = 2;
const ABANDONED: i64 = 3;

const KEY: &[Column] = &[REQUESTS.partner, REQUESTS.request_id];

static REQUESTS_BY_KEY: Sql =
    Sql::both("store.requests", "SELECT {requests r} FROM {rows k} CROSS JOIN requests AS r WHERE {match k r}")
        .takes(&[rows("k", KEY)])
        .gives(REQUESTS.all);

/// What is recorded under a key, as it is stored: the answer is told from it and from its entries.
pub(super) struct RequestRow {
    pub key: (PartnerId, RequestId),
    /// The batch that recorded it first.
    pub batch: BatchId,
    content: ContentHash,
    outcome: Outcome,
    first: Option<u32>,
    count: u32,
    undone: bool,
    reply: Vec<u8>,
}

impl RequestRow {
    /// The entries of its answer, in journal order.
    pub fn entries(&self) -> Vec<EntryId> {
        let first = self.first.unwrap_or(0);
        (first..first.saturating_add(self.count)).map(|ordinal| EntryId { batch: self.batch, ordinal }).collect()
    }

    /// Whether what it did stands.
    pub fn stands(&self) -> bool {
        self.outcome == Outcome::Accepted && !self.undone
    }

    /// Whether it is refused from then on: it was undone, or its id burned before it came.
    pub fn is_abandoned(&self) -> bool {
        self.outcome == Outcome::Burned || self.undone
    }

    /// What a book has of it, which has its entries already.
    pub fn recorded(&self, book: &Book) -> Result<Recorded, StoreError> {
        let state = match self.outcome {
            Outcome::Burned => RecordedState::Burned,
            Outcome::Rejected => {
                let rejection = borsh::from_slice(&self.reply);
                RecordedState::Rejected(rejection.map_err(|error| StoreError::damaged("a rejection", error))?)
            }
            Outcome::Accepted => {
                let entries = self.entries();
                let gone = |id| StoreError::permanent(format!("entry {id} of a recorded answer is gone"));
                let first = entries.first().map(|id| book.entries.get(id).ok_or_else(|| gone(id))).transpose()?;
                let reply = Reply::read(&self.reply, first.and_then(|entry| entry.member));
                let reply = reply.map_err(|error| StoreError::damaged("a recorded answer", error))?;
                let accepted = Accepted { entries, reply };
                if self.undone { RecordedState::Undone(accepted) } else { RecordedState::Accepted(accepted) }
            }
        };
        Ok(Recorded { content: self.content, state })
    }
}

/// What is recorded under keys; unknown ones are left out.
pub(super) async fn requests(
    link: &mut Link<'_>,
    keys: impl Iterator<Item = (PartnerId, RequestId)>,
) -> Result<Vec<RequestRow>, StoreError> {
    let keys = request_keys(link, keys);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&REQUESTS_BY_KEY).rows(keys);
    link.rows(call, request).await
}

fn request_keys(link: &Link<'_>, keys: impl Iterator<Item = (PartnerId, RequestId)>) -> RowSet {
    let mut rows = link.row_set(KEY);
    for (partner, request) in keys {
        rows.text(REQUESTS.partner, partner.as_str()).uuid(REQUESTS.request_id, request.0);
    }
    rows
}

fn key(row: &Row<'_>) -> Result<(PartnerId, RequestId), StoreError> {
    Ok((row.partner(REQUESTS.partner)?, RequestId(row.uuid(REQUESTS.request_id)?)))
}

// Most batches know no key and no line yet, and would wait for PostgreSQL twice to hear so.
static KNOWN: Sql = Sql::postgres(
    "store.known",
    "SELECT {requests r}, {nulls receipts} FROM {rows k} CROSS JOIN requests AS r WHERE {match k r}
    UNION ALL
    SELECT {nulls requests}, {receipts r} FROM {rows p} CROSS JOIN receipts AS r WHERE {match p r}",
)
.takes(&[rows("k", KEY), rows("p", receipts::KEY)])
.gives(&[
    REQUESTS.partner,
    REQUESTS.request_id,
    REQUESTS.content_hash,
    REQUESTS.batch_id,
    REQUESTS.ordinal,
    REQUESTS.entry_count,
    REQUESTS.state,
    REQUESTS.reply,
    RECEIPTS.receipt_key,
    RECEIPTS.line,
    RECEIPTS.side,
    RECEIPTS.nth,
    RECEIPTS.batch_id,
    RECEIPTS.ordinal,
    RECEIPTS.undone,
]);

/// A row of [`KNOWN`].
enum Known {
    Request(RequestRow),
    Line(BookedLine),
}

/// What is recorded under keys, and all that was booked under the keys of receipts; unknown ones are left out.
pub(super) async fn known(
    link: &mut Link<'_>,
    keys: impl Iterator<Item = (PartnerId, RequestId)>,
    printed: &BTreeSet<Receipt>,
) -> Result<(Vec<RequestRow>, Vec<BookedLine>), StoreError> {
    if printed.is_empty() || link.backend() == Backend::Sqlite {
        return Ok((requests(link, keys).await?, receipts::receipts(link, printed).await?));
    }
    let (asked, printed) = (request_keys(link, keys), receipt_keys(link, printed));
    let call = link.call(&KNOWN).rows(asked).rows(printed);
    let found = link.rows(call, |row| match row.uuid_or_null(REQUESTS.request_id)? {
        Some(_) => request(row).map(Known::Request),
        None => booked_line(row).map(Known::Line),
    });
    let (mut requests, mut lines) = (Vec::new(), Vec::new());
    for known in found.await? {
        match known {
            Known::Request(row) => requests.push(row),
            Known::Line(line) => lines.push(line),
        }
    }
    Ok((requests, lines))
}

fn request(row: &Row<'_>) -> Result<RequestRow, StoreError> {
    let (state, count) = (row.int(REQUESTS.state)?, row.small(REQUESTS.entry_count)?);
    let outcome = match state {
        ACCEPTED => Outcome::Accepted,
        REJECTED => Outcome::Rejected,
        ABANDONED if count == 0 => Outcome::Burned,
        ABANDONED => Outcome::Accepted,
        state => return Err(StoreError::permanent(format!("a request has the unknown state {state}"))),
    };
    Ok(RequestRow {
        key: key(row)?,
        batch: row.batch(REQUESTS.batch_id)?,
        content: row.uuid(REQUESTS.content_hash)?.to_be_bytes(),
        outcome,
        first: row.small_or_null(REQUESTS.ordinal)?,
        count,
        undone: state == ABANDONED && outcome == Outcome::Accepted,
        reply: row.bytes(REQUESTS.reply)?.to_vec(),
    })
}

/// The stored number of a state.
///
/// # Errors
/// If the entries of an answer do not follow each other, which only a mistake in the rules makes.
fn stored_state(state: &RecordedState) -> Result<i64, StoreError> {
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

/// What a batch leaves of requests.
pub(super) struct Changed {
    /// Those that it has recorded.
    pub rows: RowSet,
    /// Those that were recorded before, and are undone.
    pub abandoned: Vec<(PartnerId, RequestId)>,
}

/// What the chain and the rows say of the requests that a batch has recorded, in the order of their keys.
pub(super) fn records(book: &Book, changes: &Changes) -> Result<Vec<RequestRecord>, StoreError> {
    let new = changes.requests.iter().filter(|(_, change)| !change.known);
    new.map(|(key, _)| of_book(book.request_record(*key).as_ref()).cloned()).collect()
}

/// The requests that a batch has recorded or undone.
pub(super) fn changed(
    link: &Link<'_>,
    book: &Book,
    changes: &Changes,
    batch: BatchId,
    records: &[RequestRecord],
) -> Result<Changed, StoreError> {
    let (mut rows, mut abandoned, mut records) = (link.row_set(REQUESTS.all), Vec::new(), records.iter());
    for (key, change) in &changes.requests {
        let recorded = of_book(book.requests.get(key))?;
        if change.known {
            if !matches!(recorded.state, RecordedState::Undone(_)) {
                return Err(StoreError::permanent("a recorded answer can only be replaced by its abandoning"));
            }
            abandoned.push(*key);
            continue;
        }
        let record = records.next().expect("there is a record of every new request");
        rows.text(REQUESTS.partner, key.0.as_str()).uuid(REQUESTS.request_id, key.1.0);
        rows.uuid(REQUESTS.content_hash, u128::from_be_bytes(record.content)).uuid(REQUESTS.batch_id, batch.0);
        rows.int_or_null(REQUESTS.ordinal, record.first.map(i64::from));
        rows.int(REQUESTS.entry_count, i64::from(record.count)).int(REQUESTS.state, stored_state(&recorded.state)?);
        rows.bytes(REQUESTS.reply, &record.reply);
    }
    Ok(Changed { rows, abandoned })
}

/// Keeps what became of the request at first: the chain has it.
static ABANDON_REQUEST: Sql =
    Sql::both("store.abandon_request", "UPDATE requests SET state = $3 WHERE partner = $1 AND request_id = $2");

/// Notes that requests were undone.
pub(super) async fn abandon(link: &mut Link<'_>, keys: &[(PartnerId, RequestId)]) -> Result<(), StoreError> {
    for (partner, request) in keys {
        let call = link.call(&ABANDON_REQUEST).text(partner.as_str()).uuid(request.0).int(ABANDONED);
        link.execute_counted(call, 1).await?;
    }
    Ok(())
}

// Trying to write the same key is what waits for a transaction that holds it and has not ended. The claim is rolled back.
static CLAIM_REQUEST: Sql =
    Sql::both("store.claim_request", "{insert k} ON CONFLICT DO NOTHING").takes(&[rows("k", CLAIM)]);

const CLAIM: &[Column] = &[
    REQUESTS.partner,
    REQUESTS.request_id,
    REQUESTS.content_hash,
    REQUESTS.batch_id,
    REQUESTS.entry_count,
    REQUESTS.state,
    REQUESTS.reply,
];

/// Whether a batch has recorded a request, once whoever wrote the key has committed or gone.
pub(super) async fn was_recorded(
    link: &mut Link<'_>,
    batch: BatchId,
    (partner, request): (PartnerId, RequestId),
) -> Result<bool, StoreError> {
    let mut claim = link.row_set(CLAIM);
    claim.text(REQUESTS.partner, partner.as_str()).uuid(REQUESTS.request_id, request.0);
    claim.uuid(REQUESTS.content_hash, 0).uuid(REQUESTS.batch_id, batch.0).int(REQUESTS.entry_count, 0);
    claim.int(REQUESTS.state, ABANDONED).bytes(REQUESTS.reply, &[]);
    let call = link.call(&CLAIM_REQUEST).rows(claim);
    if link.execute(call).await? == 1 {
        return Ok(false);
    }
    let rows = requests(link, [(partner, request)].into_iter()).await?;
    Ok(rows.iter().any(|row| row.batch == batch))
}

/// A request as it is stored.
#[derive(Debug)]
pub struct StoredRequest {
    pub record: RequestRecord,
    /// Which recorded it.
    pub batch: BatchId,
    /// Whether it was undone since.
    pub undone: bool,
}

static REQUESTS_AFTER: Sql = Sql::both(
    "store.requests_after",
    "SELECT {requests} FROM requests
    WHERE (partner, request_id) > ($1, $2) ORDER BY partner, request_id LIMIT $3",
)
.gives(REQUESTS.all);

fn stored_request(row: &Row<'_>) -> Result<StoredRequest, StoreError> {
    let RequestRow { key: (partner, request), batch, content, outcome, first, count, undone, reply } = request(row)?;
    let record = RequestRecord { partner, request, content, outcome, first, count, reply };
    Ok(StoredRequest { record, batch, undone })
}

impl Snapshot {
    /// At most `limit` requests by partner and id, from behind `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn requests_after(
        &mut self,
        after: Option<(PartnerId, RequestId)>,
        limit: u32,
    ) -> Result<Vec<StoredRequest>, StoreError> {
        let mut link = self.link();
        let (partner, request) =
            after.map_or((String::new(), 0), |(partner, request)| (partner.as_str().to_owned(), request.0));
        let call = link.call(&REQUESTS_AFTER).text(partner).uuid(request).int(i64::from(limit));
        link.rows(call, stored_request).await
    }

    /// Which batches recorded these requests; unknown ones are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches_of_requests(
        &mut self,
        keys: impl Iterator<Item = (PartnerId, RequestId)>,
    ) -> Result<Vec<((PartnerId, RequestId), BatchId)>, StoreError> {
        let mut link = self.link();
        let keys = request_keys(&link, keys);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let call = link.call(&REQUESTS_BY_KEY).rows(keys);
        link.rows(call, |row| Ok((key(row)?, row.batch(REQUESTS.batch_id)?))).await
    }
}

// One range of the key for each partner. What was undone is kept: its entries stand in the journal, and whoever reads them
// must know that they no longer count.
static FORGETTABLE: Sql = Sql::both(
    "store.forgettable",
    "SELECT {requests r} FROM partners AS p CROSS JOIN requests AS r CROSS JOIN batches AS b
    WHERE r.partner = p.partner AND r.request_id >= {from} AND r.request_id < {end}
    AND (r.state <> 3 OR r.entry_count = 0) AND b.batch_id = r.batch_id AND b.time < {before} LIMIT {limit}",
)
.takes(&[one("from"), one("end"), one("before"), one("limit")])
.gives(KEY);

static FORGET: Sql = Sql::both("store.forget", "{delete k}").takes(&[rows("k", KEY)]);

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
            let found = link.rows(call, key).await?;
            drop(reader);
            if found.is_empty() {
                return Ok(Some(next));
            }
            let writer = match &mut session {
                Some(writer) => writer,
                None => session.insert(self.session().await?),
            };
            writer.pass(Gate::Shared).await?;
            let mut link = writer.link();
            let keys = request_keys(&link, found.iter().copied());
            let call = link.call(&FORGET).rows(keys);
            link.execute(call).await?;
            writer.commit().await?;
            if found.len() < FORGOTTEN_AT_ONCE as usize {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }
}
