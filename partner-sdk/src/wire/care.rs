//! Limits, consents, and what the operator does to the points of single members.

use super::{decimal_text, key, to_member};
use crate::care::{DecayMembers, ExtendExpiry, ReinstatePoints, RunDecay, WriteOffDebt};
use crate::limits::PartnerLimits;
use crate::operator::{SetFundingConsent, SetLimits};
use clearing_proto::v1;
use prost_types::Timestamp;

pub(crate) fn to_limits(limits: &PartnerLimits) -> v1::PartnerLimits {
    v1::PartnerLimits {
        net_debit_cap: limits.net_debit_cap.map(decimal_text),
        outstanding_points: limits.outstanding_points,
        points_per_day: limits.points_per_day,
        points_per_member_per_day: limits.points_per_member_per_day,
        points_per_entry: limits.points_per_entry,
        transfer_points_per_entry: limits.transfer_points_per_entry,
        transfer_points_per_member_per_day: limits.transfer_points_per_member_per_day,
        cooling_seconds: limits.cooling_seconds,
    }
}

pub(crate) fn to_set_limits(set: &SetLimits) -> v1::SetLimitsRequest {
    v1::SetLimitsRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        limits: Some(to_limits(&set.limits)),
    }
}

pub(crate) fn to_set_consent(set: &SetFundingConsent) -> v1::SetFundingConsentRequest {
    v1::SetFundingConsentRequest {
        request_id: key(set.request_id),
        funder_id: set.funder_id.clone(),
        partner_id: set.partner_id.clone(),
        given: set.given,
        budget_points: set.budget_points,
    }
}

pub(crate) fn to_run_decay(run: &RunDecay) -> v1::RunDecayRequest {
    v1::RunDecayRequest {
        request_id: key(run.request_id),
        member: Some(to_member(&run.member)),
        rate: decimal_text(run.rate),
        period: run.period.clone(),
    }
}

pub(crate) fn to_decay_members(decay: &DecayMembers, page_token: String) -> v1::DecayMembersRequest {
    v1::DecayMembersRequest {
        rate: decimal_text(decay.rate),
        period: decay.period.clone(),
        inactive_since_time: Some(Timestamp::from(decay.inactive_since)),
        page_size: decay.page_size,
        page_token,
    }
}

pub(crate) fn to_extend_expiry(extend: &ExtendExpiry) -> v1::ExtendExpiryRequest {
    v1::ExtendExpiryRequest {
        request_id: key(extend.request_id),
        member: Some(to_member(&extend.member)),
        issuer_id: extend.issuer_id.clone(),
        until_time: extend.until_time.map(Timestamp::from),
        expire_time: extend.expire_time.map(Timestamp::from),
        reason_code: extend.reason_code.clone(),
    }
}

pub(crate) fn to_reinstate(reinstate: &ReinstatePoints) -> v1::ReinstatePointsRequest {
    v1::ReinstatePointsRequest {
        request_id: key(reinstate.request_id),
        member: Some(to_member(&reinstate.member)),
        funder_id: reinstate.funder_id.clone(),
        points: reinstate.points,
        expire_time: reinstate.expire_time.map(Timestamp::from),
        reason_code: reinstate.reason_code.clone(),
    }
}

pub(crate) fn to_write_off(write_off: &WriteOffDebt) -> v1::WriteOffDebtRequest {
    v1::WriteOffDebtRequest {
        request_id: key(write_off.request_id),
        member: Some(to_member(&write_off.member)),
        creditor_id: write_off.creditor_id.clone(),
        points: write_off.points,
        reason_code: write_off.reason_code.clone(),
    }
}
