//! What the operator decides of partners and the calendar: creating partners, their terms, limits, states and consents.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::{Book, check_range};
use crate::command::{HouseReply, check_moment, check_terms};
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::terms::{Calendar, PartnerState, TermsDraft};
use crate::facts::{ConsentFacts, Fact, LimitsFacts, PartnerFacts, StateFacts, TermsFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation};
use crate::rejection::Rejection;
use crate::rules::limits::Limits;
use crate::units::{PartnerId, Points, Timestamp, check_text};

/// The longest name of a partner for people, in characters.
const DISPLAY_NAME_MAX: usize = 100;

/// A new partner, with its first terms. What its limits leave out is the coalition's default.
///
/// Rule: create-partner
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CreatePartner {
    pub partner: PartnerId,
    /// Empty: the id.
    pub display_name: String,
    pub terms: TermsDraft,
    pub state: PartnerState,
    pub limits: Limits,
    /// What the limits leave out is no limit.
    pub no_default_limits: bool,
}

impl Operation for CreatePartner {
    const NAME: &'static str = "CreatePartner";
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        if self.partner.is_operator() {
            return Err(Rejection::invalid("partner_id", "operator is the operator's own"));
        }
        if !self.display_name.is_empty() {
            check_text(&self.display_name, DISPLAY_NAME_MAX)
                .map_err(|problem| Rejection::invalid("display_name", problem))?;
        }
        check_terms(&self.terms)?;
        self.limits.validate()
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let id = self.partner;
        if book.house.partners.contains_key(&id) {
            return Err(Rejection::PartnerExists { partner: id.to_string() });
        }
        let coalition = &book.house.coalition;
        let terms = self.terms.over(&coalition.default_terms, 1, ask.now, coalition.scale)?;
        book.house.check_funding(id, &terms, ask.now, &book.outstanding)?;
        let named = !self.display_name.is_empty();
        let display_name = if named { self.display_name.clone() } else { id.to_string() };
        let limits = if self.no_default_limits { self.limits } else { self.limits.or(coalition.default_limits) };
        let created = PartnerFacts { partner: id, display_name, state: self.state, limits };
        let draft = book.draft(EntryKind::CreatePartner, ask).with(Fact::PartnerCreated(created));
        let draft = draft.with(Fact::Terms(TermsFacts { partner: id, terms }));
        decided(book, draft, HouseReply { terms: Some(1), ..HouseReply::default() })
    }
}

/// A new version of a partner's terms; what the draft leaves out stays as it will be when the version takes effect.
///
/// Rule: set-terms
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetTerms {
    pub partner: PartnerId,
    pub terms: TermsDraft,
    /// None: at once.
    pub effective: Option<Timestamp>,
}

impl Operation for SetTerms {
    const NAME: &'static str = "SetTerms";
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        check_moment("effective_time", self.effective)?;
        check_terms(&self.terms)
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let effective = self.effective.unwrap_or(ask.now);
        check_range("effective_time", effective, ask.now, Timestamp::LAST)?;
        let partner = book.house.partner(self.partner)?;
        let version = partner.terms.iter().map(|terms| terms.version).max().unwrap_or(0) + 1;
        let terms = self.terms.over(partner.terms_at(effective), version, effective, book.house.coalition.scale)?;
        book.house.check_funding(partner.id, &terms, ask.now, &book.outstanding)?;
        let terms = TermsFacts { partner: partner.id, terms };
        let draft = book.draft(EntryKind::SetTerms, ask).with(Fact::Terms(terms));
        decided(book, draft, HouseReply { terms: Some(version), ..HouseReply::default() })
    }
}

/// Limits that take the place of all there were, at once.
///
/// Rule: set-limits
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetLimits {
    pub partner: PartnerId,
    pub limits: Limits,
}

impl Operation for SetLimits {
    const NAME: &'static str = "SetLimits";
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        self.limits.validate()
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let partner = book.house.partner(self.partner)?.id;
        let limits = LimitsFacts { partner, limits: self.limits };
        decided(book, book.draft(EntryKind::SetLimits, ask).with(Fact::Limits(limits)), HouseReply::default())
    }
}

/// A partner's state. An exit is for good.
///
/// Rule: set-partner-state
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetPartnerState {
    pub partner: PartnerId,
    pub state: PartnerState,
}

impl Operation for SetPartnerState {
    const NAME: &'static str = "SetPartnerState";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, state } = *self;
        let previous = book.house.partner(partner)?.state;
        if previous == PartnerState::Exited && state != PartnerState::Exited {
            return Err(Rejection::PartnerExited { partner: partner.to_string(), oldest_window: None });
        }
        let draft = book.draft(EntryKind::SetState, ask).with(Fact::State(StateFacts { partner, state }));
        decided(book, draft, HouseReply { previous_state: Some(previous), ..HouseReply::default() })
    }
}

/// Lets `partner` name `funder` as a funder of joint issues, or no longer. What was used of an earlier consent stays used.
///
/// Rule: set-consent
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetFundingConsent {
    pub funder: PartnerId,
    pub partner: PartnerId,
    /// Given or refused; none: taken back, and the coalition's default holds.
    pub granted: Option<bool>,
    /// In points, over the consent's whole life; none: without limit.
    pub budget: Option<Points>,
}

impl Operation for SetFundingConsent {
    const NAME: &'static str = "SetFundingConsent";

    fn check(&self) -> Result<(), Rejection> {
        if self.funder == self.partner {
            return Err(Rejection::invalid("funder", "needs no consent of its own"));
        }
        Ok(())
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.consents.insert((self.funder, self.partner));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let (funder, partner) = (book.house.partner(self.funder)?.id, book.house.partner(self.partner)?.id);
        let consent = ConsentFacts { funder, partner, granted: self.granted, budget: self.budget };
        decided(book, book.draft(EntryKind::SetConsent, ask).with(Fact::Consent(consent)), HouseReply::default())
    }
}

/// The schedule of cut-offs.
///
/// Rule: set-calendar
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetCalendar {
    pub calendar: Calendar,
}

impl Operation for SetCalendar {
    const NAME: &'static str = "SetCalendar";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let draft = book.draft(EntryKind::SetCalendar, ask).with(Fact::Calendar(self.calendar.clone()));
        decided(book, draft, HouseReply::default())
    }
}

/// A decision that moves nothing.
fn decided(book: &Book, draft: EntryDraft, reply: HouseReply) -> Result<Decision, Rejection> {
    Ok(Decision::of_house(vec![book.finish(draft)?], reply))
}
