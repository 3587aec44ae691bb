//! Windows, their settlements, and the payments.

use clearing::store::{ErrorKind, Store, WindowRow, Windows};
use clearing_core::book::Book;
use clearing_core::chart::{Fund, MoneyAccount};
use clearing_core::command::Command;
use clearing_core::facts::answer::{HouseReply, Reply};
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::TermsDraft;
use clearing_core::facts::window::{SettlementState, Window, WindowState};
use clearing_core::operation::Gate;
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::funds::Deposit;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::SetPartnerState;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{BatchId, Money, PartnerId, Rate};

use crate::{FOUNDING, TestStore, Till, at, card, id, issue, redeem};

on_both! {
    empty: ;
    coalition:
    a_window_closes_and_its_settlement_is_paid
    commands_of_the_house_read_as_much_whatever_lies_behind
    a_batch_beside_others_changes_neither_the_house_nor_a_window_that_it_has_not_locked;
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
        Command::ExportOrders(ExportOrders { window: 1, mode: OrderMode::Pairwise, replace: false }),
        Command::ExportOrders(ExportOrders { window: 1, mode: OrderMode::Hub, replace: true }),
    ] {
        till.one("operator", command, at(2)).await.unwrap();
    }
    let mut legs: Vec<(PartnerId, Money)> = settlement.legs.iter().map(|(id, leg)| (*id, leg.amount)).collect();
    legs.sort_by_key(|(_, amount)| *amount);
    for (partner, amount) in legs {
        let payment = Payment::Hub(partner);
        let pay = Command::ConfirmPayment(ConfirmPayment {
            amount: Some(Money(amount.0.abs())),
            ..ConfirmPayment::of(1, payment)
        });
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
    // All but one are settled.
    for number in (1..=12).filter(|number| *number != 3) {
        till.one("operator", ConfirmSettlement { window: number }.into(), at(2)).await.unwrap();
        let settlement = test.store.window_row(number).await.unwrap().unwrap().window.settlement.unwrap();
        let mut legs: Vec<(Money, PartnerId)> = settlement.legs.iter().map(|(of, leg)| (leg.amount, *of)).collect();
        legs.sort_unstable();
        for (_, partner) in legs {
            till.one("operator", ConfirmPayment::of(number, Payment::Hub(partner)).into(), at(2)).await.unwrap();
        }
    }
    // What names a window reads that one with its legs, and the open one; of those that are settled nothing.
    let confirm = till.request("operator", Command::ConfirmSettlement(ConfirmSettlement { window: 3 }));
    let book = till.run(&[confirm], at(2)).await.unwrap().book;
    assert_eq!(book.windows.keys().copied().collect::<Vec<_>>(), vec![3, 13]);
    let of_three = |account: &MoneyAccount| !matches!(account, MoneyAccount::Settle(window, _) if *window != 3);
    assert!(book.money_balances.keys().all(of_three), "{:?}", book.money_balances);
    let pay = ConfirmPayment::of(3, Payment::Hub(id("grocer")));
    let pay = till.request("operator", Command::ConfirmPayment(pay));
    let done = till.run(&[pay], at(2)).await.unwrap();
    assert!(done.answers[0].result.is_ok(), "{:?}", done.answers);
    assert_eq!(done.book.windows.keys().copied().collect::<Vec<_>>(), vec![3, 13]);
    assert!(done.book.money_balances.keys().all(of_three), "{:?}", done.book.money_balances);
}

/// What all batches read that have passed the gate may change under their hands in no batch that stands beside them.
async fn a_batch_beside_others_changes_neither_the_house_nor_a_window_that_it_has_not_locked(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    till.one("grocer", issue(card(1), 100), at(0)).await.unwrap();
    let close = || Command::CloseWindow(CloseWindow { expected: None });
    till.one("operator", close(), at(1)).await.unwrap();
    let calendar = Calendar::of(Vec::<String>::new(), "UTC");
    let state = PartnerState::Restricted;
    for command in [
        Command::SetCalendar(SetCalendar { calendar, effective: Some(at(1).plus_days(3)) }),
        Command::SetLimits(SetLimits { partner: id("fuel"), limits: Limits::default() }),
        Command::SetPartnerState(SetPartnerState { partner: id("fuel"), state }),
        Command::SetTerms(SetTerms {
            partner: id("fuel"),
            terms: TermsDraft { acceptance_fee: Some(Rate::ZERO), ..TermsDraft::default() },
            effective: None,
        }),
    ] {
        let request = till.request("operator", command);
        let begun = till.session.begin(Gate::Shared).await.unwrap();
        let error = till.decide(begun, &[request], at(2)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Ungated, "{error:?}");
        assert_eq!(error.to_string(), "a batch beside others would change the house, or which window is open");
        till.session.rollback().await.unwrap();
    }

    let windows = read_windows(&test.store).await;
    let confirm = till.request("operator", Command::ConfirmSettlement(ConfirmSettlement { window: 1 }));
    let confirm = std::slice::from_ref(&confirm);
    for (locked, found) in [(false, "window 1, which it has not locked"), (true, "what the close of window 1 made")] {
        let (gate, house) = till.session.begin(Gate::Shared).await.unwrap();
        let mut book = Book::new(house, gate.open_window);
        till.session.load(&mut book, if locked { confirm } else { &[] }, at(2)).await.unwrap();
        let window = windows[0].window.clone();
        let tampered = Window { opened: at(9), ..window.clone() };
        book.windows.insert(1, if locked { tampered } else { window });
        let header = BatchHeader {
            coalition: book.house.coalition.id.clone(),
            stripe: STRIPE,
            batch: BatchId(till.ids.next()),
            window: gate.open_window,
            time: at(2),
            salt: [7; 16],
        };
        book.begin_batch(header.batch);
        assert!(book.execute(&confirm[0], at(2)).result.is_ok());
        let changes = book.take_changes();
        let error = till.session.save(&book, &changes, &header).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ungated, "{error:?}");
        assert_eq!(error.to_string(), format!("a batch beside others would change {found}"));
        till.session.rollback().await.unwrap();
    }
    assert_eq!(read_windows(&test.store).await, windows);
    test.database.audit().await;
}

async fn read_windows(store: &Store) -> Vec<WindowRow> {
    let mut snapshot = store.snapshot().await.unwrap();
    let windows = snapshot.windows(Windows::All).await.unwrap();
    snapshot.finish().await.unwrap();
    windows
}
