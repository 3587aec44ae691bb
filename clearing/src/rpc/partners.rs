//! PartnerAdminService: how the operator admits brands and sets their terms.

use clearing_core::operation::Command;
use clearing_core::partners::{CreatePartner, SetFundingConsent, SetLimits, SetPartnerState, SetTerms};
use clearing_core::terms::{Partner, PartnerState, TermsDraft};
use clearing_core::units::{PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::partner_admin_service_server::PartnerAdminService;
use tonic::{Request, Response, Status};

use crate::rpc::settlement::house_reply;
use crate::rpc::{Context, auth, bounds, convert, errors, page_size};

/// See the module.
pub struct Service(pub Context);

#[tonic::async_trait]
impl PartnerAdminService for Service {
    async fn create_partner(
        &self,
        request: Request<v1::CreatePartnerRequest>,
    ) -> Result<Response<v1::CreatePartnerResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::CreatePartnerRequest { request_id, partner_id, display_name, terms, limits, no_default_limits } =
            request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let terms = convert::terms_draft(terms)?;
        let limits = convert::limits(limits, &self.0.house().coalition)?;
        let state = PartnerState::Active;
        let command =
            Command::CreatePartner(CreatePartner { partner, display_name, terms, state, limits, no_default_limits });
        let written = self.0.ask_house(caller, convert::request_id(&request_id)?, command).await?;
        let (replayed, _) = house_reply(&written)?;
        let partner = convert::from_partner(&self.partner(partner)?, self.0.clock.now(), &self.0.house().coalition);
        Ok(Response::new(v1::CreatePartnerResponse { partner: Some(partner), replayed }))
    }

    async fn set_terms(&self, request: Request<v1::SetTermsRequest>) -> Result<Response<v1::SetTermsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::SetTermsRequest { request_id, partner_id, terms, effective_time } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let terms = convert::terms_draft(terms)?;
        if terms == TermsDraft::default() {
            return Err(errors::invalid("terms", "changes nothing"));
        }
        let effective = effective_time.map(|time| convert::timestamp("effective_time", time)).transpose()?;
        let command = Command::SetTerms(SetTerms { partner, terms, effective });
        let written = self.0.ask_house(caller, convert::request_id(&request_id)?, command).await?;
        let (replayed, reply) = house_reply(&written)?;
        let partner = self.partner(partner)?;
        let version = reply.terms.and_then(|version| partner.terms_version(version));
        let terms = version.map(|terms| convert::from_terms(terms, &self.0.house().coalition));
        Ok(Response::new(v1::SetTermsResponse { terms, replayed }))
    }

    async fn set_partner_state(
        &self,
        request: Request<v1::SetPartnerStateRequest>,
    ) -> Result<Response<v1::SetPartnerStateResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::SetPartnerStateRequest { request_id, partner_id, state } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let state = convert::partner_state(state)?;
        let command = Command::SetPartnerState(SetPartnerState { partner, state });
        let written = self.0.ask_house(caller, convert::request_id(&request_id)?, command).await?;
        let (replayed, reply) = house_reply(&written)?;
        Ok(Response::new(convert::partner_state_set(reply.previous_state.unwrap_or(state), state, replayed)))
    }

    async fn set_limits(
        &self,
        request: Request<v1::SetLimitsRequest>,
    ) -> Result<Response<v1::SetLimitsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::SetLimitsRequest { request_id, partner_id, limits } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        if limits.is_none() {
            return Err(errors::invalid("limits", "is missing; an empty message takes all limits away"));
        }
        let limits = convert::limits(limits, &self.0.house().coalition)?;
        let command = Command::SetLimits(SetLimits { partner, limits });
        let written = self.0.ask_house(caller, convert::request_id(&request_id)?, command).await?;
        let (replayed, _) = house_reply(&written)?;
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let partner = self.partner(partner)?;
        Ok(Response::new(v1::SetLimitsResponse {
            limits: Some(convert::from_limits(&limits, &book.house.coalition)),
            limit_uses: convert::from_limit_uses(&partner, &book, self.0.clock.now()),
            replayed,
        }))
    }

    async fn set_funding_consent(
        &self,
        request: Request<v1::SetFundingConsentRequest>,
    ) -> Result<Response<v1::SetFundingConsentResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::SetFundingConsentRequest { request_id, funder_id, partner_id, given, budget_points } =
            request.into_inner();
        let funder: PartnerId = convert::id("funder_id", &funder_id)?;
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        if funder == partner {
            return Err(errors::invalid("funder_id", "needs no consent of its own"));
        }
        if let Some(budget) = budget_points.filter(|budget| *budget < 0) {
            return Err(errors::invalid("budget_points", format!("{budget} is below zero")));
        }
        let (granted, budget) = (Some(given), budget_points.map(Points));
        let command = Command::SetFundingConsent(SetFundingConsent { funder, partner, granted, budget });
        let written = self.0.ask_house(caller, convert::request_id(&request_id)?, command).await?;
        let (replayed, _) = house_reply(&written)?;
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let consent = book.consents.get(&(funder, partner)).copied().unwrap_or_default();
        let consent = convert::from_consent(funder, partner, &consent, &book.house.coalition);
        Ok(Response::new(v1::SetFundingConsentResponse { consent: Some(consent), replayed }))
    }

    async fn list_partners(
        &self,
        request: Request<v1::ListPartnersRequest>,
    ) -> Result<Response<v1::ListPartnersResponse>, Status> {
        const LIST: &[&str] = &["ListPartners"];
        let v1::ListPartnersRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let after = convert::page_place(LIST, &page_token)?.unwrap_or_default();
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let now = self.0.clock.now();
        let following = book.house.partners.values().filter(|partner| partner.id.as_str() > after);
        let rows = following.map(|partner| convert::partner_with_limits(partner, &book, now));
        let (partners, more) = bounds::page(rows, limit);
        let last = partners.last().filter(|_| more);
        Ok(Response::new(v1::ListPartnersResponse {
            next_page_token: last.map_or_else(String::new, |last| convert::page_token(LIST, &last.partner_id)),
            partners,
        }))
    }
}

impl Service {
    fn partner(&self, id: PartnerId) -> Result<Partner, Status> {
        let house = self.0.house();
        house.partners.get(&id).cloned().ok_or_else(|| errors::not_found("partner", id))
    }
}
