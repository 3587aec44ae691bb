//! InfoService: what a client may want to know before it starts.

use clearing_core::facts::coalition::{CLOCK_SKEW_SECONDS, House};
use clearing_core::facts::entry::LOTS_PER_ENTRY_MAX;
use clearing_core::units::{Points, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::info_service_server::InfoService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Caller;
use crate::rpc::convert::from_timestamp;
use crate::rpc::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Context, MESSAGE_BYTES_MAX, PAGE_SIZE_MAX, auth};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl InfoService for Service {
    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let caller = auth::caller(&request)?;
        let limits = Limits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            batch_bytes_max: BATCH_BYTES_MAX,
            batch_items_max: BATCH_ITEMS_MAX,
            lots_per_entry_max: LOTS_PER_ENTRY_MAX,
            page_size_max: PAGE_SIZE_MAX,
        };
        let info = server_info(&self.0.house(), limits, &caller, self.0.clock.now());
        let clock_stands_still = self.0.clock.is_manual();
        let endpoint = self.0.issuer.as_ref().map(|issuer| issuer.enrolment_endpoint().to_owned());
        let enrolment_endpoint = endpoint.unwrap_or_default();
        Ok(Response::new(v1::GetServerInfoResponse { clock_stands_still, enrolment_endpoint, ..info }))
    }
}

/// The limits of the server: see `rpc` for what each of them bounds.
#[derive(Debug, Clone, Copy)]
struct Limits {
    message_bytes_max: usize,
    batch_bytes_max: usize,
    batch_items_max: usize,
    lots_per_entry_max: usize,
    page_size_max: usize,
}

fn server_info(house: &House, limits: Limits, caller: &Caller, now: Timestamp) -> v1::GetServerInfoResponse {
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
        scale: coalition.scale,
        point_value: coalition.money_text(coalition.default_terms.value),
        time_zone: coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        disclose_issuers: coalition.disclose_issuers,
        server_time: from_timestamp(now),
        caller_id: caller.id().to_owned(),
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
        clock_stands_still: false,
        enrolment_endpoint: String::new(),
        notice_days: coalition.notice_days.iter().map(i32::from).collect(),
        proposal_days: i32::from(coalition.proposal_days),
        account_change_days: i32::from(coalition.account_change_days),
        care_points: coalition.care_points.0,
        person_id: if let Caller::Person(person, _) = caller { Some(person.to_string()) } else { None },
    }
}
