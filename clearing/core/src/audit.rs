//! The invariants of the books, as checks that anybody can run over a whole [`Book`]: the property tests after every
//! step, and the audit over a book that it has rebuilt from the journal.
//!
//! A book that holds only a slice of the ledger fails these checks, because its sums are not all there.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::hold::HoldState;
use crate::journal::Entry;
use crate::limits::Guard;
use crate::member::{Holding, Lot, LotId, Member, Record};
use crate::proof::ProofTrail;
use crate::settlement::SettlementState;
use crate::terms::Funding;
use crate::units::{EntryId, MemberId, Money, PartnerId, Points, Timestamp, WindowNumber};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("entry {entry}: its points sum to {sum}, not to 0")]
    EntryPoints { entry: EntryId, sum: i128 },
    #[error("entry {entry}: its money under {} sums to {sum}, not to 0", purpose.as_str())]
    EntryMoney { entry: EntryId, purpose: Purpose, sum: i128 },
    #[error("entry {entry}: its lots and its postings move different points of {issuer}: {lots} and {posted}")]
    EntryLots { entry: EntryId, issuer: PartnerId, lots: i128, posted: i128 },
    #[error("lot {lot}: {available} points are available, {held} held, {pending} pending, {lost} lost, of {size}")]
    LotOutOfRange { lot: LotId, available: i64, held: i64, pending: i64, lost: i64, size: i64 },
    #[error("issuer {issuer}: its account says {account} points are outstanding, its lots say {lots}")]
    Outstanding { issuer: PartnerId, account: i128, lots: i128 },
    #[error("issuer {issuer}, terms {terms}: {counted} points are counted as outstanding, the lots say {lots}")]
    OutstandingOfTerms { issuer: PartnerId, terms: u32, counted: i128, lots: i128 },
    #[error("member {member}: of {issuer} under {} it holds {holding:?}, its lots say {lots:?}", funding.as_str())]
    HoldingDiffers { member: MemberId, issuer: PartnerId, funding: Funding, holding: Holding, lots: Holding },
    #[error("member {member}: {points} points of open holds, {held} points held")]
    HoldsDiffer { member: MemberId, points: i128, held: i128 },
    #[error("{creditor}: its account says {account} points are owed to it, its debtors say {debts}")]
    DebtsDiffer { creditor: PartnerId, account: i128, debts: i128 },
    #[error("{partner}: {reserved} of its headroom are reserved, open holds say {holds}")]
    ReservedDiffers { partner: PartnerId, reserved: i128, holds: i128 },
    #[error("{partner}: {unsettled} of its legs count as owed, its accounts say {accounts}")]
    UnsettledDiffers { partner: PartnerId, unsettled: i128, accounts: i128 },
    #[error("{unfunded} wait for payments, and pending points need {waiting}")]
    Unfunded { unfunded: i128, waiting: i128 },
    #[error("member {member}: nothing is due before {next_due}, but a lot expires {expires}")]
    DueWorkMissed { member: MemberId, next_due: Timestamp, expires: Timestamp },
    #[error("member {member}: {expiring} points are said to expire {expires} as the first, its lots say {lots}")]
    ExpiringDiffer { member: MemberId, expires: Timestamp, expiring: i64, lots: i64 },
    #[error("the pool holds {pool}, and outstanding prepaid points need {backing}")]
    Pool { pool: i128, backing: i128 },
    #[error("all accounts in money sum to {sum}, not to 0")]
    MoneySum { sum: i128 },
    #[error("redemption {redemption}: {returned} points were returned of {points}")]
    ReturnedOutOfRange { redemption: EntryId, returned: i64, points: i64 },
    #[error("window {window}: the proof of its close does not hold")]
    ProofFails { window: WindowNumber },
    #[error("window {window}: stored as {figure} is {stored}, the journal gives {rebuilt}")]
    ProofDiffers { window: WindowNumber, figure: String, stored: i128, rebuilt: i128 },
    #[error("window {window}: {carried} of {partner} was carried, and the next window opened with {opening}")]
    NotContinuous { window: WindowNumber, partner: PartnerId, carried: i64, opening: i64 },
    #[error("window {window}: {due} is due of the leg of {partner}, and its account holds {account}")]
    LegDiffers { window: WindowNumber, partner: PartnerId, due: i64, account: i64 },
    #[error("{what}: stored is {stored}, the journal gives {rebuilt}")]
    NotRebuilt { what: String, stored: String, rebuilt: String },
}

/// Everything that is wrong with one entry: its postings must sum to zero in points and, for each purpose, in money,
/// and its lots must move what its postings say.
pub fn check_entry(id: EntryId, entry: &Entry) -> Vec<Violation> {
    let mut found = Vec::new();
    let sum: i128 = entry.points.iter().map(|posting| i128::from(posting.points.0)).sum();
    if sum != 0 {
        found.push(Violation::EntryPoints { entry: id, sum });
    }
    let mut purposes: BTreeMap<Purpose, i128> = BTreeMap::new();
    for posting in &entry.money {
        *purposes.entry(posting.purpose).or_default() += i128::from(posting.amount.0);
    }
    let unbalanced = purposes.into_iter().filter(|(_, sum)| *sum != 0);
    found.extend(unbalanced.map(|(purpose, sum)| Violation::EntryMoney { entry: id, purpose, sum }));

    // What a lot gives or takes is the opposite of what its issuer has outstanding.
    let mut issuers: BTreeMap<PartnerId, (i128, i128)> = BTreeMap::new();
    for moved in &entry.lots {
        let net = i128::from(moved.points.0) + i128::from(moved.held.0) + i128::from(moved.pending.0);
        issuers.entry(moved.issuer).or_default().0 += net;
    }
    for posting in &entry.points {
        if let PointsAccount::Issuer(issuer) = posting.account {
            issuers.entry(issuer).or_default().1 += i128::from(posting.points.0);
        }
    }
    let differing = issuers.into_iter().filter(|(_, (lots, posted))| lots + posted != 0);
    found.extend(differing.map(|(issuer, (lots, posted))| Violation::EntryLots { entry: id, issuer, lots, posted }));
    found
}

/// Everything that is wrong with a whole book, its entries included.
///
/// Rule: invariants
pub fn check(book: &Book) -> Vec<Violation> {
    let mut found: Vec<Violation> = book.entries.iter().flat_map(|(id, entry)| check_entry(*id, entry)).collect();
    check_lots(book, &mut found);
    check_members(book, &mut found);
    check_guards(book, &mut found);
    check_money(book, &mut found);
    check_returned(book, &mut found);
    check_windows(book, &mut found);
    check_proofs(book, &mut found);
    found
}

/// Lots against themselves, their issuers' accounts, the counts per version of terms, and the members' holdings.
fn check_lots(book: &Book, found: &mut Vec<Violation>) {
    let mut issuers: BTreeMap<PartnerId, i128> = BTreeMap::new();
    let mut terms: BTreeMap<(PartnerId, u32), i128> = BTreeMap::new();
    for lot in book.lots.values() {
        let Lot { available, held, pending, lost, size, reversed, .. } = lot;
        let parts = [available.0, held.0, pending.0, lost.0, reversed.0];
        let fits = parts.iter().all(|points| (0..=size.0).contains(points))
            && lot.remaining() + i128::from(lost.0) <= i128::from(size.0);
        if !fits {
            found.push(Violation::LotOutOfRange {
                lot: lot.id,
                available: available.0,
                held: held.0,
                pending: pending.0,
                lost: lost.0,
                size: size.0,
            });
        }
        *issuers.entry(lot.issuer).or_default() += lot.remaining();
        *terms.entry((lot.issuer, lot.terms)).or_default() += lot.remaining();
    }
    for (account, balance) in &book.points_balances {
        if let PointsAccount::Issuer(issuer) = account {
            let lots = issuers.remove(issuer).unwrap_or_default();
            let account = -i128::from(balance.0);
            if account != lots {
                found.push(Violation::Outstanding { issuer: *issuer, account, lots });
            }
        }
    }
    let unposted = issuers.into_iter().filter(|(_, lots)| *lots != 0);
    found.extend(unposted.map(|(issuer, lots)| Violation::Outstanding { issuer, account: 0, lots }));

    for ((issuer, version), counted) in &book.outstanding {
        let lots = terms.remove(&(*issuer, *version)).unwrap_or_default();
        let counted = i128::from(counted.0);
        if counted != lots {
            found.push(Violation::OutstandingOfTerms { issuer: *issuer, terms: *version, counted, lots });
        }
    }
    let uncounted = terms.into_iter().filter(|(_, lots)| *lots != 0);
    found.extend(uncounted.map(|((issuer, terms), lots)| Violation::OutstandingOfTerms {
        issuer,
        terms,
        counted: 0,
        lots,
    }));
}

/// What members hold against their lots and holds, and when something is due for them.
fn check_members(book: &Book, found: &mut Vec<Violation>) {
    let mut holdings: BTreeMap<(MemberId, PartnerId, Funding), Holding> = BTreeMap::new();
    let mut due: BTreeMap<MemberId, Timestamp> = BTreeMap::new();
    let mut expiring: BTreeMap<(MemberId, Timestamp), i64> = BTreeMap::new();
    let mut note = |member: MemberId, time: Timestamp| {
        let first = due.entry(member).or_insert(time);
        *first = time.min(*first);
    };
    for lot in book.lots.values() {
        let sums = holdings.entry((lot.id.member, lot.issuer, lot.funding)).or_default();
        sums.available = Points(sums.available.0.saturating_add(lot.available.0));
        sums.held = Points(sums.held.0.saturating_add(lot.held.0));
        sums.pending = Points(sums.pending.0.saturating_add(lot.pending.0));
        if lot.available.0 > 0 {
            note(lot.id.member, book.expiry_of(lot));
            let sum = expiring.entry((lot.id.member, lot.expires)).or_default();
            *sum = sum.saturating_add(lot.available.0);
        }
        // Points that wait for a payment are due with it.
        if let Some(activates) = lot.activates.filter(|_| lot.pending.0 > 0 && lot.release_window.is_none()) {
            note(lot.id.member, activates);
        }
    }
    let mut held: BTreeMap<MemberId, i128> = BTreeMap::new();
    for hold in book.holds.values().filter(|hold| hold.state == HoldState::Open) {
        *held.entry(hold.member).or_default() += i128::from(hold.facts.points.0);
        note(hold.member, hold.facts.lapses);
    }
    for member in book.members.values() {
        for ((issuer, funding), holding) in &member.holdings {
            let lots = holdings.remove(&(member.id, *issuer, *funding)).unwrap_or_default();
            if *holding != lots {
                let (member, issuer, funding, holding) = (member.id, *issuer, *funding, *holding);
                found.push(Violation::HoldingDiffers { member, issuer, funding, holding, lots });
            }
        }
        let points = held.get(&member.id).copied().unwrap_or_default();
        let sum = i128::from(member.held().0);
        if points != sum {
            found.push(Violation::HoldsDiffer { member: member.id, points, held: sum });
        }
        let expires = due.get(&member.id).copied().unwrap_or(Timestamp::NEVER);
        let next_due = member.next_due(&book.house.coalition.time_zone);
        if next_due > expires {
            found.push(Violation::DueWorkMissed { member: member.id, next_due, expires });
        }
        if let (expires, Some(Points(points))) = book.first_expiry(member) {
            let lots = expiring.get(&(member.id, expires)).copied().unwrap_or_default();
            if points != lots {
                let member = member.id;
                found.push(Violation::ExpiringDiffer { member, expires, expiring: points, lots });
            }
        }
    }
    let unheld = holdings.into_iter().filter(|(_, lots)| *lots != Holding::default());
    found.extend(unheld.map(|((member, issuer, funding), lots)| Violation::HoldingDiffers {
        member,
        issuer,
        funding,
        holding: Holding::default(),
        lots,
    }));
}

/// What partners' limits are checked against, and what members owe them.
fn check_guards(book: &Book, found: &mut Vec<Violation>) {
    let mut holds: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for hold in book.holds.values().filter(|hold| hold.state == HoldState::Open) {
        for (issuer, amount) in &hold.facts.reserved {
            *holds.entry(*issuer).or_default() += i128::from(amount.0);
        }
    }
    let mut accounts: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for (account, balance) in &book.money_balances {
        if let MoneyAccount::Settle(_, partner) = account {
            *accounts.entry(*partner).or_default() += i128::from(balance.0.min(0));
        }
    }
    let mut debts: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for debt in book.members.values().flat_map(|member| &member.record.debts) {
        *debts.entry(debt.creditor).or_default() += i128::from(debt.points.0);
    }
    for partner in book.house.partners.keys().copied() {
        let guard = book.guards.get(&partner).copied().unwrap_or_default();
        let (reserved, held) = (i128::from(guard.reserved.0), holds.get(&partner).copied().unwrap_or_default());
        if reserved != held {
            found.push(Violation::ReservedDiffers { partner, reserved, holds: held });
        }
        let unsettled = i128::from(guard.unsettled.0);
        let owed = accounts.get(&partner).copied().unwrap_or_default();
        if unsettled != owed {
            found.push(Violation::UnsettledDiffers { partner, unsettled, accounts: owed });
        }
        let account = book.points_balances.get(&PointsAccount::Recoverable(partner)).copied().unwrap_or_default();
        let (account, debts) = (i128::from(account.0), debts.get(&partner).copied().unwrap_or_default());
        if account != debts {
            found.push(Violation::DebtsDiffer { creditor: partner, account, debts });
        }
    }
}

/// The pool against the value of outstanding prepaid points, and the sum of everything.
fn check_money(book: &Book, found: &mut Vec<Violation>) {
    let paid_for = |lot: &&Lot| {
        let waits = lot.release_window.filter(|_| lot.pending.0 > 0);
        lot.funding.is_prepaid() && waits.is_none_or(|window| book.is_funded(window, lot.issuer))
    };
    let backing = book.lots.values().filter(paid_for).map(|lot| {
        let value = book.house.lot_terms(lot.issuer, lot.terms).value;
        lot.remaining() * i128::from(value.0)
    });
    let backing: i128 = backing.sum();
    let waiting = book.funding.iter().filter(|(_, group)| group.funded.is_none());
    let waiting = waiting.map(|((_, issuer, terms), group)| {
        i128::from(group.points.0) * i128::from(book.house.lot_terms(*issuer, *terms).price.0)
    });
    let waiting: i128 = waiting.sum();
    let unfunded = book.money_balances.get(&MoneyAccount::Unfunded).copied().unwrap_or_default();
    let unfunded = i128::from(unfunded.0);
    if unfunded != waiting {
        found.push(Violation::Unfunded { unfunded, waiting });
    }
    let pool = i128::from(book.money_balances.get(&MoneyAccount::Pool).copied().unwrap_or_default().0);
    if pool != backing {
        found.push(Violation::Pool { pool, backing });
    }
    let sum: i128 = book.money_balances.values().map(|balance| i128::from(balance.0)).sum();
    if sum != 0 {
        found.push(Violation::MoneySum { sum });
    }
}

fn check_returned(book: &Book, found: &mut Vec<Violation>) {
    for (redemption, entry) in book.entries.iter().filter(|(_, entry)| entry.kind.is_redemption()) {
        let points = entry.redemption().map_or(0, |facts| facts.points.0);
        let returned = book.returned.get(redemption).copied().unwrap_or_default().0;
        if !(0..=points).contains(&returned) {
            found.push(Violation::ReturnedOutOfRange { redemption: *redemption, returned, points });
        }
    }
}

/// The proof of each close, the continuity from window to window, and what is due against the accounts.
fn check_windows(book: &Book, found: &mut Vec<Violation>) {
    for (number, window) in &book.windows {
        let Some(settlement) = &window.settlement else { continue };
        if !settlement.proof.holds() {
            found.push(Violation::ProofFails { window: *number });
        }
        if let Some(next) = book.windows.get(&(number + 1)) {
            let partners = window.participants.keys().chain(next.participants.keys());
            let mut partners: Vec<PartnerId> = partners.copied().collect();
            partners.sort_unstable();
            partners.dedup();
            for partner in partners {
                let carried = window.participants.get(&partner).map_or(0, |part| part.carried.0);
                let opening = next.participants.get(&partner).map_or(0, |part| part.opening.0);
                if carried != opening {
                    found.push(Violation::NotContinuous { window: *number, partner, carried, opening });
                }
            }
        }
        for (partner, leg) in &settlement.legs {
            let account = MoneyAccount::Settle(*number, *partner);
            let account = book.money_balances.get(&account).copied().unwrap_or_default().0;
            let due = if settlement.state == SettlementState::Aborted { 0 } else { leg.due.0 };
            if account != due {
                found.push(Violation::LegDiffers { window: *number, partner: *partner, due, account });
            }
        }
    }
}

/// The figures of all proofs against the journal, if it is in the book: who reads it apart checks them by a [`ProofTrail`].
fn check_proofs(book: &Book, found: &mut Vec<Violation>) {
    if book.entries.is_empty() {
        return;
    }
    let mut trail = ProofTrail::default();
    book.entries.values().for_each(|entry| trail.add(entry));
    found.extend(trail.check(&book.windows));
}

/// What is stored against what the journal gives: `rebuilt` is a book to which every entry was applied in journal
/// order. What is zero on one side may be missing on the other.
pub fn compare(stored: &Book, rebuilt: &Book) -> Vec<Violation> {
    let mut found = Vec::new();
    let zero_points = Points::ZERO;
    let account = |account: &PointsAccount| account.to_string();
    differ(account, &stored.points_balances, &rebuilt.points_balances, &zero_points, &mut found);
    let account = |account: &MoneyAccount| account.to_string();
    differ(account, &stored.money_balances, &rebuilt.money_balances, &Money::ZERO, &mut found);
    let version = |(issuer, version): &(PartnerId, u32)| format!("outstanding points of {issuer}, terms {version}");
    differ(version, &stored.outstanding, &rebuilt.outstanding, &zero_points, &mut found);
    let obligation = |(window, issuer, acceptor): &(WindowNumber, PartnerId, PartnerId)| {
        format!("gross obligations of {issuer} to {acceptor} in window {window}")
    };
    differ(obligation, &stored.gross, &rebuilt.gross, &crate::changes::Gross::default(), &mut found);
    let redemption = |redemption: &EntryId| format!("returned points of redemption {redemption}");
    differ(redemption, &stored.returned, &rebuilt.returned, &zero_points, &mut found);

    let lots = |book: &Book| book.lots.iter().map(|(id, lot)| (*id, Some(lot.clone()))).collect();
    differ(|lot: &LotId| format!("lot {lot}"), &lots(stored), &lots(rebuilt), &None, &mut found);
    let holding = |(member, issuer, funding): &(MemberId, PartnerId, Funding)| {
        format!("points of {issuer} under {} of member {member}", funding.as_str())
    };
    differ(holding, &holdings(stored), &holdings(rebuilt), &Holding::default(), &mut found);
    let entries = |book: &Book| book.members.values().map(|member| (member.id, member.entry_no)).collect();
    let number = |member: &MemberId| format!("number of entries of member {member}");
    differ(number, &entries(stored), &entries(rebuilt), &0, &mut found);
    let record = |member: &MemberId| format!("record of member {member}");
    differ(record, &records(stored), &records(rebuilt), &Record::default(), &mut found);
    let hold = |hold: &EntryId| format!("hold {hold}");
    let holds = |book: &Book| book.holds.iter().map(|(id, hold)| (*id, Some(hold.state))).collect();
    differ(hold, &holds(stored), &holds(rebuilt), &None, &mut found);
    let guard = |partner: &PartnerId| format!("what the limits of {partner} are checked against");
    differ(guard, &stored.guards, &rebuilt.guards, &Guard::default(), &mut found);
    let group = |(window, issuer, terms): &(WindowNumber, PartnerId, u32)| {
        format!("points of window {window} of {issuer}, terms {terms}, that wait for a payment")
    };
    let groups =
        |book: &Book| book.funding.iter().map(|(key, group)| (*key, Some((group.points, group.funded)))).collect();
    differ(group, &groups(stored), &groups(rebuilt), &None, &mut found);
    found
}

/// What the journal tells of members; when something is due next is only a bound.
fn records(book: &Book) -> BTreeMap<MemberId, Record> {
    let record = |member: &Member| (member.id, Record { next_release: None, ..member.record.clone() });
    book.members.values().map(record).collect()
}

fn holdings(book: &Book) -> BTreeMap<(MemberId, PartnerId, Funding), Holding> {
    let of_member = |member: &Member| {
        let id = member.id;
        let holdings: Vec<_> =
            member.holdings.iter().map(|((issuer, funding), held)| ((id, *issuer, *funding), *held)).collect();
        holdings
    };
    book.members.values().flat_map(of_member).collect()
}

fn differ<K: Ord, V: PartialEq + Debug>(
    name: impl Fn(&K) -> String,
    stored: &BTreeMap<K, V>,
    rebuilt: &BTreeMap<K, V>,
    zero: &V,
    found: &mut Vec<Violation>,
) {
    let only_stored = stored.keys().filter(|key| !rebuilt.contains_key(key));
    for key in rebuilt.keys().chain(only_stored) {
        let (in_store, in_journal) = (stored.get(key).unwrap_or(zero), rebuilt.get(key).unwrap_or(zero));
        if in_store != in_journal {
            let what = name(key);
            found.push(Violation::NotRebuilt {
                what,
                stored: format!("{in_store:?}"),
                rebuilt: format!("{in_journal:?}"),
            });
        }
    }
}
