//! The real program with a coalition of its own, to be killed and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clearing::identifier::IdentifierKey;
use clearing::rpc::opaque::Opaque;
use clearing_play::proxy::{Proxy, Upstream};
use clearing_play::sdk::Caller;
use clearing_play::{Backend, Database, PATIENCE, audit};
use partner_sdk::{Client, RequestId, Retries};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::desk::Desk;

const CONFIG: &str = "coalition/clearing.toml";

/// The brands of the coalition.
pub const BRANDS: [&str; 3] = ["GROCER", "FUEL", "CINEMA"];

/// A client of a brand, and the key that the coalition was founded with, under which the house shows ids.
#[derive(Clone)]
pub struct Brand {
    client: Client,
    key: IdentifierKey,
}

impl Brand {
    pub fn new_request_id(&self) -> RequestId {
        self.client.new_request_id()
    }

    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { client: self.client.with_deadline(deadline), ..self.clone() }
    }
}

impl Caller for Brand {
    fn client(&self) -> &Client {
        &self.client
    }

    fn ids(&self) -> Opaque {
        Opaque::new(&self.key)
    }
}

/// A program, and what it stands on. Callers come through the proxy, so that they need not learn where the house listens
/// after a restart.
pub struct Program {
    desk: Desk,
    pub proxy: Proxy,
    running: Option<Child>,
    database: Database,
}

impl Program {
    /// Founds a coalition of three brands on SQLite, and starts the house.
    pub async fn found() -> Self {
        Self::found_on(Backend::Sqlite).await
    }

    /// The same on either database.
    pub async fn found_on(backend: Backend) -> Self {
        let (proxy, desk) = (Proxy::to(None).await, Desk::new());
        let database = match backend {
            Backend::Sqlite => Database::at(format!("sqlite:{}", desk.path("coalition/clearing.db").display())),
            Backend::Postgres => Database::new(backend).await,
        };
        let mut program = Self { desk, proxy, running: None, database };
        let (fee, url) = (["--fee", "0.02", "--listen", "127.0.0.1:0"], program.database_url());
        let on = if backend == Backend::Postgres { vec!["--database", &url] } else { Vec::new() };
        program.run(&[&["init", "--domain", "points.example"], &fee[..], &on[..]].concat()).await;
        program.start().await;
        let endpoint = program.endpoint();
        let asked = ["--config", CONFIG, "--endpoint", &endpoint];
        for (brand, funding) in BRANDS.into_iter().zip(["at-redemption", "at-issue", "at-redemption"]) {
            program.run(&[&["partner", "create", brand, "--funding", funding], &asked[..]].concat()).await;
            program.run(&["partner", "certificate", brand, "--out", "brands", "--config", CONFIG]).await;
        }
        program
    }

    /// Starts the house, and waits until it says that it serves.
    pub async fn start(&mut self) {
        assert!(self.running.is_none(), "it is running");
        let log = File::options().append(true).create(true).open(self.desk.path("log")).unwrap();
        let mut command = self.command(&["serve", "--config", CONFIG]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(PATIENCE, out.next_line()).await.expect("the house opens").unwrap();
        let ready = ready.unwrap_or_else(|| panic!("the house ended: {}", self.log()));
        let address = ready.strip_prefix("ready https://").unwrap().parse().unwrap();
        self.proxy.lead(Some(Upstream::Tcp(address)));
        self.running = Some(child);
    }

    /// SIGKILL: it gets no chance to do anything about it.
    pub async fn kill(&mut self) {
        self.running.take().expect("it is running").kill().await.unwrap();
    }

    /// Waits until the house has ended by itself, and gives its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("it is running");
        let ended = tokio::time::timeout(PATIENCE, running.wait()).await;
        ended.expect("the house ends").unwrap().code()
    }

    /// The process that runs the house.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().and_then(Child::id).expect("it is running")
    }

    pub async fn client(&self, brand: &str) -> Brand {
        let brands = self.desk.path("brands");
        let key = std::fs::read_to_string(self.desk.path("coalition/identifier.key")).unwrap();
        let key = IdentifierKey::from_hex(key.trim()).unwrap();
        let [certificate, own_key] = ["pem", "key"].map(|ending| brands.join(format!("{brand}.{ending}")));
        let client = self.connect(&brands.join("ca.pem"), &certificate, &own_key).await;
        Brand { client, key }
    }

    /// A client of the operator's first person.
    pub async fn operator(&self) -> Client {
        let folder = self.desk.path("coalition");
        self.connect(&folder.join("ca.pem"), &folder.join("operator.pem"), &folder.join("operator.key")).await
    }

    async fn connect(&self, ca: &Path, certificate: &Path, key: &Path) -> Client {
        Client::builder(self.endpoint())
            .ca_file(ca)
            .identity_files(certificate, key)
            .deadline(Duration::from_secs(5))
            .retries(Retries::none())
            .connect()
            .await
            .unwrap()
    }

    /// Where a file of this name is, for the commands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.desk.path(name)
    }

    pub fn database_url(&self) -> String {
        self.database.url.clone()
    }

    /// The number that a query in the words of both databases gives.
    pub async fn number(&self, query: &str) -> i64 {
        self.database.number(query).await
    }

    /// The answer of a command of the operator's that succeeds.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.asked(arguments).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What people read on standard error of a command of the operator's that succeeds.
    pub async fn notes(&self, arguments: &[&str]) -> String {
        let endpoint = self.endpoint();
        let asked = [arguments, &["--config", CONFIG, "--endpoint", &endpoint]].concat();
        let output = self.command(&asked).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Begins with a command of the operator's.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        self.asked(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn asked(&self, arguments: &[&str]) -> Command {
        let endpoint = self.endpoint();
        let flags = ["--config", CONFIG, "--endpoint", &endpoint, "--output", "json"];
        self.command(&[arguments, &flags[..]].concat())
    }

    /// Kills the house, and fails unless its books are in order.
    pub async fn end(mut self) {
        self.kill().await;
        audit(&self.database.url).await;
        self.database.remove().await;
    }

    fn endpoint(&self) -> String {
        format!("https://{}", self.proxy.address())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.desk.path("log")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::from(self.desk.command(arguments));
        command.kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
