//! `load reads`: what readers wait on a copy of a filled database: when nothing else goes on, beside issues, and right after a
//! burst of issues; and how long the reads take that are made once a day.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clearing_proto::v1;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::client::{BatchIssues, Clients, Issues};
use crate::coalition::PARTNERS;
use crate::filled::house_on_copy;
use crate::harness::{Measured, Source, Span, closed_loop, open_loop};
use crate::loads::Turns;
use crate::machine::load_average;
use crate::report::{Figure, Line, Load, Report};
use crate::system::{Databases, Site, System};
use crate::workload::{Spread, Workload};

/// Balances and statements that are asked for in a second, at random moments: a support desk and some accountants, who take
/// little of the house's time themselves.
const BALANCES_RATE: f64 = 100.0;
const STATEMENTS_RATE: f64 = 20.0;

/// Callers that issue beside them.
const TILLS: usize = 64;

/// Issues of a batch of the burst.
const BATCH: u64 = 1_000;

/// How long the lists may take to come up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What to read.
#[derive(Debug, Args)]
pub struct Options {
    /// Databases made by `load fill`. They stay as they are.
    #[arg(required = true)]
    databases: Vec<String>,
    /// Issues of the burst after which is read.
    #[arg(long, default_value_t = 100_000)]
    burst: u64,
}

/// Measures them, one database after the other.
///
/// # Errors
/// If a database is none of `load fill`'s, or a call fails for another reason than that the lists are behind.
pub async fn run(
    options: &Options,
    turns: &Turns,
    servers: Handle,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let mut site = Site::new(servers, 0, 0, turns.seed)?;
    for (at, named) in options.databases.iter().enumerate() {
        let house = house_on_copy(&mut site, databases, named, &format!("reads_{at}"), None).await?;
        let mut reading = Reading { site: &site, house, turns, stream: 0, report };
        if turns.only.is_empty() {
            reading.once().await?;
        }
        reading.beside("reads, nothing else going on", 0).await?;
        reading.beside(&format!("reads beside {TILLS} tills that issue"), TILLS).await?;
        reading.after_a_burst(options.burst).await?;
        let books = reading.house.end(false).await?.context("a house has books")?;
        writeln!(std::io::stdout(), "{}", books.line())?;
        report.books.push(books);
    }
    Ok(())
}

/// `GetBalance` of any member.
struct Balances {
    clients: Clients,
    workload: Workload,
}

impl Source for Balances {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let mut members = self.clients.members(self.workload.partner());
        let request = v1::GetBalanceRequest { member: Some(self.workload.any_member()) };
        Box::pin(async move {
            members.get_balance(request).await?;
            Ok(1)
        })
    }
}

/// The first page of the statement of any brand. Where the lists are behind, it asks again when it was told to, and has
/// waited all that time.
struct Statements {
    clients: Clients,
    workload: Workload,
    behind: Arc<AtomicU64>,
}

impl Source for Statements {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let mut positions = self.clients.positions(self.workload.partner());
        let behind = Arc::clone(&self.behind);
        Box::pin(async move {
            let asked = Instant::now();
            loop {
                let status = match positions.get_statement(v1::GetStatementRequest::default()).await {
                    Ok(_) => return Ok(1),
                    Err(status) => status,
                };
                let delay = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
                let delay = delay.filter(|_| status.code() == Code::Unavailable && asked.elapsed() < PATIENCE);
                let Some(delay) = delay else { return Err(status) };
                behind.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(delay).await;
            }
        })
    }
}

/// A database that is being read.
struct Reading<'a> {
    site: &'a Site,
    house: System,
    turns: &'a Turns,
    /// Streams of the workload given out.
    stream: u64,
    report: &'a mut Report,
}

impl Reading<'_> {
    fn workload(&mut self) -> Workload {
        self.stream += 1;
        self.house.workload(self.site, self.stream, Spread::Even)
    }

    /// Readers beside so many tills. What the tills do alone is measured in turns with it.
    async fn beside(&mut self, name: &str, tills: usize) -> Result<()> {
        if !self.turns.wants(name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let (mut alone, mut issues, mut balances, mut statements) = (vec![], vec![], vec![], vec![]);
        let behind = Arc::new(AtomicU64::new(0));
        for _ in 0..self.turns.rounds {
            let span = self.turns.span();
            if tills > 0 {
                alone.push(closed_loop(self.tills(tills), span).await?);
            }
            let (issued, balance, statement) = self.readers(tills, &behind, span).await?;
            issues.push(issued);
            balances.push(balance);
            statements.push(statement);
        }
        let mut lines = Vec::new();
        if tills > 0 {
            let alone = Line::new("issues, nobody reads", None, &alone, None);
            lines.push(Line::new("issues beside readers", None, &issues, None).share_of(&alone, "those alone"));
            lines.insert(0, alone);
        }
        self.done(name, load_average, lines, &balances, &statements, &behind)
    }

    /// Readers from the moment when the last of so many issues is answered.
    async fn after_a_burst(&mut self, count: u64) -> Result<()> {
        let name = format!("reads right after {count} issues in batches of {BATCH}");
        if !self.turns.wants(&name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let behind = Arc::new(AtomicU64::new(0));
        let wrote = self.burst(count).await?;
        let span = Span { warm_up: Duration::ZERO, measured: Duration::from_secs_f64(self.turns.seconds) };
        let (_, balance, statement) = self.readers(0, &behind, span).await?;
        let note = format!("the burst took {:.1} s", wrote.as_secs_f64());
        let burst = Measured { operations: count, elapsed: wrote, ..Measured::default() };
        let lines = vec![Line::new("issues of the burst", None, &[burst], Some(note))];
        self.done(&name, load_average, lines, &[balance], &[statement], &behind)
    }

    fn done(
        &mut self,
        name: &str,
        load_average: Option<f64>,
        mut lines: Vec<Line>,
        balances: &[Measured],
        statements: &[Measured],
        behind: &AtomicU64,
    ) -> Result<()> {
        lines.push(Line::new("balance", None, balances, None));
        let behind = behind.load(Ordering::Relaxed);
        let note = (behind > 0).then(|| format!("the lists were behind {behind} times"));
        lines.push(Line::new("first page of a statement", None, statements, note));
        for line in &mut lines {
            line.system = format!("{}, {}", self.house.name, line.system);
        }
        let load = Load::new(name, "calls/s", load_average, lines);
        std::io::stdout().write_all(load.table().as_bytes())?;
        self.report.loads.push(load);
        Ok(())
    }

    fn tills(&mut self, count: usize) -> Vec<Issues> {
        let clients = self.house.clients.clone();
        (0..count).map(|_| Issues { clients: clients.clone(), workload: self.workload() }).collect()
    }

    /// Issues, balances and statements at once.
    async fn readers(
        &mut self,
        tills: usize,
        behind: &Arc<AtomicU64>,
        span: Span,
    ) -> Result<(Measured, Measured, Measured)> {
        let clients = self.house.clients.clone();
        let (tills, seed) = (self.tills(tills), self.turns.seed);
        let balances = Balances { clients: clients.clone(), workload: self.workload() };
        let statements = Statements { clients, workload: self.workload(), behind: Arc::clone(behind) };
        let (issues, balances, statements) = tokio::join!(
            closed_loop(tills, span),
            open_loop(balances, BALANCES_RATE, seed, span),
            open_loop(statements, STATEMENTS_RATE, seed, span)
        );
        // The process works for all of them at once: what it used is of none.
        let alone = |measured: Measured| Measured { processor: Duration::ZERO, ..measured };
        Ok((issues?, alone(balances?), alone(statements?)))
    }

    /// Issues of all brands at once, in batches; tells how long they took.
    async fn burst(&mut self, count: u64) -> Result<Duration> {
        let began = Instant::now();
        let mut writing = JoinSet::new();
        for brand in 0..PARTNERS {
            let (clients, mut workload) = (self.house.clients.clone(), self.workload());
            let brands = u64::try_from(PARTNERS)?;
            let mut left = count / brands + u64::from(u64::try_from(brand)? < count % brands);
            writing.spawn(async move {
                while left > 0 {
                    let items: Vec<_> = (0..left.min(BATCH)).map(|_| workload.issue()).collect();
                    let sent = u64::try_from(items.len())?;
                    left -= sent;
                    let request = v1::BatchIssuePointsRequest { items };
                    let answer = clients.issues(brand).batch_issue_points(request).await?.into_inner();
                    let accepted = BatchIssues::accepted(&answer.results)?;
                    ensure!(accepted == sent, "the house answered {accepted} of {sent} items");
                    clients.acknowledge(accepted);
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(written) = writing.join_next().await {
            written??;
        }
        Ok(began.elapsed())
    }

    /// The reads that are made once a day, each as often as there are rounds.
    async fn once(&mut self) -> Result<()> {
        let mut workload = self.workload();
        let clients = self.house.clients.clone();
        let operator = self.house.operator().context("a house has an operator")?.operator();
        let (mut entries, mut positions) = (clients.entries(0), clients.positions(0));
        let (mut receipts, mut notices) = (clients.receipts(0), clients.notices(0));
        let page = |page_size| v1::ListEntriesRequest { page_size, ..Default::default() };
        for _ in 0..self.turns.rounds {
            let newest = self.timed("list of 100 entries", entries.list_entries(page(100))).await?.into_inner().entries;
            self.timed("list of 1,000 entries", entries.list_entries(page(1_000))).await?;
            let of_member = v1::ListEntriesRequest { member: Some(workload.any_member()), ..page(100) };
            self.timed("list of 100 entries of a member", entries.list_entries(of_member)).await?;
            let lines = v1::GetStatementRequest { page_size: 1_000, ..Default::default() };
            self.timed("statement, 1,000 lines", positions.get_statement(lines)).await?;
            let origin = newest.into_iter().find_map(|entry| entry.origin).context("an entry of a till")?;
            // A till: all that was filled is of one store and day, more than the house counts at once.
            let v1::Origin { store, till, business_date, .. } = origin;
            let counted = Some(v1::DayTotals::default());
            let day = v1::ReconcileDayRequest { store, till, business_date, counted };
            self.timed("reconcile a day of a till", receipts.reconcile_day(day)).await?;
            let today = v1::ListExpiryNoticesRequest::default();
            self.timed("notices of today, a page", notices.list_expiry_notices(today)).await?;
            self.timed("trial balance", operator.trial_balance(false)).await?;
        }
        let system = self.house.name.clone();
        for figure in self.report.figures.iter().filter(|figure| figure.system == system) {
            writeln!(std::io::stdout(), "{}", figure.line())?;
        }
        Ok(())
    }

    async fn timed<T, E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        name: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T> {
        let load_average = load_average();
        let began = Instant::now();
        let answer = call.await.with_context(|| name.to_owned())?;
        let millis = began.elapsed().as_secs_f64() * 1e3;
        let system = self.house.name.clone();
        let known = self.report.figures.iter_mut().find(|figure| figure.name == name && figure.system == system);
        match known {
            Some(figure) => figure.values.push(millis),
            None => self.report.figures.push(Figure {
                name: name.to_owned(),
                system,
                unit: "ms".to_owned(),
                values: vec![millis],
                load_average,
            }),
        }
        Ok(answer)
    }
}
