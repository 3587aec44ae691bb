//! A house for tests: the real server on a port of its own, throw-away identities, either database.

use std::time::{Duration, SystemTime};

use clearing::clock::Clock;
use clearing::coalition_file::Variant;
use clearing::server::{Drained, RunningServer, ServerLimits, ServerOptions, start};
use clearing::store::Backend;
use clearing_certs::Kind;
use clearing_core::facts::coalition::House;
use clearing_core::units::Timestamp;
use partner_sdk::Client;

use crate::database::{DOMAIN, Database, identifier_key};
use crate::identities::Identities;
use crate::scenario::Scenario;
use crate::wire::Wire;

/// How long anything may take before it is called a hang. Far more than it needs: a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a house may take to stop. Far more than it needs: a slow machine is no failure.
const DRAIN: Duration = Duration::from_secs(20);

/// A coalition in a database, with a server in front of it.
pub struct TestHouse {
    pub database: Database,
    pub identities: Identities,
    pub server: RunningServer,
}

impl TestHouse {
    /// The house of S01, changed or not, and its first moment, the 1st of February 2026 in UTC: A, B and C pay at
    /// redemption, a point is a rouble, acceptors bear a fee of 2 %. Its clock stands still until it is moved.
    pub async fn of_s01(backend: Backend, change: impl FnOnce(&mut House)) -> (Self, SystemTime) {
        let (mut house, begin) = coalition("S01", Variant::AtRedemption);
        change(&mut house);
        (Self::open(backend, &house, begin).await, system_time(begin))
    }

    /// The house of S11a, and its first moment, the 1st of January 2026 in UTC: as that of S01, but with a partner D, and
    /// with any funding. Its clock stands still until it is moved.
    pub async fn of_s11a(backend: Backend, funding: Variant) -> (Self, Timestamp) {
        let (house, begin) = coalition("S11a", funding);
        (Self::open(backend, &house, begin).await, begin)
    }

    /// A house whose first window begins at `begin`. Its clock stands still until it is moved.
    pub async fn open(backend: Backend, house: &House, begin: Timestamp) -> Self {
        Self::found(Database::new(backend).await, house, Clock::manual(begin), ServerLimits::default()).await
    }

    /// The house of S01 with other limits than by default, on the machine's clock.
    pub async fn with_limits(backend: Backend, limits: ServerLimits) -> Self {
        let (house, _) = coalition("S01", Variant::AtRedemption);
        Self::found(Database::new(backend).await, &house, Clock::system(), limits).await
    }

    /// Founds a coalition in an empty database, and opens its house. The first window begins now, by its clock.
    pub async fn found(database: Database, house: &House, clock: Clock, limits: ServerLimits) -> Self {
        database.found(house, clock.now()).await;
        let identities = Identities::new();
        let server = start(ServerOptions { limits, ..options(&database.url, &identities, clock) }).await.unwrap();
        server.opened().await;
        Self { database, identities, server }
    }

    pub fn endpoint(&self) -> String {
        endpoint(&self.server)
    }

    /// A partner's client, which asks again as the SDK does by default.
    pub async fn client(&self, partner: &str) -> Client {
        self.identities.client(&self.endpoint(), Kind::Partner, partner).await
    }

    /// The client of a person of the operator.
    pub async fn person(&self, name: &str) -> Client {
        self.identities.client(&self.endpoint(), Kind::Operator, name).await
    }

    /// A partner's client that asks once.
    pub async fn client_that_asks_once(&self, partner: &str) -> Client {
        self.identities.client_that_asks_once(&self.endpoint(), partner).await
    }

    /// A caller that speaks the protocol and is none of the SDK.
    pub fn wire(&self, kind: Kind, id: &str) -> Wire {
        Wire::to(self.server.local_addr(), &self.identities, kind, id)
    }

    /// Closes the house and audits its books.
    pub async fn end(self) {
        let Self { database, server, .. } = self;
        assert_eq!(server.shutdown(DRAIN).await, Drained::Clean);
        database.audit().await;
        database.remove().await;
    }
}

/// The coalition of an acceptance scenario, before anything has happened in it, and its first moment.
pub fn coalition(scenario: &str, funding: Variant) -> (House, Timestamp) {
    let scenario = Scenario::read(scenario);
    (scenario.house.to_house(&scenario.id, funding).unwrap(), scenario.house.start().unwrap())
}

/// A server on a database that holds a coalition, once it is open.
pub async fn serve(database_url: &str, identities: &Identities, clock: Clock) -> RunningServer {
    let server = start(options(database_url, identities, clock)).await.unwrap();
    server.opened().await;
    server
}

/// With what every test house is started. With a clock that a test moves it is a sandbox.
pub fn options(database_url: &str, identities: &Identities, clock: Clock) -> ServerOptions {
    ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: identities.server(),
        domain: DOMAIN.to_owned(),
        database_url: database_url.to_owned(),
        sandbox: clock.is_manual(),
        clock,
        identifier_key: identifier_key(),
        enrolment: Some(identities.enrolment()),
        limits: ServerLimits::default(),
    }
}

/// Where clients find a server.
pub fn endpoint(server: &RunningServer) -> String {
    format!("https://{}", server.local_addr())
}

/// A time of the rules as the SDK tells it.
pub fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(time.0).unwrap())
}

/// How many entries found a coalition of so many partners, the operator aside: its own, that of each and of the operator, and
/// that of the calendar.
pub const fn founding_entries(partners: i64) -> i64 {
    partners + 3
}
