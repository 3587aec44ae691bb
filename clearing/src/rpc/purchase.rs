//! PurchaseService: what a receipt takes and gives, as one.

use clearing_core::command::Command;
use clearing_core::facts::credential::Scope;
use clearing_core::facts::entry::EntryKind;
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::units::Points;
use clearing_proto::v1;
use clearing_proto::v1::purchase_service_server::PurchaseService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View, from_money};
use crate::rpc::errors::invalid;
use crate::rpc::hold::released;
use crate::rpc::opaque::Opaque;
use crate::rpc::redemption::{AcceptorMoney, acceptor_money, taken};
use crate::rpc::written::{from_figures, from_written, member_reply, of_kind};
use crate::rpc::{Context, auth, issue};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl PurchaseService for Service {
    async fn post_purchase(
        &self,
        request: Request<v1::PostPurchaseRequest>,
    ) -> Result<Response<v1::PostPurchaseResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::PostPurchaseRequest { request_id, member, spend: spent, earn: earned, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let spend = spent.map(|spent| spend(spent, &self.0.opaque)).transpose()?;
        let earn =
            earned.map(|earn| issue::earn("earn.", earn.points, earn.expire_time, earn.activate_time, earn.funders));
        let earn = earn.transpose()?;
        if spend.is_some() {
            auth::check_allows(Scope::Accept)?;
        }
        let earned_points = earn.as_ref().map_or(0, |earn| earn.points.0);
        let command = Command::PostPurchase(PostPurchase { member, spend, earn });
        let written = self.0.ask(asker, &request_id, origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let spent = of_kind(&written, EntryKind::is_redemption);
        let money = spent.map_or(AcceptorMoney::NONE, |spent| acceptor_money(caller, &spent.entry));
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::PostPurchaseResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            redemption_entry_id: spent.map(|entry| self.0.opaque.entry(entry.id)),
            issue_entry_id: of_kind(&written, |kind| kind == EntryKind::Issue)
                .map(|entry| self.0.opaque.entry(entry.id)),
            spent_points: taken(spent).0,
            earned_points,
            released_points: spent.map_or(0, |spent| released(&spent.entry).0),
            fee: from_money(money.fee, coalition),
            acceptor_credit: from_money(money.credit, coalition),
        }))
    }

    async fn return_purchase(
        &self,
        request: Request<v1::ReturnPurchaseRequest>,
    ) -> Result<Response<v1::ReturnPurchaseResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let wire = request.into_inner();
        let entry = |field: &str, text: &str| match text {
            "" => Ok(None),
            text => self.0.opaque.read_entry(field, text).map(Some),
        };
        let redemption = entry("redemption_entry_id", &wire.redemption_entry_id)?;
        let issue = entry("issue_entry_id", &wire.issue_entry_id)?;
        let house = self.0.house();
        let amount = |field: &str, money: Option<v1::Money>| {
            let money = money.ok_or_else(|| invalid(field, "is missing"))?;
            convert::money(field, &money, &house.coalition)
        };
        let total = amount("receipt_total", wire.receipt_total)?;
        let returned = amount("returned_amount", wire.returned_amount)?;
        if returned.0 <= 0 || returned > total {
            let (returned, total) = (house.coalition.money_text(returned), house.coalition.money_text(total));
            let problem = format!("{returned} is not above zero and up to the receipt's total of {total}");
            return Err(invalid("returned_amount", problem));
        }
        let command = Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount: returned, total });
        let written = self.0.ask(asker, &wire.request_id, wire.origin, command).await?;
        let reply = member_reply(&written, caller, &self.0)?;
        let returned = of_kind(&written, |kind| kind == EntryKind::Return);
        let money = returned.map_or(AcceptorMoney::NONE, |entry| acceptor_money(caller, &entry.entry)).opposite();
        let done = reply.reversed.unwrap_or_default();
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::ReturnPurchaseResponse {
            written: Some(from_written(&written, View::Part(caller), &self.0.opaque)),
            member: Some(from_figures(reply)),
            returned_points: -taken(returned).0,
            returnable_points: reply.returnable.0,
            taken_back_points: done.taken_back.0,
            written_off_points: done.written_off.0,
            debt_points: done.debt.0,
            fee_refund: from_money(money.fee, coalition),
            acceptor_debit: from_money(money.credit, coalition),
        }))
    }
}

fn spend(wire: v1::PurchaseSpend, opaque: &Opaque) -> Result<Spend, Status> {
    use v1::purchase_spend::Source;
    match wire.source {
        None => Err(invalid("spend.source", "is missing: give redeem_points or a capture")),
        // How many it may be is a question to the rules.
        Some(Source::RedeemPoints(points)) => Ok(Spend::Redeem(Points(points))),
        Some(Source::Capture(v1::HoldCapture { hold_id, points })) => {
            Ok(Spend::Capture { hold: opaque.read_entry("spend.capture.hold_id", &hold_id)?, points: Points(points) })
        }
    }
}
