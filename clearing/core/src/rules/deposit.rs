//! Money paid into the funds.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::entry::EntryKind;
use crate::facts::{DepositFacts, Fact};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::units::Money;

/// Money paid into a fund.
///
/// Rule: deposit
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deposit {
    pub account: MoneyAccount,
    pub amount: Money,
}

impl Operation for Deposit {
    const NAME: &'static str = "Deposit";

    fn check(&self) -> Result<(), Rejection> {
        if !matches!(self.account, MoneyAccount::Reserve | MoneyAccount::Collateral(_)) {
            return Err(Rejection::invalid("account", "deposits go to reserve or collateral:PARTNER"));
        }
        if self.amount.0 <= 0 {
            return Err(Rejection::invalid("amount", "not above zero"));
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.account.partner()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.balances.insert(self.account);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { account, amount } = *self;
        let bank = match account {
            MoneyAccount::Collateral(partner) => {
                book.house.partner(partner)?;
                BankPurpose::Collateral
            }
            MoneyAccount::Reserve
            | MoneyAccount::Pool
            | MoneyAccount::Position(_)
            | MoneyAccount::Settle(..)
            | MoneyAccount::Bank(_)
            | MoneyAccount::Unfunded => BankPurpose::Reserve,
        };
        let before = book.money_balances.get(&account).copied().unwrap_or_default();
        let deposited = DepositFacts { account, before };
        let mut draft = book.draft(EntryKind::Deposit, ask).with(Fact::Deposited(deposited));
        draft.post_money(account, Purpose::Deposit, i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(bank), Purpose::Deposit, -i128::from(amount.0));
        decided(book, draft)
    }
}
