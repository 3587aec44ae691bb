//! Putting the house together: database, writer, scheduler, services, and the door in front of them.
//!
//! | phase | health | calls |
//! |---|---|---|
//! | bound; migrations pending, or the database is out of reach | NOT_SERVING | UNAVAILABLE |
//! | missed cut-offs are closed, one by one | NOT_SERVING | UNAVAILABLE |
//! | open | SERVING | answered |
//! | draining | NOT_SERVING | those begun are answered, until the deadline |

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use clearing_proto::v1::info_service_server::InfoServiceServer;
use clearing_proto::v1::member_admin_service_server::MemberAdminServiceServer;
use clearing_proto::v1::partner_admin_service_server::PartnerAdminServiceServer;
use clearing_proto::v1::points_service_server::PointsServiceServer;
use clearing_proto::v1::position_service_server::PositionServiceServer;
use clearing_proto::v1::report_service_server::ReportServiceServer;
use clearing_proto::v1::sandbox_service_server::SandboxServiceServer;
use clearing_proto::v1::settlement_admin_service_server::SettlementAdminServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Service;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::identifier::IdentifierKey;
use crate::projector;
use crate::rpc::auth::AuthLayer;
use crate::rpc::{BATCH_BYTES_MAX, Context, MESSAGE_BYTES_MAX, info as info_service, partners, points, position};
use crate::rpc::{members, report, sandbox, settlement};
use crate::scheduler::Scheduler;
use crate::store::{Store, StoreError};
use crate::tls::{Acceptor, HandshakeLimits, TlsError, TlsMaterial, server_config};
use crate::writer::{Writer, WriterCounts};

/// How often an unfinished start is tried again, and how old this node's view of the house may be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Requests that wait for the writer at the most.
const QUEUE_LENGTH: usize = 16_384;

/// Calls in flight on one connection at the most.
const STREAMS_MAX: u32 = 1024;

/// HTTP/2 flow control: room for a batch of the largest size, and for many small calls at once. The adaptive window of
/// hyper is not used: it shrinks to nothing under many small messages.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// How long a silent connection may stay silent.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What a house needs to open.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub tls: TlsMaterial,
    /// The coalition's domain: certificates of another are refused.
    pub domain: String,
    pub database_url: String,
    pub clock: Clock,
    pub identifier_key: [u8; 32],
    /// Whether callers may move the clock. Only with a manual one.
    pub sandbox: bool,
    pub limits: ServerLimits,
}

/// Everything has a limit.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Requests that wait for the writer.
    pub queue_length: usize,
    pub handshakes: HandshakeLimits,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { queue_length: QUEUE_LENGTH, handshakes: HandshakeLimits::default() }
    }
}

/// Why the house did not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the TLS material cannot be used")]
    Tls(#[from] TlsError),
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
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
    reporter: HealthReporter,
    context: Context,
    acceptor: Acceptor,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    opening: JoinHandle<()>,
    writing: JoinHandle<()>,
}

/// HTTP/2 as the house speaks it. What is measured beside the house is served with the same settings.
pub fn transport() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
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
/// cannot be opened.
pub async fn start(options: ServerOptions) -> Result<RunningServer, StartError> {
    let listen = |source| StartError::Listen { address: options.listen, source };
    let acceptor = Acceptor::new(server_config(&options.tls)?, &options.domain).with_limits(options.limits.handshakes);
    let store = Store::connect_later(&options.database_url).await?;
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (writer, writing) = Writer::start(store.clone(), options.clock.clone(), options.limits.queue_length);
    let scheduler = Scheduler::new(store.clone(), writer.clone(), options.clock.clone());
    let context = Context {
        store,
        writer,
        clock: options.clock,
        identifier_key: Arc::new(IdentifierKey::new(options.identifier_key)),
        house: Arc::new(ArcSwapOption::empty()),
        scheduler,
    };
    let stop = CancellationToken::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    // It would start as SERVING.
    reporter.set_service_status("", ServingStatus::NotServing).await;

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(clearing_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection_v1 = reflection().build_v1().expect("the descriptors are well formed");
    let reflection_v1alpha = reflection().build_v1alpha().expect("the descriptors are well formed");
    let sandbox = options.sandbox && context.clock.is_manual();
    let router = transport()
        .layer(AuthLayer::new(Arc::clone(&context.house)))
        .add_service(BySize::new(&context))
        .add_service(PositionServiceServer::new(position::Service(context.clone())))
        .add_service(PartnerAdminServiceServer::new(partners::Service(context.clone())))
        .add_service(MemberAdminServiceServer::new(members::Service(context.clone())))
        .add_service(SettlementAdminServiceServer::new(settlement::Service(context.clone())))
        .add_service(ReportServiceServer::new(report::Service(context.clone())))
        .add_service(InfoServiceServer::new(info_service::Service(context.clone())))
        .add_optional_service(sandbox.then(|| SandboxServiceServer::new(sandbox::Service(context.clone()))))
        .add_service(health)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha);
    let stopped = stop.clone();
    let serve = router.serve_with_incoming_shutdown(acceptor.incoming(listener), async move {
        stopped.cancelled().await;
    });
    let open = open(context.clone(), reporter.clone(), stop.clone());
    #[allow(clippy::disallowed_methods, reason = "the house's two tasks; their handles are awaited at shutdown")]
    let (serving, opening) = (tokio::spawn(serve), tokio::spawn(open));
    Ok(RunningServer { address, stop, reporter, context, acceptor, serving, opening, writing })
}

impl RunningServer {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The acceptor, to give it new certificates or revocation lists.
    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    /// How many batches this node has written, and how many of them ran again.
    pub fn counts(&self) -> WriterCounts {
        self.context.writer.counts()
    }

    /// Waits until the house is open.
    pub async fn opened(&self) {
        while self.context.house.load().is_none() && !self.stop.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes no new calls, answers those begun, and closes; what is not answered by the deadline is cut off.
    pub async fn shutdown(self, drain: Duration) -> Drained {
        let Self { stop, reporter, context, mut serving, opening, writing, .. } = self;
        reporter.set_service_status("", ServingStatus::NotServing).await;
        stop.cancel();
        let ended = tokio::time::timeout(drain, &mut serving).await;
        // A peer that went silent can hold a graceful shutdown up for ever. A task that has ended must not be awaited again.
        if ended.is_err() {
            serving.abort();
            let _ = serving.await;
        }
        let _ = opening.await;
        context.scheduler.stop().await;
        drop(context);
        // With the last handle gone the writer answers what it has taken and ends.
        if tokio::time::timeout(drain, writing).await.is_err() {
            error!("the writer did not end in time");
            return Drained::CutOff;
        }
        match ended {
            Ok(Ok(Ok(()))) => Drained::Clean,
            Ok(Ok(Err(problem))) => {
                error!(error = &problem as &dyn std::error::Error, "the server ended with an error");
                Drained::CutOff
            }
            Ok(Err(_)) | Err(_) => Drained::CutOff,
        }
    }
}

/// Opens the house: waits for the migrations, catches up with what was missed, lets callers in; then keeps this node's
/// view of the house fresh, and the lists of entries up with the journal.
async fn open(context: Context, reporter: HealthReporter, stop: CancellationToken) {
    while let Err(waiting) = try_open(&context).await {
        info!(waiting, "the house is not open yet");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
    reporter.set_service_status("", ServingStatus::Serving).await;
    info!("the house is open");
    context.scheduler.start();
    let fresh = async {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            if let Err(status) = context.refresh_house().await {
                warn!(%status, "the house could not be read again");
            }
        }
    };
    tokio::join!(fresh, projector::follow(context.store.clone(), stop.clone()));
}

/// # Errors
/// What the house is waiting for.
async fn try_open(context: &Context) -> Result<(), String> {
    let migrations = context.store.migration_state().await.map_err(|error| error.to_string())?;
    if !migrations.pending.is_empty() {
        return Err(format!("{} migrations are pending; run `clearing migrate`", migrations.pending.len()));
    }
    let row = context.store.load_house().await.map_err(|error| error.to_string())?;
    let now = context.clock.now();
    context.scheduler.replay_missed(now).await.map_err(|error| error.to_string())?;
    context.house.store(Some(Arc::new(row.house)));
    Ok(())
}

/// The points service, with room for large messages only where batches come in.
#[derive(Clone)]
struct BySize {
    small: PointsServiceServer<points::Service>,
    large: PointsServiceServer<points::Service>,
}

impl BySize {
    fn new(context: &Context) -> Self {
        let sized = |bytes| {
            PointsServiceServer::new(points::Service(context.clone()))
                .max_decoding_message_size(bytes)
                .max_encoding_message_size(usize::MAX)
        };
        Self { small: sized(MESSAGE_BYTES_MAX), large: sized(BATCH_BYTES_MAX) }
    }
}

impl NamedService for BySize {
    const NAME: &'static str = <PointsServiceServer<points::Service> as NamedService>::NAME;
}

impl Service<http::Request<Body>> for BySize {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = <PointsServiceServer<points::Service> as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let batched = path.ends_with("/BatchIssuePoints") || path.ends_with("/StreamIssuePoints");
        let service = if batched { &mut self.large } else { &mut self.small };
        service.call(request)
    }
}
