//! Holds: what is reserved, captured, voided and released by time; with the figures of the acceptance scenarios.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::facts::hold::HoldState;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::{FeeBearer, Funding, Terms, TermsDraft};
use clearing_core::units::{Money, Timestamp};
use house::{Play, START, authorize, brands, coalition, house, id, mixed, rate, sums, terms};

/// M has 90 of A until the end of the year and 40 of B for ten days, all of them available.
fn two_lots(funding: Funding) -> Play {
    let mut play = brands(funding);
    play.issue_until("A", "M", 90, START.plus_days(365));
    play.issue_until("B", "M", 40, START.plus_days(10));
    if funding == Funding::OnPayment {
        play.settle();
    }
    play
}

#[test]
fn a_hold_moves_points_aside_in_consumption_order_and_no_money() {
    for funding in Funding::ALL {
        let mut play = two_lots(funding);
        let written = play.journal.len();
        let hold = play.authorize("C", "M", 100).unwrap();
        assert_eq!(play.points_from(written, &["M"]), sums(&[("member:M", -100), ("held:M", 100)]));
        assert_eq!(play.money_from(written), sums(&[]));
        let held: Vec<_> = play.book.holds[&hold].parts.iter().map(|part| (part.issuer, part.points.0)).collect();
        assert_eq!(held, [(id("B"), 40), (id("A"), 60)]);
        let refused = play.redeem("C", "M", 31).unwrap_err();
        assert_eq!(refused.reason(), "INSUFFICIENT_POINTS");
        play.assert_sound();
    }
}

/// S03: the first 80 of a hold of 100 over the expiry of its first lot.
#[test]
fn a_capture_takes_the_first_points_over_their_expiry_and_releases_the_rest() {
    for (funding, money) in [
        (
            Funding::AtRedemption,
            sums(&[("position:A", -4000), ("position:B", -4000), ("position:C", 7840), ("position:operator", 160)]),
        ),
        (Funding::AtIssue, sums(&[("pool", -8000), ("position:C", 7840), ("position:operator", 160)])),
        (Funding::OnPayment, sums(&[("pool", -8000), ("position:C", 7840), ("position:operator", 160)])),
    ] {
        let mut play = two_lots(funding);
        let hold = play.ask("C", authorize("M", 100, START.plus_days(20))).unwrap().entries[0];
        let written = play.journal.len();
        play.wait_until(START.plus_days(12));
        assert_eq!(play.journal.len(), written, "held points do not expire");
        assert_eq!(play.capture("A", hold, 80).unwrap_err().reason(), "NOT_FOUND");
        assert_eq!(play.capture("C", hold, 101).unwrap_err().reason(), "CAPTURE_EXCEEDS_HOLD");
        let captured = play.capture("C", hold, 80).unwrap();
        let points = [("member:M", 20), ("held:M", -100), ("issuer:A", 40), ("issuer:B", 40)];
        assert_eq!(play.points_from(written, &["M"]), sums(&points));
        assert_eq!(play.money_from(written), money, "{funding:?}");
        assert_eq!(play.parts(captured.entries[0]), [("B".to_owned(), -40), ("A".to_owned(), -40)]);
        assert_eq!(play.capture("C", hold, 20).unwrap_err().reason(), "HOLD_NOT_OPEN");
        assert_eq!(play.void("C", hold).unwrap_err().reason(), "HOLD_NOT_OPEN");
        assert_eq!(play.book.holds[&hold].state, HoldState::Captured);
        play.assert_sound();
    }
}

/// S03: a hold that lapses gives 40 points back three days after their expiry.
#[test]
fn points_that_lapse_after_their_expiry_expire_at_once_as_of_the_lapse() {
    for (funding, money) in [
        (Funding::AtRedemption, sums(&[])),
        (
            Funding::AtIssue,
            sums(&[("pool", -4000), ("reserve", 2000), ("position:operator", 1200), ("position:B", 800)]),
        ),
        (
            Funding::OnPayment,
            sums(&[("pool", -4000), ("reserve", 2000), ("position:operator", 1200), ("position:B", 800)]),
        ),
    ] {
        let mut play = two_lots(funding);
        let lapses = START.plus_days(13);
        let hold = play.ask("C", authorize("M", 100, lapses)).unwrap().entries[0];
        let written = play.journal.len();
        play.wait_until(Timestamp(lapses.0 - 1));
        assert_eq!(play.journal.len(), written);
        play.wait_until(lapses.plus_days(1));
        assert_eq!(play.kinds_from(written), ["lapse", "expire"]);
        assert!(play.journal[written..].iter().all(|(_, entry)| entry.time == lapses));
        assert_eq!(play.points_from(written, &["M"]), sums(&[("member:M", 60), ("held:M", -100), ("issuer:B", 40)]));
        assert_eq!(play.money_from(written), money, "{funding:?}");
        assert_eq!(play.capture("C", hold, 80).unwrap_err().reason(), "HOLD_NOT_OPEN");
        assert_eq!(play.book.holds[&hold].state, HoldState::Lapsed);
        play.assert_sound();
    }
}

/// They once expired as of their own end, before the capture that released them.
#[test]
fn points_that_a_capture_or_a_void_releases_after_their_expiry_expire_as_of_then() {
    for capture in [true, false] {
        let mut play = two_lots(Funding::AtIssue);
        let hold = play.ask("C", authorize("M", 130, START.plus_days(20))).unwrap().entries[0];
        let written = play.journal.len();
        play.now = START.plus_days(11);
        let answer = if capture { play.capture("C", hold, 10) } else { play.void("C", hold) };
        let kinds = if capture { ["capture", "expire"] } else { ["void", "expire"] };
        assert_eq!(play.kinds_from(written), kinds);
        assert_eq!(answer.unwrap().entries.len(), 2, "the answer lists both");
        assert!(play.journal[written..].iter().all(|(_, entry)| entry.time == play.now));
        assert_eq!(play.available("M"), 90);
        play.assert_sound();
    }
}

#[test]
fn a_void_releases_everything_and_no_money() {
    for funding in Funding::ALL {
        let mut play = two_lots(funding);
        let before = (play.money(), play.available("M"));
        let hold = play.authorize("C", "M", 90).unwrap();
        assert_eq!(play.void("B", hold).unwrap_err().reason(), "NOT_FOUND");
        play.void("C", hold).unwrap();
        assert_eq!((play.money(), play.available("M"), play.held("M")), (before.0, before.1, 0));
        assert_eq!(play.book.holds[&hold].state, HoldState::Voided);
        play.assert_sound();
    }
}

/// S03: reimbursement and fee are those of the authorization, for the capture and for what is returned of it.
#[test]
fn a_hold_fixes_reimbursement_and_fee_when_it_is_authorized() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "L", 90);
    let hold = play.authorize("C", "L", 40).unwrap();
    let lower = clearing_core::facts::terms::Price::new("0.90".parse().unwrap()).unwrap();
    let draft = TermsDraft { acceptance_fee: Some(rate("0.05")), reimbursement: Some(lower), ..TermsDraft::default() };
    play.set_terms("C", draft);
    let captured = play.capture("C", hold, 33).unwrap().entries[0];
    let money = sums(&[("position:A", -3300), ("position:C", 3234), ("position:operator", 66)]);
    assert_eq!(play.money(), money);
    play.give_back("C", captured, 20).unwrap();
    let money = sums(&[("position:A", -1300), ("position:C", 1274), ("position:operator", 26)]);
    assert_eq!(play.money(), money, "of the 13 left at 2 % the fee is 26");
    let over = play.give_back("C", captured, 14).unwrap_err();
    assert_eq!(over.reason(), "RETURN_EXCEEDS_REDEMPTION");
    play.give_back("C", captured, 13).unwrap();
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

#[test]
fn a_capture_belongs_to_the_window_open_then_and_stays_allowed_when_its_acceptor_is_suspended() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    let hold = play.authorize("C", "M", 50).unwrap();
    play.close();
    play.set_state("C", PartnerState::Suspended);
    let captured = play.capture("C", hold, 50).unwrap().entries[0];
    assert_eq!(play.book.entries[&captured].window, 2);
    assert_eq!(play.book.gross[&(2, id("A"), id("C"))].amount, Money(5000));
    play.assert_sound();
}

#[test]
fn a_hold_lives_at_most_366_days_and_ends_in_the_future() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    for (lapses, fits) in [
        (START, false),
        (Timestamp(START.0 + 1), true),
        (START.plus_days(366), true),
        (Timestamp(START.plus_days(366).0 + 1), false),
    ] {
        let answer = play.ask("C", authorize("M", 1, lapses));
        let reason = answer.err().map(|rejection| rejection.reason());
        assert_eq!(reason, (!fits).then_some("TIME_OUT_OF_RANGE"), "{lapses}");
    }
    play.assert_sound();
}

#[test]
fn a_hold_reserves_its_issuers_headroom_until_it_ends() {
    let mut play = brands(Funding::AtRedemption);
    play.set_cap("A", 5000);
    play.issue("A", "M", 100);
    let hold = play.authorize("C", "M", 30).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(2000));
    assert_eq!(play.redeem("C", "M", 21).unwrap_err().reason(), "NET_DEBIT_CAP");
    play.redeem("B", "M", 20).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(0));
    // What is captured moves from the reservation to the position; the rest of it is free again.
    play.capture("C", hold, 10).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(2000));
    let hold = play.authorize("C", "M", 20).unwrap();
    play.void("C", hold).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(2000));
    play.authorize("C", "M", 20).unwrap();
    play.wait_until(START.plus_days(8));
    assert_eq!(play.book.headroom(id("A")), Some(2000), "a lapse frees it");
    play.assert_sound();
}

#[test]
fn a_hold_of_prepaid_points_or_of_ones_own_reserves_nothing() {
    for (issuer, acceptor) in [("A", "B"), ("B", "B"), ("C", "C")] {
        let mut play = mixed(Funding::AtIssue, Funding::AtIssue, Funding::AtRedemption);
        play.issue(issuer, "M", 10);
        play.set_cap(issuer, 0);
        let hold = play.authorize(acceptor, "M", 10).unwrap();
        assert!(play.book.holds[&hold].facts.reserved.is_empty());
        play.capture(acceptor, hold, 10).unwrap();
        play.assert_sound();
    }
}

#[test]
fn a_capture_needs_no_headroom_beyond_what_was_reserved() {
    let mut play = brands(Funding::AtRedemption);
    play.set_cap("A", 3000);
    play.issue("A", "M", 30);
    let hold = play.authorize("C", "M", 30).unwrap();
    play.set_cap("A", 0);
    play.capture("C", hold, 30).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(-3000));
    play.assert_sound();
}

/// The fee of a point may round up to a whole unit: that is what is reserved, and no redemption costs more.
#[test]
fn where_issuers_bear_the_fee_a_hold_reserves_the_most_that_it_can_be() {
    let bears = Terms { acceptance_fee: rate("0.015"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", bears)]));
    play.set_cap("A", 10_000);
    play.issue("A", "M", 100);
    let hold = play.authorize("C", "M", 40).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(10_000 - 40 * 102));
    play.capture("C", hold, 40).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(10_000 - 40 * 100 - 60));
    assert_eq!(play.redeem("C", "M", 59).unwrap_err().reason(), "NET_DEBIT_CAP");
    play.redeem("C", "M", 58).unwrap();
    play.assert_sound();
}

#[test]
fn a_member_sees_what_is_held() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    let reply = play.reply("C", authorize("M", 20, START.plus_days(1))).unwrap();
    assert_eq!((reply.available.0, reply.held.0), (30, 20));
}
