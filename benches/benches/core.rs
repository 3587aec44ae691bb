//! The rules alone, on books in memory: what a request costs before any database or network.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use clearing::clock::Clock;
use clearing_benches::coalition;
use clearing_benches::till::Till;
use clearing_core::book::Book;
use clearing_core::command::Request;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::Entry;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::partner::Partner;
use clearing_core::facts::window::Window;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{BatchId, EntryId, IdentifierHash, PartnerId, Points, Timestamp};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn book(house: House) -> Book {
    let mut book = Book::new(Arc::new(house), 1);
    book.windows.insert(1, Window::first(NOW));
    book.begin_batch(BatchId(1));
    book
}

fn card(number: u8) -> MemberRef {
    MemberRef::Identifier(IdentifierHash([number; 32]))
}

fn execute(book: &mut Book, request: &Request) -> Vec<EntryId> {
    book.execute(request, NOW).result.expect("the rules allow it").entries
}

fn till() -> Till {
    Till::new(Clock::manual(NOW), "till-3", 0)
}

fn issue(till: &mut Till, issuer: usize, member: u8) -> Request {
    let issue = IssuePoints { member: card(member), earn: Earn::points(Points(100)) };
    till.request(coalition::partner(issuer), issue.into())
}

fn issues(criterion: &mut Criterion) {
    let (mut book, mut till) = (book(coalition::house(NOW)), till());
    execute(&mut book, &issue(&mut till, 0, 1));
    book.take_changes();
    let request = issue(&mut till, 1, 1);
    criterion.bench_function("issue to a known member", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &request), BatchSize::SmallInput);
    });
}

fn redemptions(criterion: &mut Criterion) {
    let (mut book, mut till) = (book(coalition::house(NOW)), till());
    for number in 0..28 {
        execute(&mut book, &issue(&mut till, number % 7, 1));
    }
    book.take_changes();
    let redemption = RedeemPoints { member: card(1), points: Points(28 * 100 - 50) };
    let redemption = till.request(coalition::partner(9), redemption.into());
    criterion.bench_function("redeem over 28 lots of 7 issuers", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &redemption), BatchSize::SmallInput);
    });
}

/// A house of a hundred brands, whose points were all taken by others.
fn hundred_brands(till: &mut Till) -> Book {
    const BRANDS: u64 = 100;
    let mut house = coalition::house(NOW);
    let model = house.partners[&coalition::partner(0)].clone();
    house.partners.retain(|id, _| id.is_operator());
    let brands: BTreeMap<PartnerId, Partner> = (0..BRANDS)
        .map(|at| {
            let id: PartnerId = format!("brand-{at:03}").parse().expect("a well-formed id");
            (id, Partner { id, ..model.clone() })
        })
        .collect();
    let ids: Vec<PartnerId> = brands.keys().copied().collect();
    house.partners.extend(brands);
    let mut book = book(house);
    for issuer in &ids {
        let issue = IssuePoints { member: card(1), earn: Earn::points(Points(1_000)) };
        execute(&mut book, &till.request(*issuer, issue.into()));
    }
    // In consumption order each brand takes the points of its neighbours.
    for acceptor in ids.iter().rev() {
        let redemption = RedeemPoints { member: card(1), points: Points(997) };
        execute(&mut book, &till.request(*acceptor, redemption.into()));
    }
    book.take_changes();
    book
}

fn closes(criterion: &mut Criterion) {
    let mut till = till();
    let book = hundred_brands(&mut till);
    let close = till.request(PartnerId::operator(), CloseWindow { expected: Some(1) }.into());
    criterion.bench_function("close a window with 100 partners", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &close), BatchSize::LargeInput);
    });
}

fn bytes(criterion: &mut Criterion) {
    let mut book = book(coalition::house(NOW));
    let id = execute(&mut book, &issue(&mut till(), 0, 1))[0];
    let entry: Arc<Entry> = Arc::clone(&book.entries[&id]);
    criterion.bench_function("canonical bytes of an issue", |bench| bench.iter(|| black_box(&entry).to_bytes()));
    criterion.bench_function("hash of an issue", |bench| bench.iter(|| black_box(&entry).hash(&[7; 16], 3)));
    let stored = entry.to_bytes();
    criterion.bench_function("an issue read from its bytes", |bench| {
        bench.iter(|| Entry::from_bytes(id, black_box(&stored)).expect("these bytes were just written"));
    });
}

criterion_group!(rules, issues, redemptions, closes, bytes);
criterion_main!(rules);
