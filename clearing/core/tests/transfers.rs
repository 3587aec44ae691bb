//! Points given to others, taken for inactivity, and what the operator can do for a member.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::origin::Code;
use clearing_core::facts::terms::Funding;
use clearing_core::rules::care::{ExtendExpiry, ReinstatePoints};
use clearing_core::rules::statement::{self, Section};
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{Points, Timestamp};
use house::{Play, START, brands, id, member_ref, mixed, sums, transfer};

#[test]
fn a_transfer_moves_lots_in_consumption_order_with_all_they_have_and_no_money() {
    for funding in [Funding::AtRedemption, Funding::AtIssue] {
        let mut play = brands(funding);
        play.issue("A", "M", 10);
        play.issue_until("B", "M", 10, START.plus_days(5));
        let (written, money) = (play.journal.len(), play.money());
        let moved = play.transfer("C", "M", "N", 15).unwrap().entries[0];
        assert_eq!(play.points_from(written, &["M", "N"]), sums(&[("member:M", -15), ("member:N", 15)]));
        assert_eq!(play.money(), money);
        let lots: Vec<_> = play.book.lots.values().filter(|lot| lot.id.member == play.member("N")).collect();
        let of =
            |lot: &&clearing_core::facts::lot::Lot| (lot.issuer, lot.terms, lot.funding, lot.available.0, lot.expires);
        let expected = [(id("B"), 1, funding, 10, START.plus_days(5)), (id("A"), 1, funding, 5, Timestamp::NEVER)];
        assert_eq!(lots.iter().map(of).collect::<Vec<_>>(), expected);
        assert!(lots.iter().all(|lot| lot.entry == moved && lot.origin.is_some() && lot.release_window.is_none()));
        play.assert_sound();
    }
}

#[test]
fn the_place_of_a_transferred_lot_is_that_of_the_transfer() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    play.issue("B", "N", 10);
    play.transfer("C", "M", "N", 10).unwrap();
    play.issue("C", "N", 10);
    let taken = play.redeem("operator", "N", 21).unwrap();
    let parts = [("B", -10), ("A", -10), ("C", -1)].map(|(name, points)| (name.to_owned(), points));
    assert_eq!(play.parts(taken), parts);
    play.assert_sound();
}

/// A mistyped card once enrolled a member that nobody was, and the points were its.
#[test]
fn a_transfer_enrols_its_receiver_only_if_the_caller_asks_for_it() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    assert_eq!(play.refused("C", transfer("N", "M", 1)), "NOT_FOUND", "who gives is known");
    let mistyped = |points| {
        let (member, to) = (member_ref("M"), member_ref("N"));
        Command::TransferPoints(TransferPoints { member, to, points: Points(points), enrol_receiver: false })
    };
    assert_eq!(play.refused("C", mistyped(10)), "NOT_FOUND");
    assert_eq!(play.refused("C", mistyped(11)), "NOT_FOUND", "before what the giver has");
    assert_eq!(play.refused("C", transfer("M", "N", 11)), "INSUFFICIENT_POINTS");
    assert!(play.book.find_member(member_ref("N")).is_err(), "nobody was enrolled");
    play.transfer("C", "M", "N", 6).unwrap();
    play.ask("C", mistyped(4)).unwrap();
    assert_eq!(play.available("N"), 10);
    play.assert_sound();
}

#[test]
fn a_transfer_passes_nothing_over() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    play.set_cap("A", 0);
    play.transfer("C", "M", "N", 10).unwrap();
    assert_eq!(play.redeem("C", "N", 1).unwrap_err().reason(), "NET_DEBIT_CAP");
    play.assert_sound();
}

#[test]
fn a_transfer_takes_at_most_1024_lots() {
    let mut play = brands(Funding::AtRedemption);
    for _ in 0..1025 {
        play.issue("A", "M", 1);
    }
    assert_eq!(play.refused("C", transfer("M", "N", 1025)), "TOO_MANY_LOTS");
    play.transfer("C", "M", "N", 1024).unwrap();
    play.assert_sound();
}

#[test]
fn transferred_points_of_a_reversed_issue_are_owed_by_who_was_given_them() {
    let mut play = brands(Funding::AtIssue);
    let issue = play.issue("A", "M", 10);
    play.transfer("C", "M", "N", 6).unwrap();
    let done = play.reverse("A", issue, 10).unwrap();
    assert_eq!((done.taken_back.0, done.debt.0), (4, 6));
    assert_eq!((play.owed("M"), play.owed("N"), play.available("N")), (6, 0, 6));
    play.assert_sound();
}

/// It once moved a member's points to the end of the order, so that another brand's were spent first.
#[test]
fn nobody_transfers_to_himself_however_he_is_named() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    let by_id = clearing_core::facts::member::MemberRef::Id(play.member("M"));
    for (member, to) in [(member_ref("M"), member_ref("M")), (member_ref("M"), by_id), (by_id, member_ref("M"))] {
        for (points, enrol_receiver) in [(10, false), (11, true)] {
            let command =
                Command::TransferPoints(TransferPoints { member, to, points: Points(points), enrol_receiver });
            assert_eq!(play.refused("C", command), "SAME_MEMBER", "before what the member has");
        }
    }
    assert_eq!(play.refused("C", transfer("N", "N", 1)), "NOT_FOUND", "whom nobody knows is nobody's other self");
    play.set_state("C", clearing_core::facts::partner::PartnerState::Suspended);
    assert_eq!(play.refused("C", transfer("M", "M", 1)), "PARTNER_SUSPENDED");
    play.assert_sound();
}

#[test]
fn decay_takes_the_floor_of_its_share_over_the_lots_by_largest_remainder() {
    let mut play = mixed(Funding::AtIssue, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", 5);
    play.issue_until("B", "M", 5, START.plus_days(9));
    play.issue("C", "M", 5);
    let written = play.journal.len();
    // floor(0.75 x 15) = 11: 3.67 each, so 4, 4, 3 with ties in consumption order.
    let entries = play.decay("M", "0.75", "2026-01").unwrap().entries;
    assert_eq!(play.kinds_from(written), ["decay", "decay", "decay"]);
    let parts: Vec<_> = entries.iter().map(|entry| play.parts(*entry)[0].clone()).collect();
    assert_eq!(parts, [("B", -4), ("A", -4), ("C", -3)].map(|(name, points)| (name.to_owned(), points)));
    let money = [("pool", -400), ("reserve", 200), ("position:operator", 120), ("position:A", 80)];
    assert_eq!(play.money_from(written), sums(&money), "each as an expiry");
    let line = &statement::lines(id("B"), entries[0], 1, &play.book.entries[&entries[0]], &play.book.house).unwrap()[0];
    assert_eq!((line.section, line.points.0), (Section::Lost, 4), "as an expiry on the statement, too");
    play.assert_sound();
}

#[test]
fn decay_comes_once_in_a_period_in_whatever_order_periods_come() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    // As texts W10 stands before W9.
    for (period, written, left) in
        [("2026-W9", 1, 50), ("2026-W10", 1, 25), ("2026-W9", 0, 25), ("2026-W10", 0, 25), ("2026-W11", 1, 13)]
    {
        let decay = play.decay("M", "0.5", period).unwrap();
        assert_eq!((decay.entries.len(), play.available("M")), (written, left), "{period}");
    }
    play.assert_sound();
}

/// A member without a point was once more than the split of nothing could bear.
#[test]
fn decay_of_nothing_takes_nothing_and_is_remembered() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 1);
    let noted = play.decay("M", "0.5", "below-a-point").unwrap().entries;
    let entry = &play.book.entries[&noted[0]];
    assert_eq!((noted.len(), entry.lots.len(), entry.points.len(), entry.money.len()), (1, 0, 0, 0));
    assert_eq!(play.decay("M", "1", "below-a-point").unwrap().entries.len(), 0, "its turn was");
    assert_eq!(play.available("M"), 1);
    play.redeem("C", "M", 1).unwrap();
    play.decay("M", "0.5", "no-points").unwrap();
    play.issue("A", "M", 10);
    assert_eq!(play.decay("M", "0.5", "no-points").unwrap().entries.len(), 0);
    assert_eq!(play.available("M"), 10);
    play.assert_sound();
}

/// It once used up the period, so that the decay that was meant took nothing.
#[test]
fn decay_of_no_share_is_malformed_and_leaves_the_period_its_turn() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    assert_eq!(play.refused("operator", house::decay("M", "0", "2026-02", None)), "INVALID_ARGUMENT");
    play.decay("M", "0.5", "2026-02").unwrap();
    assert_eq!(play.available("M"), 5);
    play.assert_sound();
}

#[test]
fn decay_of_many_lots_goes_on_behind_those_that_it_took_from() {
    let mut play = brands(Funding::AtRedemption);
    for _ in 0..2_100 {
        play.issue("A", "M", 10);
    }
    let decay = |play: &mut Play, period| {
        let entries = play.decay("M", "0.25", period).unwrap().entries;
        (entries.len(), play.available("M"))
    };
    // A quarter of 10,240 points is 2,560: 2.5 of each lot, so 3 of the first half and 2 of the second.
    assert_eq!(decay(&mut play, "p1"), (1_024, 18_440));
    assert_eq!(play.lot_of(play.journal[0].0).available.0, 7);
    play.redeem("C", "M", 7).unwrap();
    assert_eq!(decay(&mut play, "p1"), (1_024, 18_433 - 2_560));
    assert_eq!(decay(&mut play, "p1"), (52, 15_873 - 130));
    assert_eq!(decay(&mut play, "p1"), (0, 15_743), "it has come to the end");
    // Another period ends one that was begun.
    assert_eq!(decay(&mut play, "p2").0, 1_024);
    assert_eq!(decay(&mut play, "p3").0, 1_024);
    assert_eq!(decay(&mut play, "p2").0, 0);
    assert_eq!(decay(&mut play, "p3").0, 1_024);
    play.assert_sound();
}

#[test]
fn decay_leaves_held_pending_and_expired_points_alone() {
    let mut play = brands(Funding::AtRedemption);
    play.issue_until("A", "M", 10, START.plus_days(2));
    play.issue("B", "M", 10);
    play.ask("C", house::authorize("M", 15, START.plus_days(9))).unwrap();
    play.now = START.plus_days(3);
    play.decay("M", "1", "2026-01").unwrap();
    assert_eq!((play.available("M"), play.held("M")), (0, 15));
    play.assert_sound();
}

/// As a page of members asks for it: looked up as inactive, and then active before the turn comes.
#[test]
fn decay_of_the_inactive_leaves_alone_who_was_active_since() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    play.issue("A", "N", 100);
    play.transfer("A", "M", "L", 40).unwrap();
    let looked_up = play.now;
    play.now = START.plus_days(1);
    play.redeem("C", "N", 10).unwrap();
    let decay = |play: &mut Play, member| {
        play.ask("operator", house::decay(member, "0.5", "2026-02", Some(looked_up))).unwrap().entries.len()
    };
    assert_eq!([decay(&mut play, "M"), decay(&mut play, "N"), decay(&mut play, "L")], [1, 0, 1]);
    let available = |play: &Play| ["M", "N", "L"].map(|member| play.available(member));
    assert_eq!(available(&play), [30, 90, 20], "active at the very moment is not active after it, never is neither");
    // Who was passed over is not done with for the period; who was served is.
    play.decay("N", "0.5", "2026-02").unwrap();
    play.decay("M", "0.5", "2026-02").unwrap();
    assert_eq!(available(&play), [30, 45, 20]);
    play.assert_sound();
}

#[test]
fn decay_of_those_inactive_since_a_moment_ahead_is_refused() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    let ahead = play.now.plus_seconds(1);
    let refused = play.ask("operator", house::decay("M", "0.5", "2026-02", Some(ahead))).unwrap_err();
    assert_eq!(refused.reason(), "TIME_OUT_OF_RANGE");
    assert_eq!(play.available("M"), 100);
    play.assert_sound();
}

fn extend(issuer: &str, until: Timestamp, expires: Timestamp) -> Command {
    Command::ExtendExpiry(ExtendExpiry {
        member: member_ref("M"),
        issuer: id(issuer),
        until,
        expires,
        reason: Code::new("storm").unwrap(),
    })
}

#[test]
fn the_operator_lets_an_issuers_lots_live_longer_at_nobodys_cost() {
    let mut play = brands(Funding::AtIssue);
    play.issue_until("A", "M", 10, START.plus_days(5));
    play.issue_until("A", "M", 10, START.plus_days(6));
    play.issue_until("B", "M", 10, START.plus_days(5));
    let (money, written) = (play.money(), play.journal.len());
    play.ask("operator", extend("A", START.plus_days(5), START.plus_days(30))).unwrap();
    assert_eq!(play.kinds_from(written), ["extend"]);
    assert_eq!(play.money(), money);
    play.wait_until(START.plus_days(10));
    assert_eq!(play.available("M"), 10);
    assert_eq!(
        play.refused("operator", extend("B", START.plus_days(5), START.plus_days(30))),
        "NOT_FOUND",
        "they are gone"
    );
    assert_eq!(
        play.refused("operator", extend("A", START.plus_days(40), START.plus_days(20))),
        "NOT_FOUND",
        "no shorter life"
    );
    assert_eq!(play.refused("operator", extend("A", START.plus_days(40), play.now)), "TIME_OUT_OF_RANGE");
    play.wait_until(START.plus_days(30));
    assert_eq!(play.available("M"), 0);
    play.assert_sound();
}

#[test]
fn a_reinstatement_is_an_issue_at_the_funders_cost_that_no_day_counts() {
    let mut play = brands(Funding::AtIssue);
    play.issue_until("A", "M", 10, START.plus_days(5));
    play.wait_until(START.plus_days(5));
    let limits = Limits {
        points_per_day: Some(Points(0)),
        net_debit_cap: Some(clearing_core::units::Money(1800)),
        ..Limits::default()
    };
    play.set_limits("A", limits);
    let again = |points: i64| {
        Command::ReinstatePoints(ReinstatePoints {
            member: member_ref("M"),
            funder: id("A"),
            points: Points(points),
            expires: Some(START.plus_days(30)),
            reason: Code::new("goodwill").unwrap(),
        })
    };
    play.consent("A", "operator", None);
    let written = play.journal.len();
    // The cap of 18.00 less 10.00, and 2.00 of the breakage: 10.00 are left.
    assert_eq!(play.refused("operator", again(11)), "NET_DEBIT_CAP");
    play.ask("operator", again(10)).unwrap();
    assert_eq!(play.kinds_from(written), ["reinstate"]);
    assert_eq!(play.money_from(written), sums(&[("position:A", -1000), ("pool", 1000)]));
    assert_eq!(play.available("M"), 10);
    play.assert_sound();
}

/// Support once gave away points of any partner, at that partner's cost.
#[test]
fn points_are_given_again_at_the_cost_of_who_lets_the_operator_do_so_and_within_its_budget() {
    let mut play = brands(Funding::AtIssue);
    play.issue("B", "M", 1);
    let again = |funder: &str, points: i64| {
        Command::ReinstatePoints(ReinstatePoints {
            member: member_ref("M"),
            funder: id(funder),
            points: Points(points),
            expires: None,
            reason: Code::new("goodwill").unwrap(),
        })
    };
    assert_eq!(play.refused("operator", again("A", 1)), "CONSENT_EXCEEDED");
    play.consent("A", "operator", Some(10));
    play.ask("operator", again("A", 6)).unwrap();
    assert_eq!(play.refused("operator", again("A", 5)), "CONSENT_EXCEEDED", "6 of 10 are used");
    play.ask("operator", again("A", 4)).unwrap();
    assert_eq!(play.refused("operator", again("A", 1)), "CONSENT_EXCEEDED");
    // At its own cost it asks nobody.
    play.ask("operator", again("operator", 3)).unwrap();
    assert_eq!(play.available("M"), 14);
    play.assert_sound();
}
