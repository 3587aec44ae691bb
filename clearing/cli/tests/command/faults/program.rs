//! The real program with a coalition of its own on SQLite, to be killed and started again.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use clearing::identifier::IdentifierKey;
use clearing::rpc::opaque::Opaque;
use clearing_play::PATIENCE;
use clearing_play::proxy::{Proxy, Upstream};
use clearing_play::sdk::Caller;
use partner_sdk::{Client, RequestId, Retries};
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
}

impl Program {
    /// Founds a coalition of three brands, and starts the house.
    pub async fn found() -> Self {
        let proxy = Proxy::to(None).await;
        let mut program = Self { desk: Desk::new(), proxy, running: None };
        let fee = ["--fee", "0.02", "--listen", "127.0.0.1:0"];
        program.run(&[&["init", "--domain", "points.example"], &fee[..]].concat()).await;
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
        let client = Client::builder(self.endpoint())
            .ca_file(brands.join("ca.pem"))
            .identity_files(brands.join(format!("{brand}.pem")), brands.join(format!("{brand}.key")))
            .deadline(Duration::from_secs(5))
            .retries(Retries::none())
            .connect()
            .await
            .unwrap();
        Brand { client, key }
    }

    pub fn database_url(&self) -> String {
        format!("sqlite:{}", self.desk.path("coalition/clearing.db").display())
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
