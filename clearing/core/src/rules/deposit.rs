//! Money paid into the funds.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{Fund, MoneyAccount, Purpose};
use crate::facts::entry::EntryKind;
use crate::facts::{DepositFacts, Fact};
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
        if self.amount.0 <= 0 {
            return Err(Rejection::invalid("amount", "not above zero"));
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default().and(self.fund.account().partner()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.told.insert(self.fund.account());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { fund, amount } = *self;
        if let Fund::Collateral(partner) = fund {
            book.house.partner(partner)?;
        }
        let account = fund.account();
        let before = book.money_balances.get(&account).copied().unwrap_or_default();
        let mut draft = book.draft(EntryKind::Deposit, ask).with(Fact::Deposited(DepositFacts { account, before }));
        draft.post_money(account, Purpose::Deposit, i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(fund.bank()), Purpose::Deposit, -i128::from(amount.0));
        decided(book, draft)
    }
}
