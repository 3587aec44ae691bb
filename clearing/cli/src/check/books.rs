//! The database: whether it is there, whose books it holds, and what it can do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clearing::clock::machine::judge_start;
use clearing::clock::{Clock, DatabaseTime};
use clearing::config::{ServerSettings, without_password};
use clearing::identifier::{IdentifierKey, OtherBooks};
use clearing::store::{Abilities, Advice, Backend, HouseRow, Store};
use clearing_core::units::Timestamp;

use super::findings::{Findings, Found};
use crate::amounts::counted;
use crate::context::Context;
use crate::database::{open_existing, other_books};
use crate::failure::{Exit, Failure};

/// With less room on the disk than this, in bytes, somebody should look after it.
const FREE_BYTES_GOOD: u64 = 1 << 30;

/// What was found of the books.
#[derive(Default)]
pub struct Books {
    /// Which they are, in words.
    pub told: Option<String>,
    /// What the clocks say.
    pub clocks: Option<Clocks>,
    /// What is recommended of the database server's settings.
    pub advice: Vec<Advice>,
}

/// What the clocks say.
#[derive(Clone, Copy)]
pub struct Clocks {
    /// This machine's.
    pub machine: Timestamp,
    /// When the house was last alive.
    pub last_alive: Timestamp,
    /// The database's, if it has one.
    pub database: Option<DatabaseTime>,
}

/// Compares the configuration and the clock with the books. Without a key, neither that nor the domain.
pub async fn compare(
    context: &Context,
    settings: &ServerSettings,
    key: Option<&IdentifierKey>,
    findings: &mut Findings,
) -> Books {
    let mut books = Books::default();
    let place = without_password(&settings.database);
    let store = match open_existing(&settings.database, &context.waiting).await {
        Ok(store) => store,
        Err(failure) => {
            findings.add("database", Err(failure));
            return books;
        }
    };
    let abilities = match store.abilities().await {
        Ok(abilities) => abilities,
        Err(error) => {
            findings.add("database", Err(error.into()));
            return books;
        }
    };
    findings.add("database", able(&store, &place, &abilities));
    file(settings, &abilities, findings);
    // What follows would only say the same again.
    if abilities.only_reads || !schema(&store, &abilities, findings).await {
        return books;
    }
    findings.add("rights", rights(&abilities));
    let proved = store.prove_gate().await;
    findings.add("locks", proved.map(|()| Found::well("two connections keep each other out")).map_err(Failure::from));
    match store.load_house().await {
        Ok(row) => {
            let told = format!("{place} holds the coalition {}", row.house.coalition.id);
            findings.add("coalition", Ok(Found::well(&told)));
            books.told = Some(told);
            whose(&row, settings, key, findings);
        }
        Err(error) => {
            findings.add("coalition", Err(error.into()));
            return books;
        }
    }
    match clocks(&store).await {
        Ok(clocks) => {
            findings.add("clock", right(&clocks, settings));
            books.clocks = Some(clocks);
        }
        Err(failure) => findings.add("clock", Err(failure)),
    }
    match store.advice().await {
        Ok(advice) => books.advice = advice,
        Err(error) => findings.add("settings of the server", Err(error.into())),
    }
    books
}

fn able(store: &Store, place: &str, abilities: &Abilities) -> Result<Found, Failure> {
    let Abilities { version, role, only_reads, .. } = abilities;
    if *only_reads {
        return Err(Failure::usage(format!(
            "the database {place} only reads: it is a standby, or is told to take nothing in (default_transaction_read_only)"
        ))
        .hint("name the server that writes with house.database"));
    }
    Ok(Found::well(match store.backend() {
        Backend::Sqlite => format!("{place}, SQLite {version}"),
        Backend::Postgres => {
            format!("{place}, PostgreSQL {version}, as the role {role}; each connection has a session of its own")
        }
    }))
}

/// The file of SQLite, and the disk that it is on.
fn file(settings: &ServerSettings, abilities: &Abilities, findings: &mut Findings) {
    let Some(path) = Store::file_of(&settings.database) else { return };
    if let Ok(metadata) = fs::metadata(path) {
        let mode = metadata.permissions().mode() & 0o7777;
        let told = format!("{} has mode {mode:04o}", path.display());
        let found = if mode & 0o077 == 0 {
            Found::well(told)
        } else {
            Found::but(
                format!("{told}: others than its owner may read or change the books"),
                format!("chmod 600 {}", path.display()),
            )
        };
        findings.add("file mode", Ok(found));
    }
    let Some(free) = abilities.free_bytes else { return };
    let told = format!("{free} bytes are free on the disk of the books");
    findings.add(
        "disk",
        if free < Abilities::FREE_BYTES_MIN {
            let told = format!("{told}, and {} are needed", Abilities::FREE_BYTES_MIN);
            Err(Failure::new(Exit::Internal, told).hint("make room on it"))
        } else if free < FREE_BYTES_GOOD {
            Ok(Found::but(told, "make room on it before it is full"))
        } else {
            Ok(Found::well(told))
        },
    );
}

/// Whether the layout is that of this release.
async fn schema(store: &Store, abilities: &Abilities, findings: &mut Findings) -> bool {
    let found = match store.migration_state().await {
        Ok(state) if state.pending.is_empty() => {
            Ok(Found::well(format!("{} migrations, none is pending", state.applied.len())))
        }
        Ok(state) if abilities.may_create => {
            Err(Failure::usage(format!("{} pending", counted(state.pending.len(), "migration is", "migrations are")))
                .hint("is it the right database? If it is: clearing migrate"))
        }
        Ok(state) => Err(Failure::usage(format!(
            "permission denied: {} pending, and the role {} may not make tables",
            counted(state.pending.len(), "migration is", "migrations are"),
            abilities.role
        ))
        .hint(format!("GRANT CREATE ON SCHEMA public TO {}, then clearing migrate", abilities.role))),
        Err(error) => Err(error.into()),
    };
    let is_well = found.is_ok();
    findings.add("layout", found);
    is_well
}

fn rights(abilities: &Abilities) -> Result<Found, Failure> {
    let Abilities { role, forbidden, .. } = abilities;
    if forbidden.is_empty() {
        return Ok(Found::well("the tables of the house can be read and added to"));
    }
    Err(Failure::usage(format!("permission denied: the role {role} may not read and add to {}", forbidden.join(", ")))
        .hint(format!(
            "make the role {role} the owner of the tables, or grant it SELECT, INSERT, UPDATE and DELETE on them"
        )))
}

/// Whether domain and key are those that the books were made with.
fn whose(row: &HouseRow, settings: &ServerSettings, key: Option<&IdentifierKey>, findings: &mut Findings) {
    let domain = Ok(Found::well(format!("{} is that of the books", settings.domain)));
    // What is wrong with the key is told already.
    let Some(key) = key else { return };
    let of_key = || Ok(Found::well("is the one that the books were made with"));
    match row.check(key, &settings.domain) {
        Ok(()) => {
            findings.add("domain", domain);
            findings.add("identifier key", of_key());
        }
        Err(error @ OtherBooks::Key { .. }) => {
            findings.add("domain", domain);
            findings.add("identifier key", Err(other_books(&error)));
        }
        Err(error @ OtherBooks::Domain { .. }) => {
            findings.add("domain", Err(other_books(&error)));
            if let OtherBooks::Domain { books, .. } = &error {
                findings.add(
                    "identifier key",
                    match row.check(key, books) {
                        Ok(()) => of_key(),
                        Err(error) => Err(other_books(&error)),
                    },
                );
            }
        }
    }
}

async fn clocks(store: &Store) -> Result<Clocks, Failure> {
    let machine = || Clock::system().now();
    let last_alive = store.last_alive().await?;
    let database = store.database_time(machine).await?;
    Ok(Clocks { machine: machine(), last_alive, database })
}

/// Whether a house could be started by this clock.
fn right(clocks: &Clocks, settings: &ServerSettings) -> Result<Found, Failure> {
    let Clocks { machine, last_alive, database } = *clocks;
    let wrong = database.and_then(|told| told.judge());
    if let Some(wrong) = wrong.or_else(|| judge_start(machine, last_alive, settings.jump_max)) {
        return Err(Failure::usage(format!("a house would write nothing now: {wrong}"))
            .hint("look at the clocks before anything else: what is written at a wrong time cannot be taken back"));
    }
    let database = database.map_or_else(String::new, |told| format!("; PostgreSQL's clock says {}", told.database));
    Ok(Found::well(format!("the machine says {machine}; the house was last alive at {last_alive}{database}")))
}
