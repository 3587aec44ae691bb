//! `load --links`: what it costs issues that ten links a second change.
//!
//! A node keeps whose an identifier is, and reads again what the log of changed links names. Here a connection of its own adds
//! rows to that log, each of a member's card, as a change of a link does; the links stay what they were. It does not wait for
//! the disk, as a change of the house would go with a batch. Issues by closed loops, alone and beside it, take turns.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::task::JoinSet;

use crate::client::Issues;
use crate::harness::{Measured, Span, closed_loop};
use crate::system::{Backend, Databases, Site, System};
use crate::workload::Spread;

/// Changed links in a second.
const CHANGES_RATE: u32 = 10;
/// Callers with one issue in flight each.
const CALLERS: u64 = 256;
/// Identifiers that change in turns.
const CHANGED: usize = 500;
/// What is left of the rate of issues, at least, by the house's own goal.
const RATIO_MIN: f64 = 0.95;

/// Measures it, and writes a table.
///
/// # Errors
/// If a call fails, a change cannot be written, or the books are wrong in the end. That the ratio is too small is told, and
/// no error: on a machine that does other things it says nothing.
pub async fn measure(
    site: &Site,
    databases: &mut Databases,
    backends: &[Backend],
    span: Span,
    rounds: u32,
) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "| system | issues/s alone | beside | changed links/s | of alone | at least {RATIO_MIN} |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let mut stream = 5_000_000;
    for &backend in backends {
        let house = System::house(site, databases, backend).await?;
        let (mut alone, mut beside, mut changes): (Measured, Measured, u64) = Default::default();
        for round in 0..rounds {
            // What comes second finds more rows than what comes first: each does so in every other round.
            for changing in [round % 2 == 1, round % 2 == 0] {
                let callers = (0..CALLERS).map(|_| {
                    stream += 1;
                    Issues { clients: house.clients.clone(), workload: site.workload(stream, Spread::Even) }
                });
                let changer = if changing { Some(Changer::start(backend, &house.place()).await?) } else { None };
                let measured = closed_loop(callers.collect(), span).await?;
                match changer {
                    Some(changer) => {
                        beside.add(&measured);
                        changes += changer.end().await?;
                    }
                    None => alone.add(&measured),
                }
            }
        }
        for measured in [&alone, &beside] {
            ensure!(measured.failed == 0, "{:?}", measured.failure);
        }
        let seconds = (span.warm_up + span.measured).as_secs_f64() * f64::from(rounds);
        let (name, ratio) = (&house.name, beside.rate() / alone.rate());
        writeln!(
            out,
            "| {name} | {:.0} | {:.0} | {:.1} | {ratio:.3} | {} |",
            alone.rate(),
            beside.rate(),
            changes as f64 / seconds,
            if ratio >= RATIO_MIN { "yes" } else { "no" },
        )?;
        let books = house.end(true).await?.context("a house has books")?;
        ensure!(books.are_right(), "the books are not right: {books:?}");
    }
    Ok(())
}

/// Changes links until it is ended.
struct Changer {
    stop: tokio::sync::oneshot::Sender<()>,
    running: JoinSet<Result<u64>>,
}

impl Changer {
    async fn start(backend: Backend, url: &str) -> Result<Self> {
        let mut log = Log::open(backend, url).await?;
        let hashes = log.hashes().await?;
        ensure!(!hashes.is_empty(), "nobody is enrolled");
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / CHANGES_RATE);
            let mut changed = 0;
            for hash in hashes.iter().cycle() {
                tokio::select! {
                    _ = &mut stopped => break,
                    _ = ticks.tick() => {}
                }
                log.add(hash).await?;
                changed += 1;
            }
            Ok(changed)
        });
        Ok(Self { stop, running })
    }

    async fn end(mut self) -> Result<u64> {
        // One that has failed is not there any more, and says so itself.
        let _ = self.stop.send(());
        self.running.join_next().await.context("one changes links")??
    }
}

/// The log of changed links, written from beside.
enum Log {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Log {
    async fn open(backend: Backend, url: &str) -> Result<Self> {
        Ok(match backend {
            Backend::Sqlite => {
                let mut connection = SqliteConnection::connect(url).await?;
                sqlx::raw_sql("PRAGMA synchronous = OFF").execute(&mut connection).await?;
                Self::Sqlite(connection)
            }
            Backend::Postgres => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::raw_sql("SET synchronous_commit = off").execute(&mut connection).await?;
                Self::Postgres(connection)
            }
        })
    }

    async fn hashes(&mut self) -> Result<Vec<Vec<u8>>> {
        let sql = AssertSqlSafe(format!("SELECT identifier_hash FROM identifiers LIMIT {CHANGED}"));
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_all(connection).await?,
        })
    }

    async fn add(&mut self, hash: &[u8]) -> Result<()> {
        const SQL: &str = "INSERT INTO link_changes (number, identifier_hash, changed_at) \
                           SELECT coalesce(max(number), 0) + 1, $1, 0 FROM link_changes";
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(SQL).bind(hash).execute(connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::query(SQL).bind(hash).execute(connection).await?;
            }
        }
        Ok(())
    }
}
