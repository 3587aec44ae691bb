//! Who may ask what: every call against every role, and no partner near what is another's.

use clearing_certs::Kind;
use partner_sdk::operator::{
    AbortSettlement, CloseWindow, ConfirmPayment, ConfirmSettlement, CreatePartner, Deposit, ExportOrders, OrderMode,
    PartnerState, SetCalendar, SetPartnerState, SetTerms, TermsChange,
};
use partner_sdk::{
    Abandon, Client, Decimal, EntryFilter, Error, Issue, MemberRef, Money, Outcome, Redeem, RequestId, ReturnRedemption,
};

use crate::house::{BACKENDS, TestHouse};
use crate::scenarios::read;

/// Whether a call was let through to the rules.
fn let_in<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    match result {
        Err(Error::PermissionDenied { .. }) => false,
        Err(Error::Unauthenticated { .. }) => panic!("the certificate is a good one"),
        Ok(_) | Err(_) => true,
    }
}

/// Every call of the points service.
async fn points_calls(client: &Client) -> Vec<(&'static str, bool)> {
    let member = MemberRef::identifier("card", "1");
    let issue = || Issue::to("card", "1").points(1);
    vec![
        ("IssuePoints", let_in(client.issue(issue()).await)),
        ("BatchIssuePoints", let_in(client.batch_issue(vec![issue()]).await)),
        ("StreamIssuePoints", let_in(stream_once(client, issue()).await)),
        ("QuoteRedemption", let_in(client.quote(member.clone(), 1).await)),
        ("RedeemPoints", let_in(client.redeem(Redeem::from("card", "1").points(1)).await)),
        ("ReturnRedemption", let_in(client.return_redemption(ReturnRedemption::of(no_entry()).points(1)).await)),
        ("AbandonRequest", let_in(client.abandon(Abandon::request(client.new_request_id())).await)),
        ("GetBalance", let_in(client.balance(member).await)),
        ("GetEntry", let_in(client.entry(&no_entry()).await)),
        ("ListEntries", let_in(client.entries(EntryFilter::all()).collect().await)),
    ]
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
        ("ListPartners", let_in(operator.partners().collect().await)),
        ("PreviewSettlement", let_in(operator.preview_settlement(None).await)),
        ("ConfirmSettlement", let_in(operator.confirm_settlement(ConfirmSettlement::of(9)).await)),
        ("ExportOrders", let_in(operator.export_orders(ExportOrders::of(9, OrderMode::Hub)).await)),
        ("ConfirmPayment", let_in(operator.confirm_payment(ConfirmPayment::hub(9, "A")).await)),
        ("AbortSettlement", let_in(operator.abort_settlement(AbortSettlement::of(9)).await)),
        ("Deposit", let_in(operator.deposit(Deposit::reserve(money)).await)),
        ("SetCalendar", let_in(operator.set_calendar(SetCalendar::new(["0 0 1 * *"]).time_zone("UTC")).await)),
        ("CloseWindow", let_in(operator.close_window(CloseWindow::now()).await)),
    ]
}

/// Every call on the whole books.
async fn report_calls(client: &Client) -> Vec<(&'static str, bool)> {
    let operator = client.operator();
    vec![
        ("TrialBalance", let_in(operator.trial_balance(true).await)),
        ("NettingReport", let_in(operator.netting_report(None).await)),
        ("ListJournalEntries", let_in(operator.journal(1, None).collect().await)),
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

fn no_entry() -> String {
    "01900000-0000-7000-8000-000000000000.0".to_owned()
}

fn all_are(expected: bool, role: &str, calls: Vec<(&'static str, bool)>) {
    for (call, allowed) in calls {
        assert_eq!(allowed, expected, "{call} by {role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_open_to_the_roles_it_is_meant_for_and_to_no_other() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let test = TestHouse::open(backend, &house, scenario.house.coalition.start).await;

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
        test.finish().await;
    }
}

async fn position_calls_about_another(client: &Client) -> Vec<(&'static str, bool)> {
    let calls = position_calls(client, "B").await;
    calls.into_iter().filter(|(call, _)| *call != "ListWindows").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_reads_or_moves_what_is_anothers() {
    for backend in BACKENDS {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let test = TestHouse::open(backend, &house, scenario.house.coalition.start).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);

        let issue_key = a.new_request_id();
        let issued = Issue::to("card", "1").points(100).request_id(issue_key);
        let issued = a.issue(issued).await.unwrap().accepted().unwrap();
        let redeemed = c.redeem(Redeem::from("card", "1").points(40)).await.unwrap().accepted().unwrap();

        // B has no part in either entry.
        for entry in [&issued.entry, &redeemed.entry] {
            assert!(matches!(b.entry(&entry.entry_id).await, Err(Error::NotFound { .. })));
        }
        assert!(matches!(b.entry_of_request(issue_key).await, Err(Error::NotFound { .. })));
        assert!(b.entries(EntryFilter::all()).collect().await.unwrap().is_empty());

        // A sees that its points were taken, not by whom, from whom, or what C gets for them.
        let seen = a.entry(&redeemed.entry.entry_id).await.unwrap();
        let accounts: Vec<&str> = seen.postings.iter().map(|posting| posting.account.as_str()).collect();
        assert!(accounts.iter().all(|account| account.ends_with(":A")), "{accounts:?}");
        assert_eq!((seen.member_id, seen.partner_id.as_str(), seen.request_id), (None, "", None));

        // Nobody returns another's redemption; another's key is another key.
        let back = ReturnRedemption::of(redeemed.entry.entry_id.clone()).points(1);
        let refused = b.return_redemption(back).await.unwrap();
        assert_eq!(refused.rejection().unwrap().reason.as_str(), "NOT_FOUND");
        let abandoned = b.abandon(Abandon::request(issue_key)).await.unwrap().accepted().unwrap();
        assert!(abandoned.entries.is_empty());
        assert_eq!(a.balance(MemberRef::identifier("card", "1")).await.unwrap().available_points, 60);
        let used: RequestId = issue_key;
        let other = b.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert_eq!(other.rejection().unwrap().reason.as_str(), "REQUEST_ABANDONED", "B burned its own key of that id");
        let third = c.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert!(matches!(third, Outcome::Accepted(_)), "C's key of that id is unused");
        test.finish().await;
    }
}
