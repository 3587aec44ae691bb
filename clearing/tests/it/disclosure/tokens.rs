//! Tokens of pages: of one list, of one caller, of one filter.

use clearing_core::facts::calendar::Calendar;
use clearing_proto::FILE_DESCRIPTOR_SET;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;

use super::*;
use crate::credentials::{Newcomer, invite_by};

/// Asks for the page of a token, and gives that of the next one.
type Ask = fn(Wire, String) -> BoxFuture<'static, Result<String, Status>>;

macro_rules! list {
    ($client:ident.$method:ident, $request:expr) => {
        |mut wire: Wire, page_token: String| {
            async move {
                let ask = { $request }(page_token);
                wire.$client.$method(ask).await.map(|answer| answer.into_inner().next_page_token)
            }
            .boxed()
        }
    };
}

/// Every list: its name, how it is asked for with its first filter and with another one, and who may ask for it.
const LISTS: [(&str, [Ask; 2], [&str; 2]); 24] = [
    (
        "ListEntries",
        [
            list!(entries.list_entries, |page_token| v1::ListEntriesRequest {
                page_size: 1,
                page_token,
                ..Default::default()
            }),
            list!(entries.list_entries, |page_token| v1::ListEntriesRequest {
                page_size: 1,
                page_token,
                store: "north".to_owned(),
                ..Default::default()
            }),
        ],
        ["A", "C"],
    ),
    (
        "FindReceipt",
        [list!(receipts.find_receipt, receipt("R-1")), list!(receipts.find_receipt, receipt("R-2"))],
        ["A", "C"],
    ),
    (
        "ListExpiryNotices",
        [list!(notices.list_expiry_notices, notices("")), list!(notices.list_expiry_notices, notices("2026-02-01"))],
        ["A", "C"],
    ),
    (
        "ListWindows",
        [list!(position.list_windows, |page_token| v1::ListWindowsRequest {
            page_size: 1,
            page_token,
            unconfirmed: false
        }); 2],
        ["A", "C"],
    ),
    (
        "GetCalendar",
        [list!(position.get_calendar, |page_token| v1::GetCalendarRequest { page_size: 1, page_token }); 2],
        ["A", "C"],
    ),
    (
        "ListBankAccounts",
        [
            list!(bank_accounts.list_bank_accounts, accounts("A")),
            list!(bank_accounts.list_bank_accounts, accounts("C")),
        ],
        ["operator", "auditor"],
    ),
    (
        "ListOpenMoney",
        [list!(bank.list_open_money, open_money("A")), list!(bank.list_open_money, open_money("C"))],
        ["operator", "operator"],
    ),
    (
        "GetStatement",
        [list!(position.get_statement, statement(1)), list!(position.get_statement, statement(2))],
        ["A", "C"],
    ),
    (
        "ListObligations",
        [list!(position.list_obligations, obligations(1)), list!(position.list_obligations, obligations(2))],
        ["A", "C"],
    ),
    (
        "ListOrders",
        [
            list!(position.list_orders, orders(v1::OrderMode::Hub)),
            list!(position.list_orders, orders(v1::OrderMode::Pairwise)),
        ],
        ["operator", "auditor"],
    ),
    (
        "ListPartners",
        [list!(partners.list_partners, |page_token| v1::ListPartnersRequest { page_size: 1, page_token }); 2],
        ["operator", "operator"],
    ),
    (
        "DecayMembers",
        [list!(care.decay_members, decay("2026-1")), list!(care.decay_members, decay("2026-2"))],
        ["operator", "operator"],
    ),
    (
        "TrialBalance",
        [list!(report.trial_balance, balance(false)), list!(report.trial_balance, balance(true))],
        ["operator", "auditor"],
    ),
    ("CoverReport", [list!(report.cover_report, cover); 2], ["operator", "auditor"]),
    (
        "NettingReport",
        [list!(report.netting_report, netting(1)), list!(report.netting_report, netting(2))],
        ["operator", "auditor"],
    ),
    (
        "ListJournalEntries",
        [list!(report.list_journal_entries, journal(1)), list!(report.list_journal_entries, journal(2))],
        ["operator", "auditor"],
    ),
    (
        "FindEntries",
        [list!(report.find_entries, finding("A")), list!(report.find_entries, finding(""))],
        ["operator", "auditor"],
    ),
    (
        "ListMembers",
        [list!(report.list_members, members("")), list!(report.list_members, members(MEMBER))],
        ["operator", "auditor"],
    ),
    (
        "ListAllExpiryNotices",
        [
            list!(report.list_all_expiry_notices, all_notices("")),
            list!(report.list_all_expiry_notices, all_notices("2026-02-01")),
        ],
        ["operator", "auditor"],
    ),
    (
        "ListInvites",
        [list!(credentials.list_invites, invites(false)), list!(credentials.list_invites, invites(true))],
        ["A", "operator"],
    ),
    (
        "ListCredentials",
        [
            list!(credentials.list_credentials, credentials(false)),
            list!(credentials.list_credentials, credentials(true)),
        ],
        ["A", "operator"],
    ),
    (
        "ListPeople",
        [list!(people.list_people, |page_token| v1::ListPeopleRequest { page_size: 1, page_token }); 2],
        ["operator", "auditor"],
    ),
    (
        "ListProposals",
        [list!(approvals.list_proposals, proposals(false)), list!(approvals.list_proposals, proposals(true))],
        ["operator", "auditor"],
    ),
    (
        "ListAdminActions",
        [list!(admin.list_admin_actions, actions("")), list!(admin.list_admin_actions, actions("A"))],
        ["operator", "auditor"],
    ),
];

/// A member that there need not be, behind whom there are others.
const MEMBER: &str = "00000000-0000-7000-8000-000000000001";

fn finding(partner: &'static str) -> impl Fn(String) -> v1::FindEntriesRequest {
    move |page_token| v1::FindEntriesRequest {
        partner_id: partner.to_owned(),
        page_size: 1,
        page_token,
        ..Default::default()
    }
}

fn members(after: &'static str) -> impl Fn(String) -> v1::ListMembersRequest {
    move |page_token| v1::ListMembersRequest { after_member_id: after.to_owned(), page_size: 1, page_token }
}

fn invites(open_only: bool) -> impl Fn(String) -> v1::ListInvitesRequest {
    move |page_token| v1::ListInvitesRequest { open_only, page_size: 1, page_token, ..Default::default() }
}

fn credentials(valid_only: bool) -> impl Fn(String) -> v1::ListCredentialsRequest {
    move |page_token| v1::ListCredentialsRequest { valid_only, page_size: 1, page_token, ..Default::default() }
}

fn proposals(include_decided: bool) -> impl Fn(String) -> v1::ListProposalsRequest {
    move |page_token| v1::ListProposalsRequest { include_decided, page_size: 1, page_token }
}

fn receipt(number: &'static str) -> impl Fn(String) -> v1::FindReceiptRequest {
    move |page_token| v1::FindReceiptRequest {
        receipt_number: number.to_owned(),
        business_date: "2026-02-01".to_owned(),
        page_size: 1,
        page_token,
        ..Default::default()
    }
}

fn notices(day: &'static str) -> impl Fn(String) -> v1::ListExpiryNoticesRequest {
    move |page_token| v1::ListExpiryNoticesRequest { day: day.to_owned(), page_size: 1, page_token }
}

fn actions(partner: &'static str) -> impl Fn(String) -> v1::ListAdminActionsRequest {
    move |page_token| v1::ListAdminActionsRequest {
        page_size: 1,
        page_token,
        partner_id: partner.to_owned(),
        ..Default::default()
    }
}

fn all_notices(day: &'static str) -> impl Fn(String) -> v1::ListAllExpiryNoticesRequest {
    move |page_token| v1::ListAllExpiryNoticesRequest { day: day.to_owned(), page_size: 1, page_token }
}

fn statement(window: i64) -> impl Fn(String) -> v1::GetStatementRequest {
    move |page_token| v1::GetStatementRequest { window, page_size: 1, page_token, ..Default::default() }
}

fn obligations(window: i64) -> impl Fn(String) -> v1::ListObligationsRequest {
    move |page_token| v1::ListObligationsRequest { window, page_size: 1, page_token, ..Default::default() }
}

fn orders(mode: v1::OrderMode) -> impl Fn(String) -> v1::ListOrdersRequest {
    move |page_token| v1::ListOrdersRequest {
        window: 1,
        mode: mode.into(),
        page_size: 1,
        page_token,
        ..Default::default()
    }
}

fn accounts(partner: &'static str) -> impl Fn(String) -> v1::ListBankAccountsRequest {
    move |page_token| v1::ListBankAccountsRequest { partner_id: partner.to_owned(), page_size: 1, page_token }
}

fn open_money(partner: &'static str) -> impl Fn(String) -> v1::ListOpenMoneyRequest {
    move |page_token| v1::ListOpenMoneyRequest { partner_id: partner.to_owned(), page_size: 1, page_token }
}

/// Books money of a partner that belongs to nothing yet.
async fn receive(operator: &Wire, partner_id: &str, number: i32) {
    let amount = Some(v1::Money { currency_code: "RUB".to_owned(), amount: "1.00".to_owned() });
    let line = Some(v1::BankLine { reference: format!("NTRF-{partner_id}-{number}"), ..Default::default() });
    let partner_id = partner_id.to_owned();
    let receive = v1::ReceiveMoneyRequest { request_id: request_id(), partner_id, amount, line, window: 0 };
    operator.bank.clone().receive_money(receive).await.unwrap();
}

/// Asks for another account of the caller.
async fn change_account(caller: &Wire, partner_id: &str) {
    let number = Some(v1::bank_account::Number::Iban("DE89370400440532013000".to_owned()));
    let account = v1::BankAccount { number, holder: "Grocer".to_owned(), bank_name: String::new() };
    let (partner_id, bank_account) = (partner_id.to_owned(), Some(account));
    let set = v1::SetBankAccountRequest { request_id: request_id(), partner_id, bank_account };
    caller.bank_accounts.clone().set_bank_account(set).await.unwrap();
}

fn decay(period: &'static str) -> impl Fn(String) -> v1::DecayMembersRequest {
    move |page_token| v1::DecayMembersRequest {
        rate: "0.5".to_owned(),
        period: period.to_owned(),
        inactive_since_time: after(-DAY),
        page_size: 1,
        page_token,
    }
}

fn balance(include_members: bool) -> impl Fn(String) -> v1::TrialBalanceRequest {
    move |page_token| v1::TrialBalanceRequest { include_members, page_size: 1, page_token }
}

fn cover(page_token: String) -> v1::CoverReportRequest {
    v1::CoverReportRequest { page_size: 1, page_token }
}

fn netting(window: i64) -> impl Fn(String) -> v1::NettingReportRequest {
    move |page_token| v1::NettingReportRequest { window, page_size: 1, page_token }
}

fn journal(from: i64) -> impl Fn(String) -> v1::ListJournalEntriesRequest {
    move |page_token| v1::ListJournalEntriesRequest {
        from_journal_sequence: from,
        page_size: 1,
        page_token,
        ..Default::default()
    }
}

/// The methods that take a page token, as the interface has them.
fn paged() -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files = || set.file.iter().filter(|file| file.package() == "coalition.clearing.v1");
    let takes: Vec<String> = files()
        .flat_map(|file| &file.message_type)
        .filter(|message| message.field.iter().any(|field| field.name() == "page_token"))
        .map(|message| format!(".coalition.clearing.v1.{}", message.name()))
        .collect();
    let methods = files().flat_map(|file| &file.service).flat_map(|service| &service.method);
    let mut names: Vec<String> = methods
        .filter(|method| takes.iter().any(|message| message == method.input_type()))
        .map(|method| method.name().to_owned())
        .collect();
    names.sort();
    names
}

fn is_refused(answer: Result<String, Status>) -> bool {
    answer.is_err_and(|status| {
        let field = status.get_details_bad_request().map(|wrong| wrong.field_violations[0].field.clone());
        (status.code(), field.as_deref()) == (tonic::Code::InvalidArgument, Some("page_token"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_list_filter_or_caller_is_refused_everywhere() {
    let mut listed: Vec<&str> = LISTS.iter().map(|(name, ..)| *name).collect();
    listed.sort_unstable();
    assert_eq!(listed, paged(), "every list of the interface is tried");
    for backend in BACKENDS {
        let test = house(backend, |house| house.calendar = Calendar::of(["0 0 * * *"], "UTC").into()).await;
        let callers = ["A", "C", "operator"].map(|id| (id, test.wire(Kind::Partner, id)));
        let auditor = ("auditor", test.wire(Kind::Auditor, "books"));
        let callers: BTreeMap<&str, Wire> = callers.into_iter().chain([auditor]).collect();
        for window in [1, 2] {
            trade(&callers, window).await;
            let close = v1::CloseWindowRequest { request_id: request_id() };
            callers["operator"].settlement.clone().close_window(close).await.unwrap();
        }
        let newcomer = Newcomer::to(&test);
        for number in 0..2 {
            receive(&callers["operator"], "A", number).await;
            receive(&callers["operator"], "C", number).await;
            change_account(&callers["A"], "A").await;
            change_account(&callers["C"], "C").await;
            newcomer.join(&callers["A"], |_| ()).await;
            invite_by(&callers["A"], |_| ()).await.unwrap();
        }
        // The second approver makes that the others wait.
        let mut people = callers["operator"].people.clone();
        for name in ["second", "third", "fourth"] {
            let roles = vec![v1::PersonRole::Approver.into()];
            let (person_id, certificate_serial) = (name.to_owned(), "b0".to_owned());
            let set = v1::SetPersonRequest { request_id: request_id(), person_id, roles, certificate_serial };
            people.set_person(set).await.unwrap();
        }
        let mut tokens: Vec<(&str, usize, &str, String)> = Vec::new();
        for (name, asks, [caller, _]) in LISTS {
            // Of lists without a filter both are the same.
            for (filter, ask) in asks.iter().enumerate() {
                let token = ask(callers[caller].clone(), String::new())
                    .await
                    .unwrap_or_else(|status| panic!("{name}: {status}"));
                if !token.is_empty() {
                    assert!(token.len() >= 108 && token.starts_with('p'), "{name}: {token}");
                    tokens.push((name, filter, caller, token));
                }
            }
        }
        let gave = |name: &str| tokens.iter().any(|(giver, ..)| *giver == name);
        let short: Vec<&str> = LISTS.iter().map(|(name, ..)| *name).filter(|name| !gave(name)).collect();
        assert!(short.is_empty(), "there is a second page of each list, so not only of {short:?}");
        for (name, asks, [caller, other]) in LISTS {
            for (filter, ask) in asks.iter().enumerate() {
                for text in ["x", "p", "1", "1,1"] {
                    assert!(is_refused(ask(callers[caller].clone(), text.to_owned()).await), "{name} takes {text}");
                }
                for (giver, of_filter, of_caller, token) in &tokens {
                    let same_filter = *of_filter == filter
                        || ["ListWindows", "ListPartners", "ListPeople", "GetCalendar", "CoverReport"].contains(&name);
                    let own = *giver == name && same_filter && *of_caller == caller;
                    let answer = ask(callers[caller].clone(), token.clone()).await;
                    assert_eq!(
                        is_refused(answer),
                        !own,
                        "{name} ({filter}) of {caller} and a token of {giver} ({of_filter})"
                    );
                    if own && other != caller {
                        let answer = ask(callers[other].clone(), token.clone()).await;
                        assert!(is_refused(answer), "{name}: a token of {caller} and {other}");
                    }
                }
            }
        }
        test.end().await;
    }
}

/// Something for every list of a window, in two pages at least.
async fn trade(callers: &BTreeMap<&str, Wire>, window: i64) {
    let origin = |line| {
        Some(v1::Origin {
            store: "north".to_owned(),
            receipt_number: format!("R-{window}"),
            receipt_line: line,
            business_date: "2026-02-01".to_owned(),
            ..Default::default()
        })
    };
    for line in [1, 2, 3] {
        let expire_time = after(7 * DAY + DAY / 2);
        for member in [format!("m{line}"), format!("kept-{line}")] {
            let origin = origin(line).filter(|_| member.starts_with('m'));
            let ask = v1::IssuePointsRequest { origin, expire_time, ..issue(&member, 100) };
            callers["A"].issues.clone().issue_points(ask).await.unwrap();
        }
        let ask = issue(&format!("m{line}"), 100);
        callers["C"].issues.clone().issue_points(ask).await.unwrap();
    }
    for (acceptor, member) in [("C", "m1"), ("operator", "m2"), ("C", "m3")] {
        callers[acceptor].redemptions.clone().redeem_points(redeem(member, 60)).await.unwrap();
    }
    for (acceptor, member) in [("A", "m1"), ("operator", "m2")] {
        callers[acceptor].redemptions.clone().redeem_points(redeem(member, 90)).await.unwrap();
    }
}
