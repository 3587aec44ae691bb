//! Limits, consents, and what the operator does to the points of single members.

use super::{decimal, decimal_text, each, entries, entry_there, key, next_expiry, some, there, to_member};
use crate::care::{
    DebtWrittenOff, DecayMembers, Decayed, ExpiryExtended, ExtendExpiry, MembersDecayed, PointsReinstated,
    ReinstatePoints, RunDecay, WriteOffDebt,
};
use crate::error::Error;
use crate::limits::{FundingConsent, LimitUse, PartnerLimits};
use crate::operator::{ConsentSet, LimitsSet, SetFundingConsent, SetLimits};
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

pub(crate) fn limits(limits: v1::PartnerLimits) -> Result<PartnerLimits, Error> {
    Ok(PartnerLimits {
        net_debit_cap: limits.net_debit_cap.map(|cap| decimal(&cap, "net_debit_cap")).transpose()?,
        outstanding_points: limits.outstanding_points,
        points_per_day: limits.points_per_day,
        points_per_member_per_day: limits.points_per_member_per_day,
        points_per_entry: limits.points_per_entry,
        transfer_points_per_entry: limits.transfer_points_per_entry,
        transfer_points_per_member_per_day: limits.transfer_points_per_member_per_day,
        cooling_seconds: limits.cooling_seconds,
    })
}

pub(crate) fn limit_uses(all: Vec<v1::LimitUse>) -> Result<Vec<LimitUse>, Error> {
    each(all, |one| {
        Ok(LimitUse {
            used: decimal(&one.used, "used")?,
            maximum: decimal(&one.maximum, "maximum")?,
            limit: one.limit,
            alarm: one.alarm,
        })
    })
}

pub(crate) fn consent(consent: v1::FundingConsent) -> FundingConsent {
    FundingConsent {
        funder_id: consent.funder_id,
        partner_id: consent.partner_id,
        given: consent.given,
        budget_points: consent.budget_points,
        used_points: consent.used_points,
    }
}

pub(crate) fn to_set_limits(set: &SetLimits) -> v1::SetLimitsRequest {
    v1::SetLimitsRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        limits: Some(to_limits(&set.limits)),
    }
}

pub(crate) fn limits_set(answer: v1::SetLimitsResponse) -> Result<LimitsSet, Error> {
    Ok(LimitsSet {
        limits: limits(there(answer.limits, "limits")?)?,
        limit_uses: limit_uses(answer.limit_uses)?,
        replayed: answer.replayed,
    })
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

pub(crate) fn consent_set(answer: v1::SetFundingConsentResponse) -> Result<ConsentSet, Error> {
    Ok(ConsentSet { consent: consent(there(answer.consent, "consent")?), replayed: answer.replayed })
}

pub(crate) fn to_run_decay(run: &RunDecay) -> v1::RunDecayRequest {
    v1::RunDecayRequest {
        request_id: key(run.request_id),
        member: Some(to_member(&run.member)),
        rate: decimal_text(run.rate),
        period: run.period.clone(),
    }
}

pub(crate) fn decayed(answer: v1::RunDecayResponse) -> Result<Decayed, Error> {
    Ok(Decayed {
        entries: entries(answer.entries)?,
        member_id: answer.member_id,
        decayed_points: answer.decayed_points,
        available_points: answer.available_points,
        unfinished: answer.unfinished,
        replayed: answer.replayed,
    })
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

pub(crate) fn members_decayed(answer: v1::DecayMembersResponse) -> (MembersDecayed, Option<String>) {
    let v1::DecayMembersResponse { members, decayed_members, decayed_points, next_page_token } = answer;
    (MembersDecayed { members, decayed_members, decayed_points }, some(next_page_token))
}

pub(crate) fn to_extend_expiry(extend: &ExtendExpiry) -> v1::ExtendExpiryRequest {
    v1::ExtendExpiryRequest {
        request_id: key(extend.request_id),
        member: Some(to_member(&extend.member)),
        issuer_id: extend.issuer_id.clone(),
        until_time: extend.until_time.map(Timestamp::from),
        expires_time: extend.expires_time.map(Timestamp::from),
        reason_code: extend.reason_code.clone(),
    }
}

pub(crate) fn expiry_extended(answer: v1::ExtendExpiryResponse) -> Result<ExpiryExtended, Error> {
    Ok(ExpiryExtended {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn to_reinstate(reinstate: &ReinstatePoints) -> v1::ReinstatePointsRequest {
    v1::ReinstatePointsRequest {
        request_id: key(reinstate.request_id),
        member: Some(to_member(&reinstate.member)),
        funder_id: reinstate.funder_id.clone(),
        points: reinstate.points,
        expires_time: reinstate.expires_time.map(Timestamp::from),
        reason_code: reinstate.reason_code.clone(),
    }
}

pub(crate) fn reinstated(answer: v1::ReinstatePointsResponse) -> Result<PointsReinstated, Error> {
    Ok(PointsReinstated {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        available_points: answer.available_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
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

pub(crate) fn written_off(answer: v1::WriteOffDebtResponse) -> Result<DebtWrittenOff, Error> {
    Ok(DebtWrittenOff {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        written_off_points: answer.written_off_points,
        owed_points: answer.owed_points,
        replayed: answer.replayed,
    })
}
