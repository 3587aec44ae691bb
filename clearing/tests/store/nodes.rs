//! Several nodes on one PostgreSQL.

use std::sync::Arc;

use clearing::store::{Backend, ErrorKind, Store, StoreError, Windows};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Abandoned, Accepted, Reply};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::terms::{Funding, TermsDraft};
use clearing_core::facts::{Fact, Facts};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::care::{FreezeMember, UnfreezeMember};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{EntryId, Money, Points, Rate, RequestId};
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
        let gate = first[0].command.gate();
        let begun = self.first.session.begin(gate).await.unwrap();
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
        self.test.database.audit().await;
        self.test.remove().await;
    }
}

/// Nodes with a settlement to be paid. In window 1 the cards have issued points that wait for their payment; in window 2 as
/// many as they are owed for points of the grocer's, so that no leg of theirs pays for those.
struct Paying {
    nodes: Nodes,
    /// The issues of the cards, of window 1 and of window 2.
    issues: [EntryId; 2],
}

impl Paying {
    async fn open() -> Self {
        let mut nodes = Nodes::open().await;
        let till = &mut nodes.first;
        let terms = TermsDraft { funding: Some(Funding::OnPayment), ..TermsDraft::default() };
        let terms = Command::SetTerms(SetTerms { partner: id("cards"), terms, effective: None });
        till.one("operator", terms, at(1)).await.unwrap();
        let mut issues = Vec::new();
        for points in [100, 98] {
            till.one("grocer", issue(card(1), 125), at(1)).await.unwrap();
            issues.push(till.one("cards", issue(card(1), points), at(1)).await.unwrap().entries[0]);
            if points == 98 {
                // 125 x 0.80, less a fee of 2 %, is what 98 points cost.
                till.one("cards", redeem(card(1), 125), at(1)).await.unwrap();
            }
            till.one("operator", close(), at(1)).await.unwrap();
        }
        till.one("operator", confirm(1), at(1)).await.unwrap();
        Self { nodes, issues: issues.try_into().unwrap() }
    }

    /// The operator's command at the first node meets one at the second. Gives why the second was refused, if it was, and
    /// the facts of the entries that it wrote.
    async fn meet(
        &mut self,
        first: Command,
        caller: &str,
        second: Command,
    ) -> (Result<Accepted, Rejection>, Vec<Facts>) {
        let first = self.nodes.first.request("operator", first);
        let second = self.nodes.second.request(caller, second);
        let (done, met) = self.nodes.meet(&[first], &[second]).await;
        assert!(done.answers[0].result.is_ok(), "{:?}", done.answers);
        let Done { mut answers, book, .. } = met.unwrap();
        let result = answers.remove(0).result;
        let entries = result.iter().flat_map(|accepted| &accepted.entries);
        let facts = entries.map(|id| book.entries[id].facts.clone()).collect();
        (result, facts)
    }

    async fn finish(mut self) {
        self.nodes.first.one("operator", close(), at(2)).await.unwrap();
        self.nodes.finish().await;
    }
}

fn close() -> Command {
    Command::CloseWindow(CloseWindow { expected: None })
}

fn confirm(window: u32) -> Command {
    Command::ConfirmSettlement(ConfirmSettlement { window })
}

fn abort(window: u32) -> Command {
    Command::AbortSettlement(AbortSettlement { window })
}

fn pay(window: u32, partner: &str) -> Command {
    Command::ConfirmPayment(ConfirmPayment::of(window, Payment::Hub(id(partner))))
}

/// Takes some points of an issue back.
fn reverse(issue: EntryId) -> Command {
    let (target, points) = (ReversalTarget::Entry(issue), Points(50));
    Command::ReverseIssue(ReverseIssue { target, points, refuse_shortfall: false })
}

/// How many points an entry paid for.
fn paid_for(facts: &Facts) -> Vec<i64> {
    let funded = facts.iter().find_map(|fact| if let Fact::Funding(parts) = fact { Some(parts) } else { None });
    funded.into_iter().flatten().map(|part| part.points.0).collect()
}

#[tokio::test]
async fn an_order_is_paid_once_whichever_node_is_told() {
    let mut paying = Paying::open().await;
    let (again, _) = paying.meet(pay(1, "cards"), "operator", pay(1, "cards")).await;
    assert!(matches!(again, Err(Rejection::LegNotDue { window: 1, .. })), "{again:?}");
    // Another order of the same settlement is paid beside it.
    let (other, _) = paying.meet(pay(1, "grocer"), "operator", pay(1, "operator")).await;
    assert!(other.is_ok(), "{other:?}");
    paying.finish().await;
}

#[tokio::test]
async fn a_settlement_is_paid_or_aborted_whichever_node_is_told_what() {
    let mut paying = Paying::open().await;
    let (aborted, _) = paying.meet(pay(1, "cards"), "operator", abort(1)).await;
    assert!(matches!(aborted, Err(Rejection::SettlementAlreadyPaid { window: 1, .. })), "{aborted:?}");
    paying.nodes.first.one("operator", confirm(2), at(1)).await.unwrap();
    let (paid, _) = paying.meet(abort(2), "operator", pay(2, "grocer")).await;
    assert!(matches!(paid, Err(Rejection::SettlementAborted { window: 2 })), "{paid:?}");
    paying.finish().await;
}

/// By how much legs have moved is counted with the window that is open, and stands in the proof of its close.
#[tokio::test]
async fn a_close_counts_what_another_node_has_just_paid_and_a_payment_finds_the_window_that_was_opened() {
    let mut paying = Paying::open().await;
    let (closed, _) = paying.meet(pay(1, "cards"), "operator", close()).await;
    assert!(closed.is_ok(), "{closed:?}");
    let (paid, _) = paying.meet(close(), "operator", pay(1, "grocer")).await;
    assert!(paid.is_ok(), "{paid:?}");
    let mut snapshot = paying.nodes.test.store.snapshot().await.unwrap();
    let windows = snapshot.windows(Windows::All).await.unwrap();
    snapshot.finish().await.unwrap();
    let moved: Vec<bool> = windows.iter().map(|row| row.window.legs_moved != 0).collect();
    assert_eq!(moved, [false, false, true, false, true]);
    paying.finish().await;
}

/// What waits was once read before anything was locked: paid for twice, or for points that were gone.
#[tokio::test]
async fn points_that_are_taken_back_at_one_node_are_not_paid_for_at_another() {
    let mut paying = Paying::open().await;
    let [first, second] = paying.issues;
    let reversal = |paying: &mut Paying, issue| paying.nodes.first.request("cards", reverse(issue));
    // The reversal comes first: the payment, and the confirmation that pays for those of no leg, find what is left.
    for (issue, command, left) in [(first, pay(1, "cards"), 50), (second, confirm(2), 48)] {
        let reversal = reversal(&mut paying, issue);
        let payment = paying.nodes.second.request("operator", command);
        let (done, met) = paying.nodes.meet(&[reversal], &[payment]).await;
        assert!(done.answers[0].result.is_ok(), "{:?}", done.answers);
        let Done { answers, book, .. } = met.unwrap();
        let entries = answers[0].result.as_ref().unwrap().entries.clone();
        let paid: Vec<i64> = entries.iter().flat_map(|id| paid_for(&book.entries[id].facts)).collect();
        assert_eq!(paid, [left]);
    }
    paying.finish().await;

    // The payment comes first: what is reversed then was paid for, and is available.
    let mut paying = Paying::open().await;
    let [first, second] = paying.issues;
    for (issue, command) in [(first, pay(1, "cards")), (second, confirm(2))] {
        let (reversed, facts) = paying.meet(command, "cards", reverse(issue)).await;
        assert!(reversed.is_ok(), "{reversed:?}");
        let taken: i64 = facts.iter().filter_map(Facts::reversal).flatten().map(|part| part.taken.0).sum();
        assert_eq!(taken, 50);
    }
    paying.finish().await;
}

/// An abort lets what waited wait for the open window.
#[tokio::test]
async fn points_that_are_taken_back_at_one_node_wait_no_longer_after_an_abort_at_another() {
    let mut paying = Paying::open().await;
    let [first, second] = paying.issues;
    let (reversed, _) = paying.meet(abort(1), "cards", reverse(first)).await;
    assert!(reversed.is_ok(), "{reversed:?}");
    let reversal = paying.nodes.first.request("cards", reverse(second));
    let aborted = paying.nodes.second.request("operator", abort(2));
    let (_, met) = paying.nodes.meet(&[reversal], &[aborted]).await;
    assert!(met.unwrap().answers[0].result.is_ok());
    paying.finish().await;
}

/// The request was accepted between the look for it and the lock of its member, and the member was in the batch for another
/// reason: the batch once went on, and undid an entry without the lots that it had taken.
#[tokio::test]
async fn a_request_accepted_at_one_node_while_another_abandons_it_is_undone_with_all_that_it_took() {
    let mut nodes = Nodes::open().await;
    nodes.first.one("grocer", issue(card(1), 100), at(1)).await.unwrap();
    nodes.first.one("fuel", issue(card(1), 100), at(1)).await.unwrap();
    let spend = nodes.first.request("fuel", redeem(card(1), 120));
    let abandon = Command::AbandonRequest(AbandonRequest::of(spend.request_id.unwrap()));
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

/// A freeze takes the lock of its member and no more, so what waits for that lock at another node obeys.
#[tokio::test]
async fn a_freeze_at_one_node_is_obeyed_by_the_next_batch_of_another_and_so_is_its_lifting() {
    let mut nodes = Nodes::open().await;
    for member in 1..=2 {
        nodes.first.one("grocer", issue(card(member), 100), at(1)).await.unwrap();
        nodes.second.one("fuel", redeem(card(member), 10), at(1)).await.unwrap();
    }
    let reason = Code::word("STOLEN").unwrap();
    let freeze = Command::FreezeMember(FreezeMember { member: card(1), reason: reason.clone(), end: None });
    let first = [nodes.first.request("operator", freeze)];
    let second = [nodes.second.request("fuel", redeem(card(1), 10)), nodes.second.request("fuel", redeem(card(2), 10))];
    let (done, met) = nodes.meet(&first, &second).await;
    assert!(done.answers[0].result.is_ok(), "{:?}", done.answers);
    let [frozen, other] = &met.unwrap().answers[..] else { panic!("two were asked for") };
    assert!(matches!(frozen.result, Err(Rejection::MemberBlocked { end: None, .. })), "{frozen:?}");
    assert_eq!(available(other.result.as_ref().unwrap()), 80);

    let lift = Command::UnfreezeMember(UnfreezeMember { member: card(1), reason: Some(reason) });
    let first = [nodes.first.request("operator", lift)];
    let second = [nodes.second.request("fuel", redeem(card(1), 10))];
    let (_, met) = nodes.meet(&first, &second).await;
    assert_eq!(available(met.unwrap().answers[0].result.as_ref().unwrap()), 80);
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

/// Each change of a link once dropped more than the link when two sessions of a node had passed the gate one after the other.
#[tokio::test]
async fn a_changed_link_is_all_that_a_node_reads_again() {
    const CARDS: u8 = 200;
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let other = Store::connect(&test.database.url).await.unwrap();
    let (mut first, mut second) = (Till::open(&test.store, 1).await, Till::open(&other, 2).await);
    for node in [&mut first, &mut second] {
        for _ in 0..2 {
            let requests: Vec<Request> = (0..CARDS).map(|n| node.request("grocer", issue(card(n), 1))).collect();
            node.run(&requests, at(1)).await.unwrap();
        }
    }
    let mut raw = Raw::open(&test).await;
    for round in 0..5 {
        for changed in 0..10 {
            link(&mut raw, round * 20 + changed, CARDS - 1).await;
        }
        for (node, store) in [(&mut first, &test.store), (&mut second, &other)] {
            // What the scheduler does each minute, by a session of its own.
            store.note_alive(at(1)).await.unwrap();
            let before = store.identifiers_looked_for();
            let requests: Vec<Request> = (0..CARDS).map(|n| node.request("grocer", issue(card(n), 1))).collect();
            node.run(&requests, at(1)).await.unwrap();
            assert_eq!(store.identifiers_looked_for() - before, 10, "those that were changed, of {CARDS}");
        }
    }
    test.remove().await;
}

/// Whoever changes which links, and whichever node is asked next: points go to whom the card names at that moment.
#[tokio::test]
async fn no_node_ever_answers_for_whom_a_card_named_before() {
    const CARDS: usize = 6;
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let other = Store::connect(&test.database.url).await.unwrap();
    let mut nodes = [Till::open(&test.store, 1).await, Till::open(&other, 2).await];
    let number = |card: usize| u8::try_from(card).unwrap();
    let mut raw = Raw::open(&test).await;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let (mut named, mut points): (Vec<usize>, Vec<i64>) = ((0..CARDS).collect(), vec![0; CARDS]);
    for round in 0..200 {
        if round >= CARDS && rng.random_bool(0.4) {
            let (changed, to) = (rng.random_range(0..CARDS), rng.random_range(0..CARDS));
            link(&mut raw, number(changed), number(to)).await;
            named[changed] = named[to];
        }
        let asked = if round < CARDS { round } else { rng.random_range(0..CARDS) };
        let node = &mut nodes[rng.random_range(0..2)];
        let done = node.one("grocer", issue(card(number(asked)), 1), at(1)).await.unwrap();
        points[named[asked]] += 1;
        assert_eq!(available(&done), points[named[asked]], "round {round}, card {asked}");
    }
    test.remove().await;
}
