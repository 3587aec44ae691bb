//! What the house says about itself.

use std::time::{Duration, SystemTime};

use rust_decimal::Decimal;

/// Versions, units and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Version of the server.
    pub server_version: String,
    /// Version of the interface: "v1".
    pub api_version: String,
    /// Id of the coalition.
    pub coalition_id: String,
    /// ISO 4217 code of its currency.
    pub currency: String,
    /// How many decimals its amounts have.
    pub scale: u32,
    /// What a point is worth by default.
    pub point_value: Decimal,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// Whether acceptors learn the issuers of what they take.
    pub disclose_issuers: bool,
    /// The house's time.
    pub server_time: SystemTime,
    /// Who the caller is, as the house reads its certificate.
    pub caller_id: String,
    /// The limits.
    pub limits: Limits,
    /// What will go away.
    pub deprecations: Vec<Deprecation>,
}

/// Limits of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest unary request, bytes.
    pub message_bytes_max: i64,
    /// Largest batch, bytes.
    pub batch_bytes_max: i64,
    /// Most items of a batch.
    pub batch_items_max: i32,
    /// Most points of one entry.
    pub points_per_entry_max: i64,
    /// Most lots that one entry takes.
    pub lots_per_entry_max: i32,
    /// Largest page of a list.
    pub page_size_max: i32,
    /// How long request ids are kept; `None`: for ever.
    pub request_retention: Option<Duration>,
    /// How far a till's own time may be ahead of the house's clock.
    pub clock_skew_max: Duration,
}

/// Something that will go away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deprecation {
    /// What: the full name of an RPC, message or field.
    pub subject: String,
    /// What to use instead.
    pub replacement: String,
    /// Until when it works at least.
    pub sunset_time: Option<SystemTime>,
}
