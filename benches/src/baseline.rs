//! What the house is compared with.
//!
//! | baseline | what it does |
//! |---|---|
//! | [`echo`] | nothing: answers at once. The ceilings of what any handler behind this stack can reach |
//! | [`by_hand`] | what one writes without a house: a transaction per request, straightforward and tuned |
//! | [`bare`] | the house's rows, written in batches by nothing but SQL: no rules, no RPC |
//!
//! The first two are served by the same transport, acceptor and authorization as the house.

pub mod bare;
pub mod by_hand;
pub mod echo;
mod service;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwapOption;
use clearing::rpc::auth::AuthLayer;
use clearing::rpc::{BATCH_BYTES_MAX, MESSAGE_BYTES_MAX};
use clearing::tls::{Acceptor, TlsMaterial, server_config};
use clearing_core::facts::coalition::House;
use clearing_proto::v1::issue_service_server::IssueServiceServer;
use clearing_proto::v1::member_service_server::MemberServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::coalition::DOMAIN;
pub use service::{Issuer, Service};

/// A baseline that is being served.
pub struct Served {
    pub address: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<Result<(), tonic::transport::Error>>,
}

impl Served {
    /// Serves a baseline as the house is served.
    ///
    /// # Errors
    /// If it cannot listen, or the certificates cannot be used.
    pub async fn start<I: Issuer>(issuer: I, house: Arc<House>, material: &TlsMaterial) -> Result<Self> {
        let acceptor = Acceptor::new(server_config(material)?, DOMAIN);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let issuer = Arc::new(issuer);
        let members = MemberServiceServer::new(Service(Arc::clone(&issuer)));
        let service = IssueServiceServer::new(Service(issuer))
            .max_decoding_message_size(BATCH_BYTES_MAX.max(MESSAGE_BYTES_MAX))
            .max_encoding_message_size(usize::MAX);
        let router = clearing::server::transport()
            .layer(AuthLayer::new(Arc::new(ArcSwapOption::from(Some(house)))))
            .add_service(service)
            .add_service(members);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let mut serving = JoinSet::new();
        serving.spawn(router.serve_with_incoming_shutdown(acceptor.incoming(listener), stopped));
        Ok(Self { address, stop, serving })
    }

    /// Ends when its clients are gone.
    ///
    /// # Errors
    /// If serving failed.
    pub async fn end(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(served) = self.serving.join_next().await {
            served??;
        }
        Ok(())
    }
}
