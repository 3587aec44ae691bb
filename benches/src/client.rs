//! Callers: connections over mTLS, and what is done on them.
//!
//! The calls go through the generated client, on connections set up as the SDK sets them up: so the ceiling, the
//! hand-written baseline and the house are all measured without the SDK, and [`SdkIssues`] shows what it adds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clearing_proto::v1;
use clearing_proto::v1::entry_service_client::EntryServiceClient;
use clearing_proto::v1::hold_service_client::HoldServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use clearing_proto::v1::notice_service_client::NoticeServiceClient;
use clearing_proto::v1::position_service_client::PositionServiceClient;
use clearing_proto::v1::receipt_service_client::ReceiptServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use partner_sdk::{Client, Issue, Outcome};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::coalition::{Certificates, ClientPem};
use crate::harness::Source;
use crate::workload::Workload;

mod sources;
mod watched;
use self::watched::Watched;
pub use sources::{BatchIssues, EmptyCalls, Holds, Issues, MixedCalls, Redemptions, SdkIssues, StreamIssues};

/// Flow control as the SDK has it.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Connections of the brand that may have most of the load; the others have one each.
const HOT_CONNECTIONS: usize = 4;

/// The brands' connections to one system. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    /// The connections of each brand.
    channels: Arc<Vec<Vec<Channel>>>,
    next: Arc<AtomicUsize>,
    /// Operations that were acknowledged, whether or not they were measured.
    acknowledged: Arc<AtomicU64>,
}

impl Clients {
    /// # Errors
    /// If a connection cannot be made.
    pub async fn connect(address: SocketAddr, certificates: &Certificates) -> Result<Self> {
        let mut channels = Vec::new();
        for (at, identity) in certificates.partners.iter().enumerate() {
            let tls = TlsConnector::from(Arc::new(tls_config(&certificates.server.ca_pem, identity)?));
            let mut connections = Vec::new();
            for _ in 0..if at == 0 { HOT_CONNECTIONS } else { 1 } {
                connections.push(connect(address, tls.clone()).await?);
            }
            channels.push(connections);
        }
        Ok(Self { channels: Arc::new(channels), next: Arc::default(), acknowledged: Arc::default() })
    }

    /// The service of issues as a brand sees it.
    pub fn issues(&self, partner: usize) -> IssueServiceClient<Channel> {
        IssueServiceClient::new(self.channel(partner))
    }

    /// The service of redemptions as a brand sees it.
    pub fn redemptions(&self, partner: usize) -> RedemptionServiceClient<Channel> {
        RedemptionServiceClient::new(self.channel(partner))
    }

    /// The service of holds as a brand sees it.
    pub fn holds(&self, partner: usize) -> HoldServiceClient<Channel> {
        HoldServiceClient::new(self.channel(partner))
    }

    /// The service of members as a brand sees it.
    pub fn members(&self, partner: usize) -> MemberServiceClient<Channel> {
        MemberServiceClient::new(self.channel(partner))
    }

    /// The service of entries as a brand sees it.
    pub fn entries(&self, partner: usize) -> EntryServiceClient<Channel> {
        EntryServiceClient::new(self.channel(partner))
    }

    /// The service of receipts as a brand sees it.
    pub fn receipts(&self, partner: usize) -> ReceiptServiceClient<Channel> {
        ReceiptServiceClient::new(self.channel(partner))
    }

    /// The service of notices as a brand sees it.
    pub fn notices(&self, partner: usize) -> NoticeServiceClient<Channel> {
        NoticeServiceClient::new(self.channel(partner))
    }

    /// The connection of a brand whose turn it is.
    fn channel(&self, partner: usize) -> Channel {
        let connections = &self.channels[partner];
        let turn = match connections.len() {
            1 => 0,
            many => self.next.fetch_add(1, Ordering::Relaxed) % many,
        };
        connections[turn].clone()
    }

    /// The accountant's service as a brand sees it.
    pub fn positions(&self, partner: usize) -> PositionServiceClient<Channel> {
        PositionServiceClient::new(self.channels[partner][0].clone())
    }

    /// Operations acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Counts acknowledged operations.
    pub fn acknowledge(&self, operations: u64) {
        self.acknowledged.fetch_add(operations, Ordering::Relaxed);
    }
}

pub(crate) fn tls_config(ca_pem: &str, identity: &ClientPem) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(authority?)?;
    }
    let chain = CertificateDer::pem_slice_iter(identity.cert.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    tls.resumption = Resumption::disabled();
    Ok(tls)
}

/// A connection that is made anew when it breaks.
pub(crate) async fn connect(address: SocketAddr, tls: TlsConnector) -> Result<Channel> {
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move { handshake(address, &tls).await.map(TokioIo::new) }
    });
    endpoint(address)?.connect_with_connector(connector).await.context("connecting to the system under load")
}

/// A connection that is made once, and when the other side closed it.
pub(crate) async fn connect_once(
    address: SocketAddr,
    tls: &TlsConnector,
) -> Result<(Channel, oneshot::Receiver<Instant>)> {
    let (watched, closed) = Watched::new(handshake(address, tls).await?);
    let mut once = Some(TokioIo::new(watched));
    let connector = tower::service_fn(move |_: Uri| {
        std::future::ready(once.take().ok_or_else(|| io::Error::other("this connection is made once")))
    });
    let channel = endpoint(address)?.connect_with_connector(connector).await;
    Ok((channel.context("connecting to the system under load")?, closed))
}

async fn handshake(address: SocketAddr, tls: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    tls.connect(ServerName::from(address.ip()), tcp).await
}

fn endpoint(address: SocketAddr) -> Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .origin(format!("https://{address}").parse()?)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// A brand's client of the SDK, with one connection.
///
/// # Errors
/// If it cannot connect.
pub async fn sdk(address: SocketAddr, certificates: &Certificates, identity: &ClientPem) -> Result<Client> {
    let client = Client::builder(format!("https://{address}"))
        .ca_pem(certificates.server.ca_pem.as_bytes())
        .identity_pem(identity.cert.as_bytes(), identity.key.as_bytes());
    Ok(client.connect().await?)
}
