//! Around the whole server: no status leaves the house without its reason, whatever layer made it, and no call is only reset
//! where a status can be sent.
//!
//! | what comes from below | what the caller gets |
//! |---|---|
//! | a status without details (of the transport, of health) | the same with the details of the fault that it stands for |
//! | a body that breaks | trailers with the status |
//! | a stream whose deadline passes | trailers with `DEADLINE_EXCEEDED` |
//! | a panic | `INTERNAL` |

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::errors;

/// Until when a stream may go on, on the answer whose body it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub Instant);

/// See the table above.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompleteLayer;

impl<S> Layer<S> for CompleteLayer {
    type Service = CompleteService<S>;

    fn layer(&self, inner: S) -> CompleteService<S> {
        CompleteService(inner)
    }
}

/// A server with complete statuses.
#[derive(Debug, Clone)]
pub struct CompleteService<S>(S);

impl<S, B> Service<http::Request<Body>> for CompleteService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = http::Response<Completed<B>>;
    type Error = Infallible;
    type Future = Completing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Completing<S::Future> {
        Completing(self.0.call(request))
    }
}

/// An answer that is being made.
#[derive(Debug)]
pub struct Completing<F>(F);

impl<F, B> Future for Completing<F>
where
    F: Future<Output = Result<http::Response<B>, Infallible>> + Unpin,
{
    type Output = Result<http::Response<Completed<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // What a panic leaves behind is the call's own: nothing that calls share is changed outside of the writer's
        // transaction and of locks that are whole at every moment.
        match std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(answer) => answer.map_ok(complete),
            Err(_) => Poll::Ready(Ok(errors::internal().into_http::<()>().map(|()| Completed::empty()))),
        }
    }
}

fn complete<B>(answer: http::Response<B>) -> http::Response<Completed<B>> {
    let (mut head, body) = answer.into_parts();
    let deadline = head.extensions.remove::<Deadline>();
    if head.headers.contains_key(Status::GRPC_STATUS) {
        complete_trailers(&mut head.headers);
    }
    let deadline = deadline.map(|Deadline(end)| Box::pin(tokio::time::sleep_until(end)));
    http::Response::from_parts(head, Completed { body: Some(body), deadline })
}

fn complete_trailers(trailers: &mut HeaderMap) {
    let complete = Status::from_header_map(trailers).and_then(|status| errors::completed(&status));
    if let Some(status) = complete {
        set(&status, trailers);
    }
}

fn set(status: &Status, trailers: &mut HeaderMap) {
    // What cannot be written stays as it is; a status of the house always can.
    let _ = status.add_header(trailers);
}

/// The body of an answer.
#[derive(Debug)]
pub struct Completed<B> {
    /// None once it has ended before its time.
    body: Option<B>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B> Completed<B> {
    fn empty() -> Self {
        Self { body: None, deadline: None }
    }

    /// Ends it with a status.
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.body = None;
        let mut trailers = HeaderMap::new();
        set(status, &mut trailers);
        complete_trailers(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl<B: http_body::Body<Data = Bytes, Error = Status> + Unpin> http_body::Body for Completed<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return this.end(&errors::deadline_exceeded());
        }
        match std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
            Err(_) => this.end(&errors::internal()),
            Ok(Poll::Ready(Some(Err(status)))) => this.end(&status),
            Ok(Poll::Ready(Some(Ok(frame)))) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    complete_trailers(&mut trailers);
                    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
                Err(data) => Poll::Ready(Some(Ok(data))),
            },
            Ok(other) => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, B::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tonic::Code;
    use tower::ServiceExt as _;

    use super::*;

    /// The status of a call to a service that answers so.
    async fn status<F>(answer: fn() -> F) -> Status
    where
        F: Future<Output = http::Response<Body>> + Send + 'static,
    {
        let inner = tower::service_fn(move |_: http::Request<Body>| {
            Box::pin(async move { Ok::<_, Infallible>(answer().await) })
        });
        let answer = CompleteLayer.layer(inner).oneshot(http::Request::new(Body::empty())).await.unwrap();
        let head = answer.headers().clone();
        let trailers = answer.into_body().collect().await.unwrap().trailers().cloned();
        let trailers = trailers.unwrap_or(head);
        assert!(trailers.contains_key(errors::REASON_TRAILER), "{trailers:?}");
        Status::from_header_map(&trailers).unwrap()
    }

    fn body(poll: fn() -> Option<Result<Frame<Bytes>, Status>>) -> http::Response<Body> {
        let frames = futures::stream::iter(std::iter::from_fn(poll));
        http::Response::new(Body::new(http_body_util::StreamBody::new(frames)))
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_no_mere_reset() {
        assert_eq!(status(|| async { panic!("a mistake in a handler") }).await.code(), Code::Internal);
        assert_eq!(status(|| async { body(|| panic!("a mistake in a stream")) }).await.code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_body_that_breaks_ends_with_its_status() {
        let broken = || async { body(|| Some(Err(Status::unavailable("the database is gone")))) };
        assert_eq!(status(broken).await.code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn what_the_transport_calls_cancelled_is_a_deadline() {
        let timeout = || async { Status::cancelled("Timeout expired").into_http() };
        assert_eq!(status(timeout).await.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_status_of_the_house_stays_as_it_is() {
        let status = status(|| async { errors::invalid("points", "0 is not above zero").into_http() }).await;
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "points: 0 is not above zero"));
    }
}
