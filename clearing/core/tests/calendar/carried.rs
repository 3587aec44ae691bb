//! What the closes of a calendar carry for being small, and what they record.

use std::collections::BTreeMap;

use clearing_core::facts::calendar::SettlementDays;
use clearing_core::rules::settlement::AbortSettlement;
use clearing_core::units::{Money, WindowNumber};

use crate::house::Play;
use crate::{brands, calendar, close_due, date, moment, set};

/// Points of B for so much are accepted by A: B owes it.
fn owe(play: &mut Play, points: i64) {
    play.issue("B", "M", points);
    play.redeem("A", "M", points).unwrap();
}

/// The legs of a closed window.
fn legs(play: &Play, window: WindowNumber) -> BTreeMap<String, i64> {
    let settlement = play.book.windows[&window].settlement.as_ref().unwrap();
    settlement.legs.iter().map(|(partner, leg)| (partner.to_string(), leg.amount.0)).collect()
}

fn both(amount: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([("A".to_owned(), amount), ("B".to_owned(), -amount)])
}

#[test]
fn a_small_leg_is_carried_by_so_many_closes_and_made_by_the_next() {
    let mut play = brands(Money(1_000), Some(4));
    owe(&mut play, 4);
    for _ in 0..4 {
        let window = play.close();
        assert_eq!(legs(&play, window), BTreeMap::new(), "window {window}");
    }
    let fifth = play.close();
    assert_eq!(legs(&play, fifth), both(400));
    // From then on it counts anew.
    owe(&mut play, 2);
    for _ in 0..4 {
        let window = play.close();
        assert_eq!(legs(&play, window), BTreeMap::new(), "window {window}");
    }
    let tenth = play.close();
    assert_eq!(legs(&play, tenth), both(200));
    play.assert_sound();
}

#[test]
fn a_leg_that_grows_out_of_being_small_or_comes_to_nothing_counts_anew() {
    let mut play = brands(Money(1_000), Some(2));
    owe(&mut play, 4);
    play.close();
    owe(&mut play, 6);
    let grown = play.close();
    assert_eq!(legs(&play, grown), both(1_000));
    owe(&mut play, 3);
    play.close();
    // B accepts as much of A's: nothing is left to be carried.
    play.issue("A", "N", 3);
    play.redeem("B", "N", 3).unwrap();
    play.close();
    owe(&mut play, 1);
    for window in [play.close(), play.close()] {
        assert_eq!(legs(&play, window), BTreeMap::new(), "window {window}");
    }
    let made = play.close();
    assert_eq!(legs(&play, made), both(100));
    play.assert_sound();
}

#[test]
fn a_coalition_that_says_no_number_carries_for_ever() {
    let mut play = brands(Money(1_000), None);
    owe(&mut play, 4);
    for _ in 0..12 {
        let window = play.close();
        assert_eq!(legs(&play, window), BTreeMap::new());
    }
    play.assert_sound();
}

#[test]
fn carrying_by_no_close_is_no_carrying() {
    let mut play = brands(Money(1_000), Some(0));
    owe(&mut play, 4);
    let window = play.close();
    assert_eq!(legs(&play, window), both(400));
}

/// It would wait as long again, each time that a settlement is taken back.
#[test]
fn a_leg_that_an_abort_takes_back_has_waited_as_long_as_before() {
    let mut play = brands(Money(1_000), Some(2));
    owe(&mut play, 4);
    play.close();
    play.close();
    let made = play.close();
    assert_eq!(legs(&play, made), both(400));
    // One more close passes before it is aborted.
    let empty = play.close();
    assert_eq!(legs(&play, empty), BTreeMap::new());
    play.operator(AbortSettlement { window: made }.into()).unwrap();
    let again = play.close();
    assert_eq!(legs(&play, again), both(400));
    play.assert_sound();
}

#[test]
fn the_last_close_of_a_year_carries_nothing_for_being_small() {
    let mut play = brands(Money(1_000), Some(4));
    play.now = moment("2026-12-20T10:00:00Z");
    play.operator(set(calendar(&["0 18 * * FRI"], "Europe/Moscow"), None)).unwrap();
    owe(&mut play, 4);
    let before = play.book.open_window;
    // By hand, with a cut-off of the year to come.
    play.close();
    assert_eq!(legs(&play, before), BTreeMap::new());
    play.now = moment("2026-12-26T10:00:00Z");
    assert_eq!(close_due(&mut play), [moment("2026-12-25T15:00:00Z")]);
    assert_eq!(legs(&play, before + 1), both(400));
    // And by hand behind it.
    owe(&mut play, 3);
    let by_hand = play.close();
    assert_eq!(legs(&play, by_hand), both(300));
    // The first of the next year carries again.
    owe(&mut play, 2);
    play.now = moment("2027-01-02T10:00:00Z");
    assert_eq!(close_due(&mut play), [moment("2027-01-01T15:00:00Z")]);
    assert_eq!(legs(&play, by_hand + 1), BTreeMap::new());
    play.assert_sound();
}

#[test]
fn without_a_calendar_the_close_behind_a_years_end_carries_nothing_for_being_small() {
    let mut play = brands(Money(1_000), None);
    play.now = moment("2026-12-31T10:00:00Z");
    owe(&mut play, 4);
    let old = play.close();
    assert_eq!(legs(&play, old), BTreeMap::new());
    // At midnight the old year has ended: no other close of it can follow.
    let mut at_midnight = play.clone();
    at_midnight.now = moment("2027-01-01T00:00:00Z");
    let window = at_midnight.close();
    assert_eq!(legs(&at_midnight, window), both(400));
    play.now = moment("2027-01-05T10:00:00Z");
    let across = play.close();
    assert_eq!(legs(&play, across), both(400));
    owe(&mut play, 3);
    let new = play.close();
    assert_eq!(legs(&play, new), BTreeMap::new());
    play.assert_sound();
}

#[test]
fn a_close_records_when_it_is_told_and_paid_and_a_later_calendar_leaves_that() {
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-07T10:00:00Z");
    let mut weekly = calendar(&["0 18 * * FRI"], "UTC");
    (weekly.cut_offs[0].advice_days, weekly.cut_offs[0].payment_days) = (1, 3);
    let none = play.close();
    assert_eq!(play.book.windows[&none].days, None);
    play.operator(set(weekly.clone(), None)).unwrap();
    // By hand on a Wednesday: as if that were the cut-off.
    let by_hand = play.close();
    let days = |advice: &str, payment: &str| Some(SettlementDays { advice: date(advice), payment: date(payment) });
    assert_eq!(play.book.windows[&by_hand].days, days("2026-01-08", "2026-01-12"));
    play.now = moment("2026-01-09T18:00:00Z");
    close_due(&mut play);
    assert_eq!(play.book.windows[&(by_hand + 1)].days, days("2026-01-12", "2026-01-14"));
    weekly.cut_offs[0].payment_days = 5;
    play.operator(set(weekly, None)).unwrap();
    assert_eq!(play.book.windows[&(by_hand + 1)].days, days("2026-01-12", "2026-01-14"));
    play.assert_sound();
}
