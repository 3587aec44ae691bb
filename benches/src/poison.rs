//! `load --poison`: what one caller whose requests fail for good costs its neighbours.
//!
//! A trigger in the database refuses one number of points, as a mistake in the house would: for good, and only when the
//! rows are written. The neighbours' rate is measured without that caller, beside one that issues as anybody does, and
//! beside one that sends nothing but poison.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::client::Clients;
use crate::coalition::PARTNERS;
use crate::harness::{Measured, Source, Span, closed_loop};
use crate::system::{Backend, Databases, Site, System};
use crate::workload::{Spread, Workload};

/// Points whose entry the trigger refuses: more than all others of a batch issue together. It is known by what its batch takes
/// from the account of an issuer.
const POISON: i64 = 1_000_000_000;
/// Neighbours with one call in flight each, and callers of the brand that sends poison.
const NEIGHBOURS: usize = 64;
const POISONERS: usize = 16;

/// Issues of one brand.
pub(crate) struct OneBrand {
    pub clients: Clients,
    pub workload: Workload,
    pub brand: usize,
}

impl Source for OneBrand {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let (clients, request) = (self.clients.clone(), self.workload.issue());
        let mut issues = clients.issues(self.brand);
        Box::pin(async move {
            issues.issue_points(request).await?;
            clients.acknowledge(1);
            Ok(1)
        })
    }
}

/// What the other brand does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Nothing,
    Issues,
    Poison,
}

/// Measures it, and writes a table.
///
/// # Errors
/// If a neighbour's call fails, a poisoned one does not, or the books are wrong in the end.
pub async fn measure(
    site: &Site,
    databases: &mut Databases,
    backends: &[Backend],
    span: Span,
    rounds: u32,
) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "| system | the other brand | neighbours, issues/s | of alone | p99 ms | its answers/s |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let mut stream = 1_000_000;
    for &backend in backends {
        let system = System::house(site, databases, backend).await?;
        plant(backend, &system.place()).await?;
        let others = [Other::Nothing, Other::Issues, Other::Poison];
        let mut found: [(Measured, u64); 3] = Default::default();
        for round in 0..rounds {
            for (place, other) in others.into_iter().enumerate() {
                let (neighbours, answers) = beside(site, &system, other, span, &mut stream).await?;
                ensure!(neighbours.failed == 0, "round {round}: {:?}", neighbours.failure);
                found[place].0.add(&neighbours);
                found[place].1 += answers;
            }
        }
        let alone = found[0].0.rate();
        for (other, (measured, answers)) in others.iter().zip(&found) {
            let p99 = measured.latencies.value_at_quantile(0.99) as f64 / 1e3;
            let (rate, answers) = (measured.rate(), *answers as f64 / measured.elapsed.as_secs_f64());
            let (name, of_alone) = (&system.name, rate / alone);
            writeln!(out, "| {name} | {other:?} | {rate:.0} | {of_alone:.2} | {p99:.1} | {answers:.0} |")?;
        }
        let books = system.end(true).await?.context("a house has books")?;
        ensure!(books.are_right(), "the books are not right: {books:?}");
    }
    Ok(())
}

async fn beside(site: &Site, system: &System, other: Other, span: Span, stream: &mut u64) -> Result<(Measured, u64)> {
    let mut workload = || {
        *stream += 1;
        site.workload(*stream, Spread::Even)
    };
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut poisoning = JoinSet::new();
    for _ in 0..if other == Other::Nothing { 0 } else { POISONERS } {
        let (mut workload, clients) = (workload(), system.clients.clone());
        let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
        poisoning.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let member = workload.below(1000);
                let points = if other == Other::Poison { POISON } else { 10 };
                let request = workload.issue_to(member, points);
                match (clients.issues(0).issue_points(request).await, other) {
                    (Ok(_), Other::Issues) => clients.acknowledge(1),
                    (Err(status), Other::Poison) if status.code() == Code::Internal => {}
                    (heard, _) => anyhow::bail!("the other brand heard {heard:?}"),
                }
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    let brands = 1..PARTNERS;
    let callers = (0..NEIGHBOURS).map(|at| OneBrand {
        clients: system.clients.clone(),
        workload: workload(),
        brand: brands.start + at % brands.len(),
    });
    let measured = closed_loop(callers.collect(), span).await?;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = poisoning.join_next().await {
        ended??;
    }
    Ok((measured, answers.load(Ordering::Relaxed)))
}

async fn plant(backend: Backend, url: &str) -> Result<()> {
    let poisoned = format!("new.commodity = 'points' AND new.amount <= -{POISON}");
    match backend {
        Backend::Sqlite => {
            let mut connection = SqliteConnection::connect(url).await?;
            let sql = format!(
                "CREATE TRIGGER poison BEFORE INSERT ON balances WHEN {poisoned}
                 BEGIN SELECT RAISE(ABORT, 'poison'); END"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await?;
        }
        Backend::Postgres => {
            let mut connection = PgConnection::connect(url).await?;
            let sql = format!(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
                 CREATE TRIGGER poison BEFORE INSERT ON balances FOR EACH ROW WHEN ({poisoned}) EXECUTE FUNCTION poison()"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await?;
        }
    }
    Ok(())
}
