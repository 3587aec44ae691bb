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

mod apply;
mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::changes::{Changes, Gross, IdentifierLink, RequestChange};
use crate::chart::{MoneyAccount, PointsAccount};
use crate::command::{Accepted, Answer, MemberRef, Recorded, RecordedState, Reply, Request};
use crate::facts::{Fact, LinkFacts};
use crate::funding::FundingGroup;
use crate::hold::{Hold, HoldState};
use crate::journal::{Entry, EntryDraft, EntryKind, Origin, Unbalanced, link_commitment};
use crate::limits::{Consent, Guard};
use crate::member::{Lot, LotId, Member, consumption_order};
use crate::operation::{Ask, Command, Tells};
use crate::points::{Returned, ReturnedAmount};
use crate::purchase::ReceiptLine;
use crate::rejection::Rejection;
use crate::settlement::Window;
use crate::terms::{CLOCK_SKEW_SECONDS, House};
use crate::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, Overflow, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

/// One entry takes at most this many lots (rule `lots-per-entry`).
pub const LOTS_PER_ENTRY_MAX: usize = 1024;

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
    /// What was returned so far of a redemption.
    pub returned: BTreeMap<EntryId, Returned>,
    /// Of the total of a purchase, what was returned so far; by the entry that took its points, or else gave them.
    pub returned_amounts: BTreeMap<EntryId, ReturnedAmount>,
    pub holds: BTreeMap<EntryId, Hold>,
    /// The entries that receipts were booked with.
    pub receipts: BTreeMap<ReceiptLine, EntryId>,
    /// What partners' limits are checked against.
    pub guards: BTreeMap<PartnerId, Guard>,
    /// What a funder (first) lets a partner (second) issue at its cost.
    pub consents: BTreeMap<(PartnerId, PartnerId), Consent>,
    /// Points that wait for their issuer's payment, by window of issue, issuer and terms.
    pub funding: BTreeMap<(WindowNumber, PartnerId, u32), FundingGroup>,
    pub points_balances: BTreeMap<PointsAccount, Points>,
    pub money_balances: BTreeMap<MoneyAccount, Money>,
    pub outstanding: BTreeMap<(PartnerId, u32), Points>,
    pub gross: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>,
    pub windows: BTreeMap<WindowNumber, Window>,
    /// Answers that were recorded before this may be forgotten.
    pub forgotten: Timestamp,
    /// Lots with available points, in consumption order per member but for those that end with inactivity.
    order: BTreeSet<(MemberId, Timestamp, i64, u16)>,
    /// Lots with pending points.
    pending: BTreeSet<LotId>,
    /// Open holds of members, by when they lapse.
    open_holds: BTreeSet<(MemberId, Timestamp, EntryId)>,
    /// By what time clients make ids, where that is not the house's own: a sandbox stands still, and its clients do not.
    pub clients_time: Option<Timestamp>,
    /// Whose rows entries are applied to; see [`Book::of_members`].
    here: RangeInclusive<MemberId>,
    batch: BatchId,
    ordinal: u32,
    changes: Changes,
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
            returned_amounts: BTreeMap::new(),
            holds: BTreeMap::new(),
            receipts: BTreeMap::new(),
            guards: BTreeMap::new(),
            consents: BTreeMap::new(),
            funding: BTreeMap::new(),
            points_balances: BTreeMap::new(),
            money_balances: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            gross: BTreeMap::new(),
            windows: BTreeMap::new(),
            forgotten: Timestamp(0),
            order: BTreeSet::new(),
            pending: BTreeSet::new(),
            open_holds: BTreeSet::new(),
            clients_time: None,
            here: MemberId(0)..=MemberId(u128::MAX),
            batch: BatchId(0),
            ordinal: 0,
            changes: Changes::default(),
        }
    }

    /// This book, so that it keeps the rows of some members only, for who replays the journal for some members at a time: of
    /// what an entry does to the lots and holds of others it knows nothing. What is no member's, it keeps as any book does,
    /// but for two things that follow from lots and holds: what is reserved of headroom, and what waits for payments.
    #[must_use]
    pub fn of_members(self, here: RangeInclusive<MemberId>) -> Self {
        Self { here, ..self }
    }

    /// Whether the rows of a member are kept here.
    pub fn is_here(&self, member: MemberId) -> bool {
        self.here.contains(&member)
    }

    /// The first lot that an entry moves or reverses and that nobody made, of those that would be here. Such an entry
    /// cannot be applied.
    pub fn missing_lot(&self, entry: &Entry) -> Option<LotId> {
        let moved = entry.lots.iter().filter(|moved| moved.birth.is_none()).map(|moved| moved.lot);
        let reversed = entry.facts.reversal().map_or(&[][..], Vec::as_slice);
        let mut lots = moved.chain(reversed.iter().map(|part| part.lot));
        lots.find(|lot| self.is_here(lot.member) && !self.lots.contains_key(lot))
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
        if lot.pending.0 > 0 {
            self.pending.insert(lot.id);
        }
        self.lots.insert(lot.id, lot);
    }

    /// Adds a hold that was loaded from the store.
    pub fn insert_hold(&mut self, hold: Hold) {
        if hold.state == HoldState::Open {
            self.open_holds.insert((hold.member, hold.facts.lapses, hold.id));
        }
        self.holds.insert(hold.id, hold);
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
            if let Err(rejection) = self.check_age(id, now) {
                return fresh(Err(rejection));
            }
            if let Some(recorded) = self.requests.get(&(caller, id)) {
                return replay(recorded, &content, id);
            }
            // What became of a request whose key may have been pruned is not known, so it cannot be abandoned either.
            let abandoned = request.command.concerns().unwrap_or(id);
            let known = self.requests.contains_key(&(caller, abandoned));
            let checked = self.check_new(id, now).and_then(|()| self.check_age(abandoned, now));
            let checked = checked.and_then(|()| if known { Ok(()) } else { self.check_new(abandoned, now) });
            if let Err(rejection) = checked {
                return fresh(Err(rejection));
            }
        }
        let ask = request.ask(now);
        let result = self.check_times(&request.origin, now).and_then(|()| self.carry_out(&ask, &request.command));
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
        let oldest = self.house.coalition.days_before(days, now);
        if made < oldest {
            return Err(Rejection::RequestTooOld { made: made.to_string(), oldest: oldest.to_string() });
        }
        Ok(())
    }

    /// Refuses a key that the house does not have and whose own time is ahead: it would outlive its retention.
    ///
    /// Rule: request-new
    fn check_new(&self, id: RequestId, now: Timestamp) -> Result<(), Rejection> {
        let latest = self.clients_time.map_or(now, |time| time.max(now)).plus_seconds(CLOCK_SKEW_SECONDS);
        match id.made_at().filter(|made| *made > latest) {
            Some(made) => Err(Rejection::RequestTooNew { made: made.to_string(), latest: latest.to_string() }),
            None => Ok(()),
        }
    }

    /// Rule: time-range
    fn check_times(&self, origin: &Origin, now: Timestamp) -> Result<(), Rejection> {
        let coalition = &self.house.coalition;
        let days = coalition.business_time_age_days;
        let earliest = if days == 0 { Timestamp(0) } else { coalition.days_before(days, now) };
        if let Some(time) = origin.business_time {
            check_range("business_time", time, earliest, now.plus_seconds(CLOCK_SKEW_SECONDS))?;
        }
        if let Some(date) = origin.business_date {
            // A trading day may run past midnight, and a shop may lie a zone ahead: one day of grace on both sides.
            let (earliest, latest) = (coalition.days_before(1, earliest), coalition.days_after(1, now));
            let midnight = Timestamp::of_wall(date.to_jiff().into(), &coalition.time_zone).unwrap_or(Timestamp::NEVER);
            check_range("business_date", midnight, earliest, latest)?;
        }
        Ok(())
    }

    /// Lets what is due run, decides, and writes what was decided and what follows from it by itself.
    fn carry_out(&mut self, ask: &Ask<'_>, command: &Command) -> Result<Accepted, Rejection> {
        let who = command.admit(self, ask)?;
        let mut due = Vec::new();
        for member in &who.members {
            due.extend(self.run_due(*member, ask.now));
        }
        let mut decision = command.decide(self, ask, &who)?;
        if let (Some(hash), Some(member), Some(entry)) =
            (who.newcomer, who.members.last(), decision.entries.first_mut())
        {
            self.enrol(ask, hash, *member, entry);
        }
        let mut entries: Vec<EntryId> = decision.entries.into_iter().map(|entry| self.post(entry)).collect();
        if let Some(member) = decision.settles {
            self.settle_member(member, ask.now, &mut entries);
        }
        let reply = match decision.tells {
            Tells::Member(figures) => {
                // Due work has its own place in the journal, and is not part of other answers.
                if figures.names_due {
                    entries = due;
                }
                Reply::Member(self.member_reply(ask, &figures))
            }
            Tells::Abandoned(request, what) => {
                self.note_abandoned(ask, request, what);
                Reply::Abandoned(what)
            }
            Tells::House(reply) => Reply::House(reply),
        };
        Ok(Accepted { entries, reply })
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

    /// The member a command names; of an identifier that nobody has, `fresh` and the identifier to enrol it under.
    pub(crate) fn find_or_fresh(
        &self,
        member: MemberRef,
        fresh: MemberId,
    ) -> Result<(MemberId, Option<IdentifierHash>), Rejection> {
        match (self.find_member(member), member) {
            (Ok(known), _) => Ok((known, None)),
            (Err(_), MemberRef::Identifier(hash)) => Ok((fresh, Some(hash))),
            (Err(rejection), MemberRef::Id(_)) => Err(rejection),
        }
    }

    /// Enrols a member under an identifier with an entry that gives it its first lots.
    ///
    /// Rule: enrolment
    pub(crate) fn enrol(&mut self, ask: &Ask<'_>, hash: IdentifierHash, id: MemberId, entry: &mut Entry) {
        let (number, salt) = (1, ask.fresh_salt);
        entry.facts.push(Fact::Linked(LinkFacts { number, commitment: link_commitment(&salt, &hash, id) }));
        self.members.insert(id, Member::new(id));
        self.identifiers.insert(hash, id);
        self.changes.new_members.insert(id);
        self.changes.members.insert(id);
        self.changes.identifiers.insert(hash, IdentifierLink { member: id, number, salt });
    }

    pub(crate) fn draft(&self, kind: EntryKind, ask: &Ask<'_>) -> EntryDraft {
        let currency = self.house.coalition.currency;
        EntryDraft::new(kind, self.open_window, ask.now, currency, ask.caller).asked_by(ask.request_id, ask.origin)
    }

    /// Closes a draft after which every sum still fits.
    ///
    /// # Errors
    /// `OVERFLOW`, naming the sum. A draft that does not balance is a mistake in the rules and panics.
    pub(crate) fn finish(&self, draft: EntryDraft) -> Result<Entry, Rejection> {
        let entry = draft.balance().map_err(|problem| match problem {
            Unbalanced::Overflow(overflow) => Rejection::from(overflow),
            Unbalanced::Points(_) | Unbalanced::Money(..) => panic!("{problem}"),
        })?;
        self.check_sums(&entry)?;
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

    /// The lots of a member that have available points, in consumption order, each with when it expires.
    pub(crate) fn lots_in_order(&self, member: MemberId) -> impl Iterator<Item = (Timestamp, &Lot)> {
        let first = (member, Timestamp(i64::MIN), i64::MIN, 0);
        let last = (member, Timestamp::NEVER, i64::MAX, u16::MAX);
        let mut ended = self.inactive_lots(member).into_iter().peekable();
        let own = self.order.range(first..=last).filter(|(_, expires, ..)| expires.inactivity_days().is_none());
        let mut own = own.map(|(_, expires, entry_no, part)| (*expires, *entry_no, *part)).peekable();
        std::iter::from_fn(move || {
            let inactive_first = match (own.peek(), ended.peek()) {
                (Some(own), Some(ended)) => ended < own,
                (own, _) => own.is_none(),
            };
            let (expires, entry_no, part) = if inactive_first { ended.next() } else { own.next() }?;
            let lot = self.lots.get(&LotId { member, entry_no, part }).expect("the order lists lots of the book");
            Some((expires, lot))
        })
    }

    /// When the first of a member's points expire that do so at a moment of their own, and how many: no more than a bound and
    /// none if the lots that tell are not in the book, or if there are none.
    pub fn first_expiry(&self, member: &Member) -> (Timestamp, Option<Points>) {
        if let Some((first, points)) = member.expiring.first_key_value() {
            return (*first, Some(*points));
        }
        let from = (member.id, member.next_expiry, i64::MIN, 0);
        let to = (member.id, Timestamp::NEVER, i64::MAX, u16::MAX);
        let first = self.order.range(from..=to).next().map_or(Timestamp::NEVER, |(_, expires, ..)| *expires);
        let bound = first.min(member.loaded_to);
        if !bound.is_of_the_lot() {
            return (Timestamp::NEVER, None);
        }
        if first >= member.loaded_to {
            return (bound.max(member.next_expiry), None);
        }
        let ends = (member.id, first, i64::MIN, 0)..=(member.id, first, i64::MAX, u16::MAX);
        let lots = self.order.range(ends).filter_map(|(member, _, entry_no, part)| {
            self.lots.get(&LotId { member: *member, entry_no: *entry_no, part: *part })
        });
        (first, Some(Points(lots.map(|lot| lot.available.0).sum())))
    }

    /// The places in the order of lots that end with inactivity, as the member's last activity has it.
    fn inactive_lots(&self, member: MemberId) -> Vec<(Timestamp, i64, u16)> {
        let Some(known) = self.members.get(&member).filter(|member| !member.record.inactive.is_empty()) else {
            return Vec::new();
        };
        let zone = &self.house.coalition.time_zone;
        let mut lots = Vec::new();
        for (days, kind) in known.record.inactive.iter().filter(|(_, kind)| kind.has_points()) {
            let band = Timestamp::after_inactivity(*days);
            let range = (member, band, i64::MIN, 0)..=(member, band, i64::MAX, u16::MAX);
            let end = kind.end_of_lots(known.inactive_at(*days, zone));
            lots.extend(self.order.range(range).map(|(_, _, entry_no, part)| (end(*entry_no), *entry_no, *part)));
        }
        lots.sort_unstable();
        lots
    }

    /// When a lot expires as things stand.
    pub(crate) fn expiry_of(&self, lot: &Lot) -> Timestamp {
        let zone = &self.house.coalition.time_zone;
        let member = self.members.get(&lot.id.member);
        match (lot.expires.inactivity_days(), member) {
            (Some(days), Some(member)) => member.inactivity_end(days, lot.id.entry_no, zone),
            _ => lot.expires,
        }
    }

    /// Lots of a member with pending points.
    pub(crate) fn pending_lots(&self, member: MemberId) -> impl Iterator<Item = &Lot> {
        let first = LotId { member, entry_no: i64::MIN, part: 0 };
        let last = LotId { member, entry_no: i64::MAX, part: u16::MAX };
        self.pending.range(first..=last).map(|id| self.lots.get(id).expect("lots listed are in the book"))
    }

    /// Open holds of a member, the first to lapse first.
    pub(crate) fn open_holds(&self, member: MemberId) -> impl Iterator<Item = &Hold> {
        let first = (member, Timestamp(i64::MIN), EntryId { batch: BatchId(0), ordinal: 0 });
        let last = (member, Timestamp::NEVER, EntryId { batch: BatchId(u128::MAX), ordinal: u32::MAX });
        self.open_holds.range(first..=last).map(|(.., id)| self.holds.get(id).expect("holds listed are in the book"))
    }

    /// The day of a moment in the coalition's calendar, in days since 1970-01-01.
    pub(crate) fn day_of(&self, time: Timestamp) -> i32 {
        let date = time.to_jiff().to_zoned(self.house.coalition.time_zone.clone()).date();
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        epoch.until(date).map_or(0, |span| span.get_days())
    }
}

/// The gross obligations that an entry makes (+) or takes back (-): r x the points of each issuer but the acceptor.
///
/// Rule: gross
pub(crate) fn gross_of(entry: &Entry) -> Result<BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>, Overflow> {
    let mut obligations: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross> = BTreeMap::new();
    let Some(facts) = entry.redemption() else { return Ok(obligations) };
    for moved in entry.lots.iter().filter(|moved| moved.issuer != entry.partner) {
        let gross = obligations.entry((entry.window, moved.issuer, entry.partner)).or_default();
        gross.points = gross.points.minus(moved.net()?)?;
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
        RecordedState::Burned | RecordedState::Undone(_) => {
            Err(Rejection::RequestAbandoned { request_id: id.to_string() })
        }
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
