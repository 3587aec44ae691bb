//! HoldService: points are reserved ahead of a payment, and taken or released.

use clearing_core::command::Command;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{Entry, JournalEntry};
use clearing_core::facts::hold::{Hold, HoldState};
use clearing_core::facts::terms::FeeBearer;
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::units::{Points, Rate, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::hold_service_server::HoldService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View, from_entry, from_money, from_timestamp};
use crate::rpc::opaque::Opaque;
use crate::rpc::redemption::acceptor_money;
use crate::rpc::written::{first_entry, from_figures, from_written, member_reply};
use crate::rpc::{Context, auth, errors};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl HoldService for Service {
    async fn authorize_redemption(
        &self,
        request: Request<v1::AuthorizeRedemptionRequest>,
    ) -> Result<Response<v1::AuthorizeRedemptionResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::AuthorizeRedemptionRequest { request_id, member, points, lapse_time, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let lapses = convert::moment("lapse_time", lapse_time)?;
        let command = Command::AuthorizeRedemption(AuthorizeRedemption { member, points: Points(points), lapses });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::AuthorizeRedemptionResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            hold_id: self.0.opaque.entry(first_entry(&written)?.id),
        }))
    }

    async fn capture_hold(
        &self,
        request: Request<v1::CaptureHoldRequest>,
    ) -> Result<Response<v1::CaptureHoldResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::CaptureHoldRequest { request_id, hold_id, points, origin } = request.into_inner();
        let hold = self.0.opaque.read_entry("hold_id", &hold_id)?;
        let command = Command::CaptureHold(CaptureHold { hold, points: Points(points) });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let entry = &first_entry(&written)?.entry;
        let money = acceptor_money(caller, entry);
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::CaptureHoldResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            released_points: released(entry).0,
            fee: from_money(money.fee, coalition),
            acceptor_credit: from_money(money.credit, coalition),
        }))
    }

    async fn void_hold(&self, request: Request<v1::VoidHoldRequest>) -> Result<Response<v1::VoidHoldResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::VoidHoldRequest { request_id, hold_id, origin } = request.into_inner();
        let hold = self.0.opaque.read_entry("hold_id", &hold_id)?;
        let written = self.0.ask(asker, &request_id, origin, Command::VoidHold(VoidHold { hold })).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::VoidHoldResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            released_points: released(&first_entry(&written)?.entry).0,
        }))
    }

    async fn get_hold(&self, request: Request<v1::GetHoldRequest>) -> Result<Response<v1::GetHoldResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let text = request.into_inner().hold_id;
        let id = self.0.opaque.read_entry("hold_id", &text)?;
        let unknown = || errors::not_found("hold", &text);
        let hold = self.0.store.hold(id).await.map_err(|error| errors::of_store(&error))?;
        // What another partner holds does not exist for the caller.
        let hold = hold.filter(|hold| hold.acceptor == caller).ok_or_else(unknown)?;
        let made = self.0.store.entry(id).await.map_err(|error| errors::of_store(&error))?.ok_or_else(unknown)?;
        let hold = from_hold(&hold, &made, self.0.clock.now(), &self.0.house(), &self.0.opaque);
        Ok(Response::new(v1::GetHoldResponse { hold: Some(hold) }))
    }
}

/// The points of a hold that became available again.
pub(super) fn released(entry: &Entry) -> Points {
    Points(entry.lots.iter().filter(|moved| moved.held.0 < 0).map(|moved| moved.points.0).sum())
}

/// A hold as its acceptor sees it, with the entry that made it. One whose time is over has lapsed, although it may not
/// be posted yet.
fn from_hold(hold: &Hold, made: &JournalEntry, now: Timestamp, house: &House, opaque: &Opaque) -> v1::Hold {
    let coalition = &house.coalition;
    let state = match hold.state {
        HoldState::Open if hold.facts.lapses <= now => v1::HoldState::Lapsed,
        HoldState::Open => v1::HoldState::Open,
        HoldState::Captured => v1::HoldState::Captured,
        HoldState::Voided => v1::HoldState::Voided,
        HoldState::Lapsed => v1::HoldState::Lapsed,
    };
    let fee = match hold.facts.fee_bearer {
        FeeBearer::Acceptor => hold.facts.fee_rate,
        FeeBearer::Issuer => Rate::ZERO,
    };
    let entry = from_entry(made.id, &made.entry, View::Part(hold.acceptor), house, opaque);
    v1::Hold {
        hold_id: opaque.entry(hold.id),
        state: state.into(),
        member_id: hold.member.to_string(),
        points: hold.facts.points.0,
        captured_points: hold.captured.0,
        authorize_time: entry.entry_time,
        lapse_time: from_timestamp(hold.facts.lapses),
        lots: entry.lots,
        reimbursement: from_money(hold.facts.reimbursement, coalition),
        acceptance_fee: fee.decimal().to_string(),
    }
}
