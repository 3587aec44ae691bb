//! Which part of the ledger a batch needs, read in as few statements as it takes and locked in one order.
//!
//! | step | locked | why there |
//! |---|---|---|
//! | identifiers | unknown ones that may be enrolled, ascending | two nodes must not enrol one identifier twice |
//! | what returns and abandons refer to | | entries never change; they tell whose member it is |
//! | members | ascending | whoever holds the row has the member's lots and returns for itself |
//! | request keys | | after the members: a duplicate that came through another node has waited, and now sees it |
//! | returns, lots | | under the member's lock |
//!
//! A key that turns out to be different under lock makes the whole batch run again, as a transient error.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::{Book, LOTS_PER_ENTRY_MAX};
use clearing_core::command::{Command, MemberRef, RecordedState, Request};
use clearing_core::journal::{Entry, EntryKind, JournalEntry};
use clearing_core::member::{Lot, LotId};
use clearing_core::terms::House;
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

use super::settlement::Windows;
use super::sql::Link;
use super::{StoreError, house, journal, members, requests, settlement};

/// Lots read of a member who redeems: most redemptions need fewer.
const PAGE: usize = 4;

/// What must be known of a member's lots.
#[derive(Debug, Clone, Copy, Default)]
struct Need {
    /// The sum of what the batch redeems of the member.
    redeems: i64,
    /// How many redemptions that is.
    redemptions: usize,
    /// Something is taken out of the lots in another order than theirs, so that how many a redemption passes is open.
    abandons: bool,
}

/// Fills the book with what commands on points need. Gives the first sequence of every batch of which an entry was
/// read, and the place of every lot read.
pub(super) async fn load(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    now: Timestamp,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    load_identifiers(link, book, requests).await?;
    let targets = load_targets(link, book, requests, &mut loaded).await?;
    let needs = needs(book, requests, &targets);
    for member in members::members(link, needs.keys().copied(), true).await? {
        loaded.members.insert(member.id, member.next_due);
        book.members.insert(member.id, member);
    }
    load_requests(link, book, requests, &mut loaded).await?;
    for target in abandoned_entries(book, requests) {
        let member = target.1.member;
        if member.is_some_and(|member| !needs.contains_key(&member)) {
            return Err(StoreError::transient("a request to be abandoned was accepted in the meantime"));
        }
    }
    let redemptions: Vec<(MemberId, EntryId)> =
        targets.redemptions.iter().filter_map(|id| Some((book.entries.get(id)?.member?, *id))).collect();
    book.returned.extend(members::returns(link, &redemptions).await?);
    let mut lots = Vec::new();
    let wanted: BTreeMap<LotId, Timestamp> = targets.lots(book);
    let wanted: Vec<(LotId, Timestamp)> = wanted.into_iter().collect();
    let house = book.house.clone();
    lots.extend(members::lots_by_id(link, &house, &wanted).await?);
    load_lots(link, book, &house, &needs, now, &mut lots).await?;
    for lot in lots {
        loaded.lots.insert(lot.id, lot.expires);
        book.insert_lot(lot);
    }
    Ok(loaded)
}

/// What [`load`] learned besides what is in the book.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The first sequence of every batch of which an entry was read.
    pub sequences: BTreeMap<BatchId, i64>,
    /// Under which expiry the lots are stored.
    pub lots: BTreeMap<LotId, Timestamp>,
    /// With which lower bound of expiry the members are stored.
    pub members: BTreeMap<MemberId, Timestamp>,
}

impl Loaded {
    fn keep(&mut self, book: &mut Book, entries: Vec<JournalEntry>) {
        for stored in entries {
            self.sequences.insert(stored.id.batch, stored.sequence - i64::from(stored.id.ordinal));
            book.entries.insert(stored.id, stored.entry);
        }
    }
}

fn member_ref(command: &Command) -> Option<MemberRef> {
    match command {
        Command::Issue { member, .. } | Command::Redeem { member, .. } => Some(*member),
        Command::RunDue { member } => Some(MemberRef::Id(*member)),
        Command::Return { .. } | Command::Abandon { .. } | Command::House(_) => None,
    }
}

async fn load_identifiers(link: &mut Link<'_>, book: &mut Book, requests: &[Request]) -> Result<(), StoreError> {
    let mut named: BTreeSet<IdentifierHash> = BTreeSet::new();
    let mut enrolling: BTreeSet<IdentifierHash> = BTreeSet::new();
    for request in requests {
        if let Some(MemberRef::Identifier(hash)) = member_ref(&request.command) {
            named.insert(hash);
            if matches!(request.command, Command::Issue { .. }) {
                enrolling.insert(hash);
            }
        }
    }
    let named: Vec<IdentifierHash> = named.into_iter().collect();
    book.identifiers.extend(members::identifiers(link, &named).await?);
    let unknown: Vec<IdentifierHash> =
        enrolling.into_iter().filter(|hash| !book.identifiers.contains_key(hash)).collect();
    if !unknown.is_empty() && link.backend() == super::Backend::Postgres {
        members::lock_identifiers(link, &unknown).await?;
        book.identifiers.extend(members::identifiers(link, &unknown).await?);
    }
    Ok(())
}

/// What returns and abandons refer to.
#[derive(Debug, Default)]
struct Targets {
    /// Entries that are to be returned or undone.
    entries: BTreeSet<EntryId>,
    /// Redemptions of which it must be known what was returned.
    redemptions: BTreeSet<EntryId>,
}

impl Targets {
    /// The lots that the targets move, with when they expired by then.
    fn lots(&self, book: &Book) -> BTreeMap<LotId, Timestamp> {
        let entries = self.entries.iter().chain(&self.redemptions).filter_map(|id| book.entries.get(id));
        entries.flat_map(|entry| &entry.lots).map(|moved| (moved.lot, moved.expires)).collect()
    }
}

async fn load_targets(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    loaded: &mut Loaded,
) -> Result<Targets, StoreError> {
    let mut targets = Targets::default();
    let abandoned = abandoned_keys(requests);
    for row in requests::requests(link, abandoned.iter().copied()).await? {
        if let RecordedState::Accepted(accepted) = &row.recorded.state {
            targets.entries.extend(accepted.entries.first());
        }
    }
    for request in requests {
        if let Command::Return { redemption, .. } = &request.command {
            targets.entries.insert(*redemption);
            targets.redemptions.insert(*redemption);
        }
    }
    let entries = journal::entries(link, targets.entries.iter().copied()).await?;
    let mut linked = BTreeSet::new();
    for stored in &entries {
        match stored.entry.kind {
            EntryKind::Redeem => {
                targets.redemptions.insert(stored.id);
            }
            // Undoing a return needs the redemption that it gave back.
            EntryKind::Return => linked.extend(stored.entry.link),
            EntryKind::Issue
            | EntryKind::Undo
            | EntryKind::Expire
            | EntryKind::Close
            | EntryKind::Payment
            | EntryKind::Abort
            | EntryKind::Deposit => {}
        }
    }
    loaded.keep(book, entries);
    let redemptions = journal::entries(link, linked.iter().copied()).await?;
    loaded.keep(book, redemptions);
    targets.redemptions.extend(linked);
    Ok(targets)
}

fn abandoned_keys(requests: &[Request]) -> BTreeSet<(PartnerId, RequestId)> {
    let key = |request: &Request| match &request.command {
        Command::Abandon { request: abandoned } => Some((request.caller, *abandoned)),
        Command::Issue { .. }
        | Command::Redeem { .. }
        | Command::Return { .. }
        | Command::RunDue { .. }
        | Command::House(_) => None,
    };
    requests.iter().filter_map(key).collect()
}

/// The first entries of accepted requests that are to be abandoned, as far as they are in the book.
fn abandoned_entries<'a>(book: &'a Book, requests: &[Request]) -> Vec<(EntryId, &'a Entry)> {
    let recorded = abandoned_keys(requests).into_iter().filter_map(|key| book.requests.get(&key));
    let first = recorded.filter_map(|recorded| match &recorded.state {
        RecordedState::Accepted(accepted) => accepted.entries.first().copied(),
        RecordedState::Rejected(_) | RecordedState::Abandoned => None,
    });
    first.filter_map(|id| Some((id, &**book.entries.get(&id)?))).collect()
}

/// The members that the batch touches, and what it needs of each.
fn needs(book: &Book, requests: &[Request], targets: &Targets) -> BTreeMap<MemberId, Need> {
    let mut needs: BTreeMap<MemberId, Need> = BTreeMap::new();
    for request in requests {
        let member = match member_ref(&request.command) {
            Some(MemberRef::Id(id)) => Some(id),
            Some(MemberRef::Identifier(hash)) => book.identifiers.get(&hash).copied(),
            None => None,
        };
        let Some(member) = member else { continue };
        let need = needs.entry(member).or_default();
        if let Command::Redeem { points, .. } = &request.command {
            need.redeems = need.redeems.saturating_add(points.0.max(0));
            need.redemptions += 1;
        }
    }
    let returning: BTreeSet<EntryId> = requests
        .iter()
        .filter_map(|request| match &request.command {
            Command::Return { redemption, .. } => Some(*redemption),
            Command::Issue { .. }
            | Command::Redeem { .. }
            | Command::Abandon { .. }
            | Command::RunDue { .. }
            | Command::House(_) => None,
        })
        .collect();
    for id in targets.entries.iter().chain(&targets.redemptions) {
        if let Some(member) = book.entries.get(id).and_then(|entry| entry.member) {
            let need = needs.entry(member).or_default();
            need.abandons |= !returning.contains(id);
        }
    }
    // A request that is abandoned in the batch it came with leaves the lots as they were read.
    needs
}

/// Reads the recorded answers to all keys of the batch, with the entries that they name.
async fn load_requests(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let own = requests.iter().filter_map(|request| Some((request.caller, request.request_id?)));
    // Whether a redemption was itself abandoned decides what undoing its return does.
    let redemptions = book.entries.values().filter(|entry| entry.kind == EntryKind::Redeem);
    let redemptions = redemptions.filter_map(|entry| Some((entry.partner, entry.request_id?)));
    let keys: BTreeSet<(PartnerId, RequestId)> = own.chain(abandoned_keys(requests)).chain(redemptions).collect();
    let mut answered = Vec::new();
    for row in requests::requests(link, keys.into_iter()).await? {
        if let RecordedState::Accepted(accepted) = &row.recorded.state {
            answered.extend(accepted.entries.iter().copied().filter(|id| !book.entries.contains_key(id)));
        }
        book.requests.insert(row.key, row.recorded);
    }
    let entries = journal::entries(link, answered.into_iter()).await?;
    loaded.keep(book, entries);
    Ok(())
}

/// Reads the lots that the needs call for, and notes with each member how far its lots are known.
async fn load_lots(
    link: &mut Link<'_>,
    book: &mut Book,
    house: &House,
    needs: &BTreeMap<MemberId, Need>,
    now: Timestamp,
    lots: &mut Vec<Lot>,
) -> Result<(), StoreError> {
    let mut due = Vec::new();
    let mut next = Vec::new();
    let mut first_pages = Vec::new();
    let mut whole_pages = Vec::new();
    for (id, need) in needs {
        let Some(member) = book.members.get(id) else { continue };
        let is_due = member.next_due <= now;
        // What is due is read to the last lot, so what follows begins after now.
        let from = if is_due { Timestamp(now.0.saturating_add(1)) } else { member.next_due };
        if is_due {
            due.push((*id, member.next_due));
        }
        if need.abandons || (is_due && need.redemptions > 0) {
            whole_pages.push((*id, from));
        } else if need.redemptions > 0 {
            first_pages.push((*id, from));
        } else if from < Timestamp::NEVER {
            next.push((*id, from));
        }
    }
    lots.extend(members::lots_due(link, house, &due, now).await?);
    let page = members::lots_page(link, house, &first_pages, PAGE).await?;
    let pages = by_member(page);
    for place in first_pages {
        let page = pages.get(&place.0).map_or(&[][..], Vec::as_slice);
        let sum = page.iter().fold(0_i64, |sum, lot| sum.saturating_add(lot.available.0));
        let wanted = needs.get(&place.0).map_or(0, |need| need.redeems);
        // Something must be left over, or the next expiry after the redemption would not be known.
        if page.len() >= PAGE && sum <= wanted {
            whole_pages.push(place);
        } else {
            note_page(book, place.0, page, PAGE);
        }
    }
    lots.extend(pages.into_values().flatten());
    // One lot more than the redemptions of a member may take, so that the rules can tell that there are more.
    let redemptions = whole_pages.iter().filter_map(|(id, _)| needs.get(id)).map(|need| need.redemptions);
    let whole = redemptions.max().unwrap_or(0).max(1).saturating_mul(LOTS_PER_ENTRY_MAX) + 1;
    let pages = by_member(members::lots_page(link, house, &whole_pages, whole).await?);
    for (id, _) in whole_pages {
        note_page(book, id, pages.get(&id).map_or(&[][..], Vec::as_slice), whole);
    }
    lots.extend(pages.into_values().flatten());
    // Of lots that never expire none is read: there is nothing to tell of them.
    let firsts = by_member(members::lots_next(link, house, &next).await?);
    for (id, _) in next {
        note_page(book, id, firsts.get(&id).map_or(&[][..], Vec::as_slice), 1);
    }
    lots.extend(firsts.into_values().flatten());
    Ok(())
}

fn by_member(lots: Vec<Lot>) -> BTreeMap<MemberId, Vec<Lot>> {
    let mut pages: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
    for lot in lots {
        pages.entry(lot.id.member).or_default().push(lot);
    }
    pages
}

/// Notes how far a member's lots are known after its page was read in consumption order.
fn note_page(book: &mut Book, member: MemberId, page: &[Lot], limit: usize) {
    if let Some(member) = book.members.get_mut(&member) {
        let last = page.last().filter(|_| page.len() >= limit);
        member.loaded_to = last.map_or(Timestamp::NEVER, |lot| lot.expires);
    }
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
            book.identifiers.extend(members::identifiers(link, &[hash]).await?);
            book.identifiers.get(&hash).copied()
        }
    };
    let Some(id) = id else { return Ok(()) };
    for member in members::members(link, [id].into_iter(), false).await? {
        book.members.insert(member.id, member);
    }
    let redeems = points.map_or(0, |points| points.0);
    let needs = BTreeMap::from([(id, Need { redeems, redemptions: usize::from(points.is_some()), abandons: false })]);
    let house = book.house.clone();
    let mut lots = Vec::new();
    load_lots(link, book, &house, &needs, now, &mut lots).await?;
    for lot in lots {
        book.insert_lot(lot);
    }
    Ok(())
}

/// Fills the book with what commands of the house need: all balances, what is outstanding, the windows that are not
/// settled and those that the commands name, and the recorded answers. The caller has the gate alone.
pub(super) async fn load_all(
    link: &mut Link<'_>,
    book: &mut Book,
    requests: &[Request],
) -> Result<BTreeMap<BatchId, i64>, StoreError> {
    let balances = settlement::balances(link).await?;
    book.points_balances = balances.points;
    book.money_balances = balances.money;
    book.outstanding = house::outstanding(link).await?;
    let mut windows = settlement::windows(link, Windows::UnsettledAndFrom(book.open_window)).await?;
    for number in named_windows(requests) {
        if !windows.iter().any(|row| row.window.number == number) {
            windows.extend(settlement::windows(link, Windows::One(number)).await?);
        }
    }
    for row in windows {
        book.windows.insert(row.window.number, row.window);
    }
    let window = book.open_window;
    for ((issuer, acceptor), gross) in settlement::gross(link, window).await? {
        book.gross.insert((window, issuer, acceptor), gross);
    }
    let mut loaded = Loaded::default();
    load_requests(link, book, requests, &mut loaded).await?;
    Ok(loaded.sequences)
}

fn named_windows(requests: &[Request]) -> BTreeSet<WindowNumber> {
    use clearing_core::command::HouseCommand;
    let window = |request: &Request| match &request.command {
        Command::House(
            HouseCommand::ConfirmSettlement { window }
            | HouseCommand::ExportOrders { window, .. }
            | HouseCommand::ConfirmPayment { window, .. }
            | HouseCommand::AbortSettlement { window },
        ) => Some(*window),
        Command::House(
            HouseCommand::CreatePartner { .. }
            | HouseCommand::SetTerms { .. }
            | HouseCommand::SetPartnerState { .. }
            | HouseCommand::SetCalendar { .. }
            | HouseCommand::CloseWindow { .. }
            | HouseCommand::Deposit { .. },
        )
        | Command::Issue { .. }
        | Command::Redeem { .. }
        | Command::Return { .. }
        | Command::Abandon { .. }
        | Command::RunDue { .. } => None,
    };
    requests.iter().filter_map(window).collect()
}
