//! How a command fails: with what is wrong, what to do about it, and an exit code that programs can rely on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clearing::config::{ConfigError, Fault, Problems};
use clearing::store::{Sort, StoreError};
use partner_sdk::{Error, NotAccepted, Outcome, Reason, Rejection};
use serde_json::{Value, json};

use crate::hints;
use crate::output::{Answer, Page};

/// Exit codes, as `--help` and the documentation list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was not done: it waits for a second person, and that is all there is to it.
    Proposed,
    /// The rules said no. The same command gets the same answer until something else changes.
    Rejected,
    /// The command line, the configuration, or what it names is wrong: a file, a certificate, the database as it was set up.
    /// The same command gets the same answer until somebody puts that right.
    Usage,
    /// The house or its database did not answer. A command with an effect may have had it: repeat it with its request id.
    Unreachable,
    /// The books do not balance, or an audit found something.
    Unbalanced,
    /// Something broke: the disk, the database, the program.
    Internal,
}

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Proposed => 0,
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Unbalanced => 4,
            Self::Internal => 5,
        }
    }

    /// The word for it in JSON.
    const fn word(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Rejected => "REJECTED",
            Self::Usage => "USAGE",
            Self::Unreachable => "UNREACHABLE",
            Self::Unbalanced => "UNBALANCED",
            Self::Internal => "INTERNAL",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of which sort.
    pub exit: Exit,
    /// What is wrong.
    pub message: String,
    /// The reason that the rules gave, in UPPER_SNAKE, with its numbers.
    pub reason: Option<(String, BTreeMap<String, String>)>,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// Of this sort, for this reason.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), reason: None, hint: None }
    }

    /// It became a proposal.
    fn proposed(proposal_id: String, replayed: bool) -> Self {
        let message = format!("It became proposal {proposal_id}: nothing is done before another approver approves it.");
        let numbers = [("proposal_id", proposal_id), ("replayed", replayed.to_string())];
        let numbers = numbers.map(|(name, value)| (name.to_owned(), value)).into();
        Self { reason: Some(("PROPOSED".to_owned(), numbers)), ..Self::new(Exit::Proposed, message) }
    }

    /// The proposal that it became, where it waits for a second person.
    pub fn proposal_id(&self) -> Option<&str> {
        let (_, numbers) = self.reason.as_ref().filter(|_| self.exit == Exit::Proposed)?;
        numbers.get("proposal_id").map(String::as_str)
    }

    /// The answer, where what was asked for waits for a second person.
    pub fn as_answer(&self) -> Option<Answer> {
        self.as_proposed().map(|(json, page)| Answer::new(json, page))
    }

    /// The same, for programs and for people.
    pub fn as_proposed(&self) -> Option<(Value, Page)> {
        let (proposal, (_, numbers)) = (self.proposal_id()?, self.reason.as_ref()?);
        let replayed = numbers.get("replayed").is_some_and(|replayed| replayed == "true");
        let page = Page::new()
            .text(&self.message)
            .text(format!("Let another approver run `clearing approvals approve {proposal}`."));
        Some((json!({ "proposal_id": proposal, "replayed": replayed }), page))
    }

    /// The command line or the configuration is wrong.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something broke. The causes beneath are part of the message.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self::new(Exit::Internal, with_causes(error))
    }

    /// A file cannot be read or written.
    pub fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let shown = path.display();
        let is = |kinds: &[Kind]| kinds.contains(&error.kind());
        let mut exit = Exit::Usage;
        let hint = if is(&[Kind::StorageFull, Kind::QuotaExceeded, Kind::FileTooLarge]) {
            exit = Exit::Internal;
            "make room on the disk, or name a file on another one".to_owned()
        } else if is(&[Kind::PermissionDenied]) {
            "let this user read and write it, or name another place".to_owned()
        } else if is(&[Kind::ReadOnlyFilesystem]) {
            "its file system is mounted for reading only: name a place on another one".to_owned()
        } else if let (true, Some(folder)) = (is(&[Kind::NotFound]), missing_folder(path)) {
            format!("there is no folder {}: make it, or name another place", folder.display())
        } else if is(&[Kind::NotFound]) {
            "name a file that is there".to_owned()
        } else if is(&[Kind::NotADirectory]) {
            "what should be a folder on the way is a file: name another place".to_owned()
        } else if is(&[Kind::IsADirectory]) {
            "that is a folder: name a file".to_owned()
        } else {
            format!("look at {shown}, and at the disk that it is on")
        };
        Self::new(exit, format!("{what} {shown}: {error}")).hint(hint)
    }

    /// The same, with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same, with what the operator can do about it after this command. What was said before stays.
    #[must_use]
    pub fn after(mut self, command: &str) -> Self {
        if let (None, Some((reason, numbers))) = (&self.hint, &self.reason) {
            self.hint = hints::hint(reason, numbers, command);
        }
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

/// The folder that a path would need and that is not there.
fn missing_folder(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
}

/// An error with those beneath it, as far as they say more.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        beneath = cause.source();
    }
    text
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::Unreadable { .. } => "name the right file with --config, or make one with `clearing init`",
            ConfigError::NotPrivate { .. } => {
                "chmod 600 the file; if somebody may have read it meanwhile, change the password"
            }
            ConfigError::Syntax { .. } => "correct the line; `clearing init` writes a file that shows every key",
            ConfigError::Keys(Problems(problems)) if problems.iter().all(|problem| problem.fault == Fault::Missing) => {
                "name the file that has them with --config or CLEARING_CONFIG, or set them; `clearing init` makes a file with all \
                 of them"
            }
            ConfigError::Keys(_) => "correct what is named above; `clearing config check` tells when all is well",
        };
        // What names the file says already why it cannot be read.
        let is_told = matches!(error, ConfigError::Unreadable { .. });
        let text = if is_told { error.to_string() } else { with_causes(&error) };
        Self::usage(text).hint(hint)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        ConfigError::Keys(problems).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

/// The database failed, or something that stands on it.
impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let Some(cause) = error.cause() else {
            return Self::new(Exit::Internal, with_causes(error))
                .hint("look at the log of the database, and whether `clearing config check` finds something");
        };
        let exit = match cause.sort {
            Sort::Configured => Exit::Usage,
            Sort::Away => Exit::Unreachable,
            Sort::Broken => Exit::Internal,
        };
        Self::new(exit, cause).hint(&cause.advice)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self {
            exit: Exit::Rejected,
            message: rejection.to_string(),
            reason: Some((rejection.reason.to_string(), rejection.metadata)),
            hint: None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = with_causes(&error);
        match error {
            Error::Refused(rejection) => rejection.into(),
            Error::Proposed { proposal_id, replayed } => Self::proposed(proposal_id, replayed),
            Error::NotFound { .. } => Self {
                reason: Some((Reason::NotFound.to_string(), BTreeMap::new())),
                ..Self::new(Exit::Rejected, text)
            },
            Error::PermissionDenied { .. } => Self::new(Exit::Rejected, text)
                .hint("use a certificate that may do this: --set client.cert=operator.pem --set client.key=operator.key"),
            Error::Unauthenticated { .. } => Self::new(Exit::Usage, text)
                .hint("check client.cert: `clearing config check` shows which certificate is used"),
            Error::InvalidArgument { .. } => Self::new(Exit::Usage, text).hint("correct the value; --help shows examples"),
            Error::Config { .. } | Error::File { .. } => Self::new(Exit::Usage, text)
                .hint("check client.endpoint, client.ca, client.cert and client.key with `clearing config check`"),
            Error::Tls { problem, .. } => Self::new(Exit::Unreachable, text).hint(no_trust(&problem)),
            Error::Unavailable { .. } | Error::DeadlineExceeded { .. } => Self::new(Exit::Unreachable, text)
                .hint("is `clearing serve` running, and does client.endpoint name it? A house that waits for `clearing migrate` does not answer either"),
            Error::RateLimited { .. } => Self::new(Exit::Unreachable, text).hint("try again in a moment"),
            Error::Unimplemented { .. } => Self::new(Exit::Usage, text)
                .hint("the house is of another version than this command, or no sandbox"),
            Error::Internal { .. } => Self::new(Exit::Internal, text).hint("the log of the house tells more"),
            Error::Protocol { .. } => Self::new(Exit::Internal, text)
                .hint("the house may be of another version than this command"),
            _ => Self::new(Exit::Internal, text),
        }
    }
}

/// What to do where this side and the house do not trust each other, by what TLS says of it.
fn no_trust(problem: &str) -> &'static str {
    let says = |word: &str| problem.to_ascii_lowercase().contains(word);
    if says("refused this client") {
        "client.cert must come from the authority of this house, and be neither revoked nor of another coalition; the log of the \
         house says what is wrong"
    } else if says("expired") || says("not valid yet") {
        "the certificate of the house has ended, or this machine's clock is wrong"
    } else if says("for name") {
        "client.endpoint must name the house by a host that its certificate has"
    } else if says("unknownissuer") || says("badsignature") {
        "client.ca must be the authority of this house; does client.endpoint name the right house?"
    } else {
        "client.ca must be the authority of this house, and client.cert must come from the same authority"
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
