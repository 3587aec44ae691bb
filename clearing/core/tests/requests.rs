//! Keys of requests: replay, conflict, age, the till's own time, and abandoning.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::audit;
use clearing_core::command::Command;
use clearing_core::facts::answer::{Abandoned, Reply};
use clearing_core::facts::terms::{FeeBearer, Funding, Terms};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::hold::{CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::purchase::ReturnPurchase;
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::units::{MemberId, Money, Points, RequestId, Timestamp};
use house::{Play, START, coalition, house, id, member_ref, rate, request_id, terms};

/// A (R), B (prepaid) and C, who pays a fee that issuers bear.
fn play() -> Play {
    let fee = Terms { acceptance_fee: rate("0.025"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let partners = [("A", terms(Funding::AtRedemption)), ("B", terms(Funding::AtIssue)), ("C", fee)];
    Play::new(house(coalition(), &partners))
}

fn issue(points: i64) -> Command {
    house::issue("M", points)
}

fn redeem(points: i64) -> Command {
    Command::RedeemPoints(RedeemPoints { member: member_ref("M"), points: Points(points) })
}

/// Asks and gives the key, so that the request can be abandoned.
fn asked(play: &mut Play, caller: &str, command: Command) -> RequestId {
    let request = play.request(id(caller), command);
    play.execute(&request).result.unwrap();
    request.request_id.unwrap()
}

fn abandon(play: &mut Play, caller: &str, request: RequestId) -> Abandoned {
    match play.ask(caller, Command::AbandonRequest(AbandonRequest::of(request))).unwrap().reply {
        Reply::Abandoned(outcome) => outcome,
        other @ (Reply::Member(_) | Reply::House(_)) => panic!("an abandon was answered by {other:?}"),
    }
}

#[test]
fn an_unseen_request_is_burned_and_never_succeeds_later() {
    let mut play = play();
    let late = play.request(id("A"), issue(100));
    assert_eq!(abandon(&mut play, "A", late.request_id.unwrap()), Abandoned::Burned);
    assert_eq!(play.execute(&late).result.unwrap_err().reason(), "REQUEST_ABANDONED");
    assert_eq!(abandon(&mut play, "A", late.request_id.unwrap()), Abandoned::Already);
    assert!(play.journal.is_empty());
}

#[test]
fn an_abandoned_request_of_one_partner_is_free_for_another() {
    let mut play = play();
    let mut late = play.request(id("A"), issue(100));
    abandon(&mut play, "B", late.request_id.unwrap());
    assert!(play.execute(&late).result.is_ok());
    late.caller = id("B");
    assert_eq!(play.execute(&late).result.unwrap_err().reason(), "REQUEST_ABANDONED");
}

#[test]
fn a_rejected_request_has_no_effect_to_undo() {
    let mut play = play();
    let request = play.request(id("C"), redeem(1));
    play.execute(&request).result.unwrap_err();
    assert_eq!(abandon(&mut play, "C", request.request_id.unwrap()), Abandoned::NoEffect);
}

/// It was refused once; but a till that says "this shall have no effect" cannot be told no.
#[test]
fn what_is_spent_of_an_abandoned_issue_becomes_a_debt() {
    let mut play = play();
    let request = asked(&mut play, "A", issue(100));
    play.redeem("C", "M", 1).unwrap();
    assert_eq!(abandon(&mut play, "A", request), Abandoned::Undone);
    assert_eq!((play.available("M"), play.owed("M")), (0, 1));
    play.assert_sound();
}

/// A return and its redemption may be abandoned in either order; both shall have no effect. Once the redemption was
/// undone first, undoing the return took its points again, and the member paid for a purchase that had been abandoned.
#[test]
fn a_redemption_and_its_return_can_be_abandoned_in_either_order() {
    for return_first in [true, false] {
        let mut play = play();
        play.issue("A", "M", 60);
        play.issue("B", "M", 40);
        let before = play.money();
        let redeemed = asked(&mut play, "C", redeem(100));
        let redemption = play.journal.last().unwrap().0;
        let returned =
            asked(&mut play, "C", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(30) }));
        let order = if return_first { [returned, redeemed] } else { [redeemed, returned] };
        for request in order {
            assert_eq!(abandon(&mut play, "C", request), Abandoned::Undone);
        }
        assert_eq!(play.money(), before, "the return first: {return_first}");
        assert_eq!(play.book.members.values().next().unwrap().available(), 100);
        assert_eq!(audit::check(&play.book), vec![]);
        assert_eq!(audit::compare(&play.book, &play.rebuilt()), vec![]);
        let over = play.give_back("C", redemption, 1).unwrap_err();
        assert_eq!(over.reason(), "RETURN_EXCEEDS_REDEMPTION");
    }
}

/// A return that was followed by another one was undone by taking points of the later one: the lots that it had given
/// back to kept them, and others lost theirs.
#[test]
fn an_abandoned_return_takes_the_same_points_of_the_same_lots_also_when_later_returns_came_between() {
    let mut play = play();
    play.issue("A", "M", 60);
    play.issue("B", "M", 40);
    let before = play.money();
    let redemption = play.redeem("C", "M", 100).unwrap();
    let mut returns = Vec::new();
    for points in [30, 30, 15] {
        returns.push(asked(
            &mut play,
            "C",
            Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(points) }),
        ));
    }
    let lots = |play: &Play| play.book.lots.values().map(|lot| lot.available.0).collect::<Vec<_>>();
    assert_eq!(lots(&play), [35, 40], "30 of B, 10 of B and 20 of A, 15 of A");
    let written = play.journal.len();
    assert_eq!(abandon(&mut play, "C", returns[0]), Abandoned::Undone);
    assert_eq!(play.parts(play.journal[written].0), [("B".to_owned(), -30)]);
    assert_eq!(lots(&play), [35, 10]);
    assert_eq!(abandon(&mut play, "C", returns[0]), Abandoned::Already);
    assert_eq!(abandon(&mut play, "C", returns[2]), Abandoned::Undone);
    assert_eq!(lots(&play), [20, 10]);
    play.assert_sound();

    // What is left now is 40 of A and 30 of B: the last taken comes back first.
    assert_eq!(play.give_back("C", redemption, 71).unwrap_err().reason(), "RETURN_EXCEEDS_REDEMPTION");
    let back = play.give_back("C", redemption, 45).unwrap().entries[0];
    assert_eq!(play.parts(back), [("B".to_owned(), 30), ("A".to_owned(), 15)]);
    play.give_back("C", redemption, 25).unwrap();
    assert_eq!((lots(&play), play.money()), (vec![60, 40], before));
    play.assert_sound();
}

#[test]
fn a_return_whose_points_have_expired_cannot_be_abandoned() {
    let mut play = play();
    play.issue_until("A", "M", 100, START.plus_days(20));
    play.issue("B", "M", 100);
    let redemption = play.redeem("C", "M", 100).unwrap();
    let request = asked(&mut play, "C", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(50) }));
    play.now = START.plus_days(20);
    let refused = play.ask("C", Command::AbandonRequest(AbandonRequest::of(request))).unwrap_err();
    assert_eq!(refused, clearing_core::rejection::Rejection::InsufficientPoints { asked: 50, available: 0 });
    assert_eq!(play.available("M"), 100, "other points are not taken for them");
    play.assert_sound();
}

#[test]
fn a_return_whose_points_were_spent_again_cannot_be_abandoned() {
    let mut play = play();
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 100).unwrap();
    let request = asked(&mut play, "C", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(50) }));
    play.redeem("B", "M", 20).unwrap();
    let refused = play.ask("C", Command::AbandonRequest(AbandonRequest::of(request))).unwrap_err();
    assert_eq!(refused.reason(), "INSUFFICIENT_POINTS");
}

#[test]
fn only_requests_on_points_can_be_abandoned() {
    let mut play = play();
    let request = asked(&mut play, "A", issue(10));
    let undo = play.request(id("A"), Command::AbandonRequest(AbandonRequest::of(request)));
    play.execute(&undo).result.unwrap();
    let again = Command::AbandonRequest(AbandonRequest::of(undo.request_id.unwrap()));
    assert_eq!(play.ask("A", again).unwrap_err().reason(), "NOT_FOUND");
}

#[test]
fn an_abandoned_hold_is_released_and_a_captured_one_is_not_abandoned() {
    let mut play = play();
    play.issue("A", "M", 100);
    let lapses = START.plus_days(1);
    let open = asked(&mut play, "C", house::authorize("M", 40, lapses));
    assert_eq!(abandon(&mut play, "C", open), Abandoned::Undone);
    assert_eq!(play.available("M"), 100);
    for end in [true, false] {
        let request = asked(&mut play, "C", house::authorize("M", 40, lapses));
        let hold = play.journal.last().unwrap().0;
        if end {
            play.void("C", hold).unwrap();
            assert_eq!(abandon(&mut play, "C", request), Abandoned::Undone);
            assert_eq!(play.available("M"), 100);
        } else {
            play.capture("C", hold, 10).unwrap();
            let refused = play.ask("C", Command::AbandonRequest(AbandonRequest::of(request))).unwrap_err();
            assert_eq!(refused.reason(), "HOLD_NOT_OPEN");
        }
    }
    play.assert_sound();
}

#[test]
fn an_abandoned_capture_gives_its_points_and_money_back_to_the_member() {
    let mut play = play();
    play.issue("A", "M", 60);
    play.issue("B", "M", 40);
    let money = play.money();
    let hold = play.authorize("C", "M", 80).unwrap();
    let captured = asked(&mut play, "C", Command::CaptureHold(CaptureHold { hold, points: Points(70) }));
    assert_eq!(abandon(&mut play, "C", captured), Abandoned::Undone);
    assert_eq!((play.money(), play.available("M"), play.held("M")), (money, 100, 0));
    let again = play.capture("C", hold, 1).unwrap_err();
    assert_eq!(again.reason(), "HOLD_NOT_OPEN", "the hold stays captured");
    play.assert_sound();
}

#[test]
fn an_abandoned_purchase_is_undone_on_both_sides() {
    let mut play = play();
    play.issue("A", "M", 60);
    let money = play.money();
    let bought = asked(&mut play, "C", house::purchase("M", 50, 7));
    assert_eq!(abandon(&mut play, "C", bought), Abandoned::Undone);
    assert_eq!((play.money(), play.available("M"), play.owed("M")), (money, 60, 0));
    play.assert_sound();
}

/// What a recovery took of an abandoned issue is a debt again: in sum nothing has happened.
#[test]
fn an_abandoned_issue_that_paid_a_debt_leaves_the_debt_again() {
    let mut play = play();
    let gone = play.issue("A", "M", 30);
    play.redeem("A", "M", 30).unwrap();
    play.reverse("A", gone, 30).unwrap();
    let before = (play.money(), play.owed("M"));
    let request = asked(&mut play, "A", issue(10));
    assert_eq!(play.owed("M"), 20);
    assert_eq!(abandon(&mut play, "A", request), Abandoned::Undone);
    assert_eq!((play.money(), play.owed("M")), before);
    play.assert_sound();
}

#[test]
fn an_issue_of_any_age_can_be_abandoned_before_and_after_a_part_of_it_was_reversed() {
    let mut play = play();
    let short = clearing_core::facts::terms::TermsDraft { return_days: Some(Some(1)), ..Default::default() };
    play.set_terms("B", short);
    let request = asked(&mut play, "B", issue(10));
    let entry = play.journal.last().unwrap().0;
    play.reverse("B", entry, 4).unwrap();
    play.now = START.plus_days(30);
    assert_eq!(abandon(&mut play, "B", request), Abandoned::Undone);
    assert_eq!((play.money(), play.available("M")), (house::sums(&[]), 0));
    assert_eq!(abandon(&mut play, "B", request), Abandoned::Already);
    play.assert_sound();
}

/// The return of a purchase was once abandoned by halves: its points were taken again, and what it reversed stayed so.
#[test]
fn voids_reversals_returns_of_purchases_and_transfers_cannot_be_abandoned() {
    let mut play = play();
    play.issue("A", "M", 100);
    let hold = play.authorize("C", "M", 10).unwrap();
    let entries = play.ask("C", house::purchase("M", 20, 5)).unwrap().entries;
    let issued = play.issue("A", "M", 5);
    let both = |redemption, issue| {
        Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount: Money(1), total: Money(2) })
    };
    for (caller, command) in [
        ("C", Command::VoidHold(VoidHold { hold })),
        ("A", house::reverse(issued, 1)),
        ("C", both(Some(entries[0]), Some(entries[1]))),
        ("C", both(Some(entries[0]), None)),
        ("C", house::transfer("M", "N", 1)),
    ] {
        let request = asked(&mut play, caller, command.clone());
        let written = play.journal.len();
        let refused = play.ask(caller, Command::AbandonRequest(AbandonRequest::of(request))).unwrap_err();
        assert_eq!((refused.reason(), play.journal.len()), ("NOT_FOUND", written), "{command:?}");
    }
    play.assert_sound();
}

/// A key older than the keys that are kept may have been applied and pruned: it was once called unseen, and burned,
/// while its effect stood.
#[test]
fn keys_older_than_those_kept_are_refused_also_as_the_one_to_be_abandoned() {
    let mut settings = coalition();
    settings.key_retention_days = 30;
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    let old = play.request(id("A"), issue(10));
    play.now = START.plus_days(30).plus_seconds(1);
    assert_eq!(play.execute(&old).result.unwrap_err().reason(), "REQUEST_TOO_OLD");
    let undo = Command::AbandonRequest(AbandonRequest::of(old.request_id.unwrap()));
    assert_eq!(play.ask("A", undo).unwrap_err().reason(), "REQUEST_TOO_OLD");
    play.now = START.plus_days(30);
    assert!(play.execute(&old).result.is_ok(), "a key of exactly the age that is kept");
}

/// The answer to an abandoning is kept as long as its own key is, not as long as the key that it names.
#[test]
fn an_abandoning_that_comes_again_gets_its_answer_although_the_key_it_names_is_too_old_by_now() {
    let mut settings = coalition();
    settings.key_retention_days = 30;
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    let old = play.request(id("A"), issue(10));
    play.now = START.plus_days(20);
    let undo = play.request(id("A"), Command::AbandonRequest(AbandonRequest::of(old.request_id.unwrap())));
    let first = play.execute(&undo);
    play.now = START.plus_days(40);
    let again = play.execute(&undo);
    assert_eq!((again.result, again.replayed), (first.result, true));
}

/// In Berlin 30 days over the change of the clocks are an hour shorter than 30 times 24 hours.
#[test]
fn keys_are_kept_for_days_of_the_calendar() {
    let mut settings = coalition();
    settings.key_retention_days = 30;
    settings.time_zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    let moment = |text: &str| text.parse::<Timestamp>().unwrap();
    play.now = moment("2026-03-10T12:00:00Z");
    let request = play.request(id("A"), issue(10));
    play.now = moment("2026-04-09T11:00:01Z");
    assert_eq!(play.execute(&request).result.unwrap_err().reason(), "REQUEST_TOO_OLD");
    play.now = moment("2026-04-09T11:00:00Z");
    assert!(play.execute(&request).result.is_ok(), "13:00 in Berlin, as 30 days before");
}

/// A till whose clock runs ahead made ids that would have outlived the time for which ids are kept.
#[test]
fn an_id_made_more_than_300_seconds_ahead_is_refused_until_its_time_is_near_and_nothing_is_kept_of_it() {
    let mut play = play();
    let now = play.now;
    for (ahead, fits) in [(300, true), (301, false), (250 * 86_400, false)] {
        let mut request = play.request(id("A"), issue(10));
        request.request_id = Some(request_id(now.plus_seconds(ahead), 77));
        let written = play.journal.len();
        let answer = play.execute(&request);
        assert_eq!(answer.result.is_ok(), fits, "{ahead}");
        if !fits {
            let refused = answer.result.unwrap_err();
            assert_eq!((refused.reason(), refused.recorded(), refused.transient()), ("REQUEST_TOO_NEW", false, true));
            assert_eq!(play.journal.len(), written);
            // Neither is it burned by another request.
            let named = Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap()));
            assert_eq!(play.refused("A", named), "REQUEST_TOO_NEW");
        }
        play.now = now.plus_seconds(ahead - 300);
        assert_eq!(play.execute(&request).replayed, fits, "taken once its time is near");
        // What the house has gets its answer, should its own clock fall back.
        play.now = now;
        assert!(play.execute(&request).replayed);
        let named = Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap()));
        assert!(play.ask("A", named).is_ok());
    }
    play.assert_sound();
}

/// In a sandbox the house's clock stands still; its clients' clocks do not.
#[test]
fn ids_may_be_as_new_as_the_clients_clocks_where_the_house_stands_still() {
    let mut play = play();
    play.book.clients_time = Some(play.now.plus_days(300));
    for (ahead, fits) in [(300 * 86_400 + 300, true), (300 * 86_400 + 301, false)] {
        let mut request = play.request(id("A"), issue(10));
        request.request_id = Some(request_id(play.now.plus_seconds(ahead), 77));
        assert_eq!(play.execute(&request).result.is_ok(), fits, "{ahead}");
    }
}

/// Whether the till says the same or something else under it: the id has no effect any more.
#[test]
fn a_burned_or_undone_id_that_comes_again_with_any_content_was_abandoned() {
    let mut play = play();
    let burned = play.request(id("A"), issue(10));
    abandon(&mut play, "A", burned.request_id.unwrap());
    let undone = play.request(id("A"), issue(10));
    play.execute(&undone).result.unwrap();
    abandon(&mut play, "A", undone.request_id.unwrap());
    for mut request in [burned, undone] {
        assert_eq!(play.execute(&request).result.unwrap_err().reason(), "REQUEST_ABANDONED");
        request.command = issue(11);
        assert_eq!(play.execute(&request).result.unwrap_err().reason(), "REQUEST_ABANDONED");
        // A time out of range, too, comes after it.
        request.origin.business_time = Some(START.plus_days(9));
        assert_eq!(play.execute(&request).result.unwrap_err().reason(), "REQUEST_ABANDONED");
    }
    let mut taken = play.request(id("A"), issue(10));
    play.execute(&taken).result.unwrap();
    taken.origin.business_time = Some(START.plus_days(9));
    assert_eq!(play.execute(&taken).result.unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
    play.assert_sound();
}

#[test]
fn the_same_key_with_other_content_is_a_conflict_and_another_partners_is_another_key() {
    let mut play = play();
    let first = play.request(id("A"), issue(100));
    let accepted = play.execute(&first).result.unwrap();
    let mut other = first.clone();
    other.command = issue(101);
    assert_eq!(play.execute(&other).result.unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
    let mut refused = play.request(id("C"), redeem(1000));
    assert_eq!(play.execute(&refused).result.unwrap_err().reason(), "INSUFFICIENT_POINTS");
    refused.command = redeem(1);
    assert_eq!(play.execute(&refused).result.unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
    let mut another_till = first.clone();
    another_till.origin.device_counter = Some(1);
    assert_eq!(play.execute(&another_till).result.unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
    let mut of_b = first.clone();
    of_b.caller = id("B");
    assert!(!play.execute(&of_b).replayed);
    let mut again = first;
    again.fresh_member = MemberId(77);
    let again = play.execute(&again);
    assert!(again.replayed);
    assert_eq!(again.result.unwrap(), accepted);
}

#[test]
fn a_malformed_request_is_not_recorded() {
    let mut play = play();
    let mut request = play.request(id("A"), issue(0));
    assert_eq!(play.execute(&request).result.unwrap_err().reason(), "INVALID_ARGUMENT");
    request.command = issue(1);
    assert!(play.execute(&request).result.is_ok());
    let mut version_4 = play.request(id("A"), issue(1));
    version_4.request_id = Some(RequestId(0x4 << 76 | 0b10 << 62));
    assert_eq!(play.execute(&version_4).result.unwrap_err().reason(), "INVALID_ARGUMENT");
}

#[test]
fn a_tills_own_time_may_not_be_old_or_ahead() {
    let mut settings = coalition();
    settings.business_time_age_days = 10;
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    let now = START.plus_days(100);
    play.now = now;
    for (time, fits) in [
        (now, true),
        (now.plus_seconds(300), true),
        (now.plus_seconds(301), false),
        (now.plus_days(-10), true),
        (Timestamp(now.plus_days(-10).0 - 1), false),
    ] {
        let mut request = play.request(id("A"), issue(1));
        request.origin.business_time = Some(time);
        let answer = play.execute(&request);
        assert_eq!(answer.result.is_ok(), fits, "{time}");
        if !fits {
            assert_eq!(answer.result.unwrap_err().reason(), "TIME_OUT_OF_RANGE");
            play.now = time;
            assert!(play.execute(&request).replayed, "a recorded rejection");
            play.now = now;
        }
    }
    for (date, fits) in
        [("2026-04-11", true), ("2026-04-12", true), ("2026-04-13", false), ("2026-03-31", true), ("2026-03-30", false)]
    {
        let mut request = play.request(id("A"), issue(1));
        request.origin.business_date = Some(date.parse().unwrap());
        assert_eq!(play.execute(&request).result.is_ok(), fits, "{date}");
    }
}

#[test]
fn an_expiry_named_by_an_issue_lies_in_the_future() {
    let mut play = play();
    for (expires, fits) in [(START, false), (Timestamp(START.0 + 1), true)] {
        let earn = Earn { expires: Some(expires), ..Earn::points(Points(1)) };
        let command = Command::IssuePoints(IssuePoints { member: member_ref("M"), earn });
        assert_eq!(play.ask("A", command).is_ok(), fits, "{expires}");
    }
}

/// Partners that issued and spent absurd amounts in turn once made the sum of gross obligations overflow, which was a panic of
/// the writer and not a rejection of the request.
#[test]
fn more_money_than_one_operation_may_move_is_refused_and_the_window_still_closes() {
    let mut play = play();
    let points = 100_000_000_000;
    for round in 0..12 {
        let (issuer, acceptor) = if round % 2 == 0 { ("A", "C") } else { ("C", "A") };
        for (caller, command) in [(issuer, issue(points)), (acceptor, redeem(points))] {
            play.ask(caller, command).unwrap();
        }
    }
    // A point costs 100 units here.
    let fits = clearing_core::book::sums::OPERATION_MONEY_MAX / 100;
    play.ask("B", issue(fits)).unwrap();
    let too_much = play.ask("B", issue(fits + 1)).unwrap_err();
    let Rejection::Overflow { what, maximum } = &too_much else { panic!("{too_much}") };
    assert_eq!((what.as_str(), *maximum), ("the money of one operation", 1 << 44));
    assert_eq!(audit::check(&play.book), vec![]);
    play.operator(clearing_core::rules::close::CloseWindow { expected: None }.into()).unwrap();
    let settlement = play.book.windows[&1].settlement.clone().unwrap();
    assert!(settlement.proof.holds());
    assert!(settlement.gross > Money::ZERO);
    assert_eq!(request_id(START, 1).made_at(), Some(START));
}
