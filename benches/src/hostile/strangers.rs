//! Connections that say nothing, or not enough.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::raw::{Door, HOSTILE};

/// Holds connections for a while and tells how many of them the house has closed.
async fn held<S: AsyncRead + Unpin>(asked: usize, mut streams: Vec<S>, until: Instant) -> String {
    tokio::time::sleep_until(until).await;
    let mut closed = 0;
    let mut buffer = [0; 4_096];
    for stream in &mut streams {
        while let Ok(read) = tokio::time::timeout(Duration::ZERO, stream.read(&mut buffer)).await {
            if !matches!(read, Ok(1..)) {
                closed += 1;
                break;
            }
        }
    }
    format!("{} of {asked} connected, {closed} of them closed by the house", streams.len())
}

pub async fn silent(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let mut streams = Vec::new();
    for _ in 0..count {
        match tokio::time::timeout_at(until, TcpStream::connect(door.address)).await {
            Ok(Ok(stream)) => streams.push(stream),
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
    Ok(held(count, streams, until).await)
}

pub async fn hellos(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let mut streams = Vec::new();
    for _ in 0..count {
        match tokio::time::timeout_at(until, TcpStream::connect(door.address)).await {
            Ok(Ok(mut stream)) => {
                // A handshake record of 512 bytes, with a ClientHello of 508, of which these are the first.
                if stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.is_ok() {
                    streams.push(stream);
                }
            }
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
    Ok(held(count, streams, until).await)
}

pub async fn mute(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let (until, tls) = (Instant::now() + span, door.tls(HOSTILE)?);
    let mut streams = Vec::new();
    for _ in 0..count {
        if let Ok(Ok(stream)) = tokio::time::timeout_at(until, door.mute(&tls)).await {
            streams.push(stream);
        }
    }
    Ok(held(count, streams, until).await)
}

pub async fn idle(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let (until, tls) = (Instant::now() + span, door.tls(HOSTILE)?);
    let mut open = Vec::new();
    for _ in 0..count {
        if let Ok(Ok(raw)) = tokio::time::timeout_at(until, door.speak(&tls, 65_535)).await {
            open.push(raw);
        }
    }
    tokio::time::sleep_until(until).await;
    let connected = open.len();
    let closed = open.iter_mut().filter_map(|raw| raw.is_closed().then_some(())).count();
    Ok(format!("{connected} of {count} connected, {closed} of them closed by the house"))
}
