//! Spending and earning of one receipt: both or neither, and returned together.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::answer::Reversed;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::member::MemberRef;
use crate::facts::{Fact, PurchaseReturnFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::check_points;
use crate::rules::issue::Earn;
use crate::rules::reversal::born_lots;
use crate::units::{EntryId, MemberId, Money, Points, half_up};

/// Spends and earns on one receipt: both, or neither.
///
/// Rule: purchase
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostPurchase {
    pub member: MemberRef,
    pub spend: Option<Spend>,
    pub earn: Option<Earn>,
}

/// How a receipt is paid with points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Spend {
    #[serde(rename = "redeem_points")]
    Redeem(Points),
    #[serde(rename = "capture")]
    Capture {
        #[serde(rename = "hold_id")]
        hold: EntryId,
        points: Points,
    },
}

impl Operation for PostPurchase {
    const NAME: &'static str = "PostPurchase";

    fn check(&self) -> Result<(), Rejection> {
        if self.spend.is_none() && self.earn.is_none() {
            return Err(Rejection::invalid("spend", "neither points to spend nor points to earn are given"));
        }
        match self.spend {
            Some(Spend::Redeem(points)) => check_points("spend.redeem_points", points)?,
            Some(Spend::Capture { points, .. }) => check_points("spend.capture.points", points)?,
            None => {}
        }
        self.earn.as_ref().map_or(Ok(()), |earn| earn.check("earn."))
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        match self.spend {
            Some(Spend::Redeem(points)) => needs.takes(self.member, points),
            Some(Spend::Capture { hold, .. }) => {
                needs.member(self.member);
                needs.gives_back(hold);
            }
            None => needs.enrols(self.member),
        }
        needs.books(ask);
        if let Some(earn) = &self.earn {
            needs.funders(ask.caller, &earn.funders);
        }
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        if let Some(earn) = &self.earn {
            book.check_times_of(ask, earn)?;
            book.check_may_fund(ask.caller, &earn.funders)?;
        }
        if matches!(self.spend, Some(Spend::Redeem(_))) {
            book.check_may_accept(ask.caller)?;
        }
        // Who spends is known; only who earns may be new.
        match self.spend {
            Some(Spend::Redeem(_)) => book.find_member(self.member).map(Admitted::spender),
            Some(Spend::Capture { .. }) => book.find_member(self.member).map(Admitted::of),
            None => Admitted::or_fresh(book, self.member, ask.fresh_member),
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let member = who.member();
        let spent = self.spend.map(|spend| book.spend_entry(ask, member, spend)).transpose();
        let spent = match (spent, &self.earn) {
            (Ok(spent), _) => spent,
            (Err(rejection), None) => return Err(rejection),
            // Of two reasons the first in the published order.
            (Err(rejection), Some(earn)) => {
                let other = book.issue_entry(ask, member, earn, None).err();
                let first = other.filter(|other| other.place_in_purchase() < rejection.place_in_purchase());
                return Err(first.unwrap_or(rejection));
            }
        };
        let earned = self.earn.as_ref().map(|earn| book.issue_entry(ask, member, earn, spent.as_ref())).transpose()?;
        let returnable = spent.as_ref().and_then(Entry::redemption).map_or(Points::ZERO, |facts| facts.points);
        let decision = Decision::of_member(member, spent.into_iter().chain(earned).collect()).settling(member);
        Ok(decision.with(|figures| figures.returnable = returnable))
    }
}

/// Undoes both sides of a purchase for a part of its total: half up, cumulatively, so that parts add up.
///
/// Rule: return-purchase
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnPurchase {
    /// The entry that took the points, if any were taken.
    #[serde(rename = "redemption_entry_id")]
    pub redemption: Option<EntryId>,
    /// The entry that gave the points, if any were given.
    #[serde(rename = "issue_entry_id")]
    pub issue: Option<EntryId>,
    /// What is given back of the receipt, of `total`.
    #[serde(rename = "returned_amount")]
    pub amount: Money,
    #[serde(rename = "receipt_total")]
    pub total: Money,
}

impl ReturnPurchase {
    /// The entry that stands for the purchase.
    fn named(&self) -> EntryId {
        self.redemption.or(self.issue).expect("one of them is named, or the message is malformed")
    }

    /// The two sides, as far as they are named.
    fn sides(&self, book: &Book, ask: &Ask<'_>) -> Result<[Option<Arc<Entry>>; 2], Rejection> {
        // A reason about the issue comes before one about the redemption, in the published order.
        let spent = self.redemption.map(|id| book.own_redemption(ask.caller, id)).transpose();
        let earned = self.issue.map(|id| book.own_issue(ask.caller, id)).transpose()?;
        if let Some(earned) = &earned {
            book.check_may_reverse(ask.caller, earned)?;
        }
        Ok([spent?, earned])
    }
}

impl Operation for ReturnPurchase {
    const NAME: &'static str = "ReturnPurchase";

    fn check(&self) -> Result<(), Rejection> {
        if self.redemption.is_none() && self.issue.is_none() {
            let problem = "neither a redemption nor an issue is named";
            return Err(Rejection::invalid("redemption_entry_id", problem));
        }
        if self.amount.0 <= 0 || self.amount > self.total {
            return Err(Rejection::invalid("amount", "is not above zero and up to the receipt's total"));
        }
        Ok(())
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        self.redemption.iter().chain(&self.issue).for_each(|entry| needs.takes_back(*entry));
        needs.purchases.extend(self.issue);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        let [spent, earned] = self.sides(book, ask)?;
        let member = spent.as_ref().or(earned.as_ref()).and_then(|entry| entry.member).expect("of a member");
        match (self.issue, earned.filter(|earned| earned.member != Some(member))) {
            (Some(id), Some(_)) => Err(Rejection::not_found("issue of this purchase", id)),
            _ => Ok(Admitted::of(member)),
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let (named, member) = (self.named(), who.member());
        let [spent, earned] = self.sides(book, ask)?;
        let earlier = book.returned_amounts.get(&named).copied();
        let before = earlier.map_or(Money::ZERO, |earlier| earlier.amount);
        let after = before.plus(self.amount)?;
        let share = |points: i64| -> i64 {
            let at = |returned: Money| half_up(i128::from(points) * i128::from(returned.0), i128::from(self.total.0));
            i64::try_from(at(after) - at(before)).unwrap_or(i64::MAX)
        };
        let mut written = Vec::new();
        let mut left = Points::ZERO;
        if let (Some(id), Some(entry)) = (self.redemption, &spent) {
            left = book.left_of(id, entry);
            let points = Points(share(entry.redemption().map_or(0, |facts| facts.points.0)));
            if points > left || after > self.total {
                return Err(Rejection::ReturnExceedsRedemption { asked: points.0.max(left.0 + 1), left: left.0 });
            }
            if points.0 > 0 {
                let draft = book.draft(EntryKind::Return, ask);
                written.push(book.give_back_entry(draft, id, entry, points, ask.now)?);
                left = left.minus(points)?;
            }
        }
        let booked = spent.iter().chain(&earned).filter_map(|entry| entry.origin.receipt_total);
        book.check_total(booked.chain(earlier.map(|earlier| earlier.total)), self.total)?;
        let mut reversed = Reversed::default();
        if let (Some(id), Some(entry)) = (self.issue, &earned) {
            let issued: i64 = entry
                .lots
                .iter()
                .filter(|moved| moved.birth.is_some())
                .map(|moved| moved.net().unwrap_or_default().0)
                .sum();
            let points = Points(share(issued));
            if after > self.total {
                let left = born_lots(entry).iter().map(|lot| book.reversible(lot)).sum::<i64>();
                return Err(Rejection::ReversalExceedsIssue { asked: points.0.max(left + 1), left });
            }
            if points.0 > 0 {
                let shares = book.shares_of_issue(entry, points)?;
                book.check_return_period(entry, &shares, ask.now)?;
                let draft = book.draft(EntryKind::Reverse, ask);
                let (entry, done) = book.reversal_entry(draft, id, member, &shares)?;
                written.push(entry);
                reversed = done;
            }
        }
        if written.is_empty() {
            // A share that rounds to nothing is returned all the same: what follows counts from here.
            let kind = if self.redemption.is_some() { EntryKind::Return } else { EntryKind::Reverse };
            written.push(book.finish(book.draft(kind, ask).of_member(member).linked_to(named))?);
        }
        if let Some(first) = written.first_mut() {
            first.facts.push(Fact::PurchaseReturn(PurchaseReturnFacts {
                purchase: named,
                amount: self.amount,
                total: self.total,
            }));
        }
        let decision = Decision::of_member(member, written).settling(member);
        Ok(decision.with(|figures| (figures.returnable, figures.reversed) = (left, Some(reversed))))
    }
}

impl Book {
    fn spend_entry(&self, ask: &Ask<'_>, member: MemberId, spend: Spend) -> Result<Entry, Rejection> {
        match spend {
            Spend::Redeem(points) => self.redeem_entry(ask, member, points),
            Spend::Capture { hold, points } => {
                let known = self.holds.get(&hold).filter(|hold| hold.member == member);
                known.ok_or_else(|| Rejection::not_found("hold", hold))?;
                self.capture_entry(ask, hold, points)
            }
        }
    }

    /// A return names the total that its purchase was booked with. Where none was, all its returns name the same.
    ///
    /// Rule: receipt-total
    fn check_total(&self, mut booked: impl Iterator<Item = Money>, given: Money) -> Result<(), Rejection> {
        let text = |amount: Money| self.house.coalition.money_text(amount);
        match booked.find(|booked| *booked != given) {
            Some(booked) => Err(Rejection::ReceiptTotalMismatch { booked: text(booked), given: text(given) }),
            None => Ok(()),
        }
    }
}
