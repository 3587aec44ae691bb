//! How holds stand. What a hold was made at is in its entry.

use std::collections::BTreeSet;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::entry::Entry;
use clearing_core::facts::hold::{Hold, HoldState};
use clearing_core::units::{EntryId, MemberId, Points, Timestamp};

use super::cells::Row;
use super::save::of_book;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, HOLDS};
use super::{Store, StoreError, journal};

pub(super) static STATEMENTS: &[&Sql] = &[&HOLDS_BY_ENTRY, &HOLDS_OPEN, &HOLDS_BETWEEN, &SAVE_HOLDS];

/// How a hold stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldRow {
    pub id: EntryId,
    pub state: HoldState,
    pub captured: Points,
}

/// A hold without what its row repeats of its entry.
const STANDING: &[Column] = &[HOLDS.member_id, HOLDS.batch_id, HOLDS.ordinal, HOLDS.state, HOLDS.captured];

const KEY: &[Column] = &[HOLDS.member_id, HOLDS.batch_id, HOLDS.ordinal];

static HOLDS_BY_ENTRY: Sql =
    Sql::both("store.holds", "SELECT {holds h} FROM {rows k} CROSS JOIN holds AS h WHERE {match k h}")
        .takes(&[rows("k", KEY)])
        .gives(STANDING);

/// How holds of members stand.
pub(super) async fn holds(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(MemberId, EntryId)>,
) -> Result<Vec<HoldRow>, StoreError> {
    let mut keys = link.row_set(KEY);
    for (member, entry) in wanted {
        keys.uuid(HOLDS.member_id, member.0).uuid(HOLDS.batch_id, entry.batch.0);
        keys.int(HOLDS.ordinal, i64::from(entry.ordinal));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&HOLDS_BY_ENTRY).rows(keys);
    link.rows(call, hold).await
}

// Joined with the members, PostgreSQL would read the open holds of all while it believes that there are few; SQLite would read
// all holds that a member ever had.
static HOLDS_OPEN: Sql = Sql::new(
    "store.holds_open",
    "SELECT {holds h} FROM {rows m} CROSS JOIN holds AS h INDEXED BY holds_open
    WHERE h.member_id = m.member_id AND h.state = 1",
    "SELECT {holds} FROM holds WHERE member_id = ANY ({array m}) AND state = 1",
)
.takes(&[rows("m", &[HOLDS.member_id])])
.gives(STANDING);

/// The open holds of members.
pub(super) async fn holds_open(link: &mut Link<'_>, members: &[MemberId]) -> Result<Vec<HoldRow>, StoreError> {
    let mut keys = link.row_set(&[HOLDS.member_id]);
    for member in members {
        keys.uuid(HOLDS.member_id, member.0);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&HOLDS_OPEN).rows(keys);
    link.rows(call, hold).await
}

/// A hold with what its row repeats of its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeHoldRow {
    pub hold: HoldRow,
    pub member: MemberId,
    pub lapses: Timestamp,
}

static HOLDS_BETWEEN: Sql =
    Sql::both("store.holds_between", "SELECT {holds} FROM holds WHERE member_id BETWEEN $1 AND $2").gives(HOLDS.all);

/// All holds there ever were of members with ids from the first to the last.
pub(super) async fn holds_between(
    link: &mut Link<'_>,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<WholeHoldRow>, StoreError> {
    let call = link.call(&HOLDS_BETWEEN).uuid(first.0).uuid(last.0);
    let whole = |row: &Row<'_>| {
        let (member, lapses) = (row.member(HOLDS.member_id)?, row.time(HOLDS.lapses_at)?);
        Ok(WholeHoldRow { hold: hold(row)?, member, lapses })
    };
    link.rows(call, whole).await
}

fn hold(row: &Row<'_>) -> Result<HoldRow, StoreError> {
    let state = match row.int(HOLDS.state)? {
        1 => HoldState::Open,
        2 => HoldState::Captured,
        3 => HoldState::Voided,
        4 => HoldState::Lapsed,
        state => return Err(StoreError::permanent(format!("a hold has the unknown state {state}"))),
    };
    Ok(HoldRow { id: row.entry(HOLDS.batch_id, HOLDS.ordinal)?, state, captured: row.points(HOLDS.captured)? })
}

fn state_number(state: HoldState) -> i64 {
    match state {
        HoldState::Open => 1,
        HoldState::Captured => 2,
        HoldState::Voided => 3,
        HoldState::Lapsed => 4,
    }
}

impl HoldRow {
    /// The hold, from the entry that made it.
    pub fn of_entry(self, entry: &Entry) -> Result<Hold, StoreError> {
        let hold = Hold::opened_by(self.id, entry);
        let hold = hold.ok_or_else(|| StoreError::permanent(format!("entry {} made no hold", self.id)))?;
        Ok(Hold { state: self.state, captured: self.captured, ..hold })
    }
}

static SAVE_HOLDS: Sql = Sql::both(
    "store.save_holds",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET state = excluded.state, captured = excluded.captured",
)
.takes(&[rows("k", HOLDS.all)]);

/// Writes the holds that a batch has made or changed.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut holds = link.row_set(HOLDS.all);
    for id in &changes.holds {
        let hold = of_book(book.holds.get(id))?;
        holds.uuid(HOLDS.member_id, hold.member.0).uuid(HOLDS.batch_id, id.batch.0);
        holds.int(HOLDS.ordinal, i64::from(id.ordinal)).int(HOLDS.lapses_at, hold.facts.lapses.0);
        holds.int(HOLDS.state, state_number(hold.state)).int(HOLDS.captured, hold.captured.0);
    }
    link.write(&SAVE_HOLDS, holds).await
}

impl Store {
    /// The hold that an entry made, as it is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hold(&self, id: EntryId) -> Result<Option<Hold>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let entry = journal::entries(&mut link, [id].into_iter()).await?.pop().map(|stored| stored.entry);
        let member = entry.as_ref().filter(|entry| entry.hold().is_some()).and_then(|entry| entry.member);
        let rows = holds(&mut link, &member.map(|member| (member, id)).into_iter().collect()).await?;
        snapshot.finish().await?;
        entry.and_then(|entry| Some(rows.first()?.of_entry(&entry))).transpose()
    }
}
