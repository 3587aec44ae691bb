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

use clearing_play::{BACKENDS, TestHouse, no_entry, system_time};

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
    operator.operator().journal(1, None).all().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_says_what_is_wrong_and_writes_nothing() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, operator) = (test.client("A").await, test.client("operator").await);
        let admin = operator.operator();
        let now = begin;
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
            ("origin.store", a.issue(issue().origin(Origin::till("a store ", "1"))).await),
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
            ("NOT_FOUND", "id", refusal(a.return_redemption(ReturnRedemption::of(no_entry()).points(1)).await)),
            (
                "NOT_FOUND",
                "id",
                refusal(a.return_redemption(ReturnRedemption::of(good.written.entry_id()).points(1)).await),
            ),
            ("NOT_FOUND", "id", refusal(admin.set_terms(SetTerms::of("nobody", fee())).await)),
            ("NOT_FOUND", "id", refusal(admin.confirm_settlement(ConfirmSettlement::of(7)).await)),
            (
                "NOT_FOUND",
                "id",
                refusal(admin.deposit(Deposit::collateral("nobody", Money::new("RUB", Decimal::ONE))).await),
            ),
            ("PARTNER_EXISTS", "partner_id", refusal(admin.create_partner(CreatePartner::new("A")).await)),
            // Too much.
            ("INSUFFICIENT_POINTS", "available_points", refusal(a.redeem(Redeem::from("card", "1").points(11)).await)),
            ("INVALID_ARGUMENT", "points", refusal(a.issue(issue().points(i64::MAX)).await)),
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
        test.end().await;
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
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
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
        assert_eq!(answers.iter().filter(|answer| !answer.written.replayed).count(), 1);
        for answer in &answers {
            assert_eq!(answer.written.entries[0], answers[0].written.entries[0]);
            assert_eq!(answer.member.available_points, 10);
        }
        assert_eq!(refusal(a.issue(issue(11)).await).0, "IDEMPOTENCY_CONFLICT");

        // A rejection is the answer for ever, also when it would go well by now.
        let late = a.new_request_id();
        let redeem = || Redeem::from("card", "1").points(15).request_id(late);
        assert_eq!(refusal(a.redeem(redeem()).await).0, "INSUFFICIENT_POINTS");
        a.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
        assert_eq!(refusal(a.redeem(redeem()).await).0, "INSUFFICIENT_POINTS");
        assert_eq!(a.balance(MemberRef::identifier("card", "1")).await.unwrap().member.available_points, 20);
        test.end().await;
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
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let (admin, now) = (desk.operator(), begin);
        let soon = now + Duration::from_secs(60);
        let rub = |kopecks| Money::new("RUB", Decimal::new(kopecks, 2));
        let card = || MemberRef::identifier("card", "1");
        let entry = &*no_entry();
        let before = entries(&desk).await;

        let authorize = || Authorize::from("card", "1").points(1);
        assert_eq!(field(a.authorize(authorize()).await), "lapse_time");
        assert_eq!(field(a.authorize(authorize().points(0).lapses(soon)).await), "points");
        assert_eq!(field(a.capture(Capture::hold("42").points(1)).await), "hold_id");
        assert_eq!(field(a.capture(Capture::hold(entry)).await), "points");
        assert_eq!(field(a.void(Void::hold("")).await), "hold_id");
        assert_eq!(field(a.hold("x").await), "hold_id");
        assert_eq!(field(a.reverse(Reverse::entry("x").points(1)).await), "issue_entry_id");
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
        assert_eq!(field(a.find_receipt(Receipt::new("", "2026-02-01")).all().await), "receipt_number");
        assert_eq!(field(a.find_receipt(Receipt::new("R-1", "yesterday")).all().await), "business_date");
        assert_eq!(field(a.reconcile_day(DayCount::of_store("", "2026-02-01")).await), "store");
        assert_eq!(field(a.reconcile_day(DayCount::of_store("s1", "")).await), "business_date");
        assert_eq!(
            field(a.reconcile_day(DayCount::of_store("s1", "2026-02-01").issued(-1, 0)).await),
            "counted.issued.count"
        );

        let cap = |cap| SetLimits::of("A", PartnerLimits::none().net_debit_cap(cap));
        assert_eq!(field(admin.set_limits(cap(Decimal::new(1, 3))).await), "limits.net_debit_cap");
        assert_eq!(field(admin.set_limits(cap(Decimal::NEGATIVE_ONE)).await), "limits.net_debit_cap");
        let below = PartnerLimits::none().points_per_day(-1);
        assert_eq!(field(admin.set_limits(SetLimits::of("A", below)).await), "limits.points_per_day");
        assert_eq!(field(admin.create_partner(CreatePartner::new("new").limits(below)).await), "limits.points_per_day");
        let cooling = PartnerLimits::none().cooling_seconds(-1);
        assert_eq!(field(admin.set_limits(SetLimits::of("A", cooling)).await), "limits.cooling_seconds");
        assert_eq!(field(admin.set_funding_consent(SetFundingConsent::give("A", "A")).await), "partner_id");
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
        test.end().await;
    }
}

/// What has reasons of its own elsewhere (holds, reversals, receipts, limits, consents) is refused in `till`, with its
/// numbers; here what is unknown, too late, or of a partner that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_at_the_wrong_time_is_refused_with_its_numbers() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let (admin, now) = (desk.operator(), begin);
        let day = Duration::from_secs(86_400);
        let entry = &*no_entry();
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
            ("CONSENT_EXCEEDED", "left_points", refusal(a.issue(stranger).await)),
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
        test.end().await;
    }
}

/// Texts, times, points and ids have one form, and what has it is kept as it came.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_wire_takes_for_a_value_is_kept_as_it_came_or_refused() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let admin = desk.operator();
        let field = |(reason, fields): (String, Vec<(String, String)>)| {
            assert_eq!(reason, "INVALID_ARGUMENT", "{fields:?}");
            fields[0].clone()
        };
        let issue = || Issue::to("card", "1").points(10);

        // Codes with every separator that a format of ours has, 128 characters of two bytes each.
        let number = "ж".repeat(128);
        let origin =
            || Origin::till("Магазин №5, {a};\"b\"", "касса '2' \\").receipt(&number).business_date("2026-02-01");
        let booked = a.issue(issue().origin(origin())).await.unwrap().accepted().unwrap();
        let found = a.entry(booked.written.entry_id()).await.unwrap().origin.unwrap();
        assert_eq!((found.store.as_str(), found.till.as_str()), ("Магазин №5, {a};\"b\"", "касса '2' \\"));
        assert_eq!(found.receipt_number, number);
        let listed = a.find_receipt(Receipt::new(&number, "2026-02-01").till(&found.store, &found.till));
        assert_eq!(listed.all().await.unwrap().len(), 1);
        let (again, _) = refusal(a.issue(issue().origin(origin())).await);
        assert_eq!(again, "DUPLICATE_RECEIPT");
        let before = entries(&desk).await;

        let of_store = |store: &str| issue().origin(Origin::till(store, "1"));
        for store in [" 1", "1 ", "a\u{a0}b", "a\u{200b}", "a\u{202e}b", "a\tb", "e\u{301}", &"ж".repeat(65)] {
            assert_eq!(field(refusal(a.issue(of_store(store)).await)).0, "origin.store", "{store:?}");
        }
        let long = issue().origin(till().receipt("ж".repeat(129)));
        assert_eq!(field(refusal(a.issue(long).await)).0, "origin.receipt_number");
        let cashier = issue().origin(till().cashier("Vera\u{200d}"));
        assert_eq!(field(refusal(a.issue(cashier).await)).0, "origin.cashier");
        let (name, problem) = field(refusal(a.issue(Issue::to("card", "Jose\u{301}").points(1)).await));
        assert_eq!(name, "member.identifier.value");
        assert!(!problem.contains("Jos"), "an identifier is not repeated: {problem}");
        assert!(a.issue(Issue::to("card", "José-1").points(1)).await.unwrap().accepted().is_ok());
        // One card has one spelling, and whoever sent another is told where it differs, not what it sent.
        for (value, named) in [
            ("12\u{200b}3", "character 3 is U+200B"),
            ("12 34", "character 3 is U+0020"),
            ("12３4", "character 3 is U+FF13"),
            ("٣456", "character 1 is U+0663"),
            ("ＡB", "character 1 is U+FF21"),
            ("1\u{a0}2", "character 2 is U+00A0"),
        ] {
            let (name, problem) = field(refusal(a.issue(Issue::to("card", value).points(1)).await));
            assert_eq!(name, "member.identifier.value");
            assert!(problem.contains(named) && !problem.contains("12"), "{value:?}: {problem}");
        }

        // Points of one operation.
        let (name, problem) = field(refusal(a.issue(issue().points(1_000_000_000_001)).await));
        assert_eq!((name.as_str(), problem.contains("1000000000000,")), ("points", true), "{problem}");
        let (name, _) = field(refusal(a.purchase(Purchase::by("card", "1").redeem(i64::MAX)).await));
        assert_eq!(name, "spend.redeem_points");
        assert_eq!(field(refusal::<()>(a.quote(("card", "1"), i64::MAX).await.map(|_| unreachable!()))).0, "points");

        // Times from 1970 to 9999.
        let at = |seconds| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let last = at(253_402_207_200);
        assert!(a.issue(issue().expires(last)).await.unwrap().accepted().is_ok());
        let beyond = field(refusal(a.issue(issue().expires(last + Duration::from_secs(1))).await));
        assert_eq!(beyond.0, "expire_time");
        assert!(beyond.1.contains("1970-01-01T00:00:00Z to 9999-12-30T22:00:00Z"), "{beyond:?}");
        let business = issue().origin(till().business_time(at(0) - Duration::from_secs(1)));
        assert_eq!(field(refusal(a.issue(business).await)).0, "origin.business_time");
        let date = issue().origin(till().business_date("1969-12-31"));
        assert_eq!(field(refusal(a.issue(date).await)).0, "origin.business_date");

        // Terms that would have made every later issue fail.
        let terms = |years| SetTerms::of("A", TermsChange::none().expiry(Expiry::EndOfYear(years)));
        for years in [7799, 36_500, 36_501, i32::MAX] {
            let (name, problem) = field(refusal(admin.set_terms(terms(years)).await));
            assert_eq!(name, "terms.expiry.count", "{problem}");
        }
        admin.set_terms(terms(7798)).await.unwrap().accepted().unwrap();
        let issued = a.issue(issue()).await.unwrap().accepted().unwrap();
        let ends = issued.written.entries[0].lots[0].expire_time.unwrap();
        assert_eq!(ends, system_time("9825-01-01T00:00:00Z".parse().unwrap()));

        // Ids that mean something else to the house or to a spreadsheet.
        let ids =
            ["operator", "Operator", "hub", "FUNDS", "bank", "auditor", "Sandbox", "1", "1e5", "mar-1", "TRUE", "-a"];
        for id in ids {
            assert_eq!(field(refusal(admin.create_partner(CreatePartner::new(id)).await)).0, "partner_id", "{id}");
        }

        assert_eq!(entries(&desk).await, before + 4, "what was refused wrote nothing");
        test.end().await;
    }
}

/// What a new partner may do is said by the house, to whatever client.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_partner_has_the_coalitions_limits_unless_it_is_said_otherwise() {
    use clearing_core::units::{Money as Units, Points};
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |house| {
            house.coalition.default_limits.net_debit_cap = Some(Units(10_000_000));
            house.coalition.default_limits.points_per_entry = Some(Points(100_000));
        })
        .await;
        let desk = test.client("operator").await;
        let admin = desk.operator();
        let own = PartnerLimits::none().points_per_entry(5).points_per_day(50);
        let cap = Some(Decimal::new(10_000_000, 2));
        for (create, expected) in [
            (CreatePartner::new("plain"), (cap, Some(100_000), None)),
            (CreatePartner::new("own").limits(own), (cap, Some(5), Some(50))),
            (CreatePartner::new("none").without_default_limits(), (None, None, None)),
            (CreatePartner::new("only").limits(own).without_default_limits(), (None, Some(5), Some(50))),
        ] {
            let limits = admin.create_partner(create).await.unwrap().accepted().unwrap().partner.limits;
            assert_eq!((limits.net_debit_cap, limits.points_per_entry, limits.points_per_day), expected);
        }
        // They hold in the database as well, for whichever node reads them.
        let listed = admin.partners().all().await.unwrap();
        let plain = listed.iter().find(|partner| partner.partner_id == "plain").unwrap();
        assert_eq!((plain.limits.net_debit_cap, plain.limits.points_per_entry), (cap, Some(100_000)));
        test.end().await;
    }
}
