//! A credential, and what is done with it at a node until nobody hears it any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clearing_certs::{Issued, PrivateKey};
use clearing_proto::v1;
use clearing_proto::v1::info_service_client::InfoServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use partner_sdk::CredentialFolder;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::client::{connect, connect_once, tls_config};
use crate::coalition::{Certificates, ClientPem};
use crate::workload::Workload;

/// Between two writes, and between two reads: often enough to tell when they end, and little beside what others do.
const BETWEEN_WRITES: Duration = Duration::from_millis(10);
const BETWEEN_READS: Duration = Duration::from_millis(2);

/// Where the house says why it refused.
const REASON: &str = "clearing-reason";

/// A certificate with its key.
pub struct Credential {
    pub serial: String,
    tls: TlsConnector,
}

impl Credential {
    /// One that was enrolled.
    pub fn of(folder: &CredentialFolder) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.path().join(name);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let identity = ClientPem { cert: read("client.pem")?, key: read("client.key")? };
        Ok(Self { serial: folder.serial().to_owned(), tls: Self::tls(&read("ca.pem")?, &identity)? })
    }

    /// One that the authority made.
    pub fn by_hand(certificates: &Certificates, issued: Issued, key: &PrivateKey) -> Result<Self> {
        let identity = ClientPem { cert: issued.cert_pem, key: key.expose_pem().to_owned() };
        Ok(Self { serial: issued.serial_hex, tls: Self::tls(&certificates.server.ca_pem, &identity)? })
    }

    pub fn tls(ca_pem: &str, identity: &ClientPem) -> Result<TlsConnector> {
        Ok(TlsConnector::from(Arc::new(tls_config(ca_pem, identity)?)))
    }
}

/// What somebody with a credential has open at a node.
pub struct Seat {
    /// After one call nothing is said on it.
    idle: Channel,
    closed: oneshot::Receiver<Instant>,
    /// These are made anew when they break, as anybody would do who wants to go on.
    pub writing: Channel,
    pub reading: Channel,
}

impl Seat {
    /// Connects.
    ///
    /// # Errors
    /// If the credential is not good.
    pub async fn take(node: SocketAddr, credential: &Credential) -> Result<Self> {
        let (idle, closed) = connect_once(node, &credential.tls).await?;
        InfoServiceClient::new(idle.clone()).get_server_info(v1::GetServerInfoRequest::default()).await?;
        let (writing, reading) = (connect(node, credential.tls.clone()), connect(node, credential.tls.clone()));
        Ok(Self { idle, closed, writing: writing.await?, reading: reading.await? })
    }

    /// Waits until the house has closed the idle connection.
    ///
    /// # Errors
    /// If somebody else has.
    pub async fn closed(self) -> Result<Instant> {
        let closed = self.closed.await.context("nobody saw how the connection was closed");
        drop(self.idle);
        closed
    }
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// The house says that the credential was revoked.
    Refused,
    /// The connection was closed, and nobody knows.
    Lost,
}

impl Fate {
    fn of<T>(answer: &Result<T, Status>) -> Self {
        match answer {
            Ok(_) => Self::Done,
            Err(status) if status.metadata().get(REASON).is_some_and(|reason| reason == "CREDENTIAL_REVOKED") => {
                Self::Refused
            }
            Err(_) => Self::Lost,
        }
    }
}

/// A write, and what became of it.
#[derive(Debug)]
pub struct Write {
    pub sent: Instant,
    pub heard: Instant,
    pub fate: Fate,
    pub request: v1::IssuePointsRequest,
}

/// Writes once, from when this is first waited for.
pub async fn write(writing: Channel, request: v1::IssuePointsRequest) -> Write {
    let sent = Instant::now();
    let answer = IssueServiceClient::new(writing).issue_points(request.clone()).await;
    Write { sent, heard: Instant::now(), fate: Fate::of(&answer), request }
}

/// Writes until it is told to stop, whatever becomes of it.
pub async fn write_until(stop: CancellationToken, writing: Channel, mut workload: Workload) -> Vec<Write> {
    let mut writes = Vec::new();
    while !stop.is_cancelled() {
        writes.push(write(writing.clone(), workload.issue()).await);
        tokio::time::sleep(BETWEEN_WRITES).await;
    }
    writes
}

/// Reads until the house says that the credential was revoked: since when no read was answered any more.
pub async fn read_until_refused(reading: Channel, member: v1::MemberRef) -> Instant {
    let mut since = None;
    loop {
        let request = v1::GetBalanceRequest { member: Some(member.clone()) };
        let answer = MemberServiceClient::new(reading.clone()).get_balance(request).await;
        let heard = Instant::now();
        match Fate::of(&answer) {
            Fate::Done => since = None,
            Fate::Lost => {
                since.get_or_insert(heard);
            }
            Fate::Refused => return since.unwrap_or(heard),
        }
        tokio::time::sleep(BETWEEN_READS).await;
    }
}
