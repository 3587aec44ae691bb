//! Bad input gets a clear typed error and changes nothing.

use std::time::Duration;

use partner_sdk::operator::{
    AbortSettlement, ConfirmPayment, ConfirmSettlement, CreatePartner, Deposit, Expiry, ExportOrders, ExtendExpiry,
    OrderMode, PartnerLimits, ReinstatePoints, RunDecay, SetCalendar, SetFundingConsent, SetLimits, SetTerms,
    TermsChange, WriteOffDebt,
};
use partner_sdk::{
    Authorize, Capture, Client, DayCount, Decimal, Earn, Error, Issue, MemberRef, Money, Origin, Outcome, Purchase,
    QuoteRequest, Receipt, Redeem, RequestId, ReturnPurchase, ReturnRedemption, Reverse, Transfer, Void,
};

use crate::house::{BACKENDS, TestHouse};
use crate::scenarios::read;
use crate::sdk_stage::system_time;

/// How a call was refused: its reason, and the numbers with it.
fn refusal<T: std::fmt::Debug>(result: Result<Outcome<T>, Error>) -> (String, Vec<(String, String)>) {
    match result {
        Ok(Outcome::Rejected(rejection)) | Err(Error::Refused(rejection)) => {
            (rejection.reason.as_str().to_owned(), rejection.metadata.into_iter().collect())
        }
        Err(Error::InvalidArgument { fields, .. }) => ("INVALID_ARGUMENT".to_owned(), fields),
        other => panic!("not refused: {other:?}"),
    }
}

async fn entries(operator: &Client) -> usize {
    operator.operator().journal(1, None).collect().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_says_what_is_wrong_and_writes_nothing() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let begin = scenario.house.coalition.start;
        let test = TestHouse::open(backend, &house, begin).await;
        let (a, operator) = (test.client("A").await, test.client("operator").await);
        let admin = operator.operator();
        let now = system_time(begin);
        let issue = || Issue::to("card", "1").points(10);
        let good = a.issue(issue()).await.unwrap().accepted().unwrap();
        let before = entries(&operator).await;

        let malformed = [
            ("points", a.issue(issue().points(0)).await),
            ("points", a.issue(issue().points(-5)).await),
            ("member.identifier.scheme", a.issue(Issue::to("Card!", "1").points(1)).await),
            ("member.identifier.value", a.issue(Issue::to("card", "").points(1)).await),
            ("member.identifier.value", a.issue(Issue::to("card", "9".repeat(129)).points(1)).await),
            ("member.member_id", a.issue(Issue::to_member(MemberRef::id("42")).points(1)).await),
            ("origin.store", a.issue(issue().origin(Origin::till("a store", "1"))).await),
            ("origin.business_date", a.issue(issue().origin(Origin::till("s", "1").business_date("yesterday"))).await),
            (
                "origin.receipt_total.currency_code",
                a.issue(issue().origin(Origin::till("s", "1").receipt_total(Money::new("EUR", Decimal::ONE)))).await,
            ),
            (
                "origin.receipt_total.amount",
                a.issue(issue().origin(Origin::till("s", "1").receipt_total(Money::new("RUB", Decimal::new(1, 3)))))
                    .await,
            ),
            ("origin.device_counter", a.issue(issue().origin(Origin::till("s", "1").device_counter(-1))).await),
        ];
        for (field, result) in malformed {
            let (reason, fields) = refusal(result);
            assert_eq!(reason, "INVALID_ARGUMENT", "{field}");
            assert!(fields.iter().any(|(name, _)| name == field), "{field} is not named: {fields:?}");
        }

        let far = Duration::from_secs(3600);
        let nowhere = "01900000-0000-7000-8000-000000000000";
        let refused = [
            // Times.
            (
                "TIME_OUT_OF_RANGE",
                "latest_time",
                refusal(a.issue(issue().origin(till().business_time(now + far))).await),
            ),
            ("TIME_OUT_OF_RANGE", "earliest_time", refusal(a.issue(issue().expires(now)).await)),
            (
                "TIME_OUT_OF_RANGE",
                "earliest_time",
                refusal(admin.set_terms(SetTerms::of("A", fee()).effective(now - far)).await),
            ),
            // What does not exist, or is not the caller's.
            ("NOT_FOUND", "id", refusal(a.issue(Issue::to_member(MemberRef::id(nowhere)).points(1)).await)),
            ("NOT_FOUND", "id", refusal(a.redeem(Redeem::from("card", "unknown").points(1)).await)),
            (
                "NOT_FOUND",
                "id",
                refusal(a.return_redemption(ReturnRedemption::of(format!("{nowhere}.0")).points(1)).await),
            ),
            (
                "NOT_FOUND",
                "id",
                refusal(a.return_redemption(ReturnRedemption::of(good.entry.entry_id.clone()).points(1)).await),
            ),
            ("NOT_FOUND", "id", refusal(admin.set_terms(SetTerms::of("nobody", fee())).await)),
            ("NOT_FOUND", "id", refusal(admin.confirm_settlement(ConfirmSettlement::of(7)).await)),
            (
                "NOT_FOUND",
                "id",
                refusal(admin.deposit(Deposit::collateral("nobody", Money::new("RUB", Decimal::ONE))).await),
            ),
            ("PARTNER_EXISTS", "partner", refusal(admin.create_partner(CreatePartner::new("A")).await)),
            // Too much.
            ("INSUFFICIENT_POINTS", "available_points", refusal(a.redeem(Redeem::from("card", "1").points(11)).await)),
            ("OVERFLOW", "what", refusal(a.issue(issue().points(i64::MAX)).await)),
            // Windows.
            ("WINDOW_NOT_CLOSED", "window", refusal(admin.export_orders(ExportOrders::of(1, OrderMode::Hub)).await)),
            ("WINDOW_NOT_CLOSED", "window", refusal(admin.confirm_payment(ConfirmPayment::hub(1, "A")).await)),
            ("WINDOW_NOT_CLOSED", "window", refusal(admin.abort_settlement(AbortSettlement::of(1)).await)),
        ];
        for (expected, number, (reason, metadata)) in refused {
            assert_eq!(reason, expected, "{metadata:?}");
            assert!(metadata.iter().any(|(name, _)| name == number), "{expected} does not name {number}: {metadata:?}");
        }

        for cron in ["* * *", "61 0 * * *", "never"] {
            let (reason, _) = refusal(admin.set_calendar(SetCalendar::new([cron]).time_zone("UTC")).await);
            assert_eq!(reason, "INVALID_ARGUMENT", "{cron}");
        }
        let (reason, _) = refusal(admin.set_calendar(SetCalendar::new(["0 0 * * *"]).time_zone("Mars/Olympus")).await);
        assert_eq!(reason, "INVALID_ARGUMENT");

        // A message beyond 64 KiB does not reach the rules; a batch beyond its items neither.
        let large = a.issue(Issue::to("card", "1").points(1).origin(till().cashier("x".repeat(70_000)))).await;
        assert!(large.is_err(), "{large:?}");
        let many = a.batch_issue(Vec::new()).await;
        assert!(matches!(many, Err(Error::InvalidArgument { .. })), "{many:?}");

        assert_eq!(entries(&operator).await, before);
        test.finish().await;
    }
}

fn fee() -> TermsChange {
    TermsChange::none().acceptance_fee(Decimal::new(3, 2))
}

fn till() -> Origin {
    Origin::till("store-7", "3")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_its_effect_once_however_often_it_comes() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let test = TestHouse::open(backend, &house, scenario.house.coalition.start).await;
        let a = test.client("A").await;
        let key: RequestId = a.new_request_id();
        let issue = |points| Issue::to("card", "1").points(points).origin(till().cashier("Vera")).request_id(key);
        // Twenty at once: one entry, one first answer.
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let a = a.clone();
            let issue = issue(10);
            tries.spawn(async move { a.issue(issue).await.unwrap().accepted().unwrap() });
        }
        let answers = tries.join_all().await;
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        for answer in &answers {
            assert_eq!(answer.entry, answers[0].entry);
            assert_eq!(answer.available_points, 10);
        }
        assert_eq!(refusal(a.issue(issue(11)).await).0, "IDEMPOTENCY_CONFLICT");

        // A rejection is the answer for ever, also when it would go well by now.
        let late = a.new_request_id();
        let redeem = || Redeem::from("card", "1").points(15).request_id(late);
        assert_eq!(refusal(a.redeem(redeem()).await).0, "INSUFFICIENT_POINTS");
        a.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
        assert_eq!(refusal(a.redeem(redeem()).await).0, "INSUFFICIENT_POINTS");
        assert_eq!(a.balance(MemberRef::identifier("card", "1")).await.unwrap().available_points, 20);
        test.finish().await;
    }
}

/// The field that a malformed call is told of.
fn field<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::InvalidArgument { fields, .. }) => fields.first().expect("a field is named").0.clone(),
        other => panic!("not malformed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_call_of_a_till_or_the_operator_names_the_field() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let begin = scenario.house.coalition.start;
        let test = TestHouse::open(backend, &house, begin).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let (admin, now) = (desk.operator(), system_time(begin));
        let soon = now + Duration::from_secs(60);
        let rub = |kopecks| Money::new("RUB", Decimal::new(kopecks, 2));
        let card = || MemberRef::identifier("card", "1");
        let entry = "01900000-0000-7000-8000-000000000000.0";
        let before = entries(&desk).await;

        let authorize = || Authorize::from("card", "1").points(1);
        assert_eq!(field(a.authorize(authorize()).await), "lapse_time");
        assert_eq!(field(a.authorize(authorize().points(0).lapses(soon)).await), "points");
        assert_eq!(field(a.capture(Capture::hold("42").points(1)).await), "hold_id");
        assert_eq!(field(a.capture(Capture::hold(entry)).await), "points");
        assert_eq!(field(a.void(Void::hold("")).await), "hold_id");
        assert_eq!(field(a.hold("x").await), "hold_id");
        assert_eq!(field(a.reverse(Reverse::entry("x").points(1)).await), "entry_id");
        assert_eq!(field(a.reverse(Reverse::entry(entry)).await), "points");
        let nameless = Reverse::receipt(Receipt::new("", "2026-02-01")).points(1);
        assert_eq!(field(a.reverse(nameless).await), "receipt.receipt_number");
        let undated = Reverse::receipt(Receipt::new("R-1", "")).points(1);
        assert_eq!(field(a.reverse(undated).await), "receipt.business_date");
        let newest = Reverse::newest(MemberRef::id("42")).points(1);
        assert_eq!(field(a.reverse(newest).await), "newest_of_member.member_id");
        let purchase = || Purchase::by("card", "1");
        assert_eq!(field(a.purchase(purchase()).await), "spend");
        assert_eq!(field(a.purchase(purchase().redeem(0)).await), "spend.redeem_points");
        assert_eq!(field(a.purchase(purchase().capture("x", 1)).await), "spend.capture.hold_id");
        assert_eq!(field(a.purchase(purchase().capture(entry, -1)).await), "spend.capture.points");
        assert_eq!(field(a.purchase(purchase().earn(Earn::points(0))).await), "earn.points");
        let weightless = purchase().earn(Earn::points(1).funders([("A", 0)]));
        assert_eq!(field(a.purchase(weightless).await), "earn.funders[0].weight");
        let back = |returned, total| ReturnPurchase::of(rub(returned), rub(total));
        assert_eq!(field(a.return_purchase(back(1, 1)).await), "redemption_entry_id");
        assert_eq!(field(a.return_purchase(back(2, 1).issue(entry)).await), "returned_amount");
        assert_eq!(field(a.return_purchase(back(0, 1).issue(entry)).await), "returned_amount");
        assert_eq!(field(a.return_purchase(back(1, 1).issue("x")).await), "issue_entry_id");
        let euro = ReturnPurchase::of(Money::new("EUR", Decimal::ONE), rub(100)).issue(entry);
        assert_eq!(field(a.return_purchase(euro).await), "returned_amount.currency_code");
        let gift = Transfer::between(("card", "1"), MemberRef::id("x")).points(1);
        assert_eq!(field(a.transfer(gift).await), "to_member.member_id");
        assert_eq!(field(a.transfer(Transfer::between(("card", "1"), ("card", "2"))).await), "points");
        let joint = |funders: &[(&str, u32)]| Issue::to("card", "1").points(9).funders(funders.iter().copied());
        assert_eq!(field(a.issue(joint(&[("A", 1), ("A", 1)])).await), "funders");
        assert_eq!(field(a.issue(joint(&[("not a partner", 1)])).await), "funders[0].partner_id");
        let many: Vec<(String, u32)> = (0..17).map(|at| (format!("P{at}"), 1)).collect();
        assert_eq!(field(a.issue(Issue::to("card", "1").points(99).funders(many)).await), "funders");
        let early = Issue::to("card", "1").points(1).activates(std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(field(a.issue(early).await), "activate_time");
        assert_eq!(field(a.quote(card(), 0).await), "points");
        assert_eq!(field(a.quote_amount(card(), rub(0)).await), "amount");
        assert_eq!(field(a.quote_amount(card(), Money::new("RUB", Decimal::new(1, 3))).await), "amount.amount");
        assert_eq!(field(a.quote_redemption(QuoteRequest::points(card(), 1).earning(-1)).await), "earn_points");
        assert_eq!(field(a.find_receipt(Receipt::new("", "2026-02-01")).collect().await), "receipt_number");
        assert_eq!(field(a.find_receipt(Receipt::new("R-1", "yesterday")).collect().await), "business_date");
        assert_eq!(field(a.reconcile_day(DayCount::of_store("", "2026-02-01")).await), "store");
        assert_eq!(field(a.reconcile_day(DayCount::of_store("s1", "")).await), "business_date");
        assert_eq!(field(a.reconcile_day(DayCount::of_store("s1", "2026-02-01").issued(-1, 0)).await), "counted");

        let cap = |cap| SetLimits::of("A", PartnerLimits::none().net_debit_cap(cap));
        assert_eq!(field(admin.set_limits(cap(Decimal::new(1, 3))).await), "limits.net_debit_cap");
        assert_eq!(field(admin.set_limits(cap(Decimal::NEGATIVE_ONE)).await), "limits.net_debit_cap");
        let below = PartnerLimits::none().points_per_day(-1);
        assert_eq!(field(admin.set_limits(SetLimits::of("A", below)).await), "limits.points_per_day");
        assert_eq!(field(admin.create_partner(CreatePartner::new("new").limits(below)).await), "limits.points_per_day");
        let cooling = PartnerLimits::none().cooling_seconds(-1);
        assert_eq!(field(admin.set_limits(SetLimits::of("A", cooling)).await), "limits.cooling_seconds");
        assert_eq!(field(admin.set_funding_consent(SetFundingConsent::give("A", "A")).await), "funder_id");
        let consent = SetFundingConsent::give("A", "B").budget(-1);
        assert_eq!(field(admin.set_funding_consent(consent).await), "budget_points");
        let terms = |terms| SetTerms::of("A", terms);
        let share = TermsChange::none().receipt_share(Decimal::TWO);
        assert_eq!(field(admin.set_terms(terms(share)).await), "terms.receipt_share");
        let tender = TermsChange::none().tender_value(Decimal::NEGATIVE_ONE);
        assert_eq!(field(admin.set_terms(terms(tender)).await), "terms.tender_value");
        let days = TermsChange::none().return_days(Some(-1));
        assert_eq!(field(admin.set_terms(terms(days)).await), "terms.return_period.days");
        let inactive = TermsChange::none().expiry(Expiry::InactiveDays(0));
        assert_eq!(field(admin.set_terms(terms(inactive)).await), "terms.expiry.count");
        assert_eq!(field(admin.run_decay(RunDecay::of(card(), Decimal::TWO, "2026-01")).await), "rate");
        assert_eq!(field(admin.run_decay(RunDecay::of(card(), Decimal::ONE, "")).await), "period");
        let extend = || ExtendExpiry::of(card(), "A");
        assert_eq!(field(admin.extend_expiry(extend().reason("R")).await), "until_time");
        assert_eq!(field(admin.extend_expiry(extend().expiring_until(soon).to(soon)).await), "reason_code");
        let reinstate = || ReinstatePoints::to(card(), "A").points(1);
        assert_eq!(field(admin.reinstate_points(reinstate()).await), "reason_code");
        assert_eq!(field(admin.reinstate_points(reinstate().points(0).reason("R")).await), "points");
        let write_off = WriteOffDebt::of(card(), "").points(1).reason("R");
        assert_eq!(field(admin.write_off_debt(write_off).await), "creditor_id");

        assert_eq!(entries(&desk).await, before);
        test.finish().await;
    }
}

/// What has reasons of its own elsewhere (holds, reversals, receipts, limits, consents) is refused in `till`, with its
/// numbers; here what is unknown, too late, or of a partner that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_at_the_wrong_time_is_refused_with_its_numbers() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let begin = scenario.house.coalition.start;
        let test = TestHouse::open(backend, &house, begin).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let (admin, now) = (desk.operator(), system_time(begin));
        let day = Duration::from_secs(86_400);
        let entry = "01900000-0000-7000-8000-000000000000.0";
        a.issue(Issue::to("card", "1").points(50)).await.unwrap().accepted().unwrap();
        let held = a.authorize(Authorize::from("card", "1").points(10).lapses(now + day)).await.unwrap();
        let hold = held.accepted().unwrap().hold_id;
        let before = entries(&desk).await;
        let back = ReturnPurchase::of(Money::new("RUB", Decimal::ONE), Money::new("RUB", Decimal::ONE)).issue(entry);
        let extend = |issuer: &str| {
            ExtendExpiry::of(("card", "1"), issuer).expiring_until(now + day).to(now + 2 * day).reason("R")
        };
        let reinstate = |funder: &str| ReinstatePoints::to(("card", "1"), funder).points(1).reason("R");
        let too_far = Authorize::from("card", "1").points(1).lapses(now + 367 * day);
        let stranger = Issue::to("card", "1").points(9).funders([("nobody", 1)]);
        let refused = [
            ("TIME_OUT_OF_RANGE", "latest_time", refusal(a.authorize(too_far).await)),
            ("NOT_FOUND", "id", refusal(a.authorize(Authorize::from("card", "9").points(1).lapses(now + day)).await)),
            ("NOT_FOUND", "id", refusal(a.capture(Capture::hold(entry).points(1)).await)),
            ("CAPTURE_EXCEEDS_HOLD", "held_points", refusal(a.capture(Capture::hold(&hold).points(11)).await)),
            ("NOT_FOUND", "id", refusal(a.void(Void::hold(entry)).await)),
            ("NOT_FOUND", "id", refusal(a.reverse(Reverse::entry(entry).points(1)).await)),
            ("NOT_FOUND", "id", refusal(a.reverse(Reverse::newest(("card", "9")).points(1)).await)),
            ("NOT_FOUND", "id", refusal(a.purchase(Purchase::by("card", "9").redeem(1)).await)),
            ("NOT_FOUND", "id", refusal(a.purchase(Purchase::by("card", "1").capture(entry, 1)).await)),
            ("NOT_FOUND", "id", refusal(a.return_purchase(back).await)),
            ("NOT_FOUND", "id", refusal(a.transfer(Transfer::between(("card", "9"), ("card", "1")).points(1)).await)),
            ("NOT_FOUND", "id", refusal(a.transfer(Transfer::between(("card", "1"), ("card", "2")).points(1)).await)),
            (
                "SAME_MEMBER",
                "member_id",
                refusal(a.transfer(Transfer::between(("card", "1"), ("card", "1")).points(1)).await),
            ),
            (
                "INSUFFICIENT_POINTS",
                "available_points",
                refusal(a.transfer(Transfer::between(("card", "1"), ("card", "2")).points(41).enrol_receiver()).await),
            ),
            ("NOT_FOUND", "id", refusal(a.issue(stranger).await)),
            ("NOT_FOUND", "id", refusal(admin.set_limits(SetLimits::of("nobody", PartnerLimits::none())).await)),
            ("NOT_FOUND", "id", refusal(admin.set_funding_consent(SetFundingConsent::give("nobody", "A")).await)),
            ("NOT_FOUND", "id", refusal(admin.run_decay(RunDecay::of(("card", "9"), Decimal::ONE, "2026-01")).await)),
            ("NOT_FOUND", "id", refusal(admin.extend_expiry(extend("A")).await)),
            ("NOT_FOUND", "id", refusal(admin.extend_expiry(extend("nobody")).await)),
            ("TIME_OUT_OF_RANGE", "earliest_time", refusal(admin.extend_expiry(extend("A").to(now)).await)),
            ("NOT_FOUND", "id", refusal(admin.reinstate_points(reinstate("nobody")).await)),
            ("TIME_OUT_OF_RANGE", "earliest_time", refusal(admin.reinstate_points(reinstate("A").expires(now)).await)),
        ];
        for (expected, number, (reason, metadata)) in refused {
            assert_eq!(reason, expected, "{metadata:?}");
            assert!(metadata.iter().any(|(name, _)| name == number), "{expected} does not name {number}: {metadata:?}");
        }
        assert!(matches!(a.hold(entry).await, Err(Error::NotFound { .. })));
        assert_eq!(entries(&desk).await, before);
        test.finish().await;
    }
}
