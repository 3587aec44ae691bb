//! Commands on points: issue, redemption, return, abandon, and the expiry that is due.

use std::collections::BTreeMap;

use crate::book::{Ask, Book, LOTS_PER_ENTRY_MAX, check_range};
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::command::{Abandoned, Accepted, MemberRef, MemberReply, Recorded, RecordedState, Reply};
use crate::journal::{Entry, EntryDraft, EntryKind, LotBirth, LotMove, RedemptionFacts};
use crate::member::{Lot, LotId};
use crate::rejection::Rejection;
use crate::terms::{FeeBearer, Funding, PartnerState, Terms};
use crate::units::{EntryId, MemberId, Money, Overflow, PartnerId, Points, RequestId, Timestamp, largest_remainder};

/// A part of a redemption: points of one lot, in consumption order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub lot: LotId,
    pub issuer: PartnerId,
    pub terms: u32,
    pub points: Points,
    pub expires: Timestamp,
}

/// What a redemption would take and cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub parts: Vec<Part>,
    pub fee: Money,
    /// What the acceptor gets for the parts, before a fee that it bears.
    pub reimbursement: Money,
    pub fee_bearer: FeeBearer,
}

impl Book {
    /// Issues points of the caller to a member, as one lot.
    ///
    /// Rule: issue
    pub(crate) fn issue(
        &mut self,
        ask: &Ask<'_>,
        member: MemberRef,
        fresh: MemberId,
        points: Points,
        expires: Option<Timestamp>,
    ) -> Result<Accepted, Rejection> {
        if let Some(expires) = expires {
            check_range("expires_time", expires, Timestamp(ask.now.0 + 1), Timestamp::NEVER)?;
        }
        self.check_may_issue(ask.caller)?;
        let (id, newcomer) = match (self.find_member(member), member) {
            (Ok(known), _) => (known, None),
            (Err(_), MemberRef::Identifier(hash)) => (fresh, Some(hash)),
            (Err(rejection), MemberRef::Id(_)) => return Err(rejection),
        };
        self.run_due(id, ask.now);
        let partner = self.house.partner(ask.caller)?;
        let terms = partner.terms_at(ask.now);
        let expires = expires.unwrap_or_else(|| terms.expiry.expires(ask.now, &self.house.coalition.time_zone));
        let entry_no = self.members.get(&id).map_or(0, |member| member.entry_no) + 1;
        let lot = LotId { member: id, entry_no, part: 0 };

        let mut draft = self.draft(EntryKind::Issue, ask).of_member(id);
        draft.post_points(PointsAccount::Member(id), i128::from(points.0));
        draft.post_points(PointsAccount::Issuer(ask.caller), -i128::from(points.0));
        post_issue_money(&mut draft, ask.caller, terms, points)?;
        draft.move_lot(LotMove {
            lot,
            issuer: ask.caller,
            terms: terms.version,
            points,
            held: Points::ZERO,
            pending: Points::ZERO,
            expires,
            birth: Some(LotBirth::default()),
        });
        let entry = self.finish(draft)?;
        if let Some(hash) = newcomer {
            self.enrol(hash, id);
        }
        let entry = self.post(entry);
        Ok(self.member_reply(id, vec![entry], Points::ZERO))
    }

    /// Redeems points of a member at the caller.
    ///
    /// Rule: redemption
    pub(crate) fn redeem(&mut self, ask: &Ask<'_>, member: MemberRef, points: Points) -> Result<Accepted, Rejection> {
        self.check_may_accept(ask.caller)?;
        let id = self.find_member(member)?;
        self.run_due(id, ask.now);
        let terms = self.house.partner(ask.caller)?.terms_at(ask.now).clone();
        let parts = self.take_in_order(id, points, ask.now)?;
        let facts = RedemptionFacts {
            points,
            reimbursement: terms.reimbursement,
            fee_rate: terms.acceptance_fee,
            fee_bearer: terms.fee_bearer,
            fee: Money::ZERO,
        };
        let draft = self.draft(EntryKind::Redeem, ask).of_member(id);
        let entry = self.redemption_entry(draft, ask.caller, id, &facts, &parts, points, &Direction::Take)?;
        let entry = self.post(entry);
        Ok(self.member_reply(id, vec![entry], points))
    }

    /// What redeeming `points` at `acceptor` would take and cost now. Changes nothing.
    ///
    /// # Errors
    /// The rejection that the redemption would meet.
    ///
    /// Rule: quote
    pub fn quote(
        &self,
        acceptor: PartnerId,
        member: MemberRef,
        points: Points,
        now: Timestamp,
    ) -> Result<Quote, Rejection> {
        self.check_may_accept(acceptor)?;
        let id = self.find_member(member)?;
        let terms = self.house.partner(acceptor)?.terms_at(now);
        let parts = self.take_in_order(id, points, now)?;
        let facts = RedemptionFacts {
            points,
            reimbursement: terms.reimbursement,
            fee_rate: terms.acceptance_fee,
            fee_bearer: terms.fee_bearer,
            fee: Money::ZERO,
        };
        let fee = Money(self.fee_shares(acceptor, &facts, &parts)?.values().sum());
        let mut reimbursed = Points::ZERO;
        for part in &parts {
            let free = part.issuer == acceptor && self.funding(part) == Funding::AtRedemption;
            reimbursed = if free { reimbursed } else { reimbursed.plus(part.points)? };
        }
        Ok(Quote { parts, fee, reimbursement: reimbursed.times(terms.reimbursement)?, fee_bearer: terms.fee_bearer })
    }

    /// Returns `points` of what is left of a redemption of the caller's.
    ///
    /// Rule: return
    pub(crate) fn return_redemption(
        &mut self,
        ask: &Ask<'_>,
        redemption: EntryId,
        points: Points,
    ) -> Result<Accepted, Rejection> {
        let target = self.entries.get(&redemption).cloned();
        let target = target
            .filter(|entry| entry.kind == EntryKind::Redeem && entry.partner == ask.caller)
            .ok_or_else(|| Rejection::not_found("redemption", redemption))?;
        let member = target.member.expect("a redemption is of a member");
        self.run_due(member, ask.now);
        let left = self.left_of(redemption, &target);
        if points > left {
            return Err(Rejection::ReturnExceedsRedemption { asked: points.0, left: left.0 });
        }
        let draft = self.draft(EntryKind::Return, ask);
        self.give_back(draft, redemption, &target, points, ask.now)
    }

    /// A till that must not wait says that a request of its own shall have no effect.
    ///
    /// Rule: abandon
    pub(crate) fn abandon(&mut self, ask: &Ask<'_>, request: RequestId) -> Result<Accepted, Rejection> {
        let key = (ask.caller, request);
        let Some(recorded) = self.requests.get(&key).cloned() else {
            self.record(key, Recorded { content: [0; 32], state: RecordedState::Abandoned }, ask.now);
            return Ok(abandoned(Abandoned::Burned, Vec::new()));
        };
        let first = match &recorded.state {
            RecordedState::Abandoned => return Ok(abandoned(Abandoned::Already, Vec::new())),
            RecordedState::Rejected(_) => return Ok(abandoned(Abandoned::NoEffect, Vec::new())),
            RecordedState::Accepted(accepted) => accepted.entries.first().copied(),
        };
        // Only what a till asks for can be abandoned; commands of the operator write no entries of a member.
        let target = first.and_then(|id| self.entries.get(&id).cloned().map(|entry| (id, entry)));
        let Some((id, target)) = target.filter(|(_, entry)| entry.member.is_some()) else {
            return Err(Rejection::not_found("request on points", request));
        };
        let member = target.member.expect("filtered above");
        self.run_due(member, ask.now);
        let draft = self.draft(EntryKind::Undo, ask);
        let undone = match target.kind {
            EntryKind::Issue => self.undo_issue(draft, id, &target)?,
            EntryKind::Redeem => {
                let left = self.left_of(id, &target);
                if left.is_zero() { Vec::new() } else { self.give_back(draft, id, &target, left, ask.now)?.entries }
            }
            EntryKind::Return => self.undo_return(draft, &target)?,
            EntryKind::Undo
            | EntryKind::Expire
            | EntryKind::Close
            | EntryKind::Payment
            | EntryKind::Abort
            | EntryKind::Deposit => return Err(Rejection::not_found("request on points", request)),
        };
        self.record(key, Recorded { content: recorded.content, state: RecordedState::Abandoned }, ask.now);
        Ok(abandoned(Abandoned::Undone, undone))
    }

    /// Runs what is due for a member on behalf of the scheduler.
    pub(crate) fn run_due_alone(&mut self, ask: &Ask<'_>, member: MemberId) -> Result<Accepted, Rejection> {
        let id = self.find_member(MemberRef::Id(member))?;
        let entries = self.run_due(id, ask.now);
        Ok(self.member_reply(id, entries, Points::ZERO))
    }

    /// Posts the expiries of a member that are due, each as of its due time, at most [`LOTS_PER_ENTRY_MAX`] at once;
    /// what remains is no longer spent, and follows with the next command or the job.
    ///
    /// Rule: due-work
    pub(crate) fn run_due(&mut self, member: MemberId, now: Timestamp) -> Vec<EntryId> {
        if self.members.get(&member).is_none_or(|member| member.next_due > now) {
            return Vec::new();
        }
        let due: Vec<Lot> =
            self.lots_in_order(member).take_while(|lot| lot.expires <= now).take(LOTS_PER_ENTRY_MAX).cloned().collect();
        let mut written = Vec::with_capacity(due.len());
        for lot in due {
            // An expiry cannot be refused; were its amounts beyond 64 bits, the lot would stay, expired and unspent.
            if let Ok(entry) = self.expiry_entry(&lot) {
                written.push(self.post(entry));
            }
        }
        let next = self.lots_in_order(member).next().map_or(Timestamp::NEVER, |lot| lot.expires);
        self.changes_mut().members.insert(member);
        let member = self.members.get_mut(&member).expect("found above");
        member.next_due = next.min(member.loaded_to);
        written
    }

    /// Rule: expiry
    fn expiry_entry(&self, lot: &Lot) -> Result<Entry, Rejection> {
        let terms = self.house.lot_terms(lot.issuer, lot.terms);
        let points = lot.available;
        let currency = self.house.coalition.currency;
        let operator = PartnerId::operator();
        let mut draft = EntryDraft::new(EntryKind::Expire, self.open_window, lot.expires, currency, operator)
            .of_member(lot.id.member)
            .linked_to(lot.entry);
        draft.post_points(PointsAccount::Member(lot.id.member), -i128::from(points.0));
        draft.post_points(PointsAccount::Issuer(lot.issuer), i128::from(points.0));
        match lot.funding {
            Funding::AtRedemption => {}
            Funding::AtIssue => {
                let value = points.times(terms.value)?;
                let [reserve, to_operator, to_issuer] = terms.breakage.split(value);
                for (account, amount) in [
                    (MoneyAccount::Pool, -i128::from(value.0)),
                    (MoneyAccount::Reserve, i128::from(reserve.0)),
                    (MoneyAccount::Position(operator), i128::from(to_operator.0)),
                    (MoneyAccount::Position(lot.issuer), i128::from(to_issuer.0)),
                ] {
                    draft.post_money(account, Purpose::Breakage, amount);
                }
            }
        }
        draft.move_lot(LotMove {
            lot: lot.id,
            issuer: lot.issuer,
            terms: lot.terms,
            points: points.negated()?,
            held: Points::ZERO,
            pending: Points::ZERO,
            expires: lot.expires,
            birth: None,
        });
        self.finish(draft)
    }

    /// Rule: partner-states
    fn check_may_issue(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner }),
            PartnerState::Restricted => Err(Rejection::PartnerRestricted { partner }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner }),
        }
    }

    fn check_may_accept(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active | PartnerState::Restricted => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner }),
        }
    }

    /// The first `points` of a member in consumption order.
    ///
    /// Rule: lots-per-entry
    fn take_in_order(&self, member: MemberId, points: Points, now: Timestamp) -> Result<Vec<Part>, Rejection> {
        let available = self.spendable(member, now);
        if points > available {
            return Err(Rejection::InsufficientPoints { asked: points.0, available: available.0 });
        }
        let mut missing = points.0;
        let mut parts = Vec::new();
        for lot in self.lots_in_order(member).filter(|lot| lot.expires > now).take(LOTS_PER_ENTRY_MAX) {
            let taken = missing.min(lot.available.0);
            missing -= taken;
            parts.push(Part {
                lot: lot.id,
                issuer: lot.issuer,
                terms: lot.terms,
                points: Points(taken),
                expires: lot.expires,
            });
            if missing == 0 {
                return Ok(parts);
            }
        }
        Err(Rejection::TooManyLots {
            asked: points.0,
            reachable: points.0 - missing,
            lots_max: i64::try_from(LOTS_PER_ENTRY_MAX).expect("a small constant"),
        })
    }

    /// What a member can spend at a time: what is available and has not expired, whether or not its expiry is posted.
    pub fn spendable(&self, member: MemberId, now: Timestamp) -> Points {
        let expired = self.lots_in_order(member).take_while(|lot| lot.expires <= now);
        let expired: i64 = expired.map(|lot| lot.available.0).sum();
        let available = self.members.get(&member).map_or(0, |member| member.available());
        Points(i64::try_from(available).expect("checked when it was posted") - expired)
    }

    fn funding(&self, part: &Part) -> Funding {
        self.house.lot_terms(part.issuer, part.terms).funding
    }

    /// The entry by which `acceptor` takes the last `points` of `parts`, or gives them back. Everything is posted at
    /// the figures in `facts` and the terms of the lots, so that a return is the exact opposite of what it returns.
    /// `parts` are what the redemption holds with the points in question: a return shortens them, a taking made them
    /// this long.
    ///
    /// Rule: redemption-money
    #[expect(clippy::too_many_arguments, reason = "the one place that knows the money of a redemption")]
    fn redemption_entry(
        &self,
        mut draft: EntryDraft,
        acceptor: PartnerId,
        member: MemberId,
        facts: &RedemptionFacts,
        parts: &[Part],
        points: Points,
        direction: &Direction,
    ) -> Result<Entry, Rejection> {
        let operator = PartnerId::operator();
        let sign = direction.sign();
        let kept = first_points(parts, parts.iter().map(|part| part.points.0).sum::<i64>() - points.0);
        let mut moved = moved_parts(parts, &kept);
        if matches!(direction, Direction::GiveBack { .. }) {
            moved.reverse();
        }
        for part in &moved {
            let terms = self.house.lot_terms(part.issuer, part.terms);
            let taken = Points(part.points.0 * sign);
            draft.post_points(PointsAccount::Member(member), -i128::from(taken.0));
            draft.post_points(PointsAccount::Issuer(part.issuer), i128::from(taken.0));
            post_part_money(&mut draft, acceptor, part.issuer, terms, facts.reimbursement, taken)?;
            let expires = direction.expiry_after(part.expires, i64::from(self.house.coalition.grace_days));
            draft.move_lot(LotMove {
                lot: part.lot,
                issuer: part.issuer,
                terms: part.terms,
                points: taken.negated()?,
                held: Points::ZERO,
                pending: Points::ZERO,
                expires,
                birth: None,
            });
        }
        let mut fees = self.fee_shares(acceptor, facts, parts)?;
        for (bearer, fee) in self.fee_shares(acceptor, facts, &kept)? {
            *fees.entry(bearer).or_default() -= fee;
        }
        for (bearer, fee) in &fees {
            let fee = i128::from(fee * sign);
            draft.post_money(MoneyAccount::Position(*bearer), Purpose::Fee, -fee);
            draft.post_money(MoneyAccount::Position(operator), Purpose::Fee, fee);
        }
        let fee = Money(fees.values().sum::<i64>() * sign);
        let points = Points(points.0 * sign);
        self.finish(draft.with_redemption(RedemptionFacts { points, fee, ..facts.clone() }))
    }

    /// The fee on a redemption of `parts`, by who bears it.
    ///
    /// Rule: acceptance-fee
    fn fee_shares(
        &self,
        acceptor: PartnerId,
        facts: &RedemptionFacts,
        parts: &[Part],
    ) -> Result<BTreeMap<PartnerId, i64>, Rejection> {
        let mut bearing: BTreeMap<PartnerId, Points> = BTreeMap::new();
        for part in parts.iter().filter(|part| part.issuer != acceptor) {
            let bears = match facts.fee_bearer {
                FeeBearer::Acceptor => true,
                FeeBearer::Issuer => self.funding(part) == Funding::AtRedemption,
            };
            if bears {
                let sum = bearing.entry(part.issuer).or_default();
                *sum = sum.plus(part.points)?;
            }
        }
        let points = bearing.values().try_fold(Points::ZERO, |sum, points| sum.plus(*points))?;
        let fee = facts.fee_rate.of_half_up(points.times(facts.reimbursement)?);
        Ok(match facts.fee_bearer {
            _ if fee.is_zero() => BTreeMap::new(),
            FeeBearer::Acceptor => BTreeMap::from([(acceptor, fee.0)]),
            FeeBearer::Issuer => {
                let weights: Vec<i64> = bearing.values().map(|points| points.0).collect();
                bearing.into_keys().zip(largest_remainder(fee.0, &weights)).collect()
            }
        })
    }

    /// What of a redemption is not returned.
    fn left_of(&self, id: EntryId, redemption: &Entry) -> Points {
        let taken = redemption.redemption().map_or(0, |facts| facts.points.0);
        Points(taken - self.returned.get(&id).copied().unwrap_or_default().0)
    }

    /// The parts of a redemption, in consumption order.
    fn parts_of(&self, redemption: &Entry) -> Vec<Part> {
        let part = |moved: &LotMove| Part {
            lot: moved.lot,
            issuer: moved.issuer,
            terms: moved.terms,
            points: Points(-moved.points.0),
            expires: self.lots.get(&moved.lot).map_or(moved.expires, |lot| lot.expires),
        };
        redemption.lots.iter().map(part).collect()
    }

    /// Gives `points` of a redemption back into the lots they came from, in reverse order of consumption.
    ///
    /// Rule: give-back
    fn give_back(
        &mut self,
        draft: EntryDraft,
        id: EntryId,
        redemption: &Entry,
        points: Points,
        now: Timestamp,
    ) -> Result<Accepted, Rejection> {
        let member = redemption.member.expect("a redemption is of a member");
        let facts = redemption.redemption().cloned().expect("a redemption has its facts");
        let left = first_points(&self.parts_of(redemption), self.left_of(id, redemption).0);
        let draft = draft.of_member(member).linked_to(id);
        let direction = Direction::GiveBack { now };
        let entry = self.redemption_entry(draft, redemption.partner, member, &facts, &left, points, &direction)?;
        let mut entries = vec![self.post(entry)];
        // Without a grace period points that come back after their expiry expire at once.
        entries.extend(self.run_due(member, now));
        let left = self.left_of(id, redemption);
        Ok(self.member_reply(member, entries, left))
    }

    /// The exact opposite of an issue, possible while all its points are there.
    ///
    /// Rule: undo-issue
    fn undo_issue(&mut self, draft: EntryDraft, id: EntryId, issue: &Entry) -> Result<Vec<EntryId>, Rejection> {
        let member = issue.member.expect("an issue is of a member");
        let mut draft = draft.of_member(member).linked_to(id);
        for moved in &issue.lots {
            let left = self.lots.get(&moved.lot).map_or(Points::ZERO, |lot| lot.available);
            if left < moved.points {
                return Err(Rejection::ReversalShortfall { asked: moved.points.0, left: left.0 });
            }
            let points = moved.points.negated()?;
            draft.move_lot(LotMove { points, birth: None, ..moved.clone() });
        }
        post_opposite(&mut draft, issue);
        let entry = self.finish(draft)?;
        Ok(vec![self.post(entry)])
    }

    /// Takes again what a return gave back: the redemption holds as much of its parts as before that return.
    ///
    /// Rule: undo-return
    fn undo_return(&mut self, draft: EntryDraft, returning: &Entry) -> Result<Vec<EntryId>, Rejection> {
        let redemption = returning.link.expect("a return refers to a redemption");
        let target = self.entries.get(&redemption).cloned();
        let target = target.ok_or_else(|| Rejection::not_found("redemption", redemption))?;
        let member = target.member.expect("a redemption is of a member");
        let facts = target.redemption().cloned().expect("a redemption has its facts");
        let points = Points(-returning.redemption().map_or(0, |facts| facts.points.0));
        let key = target.request_id.map(|request| (target.partner, request));
        let redeemed = key.and_then(|key| self.requests.get(&key));
        if redeemed.is_some_and(|redeemed| redeemed.state == RecordedState::Abandoned) {
            // Undoing the redemption has given back all of it; taking a part again would give it an effect after all.
            return Ok(Vec::new());
        }
        let left = self.left_of(redemption, &target);
        let parts = first_points(&self.parts_of(&target), left.plus(points)?.0);
        let kept = first_points(&parts, left.0);
        for part in moved_parts(&parts, &kept) {
            let available = self.lots.get(&part.lot).map_or(Points::ZERO, |lot| lot.available);
            if available < part.points {
                return Err(Rejection::InsufficientPoints { asked: part.points.0, available: available.0 });
            }
        }
        let draft = draft.of_member(member).linked_to(redemption);
        let entry = self.redemption_entry(draft, target.partner, member, &facts, &parts, points, &Direction::Take)?;
        Ok(vec![self.post(entry)])
    }

    fn member_reply(&self, member: MemberId, entries: Vec<EntryId>, returnable: Points) -> Accepted {
        let available = self.members.get(&member).map_or(0, |member| member.available());
        let available = Points(i64::try_from(available).expect("checked when it was posted"));
        // Due work has run, so nothing that has expired is left.
        let next_expiry = self.next_expiry(member, Timestamp(i64::MIN));
        Accepted { entries, reply: Reply::Member(MemberReply { member, available, returnable, next_expiry }) }
    }

    /// When the next of a member's points expire after a time, and how many.
    pub fn next_expiry(&self, member: MemberId, now: Timestamp) -> Option<(Timestamp, Points)> {
        let mut ahead = self.lots_in_order(member).skip_while(|lot| lot.expires <= now).peekable();
        let expires = ahead.peek().map(|lot| lot.expires).filter(|expires| *expires < Timestamp::NEVER)?;
        let points = ahead.take_while(|lot| lot.expires == expires);
        Some((expires, Points(points.map(|lot| lot.available.0).sum())))
    }
}

/// Whether a redemption takes points or gives them back.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Take,
    GiveBack { now: Timestamp },
}

impl Direction {
    fn sign(self) -> i64 {
        match self {
            Self::Take => 1,
            Self::GiveBack { .. } => -1,
        }
    }

    /// A lot that has expired lives on for the grace period when points come back into it.
    ///
    /// Rule: grace
    fn expiry_after(self, expires: Timestamp, grace_days: i64) -> Timestamp {
        match self {
            Self::GiveBack { now } if expires <= now => now.plus_days(grace_days),
            Self::GiveBack { .. } | Self::Take => expires,
        }
    }
}

/// The money of an issue: nothing under R; under P the issuer pays p, v of it backs the points.
///
/// Rule: issue-money
fn post_issue_money(draft: &mut EntryDraft, issuer: PartnerId, terms: &Terms, points: Points) -> Result<(), Overflow> {
    match terms.funding {
        Funding::AtRedemption => {}
        Funding::AtIssue => {
            let backing = i128::from(points.times(terms.value)?.0);
            let spread = i128::from(points.times(terms.price.minus(terms.value)?)?.0);
            draft.post_money(MoneyAccount::Position(issuer), Purpose::Reward, -backing);
            draft.post_money(MoneyAccount::Pool, Purpose::Reward, backing);
            draft.post_money(MoneyAccount::Position(issuer), Purpose::Spread, -spread);
            draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, spread);
        }
    }
    Ok(())
}

/// The money of one part of a redemption, `taken` below zero for points that come back: r to the acceptor, from the
/// issuer under R and from the pool under P; what lies between goes to the operator. A partner's own points at its own
/// till move no money under R.
///
/// Rule: part-money
fn post_part_money(
    draft: &mut EntryDraft,
    acceptor: PartnerId,
    issuer: PartnerId,
    terms: &Terms,
    reimbursement: Money,
    taken: Points,
) -> Result<(), Overflow> {
    let (payer, paid) = match terms.funding {
        Funding::AtRedemption if issuer == acceptor => return Ok(()),
        Funding::AtRedemption => (MoneyAccount::Position(issuer), terms.price),
        Funding::AtIssue => (MoneyAccount::Pool, terms.value),
    };
    let reward = i128::from(taken.times(reimbursement)?.0);
    let spread = i128::from(taken.times(paid.minus(reimbursement)?)?.0);
    draft.post_money(payer, Purpose::Reward, -reward);
    draft.post_money(MoneyAccount::Position(acceptor), Purpose::Reward, reward);
    draft.post_money(payer, Purpose::Spread, -spread);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, spread);
    Ok(())
}

/// Every posting of an entry with the other sign.
fn post_opposite(draft: &mut EntryDraft, entry: &Entry) {
    for posting in &entry.points {
        draft.post_points(posting.account, -i128::from(posting.points.0));
    }
    for posting in &entry.money {
        draft.post_money(posting.account, posting.purpose, -i128::from(posting.amount.0));
    }
}

/// The first `points` of parts in consumption order.
fn first_points(parts: &[Part], points: i64) -> Vec<Part> {
    let mut missing = points;
    let mut first = Vec::with_capacity(parts.len());
    for part in parts {
        let taken = missing.min(part.points.0);
        missing -= taken;
        if taken > 0 {
            first.push(Part { points: Points(taken), ..part.clone() });
        }
    }
    first
}

/// What `parts` hold beyond `kept`, which are their beginning.
fn moved_parts(parts: &[Part], kept: &[Part]) -> Vec<Part> {
    let beyond = parts.iter().enumerate().map(|(at, part)| {
        let kept = kept.get(at).map_or(0, |part| part.points.0);
        Part { points: Points(part.points.0 - kept), ..part.clone() }
    });
    beyond.filter(|part| part.points.0 > 0).collect()
}

fn abandoned(outcome: Abandoned, entries: Vec<EntryId>) -> Accepted {
    Accepted { entries, reply: Reply::Abandoned(outcome) }
}
