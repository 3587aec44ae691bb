//! `clearing sandbox`: a house for integrators, with certificates for everyone in it, in real time or on a clock that stands
//! still until it is moved.

mod advance;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use clearing::clock::Clock;
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::config;
use clearing::enrolment::EnrolmentOptions;
use clearing::identifier::IdentifierKey;
use clearing::server::{self, ServerLimits, ServerOptions};
use clearing::store::{Occupancy, Store};
use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, ServerAddress, write_private};
use clearing_core::facts::coalition::House;
use clearing_core::units::{PartnerId, Timestamp};
use tracing::info;

use crate::certificate::{AUTHORITY_DAYS, CA_FILE, Identity, valid_for};
use crate::context::Context;
use crate::database;
use crate::failure::{Failure, with_causes};
use crate::files::Made;
use crate::init::{AUDITOR, server_identity};
use crate::serve::{Stop, ended, lost_its_disk, start_failure};
use crate::telemetry;
use crate::times::{self, When, Zone};
use crate::values;

use self::advance::{Target, advance, target};

/// How long certificates are valid of those who enrol, in days.
const ENROLLED_DAYS: i64 = 90;

/// The coalition that is played when none is named.
const COALITION: &str = include_str!("sandbox/coalition.toml");

/// In the certificates and the journal of every sandbox.
const DOMAIN: &str = "sandbox.coalition";

/// Where the house can be reached; there while it can.
const ENDPOINT_FILE: &str = "endpoint.txt";

/// The folder of a sandbox that is not told another.
const FOLDER_DEFAULT: &str = "sandbox";

/// The books of a sandbox that is given no database, seen from its folder.
const BOOKS_URL: &str = "sqlite:sandbox.db";

/// The first line of a sandbox's configuration file: a folder with it may be used again.
const MARK: &str = "# Written by `clearing sandbox`, for the operator's commands; overwritten when it starts again.\n";

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
}

/// What is done to a sandbox that runs.
#[derive(Debug, Subcommand)]
enum Command {
    /// Moves the clock of a sandbox that was started with --start, and runs what was due on the way.
    #[command(
        after_help = "Examples:\n  clearing sandbox advance 30d\n  clearing sandbox advance 1h30m --dir /tmp/sandbox\n  \
                            clearing sandbox advance 2026-12-01"
    )]
    Advance {
        /// How far (30d, 12h, 1h30m, 2w), or to when: a time, or a day, which begins at midnight in the coalition's zone.
        #[arg(value_name = "TIME", value_parser = target)]
        to: Target,
        /// The folder of the sandbox; --config names its file instead.
        #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
        dir: PathBuf,
    },
}

/// How a sandbox is started.
#[derive(Debug, Args)]
struct Start {
    /// The folder for certificates and books. One of an earlier sandbox begins anew.
    #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
    dir: PathBuf,
    /// Where clients connect: an IP address and a port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// Its clock begins here (a day: with its first moment) and stands still: `clearing sandbox advance` moves it. Left out: the
    /// file's `start`; where the file has none either, the sandbox runs in real time.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    start: Option<When>,
    /// Where the books are kept: an empty database. Left out: an SQLite file in the folder.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The [coalition] and [[partner]] tables of a scenario file. Left out: a grocer, a fuel chain, a card issuer and a cinema.
    #[arg(long, value_name = "FILE")]
    coalition: Option<PathBuf>,
    /// The funding of every partner that names none: AT_REDEMPTION, AT_ISSUE or ON_PAYMENT.
    #[arg(long, value_name = "FUNDING", default_value = "AT_REDEMPTION", value_parser = values::funding_variant)]
    variant: Variant,
}

/// Runs it.
pub async fn run(context: Context, arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Advance { to, dir }) => advance(context.or_file(&dir.join(config::FILE_DEFAULT)), to).await,
        None => serve(&context, arguments.start).await,
    }
}

async fn serve(context: &Context, arguments: Start) -> Result<(), Failure> {
    telemetry::start(&context.config()?.log()).map_err(|error| Failure::internal(&error))?;
    let (start, house) = coalition(&arguments)?;
    let folder = Folder::begin(&arguments.dir)?;
    let url = match &arguments.database {
        Some(url) => url.clone(),
        None => folder.fresh_books()?,
    };
    let clock = start.map_or_else(Clock::system, Clock::manual);
    let key = IdentifierKey::random();
    database::found(&url, &house, DOMAIN, &key, clock.now(), &context.waiting).await?;

    let authority = Authority::generate(DOMAIN, valid_for(AUTHORITY_DAYS))?;
    folder.write_identities(&authority, &house)?;
    let mut stop = Stop::new()?;
    let running = server::start(ServerOptions {
        listen: arguments.listen,
        tls: server_material(&authority, arguments.listen)?,
        domain: DOMAIN.to_owned(),
        database_url: url,
        clock: clock.clone(),
        identifier_key: key,
        enrolment: Some(EnrolmentOptions {
            listen: SocketAddr::new(arguments.listen.ip(), 0),
            endpoint: None,
            house_endpoint: None,
            authority_cert_pem: authority.cert_pem().to_owned(),
            authority_key_pem: authority.private_key().expose_pem().to_owned().into(),
            certificate_days: ENROLLED_DAYS,
        }),
        sandbox: true,
        limits: ServerLimits::default(),
    })
    .await
    .map_err(|error| start_failure(&error))?;

    let endpoint = endpoint(running.local_addr());
    tokio::select! {
        heard = stop.heard() => info!(signal = heard, "stopping before the house was open"),
        error = running.refused() => {
            running.shutdown(DRAIN).await;
            return Err(start_failure(&error));
        }
        () = running.opened() => {
            folder.write_config(&endpoint, arguments.database.as_deref())?;
            folder.write(ENDPOINT_FILE, &endpoint)?;
            let brands = house.partners.keys().filter(|id| !id.is_operator()).map(ToString::to_string);
            let brands = brands.collect::<Vec<_>>().join(",");
            let dir = arguments.dir.display();
            context.output.line(&format!("ready {endpoint} dir={dir} partners={brands}"));
            context.output.note(&what_next(&arguments.dir, &house, &clock));
            tokio::select! {
                heard = stop.heard() => info!(signal = heard, "stopping"),
                why = running.lost_its_disk() => {
                    folder.remove(ENDPOINT_FILE)?;
                    return Err(lost_its_disk(running, &why, DRAIN).await);
                }
            }
        }
    }
    folder.remove(ENDPOINT_FILE)?;
    ended(running.shutdown(DRAIN).await)
}

/// A sandbox has no customers to wait for.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// The coalition of the file, or the one that is built in, and when its clock stands still, if it does.
fn coalition(arguments: &Start) -> Result<(Option<Timestamp>, House), Failure> {
    let (text, place) = match &arguments.coalition {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| Failure::file("cannot read", path, &error))?;
            (text, path.display().to_string())
        }
        None => (COALITION.to_owned(), "the built-in coalition".to_owned()),
    };
    let wrong = |error: &dyn std::error::Error| {
        Failure::usage(format!("{place}: {}", with_causes(error)))
            .hint("the form is that of the [coalition] and [[partner]] tables of clearing/scenarios/README.md")
    };
    let mut file = CoalitionFile::parse(&text).map_err(|error| wrong(&error))?;
    // A zone that there is not is refused below.
    let zone = Zone::named(file.coalition.time_zone.as_deref().unwrap_or("UTC"));
    let start = arguments.start.map(|start| start.begin(&zone)).transpose()?;
    let start = match start.map(jiff::Timestamp::try_from) {
        Some(start) => Some(Timestamp::from_jiff(start.map_err(|error| Failure::internal(&error))?)),
        None => file.coalition.start,
    };
    file.coalition.start = Some(start.unwrap_or_else(|| Clock::system().now()));
    let house = file.to_house("sandbox", arguments.variant).map_err(|error| wrong(&error))?;
    if house.partners.keys().any(|id| id.as_str() == "ca") {
        let problem = format!("{place}: a partner cannot be called \"ca\" here: its files would be those of another");
        return Err(Failure::usage(problem).hint("give the partner another id"));
    }
    Ok((start, house))
}

/// Where a sandbox puts its files.
struct Folder<'a> {
    dir: &'a Path,
}

impl<'a> Folder<'a> {
    /// Takes an empty folder, or one of an earlier sandbox.
    fn begin(dir: &'a Path) -> Result<Self, Failure> {
        let mut made = Made::new();
        made.folder(dir)?;
        made.keep();
        let folder = Self { dir };
        let ours = fs::read_to_string(dir.join(config::FILE_DEFAULT)).is_ok_and(|text| text.starts_with(MARK));
        let mut files = fs::read_dir(dir).map_err(|error| Failure::file("cannot read the folder", dir, &error))?;
        if !ours && files.next().is_some() {
            return Err(Failure::usage(format!("{} is not empty and was not made by a sandbox", dir.display()))
                .hint("name an empty or a new folder with --dir"));
        }
        // One that is running keeps its files.
        let free = Occupancy::of(&dir.join("sandbox.db"), "clearing sandbox", Clock::system().now());
        free?;
        folder.remove(ENDPOINT_FILE)?;
        folder.write(config::FILE_DEFAULT, MARK)?;
        Ok(folder)
    }

    /// The URL of an SQLite file that is not there yet.
    fn fresh_books(&self) -> Result<String, Failure> {
        for name in ["sandbox.db", "sandbox.db-wal", "sandbox.db-shm"] {
            self.remove(name)?;
        }
        Ok(format!("sqlite:{}", self.dir.join("sandbox.db").display()))
    }

    /// A certificate for every partner, the operator among them, and for an auditor.
    fn write_identities(&self, authority: &Authority, house: &House) -> Result<(), Failure> {
        self.write(CA_FILE, authority.cert_pem())?;
        let brands = house.partners.keys().filter(|id| !id.is_operator()).map(|id| (Kind::Partner, id.to_string()));
        // Who acts as operator is its first person.
        let people = house.people.persons.keys().take(1).map(|id| (Kind::Operator, id.to_string()));
        for (kind, id) in brands.chain(people).chain([(Kind::Auditor, AUDITOR.to_owned())]) {
            let file = match kind {
                Kind::Partner => &id,
                Kind::Operator => "operator",
                Kind::Auditor => "auditor",
            };
            for name in [format!("{file}.pem"), format!("{file}.key")] {
                self.remove(&name)?;
            }
            let mut made = Made::new();
            Identity::of_client(authority, kind, &id)?.write(self.dir, file, &mut made)?;
            made.keep();
        }
        Ok(())
    }

    /// So that `clearing --config DIR/clearing.toml window close` and the like work.
    fn write_config(&self, endpoint: &str, database: Option<&str>) -> Result<(), Failure> {
        let of = |name: &'static str, value: &str| (name, value.to_owned());
        let mut values = vec![
            of("client.endpoint", endpoint),
            of("client.ca", CA_FILE),
            of("client.cert", "operator.pem"),
            of("client.key", "operator.key"),
        ];
        // Without a database of its own, the file in this folder; a path given here is relative to where we stand.
        let url = database.unwrap_or(BOOKS_URL);
        let file = database.and_then(Store::file_of).and_then(|file| std::path::absolute(file).ok());
        values.push(of("house.database", &file.map_or(url.to_owned(), |file| format!("sqlite:{}", file.display()))));
        let text = config::template(&values);
        self.write(config::FILE_DEFAULT, &format!("{MARK}#\n{text}"))
    }

    /// Writes a file whole: whoever waits for it never reads half of it. The password of a database may be in it.
    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        write_private(&path, text).map_err(|error| Failure::file("cannot write", &path, &error))
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::file("cannot remove", &path, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn server_material(authority: &Authority, listen: SocketAddr) -> Result<TlsMaterial, Failure> {
    let mut addresses = ServerAddress::loopback();
    let own = ServerAddress::Ip(listen.ip());
    if !listen.ip().is_unspecified() && !addresses.contains(&own) {
        addresses.push(own);
    }
    let identity = server_identity(authority, &addresses)?;
    let key = identity.key.expect("the key of a server's certificate is made with it");
    Ok(TlsMaterial {
        ca_pem: authority.cert_pem().to_owned(),
        cert_pem: identity.cert_pem,
        key_pem: key.expose_pem().to_owned().into(),
        crl_pem: None,
        partner_ca_pems: BTreeMap::new(),
    })
}

/// Three lines for whoever has just started it.
fn what_next(dir: &Path, house: &House, clock: &Clock) -> String {
    let brand = house.partners.keys().find(|id| !id.is_operator()).map_or("operator", PartnerId::as_str);
    let config = dir.join(config::FILE_DEFAULT);
    let time = if clock.is_manual() {
        let now = Zone::of(&house.coalition.time_zone).said(clock.now().to_jiff().into());
        format!("time    stands at {now}; clearing sandbox advance 30d --dir {} moves it", dir.display())
    } else {
        "time    is real; --start 2026-01-01 gives a clock that stands still and can be moved".to_owned()
    };
    format!(
        "brands  connect with {brand}.pem, {brand}.key and ca.pem of {}: docs/integrating.md\n\
         you     are the operator: clearing partner list --config {}\n{time}",
        dir.display(),
        config.display()
    )
}

/// How a client on this machine calls a listener: by name where it listens on the usual address, as certificates are
/// checked by names, and many a client cannot do it by addresses.
fn endpoint(address: SocketAddr) -> String {
    let address = reachable(address);
    if address.ip() == std::net::Ipv4Addr::LOCALHOST {
        return format!("https://localhost:{}", address.port());
    }
    format!("https://{address}")
}

/// The address at which a client on this machine finds a listener.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}
