//! Settlements that are paid, aborted and closed while tills are at work, all of it in the batches of the tills.

use futures::future::{join, join_all, join3};
use partner_sdk::operator::{AbortSettlement, CloseWindow, ConfirmPayment, ConfirmSettlement};
use partner_sdk::{Client, LegState, Reason, Settlement, SettlementState};

use super::arena::{Arena, PLACES, act, all_at_once, issue, told};
use clearing_play::commands;

/// `F` pays for its points with the settlement of their window; until then they wait.
const WAITING: &str = r#"
    [[partner]]
    id = "A"
    [[partner]]
    id = "B"
    [[partner]]
    id = "P"
    funding = "AT_ISSUE"
    [[partner]]
    id = "F"
    funding = "ON_PAYMENT"
    net_debit_cap = "100000.00"
"#;

const ROUNDS: usize = 6;
const CARDS: usize = 12;

async fn close(operator: &Client) -> i64 {
    told(operator.operator().close_window(CloseWindow::now()).await).unwrap().settlement.window
}

async fn settlement(operator: &Client, window: i64) -> Settlement {
    operator.operator().preview_settlement(Some(window)).await.unwrap()
}

/// Pays what is still due, the debtors first.
async fn pay_the_rest(operator: &Client, window: i64) {
    let mut legs = settlement(operator, window).await.legs;
    legs.retain(|leg| leg.state != LegState::Paid);
    legs.sort_by_key(|leg| leg.amount.amount);
    for leg in legs {
        told(operator.operator().confirm_payment(ConfirmPayment::hub(window, leg.partner_id)).await).unwrap();
    }
    assert_eq!(settlement(operator, window).await.state, SettlementState::Settled);
}

/// Every order is told to every node at once, twice, and in every other round an abort comes between. Meanwhile points of `F`
/// that wait for that very payment are taken back, others are issued, and in the middle a window closes.
#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_is_paid_once_or_aborted_while_its_points_are_taken_back_and_a_window_closes() {
    for place in PLACES {
        let arena = Arena::open(place, WAITING).await;
        let operators = arena.tills("operator").await;
        let operator = operators[0].clone();
        let (fs, ps, bs) = (arena.tills("F").await, arena.tills("P").await, arena.tills("B").await);
        let mut closed = Vec::new();
        for round in 0..ROUNDS {
            let mut waiting = Vec::new();
            for card in 0..CARDS {
                let card = card.to_string();
                waiting.push(issue(&fs[0], &card, 100).await.entries.remove(0));
                issue(&ps[0], &card, 40).await;
                act(&bs[0], commands::redeem(card, 30)).await.unwrap();
            }
            let window = close(&operator).await;
            told(operator.operator().confirm_settlement(ConfirmSettlement::of(window)).await).unwrap();
            let legs = settlement(&operator, window).await.legs;

            let payments = legs.iter().flat_map(|leg| operators.iter().cycle().take(2).map(move |node| (leg, node)));
            let payments = join_all(payments.map(async |(leg, node)| {
                let payment = ConfirmPayment::hub(window, leg.partner_id.clone());
                (leg.partner_id.clone(), told(node.operator().confirm_payment(payment).await))
            }));
            let abort = async {
                if round % 2 == 1 {
                    let last = operators.last().unwrap().operator();
                    return told(last.abort_settlement(AbortSettlement::of(window)).await).is_ok();
                }
                false
            };
            let reversals = waiting.iter().map(|issue| commands::reverse(*issue, 37));
            let issues = (0..CARDS).map(|card| commands::issue(card, 10));
            let tills = join3(all_at_once(&fs, reversals), all_at_once(&fs, issues), close(&operator));
            let ((paid, aborted), (reversed, issued, beside)) = join(join(payments, abort), tills).await;

            closed.push(beside);
            assert!(reversed.iter().chain(&issued).all(Result::is_ok), "{place:?}: {reversed:?}, {issued:?}");
            for leg in &legs {
                let of_leg = paid.iter().filter(|(partner, _)| *partner == leg.partner_id);
                let (accepted, refused): (Vec<_>, Vec<_>) =
                    of_leg.map(|(_, answer)| answer).partition(|answer| answer.is_ok());
                assert!(accepted.len() + usize::from(aborted) <= 1, "{place:?}: {} was paid twice", leg.partner_id);
                for rejection in refused.into_iter().filter_map(|answer| answer.as_ref().err()) {
                    let reasons = [
                        Reason::LegNotDue,
                        Reason::FundsNotReceived,
                        Reason::SettlementAborted,
                        Reason::SettlementSettled,
                    ];
                    assert!(reasons.contains(&rejection.reason), "{place:?}: {rejection}");
                }
            }
            if aborted {
                assert_eq!(settlement(&operator, window).await.state, SettlementState::Aborted, "{place:?}");
            } else {
                pay_the_rest(&operator, window).await;
            }
        }
        // What was left waiting by an abort is paid for with a later window, and all of it is there then.
        closed.push(close(&operator).await);
        for window in closed {
            told(operator.operator().confirm_settlement(ConfirmSettlement::of(window)).await).unwrap();
            pay_the_rest(&operator, window).await;
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}
