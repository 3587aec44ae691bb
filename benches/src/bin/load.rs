//! Puts the house and what it is compared with under the same load, side by side, and says how they do.
//!
//! Callers and servers run in this one process, on a runtime each, and share the machine's cores with the database; that
//! holds for the ceiling, for the hand-written service and for the house alike. Every brand has its own certificate and
//! connection (the first has four), and every call is a real one over TLS 1.3 with certificates on both sides.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use clearing_benches::loads::{Bench, Turns};
use clearing_benches::machine::load_average;
use clearing_benches::ratios::ratios;
use clearing_benches::report::{Report, in_proportion, load_text};
use clearing_benches::system::{BY_HAND_CONNECTIONS, Backend, Databases, Kind, Site, System};
use clearing_benches::{deposits, fairness, fill, filled, hostile, links, poison, reads, restart, revocation, settle};
use tokio::runtime::{Handle, Runtime};

/// Measures the house beside an empty call, a hand-written service and bare SQL, on SQLite and on PostgreSQL.
#[derive(Parser)]
struct Options {
    /// PostgreSQL to measure on; every system makes a database of its own there and drops it. Without it only SQLite is
    /// measured. `./check postgres cargo run …` starts a cluster and sets this.
    #[arg(long, env = "CLEARING_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Where to make the SQLite files: a folder on a real disk. The system's folder for temporary files by default.
    #[arg(long, global = true)]
    sqlite: Option<PathBuf>,
    #[command(flatten)]
    turns: Turns,
    /// Members, each with points from before.
    #[arg(long, default_value_t = 50_000)]
    members: u32,
    /// Members beside these, who redeem: with 1 to 50 lots of five issuers each.
    #[arg(long, default_value_t = 10_000)]
    wallets: u32,
    /// Connections of the hand-written service to PostgreSQL.
    #[arg(long, default_value_t = BY_HAND_CONNECTIONS)]
    by_hand_connections: u32,
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
    /// Instead of the loads: what it costs issues that ten links a second change.
    #[arg(long)]
    links: bool,
    /// A smoke run: everything, for a moment each.
    #[arg(long)]
    quick: bool,
    /// Writes the figures to this file as well.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    /// Prints the ratios of this run with what an earlier build wrote by --json, row by row. May be given several times.
    #[arg(long, global = true, value_name = "FILE")]
    compare: Vec<PathBuf>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else there is to measure.
#[derive(Subcommand)]
enum Other {
    /// Makes a database of many members and entries, or goes on where it stopped. Runs that measure work on copies of it.
    Fill(fill::Options),
    /// The loads on copies of filled databases in turns: each rate as a share of that on the first one.
    Filled(filled::Options),
    /// What readers wait on a copy of a filled database: alone, beside issues, after a burst.
    Reads(reads::Options),
    /// Starts after `kill -9` on a copy of a filled database, and the memory of a house that serves its members.
    Restart(restart::Options),
    /// Time and memory of the audit of a filled database.
    Audit(restart::Options),
    /// How long whoever was revoked is still heard, on every node, and how long a connection outlives its certificate. Fails
    /// if a write got through.
    Revocation(revocation::Options),
    /// The close of a long window beside that of a short one; the steps of a settlement among many partners.
    Settle(settle::Options),
    /// Ratios of what two builds wrote by --json, in turns or not.
    Ratios(Ratios),
    /// Hostile loads: a client that means ill beside a partner that behaves, on a house of any build.
    Hostile(hostile::Options),
}

#[derive(Args)]
struct Ratios {
    /// What the earlier build wrote.
    #[arg(long, required = true, num_args = 1..)]
    earlier: Vec<PathBuf>,
    /// What the later build wrote.
    #[arg(long, required = true, num_args = 1..)]
    later: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    match &options.other {
        Some(Other::Hostile(hostile)) => {
            return hostile::run(hostile, Duration::from_secs_f64(options.turns.seconds));
        }
        Some(Other::Ratios(Ratios { earlier, later })) => {
            return Ok(write!(std::io::stdout(), "{}", ratios(&read(earlier)?, &read(later)?))?);
        }
        _ => {}
    }
    // Before the run: a file that is missing is not told after an hour.
    let earlier = read(&options.compare)?;
    if options.quick {
        (options.turns.seconds, options.turns.rounds) = (0.3, 1);
        (options.members, options.wallets) = (4_000, 400);
    }
    let servers = Runtime::new()?;
    let callers = Runtime::new()?;
    let outcome = callers.block_on(run(&options, servers.handle().clone()));
    servers.shutdown_timeout(Duration::from_secs(5));
    let report = outcome?;
    if let Some(path) = &options.json {
        report.write(path)?;
    }
    if !earlier.is_empty() {
        write!(std::io::stdout(), "{}", ratios(&earlier, std::slice::from_ref(&report)))?;
    }
    let failed: u64 = report.loads.iter().flat_map(|load| &load.lines).map(|line| line.failed).sum();
    ensure!(failed == 0, "{failed} calls failed");
    ensure!(report.books.iter().all(|books| books.are_right()), "the books are not right");
    Ok(())
}

fn read(files: &[PathBuf]) -> Result<Vec<Report>> {
    files.iter().map(|file| Report::read(file)).collect()
}

async fn run(options: &Options, servers: Handle) -> Result<Report> {
    let folder = options.sqlite.clone().unwrap_or_else(std::env::temp_dir);
    let mut databases = Databases::new(&folder, options.postgres.clone())?;
    let mut report = Report::of_this_run()?;
    let before = load_average();
    let measured = measure(options, servers, &mut databases, &mut report).await;
    // Also after a failure.
    databases.remove().await?;
    measured?;
    writeln!(std::io::stdout(), "load average before {}, after {}", load_text(before), load_text(load_average()))?;
    Ok(report)
}

async fn measure(options: &Options, servers: Handle, databases: &mut Databases, report: &mut Report) -> Result<()> {
    let turns = &options.turns;
    match &options.other {
        Some(Other::Fill(options)) => fill::run(options, turns.seed, report).await,
        Some(Other::Filled(options)) => filled::run(options, turns, servers, databases, report).await,
        Some(Other::Reads(options)) => reads::run(options, turns, servers, databases, report).await,
        Some(Other::Restart(options)) => restart::restarts(options, turns, servers, databases, report).await,
        Some(Other::Audit(options)) => restart::audits(options, turns, databases, report).await,
        Some(Other::Revocation(asked)) => revocation::run(asked, turns, backends(options), databases, report).await,
        Some(Other::Settle(asked)) => settle::run(asked, turns, backends(options), servers, databases, report).await,
        Some(Other::Hostile(_) | Other::Ratios(_)) => unreachable!("done without servers"),
        None if options.poison || options.fair || options.deposits || options.links => {
            neighbours(options, servers, databases).await
        }
        None => loads(options, servers, databases, report).await,
    }
}

fn site(options: &Options, servers: Handle) -> Result<Site> {
    Site::new(servers, options.members, options.wallets, options.turns.seed)
}

fn backends(options: &Options) -> &'static [Backend] {
    if options.postgres.is_some() { &[Backend::Sqlite, Backend::Postgres] } else { &[Backend::Sqlite] }
}

/// What one brand costs the others.
async fn neighbours(options: &Options, servers: Handle, databases: &mut Databases) -> Result<()> {
    let (site, backends, span) = (site(options, servers)?, backends(options), options.turns.span());
    let rounds = options.turns.rounds;
    options.turns.quiet().await;
    if options.poison {
        poison::measure(&site, databases, backends, span, rounds).await?;
    }
    if options.fair {
        fairness::measure(&site, databases, backends, span, rounds).await?;
    }
    if options.deposits {
        deposits::measure(&site, databases, backends, span, rounds).await?;
    }
    if options.links {
        links::measure(&site, databases, backends, span, rounds).await?;
    }
    Ok(())
}

/// All loads on all systems that are asked for.
async fn loads(options: &Options, servers: Handle, databases: &mut Databases, report: &mut Report) -> Result<()> {
    let (site, backends) = (site(options, servers)?, backends(options));
    let of_backend = |backend: &Backend| [Kind::ByHand(*backend), Kind::House(*backend)];
    let kinds = [Kind::Empty, Kind::Echo].into_iter().chain(backends.iter().flat_map(of_backend));
    let mut systems = Vec::new();
    for kind in kinds.filter(|kind| kind.name().contains(&options.system)) {
        systems.push(match kind {
            Kind::Empty | Kind::Echo => System::ceiling(&site, kind).await?,
            Kind::ByHand(backend) => System::by_hand(&site, databases, backend, options.by_hand_connections).await?,
            Kind::House(backend) => System::house(&site, databases, backend).await?,
        });
    }
    // Rows by bare SQL are no system: they are asked for by the name of their load.
    let bare_on = if options.system.is_empty() { backends } else { &[] };
    let (systems, loads) = Bench::new(&options.turns, &site, systems).run(databases, bare_on).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", in_proportion(&loads))?;
    report.loads.extend(loads);
    for system in systems {
        if let Some(found) = system.end(true).await? {
            writeln!(out, "{}", found.line())?;
            report.figures.extend(found.bytes_an_entry());
            report.books.push(found);
        }
    }
    for figure in &report.figures {
        writeln!(out, "{}", figure.line())?;
    }
    Ok(())
}
