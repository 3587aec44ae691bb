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
//! It works on one snapshot of the database and may run beside a house that is open. Its memory grows with the members and
//! with what the house keeps of windows, not with the journal: the journal is read once, a stretch at a time, and what an
//! entry does to members waits in a `scratch` until their turn comes, of about `ENTRIES_AT_ONCE` entries. So do the rows of
//! requests until the turn of their batches.

mod requests;
mod scratch;
mod told;
mod unexplained;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use clearing_core::audit::proof::ProofTrail;
use clearing_core::audit::{
    Tally, Violation, check_after, check_before, check_entry, check_house, check_members, check_windows, compare_gross,
    compare_house, compare_members, compare_windows,
};
use clearing_core::book::Book;
use clearing_core::facts::chain::{BatchHeader, STRIPE, chain_hash, link_commitment};
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::lot::LotId;
use clearing_core::facts::member::IdentifierLink;
use clearing_core::facts::receipt::ReceiptLine;
use clearing_core::facts::window::FundingGroup;
use clearing_core::facts::{Fact, FoundedFacts};
use clearing_core::units::{BatchId, EntryId, Hash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber};

pub use self::unexplained::{UNEXPLAINED, Unexplained};

use self::requests::Requests;
use self::scratch::Scratch;
use self::told::{Told, check_rows};
use crate::store::{
    BatchRow, BookedLine, GrossRows, LinePlace, MemberRange, MembersLedger, Snapshot, Store, StoreError, Windows,
};

/// Batches read at once, and entries of them at the most, unless one batch has more.
const BATCHES_AT_ONCE: u32 = 500;
const STRETCH: i64 = 5_000;

/// Entries of members that are rebuilt at once.
const ENTRIES_AT_ONCE: u64 = 100_000;

/// Groups of members at the most, and of batches: each has a file open while the journal is read.
const RANGES_MAX: usize = 256;
const BATCH_RANGES_MAX: usize = 128;

/// Lines of receipts that are looked for at once.
const LINES_AT_ONCE: usize = 1_000;

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
}

/// What an audit is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads entries of the journal.
    Journal,
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
    audit_by(store, ENTRIES_AT_ONCE, progress).await
}

/// [`audit_with`] for whoever does not wait for it.
///
/// # Errors
/// As [`audit_with`].
pub async fn audit(store: &Store) -> Result<AuditReport, AuditError> {
    audit_with(store, |_| {}).await
}

/// [`audit_with`] with about so many entries of members rebuilt at once. It finds the same whatever their number.
///
/// # Errors
/// As [`audit_with`].
pub async fn audit_by(
    store: &Store,
    entries_at_once: u64,
    mut progress: impl FnMut(Progress),
) -> Result<AuditReport, AuditError> {
    let mut snapshot = store.snapshot().await?;
    let row = snapshot.house().await?;
    let (created, calendar_set) = (row.created, row.calendar_set);
    let founded = FoundedFacts {
        coalition: row.house.coalition.clone(),
        domain: row.domain.clone(),
        key_fingerprint: row.fingerprint,
    };
    let stored = snapshot.house_ledger(Arc::new(row.house)).await?;
    let ranges = snapshot.member_ranges(entries_at_once, RANGES_MAX).await?;
    let mut audit = Audit {
        report: AuditReport::default(),
        // Whose rows it keeps is decided where they are compared.
        rebuilt: Book::unfounded(founded.coalition.clone()).of_members(MemberId(1)..=MemberId(0)),
        founded,
        proofs: ProofTrail::default(),
        told: Told::default(),
        requests: Some(Requests::new(snapshot.batch_ranges(entries_at_once, BATCH_RANGES_MAX).await?)),
        groups: ranges.into_iter().map(|range| Group { range, entries: Scratch::new() }).collect(),
        read: 0,
        window: 1,
        compared: 1,
    };
    audit.read_journal(&mut snapshot, &stored, &mut progress).await?;
    audit.compare_requests(&mut snapshot).await?;
    let tally = audit.compare_members(&mut snapshot, &stored, &mut progress).await?;

    let gross = snapshot.gross_rest(audit.compared).await?;
    let house = &stored.house;
    audit.find(compare_gross(house, &gross, &audit.rebuilt.gross));
    audit.find(compare_house(&stored, &audit.rebuilt));
    audit.find(check_house(&stored, &tally));
    audit.find(check_rows(&stored));
    let gate = snapshot.gate().await?;
    audit.find(audit.told.compare_house(gate, created, calendar_set, &audit.rebuilt));
    audit.find(audit.told.compare_counts(snapshot.counts().await?));
    audit.check_windows(&mut snapshot, stored).await?;
    snapshot.finish().await?;
    Ok(audit.report)
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
    /// What it gives of requests; none once they are compared.
    requests: Option<Requests>,
    groups: Vec<Group>,
    /// Entries that were read.
    read: u64,
    /// The window that is open where the journal was read to.
    window: WindowNumber,
    /// The first window of which the gross obligations are not compared yet.
    compared: WindowNumber,
}

/// What the journal commits to of links, by member and number.
type Links = BTreeMap<(MemberId, u32), Hash>;

/// The lines of receipts that entries booked, and whether these were undone since.
type Lines = BTreeMap<EntryId, (ReceiptLine, bool)>;

/// Members that are compared at once, and the entries that touch them.
struct Group {
    range: MemberRange,
    entries: Scratch,
}

impl Audit {
    fn find<F: Into<Finding>>(&mut self, found: impl IntoIterator<Item = F>) {
        self.report.findings.extend(found.into_iter().map(Into::into));
    }

    async fn read_journal(
        &mut self,
        snapshot: &mut Snapshot,
        stored: &Book,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), AuditError> {
        let head = snapshot.journal_head().await?;
        let total = u64::try_from(head.next_sequence - 1).unwrap_or(0);
        let (mut next, mut number) = (1, 1);
        loop {
            progress(Progress { phase: Phase::Journal, done: self.report.entries, total });
            let batches = snapshot.batches(number, BATCHES_AT_ONCE).await?;
            let Some(first) = batches.first() else { break };
            let end = |batch: &BatchRow| batch.first_sequence.saturating_add(batch.entry_count);
            let fits = |batch: &&BatchRow| end(batch).saturating_sub(first.first_sequence) <= STRETCH;
            let count = batches.iter().take_while(fits).count().max(1);
            let batches = &batches[..count];
            let begins = next;
            let entries = snapshot.entries(next, end(&batches[count - 1]), u32::MAX).await?;
            let mut at = 0;
            for batch in batches {
                if batch.number != number {
                    let (expected, found) = (number, batch.number);
                    self.find([Finding::NumberGap { batch: batch.batch, expected, found }]);
                }
                number = batch.number.saturating_add(1);
                if batch.first_sequence != next {
                    let (expected, found) = (next, batch.first_sequence);
                    self.find([Finding::Gap { batch: batch.batch, expected, found }]);
                }
                let own = entries[at..].iter().take_while(|stored| stored.id.batch == batch.batch).count();
                self.read_batch(batch, &entries[at..at + own])?;
                at += own;
                next = end(batch);
            }
            self.report.batches += u64::try_from(count).unwrap_or(0);
            self.report.entries += u64::try_from(at).unwrap_or(0);
            let attachments = snapshot.attachments(begins, next).await?;
            let differ = self.told.attachments(&entries, attachments);
            self.find(differ);
            let requests = self.requests.as_mut().expect("they are compared behind the journal");
            let lost = requests.entries(snapshot, &entries).await?;
            self.find(lost);
            // Which lines are booked is told by the members' entries.
            self.rebuilt.receipts.clear();
            self.compare_closed(snapshot, stored).await?;
            // A row that is broken may have the last number that there is, and would be found again and again.
            if number == i64::MAX {
                break;
            }
        }
        if (head.next_sequence, head.next_number) != (next, number) || head.hash != self.report.head {
            self.find([Finding::HeadDiffers]);
        }
        Ok(())
    }

    fn read_batch(&mut self, batch: &BatchRow, entries: &[JournalEntry]) -> Result<(), AuditError> {
        if i64::try_from(entries.len()) != Ok(batch.entry_count) {
            let (named, found) = (batch.entry_count, entries.len());
            self.find([Finding::EntriesMissing { batch: batch.batch, named, found }]);
        }
        let header = BatchHeader {
            coalition: self.rebuilt.house.coalition.id.clone(),
            stripe: STRIPE,
            batch: batch.batch,
            window: batch.window,
            time: batch.time,
            salt: batch.salt,
        };
        let numbered = entries.iter().map(|stored| (stored.id.ordinal, &*stored.entry));
        let contents = header.contents_hash(&batch.requests_hash, numbered);
        let chained = chain_hash(&self.report.head, batch.number, batch.first_sequence, &contents);
        // Without entries the chain does not cover the salt.
        let salted = batch.entry_count == 0 && batch.salt != [0; 16];
        if batch.previous_hash != self.report.head || batch.hash != chained || salted {
            self.find([Finding::ChainBroken { batch: batch.batch }]);
        }
        self.report.head = batch.hash;
        for stored in entries {
            self.told.entry(stored.sequence, &stored.entry);
            self.read_entry(stored.id, &stored.entry)?;
        }
        self.told.batch(batch.time, &self.rebuilt.take_changes());
        Ok(())
    }

    fn read_entry(&mut self, id: EntryId, entry: &Entry) -> Result<(), AuditError> {
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
        let concerned: BTreeSet<usize> = if entry.facts.funding().is_some() {
            // Whose points were paid for is known by the members' lots.
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

    async fn compare_requests(&mut self, snapshot: &mut Snapshot) -> Result<(), AuditError> {
        let Some(mut requests) = self.requests.take() else { return Ok(()) };
        requests.read(snapshot).await?;
        let differ = requests.compare(snapshot, self.rebuilt.forgotten).await?;
        self.find(differ);
        Ok(())
    }

    /// Rebuilds the members, group by group, and compares them. Gives what their stored rows come to.
    async fn compare_members(
        &mut self,
        snapshot: &mut Snapshot,
        stored: &Book,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Tally, AuditError> {
        let mut tally = Tally::default();
        let groups = std::mem::take(&mut self.groups);
        let total = groups.iter().map(|group| group.range.members).sum();
        for Group { range, entries } in groups {
            progress(Progress { phase: Phase::Members, done: self.report.members, total });
            let (rebuilt, links, lines) = self.rebuild(&range, entries)?;
            self.compare_links(snapshot, &range, links).await?;
            let MembersLedger { book: of_members, stray_holds, misdated, misplaced, waiting_amiss } =
                snapshot.members_ledger(stored, &range.ids).await?;
            self.compare_lines(snapshot, lines).await?;
            self.report.members += u64::try_from(of_members.members.len()).unwrap_or(0);
            self.report.lots += u64::try_from(of_members.lots.len()).unwrap_or(0);
            self.find(stray_holds.into_iter().map(|hold| Finding::HoldOfNothing { hold }));
            let misdated = misdated.into_iter();
            self.find(misdated.map(|(member, stored, due)| Finding::Misdated { member, stored, due }));
            self.find(misplaced.into_iter().map(|member| Finding::Misplaced { member }));
            self.find(waiting_amiss.into_iter().map(|lot| Finding::Waiting { lot }));
            self.find(compare_members(&of_members, &rebuilt));
            self.find(check_members(&of_members));
            tally.add(&of_members);
            self.add_house(&rebuilt);
        }
        progress(Progress { phase: Phase::Members, done: self.report.members, total });
        Ok(tally)
    }

    /// The members of a group, to which of their links the journal commits, and which lines of receipts they booked, from the
    /// entries that touch them.
    fn rebuild(&mut self, range: &MemberRange, entries: Scratch) -> Result<(Book, Links, Lines), AuditError> {
        let house = Arc::clone(&self.rebuilt.house);
        let mut rebuilt = Book::new(Arc::clone(&house), 1).of_members(range.ids.clone());
        let mut entries = entries.read()?;
        let mut lines = Lines::new();
        let mut links = Links::new();
        while let Some((id, entry)) = entries.next_entry()? {
            if let Some(lot) = rebuilt.missing_lot(&entry) {
                self.find([Violation::LotUnknown { entry: id, lot }]);
            } else if terms_are_known(&house, &entry) && rebuilt.apply(id, &entry).is_err() {
                self.find([Finding::Unfit { entry: id }]);
            }
            drop(rebuilt.take_changes());
            let enrolled = entry.enrolled().filter(|(member, _)| range.ids.contains(member));
            links.extend(enrolled.map(|(member, link)| ((member, link.number), link.commitment)));
            lines.extend(ReceiptLine::of_entry(&entry, &house.coalition.time_zone).map(|line| (id, (line, false))));
            // What is undone by the batch that booked it was never written.
            match ReceiptLine::freed_by(&entry) {
                Some(freed) if freed.batch == id.batch => drop(lines.remove(&freed)),
                Some(freed) => drop(lines.entry(freed).and_modify(|(_, undone)| *undone = true)),
                None => {}
            }
        }
        Ok((rebuilt, links, lines))
    }

    /// Compares whom identifiers name with what the journal commits to.
    async fn compare_links(
        &mut self,
        snapshot: &mut Snapshot,
        range: &MemberRange,
        mut links: Links,
    ) -> Result<(), AuditError> {
        for (identifier, IdentifierLink { member, number, salt }) in snapshot.links(&range.ids).await? {
            let problem = match links.remove(&(member, number)) {
                None => "it is stored, and no entry made it",
                Some(commitment) if commitment != link_commitment(&salt, &identifier, member) => {
                    "it is not the one to which its entry commits"
                }
                Some(_) => continue,
            };
            self.find([Finding::Link { member, number, problem }]);
        }
        let lost = links.into_keys();
        self.find(lost.map(|(member, number)| Finding::Link { member, number, problem: "it is not there" }));
        Ok(())
    }

    /// Looks for the lines of receipts that the entries of some members booked.
    async fn compare_lines(&mut self, snapshot: &mut Snapshot, lines: Lines) -> Result<(), AuditError> {
        let lines: Vec<(EntryId, (ReceiptLine, bool))> = lines.into_iter().collect();
        for page in lines.chunks(LINES_AT_ONCE) {
            let receipts = page.iter().map(|(_, (line, _))| line.receipt.clone()).collect();
            let mut stored: BTreeMap<LinePlace, Vec<BookedLine>> = BTreeMap::new();
            for row in snapshot.booked_lines(&receipts).await? {
                stored.entry(row.place).or_default().push(row);
            }
            for (entry, (line, undone)) in page {
                self.told.receipt_lines += 1;
                let rows = stored.get(&LinePlace::of(line)).map_or(&[][..], Vec::as_slice);
                let is_right = rows.iter().any(|row| (row.entry, row.undone) == (*entry, *undone));
                // Numbers have no gaps: else one that is taken might be taken again.
                let mut numbers: Vec<u32> = rows.iter().map(|row| row.nth).collect();
                numbers.sort_unstable();
                if !is_right || !numbers.iter().copied().eq(0..u32::try_from(rows.len()).unwrap_or(u32::MAX)) {
                    let line = format!("{line} of {}", line.receipt.partner);
                    self.find([Finding::Line { line, stored: listed(rows), entry: *entry, undone: *undone }]);
                }
            }
        }
        Ok(())
    }

    /// Adds what only members' lots and holds tell of the house.
    fn add_house(&mut self, members: &Book) {
        for (partner, of_members) in &members.guards {
            let guard = self.rebuilt.guards.entry(*partner).or_default();
            guard.reserved.0 = guard.reserved.0.saturating_add(of_members.reserved.0);
        }
        for (key, of_members) in &members.funding {
            let group = self.rebuilt.funding.entry(*key).or_insert_with(|| FundingGroup::new(of_members.settles_in));
            group.points = Points(group.points.0.saturating_add(of_members.points.0));
        }
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

/// What is stored of a line, for people.
fn listed(rows: &[BookedLine]) -> String {
    let row = |row: &BookedLine| format!("entry {} as number {}{}", row.entry, row.nth, was_undone(row.undone));
    if rows.is_empty() { "nothing".to_owned() } else { rows.iter().map(row).collect::<Vec<_>>().join(", ") }
}

fn was_undone(undone: bool) -> &'static str {
    if undone { ", undone since" } else { "" }
}

/// Whether an entry can be applied: an unknown version is a finding of its own.
fn terms_are_known(house: &House, entry: &Entry) -> bool {
    let known = |issuer, version| house.partners.get(&issuer).and_then(|issuer| issuer.terms_version(version));
    entry.lots.iter().all(|moved| known(moved.issuer, moved.terms).is_some())
}
