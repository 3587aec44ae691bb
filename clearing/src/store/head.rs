//! The last of a batch: the sums that all batches share, the batch itself, and where the journal ends now. On PostgreSQL it
//! is one statement, which begins with the lock on the journal's head: that is therefore held for one statement and the
//! commit only, and orders the batches of all nodes.

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::facts::chain::{BatchHeader, RequestRecord, chain_hash, requests_hash};
use clearing_core::facts::limits::Guard;
use clearing_core::operation::Gate;
use clearing_core::units::Hash;

use super::balances::POINTS;
use super::cells::Row;
use super::journal::JournalHead;
use super::rows::RowSet;
use super::save::{Unsaved, of_book, write_rows, written_rows};
use super::sql::{Call, Link, Sql, Takes, check_count, one, rows};
use super::tables::{
    BALANCES, BATCHES, Column, ENTRIES, GROSS, GUARDS, IDENTIFIERS, Kind, MEMBERS, RECEIPTS, REQUESTS,
    TERMS_OUTSTANDING,
};
use super::watched::{Watched, is_far, note_far};
use super::{Backend, StoreError, balances, consents, funding, gross, limits, partner_id, small, terms};

pub(super) static STATEMENTS: &[&Sql] = &[
    &MOVE_BALANCES,
    &MOVE_OUTSTANDING,
    &MOVE_GROSS,
    &MOVE_COUNTED,
    &MOVE_HEAD,
    &INSERT_BATCH,
    &SAVE_HEAD,
    &SAVE_BATCH,
];

/// What saving a batch gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The sequence of the batch's first entry; that of any other is this plus its ordinal. Where the journal ends if
    /// the batch wrote no entry, as far as that is known without a lock.
    pub first_sequence: i64,
}

static MOVE_BALANCES: Sql = Sql::sqlite(
    "store.move_balances",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET amount = amount + excluded.amount RETURNING {balances}",
)
.takes(&[rows("k", BALANCES.all)])
.gives(BALANCES.all);

static MOVE_OUTSTANDING: Sql = Sql::sqlite(
    "store.move_outstanding",
    "UPDATE terms_outstanding SET points = terms_outstanding.points + k.points
    FROM {rows k} WHERE {match k terms_outstanding} RETURNING {terms_outstanding}",
)
.takes(&[rows("k", TERMS_OUTSTANDING.all)])
.gives(TERMS_OUTSTANDING.all);

static MOVE_GROSS: Sql = Sql::sqlite(
    "store.move_gross",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET points = points + excluded.points, amount = amount + excluded.amount
    RETURNING {gross}",
)
.takes(&[rows("k", GROSS.all)])
.gives(GROSS.all);

static MOVE_COUNTED: Sql = Sql::sqlite(
    "store.move_counted",
    "UPDATE guards SET counted_day = k.counted_day,
        issued_points = k.issued_points + iif(guards.counted_day = k.counted_day, guards.issued_points, 0),
        accepted_points = k.accepted_points + iif(guards.counted_day = k.counted_day, guards.accepted_points, 0)
    FROM {rows k} WHERE {match k guards} RETURNING {guards}",
)
.takes(&[rows("k", limits::COUNTED)])
.gives(limits::COUNTED);

static INSERT_BATCH: Sql = Sql::sqlite("store.insert_batch", "{insert k}").takes(&[rows("k", BATCHES.all)]);

// Without having moved in the meantime: the writer has the file for itself.
static MOVE_HEAD: Sql = Sql::sqlite(
    "store.move_head",
    "UPDATE journal_head SET next_sequence = next_sequence + {entries}, next_number = next_number + 1, hash = {hash}
    WHERE id = 1 AND next_sequence = {first} AND hash = {previous} AND next_number = {number}",
)
.takes(&[one("entries"), one("hash"), one("first"), one("previous"), one("number")]);

/// How many sums were moved.
const MOVED: Column = Column::made("moved", Kind::Int);
/// The sums that have become larger than `SUM_WATCHED`, packed into one text: mostly there is none.
const FAR: Column = Column::made("far", Kind::Text);

// All of the above in one statement, as each would be a round trip while other nodes wait. The chain's next hash is made here
// as `chain_hash` does. What is to be done before stands before it: the head is locked when that holds.
macro_rules! save_head {
    ($before:expr, $holds:expr) => {
        concat!(
            "WITH ",
            $before,
            "head AS MATERIALIZED (
        SELECT next_sequence, next_number, hash FROM journal_head WHERE id = 1",
            $holds,
            " FOR UPDATE
    ), moved AS (
        INSERT INTO balances ({names b}) SELECT {cells b} FROM head CROSS JOIN {rows b}
        ON CONFLICT ({key b}) DO UPDATE SET amount = balances.amount + excluded.amount
        RETURNING balances.commodity, balances.account, balances.amount
    ), owed AS (
        UPDATE terms_outstanding AS t SET points = t.points + o.points
        FROM head CROSS JOIN {rows o} WHERE {match o t} RETURNING t.partner, t.version, t.points
    ), obliged AS (
        INSERT INTO gross ({names g}) SELECT {cells g} FROM head CROSS JOIN {rows g}
        ON CONFLICT ({key g}) DO UPDATE SET points = gross.points + excluded.points,
            amount = gross.amount + excluded.amount
        RETURNING gross.window_number, gross.issuer, gross.acceptor, gross.points, gross.amount
    ), counted AS (
        UPDATE guards AS t SET counted_day = d.counted_day,
            issued_points = d.issued_points + CASE WHEN t.counted_day = d.counted_day THEN t.issued_points ELSE 0 END,
            accepted_points = d.accepted_points
                + CASE WHEN t.counted_day = d.counted_day THEN t.accepted_points ELSE 0 END
        FROM head CROSS JOIN {rows d} WHERE {match d t} RETURNING t.partner, t.issued_points, t.accepted_points
    ), linked AS (
        UPDATE journal_head AS j SET next_sequence = head.next_sequence + {entries}, next_number = head.next_number + 1,
            hash = sha256(
                '\\x04'::bytea || head.hash || int8send(head.next_number) || int8send(head.next_sequence) || {contents}
            )
        FROM head WHERE j.id = 1
        RETURNING head.next_sequence AS first_sequence, head.next_number AS number, head.hash AS previous_hash,
            j.hash AS hash
    )
    INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    SELECT {batch}, number, first_sequence, {entries}, {requests}, {window}, {time}, hash, previous_hash, {requests_hash},
        {salt}
    FROM linked
    RETURNING first_sequence, (SELECT count(*) FROM moved) + (SELECT count(*) FROM owed)
        + (SELECT count(*) FROM obliged) + (SELECT count(*) FROM counted) AS moved, (
            SELECT string_agg(far, ';') FROM (
                SELECT concat_ws(',', 'b', commodity, account, amount) AS far FROM moved
                WHERE amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976
                UNION ALL
                SELECT concat_ws(',', 'o', partner, version, points) FROM owed WHERE points > 1152921504606846976
                UNION ALL
                SELECT concat_ws(',', 'g', window_number, issuer, acceptor, points, amount) FROM obliged
                WHERE points NOT BETWEEN -1152921504606846976 AND 1152921504606846976
                OR amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976
                UNION ALL
                SELECT concat_ws(',', 'c', partner, issued_points, accepted_points) FROM counted
                WHERE issued_points > 1152921504606846976 OR accepted_points > 1152921504606846976
            ) AS f
        ) AS far"
        )
    };
}

static SAVE_HEAD: Sql = Sql::postgres("store.save_head", save_head!("", "")).takes(BATCH.split_at(6).1).gives(SAVED);

// The rows of a small batch as well. The head waits for the count of them, so no lock is waited for behind its own.
static SAVE_BATCH: Sql = Sql::postgres(
    "store.save_batch",
    save_head!(concat!(write_rows!(), ", "), concat!(" AND ", written_rows!(), " = {rows}::bigint")),
)
.takes(BATCH)
.gives(SAVED);

/// What [`SAVE_BATCH`] takes: the sets of rows, their number, and what [`SAVE_HEAD`] takes.
pub(super) const BATCH: &[Takes] = &[
    rows("e", ENTRIES.all),
    rows("q", REQUESTS.all),
    rows("i", IDENTIFIERS.all),
    rows("m", MEMBERS.all),
    rows("t", RECEIPTS.all),
    one("rows"),
    rows("b", BALANCES.all),
    rows("o", TERMS_OUTSTANDING.all),
    rows("g", GROSS.all),
    rows("d", limits::COUNTED),
    one("batch"),
    one("entries"),
    one("window"),
    one("time"),
    one("salt"),
    one("contents"),
    one("requests"),
    one("requests_hash"),
];

const SAVED: &[Column] = &[BATCHES.first_sequence, MOVED, FAR];

/// A batch of more entries and requests writes its rows while it is hashed.
const TOGETHER_MAX: usize = 16;

/// Whether a batch is saved in one statement: it is small, and moves no shared sum before its rows are written.
pub(super) fn saves_together(changes: &Changes) -> bool {
    let size = changes.entries.len() + changes.requests.len();
    let moves = |guard: &Guard| !guard.reserved.is_zero() || !guard.unsettled.is_zero();
    (1..=TOGETHER_MAX).contains(&size)
        && changes.consents.is_empty()
        && changes.funding.is_empty()
        && !changes.guards.values().any(moves)
}

/// Moves the sums that all batches share, advances the head of the journal and writes the batch. `head` is where the
/// journal ends, if this transaction is sure of it; on PostgreSQL other nodes move it until this statement locks it.
/// `hashed` is what the chain says of the batch; `unsaved` are rows to be written before. Gives the first sequence of the batch.
///
/// # Errors
/// Transient if a batch on points has brought a sum out of its bounds that it did not know.
pub(super) async fn save_head(
    link: &mut Link<'_>,
    (book, changes): (&Book, &Changes),
    header: &BatchHeader,
    head: &JournalHead,
    hashed: &Hashed,
    (watched, gate): (&Watched, Gate),
    unsaved: Option<Unsaved>,
) -> Result<i64, StoreError> {
    let (balances, outstanding) = (balances::moved(link, book, changes), terms::moved(link, changes));
    let (gross, counted) = (gross::moved(link, changes), limits::counted(link, changes));
    let mut far = limits::save_moved(link, changes).await?;
    far.extend(consents::save_used(link, changes).await?);
    far.extend(funding::save_moved(link, changes).await?);
    let count = i64::try_from(changes.entries.len()).expect("entries of a batch are few");
    // Without entries there is nothing to be salted.
    let salt = if changes.entries.is_empty() { [0; 16] } else { header.salt };
    let first = match link.backend() {
        Backend::Sqlite => {
            far.extend(link.write_telling(&MOVE_BALANCES, balances, balance_became).await?.into_iter().flatten());
            far.extend(link.write_telling(&MOVE_OUTSTANDING, outstanding, outstanding_became).await?);
            far.extend(link.write_telling(&MOVE_GROSS, gross, gross_became).await?.into_iter().flatten());
            far.extend(link.write_telling(&MOVE_COUNTED, counted, counted_became).await?.into_iter().flatten());
            let JournalHead { next_sequence: first, next_number: number, hash: previous } = *head;
            let hash = chain_hash(&previous, number, first, &hashed.contents);
            let call = link.call(&MOVE_HEAD).int(count).bytes(hash.to_vec()).int(first).bytes(previous.to_vec());
            link.execute_counted(call.int(number), 1).await?;
            let mut batch = link.row_set(BATCHES.all);
            batch.uuid(BATCHES.batch_id, header.batch.0).int(BATCHES.number, number).int(BATCHES.first_sequence, first);
            batch.int(BATCHES.entry_count, count).int(BATCHES.request_count, hashed.request_count);
            batch.int(BATCHES.window_number, i64::from(header.window)).int(BATCHES.time, header.time.0);
            batch.bytes(BATCHES.hash, &hash).bytes(BATCHES.previous_hash, &previous);
            batch.bytes(BATCHES.requests_hash, &hashed.requests).bytes(BATCHES.salt, &salt);
            link.write(&INSERT_BATCH, batch).await?;
            first
        }
        Backend::Postgres => {
            let expected = balances.len() + outstanding.len() + gross.len() + counted.len();
            let (sql, call) = match unsaved {
                None => (&SAVE_HEAD, link.call(&SAVE_HEAD)),
                Some(sets) => {
                    let count = sets.iter().map(RowSet::len).sum::<usize>();
                    let call = sets.into_iter().fold(link.call(&SAVE_BATCH), Call::rows);
                    (&SAVE_BATCH, call.int(i64::try_from(count).expect("rows of a batch are few")))
                }
            };
            let call = call.rows(balances).rows(outstanding).rows(gross).rows(counted);
            let call = call.uuid(header.batch.0).int(count).int(i64::from(header.window)).int(header.time.0);
            let call = call.bytes(salt.to_vec()).bytes(hashed.contents.to_vec());
            let call = call.int(hashed.request_count).bytes(hashed.requests.to_vec());
            let saved = |row: &Row<'_>| {
                let far = row.text_or_null(FAR)?.map(str::to_owned);
                Ok((row.int(BATCHES.first_sequence)?, row.int(MOVED)?, far))
            };
            let none = || StoreError::permanent(format!("{} did not write what it was to write", sql.name()));
            let (first, moved, packed) = link.row(call, saved).await?.ok_or_else(none)?;
            check_count(sql.name(), small(moved)?, expected)?;
            far.extend(packed.as_deref().map(unpack_far).transpose()?.unwrap_or_default());
            first
        }
    };
    far.retain(|(_, now)| is_far(*now));
    note_far(watched, (book, changes), &far, gate)?;
    Ok(first)
}

/// What the balance of an account became, if it is far from zero. Mostly none is, and no name is to be read.
fn balance_became(row: &Row<'_>) -> Result<Option<(Sum, i64)>, StoreError> {
    let now = row.int(BALANCES.amount)?;
    if !is_far(now) {
        return Ok(None);
    }
    let (account, damaged) = (row.text(BALANCES.account)?, |error| StoreError::damaged("an account's name", error));
    let sum = if row.text(BALANCES.commodity)? == POINTS {
        Sum::Points(account.parse().map_err(damaged)?)
    } else {
        Sum::Money(account.parse().map_err(damaged)?)
    };
    Ok(Some((sum, now)))
}

fn outstanding_became(row: &Row<'_>) -> Result<(Sum, i64), StoreError> {
    let (partner, terms) = (row.partner(TERMS_OUTSTANDING.partner)?, row.small(TERMS_OUTSTANDING.version)?);
    Ok((Sum::Outstanding(partner, terms), row.int(TERMS_OUTSTANDING.points)?))
}

fn gross_became(row: &Row<'_>) -> Result<[(Sum, i64); 2], StoreError> {
    let window = row.small(GROSS.window_number)?;
    let (issuer, acceptor) = (row.partner(GROSS.issuer)?, row.partner(GROSS.acceptor)?);
    let (points, amount) = (row.int(GROSS.points)?, row.int(GROSS.amount)?);
    Ok([(Sum::GrossPoints(window, issuer, acceptor), points), (Sum::GrossMoney(window, issuer, acceptor), amount)])
}

fn counted_became(row: &Row<'_>) -> Result<[(Sum, i64); 2], StoreError> {
    let partner = row.partner(GUARDS.partner)?;
    let (issued, accepted) = (row.int(GUARDS.issued_points)?, row.int(GUARDS.accepted_points)?);
    Ok([(Sum::Issued(partner), issued), (Sum::Accepted(partner), accepted)])
}

/// Reads what [`SAVE_HEAD`] packs.
fn unpack_far(packed: &str) -> Result<Vec<(Sum, i64)>, StoreError> {
    let unreadable = || StoreError::permanent(format!("{packed:?} tells of no sums"));
    let number = |text: &str| text.parse::<i64>().map_err(|_| unreadable());
    let mut far = Vec::new();
    for row in packed.split(';') {
        let cells: Vec<&str> = row.split(',').collect();
        match cells.as_slice() {
            ["b", POINTS, account, now] => {
                far.push((Sum::Points(account.parse().map_err(|_| unreadable())?), number(now)?));
            }
            ["b", _, account, now] => {
                far.push((Sum::Money(account.parse().map_err(|_| unreadable())?), number(now)?));
            }
            ["o", partner, terms, now] => {
                far.push((Sum::Outstanding(partner_id(partner)?, small(number(terms)?)?), number(now)?));
            }
            ["g", window, issuer, acceptor, points, amount] => {
                let (window, issuer, acceptor) = (small(number(window)?)?, partner_id(issuer)?, partner_id(acceptor)?);
                far.push((Sum::GrossPoints(window, issuer, acceptor), number(points)?));
                far.push((Sum::GrossMoney(window, issuer, acceptor), number(amount)?));
            }
            ["c", partner, issued, accepted] => {
                let partner = partner_id(partner)?;
                far.push((Sum::Issued(partner), number(issued)?));
                far.push((Sum::Accepted(partner), number(accepted)?));
            }
            _ => return Err(unreadable()),
        }
    }
    Ok(far)
}

/// What the chain says of a batch.
#[derive(Debug)]
pub(super) struct Hashed {
    /// Over everything in it.
    contents: Hash,
    /// Over the requests that it recorded.
    requests: Hash,
    request_count: i64,
}

/// Hashes everything in the batch.
pub(super) fn hash_batch(
    book: &Book,
    changes: &Changes,
    header: &BatchHeader,
    records: &[RequestRecord],
) -> Result<Hashed, StoreError> {
    let recorded: Vec<Hash> = records.iter().map(RequestRecord::hash).collect();
    let request_count = i64::try_from(recorded.len()).expect("requests of a batch are few");
    let requests = requests_hash(recorded);
    let mut entries = Vec::with_capacity(changes.entries.len());
    for id in &changes.entries {
        entries.push((id.ordinal, &**of_book(book.entries.get(id))?));
    }
    Ok(Hashed { contents: header.contents_hash(&requests, entries.into_iter()), requests, request_count })
}
