//! The services of a baseline: issues, one by one, in batches and on streams, and a `GetBalance` that is empty.

use std::pin::Pin;
use std::sync::Arc;

use clearing::rpc::auth;
use clearing::rpc::issue::issue_result;
use clearing_core::units::PartnerId;
use clearing_proto::v1;
use clearing_proto::v1::issue_service_server::IssueService;
use clearing_proto::v1::member_service_server::MemberService;
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

/// How a baseline issues.
pub trait Issuer: Send + Sync + 'static {
    fn issue(
        &self,
        caller: PartnerId,
        request: v1::IssuePointsRequest,
    ) -> impl Future<Output = Result<v1::IssuePointsResponse, Status>> + Send;
}

/// The services of one baseline.
pub struct Service<I>(pub Arc<I>);

type IssueStream = Pin<Box<dyn Stream<Item = Result<v1::StreamIssuePointsResponse, Status>> + Send>>;

async fn issue_all<I: Issuer>(
    issuer: &I,
    caller: PartnerId,
    items: Vec<v1::IssuePointsRequest>,
) -> Vec<v1::IssueResult> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        results.push(issue_result(issuer.issue(caller, item).await));
    }
    results
}

#[tonic::async_trait]
impl<I: Issuer> IssueService for Service<I> {
    type StreamIssuePointsStream = IssueStream;

    async fn issue_points(
        &self,
        request: Request<v1::IssuePointsRequest>,
    ) -> Result<Response<v1::IssuePointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        self.0.issue(caller, request.into_inner()).await.map(Response::new)
    }

    async fn batch_issue_points(
        &self,
        request: Request<v1::BatchIssuePointsRequest>,
    ) -> Result<Response<v1::BatchIssuePointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let results = issue_all(&*self.0, caller, request.into_inner().items).await;
        Ok(Response::new(v1::BatchIssuePointsResponse { results }))
    }

    async fn stream_issue_points(
        &self,
        request: Request<Streaming<v1::StreamIssuePointsRequest>>,
    ) -> Result<Response<IssueStream>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let issuer = Arc::clone(&self.0);
        let answers = request.into_inner().then(move |batch| {
            let issuer = Arc::clone(&issuer);
            async move {
                let v1::StreamIssuePointsRequest { batch_number, items } = batch?;
                let results = issue_all(&*issuer, caller, items).await;
                Ok(v1::StreamIssuePointsResponse { batch_number, results })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A call with an empty message either way.
#[tonic::async_trait]
impl<I: Issuer> MemberService for Service<I> {
    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        auth::caller(&request)?.partner()?;
        Ok(Response::new(v1::GetBalanceResponse::default()))
    }
}
