//! Commands of the operator on partners: creating them, their terms and states, the calendar.

use crate::book::{Ask, Book, check_range};
use crate::command::{Accepted, HouseCommand, HouseReply, Reply};
use crate::facts::{ConsentFacts, Fact, LimitsFacts, PartnerFacts, StateFacts, TermsFacts};
use crate::journal::{EntryDraft, EntryKind};
use crate::limits::{Consent, Limits};
use crate::rejection::Rejection;
use crate::terms::{Calendar, PartnerState, TermsDraft};
use crate::units::{PartnerId, Timestamp};

impl Book {
    pub(crate) fn decide_house(&mut self, ask: &Ask<'_>, command: &HouseCommand) -> Result<Accepted, Rejection> {
        match command {
            HouseCommand::CreatePartner { partner, display_name, terms, state, limits, no_default_limits } => {
                let default_limits = self.house.coalition.default_limits;
                let limits = if *no_default_limits { *limits } else { limits.or(default_limits) };
                self.create_partner(ask, *partner, display_name, terms, *state, limits)
            }
            HouseCommand::SetLimits { partner, limits } => self.set_limits(ask, *partner, *limits),
            HouseCommand::SetConsent { funder, partner, consent } => self.set_consent(ask, *funder, *partner, *consent),
            HouseCommand::SetTerms { partner, terms, effective } => self.set_terms(ask, *partner, terms, *effective),
            HouseCommand::SetPartnerState { partner, state } => self.set_partner_state(ask, *partner, *state),
            HouseCommand::SetCalendar { calendar } => self.set_calendar(ask, calendar),
            HouseCommand::CloseWindow { expected } => self.close_window(ask, *expected),
            HouseCommand::ConfirmSettlement { window } => self.confirm_settlement(ask, *window),
            HouseCommand::ExportOrders { window, mode } => self.export_orders(ask, *window, *mode),
            HouseCommand::ConfirmPayment { window, payment, amount } => {
                self.confirm_payment(ask, *window, *payment, *amount)
            }
            HouseCommand::AbortSettlement { window } => self.abort_settlement(ask, *window),
            HouseCommand::Deposit { account, amount } => self.deposit(ask, *account, *amount),
            HouseCommand::Forget => self.forget(ask),
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
        let created = PartnerFacts { partner: id, display_name, state, limits };
        let draft = self.draft(EntryKind::CreatePartner, ask).with(Fact::PartnerCreated(created));
        let draft = draft.with(Fact::Terms(TermsFacts { partner: id, terms }));
        self.decided(draft, HouseReply { terms: Some(1), ..HouseReply::default() })
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
        let draft = self.draft(EntryKind::SetTerms, ask).with(Fact::Terms(TermsFacts { partner: id, terms }));
        self.decided(draft, HouseReply { terms: Some(version), ..HouseReply::default() })
    }

    /// The limits take the place of all there were, at once.
    ///
    /// Rule: set-limits
    fn set_limits(&mut self, ask: &Ask<'_>, id: PartnerId, limits: Limits) -> Result<Accepted, Rejection> {
        self.house.partner(id)?;
        let draft = self.draft(EntryKind::SetLimits, ask).with(Fact::Limits(LimitsFacts { partner: id, limits }));
        self.decided(draft, HouseReply::default())
    }

    /// What was used of an earlier consent stays used.
    ///
    /// Rule: set-consent
    fn set_consent(
        &mut self,
        ask: &Ask<'_>,
        funder: PartnerId,
        partner: PartnerId,
        consent: Consent,
    ) -> Result<Accepted, Rejection> {
        self.house.partner(funder)?;
        self.house.partner(partner)?;
        let consent = ConsentFacts { funder, partner, granted: consent.granted, budget: consent.budget };
        let draft = self.draft(EntryKind::SetConsent, ask).with(Fact::Consent(consent));
        self.decided(draft, HouseReply::default())
    }

    /// An exit is for good.
    ///
    /// Rule: set-partner-state
    fn set_partner_state(&mut self, ask: &Ask<'_>, id: PartnerId, state: PartnerState) -> Result<Accepted, Rejection> {
        let previous = self.house.partner(id)?.state;
        if previous == PartnerState::Exited && state != PartnerState::Exited {
            return Err(Rejection::PartnerExited { partner: id.to_string(), oldest_window: None });
        }
        let draft = self.draft(EntryKind::SetState, ask).with(Fact::State(StateFacts { partner: id, state }));
        self.decided(draft, HouseReply { previous_state: Some(previous), ..HouseReply::default() })
    }

    /// Rule: set-calendar
    fn set_calendar(&mut self, ask: &Ask<'_>, calendar: &Calendar) -> Result<Accepted, Rejection> {
        let draft = self.draft(EntryKind::SetCalendar, ask).with(Fact::Calendar(calendar.clone()));
        self.decided(draft, HouseReply::default())
    }

    /// Writes a decision of the operator that moves nothing.
    pub(crate) fn decided(&mut self, draft: EntryDraft, reply: HouseReply) -> Result<Accepted, Rejection> {
        let entry = self.finish(draft)?;
        Ok(Accepted { entries: vec![self.post(entry)], reply: Reply::House(reply) })
    }
}
