//! The rows of requests against the chain: every batch tells by a hash what it recorded, rejections too.
//!
//! Rows lie by their keys, and batches tell of them in the order of commits. So each row waits in a `scratch` until the turn
//! of its batch comes, some batches at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;

use borsh::{BorshDeserialize, BorshSerialize};
use clearing_core::facts::Fact;
use clearing_core::facts::chain::requests_hash;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::units::{BatchId, EntryId, Hash, PartnerId, RequestId, Timestamp};

use super::scratch::Scratch;
use super::{AuditError, Finding};
use crate::store::{BatchRow, Snapshot, StoredRequest};

/// Rows read at once, and batches.
const AT_ONCE: u32 = 5_000;

/// Missing requests that are named of one batch.
const NAMED_MAX: usize = 10;

type Key = (PartnerId, RequestId);

/// What is known of requests so far.
pub(super) struct Requests {
    groups: Vec<Group>,
}

/// Batches that are compared at once, and what waits for them: rows, and which of them were undone.
pub(super) struct Group {
    batches: RangeInclusive<BatchId>,
    waiting: Vec<Scratch>,
}

/// What waits for the turn of a batch.
#[derive(BorshSerialize, BorshDeserialize)]
enum Waiting {
    Row(Row),
    /// An entry says that the request was undone.
    Undone(PartnerId, RequestId, EntryId),
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Row {
    partner: PartnerId,
    request: RequestId,
    batch: BatchId,
    hash: Hash,
    undone: bool,
}

impl Requests {
    pub fn new(ranges: Vec<RangeInclusive<BatchId>>) -> Self {
        let group = |batches| Group { batches, waiting: vec![Scratch::new()] };
        Self { groups: ranges.into_iter().map(group).collect() }
    }

    /// Takes notice of entries that undo what requests did.
    pub async fn entries(
        &mut self,
        snapshot: &mut Snapshot,
        entries: &[JournalEntry],
    ) -> Result<Vec<Finding>, AuditError> {
        let mut undone: BTreeMap<Key, EntryId> = BTreeMap::new();
        for JournalEntry { id, entry, .. } in entries {
            for fact in entry.facts.iter() {
                if let Fact::Abandoned(request) = fact {
                    let by = entry.facts.by();
                    undone.insert((entry.partner, by.map_or(*request, |by| by.person.key(*request))), *id);
                }
            }
        }
        for (key, batch) in snapshot.batches_of_requests(undone.keys().copied()).await? {
            if let Some(entry) = undone.remove(&key) {
                self.wait(batch, &Waiting::Undone(key.0, key.1, entry))?;
            }
        }
        // What was undone is never forgotten.
        let lost = undone.into_iter();
        Ok(lost.map(|((partner, request), entry)| Finding::UndoneLost { partner, request, entry }).collect())
    }

    /// Reads all rows.
    pub async fn read(mut self, mut snapshot: Snapshot) -> Result<(Snapshot, Self), AuditError> {
        let mut after = None;
        loop {
            let page = snapshot.requests_after(after, AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok((snapshot, self)) };
            after = Some((last.record.partner, last.record.request));
            for StoredRequest { record, batch, undone } in page {
                let (partner, request) = (record.partner, record.request);
                let row = Row { partner, request, batch, hash: record.hash(), undone };
                self.wait(batch, &Waiting::Row(row))?;
            }
        }
    }

    /// What waits here and in another, which has the same groups.
    pub fn groups_with(self, other: Self) -> Vec<Group> {
        let both = |(one, other): (Group, Group)| Group {
            batches: one.batches,
            waiting: one.waiting.into_iter().chain(other.waiting).collect(),
        };
        self.groups.into_iter().zip(other.groups).map(both).collect()
    }

    fn wait(&mut self, batch: BatchId, waiting: &Waiting) -> io::Result<()> {
        let group = self.groups.partition_point(|group| *group.batches.end() < batch);
        self.groups[group].waiting[0].push(&borsh::to_vec(waiting)?)
    }
}

impl Group {
    /// Compares what waits with what batches tell, and gives how many they are. Those that were made before `forgotten` need not
    /// have their rows.
    pub async fn compare(
        self,
        mut snapshot: Snapshot,
        forgotten: Timestamp,
    ) -> Result<(Snapshot, (u64, Vec<Finding>)), AuditError> {
        let mut rows: BTreeMap<BatchId, Vec<Row>> = BTreeMap::new();
        let mut undone: BTreeMap<Key, EntryId> = BTreeMap::new();
        for waiting in self.waiting {
            let mut waiting = waiting.read()?;
            while let Some(bytes) = waiting.next()? {
                match borsh::from_slice(bytes)? {
                    Waiting::Row(row) => rows.entry(row.batch).or_default().push(row),
                    Waiting::Undone(partner, request, entry) => drop(undone.insert((partner, request), entry)),
                }
            }
        }
        let mut found: Vec<Finding> = rows.values().flatten().filter_map(|row| check_undone(row, &undone)).collect();
        let (mut from, mut compared) = (*self.batches.start(), 0);
        loop {
            let page = snapshot.batches_between(from, *self.batches.end(), AT_ONCE).await?;
            for batch in &page {
                let rows = rows.remove(&batch.batch).unwrap_or_default();
                found.extend(compare_batch(&mut snapshot, batch, &rows, forgotten).await?);
            }
            compared += page.len() as u64;
            match page.last().and_then(|last| last.batch.0.checked_add(1)) {
                Some(next) if BatchId(next) <= *self.batches.end() => from = BatchId(next),
                Some(_) | None => break,
            }
        }
        let of_nothing = rows.into_values().flatten();
        found.extend(of_nothing.map(|Row { partner, request, batch, .. }| {
            let problem = format!("it is stored as recorded by batch {batch}, which there is not");
            Finding::Request { partner, request, problem }
        }));
        Ok((snapshot, (compared, found)))
    }
}

fn check_undone(row: &Row, undone: &BTreeMap<Key, EntryId>) -> Option<Finding> {
    let (partner, request) = (row.partner, row.request);
    let problem = match (row.undone, undone.get(&(partner, request))) {
        (true, None) => "it is stored as undone, and no entry undoes it".to_owned(),
        (false, Some(entry)) => format!("entry {entry} undoes it, and it is not stored as undone"),
        (true, Some(_)) | (false, None) => return None,
    };
    Some(Finding::Request { partner, request, problem })
}

async fn compare_batch(
    snapshot: &mut Snapshot,
    batch: &BatchRow,
    rows: &[Row],
    forgotten: Timestamp,
) -> Result<Vec<Finding>, AuditError> {
    let mut found = Vec::new();
    let all_are_there = i64::try_from(rows.len()) == Ok(batch.request_count);
    if batch.time < forgotten && !all_are_there {
        return Ok(found);
    }
    if requests_hash(rows.iter().map(|row| row.hash).collect()) == batch.requests_hash && all_are_there {
        return Ok(found);
    }
    let missing = if all_are_there { String::new() } else { missing(snapshot, batch, rows).await? };
    found.push(Finding::Requests { batch: batch.batch, recorded: batch.request_count, stored: rows.len(), missing });
    Ok(found)
}

/// The missing ones of which an entry tells.
async fn missing(snapshot: &mut Snapshot, batch: &BatchRow, rows: &[Row]) -> Result<String, AuditError> {
    let stored: BTreeSet<Key> = rows.iter().map(|row| (row.partner, row.request)).collect();
    let end = batch.first_sequence.saturating_add(batch.entry_count);
    let entries = snapshot.entries(batch.first_sequence, end, u32::MAX).await?;
    let asked = entries.iter().filter_map(|stored| stored.entry.request_key());
    let missing: BTreeSet<Key> = asked.filter(|key| !stored.contains(key)).collect();
    let named: Vec<String> =
        missing.iter().take(NAMED_MAX).map(|(partner, request)| format!("{request} of {partner}")).collect();
    Ok(if named.is_empty() { String::new() } else { format!("; missing: {}", named.join(", ")) })
}
