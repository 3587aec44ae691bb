//! `clearing deposit`: money that was paid into the reserve or a partner's collateral.

use clap::Args;
use partner_sdk::Decimal;
use partner_sdk::operator::Deposit;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session};
use crate::values;

/// Arguments of `deposit`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where it was paid to: "reserve" or "collateral:PARTNER".
    account: String,
    /// How much, in the coalition's currency.
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    #[command(flatten)]
    effect: Effect,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    let amount = session.money(arguments.amount);
    let request = Deposit::account(&arguments.account, amount.clone()).request_id(session.request_id(arguments.effect));
    let deposited = accepted(session.operator().deposit(request).await)?;
    let json = json!({
        "account": arguments.account,
        "currency": session.info.currency_code,
        "amount": amount.amount.to_string(),
        "balance": deposited.balance.amount.to_string(),
        "entry_id": deposited.written.entry_id(),
        "replayed": deposited.written.replayed,
    });
    let page = Page::new()
        .text(format!("Recorded {amount} into {}; its balance is now {}.", arguments.account, deposited.balance))
        .next("clearing report trial-balance");
    Ok(Answer::new(json, page))
}
