//! The rules alone, on books in memory: what a request costs before any database or network.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use clearing_benches::coalition;
use clearing_core::book::Book;
use clearing_core::command::{Command, Request};
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::Entry;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::partner::Partner;
use clearing_core::facts::window::Window;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, RequestId, Timestamp,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Each request has a key of its own, whose UUIDv7 says that it was made now.
fn request(caller: PartnerId, number: u64, command: Command) -> Request {
    let millis = u128::try_from(NOW.0 / 1000).expect("after 1970");
    let id = millis << 80 | 0x7 << 76 | 0b10 << 62 | u128::from(number);
    let code = |text: &str| Some(Code::new(text).expect("a code"));
    let origin = Origin {
        store: code("store-7"),
        till: code("till-3"),
        receipt_number: code(&format!("R-{number:07}")),
        receipt_line: Some(1),
        business_date: Some("2026-09-21".parse().expect("a date")),
        business_time: Some(NOW),
        receipt_total: Some(Money(12_345)),
        device_counter: Some(42),
        attachment: None,
    };
    let fresh_member = MemberId(u128::from(number) + 1);
    Request {
        caller,
        request_id: Some(RequestId(id)),
        origin,
        command,
        fresh_member,
        fresh_salt: [7; 16],
        attachment: None,
    }
}

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

fn issue(number: u64, issuer: usize, member: u8) -> Request {
    let command = Command::IssuePoints(IssuePoints { member: card(member), earn: Earn::points(Points(100)) });
    request(coalition::partner(issuer), number, command)
}

fn issues(criterion: &mut Criterion) {
    let mut book = book(coalition::house(NOW));
    execute(&mut book, &issue(0, 0, 1));
    book.take_changes();
    let request = issue(1, 1, 1);
    criterion.bench_function("issue to a known member", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &request), BatchSize::SmallInput);
    });
}

fn redemptions(criterion: &mut Criterion) {
    let mut book = book(coalition::house(NOW));
    for number in 0..28 {
        execute(&mut book, &issue(number, usize::try_from(number).expect("small") % 7, 1));
    }
    book.take_changes();
    let redemption = Command::RedeemPoints(RedeemPoints { member: card(1), points: Points(28 * 100 - 50) });
    let redemption = request(coalition::partner(9), 99, redemption);
    criterion.bench_function("redeem over 28 lots of 7 issuers", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &redemption), BatchSize::SmallInput);
    });
}

/// A house of a hundred brands, whose points were all taken by others.
fn hundred_brands() -> Book {
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
    for (number, issuer) in (0..BRANDS).zip(&ids) {
        let command = Command::IssuePoints(IssuePoints { member: card(1), earn: Earn::points(Points(1_000)) });
        execute(&mut book, &request(*issuer, number, command));
    }
    // In consumption order each brand takes the points of its neighbours.
    for (number, acceptor) in (BRANDS..).zip(ids.iter().rev()) {
        let command = Command::RedeemPoints(RedeemPoints { member: card(1), points: Points(997) });
        execute(&mut book, &request(*acceptor, number, command));
    }
    book.take_changes();
    book
}

fn closes(criterion: &mut Criterion) {
    let book = hundred_brands();
    let command = Command::CloseWindow(CloseWindow { expected: Some(1) });
    let close = request(PartnerId::operator(), 999, command);
    criterion.bench_function("close a window with 100 partners", |bench| {
        bench.iter_batched_ref(|| book.clone(), |book| execute(book, &close), BatchSize::LargeInput);
    });
}

fn bytes(criterion: &mut Criterion) {
    let mut book = book(coalition::house(NOW));
    let id = execute(&mut book, &issue(0, 0, 1))[0];
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
