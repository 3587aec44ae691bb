//! The decisions of the house, newest first: a projection of the journal, made and read as that of the lists of entries is.

use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::units::{PartnerId, Timestamp, WindowNumber};

use super::projection::Settled;
use super::sql::{Kind, Link, Sql};
use super::{Store, StoreError, journal};

pub(super) const STATEMENTS: &[&Sql] = &[&PROJECT, &BY_TIME, &BY_KIND, &BY_WINDOW];

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

const PROJECT: Sql = Sql::new(
    "-- store.project_actions
    INSERT INTO admin_actions (partner, time, sequence, batch_id, ordinal, window_number, kind)
    SELECT value->>0, value->>1, value->>2, substr($2, value->>3, 16), value->>4, value->>5, value->>6
    FROM jsonb_each($1)",
    "-- store.project_actions
    INSERT INTO admin_actions (partner, time, sequence, batch_id, ordinal, window_number, kind)
    SELECT partner, time, sequence, batch_id, ordinal, window_number, kind
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS p (partner, time, sequence, batch_id, ordinal, window_number, kind)",
);

/// A list that begins from the index of one filter; the others are checked on its rows.
macro_rules! list {
    ($name:literal, $anchor:literal) => {
        Sql::both(concat!(
            "-- store.",
            $name,
            "
    SELECT e.batch_id, e.ordinal, a.sequence, e.bytes
    FROM (SELECT time, sequence, batch_id, ordinal FROM admin_actions
        WHERE partner = $1 AND (time, sequence) < ($2, $3) AND time >= $4 AND ",
            $anchor,
            " AND (CAST($5 AS bigint) IS NULL OR kind = $5)
        AND (CAST($6 AS bigint) IS NULL OR window_number = $6)
        ORDER BY time DESC, sequence DESC LIMIT $7) AS a
    JOIN entries AS e ON e.batch_id = a.batch_id AND e.ordinal = a.ordinal ORDER BY a.time DESC, a.sequence DESC"
        ))
    };
}

const BY_TIME: Sql = list!("actions_by_time", "true");
const BY_KIND: Sql = list!("actions_by_kind", "kind = $5");
const BY_WINDOW: Sql = list!("actions_by_window", "window_number = $6");

impl Store {
    /// At most `limit` decisions of the house, newest first: by their times, then by their places in the journal.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn actions(&self, filter: &ActionFilter, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let Settled { mut snapshot, rest } = self.settled(1, i64::MAX).await?;
        let mut found: Vec<JournalEntry> = rest.into_iter().filter(|written| is_listed(filter, written)).collect();
        found.extend(list(&mut snapshot.link(), filter, limit).await?);
        snapshot.finish().await?;
        found.sort_by_key(|written| std::cmp::Reverse(place(written)));
        found.truncate(limit);
        Ok(found)
    }
}

/// Projects the decisions among these entries.
pub(super) async fn project(link: &mut Link<'_>, entries: &[JournalEntry]) -> Result<(), StoreError> {
    let kinds = &[Kind::Text, Kind::Int, Kind::Int, Kind::Uuid, Kind::Int, Kind::Int, Kind::Int];
    let mut rows = link.table(kinds);
    for JournalEntry { id, sequence, entry } in entries.iter().filter(|written| written.entry.is_action()) {
        let partners = entry.action_partners();
        for partner in partners.iter().map(PartnerId::as_str).chain([ANYBODY]) {
            rows.text(partner).int(entry.time.0).int(*sequence).uuid(id.batch.0).int(i64::from(id.ordinal));
            rows.int(i64::from(entry.action_window())).int(i64::from(entry.kind as u8));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let expected = rows.len();
    let call = link.call(&PROJECT).table(rows);
    link.execute_counted(call, expected).await
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
    link.rows(call, journal::entry).await
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
        && filter.partner.is_none_or(|partner| entry.action_partners().contains(&partner))
}
