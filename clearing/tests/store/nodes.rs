//! Several nodes on one PostgreSQL.

use std::sync::Arc;

use clearing::store::{Backend, ErrorKind, Store, StoreError};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Abandoned, Reply};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::terms::TermsDraft;
use clearing_core::operation::Gate;
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{Money, Points, Rate, RequestId};
use rand::{Rng as _, SeedableRng as _};

use crate::agreement::TILLS;
use crate::schema::Raw;
use crate::{Done, FOUNDING, Ids, TestStore, Till, at, available, card, id, issue, redeem};

/// Two writers on one PostgreSQL: the same members, tills and keys, and a close in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_one_postgres() {
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let mut nodes = tokio::task::JoinSet::new();
    for node in 0..2 {
        let store = test.database.store().await;
        nodes.spawn(async move { node_at_work(store, node).await });
    }
    let mut entries = 0;
    while let Some(written) = nodes.join_next().await {
        entries += written.unwrap();
    }
    let mut snapshot = test.store.snapshot().await.unwrap();
    let head = snapshot.journal_head().await.unwrap();
    assert_eq!(head.next_sequence, FOUNDING + entries + 1);
    let batches = snapshot.batches(1, 10_000).await.unwrap();
    let (mut next, mut hash) = (1, [0; 32]);
    let mut window = 1;
    for batch in &batches {
        assert_eq!((batch.first_sequence, batch.previous_hash), (next, hash));
        assert!(batch.window >= window, "an entry lies in a window that was closed");
        window = batch.window;
        (next, hash) = (next + batch.entry_count, batch.hash);
    }
    assert_eq!((next, hash), (head.next_sequence, head.hash));
    let house = Arc::new(snapshot.house().await.unwrap().house);
    let stored = snapshot.ledger(house).await.unwrap();
    let found = clearing_core::audit::check(&stored);
    assert!(found.is_empty(), "{found:?}");
    snapshot.finish().await.unwrap();
    test.remove().await;
}

async fn node_at_work(store: Store, node: u64) -> i64 {
    let mut till = Till::open(&store, u128::from(node) + 1).await;
    // The same tills on both nodes: what one has sent is sent to the other, too.
    let mut shared = Ids(77 << 40);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(node);
    let mut entries = 0;
    for round in 0..150 {
        let mut requests: Vec<Request> = (0..8)
            .map(|_| {
                let member = card(rng.random_range(0..6));
                let caller = TILLS[rng.random_range(0..3)];
                let command = if rng.random_bool(0.6) { issue(member, 20) } else { redeem(member, 15) };
                till.request(caller, command)
            })
            .collect();
        let mut duplicate = till.request("cards", issue(card(round % 6), 1));
        duplicate.request_id = Some(RequestId(shared.next()));
        requests.push(duplicate);
        if round % 50 == 25 {
            let close = Command::CloseWindow(CloseWindow { expected: None });
            requests = vec![till.request("operator", close)];
        }
        entries += loop {
            match till.run(&requests, at(1)).await {
                Ok(done) => {
                    let fresh = done.answers.iter().filter(|answer| !answer.replayed);
                    break fresh
                        .filter_map(|answer| answer.result.as_ref().ok())
                        .map(|accepted| accepted.entries.len())
                        .sum::<usize>();
                }
                Err(error) if error.kind() == ErrorKind::Transient => {
                    assert!(!format!("{error:?}").contains("deadlock"), "{error:?}");
                    till.session = store.writer().await.unwrap();
                }
                Err(error) => panic!("{error:?}"),
            }
        };
    }
    i64::try_from(entries).unwrap()
}

/// Two nodes, and what they do at once.
struct Nodes {
    test: TestStore,
    first: Till,
    second: Till,
}

impl Nodes {
    async fn open() -> Self {
        let test = TestStore::with_coalition(Backend::Postgres).await;
        let (first, second) = (Till::open(&test.store, 1).await, Till::open(&test.store, 2).await);
        Self { test, first, second }
    }

    /// Runs a batch at the first node; before it commits another one begins at the second, and waits where they meet.
    async fn meet(&mut self, first: &[Request], second: &[Request]) -> (Done, Result<Done, StoreError>) {
        let begun = self.first.session.begin(Gate::Shared).await.unwrap();
        let done = self.first.decide(begun, first, at(1)).await.unwrap();
        let commit = async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            self.first.session.commit().await.unwrap();
        };
        let ((), met) = tokio::join!(commit, self.second.run(second, at(1)));
        (done, met)
    }

    async fn finish(self) {
        let mut snapshot = self.test.store.snapshot().await.unwrap();
        let house = Arc::new(snapshot.house().await.unwrap().house);
        let stored = snapshot.ledger(house).await.unwrap();
        let found = clearing_core::audit::check(&stored);
        assert!(found.is_empty(), "{found:?}");
        snapshot.finish().await.unwrap();
        self.test.remove().await;
    }
}

/// The request was accepted between the look for it and the lock of its member, and the member was in the batch for another
/// reason: the batch once went on, and undid an entry without the lots that it had taken.
#[tokio::test]
async fn a_request_accepted_at_one_node_while_another_abandons_it_is_undone_with_all_that_it_took() {
    let mut nodes = Nodes::open().await;
    nodes.first.one("grocer", issue(card(1), 100), at(1)).await.unwrap();
    nodes.first.one("fuel", issue(card(1), 100), at(1)).await.unwrap();
    let spend = nodes.first.request("fuel", redeem(card(1), 120));
    let abandon = Command::AbandonRequest(AbandonRequest { request: spend.request_id.unwrap() });
    let second = [nodes.second.request("cards", issue(card(1), 5)), nodes.second.request("fuel", abandon)];
    let (done, met) = nodes.meet(std::slice::from_ref(&spend), &second).await;
    assert_eq!(available(done.answers[0].result.as_ref().unwrap()), 80);
    assert_eq!(met.err().unwrap().kind(), ErrorKind::Transient);

    nodes.second = Till::open(&nodes.test.store, 3).await;
    let again = nodes.second.run(&second, at(1)).await.unwrap();
    let undone = again.answers[1].result.as_ref().unwrap();
    assert!(matches!(undone.reply, Reply::Abandoned(Abandoned::Undone)), "{undone:?}");
    assert_eq!(available(&nodes.first.one("fuel", issue(card(1), 1), at(1)).await.unwrap()), 206);
    nodes.finish().await;
}

fn on_receipt(mut request: Request, line: u32) -> Request {
    let number = Some(Code::new("R-1").unwrap());
    let receipt_total = Some(Money(1_000_000));
    request.origin = Origin { receipt_number: number, receipt_line: Some(line), receipt_total, ..Origin::default() };
    request
}

/// What had been booked with a receipt was once read before anything was locked.
#[tokio::test]
async fn a_node_knows_what_another_has_just_booked_with_a_receipt() {
    let mut nodes = Nodes::open().await;
    let half = TermsDraft { receipt_share: Some(Rate::new("0.5".parse().unwrap()).unwrap()), ..TermsDraft::default() };
    let half = Command::SetTerms(SetTerms { partner: id("fuel"), terms: half, effective: None });
    nodes.first.one("operator", half, at(1)).await.unwrap();
    for member in 1..=2 {
        nodes.first.one("cards", issue(card(member), 200), at(1)).await.unwrap();
    }

    // The same line, of the same member.
    let first = on_receipt(nodes.first.request("fuel", redeem(card(1), 30)), 1);
    let second = on_receipt(nodes.second.request("fuel", redeem(card(1), 30)), 1);
    let (_, met) = nodes.meet(&[first], &[second]).await;
    let refused = met.unwrap().answers.remove(0).result.unwrap_err();
    assert!(matches!(refused, Rejection::DuplicateReceipt { .. }), "{refused}");

    // Other lines: 50 points may pay half of the receipt, and 30 do.
    let first = on_receipt(nodes.first.request("fuel", redeem(card(1), 15)), 2);
    let second = on_receipt(nodes.second.request("fuel", redeem(card(2), 15)), 3);
    let (_, met) = nodes.meet(&[first], &[second]).await;
    let refused = met.unwrap().answers.remove(0).result.unwrap_err();
    assert!(matches!(refused, Rejection::ReceiptShareExceeded { maximum: 5, .. }), "{refused}");
    nodes.finish().await;
}

/// Fees and spreads move the operator's position, whoever asks; once its headroom was measured beside them.
#[tokio::test]
async fn the_operators_headroom_is_measured_after_the_fees_that_another_node_gives_back() {
    let mut nodes = Nodes::open().await;
    let limits = Limits { net_debit_cap: Some(Money::ZERO), ..Limits::default() };
    let limits = Command::SetLimits(SetLimits { partner: id("operator"), limits });
    nodes.first.one("operator", limits, at(1)).await.unwrap();
    nodes.first.one("grocer", issue(card(1), 100), at(1)).await.unwrap();
    let redemption = nodes.first.one("fuel", redeem(card(1), 100), at(1)).await.unwrap().entries[0];
    nodes.first.one("operator", issue(card(2), 21), at(1)).await.unwrap();

    // The operator has 10.00 of the issue; of the redemption 10.00 and a fee of 1.60, which go back.
    let back = Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(100) });
    let first = [nodes.first.request("fuel", back)];
    let second = [nodes.second.request("fuel", redeem(card(2), 21))];
    let (_, met) = nodes.meet(&first, &second).await;
    let refused = met.unwrap().answers.remove(0).result.unwrap_err();
    assert!(matches!(refused, Rejection::NetDebitCap { reachable: 10, .. }), "{refused}");
    nodes.finish().await;
}

/// Makes a card another member's in the database, as one of the nodes would: with a row of the log of changed links.
async fn link(raw: &mut Raw, card: u8, to: u8) {
    let hash = |card: u8| format!("'\\x{}'::bytea", format!("{card:02x}").repeat(32));
    let (card, to) = (hash(card), hash(to));
    raw.run(format!(
        "BEGIN;
         UPDATE identifiers SET (member_id, number) = (
             SELECT of.member_id, max(of.number) + 1 FROM identifiers AS of JOIN identifiers AS named USING (member_id)
             WHERE named.identifier_hash = {to} GROUP BY of.member_id
         ) WHERE identifier_hash = {card};
         INSERT INTO link_changes VALUES ((SELECT coalesce(max(number), 0) + 1 FROM link_changes), {card}, {});
         COMMIT",
        at(1).0
    ))
    .await
    .unwrap();
}

/// What a node kept of identifiers once ended with the node.
#[tokio::test]
async fn a_node_follows_a_link_that_another_has_changed_in_its_next_batch() {
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let other = Store::connect(&test.database.url).await.unwrap();
    let (mut first, mut second) = (Till::open(&test.store, 1).await, Till::open(&other, 2).await);
    // Both nodes know whose the cards are.
    for (card, points) in [(card(1), 100), (card(2), 10), (card(3), 1)] {
        first.one("grocer", issue(card, points), at(1)).await.unwrap();
        second.one("grocer", issue(card, points), at(1)).await.unwrap();
    }
    let mut raw = Raw::open(&test).await;
    link(&mut raw, 1, 2).await;
    for node in [&mut second, &mut first] {
        node.one("grocer", issue(card(1), 1), at(1)).await.unwrap();
    }
    let has = |done: Result<_, Rejection>| available(&done.unwrap());
    assert_eq!(has(second.one("grocer", issue(card(1), 1), at(1)).await), 20 + 3);
    assert_eq!(has(first.one("grocer", issue(card(3), 1), at(1)).await), 3, "others stay as they were");

    // A node that was away while the log was pruned knows nothing any more, and asks again.
    for to in [3, 2, 3] {
        link(&mut raw, 1, to).await;
    }
    assert_eq!(test.store.forget_link_changes(at(9)).await.unwrap(), 3);
    assert_eq!(test.store.forget_link_changes(at(9)).await.unwrap(), 0, "the last stays");
    assert_eq!(raw.number("SELECT max(number) FROM link_changes").await, 4);
    for (node, expected) in [(&mut second, 4), (&mut first, 5)] {
        assert_eq!(has(node.one("grocer", issue(card(1), 1), at(1)).await), expected);
    }
    assert!(raw.run("UPDATE link_changes SET changed_at = 0").await.is_err(), "the log is append-only");
    test.remove().await;
}
