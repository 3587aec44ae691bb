//! Commands on points: issue, redemption, quote, return.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::{Book, LOTS_PER_ENTRY_MAX, check_range};
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::command::{Earn, MemberRef, MemberReply, check_points};
use crate::facts::{Fact, RedemptionFacts};
use crate::journal::{Entry, EntryDraft, EntryKind, LotBirth, LotMove};
use crate::member::{Lot, LotId, Member};
use crate::operation::{Admitted, Ask, Decision, Footprint, OfMember, Operation};
use crate::rejection::Rejection;
use crate::terms::{FeeBearer, Funding, House, PartnerState, Terms};
use crate::units::{EntryId, Malformed, MemberId, Money, Overflow, PartnerId, Points, Timestamp, largest_remainder};

/// A part of a redemption: points of one lot, in consumption order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub lot: LotId,
    pub issuer: PartnerId,
    pub terms: u32,
    pub points: Points,
    /// As its lot has it.
    pub expires: Timestamp,
}

impl Part {
    pub(crate) fn of_lot(lot: &Lot, points: Points) -> Self {
        Self { lot: lot.id, issuer: lot.issuer, terms: lot.terms, points, expires: lot.expires }
    }

    /// A change of the available points of the part's lot.
    pub(crate) fn moved(&self, points: Points) -> LotMove {
        LotMove {
            lot: self.lot,
            issuer: self.issuer,
            terms: self.terms,
            points,
            held: Points::ZERO,
            pending: Points::ZERO,
            expires: self.expires,
            birth: None,
        }
    }
}

/// What can be taken of a member's points.
pub(crate) struct Walk {
    pub parts: Vec<Part>,
    pub missing: Points,
    /// The issuers of lots of which headroom allowed less than would have been taken.
    pub passed_over: BTreeSet<PartnerId>,
    /// Whether the most lots that an entry takes are taken.
    pub full: bool,
}

/// What a redemption would take and cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub parts: Vec<Part>,
    /// The issuers whose lots it would pass over for want of headroom.
    pub passed_over: BTreeSet<PartnerId>,
    pub fee: Money,
    /// What the acceptor gets for the parts, before a fee that it bears.
    pub reimbursement: Money,
    pub fee_bearer: FeeBearer,
}

/// Issues points to a member: of the caller as one lot, or of several funders as a lot each.
///
/// Rule: issue
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IssuePoints {
    pub member: MemberRef,
    pub earn: Earn,
}

impl Operation for IssuePoints {
    const NAME: &'static str = "IssuePoints";

    fn check(&self) -> Result<(), Rejection> {
        self.earn.check("")
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.enrols(self.member);
        needs.books(ask);
        needs.funders(ask.caller, &self.earn.funders);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.check_times_of(ask, &self.earn)?;
        book.check_may_fund(ask.caller, &self.earn.funders)?;
        Admitted::or_fresh(book, self.member, ask.fresh_member)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let member = who.member();
        let entry = book.issue_entry(ask, member, &self.earn, None)?;
        Ok(Decision::of_member(member, vec![entry]).settling(member))
    }
}

/// Redeems points of a member at the caller.
///
/// Rule: redemption
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RedeemPoints {
    pub member: MemberRef,
    pub points: Points,
}

impl Operation for RedeemPoints {
    const NAME: &'static str = "RedeemPoints";

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.takes(self.member, self.points);
        needs.books(ask);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.check_may_accept(ask.caller)?;
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let member = who.member();
        let entry = book.redeem_entry(ask, member, self.points)?;
        Ok(Decision::of_member(member, vec![entry]).with(|figures| figures.returnable = self.points))
    }
}

/// Returns points of what is left of a redemption of the caller's.
///
/// Rule: return
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReturnRedemption {
    pub redemption: EntryId,
    pub points: Points,
}

impl Operation for ReturnRedemption {
    const NAME: &'static str = "ReturnRedemption";

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.gives_back(self.redemption);
        needs.redemptions.insert(self.redemption);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        let target = book.own_redemption(ask.caller, self.redemption)?;
        Ok(Admitted::of(target.member.expect("a redemption is of a member")))
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let target = book.own_redemption(ask.caller, self.redemption)?;
        let left = book.left_of(self.redemption, &target);
        if self.points > left {
            return Err(Rejection::ReturnExceedsRedemption { asked: self.points.0, left: left.0 });
        }
        let draft = book.draft(EntryKind::Return, ask);
        let entry = book.give_back_entry(draft, self.redemption, &target, self.points, ask.now)?;
        // Without a grace period points that come back after their expiry expire at once.
        let decision = Decision::of_member(who.member(), vec![entry]).settling(who.member());
        let left = left.minus(self.points)?;
        Ok(decision.with(|figures| figures.returnable = left))
    }
}

impl Book {
    pub(crate) fn check_times_of(&self, ask: &Ask<'_>, earn: &Earn) -> Result<(), Rejection> {
        match earn.expires {
            Some(expires) => check_range("expire_time", expires, Timestamp(ask.now.0 + 1), Timestamp::LAST),
            None => Ok(()),
        }
    }

    /// The entry of an issue to a member whose due work has run. `prior` is the entry posted before it, if there is one.
    pub(crate) fn issue_entry(
        &self,
        ask: &Ask<'_>,
        member: MemberId,
        earn: &Earn,
        prior: Option<&Entry>,
    ) -> Result<Entry, Rejection> {
        self.check_receipt(ask, EntryKind::Issue)?;
        let shares = joint_shares(ask.caller, earn);
        for (issuer, points) in &shares {
            self.check_consent(ask.caller, *issuer, *points)?;
        }
        for (issuer, points) in &shares {
            self.check_issue_limits(*issuer, member, *points, ask.now, prior)?;
        }
        for (issuer, points) in &shares {
            let terms = self.house.partner(*issuer)?.terms_at(ask.now);
            self.check_issue_cap(*issuer, terms, *points, prior)?;
        }
        let draft = self.draft(EntryKind::Issue, ask).of_member(member);
        self.issue_lots(draft, ask, member, &shares, earn, 1 + i64::from(prior.is_some()))
    }

    /// Completes the entry that makes a lot for each share. `ahead`: which of the member's entries from now on it is.
    pub(crate) fn issue_lots(
        &self,
        mut draft: EntryDraft,
        ask: &Ask<'_>,
        member: MemberId,
        shares: &[(PartnerId, Points)],
        earn: &Earn,
        ahead: i64,
    ) -> Result<Entry, Rejection> {
        let entry_no = self.members.get(&member).map_or(0, |member| member.entry_no) + ahead;
        let activates = earn.activates.filter(|time| *time > ask.now);
        for (place, (issuer, points)) in (0_u16..).zip(shares) {
            let terms = self.house.partner(*issuer)?.terms_at(ask.now);
            let zone = &self.house.coalition.time_zone;
            let expires = earn.expires.unwrap_or_else(|| terms.expiry.expires(ask.now, zone));
            let waits = activates.is_some() || terms.funding == Funding::OnPayment;
            let account = if waits { PointsAccount::Pending(member) } else { PointsAccount::Member(member) };
            draft.post_points(account, i128::from(points.0));
            draft.post_points(PointsAccount::Issuer(*issuer), -i128::from(points.0));
            post_issue_money(&mut draft, *issuer, terms, *points, terms.funding == Funding::OnPayment, 1)?;
            let (available, pending) = if waits { (Points::ZERO, *points) } else { (*points, Points::ZERO) };
            draft.move_lot(LotMove {
                lot: LotId { member, entry_no, part: place },
                issuer: *issuer,
                terms: terms.version,
                points: available,
                held: Points::ZERO,
                pending,
                expires,
                birth: Some(LotBirth { origin: None, activates }),
            });
        }
        self.finish(draft)
    }

    /// The entry by which the caller takes points of a member whose due work has run.
    pub(crate) fn redeem_entry(&self, ask: &Ask<'_>, member: MemberId, points: Points) -> Result<Entry, Rejection> {
        self.check_receipt(ask, EntryKind::Redeem)?;
        self.check_receipt_share(ask, points)?;
        self.check_cooling(ask, member)?;
        let facts = self.redemption_facts(ask.caller, points, ask.now)?;
        let Walk { parts, passed_over, .. } = self.take_in_order(ask.caller, member, points, ask.now, &facts)?;
        let draft = self.draft(EntryKind::Redeem, ask).of_member(member);
        let draft = draft.passing_over(passed_over);
        self.redemption_entry(draft, ask.caller, member, &facts, (&parts, &[]), &Direction::Take)
    }

    /// What a redemption at an acceptor is made at now.
    pub(crate) fn redemption_facts(
        &self,
        acceptor: PartnerId,
        points: Points,
        now: Timestamp,
    ) -> Result<RedemptionFacts, Rejection> {
        let terms = self.house.partner(acceptor)?.terms_at(now);
        Ok(RedemptionFacts {
            points,
            reimbursement: terms.reimbursement,
            fee_rate: terms.acceptance_fee,
            fee_bearer: terms.fee_bearer,
            fee: Money::ZERO,
        })
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
        let facts = self.redemption_facts(acceptor, points, now)?;
        let Walk { parts, passed_over, .. } = self.take_in_order(acceptor, id, points, now, &facts)?;
        let fee = Money(self.fee_shares(acceptor, &facts, &parts)?.values().sum());
        let mut reimbursed = Points::ZERO;
        for part in &parts {
            let free = part.issuer == acceptor && self.funding(part) == Funding::AtRedemption;
            reimbursed = if free { reimbursed } else { reimbursed.plus(part.points)? };
        }
        let reimbursement = reimbursed.times(facts.reimbursement)?;
        Ok(Quote { parts, passed_over, fee, reimbursement, fee_bearer: facts.fee_bearer })
    }

    /// A redemption of the caller's.
    pub(crate) fn own_redemption(&self, caller: PartnerId, id: EntryId) -> Result<Arc<Entry>, Rejection> {
        let entry = self.entries.get(&id).filter(|entry| entry.kind.is_redemption() && entry.partner == caller);
        entry.cloned().ok_or_else(|| Rejection::not_found("redemption", id))
    }

    /// Rule: partner-states
    pub(crate) fn check_may_issue(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner, oldest_window: None }),
            PartnerState::Restricted => Err(Rejection::PartnerRestricted { partner }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner, oldest_window: None }),
        }
    }

    /// Who issues may do so: the caller, or all its funders, and the caller may ask for it.
    pub(crate) fn check_may_fund(&self, caller: PartnerId, funders: &[(PartnerId, u32)]) -> Result<(), Rejection> {
        // In what state a partner is, and whether there is one, is told to those alone whom it lets issue at its cost.
        let consenting = funders.iter().map(|(funder, _)| *funder).filter(|funder| self.lets_issue(caller, *funder));
        let asked = consenting.chain([caller]);
        // Of several reasons the first in the published order.
        let refused = asked.filter_map(|partner| self.check_may_issue(partner).err());
        refused.min_by_key(Rejection::rank).map_or(Ok(()), Err)
    }

    pub(crate) fn check_may_accept(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active | PartnerState::Restricted => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner, oldest_window: None }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner, oldest_window: None }),
        }
    }

    /// Who is suspended, or has left, reverses no issue of a window before that in which it was.
    ///
    /// Rule: suspended-reversals
    pub(crate) fn check_may_reverse(&self, caller: PartnerId, issue: &Entry) -> Result<(), Rejection> {
        let known = self.house.partner(caller)?;
        let Some(oldest) = known.suspended_in.filter(|oldest| issue.window < *oldest) else { return Ok(()) };
        let (partner, oldest_window) = (caller.to_string(), Some(oldest));
        Err(match known.state {
            PartnerState::Exited => Rejection::PartnerExited { partner, oldest_window },
            PartnerState::Active | PartnerState::Restricted | PartnerState::Suspended => {
                Rejection::PartnerSuspended { partner, oldest_window }
            }
        })
    }

    /// The first `points` of a member in consumption order that its issuers' headroom allows `acceptor` to take.
    ///
    /// Rule: lots-per-entry
    pub(crate) fn take_in_order(
        &self,
        acceptor: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
        facts: &RedemptionFacts,
    ) -> Result<Walk, Rejection> {
        let available = self.available_at(acceptor, member, now);
        if points > available {
            return Err(Rejection::InsufficientPoints { asked: points.0, available: available.0 });
        }
        let walk = self.walk(acceptor, member, points, now, facts, None)?;
        let reachable = points.0 - walk.missing.0;
        match walk.missing.0 {
            0 => Ok(walk),
            _ if walk.full => Err(Rejection::too_many_lots(points, reachable)),
            _ => {
                Err(Rejection::NetDebitCap { asked: points.0, reachable, partner: None, needed: None, headroom: None })
            }
        }
    }

    /// Goes through a member's lots in consumption order, of all issuers or of one, and takes what headroom allows.
    ///
    /// Rule: passing-over
    pub(crate) fn walk(
        &self,
        acceptor: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
        facts: &RedemptionFacts,
        only: Option<PartnerId>,
    ) -> Result<Walk, Rejection> {
        let mut walk = Walk { parts: Vec::new(), missing: points, passed_over: BTreeSet::new(), full: false };
        let mut headroom: BTreeMap<PartnerId, Option<i128>> = BTreeMap::new();
        for (expires, lot) in self.lots_in_order(member) {
            if walk.missing.is_zero() {
                break;
            }
            if expires <= now || only.is_some_and(|issuer| issuer != lot.issuer) {
                continue;
            }
            let mut taken = walk.missing.0.min(lot.available.0);
            let cost = i128::from(self.cost_in_walk(acceptor, lot, facts)?.0);
            if cost > 0
                && let Some(room) = headroom.entry(lot.issuer).or_insert_with(|| self.headroom(lot.issuer))
            {
                let wanted = taken;
                taken = taken.min(i64::try_from((*room / cost).max(0)).unwrap_or(i64::MAX));
                *room -= i128::from(taken) * cost;
                if taken < wanted {
                    walk.passed_over.insert(lot.issuer);
                }
            }
            if taken == 0 {
                continue;
            }
            if walk.parts.len() == LOTS_PER_ENTRY_MAX {
                walk.full = true;
                break;
            }
            walk.missing = Points(walk.missing.0 - taken);
            walk.parts.push(Part::of_lot(lot, Points(taken)));
        }
        Ok(walk)
    }

    fn funding(&self, part: &Part) -> Funding {
        self.house.lot_terms(part.issuer, part.terms).funding
    }

    /// The entry by which `acceptor` takes points, or gives them back. Everything is posted at the figures in `facts` and
    /// the terms of the lots, so that a return is the exact opposite of what it returns. `parts` are what the redemption
    /// holds with the points in question, and what it holds without them: a return goes from the first to the second, a
    /// taking the other way.
    ///
    /// Rule: redemption-money
    pub(crate) fn redemption_entry(
        &self,
        mut draft: EntryDraft,
        acceptor: PartnerId,
        member: MemberId,
        facts: &RedemptionFacts,
        (parts, kept): (&[Part], &[Part]),
        direction: &Direction,
    ) -> Result<Entry, Rejection> {
        let sign = direction.sign();
        let mut moved = moved_parts(parts, kept);
        let points = total_of(&moved);
        if matches!(direction, Direction::GiveBack { .. }) {
            moved.reverse();
        }
        for part in &moved {
            let terms = self.house.lot_terms(part.issuer, part.terms);
            let taken = Points(part.points.0 * sign);
            draft.post_points(PointsAccount::Member(member), -i128::from(taken.0));
            draft.post_points(PointsAccount::Issuer(part.issuer), i128::from(taken.0));
            post_part_money(&mut draft, acceptor, part.issuer, terms, facts.reimbursement, taken)?;
            let lot = self.lots.get(&part.lot).expect("the lots of a redemption are in the book");
            let expires = direction.expiry_after(part.expires, self.expiry_of(lot), &self.house);
            draft.move_lot(LotMove { expires, ..part.moved(taken.negated()?) });
        }
        let fee = self.post_fees(&mut draft, acceptor, facts, parts, kept, sign)?;
        let points = Points(points.0 * sign);
        self.finish(draft.with(Fact::Redemption(RedemptionFacts { points, fee, ..facts.clone() })))
    }

    /// Posts what `acceptor` gets for parts that it takes.
    pub(crate) fn post_redemption_money(
        &self,
        draft: &mut EntryDraft,
        acceptor: PartnerId,
        facts: &RedemptionFacts,
        parts: &[Part],
    ) -> Result<(), Overflow> {
        parts.iter().try_for_each(|part| {
            let terms = self.house.lot_terms(part.issuer, part.terms);
            post_part_money(draft, acceptor, part.issuer, terms, facts.reimbursement, part.points)
        })
    }

    /// Posts the fee by which `parts` cost more than `kept`, times `sign`, and gives it.
    pub(crate) fn post_fees(
        &self,
        draft: &mut EntryDraft,
        acceptor: PartnerId,
        facts: &RedemptionFacts,
        parts: &[Part],
        kept: &[Part],
        sign: i64,
    ) -> Result<Money, Rejection> {
        let mut fees = self.fee_shares(acceptor, facts, parts)?;
        for (bearer, fee) in self.fee_shares(acceptor, facts, kept)? {
            *fees.entry(bearer).or_default() -= fee;
        }
        for (bearer, fee) in &fees {
            let fee = i128::from(fee * sign);
            draft.post_money(MoneyAccount::Position(*bearer), Purpose::Fee, -fee);
            draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Fee, fee);
        }
        Ok(Money(fees.values().sum::<i64>() * sign))
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
    pub(crate) fn left_of(&self, id: EntryId, redemption: &Entry) -> Points {
        let taken = redemption.redemption().map_or(0, |facts| facts.points.0);
        Points(taken - self.returned.get(&id).map_or(0, |returned| returned.points().0))
    }

    /// The parts of a redemption that are not returned, in consumption order.
    pub(crate) fn parts_left(&self, id: EntryId, redemption: &Entry) -> Vec<Part> {
        let mut parts = self.parts_of(redemption);
        if let Some(returned) = self.returned.get(&id) {
            for part in &mut parts {
                part.points = Points(part.points.0 - returned.of(part.lot).0);
            }
            parts.retain(|part| part.points.0 > 0);
        }
        parts
    }

    /// The parts of a redemption, in consumption order.
    pub(crate) fn parts_of(&self, redemption: &Entry) -> Vec<Part> {
        let part = |moved: &LotMove| Part {
            lot: moved.lot,
            issuer: moved.issuer,
            terms: moved.terms,
            points: Points(-moved.net().unwrap_or_default().0),
            expires: self.lots.get(&moved.lot).map_or(moved.expires, |lot| lot.expires),
        };
        redemption.lots.iter().map(part).filter(|part| part.points.0 > 0).collect()
    }

    /// The entry that gives `points` of a redemption back into the lots they came from, in reverse order of consumption.
    ///
    /// Rule: give-back
    pub(crate) fn give_back_entry(
        &self,
        draft: EntryDraft,
        id: EntryId,
        redemption: &Entry,
        points: Points,
        now: Timestamp,
    ) -> Result<Entry, Rejection> {
        let member = redemption.member.expect("a redemption is of a member");
        let facts = redemption.redemption().cloned().expect("a redemption has its facts");
        let left = self.parts_left(id, redemption);
        let kept = first_points(&left, total_of(&left).0 - points.0);
        let draft = draft.of_member(member).linked_to(id);
        let direction = Direction::GiveBack { now };
        self.redemption_entry(draft, redemption.partner, member, &facts, (&left, &kept), &direction)
    }

    /// The figures of an answer on a member.
    pub(crate) fn member_reply(&self, ask: &Ask<'_>, figures: &OfMember) -> MemberReply {
        let OfMember { member, returnable, reversed, names_due: _ } = *figures;
        let known = self.members.get(&member);
        let tells_all = self.tells_all(ask.caller);
        let available = || i64::try_from(known.map_or(0, Member::available)).expect("checked when it was posted");
        let available = if tells_all { Points(available()) } else { self.told_available(ask.caller, member, ask.now) };
        MemberReply {
            member,
            available,
            held: known.map_or(Points::ZERO, Member::held),
            pending: known.map_or(Points::ZERO, Member::pending),
            owed: known.map_or(Points::ZERO, Member::owed),
            returnable,
            reversed,
            // Due work has run, so nothing that has expired is left.
            next_expiry: self.next_expiry(member, Timestamp(i64::MIN)).filter(|_| tells_all),
        }
    }

    /// When the next of a member's points expire after a time, and how many.
    pub fn next_expiry(&self, member: MemberId, now: Timestamp) -> Option<(Timestamp, Points)> {
        let known = self.members.get(&member);
        // What the member's row tells of both kinds of expiry, no lot need be read for.
        let summed = known.and_then(|known| known.expiring.iter().find(|(expires, _)| **expires > now));
        let (first, own) = summed.map(|(expires, points)| (*expires, *points)).unwrap_or_else(|| {
            let own = self.lots_in_order(member).filter(|(expires, lot)| *expires > now && *expires == lot.expires);
            let mut own = own.peekable();
            let first = own.peek().map_or(Timestamp::NEVER, |(expires, _)| *expires);
            let points = own.take_while(|(expires, _)| *expires == first).map(|(_, lot)| lot.available.0).sum();
            (first, Points(points))
        });
        let zone = &self.house.coalition.time_zone;
        let inactive = known.iter().flat_map(|known| {
            let going_on = known.record.inactive.iter().filter(|(_, lots)| lots.points.0 > 0);
            going_on.map(|(days, lots)| (known.inactive_at(*days, zone), lots.points.0))
        });
        let inactive: Vec<(Timestamp, i64)> = inactive.filter(|(expires, _)| *expires > now).collect();
        let next = inactive.iter().map(|(expires, _)| *expires).fold(first, Timestamp::min);
        if next == Timestamp::NEVER {
            return None;
        }
        let own = if first == next { own.0 } else { 0 };
        let inactive: i64 = inactive.iter().filter(|(expires, _)| *expires == next).map(|(_, points)| points).sum();
        Some((next, Points(own + inactive)))
    }
}

/// Whether a redemption takes points or gives them back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
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
    fn expiry_after(self, stored: Timestamp, expires: Timestamp, house: &House) -> Timestamp {
        match self {
            Self::GiveBack { now } if expires <= now => house.coalition.days_after(house.coalition.grace_days, now),
            Self::GiveBack { .. } | Self::Take => stored,
        }
    }
}

/// The money of an issue, or with a `sign` of -1 of its reversal: nothing under R; under P the issuer pays p, v of it backs
/// the points; under F, while they wait (`unfunded`), all of it waits with them.
///
/// Rule: issue-money
pub(crate) fn post_issue_money(
    draft: &mut EntryDraft,
    issuer: PartnerId,
    terms: &Terms,
    points: Points,
    unfunded: bool,
    sign: i128,
) -> Result<(), Overflow> {
    if !terms.funding.is_prepaid() {
        return Ok(());
    }
    let backing = i128::from(points.times(terms.value)?.0) * sign;
    let spread = i128::from(points.times(terms.price.minus(terms.value)?)?.0) * sign;
    let (fund, earner) = if unfunded {
        (MoneyAccount::Unfunded, MoneyAccount::Unfunded)
    } else {
        (MoneyAccount::Pool, MoneyAccount::Position(PartnerId::operator()))
    };
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Reward, -backing);
    draft.post_money(fund, Purpose::Reward, backing);
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Spread, -spread);
    draft.post_money(earner, Purpose::Spread, spread);
    Ok(())
}

/// Who issues how many points: the caller all of them, or each funder its share by largest remainder, ties in the order
/// given. Shares of nothing are left out.
///
/// Rule: joint-issue
fn joint_shares(caller: PartnerId, earn: &Earn) -> Vec<(PartnerId, Points)> {
    if earn.funders.is_empty() {
        return vec![(caller, earn.points)];
    }
    let weights: Vec<i64> = earn.funders.iter().map(|(_, weight)| i64::from(*weight)).collect();
    let shares = largest_remainder(earn.points.0, &weights).into_iter().map(Points);
    earn.funders.iter().map(|(funder, _)| *funder).zip(shares).filter(|(_, points)| points.0 > 0).collect()
}

/// The money of one part of a redemption, `taken` below zero for points that come back: r to the acceptor, from the
/// issuer under R and from the pool under P; what lies between goes to the operator. A partner's own points at its own
/// till move no money under R.
///
/// Rule: part-money
pub(crate) fn post_part_money(
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
        Funding::AtIssue | Funding::OnPayment => (MoneyAccount::Pool, terms.value),
    };
    let reward = i128::from(taken.times(reimbursement)?.0);
    let spread = i128::from(taken.times(paid.minus(reimbursement)?)?.0);
    draft.post_money(payer, Purpose::Reward, -reward);
    draft.post_money(MoneyAccount::Position(acceptor), Purpose::Reward, reward);
    draft.post_money(payer, Purpose::Spread, -spread);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, spread);
    Ok(())
}

/// The first `points` of parts in consumption order.
pub(crate) fn first_points(parts: &[Part], points: i64) -> Vec<Part> {
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

/// What `parts` hold beyond `kept`, which are some of them, in the same order, with as many points or fewer.
pub(crate) fn moved_parts(parts: &[Part], kept: &[Part]) -> Vec<Part> {
    let mut kept = kept.iter().peekable();
    let beyond = parts.iter().map(|part| {
        let kept = kept.next_if(|kept| kept.lot == part.lot).map_or(0, |kept| kept.points.0);
        Part { points: Points(part.points.0 - kept), ..part.clone() }
    });
    beyond.filter(|part| part.points.0 > 0).collect()
}

pub(crate) fn total_of(parts: &[Part]) -> Points {
    Points(parts.iter().map(|part| part.points.0).sum())
}

/// What came back of a redemption, by lot: returns may be undone in another order than theirs, so a sum does not tell which
/// of its points are left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returned(BTreeMap<LotId, Points>);

impl Returned {
    /// All that came back.
    pub fn points(&self) -> Points {
        Points(self.0.values().map(|points| points.0).sum())
    }

    /// What came back of the part that a lot gave.
    pub fn of(&self, lot: LotId) -> Points {
        self.0.get(&lot).copied().unwrap_or_default()
    }

    pub fn lots(&self) -> impl Iterator<Item = (LotId, Points)> {
        self.0.iter().map(|(lot, points)| (*lot, *points))
    }

    /// # Errors
    /// [`Overflow`] if the sum does not fit.
    pub(crate) fn add(&mut self, lot: LotId, points: Points) -> Result<(), Overflow> {
        let sum = self.of(lot).plus(points)?;
        if sum.is_zero() {
            self.0.remove(&lot)
        } else {
            self.0.insert(lot, sum)
        };
        Ok(())
    }

    /// The stored form. All lots are of the redemption's member, who is stored beside it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lots: Vec<(i64, u16, Points)> =
            self.0.iter().map(|(lot, points)| (lot.entry_no, lot.part, *points)).collect();
        borsh::to_vec(&lots).expect("writing to memory does not fail")
    }

    /// # Errors
    /// [`Malformed`] for bytes that no release wrote.
    pub fn from_bytes(member: MemberId, bytes: &[u8]) -> Result<Self, Malformed> {
        let lots: Vec<(i64, u16, Points)> = borsh::from_slice(bytes)
            .map_err(|error| Malformed(format!("what was returned of a redemption cannot be read: {error}")))?;
        let lot = |(entry_no, part, points)| (LotId { member, entry_no, part }, points);
        Ok(Self(lots.into_iter().map(lot).collect()))
    }
}

/// What was returned so far of a purchase, of which total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReturnedAmount {
    pub amount: Money,
    /// Of the receipt, as the returns have named it.
    pub total: Money,
}
