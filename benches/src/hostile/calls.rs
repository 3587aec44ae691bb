//! Calls that a partner may make, in a way that it should not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use clearing::clock::Clock;
use clearing_proto::v1;
use clearing_proto::v1::entry_service_client::EntryServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::notice_service_client::NoticeServiceClient;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::raw::{DATA, Door, END_HEADERS, END_STREAM, HEADERS, HOSTILE, frame, head, message, stream};
use crate::workload::{Spread, Workload};

/// What became of calls.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    failure: OnceLock<String>,
}

impl Tally {
    fn note<T>(&self, result: &Result<T, Status>) {
        let counter = match result {
            Ok(_) => &self.answered,
            Err(status) if status.code() == Code::ResourceExhausted => &self.refused,
            Err(status) => {
                self.failure.get_or_init(|| format!("{:?}: {}", status.code(), status.message()));
                &self.failed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failure = self.failure.get().map_or_else(String::new, |failure| format!(" ({failure})"));
        format!("{} answered, {} refused, {} failed{failure}", of(&self.answered), of(&self.refused), of(&self.failed))
    }
}

fn service(channel: Channel) -> IssueServiceClient<Channel> {
    IssueServiceClient::new(channel).max_decoding_message_size(64 << 20)
}

/// Apart from those by which the books were filled: a till books no receipt twice.
fn workload(at: usize) -> Workload {
    Workload::new(7, (1 << 32) + u64::try_from(at).unwrap_or(0), Clock::system(), Spread::Even, 0..50_000)
}

fn issues(workload: &mut Workload, count: usize) -> Vec<v1::IssuePointsRequest> {
    (0..count).map(|_| workload.issue()).collect()
}

/// Requests that never end, on connections that stay open.
pub async fn endless(door: &Arc<Door>, connections: usize, each: usize, span: Duration) -> Result<String> {
    let (until, tls) = (Instant::now() + span, door.tls(HOSTILE)?);
    let mut open = Vec::new();
    let mut asked = 0;
    for _ in 0..connections {
        let Ok(mut raw) = door.speak(&tls, 65_535).await else { continue };
        let head = head("IssueService/IssuePoints");
        for at in 0..each {
            let call =
                [frame(HEADERS, END_HEADERS, stream(at), &head), frame(DATA, 0, stream(at), &[0, 0, 0])].concat();
            if raw.send(&call).await.is_err() {
                break;
            }
            asked += 1;
        }
        open.push(raw);
    }
    tokio::time::sleep_until(until).await;
    let closed = open.iter_mut().filter_map(|raw| raw.is_closed().then_some(())).count();
    Ok(format!("{asked} requests begun; {closed} of {} connections closed by the house", open.len()))
}

/// Pages of a thousand entries, with a window of one byte for each.
pub async fn unread(door: &Arc<Door>, connections: usize, each: usize, span: Duration) -> Result<String> {
    let (until, tls) = (Instant::now() + span, door.tls(HOSTILE)?);
    let mut open = Vec::new();
    for _ in 0..connections {
        let Ok(mut raw) = door.speak(&tls, 1).await else { continue };
        let (head, page) = (head("EntryService/ListEntries"), message(&[0x38, 0xe8, 0x07]));
        for at in 0..each {
            let call =
                [frame(HEADERS, END_HEADERS, stream(at), &head), frame(DATA, END_STREAM, stream(at), &page)].concat();
            if raw.send(&call).await.is_err() {
                break;
            }
        }
        open.push(raw);
    }
    tokio::time::sleep_until(until).await;
    let heard: u64 = open.iter().map(super::raw::Raw::heard).sum();
    let closed = open.iter_mut().filter_map(|raw| raw.is_closed().then_some(())).count();
    Ok(format!("{heard} bytes heard; {closed} of {} connections closed by the house", open.len()))
}

/// Batches of 3.4 MB, all at once: 8,000 items with codes as long as they may be.
pub async fn batches(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let tally = Arc::new(Tally::default());
    let mut workload = workload(0);
    let long = "x".repeat(50);
    let mut batches = Vec::new();
    for _ in 0..count {
        let mut items = issues(&mut workload, 8_000);
        for origin in items.iter_mut().filter_map(|item| item.origin.as_mut()) {
            origin.store = format!("{}{long}", origin.store);
            origin.till = format!("{}{long}", origin.till);
            origin.cashier = long.clone();
            origin.receipt_number = format!("{}{long}{long}", origin.receipt_number);
        }
        batches.push((service(door.channel(HOSTILE).await?), v1::BatchIssuePointsRequest { items }));
    }
    let until = Instant::now() + span;
    let mut asking = JoinSet::new();
    for (mut client, batch) in batches {
        let tally = Arc::clone(&tally);
        asking.spawn(async move { tally.note(&client.batch_issue_points(batch).await) });
    }
    let all = async { while asking.join_next().await.is_some() {} };
    let _ = tokio::time::timeout_at(until, all).await;
    tokio::time::sleep_until(until).await;
    Ok(tally.told())
}

/// Issues in flight on many connections, kept up.
pub async fn flights(door: &Arc<Door>, connections: usize, each: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let tally = Arc::new(Tally::default());
    let mut asking = JoinSet::new();
    for at in 0..connections {
        let client = service(door.channel(HOSTILE).await?);
        for call in 0..each {
            let (mut client, tally) = (client.clone(), Arc::clone(&tally));
            let mut workload = workload(at * each + call);
            asking.spawn(async move {
                while Instant::now() < until {
                    let result = client.issue_points(workload.issue()).await;
                    tally.note(&result);
                    if result.is_err() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            });
        }
    }
    let _ = tokio::time::timeout_at(until, async { while asking.join_next().await.is_some() {} }).await;
    Ok(tally.told())
}

/// Full batches, one after the other, on four connections.
pub async fn row(door: &Arc<Door>, size: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let tally = Arc::new(Tally::default());
    let mut asking = JoinSet::new();
    for at in 0..4 {
        let (mut client, tally) = (service(door.channel(HOSTILE).await?), Arc::clone(&tally));
        let mut workload = workload(at);
        asking.spawn(async move {
            while Instant::now() < until {
                let items = issues(&mut workload, size);
                let result = client.batch_issue_points(v1::BatchIssuePointsRequest { items }).await;
                tally.note(&result);
                if result.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    let _ = tokio::time::timeout_at(until, async { while asking.join_next().await.is_some() {} }).await;
    Ok(format!("batches: {}", tally.told()))
}

/// Pages of entries and of notices, at once and again.
pub async fn reads(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let tally = Arc::new(Tally::default());
    let channel = door.channel(HOSTILE).await?;
    let entries = EntryServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    let notices = NoticeServiceClient::new(channel);
    let mut asking = JoinSet::new();
    for at in 0..count {
        let (mut entries, mut notices, tally) = (entries.clone(), notices.clone(), Arc::clone(&tally));
        asking.spawn(async move {
            while Instant::now() < until {
                if at % 2 == 0 {
                    let page = v1::ListEntriesRequest { page_size: 1_000, ..Default::default() };
                    tally.note(&entries.list_entries(page).await);
                } else {
                    let page = v1::ListExpiryNoticesRequest { page_size: 1_000, ..Default::default() };
                    tally.note(&notices.list_expiry_notices(page).await);
                }
            }
        });
    }
    let _ = tokio::time::timeout_at(until, async { while asking.join_next().await.is_some() {} }).await;
    Ok(tally.told())
}

/// Calls that are taken back again and again, beside some on the same connection that are not.
pub async fn cancelled(door: &Arc<Door>, count: usize, span: Duration) -> Result<String> {
    let until = Instant::now() + span;
    let client = service(door.channel(HOSTILE).await?);
    let kept = Arc::new(Tally::default());
    let mut asking = JoinSet::new();
    for at in 0..8 {
        let (mut client, kept, mut workload) = (client.clone(), Arc::clone(&kept), workload(at));
        asking.spawn(async move {
            while Instant::now() < until {
                kept.note(&client.issue_points(workload.issue()).await);
            }
        });
    }
    let mut workload = workload(8);
    for round in 0..count / 500 {
        let mut wave = JoinSet::new();
        for _ in 0..500 {
            let (mut client, issue) = (client.clone(), workload.issue());
            wave.spawn(async move { client.issue_points(issue).await.is_ok() });
        }
        tokio::time::sleep(Duration::from_millis(u64::try_from(round).unwrap_or(0) * 3)).await;
        wave.abort_all();
        while wave.join_next().await.is_some() {}
    }
    let _ = tokio::time::timeout_at(until, async { while asking.join_next().await.is_some() {} }).await;
    Ok(format!("the others on the connection: {}", kept.told()))
}
