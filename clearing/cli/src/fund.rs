//! `clearing fund`: the money behind the coalition: its reserve, and what partners have deposited against their defaults.

use clap::{Args, Subcommand};
use partner_sdk::Decimal;
use partner_sdk::operator::Deposit;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session};
use crate::values;

/// The fund commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Records money that was paid into the reserve or a partner's collateral.
    #[command(
        after_help = "Examples:\n  clearing fund deposit reserve 10000.00\n  clearing fund deposit collateral:GROCER 2500"
    )]
    Deposit(Movement),
}

/// Money on its way between a fund and the bank.
#[derive(Debug, Args)]
pub struct Movement {
    /// The fund: "reserve" or "collateral:PARTNER".
    account: String,
    /// How much, in the coalition's currency.
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    match command {
        Command::Deposit(movement) => deposit(&session, movement).await,
    }
}

async fn deposit(session: &Session, Movement { account, amount, effect }: Movement) -> Result<Answer, Failure> {
    let amount = session.money(amount);
    let request = Deposit::account(&account, amount.clone()).request_id(session.request_id(effect));
    let deposited = accepted(session.operator().deposit(request).await)?;
    let json = json!({
        "account": account,
        "currency": session.info.currency_code,
        "amount": amount.amount.to_string(),
        "balance": deposited.balance.amount.to_string(),
        "entry_id": deposited.written.entry_id(),
        "replayed": deposited.written.replayed,
    });
    let page = Page::new()
        .text(format!("Recorded {amount} into {account}; its balance is now {}.", deposited.balance))
        .next("clearing report trial-balance");
    Ok(Answer::new(json, page))
}
