//! Bad input gets a clear typed error and changes nothing.

use std::time::Duration;

use partner_sdk::operator::{
    AbortSettlement, ConfirmPayment, ConfirmSettlement, CreatePartner, Deposit, ExportOrders, OrderMode, SetCalendar,
    SetTerms, TermsChange,
};
use partner_sdk::{
    Client, Decimal, Error, Issue, MemberRef, Money, Origin, Outcome, Redeem, RequestId, ReturnRedemption,
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
