//! Reversals of issues, the debts they leave and their recovery, with the figures of the acceptance scenarios.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::chart::PointsAccount;
use clearing_core::command::Command;
use clearing_core::facts::answer::Reversed;
use clearing_core::facts::coalition::Recovery;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::receipt::Receipt;
use clearing_core::facts::terms::{Breakage, Funding, Price, Terms, TermsDraft};
use clearing_core::rules::care::WriteOffDebt;
use clearing_core::rules::issue::Earn;
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::units::{EntryId, Money, Points, Timestamp};
use house::{Play, START, brands, coalition, house, id, issue, member_ref, mixed, rate, reverse, sums, terms};
use jiff::tz::TimeZone;

fn reversed(taken_back: i64, written_off: i64, debt: i64) -> Reversed {
    Reversed { taken_back: Points(taken_back), written_off: Points(written_off), debt: Points(debt) }
}

/// As [`brands`], with debts recovered from the creditor's own lots alone.
fn own_recovery(funding: Funding) -> Play {
    let mut play = brands(funding);
    let house = std::sync::Arc::make_mut(&mut play.book.house);
    house.coalition.recovery = Recovery::Own;
    play
}

/// Under F, lets what was issued so far be paid for.
fn pay_for(play: &mut Play, funding: Funding) {
    if funding == Funding::OnPayment {
        play.settle();
    }
}

/// S04: 70 of 100 were spent when the purchase came back.
#[test]
fn what_was_spent_of_a_reversed_issue_is_owed_and_recovered_from_what_comes() {
    for funding in Funding::ALL {
        let prepaid = funding != Funding::AtRedemption;
        let mut play = brands(funding);
        let a1 = play.issue_until("A", "N", 100, START.plus_days(365));
        pay_for(&mut play, funding);
        play.redeem("C", "N", 70).unwrap();
        let target = ReversalTarget::Entry(a1);
        let refuse = Command::ReverseIssue(ReverseIssue { target, points: Points(100), refuse_shortfall: true });
        assert_eq!(play.refused("A", refuse), "REVERSAL_SHORTFALL");
        assert_eq!(play.refused("A", reverse(a1, 101)), "REVERSAL_EXCEEDS_ISSUE");
        assert_eq!(play.refused("B", reverse(a1, 1)), "NOT_FOUND");

        let written = play.journal.len();
        assert_eq!(play.reverse("A", a1, 100).unwrap(), reversed(30, 0, 70));
        let points = [("member:N", -30), ("issuer:A", 30), ("debt:N", -70), ("recoverable:A", 70)];
        assert_eq!(play.points_from(written, &["N"]), sums(&points));
        let money = if prepaid { sums(&[("position:A", 3000), ("pool", -3000)]) } else { sums(&[]) };
        assert_eq!(play.money_from(written), money);
        assert_eq!(play.refused("A", reverse(a1, 1)), "REVERSAL_EXCEEDS_ISSUE");

        let written = play.journal.len();
        play.issue("B", "N", 50);
        pay_for(&mut play, funding);
        let kinds = play.kinds_from(written);
        assert_eq!((kinds.first(), kinds.last()), (Some(&"issue"), Some(&"recover")));
        assert_eq!(
            play.points_from(written, &["N"]),
            sums(
                &[("issuer:B", 0), ("debt:N", 50), ("recoverable:A", -50)]
                    .into_iter()
                    .filter(|(_, points)| *points != 0)
                    .collect::<Vec<_>>()
            )
        );
        if funding != Funding::OnPayment {
            assert_eq!(play.money_from(written), sums(&[("position:A", 5000), ("position:B", -5000)]));
        }
        assert_eq!(play.redeem("C", "N", 1).unwrap_err().reason(), "INSUFFICIENT_POINTS");

        let written = play.journal.len();
        play.issue("C", "N", 40);
        pay_for(&mut play, funding);
        assert_eq!((play.available("N"), play.owed("N")), (20, 0));
        match funding {
            Funding::AtRedemption => {
                assert_eq!(play.money_from(written), sums(&[("position:A", 2000), ("position:C", -2000)]));
            }
            Funding::AtIssue => {
                let money = [("position:A", 2000), ("position:C", -4000), ("pool", 2000)];
                assert_eq!(play.money_from(written), sums(&money));
            }
            Funding::OnPayment => {}
        }
        play.assert_sound();
    }
}

/// S04b: 30 of 100 were spent, 70 expired; the issuer gets back what it had prepaid, but for its share of the breakage.
#[test]
fn what_expired_of_a_reversed_issue_is_written_off_and_not_owed() {
    for funding in Funding::ALL {
        let prepaid = funding != Funding::AtRedemption;
        let mut play = brands(funding);
        let expires = START.plus_days(28);
        let a1 = play.issue_until("A", "N", 100, expires);
        pay_for(&mut play, funding);
        play.redeem("C", "N", 30).unwrap();
        play.wait_until(expires);
        let written = play.journal.len();
        assert_eq!(play.reverse("A", a1, 100).unwrap(), reversed(0, 70, 30));
        assert_eq!(play.points_from(written, &["N"]), sums(&[("debt:N", -30), ("recoverable:A", 30)]));
        let money = [("position:A", 5600), ("position:operator", -2100), ("reserve", -3500)];
        assert_eq!(play.money_from(written), if prepaid { sums(&money) } else { sums(&[]) });
        play.assert_sound();
    }
}

/// S04c: 20 left, 50 decayed, 30 spent; reversed by 60 and by 40; recovery from the creditor's own lots.
#[test]
fn a_partial_reversal_takes_what_is_there_then_what_is_lost_then_owes() {
    for funding in Funding::ALL {
        let prepaid = funding != Funding::AtRedemption;
        let mut play = own_recovery(funding);
        let a1 = play.issue_until("A", "N", 100, START.plus_days(120));
        pay_for(&mut play, funding);
        play.redeem("C", "N", 30).unwrap();
        let written = play.journal.len();
        play.decay("N", "0.715", "2026-02").unwrap();
        assert_eq!(play.points_from(written, &["N"]), sums(&[("member:N", -50), ("issuer:A", 50)]));
        let money = [("position:A", 1000), ("position:operator", 1500), ("pool", -5000), ("reserve", 2500)];
        assert_eq!(play.money_from(written), if prepaid { sums(&money) } else { sums(&[]) });

        let written = play.journal.len();
        assert_eq!(play.reverse("A", a1, 60).unwrap(), reversed(20, 40, 0));
        assert_eq!(play.points_from(written, &["N"]), sums(&[("member:N", -20), ("issuer:A", 20)]));
        let money = [("position:A", 5200), ("position:operator", -1200), ("pool", -2000), ("reserve", -2000)];
        assert_eq!(play.money_from(written), if prepaid { sums(&money) } else { sums(&[]) });

        let written = play.journal.len();
        assert_eq!(play.reverse("A", a1, 40).unwrap(), reversed(0, 10, 30));
        let money = [("position:A", 800), ("position:operator", -300), ("reserve", -500)];
        assert_eq!(play.money_from(written), if prepaid { sums(&money) } else { sums(&[]) });

        play.issue("B", "N", 50);
        pay_for(&mut play, funding);
        assert_eq!((play.available("N"), play.owed("N")), (50, 30), "B's points are not touched");
        play.issue("A", "N", 12);
        pay_for(&mut play, funding);
        assert_eq!((play.available("N"), play.owed("N")), (50, 18), "A's are");
        play.assert_sound();
    }
}

#[test]
fn the_spread_of_what_was_lost_comes_back_from_the_operator() {
    let spread = Terms { price: Money(110), ..terms(Funding::AtIssue) };
    let mut play = Play::new(house(coalition(), &[("A", spread)]));
    let issue = play.issue_until("A", "M", 7, START.plus_days(1));
    play.wait_until(START.plus_days(1));
    // Of 7.00 the reserve has 3.50, the operator 2.10, A 1.40; the operator has the spread of 0.70 as well.
    let written = play.journal.len();
    play.reverse("A", issue, 3).unwrap();
    let money = [("reserve", -150), ("position:operator", -90 - 30), ("position:A", 150 + 90 + 30)];
    assert_eq!(play.money_from(written), sums(&money));
    play.assert_sound();
}

#[test]
fn what_was_lost_is_split_by_largest_remainder_with_ties_for_the_reserve_then_the_operator() {
    let thirds = Breakage { reserve: rate("0.25"), operator: rate("0.25"), issuer: rate("0.5") };
    let odd = Terms {
        breakage: thirds,
        price: Money(1),
        value: Money(1),
        reimbursement: Money(1),
        ..terms(Funding::AtIssue)
    };
    let mut settings = coalition();
    settings.default_terms.reimbursement = Money(1);
    let mut play = Play::new(house(settings, &[("A", odd)]));
    let issue = play.issue_until("A", "M", 6, START.plus_days(1));
    play.wait_until(START.plus_days(1));
    // 6 into 1.5, 1.5, 3: the reserve is raised first.
    assert_eq!(play.money(), sums(&[("reserve", 2), ("position:operator", 1), ("position:A", -6 + 3)]));
    play.reverse("A", issue, 6).unwrap();
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

#[test]
fn points_that_are_held_become_a_debt_and_pay_it_when_they_are_released() {
    let mut play = brands(Funding::AtRedemption);
    let issue = play.issue("A", "M", 50);
    let hold = play.authorize("C", "M", 30).unwrap();
    assert_eq!(play.reverse("A", issue, 50).unwrap(), reversed(20, 0, 30));
    let written = play.journal.len();
    play.void("C", hold).unwrap();
    assert_eq!(play.kinds_from(written), ["void", "recover"]);
    assert_eq!((play.available("M"), play.owed("M"), play.money()), (0, 0, sums(&[])));
    play.assert_sound();
}

#[test]
fn points_that_are_released_pay_debts_after_those_of_an_expired_lot_are_gone() {
    let mut play = own_recovery(Funding::AtIssue);
    let spent = play.issue("A", "M", 20);
    play.redeem("B", "M", 20).unwrap();
    play.issue_until("A", "M", 5, START.plus_days(2));
    play.issue("A", "M", 5);
    play.authorize("C", "M", 10).unwrap();
    play.reverse("A", spent, 20).unwrap();
    let written = play.journal.len();
    play.wait_until(START.plus_days(10));
    assert_eq!(play.kinds_from(written), ["lapse", "expire", "recover"]);
    assert_eq!(play.owed("M"), 15);
    play.assert_sound();
}

#[test]
fn debts_are_paid_when_points_come_back_or_are_transferred() {
    let mut play = brands(Funding::AtRedemption);
    let gone = play.issue("A", "M", 30);
    let redemption = play.redeem("C", "M", 30).unwrap();
    play.reverse("A", gone, 30).unwrap();
    let written = play.journal.len();
    play.give_back("C", redemption, 10).unwrap();
    assert_eq!(play.kinds_from(written), ["return", "recover"]);
    play.issue("B", "N", 5);
    let written = play.journal.len();
    play.transfer("C", "N", "M", 5).unwrap();
    assert_eq!(play.kinds_from(written), ["transfer", "recover"]);
    assert_eq!((play.available("M"), play.owed("M")), (0, 15));
    play.assert_sound();
}

#[test]
fn the_oldest_debt_is_paid_first_and_a_debt_to_the_same_creditor_is_added_to_the_youngest() {
    let mut play = brands(Funding::AtRedemption);
    let of = |play: &mut Play, issuer: &str, points: i64| {
        let issue = play.issue(issuer, "M", points);
        play.redeem(issuer, "M", points).unwrap();
        issue
    };
    let issues: Vec<EntryId> = ["A", "A", "B", "A"].into_iter().map(|issuer| of(&mut play, issuer, 10)).collect();
    for (issuer, issue) in ["A", "A", "B", "A"].into_iter().zip(issues) {
        play.reverse(issuer, issue, 10).unwrap();
    }
    let debts = |play: &Play| -> Vec<(String, i64)> {
        let debts = &play.book.members[&play.member("M")].record.debts;
        debts.iter().map(|debt| (debt.creditor.to_string(), debt.points.0)).collect()
    };
    let owed =
        |debts: &[(&str, i64)]| debts.iter().map(|(name, points)| ((*name).to_owned(), *points)).collect::<Vec<_>>();
    assert_eq!(debts(&play), owed(&[("A", 20), ("B", 10), ("A", 10)]));
    play.issue("C", "M", 25);
    assert_eq!(debts(&play), owed(&[("B", 5), ("A", 10)]));
    play.issue("C", "M", 5);
    assert_eq!(debts(&play), owed(&[("A", 10)]));
    play.assert_sound();
}

#[test]
fn recovery_takes_lots_in_consumption_order_at_the_creditors_reimbursement() {
    let mut settings = coalition();
    settings.default_terms.reimbursement = Money(90);
    let at = |funding, reimbursement| Terms { reimbursement: Money(reimbursement), ..terms(funding) };
    let partners =
        [("A", at(Funding::AtRedemption, 80)), ("B", at(Funding::AtIssue, 90)), ("C", at(Funding::AtRedemption, 90))];
    let mut play = Play::new(house(settings, &partners));
    let gone = play.issue("A", "M", 30);
    play.redeem("A", "M", 30).unwrap();
    play.issue("C", "M", 10);
    play.issue_until("B", "M", 10, START.plus_days(9));
    let written = play.journal.len();
    play.reverse("A", gone, 15).unwrap();
    assert_eq!(play.kinds_from(written), ["reverse", "recover"]);
    let recovery = play.journal.last().unwrap().clone();
    assert_eq!(play.parts(recovery.0), [("B".to_owned(), -10), ("C".to_owned(), -5)]);
    let money = [("pool", -1000), ("position:C", -500), ("position:A", 15 * 80), ("position:operator", 15 * 20)];
    assert_eq!(play.money_from(written), sums(&money), "no fee");
    assert_eq!(play.book.gross[&(1, id("C"), id("A"))].amount, Money(400), "recoveries are obligations too");
    play.assert_sound();
}

#[test]
fn recovery_passes_over_lots_whose_issuers_headroom_is_used_up() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtRedemption, Funding::AtIssue);
    play.set_cap("B", 400);
    let gone = play.issue("A", "M", 30);
    play.redeem("A", "M", 30).unwrap();
    play.issue("B", "M", 10);
    play.issue("C", "M", 3);
    play.issue("A", "M", 2);
    play.reverse("A", gone, 30).unwrap();
    let recovery = play.journal.last().unwrap().0;
    let parts = [("B".to_owned(), -4), ("C".to_owned(), -3), ("A".to_owned(), -2)];
    assert_eq!(play.parts(recovery), parts);
    assert_eq!((play.book.headroom(id("B")), play.available("M"), play.owed("M")), (Some(0), 6, 21));
    play.assert_sound();
}

/// The headroom that B gets by what it accepts, or by a wider cap, gives the member nothing.
#[test]
fn what_gives_the_member_no_points_recovers_nothing_though_headroom_would_allow_it() {
    let mut play = mixed(Funding::AtIssue, Funding::AtRedemption, Funding::AtRedemption);
    play.set_cap("B", 0);
    let gone = play.issue("C", "M", 5);
    play.redeem("A", "M", 5).unwrap();
    play.issue("A", "M", 20);
    let hold = play.authorize("B", "M", 20).unwrap();
    play.issue("B", "M", 8);
    play.reverse("C", gone, 5).unwrap();
    assert_eq!((play.available("M"), play.owed("M")), (8, 5), "B's lot is passed over");
    let written = play.journal.len();
    play.capture("B", hold, 20).unwrap();
    assert!(play.book.headroom(id("B")) > Some(0));
    let later = play.now.plus_days(1);
    play.earn("A", "M", Earn { activates: Some(later), ..Earn::points(Points(2)) });
    assert_eq!(play.kinds_from(written), ["capture", "issue"]);
    play.wait_until(later);
    assert_eq!(play.kinds_from(written), ["capture", "issue", "activate", "recover"]);
    assert_eq!((play.available("M"), play.owed("M")), (5, 0));
    play.assert_sound();
}

#[test]
fn the_debts_of_a_joint_reversal_are_paid_in_the_order_of_its_funders() {
    let mut play = brands(Funding::AtRedemption);
    for funder in ["B", "C"] {
        play.consent(funder, "A", None);
    }
    let funders = vec![(id("C"), 1), (id("B"), 1)];
    let joint = play.earn("A", "M", Earn { funders, ..Earn::points(Points(20)) });
    play.redeem("A", "M", 20).unwrap();
    play.reverse("A", joint, 20).unwrap();
    let written = play.journal.len();
    play.issue("A", "M", 15);
    assert_eq!(play.kinds_from(written), ["issue", "recover", "recover"]);
    let points = [("debt:M", 15), ("recoverable:C", -10), ("recoverable:B", -5)];
    assert_eq!(play.points_from(written, &["M"]), sums(&points));
    play.assert_sound();
}

#[test]
fn a_joint_issue_is_reversed_by_what_is_not_yet_reversed_of_each_lot() {
    let mut play = brands(Funding::AtIssue);
    for funder in ["A", "B", "operator"] {
        play.consent(funder, "C", None);
    }
    let funders = vec![(id("B"), 1), (id("A"), 1), (id("operator"), 1)];
    let joint = play.earn("C", "M", Earn { funders, ..Earn::points(Points(10)) });
    assert_eq!(play.parts(joint), [("B".to_owned(), 4), ("A".to_owned(), 3), ("operator".to_owned(), 3)]);
    // 5 by 4:3:3 is 2, 1.5, 1.5: the tie goes to A, who was named before the operator.
    play.reverse("C", joint, 5).unwrap();
    let parts = |play: &Play| play.parts(play.journal.last().unwrap().0);
    let three = |b: i64, a: i64, operator: i64| {
        [("B", b), ("A", a), ("operator", operator)].map(|(name, points)| (name.to_owned(), points)).to_vec()
    };
    assert_eq!(parts(&play), three(-2, -2, -1));
    // 3 by what is left, 2:1:2, is 1.2, 0.6, 1.2.
    play.reverse("C", joint, 3).unwrap();
    assert_eq!(parts(&play), three(-1, -1, -1));
    assert_eq!(play.refused("C", reverse(joint, 3)), "REVERSAL_EXCEEDS_ISSUE");
    play.reverse("C", joint, 2).unwrap();
    assert_eq!((play.money(), play.available("M")), (sums(&[]), 0));
    assert_eq!(play.refused("A", reverse(joint, 1)), "NOT_FOUND", "only who asked for it reverses it");
    play.assert_sound();
}

fn on_receipt(play: &mut Play, command: Command, number: &str, line: u32) -> EntryId {
    let mut request = play.request(id("A"), command);
    request.origin =
        Origin { receipt_number: Some(Code::new(number).unwrap()), receipt_line: Some(line), ..Origin::default() };
    play.execute(&request).result.unwrap().entries[0]
}

fn receipt(number: &str) -> ReversalTarget {
    let (store, till, date) = (None, None, "2026-01-01".parse().unwrap());
    ReversalTarget::Receipt(Receipt { partner: id("A"), store, till, date, number: Code::new(number).unwrap() })
}

fn reverse_target(target: ReversalTarget, points: i64) -> Command {
    Command::ReverseIssue(ReverseIssue { target, points: Points(points), refuse_shortfall: false })
}

#[test]
fn a_reversal_by_receipt_finds_all_its_issues_the_newest_first() {
    let mut play = brands(Funding::AtIssue);
    play.issue("A", "M", 100);
    let first = on_receipt(&mut play, issue("M", 10), "7", 2);
    play.now = START.plus_seconds(60);
    let second = on_receipt(&mut play, issue("M", 20), "7", 1);
    let written = play.journal.len();
    play.ask("A", reverse_target(receipt("7"), 25)).unwrap();
    let links: Vec<_> = play.journal[written..].iter().map(|(_, entry)| entry.link).collect();
    assert_eq!(links, [Some(second), Some(first)]);
    assert_eq!((play.lot_of(second).available.0, play.lot_of(first).available.0), (0, 5));
    assert_eq!(play.refused("A", reverse_target(receipt("7"), 6)), "REVERSAL_EXCEEDS_ISSUE");
    assert_eq!(play.refused("A", reverse_target(receipt("8"), 1)), "NOT_FOUND");
    assert_eq!(play.refused("B", reverse_target(receipt("7"), 1)), "NOT_FOUND", "somebody else's receipt");
    play.assert_sound();
}

#[test]
fn a_receipt_of_two_members_is_reversed_for_the_one_that_earned_last() {
    let mut play = brands(Funding::AtIssue);
    on_receipt(&mut play, issue("M", 10), "7", 1);
    play.now = START.plus_seconds(60);
    on_receipt(&mut play, issue("N", 20), "7", 2);
    assert_eq!(play.refused("A", reverse_target(receipt("7"), 21)), "REVERSAL_EXCEEDS_ISSUE");
    play.ask("A", reverse_target(receipt("7"), 20)).unwrap();
    assert_eq!((play.available("M"), play.available("N")), (10, 0));
    play.assert_sound();
}

#[test]
fn a_reversal_without_a_receipt_takes_the_newest_lots_of_the_caller() {
    let mut play = brands(Funding::AtIssue);
    let first = play.issue("A", "M", 10);
    play.issue("B", "M", 10);
    let second = play.issue("A", "M", 10);
    play.issue("A", "N", 10);
    play.transfer("C", "N", "M", 10).unwrap();
    play.ask("A", reverse_target(ReversalTarget::Newest(member_ref("M")), 15)).unwrap();
    assert_eq!((play.lot_of(second).available.0, play.lot_of(first).available.0), (0, 5));
    let newest = reverse_target(ReversalTarget::Newest(member_ref("M")), 6);
    assert_eq!(play.refused("A", newest), "REVERSAL_EXCEEDS_ISSUE", "what was transferred to it is none of its issues");
    play.assert_sound();
}

#[test]
fn a_reversal_without_a_receipt_reverses_at_most_1024_issues() {
    let mut play = brands(Funding::AtIssue);
    for _ in 0..1025 {
        play.issue("A", "M", 1);
    }
    let newest = |points| reverse_target(ReversalTarget::Newest(member_ref("M")), points);
    let refused = play.ask("A", newest(1025)).unwrap_err();
    assert_eq!(refused.numbers()[1], ("reachable_points", "1024".to_owned()), "{refused}");
    play.ask("A", newest(1024)).unwrap();
    assert_eq!(play.available("M"), 1);
    play.assert_sound();
}

#[test]
fn an_issue_is_reversed_within_its_terms_return_period() {
    let mut play = brands(Funding::AtIssue);
    play.set_terms("A", TermsDraft { return_days: Some(Some(14)), ..TermsDraft::default() });
    let short = play.issue("A", "M", 10);
    play.set_terms("A", TermsDraft { return_days: Some(None), ..TermsDraft::default() });
    let long = play.issue("A", "M", 10);
    play.now = START.plus_days(14);
    play.reverse("A", short, 1).unwrap();
    play.now = Timestamp(play.now.0 + 1);
    assert_eq!(play.refused("A", reverse(short, 1)), "REVERSAL_TOO_LATE");
    assert_eq!(play.refused("A", reverse(short, 10)), "REVERSAL_EXCEEDS_ISSUE", "which comes before");
    play.reverse("A", long, 10).unwrap();
    play.assert_sound();
}

/// Days are those of the coalition's calendar: over the change to summer time one has 23 hours.
#[test]
fn days_of_grace_and_of_return_are_civil_days_in_the_coalitions_zone() {
    let mut settings = coalition();
    settings.time_zone = TimeZone::get("Europe/Berlin").unwrap();
    settings.grace_days = 1;
    let short = Terms { return_days: Some(1), ..terms(Funding::AtIssue) };
    let mut play = Play::new(house(settings, &[("A", short.clone()), ("C", short)]));
    play.now = "2026-03-28T12:00:00Z".parse().unwrap();
    let issue = play.issue_until("A", "M", 10, play.now.plus_seconds(60));
    let late = play.issue("A", "N", 10);
    let redemption = play.redeem("C", "M", 10).unwrap();
    play.now = play.now.plus_seconds(60);
    play.give_back("C", redemption, 10).unwrap();
    let end: Timestamp = "2026-03-29T11:01:00Z".parse().unwrap();
    assert_eq!(play.lot_of(issue).expires, end);
    play.now = "2026-03-29T11:00:00Z".parse().unwrap();
    play.reverse("A", late, 1).unwrap();
    play.now = Timestamp(play.now.0 + 1);
    assert_eq!(play.refused("A", reverse(late, 1)), "REVERSAL_TOO_LATE");
    play.assert_sound();
}

#[test]
fn an_issue_is_reversed_at_the_terms_of_its_lot() {
    let mut play = brands(Funding::AtIssue);
    let issue = play.issue("A", "M", 10);
    let price = |text: &str| Some(Price::new(text.parse().unwrap()).unwrap());
    let draft = TermsDraft { funding: Some(Funding::AtRedemption), price: price("1.50"), ..TermsDraft::default() };
    play.set_terms("A", draft);
    play.reverse("A", issue, 4).unwrap();
    assert_eq!(play.money(), sums(&[("position:A", -600), ("pool", 600)]));
    play.assert_sound();
}

#[test]
fn a_debt_can_be_given_up() {
    let mut play = brands(Funding::AtIssue);
    let gone = play.issue("A", "M", 30);
    play.redeem("C", "M", 30).unwrap();
    play.reverse("A", gone, 30).unwrap();
    let give_up = |creditor: &str, points: i64| {
        Command::WriteOffDebt(WriteOffDebt {
            member: member_ref("M"),
            creditor: id(creditor),
            points: Points(points),
            reason: Code::new("goodwill").unwrap(),
        })
    };
    assert_eq!(play.refused("operator", give_up("B", 1)), "NOT_FOUND");
    let written = play.journal.len();
    play.ask("operator", give_up("A", 10)).unwrap();
    assert_eq!(play.points_from(written, &["M"]), sums(&[("debt:M", 10), ("recoverable:A", -10)]));
    assert_eq!(play.money_from(written), sums(&[]));
    play.ask("operator", give_up("A", 100)).unwrap();
    assert_eq!(play.owed("M"), 0);
    assert_eq!(play.refused("operator", give_up("A", 1)), "NOT_FOUND");
    play.assert_sound();
}

#[test]
fn reversed_points_that_come_back_are_recovered_and_not_reversed_twice() {
    let mut play = brands(Funding::AtIssue);
    let issue = play.issue("A", "M", 30);
    let redemption = play.redeem("C", "M", 30).unwrap();
    play.reverse("A", issue, 30).unwrap();
    play.give_back("C", redemption, 30).unwrap();
    assert_eq!((play.available("M"), play.owed("M"), play.money()), (0, 0, sums(&[])));
    assert!(play.wrote(EntryKind::Recover));
    assert_eq!(play.refused("A", reverse(issue, 1)), "REVERSAL_EXCEEDS_ISSUE");
    play.assert_sound();
}

/// Points at their own issuer move no money, so nothing else stops absurd debts.
#[test]
fn debts_beyond_the_bound_of_a_sum_are_refused() {
    let mut play = brands(Funding::AtRedemption);
    let issue = play.issue("A", "M", 10);
    play.redeem("A", "M", 10).unwrap();
    // What no number of operations of a test brings together.
    play.book
        .points_balances
        .insert(PointsAccount::Recoverable(id("A")), Points(clearing_core::book::sums::SUM_MAX - 9));
    let written = play.journal.len();
    let refused = play.ask("A", reverse(issue, 10));
    assert_eq!(refused.unwrap_err().reason(), "OVERFLOW");
    assert_eq!(play.journal.len(), written);
    play.reverse("A", issue, 9).unwrap();
}
