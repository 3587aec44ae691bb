//! `load fill`: a database with so many members and entries, made once and kept. Runs that measure work on copies of it.
//!
//! It is written through the house's own writer, in batches of all brands at once, and its lists are brought up by the house's
//! own projector. What was broken off goes on where it stopped: members are enrolled in their order, so what is stored tells
//! how far it came, but for the batches that were under way, whose members are asked for again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::projector;
use clearing::store::{Projector, Store};
use clearing::writer::Writer;
use clearing_core::command::Request;
use clearing_core::facts::member::MemberRef;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::units::Points;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::coalition::{self, DOMAIN, IDENTIFIER_KEY, PARTNERS};
use crate::machine::load_average;
use crate::report::{Report, load_text};
use crate::system::{Books, Databases, Kind, PRELOADED_POINTS, database};
use crate::till::Till;
use crate::workload::card_number;

/// Issues of a brand that are asked for at once; all brands are asked at once.
const BATCH: u64 = 1_024;

/// Issues of all brands at once.
const ROUND: u64 = BATCH * PARTNERS as u64;

/// Tills that print receipts in turns.
const TILLS: u64 = 256;

/// Between two lines that tell how far it is.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// What to fill.
#[derive(Debug, Args)]
pub struct Options {
    /// SQLite's file, or the URL of a PostgreSQL database; either is made if it is missing. Keep it outside of the tree.
    pub database: String,
    /// Members, each enrolled by an issue.
    #[arg(long, default_value_t = 1_000_000)]
    pub members: u32,
    /// Entries of its journal, the enrolments among them.
    #[arg(long, default_value_t = 10_000_000)]
    pub entries: u64,
}

/// Fills it, or goes on where it stopped.
///
/// # Errors
/// If the database was laid out by another build or holds another coalition: then nothing is written. If an issue is
/// refused, or those of the database.
pub async fn run(options: &Options, seed: u64, report: &mut Report) -> Result<()> {
    let mut out = std::io::stdout();
    let url = database::url_of(&options.database);
    let store = prepare(&url).await?;
    let (entries, members) = (database::entries(&url).await?, database::members(&url).await?);
    writeln!(out, "{}: {members} members, {entries} entries so far", options.database)?;

    let mut filling = Filling {
        key: IdentifierKey::new(IDENTIFIER_KEY),
        rng: ChaCha8Rng::seed_from_u64(seed),
        tills: (0..TILLS).map(|at| Till::new(Clock::system(), &format!("till-{at}"), entries)).collect(),
        enrolled: if members < options.members { members.saturating_sub(u32::try_from(ROUND)?) } else { members },
        members: options.members.max(members),
        entries,
    };
    // Whoever goes on draws on, instead of drawing the same again.
    filling.rng.set_stream(entries);
    let began = Instant::now();
    let (writer, writing) = Writer::start(store.clone(), Clock::system(), 1 << 20);
    let (stop, mut projecting) = (CancellationToken::new(), JoinSet::new());
    projecting.spawn(projector::follow(store.clone(), stop.clone()));
    let mut progress = Progress::new(began, entries);
    let target = options.entries.max(filling.missing() + entries);
    let mut next = filling.round(target);
    while !next.is_empty() {
        let sent = next.iter().map(Vec::len).sum();
        let asked = futures::future::try_join_all(next.into_iter().map(|batch| writer.ask_batch(batch)));
        // The next round is made while this one is written.
        let (answers, made) = tokio::join!(asked, async { filling.round(target) });
        for answer in answers?.into_iter().flatten() {
            answer?.answer.result.ok().context("an issue was refused")?;
        }
        progress.wrote(sent, target)?;
        next = made;
    }
    drop(writer);
    writing.await?;
    stop.cancel();
    while let Some(ended) = projecting.join_next().await {
        ended?;
    }
    let wrote = filling.entries - entries;
    writeln!(out, "  {wrote} issues in {:.1} s; the lists come up", began.elapsed().as_secs_f64())?;
    let mut projector = Projector::new(store.clone());
    while projector.step().await?.behind > 0 {}
    drop((projector, store));
    Databases::settle(&url).await?;

    let (entries, bytes) = (database::entries(&url).await?, database::stored_bytes(&url).await?);
    let members = database::members(&url).await?;
    let kind = Kind::House(database::backend_of(&url)).name();
    let (name, took) = (format!("{kind}: {members} members, {entries} entries"), began.elapsed().as_secs_f64());
    let books =
        Books { name, acknowledged: wrote, stored: wrote, wrong: None, entries: Some(entries), bytes: Some(bytes) };
    ensure!(
        entries >= options.entries && members >= options.members,
        "the database has {members} members, {entries} entries"
    );
    writeln!(out, "{}: {members} members, {entries} entries, {bytes} bytes, in {took:.0} s", options.database)?;
    if let Some(figure) = books.bytes_an_entry() {
        writeln!(out, "  {} {:.0} {}", figure.name, figure.values[0], figure.unit)?;
        report.figures.push(figure);
    }
    Ok(())
}

/// Opens the database, founds the coalition in it if it is empty, and makes sure that it is this coalition and this layout.
///
/// # Errors
/// Those of the database, or if it holds anything else.
pub async fn prepare(url: &str) -> Result<Store> {
    database::make_if_missing(url).await?;
    let store = Store::connect(url).await?;
    let state = store.migration_state().await?;
    if state.applied.is_empty() {
        store.migrate().await?;
        let now = Clock::system().now();
        store.create_coalition(&coalition::house(now), DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), now).await?;
        return Ok(store);
    }
    if !state.pending.is_empty() {
        bail!("the database was laid out by another build: migrations {:?} are missing in it", state.pending);
    }
    check_coalition(url).await?;
    Ok(store)
}

/// Makes sure that a database holds the coalition of these measurements.
///
/// # Errors
/// If it holds another or none.
pub async fn check_coalition(url: &str) -> Result<()> {
    let own = coalition::house(Clock::system().now()).coalition.id;
    let (id, domain, fingerprint) = database::coalition(url).await?;
    ensure!(id == own && domain == DOMAIN, "the database holds the coalition {id} of {domain}, not {own} of {DOMAIN}");
    let known = IdentifierKey::new(IDENTIFIER_KEY).fingerprint(&id, &domain);
    ensure!(fingerprint == known, "the coalition {id} in the database has another identifier key");
    Ok(())
}

/// What is still to be written.
struct Filling {
    key: IdentifierKey,
    rng: ChaCha8Rng,
    tills: Vec<Till>,
    /// Members that surely have an entry, or will have one with what was made so far.
    enrolled: u32,
    members: u32,
    /// Entries, likewise.
    entries: u64,
}

impl Filling {
    /// Members without an entry.
    fn missing(&self) -> u64 {
        u64::from(self.members - self.enrolled)
    }

    /// The next issues, a batch for each brand; none when there are enough.
    fn round(&mut self, target: u64) -> Vec<Vec<Request>> {
        let size = target.saturating_sub(self.entries).min(ROUND);
        let mut batches = vec![Vec::new(); PARTNERS];
        for (_, brand) in (0..size).zip((0..PARTNERS).cycle()) {
            batches[brand].push(self.issue(brand));
        }
        batches.retain(|batch| !batch.is_empty());
        batches
    }

    fn issue(&mut self, brand: usize) -> Request {
        let (member, points) = if self.enrolled < self.members {
            self.enrolled += 1;
            (self.enrolled - 1, PRELOADED_POINTS)
        } else {
            (self.rng.random_range(0..self.members), self.rng.random_range(10..500))
        };
        let till = usize::try_from(self.entries % TILLS).expect("a few hundred tills");
        self.entries += 1;
        let member = MemberRef::Identifier(self.key.hash("card", &card_number(member)));
        let issue = IssuePoints { member, earn: Earn::points(Points(points)) };
        self.tills[till].request(coalition::partner(brand), issue.into())
    }
}

/// Tells how far it is, and how long it will take.
struct Progress {
    began: Instant,
    told: Instant,
    at_the_beginning: u64,
    written: u64,
}

impl Progress {
    fn new(began: Instant, entries: u64) -> Self {
        Self { began, told: began, at_the_beginning: entries, written: 0 }
    }

    fn wrote(&mut self, count: usize, target: u64) -> Result<()> {
        self.written += count as u64;
        if self.told.elapsed() < BETWEEN_LINES {
            return Ok(());
        }
        self.told = Instant::now();
        let (done, rate) =
            (self.at_the_beginning + self.written, self.written as f64 / self.began.elapsed().as_secs_f64());
        let left = target.saturating_sub(done) as f64 / rate / 60.0;
        let load = load_text(load_average());
        writeln!(
            std::io::stdout(),
            "  {done} of {target} entries, {rate:.0} a second, {left:.1} minutes left (load average {load})"
        )?;
        Ok(())
    }
}
