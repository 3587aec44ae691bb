//! Claims: what a partner owes for its default or for a payment that came back, and who gets what is paid of it.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::money::{BankKey, LineFacts, Place, ReceivedFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::arrived::{check_amount, check_line};
use crate::units::{Money, PartnerId, largest_remainder};

/// A payment of a claim arrived at the bank, with a penalty on top where there is one.
///
/// Rule: repay-claim
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepayClaim {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub amount: Money,
    #[serde(default, rename = "penalty_amount")]
    pub penalty: Money,
    /// The line of the bank's statement that tells of it.
    pub line: Option<BankKey>,
}

impl Operation for RepayClaim {
    const NAME: &'static str = "RepayClaim";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        if self.penalty.0 < 0 {
            return Err(Rejection::invalid("penalty_amount", "is below zero"));
        }
        check_line(self.line.as_ref())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(Some(self.partner), self.line.as_ref());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, amount, penalty, .. } = *self;
        book.house.partner(partner)?;
        let whole = amount.plus(penalty)?;
        if let Some(known) = book.known_line(self.line.as_ref(), whole)? {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        book.check_whole("amount", whole)?;
        book.check_claim(partner, amount)?;
        let mut draft = book.draft(EntryKind::RepayClaim, ask);
        draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Settlement, -i128::from(amount.0));
        book.pay_claim(&mut draft, partner, amount);
        draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Penalty, -i128::from(penalty.0));
        draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Penalty, i128::from(penalty.0));
        let received = ReceivedFacts { partner: Some(partner), amount: whole, place: Place::Gone };
        let draft = draft.with(Fact::Received(received));
        let line = self.line.clone().map(|key| Fact::Line(LineFacts { key, amount: whole, of: None }));
        decided(book, line.into_iter().fold(draft, EntryDraft::with))
    }
}

impl Book {
    /// What is claimed of a partner.
    pub(crate) fn claimed_of(&self, partner: PartnerId) -> i64 {
        let total = self.claims.get(&partner).map_or(0, crate::facts::money::Claim::total);
        i64::try_from(total).unwrap_or(i64::MAX)
    }

    /// Refuses to pay more of a claim than is claimed.
    ///
    /// # Errors
    /// `AMOUNT_MISMATCH`
    pub(crate) fn check_claim(&self, partner: PartnerId, amount: Money) -> Result<(), Rejection> {
        let claimed = Money(self.claimed_of(partner));
        if amount <= claimed {
            return Ok(());
        }
        let text = |amount: Money| self.house.coalition.money_text(amount);
        Err(Rejection::AmountMismatch { due: text(claimed), given: text(amount) })
    }

    /// Posts what is paid of a claim, and to whom it goes: what bounced is made good by it; sharers get theirs back by what each
    /// bore, ties by id; then the reserve.
    ///
    /// Rule: claim-order
    pub(crate) fn pay_claim(&self, draft: &mut EntryDraft, partner: PartnerId, amount: Money) {
        let claim = self.claims.get(&partner).cloned().unwrap_or_default();
        let purpose = Purpose::Settlement;
        draft.post_money(MoneyAccount::Claim(partner), purpose, i128::from(amount.0));
        let mut left = amount.0 - amount.0.min(claim.bounced.0.max(0));
        let weights: Vec<i64> = claim.shared.values().map(|share| share.0).collect();
        let shared: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        if left > 0 && shared > 0 {
            let back = i64::try_from(shared.min(i128::from(left))).expect("no more than what is left");
            for (sharer, part) in claim.shared.keys().zip(largest_remainder(back, &weights)) {
                draft.post_money(MoneyAccount::Shared(*sharer, partner), purpose, -i128::from(part));
                draft.post_money(MoneyAccount::Position(*sharer), purpose, i128::from(part));
            }
            left -= back;
        }
        let reserve = i128::from(left);
        draft.post_money(MoneyAccount::ReserveClaim, purpose, -reserve);
        draft.post_money(MoneyAccount::Reserve, purpose, reserve);
        draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), purpose, reserve);
        draft.post_money(MoneyAccount::Bank(BankPurpose::Reserve), purpose, -reserve);
    }
}
