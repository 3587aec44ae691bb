//! RequestService: what is said of an earlier request.

use clearing_core::command::Command;
use clearing_core::facts::answer::{Abandoned, Reply};
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::units::RequestId;
use clearing_proto::v1;
use clearing_proto::v1::request_service_server::RequestService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View};
use crate::rpc::written::{accepted, from_written};
use crate::rpc::{Context, auth, errors};
use crate::writer::WriteError;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl RequestService for Service {
    async fn abandon_request(
        &self,
        request: Request<v1::AbandonRequestRequest>,
    ) -> Result<Response<v1::AbandonRequestResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::AbandonRequestRequest { request_id, abandoned_request_id, member, origin } = request.into_inner();
        let abandoned: RequestId = convert::id("abandoned_request_id", &abandoned_request_id)?;
        let member = member.map(|member| convert::member(Some(member), &self.0.identifier_key)).transpose()?;
        let command = Command::AbandonRequest(AbandonRequest { request: abandoned, member });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let outcome = match &accepted(&written, caller, &self.0)?.reply {
            Reply::Abandoned(outcome) => abandon_outcome(*outcome),
            Reply::Member(_) | Reply::House(_) => return Err(errors::of_write(&WriteError::Internal)),
        };
        Ok(Response::new(v1::AbandonRequestResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            outcome: outcome.into(),
        }))
    }
}

fn abandon_outcome(outcome: Abandoned) -> v1::AbandonOutcome {
    match outcome {
        Abandoned::Burned => v1::AbandonOutcome::BurnedUnseen,
        Abandoned::Undone => v1::AbandonOutcome::Undone,
        Abandoned::NoEffect => v1::AbandonOutcome::HadNoEffect,
        Abandoned::Already => v1::AbandonOutcome::AlreadyAbandoned,
    }
}
