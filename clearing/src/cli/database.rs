//! What commands that open a database have in common, and `clearing migrate`.

use std::error::Error;

use clap::Args;
use clearing_core::facts::coalition::House;
use clearing_core::units::Timestamp;
use serde_json::json;

use super::context::Context;
use super::failure::{Exit, Failure, with_causes};
use super::output::Page;
use crate::clock::Clock;
use crate::config::without_password;
use crate::identifier::{IdentifierKey, OtherBooks};
use crate::store::{GateError, OccupyError, Store, StoreError};

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

/// Runs `migrate`.
pub async fn migrate(context: Context, arguments: Arguments) -> Result<(), Failure> {
    let context = context.with("--database", "house.database", arguments.database);
    let url = context.config()?.database();
    let store = open(&url).await?;
    let before = store.migration_state().await.map_err(|error| store_failure(&error))?;
    if !arguments.check && !before.pending.is_empty() {
        let _occupancy = store.occupy("clearing migrate", Clock::system().now()).map_err(|error| in_use(&error))?;
        store.migrate().await.map_err(|error| store_failure(&error))?;
    }
    let after = store.migration_state().await.map_err(|error| store_failure(&error))?;
    let json = json!({
        "database": without_password(&url),
        "pending_before": before.pending,
        "pending": after.pending,
    });
    let place = without_password(&url);
    let page = match (before.pending.len(), after.pending.len()) {
        (0, _) => Page::new().text(format!("{place} is up to date.")),
        (_, 0) => Page::new()
            .text(format!("Brought {place} up to date: {} migrations.", before.pending.len()))
            .next("a server that waits for this opens within a second; else: clearing serve"),
        (_, pending) => {
            Page::new().text(format!("{place}: {pending} migrations are pending.")).next("clearing migrate")
        }
    };
    context.output.show(&json, &page);
    Ok(())
}

/// Opens the books.
pub async fn open(url: &str) -> Result<Store, Failure> {
    Store::connect(url).await.map_err(|error| {
        let failure = store_failure(&error);
        Failure { message: format!("{}: {}", without_password(url), failure.message), ..failure }
    })
}

/// Prepares an empty database and founds a coalition in it.
pub async fn found(url: &str, house: &House, domain: &str, key: &IdentifierKey, now: Timestamp) -> Result<(), Failure> {
    let store = open(url).await?;
    let _occupancy = store.occupy("clearing init", Clock::system().now()).map_err(|error| in_use(&error))?;
    store.migrate().await.map_err(|error| store_failure(&error))?;
    if let Ok(row) = store.load_house().await {
        let place = without_password(url);
        return Err(Failure::usage(format!("{place} holds the coalition {} already", row.house.coalition.id))
            .hint("a database holds one coalition: name an empty one with --database"));
    }
    store.create_coalition(house, domain, key, now).await.map_err(|error| store_failure(&error))
}

/// Another process has the file of the books.
pub fn in_use(error: &OccupyError) -> Failure {
    let failure = Failure::usage(with_causes(error));
    match error {
        OccupyError::Occupied { .. } => failure.hint("stop that process first, or name another database"),
        OccupyError::File { .. } => failure.hint("the folder of the books must be writable"),
    }
}

/// The configuration is not that of the books.
pub fn other_books(error: &OtherBooks) -> Failure {
    let failure = Failure::usage(error);
    match error {
        OtherBooks::Domain { .. } => failure.hint("name the books of this coalition with house.database, or correct house.domain"),
        OtherBooks::Key { .. } => failure.hint(
            "restore the key from its backup: with another one every customer would be a new member, and the points that are \
             there would be nobody's",
        ),
    }
}

/// The database failed.
pub fn store_failure(error: &StoreError) -> Failure {
    failure(error)
}

/// The same of an error with one of the database beneath.
pub fn failure(error: &(dyn Error + 'static)) -> Failure {
    Failure::new(Exit::Internal, with_causes(error))
        .hint("check house.database with `clearing config check`, and whether the database is up; `clearing migrate` prepares a new one")
}

/// The database cannot be asked for its locks, or has none.
pub fn no_gate(error: &GateError) -> Failure {
    match error {
        GateError::Store(error) => store_failure(error),
        GateError::NoLock(_) => Failure::new(Exit::Usage, error.to_string())
            .hint("`clearing config check` tells when the database is one that the books can be kept in"),
    }
}
