//! The audit: everything that is stored is rebuilt from the journal and compared.
//!
//! | what is read | what is checked |
//! |---|---|
//! | batches, in the order of their numbers | no gap, no entry missing, windows never run back, the chain of hashes from zero to the head |
//! | entries | readable, balanced in points and for each purpose, lots and postings agree |
//! | balances, counts, obligations | the same as when the journal is applied to an empty book |
//! | members, lots, holds, lines of receipts | likewise, for some members at a time |
//! | requests | the rows are those that their batches recorded, but for those that may be forgotten |
//! | attachments, links of identifiers | what their entries commit to |
//! | gate, calendar, places of windows | what the entries say of them |
//! | the figures of each close | the same as the journal gives, account by account |
//! | the whole book | the invariants of the rules: issuers against lots, the pool against its points, proofs, continuity |
//!
//! What it says nothing about is [`UNEXPLAINED`].
//!
//! It works on one state of the database, seen by several connections (`Store::snapshots`), and may run beside a house that is
//! open:
//!
//! | at a time | who does what |
//! |---|---|
//! | the journal is read, once | one reads, decodes and hashes a stretch ahead (`stretch`); one plays it on the accounts of the house, and puts aside what an entry does to members until their turn comes (`scratch`); one puts the rows of requests aside by their batches (`requests`) |
//! | requests are compared | each some batches (`requests`) |
//! | members are rebuilt and compared | each some members at a time, by ranges of their ids (`group`) |
//!
//! Its memory grows with the windows and partners that there are, and with the members that are compared at once, whose entries
//! are `AuditLimits::entries_at_once`; neither with the journal nor with the number of members.

mod group;
mod record;
mod requests;
mod scratch;
mod since;
mod spread;
mod stretch;
mod told;
mod unexplained;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use clearing_core::audit::proof::ProofTrail;
use clearing_core::audit::{
    Tally, Violation, check_after, check_before, check_entry, check_house, check_windows, compare_gross, compare_house,
    compare_windows,
};
use clearing_core::book::Book;
use clearing_core::facts::chain::chain_hash;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::lot::LotId;
use clearing_core::facts::window::FundingGroup;
use clearing_core::facts::{Fact, FoundedFacts};
use clearing_core::units::{BatchId, EntryId, Hash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

pub use self::record::RecordError;
pub use self::unexplained::{UNEXPLAINED, Unexplained};

use self::group::Group;
use self::requests::Requests;
use self::scratch::Scratch;
use self::spread::spread;
use self::stretch::{Read, Stretch};
use self::told::{Told, check_rows};
use crate::store::{BatchRow, GrossRows, JournalHead, Snapshot, Store, StoreError, Windows};

/// Stretches of the journal that are read ahead.
const STRETCHES_AHEAD: usize = 2;

/// Who reads the journal, who plays it, and who reads requests.
const READERS: usize = 3;

/// Groups of members at the most, and of batches: each has a file open while the journal is read.
const RANGES_MAX: usize = 256;
const BATCH_RANGES_MAX: usize = 128;

/// Workers at the most: each has a connection, and the memory of a group.
const WORKERS_MAX: usize = 4;

/// Windows read at once.
const WINDOWS_AT_ONCE: WindowNumber = 64;

/// What an audit has read and found.
#[derive(Debug, Clone, Default)]
pub struct AuditReport {
    pub batches: u64,
    pub entries: u64,
    pub members: u64,
    pub lots: u64,
    /// The hash of the journal's head, as it was recomputed.
    pub head: Hash,
    /// The sequence from which on entries were read, if not all were.
    pub since: Option<i64>,
    /// The sequence behind the last entry that an audit of the whole has read: this one, or that at whose end the first record
    /// was made.
    pub whole: i64,
    /// Nothing, if the books are in order.
    pub findings: Vec<Finding>,
}

/// Something that is not in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("batch {batch}: its first sequence is {found}, where {expected} should be next")]
    Gap { batch: BatchId, expected: i64, found: i64 },
    #[error("batch {batch}: its number is {found}, where {expected} should be next")]
    NumberGap { batch: BatchId, expected: i64, found: i64 },
    #[error("batch {batch}: it names {named} entries, and there are {found}")]
    EntriesMissing { batch: BatchId, named: i64, found: usize },
    #[error("batch {batch}: its hash does not follow from its entries and the hash before it")]
    ChainBroken { batch: BatchId },
    #[error("entry {entry}: it stands in window {window} after window {closed} was closed")]
    WindowRanBack { entry: EntryId, window: WindowNumber, closed: WindowNumber },
    #[error("the head of the journal is not where its batches end")]
    HeadDiffers,
    #[error("entry {entry}: it cannot be applied, because a balance does not fit")]
    Unfit { entry: EntryId },
    #[error("entry {entry}: the first entry founds the coalition, and no other one does")]
    Founding { entry: EntryId },
    #[error("the books say that the coalition's domain is {stored}, and it was founded with {founded}")]
    OtherDomain { stored: String, founded: String },
    #[error("the fingerprint of the identifier key is not the one that the coalition was founded with")]
    OtherKey,
    #[error("hold {hold}: it is stored, and no entry of its member made it")]
    HoldOfNothing { hold: EntryId },
    #[error("member {member}: its column says that nothing is due before {stored}, and its row says {due}")]
    Misdated { member: MemberId, stored: Timestamp, due: Timestamp },
    #[error("member {member}: its lots do not stand where its row says")]
    Misplaced { member: MemberId },
    #[error("lot {lot}: whether it waits for its issuer's payment is not what is said where payments look")]
    Waiting { lot: LotId },
    #[error("entry {entry}: {problem}")]
    Attachment { entry: EntryId, problem: &'static str },
    #[error("{line}: stored as booked with {stored}, and the journal gives entry {entry}{}", was_undone(*undone))]
    Line { line: String, stored: String, entry: EntryId, undone: bool },
    #[error(
        "batch {batch}: it recorded {recorded} requests, and of {stored} that are stored not all are those{missing}"
    )]
    Requests { batch: BatchId, recorded: i64, stored: usize, missing: String },
    #[error("request {request} of {partner}: {problem}")]
    Request { partner: PartnerId, request: RequestId, problem: String },
    #[error("request {request} of {partner}: entry {entry} undoes it, and nothing is stored of it")]
    UndoneLost { partner: PartnerId, request: RequestId, entry: EntryId },
    #[error("link {number} of member {member}: {problem}")]
    Link { member: MemberId, number: u32, problem: &'static str },
    #[error("the row {of} is not there, or is of nobody")]
    RowAstray { of: String },
    #[error("there are {stored} {rows}, and the journal gives {told}")]
    RowsDiffer { rows: &'static str, stored: i64, told: i64 },
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// The audit could not be done. What is wrong with a ledger that can be read is in the report.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit cannot keep entries in the folder for temporary files")]
    Scratch(#[from] io::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// How much an audit takes at once. It finds the same whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLimits {
    /// Entries of members that are rebuilt at once by each worker, about: some two kilobytes of memory for each. Of a large
    /// journal there are more, as it is cut into 256 parts at the most.
    pub entries_at_once: u64,
    /// How many work side by side, from 1 to 4.
    pub workers: usize,
}

impl Default for AuditLimits {
    /// A worker for each core of this machine.
    fn default() -> Self {
        Self { entries_at_once: 25_000, workers: available_parallelism().map_or(1, usize::from) }
    }
}

/// What an audit is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads entries of the journal.
    Journal,
    /// It compares requests with what batches tell of them, some batches at a time.
    Requests,
    /// It compares members with the journal.
    Members,
}

/// How far an audit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    pub done: u64,
    pub total: u64,
}

/// Audits a ledger. `progress` is told how far it has come, from the beginning of each phase to its end.
///
/// # Errors
/// [`AuditError`] if the ledger cannot be read at all, or if there is no room for what the audit puts aside.
pub async fn audit_with(store: &Store, progress: impl FnMut(Progress)) -> Result<AuditReport, AuditError> {
    audit_by(store, AuditLimits::default(), progress).await
}

/// [`audit_with`] for whoever does not wait for it.
///
/// # Errors
/// As [`audit_with`].
pub async fn audit(store: &Store) -> Result<AuditReport, AuditError> {
    audit_with(store, |_| {}).await
}

/// [`audit_with`] within these limits.
///
/// # Errors
/// As [`audit_with`].
pub async fn audit_by(
    store: &Store,
    limits: AuditLimits,
    mut progress: impl FnMut(Progress),
) -> Result<AuditReport, AuditError> {
    audit_whole(store, limits, None, &mut progress).await
}

/// The files that an audit begins from and leaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordFiles<'a> {
    /// The record of an earlier audit: only what was written since is read, and what members and accounts have is compared
    /// with what they had. What that leaves out is told in `audit/since.rs` and by `clearing audit --help`.
    pub since: Option<&'a Path>,
    /// Where a record goes, if nothing was found.
    pub record: Option<&'a Path>,
}

/// [`audit_with`], from a record or with one.
///
/// # Errors
/// As [`audit_with`], and if a record cannot be read or written.
pub async fn audit_recorded(
    store: &Store,
    files: RecordFiles<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<AuditReport, AuditError> {
    match files.since {
        Some(since) => since::audit(store, since, files.record, &mut progress).await,
        None => audit_whole(store, AuditLimits::default(), files.record, &mut progress).await,
    }
}

async fn audit_whole(
    store: &Store,
    limits: AuditLimits,
    record: Option<&Path>,
    progress: &mut impl FnMut(Progress),
) -> Result<AuditReport, AuditError> {
    let workers = limits.workers.clamp(1, WORKERS_MAX);
    let mut snapshots = store.snapshots(workers.max(READERS)).await?;
    let mut snapshot = snapshots.pop().expect("there are three at least");
    let row = snapshot.house().await?;
    let created = row.created;
    let founded = FoundedFacts {
        coalition: row.house.coalition.clone(),
        domain: row.domain.clone(),
        key_fingerprint: row.fingerprint,
    };
    let stored = Arc::new(snapshot.house_ledger(Arc::new(row.house)).await?);
    let ranges = snapshot.member_ranges(limits.entries_at_once, RANGES_MAX).await?;
    let batches = snapshot.batch_ranges(limits.entries_at_once.saturating_mul(4), BATCH_RANGES_MAX).await?;
    let mut audit = Audit {
        report: AuditReport::default(),
        // Whose rows it keeps is decided where they are compared.
        rebuilt: Book::unfounded(founded.coalition.clone()).of_members(MemberId(1)..=MemberId(0)),
        founded,
        proofs: ProofTrail::default(),
        told: Told::default(),
        undone: Requests::new(batches.clone()),
        groups: ranges.into_iter().map(|range| Group { range, entries: Scratch::new() }).collect(),
        read: 0,
        window: 1,
        compared: 1,
    };

    let (ahead, stretches) = channel(STRETCHES_AHEAD);
    let (of_journal, of_requests) =
        (snapshots.pop().expect("there are three"), snapshots.pop().expect("there are three"));
    // Whichever of them fails, the others are broken off.
    let (mut reading, mut keeping) = (JoinSet::new(), JoinSet::new());
    reading.spawn(stretch::read(of_journal, audit.founded.coalition.id.clone(), JournalHead::START, ahead));
    keeping.spawn(Requests::new(batches).read(of_requests));
    audit.play_journal(&mut snapshot, &stored, stretches, progress).await?;
    snapshots.push(joined(&mut reading).await?);
    let (given_back, requests) = joined(&mut keeping).await?;
    snapshots.push(given_back);
    // Who has had its turn at the journal may help: with more workers than one there is one more for whom there is no core.
    let left_over = snapshots.split_off(workers.min(snapshots.len()));

    let snapshots = audit.compare_requests(snapshots, requests, progress).await?;
    let (snapshots, tally) = audit.compare_members(snapshots, &stored, progress).await?;

    let gross = snapshot.gross_rest(audit.compared).await?;
    let house = &stored.house;
    audit.find(compare_gross(house, &gross, &audit.rebuilt.gross));
    audit.find(compare_house(&stored, &audit.rebuilt));
    audit.find(check_house(&stored, &tally));
    audit.find(check_rows(&stored));
    let gate = snapshot.gate().await?;
    audit.find(audit.told.compare_house(gate, created, &audit.rebuilt));
    audit.find(audit.told.compare_counts(snapshot.counts().await?));
    let head = snapshot.journal_head().await?;
    let recorded = since::recorded(&stored, &audit.founded.domain, head, head.next_sequence);
    audit.report.whole = head.next_sequence;
    audit.check_windows(&mut snapshot, Arc::unwrap_or_clone(stored)).await?;
    if let Some(to) = record.filter(|_| audit.report.findings.is_empty()) {
        since::write(&mut snapshot, &recorded, to).await?;
    }
    for snapshot in snapshots.into_iter().chain(left_over).chain([snapshot]) {
        snapshot.finish().await?;
    }
    Ok(audit.report)
}

/// What the one task of a set came to.
async fn joined<T: 'static>(tasks: &mut JoinSet<Result<T, AuditError>>) -> Result<T, AuditError> {
    let ended = tasks.join_next().await.expect("there is one");
    ended.expect("it is not broken off before its end, and does not panic")
}

/// An audit under way.
struct Audit {
    report: AuditReport,
    /// What the journal gives of all that is no member's.
    rebuilt: Book,
    /// As it is stored.
    founded: FoundedFacts,
    /// What the journal gives of the figures of each close.
    proofs: ProofTrail,
    /// What it gives of rows that no book holds.
    told: Told,
    /// The requests that it undoes.
    undone: Requests,
    groups: Vec<Group>,
    /// Entries that were read.
    read: u64,
    /// The window that is open where the journal was read to.
    window: WindowNumber,
    /// The first window of which the gross obligations are not compared yet.
    compared: WindowNumber,
}

impl Audit {
    fn find<F: Into<Finding>>(&mut self, found: impl IntoIterator<Item = F>) {
        self.report.findings.extend(found.into_iter().map(Into::into));
    }

    async fn play_journal(
        &mut self,
        snapshot: &mut Snapshot,
        stored: &Book,
        mut stretches: Receiver<Stretch>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), AuditError> {
        let head = snapshot.journal_head().await?;
        let total = u64::try_from(head.next_sequence - 1).unwrap_or(0);
        let (mut next, mut number) = (1, 1);
        loop {
            progress(Progress { phase: Phase::Journal, done: self.report.entries, total });
            let Some(Stretch { batches, entries, attachments }) = stretches.recv().await else { break };
            let mut rest = &entries[..];
            for read in &batches {
                let batch = &read.row;
                if batch.number != number {
                    let (expected, found) = (number, batch.number);
                    self.find([Finding::NumberGap { batch: batch.batch, expected, found }]);
                }
                number = batch.number.saturating_add(1);
                if batch.first_sequence != next {
                    let (expected, found) = (next, batch.first_sequence);
                    self.find([Finding::Gap { batch: batch.batch, expected, found }]);
                }
                let (own, behind) = rest.split_at(read.entries);
                self.play_batch(read, own)?;
                rest = behind;
                next = batch.end_sequence();
            }
            self.report.batches += u64::try_from(batches.len()).unwrap_or(0);
            self.report.entries += u64::try_from(entries.len() - rest.len()).unwrap_or(0);
            let differ = self.told.attachments(&entries, attachments);
            self.find(differ);
            let lost = self.undone.entries(snapshot, &entries).await?;
            self.find(lost);
            // Which lines are booked is told by the members' entries.
            self.rebuilt.receipts.clear();
            self.compare_closed(snapshot, stored).await?;
        }
        if (head.next_sequence, head.next_number) != (next, number) || head.hash != self.report.head {
            self.find([Finding::HeadDiffers]);
        }
        Ok(())
    }

    fn play_batch(&mut self, read: &Read, entries: &[JournalEntry]) -> Result<(), AuditError> {
        let batch = &read.row;
        if i64::try_from(entries.len()) != Ok(batch.entry_count) {
            let (named, found) = (batch.entry_count, entries.len());
            self.find([Finding::EntriesMissing { batch: batch.batch, named, found }]);
        }
        if !follows(read, &self.report.head) {
            self.find([Finding::ChainBroken { batch: batch.batch }]);
        }
        self.report.head = batch.hash;
        for stored in entries {
            self.told.entry(stored.sequence, &stored.entry);
            self.play_entry(stored.id, &stored.entry)?;
        }
        self.told.batch(batch.time, &self.rebuilt.take_changes());
        Ok(())
    }

    fn play_entry(&mut self, id: EntryId, entry: &Entry) -> Result<(), AuditError> {
        let house = Arc::clone(&self.rebuilt.house);
        self.find(check_entry(&house, id, entry));
        self.check_founding(id, entry);
        self.proofs.add(entry);
        if entry.window < self.window {
            let closed = self.window - 1;
            self.find([Finding::WindowRanBack { entry: id, window: entry.window, closed }]);
        }
        let closes = entry.kind == EntryKind::Close;
        self.window = if closes { entry.window.saturating_add(1) } else { entry.window.max(self.window) };
        self.find(check_before(&self.rebuilt, id, entry));
        if terms_are_known(&house, entry) && self.rebuilt.apply(id, entry).is_err() {
            self.find([Finding::Unfit { entry: id }]);
        }
        self.find(check_after(&self.rebuilt, id, entry));
        let decides = |fact: &Fact| matches!(fact, Fact::Funding(_) | Fact::Cancelled(_));
        let concerned: BTreeSet<usize> = if entry.facts.iter().any(decides) {
            // Whose points were paid for, or never will be, is known by the members' lots.
            (0..self.groups.len()).collect()
        } else {
            let members = entry.lots.iter().map(|moved| moved.lot.member).chain(entry.member);
            members.map(|member| self.group_of(member)).collect()
        };
        let bytes = if concerned.is_empty() { Vec::new() } else { entry.to_bytes() };
        for group in concerned {
            self.groups[group].entries.push_entry(id, &bytes)?;
        }
        Ok(())
    }

    /// The first entry founds the coalition, and no other does.
    fn check_founding(&mut self, id: EntryId, entry: &Entry) {
        let founded =
            entry.facts.iter().find_map(|fact| if let Fact::Founded(facts) = fact { Some(facts) } else { None });
        if founded.is_some() != (self.read == 0) {
            self.find([Finding::Founding { entry: id }]);
        }
        self.read += 1;
        if let Some(founded) = founded.filter(|founded| founded.domain != self.founded.domain) {
            self.find([Finding::OtherDomain { stored: self.founded.domain.clone(), founded: founded.domain.clone() }]);
        }
        if founded.is_some_and(|founded| founded.key_fingerprint != self.founded.key_fingerprint) {
            self.find([Finding::OtherKey]);
        }
    }

    fn group_of(&self, member: MemberId) -> usize {
        self.groups.partition_point(|group| *group.range.ids.end() < member)
    }

    /// Compares the gross obligations of windows that were closed, as nothing is added to them any more, and forgets them.
    async fn compare_closed(&mut self, snapshot: &mut Snapshot, stored: &Book) -> Result<(), AuditError> {
        // A journal that is broken may name any window.
        while self.compared < self.window.min(stored.open_window) {
            let number = self.compared;
            let rows = snapshot.gross(number).await?;
            let rows: GrossRows =
                rows.into_iter().map(|((issuer, acceptor), gross)| ((number, issuer, acceptor), gross)).collect();
            let gross = std::mem::take(&mut self.rebuilt.gross).into_iter();
            let (rebuilt, later): (GrossRows, _) = gross.partition(|((window, ..), _)| *window <= number);
            self.rebuilt.gross = later;
            self.find(compare_gross(&stored.house, &rows, &rebuilt));
            // Of settled windows nothing is left in flight.
            self.rebuilt.money_balances.retain(|_, balance| !balance.is_zero());
            self.compared += 1;
        }
        Ok(())
    }

    async fn compare_requests(
        &mut self,
        snapshots: Vec<Snapshot>,
        rows: Requests,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Vec<Snapshot>, AuditError> {
        let undone = std::mem::replace(&mut self.undone, Requests::new(Vec::new()));
        let (forgotten, total) = (self.rebuilt.forgotten, self.report.batches);
        let mut done = 0;
        let mut tell = |batches| {
            done += batches;
            progress(Progress { phase: Phase::Requests, done, total });
        };
        tell(0);
        let work = move |snapshot, group: requests::Group| group.compare(snapshot, forgotten);
        let (snapshots, compared) =
            spread(snapshots, rows.groups_with(undone), work, |(batches, _)| tell(*batches)).await?;
        self.find(compared.into_iter().flat_map(|(_, findings)| findings));
        Ok(snapshots)
    }

    /// Rebuilds the members, group by group, and compares them. Gives what their stored rows come to.
    async fn compare_members(
        &mut self,
        snapshots: Vec<Snapshot>,
        stored: &Arc<Book>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(Vec<Snapshot>, Tally), AuditError> {
        let groups = std::mem::take(&mut self.groups);
        let total = groups.iter().map(|group| group.range.members).sum();
        let mut done = 0;
        let mut tell = |members| {
            done += members;
            progress(Progress { phase: Phase::Members, done, total });
        };
        tell(0);
        let (house, stored) = (Arc::clone(&self.rebuilt.house), Arc::clone(stored));
        let work = move |snapshot, group| group::compare(snapshot, group, Arc::clone(&house), Arc::clone(&stored));
        let (snapshots, compared) =
            spread(snapshots, groups, work, |compared: &group::Compared| tell(compared.members)).await?;
        let mut tally = Tally::default();
        for of in compared {
            self.report.members += of.members;
            self.report.lots += of.lots;
            self.told.receipt_lines += of.receipt_lines;
            self.find(of.findings);
            tally.merge(of.tally);
            for (partner, of_members) in of.guards {
                let guard = self.rebuilt.guards.entry(partner).or_default();
                guard.reserved.0 = guard.reserved.0.saturating_add(of_members.reserved.0);
            }
            for (key, of_members) in of.funding {
                let fresh = || FundingGroup::new(of_members.settles_in);
                let group = self.rebuilt.funding.entry(key).or_insert_with(fresh);
                group.points = Points(group.points.0.saturating_add(of_members.points.0));
            }
        }
        Ok((snapshots, tally))
    }

    async fn check_windows(&mut self, snapshot: &mut Snapshot, mut stored: Book) -> Result<(), AuditError> {
        let mut first = 0;
        loop {
            let last = first + WINDOWS_AT_ONCE - 1;
            let ends = last >= stored.open_window;
            // With the one behind them, which opened with what they carried.
            let read = Windows::Between(first, if ends { WindowNumber::MAX } else { last + 1 });
            let rows = snapshot.windows(read).await?;
            for row in rows.iter().filter(|row| ends || row.window.number <= last) {
                let differ = self.told.compare_window(row);
                self.find(differ);
            }
            stored.windows = rows.into_iter().map(|row| (row.window.number, row.window)).collect();
            let numbers = first..=if ends { WindowNumber::MAX } else { last };
            self.find(check_windows(&stored, numbers.clone()));
            // What stands behind the last one was read to compare it with what that carried.
            self.find(compare_windows(&stored, &self.rebuilt, numbers));
            // A row or a journal that is broken may name any window.
            let differ = self.proofs.check(&stored, last.min(stored.open_window).min(self.window));
            self.find(differ);
            if ends {
                return Ok(());
            }
            first = last + 1;
        }
    }
}

/// Whether a batch is the one that comes next in the chain.
fn follows(read: &Read, head: &Hash) -> bool {
    let batch: &BatchRow = &read.row;
    let chained = chain_hash(head, batch.number, batch.first_sequence, &read.contents);
    // Without entries the chain does not cover the salt.
    let salted = batch.entry_count == 0 && batch.salt != [0; 16];
    batch.previous_hash == *head && batch.hash == chained && !salted
}

fn was_undone(undone: bool) -> &'static str {
    if undone { ", undone since" } else { "" }
}

/// Whether an entry can be applied: an unknown version is a finding of its own.
fn terms_are_known(house: &House, entry: &Entry) -> bool {
    let known = |issuer, version| house.partners.get(&issuer).and_then(|issuer| issuer.terms_version(version));
    entry.lots.iter().all(|moved| known(moved.issuer, moved.terms).is_some())
}
