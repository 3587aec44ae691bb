//! Statements, positions, windows and obligations.

use std::collections::BTreeSet;
use std::time::Duration;

use clearing::store::LOOKED_THROUGH_MAX;
use clearing_core::facts::calendar::Calendar;
use clearing_play::BACKENDS;
use clearing_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{AUDITOR, Wired, leg_of, member_ref, request_id, units, wire_time};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_adds_up_in_open_and_closed_windows() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        for partner in ["A", "B", "C", "operator"] {
            let open = house.statement(partner, 0, 0, "").await;
            let lines: i64 = open.totals.iter().map(|total| units(&total.amount)).sum();
            assert_eq!(units(&open.opening) + lines, units(&open.closing), "{partner}: {open:#?}");
            let request = v1::GetPositionRequest { partner_id: String::new() };
            let position = house.by(partner).position.get_position(request).await.unwrap().into_inner();
            assert_eq!(units(&open.closing), units(&position.position), "{partner}");
            assert_eq!(units(&open.leg), 0);
        }
        let settlement = house.close().await;
        house.redeem("C", "m3", 7).await;
        house.close().await;
        for (partner, window) in
            ["A", "B", "C", "operator"].into_iter().flat_map(|partner| [(partner, 1), (partner, 2)])
        {
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
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_read_in_pages_of_one_line_is_the_same_statement() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
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
            assert!(lines.is_sorted_by_key(|line| line.own_sequence));
            for total in &whole.totals {
                let of = lines.iter().filter(|line| {
                    (line.section, line.kind, line.purpose) == (total.section, total.kind, total.purpose)
                });
                let entries: BTreeSet<i64> = of.map(|line| line.own_sequence).collect();
                assert_eq!(i64::try_from(entries.len()).unwrap(), total.entry_count);
            }
        }
        house.end().await;
    }
}

/// A redemption of points of A, B and C at C, which bears the fee, with the receipt it was on.
async fn redeem_of_three(house: &Wired) {
    for issuer in ["A", "B", "C"] {
        house.issue(issuer, "m8", 100).await;
    }
    let origin = v1::Origin {
        store: "store-7".to_owned(),
        till: "3".to_owned(),
        receipt_number: "=R-1".to_owned(),
        ..v1::Origin::default()
    };
    let request = v1::RedeemPointsRequest {
        request_id: request_id(),
        member: member_ref("m8"),
        points: 300,
        origin: Some(origin),
    };
    house.by("C").redemptions.redeem_points(request).await.unwrap();
}

/// Sections, other sides and points of lines.
fn sides(lines: &[v1::StatementLine]) -> Vec<(v1::StatementSection, &str, i64)> {
    lines.iter().map(|line| (line.section(), line.counterparty_id(), line.points)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_of_points_of_three_issuers_is_a_line_of_each_with_its_receipt() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        redeem_of_three(&house).await;
        let own = house.statement("C", 0, 0, "").await;
        let of_redemption: Vec<_> =
            own.lines.iter().filter(|line| line.kind() == v1::EntryKind::Redeem).cloned().collect();
        let (accepted, home) = (v1::StatementSection::Accepted, v1::StatementSection::AtHome);
        let rewards = of_redemption.iter().filter(|line| line.purpose() == v1::Purpose::Reward).cloned();
        let rewards: Vec<_> = rewards.collect();
        assert_eq!(sides(&rewards), [(accepted, "A", 100), (accepted, "B", 100), (home, "", 100)]);
        for line in &of_redemption {
            assert_eq!(line.origin.as_ref().unwrap().receipt_number, "=R-1");
            assert_eq!(line.terms_version, Some(1));
        }
        // The issuer is told the price and whose till it was, and not the receipt.
        let issuer = house.statement("A", 0, 0, "").await;
        let spent = issuer.lines.iter().find(|line| line.section() == v1::StatementSection::Spent).unwrap();
        assert_eq!((spent.counterparty_id(), spent.points, spent.origin.clone()), ("C", 100, None));
        let request = v1::GetStatementRequest { partner_id: "A".to_owned(), ..Default::default() };
        let whole = house.by(AUDITOR).position.get_statement(request).await.unwrap().into_inner();
        let spent = whole.lines.iter().find(|line| line.section() == v1::StatementSection::Spent).unwrap();
        assert_eq!(spent.origin.as_ref().unwrap().receipt_number, "=R-1", "an auditor sees all");
        house.end().await;
    }
}

/// What an acceptor is not to learn is whose points it took, and of how many issuers they were.
#[tokio::test(flavor = "multi_thread")]
async fn an_acceptor_that_is_not_told_the_issuers_has_one_line_of_a_redemption() {
    for backend in BACKENDS {
        let house = Wired::with(backend, |house| house.coalition.disclose_issuers = false).await;
        redeem_of_three(&house).await;
        let own = house.statement("C", 0, 0, "").await;
        let rewards = own
            .lines
            .iter()
            .filter(|line| line.kind() == v1::EntryKind::Redeem && line.purpose() == v1::Purpose::Reward);
        let rewards: Vec<_> = rewards.cloned().collect();
        let (accepted, home) = (v1::StatementSection::Accepted, v1::StatementSection::AtHome);
        assert_eq!(sides(&rewards), [(accepted, "", 200), (home, "", 100)]);
        assert_eq!(own.obligations.len(), 1);
        assert_eq!((own.obligations[0].issuer_id.clone(), own.obligations[0].points), (None, 200));
        assert!(own.totals.iter().all(|total| total.entry_count == 1), "{:?}", own.totals);
        let text = format!("{own:?}");
        assert!(!text.contains("\"A\"") && !text.contains("\"B\""), "{text}");
        let request = v1::GetStatementRequest { partner_id: "C".to_owned(), ..Default::default() };
        let whole = house.by("operator").position.get_statement(request).await.unwrap().into_inner();
        assert_eq!(whole.lines.len(), own.lines.len() + 1, "the operator sees all");
        house.end().await;
    }
}

/// What a window's obligations say of a partner stands on the first page, once.
#[tokio::test(flavor = "multi_thread")]
async fn the_obligations_of_a_statement_are_those_of_their_list_and_on_the_first_page_only() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let first = house.statement("C", 0, 1, "").await;
        let list = v1::ListObligationsRequest::default();
        let listed = house.by("C").position.list_obligations(list).await.unwrap().into_inner().obligations;
        assert_eq!(first.obligations, listed);
        assert_eq!(house.statement("C", 0, 1, &first.next_page_token).await.obligations, []);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_of_another_call_is_refused() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let token = house.statement("A", 0, 1, "").await.next_page_token;
        assert!(!token.is_empty());
        let request = |window, partner: &str| v1::GetStatementRequest {
            window,
            partner_id: partner.to_owned(),
            page_size: 1,
            page_token: token.clone(),
        };
        let foreign = [
            ("C", request(0, "")),
            ("A", request(1, "")),
            ("operator", request(0, "B")),
            ("operator", request(0, "A")),
            (AUDITOR, request(0, "A")),
        ];
        for (caller, request) in foreign {
            let refused = house.by(caller).position.get_statement(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        house.by("A").position.get_statement(request(0, "A")).await.unwrap();
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_open_window_stay_with_it_when_it_closes() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let first = house.statement("A", 0, 2, "").await;
        house.close().await;
        house.issue("A", "m9", 5).await;
        let rest = house.statement("A", 0, 1000, &first.next_page_token).await;
        assert_eq!(rest.window.unwrap().window, 1);
        let whole = house.statement("A", 1, 1000, "").await;
        assert_eq!([first.lines, rest.lines].concat(), whole.lines);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_statement_passes_over_no_more_than_some_thousand_entries() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
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
                let hold = house.by("C").holds.authorize_redemption(request).await.unwrap().into_inner();
                let request = v1::VoidHoldRequest {
                    request_id: request_id(),
                    hold_id: hold.hold_id,
                    ..v1::VoidHoldRequest::default()
                };
                house.by("C").holds.void_hold(request).await.unwrap();
            };
            holds.extend(futures::future::join_all((0..50).map(authorize)).await);
        }
        house.redeem("C", "m1", 10).await;
        let (mut token, mut pages, mut lines) = (String::new(), 0, Vec::new());
        let reading = async {
            loop {
                let page = v1::GetStatementRequest { page_size: 10, page_token: token.clone(), ..Default::default() };
                // The lists may be behind: then it is asked again.
                let Ok(answer) = house.by("C").position.get_statement(page).await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let answer = answer.into_inner();
                pages += 1;
                lines.extend(answer.lines);
                token = answer.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the pages come to an end");
        assert_eq!(holds.len(), 3_000);
        assert!(pages > 1, "6,000 entries without a line are no single page");
        assert_eq!(lines.iter().map(|line| line.kind()).collect::<Vec<_>>(), [v1::EntryKind::Redeem; 2], "{lines:?}");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_after_a_burst_says_that_it_is_behind_and_comes_up_by_itself() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        // Until it may write again, nothing is projected.
        let stop = "CREATE TRIGGER stop BEFORE INSERT ON entry_parties BEGIN SELECT RAISE(ABORT, 'stopped'); END";
        let stop_postgres =
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stopped'; END $$;
        CREATE TRIGGER stop BEFORE INSERT ON entry_parties EXECUTE FUNCTION stop()";
        house.test.database.execute(stop, stop_postgres).await;
        let mut issued = 0;
        while issued <= LOOKED_THROUGH_MAX {
            let items = (0..200).map(|number| v1::IssuePointsRequest {
                request_id: request_id(),
                member: member_ref(&format!("m{}", number % 10)),
                points: 1,
                ..v1::IssuePointsRequest::default()
            });
            let batch = v1::BatchIssuePointsRequest { items: items.collect() };
            let results = house.by("A").issues.batch_issue_points(batch).await.unwrap().into_inner().results;
            issued += i64::try_from(results.len()).unwrap();
        }
        let statement = || v1::GetStatementRequest { page_size: 10, ..v1::GetStatementRequest::default() };
        let refused = [
            house.by("A").position.get_statement(statement()).await.unwrap_err(),
            house.by("A").entries.list_entries(v1::ListEntriesRequest::default()).await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::Unavailable);
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(info.reason, "LISTS_BEHIND");
            assert!(details.retry_info().unwrap().retry_delay.unwrap() >= Duration::from_millis(100));
            // How far would tell what others do.
            let number = |text: &str| text.chars().any(|character| character.is_ascii_digit());
            assert!(!info.metadata.values().any(|value| number(value)) && !number(status.message()), "{status:?}");
        }
        // Readers write nothing, so what a statement then shows was projected without them.
        house.test.database.execute("DROP TRIGGER stop", "DROP FUNCTION stop CASCADE").await;
        let coming = async {
            loop {
                if let Ok(answer) = house.by("A").position.get_statement(statement()).await {
                    return answer.into_inner();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(60), coming).await.expect("the lists come up");
        assert_eq!(answer.totals.iter().map(|total| total.entry_count).sum::<i64>(), issued);
        assert_eq!(answer.totals.iter().map(|total| total.points).sum::<i64>(), issued);
        assert_eq!(answer.lines.len(), 10);
        // What was acknowledged is in it at once.
        house.issue("A", "m1", 5).await;
        let after = house.statement("A", 0, 10, "").await;
        assert_eq!(after.totals.iter().map(|total| total.points).sum::<i64>(), issued + 5);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_tell_what_is_in_flight_and_outstanding() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let made = house.close().await;
        let request = v1::GetPositionRequest { partner_id: "A".to_owned() };
        let position = house.by("operator").position.get_position(request.clone()).await.unwrap().into_inner();
        assert_eq!((position.window, position.in_flight.len()), (2, 1));
        assert_eq!(units(&position.in_flight[0].due), leg_of(&made, "A"));
        // 1,300 issued, 700 + 100 + 50 accepted, 300 returned.
        assert_eq!(position.outstanding_points, 750);
        assert_eq!(house.by(AUDITOR).position.get_position(request).await.unwrap().into_inner(), position);
        let unknown = v1::GetPositionRequest { partner_id: "nobody".to_owned() };
        assert_eq!(house.by("operator").position.get_position(unknown).await.unwrap_err().code(), Code::NotFound);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_listed_newest_first_with_the_next_cut_offs() {
    for backend in BACKENDS {
        let house = Wired::with(backend, |house| {
            house.calendar = Calendar::of(["0 18 * * *"], "UTC").into();
        })
        .await;
        house.trade().await;
        house.close().await;
        house.close().await;
        let list = |page_size, page_token| v1::ListWindowsRequest { page_size, page_token, unconfirmed: false };
        let all = house.by("A").position.list_windows(list(0, String::new())).await.unwrap().into_inner();
        assert_eq!(all.windows.iter().map(|window| window.window).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(all.windows[0].state(), v1::WindowState::Open);
        assert!(all.windows[2].leg.is_some() && all.windows[0].leg.is_none());
        assert_eq!(all.cut_offs.len(), 10);
        assert_eq!(all.cut_offs[0].close_time, Some(wire_time("2026-02-01T18:00:00Z")));
        assert!(all.next_page_token.is_empty());
        let first = house.by("A").position.list_windows(list(2, String::new())).await.unwrap().into_inner();
        let second = house.by("A").position.list_windows(list(2, first.next_page_token)).await.unwrap().into_inner();
        assert_eq!([first.windows, second.windows].concat(), all.windows);
        assert!(second.next_page_token.is_empty());
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obligations_are_paged_and_show_the_partners_own_sides() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let list = |page_size, page_token| v1::ListObligationsRequest {
            window: 0,
            partner_id: String::new(),
            page_size,
            page_token,
        };
        let all = house.by("A").position.list_obligations(list(0, String::new())).await.unwrap().into_inner();
        let rows: Vec<_> =
            all.obligations.iter().map(|row| (row.issuer_id(), row.acceptor_id.as_str(), row.points)).collect();
        assert_eq!(rows, [("A", "B", 100), ("A", "C", 400)]);
        let first = house.by("A").position.list_obligations(list(1, String::new())).await.unwrap().into_inner();
        let second =
            house.by("A").position.list_obligations(list(1, first.next_page_token)).await.unwrap().into_inner();
        assert_eq!([first.obligations, second.obligations].concat(), all.obligations);
        assert!(second.next_page_token.is_empty());
        house.end().await;
    }
}
