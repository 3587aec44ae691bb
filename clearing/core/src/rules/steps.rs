//! Decisions of several entries, each on the books as the one before leaves them; and what follows a payment by itself: what waited
//! for it is paid for, what the funds gained or lost moves between own accounts, and credits pay older legs and claims, or may leave
//! the house.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::money::{LegFacts, LegHow, ReleasedFacts};
use crate::facts::order::Order;
use crate::facts::window::{Settlement, SettlementState, StateChange};
use crate::operation::Ask;
use crate::rejection::Rejection;
use crate::units::{EntryId, Money, PartnerId, WindowNumber};

/// Entries in the making, on a copy of the books that has those before.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    pub book: Book,
    pub ask: &'a Ask<'a>,
    written: Vec<Entry>,
    /// Legs that were moved, in that order; and windows whose credits are to be looked at.
    moved: Vec<(WindowNumber, PartnerId)>,
    windows: BTreeSet<WindowNumber>,
}

impl<'a> Steps<'a> {
    pub fn new(book: &Book, ask: &'a Ask<'a>) -> Self {
        Self { book: book.clone(), ask, written: Vec::new(), moved: Vec::new(), windows: BTreeSet::new() }
    }

    pub fn draft(&self, kind: EntryKind) -> EntryDraft {
        self.book.draft(kind, self.ask)
    }

    /// Writes an entry.
    pub fn write(&mut self, draft: EntryDraft) -> Result<EntryId, Rejection> {
        let entry = self.book.finish(draft)?;
        Ok(self.push(entry))
    }

    pub fn push(&mut self, entry: Entry) -> EntryId {
        if let Some(paid) = entry.facts.paid() {
            let ends = [paid.payer, paid.payee].into_iter().filter_map(|end| end.participant());
            self.moved.extend(ends.map(|end| (paid.window, end)));
        }
        self.moved.extend(entry.facts.legs().into_iter().flatten().map(|leg| (leg.window, leg.partner)));
        self.written.push(entry.clone());
        self.book.post(entry)
    }

    /// Lets the credits of a settlement be looked at.
    pub fn look_at(&mut self, window: WindowNumber) {
        self.windows.insert(window);
    }

    /// The facts that say that a leg is moved, behind those that the same entry has.
    pub fn leg(
        &self,
        legs: &[LegFacts],
        window: WindowNumber,
        partner: PartnerId,
        how: LegHow,
        amount: i64,
    ) -> LegFacts {
        let settlement = self.book.windows.get(&window).and_then(|window| window.settlement.as_ref());
        let mut after = settlement.expect("legs that move are in the book").clone();
        for earlier in legs.iter().filter(|leg| leg.window == window) {
            after.move_leg(earlier.partner, earlier.how, earlier.amount);
        }
        let before = after.state;
        after.move_leg(partner, how, Money(amount));
        let states = StateChange { before, after: after.state };
        LegFacts { window, partner, how, amount: Money(amount), states }
    }

    /// All that was written, and what follows from it.
    pub fn finish(self) -> Result<Vec<Entry>, Rejection> {
        self.finish_with().map(|(written, _)| written)
    }

    /// As [`finish`](Self::finish), with the books as that leaves them.
    pub fn finish_with(mut self) -> Result<(Vec<Entry>, Book), Rejection> {
        loop {
            for (window, partner) in std::mem::take(&mut self.moved) {
                self.windows.insert(window);
                let paid = self.settlement(window).and_then(|settlement| settlement.legs.get(&partner));
                if paid.is_some_and(|leg| leg.due.is_zero())
                    && let Some(entry) = self.book.fund_entry(self.ask, window, partner)?
                {
                    self.push(entry);
                }
            }
            let Some(window) = self.windows.pop_first() else { return Ok((self.written, self.book)) };
            self.move_funds(window)?;
            self.offset(window)?;
            self.let_out(window)?;
        }
    }

    pub(super) fn settlement(&self, window: WindowNumber) -> Option<&Settlement> {
        self.book.windows.get(&window)?.settlement.as_ref()
    }

    /// Pays older legs and claims out of credits that could leave the house.
    fn offset(&mut self, window: WindowNumber) -> Result<(), Rejection> {
        let Some(settlement) = self.settlement(window).filter(|settlement| settlement.all_debits_paid()) else {
            return Ok(());
        };
        let credits: Vec<(PartnerId, i64)> = settlement.credits().collect();
        for (partner, credit) in credits {
            self.offset_credit(window, partner, credit)?;
        }
        Ok(())
    }

    /// Pays older legs of a partner, the oldest first, and then its claim out of its credit in a window; gives what is left of it.
    ///
    /// Rule: offset
    pub fn offset_credit(&mut self, window: WindowNumber, partner: PartnerId, credit: i64) -> Result<i64, Rejection> {
        let mut left = credit;
        let older = self.book.windows.range(..window).filter_map(|(number, older)| {
            let settlement = older.settlement.as_ref().filter(|settlement| settlement.is_payable())?;
            let leg = settlement.legs.get(&partner).filter(|leg| leg.owes())?;
            Some((*number, -leg.due.0))
        });
        let older: Vec<(WindowNumber, i64)> = older.collect();
        for (number, owed) in older {
            let paid = left.min(owed);
            if paid == 0 {
                return Ok(0);
            }
            let mut draft = self.draft(EntryKind::Offset);
            draft.post_money(MoneyAccount::Settle(window, partner), Purpose::Settlement, -i128::from(paid));
            draft.post_money(MoneyAccount::Settle(number, partner), Purpose::Settlement, i128::from(paid));
            let mut legs = vec![self.leg(&[], window, partner, LegHow::Offset, -paid)];
            legs.push(self.leg(&legs, number, partner, LegHow::Offset, paid));
            self.write(draft.with(Fact::Legs(legs)))?;
            left -= paid;
        }
        let paid = left.min(self.book.claimed_of(partner));
        if paid > 0 {
            let mut draft = self.draft(EntryKind::Offset);
            draft.post_money(MoneyAccount::Settle(window, partner), Purpose::Settlement, -i128::from(paid));
            self.book.pay_claim(&mut draft, partner, Money(paid));
            let legs = vec![self.leg(&[], window, partner, LegHow::Offset, -paid)];
            self.write(draft.with(Fact::Legs(legs)))?;
            left -= paid;
        }
        Ok(left)
    }

    /// Lets all pay-outs of a settlement out whose debits are paid, if it is there.
    fn let_out(&mut self, window: WindowNumber) -> Result<(), Rejection> {
        let Some(settlement) = self.settlement(window).filter(|_| self.book.house.coalition.pay_outs_wait) else {
            return Ok(());
        };
        let pay_outs = settlement.held_pay_outs();
        let total: i128 = pay_outs.iter().map(|(_, amount)| i128::from(amount.0)).sum();
        if pay_outs.is_empty() || !settlement.all_debits_paid() || settlement.room() < total {
            return Ok(());
        }
        let draft = self.draft(EntryKind::Release);
        self.write(draft.with(Fact::Released(ReleasedFacts { window, pay_outs }))).map(drop)
    }
}

impl Settlement {
    /// Whether payments of it are taken: it is confirmed, and something may be due.
    pub fn is_payable(&self) -> bool {
        matches!(self.state, SettlementState::Confirmed | SettlementState::Exported | SettlementState::PartlyPaid)
    }

    /// Whether credits may leave the house: all debits are paid, covered or shared.
    pub(crate) fn all_debits_paid(&self) -> bool {
        self.is_payable() && !self.legs.values().any(|leg| leg.owes())
    }

    /// Pay-outs that were let out and of which it is not known that the bank has paid them.
    fn let_out(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.is_pay_out() && order.released && !order.paid)
    }

    /// What is due to a participant and was not let out.
    pub(crate) fn free_credit(&self, partner: PartnerId) -> i64 {
        let due = self.legs.get(&partner).map_or(0, |leg| leg.due.0.max(0));
        let out: i64 = self.let_out().filter(|order| order.touches(partner)).map(|order| order.amount.0).sum();
        (due - out).max(0)
    }

    /// The credits of which something is due and was not let out, by partner id.
    fn credits(&self) -> impl Iterator<Item = (PartnerId, i64)> + '_ {
        let free = self.legs.keys().map(|partner| (*partner, self.free_credit(*partner)));
        free.filter(|(_, free)| *free > 0)
    }

    /// The pay-outs that were not let out, by participant.
    pub(crate) fn held_pay_outs(&self) -> Vec<(PartnerId, Money)> {
        let mut held = std::collections::BTreeMap::new();
        for order in self.orders.iter().filter(|order| order.waits()) {
            if let Some(partner) = order.payee.participant() {
                *held.entry(partner).or_insert(0) += order.amount.0;
            }
        }
        held.into_iter().map(|(partner, amount)| (partner, Money(amount))).collect()
    }

    /// What of this settlement may still be let out: what came in, with what the funds give and their accounts at the bank held,
    /// less what went out or was let out. What cancelled points paid of a leg never came in.
    ///
    /// Rule: funds-received
    pub(crate) fn room(&self) -> i128 {
        let sum = |of: fn(&crate::facts::window::Leg) -> i64| -> i128 {
            self.legs.values().map(|leg| i128::from(of(leg))).sum()
        };
        let came = sum(|leg| leg.due.0) - sum(|leg| leg.amount.0);
        let cancelled = sum(|leg| leg.cancelled.0);
        let given = sum(|leg| leg.amount.0) + cancelled;
        let out: i128 = self.let_out().map(|order| i128::from(order.amount.0)).sum();
        came - cancelled + (given.max(0) - self.missing_of_funds()).max(0) - out
    }
}
