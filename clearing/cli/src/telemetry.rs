//! The log: to standard error, as text for people or as JSON for machines.
//!
//! Standard output belongs to what a command answers, so that it can be piped; nothing here writes to it. Spans carry what
//! belongs to every line of a request (its id, the caller), so a line needs no more than what happened.

use std::io::{self, IsTerminal as _};

use clearing::config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;
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
const QUIET: &str = "rustls::msgs::handshake=error";

/// Starts the log of this process.
///
/// # Errors
///
/// A filter that cannot be read, and a second start.
pub fn start(settings: &LogSettings) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let mut filter = EnvFilter::builder().parse(&settings.filter)?;
    if !settings.filter.contains("rustls") {
        filter = filter.add_directive(QUIET.parse()?);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.format {
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()?
        }
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
    }
    Ok(())
}
