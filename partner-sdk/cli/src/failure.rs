//! How a command fails: with what is wrong, what to do about it, and an exit code that programs can rely on.

use std::collections::BTreeMap;
use std::fmt::Display;

use partner_sdk::{EnrolmentError, Error, NotAccepted, Outcome, Rejection};
use serde_json::{Value, json};

/// Exit codes, as `--help` lists them; they are those of the operator's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The rules said no.
    Rejected,
    /// The command line, the invite or the credential is wrong.
    Usage,
    /// The house did not answer.
    Unreachable,
    /// Something broke.
    Internal,
}

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Internal => 5,
        }
    }

    /// The word for it in JSON.
    const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "REJECTED",
            Self::Usage => "USAGE",
            Self::Unreachable => "UNREACHABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of which sort.
    pub exit: Exit,
    message: String,
    /// The reason in UPPER_SNAKE, with its numbers.
    reason: Option<(String, BTreeMap<String, String>)>,
    hint: Option<String>,
}

impl Failure {
    /// Of this sort, for this reason.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), reason: None, hint: None }
    }

    /// The same, with what to do.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let (reason, numbers) = match &self.reason {
            Some((reason, numbers)) => (Some(reason), json!(numbers)),
            None => (None, json!({})),
        };
        json!({
            "error": {
                "kind": self.exit.word(),
                "exit_code": self.exit.code(),
                "reason": reason,
                "numbers": numbers,
                "message": self.message,
                "hint": self.hint,
            }
        })
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("\nWhat to do: {hint}"));
        format!("error: {}{hint}", self.message)
    }
}

/// The answer to a request with an effect, or why there is none.
pub fn accepted<T>(outcome: Result<Outcome<T>, Error>) -> Result<T, Failure> {
    match outcome?.accepted() {
        Ok(answer) => Ok(answer),
        Err(NotAccepted::Rejected(rejection)) => Err(rejection.into()),
        Err(NotAccepted::Unknown(unknown)) => {
            let hint = format!(
                "repeat the same command with --request-id {}: it has its effect once, however often it is sent",
                unknown.request_id
            );
            Err(Failure::new(Exit::Unreachable, with_causes(&unknown)).hint(hint))
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let mut failure = Self::new(Exit::Rejected, rejection.to_string());
        failure.reason = Some((rejection.reason.to_string(), rejection.metadata));
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = with_causes(&error);
        match error {
            Error::Refused(rejection) => rejection.into(),
            Error::NotFound { .. } => {
                let mut failure = Self::new(Exit::Rejected, text);
                failure.reason = Some(("NOT_FOUND".to_owned(), BTreeMap::new()));
                failure
            }
            Error::Config { .. } | Error::InvalidArgument { .. } => Self::new(Exit::Usage, text),
            Error::File { .. } => Self::new(Exit::Usage, text)
                .hint("name the folder of the credential: --credentials DIR, or PARTNER_CREDENTIALS; `partner enroll` makes one"),
            Error::Tls { .. } => Self::new(Exit::Usage, text)
                .hint("`partner doctor` looks at the certificate and at this machine's clock; a credential that was revoked opens nothing"),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::new(Exit::Usage, text)
                .hint("this credential may not do that: `partner doctor` shows its scopes; who invited it can invite one with more"),
            Error::Unavailable { .. } | Error::DeadlineExceeded { .. } | Error::RateLimited { .. } => {
                Self::new(Exit::Unreachable, text).hint("try again; `partner doctor` tells whether it is the connection")
            }
            // Of the operator's people only.
            Error::Proposed { .. } => Self::new(Exit::Rejected, text),
            Error::Unimplemented { .. } | Error::Internal { .. } | Error::Protocol { .. } => Self::new(Exit::Internal, text),
            _ => Self::new(Exit::Internal, text),
        }
    }
}

impl From<EnrolmentError> for Failure {
    fn from(error: EnrolmentError) -> Self {
        let (message, reason) = (error.to_string(), error.reason().map(str::to_owned));
        let exit = match error {
            // What a file or TLS says has a text of its own.
            EnrolmentError::Other(error) => return error.into(),
            EnrolmentError::Unreachable { .. } | EnrolmentError::ComeBack { .. } => Exit::Unreachable,
            EnrolmentError::Invite(_)
            | EnrolmentError::Enrolled { .. }
            | EnrolmentError::OtherHouse { .. }
            | EnrolmentError::Clock { .. } => Exit::Usage,
            EnrolmentError::Unknown
            | EnrolmentError::Ended { .. }
            | EnrolmentError::Withdrawn
            | EnrolmentError::Used { .. }
            | EnrolmentError::Off
            | EnrolmentError::CredentialUnknown
            | EnrolmentError::CredentialRevoked
            | EnrolmentError::CredentialEnded { .. }
            | _ => Exit::Rejected,
        };
        let reason = reason.map(|reason| (reason, BTreeMap::new()));
        Self { exit, message, reason, hint: None }
    }
}

/// An error with those beneath it, as far as they say more.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        beneath = cause.source();
    }
    text
}
