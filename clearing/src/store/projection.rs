//! The projection of the journal by party: which entries a partner has a part in, by what it finds them, and what the
//! lines of its statements come to.
//!
//! | who | what it does |
//! |---|---|
//! | the writer | nothing: no batch waits for a list |
//! | a [`Projector`] of every node | moves the projection along, a step at a time, of bounded size |
//! | a reader | reads what is projected, and looks through the few entries behind it itself: it writes nothing |
//!
//! So what was acknowledged is always in the list. A reader that finds more left behind than it looks through waits for the
//! projectors, but not for long: then it is told how many entries the lists are behind, and to ask again. The
//! projection may be thrown away and made again at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use clearing_core::chart::Purpose;
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::rules::statement::{self, Role, Total, Totals};
use clearing_core::units::{EntryId, MemberId, Money, Overflow, PartnerId, Points, RequestId, WindowNumber};
use tokio::time::Instant;

use super::cells::Row;
use super::session::Connection;
use super::snapshot::{BEGIN, COMMIT};
use super::sql::{Link, Sql, Takes, one, rows};
use super::tables::{Column, ENTRIES, ENTRY_PARTIES, Kind, PARTY_TOTALS};
use super::windows::WindowRow;
use super::{Backend, Snapshot, Store, StoreError, actions, identifiers, journal, requests};

pub(super) static STATEMENTS: &[&Sql] = &[
    &STANDING,
    &COMMIT_LATER,
    &MOVE_CURSOR,
    &PROJECT,
    &NUMBERED,
    &NUMBER,
    &TOTALS,
    &SAVE_TOTALS,
    &TOTALS_OF_WINDOW,
    &OF_WINDOW,
    &BY_SEQUENCE,
    &BY_RECEIPT,
    &BY_MEMBER,
    &BY_STORE,
    &BY_BUSINESS_DATE,
];

/// Entries projected in one transaction: how many at first, at the least and at the most.
const STEP: i64 = 500;
const STEP_MIN: i64 = 100;
const STEP_MAX: i64 = 2_000;

/// How long the transaction of a step may take. On SQLite it holds the writer up for as long.
const STEP_TIME: Duration = Duration::from_millis(20);

/// Entries behind the projection that a reader looks through itself.
pub const LOOKED_THROUGH_MAX: i64 = 5_000;

/// How long a reader waits for a projection that is further behind, and how often it looks.
const WAIT: Duration = Duration::from_millis(800);
const LOOK: Duration = Duration::from_millis(20);

const NAME: &str = "entry_parties";

/// Which of a partner's entries to list. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub receipt_number: Option<Code>,
    pub business_date: Option<BusinessDate>,
    pub member: Option<MemberRef>,
    pub window: Option<WindowNumber>,
    /// Only entries with a smaller sequence than this, in the journal.
    pub before_sequence: Option<i64>,
}

/// An entry that a partner has a part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEntry {
    pub written: JournalEntry,
    /// Its place among the partner's entries, from 1.
    pub own_sequence: i64,
}

/// How many entries each of some partners has in the projection.
async fn numbered(
    link: &mut Link<'_>,
    partners: impl IntoIterator<Item = PartnerId>,
) -> Result<BTreeMap<PartnerId, i64>, StoreError> {
    let mut keys = link.row_set(NUMBERED_KEY);
    for partner in partners {
        keys.text(ENTRY_PARTIES.partner, partner.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&NUMBERED).rows(keys);
    let row = |row: &Row<'_>| Ok((row.partner(ENTRY_PARTIES.partner)?, row.int(ENTRY_PARTIES.own_sequence)?));
    Ok(link.rows(call, row).await?.into_iter().collect())
}

const CURSOR: Column = Column::made("cursor", Kind::Int);
const END: Column = Column::made("end", Kind::Int);

// On an empty database the end is null.
static STANDING: Sql = Sql::both(
    "store.projection_standing",
    "SELECT COALESCE((SELECT next_sequence FROM projection_cursors WHERE name = $1), 1) AS cursor,
        (SELECT next_sequence FROM journal_head) AS \"end\"",
)
.gives(&[CURSOR, END]);

// A projection that a crash takes back is made again, so its commits need not wait for the disk. They are never on it
// without the entries before them.
static COMMIT_LATER: Sql =
    Sql::new("store.commit_later", "PRAGMA synchronous = NORMAL", "SET synchronous_commit = off");

static MOVE_CURSOR: Sql = Sql::both(
    "store.move_projection_cursor",
    "INSERT INTO projection_cursors (name, next_sequence) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET next_sequence = excluded.next_sequence
    WHERE projection_cursors.next_sequence = $3",
);

static PROJECT: Sql = Sql::both("store.project", "{insert p}").takes(&[rows("p", ENTRY_PARTIES.all)]);

const NUMBERED_KEY: &[Column] = &[ENTRY_PARTIES.partner];

// How many entries each partner has so far.
static NUMBERED: Sql = Sql::both(
    "store.entries_numbered",
    "SELECT k.partner AS partner, COALESCE((SELECT own_sequence FROM entry_parties AS p WHERE p.partner = k.partner
        ORDER BY p.sequence DESC LIMIT 1), 0) AS own_sequence
    FROM {rows k}",
)
.takes(&[rows("k", NUMBERED_KEY)])
.gives(&[ENTRY_PARTIES.partner, ENTRY_PARTIES.own_sequence]);

static NUMBER: Sql =
    Sql::both("store.entry_number", "SELECT {entry_parties} FROM entry_parties WHERE partner = $1 AND sequence = $2")
        .gives(&[ENTRY_PARTIES.own_sequence]);

const STATEMENT: &[Column] = &[PARTY_TOTALS.partner, PARTY_TOTALS.window_number];

static TOTALS: Sql = Sql::both(
    "store.party_totals",
    "SELECT {party_totals t} FROM {rows k} CROSS JOIN party_totals AS t WHERE {match k t}",
)
.takes(&[rows("k", STATEMENT)])
.gives(PARTY_TOTALS.all);

static SAVE_TOTALS: Sql = Sql::both("store.save_party_totals", "{upsert t}").takes(&[rows("t", PARTY_TOTALS.all)]);

static TOTALS_OF_WINDOW: Sql = Sql::both(
    "store.party_totals_of_window",
    "SELECT {party_totals} FROM party_totals WHERE partner = $1 AND window_number = $2",
)
.gives(PARTY_TOTALS.all);

/// An entry with its place in the lists of a party.
const LISTED: &[Column] =
    &[ENTRIES.batch_id, ENTRIES.ordinal, ENTRIES.packed, ENTRY_PARTIES.sequence, ENTRY_PARTIES.own_sequence];

static OF_WINDOW: Sql = Sql::both(
    "store.entries_of_window",
    "SELECT {entries e}, {entry_parties p}
    FROM (SELECT sequence, own_sequence, batch_id, ordinal FROM entry_parties
        WHERE partner = $1 AND sequence >= $2 AND sequence < $3 ORDER BY sequence LIMIT $4) AS p
    JOIN entries AS e ON e.batch_id = p.batch_id AND e.ordinal = p.ordinal ORDER BY p.sequence",
)
.gives(LISTED);

/// A list of a partner's entries, newest first, that begins from the index of one filter; the others are checked on
/// its rows. SQLite is told which index: it would read all entries of the partner in the order of the key instead.
macro_rules! list {
    ($name:literal, $indexed:literal, $anchor:literal) => {
        Sql::new($name, list!(@ $indexed, "blob", $anchor), list!(@ "", "uuid", $anchor)).takes(FILTER).gives(LISTED)
    };
    (@ $indexed:literal, $uuid:literal, $anchor:literal) => {
        concat!(
            "SELECT {entries e}, {entry_parties p}
    FROM (SELECT sequence, own_sequence, batch_id, ordinal FROM entry_parties",
            $indexed,
            "
        WHERE partner = {partner} AND sequence < {before} AND ",
            $anchor,
            " AND (CAST({member} AS ",
            $uuid,
            ") IS NULL OR member_id = {member})
        AND (CAST({store} AS text) IS NULL OR store = {store})
        AND (CAST({till} AS text) IS NULL OR till = {till})
        AND (CAST({receipt} AS text) IS NULL OR receipt_number = {receipt})
        AND (CAST({date} AS bigint) IS NULL OR business_date = {date})
        AND (CAST({window} AS bigint) IS NULL OR window_number = {window})
        AND sequence >= {from}
        ORDER BY sequence DESC LIMIT {limit}) AS p
    JOIN entries AS e ON e.batch_id = p.batch_id AND e.ordinal = p.ordinal ORDER BY p.sequence DESC"
        )
    };
}

const FILTER: &[Takes] = &[
    one("partner"),
    one("before"),
    one("member"),
    one("store"),
    one("till"),
    one("receipt"),
    one("date"),
    one("window"),
    one("from"),
    one("limit"),
];

static BY_SEQUENCE: Sql = list!("store.entries_by_sequence", "", "true");
static BY_RECEIPT: Sql =
    list!("store.entries_by_receipt", " INDEXED BY entry_parties_by_receipt", "receipt_number = {receipt}");
static BY_MEMBER: Sql = list!("store.entries_by_member", " INDEXED BY entry_parties_by_member", "member_id = {member}");
static BY_STORE: Sql = list!("store.entries_by_store", " INDEXED BY entry_parties_by_store", "store = {store}");
static BY_BUSINESS_DATE: Sql =
    list!("store.entries_by_business_date", " INDEXED BY entry_parties_by_business_date", "business_date = {date}");

/// An entry from what is [`LISTED`].
fn listed(row: &Row<'_>) -> Result<OwnEntry, StoreError> {
    let written = journal::entry_at(row, row.int(ENTRY_PARTIES.sequence)?)?;
    Ok(OwnEntry { written, own_sequence: row.int(ENTRY_PARTIES.own_sequence)? })
}

/// How far the projection and the journal have come: the next sequence of each.
#[derive(Debug, Clone, Copy)]
struct Standing {
    cursor: i64,
    end: i64,
}

async fn standing(link: &mut Link<'_>) -> Result<Standing, StoreError> {
    let call = link.call(&STANDING).text(NAME);
    let standing = |row: &Row<'_>| Ok((row.int(CURSOR)?, row.int_or_null(END)?));
    match link.row(call, standing).await? {
        Some((cursor, Some(end))) => Ok(Standing { cursor, end }),
        Some((_, None)) | None => Err(journal::no_coalition()),
    }
}

/// A state of the database, with the entries in it that are not projected yet and that a reader wants.
pub(super) struct Settled {
    pub snapshot: Snapshot,
    /// In journal order.
    pub rest: Vec<JournalEntry>,
}

impl Settled {
    /// Those of the rest that a partner has a part in: their numbers go on where the projection ends.
    async fn rest_of(&mut self, partner: PartnerId) -> Result<Vec<OwnEntry>, StoreError> {
        let rest = std::mem::take(&mut self.rest).into_iter();
        let own: Vec<JournalEntry> = rest.filter(|written| written.entry.parties().contains(&partner)).collect();
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let before = numbered(&mut self.snapshot.link(), [partner]).await?.remove(&partner).unwrap_or_default();
        let own = (before + 1..).zip(own).map(|(own_sequence, written)| OwnEntry { written, own_sequence });
        Ok(own.collect())
    }
}

impl Store {
    /// A state that holds, projected or beside the projection, all entries that were in the journal when this was called, of
    /// those with sequences up to, but not including, `before`.
    pub(super) async fn settled(&self, before: i64) -> Result<Settled, StoreError> {
        let deadline = Instant::now() + WAIT;
        let mut wanted = None;
        loop {
            let mut snapshot = self.snapshot().await?;
            let Standing { cursor, end } = standing(&mut snapshot.link()).await?;
            let wanted = *wanted.get_or_insert(end.min(before));
            if wanted - cursor <= LOOKED_THROUGH_MAX {
                // From the end of the projection on, whatever the reader wants of it: numbers of entries are counted from there.
                let last = end.min(before).min(cursor.saturating_add(LOOKED_THROUGH_MAX));
                let mut rest = Vec::new();
                if cursor < last {
                    rest = journal::entries_of_range(&mut snapshot.link(), cursor, last, LOOKED_THROUGH_MAX).await?;
                }
                return Ok(Settled { snapshot, rest });
            }
            snapshot.finish().await?;
            if Instant::now() >= deadline {
                return Err(StoreError::behind(wanted - cursor));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// At most `limit` entries that a partner has a part in, newest first.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn entries_of(
        &self,
        partner: PartnerId,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<Vec<OwnEntry>, StoreError> {
        let (mut from, mut before) = (1, filter.before_sequence.unwrap_or(i64::MAX));
        if let Some(number) = filter.window {
            // The entries of a window are one range of the journal. Of a window that there is not, there are none.
            let Some(row) = self.window_row(number).await? else { return Ok(Vec::new()) };
            (from, before) = (row.first_sequence, before.min(row.end_sequence.unwrap_or(i64::MAX)));
        }
        let mut settled = self.settled(before).await?;
        let rest = settled.rest_of(partner).await?;
        let mut snapshot = settled.snapshot;
        let member = match filter.member {
            None => None,
            Some(MemberRef::Id(id)) => Some(id),
            Some(MemberRef::Identifier(hash)) => {
                match identifiers::identifiers(&mut snapshot.link(), &[hash]).await?.first() {
                    Some((_, member)) => Some(*member),
                    None => {
                        // Nobody has this identifier, so there is nothing of it.
                        snapshot.finish().await?;
                        return Ok(Vec::new());
                    }
                }
            }
        };
        let rest = rest.into_iter().rev().filter(|own| is_listed(partner, filter, member, &own.written.entry));
        let mut found: Vec<OwnEntry> = rest.take(limit).collect();
        if found.len() < limit {
            let left = limit - found.len();
            found.extend(list(&mut snapshot.link(), partner, filter, member, from..before, left).await?);
        }
        snapshot.finish().await?;
        Ok(found)
    }

    /// At most `limit` entries that a partner has a part in, of one window, from a sequence on, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn entries_of_window(
        &self,
        partner: PartnerId,
        window: &WindowRow,
        from: i64,
        limit: usize,
    ) -> Result<Vec<OwnEntry>, StoreError> {
        let (from, end) = (from.max(window.first_sequence), window.end_sequence.unwrap_or(i64::MAX));
        let mut settled = self.settled(end).await?;
        let rest = settled.rest_of(partner).await?;
        let mut snapshot = settled.snapshot;
        let mut link = snapshot.link();
        let call = link.call(&OF_WINDOW).text(partner.as_str()).int(from).int(end);
        let call = call.int(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found = link.rows(call, listed).await?;
        snapshot.finish().await?;
        let rest = rest.into_iter().filter(|own| own.written.sequence >= from);
        found.extend(rest.take(limit - found.len()));
        Ok(found)
    }

    /// What all lines of a partner's statement of a window come to.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal. The inner error if a sum does not fit.
    pub async fn statement_totals(
        &self,
        partner: PartnerId,
        window: &WindowRow,
    ) -> Result<Result<Totals, Overflow>, StoreError> {
        let end = window.end_sequence.unwrap_or(i64::MAX);
        let Settled { mut snapshot, rest } = self.settled(end).await?;
        let number = window.window.number;
        let mut link = snapshot.link();
        let call = link.call(&TOTALS_OF_WINDOW).text(partner.as_str()).int(i64::from(number));
        let rows = link.rows(call, total).await?;
        snapshot.finish().await?;
        let mut sums = Sums::of(rows);
        for written in rest.iter().filter(|written| written.entry.window == number) {
            sums.add_lines(partner, written);
        }
        Ok(sums.of_statement(partner, number))
    }

    /// The place of an entry among those that a partner has a part in; none if it has no part in it.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn own_sequence(&self, partner: PartnerId, sequence: i64) -> Result<Option<i64>, StoreError> {
        let mut settled = self.settled(sequence.saturating_add(1)).await?;
        let rest = settled.rest_of(partner).await?;
        let mut snapshot = settled.snapshot;
        let mut link = snapshot.link();
        let call = link.call(&NUMBER).text(partner.as_str()).int(sequence);
        let projected = link.row(call, |row: &Row<'_>| row.int(ENTRY_PARTIES.own_sequence)).await?;
        snapshot.finish().await?;
        let of_rest = || rest.iter().find(|own| own.written.sequence == sequence).map(|own| own.own_sequence);
        Ok(projected.or_else(of_rest))
    }

    /// The first entry that an accepted request wrote.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entry_of_request(
        &self,
        partner: PartnerId,
        request: RequestId,
    ) -> Result<Option<EntryId>, StoreError> {
        let found = requests::requests(&mut self.reader().await?.link(), [(partner, request)].into_iter()).await?;
        Ok(found.first().filter(|row| row.stands()).and_then(|row| row.entries().first().copied()))
    }

    /// Those of a partner's keys whose requests were abandoned.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn abandoned_requests(
        &self,
        partner: PartnerId,
        ids: &[RequestId],
    ) -> Result<BTreeSet<RequestId>, StoreError> {
        let keys = ids.iter().map(|id| (partner, *id));
        let found = requests::requests(&mut self.reader().await?.link(), keys).await?;
        Ok(found.iter().filter(|row| row.is_abandoned()).map(|row| row.key.1).collect())
    }
}

/// Moves the projection along. One belongs to every node; those of several nodes do each step once.
#[derive(Debug)]
pub struct Projector {
    store: Store,
    /// Taken out while it works: if the caller goes away, the connection goes with it, and with that its transaction.
    connection: Option<Connection>,
    /// Entries of the next step.
    size: i64,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Entries that the projection is still behind the journal as it was when the step began.
    pub behind: i64,
    /// How long the step held up whoever writes to SQLite.
    pub took: Duration,
    /// Another node was faster with the same step.
    pub lost: bool,
    /// Nobody of this process was writing to SQLite when it began.
    pub alone: bool,
}

impl Projector {
    pub fn new(store: Store) -> Self {
        Self { store, connection: None, size: STEP }
    }

    /// Projects the next entries, if there are any, in one transaction.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        let mut snapshot = self.store.reader().await?;
        let Standing { cursor, end } = standing(&mut snapshot.link()).await?;
        if cursor >= end {
            return Ok(Step { behind: 0, took: Duration::ZERO, lost: false, alone: false });
        }
        // Read beside the writer: what is in the journal does not change any more.
        let entries = journal::entries_of_range(&mut snapshot.link(), cursor, end, self.size).await?;
        snapshot.finish().await?;
        let next = entries.last().map_or(cursor, |last| last.sequence + 1);
        if next == cursor {
            return Err(StoreError::permanent(format!("entry {cursor} of the journal is missing")));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.store.open().await?;
                connection.link().run(&COMMIT_LATER).await?;
                connection
            }
        };
        let (_turn, alone) = match (connection.link().backend(), self.store.write_turn.try_lock()) {
            (Backend::Sqlite, Ok(turn)) => (Some(turn), true),
            (Backend::Sqlite, Err(_)) => (Some(self.store.write_turn.lock().await), false),
            (Backend::Postgres, _) => (None, false),
        };
        let began = Instant::now();
        let mut link = connection.link();
        link.run(&BEGIN).await?;
        // Moved first: of two nodes that project the same step, the second waits here and then finds it done.
        let call = link.call(&MOVE_CURSOR).text(NAME).int(next).int(cursor);
        let lost = link.execute(call).await? == 0;
        if !lost {
            save_parties(&mut link, &entries).await?;
            save_totals(&mut link, &entries).await?;
            actions::project(&mut link, &entries).await?;
        }
        link.run(&COMMIT).await?;
        self.store.note_commit();
        let took = began.elapsed();
        self.connection = Some(connection);
        if took > STEP_TIME {
            self.size = (self.size / 2).max(STEP_MIN);
        } else if took < STEP_TIME / 2 {
            self.size = (self.size * 2).min(STEP_MAX);
        }
        Ok(Step { behind: if lost { end - cursor } else { end - next }, took, lost, alone })
    }
}

async fn save_parties(link: &mut Link<'_>, entries: &[JournalEntry]) -> Result<(), StoreError> {
    let parties: BTreeSet<PartnerId> = entries.iter().flat_map(|written| written.entry.parties()).collect();
    let mut own_sequences = numbered(link, parties).await?;
    let mut rows = link.row_set(ENTRY_PARTIES.all);
    for JournalEntry { id, sequence, entry } in entries {
        for partner in entry.parties() {
            // What another asked for is found by its sequence alone: whose and where it was is not this party's.
            let asked = Some(entry).filter(|entry| entry.partner == partner);
            let code = |of: fn(&Entry) -> &Option<Code>| asked.and_then(|entry| of(entry).as_ref()).map(Code::as_str);
            let own_sequence = own_sequences.entry(partner).or_default();
            *own_sequence += 1;
            rows.text(ENTRY_PARTIES.partner, partner.as_str()).int(ENTRY_PARTIES.sequence, *sequence);
            rows.int(ENTRY_PARTIES.own_sequence, *own_sequence);
            rows.uuid(ENTRY_PARTIES.batch_id, id.batch.0).int(ENTRY_PARTIES.ordinal, i64::from(id.ordinal));
            rows.int(ENTRY_PARTIES.window_number, i64::from(entry.window));
            rows.int(ENTRY_PARTIES.kind, i64::from(entry.kind as u8));
            let member = asked.and_then(|entry| entry.member);
            rows.uuid_or_null(ENTRY_PARTIES.member_id, member.map(|member| member.0));
            rows.text_or_null(ENTRY_PARTIES.store, code(|entry| &entry.origin.store));
            rows.text_or_null(ENTRY_PARTIES.till, code(|entry| &entry.origin.till));
            rows.text_or_null(ENTRY_PARTIES.receipt_number, code(|entry| &entry.origin.receipt_number));
            let date = asked.and_then(|entry| entry.origin.business_date);
            rows.int_or_null(ENTRY_PARTIES.business_date, date.map(date_number));
        }
    }
    let expected = rows.len();
    let call = link.call(&PROJECT).rows(rows);
    link.execute_counted(call, expected).await
}

/// Whether a list that is asked for has an entry in it.
fn is_listed(partner: PartnerId, filter: &EntryFilter, member: Option<MemberId>, entry: &Entry) -> bool {
    // As in the projection: what another asked for is found by its sequence and window alone.
    let asked = entry.partner == partner;
    let code = |wanted: &Option<Code>, found: &Option<Code>| wanted.is_none() || (asked && wanted == found);
    let EntryFilter { store, till, receipt_number, business_date, member: _, window, before_sequence: _ } = filter;
    code(store, &entry.origin.store)
        && code(till, &entry.origin.till)
        && code(receipt_number, &entry.origin.receipt_number)
        && (business_date.is_none() || (asked && *business_date == entry.origin.business_date))
        && (member.is_none() || (asked && member == entry.member))
        && window.is_none_or(|window| window == entry.window)
        && entry.parties().contains(&partner)
}

/// What the lines of statements come to, by partner and window. A sum that does not fit is held at the end of its range, so
/// that no projector stops at it; whoever asks for it is told.
#[derive(Debug, Default)]
struct Sums(BTreeMap<(PartnerId, WindowNumber), Totals>);

/// A row of [`Sums`].
type SumRow = ((PartnerId, WindowNumber), (Role, EntryKind, Purpose), Total);

impl Sums {
    fn of(rows: Vec<SumRow>) -> Self {
        let mut sums = Self::default();
        for (statement, key, total) in rows {
            sums.0.entry(statement).or_default().rows.insert(key, total);
        }
        sums
    }

    /// Adds the lines of an entry on a partner's statement.
    fn add_lines(&mut self, partner: PartnerId, written: &JournalEntry) {
        let totals = self.0.entry((partner, written.entry.window)).or_default();
        for line in statement::lines(partner, written.id, written.sequence, &written.entry) {
            let total = totals.rows.entry((line.role, line.kind, line.purpose)).or_default();
            total.lines += 1;
            total.amount = Money(held_sum(total.amount.0, line.amount.0));
            total.points = Points(held_sum(total.points.0, line.points.0));
        }
    }

    fn of_statement(mut self, partner: PartnerId, window: WindowNumber) -> Result<Totals, Overflow> {
        let totals = self.0.remove(&(partner, window)).unwrap_or_default();
        let held = totals.rows.values().any(|total| is_held(total.amount.0) || is_held(total.points.0));
        if held { Err(Overflow) } else { Ok(totals) }
    }
}

/// A sum that stays at the end of its range once it is there.
fn held_sum(sum: i64, more: i64) -> i64 {
    if is_held(sum) { sum } else { sum.saturating_add(more) }
}

fn is_held(sum: i64) -> bool {
    sum == i64::MAX || sum == i64::MIN
}

const ROLES: [(i64, Role); 3] = [(1, Role::Issuer), (2, Role::Acceptor), (3, Role::Neither)];

fn total(row: &Row<'_>) -> Result<SumRow, StoreError> {
    let (role, kind) = (row.int(PARTY_TOTALS.role)?, row.int(PARTY_TOTALS.kind)?);
    let purpose = row.text(PARTY_TOTALS.purpose)?;
    let role = ROLES.iter().find(|(number, _)| *number == role).map(|(_, role)| *role);
    let kind = EntryKind::ALL.iter().copied().find(|known| i64::from(*known as u8) == kind);
    let purpose = Purpose::ALL.into_iter().find(|known| known.as_str() == purpose);
    let (Some(role), Some(kind), Some(purpose)) = (role, kind, purpose) else {
        return Err(StoreError::permanent("a total has a role, kind or purpose that no release wrote"));
    };
    let lines = u64::try_from(row.int(PARTY_TOTALS.lines)?).map_err(|error| StoreError::damaged("a total", error))?;
    let sums = Total { lines, amount: row.money(PARTY_TOTALS.amount)?, points: row.points(PARTY_TOTALS.points)? };
    let statement = (row.partner(PARTY_TOTALS.partner)?, row.small(PARTY_TOTALS.window_number)?);
    Ok((statement, (role, kind, purpose), sums))
}

/// Adds the lines of entries to the totals. The cursor is moved, so nobody else does.
async fn save_totals(link: &mut Link<'_>, entries: &[JournalEntry]) -> Result<(), StoreError> {
    let mut statements: BTreeSet<(PartnerId, WindowNumber)> = BTreeSet::new();
    for written in entries {
        let parties = written.entry.parties();
        statements.extend(parties.into_iter().map(|partner| (partner, written.entry.window)));
    }
    let mut keys = link.row_set(STATEMENT);
    for (partner, window) in &statements {
        keys.text(PARTY_TOTALS.partner, partner.as_str()).int(PARTY_TOTALS.window_number, i64::from(*window));
    }
    let call = link.call(&TOTALS).rows(keys);
    let mut sums = Sums::of(link.rows(call, total).await?);
    for written in entries {
        written.entry.parties().into_iter().for_each(|partner| sums.add_lines(partner, written));
    }
    let mut rows = link.row_set(PARTY_TOTALS.all);
    for ((partner, window), totals) in &sums.0 {
        for ((role, kind, purpose), total) in &totals.rows {
            let role = ROLES.iter().find(|(_, known)| known == role).map_or(0, |(number, _)| *number);
            rows.text(PARTY_TOTALS.partner, partner.as_str()).int(PARTY_TOTALS.window_number, i64::from(*window));
            rows.int(PARTY_TOTALS.role, role).int(PARTY_TOTALS.kind, i64::from(*kind as u8));
            rows.text(PARTY_TOTALS.purpose, purpose.as_str());
            rows.int(PARTY_TOTALS.lines, i64::try_from(total.lines).unwrap_or(i64::MAX));
            rows.int(PARTY_TOTALS.amount, total.amount.0).int(PARTY_TOTALS.points, total.points.0);
        }
    }
    link.write(&SAVE_TOTALS, rows).await
}

/// A day as the number yyyymmdd.
fn date_number(date: BusinessDate) -> i64 {
    let date = date.to_jiff();
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

async fn list(
    link: &mut Link<'_>,
    partner: PartnerId,
    filter: &EntryFilter,
    member: Option<MemberId>,
    sequences: Range<i64>,
    limit: usize,
) -> Result<Vec<OwnEntry>, StoreError> {
    // The filter that leaves the fewest rows comes first.
    let sql = if filter.receipt_number.is_some() {
        &BY_RECEIPT
    } else if member.is_some() {
        &BY_MEMBER
    } else if filter.store.is_some() {
        &BY_STORE
    } else if filter.business_date.is_some() {
        &BY_BUSINESS_DATE
    } else {
        &BY_SEQUENCE
    };
    let code = |code: &Option<Code>| code.as_ref().map(|code| code.as_str().to_owned());
    let call = link.call(sql).text(partner.as_str()).int(sequences.end);
    let call = call.uuid_or_null(member.map(|member| member.0)).text_or_null(code(&filter.store));
    let call = call.text_or_null(code(&filter.till)).text_or_null(code(&filter.receipt_number));
    let call = call.int_or_null(filter.business_date.map(date_number)).int_or_null(filter.window.map(i64::from));
    let call = call.int(sequences.start).int(i64::try_from(limit).unwrap_or(i64::MAX));
    link.rows(call, listed).await
}
