//! The invariants of the books, as checks that anybody can run over a whole [`Book`]: the property tests after every
//! step, and the audit over a book that it has rebuilt from the journal.
//!
//! A book that holds only a slice of the ledger fails these checks, because its sums are not all there. So that a ledger
//! larger than memory can be checked, each check is made of two: of members, over any slice that has all of theirs, and of
//! the house, over what all slices came to, which is a [`Tally`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

mod before;
mod compare;
pub mod proof;
mod shown;
mod violation;

pub use self::before::{check_after, check_before};
pub use self::compare::{compare, compare_gross, compare_house, compare_members, compare_windows};
pub use self::shown::Amount;
pub use self::violation::Violation;

use crate::audit::proof::ProofTrail;
use crate::audit::shown::Unit;
use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::coalition::House;
use crate::facts::entry::Entry;
use crate::facts::hold::HoldState;
use crate::facts::lot::{Lot, LotId};
use crate::facts::member::Holding;
use crate::facts::money::{OutState, Place};
use crate::facts::terms::Funding;
use crate::facts::window::SettlementState;
use crate::units::{EntryId, MemberId, PartnerId, Points, Timestamp, WindowNumber};

/// Everything that is wrong with one entry: its postings must sum to zero in points and, for each purpose, in money,
/// and its lots must move what its postings say, of terms that there are.
pub fn check_entry(house: &House, id: EntryId, entry: &Entry) -> Vec<Violation> {
    let mut found = Vec::new();
    let unit = Unit::of(house);
    let named = entry.lots.iter().map(|moved| (moved.issuer, moved.terms)).collect::<BTreeSet<_>>();
    let known = |issuer, version| house.partners.get(&issuer).and_then(|issuer| issuer.terms_version(version));
    let unknown = named.into_iter().filter(|(issuer, version)| known(*issuer, *version).is_none());
    found.extend(unknown.map(|(issuer, terms)| Violation::TermsUnknown { entry: id, issuer, terms }));
    let sum: i128 = entry.points.iter().map(|posting| i128::from(posting.points.0)).sum();
    if sum != 0 {
        found.push(Violation::EntryPoints { entry: id, sum });
    }
    let mut purposes: BTreeMap<Purpose, i128> = BTreeMap::new();
    for posting in &entry.money {
        *purposes.entry(posting.purpose).or_default() += i128::from(posting.amount.0);
    }
    let unbalanced = purposes.into_iter().filter(|(_, sum)| *sum != 0);
    found.extend(unbalanced.map(|(purpose, sum)| Violation::EntryMoney { entry: id, purpose, sum: unit.amount(sum) }));

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
    let entries = book.entries.iter().flat_map(|(id, entry)| check_entry(&book.house, *id, entry));
    let mut found: Vec<Violation> = entries.collect();
    let mut tally = Tally::default();
    tally.add(book);
    found.extend(check_members(book));
    check_returned(book, &mut found);
    found.extend(check_house(book, &tally));
    found.extend(check_windows(book, 0..=WindowNumber::MAX));
    check_proofs(book, &mut found);
    found
}

/// What the rows of members come to, as far as the house has to agree with it. Grows by slices of a ledger.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Points outstanding.
    issuers: BTreeMap<PartnerId, i128>,
    terms: BTreeMap<(PartnerId, u32), i128>,
    /// Money that open holds reserve.
    reserved: BTreeMap<PartnerId, i128>,
    /// Points that members owe.
    debts: BTreeMap<PartnerId, i128>,
    /// Money that backs outstanding prepaid points.
    backing: i128,
}

impl Tally {
    /// Adds the members, lots and holds of a slice, in which it is known what was paid for.
    pub fn add(&mut self, slice: &Book) {
        for lot in slice.lots.values() {
            *self.issuers.entry(lot.issuer).or_default() += lot.remaining();
            *self.terms.entry((lot.issuer, lot.terms)).or_default() += lot.remaining();
            let waits = lot.release_window.filter(|_| lot.pending.0 > 0);
            if lot.funding.is_prepaid() && waits.is_none_or(|window| slice.is_funded(window, lot.issuer)) {
                let value = slice.house.lot_terms(lot.issuer, lot.terms).value;
                self.backing += lot.remaining() * i128::from(value.0);
            }
        }
        for hold in slice.holds.values().filter(|hold| hold.state == HoldState::Open) {
            for (issuer, amount) in &hold.facts.reserved {
                *self.reserved.entry(*issuer).or_default() += i128::from(amount.0);
            }
        }
        for debt in slice.members.values().flat_map(|member| &member.record.debts) {
            *self.debts.entry(debt.creditor).or_default() += i128::from(debt.points.0);
        }
    }

    /// Adds what others have counted.
    pub fn merge(&mut self, other: Self) {
        fn add<K: Ord>(sums: &mut BTreeMap<K, i128>, others: BTreeMap<K, i128>) {
            others.into_iter().for_each(|(key, sum)| *sums.entry(key).or_default() += sum);
        }
        add(&mut self.issuers, other.issuers);
        add(&mut self.terms, other.terms);
        add(&mut self.reserved, other.reserved);
        add(&mut self.debts, other.debts);
        self.backing += other.backing;
    }
}

/// Everything that is wrong with members: their lots in themselves, what they hold against their lots and holds, and when
/// something is due for them. Of whatever members there are in the book.
pub fn check_members(book: &Book) -> Vec<Violation> {
    let mut found = Vec::new();
    check_lots(book, &mut found);
    check_holdings(book, &mut found);
    found
}

/// Everything that is wrong between the accounts of the house and what all members' rows come to.
pub fn check_house(book: &Book, tally: &Tally) -> Vec<Violation> {
    let mut found = Vec::new();
    check_outstanding(book, tally, &mut found);
    check_guards(book, tally, &mut found);
    check_money(book, tally, &mut found);
    check_arrived(book, &mut found);
    check_claims(book, &mut found);
    found
}

fn check_lots(book: &Book, found: &mut Vec<Violation>) {
    for lot in book.lots.values() {
        let Lot { available, held, pending, lost, size, reversed, .. } = lot;
        let parts = [available.0, held.0, pending.0, lost.0, reversed.0];
        let fits = parts.iter().all(|points| (0..=size.0).contains(points))
            && lot.remaining() + i128::from(lost.0) <= i128::from(size.0);
        if !fits {
            found.push(Violation::LotOutOfRange {
                lot: lot.id,
                issuer: lot.issuer,
                entry: lot.entry,
                available: available.0,
                held: held.0,
                pending: pending.0,
                lost: lost.0,
                size: size.0,
            });
        }
    }
}

/// What issuers have outstanding, by their accounts and by version of terms, against all lots.
fn check_outstanding(book: &Book, tally: &Tally, found: &mut Vec<Violation>) {
    let (mut issuers, mut terms) = (tally.issuers.clone(), tally.terms.clone());
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
fn check_holdings(book: &Book, found: &mut Vec<Violation>) {
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
fn check_guards(book: &Book, tally: &Tally, found: &mut Vec<Violation>) {
    let unit = Unit::of(&book.house);
    let mut accounts: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for (account, balance) in &book.money_balances {
        if let MoneyAccount::Settle(_, partner) = account {
            *accounts.entry(*partner).or_default() += i128::from(balance.0.min(0));
        }
    }
    let mut ahead: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for (account, balance) in &book.money_balances {
        if let MoneyAccount::Advance(partner) | MoneyAccount::Claim(partner) = account {
            *ahead.entry(*partner).or_default() += i128::from(balance.0);
        }
    }
    for partner in book.house.partners.keys().copied() {
        let guard = book.guards.get(&partner).copied().unwrap_or_default();
        let (reserved, held) =
            (i128::from(guard.reserved.0), tally.reserved.get(&partner).copied().unwrap_or_default());
        if reserved != held {
            let (reserved, holds) = (unit.amount(reserved), unit.amount(held));
            found.push(Violation::ReservedDiffers { partner, reserved, holds });
        }
        let unsettled = i128::from(guard.unsettled.0);
        let owed = accounts.get(&partner).copied().unwrap_or_default();
        if unsettled != owed {
            let (unsettled, accounts) = (unit.amount(unsettled), unit.amount(owed));
            found.push(Violation::UnsettledDiffers { partner, unsettled, accounts });
        }
        let paid_ahead = i128::from(guard.ahead.0);
        let owned = ahead.get(&partner).copied().unwrap_or_default();
        if paid_ahead != owned {
            let (ahead, accounts) = (unit.amount(paid_ahead), unit.amount(owned));
            found.push(Violation::AheadDiffers { partner, ahead, accounts });
        }
        let account = book.points_balances.get(&PointsAccount::Recoverable(partner)).copied().unwrap_or_default();
        let (account, debts) = (i128::from(account.0), tally.debts.get(&partner).copied().unwrap_or_default());
        if account != debts {
            found.push(Violation::DebtsDiffer { creditor: partner, account, debts });
        }
    }
}

/// The pool against the value of outstanding prepaid points, and the sum of everything.
fn check_money(book: &Book, tally: &Tally, found: &mut Vec<Violation>) {
    let unit = Unit::of(&book.house);
    let waiting = book.funding.iter().filter(|(_, group)| group.waits());
    // Points of somebody who is no partner are worth nothing here; that they are stored is found where rows are compared.
    let waiting = waiting.filter_map(|((_, issuer, terms), group)| {
        let terms = book.house.partners.get(issuer)?.terms_version(*terms)?;
        Some(i128::from(group.points.0) * i128::from(terms.price.0))
    });
    let waiting: i128 = waiting.sum();
    let unfunded = book.money_balances.get(&MoneyAccount::Unfunded).copied().unwrap_or_default();
    let unfunded = i128::from(unfunded.0);
    if unfunded != waiting {
        found.push(Violation::Unfunded { unfunded: unit.amount(unfunded), waiting: unit.amount(waiting) });
    }
    let pool = i128::from(book.money_balances.get(&MoneyAccount::Pool).copied().unwrap_or_default().0);
    if pool != tally.backing {
        found.push(Violation::Pool { pool: unit.amount(pool), backing: unit.amount(tally.backing) });
    }
    let sum: i128 = book.money_balances.values().map(|balance| i128::from(balance.0)).sum();
    if sum != 0 {
        found.push(Violation::MoneySum { sum: unit.amount(sum) });
    }
}

/// What arrived and what goes out, row by row, against the accounts.
fn check_arrived(book: &Book, found: &mut Vec<Violation>) {
    let unit = Unit::of(&book.house);
    let mut rows: BTreeMap<MoneyAccount, i128> = BTreeMap::new();
    for (entry, incoming) in &book.incoming {
        let parts: i128 = incoming.parts.values().map(|part| i128::from(part.0)).sum();
        if parts != i128::from(incoming.amount.0) || incoming.parts.values().any(|part| part.0 < 0) {
            let (amount, parts) = (unit.amount(incoming.amount.0.into()), unit.amount(parts));
            found.push(Violation::ArrivedDiffers { entry: *entry, amount, parts });
        }
        *rows.entry(MoneyAccount::Unapplied(incoming.partner)).or_default() +=
            i128::from(incoming.at(Place::Unapplied).0);
        if let Some(partner) = incoming.partner {
            *rows.entry(MoneyAccount::Advance(partner)).or_default() += i128::from(incoming.at(Place::Advance).0);
        }
    }
    for outgoing in book.outgoing.values().filter(|outgoing| outgoing.state == OutState::Ordered) {
        *rows.entry(MoneyAccount::Ordered(outgoing.partner)).or_default() += i128::from(outgoing.amount.0);
    }
    let kept = |account: &MoneyAccount| {
        matches!(account, MoneyAccount::Unapplied(_) | MoneyAccount::Advance(_) | MoneyAccount::Ordered(_))
    };
    let accounts = book.money_balances.keys().copied().filter(kept);
    let accounts: BTreeSet<MoneyAccount> = accounts.chain(rows.keys().copied()).collect();
    for account in accounts {
        let balance = i128::from(book.money_balances.get(&account).copied().unwrap_or_default().0);
        let rows = rows.get(&account).copied().unwrap_or_default();
        if balance != rows {
            found.push(Violation::RowsDiffer { account, balance: unit.amount(balance), rows: unit.amount(rows) });
        }
    }
}

/// Claims against what they stand against: what bounced, what sharers bore, what the reserve paid.
///
/// Rule: claims-identity
fn check_claims(book: &Book, found: &mut Vec<Violation>) {
    let unit = Unit::of(&book.house);
    let balance = |account| i128::from(book.money_balances.get(&account).copied().unwrap_or_default().0);
    let mut compare = |account: MoneyAccount, rows: i128| {
        let balance = balance(account);
        if balance != rows {
            found.push(Violation::RowsDiffer { account, balance: unit.amount(balance), rows: unit.amount(rows) });
        }
    };
    for partner in book.house.partners.keys() {
        let claim = book.claims.get(partner).cloned().unwrap_or_default();
        compare(MoneyAccount::Claim(*partner), -claim.total());
        for sharer in book.house.partners.keys() {
            let shared = claim.shared.get(sharer).copied().unwrap_or_default();
            compare(MoneyAccount::Shared(*sharer, *partner), shared.0.into());
        }
        let parts = claim.shared.values().chain([&claim.bounced, &claim.reserve]);
        for part in parts.filter(|part| part.0 < 0) {
            compare(MoneyAccount::Claim(*partner), part.0.into());
        }
    }
    let reserve: i128 = book.claims.values().map(|claim| i128::from(claim.reserve.0)).sum();
    compare(MoneyAccount::ReserveClaim, reserve);
}

fn check_returned(book: &Book, found: &mut Vec<Violation>) {
    for (redemption, entry) in book.entries.iter().filter(|(_, entry)| entry.kind.is_redemption()) {
        let points = entry.redemption().map_or(0, |facts| facts.points.0);
        let Some(back) = book.returned.get(redemption) else { continue };
        let returned = back.points().0;
        // Of no lot more came back than it gave, nor less than nothing.
        let taken: BTreeMap<LotId, i64> =
            book.parts_of(entry).into_iter().map(|part| (part.lot, part.points.0)).collect();
        let fits = |(lot, points): (LotId, Points)| (0..=taken.get(&lot).copied().unwrap_or(0)).contains(&points.0);
        if !back.lots().all(fits) {
            found.push(Violation::ReturnedOutOfRange { redemption: *redemption, returned, points });
        }
    }
}

/// Everything that is wrong with windows of these numbers: the proof of each close, the continuity to the window after it,
/// which must be there if there is one, and what is due against the accounts.
pub fn check_windows(book: &Book, numbers: RangeInclusive<WindowNumber>) -> Vec<Violation> {
    let mut found = Vec::new();
    let unit = Unit::of(&book.house);
    for (number, window) in book.windows.range(numbers) {
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
                let carried = window.participants.get(&partner).map_or(0, |part| i128::from(part.carried.0));
                let opening = next.participants.get(&partner).map_or(0, |part| i128::from(part.opening.0));
                if carried != opening {
                    let (carried, opening) = (unit.amount(carried), unit.amount(opening));
                    found.push(Violation::NotContinuous { window: *number, partner, carried, opening });
                }
            }
        }
        for (partner, leg) in &settlement.legs {
            let account = MoneyAccount::Settle(*number, *partner);
            let account = i128::from(book.money_balances.get(&account).copied().unwrap_or_default().0);
            let due = if settlement.state == SettlementState::Aborted { 0 } else { i128::from(leg.due.0) };
            if account != due {
                let (due, account) = (unit.amount(due), unit.amount(account));
                found.push(Violation::LegDiffers { window: *number, partner: *partner, due, account });
            }
        }
    }
    found
}

/// The figures of all proofs against the journal, if it is in the book: who reads it apart checks them by a [`ProofTrail`].
fn check_proofs(book: &Book, found: &mut Vec<Violation>) {
    if book.entries.is_empty() {
        return;
    }
    let mut trail = ProofTrail::default();
    book.entries.values().for_each(|entry| trail.add(entry));
    found.extend(trail.check(book, book.open_window));
}
