//! Receipts that have one key: each is known by its entry.

use clearing::clock::Clock;
use clearing::store::{Backend, ErrorKind};
use clearing::writer::{WriteError, Writer};
use clearing_core::command::{Command, Request};
use clearing_core::facts::origin::{BusinessDate, Code, Origin};
use clearing_core::facts::receipt::Receipt;
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::units::{EntryId, Points};

use crate::schema::Raw;
use crate::{TestStore, Till, at, card, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    receipts_of_one_key_are_booked_reversed_and_freed_each_for_itself
    what_finds_no_room_under_its_key_fails_alone;
}

/// Tills of one store whose receipts of one number and day have one key: the first two that a search came to.
const TILLS: [&str; 2] = ["T-79530", "T-90195"];

fn receipt(till: &str) -> Receipt {
    let code = |text: &str| Code::new(text).unwrap();
    let date = BusinessDate::of(at(1).to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date());
    Receipt { partner: id("fuel"), store: Some(code("S-1")), till: Some(code(till)), date, number: code("4711") }
}

/// A request that is booked with the receipt.
fn with(receipt: &Receipt, mut request: Request) -> Request {
    let Receipt { store, till, date, number, .. } = receipt.clone();
    let (receipt_number, business_date) = (Some(number), Some(date));
    request.origin = Origin { store, till, receipt_number, business_date, ..Origin::default() };
    request
}

async fn entry(till: &mut Till, request: &Request) -> Result<EntryId, Rejection> {
    let mut done = till.run(std::slice::from_ref(request), at(1)).await.unwrap();
    done.answers.remove(0).result.map(|accepted| accepted.entries[0])
}

async fn receipts_of_one_key_are_booked_reversed_and_freed_each_for_itself(test: &TestStore) {
    let receipts = TILLS.map(receipt);
    assert_ne!(receipts[0], receipts[1]);
    assert_eq!(receipts[0].key(), receipts[1].key());
    let mut till = Till::open(&test.store, 1).await;
    // Both are earned in two batches, the second one behind the first, and then spent in one.
    let (mut earned, mut booked) = (Vec::new(), Vec::new());
    for (number, receipt) in (1..).zip(&receipts) {
        earned.push(with(receipt, till.request("fuel", issue(card(number), 50))));
        booked.push(entry(&mut till, earned.last().unwrap()).await.unwrap());
    }
    let spends = [1, 2].map(|number| till.request("fuel", redeem(card(number), 10)));
    let spends: Vec<Request> = receipts.iter().zip(spends).map(|(receipt, request)| with(receipt, request)).collect();
    let spent = till.run(&spends, at(1)).await.unwrap();
    assert!(spent.answers.iter().all(|answer| answer.result.is_ok()), "{:?}", spent.answers);

    // Each is refused with its own entry, whoever shows it.
    for (receipt, booked) in receipts.iter().zip(&booked) {
        let again = with(receipt, till.request("fuel", issue(card(3), 50)));
        let refused = entry(&mut till, &again).await.unwrap_err();
        let Rejection::DuplicateReceipt { entry, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*entry, booked.to_string());
        let again = with(receipt, till.request("fuel", redeem(card(1), 1)));
        assert_eq!(entry_reason(&mut till, &again).await, "DUPLICATE_RECEIPT");
    }

    // What is abandoned frees its own line, and that alone; what is booked then stands behind the others.
    let abandon = Command::AbandonRequest(AbandonRequest::of(earned[0].request_id.unwrap()));
    till.one("fuel", abandon, at(1)).await.unwrap();
    let again = [0, 1].map(|number| with(&receipts[number], till.request("fuel", issue(card(3), 50))));
    let anew = entry(&mut till, &again[0]).await.unwrap();
    assert_eq!(entry_reason(&mut till, &again[1]).await, "DUPLICATE_RECEIPT");
    let third = with(&receipts[0], till.request("fuel", issue(card(3), 50)));
    let refused = entry(&mut till, &third).await.unwrap_err();
    assert!(matches!(&refused, Rejection::DuplicateReceipt { entry, .. } if *entry == anew.to_string()), "{refused}");

    // To abandon and to book anew in one batch.
    let abandon = Command::AbandonRequest(AbandonRequest::of(again[0].request_id.unwrap()));
    let both = [till.request("fuel", abandon), with(&receipts[0], till.request("fuel", issue(card(3), 20)))];
    let done = till.run(&both, at(1)).await.unwrap();
    assert!(done.answers.iter().all(|answer| answer.result.is_ok()), "{:?}", done.answers);

    // A reversal of the one receipt takes nothing of the other.
    let target = ReversalTarget::Receipt(receipts[1].clone());
    let reverse = |points| ReverseIssue { target: target.clone(), points: Points(points), refuse_shortfall: false };
    let refused = till.one("fuel", reverse(51).into(), at(1)).await.unwrap_err();
    assert_eq!(refused.reason(), "REVERSAL_EXCEEDS_ISSUE", "{refused}");
    till.one("fuel", reverse(50).into(), at(1)).await.unwrap();
    test.database.audit().await;
}

async fn entry_reason(till: &mut Till, request: &Request) -> String {
    entry(till, request).await.unwrap_err().reason().to_owned()
}

/// A till that has booked and undone one line so often that its rows could not be read any more is told that the house
/// failed; who came with it is not.
async fn what_finds_no_room_under_its_key_fails_alone(test: &TestStore) {
    let [first, second] = TILLS.map(receipt);
    let mut till = Till::open(&test.store, 1).await;
    let booked = with(&first, till.request("fuel", issue(card(1), 50)));
    entry(&mut till, &booked).await.unwrap();
    let mut raw = Raw::open(test).await;
    raw.run(
        "WITH RECURSIVE n (nth) AS (SELECT 1 UNION ALL SELECT nth + 1 FROM n WHERE nth < 255)
        INSERT INTO receipts SELECT receipt_key, line, side, n.nth, batch_id, ordinal, 1 FROM receipts, n",
    )
    .await
    .unwrap();
    let (writer, task) = Writer::start(test.store.clone(), Clock::manual(at(1)), 64);
    let full = with(&second, till.request("fuel", issue(card(2), 50)));
    let other_side = with(&second, till.request("fuel", redeem(card(1), 5)));
    let without = till.request("fuel", issue(card(3), 5));
    let mut answers = writer.ask_all(vec![full, other_side, without]).await.into_iter();
    assert!(matches!(answers.next(), Some(Err(WriteError::Internal))));
    assert!(answers.all(|answer| answer.is_ok_and(|written| written.answer.result.is_ok())));
    drop(writer);
    task.await.unwrap();
    raw.run("DELETE FROM receipts WHERE undone = 1").await.unwrap();
    test.database.audit().await;
}

/// The line that both want is the second one under its key.
#[tokio::test]
async fn two_nodes_do_not_book_one_line_whatever_else_has_its_key() {
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let (mut one, mut other) = (Till::open(&test.store, 1).await, Till::open(&test.store, 2).await);
    let [first, second] = TILLS.map(receipt);
    let before = with(&first, one.request("fuel", issue(card(1), 50)));
    entry(&mut one, &before).await.unwrap();
    let wants = with(&second, one.request("fuel", issue(card(2), 50)));
    let wants_too = with(&second, other.request("fuel", issue(card(3), 50)));
    let begun = one.session.begin(clearing_core::operation::Gate::Shared).await.unwrap();
    one.decide(begun, std::slice::from_ref(&wants), at(1)).await.unwrap();
    let commit = async {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        one.session.commit().await.unwrap();
    };
    let ((), met) = tokio::join!(commit, other.run(std::slice::from_ref(&wants_too), at(1)));
    let error = met.err().expect("its number is taken");
    assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}");
    // It runs again, and sees the line.
    let mut other = Till::open(&test.store, 3).await;
    assert_eq!(entry_reason(&mut other, &wants_too).await, "DUPLICATE_RECEIPT");
    test.database.audit().await;
    test.remove().await;
}
