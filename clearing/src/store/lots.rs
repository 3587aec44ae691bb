//! Lots. They lie in consumption order of their member, so that the first available ones are neighbours.

use std::collections::BTreeSet;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::coalition::House;
use clearing_core::facts::lot::{Lot, LotId, consumption_order};
use clearing_core::units::{EntryId, MemberId, PartnerId, Timestamp};

use super::StoreError;
use super::cells::Row;
use super::rows::RowSet;
use super::save::{Stored, of_book};
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, Kind, LOTS};

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
    &MOVE_LOTS,
];

/// The first expiry that counts, and the last.
const FIRST: Column = Column::made("first", Kind::Int);
const LAST: Column = Column::made("last", Kind::Int);

const MEMBER: &[Column] = &[LOTS.member_id];
/// From where on among a member's lots.
const PLACE: &[Column] = &[LOTS.member_id, FIRST];
const RANGE: &[Column] = &[LOTS.member_id, FIRST, LAST];

// The last place of the page is that of the last of `limit` lots, or the end of the moment at which that one expires:
// lots that expire together are read together, as an answer tells how many points a member loses next. Those that never
// expire may be many, and are not summed; only for them does SQLite look for the place a second time. Both back ends
// would look for that place anew for every lot if it stood in the condition, so all places are found first.
static LOTS_PAGE: Sql = Sql::new(
    "store.lots_page",
    "WITH y AS MATERIALIZED (
        SELECT member_id, first, (
            SELECT max(expires_at) FROM (
                SELECT p.expires_at FROM lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            )
        ) AS last
        FROM {rows m}
    ), z AS MATERIALIZED (
        SELECT member_id, first, last, iif(last < 9223372036854775807, 9223372036854775807, (
            SELECT max(iif(expires_at < 9223372036854775807, -1, entry_no)) FROM (
                SELECT p.expires_at, p.entry_no FROM lots AS p
                WHERE p.member_id = y.member_id AND p.available > 0 AND p.expires_at >= y.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            )
        )) AS last_entry_no
        FROM y
    )
    SELECT {lots l} FROM z CROSS JOIN lots AS l
    WHERE l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)",
    "WITH z AS MATERIALIZED (
        SELECT m.member_id, m.first, e.expires_at AS last, e.entry_no AS last_entry_no
        FROM {rows m}
        CROSS JOIN LATERAL (
            SELECT expires_at, CASE WHEN expires_at < 9223372036854775807 THEN 9223372036854775807 ELSE entry_no END
                AS entry_no
            FROM (
                SELECT p.expires_at, p.entry_no, p.part FROM lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT {limit}
            ) AS p ORDER BY p.expires_at DESC, p.entry_no DESC, p.part DESC LIMIT 1
        ) AS e
    )
    SELECT {lots l} FROM z JOIN lots AS l ON l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)",
)
.takes(&[rows("m", PLACE), one("limit")])
.gives(LOTS.all);

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
    "store.lots_next",
    "SELECT {lots l} FROM {rows m}
    CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at = (
        SELECT p.expires_at FROM lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at, p.entry_no, p.part LIMIT 1
    )",
    "SELECT {lots l} FROM {rows m}
    CROSS JOIN LATERAL (
        SELECT * FROM lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at FETCH FIRST 1 ROW WITH TIES
    ) AS l ORDER BY 1, 2, 3, 4",
)
.takes(&[rows("m", PLACE)])
.gives(LOTS.all);

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
    "store.lots_due",
    "SELECT {lots l} FROM {rows m} CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= m.first AND l.expires_at <= {now}",
)
.takes(&[rows("m", PLACE), one("now")])
.gives(LOTS.all);

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
        keys.uuid(LOTS.member_id, member.0).int(FIRST, first.0);
    }
    keys
}

static LOTS_INACTIVE: Sql = Sql::both(
    "store.lots_inactive",
    "SELECT {lots l} FROM {rows m} CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= {first}
    AND l.expires_at < 9223372036854775807",
)
.takes(&[rows("m", MEMBER), one("first")])
.gives(LOTS.all);

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
    "store.lots_expiring",
    "SELECT {lots l} FROM {rows m} CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
    AND ({issuer} IS NULL OR l.issuer = {issuer})",
    "SELECT {lots l} FROM {rows m} CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
    AND ({issuer}::text IS NULL OR l.issuer = {issuer})",
)
.takes(&[rows("m", RANGE), one("issuer")])
.gives(LOTS.all);

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
        keys.uuid(LOTS.member_id, member.0).int(FIRST, first.0).int(LAST, last.0);
    }
    let issuer = issuer.map(|issuer| issuer.as_str().to_owned());
    let call = link.call(&LOTS_EXPIRING).rows(keys).text_or_null(issuer);
    link.rows(call, |row| lot(row, house)).await
}

static LOTS_PENDING: Sql = Sql::new(
    "store.lots_pending",
    "SELECT {lots l} FROM {rows m} CROSS JOIN lots AS l INDEXED BY lots_pending
    WHERE l.member_id = m.member_id AND l.pending > 0",
    "SELECT {lots l} FROM {rows m} JOIN lots AS l ON l.member_id = m.member_id AND l.pending > 0",
)
.takes(&[rows("m", MEMBER)])
.gives(LOTS.all);

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
        keys.uuid(LOTS.member_id, member.0);
    }
    keys
}

// No index helps: this is one member's range, read for a return without a receipt, which is rare.
static LOTS_NEWEST: Sql = Sql::both(
    "store.lots_newest",
    "SELECT {lots l} FROM lots AS l
    WHERE l.member_id = $1 AND l.issuer = $2 AND l.origin_member_id IS NULL AND l.reversed < l.size
    ORDER BY l.entry_no DESC, l.part DESC LIMIT $3",
)
.gives(LOTS.all);

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

const KEY: &[Column] = &[LOTS.member_id, LOTS.expires_at, LOTS.entry_no, LOTS.part];

static LOTS_BY_PLACE: Sql =
    Sql::both("store.lots_by_place", "SELECT {lots l} FROM {rows k} CROSS JOIN lots AS l WHERE {match k l}")
        .takes(&[rows("k", KEY)])
        .gives(LOTS.all);

const NUMBER: &[Column] = &[LOTS.member_id, LOTS.entry_no, LOTS.part];

static LOTS_BY_NUMBER: Sql =
    Sql::both("store.lots_by_number", "SELECT {lots l} FROM {rows k} CROSS JOIN lots AS l WHERE {match k l}")
        .takes(&[rows("k", NUMBER)])
        .gives(LOTS.all);

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
        numbers.uuid(LOTS.member_id, id.member.0).int(LOTS.entry_no, id.entry_no).int(LOTS.part, i64::from(id.part));
    }
    if !numbers.is_empty() {
        let call = link.call(&LOTS_BY_NUMBER).rows(numbers);
        found.extend(link.rows(call, |row| lot(row, house)).await?);
    }
    Ok(found)
}

static LOTS_BETWEEN: Sql =
    Sql::both("store.lots_between", "SELECT {lots} FROM lots WHERE member_id BETWEEN $1 AND $2").gives(LOTS.all);

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
    let issuer = row.partner(LOTS.issuer)?;
    let terms = row.small(LOTS.terms_version)?;
    let version = house.partners.get(&issuer).and_then(|partner| partner.terms_version(terms));
    let version = version.ok_or_else(|| StoreError::permanent(format!("there are no terms {terms} of {issuer}")))?;
    let origin = (
        row.uuid_or_null(LOTS.origin_member_id)?,
        row.int_or_null(LOTS.origin_entry_no)?,
        row.small_or_null(LOTS.origin_part)?,
    );
    let origin = match origin {
        (Some(member), Some(entry_no), Some(part)) => Some(LotId { member: MemberId(member), entry_no, part }),
        (None, None, None) => None,
        _ => return Err(StoreError::permanent(format!("a lot of {issuer} names half of the lot it comes from"))),
    };
    Ok(Lot {
        id: LotId {
            member: row.member(LOTS.member_id)?,
            entry_no: row.int(LOTS.entry_no)?,
            part: row.small(LOTS.part)?,
        },
        issuer,
        terms,
        funding: version.funding,
        size: row.points(LOTS.size)?,
        available: row.points(LOTS.available)?,
        expires: row.time(LOTS.expires_at)?,
        entry: row.entry(LOTS.batch_id, LOTS.ordinal)?,
        origin,
        activates: row.int_or_null(LOTS.activates_at)?.map(Timestamp),
        held: row.points(LOTS.held)?,
        pending: row.points(LOTS.pending)?,
        lost: row.points(LOTS.lost)?,
        reversed: row.points(LOTS.reversed)?,
        release_window: row.small_or_null(LOTS.release_window)?,
    })
}

/// Lots as a batch leaves them.
pub(super) struct Changed {
    /// Those that it has made.
    pub new: RowSet,
    /// Those that are where they were.
    pub changed: RowSet,
    /// Those that live on, and so change their place.
    pub moved: RowSet,
}

/// What is written of a lot that is where it was.
pub(super) const CHANGED: &[Column] = &[
    LOTS.member_id,
    LOTS.expires_at,
    LOTS.entry_no,
    LOTS.part,
    LOTS.available,
    LOTS.held,
    LOTS.pending,
    LOTS.lost,
    LOTS.reversed,
];

/// When a lot that lives on expires now.
const LATER: Column = Column::made("later", Kind::Int);

const MOVED: &[Column] = &[
    LOTS.member_id,
    LOTS.expires_at,
    LOTS.entry_no,
    LOTS.part,
    LATER,
    LOTS.available,
    LOTS.held,
    LOTS.pending,
    LOTS.lost,
    LOTS.reversed,
];

/// The rows of lots that a batch has made or changed.
pub(super) fn changed(link: &Link<'_>, book: &Book, changes: &Changes, stored: &Stored) -> Result<Changed, StoreError> {
    let (mut new, mut changed, mut moved) = (link.row_set(LOTS.all), link.row_set(CHANGED), link.row_set(MOVED));
    for id in &changes.lots {
        let lot = of_book(book.lots.get(id))?;
        if changes.new_lots.contains(id) {
            push_new(&mut new, lot);
            continue;
        }
        let expires = *of_book(stored.lots.get(id))?;
        if expires == lot.expires {
            push_key(&mut changed, id, expires);
            push_points(&mut changed, lot);
        } else {
            push_key(&mut moved, id, expires);
            moved.int(LATER, lot.expires.0);
            push_points(&mut moved, lot);
        }
    }
    Ok(Changed { new, changed, moved })
}

fn push_new(rows: &mut RowSet, lot: &Lot) {
    push_key(rows, &lot.id, lot.expires);
    rows.text(LOTS.issuer, lot.issuer.as_str());
    rows.int(LOTS.terms_version, i64::from(lot.terms)).int(LOTS.size, lot.size.0);
    push_points(rows, lot);
    let EntryId { batch, ordinal } = lot.entry;
    rows.uuid(LOTS.batch_id, batch.0).int(LOTS.ordinal, i64::from(ordinal));
    rows.int_or_null(LOTS.activates_at, lot.activates.map(|time| time.0));
    rows.int_or_null(LOTS.release_window, lot.release_window.map(i64::from));
    rows.uuid_or_null(LOTS.origin_member_id, lot.origin.map(|origin| origin.member.0));
    rows.int_or_null(LOTS.origin_entry_no, lot.origin.map(|origin| origin.entry_no));
    rows.int_or_null(LOTS.origin_part, lot.origin.map(|origin| i64::from(origin.part)));
}

fn push_key(rows: &mut RowSet, id: &LotId, expires: Timestamp) {
    rows.uuid(LOTS.member_id, id.member.0).int(LOTS.expires_at, expires.0);
    rows.int(LOTS.entry_no, id.entry_no).int(LOTS.part, i64::from(id.part));
}

fn push_points(rows: &mut RowSet, lot: &Lot) {
    rows.int(LOTS.available, lot.available.0).int(LOTS.held, lot.held.0).int(LOTS.pending, lot.pending.0);
    rows.int(LOTS.lost, lot.lost.0).int(LOTS.reversed, lot.reversed.0);
}

/// A lot that lives on changes its place. Rare, so it stays out of the statement that every batch runs.
static MOVE_LOTS: Sql = Sql::both(
    "store.move_lots",
    "UPDATE lots SET expires_at = k.later, available = k.available, held = k.held, pending = k.pending, lost = k.lost,
        reversed = k.reversed
    FROM {rows k} WHERE {match k lots}",
)
.takes(&[rows("k", MOVED)]);

/// Writes lots that live on.
pub(super) async fn save_moved(link: &mut Link<'_>, moved: RowSet) -> Result<(), StoreError> {
    link.write(&MOVE_LOTS, moved).await
}
