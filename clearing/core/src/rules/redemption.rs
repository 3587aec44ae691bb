//! Points taken as payment, and given back.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::coalition::House;
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::lot::{LotMove, Part};
use crate::facts::member::MemberRef;
use crate::facts::terms::{FeeBearer, Funding, Terms};
use crate::facts::{Fact, RedemptionFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::check_points;
use crate::rules::consumption::{Walk, first_points, moved_parts, total_of};
use crate::units::{EntryId, MemberId, Money, Overflow, PartnerId, Points, Timestamp, largest_remainder};

/// Redeems points of a member at the caller.
///
/// Rule: redemption
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
        book.find_member(self.member).map(Admitted::spender)
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
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnRedemption {
    #[serde(rename = "redemption_entry_id")]
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
    /// The entry by which the caller takes points of a member whose due work has run.
    pub(crate) fn redeem_entry(&self, ask: &Ask<'_>, member: MemberId, points: Points) -> Result<Entry, Rejection> {
        self.check_receipt(ask, EntryKind::Redeem)?;
        self.check_redeem_limit(ask.caller, member, points, ask.now)?;
        self.check_receipt_share(ask, points)?;
        self.check_cooling(ask, member)?;
        let facts = self.redemption_facts(ask.caller, points, ask.now)?;
        let Walk { parts, passed_over, .. } = self.take_in_order(ask.caller, member, points, ask.now, &facts)?;
        self.check_foreign_limit(ask.caller, &parts, ask.now)?;
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
            terms: terms.version,
            reimbursement: terms.reimbursement,
            fee_rate: terms.acceptance_fee,
            fee_bearer: terms.fee_bearer,
            fee: Money::ZERO,
        })
    }

    /// A redemption of the caller's.
    pub(crate) fn own_redemption(&self, caller: PartnerId, id: EntryId) -> Result<Arc<Entry>, Rejection> {
        let entry = self.entries.get(&id).filter(|entry| entry.kind.is_redemption() && entry.partner == caller);
        entry.cloned().ok_or_else(|| Rejection::not_found("redemption", id))
    }

    pub(crate) fn funding(&self, part: &Part) -> Funding {
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
    pub(crate) fn fee_shares(
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
