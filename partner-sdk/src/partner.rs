//! Partners: how the operator admits them, and sets what they may do and on what terms.

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;
use prost_types::Timestamp;

use crate::client::{PAGE_SIZE, call};
use crate::error::Error;
use crate::limits::PartnerLimits;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::terms::TermsChange;
use crate::wire::{FromWire, decimal_text, each, key, to_terms};

pub use crate::answers::{
    ConsentSet, FeeBearer, Funding, FundingConsent, LimitsSet, Partner, PartnerCreated, PartnerRenamed, PartnerState,
    StateSet, Terms, TermsSet,
};

impl Operator {
    /// Admits a partner.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn create_partner(&self, create: CreatePartner) -> Result<Outcome<PartnerCreated>, Error> {
        let call = call!(PartnerServiceClient::create_partner);
        self.client.write(create, to_create_partner, call, FromWire::read).await
    }

    /// Makes a new version of a partner's terms.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_terms(&self, set: SetTerms) -> Result<Outcome<TermsSet>, Error> {
        let call = call!(PartnerServiceClient::set_terms);
        self.client.write(set, to_set_terms, call, FromWire::read).await
    }

    /// Restricts or suspends a partner, or lets it act again.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_partner_state(&self, set: SetPartnerState) -> Result<Outcome<StateSet>, Error> {
        let call = call!(PartnerServiceClient::set_partner_state);
        self.client.write(set, to_set_state, call, FromWire::read).await
    }

    /// Gives a partner another name for people.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn rename_partner(&self, rename: RenamePartner) -> Result<Outcome<PartnerRenamed>, Error> {
        let call = call!(PartnerServiceClient::rename_partner);
        self.client.write(rename, to_rename, call, FromWire::read).await
    }

    /// Sets the limits of a partner, all at once.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_limits(&self, set: SetLimits) -> Result<Outcome<LimitsSet>, Error> {
        let call = call!(PartnerServiceClient::set_limits);
        self.client.write(set, to_set_limits, call, FromWire::read).await
    }

    /// Lets a partner name another one as a funder of its issues, or withdraws that.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_funding_consent(&self, set: SetFundingConsent) -> Result<Outcome<ConsentSet>, Error> {
        let call = call!(PartnerServiceClient::set_funding_consent);
        self.client.write(set, to_set_consent, call, FromWire::read).await
    }

    /// The partners, by id.
    pub fn partners(&self) -> Pages<Partner> {
        self.client.pages(
            |page_token| v1::ListPartnersRequest { page_size: PAGE_SIZE, page_token },
            call!(PartnerServiceClient::list_partners),
            |answer| Ok((each(answer.partners)?, answer.next_page_token)),
        )
    }
}

/// Admits a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CreatePartner {
    request_id: Option<RequestId>,
    partner_id: String,
    display_name: String,
    terms: TermsChange,
    limits: PartnerLimits,
    no_default_limits: bool,
}

impl CreatePartner {
    /// With this id: 1 to 31 characters of `[A-Za-z0-9_-]`, the first of them a letter; none that a spreadsheet takes for a
    /// date or a truth value, and none of the house's own names.
    pub fn new(partner_id: impl Into<String>) -> Self {
        Self {
            request_id: None,
            partner_id: partner_id.into(),
            display_name: String::new(),
            terms: TermsChange::none(),
            limits: PartnerLimits::none(),
            no_default_limits: false,
        }
    }

    /// Its name for people. Default: its id.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// Its terms, where they are not the coalition's defaults.
    pub fn terms(mut self, terms: TermsChange) -> Self {
        self.terms = terms;
        self
    }

    /// What it may do at the most. A limit that is not set is the coalition's default for new partners, if it has one.
    pub fn limits(mut self, limits: PartnerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What its limits leave out is no limit instead of the coalition's default.
    pub fn without_default_limits(mut self) -> Self {
        self.no_default_limits = true;
        self
    }
}

/// Sets the limits of a partner, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetLimits {
    request_id: Option<RequestId>,
    partner_id: String,
    limits: PartnerLimits,
}

impl SetLimits {
    /// Of this partner; they take the place of all there were.
    pub fn of(partner_id: impl Into<String>, limits: PartnerLimits) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), limits }
    }
}

/// Lets a partner name another one as a funder of its issues, or withdraws that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetFundingConsent {
    request_id: Option<RequestId>,
    funder_id: String,
    partner_id: String,
    given: bool,
    budget_points: Option<i64>,
}

impl SetFundingConsent {
    /// `partner_id` may name `funder_id`.
    pub fn give(funder_id: impl Into<String>, partner_id: impl Into<String>) -> Self {
        let (funder_id, partner_id) = (funder_id.into(), partner_id.into());
        Self { request_id: None, funder_id, partner_id, given: true, budget_points: None }
    }

    /// `partner_id` may not name `funder_id` any more.
    pub fn withdraw(funder_id: impl Into<String>, partner_id: impl Into<String>) -> Self {
        Self { given: false, ..Self::give(funder_id, partner_id) }
    }

    /// For so many points in all. Default: any number.
    pub fn budget(mut self, points: i64) -> Self {
        self.budget_points = Some(points);
        self
    }
}

/// Makes a new version of a partner's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetTerms {
    request_id: Option<RequestId>,
    partner_id: String,
    terms: TermsChange,
    effective_time: Option<SystemTime>,
}

impl SetTerms {
    /// Of this partner.
    pub fn of(partner_id: impl Into<String>, terms: TermsChange) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), terms, effective_time: None }
    }

    /// From when on. Default: at once.
    pub fn effective(mut self, time: SystemTime) -> Self {
        self.effective_time = Some(time);
        self
    }
}

/// Restricts or suspends a partner, or lets it act again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetPartnerState {
    request_id: Option<RequestId>,
    partner_id: String,
    state: PartnerState,
}

impl SetPartnerState {
    /// Of this partner.
    pub fn of(partner_id: impl Into<String>, state: PartnerState) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), state }
    }
}

/// Gives a partner another name for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RenamePartner {
    request_id: Option<RequestId>,
    partner_id: String,
    display_name: String,
}

impl RenamePartner {
    /// This partner, so: 1 to 100 characters.
    pub fn to(partner_id: impl Into<String>, display_name: impl Into<String>) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), display_name: display_name.into() }
    }
}

keyed!(CreatePartner, SetLimits, SetFundingConsent, SetTerms, SetPartnerState, RenamePartner);

fn to_create_partner(create: &CreatePartner) -> v1::CreatePartnerRequest {
    v1::CreatePartnerRequest {
        request_id: key(create.request_id),
        partner_id: create.partner_id.clone(),
        display_name: create.display_name.clone(),
        terms: Some(to_terms(&create.terms)),
        limits: Some(to_limits(&create.limits)),
        no_default_limits: create.no_default_limits,
    }
}

fn to_set_limits(set: &SetLimits) -> v1::SetLimitsRequest {
    v1::SetLimitsRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        limits: Some(to_limits(&set.limits)),
    }
}

fn to_set_consent(set: &SetFundingConsent) -> v1::SetFundingConsentRequest {
    v1::SetFundingConsentRequest {
        request_id: key(set.request_id),
        funder_id: set.funder_id.clone(),
        partner_id: set.partner_id.clone(),
        given: set.given,
        budget_points: set.budget_points,
    }
}

fn to_set_terms(set: &SetTerms) -> v1::SetTermsRequest {
    v1::SetTermsRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        terms: Some(to_terms(&set.terms)),
        effective_time: set.effective_time.map(Timestamp::from),
    }
}

fn to_rename(rename: &RenamePartner) -> v1::RenamePartnerRequest {
    v1::RenamePartnerRequest {
        request_id: key(rename.request_id),
        partner_id: rename.partner_id.clone(),
        display_name: rename.display_name.clone(),
    }
}

fn to_set_state(set: &SetPartnerState) -> v1::SetPartnerStateRequest {
    v1::SetPartnerStateRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        state: set.state.to_wire(),
    }
}

fn to_limits(limits: &PartnerLimits) -> v1::PartnerLimits {
    v1::PartnerLimits {
        net_debit_cap: limits.net_debit_cap.map(decimal_text),
        outstanding_points: limits.outstanding_points,
        points_per_day: limits.points_per_day,
        points_per_member_per_day: limits.points_per_member_per_day,
        points_per_entry: limits.points_per_entry,
        transfer_points_per_entry: limits.transfer_points_per_entry,
        transfer_points_per_member_per_day: limits.transfer_points_per_member_per_day,
        redeem_points_per_member_per_day: limits.redeem_points_per_member_per_day,
        redeem_foreign_points_per_day: limits.redeem_foreign_points_per_day,
        cooling_seconds: limits.cooling_seconds,
    }
}
