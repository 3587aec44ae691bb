//! ReversalService: issued points are taken back.

use clearing_core::command::Command;
use clearing_core::facts::receipt::Receipt;
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::units::{PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::reversal_service_server::ReversalService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{View, code_or_none, id, member_in, receipt_or_none};
use crate::rpc::errors::invalid;
use crate::rpc::written::{from_figures, from_written, member_reply};
use crate::rpc::{Context, auth};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl ReversalService for Service {
    async fn reverse_issue(
        &self,
        request: Request<v1::ReverseIssueRequest>,
    ) -> Result<Response<v1::ReverseIssueResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::ReverseIssueRequest { request_id, points, refuse_shortfall, origin, target } = request.into_inner();
        let target = reversal_target(target, caller, &self.0)?;
        let command = Command::ReverseIssue(ReverseIssue { target, points: Points(points), refuse_shortfall });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let done = reply.reversed.unwrap_or_default();
        Ok(Response::new(v1::ReverseIssueResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            taken_back_points: done.taken_back.0,
            written_off_points: done.written_off.0,
            debt_points: done.debt.0,
        }))
    }
}

fn reversal_target(
    target: Option<v1::reverse_issue_request::Target>,
    caller: PartnerId,
    context: &Context,
) -> Result<ReversalTarget, Status> {
    use v1::reverse_issue_request::Target;
    match target {
        None => Err(invalid("target", "is missing: give an issue_entry_id, a receipt or a newest_of_member")),
        Some(Target::IssueEntryId(text)) => {
            context.opaque.read_entry("issue_entry_id", &text).map(ReversalTarget::Entry)
        }
        Some(Target::NewestOfMember(member)) => {
            member_in("newest_of_member", Some(member), &context.identifier_key).map(ReversalTarget::Newest)
        }
        Some(Target::Receipt(v1::ReceiptRef { store, till, receipt_number, business_date })) => {
            Ok(ReversalTarget::Receipt(Receipt {
                partner: caller,
                store: code_or_none("receipt.store", &store)?,
                till: code_or_none("receipt.till", &till)?,
                date: id("receipt.business_date", &business_date)?,
                number: receipt_or_none("receipt.receipt_number", &receipt_number)?
                    .ok_or_else(|| invalid("receipt.receipt_number", "is missing"))?,
            }))
        }
    }
}
