//! What entries do to the coalition, its partners and the windows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount};
use crate::facts::calendar::CalendarVersion;
use crate::facts::coalition::House;
use crate::facts::credential::{
    Credential, ForeignFacts, HolderKind, Invite, InvitedFacts, IssuedFacts, NewInvite, Revocation, RevokedFacts,
    Serial, WithdrawnFacts,
};
use crate::facts::entry::Entry;
use crate::facts::limits::Consent;
use crate::facts::money::{LegHow, UnpaidFacts};
use crate::facts::order::{Order, OrderMode, OrderParty};
use crate::facts::partner::Partner;
use crate::facts::proof::Proof;
use crate::facts::security::{Security, SecurityFacts};
use crate::facts::window::{FundShares, Leg, ParticipantWindow, Settlement, SettlementState, Window, WindowState};
use crate::facts::{
    CalendarFacts, ConsentFacts, FoundedFacts, LimitsFacts, PartnerFacts, RenameFacts, StateFacts, TermsFacts,
};
use crate::netting;
use crate::netting::{choose, renew};
use crate::units::{EntryId, InviteId, Money, Overflow, PartnerId, Timestamp, WindowNumber};

impl Book {
    fn house_mut(&mut self) -> &mut House {
        Arc::make_mut(&mut self.house)
    }

    /// Begins the coalition, with its first window.
    pub(super) fn apply_founding(&mut self, founded: &FoundedFacts, time: Timestamp) {
        self.house_mut().coalition = founded.coalition.clone();
        self.forgotten = time.plus_days(-1);
        self.windows.insert(self.open_window, Window { number: self.open_window, ..Window::first(time) });
        self.changes.windows.insert(self.open_window);
        self.changes.new_windows.insert(self.open_window);
    }

    pub(super) fn apply_partner(&mut self, created: &PartnerFacts) {
        let PartnerFacts { partner: id, display_name, state, limits } = created.clone();
        let suspended_in = state.is_suspended().then_some(self.open_window);
        let partner = Partner {
            id,
            display_name,
            state,
            suspended_in,
            terms: Vec::new(),
            limits,
            group: None,
            state_no: 0,
            limits_no: 0,
            security: Security::default(),
        };
        self.house_mut().partners.insert(id, partner);
        self.changes.partners.insert(id);
    }

    pub(super) fn apply_terms(&mut self, new: &TermsFacts) {
        if let Some(partner) = self.house_mut().partners.get_mut(&new.partner) {
            partner.terms.push(new.terms.clone());
            self.changes.new_terms.insert((new.partner, new.terms.version));
        }
    }

    /// Who was suspended and leaves is held to the window of its suspension.
    pub(super) fn apply_state(&mut self, new: &StateFacts) {
        let open = self.open_window;
        if let Some(partner) = self.house_mut().partners.get_mut(&new.partner) {
            partner.suspended_in = new.state.is_suspended().then(|| partner.suspended_in.unwrap_or(open));
            partner.state = new.state;
            partner.state_no = partner.state_no.saturating_add(1);
            self.changes.partners.insert(new.partner);
        }
    }

    pub(super) fn apply_name(&mut self, new: &RenameFacts) {
        if let Some(partner) = self.house_mut().partners.get_mut(&new.partner) {
            partner.display_name.clone_from(&new.display_name);
            self.changes.partners.insert(new.partner);
        }
    }

    pub(super) fn apply_security(&mut self, new: &SecurityFacts) {
        if let Some(partner) = self.house_mut().partners.get_mut(&new.partner) {
            partner.security.clone_from(&new.security);
            self.changes.partners.insert(new.partner);
        }
    }

    pub(super) fn apply_limits(&mut self, new: &LimitsFacts) {
        if let Some(partner) = self.house_mut().partners.get_mut(&new.partner) {
            partner.limits = new.limits;
            partner.limits_no = partner.limits_no.saturating_add(1);
            self.changes.partners.insert(new.partner);
        }
    }

    /// What was used of an earlier consent stays used.
    pub(super) fn apply_consent(&mut self, consent: &ConsentFacts) {
        let key = (consent.funder, consent.partner);
        let known = self.consents.entry(key).or_default();
        *known = Consent { granted: consent.granted, budget: consent.budget, used: known.used };
        self.changes.consents_given.insert(key);
    }

    pub(super) fn apply_invites(&mut self, invited: &InvitedFacts, time: Timestamp) {
        let InvitedFacts { holder, scopes, ends, by, made_with, invites } = invited;
        let made_alone = holder.kind != HolderKind::Partner && !self.house.people.are_two(time);
        for NewInvite { id, secret, device } in invites {
            let invite = Invite {
                holder: *holder,
                scopes: *scopes,
                device: device.clone(),
                secret: *secret,
                created: time,
                ends: *ends,
                by: *by,
                made_with: *made_with,
                withdrawn: None,
                made_alone,
                used: None,
                foreign_attempts: 0,
            };
            self.invites.insert(*id, invite);
            self.changes.invites.insert(*id);
        }
    }

    fn apply_to_invite(&mut self, id: InviteId, change: impl FnOnce(&mut Invite)) {
        if let Some(invite) = self.invites.get_mut(&id) {
            change(invite);
            self.changes.invites.insert(id);
        }
    }

    pub(super) fn apply_withdrawal(&mut self, withdrawn: &WithdrawnFacts, time: Timestamp) {
        for id in &withdrawn.invites {
            self.apply_to_invite(*id, |invite| invite.withdrawn = Some(time));
        }
    }

    pub(super) fn apply_issued(&mut self, entry: EntryId, issued: &IssuedFacts, time: Timestamp) {
        let IssuedFacts { serial, holder, scopes, device, key, begins, ends, line, invite, renews, certificate: _ } =
            issued.clone();
        let credential =
            Credential { holder, scopes, device, key, created: time, begins, ends, line, invite, renews, entry };
        self.credentials.insert(serial, credential);
        self.changes.credentials.insert(serial);
        if let Some(invite) = invite {
            self.apply_to_invite(invite, |invite| invite.used = Some((time, serial)));
        }
    }

    pub(super) fn apply_foreign(&mut self, foreign: &ForeignFacts) {
        self.apply_to_invite(foreign.invite, |invite| invite.foreign_attempts += 1);
    }

    /// Certificates that have ended by then are refused for that, and need not be known any more.
    pub(super) fn apply_revocation(&mut self, new: &RevokedFacts, entry: &Entry) {
        let RevokedFacts { by, cut, holder, serials, invites: _ } = new;
        let Some(reason) = entry.facts.reason().cloned() else { return };
        let revocation = |ends| Revocation { time: entry.time, cut: *cut, ends, by: *by, reason: reason.clone() };
        let revoked = &mut self.house_mut().revoked;
        let ended: Vec<Serial> =
            revoked.serials.iter().filter(|(_, known)| known.ends < *cut).map(|(serial, _)| *serial).collect();
        for serial in &ended {
            revoked.serials.remove(serial);
        }
        // What a holder had is told, and known by the holder.
        if let Some(holder) = holder {
            revoked.holders.insert(*holder, revocation(Timestamp::NEVER));
            self.changes.revoked_holders.insert(*holder);
        } else {
            revoked.serials.extend(serials.iter().map(|(serial, ends)| (*serial, revocation(*ends))));
            self.changes.revoked_serials.extend(serials.iter().map(|(serial, _)| *serial));
        }
        self.changes.revoked_serials.extend(ended);
    }

    /// Versions by which nothing closes any more are forgotten. A cut-off may have passed and not be kept yet: it lies behind
    /// the moment at which the open window began.
    pub(super) fn apply_calendar(&mut self, new: &CalendarFacts, time: Timestamp) {
        let CalendarFacts { version: number, effective, calendar, before: _ } = new.clone();
        let kept_by = self.windows.get(&self.open_window).map_or(time, |window| window.opened.min(time));
        let calendars = &mut self.house_mut().calendar;
        *calendars = calendars.with(CalendarVersion { number, effective, calendar }).behind(kept_by);
        self.changes.calendar = true;
    }

    /// The beginning of the time for which answers are kept does not run back.
    pub(super) fn apply_forgetting(&mut self, before: Timestamp) {
        self.forgotten = self.forgotten.max(before);
        self.changes.forgotten = true;
    }

    /// Closes the window of an entry whose postings have moved the legs out of the positions, and opens the next one.
    pub(super) fn apply_close(&mut self, entry: &Entry) -> Result<(), Overflow> {
        let number = entry.window;
        let Some(window) = self.windows.get(&number) else { return Ok(()) };
        let mut amounts: BTreeMap<PartnerId, Money> = BTreeMap::new();
        for posting in &entry.money {
            if let MoneyAccount::Settle(_, partner) = posting.account {
                amounts.insert(partner, posting.amount);
            }
        }
        let carried = self.positions();
        let proof = self.proof(window, &amounts, &carried);
        let (funds, aside) = self.fund_shares(window, &proof)?;
        let opening = self.opening_after(window, &proof);
        let mut before = carried.clone();
        for (partner, leg) in &amounts {
            let position = before.entry(*partner).or_default();
            *position = position.plus(*leg)?;
        }
        let settlement = Settlement::proposed(&amounts, self.gross_of_window(number), proof, funds);
        // What the legs are where nothing is carried: the others were, for being small.
        let whole = netting::legs(&before, self.house.coalition.minor_unit(), Money::ZERO, &BTreeSet::new())?;
        let was_carried = |partner: &PartnerId| whole.contains_key(partner) && !amounts.contains_key(partner);
        let known = |partner: &PartnerId| window.participants.get(partner).copied().unwrap_or_default();
        let carried_windows = |partner: &PartnerId| {
            if was_carried(partner) && !partner.is_operator() {
                known(partner).carried_windows.saturating_add(1)
            } else {
                0
            }
        };
        let next = Window { number: window.next(), opening, aside, ..Window::first(entry.time) };
        let participants = carried.iter().map(|(partner, left)| {
            let carried_windows = carried_windows(partner);
            (*partner, ParticipantWindow { opening: *left, carried: Money::ZERO, carried_windows })
        });
        let next = Window { participants: participants.collect(), ..next };
        let window = self.windows.get_mut(&number).expect("found above");
        for (partner, left) in carried {
            window.participants.entry(partner).or_default().carried = left;
        }
        window.state = WindowState::Closed;
        window.closed = Some(entry.time);
        window.days = entry.facts.cut_off().map(|cut_off| cut_off.days);
        window.settlement = Some(settlement);
        self.open_window = next.number;
        self.changes.windows.extend([number, next.number]);
        self.changes.new_windows.insert(next.number);
        self.windows.insert(next.number, next);
        // Whose leg the threshold carried on pays for its waiting points with the next window.
        let carried = whole.into_keys().filter(|partner| !amounts.contains_key(partner));
        self.defer_funding(number, self.open_window, Some(&carried.collect()));
        Ok(())
    }

    pub(super) fn apply_abort(&mut self, window: WindowNumber) {
        self.apply_to_settlement(window, |settlement| settlement.state = SettlementState::Aborted);
        // The legs have gone back into the positions of the open window, and its own close settles them.
        let open = self.open_window;
        self.carry_again(window, open);
        self.changes.windows.insert(open);
        self.defer_funding(window, open, None);
    }

    /// Legs that are taken back have been carried for as long as when their window opened.
    fn carry_again(&mut self, aborted: WindowNumber, open: WindowNumber) {
        let Some(Window { participants, settlement: Some(settlement), .. }) = self.windows.get(&aborted) else {
            return;
        };
        let of_leg = |partner: &PartnerId| (*partner, participants.get(partner).map_or(0, |of| of.carried_windows));
        let waited: Vec<(PartnerId, u16)> =
            settlement.legs.keys().map(of_leg).filter(|(_, waited)| *waited > 0).collect();
        let Some(open) = self.windows.get_mut(&open) else { return };
        for (partner, waited) in waited {
            let known = &mut open.participants.entry(partner).or_default().carried_windows;
            *known = waited.max(*known);
        }
    }

    pub(super) fn apply_to_settlement(&mut self, number: WindowNumber, change: impl FnOnce(&mut Settlement)) {
        if let Some(Window { state, settlement: Some(settlement), .. }) = self.windows.get_mut(&number) {
            change(settlement);
            *state = settlement.state.of_window();
            self.changes.windows.insert(number);
        }
    }
}

impl Settlement {
    /// The settlement that a close makes.
    pub(crate) fn proposed(legs: &BTreeMap<PartnerId, Money>, gross: Money, proof: Proof, funds: FundShares) -> Self {
        let leg = |(partner, amount): (&PartnerId, &Money)| (*partner, Leg::of(*amount));
        Self {
            state: SettlementState::Proposed,
            gross,
            pairwise: netting::total(&netting::orders(OrderMode::Pairwise, legs)),
            legs: legs.iter().map(leg).collect(),
            mode: None,
            orders: Vec::new(),
            proof,
            funds,
        }
    }

    /// Where there is nothing to pay, it is settled by that.
    pub(crate) fn confirm(&mut self) {
        self.state = if self.legs.is_empty() { SettlementState::Settled } else { SettlementState::Confirmed };
    }

    /// Fixes the mode. Once an order is paid it stays.
    pub(crate) fn export(&mut self, mode: OrderMode) {
        if matches!(self.state, SettlementState::Confirmed | SettlementState::Exported) {
            self.state = SettlementState::Exported;
            choose(self, mode);
        } else if self.state == SettlementState::PartlyPaid && self.mode.is_none() {
            choose(self, mode);
        }
    }

    /// The order of a pair that is open: one that was let out before others, and one of this amount if it is said.
    pub(crate) fn open_order(&self, payer: OrderParty, payee: OrderParty, amount: Option<Money>) -> Option<&Order> {
        let of_pair = self.orders.iter().filter(|order| order.payer == payer && order.payee == payee && !order.paid);
        of_pair.min_by_key(|order| (amount.is_some_and(|amount| amount != order.amount), !order.released))
    }

    /// Takes an order as paid: its amount is no longer due of the legs of its ends.
    pub(crate) fn pay(&mut self, payer: OrderParty, payee: OrderParty, mode: OrderMode, amount: Money) {
        // The first payment of a settlement that was not exported chooses the mode it is paid in.
        if self.mode.is_none() {
            choose(self, mode);
        }
        let Some(found) = self.open_order(payer, payee, Some(amount)).cloned() else { return };
        let Self { legs, orders, .. } = self;
        if let Some(order) = orders.iter_mut().find(|order| **order == found) {
            order.paid = true;
        }
        for (end, sign) in [(payer, 1), (payee, -1)] {
            if let Some(leg) = end.participant().and_then(|participant| legs.get_mut(&participant)) {
                leg.due = Money(leg.due.0 + found.amount.0 * sign);
                leg.returned &= !leg.due.is_zero();
            }
        }
        self.note_payment();
    }

    /// Takes back that an order between two participants was paid.
    pub(crate) fn unpay(&mut self, unpaid: &UnpaidFacts) {
        let UnpaidFacts { payer, payee, amount, .. } = *unpaid;
        let paid =
            |order: &&mut Order| order.paid && order.payer == payer && order.payee == payee && order.amount == amount;
        if let Some(order) = self.orders.iter_mut().find(paid) {
            order.paid = false;
        }
        for (end, sign) in [(payer, -1), (payee, 1)] {
            if let Some(leg) = end.participant().and_then(|participant| self.legs.get_mut(&participant)) {
                leg.due = Money(leg.due.0 + amount.0 * sign);
                leg.returned = true;
            }
        }
        self.note_payment();
    }

    /// Moves what is due of a leg otherwise than by an order, and makes the orders anew that it touches.
    pub(crate) fn move_leg(&mut self, participant: PartnerId, how: LegHow, amount: Money) {
        let Some(leg) = self.legs.get_mut(&participant) else { return };
        if how != LegHow::SharedBeyond {
            leg.due = Money(leg.due.0 + amount.0);
        }
        match how {
            LegHow::Paid | LegHow::Offset => {}
            LegHow::Covered => leg.covered = Money(leg.covered.0 + amount.0),
            LegHow::Shared | LegHow::SharedBeyond => leg.shared = Money(leg.shared.0 - amount.0),
            LegHow::Cancelled => leg.cancelled = Money(leg.cancelled.0 + amount.0),
            LegHow::Returned => leg.returned = true,
        }
        leg.returned &= !leg.due.is_zero();
        renew(self, participant);
        self.note_payment();
    }

    /// Notes what was moved between the accounts of funds and the one for settlements.
    pub(crate) fn note_funds(&mut self, moved: &[(BankPurpose, Money)]) {
        for (fund, amount) in moved {
            let share = self.funds.entry(*fund).or_default();
            share.moved = Money(share.moved.0.saturating_add(amount.0));
        }
    }

    /// Lets pay-outs out: of each participant's open orders as much as is said.
    pub(crate) fn release(&mut self, pay_outs: &[(PartnerId, Money)]) {
        for (participant, amount) in pay_outs {
            let mut left = *amount;
            let mut rest = Vec::new();
            let held = |order: &&mut Order| {
                order.is_pay_out() && order.touches(*participant) && !order.paid && !order.released
            };
            for order in self.orders.iter_mut().filter(held) {
                if left.0 <= 0 {
                    break;
                }
                let over = Money(order.amount.0 - left.0);
                if over.0 > 0 {
                    rest.push(Order { amount: over, ..order.clone() });
                    order.amount = left;
                }
                left = Money(left.0 - order.amount.0);
                order.released = true;
            }
            self.orders.extend(rest);
        }
    }

    /// Something was paid: a settlement of which nothing is due is settled.
    fn note_payment(&mut self) {
        let settled = self.legs.values().all(|leg| leg.due.is_zero());
        self.state = if settled { SettlementState::Settled } else { SettlementState::PartlyPaid };
    }
}
