//! Lots: those in their member's row (`lot_row`), and the further ones, which lie in consumption order of their member, so
//! that the first available ones are neighbours.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::coalition::House;
use clearing_core::facts::lot::{Lot, LotId, LotPlace, consumption_order};
use clearing_core::units::{EntryId, MemberId, PartnerId, Timestamp};

use super::cells::Row;
use super::lot_row::{ChangedRow, LotRow, NOWHERE, PackedLot};
use super::rows::RowSet;
use super::save::{Stored, of_book};
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, FURTHER_LOTS, Kind, WAITING_LOTS};
use super::{StoreError, waiting};

pub(super) static STATEMENTS: &[&Sql] = &[
    &LOTS_PAGE,
    &LOTS_NEXT,
    &LOTS_DUE,
    &LOTS_BY_PLACE,
    &LOTS_BY_NUMBER,
    &LOTS_INACTIVE,
    &LOTS_EXPIRING,
    &LOTS_PENDING,
    &LOTS_NEWEST,
    &LOTS_BETWEEN,
    &INSERT_FURTHER,
    &UPDATE_FURTHER,
    &MOVE_FURTHER,
];

/// The first expiry that counts, and the last.
const FIRST: Column = Column::made("first", Kind::Int);
const LAST: Column = Column::made("last", Kind::Int);

const MEMBER: &[Column] = &[FURTHER_LOTS.member_id];
/// From where on among a member's lots.
const PLACE: &[Column] = &[FURTHER_LOTS.member_id, FIRST];
const RANGE: &[Column] = &[FURTHER_LOTS.member_id, FIRST, LAST];

// The last place of the page is that of the last of `limit` lots, or the end of the moment at which that one expires:
// lots that expire together are read together, as an answer tells how many points a member loses next. Those that never
// expire may be many, and are not summed; only for them does SQLite look for the place a second time. Both back ends
// would look for that place anew for every lot if it stood in the condition, so all places are found first.
static LOTS_PAGE: Sql = Sql::new(
    "store.further_lots_page",
    "WITH y AS MATERIALIZED (
        SELECT member_id, first, (
            SELECT max(expires_at) FROM (
                SELECT p.expires_at FROM further_lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            )
        ) AS last
        FROM {rows m}
    ), z AS MATERIALIZED (
        SELECT member_id, first, last, iif(last < 9223372036854775807, 9223372036854775807, (
            SELECT max(iif(expires_at < 9223372036854775807, -1, entry_no)) FROM (
                SELECT p.expires_at, p.entry_no FROM further_lots AS p
                WHERE p.member_id = y.member_id AND p.available > 0 AND p.expires_at >= y.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            )
        )) AS last_entry_no
        FROM y
    )
    SELECT {further_lots l} FROM z CROSS JOIN further_lots AS l
    WHERE l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)",
    "WITH z AS MATERIALIZED (
        SELECT m.member_id, m.first, e.expires_at AS last, e.entry_no AS last_entry_no
        FROM {rows m}
        CROSS JOIN LATERAL (
            SELECT expires_at, CASE WHEN expires_at < 9223372036854775807 THEN 9223372036854775807 ELSE entry_no END
                AS entry_no
            FROM (
                SELECT p.expires_at, p.entry_no, p.part FROM further_lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            ) AS p ORDER BY p.expires_at DESC, p.entry_no DESC, p.part DESC LIMIT 1
        ) AS e
    )
    SELECT {further_lots l} FROM z JOIN further_lots AS l ON l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)",
)
.takes(&[rows("m", PLACE), one("limit")])
.gives(FURTHER_LOTS.all);

/// The first `limit` lots with available points of each member that expire no earlier than the time beside it, in
/// consumption order; and those that expire at the same time as the last of them, unless they never do. If there are
/// fewer than `limit`, these are all.
pub(super) async fn lots_page(
    link: &mut Link<'_>,
    house: &House,
    members: &[(MemberId, Timestamp)],
    limit: usize,
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).expect("a page is small");
    let call = link.call(&LOTS_PAGE).rows(places(link, members)).int(limit);
    let mut lots = link.rows(call, |row| lot(row, house)).await?;
    lots.sort_unstable_by_key(|lot| (lot.id.member, consumption_order(lot)));
    Ok(lots)
}

static LOTS_NEXT: Sql = Sql::new(
    "store.further_lots_next",
    "SELECT {further_lots l} FROM {rows m}
    CROSS JOIN further_lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at = (
        SELECT p.expires_at FROM further_lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at, p.entry_no, p.part LIMIT 1
    )",
    "SELECT {further_lots l} FROM {rows m}
    CROSS JOIN LATERAL (
        SELECT * FROM further_lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at FETCH FIRST 1 ROW WITH TIES
    ) AS l ORDER BY 1, 2, 3, 4",
)
.takes(&[rows("m", PLACE)])
.gives(FURTHER_LOTS.all);

/// The lots with available points of each member that expire first, if any of them expire, and no earlier than the time
/// beside the member.
pub(super) async fn lots_next(
    link: &mut Link<'_>,
    house: &House,
    members: &[(MemberId, Timestamp)],
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_NEXT).rows(places(link, members));
    link.rows(call, |row| lot(row, house)).await
}

static LOTS_DUE: Sql = Sql::both(
    "store.further_lots_due",
    "SELECT {further_lots l} FROM {rows m} CROSS JOIN further_lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= m.first AND l.expires_at <= {now}",
)
.takes(&[rows("m", PLACE), one("now")])
.gives(FURTHER_LOTS.all);

/// All lots of each member that still have points although they have expired by `now`, from the lower bound beside
/// the member. All, as what is expired must be known to the last point before anything is spent.
pub(super) async fn lots_due(
    link: &mut Link<'_>,
    house: &House,
    members: &[(MemberId, Timestamp)],
    now: Timestamp,
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_DUE).rows(places(link, members)).int(now.0);
    link.rows(call, |row| lot(row, house)).await
}

fn places(link: &Link<'_>, members: &[(MemberId, Timestamp)]) -> RowSet {
    let mut keys = link.row_set(PLACE);
    for (member, first) in members {
        keys.uuid(FURTHER_LOTS.member_id, member.0).int(FIRST, first.0);
    }
    keys
}

static LOTS_INACTIVE: Sql = Sql::both(
    "store.further_lots_inactive",
    "SELECT {further_lots l} FROM {rows m} CROSS JOIN further_lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= {first}
    AND l.expires_at < 9223372036854775807",
)
.takes(&[rows("m", MEMBER), one("first")])
.gives(FURTHER_LOTS.all);

/// The lots with available points of each member that end with inactivity.
pub(super) async fn lots_inactive(
    link: &mut Link<'_>,
    house: &House,
    members: &[MemberId],
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_INACTIVE).rows(owners(link, members)).int(Timestamp::after_inactivity(0).0);
    link.rows(call, |row| lot(row, house)).await
}

static LOTS_EXPIRING: Sql = Sql::new(
    "store.further_lots_expiring",
    "SELECT {further_lots l} FROM {rows m} CROSS JOIN further_lots AS l
    WHERE l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
    AND ({issuer} IS NULL OR l.issuer = {issuer})",
    "SELECT {further_lots l} FROM {rows m} CROSS JOIN further_lots AS l
    WHERE l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
    AND ({issuer}::text IS NULL OR l.issuer = {issuer})",
)
.takes(&[rows("m", RANGE), one("issuer")])
.gives(FURTHER_LOTS.all);

/// The lots with available points of each member that expire in the range beside it, both ends included; those of one
/// issuer if it is named. A member may have several ranges, which do not overlap.
pub(super) async fn lots_expiring(
    link: &mut Link<'_>,
    house: &House,
    ranges: &[(MemberId, Timestamp, Timestamp)],
    issuer: Option<PartnerId>,
) -> Result<Vec<Lot>, StoreError> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = link.row_set(RANGE);
    for (member, first, last) in ranges {
        keys.uuid(FURTHER_LOTS.member_id, member.0).int(FIRST, first.0).int(LAST, last.0);
    }
    let issuer = issuer.map(|issuer| issuer.as_str().to_owned());
    let call = link.call(&LOTS_EXPIRING).rows(keys).text_or_null(issuer);
    link.rows(call, |row| lot(row, house)).await
}

static LOTS_PENDING: Sql = Sql::new(
    "store.further_lots_pending",
    "SELECT {further_lots l} FROM {rows m} CROSS JOIN further_lots AS l INDEXED BY further_lots_pending
    WHERE l.member_id = m.member_id AND l.pending > 0",
    "SELECT {further_lots l} FROM {rows m} JOIN further_lots AS l ON l.member_id = m.member_id AND l.pending > 0",
)
.takes(&[rows("m", MEMBER)])
.gives(FURTHER_LOTS.all);

/// The lots with pending points of each member.
pub(super) async fn lots_pending(
    link: &mut Link<'_>,
    house: &House,
    members: &[MemberId],
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_PENDING).rows(owners(link, members));
    link.rows(call, |row| lot(row, house)).await
}

fn owners(link: &Link<'_>, members: &[MemberId]) -> RowSet {
    let mut keys = link.row_set(MEMBER);
    for member in members {
        keys.uuid(FURTHER_LOTS.member_id, member.0);
    }
    keys
}

// No index helps: this is one member's range, read for a return without a receipt, which is rare.
static LOTS_NEWEST: Sql = Sql::both(
    "store.further_lots_newest",
    "SELECT {further_lots l} FROM further_lots AS l
    WHERE l.member_id = $1 AND l.issuer = $2 AND l.origin_member_id IS NULL AND l.reversed < l.size
    ORDER BY l.entry_no DESC, l.part DESC LIMIT $3",
)
.gives(FURTHER_LOTS.all);

/// The newest lots that an issuer made for a member and that are not yet reversed, at most `limit`.
pub(super) async fn lots_newest(
    link: &mut Link<'_>,
    house: &House,
    member: MemberId,
    issuer: PartnerId,
    limit: usize,
) -> Result<Vec<Lot>, StoreError> {
    let limit = i64::try_from(limit).expect("a page is small");
    let call = link.call(&LOTS_NEWEST).uuid(member.0).text(issuer.as_str()).int(limit);
    link.rows(call, |row| lot(row, house)).await
}

const KEY: &[Column] = &[FURTHER_LOTS.member_id, FURTHER_LOTS.expires_at, FURTHER_LOTS.entry_no, FURTHER_LOTS.part];

static LOTS_BY_PLACE: Sql = Sql::both(
    "store.further_lots_by_place",
    "SELECT {further_lots l} FROM {rows k} CROSS JOIN further_lots AS l WHERE {match k l}",
)
.takes(&[rows("k", KEY)])
.gives(FURTHER_LOTS.all);

const NUMBER: &[Column] = &[FURTHER_LOTS.member_id, FURTHER_LOTS.entry_no, FURTHER_LOTS.part];

static LOTS_BY_NUMBER: Sql = Sql::both(
    "store.further_lots_by_number",
    "SELECT {further_lots l} FROM {rows k} CROSS JOIN further_lots AS l WHERE {match k l}",
)
.takes(&[rows("k", NUMBER)])
.gives(FURTHER_LOTS.all);

/// Lots by id, with or without points. Each comes with when it expired as far as its entry knows; a lot that lived on
/// since then lies elsewhere among its member's lots and is looked for there.
pub(super) async fn lots_by_id(
    link: &mut Link<'_>,
    house: &House,
    lots: &[(LotId, Timestamp)],
) -> Result<Vec<Lot>, StoreError> {
    if lots.is_empty() {
        return Ok(Vec::new());
    }
    let mut places = link.row_set(KEY);
    for (id, expires) in lots {
        push_key(&mut places, id, *expires);
    }
    let call = link.call(&LOTS_BY_PLACE).rows(places);
    let mut found = link.rows(call, |row| lot(row, house)).await?;
    let mut numbers = link.row_set(NUMBER);
    let seen: BTreeSet<LotId> = found.iter().map(|lot| lot.id).collect();
    for (id, _) in lots.iter().filter(|(id, _)| !seen.contains(id)) {
        numbers
            .uuid(FURTHER_LOTS.member_id, id.member.0)
            .int(FURTHER_LOTS.entry_no, id.entry_no)
            .int(FURTHER_LOTS.part, i64::from(id.part));
    }
    if !numbers.is_empty() {
        let call = link.call(&LOTS_BY_NUMBER).rows(numbers);
        found.extend(link.rows(call, |row| lot(row, house)).await?);
    }
    Ok(found)
}

static LOTS_BETWEEN: Sql = Sql::both(
    "store.further_lots_between",
    "SELECT {further_lots} FROM further_lots WHERE member_id BETWEEN $1 AND $2",
)
.gives(FURTHER_LOTS.all);

/// All lots there ever were of members with ids from the first to the last.
pub(super) async fn lots_between(
    link: &mut Link<'_>,
    house: &House,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<Lot>, StoreError> {
    let call = link.call(&LOTS_BETWEEN).uuid(first.0).uuid(last.0);
    link.rows(call, |row| lot(row, house)).await
}

fn lot(row: &Row<'_>, house: &House) -> Result<Lot, StoreError> {
    let origin = (
        row.uuid_or_null(FURTHER_LOTS.origin_member_id)?,
        row.int_or_null(FURTHER_LOTS.origin_entry_no)?,
        row.small_or_null(FURTHER_LOTS.origin_part)?,
    );
    let origin = match origin {
        (Some(member), Some(entry_no), Some(part)) => Some((member.to_be_bytes(), entry_no, part)),
        (None, None, None) => None,
        _ => return Err(StoreError::permanent("a lot names half of the lot it comes from")),
    };
    let lot = PackedLot {
        expires: row.int(FURTHER_LOTS.expires_at)?,
        entry_no: row.int(FURTHER_LOTS.entry_no)?,
        part: row.small(FURTHER_LOTS.part)?,
        issuer: row.text(FURTHER_LOTS.issuer)?,
        terms: row.small(FURTHER_LOTS.terms_version)?,
        size: row.int(FURTHER_LOTS.size)?,
        available: row.int(FURTHER_LOTS.available)?,
        held: row.int(FURTHER_LOTS.held)?,
        pending: row.int(FURTHER_LOTS.pending)?,
        lost: row.int(FURTHER_LOTS.lost)?,
        reversed: row.int(FURTHER_LOTS.reversed)?,
        batch: row.uuid(FURTHER_LOTS.batch_id)?.to_be_bytes(),
        ordinal: row.small(FURTHER_LOTS.ordinal)?,
        activates: row.int_or_null(FURTHER_LOTS.activates_at)?,
        release_window: row.small_or_null(FURTHER_LOTS.release_window)?,
        origin,
    };
    lot.of_member(row.member(FURTHER_LOTS.member_id)?, house)
}

/// A further lot as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Under which expiry it was read.
    pub expires: Timestamp,
    /// Whether it waits for its issuer's payment.
    pub waits: bool,
}

impl Found {
    pub fn of(lot: &Lot) -> Self {
        Self { expires: lot.expires, waits: waits(lot) }
    }
}

/// Whether a lot waits for its issuer's payment.
pub(super) fn waits(lot: &Lot) -> bool {
    lot.pending.0 > 0 && lot.release_window.is_some()
}

/// Lots as a batch leaves them.
pub(super) struct Changed {
    /// Of the members whose lots have changed, what their rows say of lots.
    pub rows: BTreeMap<MemberId, LotRow>,
    /// Those for which there is no room in their member's row any more.
    pub out: RowSet,
    /// Further ones that are where they were.
    pub changed: RowSet,
    /// Further ones that live on, and so change their place.
    pub moved: RowSet,
    /// Those that wait for a payment since this batch.
    pub waiting: RowSet,
    /// Those that waited and no longer do.
    pub released: RowSet,
}

/// What is written of a further lot that is where it was.
const CHANGED: &[Column] = &[
    FURTHER_LOTS.member_id,
    FURTHER_LOTS.expires_at,
    FURTHER_LOTS.entry_no,
    FURTHER_LOTS.part,
    FURTHER_LOTS.available,
    FURTHER_LOTS.held,
    FURTHER_LOTS.pending,
    FURTHER_LOTS.lost,
    FURTHER_LOTS.reversed,
];

/// When a lot that lives on expires now.
const LATER: Column = Column::made("later", Kind::Int);

const MOVED: &[Column] = &[
    FURTHER_LOTS.member_id,
    FURTHER_LOTS.expires_at,
    FURTHER_LOTS.entry_no,
    FURTHER_LOTS.part,
    LATER,
    FURTHER_LOTS.available,
    FURTHER_LOTS.held,
    FURTHER_LOTS.pending,
    FURTHER_LOTS.lost,
    FURTHER_LOTS.reversed,
];

/// The rows of lots that a batch has made or changed, of which no more than `limit` stay in the row of a member.
pub(super) fn changed(
    link: &Link<'_>,
    book: &Book,
    changes: &Changes,
    stored: &Stored,
    limit: usize,
) -> Result<Changed, StoreError> {
    let mut found = Changed {
        rows: BTreeMap::new(),
        out: link.row_set(FURTHER_LOTS.all),
        changed: link.row_set(CHANGED),
        moved: link.row_set(MOVED),
        waiting: link.row_set(WAITING_LOTS.all),
        released: link.row_set(waiting::KEY),
    };
    let mut of_rows: BTreeMap<MemberId, Vec<&Lot>> = BTreeMap::new();
    for id in &changes.lots {
        let lot = of_book(book.lots.get(id))?;
        let Some(Found { expires, waits: waited }) = stored.lots.get(id) else {
            of_rows.entry(id.member).or_default().push(lot);
            continue;
        };
        of_rows.entry(id.member).or_default();
        if *expires == lot.expires {
            push_key(&mut found.changed, id, *expires);
            push_points(&mut found.changed, lot);
        } else {
            push_key(&mut found.moved, id, *expires);
            found.moved.int(LATER, lot.expires.0);
            push_points(&mut found.moved, lot);
        }
        found.note_waiting(lot, *waited);
    }
    let none = LotRow::default();
    for (member, lots) in of_rows {
        let before = match stored.members.get(&member) {
            Some(found) => &found.lots,
            None if changes.new_members.contains(&member) => &none,
            None => return Err(StoreError::permanent(format!("the row of member {member} was not read"))),
        };
        let ChangedRow { mut row, out, waited } = before.with(&lots, limit, &book.house)?;
        for lot in &lots {
            found.note_waiting(lot, waited.contains(&lot.id));
        }
        for lot in &out {
            push_lot(&mut found.out, lot);
        }
        row.beyond = beyond(book, stored, member, before, &out);
        found.rows.insert(member, row);
    }
    Ok(found)
}

impl Changed {
    fn note_waiting(&mut self, lot: &Lot, waited: bool) {
        match (waited, waits(lot)) {
            (false, true) => waiting::push(&mut self.waiting, lot),
            (true, false) => waiting::push_key(&mut self.released, lot),
            (false, false) | (true, true) => (),
        }
    }
}

/// From which place on a lot outside of the row may have available points, once some were moved out.
fn beyond(book: &Book, stored: &Stored, member: MemberId, before: &LotRow, out: &[Lot]) -> Option<LotPlace> {
    let first = LotId { member, entry_no: i64::MIN, part: 0 };
    let last = LotId { member, entry_no: i64::MAX, part: u16::MAX };
    let known = stored.lots.range(first..=last).filter_map(|(id, _)| book.lots.get(id));
    let available = known.chain(out).filter(|lot| lot.available.0 > 0).map(consumption_order);
    let unread = stored.unread.get(&member).copied().or(before.beyond);
    let unread = unread.or((!out.is_empty()).then_some(NOWHERE))?;
    Some(available.fold(unread, Ord::min))
}

fn push_lot(rows: &mut RowSet, lot: &Lot) {
    push_key(rows, &lot.id, lot.expires);
    rows.text(FURTHER_LOTS.issuer, lot.issuer.as_str());
    rows.int(FURTHER_LOTS.terms_version, i64::from(lot.terms)).int(FURTHER_LOTS.size, lot.size.0);
    push_points(rows, lot);
    let EntryId { batch, ordinal } = lot.entry;
    rows.uuid(FURTHER_LOTS.batch_id, batch.0).int(FURTHER_LOTS.ordinal, i64::from(ordinal));
    rows.int_or_null(FURTHER_LOTS.activates_at, lot.activates.map(|time| time.0));
    rows.int_or_null(FURTHER_LOTS.release_window, lot.release_window.map(i64::from));
    rows.uuid_or_null(FURTHER_LOTS.origin_member_id, lot.origin.map(|origin| origin.member.0));
    rows.int_or_null(FURTHER_LOTS.origin_entry_no, lot.origin.map(|origin| origin.entry_no));
    rows.int_or_null(FURTHER_LOTS.origin_part, lot.origin.map(|origin| i64::from(origin.part)));
}

fn push_key(rows: &mut RowSet, id: &LotId, expires: Timestamp) {
    rows.uuid(FURTHER_LOTS.member_id, id.member.0).int(FURTHER_LOTS.expires_at, expires.0);
    rows.int(FURTHER_LOTS.entry_no, id.entry_no).int(FURTHER_LOTS.part, i64::from(id.part));
}

fn push_points(rows: &mut RowSet, lot: &Lot) {
    rows.int(FURTHER_LOTS.available, lot.available.0).int(FURTHER_LOTS.held, lot.held.0);
    rows.int(FURTHER_LOTS.pending, lot.pending.0);
    rows.int(FURTHER_LOTS.lost, lot.lost.0).int(FURTHER_LOTS.reversed, lot.reversed.0);
}

static INSERT_FURTHER: Sql = Sql::both("store.insert_further_lots", "{insert k}").takes(&[rows("k", FURTHER_LOTS.all)]);
static UPDATE_FURTHER: Sql = Sql::both("store.update_further_lots", "{update k}").takes(&[rows("k", CHANGED)]);

/// A lot that lives on changes its place.
static MOVE_FURTHER: Sql = Sql::both(
    "store.move_further_lots",
    "UPDATE further_lots SET expires_at = k.later, available = k.available, held = k.held, pending = k.pending,
        lost = k.lost, reversed = k.reversed
    FROM {rows k} WHERE {match k further_lots}",
)
.takes(&[rows("k", MOVED)]);

/// Writes further lots, and which lots wait for a payment. Few batches have any of it.
pub(super) async fn save_further(
    link: &mut Link<'_>,
    (out, changed, moved): (RowSet, RowSet, RowSet),
    (waiting, released): (RowSet, RowSet),
) -> Result<(), StoreError> {
    link.write(&MOVE_FURTHER, moved).await?;
    link.write(&UPDATE_FURTHER, changed).await?;
    link.write(&INSERT_FURTHER, out).await?;
    waiting::save(link, waiting, released).await
}
