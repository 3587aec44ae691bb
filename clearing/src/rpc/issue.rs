//! IssueService: points are given to members, one by one, in batches and over streams.

use std::pin::Pin;
use std::sync::Arc;

use clearing_core::command::{self, Command};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::units::{PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::issue_service_server::IssueService;
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::badges::SHOWN;
use crate::rpc::auth::Asker;
use crate::rpc::convert::{View, id, moment_or_none};
use crate::rpc::errors::invalid;
use crate::rpc::written::{from_figures, from_written, member_reply};
use crate::rpc::{BATCH_ITEMS_MAX, Context, auth, bounds, convert, errors};
use crate::writer::{WriteError, Written};

/// The service, in the house that it works for.
pub struct Service(pub Context);

type IssueStream = Pin<Box<dyn Stream<Item = Result<v1::StreamIssuePointsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl IssueService for Service {
    type StreamIssuePointsStream = IssueStream;

    async fn issue_points(
        &self,
        request: Request<v1::IssuePointsRequest>,
    ) -> Result<Response<v1::IssuePointsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let asked = self.issue_asked(asker, request.into_inner())?;
        let written = self.0.writer.ask(asked).await.map_err(|error| errors::of_write(&error))?;
        issue_response(caller, &written, &self.0).map(Response::new)
    }

    async fn batch_issue_points(
        &self,
        request: Request<v1::BatchIssuePointsRequest>,
    ) -> Result<Response<v1::BatchIssuePointsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let results = self.issue_all(asker, request.into_inner().items, Full::Refuses).await?;
        Ok(Response::new(v1::BatchIssuePointsResponse { results }))
    }

    async fn stream_issue_points(
        &self,
        request: Request<Streaming<v1::StreamIssuePointsRequest>>,
    ) -> Result<Response<IssueStream>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let service = Self(self.0.clone());
        // What streams runs when the call itself has been answered.
        let shown = SHOWN.try_with(Arc::clone).map_err(|_| errors::internal())?;
        // One batch at a time: a caller that does not read its answers is not read from either.
        let answers = request.into_inner().then(move |batch| {
            let (service, shown) = (Self(service.0.clone()), Arc::clone(&shown));
            async move {
                let v1::StreamIssuePointsRequest { batch_number, items } = batch?;
                let results = SHOWN.scope(shown, service.issue_all(asker, items, Full::Waits)).await?;
                Ok(v1::StreamIssuePointsResponse { batch_number, results })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Service {
    fn issue_asked(&self, asker: Asker, wire: v1::IssuePointsRequest) -> Result<command::Request, Status> {
        let v1::IssuePointsRequest { request_id, member, points, expire_time, origin, activate_time, funders } = wire;
        let member = convert::member(member, &self.0.identifier_key)?;
        let earn = earn("", points, expire_time, activate_time, funders)?;
        self.0.request(asker, &request_id, origin, Command::IssuePoints(IssuePoints { member, earn }))
    }

    /// Issues a batch; one bad item fails alone.
    async fn issue_all(
        &self,
        asker: Asker,
        items: Vec<v1::IssuePointsRequest>,
        full: Full,
    ) -> Result<Vec<v1::IssueResult>, Status> {
        if items.is_empty() || items.len() > BATCH_ITEMS_MAX {
            let problem = format!("{} items; a batch has 1 to {BATCH_ITEMS_MAX}", items.len());
            return Err(errors::invalid("items", problem));
        }
        let (mut good, mut read) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (at, item) in items.into_iter().enumerate() {
            let_others(at).await;
            read.push(self.issue_asked(asker, item).map(|asked| good.push(asked)));
        }
        // Known before anything is done: what was decided cannot be taken back for want of room in its answer.
        let mut lots = good.iter().map(lots_of);
        bounds::check_batch(read.iter().map(|item| item.as_ref().ok().and_then(|()| lots.next())))?;
        let answers = match full {
            Full::Refuses => self.0.writer.ask_batch(good).await.map_err(|error| errors::of_write(&error))?,
            Full::Waits => self.0.writer.ask_all(good).await,
        };
        let mut answers = answers.into_iter();
        let mut results = Vec::with_capacity(read.len());
        for (at, item) in read.into_iter().enumerate() {
            let_others(at).await;
            let result = item.and_then(|()| {
                let answer = answers.next().unwrap_or(Err(WriteError::ShuttingDown));
                let issued =
                    issue_response(asker.partner, &answer.map_err(|error| errors::of_write(&error))?, &self.0)?;
                Ok(bounds::without_what_can_be_looked_up(issued))
            });
            results.push(issue_result(result));
        }
        Ok(results)
    }
}

/// The lots that an issue makes at the most: one for each that funds it.
fn lots_of(asked: &command::Request) -> usize {
    if let Command::IssuePoints(issue) = &asked.command { issue.earn.funders.len().max(1) } else { 1 }
}

/// What becomes of a batch whose caller has too much waiting.
#[derive(Debug, Clone, Copy)]
enum Full {
    Refuses,
    /// A stream: its caller is not read from meanwhile.
    Waits,
}

/// Lines of a batch that are turned from or into messages before other calls have the thread for a moment.
const LINES_AT_ONCE: usize = 64;

async fn let_others(line: usize) {
    if line % LINES_AT_ONCE == LINES_AT_ONCE - 1 {
        tokio::task::yield_now().await;
    }
}

fn issue_response(caller: PartnerId, written: &Written, context: &Context) -> Result<v1::IssuePointsResponse, Status> {
    let reply = member_reply(written, caller, context)?;
    Ok(v1::IssuePointsResponse {
        member: Some(from_figures(reply)),
        written: Some(from_written(written, View::Part(caller), &context.opaque)),
    })
}

/// An item of a batch: issued, or why not.
pub fn issue_result(result: Result<v1::IssuePointsResponse, Status>) -> v1::IssueResult {
    use tonic_types::StatusExt;
    let result = match result {
        Ok(issued) => v1::issue_result::Result::Issued(issued),
        Err(status) => {
            let info = status.get_details_error_info();
            let (reason, domain, metadata) =
                info.map_or_else(Default::default, |info| (info.reason, info.domain, info.metadata));
            v1::issue_result::Result::Error(bounds::item_error(v1::ItemError {
                code: status.code().into(),
                reason,
                domain,
                message: status.message().to_owned(),
                metadata: metadata.into_iter().collect(),
                retry_delay: status
                    .get_details_retry_info()
                    .and_then(|retry| retry.retry_delay)
                    .and_then(|delay| prost_types::Duration::try_from(delay).ok()),
            }))
        }
    };
    v1::IssueResult { result: Some(result) }
}

fn funders(field: &str, wire: Vec<v1::Funder>) -> Result<Vec<(PartnerId, u32)>, Status> {
    let funder = |(at, funder): (usize, v1::Funder)| {
        let field = format!("{field}[{at}]");
        let partner: PartnerId = id(&format!("{field}.partner_id"), &funder.partner_id)?;
        let weight = u32::try_from(funder.weight).ok().filter(|weight| *weight > 0);
        let problem =
            || invalid(&format!("{field}.weight"), format!("{} is not from 1 to {}", funder.weight, u32::MAX));
        Ok((partner, weight.ok_or_else(problem)?))
    };
    wire.into_iter().enumerate().map(funder).collect()
}

/// What is to be issued, as the fields of a message behind `prefix` name it.
pub(super) fn earn(
    prefix: &str,
    points: i64,
    expires: Option<prost_types::Timestamp>,
    activates: Option<prost_types::Timestamp>,
    wire: Vec<v1::Funder>,
) -> Result<Earn, Status> {
    Ok(Earn {
        points: Points(points),
        expires: moment_or_none(&format!("{prefix}expire_time"), expires)?,
        activates: moment_or_none(&format!("{prefix}activate_time"), activates)?,
        funders: funders(&format!("{prefix}funders"), wire)?,
    })
}
