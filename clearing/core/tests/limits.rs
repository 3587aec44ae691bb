//! Limits, consents, the net debit cap and what is passed over for want of headroom.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::terms::{FeeBearer, Funding, Price, Terms, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::hold::CaptureHold;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::units::{Money, Points, Timestamp};
use house::{
    Play, START, authorize, brands, coalition, house, id, issue, mixed, purchase, rate, redeem, sums, terms, transfer,
};

fn joint(funders: &[(&str, u32)], points: i64) -> Earn {
    let funders = funders.iter().map(|(funder, weight)| (id(funder), *weight)).collect();
    Earn { funders, ..Earn::points(Points(points)) }
}

fn ask_joint(play: &mut Play, caller: &str, funders: &[(&str, u32)], points: i64) -> Result<(), Rejection> {
    let command = IssuePoints { member: house::member_ref("M"), earn: joint(funders, points) }.into();
    play.ask(caller, command).map(|_| ())
}

/// S14: per entry, per member and day, per day, outstanding.
#[test]
fn limits_of_issues_are_per_entry_per_member_and_day_per_day_and_outstanding() {
    let mut play = brands(Funding::AtRedemption);
    let limits = Limits {
        points_per_entry: Some(Points(500)),
        points_per_member_per_day: Some(Points(600)),
        points_per_day: Some(Points(1000)),
        outstanding_points: Some(Points(1300)),
        ..Limits::default()
    };
    play.set_limits("A", limits);
    let limit = |play: &mut Play, member: &str, points: i64| match play.ask("A", issue(member, points)) {
        Err(Rejection::LimitExceeded { limit, used, maximum, asked, partner }) => {
            assert_eq!((asked, partner.as_str()), (points, "A"));
            (limit, used, maximum)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(&mut play, "P", 501), ("points_per_entry".to_owned(), 0, 500));
    play.issue("A", "P", 500);
    assert_eq!(limit(&mut play, "P", 101), ("points_per_member_per_day".to_owned(), 500, 600));
    play.issue("A", "Q", 500);
    assert_eq!(limit(&mut play, "Q", 1), ("points_per_day".to_owned(), 1000, 1000));
    play.now = Timestamp(START.plus_days(1).0 - 1);
    assert_eq!(limit(&mut play, "Q", 1), ("points_per_day".to_owned(), 1000, 1000));
    play.now = START.plus_days(1);
    play.issue("A", "P", 300);
    assert_eq!(limit(&mut play, "Q", 1), ("outstanding_points".to_owned(), 1300, 1300));
    play.redeem("C", "P", 10).unwrap();
    play.issue("A", "Q", 10);
    // Other issuers count for themselves.
    play.issue("B", "P", 5000);
    play.assert_sound();
}

#[test]
fn reversals_and_abandoned_issues_give_no_room_back_for_the_day() {
    let mut play = brands(Funding::AtRedemption);
    play.set_limits("A", Limits { points_per_day: Some(Points(100)), ..Limits::default() });
    let first = play.issue("A", "M", 60);
    play.reverse("A", first, 60).unwrap();
    let request = play.request(id("A"), issue("M", 40));
    play.execute(&request).result.unwrap();
    play.ask("A", AbandonRequest::of(request.request_id.unwrap()).into()).unwrap();
    assert_eq!(play.refused("A", issue("M", 1)), "LIMIT_EXCEEDED");
    play.now = START.plus_days(1);
    play.issue("A", "M", 100);
    play.assert_sound();
}

#[test]
fn days_are_those_of_the_coalitions_zone() {
    let mut settings = coalition();
    settings.time_zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap();
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    play.set_limits("A", Limits { points_per_member_per_day: Some(Points(10)), ..Limits::default() });
    play.now = "2026-01-10T20:59:59Z".parse().unwrap();
    play.issue("A", "M", 10);
    assert_eq!(play.refused("A", issue("M", 1)), "LIMIT_EXCEEDED");
    play.now = "2026-01-10T21:00:00Z".parse().unwrap();
    play.issue("A", "M", 10);
    play.assert_sound();
}

#[test]
fn each_funder_of_a_joint_issue_is_held_to_its_own_limits_and_cap() {
    let mut play = brands(Funding::AtIssue);
    play.consent("A", "C", None);
    play.consent("B", "C", None);
    play.set_limits("B", Limits { points_per_entry: Some(Points(4)), ..Limits::default() });
    assert_eq!(ask_joint(&mut play, "C", &[("A", 1), ("B", 1)], 10).unwrap_err().reason(), "LIMIT_EXCEEDED");
    ask_joint(&mut play, "C", &[("A", 1), ("B", 1)], 8).unwrap();
    play.set_cap("B", 700);
    let refused = ask_joint(&mut play, "C", &[("A", 1), ("B", 1)], 8).unwrap_err();
    let text = |amount: &str| Some(amount.to_owned());
    let cap = Rejection::NetDebitCap {
        asked: 4,
        reachable: 0,
        partner: text("B"),
        needed: text("4.00"),
        headroom: text("3.00"),
    };
    assert_eq!(refused, cap);
    ask_joint(&mut play, "C", &[("A", 1), ("B", 1)], 6).unwrap();
    play.assert_sound();
}

/// S07: 10 by 1:1:1 gives 4, 3, 3 in the order given; a lot each.
#[test]
fn a_joint_issue_is_split_by_largest_remainder_into_a_lot_each() {
    let mut play = brands(Funding::AtIssue);
    play.consent("C", "A", None);
    play.consent("B", "A", None);
    let thirds = play.earn("A", "K", joint(&[("C", 1), ("A", 1), ("B", 1)], 10));
    assert_eq!(play.parts(thirds), [("C", 4), ("A", 3), ("B", 3)].map(|(name, points)| (name.to_owned(), points)));
    let money = [("position:A", -300), ("position:B", -300), ("position:C", -400), ("pool", 1000)];
    assert_eq!(play.money(), sums(&money));
    // Of equal expiry the lots are taken in the order of the funders.
    let taken = play.redeem("operator", "K", 5).unwrap();
    assert_eq!(play.parts(taken), [("C", -4), ("A", -1)].map(|(name, points)| (name.to_owned(), points)));
    // A share of nothing makes no lot.
    let one = play.earn("A", "K", joint(&[("C", 1), ("B", 1)], 1));
    assert_eq!(play.parts(one), [("C".to_owned(), 1)]);
    play.assert_sound();
}

#[test]
fn a_joint_issue_names_each_funder_once_with_a_weight() {
    let mut play = brands(Funding::AtIssue);
    for funders in [&[("A", 1), ("A", 1)][..], &[("A", 1), ("B", 0)], &[("A", 1); 17]] {
        assert_eq!(ask_joint(&mut play, "A", funders, 10).unwrap_err().reason(), "INVALID_ARGUMENT");
    }
    assert_eq!(ask_joint(&mut play, "A", &[("A", 1), ("nobody", 1)], 10).unwrap_err().reason(), "CONSENT_EXCEEDED");
}

#[test]
fn a_funder_that_is_not_the_caller_must_have_consented_within_a_budget() {
    let mut play = brands(Funding::AtIssue);
    let both = [("A", 1), ("B", 1)];
    assert_eq!(ask_joint(&mut play, "A", &both, 10).unwrap_err().reason(), "CONSENT_EXCEEDED");
    play.consent("B", "A", Some(12));
    ask_joint(&mut play, "A", &both, 10).unwrap();
    let refused = ask_joint(&mut play, "A", &both, 16).unwrap_err();
    assert_eq!(refused, Rejection::ConsentExceeded { funder: "B".to_owned(), asked: 8, left: 7 });
    assert_eq!(ask_joint(&mut play, "C", &both, 2).unwrap_err().reason(), "CONSENT_EXCEEDED", "given to A");
    ask_joint(&mut play, "A", &both, 14).unwrap();
    // What was used stays used, whatever is reversed and however the budget is set anew.
    let last = play.journal.last().unwrap().0;
    play.reverse("A", last, 14).unwrap();
    assert_eq!(ask_joint(&mut play, "A", &[("B", 1)], 1).unwrap_err().reason(), "CONSENT_EXCEEDED");
    play.consent("B", "A", Some(13));
    ask_joint(&mut play, "A", &[("B", 1)], 1).unwrap();
    assert_eq!(ask_joint(&mut play, "A", &[("B", 1)], 1).unwrap_err().reason(), "CONSENT_EXCEEDED");
    play.consent("B", "A", None);
    ask_joint(&mut play, "A", &[("B", 1)], 1000).unwrap();
    play.assert_sound();
}

#[test]
fn headroom_is_the_cap_with_position_unpaid_legs_and_reservations() {
    let mut play = brands(Funding::AtRedemption);
    assert_eq!(play.book.headroom(id("A")), None);
    play.set_cap("A", 10_000);
    play.issue("A", "M", 100);
    play.redeem("C", "M", 30).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(7000));
    let window = play.close();
    assert_eq!(play.book.headroom(id("A")), Some(7000), "what is in a leg is still owed");
    play.confirm(window);
    play.authorize("C", "M", 5).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(6500));
    play.pay(window, "A").unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(9500));
    // What is owed to a partner in a settlement is no headroom before it is paid, nor after.
    play.set_cap("C", 0);
    assert_eq!(play.book.headroom(id("C")), Some(0));
    play.assert_sound();
}

#[test]
fn a_cap_guards_issues_under_p_and_f_and_not_under_r() {
    for (funding, fits) in [(Funding::AtRedemption, true), (Funding::AtIssue, false), (Funding::OnPayment, false)] {
        let mut play = brands(funding);
        play.set_cap("A", 1000);
        play.issue("A", "M", 10);
        let answer = play.ask("A", issue("M", 1));
        assert_eq!(answer.err().map(|rejection| rejection.reason()), (!fits).then_some("NET_DEBIT_CAP"));
        play.assert_sound();
    }
}

#[test]
fn lots_of_an_issuer_without_headroom_are_passed_over_and_later_ones_taken() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtIssue, Funding::AtRedemption);
    play.issue("A", "M", 50);
    play.issue("B", "M", 10);
    play.issue("C", "M", 20);
    play.set_cap("A", 1200);
    play.set_cap("B", 0);
    play.set_cap("C", 0);
    // At C: 12 of A, all of B, which is prepaid, and C's own.
    let taken = play.redeem("C", "M", 40).unwrap();
    let parts = [("A", -12), ("B", -10), ("C", -18)].map(|(name, points)| (name.to_owned(), points));
    assert_eq!(play.parts(taken), parts);
    let refused = play.redeem("C", "M", 3).unwrap_err();
    let cap = Rejection::NetDebitCap { asked: 3, reachable: 2, partner: None, needed: None, headroom: None };
    assert_eq!(refused, cap);
    assert_eq!(play.redeem("C", "M", 41).unwrap_err(), Rejection::InsufficientPoints { asked: 41, available: 40 });
    // At A its own points need no headroom.
    let own = play.redeem("A", "M", 38).unwrap();
    assert_eq!(play.parts(own), [("A".to_owned(), -38)]);
    play.assert_sound();
}

#[test]
fn too_many_lots_come_before_the_cap_and_lots_passed_over_do_not_count() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtIssue, Funding::AtRedemption);
    for _ in 0..1024 {
        play.issue("A", "M", 1);
    }
    play.issue("B", "M", 1);
    assert_eq!(play.redeem("C", "M", 1025).unwrap_err().reason(), "TOO_MANY_LOTS");
    play.set_cap("A", 0);
    let taken = play.redeem("C", "M", 1).unwrap();
    assert_eq!(play.parts(taken), [("B".to_owned(), -1)]);
    assert_eq!(play.redeem("C", "M", 1).unwrap_err().reason(), "NET_DEBIT_CAP");
    play.assert_sound();
}

#[test]
fn a_coalition_that_does_not_disclose_issuers_calls_it_insufficient_points() {
    let mut settings = coalition();
    settings.disclose_issuers = false;
    let mut play =
        Play::new(house(settings, &[("A", terms(Funding::AtRedemption)), ("C", terms(Funding::AtRedemption))]));
    play.issue("A", "M", 10);
    play.set_cap("A", 400);
    for asked in [5, 10, 11] {
        assert_eq!(play.redeem("C", "M", asked).unwrap_err(), Rejection::InsufficientPoints { asked, available: 4 });
    }
    let (member, now) = (play.member("M"), play.now);
    let told = |play: &Play, caller: &str| play.book.told_available(id(caller), member, now).0;
    assert_eq!(["C", "A", "operator"].map(|caller| told(&play, caller)), [4, 10, 10]);
    play.redeem("C", "M", 3).unwrap();
    assert_eq!(told(&play, "C"), 1);
    play.assert_sound();
}

/// What is told follows from the sums of the member's row: as if every point of the issuer were as dear as its dearest terms.
#[test]
fn what_is_told_of_a_member_can_be_taken_to_the_last_point_whatever_the_terms_of_its_lots() {
    let mut settings = coalition();
    settings.disclose_issuers = false;
    let mut play =
        Play::new(house(settings, &[("A", terms(Funding::AtRedemption)), ("C", terms(Funding::AtRedemption))]));
    play.issue("A", "M", 10);
    let price = Price::new("1.50".parse().unwrap()).unwrap();
    play.set_terms("A", TermsDraft { price: Some(price), ..TermsDraft::default() });
    play.issue("A", "M", 10);
    play.set_cap("A", 800);
    let (member, now) = (play.member("M"), play.now);
    let told = play.book.told_available(id("C"), member, now).0;
    assert_eq!(told, 5, "as if each cost 1.50");
    let asked = 9;
    assert_eq!(play.redeem("C", "M", asked).unwrap_err(), Rejection::InsufficientPoints { asked, available: told });
    play.redeem("C", "M", told).unwrap();
    play.assert_sound();
}

#[test]
fn where_issuers_bear_the_fee_a_point_takes_its_price_and_the_fee_rounded_up() {
    let bears = Terms { acceptance_fee: rate("0.012"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", bears)]));
    play.issue("A", "M", 10);
    play.set_cap("A", 305);
    assert_eq!(play.redeem("C", "M", 3).unwrap_err().reason(), "NET_DEBIT_CAP", "3 points may cost 3.06");
    play.set_cap("A", 306);
    play.redeem("C", "M", 3).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(2), "and cost 3.04");
    play.assert_sound();
}

#[test]
fn returns_reversals_and_a_lower_cap_may_pass_it() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 30);
    let redemption = play.redeem("C", "M", 30).unwrap();
    play.close();
    play.set_cap("C", 0);
    play.give_back("C", redemption, 30).unwrap();
    assert!(play.book.headroom(id("C")).unwrap() < 0);
    play.set_cap("A", 0);
    play.assert_sound();
}

#[test]
fn limits_that_are_nearly_used_raise_an_alarm_from_four_fifths_on() {
    let mut play = brands(Funding::AtRedemption);
    let limits = Limits {
        outstanding_points: Some(Points(100)),
        points_per_day: Some(Points(101)),
        net_debit_cap: Some(Money(10_000)),
        ..Limits::default()
    };
    play.set_limits("A", limits);
    play.issue("A", "M", 80);
    let alarms = |play: &Play| -> Vec<&'static str> {
        let used = play.book.limits_used(&play.book.house.partners[&id("A")], play.now);
        used.iter().filter(|used| used.alarms()).map(|used| used.limit).collect()
    };
    assert_eq!(alarms(&play), ["outstanding_points"]);
    play.redeem("C", "M", 80).unwrap();
    assert_eq!(alarms(&play), ["net_debit_cap"]);
}

#[test]
fn transfers_have_limits_of_the_partner_that_asks() {
    let mut play = brands(Funding::AtRedemption);
    let limits = Limits {
        transfer_points_per_entry: Some(Points(10)),
        transfer_points_per_member_per_day: Some(Points(15)),
        ..Limits::default()
    };
    play.set_limits("C", limits);
    play.issue("A", "M", 100);
    assert_eq!(play.refused("C", transfer("M", "N", 11)), "LIMIT_EXCEEDED");
    play.transfer("C", "M", "N", 10).unwrap();
    assert_eq!(play.refused("C", transfer("M", "N", 6)), "LIMIT_EXCEEDED");
    play.transfer("C", "M", "N", 5).unwrap();
    play.transfer("C", "N", "O", 10).unwrap();
    play.transfer("B", "M", "N", 50).unwrap();
    play.now = START.plus_days(1);
    play.transfer("C", "M", "N", 10).unwrap();
    assert_eq!(play.refused("C", redeem("N", 1000)), "INSUFFICIENT_POINTS");
    play.assert_sound();
}

/// What a limit on redemptions says: its name, what is used, and its maximum.
fn redeem_limit(play: &mut Play, acceptor: &str, command: Command) -> (String, i64, i64) {
    match play.ask(acceptor, command) {
        Err(Rejection::LimitExceeded { limit, used, maximum, partner, .. }) => {
            assert_eq!(partner, acceptor);
            (limit, used, maximum)
        }
        other => panic!("{other:?}"),
    }
}

fn per_member(used: i64, maximum: i64) -> (String, i64, i64) {
    ("redeem_points_per_member_per_day".to_owned(), used, maximum)
}

fn foreign(used: i64, maximum: i64) -> (String, i64, i64) {
    ("redeem_foreign_points_per_day".to_owned(), used, maximum)
}

/// Asks, and then says that it shall have had no effect.
fn ask_and_abandon(play: &mut Play, caller: &str, command: Command) {
    let request = play.request(id(caller), command);
    play.execute(&request).result.unwrap();
    play.ask(caller, AbandonRequest::of(request.request_id.unwrap()).into()).unwrap();
}

#[test]
fn a_member_redeems_at_an_acceptor_no_more_a_day_than_its_limit_whatever_way_it_spends() {
    let mut play = brands(Funding::AtRedemption);
    play.set_limits("C", Limits { redeem_points_per_member_per_day: Some(Points(100)), ..Limits::default() });
    play.issue("A", "M", 1000);
    play.issue("A", "N", 1000);
    play.issue("C", "M", 1000);
    let lapses = START.plus_days(2);
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 101)), per_member(0, 100));
    let redeemed = play.redeem("C", "M", 40).unwrap();
    let hold = play.authorize("C", "M", 30).unwrap();
    play.ask("C", purchase("M", 20, 1)).unwrap();
    for more in [redeem("M", 11), authorize("M", 11, lapses), purchase("M", 11, 1)] {
        assert_eq!(redeem_limit(&mut play, "C", more), per_member(90, 100));
    }
    // A capture was counted with its hold; what comes back gives no room.
    play.capture("C", hold, 30).unwrap();
    play.give_back("C", redeemed, 40).unwrap();
    let hold = play.authorize("C", "M", 10).unwrap();
    play.void("C", hold).unwrap();
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 100));
    // Another member, and another acceptor, count for themselves.
    play.redeem("C", "N", 100).unwrap();
    play.redeem("B", "M", 500).unwrap();
    play.now = Timestamp(START.plus_days(1).0 - 1);
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 100));
    play.now = START.plus_days(1);
    play.redeem("C", "M", 100).unwrap();
    play.assert_sound();
}

#[test]
fn an_acceptor_redeems_no_more_of_others_a_day_than_its_limit_and_its_own_as_before() {
    let mut play = brands(Funding::AtRedemption);
    play.set_limits("C", Limits { redeem_foreign_points_per_day: Some(Points(100)), ..Limits::default() });
    play.issue("A", "M", 80);
    play.issue("C", "M", 500);
    play.issue("B", "N", 500);
    // In the order of consumption A's come first: 80 of others, and 20 of its own.
    play.redeem("C", "M", 100).unwrap();
    play.redeem("C", "M", 300).unwrap();
    assert_eq!(redeem_limit(&mut play, "C", redeem("N", 21)), foreign(80, 100));
    play.authorize("C", "N", 20).unwrap();
    for more in [redeem("N", 1), authorize("N", 1, START.plus_days(2)), purchase("N", 1, 1)] {
        assert_eq!(redeem_limit(&mut play, "C", more), foreign(100, 100));
    }
    // What keeps lots from being chosen is told before.
    assert_eq!(play.refused("C", redeem("N", 5000)), "INSUFFICIENT_POINTS");
    let used = play.book.limits_used(&play.book.house.partners[&id("C")], play.now);
    let told: Vec<_> = used.iter().map(|of| (of.limit, of.used, of.maximum, of.alarms())).collect();
    assert_eq!(told, [("redeem_foreign_points_per_day", 100, 100, true)]);
    play.redeem("B", "N", 100).unwrap();
    play.redeem("C", "M", 100).unwrap();
    play.now = START.plus_days(1);
    play.redeem("C", "N", 100).unwrap();
    assert_eq!(redeem_limit(&mut play, "C", redeem("N", 1)), foreign(100, 100));
    play.assert_sound();
}

#[test]
fn an_abandoned_redemption_or_hold_gives_its_room_back_on_the_day_on_which_it_was_counted() {
    let mut play = brands(Funding::AtRedemption);
    let limits = Limits {
        redeem_points_per_member_per_day: Some(Points(100)),
        redeem_foreign_points_per_day: Some(Points(100)),
        ..Limits::default()
    };
    play.set_limits("C", limits);
    play.issue("A", "M", 1000);
    play.issue("A", "N", 1000);
    let lapses = START.plus_days(3);
    for command in [redeem("M", 100), authorize("M", 100, lapses), purchase("M", 100, 1)] {
        ask_and_abandon(&mut play, "C", command);
    }
    // All of it, although a part was returned before, or the hold voided.
    let request = play.request(id("C"), redeem("M", 100));
    let redeemed = play.execute(&request).result.unwrap().entries[0];
    play.give_back("C", redeemed, 100).unwrap();
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 100));
    play.ask("C", AbandonRequest::of(request.request_id.unwrap()).into()).unwrap();
    let request = play.request(id("C"), authorize("M", 100, lapses));
    let hold = play.execute(&request).result.unwrap().entries[0];
    play.void("C", hold).unwrap();
    play.ask("C", AbandonRequest::of(request.request_id.unwrap()).into()).unwrap();
    // A capture took no room, so that abandoning it gives none; nor does abandoning a return take any.
    let hold = play.authorize("C", "M", 60).unwrap();
    ask_and_abandon(&mut play, "C", CaptureHold { hold, points: Points(60) }.into());
    let redemption = play.redeem("C", "M", 40).unwrap();
    ask_and_abandon(&mut play, "C", ReturnRedemption { redemption, points: Points(10) }.into());
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 100));
    assert_eq!(redeem_limit(&mut play, "C", redeem("N", 1)), foreign(100, 100));
    // What counted yesterday makes no room today.
    play.now = START.plus_days(1);
    let late = play.request(id("C"), redeem("M", 70));
    play.execute(&late).result.unwrap();
    play.now = START.plus_days(2);
    play.redeem("C", "M", 100).unwrap();
    play.ask("C", AbandonRequest::of(late.request_id.unwrap()).into()).unwrap();
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 100));
    play.assert_sound();
}

#[test]
fn a_quote_tells_what_the_limits_on_redemptions_leave() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 30);
    play.issue("C", "M", 50);
    play.issue("B", "M", 500);
    let quoted = |play: &Play, points: i64| -> i64 {
        let quote = play.book.quote_up_to(id("C"), house::member_ref("M"), Points(points), play.now).unwrap();
        quote.parts.iter().map(|part| part.points.0).sum()
    };
    assert_eq!(quoted(&play, 1000), 580);
    let limits = |member: i64, foreign: i64| Limits {
        redeem_points_per_member_per_day: Some(Points(member)),
        redeem_foreign_points_per_day: Some(Points(foreign)),
        ..Limits::default()
    };
    for ((member, foreign), left) in [
        ((200, 1000), 200),
        ((1000, 20), 20),
        // A's thirty, its own fifty, and ten of B's.
        ((1000, 40), 90),
        ((85, 40), 85),
        ((1000, 30), 80),
        ((0, 1000), 0),
        ((1000, 0), 0),
    ] {
        play.set_limits("C", limits(member, foreign));
        assert_eq!(quoted(&play, 1000), left, "{member} a member, {foreign} of others");
        let mut tried = play.clone();
        if left > 0 {
            tried.redeem("C", "M", left).unwrap();
            assert_eq!(quoted(&tried, 1000), 0);
        }
        assert_eq!(tried.refused("C", redeem("M", 1)), "LIMIT_EXCEEDED");
    }
    // One that is lowered below what is used refuses what comes.
    play.set_limits("C", limits(100, 1000));
    play.redeem("C", "M", 100).unwrap();
    play.set_limits("C", limits(50, 1000));
    assert_eq!(redeem_limit(&mut play, "C", redeem("M", 1)), per_member(100, 50));
    assert_eq!(quoted(&play, 10), 0);
    play.assert_sound();
}

/// Of the reasons against the two sides of a purchase the first in the published order is told.
#[test]
fn limits_on_redemptions_stand_in_the_published_order_of_reasons() {
    let mut play = brands(Funding::AtIssue);
    play.issue("A", "M", 100);
    let all = Limits {
        points_per_entry: Some(Points(5)),
        redeem_points_per_member_per_day: Some(Points(10)),
        redeem_foreign_points_per_day: Some(Points(7)),
        cooling_seconds: Some(60),
        ..Limits::default()
    };
    let told = |play: &mut Play, limits: Limits| {
        play.set_limits("C", limits);
        let rejection = play.ask("C", purchase("M", 11, 6)).unwrap_err();
        let reason = rejection.reason().to_owned();
        if let Rejection::LimitExceeded { limit, .. } = rejection { limit } else { reason }
    };
    let without_issue = Limits { points_per_entry: None, ..all };
    let without_member = Limits { redeem_points_per_member_per_day: None, ..without_issue };
    let without_cooling = Limits { cooling_seconds: None, ..without_member };
    let capped = Limits { net_debit_cap: Some(Money(0)), ..without_cooling };
    assert_eq!(told(&mut play, all), "points_per_entry");
    assert_eq!(told(&mut play, without_issue), "redeem_points_per_member_per_day");
    assert_eq!(told(&mut play, without_member), "COOLING");
    assert_eq!(told(&mut play, capped), "NET_DEBIT_CAP");
    assert_eq!(told(&mut play, without_cooling), "redeem_foreign_points_per_day");
}
