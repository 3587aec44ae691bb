//! New partners, their states, and what partners may do in them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::limits::Limits;
use crate::facts::partner::{GroupFacts, GroupId, PartnerState};
use crate::facts::security::Security;
use crate::facts::terms::TermsDraft;
use crate::facts::{Fact, PartnerFacts, RenameFacts, StateFacts, TermsFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::terms::check_terms;
use crate::units::{Money, PartnerId, check_text};

/// The longest name of a partner for people, in characters.
const DISPLAY_NAME_MAX: usize = 100;

/// A new partner, with its first terms. What its limits leave out is the coalition's default.
///
/// Rule: create-partner
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePartner {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    /// Empty: the id.
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub terms: TermsDraft,
    #[serde(skip, default = "active")]
    pub state: PartnerState,
    #[serde(default)]
    pub limits: Limits,
    /// What the limits leave out is no limit.
    #[serde(default)]
    pub no_default_limits: bool,
}

/// As a message asks for it.
fn active() -> PartnerState {
    PartnerState::Active
}

impl Operation for CreatePartner {
    const NAME: &'static str = "CreatePartner";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

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

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        vec![u8::from(book.house.partners.contains_key(&self.partner))]
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
        book.house.check_room()?;
        let named = !self.display_name.is_empty();
        let display_name = if named { self.display_name.clone() } else { id.to_string() };
        let limits = if self.no_default_limits { self.limits } else { self.limits.or(coalition.default_limits) };
        book.check_cover(id, &limits, &Security::default(), Money::ZERO, ask.now)?;
        let created = PartnerFacts { partner: id, display_name, state: self.state, limits };
        let draft = book.draft(EntryKind::CreatePartner, ask).with(Fact::PartnerCreated(created));
        let draft = draft.with(Fact::Terms(TermsFacts { partner: id, terms, before: None }));
        decided(book, draft)
    }
}

/// A partner's state. An exit is for good.
///
/// Rule: set-partner-state
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPartnerState {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub state: PartnerState,
}

impl Operation for SetPartnerState {
    const NAME: &'static str = "SetPartnerState";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    /// Who is stopped is stopped at once. Whoever lets it go on, and whoever sends it away for good, needs a second person.
    fn waits(&self, book: &Book, _: &Ask<'_>) -> bool {
        let stops = [PartnerState::Active, PartnerState::Restricted, PartnerState::Suspended];
        let severity = |state| stops.iter().position(|known| *known == state);
        let before = book.house.partners.get(&self.partner).and_then(|partner| severity(partner.state));
        severity(self.state).is_none_or(|after| before.is_none_or(|before| after < before))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let number = book.house.partners.get(&self.partner).map(|partner| partner.state_no);
        number.unwrap_or_default().to_be_bytes().to_vec()
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, state } = *self;
        let before = book.house.partner(partner)?.state;
        if before == PartnerState::Exited && state != PartnerState::Exited {
            return Err(Rejection::PartnerExited { partner: partner.to_string(), oldest_window: None });
        }
        let draft = book.draft(EntryKind::SetState, ask).with(Fact::State(StateFacts { partner, state, before }));
        decided(book, draft)
    }
}

/// Another name of a partner for people. Its id is for good.
///
/// Rule: rename-partner
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenamePartner {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub display_name: String,
}

impl Operation for RenamePartner {
    const NAME: &'static str = "RenamePartner";
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        check_text(&self.display_name, DISPLAY_NAME_MAX).map_err(|problem| Rejection::invalid("display_name", problem))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, display_name } = self.clone();
        let before = book.house.partner(partner)?.display_name.clone();
        let renamed = RenameFacts { partner, display_name, before };
        decided(book, book.draft(EntryKind::RenamePartner, ask).with(Fact::Renamed(renamed)))
    }
}

/// The group of a partner from now on: a brand that trades through several companies. It has no part in any posting.
///
/// Rule: set-group
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetGroup {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    /// None: it stands alone.
    #[serde(rename = "group_id", default)]
    pub group: Option<GroupId>,
}

impl Operation for SetGroup {
    const NAME: &'static str = "SetGroup";
    /// Every batch reads whose points count as own.
    const GATE: Gate = Gate::Alone;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { partner, group } = *self;
        let before = book.house.partner(partner)?.group;
        decided(book, book.draft(EntryKind::SetGroup, ask).with(Fact::Group(GroupFacts { partner, group, before })))
    }
}

impl Book {
    /// Rule: partner-states
    pub(crate) fn check_may_issue(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner, oldest_window: None }),
            PartnerState::Restricted => Err(Rejection::PartnerRestricted { partner }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner, oldest_window: None }),
        }
    }

    /// Who issues may do so: the caller, or all its funders, and the caller may ask for it.
    pub(crate) fn check_may_fund(&self, caller: PartnerId, funders: &[(PartnerId, u32)]) -> Result<(), Rejection> {
        // In what state a partner is, and whether there is one, is told to those alone whom it lets issue at its cost.
        let consenting = funders.iter().map(|(funder, _)| *funder).filter(|funder| self.lets_issue(caller, *funder));
        let asked = consenting.chain([caller]);
        // Of several reasons the first in the published order.
        let refused = asked.filter_map(|partner| self.check_may_issue(partner).err());
        refused.min_by_key(Rejection::rank).map_or(Ok(()), Err)
    }

    pub(crate) fn check_may_accept(&self, caller: PartnerId) -> Result<(), Rejection> {
        let partner = caller.to_string();
        match self.house.partner(caller)?.state {
            PartnerState::Active | PartnerState::Restricted => Ok(()),
            PartnerState::Exited => Err(Rejection::PartnerExited { partner, oldest_window: None }),
            PartnerState::Suspended => Err(Rejection::PartnerSuspended { partner, oldest_window: None }),
        }
    }

    /// Who is suspended, or has left, reverses no issue of a window before that in which it was.
    ///
    /// Rule: suspended-reversals
    pub(crate) fn check_may_reverse(&self, caller: PartnerId, issue: &Entry) -> Result<(), Rejection> {
        let known = self.house.partner(caller)?;
        let Some(oldest) = known.suspended_in.filter(|oldest| issue.window < *oldest) else { return Ok(()) };
        let (partner, oldest_window) = (caller.to_string(), Some(oldest));
        Err(match known.state {
            PartnerState::Exited => Rejection::PartnerExited { partner, oldest_window },
            PartnerState::Active | PartnerState::Restricted | PartnerState::Suspended => {
                Rejection::PartnerSuspended { partner, oldest_window }
            }
        })
    }
}
