//! Payments of orders.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::answer::HouseReply;
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::money::{BankKey, LineFacts, OutFacts, OutOf, OutState, Place, ReceivedFacts};
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::origin::BusinessDate;
use crate::facts::window::{Settlement, SettlementState, StateChange};
use crate::facts::{Fact, PaymentFacts};
use crate::netting::choose;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::arrived::check_line;
use crate::rules::settlement::check_confirmed;
use crate::rules::steps::Steps;
use crate::units::{EntryId, Malformed, Money, PartnerId, WindowNumber, check_text};

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
    /// The line of the bank's statement that tells of it, of a payment at the house's bank.
    pub line: Option<BankKey>,
}

/// The longest reference of a payment, in characters: what banks carry.
pub const REFERENCE_MAX: usize = 140;

impl ConfirmPayment {
    /// That all of what is due of an order was paid.
    pub fn of(window: WindowNumber, payment: Payment) -> Self {
        Self { window, payment, amount: None, reference: String::new(), value_date: None, line: None }
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
    line: Option<BankKey>,
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
        let PaymentFields { window, partner_id, pair, amount, reference, value_date, line } = fields;
        let payment = match (partner_id, pair) {
            (Some(partner), None) => Payment::Hub(partner),
            (None, Some(Pair { payer, payee })) => Payment::Pair { payer, payee },
            (None, None) | (Some(_), Some(_)) => return Err(Malformed("give either partner_id or pair".to_owned())),
        };
        Ok(Self { window, payment, amount, reference, value_date, line })
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
        check_line(self.line.as_ref())?;
        if self.line.is_some() && self.amount.is_none() {
            return Err(Rejection::invalid("amount", "a line of the bank's statement has one; give it"));
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
        needs.pays_legs(Some(self.window));
        needs.moves_legs(self.window, self.payment.participants());
        if self.line.is_some() {
            self.payment.participants().for_each(|partner| needs.money(Some(partner), self.line.as_ref()));
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { window, payment, amount, value_date, .. } = *self;
        let money_text = |amount: Money| book.house.coalition.money_text(amount);
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        let (payer, payee, mode) = payment_ends(payment, settlement);
        let not_due = || Rejection::LegNotDue { window, payer: payer.to_string(), payee: payee.to_string() };
        let ends = [payer, payee].map(OrderParty::participant);
        if let (Some(key), Some(given)) = (&self.line, amount) {
            let came = if payee.participant().is_none() { given } else { given.negated()? };
            if let Some(known) = book.known_line(Some(key), came)? {
                return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
            }
            // What was booked by hand before is this line, and posts nothing.
            if let Some(booked) = book.unseen_payment(window, ends, given) {
                let line = Fact::Line(LineFacts { key: key.clone(), amount: came, of: Some(booked) });
                return decided(book, book.draft(EntryKind::Payment, ask).linked_to(booked).with(line));
            }
        }
        if settlement.state == SettlementState::Settled {
            return Err(Rejection::SettlementSettled { window });
        }
        // The first payment of a settlement that was not exported chooses the mode it is paid in.
        let mut chosen = settlement.clone();
        if chosen.mode.is_none() {
            choose(&mut chosen, mode);
        }
        let due = chosen.open_order(payer, payee, amount).ok_or_else(not_due)?.amount;
        if let Some(given) = amount.filter(|given| *given != due) {
            return Err(Rejection::AmountMismatch { due: money_text(due), given: money_text(given) });
        }
        let mut draft = book.draft(EntryKind::Payment, ask);
        for (end, sign) in [(payer, 1), (payee, -1)] {
            let account = end.participant().map_or(MoneyAccount::Bank(BankPurpose::Settlement), |participant| {
                MoneyAccount::Settle(window, participant)
            });
            draft.post_money(account, Purpose::Settlement, i128::from(due.0) * sign);
        }
        chosen.pay(payer, payee, mode, due);
        let states = StateChange { before: settlement.state, after: chosen.state };
        let paid = PaymentFacts { window, payer, payee, mode, states, reference: self.reference.clone(), value_date };
        draft = draft.with(Fact::Paid(paid));
        // What went through the house's bank may come back.
        let (came, at_bank) = match ends {
            [Some(partner), None] => {
                let received = ReceivedFacts { partner: Some(partner), amount: due, place: Place::Leg(window) };
                (due, Some(Fact::Received(received)))
            }
            [None, Some(partner)] => {
                let (of, state) = (OutOf::Leg(window), OutState::Paid);
                (due.negated()?, Some(Fact::Out(OutFacts { partner: Some(partner), amount: due, of, state })))
            }
            [Some(_), Some(_)] | [None, None] => (due, None),
        };
        let line = self.line.clone().map(|key| Fact::Line(LineFacts { key, amount: came, of: None }));
        draft = at_bank.into_iter().chain(line).fold(draft, EntryDraft::with);
        let mut steps = Steps::new(book, ask);
        steps.write(draft)?;
        let (written, after) = steps.finish_with()?;
        let legs = &after.settlement(window)?.legs;
        let told = ends.into_iter().flatten();
        let told = told.filter_map(|participant| Some((participant, *legs.get(&participant)?)));
        Ok(Decision::of_house(written, HouseReply::Legs(told.collect())))
    }
}

impl Book {
    /// A payment at the house's bank that was booked by hand and of which no line is known.
    fn unseen_payment(&self, window: WindowNumber, ends: [Option<PartnerId>; 2], amount: Money) -> Option<EntryId> {
        let [payer, payee] = ends;
        let came = self.arrived(|incoming| {
            let paid = incoming.at(Place::Leg(window)) == amount && incoming.amount == amount;
            !incoming.seen && payer.is_some() && payee.is_none() && incoming.partner == payer && paid
        });
        let went = self.outgoing_of(|out| {
            let paid = out.of == OutOf::Leg(window) && out.amount == amount && out.state == OutState::Paid;
            !out.seen && payee.is_some() && payer.is_none() && out.partner == payee && paid
        });
        came.map(|(money, _)| money).chain(went.map(|(money, _)| money)).next()
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
