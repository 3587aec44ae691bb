//! Members: their rows, which are their locks. What is known of a member is packed in there, most often with all its lots.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::member::Member;
use clearing_core::units::{IdentifierHash, MemberId, Timestamp};

use super::cells::Row;
use super::lot_row::LotRow;
use super::rows::RowSet;
use super::save::{Stored, of_book};
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, MEMBERS};
use super::{Backend, Store, StoreError, funding};

pub(super) static STATEMENTS: &[&Sql] = &[
    &MEMBERS_BY_ID,
    &LOCK_MEMBERS,
    &LOCK_NAMED,
    &MEMBERS_AFTER,
    &MEMBER_ROWS,
    &MEMBERS_EXPIRING,
    &MEMBERS_BETWEEN,
    &MEMBERS_WEIGHED,
    &NOTICE_STRETCH,
    &MEMBERS_DUE,
];

/// A member without what is due next, which its row says as well, and without its lots.
const MEMBER: &[Column] = &[MEMBERS.member_id, MEMBERS.entry_no, MEMBERS.holdings];

/// A member with its lots.
const WITH_LOTS: &[Column] = &[MEMBERS.member_id, MEMBERS.entry_no, MEMBERS.holdings, MEMBERS.lots];

const KEY: &[Column] = &[MEMBERS.member_id];

static MEMBERS_BY_ID: Sql = Sql::new(
    "store.members",
    "SELECT {members m} FROM {rows k} CROSS JOIN members AS m WHERE {match k m}",
    "SELECT {members} FROM members WHERE member_id = ANY ({array k}) ORDER BY member_id",
)
.takes(&[rows("k", KEY)])
.gives(WITH_LOTS);

static LOCK_MEMBERS: Sql = Sql::new(
    "store.lock_members",
    "SELECT {members m} FROM {rows k} CROSS JOIN members AS m WHERE {match k m}",
    "SELECT {members} FROM members WHERE member_id = ANY ({array k}) ORDER BY member_id FOR UPDATE",
)
.takes(&[rows("k", KEY)])
.gives(WITH_LOTS);

/// The rows of members; locked in ascending order until the transaction ends if `lock` is set.
pub(super) async fn members(
    link: &mut Link<'_>,
    ids: impl Iterator<Item = MemberId>,
    lock: bool,
) -> Result<Vec<(Member, LotRow)>, StoreError> {
    let mut keys = link.row_set(KEY);
    for id in ids {
        keys.uuid(MEMBERS.member_id, id.0);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(if lock { &LOCK_MEMBERS } else { &MEMBERS_BY_ID }).rows(keys);
    link.rows(call, with_lots).await
}

static LOCK_NAMED: Sql = Sql::postgres(
    "store.lock_named",
    "SELECT {members m} FROM identifiers AS i CROSS JOIN members AS m
    WHERE i.identifier_hash = {hash} AND m.member_id = i.member_id FOR UPDATE OF m",
)
.takes(&[one("hash")])
.gives(WITH_LOTS);

/// The row of the member that an identifier names, locked until the transaction ends; none if nobody has enrolled it.
pub(super) async fn lock_named(
    link: &mut Link<'_>,
    hash: &IdentifierHash,
) -> Result<Option<(Member, LotRow)>, StoreError> {
    let call = link.call(&LOCK_NAMED).bytes(hash.0.to_vec());
    link.row(call, with_lots).await
}

static MEMBERS_AFTER: Sql =
    Sql::both("store.members_after", "SELECT {members} FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2")
        .gives(MEMBER);

/// At most `limit` members, without their lots, by id from behind `after`.
pub(super) async fn members_after(link: &mut Link<'_>, after: MemberId, limit: u32) -> Result<Vec<Member>, StoreError> {
    let call = link.call(&MEMBERS_AFTER).uuid(after.0).int(i64::from(limit));
    link.rows(call, member).await
}

static MEMBER_ROWS: Sql =
    Sql::both("store.member_rows", "SELECT {members} FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2")
        .gives(WITH_LOTS);

/// At most `limit` members by id from behind `after`, each with its lots as they are packed in its row.
pub(super) async fn member_rows(
    link: &mut Link<'_>,
    after: MemberId,
    limit: u32,
) -> Result<Vec<(Member, Vec<u8>)>, StoreError> {
    let call = link.call(&MEMBER_ROWS).uuid(after.0).int(i64::from(limit));
    link.rows(call, |row| Ok((member(row)?, row.bytes(MEMBERS.lots)?.to_vec()))).await
}

// The last member of a stretch, and the first behind it.
static NOTICE_STRETCH: Sql = Sql::both(
    "store.notice_stretch",
    "SELECT {members} FROM members WHERE member_id >= $1 ORDER BY member_id LIMIT 2 OFFSET $2",
)
.gives(KEY);

/// The last of so many members from a place on, and the first behind it, as far as there are these.
pub(super) async fn stretch(link: &mut Link<'_>, from: MemberId, members: u32) -> Result<Vec<MemberId>, StoreError> {
    let call = link.call(&NOTICE_STRETCH).uuid(from.0).int(i64::from(members) - 1);
    link.rows(call, |row| row.member(MEMBERS.member_id)).await
}

static MEMBERS_EXPIRING: Sql = Sql::both(
    "store.members_expiring",
    "SELECT {members} FROM members
    WHERE member_id >= $1 AND member_id <= $2 AND next_due_at <= $3 ORDER BY member_id LIMIT $4",
)
.gives(WITH_LOTS);

/// At most `limit` members from the first to the last for whom something is due by `until`.
pub(super) async fn members_expiring(
    link: &mut Link<'_>,
    (first, last): (MemberId, MemberId),
    until: Timestamp,
    limit: i64,
) -> Result<Vec<(Member, LotRow)>, StoreError> {
    let call = link.call(&MEMBERS_EXPIRING).uuid(first.0).uuid(last.0).int(until.0).int(limit);
    link.rows(call, with_lots).await
}

static MEMBERS_BETWEEN: Sql =
    Sql::both("store.members_between", "SELECT {members} FROM members WHERE member_id BETWEEN $1 AND $2")
        .gives(MEMBERS.all);

/// All members with ids from the first to the last, each with what its column says is due next.
pub(super) async fn members_between(
    link: &mut Link<'_>,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<(Member, LotRow, Timestamp)>, StoreError> {
    let call = link.call(&MEMBERS_BETWEEN).uuid(first.0).uuid(last.0);
    let of_row = |row: &Row<'_>| {
        let (member, lots) = with_lots(row)?;
        Ok((member, lots, row.time(MEMBERS.next_due_at)?))
    };
    link.rows(call, of_row).await
}

static MEMBERS_WEIGHED: Sql = Sql::both(
    "store.members_weighed",
    "SELECT {members} FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2",
)
.gives(&[MEMBERS.member_id, MEMBERS.entry_no]);

/// At most `limit` members by id from behind `after`, each with the number of its entries.
pub(super) async fn members_weighed(
    link: &mut Link<'_>,
    after: MemberId,
    limit: i64,
) -> Result<Vec<(MemberId, i64)>, StoreError> {
    let call = link.call(&MEMBERS_WEIGHED).uuid(after.0).int(limit);
    link.rows(call, |row| Ok((row.member(MEMBERS.member_id)?, row.int(MEMBERS.entry_no)?))).await
}

fn member(row: &Row<'_>) -> Result<Member, StoreError> {
    let id = row.member(MEMBERS.member_id)?;
    let member = Member::from_bytes(id, row.int(MEMBERS.entry_no)?, row.bytes(MEMBERS.holdings)?);
    member.map_err(|error| StoreError::damaged("a member", error))
}

fn with_lots(row: &Row<'_>) -> Result<(Member, LotRow), StoreError> {
    Ok((member(row)?, LotRow::from_bytes(row.bytes(MEMBERS.lots)?)?))
}

/// A member as it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// From when on something was due for it, as is stored.
    pub due: Timestamp,
    pub lots: LotRow,
}

/// Members as a batch leaves them.
pub(super) struct Changed {
    pub rows: RowSet,
    /// On SQLite, those for whom the same is due next as before: there the index over it would be written anew all the same.
    /// PostgreSQL sees by itself that an indexed column has not changed.
    pub due_as_before: RowSet,
}

/// What is written of a member for whom the same is due next as before.
pub(super) const DUE_AS_BEFORE: &[Column] = WITH_LOTS;

/// The rows of members that a batch has changed, or whose lots it has.
pub(super) fn changed(
    link: &Link<'_>,
    book: &Book,
    changes: &Changes,
    stored: &Stored,
    lots: &BTreeMap<MemberId, LotRow>,
) -> Result<Changed, StoreError> {
    let zone = &book.house.coalition.time_zone;
    let (mut rows, mut due_as_before) = (link.row_set(MEMBERS.all), link.row_set(DUE_AS_BEFORE));
    let apart = link.backend() == Backend::Sqlite;
    let changed: BTreeSet<MemberId> = changes.members.iter().chain(lots.keys()).copied().collect();
    for id in &changed {
        let member = of_book(book.members.get(id))?;
        let (next_expiry, points) = book.first_expiry(member);
        let mut member = member.clone();
        member.know_expiry(next_expiry, points);
        let due = member.next_due(zone);
        let found = stored.members.get(id);
        let lots = lots
            .get(id)
            .or(found.map(|found| &found.lots))
            .map_or_else(|| LotRow::default().to_bytes(), LotRow::to_bytes);
        if apart && found.is_some_and(|found| found.due == due) {
            due_as_before.uuid(MEMBERS.member_id, id.0).int(MEMBERS.entry_no, member.entry_no);
            due_as_before.bytes(MEMBERS.holdings, &member.to_bytes()).bytes(MEMBERS.lots, &lots);
            continue;
        }
        rows.uuid(MEMBERS.member_id, id.0).int(MEMBERS.entry_no, member.entry_no).int(MEMBERS.next_due_at, due.0);
        rows.bytes(MEMBERS.holdings, &member.to_bytes()).bytes(MEMBERS.lots, &lots);
    }
    Ok(Changed { rows, due_as_before })
}

/// A member for whom something may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberDue {
    /// Nothing is due for it before this.
    pub due: Timestamp,
    pub member: MemberId,
}

static MEMBERS_DUE: Sql = Sql::both(
    "store.members_due",
    "SELECT {members} FROM members
    WHERE next_due_at < 9223372036854775807 AND next_due_at <= {until}
    AND (next_due_at, member_id) > ({due}, {member})
    ORDER BY next_due_at, member_id LIMIT {limit}",
)
.takes(&[one("until"), one("due"), one("member"), one("limit")])
.gives(&[MEMBERS.next_due_at, MEMBERS.member_id]);

impl Store {
    /// At most `limit` members for whom something may be due by `until`, the earliest first, from behind `after`: by
    /// their own rows, or because points that they wait for were paid for.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_due(
        &self,
        until: Timestamp,
        after: Option<MemberDue>,
        limit: u32,
    ) -> Result<Vec<MemberDue>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let after = after.unwrap_or(MemberDue { due: Timestamp(i64::MIN), member: MemberId(0) });
        let MemberDue { due, member } = after;
        let call = link.call(&MEMBERS_DUE).int(until.0).int(due.0).uuid(member.0).int(i64::from(limit));
        let found = |row: &Row<'_>| {
            Ok(MemberDue { due: row.time(MEMBERS.next_due_at)?, member: row.member(MEMBERS.member_id)? })
        };
        let mut members = link.rows(call, found).await?;
        if funding::is_releasing(&mut link).await? {
            members.extend(funding::members_paid_for(&mut link, until, after, limit).await?);
            members.sort_unstable();
            members.dedup();
            members.truncate(limit as usize);
        }
        Ok(members)
    }

    /// At most `limit` members, without their lots, by id from behind `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_after(&self, after: MemberId, limit: u32) -> Result<Vec<Member>, StoreError> {
        let mut reader = self.reader().await?;
        members_after(&mut reader.link(), after, limit).await
    }
}
