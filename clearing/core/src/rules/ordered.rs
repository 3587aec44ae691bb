//! Money ordered out of the house: it leaves its account at once, and is on its way until the bank has paid it.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, Fund, MoneyAccount, Purpose, UnappliedOf};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::money::{BankKey, LineFacts, OutFacts, OutOf, OutState, OutStateFacts, Outgoing, Place};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::arrived::{check_amount, check_line};
use crate::units::{EntryId, Money, PartnerId};

/// Orders money back that arrived and belongs to nothing.
///
/// Rule: return-money
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnMoney {
    pub account: UnappliedOf,
    pub amount: Money,
}

impl Operation for ReturnMoney {
    const NAME: &'static str = "ReturnMoney";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.account.0))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(self.account.0, None);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { account: UnappliedOf(partner), amount } = *self;
        partner.map(|partner| book.house.partner(partner)).transpose()?;
        book.check_whole("amount", amount)?;
        let moves = book.use_money(partner, Place::Unapplied, Place::Gone, amount)?;
        let mut draft = book.draft(EntryKind::ReturnMoney, ask);
        order_out(&mut draft, MoneyAccount::Unapplied(partner), partner, amount);
        let account = MoneyAccount::Unapplied(partner);
        decided(book, draft.with(Fact::Moved(moves)).with(ordered(account, partner, amount)))
    }
}

/// The bank has paid what was ordered out: the oldest order of just this amount.
///
/// Rule: confirm-ordered
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmOrdered {
    /// None: money that went back to nobody knows whom.
    #[serde(rename = "partner_id")]
    pub partner: Option<PartnerId>,
    pub amount: Money,
    /// The line of the bank's statement that tells of it.
    pub line: Option<BankKey>,
}

impl Operation for ConfirmOrdered {
    const NAME: &'static str = "ConfirmOrdered";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_line(self.line.as_ref())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(self.partner, self.line.as_ref());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, amount, ref line } = *self;
        partner.map(|partner| book.house.partner(partner)).transpose()?;
        let out = Money(-amount.0);
        if let Some(known) = book.known_line(line.as_ref(), out)? {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        let mut draft = book.draft(EntryKind::ConfirmOrdered, ask);
        let line = line.clone().map(|key| move |of| Fact::Line(LineFacts { key, amount: out, of }));
        let of_partner = |outgoing: &Outgoing| outgoing.partner == partner;
        let paid = |outgoing: &Outgoing| {
            of_partner(outgoing) && outgoing.state == OutState::Paid && !outgoing.seen && outgoing.amount == amount
        };
        // What was booked by hand before is this line, and posts nothing.
        if let (Some(line), Some((booked, _))) = (line.clone(), book.outgoing_of(paid).next()) {
            return decided(book, draft.linked_to(booked).with(line(Some(booked))));
        }
        let money = book.ordered_of(partner, amount)?;
        draft.post_money(MoneyAccount::Ordered(partner), Purpose::Deposit, -i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Deposit, i128::from(amount.0));
        let paid = OutStateFacts { money, before: OutState::Ordered, after: OutState::Paid };
        let draft = draft.linked_to(money).with(Fact::OutState(paid));
        decided(book, line.map(|line| line(Some(money))).into_iter().fold(draft, EntryDraft::with))
    }
}

/// Posts that money leaves an account and is on its way out.
///
/// Rule: ordered-out
pub(crate) fn order_out(draft: &mut EntryDraft, account: MoneyAccount, to: Option<PartnerId>, amount: Money) {
    draft.post_money(account, Purpose::Deposit, -i128::from(amount.0));
    draft.post_money(MoneyAccount::Ordered(to), Purpose::Deposit, i128::from(amount.0));
}

/// That money is ordered out of an account.
pub(crate) fn ordered(account: MoneyAccount, to: Option<PartnerId>, amount: Money) -> Fact {
    Fact::Out(OutFacts { partner: to, amount, of: OutOf::Account(account), state: OutState::Ordered })
}

/// Posts that money which lies in a fund's own bank account is paid out of the one for settlements.
pub(crate) fn through_settlement(draft: &mut EntryDraft, fund: Fund, purpose: Purpose, amount: Money) {
    draft.post_money(MoneyAccount::Bank(fund.bank()), purpose, i128::from(amount.0));
    draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), purpose, -i128::from(amount.0));
}

impl Book {
    /// Money that goes out and of which something holds, the oldest first.
    pub(crate) fn outgoing_of(&self, of: impl Fn(&Outgoing) -> bool) -> impl Iterator<Item = (EntryId, &Outgoing)> {
        self.outgoing.iter().filter(move |(_, outgoing)| of(outgoing)).map(|(money, outgoing)| (*money, outgoing))
    }

    /// The oldest money of just this amount that is ordered out to a partner.
    ///
    /// # Errors
    /// `NOT_FOUND` if nothing is ordered out to it, `AMOUNT_MISMATCH` if it is another amount.
    fn ordered_of(&self, partner: Option<PartnerId>, amount: Money) -> Result<EntryId, Rejection> {
        let of_partner = |outgoing: &Outgoing| outgoing.partner == partner && outgoing.state == OutState::Ordered;
        if let Some((money, _)) = self.outgoing_of(|out| of_partner(out) && out.amount == amount).next() {
            return Ok(money);
        }
        let account = MoneyAccount::Ordered(partner);
        match self.outgoing_of(of_partner).next() {
            None => Err(Rejection::not_found("money on its way out of", account)),
            Some((_, first)) => {
                let text = |amount: Money| self.house.coalition.money_text(amount);
                Err(Rejection::AmountMismatch { due: text(first.amount), given: text(amount) })
            }
        }
    }
}
