//! The ledger over whatever part of it is in memory: all of it in a test, the slice that a batch touches in production.
//!
//! [`Book::execute`] takes one request. Its checks descend in the published order of [`Rejection`]; then it writes
//! entries. A rejection leaves the book as it was, but for due work that the member had coming anyway.
//!
//! Every effect of an entry is applied from the entry itself, by [`Book::apply`]. So a book rebuilt from the journal is
//! the same book, which is what the audit relies on.
//!
//! In production the balances of accounts that no rule reads are not loaded; here they start at zero and hold only
//! what the batch moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::changes::{Changes, Gross, RequestChange};
use crate::chart::{MoneyAccount, PointsAccount};
use crate::command::{Accepted, Answer, Command, MemberRef, Recorded, RecordedState, Request};
use crate::journal::{Entry, EntryDraft, EntryKind, LotBirth, Origin, Unbalanced};
use crate::member::{Lot, LotId, Member, consumption_order};
use crate::rejection::Rejection;
use crate::settlement::Window;
use crate::terms::{CLOCK_SKEW_SECONDS, House};
use crate::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, Overflow, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

/// One entry takes at most this many lots (rule `lots-per-entry`).
pub const LOTS_PER_ENTRY_MAX: usize = 1024;

/// No balance in money goes beyond this on either side, so that a close can round and add up balances that fit.
const BALANCE_MAX: u64 = i64::MAX.unsigned_abs() / 4;

/// See the module.
#[derive(Debug, Clone)]
pub struct Book {
    pub house: Arc<House>,
    /// The number of the window that is open.
    pub open_window: WindowNumber,
    pub members: BTreeMap<MemberId, Member>,
    pub identifiers: BTreeMap<IdentifierHash, MemberId>,
    pub lots: BTreeMap<LotId, Lot>,
    pub requests: BTreeMap<(PartnerId, RequestId), Recorded>,
    /// Entries written, and those that requests refer to.
    pub entries: BTreeMap<EntryId, Arc<Entry>>,
    /// Points returned so far of a redemption.
    pub returned: BTreeMap<EntryId, Points>,
    pub points_balances: BTreeMap<PointsAccount, Points>,
    pub money_balances: BTreeMap<MoneyAccount, Money>,
    pub outstanding: BTreeMap<(PartnerId, u32), Points>,
    pub gross: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>,
    pub windows: BTreeMap<WindowNumber, Window>,
    /// Lots with available points, in consumption order per member.
    order: BTreeSet<(MemberId, Timestamp, i64, u16)>,
    batch: BatchId,
    ordinal: u32,
    changes: Changes,
}

/// A request on its way through the book: who asks, under which key, at what time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub caller: PartnerId,
    pub request_id: Option<RequestId>,
    pub origin: &'a Origin,
    pub now: Timestamp,
}

impl Book {
    /// An empty book of a house whose window `open_window` is open.
    pub fn new(house: Arc<House>, open_window: WindowNumber) -> Self {
        Self {
            house,
            open_window,
            members: BTreeMap::new(),
            identifiers: BTreeMap::new(),
            lots: BTreeMap::new(),
            requests: BTreeMap::new(),
            entries: BTreeMap::new(),
            returned: BTreeMap::new(),
            points_balances: BTreeMap::new(),
            money_balances: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            gross: BTreeMap::new(),
            windows: BTreeMap::new(),
            order: BTreeSet::new(),
            batch: BatchId(0),
            ordinal: 0,
            changes: Changes::default(),
        }
    }

    /// Begins a batch: entries from here on are numbered in it.
    pub fn begin_batch(&mut self, batch: BatchId) {
        self.batch = batch;
        self.ordinal = 0;
    }

    /// What was changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    pub(crate) fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// Adds a lot that was loaded from the store.
    pub fn insert_lot(&mut self, lot: Lot) {
        if lot.available.0 > 0 {
            self.order.insert(order_key(&lot));
        }
        self.lots.insert(lot.id, lot);
    }

    /// Takes one request: checks, decides, applies, and records the answer under the request's key.
    ///
    /// Rule: idempotency
    pub fn execute(&mut self, request: &Request, now: Timestamp) -> Answer {
        let fresh = |result| Answer { result, replayed: false };
        if let Err(rejection) = request.validate() {
            return fresh(Err(rejection));
        }
        let content = request.content_hash();
        let key = request.request_id.map(|id| (request.caller, id));
        if let Some((caller, id)) = key {
            // What became of a request whose key may have been pruned is not known, so it cannot be abandoned either.
            let abandoned = if let Command::Abandon { request } = &request.command { *request } else { id };
            if let Err(rejection) = self.check_age(id, now).and_then(|()| self.check_age(abandoned, now)) {
                return fresh(Err(rejection));
            }
            if let Some(recorded) = self.requests.get(&(caller, id)) {
                return replay(recorded, &content, id);
            }
        }
        let ask = Ask { caller: request.caller, request_id: request.request_id, origin: &request.origin, now };
        let result = self.check_times(&request.origin, now).and_then(|()| self.decide(&ask, request));
        if let (Ok(accepted), Some(attachment)) = (&result, &request.attachment)
            && let Some(entry) = accepted.entries.first()
        {
            self.changes.attachments.insert(*entry, attachment.clone());
        }
        let recorded = result.as_ref().err().is_none_or(Rejection::recorded);
        if let Some(key) = key.filter(|_| recorded) {
            let state = match &result {
                Ok(accepted) => RecordedState::Accepted(accepted.clone()),
                Err(rejection) => RecordedState::Rejected(rejection.clone()),
            };
            self.record(key, Recorded { content, state }, now);
        }
        fresh(result)
    }

    /// Keeps what is to be answered under a key from now on.
    pub(crate) fn record(&mut self, key: (PartnerId, RequestId), recorded: Recorded, now: Timestamp) {
        let known = self.requests.insert(key, recorded).is_some();
        self.changes.requests.entry(key).or_insert(RequestChange { time: now, known });
    }

    /// Rule: request-age
    fn check_age(&self, id: RequestId, now: Timestamp) -> Result<(), Rejection> {
        let days = self.house.coalition.key_retention_days;
        let (Some(made), true) = (id.made_at(), days > 0) else { return Ok(()) };
        let oldest = now.plus_days(-i64::from(days));
        if made < oldest {
            return Err(Rejection::RequestTooOld { made: made.to_string(), oldest: oldest.to_string() });
        }
        Ok(())
    }

    /// Rule: time-range
    fn check_times(&self, origin: &Origin, now: Timestamp) -> Result<(), Rejection> {
        let days = self.house.coalition.business_time_age_days;
        let earliest = if days == 0 { Timestamp(0) } else { now.plus_days(-i64::from(days)) };
        if let Some(time) = origin.business_time {
            check_range("business_time", time, earliest, now.plus_seconds(CLOCK_SKEW_SECONDS))?;
        }
        if let Some(date) = origin.business_date {
            let moment = |date: jiff::civil::Date| {
                let midnight = date.to_zoned(self.house.coalition.time_zone.clone()).ok();
                midnight.map_or(Timestamp::NEVER, |midnight| Timestamp::from_jiff(midnight.timestamp()))
            };
            // A trading day may run past midnight, and a shop may lie a zone ahead: one day of grace on both sides.
            check_range("business_date", moment(date.to_jiff()), earliest.plus_days(-1), now.plus_days(1))?;
        }
        Ok(())
    }

    fn decide(&mut self, ask: &Ask<'_>, request: &Request) -> Result<Accepted, Rejection> {
        match &request.command {
            Command::Issue { member, points, expires } => {
                self.issue(ask, *member, request.fresh_member, *points, *expires)
            }
            Command::Redeem { member, points } => self.redeem(ask, *member, *points),
            Command::Return { redemption, points } => self.return_redemption(ask, *redemption, *points),
            Command::Abandon { request } => self.abandon(ask, *request),
            Command::RunDue { member } => self.run_due_alone(ask, *member),
            Command::House(command) => self.decide_house(ask, command),
        }
    }

    /// The member a command names, if the house knows it.
    pub fn find_member(&self, member: MemberRef) -> Result<MemberId, Rejection> {
        match member {
            MemberRef::Id(id) => {
                self.members.contains_key(&id).then_some(id).ok_or_else(|| Rejection::not_found("member", id))
            }
            MemberRef::Identifier(hash) => self
                .identifiers
                .get(&hash)
                .copied()
                .ok_or_else(|| Rejection::not_found("member", "with this identifier")),
        }
    }

    /// Enrols a member under an identifier.
    ///
    /// Rule: enrolment
    pub(crate) fn enrol(&mut self, hash: IdentifierHash, id: MemberId) {
        self.members.insert(id, Member::new(id));
        self.identifiers.insert(hash, id);
        self.changes.new_members.insert(id);
        self.changes.members.insert(id);
        self.changes.identifiers.insert(hash, id);
    }

    pub(crate) fn draft(&self, kind: EntryKind, ask: &Ask<'_>) -> EntryDraft {
        let currency = self.house.coalition.currency;
        EntryDraft::new(kind, self.open_window, ask.now, currency, ask.caller).asked_by(ask.request_id, ask.origin)
    }

    /// Closes a draft whose balance would still fit after it.
    ///
    /// # Errors
    /// `OVERFLOW`, naming the account. A draft that does not balance is a mistake in the rules and panics.
    ///
    /// Rule: overflow
    pub(crate) fn finish(&self, draft: EntryDraft) -> Result<Entry, Rejection> {
        let entry = draft.balance().map_err(|problem| match problem {
            Unbalanced::Overflow(overflow) => Rejection::from(overflow),
            Unbalanced::Points(_) | Unbalanced::Money(..) => panic!("{problem}"),
        })?;
        for posting in &entry.points {
            let fits = match posting.account {
                PointsAccount::Member(member) => {
                    let held = self.members.get(&member).map_or(0, Member::available);
                    i64::try_from(held + i128::from(posting.points.0)).is_ok()
                }
                PointsAccount::Issuer(_) => {
                    let balance = self.points_balances.get(&posting.account).copied().unwrap_or_default();
                    balance.plus(posting.points).is_ok()
                }
            };
            if !fits {
                return Err(Rejection::Overflow { what: format!("the balance of {}", posting.account) });
            }
        }
        for posting in &entry.money {
            let balance = self.money_balances.get(&posting.account).copied().unwrap_or_default();
            let fits = balance.plus(posting.amount).is_ok_and(|after| after.0.unsigned_abs() <= BALANCE_MAX);
            if !fits {
                return Err(Rejection::Overflow { what: format!("the balance of {}", posting.account) });
            }
        }
        for ((window, issuer, acceptor), gross) in gross_of(&entry)? {
            let before = self.gross.get(&(window, issuer, acceptor)).copied().unwrap_or_default();
            before.points.plus(gross.points)?;
            before.amount.plus(gross.amount)?;
        }
        Ok(entry)
    }

    /// Writes an entry that [`Book::finish`] has passed.
    pub(crate) fn post(&mut self, entry: Entry) -> EntryId {
        let id = EntryId { batch: self.batch, ordinal: self.ordinal };
        self.ordinal += 1;
        self.apply(id, &entry).expect("finish has checked that every balance fits");
        self.entries.insert(id, Arc::new(entry));
        self.changes.entries.push(id);
        id
    }

    /// Applies what an entry does to lots, sums and balances. The audit replays the journal through this.
    ///
    /// # Errors
    /// [`Overflow`] if a balance does not fit.
    pub fn apply(&mut self, id: EntryId, entry: &Entry) -> Result<(), Overflow> {
        if let Some(member) = entry.member {
            let member = self.members.entry(member).or_insert_with(|| Member::new(member));
            member.entry_no += 1;
            self.changes.members.insert(member.id);
        }
        for moved in &entry.lots {
            let owner = entry.member.expect("an entry that moves lots is of a member");
            let funding = self.house.lot_terms(moved.issuer, moved.terms).funding;
            if let Some(LotBirth { origin, activates }) = moved.birth {
                let lot = Lot {
                    id: moved.lot,
                    issuer: moved.issuer,
                    terms: moved.terms,
                    funding,
                    size: moved.points,
                    available: Points::ZERO,
                    expires: moved.expires,
                    entry: id,
                    origin,
                    activates,
                };
                self.lots.insert(moved.lot, lot);
                self.changes.new_lots.insert(moved.lot);
            }
            let lot = self.lots.get_mut(&moved.lot).expect("the lots of an entry are in the book");
            self.order.remove(&order_key(lot));
            lot.available = lot.available.plus(moved.points)?;
            lot.expires = moved.expires;
            if lot.available.0 > 0 {
                self.order.insert(order_key(lot));
            }
            self.changes.lots.insert(moved.lot);
            let member = self.members.get_mut(&owner).expect("inserted above");
            let holding = member.holdings.entry((moved.issuer, funding)).or_default();
            holding.available = holding.available.plus(moved.points)?;
            if moved.points.0 > 0 {
                member.next_due = member.next_due.min(moved.expires);
            }
            let version = (moved.issuer, moved.terms);
            add_points(&mut self.outstanding, version, moved.points)?;
            add_points(&mut self.changes.outstanding, version, moved.points)?;
        }
        for posting in &entry.points {
            if posting.account.member().is_none() {
                add_points(&mut self.points_balances, posting.account, posting.points)?;
                add_points(&mut self.changes.points_balances, posting.account, posting.points)?;
            }
        }
        for posting in &entry.money {
            add_money(&mut self.money_balances, posting.account, posting.amount)?;
            add_money(&mut self.changes.money_balances, posting.account, posting.amount)?;
        }
        self.apply_redemption(entry)
    }

    /// What an entry does to gross obligations and to what is left of a redemption.
    fn apply_redemption(&mut self, entry: &Entry) -> Result<(), Overflow> {
        let Some(facts) = entry.redemption() else { return Ok(()) };
        for (key, gross) in gross_of(entry)? {
            for sums in [&mut self.gross, &mut self.changes.gross] {
                let sum = sums.entry(key).or_default();
                sum.points = sum.points.plus(gross.points)?;
                sum.amount = sum.amount.plus(gross.amount)?;
            }
        }
        if let Some(redemption) = entry.link {
            // Of a redemption itself there is no link; what refers to one gives points back, or takes them again.
            let returned = self.returned.entry(redemption).or_default();
            *returned = returned.minus(facts.points)?;
            self.changes.returned.insert(redemption);
        }
        Ok(())
    }

    /// The lots of a member that have available points, in consumption order.
    pub(crate) fn lots_in_order(&self, member: MemberId) -> impl Iterator<Item = &Lot> {
        let first = (member, Timestamp(i64::MIN), i64::MIN, 0);
        let last = (member, Timestamp::NEVER, i64::MAX, u16::MAX);
        self.order
            .range(first..=last)
            .map(|(member, _, entry_no, part)| LotId { member: *member, entry_no: *entry_no, part: *part })
            .map(|id| self.lots.get(&id).expect("the order lists lots of the book"))
    }
}

/// The gross obligations that an entry makes (+) or takes back (-): r x the points of each issuer but the acceptor.
///
/// Rule: gross
fn gross_of(entry: &Entry) -> Result<BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>, Overflow> {
    let mut obligations: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross> = BTreeMap::new();
    let Some(facts) = entry.redemption() else { return Ok(obligations) };
    for moved in entry.lots.iter().filter(|moved| moved.issuer != entry.partner) {
        let gross = obligations.entry((entry.window, moved.issuer, entry.partner)).or_default();
        gross.points = gross.points.minus(moved.points)?;
        gross.amount = gross.points.times(facts.reimbursement)?;
    }
    Ok(obligations)
}

fn order_key(lot: &Lot) -> (MemberId, Timestamp, i64, u16) {
    let (expires, entry_no, part) = consumption_order(lot);
    (lot.id.member, expires, entry_no, part)
}

fn replay(recorded: &Recorded, content: &crate::journal::Hash, id: RequestId) -> Answer {
    let conflict = recorded.content != *content;
    let result = match &recorded.state {
        // A key that was burned before it came has no content to compare with.
        RecordedState::Abandoned => Err(Rejection::RequestAbandoned { request_id: id.to_string() }),
        RecordedState::Accepted(_) | RecordedState::Rejected(_) if conflict => {
            return Answer {
                result: Err(Rejection::IdempotencyConflict { request_id: id.to_string() }),
                replayed: false,
            };
        }
        RecordedState::Accepted(accepted) => Ok(accepted.clone()),
        RecordedState::Rejected(rejection) => Err(rejection.clone()),
    };
    Answer { result, replayed: true }
}

pub(crate) fn check_range(
    field: &str,
    time: Timestamp,
    earliest: Timestamp,
    latest: Timestamp,
) -> Result<(), Rejection> {
    if (earliest..=latest).contains(&time) {
        return Ok(());
    }
    Err(Rejection::TimeOutOfRange {
        field: field.to_owned(),
        time: time.to_string(),
        earliest: earliest.to_string(),
        latest: latest.to_string(),
    })
}

fn add_points<K: Ord>(sums: &mut BTreeMap<K, Points>, key: K, points: Points) -> Result<(), Overflow> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(points)?;
    Ok(())
}

fn add_money<K: Ord>(sums: &mut BTreeMap<K, Money>, key: K, amount: Money) -> Result<(), Overflow> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(amount)?;
    Ok(())
}
