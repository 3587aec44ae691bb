//! A repeated request is told what it was told, whatever has changed since: every call with an effect, in the same process
//! and after a restart. Each of them asks its sample; what only several requests together show is asked below.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::coalition::House;
use clearing_core::facts::terms::Funding;
use clearing_core::units::PartnerId;
use clearing_play::BACKENDS;
use clearing_proto::v1;
use clearing_proto::v1::confirm_payment_request::Payment;
use prost::Message;
use prost_reflect::{
    DynamicMessage, Kind as FieldKind, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{Wired, member_ref, request_id, units, wire_time};
use crate::foreign::Plain;
use crate::samples::{Samples, methods, under_a_new_key, with_days};

/// What somebody was told, and how to ask for it again.
struct Told {
    caller: &'static str,
    method: MethodDescriptor,
    sent: DynamicMessage,
    first: String,
}

/// Those who ask, and what they were told.
struct Callers {
    plain: BTreeMap<&'static str, Plain>,
    told: Vec<Told>,
    /// The members that were told of, as the callers know them.
    members: BTreeSet<(&'static str, String)>,
}

impl Callers {
    async fn of(house: &Wired) -> Self {
        let mut callers = Self { plain: BTreeMap::new(), told: Vec::new(), members: BTreeSet::new() };
        callers.connect(house).await;
        callers
    }

    async fn connect(&mut self, house: &Wired) {
        self.plain = Plain::partners(&house.test, ["C", "operator"]).await;
    }

    /// Asks for the first time.
    async fn ask(
        &mut self,
        caller: &'static str,
        method: &MethodDescriptor,
        sent: DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let answer = self.plain.get_mut(caller).unwrap().ask(method, &sent).await;
        let (first, replayed) = told(&answer);
        assert!(!replayed, "{} is asked for the first time", method.name());
        if let Ok(mut answer) = answer.clone() {
            for_each_message(&mut answer, &mut |message| {
                if message.descriptor().name() == "MemberFigures" {
                    let id = message.get_field_by_name("member_id").unwrap().as_str().unwrap().to_owned();
                    self.members.insert((caller, id));
                }
            });
        }
        self.told.push(Told { caller, method: method.clone(), sent, first });
        answer
    }

    /// Asks as the operator for the first time, by the name of the method.
    async fn try_ask(&mut self, name: &str, request: &impl Message) -> Result<DynamicMessage, Status> {
        let method = methods().into_iter().find(|method| method.name() == name).unwrap();
        let sent = DynamicMessage::decode(method.input(), request.encode_to_vec().as_slice()).unwrap();
        self.ask("operator", &method, sent).await
    }

    /// The same for what is granted.
    async fn tell<A: Message + Default>(&mut self, name: &str, request: &impl Message) -> A {
        self.try_ask(name, request).await.expect(name).transcode_to().unwrap()
    }

    async fn all_are_told_again(&mut self) {
        let mut wrong = Vec::new();
        for Told { caller, method, sent, first } in &self.told {
            let (again, replayed) = told(&self.plain.get_mut(caller).unwrap().ask(method, sent).await);
            if !replayed || again != *first {
                let name = method.name();
                wrong.push(format!(
                    "{name} by {caller}, a repetition: {replayed}\n{sent}\nfirst: {first}\nagain: {again}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), self.told.len(), wrong.join("\n"));
    }
}

/// An answer as text, without the marks of a repetition, and whether it has them.
fn told(answer: &Result<DynamicMessage, Status>) -> (String, bool) {
    let refused = match answer.clone() {
        Ok(mut answer) => {
            let mut marks = BTreeSet::new();
            for_each_message(&mut answer, &mut |message| {
                assert_ne!(message.descriptor().name(), "ItemError", "{message}");
                if message.descriptor().name() == "Written" {
                    marks.insert(message.get_field_by_name("replayed").unwrap().as_bool().unwrap());
                    message.clear_field_by_name("replayed");
                }
            });
            assert_eq!(marks.len(), 1, "all of an answer is a repetition, or nothing: {answer}");
            return (format!("{answer:#}"), marks.contains(&true));
        }
        Err(refused) => refused,
    };
    let info = refused.get_details_error_info().unwrap();
    let mut metadata: BTreeMap<String, String> = info.metadata.into_iter().collect();
    assert_eq!(metadata["recorded"], "true", "{refused}");
    let replayed = metadata.remove("replayed").unwrap() == "true";
    (format!("{:?} {} {} {metadata:?}", refused.code(), info.reason, refused.message()), replayed)
}

/// Goes through a message and all messages in it.
fn for_each_message(message: &mut DynamicMessage, see: &mut dyn FnMut(&mut DynamicMessage)) {
    see(message);
    for (_, value) in message.fields_mut() {
        let values = if let Value::List(values) = value { values.as_mut_slice() } else { std::slice::from_mut(value) };
        values.iter_mut().filter_map(Value::as_message_mut).for_each(|message| for_each_message(message, see));
    }
}

/// Whether a message is, or has in it, one of which that is so.
fn has(message: &MessageDescriptor, so: fn(&MessageDescriptor) -> bool) -> bool {
    let below = |field: &FieldKind| field.as_message().is_some_and(|message| has(message, so));
    so(message) || message.fields().any(|field| below(&field.kind()))
}

fn names<'a>(methods: impl IntoIterator<Item = &'a MethodDescriptor>) -> BTreeSet<&'a str> {
    methods.into_iter().map(MethodDescriptor::name).collect()
}

/// The calls whose answers tell what was written.
fn calls_with_an_effect() -> Vec<MethodDescriptor> {
    let writes = |method: &MethodDescriptor| has(&method.output(), |message| message.name() == "Written");
    methods().into_iter().filter(writes).collect()
}

/// Asks each call with an effect, as a partner, if partners may, and as the operator; and once more under another key, which
/// is often a rejection.
async fn ask_all(house: &Wired, callers: &mut Callers) {
    for of in ["C", "operator"] {
        let samples = Samples::of(&house.test, of).await;
        for method in &calls_with_an_effect() {
            let caller = samples.caller_of(method);
            for sample in samples.good(method).await {
                let answer = callers.ask(caller, method, sample.clone()).await;
                assert!(answer.is_ok(), "{} by {caller}: {answer:?}", method.name());
                if let Some(again) = under_a_new_key(sample) {
                    drop(callers.ask(caller, method, again).await);
                }
            }
        }
    }
}

fn money(amount: &str) -> Option<v1::Money> {
    Some(v1::Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() })
}

fn terms(price: &str) -> Option<v1::TermsChange> {
    Some(v1::TermsChange { price: Some(price.to_owned()), ..v1::TermsChange::default() })
}

/// Of partners: what counts how much of a limit or a consent is used.
async fn ask_partners(house: &Wired, callers: &mut Callers) {
    let create = v1::CreatePartnerRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        display_name: "Dacha".to_owned(),
        terms: terms("0.02"),
        limits: Some(v1::PartnerLimits { points_per_entry: Some(500), ..v1::PartnerLimits::default() }),
        no_default_limits: false,
    };
    callers.tell::<v1::CreatePartnerResponse>("CreatePartner", &create).await;
    let limits = v1::PartnerLimits {
        net_debit_cap: Some("1000.00".to_owned()),
        outstanding_points: Some(1_000_000),
        points_per_day: Some(1_000_000),
        ..v1::PartnerLimits::default()
    };
    let set = v1::SetLimitsRequest { request_id: request_id(), partner_id: "A".to_owned(), limits: Some(limits) };
    let uses = callers.tell::<v1::SetLimitsResponse>("SetLimits", &set).await.limit_uses;
    assert!(uses.len() == 3 && uses.iter().all(|limit| limit.used != "0" && limit.used != "0.0000"), "{uses:?}");
    let consent = |points| v1::SetFundingConsentRequest {
        request_id: request_id(),
        funder_id: "C".to_owned(),
        partner_id: "A".to_owned(),
        given: true,
        budget_points: Some(points),
    };
    callers.tell::<v1::SetFundingConsentResponse>("SetFundingConsent", &consent(500)).await;
    let joint = v1::IssuePointsRequest {
        request_id: request_id(),
        member: member_ref("joint"),
        points: 80,
        funders: vec![v1::Funder { partner_id: "C".to_owned(), weight: 1 }],
        ..v1::IssuePointsRequest::default()
    };
    house.by("A").issues.issue_points(joint).await.unwrap();
    let again = callers.tell::<v1::SetFundingConsentResponse>("SetFundingConsent", &consent(900)).await;
    assert_eq!(again.consent.unwrap().used_points, 80);
}

/// Of settlement: deposits to one fund, and the life of a settlement, step by step.
async fn ask_settlement(house: &Wired, callers: &mut Callers) {
    let deposit = |account: &str| v1::DepositRequest {
        request_id: request_id(),
        account: account.to_owned(),
        amount: money("5.00"),
    };
    let first: v1::DepositResponse = callers.tell("Deposit", &deposit("reserve")).await;
    callers.tell::<v1::DepositResponse>("Deposit", &deposit("collateral:A")).await;
    let second: v1::DepositResponse = callers.tell("Deposit", &deposit("reserve")).await;
    assert_eq!(units(&second.balance), units(&first.balance) + 50_000);

    let window = house.preview(0).await.window;
    let confirm = || v1::ConfirmSettlementRequest { request_id: request_id(), window };
    callers.try_ask("ConfirmSettlement", &confirm()).await.expect_err("the window is open");
    let close = v1::CloseWindowRequest { request_id: request_id() };
    callers.tell::<v1::CloseWindowResponse>("CloseWindow", &close).await;
    callers.tell::<v1::ConfirmSettlementResponse>("ConfirmSettlement", &confirm()).await;
    let export = |mode: v1::OrderMode| v1::ExportOrdersRequest {
        request_id: request_id(),
        window,
        mode: mode.into(),
        replace: true,
    };
    callers.tell::<v1::ExportOrdersResponse>("ExportOrders", &export(v1::OrderMode::Pairwise)).await;
    let hub = export(v1::OrderMode::Hub);
    let orders = callers.tell::<v1::ExportOrdersResponse>("ExportOrders", &hub).await.orders;
    let pay = |order: &v1::PaymentOrder| v1::ConfirmPaymentRequest {
        request_id: request_id(),
        window,
        amount: None,
        reference: String::new(),
        value_date: String::new(),
        payment: Some(Payment::PartnerId(if order.payer == "hub" { &order.payee } else { &order.payer }.clone())),
    };
    let debtor = orders.iter().find(|order| order.payee == "hub").expect("somebody pays");
    callers.tell::<v1::ConfirmPaymentResponse>("ConfirmPayment", &pay(debtor)).await;
    let left: v1::ExportOrdersResponse = callers.tell("ExportOrders", &export(v1::OrderMode::Hub)).await;
    assert_eq!((left.orders.len(), left.settlement_state()), (orders.len() - 1, v1::SettlementState::PartlyPaid));
    for order in &left.orders {
        callers.tell::<v1::ConfirmPaymentResponse>("ConfirmPayment", &pay(order)).await;
    }
}

/// Changes whatever an answer may speak of.
async fn change_all(house: &Wired, callers: &Callers) {
    let mut desk = house.by("operator");
    for account in ["reserve", "collateral:A"] {
        let (request_id, account) = (request_id(), account.to_owned());
        desk.settlement.deposit(v1::DepositRequest { request_id, account, amount: money("77.00") }).await.unwrap();
    }
    house.trade().await;
    for (caller, id) in &callers.members {
        let mut wire = house.by(caller);
        let member = Some(v1::MemberRef { member: Some(v1::member_ref::Member::MemberId(id.clone())) });
        let issue = v1::IssuePointsRequest {
            request_id: request_id(),
            member: member.clone(),
            points: 30,
            ..v1::IssuePointsRequest::default()
        };
        wire.issues.issue_points(issue).await.unwrap();
        let redeem = v1::RedeemPointsRequest { request_id: request_id(), member, points: 1, origin: None };
        // Of some members nothing may be taken.
        drop(wire.redemptions.redeem_points(redeem).await);
    }
    let of_partners = callers.told.iter().filter(|told| told.method.parent_service().name() == "PartnerService");
    let mut partners = BTreeSet::from(["A".to_owned(), "B".to_owned()]);
    for Told { method, sent, .. } in of_partners {
        partners.extend(sent.get_field_by_name("partner_id").and_then(|id| Some(id.as_str()?.to_owned())));
        if method.name() == "SetFundingConsent" {
            let consent: v1::SetFundingConsentRequest = sent.transcode_to().unwrap();
            let budget_points = Some(1);
            let withdrawn =
                v1::SetFundingConsentRequest { request_id: request_id(), given: false, budget_points, ..consent };
            desk.partners.set_funding_consent(withdrawn).await.unwrap();
        }
    }
    for partner_id in partners {
        let (terms, effective_time) = (terms("0.03"), None);
        let set =
            v1::SetTermsRequest { request_id: request_id(), partner_id: partner_id.clone(), terms, effective_time };
        desk.partners.set_terms(set).await.unwrap();
        let limits =
            Some(v1::PartnerLimits { net_debit_cap: Some("5000.00".to_owned()), ..v1::PartnerLimits::default() });
        let set = v1::SetLimitsRequest { request_id: request_id(), partner_id: partner_id.clone(), limits };
        desk.partners.set_limits(set).await.unwrap();
        let suspended = v1::PartnerState::Suspended.into();
        let suspend = v1::SetPartnerStateRequest { request_id: request_id(), partner_id, state: suspended };
        desk.partners.set_partner_state(suspend).await.unwrap();
    }
    let calendar = Some(v1::Calendar::default());
    let calendar = v1::SetCalendarRequest { request_id: request_id(), calendar, effective_time: None };
    desk.settlement.set_calendar(calendar).await.unwrap();
    let clock = v1::AdvanceClockRequest { to_time: Some(wire_time("2026-02-20T12:00:00Z")) };
    desk.sandbox.advance_clock(clock).await.unwrap();
    for window in 1..=house.close().await.window {
        // What was paid in part stays.
        drop(desk.settlement.abort_settlement(v1::AbortSettlementRequest { request_id: request_id(), window }).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_told_what_it_was_told_whatever_has_changed_since() {
    for backend in BACKENDS {
        // So rich are the members of the samples that nobody could prepay their points.
        let operator_pays_later = |house: &mut House| {
            let operator = house.partners.get_mut(&PartnerId::operator()).unwrap();
            operator.terms[0].funding = Funding::AtRedemption;
            with_days(house);
        };
        let house = Wired::with(backend, operator_pays_later).await;
        let mut callers = Callers::of(&house).await;
        ask_all(&house, &mut callers).await;
        let asked = names(callers.told.iter().map(|told| &told.method));
        assert_eq!(asked, names(&calls_with_an_effect()), "a call with an effect is not repeated here");
        house.trade().await;
        ask_partners(&house, &mut callers).await;
        ask_settlement(&house, &mut callers).await;
        callers.all_are_told_again().await;
        change_all(&house, &callers).await;
        callers.all_are_told_again().await;
        let house = house.restarted("2026-02-20T12:00:00Z").await;
        callers.connect(&house).await;
        callers.all_are_told_again().await;
        house.end().await;
    }
}

#[test]
fn a_call_that_is_asked_for_under_a_key_tells_what_it_wrote_and_no_other_does() {
    let is_keyed = |message: &MessageDescriptor| {
        message.get_field_by_name("request_id").is_some_and(|key| key.containing_oneof().is_none())
    };
    let keyed: Vec<_> = methods().into_iter().filter(|method| has(&method.input(), is_keyed)).collect();
    assert!(keyed.len() > 20, "keys are not where this test looks for them");
    assert_eq!(names(&keyed), names(&calls_with_an_effect()));
}
