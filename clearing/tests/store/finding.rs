//! What the operator finds of what is known of an entry is what a walk over the whole journal finds, page by page.

use std::collections::BTreeSet;

use clearing::store::{Projector, Reach, Search, Store};
use clearing_core::command::Request;
use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{BusinessDate, Code, Origin};
use clearing_core::units::{IdentifierHash, MemberId};

use crate::{TestStore, Till, at, card, house, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    what_is_found_is_what_a_walk_over_the_journal_finds_however_far_the_lists_have_come
    a_search_over_several_runs_looks_through_so_much_a_call_and_goes_on_where_it_was;
}

const PARTNERS: [&str; 3] = ["grocer", "fuel", "cards"];

fn code(text: &str) -> Option<Code> {
    Some(Code::new(text).unwrap())
}

fn date(text: &str) -> Option<BusinessDate> {
    Some(text.parse().unwrap())
}

fn origin(store: &str, receipt: String, day: Option<BusinessDate>) -> Origin {
    let (store, receipt_number) = (code(store), code(&receipt));
    Origin { store, till: code("1"), receipt_number, business_date: day, ..Origin::default() }
}

/// The same receipts at each partner, with and without a business date.
async fn trade(till: &mut Till, rounds: std::ops::Range<i64>) {
    for round in rounds {
        let mut requests: Vec<Request> = Vec::new();
        for (number, partner) in (0_u8..).zip(PARTNERS) {
            let mut request = till.request(partner, issue(card(number % 2), 10));
            let day = if round % 3 == 0 { None } else { date("2026-01-02") };
            request.origin = origin(if round % 2 == 0 { "north" } else { "south" }, format!("R-{}", round % 4), day);
            requests.push(request);
        }
        requests.push(till.request("fuel", redeem(card(0), 7)));
        till.run(&requests, at(round / 3)).await.unwrap();
    }
}

fn searches() -> Vec<Search> {
    let any = Search::default();
    let of = |partner: &str| Search { partner: Some(id(partner)), ..any.clone() };
    let receipt = Search { receipt_number: code("R-1"), ..any.clone() };
    vec![
        Search { member: Some(card(1)), ..any.clone() },
        Search { member: Some(card(0)), kind: Some(EntryKind::Redeem), ..any.clone() },
        Search { member: Some(card(0)), partner: Some(id("cards")), ..any.clone() },
        receipt.clone(),
        Search { partner: Some(id("fuel")), ..receipt.clone() },
        Search { business_date: date("2026-01-02"), ..receipt.clone() },
        // Named by none of them: booked on it in the coalition's zone.
        Search { business_date: date("2026-01-04"), booked_from: Some(at(0)), ..receipt },
        Search { store: code("south"), till: code("1"), ..any.clone() },
        Search { store: code("south"), till: code("2"), ..any.clone() },
        Search { business_date: date("2026-01-02"), ..any.clone() },
        Search { business_date: date("2026-01-02"), till: code("1"), window: Some(1), ..of("grocer") },
        Search { kind: Some(EntryKind::Issue), ..any.clone() },
        Search { kind: Some(EntryKind::Redeem), ..of("fuel") },
        Search { window: Some(1), before_sequence: Some(9), ..any.clone() },
        Search { window: Some(2), ..any.clone() },
        of("operator"),
        of("grocer"),
        any,
    ]
}

/// What a walk over the journal finds, newest first.
fn walked(journal: &[JournalEntry], search: &Search, member: Option<MemberId>) -> Vec<i64> {
    let zone = house().coalition.time_zone;
    let of_somebody = search.member.is_some() || search.store.is_some() || search.receipt_number.is_some();
    let found = journal.iter().rev().filter(|JournalEntry { sequence, entry, .. }| {
        let origin = &entry.origin;
        let day = if of_somebody { Some(origin.day(entry.time, &zone)) } else { origin.business_date };
        search.partner.is_none_or(|partner| partner == entry.partner)
            && (search.member.is_none() || entry.member == member)
            && (search.store.is_none() || search.store == origin.store)
            && (search.till.is_none() || search.till == origin.till)
            && (search.receipt_number.is_none() || search.receipt_number == origin.receipt_number)
            && (search.business_date.is_none() || search.business_date == day)
            && search.kind.is_none_or(|kind| kind == entry.kind)
            && search.window.is_none_or(|window| window == entry.window)
            && search.before_sequence.is_none_or(|before| *sequence < before)
    });
    found.map(|written| written.sequence).collect()
}

/// All that is found, in pages of so many.
async fn found(store: &Store, search: &Search, limit: usize, reach: Reach) -> (Vec<i64>, usize) {
    let (mut all, mut pages, mut next) = (Vec::new(), 0, search.clone());
    loop {
        let page = store.find_entries_within(&next, &house(), limit, reach).await.unwrap().unwrap();
        assert!(page.entries.len() <= limit);
        all.extend(page.entries.iter().map(|written| written.sequence));
        pages += 1;
        match page.next {
            None => return (all, pages),
            // A page may be empty although others follow, but it goes on.
            Some(before) => {
                assert!(next.before_sequence.is_none_or(|last| before < last), "{search:?}");
                next.before_sequence = Some(before);
            }
        }
    }
}

async fn whole_journal(store: &Store) -> Vec<JournalEntry> {
    store.journal(1, None, 100_000).await.unwrap()
}

/// Which members the cards name, as their first issues tell.
fn member_of(journal: &[JournalEntry], search: &Search) -> Option<MemberId> {
    let first = |partner: &str| {
        journal.iter().find(|one| one.entry.partner == id(partner) && one.entry.kind == EntryKind::Issue)
    };
    match search.member {
        Some(named) if named == card(0) => first("grocer")?.entry.member,
        Some(_) => first("fuel")?.entry.member,
        None => None,
    }
}

async fn what_is_found_is_what_a_walk_over_the_journal_finds_however_far_the_lists_have_come(test: &TestStore) {
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    let mut projector = Projector::new(store.clone());
    let compare = async |limits: &[usize]| {
        let journal = whole_journal(store).await;
        let mut some = 0;
        for search in searches() {
            let expected = walked(&journal, &search, member_of(&journal, &search));
            some += usize::from(!expected.is_empty());
            for limit in limits {
                // A second's work of a coalition of many partners leaves little for each.
                for reach in [Reach::default(), Reach { runs: 1, entries: 7 }] {
                    let told = found(store, &search, *limit, reach).await.0;
                    assert_eq!(told, expected, "{search:?} in pages of {limit} within {reach:?}");
                }
            }
        }
        assert!(some >= 14, "most searches find something: {some}");
    };
    trade(&mut till, 0..6).await;
    compare(&[1, 3, 1_000]).await;
    while projector.step().await.unwrap().behind > 0 {}
    compare(&[1, 3, 1_000]).await;
    trade(&mut till, 6..12).await;
    // A part is in the lists, a part is not.
    compare(&[1, 3, 1_000]).await;
    while projector.step().await.unwrap().behind > 0 {}
    compare(&[1, 3, 1_000]).await;

    // Members that there are not are not the same as members of whom there is nothing.
    for nobody in [MemberRef::Id(MemberId(7)), MemberRef::Identifier(IdentifierHash([99; 32]))] {
        let search = Search { member: Some(nobody), ..Search::default() };
        assert_eq!(store.find_entries(&search, &house(), 10).await.unwrap(), None);
    }
}

async fn a_search_over_several_runs_looks_through_so_much_a_call_and_goes_on_where_it_was(test: &TestStore) {
    const ENTRIES: i64 = 9_000;
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    for batch in 0..ENTRIES / 1_000 {
        let request = |number: i64| {
            let partner = PARTNERS[usize::from(number % 10 == 0)];
            // One member, store and day for nearly all; another member and some receipts here and there.
            // A receipt of a till earns once.
            let origin = origin("south", (number % 3_000).to_string(), date("2026-01-02"));
            let origin = Origin { till: code(&(number / 3_000).to_string()), ..origin };
            Request { origin, ..till.request(partner, issue(card(u8::from(number % 900 == 7)), 1)) }
        };
        let requests: Vec<Request> = (batch * 1_000..(batch + 1) * 1_000).map(request).collect();
        till.run(&requests, at(0)).await.unwrap();
    }
    let mut projector = Projector::new(store.clone());
    while projector.step().await.unwrap().behind > 0 {}
    let journal = whole_journal(store).await;
    let member = |number: i64| {
        let issues: BTreeSet<MemberId> = journal.iter().filter_map(|one| one.entry.member).collect();
        assert_eq!(issues.len(), 2);
        let at = usize::try_from(number).unwrap();
        journal.iter().filter(|one| one.entry.kind == EntryKind::Issue).nth(at).and_then(|one| one.entry.member)
    };
    let any = Search::default();
    // What is sought, in pages of how many, and how many calls that takes at the least and at the most.
    for (search, of, limit, calls) in [
        (Search { receipt_number: code("17"), ..any.clone() }, None, 10, 1..=1),
        (Search { member: Some(card(1)), ..any.clone() }, member(7), 100, 1..=1),
        (Search { member: Some(card(1)), ..any.clone() }, member(7), 4, 3..=3),
        // Of 8,100 entries of one partner a call reads 5,000 at the most if it looks at all four.
        (Search { store: code("south"), kind: Some(EntryKind::Redeem), ..any.clone() }, None, 100, 2..=2),
        (Search { store: code("south"), partner: Some(id("grocer")), ..any.clone() }, None, 1_000, 9..=9),
        (Search { store: code("south"), receipt_number: code("30"), ..any.clone() }, None, 2, 2..=2),
        // In the journal itself a call looks at 5,000.
        (Search { kind: Some(EntryKind::Redeem), ..any.clone() }, None, 100, 2..=2),
        (Search { kind: Some(EntryKind::Issue), window: Some(1), ..any }, None, 1_000, 9..=10),
    ] {
        let (found, pages) = found(store, &search, limit, Reach::default()).await;
        assert_eq!(found, walked(&journal, &search, of), "{search:?}");
        assert!(calls.contains(&pages), "{search:?} took {pages} calls");
    }
}
