//! Payments of orders.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::order::{Order, OrderMode, OrderParty};
use crate::facts::origin::BusinessDate;
use crate::facts::window::{Settlement, SettlementState};
use crate::facts::{Fact, PaymentFacts, StateChange};
use crate::netting::choose;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::settlement::check_confirmed;
use crate::units::{Malformed, Money, PartnerId, WindowNumber, check_text};

/// Records that an order was paid.
///
/// Rule: payment
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(try_from = "PaymentFields")]
pub struct ConfirmPayment {
    pub window: WindowNumber,
    pub payment: Payment,
    /// What was paid, if it is to be compared with what is due.
    pub amount: Option<Money>,
    /// By what the bank calls it; empty if nobody says.
    pub reference: String,
    /// The day on which the bank booked it.
    pub value_date: Option<BusinessDate>,
}

/// The longest reference of a payment, in characters: what banks carry.
pub const REFERENCE_MAX: usize = 140;

impl ConfirmPayment {
    /// That all of what is due of an order was paid.
    pub fn of(window: WindowNumber, payment: Payment) -> Self {
        Self { window, payment, amount: None, reference: String::new(), value_date: None }
    }
}

/// Which order a confirmed payment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Payment {
    /// The leg of a partner, against the settlement account.
    Hub(PartnerId),
    Pair {
        payer: OrderParty,
        payee: OrderParty,
    },
}

/// A confirmed payment as it is written: which order it belongs to stands beside the window.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentFields {
    window: WindowNumber,
    partner_id: Option<PartnerId>,
    pair: Option<Pair>,
    amount: Option<Money>,
    #[serde(default)]
    reference: String,
    value_date: Option<BusinessDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    payer: OrderParty,
    payee: OrderParty,
}

impl TryFrom<PaymentFields> for ConfirmPayment {
    type Error = Malformed;

    fn try_from(fields: PaymentFields) -> Result<Self, Malformed> {
        let PaymentFields { window, partner_id, pair, amount, reference, value_date } = fields;
        let payment = match (partner_id, pair) {
            (Some(partner), None) => Payment::Hub(partner),
            (None, Some(Pair { payer, payee })) => Payment::Pair { payer, payee },
            (None, None) | (Some(_), Some(_)) => return Err(Malformed("give either partner_id or pair".to_owned())),
        };
        Ok(Self { window, payment, amount, reference, value_date })
    }
}

impl Payment {
    /// Whose legs it may move.
    fn participants(self) -> impl Iterator<Item = PartnerId> {
        let ends = match self {
            Self::Hub(partner) => [Some(partner), None],
            Self::Pair { payer, payee } => [payer.participant(), payee.participant()],
        };
        ends.into_iter().flatten()
    }
}

impl Operation for ConfirmPayment {
    const NAME: &'static str = "ConfirmPayment";

    fn check(&self) -> Result<(), Rejection> {
        if self.amount.is_some_and(|amount| amount.0 <= 0) {
            return Err(Rejection::invalid("amount", "not above zero"));
        }
        if self.reference.is_empty() {
            return Ok(());
        }
        check_text(&self.reference, REFERENCE_MAX).map_err(|problem| Rejection::invalid("reference", problem))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::window(self.window).and(self.payment.participants()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.moves_legs(self.window, self.payment.participants());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { window, payment, amount, value_date, .. } = *self;
        let money_text = |amount: Money| book.house.coalition.money_text(amount);
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        if settlement.state == SettlementState::Settled {
            return Err(Rejection::SettlementSettled { window });
        }
        let (payer, payee, mode) = payment_ends(payment, settlement);
        let not_due = || Rejection::LegNotDue { window, payer: payer.to_string(), payee: payee.to_string() };
        // The first payment of a settlement that was not exported chooses the mode it is paid in.
        let mut chosen = settlement.clone();
        if chosen.mode.is_none() {
            choose(&mut chosen, mode);
        }
        let open = |order: &&Order| order.payer == payer && order.payee == payee && !order.paid;
        let due = chosen.orders.iter().find(open).ok_or_else(not_due)?.amount;
        if let Some(given) = amount.filter(|given| *given != due) {
            return Err(Rejection::AmountMismatch { due: money_text(due), given: money_text(given) });
        }
        if payer == OrderParty::Hub {
            let received = received_and_kept(settlement);
            if received < i128::from(due.0) {
                let received = Money(i64::try_from(received).unwrap_or(0));
                return Err(Rejection::FundsNotReceived { received: money_text(received), needed: money_text(due) });
            }
        }
        let mut draft = book.draft(EntryKind::Payment, ask);
        let mut paying = Vec::new();
        for (end, sign) in [(payer, 1), (payee, -1)] {
            let amount = i128::from(due.0) * sign;
            let account = end.participant().map_or(MoneyAccount::Bank(BankPurpose::Settlement), |participant| {
                MoneyAccount::Settle(window, participant)
            });
            draft.post_money(account, Purpose::Settlement, amount);
            let leg = end.participant().and_then(|participant| Some((participant, chosen.legs.get(&participant)?)));
            // Whose leg this pays the rest of has paid for its waiting points.
            paying
                .extend(leg.filter(|(_, leg)| i128::from(leg.due.0) + amount == 0).map(|(participant, _)| participant));
        }
        chosen.pay(payer, payee, mode);
        let states = StateChange { before: settlement.state, after: chosen.state };
        let paid = PaymentFacts { window, payer, payee, mode, states, reference: self.reference.clone(), value_date };
        let mut written = vec![book.finish(draft.with(Fact::Paid(paid)))?];
        for issuer in paying {
            written.extend(book.fund_entry(ask, window, issuer)?);
        }
        let ends = [payer, payee].into_iter().filter_map(OrderParty::participant);
        let legs = ends.filter_map(|participant| Some((participant, *chosen.legs.get(&participant)?)));
        Ok(Decision::of_house(written, HouseReply::Legs(legs.collect())))
    }
}

/// Payer, payee and the mode in which there is such an order.
fn payment_ends(payment: Payment, settlement: &Settlement) -> (OrderParty, OrderParty, OrderMode) {
    match payment {
        Payment::Hub(partner) => {
            let pays = settlement.legs.get(&partner).is_none_or(|leg| leg.amount.0 < 0);
            let (party, hub) = (OrderParty::of(partner), OrderParty::Hub);
            if pays { (party, hub, OrderMode::Hub) } else { (hub, party, OrderMode::Hub) }
        }
        Payment::Pair { payer, payee } => {
            let hub = payer == OrderParty::Hub || payee == OrderParty::Hub;
            (payer, payee, if hub { OrderMode::Hub } else { OrderMode::Pairwise })
        }
    }
}

/// What the settlement account holds of this settlement: what came in, with what the funds give, less what went out.
///
/// Rule: funds-received
fn received_and_kept(settlement: &Settlement) -> i128 {
    let legs: i128 = settlement.legs.values().map(|leg| i128::from(leg.amount.0)).sum();
    let paid: i128 = settlement.legs.values().map(|leg| i128::from(leg.due.0) - i128::from(leg.amount.0)).sum();
    paid + legs.max(0)
}
