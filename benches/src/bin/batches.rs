//! Batches of one size and nothing else: what a counter of instructions is put beside. Twice with different numbers of
//! batches, the difference is the batches' alone; `benches/instructions` does so.
//!
//!     target/dist/batches rules issues --batches 20       # decided by the rules, on books in memory
//!     target/dist/batches house redemptions --batches 20  # through writer and store, on SQLite
//!
//! Callers, TLS and RPC are left out. Members are enrolled, and hold what they redeem, before the first batch.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::store::Store;
use clearing::writer::{WriteError, Writer, Written};
use clearing_benches::coalition::{self, DOMAIN, IDENTIFIER_KEY};
use clearing_benches::machine::processor_time;
use clearing_benches::till::Till;
use clearing_core::book::Book;
use clearing_core::command::Request;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::window::Window;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{BatchId, IdentifierHash, Points, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Builder;

/// All that happens happens at this moment.
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Issues to each member before the first batch, so that redemptions take some of several lots.
const LOTS: u32 = 4;

/// Batches on books in memory at the most: the books are made before the first batch, as many whatever the number.
const RULES_MAX: usize = 64;

/// How often a small batch is asked before the first.
const WARM_UP_TRIES: u32 = 10;

/// Runs batches.
#[derive(Parser)]
struct Options {
    /// What they run through.
    through: Through,
    /// What a batch is of.
    kind: Kind,
    /// How many batches.
    #[arg(long, default_value_t = 50)]
    batches: usize,
    /// Operations of a batch, each of another member.
    #[arg(long, default_value_t = 128)]
    size: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Through {
    /// The rules alone, on books in memory.
    Rules,
    /// Writer and store, on SQLite.
    House,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Issues,
    Redemptions,
}

/// One operation for each member.
fn batch(till: &mut Till, kind: Kind, size: u32, points: i64) -> Vec<Request> {
    let commands = (0..size).map(|member| match kind {
        Kind::Issues => IssuePoints { member: card(member), earn: Earn::points(Points(points)) }.into(),
        Kind::Redemptions => RedeemPoints { member: card(member), points: Points(points) }.into(),
    });
    commands.map(|command| till.request(coalition::partner(0), command)).collect()
}

fn card(number: u32) -> MemberRef {
    let mut hash = [0x55; 32];
    hash[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    MemberRef::Identifier(IdentifierHash(hash))
}

/// Decides each batch on a book of its own, in which the members hold points.
fn through_rules(options: &Options, till: &mut Till) -> Result<()> {
    ensure!(options.batches <= RULES_MAX, "{} batches: at most {RULES_MAX}", options.batches);
    let mut book = Book::new(Arc::new(coalition::house(NOW)), 1);
    book.windows.insert(1, Window::first(NOW));
    book.begin_batch(BatchId(1));
    for _ in 0..LOTS {
        decide(&mut book, &batch(till, Kind::Issues, options.size, 1_000_000))?;
    }
    book.take_changes();
    let mut books = vec![book; RULES_MAX];
    let asked = batch(till, options.kind, options.size, 100);
    let (began, used) = (Instant::now(), processor_time());
    for book in &mut books[..options.batches] {
        book.begin_batch(BatchId(2));
        decide(book, &asked)?;
    }
    tell(options, began, used)
}

fn decide(book: &mut Book, requests: &[Request]) -> Result<()> {
    for request in requests {
        book.execute(request, NOW).result.ok().context("the rules refuse an operation")?;
    }
    Ok(())
}

/// Makes an empty house on SQLite. This is to run on a runtime of its own that nobody drives afterwards: what copies the
/// log into the file lives there, and how often it comes to that is a matter of time, not of batches.
async fn open(file: &Path) -> Result<Store> {
    let store = Store::connect(&format!("sqlite:{}", file.display())).await?;
    store.migrate().await?;
    let house = coalition::house(NOW);
    store.create_coalition(&house, DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), NOW).await?;
    Ok(store)
}

/// Sends each batch to the writer of a house on SQLite, and waits for it.
async fn through_house(options: &Options, till: &mut Till, store: Store) -> Result<()> {
    let (writer, _) = Writer::start(store, Clock::manual(NOW), 1 << 20);
    warm_up(&writer, till).await?;
    for _ in 0..LOTS {
        ask(&writer, batch(till, Kind::Issues, options.size, 1_000_000)).await?;
    }
    let (began, used) = (Instant::now(), processor_time());
    for _ in 0..options.batches {
        ask(&writer, batch(till, options.kind, options.size, 100)).await?;
    }
    tell(options, began, used)
}

/// Small batches first: an emulator translates all code when it first runs, and the writer gives a batch two seconds. What
/// did not get done in them is asked again, as any caller would.
async fn warm_up(writer: &Writer, till: &mut Till) -> Result<()> {
    for size in [1, 4, 16, 64] {
        let asked = batch(till, Kind::Issues, size, 1_000_000);
        let mut tries = 0;
        while let Err(error) = ask(writer, asked.clone()).await {
            tries += 1;
            ensure!(tries < WARM_UP_TRIES, "{error:#}, {tries} times");
        }
    }
    Ok(())
}

async fn ask(writer: &Writer, batch: Vec<Request>) -> Result<()> {
    let answers: Vec<Result<Written, WriteError>> = writer.ask_batch(batch).await?;
    for answer in answers {
        let written = answer.context("if the machine is too busy for the writer's two seconds, run it again")?;
        written.answer.result.ok().context("the rules refuse an operation")?;
    }
    Ok(())
}

fn tell(options: &Options, began: Instant, used_before: Duration) -> Result<()> {
    let (took, used) = (began.elapsed(), processor_time() - used_before);
    let operations = options.batches as f64 * f64::from(options.size);
    writeln!(
        std::io::stdout(),
        "{} batches of {}: {:.1} us of processor time an operation, {:.0} operations/s",
        options.batches,
        options.size,
        used.as_secs_f64() * 1e6 / operations.max(1.0),
        operations / took.as_secs_f64()
    )?;
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut till = Till::new(Clock::manual(NOW), "till-3", 0);
    if options.through == Through::Rules {
        return through_rules(&options, &mut till);
    }
    let folder = TempDir::new()?;
    let runtime = || Builder::new_current_thread().enable_all().build();
    let (opening, working) = (runtime()?, runtime()?);
    let store = opening.block_on(open(&folder.path().join("house.db")))?;
    working.block_on(through_house(&options, &mut till, store))
}
