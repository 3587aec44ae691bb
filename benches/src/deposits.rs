//! `load --deposits`: what the operator's deposits cost the tills.
//!
//! Issues come at random moments, at a moderate rate, whatever the answers do: alone, and beside 200 deposits a second that
//! come in the same way. The two take turns, so that whatever else the machine does falls on both. An operation that passed
//! the gate alone would hold up every batch behind it, and show here first.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use partner_sdk::operator::Deposit;
use partner_sdk::{Client, Money, Outcome};
use rust_decimal::Decimal;
use tonic::Status;

use crate::client::{Clients, Issues};
use crate::harness::{Measured, Source, Span, open_loop};
use crate::system::{Backend, Databases, Site, System};
use crate::workload::Spread;

/// Issues in a second: some tenth of what the house can do on two cores.
const ISSUES_RATE: f64 = 400.0;
/// Deposits in a second.
const DEPOSITS_RATE: f64 = 200.0;
/// What the 99th percentile of the issues may be beside the deposits, of what it is alone.
const RATIO_MAX: f64 = 2.0;

/// Deposits into the reserve, of the operator.
struct Deposits {
    operator: Client,
    clients: Clients,
}

impl Source for Deposits {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let (operator, clients) = (self.operator.clone(), self.clients.clone());
        Box::pin(async move {
            let deposit = Deposit::reserve(Money::new("EUR", Decimal::ONE));
            match operator.operator().deposit(deposit).await {
                Ok(Outcome::Accepted(_)) => {
                    clients.acknowledge(1);
                    Ok(1)
                }
                Ok(other) => Err(Status::failed_precondition(format!("{other:?}"))),
                Err(error) => Err(Status::unavailable(error.to_string())),
            }
        })
    }
}

/// Measures it, and writes a table.
///
/// # Errors
/// If a call fails, or the books are wrong in the end. That the ratio is too large is told, and no error: on a machine that
/// does other things it says nothing.
pub async fn measure(
    site: &Site,
    databases: &mut Databases,
    backends: &[Backend],
    span: Span,
    rounds: u32,
) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| system | issues/s | alone: p50 / p99 ms | deposits/s | beside them: p50 / p99 ms | p99 x alone | below {RATIO_MAX} |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut stream = 4_000_000;
    for &backend in backends {
        let house = System::house(site, databases, backend).await?;
        let operator = house.operator().context("a house has an operator")?.clone();
        let (mut alone, mut beside, mut deposits): (Measured, Measured, Measured) = Default::default();
        for round in 0..rounds {
            let mut issues = || {
                stream += 1;
                let workload = site.workload(stream, Spread::Even);
                open_loop(Issues { clients: house.clients.clone(), workload }, ISSUES_RATE, stream, span)
            };
            let (first, second) = (issues(), issues());
            let deposit = Deposits { operator: operator.clone(), clients: house.clients.clone() };
            let deposit = open_loop(deposit, DEPOSITS_RATE, u64::from(round), span);
            // What comes second finds more rows than what comes first: each does so in every other round.
            if round % 2 == 0 {
                alone.add(&first.await?);
                let (second, deposited) = tokio::join!(second, deposit);
                beside.add(&second?);
                deposits.add(&deposited?);
            } else {
                let (first, deposited) = tokio::join!(first, deposit);
                beside.add(&first?);
                deposits.add(&deposited?);
                alone.add(&second.await?);
            }
        }
        for measured in [&alone, &beside, &deposits] {
            ensure!(measured.failed == 0, "{:?}", measured.failure);
        }
        writeln!(out, "{}", line(&house.name, &alone, &beside, &deposits))?;
        let books = house.end(true).await?.context("a house has books")?;
        ensure!(books.are_right(), "the books are not right: {books:?}");
    }
    Ok(())
}

fn line(name: &str, alone: &Measured, beside: &Measured, deposits: &Measured) -> String {
    let quantile = |measured: &Measured, quantile: f64| measured.latencies.value_at_quantile(quantile) as f64 / 1e3;
    let ratio = quantile(beside, 0.99) / quantile(alone, 0.99);
    format!(
        "| {name} | {:.0} | {:.1} / {:.1} | {:.0} | {:.1} / {:.1} | {ratio:.2} | {} |",
        alone.rate(),
        quantile(alone, 0.5),
        quantile(alone, 0.99),
        deposits.rate(),
        quantile(beside, 0.5),
        quantile(beside, 0.99),
        if ratio < RATIO_MAX { "yes" } else { "no" },
    )
}
