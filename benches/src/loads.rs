//! The loads: each puts every system that can take it under the same load, in turns, and tells how they do.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clearing::store::pack_entry;
use futures::future::BoxFuture;
use tonic::Status;

use crate::baseline::bare::{Bare, BarePostgres, BareSqlite, Rows};
use crate::baseline::by_hand::sample_entry;
use crate::client::{BatchIssues, EmptyCalls, Holds, Issues, MixedCalls, Redemptions, SdkIssues, StreamIssues, sdk};
use crate::harness::{Measured, Source, Span, closed_loop_on, open_loop};
use crate::machine::quiet;
use crate::report::{Line, Load, TARGET_LOAD};
use crate::system::{Backend, Databases, Kind, Site, System};
use crate::workload::Spread;

/// How long, how often, and what of it.
#[derive(Debug, Clone, Args)]
pub struct Turns {
    /// Seconds measured for each figure, over all rounds.
    #[arg(long, global = true, default_value_t = 5.0)]
    pub seconds: f64,
    /// How often the systems take turns under each load.
    #[arg(long, global = true, default_value_t = 2)]
    pub rounds: u32,
    #[arg(long, global = true, default_value_t = 1)]
    pub seed: u64,
    /// Only the loads whose name contains this.
    #[arg(long, global = true, default_value = "")]
    pub only: String,
    /// Waits so many seconds at the most, before each load, until the machine's load average is below 1.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 0)]
    pub quiet_machine: u64,
}

impl Turns {
    /// One turn.
    pub fn span(&self) -> Span {
        let measured = Duration::from_secs_f64(self.seconds / f64::from(self.rounds.max(1)));
        Span { warm_up: (measured / 4).min(Duration::from_millis(500)), measured }
    }

    /// All turns as one.
    fn long_span(&self) -> Span {
        Span { measured: Duration::from_secs_f64(self.seconds), ..self.span() }
    }

    /// Whether a load is asked for.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// Waits for a quiet machine as long as was asked, and tells its load average.
    pub async fn quiet(&self) -> Option<f64> {
        quiet(Duration::from_secs(self.quiet_machine)).await
    }
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
pub struct Bench<'a> {
    turns: &'a Turns,
    site: &'a Site,
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

impl<'a> Bench<'a> {
    pub fn new(turns: &'a Turns, site: &'a Site, systems: Vec<System>) -> Self {
        Self { turns, site, systems, stream: 0, loads: Vec::new() }
    }

    /// All loads.
    ///
    /// # Errors
    /// If a system cannot be put under load. Calls that fail are counted.
    pub async fn run(mut self, databases: &mut Databases, bare_on: &[Backend]) -> Result<(Vec<System>, Vec<Load>)> {
        self.unary("unary, 1 in flight, 20 brands", 1).await?;
        self.unary("unary, 16 in flight, 20 brands", 16).await?;
        self.unary(TARGET_LOAD, 256).await?;
        self.one_hot().await?;
        self.close_in_the_middle().await?;
        self.mix().await?;
        self.redemptions().await?;
        self.batches().await?;
        self.streams().await?;
        self.bare(databases, bare_on).await?;
        self.sdk().await?;
        self.open().await?;
        Ok((self.systems, self.loads))
    }

    /// The loads whose rates are compared between databases of different sizes. Each rate is told as a share of that on the
    /// first database of the same back end.
    ///
    /// # Errors
    /// If a system cannot be put under load. Calls that fail are counted.
    pub async fn run_on_filled(mut self) -> Result<(Vec<System>, Vec<Load>)> {
        self.unary("unary, 1 in flight, 20 brands", 1).await?;
        self.unary(TARGET_LOAD, 256).await?;
        self.batches().await?;
        Ok((self.systems, self.loads))
    }

    /// The places of the systems of some kinds.
    fn chosen(&self, which: fn(Kind) -> bool) -> Vec<usize> {
        (0..self.systems.len()).filter(|at| which(self.systems[*at].kind)).collect()
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
        if !self.turns.wants(name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let chosen = self.chosen(which);
        let mut rounds: Vec<Vec<Measured>> = vec![Vec::new(); chosen.len()];
        for _ in 0..self.turns.rounds {
            for (place, &at) in chosen.iter().enumerate() {
                let callers = self.callers(count, |bench| {
                    let stream = bench.next_stream();
                    caller(bench, &bench.systems[at], stream)
                });
                rounds[place].push(closed_loop_on(&self.systems[at].disk, callers, self.turns.span()).await?);
            }
        }
        let mut lines: Vec<Line> = Vec::new();
        for (&at, rounds) in chosen.iter().zip(rounds) {
            let system = &self.systems[at];
            let line = Line::new(&system.name, Some(system.kind), &rounds, None);
            // Of several houses on one back end the first is what the others are compared with.
            let first = lines.iter().find(|line| line.kind == Some(system.kind));
            let line = match first {
                Some(first) => line.share_of(first, "the first"),
                None => line,
            };
            lines.push(line);
        }
        let load = Load::new(name, "issues/s", load_average, lines);
        self.done(load)
    }

    async fn unary(&mut self, name: &str, count: usize) -> Result<()> {
        self.closed(
            name,
            count,
            |_| true,
            |bench, system, stream| {
                let (clients, workload) = (system.clients.clone(), system.workload(bench.site, stream, Spread::Even));
                match system.kind {
                    Kind::Empty => Unary::Empty(EmptyCalls { clients, workload }),
                    Kind::Echo | Kind::ByHand(_) | Kind::House(_) => Unary::Issue(Issues { clients, workload }),
                }
            },
        )
        .await
    }

    /// An even spread over the brands, in turns with one where a brand has most of it.
    async fn one_hot(&mut self) -> Result<()> {
        let name = "unary, 256 in flight: one brand has 70 %, of an even spread";
        self.variants(name, "issues/s", ISSUERS, &["even", "one has 70 %"], |bench, system, which, stream| {
            let spread = if which == 0 { Spread::Even } else { Spread::OneHot };
            Issues { clients: system.clients.clone(), workload: system.workload(bench.site, stream, spread) }
        })
        .await
    }

    /// Lets variants of a load with 256 callers take turns on each system. Their rates are told as a share of the first's.
    async fn variants<S: Source>(
        &mut self,
        name: &str,
        unit: &str,
        which: fn(Kind) -> bool,
        variants: &[&str],
        mut caller: impl FnMut(&Self, &System, usize, u64) -> S,
    ) -> Result<()> {
        if !self.turns.wants(name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let mut lines = Vec::new();
        for at in self.chosen(which) {
            let mut rounds: Vec<Vec<Measured>> = vec![Vec::new(); variants.len()];
            for _ in 0..self.turns.rounds {
                for (variant, rounds) in rounds.iter_mut().enumerate() {
                    let callers = self.callers(256, |bench| {
                        let stream = bench.next_stream();
                        caller(bench, &bench.systems[at], variant, stream)
                    });
                    rounds.push(closed_loop_on(&self.systems[at].disk, callers, self.turns.span()).await?);
                }
            }
            let system = &self.systems[at].name;
            let mut first: Option<Line> = None;
            for (rounds, variant) in rounds.iter().zip(variants) {
                let line = Line::new(&format!("{system}: {variant}"), None, rounds, None);
                lines.push(match &first {
                    Some(first) => line.share_of(first, variants[0]),
                    None => first.insert(line).clone(),
                });
            }
        }
        self.done(Load::new(name, unit, load_average, lines))
    }

    async fn batches(&mut self) -> Result<()> {
        let name = format!("batches of {BATCH}, {BATCHES_IN_FLIGHT} in flight (latency of a batch)");
        self.closed(&name, BATCHES_IN_FLIGHT, ECHO_AND_HOUSES, |bench, system, stream| BatchIssues {
            clients: system.clients.clone(),
            workload: system.workload(bench.site, stream, Spread::Even),
            size: BATCH,
        })
        .await
    }

    async fn streams(&mut self) -> Result<()> {
        let name = format!("{BATCHES_IN_FLIGHT} streams with batches of {BATCH} (latency of a batch)");
        self.closed(&name, BATCHES_IN_FLIGHT, ECHO_AND_HOUSES, |bench, system, stream| {
            StreamIssues::new(system.clients.clone(), system.workload(bench.site, stream, Spread::Even), BATCH)
        })
        .await
    }

    async fn mix(&mut self) -> Result<()> {
        let name = "mix, 256 in flight: 70 % issue, 25 % redeem, 5 % return";
        let redemptions: Vec<_> = self.systems.iter().map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let names: Vec<String> = self.systems.iter().map(|system| system.name.clone()).collect();
        self.closed(name, 256, HOUSES, |bench, system, stream| {
            let at = names.iter().position(|name| *name == system.name).expect("the name of a system");
            MixedCalls {
                clients: system.clients.clone(),
                workload: system.workload(bench.site, stream, Spread::Even),
                redemptions: Arc::clone(&redemptions[at]),
            }
        })
        .await
    }

    /// Redemptions, and authorizations with captures, of members with many lots; in turns with issues, whose rate they are
    /// compared with.
    async fn redemptions(&mut self) -> Result<()> {
        let name = "redeem, authorize and capture, 256 in flight: 1 to 50 lots of 5 issuers";
        if !self.turns.wants(name) {
            return Ok(());
        }
        for at in self.chosen(HOUSES) {
            self.systems[at].fill_wallets(self.site).await?;
        }
        self.variants(name, "calls/s", HOUSES, &["issue", "redeem", "hold, capture"], |bench, system, which, stream| {
            let clients = system.clients.clone();
            match which {
                0 => Taking::Issue(Issues { clients, workload: system.workload(bench.site, stream, Spread::Even) }),
                1 => Taking::Redeem(Redemptions { clients, workload: bench.site.wallet_workload(stream) }),
                _ => Taking::Hold(Holds::new(clients, bench.site.wallet_workload(stream))),
            }
        })
        .await
    }

    /// As unary with 256 in flight, while the operator closes the window.
    async fn close_in_the_middle(&mut self) -> Result<()> {
        let name = "unary, 256 in flight, the window closes in the middle";
        if !self.turns.wants(name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let mut lines = Vec::new();
        for at in self.chosen(HOUSES) {
            let callers = self.callers(256, |bench| {
                let (system, stream) = (&bench.systems[at], bench.stream + 1);
                bench.stream = stream;
                Issues { clients: system.clients.clone(), workload: system.workload(bench.site, stream, Spread::Even) }
            });
            let span = self.turns.span();
            let system = &self.systems[at];
            let closing = async {
                tokio::time::sleep(span.warm_up + span.measured / 2).await;
                system.close_window().await
            };
            let (measured, closed) = tokio::join!(closed_loop_on(&system.disk, callers, span), closing);
            let note = format!("closed in {:.1} ms", closed?.as_secs_f64() * 1e3);
            lines.push(Line::new(&system.name, Some(system.kind), &[measured?], Some(note)));
        }
        self.done(Load::new(name, "issues/s", load_average, lines))
    }

    /// The house's rows by nothing but SQL.
    async fn bare(&mut self, databases: &mut Databases, backends: &[Backend]) -> Result<()> {
        let name = "bare SQL: the house's rows in batches (latency of a batch; no rules, no RPC)";
        if !self.turns.wants(name) {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let entry = pack_entry(&sample_entry(&self.site.house, &self.site.clock)?);
        let mut lines = Vec::new();
        for &backend in backends {
            let place = databases.make(backend, "bare").await?;
            let (named, mut bare) = match backend {
                Backend::Sqlite => ("SQLite", Bare::Sqlite(Box::new(BareSqlite::open(place.as_ref()).await?))),
                Backend::Postgres => ("PostgreSQL", Bare::Postgres(Box::new(BarePostgres::open(&place).await?))),
            };
            let mut rows = Rows::new(self.turns.seed, self.site.members, entry.clone());
            bare.preload(&mut rows).await?;
            for size in [1, 256, 2048] {
                let measured = bare.measure(&mut rows, size, self.turns.long_span()).await?;
                lines.push(Line::new(&format!("{named}, batches of {size}"), None, &[measured], None));
            }
            bare.close().await?;
        }
        self.done(Load::new(name, "issues/s", load_average, lines))
    }

    /// What the SDK costs its caller.
    async fn sdk(&mut self) -> Result<()> {
        let name = "unary through the SDK, 256 in flight, 20 brands";
        if !self.turns.wants(name) {
            return Ok(());
        }
        let mut brands = Vec::new();
        for system in &self.systems {
            let mut clients = Vec::new();
            for identity in &self.site.certificates.partners {
                clients.push(sdk(system.address(), &self.site.certificates, identity).await?);
            }
            brands.push((system.name.clone(), Arc::new(clients)));
        }
        self.closed(name, 256, ECHO_AND_HOUSES, |bench, system, stream| {
            let found = brands.iter().find(|(name, _)| *name == system.name).expect("the name of a system");
            SdkIssues {
                brands: Arc::clone(&found.1),
                clients: system.clients.clone(),
                workload: system.workload(bench.site, stream, Spread::Even),
            }
        })
        .await
    }

    /// The same number of calls a second for all, whether or not they keep up.
    async fn open(&mut self) -> Result<()> {
        let name = "open loop, 20 brands (latency from when a call was due)";
        let houses = self.loads.iter().find(|load| load.name == TARGET_LOAD);
        let rates = houses.into_iter().flat_map(|load| &load.lines).filter(|line| line.kind.is_some_and(HOUSES));
        let slowest = rates.map(|line| line.rate).reduce(f64::min);
        let Some(rate) = slowest.map(|slowest| (slowest * OPEN_SHARE / 100.0).floor() * 100.0) else { return Ok(()) };
        if !self.turns.wants(name) || rate <= 0.0 {
            return Ok(());
        }
        let load_average = self.turns.quiet().await;
        let mut lines = Vec::new();
        for at in self.chosen(ISSUERS) {
            let stream = self.next_stream();
            let system = &self.systems[at];
            let workload = system.workload(self.site, stream, Spread::Even);
            let source = Issues { clients: system.clients.clone(), workload };
            let measured = open_loop(source, rate, self.turns.seed, self.turns.long_span()).await?;
            lines.push(Line::new(&system.name, Some(system.kind), &[measured], Some(format!("{rate:.0} due"))));
        }
        self.done(Load::new(name, "issues/s", load_average, lines).without_shares())
    }
}
