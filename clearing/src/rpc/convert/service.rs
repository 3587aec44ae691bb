//! What the house says of itself: versions, limits, the sandbox's clock; and small answers on partners.

use clearing_core::terms::{CLOCK_SKEW_SECONDS, House, PartnerState};
use clearing_core::units::{Points, Timestamp};
use clearing_proto::v1;

use super::{from_partner_state, from_timestamp};
use crate::rpc::auth::Caller;
use crate::scheduler::{DueWork, DueWorkKind};

/// Pieces of due work that an answer lists.
const DUE_WORK_LISTED: usize = 1000;

/// The limits of the server: see `rpc` for what each of them bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub message_bytes_max: usize,
    pub batch_bytes_max: usize,
    pub batch_items_max: usize,
    pub lots_per_entry_max: usize,
    pub page_size_max: usize,
}

pub fn server_info(house: &House, limits: Limits, caller: &Caller, now: Timestamp) -> v1::GetServerInfoResponse {
    let coalition = &house.coalition;
    let large = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let small = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
    let seconds = |seconds: i64| prost_types::Duration { seconds, nanos: 0 };
    let retention = i64::from(coalition.key_retention_days);
    v1::GetServerInfoResponse {
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        api_version: "v1".to_owned(),
        coalition_id: coalition.id.clone(),
        currency_code: coalition.currency.to_string(),
        scale: i32::try_from(coalition.scale).unwrap_or(i32::MAX),
        point_value: coalition.money_text(coalition.default_terms.value),
        time_zone: coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        disclose_issuers: coalition.disclose_issuers,
        server_time: from_timestamp(now),
        caller_id: caller.name().to_owned(),
        limits: Some(v1::Limits {
            message_bytes_max: large(limits.message_bytes_max),
            batch_bytes_max: large(limits.batch_bytes_max),
            batch_items_max: small(limits.batch_items_max),
            // The partner's own limits may bind earlier.
            points_per_entry_max: Points::OPERATION_MAX.0,
            lots_per_entry_max: small(limits.lots_per_entry_max),
            page_size_max: small(limits.page_size_max),
            // Not set where keys are kept for ever.
            request_retention: (retention > 0).then(|| seconds(retention * 86_400)),
            clock_skew_max: Some(seconds(CLOCK_SKEW_SECONDS)),
        }),
        deprecations: Vec::new(),
    }
}

pub fn advanced(now: Timestamp, ran: &[DueWork]) -> v1::AdvanceClockResponse {
    let work = |work: &DueWork| {
        let (kind, window) = match work.kind {
            DueWorkKind::Close { window } => (v1::DueWorkKind::WindowClose, i64::from(window)),
            DueWorkKind::Expiry => (v1::DueWorkKind::Expiry, 0),
        };
        v1::DueWork {
            kind: kind.into(),
            due_time: from_timestamp(work.due),
            window,
            entry_ids: work.entries.iter().map(ToString::to_string).collect(),
        }
    };
    v1::AdvanceClockResponse {
        time: from_timestamp(now),
        ran: ran.iter().take(DUE_WORK_LISTED).map(work).collect(),
        ran_count: i64::try_from(ran.len()).unwrap_or(i64::MAX),
    }
}

pub fn partner_state_set(previous: PartnerState, state: PartnerState, replayed: bool) -> v1::SetPartnerStateResponse {
    v1::SetPartnerStateResponse {
        previous_state: from_partner_state(previous).into(),
        state: from_partner_state(state).into(),
        replayed,
    }
}
