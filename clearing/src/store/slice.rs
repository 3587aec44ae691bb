//! The slice of the ledger that operations need by their footprints, read in as few statements as it takes and locked in one
//! order.
//!
//! | step | locked | why there |
//! |---|---|---|
//! | proposals | those that are decided, and the open ones of what is proposed, ascending | first of all, as few name one |
//! | windows and what the rules read of their legs | those that are named, the open one where legs move, and all of which something may be due still where credits may pay older legs; ascending | early, as few name one; legs move under the lock of their window |
//! | money at the bank, claims | what names it, and what is open of a partner's; ascending | few name it |
//! | charges by schedule | those of a partner, ascending | a period is charged once |
//! | identifiers | unknown ones that may be enrolled, ascending | two nodes must not enrol one identifier twice |
//! | receipts of which points may pay a share only | ascending | all that was spent on one must be known, whoever spent it |
//! | what returns and abandons refer to | | entries never change; they tell whose member it is |
//! | members | ascending | whoever holds the row has the member's lots and returns for itself |
//! | request keys, lines of receipts | | after the members: a duplicate that came through another node has waited, and now sees it |
//! | partners whose legal records or bank accounts are named | ascending | a version follows the one before it, and a stop sees the last one |
//! | guards, consents, people whose gifts to members are counted | ascending | what a limit is checked against cannot move under the check |
//! | invites | ascending | an invite is used once |
//! | points that wait for a payment | those that are paid for, and those that are reversed; ascending | a payment pays for what still waits then. Of the open window none is locked: nothing pays for those, and every issue adds to them behind the head of the journal |
//! | returns, lots | | under the member's lock |
//!
//! A key that turns out to be different under lock makes the whole batch run again, as a transient error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::book::sums::Sum;
use clearing_core::chart::MoneyAccount;
use clearing_core::command::Request;
use clearing_core::facts::answer::RecordedState;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{EntryKind, JournalEntry, LOTS_PER_ENTRY_MAX};
use clearing_core::facts::lot::{Lot, LotId, LotPlace, consumption_order};
use clearing_core::facts::member::{Inactive, Member, MemberRef};
use clearing_core::facts::receipt::{Receipt, ReceiptLine, Side};
use clearing_core::operation::{Depth, Footprint};
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

use super::identifiers::{self, Enrolled};
use super::lot_row::{LotRow, NOWHERE};
use super::receipts::BookedLine;
use super::requests::RequestRow;
use super::save::Stored;
use super::sql::Link;
use super::windows::{self, Windows};
use super::{
    Backend, StoreError, balances, charges, consents, credentials, funding, gate, gross, holds, journal, legal, limits,
    lots, members, money, people, proposals, receipts, requests, returns, terms,
};

/// How many times as many lots are read where issuers without headroom may have to be passed over.
const PASSED_OVER: usize = 8;
/// Lots read of a member whose points decay, which takes a part of each.
const DECAYING: usize = 100_000;

/// Fills the book with what commands on points need. Gives the first sequence of every batch of which an entry was
/// read, and what is stored under which key.
pub(super) async fn load(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    now: Timestamp,
    enrolled: &Enrolled,
    watched: &BTreeSet<Sum>,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let house = Arc::clone(&book.house);
    let needs = footprint(&house, requests, now);
    let asked = proposals::lock(link, book, &needs.proposals, &needs.proposed).await?;
    loaded.keep(book, asked);
    let settling = load_windows(link, book, &needs, &mut loaded).await?;
    let paid = money::load(link, book, &needs, true).await?;
    loaded.keep(book, paid);
    charges::load(link, book, &needs.charges, true).await?;
    load_identifiers(link, book, &needs, enrolled, &mut loaded).await?;
    receipts::lock_receipts(link, &needs.shared_receipts).await?;
    let lines = receipts::receipts(link, &needs.reversed_receipts).await?;
    keep_lines(link, book, &mut loaded, (&lines, &needs.reversed_receipts)).await?;
    let targets = load_targets(link, book, &needs, &mut loaded).await?;
    let mut depths = depths(book, &needs, &targets);
    load_members(link, book, depths.keys().copied(), true, &mut loaded).await?;
    // What was read of them before the members were locked may be out of date.
    book.receipts.retain(|line, _| !needs.receipts.contains(&line.receipt));
    loaded.stored.receipts.forget(&needs.receipts);
    load_requests(link, book, requests, &needs, &mut loaded).await?;
    // What undoes an entry needs all that is known of it, read under the lock of its member.
    if abandoned_entries(book, &needs).any(|id| !targets.entries.contains(&id)) {
        return Err(StoreError::transient("a request to be abandoned was accepted in the meantime"));
    }
    load_guards(link, book, &needs, &targets, &settling).await?;
    legal::lock(link, &needs).await?;
    legal::load(link, book, &needs, now).await?;
    credentials::load(link, book, &needs).await?;
    load_watched(link, book, watched).await?;
    load_told(link, book, &needs, &mut loaded).await?;
    refine(book, &mut depths);

    let returnable = targets.redemptions.iter().chain(&targets.purchases);
    let returnable: Vec<(MemberId, EntryId)> =
        returnable.filter_map(|id| Some((book.entries.get(id)?.member?, *id))).collect();
    for row in returns::returns(link, &returnable).await? {
        book.returned.insert(row.entry, row.returned);
        book.returned_amounts.extend(row.amount.map(|amount| (row.entry, amount)));
    }
    load_holds(link, book, &targets, &depths, now, &mut loaded).await?;
    let wanted = targets.lots(book);
    load_named(link, book, wanted.into_iter().collect(), &mut loaded).await?;
    load_newest(link, book, &needs, &mut loaded).await?;
    load_lots(link, book, &depths, now, &mut loaded).await?;
    Ok(loaded)
}

/// What [`load`] learned besides what is in the book.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The first sequence of every batch of which an entry was read.
    pub sequences: BTreeMap<BatchId, i64>,
    pub stored: Stored,
    /// The members of whose row the lots are in the book.
    unpacked: BTreeSet<MemberId>,
}

impl Loaded {
    fn keep_member(&mut self, book: &mut Book, member: Member, lots: LotRow) {
        let due = member.next_due(&book.house.coalition.time_zone);
        self.stored.members.insert(member.id, members::Found { due, lots });
        book.members.insert(member.id, member);
    }

    /// Puts the lots that stand in a member's row into the book.
    fn unpack(&mut self, book: &mut Book, member: MemberId) -> Result<(), StoreError> {
        let Some(found) = self.stored.members.get(&member).filter(|_| self.unpacked.insert(member)) else {
            return Ok(());
        };
        for lot in found.lots.lots(member, &book.house)? {
            book.insert_lot(lot);
        }
        Ok(())
    }

    /// Puts lots that stand outside of their member's row into the book.
    fn keep_further(&mut self, book: &mut Book, lots: Vec<Lot>) {
        for lot in lots {
            self.stored.lots.insert(lot.id, lots::Found::of(&lot));
            book.insert_lot(lot);
        }
    }

    /// From which place on a member's lots may stand outside of its row with available points; none if there is no such lot.
    fn beyond(&self, member: MemberId) -> Option<LotPlace> {
        self.stored.members.get(&member)?.lots.beyond
    }

    /// Notes that all lots of a member with available points that stand before a place are in the book.
    fn read_to(&mut self, member: MemberId, place: LotPlace) {
        let unread = self.stored.unread.entry(member).or_insert(place);
        *unread = place.max(*unread);
    }

    fn keep(&mut self, book: &mut Book, entries: Vec<JournalEntry>) {
        for stored in entries {
            self.sequences.insert(stored.id.batch, stored.sequence - i64::from(stored.id.ordinal));
            book.entries.insert(stored.id, stored.entry);
        }
    }
}

async fn load_members(
    link: &mut Link<'_>,
    book: &mut Book,
    ids: impl Iterator<Item = MemberId>,
    lock: bool,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let unread: Vec<MemberId> = ids.filter(|id| !book.members.contains_key(id)).collect();
    for (member, lots) in members::members(link, unread.into_iter(), lock).await? {
        loaded.keep_member(book, member, lots);
    }
    Ok(())
}

/// What must be in the book, and locked, for these requests.
fn footprint<'a>(house: &'a House, requests: &[Request], now: Timestamp) -> Footprint<'a> {
    let mut needs = Footprint::new(house);
    for request in requests {
        request.footprint(now, &mut needs);
    }
    needs
}

/// Locks and reads the windows of which something is to be done, and the balances that the rules read then. Gives those of which
/// something may be due still, if they are needed.
async fn load_windows(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    loaded: &mut Loaded,
) -> Result<BTreeSet<WindowNumber>, StoreError> {
    let mut named = needs.windows.clone();
    named.extend(needs.open_window.then_some(book.open_window));
    let settling = if needs.settling { windows::in_flight(link).await? } else { BTreeSet::new() };
    named.extend(&settling);
    windows::lock(link, &named).await?;
    for number in named {
        for row in windows::windows(link, Windows::One(number)).await? {
            loaded.stored.windows.insert(number, row.window.clone());
            book.windows.insert(number, row.window);
        }
    }
    let currency = book.house.coalition.currency;
    let legs = settling.iter().filter_map(|number| Some((*number, book.windows.get(number)?.settlement.as_ref()?)));
    let legs = legs.flat_map(|(number, settlement)| {
        settlement.legs.keys().map(move |partner| MoneyAccount::Settle(number, *partner))
    });
    let accounts: BTreeSet<MoneyAccount> = needs.balances.iter().copied().chain(legs).collect();
    let sums = accounts.into_iter().map(Sum::Money);
    let found = balances::balances_of(link, currency.as_str(), sums).await?;
    book.money_balances.extend(found.money);
    load_gross(link, book, needs).await?;
    Ok(settling)
}

/// Reads what issuers owe of windows, where their creditors are to bear a loss.
async fn load_gross(link: &mut Link<'_>, book: &mut Book, needs: &Footprint<'_>) -> Result<(), StoreError> {
    for (window, issuer) in &needs.gross {
        for ((of, acceptor), gross) in gross::gross(link, *window).await? {
            if of == *issuer {
                book.gross.insert((*window, of, acceptor), gross);
            }
        }
    }
    Ok(())
}

async fn load_identifiers(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    enrolled: &Enrolled,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let identifier = |member: &MemberRef| match member {
        MemberRef::Identifier(hash) => Some(*hash),
        MemberRef::Id(_) => None,
    };
    let named = needs.members.keys().filter_map(identifier).collect();
    let (known, unread) = enrolled.members(named);
    let read = match &unread.hashes[..] {
        [] => Vec::new(),
        [hash] if names_one_member(needs) && link.backend() == Backend::Postgres => {
            let named = members::lock_named(link, hash).await?;
            let named = named.map(|(member, lots)| {
                let id = member.id;
                loaded.keep_member(book, member, lots);
                (*hash, id)
            });
            named.into_iter().collect()
        }
        hashes => identifiers::identifiers(link, hashes).await?,
    };
    enrolled.keep(&unread, &read);
    book.identifiers.extend(known.into_iter().chain(read));
    let enrolling = needs.enrolling.iter().filter_map(identifier);
    let unknown: Vec<IdentifierHash> = enrolling.filter(|hash| !book.identifiers.contains_key(hash)).collect();
    if !unknown.is_empty() && link.backend() == Backend::Postgres {
        identifiers::lock_identifiers(link, &unknown).await?;
        book.identifiers.extend(identifiers::identifiers(link, &unknown).await?);
    }
    Ok(())
}

/// Whether nothing is locked between the one identifier that is named and its member, and no other member at all, so that both
/// are read in one statement.
fn names_one_member(needs: &Footprint<'_>) -> bool {
    let refers = [needs.giving.len(), needs.taking.len(), needs.purchases.len(), needs.abandoned.len()];
    let receipts = [needs.shared_receipts.len(), needs.reversed_receipts.len()];
    needs.members.len() == 1 && refers.iter().chain(&receipts).all(|count| *count == 0)
}

/// Takes notice of what was found under the keys of receipts, and reads the entries that were booked: they tell whether it is
/// one of these receipts, and count for what points may pay of it.
async fn keep_lines(
    link: &mut Link<'_>,
    book: &mut Book,
    loaded: &mut Loaded,
    (found, wanted): (&[BookedLine], &BTreeSet<Receipt>),
) -> Result<(), StoreError> {
    let unread = found.iter().filter(|row| !row.undone && !book.entries.contains_key(&row.entry));
    let entries = journal::entries(link, unread.map(|row| row.entry)).await?;
    loaded.keep(book, entries);
    loaded.stored.receipts.keep(book, found, wanted)
}

/// What commands refer to.
#[derive(Debug, Default)]
struct Targets {
    /// Entries that are to be returned, reversed, captured, released or undone.
    entries: BTreeSet<EntryId>,
    /// Redemptions of which it must be known what was returned.
    redemptions: BTreeSet<EntryId>,
    /// Issues that stand for a purchase, of which it must be known what was returned.
    purchases: BTreeSet<EntryId>,
    /// Those of `entries` that can only give points back.
    giving: BTreeSet<EntryId>,
}

impl Targets {
    /// The lots that the targets move, with when they expired by then.
    fn lots(&self, book: &Book) -> BTreeMap<LotId, Timestamp> {
        let entries = self.entries.iter().chain(&self.redemptions).filter_map(|id| book.entries.get(id));
        entries.flat_map(|entry| &entry.lots).map(|moved| (moved.lot, moved.expires)).collect()
    }

    fn takes(&mut self, entry: EntryId) {
        self.entries.insert(entry);
        self.giving.remove(&entry);
    }
}

async fn load_targets(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    loaded: &mut Loaded,
) -> Result<Targets, StoreError> {
    let mut targets = Targets {
        entries: needs.giving.union(&needs.taking).copied().collect(),
        redemptions: BTreeSet::new(),
        purchases: needs.purchases.clone(),
        giving: needs.giving.clone(),
    };
    for receipt in &needs.reversed_receipts {
        let lines = book.receipts.range(ReceiptLine::range(receipt, Side::Earn));
        lines.for_each(|(_, entry)| targets.takes(*entry));
    }
    for row in requests::requests(link, needs.abandoned.iter().copied()).await? {
        if row.stands() {
            row.entries().into_iter().for_each(|entry| targets.takes(entry));
        }
    }
    let entries = journal::entries(link, targets.entries.iter().copied()).await?;
    let mut linked = BTreeSet::new();
    for stored in &entries {
        if stored.entry.kind.is_redemption() {
            targets.redemptions.insert(stored.id);
        }
        // Undoing a return needs the redemption that it gave back.
        if stored.entry.kind == EntryKind::Return {
            linked.extend(stored.entry.link);
        }
    }
    // What is undone frees the line of its receipt.
    let zone = &book.house.coalition.time_zone;
    let undone = entries.iter().filter(|stored| !targets.giving.contains(&stored.id));
    let lines = undone.filter_map(|stored| ReceiptLine::of_entry(&stored.entry, zone));
    let freed = lines.map(|line| line.receipt).collect();
    loaded.keep(book, entries);
    let lines = receipts::receipts(link, &freed).await?;
    keep_lines(link, book, loaded, (&lines, &freed)).await?;
    let redemptions = journal::entries(link, linked.iter().copied()).await?;
    loaded.keep(book, redemptions);
    targets.redemptions.extend(linked);
    Ok(targets)
}

/// The entries of accepted requests that are to be abandoned.
fn abandoned_entries(book: &Book, needs: &Footprint<'_>) -> impl Iterator<Item = EntryId> {
    let recorded = needs.abandoned.iter().filter_map(|key| book.requests.get(key));
    recorded.flat_map(|recorded| match &recorded.state {
        RecordedState::Accepted(accepted) => accepted.entries.clone(),
        RecordedState::Rejected(_) | RecordedState::Burned | RecordedState::Undone(_) => Vec::new(),
    })
}

/// The members that the batch touches, and how much of the lots of each it needs.
fn depths(book: &Book, needs: &Footprint<'_>, targets: &Targets) -> BTreeMap<MemberId, Depth> {
    let mut depths: BTreeMap<MemberId, Depth> = BTreeMap::new();
    for (member, depth) in &needs.members {
        let known = match member {
            MemberRef::Id(id) => Some(*id),
            MemberRef::Identifier(hash) => book.identifiers.get(hash).copied(),
        };
        if let Some(member) = known {
            depths.entry(member).or_default().add(depth);
        }
    }
    for id in targets.entries.iter().chain(&targets.redemptions) {
        let Some(entry) = book.entries.get(id) else { continue };
        let depth = entry.member.map(|member| depths.entry(member).or_default());
        if let Some(depth) = depth.filter(|_| !targets.giving.contains(id)) {
            depth.all |= targets.entries.contains(id);
        }
        // Undoing a transfer or a return touches other members, too.
        for moved in &entry.lots {
            depths.entry(moved.lot.member).or_default();
        }
    }
    // A request that is abandoned in the batch it came with leaves the lots as they were read.
    depths
}

/// What the members' rows tell of what is needed: debts are paid from any lot, and issuers with a cap may be passed over.
fn refine(book: &Book, depths: &mut BTreeMap<MemberId, Depth>) {
    let capped = |issuer: &PartnerId| {
        book.house.partners.get(issuer).is_some_and(|partner| partner.limits.net_debit_cap.is_some())
    };
    for (id, depth) in depths {
        let Some(member) = book.members.get(id) else { continue };
        let passed_over = depth.takings > 0 && member.holdings.keys().any(|(issuer, _)| capped(issuer));
        depth.all |= passed_over || !member.record.debts.is_empty();
    }
}

/// Locks and reads what limits, consents and payments say of this batch.
async fn load_guards(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    targets: &Targets,
    settling: &BTreeSet<WindowNumber>,
) -> Result<(), StoreError> {
    let partners = &book.house.partners;
    if partners.values().any(|partner| partner.limits.guards_points()) {
        let held = book.members.values().flat_map(|member| member.holdings.keys().map(|(issuer, _)| *issuer));
        let owed = book.members.values().flat_map(|member| member.record.debts.iter().map(|debt| debt.creditor));
        let moved = targets.entries.iter().chain(&targets.redemptions).filter_map(|id| book.entries.get(id));
        let moved = moved.flat_map(|entry| entry.lots.iter().map(|moved| moved.issuer).chain([entry.partner]));
        // Fees and spreads, and what of them is given back, are the operator's, whoever asks.
        let operator = [PartnerId::operator()];
        let asked = needs.guards.iter().copied();
        let mut guarded: BTreeSet<PartnerId> = asked.chain(held).chain(owed).chain(moved).chain(operator).collect();
        guarded.retain(|id| partners.get(id).is_some_and(|partner| partner.limits.guards_points()));
        book.guards = limits::lock_guards(link, &guarded).await?;
        let currency = book.house.coalition.currency;
        let sums = guarded.iter().flat_map(|partner| balances::accounts_of(*partner));
        let balances = balances::balances_of(link, currency.as_str(), sums).await?;
        book.money_balances.extend(balances.money);
        book.points_balances.extend(balances.points);
    }
    book.consents = consents::lock_consents(link, &needs.consents).await?;
    book.care = people::lock_care(link, &needs.care).await?;
    let reversed = reversed_waiting(book, needs, targets);
    let settled: BTreeSet<WindowNumber> = needs.funding.union(settling).copied().collect();
    let awaited = funding::lock(link, &settled, &reversed).await?;
    load_funded(link, book).await?;
    book.funding.extend(awaited);
    Ok(())
}

/// Of which windows and issuers points are taken back that may still wait for a payment. Those of the open window are left
/// out: nothing pays for them before it is closed.
fn reversed_waiting(book: &Book, needs: &Footprint<'_>, targets: &Targets) -> BTreeSet<(WindowNumber, PartnerId)> {
    let undone = targets.entries.difference(&targets.giving).filter_map(|id| book.entries.get(id));
    let made = undone.flat_map(|entry| {
        let made = entry.lots.iter().filter(|moved| moved.birth.is_some());
        made.map(|moved| (entry.window, moved.issuer))
    });
    let newest = needs.newest.iter().filter_map(|(member, issuer)| {
        let member = book.members.get(&book.find_member(*member).ok()?)?;
        Some(member.record.waiting.keys().copied().filter(move |(_, of)| of == issuer))
    });
    let mut reversed: BTreeSet<(WindowNumber, PartnerId)> = made.chain(newest.flatten()).collect();
    reversed.retain(|(window, _)| *window < book.open_window);
    reversed.retain(|key| book.members.values().any(|member| member.record.waiting.contains_key(key)));
    reversed
}

/// Reads sums that are so large that the rules must know them. Nothing is locked: should another node move one meanwhile,
/// saving the batch tells what it became.
async fn load_watched(link: &mut Link<'_>, book: &mut Book, watched: &BTreeSet<Sum>) -> Result<(), StoreError> {
    if watched.is_empty() {
        return Ok(());
    }
    let currency = book.house.coalition.currency;
    let balances = balances::balances_of(link, currency.as_str(), watched.iter().copied()).await?;
    book.money_balances.extend(balances.money);
    book.points_balances.extend(balances.points);
    let any = |of: fn(&Sum) -> bool| watched.iter().any(of);
    if any(|sum| matches!(sum, Sum::Outstanding(..))) {
        book.outstanding = terms::outstanding(link).await?;
    }
    if any(|sum| matches!(sum, Sum::GrossPoints(..) | Sum::GrossMoney(..))) {
        let window = book.open_window;
        let gross = gross::gross(link, window).await?;
        book.gross.extend(gross.into_iter().map(|((issuer, acceptor), gross)| ((window, issuer, acceptor), gross)));
    }
    if any(|sum| matches!(sum, Sum::Reserved(_) | Sum::Unsettled(_) | Sum::Issued(_) | Sum::Accepted(_))) {
        // Those that are locked were read before, and are the same.
        for (partner, guard) in limits::guards(link).await? {
            book.guards.entry(partner).or_insert(guard);
        }
    }
    if any(|sum| matches!(sum, Sum::Consent(..))) {
        for (key, consent) in consents::consents(link).await? {
            book.consents.entry(key).or_insert(consent);
        }
    }
    if any(|sum| matches!(sum, Sum::Waiting(..))) {
        for (key, group) in funding::funding_waiting(link, book.open_window).await? {
            book.funding.entry(key).or_insert(group);
        }
    }
    Ok(())
}

/// Reads balances that facts and answers tell. Nothing is locked: what another node moves meanwhile is seen when the batch is
/// saved.
async fn load_told(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    if needs.told.is_empty() {
        return Ok(());
    }
    let currency = book.house.coalition.currency;
    let wanted = needs.told.iter().map(|account| Sum::Money(*account));
    let found = balances::balances_of(link, currency.as_str(), wanted).await?;
    book.money_balances.extend(found.money);
    loaded.stored.told.clone_from(&needs.told);
    Ok(())
}

/// Reads which of the points that members wait for were paid for.
async fn load_funded(link: &mut Link<'_>, book: &mut Book) -> Result<(), StoreError> {
    let awaited = book.members.values().flat_map(|member| member.record.waiting.keys().copied()).collect();
    book.funding = funding::funded(link, &awaited).await?;
    Ok(())
}

/// Whether something may be due for a member, as far as can be told before its lots are read.
fn may_be_due(book: &Book, id: MemberId, now: Timestamp) -> bool {
    let paid_for = |member: &Member| {
        let mut waiting = member.record.waiting.keys();
        waiting.any(|(window, issuer)| book.may_be_funded(*window, *issuer))
    };
    book.is_due(id, now) || book.members.get(&id).is_some_and(paid_for)
}

/// Reads the holds that commands refer to, and those of members for whom something is due; and the lots that these need.
async fn load_holds(
    link: &mut Link<'_>,
    book: &mut Book,
    targets: &Targets,
    depths: &BTreeMap<MemberId, Depth>,
    now: Timestamp,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let named = targets.entries.iter().filter_map(|id| {
        let entry = book.entries.get(id).filter(|entry| entry.kind == EntryKind::Authorize)?;
        Some((entry.member?, *id))
    });
    let mut rows = holds::holds(link, &named.collect()).await?;
    // What a command releases may have expired and so be due in turn: when the next release is, must then be known.
    let releases = |id: &MemberId| {
        book.members.get(id).is_some_and(|member| member.record.next_release.is_some()) || may_be_due(book, *id, now)
    };
    let due: Vec<MemberId> = depths.keys().copied().filter(releases).collect();
    rows.extend(holds::holds_open(link, &due).await?);
    let unread: Vec<EntryId> = rows.iter().map(|row| row.id).filter(|id| !book.entries.contains_key(id)).collect();
    let entries = journal::entries(link, unread.into_iter()).await?;
    loaded.keep(book, entries);
    let mut wanted = BTreeMap::new();
    for row in rows {
        let entry = book.entries.get(&row.id);
        let entry = entry.ok_or_else(|| StoreError::permanent(format!("the entry of hold {} is gone", row.id)))?;
        wanted.extend(entry.lots.iter().map(|moved| (moved.lot, moved.expires)));
        let hold = row.of_entry(entry)?;
        book.insert_hold(hold);
    }
    load_named(link, book, wanted.into_iter().collect(), loaded).await?;
    for member in &due {
        loaded.unpack(book, *member)?;
    }
    let further: Vec<MemberId> = due.into_iter().filter(|member| loaded.beyond(*member).is_some()).collect();
    let pending = lots::lots_pending(link, &book.house.clone(), &further).await?;
    loaded.keep_further(book, pending);
    Ok(())
}

/// Reads lots by id, wherever they stand. Each comes with when it expired as far as its entry knows.
async fn load_named(
    link: &mut Link<'_>,
    book: &mut Book,
    wanted: Vec<(LotId, Timestamp)>,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    for (id, _) in &wanted {
        loaded.unpack(book, id.member)?;
    }
    let elsewhere = wanted.into_iter().filter(|(id, _)| !book.lots.contains_key(id));
    let elsewhere: Vec<(LotId, Timestamp)> = elsewhere.filter(|(id, _)| loaded.beyond(id.member).is_some()).collect();
    let further = lots::lots_by_id(link, &book.house.clone(), &elsewhere).await?;
    loaded.keep_further(book, further);
    Ok(())
}

/// Reads the newest lots of issuers for members, where they are to be reversed without a receipt, and their issues.
async fn load_newest(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let house = Arc::clone(&book.house);
    let mut issues = BTreeSet::new();
    for (member, issuer) in &needs.newest {
        let Ok(member) = book.find_member(*member) else { continue };
        loaded.unpack(book, member)?;
        if loaded.beyond(member).is_some() {
            let further = lots::lots_newest(link, &house, member, *issuer, LOTS_PER_ENTRY_MAX).await?;
            loaded.keep_further(book, further);
        }
        issues.extend(book.lots_of(member).filter(|lot| lot.issuer == *issuer).map(|lot| lot.entry));
    }
    let entries = journal::entries(link, issues.into_iter()).await?;
    loaded.keep(book, entries);
    Ok(())
}

/// Reads the recorded answers to all keys of the batch, with the entries that they name, and the lines of the receipts that
/// it books. A line that came through another node is mostly the same member's, whose lock has waited for it; else the
/// second one runs again.
async fn load_requests(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    needs: &Footprint<'_>,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let own = requests.iter().filter_map(Request::key);
    // Whether a redemption was itself abandoned decides what undoing its return does.
    let redemptions = book.entries.values().filter(|entry| entry.kind.is_redemption());
    let redemptions = redemptions.filter_map(|entry| entry.request_key());
    let keys: BTreeSet<(PartnerId, RequestId)> =
        own.chain(needs.abandoned.iter().copied()).chain(redemptions).collect();
    let (rows, lines) = requests::known(link, keys.into_iter(), &needs.receipts).await?;
    keep_lines(link, book, loaded, (&lines, &needs.receipts)).await?;
    let answered = rows.iter().flat_map(RequestRow::entries);
    let unread: Vec<EntryId> = answered.filter(|id| !book.entries.contains_key(id)).collect();
    let entries = journal::entries(link, unread.into_iter()).await?;
    loaded.keep(book, entries);
    for row in rows {
        let recorded = row.recorded(book)?;
        book.requests.insert(row.key, recorded);
    }
    Ok(())
}

/// Reads the lots that the needs call for, and notes with each member how far its lots are known. Most members have all of
/// them in their row.
async fn load_lots(
    link: &mut Link<'_>,
    book: &mut Book,
    depths: &BTreeMap<MemberId, Depth>,
    now: Timestamp,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let house = Arc::clone(&book.house);
    let (mut due, mut inactive, mut pages, mut next) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, depth) in depths {
        let Some(member) = book.members.get(id) else { continue };
        let is_due = may_be_due(book, *id, now);
        // What is due is read to the last lot, so what follows begins after now.
        let from = if is_due { Timestamp(now.0.saturating_add(1)) } else { member.next_expiry };
        let takes = depth.takings > 0 || depth.all || depth.every;
        let asks_next = from < Timestamp::NEVER && (is_due || member.expiring.is_empty());
        if !is_due && !takes && !asks_next {
            continue;
        }
        let (due_from, ends_inactive) = (member.next_expiry, member.record.inactive.values().any(Inactive::has_points));
        loaded.unpack(book, *id)?;
        let Some(beyond) = loaded.beyond(*id).filter(|_| has_further(book, *id)) else {
            know_to(book, *id, Timestamp::NEVER);
            continue;
        };
        if is_due && beyond.0 <= now {
            due.push((*id, due_from));
        }
        if ends_inactive && (is_due || takes) {
            inactive.push(*id);
        }
        if depth.all || depth.every || (is_due && takes) {
            pages.push((*id, from));
        } else if takes {
            // Something must be left over, or the next expiry after the redemption would not be known.
            if available_before(book, *id, beyond) > i128::from(depth.points.0) {
                know_to(book, *id, beyond.0);
            } else {
                pages.push((*id, from));
            }
        } else if asks_next {
            let first = book.lots_of(*id).filter(|lot| lot.available.0 > 0 && lot.expires >= from);
            if first.map(|lot| lot.expires).min().is_some_and(|first| first < beyond.0) {
                know_to(book, *id, beyond.0);
            } else {
                next.push((*id, from));
            }
        }
    }
    let found = lots::lots_due(link, &house, &due, now).await?;
    loaded.keep_further(book, found);
    let found = lots::lots_inactive(link, &house, &inactive).await?;
    loaded.keep_further(book, found);
    let limit = page_of(&pages, depths);
    let mut found = by_member(lots::lots_page(link, &house, &pages, limit).await?);
    for (id, _) in pages {
        let page = found.remove(&id).unwrap_or_default();
        // Lots that expire together are read together, unless they never do.
        let last = page.last().filter(|_| page.len() >= limit).map(consumption_order);
        note_page(
            book,
            loaded,
            id,
            last.map(|(expires, entry_no, part)| match expires {
                Timestamp::NEVER => (expires, entry_no, part.saturating_add(1)),
                expires => (Timestamp(expires.0 + 1), i64::MIN, 0),
            }),
        );
        loaded.keep_further(book, page);
    }
    // Of lots that never expire none is read: there is nothing to tell of them.
    let mut firsts = by_member(lots::lots_next(link, &house, &next).await?);
    for (id, _) in next {
        let first = firsts.remove(&id).unwrap_or_default();
        let place =
            first.last().map_or((Timestamp::NEVER, i64::MIN, 0), |lot| (Timestamp(lot.expires.0 + 1), i64::MIN, 0));
        note_page(book, loaded, id, Some(place));
        loaded.keep_further(book, first);
    }
    Ok(())
}

/// Whether lots of a member that are not in the book have available points.
fn has_further(book: &Book, id: MemberId) -> bool {
    let known: i128 = book.lots_of(id).map(|lot| i128::from(lot.available.0)).sum();
    book.members.get(&id).is_some_and(|member| member.available() != known)
}

/// The available points that are consumed before those at a place and expire before them, or never do.
fn available_before(book: &Book, id: MemberId, place: LotPlace) -> i128 {
    let before =
        |lot: &&Lot| consumption_order(lot) < place && (lot.expires < place.0 || lot.expires == Timestamp::NEVER);
    book.lots_of(id).filter(before).map(|lot| i128::from(lot.available.0)).sum()
}

/// Notes that all lots of a member with available points that expire before a time are in the book.
fn know_to(book: &mut Book, member: MemberId, time: Timestamp) {
    if let Some(member) = book.members.get_mut(&member) {
        member.loaded_to = time;
    }
}

/// Notes up to which place the lots of a member outside of its row were read; to the last if it is none.
fn note_page(book: &mut Book, loaded: &mut Loaded, member: MemberId, to: Option<LotPlace>) {
    let place = to.unwrap_or(NOWHERE);
    know_to(book, member, place.0);
    loaded.read_to(member, place);
}

/// One lot more than the redemptions of a member may take, so that the rules can tell that there are more; some times as
/// many where lots may have to be passed over or all of them are touched.
fn page_of(members: &[(MemberId, Timestamp)], depths: &BTreeMap<MemberId, Depth>) -> usize {
    let depths = members.iter().filter_map(|(id, _)| depths.get(id));
    let lots = depths.map(|depth| {
        let taken = depth.takings.max(1).saturating_mul(LOTS_PER_ENTRY_MAX);
        let passed_over = if depth.all && depth.takings > 0 { PASSED_OVER } else { 1 };
        taken.saturating_mul(passed_over).max(if depth.every { DECAYING } else { 0 }) + 1
    });
    lots.max().unwrap_or(1)
}

fn by_member(lots: Vec<Lot>) -> BTreeMap<MemberId, Vec<Lot>> {
    let mut pages: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
    for lot in lots {
        pages.entry(lot.id.member).or_default().push(lot);
    }
    pages
}

/// Fills the book with one member and so many of its lots that a redemption of `points` can be quoted; with none for
/// its balance and next expiry. Nothing is locked: the caller has a snapshot.
pub(super) async fn load_member(
    link: &mut Link<'_>,
    book: &mut Book,
    member: MemberRef,
    points: Option<Points>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = match member {
        MemberRef::Id(id) => Some(id),
        MemberRef::Identifier(hash) => {
            book.identifiers.extend(identifiers::identifiers(link, &[hash]).await?);
            book.identifiers.get(&hash).copied()
        }
    };
    let Some(id) = id else { return Ok(()) };
    let mut loaded = Loaded::default();
    load_members(link, book, [id].into_iter(), false, &mut loaded).await?;
    let takings = usize::from(points.is_some());
    let depth = Depth { points: points.unwrap_or_default(), takings, ..Depth::default() };
    let mut depths = BTreeMap::from([(id, depth)]);
    if book.house.partners.values().any(|partner| partner.limits.guards_points()) {
        book.guards = limits::guards(link).await?;
        let partners: Vec<PartnerId> = book.guards.keys().copied().collect();
        let currency = book.house.coalition.currency;
        let sums = partners.into_iter().flat_map(balances::accounts_of);
        let balances = balances::balances_of(link, currency.as_str(), sums).await?;
        book.money_balances.extend(balances.money);
        book.points_balances.extend(balances.points);
    }
    load_funded(link, book).await?;
    refine(book, &mut depths);
    load_holds(link, book, &Targets::default(), &depths, now, &mut loaded).await?;
    load_lots(link, book, &depths, now, &mut loaded).await
}

/// Fills the book with what an operation would be decided by, to show what it would do. Nothing is locked: the caller has a
/// snapshot. Of its members all lots are read that one entry may take.
pub(super) async fn load_to_show(
    link: &mut Link<'_>,
    book: &mut Book,
    request: &Request,
    now: Timestamp,
) -> Result<(), StoreError> {
    load_all(link, book, std::slice::from_ref(request), now).await?;
    let house = Arc::clone(&book.house);
    let needs = footprint(&house, std::slice::from_ref(request), now);
    for (member, depth) in needs.members {
        load_member(link, book, member, Some(depth.points), now).await?;
    }
    Ok(())
}

/// Fills the book with what commands of the house need: all balances but legs, what is outstanding, the open window and
/// those that the commands name with their legs, and the recorded answers. Windows that nobody names are not read, however
/// many there are: what they are needed for is kept with partners and with the open window. The caller has the gate alone.
pub(super) async fn load_all(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    now: Timestamp,
) -> Result<BTreeMap<BatchId, i64>, StoreError> {
    let house = Arc::clone(&book.house);
    let needs = footprint(&house, requests, now);
    let mut named = needs.windows.clone();
    named.insert(book.open_window);
    if needs.settling {
        named.extend(windows::in_flight(link).await?);
    }
    let balances = balances::balances_with(link, book.house.coalition.currency.as_str(), &named).await?;
    book.points_balances = balances.points;
    book.money_balances = balances.money;
    book.outstanding = terms::outstanding(link).await?;
    book.guards = limits::guards(link).await?;
    book.consents = consents::consents(link).await?;
    for number in named {
        book.funding.extend(funding::funding_waiting(link, number).await?);
        let windows = windows::windows(link, Windows::One(number)).await?;
        book.windows.extend(windows.into_iter().map(|row| (row.window.number, row.window)));
    }
    let window = book.open_window;
    for ((issuer, acceptor), gross) in gross::gross(link, window).await? {
        book.gross.insert((window, issuer, acceptor), gross);
    }
    load_gross(link, book, &needs).await?;
    book.forgotten = gate::gate(link).await?.forgotten;
    legal::load(link, book, &needs, now).await?;
    charges::load(link, book, &needs.charges, false).await?;
    credentials::load_alone(link, book, &needs).await?;
    let mut loaded = Loaded::default();
    let asked = proposals::lock(link, book, &needs.proposals, &needs.proposed).await?;
    loaded.keep(book, asked);
    let paid = money::load(link, book, &needs, false).await?;
    loaded.keep(book, paid);
    load_requests(link, book, requests, &needs, &mut loaded).await?;
    Ok(loaded.sequences)
}
