//! RedemptionService: points are taken as payment, and given back. What a redemption would do is in `quote`.

mod quote;

use clearing_core::chart::{MoneyAccount, Purpose};
use clearing_core::command::Command;
use clearing_core::facts::entry::{Entry, JournalEntry};
use clearing_core::facts::terms::FeeBearer;
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::units::{Money, PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::redemption_service_server::RedemptionService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View};
use crate::rpc::written::{first_entry, from_figures, from_written, member_reply};
use crate::rpc::{Context, auth};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl RedemptionService for Service {
    async fn quote_redemption(
        &self,
        request: Request<v1::QuoteRedemptionRequest>,
    ) -> Result<Response<v1::QuoteRedemptionResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        self.0.quote(caller, request.into_inner()).await.map(Response::new)
    }

    async fn redeem_points(
        &self,
        request: Request<v1::RedeemPointsRequest>,
    ) -> Result<Response<v1::RedeemPointsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::RedeemPointsRequest { request_id, member, points, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let command = Command::RedeemPoints(RedeemPoints { member, points: Points(points) });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let money = acceptor_money(caller, &first_entry(&written)?.entry);
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::RedeemPointsResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            fee: convert::from_money(money.fee, coalition),
            acceptor_credit: convert::from_money(money.credit, coalition),
        }))
    }

    async fn return_redemption(
        &self,
        request: Request<v1::ReturnRedemptionRequest>,
    ) -> Result<Response<v1::ReturnRedemptionResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::ReturnRedemptionRequest { request_id, redemption_entry_id, points, origin } = request.into_inner();
        let redemption = self.0.opaque.read_entry("redemption_entry_id", &redemption_entry_id)?;
        let command = Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(points) });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let money = acceptor_money(caller, &first_entry(&written)?.entry).opposite();
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::ReturnRedemptionResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            returnable_points: reply.returnable.0,
            fee_refund: convert::from_money(money.fee, coalition),
            acceptor_debit: convert::from_money(money.credit, coalition),
        }))
    }
}

/// What a redemption or return did to the acceptor's position, from its own postings.
pub(super) struct AcceptorMoney {
    /// The fee that the acceptor bears; below zero for a refund.
    pub fee: Money,
    /// The reimbursement less that fee; below zero for a return.
    pub credit: Money,
}

impl AcceptorMoney {
    /// Of an operation that took nothing and gave nothing back.
    pub const NONE: Self = Self { fee: Money::ZERO, credit: Money::ZERO };

    /// Of a return, as positive amounts.
    pub fn opposite(self) -> Self {
        Self { fee: Money(-self.fee.0), credit: Money(-self.credit.0) }
    }
}

pub(super) fn acceptor_money(acceptor: PartnerId, entry: &Entry) -> AcceptorMoney {
    let bears = entry.redemption().filter(|facts| facts.fee_bearer == FeeBearer::Acceptor);
    let fee = bears.map_or(Money::ZERO, |facts| facts.fee);
    let own = entry
        .money
        .iter()
        .filter(|posting| posting.account == MoneyAccount::Position(acceptor) && posting.purpose == Purpose::Reward);
    let reward: i64 = own.map(|posting| posting.amount.0).sum();
    AcceptorMoney { fee, credit: Money(reward - fee.0) }
}

/// The points that a redemption took, below zero for a return.
pub(super) fn taken(entry: Option<&JournalEntry>) -> Points {
    let facts = entry.and_then(|written| written.entry.redemption());
    facts.map_or(Points::ZERO, |facts| facts.points)
}
