//! The points service of a baseline: issues, one by one, in batches and on streams, and a `GetBalance` that is empty.

use std::pin::Pin;
use std::sync::Arc;

use clearing::rpc::auth;
use clearing::rpc::convert::issue_result;
use clearing_core::units::PartnerId;
use clearing_proto::v1;
use clearing_proto::v1::points_service_server::PointsService;
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

/// See the module.
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

/// Operations that no baseline has, as `async_trait` would write them.
macro_rules! not_measured {
    ($($operation:ident: $request:ident => $response:ident,)*) => {$(
        fn $operation<'life0, 'async_trait>(
            &'life0 self,
            _: Request<v1::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<v1::$response>, Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(std::future::ready(Err(Status::unimplemented("a baseline only issues"))))
        }
    )*};
}

#[tonic::async_trait]
impl<I: Issuer> PointsService for Service<I> {
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

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        auth::caller(&request)?.partner()?;
        Ok(Response::new(v1::GetBalanceResponse::default()))
    }

    not_measured! {
        quote_redemption: QuoteRedemptionRequest => QuoteRedemptionResponse,
        redeem_points: RedeemPointsRequest => RedeemPointsResponse,
        authorize_redemption: AuthorizeRedemptionRequest => AuthorizeRedemptionResponse,
        capture_hold: CaptureHoldRequest => CaptureHoldResponse,
        void_hold: VoidHoldRequest => VoidHoldResponse,
        get_hold: GetHoldRequest => GetHoldResponse,
        return_redemption: ReturnRedemptionRequest => ReturnRedemptionResponse,
        reverse_issue: ReverseIssueRequest => ReverseIssueResponse,
        post_purchase: PostPurchaseRequest => PostPurchaseResponse,
        return_purchase: ReturnPurchaseRequest => ReturnPurchaseResponse,
        transfer_points: TransferPointsRequest => TransferPointsResponse,
        abandon_request: AbandonRequestRequest => AbandonRequestResponse,
        get_entry: GetEntryRequest => GetEntryResponse,
        list_entries: ListEntriesRequest => ListEntriesResponse,
        find_receipt: FindReceiptRequest => FindReceiptResponse,
        reconcile_day: ReconcileDayRequest => ReconcileDayResponse,
        list_expiry_notices: ListExpiryNoticesRequest => ListExpiryNoticesResponse,
    }
}
