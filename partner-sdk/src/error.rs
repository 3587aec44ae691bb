//! What can go wrong, other than that the rules say no.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Rejection;

/// The error beneath, shared since an error of a batch belongs to each of its items.
pub(crate) type Source = Arc<dyn StdError + Send + Sync>;

/// Something went wrong. From a call with an effect: it certainly had none.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the client was told about the house or its own identity cannot be used.
    #[error("{what} cannot be used: {problem}")]
    Config {
        /// What was given.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The two sides do not trust each other: a certificate is expired, foreign or of another name.
    #[error("no trust between this client and {endpoint}: {problem}")]
    Tls {
        /// The house.
        endpoint: String,
        /// What was wrong.
        problem: String,
        /// The error beneath.
        #[source]
        source: Source,
    },
    /// The house could not be reached, or could not serve.
    #[error("{endpoint} is not available: {message}")]
    Unavailable {
        /// The house.
        endpoint: String,
        /// What was wrong.
        message: String,
        /// The error beneath, when it arose on this side.
        #[source]
        source: Option<Source>,
    },
    /// No answer before the deadline.
    #[error("no answer within {deadline:?}")]
    DeadlineExceeded {
        /// How long the call waited in all.
        deadline: Duration,
    },
    /// The house does not know the caller.
    #[error("the house does not know the caller: {message}")]
    Unauthenticated {
        /// In the house's words.
        message: String,
    },
    /// The caller may not do this.
    #[error("not allowed: {message}")]
    PermissionDenied {
        /// In the house's words.
        message: String,
    },
    /// The message is malformed, whatever the state of the house.
    #[error("the request is malformed: {message}")]
    InvalidArgument {
        /// In the house's words.
        message: String,
        /// The fields that are wrong, each with what is wrong with it.
        fields: Vec<(String, String)>,
    },
    /// A read named something that does not exist or is somebody else's.
    #[error("not found: {message}")]
    NotFound {
        /// In the house's words.
        message: String,
    },
    /// It was not done, and waits for a second person: it became a proposal, which another of the operator's approvers approves or
    /// refuses ([`Operator::approve_proposal`](crate::operator::Operator::approve_proposal)). The same request tells the same for ever.
    #[error("it waits for a second person, as proposal {proposal_id}")]
    Proposed {
        /// The id of the proposal.
        proposal_id: String,
        /// Whether this was told to an earlier call under the same key.
        replayed: bool,
    },
    /// A call that is not recorded was refused by the rules.
    #[error(transparent)]
    Refused(Rejection),
    /// Too many calls.
    #[error("too many calls: {message}")]
    RateLimited {
        /// In the house's words.
        message: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The house does not offer this.
    #[error("the house does not offer this: {message}")]
    Unimplemented {
        /// In the house's words.
        message: String,
    },
    /// Something broke in the house.
    #[error("the house failed: {message}")]
    Internal {
        /// In the house's words.
        message: String,
    },
    /// The answer does not follow the interface.
    #[error("the answer does not follow the interface: {problem}")]
    Protocol {
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    pub(crate) fn protocol(problem: impl Into<String>) -> Self {
        Self::Protocol { problem: problem.into() }
    }
}
