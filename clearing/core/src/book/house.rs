//! What entries do to the coalition, its partners and the windows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::book::Book;
use crate::chart::MoneyAccount;
use crate::facts::calendar::CalendarVersion;
use crate::facts::coalition::House;
use crate::facts::credential::{
    Credential, ForeignFacts, HolderKind, Invite, InvitedFacts, IssuedFacts, NewInvite, Revocation, RevokedFacts,
    Serial, WithdrawnFacts,
};
use crate::facts::entry::Entry;
use crate::facts::limits::Consent;
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::partner::Partner;
use crate::facts::proof::Proof;
use crate::facts::window::{Leg, LegState, ParticipantWindow, Settlement, SettlementState, Window, WindowState};
use crate::facts::{
    CalendarFacts, ConsentFacts, FoundedFacts, LimitsFacts, PartnerFacts, RenameFacts, StateFacts, TermsFacts,
};
use crate::netting;
use crate::netting::choose;
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
        let (terms, group, state_no, limits_no) = (Vec::new(), None, 0, 0);
        let partner = Partner { id, display_name, state, suspended_in, terms, limits, group, state_no, limits_no };
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
        let opening = self.opening_after(window, &proof);
        let mut before = carried.clone();
        for (partner, leg) in &amounts {
            let position = before.entry(*partner).or_default();
            *position = position.plus(*leg)?;
        }
        let settlement = Settlement::proposed(&amounts, self.gross_of_window(number), proof);
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
        let next = Window { number: window.next(), opening, ..Window::first(entry.time) };
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
    pub(crate) fn proposed(legs: &BTreeMap<PartnerId, Money>, gross: Money, proof: Proof) -> Self {
        let leg = |(partner, amount): (&PartnerId, &Money)| (*partner, Leg { amount: *amount, due: *amount });
        Self {
            state: SettlementState::Proposed,
            gross,
            pairwise: netting::total(&netting::orders(OrderMode::Pairwise, legs)),
            legs: legs.iter().map(leg).collect(),
            mode: None,
            orders: Vec::new(),
            proof,
        }
    }

    /// Where there is nothing to pay, it is settled by that.
    pub(crate) fn confirm(&mut self) {
        self.state = if self.legs.is_empty() { SettlementState::Settled } else { SettlementState::Confirmed };
    }

    /// Fixes the mode. Once something is paid it stays.
    pub(crate) fn export(&mut self, mode: OrderMode) {
        if matches!(self.state, SettlementState::Confirmed | SettlementState::Exported) {
            self.state = SettlementState::Exported;
            choose(self, mode);
        }
    }

    /// Takes an order as paid: its amount is no longer due of the legs of its ends.
    pub(crate) fn pay(&mut self, payer: OrderParty, payee: OrderParty, mode: OrderMode) {
        // The first payment of a settlement that was not exported chooses the mode it is paid in.
        if self.mode.is_none() {
            choose(self, mode);
        }
        let Self { legs, orders, .. } = self;
        let order = orders.iter_mut().find(|order| order.payer == payer && order.payee == payee && !order.paid);
        let Some(order) = order else { return };
        order.paid = true;
        for (end, sign) in [(payer, 1), (payee, -1)] {
            if let Some(leg) = end.participant().and_then(|participant| legs.get_mut(&participant)) {
                leg.due = Money(leg.due.0 + order.amount.0 * sign);
            }
        }
        let settled = legs.values().all(|leg| leg.state() == LegState::Paid) && orders.iter().all(|order| order.paid);
        self.state = if settled { SettlementState::Settled } else { SettlementState::PartlyPaid };
    }
}
