//! The audit of what was written since an earlier one, from the record that it left (`record`).
//!
//! | what is read | what is checked |
//! |---|---|
//! | batches and entries since | no gap, none missing, the chain of hashes from the recorded head to the present one, each entry balanced, windows never run back |
//! | balances, outstanding points | each: what was recorded, and what entries since have posted |
//! | the rows of all members | each: what it has and owes is what was recorded, and what entries since have posted; that of one that no entry since names is as it was, with the lots in it |
//! | lots and holds of members that entries since name | in themselves, and against the member's row |
//! | what all members hold and owe | against the accounts of issuers and creditors |
//!
//! Not looked at are entries before the record, holds of other members and their lots for which their rows have no room, requests, attachments, links, receipts,
//! windows with their settlements, terms, limits and consents. Whoever changes books and record alike is not found out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use clearing_core::audit::{Violation, check_entry, check_members};
use clearing_core::book::Book;
use clearing_core::chart::PointsAccount;
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::member::Member;
use clearing_core::units::{EntryId, MemberId, PartnerId, WindowNumber};
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;

use super::record::{Figures, MemberRow, Reading, RecordError, Recorded, Writing};
use super::stretch::{self, Read, Stretch};
use super::{AuditError, AuditReport, Finding, Phase, Progress, STRETCHES_AHEAD, follows, joined};
use crate::store::{JournalHead, MembersLedger, Snapshot, Store};

/// Members whose rows are read at once.
const MEMBERS_AT_ONCE: u32 = 5_000;

/// What an audit has to keep of books for the next one.
pub(super) fn recorded(stored: &Book, domain: &str, head: JournalHead, whole: i64) -> Recorded {
    let points = stored.points_balances.iter().map(|(account, balance)| (account.to_string(), balance.0));
    let money = stored.money_balances.iter().map(|(account, balance)| (account.to_string(), balance.0));
    let outstanding =
        stored.outstanding.iter().map(|((issuer, version), points)| ((issuer.to_string(), *version), points.0));
    Recorded {
        coalition: stored.house.coalition.id.clone(),
        domain: domain.to_owned(),
        next_sequence: head.next_sequence,
        next_number: head.next_number,
        head: head.hash,
        window: stored.open_window,
        whole,
        points: points.filter(|(_, balance)| *balance != 0).collect(),
        money: money.filter(|(_, balance)| *balance != 0).collect(),
        outstanding: outstanding.filter(|(_, points)| *points != 0).collect(),
    }
}

/// Writes a record, with all members as they are stored.
///
/// # Errors
/// See [`AuditError`].
pub(super) async fn write(snapshot: &mut Snapshot, recorded: &Recorded, to: &Path) -> Result<(), AuditError> {
    let mut writing = Writing::begin(to, recorded)?;
    let mut after = MemberId(0);
    loop {
        let members = snapshot.member_rows(after, MEMBERS_AT_ONCE).await?;
        let Some((last, _)) = members.last() else { break };
        after = last.id;
        for (member, lots) in &members {
            let row = MemberRow::of(member, lots).expect("the figures of books in order fit");
            writing.member(row)?;
        }
    }
    Ok(writing.finish(to)?)
}

/// Audits what was written since the record in a file; `record` is where the next one goes, if all is in order.
///
/// # Errors
/// [`AuditError`] if books or record cannot be read, or if they are not of the same coalition.
pub(super) async fn audit(
    store: &Store,
    since: &Path,
    record: Option<&Path>,
    progress: &mut impl FnMut(Progress),
) -> Result<AuditReport, AuditError> {
    let mut reading = Reading::open(since)?;
    let before = reading.recorded.clone();
    let mut snapshots = store.snapshots(2).await?;
    let (mut snapshot, ahead) = (snapshots.pop().expect("there are two"), snapshots.pop().expect("there are two"));
    let row = snapshot.house().await?;
    let (books, domain) = (row.house.coalition.id.clone(), row.domain.clone());
    if (&books, &domain) != (&before.coalition, &before.domain) {
        return Err(RecordError::OtherBooks { recorded: before.coalition, books }.into());
    }
    let stored = snapshot.house_ledger(Arc::new(row.house)).await?;
    let head = snapshot.journal_head().await?;
    let total = u64::try_from(head.next_sequence.saturating_sub(before.next_sequence)).unwrap_or(0);
    let mut audit = Since {
        report: AuditReport { head: before.head, since: Some(before.next_sequence), ..AuditReport::default() },
        stored,
        next: (before.next_sequence, before.next_number),
        window: before.window,
        sums: Sums::of(&before),
        members: BTreeMap::new(),
    };
    let (to, mut stretches) = channel(STRETCHES_AHEAD);
    let from = JournalHead { next_sequence: before.next_sequence, next_number: before.next_number, hash: before.head };
    let mut ahead_of = JoinSet::new();
    ahead_of.spawn(stretch::read(ahead, books, from, to));
    loop {
        progress(Progress { phase: Phase::Journal, done: audit.report.entries, total });
        let Some(stretch) = stretches.recv().await else { break };
        audit.play(&stretch);
    }
    let ahead = joined(&mut ahead_of).await?;
    if (head.next_sequence, head.next_number) != audit.next || head.hash != audit.report.head {
        audit.find([Finding::HeadDiffers]);
    }
    audit.compare_house();
    audit.compare_members(&mut snapshot, &mut reading, progress).await?;
    let is_clean = audit.report.findings.is_empty();
    if let Some(to) = record.filter(|_| is_clean) {
        write(&mut snapshot, &recorded(&audit.stored, &domain, head, before.whole), to).await?;
    }
    audit.report.whole = before.whole;
    for snapshot in [snapshot, ahead] {
        snapshot.finish().await?;
    }
    Ok(audit.report)
}

/// An audit since a record.
struct Since {
    report: AuditReport,
    stored: Book,
    /// The sequence and the number that come next.
    next: (i64, i64),
    /// The window that is open where the journal was read to.
    window: WindowNumber,
    sums: Sums,
    /// The members that entries since name, and what these have posted to them.
    members: BTreeMap<MemberId, [i128; 4]>,
}

/// What was recorded and posted since, by account.
struct Sums {
    points: BTreeMap<String, i128>,
    money: BTreeMap<String, i128>,
    outstanding: BTreeMap<(String, u32), i128>,
}

impl Sums {
    fn of(recorded: &Recorded) -> Self {
        fn wide<K: Ord + Clone>(sums: &BTreeMap<K, i64>) -> BTreeMap<K, i128> {
            sums.iter().map(|(key, sum)| (key.clone(), i128::from(*sum))).collect()
        }
        let Recorded { points, money, outstanding, .. } = recorded;
        Self { points: wide(points), money: wide(money), outstanding: wide(outstanding) }
    }
}

impl Since {
    fn find<F: Into<Finding>>(&mut self, found: impl IntoIterator<Item = F>) {
        self.report.findings.extend(found.into_iter().map(Into::into));
    }

    fn play(&mut self, Stretch { batches, entries, .. }: &Stretch) {
        let mut rest = &entries[..];
        for read in batches {
            let (own, behind) = rest.split_at(read.entries);
            self.play_batch(read, own);
            rest = behind;
        }
        self.report.batches += batches.len() as u64;
        self.report.entries += (entries.len() - rest.len()) as u64;
    }

    fn play_batch(&mut self, read: &Read, entries: &[JournalEntry]) {
        let row = &read.row;
        let (batch, (sequence, number)) = (row.batch, self.next);
        if row.number != number {
            self.find([Finding::NumberGap { batch, expected: number, found: row.number }]);
        }
        if row.first_sequence != sequence {
            self.find([Finding::Gap { batch, expected: sequence, found: row.first_sequence }]);
        }
        if i64::try_from(entries.len()) != Ok(row.entry_count) {
            self.find([Finding::EntriesMissing { batch, named: row.entry_count, found: entries.len() }]);
        }
        if !follows(read, &self.report.head) {
            self.find([Finding::ChainBroken { batch }]);
        }
        self.report.head = row.hash;
        self.next = (row.end_sequence(), row.number.saturating_add(1));
        entries.iter().for_each(|stored| self.play_entry(stored.id, &stored.entry));
    }

    fn play_entry(&mut self, id: EntryId, entry: &Entry) {
        let house = Arc::clone(&self.stored.house);
        self.find(check_entry(&house, id, entry));
        if entry.window < self.window {
            let closed = self.window - 1;
            self.find([Finding::WindowRanBack { entry: id, window: entry.window, closed }]);
        }
        let closes = entry.kind == EntryKind::Close;
        self.window = if closes { entry.window.saturating_add(1) } else { entry.window.max(self.window) };
        for posting in &entry.money {
            *self.sums.money.entry(posting.account.to_string()).or_default() += i128::from(posting.amount.0);
        }
        for member in entry.lots.iter().map(|moved| moved.lot.member).chain(entry.member) {
            self.members.entry(member).or_default();
        }
        for posting in &entry.points {
            let points = i128::from(posting.points.0);
            let (member, figure) = match posting.account {
                PointsAccount::Member(member) => (member, 0),
                PointsAccount::Held(member) => (member, 1),
                PointsAccount::Pending(member) => (member, 2),
                PointsAccount::Debt(member) => (member, 3),
                account @ (PointsAccount::Issuer(_) | PointsAccount::Recoverable(_)) => {
                    *self.sums.points.entry(account.to_string()).or_default() += points;
                    continue;
                }
            };
            // What a member owes stands below zero in its account.
            self.members.entry(member).or_default()[figure] += if figure == 3 { -points } else { points };
        }
        for moved in &entry.lots {
            let net = i128::from(moved.points.0) + i128::from(moved.held.0) + i128::from(moved.pending.0);
            *self.sums.outstanding.entry((moved.issuer.to_string(), moved.terms)).or_default() += net;
        }
    }

    /// Compares what is stored of the house with what was recorded and posted since.
    fn compare_house(&mut self) {
        let now = recorded(&self.stored, "", JournalHead::START, 0);
        let mut found = differing(&now.points, &self.sums.points, ToString::to_string);
        found.extend(differing(&now.money, &self.sums.money, |account| format!("{account}, in units of the currency")));
        let outstanding =
            |(issuer, version): &(String, u32)| format!("what {issuer} has outstanding under its terms {version}");
        found.extend(differing(&now.outstanding, &self.sums.outstanding, outstanding));
        self.find(found);
    }

    async fn compare_members(
        &mut self,
        snapshot: &mut Snapshot,
        reading: &mut Reading,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), AuditError> {
        let total = reading.members();
        let mut before = reading.next()?;
        let mut after = MemberId(0);
        let (mut held, mut owed): (BTreeMap<PartnerId, i128>, BTreeMap<PartnerId, i128>) = Default::default();
        loop {
            let done = self.report.members;
            progress(Progress { phase: Phase::Members, done, total: total.max(done) });
            let members = snapshot.member_rows(after, MEMBERS_AT_ONCE).await?;
            let Some(last) = members.last().map(|(last, _)| last.id) else { break };
            for (member, lots) in &members {
                while let Some(gone) = before.filter(|row| row.member < member.id) {
                    self.find([Finding::RowAstray { of: format!("of member {}", gone.member) }]);
                    before = reading.next()?;
                }
                let own = before.filter(|row| row.member == member.id);
                if own.is_some() {
                    before = reading.next()?;
                }
                self.compare_member(member, lots, own);
                for ((issuer, _), holding) in &member.holdings {
                    let points = i128::from(holding.available.0) + i128::from(holding.held.0);
                    *held.entry(*issuer).or_default() += points + i128::from(holding.pending.0);
                }
                for debt in &member.record.debts {
                    *owed.entry(debt.creditor).or_default() += i128::from(debt.points.0);
                }
            }
            self.check_lots(snapshot, &members, (after, last)).await?;
            self.report.members += members.len() as u64;
            after = last;
        }
        while let Some(gone) = before {
            self.find([Finding::RowAstray { of: format!("of member {}", gone.member) }]);
            before = reading.next()?;
        }
        let rows: BTreeMap<PointsAccount, i128> = held
            .into_iter()
            .map(|(issuer, points)| (PointsAccount::Issuer(issuer), -points))
            .chain(owed.into_iter().map(|(creditor, points)| (PointsAccount::Recoverable(creditor), points)))
            .collect();
        let accounts: BTreeMap<PointsAccount, i64> = self
            .stored
            .points_balances
            .iter()
            .filter(|(account, _)| account.partner().is_some())
            .map(|(account, balance)| (*account, balance.0))
            .collect();
        self.find(differing(&accounts, &rows, |account| format!("{account}, and the rows of all members")));
        Ok(())
    }

    fn compare_member(&mut self, member: &Member, lots: &[u8], before: Option<MemberRow>) {
        let id = member.id;
        let Some(now) = MemberRow::of(member, lots) else {
            self.find([Finding::RowAstray { of: format!("of member {id}, whose points fit into no account,") }]);
            return;
        };
        let Some(moved) = self.members.get(&id) else {
            let differs = |stored: String, rebuilt: String| Violation::NotRebuilt {
                what: format!("the row of member {id}, which no entry since names"),
                stored,
                rebuilt,
            };
            let found = match before {
                Some(before) if before == now => return,
                Some(_) => differs("another".to_owned(), "what was recorded".to_owned()),
                None => differs("there".to_owned(), "none".to_owned()),
            };
            self.find([found]);
            return;
        };
        let before = before.map_or(Figures::default(), |before| before.figures);
        const NAMES: [&str; 4] = ["available", "held", "pending", "owed"];
        let figures = NAMES.into_iter().zip(before.all()).zip(now.figures.all()).zip(moved);
        let found: Vec<Violation> = figures
            .map(|(((name, before), now), moved)| (name, i128::from(before) + moved, i128::from(now)))
            .filter(|(_, told, now)| told != now)
            .map(|(name, told, now)| Violation::NotRebuilt {
                what: format!("the {name} points of member {id}"),
                stored: now.to_string(),
                rebuilt: told.to_string(),
            })
            .collect();
        self.find(found);
    }

    /// Looks at the lots and holds of some members, if entries since name any of them: they are read together.
    async fn check_lots(
        &mut self,
        snapshot: &mut Snapshot,
        members: &[(Member, Vec<u8>)],
        (after, last): (MemberId, MemberId),
    ) -> Result<(), AuditError> {
        if !members.iter().any(|(member, _)| self.members.contains_key(&member.id)) {
            return Ok(());
        }
        let ids = MemberId(after.0.saturating_add(1))..=last;
        let MembersLedger { book, stray_holds, misdated, misplaced, waiting_amiss } =
            snapshot.members_ledger(&self.stored, &ids).await?;
        self.report.lots += book.lots.len() as u64;
        self.find(stray_holds.into_iter().map(|hold| Finding::HoldOfNothing { hold }));
        let misdated = misdated.into_iter();
        self.find(misdated.map(|(member, stored, due)| Finding::Misdated { member, stored, due }));
        self.find(misplaced.into_iter().map(|member| Finding::Misplaced { member }));
        self.find(waiting_amiss.into_iter().map(|lot| Finding::Waiting { lot }));
        self.find(check_members(&book));
        Ok(())
    }
}

/// Where what is stored differs from what it should be; what is zero may as well not be there.
fn differing<K: Ord + Clone>(
    stored: &BTreeMap<K, i64>,
    told: &BTreeMap<K, i128>,
    name: impl Fn(&K) -> String,
) -> Vec<Violation> {
    let keys: BTreeSet<&K> = stored.keys().chain(told.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let (stored, told) = (i128::from(stored.get(key).copied().unwrap_or(0)), told.get(key).copied().unwrap_or(0));
        if stored != told {
            found.push(Violation::NotRebuilt {
                what: name(key),
                stored: stored.to_string(),
                rebuilt: told.to_string(),
            });
        }
    }
    found
}
