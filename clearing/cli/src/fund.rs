//! `clearing fund`: the money behind the coalition: its reserve, what partners have deposited against their defaults, and what they
//! paid ahead.

use clap::{Args, Subcommand};
use partner_sdk::Decimal;
use partner_sdk::operator::{Deposit, WithdrawFunds};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session};
use crate::values;

/// The fund commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Records money that was paid into the reserve or a partner's collateral, or that it paid ahead.
    #[command(
        after_help = "Examples:\n  clearing fund deposit reserve 10000.00\n  clearing fund deposit collateral:grocer 2500\n  \
                      clearing fund deposit advance:grocer 5000"
    )]
    Deposit(Movement),
    /// Orders money out of the reserve, a partner's collateral or what it paid ahead; never more than it holds.
    #[command(
        after_help = "Examples:\n  clearing fund withdraw reserve 500.00\n  clearing fund withdraw collateral:grocer 2500\n\n\
                      It is on its way until the bank has paid it: clearing bank paid."
    )]
    Withdraw(Movement),
}

/// Money on its way between a fund and the bank.
#[derive(Debug, Args)]
pub struct Movement {
    /// The fund: "reserve", "collateral:PARTNER" or "advance:PARTNER".
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
    let operator = session.operator();
    let (moved, (balance, written), done, way) = match command {
        Command::Deposit(moved) => {
            let request = Deposit::account(&moved.account, session.money(moved.amount));
            let done = accepted(operator.deposit(request.request_id(session.request_id(moved.effect))).await)?;
            (moved, (done.balance, done.written), "Recorded", "into")
        }
        Command::Withdraw(moved) => {
            let request = WithdrawFunds::account(&moved.account, session.money(moved.amount));
            let done = accepted(operator.withdraw_funds(request.request_id(session.request_id(moved.effect))).await)?;
            (moved, (done.balance, done.written), "Ordered", "out of")
        }
    };
    let (account, amount) = (moved.account, session.money(moved.amount));
    let page = Page::new()
        .text(format!("{done} {amount} {way} {account}; its balance is now {balance}."))
        .next("clearing report trial-balance");
    let json = json!({
        "account": account,
        "currency": amount.currency,
        "amount": amount.amount.to_string(),
        "balance": balance.amount.to_string(),
        "entry_id": written.entry_id(),
        "replayed": written.replayed,
    });
    Ok(Answer::new(json, page))
}
