//! What the journal tells of rows that no book holds: the gate's and the coalition's own, the places of windows, attachments,
//! and how many rows there must be.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::audit::Violation;
use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::Fact;
use clearing_core::facts::chain::attachment_commitment;
use clearing_core::facts::entry::{Entry, JournalEntry};
use clearing_core::units::{EntryId, Hash, PartnerId, Timestamp, WindowNumber};

use super::Finding;
use crate::store::{AttachmentRow, Counts, GateRow, WindowRow};

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    founded: Option<Timestamp>,
    /// The time of the last batch that changed the house or a window.
    last_time: Option<Timestamp>,
    /// How many batches changed the house.
    changes: i64,
    /// The sequence behind the last entry of each window.
    ends: BTreeMap<WindowNumber, i64>,
    entries: i64,
    attachments: i64,
    pub receipt_lines: i64,
}

impl Told {
    pub fn entry(&mut self, sequence: i64, entry: &Entry) {
        self.entries += 1;
        self.ends.insert(entry.window, sequence.saturating_add(1));
        for fact in entry.facts.iter() {
            if let Fact::Founded(_) = fact {
                self.founded = Some(entry.time);
            }
        }
    }

    /// `changes` are what the entries of one batch, whose time is `time`, did to a book.
    pub fn batch(&mut self, time: Timestamp, changes: &Changes) {
        if changes.under_the_gate() {
            self.last_time = self.last_time.max(Some(time));
        }
        self.changes += i64::from(changes.house_changed());
    }

    /// Compares attachments with the entries of some batches that commit to them: of the entries of one request the first has
    /// the attachment.
    pub fn attachments(&mut self, entries: &[JournalEntry], rows: Vec<AttachmentRow>) -> Vec<Finding> {
        self.attachments += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let mut found = Vec::new();
        let mut committed = committed(entries);
        for (entry, attachment) in rows {
            let problem = match (committed.remove(&entry), attachment) {
                (None, _) => "it has an attachment and commits to none",
                (Some(commitment), Some(attachment))
                    if commitment != attachment_commitment(&attachment.salt, &attachment.bytes) =>
                {
                    "its attachment is not the one that it commits to"
                }
                (Some(_), _) => continue,
            };
            found.push(Finding::Attachment { entry, problem });
        }
        let lost = committed.into_keys();
        found.extend(lost.map(|entry| Finding::Attachment { entry, problem: "its attachment is not there" }));
        found
    }

    /// Compares the rows that there are one of.
    pub fn compare_house(&self, gate: GateRow, created: Timestamp, book: &Book) -> Vec<Finding> {
        let founded = self.founded.unwrap_or(Timestamp(0));
        let opened = book.windows.get(&book.open_window).map(|window| window.opened);
        let last_time = self.last_time.unwrap_or(founded);
        let mut found = Vec::new();
        let mut differ = |what: &str, stored: &dyn ToString, told: &dyn ToString| {
            let (stored, rebuilt) = (stored.to_string(), told.to_string());
            if stored != rebuilt {
                found.push(Violation::NotRebuilt { what: what.to_owned(), stored, rebuilt }.into());
            }
        };
        differ("when the coalition began", &created, &founded);
        differ("since when the gate has the open window", &gate.opened, &opened.unwrap_or(founded));
        differ("up to when requests may be forgotten", &gate.forgotten, &book.forgotten);
        differ("the last change under the gate", &gate.last_time, &last_time);
        differ("the gate's count of changes of the house", &gate.terms_epoch, &self.changes.saturating_add(1));
        found
    }

    /// Compares the places of windows in the journal.
    pub fn compare_window(&self, row: &WindowRow) -> Vec<Finding> {
        let number = row.window.number;
        let end = |number: WindowNumber| self.ends.get(&number).copied();
        let first = if number == 1 { Some(1) } else { number.checked_sub(1).and_then(end) };
        let last = row.window.closed.and_then(|_| end(number));
        let text = |sequence: Option<i64>| sequence.map_or_else(|| "none".to_owned(), |sequence| sequence.to_string());
        let pairs = [("first sequence", Some(row.first_sequence), first), ("end", row.end_sequence, last)];
        let differing = pairs.into_iter().filter(|(_, stored, told)| stored != told);
        let differs = |(place, stored, told)| {
            let what = format!("the {place} of window {number} in the journal");
            Violation::NotRebuilt { what, stored: text(stored), rebuilt: text(told) }.into()
        };
        differing.map(differs).collect()
    }

    /// Compares how many rows there are of what was looked up one by one.
    pub fn compare_counts(&self, counts: Counts) -> Vec<Finding> {
        let rows = [
            ("entries", counts.entries, self.entries),
            ("attachments", counts.attachments, self.attachments),
            ("booked lines of receipts", counts.receipt_lines, self.receipt_lines),
        ];
        let differing = rows.into_iter().filter(|(_, stored, told)| stored != told);
        differing.map(|(rows, stored, told)| Finding::RowsDiffer { rows, stored, told }).collect()
    }
}

/// The entries that have an attachment, and what they commit to.
fn committed(entries: &[JournalEntry]) -> BTreeMap<EntryId, Hash> {
    let mut asked = BTreeSet::new();
    let mut committed = BTreeMap::new();
    for JournalEntry { id, entry, .. } in entries {
        if let Some(commitment) = entry.origin.attachment
            && asked.insert((id.batch.0, entry.request_key(), commitment))
        {
            committed.insert(*id, commitment);
        }
    }
    committed
}

/// Every partner has a row of what its limits are checked against, and every version of terms one of what is outstanding:
/// batches move them and never make them.
pub(super) fn check_rows(stored: &Book) -> Vec<Finding> {
    let house = &stored.house;
    let partners: BTreeSet<PartnerId> = house.partners.keys().copied().collect();
    let guards: BTreeSet<PartnerId> = stored.guards.keys().copied().collect();
    let versions =
        house.partners.values().flat_map(|partner| partner.terms.iter().map(|terms| (partner.id, terms.version)));
    let versions: BTreeSet<(PartnerId, u32)> = versions.collect();
    let outstanding: BTreeSet<(PartnerId, u32)> = stored.outstanding.keys().copied().collect();
    let partner = partners.symmetric_difference(&guards).map(|partner| format!("of the limits of {partner}"));
    let version = versions.symmetric_difference(&outstanding);
    let version =
        version.map(|(partner, version)| format!("of what {partner} has outstanding under its terms {version}"));
    partner.chain(version).map(|of| Finding::RowAstray { of }).collect()
}
