//! Points that wait: for their issuer's payment (funding F), for a later activation; and points that end with inactivity.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::coalition::Recovery;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::order::{OrderMode, OrderParty};
use clearing_core::facts::terms::{ExpiryPolicy, Funding, Price, Terms, TermsDraft};
use clearing_core::rules::care::ReinstatePoints;
use clearing_core::rules::issue::Earn;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::settlement::{AbortSettlement, ExportOrders};
use clearing_core::units::{Money, Points, Timestamp};
use house::{Play, START, brands, coalition, house, id, issue, mixed, sums, terms};

/// A under F at a price of 1.10 for a value of 1.00; B under P; C under R; reimbursements of 0.90.
fn spread() -> Play {
    let r = Terms { reimbursement: Money(90), ..terms(Funding::AtRedemption) };
    let f = Terms { price: Money(110), funding: Funding::OnPayment, ..r.clone() };
    let p = Terms { funding: Funding::AtIssue, ..r.clone() };
    let mut settings = coalition();
    settings.default_terms.reimbursement = Money(90);
    Play::new(house(settings, &[("A", f), ("B", p), ("C", r)]))
}

fn activating(points: i64, activates: Timestamp) -> Earn {
    Earn { activates: Some(activates), ..Earn::points(Points(points)) }
}

#[test]
fn points_under_f_are_pending_until_their_issuers_leg_is_paid() {
    let mut play = spread();
    let issue = play.issue("A", "M", 100);
    assert_eq!(play.points_from(0, &["M"]), sums(&[("pending:M", 100), ("issuer:A", -100)]));
    assert_eq!(play.money(), sums(&[("position:A", -11_000), ("unfunded", 11_000)]));
    assert_eq!(play.redeem("B", "M", 1).unwrap_err().reason(), "INSUFFICIENT_POINTS");
    let window = play.close();
    play.confirm(window);
    assert_eq!(play.redeem("B", "M", 1).unwrap_err().reason(), "INSUFFICIENT_POINTS");
    let written = play.journal.len();
    play.now = START.plus_days(1);
    play.pay(window, "A").unwrap();
    assert_eq!(play.kinds_from(written), ["payment", "fund", "move_funds"]);
    let settled = [("bank:pool", -11_000), ("pool", 10_000), ("position:operator", 1000)];
    assert_eq!(play.money(), sums(&settled), "the money moves at once");
    assert_eq!(play.pending("M"), 100, "the points follow as due work");
    play.now = START.plus_days(2);
    let written = play.journal.len();
    play.redeem("B", "M", 40).unwrap();
    assert_eq!(play.kinds_from(written), ["activate", "redeem"]);
    assert_eq!(play.journal[written].1.time, START.plus_days(1), "as of the payment");
    assert_eq!(play.journal[written].1.link, Some(issue));
    let money = [("bank:pool", -11_000), ("pool", 6000), ("position:B", 3600), ("position:operator", 1400)];
    assert_eq!(play.money(), sums(&money), "from then on as under P");
    play.assert_sound();
}

#[test]
fn points_whose_issuer_has_no_leg_are_paid_for_at_the_confirmation() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("B", "N", 100);
    play.issue("A", "M", 100);
    play.redeem("A", "N", 100).unwrap();
    let window = play.close();
    assert!(!play.book.windows[&window].settlement.as_ref().unwrap().legs.contains_key(&id("A")));
    assert!(!play.wrote(EntryKind::Fund));
    play.confirm(window);
    play.run_due();
    assert_eq!((play.pending("M"), play.available("M")), (0, 100));
    play.assert_sound();
}

#[test]
fn points_of_a_settlement_without_legs_are_paid_for_at_the_confirmation() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    let first = play.issue("A", "M", 100);
    play.issue("A", "N", 20);
    play.reverse("A", first, 100).unwrap();
    // The 20 of N are balanced by what A accepts.
    play.issue("B", "O", 20);
    play.redeem("A", "O", 20).unwrap();
    play.issue("A", "P", 5);
    let reversed = play.issue("A", "P", 5);
    play.reverse("A", reversed, 5).unwrap();
    let window = play.close();
    play.confirm(window);
    play.settle();
    assert_eq!(play.pending("M"), 0);
    play.assert_sound();
}

#[test]
fn points_whose_issuer_has_a_credit_leg_are_paid_for_when_it_is_paid_out() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("B", "N", 300);
    play.redeem("A", "N", 300).unwrap();
    play.issue("A", "M", 100);
    let window = play.close();
    play.confirm(window);
    play.pay(window, "B").unwrap();
    assert!(!play.wrote(EntryKind::Fund));
    play.pay(window, "A").unwrap();
    play.run_due();
    assert_eq!(play.available("M"), 100);
    play.assert_sound();
}

#[test]
fn a_leg_of_several_pairwise_orders_pays_for_the_points_with_the_last() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", 100);
    play.settle();
    play.issue("A", "M", 50);
    // A owes the funds 50, and B and C what they took.
    play.issue("operator", "N", 30);
    play.redeem("B", "N", 10).unwrap();
    play.redeem("C", "N", 20).unwrap();
    let window = play.close();
    play.confirm(window);
    play.operator(Command::ExportOrders(ExportOrders { window, mode: OrderMode::Pairwise, replace: false })).unwrap();
    let orders = play.book.windows[&window].settlement.as_ref().unwrap().orders.clone();
    let of_a = |order: &&clearing_core::facts::order::Order| order.payer == OrderParty::of(id("A"));
    let last = orders.iter().rfind(of_a).unwrap().clone();
    for order in &orders {
        assert!(!play.book.is_due(play.member("M"), play.now));
        let payment = Payment::Pair { payer: order.payer, payee: order.payee };
        play.operator(Command::ConfirmPayment(ConfirmPayment::of(window, payment))).unwrap();
        if *order == last {
            break;
        }
    }
    play.run_due();
    assert_eq!(play.available("M"), 150);
    play.assert_sound();
}

#[test]
fn points_of_a_carried_leg_wait_for_the_settlement_that_pays_it() {
    let mut settings = coalition();
    settings.settlement_threshold = Money(5000);
    let mut play = Play::new(house(settings, &[("A", terms(Funding::OnPayment)), ("B", terms(Funding::AtIssue))]));
    play.issue("A", "M", 30);
    let window = play.close();
    play.confirm(window);
    for leg in play.book.windows[&window].settlement.clone().unwrap().legs.keys() {
        play.pay(window, leg.as_str()).unwrap();
    }
    play.run_due();
    assert_eq!(play.pending("M"), 30, "the leg of 30.00 was carried");
    play.issue("A", "N", 40);
    play.settle();
    assert_eq!((play.available("M"), play.available("N")), (30, 40), "the leg of 70.00 paid for both");
    play.assert_sound();
}

#[test]
fn points_of_an_aborted_settlement_wait_for_that_of_the_window_open_then() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", 30);
    let window = play.close();
    play.confirm(window);
    play.close();
    play.operator(Command::AbortSettlement(AbortSettlement { window })).unwrap();
    play.confirm(2);
    play.run_due();
    assert_eq!(play.pending("M"), 30, "window 2 has nothing to do with them");
    play.settle();
    assert_eq!(play.available("M"), 30);
    play.assert_sound();
}

#[test]
fn a_reversal_before_the_payment_takes_pending_points_and_unfunded_money() {
    let mut play = spread();
    let issue = play.issue("A", "M", 100);
    let window = play.close();
    play.confirm(window);
    let written = play.journal.len();
    let done = play.reverse("A", issue, 30).unwrap();
    assert_eq!((done.taken_back.0, done.debt.0), (30, 0));
    assert_eq!(play.points_from(written, &["M"]), sums(&[("pending:M", -30), ("issuer:A", 30)]));
    assert_eq!(play.money_from(written), sums(&[("unfunded", -3300), ("position:A", 3300)]));
    play.pay(window, "A").unwrap();
    play.run_due();
    assert_eq!(play.available("M"), 70);
    let money = [("bank:pool", -11_000), ("pool", 7000), ("position:A", 3300), ("position:operator", 700)];
    assert_eq!(play.money(), sums(&money));
    play.assert_sound();
}

#[test]
fn a_reversal_after_the_payment_takes_money_from_the_pool_whether_or_not_the_points_were_released() {
    for released in [true, false] {
        let mut play = spread();
        let issue = play.issue("A", "M", 100);
        let window = play.close();
        play.confirm(window);
        play.pay(window, "A").unwrap();
        if released {
            play.run_due();
        }
        let written = play.journal.len();
        // The member's own command finds its due work done.
        play.reverse("A", issue, 30).unwrap();
        let money = sums(&[("pool", -3000), ("position:A", 3300), ("position:operator", -300)]);
        assert_eq!(play.money_from(written), money);
        assert_eq!(play.available("M"), 70);
        play.assert_sound();
    }
}

#[test]
fn paid_points_that_wait_for_their_activation_are_backed_and_reversed_like_prepaid_ones() {
    let mut play = spread();
    let issue = play.earn("A", "M", activating(100, START.plus_days(10)));
    play.settle();
    assert_eq!((play.pending("M"), play.available("M")), (100, 0), "paid, and not active yet");
    assert!(!play.book.is_due(play.member("M"), play.now), "nothing can be done before the activation");
    let written = play.journal.len();
    play.reverse("A", issue, 30).unwrap();
    assert_eq!(play.points_from(written, &["M"]), sums(&[("pending:M", -30), ("issuer:A", 30)]));
    let money = sums(&[("pool", -3000), ("position:A", 3300), ("position:operator", -300)]);
    assert_eq!(play.money_from(written), money);
    play.wait_until(START.plus_days(10));
    assert_eq!(play.available("M"), 70);
    play.assert_sound();
}

#[test]
fn a_group_of_terms_that_was_reversed_wholly_does_not_stop_the_others() {
    let mut play = spread();
    let first = play.issue("A", "M", 10);
    let higher = Some(Price::new("1.20".parse().unwrap()).unwrap());
    play.set_terms("A", TermsDraft { price: higher, ..TermsDraft::default() });
    play.issue("A", "M", 10);
    play.reverse("A", first, 10).unwrap();
    play.settle();
    assert_eq!(play.available("M"), 10);
    play.assert_sound();
}

#[test]
fn pending_points_do_not_expire_before_they_are_released() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue_until("A", "M", 100, START.plus_days(5));
    play.wait_until(START.plus_days(9));
    assert_eq!(play.pending("M"), 100);
    let written = play.journal.len();
    play.settle();
    let kinds = ["close", "confirm_settlement", "payment", "fund", "move_funds", "activate", "expire"];
    assert_eq!(play.kinds_from(written), kinds);
    assert!(play.journal[written..].iter().all(|(_, entry)| entry.time == START.plus_days(9)));
    play.assert_sound();
}

#[test]
fn points_with_a_later_activation_wait_and_their_money_does_not() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtIssue, Funding::AtRedemption);
    let activates = START.plus_days(3);
    play.earn("B", "M", activating(50, activates));
    play.earn("A", "M", activating(20, activates));
    assert_eq!(play.money(), sums(&[("position:B", -5000), ("pool", 5000)]));
    play.now = Timestamp(activates.0 - 1);
    assert_eq!(play.redeem("C", "M", 1).unwrap_err().reason(), "INSUFFICIENT_POINTS");
    play.now = activates;
    let written = play.journal.len();
    play.redeem("C", "M", 70).unwrap();
    assert_eq!(play.kinds_from(written), ["activate", "activate", "redeem"]);
    play.assert_sound();
}

#[test]
fn an_activation_that_is_not_later_is_none() {
    let mut play = brands(Funding::AtIssue);
    play.earn("A", "M", activating(5, START));
    assert_eq!((play.available("M"), play.pending("M")), (5, 0));
    play.assert_sound();
}

#[test]
fn points_under_f_with_a_later_activation_wait_for_both() {
    for (days_to_payment, days_to_activation) in [(2, 5), (5, 2)] {
        let mut play = brands(Funding::OnPayment);
        play.earn("A", "M", activating(10, START.plus_days(days_to_activation)));
        play.wait_until(START.plus_days(2));
        if days_to_payment == 2 {
            play.settle();
        }
        assert_eq!(play.available("M"), 0);
        play.wait_until(START.plus_days(5));
        if days_to_payment == 5 {
            play.settle();
        }
        assert_eq!(play.available("M"), 10);
        let released = play.journal.iter().find(|(_, entry)| entry.kind == EntryKind::Activate).unwrap();
        assert_eq!(released.1.time, START.plus_days(5));
        play.assert_sound();
    }
}

#[test]
fn at_one_moment_activations_come_first_then_lapses_then_expiries() {
    let mut play = brands(Funding::AtIssue);
    let moment = START.plus_days(3);
    play.issue_until("A", "M", 10, moment);
    play.issue_until("B", "M", 10, START.plus_days(30));
    play.ask("C", house::authorize("M", 15, moment)).unwrap();
    play.earn("A", "M", activating(7, moment));
    play.issue_until("A", "M", 3, moment);
    let written = play.journal.len();
    play.wait_until(START.plus_days(4));
    assert_eq!(play.kinds_from(written), ["activate", "lapse", "expire", "expire"]);
    let expired: Vec<_> = play.journal[written + 2..].iter().map(|(id, _)| play.parts(*id)[0].1).collect();
    assert_eq!(expired, [-10, -3], "in the order of the journal");
    play.assert_sound();
}

fn inactive(days: u16) -> Play {
    let ends = Terms { expiry: ExpiryPolicy::InactiveDays(days), ..terms(Funding::AtIssue) };
    let own = terms(Funding::AtIssue);
    Play::new(house(coalition(), &[("A", ends), ("B", own.clone()), ("C", own)]))
}

fn expiries(play: &Play) -> usize {
    play.journal.iter().filter(|(_, entry)| entry.kind == EntryKind::Expire).count()
}

#[test]
fn points_that_end_with_inactivity_live_on_with_every_issue_and_redemption() {
    let mut play = inactive(30);
    let first = play.issue("A", "M", 10);
    let stored = play.lot_of(first).clone();
    play.now = START.plus_days(29);
    play.issue("B", "M", 1);
    play.now = START.plus_days(58);
    let redemption = play.redeem("C", "M", 1).unwrap();
    assert_eq!(play.parts(redemption), [("A".to_owned(), -1)], "30 days from now come before never");
    play.now = START.plus_days(87);
    let hold = play.authorize("C", "M", 2).unwrap();
    assert_eq!(play.lot_of(first).expires, stored.expires, "no lot is rewritten");
    play.wait_until(Timestamp(START.plus_days(88).0 - 1));
    assert_eq!(play.available("M"), 8);
    play.wait_until(START.plus_days(88));
    assert_eq!((play.available("M"), play.held("M")), (1, 2), "a hold is no activity, and what it holds does not end");
    play.capture("C", hold, 2).unwrap();
    assert_eq!(expiries(&play), 1);
    play.assert_sound();
}

#[test]
fn points_that_end_with_inactivity_stand_in_the_order_where_they_end_at_the_moment() {
    let mut play = inactive(30);
    play.issue("A", "M", 10);
    play.issue_until("B", "M", 10, START.plus_days(31));
    let taken = play.redeem("C", "M", 1).unwrap();
    assert_eq!(play.parts(taken), [("A".to_owned(), -1)]);
    play.now = START.plus_days(2);
    play.issue("B", "M", 1);
    let taken = play.redeem("C", "M", 1).unwrap();
    assert_eq!(play.parts(taken), [("B".to_owned(), -1)], "activity moved them behind");
    play.assert_sound();
}

#[test]
fn inactivity_ends_points_at_its_moment_and_a_return_gives_them_days_of_grace() {
    let mut play = inactive(30);
    play.issue("A", "M", 10);
    let redemption = play.redeem("C", "M", 4).unwrap();
    play.now = START.plus_days(30);
    assert_eq!(play.redeem("C", "M", 1).unwrap_err().reason(), "INSUFFICIENT_POINTS");
    play.give_back("C", redemption, 4).unwrap();
    assert_eq!(play.available("M"), 4);
    play.wait_until(START.plus_days(44));
    assert_eq!(play.available("M"), 0);
    play.assert_sound();
}

/// A member that never earned nor redeemed was taken to be inactive since 1970, and lost what it was given at once.
#[test]
fn points_that_end_with_inactivity_survive_their_transfer() {
    for known in [true, false] {
        let mut play = inactive(30);
        if known {
            play.issue("C", "N", 5);
            play.now = START.plus_days(200);
        }
        play.issue("A", "M", 10);
        let day = play.now;
        play.now = day.plus_days(20);
        play.transfer("B", "M", "N", 10).unwrap();
        let others = if known { 5 } else { 0 };
        play.wait_until(Timestamp(day.plus_days(30).0 - 1));
        assert_eq!(play.available("N"), 10 + others);
        play.wait_until(day.plus_days(30));
        assert_eq!(play.available("N"), others, "as if the giver had kept them");
        play.assert_sound();
    }
}

/// Whoever was given a point that ends with inactivity was once taken to be as active as its giver, and so his own points
/// lived longer; and those he was given lived on with whatever he did.
#[test]
fn giving_points_away_saves_neither_them_nor_the_receivers_own() {
    let mut play = inactive(30);
    play.issue("A", "N", 10);
    play.now = START.plus_days(20);
    play.issue("A", "M", 10);
    play.now = START.plus_days(25);
    play.transfer("B", "M", "N", 10).unwrap();
    let given = play.book.lots.values().find(|lot| lot.origin.is_some()).unwrap();
    assert_eq!(given.expires, START.plus_days(50), "the end that it had with its giver, for good");
    play.wait_until(START.plus_days(30));
    assert_eq!(play.available("N"), 10, "to be given points is no activity");
    play.now = START.plus_days(45);
    play.issue("B", "N", 1);
    play.redeem("C", "N", 1).unwrap();
    play.wait_until(START.plus_days(50));
    assert_eq!(play.available("N"), 1, "nor does any save what was given");
    assert_eq!(play.owed("N"), 0);
    play.assert_sound();
}

/// A lot that had ended while it was held lived on after its release, as long as the member had been active meanwhile.
#[test]
fn what_has_ended_with_inactivity_while_it_was_held_ends_when_it_comes_back() {
    for capture in [true, false] {
        let mut play = inactive(30);
        play.issue("A", "M", 10);
        let lapses = START.plus_days(100);
        let hold = play.ask("C", house::authorize("M", 10, lapses)).unwrap().entries[0];
        play.now = START.plus_days(40);
        play.issue("A", "M", 5);
        assert_eq!(play.available("M"), 5);
        if capture {
            play.capture("C", hold, 4).unwrap();
        } else {
            play.void("C", hold).unwrap();
        }
        assert_eq!((play.available("M"), play.held("M"), expiries(&play)), (5, 0, 1), "captured: {capture}");
        play.wait_until(START.plus_days(69));
        assert_eq!(play.available("M"), 5, "those that were given after it go on");
        play.wait_until(START.plus_days(70));
        assert_eq!(play.available("M"), 0);
        play.assert_sound();
    }
}

/// The capture is activity itself; what it releases had ended before it.
#[test]
fn a_capture_does_not_revive_what_it_releases() {
    let mut play = inactive(30);
    play.issue("A", "M", 10);
    let hold = play.ask("C", house::authorize("M", 10, START.plus_days(100))).unwrap().entries[0];
    play.now = START.plus_days(30);
    play.capture("C", hold, 4).unwrap();
    assert_eq!((play.available("M"), expiries(&play)), (0, 1));
    play.assert_sound();
}

/// What came back into a lot that had ended was saved for good by any activity in between; now it has its days of grace.
#[test]
fn what_comes_back_into_a_lot_that_has_ended_gets_its_grace_whatever_happened_since() {
    let mut play = inactive(30);
    play.issue("A", "M", 10);
    let redemption = play.redeem("C", "M", 10).unwrap();
    play.now = START.plus_days(40);
    play.issue("B", "M", 1);
    play.now = START.plus_days(45);
    play.give_back("C", redemption, 10).unwrap();
    assert_eq!(play.available("M"), 11);
    play.now = START.plus_days(58);
    play.issue("B", "M", 1);
    play.wait_until(START.plus_days(59));
    assert_eq!(play.available("M"), 2);
    play.assert_sound();
}

/// Due work is bounded, and the command that it comes before is activity: what was due and not yet done stays due.
#[test]
fn more_lots_than_due_work_ends_at_once_are_not_revived_by_the_command_behind_it() {
    let mut play = inactive(30);
    for _ in 0..2_100 {
        play.issue("A", "M", 1);
    }
    play.now = START.plus_days(30);
    play.issue("A", "M", 5);
    assert_eq!(expiries(&play), 2_048, "before it and after it");
    assert_eq!(play.redeem("C", "M", 6).unwrap_err().reason(), "INSUFFICIENT_POINTS");
    assert_eq!((play.available("M"), expiries(&play)), (5, 2_100));
    assert!(
        play.journal
            .iter()
            .filter(|(_, entry)| entry.kind == EntryKind::Expire)
            .all(|(_, entry)| entry.time == play.now)
    );
    play.assert_sound();
}

/// Points given again to a member that had lost them for its inactivity were lost again in the same breath.
#[test]
fn a_reinstatement_is_activity() {
    let mut play = inactive(30);
    play.issue("A", "M", 10);
    play.wait_until(START.plus_days(40));
    assert_eq!(play.available("M"), 0);
    play.consent("A", "operator", None);
    play.ask("operator", reinstate("M", "A", 10)).unwrap();
    assert_eq!(play.available("M"), 10);
    play.wait_until(START.plus_days(70));
    assert_eq!(play.available("M"), 0);
    play.assert_sound();
}

fn reinstate(member: &str, funder: &str, points: i64) -> Command {
    Command::ReinstatePoints(ReinstatePoints {
        member: house::member_ref(member),
        funder: id(funder),
        points: Points(points),
        expires: None,
        reason: clearing_core::facts::origin::Code::new("goodwill").unwrap(),
    })
}

/// The bound of due work once fell between the points that came and the debt that they had to pay.
#[test]
fn debts_are_paid_also_when_due_work_reaches_its_bound() {
    let mut settings = coalition();
    settings.recovery = Recovery::Own;
    let own = terms(Funding::AtRedemption);
    let mut play = Play::new(house(settings, &[("A", own.clone()), ("B", own)]));
    let gone = play.issue("A", "M", 2000);
    play.redeem("A", "M", 2000).unwrap();
    play.issue_until("B", "M", 1, Timestamp(START.0 + 1));
    let activates = START.plus_days(1);
    for _ in 0..512 {
        play.earn("A", "M", activating(1, activates));
    }
    play.reverse("A", gone, 2000).unwrap();
    // 1,024 pieces: an expiry, 511 activations and recoveries, and one activation more.
    play.wait_until(activates);
    assert_eq!((play.available("M"), play.owed("M")), (0, 2000 - 512));
    play.assert_sound();
}

#[test]
fn an_issue_to_a_pending_lot_counts_for_limits_and_outstanding_points_at_once() {
    let mut play = brands(Funding::OnPayment);
    let limits = clearing_core::facts::limits::Limits { outstanding_points: Some(Points(10)), ..Default::default() };
    play.set_limits("A", limits);
    play.issue("A", "M", 10);
    assert_eq!(play.refused("A", issue("M", 1)), "LIMIT_EXCEEDED");
    play.assert_sound();
}
