//! Getting a certificate: an invite is used, and a credential that is due is renewed.
//!
//! | step | |
//! |---|---|
//! | key | made here and kept on disk before anything is asked: an answer that was lost is asked for again with the same key |
//! | connection | TLS 1.3; the house is the one whose chain has the authority with the pin of the invite |
//! | request | the invite's id and secret, and a signing request that says nothing but the key |
//! | files | the authorities, the certificate, and what tells of them |

mod folder;
mod key;
mod pinned;
mod renewal;

use std::error::Error as StdError;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use clearing_proto::v1::enrolment_service_client::EnrolmentServiceClient;
use prost_types::Timestamp;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::UnixTime;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::answers::IssuedCertificate;
use crate::builder::CONNECT_TIME_MAX;
use crate::call::{Failure, Policy, Why, connect_error, tls_error};
use crate::error::Error;
use crate::invite::{InviteError, InviteString, Pin};
use crate::outcome::Rejection;
use crate::retry::Retries;
use crate::tls::{self, Address, Connector};
use crate::wire::{FromWire, there};

pub use folder::CredentialFolder;
pub(crate) use renewal::Renewal;

/// How long an enrolment may take in all, unless somebody says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two tries, where the house says nothing about it.
const PAUSE: Duration = Duration::from_secs(1);

/// Uses an invite: makes a key, has it certified, and puts all that a client needs into a folder.
///
/// ```no_run
/// # async fn example(text: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use partner_sdk::Enrolment;
///
/// let folder = Enrolment::new(text.parse()?).folder("credentials").enroll().await?;
/// let client = folder.client().connect().await?;
/// println!("connected as {}", client.server_info().await?.caller_id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "an invite is not used until `enroll` is called"]
pub struct Enrolment {
    invite: InviteString,
    folder: PathBuf,
    deadline: Duration,
}

impl Enrolment {
    /// With this invite.
    pub fn new(invite: InviteString) -> Self {
        Self { invite, folder: "credentials".into(), deadline: DEADLINE }
    }

    /// Where the credential goes. It is made if it is not there, and nobody but its owner may look into it. Default:
    /// `credentials`, in the folder of the process.
    pub fn folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folder = path.into();
        self
    }

    /// How long it may take in all. Default: 30 seconds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Does it. It may be repeated until it has succeeded: the key is kept in the folder, and for it the house gives the same
    /// certificate until the invite ends.
    ///
    /// # Errors
    /// [`EnrolmentError`]: each says what to do.
    pub async fn enroll(self) -> Result<CredentialFolder, EnrolmentError> {
        if self.folder.join(folder::TOLD).exists() {
            return Err(EnrolmentError::Enrolled { folder: self.folder });
        }
        folder::make_folder(&self.folder)?;
        let key = folder::key_in(&self.folder.join(folder::KEY))?;
        let csr = key.csr()?;
        let (pin, endpoint) = (self.invite.pin(), self.invite.endpoint());
        let tls = tls::newcomer_config(|provider| Arc::new(pinned::PinnedVerifier::new(pin, provider)))?;
        let secret = self.invite.secret();
        let enroll = |channel| {
            let request = v1::EnrollRequest { invite_id: self.invite.id(), secret: secret.to_vec(), csr: csr.clone() };
            async move { EnrolmentServiceClient::new(channel).enroll(request).await }
        };
        let answer = ask(endpoint, tls, self.deadline, enroll).await?;
        let issued: IssuedCertificate = FromWire::read(there(answer.issued, "issued")?)?;
        if !Pin::of_pem(&issued.ca_pem)?.contains(&pin) {
            return Err(Error::protocol("the authority with the pin of the invite is not among those to trust").into());
        }
        folder::write_issued(&self.folder, &key, &issued, endpoint)?;
        Ok(CredentialFolder::open(self.folder)?)
    }
}

/// Has a credential that has ended renewed, for a till that was switched off.
async fn renew_ended(folder: &CredentialFolder, csr: Vec<u8>) -> Result<IssuedCertificate, EnrolmentError> {
    let [authorities, ..] = folder.identity();
    let ca =
        std::fs::read(&authorities).map_err(|source| Error::File { path: authorities, source: Arc::new(source) })?;
    let (certificate, signature) = (folder.certificate()?, folder.key()?.sign(&csr)?);
    let renew = |channel| {
        let request =
            v1::RenewEndedRequest { certificate: certificate.to_vec(), csr: csr.clone(), signature: signature.clone() };
        async move { EnrolmentServiceClient::new(channel).renew_ended(request).await }
    };
    let answer = ask(folder.enrolment_endpoint(), tls::trusting_config(&ca)?, DEADLINE, renew).await?;
    Ok(FromWire::read(there(answer.issued, "issued")?)?)
}

/// Asks the enrolment listener, again where that is of use: the same request has the same answer.
async fn ask<T, F, Fut>(
    endpoint: &str,
    tls: Arc<ClientConfig>,
    deadline: Duration,
    call: F,
) -> Result<T, EnrolmentError>
where
    F: Fn(Channel) -> Fut,
    Fut: Future<Output = Result<Response<T>, Status>>,
{
    let retries = Retries::standard();
    let policy = Policy { endpoint: endpoint.to_owned(), budget: retries.new_budget(), retries };
    let connector = Connector::new(Address::parse(endpoint, None)?, tls, CONNECT_TIME_MAX)?;
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let channel = match tokio::time::timeout(left, connector.connected()).await {
            Ok(connected) => connected.map_err(|error| of_connection(endpoint, error))?,
            Err(_elapsed) => return Err(Error::DeadlineExceeded { deadline }.into()),
        };
        let status = match tokio::time::timeout(left, call(channel)).await {
            Ok(Ok(answer)) => return Ok(answer.into_inner()),
            Ok(Err(status)) => status,
            Err(_elapsed) => return Err(Error::DeadlineExceeded { deadline }.into()),
        };
        let failure = policy.failure(status, deadline);
        let wait = failure.retry_after.unwrap_or(PAUSE);
        if !failure.retry || Instant::now() + wait >= end {
            return Err(of_failure(endpoint, failure));
        }
        tokio::time::sleep(wait).await;
    }
}

/// Why there is no connection. What a newcomer can do about it depends on what TLS says.
fn of_connection(endpoint: &str, error: tonic::transport::Error) -> EnrolmentError {
    let endpoint = endpoint.to_owned();
    let mut chain: Option<&(dyn StdError + 'static)> = Some(&error);
    let mut tls = None;
    while let Some(next) = chain {
        tls = tls.or_else(|| tls_error(next));
        chain = next.source();
    }
    let clock = |time: UnixTime, bound: UnixTime, ended| EnrolmentError::Clock {
        machine: system_time(time),
        bound: system_time(bound),
        ended,
    };
    match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) if other.0.is::<pinned::OtherPin>() => {
            EnrolmentError::OtherHouse { endpoint }
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after })) => {
            clock(*time, *not_after, true)
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before })) => {
            clock(*time, *not_before, false)
        }
        Some(_) | None => {
            let error = connect_error(&endpoint, error);
            if let Error::Unavailable { endpoint, message, .. } = error {
                EnrolmentError::Unreachable { endpoint, problem: message }
            } else {
                error.into()
            }
        }
    }
}

fn system_time(time: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

/// What the house said.
fn of_failure(endpoint: &str, failure: Failure) -> EnrolmentError {
    match (failure.why, failure.retry_after) {
        (Why::Rejected(rejection), _) => of_rejection(rejection),
        (Why::Error(Error::Unavailable { message, .. } | Error::RateLimited { message, .. }), Some(after)) => {
            EnrolmentError::ComeBack { after, message }
        }
        (Why::Error(Error::Unavailable { message, .. }), None) => {
            EnrolmentError::Unreachable { endpoint: endpoint.to_owned(), problem: message }
        }
        (Why::Error(error), _) => error.into(),
    }
}

fn of_rejection(rejection: Rejection) -> EnrolmentError {
    let told = |name: &str| rejection.metadata.get(name).cloned().unwrap_or_else(|| "a time before".to_owned());
    match rejection.reason.as_str() {
        "INVITE_UNKNOWN" => EnrolmentError::Unknown,
        "INVITE_ENDED" => EnrolmentError::Ended { end_time: told("end_time") },
        "INVITE_WITHDRAWN" => EnrolmentError::Withdrawn,
        "INVITE_USED" => EnrolmentError::Used { used_time: told("used_time") },
        "ENROLMENT_OFF" => EnrolmentError::Off,
        "CREDENTIAL_UNKNOWN" => EnrolmentError::CredentialUnknown,
        "CREDENTIAL_REVOKED" => EnrolmentError::CredentialRevoked,
        "CREDENTIAL_ENDED" => EnrolmentError::CredentialEnded { end_time: told("end_time") },
        _ => Error::Refused(rejection).into(),
    }
}

/// Why there is no certificate. Each says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// The string is no invite, is cut, or was changed on its way.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// There is a credential in the folder.
    #[error("{} holds a credential already: name another folder, or move that one away", folder.display())]
    Enrolled {
        /// The folder.
        folder: PathBuf,
    },
    /// Nobody answers there.
    #[error(
        "nobody answers at {endpoint}, where the invite is used: {problem}. Is this machine connected, and does its network let \
         it out to that port? Else ask the operator whether the house is open"
    )]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What went wrong.
        problem: String,
    },
    /// Whoever answers is not the house of the invite.
    #[error(
        "whoever answers at {endpoint} is not the house that the invite is for: its certificates do not have the pin of the \
         invite. Do not go on: somebody may stand between, so call the operator by a way that you know"
    )]
    OtherHouse {
        /// Where.
        endpoint: String,
    },
    /// By this machine's clock the certificate of the house is not valid.
    #[error(
        "this machine's clock says {machine}, and the certificate of the house {verb} {bound}: set the clock (a time service \
         keeps it right); if it is right, tell the operator",
        machine = Timestamp::from(*machine),
        verb = if *ended { "ended" } else { "begins" },
        bound = Timestamp::from(*bound)
    )]
    Clock {
        /// What this machine's clock says.
        machine: SystemTime,
        /// When the certificate of the house ended or begins.
        bound: SystemTime,
        /// It ended, by this clock; else it begins later.
        ended: bool,
    },
    /// The house knows no such invite.
    #[error("the house knows no such invite: ask whoever invited you for a new one")]
    Unknown,
    /// The invite has ended.
    #[error("the invite ended {end_time}: ask whoever invited you for a new one")]
    Ended {
        /// When, by the house's clock.
        end_time: String,
    },
    /// The invite was taken back.
    #[error("the invite was taken back by whoever made it: ask for a new one")]
    Withdrawn,
    /// Somebody has used the invite, with another key.
    #[error(
        "the invite was used {used_time} with another key than the one in this folder. If that was not you, in another folder \
         say, somebody else has seen the string: tell whoever invited you, at once, to revoke what came of it"
    )]
    Used {
        /// When, by the house's clock.
        used_time: String,
    },
    /// The house has no time for it now.
    #[error("the house asks to come back in {} seconds: {message}", after.as_secs().max(1))]
    ComeBack {
        /// When to try again.
        after: Duration,
        /// In the house's words.
        message: String,
    },
    /// The house issues no certificates.
    #[error("this house issues no certificates: ask the operator for one that is made by hand")]
    Off,
    /// The house did not issue the credential that is to be renewed.
    #[error(
        "the house does not know this credential: ask the operator, or whoever looks after your devices, for an invite"
    )]
    CredentialUnknown,
    /// The credential was revoked.
    #[error("this credential was revoked, and is not renewed: ask whoever revoked it; a new one needs an invite")]
    CredentialRevoked,
    /// The credential ended too long ago.
    #[error("this credential ended {end_time}, too long ago to be renewed: ask for an invite")]
    CredentialEnded {
        /// When.
        end_time: String,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl EnrolmentError {
    /// The reason in UPPER_SNAKE, for programs: the house's own, or `INVITE_MALFORMED`, `ENROLLED`, `UNREACHABLE`, `OTHER_HOUSE`,
    /// `WRONG_CLOCK`, `COME_BACK`; none for [`Other`](Self::Other) unless the house said one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        Some(match self {
            Self::Invite(_) => "INVITE_MALFORMED",
            Self::Enrolled { .. } => "ENROLLED",
            Self::Unreachable { .. } => "UNREACHABLE",
            Self::OtherHouse { .. } => "OTHER_HOUSE",
            Self::Clock { .. } => "WRONG_CLOCK",
            Self::Unknown => "INVITE_UNKNOWN",
            Self::Ended { .. } => "INVITE_ENDED",
            Self::Withdrawn => "INVITE_WITHDRAWN",
            Self::Used { .. } => "INVITE_USED",
            Self::ComeBack { .. } => "COME_BACK",
            Self::Off => "ENROLMENT_OFF",
            Self::CredentialUnknown => "CREDENTIAL_UNKNOWN",
            Self::CredentialRevoked => "CREDENTIAL_REVOKED",
            Self::CredentialEnded { .. } => "CREDENTIAL_ENDED",
            Self::Other(Error::Refused(rejection)) => rejection.reason.as_str(),
            Self::Other(_) => return None,
        })
    }
}

impl From<EnrolmentError> for Error {
    fn from(error: EnrolmentError) -> Self {
        if let EnrolmentError::Other(error) = error {
            error
        } else {
            Self::Config { what: "the credential", problem: error.to_string() }
        }
    }
}
