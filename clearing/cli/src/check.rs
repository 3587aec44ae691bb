//! `clearing config check`: what is in force, where it came from, and whether a house could be run with it: on the books
//! that are there, with this machine's clock, and how the database server is set up for it.

use std::fs;

use clap::Subcommand;
use clearing::clock::machine::judge_start;
use clearing::clock::{Clock, DatabaseTime};
use clearing::config::{ServerSettings, without_password};
use clearing::identifier::IdentifierKey;
use clearing::store::{Advice, Concern, Store};
use clearing_core::units::Timestamp;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Exit, Failure, with_causes};
use crate::material;
use crate::output::{Answer, Page};

/// The configuration commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows every key with its value and source, reads the files that the server needs, and compares key, domain and clock
    /// with the books, if there are any and they can be reached. It also proves that the database holds its locks.
    ///
    /// Of a PostgreSQL it names the settings that cost durability or speed, each with what is recommended and why. That is
    /// advice: the exit code is 0 all the same.
    #[command(
        after_help = "Examples:\n  clearing config check\n  clearing config check --config /etc/clearing/clearing.toml --output json\n  \
                            clearing config check --client     only what the operator's commands need"
    )]
    Check {
        /// Only what commands need that ask a house over the network.
        #[arg(long)]
        client: bool,
    },
}

/// Runs it.
pub async fn run(context: &Context, command: &Command) -> Result<Answer, Failure> {
    let Command::Check { client } = *command;
    let config = context.config()?;
    let books = if client {
        let settings = config.client()?;
        material::secret("client.key", &settings.key)?;
        fs::metadata(&settings.cert)
            .map_err(|error| Failure::file("client.cert: cannot read", &settings.cert, &error))?;
        None
    } else {
        let settings = config.server()?;
        material::tls(&settings)?;
        let key = material::identifier_key(&settings.identifier_key)?;
        Some(books(&settings, &key).await?)
    };
    let effective = config.effective();
    let clock = books.as_ref().and_then(|books| books.clock);
    let json = json!({
        "file": config.file(),
        "keys": effective.iter().map(|(key, value, source)| json!({
            "key": key.name,
            "value": value,
            "source": source.to_string(),
        })).collect::<Vec<_>>(),
        "books": books.as_ref().map(|books| &books.told),
        "machine_time": clock.map(|clock| clock.machine.to_string()),
        "last_alive_time": clock.map(|clock| clock.last_alive.to_string()),
        "database_time": clock.and_then(|clock| clock.database).map(|told| told.database.to_string()),
        "database_settings": books.as_ref().map(|books| books.advice.iter().map(advice_json).collect::<Vec<_>>()),
    });
    let file = config.file().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let rows = effective.into_iter().map(|(key, value, source)| vec![key.name.to_owned(), value, source.to_string()]);
    let verdict = if client { "The operator's commands can be run with it." } else { "A house can be run with it." };
    let mut page = Page::new().text(format!("File: {file}")).table(&["key", "value", "from"], rows);
    if let Some(books) = &books {
        page = page.text(format!("Books: {}", books.told));
    }
    if let Some(Clocks { machine, last_alive, database }) = clock {
        let database = database.map_or_else(String::new, |told| format!("; PostgreSQL's clock says {}", told.database));
        page =
            page.text(format!("Clock: the machine says {machine}; the house was last alive at {last_alive}{database}"));
    }
    if let Some(books) = &books {
        page = advise(page, &books.advice);
    }
    Ok(Answer::new(json, page.text(verdict)))
}

/// What was found of the books.
struct Books {
    /// In words.
    told: String,
    clock: Option<Clocks>,
    /// What is recommended of the database server's settings.
    advice: Vec<Advice>,
}

impl Books {
    fn untold(told: String) -> Self {
        Self { told, clock: None, advice: Vec::new() }
    }
}

fn advice_json(advice: &Advice) -> Value {
    let Advice { setting, concern, present, recommended, is_followed, reason } = advice;
    let concern = match concern {
        Concern::Durability => "durability",
        Concern::Speed => "speed",
    };
    json!({
        "setting": setting,
        "concern": concern,
        "present": present,
        "recommended": recommended,
        "is_followed": is_followed,
        "reason": reason,
    })
}

/// Tells of the settings that are not as recommended.
fn advise(page: Page, advice: &[Advice]) -> Page {
    let of = |concern| advice.iter().filter(move |advice| advice.concern == concern && !advice.is_followed);
    let warn = |page: Page, Advice { setting, present, recommended, reason, .. }: &Advice| {
        page.text(format!("Warning: PostgreSQL has {setting} = {present}, and {recommended} is needed: {reason}."))
    };
    let page = of(Concern::Durability).fold(page, warn);
    let rows: Vec<Vec<String>> = of(Concern::Speed)
        .map(|advice| [advice.setting, &*advice.present, advice.recommended, advice.reason].map(str::to_owned).to_vec())
        .collect();
    if rows.is_empty() {
        return page;
    }
    page.text("Settings of PostgreSQL that would help, once there are many members (docs/postgresql.md):")
        .table(&["setting", "now", "recommended", "why"], rows)
}

/// What the clocks say.
#[derive(Clone, Copy)]
struct Clocks {
    machine: Timestamp,
    last_alive: Timestamp,
    database: Option<DatabaseTime>,
}

/// Compares the configuration and the clock with the books. Books that are not there, or out of reach, are no fault of the
/// configuration.
async fn books(settings: &ServerSettings, key: &IdentifierKey) -> Result<Books, Failure> {
    let place = without_password(&settings.database);
    if !Store::may_be_there(&settings.database) {
        return Ok(Books::untold(format!("{place} is not there yet; `clearing init` makes it")));
    }
    let store = match Store::connect(&settings.database).await {
        Ok(store) => store,
        Err(error) => return Ok(Books::untold(format!("{place} cannot be reached: {}", with_causes(&error)))),
    };
    let pending = store.migration_state().await?.pending.len();
    if pending > 0 {
        return Ok(Books::untold(format!(
            "{place}: {pending} migrations are pending; `clearing migrate` applies them"
        )));
    }
    store.prove_gate().await?;
    let row = store.load_house().await?;
    row.check(key, &settings.domain)?;
    let machine = || Clock::system().now();
    let last_alive = store.last_alive().await?;
    let database = store.database_time(machine).await?;
    let clock = Clocks { machine: machine(), last_alive, database };
    let wrong = database.and_then(|told| told.judge());
    if let Some(wrong) = wrong.or_else(|| judge_start(clock.machine, last_alive, settings.jump_max)) {
        return Err(Failure::new(Exit::Usage, format!("a house would write nothing now: {wrong}"))
            .hint("look at the clocks before anything else: what is written at a wrong time cannot be taken back"));
    }
    let told = format!("{place} holds the coalition {}", row.house.coalition.id);
    Ok(Books { told, clock: Some(clock), advice: store.advice().await? })
}
