//! A connection as one call sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;

/// Whether a request has begun to leave this side. While it has not, a call that fails certainly had no effect, however
/// it failed: that is what lets a till that is cut off from the house say so, where it would else be in doubt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Departure(Arc<AtomicBool>);

impl Departure {
    /// Whether the request has begun to leave.
    pub(crate) fn begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection that notes when the request begins to leave.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    channel: Channel,
    departure: Departure,
}

impl Line {
    pub(crate) fn new(channel: Channel, departure: Departure) -> Self {
        Self { channel, departure }
    }
}

impl Service<http::Request<Body>> for Line {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let departure = self.departure.clone();
        Service::call(&mut self.channel, request.map(|content| Body::new(Leaving { content, departure })))
    }
}

/// The content of a request. HTTP/2 asks for it only once there is a connection, and a stream on it.
struct Leaving {
    content: Body,
    departure: Departure,
}

impl http_body::Body for Leaving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.departure.0.store(true, Ordering::Release);
        Pin::new(&mut self.content).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
