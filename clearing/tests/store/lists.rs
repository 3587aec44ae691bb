//! Lists and statements follow the journal by themselves: exact however far their projection has come, or not given.

use clearing::store::{EntryFilter, ErrorKind, LOOKED_THROUGH_MAX, OwnEntry, Projector, Store, WindowRow, Windows};
use clearing_core::command::Request;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::netting::Obligations;
use clearing_core::rules::statement::Totals;

use tokio::sync::oneshot;

use crate::schema::Raw;
use crate::{FOUNDING, TestStore, Till, at, card, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    a_list_is_exact_however_far_its_projection_has_come
    a_list_goes_down_through_the_runs_of_the_journal_until_its_page_is_full
    a_reader_that_is_far_behind_is_told_so_and_given_no_list
    nodes_project_each_entry_once
    a_projection_that_is_held_holds_up_no_reader_for_long;
}

const PARTNERS: [&str; 3] = ["grocer", "fuel", "cards"];

/// Entries of every kind of list: some of a shop, some of a member, those that a partner has a part in without asking.
async fn trade(till: &mut Till, rounds: std::ops::Range<i64>) {
    for round in rounds {
        let mut requests: Vec<Request> = Vec::new();
        for (number, partner) in (0_u8..).zip(PARTNERS) {
            let mut request = till.request(partner, issue(card(number % 2), 10));
            request.origin = Origin {
                store: Some(Code::new(if round % 2 == 0 { "north" } else { "south" }).unwrap()),
                till: Some(Code::new("1").unwrap()),
                receipt_number: Some(Code::new(&format!("{partner}-{round}")).unwrap()),
                business_date: Some("2026-01-02".parse().unwrap()),
                ..Origin::default()
            };
            requests.push(request);
        }
        requests.push(till.request("fuel", redeem(card(0), 7)));
        till.run(&requests, at(0)).await.unwrap();
    }
}

fn filters() -> Vec<EntryFilter> {
    let code = |text: &str| Some(Code::new(text).unwrap());
    let all = EntryFilter::default();
    vec![
        EntryFilter { store: code("north"), ..all.clone() },
        EntryFilter { store: code("south"), till: code("1"), ..all.clone() },
        EntryFilter { till: code("2"), ..all.clone() },
        EntryFilter { receipt_number: code("fuel-3"), ..all.clone() },
        EntryFilter { member: Some(card(1)), ..all.clone() },
        EntryFilter { business_date: Some("2026-01-02".parse().unwrap()), ..all.clone() },
        EntryFilter { window: Some(1), ..all.clone() },
        EntryFilter { before_sequence: Some(11), ..all.clone() },
        all,
    ]
}

async fn window(store: &Store) -> WindowRow {
    let mut snapshot = store.snapshot().await.unwrap();
    let row = snapshot.windows(Windows::One(1)).await.unwrap().pop().unwrap();
    snapshot.finish().await.unwrap();
    row
}

/// What all readers are told: by partner the lists of every filter, the window from its beginning and from its middle, and
/// the totals. An entry is its place in the journal, and among the partner's own.
type Told = Vec<(Vec<Vec<(i64, i64)>>, (Totals, Obligations))>;

fn places(own: &OwnEntry) -> (i64, i64) {
    (own.written.sequence, own.own_sequence)
}

async fn read_all(store: &Store) -> Told {
    let row = window(store).await;
    let mut told = Vec::new();
    for partner in PARTNERS {
        let mut lists = Vec::new();
        for filter in filters() {
            for limit in [3, 1_000] {
                let found = store.entries_of(id(partner), &filter, limit).await.unwrap();
                lists.push(found.iter().map(places).collect());
            }
        }
        for (from, limit) in [(1, 1_000), (1, 4), (15, 1_000), (15, 4)] {
            let found = store.entries_of_window(id(partner), &row, from, limit).await.unwrap();
            lists.push(found.iter().map(places).collect());
        }
        told.push((lists, store.statement_totals(id(partner), &row).await.unwrap().unwrap()));
    }
    told
}

async fn a_list_is_exact_however_far_its_projection_has_come(test: &TestStore) {
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    let mut projector = Projector::new(store.clone());
    trade(&mut till, 0..3).await;
    while projector.step().await.unwrap().behind > 0 {}
    trade(&mut till, 3..6).await;
    // A part is projected, a part is not.
    let apart = read_all(store).await;
    let entries: u64 = apart[0].1.0.rows.values().map(|total| total.entries).sum();
    assert!(entries >= 6, "{:?}", apart[0].1);
    for (lists, _) in &apart {
        // The last filter but for windows is none: it lists all that the partner has a part in, newest first.
        let own: Vec<i64> = lists[17].iter().map(|(_, own)| *own).collect();
        assert_eq!(own, (1..=i64::try_from(own.len()).unwrap()).rev().collect::<Vec<_>>(), "from 1, without gaps");
    }
    assert!(apart[0].0[17].len() > 6, "what the grocer issued, and what fuel took of it: {:?}", apart[0].0);
    while projector.step().await.unwrap().behind > 0 {}
    assert_eq!(read_all(store).await, apart, "all is projected");
    // Nothing is: a projection may be thrown away at any time.
    let mut raw = Raw::open(test).await;
    raw.run("DELETE FROM projection_cursors; DELETE FROM entry_parties; DELETE FROM entry_words; DELETE FROM party_totals; DELETE FROM admin_actions").await.unwrap();
    assert_eq!(read_all(store).await, apart, "nothing is projected");
    while projector.step().await.unwrap().behind > 0 {}
    assert_eq!(read_all(store).await, apart, "it is projected anew");
}

/// Where the issue of a number comes from, in the test of runs: one day and store for thousands, one member and receipt here and
/// there.
fn scattered(number: i64) -> (u8, Origin) {
    let code = |text: String| Some(Code::new(&text).unwrap());
    let origin = Origin {
        store: code(if number / 2_500 == 1 { "north" } else { "south" }.to_owned()),
        till: code((number % 7).to_string()),
        receipt_number: code((number % 3_000).to_string()),
        business_date: Some(if number < 5_000 { "2026-01-01" } else { "2026-01-02" }.parse().unwrap()),
        ..Origin::default()
    };
    (u8::from(number % 900 == 0), origin)
}

/// The rows by which lists are found lie in runs of some thousand entries: a list of what is rare reads all of them, one of what is
/// common the last ones.
async fn a_list_goes_down_through_the_runs_of_the_journal_until_its_page_is_full(test: &TestStore) {
    const ENTRIES: i64 = 9_000;
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    for batch in 0..ENTRIES / 1_000 {
        let request = |number| {
            let (member, origin) = scattered(number);
            Request { origin, ..till.request("grocer", issue(card(member), 1)) }
        };
        let requests: Vec<Request> = (batch * 1_000..(batch + 1) * 1_000).map(request).collect();
        till.run(&requests, at(0)).await.unwrap();
    }
    let mut projector = Projector::new(store.clone());
    while projector.step().await.unwrap().behind > 0 {}
    let mut raw = Raw::open(test).await;
    assert!(raw.number("SELECT count(DISTINCT run) FROM entry_words").await >= 3);
    let code = |text: &str| Some(Code::new(text).unwrap());
    let date = |text: &str| Some(text.parse().unwrap());
    let all = EntryFilter::default();
    let filters = [
        EntryFilter { member: Some(card(1)), ..all.clone() },
        EntryFilter { member: Some(card(1)), store: code("north"), till: code("1"), ..all.clone() },
        EntryFilter { member: Some(card(1)), business_date: date("2026-01-01"), ..all.clone() },
        EntryFilter { receipt_number: code("17"), ..all.clone() },
        EntryFilter { receipt_number: code("1800"), member: Some(card(1)), store: code("south"), ..all.clone() },
        EntryFilter { receipt_number: code("17"), member: Some(card(1)), ..all.clone() },
        EntryFilter { store: code("north"), ..all.clone() },
        EntryFilter { store: code("south"), business_date: date("2026-01-01"), till: code("3"), ..all.clone() },
        EntryFilter { store: code("east"), ..all.clone() },
        EntryFilter { business_date: date("2026-01-01"), ..all.clone() },
        EntryFilter { business_date: date("2026-01-02"), till: code("5"), window: Some(1), ..all.clone() },
        EntryFilter { business_date: date("2026-01-03"), ..all.clone() },
        all,
    ];
    for filter in filters {
        let is_listed = |number: &i64| {
            let (member, origin) = scattered(*number);
            filter.member.is_none_or(|sought| sought == card(member))
                && (filter.store.is_none() || filter.store == origin.store)
                && (filter.till.is_none() || filter.till == origin.till)
                && (filter.receipt_number.is_none() || filter.receipt_number == origin.receipt_number)
                && (filter.business_date.is_none() || filter.business_date == origin.business_date)
        };
        let expected: Vec<(i64, i64)> =
            (0..ENTRIES).rev().filter(is_listed).map(|number| (FOUNDING + number + 1, number + 1)).collect();
        let pages = if expected.len() > 100 { 1_700 } else { 3 };
        let (mut listed, mut next) = (Vec::new(), filter.clone());
        loop {
            let page = store.entries_of(id("grocer"), &next, pages).await.unwrap();
            listed.extend(page.iter().map(places));
            let Some(last) = page.last().filter(|_| page.len() == pages) else { break };
            next.before_sequence = Some(last.written.sequence);
        }
        assert_eq!(listed, expected, "{filter:?}");
    }
    // What others have a part in they find by its place alone.
    for (partner, found) in [("fuel", 0), ("grocer", 3)] {
        let receipt = EntryFilter { receipt_number: code("17"), ..EntryFilter::default() };
        assert_eq!(store.entries_of(id(partner), &receipt, 10).await.unwrap().len(), found, "{partner}");
    }
}

/// More issues than a reader looks through, and of how many entries the journal is then.
async fn burst(till: &mut Till) -> i64 {
    let mut entries = 0;
    while entries <= LOOKED_THROUGH_MAX {
        let requests: Vec<Request> = (0..1_000).map(|_| till.request("grocer", issue(card(1), 1))).collect();
        till.run(&requests, at(0)).await.unwrap();
        entries += 1_000;
    }
    entries
}

async fn a_reader_that_is_far_behind_is_told_so_and_given_no_list(test: &TestStore) {
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    let entries = burst(&mut till).await;
    let row = window(store).await;
    let all = EntryFilter::default();
    let errors = [
        store.entries_of(id("grocer"), &all, 10).await.err().unwrap(),
        store.entries_of_window(id("grocer"), &row, 1, 10).await.err().unwrap(),
        store.statement_totals(id("grocer"), &row).await.err().unwrap(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Behind { .. }), "{error}");
        let behind = format!("{} entries behind", FOUNDING + entries);
        assert!(error.to_string().contains(&behind), "{error}");
    }
    let numbered = store.own_sequence(id("grocer"), FOUNDING + entries).await.err().unwrap();
    assert!(matches!(numbered.kind(), ErrorKind::Behind { .. }), "{numbered}");
    // What lies within reach is given meanwhile, exactly.
    let early = EntryFilter { before_sequence: Some(FOUNDING + 4), ..EntryFilter::default() };
    let found = store.entries_of(id("grocer"), &early, 10).await.unwrap();
    assert_eq!(found.iter().map(|own| own.written.sequence - FOUNDING).collect::<Vec<_>>(), [3, 2, 1]);

    let mut projector = Projector::new(store.clone());
    while projector.step().await.unwrap().behind > 0 {}
    let found = store.entries_of(id("grocer"), &all, 10_000).await.unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap(), entries);
    assert_eq!(store.own_sequence(id("grocer"), FOUNDING + entries).await.unwrap(), Some(entries));
    assert_eq!(store.own_sequence(id("fuel"), FOUNDING + entries).await.unwrap(), None, "it has no part in it");
    let (totals, _) = store.statement_totals(id("grocer"), &row).await.unwrap().unwrap();
    let points: i64 = totals.rows.values().map(|total| total.points.0).sum();
    assert_eq!(points, entries, "{totals:?}");
}

async fn nodes_project_each_entry_once(test: &TestStore) {
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    let entries = burst(&mut till).await;
    let node = || async {
        let mut projector = Projector::new(store.clone());
        let mut won = 0;
        loop {
            let step = projector.step().await.unwrap();
            won += i32::from(!step.lost);
            if step.behind == 0 && !step.lost {
                return won;
            }
        }
    };
    futures::join!(node(), node(), node());
    let mut raw = Raw::open(test).await;
    for counted in ["count(*)", "max(own_sequence)", "count(DISTINCT own_sequence)"] {
        let sql = format!("SELECT {counted} FROM entry_parties WHERE partner = 'grocer'");
        assert_eq!(raw.number(&sql).await, entries, "{counted}");
    }
    let counted = "SELECT CAST(sum(entry_count) AS bigint) FROM party_totals WHERE partner = 'grocer' AND section = 1
        AND purpose = 'REWARD'";
    assert_eq!(raw.number(counted).await, entries);
}

async fn a_projection_that_is_held_holds_up_no_reader_for_long(test: &TestStore) {
    let store = &test.store;
    let mut till = Till::open(store, 1).await;
    till.one("grocer", issue(card(1), 1), at(0)).await.unwrap();
    Projector::new(store.clone()).step().await.unwrap();
    let mut projector = Projector::new(store.clone());
    let entries = burst(&mut till).await;
    // Somebody writes to the database and does not end: on PostgreSQL just where the projector wants to.
    let mut holder = Raw::open(test).await;
    holder.run(if matches!(holder, Raw::Sqlite(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" }).await.unwrap();
    holder.run("UPDATE projection_cursors SET next_sequence = next_sequence").await.unwrap();
    let reader = async {
        let mut told = 0;
        for _ in 0..2 {
            let error = store.entries_of(id("grocer"), &EntryFilter::default(), 10).await.err().unwrap();
            assert!(matches!(error.kind(), ErrorKind::Behind { .. }), "{error}");
            told += 1;
        }
        told
    };
    // On SQLite who cannot have the file hears of it soon, and looks again as the house does; meanwhile its thread is blocked.
    let (done, mut is_done) = oneshot::channel();
    let projecting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            loop {
                match projector.step().await {
                    Ok(step) if step.behind == 0 => break,
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                }
            }
        });
        done.send(()).unwrap();
    });
    let told = tokio::select! {
        told = reader => told,
        _ = &mut is_done => panic!("somebody holds the cursor"),
    };
    assert_eq!(told, 2, "the reader was answered while the projector waited");
    holder.run("ROLLBACK").await.unwrap();
    is_done.await.unwrap();
    projecting.join().unwrap();
    let found = store.entries_of(id("grocer"), &EntryFilter::default(), 10_000).await.unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap(), entries + 1);
}
