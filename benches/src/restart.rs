//! `load restart`: a house as a process of its own on a copy of a filled database, killed in the middle of its work: how long
//! it takes until it answers again, and what it holds of the memory while it serves.
//!
//! `load audit`: how long the audit of a filled database takes, and the memory that it wants.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tokio::runtime::Handle;

use crate::client::{Clients, Issues};
use crate::fill::check_coalition;
use crate::harness::{Span, closed_loop};
use crate::loads::Turns;
use crate::process::{self, House, Papers, Program};
use crate::report::{Figure, Line, Load, Report};
use crate::system::{Databases, Kind, Site, database};
use crate::workload::Spread;

/// Callers that issue while it serves.
const CALLERS: usize = 64;

/// How long before it is killed it works.
const BEFORE_A_KILL: Duration = Duration::from_secs(2);

/// What to start, on what.
#[derive(Debug, Args)]
pub struct Options {
    /// Databases made by `load fill`. They stay as they are.
    #[arg(required = true)]
    databases: Vec<String>,
    /// The house: the program `clearing`, of the build that filled them.
    #[arg(long)]
    server: PathBuf,
    /// The core that it keeps to; all of them where none is named.
    #[arg(long)]
    core: Option<usize>,
}

impl Options {
    fn program(&self) -> Result<Program> {
        Ok(Program { core: self.core, ..Program::new(&self.server)? })
    }
}

/// Measures starts after `kill -9`, as often as there are rounds, and then the memory while all members are served.
///
/// # Errors
/// If the house does not open, a call fails, or something that was acknowledged is not there after a kill.
pub async fn restarts(
    options: &Options,
    turns: &Turns,
    servers: Handle,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let (program, papers) = (options.program()?, Papers::new()?);
    for (at, named) in options.databases.iter().enumerate() {
        let url = database::url_of(named);
        check_coalition(&url).await.with_context(|| format!("{named} is no database of `load fill`"))?;
        let url = databases.copy(&url, &format!("restart_{at}")).await?;
        let (members, entries) = (database::members(&url).await?, database::entries(&url).await?);
        let name = format!("{}: {members} members, {entries} entries", Kind::House(database::backend_of(&url)).name());
        let site = Site::new(servers.clone(), members, 0, turns.seed)?;
        let mut stream = 0;
        let mut callers = |clients: &Clients| {
            let callers = (0..CALLERS).map(|_| {
                stream += 1;
                Issues { clients: clients.clone(), workload: site.workload(stream, Spread::Even) }
            });
            callers.collect::<Vec<_>>()
        };
        let accepted_before = database::accepted_requests(&url).await?;
        let (mut acknowledged, mut opened) = (0, Vec::new());
        let load_average = turns.quiet().await;
        // The first start is not measured: it has nothing to make good.
        let mut house = House::start(&program, &papers, &url).await?;
        for _ in 0..turns.rounds {
            let clients = Clients::connect(house.address(), &papers.certificates).await?;
            // It is killed while callers wait, and they go with it; what they were told before is counted.
            let span = Span { warm_up: Duration::ZERO, measured: BEFORE_A_KILL * 2 };
            let working = closed_loop(callers(&clients), span);
            tokio::select! {
                worked = working => bail!("the callers ended before the house: {:?}", worked.map(|worked| worked.failure)),
                killed = async { tokio::time::sleep(BEFORE_A_KILL).await; house.kill() } => killed?,
            }
            house = House::start(&program, &papers, &url).await?;
            opened.push(house.opened_after.as_secs_f64());
            acknowledged += clients.acknowledged();
        }
        figure(report, "ready after kill -9", &name, "s", opened, load_average)?;

        let load_average = turns.quiet().await;
        let clients = Clients::connect(house.address(), &papers.certificates).await?;
        let (start, watch) = (house.memory()?, house.watch_memory());
        let span = Span { warm_up: Duration::ZERO, measured: Duration::from_secs_f64(turns.seconds) };
        let served = closed_loop(callers(&clients), span).await?;
        acknowledged += clients.acknowledged();
        let (peak, end) = (watch.peak(), house.memory()?);
        drop((watch, clients));
        for (what, megabytes) in [
            ("memory when it has opened", start),
            ("memory at the peak while it serves", peak),
            ("memory after it", end),
        ] {
            figure(report, what, &name, "MB", vec![megabytes as f64], load_average)?;
        }
        let line = Line::new(&name, None, &[served], None);
        let load =
            Load::new(format!("a process of its own, {CALLERS} in flight"), "issues/s", load_average, vec![line]);
        write!(std::io::stdout(), "{}", load.table())?;
        report.loads.push(load);
        house.end().await?;
        let stored = database::accepted_requests(&url).await? - accepted_before;
        ensure!(stored >= acknowledged, "{acknowledged} issues were acknowledged, and {stored} are stored");
        writeln!(std::io::stdout(), "{acknowledged} acknowledged, {stored} stored: those in flight at a kill besides")?;
    }
    Ok(())
}

/// Audits filled databases, as often as there are rounds.
///
/// # Errors
/// If the audit fails, or finds something.
pub async fn audits(options: &Options, turns: &Turns, databases: &mut Databases, report: &mut Report) -> Result<()> {
    let program = options.program()?;
    for (at, named) in options.databases.iter().enumerate() {
        let url = database::url_of(named);
        check_coalition(&url).await.with_context(|| format!("{named} is no database of `load fill`"))?;
        let url = databases.copy(&url, &format!("audit_{at}")).await?;
        let (kind, entries) = (Kind::House(database::backend_of(&url)), database::entries(&url).await?);
        let name = format!("{}: {entries} entries", kind.name());
        let load_average = turns.quiet().await;
        let (mut seconds, mut megabytes) = (Vec::new(), Vec::new());
        for _ in 0..turns.rounds {
            let mut command = program.command();
            command.args(["audit", "--database", &url]);
            let (took, memory) = process::run(command).await?;
            seconds.push(took.as_secs_f64());
            megabytes.push(memory as f64);
        }
        figure(report, "audit", &name, "s", seconds, load_average)?;
        figure(report, "audit, memory at the peak", &name, "MB", megabytes, load_average)?;
    }
    Ok(())
}

fn figure(
    report: &mut Report,
    name: &str,
    system: &str,
    unit: &str,
    values: Vec<f64>,
    load_average: Option<f64>,
) -> Result<()> {
    let (name, system, unit) = (name.to_owned(), system.to_owned(), unit.to_owned());
    let figure = Figure { name, system, unit, values, load_average };
    writeln!(std::io::stdout(), "{}", figure.line())?;
    report.figures.push(figure);
    Ok(())
}
