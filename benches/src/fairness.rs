//! `load --fair`: what a greedy brand costs a polite one, and what is left of the house's work when it is asked for more
//! than it can do.
//!
//! The polite brand sends 100 issues a second at random moments, whatever the answers do. What it waits is compared with
//! what it waits alone, and with what it waits while the same greedy callers ask an echo instead: these take the same
//! processors from it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clearing_proto::v1;
use tokio::task::JoinSet;
use tonic::Code;

use crate::client::{BatchIssues, Clients, Issues};
use crate::harness::{Measured, Span, closed_loop, open_loop};
use crate::poison::OneBrand;
use crate::system::{Backend, Databases, Kind, Site, System};
use crate::workload::Spread;

/// Issues of the polite brand in a second, and its place among the brands; the greedy one is the first.
const POLITE_RATE: f64 = 100.0;
const POLITE: usize = 1;
/// Issues in flight of the greedy brand, on so many sets of four connections.
const FLOOD: usize = 24_000;
const FLOOD_SETS: usize = 6;
/// Items of its batches, and batches in flight.
const BATCH: usize = 8_000;
const BATCHES: usize = 2;
/// Its reads in flight.
const READS: usize = 64;
/// How long a caller that was turned away waits, as it was told at the least.
const PAUSE: Duration = Duration::from_millis(50);
/// Callers of the closed loop that finds out what the house can do, and how many times that it is asked for then.
const CALLERS: usize = 256;
const OVERLOAD: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greed {
    Nothing,
    Flood,
    Batches,
    Reads,
}

/// Measures it, and writes the tables.
///
/// # Errors
/// If a call of the polite brand fails, or the books are wrong in the end.
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
        "| system | greedy brand | at | polite p50 / p99 ms | x alone | x echo | turned away: polite, greedy | greedy/s |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let echo = System::ceiling(site, Kind::Echo).await?;
    let mut stream = 2_000_000;
    let mut goodput = Vec::new();
    for &backend in backends {
        let house = System::house(site, databases, backend).await?;
        let alone = over(site, &house, &house, Greed::Nothing, span, rounds, &mut stream).await?;
        writeln!(out, "{}", alone.line(&house, Greed::Nothing, "", None, None))?;
        for greed in [Greed::Flood, Greed::Batches, Greed::Reads] {
            let at_echo = match greed {
                Greed::Flood | Greed::Batches => {
                    Some(over(site, &house, &echo, greed, span, rounds, &mut stream).await?)
                }
                Greed::Nothing | Greed::Reads => None,
            };
            let beside = over(site, &house, &house, greed, span, rounds, &mut stream).await?;
            if let Some(at_echo) = &at_echo {
                writeln!(out, "{}", at_echo.line(&house, greed, "echo", Some(&alone), None))?;
            }
            writeln!(out, "{}", beside.line(&house, greed, "house", Some(&alone), at_echo.as_ref()))?;
        }
        goodput.push(overload(site, &house, span, &mut stream).await?);
        let books = house.end(true).await?.context("a house has books")?;
        ensure!(books.are_right(), "the books are not right: {books:?}");
    }
    echo.end(false).await?;
    writeln!(
        out,
        "\n| system | best, issues/s | at {OVERLOAD} x | goodput, issues/s | of best | turned away/s | p99 ms |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for line in goodput {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What the two brands came to.
struct Found {
    polite: Measured,
    greedy: u64,
    refused: u64,
}

impl Found {
    fn p99(&self) -> f64 {
        self.polite.latencies.value_at_quantile(0.99) as f64 / 1e3
    }

    fn line(&self, house: &System, greed: Greed, at: &str, alone: Option<&Self>, echo: Option<&Self>) -> String {
        let ratio = |to: Option<&Self>| to.map_or_else(String::new, |to| format!("{:.1}", self.p99() / to.p99()));
        let p50 = self.polite.latencies.value_at_quantile(0.5) as f64 / 1e3;
        let (failed, refused) = (self.polite.failed, self.refused);
        let rate = self.greedy as f64 / self.polite.elapsed.as_secs_f64();
        let (name, p99, alone, echo) = (&house.name, self.p99(), ratio(alone), ratio(echo));
        format!(
            "| {name} | {greed:?} | {at} | {p50:.1} / {p99:.1} | {alone} | {echo} | {failed}, {refused} | {rate:.0} |"
        )
    }
}

/// The polite brand at the house, the greedy one there or elsewhere.
async fn over(
    site: &Site,
    house: &System,
    at: &System,
    greed: Greed,
    span: Span,
    rounds: u32,
    stream: &mut u64,
) -> Result<Found> {
    let mut all = Found { polite: Measured::default(), greedy: 0, refused: 0 };
    for _ in 0..rounds {
        let (stop, done, refused) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut greedy = greedy(site, at, greed, stream, &stop, &done, &refused).await?;
        *stream += 1;
        let workload = site.workload(*stream, Spread::Even);
        let polite = OneBrand { clients: house.clients.clone(), workload, brand: POLITE };
        let measured = open_loop(polite, POLITE_RATE, *stream, span).await?;
        all.polite.add(&measured);
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = greedy.join_next().await {
            ended??;
        }
        all.greedy += done.load(Ordering::Relaxed);
        all.refused += refused.load(Ordering::Relaxed);
    }
    Ok(all)
}

async fn greedy(
    site: &Site,
    at: &System,
    greed: Greed,
    stream: &mut u64,
    stop: &Arc<AtomicBool>,
    done: &Arc<AtomicU64>,
    refused: &Arc<AtomicU64>,
) -> Result<JoinSet<Result<()>>> {
    let (callers, sets) = match greed {
        Greed::Nothing => (0, 0),
        Greed::Flood => (FLOOD, FLOOD_SETS),
        Greed::Batches => (BATCHES, 1),
        Greed::Reads => (READS, 1),
    };
    let mut clients = Vec::new();
    for _ in 0..sets {
        clients.push(Clients::connect(at.address(), &site.certificates).await?);
    }
    let mut running = JoinSet::new();
    for caller in 0..callers {
        *stream += 1;
        let mut workload = site.workload(*stream, Spread::Even);
        let (clients, counted) = (clients[caller % sets].clone(), at.clients.clone());
        let (stop, done, refused) = (Arc::clone(stop), Arc::clone(done), Arc::clone(refused));
        running.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let heard = match greed {
                    Greed::Flood => clients.issues(0).issue_points(workload.issue()).await.map(|_| 1),
                    Greed::Batches => {
                        let items = (0..BATCH).map(|_| workload.issue()).collect();
                        let request = v1::BatchIssuePointsRequest { items };
                        let answer = clients.issues(0).batch_issue_points(request).await;
                        answer.and_then(|answer| BatchIssues::accepted(&answer.into_inner().results))
                    }
                    Greed::Nothing | Greed::Reads => {
                        let request = v1::ListEntriesRequest { page_size: 1000, ..v1::ListEntriesRequest::default() };
                        clients.entries(0).list_entries(request).await.map(|_| 0)
                    }
                };
                match heard {
                    Ok(issued) => {
                        counted.acknowledge(issued);
                        done.fetch_add(issued.max(1), Ordering::Relaxed);
                    }
                    Err(status) if status.code() == Code::ResourceExhausted => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(status) => anyhow::bail!("the greedy brand heard {status:?}"),
                }
            }
            Ok(())
        });
    }
    Ok(running)
}

/// What the house does at best, and what when it is asked for several times that.
async fn overload(site: &Site, house: &System, span: Span, stream: &mut u64) -> Result<String> {
    let mut issues = || {
        *stream += 1;
        Issues { clients: house.clients.clone(), workload: site.workload(*stream, Spread::Even) }
    };
    let best = closed_loop((0..CALLERS).map(|_| issues()).collect(), span).await?;
    ensure!(best.failed == 0, "{:?}", best.failure);
    let begun = Instant::now();
    let over = open_loop(issues(), best.rate() * OVERLOAD, 1, span).await?;
    // What was asked for within the span may be answered long after it: the work took until then.
    let took = begun.elapsed().saturating_sub(span.warm_up);
    let p99 = over.latencies.value_at_quantile(0.99) as f64 / 1e3;
    let (name, best, goodput) = (&house.name, best.rate(), over.operations as f64 / took.as_secs_f64());
    let (of_best, refused) = (goodput / best, over.failed as f64 / took.as_secs_f64());
    let asked = over.calls as f64 / over.elapsed.as_secs_f64();
    Ok(format!("| {name} | {best:.0} | {asked:.0} | {goodput:.0} | {of_best:.2} | {refused:.0} | {p99:.1} |"))
}
