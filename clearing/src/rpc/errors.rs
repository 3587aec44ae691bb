//! Every way of saying no: rejections by the rules, and what broke. One catalogue of reasons, numbers in the metadata.

use std::collections::HashMap;
use std::time::Duration;

use clearing_core::rejection::Rejection;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::door::budget::Exhausted;
use crate::store::{ErrorKind, StoreError};
use crate::writer::WriteError;

/// The domain of all reasons.
pub const DOMAIN: &str = "clearing.coalition";

/// When asking again makes sense for a caller that has as much under way as it may.
const RETRY_EXHAUSTED: Duration = Duration::from_millis(200);
/// When asking again makes sense while the database is gone.
const RETRY_GONE: Duration = Duration::from_millis(500);
/// When asking again makes sense while the house's clock is wrong.
const RETRY_CLOCK: Duration = Duration::from_secs(5);
/// When asking again makes sense while the lists of entries are behind the journal.
const RETRY_BEHIND: Duration = Duration::from_secs(1);

/// The gRPC code of a rejection.
pub fn code(rejection: &Rejection) -> Code {
    match rejection.reason() {
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "NOT_FOUND" => Code::NotFound,
        "PARTNER_EXISTS" | "DUPLICATE_RECEIPT" => Code::AlreadyExists,
        // Allowances that are used up. A cap on debts, and points that are missing, are states of the books.
        "LIMIT_EXCEEDED" | "CONSENT_EXCEEDED" => Code::ResourceExhausted,
        _ => Code::FailedPrecondition,
    }
}

/// The metadata of a rejection: its numbers, whether it is recorded under the request's key, whether a new request may
/// succeed later, whether it was given before.
fn metadata(rejection: &Rejection, recorded: bool, replayed: bool) -> HashMap<String, String> {
    let mut metadata: HashMap<String, String> =
        rejection.numbers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let flags = [("recorded", recorded), ("transient", rejection.transient()), ("replayed", replayed)];
    metadata.extend(flags.map(|(name, flag)| (name.to_owned(), flag.to_string())));
    metadata
}

/// A rejection that the writer answered a request with.
pub fn of_answer(rejection: &Rejection, replayed: bool) -> Status {
    of_rejection(rejection, rejection.recorded(), replayed)
}

/// A rejection of what came to no request: a read, or a message that is wrong in itself. Nothing is kept of it.
pub fn refused(rejection: &Rejection) -> Status {
    of_rejection(rejection, false, false)
}

fn of_rejection(rejection: &Rejection, recorded: bool, replayed: bool) -> Status {
    let metadata = metadata(rejection, recorded, replayed);
    let mut details = ErrorDetails::with_error_info(rejection.reason(), DOMAIN, metadata);
    if let Rejection::InvalidArgument { field, problem } = rejection {
        details.set_bad_request(vec![FieldViolation::new(field, problem)]);
    }
    Status::with_error_details(code(rejection), rejection.to_string(), details)
}

/// A message that is wrong in itself.
pub fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
    refused(&Rejection::invalid(field, problem))
}

pub fn not_found(what: &str, id: impl std::fmt::Display) -> Status {
    refused(&Rejection::not_found(what, id))
}

/// Something that is no rejection by the rules.
pub fn broken(code: Code, reason: &str, message: impl Into<String>, retry: Option<Duration>) -> Status {
    broken_at(code, reason, message, retry, [])
}

/// Likewise, with the numbers at which it broke, by the names of docs/errors.md.
pub fn broken_at<const N: usize>(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    retry: Option<Duration>,
    numbers: [(&str, String); N],
) -> Status {
    let numbers = HashMap::from(numbers.map(|(name, number)| (name.to_owned(), number)));
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, numbers);
    if let Some(delay) = retry {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, message, details)
}

/// A call, or the rest of one, for which there is no room. It had no effect.
pub(crate) fn overloaded(full: &Exhausted) -> Status {
    let (used, maximum) = match full {
        Exhausted::Calls { used, most, .. } | Exhausted::Bytes { used, most, .. } => (*used, *most),
    };
    overloaded_at(full.to_string(), RETRY_EXHAUSTED, used as u64, maximum as u64)
}

/// Of `maximum` so many are used: calls, bytes, requests or reads that wait, or that came within a second.
pub(crate) fn overloaded_at(message: String, retry: Duration, used: u64, maximum: u64) -> Status {
    let numbers = [("used", used.to_string()), ("maximum", maximum.to_string())];
    broken_at(Code::ResourceExhausted, "OVERLOADED", message, Some(retry), numbers)
}

/// What the house will not begin any more.
pub(crate) fn shutting_down() -> Status {
    broken(Code::Unavailable, "SHUTTING_DOWN", "the house is shutting down", Some(RETRY_GONE))
}

pub fn of_write(error: &WriteError) -> Status {
    let message = error.to_string();
    match error {
        WriteError::Overloaded { waiting, maximum, retry_after } => {
            overloaded_at(message, *retry_after, *waiting as u64, *maximum as u64)
        }
        WriteError::TooFast { per_second, retry_after } => {
            overloaded_at(message, *retry_after, *per_second, *per_second)
        }
        WriteError::DeadlinePassed => broken(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message, None),
        WriteError::Unavailable => broken(Code::Unavailable, "DATABASE_UNAVAILABLE", message, Some(RETRY_GONE)),
        WriteError::OutcomeUnknown => broken(Code::Unavailable, "OUTCOME_UNKNOWN", message, Some(RETRY_GONE)),
        WriteError::ShuttingDown => broken(Code::Unavailable, "SHUTTING_DOWN", message, Some(RETRY_GONE)),
        WriteError::WrongClock(wrong) => {
            let times = [("machine_time", wrong.machine.to_string()), ("other_time", wrong.other.to_string())];
            broken_at(Code::Unavailable, "WRONG_CLOCK", message, Some(RETRY_CLOCK), times)
        }
        WriteError::Internal => broken(Code::Internal, "INTERNAL", message, None),
    }
}

/// A read that failed. Logged here, once.
pub fn of_store(error: &StoreError) -> Status {
    if let ErrorKind::Behind { entries } = error.kind() {
        // Nothing is broken.
        let behind = [("behind_entries", entries.to_string())];
        return broken_at(Code::Unavailable, "LISTS_BEHIND", error.to_string(), Some(RETRY_BEHIND), behind);
    }
    tracing::warn!(error = error as &dyn std::error::Error, "a read failed");
    match error.kind() {
        ErrorKind::Transient | ErrorKind::CommitUnknown => {
            broken(Code::Unavailable, "DATABASE_UNAVAILABLE", "the database cannot be reached", Some(RETRY_GONE))
        }
        ErrorKind::Behind { .. } | ErrorKind::Permanent => {
            broken(Code::Internal, "INTERNAL", "the house failed on this read; it was logged", None)
        }
    }
}
