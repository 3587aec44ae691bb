//! Writing what a batch has changed.
//!
//! Rows first, sorted by their keys; then, in the last statement before COMMIT, the rows that every batch moves
//! (balances, what is outstanding, gross obligations) behind the lock on the journal's head, which is therefore held
//! for one statement and the commit only, and orders the batches of all nodes.

use std::collections::BTreeMap;

use clearing_core::book::Book;
use clearing_core::changes::Changes;
use clearing_core::command::RecordedState;
use clearing_core::journal::{BatchHeader, Hash, chain_hash};
use clearing_core::member::{Lot, LotId};
use clearing_core::units::{EntryId, MemberId, PartnerId, RequestId, Timestamp};

use super::journal::JournalHead;
use super::requests::{ABANDONED, stored_state};
use super::settlement::POINTS;
use super::sql::{Cells, Kind, Link, Sql, Table};
use super::{StoreError, small};

pub(super) const STATEMENTS: &[&Sql] = &[&SAVE_ROWS, &MOVE_LOTS, &ABANDON_REQUEST, &SAVE_HEAD];

/// What saving a batch gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The sequence of the batch's first entry; that of any other is this plus its ordinal. Where the journal ends if
    /// the batch wrote no entry, as far as that is known without a lock.
    pub first_sequence: i64,
}

const SAVE_ROWS: Sql = Sql::new(
    "-- store.save_rows
    INSERT OR FAIL INTO entries (batch_id, ordinal, bytes)
    SELECT $15, value->>0, substr($2, value->>1, value->>2) FROM jsonb_each($1);
    INSERT OR FAIL INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply)
    SELECT value->>0, substr($4, value->>1, 16), substr($4, value->>2, 32), value->>3, value->>4, $15, value->>5,
        value->>6, substr($4, value->>7, value->>8)
    FROM jsonb_each($3);
    INSERT OR FAIL INTO identifiers (identifier_hash, member_id, linked_at)
    SELECT substr($6, value->>0, 32), substr($6, value->>1, 16), $16 FROM jsonb_each($5);
    INSERT OR FAIL INTO members (member_id, entry_no, first_expires_at, created_at, holdings)
    SELECT substr($8, value->>0, 16), value->>1, value->>2, $16, substr($8, value->>3, value->>4)
    FROM jsonb_each($7) WHERE true
    ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, first_expires_at = excluded.first_expires_at,
        holdings = excluded.holdings;
    INSERT OR FAIL INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held,
        pending, batch_id, ordinal, activates_at, origin_member_id, origin_entry_no, origin_part)
    SELECT substr($10, value->>0, 16), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, 0,
        0, substr($10, value->>8, 16), value->>9, value->>10, substr($10, value->>11, 16), value->>12, value->>13
    FROM jsonb_each($9);
    WITH k (m, e, n, p, a) AS MATERIALIZED (
        SELECT substr($12, value->>0, 16), value->>1, value->>2, value->>3, value->>4 FROM jsonb_each($11)
    ) UPDATE OR FAIL lots SET available = k.a FROM k
    WHERE member_id = k.m AND expires_at = k.e AND entry_no = k.n AND part = k.p;
    INSERT OR FAIL INTO returns (member_id, batch_id, ordinal, points)
    SELECT substr($14, value->>0, 16), substr($14, value->>1, 16), value->>2, value->>3 FROM jsonb_each($13) WHERE true
    ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET points = excluded.points;
    WITH k (m, n, h) AS MATERIALIZED (
        SELECT substr($18, value->>0, 16), value->>1, substr($18, value->>2, value->>3) FROM jsonb_each($17)
    ) UPDATE OR FAIL members SET entry_no = k.n, holdings = k.h FROM k WHERE member_id = k.m",
    "-- store.save_rows
    WITH e AS (
        INSERT INTO entries (batch_id, ordinal, bytes)
        SELECT $47::uuid, ordinal, substring($4::bytea, start, length)
        FROM unnest($1::bigint[], $2::int[], $3::int[]) AS r (ordinal, start, length) RETURNING 1
    ), q AS (
        INSERT INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply)
        SELECT partner, request_id, substring($14::bytea, content, 32), time, state, $47::uuid, ordinal, entry_count,
            substring($14::bytea, start, length)
        FROM unnest($5::text[], $6::uuid[], $7::int[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
            $12::int[], $13::int[])
        AS r (partner, request_id, content, time, state, ordinal, entry_count, start, length) RETURNING 1
    ), i AS (
        INSERT INTO identifiers (identifier_hash, member_id, linked_at)
        SELECT substring($17::bytea, start, 32), member_id, $48::bigint
        FROM unnest($15::int[], $16::uuid[]) AS r (start, member_id) RETURNING 1
    ), m AS (
        INSERT INTO members (member_id, entry_no, first_expires_at, created_at, holdings)
        SELECT member_id, entry_no, first_expires_at, $48::bigint, substring($23::bytea, start, length)
        FROM unnest($18::uuid[], $19::bigint[], $20::bigint[], $21::int[], $22::int[])
        AS r (member_id, entry_no, first_expires_at, start, length)
        ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no,
            first_expires_at = excluded.first_expires_at, holdings = excluded.holdings
        RETURNING 1
    ), n AS (
        INSERT INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending,
            batch_id, ordinal, activates_at, origin_member_id, origin_entry_no, origin_part)
        SELECT member_id, expires_at, entry_no, part, issuer, terms_version, size, available, 0, 0, batch_id, ordinal,
            activates_at, origin_member_id, origin_entry_no, origin_part
        FROM unnest($24::uuid[], $25::bigint[], $26::bigint[], $27::bigint[], $28::text[], $29::bigint[], $30::bigint[],
            $31::bigint[], $32::uuid[], $33::bigint[], $34::bigint[], $35::uuid[], $36::bigint[], $37::bigint[])
        AS r (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, batch_id, ordinal,
            activates_at, origin_member_id, origin_entry_no, origin_part) RETURNING 1
    ), l AS (
        UPDATE lots SET available = r.available
        FROM unnest($38::uuid[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[])
        AS r (member_id, expires_at, entry_no, part, available)
        WHERE lots.member_id = r.member_id AND lots.expires_at = r.expires_at AND lots.entry_no = r.entry_no
        AND lots.part = r.part RETURNING 1
    ), t AS (
        INSERT INTO returns (member_id, batch_id, ordinal, points)
        SELECT * FROM unnest($43::uuid[], $44::uuid[], $45::bigint[], $46::bigint[])
        ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET points = excluded.points RETURNING 1
    )
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM q) + (SELECT count(*) FROM i) + (SELECT count(*) FROM m)
        + (SELECT count(*) FROM n) + (SELECT count(*) FROM l) + (SELECT count(*) FROM t)",
);

/// A lot that lives on changes its place. Rare, so it stays out of the statement that every batch runs.
const MOVE_LOTS: Sql = Sql::new(
    "-- store.move_lots
    WITH k (m, e, n, p, later, a) AS MATERIALIZED (
        SELECT substr($2, value->>0, 16), value->>1, value->>2, value->>3, value->>4, value->>5 FROM jsonb_each($1)
    ) UPDATE OR FAIL lots SET expires_at = k.later, available = k.a FROM k
    WHERE member_id = k.m AND expires_at = k.e AND entry_no = k.n AND part = k.p",
    "-- store.move_lots
    UPDATE lots SET expires_at = r.later, available = r.available
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS r (member_id, expires_at, entry_no, part, later, available)
    WHERE lots.member_id = r.member_id AND lots.expires_at = r.expires_at AND lots.entry_no = r.entry_no
    AND lots.part = r.part",
);

/// Keeps which entries the request had written.
const ABANDON_REQUEST: Sql = Sql::both(
    "-- store.abandon_request
    UPDATE requests SET state = $3, reply = $4 WHERE partner = $1 AND request_id = $2",
);

const ENTRIES: &[Kind] = &[Kind::Int, Kind::Bytes];
const REQUESTS: &[Kind] =
    &[Kind::Text, Kind::Uuid, Kind::Hash, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Bytes];
const IDENTIFIERS: &[Kind] = &[Kind::Hash, Kind::Uuid];
const MEMBERS: &[Kind] = &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Bytes];
const UPDATED_MEMBERS: &[Kind] = &[Kind::Uuid, Kind::Int, Kind::Bytes];
const NEW_LOTS: &[Kind] = &[
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Text,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
];
const CHANGED_LOTS: &[Kind] = &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
const MOVED_LOTS: &[Kind] = &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
const RETURNS: &[Kind] = &[Kind::Uuid, Kind::Uuid, Kind::Int, Kind::Int];

/// Writes entries, requests, identifiers, members, lots and returns. `stored_lots` tells under which expiry the lots
/// were read, `stored_members` with which lower bound of it the members.
pub(super) async fn save_rows(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    header: &BatchHeader,
    stored_lots: &BTreeMap<LotId, Timestamp>,
    stored_members: &BTreeMap<MemberId, Timestamp>,
) -> Result<(), StoreError> {
    let mut entries = link.table(ENTRIES);
    for id in &changes.entries {
        entries.int(i64::from(id.ordinal)).bytes(&of_book(book.entries.get(id))?.to_bytes());
    }
    let mut requests = link.table(REQUESTS);
    let mut abandoned = Vec::new();
    for (key, change) in &changes.requests {
        let recorded = of_book(book.requests.get(key))?;
        if change.known {
            if recorded.state != RecordedState::Abandoned {
                return Err(StoreError::permanent("a recorded answer can only be replaced by its abandoning"));
            }
            abandoned.push(*key);
            continue;
        }
        let (state, ordinal, count, reply) = stored_state(&recorded.state)?;
        requests.text(key.0.as_str()).uuid(key.1.0).bytes(&recorded.content).int(change.time.0);
        requests.int(state).int_or_null(ordinal).int(count).bytes(&reply);
    }
    let mut identifiers = link.table(IDENTIFIERS);
    for (hash, member) in &changes.identifiers {
        identifiers.bytes(&hash.0).uuid(member.0);
    }
    let first_lots = first_lots(book, changes);
    let mut members = link.table(MEMBERS);
    let mut updated_members = link.table(UPDATED_MEMBERS);
    // The lower bound of expiry of nearly all members stays what it was. SQLite would write the index over it anew all the
    // same, so it gets these members apart; PostgreSQL sees by itself that an indexed column has not changed.
    let apart = link.backend() == super::Backend::Sqlite;
    for id in &changes.members {
        let member = of_book(book.members.get(id))?;
        // All lots that expire before `loaded_to` are in the book, so nothing has points before the first of them.
        let first = first_lots.get(id).copied().unwrap_or(Timestamp::NEVER).min(member.loaded_to).max(member.next_due);
        if apart && stored_members.get(id) == Some(&first) {
            updated_members.uuid(id.0).int(member.entry_no).bytes(&member.holdings_to_bytes());
            continue;
        }
        members.uuid(id.0).int(member.entry_no).int(first.0).bytes(&member.holdings_to_bytes());
    }
    let mut new_lots = link.table(NEW_LOTS);
    let mut changed_lots = link.table(CHANGED_LOTS);
    let mut moved_lots = link.table(MOVED_LOTS);
    for id in &changes.lots {
        let lot = of_book(book.lots.get(id))?;
        if changes.new_lots.contains(id) {
            push_new_lot(&mut new_lots, lot);
            continue;
        }
        let stored = of_book(stored_lots.get(id))?;
        let moved = *stored != lot.expires;
        let table = if moved { &mut moved_lots } else { &mut changed_lots };
        table.uuid(id.member.0).int(stored.0).int(id.entry_no).int(i64::from(id.part));
        if moved {
            table.int(lot.expires.0);
        }
        table.int(lot.available.0);
    }
    let mut returns = link.table(RETURNS);
    for id in &changes.returned {
        let member = of_book(of_book(book.entries.get(id))?.member.as_ref())?;
        let points = book.returned.get(id).copied().unwrap_or_default();
        returns.uuid(member.0).uuid(id.batch.0).int(i64::from(id.ordinal)).int(points.0);
    }

    abandon_requests(link, &abandoned).await?;
    if !moved_lots.is_empty() {
        let count = moved_lots.len();
        let call = link.call(&MOVE_LOTS).table(moved_lots);
        link.execute_counted(call, count).await?;
    }
    let tables = [entries, requests, identifiers, members, new_lots, changed_lots, returns];
    let expected = tables.iter().map(Table::len).sum::<usize>() + updated_members.len();
    if expected == 0 {
        return Ok(());
    }
    let call = tables.into_iter().fold(link.call(&SAVE_ROWS), super::sql::Call::table);
    let call = call.uuid(header.batch.0).int(header.time.0);
    let call = if apart { call.table(updated_members) } else { call };
    execute_counted_in_parts(link, call, SAVE_ROWS.name(), expected).await
}

/// What the rules have changed is in the book.
fn of_book<T>(found: Option<&T>) -> Result<&T, StoreError> {
    found.ok_or_else(|| StoreError::permanent("what a batch has changed is not in its book"))
}

/// When the first lot in the book that has points expires, for every member of the batch.
fn first_lots(book: &Book, changes: &Changes) -> BTreeMap<MemberId, Timestamp> {
    let mut first: BTreeMap<MemberId, Timestamp> = BTreeMap::new();
    for lot in book.lots.values().filter(|lot| lot.available.0 > 0 && changes.members.contains(&lot.id.member)) {
        let expires = first.entry(lot.id.member).or_insert(lot.expires);
        *expires = lot.expires.min(*expires);
    }
    first
}

fn push_new_lot(table: &mut Table, lot: &Lot) {
    let LotId { member, entry_no, part } = lot.id;
    table.uuid(member.0).int(lot.expires.0).int(entry_no).int(i64::from(part));
    table.text(lot.issuer.as_str()).int(i64::from(lot.terms)).int(lot.size.0).int(lot.available.0);
    let EntryId { batch, ordinal } = lot.entry;
    table.uuid(batch.0).int(i64::from(ordinal)).int_or_null(lot.activates.map(|time| time.0));
    table.uuid_or_null(lot.origin.map(|origin| origin.member.0));
    table.int_or_null(lot.origin.map(|origin| origin.entry_no));
    table.int_or_null(lot.origin.map(|origin| i64::from(origin.part)));
}

async fn abandon_requests(link: &mut Link<'_>, keys: &[(PartnerId, RequestId)]) -> Result<(), StoreError> {
    for (partner, request) in keys {
        let call = link.call(&ABANDON_REQUEST).text(partner.as_str()).uuid(request.0).int(ABANDONED).bytes(Vec::new());
        link.execute_counted(call, 1).await?;
    }
    Ok(())
}

/// Runs a statement of several parts: SQLite sums their counts by itself, PostgreSQL selects the sum.
async fn execute_counted_in_parts(
    link: &mut Link<'_>,
    call: super::sql::Call,
    name: &str,
    expected: usize,
) -> Result<(), StoreError> {
    let changed = match link.backend() {
        super::Backend::Sqlite => link.execute(call).await?,
        super::Backend::Postgres => small(link.row(call, |row| row.int(0)).await?.unwrap_or(0))?,
    };
    super::sql::check_count(name, changed, expected)
}

const SAVE_HEAD: Sql = Sql::new(
    "-- store.save_head
    INSERT OR FAIL INTO balances (commodity, account, amount)
    SELECT value->>0, value->>1, value->>2 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (commodity, account) DO UPDATE SET amount = amount + excluded.amount;
    UPDATE OR FAIL terms_outstanding SET points = points + k.delta
    FROM (SELECT value->>0 AS issuer, value->>1 AS number, value->>2 AS delta FROM jsonb_each($3)) AS k
    WHERE partner = k.issuer AND version = k.number AND $4 IS NOT NULL;
    INSERT OR FAIL INTO gross (window_number, issuer, acceptor, points, amount)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM jsonb_each($5) WHERE $6 IS NOT NULL
    ON CONFLICT (window_number, issuer, acceptor) DO UPDATE SET points = points + excluded.points,
        amount = amount + excluded.amount;
    UPDATE OR FAIL journal_head SET next_sequence = next_sequence + $8, hash = $15
    WHERE id = 1 AND next_sequence = $13 AND hash = $14;
    INSERT OR FAIL INTO batches (batch_id, first_sequence, entry_count, window_number, time, hash, previous_hash, salt)
    VALUES ($7, $13, $8, $9, $10, $15, $14, $11)",
    // $17 is the hash over the batch's contents; the chain's next hash is made of it here as `chain_hash` does. On SQLite
    // the writer has the file for itself and has made it already.
    "-- store.save_head
    WITH head AS MATERIALIZED (
        SELECT next_sequence, hash FROM journal_head WHERE id = 1 FOR UPDATE
    ), moved AS (
        INSERT INTO balances (commodity, account, amount)
        SELECT b.commodity, b.account, b.amount
        FROM head CROSS JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS b (commodity, account, amount)
        ON CONFLICT (commodity, account) DO UPDATE SET amount = balances.amount + excluded.amount RETURNING 1
    ), owed AS (
        UPDATE terms_outstanding AS t SET points = t.points + o.points
        FROM head CROSS JOIN unnest($4::text[], $5::bigint[], $6::bigint[]) AS o (partner, version, points)
        WHERE t.partner = o.partner AND t.version = o.version RETURNING 1
    ), obliged AS (
        INSERT INTO gross (window_number, issuer, acceptor, points, amount)
        SELECT g.window_number, g.issuer, g.acceptor, g.points, g.amount
        FROM head CROSS JOIN unnest($7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::bigint[])
        AS g (window_number, issuer, acceptor, points, amount)
        ON CONFLICT (window_number, issuer, acceptor) DO UPDATE SET points = gross.points + excluded.points,
            amount = gross.amount + excluded.amount RETURNING 1
    ), linked AS (
        UPDATE journal_head AS j SET next_sequence = head.next_sequence + $13,
            hash = sha256('\\x04'::bytea || head.hash || int8send(head.next_sequence) || $17)
        FROM head WHERE j.id = 1
        RETURNING head.next_sequence AS first_sequence, head.hash AS previous_hash, j.hash AS hash
    )
    INSERT INTO batches (batch_id, first_sequence, entry_count, window_number, time, hash, previous_hash, salt)
    SELECT $12, first_sequence, $13, $14, $15, hash, previous_hash, $16 FROM linked
    RETURNING first_sequence, (SELECT count(*) FROM moved) + (SELECT count(*) FROM owed) + (SELECT count(*) FROM obliged)",
);

const BALANCES: &[Kind] = &[Kind::Text, Kind::Text, Kind::Int];
const OUTSTANDING: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int];
const GROSS: &[Kind] = &[Kind::Int, Kind::Text, Kind::Text, Kind::Int, Kind::Int];

/// Moves the sums that all batches share, advances the head of the journal and writes the batch. `head` is where the
/// journal ends, if this transaction is sure of it; on PostgreSQL other nodes move it until this statement locks it.
/// `contents` is the hash over the batch. Gives the first sequence of the batch.
pub(super) async fn save_head(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    header: &BatchHeader,
    head: &JournalHead,
    contents: Hash,
) -> Result<i64, StoreError> {
    let mut balances = link.table(BALANCES);
    let currency = book.house.coalition.currency;
    for (account, amount) in &changes.money_balances {
        balances.text(currency.as_str()).text(&account.to_string()).int(amount.0);
    }
    for (account, points) in &changes.points_balances {
        balances.text(POINTS).text(&account.to_string()).int(points.0);
    }
    let mut outstanding = link.table(OUTSTANDING);
    for ((partner, version), points) in &changes.outstanding {
        outstanding.text(partner.as_str()).int(i64::from(*version)).int(points.0);
    }
    let mut gross = link.table(GROSS);
    for ((window, issuer, acceptor), sums) in &changes.gross {
        gross
            .int(i64::from(*window))
            .text(issuer.as_str())
            .text(acceptor.as_str())
            .int(sums.points.0)
            .int(sums.amount.0);
    }
    let expected = balances.len() + outstanding.len() + gross.len();
    let count = i64::try_from(changes.entries.len()).expect("entries of a batch are few");
    let call = link.call(&SAVE_HEAD).table(balances).table(outstanding).table(gross);
    let call = call.uuid(header.batch.0).int(count).int(i64::from(header.window)).int(header.time.0);
    let call = call.bytes(header.salt.to_vec()).bytes(contents.to_vec());
    match link.backend() {
        super::Backend::Sqlite => {
            let first = head.next_sequence;
            let hash = chain_hash(&head.hash, first, &contents);
            let call = call.int(first).bytes(head.hash.to_vec()).bytes(hash.to_vec());
            link.execute_counted(call, expected + 2).await?;
            Ok(first)
        }
        super::Backend::Postgres => {
            let saved = |row: &dyn Cells| Ok((row.int(0)?, row.int(1)?));
            let (first, changed) = link.row(call, saved).await?.ok_or_else(super::journal::no_coalition)?;
            super::sql::check_count(SAVE_HEAD.name(), small(changed)?, expected)?;
            Ok(first)
        }
    }
}

/// The hash over everything in the batch.
pub(super) fn contents_hash(book: &Book, changes: &Changes, header: &BatchHeader) -> Result<Hash, StoreError> {
    let mut entries = Vec::with_capacity(changes.entries.len());
    for id in &changes.entries {
        entries.push((id.ordinal, &**of_book(book.entries.get(id))?));
    }
    Ok(header.contents_hash(entries.into_iter()))
}
