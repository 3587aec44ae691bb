//! A member with ten thousand lots: whatever happens to it is done in steps of bounded size.

use std::collections::BTreeMap;

use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::units::{BatchId, EntryId};

use super::arena::{Arena, BRANDS, Place, accepted, act, balance, issue, redeem};
use clearing_play::commands;
use clearing_play::sdk::entry_of;
use partner_sdk::{Client, Issue};

const LOTS: usize = 10_000;
/// The most lots of one entry, and the most pieces of due work before a command.
const STEP: usize = 1024;

/// Gives a card `LOTS` lots of one point each; those of the second half live a day longer.
async fn fill(arena: &Arena, issuer: &Client, card: &str) -> Vec<EntryId> {
    let mut entries = Vec::new();
    for part in 0..5 {
        let expires = arena.in_seconds(if part < 3 { 86_400 } else { 2 * 86_400 });
        let items = (0..LOTS / 5).map(|_| Issue::to("card", card).points(1).expires(expires)).collect();
        for issued in issuer.batch_issue(items).await.unwrap() {
            entries.push(entry_of(super::arena::told(issued).unwrap().written.entry_id()));
        }
    }
    entries
}

/// How many entries of a kind each batch has.
fn by_batch(journal: &[JournalEntry], kind: EntryKind) -> BTreeMap<BatchId, usize> {
    let mut batches = BTreeMap::new();
    for stored in journal.iter().filter(|stored| stored.entry.kind == kind) {
        *batches.entry(stored.id.batch).or_default() += 1;
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lots_are_spent_held_reversed_and_expire_in_steps_of_bounded_size_on_sqlite() {
    the_life_of_ten_thousand_lots(Place::OneNodeOnSqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lots_are_spent_held_reversed_and_expire_in_steps_of_bounded_size_on_postgresql() {
    the_life_of_ten_thousand_lots(Place::OneNodeOnPostgres).await;
}

async fn the_life_of_ten_thousand_lots(place: Place) {
    let arena = Arena::open(place, BRANDS).await;
    let issuer = arena.till("A").await;
    let till = arena.till("B").await;
    let card = "1";
    let lots = fill(&arena, &issuer, card).await;

    // A redemption takes the first lots, whatever else there is, and 1,024 at the most.
    assert_eq!(redeem(&till, card, 5).await.unwrap().available, 9_995);
    assert_eq!(redeem(&till, card, 1024).await.unwrap().available, 8_971);
    let refused = redeem(&till, card, 1025).await.unwrap_err();
    assert_eq!(refused.reason.as_str(), "TOO_MANY_LOTS");
    assert_eq!(refused.number("reachable_points"), Some(1024));
    let purchase = commands::purchase(card, 2000, 1);
    assert_eq!(act(&till, purchase).await.unwrap_err().reason.as_str(), "TOO_MANY_LOTS");
    let gift = commands::transfer(card, "2", 1025);
    assert_eq!(act(&till, gift).await.unwrap_err().reason.as_str(), "TOO_MANY_LOTS");

    // An issue, a hold, a reversal of a lot in the middle, a gift, a return.
    assert_eq!(issue(&issuer, card, 100).await.available, 9_071);
    let lapses = arena.in_seconds(3600);
    let hold = commands::authorize(card, 1024, lapses);
    let hold = act(&till, hold).await.unwrap();
    assert_eq!(hold.available, 8_047);
    let capture = commands::capture(hold.entries[0], 1000);
    let captured = act(&till, capture).await.unwrap();
    assert_eq!(captured.available, 8_071);
    let reverse = commands::reverse(lots[LOTS / 2], 1);
    assert_eq!(act(&issuer, reverse).await.unwrap().available, 8_070);
    let gift = commands::transfer(card, "2", 1024);
    assert_eq!(act(&till, gift).await.unwrap().available, 7_046);
    let back = commands::return_redemption(captured.entries[0], 1000);
    assert_eq!(act(&till, back).await.unwrap().available, 8_046);

    // The first lots expire in steps; then the others.
    for _ in 0..2 {
        arena.advance(arena.in_seconds(86_400)).await;
    }
    assert_eq!(balance(&issuer, card).await.member.available_points, 100);
    let journal = arena.journal().await;
    let expiries = by_batch(&journal, EntryKind::Expire);
    let expired: usize = expiries.values().sum();
    assert_eq!(expired, 7_946 + 1024, "{place:?}");
    // The two members who expire together may share a batch.
    assert!(expiries.values().all(|entries| *entries <= 2 * STEP), "{place:?}: {expiries:?}");
    assert!(expiries.len() >= 6, "{place:?}: {expiries:?}");
    let most = journal.iter().map(|stored| stored.entry.lots.len()).max();
    assert!(most <= Some(2 * STEP), "a transfer takes 1,024 lots and makes as many");
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_ten_thousand_lots_have_expired_is_served_before_the_house_has_caught_up() {
    let place = Place::TwoNodesOnPostgres;
    let arena = Arena::open(place, BRANDS).await;
    let tills = arena.tills("A").await;
    fill(&arena, &tills[0], "1").await;
    issue(&tills[0], "1", 10).await;
    let before = arena.journal().await.len();
    // The clock is there, and nobody has looked what fell due.
    arena.clock.advance_to(arena.clock.now().plus_seconds(3 * 86_400));
    for round in 0..3 {
        // What has expired cannot be spent, posted or not.
        accepted(&[redeem(&tills[round % 2], "1", 11).await], "INSUFFICIENT_POINTS");
        redeem(&tills[round % 2], "1", 1).await.unwrap();
    }
    let journal = arena.journal().await.split_off(before);
    let expiries = by_batch(&journal, EntryKind::Expire);
    assert!(expiries.values().all(|entries| *entries <= STEP), "{expiries:?}");
    assert_eq!(expiries.len(), 6, "each command does a step of it");
    arena.advance(arena.in_seconds(1)).await;
    assert_eq!(balance(&tills[0], "1").await.member.available_points, 7);
    let journal = arena.journal().await.split_off(before);
    let expiries = by_batch(&journal, EntryKind::Expire);
    assert!(expiries.values().all(|entries| *entries <= STEP), "{expiries:?}");
    assert_eq!(expiries.values().sum::<usize>(), LOTS);
    arena.end().await;
}
