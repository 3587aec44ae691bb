//! The coalition of the demo: made as `clearing init` makes one, served in this process, its brands admitted by the
//! operator.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Parser;
use clearing::clock::Clock;
use clearing::config::{Config, Environment, FILE_DEFAULT};
use clearing::server::{self, Drained, RunningServer, ServerLimits, ServerOptions};
use clearing_certs::Kind;
use clearing_core::units::Timestamp;
use partner_sdk::operator::CreatePartner;
use partner_sdk::{Client, Decimal};

use super::brands::{BRANDS, CURRENCY, DOMAIN, FEE, POINT_VALUE, SCALE};
use crate::certificate::{CA_FILE, Identity};
use crate::failure::{Exit, Failure, accepted};
use crate::serve::start_failure;
use crate::waiting::Waiting;
use crate::{files, init, material};

/// A house on this machine opens in far less.
const OPENING_MAX: Duration = Duration::from_secs(30);

/// When the demo ends nobody is waiting for an answer any more.
const DRAIN: Duration = Duration::from_secs(5);

/// The name of the operator's and of the auditor's identity.
const OPERATOR: &str = "operator";

/// The house, open, and everybody's connection to it.
pub struct DemoHouse {
    /// Stands still until it is moved.
    pub clock: Clock,
    /// When the day begins: yesterday, so that a house with the machine's clock can go on with the coalition.
    pub midnight: Timestamp,
    /// As in [`BRANDS`], each with its own certificate.
    pub brands: [Client; BRANDS.len()],
    pub operator: Client,
    /// Where the books are.
    pub database: String,
    server: RunningServer,
}

impl DemoHouse {
    /// Makes the coalition in `folder`, opens the house and admits the brands.
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let midnight = yesterday();
        let made = init::make(&init_arguments(folder)?, midnight, &Waiting::default()).await?;
        let mut brands = files::Made::new();
        for brand in &BRANDS {
            Identity::of_client(&made.authority, Kind::Partner, brand.id)?.write(folder, brand.id, &mut brands)?;
        }
        brands.keep();
        let clock = Clock::manual(midnight);
        // Only the file that was made just now counts: the environment may be that of another house.
        let config = Config::load(Some(&folder.join(FILE_DEFAULT)), &Environment::default(), &[])?;
        let settings = config.server()?;
        let options = ServerOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: material::tls(&settings)?,
            domain: settings.domain.clone(),
            database_url: settings.database.clone(),
            clock: clock.clone(),
            identifier_key: material::identifier_key(&settings.identifier_key)?,
            enrolment: None,
            // Its clock stands still, and is moved by the operator.
            sandbox: true,
            limits: ServerLimits::default(),
        };
        let server = server::start(options).await.map_err(|error| start_failure(&error))?;
        if tokio::time::timeout(OPENING_MAX, server.opened()).await.is_err() {
            return Err(Failure::new(Exit::Internal, "the house did not open"));
        }
        let ends = Ends { folder: folder.to_owned(), address: server.local_addr(), clock: clock.clone() };
        let operator = ends.connect(OPERATOR).await?;
        admit(&operator).await?;
        let [bank, cinema, fuel, grocer] = &BRANDS;
        let brands = [
            ends.connect(bank.id).await?,
            ends.connect(cinema.id).await?,
            ends.connect(fuel.id).await?,
            ends.connect(grocer.id).await?,
        ];
        Ok(Self { clock, midnight, brands, operator, database: settings.database, server })
    }

    /// Closes the house.
    pub async fn close(self) -> Result<(), Failure> {
        match self.server.shutdown(DRAIN).await {
            Drained::Clean => Ok(()),
            Drained::CutOff => Err(Failure::new(Exit::Internal, "the house did not close in good order")),
        }
    }
}

/// `clearing init`, as somebody would type it.
#[derive(Debug, Parser)]
struct Init {
    #[command(flatten)]
    arguments: init::Arguments,
}

fn init_arguments(folder: &Path) -> Result<init::Arguments, Failure> {
    let mut line: Vec<OsString> = ["init", "--no-limits", "--dir"].map(OsString::from).into();
    line.push(folder.into());
    let money = |units| Decimal::new(units, SCALE).normalize().to_string();
    for (flag, value) in [
        ("--domain", DOMAIN.to_owned()),
        ("--currency", CURRENCY.to_owned()),
        ("--scale", SCALE.to_string()),
        ("--point-value", money(POINT_VALUE)),
        ("--fee", money(FEE)),
    ] {
        line.extend([OsString::from(flag), OsString::from(value)]);
    }
    Init::try_parse_from(line).map(|init| init.arguments).map_err(|error| Failure::internal(&error))
}

/// The first moment of yesterday, in UTC.
fn yesterday() -> Timestamp {
    const DAY_SECONDS: i64 = 86_400;
    let seconds = Clock::system().now().to_jiff().as_second();
    Timestamp::from_seconds((seconds.div_euclid(DAY_SECONDS) - 1) * DAY_SECONDS)
}

/// The operator admits the brands.
async fn admit(operator: &Client) -> Result<(), Failure> {
    for brand in &BRANDS {
        let create = CreatePartner::new(brand.id).display_name(brand.name).terms(brand.terms());
        accepted(operator.operator().create_partner(create).await)?;
    }
    Ok(())
}

/// What everybody needs to connect.
struct Ends {
    folder: PathBuf,
    address: SocketAddr,
    clock: Clock,
}

impl Ends {
    async fn connect(&self, name: &str) -> Result<Client, Failure> {
        let clock = self.clock.clone();
        let client = Client::builder(format!("https://{}", self.address))
            .ca_file(self.folder.join(CA_FILE))
            .identity_files(self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")))
            .clock(move || SystemTime::from(clock.now().to_jiff()));
        Ok(client.connect().await?)
    }
}
