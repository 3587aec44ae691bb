//! The decisions of the house, newest first: a projection of the journal, made and read as that of the lists of entries is.

use clearing_core::command::partners_of;
use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::units::{PartnerId, Timestamp, WindowNumber};

use super::cells::Row;
use super::projection::{Settled, at_sequence};
use super::rows::RowSet;
use super::sql::{Link, Sql, Takes, one, rows};
use super::tables::{ADMIN_ACTIONS, Column, ENTRIES};
use super::{Store, StoreError, journal};

pub(super) static STATEMENTS: &[&Sql] = &[&PROJECT, &BY_TIME, &BY_KIND, &BY_WINDOW];

/// Which decisions to list. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFilter {
    pub kind: Option<EntryKind>,
    /// Whom it concerns.
    pub partner: Option<PartnerId>,
    /// That it is about; of one that is about none, the window that was open.
    pub window: Option<WindowNumber>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Only before this.
    pub until: Option<Timestamp>,
    /// Only those behind this one in the list: its time and sequence.
    pub after: Option<(Timestamp, i64)>,
}

/// Whose row stands for everybody.
const ANYBODY: &str = "";

pub(super) static PROJECT: Sql =
    Sql::both("store.project_actions", "{insert p}").takes(&[rows("p", ADMIN_ACTIONS.all)]);

/// An entry with its place in the list.
const LISTED: &[Column] = &[ENTRIES.batch_id, ENTRIES.ordinal, ENTRIES.packed, ADMIN_ACTIONS.sequence];

const FILTER: &[Takes] =
    &[one("partner"), one("time"), one("sequence"), one("since"), one("kind"), one("window"), one("limit")];

/// A list that begins from the index of one filter; the others are checked on its rows. SQLite is told which index, as it is for
/// the lists of entries.
macro_rules! list {
    ($name:literal, $indexed:literal, $anchor:literal) => {
        Sql::new($name, list!(@ $indexed, $anchor), list!(@ "", $anchor)).takes(FILTER).gives(LISTED)
    };
    (@ $indexed:literal, $anchor:literal) => {
        concat!(
            "SELECT {entries e}, {admin_actions a}
    FROM (SELECT time, sequence FROM admin_actions",
            $indexed,
            "
        WHERE partner = {partner} AND (time, sequence) < ({time}, {sequence}) AND time >= {since} AND ",
            $anchor,
            " AND (CAST({kind} AS bigint) IS NULL OR kind = {kind})
        AND (CAST({window} AS bigint) IS NULL OR window_number = {window})
        ORDER BY time DESC, sequence DESC LIMIT {limit}) AS a",
            at_sequence!("a"),
            "
    ORDER BY a.time DESC, a.sequence DESC"
        )
    };
}

static BY_TIME: Sql = list!("store.actions_by_time", "", "true");
static BY_KIND: Sql = list!("store.actions_by_kind", " INDEXED BY admin_actions_by_kind", "kind = {kind}");
static BY_WINDOW: Sql =
    list!("store.actions_by_window", " INDEXED BY admin_actions_by_window", "window_number = {window}");

impl Store {
    /// At most `limit` decisions of the house, newest first: by their times, then by their places in the journal.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn actions(&self, filter: &ActionFilter, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let Settled { mut snapshot, rest } = self.settled(i64::MAX).await?;
        let mut found: Vec<JournalEntry> = rest.into_iter().filter(|written| is_listed(filter, written)).collect();
        found.extend(list(&mut snapshot.link(), filter, limit).await?);
        snapshot.finish().await?;
        found.sort_by_key(|written| std::cmp::Reverse(place(written)));
        found.truncate(limit);
        Ok(found)
    }
}

/// The rows of the decisions among these entries.
pub(super) fn projected(link: &Link<'_>, entries: &[JournalEntry]) -> RowSet {
    let mut rows = link.row_set(ADMIN_ACTIONS.all);
    for JournalEntry { sequence, entry, .. } in entries.iter().filter(|written| written.entry.is_action()) {
        let partners = partners_of(entry);
        for partner in partners.iter().map(PartnerId::as_str).chain([ANYBODY]) {
            rows.text(ADMIN_ACTIONS.partner, partner).int(ADMIN_ACTIONS.time, entry.time.0);
            rows.int(ADMIN_ACTIONS.sequence, *sequence);
            rows.int(ADMIN_ACTIONS.window_number, i64::from(entry.action_window()));
            rows.int(ADMIN_ACTIONS.kind, i64::from(entry.kind as u8));
        }
    }
    rows
}

async fn list(link: &mut Link<'_>, filter: &ActionFilter, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
    // The filter that leaves the fewest rows comes first.
    let sql = match filter {
        ActionFilter { window: Some(_), .. } => &BY_WINDOW,
        ActionFilter { kind: Some(_), .. } => &BY_KIND,
        ActionFilter { .. } => &BY_TIME,
    };
    let (time, sequence) = end(filter);
    let partner = filter.partner.as_ref().map_or(ANYBODY, PartnerId::as_str);
    let call = link.call(sql).text(partner).int(time.0).int(sequence);
    let call = call.int(filter.since.map_or(i64::MIN, |since| since.0));
    let call = call.int_or_null(filter.kind.map(|kind| i64::from(kind as u8)));
    let call = call.int_or_null(filter.window.map(i64::from)).int(i64::try_from(limit).unwrap_or(i64::MAX));
    link.rows(call, |row: &Row<'_>| journal::entry_at(row, row.int(ADMIN_ACTIONS.sequence)?)).await
}

/// The place before which the list begins.
fn end(filter: &ActionFilter) -> (Timestamp, i64) {
    let until = filter.until.map(|until| (until, i64::MIN));
    let places = [until, filter.after];
    places.into_iter().flatten().min().unwrap_or((Timestamp(i64::MAX), i64::MAX))
}

fn place(written: &JournalEntry) -> (Timestamp, i64) {
    (written.entry.time, written.sequence)
}

/// Whether a list has an entry in it: as in the projection.
fn is_listed(filter: &ActionFilter, written: &JournalEntry) -> bool {
    let entry = &written.entry;
    entry.is_action()
        && filter.kind.is_none_or(|kind| kind == entry.kind)
        && filter.window.is_none_or(|window| window == entry.action_window())
        && filter.since.is_none_or(|since| entry.time >= since)
        && place(written) < end(filter)
        && filter.partner.is_none_or(|partner| partners_of(entry).contains(&partner))
}
