//! What commands that open a database have in common.

use clearing::clock::Clock;
use clearing::config::without_password;
use clearing::identifier::{IdentifierKey, OtherBooks};
use clearing::store::{GateError, OccupyError, Store};
use clearing_core::facts::coalition::House;
use clearing_core::units::Timestamp;

use crate::failure::{Exit, Failure, with_causes};
use crate::files::Made;
use crate::waiting::Waiting;

/// Opens the books.
pub async fn open(url: &str, waiting: &Waiting) -> Result<Store, Failure> {
    let place = without_password(url);
    let _awaited = waiting.wait_for(format!("the database {place} (house.database)"));
    Store::connect(url).await.map_err(|error| {
        let failure = Failure::from(&error);
        // What is known of the cause says where it is.
        if error.cause().is_some() {
            failure
        } else {
            Failure { message: format!("{place}: {}", failure.message), ..failure }
        }
    })
}

/// Opens books that are there. For commands that only read: opening a file of SQLite that is not there would make one.
pub async fn open_existing(url: &str, waiting: &Waiting) -> Result<Store, Failure> {
    if Store::may_be_there(url) {
        return open(url, waiting).await;
    }
    let place = without_password(url);
    Err(Failure::usage(format!("there is no database {place}"))
        .hint("name the right file with --database or house.database; `clearing init` makes a new one"))
}

/// As [`found`], with the files of SQLite that it makes.
pub async fn found_with(
    url: &str,
    house: &House,
    domain: &str,
    key: &IdentifierKey,
    now: Timestamp,
    (made, waiting): (&mut Made, &Waiting),
) -> Result<(), Failure> {
    if let Some(file) = Store::file_of(url) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut path = file.as_os_str().to_owned();
            path.push(suffix);
            made.file(path);
        }
    }
    found(url, house, domain, key, now, waiting).await
}

/// Prepares an empty database and founds a coalition in it.
pub async fn found(
    url: &str,
    house: &House,
    domain: &str,
    key: &IdentifierKey,
    now: Timestamp,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let store = open(url, waiting).await?;
    let _occupancy = store.occupy("clearing init", Clock::system().now())?;
    store.migrate().await?;
    if let Ok(row) = store.load_house().await {
        let place = without_password(url);
        return Err(Failure::usage(format!("{place} holds the coalition {} already", row.house.coalition.id))
            .hint("a database holds one coalition: name an empty one with --database"));
    }
    Ok(store.create_coalition(house, domain, key, now).await?)
}

impl From<OccupyError> for Failure {
    fn from(error: OccupyError) -> Self {
        in_use(&error)
    }
}

impl From<OtherBooks> for Failure {
    fn from(error: OtherBooks) -> Self {
        other_books(&error)
    }
}

impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        no_gate(&error)
    }
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

/// The database cannot be asked for its locks, or has none.
pub fn no_gate(error: &GateError) -> Failure {
    match error {
        GateError::Store(error) => error.into(),
        GateError::NoLock(_) => Failure::new(Exit::Usage, error.to_string())
            .hint("`clearing config check` tells when the database is one that the books can be kept in"),
    }
}
