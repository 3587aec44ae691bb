//! A folder with the real program in it, and what every test asks of the two.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Instant;

use clearing_play::PATIENCE;
use partner_sdk::Client;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with commands that run in it, untouched by the configuration of whoever runs the test.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Where a file or folder of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, still to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clearing"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The answer of a command that succeeds, as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stdout)))
    }

    /// What people read of a command that succeeds, on a screen that is wide enough for any table.
    pub fn table(&self, arguments: &[&str]) -> String {
        self.screen(&[arguments, &["--columns", "300"]].concat())
    }

    /// What people read of a command that succeeds, on a screen that nobody knows anything of.
    pub fn screen(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The exit code and the error, as JSON, of a command that fails.
    pub fn failure(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, error, _) = self.compared(arguments);
        (code, error)
    }

    /// The same, and the answer that `config check` gives although it fails: what it compared.
    pub fn compared(&self, arguments: &[&str]) -> (i32, Value, Value) {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        let error: Value = serde_json::from_slice(&output.stderr)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stderr)));
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let compares = arguments.starts_with(&["config", "check"]) && answer["compared"].is_array();
        assert!(compares || output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        (output.status.code().unwrap(), error["error"].clone(), answer)
    }

    /// Commands that all have these flags besides.
    pub fn asking(&self, flags: &[&str]) -> Asking<'_> {
        Asking { desk: self, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    /// Starts a server and waits for the line by which it says that it serves.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        let mut server = self.start(arguments);
        server.opens();
        server
    }

    /// Starts a sandbox on a port of its own, whose clock stands still, in a folder of this name.
    pub fn sandbox(&self, dir: &str, others: &[&str]) -> Server {
        let own = ["sandbox", "--listen", "127.0.0.1:0", "--start", "2026-01-01", "--dir", dir];
        self.serve(&[&own, others].concat())
    }

    /// Starts a server and waits for nothing.
    pub fn start(&self, arguments: &[&str]) -> Server {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        Server { child, out, log, seen: String::new(), ready: String::new(), endpoint: String::new() }
    }
}

/// Commands about one house.
pub struct Asking<'a> {
    desk: &'a Desk,
    flags: Vec<String>,
}

impl Asking<'_> {
    /// As [`Desk::json`].
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.desk.json(&self.with(arguments))
    }

    /// As [`Desk::table`].
    pub fn table(&self, arguments: &[&str]) -> String {
        self.desk.table(&self.with(arguments))
    }

    /// As [`Desk::screen`].
    pub fn screen(&self, arguments: &[&str]) -> String {
        self.desk.screen(&self.with(arguments))
    }

    /// As [`Desk::failure`].
    pub fn failure(&self, arguments: &[&str]) -> (i32, Value) {
        self.desk.failure(&self.with(arguments))
    }

    fn with<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        arguments.iter().copied().chain(self.flags.iter().map(String::as_str)).collect()
    }
}

/// A server that ends with the test.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
    /// What has been read of the log.
    seen: String,
    /// The line by which it said that it serves.
    pub ready: String,
    /// Where it serves, as that line names it.
    pub endpoint: String,
}

impl Server {
    /// Waits for the line by which it says that it serves.
    pub fn opens(&mut self) {
        self.out.read_line(&mut self.ready).unwrap();
        if !self.ready.starts_with("ready ") {
            let _ = self.child.kill();
            self.log.read_to_string(&mut self.seen).unwrap();
            panic!("it said {:?}: {}", self.ready, self.seen);
        }
        self.endpoint = self.ready.split_whitespace().nth(1).unwrap().to_owned();
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for a line of the log.
    pub fn logs(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            self.seen.push_str(&line);
            assert!(read > 0, "the log ended before {what:?}: {}", self.seen);
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Asks it to stop, and gives its exit code and its log.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let begun = Instant::now();
        self.log.read_to_string(&mut self.seen).unwrap();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "still running after {signal}: {}", self.seen);
            std::thread::yield_now();
        }
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "a server says one line on standard output");
        (self.child.wait().unwrap().code(), self.seen.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A partner of a house, with the certificate that lies in a folder.
pub async fn client(endpoint: &str, folder: &Path, id: &str) -> Client {
    Client::builder(endpoint)
        .ca_file(folder.join("ca.pem"))
        .identity_files(folder.join(format!("{id}.pem")), folder.join(format!("{id}.key")))
        .connect()
        .await
        .unwrap()
}

/// All that a program said.
pub fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// What a program said on one of its streams.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What owner, group and others may do with a file, as `chmod` writes it.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
