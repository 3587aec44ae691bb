//! The house's own accounts at the bank: what the funds gain and lose in a window moves between the accounts of the funds and the one
//! for settlements.

use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::entry::EntryKind;
use crate::facts::money::FundsMovedFacts;
use crate::facts::window::{Settlement, SettlementState};
use crate::rejection::Rejection;
use crate::rules::steps::Steps;
use crate::units::{Money, WindowNumber};

impl Steps<'_> {
    /// Moves what the funds lost in a window out of their accounts once it may be paid, as far as these hold it, and what they
    /// gained into them once it is settled.
    ///
    /// Rule: own-accounts
    pub(super) fn move_funds(&mut self, window: WindowNumber) -> Result<(), Rejection> {
        let Some(settlement) = self.settlement(window) else { return Ok(()) };
        let settled = settlement.state == SettlementState::Settled;
        if !settled && !settlement.is_payable() {
            return Ok(());
        }
        let minor = self.book.house.coalition.minor_unit();
        let mut draft = self.draft(EntryKind::MoveFunds);
        let mut moved = Vec::new();
        for fund in BankPurpose::FUNDS {
            let left = settlement.to_move(fund);
            let account = MoneyAccount::Bank(fund);
            let held = self.book.money_balances.get(&account).map_or(0, |balance| (-balance.0).max(0));
            let amount = match left {
                ..0 => -left.saturating_neg().min(held - held % minor),
                0.. if settled => left,
                0.. => 0,
            };
            if amount != 0 {
                draft.post_money(account, Purpose::Settlement, -i128::from(amount));
                draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Settlement, i128::from(amount));
                moved.push((fund, Money(amount)));
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        self.write(draft.with(Fact::FundsMoved(FundsMovedFacts { window, moved }))).map(drop)
    }
}

impl Settlement {
    /// What is still to be moved into (+) or out of (-) the account of a fund. What cancelled points paid of a leg never was a gain.
    fn to_move(&self, fund: BankPurpose) -> i64 {
        let share = self.funds.get(&fund).copied().unwrap_or_default();
        let cancelled: i64 = match fund {
            BankPurpose::Pool => self.legs.values().map(|leg| leg.cancelled.0).sum(),
            BankPurpose::Reserve | BankPurpose::Collateral | BankPurpose::Settlement => 0,
        };
        share.change.0.saturating_sub(cancelled).saturating_sub(share.moved.0)
    }

    /// What the funds lost and their accounts at the bank did not hold.
    pub(super) fn missing_of_funds(&self) -> i128 {
        BankPurpose::FUNDS.into_iter().map(|fund| -i128::from(self.to_move(fund).min(0))).sum()
    }
}
