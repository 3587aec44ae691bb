//! Windows, their settlements, and the payments.

use clearing::store::{Store, WindowRow, Windows};
use clearing_core::chart::{Fund, MoneyAccount};
use clearing_core::command::Command;
use clearing_core::facts::answer::{HouseReply, Reply};
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::window::{SettlementState, WindowState};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::deposit::Deposit;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::units::{Money, PartnerId};

use crate::{FOUNDING, TestStore, Till, at, card, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    a_window_closes_and_its_settlement_is_paid
    commands_of_the_house_read_as_much_whatever_lies_behind;
}

async fn a_window_closes_and_its_settlement_is_paid(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    till.one("grocer", issue(card(1), 100), at(0)).await.unwrap();
    till.one("fuel", issue(card(1), 100), at(0)).await.unwrap();
    till.one("cards", redeem(card(1), 150), at(0)).await.unwrap();
    let deposit = Command::Deposit(Deposit { fund: Fund::Reserve, amount: Money(500_000) });
    till.one("operator", deposit, at(1)).await.unwrap();
    let close = Command::CloseWindow(CloseWindow { expected: Some(1) });
    let closed = till.one("operator", close, at(1)).await.unwrap();
    let Reply::House(HouseReply::Closed(told)) = closed.reply else { panic!("{:?}", closed.reply) };
    till.one("grocer", issue(card(1), 100), at(1)).await.unwrap();
    let windows = read_windows(&test.store).await;
    assert_eq!(windows.len(), 2);
    assert_eq!((windows[0].first_sequence, windows[0].end_sequence), (1, Some(FOUNDING + 6)));
    assert_eq!((windows[1].first_sequence, windows[1].end_sequence), (FOUNDING + 6, None));
    let settlement = windows[0].window.settlement.clone().unwrap();
    assert!(settlement.proof.holds() && !settlement.legs.is_empty());
    assert_eq!((settlement.clone(), windows[0].window.carried()), (told.settlement, told.carried));
    for command in [
        Command::ConfirmSettlement(ConfirmSettlement { window: 1 }),
        Command::ExportOrders(ExportOrders { window: 1, mode: OrderMode::Pairwise }),
        Command::ExportOrders(ExportOrders { window: 1, mode: OrderMode::Hub }),
    ] {
        till.one("operator", command, at(2)).await.unwrap();
    }
    let mut legs: Vec<(PartnerId, Money)> = settlement.legs.iter().map(|(id, leg)| (*id, leg.amount)).collect();
    legs.sort_by_key(|(_, amount)| *amount);
    for (partner, amount) in legs {
        let payment = Payment::Hub(partner);
        let pay = Command::ConfirmPayment(ConfirmPayment { window: 1, payment, amount: Some(Money(amount.0.abs())) });
        till.one("operator", pay, at(3)).await.unwrap();
    }
    let windows = read_windows(&test.store).await;
    let window = &windows[0].window;
    assert_eq!(window.state, WindowState::Settled);
    let paid = window.settlement.as_ref().unwrap();
    assert_eq!(paid.state, SettlementState::Settled);
    assert!(paid.orders.iter().all(|order| order.paid) && paid.legs.values().all(|leg| leg.due.is_zero()));
    assert_eq!((windows[0].first_sequence, windows[0].end_sequence), (1, Some(FOUNDING + 6)));
    assert_eq!(windows[1].window.participants[&id("cards")].opening, window.participants[&id("cards")].carried);
    till.one("operator", Command::CloseWindow(CloseWindow { expected: None }), at(4)).await.unwrap();
    let abort = Command::AbortSettlement(AbortSettlement { window: 2 });
    till.one("operator", abort, at(5)).await.unwrap();
    let windows = read_windows(&test.store).await;
    assert_eq!(windows[1].window.settlement.as_ref().unwrap().state, SettlementState::Aborted);
    assert_ne!(windows[2].window.legs_moved, 0);
    till.one("operator", Command::CloseWindow(CloseWindow { expected: Some(3) }), at(6)).await.unwrap();
}

/// A close once read every window that was not settled, with its legs.
async fn commands_of_the_house_read_as_much_whatever_lies_behind(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let mut read = Vec::new();
    for number in 1..=12 {
        till.one("grocer", issue(card(1), 100), at(0)).await.unwrap();
        till.one("cards", redeem(card(1), 50), at(0)).await.unwrap();
        let close = Command::CloseWindow(CloseWindow { expected: Some(number) });
        let close = till.request("operator", close);
        // What the book holds after a close: what it had loaded, the next window, and the legs it made.
        let book = till.run(&[close], at(1)).await.unwrap().book;
        read.push((book.windows.len(), book.money_balances.len(), book.points_balances.len(), book.gross.len()));
        let legs = book.windows[&number].settlement.as_ref().unwrap().legs.len();
        assert!(legs >= 3, "{legs} legs in window {number}");
    }
    assert_eq!(read[2..], vec![read[2]; 10], "windows, balances in money and in points, obligations");
    assert_eq!(read[2].0, 2);
    // A command that names a window reads that one besides.
    let confirm = till.request("operator", Command::ConfirmSettlement(ConfirmSettlement { window: 3 }));
    let book = till.run(&[confirm], at(2)).await.unwrap().book;
    assert_eq!(book.windows.keys().copied().collect::<Vec<_>>(), vec![3, 13]);
    let legs: Vec<&MoneyAccount> =
        book.money_balances.keys().filter(|account| matches!(account, MoneyAccount::Settle(..))).collect();
    assert!(!legs.is_empty() && legs.iter().all(|account| matches!(account, MoneyAccount::Settle(3, _))), "{legs:?}");
}

async fn read_windows(store: &Store) -> Vec<WindowRow> {
    let mut snapshot = store.snapshot().await.unwrap();
    let windows = snapshot.windows(Windows::All).await.unwrap();
    snapshot.finish().await.unwrap();
    windows
}
