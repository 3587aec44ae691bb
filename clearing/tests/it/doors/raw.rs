//! A client that sends whatever frames it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use clearing_certs::Kind;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use clearing_play::Identities;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection of which the house knows whose it is.
pub struct Raw(TlsStream<TcpStream>);

/// A frame that was heard.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Raw {
    /// Proves who it is, and says nothing more.
    pub async fn connect(address: SocketAddr, identities: &Identities, id: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(TlsConnector::from(identities.tls(Kind::Partner, id)).connect(name, tcp).await.unwrap())
    }

    /// Begins to speak, with a window of so many bytes for each answer.
    pub async fn speak(&mut self, window: u32) {
        self.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        self.frame(SETTINGS, 0, 0, &setting).await;
    }

    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.write(&[&head, payload].concat()).await;
    }

    /// The head of a call.
    pub async fn call(&mut self, stream: u32, method: &str, ends: bool) {
        // HPACK without its table: POST, https, then names and values as they are.
        let mut block = vec![0x83, 0x87, 0x04];
        text(&mut block, &format!("/{method}"));
        for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
            block.push(0);
            text(&mut block, name);
            text(&mut block, value);
        }
        self.frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, stream, &block).await;
    }

    /// A whole call of an empty message.
    pub async fn ask(&mut self, stream: u32, method: &str) {
        self.ask_with(stream, method, &[]).await;
    }

    pub async fn ask_with(&mut self, stream: u32, method: &str, message: &[u8]) {
        self.call(stream, method, false).await;
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = [&[0], &length[..], message].concat();
        self.frame(DATA, END_STREAM, stream, &body).await;
    }

    /// The next frame; nothing once the house has closed the connection.
    pub async fn heard(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// Waits until the house has closed the connection.
    pub async fn closed(&mut self) {
        let closed = async { while self.heard().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(60), closed).await.expect("the house closes the connection");
    }

    /// Waits until so many streams have ended, and gives the bytes of each.
    pub async fn ended(&mut self, count: usize) -> BTreeMap<u32, Vec<u8>> {
        let (mut bytes, mut ended) = (BTreeMap::<u32, Vec<u8>>::new(), BTreeMap::new());
        let all = async {
            while ended.len() < count {
                let frame = self.heard().await.expect("the house keeps the connection open");
                if [DATA, HEADERS].contains(&frame.kind) {
                    bytes.entry(frame.stream).or_default().extend(frame.payload);
                    if frame.flags & END_STREAM != 0 {
                        ended.insert(frame.stream, bytes.remove(&frame.stream).unwrap_or_default());
                    }
                }
                if frame.kind == RST_STREAM {
                    ended.entry(frame.stream).or_default();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("the streams end");
        ended
    }

    /// Sends what it can; a house that has closed the connection hears nothing any more.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }
}

fn text(block: &mut Vec<u8>, text: &str) {
    block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
    block.extend(text.as_bytes());
}
