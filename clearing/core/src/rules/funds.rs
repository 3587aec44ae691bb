//! Money paid into the funds, and out of them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{Fund, MoneyAccount, Purpose};
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::{Fact, FundFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::units::Money;

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
        let before = book.in_fund(self.fund)?;
        decided(book, book.fund_draft(EntryKind::Deposit, ask, self.fund, before, i128::from(self.amount.0)))
    }
}

/// Money paid out of a fund, which is never more than it holds.
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
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let available = book.in_fund(self.fund)?;
        if self.amount > available {
            let text = |amount: Money| book.house.coalition.money_text(amount);
            let account = self.fund.to_string();
            return Err(Rejection::FundInsufficient { account, asked: text(self.amount), available: text(available) });
        }
        decided(book, book.fund_draft(EntryKind::Withdraw, ask, self.fund, available, -i128::from(self.amount.0)))
    }
}

fn check_amount(amount: Money) -> Result<(), Rejection> {
    if amount.0 <= 0 {
        return Err(Rejection::invalid("amount", "not above zero"));
    }
    Ok(())
}

impl Book {
    /// What is in a fund.
    ///
    /// # Errors
    /// `NOT_FOUND`
    fn in_fund(&self, fund: Fund) -> Result<Money, Rejection> {
        if let Fund::Collateral(partner) = fund {
            self.house.partner(partner)?;
        }
        Ok(self.money_balances.get(&fund.account()).copied().unwrap_or_default())
    }

    /// An entry that moves money between a fund and the bank.
    fn fund_draft(&self, kind: EntryKind, ask: &Ask<'_>, fund: Fund, before: Money, paid_in: i128) -> EntryDraft {
        let account = fund.account();
        let mut draft = self.draft(kind, ask).with(Fact::Fund(FundFacts { account, before }));
        draft.post_money(account, Purpose::Deposit, paid_in);
        draft.post_money(MoneyAccount::Bank(fund.bank()), Purpose::Deposit, -paid_in);
        draft
    }
}
