//! Money paid into the funds, and out of them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{Fund, MoneyAccount, Purpose};
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::money::{Place, ReceivedFacts};
use crate::facts::window::Leg;
use crate::facts::{Fact, FundFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::arrived::check_amount;
use crate::rules::ordered::{order_out, ordered, through_settlement};
use crate::units::{Money, PartnerId};

/// Money paid into a fund.
///
/// Rule: deposit
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    #[serde(rename = "account")]
    pub fund: Fund,
    pub amount: Money,
}

impl Operation for Deposit {
    const NAME: &'static str = "Deposit";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.fund.account().partner()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.told.insert(self.fund.account());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { fund, amount } = *self;
        let before = book.in_fund(fund)?;
        let mut draft = book.fund_draft(EntryKind::Deposit, ask, fund, before);
        draft.post_money(fund.account(), Purpose::Deposit, i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(fund.bank()), Purpose::Deposit, -i128::from(amount.0));
        if let Fund::Advance(partner) = fund {
            book.check_whole("amount", amount)?;
            let received = ReceivedFacts { partner: Some(partner), amount, place: Place::Advance };
            draft = draft.with(Fact::Received(received));
        }
        decided(book, draft)
    }
}

/// Orders money out of a fund, which is never more than it holds. What is paid ahead stays while something is due or claimed of its
/// partner, and as far as its headroom needs it.
///
/// Rule: withdraw-funds
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawFunds {
    #[serde(rename = "account")]
    pub fund: Fund,
    pub amount: Money,
}

impl Operation for WithdrawFunds {
    const NAME: &'static str = "WithdrawFunds";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.fund.account().partner()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.balances.insert(self.fund.account());
        if let Fund::Advance(partner) = self.fund {
            needs.money(Some(partner), None);
            needs.guards.insert(partner);
            needs.settling = true;
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { fund, amount } = *self;
        let (available, owner) = (book.in_fund(fund)?, fund.owner());
        book.check_whole("amount", amount)?;
        if amount > available {
            let text = |amount: Money| book.house.coalition.money_text(amount);
            let account = fund.to_string();
            return Err(Rejection::FundInsufficient { account, asked: text(amount), available: text(available) });
        }
        if let Fund::Collateral(partner) = fund {
            let known = book.house.partner(partner)?;
            book.check_cover(partner, &known.limits, &known.security, amount, ask.now)?;
        }
        let mut draft = book.fund_draft(EntryKind::Withdraw, ask, fund, available);
        if let Fund::Advance(partner) = fund {
            book.check_advance(partner, amount)?;
            let moves = book.use_money(Some(partner), Place::Advance, Place::Gone, amount)?;
            draft = draft.with(Fact::Moved(moves));
        }
        order_out(&mut draft, fund.account(), Some(owner), amount);
        through_settlement(&mut draft, fund, Purpose::Deposit, amount);
        decided(book, draft.with(ordered(fund.account(), Some(owner), amount)))
    }
}

impl Book {
    /// What is in a fund.
    ///
    /// # Errors
    /// `NOT_FOUND`
    fn in_fund(&self, fund: Fund) -> Result<Money, Rejection> {
        if let Fund::Collateral(partner) | Fund::Advance(partner) = fund {
            self.house.partner(partner)?;
        }
        Ok(self.money_balances.get(&fund.account()).copied().unwrap_or_default())
    }

    /// Refuses to let what is paid ahead go while something is due or claimed, or further than headroom goes.
    ///
    /// Rule: withdraw-advance
    fn check_advance(&self, partner: PartnerId, amount: Money) -> Result<(), Rejection> {
        let legs = self.windows.values().filter_map(|window| window.settlement.as_ref());
        let mut legs = legs.filter(|settlement| settlement.state.is_open());
        let owes = legs.any(|settlement| settlement.legs.get(&partner).is_some_and(Leg::owes));
        let owes = owes || self.claimed_of(partner) > 0;
        let headroom = self.headroom(partner);
        if !owes && headroom.is_none_or(|headroom| headroom >= i128::from(amount.0)) {
            return Ok(());
        }
        let left = if owes { 0 } else { headroom.unwrap_or_default() };
        let text = |amount: i64| Some(self.house.coalition.money_text(Money(amount)));
        Err(Rejection::NetDebitCap {
            asked: 0,
            reachable: 0,
            partner: Some(partner.to_string()),
            needed: text(amount.0),
            headroom: text(i64::try_from(left).unwrap_or(if left < 0 { i64::MIN } else { i64::MAX })),
        })
    }

    fn fund_draft(&self, kind: EntryKind, ask: &Ask<'_>, fund: Fund, before: Money) -> EntryDraft {
        self.draft(kind, ask).with(Fact::Fund(FundFacts { account: fund.account(), before }))
    }
}
