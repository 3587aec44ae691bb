//! What the operator's accountants read.

use clearing_play::{BACKENDS, founding_entries};
use clearing_proto::v1;

use super::{Wired, member_ref, request_id, units, wire_time};

#[tokio::test(flavor = "multi_thread")]
async fn the_trial_balance_sums_to_zero_and_lists_members_in_pages() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        // m1 has points on hold, m4 owes points that it had spent and lost.
        let hold = v1::AuthorizeRedemptionRequest {
            request_id: request_id(),
            member: member_ref("m1"),
            points: 40,
            lapse_time: Some(wire_time("2026-12-31T00:00:00Z")),
            ..v1::AuthorizeRedemptionRequest::default()
        };
        house.by("B").holds.authorize_redemption(hold).await.unwrap();
        let issue = house.issue("A", "m4", 60).await;
        house.redeem("C", "m4", 50).await;
        let reversal = v1::ReverseIssueRequest {
            request_id: request_id(),
            points: 60,
            target: Some(v1::reverse_issue_request::Target::IssueEntryId(issue)),
            ..v1::ReverseIssueRequest::default()
        };
        house.by("A").reversals.reverse_issue(reversal).await.unwrap();
        house.close().await;
        let ask =
            |include_members, page_size, page_token| v1::TrialBalanceRequest { include_members, page_size, page_token };
        let whole = house.by("operator").report.trial_balance(ask(true, 0, String::new())).await.unwrap().into_inner();
        assert!(whole.balanced && whole.points_sum == 0 && units(&whole.money_sum) == 0);
        assert!(whole.as_of_journal_sequence > 0);
        assert!(whole.accounts.is_sorted_by_key(|row| row.account.clone()));
        for (class, accounts, total) in [("member", 3, 1010), ("held", 1, 40), ("debt", 1, -50), ("pending", 0, 0)] {
            let listed = whole.accounts.iter().filter(|row| row.account.starts_with(&format!("{class}:"))).count();
            assert_eq!(listed, accounts, "accounts of {class}");
            let sum = whole.totals.iter().find(|row| row.account == class).unwrap();
            assert_eq!(
                sum.balance,
                Some(v1::Quantity { quantity: Some(v1::quantity::Quantity::Points(total)) }),
                "{class}"
            );
        }
        for page_size in [1, 2, 3] {
            let (mut accounts, mut token) = (Vec::new(), String::new());
            loop {
                let page = ask(true, page_size, token);
                let page = house.by("operator").report.trial_balance(page).await.unwrap().into_inner();
                assert_eq!(page.totals, whole.totals);
                accounts.extend(page.accounts);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(accounts, whole.accounts, "in pages of {page_size}");
        }
        let without =
            house.by("operator").report.trial_balance(ask(false, 0, String::new())).await.unwrap().into_inner();
        let of_members = ["member:", "held:", "pending:", "debt:"];
        assert!(without.accounts.iter().all(|row| !of_members.iter().any(|class| row.account.starts_with(class))));
        assert_eq!(without.totals, whole.totals);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_netting_report_keeps_the_two_directions_of_a_pair_together() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        house.issue("C", "m4", 90).await;
        house.redeem("A", "m4", 90).await;
        let ask = |page_size, page_token| v1::NettingReportRequest { window: 0, page_size, page_token };
        let whole = house.by("operator").report.netting_report(ask(0, String::new())).await.unwrap().into_inner();
        let rows: Vec<_> =
            whole.obligations.iter().map(|row| (row.issuer_id(), row.acceptor_id.as_str(), row.points)).collect();
        assert_eq!(rows, [("A", "B", 100), ("A", "C", 400), ("B", "C", 200), ("C", "A", 90)]);
        let nets: Vec<_> = whole
            .bilateral_nets
            .iter()
            .map(|net| (net.debtor_id.as_str(), net.creditor_id.as_str(), units(&net.amount)))
            .collect();
        assert_eq!(nets, [("A", "B", 10_000), ("A", "C", 31_000), ("B", "C", 20_000)]);
        assert_eq!(whole.settlement.as_ref().unwrap().window, 1);

        let (mut obligations, mut nets, mut token) = (0, Vec::new(), String::new());
        loop {
            let page = house.by("operator").report.netting_report(ask(1, token)).await.unwrap().into_inner();
            let mut pairs: Vec<_> = page
                .obligations
                .iter()
                .map(|row| {
                    let (issuer, acceptor) = (row.issuer_id().to_owned(), row.acceptor_id.clone());
                    (issuer.clone().min(acceptor.clone()), issuer.max(acceptor))
                })
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
        let closed = house.by("operator").report.netting_report(request).await.unwrap().into_inner();
        assert_eq!(closed.obligations, whole.obligations);
        assert_eq!(closed.settlement.unwrap().state(), v1::SettlementState::Proposed);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_listed_in_order_with_every_posting() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        house.close().await;
        house.issue("A", "m1", 1).await;
        let ask = |from_journal_sequence, window, page_size, page_token| v1::ListJournalEntriesRequest {
            from_journal_sequence,
            window,
            page_size,
            page_token,
        };
        let all =
            house.by("operator").report.list_journal_entries(ask(0, 0, 0, String::new())).await.unwrap().into_inner();
        let sequences: Vec<i64> = all.entries.iter().map(|entry| entry.journal_sequence.unwrap()).collect();
        assert_eq!(sequences, (1..=founding_entries(3) + 10).collect::<Vec<i64>>());
        for entry in &all.entries {
            let (mut points, mut money) = (0, 0);
            for posting in &entry.postings {
                match posting.quantity.clone().unwrap().quantity.unwrap() {
                    v1::quantity::Quantity::Points(moved) => points += moved,
                    v1::quantity::Quantity::Money(moved) => money += units(&Some(moved)),
                }
            }
            assert_eq!((points, money), (0, 0), "{entry:#?}");
        }
        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let page = ask(3, 1, 4, token);
            let page = house.by("operator").report.list_journal_entries(page).await.unwrap().into_inner();
            paged.extend(page.entries);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        // What is behind the close is of the second window.
        let close = all.entries.len() - 1;
        assert_eq!(paged, all.entries[2..close], "from the third on, of the first window");
        let none = house.by("operator").report.list_journal_entries(ask(0, 9, 0, String::new())).await.unwrap();
        assert!(none.into_inner().entries.is_empty());
        house.end().await;
    }
}
