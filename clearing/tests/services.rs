//! The services of accountants and the operator on a real writer and database, called as the server calls them once it
//! knows who is asking. What a certificate may ask at all, and the wire itself, are tested elsewhere.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use clearing::clock::{self, Clock};
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::identifier::IdentifierKey;
use clearing::projector;
use clearing::rpc::auth::Caller;
use clearing::rpc::{Context, info, partners, points, position, report, sandbox, settlement};
use clearing::scheduler::Scheduler;
use clearing::store::{LOOKED_THROUGH_MAX, Store};
use clearing::writer::Writer;
use clearing_core::terms::Calendar;
use clearing_core::units::{PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::info_service_server::InfoService;
use clearing_proto::v1::partner_admin_service_server::PartnerAdminService;
use clearing_proto::v1::points_service_server::PointsService;
use clearing_proto::v1::position_service_server::PositionService;
use clearing_proto::v1::report_service_server::ReportService;
use clearing_proto::v1::sandbox_service_server::SandboxService;
use clearing_proto::v1::settlement_admin_service_server::SettlementAdminService;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};
use tonic_types::StatusExt;

const START: &str = "2026-02-01T00:00:00Z";

/// A pays at redemption, B and the operator have prepaid, C bears a fee of 2 %.
const COALITION: &str = r#"
[coalition]
currency = "EUR"
scale = 4
point_value = "0.01"
start = "2026-02-01T00:00:00Z"
settlement_threshold = "0.05"
breakage = { reserve = "0.5", operator = "0.3", issuer = "0.2" }
[[partner]]
id = "A"
funding = "AT_REDEMPTION"
[[partner]]
id = "B"
[[partner]]
id = "C"
acceptance_fee = "0.02"
"#;

struct House {
    context: Context,
    position: position::Service,
    partners: partners::Service,
    settlement: settlement::Service,
    report: report::Service,
    points: points::Service,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut clearing_core::terms::House)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect(&format!("sqlite:{}", folder.path().join("house.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        let mut house = CoalitionFile::parse(COALITION).unwrap().to_house("test", Variant::AtIssue).unwrap();
        change(&mut house);
        store.create_coalition(&house, "test.example", &IdentifierKey::new([7; 32]), time(START)).await.unwrap();
        let clock = Clock::manual(time(START));
        let (writer, _) = Writer::start(store.clone(), clock.clone(), 256);
        let context = Context {
            scheduler: Scheduler::new(store.clone(), writer.clone(), clock.clone()),
            store,
            writer,
            clock,
            identifier_key: Arc::new(IdentifierKey::new([7; 32])),
            house: Arc::new(ArcSwapOption::from_pointee(house)),
        };
        Self {
            position: position::Service(context.clone()),
            partners: partners::Service(context.clone()),
            settlement: settlement::Service(context.clone()),
            report: report::Service(context.clone()),
            points: points::Service(context.clone()),
            context,
            _folder: folder,
        }
    }

    async fn issue(&self, issuer: &str, member: &str, points: i64) -> String {
        let request = v1::IssuePointsRequest {
            request_id: request_id(),
            member: member_ref(member),
            points,
            ..v1::IssuePointsRequest::default()
        };
        self.points.issue_points(by(issuer, request)).await.unwrap().into_inner().entry.unwrap().entry_id
    }

    async fn redeem(&self, acceptor: &str, member: &str, points: i64) -> String {
        let request =
            v1::RedeemPointsRequest { request_id: request_id(), member: member_ref(member), points, origin: None };
        self.points.redeem_points(by(acceptor, request)).await.unwrap().into_inner().entry.unwrap().entry_id
    }

    async fn give_back(&self, acceptor: &str, redemption: &str, points: i64) {
        let request = v1::ReturnRedemptionRequest {
            request_id: request_id(),
            redemption_entry_id: redemption.to_owned(),
            points,
            origin: None,
        };
        self.points.return_redemption(by(acceptor, request)).await.unwrap();
    }

    /// A day's trade: A and B issue, all three accept, and a part of one redemption is returned.
    async fn trade(&self) {
        self.issue("A", "m1", 1000).await;
        self.issue("B", "m2", 500).await;
        self.issue("A", "m3", 300).await;
        let redemption = self.redeem("C", "m1", 700).await;
        self.redeem("C", "m2", 200).await;
        self.redeem("B", "m3", 100).await;
        self.redeem("A", "m1", 50).await;
        self.give_back("C", &redemption, 300).await;
    }

    async fn close(&self) -> v1::Settlement {
        let request = v1::CloseWindowRequest { request_id: request_id() };
        self.settlement.close_window(by("operator", request)).await.unwrap().into_inner().settlement.unwrap()
    }

    async fn preview(&self, window: i64) -> v1::Settlement {
        let request = v1::PreviewSettlementRequest { window };
        self.settlement.preview_settlement(by("operator", request)).await.unwrap().into_inner().settlement.unwrap()
    }

    async fn statement(
        &self,
        partner: &str,
        window: i64,
        page_size: i32,
        page_token: &str,
    ) -> v1::GetStatementResponse {
        let request =
            v1::GetStatementRequest { window, partner_id: String::new(), page_size, page_token: page_token.to_owned() };
        self.position.get_statement(by(partner, request)).await.unwrap().into_inner()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn wire_time(text: &str) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time(text).0 / 1_000_000, nanos: 0 }
}

/// A request as it arrives from a partner.
fn by<T>(partner: &str, message: T) -> Request<T> {
    from(Caller::Partner(partner.parse().unwrap()), message)
}

fn from<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

fn request_id() -> String {
    clearing_core::units::RequestId(clock::fresh_uuid()).to_string()
}

fn member_ref(card: &str) -> Option<v1::MemberRef> {
    let identifier = v1::Identifier { scheme: "card".to_owned(), value: card.to_owned() };
    Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(identifier)) })
}

/// An amount in ten-thousandths, as the coalition counts.
fn units(amount: &Option<v1::Money>) -> i64 {
    amount.as_ref().unwrap().amount.replace('.', "").parse().unwrap()
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().unwrap().reason
}

fn leg_of(settlement: &v1::Settlement, partner: &str) -> i64 {
    settlement.legs.iter().find(|leg| leg.partner_id == partner).map_or(0, |leg| units(&leg.amount))
}

#[tokio::test]
async fn every_statement_adds_up_in_open_and_closed_windows() {
    let house = House::new().await;
    house.trade().await;
    for partner in ["A", "B", "C", "operator"] {
        let open = house.statement(partner, 0, 0, "").await;
        let lines: i64 = open.totals.iter().map(|total| units(&total.amount)).sum();
        assert_eq!(units(&open.opening) + lines, units(&open.closing), "{partner}: {open:#?}");
        let request = v1::GetPositionRequest { partner_id: String::new() };
        let position = house.position.get_position(by(partner, request)).await.unwrap().into_inner();
        assert_eq!(units(&open.closing), units(&position.position), "{partner}");
        assert_eq!(units(&open.leg), 0);
    }
    let settlement = house.close().await;
    house.redeem("C", "m3", 7).await;
    house.close().await;
    for (partner, window) in ["A", "B", "C", "operator"].into_iter().flat_map(|partner| [(partner, 1), (partner, 2)]) {
        let closed = house.statement(partner, window, 0, "").await;
        let lines: i64 = closed.totals.iter().map(|total| units(&total.amount)).sum();
        assert_eq!(
            units(&closed.opening) + lines,
            units(&closed.closing) + units(&closed.leg),
            "{partner}: {closed:#?}"
        );
        if window == 1 {
            assert_eq!(units(&closed.leg), leg_of(&settlement, partner));
            let next = house.statement(partner, 2, 0, "").await;
            assert_eq!(closed.closing, next.opening, "what is carried opens the next window");
        }
    }
}

#[tokio::test]
async fn a_statement_read_in_pages_of_one_line_is_the_same_statement() {
    let house = House::new().await;
    house.trade().await;
    house.close().await;
    for partner in ["A", "C", "operator"] {
        let whole = house.statement(partner, 1, 0, "").await;
        let (mut lines, mut token) = (Vec::new(), String::new());
        loop {
            let page = house.statement(partner, 1, 1, &token).await;
            assert_eq!(page.totals, whole.totals, "the totals are those of the whole statement on every page");
            assert!(page.lines.len() <= 1);
            lines.extend(page.lines);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(lines, whole.lines, "{partner}");
        assert!(lines.is_sorted_by_key(|line| line.sequence));
        let count: i64 = whole.totals.iter().map(|total| total.line_count).sum();
        assert_eq!(i64::try_from(lines.len()).unwrap(), count);
    }
}

#[tokio::test]
async fn a_page_token_of_another_call_is_refused() {
    let house = House::new().await;
    house.trade().await;
    let token = house.statement("A", 0, 1, "").await.next_page_token;
    assert!(!token.is_empty());
    let request = |window, partner: &str| v1::GetStatementRequest {
        window,
        partner_id: partner.to_owned(),
        page_size: 1,
        page_token: token.clone(),
    };
    for (caller, request) in [("C", request(0, "")), ("A", request(1, "")), ("operator", request(0, "B"))] {
        let refused = house.position.get_statement(by(caller, request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    house.position.get_statement(by("operator", request(0, "A"))).await.unwrap();
}

#[tokio::test]
async fn the_pages_of_the_open_window_stay_with_it_when_it_closes() {
    let house = House::new().await;
    house.trade().await;
    let first = house.statement("A", 0, 2, "").await;
    house.close().await;
    house.issue("A", "m9", 5).await;
    let rest = house.statement("A", 0, 1000, &first.next_page_token).await;
    assert_eq!(rest.window.unwrap().window, 1);
    let whole = house.statement("A", 1, 1000, "").await;
    assert_eq!([first.lines, rest.lines].concat(), whole.lines);
}

#[tokio::test]
async fn a_preview_of_the_open_window_is_what_the_close_makes() {
    let house = House::new().await;
    house.trade().await;
    let preview = house.preview(0).await;
    assert_eq!(preview.state(), v1::SettlementState::Unspecified);
    assert_eq!(preview.window_state(), v1::WindowState::Open);
    assert!(preview.legs.iter().all(|leg| leg.state() == v1::LegState::Unspecified));
    assert_eq!(house.preview(1).await, preview, "the open window named by its number");
    let made = house.close().await;
    assert_eq!(made.state(), v1::SettlementState::Proposed);
    let plain = |settlement: &v1::Settlement| {
        let legs: Vec<_> = settlement.legs.iter().map(|leg| (leg.partner_id.clone(), units(&leg.amount))).collect();
        (legs, settlement.carried.clone(), settlement.proof.clone(), settlement.gross.clone(), settlement.saved.clone())
    };
    assert_eq!(plain(&preview), plain(&made));
    assert_eq!(units(&made.proof.as_ref().unwrap().sum), 0);
    assert_eq!(house.preview(1).await, made, "a closed one as it is");
    let unknown = house.settlement.preview_settlement(by("operator", v1::PreviewSettlementRequest { window: 9 })).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_settlement_goes_from_its_close_to_paid() {
    let house = House::new().await;
    house.trade().await;
    let made = house.close().await;
    let confirm = v1::ConfirmSettlementRequest { request_id: request_id(), window: 1 };
    let confirmed = house.settlement.confirm_settlement(by("operator", confirm.clone())).await.unwrap().into_inner();
    assert_eq!(confirmed.state(), v1::SettlementState::Confirmed);
    let again = house.settlement.confirm_settlement(by("operator", confirm)).await.unwrap().into_inner();
    assert!(again.replayed && !confirmed.replayed);
    let another = v1::ConfirmSettlementRequest { request_id: request_id(), window: 1 };
    let refused = house.settlement.confirm_settlement(by("operator", another)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SETTLEMENT_NOT_PROPOSED"));

    let export = || v1::ExportOrdersRequest { request_id: request_id(), window: 1, mode: v1::OrderMode::Hub.into() };
    let exported = house.settlement.export_orders(by("operator", export())).await.unwrap().into_inner();
    assert_eq!(exported.orders.len(), made.legs.len());
    assert_eq!(exported.csv.lines().count(), made.legs.len() + 1);
    assert_eq!(exported.state(), v1::SettlementState::Exported);
    for (at, order) in exported.orders.iter().enumerate() {
        let partner = if order.payer == "hub" { &order.payee } else { &order.payer };
        let payment = v1::ConfirmPaymentRequest {
            request_id: request_id(),
            window: 1,
            payment: Some(v1::confirm_payment_request::Payment::PartnerId(partner.clone())),
            amount: order.amount.clone(),
        };
        let paid = house.settlement.confirm_payment(by("operator", payment)).await.unwrap().into_inner();
        assert_eq!((paid.legs.len(), paid.legs[0].state()), (1, v1::LegState::Paid));
        assert!(paid.entry.is_some());
        let last = at + 1 == exported.orders.len();
        let state = if last { v1::SettlementState::Settled } else { v1::SettlementState::PartlyPaid };
        assert_eq!(paid.state(), state);
    }
    let left = house.settlement.export_orders(by("operator", export())).await.unwrap().into_inner();
    assert!(left.orders.is_empty(), "what is paid is not ordered again");
}

#[tokio::test]
async fn an_aborted_settlement_goes_into_the_open_window() {
    let house = House::new().await;
    house.trade().await;
    house.close().await;
    let abort = v1::AbortSettlementRequest { request_id: request_id(), window: 1 };
    let aborted = house.settlement.abort_settlement(by("operator", abort)).await.unwrap().into_inner();
    assert_eq!((aborted.open_window, aborted.entry.unwrap().kind()), (2, v1::EntryKind::AbortSettlement));
    let settlement = house.close().await;
    assert_eq!(units(&settlement.proof.unwrap().sum), 0, "also with what the abort put back");
}

#[tokio::test]
async fn positions_tell_what_is_in_flight_and_outstanding() {
    let house = House::new().await;
    house.trade().await;
    let made = house.close().await;
    let request = v1::GetPositionRequest { partner_id: "A".to_owned() };
    let position = house.position.get_position(by("operator", request.clone())).await.unwrap().into_inner();
    assert_eq!((position.window, position.in_flight.len()), (2, 1));
    assert_eq!(units(&position.in_flight[0].due), leg_of(&made, "A"));
    // 1,300 issued, 700 + 100 + 50 accepted, 300 returned.
    assert_eq!(position.outstanding_points, 750);
    let auditor = from(Caller::Auditor("audit".to_owned()), request.clone());
    assert_eq!(house.position.get_position(auditor).await.unwrap().into_inner(), position);
    let foreign = house.position.get_position(by("B", request)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::PermissionDenied);
    let unknown = v1::GetPositionRequest { partner_id: "nobody".to_owned() };
    assert_eq!(house.position.get_position(by("operator", unknown)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn windows_are_listed_newest_first_with_the_next_cut_offs() {
    let house = House::with(|house| {
        house.calendar = Calendar { cut_offs: vec!["0 18 * * *".to_owned()], time_zone: "UTC".to_owned() };
    })
    .await;
    house.trade().await;
    house.close().await;
    house.close().await;
    let list = |page_size, page_token| v1::ListWindowsRequest { page_size, page_token };
    let all = house.position.list_windows(by("A", list(0, String::new()))).await.unwrap().into_inner();
    assert_eq!(all.windows.iter().map(|window| window.window).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(all.windows[0].state(), v1::WindowState::Open);
    assert!(all.windows[2].leg.is_some() && all.windows[0].leg.is_none());
    assert_eq!(all.next_close_times.len(), 10);
    assert_eq!(all.next_close_times[0], wire_time("2026-02-01T18:00:00Z"));
    assert!(all.next_page_token.is_empty());
    let first = house.position.list_windows(by("A", list(2, String::new()))).await.unwrap().into_inner();
    let second = house.position.list_windows(by("A", list(2, first.next_page_token))).await.unwrap().into_inner();
    assert_eq!([first.windows, second.windows].concat(), all.windows);
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn obligations_are_paged_and_show_the_partners_own_sides() {
    let house = House::new().await;
    house.trade().await;
    let list = |page_size, page_token| v1::ListObligationsRequest {
        window: 0,
        partner_id: String::new(),
        page_size,
        page_token,
    };
    let all = house.position.list_obligations(by("A", list(0, String::new()))).await.unwrap().into_inner();
    let rows: Vec<_> =
        all.obligations.iter().map(|row| (row.issuer.as_str(), row.acceptor.as_str(), row.points)).collect();
    assert_eq!(rows, [("A", "B", 100), ("A", "C", 400)]);
    let first = house.position.list_obligations(by("A", list(1, String::new()))).await.unwrap().into_inner();
    let second = house.position.list_obligations(by("A", list(1, first.next_page_token))).await.unwrap().into_inner();
    assert_eq!([first.obligations, second.obligations].concat(), all.obligations);
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn the_trial_balance_sums_to_zero_and_lists_members_in_pages() {
    let house = House::new().await;
    house.trade().await;
    // m1 has points on hold, m4 owes points that it had spent and lost.
    let hold = v1::AuthorizeRedemptionRequest {
        request_id: request_id(),
        member: member_ref("m1"),
        points: 40,
        lapse_time: Some(wire_time("2026-12-31T00:00:00Z")),
        ..v1::AuthorizeRedemptionRequest::default()
    };
    house.points.authorize_redemption(by("B", hold)).await.unwrap();
    let issue = house.issue("A", "m4", 60).await;
    house.redeem("C", "m4", 50).await;
    let reversal = v1::ReverseIssueRequest {
        request_id: request_id(),
        points: 60,
        target: Some(v1::reverse_issue_request::Target::EntryId(issue)),
        ..v1::ReverseIssueRequest::default()
    };
    house.points.reverse_issue(by("A", reversal)).await.unwrap();
    house.close().await;
    let ask =
        |include_members, page_size, page_token| v1::TrialBalanceRequest { include_members, page_size, page_token };
    let whole = house.report.trial_balance(by("operator", ask(true, 0, String::new()))).await.unwrap().into_inner();
    assert!(whole.balanced && whole.points_sum == 0 && units(&whole.money_sum) == 0);
    assert!(whole.as_of_sequence > 0);
    assert!(whole.accounts.is_sorted_by_key(|row| row.account.clone()));
    for (class, accounts, total) in [("member", 3, 1010), ("held", 1, 40), ("debt", 1, -50), ("pending", 0, 0)] {
        let listed = whole.accounts.iter().filter(|row| row.account.starts_with(&format!("{class}:"))).count();
        assert_eq!(listed, accounts, "accounts of {class}");
        let sum = whole.totals.iter().find(|row| row.account == class).unwrap();
        assert_eq!(sum.balance, Some(v1::account_balance::Balance::Points(total)), "{class}");
    }
    for page_size in [1, 2, 3] {
        let (mut accounts, mut token) = (Vec::new(), String::new());
        loop {
            let page = ask(true, page_size, token);
            let page = house.report.trial_balance(by("operator", page)).await.unwrap().into_inner();
            assert_eq!(page.totals, whole.totals);
            accounts.extend(page.accounts);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(accounts, whole.accounts, "in pages of {page_size}");
    }
    let without = house.report.trial_balance(by("operator", ask(false, 0, String::new()))).await.unwrap().into_inner();
    let of_members = ["member:", "held:", "pending:", "debt:"];
    assert!(without.accounts.iter().all(|row| !of_members.iter().any(|class| row.account.starts_with(class))));
    assert_eq!(without.totals, whole.totals);
}

#[tokio::test]
async fn the_netting_report_keeps_the_two_directions_of_a_pair_together() {
    let house = House::new().await;
    house.trade().await;
    house.issue("C", "m4", 90).await;
    house.redeem("A", "m4", 90).await;
    let ask = |page_size, page_token| v1::NettingReportRequest { window: 0, page_size, page_token };
    let whole = house.report.netting_report(by("operator", ask(0, String::new()))).await.unwrap().into_inner();
    let rows: Vec<_> =
        whole.obligations.iter().map(|row| (row.issuer.as_str(), row.acceptor.as_str(), row.points)).collect();
    assert_eq!(rows, [("A", "B", 100), ("A", "C", 400), ("B", "C", 200), ("C", "A", 90)]);
    let nets: Vec<_> = whole
        .bilateral_nets
        .iter()
        .map(|net| (net.debtor.as_str(), net.creditor.as_str(), units(&net.amount)))
        .collect();
    assert_eq!(nets, [("A", "B", 10_000), ("A", "C", 31_000), ("B", "C", 20_000)]);
    assert_eq!(whole.settlement.as_ref().unwrap().window, 1);

    let (mut obligations, mut nets, mut token) = (0, Vec::new(), String::new());
    loop {
        let page = house.report.netting_report(by("operator", ask(1, token))).await.unwrap().into_inner();
        let mut pairs: Vec<_> = page
            .obligations
            .iter()
            .map(|row| (row.issuer.clone().min(row.acceptor.clone()), row.issuer.clone().max(row.acceptor.clone())))
            .collect();
        pairs.dedup();
        assert_eq!(pairs.len(), 1);
        assert_eq!(page.settlement, whole.settlement, "on every page");
        obligations += page.obligations.len();
        nets.extend(page.bilateral_nets);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((obligations, nets), (whole.obligations.len(), whole.bilateral_nets));

    // Closed, it says the same of the obligations.
    house.close().await;
    let request = v1::NettingReportRequest { window: 1, page_size: 0, page_token: String::new() };
    let closed = house.report.netting_report(by("operator", request)).await.unwrap().into_inner();
    assert_eq!(closed.obligations, whole.obligations);
    assert_eq!(closed.settlement.unwrap().state(), v1::SettlementState::Proposed);
}

#[tokio::test]
async fn the_journal_is_listed_in_order_with_every_posting() {
    let house = House::new().await;
    house.trade().await;
    house.close().await;
    house.issue("A", "m1", 1).await;
    let ask = |from_sequence, window, page_size, page_token| v1::ListJournalEntriesRequest {
        from_sequence,
        window,
        page_size,
        page_token,
    };
    let all =
        house.report.list_journal_entries(by("operator", ask(0, 0, 0, String::new()))).await.unwrap().into_inner();
    let sequences: Vec<i64> = all.entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, (1..=10).collect::<Vec<i64>>());
    for entry in &all.entries {
        let (mut points, mut money) = (0, 0);
        for posting in &entry.postings {
            match posting.quantity.clone().unwrap() {
                v1::posting::Quantity::Points(moved) => points += moved,
                v1::posting::Quantity::Money(moved) => money += units(&Some(moved)),
            }
        }
        assert_eq!((points, money), (0, 0), "{entry:#?}");
    }
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = ask(3, 1, 4, token);
        let page = house.report.list_journal_entries(by("operator", page)).await.unwrap().into_inner();
        paged.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.entries[2..9], "from the third on, of the first window");
    let none = house.report.list_journal_entries(by("operator", ask(0, 9, 0, String::new()))).await.unwrap();
    assert!(none.into_inner().entries.is_empty());
}

#[tokio::test]
async fn partners_are_created_changed_and_listed_and_replays_say_the_same() {
    let house = House::new().await;
    let create = v1::CreatePartnerRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        display_name: "Delta".to_owned(),
        terms: Some(v1::TermsChange { price: Some("0.02".to_owned()), ..v1::TermsChange::default() }),
        limits: None,
        no_default_limits: false,
    };
    let created = house.partners.create_partner(by("operator", create.clone())).await.unwrap().into_inner();
    assert_eq!(created.partner.as_ref().unwrap().terms.as_ref().unwrap().price, "0.0200");
    let again = house.partners.create_partner(by("operator", create.clone())).await.unwrap().into_inner();
    assert_eq!(again, v1::CreatePartnerResponse { replayed: true, ..created });
    let taken = v1::CreatePartnerRequest { request_id: request_id(), ..create.clone() };
    assert_eq!(house.partners.create_partner(by("operator", taken)).await.unwrap_err().code(), Code::AlreadyExists);
    for reserved in ["hub", "Funds", "POOL", "operator", "Operator", "sandbox", "1e5", "mar-1"] {
        let request = v1::CreatePartnerRequest { partner_id: reserved.to_owned(), ..create.clone() };
        let refused = house.partners.create_partner(by("operator", request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{reserved}");
    }

    let set = |price: &str| v1::SetTermsRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        terms: Some(v1::TermsChange { price: Some(price.to_owned()), ..v1::TermsChange::default() }),
        effective_time: None,
    };
    let second = set("0.03");
    let changed = house.partners.set_terms(by("operator", second.clone())).await.unwrap().into_inner();
    assert_eq!(changed.terms.as_ref().unwrap().version, 2);
    house.partners.set_terms(by("operator", set("0.04"))).await.unwrap();
    let again = house.partners.set_terms(by("operator", second)).await.unwrap().into_inner();
    assert_eq!(again.terms, changed.terms, "a replay shows the version that the request made, not a later one");
    let nothing = v1::SetTermsRequest { terms: Some(v1::TermsChange::default()), ..set("0.05") };
    assert_eq!(house.partners.set_terms(by("operator", nothing)).await.unwrap_err().code(), Code::InvalidArgument);

    let suspend = v1::SetPartnerStateRequest {
        request_id: request_id(),
        partner_id: "D".to_owned(),
        state: v1::PartnerState::Suspended.into(),
    };
    let suspended = house.partners.set_partner_state(by("operator", suspend.clone())).await.unwrap().into_inner();
    assert_eq!(
        (suspended.previous_state(), suspended.state()),
        (v1::PartnerState::Active, v1::PartnerState::Suspended)
    );
    let again = house.partners.set_partner_state(by("operator", suspend)).await.unwrap().into_inner();
    assert_eq!(again.previous_state(), v1::PartnerState::Active, "as it was then");

    let list = |page_size, page_token| v1::ListPartnersRequest { page_size, page_token };
    let all = house.partners.list_partners(by("operator", list(0, String::new()))).await.unwrap().into_inner();
    let names: Vec<_> = all.partners.iter().map(|partner| partner.partner_id.as_str()).collect();
    assert_eq!(names, ["A", "B", "C", "D", "operator"]);
    let first = house.partners.list_partners(by("operator", list(3, String::new()))).await.unwrap().into_inner();
    let second =
        house.partners.list_partners(by("operator", list(3, first.next_page_token))).await.unwrap().into_inner();
    assert_eq!([first.partners, second.partners].concat(), all.partners);
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn deposits_and_calendars_answer_with_what_they_made() {
    let house = House::new().await;
    let deposit = |account: &str, amount: &str| v1::DepositRequest {
        request_id: request_id(),
        account: account.to_owned(),
        amount: Some(v1::Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() }),
    };
    house.settlement.deposit(by("operator", deposit("reserve", "100"))).await.unwrap();
    let second = house.settlement.deposit(by("operator", deposit("reserve", "5.5"))).await.unwrap().into_inner();
    assert_eq!(second.balance.unwrap().amount, "105.5000");
    assert_eq!(second.entry.unwrap().kind(), v1::EntryKind::Deposit);
    let unknown = house.settlement.deposit(by("operator", deposit("collateral:nobody", "1"))).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let calendar = |crons: &[&str], time_zone: &str| v1::SetCalendarRequest {
        request_id: request_id(),
        cron_expressions: crons.iter().map(ToString::to_string).collect(),
        time_zone: time_zone.to_owned(),
    };
    let set = house.settlement.set_calendar(by("operator", calendar(&["0 18 * * *"], "Europe/Berlin"))).await.unwrap();
    assert_eq!(set.into_inner().next_close_times[0], wire_time("2026-02-01T17:00:00Z"));
    let listed = house.position.list_windows(by("A", v1::ListWindowsRequest::default())).await.unwrap().into_inner();
    assert_eq!(listed.next_close_times[0], wire_time("2026-02-01T17:00:00Z"));
    let wrong = house.settlement.set_calendar(by("operator", calendar(&["0 18 31 2 *"], ""))).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let none = house.settlement.set_calendar(by("operator", calendar(&[], ""))).await.unwrap().into_inner();
    assert!(none.next_close_times.is_empty());
}

#[tokio::test]
async fn the_sandboxs_clock_moves_forward_and_tells_what_ran() {
    let house = House::with(|house| {
        house.calendar = Calendar { cut_offs: vec!["0 0 * * *".to_owned()], time_zone: "UTC".to_owned() };
    })
    .await;
    house.trade().await;
    let clock = sandbox::Service(house.context.clone());
    let to = |text: &str| v1::AdvanceClockRequest { to_time: Some(wire_time(text)) };
    let moved = clock.advance_clock(by("A", to("2026-02-03T12:00:00Z"))).await.unwrap().into_inner();
    assert_eq!(moved.time, Some(wire_time("2026-02-03T12:00:00Z")));
    assert_eq!((moved.ran_count, moved.ran[0].window, moved.ran[1].window), (2, 1, 2));
    assert_eq!(moved.ran[0].due_time, Some(wire_time("2026-02-02T00:00:00Z")));
    assert_eq!(moved.ran[0].entry_ids.len(), 1);
    let again = clock.advance_clock(by("A", to("2026-02-03T12:00:00Z"))).await.unwrap().into_inner();
    assert_eq!(again.ran_count, 0);
    let back = clock.advance_clock(by("A", to("2026-02-01T12:00:00Z"))).await.unwrap_err();
    assert_eq!(reason(&back), "TIME_OUT_OF_RANGE");
    let none = clock.advance_clock(by("A", v1::AdvanceClockRequest { to_time: None })).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let now = clock.get_clock(by("A", v1::GetClockRequest {})).await.unwrap().into_inner();
    assert_eq!(now.time, moved.time);
}

#[tokio::test]
async fn the_house_says_who_it_takes_the_caller_for() {
    let house = House::new().await;
    let info = info::Service(house.context.clone());
    let said = info.get_server_info(by("A", v1::GetServerInfoRequest {})).await.unwrap().into_inner();
    assert_eq!((said.caller_id.as_str(), said.currency_code.as_str(), said.scale), ("A", "EUR", 4));
    assert_eq!(said.point_value, "0.0100");
    assert_eq!(said.limits.unwrap().batch_items_max, 8192);
    let nobody = info.get_server_info(Request::new(v1::GetServerInfoRequest {})).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let operator = info.get_server_info(by("operator", v1::GetServerInfoRequest {})).await.unwrap().into_inner();
    assert_eq!(operator.caller_id, PartnerId::operator().as_str());
}

#[tokio::test]
async fn a_rejection_says_that_it_is_recorded_only_if_it_is() {
    let house = House::new().await;
    let flags = |status: tonic::Status| {
        let metadata = status.get_details_error_info().unwrap().metadata;
        (reason(&status), metadata["recorded"] == "true", metadata["replayed"] == "true")
    };
    let read = v1::GetBalanceRequest { member: member_ref("stranger") };
    let read = house.points.get_balance(by("A", read)).await.unwrap_err();
    assert_eq!(flags(read), ("NOT_FOUND".to_owned(), false, false));
    let redeem =
        v1::RedeemPointsRequest { request_id: request_id(), member: member_ref("stranger"), points: 1, origin: None };
    for replayed in [false, true] {
        let asked = house.points.redeem_points(by("A", redeem.clone())).await.unwrap_err();
        assert_eq!(flags(asked), ("NOT_FOUND".to_owned(), true, replayed));
    }
}

#[tokio::test]
async fn a_receipt_is_found_in_pages_and_its_tokens_belong_to_it() {
    let house = House::new().await;
    let origin = |line: i32| v1::Origin {
        store: "s1".to_owned(),
        receipt_number: "R-1".to_owned(),
        business_date: "2026-02-01".to_owned(),
        receipt_line: line,
        ..v1::Origin::default()
    };
    for line in 1..=3 {
        let request = v1::IssuePointsRequest {
            request_id: request_id(),
            member: member_ref("m1"),
            points: i64::from(line),
            origin: Some(origin(line)),
            ..v1::IssuePointsRequest::default()
        };
        house.points.issue_points(by("A", request)).await.unwrap();
    }
    let ask = |number: &str, page_size, page_token: &str| v1::FindReceiptRequest {
        store: "s1".to_owned(),
        till: String::new(),
        receipt_number: number.to_owned(),
        business_date: "2026-02-01".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    let all = house.points.find_receipt(by("A", ask("R-1", 0, ""))).await.unwrap().into_inner();
    let lines = |entries: &[v1::Entry]| -> Vec<i32> {
        entries.iter().map(|entry| entry.origin.as_ref().unwrap().receipt_line).collect()
    };
    assert_eq!((lines(&all.entries), all.next_page_token.as_str()), (vec![3, 2, 1], ""));
    let first = house.points.find_receipt(by("A", ask("R-1", 2, ""))).await.unwrap().into_inner();
    assert_eq!(lines(&first.entries), [3, 2]);
    let rest = house.points.find_receipt(by("A", ask("R-1", 2, &first.next_page_token))).await.unwrap().into_inner();
    assert_eq!((lines(&rest.entries), rest.next_page_token.as_str()), (vec![1], ""));
    let other = house.points.find_receipt(by("A", ask("R-2", 2, &first.next_page_token))).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    let exact = house.points.find_receipt(by("A", ask("R-1", 3, ""))).await.unwrap().into_inner();
    assert_eq!((exact.entries.len(), exact.next_page_token.as_str()), (3, ""));
}

/// The pages of the notices of today, so many members each, as a partner reads them.
async fn notice_pages(house: &House, partner: &str, page_size: i32) -> Vec<v1::ListExpiryNoticesResponse> {
    let mut pages: Vec<v1::ListExpiryNoticesResponse> = Vec::new();
    loop {
        let page_token = pages.last().map_or_else(String::new, |page| page.next_page_token.clone());
        let request = v1::ListExpiryNoticesRequest { day: String::new(), page_size, page_token };
        let page = house.points.list_expiry_notices(by(partner, request)).await.unwrap().into_inner();
        pages.push(page);
        if pages.last().unwrap().next_page_token.is_empty() {
            return pages;
        }
    }
}

async fn issue_until(house: &House, issuer: &str, member: &str, expires: &str) -> String {
    let request = v1::IssuePointsRequest {
        request_id: request_id(),
        member: member_ref(member),
        points: 10,
        expires_time: Some(prost_types::Timestamp { seconds: time(expires).0 / 1_000_000, nanos: 0 }),
        ..v1::IssuePointsRequest::default()
    };
    house.points.issue_points(by(issuer, request)).await.unwrap().into_inner().member_id
}

#[tokio::test]
async fn pages_of_notices_tell_of_each_member_once_and_of_no_strangers() {
    let house = House::new().await;
    let (mut own, mut strangers) = (Vec::new(), Vec::new());
    for number in 0..7 {
        own.push(issue_until(&house, "A", &format!("a{number}"), "2026-02-08T12:00:00Z").await);
        strangers.push(issue_until(&house, "B", &format!("b{number}"), "2026-02-08T12:00:00Z").await);
    }
    // Members with nothing to lose soon take no place on a page.
    issue_until(&house, "A", "late", "2027-02-08T12:00:00Z").await;
    own.sort_unstable();
    for page_size in [1, 2, 3, 1_000, 0] {
        let pages = notice_pages(&house, "A", page_size).await;
        let members: Vec<_> =
            pages.iter().flat_map(|page| &page.notices).map(|notice| notice.member_id.clone()).collect();
        assert_eq!(members, own, "pages of {page_size}");
        let looked_through = if page_size == 0 { 500 } else { page_size };
        assert_eq!(pages.len(), usize::try_from(14 / looked_through + i32::from(14 % looked_through > 0)).unwrap());
        assert!(pages.iter().all(|page| page.day == "2026-02-01"));
        for page in &pages {
            let tells = |members: &[String]| members.iter().any(|member| page.next_page_token.contains(member));
            assert!(!tells(&own) && !tells(&strangers), "a token names nobody: {}", page.next_page_token);
        }
        assert!(page_size != 1 || pages.iter().any(|page| page.notices.is_empty()), "an empty page is not the last");
    }
}

#[tokio::test]
async fn the_list_of_today_goes_on_when_its_day_is_over_and_takes_no_other_token() {
    let house = House::new().await;
    for number in 0..3 {
        issue_until(&house, "A", &format!("a{number}"), "2026-02-08T12:00:00Z").await;
    }
    let ask = async |day: &str, page_size: i32, page_token: &str| {
        let (day, page_token) = (day.to_owned(), page_token.to_owned());
        let request = v1::ListExpiryNoticesRequest { day, page_size, page_token };
        house.points.list_expiry_notices(by("A", request)).await.map(tonic::Response::into_inner)
    };
    let first = ask("", 2, "").await.unwrap();
    assert_eq!((first.day.as_str(), first.notices.len()), ("2026-02-01", 2));
    house.context.clock.advance_to(time("2026-02-02T00:00:01Z"));
    let second = ask("", 2, &first.next_page_token).await.unwrap();
    assert_eq!((second.day.as_str(), second.notices.len()), ("2026-02-01", 1));
    assert_eq!(ask("", 2, "").await.unwrap().notices, [], "the next day has none");
    let violation = |status: tonic::Status| {
        assert_eq!(status.code(), Code::InvalidArgument);
        status.get_details_bad_request().unwrap().field_violations[0].field.clone()
    };
    for token in ["x", "1", &first.next_page_token[1..]] {
        assert_eq!(violation(ask("", 2, token).await.unwrap_err()), "page_token", "{token}");
    }
    let other_day = ask("2026-02-01", 2, &first.next_page_token).await.unwrap_err();
    assert_eq!(violation(other_day), "page_token");
    for size in [-1, 1_001] {
        assert_eq!(violation(ask("", size, "").await.unwrap_err()), "page_size");
    }
    assert_eq!(violation(ask("soon", 2, "").await.unwrap_err()), "day");
    let auditor = Request::new(v1::ListExpiryNoticesRequest::default());
    assert_eq!(house.points.list_expiry_notices(auditor).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_statement_after_a_burst_says_how_far_it_is_behind_and_comes_up_by_itself() {
    let house = House::new().await;
    let mut issued = 0;
    while issued <= LOOKED_THROUGH_MAX {
        let items = (0..200).map(|number| v1::IssuePointsRequest {
            request_id: request_id(),
            member: member_ref(&format!("m{}", number % 10)),
            points: 1,
            ..v1::IssuePointsRequest::default()
        });
        let batch = v1::BatchIssuePointsRequest { items: items.collect() };
        let results = house.points.batch_issue_points(by("A", batch)).await.unwrap().into_inner().results;
        issued += i64::try_from(results.len()).unwrap();
    }
    let statement = || v1::GetStatementRequest { page_size: 10, ..v1::GetStatementRequest::default() };
    let refused = [
        house.position.get_statement(by("A", statement())).await.unwrap_err(),
        house.points.list_entries(by("A", v1::ListEntriesRequest::default())).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "LISTS_BEHIND");
        assert!(details.retry_info().unwrap().retry_delay.unwrap() >= Duration::from_millis(100));
        assert!(status.message().contains(&format!("{issued} entries behind")), "{}", status.message());
    }
    // Readers write nothing, so what a statement then shows was projected without them.
    let stop = CancellationToken::new();
    let following = projector::follow(house.context.store.clone(), stop.clone());
    let asking = async {
        for _ in 0..40 {
            if let Ok(answer) = house.position.get_statement(by("A", statement())).await {
                stop.cancel();
                return answer.into_inner();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("the lists did not come up");
    };
    let ((), answer) = tokio::join!(following, asking);
    assert_eq!(answer.totals.iter().map(|total| total.line_count).sum::<i64>(), issued);
    assert_eq!(answer.totals.iter().map(|total| total.points).sum::<i64>(), issued);
    assert_eq!(answer.lines.len(), 10);
}

#[tokio::test]
async fn a_page_of_a_statement_passes_over_no_more_than_some_thousand_entries() {
    let house = House::new().await;
    house.issue("A", "m1", 100).await;
    // Holds are entries of their acceptor without a line.
    let mut holds = Vec::new();
    for _ in 0..60 {
        let authorize = |_| async {
            let request = v1::AuthorizeRedemptionRequest {
                request_id: request_id(),
                member: member_ref("m1"),
                points: 1,
                lapse_time: Some(wire_time("2026-12-31T00:00:00Z")),
                ..v1::AuthorizeRedemptionRequest::default()
            };
            let hold = house.points.authorize_redemption(by("C", request)).await.unwrap().into_inner();
            let request = v1::VoidHoldRequest {
                request_id: request_id(),
                hold_id: hold.hold_id,
                ..v1::VoidHoldRequest::default()
            };
            house.points.void_hold(by("C", request)).await.unwrap();
        };
        holds.extend(futures::future::join_all((0..50).map(authorize)).await);
    }
    house.redeem("C", "m1", 10).await;
    let stop = CancellationToken::new();
    let following = projector::follow(house.context.store.clone(), stop.clone());
    let reading = async {
        let (mut token, mut pages, mut lines) = (String::new(), 0, Vec::new());
        loop {
            let request =
                v1::GetStatementRequest { page_size: 10, page_token: token, ..v1::GetStatementRequest::default() };
            let Ok(answer) = house.position.get_statement(by("C", request.clone())).await else {
                token = request.page_token;
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let answer = answer.into_inner();
            pages += 1;
            lines.extend(answer.lines);
            token = answer.next_page_token;
            if token.is_empty() {
                stop.cancel();
                return (pages, lines);
            }
        }
    };
    let ((), (pages, lines)) = tokio::join!(following, reading);
    assert_eq!(holds.len(), 3_000);
    assert!(pages > 1, "6,000 entries without a line are no single page");
    assert_eq!(lines.iter().map(|line| line.kind()).collect::<Vec<_>>(), [v1::EntryKind::Redeem; 2], "{lines:?}");
}
