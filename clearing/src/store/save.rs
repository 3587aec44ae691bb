//! Writing what a batch has changed.
//!
//! Rows first, sorted by their keys; then, in the last statement before COMMIT, the rows that every batch moves
//! (balances, what is outstanding, gross obligations) behind the lock on the journal's head, which is therefore held
//! for one statement and the commit only, and orders the batches of all nodes.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::{SETTLED_MAX, SUM_REFUSED, Sum, settles};
use clearing_core::facts::answer::RecordedState;
use clearing_core::facts::chain::{BatchHeader, RequestRecord, chain_hash, requests_hash};
use clearing_core::facts::lot::{Lot, LotId};
use clearing_core::facts::member::IdentifierLink;
use clearing_core::facts::receipt::ReceiptLine;
use clearing_core::facts::returned::ReturnedAmount;
use clearing_core::facts::window::Window;
use clearing_core::units::{EntryId, Hash, MemberId, PartnerId, RequestId, Timestamp, WindowNumber};

use super::journal::JournalHead;
use super::requests::{ABANDONED, stored_state};
use super::settlement::{NO_WINDOW, POINTS, window_of};
use super::sql::{Cells, Kind, Link, Sql, Table};
use super::watched::{Became, Watched, is_far};
use super::{StoreError, guards, partner_id, small};
use clearing_core::operation::Gate;

pub(super) const STATEMENTS: &[&Sql] = &[
    &SAVE_ROWS,
    &MOVE_LOTS,
    &FREE_RECEIPTS,
    &SAVE_HOLDS,
    &SAVE_RETURNS,
    &ABANDON_REQUEST,
    &MOVE_GUARDS,
    &USE_CONSENTS,
    &MOVE_FUNDING,
    &SAVE_HEAD,
];

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
    INSERT OR FAIL INTO identifiers (identifier_hash, member_id, number, salt)
    SELECT substr($6, value->>0, 32), substr($6, value->>1, 16), value->>2, substr($6, value->>3, value->>4)
    FROM jsonb_each($5);
    INSERT OR FAIL INTO members (member_id, entry_no, next_due_at, holdings)
    SELECT substr($8, value->>0, 16), value->>1, value->>2, substr($8, value->>3, value->>4)
    FROM jsonb_each($7) WHERE true
    ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, next_due_at = excluded.next_due_at,
        holdings = excluded.holdings;
    INSERT OR FAIL INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held,
        pending, lost, reversed, batch_id, ordinal, activates_at, release_window, origin_member_id, origin_entry_no,
        origin_part)
    SELECT substr($10, value->>0, 16), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
        value->>8, value->>9, value->>10, value->>11, substr($10, value->>12, 16), value->>13, value->>14, value->>15,
        substr($10, value->>16, 16), value->>17, value->>18
    FROM jsonb_each($9);
    WITH k (m, e, n, p, a, h, w, l, r) AS MATERIALIZED (
        SELECT substr($12, value->>0, 16), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
            value->>8 FROM jsonb_each($11)
    ) UPDATE OR FAIL lots SET available = k.a, held = k.h, pending = k.w, lost = k.l, reversed = k.r FROM k
    WHERE member_id = k.m AND expires_at = k.e AND entry_no = k.n AND part = k.p;
    INSERT OR FAIL INTO receipts (partner, business_date, store, till, number, side, line, batch_id, ordinal)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, substr($14, value->>7, 16),
        value->>8 FROM jsonb_each($13);
    WITH k (m, n, h) AS MATERIALIZED (
        SELECT substr($17, value->>0, 16), value->>1, substr($17, value->>2, value->>3) FROM jsonb_each($16)
    ) UPDATE OR FAIL members SET entry_no = k.n, holdings = k.h FROM k WHERE member_id = k.m",
    "-- store.save_rows
    WITH e AS (
        INSERT INTO entries (batch_id, ordinal, bytes)
        SELECT $64::uuid, ordinal, substring($4::bytea, start, length)
        FROM unnest($1::bigint[], $2::int[], $3::int[]) AS r (ordinal, start, length) RETURNING 1
    ), q AS (
        INSERT INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply)
        SELECT partner, request_id, substring($14::bytea, content, 32), time, state, $64::uuid, ordinal, entry_count,
            substring($14::bytea, start, length)
        FROM unnest($5::text[], $6::uuid[], $7::int[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
            $12::int[], $13::int[])
        AS r (partner, request_id, content, time, state, ordinal, entry_count, start, length) RETURNING 1
    ), i AS (
        INSERT INTO identifiers (identifier_hash, member_id, number, salt)
        SELECT substring($20::bytea, hash, 32), member_id, number, substring($20::bytea, start, length)
        FROM unnest($15::int[], $16::uuid[], $17::bigint[], $18::int[], $19::int[])
            AS r (hash, member_id, number, start, length) RETURNING 1
    ), m AS (
        INSERT INTO members (member_id, entry_no, next_due_at, holdings)
        SELECT member_id, entry_no, next_due_at, substring($26::bytea, start, length)
        FROM unnest($21::uuid[], $22::bigint[], $23::bigint[], $24::int[], $25::int[])
        AS r (member_id, entry_no, next_due_at, start, length)
        ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no,
            next_due_at = excluded.next_due_at, holdings = excluded.holdings
        RETURNING 1
    ), n AS (
        INSERT INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending,
            lost, reversed, batch_id, ordinal, activates_at, release_window, origin_member_id, origin_entry_no,
            origin_part)
        SELECT *
        FROM unnest($27::uuid[], $28::bigint[], $29::bigint[], $30::bigint[], $31::text[], $32::bigint[], $33::bigint[],
            $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[], $39::uuid[], $40::bigint[],
            $41::bigint[], $42::bigint[], $43::uuid[], $44::bigint[], $45::bigint[])
        RETURNING 1
    ), l AS (
        UPDATE lots SET available = r.available, held = r.held, pending = r.pending, lost = r.lost,
            reversed = r.reversed
        FROM unnest($46::uuid[], $47::bigint[], $48::bigint[], $49::bigint[], $50::bigint[], $51::bigint[],
            $52::bigint[], $53::bigint[], $54::bigint[])
        AS r (member_id, expires_at, entry_no, part, available, held, pending, lost, reversed)
        WHERE lots.member_id = r.member_id AND lots.expires_at = r.expires_at AND lots.entry_no = r.entry_no
        AND lots.part = r.part RETURNING 1
    ), t AS (
        INSERT INTO receipts (partner, business_date, store, till, number, side, line, batch_id, ordinal)
        SELECT * FROM unnest($55::text[], $56::bigint[], $57::text[], $58::text[], $59::text[], $60::bigint[],
            $61::bigint[], $62::uuid[], $63::bigint[]) RETURNING 1
    )
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM q) + (SELECT count(*) FROM i) + (SELECT count(*) FROM m)
        + (SELECT count(*) FROM n) + (SELECT count(*) FROM l) + (SELECT count(*) FROM t)",
);

/// A lot that lives on changes its place. Rare, so it stays out of the statement that every batch runs.
const MOVE_LOTS: Sql = Sql::new(
    "-- store.move_lots
    WITH k (m, e, n, p, later, a, h, w, l, r) AS MATERIALIZED (
        SELECT substr($2, value->>0, 16), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
            value->>8, value->>9 FROM jsonb_each($1)
    ) UPDATE OR FAIL lots SET expires_at = k.later, available = k.a, held = k.h, pending = k.w, lost = k.l,
        reversed = k.r FROM k
    WHERE member_id = k.m AND expires_at = k.e AND entry_no = k.n AND part = k.p",
    "-- store.move_lots
    UPDATE lots SET expires_at = r.later, available = r.available, held = r.held, pending = r.pending, lost = r.lost,
        reversed = r.reversed
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[])
    AS r (member_id, expires_at, entry_no, part, later, available, held, pending, lost, reversed)
    WHERE lots.member_id = r.member_id AND lots.expires_at = r.expires_at AND lots.entry_no = r.entry_no
    AND lots.part = r.part",
);

/// Keeps what became of the request at first: the chain has it.
const ABANDON_REQUEST: Sql = Sql::both(
    "-- store.abandon_request
    UPDATE requests SET state = $3 WHERE partner = $1 AND request_id = $2",
);

const ENTRIES: &[Kind] = &[Kind::Int, Kind::Bytes];
const REQUESTS: &[Kind] =
    &[Kind::Text, Kind::Uuid, Kind::Hash, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Bytes];
const IDENTIFIERS: &[Kind] = &[Kind::Hash, Kind::Uuid, Kind::Int, Kind::Bytes];
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
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Uuid,
    Kind::Int,
    Kind::Int,
];
const CHANGED_LOTS: &[Kind] =
    &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
const MOVED_LOTS: &[Kind] =
    &[Kind::Uuid, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
const RETURNS: &[Kind] = &[Kind::Uuid, Kind::Uuid, Kind::Int, Kind::Bytes, Kind::Int, Kind::Int];
const HOLDS: &[Kind] = &[Kind::Uuid, Kind::Uuid, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
const RECEIPTS: &[Kind] =
    &[Kind::Text, Kind::Int, Kind::Text, Kind::Text, Kind::Text, Kind::Int, Kind::Int, Kind::Uuid, Kind::Int];
const FREED_RECEIPTS: &[Kind] = &[Kind::Text, Kind::Int, Kind::Text, Kind::Text, Kind::Text, Kind::Int, Kind::Int];

/// What was found when the batch was loaded, by which rows are found again.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// Under which expiry lots were read.
    pub lots: BTreeMap<LotId, Timestamp>,
    /// From when on something is due for members, as it is stored.
    pub members: BTreeMap<MemberId, Timestamp>,
    /// Lines of receipts that were booked.
    pub receipts: BTreeSet<ReceiptLine>,
    /// Windows whose rows are locked.
    pub windows: BTreeMap<WindowNumber, Window>,
}

/// Writes entries, requests, identifiers, members, lots, receipts, holds and returns.
pub(super) async fn save_rows(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    header: &BatchHeader,
    stored: &Stored,
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
            if !matches!(recorded.state, RecordedState::Undone(_)) {
                return Err(StoreError::permanent("a recorded answer can only be replaced by its abandoning"));
            }
            abandoned.push(*key);
            continue;
        }
        let record = RequestRecord::of(*key, recorded);
        requests.text(key.0.as_str()).uuid(key.1.0).bytes(&record.content).int(change.time.0);
        requests.int(stored_state(&recorded.state)?).int_or_null(record.first.map(i64::from));
        requests.int(i64::from(record.count)).bytes(&record.reply);
    }
    let mut identifiers = link.table(IDENTIFIERS);
    for (hash, IdentifierLink { member, number, salt }) in &changes.identifiers {
        identifiers.bytes(&hash.0).uuid(member.0).int(i64::from(*number)).bytes(salt);
    }
    let zone = &book.house.coalition.time_zone;
    let mut members = link.table(MEMBERS);
    let mut updated_members = link.table(UPDATED_MEMBERS);
    // The lower bound of expiry of nearly all members stays what it was. SQLite would write the index over it anew all the
    // same, so it gets these members apart; PostgreSQL sees by itself that an indexed column has not changed.
    let apart = link.backend() == super::Backend::Sqlite;
    for id in &changes.members {
        let member = of_book(book.members.get(id))?;
        let (next_expiry, points) = book.first_expiry(member);
        let mut member = member.clone();
        member.know_expiry(next_expiry, points);
        let due = member.next_due(zone);
        if apart && stored.members.get(id) == Some(&due) {
            updated_members.uuid(id.0).int(member.entry_no).bytes(&member.to_bytes());
            continue;
        }
        members.uuid(id.0).int(member.entry_no).int(due.0).bytes(&member.to_bytes());
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
        let expires = of_book(stored.lots.get(id))?;
        let moved = *expires != lot.expires;
        let table = if moved { &mut moved_lots } else { &mut changed_lots };
        table.uuid(id.member.0).int(expires.0).int(id.entry_no).int(i64::from(id.part));
        if moved {
            table.int(lot.expires.0);
        }
        push_points(table, lot);
    }
    let mut receipts = link.table(RECEIPTS);
    for (line, entry) in &changes.receipts {
        if let Some(entry) = entry {
            push_line(&mut receipts, line);
            receipts.uuid(entry.batch.0).int(i64::from(entry.ordinal));
        }
    }
    free_receipts(link, changes, stored).await?;
    save_holds(link, book, changes).await?;
    save_returns(link, book, changes).await?;

    abandon_requests(link, &abandoned).await?;
    if !moved_lots.is_empty() {
        let count = moved_lots.len();
        let call = link.call(&MOVE_LOTS).table(moved_lots);
        link.execute_counted(call, count).await?;
    }
    let tables = [entries, requests, identifiers, members, new_lots, changed_lots, receipts];
    let expected = tables.iter().map(Table::len).sum::<usize>() + updated_members.len();
    if expected == 0 {
        return Ok(());
    }
    let call = tables.into_iter().fold(link.call(&SAVE_ROWS), super::sql::Call::table);
    let call = call.uuid(header.batch.0);
    let call = if apart { call.table(updated_members) } else { call };
    execute_counted_in_parts(link, call, SAVE_ROWS.name(), expected).await
}

/// What the rules have changed is in the book.
fn of_book<T>(found: Option<&T>) -> Result<&T, StoreError> {
    found.ok_or_else(|| StoreError::permanent("what a batch has changed is not in its book"))
}

fn push_new_lot(table: &mut Table, lot: &Lot) {
    let LotId { member, entry_no, part } = lot.id;
    table.uuid(member.0).int(lot.expires.0).int(entry_no).int(i64::from(part));
    table.text(lot.issuer.as_str()).int(i64::from(lot.terms)).int(lot.size.0);
    push_points(table, lot);
    let EntryId { batch, ordinal } = lot.entry;
    table.uuid(batch.0).int(i64::from(ordinal)).int_or_null(lot.activates.map(|time| time.0));
    table.int_or_null(lot.release_window.map(i64::from));
    table.uuid_or_null(lot.origin.map(|origin| origin.member.0));
    table.int_or_null(lot.origin.map(|origin| origin.entry_no));
    table.int_or_null(lot.origin.map(|origin| i64::from(origin.part)));
}

/// The points of a lot: available, held, pending, lost, reversed.
fn push_points(table: &mut Table, lot: &Lot) {
    table.int(lot.available.0).int(lot.held.0).int(lot.pending.0).int(lot.lost.0).int(lot.reversed.0);
}

fn push_line(table: &mut Table, line: &ReceiptLine) {
    guards::push_receipt(table, &line.receipt);
    table.int(guards::side_number(line.side)).int(i64::from(line.line));
}

const FREE_RECEIPTS: Sql = Sql::new(
    "-- store.free_receipts
    DELETE FROM receipts WHERE (partner, business_date, store, till, number, side, line) IN (
        SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM jsonb_each($1)
    ) AND $2 IS NOT NULL",
    "-- store.free_receipts
    DELETE FROM receipts AS r
    USING unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
        AS k (partner, business_date, store, till, number, side, line)
    WHERE r.partner = k.partner AND r.business_date = k.business_date AND r.store = k.store AND r.till = k.till
        AND r.number = k.number AND r.side = k.side AND r.line = k.line",
);

/// Deletes the lines that are free again, or that are booked anew.
async fn free_receipts(link: &mut Link<'_>, changes: &Changes, stored: &Stored) -> Result<(), StoreError> {
    let mut freed = link.table(FREED_RECEIPTS);
    for line in changes.receipts.keys().filter(|line| stored.receipts.contains(line)) {
        push_line(&mut freed, line);
    }
    if freed.is_empty() {
        return Ok(());
    }
    let count = freed.len();
    let call = link.call(&FREE_RECEIPTS).table(freed);
    link.execute_counted(call, count).await
}

const SAVE_HOLDS: Sql = Sql::new(
    "-- store.save_holds
    INSERT INTO holds (member_id, batch_id, ordinal, lapses_at, state, captured)
    SELECT substr($2, value->>0, 16), substr($2, value->>1, 16), value->>2, value->>3, value->>4, value->>5
    FROM jsonb_each($1) WHERE true
    ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET state = excluded.state, captured = excluded.captured",
    "-- store.save_holds
    INSERT INTO holds (member_id, batch_id, ordinal, lapses_at, state, captured)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET state = excluded.state, captured = excluded.captured",
);

async fn save_holds(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut holds = link.table(HOLDS);
    for id in &changes.holds {
        let hold = of_book(book.holds.get(id))?;
        holds.uuid(hold.member.0).uuid(id.batch.0).int(i64::from(id.ordinal)).int(hold.facts.lapses.0);
        holds.int(guards::state_number(hold.state)).int(hold.captured.0);
    }
    if holds.is_empty() {
        return Ok(());
    }
    let count = holds.len();
    let call = link.call(&SAVE_HOLDS).table(holds);
    link.execute_counted(call, count).await
}

const SAVE_RETURNS: Sql = Sql::new(
    "-- store.save_returns
    INSERT INTO returns (member_id, batch_id, ordinal, lots, amount, total)
    SELECT substr($2, value->>0, 16), substr($2, value->>1, 16), value->>2,
        substr($2, value->>3, value->>4), value->>5, value->>6
    FROM jsonb_each($1) WHERE true
    ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET lots = excluded.lots, amount = excluded.amount,
        total = excluded.total",
    "-- store.save_returns
    INSERT INTO returns (member_id, batch_id, ordinal, lots, amount, total)
    SELECT k.m, k.b, k.o, substring($8::bytea from k.s for k.l), k.a, k.t
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::bigint[])
        AS k (m, b, o, s, l, a, t)
    ON CONFLICT (member_id, batch_id, ordinal) DO UPDATE SET lots = excluded.lots, amount = excluded.amount,
        total = excluded.total",
);

async fn save_returns(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut returns = link.table(RETURNS);
    for id in changes.returned.union(&changes.returned_amounts) {
        let member = of_book(of_book(book.entries.get(id))?.member.as_ref())?;
        let returned = book.returned.get(id).cloned().unwrap_or_default();
        let ReturnedAmount { amount, total } = book.returned_amounts.get(id).copied().unwrap_or_default();
        returns.uuid(member.0).uuid(id.batch.0).int(i64::from(id.ordinal));
        returns.bytes(&returned.to_bytes()).int(amount.0).int(total.0);
    }
    if returns.is_empty() {
        return Ok(());
    }
    let count = returns.len();
    let call = link.call(&SAVE_RETURNS).table(returns);
    link.execute_counted(call, count).await
}

async fn abandon_requests(link: &mut Link<'_>, keys: &[(PartnerId, RequestId)]) -> Result<(), StoreError> {
    for (partner, request) in keys {
        let call = link.call(&ABANDON_REQUEST).text(partner.as_str()).uuid(request.0).int(ABANDONED);
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

// Both tell of the sums that have become larger than `SUM_WATCHED`, packed into one text: mostly there is none.
const SAVE_HEAD: Sql = Sql::new(
    "-- store.save_head
    INSERT OR FAIL INTO balances (commodity, window_number, account, amount)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = amount + excluded.amount;
    UPDATE OR FAIL terms_outstanding SET points = points + k.delta
    FROM (SELECT value->>0 AS issuer, value->>1 AS number, value->>2 AS delta FROM jsonb_each($3)) AS k
    WHERE partner = k.issuer AND version = k.number AND $4 IS NOT NULL;
    INSERT OR FAIL INTO gross (window_number, issuer, acceptor, points, amount)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM jsonb_each($5) WHERE $6 IS NOT NULL
    ON CONFLICT (window_number, issuer, acceptor) DO UPDATE SET points = points + excluded.points,
        amount = amount + excluded.amount;
    UPDATE OR FAIL guards SET issued_points = k.points + iif(issued_day = k.day, issued_points, 0), issued_day = k.day
    FROM (SELECT value->>0 AS issuer, value->>1 AS day, value->>2 AS points FROM jsonb_each($7)) AS k
    WHERE partner = k.issuer AND $8 IS NOT NULL;
    UPDATE OR FAIL journal_head SET next_sequence = next_sequence + $10, next_number = next_number + 1, hash = $19
    WHERE id = 1 AND next_sequence = $17 AND hash = $18 AND next_number = $20;
    INSERT OR FAIL INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    VALUES ($9, $20, $17, $10, $15, $11, $12, $19, $18, $16, $13)
    RETURNING (SELECT group_concat(far, ';') FROM (
        SELECT concat_ws(',', 'b', b.commodity, b.account, b.amount) AS far FROM jsonb_each($1) AS k
        CROSS JOIN balances AS b WHERE b.commodity = k.value->>0 AND b.window_number = k.value->>1
        AND b.account = k.value->>2 AND b.amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976
        UNION ALL
        SELECT concat_ws(',', 'o', t.partner, t.version, t.points) FROM jsonb_each($3) AS k
        CROSS JOIN terms_outstanding AS t WHERE t.partner = k.value->>0 AND t.version = k.value->>1
        AND t.points > 1152921504606846976
        UNION ALL
        SELECT concat_ws(',', 'g', g.window_number, g.issuer, g.acceptor, g.points, g.amount) FROM jsonb_each($5) AS k
        CROSS JOIN gross AS g WHERE g.window_number = k.value->>0 AND g.issuer = k.value->>1
        AND g.acceptor = k.value->>2 AND (g.points NOT BETWEEN -1152921504606846976 AND 1152921504606846976
            OR g.amount NOT BETWEEN -1152921504606846976 AND 1152921504606846976)
        UNION ALL
        SELECT concat_ws(',', 'i', g.partner, g.issued_points) FROM jsonb_each($7) AS k
        CROSS JOIN guards AS g WHERE g.partner = k.value->>0 AND g.issued_points > 1152921504606846976
    ))",
    // $21 is the hash over the batch's contents; the chain's next hash is made of it here as `chain_hash` does. On SQLite
    // the writer has the file for itself and has made it already.
    "-- store.save_head
    WITH head AS MATERIALIZED (
        SELECT next_sequence, next_number, hash FROM journal_head WHERE id = 1 FOR UPDATE
    ), moved AS (
        INSERT INTO balances (commodity, window_number, account, amount)
        SELECT b.commodity, b.window_number, b.account, b.amount
        FROM head CROSS JOIN unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
        AS b (commodity, window_number, account, amount)
        ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = balances.amount + excluded.amount
        RETURNING balances.commodity, balances.account, balances.amount
    ), owed AS (
        UPDATE terms_outstanding AS t SET points = t.points + o.points
        FROM head CROSS JOIN unnest($5::text[], $6::bigint[], $7::bigint[]) AS o (partner, version, points)
        WHERE t.partner = o.partner AND t.version = o.version RETURNING t.partner, t.version, t.points
    ), obliged AS (
        INSERT INTO gross (window_number, issuer, acceptor, points, amount)
        SELECT g.window_number, g.issuer, g.acceptor, g.points, g.amount
        FROM head CROSS JOIN unnest($8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[])
        AS g (window_number, issuer, acceptor, points, amount)
        ON CONFLICT (window_number, issuer, acceptor) DO UPDATE SET points = gross.points + excluded.points,
            amount = gross.amount + excluded.amount
        RETURNING gross.window_number, gross.issuer, gross.acceptor, gross.points, gross.amount
    ), issued AS (
        UPDATE guards AS g SET issued_day = i.day,
            issued_points = i.points + CASE WHEN g.issued_day = i.day THEN g.issued_points ELSE 0 END
        FROM head CROSS JOIN unnest($13::text[], $14::bigint[], $15::bigint[]) AS i (partner, day, points)
        WHERE g.partner = i.partner RETURNING g.partner, g.issued_points
    ), linked AS (
        UPDATE journal_head AS j SET next_sequence = head.next_sequence + $17, next_number = head.next_number + 1,
            hash = sha256(
                '\\x04'::bytea || head.hash || int8send(head.next_number) || int8send(head.next_sequence) || $21
            )
        FROM head WHERE j.id = 1
        RETURNING head.next_sequence AS first_sequence, head.next_number AS number, head.hash AS previous_hash,
            j.hash AS hash
    )
    INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    SELECT $16, number, first_sequence, $17, $22, $18, $19, hash, previous_hash, $23, $20 FROM linked
    RETURNING first_sequence, (SELECT count(*) FROM moved) + (SELECT count(*) FROM owed) + (SELECT count(*) FROM obliged)
        + (SELECT count(*) FROM issued), (
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
        )",
);

const BALANCES: &[Kind] = &[Kind::Text, Kind::Int, Kind::Text, Kind::Int];
const OUTSTANDING: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int];
const GROSS: &[Kind] = &[Kind::Int, Kind::Text, Kind::Text, Kind::Int, Kind::Int];
const ISSUED: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int];

// What holds reserve and legs owe moves rarely. Whoever has the gate alone writes it at leisure; the others hold the rows'
// locks already if their partners have limits, and else write here what nobody waits for with a lock of its own.
const MOVE_GUARDS: Sql = Sql::new(
    "-- store.move_guards
    UPDATE guards SET reserved = guards.reserved + k.reserved, unsettled = guards.unsettled + k.unsettled
    FROM (SELECT value->>0 AS partner, value->>1 AS reserved, value->>2 AS unsettled FROM jsonb_each($1)) AS k
    WHERE guards.partner = k.partner AND $2 IS NOT NULL
    RETURNING partner, NULL, NULL, reserved, unsettled",
    "-- store.move_guards
    WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    UPDATE guards AS g SET reserved = g.reserved + k.reserved, unsettled = g.unsettled + k.unsettled
    FROM head CROSS JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS k (partner, reserved, unsettled)
    WHERE g.partner = k.partner
    RETURNING g.partner, NULL::text, NULL::integer, g.reserved, g.unsettled",
);

const USE_CONSENTS: Sql = Sql::new(
    "-- store.use_consents
    INSERT INTO consents (funder, partner, used)
    SELECT value->>0, value->>1, value->>2 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (funder, partner) DO UPDATE SET used = used + excluded.used
    RETURNING funder, partner, NULL, used, NULL",
    "-- store.use_consents
    WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    INSERT INTO consents (funder, partner, used)
    SELECT k.funder, k.partner, k.used
    FROM head CROSS JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS k (funder, partner, used)
    ON CONFLICT (funder, partner) DO UPDATE SET used = consents.used + excluded.used
    RETURNING consents.funder, consents.partner, NULL::integer, consents.used, NULL::bigint",
);

const MOVE_FUNDING: Sql = Sql::new(
    "-- store.move_funding
    INSERT INTO funding (window_number, issuer, terms_version, points, settles_in, released)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>0, 0 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (window_number, issuer, terms_version) DO UPDATE SET points = points + excluded.points
    RETURNING issuer, NULL, terms_version, points, window_number",
    "-- store.move_funding
    WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    INSERT INTO funding (window_number, issuer, terms_version, points, settles_in, released)
    SELECT k.window_number, k.issuer, k.terms_version, k.points, k.window_number, 0
    FROM head CROSS JOIN unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
        AS k (window_number, issuer, terms_version, points)
    ON CONFLICT (window_number, issuer, terms_version) DO UPDATE SET points = funding.points + excluded.points
    RETURNING funding.issuer, NULL::text, funding.terms_version, funding.points, funding.window_number",
);

const MOVED_GUARDS: &[Kind] = &[Kind::Text, Kind::Int, Kind::Int];
const USED_CONSENTS: &[Kind] = &[Kind::Text, Kind::Text, Kind::Int];
const MOVED_FUNDING: &[Kind] = &[Kind::Int, Kind::Text, Kind::Int, Kind::Int];

/// Moves the shared rows that few batches move, behind the lock on the journal's head. Gives what those sums became that
/// are far from zero.
async fn save_rare(link: &mut Link<'_>, changes: &Changes) -> Result<Vec<(Sum, i64)>, StoreError> {
    let mut moved = link.table(MOVED_GUARDS);
    for (partner, guard) in &changes.guards {
        if !guard.reserved.is_zero() || !guard.unsettled.is_zero() {
            moved.text(partner.as_str()).int(guard.reserved.0).int(guard.unsettled.0);
        }
    }
    let mut used = link.table(USED_CONSENTS);
    for ((funder, partner), points) in &changes.consents {
        used.text(funder.as_str()).text(partner.as_str()).int(points.0);
    }
    let mut funding = link.table(MOVED_FUNDING);
    for ((window, issuer, terms), points) in &changes.funding {
        funding.int(i64::from(*window)).text(issuer.as_str()).int(i64::from(*terms)).int(points.0);
    }
    let mut far = Vec::new();
    for (sql, table) in [(&MOVE_GUARDS, moved), (&USE_CONSENTS, used), (&MOVE_FUNDING, funding)] {
        if table.is_empty() {
            continue;
        }
        let count = table.len();
        let call = link.call(sql).table(table);
        let became = |row: &dyn Cells| {
            let partner = partner_id(row.text(0)?)?;
            Ok(match (row.text_or_null(1)?, row.int_or_null(2)?) {
                (Some(other), _) => vec![(Sum::Consent(partner, partner_id(other)?), row.int(3)?)],
                (None, Some(terms)) => {
                    vec![(Sum::Waiting(small(row.int(4)?)?, partner, small(terms)?), row.int(3)?)]
                }
                (None, None) => vec![(Sum::Reserved(partner), row.int(3)?), (Sum::Unsettled(partner), row.int(4)?)],
            })
        };
        let rows = link.rows(call, became).await?;
        super::sql::check_count(sql.name(), u64::try_from(rows.len()).unwrap_or(u64::MAX), count)?;
        far.extend(rows.into_iter().flatten().filter(|(_, now)| is_far(*now)));
    }
    Ok(far)
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

/// By how much a batch moves the sums that the database adds to.
fn moved_sums(changes: &Changes) -> BTreeMap<Sum, i64> {
    let mut moved = BTreeMap::new();
    moved.extend(changes.points_balances.iter().map(|(account, points)| (Sum::Points(*account), points.0)));
    moved.extend(changes.money_balances.iter().map(|(account, amount)| (Sum::Money(*account), amount.0)));
    moved.extend(changes.outstanding.iter().map(|((of, terms), points)| (Sum::Outstanding(*of, *terms), points.0)));
    for ((window, issuer, acceptor), gross) in &changes.gross {
        moved.insert(Sum::GrossPoints(*window, *issuer, *acceptor), gross.points.0);
        moved.insert(Sum::GrossMoney(*window, *issuer, *acceptor), gross.amount.0);
    }
    for (partner, guard) in &changes.guards {
        let sums = [
            (Sum::Reserved(*partner), guard.reserved.0),
            (Sum::Unsettled(*partner), guard.unsettled.0),
            (Sum::Issued(*partner), guard.issued.points.0),
        ];
        // A guard that moves in one of these need not be written in another, and then nothing is told of that one.
        moved.extend(sums.into_iter().filter(|(_, change)| *change != 0));
    }
    moved.extend(changes.consents.iter().map(|((funder, of), points)| (Sum::Consent(*funder, *of), points.0)));
    let funding = changes.funding.iter();
    moved.extend(funding.map(|((window, of, terms), points)| (Sum::Waiting(*window, *of, *terms), points.0)));
    moved
}

/// The sums that entries of a batch have moved which settle what others had moved: these go further than others.
fn settled_sums(book: &Book, changes: &Changes) -> BTreeSet<Sum> {
    let entries = changes.entries.iter().filter_map(|id| book.entries.get(id));
    let moved = entries.filter(|entry| settles(entry.kind)).filter_map(|entry| book.sums_of(entry).ok());
    moved.flat_map(BTreeMap::into_keys).collect()
}

/// Notes what the sums of a batch became.
fn note_far(
    watched: &Watched,
    (book, changes): (&Book, &Changes),
    far: &[(Sum, i64)],
    gate: Gate,
) -> Result<(), StoreError> {
    if far.is_empty() && watched.is_empty() {
        return Ok(());
    }
    let mut moved = moved_sums(changes);
    let settled = settled_sums(book, changes);
    let became = |(sum, now): &(Sum, i64)| {
        let change = moved.remove(sum).unwrap_or_default();
        let refused = if settled.contains(sum) { SETTLED_MAX } else { SUM_REFUSED };
        // Who has the gate alone has decided with all sums in the book.
        let refused = (gate == Gate::Shared).then_some(refused);
        Became { sum: *sum, now: *now, change, refused }
    };
    let far: Vec<Became> = far.iter().map(became).collect();
    watched.forget(moved.keys());
    watched.note(&far)
}

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
    let mut balances = link.table(BALANCES);
    let currency = book.house.coalition.currency;
    for (account, amount) in &changes.money_balances {
        balances.text(currency.as_str()).int(window_of(account)).text(&account.to_string()).int(amount.0);
    }
    for (account, points) in &changes.points_balances {
        balances.text(POINTS).int(NO_WINDOW).text(&account.to_string()).int(points.0);
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
    let mut issued = link.table(ISSUED);
    for (partner, guard) in changes.guards.iter().filter(|(_, guard)| !guard.issued.points.is_zero()) {
        issued.text(partner.as_str()).int(i64::from(guard.issued.day)).int(guard.issued.points.0);
    }
    let mut far = save_rare(link, changes).await?;
    let expected = balances.len() + outstanding.len() + gross.len() + issued.len();
    let count = i64::try_from(changes.entries.len()).expect("entries of a batch are few");
    let call = link.call(&SAVE_HEAD).table(balances).table(outstanding).table(gross).table(issued);
    let call = call.uuid(header.batch.0).int(count).int(i64::from(header.window)).int(header.time.0);
    // Without entries there is nothing to be salted.
    let salt = if changes.entries.is_empty() { [0; 16] } else { header.salt };
    let call = call.bytes(salt.to_vec()).bytes(hashed.contents.to_vec());
    let call = call.int(hashed.request_count).bytes(hashed.requests.to_vec());
    let (first, packed) = match link.backend() {
        super::Backend::Sqlite => {
            let first = head.next_sequence;
            let hash = chain_hash(&head.hash, head.next_number, first, &hashed.contents);
            let call = call.int(first).bytes(head.hash.to_vec()).bytes(hash.to_vec()).int(head.next_number);
            let (changed, packed) = link.execute_telling(call).await?;
            super::sql::check_count(SAVE_HEAD.name(), changed, expected + 2)?;
            (first, packed)
        }
        super::Backend::Postgres => {
            let saved = |row: &dyn Cells| Ok((row.int(0)?, row.int(1)?, row.text_or_null(2)?.map(str::to_owned)));
            let (first, changed, packed) = link.row(call, saved).await?.ok_or_else(super::journal::no_coalition)?;
            super::sql::check_count(SAVE_HEAD.name(), small(changed)?, expected)?;
            (first, packed)
        }
    };
    far.extend(packed.as_deref().map(unpack_far).transpose()?.unwrap_or_default());
    note_far(watched, (book, changes), &far, gate)?;
    Ok(first)
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
pub(super) fn hash_batch(book: &Book, changes: &Changes, header: &BatchHeader) -> Result<Hashed, StoreError> {
    let mut recorded = Vec::with_capacity(changes.requests.len());
    for (key, _) in changes.requests.iter().filter(|(_, change)| !change.known) {
        recorded.push(RequestRecord::of(*key, of_book(book.requests.get(key))?).hash());
    }
    let request_count = i64::try_from(recorded.len()).expect("requests of a batch are few");
    let requests = requests_hash(recorded);
    let mut entries = Vec::with_capacity(changes.entries.len());
    for id in &changes.entries {
        entries.push((id.ordinal, &**of_book(book.entries.get(id))?));
    }
    Ok(Hashed { contents: header.contents_hash(&requests, entries.into_iter()), requests, request_count })
}
