//! A repeated request is told what it was told, whatever has changed since: every call with an effect, in the same process
//! and after a restart.

use std::collections::BTreeSet;
use std::pin::Pin;

use clearing_play::{BACKENDS, Wire};
use clearing_proto::v1;
use clearing_proto::v1::confirm_payment_request::Payment;
use clearing_proto::v1::reverse_issue_request::Target;
use prost::Message as _;
use prost_types::field_descriptor_proto::Type;

use super::{Wired, member_ref, reason, request_id, units, wire_time};

/// What somebody was told, and how to ask for it again.
struct Told {
    rpc: &'static str,
    caller: &'static str,
    first: String,
    again: Box<dyn Fn(Wire) -> Answering>,
}

/// What will be told.
type Answering = Pin<Box<dyn Future<Output = String>>>;

/// Asks for the first time, and gives the answer.
macro_rules! tell {
    ($house:ident, $told:ident, $caller:literal, $rpc:literal, $service:ident.$method:ident, $request:expr) => {{
        let request = $request;
        let answer = $house.by($caller).$service.$method(request.clone()).await.expect($rpc).into_inner();
        assert!(!answer.written.as_ref().unwrap().replayed, "{} is asked for the first time", $rpc);
        $told.push(Told {
            rpc: $rpc,
            caller: $caller,
            first: format!("{answer:#?}"),
            again: Box::new(move |wire: Wire| {
                let request = request.clone();
                Box::pin(async move {
                    let mut service = wire.$service;
                    let mut answer = service.$method(request).await.expect($rpc).into_inner();
                    let written = answer.written.as_mut().unwrap();
                    assert!(std::mem::take(&mut written.replayed), "{} is a repetition", $rpc);
                    format!("{answer:#?}")
                })
            }),
        });
        answer
    }};
}

/// Asks for a rejection for the first time.
macro_rules! refuse {
    ($house:ident, $told:ident, $caller:literal, $rpc:literal, $service:ident.$method:ident, $request:expr) => {{
        let request = $request;
        let refused = $house.by($caller).$service.$method(request.clone()).await.expect_err($rpc);
        $told.push(Told {
            rpc: $rpc,
            caller: $caller,
            first: shown(&refused),
            again: Box::new(move |wire: Wire| {
                let request = request.clone();
                Box::pin(async move {
                    let mut service = wire.$service;
                    shown(&service.$method(request).await.expect_err($rpc))
                })
            }),
        });
    }};
}

fn shown(refused: &tonic::Status) -> String {
    format!("{:?} {} {}", refused.code(), reason(refused), refused.message())
}

/// The results of items, and whether all of them are repetitions, or none is.
fn results(mut results: Vec<v1::IssueResult>, replayed: bool) -> String {
    for result in &mut results {
        let Some(v1::issue_result::Result::Issued(issued)) = &mut result.result else { panic!("{result:?}") };
        assert_eq!(std::mem::take(&mut issued.written.as_mut().unwrap().replayed), replayed);
    }
    format!("{results:#?}")
}

fn entry_id(written: &Option<v1::Written>) -> String {
    written.as_ref().unwrap().entries[0].entry_id.clone()
}

fn issue(card: &str, points: i64) -> v1::IssuePointsRequest {
    let (request_id, member) = (request_id(), member_ref(card));
    v1::IssuePointsRequest { request_id, member, points, ..v1::IssuePointsRequest::default() }
}

fn money(amount: &str) -> Option<v1::Money> {
    Some(v1::Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() })
}

fn terms(price: &str) -> Option<v1::TermsChange> {
    Some(v1::TermsChange { price: Some(price.to_owned()), ..v1::TermsChange::default() })
}

/// What tills ask.
async fn ask_points(house: &Wired, told: &mut Vec<Told>) {
    let first = tell!(house, told, "A", "IssuePoints", issues.issue_points, issue("p1", 1000));
    tell!(house, told, "A", "IssuePoints", issues.issue_points, issue("p3", 40));
    let redeem =
        v1::RedeemPointsRequest { request_id: request_id(), member: member_ref("p1"), points: 300, origin: None };
    let redeemed = tell!(house, told, "C", "RedeemPoints", redemptions.redeem_points, redeem);
    let back = v1::ReturnRedemptionRequest {
        request_id: request_id(),
        redemption_entry_id: entry_id(&redeemed.written),
        points: 50,
        origin: None,
    };
    tell!(house, told, "C", "ReturnRedemption", redemptions.return_redemption, back);
    let hold = || v1::AuthorizeRedemptionRequest {
        request_id: request_id(),
        member: member_ref("p1"),
        points: 60,
        lapse_time: Some(wire_time("2026-02-02T00:00:00Z")),
        origin: None,
    };
    let held = tell!(house, told, "C", "AuthorizeRedemption", holds.authorize_redemption, hold());
    let capture = v1::CaptureHoldRequest { request_id: request_id(), hold_id: held.hold_id, points: 40, origin: None };
    tell!(house, told, "C", "CaptureHold", holds.capture_hold, capture);
    let held = tell!(house, told, "C", "AuthorizeRedemption", holds.authorize_redemption, hold());
    let void = v1::VoidHoldRequest { request_id: request_id(), hold_id: held.hold_id, origin: None };
    tell!(house, told, "C", "VoidHold", holds.void_hold, void);
    let origin = v1::Origin {
        store: "s1".to_owned(),
        till: "t1".to_owned(),
        receipt_number: "r1".to_owned(),
        receipt_total: money("12.00"),
        ..v1::Origin::default()
    };
    let purchase = v1::PostPurchaseRequest {
        request_id: request_id(),
        member: member_ref("p1"),
        spend: Some(v1::PurchaseSpend { source: Some(v1::purchase_spend::Source::RedeemPoints(20)) }),
        earn: Some(v1::PurchaseEarn { points: 10, ..v1::PurchaseEarn::default() }),
        origin: Some(origin),
    };
    let purchased = tell!(house, told, "C", "PostPurchase", purchases.post_purchase, purchase);
    let back = v1::ReturnPurchaseRequest {
        request_id: request_id(),
        redemption_entry_id: purchased.redemption_entry_id.unwrap(),
        issue_entry_id: purchased.issue_entry_id.unwrap(),
        returned_amount: money("6.00"),
        receipt_total: money("12.00"),
        origin: None,
    };
    tell!(house, told, "C", "ReturnPurchase", purchases.return_purchase, back);
    let reverse = v1::ReverseIssueRequest {
        request_id: request_id(),
        points: 100,
        target: Some(Target::IssueEntryId(entry_id(&first.written))),
        ..v1::ReverseIssueRequest::default()
    };
    tell!(house, told, "A", "ReverseIssue", reversals.reverse_issue, reverse);
    let transfer = v1::TransferPointsRequest {
        request_id: request_id(),
        member: member_ref("p1"),
        to_member: member_ref("p2"),
        points: 30,
        origin: None,
        enrol_receiver: true,
    };
    tell!(house, told, "A", "TransferPoints", transfers.transfer_points, transfer);
    let unwanted = issue("p3", 7);
    house.by("A").issues.issue_points(unwanted.clone()).await.unwrap();
    let abandon =
        v1::AbandonRequestRequest { request_id: request_id(), abandoned_request_id: unwanted.request_id, origin: None };
    tell!(house, told, "A", "AbandonRequest", requests.abandon_request, abandon);

    let batch = v1::BatchIssuePointsRequest { items: vec![issue("p4", 5), issue("p5", 6)] };
    let answer = house.by("A").issues.batch_issue_points(batch.clone()).await.unwrap().into_inner();
    told.push(Told {
        rpc: "BatchIssuePoints",
        caller: "A",
        first: results(answer.results, false),
        again: Box::new(move |mut wire: Wire| {
            let batch = batch.clone();
            Box::pin(
                async move { results(wire.issues.batch_issue_points(batch).await.unwrap().into_inner().results, true) },
            )
        }),
    });
    let part = v1::StreamIssuePointsRequest { batch_number: 1, items: vec![issue("p6", 5)] };
    let stream = async |mut wire: Wire, part: v1::StreamIssuePointsRequest| {
        let mut answers = wire.issues.stream_issue_points(futures::stream::iter([part])).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap().results
    };
    let first = stream(house.by("A"), part.clone()).await;
    told.push(Told {
        rpc: "StreamIssuePoints",
        caller: "A",
        first: results(first, false),
        again: Box::new(move |wire: Wire| {
            let part = part.clone();
            Box::pin(async move { results(stream(wire, part).await, true) })
        }),
    });
}

/// What the operator asks for members.
async fn ask_care(house: &Wired, told: &mut Vec<Told>) {
    let expiring = v1::IssuePointsRequest { expire_time: Some(wire_time("2026-02-20T00:00:00Z")), ..issue("c1", 90) };
    house.by("A").issues.issue_points(expiring).await.unwrap();
    let extend = v1::ExtendExpiryRequest {
        request_id: request_id(),
        member: member_ref("c1"),
        issuer_id: "A".to_owned(),
        until_time: Some(wire_time("2026-03-01T00:00:00Z")),
        expire_time: Some(wire_time("2026-04-01T00:00:00Z")),
        reason_code: "OUTAGE".to_owned(),
    };
    tell!(house, told, "operator", "ExtendExpiry", care.extend_expiry, extend);
    let reinstate = v1::ReinstatePointsRequest {
        request_id: request_id(),
        member: member_ref("c1"),
        funder_id: "B".to_owned(),
        points: 11,
        expire_time: None,
        reason_code: "GOODWILL".to_owned(),
    };
    tell!(house, told, "operator", "ReinstatePoints", care.reinstate_points, reinstate);
    let decay = v1::RunDecayRequest {
        request_id: request_id(),
        member: member_ref("c1"),
        rate: "0.1".to_owned(),
        period: "2026-02".to_owned(),
    };
    tell!(house, told, "operator", "RunDecay", care.run_decay, decay);
    // What was spent of an issue that is reversed is owed.
    let spent = house.issue("A", "c2", 50).await;
    house.redeem("C", "c2", 50).await;
    let reverse = v1::ReverseIssueRequest {
        request_id: request_id(),
        points: 50,
        target: Some(Target::IssueEntryId(spent)),
        ..v1::ReverseIssueRequest::default()
    };
    house.by("A").reversals.reverse_issue(reverse).await.unwrap();
    let give_up = v1::WriteOffDebtRequest {
        request_id: request_id(),
        member: member_ref("c2"),
        creditor_id: "A".to_owned(),
        points: 20,
        reason_code: "GOODWILL".to_owned(),
    };
    tell!(house, told, "operator", "WriteOffDebt", care.write_off_debt, give_up);
}

/// What the operator asks of partners.
async fn ask_partners(house: &Wired, told: &mut Vec<Told>) {
    let create = v1::CreatePartnerRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        display_name: "Dacha".to_owned(),
        terms: terms("0.02"),
        limits: Some(v1::PartnerLimits { points_per_entry: Some(500), ..v1::PartnerLimits::default() }),
        no_default_limits: false,
    };
    tell!(house, told, "operator", "CreatePartner", partners.create_partner, create);
    let set = v1::SetTermsRequest {
        request_id: request_id(),
        partner_id: "B".to_owned(),
        terms: terms("0.015"),
        effective_time: None,
    };
    tell!(house, told, "operator", "SetTerms", partners.set_terms, set);
    let state = v1::SetPartnerStateRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        state: v1::PartnerState::Restricted.into(),
    };
    tell!(house, told, "operator", "SetPartnerState", partners.set_partner_state, state);
    let limits = v1::PartnerLimits {
        net_debit_cap: Some("1000.00".to_owned()),
        outstanding_points: Some(1_000_000),
        points_per_day: Some(1_000_000),
        ..v1::PartnerLimits::default()
    };
    let set = v1::SetLimitsRequest { request_id: request_id(), partner_id: "A".to_owned(), limits: Some(limits) };
    let answer = tell!(house, told, "operator", "SetLimits", partners.set_limits, set);
    assert!(answer.limit_uses.iter().all(|limit| limit.used != "0" && limit.used != "0.0000"), "{answer:?}");
    let consent = v1::SetFundingConsentRequest {
        request_id: request_id(),
        funder_id: "C".to_owned(),
        partner_id: "A".to_owned(),
        given: true,
        budget_points: Some(500),
    };
    tell!(house, told, "operator", "SetFundingConsent", partners.set_funding_consent, consent);
    let joint = v1::IssuePointsRequest {
        funders: vec![v1::Funder { partner_id: "C".to_owned(), weight: 1 }],
        ..issue("p7", 80)
    };
    house.by("A").issues.issue_points(joint).await.unwrap();
    let again = v1::SetFundingConsentRequest {
        request_id: request_id(),
        funder_id: "C".to_owned(),
        partner_id: "A".to_owned(),
        given: true,
        budget_points: Some(900),
    };
    let answer = tell!(house, told, "operator", "SetFundingConsent", partners.set_funding_consent, again);
    assert_eq!(answer.consent.unwrap().used_points, 80);
}

/// What the operator asks of windows and funds.
async fn ask_settlement(house: &Wired, told: &mut Vec<Told>) {
    let deposit = |account: &str| v1::DepositRequest {
        request_id: request_id(),
        account: account.to_owned(),
        amount: money("5.00"),
    };
    let first = tell!(house, told, "operator", "Deposit", settlement.deposit, deposit("reserve"));
    tell!(house, told, "operator", "Deposit", settlement.deposit, deposit("collateral:A"));
    let second = tell!(house, told, "operator", "Deposit", settlement.deposit, deposit("reserve"));
    assert_eq!(units(&second.balance), units(&first.balance) + 50_000);
    let calendar = v1::SetCalendarRequest {
        request_id: request_id(),
        cron_expressions: vec!["0 0 1 * *".to_owned()],
        time_zone: "UTC".to_owned(),
    };
    tell!(house, told, "operator", "SetCalendar", settlement.set_calendar, calendar);
    let confirm = |window| v1::ConfirmSettlementRequest { request_id: request_id(), window };
    refuse!(house, told, "operator", "ConfirmSettlement", settlement.confirm_settlement, confirm(1));
    let close = || v1::CloseWindowRequest { request_id: request_id() };
    tell!(house, told, "operator", "CloseWindow", settlement.close_window, close());
    let export =
        |mode: v1::OrderMode| v1::ExportOrdersRequest { request_id: request_id(), window: 1, mode: mode.into() };
    tell!(house, told, "operator", "ConfirmSettlement", settlement.confirm_settlement, confirm(1));
    let pairwise = export(v1::OrderMode::Pairwise);
    tell!(house, told, "operator", "ExportOrders", settlement.export_orders, pairwise);
    let hub = export(v1::OrderMode::Hub);
    let orders = tell!(house, told, "operator", "ExportOrders", settlement.export_orders, hub).orders;
    let debtor = orders.iter().find(|order| order.payee == "hub").expect("somebody pays").payer.clone();
    let pay = |partner: &str| v1::ConfirmPaymentRequest {
        request_id: request_id(),
        window: 1,
        amount: None,
        payment: Some(Payment::PartnerId(partner.to_owned())),
    };
    tell!(house, told, "operator", "ConfirmPayment", settlement.confirm_payment, pay(&debtor));
    let left = export(v1::OrderMode::Hub);
    let left = tell!(house, told, "operator", "ExportOrders", settlement.export_orders, left);
    assert_eq!((left.orders.len(), left.settlement_state()), (orders.len() - 1, v1::SettlementState::PartlyPaid));
    house.trade().await;
    tell!(house, told, "operator", "CloseWindow", settlement.close_window, close());
    let abort = v1::AbortSettlementRequest { request_id: request_id(), window: 2 };
    tell!(house, told, "operator", "AbortSettlement", settlement.abort_settlement, abort);
    for order in &left.orders {
        let party = if order.payer == "hub" { &order.payee } else { &order.payer };
        tell!(house, told, "operator", "ConfirmPayment", settlement.confirm_payment, pay(party));
    }
}

/// Changes whatever an answer may speak of.
async fn change_all(house: &Wired) {
    let mut desk = house.by("operator");
    for account in ["reserve", "collateral:A"] {
        let (request_id, account) = (request_id(), account.to_owned());
        desk.settlement.deposit(v1::DepositRequest { request_id, account, amount: money("77.00") }).await.unwrap();
    }
    for partner_id in ["A", "B", "D"].map(str::to_owned) {
        let active = v1::SetPartnerStateRequest {
            request_id: request_id(),
            partner_id: partner_id.clone(),
            state: v1::PartnerState::Active.into(),
        };
        desk.partners.set_partner_state(active).await.unwrap();
        let (terms, effective_time) = (terms("0.03"), None);
        let set =
            v1::SetTermsRequest { request_id: request_id(), partner_id: partner_id.clone(), terms, effective_time };
        desk.partners.set_terms(set).await.unwrap();
        let limits =
            Some(v1::PartnerLimits { net_debit_cap: Some("5000.00".to_owned()), ..v1::PartnerLimits::default() });
        desk.partners.set_limits(v1::SetLimitsRequest { request_id: request_id(), partner_id, limits }).await.unwrap();
    }
    let consent = v1::SetFundingConsentRequest {
        request_id: request_id(),
        funder_id: "C".to_owned(),
        partner_id: "A".to_owned(),
        given: false,
        budget_points: Some(1),
    };
    desk.partners.set_funding_consent(consent).await.unwrap();
    let calendar =
        v1::SetCalendarRequest { request_id: request_id(), cron_expressions: Vec::new(), time_zone: String::new() };
    desk.settlement.set_calendar(calendar).await.unwrap();
    house.trade().await;
    for card in ["p1", "p2", "p3", "p4", "p5", "p6", "c1"] {
        house.issue("A", card, 3).await;
        house.redeem("C", card, 1).await;
    }
    let clock = v1::AdvanceClockRequest { to_time: Some(wire_time("2026-02-20T12:00:00Z")) };
    house.by("operator").sandbox.advance_clock(clock).await.unwrap();
    house.close().await;
}

async fn all_are_told_again(house: &Wired, told: &[Told]) {
    for Told { rpc, caller, first, again } in told {
        assert_eq!(&again(house.by(caller)).await, first, "{rpc}");
    }
}

/// The calls by which something is asked for under a key, of the caller's or of each item.
fn keyed_calls() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(clearing_proto::FILE_DESCRIPTOR_SET).unwrap();
    let messages = || set.file.iter().flat_map(|file| &file.message_type);
    let message = |name: &str| messages().find(|message| message.name() == name.rsplit('.').next().unwrap()).unwrap();
    let has_key = |name: &str| {
        let field = message(name).field.iter().find(|field| field.name() == "request_id");
        field.is_some_and(|field| field.oneof_index.is_none())
    };
    let methods = set.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
    let keyed = methods.filter(|method| {
        let mut items = message(method.input_type()).field.iter().filter(|field| field.r#type() == Type::Message);
        has_key(method.input_type())
            || items.any(|item| item.type_name().contains(".clearing.") && has_key(item.type_name()))
    });
    keyed.map(|method| method.name().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_told_what_it_was_told_whatever_has_changed_since() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let mut told = Vec::new();
        ask_points(&house, &mut told).await;
        ask_care(&house, &mut told).await;
        ask_partners(&house, &mut told).await;
        ask_settlement(&house, &mut told).await;
        let asked: BTreeSet<String> = told.iter().map(|told| told.rpc.to_owned()).collect();
        assert_eq!(asked, keyed_calls(), "a call with an effect is not repeated here");
        all_are_told_again(&house, &told).await;
        change_all(&house).await;
        all_are_told_again(&house, &told).await;
        let house = house.restarted("2026-02-20T12:00:00Z").await;
        all_are_told_again(&house, &told).await;
        house.end().await;
    }
}
