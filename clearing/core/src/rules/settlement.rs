//! Settlements found right, handed out as orders, or taken back.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::order::OrderMode;
use crate::facts::window::{Leg, Settlement, SettlementState, StateChange};
use crate::facts::{AbortFacts, ConfirmFacts, ExportFacts, Fact};
use crate::netting;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::steps::Steps;
use crate::units::{Money, WindowNumber};

/// Says that a settlement is right, so that it may be paid.
///
/// Rule: confirm
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmSettlement {
    pub window: WindowNumber,
}

impl Operation for ConfirmSettlement {
    const NAME: &'static str = "ConfirmSettlement";
    const TWO_PERSONS: bool = true;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::window(self.window))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        book.settlement_state(self.window).as_bytes().to_vec()
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.pays_legs(Some(self.window));
        needs.money_of_all();
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let window = self.window;
        let settlement = book.settlement(window)?;
        if settlement.state != SettlementState::Proposed {
            let state = settlement.state.as_str().to_owned();
            return Err(Rejection::SettlementNotProposed { window, state });
        }
        let mut after = settlement.clone();
        after.confirm();
        let confirmed = ConfirmFacts { window, state: after.state };
        let mut steps = Steps::new(book, ask);
        steps.write(book.draft(EntryKind::Confirm, ask).with(Fact::Confirmed(confirmed)))?;
        // Who has nothing to pay has paid.
        let waiting = book.waiting_issuers(window);
        for issuer in waiting.into_iter().filter(|issuer| !settlement.legs.contains_key(issuer)) {
            if let Some(paid) = steps.book.fund_entry(ask, window, issuer)? {
                steps.push(paid);
            }
        }
        steps.pay_debits(window)?;
        steps.look_at(window);
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

/// Fixes how a settlement is paid and lists its orders. Another mode voids the orders of the first, and must be asked for as
/// such; once something is paid the mode stays.
///
/// Rule: export
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportOrders {
    pub window: WindowNumber,
    pub mode: OrderMode,
    /// Orders that were given in the other mode are void.
    #[serde(default)]
    pub replace: bool,
}

impl Operation for ExportOrders {
    const NAME: &'static str = "ExportOrders";
    const TWO_PERSONS: bool = true;

    /// Orders that are out are made void by two.
    fn waits(&self, book: &Book, _: &Ask<'_>) -> bool {
        self.replace && book.settlement(self.window).is_ok_and(|found| found.mode.is_some_and(|mode| mode != self.mode))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::window(self.window))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let mode = book.settlement(self.window).ok().and_then(|settlement| settlement.mode);
        [book.settlement_state(self.window), mode.map_or("", OrderMode::as_str)].join(" ").into_bytes()
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.pays_legs(Some(self.window));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { window, mode, replace } = *self;
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        let other = settlement.mode.is_some_and(|chosen| chosen != mode);
        match settlement.state {
            SettlementState::Settled if other => return Err(Rejection::SettlementSettled { window }),
            SettlementState::PartlyPaid if other => {
                let paid = book.house.coalition.money_text(settlement.paid_total());
                return Err(Rejection::SettlementAlreadyPaid { window, paid });
            }
            SettlementState::Settled
            | SettlementState::PartlyPaid
            | SettlementState::Confirmed
            | SettlementState::Exported
            | SettlementState::Proposed
            | SettlementState::Aborted => {}
        }
        if let Some(exported) = settlement.mode.filter(|exported| *exported != mode && !replace) {
            let [exported, asked] = [exported, mode].map(|mode| mode.as_str().to_owned());
            return Err(Rejection::ExportedOtherwise { window, exported, asked });
        }
        let mut after = settlement.clone();
        after.export(mode);
        let states = StateChange { before: settlement.state, after: after.state };
        let exported = ExportFacts { window, mode, states, mode_before: settlement.mode };
        let mut steps = Steps::new(book, ask);
        steps.write(book.draft(EntryKind::Export, ask).with(Fact::Exported(exported)))?;
        steps.look_at(window);
        let (written, after) = steps.finish_with()?;
        // Where pay-outs wait for the money, those are told that may leave.
        let waits = book.house.coalition.pay_outs_wait;
        let orders = after.settlement(window)?.orders.iter().filter(|order| !order.paid);
        let due = orders.filter(|order| !waits || !order.waits());
        Ok(Decision::of_house(written, HouseReply::Orders(due.cloned().collect())))
    }
}

/// Takes a settlement back before anything is paid: the legs return into the positions of the open window.
///
/// Rule: abort
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortSettlement {
    pub window: WindowNumber,
}

impl Operation for AbortSettlement {
    const NAME: &'static str = "AbortSettlement";
    const TWO_PERSONS: bool = true;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::window(self.window))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        book.settlement_state(self.window).as_bytes().to_vec()
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.moves_all_legs(self.window);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let window = self.window;
        let settlement = book.settlement(window)?;
        match settlement.state {
            SettlementState::Settled => return Err(Rejection::SettlementSettled { window }),
            SettlementState::PartlyPaid => {
                let paid = book.house.coalition.money_text(settlement.paid_total());
                return Err(Rejection::SettlementAlreadyPaid { window, paid });
            }
            SettlementState::Aborted => return Err(Rejection::SettlementAborted { window }),
            SettlementState::Proposed | SettlementState::Confirmed | SettlementState::Exported => {}
        }
        let aborted = AbortFacts { window, before: settlement.state };
        let mut draft = book.draft(EntryKind::Abort, ask).with(Fact::Aborted(aborted));
        for (partner, leg) in &settlement.legs {
            draft.post_money(MoneyAccount::Settle(window, *partner), Purpose::Settlement, -i128::from(leg.amount.0));
            draft.post_money(MoneyAccount::Position(*partner), Purpose::Settlement, i128::from(leg.amount.0));
        }
        for (fund, share) in &settlement.funds {
            draft.post_money(MoneyAccount::Bank(*fund), Purpose::Settlement, i128::from(share.moved.0));
            let settlements = MoneyAccount::Bank(BankPurpose::Settlement);
            draft.post_money(settlements, Purpose::Settlement, -i128::from(share.moved.0));
        }
        decided(book, draft)
    }
}

impl Settlement {
    fn paid_total(&self) -> Money {
        let paid = |leg: &Leg| Money((leg.amount.0 - leg.due.0).abs());
        netting::report_sum(self.legs.values().map(paid))
    }
}

impl Book {
    /// The word for how the settlement of a window stands; empty where there is none.
    fn settlement_state(&self, window: WindowNumber) -> &'static str {
        let settlement = self.windows.get(&window).and_then(|window| window.settlement.as_ref());
        settlement.map_or("", |settlement| settlement.state.as_str())
    }

    /// The settlement of a closed window.
    pub(crate) fn settlement(&self, window: WindowNumber) -> Result<&Settlement, Rejection> {
        let found = self.windows.get(&window).ok_or_else(|| Rejection::not_found("window", window))?;
        found.settlement.as_ref().ok_or(Rejection::WindowNotClosed { window })
    }
}

pub(super) fn check_confirmed(window: WindowNumber, settlement: &Settlement) -> Result<(), Rejection> {
    match settlement.state {
        SettlementState::Proposed => {
            let state = settlement.state.as_str().to_owned();
            Err(Rejection::SettlementNotConfirmed { window, state })
        }
        SettlementState::Aborted => Err(Rejection::SettlementAborted { window }),
        SettlementState::Confirmed
        | SettlementState::Exported
        | SettlementState::PartlyPaid
        | SettlementState::Settled => Ok(()),
    }
}
