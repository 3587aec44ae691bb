//! A PostgreSQL of a test's own, which it may stop as rudely as it likes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A cluster that commits as durably as a production server: fsync stays on. It ends with the test.
pub struct Cluster {
    programs: PathBuf,
    /// In `/tmp`, since the path of a socket has at most 107 bytes.
    dir: TempDir,
}

impl Cluster {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("clearing-faults.").tempdir_in("/tmp").unwrap();
        let cluster = Self { programs: programs(), dir };
        if is_root() {
            ran(Command::new("chown").arg("postgres").arg(cluster.dir.path()));
        }
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        ran(initdb.arg("--pgdata").arg(cluster.data()));
        cluster.start_again();
        cluster
    }

    /// Starts a cluster that was stopped, and waits until it answers.
    pub fn start_again(&self) {
        let socket = self.dir.path().display();
        let settings = format!(
            "-c listen_addresses= -c unix_socket_directories={socket} -c unix_socket_permissions=0700 \
             -c shared_buffers=32MB -c log_min_messages=panic"
        );
        let mut start = self.control("start");
        ran(start
            .args(["--wait", "--timeout", "60", "--options", &settings])
            .arg("--log")
            .arg(self.dir.path().join("log")));
    }

    /// Stops the cluster without a word to anybody, as a crash would: the next start recovers from the log.
    pub fn stop_at_once(&self) {
        ran(self.control("stop").args(["--mode", "immediate", "--wait", "--timeout", "60"]));
    }

    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=postgres", self.dir.path().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join(".s.PGSQL.5432")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn control(&self, what: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg(what).arg("--silent").arg("--pgdata").arg(self.data());
        command
    }

    /// Server programs refuse to run as root, so then they run as the user that came with the package.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // Not every folder is open to that user.
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already; there is nothing to tell anybody.
        let _ = self.control("stop").args(["--mode", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A server started by `pg_ctl` keeps its standard output, so there is none: a pipe would never end.
fn ran(command: &mut Command) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (out, err) = (log.reopen().unwrap(), log.reopen().unwrap());
    let state = command.stdin(Stdio::null()).stdout(out).stderr(err).status().unwrap();
    assert!(state.success(), "{command:?}: {}", std::fs::read_to_string(log.path()).unwrap_or_default());
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

#[allow(clippy::disallowed_methods, reason = "the one place where tests learn where PostgreSQL's programs are")]
fn programs() -> PathBuf {
    std::env::var_os("CLEARING_TEST_POSTGRES_BIN").map(PathBuf::from).expect(
        "CLEARING_TEST_POSTGRES_BIN, the folder of initdb and pg_ctl, is not set: run the tests as `./check postgres \
         cargo test`, or as `./check test`",
    )
}
