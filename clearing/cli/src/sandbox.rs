//! `clearing sandbox`: a house for integrators, with a clock that stands still and certificates for everyone in it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clearing::clock::Clock;
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::config;
use clearing::identifier::IdentifierKey;
use clearing::server::{self, ServerLimits, ServerOptions};
use clearing::store::{Occupancy, Store};
use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, ServerAddress, write_private};
use clearing_core::facts::coalition::House;
use tracing::info;

use crate::certificate::{AUTHORITY_DAYS, CA_FILE, Identity, valid_for};
use crate::context::Context;
use crate::database;
use crate::failure::{Failure, with_causes};
use crate::files::Made;
use crate::init::{AUDITOR, server_identity};
use crate::serve::{Stop, ended, lost_its_disk, start_failure};
use crate::telemetry;
use crate::values;

/// The coalition that is played when none is named.
const COALITION: &str = include_str!("sandbox/coalition.toml");

/// In the certificates and the journal of every sandbox.
const DOMAIN: &str = "sandbox.coalition";

/// Where the house can be reached; there while it can.
const ENDPOINT_FILE: &str = "endpoint.txt";

/// The books of a sandbox that is given no database, seen from its folder.
const BOOKS_URL: &str = "sqlite:sandbox.db";

/// The first line of a sandbox's configuration file: a folder with it may be used again.
const MARK: &str = "# Written by `clearing sandbox`, for the operator's commands; overwritten when it starts again.\n";

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder for certificates and books. One of an earlier sandbox begins anew.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where clients connect: an IP address and a port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
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
pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    telemetry::start(&context.config()?.log()).map_err(|error| Failure::internal(&error))?;
    let (file, house) = coalition(&arguments)?;
    let folder = Folder::begin(&arguments.dir)?;
    let url = match &arguments.database {
        Some(url) => url.clone(),
        None => folder.fresh_books()?,
    };
    let start = file.coalition.start;
    let key = IdentifierKey::random();
    database::found(&url, &house, DOMAIN, &key, start).await?;

    let authority = Authority::generate(DOMAIN, valid_for(AUTHORITY_DAYS))?;
    folder.write_identities(&authority, &house)?;
    let mut stop = Stop::new()?;
    let running = server::start(ServerOptions {
        listen: arguments.listen,
        tls: server_material(&authority, arguments.listen)?,
        domain: DOMAIN.to_owned(),
        database_url: url,
        clock: Clock::manual(start),
        identifier_key: key,
        sandbox: true,
        limits: ServerLimits::default(),
    })
    .await
    .map_err(|error| start_failure(&error))?;

    let endpoint = format!("https://{}", reachable(running.local_addr()));
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
            context.output.line(&format!("ready {endpoint} dir={} partners={brands}", arguments.dir.display()));
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

/// The coalition of the file, or the one that is built in.
fn coalition(arguments: &Arguments) -> Result<(CoalitionFile, House), Failure> {
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
    let file = CoalitionFile::parse(&text).map_err(|error| wrong(&error))?;
    let house = file.to_house("sandbox", arguments.variant).map_err(|error| wrong(&error))?;
    if house.partners.keys().any(|id| id.as_str() == "ca") {
        let problem = format!("{place}: a partner cannot be called \"ca\" here: its files would be those of another");
        return Err(Failure::usage(problem).hint("give the partner another id"));
    }
    Ok((file, house))
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
        let partners = house.partners.keys().map(|id| (Kind::Partner, id.to_string()));
        for (kind, id) in partners.chain([(Kind::Auditor, AUDITOR.to_owned())]) {
            let file = if kind == Kind::Auditor { "auditor" } else { &id };
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
    })
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
