//! `clearing serve`: the house, until it is told to stop.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use clearing::clock::{Clock, StartRules};
use clearing::config::Config;
use clearing::door::files;
use clearing::enrolment::IssuerError;
use clearing::server::{self, Drained, ReloadError, RunningServer, ServerLimits, ServerOptions, StartError};
use clearing::tls::credentials::{Certificate, count_revoked};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::context::Context;
use crate::database;
use crate::endings;
use crate::failure::{Exit, Failure, with_causes};
use crate::material;
use crate::telemetry;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where partners connect: an IP address and a port. The same as --set house.listen=...
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the books are: sqlite:FILE or postgres://... The same as --set house.database=...
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The machine's clock is right, although the house was last alive long before, or after. For this start.
    ///
    /// A house that finds its clock more than clock.jump_max ahead of when it was last alive, or 5 minutes behind, answers
    /// reads only: it writes nothing, closes no window and runs no due work, until the clock is set or somebody who has
    /// looked at it says this.
    #[arg(long)]
    accept_time: bool,
}

/// Runs it.
pub async fn run(context: Context, arguments: Arguments) -> Result<(), Failure> {
    let context = context.with("--listen", "house.listen", arguments.listen).with(
        "--database",
        "house.database",
        arguments.database,
    );
    let config = context.config()?;
    let settings = config.server()?;
    telemetry::start(&config.log()).map_err(|error| Failure::internal(&error))?;
    let options = ServerOptions {
        listen: settings.listen,
        tls: material::tls(&settings)?,
        domain: settings.domain.clone(),
        database_url: settings.database.clone(),
        clock: Clock::system_with(StartRules { jump_max: settings.jump_max, accept_time: arguments.accept_time }),
        identifier_key: material::identifier_key(&settings.identifier_key)?,
        enrolment: material::enrolment(&settings)?,
        sandbox: false,
        limits: ServerLimits {
            writes: settings.writes.clone(),
            reads: settings.reads.clone(),
            door: files::fit(settings.door, files::raise()),
        },
    };
    // Heard from here on: a stop during a slow start must not be lost.
    let mut stop = Stop::new()?;
    let mut hangup = listen_for(SignalKind::hangup())?;
    let running = server::start(options).await.map_err(|error| start_failure(&error))?;
    let begun_with = of_the_start(&config);
    running.watch_also(endings::of_operator(&config));
    let address = running.local_addr();
    info!(%address, domain = settings.domain, "listening");
    if let Some(address) = running.enrolment_addr() {
        info!(%address, "invites are used here");
    }
    let mut opened = false;
    let heard = loop {
        tokio::select! {
            heard = stop.heard() => break heard,
            _ = hangup.recv() => reload(&running, &context, &begun_with),
            why = running.lost_its_disk() => return Err(lost_its_disk(running, &why, settings.drain).await),
            error = running.refused() => {
                running.shutdown(settings.drain).await;
                return Err(start_failure(&error));
            }
            () = running.serving(), if !opened => {
                opened = true;
                context.output.line(&format!("ready https://{address}"));
            }
        }
    };
    info!(signal = heard, drain_seconds = settings.drain.as_secs(), "stopping: calls under way are answered first");
    ended(running.shutdown(settings.drain).await)
}

/// The signals that ask a server to stop.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub async fn heard(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// How a stop went.
pub fn ended(drained: Drained) -> Result<(), Failure> {
    match drained {
        Drained::Clean => {
            info!("stopped: everything that was begun was answered");
            Ok(())
        }
        Drained::CutOff => Err(Failure::new(Exit::Internal, "calls were still under way at the deadline and were cut off")
            .hint("nothing is half done: their callers ask again under the same request ids. A larger house.drain_seconds gives them more time")),
    }
}

/// Stops a house whose disk did not take what it wrote, and says so.
pub async fn lost_its_disk(running: RunningServer, why: &str, drain: Duration) -> Failure {
    error!(why, "stopping: the disk did not take what was written");
    // Whoever is still waiting is told so at once.
    running.shutdown(drain).await;
    Failure::new(Exit::Internal, format!("the disk did not take what was written: {why}")).hint(
        "what was acknowledged is safe. Look after the disk, then start the house again: callers whose outcome is unknown \
         ask again under the same request ids",
    )
}

/// Why a server did not start.
pub fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => cannot_listen(*address, source),
        StartError::Tls(error) => material::of_tls(TLS_KEYS, error),
        StartError::Issuer(error) => of_issuer(error),
        StartError::Threads(_) => Failure::new(Exit::Internal, with_causes(error))
            .hint("raise the limits of threads and open files of this user (`ulimit -u`, `ulimit -n`)"),
        StartError::Store(error) => error.into(),
        StartError::Occupied(error) => database::in_use(error),
        StartError::OtherBooks(error) => database::other_books(error),
        StartError::Gate(error) => database::no_gate(error),
    }
}

const TLS_KEYS: &str = "tls.ca, tls.cert, tls.key, tls.crl";

fn of_issuer(error: &IssuerError) -> Failure {
    Failure::usage(format!("authority.cert, authority.key: {error}"))
        .hint("name the authority that signs certificates of this coalition, or leave enrolment.listen out")
}

/// Why nobody can be heard at an address.
pub fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    let (told, hint) = if error.kind() == io::ErrorKind::AddrInUse {
        (
            format!("another program listens at {address}"),
            "end it, or choose another address with --listen (house.listen); `ss -ltnp` tells which it is",
        )
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        (
            format!("this machine has no address {}", address.ip()),
            "choose one of its own with --listen (house.listen); 0.0.0.0 is all of them",
        )
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        (
            format!("permission denied: this user may not listen at port {}", address.port()),
            "choose a port from 1024 on with --listen (house.listen)",
        )
    } else {
        (format!("cannot listen at {address}: {error}"), "choose another address with --listen (house.listen)")
    };
    Failure::usage(told).hint(hint)
}

/// What of the configuration is read at the start alone, by the names of the keys: all but certificates, who issues them, and what
/// the operator's commands need.
fn of_the_start(config: &Config) -> BTreeMap<&'static str, String> {
    let again = |name: &str| ["tls.", "client.", "authority."].iter().any(|section| name.starts_with(section));
    let effective = config.effective().into_iter().map(|(key, value, _)| (key.name, value));
    effective.filter(|(name, _)| !again(name)).collect()
}

/// Certificates, authorities and lists are renewed while the house is open: the configuration is read again, and the files that it
/// names now. If they cannot be used the old ones stay. What was read and what was not is said.
fn reload(running: &RunningServer, context: &Context, begun_with: &BTreeMap<&'static str, String>) {
    let read = || {
        let config = context.config()?;
        let settings = config.server()?;
        let material = material::tls(&settings)?;
        let issuing = material::enrolment(&settings)?;
        running.reload(&material, issuing.as_ref()).map_err(|error| match &error {
            ReloadError::Tls(error) => material::of_tls(TLS_KEYS, error),
            ReloadError::Issuer(error) => of_issuer(error),
        })?;
        let issuing = issuing.map(|issuing| issuing.authority_cert_pem);
        Ok::<_, Failure>((config, settings, material, issuing))
    };
    let (config, settings, material, issuing) = match read() {
        Ok(read) => read,
        Err(failure) => {
            let what_to_do = failure.hint.unwrap_or_default();
            error!(problem = failure.message, what_to_do, "nothing was read again; the old ones stay in use");
            return;
        }
    };
    running.watch_also(endings::of_operator(&config));
    let certificates = |pem: &str| Certificate::read("certificate", pem).unwrap_or_default();
    let serials = |pem: &str| certificates(pem).into_iter().map(|one| one.serial_hex).collect::<Vec<_>>().join(" ");
    let lists = match (&settings.crl, &material.crl_pem) {
        (Some(path), Some(pem)) => format!("{}: {} revoked", path.display(), count_revoked(pem).unwrap_or_default()),
        _ => "none is configured".to_owned(),
    };
    let issuing = match (&settings.enrolment, &issuing, running.enrolment_addr()) {
        (Some(enrolment), Some(pem), Some(_)) => format!("{}: {}", enrolment.authority_cert.display(), serials(pem)),
        // Whether a house issues is decided at its start.
        (_, _, Some(_)) => {
            "none is configured now: the one of before goes on until the house is started again".to_owned()
        }
        (_, _, None) => "the house issues no certificates".to_owned(),
    };
    let partners = match &settings.partner_authorities {
        Some(path) => format!("{}: {}", path.display(), listed(material.partner_ca_pems.keys())),
        None => "none are configured".to_owned(),
    };
    info!(
        authorities = format!("{}: {}", settings.ca.display(), serials(&material.ca_pem)),
        certificate = format!("{}: {}", settings.cert.display(), serials(&material.cert_pem)),
        key = %settings.key.display(),
        issuing_authority = issuing,
        revocation_lists = lists,
        partners_authorities = partners,
        "read again; new connections use them"
    );
    let now = of_the_start(&config);
    let changed = now.iter().filter(|(name, value)| begun_with.get(*name) != Some(*value)).map(|(name, _)| *name);
    let gone = begun_with.keys().filter(|name| !now.contains_key(*name)).copied();
    let changed: Vec<&str> = changed.chain(gone).collect();
    if !changed.is_empty() {
        warn!(keys = changed.join(" "), what_to_do = "start the house again", "not read again: these have changed");
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::internal(&error))
}
