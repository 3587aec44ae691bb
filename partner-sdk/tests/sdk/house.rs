//! A house that plays a script: it answers, refuses, falls silent or loses its connection, and remembers every request.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use clearing_certs::{Authority, Kind, ServerAddress, Validity};
use clearing_proto::v1;
use clearing_proto::v1::entry_service_server::{EntryService, EntryServiceServer};
use clearing_proto::v1::hold_service_server::{HoldService, HoldServiceServer};
use clearing_proto::v1::issue_service_server::{IssueService, IssueServiceServer};
use clearing_proto::v1::member_service_server::{MemberService, MemberServiceServer};
use clearing_proto::v1::redemption_service_server::{RedemptionService, RedemptionServiceServer};
use partner_sdk::{Client, ClientBuilder};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

/// What the house does with one call.
#[derive(Debug)]
pub enum Step {
    /// Answers.
    Answer,
    /// Refuses.
    Refuse(Status),
    /// Takes the request and loses all its connections before the answer leaves.
    LoseConnection,
    /// Takes the request and never answers.
    FallSilent,
}

/// A coalition's authority, and what it issued.
pub struct Coalition {
    pub authority: Authority,
}

impl Coalition {
    pub fn new() -> Self {
        Self { authority: Authority::generate("example.test", validity()).unwrap() }
    }

    pub fn ca_pem(&self) -> &str {
        self.authority.cert_pem()
    }

    pub fn partner(&self, id: &str) -> (String, String) {
        let (issued, key) = self.authority.issue_client(Kind::Partner, id, validity()).unwrap();
        (issued.cert_pem, key.expose_pem().to_owned())
    }

    /// The same authority once more.
    pub fn authority_again(&self) -> Authority {
        Authority::from_pem(self.ca_pem(), self.authority.private_key().expose_pem()).unwrap()
    }

    fn server_config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem().as_bytes()).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let (issued, key) = self.authority.issue_server(&ServerAddress::loopback(), validity()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.expose_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

/// Valid now, whenever the test runs: tests read no clock.
pub fn validity() -> Validity {
    Validity { not_before: "2020-01-01T00:00:00Z".parse().unwrap(), not_after: "2120-01-01T00:00:00Z".parse().unwrap() }
}

/// A running house. Dropping it stops it.
pub struct House {
    pub coalition: Coalition,
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Step>>,
    issues: Mutex<Vec<v1::IssuePointsRequest>>,
    batches: Mutex<Vec<i64>>,
    /// The request ids of authorizations that arrived.
    holds: Mutex<Vec<String>>,
    pages: Mutex<Vec<String>>,
    /// How many connections were taken, and a switch for each that is open: on means lost.
    connections: Mutex<Vec<Arc<AtomicBool>>>,
}

impl House {
    /// Starts a house that plays these steps and answers every later call.
    pub async fn playing(script: impl IntoIterator<Item = Step>) -> Self {
        let coalition = Coalition::new();
        let state = Arc::new(State { script: Mutex::new(script.into_iter().collect()), ..State::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (incoming, connections) = mpsc::channel(16);
        let acceptor = TlsAcceptor::from(coalition.server_config());
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&state);
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // A client that is refused here is the client's test, not this task's.
                let Ok(tls) = acceptor.accept(tcp).await else { continue };
                let lost = Arc::new(AtomicBool::new(false));
                accepting.connections.lock().unwrap().push(Arc::clone(&lost));
                if incoming.send(Ok::<_, io::Error>(Connection { tls, lost })).await.is_err() {
                    return;
                }
            }
        });
        let script = || Script(Arc::clone(&state));
        let server = Server::builder()
            .add_service(IssueServiceServer::new(script()))
            .add_service(RedemptionServiceServer::new(script()))
            .add_service(HoldServiceServer::new(script()))
            .add_service(EntryServiceServer::new(script()))
            .add_service(MemberServiceServer::new(script()));
        tasks.spawn(async move {
            server
                .serve_with_incoming(ReceiverStream::new(connections))
                .await
                .expect("the server ends only when the test does");
        });
        Self { coalition, address, state, _tasks: tasks }
    }

    /// The endpoint of the house.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A builder for a client that is a partner of the coalition.
    pub fn builder(&self) -> ClientBuilder {
        let (cert, key) = self.coalition.partner("grocer");
        Client::builder(self.endpoint()).ca_pem(self.coalition.ca_pem()).identity_pem(cert, key)
    }

    pub async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    /// Every issue that arrived, in order, repeated ones as often as they did.
    pub fn issues(&self) -> Vec<v1::IssuePointsRequest> {
        self.state.issues.lock().unwrap().clone()
    }

    /// The numbers of the batches that arrived over streams.
    pub fn batches(&self) -> Vec<i64> {
        self.state.batches.lock().unwrap().clone()
    }

    /// The request ids of the authorizations that arrived.
    pub fn holds(&self) -> Vec<String> {
        self.state.holds.lock().unwrap().clone()
    }

    /// The page tokens that arrived.
    pub fn pages(&self) -> Vec<String> {
        self.state.pages.lock().unwrap().clone()
    }

    /// How many connections were taken.
    pub fn connections(&self) -> usize {
        self.state.connections.lock().unwrap().len()
    }
}

impl State {
    /// Plays the next step of the script.
    async fn play(&self) -> Result<(), Status> {
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Answer);
        match step {
            Step::Answer => Ok(()),
            Step::Refuse(status) => Err(status),
            Step::LoseConnection => {
                for lost in self.connections.lock().unwrap().iter() {
                    lost.store(true, Ordering::Release);
                }
                Ok(())
            }
            Step::FallSilent => std::future::pending().await,
        }
    }

    fn issued(&self, request: &v1::IssuePointsRequest) -> v1::IssuePointsResponse {
        self.issues.lock().unwrap().push(request.clone());
        v1::IssuePointsResponse {
            written: written(v1::Entry {
                entry_id: format!("entry-of-{}", request.request_id),
                kind: v1::EntryKind::Issue.into(),
                entry_time: Some(prost_types::Timestamp::default()),
                request_id: Some(request.request_id.clone()),
                ..v1::Entry::default()
            }),
            member: member(request.points),
        }
    }

    /// Points below zero are malformed, 13 are against the rules, and 14 are too many at a time.
    fn result(&self, item: &v1::IssuePointsRequest) -> v1::IssueResult {
        let issued = self.issued(item);
        let error = |code: tonic::Code, reason: &str, recorded: Option<bool>| {
            v1::issue_result::Result::Error(v1::ItemError {
                code: code.into(),
                reason: reason.to_owned(),
                domain: "clearing.coalition".to_owned(),
                message: "as the script says".to_owned(),
                metadata: recorded.map(|recorded| ("recorded".to_owned(), recorded.to_string())).into_iter().collect(),
                retry_delay: recorded.is_none().then(|| Duration::from_secs(14).try_into().unwrap()),
            })
        };
        v1::IssueResult {
            result: Some(match item.points {
                13 => error(tonic::Code::FailedPrecondition, "PARTNER_RESTRICTED", Some(true)),
                ..0 => error(tonic::Code::InvalidArgument, "INVALID_ARGUMENT", Some(false)),
                14 => error(tonic::Code::ResourceExhausted, "OVERLOADED", None),
                _ => v1::issue_result::Result::Issued(issued),
            }),
        }
    }
}

/// The services of the house, as far as the tests need them.
struct Script(Arc<State>);

fn written(entry: v1::Entry) -> Option<v1::Written> {
    Some(v1::Written { entries: vec![entry], ..v1::Written::default() })
}

fn member(available_points: i64) -> Option<v1::MemberFigures> {
    Some(v1::MemberFigures { member_id: "M".to_owned(), available_points, ..v1::MemberFigures::default() })
}

#[tonic::async_trait]
impl IssueService for Script {
    async fn issue_points(
        &self,
        request: Request<v1::IssuePointsRequest>,
    ) -> Result<Response<v1::IssuePointsResponse>, Status> {
        let answer = self.0.issued(request.get_ref());
        self.0.play().await?;
        Ok(Response::new(answer))
    }

    async fn batch_issue_points(
        &self,
        request: Request<v1::BatchIssuePointsRequest>,
    ) -> Result<Response<v1::BatchIssuePointsResponse>, Status> {
        let results = request.get_ref().items.iter().map(|item| self.0.result(item)).collect();
        self.0.play().await?;
        Ok(Response::new(v1::BatchIssuePointsResponse { results }))
    }

    type StreamIssuePointsStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<v1::StreamIssuePointsResponse, Status>> + Send>>;

    async fn stream_issue_points(
        &self,
        request: Request<Streaming<v1::StreamIssuePointsRequest>>,
    ) -> Result<Response<Self::StreamIssuePointsStream>, Status> {
        // The first step is for opening the stream, each later one for a batch.
        self.0.play().await?;
        let state = Arc::clone(&self.0);
        let answers = request.into_inner().then(move |batch| {
            let state = Arc::clone(&state);
            async move {
                let batch = batch?;
                state.batches.lock().unwrap().push(batch.batch_number);
                let results = batch.items.iter().map(|item| state.result(item)).collect();
                state.play().await?;
                Ok(v1::StreamIssuePointsResponse { batch_number: batch.batch_number, results })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tonic::async_trait]
impl EntryService for Script {
    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        // Four pages, of three entries each but for the third, which is empty.
        let token = request.into_inner().page_token;
        self.0.pages.lock().unwrap().push(token.clone());
        self.0.play().await?;
        let page: i64 =
            if token.is_empty() { 0 } else { token.parse().map_err(|_| Status::invalid_argument("token"))? };
        let entry = |place| v1::Entry {
            own_sequence: Some(page * 10 + place),
            entry_time: Some(prost_types::Timestamp::default()),
            // A kind that this version of the SDK does not know.
            kind: 999,
            ..v1::Entry::default()
        };
        let entries = if page == 2 { Vec::new() } else { (1..=3).map(entry).collect() };
        let next_page_token = if page < 3 { (page + 1).to_string() } else { String::new() };
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }

    async fn get_entry(&self, _: Request<v1::GetEntryRequest>) -> Result<Response<v1::GetEntryResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

#[tonic::async_trait]
impl MemberService for Script {
    async fn get_balance(&self, _: Request<v1::GetBalanceRequest>) -> Result<Response<v1::GetBalanceResponse>, Status> {
        self.0.play().await?;
        Ok(Response::new(v1::GetBalanceResponse { member: member(0), ..v1::GetBalanceResponse::default() }))
    }
}

#[tonic::async_trait]
impl RedemptionService for Script {
    async fn redeem_points(
        &self,
        _: Request<v1::RedeemPointsRequest>,
    ) -> Result<Response<v1::RedeemPointsResponse>, Status> {
        // The answer of a house that does not keep to the interface: nothing is in it.
        self.0.play().await?;
        Ok(Response::new(v1::RedeemPointsResponse::default()))
    }

    async fn quote_redemption(
        &self,
        _: Request<v1::QuoteRedemptionRequest>,
    ) -> Result<Response<v1::QuoteRedemptionResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn return_redemption(
        &self,
        _: Request<v1::ReturnRedemptionRequest>,
    ) -> Result<Response<v1::ReturnRedemptionResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

#[tonic::async_trait]
impl HoldService for Script {
    async fn authorize_redemption(
        &self,
        request: Request<v1::AuthorizeRedemptionRequest>,
    ) -> Result<Response<v1::AuthorizeRedemptionResponse>, Status> {
        let request = request.into_inner();
        self.0.holds.lock().unwrap().push(request.request_id.clone());
        self.0.play().await?;
        let entry = v1::Entry {
            entry_id: format!("entry-of-{}", request.request_id),
            entry_time: Some(prost_types::Timestamp::default()),
            ..v1::Entry::default()
        };
        Ok(Response::new(v1::AuthorizeRedemptionResponse {
            hold_id: entry.entry_id.clone(),
            written: written(entry),
            member: member(0),
        }))
    }

    async fn capture_hold(
        &self,
        _: Request<v1::CaptureHoldRequest>,
    ) -> Result<Response<v1::CaptureHoldResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn void_hold(&self, _: Request<v1::VoidHoldRequest>) -> Result<Response<v1::VoidHoldResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn get_hold(&self, _: Request<v1::GetHoldRequest>) -> Result<Response<v1::GetHoldResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

/// A connection that can be lost.
pub struct Connection {
    pub tls: TlsStream<TcpStream>,
    pub lost: Arc<AtomicBool>,
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        if self.lost.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
