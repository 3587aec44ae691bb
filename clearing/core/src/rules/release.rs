//! Pay-outs that leave the house before all debits are paid.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::money::ReleasedFacts;
use crate::facts::window::SettlementState;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::arrived::check_amount;
use crate::rules::settlement::check_confirmed;
use crate::rules::steps::Steps;
use crate::units::{Money, PartnerId, WindowNumber, largest_remainder};

/// Lets pay-outs of a settlement out before all of its debits are paid, in equal shares of what is due, in whole minor units.
///
/// Rule: release-orders
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseOrders {
    pub window: WindowNumber,
    /// In all; none: as much as has come in.
    pub amount: Option<Money>,
}

impl Operation for ReleaseOrders {
    const NAME: &'static str = "ReleaseOrders";

    fn check(&self) -> Result<(), Rejection> {
        self.amount.map_or(Ok(()), check_amount)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::window(self.window))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.pays_legs(Some(self.window));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let window = self.window;
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        if settlement.state == SettlementState::Settled {
            return Err(Rejection::SettlementSettled { window });
        }
        let waits = book.house.coalition.pay_outs_wait;
        let held = if waits { settlement.held_pay_outs() } else { Vec::new() };
        if held.is_empty() {
            return Err(Rejection::not_found("pay-out that waits, of the settlement of window", window));
        }
        let minor = book.house.coalition.minor_unit();
        let total: i64 = held.iter().map(|(_, amount)| amount.0).sum();
        let room = i64::try_from(settlement.room().max(0)).unwrap_or(i64::MAX).min(total);
        let asked = self.amount.map_or(room - room % minor, |amount| amount.0);
        book.check_whole("amount", Money(asked))?;
        if asked > room || asked == 0 {
            let text = |amount: i64| book.house.coalition.money_text(Money(amount));
            let needed = self.amount.map_or(total, |amount| amount.0);
            return Err(Rejection::FundsNotReceived { received: text(room), needed: text(needed) });
        }
        let weights: Vec<i64> = held.iter().map(|(_, amount)| amount.0).collect();
        let shares = largest_remainder(asked / minor, &weights);
        let mut steps = Steps::new(book, ask);
        // The one entry that says that it was asked for stands first; what of the shares pays older legs and claims follows it.
        let shares: Vec<(PartnerId, Money)> =
            held.into_iter().zip(shares).map(|((partner, _), share)| (partner, Money(share * minor))).collect();
        let owing = |partner: PartnerId| steps.book.owed_before(window, partner);
        let pay_outs = shares.iter().map(|(partner, share)| (*partner, Money((share.0 - owing(*partner)).max(0))));
        let pay_outs: Vec<(PartnerId, Money)> = pay_outs.filter(|(_, share)| share.0 > 0).collect();
        let draft = steps.draft(EntryKind::ReleaseOrders);
        steps.write(draft.with(Fact::Released(ReleasedFacts { window, pay_outs })))?;
        for (partner, share) in shares {
            let of_share = share.0.min(steps.book.owed_before(window, partner));
            steps.offset_credit(window, partner, of_share)?;
        }
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

impl Book {
    /// What a partner owes of older legs and claims.
    fn owed_before(&self, window: WindowNumber, partner: PartnerId) -> i64 {
        let older = self.windows.range(..window).filter_map(|(_, window)| window.settlement.as_ref());
        let legs =
            older.filter(|settlement| settlement.is_payable()).filter_map(|settlement| settlement.legs.get(&partner));
        let owed: i64 = legs.map(|leg| -leg.due.0.min(0)).sum();
        owed.saturating_add(self.claimed_of(partner))
    }
}
