//! Hostile loads: one client that means ill, or is badly broken, beside a well-behaved partner.
//!
//! The house runs as a process of its own on one core, with the neighbour; the hostile client has another core to itself.
//! Each mode begins with a copy of the same filled books, measures the neighbour without and with the load, and looks at
//! the memory of the house. The same client is also let loose on a service that answers at once, in this process, behind
//! the same door. All of it stays on the loopback, and every mode is bounded in count and time.
//!
//! | room | what is in it |
//! |---|---|
//! | `site` | the books of the house, the neighbour |
//! | `raw` | frames of HTTP/2 written by hand |
//! | `strangers` | connections that say nothing, or not enough |
//! | `frames` | floods of frames |
//! | `calls` | calls: without an end, unread, too many, too large |

mod calls;
mod frames;
mod raw;
mod site;
mod strangers;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use self::raw::Door;
use self::site::{Books, Neighbour, Pinned, echo};
use crate::process::House;

/// Which loads to run, and for how long.
#[derive(Debug, Args)]
pub struct Options {
    /// The loads; all of them if none is named.
    modes: Vec<Mode>,
    /// The house: the program `clearing`, of whatever build.
    #[arg(long)]
    server: PathBuf,
    /// Members, each with a lot.
    #[arg(long, default_value_t = 50_000)]
    members: u32,
    /// How long after it the memory of the house is looked at, in seconds.
    #[arg(long, default_value_t = 60)]
    settle: u64,
    /// Calls a second of the neighbour.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// The core of the house and the neighbour, and that of the hostile client.
    #[arg(long, default_value_t = 0)]
    house_core: usize,
    #[arg(long, default_value_t = 1)]
    hostile_core: usize,
    /// The limit of open files of the house, as its administrator might leave it.
    #[arg(long)]
    files: Option<u32>,
    /// Leaves out the service that answers at once.
    #[arg(long)]
    without_echo: bool,
}

/// What the hostile client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// 10,000 TCP connections that say nothing.
    Silent,
    /// 5,000 connections that begin a ClientHello and stop.
    Hellos,
    /// 1,000 idle connections of one partner.
    Idle,
    /// 200 TLS connections that never speak HTTP/2.
    Mute,
    /// 70,000 calls, each taken back at once.
    Resets,
    /// Heads of requests that go on for ever in CONTINUATION frames.
    Continuation,
    /// Heads of requests of 17 KB to 8 MB.
    Headers,
    /// Small heads that name one large header thousands of times.
    Hpack,
    Pings,
    Settings,
    WindowUpdates,
    Priorities,
    EmptyData,
    /// 20,000 requests whose end never comes.
    Endless,
    /// 3 x 1,000 pages of entries that nobody takes.
    Unread,
    /// 60 batches of 3.4 MB at once.
    Batches,
    /// 24 connections with 24,000 issues in flight.
    Flights,
    /// Batches of 8,000 in a row.
    Row,
    /// 64 dear reads at once, over and over.
    Reads,
    /// 4,000 calls on one connection, taken back, beside others on it.
    Cancelled,
}

/// Runs the loads, each for so long, and prints a table.
///
/// # Errors
/// If the house cannot be started, or the neighbour cannot work before a load.
pub fn run(options: &Options, span: Duration) -> Result<()> {
    raw::raise_files();
    let modes = if options.modes.is_empty() { Mode::value_variants() } else { &options.modes };
    let own = Pinned::new(options.house_core)?;
    let books = own.run(Books::fill(options))?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| load | against | neighbour alone: calls/s, p50 / p99 ms | with the load | failed; newcomers kept out | memory at start / peak / after, MB | the client |\n|---|---|---|---|---|---|---|"
    )?;
    for mode in modes {
        let name = mode.to_possible_value().context("every mode has a name")?;
        let name = name.get_name();
        if !options.without_echo {
            let (echo, door) = own.run(echo(&books))?;
            let line =
                one(options, *mode, span, &own, &door, None).unwrap_or_else(|error| format!("{error:#} | | | | |"));
            writeln!(out, "| {name} | echo | {line}")?;
            // Connections that the load left behind are cut with it.
            let _ = own.run(async { tokio::time::timeout(Duration::from_secs(5), echo.end()).await });
        }
        let (house, door) = own.run(books.house())?;
        let line =
            one(options, *mode, span, &own, &door, Some(&house)).unwrap_or_else(|error| format!("{error:#} | | | | |"));
        writeln!(out, "| {name} | house | {line}")?;
        out.flush()?;
        own.run(house.end())?;
    }
    Ok(())
}

/// One load on one system.
fn one(
    options: &Options,
    mode: Mode,
    span: Duration,
    own: &Pinned,
    door: &Arc<Door>,
    house: Option<&House>,
) -> Result<String> {
    let neighbour = own.run(Neighbour::connect(Arc::clone(door), options.rate))?;
    // What is made at the first calls is no part of either measurement.
    own.run(neighbour.work(Duration::from_secs(2)));
    let alone = own.run(neighbour.work(span.min(Duration::from_secs(5))));
    let start = house.map(House::memory).transpose()?;
    let watch = house.map(House::watch_memory);
    let (target, core) = (Arc::clone(door), options.hostile_core);
    let load = std::thread::spawn(move || {
        let hostile = Pinned::new(core)?;
        let done = hostile.run(attack(mode, target, span));
        hostile.end();
        done
    });
    let with = own.run(neighbour.work(span));
    let told = load.join().map_err(|_| anyhow::anyhow!("the hostile client panicked"))?;
    let told = told.unwrap_or_else(|error| format!("{error:#}"));
    let memory = match (start, watch, house) {
        (Some(start), Some(watch), Some(house)) => {
            own.run(async { tokio::time::sleep(Duration::from_secs(options.settle)).await });
            format!("{start} / {} / {}", watch.peak(), house.memory()?)
        }
        _ => String::new(),
    };
    Ok(format!("{} | {} | {}; {} | {memory} | {told} |", alone.rate(), with.rate(), with.failed(), with.kept_out()))
}

async fn attack(mode: Mode, door: Arc<Door>, span: Duration) -> Result<String> {
    match mode {
        Mode::Silent => strangers::silent(&door, 10_000, span).await,
        Mode::Hellos => strangers::hellos(&door, 5_000, span).await,
        Mode::Idle => strangers::idle(&door, 1_000, span).await,
        Mode::Mute => strangers::mute(&door, 200, span).await,
        Mode::Resets => frames::resets(&door, 70_000, span).await,
        Mode::Continuation => frames::continuation(&door, span).await,
        Mode::Headers => frames::headers(&door, span).await,
        Mode::Hpack => frames::hpack(&door, span).await,
        Mode::Pings => frames::flood(&door, (6, 0, 0), &[0; 8], span).await,
        Mode::Settings => frames::flood(&door, (4, 0, 0), &[0, 3, 0, 0, 0, 100], span).await,
        Mode::WindowUpdates => frames::flood(&door, (8, 0, 0), &[0, 0, 0, 1], span).await,
        Mode::Priorities => frames::flood(&door, (2, 0, 1), &[0, 0, 0, 3, 16], span).await,
        Mode::EmptyData => frames::empty_data(&door, span).await,
        Mode::Endless => calls::endless(&door, 20, 1_000, span).await,
        Mode::Unread => calls::unread(&door, 3, 1_000, span).await,
        Mode::Batches => calls::batches(&door, 60, span).await,
        Mode::Flights => calls::flights(&door, 24, 1_000, span).await,
        Mode::Row => calls::row(&door, 8_000, span).await,
        Mode::Reads => calls::reads(&door, 64, span).await,
        Mode::Cancelled => calls::cancelled(&door, 4_000, span).await,
    }
}
