//! PartnerService: how the operator admits brands and sets their terms.

pub(super) mod cover;
mod legal;
pub(super) mod limits;
mod terms;

use clearing_core::command::Command;
use clearing_core::facts::answer::HouseReply;
use clearing_core::facts::bank_account::AccountState;
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::limits::Consent;
use clearing_core::facts::partner::{GroupId, Partner, PartnerState};
use clearing_core::facts::security::Security;
use clearing_core::facts::{Facts, PartnerFacts};
use clearing_core::rules::charge_schedule::SetCharges;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::legal::SetLegalRecord;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::{CreatePartner, RenamePartner, SetGroup, SetPartnerState};
use clearing_core::rules::security::SetCover;
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{PartnerId, Points, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::partner_service_server::PartnerService;
use tonic::{Request, Response, Status};

use crate::rpc::bank_account::{from_version, state_of, version_in_force};
use crate::rpc::convert::{View, from_timestamp};
use crate::rpc::errors::invalid;
use crate::rpc::settlement::{from_house, house_reply, recorded};
use crate::rpc::written::{first_entry, or_proposed};
use crate::rpc::{Context, auth, bounds, convert, errors, page_size};
use crate::writer::WriteError;
use cover::{from_charge, from_cover, read_charges, read_cover};
use legal::{from_legal, read_legal};
use limits::{from_consent, from_limit_uses, from_limits, partner_with_limits, read_limits};
use terms::{from_terms, terms_draft};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl PartnerService for Service {
    async fn create_partner(
        &self,
        request: Request<v1::CreatePartnerRequest>,
    ) -> Result<Response<v1::CreatePartnerResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::CreatePartnerRequest { request_id, partner_id, display_name, terms, limits, no_default_limits } =
            request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let terms = terms_draft(terms)?;
        let limits = read_limits(limits, &self.0.house().coalition)?;
        let state = PartnerState::Active;
        let command =
            Command::CreatePartner(CreatePartner { partner, display_name, terms, state, limits, no_default_limits });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, CreatePartnerResponse);
        house_reply(&written, &self.0)?;
        let PartnerFacts { partner: id, display_name, state, limits } = recorded(&written, Facts::created)?.clone();
        let terms = vec![recorded(&written, Facts::terms)?.terms.clone()];
        let created = Partner {
            id,
            display_name,
            state,
            suspended_in: None,
            terms,
            limits,
            group: None,
            state_no: 0,
            limits_no: 0,
            security: Security::default(),
        };
        let partner = from_partner(&created, first_entry(&written)?.entry.time, &written.house.coalition);
        Ok(Response::new(v1::CreatePartnerResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            partner: Some(partner),
        }))
    }

    async fn set_terms(&self, request: Request<v1::SetTermsRequest>) -> Result<Response<v1::SetTermsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetTermsRequest { request_id, partner_id, terms, effective_time } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let terms = terms_draft(terms)?;
        let effective = effective_time.map(|time| convert::timestamp("effective_time", time)).transpose()?;
        let command = Command::SetTerms(SetTerms { partner, terms, effective });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetTermsResponse);
        house_reply(&written, &self.0)?;
        let terms = &recorded(&written, Facts::terms)?.terms;
        Ok(Response::new(v1::SetTermsResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            terms: Some(from_terms(terms, &written.house.coalition)),
        }))
    }

    async fn set_partner_state(
        &self,
        request: Request<v1::SetPartnerStateRequest>,
    ) -> Result<Response<v1::SetPartnerStateResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetPartnerStateRequest { request_id, partner_id, state } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let state = partner_state(state)?;
        let command = Command::SetPartnerState(SetPartnerState { partner, state });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetPartnerStateResponse);
        house_reply(&written, &self.0)?;
        let before = recorded(&written, Facts::state)?.before;
        Ok(Response::new(v1::SetPartnerStateResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            previous_state: from_partner_state(before).into(),
            state: from_partner_state(state).into(),
        }))
    }

    async fn rename_partner(
        &self,
        request: Request<v1::RenamePartnerRequest>,
    ) -> Result<Response<v1::RenamePartnerResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::RenamePartnerRequest { request_id, partner_id, display_name } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let command = Command::RenamePartner(RenamePartner { partner, display_name });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, RenamePartnerResponse);
        house_reply(&written, &self.0)?;
        let renamed = recorded(&written, Facts::renamed)?.clone();
        Ok(Response::new(v1::RenamePartnerResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            previous_display_name: renamed.before,
            display_name: renamed.display_name,
        }))
    }

    async fn set_cover(&self, request: Request<v1::SetCoverRequest>) -> Result<Response<v1::SetCoverResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetCoverRequest { request_id, partner_id, cover } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let security = read_cover(cover, &self.0.house().coalition)?;
        let command = Command::SetCover(SetCover { partner, security });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetCoverResponse);
        house_reply(&written, &self.0)?;
        let set = recorded(&written, Facts::security)?;
        Ok(Response::new(v1::SetCoverResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            cover: Some(from_cover(&set.security, &written.house.coalition)),
        }))
    }

    async fn set_charges(
        &self,
        request: Request<v1::SetChargesRequest>,
    ) -> Result<Response<v1::SetChargesResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetChargesRequest { request_id, partner_id, charges } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let charges = read_charges(charges, &self.0.house().coalition)?;
        let command = Command::SetCharges(SetCharges { partner, charges });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetChargesResponse);
        house_reply(&written, &self.0)?;
        let set = recorded(&written, Facts::charges)?.charges.iter();
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::SetChargesResponse {
            charges: set.map(|(charge, next)| from_charge(charge, *next, coalition)).collect(),
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
        }))
    }

    async fn list_charges(
        &self,
        request: Request<v1::ListChargesRequest>,
    ) -> Result<Response<v1::ListChargesResponse>, Status> {
        auth::caller(&request)?;
        let partner: PartnerId = convert::id("partner_id", &request.into_inner().partner_id)?;
        let house = self.0.house();
        house.partner(partner).map_err(|rejection| errors::refused(&rejection))?;
        let found = self.0.store.charges_of(partner).await.map_err(|error| errors::of_store(&error))?;
        let charges = found.iter().filter(|known| known.next.is_some());
        let charges = charges.map(|known| from_charge(&known.charge, known.next, &house.coalition)).collect();
        Ok(Response::new(v1::ListChargesResponse { charges }))
    }

    async fn set_limits(
        &self,
        request: Request<v1::SetLimitsRequest>,
    ) -> Result<Response<v1::SetLimitsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetLimitsRequest { request_id, partner_id, limits } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        if limits.is_none() {
            return Err(errors::invalid("limits", "is missing; an empty message takes all limits away"));
        }
        let limits = read_limits(limits, &self.0.house().coalition)?;
        let command = Command::SetLimits(SetLimits { partner, limits });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetLimitsResponse);
        let HouseReply::Limits(used) = house_reply(&written, &self.0)? else {
            return Err(errors::of_write(&WriteError::Internal));
        };
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::SetLimitsResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            limits: Some(from_limits(&limits, coalition)),
            limit_uses: from_limit_uses(&limits, used, coalition),
        }))
    }

    async fn set_funding_consent(
        &self,
        request: Request<v1::SetFundingConsentRequest>,
    ) -> Result<Response<v1::SetFundingConsentResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetFundingConsentRequest { request_id, funder_id, partner_id, given, budget_points } =
            request.into_inner();
        let funder: PartnerId = convert::id("funder_id", &funder_id)?;
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let (granted, budget) = (Some(given), budget_points.map(Points));
        let command = Command::SetFundingConsent(SetFundingConsent { funder, partner, granted, budget });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetFundingConsentResponse);
        house_reply(&written, &self.0)?;
        let used = recorded(&written, Facts::consent)?.before.used;
        let consent = from_consent(funder, partner, &Consent { granted, budget, used }, &written.house.coalition);
        Ok(Response::new(v1::SetFundingConsentResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            consent: Some(consent),
        }))
    }

    async fn set_legal_record(
        &self,
        request: Request<v1::SetLegalRecordRequest>,
    ) -> Result<Response<v1::SetLegalRecordResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetLegalRecordRequest { request_id, partner_id, legal_record } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let command = Command::SetLegalRecord(SetLegalRecord { partner, legal: read_legal(legal_record)? });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetLegalRecordResponse);
        house_reply(&written, &self.0)?;
        let new = recorded(&written, Facts::legal)?;
        Ok(Response::new(v1::SetLegalRecordResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            legal_record: Some(from_legal(&new.legal)),
            previous_legal_record: new.before.as_ref().map(from_legal),
        }))
    }

    async fn set_group(&self, request: Request<v1::SetGroupRequest>) -> Result<Response<v1::SetGroupResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetGroupRequest { request_id, partner_id, group_id } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let group = (!group_id.is_empty()).then(|| convert::id("group_id", &group_id)).transpose()?;
        let command = Command::SetGroup(SetGroup { partner, group });
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetGroupResponse);
        house_reply(&written, &self.0)?;
        let new = *recorded(&written, Facts::group)?;
        let text = |group: Option<GroupId>| group.map(|group| group.to_string()).unwrap_or_default();
        Ok(Response::new(v1::SetGroupResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            group_id: text(new.group),
            previous_group_id: text(new.before),
        }))
    }

    async fn get_partner(
        &self,
        request: Request<v1::GetPartnerRequest>,
    ) -> Result<Response<v1::GetPartnerResponse>, Status> {
        auth::caller(&request)?;
        let id: PartnerId = convert::id("partner_id", &request.into_inner().partner_id)?;
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let partner = book.house.partner(id).map_err(|rejection| errors::refused(&rejection))?;
        let now = self.0.clock.now();
        let party = self.0.store.legal_party(id, now).await.map_err(|error| errors::of_store(&error))?;
        let (legal, accounts) = party;
        let in_force = version_in_force(&accounts, now);
        let shown = |wanted: AccountState| {
            let found = accounts.iter().find(|(version, known)| state_of(*version, known, in_force, now) == wanted);
            found.map(|(version, known)| from_version(id, *version, known, Some(wanted)))
        };
        let partner = v1::Partner {
            legal_record: legal.as_ref().map(from_legal),
            bank_account: shown(AccountState::InForce),
            pending_bank_account: shown(AccountState::Pending),
            ..partner_with_limits(partner, &book, now)
        };
        Ok(Response::new(v1::GetPartnerResponse { partner: Some(partner) }))
    }

    async fn list_partners(
        &self,
        request: Request<v1::ListPartnersRequest>,
    ) -> Result<Response<v1::ListPartnersResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListPartnersRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListPartners", &[]);
        let after = list.place(&page_token)?.unwrap_or_default();
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let now = self.0.clock.now();
        let following = book.house.partners.values().filter(|partner| partner.id.as_str() > after.as_str());
        let rows = following.map(|partner| partner_with_limits(partner, &book, now));
        let (partners, more) = bounds::page(rows, limit);
        let last = partners.last().filter(|_| more);
        Ok(Response::new(v1::ListPartnersResponse {
            next_page_token: last.map_or_else(String::new, |last| list.token(&last.partner_id)),
            partners,
        }))
    }
}

fn partner_state(state: i32) -> Result<PartnerState, Status> {
    match v1::PartnerState::try_from(state) {
        Ok(v1::PartnerState::Active) => Ok(PartnerState::Active),
        Ok(v1::PartnerState::Restricted) => Ok(PartnerState::Restricted),
        Ok(v1::PartnerState::Suspended) => Ok(PartnerState::Suspended),
        Ok(v1::PartnerState::Unspecified | v1::PartnerState::Exited) | Err(_) => {
            Err(invalid("state", format!("{state} cannot be set; give ACTIVE, RESTRICTED or SUSPENDED")))
        }
    }
}

fn from_partner_state(state: PartnerState) -> v1::PartnerState {
    match state {
        PartnerState::Active => v1::PartnerState::Active,
        PartnerState::Restricted => v1::PartnerState::Restricted,
        PartnerState::Suspended => v1::PartnerState::Suspended,
        PartnerState::Exited => v1::PartnerState::Exited,
    }
}

fn from_partner(partner: &Partner, now: Timestamp, coalition: &Coalition) -> v1::Partner {
    let current = partner.terms_at(now);
    let scheduled = partner.terms_from(now).filter(|terms| terms.version != current.version);
    v1::Partner {
        partner_id: partner.id.to_string(),
        display_name: partner.display_name.clone(),
        state: from_partner_state(partner.state).into(),
        terms: Some(from_terms(current, coalition)),
        scheduled_terms: scheduled.map(|terms| from_terms(terms, coalition)).collect(),
        create_time: partner.terms.first().and_then(|terms| from_timestamp(terms.effective)),
        limits: Some(from_limits(&partner.limits, coalition)),
        group_id: partner.group.map(|group| group.to_string()).unwrap_or_default(),
        ..v1::Partner::default()
    }
}
