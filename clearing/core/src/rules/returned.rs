//! Payments that come back, and payments that were booked by mistake.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::money::{
    AssignedFacts, BankKey, LegHow, LineFacts, MoneyMove, OutOf, OutState, OutStateFacts, Outgoing, Place,
    ReceivedFacts, UnpaidFacts,
};
use crate::facts::order::OrderParty;
use crate::facts::origin::Code;
use crate::facts::window::Settlement;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::arrived::check_line;
use crate::rules::steps::Steps;
use crate::units::{EntryId, Malformed, Money, PartnerId, WindowNumber};

/// A payment came back: one that had arrived, by the key of its line; a pay-out, by window and partner; or money that was ordered
/// out, by the entry that ordered it.
///
/// Rule: return-payment
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(try_from = "ReturnFields")]
pub struct ReturnPayment {
    pub payment: ReturnedPayment,
    /// The line of the bank's statement by which it came back.
    pub line: Option<BankKey>,
}

/// Which payment came back.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ReturnedPayment {
    /// Money that had arrived.
    Arrived(BankKey),
    PayOut(WindowNumber, PartnerId),
    Ordered(EntryId),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReturnFields {
    payment: Option<BankKey>,
    window: Option<WindowNumber>,
    partner_id: Option<PartnerId>,
    ordered_entry_id: Option<EntryId>,
    line: Option<BankKey>,
}

impl TryFrom<ReturnFields> for ReturnPayment {
    type Error = Malformed;

    fn try_from(fields: ReturnFields) -> Result<Self, Malformed> {
        let ReturnFields { payment, window, partner_id, ordered_entry_id, line } = fields;
        let payment = match (payment, window, partner_id, ordered_entry_id) {
            (Some(key), None, None, None) => ReturnedPayment::Arrived(key),
            (None, Some(window), Some(partner), None) => ReturnedPayment::PayOut(window, partner),
            (None, None, None, Some(entry)) => ReturnedPayment::Ordered(entry),
            _ => {
                let problem = "give either payment, or window and partner_id, or ordered_entry_id";
                return Err(Malformed(problem.to_owned()));
            }
        };
        Ok(Self { payment, line })
    }
}

impl Operation for ReturnPayment {
    const NAME: &'static str = "ReturnPayment";

    fn check(&self) -> Result<(), Rejection> {
        if let ReturnedPayment::Arrived(key) = &self.payment {
            check_line(Some(key))?;
        }
        check_line(self.line.as_ref())
    }

    fn subject(&self) -> Option<Subject> {
        match &self.payment {
            ReturnedPayment::PayOut(window, partner) => {
                Some(Subject { window: Some(*window), ..Subject::partner(*partner) })
            }
            ReturnedPayment::Arrived(_) | ReturnedPayment::Ordered(_) => Some(Subject::default()),
        }
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.bank_lines.extend(self.line.clone());
        match &self.payment {
            ReturnedPayment::Arrived(key) => {
                needs.bank_lines.insert(key.clone());
                needs.pays_legs(None);
            }
            ReturnedPayment::PayOut(window, partner) => {
                needs.paid_out.insert((*window, *partner));
                needs.pays_legs(Some(*window));
            }
            ReturnedPayment::Ordered(entry) => {
                needs.payments.insert(*entry);
            }
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let mut steps = Steps::new(book, ask);
        let found = self.found(&steps);
        let known = match &found {
            Ok((_, amount)) => book.known_line(self.line.as_ref(), *amount)?,
            // It came back before; if this is the line that said so, it is told again.
            Err(Rejection::LegNotPaid { .. }) => self.known_return(book),
            Err(_) => None,
        };
        if let Some(known) = known {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        let (draft, amount) = found?;
        let line = self.line.clone().map(|key| Fact::Line(LineFacts { key, amount, of: None }));
        steps.write(line.into_iter().fold(draft, EntryDraft::with))?;
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

impl ReturnPayment {
    /// What books that it came back, and its amount as the bank's statement shows it.
    fn found(&self, steps: &Steps<'_>) -> Result<(EntryDraft, Money), Rejection> {
        let book = &steps.book;
        match &self.payment {
            ReturnedPayment::Arrived(key) => bounce(steps, key),
            ReturnedPayment::PayOut(window, partner) => {
                book.settlement(*window)?;
                book.house.partner(*partner)?;
                let leg = OutOf::Leg(*window);
                let paid =
                    |out: &Outgoing| out.of == leg && out.partner == Some(*partner) && out.state == OutState::Paid;
                let last = book.outgoing_of(paid).last().map(|(money, out)| (money, *out));
                let not_paid =
                    || Rejection::LegNotPaid { payment: format!("the credit of {partner} in window {window}") };
                let (money, out) = last.ok_or_else(not_paid)?;
                Ok((come_back(steps, money, out), out.amount))
            }
            ReturnedPayment::Ordered(entry) => {
                let ordered = |out: &&Outgoing| matches!(out.of, OutOf::Account(_));
                let out = book.outgoing.get(entry).filter(ordered);
                let out = out.ok_or_else(|| Rejection::not_found("money ordered out", entry))?;
                if out.state != OutState::Paid {
                    return Err(Rejection::LegNotPaid { payment: format!("the order of entry {entry}") });
                }
                Ok((come_back(steps, *entry, *out), out.amount))
            }
        }
    }

    /// The entry by which its line was booked before, if that went the way in which such a payment comes back.
    fn known_return(&self, book: &Book) -> Option<EntryId> {
        let line = book.bank_lines.get(self.line.as_ref()?)?;
        let comes = !matches!(self.payment, ReturnedPayment::Arrived(_));
        ((line.amount.0 > 0) == comes).then_some(line.entry)
    }
}

/// What takes back money that had arrived: what of it is unapplied, what it paid in windows that are not settled, the newest first,
/// what is left of it in the advance; and what is gone is claimed. Its amount as the bank's statement shows it.
///
/// Rule: bounced
fn bounce(steps: &Steps<'_>, key: &BankKey) -> Result<(EntryDraft, Money), Rejection> {
    let book = &steps.book;
    let not_found = || Rejection::not_found("payment", format!("with the line {}", key.reference));
    let line = book.bank_lines.get(key).filter(|line| line.amount.0 > 0).ok_or_else(not_found)?;
    let (money, incoming) = (line.entry, book.incoming.get(&line.entry).ok_or_else(not_found)?);
    let mut draft = steps.draft(EntryKind::ReturnPayment).linked_to(money);
    let (mut legs, mut moves) = (Vec::new(), Vec::new());
    let mut left = incoming.amount.0 - incoming.at(Place::Returned).0;
    if left == 0 {
        return Err(Rejection::LegNotPaid { payment: key.reference.clone() });
    }
    let whole = left;
    draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Settlement, i128::from(whole));
    let unapplied = [(Place::Unapplied, incoming.at(Place::Unapplied))];
    let open = |place: &Place| matches!(place, Place::Leg(window) if book.is_payable(*window));
    let paid = incoming.parts.iter().rev().filter(|(place, _)| open(place)).map(|(place, part)| (*place, *part));
    let ahead = [(Place::Advance, incoming.at(Place::Advance))];
    for (from, amount) in unapplied.into_iter().chain(paid).chain(ahead).filter(|(_, part)| part.0 > 0) {
        let account = match (from, incoming.partner) {
            (Place::Leg(window), Some(partner)) => {
                legs.push(steps.leg(&legs, window, partner, LegHow::Returned, -amount.0));
                MoneyAccount::Settle(window, partner)
            }
            (Place::Advance, Some(partner)) => MoneyAccount::Advance(partner),
            _ => MoneyAccount::Unapplied(incoming.partner),
        };
        draft.post_money(account, Purpose::Settlement, -i128::from(amount.0));
        moves.push(MoneyMove { money, from, to: Place::Returned, amount });
        left -= amount.0;
    }
    if let Some(partner) = incoming.partner {
        draft.post_money(MoneyAccount::Claim(partner), Purpose::Settlement, -i128::from(left));
    } else if left > 0 {
        // What of it went out again is owed by nobody whom the house knows.
        draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Settlement, -i128::from(left));
    }
    for (from, amount) in &incoming.parts {
        let gone = match from {
            Place::Gone => true,
            Place::Leg(_) => !open(from),
            Place::Unapplied | Place::Advance | Place::Returned => false,
        };
        if gone {
            moves.push(MoneyMove { money, from: *from, to: Place::Returned, amount: *amount });
        }
    }
    draft = draft.with(Fact::Moved(moves));
    if !legs.is_empty() {
        draft = draft.with(Fact::Legs(legs));
    }
    Ok((draft, Money(-whole)))
}

/// What books that money which went out came back: a credit is due again, unless its settlement is final; all else is unapplied.
///
/// Rule: came-back
fn come_back(steps: &Steps<'_>, money: EntryId, out: Outgoing) -> EntryDraft {
    let state = OutStateFacts { money, before: out.state, after: OutState::CameBack };
    let mut draft = steps.draft(EntryKind::ReturnPayment).linked_to(money).with(Fact::OutState(state));
    let amount = i128::from(out.amount.0);
    draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Settlement, -amount);
    if let (OutOf::Leg(window), Some(partner)) = (out.of, out.partner)
        && steps.book.is_payable(window)
    {
        draft.post_money(MoneyAccount::Settle(window, partner), Purpose::Settlement, amount);
        let legs = vec![steps.leg(&[], window, partner, LegHow::Returned, out.amount.0)];
        return draft.with(Fact::Legs(legs));
    }
    draft.post_money(MoneyAccount::Unapplied(out.partner), Purpose::Settlement, amount);
    draft.with(Fact::Received(ReceivedFacts { partner: out.partner, amount: out.amount, place: Place::Unapplied }))
}

/// Undoes a payment that was booked by mistake, or a use of money, by its exact opposite, until the settlement is settled.
///
/// Rule: undo-payment
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoPayment {
    #[serde(rename = "payment_entry_id")]
    pub payment: EntryId,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl Operation for UndoPayment {
    const NAME: &'static str = "UndoPayment";
    const TWO_PERSONS: bool = true;

    fn found(&self, book: &Book) -> Vec<u8> {
        vec![u8::from(book.undone.contains(&self.payment))]
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.payments.insert(self.payment);
        needs.pays_legs(None);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let not_found = || Rejection::not_found("payment", self.payment);
        let entry = book.entries.get(&self.payment).filter(|entry| is_payment(entry)).ok_or_else(not_found)?;
        if book.undone.contains(&self.payment) {
            return Err(not_found());
        }
        let mut steps = Steps::new(book, ask);
        let draft = undo(&steps, self.payment, entry)?;
        steps.write(draft.with(Fact::Reason(self.reason.clone())))?;
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

/// Whether an entry is a payment, or uses money.
fn is_payment(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::ApplyMoney | EntryKind::TakeMoney | EntryKind::Payment)
}

/// The opposite of an entry that paid something.
fn undo(steps: &Steps<'_>, id: EntryId, entry: &Entry) -> Result<EntryDraft, Rejection> {
    let book = &steps.book;
    let mut draft = steps.draft(EntryKind::UndoPayment).linked_to(id).with(Fact::UndonePayment(id));
    for posting in &entry.money {
        draft.post_money(posting.account, posting.purpose, -i128::from(posting.amount.0));
    }
    let mut moves = Vec::new();
    for done in entry.facts.money_moved().into_iter().flatten() {
        let MoneyMove { money, from, to, amount } = done.clone();
        book.check_still(money, to, amount)?;
        moves.push(MoneyMove { money, from: to, to: from, amount });
    }
    if let Some(assigned) = entry.facts.assigned() {
        let incoming = book.incoming.get(&assigned.money);
        let amount = incoming.map_or(Money::ZERO, |incoming| incoming.amount);
        book.check_still(assigned.money, Place::Unapplied, amount)?;
        draft = draft.with(Fact::Assigned(AssignedFacts { money: assigned.money, partner: None }));
    }
    let mut legs = Vec::new();
    for leg in entry.facts.legs().into_iter().flatten() {
        book.check_payable(leg.window)?;
        legs.push(steps.leg(&legs, leg.window, leg.partner, LegHow::Returned, -leg.amount.0));
    }
    if let Some(paid) = entry.facts.paid() {
        book.check_payable(paid.window)?;
        let (window, amount) = (paid.window, entry.paid_amount().unwrap_or_default());
        let ends = [paid.payer, paid.payee].map(OrderParty::participant);
        match ends {
            // What went out.
            [None, Some(partner)] => {
                let out = book.outgoing.get(&id).filter(|out| out.state == OutState::Paid);
                let out = out.ok_or_else(|| Rejection::LegNotPaid { payment: format!("entry {id}") })?;
                let state = OutStateFacts { money: id, before: out.state, after: OutState::Undone };
                draft = draft.with(Fact::OutState(state));
                legs.push(steps.leg(&legs, window, partner, LegHow::Returned, amount.0));
            }
            // What came in.
            [Some(partner), None] => {
                book.check_still(id, Place::Leg(window), amount)?;
                moves.push(MoneyMove { money: id, from: Place::Leg(window), to: Place::Returned, amount });
                legs.push(steps.leg(&legs, window, partner, LegHow::Returned, -amount.0));
            }
            [Some(_), Some(_)] | [None, None] => {
                let (payer, payee, mode) = (paid.payer, paid.payee, paid.mode);
                draft = draft.with(Fact::Unpaid(UnpaidFacts { window, payer, payee, amount, mode }));
            }
        }
    }
    if !moves.is_empty() {
        draft = draft.with(Fact::Moved(moves));
    }
    Ok(if legs.is_empty() { draft } else { draft.with(Fact::Legs(legs)) })
}

impl Book {
    /// Whether payments of the settlement of a window are taken. One that is settled need not be in the book.
    pub(crate) fn is_payable(&self, window: WindowNumber) -> bool {
        let settlement = self.windows.get(&window).and_then(|window| window.settlement.as_ref());
        settlement.is_some_and(Settlement::is_payable)
    }

    /// # Errors
    /// `SETTLEMENT_SETTLED`
    fn check_payable(&self, window: WindowNumber) -> Result<(), Rejection> {
        if self.is_payable(window) { Ok(()) } else { Err(Rejection::SettlementSettled { window }) }
    }

    /// Refuses to take from a place what is not there any more.
    ///
    /// # Errors
    /// `LEG_NOT_PAID` if it came back; `FUND_INSUFFICIENT` if it was used.
    fn check_still(&self, money: EntryId, place: Place, amount: Money) -> Result<(), Rejection> {
        let Some(incoming) = self.incoming.get(&money) else { return Err(Rejection::not_found("payment", money)) };
        let there = incoming.at(place);
        if there >= amount {
            return Ok(());
        }
        if !incoming.at(Place::Returned).is_zero() {
            return Err(Rejection::LegNotPaid { payment: format!("entry {money}") });
        }
        let text = |amount: Money| self.house.coalition.money_text(amount);
        let account = format!("what is left of entry {money}");
        Err(Rejection::FundInsufficient { account, asked: text(amount), available: text(there) })
    }
}
