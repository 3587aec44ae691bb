//! Members: their identifiers, their rows, their lots, and what was returned of their redemptions.

use std::collections::BTreeSet;

use clearing_core::facts::coalition::House;
use clearing_core::facts::lot::{Lot, LotId, consumption_order};
use clearing_core::facts::member::Member;
use clearing_core::facts::returned::{Returned, ReturnedAmount};
use clearing_core::units::{BatchId, EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, Timestamp};

use super::sql::{Cells, Kind, Link, Sql};
use super::{StoreError, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] = &[
    &IDENTIFIERS,
    &LOCK_IDENTIFIERS,
    &MEMBERS,
    &LOCK_MEMBERS,
    &MEMBERS_AFTER,
    &LOTS_PAGE,
    &LOTS_NEXT,
    &LOTS_DUE,
    &LOTS_BY_PLACE,
    &LOTS_BY_NUMBER,
    &LOTS_INACTIVE,
    &LOTS_EXPIRING,
    &LOTS_PENDING,
    &LOTS_NEWEST,
    &RETURNS,
];

const IDENTIFIERS: Sql = Sql::new(
    "-- store.identifiers
    SELECT group_concat(concat_ws(',', hex(identifier_hash), hex(member_id)), ';') FROM identifiers
    WHERE identifier_hash IN (SELECT substr($2, value->>0, 32) FROM jsonb_each($1))",
    "-- store.identifiers
    SELECT identifier_hash, member_id FROM identifiers
    WHERE identifier_hash = ANY (SELECT substring($2::bytea, start, 32) FROM unnest($1::int[]) AS k (start))",
);

/// The members that identifiers name; unknown ones are left out.
pub(super) async fn identifiers(
    link: &mut Link<'_>,
    hashes: &[IdentifierHash],
) -> Result<Vec<(IdentifierHash, MemberId)>, StoreError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = link.table(&[Kind::Hash]);
    for hash in hashes {
        keys.bytes(&hash.0);
    }
    let call = link.call(&IDENTIFIERS).table(keys);
    let identifier = |row: &dyn Cells| Ok((IdentifierHash(super::hash(row.bytes(0)?)?), MemberId(row.uuid(1)?)));
    link.packed_rows(call, &[Kind::Hash, Kind::Uuid], identifier).await
}

const LOCK_IDENTIFIERS: Sql = Sql::new(
    "-- store.lock_identifiers
    SELECT 1 WHERE $1 IS NULL",
    "-- store.lock_identifiers
    SELECT pg_catalog.pg_advisory_xact_lock(key) FROM (SELECT key FROM unnest($1::bigint[]) AS k (key) ORDER BY key) AS k",
);

/// Keeps other nodes from enrolling these identifiers until the transaction ends. `hashes` are not yet enrolled, so
/// there is no row to lock. On SQLite the one writer has the database for itself.
pub(super) async fn lock_identifiers(link: &mut Link<'_>, hashes: &[IdentifierHash]) -> Result<(), StoreError> {
    match link {
        Link::Sqlite(_) => Ok(()),
        Link::Postgres(_) => {
            let mut keys = link.table(&[Kind::Int]);
            for hash in hashes {
                let (piece, _) = hash.0.split_first_chunk::<8>().expect("a hash has 32 bytes");
                keys.int(i64::from_be_bytes(*piece));
            }
            let call = link.call(&LOCK_IDENTIFIERS).table(keys);
            link.rows(call, |_| Ok(())).await.map(|_| ())
        }
    }
}

const MEMBERS: Sql = Sql::new(
    "-- store.members
    SELECT group_concat(concat_ws(',', hex(member_id), entry_no, hex(holdings)), ';') FROM members
    WHERE member_id IN (SELECT substr($2, value->>0, 16) FROM jsonb_each($1))",
    "-- store.members
    SELECT member_id, entry_no, holdings FROM members
    WHERE member_id = ANY ($1::uuid[]) ORDER BY member_id",
);

const LOCK_MEMBERS: Sql = Sql::new(
    "-- store.lock_members
    SELECT group_concat(concat_ws(',', hex(member_id), entry_no, hex(holdings)), ';') FROM members
    WHERE member_id IN (SELECT substr($2, value->>0, 16) FROM jsonb_each($1))",
    "-- store.lock_members
    SELECT member_id, entry_no, holdings FROM members
    WHERE member_id = ANY ($1::uuid[]) ORDER BY member_id FOR UPDATE",
);

/// The rows of members, without their lots; locked in ascending order until the transaction ends if `lock` is set.
pub(super) async fn members(
    link: &mut Link<'_>,
    ids: impl Iterator<Item = MemberId>,
    lock: bool,
) -> Result<Vec<Member>, StoreError> {
    let mut keys = link.table(&[Kind::Uuid]);
    for id in ids {
        keys.uuid(id.0);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(if lock { &LOCK_MEMBERS } else { &MEMBERS }).table(keys);
    link.packed_rows(call, &[Kind::Uuid, Kind::Int, Kind::Bytes], member).await
}

const MEMBERS_AFTER: Sql = Sql::both(
    "-- store.members_after
    SELECT member_id, entry_no, holdings FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2",
);

/// At most `limit` members, without their lots, by id from behind `after`.
pub(super) async fn members_after(link: &mut Link<'_>, after: MemberId, limit: u32) -> Result<Vec<Member>, StoreError> {
    let call = link.call(&MEMBERS_AFTER).uuid(after.0).int(i64::from(limit));
    link.rows(call, member).await
}

/// A member's row from the columns id, last entry number, holdings.
pub(super) fn member(row: &dyn Cells) -> Result<Member, StoreError> {
    let member = Member::from_bytes(MemberId(row.uuid(0)?), row.int(1)?, row.bytes(2)?);
    member.map_err(|error| StoreError::damaged("a member", error))
}

macro_rules! lot_columns {
    () => {
        "l.member_id, l.expires_at, l.entry_no, l.part, l.issuer, l.terms_version, l.size, l.available, l.batch_id, \
         l.ordinal, l.activates_at, l.origin_member_id, l.origin_entry_no, l.origin_part, l.held, l.pending, l.lost, \
         l.reversed, l.release_window"
    };
}
pub(super) use lot_columns;

/// [`lot_columns`] as SQLite packs them into one cell; a null is an empty text.
macro_rules! packed_lot {
    () => {
        "concat_ws(',', hex(l.member_id), l.expires_at, l.entry_no, l.part, l.issuer, l.terms_version, l.size, \
         l.available, hex(l.batch_id), l.ordinal, ifnull(l.activates_at, ''), hex(l.origin_member_id), \
         ifnull(l.origin_entry_no, ''), ifnull(l.origin_part, ''), l.held, l.pending, l.lost, l.reversed, \
         ifnull(l.release_window, ''))"
    };
}

const LOT_KINDS: &[Kind] = &[
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
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
];

// The last place of the page is that of the last of `limit` lots, or the end of the moment at which that one expires:
// lots that expire together are read together, as an answer tells how many points a member loses next. Those that never
// expire may be many, and are not summed; only for them does SQLite look for the place a second time. Both back ends
// would look for that place anew for every lot if it stood in the condition, so all places are found first.
const LOTS_PAGE: Sql = Sql::new(
    concat!(
        "-- store.lots_page
    WITH y AS MATERIALIZED (
        SELECT member_id, first, (
            SELECT max(expires_at) FROM (
                SELECT p.expires_at FROM lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT $3
            )
        ) AS last
        FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS first FROM jsonb_each($1)) AS m
    ), z AS MATERIALIZED (
        SELECT member_id, first, last, iif(last < 9223372036854775807, 9223372036854775807, (
            SELECT max(iif(expires_at < 9223372036854775807, -1, entry_no)) FROM (
                SELECT p.expires_at, p.entry_no FROM lots AS p
                WHERE p.member_id = y.member_id AND p.available > 0 AND p.expires_at >= y.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT $3
            )
        )) AS last_entry_no
        FROM y
    )
    SELECT group_concat(",
        packed_lot!(),
        ", ';') FROM z CROSS JOIN lots AS l
    WHERE l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)"
    ),
    concat!(
        "-- store.lots_page
    WITH z AS MATERIALIZED (
        SELECT m.member_id, m.first, e.expires_at AS last, e.entry_no AS last_entry_no
        FROM unnest($1::uuid[], $2::bigint[]) AS m (member_id, first)
        CROSS JOIN LATERAL (
            SELECT expires_at, CASE WHEN expires_at < 9223372036854775807 THEN 9223372036854775807 ELSE entry_no END
                AS entry_no
            FROM (
                SELECT p.expires_at, p.entry_no, p.part FROM lots AS p
                WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
                ORDER BY p.expires_at, p.entry_no, p.part LIMIT $3
            ) AS p ORDER BY p.expires_at DESC, p.entry_no DESC, p.part DESC LIMIT 1
        ) AS e
    )
    SELECT ",
        lot_columns!(),
        " FROM z JOIN lots AS l ON l.member_id = z.member_id AND l.available > 0 AND l.expires_at >= z.first
    AND (l.expires_at, l.entry_no) <= (z.last, z.last_entry_no)"
    ),
);

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
    let call = link.call(&LOTS_PAGE).table(places(link, members)).int(limit);
    let mut lots = link.packed_rows(call, LOT_KINDS, |row| lot(row, house)).await?;
    lots.sort_unstable_by_key(|lot| (lot.id.member, consumption_order(lot)));
    Ok(lots)
}

const LOTS_NEXT: Sql = Sql::new(
    concat!(
        "-- store.lots_next
    SELECT group_concat(",
        packed_lot!(),
        ", ';') FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS first FROM jsonb_each($1)) AS m
    CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at = (
        SELECT p.expires_at FROM lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at, p.entry_no, p.part LIMIT 1
    )"
    ),
    concat!(
        "-- store.lots_next
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[], $2::bigint[]) AS m (member_id, first)
    CROSS JOIN LATERAL (
        SELECT * FROM lots AS p
        WHERE p.member_id = m.member_id AND p.available > 0 AND p.expires_at >= m.first
        AND p.expires_at < 9223372036854775807
        ORDER BY p.expires_at FETCH FIRST 1 ROW WITH TIES
    ) AS l ORDER BY 1, 2, 3, 4"
    ),
);

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
    let call = link.call(&LOTS_NEXT).table(places(link, members));
    link.packed_rows(call, LOT_KINDS, |row| lot(row, house)).await
}

const LOTS_DUE: Sql = Sql::new(
    concat!(
        "-- store.lots_due
    SELECT ",
        lot_columns!(),
        " FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS first FROM jsonb_each($1)) AS m
    CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= m.first AND l.expires_at <= $3"
    ),
    concat!(
        "-- store.lots_due
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[], $2::bigint[]) AS m (member_id, first)
    JOIN lots AS l ON l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= m.first AND l.expires_at <= $3"
    ),
);

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
    let call = link.call(&LOTS_DUE).table(places(link, members)).int(now.0);
    link.rows(call, |row| lot(row, house)).await
}

fn places(link: &Link<'_>, members: &[(MemberId, Timestamp)]) -> super::sql::Table {
    let mut keys = link.table(&[Kind::Uuid, Kind::Int]);
    for (member, first) in members {
        keys.uuid(member.0).int(first.0);
    }
    keys
}

const LOTS_INACTIVE: Sql = Sql::new(
    concat!(
        "-- store.lots_inactive
    SELECT ",
        lot_columns!(),
        " FROM (SELECT substr($2, value->>0, 16) AS member_id FROM jsonb_each($1)) AS m
    CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= $3 AND l.expires_at < 9223372036854775807"
    ),
    concat!(
        "-- store.lots_inactive
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[]) AS m (member_id)
    JOIN lots AS l ON l.member_id = m.member_id AND l.available > 0 AND l.expires_at >= $2
        AND l.expires_at < 9223372036854775807"
    ),
);

/// The lots with available points of each member that end with inactivity.
pub(super) async fn lots_inactive(
    link: &mut Link<'_>,
    house: &House,
    members: &[MemberId],
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_INACTIVE).table(ids(link, members)).int(Timestamp::after_inactivity(0).0);
    link.rows(call, |row| lot(row, house)).await
}

const LOTS_EXPIRING: Sql = Sql::new(
    concat!(
        "-- store.lots_expiring
    SELECT group_concat(",
        packed_lot!(),
        ", ';') FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS first, value->>2 AS last
        FROM jsonb_each($1)) AS m
    CROSS JOIN lots AS l
    WHERE l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
    AND ($3 IS NULL OR l.issuer = $3)"
    ),
    concat!(
        "-- store.lots_expiring
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS m (member_id, first, last)
    JOIN lots AS l ON l.member_id = m.member_id AND l.expires_at >= m.first AND l.expires_at <= m.last AND l.available > 0
        AND ($4::text IS NULL OR l.issuer = $4)"
    ),
);

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
    let mut keys = link.table(&[Kind::Uuid, Kind::Int, Kind::Int]);
    for (member, first, last) in ranges {
        keys.uuid(member.0).int(first.0).int(last.0);
    }
    let issuer = issuer.map(|issuer| issuer.as_str().to_owned());
    let call = link.call(&LOTS_EXPIRING).table(keys).text_or_null(issuer);
    link.packed_rows(call, LOT_KINDS, |row| lot(row, house)).await
}

const LOTS_PENDING: Sql = Sql::new(
    concat!(
        "-- store.lots_pending
    SELECT ",
        lot_columns!(),
        " FROM (SELECT substr($2, value->>0, 16) AS member_id FROM jsonb_each($1)) AS m
    CROSS JOIN lots AS l INDEXED BY lots_pending WHERE l.member_id = m.member_id AND l.pending > 0"
    ),
    concat!(
        "-- store.lots_pending
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[]) AS m (member_id)
    JOIN lots AS l ON l.member_id = m.member_id AND l.pending > 0"
    ),
);

/// The lots with pending points of each member.
pub(super) async fn lots_pending(
    link: &mut Link<'_>,
    house: &House,
    members: &[MemberId],
) -> Result<Vec<Lot>, StoreError> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOTS_PENDING).table(ids(link, members));
    link.rows(call, |row| lot(row, house)).await
}

// No index helps: this is one member's range, read for a return without a receipt, which is rare.
const LOTS_NEWEST: Sql = Sql::both(concat!(
    "-- store.lots_newest
    SELECT ",
    lot_columns!(),
    " FROM lots AS l
    WHERE l.member_id = $1 AND l.issuer = $2 AND l.origin_member_id IS NULL AND l.reversed < l.size
    ORDER BY l.entry_no DESC, l.part DESC LIMIT $3"
));

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

fn ids(link: &Link<'_>, members: &[MemberId]) -> super::sql::Table {
    let mut keys = link.table(&[Kind::Uuid]);
    for member in members {
        keys.uuid(member.0);
    }
    keys
}

const LOTS_BY_PLACE: Sql = Sql::new(
    concat!(
        "-- store.lots_by_place
    SELECT group_concat(",
        packed_lot!(),
        ", ';') FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS expires_at, value->>2 AS entry_no, value->>3 AS part
        FROM jsonb_each($1)) AS k
    CROSS JOIN lots AS l
    WHERE l.member_id = k.member_id AND l.expires_at = k.expires_at AND l.entry_no = k.entry_no AND l.part = k.part"
    ),
    concat!(
        "-- store.lots_by_place
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k (member_id, expires_at, entry_no, part)
    JOIN lots AS l USING (member_id, expires_at, entry_no, part)"
    ),
);

const LOTS_BY_NUMBER: Sql = Sql::new(
    concat!(
        "-- store.lots_by_number
    SELECT ",
        lot_columns!(),
        " FROM (SELECT substr($2, value->>0, 16) AS member_id, value->>1 AS entry_no, value->>2 AS part FROM jsonb_each($1)) AS k
    CROSS JOIN lots AS l WHERE l.member_id = k.member_id AND l.entry_no = k.entry_no AND l.part = k.part"
    ),
    concat!(
        "-- store.lots_by_number
    SELECT ",
        lot_columns!(),
        " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS k (member_id, entry_no, part)
    JOIN lots AS l USING (member_id, entry_no, part)"
    ),
);

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
    let mut places = link.table(&[Kind::Uuid, Kind::Int, Kind::Int, Kind::Int]);
    for (id, expires) in lots {
        places.uuid(id.member.0).int(expires.0).int(id.entry_no).int(i64::from(id.part));
    }
    let call = link.call(&LOTS_BY_PLACE).table(places);
    let mut found = link.packed_rows(call, LOT_KINDS, |row| lot(row, house)).await?;
    let mut numbers = link.table(&[Kind::Uuid, Kind::Int, Kind::Int]);
    let seen: BTreeSet<LotId> = found.iter().map(|lot| lot.id).collect();
    for (id, _) in lots.iter().filter(|(id, _)| !seen.contains(id)) {
        numbers.uuid(id.member.0).int(id.entry_no).int(i64::from(id.part));
    }
    if !numbers.is_empty() {
        let call = link.call(&LOTS_BY_NUMBER).table(numbers);
        found.extend(link.rows(call, |row| lot(row, house)).await?);
    }
    Ok(found)
}

/// A lot from [`lot_columns`].
pub(super) fn lot(row: &dyn Cells, house: &House) -> Result<Lot, StoreError> {
    let issuer = partner_id(row.text(4)?)?;
    let terms = small(row.int(5)?)?;
    let version = house.partners.get(&issuer).and_then(|partner| partner.terms_version(terms));
    let version = version.ok_or_else(|| StoreError::permanent(format!("there are no terms {terms} of {issuer}")))?;
    let origin = match (row.uuid_or_null(11)?, row.int_or_null(12)?, row.int_or_null(13)?) {
        (Some(member), Some(entry_no), Some(part)) => {
            Some(LotId { member: MemberId(member), entry_no, part: small(part)? })
        }
        (None, None, None) => None,
        _ => return Err(StoreError::permanent(format!("a lot of {issuer} names half of the lot it comes from"))),
    };
    Ok(Lot {
        id: LotId { member: MemberId(row.uuid(0)?), entry_no: row.int(2)?, part: small(row.int(3)?)? },
        issuer,
        terms,
        funding: version.funding,
        size: Points(row.int(6)?),
        available: Points(row.int(7)?),
        expires: Timestamp(row.int(1)?),
        entry: EntryId { batch: BatchId(row.uuid(8)?), ordinal: small(row.int(9)?)? },
        origin,
        activates: row.int_or_null(10)?.map(Timestamp),
        held: Points(row.int(14)?),
        pending: Points(row.int(15)?),
        lost: Points(row.int(16)?),
        reversed: Points(row.int(17)?),
        release_window: row.int_or_null(18)?.map(small).transpose()?,
    })
}

const RETURNS: Sql = Sql::new(
    "-- store.returns
    SELECT r.member_id, r.batch_id, r.ordinal, r.lots, r.amount, r.total
    FROM (SELECT substr($2, value->>0, 16) AS member_id, substr($2, value->>1, 16) AS batch_id, value->>2 AS ordinal
        FROM jsonb_each($1)) AS k
    CROSS JOIN returns AS r WHERE r.member_id = k.member_id AND r.batch_id = k.batch_id AND r.ordinal = k.ordinal",
    "-- store.returns
    SELECT r.member_id, r.batch_id, r.ordinal, r.lots, r.amount, r.total
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k (member_id, batch_id, ordinal)
    JOIN returns AS r USING (member_id, batch_id, ordinal)",
);

/// What was returned so far of a redemption or a purchase.
pub(super) struct ReturnedRow {
    pub entry: EntryId,
    pub returned: Returned,
    /// None if no return was one of a purchase.
    pub amount: Option<ReturnedAmount>,
}

/// What was returned so far of redemptions and purchases; those of which nothing was are left out.
pub(super) async fn returns(
    link: &mut Link<'_>,
    redemptions: &[(MemberId, EntryId)],
) -> Result<Vec<ReturnedRow>, StoreError> {
    if redemptions.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = link.table(&[Kind::Uuid, Kind::Uuid, Kind::Int]);
    for (member, entry) in redemptions {
        keys.uuid(member.0).uuid(entry.batch.0).int(i64::from(entry.ordinal));
    }
    let call = link.call(&RETURNS).table(keys);
    link.rows(call, returned_row).await
}

/// What was returned, from the columns member, batch, ordinal, lots, amount, total.
pub(super) fn returned_row(row: &dyn Cells) -> Result<ReturnedRow, StoreError> {
    let entry = EntryId { batch: BatchId(row.uuid(1)?), ordinal: small(row.int(2)?)? };
    let returned = Returned::from_bytes(MemberId(row.uuid(0)?), row.bytes(3)?);
    let returned = returned.map_err(|error| StoreError::damaged("a return", error))?;
    let amount = ReturnedAmount { amount: Money(row.int(4)?), total: Money(row.int(5)?) };
    Ok(ReturnedRow { entry, returned, amount: Some(amount).filter(|amount| !amount.total.is_zero()) })
}
