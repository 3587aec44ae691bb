//! The last statement of a batch: the sums that all batches share, the batch itself, and where the journal ends now. It begins
//! with the lock on the journal's head, which is therefore held for one statement and the commit only, and orders the batches
//! of all nodes.

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::facts::chain::{BatchHeader, RequestRecord, chain_hash, requests_hash};
use clearing_core::operation::Gate;
use clearing_core::units::Hash;

use super::balances::POINTS;
use super::cells::Row;
use super::journal::{JournalHead, no_coalition};
use super::save::of_book;
use super::sql::{Link, Sql, check_count, one, rows};
use super::tables::{BALANCES, BATCHES, Column, GROSS, Kind, TERMS_OUTSTANDING};
use super::watched::{Watched, is_far, note_far};
use super::{Backend, StoreError, balances, consents, funding, gross, limits, partner_id, small, terms};

pub(super) static STATEMENTS: &[&Sql] = &[&SAVE_HEAD];

/// What saving a batch gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The sequence of the batch's first entry; that of any other is this plus its ordinal. Where the journal ends if
    /// the batch wrote no entry, as far as that is known without a lock.
    pub first_sequence: i64,
}

/// How many sums were moved.
const MOVED: Column = Column::made("moved", Kind::Int);
/// The sums that have become larger than `SUM_WATCHED`, packed into one text: mostly there is none.
const FAR: Column = Column::made("far", Kind::Text);

// On PostgreSQL the chain's next hash is made here as `chain_hash` does. On SQLite the writer has the file for itself and has
// made it already.
static SAVE_HEAD: Sql = Sql::new(
    "store.save_head",
    "INSERT OR FAIL INTO balances ({names b}) {select b}
    ON CONFLICT ({key b}) DO UPDATE SET amount = amount + excluded.amount;
    UPDATE OR FAIL terms_outstanding SET points = terms_outstanding.points + o.points
    FROM {rows o} WHERE {match o terms_outstanding};
    INSERT OR FAIL INTO gross ({names g}) {select g}
    ON CONFLICT ({key g}) DO UPDATE SET points = points + excluded.points, amount = amount + excluded.amount;
    UPDATE OR FAIL guards SET issued_day = i.issued_day,
        issued_points = i.issued_points + iif(guards.issued_day = i.issued_day, guards.issued_points, 0)
    FROM {rows i} WHERE {match i guards};
    UPDATE OR FAIL journal_head SET next_sequence = next_sequence + {entries}, next_number = next_number + 1, hash = {hash}
    WHERE id = 1 AND next_sequence = {first} AND hash = {previous} AND next_number = {number};
    INSERT OR FAIL INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    VALUES ({batch}, {number}, {first}, {entries}, {requests}, {window}, {time}, {hash}, {previous}, {requests_hash}, {salt})
    RETURNING (SELECT group_concat(far, ';') FROM (
        SELECT concat_ws(',', 'b', t.commodity, t.account, t.amount) AS far FROM {rows b}
        CROSS JOIN balances AS t WHERE {match b t}
        AND t.amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976
        UNION ALL
        SELECT concat_ws(',', 'o', t.partner, t.version, t.points) FROM {rows o}
        CROSS JOIN terms_outstanding AS t WHERE {match o t} AND t.points > 1152921504606846976
        UNION ALL
        SELECT concat_ws(',', 'g', t.window_number, t.issuer, t.acceptor, t.points, t.amount) FROM {rows g}
        CROSS JOIN gross AS t WHERE {match g t} AND (t.points NOT BETWEEN -1152921504606846976 AND 1152921504606846976
            OR t.amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976)
        UNION ALL
        SELECT concat_ws(',', 'i', t.partner, t.issued_points) FROM {rows i}
        CROSS JOIN guards AS t WHERE {match i t} AND t.issued_points > 1152921504606846976
    ))",
    "WITH head AS MATERIALIZED (
        SELECT next_sequence, next_number, hash FROM journal_head WHERE id = 1 FOR UPDATE
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
    ), issued AS (
        UPDATE guards AS t SET issued_day = i.issued_day,
            issued_points = i.issued_points + CASE WHEN t.issued_day = i.issued_day THEN t.issued_points ELSE 0 END
        FROM head CROSS JOIN {rows i} WHERE {match i t} RETURNING t.partner, t.issued_points
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
        + (SELECT count(*) FROM obliged) + (SELECT count(*) FROM issued) AS moved, (
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
                SELECT concat_ws(',', 'i', partner, issued_points) FROM issued WHERE issued_points > 1152921504606846976
            ) AS f
        ) AS far",
)
.takes(&[
    rows("b", BALANCES.all),
    rows("o", TERMS_OUTSTANDING.all),
    rows("g", GROSS.all),
    rows("i", limits::ISSUED),
    one("batch"),
    one("entries"),
    one("window"),
    one("time"),
    one("salt"),
    one("contents"),
    one("requests"),
    one("requests_hash"),
    // On SQLite alone.
    one("first"),
    one("previous"),
    one("hash"),
    one("number"),
])
.gives(&[BATCHES.first_sequence, MOVED, FAR]);

/// Moves the sums that all batches share, advances the head of the journal and writes the batch. `head` is where the
/// journal ends, if this transaction is sure of it; on PostgreSQL other nodes move it until this statement locks it.
/// `hashed` is what the chain says of the batch. Gives the first sequence of the batch.
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
) -> Result<i64, StoreError> {
    let (balances, outstanding) = (balances::moved(link, book, changes), terms::moved(link, changes));
    let (gross, issued) = (gross::moved(link, changes), limits::issued(link, changes));
    let mut far = limits::save_moved(link, changes).await?;
    far.extend(consents::save_used(link, changes).await?);
    far.extend(funding::save_moved(link, changes).await?);
    far.retain(|(_, now)| is_far(*now));
    let expected = balances.len() + outstanding.len() + gross.len() + issued.len();
    let count = i64::try_from(changes.entries.len()).expect("entries of a batch are few");
    let call = link.call(&SAVE_HEAD).rows(balances).rows(outstanding).rows(gross).rows(issued);
    let call = call.uuid(header.batch.0).int(count).int(i64::from(header.window)).int(header.time.0);
    // Without entries there is nothing to be salted.
    let salt = if changes.entries.is_empty() { [0; 16] } else { header.salt };
    let call = call.bytes(salt.to_vec()).bytes(hashed.contents.to_vec());
    let call = call.int(hashed.request_count).bytes(hashed.requests.to_vec());
    let (first, packed) = match link.backend() {
        Backend::Sqlite => {
            let first = head.next_sequence;
            let hash = chain_hash(&head.hash, head.next_number, first, &hashed.contents);
            let call = call.int(first).bytes(head.hash.to_vec()).bytes(hash.to_vec()).int(head.next_number);
            let (changed, packed) = link.execute_telling(call).await?;
            check_count(SAVE_HEAD.name(), changed, expected + 2)?;
            (first, packed)
        }
        Backend::Postgres => {
            let saved = |row: &Row<'_>| {
                let far = row.text_or_null(FAR)?.map(str::to_owned);
                Ok((row.int(BATCHES.first_sequence)?, row.int(MOVED)?, far))
            };
            let (first, moved, packed) = link.row(call, saved).await?.ok_or_else(no_coalition)?;
            check_count(SAVE_HEAD.name(), small(moved)?, expected)?;
            (first, packed)
        }
    };
    far.extend(packed.as_deref().map(unpack_far).transpose()?.unwrap_or_default());
    note_far(watched, (book, changes), &far, gate)?;
    Ok(first)
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
            ["i", partner, now] => far.push((Sum::Issued(partner_id(partner)?), number(now)?)),
            _ => return Err(unreadable()),
        }
    }
    far.retain(|(_, now)| is_far(*now));
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
