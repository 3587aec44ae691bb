//! What the operator charges a partner or moves between positions by hand, and what the bank does by itself.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::money::{BankKey, LineFacts, OutFacts, OutOf, OutState, Outgoing, OwnTransfer};
use crate::facts::origin::Code;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::arrived::{check_amount, check_line};
use crate::rules::care::read_word_if_there;
use crate::units::{Money, PartnerId};

/// Charges a partner, in the window that is open.
///
/// Rule: charge
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub amount: Money,
    /// What it is for.
    #[serde(rename = "reason_code", default, deserialize_with = "read_word_if_there")]
    pub reason: Option<Code>,
}

impl Operation for Charge {
    const NAME: &'static str = "Charge";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_not(self.partner.is_operator(), "partner_id", "the operator does not charge itself")
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn reason(&self) -> Option<&Code> {
        self.reason.as_ref()
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        between(needs, self.partner, PartnerId::operator());
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        book.house.partner(self.partner)?;
        let mut draft = book.draft(EntryKind::Charge, ask);
        move_money(&mut draft, Purpose::Charge, self.partner, PartnerId::operator(), self.amount);
        decided(book, self.reason.clone().map(Fact::Reason).into_iter().fold(draft, EntryDraft::with))
    }
}

/// Moves money from one position to another by hand, with a reason.
///
/// Rule: adjust
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    #[serde(rename = "payer_id")]
    pub payer: PartnerId,
    #[serde(rename = "payee_id")]
    pub payee: PartnerId,
    pub amount: Money,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl Operation for Adjust {
    const NAME: &'static str = "Adjust";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_not(self.payer == self.payee, "payee_id", "is the payer")
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.payer).and([self.payee]))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        between(needs, self.payer, self.payee);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        book.house.partner(self.payer)?;
        book.house.partner(self.payee)?;
        let mut draft = book.draft(EntryKind::Adjust, ask).with(Fact::Reason(self.reason.clone()));
        move_money(&mut draft, Purpose::Adjustment, self.payer, self.payee, self.amount);
        decided(book, draft)
    }
}

/// The bank took a fee of one of the house's accounts, or gave interest on it.
///
/// Rule: bank-fee
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookBankFee {
    pub account: BankPurpose,
    pub amount: Money,
    /// The bank gave it.
    #[serde(default)]
    pub interest: bool,
    pub line: BankKey,
}

impl Operation for BookBankFee {
    const NAME: &'static str = "BookBankFee";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_line(Some(&self.line))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(PartnerId::operator()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.bank_lines.insert(self.line.clone());
        needs.balances.insert(MoneyAccount::Position(PartnerId::operator()));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let came = if self.interest { self.amount } else { self.amount.negated()? };
        if let Some(known) = book.known_line(Some(&self.line), came)? {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        book.check_whole("amount", self.amount)?;
        let mut draft = book.draft(EntryKind::BookBankFee, ask);
        draft.post_money(MoneyAccount::Bank(self.account), Purpose::Charge, -i128::from(came.0));
        draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Charge, i128::from(came.0));
        decided(book, draft.with(line_of(&self.line, came)))
    }
}

/// Money was moved from one of the house's own accounts to another. Each has a line of it: the one that is told first books it, and
/// the other one is the same.
///
/// Rule: own-transfer
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookOwnTransfer {
    pub from: BankPurpose,
    pub to: BankPurpose,
    pub amount: Money,
    pub line: BankKey,
    /// Whether the line is of the account that it came to.
    #[serde(default)]
    pub arrived: bool,
}

impl Operation for BookOwnTransfer {
    const NAME: &'static str = "BookOwnTransfer";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_not(self.from == self.to, "to", "is the account that the money leaves")?;
        check_line(Some(&self.line))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(PartnerId::operator()))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(None, Some(&self.line));
        needs.open_window = true;
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { from, to, amount, ref line, arrived } = *self;
        let told = if arrived { amount } else { amount.negated()? };
        if let Some(known) = book.known_line(Some(line), told)? {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        book.check_whole("amount", amount)?;
        let mut draft = book.draft(EntryKind::BookOwnTransfer, ask);
        let other = OutOf::Own(OwnTransfer { from, to, arrived: !arrived });
        let same = |out: &Outgoing| out.of == other && out.amount == amount && !out.seen;
        if let Some((booked, _)) = book.outgoing_of(same).next() {
            let line = LineFacts { key: line.clone(), amount: told, of: Some(booked) };
            return decided(book, draft.linked_to(booked).with(Fact::Line(line)));
        }
        draft.post_money(MoneyAccount::Bank(from), Purpose::Settlement, i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(to), Purpose::Settlement, -i128::from(amount.0));
        let of = OutOf::Own(OwnTransfer { from, to, arrived });
        let out = OutFacts { partner: None, amount, of, state: OutState::Paid };
        decided(book, draft.with(Fact::Out(out)).with(line_of(line, told)))
    }
}

fn check_not(wrong: bool, field: &str, problem: &str) -> Result<(), Rejection> {
    if wrong { Err(Rejection::invalid(field, problem)) } else { Ok(()) }
}

fn between(needs: &mut Footprint<'_>, payer: PartnerId, payee: PartnerId) {
    needs.balances.extend([payer, payee].map(MoneyAccount::Position));
}

pub(super) fn move_money(draft: &mut EntryDraft, purpose: Purpose, payer: PartnerId, payee: PartnerId, amount: Money) {
    draft.post_money(MoneyAccount::Position(payer), purpose, -i128::from(amount.0));
    draft.post_money(MoneyAccount::Position(payee), purpose, i128::from(amount.0));
}

fn line_of(key: &BankKey, amount: Money) -> Fact {
    Fact::Line(LineFacts { key: key.clone(), amount, of: None })
}
