//! From a window to the payments that settle it, and money that comes from outside.

use clearing_play::BACKENDS;
use clearing_proto::v1;
use tonic::Code;

use super::{Wired, reason, replayed, request_id, units, wire_time};

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_the_open_window_is_what_the_close_makes() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let preview = house.preview(0).await;
        assert_eq!(preview.state(), v1::SettlementState::Unspecified);
        assert_eq!(preview.window_state(), v1::WindowState::Open);
        assert!(preview.legs.iter().all(|leg| leg.state() == v1::LegState::Unspecified));
        assert_eq!(house.preview(1).await, preview, "the open window named by its number");
        let made = house.close().await;
        assert_eq!(made.state(), v1::SettlementState::Proposed);
        let plain = |settlement: &v1::Settlement| {
            let legs: Vec<_> = settlement.legs.iter().map(|leg| (leg.partner_id.clone(), units(&leg.amount))).collect();
            (
                legs,
                settlement.carried.clone(),
                settlement.proof.clone(),
                settlement.gross.clone(),
                settlement.saved.clone(),
            )
        };
        assert_eq!(plain(&preview), plain(&made));
        assert_eq!(units(&made.proof.as_ref().unwrap().sum), 0);
        assert_eq!(house.preview(1).await, made, "a closed one as it is");
        let unknown =
            house.by("operator").settlement.preview_settlement(v1::PreviewSettlementRequest { window: 9 }).await;
        assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
        house.end().await;
    }
}

/// They once named whole legs, whatever had been paid of them.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_nobody_has_exported_are_of_what_is_due() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        let made = house.close().await;
        let leg = made.legs.iter().find(|leg| units(&leg.amount) < 0).unwrap();
        let (partner_id, owed) = (leg.partner_id.clone(), -units(&leg.amount));
        let (mut desk, mut bank) = (house.by("operator").settlement, house.by("operator").bank);
        desk.confirm_settlement(v1::ConfirmSettlementRequest { request_id: request_id(), window: 1 }).await.unwrap();
        let amount = Some(v1::Money { amount: "1.0000".to_owned(), ..leg.amount.clone().unwrap() });
        let line = v1::BankLine { reference: "NTRF-1".to_owned(), ..v1::BankLine::default() };
        let receive = v1::ReceiveMoneyRequest {
            request_id: request_id(),
            partner_id: partner_id.clone(),
            amount: amount.clone(),
            line: Some(line),
            window: 0,
        };
        bank.receive_money(receive).await.unwrap();
        let apply = v1::ApplyMoneyRequest {
            request_id: request_id(),
            partner_id: partner_id.clone(),
            amount: amount.clone(),
            to: v1::MoneyUse::Leg.into(),
            window: 1,
            from: v1::MoneySource::Partner.into(),
        };
        bank.apply_money(apply).await.unwrap();
        let list = v1::ListOrdersRequest { window: 1, mode: v1::OrderMode::Hub.into(), ..Default::default() };
        let orders = house.by("operator").position.list_orders(list).await.unwrap().into_inner().orders;
        let order = orders.iter().find(|order| order.payer == partner_id).unwrap();
        assert_eq!(units(&order.amount), owed - units(&amount));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_goes_from_its_close_to_paid_and_every_step_that_is_repeated_says_the_same() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let mut desk = house.by("operator").settlement;
        house.trade().await;
        let close = v1::CloseWindowRequest { request_id: request_id() };
        let closed = desk.close_window(close.clone()).await.unwrap().into_inner();
        let again = desk.close_window(close).await.unwrap().into_inner();
        assert_eq!(again, v1::CloseWindowResponse { written: replayed(&closed.written), ..closed.clone() });
        let made = closed.settlement.unwrap();

        let confirm = v1::ConfirmSettlementRequest { request_id: request_id(), window: 1 };
        let confirmed = desk.confirm_settlement(confirm.clone()).await.unwrap().into_inner();
        assert_eq!(confirmed.settlement_state(), v1::SettlementState::Confirmed);
        let again = desk.confirm_settlement(confirm).await.unwrap().into_inner();
        let same = v1::ConfirmSettlementResponse { written: replayed(&confirmed.written), ..confirmed };
        assert_eq!(again, same);
        let another = v1::ConfirmSettlementRequest { request_id: request_id(), window: 1 };
        let refused = desk.confirm_settlement(another).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SETTLEMENT_NOT_PROPOSED"));

        let export = || v1::ExportOrdersRequest {
            request_id: request_id(),
            window: 1,
            mode: v1::OrderMode::Hub.into(),
            replace: false,
        };
        let first = export();
        let exported = desk.export_orders(first.clone()).await.unwrap().into_inner();
        let again = desk.export_orders(first).await.unwrap().into_inner();
        let same = v1::ExportOrdersResponse { written: replayed(&exported.written), ..exported.clone() };
        assert_eq!(again, same);
        let other = desk.export_orders(export()).await.unwrap().into_inner();
        assert_eq!((other.orders, other.csv), (exported.orders.clone(), exported.csv.clone()), "the same bytes again");
        assert_eq!(exported.orders.len(), made.legs.len());
        assert_eq!(exported.csv.lines().count(), made.legs.len() + 1);
        assert_eq!(exported.settlement_state(), v1::SettlementState::Exported);
        for (at, order) in exported.orders.iter().enumerate() {
            let partner = if order.payer == "hub" { &order.payee } else { &order.payer };
            let payment = v1::ConfirmPaymentRequest {
                request_id: request_id(),
                window: 1,
                payment: Some(v1::confirm_payment_request::Payment::PartnerId(partner.clone())),
                amount: order.amount.clone(),
                reference: "RF18 5390".to_owned(),
                value_date: "2026-03-02".to_owned(),
                line: None,
            };
            let paid = desk.confirm_payment(payment.clone()).await.unwrap().into_inner();
            let again = desk.confirm_payment(payment).await.unwrap().into_inner();
            assert_eq!(again, v1::ConfirmPaymentResponse { written: replayed(&paid.written), ..paid.clone() });
            assert_eq!((paid.legs.len(), paid.legs[0].state()), (1, v1::LegState::Paid));
            assert!(!paid.written.as_ref().unwrap().entries.is_empty());
            let last = at + 1 == exported.orders.len();
            let state = if last { v1::SettlementState::Settled } else { v1::SettlementState::PartlyPaid };
            assert_eq!(paid.settlement_state(), state);
        }
        let left = desk.export_orders(export()).await.unwrap().into_inner();
        assert!(left.orders.is_empty(), "what is paid is not ordered again");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_is_aborted_leaves_every_position_as_it_was_before_the_close() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let mut desk = house.by("operator").settlement;
        house.trade().await;
        let books = async || {
            let request = v1::TrialBalanceRequest::default();
            house.by("operator").report.trial_balance(request).await.unwrap().into_inner().accounts
        };
        let before = books().await;
        let legs = house.preview(0).await.legs;
        // As far as it went: proposed, confirmed, exported.
        for (window, steps) in [(1, 0), (2, 1), (3, 2)] {
            assert_eq!(house.close().await.window, window);
            if steps > 0 {
                let confirm = v1::ConfirmSettlementRequest { request_id: request_id(), window };
                desk.confirm_settlement(confirm).await.unwrap();
            }
            if steps > 1 {
                let mode = v1::OrderMode::Hub.into();
                let export = v1::ExportOrdersRequest { request_id: request_id(), window, mode, replace: false };
                desk.export_orders(export).await.unwrap();
            }
            let abort = v1::AbortSettlementRequest { request_id: request_id(), window };
            let aborted = desk.abort_settlement(abort.clone()).await.unwrap().into_inner();
            let again = desk.abort_settlement(abort).await.unwrap().into_inner();
            let same = v1::AbortSettlementResponse { written: replayed(&aborted.written), ..aborted.clone() };
            assert_eq!(again, same);
            assert_eq!(
                (aborted.open_window, aborted.written.unwrap().entries[0].kind()),
                (window + 1, v1::EntryKind::AbortSettlement)
            );
            assert_eq!(books().await, before, "after {steps} steps");
            assert_eq!(house.preview(0).await.legs, legs);
        }
        let settlement = house.close().await;
        assert_eq!(units(&settlement.proof.unwrap().sum), 0, "also with what the aborts put back");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_calendars_answer_with_what_they_made() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let deposit = |account: &str, amount: &str| v1::DepositRequest {
            request_id: request_id(),
            account: account.to_owned(),
            amount: Some(v1::Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() }),
        };
        let mut desk = house.by("operator").settlement;
        desk.deposit(deposit("reserve", "100")).await.unwrap();
        let request = deposit("reserve", "5.5");
        let second = desk.deposit(request.clone()).await.unwrap().into_inner();
        let again = desk.deposit(request).await.unwrap().into_inner();
        assert_eq!(again, v1::DepositResponse { written: replayed(&second.written), ..second.clone() });
        assert_eq!(second.balance.unwrap().amount, "105.5000");
        assert_eq!(second.written.unwrap().entries[0].kind(), v1::EntryKind::Deposit);
        let unknown = desk.deposit(deposit("collateral:nobody", "1")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);

        let row = |cron: &str| v1::CutOffPattern { cron_expression: cron.to_owned(), ..Default::default() };
        let calendar = |crons: &[&str], time_zone: &str| v1::SetCalendarRequest {
            request_id: request_id(),
            calendar: Some(v1::Calendar {
                cut_offs: crons.iter().map(|cron| row(cron)).collect(),
                time_zone: time_zone.to_owned(),
                ..Default::default()
            }),
            effective_time: None,
        };
        let set = desk.set_calendar(calendar(&["0 18 * * *"], "Europe/Berlin")).await.unwrap();
        assert_eq!(set.into_inner().cut_offs[0].close_time, Some(wire_time("2026-02-01T17:00:00Z")));
        let listed = house.by("A").position.list_windows(v1::ListWindowsRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.cut_offs[0].close_time, Some(wire_time("2026-02-01T17:00:00Z")));
        let wrong = desk.set_calendar(calendar(&["0 18 31 2 *"], "")).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument);
        // The next cut-off is less than a day away.
        let none = desk.set_calendar(calendar(&[], "")).await.unwrap_err();
        assert_eq!(none.code(), Code::FailedPrecondition);
        house.end().await;
    }
}
