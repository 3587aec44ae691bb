//! The books of the house, and the neighbour.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::store::Store;
use clearing_proto::v1;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::Options;
use super::raw::{Door, NEIGHBOUR};
use crate::baseline::Served;
use crate::baseline::echo::Echo;
use crate::coalition::{self, DOMAIN, IDENTIFIER_KEY, PARTNERS};
use crate::process::{House, Papers, Program};
use crate::workload::{Spread, Workload};

/// A runtime whose threads keep to one core, as does the one that makes it.
pub struct Pinned(Runtime);

impl Pinned {
    /// # Errors
    /// If no thread can be started.
    pub fn new(core: usize) -> Result<Self> {
        let mut cores = CpuSet::new();
        cores.set(core);
        let keep = move || {
            // On a machine without that core everybody shares what there is, and the figures are not of two cores.
            let _ = sched_setaffinity(None, &cores);
        };
        keep();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(runtime.worker_threads(1).on_thread_start(keep).enable_all().build()?))
    }

    pub fn run<T>(&self, what: impl Future<Output = T>) -> T {
        self.0.block_on(what)
    }

    pub fn end(self) {
        self.0.shutdown_timeout(Duration::from_secs(5));
    }
}

/// Filled books, of which every house gets a copy.
pub struct Books {
    papers: Papers,
    program: Program,
}

impl Books {
    /// Founds the coalition and enrols its members through the house itself.
    ///
    /// # Errors
    /// If the books cannot be made, or the house does not take the members.
    pub async fn fill(options: &Options) -> Result<Self> {
        let (clock, papers) = (Clock::system(), Papers::new()?);
        let (core, files) = (Some(options.house_core), options.files);
        let books = Self { papers, program: Program { core, files, ..Program::new(&options.server)? } };
        let url = books.url("filled.db");
        let store = Store::connect(&url).await?;
        store.migrate().await?;
        store
            .create_coalition(&coalition::house(clock.now()), DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), clock.now())
            .await?;
        drop(store);
        let house = House::start(&books.program, &books.papers, &url).await?;
        let door = books.door(house.address());
        let members = options.members;
        for first in (0..members).step_by(2_000) {
            let brand = usize::try_from(first / 2_000)? % PARTNERS;
            let mut workload = Workload::new(1, u64::from(first), clock.clone(), Spread::Even, 0..members);
            let items =
                (first..(first + 2_000).min(members)).map(|member| workload.issue_to(member, 100_000)).collect();
            let mut client = IssueServiceClient::new(door.channel(brand).await?).max_decoding_message_size(64 << 20);
            client.batch_issue_points(v1::BatchIssuePointsRequest { items }).await?;
        }
        house.end().await?;
        Ok(books)
    }

    /// Starts a house on a copy of them.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn house(&self) -> Result<(House, Arc<Door>)> {
        for end in ["", "-wal", "-shm"] {
            let of = |name: &str| self.papers.folder().join(format!("{name}{end}"));
            let _ = std::fs::remove_file(of("house.db"));
            if of("filled.db").exists() {
                std::fs::copy(of("filled.db"), of("house.db"))?;
            }
        }
        let house = House::start(&self.program, &self.papers, &self.url("house.db")).await?;
        let door = self.door(house.address());
        Ok((house, door))
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.papers.folder().join(name).display())
    }

    fn door(&self, address: SocketAddr) -> Arc<Door> {
        Arc::new(Door { address, certificates: Arc::clone(&self.papers.certificates) })
    }
}

/// A service that answers at once, on the house's core.
///
/// # Errors
/// If it cannot be served.
pub async fn echo(books: &Books) -> Result<(Served, Arc<Door>)> {
    let house = Arc::new(coalition::house(Clock::system().now()));
    let served = Served::start(Echo, house, &books.papers.certificates.server).await?;
    let door = books.door(served.address);
    Ok((served, door))
}

/// A partner that behaves: it issues at an even rate on one connection; and twice a second somebody of it comes anew.
pub struct Neighbour {
    door: Arc<Door>,
    channel: Channel,
    rate: u32,
}

impl Neighbour {
    /// # Errors
    /// If it cannot connect.
    pub async fn connect(door: Arc<Door>, rate: u32) -> Result<Self> {
        let channel = door.channel(NEIGHBOUR).await?;
        Ok(Self { door, channel, rate })
    }

    /// Works for a while. Latencies begin when a call was due.
    pub async fn work(&self, span: Duration) -> Worked {
        let begun = Instant::now();
        let pause = Duration::from_secs(1) / self.rate;
        let calls = u32::try_from(span.as_nanos() / pause.as_nanos()).unwrap_or(0);
        // No receipt is booked twice, however often it works.
        let stream = u64::from_le_bytes(clearing::clock::random_bytes());
        let mut workload = Workload::new(2, stream, Clock::system(), Spread::Even, 0..50_000);
        let (mut asking, mut coming) = (JoinSet::new(), JoinSet::new());
        let mut worked = Worked::new(span);
        for call in 0..calls {
            let due = begun + pause * call;
            tokio::time::sleep_until(due).await;
            let (mut client, issue) = (IssueServiceClient::new(self.channel.clone()), workload.issue());
            asking.spawn(async move {
                let answer = tokio::time::timeout(Duration::from_secs(5), client.issue_points(issue)).await;
                (matches!(answer, Ok(Ok(_))), due.elapsed())
            });
            if call % (self.rate / 2).max(1) == 0 {
                coming.spawn(newcomer(Arc::clone(&self.door)));
            }
            while let Some(done) = asking.try_join_next() {
                worked.note(done.ok());
            }
        }
        while let Some(done) = asking.join_next().await {
            worked.note(done.ok());
        }
        while let Some(came) = coming.join_next().await {
            worked.came += 1;
            worked.kept_out += u64::from(!came.unwrap_or(false));
        }
        worked
    }
}

/// Whether somebody who was not there before is answered within two seconds.
async fn newcomer(door: Arc<Door>) -> bool {
    let asked = async {
        let channel = door.channel(NEIGHBOUR).await?;
        // What is wrong with the question is said by whoever answers.
        let answer = MemberServiceClient::new(channel).get_balance(v1::GetBalanceRequest::default()).await;
        anyhow::Ok(answer.is_ok() || answer.is_err_and(|status| status.code() == tonic::Code::InvalidArgument))
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), asked).await, Ok(Ok(true)))
}

/// How the neighbour fared.
pub struct Worked {
    span: Duration,
    latencies: Histogram<u64>,
    failed: u64,
    came: u64,
    kept_out: u64,
}

impl Worked {
    fn new(span: Duration) -> Self {
        let latencies = Histogram::new(3).expect("three digits are allowed");
        Self { span, latencies, failed: 0, came: 0, kept_out: 0 }
    }

    fn note(&mut self, call: Option<(bool, Duration)>) {
        match call {
            Some((true, took)) => {
                let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.latencies.record(micros).expect("the histogram grows as needed");
            }
            Some((false, _)) | None => self.failed += 1,
        }
    }

    pub fn rate(&self) -> String {
        let millis = |share| self.latencies.value_at_quantile(share) as f64 / 1_000.0;
        let rate = self.latencies.len() as f64 / self.span.as_secs_f64();
        format!("{rate:.0}, {:.1} / {:.1}", millis(0.5), millis(0.99))
    }

    pub fn failed(&self) -> u64 {
        self.failed
    }

    pub fn kept_out(&self) -> String {
        format!("{} of {}", self.kept_out, self.came)
    }
}
