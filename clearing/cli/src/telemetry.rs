//! The log: to standard error, as text for people or as JSON for machines.
//!
//! Standard output belongs to what a command answers, so that it can be piped; nothing here writes to it. Spans carry what
//! belongs to every line of a request (its id, the caller), so a line needs no more than what happened.

use std::io::{self, IsTerminal as _};

use clearing::config::{LogFormat, LogSettings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::util::TryInitError;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is malformed.
    #[error("log.filter is malformed")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The process has a log already.
    #[error("the process logs already")]
    Twice(#[from] TryInitError),
}

/// A client that calls the house by its address shows that as a name, which TLS does not know. It is ignored, and no news at each
/// connection.
const QUIET: &str = "rustls::msgs::handshake";

/// Starts the log of this process.
///
/// # Errors
///
/// A filter that cannot be read, and a second start.
pub fn start(settings: &LogSettings) -> Result<(), TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let mut filter: Targets = settings.filter.parse()?;
    if !settings.filter.contains("rustls") {
        filter = filter.with_target(QUIET, LevelFilter::ERROR);
    }
    let parts = tracing_subscriber::registry().with(filter);
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match settings.format {
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(true).with_span_list(false);
            parts.with(log).try_init()?;
        }
        LogFormat::Text => parts.with(log.with_ansi(io::stderr().is_terminal())).try_init()?,
    }
    Ok(())
}
