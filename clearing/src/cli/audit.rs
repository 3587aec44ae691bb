//! `clearing audit`: everything that is stored, rebuilt from the journal and compared.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::context::Context;
use super::database::{open, store_failure};
use super::failure::{Exit, Failure};
use super::output::Page;
use crate::audit::{AuditReport, audit_with};
use crate::config::without_password;

/// Findings that are listed one by one; a broken table may give one for each of its rows.
const FINDINGS_SHOWN_MAX: usize = 100;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the books are: sqlite:FILE or postgres://... The same as --set house.database=...
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs it.
pub async fn run(context: Context, arguments: Arguments) -> Result<(), Failure> {
    let context = context.with("--database", "house.database", arguments.database);
    let url = context.config()?.database();
    let store = open(&url).await?;
    let state = store.migration_state().await.map_err(|error| store_failure(&error))?;
    if !state.pending.is_empty() {
        let place = without_password(&url);
        return Err(Failure::usage(format!("{place}: {} migrations are pending", state.pending.len()))
            .hint("is it the right database? If it is: clearing migrate"));
    }
    let bar = progress_bar(&context);
    let report = audit_with(&store, |read, total| {
        bar.set_length(total);
        bar.set_position(read);
    })
    .await;
    bar.finish_and_clear();
    let report = report.map_err(|error| store_failure(&error))?;

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
        "finding_count": report.findings.len(),
        "findings": shown,
    });
    context.output.show(&json, &page(&report, &head, &shown));
    if clean {
        return Ok(());
    }
    Err(Failure::new(Exit::Unbalanced, format!("the audit found {} faults", report.findings.len()))
        .hint("stop the house, keep a copy of the database as it is, and compare it with the last good backup"))
}

fn page(report: &AuditReport, head: &str, shown: &[String]) -> Page {
    let mut page = Page::new().text(format!(
        "Read {} entries in {} batches, {} members, {} lots. The journal's chain ends with {head}.",
        report.entries, report.batches, report.members, report.lots
    ));
    if shown.is_empty() {
        return page.text("Everything that is stored follows from the journal, and the books balance.");
    }
    for finding in shown {
        page = page.text(format!("  {finding}"));
    }
    let left = report.findings.len() - shown.len();
    if left > 0 { page.text(format!("  ... and {left} more")) } else { page }
}

/// Shown to people only, on standard error.
fn progress_bar(context: &Context) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("auditing {wide_bar} {pos} of {len} entries, {eta} left")
        .expect("the template is well formed");
    ProgressBar::new(0).with_style(style)
}
