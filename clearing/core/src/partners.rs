//! Commands of the operator on partners: creating them, their terms and states, the calendar.

use std::sync::Arc;

use crate::book::{Ask, Book, check_range};
use crate::command::{Accepted, HouseCommand, HouseReply, Reply};
use crate::limits::{Consent, Limits};
use crate::rejection::Rejection;
use crate::settlement::house_reply;
use crate::terms::{Calendar, House, Partner, PartnerState, TermsDraft};
use crate::units::{PartnerId, Points, Timestamp};

impl Book {
    pub(crate) fn decide_house(&mut self, ask: &Ask<'_>, command: &HouseCommand) -> Result<Accepted, Rejection> {
        match command {
            HouseCommand::CreatePartner { partner, display_name, terms, state, limits, no_default_limits } => {
                let default_limits = self.house.coalition.default_limits;
                let limits = if *no_default_limits { *limits } else { limits.or(default_limits) };
                self.create_partner(ask, *partner, display_name, terms, *state, limits)
            }
            HouseCommand::SetLimits { partner, limits } => self.set_limits(*partner, *limits),
            HouseCommand::SetConsent { funder, partner, consent } => self.set_consent(*funder, *partner, *consent),
            HouseCommand::SetTerms { partner, terms, effective } => self.set_terms(ask, *partner, terms, *effective),
            HouseCommand::SetPartnerState { partner, state } => self.set_partner_state(*partner, *state),
            HouseCommand::SetCalendar { calendar } => Ok(self.set_calendar(calendar)),
            HouseCommand::CloseWindow { expected } => self.close_window(ask, *expected),
            HouseCommand::ConfirmSettlement { window } => self.confirm_settlement(ask, *window),
            HouseCommand::ExportOrders { window, mode } => self.export_orders(*window, *mode),
            HouseCommand::ConfirmPayment { window, payment, amount } => {
                self.confirm_payment(ask, *window, *payment, *amount)
            }
            HouseCommand::AbortSettlement { window } => self.abort_settlement(ask, *window),
            HouseCommand::Deposit { account, amount } => self.deposit(ask, *account, *amount),
        }
    }

    /// Rule: create-partner
    fn create_partner(
        &mut self,
        ask: &Ask<'_>,
        id: PartnerId,
        display_name: &str,
        draft: &TermsDraft,
        state: PartnerState,
        limits: Limits,
    ) -> Result<Accepted, Rejection> {
        if self.house.partners.contains_key(&id) {
            return Err(Rejection::PartnerExists { partner: id.to_string() });
        }
        let coalition = &self.house.coalition;
        let terms = draft.over(&coalition.default_terms, 1, ask.now, coalition.scale)?;
        self.house.check_funding(id, &terms, ask.now, &self.outstanding)?;
        let display_name = if display_name.is_empty() { id.to_string() } else { display_name.to_owned() };
        let suspended_in = state.is_suspended().then_some(self.open_window);
        let partner = Partner { id, display_name, state, suspended_in, terms: vec![terms], limits };
        self.house_mut().partners.insert(id, partner);
        let changes = self.changes_mut();
        changes.partners.insert(id);
        changes.new_terms.insert((id, 1));
        Ok(partner_reply(HouseReply { terms: Some(1), ..HouseReply::default() }))
    }

    /// A new version of a partner's terms; what the draft leaves out stays as it will be when the version takes effect.
    ///
    /// Rule: set-terms
    fn set_terms(
        &mut self,
        ask: &Ask<'_>,
        id: PartnerId,
        draft: &TermsDraft,
        effective: Option<Timestamp>,
    ) -> Result<Accepted, Rejection> {
        let effective = effective.unwrap_or(ask.now);
        check_range("effective_time", effective, ask.now, Timestamp::LAST)?;
        let partner = self.house.partner(id)?;
        let version = partner.terms.iter().map(|terms| terms.version).max().unwrap_or(0) + 1;
        let terms = draft.over(partner.terms_at(effective), version, effective, self.house.coalition.scale)?;
        self.house.check_funding(id, &terms, ask.now, &self.outstanding)?;
        let partner = self.house_mut().partners.get_mut(&id).expect("found above");
        partner.terms.push(terms);
        self.changes_mut().new_terms.insert((id, version));
        Ok(partner_reply(HouseReply { terms: Some(version), ..HouseReply::default() }))
    }

    /// The limits take the place of all there were, at once.
    ///
    /// Rule: set-limits
    fn set_limits(&mut self, id: PartnerId, limits: Limits) -> Result<Accepted, Rejection> {
        self.house.partner(id)?;
        self.house_mut().partners.get_mut(&id).expect("found above").limits = limits;
        self.changes_mut().partners.insert(id);
        Ok(partner_reply(HouseReply::default()))
    }

    /// What was used of an earlier consent stays used.
    ///
    /// Rule: set-consent
    fn set_consent(&mut self, funder: PartnerId, partner: PartnerId, consent: Consent) -> Result<Accepted, Rejection> {
        self.house.partner(funder)?;
        self.house.partner(partner)?;
        let used = self.consents.get(&(funder, partner)).map_or(Points::ZERO, |consent| consent.used);
        self.consents.insert((funder, partner), Consent { used, ..consent });
        self.changes_mut().consents_given.insert((funder, partner));
        Ok(partner_reply(HouseReply::default()))
    }

    /// An exit is for good.
    ///
    /// Rule: set-partner-state
    fn set_partner_state(&mut self, id: PartnerId, state: PartnerState) -> Result<Accepted, Rejection> {
        let partner = self.house.partner(id)?;
        if partner.state == PartnerState::Exited && state != PartnerState::Exited {
            return Err(Rejection::PartnerExited { partner: id.to_string(), oldest_window: None });
        }
        // Who was suspended and leaves is held to the window of its suspension.
        let suspended_in = state.is_suspended().then(|| partner.suspended_in.unwrap_or(self.open_window));
        let partner = self.house_mut().partners.get_mut(&id).expect("found above");
        partner.suspended_in = suspended_in;
        let previous = std::mem::replace(&mut partner.state, state);
        self.changes_mut().partners.insert(id);
        Ok(partner_reply(HouseReply { previous_state: Some(previous), ..HouseReply::default() }))
    }

    /// Rule: set-calendar
    fn set_calendar(&mut self, calendar: &Calendar) -> Accepted {
        self.house_mut().calendar = calendar.clone();
        self.changes_mut().calendar = true;
        house_reply(Vec::new(), None)
    }

    fn house_mut(&mut self) -> &mut House {
        Arc::make_mut(&mut self.house)
    }
}

fn partner_reply(reply: HouseReply) -> Accepted {
    Accepted { entries: Vec::new(), reply: Reply::House(reply) }
}
