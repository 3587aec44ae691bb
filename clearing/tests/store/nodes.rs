//! Several nodes on one PostgreSQL.

use std::sync::Arc;

use clearing::store::{Backend, ErrorKind, Store};
use clearing_core::command::{Command, HouseCommand, Request};
use clearing_core::units::RequestId;
use rand::{Rng as _, SeedableRng as _};

use crate::agreement::TILLS;
use crate::{Ids, TestStore, Till, at, card, issue, redeem};

/// Two writers on one PostgreSQL: the same members, tills and keys, and a close in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_one_postgres() {
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let mut nodes = tokio::task::JoinSet::new();
    for node in 0..2 {
        let store = Store::connect(&test.url).await.unwrap();
        nodes.spawn(async move { node_at_work(store, node).await });
    }
    let mut entries = 0;
    while let Some(written) = nodes.join_next().await {
        entries += written.unwrap();
    }
    let mut snapshot = test.store.snapshot().await.unwrap();
    let head = snapshot.journal_head().await.unwrap();
    assert_eq!(head.next_sequence, entries + 1);
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
        let mut duplicate = till.request("bank", issue(card(round % 6), 1));
        duplicate.request_id = Some(RequestId(shared.next()));
        requests.push(duplicate);
        if round % 50 == 25 {
            let close = HouseCommand::CloseWindow { expected: None };
            requests = vec![till.request("operator", Command::House(close))];
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
