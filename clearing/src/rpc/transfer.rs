//! TransferService: points move from member to member.

use clearing_core::command::Command;
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::Points;
use clearing_proto::v1;
use clearing_proto::v1::transfer_service_server::TransferService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View};
use crate::rpc::written::{first_entry, from_figures, from_written, member_reply};
use crate::rpc::{Context, auth};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl TransferService for Service {
    async fn transfer_points(
        &self,
        request: Request<v1::TransferPointsRequest>,
    ) -> Result<Response<v1::TransferPointsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::TransferPointsRequest { request_id, member, to_member, points, origin, enrol_receiver } =
            request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let to = convert::member_in("to_member", to_member, &self.0.identifier_key)?;
        let command = Command::TransferPoints(TransferPoints { member, to, points: Points(points), enrol_receiver });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let lots = &first_entry(&written)?.entry.lots;
        let receiver = lots.iter().find(|moved| moved.birth.is_some()).map(|moved| moved.lot.member);
        Ok(Response::new(v1::TransferPointsResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            to_member_id: receiver.map_or_else(String::new, |member| member.to_string()),
        }))
    }
}
