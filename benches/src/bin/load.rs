//! Puts the house and what it is compared with under the same load, side by side, and says how they do.
//!
//! Callers and servers run in this one process, on a runtime each, and share the machine's cores with the database; that
//! holds for the ceiling, for the hand-written service and for the house alike. Every brand has its own certificate and
//! connection (the first has four), and every call is a real one over TLS 1.3 with certificates on both sides.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use clearing::clock::Clock;
use clearing_benches::baseline::bare::{Bare, BarePostgres, BareSqlite, Rows};
use clearing_benches::baseline::by_hand::sample_entry;
use clearing_benches::client::{
    BatchIssues, EmptyCalls, Holds, Issues, MixedCalls, Redemptions, SdkIssues, StreamIssues, sdk,
};
use clearing_benches::coalition::{self, Certificates};
use clearing_benches::fill::fill;
use clearing_benches::harness::{Measured, Source, Span, closed_loop, open_loop};
use clearing_benches::hostile;
use clearing_benches::report::{Line, Load, Report, TARGET_LOAD, targets};
use clearing_benches::system::{BY_HAND_CONNECTIONS, Backend, Databases, Kind, Site, System};
use clearing_benches::workload::Spread;
use clearing_benches::{deposits, fairness, poison};
use futures::future::BoxFuture;
use tokio::runtime::{Handle, Runtime};
use tonic::Status;

/// Measures the house beside an empty call, a hand-written service and bare SQL, on SQLite and on PostgreSQL.
#[derive(Parser)]
struct Options {
    /// PostgreSQL to measure on; every system makes a database of its own there and drops it. Without it only SQLite is
    /// measured. `./check postgres cargo run …` starts a cluster and sets this.
    #[arg(long, env = "CLEARING_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Where to make the SQLite files: a folder on a real disk. The system's folder for temporary files by default.
    #[arg(long)]
    sqlite: Option<PathBuf>,
    /// Seconds measured for each figure, over all rounds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often the systems take turns under each load.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Members, each with points from before.
    #[arg(long, default_value_t = 50_000)]
    members: u32,
    /// Members beside these, who redeem: with 1 to 50 lots of five issuers each.
    #[arg(long, default_value_t = 10_000)]
    wallets: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections of the hand-written service to PostgreSQL.
    #[arg(long, default_value_t = BY_HAND_CONNECTIONS)]
    by_hand_connections: u32,
    /// Only the loads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only the systems whose name contains this, as `house, SQLite` does: for a profile of one of them, or for runs in turns
    /// with another build.
    #[arg(long, default_value = "")]
    system: String,
    /// Instead of the loads: what a brand whose requests fail for good costs its neighbours.
    #[arg(long)]
    poison: bool,
    /// Instead of the loads: what a greedy brand costs a polite one, and what is left of the work under overload.
    #[arg(long)]
    fair: bool,
    /// Instead of the loads: what issues wait beside 200 deposits a second.
    #[arg(long)]
    deposits: bool,
    /// A smoke run: everything, for a moment each.
    #[arg(long)]
    quick: bool,
    /// Instead of the loads: writes so many entries and asks for a statement right after.
    #[arg(long, value_name = "ENTRIES")]
    fill: Option<u64>,
    /// With --fill: keeps SQLite's file here.
    #[arg(long, value_name = "FILE", requires = "fill")]
    keep: Option<PathBuf>,
    /// Writes the figures to this file as well.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else there is to measure.
#[derive(Subcommand)]
enum Other {
    /// Hostile loads: a client that means ill beside a partner that behaves, on a house of any build.
    Hostile(hostile::Options),
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    if let Some(Other::Hostile(options)) = &options.other {
        return hostile::run(options);
    }
    if options.quick {
        (options.seconds, options.rounds, options.members, options.wallets) = (0.3, 1, 4_000, 400);
    }
    let servers = Runtime::new()?;
    let callers = Runtime::new()?;
    let outcome = callers.block_on(run(&options, servers.handle().clone()));
    servers.shutdown_timeout(Duration::from_secs(5));
    outcome
}

async fn run(options: &Options, servers: Handle) -> Result<()> {
    let folder = options.sqlite.clone().unwrap_or_else(std::env::temp_dir);
    let mut databases = Databases::new(&folder, options.postgres.clone())?;
    if options.poison || options.fair || options.deposits {
        let measured = neighbours(options, servers, &mut databases).await;
        databases.remove().await?;
        return measured;
    }
    if let Some(entries) = options.fill {
        let filled = fill_all(options, servers, &mut databases, entries).await;
        databases.remove().await?;
        return filled;
    }
    let measured = measure(options, servers, &mut databases).await;
    // Also after a failure.
    databases.remove().await?;
    let mut report = measured?;
    report.sqlite_folder = folder.display().to_string();
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    let failed: u64 = report.loads.iter().flat_map(|load| &load.lines).map(|line| line.failed).sum();
    ensure!(failed == 0, "{failed} calls failed");
    ensure!(report.books.iter().all(|books| books.are_right()), "the books are not right");
    Ok(())
}

fn site(options: &Options, servers: Handle) -> Result<Site> {
    let clock = Clock::system();
    Ok(Site {
        house: Arc::new(coalition::house(clock.now())),
        certificates: Certificates::generate(&clock)?,
        clock,
        servers,
        members: options.members,
        wallets: options.wallets,
        seed: options.seed,
    })
}

fn backends(options: &Options) -> &'static [Backend] {
    if options.postgres.is_some() { &[Backend::Sqlite, Backend::Postgres] } else { &[Backend::Sqlite] }
}

fn span(options: &Options) -> Span {
    let measured = Duration::from_secs_f64(options.seconds / f64::from(options.rounds));
    Span { warm_up: (measured / 4).min(Duration::from_millis(500)), measured }
}

/// What one brand costs the others.
async fn neighbours(options: &Options, servers: Handle, databases: &mut Databases) -> Result<()> {
    let (site, backends, span) = (site(options, servers)?, backends(options), span(options));
    let before = load_average();
    if options.poison {
        poison::measure(&site, databases, backends, span, options.rounds).await?;
    }
    if options.fair {
        fairness::measure(&site, databases, backends, span, options.rounds).await?;
    }
    if options.deposits {
        deposits::measure(&site, databases, backends, span, options.rounds).await?;
    }
    writeln!(std::io::stdout(), "load average before {before}, after {}", load_average())?;
    Ok(())
}

async fn fill_all(options: &Options, servers: Handle, databases: &mut Databases, entries: u64) -> Result<()> {
    let site = site(options, servers)?;
    for &backend in backends(options) {
        fill(&site, databases, backend, entries, options.keep.as_deref()).await?;
    }
    Ok(())
}

async fn measure(options: &Options, servers: Handle, databases: &mut Databases) -> Result<Report> {
    let before = load_average();
    let (site, backends) = (site(options, servers)?, backends(options));
    let mut systems = vec![System::ceiling(&site, Kind::Empty).await?, System::ceiling(&site, Kind::Echo).await?];
    for &backend in backends {
        systems.push(System::by_hand(&site, databases, backend, options.by_hand_connections).await?);
        systems.push(System::house(&site, databases, backend).await?);
    }
    let bench = Bench { options, site, systems, stream: 0, loads: Vec::new() };
    let (systems, loads) = bench.run(databases, backends).await?;

    let after = load_average();
    let mut books = Vec::new();
    let mut out = std::io::stdout();
    writeln!(out, "{}\nload average before {before}, after {after}", targets(&loads))?;
    for system in systems {
        if let Some(found) = system.end().await? {
            writeln!(out, "{}", found.line())?;
            books.push(found);
        }
    }
    Ok(Report {
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        seed: options.seed,
        members: options.members,
        seconds: options.seconds,
        rounds: options.rounds,
        cores: std::thread::available_parallelism()?.get(),
        sqlite_folder: String::new(),
        load_average: [before, after],
        loads,
        books,
    })
}

/// Running processes on average over the last minute, as the system tells.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What a system is asked, one by one.
enum Unary {
    Empty(EmptyCalls),
    Issue(Issues),
}

impl Source for Unary {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        match self {
            Self::Empty(calls) => calls.call(),
            Self::Issue(calls) => calls.call(),
        }
    }
}

/// Calls on the points of one member, one by one.
enum Taking {
    Issue(Issues),
    Redeem(Redemptions),
    Hold(Holds),
}

impl Source for Taking {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        match self {
            Self::Issue(calls) => calls.call(),
            Self::Redeem(calls) => calls.call(),
            Self::Hold(calls) => calls.call(),
        }
    }
}

/// A run under way.
struct Bench<'a> {
    options: &'a Options,
    site: Site,
    systems: Vec<System>,
    /// Streams of the workload given out.
    stream: u64,
    loads: Vec<Load>,
}

/// Whoever can issue.
const ISSUERS: fn(Kind) -> bool = |kind| kind != Kind::Empty;
const HOUSES: fn(Kind) -> bool = |kind| matches!(kind, Kind::House(_));
const ECHO_AND_HOUSES: fn(Kind) -> bool = |kind| matches!(kind, Kind::Echo | Kind::House(_));

/// Items of a batch, and batches in flight.
const BATCH: usize = 1_000;
const BATCHES_IN_FLIGHT: usize = 4;

/// The open loop's rate, as a share of what the slowest house did with 256 callers that wait for each answer.
const OPEN_SHARE: f64 = 0.5;

impl Bench<'_> {
    async fn run(mut self, databases: &mut Databases, backends: &[Backend]) -> Result<(Vec<System>, Vec<Load>)> {
        self.unary("unary, 1 in flight, 20 brands", 1, Spread::Even).await?;
        self.unary("unary, 16 in flight, 20 brands", 16, Spread::Even).await?;
        self.unary(TARGET_LOAD, 256, Spread::Even).await?;
        self.unary("unary, 256 in flight, one brand has 70 %", 256, Spread::OneHot).await?;
        self.close_in_the_middle().await?;
        self.mix().await?;
        self.redemptions(databases).await?;
        self.batches().await?;
        self.streams().await?;
        self.bare(databases, backends).await?;
        self.sdk().await?;
        self.open().await?;
        Ok((self.systems, self.loads))
    }

    fn wanted(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    /// The places of the systems of some kinds that `--system` leaves.
    fn chosen(&self, which: fn(Kind) -> bool) -> Vec<usize> {
        let chosen = |system: &System| which(system.kind) && system.name.contains(&self.options.system);
        (0..self.systems.len()).filter(|at| chosen(&self.systems[*at])).collect()
    }

    fn span(&self) -> Span {
        span(self.options)
    }

    fn callers<S>(&mut self, count: usize, mut make: impl FnMut(&mut Self) -> S) -> Vec<S> {
        (0..count).map(|_| make(self)).collect()
    }

    fn next_stream(&mut self) -> u64 {
        self.stream += 1;
        self.stream
    }

    fn done(&mut self, load: Load) -> Result<()> {
        std::io::stdout().write_all(load.table().as_bytes())?;
        self.loads.push(load);
        Ok(())
    }

    /// Lets the systems take turns under a closed loop of these callers.
    async fn closed<S: Source>(
        &mut self,
        name: &str,
        count: usize,
        which: fn(Kind) -> bool,
        mut caller: impl FnMut(&Self, &System, u64) -> S,
    ) -> Result<()> {
        if !self.wanted(name) {
            return Ok(());
        }
        let chosen = self.chosen(which);
        let mut measured: Vec<Option<Measured>> = vec![None; chosen.len()];
        for _ in 0..self.options.rounds {
            for (place, &at) in chosen.iter().enumerate() {
                let callers = self.callers(count, |bench| {
                    let stream = bench.next_stream();
                    caller(bench, &bench.systems[at], stream)
                });
                let found = closed_loop(callers, self.span()).await?;
                match &mut measured[place] {
                    Some(all) => all.add(&found),
                    none => *none = Some(found),
                }
            }
        }
        let lines = chosen.iter().zip(measured).filter_map(|(&at, measured)| {
            let system = &self.systems[at];
            measured.map(|measured| Line::new(system.name, Some(system.kind), &measured, None))
        });
        let load = Load::new(name, "issues/s", lines.collect());
        self.done(load)
    }

    async fn unary(&mut self, name: &str, count: usize, spread: Spread) -> Result<()> {
        self.closed(
            name,
            count,
            |_| true,
            |bench, system, stream| {
                let (clients, workload) = (system.clients.clone(), bench.site.workload(stream, spread));
                match system.kind {
                    Kind::Empty => Unary::Empty(EmptyCalls { clients, workload }),
                    Kind::Echo | Kind::ByHand(_) | Kind::House(_) => Unary::Issue(Issues { clients, workload }),
                }
            },
        )
        .await
    }

    async fn batches(&mut self) -> Result<()> {
        let name = format!("batches of {BATCH}, {BATCHES_IN_FLIGHT} in flight (latency of a batch)");
        self.closed(&name, BATCHES_IN_FLIGHT, ECHO_AND_HOUSES, |bench, system, stream| BatchIssues {
            clients: system.clients.clone(),
            workload: bench.site.workload(stream, Spread::Even),
            size: BATCH,
        })
        .await
    }

    async fn streams(&mut self) -> Result<()> {
        let name = format!("{BATCHES_IN_FLIGHT} streams with batches of {BATCH} (latency of a batch)");
        self.closed(&name, BATCHES_IN_FLIGHT, ECHO_AND_HOUSES, |bench, system, stream| {
            StreamIssues::new(system.clients.clone(), bench.site.workload(stream, Spread::Even), BATCH)
        })
        .await
    }

    async fn mix(&mut self) -> Result<()> {
        let name = "mix, 256 in flight: 70 % issue, 25 % redeem, 5 % return";
        let redemptions: Vec<_> = self.systems.iter().map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let names: Vec<&'static str> = self.systems.iter().map(|system| system.name).collect();
        self.closed(name, 256, HOUSES, |bench, system, stream| {
            let at = names.iter().position(|name| *name == system.name).expect("the name of a system");
            MixedCalls {
                clients: system.clients.clone(),
                workload: bench.site.workload(stream, Spread::Even),
                redemptions: Arc::clone(&redemptions[at]),
            }
        })
        .await
    }

    /// Redemptions, and authorizations with captures, of members with many lots; in turns with issues, whose rate they are
    /// compared with.
    async fn redemptions(&mut self, databases: &Databases) -> Result<()> {
        let name = "redeem, authorize and capture, 256 in flight: 1 to 50 lots of 5 issuers";
        if !self.wanted(name) {
            return Ok(());
        }
        let mut lines = Vec::new();
        for at in self.chosen(HOUSES) {
            self.systems[at].fill_wallets(&self.site, databases).await?;
            let mut measured = [const { None::<Measured> }; 3];
            for turn in 0..self.options.rounds as usize * measured.len() {
                let which = turn % measured.len();
                let callers = self.callers(256, |bench| {
                    let (clients, stream) = (bench.systems[at].clients.clone(), bench.next_stream());
                    match which {
                        0 => Taking::Issue(Issues { clients, workload: bench.site.workload(stream, Spread::Even) }),
                        1 => Taking::Redeem(Redemptions { clients, workload: bench.site.wallet_workload(stream) }),
                        _ => Taking::Hold(Holds::new(clients, bench.site.wallet_workload(stream))),
                    }
                });
                let found = closed_loop(callers, self.span()).await?;
                match &mut measured[which] {
                    Some(all) => all.add(&found),
                    none => *none = Some(found),
                }
            }
            let system = &self.systems[at];
            let mut issues = None;
            for (measured, what) in measured.into_iter().flatten().zip(["issue", "redeem", "hold, capture"]) {
                let mut line = Line::new(&format!("{}: {what}", system.name), None, &measured, None);
                line.of_issues = issues.map(|issues: f64| line.rate / issues);
                issues = issues.or(Some(line.rate));
                lines.push(line);
            }
        }
        self.done(Load::new(name, "calls/s", lines))
    }

    /// As unary with 256 in flight, while the operator closes the window.
    async fn close_in_the_middle(&mut self) -> Result<()> {
        let name = "unary, 256 in flight, the window closes in the middle";
        if !self.wanted(name) {
            return Ok(());
        }
        let mut lines = Vec::new();
        for at in self.chosen(HOUSES) {
            let callers = self.callers(256, |bench| {
                let stream = bench.next_stream();
                Issues {
                    clients: bench.systems[at].clients.clone(),
                    workload: bench.site.workload(stream, Spread::Even),
                }
            });
            let span = self.span();
            let system = &self.systems[at];
            let closing = async {
                tokio::time::sleep(span.warm_up + span.measured / 2).await;
                system.close_window().await
            };
            let (measured, closed) = tokio::join!(closed_loop(callers, span), closing);
            let note = format!("closed in {:.1} ms", closed?.as_secs_f64() * 1e3);
            lines.push(Line::new(system.name, Some(system.kind), &measured?, Some(note)));
        }
        self.done(Load::new(name, "issues/s", lines))
    }

    /// The house's rows by nothing but SQL.
    async fn bare(&mut self, databases: &mut Databases, backends: &[Backend]) -> Result<()> {
        let name = "bare SQL: the house's rows in batches (latency of a batch; no rules, no RPC)";
        if !self.wanted(name) {
            return Ok(());
        }
        let entry = sample_entry(&self.site.house, &self.site.clock)?;
        let mut lines = Vec::new();
        for &backend in backends {
            let place = databases.make(backend, "bare").await?;
            let (named, mut bare) = match backend {
                Backend::Sqlite => ("SQLite", Bare::Sqlite(Box::new(BareSqlite::open(place.as_ref()).await?))),
                Backend::Postgres => ("PostgreSQL", Bare::Postgres(Box::new(BarePostgres::open(&place).await?))),
            };
            let mut rows = Rows::new(self.options.seed, self.options.members, entry.clone());
            bare.preload(&mut rows).await?;
            let span = Span { measured: Duration::from_secs_f64(self.options.seconds), ..self.span() };
            for size in [1, 256, 2048] {
                let measured = bare.measure(&mut rows, size, span).await?;
                lines.push(Line::new(&format!("{named}, batches of {size}"), None, &measured, None));
            }
            bare.close().await?;
        }
        self.done(Load::new(name, "issues/s", lines))
    }

    /// What the SDK costs its caller.
    async fn sdk(&mut self) -> Result<()> {
        let name = "unary through the SDK, 256 in flight, 20 brands";
        if !self.wanted(name) {
            return Ok(());
        }
        let mut brands = Vec::new();
        for system in &self.systems {
            let mut clients = Vec::new();
            for identity in &self.site.certificates.partners {
                clients.push(sdk(system.address(), &self.site.certificates, identity).await?);
            }
            brands.push((system.name, Arc::new(clients)));
        }
        self.closed(name, 256, ECHO_AND_HOUSES, |bench, system, stream| {
            let found = brands.iter().find(|(name, _)| *name == system.name).expect("the name of a system");
            SdkIssues {
                brands: Arc::clone(&found.1),
                clients: system.clients.clone(),
                workload: bench.site.workload(stream, Spread::Even),
            }
        })
        .await
    }

    /// The same number of calls a second for all, whether or not they keep up.
    async fn open(&mut self) -> Result<()> {
        let houses = self.loads.iter().find(|load| load.name == TARGET_LOAD);
        let rates = houses.into_iter().flat_map(|load| &load.lines).filter(|line| line.kind.is_some_and(HOUSES));
        let slowest = rates.map(|line| line.rate).reduce(f64::min);
        let Some(rate) = slowest.map(|slowest| (slowest * OPEN_SHARE / 100.0).floor() * 100.0) else { return Ok(()) };
        let name = format!("open loop, {rate:.0} issues/s due, 20 brands (latency from when a call was due)");
        if !self.wanted(&name) || rate <= 0.0 {
            return Ok(());
        }
        let mut lines = Vec::new();
        for at in self.chosen(ISSUERS) {
            let stream = self.next_stream();
            let system = &self.systems[at];
            let source = Issues { clients: system.clients.clone(), workload: self.site.workload(stream, Spread::Even) };
            let span = Span { measured: Duration::from_secs_f64(self.options.seconds), ..self.span() };
            let measured = open_loop(source, rate, self.options.seed, span).await?;
            lines.push(Line::new(system.name, Some(system.kind), &measured, None));
        }
        self.done(Load::new(name, "issues/s", lines).without_shares())
    }
}
