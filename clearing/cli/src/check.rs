//! `clearing config check`: what is in force, where it came from, and whether a house could be run with it: everything that it
//! names is read, connected to, and compared.

mod books;
mod credentials;
mod findings;

use clap::Subcommand;
use clearing::clock::Clock;
use clearing::config::{ClientSettings, Config, ServerSettings};
use clearing::store::{Advice, Concern};
use serde_json::{Value, json};

use self::books::Books;
use self::findings::{Findings, Found};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::session::{Session, moment};
use crate::{material, serve};

/// The configuration commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows every key with its value and source, then reads, connects to and compares all that they name, and lists what it
    /// found: the authority, certificates and keys, which belong together, whom they name and how many days are left; file
    /// modes; the database, its layout, what the role may do in it, that it holds its locks and that no pooler shares its
    /// sessions; the coalition, domain and identifier key of the books; the clock, against the books and the database's; the room
    /// on the disk; the address to listen at.
    ///
    /// What is wrong is told with what to do, and the exit code is that of the first of these that a house would end with. What
    /// will soon be wrong, a certificate with less than 30 days left, is a warning, and the exit code is 0 all the same.
    ///
    /// Of a PostgreSQL it also names the settings that cost durability or speed, each with what is recommended and why. That is
    /// advice as well.
    #[command(
        after_help = "Examples:\n  clearing config check\n  clearing config check --config /etc/clearing/clearing.toml --output json\n  \
                            clearing config check --client     only what the operator's commands need, and whether the house answers"
    )]
    Check {
        /// Only what commands need that ask a house over the network; and whether it answers.
        #[arg(long)]
        client: bool,
    },
}

/// Runs it.
pub async fn run(context: &Context, command: &Command) -> Result<Answer, Failure> {
    let Command::Check { client } = *command;
    let config = context.config()?;
    let mut findings = Findings::default();
    let books = if client {
        of_client(context, &config.client()?, &mut findings).await;
        None
    } else {
        Some(of_server(context, &config, &mut findings).await?)
    };
    Ok(answer(&config, client, &findings, books))
}

/// What the operator's commands need.
async fn of_client(context: &Context, settings: &ClientSettings, findings: &mut Findings) {
    let read = credentials::of_client(settings, findings);
    // Whoever has no credentials to use need not ask.
    if read.is_none() {
        return;
    }
    findings.add(
        "house",
        match Session::with(context, settings).await {
            Ok(session) => {
                let info = &session.info;
                let clock = if info.clock_stands_still { "its clock stands at" } else { "its clock says" };
                let told = format!(
                    "{} answers: coalition {}, release {}, {clock} {}, caller {}",
                    settings.endpoint,
                    info.coalition_id,
                    info.server_version,
                    moment(info.server_time),
                    info.caller_id
                );
                Ok(Found::well(told))
            }
            Err(failure) => Err(failure),
        },
    );
}

/// What a house needs.
async fn of_server(context: &Context, config: &Config, findings: &mut Findings) -> Result<Books, Failure> {
    let settings = config.server()?;
    let tls = credentials::of_server(&settings, findings);
    match config.client() {
        Ok(client) => credentials::of_operator(&settings, tls.as_ref(), &client, findings),
        Err(_) => findings
            .add("operator", Ok(Found::well("client.ca, client.cert and client.key are not all set: not compared"))),
    }
    let key = material::identifier_key(&settings.identifier_key);
    let books = books::compare(context, &settings, key.as_ref().ok(), findings).await;
    if let Err(failure) = key {
        findings.add("identifier key", Err(failure));
    }
    listen(&settings, &books, findings);
    Ok(books)
}

/// How long after a house was last alive it is taken to be open, in microseconds: it writes that down each minute.
const ALIVE_MICROS: i64 = 2 * 60 * 1_000_000;

/// Whether somebody can be heard at the address.
fn listen(settings: &ServerSettings, books: &Books, findings: &mut Findings) {
    let address = settings.listen;
    let found = match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(Found::well(format!("{address} is free"))),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let now = Clock::system().now();
            match books.clocks.filter(|clocks| now.0.saturating_sub(clocks.last_alive.0).abs() < ALIVE_MICROS) {
                Some(clocks) => {
                    let told =
                        format!("{address} is in use, it seems by this house: it was alive at {}", clocks.last_alive);
                    Ok(Found::well(told))
                }
                None => Err(serve::cannot_listen(address, &error)),
            }
        }
        Err(error) => Err(serve::cannot_listen(address, &error)),
    };
    findings.add("listen address", found);
}

fn answer(config: &Config, client: bool, findings: &Findings, books: Option<Books>) -> Answer {
    let effective = config.effective();
    let clocks = books.as_ref().and_then(|books| books.clocks);
    let failure = findings.failure();
    let json = json!({
        "file": config.file(),
        "keys": effective.iter().map(|(key, value, source)| json!({
            "key": key.name,
            "value": value,
            "source": source.to_string(),
        })).collect::<Vec<_>>(),
        "is_well": failure.is_none(),
        "compared": findings.to_json(),
        "books": books.as_ref().and_then(|books| books.told.as_deref()),
        "machine_time": clocks.map(|clocks| clocks.machine.to_string()),
        "last_alive_time": clocks.map(|clocks| clocks.last_alive.to_string()),
        "database_time": clocks.and_then(|clocks| clocks.database).map(|told| told.database.to_string()),
        "database_settings": books.as_ref().map(|books| books.advice.iter().map(advice_json).collect::<Vec<_>>()),
    });
    let file = config.file().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let rows = effective.into_iter().map(|(key, value, source)| vec![key.name.to_owned(), value, source.to_string()]);
    let mut page = Page::new().text(format!("File: {file}")).table(&["key", "value", "from"], rows);
    page = findings.show(page.text("Compared:"));
    if let Some(books) = &books {
        page = advise(page, &books.advice);
    }
    match failure {
        Some(failure) => Answer::new(json, page).but(failure),
        None if client => Answer::new(json, page.text("The operator's commands can be run with it.")),
        None => Answer::new(json, page.text("A house can be run with it.")),
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
