//! Frames of HTTP/2 written by hand over TLS, as a partner.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;

use crate::client;
use crate::coalition::Certificates;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The brands of the hostile client and of its neighbour.
pub const HOSTILE: usize = 0;
pub const NEIGHBOUR: usize = 1;

/// As many descriptors as the system gives: ten thousand connections need them.
pub fn raise_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that fails the load is smaller, and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Where a system listens, and the papers with which one gets in.
pub struct Door {
    pub address: SocketAddr,
    pub certificates: Arc<Certificates>,
}

impl Door {
    pub fn tls(&self, brand: usize) -> Result<TlsConnector> {
        let identity = &self.certificates.partners[brand];
        Ok(TlsConnector::from(Arc::new(client::tls_config(&self.certificates.server.ca_pem, identity)?)))
    }

    /// A connection of the generated client.
    pub async fn channel(&self, brand: usize) -> Result<Channel> {
        client::connect(self.address, self.tls(brand)?).await
    }

    /// TLS, and nothing said on it.
    pub async fn mute(&self, tls: &TlsConnector) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let connected = tls.connect(ServerName::from(self.address.ip()), tcp);
        tokio::time::timeout(Duration::from_secs(5), connected)
            .await
            .context("no handshake within 5 s")?
            .map_err(Into::into)
    }

    /// A connection that has begun to speak, with this window for each answer. What is heard is counted and thrown away.
    pub async fn speak(&self, tls: &TlsConnector, window: u32) -> Result<Raw> {
        let (reading, writing) = split(self.mute(tls).await?);
        let heard = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(hear(reading, Arc::clone(&heard)));
        let mut raw = Raw { writing, heard, tasks };
        let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &setting)].concat();
        raw.send(&begin).await?;
        Ok(raw)
    }
}

async fn hear(mut reading: ReadHalf<TlsStream<TcpStream>>, heard: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = reading.read(&mut buffer).await {
        heard.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
    }
}

/// A connection of a partner, on which any frame can be written.
pub struct Raw {
    writing: WriteHalf<TlsStream<TcpStream>>,
    heard: Arc<AtomicU64>,
    /// Ends when the house closes the connection.
    tasks: JoinSet<()>,
}

impl Raw {
    /// # Errors
    /// If the house has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.writing.write_all(bytes).await?;
        Ok(self.writing.flush().await?)
    }

    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub fn is_closed(&mut self) -> bool {
        self.tasks.try_join_next().is_some() || self.tasks.is_empty()
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call of a `SERVICE/METHOD`, as HPACK without its table.
pub fn head(method: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x87, 0x04];
    text(&mut block, &format!("/coalition.clearing.v1.{method}"));
    for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
        header(&mut block, name, value);
    }
    block
}

/// A header that is not to be kept.
pub fn header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    text(block, name);
    text(block, value);
}

/// A text with its length, as an integer of seven bits and more.
pub fn text(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short @ ..127) => block.push(short),
        _ => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).unwrap_or(0) | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap_or(0));
        }
    }
    block.extend(text.as_bytes());
}

/// The number of a client's stream.
pub fn stream(at: usize) -> u32 {
    u32::try_from(2 * at + 1).unwrap_or(1)
}

/// A message as gRPC frames it.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0], &u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
}
