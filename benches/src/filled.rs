//! `load filled`: houses on copies of filled databases, in turns under the same loads. Each rate is told as a share of that on
//! the first database of the same back end.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::runtime::Handle;

use crate::fill::check_coalition;
use crate::loads::{Bench, Turns};
use crate::report::Report;
use crate::system::{Databases, Site, System, database};

/// What to compare.
#[derive(Debug, Args)]
pub struct Options {
    /// Databases made by `load fill`, the one to compare with first. They stay as they are.
    #[arg(required = true)]
    databases: Vec<String>,
    /// Asks of the first so many members only, of each database.
    #[arg(long)]
    among: Option<u32>,
    /// Audits the copies in the end, which takes its time.
    #[arg(long)]
    audit: bool,
}

/// Measures them.
///
/// # Errors
/// If a database is none of `load fill`'s, a call fails, or the books are not right.
pub async fn run(
    options: &Options,
    turns: &Turns,
    servers: Handle,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let mut site = Site::new(servers, 0, 0, turns.seed)?;
    let mut systems = Vec::new();
    for (at, named) in options.databases.iter().enumerate() {
        systems.push(house_on_copy(&mut site, databases, named, &format!("filled_{at}"), options.among).await?);
    }
    let (systems, loads) = Bench::new(turns, &site, systems).run_on_filled().await?;
    report.loads.extend(loads);
    for system in systems {
        let books = system.end(options.audit).await?.context("a house has books")?;
        writeln!(std::io::stdout(), "{}", books.line())?;
        report.figures.extend(books.bytes_an_entry());
        report.books.push(books);
    }
    Ok(())
}

/// A house on a copy of a filled database.
///
/// # Errors
/// If it is none of `load fill`'s, or the house does not open.
pub async fn house_on_copy(
    site: &mut Site,
    databases: &mut Databases,
    named: &str,
    copy: &str,
    among: Option<u32>,
) -> Result<System> {
    let url = database::url_of(named);
    check_coalition(&url).await.with_context(|| format!("{named} is no database of `load fill`"))?;
    let url = databases.copy(&url, copy).await?;
    let (members, entries) = (database::members(&url).await?, database::entries(&url).await?);
    ensure!(members > 0, "{named} holds no members");
    let asked = among.unwrap_or(members).min(members);
    site.members = asked;
    let mut house = System::house_on(site, &url).await?;
    house.name = format!("{}: {asked} of {members} members, {entries} entries", house.name);
    Ok(house)
}
