//! The projection of the journal by party: which entries a partner has a part in, by what it finds them, and what
//! its statements come to.
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
use clearing_core::netting::Obligations;
use clearing_core::rules::statement::{self, Section, Total, Totals};
use clearing_core::units::{EntryId, MemberId, Money, Overflow, PartnerId, Points, RequestId, WindowNumber};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::cells::Row;
use super::rows::RowSet;
use super::session::Connection;
use super::snapshot::{BEGIN, COMMIT};
use super::sql::{Link, Sql, Takes, one, rows};
use super::tables::{Column, ENTRIES, ENTRY_PARTIES, ENTRY_WORDS, Kind, PARTY_TOTALS};
use super::windows::WindowRow;
use super::{Backend, Snapshot, Store, StoreError, actions, identifiers, journal, requests};

pub(super) static STATEMENTS: &[&Sql] = &[
    &STANDING,
    &COMMIT_LATER,
    &MOVE_CURSOR,
    &PROJECT,
    &PROJECT_WORDS,
    &NUMBERED,
    &NUMBER,
    &TOTALS,
    &SAVE_TOTALS,
    &TOTALS_OF_WINDOW,
    &OF_WINDOW,
    &BY_SEQUENCE,
    &BY_WORD,
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

/// Sequences of a run of words, as the statements have it, too. What is written now lies in the pages of one run: some 140 of
/// SQLite. A list looks into each run that it passes: 2,400 in a journal of 10 million entries.
pub(super) const RUN: i64 = 4096;

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

// That of a business date is there from the first entry of the run that names it.
static PROJECT_WORDS: Sql =
    Sql::both("store.project_words", "{insert w} ON CONFLICT DO NOTHING").takes(&[rows("w", ENTRY_WORDS.all)]);

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

/// Joins rows that have a sequence with the entries that stand there. A batch without entries begins where the next one does.
macro_rules! at_sequence {
    ($rows:literal) => {
        concat!(
            "
    CROSS JOIN batches AS b CROSS JOIN entries AS e
    WHERE b.batch_id = (SELECT batch_id FROM batches WHERE first_sequence <= ",
            $rows,
            ".sequence AND entry_count > 0
        ORDER BY first_sequence DESC LIMIT 1)
    AND e.batch_id = b.batch_id AND e.ordinal = ",
            $rows,
            ".sequence - b.first_sequence"
        )
    };
}
pub(super) use at_sequence;

/// Entries with their places in the lists of a party, in an order, by a query that gives these places.
macro_rules! page {
    ($name:literal, $order:literal, $($page:tt)+) => {
        Sql::both(
            $name,
            concat!(
                "SELECT {entries e}, {entry_parties page} FROM (",
                $($page)+,
                ") AS page",
                at_sequence!("page"),
                "
    ORDER BY page.sequence",
                $order
            ),
        )
        .gives(LISTED)
    };
}

static OF_WINDOW: Sql = page!(
    "store.entries_of_window",
    "",
    "SELECT sequence, own_sequence FROM entry_parties
        WHERE partner = $1 AND sequence >= $2 AND sequence < $3 ORDER BY sequence LIMIT $4"
);

static BY_SEQUENCE: Sql = page!(
    "store.entries_by_sequence",
    " DESC",
    "SELECT sequence, own_sequence FROM entry_parties
        WHERE partner = {partner} AND sequence >= {from} AND sequence < {before}
        AND (CAST({till} AS text) IS NULL OR till = {till}) ORDER BY sequence DESC LIMIT {limit}"
)
.takes(&[one("partner"), one("from"), one("before"), one("till"), one("limit")]);

const WORDS: &[Takes] = &[
    one("partner"),
    one("from"),
    one("before"),
    one("till"),
    one("limit"),
    one("date"),
    one("day"),
    one("word"),
    one("member"),
    one("store"),
];

// Goes down from one hit to the next, and through the runs in which there is none, until the page is full. A hit is the sequence
// of an entry; where a run has no more of them, its first sequence stands below zero. Runs without the business date are passed over.
static BY_WORD: Sql = page!(
    "store.entries_by_word",
    " DESC",
    "WITH RECURSIVE hits (at, found) AS (
        SELECT -1 - (SELECT sequence FROM entry_parties WHERE partner = {partner} AND sequence < {before}
            ORDER BY sequence DESC LIMIT 1), 0
        UNION ALL
        SELECT COALESCE(CASE WHEN CAST({day} AS bigint) IS NULL OR EXISTS (SELECT 1 FROM entry_words AS d
                WHERE d.run = (abs(h.at) - 1) / 4096 AND d.word = {day})
            THEN (SELECT p.sequence FROM entry_words AS w CROSS JOIN entry_parties AS p
            WHERE w.run = (abs(h.at) - 1) / 4096 AND w.word = {word} AND w.place <= (abs(h.at) - 1) % 4096
            AND (CAST({member} AS bigint) IS NULL OR EXISTS (SELECT 1 FROM entry_words AS m
                WHERE m.run = w.run AND m.word = {member} AND m.place = w.place))
            AND (CAST({store} AS bigint) IS NULL OR EXISTS (SELECT 1 FROM entry_words AS s
                WHERE s.run = w.run AND s.word = {store} AND s.place = w.place))
            AND p.partner = {partner} AND p.sequence = w.run * 4096 + w.place
            AND (CAST({date} AS bigint) IS NULL OR p.business_date = {date})
            AND (CAST({till} AS text) IS NULL OR p.till = {till})
            ORDER BY w.place DESC LIMIT 1) END, -((abs(h.at) - 1) / 4096 * 4096)),
            h.found + CASE WHEN h.at > 0 THEN 1 ELSE 0 END
        FROM hits AS h WHERE h.found < {limit} AND abs(h.at) > {from})
    SELECT h.at AS sequence, (SELECT own_sequence FROM entry_parties WHERE partner = {partner} AND sequence = h.at)
        AS own_sequence
    FROM hits AS h WHERE h.at >= {from} ORDER BY h.at DESC LIMIT {limit}"
)
.takes(WORDS);

/// Entries of a business date in the run `r`.
macro_rules! of_date {
    () => {
        "p.partner = {partner} AND p.sequence >= r.run * 4096 AND p.sequence < (r.run + 1) * 4096
            AND p.sequence + 0 >= {from} AND p.sequence + 0 < {before}
            AND p.business_date = {date} AND (CAST({till} AS text) IS NULL OR p.till = {till})"
    };
}

// Goes down through the runs that have the date until they have enough of its entries. Bounds of the list are no bounds of a
// column, so that no planner reads the partner's entries from one end on instead of run by run.
static BY_BUSINESS_DATE: Sql = page!(
    "store.entries_by_business_date",
    " DESC",
    "WITH RECURSIVE runs (run, found) AS (
        SELECT (SELECT sequence FROM entry_parties WHERE partner = {partner} AND sequence < {before}
            ORDER BY sequence DESC LIMIT 1) / 4096, CAST(0 AS bigint)
        UNION ALL
        SELECT r.run - 1, r.found + CASE WHEN EXISTS (SELECT 1 FROM entry_words AS d
                WHERE d.run = r.run AND d.word = {day} AND d.place = 0)
            THEN (SELECT count(*) FROM entry_parties AS p WHERE ",
    of_date!(),
    ") ELSE 0 END
        FROM runs AS r WHERE r.found < {limit} AND r.run >= {from} / 4096)
    SELECT p.sequence + 0 AS sequence, p.own_sequence
    FROM runs AS r CROSS JOIN entry_words AS d CROSS JOIN entry_parties AS p
    WHERE r.found < {limit} AND r.run >= {from} / 4096 AND d.run = r.run AND d.word = {day} AND d.place = 0 AND ",
    of_date!(),
    "
    ORDER BY 1 DESC LIMIT {limit}"
)
.takes(WORDS.split_at(7).0);

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
        let is_listed = |own: &OwnEntry| is_listed(partner, filter, member, &own.written.entry);
        let mut found: Vec<OwnEntry> = rest.into_iter().rev().filter(is_listed).take(limit).collect();
        while found.len() < limit {
            let left = limit - found.len();
            let page = list(&mut snapshot.link(), partner, filter, member, from..before, left).await?;
            let last = page.last().filter(|_| page.len() == left).map(|own| own.written.sequence);
            // Another store or member may have the same word.
            found.extend(page.into_iter().filter(is_listed));
            let Some(last) = last else { break };
            before = last;
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

    /// What a partner's statement of a window comes to, and the gross obligations of all in that window, at one moment.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal. The inner error if a sum does not fit.
    pub async fn statement_totals(
        &self,
        partner: PartnerId,
        window: &WindowRow,
    ) -> Result<Result<(Totals, Obligations), Overflow>, StoreError> {
        let end = window.end_sequence.unwrap_or(i64::MAX);
        let Settled { mut snapshot, rest } = self.settled(end).await?;
        let number = window.window.number;
        let mut link = snapshot.link();
        let call = link.call(&TOTALS_OF_WINDOW).text(partner.as_str()).int(i64::from(number));
        let rows = link.rows(call, total).await?;
        let obligations = snapshot.gross(number).await?;
        snapshot.finish().await?;
        let mut sums = Sums::of(rows);
        for written in rest.iter().filter(|written| written.entry.window == number) {
            sums.add(partner, written)?;
        }
        Ok(sums.of_statement(partner, number).map(|totals| (totals, obligations)))
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

    /// The first entry that the accepted request of a key wrote.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entry_of_request(&self, key: (PartnerId, RequestId)) -> Result<Option<EntryId>, StoreError> {
        let found = requests::requests(&mut self.reader().await?.link(), [key].into_iter()).await?;
        Ok(found.first().filter(|row| row.stands()).and_then(|row| row.entries().first().copied()))
    }

    /// Those of these keys whose requests were abandoned.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn abandoned_requests(
        &self,
        keys: impl Iterator<Item = (PartnerId, RequestId)>,
    ) -> Result<BTreeSet<(PartnerId, RequestId)>, StoreError> {
        let found = requests::requests(&mut self.reader().await?.link(), keys).await?;
        Ok(found.iter().filter(|row| row.is_abandoned()).map(|row| row.key).collect())
    }
}

/// Moves the projection along. One belongs to every node; those of several nodes do each step once. On SQLite what it does
/// blocks the thread that calls it.
#[derive(Debug)]
pub struct Projector {
    store: Store,
    /// Taken out while it works: if that fails, the connection goes, and with that its transaction.
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
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.store.open_own().await?;
                connection.link().run(&COMMIT_LATER).await?;
                connection
            }
        };
        let mut link = connection.link();
        let Standing { cursor, end } = standing(&mut link).await?;
        if cursor >= end {
            self.connection = Some(connection);
            return Ok(Step { behind: 0, took: Duration::ZERO, lost: false, alone: false });
        }
        // Read beside the writer: what is in the journal does not change any more, nor does the projection while the cursor
        // stands where it stood.
        let entries = journal::entries_of_range(&mut link, cursor, end, self.size).await?;
        let next = entries.last().map_or(cursor, |last| last.sequence + 1);
        if next == cursor {
            return Err(StoreError::permanent(format!("entry {cursor} of the journal is missing")));
        }
        let parties = parties(&mut link, &entries).await?;
        let totals = totals(&mut link, &entries).await?;
        let (words, actions) = (words(&link, &entries), actions::projected(&link, &entries));
        let (_turn, alone) = match (link.backend(), self.store.write_turn.try_lock()) {
            (Backend::Sqlite, Ok(turn)) => (Some(turn), true),
            (Backend::Sqlite, Err(_)) => (Some(self.store.write_turn.lock().await), false),
            (Backend::Postgres, _) => (None, false),
        };
        let began = Instant::now();
        link.run(&BEGIN).await?;
        // Moved first: of two nodes that project the same step, the second waits here and then finds it done.
        let call = link.call(&MOVE_CURSOR).text(NAME).int(next).int(cursor);
        let lost = link.execute(call).await? == 0;
        if !lost {
            link.write(&PROJECT, parties).await?;
            if !words.is_empty() {
                let call = link.call(&PROJECT_WORDS).rows(words);
                link.execute(call).await?;
            }
            link.write(&SAVE_TOTALS, totals).await?;
            link.write(&actions::PROJECT, actions).await?;
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

/// The rows of the entries' parties, numbered on from where the projection ends.
async fn parties(link: &mut Link<'_>, entries: &[JournalEntry]) -> Result<RowSet, StoreError> {
    let parties: BTreeSet<PartnerId> = entries.iter().flat_map(|written| written.entry.parties()).collect();
    let mut own_sequences = numbered(link, parties).await?;
    let mut rows = link.row_set(ENTRY_PARTIES.all);
    for JournalEntry { sequence, entry, .. } in entries {
        for partner in entry.parties() {
            // What another asked for is found by its sequence alone: where it was is not this party's.
            let origin = Some(&entry.origin).filter(|_| entry.partner == partner);
            let own_sequence = own_sequences.entry(partner).or_default();
            *own_sequence += 1;
            rows.text(ENTRY_PARTIES.partner, partner.as_str()).int(ENTRY_PARTIES.sequence, *sequence);
            rows.int(ENTRY_PARTIES.own_sequence, *own_sequence);
            let date = origin.and_then(|origin| origin.business_date);
            rows.int_or_null(ENTRY_PARTIES.business_date, date.map(date_number));
            rows.text_or_null(ENTRY_PARTIES.till, origin.and_then(|origin| origin.till.as_ref()).map(Code::as_str));
        }
    }
    Ok(rows)
}

/// The rows of the words by which partners find the entries that they asked for, in the order of their key.
fn words(link: &Link<'_>, entries: &[JournalEntry]) -> RowSet {
    let mut words = BTreeSet::new();
    for JournalEntry { sequence, entry, .. } in entries {
        let Entry { partner, member, origin, .. } = &**entry;
        let (run, place) = (sequence / RUN, sequence % RUN);
        words.extend(member.map(|member| (run, member_word(*partner, member), place)));
        words.extend(origin.store.as_ref().map(|store| (run, store_word(*partner, store), place)));
        words.extend(origin.receipt_number.as_ref().map(|number| (run, receipt_word(*partner, number), place)));
        words.extend(origin.business_date.map(|date| (run, day_word(*partner, date), 0)));
    }
    let mut rows = link.row_set(ENTRY_WORDS.all);
    for (run, word, place) in words {
        rows.int(ENTRY_WORDS.run, run).int(ENTRY_WORDS.word, word).int(ENTRY_WORDS.place, place);
    }
    rows
}

fn member_word(partner: PartnerId, member: MemberId) -> i64 {
    word(partner, b"member", &member.0.to_be_bytes())
}

fn store_word(partner: PartnerId, store: &Code) -> i64 {
    word(partner, b"store", store.as_str().as_bytes())
}

fn receipt_word(partner: PartnerId, number: &Code) -> i64 {
    word(partner, b"receipt", number.as_str().as_bytes())
}

fn day_word(partner: PartnerId, date: BusinessDate) -> i64 {
    word(partner, b"day", &date_number(date).to_be_bytes())
}

/// The first 4 bytes of a hash: in a journal of 10 million entries one list in some 140 meets a row of something else.
fn word(partner: PartnerId, of: &[u8], value: &[u8]) -> i64 {
    let mut hash = Sha256::new();
    for part in [partner.as_str().as_bytes(), of, value] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
    i64::from(i32::from_be_bytes([a, b, c, d]))
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

/// What statements come to, by partner and window. A sum that does not fit is held at the end of its range, so
/// that no projector stops at it; whoever asks for it is told.
#[derive(Debug, Default)]
struct Sums(BTreeMap<(PartnerId, WindowNumber), Totals>);

/// A row of [`Sums`].
type SumRow = ((PartnerId, WindowNumber), (Section, EntryKind, Purpose), Total);

impl Sums {
    fn of(rows: Vec<SumRow>) -> Self {
        let mut sums = Self::default();
        for (statement, key, total) in rows {
            sums.0.entry(statement).or_default().rows.insert(key, total);
        }
        sums
    }

    /// Adds what an entry comes to on a partner's statement.
    fn add(&mut self, partner: PartnerId, written: &JournalEntry) -> Result<(), StoreError> {
        let entry = &written.entry;
        let totals = self.0.entry((partner, entry.window)).or_default();
        let effects = statement::effects(partner, entry).map_err(|error| StoreError::damaged("an entry", error))?;
        for ((section, purpose), effect) in effects {
            let total = totals.rows.entry((section, entry.kind, purpose)).or_default();
            total.entries += 1;
            total.amount = Money(held_sum(total.amount.0, effect.amount.0));
            total.points = Points(held_sum(total.points.0, effect.points.0));
        }
        Ok(())
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

/// The number of a section in the table: its place in the statement.
fn section_number(section: Section) -> i64 {
    let place = Section::ALL.iter().position(|known| *known == section).expect("all are listed");
    i64::try_from(place + 1).expect("there are six")
}

fn total(row: &Row<'_>) -> Result<SumRow, StoreError> {
    let (section, kind) = (row.int(PARTY_TOTALS.section)?, row.int(PARTY_TOTALS.kind)?);
    let purpose = row.text(PARTY_TOTALS.purpose)?;
    let section = Section::ALL.into_iter().find(|known| section_number(*known) == section);
    let kind = EntryKind::ALL.iter().copied().find(|known| i64::from(*known as u8) == kind);
    let purpose = Purpose::ALL.into_iter().find(|known| known.as_str() == purpose);
    let (Some(section), Some(kind), Some(purpose)) = (section, kind, purpose) else {
        return Err(StoreError::permanent("a total has a section, kind or purpose that no release wrote"));
    };
    let entries = row.int(PARTY_TOTALS.entry_count)?;
    let entries = u64::try_from(entries).map_err(|error| StoreError::damaged("a total", error))?;
    let sums = Total { entries, amount: row.money(PARTY_TOTALS.amount)?, points: row.points(PARTY_TOTALS.points)? };
    let statement = (row.partner(PARTY_TOTALS.partner)?, row.small(PARTY_TOTALS.window_number)?);
    Ok((statement, (section, kind, purpose), sums))
}

/// The rows of the totals with what entries come to added to them.
async fn totals(link: &mut Link<'_>, entries: &[JournalEntry]) -> Result<RowSet, StoreError> {
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
        written.entry.parties().into_iter().try_for_each(|partner| sums.add(partner, written))?;
    }
    let mut rows = link.row_set(PARTY_TOTALS.all);
    for ((partner, window), totals) in &sums.0 {
        for ((section, kind, purpose), total) in &totals.rows {
            rows.text(PARTY_TOTALS.partner, partner.as_str()).int(PARTY_TOTALS.window_number, i64::from(*window));
            rows.int(PARTY_TOTALS.section, section_number(*section)).int(PARTY_TOTALS.kind, i64::from(*kind as u8));
            rows.text(PARTY_TOTALS.purpose, purpose.as_str());
            rows.int(PARTY_TOTALS.entry_count, i64::try_from(total.entries).unwrap_or(i64::MAX));
            rows.int(PARTY_TOTALS.amount, total.amount.0).int(PARTY_TOTALS.points, total.points.0);
        }
    }
    Ok(rows)
}

/// A day as the number yyyymmdd.
fn date_number(date: BusinessDate) -> i64 {
    let date = date.to_jiff();
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

/// At most `limit` entries that a partner has a part in, of a range, as far as they are projected: newest first. Another member,
/// store or receipt may have the same word.
pub(super) async fn list(
    link: &mut Link<'_>,
    partner: PartnerId,
    filter: &EntryFilter,
    member: Option<MemberId>,
    sequences: Range<i64>,
    limit: usize,
) -> Result<Vec<OwnEntry>, StoreError> {
    let till = filter.till.as_ref().map(|till| till.as_str().to_owned());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let store = filter.store.as_ref().map(|store| store_word(partner, store));
    let receipt = filter.receipt_number.as_ref().map(|number| receipt_word(partner, number));
    let member = member.map(|member| member_word(partner, member));
    // The filter that leaves the fewest rows comes first.
    let first = receipt.or(member).or(store);
    let sql = match (first, filter.business_date) {
        (Some(_), _) => &BY_WORD,
        (None, Some(_)) => &BY_BUSINESS_DATE,
        (None, None) => &BY_SEQUENCE,
    };
    let call = link.call(sql).text(partner.as_str()).int(sequences.start).int(sequences.end);
    let mut call = call.text_or_null(till).int(limit);
    if first.is_some() || filter.business_date.is_some() {
        let date = filter.business_date;
        call = call.int_or_null(date.map(date_number)).int_or_null(date.map(|date| day_word(partner, date)));
    }
    if first.is_some() {
        call = call.int_or_null(first).int_or_null(member).int_or_null(store);
    }
    link.rows(call, listed).await
}
