//! Settlements that are given up, exported another way, repeated, or have nothing to settle.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::answer::{HouseReply, Reply};
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::terms::{Funding, Terms};
use clearing_core::facts::window::{SettlementState, WindowState};
use clearing_core::netting;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::units::{Money, PartnerId, Rate};
use house::{Play, coalition, house, id, terms};
use rust_decimal::Decimal;

/// Four decimals where the currency has two, fees that need rounding, a threshold of 5.00; A pays when its leg is paid, B prepays,
/// C and D pay when their points are spent.
fn uneven() -> Play {
    let mut settings = coalition();
    settings.scale = 4;
    settings.settlement_threshold = Money(50_000);
    let of = |funding| Terms { acceptance_fee: Rate::new(Decimal::new(15, 3)).unwrap(), ..terms(funding) };
    let [f, p, r] = [Funding::OnPayment, Funding::AtIssue, Funding::AtRedemption].map(of);
    settings.default_terms = r.clone();
    Play::new(house(settings, &[("A", f), ("B", p), ("C", r.clone()), ("D", r)]))
}

fn trade(play: &mut Play) {
    play.issue("A", "M", 30_000);
    play.issue("B", "N", 1_003);
    play.issue("C", "O", 9_011);
    play.redeem("A", "O", 5_777).unwrap();
    play.redeem("B", "N", 1_001).unwrap();
    // What D gets is smaller than the threshold.
    play.redeem("D", "O", 333).unwrap();
}

fn exports(window: u32, mode: OrderMode, replace: bool) -> Command {
    Command::ExportOrders(ExportOrders { window, mode, replace })
}

fn export(play: &mut Play, window: u32, mode: OrderMode, replace: bool) -> Vec<Order> {
    let reply = play.operator(exports(window, mode, replace)).unwrap().reply;
    let Reply::House(HouseReply::Orders(orders)) = reply else { panic!("no orders: {reply:?}") };
    orders
}

fn abort(window: u32) -> Command {
    Command::AbortSettlement(AbortSettlement { window })
}

fn pays(window: u32, order: &Order) -> Command {
    let hub = [order.payer, order.payee].contains(&OrderParty::Hub);
    let participant = || order.payer.participant().or(order.payee.participant()).unwrap();
    let pair = Payment::Pair { payer: order.payer, payee: order.payee };
    let payment = if hub { Payment::Hub(participant()) } else { pair };
    Command::ConfirmPayment(ConfirmPayment::of(window, payment))
}

/// The legs of a closed window, and what it left in the positions.
fn made(play: &Play, window: u32) -> [Vec<(PartnerId, Money)>; 2] {
    let window = &play.book.windows[&window];
    let legs = &window.settlement.as_ref().unwrap().legs;
    [legs.iter().map(|(partner, leg)| (*partner, leg.amount)).collect(), window.carried().into_iter().collect()]
}

/// How far a settlement has gone.
type Steps = fn(&mut Play, u32);

#[test]
fn what_is_given_up_before_its_first_payment_leaves_every_account_as_it_was() {
    let ways: [(&str, Steps); 5] = [
        ("proposed", |_, _| ()),
        ("confirmed", |play, window| play.confirm(window)),
        ("exported to the hub", |play, window| {
            play.confirm(window);
            export(play, window, OrderMode::Hub, false);
        }),
        ("exported pairwise", |play, window| {
            play.confirm(window);
            export(play, window, OrderMode::Pairwise, false);
        }),
        ("exported twice, the second time otherwise", |play, window| {
            play.confirm(window);
            export(play, window, OrderMode::Hub, false);
            export(play, window, OrderMode::Pairwise, true);
        }),
    ];
    for (way, steps) in ways {
        let mut play = uneven();
        trade(&mut play);
        // The same house without a settlement.
        let mut still = play.clone();
        let window = play.close();
        let [legs, carried] = made(&play, window);
        assert!(legs.len() >= 3 && carried.len() >= 3, "{way}: {legs:?} {carried:?}");
        steps(&mut play, window);
        play.operator(abort(window)).unwrap();
        assert_eq!(play.money(), still.money(), "{way}");
        assert_eq!((play.pending("M"), play.book.windows[&window].state), (30_000, WindowState::Closed), "{way}");
        assert_eq!(play.refused("operator", abort(window)), "SETTLEMENT_ABORTED", "{way}");
        // What settles next is what would have.
        let next = play.close();
        assert_eq!(made(&play, next), [legs, carried], "{way}");
        play.operator(abort(next)).unwrap();
        // Beside trade that goes on meanwhile, too.
        let third = play.close();
        for play in [&mut play, &mut still] {
            trade(play);
        }
        steps(&mut play, third);
        play.operator(abort(third)).unwrap();
        assert_eq!(play.money(), still.money(), "{way}, with trade in between");
        play.settle();
        assert_eq!((play.pending("M"), play.available("M")), (0, 60_000), "{way}: the payment pays for what waited");
        play.assert_sound();
    }
}

#[test]
fn nothing_is_given_up_once_something_is_paid_and_no_step_is_done_twice() {
    let mut play = uneven();
    trade(&mut play);
    let open = play.book.open_window;
    for command in [abort(open), exports(open, OrderMode::Hub, false)] {
        assert_eq!(play.refused("operator", command), "WINDOW_NOT_CLOSED");
    }
    let window = play.close();
    let closing = Command::CloseWindow(CloseWindow { expected: Some(window) });
    let (written, money) = (play.journal.len(), play.money());
    play.operator(closing).unwrap();
    assert_eq!(play.journal.len(), written, "a close that names a window closes it once");
    assert_eq!(play.refused("operator", exports(window, OrderMode::Hub, false)), "SETTLEMENT_NOT_CONFIRMED");
    play.confirm(window);
    let again = Command::ConfirmSettlement(ConfirmSettlement { window });
    assert_eq!(play.refused("operator", again.clone()), "SETTLEMENT_NOT_PROPOSED");
    let orders = export(&mut play, window, OrderMode::Hub, false);
    assert_eq!(export(&mut play, window, OrderMode::Hub, false), orders, "the same orders again");
    assert_eq!(play.money(), money, "neither moves money");
    let mut left = orders.clone();
    for order in &orders {
        assert_eq!(export(&mut play, window, OrderMode::Hub, false), left, "what is paid is not ordered again");
        play.operator(pays(window, order)).unwrap();
        left.remove(0);
        let (twice, given_up) =
            (play.refused("operator", pays(window, order)), play.refused("operator", abort(window)));
        let expected = if left.is_empty() {
            ("SETTLEMENT_SETTLED", "SETTLEMENT_SETTLED")
        } else {
            ("LEG_NOT_DUE", "SETTLEMENT_ALREADY_PAID")
        };
        assert_eq!((twice, given_up), expected);
    }
    assert_eq!(export(&mut play, window, OrderMode::Hub, false), [], "nothing is due");
    assert_eq!(play.refused("operator", again), "SETTLEMENT_NOT_PROPOSED");
    play.assert_sound();
}

#[test]
fn an_export_in_the_other_mode_makes_every_order_of_the_first_void() {
    for [first, second] in [[OrderMode::Hub, OrderMode::Pairwise], [OrderMode::Pairwise, OrderMode::Hub]] {
        let mut play = uneven();
        trade(&mut play);
        let window = play.close();
        play.confirm(window);
        let void = export(&mut play, window, first, false);
        assert_eq!(play.refused("operator", exports(window, second, false)), "EXPORTED_OTHERWISE");
        assert_eq!(export(&mut play, window, first, true), void, "the mode that they have replaces nothing");
        let orders = export(&mut play, window, second, true);
        let money = play.money();
        for order in &void {
            assert_eq!(play.refused("operator", pays(window, order)), "LEG_NOT_DUE", "{order:?} is void");
        }
        assert_eq!(play.money(), money);
        assert_eq!(play.refused("operator", exports(window, first, false)), "EXPORTED_OTHERWISE");
        play.operator(pays(window, &orders[0])).unwrap();
        assert_eq!(play.refused("operator", exports(window, first, true)), "SETTLEMENT_ALREADY_PAID");
        for order in &orders[1..] {
            play.operator(pays(window, order)).unwrap();
        }
        assert_eq!(play.refused("operator", exports(window, first, true)), "SETTLEMENT_SETTLED");
        play.assert_sound();
    }
}

#[test]
fn a_window_in_which_nobody_owes_anything_is_settled_by_its_confirmation() {
    let mut play = uneven();
    // Nothing at all, and what is carried for being small.
    for points in [0, 333] {
        if points > 0 {
            play.issue("C", "O", points);
            play.redeem("D", "O", points).unwrap();
        }
        let window = play.close();
        let [legs, carried] = made(&play, window);
        assert_eq!((legs.len(), carried.is_empty()), (0, points == 0), "{carried:?}");
        let money = play.money();
        play.operator(abort(window)).unwrap();
        assert_eq!(play.money(), money, "there is nothing to put back");
        let window = play.close();
        play.confirm(window);
        assert_eq!(play.book.windows[&window].state, WindowState::Settled);
        for mode in [OrderMode::Hub, OrderMode::Hub] {
            assert_eq!(export(&mut play, window, mode, false), []);
        }
        assert_eq!(play.refused("operator", abort(window)), "SETTLEMENT_SETTLED");
    }
    play.assert_sound();
}

#[test]
fn a_preview_is_what_the_close_makes_and_says_why_something_is_carried() {
    let mut play = uneven();
    trade(&mut play);
    let before = play.clone();
    let shown = before.book.clone().closed_for_show(play.now).unwrap();
    let window = play.close();
    let closed = &play.book.windows[&window];
    assert_eq!(shown, *closed);
    let legs = closed.settlement.as_ref().unwrap().legs.iter().map(|(partner, leg)| (*partner, leg.amount)).collect();
    let origins = netting::origins(&legs, &closed.carried(), 100).unwrap();
    // D would get 3.28, B would pay 0.02: the operator gets and pays that in their place.
    let of = |partner: &str| {
        let origin = origins[&id(partner)];
        [origin.position, origin.rounding.floor, origin.rounding.raised, origin.small(), origin.leg]
            .map(|money| money.0)
    };
    assert_eq!(of("D"), [32_800, 32_800, 0, 32_800, 0]);
    assert_eq!([of("B")[3], of("operator")[3]], [-200, -32_600]);
    assert!(origins.values().any(|origin| origin.rounding.raised.0 > 0), "{origins:?}");
    assert_eq!(shown.settlement.unwrap().state, SettlementState::Proposed);
    play.assert_sound();
}
