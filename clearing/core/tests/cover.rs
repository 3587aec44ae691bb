//! What stands behind net debit caps, what partners are charged by themselves, and the house's own accounts.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::BTreeMap;

use clearing_core::chart::BankPurpose;
use clearing_core::command::Command;
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::origin::Code;
use clearing_core::facts::security::{Guarantee, Security};
use clearing_core::facts::terms::Funding;
use clearing_core::facts::window::{FundShare, SettlementState};
use clearing_core::rejection::Rejection;
use clearing_core::rules::charge_schedule::SetCharges;
use clearing_core::rules::charges::BookBankFee;
use clearing_core::rules::cover::CoverDefault;
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::CreatePartner;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::security::SetCover;
use clearing_core::rules::settlement::{AbortSettlement, ExportOrders};
use clearing_core::units::{Money, Timestamp};
use house::{Play, coalition, house, id, sums, terms};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn deposit(account: &str, amount: i64) -> Command {
    Deposit { fund: account.parse().unwrap(), amount: Money(amount) }.into()
}

fn withdraw(account: &str, amount: i64) -> Command {
    WithdrawFunds { fund: account.parse().unwrap(), amount: Money(amount) }.into()
}

/// Three brands where caps need cover; A has 20.00 of collateral, a guarantee of 50.00 and a line of 10.00, and a cap of 80.00.
fn covered() -> Play {
    let mut settings = coalition();
    settings.caps_need_cover = true;
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(settings, &[("A", all.clone()), ("B", all.clone()), ("C", all)]));
    play.operator(deposit("collateral:A", 2_000)).unwrap();
    play.operator(set_cover(5_000, 1_000)).unwrap();
    play.operator(set_cap(Some(8_000))).unwrap();
    play
}

/// Of A: a guarantee until 2026-06-01, and a line.
fn set_cover(guaranteed: i64, unsecured: i64) -> Command {
    let guarantee =
        Guarantee { reference: "BG-1".to_owned(), amount: Money(guaranteed), ends: time("2026-06-01T00:00:00Z") };
    let security = Security { unsecured: Money(unsecured), guarantees: vec![guarantee] };
    SetCover { partner: id("A"), security }.into()
}

fn set_cap(cap: Option<i64>) -> Command {
    let limits = Limits { net_debit_cap: cap.map(Money), ..Limits::default() };
    SetLimits { partner: id("A"), limits }.into()
}

#[test]
fn where_caps_need_cover_none_stands_above_it() {
    let mut play = covered();
    let refused = play.operator(set_cap(Some(8_001))).unwrap_err();
    let expected = Rejection::CoverInsufficient {
        partner: "A".to_owned(),
        cap: Some("80.01".to_owned()),
        cover: "80.00".to_owned(),
    };
    assert_eq!(refused, expected);
    // No cap has no end.
    assert_eq!(play.refused("operator", set_cap(None)), "COVER_INSUFFICIENT");
    // Nor is less cover left than the cap.
    assert_eq!(play.refused("operator", set_cover(4_999, 1_000)), "COVER_INSUFFICIENT");
    assert_eq!(play.refused("operator", set_cover(5_000, 999)), "COVER_INSUFFICIENT");
    assert_eq!(play.refused("operator", withdraw("collateral:A", 1)), "COVER_INSUFFICIENT");
    play.operator(set_cap(Some(7_000))).unwrap();
    assert_eq!(play.refused("operator", withdraw("collateral:A", 1_001)), "COVER_INSUFFICIENT");
    play.operator(withdraw("collateral:A", 1_000)).unwrap();
    assert_eq!(play.refused("operator", withdraw("collateral:A", 1_001)), "FUND_INSUFFICIENT");
    play.assert_sound();
}

#[test]
fn more_cover_is_taken_also_where_a_default_has_left_less_than_the_cap() {
    let mut play = covered();
    play.operator(deposit("reserve", 1_000)).unwrap();
    play.issue("A", "M", 30);
    play.redeem("B", "M", 30).unwrap();
    let window = play.close();
    play.confirm(window);
    play.operator(CoverDefault { window, partner: id("A") }.into()).unwrap();
    assert_eq!(play.book.cover_of(id("A"), play.now), [0, 5_000, 1_000]);
    assert_eq!(play.refused("operator", set_cover(4_999, 1_000)), "COVER_INSUFFICIENT");
    play.operator(set_cover(5_500, 1_000)).unwrap();
    assert_eq!(play.refused("operator", set_cover(5_499, 1_000)), "COVER_INSUFFICIENT");
    play.assert_sound();
}

#[test]
fn a_new_partner_has_no_cover_yet() {
    let mut play = covered();
    let create = |cap: Option<i64>| -> Command {
        CreatePartner {
            partner: id("D"),
            display_name: String::new(),
            terms: clearing_core::facts::terms::TermsDraft::default(),
            state: clearing_core::facts::partner::PartnerState::Active,
            limits: Limits { net_debit_cap: cap.map(Money), ..Limits::default() },
            no_default_limits: false,
        }
        .into()
    };
    assert_eq!(play.refused("operator", create(None)), "COVER_INSUFFICIENT");
    assert_eq!(play.refused("operator", create(Some(1))), "COVER_INSUFFICIENT");
    play.operator(create(Some(0))).unwrap();
    play.assert_sound();
}

#[test]
fn a_guarantee_that_ends_lowers_the_cap_to_what_is_left_as_of_that_time() {
    let mut play = covered();
    play.wait_until(time("2026-05-31T23:59:59Z"));
    assert_eq!(play.book.house.partners[&id("A")].limits.net_debit_cap, Some(Money(8_000)));
    play.wait_until(time("2026-06-03T00:00:00Z"));
    assert_eq!(play.book.house.partners[&id("A")].limits.net_debit_cap, Some(Money(3_000)));
    let (_, entry) = play.journal.last().unwrap();
    assert_eq!((entry.kind, entry.time), (EntryKind::SetLimits, time("2026-06-01T00:00:00Z")));
    // Once.
    let written = play.journal.len();
    play.wait_until(time("2026-07-01T00:00:00Z"));
    assert_eq!(play.journal.len(), written);
    assert_eq!(play.refused("operator", set_cap(Some(3_001))), "COVER_INSUFFICIENT");
    play.assert_sound();
}

#[test]
fn cover_is_told_in_its_parts_and_exposure_is_what_is_owed_without_what_is_paid_ahead() {
    let mut play = covered();
    assert_eq!(play.book.cover_of(id("A"), play.now), [2_000, 5_000, 1_000]);
    assert_eq!(play.book.cover_of(id("A"), time("2026-06-01T00:00:00Z")), [2_000, 0, 1_000]);
    play.issue("A", "M", 30);
    play.redeem("B", "M", 30).unwrap();
    play.close();
    play.issue("A", "M", 10);
    play.redeem("B", "M", 10).unwrap();
    let owed = play.book.exposure_of(id("A"));
    play.operator(deposit("advance:A", 700)).unwrap();
    assert_eq!((owed, play.book.exposure_of(id("A"))), (4_000, 3_300));
    assert_eq!(play.book.exposure_of(id("B")), 0);
}

// Charges by schedule.

fn monthly(amount: i64, first: &str) -> ScheduledCharge {
    ScheduledCharge {
        reason: Code::word("licence").unwrap(),
        amount: Money(amount),
        every: Every::Month,
        first: first.parse().unwrap(),
        last: None,
    }
}

fn set_charges(charges: Vec<ScheduledCharge>) -> Command {
    SetCharges { partner: id("A"), charges }.into()
}

/// When A was charged, and how much.
fn charged(play: &Play) -> Vec<(String, i64)> {
    let charges = play.journal.iter().filter(|(_, entry)| entry.kind == EntryKind::Charge);
    let charge = |entry: &clearing_core::facts::entry::Entry| {
        let amount = entry.money.iter().map(|posting| posting.amount.0).max().unwrap();
        (entry.time.to_string(), amount)
    };
    charges.map(|(_, entry)| charge(entry)).collect()
}

#[test]
fn a_charge_by_schedule_is_posted_once_for_each_period_as_of_its_first_moment() {
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(coalition(), &[("A", all.clone()), ("B", all.clone()), ("C", all)]));
    play.operator(set_charges(vec![monthly(500, "2026-01-31")])).unwrap();
    play.wait_until(time("2026-04-10T12:00:00Z"));
    let days = |days: &[&str]| -> Vec<(String, i64)> {
        days.iter().map(|day| (time(&format!("{day}T00:00:00Z")).to_string(), 500)).collect()
    };
    let begun = play.journal[0].1.time;
    let due: Vec<&str> = ["2026-01-31", "2026-02-28", "2026-03-31"]
        .into_iter()
        .filter(|day| time(&format!("{day}T23:59:59Z")) > begun)
        .collect();
    assert_eq!(charged(&play), days(&due));
    // Nothing is charged for what began before it was set, nor twice for one reason.
    play.operator(set_charges(vec![monthly(700, "2026-02-10")])).unwrap();
    play.wait_until(time("2026-04-11T00:00:00Z"));
    let written = charged(&play).len();
    assert_eq!(charged(&play).last().unwrap(), &(time("2026-04-10T00:00:00Z").to_string(), 700));
    play.operator(set_charges(vec![monthly(900, "2026-04-10")])).unwrap();
    play.wait_until(time("2026-04-30T00:00:00Z"));
    assert_eq!(charged(&play).len(), written);
    play.operator(set_charges(Vec::new())).unwrap();
    play.wait_until(time("2027-04-30T00:00:00Z"));
    assert_eq!(charged(&play).len(), written);
    play.assert_sound();
}

#[test]
fn charges_that_cannot_be_told_apart_or_never_come_are_refused() {
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(coalition(), &[("A", all.clone()), ("B", all)]));
    let twice = vec![monthly(500, "2026-01-31"), monthly(600, "2026-02-01")];
    assert_eq!(play.refused("operator", set_charges(twice)), "INVALID_ARGUMENT");
    let over = ScheduledCharge { last: Some("2026-01-01".parse().unwrap()), ..monthly(500, "2026-01-31") };
    assert_eq!(play.refused("operator", set_charges(vec![over])), "INVALID_ARGUMENT");
    let of_nobody = SetCharges { partner: id("nobody"), charges: Vec::new() };
    assert_eq!(play.refused("operator", of_nobody.into()), "NOT_FOUND");
}

// Own accounts.

/// A and B prepay what they issue; C accepts. Pay-outs wait for the money.
fn prepaid() -> Play {
    let mut settings = coalition();
    settings.pay_outs_wait = true;
    let (prepaid, accepts) = (terms(Funding::AtIssue), terms(Funding::AtRedemption));
    Play::new(house(settings, &[("A", prepaid.clone()), ("B", prepaid), ("C", accepts)]))
}

fn bank(play: &Play) -> BTreeMap<String, i64> {
    play.money().into_iter().filter(|(account, _)| account.starts_with("bank:")).collect()
}

#[test]
fn what_the_pool_gains_moves_when_all_is_paid_and_what_it_loses_moves_at_the_confirmation() {
    let mut play = prepaid();
    play.issue("A", "M", 100);
    let first = play.close();
    play.confirm(first);
    assert_eq!(bank(&play), sums(&[]));
    let written = play.journal.len();
    play.pay(first, "A").unwrap();
    assert_eq!(play.kinds_from(written), ["payment", "move_funds"]);
    assert_eq!(bank(&play), sums(&[("bank:pool", -10_000)]));

    play.redeem("C", "M", 60).unwrap();
    let second = play.close();
    let written = play.journal.len();
    play.confirm(second);
    assert_eq!(play.kinds_from(written), ["confirm_settlement", "move_funds"]);
    assert_eq!(bank(&play)["bank:pool"], -4_000);
    let legs: Vec<String> = play.book.windows[&second]
        .settlement
        .as_ref()
        .unwrap()
        .legs
        .keys()
        .map(|partner| partner.to_string())
        .collect();
    for partner in legs {
        play.pay(second, &partner).unwrap();
    }
    assert_eq!(bank(&play), sums(&[("bank:pool", -4_000)]));
    assert_eq!(play.money()["pool"], 4_000);
    play.assert_sound();
}

#[test]
fn no_more_leaves_a_fund_than_its_account_holds_and_what_is_missing_keeps_pay_outs_in() {
    let mut play = prepaid();
    play.issue("A", "M", 100);
    let first = play.close();
    play.confirm(first);
    play.redeem("C", "M", 60).unwrap();
    let second = play.close();
    play.confirm(second);
    // A has not paid for its points, so the pool's account holds nothing.
    let share = play.book.windows[&second].settlement.as_ref().unwrap().funds[&BankPurpose::Pool];
    assert_eq!(share, FundShare { change: Money(-6_000), moved: Money::ZERO });
    let hub = ExportOrders { window: second, mode: OrderMode::Hub, replace: false };
    play.operator(hub.clone().into()).unwrap();
    let released = |play: &Play| {
        let orders = &play.book.windows[&second].settlement.as_ref().unwrap().orders;
        orders.iter().filter(|order| order.is_pay_out()).all(|order| order.released)
    };
    assert!(!released(&play));
    play.pay(first, "A").unwrap();
    assert_eq!(bank(&play), sums(&[("bank:pool", -10_000)]));
    // The next look at the second window finds it there.
    play.operator(hub.into()).unwrap();
    assert_eq!(bank(&play), sums(&[("bank:pool", -4_000), ("bank:settlement", -6_000)]));
    assert!(released(&play));
    play.assert_sound();
}

#[test]
fn an_abort_moves_back_what_was_moved_and_the_next_close_moves_it_again() {
    let mut play = prepaid();
    play.issue("A", "M", 100);
    let first = play.close();
    play.confirm(first);
    play.pay(first, "A").unwrap();
    play.redeem("C", "M", 60).unwrap();
    let second = play.close();
    let before = play.money();
    play.confirm(second);
    assert_ne!(bank(&play), sums(&[("bank:pool", -10_000)]));
    play.operator(AbortSettlement { window: second }.into()).unwrap();
    assert_eq!(bank(&play), sums(&[("bank:pool", -10_000)]));
    let in_legs = before.keys().filter(|account| account.starts_with("settle:")).count();
    assert!(in_legs > 0 && play.money().keys().all(|account| !account.starts_with("settle:")));
    let third = play.close();
    play.confirm(third);
    assert_eq!(bank(&play), sums(&[("bank:pool", -4_000), ("bank:settlement", -6_000)]));
    play.assert_sound();
}

#[test]
fn what_cancelled_points_paid_was_neither_gained_nor_is_it_lost_later() {
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::OnPayment)), ("B", all.clone()), ("C", all)]));
    play.issue("A", "M", 100);
    let window = play.close();
    play.confirm(window);
    play.operator(CoverDefault { window, partner: id("A") }.into()).unwrap();
    play.run_due();
    assert_eq!(bank(&play), sums(&[]));
    let next = play.close();
    assert_eq!(play.book.windows[&next].settlement.as_ref().unwrap().funds, BTreeMap::new());
    play.assert_sound();
}

#[test]
fn a_fee_of_the_pools_own_account_is_the_operators_and_comes_back_to_it() {
    let mut play = prepaid();
    play.issue("A", "M", 100);
    let first = play.close();
    play.confirm(first);
    play.pay(first, "A").unwrap();
    let line =
        clearing_core::facts::money::BankKey { account: String::new(), booked: None, reference: "F1".to_owned() };
    let fee = BookBankFee { account: BankPurpose::Pool, amount: Money(90), interest: false, line };
    play.operator(fee.into()).unwrap();
    assert_eq!(bank(&play), sums(&[("bank:pool", -9_910)]));
    let second = play.close();
    play.confirm(second);
    play.operator(ConfirmPayment::of(second, Payment::Hub(id("operator"))).into()).unwrap();
    assert_eq!(bank(&play), sums(&[("bank:pool", -10_000)]));
    play.assert_sound();
}

/// The pool's account was empty when its loss was to leave it; later money is not of that settlement.
#[test]
fn nothing_of_a_settled_settlement_moves_when_its_orders_are_asked_for_again() {
    let (prepaid, accepts) = (terms(Funding::AtIssue), terms(Funding::AtRedemption));
    let mut play = Play::new(house(coalition(), &[("A", prepaid), ("B", accepts)]));
    play.issue("A", "M", 100);
    let first = play.close();
    play.confirm(first);
    play.redeem("B", "M", 60).unwrap();
    let second = play.close();
    play.confirm(second);
    play.pay(second, "B").unwrap();
    let state = play.book.windows[&second].settlement.as_ref().unwrap().state;
    assert_eq!(state, SettlementState::Settled);
    play.pay(first, "A").unwrap();
    let (settled, held) = (play.book.windows[&second].clone(), bank(&play));
    play.operator(ExportOrders { window: second, mode: OrderMode::Hub, replace: false }.into()).unwrap();
    assert_eq!((&play.book.windows[&second].settlement, bank(&play)), (&settled.settlement, held));
    play.assert_sound();
}
