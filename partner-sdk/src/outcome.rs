//! What became of a request with an effect.

use std::collections::{BTreeMap, HashMap};

use crate::error::Error;
use crate::reason::Reason;
use crate::request_id::RequestId;

/// What became of a request with an effect.
///
/// A call gives `Err` instead when it is certain that it had no effect and no rule said so: the message was malformed, the
/// certificate was refused, the house could not be reached.
#[derive(Debug, Clone)]
#[must_use = "a request may have been rejected, or its fate may be unknown"]
pub enum Outcome<T> {
    /// The house accepted it, durably.
    Accepted(T),
    /// The rules said no. Final: the same request gets the same answer.
    Rejected(Rejection),
    /// No answer came in time although the request may have arrived.
    Unknown(Unknown),
}

impl<T> Outcome<T> {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// [`NotAccepted`], when the rules said no or nobody knows.
    pub fn accepted(self) -> Result<T, NotAccepted> {
        match self {
            Self::Accepted(answer) => Ok(answer),
            Self::Rejected(rejection) => Err(NotAccepted::Rejected(rejection)),
            Self::Unknown(unknown) => Err(NotAccepted::Unknown(unknown)),
        }
    }

    /// The rejection, if it was rejected.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Accepted(_) | Self::Unknown(_) => None,
        }
    }
}

/// Why a request was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAccepted {
    /// The rules said no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Nobody knows.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// The rules of the coalition said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
#[non_exhaustive]
pub struct Rejection {
    /// Which rule.
    pub reason: Reason,
    /// The same in words, for developers and logs.
    pub message: String,
    /// The numbers that belong to it, for example `available_points`.
    pub metadata: BTreeMap<String, String>,
    /// Whether the same wish in a *new* request may succeed later, without anybody changing it; after
    /// [`Reason::RequestTooNew`] also in the same one.
    pub transient: bool,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

impl Rejection {
    /// The house sends its flags among the numbers.
    pub(crate) fn new(reason: Reason, message: String, metadata: HashMap<String, String>) -> Self {
        let mut metadata = BTreeMap::from_iter(metadata);
        metadata.remove("recorded");
        let mut flag = |name| metadata.remove(name).is_some_and(|text| text == "true");
        let (transient, replayed) = (flag("transient"), flag("replayed"));
        Self { reason, message, metadata, transient, replayed }
    }

    /// A number of the metadata.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.metadata.get(name)?.parse().ok()
    }
}

/// The request may have had its effect or not: no answer came in time.
///
/// Send the same request again with the same `request_id` until there is an answer, or abandon it: both are safe at any
/// time, also after a restart.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer to request {request_id}; it may have had its effect")]
#[non_exhaustive]
pub struct Unknown {
    /// The key to ask again with.
    pub request_id: RequestId,
    /// What went wrong last.
    #[source]
    pub cause: Error,
}
