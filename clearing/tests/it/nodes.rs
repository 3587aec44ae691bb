//! Two servers on one PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clearing::clock::Clock;
use clearing::coalition_file::Variant;
use partner_sdk::operator::{CloseWindow, Deposit, Funding, SetTerms, TermsChange};
use partner_sdk::{Decimal, Issue, Money, Outcome, Redeem};

use clearing_play::{Backend, TestHouse, endpoint, serve, system_time};

/// How many callers work at each node, and how often each issues and redeems.
const CALLERS: usize = 16;
const ROUNDS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_ledger_without_gaps_or_deadlocks_while_a_window_closes() {
    let (test, begin) = TestHouse::of_s11a(Backend::Postgres, Variant::AtIssue).await;
    let second = serve(&test.database.url, &test.identities, Clock::manual(begin)).await;
    let nodes = [test.endpoint(), endpoint(&second)];
    // Every caller shares its members with callers of the other node, so that both want the same rows.
    let issued = Arc::new(AtomicI64::new(0));
    let redeemed = Arc::new(AtomicI64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for node in &nodes {
        for (at, partner) in ["A", "B", "C", "D"].into_iter().enumerate() {
            let client = test.identities.client(node, clearing_certs::Kind::Partner, partner).await;
            for caller in 0..CALLERS / 4 {
                let (client, issued, redeemed) = (client.clone(), Arc::clone(&issued), Arc::clone(&redeemed));
                callers.spawn(async move {
                    for round in 0..ROUNDS {
                        let card = ((at + caller + round) % 5).to_string();
                        let answer = client.issue(Issue::to("card", &card).points(10)).await.unwrap();
                        answer.accepted().unwrap();
                        issued.fetch_add(10, Ordering::Relaxed);
                        match client.redeem(Redeem::from("card", &card).points(7)).await.unwrap() {
                            Outcome::Accepted(_) => drop(redeemed.fetch_add(7, Ordering::Relaxed)),
                            Outcome::Rejected(rejection) => {
                                assert_eq!(rejection.reason.as_str(), "INSUFFICIENT_POINTS");
                            }
                            Outcome::Unknown(unknown) => panic!("nobody knows what became of {}", unknown.request_id),
                        }
                    }
                });
            }
        }
    }
    let operator = test.identities.client(&nodes[1], clearing_certs::Kind::Partner, "operator").await;
    let mut closed = 0;
    while !callers.is_empty() {
        tokio::select! {
            ended = callers.join_next() => ended.unwrap().unwrap(),
            () = tokio::time::sleep(std::time::Duration::from_millis(150)) => {
                operator.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
                closed += 1;
            }
        }
    }
    assert!(closed > 0, "no window was closed while the callers worked");

    let balance = operator.operator().trial_balance(true).await.unwrap();
    assert!(balance.balanced);
    let mut held = 0;
    for card in 0..5 {
        let member = partner_sdk::MemberRef::identifier("card", card.to_string());
        held += operator.balance(member).await.unwrap().member.available_points;
    }
    assert_eq!(held, issued.load(Ordering::Relaxed) - redeemed.load(Ordering::Relaxed));

    assert_eq!(test.database.deadlocks().await, 0);
    for node in [&test.server, &second] {
        let counts = node.counts();
        assert!(counts.reruns * 100 <= counts.batches, "{counts:?}");
    }
    assert_eq!(second.shutdown(std::time::Duration::from_secs(10)).await, clearing::server::Drained::Clean);
    // The audit checks that the sequence has no gap and that no entry stands in a window that was closed before it.
    test.end().await;
}

/// A deposit tells the balance of its fund, which it reads without a lock: two nodes must not tell the same one.
#[tokio::test(flavor = "multi_thread")]
async fn deposits_through_two_nodes_each_tell_a_balance_that_there_was() {
    let (test, begin) = TestHouse::of_s11a(Backend::Postgres, Variant::AtRedemption).await;
    let second = serve(&test.database.url, &test.identities, Clock::manual(begin)).await;
    let mut depositing = tokio::task::JoinSet::new();
    for node in [test.endpoint(), endpoint(&second)] {
        let client = test.identities.client(&node, clearing_certs::Kind::Partner, "operator").await;
        let currency = client.server_info().await.unwrap().currency_code;
        depositing.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..20 {
                let one = Deposit::account("reserve", Money::new(currency.as_str(), Decimal::ONE));
                told.push(client.operator().deposit(one).await.unwrap().accepted().unwrap().balance.amount);
            }
            told
        });
    }
    let mut told = depositing.join_all().await.concat();
    told.sort();
    assert_eq!(told, (1..=40).map(Decimal::from).collect::<Vec<_>>());
    assert_eq!(second.shutdown(std::time::Duration::from_secs(10)).await, clearing::server::Drained::Clean);
    // The audit compares what each deposit says was before it.
    test.end().await;
}

/// A node once read members with the house as it had last looked at it, up to a second ago, and knew nothing of the terms
/// of their newest lots: what it answered was that it had failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_reads_points_of_terms_that_another_node_has_just_made() {
    let (test, begin) = TestHouse::of_s11a(Backend::Postgres, Variant::AtRedemption).await;
    let second = serve(&test.database.url, &test.identities, Clock::manual(begin)).await;
    let other_node = endpoint(&second);
    let other = test.identities.client(&other_node, clearing_certs::Kind::Partner, "B").await;
    let issuer = test.client("A").await;
    let operator = test.client("operator").await.operator();
    for round in 1..=5 {
        let terms = TermsChange::none().price(Decimal::new(100 + round, 2));
        operator.set_terms(SetTerms::of("A", terms)).await.unwrap().accepted().unwrap();
        issuer.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
        assert_eq!(other.balance(("card", "1")).await.unwrap().member.available_points, 10 * round);
        let quote = other.quote(("card", "1"), 10 * round).await.unwrap();
        assert_eq!(quote.lots.len(), usize::try_from(round).unwrap());
    }
    assert_eq!(second.shutdown(std::time::Duration::from_secs(10)).await, clearing::server::Drained::Clean);
    test.end().await;
}

/// A node whose clock is behind once decided under terms that another node had replaced: the rule that no point is worth
/// more than what backs it was then checked against terms that came after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_behind_decides_under_the_terms_that_another_node_has_made() {
    let (test, begin) = TestHouse::of_s11a(Backend::Postgres, Variant::AtRedemption).await;
    let behind = serve(&test.database.url, &test.identities, Clock::manual(begin)).await;
    let operator = test.client("operator").await;
    let later = system_time(begin.plus_seconds(3600));
    operator.sandbox().advance_clock(later).await.unwrap();
    let terms = TermsChange::none().funding(Funding::AtIssue).price(Decimal::TWO).value(Decimal::TWO);
    operator.operator().set_terms(SetTerms::of("A", terms)).await.unwrap().accepted().unwrap();
    let issuer = test.identities.client(&endpoint(&behind), clearing_certs::Kind::Partner, "A").await;
    let issued = issuer.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
    assert!(issued.written.entries[0].entry_time >= later);
    assert_eq!(issuer.position().await.unwrap().position.amount, Decimal::from(-20));
    assert_eq!(behind.shutdown(std::time::Duration::from_secs(10)).await, clearing::server::Drained::Clean);
    test.end().await;
}
