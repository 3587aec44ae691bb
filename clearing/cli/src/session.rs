//! A connection of the operator's commands to the house, made from the `[client]` keys.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use clap::Args;
use clearing::clock::Clock;
use clearing_core::units::Timestamp;
use partner_sdk::operator::Operator;
use partner_sdk::{Client, Decimal, Money, Pages, RequestId, ServerInfo};

use crate::context::Context;
use crate::failure::Failure;
use crate::material::secret;
use crate::times::Zone;

const CHECK: &str = "check client.cert and client.key with `clearing config check --client`";

/// What every command with an effect can be given.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Repeating")]
pub struct Effect {
    /// The id under which this command has its effect once, a UUID of version 7.
    ///
    /// When no answer came, the message names the id that was used: repeat the command with it.
    #[arg(long, value_name = "UUID")]
    pub request_id: Option<RequestId>,
}

/// A connection to the house, and what the house says about itself.
pub struct Session {
    /// The client.
    pub client: Client,
    /// Currency, scale and so on.
    pub info: ServerInfo,
    /// In which its people read times.
    pub zone: Zone,
}

impl Session {
    /// Connects.
    ///
    /// Request ids carry the house's time, asked for once: so the commands work against a sandbox, whose clock is its own,
    /// and from a desk whose clock is wrong.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        let settings = context.config()?.client()?;
        let key = secret("client.key", &settings.key)?;
        let cert = fs::read(&settings.cert)
            .map_err(|error| Failure::file("client.cert: cannot read", &settings.cert, &error).hint(CHECK))?;
        let machine = Clock::system();
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let (machine, ahead) = (machine.clone(), Arc::clone(&ahead));
            move || SystemTime::from(Timestamp(machine.now().0.saturating_add(ahead.load(Ordering::Relaxed))).to_jiff())
        };
        let client = Client::builder(&settings.endpoint)
            .ca_file(&settings.ca)
            .identity_pem(cert, key.as_bytes())
            .deadline(settings.deadline)
            .clock(clock)
            .connect()
            .await?;
        let info = client.server_info().await?;
        let house = jiff::Timestamp::try_from(info.server_time).map_err(|error| Failure::internal(&error))?;
        ahead.store(house.as_microsecond().saturating_sub(machine.now().0), Ordering::Relaxed);
        let zone = Zone::named(&info.time_zone);
        Ok(Self { client, info, zone })
    }

    /// The operator's calls.
    pub fn operator(&self) -> Operator {
        self.client.operator()
    }

    /// The id of a request: the one that was given, or a fresh one.
    pub fn request_id(&self, effect: Effect) -> RequestId {
        effect.request_id.unwrap_or_else(|| self.client.new_request_id())
    }

    /// An amount in the coalition's currency.
    pub fn money(&self, amount: Decimal) -> Money {
        Money::new(&self.info.currency_code, amount)
    }
}

/// The first items of a list, so many at most. Pages beyond them are not asked for.
pub async fn first<T>(pages: Pages<T>, most: usize) -> Result<Vec<T>, Failure> {
    Ok(pages.first(most).await?)
}

/// A moment as programs read it: RFC 3339, in UTC. People read [`Zone`]'s.
pub fn moment(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "beyond the calendar".to_owned(), |moment| moment.to_string())
}

/// The same, or nothing.
pub fn moment_or_none(time: Option<SystemTime>) -> Option<String> {
    time.map(moment)
}
