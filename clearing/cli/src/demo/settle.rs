//! The evening: the window is closed and netted, the settlement confirmed, its orders exported and paid, and everybody
//! reads its statement.

use std::time::SystemTime;

use partner_sdk::operator::{CloseWindow, ConfirmPayment, ConfirmSettlement, ExportOrders, OrderMode, PaymentOrder};

use super::figures::Answers;
use super::house::DemoHouse;
use super::stories::{self, Stories};
use crate::failure::{Failure, accepted};

/// Settles the day, and asks for everything there is to know about it.
pub async fn settle(house: &DemoHouse, mut stories: Stories) -> Result<Answers, Failure> {
    // The house runs on the way what falls due in the evening and at midnight.
    let midnight = house.midnight.plus_days(1);
    house.operator.sandbox().advance_clock(SystemTime::from(midnight.to_jiff())).await?;
    stories::after_the_night(house, &mut stories).await?;
    let operator = house.operator.operator();
    let closed = accepted(operator.close_window(CloseWindow::now()).await)?;
    let window = closed.settlement.window;
    accepted(operator.confirm_settlement(ConfirmSettlement::of(window)).await)?;
    let export = ExportOrders::of(window, OrderMode::Pairwise);
    let orders = accepted(operator.export_orders(export).await)?.orders;
    // Those who pay into the funds come first: nothing is paid out of them that has not come in.
    let (paid_out, paid_in): (Vec<_>, Vec<_>) = orders.iter().partition(|order| order.payer == "funds");
    for PaymentOrder { payer, payee, amount, .. } in paid_in.into_iter().chain(paid_out) {
        let payment = ConfirmPayment::pair(window, payer, payee).amount(amount.clone());
        accepted(operator.confirm_payment(payment).await)?;
    }

    let mut statements = Vec::with_capacity(house.brands.len() + 1);
    let mut outstanding = Vec::with_capacity(house.brands.len());
    for brand in &house.brands {
        statements.push(brand.statement(Some(window)).await?);
        outstanding.push(brand.position().await?.outstanding_points);
    }
    statements.push(house.operator.statement(Some(window)).await?);
    let info = house.operator.server_info().await?;
    Ok(Answers {
        info,
        partners: operator.partners().all().await?,
        statements,
        outstanding,
        report: operator.netting_report(Some(window)).await?,
        orders,
        trial: operator.trial_balance(false).await?,
        stories,
    })
}
