//! Limits of partners, how much of them is used, and consents of funders, between the wire and the rules.

use clearing_core::book::Book;
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::limits::{Consent, Limits, LimitsUsed};
use clearing_core::facts::partner::Partner;
use clearing_core::rules::limits::LimitUse;
use clearing_core::units::{Money, PartnerId, Points, Timestamp};
use clearing_proto::v1;
use tonic::Status;

use super::from_partner;
use crate::rpc::errors::invalid;

pub(in crate::rpc) fn read_limits(wire: Option<v1::PartnerLimits>, coalition: &Coalition) -> Result<Limits, Status> {
    let Some(wire) = wire else { return Ok(Limits::default()) };
    let cap = wire
        .net_debit_cap
        .map(|text| Money::read(&text, coalition.scale).map_err(|problem| invalid("limits.net_debit_cap", problem)));
    let cooling = wire.cooling_seconds.map(|seconds| {
        let fits = u32::try_from(seconds);
        fits.map_err(|_| invalid("limits.cooling_seconds", format!("{seconds} is not from 0 to {}", u32::MAX)))
    });
    // Whether the others are below zero is a question to the rules.
    Ok(Limits {
        net_debit_cap: cap.transpose()?,
        outstanding_points: wire.outstanding_points.map(Points),
        points_per_day: wire.points_per_day.map(Points),
        points_per_member_per_day: wire.points_per_member_per_day.map(Points),
        points_per_entry: wire.points_per_entry.map(Points),
        transfer_points_per_entry: wire.transfer_points_per_entry.map(Points),
        transfer_points_per_member_per_day: wire.transfer_points_per_member_per_day.map(Points),
        redeem_points_per_member_per_day: wire.redeem_points_per_member_per_day.map(Points),
        redeem_foreign_points_per_day: wire.redeem_foreign_points_per_day.map(Points),
        cooling_seconds: cooling.transpose()?,
    })
}

pub(in crate::rpc) fn from_limits(limits: &Limits, coalition: &Coalition) -> v1::PartnerLimits {
    let points = |limit: Option<Points>| limit.map(|points| points.0);
    v1::PartnerLimits {
        net_debit_cap: limits.net_debit_cap.map(|cap| coalition.money_text(cap)),
        outstanding_points: points(limits.outstanding_points),
        points_per_day: points(limits.points_per_day),
        points_per_member_per_day: points(limits.points_per_member_per_day),
        points_per_entry: points(limits.points_per_entry),
        transfer_points_per_entry: points(limits.transfer_points_per_entry),
        transfer_points_per_member_per_day: points(limits.transfer_points_per_member_per_day),
        redeem_points_per_member_per_day: points(limits.redeem_points_per_member_per_day),
        redeem_foreign_points_per_day: points(limits.redeem_foreign_points_per_day),
        cooling_seconds: limits.cooling_seconds.map(i64::from),
    }
}

/// How much of limits is used.
pub(in crate::rpc) fn from_limit_uses(limits: &Limits, used: &LimitsUsed, coalition: &Coalition) -> Vec<v1::LimitUse> {
    let uses = limits.uses(used).into_iter().map(|limit: LimitUse| {
        let [used, maximum] = limit.texts(coalition);
        v1::LimitUse { limit: limit.limit.to_owned(), used, maximum, alarm: limit.alarms() }
    });
    uses.collect()
}

/// A consent as it stands. Where nothing was said of it, it is the coalition's default.
pub(in crate::rpc) fn from_consent(
    funder: PartnerId,
    partner: PartnerId,
    consent: &Consent,
    coalition: &Coalition,
) -> v1::FundingConsent {
    v1::FundingConsent {
        funder_id: funder.to_string(),
        partner_id: partner.to_string(),
        given: consent.granted.unwrap_or(coalition.open_consents),
        budget_points: consent.budget.map(|budget| budget.0),
        used_points: consent.used.0,
    }
}

/// A partner as the operator's list shows it: with how much of its limits is used, and the consents it gave.
pub(in crate::rpc) fn partner_with_limits(partner: &Partner, book: &Book, now: Timestamp) -> v1::Partner {
    let coalition = &book.house.coalition;
    let used = book.used_of(partner.id, &partner.limits, now);
    let limit_uses = from_limit_uses(&partner.limits, &used, coalition);
    let consents = book.consents.iter().filter(|((funder, _), _)| *funder == partner.id);
    v1::Partner {
        alarm: limit_uses.iter().any(|used| used.alarm),
        limit_uses,
        consents: consents.map(|((funder, by), consent)| from_consent(*funder, *by, consent, coalition)).collect(),
        ..from_partner(partner, now, coalition)
    }
}
