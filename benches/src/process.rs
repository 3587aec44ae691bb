//! The house as a process of its own: any build of the command `clearing`, on books that this program made.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clearing::clock::Clock;
use clearing_proto::v1;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::client::{connect, tls_config};
use crate::coalition::{Certificates, DOMAIN, IDENTIFIER_KEY};
use crate::machine::memory_megabytes;

/// How long a house may take to open or to stop.
const PATIENCE: Duration = Duration::from_secs(600);

/// Between two tries to reach a house that is opening: also how exactly the time is told until it is open.
const LOOK: Duration = Duration::from_millis(2);

/// Between two looks at the memory of a process.
const MEMORY_LOOK: Duration = Duration::from_millis(50);

/// A program, and how it is to run.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    /// The core that it keeps to.
    pub core: Option<usize>,
    /// Its limit of open files.
    pub files: Option<u32>,
}

impl Program {
    /// # Errors
    /// If there is no such file.
    pub fn new(path: &Path) -> Result<Self> {
        ensure!(path.is_file(), "{} is no program", path.display());
        Ok(Self { path: std::path::absolute(path)?, core: None, files: None })
    }

    /// The command, as the first words of a line.
    pub fn command(&self) -> Command {
        let mut words = Vec::new();
        if let Some(core) = self.core {
            words.extend(["taskset".to_owned(), "--cpu-list".to_owned(), core.to_string()]);
        }
        if let Some(files) = self.files {
            words.extend(["prlimit".to_owned(), format!("--nofile={files}")]);
        }
        let Some((first, rest)) = words.split_first() else { return Command::new(&self.path) };
        let mut command = Command::new(first);
        command.args(rest).arg(&self.path);
        command
    }
}

/// A key of the configuration, and its value.
pub type Setting = (&'static str, String);

/// Everybody's papers, and those of the house in a folder, where the program reads them.
pub struct Papers {
    folder: TempDir,
    pub certificates: Arc<Certificates>,
}

impl Papers {
    /// # Errors
    /// If they cannot be made or written.
    pub fn new() -> Result<Self> {
        let (folder, certificates) = (TempDir::new()?, Arc::new(Certificates::generate(&Clock::system())?));
        let server = &certificates.server;
        let key: String = IDENTIFIER_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        for (name, text) in [
            ("ca.pem", &server.ca_pem),
            ("server.pem", &server.cert_pem),
            ("server.key", &server.key_pem),
            ("id.key", &key),
        ] {
            write_private(&folder.path().join(name), text)?;
        }
        write_private(&folder.path().join("ca.key"), certificates.authority.private_key().expose_pem())?;
        Ok(Self { folder, certificates })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The settings of a house with these papers.
    fn settings(&self, address: SocketAddr, database_url: &str) -> Vec<Setting> {
        vec![
            ("house.listen", address.to_string()),
            ("house.domain", DOMAIN.to_owned()),
            ("house.database", database_url.to_owned()),
            ("tls.ca", self.at("ca.pem")),
            ("tls.cert", self.at("server.pem")),
            ("tls.key", self.at("server.key")),
            ("keys.identifier_key", self.at("id.key")),
        ]
    }

    /// What a house needs besides to issue certificates to whoever is invited. Earlier builds know none of it.
    pub fn enrolment(&self) -> [Setting; 3] {
        [
            ("enrolment.listen", "127.0.0.1:0".to_owned()),
            ("authority.cert", self.at("ca.pem")),
            ("authority.key", self.at("ca.key")),
        ]
    }
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
    address: SocketAddr,
    /// From its start until it gave its first answer.
    pub opened_after: Duration,
}

impl House {
    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn start(program: &Program, papers: &Papers, database_url: &str) -> Result<Self> {
        Self::start_with(program, papers, database_url, &[]).await
    }

    /// The same with more settings.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn start_with(program: &Program, papers: &Papers, database_url: &str, more: &[Setting]) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = papers.folder().join("house.log");
        let writing = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = program.command();
        command.arg("serve");
        for (key, value) in papers.settings(address, database_url).iter().chain(more) {
            command.args(["--set", &format!("{key}={value}")]);
        }
        let began = Instant::now();
        let process = command.current_dir(papers.folder()).stdout(Stdio::null()).stderr(writing).spawn()?;
        let mut house = Self { process, address, opened_after: Duration::ZERO };
        let opened = house.opened(papers).await;
        opened.with_context(|| format!("the house did not open: {}", last_line(&log)))?;
        house.opened_after = began.elapsed();
        Ok(house)
    }

    async fn opened(&mut self, papers: &Papers) -> Result<()> {
        let certificates = &papers.certificates;
        let tls = tls_config(&certificates.server.ca_pem, &certificates.partners[1])?;
        let tls = TlsConnector::from(Arc::new(tls));
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(ended) = self.process.try_wait()? {
                anyhow::bail!("it ended: {ended}");
            }
            if let Ok(channel) = connect(self.address, tls.clone()).await {
                // What is wrong with the question is said by an open house.
                let answer = MemberServiceClient::new(channel).get_balance(v1::GetBalanceRequest::default()).await;
                if answer.err().is_some_and(|status| status.code() == tonic::Code::InvalidArgument) {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        anyhow::bail!("not within {} s", PATIENCE.as_secs())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds of the machine's memory, in megabytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn memory(&self) -> Result<u64> {
        memory_megabytes(self.process.id(), "VmRSS").context("the house is gone")
    }

    /// The most that it has held since it was started, in megabytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn memory_peak(&self) -> Result<u64> {
        memory_megabytes(self.process.id(), "VmHWM").context("the house is gone")
    }

    /// Looks at its memory all the time.
    pub fn watch_memory(&self) -> Watch {
        watch_memory(self.process.id(), "VmRSS")
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

    /// Ends it at once, as a failure of the machine would.
    ///
    /// # Errors
    /// If it was gone.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill().context("the house was gone")?;
        self.process.wait()?;
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

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}

/// Runs a program of the books to its end: how long it took, and the most memory that it held, in megabytes.
///
/// # Errors
/// If it cannot be started or fails.
pub async fn run(mut command: Command) -> Result<(Duration, u64)> {
    let began = Instant::now();
    let mut process = command.stdout(Stdio::null()).spawn()?;
    let watch = watch_memory(process.id(), "VmHWM");
    let ended = loop {
        if let Some(ended) = process.try_wait()? {
            break ended;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let took = began.elapsed();
    ensure!(ended.success(), "{command:?} failed: {ended}");
    Ok((took, watch.peak()))
}

fn watch_memory(process: u32, what: &'static str) -> Watch {
    let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (seen, end) = (Arc::clone(&peak), Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            seen.fetch_max(memory_megabytes(process, what).unwrap_or(0), Ordering::Relaxed);
            std::thread::park_timeout(MEMORY_LOOK);
        }
    });
    Watch { peak, stop, thread: Some(thread) }
}

/// The most memory that a process has held while it was watched.
pub struct Watch {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// In megabytes.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
