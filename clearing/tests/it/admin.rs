//! Who did what: every decision of the house is listed with what was before it, and every action of the operator is one line
//! of the log.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use clearing_certs::Kind;
use clearing_play::{BACKENDS, TestHouse};
use clearing_proto::v1;
use partner_sdk::operator::{
    AdminAction, AdminActions, CloseWindow, ConfirmPayment, ConfirmSettlement, CreatePartner, Deposit, ExportOrders,
    ExtendExpiry, Operator, PartnerLimits, PartnerState, ReinstatePoints, RunDecay, SetCalendar, SetFundingConsent,
    SetLimits, SetPartnerState, SetTerms, TermsChange, WriteOffDebt,
};
use partner_sdk::{Client, Decimal, EntryKind, Issue, Money, OrderMode, Redeem, Reverse};

const DAY: Duration = Duration::from_secs(86_400);

async fn all(operator: &Operator, filter: AdminActions) -> Vec<AdminAction> {
    operator.admin_actions(filter).all().await.unwrap()
}

/// The newest decision: whom it concerns, and each field with what was before and what is by it.
async fn newest(operator: &Operator) -> (EntryKind, Vec<String>, Vec<String>) {
    let newest = all(operator, AdminActions::all()).await.swap_remove(0);
    let none = || "-".to_owned();
    let changes = newest.changes.iter().map(|change| {
        let (before, after) = (change.before.clone().unwrap_or_else(none), change.after.clone().unwrap_or_else(none));
        format!("{} {before} -> {after}", change.field)
    });
    let changes = changes.collect();
    (newest.kind, newest.partner_ids, changes)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A window with a leg to be paid, and a member with points that expire and a debt to A.
async fn trade(a: &Client, c: &Client, now: SystemTime) {
    a.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    a.issue(Issue::to("card", "1").points(40).expires(now + 9 * DAY)).await.unwrap().accepted().unwrap();
    let spent = a.issue(Issue::to("card", "2").points(60)).await.unwrap().accepted().unwrap();
    c.redeem(Redeem::from("card", "2").points(60)).await.unwrap().accepted().unwrap();
    a.reverse(Reverse::entry(spent.written.entry_id()).points(60)).await.unwrap().accepted().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_listed_with_what_it_changed_and_from_what() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let [a, c, house] = ["A", "C", "operator"].map(|id| test.client(id));
        let (a, c, house) = (a.await, c.await, house.await);
        let operator = house.operator();
        trade(&a, &c, now).await;

        let set = SetTerms::of("A", TermsChange::none().acceptance_fee(Decimal::new(5, 2)));
        operator.set_terms(set.clone()).await.unwrap().accepted().unwrap();
        operator.set_terms(set).await.unwrap().accepted().unwrap();
        let (kind, partners, changes) = newest(&operator).await;
        assert_eq!((kind, partners), (EntryKind::SetTerms, words(&["A"])));
        assert_eq!(changes[0], "version 2 -> 3");
        assert!(changes.iter().all(|change| !change.contains("acceptance_fee")), "it was so before: {changes:?}");
        let first = &all(&operator, AdminActions::all().kind(EntryKind::SetTerms)).await[1];
        let fee = first.changes.iter().find(|change| change.field == "acceptance_fee").unwrap();
        assert_eq!((fee.before.as_deref(), fee.after.as_deref()), (Some("0.02"), Some("0.05")));
        assert!(first.before.contains("acceptance_fee 0.02") && first.after.contains("acceptance_fee 0.05"));
        assert!(!first.after.contains("price"), "{}: what stays is not named", first.after);

        let state = SetPartnerState::of("B", PartnerState::Suspended);
        operator.set_partner_state(state).await.unwrap().accepted().unwrap();
        let suspended = (EntryKind::SetPartnerState, words(&["B"]), words(&["state ACTIVE -> SUSPENDED"]));
        assert_eq!(newest(&operator).await, suspended);
        let limits = |points| SetLimits::of("A", PartnerLimits::none().points_per_day(points));
        operator.set_limits(limits(5_000)).await.unwrap().accepted().unwrap();
        operator.set_limits(limits(7_000)).await.unwrap().accepted().unwrap();
        let more = (EntryKind::SetLimits, words(&["A"]), words(&["points_per_day 5000 -> 7000"]));
        assert_eq!(newest(&operator).await, more);
        let consent = SetFundingConsent::give("C", "A").budget(50);
        operator.set_funding_consent(consent).await.unwrap().accepted().unwrap();
        let given =
            (EntryKind::SetFundingConsent, words(&["A", "C"]), words(&["given - -> true", "budget_points - -> 50"]));
        assert_eq!(newest(&operator).await, given);
        operator.set_calendar(SetCalendar::new(["0 0 1 * *"]).time_zone("UTC")).await.unwrap().accepted().unwrap();
        assert!(newest(&operator).await.2.contains(&"cut_offs - -> 0 0 1 * * KEEP 0 0".to_owned()));
        let deposit = || Deposit::account("collateral:A", Money::new("RUB", Decimal::new(100, 2)));
        operator.deposit(deposit()).await.unwrap().accepted().unwrap();
        operator.deposit(deposit()).await.unwrap().accepted().unwrap();
        let deposited = (EntryKind::Deposit, words(&["A"]), words(&["collateral:A 1.00 -> 2.00"]));
        assert_eq!(newest(&operator).await, deposited);
        operator.create_partner(CreatePartner::new("D")).await.unwrap().accepted().unwrap();
        let (kind, partners, changes) = newest(&operator).await;
        assert_eq!((kind, partners), (EntryKind::CreatePartner, words(&["D"])));
        assert!(changes.contains(&"display_name - -> D".to_owned()) && changes.contains(&"version - -> 1".to_owned()));

        let member = |number: &'static str| ("card", number);
        let longer =
            ExtendExpiry::of(member("1"), "A").expiring_until(now + 10 * DAY).to(now + 20 * DAY).reason("OUTAGE");
        operator.extend_expiry(longer).await.unwrap().accepted().unwrap();
        let extended = all(&operator, AdminActions::all()).await.swap_remove(0);
        assert_eq!((extended.kind, extended.reason_code.as_deref()), (EntryKind::Extend, Some("OUTAGE")));
        assert_eq!(extended.before, "expire_time 2026-02-10T00:00:00Z");
        assert_eq!(extended.after, "expire_time 2026-02-21T00:00:00Z, points 40");
        assert!(extended.member_id.is_some());
        let given = ReinstatePoints::to(member("1"), "A").points(7).reason("GOODWILL");
        operator.reinstate_points(given).await.unwrap().accepted().unwrap();
        assert_eq!(newest(&operator).await, (EntryKind::Reinstate, words(&["A"]), words(&["points - -> 7"])));
        let given_up = WriteOffDebt::of(member("2"), "A").points(20).reason("GOODWILL");
        operator.write_off_debt(given_up).await.unwrap().accepted().unwrap();
        assert_eq!(newest(&operator).await, (EntryKind::WriteOff, words(&["A"]), words(&["owed_points 60 -> 40"])));
        // Of three lots.
        operator.run_decay(RunDecay::of(member("1"), Decimal::new(1, 1), "2026-02")).await.unwrap().accepted().unwrap();
        let (kind, _, changes) = newest(&operator).await;
        let decayed = ["period - -> 2026-02", "rate - -> 0.1", "available_points 147 -> 133"];
        assert_eq!((kind, changes), (EntryKind::Decay, words(&decayed)));
        assert_eq!(all(&operator, AdminActions::all().kind(EntryKind::Decay)).await.len(), 1, "one a decision");

        operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        let (kind, _, changes) = newest(&operator).await;
        assert_eq!(
            (kind, &*changes[0], &*changes[1]),
            (EntryKind::Close, "window_state OPEN -> CLOSED", "settlement_state - -> PROPOSED")
        );
        let refused = operator.confirm_settlement(ConfirmSettlement::of(9)).await.unwrap();
        assert!(refused.accepted().is_err());
        assert_eq!(newest(&operator).await.0, EntryKind::Close, "what was refused changed nothing");
        operator.confirm_settlement(ConfirmSettlement::of(1)).await.unwrap().accepted().unwrap();
        assert_eq!(newest(&operator).await.2, words(&["settlement_state PROPOSED -> CONFIRMED"]));
        operator.export_orders(ExportOrders::of(1, OrderMode::Hub)).await.unwrap().accepted().unwrap();
        let exported = ["settlement_state CONFIRMED -> EXPORTED", "mode - -> HUB"];
        assert_eq!(newest(&operator).await.2, words(&exported));
        operator.confirm_payment(ConfirmPayment::hub(1, "A")).await.unwrap().accepted().unwrap();
        let (kind, partners, changes) = newest(&operator).await;
        assert_eq!((kind, partners, &*changes[0]), (EntryKind::Payment, words(&["A"]), "paid - -> A to hub"));
        assert_eq!(changes[2], "settlement_state EXPORTED -> PARTLY_PAID");

        // Each filter leaves what it says, and all of it.
        let everything = all(&operator, AdminActions::all()).await;
        assert!(everything.is_sorted_by(|one, next| one.action_time >= next.action_time));
        let founding = &everything[everything.len() - 1];
        assert_eq!((founding.kind, &*founding.actor, &founding.request_id), (EntryKind::Found, "house", &None));
        assert!(
            everything
                .iter()
                .filter(|action| action.request_id.is_some())
                .all(|action| action.actor == "operator/operator-1")
        );
        let those = |keep: &dyn Fn(&AdminAction) -> bool| -> Vec<AdminAction> {
            everything.iter().filter(|action| keep(action)).cloned().collect()
        };
        let of_a = AdminActions::all().partner("A");
        assert_eq!(all(&operator, of_a.clone()).await, those(&|action| action.partner_ids.iter().any(|id| id == "A")));
        let of_kind = AdminActions::all().kind(EntryKind::Deposit);
        assert_eq!(all(&operator, of_kind).await, those(&|action| action.kind == EntryKind::Deposit));
        let about = AdminActions::all().window(2);
        assert_eq!(all(&operator, about).await, those(&|action| action.window == 2));
        let both = of_a.kind(EntryKind::SetLimits).window(1);
        assert_eq!(all(&operator, both).await.len(), 2);
        let later = now + DAY;
        operator.client().sandbox().advance_clock(later).await.unwrap();
        operator.deposit(deposit()).await.unwrap().accepted().unwrap();
        assert_eq!(all(&operator, AdminActions::all().since(later)).await.len(), 1);
        assert_eq!(all(&operator, AdminActions::all().until(later)).await, everything);
        let auditor = test.identities.client(&test.endpoint(), Kind::Auditor, "eve").await;
        assert_eq!(all(&auditor.operator(), AdminActions::all()).await.len(), everything.len() + 1);

        // Pages end where they are told to, and go on behind.
        let mut wire = test.wire(Kind::Partner, "operator").admin;
        let page = |page_token: String, partner_id: &str| v1::ListAdminActionsRequest {
            partner_id: partner_id.to_owned(),
            page_size: 3,
            page_token,
            ..v1::ListAdminActionsRequest::default()
        };
        let (mut ids, mut token, mut turned) = (Vec::new(), String::new(), 0);
        loop {
            let answer = wire.list_admin_actions(page(token, "A")).await.unwrap().into_inner();
            assert!(answer.actions.len() <= 3);
            ids.extend(answer.actions.into_iter().map(|action| action.entry_id));
            token = answer.next_page_token;
            turned += 1;
            if token.is_empty() {
                break;
            }
            let other = wire.list_admin_actions(page(token.clone(), "B")).await.unwrap_err();
            assert_eq!(other.code(), tonic::Code::InvalidArgument, "a token of another list");
        }
        let of_a = all(&operator, AdminActions::all().partner("A")).await;
        assert_eq!(ids, of_a.into_iter().map(|action| action.entry_id).collect::<Vec<_>>());
        assert!(turned > 2);
        test.end().await;
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines that have a text.
    fn with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_of_the_operator_is_one_line_of_the_log_and_what_a_till_asks_is_none() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // The house answers on threads of its own. No other test looks at the log.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let [a, c, house] = ["A", "C", "operator"].map(|id| test.client(id));
        let (a, c, house) = (a.await, c.await, house.await);
        let operator = house.operator();
        trade(&a, &c, now).await;
        let till = a.new_request_id();
        a.issue(Issue::to("card", "31415926").points(1).request_id(till)).await.unwrap().accepted().unwrap();
        assert_eq!(log.with(&till.to_string()), Vec::<String>::new());

        let id = house.new_request_id();
        let line = |id: partner_sdk::RequestId| {
            let lines = log.with(&id.to_string());
            let [line] = &lines[..] else { panic!("one line an action: {lines:?}") };
            line.clone()
        };
        let has = |line: &str, texts: &[&str]| {
            texts.iter().for_each(|text| assert!(line.contains(text), "{text} is not in {line}"));
        };
        let deposit = Deposit::account("collateral:A", Money::new("RUB", Decimal::new(13_57, 2))).request_id(id);
        operator.deposit(deposit).await.unwrap().accepted().unwrap();
        let said = line(id);
        has(&said, &[" INFO ", "action=\"Deposit\"", "caller=operator", "partners=\"A\"", "window=1"]);
        has(&said, &["outcome=\"accepted\"", "replayed=false", "entry="]);
        assert!(!said.contains("13.57"), "amounts are in the books: {said}");
        let id = house.new_request_id();
        let refused = operator.confirm_settlement(ConfirmSettlement::of(9).request_id(id)).await.unwrap();
        assert!(refused.accepted().is_err());
        has(&line(id), &["action=\"ConfirmSettlement\"", "window=9", "outcome=\"rejected\"", "reason=\"NOT_FOUND: "]);
        let id = house.new_request_id();
        let given_up = WriteOffDebt::of(("card", "2"), "A").points(20).reason("GOODWILL").request_id(id);
        let written = operator.write_off_debt(given_up).await.unwrap().accepted().unwrap();
        let member = format!("member=\"{}\"", written.member.member_id);
        has(&line(id), &["action=\"WriteOffDebt\"", "partners=\"A\"", &member, "outcome=\"accepted\""]);
        assert_eq!(log.with("31415926"), Vec::<String>::new(), "no identifier");
        test.end().await;
    }
}
