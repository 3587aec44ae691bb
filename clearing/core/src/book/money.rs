//! What entries do to money at the bank: to what arrived, to what goes out, and to claims.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::chart::MoneyAccount;
use crate::facts::FundedPart;
use crate::facts::charges::{ChargeState, ChargedFacts, ChargesFacts};
use crate::facts::entry::Entry;
use crate::facts::money::{
    AssignedFacts, BankLine, Claim, Incoming, LineFacts, MoneyMove, OutFacts, OutOf, OutStateFacts, Outgoing,
    ReceivedFacts,
};
use crate::facts::origin::Code;
use crate::facts::window::FundingGroup;
use crate::units::{EntryId, Money, Overflow, PartnerId, Timestamp};

impl Book {
    pub(super) fn apply_received(&mut self, id: EntryId, received: &ReceivedFacts, time: Timestamp) {
        let ReceivedFacts { partner, amount, place } = *received;
        let parts = BTreeMap::from([(place, amount)]);
        self.incoming.insert(id, Incoming { partner, received: time, amount, parts, seen: false });
        self.changes.incoming.insert(id);
    }

    /// Notes a line, and that what it tells of is seen.
    pub(super) fn apply_line(&mut self, id: EntryId, line: &LineFacts) {
        let entry = line.of.unwrap_or(id);
        self.bank_lines.insert(line.key.clone(), BankLine { amount: line.amount, entry });
        self.changes.bank_lines.insert(line.key.clone());
        if let Some(incoming) = self.incoming.get_mut(&entry).filter(|_| line.amount.0 > 0) {
            incoming.seen = true;
            self.changes.incoming.insert(entry);
        }
        // Of what was moved between own accounts the first line books it, and the other account's line is the second one.
        let goes_out = |outgoing: &&mut Outgoing| match outgoing.of {
            OutOf::Own(_) => line.of.is_some(),
            OutOf::Leg(_) | OutOf::Account(_) => line.amount.0 < 0,
        };
        if let Some(outgoing) = self.outgoing.get_mut(&entry).filter(goes_out) {
            outgoing.seen = true;
            self.changes.outgoing.insert(entry);
        }
    }

    pub(super) fn apply_moves(&mut self, moves: &[MoneyMove]) {
        for MoneyMove { money, from, to, amount } in moves {
            if let Some(incoming) = self.incoming.get_mut(money) {
                incoming.shift(*from, *to, *amount);
                self.changes.incoming.insert(*money);
            }
        }
    }

    pub(super) fn apply_assigned(&mut self, assigned: &AssignedFacts) {
        if let Some(incoming) = self.incoming.get_mut(&assigned.money) {
            incoming.partner = assigned.partner;
            self.changes.incoming.insert(assigned.money);
        }
    }

    pub(super) fn apply_out(&mut self, id: EntryId, out: &OutFacts) {
        let OutFacts { partner, amount, of, state } = *out;
        self.outgoing.insert(id, Outgoing { partner, amount, of, state, seen: false });
        self.changes.outgoing.insert(id);
    }

    pub(super) fn apply_out_state(&mut self, new: &OutStateFacts) {
        if let Some(outgoing) = self.outgoing.get_mut(&new.money) {
            outgoing.state = new.after;
            self.changes.outgoing.insert(new.money);
        }
    }

    /// What is charged no more is kept with the last period that was charged: so none is charged twice.
    pub(super) fn apply_charges(&mut self, new: &ChargesFacts) {
        for ((partner, reason), known) in &mut self.charges {
            if *partner == new.partner {
                known.next = None;
                self.changes.charges.insert((*partner, reason.clone()));
            }
        }
        for (charge, next) in &new.charges {
            let key = (new.partner, charge.reason.clone());
            let charged = self.charges.get(&key).and_then(|known| known.charged);
            self.charges.insert(key.clone(), ChargeState { charge: charge.clone(), charged, next: *next });
            self.changes.charges.insert(key);
        }
    }

    pub(super) fn apply_charged(&mut self, charged: &ChargedFacts, reason: Option<&Code>) {
        let Some(key) = reason.map(|reason| (charged.partner, reason.clone())) else { return };
        if let Some(known) = self.charges.get_mut(&key) {
            (known.charged, known.next) = (Some(charged.period), charged.next);
            self.changes.charges.insert(key);
        }
    }

    pub(super) fn apply_cancelled(&mut self, parts: &[FundedPart], time: Timestamp) {
        for part in parts {
            let key = (part.window, part.issuer, part.terms);
            let group = self.funding.entry(key).or_insert_with(|| FundingGroup::new(part.window));
            group.cancelled = Some(time);
            self.changes.funding_states.insert(key);
        }
    }

    /// What an entry does to the claim that it is about: what it moves of the reserve's part and of sharers stands in its
    /// postings, and the rest of the claim has bounced.
    ///
    /// Rule: claims
    pub(super) fn apply_claims(&mut self, entry: &Entry) -> Result<(), Overflow> {
        let Some(partner) = claimed(entry) else { return Ok(()) };
        let claim: &mut Claim = self.claims.entry(partner).or_default();
        let mut bounced = Money::ZERO;
        for posting in &entry.money {
            match posting.account {
                MoneyAccount::Claim(_) => bounced = bounced.minus(posting.amount)?,
                MoneyAccount::ReserveClaim => {
                    claim.reserve = claim.reserve.plus(posting.amount)?;
                    bounced = bounced.minus(posting.amount)?;
                }
                MoneyAccount::Shared(sharer, _) => {
                    let part = claim.shared.entry(sharer).or_default();
                    *part = part.plus(posting.amount)?;
                    bounced = bounced.minus(posting.amount)?;
                }
                MoneyAccount::Position(_)
                | MoneyAccount::Pool
                | MoneyAccount::Reserve
                | MoneyAccount::Collateral(_)
                | MoneyAccount::Settle(..)
                | MoneyAccount::Bank(_)
                | MoneyAccount::Unfunded
                | MoneyAccount::Advance(_)
                | MoneyAccount::Unapplied(_)
                | MoneyAccount::Ordered(_) => {}
            }
        }
        claim.bounced = claim.bounced.plus(bounced)?;
        claim.shared.retain(|_, part| !part.is_zero());
        self.changes.claims.insert(partner);
        Ok(())
    }
}

/// Whose claim an entry moves, if it does. An entry moves one at the most.
fn claimed(entry: &Entry) -> Option<PartnerId> {
    let accounts = entry.money.iter().map(|posting| posting.account);
    accounts.filter_map(|account| if let MoneyAccount::Claim(partner) = account { Some(partner) } else { None }).next()
}
