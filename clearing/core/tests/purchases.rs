//! Purchases: spending and earning of one receipt, their return in parts, and receipts that are booked once.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Accepted, MemberReply, Reply, Reversed};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::{Funding, Terms, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::issue::Earn;
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::units::{EntryId, Money, Points, Timestamp};
use house::{
    Play, START, authorize, brands, coalition, house, id, issue, member_ref, purchase, rate, redeem, sums, terms,
};

fn figures(accepted: &Accepted) -> MemberReply {
    match &accepted.reply {
        Reply::Member(reply) => reply.clone(),
        other @ (Reply::Abandoned(_) | Reply::House(_)) => panic!("{other:?}"),
    }
}

fn returned(redemption: Option<EntryId>, issue: Option<EntryId>, amount: i64, total: i64) -> Command {
    Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount: Money(amount), total: Money(total) })
}

/// A request of a till for a receipt.
fn on_receipt(play: &mut Play, partner: &str, command: Command, number: &str, line: Option<u32>) -> Request {
    let mut request = play.request(id(partner), command);
    request.origin = Origin {
        store: Some(Code::new("s1").unwrap()),
        till: Some(Code::new("t1").unwrap()),
        receipt_number: Some(Code::new(number).unwrap()),
        receipt_line: line,
        ..Origin::default()
    };
    request
}

fn book(
    play: &mut Play,
    partner: &str,
    command: Command,
    number: &str,
    line: Option<u32>,
) -> Result<EntryId, Rejection> {
    let request = on_receipt(play, partner, command, number, line);
    play.execute(&request).result.map(|accepted| accepted.entries[0])
}

#[test]
fn a_purchase_spends_then_earns_in_two_entries() {
    for (funding, money) in [
        (Funding::AtRedemption, sums(&[("position:A", -5000), ("position:C", 4900), ("position:operator", 100)])),
        (Funding::AtIssue, sums(&[("pool", -4500), ("position:C", 4400), ("position:operator", 100)])),
    ] {
        let mut play = brands(funding);
        play.issue("A", "M", 60);
        let written = play.journal.len();
        let accepted = play.ask("C", purchase("M", 50, 5)).unwrap();
        assert_eq!(play.kinds_from(written), ["redeem", "issue"]);
        assert_eq!(play.money_from(written), money);
        let points = [("member:M", -45), ("issuer:A", 50), ("issuer:C", -5)];
        assert_eq!(play.points_from(written, &["M"]), sums(&points));
        let reply = figures(&accepted);
        assert_eq!((reply.available.0, reply.returnable.0), (15, 50));
        play.assert_sound();
    }
}

#[test]
fn what_is_earned_is_not_spent_in_the_same_purchase() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 10);
    assert_eq!(play.refused("C", purchase("M", 11, 100)), "INSUFFICIENT_POINTS");
    play.assert_sound();
}

#[test]
fn a_rejected_earn_leaves_the_spend_undone_and_the_reverse() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 60);
    play.set_limits("C", Limits { points_per_entry: Some(Points(4)), ..Limits::default() });
    let (written, money) = (play.journal.len(), play.money());
    assert_eq!(play.refused("C", purchase("M", 50, 5)), "LIMIT_EXCEEDED");
    assert_eq!(play.refused("C", purchase("M", 61, 4)), "INSUFFICIENT_POINTS");
    assert_eq!((play.journal.len(), play.money(), play.available("M")), (written, money, 60));
    play.ask("C", purchase("M", 50, 4)).unwrap();
    play.assert_sound();
}

#[test]
fn of_two_reasons_the_first_in_the_published_order_is_given() {
    let mut play = brands(Funding::AtIssue);
    play.issue("A", "M", 10);
    play.set_limits("C", Limits { points_per_entry: Some(Points(4)), ..Limits::default() });
    assert_eq!(play.refused("C", purchase("M", 11, 5)), "LIMIT_EXCEEDED", "before INSUFFICIENT_POINTS");
    play.set_cap("C", 0);
    assert_eq!(play.refused("C", purchase("M", 11, 5)), "INSUFFICIENT_POINTS", "before NET_DEBIT_CAP");
    assert_eq!(play.refused("C", purchase("N", 11, 5)), "NOT_FOUND");
    // Times come before partners, whoever looks first.
    play.set_state("C", PartnerState::Restricted);
    let past = Earn { expires: Some(START), ..Earn::points(Points(5)) };
    let command = Command::PostPurchase(PostPurchase { member: member_ref("M"), spend: None, earn: Some(past) });
    assert_eq!(play.refused("C", command), "TIME_OUT_OF_RANGE", "before PARTNER_RESTRICTED");
    play.assert_sound();
}

#[test]
fn what_is_spent_makes_room_for_what_is_earned() {
    let mut play = brands(Funding::AtIssue);
    play.issue("C", "M", 50);
    let limits = Limits { outstanding_points: Some(Points(50)), net_debit_cap: Some(Money(5000)), ..Limits::default() };
    play.set_limits("C", limits);
    assert_eq!(play.refused("C", issue("M", 10)), "LIMIT_EXCEEDED");
    play.ask("C", purchase("M", 10, 10)).unwrap();
    assert_eq!(play.refused("C", purchase("M", 10, 11)), "LIMIT_EXCEEDED");
    play.assert_sound();
}

/// What a hold had reserved of the funder's headroom is free when its capture pays.
#[test]
fn the_headroom_that_a_hold_reserved_is_not_counted_twice_when_it_is_captured_and_earned_on() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    play.set_cap("A", 10_000);
    play.consent("A", "C", None);
    let hold = play.authorize("C", "M", 50).unwrap();
    play.set_terms("A", TermsDraft { funding: Some(Funding::AtIssue), ..TermsDraft::default() });
    let earn = |points| Earn { funders: vec![(id("A"), 1)], ..Earn::points(Points(points)) };
    let ask = |points| {
        Command::PostPurchase(PostPurchase {
            member: member_ref("M"),
            spend: Some(Spend::Capture { hold, points: Points(50) }),
            earn: Some(earn(points)),
        })
    };
    assert_eq!(play.refused("C", ask(51)), "NET_DEBIT_CAP");
    play.ask("C", ask(50)).unwrap();
    assert_eq!(play.book.headroom(id("A")), Some(0));
    play.assert_sound();
}

#[test]
fn a_purchase_may_capture_a_hold_of_its_member_only() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    play.issue("A", "N", 50);
    let hold = play.authorize("C", "M", 20).unwrap();
    let capture = |member: &str, points: i64| {
        Command::PostPurchase(PostPurchase {
            member: member_ref(member),
            spend: Some(Spend::Capture { hold, points: Points(points) }),
            earn: Some(Earn::points(Points(1))),
        })
    };
    assert_eq!(play.refused("C", capture("N", 20)), "NOT_FOUND");
    assert_eq!(play.refused("B", capture("M", 20)), "NOT_FOUND");
    assert_eq!(play.refused("C", capture("M", 21)), "CAPTURE_EXCEEDS_HOLD");
    let written = play.journal.len();
    play.ask("C", capture("M", 20)).unwrap();
    assert_eq!(play.kinds_from(written), ["capture", "issue"]);
    assert_eq!(play.refused("C", capture("M", 20)), "HOLD_NOT_OPEN");
    play.assert_sound();
}

#[test]
fn a_purchase_enrols_only_a_member_that_spends_nothing() {
    let mut play = brands(Funding::AtRedemption);
    assert_eq!(play.refused("C", purchase("M", 1, 10)), "NOT_FOUND");
    play.ask("C", purchase("M", 0, 10)).unwrap();
    play.ask("C", purchase("M", 10, 0)).unwrap();
    assert_eq!(play.available("M"), 0);
    let neither = purchase("M", 0, 0);
    assert_eq!(play.refused("C", neither), "INVALID_ARGUMENT");
    play.assert_sound();
}

/// 50 spent and 7 earned on a receipt of 10.00, given back by 3.33, 3.33 and 3.34.
#[test]
fn a_purchase_returned_in_parts_adds_up_on_both_sides() {
    for funding in [Funding::AtRedemption, Funding::AtIssue] {
        let mut play = brands(funding);
        play.issue("A", "M", 100);
        let before = (play.money(), play.available("M"));
        let entries = play.ask("C", purchase("M", 50, 7)).unwrap().entries;
        let (spent, earned) = (Some(entries[0]), Some(entries[1]));
        let mut shares = Vec::new();
        for amount in [333, 333, 334] {
            let written = play.journal.len();
            let reply = figures(&play.ask("C", returned(spent, earned, amount, 1000)).unwrap());
            assert_eq!(play.kinds_from(written), ["return", "reverse"]);
            shares.push((play.parts(play.journal[written].0)[0].1, reply.reversed.unwrap().taken_back.0));
        }
        assert_eq!(shares, [(17, 2), (16, 3), (17, 2)], "half up of 16.65, 33.3, 50 and of 2.33, 4.66, 7");
        assert_eq!((play.money(), play.available("M")), before, "{funding:?}");
        assert_eq!(play.refused("C", returned(spent, earned, 1, 1000)), "RETURN_EXCEEDS_REDEMPTION");
        play.assert_sound();
    }
}

/// A share that rounds to nothing was once accepted beyond the total, again and again.
/// Parts of two totals do not add up to either: too much or too little came back.
#[test]
fn a_return_names_the_total_that_its_purchase_was_booked_with() {
    let mut play = brands(Funding::AtIssue);
    play.issue("A", "M", 100);
    let mut bought = play.request(id("C"), purchase("M", 40, 10));
    bought.origin.receipt_total = Some(Money(1000));
    let entries = play.execute(&bought).result.unwrap().entries;
    let (spent, earned) = (Some(entries[0]), Some(entries[1]));
    for (spent, earned, total) in [(spent, earned, 999), (spent, None, 1001), (None, earned, 2000)] {
        let refused = play.ask("C", returned(spent, earned, 500, total)).unwrap_err();
        let given = format!("{}.{:02}", total / 100, total % 100);
        assert_eq!(refused, Rejection::ReceiptTotalMismatch { booked: "10.00".to_owned(), given });
    }
    play.ask("C", returned(spent, earned, 600, 1000)).unwrap();
    // Of several reasons the first in the published order.
    assert_eq!(play.refused("C", returned(spent, earned, 500, 1000)), "RETURN_EXCEEDS_REDEMPTION");
    assert_eq!(play.refused("C", returned(spent, earned, 500, 1001)), "RETURN_EXCEEDS_REDEMPTION");
    assert_eq!(play.refused("C", returned(spent, earned, 400, 1001)), "RECEIPT_TOTAL_MISMATCH");
    play.reverse("C", entries[1], 4).unwrap();
    assert_eq!(play.refused("C", returned(spent, earned, 400, 1001)), "RECEIPT_TOTAL_MISMATCH", "then what is left");
    play.assert_sound();

    // Where none was booked the first return says it.
    let entries = play.ask("C", purchase("M", 40, 10)).unwrap().entries;
    let (spent, earned) = (Some(entries[0]), Some(entries[1]));
    play.ask("C", returned(spent, earned, 500, 1000)).unwrap();
    assert_eq!(play.refused("C", returned(spent, earned, 500, 1001)), "RECEIPT_TOTAL_MISMATCH");
    play.ask("C", returned(spent, earned, 500, 1000)).unwrap();
    play.assert_sound();
}

#[test]
fn no_more_than_the_total_of_a_purchase_is_returned() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    let entries = play.ask("C", purchase("M", 1, 1)).unwrap().entries;
    play.ask("C", returned(Some(entries[0]), Some(entries[1]), 1000, 1000)).unwrap();
    let refused = play.refused("C", returned(Some(entries[0]), Some(entries[1]), 1, 1000));
    assert_eq!(refused, "RETURN_EXCEEDS_REDEMPTION");
    let earned = play.ask("C", purchase("M", 0, 1)).unwrap().entries[0];
    play.ask("C", returned(None, Some(earned), 999, 1000)).unwrap();
    assert_eq!(play.refused("C", returned(None, Some(earned), 2, 1000)), "REVERSAL_EXCEEDS_ISSUE");
    play.ask("C", returned(None, Some(earned), 1, 1000)).unwrap();
    play.assert_sound();
}

#[test]
fn points_earned_and_spent_since_are_a_debt_that_the_returned_ones_pay() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    let entries = play.ask("C", purchase("M", 50, 10)).unwrap().entries;
    play.redeem("B", "M", 10).unwrap();
    let written = play.journal.len();
    let command = returned(Some(entries[0]), Some(entries[1]), 1000, 1000);
    let reply = figures(&play.ask("C", command).unwrap());
    assert_eq!(play.kinds_from(written), ["return", "reverse", "recover"]);
    let debt = Reversed { taken_back: Points(0), written_off: Points(0), debt: Points(10) };
    assert_eq!(reply.reversed, Some(debt));
    assert_eq!((reply.available.0, reply.owed.0), (40, 0));
    play.assert_sound();
}

#[test]
fn nothing_of_a_purchase_is_returned_if_one_side_cannot_be() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    play.issue("A", "N", 50);
    let entries = play.ask("C", purchase("M", 50, 10)).unwrap().entries;
    let of_n = play.ask("C", purchase("N", 0, 10)).unwrap().entries[0];
    let (spent, earned) = (entries[0], entries[1]);
    let written = play.journal.len();
    assert_eq!(play.refused("C", returned(Some(spent), Some(of_n), 500, 1000)), "NOT_FOUND");
    assert_eq!(play.refused("B", returned(Some(spent), Some(earned), 500, 1000)), "NOT_FOUND");
    assert_eq!(play.refused("C", returned(Some(earned), Some(spent), 500, 1000)), "NOT_FOUND");
    assert_eq!(play.refused("C", returned(None, None, 500, 1000)), "INVALID_ARGUMENT");
    assert_eq!(play.refused("C", returned(Some(spent), None, 1001, 1000)), "INVALID_ARGUMENT");
    assert_eq!(play.refused("C", returned(Some(spent), None, 0, 1000)), "INVALID_ARGUMENT");
    assert_eq!(play.journal.len(), written);
    play.reverse("C", earned, 6).unwrap();
    assert_eq!(play.refused("C", returned(Some(spent), Some(earned), 500, 1000)), "REVERSAL_EXCEEDS_ISSUE");
    assert_eq!(play.available("M"), 4, "and no point of the redemption came back");
    play.ask("C", returned(Some(spent), Some(earned), 400, 1000)).unwrap();
    play.assert_sound();
}

#[test]
fn a_purchase_that_was_captured_is_returned_like_one_that_was_redeemed() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 50);
    let money = play.money();
    let hold = play.authorize("C", "M", 30).unwrap();
    let spend = Some(Spend::Capture { hold, points: Points(20) });
    let command =
        Command::PostPurchase(PostPurchase { member: member_ref("M"), spend, earn: Some(Earn::points(Points(4))) });
    let entries = play.ask("C", command).unwrap().entries;
    play.ask("C", returned(Some(entries[0]), Some(entries[1]), 1, 2)).unwrap();
    assert_eq!(play.available("M"), 42);
    play.ask("C", returned(Some(entries[0]), Some(entries[1]), 1, 2)).unwrap();
    assert_eq!((play.money(), play.available("M")), (money, 50));
    play.assert_sound();
}

#[test]
fn a_receipts_line_is_booked_once_on_each_side() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    book(&mut play, "C", issue("M", 1), "7", Some(1)).unwrap();
    let refused = book(&mut play, "C", issue("M", 2), "7", Some(1)).unwrap_err();
    assert_eq!(refused.reason(), "DUPLICATE_RECEIPT");
    book(&mut play, "C", issue("M", 1), "7", Some(2)).unwrap();
    book(&mut play, "C", issue("M", 1), "7", None).unwrap();
    assert_eq!(book(&mut play, "C", issue("M", 1), "7", Some(0)).unwrap_err().reason(), "DUPLICATE_RECEIPT");
    book(&mut play, "C", redeem("M", 1), "7", Some(1)).unwrap();
    assert_eq!(book(&mut play, "C", redeem("M", 2), "7", Some(1)).unwrap_err().reason(), "DUPLICATE_RECEIPT");
    let held = authorize("M", 1, START.plus_days(1));
    assert_eq!(book(&mut play, "C", held.clone(), "7", Some(1)).unwrap_err().reason(), "DUPLICATE_RECEIPT");
    book(&mut play, "C", held.clone(), "7", Some(3)).unwrap();
    assert_eq!(book(&mut play, "C", redeem("M", 2), "7", Some(3)).unwrap_err().reason(), "DUPLICATE_RECEIPT");
    // Another partner, number, or day is another receipt.
    book(&mut play, "B", issue("M", 1), "7", Some(1)).unwrap();
    book(&mut play, "C", issue("M", 1), "8", Some(1)).unwrap();
    play.now = START.plus_days(1);
    book(&mut play, "C", issue("M", 1), "7", Some(1)).unwrap();
    let mut dated = on_receipt(&mut play, "C", issue("M", 1), "7", Some(1));
    dated.origin.business_date = Some("2026-01-01".parse().unwrap());
    assert_eq!(play.execute(&dated).result.unwrap_err().reason(), "DUPLICATE_RECEIPT", "its own date counts");
    play.assert_sound();
}

#[test]
fn a_duplicate_names_the_entry_that_has_the_receipt_and_a_repeated_request_is_none() {
    let mut play = brands(Funding::AtRedemption);
    let request = on_receipt(&mut play, "C", issue("M", 1), "7", None);
    let entry = play.execute(&request).result.unwrap().entries[0];
    assert!(play.execute(&request).replayed);
    let refused = book(&mut play, "C", issue("M", 1), "7", None).unwrap_err();
    let receipt = "receipt 7 of 2026-01-01, store s1, till t1".to_owned();
    assert_eq!(refused, Rejection::DuplicateReceipt { receipt, entry: entry.to_string() });
}

#[test]
fn an_abandoned_booking_frees_its_receipt_and_an_abandoned_return_does_not() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    for command in [issue("M", 1), redeem("M", 1), authorize("M", 1, START.plus_days(1)), purchase("M", 1, 1)] {
        let request = on_receipt(&mut play, "C", command.clone(), "7", None);
        play.execute(&request).result.unwrap();
        assert_eq!(book(&mut play, "C", command.clone(), "7", None).unwrap_err().reason(), "DUPLICATE_RECEIPT");
        play.ask("C", Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap()))).unwrap();
        let again = on_receipt(&mut play, "C", command, "7", None);
        play.execute(&again).result.unwrap();
        play.ask("C", Command::AbandonRequest(AbandonRequest::of(again.request_id.unwrap()))).unwrap();
    }
    // Abandoning a return takes the points again: the redemption stands, and so does its receipt.
    let redemption = book(&mut play, "C", redeem("M", 10), "8", None).unwrap();
    let request = play.request(id("C"), Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(4) }));
    play.execute(&request).result.unwrap();
    play.ask("C", Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap()))).unwrap();
    assert_eq!(book(&mut play, "C", redeem("M", 10), "8", None).unwrap_err().reason(), "DUPLICATE_RECEIPT");
    play.assert_sound();
}

#[test]
fn points_pay_at_most_the_partners_share_of_a_receipt_over_all_its_lines() {
    // 30 % of a receipt, at 0.50 a point: 6 points of each 10.00.
    let share = Terms { receipt_share: rate("0.3"), tender_value: Money(50), ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", share)]));
    play.issue("A", "M", 100);
    let spend = |play: &mut Play, command: Command, line: u32, total: Option<i64>| {
        let mut request = on_receipt(play, "C", command, "7", Some(line));
        request.origin.receipt_total = total.map(Money);
        play.execute(&request).result
    };
    let refused = spend(&mut play, redeem("M", 7), 1, Some(1000)).unwrap_err();
    assert_eq!(refused, Rejection::ReceiptShareExceeded { asked: 7, maximum: 6 });
    spend(&mut play, redeem("M", 4), 1, Some(1000)).unwrap();
    let refused = spend(&mut play, redeem("M", 3), 2, Some(1000)).unwrap_err();
    assert_eq!(refused, Rejection::ReceiptShareExceeded { asked: 3, maximum: 2 });
    spend(&mut play, authorize("M", 1, START.plus_days(1)), 2, Some(1000)).unwrap();
    assert_eq!(spend(&mut play, redeem("M", 2), 3, Some(1000)).unwrap_err().reason(), "RECEIPT_SHARE_EXCEEDED");
    spend(&mut play, redeem("M", 1), 3, Some(1000)).unwrap();
    spend(&mut play, redeem("M", 50), 4, None).unwrap();
    play.assert_sound();
}

#[test]
fn a_member_that_earned_too_lately_cannot_spend_where_cooling_is_wanted() {
    let mut play = brands(Funding::AtRedemption);
    play.set_limits("C", Limits { cooling_seconds: Some(3600), ..Limits::default() });
    play.issue("A", "M", 100);
    play.now = Timestamp(START.plus_seconds(3600).0 - 1);
    assert_eq!(play.refused("C", redeem("M", 1)), "COOLING");
    assert_eq!(play.refused("C", authorize("M", 1, START.plus_days(1))), "COOLING");
    assert_eq!(play.refused("C", purchase("M", 1, 1)), "COOLING");
    let hold = play.authorize("B", "M", 1).unwrap();
    play.capture("B", hold, 1).unwrap();
    play.now = START.plus_seconds(3600);
    play.redeem("C", "M", 1).unwrap();
    play.assert_sound();
}
