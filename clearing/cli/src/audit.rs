//! `clearing audit`: everything that is stored, rebuilt from the journal and compared.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clearing::audit::{
    AuditError, AuditReport, Phase, Progress, RecordError, RecordFiles, UNEXPLAINED, Unexplained, audit_recorded,
};
use clearing::config::{Config, without_password};
use clearing::store::Store;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use crate::amounts::counted;
use crate::context::Context;
use crate::database::open_existing;
use crate::failure::{Exit, Failure, with_causes};
use crate::files::may_write;
use crate::material::identifier_key;
use crate::output::{Answer, Output, Page};

/// Findings that are listed one by one; a broken table may give one for each of its rows.
const FINDINGS_SHOWN_MAX: usize = 100;

/// Between two lines that tell how far the audit has come.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the books are: sqlite:FILE or postgres://... The same as --set house.database=...
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Leaves a record in this file if nothing was found, for a later --since. Keep it where nobody can write who can write to
    /// the database.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Overwrites the file of --record if there is one.
    #[arg(long, requires = "record")]
    force: bool,
    /// Begins from the record of an earlier audit: reads only entries that were written since, and believes the record.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

/// What an audit since a record leaves out, in words.
const LEFT_OUT: &str = "Not looked at were entries before the record, holds of members that no entry since names and their lots \
                        beyond their rows, requests, \
                        attachments, links of cards, lines of receipts, windows and their settlements, terms, limits and consents: that \
                        takes an audit of the whole.";

/// Runs it.
pub async fn run(context: Context, arguments: Arguments) -> Result<Answer, Failure> {
    let context = context.with("--database", "house.database", arguments.database);
    let url = context.config()?.database();
    if let Some(record) = &arguments.record {
        may_write(record, arguments.force)?;
    }
    let store = open_existing(&url, &context.waiting).await?;
    let state = store.migration_state().await?;
    if !state.pending.is_empty() {
        let place = without_password(&url);
        return Err(Failure::usage(format!(
            "{place}: {} pending",
            counted(state.pending.len(), "migration is", "migrations are")
        ))
        .hint("is it the right database? If it is: clearing migrate"));
    }
    let key_checked = check_key(&context.config()?, &store).await?;
    let mut shown = Shown::new(context.output);
    let files = RecordFiles { since: arguments.since.as_deref(), record: arguments.record.as_deref() };
    let report = audit_recorded(&store, files, |progress| shown.tell(progress)).await;
    shown.bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        AuditError::Store(error) => error.into(),
        AuditError::Scratch(_) => Failure::new(Exit::Internal, with_causes(&error))
            .hint("it takes about as many bytes as the journal has; TMPDIR=FOLDER clearing audit uses another folder"),
        AuditError::Record(RecordError::Io(_)) => {
            Failure::new(Exit::Usage, with_causes(&error)).hint("is it the right file, and may it be read and written?")
        }
        AuditError::Record(_) => {
            Failure::new(Exit::Usage, with_causes(&error)).hint("`clearing audit --record FILE` makes one of the whole")
        }
    })?;

    let clean = report.findings.is_empty();
    let shown: Vec<_> = report.findings.iter().take(FINDINGS_SHOWN_MAX).map(ToString::to_string).collect();
    let head: String = report.head.iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({
        "database": without_password(&url),
        "clean": clean,
        "batches": report.batches,
        "entries": report.entries,
        "members": report.members,
        "lots": report.lots,
        "head": head,
        "since_sequence": report.since,
        "whole_until_sequence": report.whole,
        "record": arguments.record.as_deref().filter(|_| clean),
        "identifier_key_checked": key_checked,
        "finding_count": report.findings.len(),
        "findings": shown,
        "unexplained": UNEXPLAINED
            .iter()
            .map(|of| json!({ "table": of.table, "columns": of.columns, "reason": of.reason }))
            .collect::<Vec<_>>(),
    });
    let mut page = page(&report, &head, &shown);
    if let Some(record) = arguments.record.as_deref() {
        page = page.text(match clean {
            true => format!("The record is in {}.", record.display()),
            false => "No record was made.".to_owned(),
        });
    }
    if !key_checked {
        page = page
            .text("Without an identifier key, it was not looked whether it is the one that the books were made with.");
    }
    let answer = Answer::new(json, page);
    if clean {
        return Ok(answer);
    }
    Ok(answer.but(
        Failure::new(
            Exit::Unbalanced,
            format!("the audit found {}", counted(report.findings.len(), "fault", "faults")),
        )
        .hint("stop the house, keep a copy of the database as it is, and compare it with the last good backup"),
    ))
}

/// Compares the identifier key and the domain with those that the books were made with. Whoever audits a copy elsewhere has
/// none.
///
/// # Errors
/// They are another's: nobody should run a house with them.
async fn check_key(config: &Config, store: &Store) -> Result<bool, Failure> {
    let Some((domain, key)) = config.identifier_key().filter(|(_, key)| key.exists()) else { return Ok(false) };
    let key = identifier_key(&key)?;
    let row = store.load_house().await?;
    row.check(&key, &domain)?;
    Ok(true)
}

fn page(report: &AuditReport, head: &str, shown: &[String]) -> Page {
    let AuditReport { entries, batches, members, lots, since, whole, .. } = report;
    let of = since.map_or_else(String::new, |since| format!(", from entry {since} on"));
    let mut page = Page::new().text(format!(
        "Read {} in {}{of}, {}, {}. The journal's chain ends with {head}.",
        counted(entries, "entry", "entries"),
        counted(batches, "batch", "batches"),
        counted(members, "member", "members"),
        counted(lots, "lot", "lots")
    ));
    if since.is_some() {
        page = page.text(format!("{LEFT_OUT} The last one read the entries before {whole}."));
    }
    if shown.is_empty() && since.is_some() {
        return page.text("Everything that was looked at follows from the record and the entries since.");
    }
    if shown.is_empty() {
        return page
            .text("Everything that is stored follows from the journal, and the books balance.")
            .text(unexplained());
    }
    for finding in shown {
        page = page.text(format!("  {finding}"));
    }
    let left = report.findings.len() - shown.len();
    if left > 0 { page.text(format!("  ... and {left} more")) } else { page }
}

/// What an audit says nothing about.
fn unexplained() -> String {
    let whole = |of: &&Unexplained| of.whole;
    let (tables, columns): (Vec<&Unexplained>, Vec<&Unexplained>) = UNEXPLAINED.iter().partition(whole);
    let tables: Vec<&str> = tables.iter().map(|of| of.table).collect();
    let of = |of: &&Unexplained| of.columns.iter().map(|column| format!("{}.{column}", of.table)).collect::<Vec<_>>();
    let columns: Vec<String> = columns.iter().flat_map(of).collect();
    format!(
        "It says nothing about the tables {}, nor about the columns {}: none of them is what the house owes or is owed. \
         --output json tells of each why.",
        tables.join(", "),
        columns.join(", ")
    )
}

/// How an audit's progress is told: to who watches by a bar, to a log by a line now and then, to a program not at all.
struct Shown {
    output: Output,
    bar: ProgressBar,
    phase: Option<Phase>,
    /// When the last line was written.
    told: Instant,
}

impl Shown {
    fn new(output: Output) -> Self {
        let bar = if output.is_watched() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        Self { output, bar, phase: None, told: Instant::now() }
    }

    fn tell(&mut self, progress: Progress) {
        let Progress { phase, done, total } = progress;
        if self.output.is_watched() {
            if self.phase != Some(phase) {
                let template = match phase {
                    Phase::Journal => "reading the journal {wide_bar} {pos} of {len} entries, {eta} left",
                    Phase::Requests => "comparing requests {wide_bar} {pos} of {len} batches, {eta} left",
                    Phase::Members => "comparing members {wide_bar} {pos} of {len} members, {eta} left",
                };
                self.bar.reset();
                self.bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
            }
            self.bar.set_length(total);
            self.bar.set_position(done);
        } else if done == total || self.told.elapsed() >= BETWEEN_LINES {
            self.told = Instant::now();
            self.output.note(&match phase {
                Phase::Journal => format!("audit: read {done} of {total} entries"),
                Phase::Requests => format!("audit: compared the requests of {done} of {total} batches"),
                Phase::Members => format!("audit: compared {done} of {total} members"),
            });
        }
        self.phase = Some(phase);
    }
}
