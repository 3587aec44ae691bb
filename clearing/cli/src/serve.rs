//! `clearing serve`: the house, until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use clearing::clock::{Clock, StartRules};
use clearing::config::ServerSettings;
use clearing::door::files;
use clearing::server::{self, Drained, RunningServer, ServerLimits, ServerOptions, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::context::Context;
use crate::database;
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
    let mut reload = listen_for(SignalKind::hangup())?;
    let running = server::start(options).await.map_err(|error| start_failure(&error))?;
    let address = running.local_addr();
    info!(%address, domain = settings.domain, "listening");
    if let Some(address) = running.enrolment_addr() {
        info!(%address, "invites are used here");
    }
    let mut opened = false;
    let heard = loop {
        tokio::select! {
            heard = stop.heard() => break heard,
            _ = reload.recv() => reload_certificates(&running, &settings),
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
        StartError::Tls(error) => material::of_tls("tls.ca, tls.cert, tls.key, tls.crl", error),
        StartError::Issuer(error) => Failure::usage(format!("authority.cert, authority.key: {error}"))
            .hint("name the authority that signs certificates of this coalition, or leave enrolment.listen out"),
        StartError::Threads(_) => Failure::new(Exit::Internal, with_causes(error))
            .hint("raise the limits of threads and open files of this user (`ulimit -u`, `ulimit -n`)"),
        StartError::Store(error) => error.into(),
        StartError::Occupied(error) => database::in_use(error),
        StartError::OtherBooks(error) => database::other_books(error),
        StartError::Gate(error) => database::no_gate(error),
    }
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

/// Certificates and revocation lists are renewed while the house is open. If the new ones cannot be used the old stay.
fn reload_certificates(running: &RunningServer, settings: &ServerSettings) {
    let reloaded = material::tls(settings)
        .and_then(|material| running.reload(&material).map_err(|error| Failure::internal(&error)));
    match reloaded {
        Ok(()) => {
            info!("certificates and revocation list read again; new connections use them");
        }
        Err(failure) => error!(problem = failure.message, "certificates not read again; the old ones stay in use"),
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::internal(&error))
}
