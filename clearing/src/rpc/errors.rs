//! Every way of saying no: rejections by the rules, and what broke. One catalogue of reasons, numbers in the metadata.
//!
//! Whatever layer makes a status, it leaves the house with the same details ([`crate::rpc::complete`]): `ErrorInfo` with the
//! reason, its numbers and the three flags, and the reason once more as an ASCII trailer. Its size has a bound ([`bounds`]).

use std::collections::HashMap;
use std::time::Duration;

use clearing_core::rejection::{Class, Rejection};
use clearing_core::units::{EntryId, PartnerId};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::clock::Clock;
use crate::door::budget::Exhausted;
use crate::rpc::Context;
use crate::rpc::bounds;
use crate::rpc::opaque::Opaque;
use crate::store::{ErrorKind, StoreError};
use crate::writer::WriteError;

/// The domain of all reasons.
pub const DOMAIN: &str = "clearing.coalition";

/// The trailer in which the reason stands as plain text, for clients that do not decode details.
pub const REASON_TRAILER: &str = "clearing-reason";

/// When asking again makes sense for a caller that has as much under way as it may.
const RETRY_EXHAUSTED: Duration = Duration::from_millis(200);
/// When asking again makes sense while the database is gone.
const RETRY_GONE: Duration = Duration::from_millis(500);
/// When asking again makes sense while the house's clock is wrong.
const RETRY_CLOCK: Duration = Duration::from_secs(5);
/// When asking again makes sense while the lists of entries are behind the journal.
const RETRY_BEHIND: Duration = Duration::from_secs(1);

/// A line of the table of what is no rejection by the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRow {
    /// The public reason, in UPPER_SNAKE.
    pub reason: &'static str,
    pub code: Code,
    /// Whether the request may have had its effect.
    pub effect_possible: bool,
    /// Whether the same request may succeed later, without anybody changing it.
    pub transient: bool,
    /// The names of its numbers.
    pub metadata: &'static [&'static str],
    /// When to ask again, as docs/errors.md says it.
    pub again: &'static str,
}

const EFFECT_POSSIBLE: bool = true;
const NO_EFFECT: bool = false;
const TRANSIENT: bool = true;
const LASTING: bool = false;
const DELAYED: &str = "after the delay of `google.rpc.RetryInfo`";

macro_rules! faults {
    ($( $name:ident = $reason:literal, $code:ident, $effect:ident, $transient:ident, [$( $number:literal ),*], $again:expr; )*) => {
        /// What is no rejection by the rules: something broke, or a layer before the rules would not have the call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $( $name, )*
        }

        impl Fault {
            /// Every fault, in the order of the enum.
            pub const TABLE: [FaultRow; [$( $reason ),*].len()] = [
                $( FaultRow {
                    reason: $reason,
                    code: Code::$code,
                    effect_possible: $effect,
                    transient: $transient,
                    metadata: &[$( $number ),*],
                    again: $again,
                }, )*
            ];
        }
    };
}

faults! {
    Unauthenticated = "UNAUTHENTICATED", Unauthenticated, NO_EFFECT, LASTING, [], "with a certificate of this coalition";
    PermissionDenied = "PERMISSION_DENIED", PermissionDenied, NO_EFFECT, LASTING, ["scope"], "never: the certificate does not allow this call";
    InviteUnknown = "INVITE_UNKNOWN", NotFound, NO_EFFECT, LASTING, [], "with the whole string of another invite";
    InviteWithdrawn = "INVITE_WITHDRAWN", FailedPrecondition, NO_EFFECT, LASTING, [], "with another invite";
    InviteEnded = "INVITE_ENDED", FailedPrecondition, NO_EFFECT, LASTING, ["end_time"], "with another invite";
    InviteUsed = "INVITE_USED", FailedPrecondition, NO_EFFECT, LASTING, ["used_time"], "with the key that it was used with, or with another invite";
    CsrRefused = "CSR_REFUSED", InvalidArgument, NO_EFFECT, LASTING, ["problem"], "with a signing request of an accepted key";
    EnrolmentOff = "ENROLMENT_OFF", FailedPrecondition, NO_EFFECT, LASTING, [], "never: the operator makes certificates by hand";
    CredentialUnknown = "CREDENTIAL_UNKNOWN", NotFound, NO_EFFECT, LASTING, [], "never: ask for an invite";
    CredentialEnded = "CREDENTIAL_ENDED", FailedPrecondition, NO_EFFECT, LASTING, ["end_time"], "never: ask for an invite";
    Unimplemented = "UNIMPLEMENTED", Unimplemented, NO_EFFECT, LASTING, [], "never: there is no such method here, or not in this encoding";
    Undecodable = "UNDECODABLE", InvalidArgument, NO_EFFECT, LASTING, [], "never: the bytes are no message of this method";
    MessageTooLarge = "MESSAGE_TOO_LARGE", InvalidArgument, NO_EFFECT, LASTING, ["message_bytes", "maximum_bytes"], "in smaller parts";
    AnswerTooLarge = "ANSWER_TOO_LARGE", InvalidArgument, NO_EFFECT, LASTING, ["answer_bytes", "maximum_bytes"], "for less at once: of a batch, with fewer items";
    Overloaded = "OVERLOADED", ResourceExhausted, NO_EFFECT, TRANSIENT, ["used", "maximum"], DELAYED;
    NotServing = "NOT_SERVING", Unavailable, NO_EFFECT, TRANSIENT, [], DELAYED;
    DatabaseUnavailable = "DATABASE_UNAVAILABLE", Unavailable, EFFECT_POSSIBLE, TRANSIENT, [], DELAYED;
    ListsBehind = "LISTS_BEHIND", Unavailable, NO_EFFECT, TRANSIENT, [], DELAYED;
    OutcomeUnknown = "OUTCOME_UNKNOWN", Unavailable, EFFECT_POSSIBLE, TRANSIENT, [], DELAYED;
    ShuttingDown = "SHUTTING_DOWN", Unavailable, EFFECT_POSSIBLE, TRANSIENT, [], DELAYED;
    WrongClock = "WRONG_CLOCK", Unavailable, NO_EFFECT, TRANSIENT, ["machine_time", "other_time"], DELAYED;
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, EFFECT_POSSIBLE, TRANSIENT, [], "with a longer deadline";
    Internal = "INTERNAL", Internal, EFFECT_POSSIBLE, LASTING, [], "once; then ask the operator, whose log has it";
}

impl Fault {
    /// What the table says of it.
    pub fn row(self) -> &'static FaultRow {
        &Self::TABLE[self as usize]
    }
}

/// The gRPC code of a class of rejections.
pub fn code(class: Class) -> Code {
    match class {
        Class::Malformed => Code::InvalidArgument,
        Class::Disowned => Code::Unauthenticated,
        Class::Missing => Code::NotFound,
        Class::Exists => Code::AlreadyExists,
        Class::UsedUp => Code::ResourceExhausted,
        Class::State => Code::FailedPrecondition,
    }
}

/// What every status and every error of an item says beside its code: of which all texts have a bound.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub code: Code,
    pub reason: &'static str,
    pub message: String,
    /// The numbers of the reason, and the flags `recorded`, `transient` and `replayed`.
    pub metadata: HashMap<String, String>,
    /// The field that is wrong, and what is wrong with it.
    pub violation: Option<(String, String)>,
    pub retry_delay: Option<Duration>,
}

impl Said {
    fn new(
        code: Code,
        reason: &'static str,
        message: String,
        numbers: impl IntoIterator<Item = (&'static str, String)>,
        flags: [bool; 3],
    ) -> Self {
        let mut metadata: HashMap<String, String> =
            numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
        let flags = ["recorded", "transient", "replayed"].into_iter().zip(flags);
        metadata.extend(flags.map(|(name, flag)| (name.to_owned(), flag.to_string())));
        Self { code, reason, message, metadata, violation: None, retry_delay: None }
    }

    fn rejection(rejection: &Rejection, recorded: bool, replayed: bool) -> Self {
        let row = rejection.row();
        let flags = [recorded, rejection.transient(), replayed];
        let said = Self::new(code(row.class), row.reason, rejection.to_string(), rejection.numbers(), flags);
        if let Rejection::InvalidArgument { field, problem } = rejection {
            return Self { violation: Some((field.clone(), problem.clone())), ..said };
        }
        said
    }

    /// What a funder has used of its limits, and what its cap leaves, is the funder's business and not that of whoever issues
    /// at its cost.
    fn without_figures_of_others(mut self, rejection: &Rejection, caller: PartnerId) -> Self {
        let (of, message) = if let Rejection::LimitExceeded { partner, limit, asked, .. } = rejection {
            (partner, format!("{asked} points are beyond the limit {limit} of {partner}"))
        } else if let Rejection::NetDebitCap { partner: Some(partner), asked, .. } = rejection {
            (partner, format!("the net debit cap of {partner} leaves no room for {asked} points"))
        } else {
            return self;
        };
        if caller.is_operator() || of == caller.as_str() {
            return self;
        }
        for figure in ["used_points", "maximum_points", "needed_amount", "headroom_amount"] {
            self.metadata.remove(figure);
        }
        Self { message, ..self }
    }

    /// What is about time says so where time stands still: nobody would think of it.
    fn with_clock(mut self, rejection: &Rejection, clock: &Clock) -> Self {
        let about_time = matches!(
            rejection,
            Rejection::TimeOutOfRange { .. } | Rejection::RequestTooOld { .. } | Rejection::RequestTooNew { .. }
        );
        if about_time && clock.is_manual() {
            // Without its time: whoever asks again later is told what was told first.
            self.message += " (the clock of this sandbox stands still until `clearing sandbox advance` moves it)";
        }
        self
    }

    /// The rules name entries by the ids of the journal.
    fn with_opaque_ids(mut self, opaque: &Opaque) -> Self {
        for (name, value) in &mut self.metadata {
            if (name == "id" || name.ends_with("_id"))
                && let Ok(id) = value.parse::<EntryId>()
            {
                let shown = opaque.entry(id);
                self.message = self.message.replace(value.as_str(), &shown);
                *value = shown;
            }
        }
        self
    }

    /// The status that says this, whatever its texts are within the bound of trailers.
    fn status(&self) -> Status {
        bounds::shortened(self, |said| {
            let status = said.status_unbounded();
            (bounds::trailer_bytes(&status) <= bounds::TRAILER_BYTES_MAX).then_some(status)
        })
    }

    fn status_unbounded(&self) -> Status {
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, self.metadata.clone());
        if let Some((field, problem)) = &self.violation {
            details.set_bad_request(vec![FieldViolation::new(field, problem)]);
        }
        if let Some(delay) = self.retry_delay {
            details.set_retry_info(Some(delay));
        }
        let mut trailers = MetadataMap::new();
        trailers.insert(REASON_TRAILER, MetadataValue::from_static(self.reason));
        Status::with_error_details_and_metadata(self.code, &self.message, details, trailers)
    }
}

/// A rejection that the writer answered a caller's request with, as far as the caller may know.
pub fn of_answer(rejection: &Rejection, replayed: bool, caller: PartnerId, context: &Context) -> Status {
    let said = Said::rejection(rejection, rejection.recorded(), replayed).with_clock(rejection, &context.clock);
    said.without_figures_of_others(rejection, caller).with_opaque_ids(&context.opaque).status()
}

/// A rejection of what came to no request: a read, or a message that is wrong in itself. Nothing is kept of it.
pub fn refused(rejection: &Rejection) -> Status {
    Said::rejection(rejection, false, false).status()
}

/// A message that is wrong in itself.
pub fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
    refused(&Rejection::invalid(field, problem))
}

pub fn not_found(what: &str, id: impl std::fmt::Display) -> Status {
    refused(&Rejection::not_found(what, id))
}

/// Something that is no rejection by the rules.
pub fn broken(fault: Fault, message: impl Into<String>, retry: Option<Duration>) -> Status {
    broken_at(fault, message, retry, [])
}

/// Likewise, with the numbers at which it broke, by the names of the table.
pub fn broken_at<const N: usize>(
    fault: Fault,
    message: impl Into<String>,
    retry: Option<Duration>,
    numbers: [(&'static str, String); N],
) -> Status {
    let row = fault.row();
    let said = Said::new(row.code, row.reason, message.into(), numbers, [false, row.transient, false]);
    Said { retry_delay: retry, ..said }.status()
}

/// A status as it leaves the house: what a layer below has made without details gets those of the fault that it stands for.
/// `None` if it has them.
///
/// All that the house itself refuses has its reason. What is left comes from the transport, which reads and writes messages,
/// and from the services that are not the house's own.
pub(crate) fn completed(status: &Status) -> Option<Status> {
    if status.metadata().contains_key(REASON_TRAILER) {
        return None;
    }
    let fault = match status.code() {
        Code::Ok => return None,
        // Of the health service, of a name that it does not know.
        Code::NotFound => {
            let said = Said::rejection(&Rejection::not_found("service", ""), false, false);
            return Some(Said { message: status.message().to_owned(), ..said }.status());
        }
        // The transport says so of bytes that it cannot read as a message; it has no failures of its own beside them.
        Code::Internal | Code::InvalidArgument | Code::DataLoss => Fault::Undecodable,
        // A message of a request that is too large is refused as it comes (`door::body`), so this is an answer.
        Code::OutOfRange => Fault::AnswerTooLarge,
        Code::Unimplemented => Fault::Unimplemented,
        Code::Unauthenticated => Fault::Unauthenticated,
        Code::PermissionDenied => Fault::PermissionDenied,
        // The transport gives up when a deadline is over, and calls it so.
        Code::Cancelled | Code::DeadlineExceeded => Fault::DeadlineExceeded,
        Code::ResourceExhausted => Fault::Overloaded,
        Code::Unavailable => Fault::NotServing,
        Code::Unknown | Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => Fault::Internal,
    };
    let retry = [Code::ResourceExhausted, Code::Unavailable].contains(&status.code()).then_some(RETRY_GONE);
    Some(broken(fault, status.message(), retry))
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
    broken_at(Fault::Overloaded, message, Some(retry), numbers)
}

/// A message of a request that is larger than its method takes.
pub(crate) fn message_too_large(bytes: usize, maximum: usize) -> Status {
    let message = format!("the message has {bytes} bytes, and {maximum} are the most that this method takes");
    let numbers = [("message_bytes", bytes.to_string()), ("maximum_bytes", maximum.to_string())];
    broken_at(Fault::MessageTooLarge, message, None, numbers)
}

/// What the house will not begin any more.
pub(crate) fn shutting_down() -> Status {
    broken(Fault::ShuttingDown, "the house is shutting down", Some(RETRY_GONE))
}

/// A call that was not answered in the time that its caller gives it.
pub(crate) fn deadline_exceeded() -> Status {
    broken(Fault::DeadlineExceeded, "the deadline passed; ask again under the same request id", None)
}

/// A call that the code of the house did not survive. It was logged.
pub(crate) fn internal() -> Status {
    of_write(&WriteError::Internal)
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
        WriteError::DeadlinePassed => broken(Fault::DeadlineExceeded, message, None),
        WriteError::Unavailable => broken(Fault::DatabaseUnavailable, message, Some(RETRY_GONE)),
        WriteError::OutcomeUnknown => broken(Fault::OutcomeUnknown, message, Some(RETRY_GONE)),
        WriteError::ShuttingDown => broken(Fault::ShuttingDown, message, Some(RETRY_GONE)),
        WriteError::WrongClock(wrong) => {
            let times = [("machine_time", wrong.machine.to_string()), ("other_time", wrong.other.to_string())];
            broken_at(Fault::WrongClock, message, Some(RETRY_CLOCK), times)
        }
        WriteError::Internal => broken(Fault::Internal, message, None),
    }
}

/// A read that failed. Logged here, once.
pub fn of_store(error: &StoreError) -> Status {
    if let ErrorKind::Behind { entries } = error.kind() {
        // Nothing is broken. How many entries it is would tell what others do.
        tracing::info!(entries, "the lists of entries are too far behind the journal to be read");
        let message = "the lists of entries are behind the journal, and follow it by themselves";
        return broken(Fault::ListsBehind, message, Some(RETRY_BEHIND));
    }
    tracing::warn!(error = error as &dyn std::error::Error, "a read failed");
    match error.kind() {
        ErrorKind::Transient | ErrorKind::CommitUnknown => {
            broken(Fault::DatabaseUnavailable, "the database cannot be reached", Some(RETRY_GONE))
        }
        ErrorKind::Behind { .. } | ErrorKind::Permanent | ErrorKind::Ungated => {
            broken(Fault::Internal, "the house failed on this read; it was logged", None)
        }
    }
}
