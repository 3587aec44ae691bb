//! What a client needs to know before it can speak with the house.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::call::{Policy, connect_error};
use crate::client::{Client, Clock, Shared};
#[cfg(feature = "enrolment")]
use crate::enrolment::{CredentialFolder, Renewal};
use crate::error::Error;
use crate::invite::Pin;
use crate::retry::Retries;
use crate::tls::{self, Address, Connector};

/// How long a call may take in all, its retries among it, unless the builder says otherwise.
const DEADLINE: Duration = Duration::from_secs(10);
/// The same for batches.
const BATCH_DEADLINE: Duration = Duration::from_secs(60);
/// A house that does not answer a connection in this time will not answer it later.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Text or file. What is in it may be a private key, and is wiped from memory when it was used.
#[derive(Clone)]
enum Pem {
    Text(Zeroizing<Vec<u8>>),
    File(PathBuf),
}

impl Pem {
    fn text(pem: impl Into<Vec<u8>>) -> Self {
        Self::Text(Zeroizing::new(pem.into()))
    }

    fn read(self) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::File(path) => match std::fs::read(&path) {
                Ok(text) => Ok(Zeroizing::new(text)),
                Err(source) => Err(Error::File { path, source: Arc::new(source) }),
            },
        }
    }
}

/// Makes a [`Client`].
#[derive(Clone)]
#[must_use = "a builder makes no connection until `connect` is called"]
pub struct ClientBuilder {
    endpoint: String,
    server_name: Option<String>,
    ca: Option<Pem>,
    cert: Option<Pem>,
    key: Option<Pem>,
    deadline: Duration,
    batch_deadline: Duration,
    retries: Retries,
    connections: usize,
    clock: Clock,
    /// The credential that is renewed when it is due.
    #[cfg(feature = "enrolment")]
    folder: Option<CredentialFolder>,
}

impl ClientBuilder {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            server_name: None,
            ca: None,
            cert: None,
            key: None,
            deadline: DEADLINE,
            batch_deadline: BATCH_DEADLINE,
            retries: Retries::standard(),
            connections: 1,
            clock: Arc::new(system_time),
            #[cfg(feature = "enrolment")]
            folder: None,
        }
    }

    /// The identity of a credential, which is renewed when it is due.
    #[cfg(feature = "enrolment")]
    pub(crate) fn folder(mut self, folder: CredentialFolder) -> Self {
        self = self.folder_as_it_is(&folder);
        self.folder = Some(folder);
        self
    }

    /// The same, which is not renewed.
    #[cfg(feature = "enrolment")]
    pub(crate) fn folder_as_it_is(self, folder: &CredentialFolder) -> Self {
        let [authorities, certificate, key] = folder.identity();
        self.ca_file(authorities).identity_files(certificate, key)
    }

    /// The coalition's certificate, by which the house is recognised. Required. No other authority is trusted.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca = Some(Pem::File(path.as_ref().to_owned()));
        self
    }

    /// As [`Self::ca_file`], from memory.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(Pem::text(pem));
        self
    }

    /// This brand's certificate and private key, PEM files. Required.
    pub fn identity_files(mut self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.cert = Some(Pem::File(cert.as_ref().to_owned()));
        self.key = Some(Pem::File(key.as_ref().to_owned()));
        self
    }

    /// As [`Self::identity_files`], from memory.
    pub fn identity_pem(mut self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.cert = Some(Pem::text(cert));
        self.key = Some(Pem::text(key));
        self
    }

    /// The name that the house's certificate must carry, when it is not the host of the endpoint.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// How long a call may take in all, its retries among it. Default: 10 seconds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same for [`Client::batch_issue`] and for each answer of a stream. Default: 60 seconds.
    pub fn batch_deadline(mut self, deadline: Duration) -> Self {
        self.batch_deadline = deadline;
        self
    }

    /// How calls are tried again. Default: [`Retries::standard`].
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Over how many connections calls are spread, in turn. One carries thousands of calls at a time; more help a program
    /// that keeps several cores busy. Default: 1; 0 is taken as 1.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// The clock that request ids carry. Default: the system's. For programs that play against a sandbox, whose time is
    /// its own.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Connects, so that a wrong address shows at once, and a lack of trust on either side too.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::File`]: what was given cannot be used, or a credential that has ended is not renewed any
    /// more. [`Error::Tls`]: the house is not the one that was meant, or does not accept this brand's certificate.
    /// [`Error::Unavailable`]: it cannot be reached.
    #[cfg_attr(not(feature = "enrolment"), allow(unused_mut, reason = "a credential that has ended changes it"))]
    pub async fn connect(mut self) -> Result<Client, Error> {
        #[cfg(feature = "enrolment")]
        if let Some(folder) = self.folder.take_if(|folder| folder.has_ended()) {
            self.folder = Some(folder.renew().await?);
        }
        self.connect_as_it_is().await
    }

    /// The same with the identity that there is, be it one that has ended.
    pub(crate) async fn connect_as_it_is(self) -> Result<Client, Error> {
        let connector = self.connector()?;
        let mut channels = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            channels.push(connector.connected().await.map_err(|error| connect_error(&self.endpoint, error))?);
        }
        Ok(self.client(channels))
    }

    /// Connects with the first call.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::File`]: what was given cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let connector = self.connector()?;
        let channels = (0..self.connections).map(|_| connector.lazy()).collect();
        Ok(self.client(channels))
    }

    /// The pin of the authority by which the house is recognised, as invites have it. Where several are trusted, as while one
    /// replaces the other, it is found out by connecting.
    ///
    /// # Errors
    /// As of [`Self::connect`].
    pub async fn pin(&self) -> Result<Pin, Error> {
        let mut authorities = tls::authorities(&given(&self.ca, CA)?)?;
        let mut last = authorities.pop().expect("a text without one was refused");
        for authority in authorities.into_iter().rev() {
            if self.connector_trusting(vec![last.clone()])?.connected().await.is_ok() {
                break;
            }
            last = authority;
        }
        Pin::of_der(&last)
    }

    pub(crate) fn connector(&self) -> Result<Connector, Error> {
        self.connector_trusting(tls::authorities(&given(&self.ca, CA)?)?)
    }

    fn connector_trusting(&self, authorities: Vec<CertificateDer<'static>>) -> Result<Connector, Error> {
        let address = Address::parse(&self.endpoint, self.server_name.as_deref())?;
        let cert = given(&self.cert, "the client certificate")?;
        let key = given(&self.key, "the private key")?;
        Connector::new(address, tls::client_config(authorities, &cert, &key)?, CONNECT_TIME_MAX)
    }

    fn client(self, channels: Vec<tonic::transport::Channel>) -> Client {
        let budget = self.retries.new_budget();
        let shared = Arc::new(Shared {
            policy: Policy { endpoint: self.endpoint.clone(), retries: self.retries.clone(), budget },
            channels: RwLock::new(channels),
            next_channel: AtomicUsize::new(0),
            clock: Arc::clone(&self.clock),
            tasks: Mutex::new(JoinSet::new()),
        });
        #[cfg(feature = "enrolment")]
        if let Some(folder) = self.folder.clone() {
            let renewal = Renewal::new(folder, self.clone());
            let weak = Arc::downgrade(&shared);
            shared.tasks.lock().expect("nobody panics with the lock").spawn(renewal.run(weak));
        }
        self.client_of(shared)
    }

    /// A client of these connections, with the deadlines of this builder.
    pub(crate) fn client_of(&self, shared: Arc<Shared>) -> Client {
        Client { shared, deadline: self.deadline, batch_deadline: self.batch_deadline }
    }
}

const CA: &str = "the coalition's certificate";

fn given(pem: &Option<Pem>, what: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
    match pem {
        Some(pem) => pem.clone().read(),
        None => Err(Error::Config { what, problem: "it was not given".to_owned() }),
    }
}

impl fmt::Debug for ClientBuilder {
    /// Leaves out the identity: a private key must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoint", &self.endpoint)
            .field("deadline", &self.deadline)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

#[allow(clippy::disallowed_methods, reason = "the SDK's one clock: a till has no other than its own")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}
