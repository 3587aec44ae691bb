//! A caller below the library of gRPC: it sends whatever bytes it is told to and shows what came back. One with the library's
//! defaults is `clearing_play::Wire`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use clearing_certs::Kind;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use clearing_play::TestHouse;

/// A new key of a request.
pub fn key() -> String {
    uuid::Uuid::from_u128(clearing::clock::fresh_uuid()).to_string()
}

/// A connection on which anything can be said.
pub struct Plain {
    send: http2::SendRequest<Body>,
    /// What moves its bytes, as long as it is there.
    _connection: JoinSet<()>,
}

/// What became of a call.
pub struct Ended {
    /// All that came before the trailers.
    body: Bytes,
    /// The trailers, wherever they stood.
    pub trailers: HeaderMap,
    pub status: Status,
}

impl Plain {
    pub async fn connect(test: &TestHouse, kind: Kind, id: &str) -> Self {
        Self::with(test.server.local_addr(), test.identities.tls(kind, id)).await
    }

    /// With what somebody shows.
    pub async fn with(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let tls = TlsConnector::from(tls);
        let tls = tls.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        let mut moving = JoinSet::new();
        moving.spawn(async move { drop(connection.await) });
        Self { send, _connection: moving }
    }

    /// A connection of each of these partners.
    pub async fn partners<const N: usize>(test: &TestHouse, ids: [&'static str; N]) -> BTreeMap<&'static str, Self> {
        let mut connected = BTreeMap::new();
        for id in ids {
            connected.insert(id, Self::connect(test, Kind::Partner, id).await);
        }
        connected
    }

    /// Calls a method with these headers beside those of gRPC, and this body.
    pub async fn call(&mut self, method: &str, headers: &[(&'static str, &str)], body: Body) -> Ended {
        let mut request = http::Request::post(format!("https://localhost/{method}")).body(body).unwrap();
        for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(headers) {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let answer = self.send.send_request(request).await.unwrap();
        let head = answer.headers().clone();
        let answer = answer.into_body().collect().await.unwrap();
        let trailers = answer.trailers().cloned().unwrap_or(head);
        let status = Status::from_header_map(&trailers).expect("every call ends with a status");
        Ended { body: answer.to_bytes(), trailers, status }
    }

    /// Sends one message to a method, and gives the first message of its answer.
    pub async fn ask(&mut self, method: &MethodDescriptor, sent: &DynamicMessage) -> Result<DynamicMessage, Status> {
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        let ended = self.call(&path, &[], message(&sent.encode_to_vec())).await;
        if ended.status.code() != Code::Ok {
            return Err(ended.status);
        }
        let (length, rest) = ended.body[1..].split_first_chunk().expect("a message follows its length");
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        Ok(DynamicMessage::decode(method.output(), &rest[..length]).unwrap())
    }
}

/// A body of one message.
pub fn message(bytes: &[u8]) -> Body {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    whole(&[&[0], &length[..], bytes].concat())
}

/// A body of these bytes.
pub fn whole(bytes: &[u8]) -> Body {
    Body::new(http_body_util::Full::new(Bytes::copy_from_slice(bytes)))
}

impl Ended {
    /// Fails unless the status has a code and a reason, and all that every status has. Gives the numbers.
    pub fn is(&self, code: Code, reason: &str) -> std::collections::HashMap<String, String> {
        let status = &self.status;
        assert_eq!((status.code(), self.reason()), (code, reason), "{status}");
        let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status}"));
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("clearing.coalition", reason));
        for flag in ["recorded", "transient", "replayed"] {
            assert!(info.metadata.get(flag).is_some_and(|flag| flag == "true" || flag == "false"), "{flag}: {info:?}");
        }
        let details = tonic_types::pb::Status::decode(status.details()).unwrap();
        assert_eq!((details.code, details.message.as_str()), (code as i32, status.message()));
        assert!(self.bytes() <= 8 << 10, "{} bytes of trailers", self.bytes());
        info.metadata
    }

    fn reason(&self) -> &str {
        self.trailers.get("clearing-reason").map_or("", |reason| reason.to_str().unwrap())
    }

    /// As HTTP/2 counts them.
    pub fn bytes(&self) -> usize {
        self.trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
    }
}
