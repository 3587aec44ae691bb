//! The grace of lots that were passed over for want of headroom shortly before they would have expired.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::Fact;
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::member::PassedOver;
use clearing_core::facts::origin::Code;
use clearing_core::facts::terms::{ExpiryPolicy, Funding, Terms, TermsDraft};
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::due::{PASSED_OVER, RunDueWork};
use clearing_core::rules::purchase::PostPurchase;
use clearing_core::units::{EntryId, PartnerId, Points, Timestamp};
use house::{Play, START, authorize, coalition, house, id, issue, purchase, redeem, terms, transfer};

fn day(number: i64) -> Timestamp {
    START.plus_days(number)
}

/// A, B and C under R in a coalition that gives so many days.
fn play_with(days: u16) -> Play {
    let mut settings = coalition();
    settings.passed_over_grace_days = days;
    let all = terms(Funding::AtRedemption);
    Play::new(house(settings, &[("A", all.clone()), ("B", all.clone()), ("C", all)]))
}

/// 100 points of A that expire on day 20, of an A that may owe nothing, and 100 of B that never do.
fn without_headroom(days: u16) -> (Play, EntryId) {
    let mut play = play_with(days);
    let lot = play.issue_until("A", "M", 100, day(20));
    play.issue("B", "M", 100);
    play.set_cap("A", 0);
    play.now = day(10);
    (play, lot)
}

/// What was written from one place in the journal on: kinds and times.
fn written(play: &Play, from: usize) -> Vec<(&'static str, Timestamp)> {
    play.journal[from..].iter().map(|(_, entry)| (entry.kind.as_str(), entry.time)).collect()
}

/// What due work writes by a moment, each with its time.
fn due_by(play: &mut Play, time: Timestamp) -> Vec<(&'static str, Timestamp)> {
    let from = play.journal.len();
    play.wait_until(time);
    written(play, from)
}

fn passed_over(play: &Play, entry: EntryId) -> Vec<PartnerId> {
    play.book.entries[&entry].facts.passed_over().to_vec()
}

fn mark(play: &Play, issuer: &str) -> Option<PassedOver> {
    play.book.members[&play.member("M")].record.passed_over.get(&id(issuer)).copied()
}

#[test]
fn a_lot_that_was_passed_over_lives_on_for_the_grace_and_then_expires() {
    let (mut play, lot) = without_headroom(14);
    let spent = play.redeem("C", "M", 10).unwrap();
    assert_eq!(passed_over(&play, spent), [id("A")]);
    assert_eq!(play.parts(spent), [("B".to_owned(), -10)]);
    // Nothing is written to the lot by the redemption.
    assert_eq!(play.lot_of(lot).expires, day(20));
    let from = play.journal.len();
    assert_eq!(due_by(&mut play, day(20)), [("extend", day(20))]);
    let entry: &Entry = &play.journal[from].1;
    assert_eq!(entry.facts, [Fact::Reason(Code::new(PASSED_OVER).unwrap())].into_iter().collect());
    assert_eq!((entry.points.len(), entry.money.len(), entry.request_id), (0, 0, None));
    assert_eq!((play.lot_of(lot).expires, play.available("M")), (day(24), 190));
    assert_eq!(due_by(&mut play, Timestamp(day(24).0 - 1)), []);
    // In the grace they can be spent like any.
    play.set_cap("A", 100_000);
    let spent = play.redeem("C", "M", 30).unwrap();
    assert_eq!(play.parts(spent), [("A".to_owned(), -30)]);
    assert_eq!(due_by(&mut play, day(24)), [("expire", day(24))]);
    assert_eq!(play.available("M"), 90);
    play.assert_sound();
}

#[test]
fn a_hold_and_the_spend_of_a_purchase_pass_over_as_a_redemption_does() {
    for command in [authorize("M", 10, day(11)), purchase("M", 10, 0), purchase("M", 10, 5)] {
        let (mut play, lot) = without_headroom(14);
        let asked = play.ask("C", command.clone()).unwrap();
        assert_eq!(passed_over(&play, asked.entries[0]), [id("A")], "{command:?}");
        play.wait_until(day(20));
        assert_eq!(play.lot_of(lot).expires, day(24), "{command:?}");
        play.wait_until(day(24));
        assert_eq!(play.lot_of(lot).available, Points::ZERO, "{command:?}");
        play.assert_sound();
    }
}

#[test]
fn an_issuer_is_named_only_where_headroom_allowed_less_than_was_wanted() {
    let (mut play, _) = without_headroom(14);
    play.set_cap("A", 2_000);
    // 20 points are what headroom has, and what is asked for.
    let all = play.redeem("C", "M", 20).unwrap();
    assert_eq!(passed_over(&play, all), []);
    assert_eq!(play.book.entries[&all].facts.passed_over(), []);
    play.set_cap("A", 2_500);
    let some = play.redeem("C", "M", 6).unwrap();
    assert_eq!(play.parts(some), [("A", -5), ("B", -1)].map(|(name, points)| (name.to_owned(), points)));
    assert_eq!(passed_over(&play, some), [id("A")]);
    // At A its own points need no headroom.
    let own = play.redeem("A", "M", 10).unwrap();
    assert_eq!(passed_over(&play, own), []);
    // B has nothing left to give either, but nobody came so far.
    play.set_cap("B", 0);
    play.set_cap("A", 100_000);
    let first = play.redeem("C", "M", 10).unwrap();
    assert_eq!(passed_over(&play, first), []);
    play.assert_sound();
}

#[test]
fn a_quote_names_whom_the_redemption_would_pass_over() {
    let (play, _) = without_headroom(14);
    let quote = play.book.quote(id("C"), house::member_ref("M"), Points(10), play.now).unwrap();
    assert_eq!(quote.passed_over.into_iter().collect::<Vec<_>>(), [id("A")]);
    let quote = play.book.quote(id("A"), house::member_ref("M"), Points(10), play.now).unwrap();
    assert_eq!(quote.passed_over.len(), 0);
}

/// When a lot expires that was passed over on day 10 under a grace of 14 days.
#[test]
fn only_what_would_expire_before_the_end_of_the_grace_lives_on_to_its_end() {
    let end = day(24);
    for (expires, then) in [
        (Timestamp(day(10).0 + 1), end),
        (day(11), end),
        (Timestamp(end.0 - 1), end),
        (end, end),
        (Timestamp(end.0 + 1), Timestamp(end.0 + 1)),
        (day(30), day(30)),
    ] {
        let (mut play, _) = without_headroom(14);
        let lot = play.issue_until("A", "M", 7, expires);
        play.redeem("C", "M", 10).unwrap();
        let from = play.journal.len();
        play.wait_until(day(40));
        let gone = play.journal[from..].iter().filter(|(_, entry)| entry.kind == EntryKind::Expire);
        let gone = gone.filter(|(_, entry)| entry.link == Some(lot)).map(|(_, entry)| entry.time);
        assert_eq!(gone.collect::<Vec<_>>(), [then], "of {expires}");
        let moves = play.journal[from..].iter().filter(|(_, entry)| entry.kind == EntryKind::Extend);
        let moves = moves.filter(|(_, entry)| entry.link == Some(lot)).map(|(_, entry)| entry.time);
        let moved: Vec<Timestamp> = (expires < end).then_some(expires).into_iter().collect();
        assert_eq!(moves.collect::<Vec<_>>(), moved, "of {expires}");
        play.assert_sound();
    }
}

#[test]
fn what_came_after_it_was_passed_over_expires_as_usual() {
    let (mut play, _) = without_headroom(14);
    play.set_terms("A", TermsDraft { expiry: Some(ExpiryPolicy::Days(3)), ..TermsDraft::default() });
    // Earned by the same purchase, and by the next one at the same moment.
    let bought = play.ask("C", purchase("M", 10, 0)).unwrap();
    assert_eq!(passed_over(&play, bought.entries[0]), [id("A")]);
    play.issue("A", "M", 5);
    assert_eq!(due_by(&mut play, day(13)), [("expire", day(13))]);
    assert_eq!(due_by(&mut play, day(24)), [("extend", day(20)), ("expire", day(24))]);
    play.assert_sound();
}

#[test]
fn what_a_purchase_earned_was_not_passed_over_by_it() {
    let (mut play, _) = without_headroom(14);
    play.consent("A", "C", None);
    play.set_terms("A", TermsDraft { expiry: Some(ExpiryPolicy::Days(3)), ..TermsDraft::default() });
    let earn = clearing_core::rules::issue::Earn {
        funders: vec![(id("A"), 1)],
        ..clearing_core::rules::issue::Earn::points(Points(5))
    };
    let spend = Some(clearing_core::rules::purchase::Spend::Redeem(Points(10)));
    let member = house::member_ref("M");
    let bought = play.ask("C", Command::PostPurchase(PostPurchase { member, spend, earn: Some(earn) })).unwrap();
    assert_eq!(passed_over(&play, bought.entries[0]), [id("A")]);
    assert_eq!(due_by(&mut play, day(13)), [("expire", day(13))]);
    play.assert_sound();
}

#[test]
fn prepaid_lots_of_an_issuer_whose_others_were_passed_over_expire_as_usual() {
    let (mut play, lot) = without_headroom(14);
    play.set_cap("A", 1_000);
    play.set_terms("A", TermsDraft { funding: Some(Funding::AtIssue), ..TermsDraft::default() });
    let prepaid = play.issue_until("A", "M", 10, day(21));
    let spent = play.redeem("C", "M", 20).unwrap();
    assert_eq!(passed_over(&play, spent), [id("A")]);
    assert_eq!(play.parts(spent), [("A", -10), ("B", -10)].map(|(name, points)| (name.to_owned(), points)));
    assert_eq!(play.lot_of(prepaid).available, Points::ZERO);
    play.give_back("C", spent, 20).unwrap();
    assert_eq!(due_by(&mut play, day(21)), [("extend", day(20)), ("expire", day(21))]);
    assert_eq!((play.lot_of(lot).available, play.lot_of(prepaid).available), (Points(100), Points::ZERO));
    play.assert_sound();
}

#[test]
fn the_acceptors_own_lots_expire_as_usual() {
    let (mut play, lot) = without_headroom(14);
    let own = play.issue_until("C", "M", 20, day(21));
    play.set_cap("C", 0);
    let spent = play.redeem("C", "M", 10).unwrap();
    assert_eq!(passed_over(&play, spent), [id("A")]);
    assert_eq!(due_by(&mut play, day(21)), [("extend", day(20)), ("expire", day(21))]);
    assert_eq!((play.lot_of(lot).available, play.lot_of(own).available), (Points(100), Points::ZERO));
    play.assert_sound();
}

#[test]
fn what_is_passed_over_again_lives_on_from_then() {
    let (mut play, lot) = without_headroom(14);
    play.redeem("C", "M", 10).unwrap();
    play.wait_until(day(15));
    play.redeem("C", "M", 10).unwrap();
    // Of two times the last one counts.
    assert_eq!(due_by(&mut play, day(28)), [("extend", day(20))]);
    assert_eq!(play.lot_of(lot).expires, day(29));
    play.redeem("C", "M", 10).unwrap();
    assert_eq!(due_by(&mut play, day(29)), [("extend", day(29))]);
    assert_eq!(due_by(&mut play, day(60)), [("expire", day(42))]);
    play.assert_sound();
}

#[test]
fn a_coalition_without_the_grace_lets_them_expire_and_remembers_nothing() {
    let (mut play, _) = without_headroom(0);
    let spent = play.redeem("C", "M", 10).unwrap();
    assert_eq!((passed_over(&play, spent), mark(&play, "A")), (vec![id("A")], None));
    assert_eq!(due_by(&mut play, day(60)), [("expire", day(20))]);
    play.assert_sound();
}

#[test]
fn a_refused_redemption_passes_over_nothing() {
    let (mut play, _) = without_headroom(14);
    assert_eq!(play.refused("C", redeem("M", 101)), "NET_DEBIT_CAP");
    assert_eq!(play.refused("C", authorize("M", 101, day(11))), "NET_DEBIT_CAP");
    assert_eq!(play.refused("C", purchase("M", 101, 1)), "NET_DEBIT_CAP");
    assert_eq!(mark(&play, "A"), None);
    assert_eq!(due_by(&mut play, day(60)), [("expire", day(20))]);
    play.assert_sound();
}

#[test]
fn recovery_passes_over_without_a_grace() {
    let mut play = play_with(14);
    let given = play.issue("B", "M", 5);
    play.redeem("B", "M", 5).unwrap();
    play.issue_until("A", "M", 100, day(20));
    play.set_cap("A", 0);
    play.now = day(10);
    play.reverse("B", given, 5).unwrap();
    assert_eq!(play.owed("M"), 5);
    let from = play.journal.len();
    // What comes pays the debt with the first of it that headroom allows.
    play.issue("C", "M", 3);
    assert_eq!(play.kinds_from(from), ["issue", "recover"]);
    assert_eq!(play.journal.iter().filter(|(_, entry)| !entry.facts.passed_over().is_empty()).count(), 0);
    assert_eq!(due_by(&mut play, day(60)), [("expire", day(20))]);
    play.assert_sound();
}

/// All of a lot of A is held while the rest of A's points is passed over on day 10.
#[test]
fn points_released_from_a_hold_live_on_if_the_grace_is_not_over_by_then() {
    for (lapse, then) in [
        (19, vec![("lapse", day(19)), ("extend", day(20)), ("expire", day(24))]),
        (20, vec![("lapse", day(20)), ("extend", day(20)), ("expire", day(24))]),
        (21, vec![("lapse", day(21)), ("extend", day(21)), ("expire", day(24))]),
        (24, vec![("lapse", day(24)), ("expire", day(24))]),
        (25, vec![("lapse", day(25)), ("expire", day(25))]),
    ] {
        let (mut play, lot) = without_headroom(14);
        play.issue_until("A", "M", 1, day(50));
        play.set_cap("A", 10_000);
        play.ask("C", authorize("M", 100, day(lapse))).unwrap();
        assert_eq!(play.lot_of(lot).held, Points(100));
        let spent = play.redeem("C", "M", 5).unwrap();
        assert_eq!(passed_over(&play, spent), [id("A")]);
        assert_eq!(due_by(&mut play, day(49)), then, "lapses on day {lapse}");
        play.assert_sound();
    }
    // A void and a capture in part release as a lapse does.
    for capture in [false, true] {
        let (mut play, lot) = without_headroom(14);
        play.issue_until("A", "M", 1, day(50));
        play.set_cap("A", 10_000);
        let hold = play.ask("C", authorize("M", 100, day(30))).unwrap().entries[0];
        play.redeem("C", "M", 5).unwrap();
        play.wait_until(day(22));
        let from = play.journal.len();
        if capture {
            play.capture("C", hold, 40).unwrap();
        } else {
            play.void("C", hold).unwrap();
        }
        assert_eq!(play.kinds_from(from), [if capture { "capture" } else { "void" }, "extend"]);
        assert_eq!(play.lot_of(lot).available, Points(if capture { 60 } else { 100 }));
        assert_eq!(due_by(&mut play, day(49)), [("expire", day(24))]);
        play.assert_sound();
    }
}

#[test]
fn points_that_end_with_inactivity_get_an_end_of_their_own() {
    let mut settings = coalition();
    settings.passed_over_grace_days = 14;
    let plain = terms(Funding::AtRedemption);
    let inactive = Terms { expiry: ExpiryPolicy::InactiveDays(5), ..plain.clone() };
    let mut play = Play::new(house(settings, &[("A", inactive), ("B", plain.clone()), ("C", plain)]));
    let lot = play.issue("A", "M", 100);
    play.issue("B", "M", 100);
    play.set_cap("A", 0);
    // An accepted redemption is activity itself.
    play.wait_until(day(4));
    play.redeem("C", "M", 1).unwrap();
    assert_eq!(due_by(&mut play, day(9)), [("extend", day(9))]);
    assert_eq!(play.lot_of(lot).expires, day(18));
    let later = play.issue("A", "M", 50);
    // The one stays where it is, whatever the member does; the other ends with inactivity.
    play.wait_until(day(13));
    play.issue("B", "M", 1);
    assert_eq!(due_by(&mut play, day(30)), [("expire", day(18)), ("expire", day(18))]);
    assert_eq!((play.lot_of(lot).available, play.lot_of(later).available), (Points::ZERO, Points::ZERO));
    play.assert_sound();
}

#[test]
fn due_work_that_comes_late_says_the_same() {
    let (mut play, _) = without_headroom(14);
    play.redeem("C", "M", 10).unwrap();
    assert_eq!(due_by(&mut play, day(90)), [("extend", day(20)), ("expire", day(24))]);
    play.assert_sound();
}

#[test]
fn what_can_no_longer_matter_is_forgotten_with_the_next_entry() {
    let (mut play, _) = without_headroom(14);
    play.redeem("C", "M", 10).unwrap();
    let number = play.book.members[&play.member("M")].entry_no;
    assert_eq!(mark(&play, "A"), Some(PassedOver { time: day(10), entry_no: number }));
    play.wait_until(day(23));
    play.issue("B", "M", 1);
    assert!(mark(&play, "A").is_some());
    play.wait_until(day(24));
    play.issue("B", "M", 1);
    assert_eq!(mark(&play, "A"), None);
    play.assert_sound();
}

#[test]
fn an_abandoned_redemption_has_passed_over_what_it_did() {
    let (mut play, _) = without_headroom(14);
    let request = play.request(id("C"), redeem("M", 10));
    play.execute(&request).result.unwrap();
    play.ask("C", Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap()))).unwrap();
    assert_eq!(due_by(&mut play, day(60)), [("extend", day(20)), ("expire", day(24))]);
    play.assert_sound();
}

#[test]
fn transferred_points_leave_the_grace_behind() {
    let (mut play, lot) = without_headroom(14);
    play.redeem("C", "M", 10).unwrap();
    play.ask("C", transfer("M", "N", 60)).unwrap();
    assert_eq!(due_by(&mut play, day(20)).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["extend", "expire"]);
    assert_eq!((play.available("N"), play.lot_of(lot).available), (0, Points(40)));
    play.assert_sound();
}

#[test]
fn the_days_of_the_grace_are_those_of_the_coalitions_calendar() {
    let mut settings = coalition();
    settings.passed_over_grace_days = 14;
    settings.time_zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(settings, &[("A", all.clone()), ("B", all.clone()), ("C", all)]));
    let lot = play.issue_until("A", "M", 10, "2026-03-25T00:00:00Z".parse().unwrap());
    play.issue("B", "M", 10);
    play.set_cap("A", 0);
    // The clocks go forward on the 29th.
    play.now = "2026-03-20T11:00:00Z".parse().unwrap();
    play.redeem("C", "M", 1).unwrap();
    play.wait_until("2026-03-25T00:00:00Z".parse().unwrap());
    assert_eq!(play.lot_of(lot).expires, "2026-04-03T10:00:00Z".parse().unwrap());
    play.assert_sound();
}

#[test]
fn more_lots_than_due_work_does_at_once_follow_piece_by_piece() {
    let (mut play, _) = without_headroom(14);
    for _ in 0..1_500 {
        play.ask("A", issue("M", 1)).unwrap();
    }
    play.set_terms("A", TermsDraft { expiry: Some(ExpiryPolicy::Days(2)), ..TermsDraft::default() });
    for _ in 0..1_500 {
        play.ask("A", issue("M", 1)).unwrap();
    }
    play.redeem("C", "M", 1).unwrap();
    let from = play.journal.len();
    play.now = day(12);
    let member = play.member("M");
    let due = |play: &mut Play| play.ask("operator", Command::RunDueWork(RunDueWork { member })).unwrap().entries.len();
    assert_eq!([due(&mut play), due(&mut play), due(&mut play)], [1024, 476, 0]);
    assert!(play.kinds_from(from).iter().all(|kind| *kind == "extend"));
    assert_eq!(due_by(&mut play, day(24)).len(), 1 + 1_500 + 1);
    assert_eq!(play.available("M"), 1_500 + 99);
    play.assert_sound();
}
