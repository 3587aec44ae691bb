//! One call: its tries, and what an error means.
//!
//! This is the only place that reads a gRPC status. What matters about one is threefold: did the rules say no, may the
//! next try succeed, and is it certain that this try had no effect.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

use crate::error::{Error, Source};
use crate::line::Departure;
use crate::outcome::Rejection;
use crate::reason::Reason;
use crate::retry::{Budget, RETRY_COST, Retries, TIMEOUT_COST};

/// `ErrorInfo.domain` of the house's own errors.
const DOMAIN: &str = "clearing.coalition";

/// With less than this left, a try takes all of it: half would be too short to be of use.
const TRY_UNDIVIDED_BELOW: Duration = Duration::from_secs(2);

/// Why a try failed.
#[derive(Debug, Clone)]
pub(crate) enum Why {
    /// The rules said no.
    Rejected(Rejection),
    /// Something broke, or the call was not allowed.
    Error(Error),
}

/// A try that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub why: Why,
    /// Whether another try may succeed.
    pub retry: bool,
    /// The house asked to wait at least so long.
    pub retry_after: Option<Duration>,
    /// What a retry after it costs.
    pub cost: u32,
    /// Whether the try may have had an effect, if its request left.
    pub may_have_effect: bool,
}

impl Failure {
    fn is(why: Why) -> Self {
        Self { why, retry: false, retry_after: None, cost: RETRY_COST, may_have_effect: false }
    }

    fn error(error: Error) -> Self {
        Self::is(Why::Error(error))
    }
}

/// A call that failed, after its last try.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub why: Why,
    /// Whether any of its tries may have had an effect.
    pub may_have_effect: bool,
}

impl Failed {
    /// Why a call without effect failed.
    pub(crate) fn into_error(self) -> Error {
        match self.why {
            Why::Rejected(rejection) if rejection.reason == Reason::NotFound => {
                Error::NotFound { message: rejection.message }
            }
            Why::Rejected(rejection) => Error::Refused(rejection),
            Why::Error(error) => error,
        }
    }
}

/// How the calls of one client are made.
#[derive(Debug)]
pub(crate) struct Policy {
    /// What the client calls the house in errors.
    pub endpoint: String,
    pub retries: Retries,
    pub budget: Budget,
}

impl Policy {
    /// Tries until there is an answer, or no further try is of use. `attempt` is told how long it may take, and notes
    /// when its request begins to leave.
    ///
    /// A try gets half of the time that is left, so that a lost answer leaves time to ask again.
    pub(crate) async fn run<T, F, Fut>(&self, deadline: Duration, mut attempt: F) -> Result<T, Failed>
    where
        F: FnMut(Duration, Departure) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let end = Instant::now() + deadline;
        let mut may_have_effect = false;
        let mut paid = None;
        let mut tries = 0;
        let mut earlier: Option<Why> = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let time =
                if left < TRY_UNDIVIDED_BELOW || !self.retries.allows_after(tries + 1) { left } else { left / 2 };
            let departure = Departure::default();
            let mut failure = match tokio::time::timeout(time, attempt(time, departure.clone())).await {
                Ok(Ok(answer)) => {
                    self.budget.succeeded(paid);
                    return Ok(answer);
                }
                Ok(Err(status)) => self.failure(status, deadline),
                Err(_elapsed) => timed_out(deadline),
            };
            failure.may_have_effect &= departure.begun();
            if let (Why::Error(Error::DeadlineExceeded { .. }), false, Some(told)) =
                (&failure.why, departure.begun(), earlier.take())
            {
                // The last try had too little time even to connect: what the one before found out says more.
                failure.why = told;
            }
            tries += 1;
            may_have_effect |= failure.may_have_effect;

            let wait = failure.retry_after.unwrap_or_default() + self.retries.wait(tries);
            let goes_on = failure.retry
                && self.retries.allows_after(tries)
                && Instant::now() + wait < end
                && self.budget.take(failure.cost);
            if !goes_on {
                if let Why::Rejected(rejection) = &failure.why
                    && rejection.reason == Reason::RequestTooOld
                    && may_have_effect
                {
                    // An earlier try may have got through while the key was young enough.
                    failure.why = Why::Error(Error::Refused(rejection.clone()));
                } else if matches!(failure.why, Why::Rejected(_) | Why::Error(Error::InvalidArgument { .. })) {
                    // The house keeps its answer to a key, and malformed is malformed: no earlier try had an effect.
                    may_have_effect = false;
                }
                return Err(Failed { why: failure.why, may_have_effect });
            }
            tracing::debug!(tries, wait_ms = wait.as_millis(), why = ?failure.why, "trying again");
            paid = Some(failure.cost);
            earlier = Some(failure.why);
            tokio::time::sleep(wait).await;
        }
    }

    /// What a status means.
    pub(crate) fn failure(&self, status: Status, deadline: Duration) -> Failure {
        // A status that this side made of a broken connection has a source; one that the house sent has none.
        if StdError::source(&status).is_some() {
            return self.local_failure(status, deadline);
        }
        let details = status.get_error_details();
        let (reason, metadata) = match details.error_info() {
            Some(info) if info.domain == DOMAIN => (Some(info.reason.clone()), info.metadata.clone()),
            Some(_) | None => (None, HashMap::new()),
        };
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let fields = details
            .bad_request()
            .map(|bad| bad.field_violations.iter().map(|one| (one.field.clone(), one.description.clone())).collect())
            .unwrap_or_default();
        self.answered(status.code(), status.message().to_owned(), reason, metadata, retry_after, fields, deadline)
    }

    /// What an item's error in a batch means.
    pub(crate) fn item_failure(
        &self,
        code: i32,
        (domain, reason): (String, String),
        message: String,
        metadata: HashMap<String, String>,
        retry_after: Option<Duration>,
        deadline: Duration,
    ) -> Failure {
        let fields = match (metadata.get("field"), metadata.get("problem")) {
            (Some(field), Some(problem)) => vec![(field.clone(), problem.clone())],
            (Some(_) | None, Some(_) | None) => Vec::new(),
        };
        let reason = (domain == DOMAIN).then_some(reason);
        self.answered(Code::from_i32(code), message, reason, metadata, retry_after, fields, deadline)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of one gRPC error, as the two ways of sending one have them"
    )]
    fn answered(
        &self,
        code: Code,
        message: String,
        reason: Option<String>,
        metadata: HashMap<String, String>,
        retry_after: Option<Duration>,
        fields: Vec<(String, String)>,
        deadline: Duration,
    ) -> Failure {
        let reason = reason.map(|reason| Reason::parse(&reason));
        let rejected = |message: String, metadata: HashMap<String, String>, otherwise: Reason| {
            let reason = reason.clone().unwrap_or(otherwise);
            Failure::is(Why::Rejected(Rejection::new(reason, message, metadata)))
        };
        // A reason of the rules, whatever the code. One that this version does not know is told by its code; of a caller
        // that has too much under way the house says when to come again, of an allowance that is used up it cannot.
        let known = reason.as_ref().is_some_and(Reason::is_known);
        let used_up = code == Code::ResourceExhausted && reason.is_some() && retry_after.is_none();
        if known || used_up {
            return rejected(message, metadata, Reason::NotFound);
        }
        let other = |code: &str| Reason::Other(code.to_owned());
        match code {
            Code::FailedPrecondition => rejected(message, metadata, other("FAILED_PRECONDITION")),
            Code::NotFound => rejected(message, metadata, Reason::NotFound),
            Code::AlreadyExists => rejected(message, metadata, other("ALREADY_EXISTS")),
            Code::ResourceExhausted => {
                Failure { retry: true, retry_after, ..Failure::error(Error::RateLimited { message, retry_after }) }
            }
            Code::InvalidArgument | Code::OutOfRange => Failure::error(Error::InvalidArgument { message, fields }),
            Code::Unauthenticated => Failure::error(Error::Unauthenticated { message }),
            Code::PermissionDenied => Failure::error(Error::PermissionDenied { message }),
            Code::Unimplemented => Failure::error(Error::Unimplemented { message }),
            Code::DeadlineExceeded => timed_out(deadline),
            // The tonic server says CANCELLED when it gives up on a deadline that the caller sent.
            Code::Unavailable | Code::Aborted | Code::Cancelled => Failure {
                retry: true,
                retry_after,
                may_have_effect: true,
                ..Failure::error(Error::Unavailable { endpoint: self.endpoint.clone(), message, source: None })
            },
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
                Failure { may_have_effect: true, ..Failure::error(Error::Internal { message }) }
            }
        }
    }

    /// What a status means that this side made.
    fn local_failure(&self, status: Status, deadline: Duration) -> Failure {
        let mut timeout = false;
        let mut trust = None;
        let mut chain = StdError::source(&status);
        while let Some(error) = chain {
            timeout |= error.is::<TimeoutExpired>();
            trust = trust.or_else(|| lack_of_trust(error));
            chain = error.source();
        }
        if timeout {
            return timed_out(deadline);
        }
        let message = status.message().to_owned();
        let source: Source = Arc::new(status);
        let endpoint = self.endpoint.clone();
        if let Some(problem) = trust {
            // The connector finds this out before any call is sent.
            return Failure::error(Error::Tls { endpoint, problem, source });
        }
        let message = innermost(&*source).unwrap_or(message);
        Failure {
            retry: true,
            may_have_effect: true,
            ..Failure::error(Error::Unavailable { endpoint, message, source: Some(source) })
        }
    }
}

fn timed_out(deadline: Duration) -> Failure {
    Failure {
        retry: true,
        cost: TIMEOUT_COST,
        may_have_effect: true,
        ..Failure::error(Error::DeadlineExceeded { deadline })
    }
}

/// The text of the error that started it: what stands above it says "transport error" and the like.
fn innermost(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut chain = error.source()?;
    while let Some(next) = chain.source() {
        chain = next;
    }
    Some(chain.to_string())
}

/// Why there is no connection.
pub(crate) fn connect_error(endpoint: &str, error: tonic::transport::Error) -> Error {
    let endpoint = endpoint.to_owned();
    let mut trust = None;
    let mut chain: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(next) = chain {
        trust = trust.or_else(|| lack_of_trust(next));
        chain = next.source();
    }
    let message = innermost(&error).unwrap_or_else(|| error.to_string());
    match trust {
        Some(problem) => Error::Tls { endpoint, problem, source: Arc::new(error) },
        None => Error::Unavailable { endpoint, message, source: Some(Arc::new(error)) },
    }
}

/// What TLS says, if it is TLS that says it.
pub(crate) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref()?.downcast_ref::<rustls::Error>(),
        None => error.downcast_ref::<rustls::Error>(),
    }
}

/// What is wrong with a certificate, if that is what the error says.
fn lack_of_trust(error: &(dyn StdError + 'static)) -> Option<String> {
    let error = tls_error(error)?;
    // Other alerts, and other errors, come from a connection that broke.
    if let rustls::Error::AlertReceived(alert) = error {
        return is_about_certificates(*alert)
            .then(|| format!("the house refused this client's certificate ({alert:?})"));
    }
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
        .then(|| error.to_string())
}

fn is_about_certificates(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    [
        Alert::AccessDenied,
        Alert::BadCertificate,
        Alert::CertificateExpired,
        Alert::CertificateRequired,
        Alert::CertificateRevoked,
        Alert::CertificateUnknown,
        Alert::DecryptError,
        Alert::HandshakeFailure,
        Alert::UnknownCA,
        Alert::UnsupportedCertificate,
    ]
    .contains(&alert)
}
