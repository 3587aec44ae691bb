//! Fills a house with entries, asks for a statement right after the last, and then tells how the lists came up; the
//! database may be kept, for the audit.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clearing_proto::v1;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::client::BatchIssues;
use crate::coalition::PARTNERS;
use crate::system::{Backend, Databases, Site, System};
use crate::workload::Spread;

/// Issues of a batch.
const BATCH: u64 = 1_000;

/// How long the lists may take to come up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes so many issues of all brands at once, and asks one of them for its statement until there is one. SQLite's file is
/// kept where `keep` says.
///
/// # Errors
/// If the house refuses an issue, or its books are wrong in the end.
pub async fn fill(
    site: &Site,
    databases: &mut Databases,
    backend: Backend,
    entries: u64,
    keep: Option<&Path>,
) -> Result<()> {
    let mut out = std::io::stdout();
    let system = System::house(site, databases, backend).await?;
    let began = Instant::now();
    let mut filling = JoinSet::new();
    for at in 0..PARTNERS {
        let (clients, mut workload) = (system.clients.clone(), site.workload(u64::try_from(at)?, Spread::Even));
        let mut left = entries / u64::try_from(PARTNERS)?;
        filling.spawn(async move {
            while left > 0 {
                let items: Vec<_> = (0..left.min(BATCH)).map(|_| workload.issue()).collect();
                left -= u64::try_from(items.len())?;
                let sent = u64::try_from(items.len())?;
                let request = v1::BatchIssuePointsRequest { items };
                let answer = clients.issues(at).batch_issue_points(request).await?.into_inner();
                let accepted = BatchIssues::accepted(&answer.results)?;
                ensure!(accepted == sent, "the house answered {accepted} of {sent} items");
                clients.acknowledge(accepted);
            }
            Ok(())
        });
    }
    while let Some(filled) = filling.join_next().await {
        filled??;
    }
    let wrote = began.elapsed();
    let per_second = f64::from(u32::try_from(entries)?) / wrote.as_secs_f64();
    writeln!(out, "{}: {entries} issues in {:.1} s, {per_second:.0} a second", system.name, wrote.as_secs_f64())?;

    let asked = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let (one, request) = (Instant::now(), v1::GetStatementRequest { page_size: 100, ..Default::default() });
        match system.clients.positions(0).get_statement(request).await {
            Ok(answer) => {
                let lines: i64 = answer.get_ref().totals.iter().map(|total| total.line_count).sum();
                let (took, in_all) = (one.elapsed().as_millis(), asked.elapsed().as_millis());
                writeln!(
                    out,
                    "  statement, try {tries}: {lines} lines after {took} ms; {in_all} ms since the last entry"
                )?;
                break;
            }
            Err(status) if status.code() == Code::Unavailable && asked.elapsed() < PATIENCE => {
                let delay = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
                let delay = delay.context("UNAVAILABLE without RetryInfo")?;
                writeln!(out, "  statement, try {tries}: {} after {} ms", status.message(), one.elapsed().as_millis())?;
                tokio::time::sleep(delay).await;
            }
            Err(status) => return Err(status).context("the statement was refused"),
        }
    }
    // A brand with most of what there is reads it anew, now that all is projected.
    let one = Instant::now();
    let request = v1::GetStatementRequest { page_size: 1_000, ..Default::default() };
    system.clients.positions(0).get_statement(request).await?;
    writeln!(out, "  the same with a page of 1,000 lines: {} ms", one.elapsed().as_millis())?;

    let file = system.sqlite_file();
    let began = Instant::now();
    let books = system.end().await?.context("a house has books")?;
    writeln!(out, "  {} (audited in {:.1} s)", books.line(), began.elapsed().as_secs_f64())?;
    ensure!(books.are_right(), "the books are not right");
    if let (Some(from), Some(to)) = (file, keep) {
        std::fs::copy(&from, to).with_context(|| format!("copying the books to {}", to.display()))?;
        writeln!(out, "  kept in {}", to.display())?;
    }
    Ok(())
}
