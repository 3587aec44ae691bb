//! Points reserved for an acceptor until it captures or voids them, or until they lapse.
//!
//! A hold pins its parts: they do not expire while they are held, and nobody else can take them. Reimbursement and fee are
//! those of the moment of authorization; the money moves when the hold is captured.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::PointsAccount;
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::hold::{Hold, HoldState};
use crate::facts::lot::{LotMove, Part};
use crate::facts::member::MemberRef;
use crate::facts::{Fact, HoldFacts, RedemptionFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_points, check_range};
use crate::rules::consumption::{Walk, first_points, headroom_cost, moved_parts};
use crate::units::{EntryId, MemberId, Money, PartnerId, Points, Timestamp};

/// The longest life of a hold, in days.
pub const HOLD_DAYS_MAX: u16 = 366;

/// Reserves points of a member for the caller until they are captured, voided or lapse.
///
/// Rule: authorize
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizeRedemption {
    pub member: MemberRef,
    pub points: Points,
    #[serde(rename = "lapse_time")]
    pub lapses: Timestamp,
}

impl Operation for AuthorizeRedemption {
    const NAME: &'static str = "AuthorizeRedemption";

    fn check(&self) -> Result<(), Rejection> {
        check_moment("lapse_time", Some(self.lapses))?;
        check_points("points", self.points)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.takes(self.member, self.points);
        needs.books(ask);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        let latest = book.house.coalition.days_after(HOLD_DAYS_MAX, ask.now);
        check_range("lapse_time", self.lapses, Timestamp(ask.now.0 + 1), latest)?;
        book.check_may_accept(ask.caller)?;
        book.find_member(self.member).map(Admitted::spender)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let (id, points, lapses) = (who.member(), self.points, self.lapses);
        book.check_receipt(ask, EntryKind::Authorize)?;
        book.check_redeem_limit(ask.caller, id, points, ask.now)?;
        book.check_receipt_share(ask, points)?;
        book.check_cooling(ask, id)?;
        let facts = book.redemption_facts(ask.caller, points, ask.now)?;
        let Walk { parts, passed_over, .. } = book.take_in_order(ask.caller, id, points, ask.now, &facts)?;
        book.check_foreign_limit(ask.caller, &parts, ask.now)?;

        let mut reserved: Vec<(PartnerId, Money)> = Vec::new();
        for part in &parts {
            let terms = book.house.lot_terms(part.issuer, part.terms);
            let cost = part.points.times(headroom_cost(ask.caller, part.issuer, terms, &facts)?)?;
            if cost.is_zero() {
                continue;
            }
            match reserved.iter_mut().find(|(issuer, _)| *issuer == part.issuer) {
                Some((_, sum)) => *sum = sum.plus(cost)?,
                None => reserved.push((part.issuer, cost)),
            }
        }
        reserved.sort_unstable();
        let RedemptionFacts { terms, reimbursement, fee_rate, fee_bearer, .. } = facts;
        let facts = HoldFacts { points, terms, reimbursement, fee_rate, fee_bearer, lapses, reserved };
        let mut draft = book.draft(EntryKind::Authorize, ask).of_member(id);
        draft.post_points(PointsAccount::Member(id), -i128::from(points.0));
        draft.post_points(PointsAccount::Held(id), i128::from(points.0));
        for part in &parts {
            draft.move_lot(LotMove { held: part.points, ..part.moved(part.points.negated()?) });
        }
        let entry = book.finish(draft.with(Fact::Hold(facts)).passing_over(passed_over))?;
        Ok(Decision::of_member(id, vec![entry]))
    }
}

/// Takes the first points of a hold of the caller's as a redemption, and releases the rest.
///
/// Rule: capture
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureHold {
    #[serde(rename = "hold_id")]
    pub hold: EntryId,
    pub points: Points,
}

impl Operation for CaptureHold {
    const NAME: &'static str = "CaptureHold";

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.gives_back(self.hold);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.own_hold(ask.caller, self.hold).map(|hold| Admitted::of(hold.member))
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let entry = book.capture_entry(ask, self.hold, self.points)?;
        let decision = Decision::of_member(who.member(), vec![entry]).settling(who.member());
        Ok(decision.with(|figures| figures.returnable = self.points))
    }
}

/// Releases a hold of the caller's.
///
/// Rule: void
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoidHold {
    #[serde(rename = "hold_id")]
    pub hold: EntryId,
}

impl Operation for VoidHold {
    const NAME: &'static str = "VoidHold";

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.gives_back(self.hold);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.own_hold(ask.caller, self.hold).map(|hold| Admitted::of(hold.member))
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        book.open_hold(ask.caller, self.hold)?;
        let entry = book.release_entry(book.draft(EntryKind::Void, ask), self.hold)?;
        Ok(Decision::of_member(who.member(), vec![entry]).settling(who.member()))
    }
}

impl Book {
    /// The entry that captures `points` of a hold, whose member's due work has run.
    pub(crate) fn capture_entry(&self, ask: &Ask<'_>, hold: EntryId, points: Points) -> Result<Entry, Rejection> {
        let hold = self.open_hold(ask.caller, hold)?;
        if points > hold.facts.points {
            return Err(Rejection::CaptureExceedsHold { asked: points.0, held: hold.facts.points.0 });
        }
        let HoldFacts { terms, reimbursement, fee_rate, fee_bearer, .. } = hold.facts.clone();
        let facts = RedemptionFacts { points, terms, reimbursement, fee_rate, fee_bearer, fee: Money::ZERO };
        let taken = first_points(&hold.parts, points.0);
        let released = moved_parts(&hold.parts, &taken);
        let mut draft = self.draft(EntryKind::Capture, ask).of_member(hold.member).linked_to(hold.id);
        draft.post_points(PointsAccount::Held(hold.member), -i128::from(hold.facts.points.0));
        for part in &taken {
            draft.post_points(PointsAccount::Issuer(part.issuer), i128::from(part.points.0));
            let back = released.iter().find(|other| other.lot == part.lot);
            let back = back.map_or(Points::ZERO, |part| part.points);
            draft.post_points(PointsAccount::Member(hold.member), i128::from(back.0));
            let held = part.points.plus(back)?.negated()?;
            draft.move_lot(LotMove { held, expires: self.kept_expiry(part), ..part.moved(back) });
        }
        for part in released.iter().filter(|part| taken.iter().all(|other| other.lot != part.lot)) {
            self.release_part(&mut draft, hold.member, part)?;
        }
        self.post_redemption_money(&mut draft, ask.caller, &facts, &taken)?;
        let fee = self.post_fees(&mut draft, ask.caller, &facts, &taken, &[], 1)?;
        self.finish(draft.with(Fact::Redemption(RedemptionFacts { fee, ..facts })))
    }

    /// The entry that gives all points of an open hold back to its member.
    pub(crate) fn release_entry(&self, draft: EntryDraft, hold: EntryId) -> Result<Entry, Rejection> {
        let hold = self.holds.get(&hold).ok_or_else(|| Rejection::not_found("hold", hold))?;
        let mut draft = draft.of_member(hold.member).linked_to(hold.id);
        draft.post_points(PointsAccount::Held(hold.member), -i128::from(hold.facts.points.0));
        for part in &hold.parts {
            self.release_part(&mut draft, hold.member, part)?;
        }
        self.finish(draft)
    }

    fn release_part(&self, draft: &mut EntryDraft, member: MemberId, part: &Part) -> Result<(), Rejection> {
        draft.post_points(PointsAccount::Member(member), i128::from(part.points.0));
        let (held, expires) = (part.points.negated()?, self.kept_expiry(part));
        draft.move_lot(LotMove { held, expires, ..part.moved(part.points) });
        Ok(())
    }

    /// The expiry of a part's lot as it stands now; it may have moved since the part was pinned.
    fn kept_expiry(&self, part: &Part) -> Timestamp {
        self.lots.get(&part.lot).map_or(part.expires, |lot| lot.expires)
    }

    fn own_hold(&self, caller: PartnerId, hold: EntryId) -> Result<&Hold, Rejection> {
        let known = self.holds.get(&hold).filter(|hold| hold.acceptor == caller);
        known.ok_or_else(|| Rejection::not_found("hold", hold))
    }

    pub(crate) fn open_hold(&self, caller: PartnerId, hold: EntryId) -> Result<&Hold, Rejection> {
        let hold = self.own_hold(caller, hold)?;
        if hold.state == HoldState::Open {
            return Ok(hold);
        }
        Err(Rejection::HoldNotOpen { hold: hold.id.to_string(), state: hold.state.as_str().to_owned() })
    }
}
