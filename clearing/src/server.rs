//! Putting the house together: database, writer, scheduler, services, and the door in front of them.
//!
//! | phase | health | calls |
//! |---|---|---|
//! | bound; migrations pending, or the database is out of reach (what waiting does not mend ends the start) | NOT_SERVING | UNAVAILABLE |
//! | the machine's clock is wrong at start | NOT_SERVING | reads are answered, writes UNAVAILABLE |
//! | missed cut-offs are closed, one by one | NOT_SERVING | UNAVAILABLE |
//! | open | SERVING while the books can be written ([`health`](crate::health)) | answered |
//! | the machine's clock became wrong | NOT_SERVING | reads are answered, writes UNAVAILABLE |
//! | draining | NOT_SERVING | those begun are answered, until the deadline |
//!
//! Stopping takes at most as long as it was given, whatever a client does: a client that does not take its answers, does
//! not end its requests or does not say goodbye is waited for only while that holds up nobody.

mod opening;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use clearing_proto::v1::admin_service_server::AdminServiceServer;
use clearing_proto::v1::approval_service_server::ApprovalServiceServer;
use clearing_proto::v1::bank_account_service_server::BankAccountServiceServer;
use clearing_proto::v1::care_service_server::CareServiceServer;
use clearing_proto::v1::credential_service_server::CredentialServiceServer;
use clearing_proto::v1::enrolment_service_server::EnrolmentServiceServer;
use clearing_proto::v1::entry_service_server::EntryServiceServer;
use clearing_proto::v1::hold_service_server::HoldServiceServer;
use clearing_proto::v1::info_service_server::InfoServiceServer;
use clearing_proto::v1::issue_service_server::IssueServiceServer;
use clearing_proto::v1::member_service_server::MemberServiceServer;
use clearing_proto::v1::notice_service_server::NoticeServiceServer;
use clearing_proto::v1::partner_service_server::PartnerServiceServer;
use clearing_proto::v1::people_service_server::PeopleServiceServer;
use clearing_proto::v1::position_service_server::PositionServiceServer;
use clearing_proto::v1::purchase_service_server::PurchaseServiceServer;
use clearing_proto::v1::receipt_service_server::ReceiptServiceServer;
use clearing_proto::v1::redemption_service_server::RedemptionServiceServer;
use clearing_proto::v1::report_service_server::ReportServiceServer;
use clearing_proto::v1::request_service_server::RequestServiceServer;
use clearing_proto::v1::reversal_service_server::ReversalServiceServer;
use clearing_proto::v1::sandbox_service_server::SandboxServiceServer;
use clearing_proto::v1::settlement_service_server::SettlementServiceServer;
use clearing_proto::v1::transfer_service_server::TransferServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;
use tracing::error;

use crate::backroom::Backroom;
use crate::badges::Devices;
use crate::clock::Clock;
use crate::door::body::Asked;
use crate::door::{Door, DoorCounts, DoorLimits};
use crate::enrolment::{EnrolmentOptions, Issuer, IssuerError, Limits, REQUEST_BYTES_MAX, Reception};
use crate::health::Health;
use crate::identifier::{IdentifierKey, OtherBooks};
use crate::rpc::auth::{AuthLayer, Caller, SERVICES};
use crate::rpc::bounds::ANSWER_BYTES_MAX;
use crate::rpc::complete::CompleteLayer;
use crate::rpc::opaque::Opaque;
use crate::rpc::{self, BATCH_BYTES_MAX, Context, INVITES_BYTES_MAX, MESSAGE_BYTES_MAX, errors, issue};
use crate::scheduler::Scheduler;
use crate::shares::{ReadShares, WriteShares};
use crate::store::{Backend, GateError, Occupancy, OccupyError, Store, StoreError};
use crate::tls::ending::{self, Ending, Whose};
use crate::tls::{Acceptor, Peer, TlsError, TlsMaterial, guests_config, server_config};
use crate::writer::{Writer, WriterCounts};

/// Calls in flight on one connection at the most.
const STREAMS_MAX: u32 = 128;

/// HTTP/2 flow control: room for a batch of the largest size, and for many small calls at once. The adaptive window of
/// hyper is not used: it shrinks to nothing under many small messages.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Heads of a request, in bytes as HTTP/2 counts them: its path, deadline and metadata.
const HEADERS_MAX: u32 = 16 * 1024;

/// Calls that are taken back before the house has looked at them: several times as many as may be under way. Below that, a client
/// that takes back all its calls at once would lose the others on the connection too. How many may be taken back in sum is
/// [`door`](crate::door)'s to say.
const RESETS_UNSEEN_MAX: usize = 1024;

/// How often a stop looks at what is still under way; and how long nothing must be, before peers that do not go by
/// themselves are sent away: they get to hear that the house stops, and what they had sent before that is taken.
const STOP_LOOK: Duration = Duration::from_millis(10);
const STOP_QUIET: Duration = Duration::from_millis(500);

/// Calls in flight on one connection of somebody who has no certificate, and how long one may take.
const GUEST_STREAMS_MAX: u32 = 4;
const GUEST_WAIT: Duration = Duration::from_secs(10);

/// How long a silent connection may stay silent.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What a house needs to open.
#[derive(Clone)]
pub struct ServerOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub tls: TlsMaterial,
    /// The coalition's domain: certificates of another are refused.
    pub domain: String,
    pub database_url: String,
    pub clock: Clock,
    pub identifier_key: IdentifierKey,
    /// How certificates are issued; none: the house issues none.
    pub enrolment: Option<EnrolmentOptions>,
    /// Whether callers may move the clock. Only with a manual one.
    pub sandbox: bool,
    pub limits: ServerLimits,
}

impl fmt::Debug for ServerOptions {
    /// Leaves out the database: there may be a password in its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("listen", &self.listen)
            .field("domain", &self.domain)
            .field("clock", &self.clock)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Everything has a limit.
#[derive(Debug, Clone, Default)]
pub struct ServerLimits {
    /// What each caller may have of the writer.
    pub writes: WriteShares,
    /// What each caller may have of the readers.
    pub reads: ReadShares,
    /// No more connections are let in than there are descriptors for: see [`files`](crate::door::files).
    pub door: DoorLimits,
}

/// Why the house did not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the system gives no threads for dear calls")]
    Threads(#[source] std::io::Error),
    #[error("the TLS material cannot be used")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Occupied(#[from] OccupyError),
    #[error(transparent)]
    OtherBooks(#[from] OtherBooks),
    #[error(transparent)]
    Gate(GateError),
}

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

/// How far a house has come with opening.
#[derive(Debug, Clone)]
enum Opening {
    /// It waits for something, or catches up.
    Waiting,
    /// It answers everybody.
    Serving,
    /// It never will.
    Refused(Arc<StartError>),
}

/// How a house closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything that was begun was answered.
    Clean,
    /// The deadline cut off what was still running; its callers ask again under the same request ids.
    CutOff,
}

/// A house that is open, or opening.
pub struct RunningServer {
    address: SocketAddr,
    stop: CancellationToken,
    health: Health,
    door: Door,
    context: Context,
    acceptor: Acceptor,
    ending: ending::Watch,
    enrolment: Option<Enrolment>,
    progress: watch::Receiver<Opening>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    watching: JoinHandle<()>,
    /// Gives the file of the books, if they are one, to be kept until nothing is written any more.
    opening: JoinHandle<Option<Occupancy>>,
    writing: JoinHandle<()>,
}

/// The listener for those who have no certificate yet.
struct Enrolment {
    address: SocketAddr,
    reception: Reception,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

/// HTTP/2 as the house speaks it. What is measured beside the house is served with the same settings.
pub fn transport() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADERS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_UNSEEN_MAX))
        // It would be a count over the life of a connection, and one that is refused a thousand calls is no enemy.
        .http2_max_local_error_reset_streams(None)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
}

/// Binds, and starts to open: a PostgreSQL that is out of reach is waited for. Returns as soon as the house can be asked
/// for its health.
///
/// # Errors
/// [`StartError`] if it cannot listen, its certificates cannot be used, the database's address is none, or its file
/// cannot be opened or is in use by another process. What can be told only later is [`RunningServer::refused`].
pub async fn start(options: ServerOptions) -> Result<RunningServer, StartError> {
    let listen = |source| StartError::Listen { address: options.listen, source };
    let door = Door::new(options.limits.door);
    let acceptor = Acceptor::new(server_config(&options.tls)?, &options.domain).with_door(door.clone());
    let ending = ending::Watch::default();
    ending.set(Whose::House, ending::of_material(&options.tls)?);
    let store = Store::connect_later(&options.database_url).await?;
    let mut books = opening::Books {
        domain: options.domain.clone(),
        since: options.clock.now(),
        occupancy: None,
        laid_out_meanwhile: false,
    };
    if store.backend() == Backend::Sqlite {
        books.open_file(&store, &options.identifier_key).await?;
    }
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let desk = match &options.enrolment {
        None => None,
        Some(enrolment) => {
            let listen = |source| StartError::Listen { address: enrolment.listen, source };
            let reception = Reception::new(guests_config(&options.tls)?);
            let listener = TcpListener::bind(enrolment.listen).await.map_err(listen)?;
            let at = listener.local_addr().map_err(listen)?;
            let issuer = Issuer::new(enrolment, (&options.domain, &options.tls.ca_pem), (address, at))?;
            Some((Arc::new(issuer), reception, listener, at))
        }
    };
    let (writer, writing) = Writer::start(store.clone(), options.clock.clone(), options.limits.writes);
    let scheduler = Scheduler::new(store.clone(), writer.clone(), options.clock.clone());
    let context = Context {
        store,
        writer,
        clock: options.clock,
        opaque: Arc::new(Opaque::new(&options.identifier_key)),
        identifier_key: Arc::new(options.identifier_key),
        house: Arc::new(ArcSwapOption::empty()),
        scheduler,
        door: door.clone(),
        devices: Devices::default(),
        issuer: desk.as_ref().map(|(issuer, ..)| Arc::clone(issuer)),
    };
    let backroom = Backroom::open().map_err(StartError::Threads)?;
    let stop = CancellationToken::new();
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health::new(reporter, services()).await;

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(clearing_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection_v1 = reflection().build_v1().expect("the descriptors are well formed");
    let reflection_v1alpha = reflection().build_v1alpha().expect("the descriptors are well formed");
    let sandbox = options.sandbox;
    /// The service of a room, with room for small messages.
    macro_rules! small {
        ($server:ident, $room:ident) => {
            $server::new(rpc::$room::Service(context.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX)
        };
    }
    let own = Own {
        issue: BySize::new(&context),
        redemption: small!(RedemptionServiceServer, redemption),
        hold: small!(HoldServiceServer, hold),
        purchase: small!(PurchaseServiceServer, purchase),
        reversal: small!(ReversalServiceServer, reversal),
        transfer: small!(TransferServiceServer, transfer),
        request: small!(RequestServiceServer, request),
        entry: small!(EntryServiceServer, entry),
        receipt: small!(ReceiptServiceServer, receipt),
        member: small!(MemberServiceServer, member),
        notice: small!(NoticeServiceServer, notice),
        position: small!(PositionServiceServer, position),
        partner: small!(PartnerServiceServer, partner),
        people: small!(PeopleServiceServer, people),
        approval: small!(ApprovalServiceServer, approval),
        care: small!(CareServiceServer, care),
        settlement: small!(SettlementServiceServer, settlement),
        credential: small!(CredentialServiceServer, credential).max_decoding_message_size(INVITES_BYTES_MAX),
        bank_account: small!(BankAccountServiceServer, bank_account),
        report: small!(ReportServiceServer, report),
        admin: small!(AdminServiceServer, admin),
        info: small!(InfoServiceServer, info),
    };
    let others = Routes::new(health_service).add_service(reflection_v1).add_service(reflection_v1alpha);
    let others = match sandbox {
        true => others.add_service(small!(SandboxServiceServer, sandbox)),
        false => others,
    };
    let services = Services { own: Arc::new(own), others: others.prepare() };
    let server = transport()
        .layer(CompleteLayer)
        .layer(AuthLayer::looking(context.clone()).with_reads(options.limits.reads).with_backroom(backroom));
    let stopped = stop.clone();
    let serve = server.serve_with_incoming_shutdown(services, acceptor.incoming(listener), async move {
        stopped.cancelled().await;
    });
    let (tell, progress) = watch::channel(Opening::Waiting);
    let open = opening::open(context.clone(), books, health.clone(), tell, stop.clone());
    let watch = {
        let (door, health, ending, stop) = (door.clone(), health.clone(), ending.clone(), stop.clone());
        async move {
            let certificates = health.watch_certificates(&ending, &stop);
            tokio::join!(door.watch(), certificates);
        }
    };
    #[allow(clippy::disallowed_methods, reason = "the house's three tasks; shutdown waits for them or ends them")]
    let (serving, opening, watching) = (tokio::spawn(serve), tokio::spawn(open), tokio::spawn(watch));
    let enrolment = desk.map(|(_, reception, listener, address)| {
        let serving = serve_guests(&context, &reception, listener, stop.clone());
        Enrolment { address, reception, serving }
    });
    Ok(RunningServer {
        address,
        stop,
        health,
        door,
        context,
        acceptor,
        ending,
        enrolment,
        progress,
        serving,
        watching,
        opening,
        writing,
    })
}

/// Serves those who have no certificate yet.
fn serve_guests(
    context: &Context,
    reception: &Reception,
    listener: TcpListener,
    stop: CancellationToken,
) -> JoinHandle<Result<(), tonic::transport::Error>> {
    let service = rpc::enrolment::Service { context: context.clone(), limits: Limits::default() };
    let service = EnrolmentServiceServer::new(service)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let mut server = transport().max_concurrent_streams(GUEST_STREAMS_MAX).timeout(GUEST_WAIT).layer(CompleteLayer);
    let serve = server.add_service(service).serve_with_incoming_shutdown(reception.incoming(listener), async move {
        stop.cancelled().await;
    });
    #[allow(clippy::disallowed_methods, reason = "ended with the house's other tasks at shutdown")]
    tokio::spawn(serve)
}

impl RunningServer {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where invites are used, if they are.
    pub fn enrolment_addr(&self) -> Option<SocketAddr> {
        self.enrolment.as_ref().map(|enrolment| enrolment.address)
    }

    /// Shows other certificates, and trusts other authorities and lists, in the handshakes that begin from now on, on all
    /// listeners; and lets another authority issue, where this house issues. Connections that are open stay, and their calls are
    /// answered.
    ///
    /// # Errors
    /// [`ReloadError`] says what cannot be used; all stays as it was then.
    pub fn reload(&self, tls: &TlsMaterial, issuing: Option<&EnrolmentOptions>) -> Result<(), ReloadError> {
        let (config, guests, endings) = (server_config(tls)?, guests_config(tls)?, ending::of_material(tls)?);
        match (&self.context.issuer, issuing) {
            (Some(issuer), Some(options)) => issuer.reload(options, &tls.ca_pem)?,
            (Some(issuer), None) => issuer.trusts(&tls.ca_pem),
            (None, _) => {}
        }
        self.acceptor.reload(config);
        if let Some(enrolment) = &self.enrolment {
            enrolment.reception.reload(guests);
        }
        self.ending.set(Whose::House, endings);
        Ok(())
    }

    /// Tells ahead of the end of these as well: what the operator's commands show.
    pub fn watch_also(&self, endings: Vec<Ending>) {
        self.ending.set(Whose::Operator, endings);
    }

    /// How many batches this node has written, and how many of them ran again.
    pub fn counts(&self) -> WriterCounts {
        self.context.writer.counts()
    }

    /// Waits until the disk does not take what the house writes, and says why. The house has to be shut down then: what it
    /// acknowledged before is safe, and what is in doubt is known after the next start.
    pub async fn lost_its_disk(&self) -> String {
        self.context.store.durability().lost().await.to_owned()
    }

    /// Waits until the house lets callers in. With a wrong clock it answers reads only: [`serving`](Self::serving) waits until
    /// it answers everything.
    pub async fn opened(&self) {
        while self.context.house.load().is_none() && !self.stop.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the house answers everything.
    pub async fn serving(&self) {
        let mut progress = self.progress.clone();
        let serving = progress.wait_for(|progress| matches!(progress, Opening::Serving)).await;
        if serving.is_err() {
            // The house closes.
            std::future::pending::<()>().await;
        }
    }

    /// Whether the house answers everything, as its health says.
    pub fn is_serving(&self) -> bool {
        matches!(*self.progress.borrow(), Opening::Serving)
    }

    /// Waits until it is found that the house must not open: its books are another's. It is to be shut down then.
    pub async fn refused(&self) -> Arc<StartError> {
        let mut progress = self.progress.clone();
        let refused = progress.wait_for(|progress| matches!(progress, Opening::Refused(_))).await;
        match refused.as_deref() {
            Ok(Opening::Refused(error)) => Arc::clone(error),
            Ok(Opening::Waiting | Opening::Serving) | Err(_) => std::future::pending().await,
        }
    }

    /// What the door has to do with at this moment.
    pub fn door(&self) -> DoorCounts {
        self.door.counts()
    }

    /// Takes no new calls, answers those begun, and closes, in at most this time; what is not answered by then is cut off.
    pub async fn shutdown(self, drain: Duration) -> Drained {
        let end = Instant::now() + drain;
        // Answers must still be written after the last was decided.
        let cut = end - (drain / 4).min(STOP_QUIET);
        let Self { stop, health, door, context, enrolment, mut serving, watching, opening, writing, .. } = self;
        health.set_ready(false).await;
        stop.cancel();
        door.stop();
        tokio::select! {
            _ = &mut serving => {}
            () = quiet(&door, STOP_QUIET.min(drain / 4)) => {}
            () = tokio::time::sleep_until(cut) => {}
        }
        let unanswered = door.counts().working;
        door.close_all();
        if let Some(Enrolment { reception, .. }) = &enrolment {
            reception.close();
        }
        // Gone with their connections, calls let go of the writer; it answers what it has taken, and ends.
        let ended = async {
            if !serving.is_finished() {
                let _ = (&mut serving).await;
            }
            if let Some(Enrolment { serving, .. }) = enrolment {
                let _ = serving.await;
            }
            let _ = opening.await;
            context.scheduler.stop().await;
            drop(context);
            let _ = writing.await;
        };
        let ended = tokio::time::timeout_at(end, ended).await;
        serving.abort();
        watching.abort();
        if ended.is_err() {
            error!("the house did not end in time");
        }
        if unanswered > 0 {
            error!(unanswered, "calls were cut off");
        }
        if ended.is_ok() && unanswered == 0 { Drained::Clean } else { Drained::CutOff }
    }
}

/// Waits until nothing has been under way for a while, or until all that is has been of the peers' making for as long: a
/// request that does not end, an answer that is not taken.
async fn quiet(door: &Door, quiet: Duration) {
    let mut since = Instant::now();
    while since.elapsed() < quiet {
        tokio::time::sleep(STOP_LOOK).await;
        if door.counts().working > 0 {
            since = Instant::now();
        }
    }
}

/// What a house serves, by the names under which its health is asked for.
fn services() -> Vec<&'static str> {
    let own = |name: &&str| name.starts_with("coalition.") && !name.ends_with(".SandboxService");
    SERVICES.iter().map(|(name, _)| *name).filter(own).collect()
}

/// All services, each found by its name, with which the path of a call begins. The house's own are asked directly: a router
/// of any path takes it apart, and boxes the bodies and the answer of each call once more.
#[derive(Clone)]
struct Services {
    own: Arc<Own>,
    others: Routes,
}

impl Service<http::Request<Asked>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Asked>) -> Self::Future {
        self.own.call(request, &mut self.others)
    }
}

macro_rules! own {
    ($($room:ident: $server:ty,)+) => {
        /// The services of the rooms.
        struct Own {
            $($room: $server,)+
        }

        impl Own {
            /// Asks the service whose method the path names, or the others if it is none of these.
            fn call(
                &self,
                request: http::Request<Asked>,
                others: &mut Routes,
            ) -> <Services as Service<http::Request<Asked>>>::Future {
                let path = request.uri().path();
                let of = |name: &str| {
                    let behind = path.strip_prefix('/').and_then(|path| path.strip_prefix(name));
                    behind.is_some_and(|behind| behind.starts_with('/'))
                };
                $(if of(<$server as NamedService>::NAME) {
                    return self.$room.clone().call(request);
                })+
                Box::pin(others.call(request))
            }
        }
    };
}

own! {
    issue: BySize,
    redemption: RedemptionServiceServer<rpc::redemption::Service>,
    hold: HoldServiceServer<rpc::hold::Service>,
    purchase: PurchaseServiceServer<rpc::purchase::Service>,
    reversal: ReversalServiceServer<rpc::reversal::Service>,
    transfer: TransferServiceServer<rpc::transfer::Service>,
    request: RequestServiceServer<rpc::request::Service>,
    entry: EntryServiceServer<rpc::entry::Service>,
    receipt: ReceiptServiceServer<rpc::receipt::Service>,
    member: MemberServiceServer<rpc::member::Service>,
    notice: NoticeServiceServer<rpc::notice::Service>,
    position: PositionServiceServer<rpc::position::Service>,
    partner: PartnerServiceServer<rpc::partner::Service>,
    people: PeopleServiceServer<rpc::people::Service>,
    approval: ApprovalServiceServer<rpc::approval::Service>,
    care: CareServiceServer<rpc::care::Service>,
    settlement: SettlementServiceServer<rpc::settlement::Service>,
    credential: CredentialServiceServer<rpc::credential::Service>,
    bank_account: BankAccountServiceServer<rpc::bank_account::Service>,
    report: ReportServiceServer<rpc::report::Service>,
    admin: AdminServiceServer<rpc::admin::Service>,
    info: InfoServiceServer<rpc::info::Service>,
}

/// The service of issues, with room for large messages only where batches come in. A batch for which the writer has no room is
/// refused before it is heard: reading it would cost more than writing it.
#[derive(Clone)]
struct BySize {
    writer: Writer,
    small: IssueServiceServer<issue::Service>,
    large: IssueServiceServer<issue::Service>,
}

impl BySize {
    fn new(context: &Context) -> Self {
        let sized = |bytes| {
            IssueServiceServer::new(issue::Service(context.clone()))
                .max_decoding_message_size(bytes)
                .max_encoding_message_size(ANSWER_BYTES_MAX)
        };
        Self { writer: context.writer.clone(), small: sized(MESSAGE_BYTES_MAX), large: sized(BATCH_BYTES_MAX) }
    }
}

impl NamedService for BySize {
    const NAME: &'static str = <IssueServiceServer<issue::Service> as NamedService>::NAME;
}

impl Service<http::Request<Asked>> for BySize {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <IssueServiceServer<issue::Service> as Service<http::Request<Asked>>>::Future;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Asked>) -> Self::Future {
        let path = request.uri().path();
        let batch = path.ends_with("/BatchIssuePoints");
        if let Some(Ok(caller)) = request.extensions().get::<Caller>().filter(|_| batch).map(Caller::partner)
            && let Err(full) = self.writer.has_room(caller)
        {
            if let Some(peer) = request.extensions().get::<Peer>() {
                peer.connection.rest();
            }
            return Box::pin(async move { Ok(errors::of_write(&full).into_http()) });
        }
        let batched = batch || path.ends_with("/StreamIssuePoints");
        let service = if batched { &mut self.large } else { &mut self.small };
        service.call(request)
    }
}
