//! A connection of the operator's commands to the house, made from the `[client]` keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use clap::Args;
use clearing::clock::Clock;
use clearing::config::ClientSettings;
use clearing_core::units::Timestamp;
use partner_sdk::operator::Operator;
use partner_sdk::{Client, ClientBuilder, Decimal, Money, Pin, RequestId, ServerInfo};

use crate::context::Context;
use crate::failure::Failure;
use crate::material::{own, public, secret};
use crate::times::Zone;
use crate::waiting::Awaited;

/// How long the first answer may take at the most: a house that waits for its database has nothing to say for long.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

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
    builder: ClientBuilder,
    _awaited: Awaited,
}

impl Session {
    /// Connects.
    ///
    /// Request ids carry the house's time, asked for once: so the commands work against a sandbox, whose clock is its own,
    /// and from a desk whose clock is wrong.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        let settings = context.config()?.client()?;
        Self::with(context, &settings).await
    }

    /// The same with these settings.
    pub async fn with(context: &Context, settings: &ClientSettings) -> Result<Self, Failure> {
        let key = secret("client.key", &settings.key)?;
        let cert = public("client.cert", &settings.cert)?;
        let ca = public("client.ca", &settings.ca)?;
        // In a handshake the house would say no more than that it does not want it.
        own("client certificate", ("client.cert", &settings.cert), (&cert, &key))?;
        let machine = Clock::system();
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let (machine, ahead) = (machine.clone(), Arc::clone(&ahead));
            move || SystemTime::from(Timestamp(machine.now().0.saturating_add(ahead.load(Ordering::Relaxed))).to_jiff())
        };
        let awaited = context.waiting.wait_for(format!(
            "the house at {}, {} seconds at the most for each answer (client.endpoint, client.deadline_seconds)",
            settings.endpoint,
            settings.deadline.as_secs()
        ));
        let builder = Client::builder(&settings.endpoint)
            .ca_pem(ca)
            .identity_pem(cert, key.as_bytes())
            .deadline(settings.deadline)
            .clock(clock);
        let client = builder.clone().connect().await?;
        let info = client.with_deadline(settings.deadline.min(FIRST_ANSWER)).server_info().await?;
        let house = jiff::Timestamp::try_from(info.server_time).map_err(|error| Failure::internal(&error))?;
        ahead.store(house.as_microsecond().saturating_sub(machine.now().0), Ordering::Relaxed);
        let zone = Zone::named(&info.time_zone);
        Ok(Self { client, info, zone, builder, _awaited: awaited })
    }

    /// The operator's calls.
    pub fn operator(&self) -> Operator {
        self.client.operator()
    }

    /// By what newcomers recognise the house: the pin of its authority.
    pub async fn pin(&self) -> Result<Pin, Failure> {
        Ok(self.builder.pin().await?)
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

/// A moment as programs read it: RFC 3339, in UTC. People read [`Zone`]'s.
pub fn moment(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "beyond the calendar".to_owned(), |moment| moment.to_string())
}

/// The same, or nothing.
pub fn moment_or_none(time: Option<SystemTime>) -> Option<String> {
    time.map(moment)
}
