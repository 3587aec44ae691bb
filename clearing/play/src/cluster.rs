//! A PostgreSQL of a test's own, which it may stop as rudely as it likes, and a pooler before one.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;

/// A cluster that commits as durably as a production server: fsync stays on. It ends with the test.
pub struct Cluster {
    programs: PathBuf,
    dir: TempDir,
    /// Where on this machine it listens besides its socket.
    port: Option<u16>,
}

impl Cluster {
    pub fn start() -> Self {
        Self::start_with(None, None)
    }

    /// One that listens on a port of this machine too, and lets in whom these lines of its `pg_hba.conf` name.
    pub fn letting_in(lines: &str) -> Self {
        Self::start_with(Some(free_port()), Some(lines))
    }

    fn start_with(port: Option<u16>, lines: Option<&str>) -> Self {
        let cluster = Self { programs: programs(), dir: folder(), port };
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        ran(initdb.arg("--pgdata").arg(cluster.data()));
        if let Some(lines) = lines {
            fs::write(cluster.data().join("pg_hba.conf"), lines).unwrap();
        }
        cluster.start_again();
        cluster
    }

    /// Starts a cluster that was stopped, and waits until it answers.
    pub fn start_again(&self) {
        let socket = self.dir.path().display();
        let listens = self.port.map_or_else(
            || "-c listen_addresses=".to_owned(),
            |port| format!("-c listen_addresses=127.0.0.1 -c port={port}"),
        );
        let settings = format!(
            "{listens} -c unix_socket_directories={socket} -c unix_socket_permissions=0700 \
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
        self.url_as("postgres", "postgres", "")
    }

    /// The address of a database, by its socket, as some role, with more options.
    pub fn url_as(&self, role: &str, database: &str, options: &str) -> String {
        let port = self.port_or_default();
        format!("postgres:///{database}?host={}&port={port}&user={role}{options}", self.dir.path().display())
    }

    fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(5432)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{}", self.port_or_default()))
    }

    /// The port of this machine that it listens on.
    pub fn port(&self) -> u16 {
        self.port.expect("it was told to listen on one")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn control(&self, what: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg(what).arg("--silent").arg("--pgdata").arg(self.data());
        command
    }

    fn program(&self, name: &str) -> Command {
        as_postgres(&self.programs.join(name))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already; there is nothing to tell anybody.
        let _ = self.control("stop").args(["--mode", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A pooler before the PostgreSQL of a URL: PgBouncer, which ends with the test.
pub struct Pooler {
    dir: TempDir,
    child: Child,
}

impl Pooler {
    /// Pools in this mode: `session`, `transaction` or `statement`.
    pub async fn start(mode: &str, before: &str) -> Self {
        let dir = folder();
        let (host, user) = (option_of(before, "host"), option_of(before, "user"));
        let config = format!(
            "[databases]\n* = host={host} user={user}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\n\
             unix_socket_mode = 0700\nauth_type = any\npool_mode = {mode}\nmax_client_conn = 100\ndefault_pool_size = 20\n\
             logfile = {folder}/log\n",
            folder = dir.path().display()
        );
        let file = dir.path().join("pgbouncer.ini");
        fs::write(&file, config).unwrap();
        let mut command = as_postgres(&pgbouncer());
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let pooler = Self { dir, child: command.spawn().unwrap() };
        let begun = Instant::now();
        while !pooler.dir.path().join(".s.PGSQL.6432").exists() {
            let log = || fs::read_to_string(pooler.dir.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the pooler does not listen: {}", log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pooler
    }

    /// The address of a database behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port=6432&user=postgres", self.dir.path().display())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // `runuser` passes on what asks it to end, and not what ends it at once.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn option_of<'a>(url: &'a str, name: &str) -> &'a str {
    let options = url.split_once('?').map_or("", |(_, options)| options);
    let found = options.split('&').filter_map(|option| option.split_once('=')).find(|(of, _)| *of == name);
    found.unwrap_or_else(|| panic!("{url} has no {name}")).1
}

/// In `/tmp`, since the path of a socket has at most 107 bytes; open to the user that PostgreSQL's programs run as.
fn folder() -> TempDir {
    let dir = tempfile::Builder::new().prefix("clearing-faults.").tempdir_in("/tmp").unwrap();
    if is_root() {
        ran(Command::new("chown").arg("postgres").arg(dir.path()));
    }
    dir
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Server programs refuse to run as root, so then they run as the user that came with the package.
fn as_postgres(program: &Path) -> Command {
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

fn pgbouncer() -> PathBuf {
    // Debian keeps it where only root's PATH leads.
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = places.iter().map(PathBuf::from).find(|place| place.exists());
    found.expect("PgBouncer is not installed: `./check test` sees to it")
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
