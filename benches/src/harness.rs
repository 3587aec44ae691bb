//! Closed and open loops.
//!
//! | loop | who decides when to send | a latency begins |
//! |---|---|---|
//! | closed | a caller sends its next call when it has the answer to the last | when the call is sent |
//! | open | a schedule, whatever the answers do | when the schedule said that it should be sent |
//!
//! A closed loop measures throughput: while the server stalls, nobody sends, so its percentiles leave the stall out
//! (coordinated omission). An open loop measures what callers wait, the stall included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tonic::Status;

use crate::disk::Disk;
use crate::machine::processor_time;

/// Where calls come from. A call gives how many operations it got accepted.
pub trait Source: Send + 'static {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>>;
}

/// How long a system is put under load.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What was measured. Latencies are in microseconds.
#[derive(Debug, Clone)]
pub struct Measured {
    pub calls: u64,
    pub operations: u64,
    /// Calls that were answered with an error. Zero, or the figures mean nothing.
    pub failed: u64,
    /// The first error.
    pub failure: Option<String>,
    pub elapsed: Duration,
    /// What this process used of the processors, with callers, servers and SQLite, but not PostgreSQL.
    pub processor: Duration,
    /// Bytes that the system wrote to its database, where that is counted.
    pub written: Option<u64>,
    pub latencies: Histogram<u64>,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            calls: 0,
            operations: 0,
            failed: 0,
            failure: None,
            elapsed: Duration::ZERO,
            processor: Duration::ZERO,
            written: None,
            latencies: Histogram::new(3).expect("three digits are allowed"),
        }
    }
}

impl Measured {
    /// Adds another measurement of the same thing.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.operations += other.operations;
        self.failed += other.failed;
        self.failure = self.failure.take().or_else(|| other.failure.clone());
        self.elapsed += other.elapsed;
        self.processor += other.processor;
        self.written = self.written.into_iter().chain(other.written).reduce(|one, other| one + other);
        self.latencies.add(&other.latencies).expect("the histograms grow as needed");
    }

    /// Operations in a second.
    pub fn rate(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.operations as f64 / self.elapsed.as_secs_f64() }
    }

    /// Processor time of an operation, in microseconds.
    pub fn processor_micros(&self) -> f64 {
        if self.operations == 0 { 0.0 } else { self.processor.as_secs_f64() * 1e6 / self.operations as f64 }
    }

    /// Kilobytes (of 1,000 bytes) that were written for an operation, where that is counted.
    pub fn written_kilobytes(&self) -> Option<f64> {
        self.written.filter(|_| self.operations > 0).map(|written| written as f64 / 1e3 / self.operations as f64)
    }

    fn record(&mut self, answer: &Result<u64, Status>, latency: Duration) {
        self.calls += 1;
        match answer {
            Ok(operations) => {
                self.operations += operations;
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                self.latencies.record(micros).expect("the histogram grows as needed");
            }
            Err(status) => {
                self.failed += 1;
                self.failure.get_or_insert_with(|| format!("{:?}: {}", status.code(), status.message()));
            }
        }
    }
}

/// Each source is a caller that has one call in flight at a time. Calls that are answered within the span count.
///
/// # Errors
/// If a caller panics.
pub async fn closed_loop<S: Source>(callers: Vec<S>, span: Span) -> Result<Measured> {
    closed_loop_on(&Disk::NotCounted, callers, span).await
}

/// As [`closed_loop`], and counts what is written to a disk meanwhile.
///
/// # Errors
/// If a caller panics, or those of the database that tells what it wrote.
pub async fn closed_loop_on<S: Source>(disk: &Disk, callers: Vec<S>, span: Span) -> Result<Measured> {
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.measured;
    let mut running = JoinSet::new();
    for mut source in callers {
        let stop = Arc::clone(&stop);
        running.spawn(async move {
            let mut measured = Measured::default();
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                let answer = source.call().await;
                let answered = Instant::now();
                if (begin..end).contains(&answered) {
                    measured.record(&answer, answered - sent);
                }
            }
            measured
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    let (used, wrote) = (processor_time(), disk.written_bytes().await?);
    tokio::time::sleep_until(end.into()).await;
    let used = processor_time().saturating_sub(used);
    let wrote = disk.written_bytes().await?.zip(wrote).map(|(after, before)| after.saturating_sub(before));
    stop.store(true, Ordering::Relaxed);
    let mut all = Measured::default();
    // Every call is waited for: one that was cut off would be stored, perhaps, and never counted.
    while let Some(measured) = running.join_next().await {
        all.add(&measured?);
    }
    (all.elapsed, all.processor, all.written) = (span.measured, used, wrote);
    Ok(all)
}

/// Calls in flight in an open loop at the most. A system that cannot keep up reaches it; the schedule then waits, and its
/// calls are late, which their latencies show.
const IN_FLIGHT_MAX: usize = 8192;

/// Sends calls at random moments (a Poisson process) of this mean rate, whether or not earlier ones were answered.
/// Calls that were due within the span count, and all their answers are waited for.
///
/// # Errors
/// A rate that is not positive, or a call that panics.
pub async fn open_loop<S: Source>(mut source: S, calls_per_second: f64, seed: u64, span: Span) -> Result<Measured> {
    ensure!(calls_per_second > 0.0, "an open loop needs a rate above zero");
    let runtime = tokio::runtime::Handle::current();
    let used = processor_time();
    // A thread of its own, since the runtime's timers are a millisecond wide.
    let mut calls = tokio::task::spawn_blocking(move || {
        let permits = Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT_MAX));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut calls = JoinSet::new();
        let started = Instant::now();
        let begin = started + span.warm_up;
        let end = begin + span.measured;
        let mut due = started;
        loop {
            let uniform: f64 = rng.random();
            due += Duration::from_secs_f64(-(1.0 - uniform).ln() / calls_per_second);
            if due >= end {
                return calls;
            }
            let now = Instant::now();
            if due > now {
                std::thread::park_timeout(due - now);
            }
            let permit = runtime.block_on(Arc::clone(&permits).acquire_owned()).expect("the semaphore is never closed");
            let call = source.call();
            calls.spawn_on(
                async move {
                    let answer = call.await;
                    drop(permit);
                    (due >= begin).then(|| (answer, due.elapsed()))
                },
                &runtime,
            );
        }
    })
    .await?;
    let mut measured = Measured::default();
    let used = processor_time().saturating_sub(used);
    while let Some(call) = calls.join_next().await {
        if let Some((answer, latency)) = call? {
            measured.record(&answer, latency);
        }
    }
    // The warm-up is in what was used, so its share is taken off.
    let share = span.measured.as_secs_f64() / (span.warm_up + span.measured).as_secs_f64();
    (measured.elapsed, measured.processor) = (span.measured, used.mul_f64(share));
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { warm_up: Duration::ZERO, measured: Duration::from_millis(400) };

    /// A server with one desk: calls wait for each other, each takes a while, and the first stalls.
    struct OneDesk {
        desk: Arc<tokio::sync::Mutex<bool>>,
    }

    impl Source for OneDesk {
        fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
            let desk = Arc::clone(&self.desk);
            Box::pin(async move {
                let mut stalled = desk.lock().await;
                if !*stalled {
                    *stalled = true;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok(1)
            })
        }
    }

    fn one_desk() -> OneDesk {
        OneDesk { desk: Arc::new(tokio::sync::Mutex::new(false)) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_open_loop_counts_a_stall_for_everybody_who_came_during_it() {
        let open = open_loop(one_desk(), 1000.0, 1, SPAN).await.unwrap();
        let closed = closed_loop(vec![one_desk()], SPAN).await.unwrap();
        // Half of the open loop's calls came during the stall and waited; the closed loop sent one call into it.
        let slow = |measured: &Measured| measured.latencies.count_between(50_000, u64::MAX);
        assert!(slow(&open) > 10 * slow(&closed), "{} and {} calls were slow", slow(&open), slow(&closed));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn errors_are_counted_apart() {
        struct Refusing;
        impl Source for Refusing {
            fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
                Box::pin(async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    Err(Status::unavailable("closed"))
                })
            }
        }
        let measured = closed_loop(vec![Refusing], SPAN).await.unwrap();
        assert!(measured.failed > 0 && measured.failed == measured.calls && measured.operations == 0);
        assert_eq!(measured.failure.as_deref(), Some("Unavailable: closed"));
    }
}
