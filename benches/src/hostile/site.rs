//! The house as a process of its own, its books, and the neighbour.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::store::Store;
use clearing_proto::v1;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::Options;
use super::raw::{Door, NEIGHBOUR};
use crate::baseline::Served;
use crate::baseline::echo::Echo;
use crate::coalition::{self, Certificates, DOMAIN, IDENTIFIER_KEY, PARTNERS};
use crate::workload::{Spread, Workload};

/// How long a house may take to open or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Filled books, of which every house gets a copy, and everybody's papers.
pub struct Books {
    folder: TempDir,
    certificates: Arc<Certificates>,
}

impl Books {
    /// Founds the coalition and enrols its members through the house itself.
    ///
    /// # Errors
    /// If the books cannot be made, or the house does not take the members.
    pub async fn fill(options: &Options) -> Result<Self> {
        let (clock, folder) = (Clock::system(), TempDir::new()?);
        let certificates = Arc::new(Certificates::generate(&clock)?);
        let path = |name: &str| folder.path().join(name);
        let server = &certificates.server;
        let key: String = IDENTIFIER_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        for (name, text) in [
            ("ca.pem", &server.ca_pem),
            ("server.pem", &server.cert_pem),
            ("server.key", &server.key_pem),
            ("id.key", &key),
        ] {
            write_private(&path(name), text)?;
        }
        let store = Store::connect(&format!("sqlite:{}", path("filled.db").display())).await?;
        store.migrate().await?;
        store
            .create_coalition(&coalition::house(clock.now()), DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), clock.now())
            .await?;
        drop(store);
        let books = Self { folder, certificates };
        let house = House::start_on(options, &books, &path_of(&books, "filled.db")).await?;
        let door = house.door();
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
}

fn path_of(books: &Books, name: &str) -> PathBuf {
    books.folder.path().join(name)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A house as a process.
pub struct House {
    process: Child,
    door: Arc<Door>,
}

impl House {
    /// Starts it on a copy of the books.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn start(options: &Options, books: &Books) -> Result<Self> {
        let own = path_of(books, "house.db");
        for end in ["", "-wal", "-shm"] {
            let of = |name: &str| path_of(books, &format!("{name}{end}"));
            let _ = std::fs::remove_file(of("house.db"));
            if of("filled.db").exists() {
                std::fs::copy(of("filled.db"), of("house.db"))?;
            }
        }
        Self::start_on(options, books, &own).await
    }

    async fn start_on(options: &Options, books: &Books, database: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = books.folder.path();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("house.log"))?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &options.house_core.to_string()]);
        if let Some(files) = options.files {
            command.args(["prlimit", &format!("--nofile={files}")]);
        }
        command.arg(std::path::absolute(&options.server)?).arg("serve");
        let set = |key: &str, value: &str| format!("{key}={value}");
        let at = |name: &str| folder.join(name).display().to_string();
        for value in [
            set("house.listen", &address.to_string()),
            set("house.domain", DOMAIN),
            set("house.database", &format!("sqlite:{}", database.display())),
            set("tls.ca", &at("ca.pem")),
            set("tls.cert", &at("server.pem")),
            set("tls.key", &at("server.key")),
            set("keys.identifier_key", &at("id.key")),
        ] {
            command.args(["--set", &value]);
        }
        let process = command.current_dir(folder).stdout(Stdio::null()).stderr(log).spawn()?;
        let door = Arc::new(Door { address, certificates: Arc::clone(&books.certificates) });
        let house = Self { process, door };
        house.opened().await?;
        Ok(house)
    }

    async fn opened(&self) -> Result<()> {
        let opened = async {
            loop {
                if let Ok(channel) = self.door.channel(NEIGHBOUR).await {
                    let request = v1::GetBalanceRequest::default();
                    let answer = MemberServiceClient::new(channel).get_balance(request).await;
                    if answer.err().is_some_and(|status| status.code() == tonic::Code::InvalidArgument) {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, opened).await.context("the house did not open")
    }

    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
    }

    /// What it holds of the machine's memory, in megabytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn memory(&self) -> Result<u64> {
        memory(self.process.id()).context("the house is gone")
    }

    /// Looks at its memory all the time.
    pub fn watch_memory(&self) -> Watch {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (id, seen, end) = (self.process.id(), Arc::clone(&peak), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                seen.fetch_max(memory(id).unwrap_or(0), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(50));
            }
        });
        Watch { peak, stop, thread: Some(thread) }
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn end(mut self) -> Result<()> {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status()?;
        ensure!(asked.success(), "the house was gone");
        let until = Instant::now() + PATIENCE;
        while self.process.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "the house does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // One that has stopped already is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn memory(process: u32) -> Option<u64> {
    let mut text = String::new();
    std::fs::File::open(format!("/proc/{process}/status")).ok()?.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

/// The most memory that a house has held since.
pub struct Watch {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A service that answers at once, on the house's core.
///
/// # Errors
/// If it cannot be served.
pub async fn echo(books: &Books) -> Result<(Served, Arc<Door>)> {
    let house = Arc::new(coalition::house(Clock::system().now()));
    let served = Served::start(Echo, house, &books.certificates.server).await?;
    let door = Door { address: SocketAddr::clone(&served.address), certificates: Arc::clone(&books.certificates) };
    Ok((served, Arc::new(door)))
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
