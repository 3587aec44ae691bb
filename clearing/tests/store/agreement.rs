//! What the store loads for a batch is enough: it answers as a book that holds everything.

use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::command::{Answer, Command, Request};
use clearing_core::settlement::Window;
use clearing_core::units::{EntryId, PartnerId, Points, RequestId, Timestamp};
use rand::{Rng as _, SeedableRng as _};

use crate::{START, TestStore, Till, at, card, house, issue, redeem};

on_both! {
    empty: a_store_answers_as_a_book_that_holds_everything;
    coalition: ;
}

/// How many games are played, some hundred commands each.
const SEEDS: u64 = 6;

/// Random batches, with members who have many lots, expiries, returns and abandons, must be answered alike by a book
/// that holds everything and by the store, which loads what it thinks is needed.
async fn a_store_answers_as_a_book_that_holds_everything(test: &TestStore) {
    for seed in 0..SEEDS {
        let test = TestStore::with_coalition(test.store.backend()).await;
        let mut till = Till::open(&test.store, 1).await;
        let mut play = Play::new(seed);
        let mut whole = Book::new(Arc::new(house()), 1);
        whole.windows.insert(1, Window::first(START));
        let mut now = START;
        for _ in 0..60 {
            now = now.plus_seconds(play.rng.random_range(0..200_000));
            let requests = play.batch(&mut till);
            let done = till.run(&requests, now).await.unwrap();
            whole.begin_batch(done.header.batch);
            for (request, answer) in requests.iter().zip(done.answers) {
                let expected = whole.execute(request, now);
                assert_eq!(answer, expected, "seed {seed}, {:?} at {now}", request.command);
                play.learn(request, &expected);
            }
        }
        whole.take_changes();
        let mut snapshot = test.store.snapshot().await.unwrap();
        let stored = snapshot.ledger(Arc::new(house())).await.unwrap();
        let lots = |book: &Book| book.lots.values().map(|lot| (lot.id, lot.available, lot.expires)).collect::<Vec<_>>();
        assert_eq!(lots(&stored), lots(&whole));
        for (id, member) in &whole.members {
            let read = &stored.members[id];
            assert_eq!(read.entry_no, member.entry_no);
            assert_eq!(read.holdings_to_bytes(), member.holdings_to_bytes());
            let first = whole.lots.values().filter(|lot| lot.id.member == *id && lot.available.0 > 0);
            let first = first.map(|lot| lot.expires).min().unwrap_or(Timestamp::NEVER);
            assert!(
                read.next_due <= first,
                "nothing of {id} is due before {}, but a lot expires {first}",
                read.next_due
            );
        }
        let nonzero = |book: &Book| {
            let money = book.money_balances.iter().filter(|(_, amount)| !amount.is_zero());
            money.map(|(account, amount)| (*account, *amount)).collect::<Vec<_>>()
        };
        assert_eq!(nonzero(&stored), nonzero(&whole));
        assert_eq!(
            snapshot.outstanding().await.unwrap().values().sum_points(),
            whole.outstanding.values().sum_points()
        );
        snapshot.finish().await.unwrap();
        test.remove().await;
    }
}

trait SumPoints {
    fn sum_points(self) -> i64;
}

impl<'a, I: Iterator<Item = &'a Points>> SumPoints for I {
    fn sum_points(self) -> i64 {
        self.map(|points| points.0).sum()
    }
}

/// Random commands that refer to what was answered before.
struct Play {
    rng: rand_chacha::ChaCha8Rng,
    redemptions: Vec<(PartnerId, EntryId)>,
    asked: Vec<(PartnerId, RequestId)>,
    repeats: Vec<Request>,
}

pub const TILLS: [&str; 3] = ["grocer", "fuel", "bank"];

impl Play {
    fn new(seed: u64) -> Self {
        let rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        Self { rng, redemptions: Vec::new(), asked: Vec::new(), repeats: Vec::new() }
    }

    fn batch(&mut self, till: &mut Till) -> Vec<Request> {
        let size = self.rng.random_range(1..12);
        (0..size).map(|_| self.request(till)).collect()
    }

    fn request(&mut self, till: &mut Till) -> Request {
        let member = card(self.rng.random_range(0..4));
        let caller = TILLS[self.rng.random_range(0..3)];
        match self.rng.random_range(0..20) {
            0..10 => {
                let points = self.rng.random_range(1..4) * 5;
                let mut command = issue(member, points);
                if let (Command::Issue { expires, .. }, 0..3) = (&mut command, self.rng.random_range(0..6)) {
                    // Some expire together, some never.
                    let day = self.rng.random_range(0..4) * 20 + 40;
                    *expires = Some(if day > 80 { Timestamp::NEVER } else { at(day) });
                }
                till.request(caller, command)
            }
            10..14 => {
                // Whole lots as often as not, so that what is read is used up to its end.
                let points = self.rng.random_range(1..10) * 5;
                till.request(caller, redeem(member, points))
            }
            14..15 if !self.redemptions.is_empty() => {
                let (partner, redemption) = self.redemptions[self.rng.random_range(0..self.redemptions.len())];
                let points = Points(self.rng.random_range(1..30));
                till.request(partner.as_str(), Command::Return { redemption, points })
            }
            15..18 if !self.asked.is_empty() => {
                let recent = self.asked.len().saturating_sub(20);
                let (partner, request) = self.asked[self.rng.random_range(recent..self.asked.len())];
                till.request(partner.as_str(), Command::Abandon { request })
            }
            18 if !self.repeats.is_empty() => self.repeats[self.rng.random_range(0..self.repeats.len())].clone(),
            _ => {
                let request = till.request(caller, redeem(member, 1));
                // Now and then a request and its abandoning come in one batch, or in the wrong order.
                self.asked.push((request.caller, request.request_id.unwrap()));
                request
            }
        }
    }

    fn learn(&mut self, request: &Request, answer: &Answer) {
        self.repeats.push(request.clone());
        self.asked.push((request.caller, request.request_id.unwrap()));
        if let (Command::Redeem { .. }, Ok(accepted)) = (&request.command, &answer.result) {
            self.redemptions.push((request.caller, accepted.entries[0]));
        }
    }
}
