//! Money that arrives at the bank, and what it is used for.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose, UNKNOWN};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::money::{AssignedFacts, BankKey, Incoming, LegHow, LineFacts, MoneyMove, Place, ReceivedFacts};
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::window::{Settlement, SettlementState};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::settlement::check_confirmed;
use crate::rules::steps::Steps;
use crate::units::{EntryId, Money, PartnerId, WindowNumber, check_text};

/// The longest reference of a line, and name of an account, in characters: what banks carry.
pub const LINE_TEXT_MAX: usize = 140;

/// Money arrived, as a line of a bank's statement tells. It is of the partner, or of nobody knows whom. Of itself it pays nothing
/// but the leg of the window that its text names, and that only if it is just what is due.
///
/// Rule: receive-money
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveMoney {
    /// None: nobody knows whose it is.
    #[serde(rename = "partner_id")]
    pub partner: Option<PartnerId>,
    pub amount: Money,
    pub line: BankKey,
    /// The window that its text names.
    pub window: Option<WindowNumber>,
}

impl Operation for ReceiveMoney {
    const NAME: &'static str = "ReceiveMoney";

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        check_line(Some(&self.line))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject { window: self.window, ..Subject::default() }.and(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(self.partner, Some(&self.line));
        if self.window.is_some() {
            needs.pays_legs(self.window);
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, amount, ref line, window } = *self;
        partner.map(|partner| book.house.partner(partner)).transpose()?;
        if let Some(known) = book.known_line(Some(line), amount)? {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Known(known)));
        }
        book.check_whole("amount", amount)?;
        let draft = book.draft(EntryKind::ReceiveMoney, ask);
        let line = |of| Fact::Line(LineFacts { key: line.clone(), amount, of });
        // What was booked by hand before is this line.
        let unseen = |incoming: &Incoming| {
            let there = incoming.at(Place::Returned).is_zero() && incoming.amount == amount;
            !incoming.seen && incoming.partner == partner && there
        };
        if let Some((booked, _)) = partner.and_then(|_| book.arrived(unseen).next()) {
            return decided(book, draft.linked_to(booked).with(line(Some(booked))));
        }
        let mut draft = draft;
        draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Deposit, -i128::from(amount.0));
        draft.post_money(MoneyAccount::Unapplied(partner), Purpose::Deposit, i128::from(amount.0));
        let received = ReceivedFacts { partner, amount, place: Place::Unapplied };
        let draft = draft.with(Fact::Received(received)).with(line(None));
        let pays = partner.zip(window).filter(|(partner, window)| book.due_at_hub(*window, *partner) == amount.0);
        let Some((partner, window)) = pays else { return decided(book, draft) };
        let mut steps = Steps::new(book, ask);
        let money = steps.write(draft)?;
        let moves = vec![MoneyMove { money, from: Place::Unapplied, to: Place::Leg(window), amount }];
        steps.pay_leg(EntryKind::TakeMoney, window, partner, moves, None)?;
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

/// What money is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedFor {
    /// A leg that is due, or a part of it.
    Leg,
    Claim,
    /// It is paid ahead.
    Advance,
    /// It belongs to the partner, and to nothing yet.
    Unapplied,
}

/// Where money is that is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedFrom {
    /// What arrived of the partner.
    #[default]
    Partner,
    /// What arrived of nobody knows whom.
    Unknown,
}

/// Uses money that has arrived. What arrived first is used first.
///
/// Rule: apply-money
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyMoney {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub amount: Money,
    pub to: UsedFor,
    /// Of the leg; none: the oldest that is due.
    pub window: Option<WindowNumber>,
    #[serde(default)]
    pub from: UsedFrom,
}

impl Operation for ApplyMoney {
    const NAME: &'static str = "ApplyMoney";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)?;
        if (self.from == UsedFrom::Unknown) != (self.to == UsedFor::Unapplied) {
            let problem =
                "money of nobody knows whom is moved to a partner (to unapplied), and used as that partner's then";
            return Err(Rejection::invalid("from", problem));
        }
        if self.window.is_some() && self.to != UsedFor::Leg {
            return Err(Rejection::invalid("window", "only a leg has one"));
        }
        Ok(())
    }

    /// One person uses what is a partner's for that partner; whose it is, two say.
    fn waits(&self, _: &Book, _: &Ask<'_>) -> bool {
        self.from == UsedFrom::Unknown
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject { window: self.window, ..Subject::partner(self.partner) })
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.money(Some(self.partner), None);
        match self.to {
            UsedFor::Leg => needs.pays_legs(self.window),
            UsedFor::Unapplied => needs.money(None, None),
            UsedFor::Claim | UsedFor::Advance => {}
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, amount, to, window, from: _ } = *self;
        book.house.partner(partner)?;
        let mut draft = book.draft(EntryKind::ApplyMoney, ask);
        let (unapplied, sum) = (MoneyAccount::Unapplied(Some(partner)), i128::from(amount.0));
        match to {
            UsedFor::Leg => {
                let window = book.leg_to_pay(partner, window, amount)?;
                let moves = book.use_money(Some(partner), Place::Unapplied, Place::Leg(window), amount)?;
                let mut steps = Steps::new(book, ask);
                steps.pay_leg(EntryKind::ApplyMoney, window, partner, moves, None)?;
                return Ok(Decision::of_house(steps.finish()?, HouseReply::Entries));
            }
            UsedFor::Claim => {
                book.check_claim(partner, amount)?;
                let moves = book.use_money(Some(partner), Place::Unapplied, Place::Gone, amount)?;
                draft.post_money(unapplied, Purpose::Settlement, -sum);
                book.pay_claim(&mut draft, partner, amount);
                draft = draft.with(Fact::Moved(moves));
            }
            UsedFor::Advance => {
                let moves = book.use_money(Some(partner), Place::Unapplied, Place::Advance, amount)?;
                draft.post_money(unapplied, Purpose::Deposit, -sum);
                draft.post_money(MoneyAccount::Advance(partner), Purpose::Deposit, sum);
                draft = draft.with(Fact::Moved(moves));
            }
            UsedFor::Unapplied => {
                let money = book.unknown_of(amount)?;
                draft.post_money(MoneyAccount::Unapplied(None), Purpose::Deposit, -sum);
                draft.post_money(unapplied, Purpose::Deposit, sum);
                draft = draft.with(Fact::Assigned(AssignedFacts { money, partner: Some(partner) }));
            }
        }
        decided(book, draft)
    }
}

impl Steps<'_> {
    /// Pays a leg with parts of money that arrived.
    ///
    /// Rule: pay-leg
    pub(crate) fn pay_leg(
        &mut self,
        kind: EntryKind,
        window: WindowNumber,
        partner: PartnerId,
        moves: Vec<MoneyMove>,
        link: Option<EntryId>,
    ) -> Result<(), Rejection> {
        let mut draft = self.draft(kind);
        if let Some(link) = link {
            draft = draft.linked_to(link);
        }
        let mut paid = 0;
        for part in &moves {
            let account = match part.from {
                Place::Advance => MoneyAccount::Advance(partner),
                Place::Unapplied | Place::Leg(_) | Place::Gone | Place::Returned => {
                    MoneyAccount::Unapplied(Some(partner))
                }
            };
            draft.post_money(account, Purpose::Settlement, -i128::from(part.amount.0));
            paid += part.amount.0;
        }
        draft.post_money(MoneyAccount::Settle(window, partner), Purpose::Settlement, i128::from(paid));
        let legs = vec![self.leg(&[], window, partner, LegHow::Paid, paid)];
        self.write(draft.with(Fact::Moved(moves)).with(Fact::Legs(legs))).map(drop)
    }

    /// Pays the debits of a settlement that was just confirmed, by partner id, with what was paid ahead and then with what arrived
    /// and is just what is left.
    ///
    /// Rule: order-of-paying
    pub(crate) fn pay_debits(&mut self, window: WindowNumber) -> Result<(), Rejection> {
        let settlement = self.book.settlement(window)?;
        let debits = settlement.legs.iter().filter(|(_, leg)| leg.owes()).map(|(partner, leg)| (*partner, -leg.due.0));
        let debits: Vec<(PartnerId, i64)> = debits.collect();
        for (partner, due) in debits {
            let ahead = self.book.money_at(Some(partner), Place::Advance).min(i128::from(due));
            let ahead = i64::try_from(ahead).expect("no more than what is due");
            if ahead > 0 {
                let moves = self.book.use_money(Some(partner), Place::Advance, Place::Leg(window), Money(ahead))?;
                self.pay_leg(EntryKind::TakeMoney, window, partner, moves, None)?;
            }
            let left = Money(due - ahead);
            let exact = |incoming: &Incoming| {
                incoming.partner == Some(partner) && incoming.at(Place::Unapplied) == left && left.0 > 0
            };
            let exact = self.book.arrived(exact).next().map(|(money, _)| money);
            if let Some(money) = exact {
                let moves = vec![MoneyMove { money, from: Place::Unapplied, to: Place::Leg(window), amount: left }];
                self.pay_leg(EntryKind::TakeMoney, window, partner, moves, None)?;
            }
        }
        Ok(())
    }
}

impl Settlement {
    /// What a participant has to pay at the house's bank: all that is due of it, or what it pays the funds.
    fn due_at_hub(&self, partner: PartnerId) -> i64 {
        let Some(leg) = self.legs.get(&partner).filter(|leg| leg.owes()) else { return 0 };
        match self.mode {
            None | Some(OrderMode::Hub) => -leg.due.0,
            Some(OrderMode::Pairwise) => {
                let payer = OrderParty::of(partner);
                let to_funds = self.orders.iter().filter(|order| order.payer == payer && !order.paid);
                to_funds.filter(|order| order.payee == OrderParty::Funds).map(|order| order.amount.0).sum()
            }
        }
    }
}

impl Book {
    /// Money that arrived and of which something holds, the oldest first.
    pub(crate) fn arrived(&self, of: impl Fn(&Incoming) -> bool) -> impl Iterator<Item = (EntryId, &Incoming)> {
        let found = self.incoming.iter().filter(|(_, incoming)| of(incoming));
        let mut found: Vec<(EntryId, &Incoming)> = found.map(|(money, incoming)| (*money, incoming)).collect();
        found.sort_by_key(|(money, incoming)| (incoming.received, *money));
        found.into_iter()
    }

    /// What of a partner's money is at a place.
    pub(crate) fn money_at(&self, partner: Option<PartnerId>, place: Place) -> i128 {
        let own = self.incoming.values().filter(|incoming| incoming.partner == partner);
        own.map(|incoming| i128::from(incoming.at(place).0)).sum()
    }

    /// The parts that are moved when a partner's money is used: of what arrived first first.
    ///
    /// # Errors
    /// `FUND_INSUFFICIENT`
    pub(crate) fn use_money(
        &self,
        partner: Option<PartnerId>,
        from: Place,
        to: Place,
        amount: Money,
    ) -> Result<Vec<MoneyMove>, Rejection> {
        let mut left = amount.0;
        let mut moves = Vec::new();
        for (money, incoming) in self.arrived(|incoming| incoming.partner == partner && incoming.at(from).0 > 0) {
            let part = incoming.at(from).0.min(left);
            if part == 0 {
                break;
            }
            moves.push(MoneyMove { money, from, to, amount: Money(part) });
            left -= part;
        }
        if left == 0 {
            return Ok(moves);
        }
        let text = |amount: Money| self.house.coalition.money_text(amount);
        let account = match (from, partner) {
            (Place::Advance, Some(partner)) => MoneyAccount::Advance(partner),
            _ => MoneyAccount::Unapplied(partner),
        };
        Err(Rejection::FundInsufficient {
            account: account.to_string(),
            asked: text(amount),
            available: text(Money(amount.0 - left)),
        })
    }

    /// The oldest money of nobody knows whom of which just so much is unapplied: it goes to a partner as it arrived.
    fn unknown_of(&self, amount: Money) -> Result<EntryId, Rejection> {
        let open = |incoming: &Incoming| incoming.partner.is_none() && incoming.at(Place::Unapplied).0 > 0;
        let exact = self.arrived(open).find(|(_, incoming)| incoming.at(Place::Unapplied) == amount);
        if let Some((money, _)) = exact {
            return Ok(money);
        }
        let text = |amount: Money| self.house.coalition.money_text(amount);
        match self.arrived(open).next() {
            Some((_, first)) => {
                Err(Rejection::AmountMismatch { due: text(first.at(Place::Unapplied)), given: text(amount) })
            }
            None => Err(Rejection::FundInsufficient {
                account: format!("unapplied:{UNKNOWN}"),
                asked: text(amount),
                available: text(Money::ZERO),
            }),
        }
    }

    /// What a partner has to pay at the house's bank for a window that may be paid.
    fn due_at_hub(&self, window: WindowNumber, partner: PartnerId) -> i64 {
        let settlement = self.windows.get(&window).and_then(|window| window.settlement.as_ref());
        settlement.filter(|settlement| settlement.is_payable()).map_or(0, |settlement| settlement.due_at_hub(partner))
    }

    /// The window of the leg that a partner pays an amount of: the one that is named, or the oldest.
    ///
    /// # Errors
    /// `NOT_FOUND`, `WINDOW_NOT_CLOSED`, `SETTLEMENT_NOT_CONFIRMED`, `SETTLEMENT_SETTLED`, `SETTLEMENT_ABORTED`, `LEG_NOT_DUE`,
    /// `AMOUNT_MISMATCH`
    fn leg_to_pay(
        &self,
        partner: PartnerId,
        named: Option<WindowNumber>,
        amount: Money,
    ) -> Result<WindowNumber, Rejection> {
        let window = match named {
            Some(window) => {
                let settlement = self.settlement(window)?;
                check_confirmed(window, settlement)?;
                if settlement.state == SettlementState::Settled {
                    return Err(Rejection::SettlementSettled { window });
                }
                window
            }
            None => {
                let mut due = self.windows.keys().filter(|window| self.due_at_hub(**window, partner) > 0);
                *due.next().unwrap_or(&self.open_window)
            }
        };
        let due = self.due_at_hub(window, partner);
        if due == 0 {
            let (payer, payee) = (OrderParty::of(partner).to_string(), OrderParty::Hub.to_string());
            return Err(Rejection::LegNotDue { window, payer, payee });
        }
        if amount.0 > due {
            let text = |amount: Money| self.house.coalition.money_text(amount);
            return Err(Rejection::AmountMismatch { due: text(Money(due)), given: text(amount) });
        }
        Ok(window)
    }

    /// The entry by which a line was booked before, if it was.
    ///
    /// # Errors
    /// `BANK_REFERENCE_CONFLICT`
    ///
    /// Rule: line-once
    pub(crate) fn known_line(&self, key: Option<&BankKey>, amount: Money) -> Result<Option<EntryId>, Rejection> {
        let Some((key, line)) = key.and_then(|key| self.bank_lines.get_key_value(key)) else { return Ok(None) };
        if line.amount == amount {
            return Ok(Some(line.entry));
        }
        let text = |amount: Money| self.house.coalition.money_text(amount);
        Err(Rejection::BankReferenceConflict {
            reference: key.reference.clone(),
            booked: text(line.amount),
            given: text(amount),
            entry: line.entry.to_string(),
        })
    }

    /// Refuses an amount that no bank moves.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`
    ///
    /// Rule: whole-minor-units
    pub(crate) fn check_whole(&self, field: &str, amount: Money) -> Result<(), Rejection> {
        let coalition = &self.house.coalition;
        if amount.0 % coalition.minor_unit() == 0 {
            return Ok(());
        }
        let (text, digits) = (coalition.money_text(amount), coalition.currency.minor_digits());
        let problem = format!("{text} is finer than banks pay; the currency has {digits} decimals");
        Err(Rejection::invalid(field, problem))
    }
}

pub(crate) fn check_amount(amount: Money) -> Result<(), Rejection> {
    if amount.0 <= 0 {
        return Err(Rejection::invalid("amount", "not above zero"));
    }
    Ok(())
}

/// Refuses what cannot be the key of a line.
pub(crate) fn check_line(line: Option<&BankKey>) -> Result<(), Rejection> {
    let Some(line) = line else { return Ok(()) };
    let text =
        |field, text: &str| check_text(text, LINE_TEXT_MAX).map_err(|problem| Rejection::invalid(field, problem));
    text("line.reference", &line.reference)?;
    if line.account.is_empty() { Ok(()) } else { text("line.own_account", &line.account) }
}
