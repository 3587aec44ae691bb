//! Who may ask what: every call against every role, and no partner near what is another's.

use clearing_certs::Kind;
use partner_sdk::operator::{
    AbortSettlement, AdminActions, CloseWindow, ConfirmPayment, ConfirmSettlement, CreatePartner, DecayMembers,
    Deposit, ExportOrders, ExtendExpiry, OrderMode, PartnerLimits, PartnerState, ReinstatePoints, RunDecay,
    SetCalendar, SetFundingConsent, SetLimits, SetPartnerState, SetTerms, TermsChange, WriteOffDebt,
};
use partner_sdk::{
    Abandon, Authorize, Capture, Client, DayCount, Decimal, Earn, EntryFilter, Error, Issue, MemberRef, Money, Origin,
    Outcome, Purchase, Receipt, Redeem, RequestId, ReturnPurchase, ReturnRedemption, Reverse, Transfer, Void,
};

use prost::Message as _;

use clearing_play::{BACKENDS, TestHouse, no_entry};

/// Whether a call was let through to the rules.
fn let_in<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    match result {
        Err(Error::PermissionDenied { .. }) => false,
        Err(Error::Unauthenticated { .. }) => panic!("the certificate is a good one"),
        Ok(_) | Err(_) => true,
    }
}

/// Every call on points.
async fn points_calls(client: &Client) -> Vec<(&'static str, bool)> {
    let member = MemberRef::identifier("card", "1");
    let issue = || Issue::to("card", "1").points(1);
    vec![
        ("IssuePoints", let_in(client.issue(issue()).await)),
        ("BatchIssuePoints", let_in(client.batch_issue(vec![issue()]).await)),
        ("StreamIssuePoints", let_in(stream_once(client, issue()).await)),
        ("QuoteRedemption", let_in(client.quote(member.clone(), 1).await)),
        ("RedeemPoints", let_in(client.redeem(Redeem::from("card", "1").points(1)).await)),
        ("AuthorizeRedemption", let_in(client.authorize(Authorize::from("card", "1").points(1)).await)),
        ("CaptureHold", let_in(client.capture(Capture::hold(no_entry()).points(1)).await)),
        ("VoidHold", let_in(client.void(Void::hold(no_entry())).await)),
        ("GetHold", let_in(client.hold(&no_entry()).await)),
        ("ReverseIssue", let_in(client.reverse(Reverse::entry(no_entry()).points(1)).await)),
        ("PostPurchase", let_in(client.purchase(Purchase::by("card", "1").earn(Earn::points(1))).await)),
        ("ReturnPurchase", let_in(client.return_purchase(return_purchase(&no_entry())).await)),
        ("TransferPoints", let_in(client.transfer(Transfer::between(("card", "0"), ("card", "1")).points(1)).await)),
        ("FindReceipt", let_in(client.find_receipt(Receipt::new("R-1", "2026-02-01")).collect().await)),
        ("ReconcileDay", let_in(client.reconcile_day(DayCount::of_store("s1", "2026-02-01")).await)),
        ("ReturnRedemption", let_in(client.return_redemption(ReturnRedemption::of(no_entry()).points(1)).await)),
        ("AbandonRequest", let_in(client.abandon(Abandon::request(client.new_request_id())).await)),
        ("GetBalance", let_in(client.balance(member).await)),
        ("GetEntry", let_in(client.entry(&no_entry()).await)),
        ("ListExpiryNotices", let_in(client.expiry_notices(None).collect().await)),
        ("ListEntries", let_in(client.entries(EntryFilter::all()).collect().await)),
    ]
}

fn return_purchase(redemption: &str) -> ReturnPurchase {
    let money = Money::new("RUB", Decimal::new(100, 2));
    ReturnPurchase::of(money.clone(), money).redemption(redemption)
}

/// One batch of one item over a stream.
async fn stream_once(client: &Client, issue: Issue) -> Result<(), Error> {
    let mut stream = client.stream_issue(1);
    stream.send(vec![issue]).await?;
    stream.next().await.map(drop)
}

/// Every call of the position service, about the caller's own books.
async fn position_calls(client: &Client, partner: &str) -> Vec<(&'static str, bool)> {
    vec![
        ("GetPosition", let_in(client.position_of(partner).await)),
        ("ListWindows", let_in(client.windows().collect().await)),
        ("GetStatement", let_in(client.statement_of(partner, None).await)),
        ("ListObligations", let_in(client.obligations_of(partner, None).collect().await)),
        ("ListOrders", let_in(client.orders_of(partner, 1, None).collect().await)),
    ]
}

/// Every call that only the operator may make. None of them changes anything where it is refused.
async fn admin_calls(client: &Client) -> Vec<(&'static str, bool)> {
    let operator = client.operator();
    let money = Money::new("RUB", Decimal::new(100, 2));
    vec![
        ("CreatePartner", let_in(operator.create_partner(CreatePartner::new("new")).await)),
        ("SetTerms", let_in(operator.set_terms(SetTerms::of("A", TermsChange::none())).await)),
        ("SetPartnerState", let_in(operator.set_partner_state(SetPartnerState::of("A", PartnerState::Active)).await)),
        ("SetLimits", let_in(operator.set_limits(SetLimits::of("A", PartnerLimits::none())).await)),
        ("SetFundingConsent", let_in(operator.set_funding_consent(SetFundingConsent::give("A", "B")).await)),
        ("ListPartners", let_in(operator.partners().collect().await)),
        ("RunDecay", let_in(operator.run_decay(RunDecay::of(("card", "0"), Decimal::ONE, "2026-01")).await)),
        ("DecayMembers", let_in(operator.decay_members_page(&decay_members(), String::new()).await)),
        ("ExtendExpiry", let_in(operator.extend_expiry(ExtendExpiry::of(("card", "0"), "A")).await)),
        ("ReinstatePoints", let_in(operator.reinstate_points(ReinstatePoints::to(("card", "0"), "A")).await)),
        ("WriteOffDebt", let_in(operator.write_off_debt(WriteOffDebt::of(("card", "0"), "A")).await)),
        ("ConfirmSettlement", let_in(operator.confirm_settlement(ConfirmSettlement::of(9)).await)),
        ("ExportOrders", let_in(operator.export_orders(ExportOrders::of(9, OrderMode::Hub)).await)),
        ("ConfirmPayment", let_in(operator.confirm_payment(ConfirmPayment::hub(9, "A")).await)),
        ("AbortSettlement", let_in(operator.abort_settlement(AbortSettlement::of(9)).await)),
        ("Deposit", let_in(operator.deposit(Deposit::reserve(money)).await)),
        ("SetCalendar", let_in(operator.set_calendar(SetCalendar::new(["0 0 1 * *"]).time_zone("UTC")).await)),
        ("CloseWindow", let_in(operator.close_window(CloseWindow::now()).await)),
    ]
}

/// For a period before any other, at a rate of nothing.
fn decay_members() -> DecayMembers {
    DecayMembers::of(Decimal::ZERO, "0", std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1))
}

/// Every call on the whole books.
async fn report_calls(client: &Client) -> Vec<(&'static str, bool)> {
    let operator = client.operator();
    vec![
        ("TrialBalance", let_in(operator.trial_balance(true).await)),
        ("NettingReport", let_in(operator.netting_report(None).await)),
        ("ListAllExpiryNotices", let_in(operator.expiry_notices(None).collect().await)),
        ("PreviewSettlement", let_in(operator.preview_settlement(None).await)),
        ("ListJournalEntries", let_in(operator.journal(1, None).collect().await)),
        ("ListAdminActions", let_in(operator.admin_actions(AdminActions::all()).collect().await)),
    ]
}

async fn open_calls(client: &Client) -> Vec<(&'static str, bool)> {
    vec![
        ("GetServerInfo", let_in(client.server_info().await)),
        ("GetClock", let_in(client.sandbox().clock().await)),
        // Back to 1970 is refused by the rules; whether the call is let in at all is what is asked.
        ("AdvanceClock", let_in(client.sandbox().advance_clock(std::time::SystemTime::UNIX_EPOCH).await)),
    ]
}

fn all_are(expected: bool, role: &str, calls: Vec<(&'static str, bool)>) {
    for (call, allowed) in calls {
        assert_eq!(allowed, expected, "{call} by {role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_open_to_the_roles_it_is_meant_for_and_to_no_other() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;

        let partner = test.client("A").await;
        all_are(true, "partner", points_calls(&partner).await);
        all_are(true, "partner", position_calls(&partner, "A").await);
        all_are(false, "partner about another", position_calls_about_another(&partner).await);
        all_are(false, "partner", admin_calls(&partner).await);
        all_are(false, "partner", report_calls(&partner).await);
        all_are(true, "partner", open_calls(&partner).await);

        let auditor = test.identities.client(&test.endpoint(), Kind::Auditor, "eve").await;
        all_are(false, "auditor", points_calls(&auditor).await);
        all_are(true, "auditor", position_calls(&auditor, "A").await);
        all_are(false, "auditor", admin_calls(&auditor).await);
        all_are(true, "auditor", report_calls(&auditor).await);
        all_are(true, "auditor", open_calls(&auditor).await);

        let stranger = test.client("stranger").await;
        all_are(false, "stranger", points_calls(&stranger).await);
        all_are(false, "stranger", position_calls(&stranger, "stranger").await);
        all_are(false, "stranger", admin_calls(&stranger).await);
        all_are(false, "stranger", report_calls(&stranger).await);
        all_are(false, "stranger", open_calls(&stranger).await);

        let operator = test.client("operator").await;
        all_are(true, "operator", points_calls(&operator).await);
        all_are(true, "operator", position_calls(&operator, "A").await);
        all_are(true, "operator", report_calls(&operator).await);
        all_are(true, "operator", open_calls(&operator).await);
        all_are(true, "operator", admin_calls(&operator).await);
        test.end().await;
    }
}

#[test]
fn every_operation_of_the_house_is_among_the_calls_that_are_tried() {
    let source = include_str!("access.rs");
    let set = prost_types::FileDescriptorSet::decode(clearing_proto::FILE_DESCRIPTOR_SET).unwrap();
    for method in set.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method) {
        let method = method.name();
        assert!(source.contains(&format!("(\"{method}\", let_in(")), "{method} is not tried");
    }
}

async fn position_calls_about_another(client: &Client) -> Vec<(&'static str, bool)> {
    let calls = position_calls(client, "B").await;
    calls.into_iter().filter(|(call, _)| *call != "ListWindows").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_reads_or_moves_what_is_anothers() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);

        let issue_key = a.new_request_id();
        let issued = Issue::to("card", "1").points(100).request_id(issue_key);
        let issued = a.issue(issued).await.unwrap().accepted().unwrap();
        let redeemed = c.redeem(Redeem::from("card", "1").points(40)).await.unwrap().accepted().unwrap();

        // B has no part in either entry.
        for entry in [&issued.written.entries[0], &redeemed.written.entries[0]] {
            assert!(matches!(b.entry(&entry.entry_id).await, Err(Error::NotFound { .. })));
        }
        assert!(matches!(b.entry_of_request(issue_key).await, Err(Error::NotFound { .. })));
        assert!(b.entries(EntryFilter::all()).collect().await.unwrap().is_empty());

        // A sees that its points were taken, not by whom, from whom, or what C gets for them.
        let seen = a.entry(redeemed.written.entry_id()).await.unwrap();
        let accounts: Vec<&str> = seen.postings.iter().map(|posting| posting.account.as_str()).collect();
        assert!(accounts.iter().all(|account| account.ends_with(":A")), "{accounts:?}");
        assert_eq!((seen.member_id, seen.partner_id, seen.request_id), (None, None, None));

        // Nobody returns another's redemption; another's key is another key.
        let back = ReturnRedemption::of(redeemed.written.entry_id()).points(1);
        let refused = b.return_redemption(back).await.unwrap();
        assert_eq!(refused.rejection().unwrap().reason.as_str(), "NOT_FOUND");
        let abandoned = b.abandon(Abandon::request(issue_key)).await.unwrap().accepted().unwrap();
        assert!(abandoned.written.entries.is_empty());
        assert_eq!(a.balance(MemberRef::identifier("card", "1")).await.unwrap().member.available_points, 60);
        let used: RequestId = issue_key;
        let other = b.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert_eq!(other.rejection().unwrap().reason.as_str(), "REQUEST_ABANDONED", "B burned its own key of that id");
        let third = c.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert!(matches!(third, Outcome::Accepted(_)), "C's key of that id is unused");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_touches_anothers_holds_issues_purchases_or_receipts() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);
        let origin = Origin::till("s1", "t1").receipt("R-1").business_date("2026-02-01");
        let issued = Issue::to("card", "1").points(100).origin(origin.clone());
        let issued = a.issue(issued).await.unwrap().accepted().unwrap().written.entry_id().to_owned();
        let day = std::time::Duration::from_secs(86_400);
        let held = c.authorize(Authorize::from("card", "1").points(30).lapses(begin + day)).await.unwrap();
        let hold = held.accepted().unwrap().hold_id;
        let spent = c.purchase(Purchase::by("card", "1").redeem(10).origin(origin)).await.unwrap().accepted().unwrap();
        let spent = spent.redemption_entry_id.unwrap();
        let entries = async || test.client("operator").await.operator().journal(1, None).collect().await.unwrap().len();
        let before = entries().await;

        let reason = |rejection: Option<&partner_sdk::Rejection>| rejection.unwrap().reason.as_str().to_owned();
        for thief in [&a, &b] {
            assert!(matches!(thief.hold(&hold).await, Err(Error::NotFound { .. })), "not even whose points they are");
            let captured = thief.capture(Capture::hold(&hold).points(1)).await.unwrap();
            assert_eq!(reason(captured.rejection()), "NOT_FOUND");
            assert_eq!(reason(thief.void(Void::hold(&hold)).await.unwrap().rejection()), "NOT_FOUND");
            let purchase = Purchase::by("card", "1").capture(&hold, 1);
            assert_eq!(reason(thief.purchase(purchase).await.unwrap().rejection()), "NOT_FOUND");
            let back = thief.return_purchase(return_purchase(&spent)).await.unwrap();
            assert_eq!(reason(back.rejection()), "NOT_FOUND");
        }
        for thief in [&b, &c] {
            let reversed = thief.reverse(Reverse::entry(&issued).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "NOT_FOUND");
            let receipt = Receipt::new("R-1", "2026-02-01").till("s1", "t1");
            let reversed = thief.reverse(Reverse::receipt(receipt).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "NOT_FOUND");
            // Newest of a member means of the caller's own issues.
            let reversed = thief.reverse(Reverse::newest(("card", "1")).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "REVERSAL_EXCEEDS_ISSUE");
        }
        let receipt = || Receipt::new("R-1", "2026-02-01").till("s1", "t1");
        assert!(b.find_receipt(receipt()).collect().await.unwrap().is_empty());
        assert_eq!(a.find_receipt(receipt()).collect().await.unwrap().len(), 1);
        // Another member's hold pays no receipt, even that of the right partner.
        a.issue(Issue::to("card", "2").points(1)).await.unwrap().accepted().unwrap();
        let purchase = c.purchase(Purchase::by("card", "2").capture(&hold, 1)).await.unwrap();
        assert_eq!(reason(purchase.rejection()), "NOT_FOUND");
        assert_eq!(entries().await, before + 1, "nothing was written but the last issue");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_partner_still_ends_what_it_began() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (c, operator) = (test.client("C").await, test.client("operator").await.operator());
        let issued = c
            .issue(Issue::to("card", "1").points(100))
            .await
            .unwrap()
            .accepted()
            .unwrap()
            .written
            .entry_id()
            .to_owned();
        let day = std::time::Duration::from_secs(86_400);
        let authorize = || Authorize::from("card", "1").points(10).lapses(begin + day);
        let mut holds = Vec::new();
        for _ in 0..2 {
            holds.push(c.authorize(authorize()).await.unwrap().accepted().unwrap().hold_id);
        }
        let suspend = SetPartnerState::of("C", PartnerState::Suspended);
        operator.set_partner_state(suspend).await.unwrap().accepted().unwrap();
        let reason = |rejection: Option<&partner_sdk::Rejection>| rejection.unwrap().reason.as_str().to_owned();
        assert_eq!(reason(c.authorize(authorize()).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let spends = Purchase::by("card", "1").redeem(1);
        assert_eq!(reason(c.purchase(spends).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let earns = Purchase::by("card", "1").capture(&holds[0], 1).earn(Earn::points(1));
        assert_eq!(reason(c.purchase(earns).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let gift = Transfer::between(("card", "1"), ("card", "2")).points(1);
        assert_eq!(reason(c.transfer(gift).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let captured = c.capture(Capture::hold(&holds[0]).points(10)).await.unwrap().accepted().unwrap();
        c.void(Void::hold(&holds[1])).await.unwrap().accepted().unwrap();
        let back = ReturnPurchase::of(Money::new("RUB", Decimal::ONE), Money::new("RUB", Decimal::ONE));
        let back = back.redemption(captured.written.entry_id().to_owned()).issue(&issued);
        c.return_purchase(back).await.unwrap().accepted().unwrap();
        assert_eq!(c.balance(("card", "1")).await.unwrap().member.available_points, 0);
        test.end().await;
    }
}
