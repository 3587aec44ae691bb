//! `clearing migrate`: brings the layout of a database up to date, or says what is pending.

use clap::Args;
use clearing::clock::Clock;
use clearing::config::without_password;
use serde_json::json;

use crate::amounts::counted;
use crate::context::Context;
use crate::database::{open, open_existing};
use crate::failure::Failure;
use crate::output::{Answer, Page};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the books are: sqlite:FILE or postgres://... The same as --set house.database=...
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Changes nothing: only says what is pending.
    #[arg(long)]
    check: bool,
}

/// Runs it.
pub async fn run(context: Context, arguments: Arguments) -> Result<Answer, Failure> {
    let context = context.with("--database", "house.database", arguments.database);
    let url = context.config()?.database();
    // A new database is for `migrate` itself to make, not for who only looks.
    let store = match arguments.check {
        true => open_existing(&url, &context.waiting).await?,
        false => open(&url, &context.waiting).await?,
    };
    let before = store.migration_state().await?;
    if !arguments.check && !before.pending.is_empty() {
        let _occupancy = store.occupy("clearing migrate", Clock::system().now())?;
        store.migrate().await?;
    }
    let after = store.migration_state().await?;
    let json = json!({
        "database": without_password(&url),
        "pending_before": before.pending,
        "pending": after.pending,
    });
    let place = without_password(&url);
    let page = match (before.pending.len(), after.pending.len()) {
        (0, _) => Page::new().text(format!("{place} is up to date.")),
        (_, 0) => Page::new()
            .text(format!("Brought {place} up to date: {}.", counted(before.pending.len(), "migration", "migrations")))
            .next("a server that waits for this opens within a second; else: clearing serve"),
        (_, pending) => {
            let pending = counted(pending, "migration is", "migrations are");
            Page::new().text(format!("{place}: {pending} pending.")).next("clearing migrate")
        }
    };
    Ok(Answer::new(json, page))
}
