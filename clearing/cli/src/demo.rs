//! `clearing demo`: a coalition of four brands lives through a day, and the day is settled.
//!
//! Nothing is simulated but the customers: the coalition is made as `clearing init` makes one, the house serves over
//! mutual TLS on loopback, every brand has a certificate of its own and uses the SDK. What is printed comes from the
//! house's answers and reports, and they are compared with each other before: books that do not balance are a failure.
//!
//! | room | what is in it |
//! |---|---|
//! | `brands` | the brands, their terms, and how people shop there |
//! | `plan` | the day as the seed gives it |
//! | `house` | making the coalition and opening the house |
//! | `day` | playing the plan at the tills |
//! | `stories` | five customers whose day is told one by one |
//! | `settle` | closing, netting, paying, reading the statements |
//! | `figures` | what the day came to, and whether it agrees |
//! | `report`, `page` | the same for programs, for a terminal and for a browser |

mod brands;
mod day;
mod figures;
mod house;
mod page;
mod plan;
mod report;
#[cfg(test)]
mod sample;
mod settle;
mod stories;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clearing::store::Store;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::failure::{Exit, Failure};
use crate::files::{may_write, write};
use crate::output::{Answer, Page};
use crate::values;
use day::{Day, IN_FLIGHT};
use figures::Figures;
use house::DemoHouse;
use page::Papers;
use plan::Plan;
use report::{Audit, Latency, Report, Run, micros};

/// The file of the report, unless somebody names another.
const REPORT_FILE: &str = "clearing-demo.html";

/// A broken book may have a problem in each of its entries.
const PROBLEMS_SHOWN_MAX: usize = 10;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which day is played: the same seed gives the same figures.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = |text: &str| values::between::<u64>(text, 0, i64::MAX))]
    seed: u64,
    /// How many customers there are.
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = |text: &str| values::between::<u32>(text, 1, 8_000))]
    customers: u32,
    /// How many purchases they make.
    #[arg(long, value_name = "COUNT", default_value_t = 4_000, value_parser = |text: &str| values::between::<u32>(text, 1, 1_000_000))]
    purchases: u32,
    /// Keeps the coalition in this folder, so that `clearing serve` can go on with it. It is made when it is not there; no
    /// coalition that is there is overwritten. Left out: nothing is kept but the report.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Where the HTML report is written. Left out: clearing-demo.html, in the folder that is kept if there is one.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Overwrites a file that is there and is no report of an earlier demo.
    #[arg(long)]
    force: bool,
}

/// Makes the coalition, plays the day, settles it, and tells what happened. With `watched` it shows how far it is.
///
/// # Errors
///
/// `Exit::Unbalanced` if any two figures disagree that must not; whatever the house, the disk or the network say.
pub async fn run(args: &Args, watched: bool) -> Result<Answer, Failure> {
    let throw_away =
        tempfile::tempdir().map_err(|error| Failure::file("cannot make a folder in", &std::env::temp_dir(), &error))?;
    let folder = args.keep.as_deref().unwrap_or(throw_away.path());
    let path = args.report.clone().unwrap_or_else(|| args.keep.clone().unwrap_or_default().join(REPORT_FILE));
    check_folder(&path, args)?;
    let force = args.force || is_earlier_report(&path);
    may_write(&path, force)?;

    let progress = progress(watched, args.purchases);
    progress.set_message("making the coalition");
    let plan = Arc::new(Plan::new(args.seed, args.customers, args.purchases));
    let house = DemoHouse::open(folder).await?;

    progress.set_message("playing the day");
    let Day { tally, busy, stories } = day::play(&house, args.seed, &plan, &progress).await?;

    progress.set_message("netting and paying");
    let answers = settle::settle(&house, stories).await?;
    let day = day::date(house.midnight);
    let database = house.database.clone();
    house.close().await?;

    progress.set_message("auditing the books");
    let audit = audit(&database).await?;
    let papers = Papers::of(&answers);
    let figures = Figures::new(args.customers, plan.purchases, &tally, answers);
    balanced(figures.check(&tally.points))?;
    progress.finish_and_clear();

    let report = Report {
        seed: args.seed,
        audit,
        run: Run {
            day,
            requests_per_second: per_second(figures.requests.unary, busy),
            latency_micros: Latency::of(tally.latencies),
            in_flight: IN_FLIGHT.min(plan.customers.len()),
            busy_micros: micros(busy),
            report: path,
            kept: args.keep.clone(),
            program: program(),
        },
        figures,
    };
    let path = &report.run.report;
    write(path, &page::page(&report, &papers), force)?;
    Ok(Answer::new(report.to_json(), Page::new().text(report.to_string())))
}

/// What names itself as the writer in the head of every report.
const MARK: &str = "clearing demo";

/// Whether an earlier demo wrote this file: whoever plays another day wants its report in the place of the one before.
fn is_earlier_report(path: &Path) -> bool {
    let is_file = path.symlink_metadata().is_ok_and(|file| file.is_file());
    is_file && fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("content=\"{MARK}\"")))
}

/// That the report cannot be written must not be found out when the day is over.
fn check_folder(report: &Path, args: &Args) -> Result<(), Failure> {
    let folder = report.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        // The folder that is kept is yet to be made.
        Some(folder) if args.keep.as_deref() != Some(folder) && !folder.is_dir() => {
            let what = format!("the report cannot be written: there is no folder {}", folder.display());
            Err(Failure::usage(what).hint("make it, or name another file with --report"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Rebuilds everything from the journal, as an auditor would, from the database alone.
async fn audit(database: &str) -> Result<Audit, Failure> {
    let store = Store::connect(database).await.map_err(|error| Failure::internal(&error))?;
    let audit = clearing::audit::audit(&store).await.map_err(|error| Failure::internal(&error))?;
    balanced(audit.findings.iter().map(ToString::to_string).collect())?;
    Ok(Audit { entries: audit.entries, batches: audit.batches, members: audit.members, lots: audit.lots })
}

/// Several problems at once: one alone may mislead.
fn balanced(problems: Vec<String>) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    let mut shown: Vec<String> = problems.into_iter().take(PROBLEMS_SHOWN_MAX).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    let what = format!("the books do not balance: {}", shown.join("; "));
    Err(Failure::new(Exit::Unbalanced, what)
        .hint("this is a fault of the program: please report it with the command line"))
}

fn progress(watched: bool, purchases: u32) -> ProgressBar {
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(u64::from(purchases)), target);
    let style = ProgressStyle::with_template("{elapsed:>4} {msg:<22} {wide_bar} {human_pos} of {human_len} purchases");
    bar.set_style(style.expect("the template names what there is"));
    bar.enable_steady_tick(Duration::from_millis(100));
    // A failure must not stand beside half a bar.
    bar.with_finish(ProgressFinish::AndClear)
}

fn per_second(requests: u64, busy: Duration) -> u64 {
    u128::from(requests)
        .saturating_mul(1_000_000)
        .checked_div(busy.as_micros())
        .and_then(|rate| u64::try_from(rate).ok())
        .unwrap_or(u64::MAX)
}

/// How this program was called, so that the hints can be typed as they are.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "clearing".to_owned())
}
