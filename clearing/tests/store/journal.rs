//! The journal: its hashes, its lists, what is kept beside it, and that nothing of it is lost or changed.

use clearing::store::{Backend, EntryFilter, ErrorKind, Probe};
use clearing_core::command::Request;
use clearing_core::facts::answer::Attachment;
use clearing_core::facts::chain::{attachment_commitment, chain_hash, requests_hash};
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, EntryId};

use crate::schema::Raw;
use crate::{FOUNDING, TestStore, Till, at, card, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    the_hash_of_the_journal_is_that_of_the_rules
    what_is_acknowledged_is_in_the_lists_of_its_parties
    an_attachment_is_kept_beside_its_entry
    the_journal_refuses_to_be_changed
    a_row_that_is_not_written_stops_its_batch
    a_commit_can_be_looked_up;
}

async fn the_hash_of_the_journal_is_that_of_the_rules(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let founded = head(test).await;
    let (mut next, mut number, mut hash) = (founded.next_sequence, founded.next_number, founded.hash);
    assert_eq!((next, number), (1 + FOUNDING, 2));
    for round in 0..4 {
        // The last batch records nothing but rejections.
        let command = if round < 3 { issue(card(1), 10) } else { redeem(card(1), 1_000_000) };
        let requests: Vec<Request> = (0..=round).map(|_| till.request("grocer", command.clone())).collect();
        let done = till.run(&requests, at(0)).await.unwrap();
        assert_eq!(done.saved.first_sequence, next);
        let entries: Vec<EntryId> = done
            .answers
            .iter()
            .filter_map(|answer| answer.result.as_ref().ok())
            .flat_map(|ok| ok.entries.clone())
            .collect();
        let entries: Vec<_> = entries.iter().map(|id| (id.ordinal, &*done.book.entries[id])).collect();
        next += i64::try_from(entries.len()).unwrap();
        let recorded = done.book.requests.keys().map(|key| done.book.request_record(*key).unwrap().hash());
        let contents = done.header.contents_hash(&requests_hash(recorded.collect()), entries.into_iter());
        hash = chain_hash(&hash, number, done.saved.first_sequence, &contents);
        number += 1;
    }
    let end = head(test).await;
    assert_eq!((end.next_sequence, end.next_number, end.hash), (next, number, hash));
    let mut snapshot = test.store.snapshot().await.unwrap();
    let batches = snapshot.batches(1, 10).await.unwrap();
    assert_eq!(batches.len(), 5);
    assert_eq!((batches[4].entry_count, batches[4].request_count, batches[4].hash), (0, 4, hash));
    assert_eq!((batches[0].first_sequence, batches[0].previous_hash), (1, [0; 32]), "the coalition was founded");
    assert_eq!(batches[3].previous_hash, batches[2].hash);
    snapshot.finish().await.unwrap();
}

async fn head(test: &TestStore) -> clearing::store::JournalHead {
    let mut snapshot = test.store.snapshot().await.unwrap();
    let head = snapshot.journal_head().await.unwrap();
    snapshot.finish().await.unwrap();
    head
}

async fn what_is_acknowledged_is_in_the_lists_of_its_parties(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let origin = |store: &str, receipt: &str| Origin {
        store: Some(Code::new(store).unwrap()),
        till: Some(Code::new("1").unwrap()),
        receipt_number: Some(Code::new(receipt).unwrap()),
        business_date: Some("2026-01-02".parse().unwrap()),
        ..Origin::default()
    };
    let mut first = till.request("grocer", issue(card(1), 10));
    first.origin = origin("north", "r1");
    let mut second = till.request("grocer", issue(card(2), 10));
    second.origin = origin("south", "r2");
    let mut third = till.request("fuel", redeem(card(1), 10));
    third.origin = origin("north", "r1");
    till.run(&[first.clone(), second, third], at(0)).await.unwrap();
    let list = |partner: &'static str, filter: EntryFilter| {
        let store = test.store.clone();
        async move {
            let found = store.entries_of(id(partner), &filter, 10).await.unwrap();
            found.iter().map(|own| own.written.sequence - FOUNDING).collect::<Vec<_>>()
        }
    };
    let all = EntryFilter::default();
    assert_eq!(list("grocer", all.clone()).await, [3, 2, 1]);
    assert_eq!(list("fuel", all.clone()).await, [3]);
    assert_eq!(list("cards", all.clone()).await, Vec::<i64>::new());
    let code = |text: &str| Some(Code::new(text).unwrap());
    assert_eq!(list("grocer", EntryFilter { store: code("north"), ..all.clone() }).await, [1]);
    assert_eq!(list("grocer", EntryFilter { receipt_number: code("r2"), ..all.clone() }).await, [2]);
    assert_eq!(list("grocer", EntryFilter { till: code("1"), ..all.clone() }).await, [2, 1]);
    assert_eq!(list("grocer", EntryFilter { member: Some(card(2)), ..all.clone() }).await, [2]);
    assert_eq!(list("grocer", EntryFilter { member: Some(card(3)), ..all.clone() }).await, Vec::<i64>::new());
    let day = Some("2026-01-02".parse().unwrap());
    assert_eq!(list("grocer", EntryFilter { business_date: day, ..all.clone() }).await, [2, 1]);
    assert_eq!(list("grocer", EntryFilter { window: Some(1), ..all.clone() }).await, [3, 2, 1]);
    assert_eq!(list("grocer", EntryFilter { window: Some(2), ..all.clone() }).await, Vec::<i64>::new());
    assert_eq!(list("grocer", EntryFilter { before_sequence: Some(FOUNDING + 3), ..all.clone() }).await, [2, 1]);
    till.one("grocer", issue(card(1), 10), at(1)).await.unwrap();
    assert_eq!(list("grocer", all).await, [4, 3, 2, 1]);
    let found = test.store.entry_of_request((id("grocer"), first.request_id.unwrap())).await.unwrap().unwrap();
    assert_eq!(test.store.entry(found).await.unwrap().unwrap().sequence, FOUNDING + 1);
}

async fn an_attachment_is_kept_beside_its_entry(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let attachment = Attachment { salt: [9; 16], bytes: "cashier: Jörg".as_bytes().to_vec() };
    let mut request = till.request("grocer", issue(card(1), 10));
    request.origin.attachment = Some(attachment_commitment(&attachment.salt, &attachment.bytes));
    request.attachment = Some(attachment.clone());
    let done = till.run(&[request], at(0)).await.unwrap();
    let entry = done.answers[0].result.as_ref().unwrap().entries[0];
    assert_eq!(test.store.attachment(entry).await.unwrap(), Some(attachment));
}

async fn the_journal_refuses_to_be_changed(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    till.one("grocer", issue(card(1), 10), at(0)).await.unwrap();
    let mut raw = Raw::open(test).await;
    let mut changes = vec![
        "UPDATE entries SET ordinal = ordinal + 1",
        "DELETE FROM entries",
        "UPDATE batches SET time = time + 1",
        "DELETE FROM batches",
    ];
    match test.store.backend() {
        Backend::Sqlite => changes
            .push("REPLACE INTO entries (batch_id, ordinal, packed) SELECT batch_id, ordinal, x'00' FROM entries"),
        Backend::Postgres => changes.extend(["TRUNCATE entries", "TRUNCATE batches"]),
    }
    for change in changes {
        let error = raw.run(change).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{change}: {error}");
    }
}

/// What a database swallows without an error, as a trigger may have it do, is missed: of a batch that is saved in one statement
/// as of a larger one.
async fn a_row_that_is_not_written_stops_its_batch(test: &TestStore) {
    let mut raw = Raw::open(test).await;
    let backend = test.store.backend();
    let swallows = match backend {
        Backend::Sqlite => "BEGIN SELECT RAISE(IGNORE); END",
        Backend::Postgres => {
            raw.run("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
                .await
                .unwrap();
            "FOR EACH ROW EXECUTE FUNCTION swallow()"
        }
    };
    let founded = head(test).await;
    let tables = ["entries", "requests", "identifiers", "members", "balances"];
    for (seed, (table, size)) in (1..).zip(tables.into_iter().flat_map(|table| [(table, 1), (table, 40)])) {
        raw.run(format!("CREATE TRIGGER swallow BEFORE INSERT ON {table} {swallows}")).await.unwrap();
        let mut till = Till::open(&test.store, seed).await;
        let requests: Vec<Request> = (0..size).map(|n| till.request("grocer", issue(card(n), 1))).collect();
        let error = till.run(&requests, at(0)).await.err().unwrap_or_else(|| panic!("{size} without their {table}"));
        assert_eq!(error.kind(), ErrorKind::Permanent, "{table}, {size}: {error}");
        drop(till);
        let of = if backend == Backend::Postgres { format!(" ON {table}") } else { String::new() };
        raw.run(format!("DROP TRIGGER swallow{of}")).await.unwrap();
        assert_eq!(head(test).await, founded, "{table}, {size}");
    }
    Till::open(&test.store, 99).await.one("grocer", issue(card(1), 1), at(0)).await.unwrap();
}

async fn a_commit_can_be_looked_up(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let request = till.request("grocer", issue(card(1), 10));
    let done = till.run(std::slice::from_ref(&request), at(0)).await.unwrap();
    let key = Probe::Request(request.caller, request.request_id.unwrap());
    let entry = Probe::Entry(done.answers[0].result.as_ref().unwrap().entries[0]);
    assert!(test.store.look_up(done.header.batch, key).await.unwrap());
    assert!(test.store.look_up(done.header.batch, entry).await.unwrap());
    assert!(!test.store.look_up(BatchId(1), key).await.unwrap());
    let lost = Probe::Entry(EntryId { batch: BatchId(1), ordinal: 0 });
    assert!(!test.store.look_up(BatchId(1), lost).await.unwrap());

    // A batch that is not committed yet is waited for.
    let request = till.request("grocer", issue(card(1), 10));
    let begun = till.session.begin(Gate::Shared).await.unwrap();
    let open = till.decide(begun, std::slice::from_ref(&request), at(1)).await.unwrap();
    let key = Probe::Request(request.caller, request.request_id.unwrap());
    let look_up = test.store.look_up(open.header.batch, key);
    tokio::pin!(look_up);
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut look_up).await;
    assert!(early.is_err(), "the transaction is still open");
    till.session.commit().await.unwrap();
    assert!(look_up.await.unwrap());
}
