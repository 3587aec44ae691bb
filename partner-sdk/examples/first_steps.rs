//! First steps of a brand: earn at one partner, spend at another, return half, reserve and capture, reverse an issue, read
//! the statement.
//!
//! Start a sandbox in one terminal, and this in another:
//!
//! ```text
//! clearing sandbox --dir sandbox
//! cargo run -p partner-sdk --example first_steps -- sandbox grocer cinema
//! ```
//!
//! The folder holds the sandbox's endpoint (`endpoint.txt`), the coalition's certificate (`ca.pem`), and for each partner
//! its certificate and key (`grocer.pem`, `grocer.key`).

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use partner_sdk::{Authorize, Capture, Client, Issue, MemberRef, Origin, Outcome, Redeem, ReturnRedemption, Reverse};

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("say where the sandbox is: first_steps DIR [ISSUER [ACCEPTOR]]")?;
    let issuer = connect(Path::new(&folder), &args.next().unwrap_or_else(|| "grocer".to_owned())).await?;
    let acceptor = connect(Path::new(&folder), &args.next().unwrap_or_else(|| "cinema".to_owned())).await?;

    // A card and a receipt of its own for each run, so that the figures below are always the same: a receipt earns once.
    let run = issuer.new_request_id();
    let card = format!("4000-{run}");
    let member = || MemberRef::identifier("card", card.clone());

    // Earn. An identifier that the house has never seen becomes a new member.
    let origin = Origin::till("store-7", "3").receipt(format!("R-{run}"));
    let issued = issuer.issue(Issue::to("card", card.as_str()).points(100).origin(origin)).await?.accepted()?;
    println!("earned 100 points, balance {}", issued.member.available_points);

    // Spend, at another brand. What it would bring, and then for good. The key is made, and could be stored, before the
    // request is sent: whoever repeats it, and however often, it has its effect once.
    let quote = acceptor.quote(member(), 60).await?;
    println!("60 points would bring {} after a fee of {}", quote.acceptor_credit, quote.fee);
    let request_id = acceptor.new_request_id();
    let redeem =
        Redeem::from("card", card.as_str()).points(60).origin(Origin::till("hall-1", "1")).request_id(request_id);
    let redeemed = acceptor.redeem(redeem.clone()).await?.accepted()?;
    println!("paid with 60 points, balance {}", redeemed.member.available_points);
    let again = acceptor.redeem(redeem).await?.accepted()?;
    ensure!(
        again.written.replayed && again.written.entry_id() == redeemed.written.entry_id(),
        "a repeated request had a second effect"
    );

    // Too much is rejected by the rules, with the numbers a till needs.
    match acceptor.redeem(Redeem::from("card", card.as_str()).points(1_000)).await? {
        Outcome::Accepted(_) => anyhow::bail!("1,000 points were taken from a balance of 40"),
        Outcome::Rejected(rejection) => println!("1,000 points: {rejection}"),
        Outcome::Unknown(unknown) => return Err(unknown.into()),
    }

    // Bring half of it back. The points return into the lots they came from.
    let back = ReturnRedemption::of(redeemed.written.entry_id()).points(30);
    let returned = acceptor.return_redemption(back).await?.accepted()?;
    println!("returned 30 points, balance {}", returned.member.available_points);
    ensure!(acceptor.balance(member()).await?.member.available_points == 70, "100 - 60 + 30 is 70");

    // Reserve points until the price is known, then take what it comes to; the rest is the member's again.
    let lapses = acceptor.server_info().await?.server_time + Duration::from_secs(600);
    let held =
        acceptor.authorize(Authorize::from("card", card.as_str()).points(50).lapses(lapses)).await?.accepted()?;
    let captured = acceptor.capture(Capture::hold(held.hold_id).points(20)).await?.accepted()?;
    println!("reserved 50 points and took 20, balance {}", captured.member.available_points);

    // Goods go back to the issuer: what is still there of their points is taken back, what was spent becomes a debt.
    let reversed = issuer.reverse(Reverse::entry(issued.written.entry_id()).points(60)).await?.accepted()?;
    println!("took {} points back, {} are owed", reversed.taken_back_points, reversed.debt_points);
    ensure!((reversed.member.available_points, reversed.member.owed_points) == (0, 10), "50 of the 60 were there");

    // Where the acceptor stands now, and why. It always adds up: opening + lines = closing + leg.
    let statement = acceptor.statement(None).await?;
    println!("\nstatement of {}, window {}", statement.partner_id, statement.window.window);
    println!("{:<32}{:>20}", "opening", statement.opening.to_string());
    let mut sum = statement.opening.amount;
    for total in &statement.totals {
        let what = format!("{} {} ({})", total.section, total.kind, total.purpose);
        println!("{what:<32}{:>20}{:>10} points", total.amount.to_string(), total.points);
        sum += total.amount.amount;
    }
    println!("{:<32}{:>20}", "closing", statement.closing.to_string());
    ensure!(sum == statement.closing.amount + statement.leg.amount, "the statement does not add up");
    Ok(())
}

/// Connects as one of the sandbox's partners.
async fn connect(folder: &Path, partner: &str) -> Result<Client> {
    let endpoint = std::fs::read_to_string(folder.join("endpoint.txt"))
        .with_context(|| format!("{} is not the folder of a sandbox", folder.display()))?;
    let identity = |kind: &str| folder.join(format!("{partner}.{kind}"));
    Client::builder(endpoint.trim())
        .ca_file(folder.join("ca.pem"))
        .identity_files(identity("pem"), identity("key"))
        .connect()
        .await
        .with_context(|| format!("cannot connect as {partner}"))
}
