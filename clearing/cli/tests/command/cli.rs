//! The `clearing` command as an operator runs it: the real program, on SQLite, in a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use clearing_play::PATIENCE;
use partner_sdk::{Client, Issue, Redeem, Reverse};
use serde_json::Value;
use sqlx::Connection as _;
use tempfile::TempDir;

/// A folder with commands that run in it, untouched by the configuration of whoever runs the test.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clearing"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The answer of a command that succeeds, as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stdout)))
    }

    /// What people read of a command that succeeds.
    fn table(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The exit code and the error, as JSON, of a command that fails.
    fn failure(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        let error: Value = serde_json::from_slice(&output.stderr)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stderr)));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        (output.status.code().unwrap(), error["error"].clone())
    }

    /// Starts a server and waits for the line by which it says that it serves.
    fn serve(&self, arguments: &[&str]) -> Server {
        let mut server = self.start(arguments);
        server.out.read_line(&mut server.ready).unwrap();
        if !server.ready.starts_with("ready ") {
            let ready = server.ready.clone();
            panic!("{arguments:?} said {ready:?}: {}", server.stop("-KILL").1);
        }
        server.endpoint = server.ready.split_whitespace().nth(1).unwrap().to_owned();
        server
    }

    /// Starts a server and waits for nothing.
    fn start(&self, arguments: &[&str]) -> Server {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        Server { child, out, log, seen: String::new(), ready: String::new(), endpoint: String::new() }
    }
}

/// A server that ends with the test.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
    /// What has been read of the log.
    seen: String,
    ready: String,
    endpoint: String,
}

impl Server {
    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for a line of the log.
    fn logs(&mut self, what: &str) -> String {
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
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every command with its subcommands, as `--help` names them.
fn commands(desk: &Desk, of: &[&str]) -> Vec<Vec<String>> {
    let help = desk.table(&[of, &["--help"]].concat());
    let own = of.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut all = vec![own.clone()];
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let words: Vec<&str> = of.iter().copied().chain([name]).collect();
        all.extend(commands(desk, &words));
    }
    all
}

async fn client(endpoint: &str, folder: &Path, id: &str) -> Client {
    Client::builder(endpoint)
        .ca_file(folder.join("ca.pem"))
        .identity_files(folder.join(format!("{id}.pem")), folder.join(format!("{id}.key")))
        .connect()
        .await
        .unwrap()
}

#[test]
fn every_command_explains_itself() {
    let desk = Desk::new();
    let all = commands(&desk, &[]);
    let named = |words: &[&str]| all.iter().any(|command| command == words);
    for words in [
        &["demo"][..],
        &["init"],
        &["serve"],
        &["migrate"],
        &["audit"],
        &["sandbox"],
        &["partner", "create"],
        &["partner", "certificate"],
        &["partner", "terms"],
        &["partner", "limits"],
        &["partner", "consent"],
        &["partner", "state"],
        &["partner", "list"],
        &["member", "balance"],
        &["member", "decay"],
        &["member", "extend-expiry"],
        &["member", "reinstate"],
        &["member", "write-off-debt"],
        &["window", "list"],
        &["window", "close"],
        &["settlement", "preview"],
        &["settlement", "confirm"],
        &["settlement", "export"],
        &["settlement", "orders"],
        &["settlement", "pay"],
        &["settlement", "abort"],
        &["deposit"],
        &["calendar", "set"],
        &["calendar", "show"],
        &["report", "netting"],
        &["report", "trial-balance"],
        &["report", "journal"],
        &["report", "notices"],
        &["statement"],
        &["config", "check"],
        &["completions"],
    ] {
        assert!(named(words), "{words:?} is not among {all:?}");
    }
    assert!(desk.table(&["--help"]).contains("Exit codes:"));
}

#[test]
fn completions_are_a_script_of_the_shell() {
    let desk = Desk::new();
    assert!(desk.table(&["completions", "bash"]).contains("complete -F"));
    assert!(desk.table(&["completions", "fish"]).contains("complete -c clearing"));
    assert!(desk.table(&["completions", "zsh"]).contains("#compdef clearing"));
}

#[test]
fn a_wrong_command_line_or_configuration_is_exit_code_2() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(desk.run(&["window", "close", "--request-id", "x"]).status.code(), Some(2));

    let (code, error) = desk.failure(&["window", "list"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")));
    let message = error["message"].as_str().unwrap();
    for key in ["client.ca", "client.cert", "client.key"] {
        assert!(message.contains(&format!("{key} is missing")), "{message}");
    }

    let (code, error) = desk.failure(&["config", "check", "--set", "house.listn=1"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("did you mean: house.listen"), "{error}");

    fs::write(desk.path("wrong.toml"), "[house]\nlisten = \"localhost\"\n").unwrap();
    let (code, error) = desk.failure(&["serve", "--config", "wrong.toml"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("wrong.toml:2"), "{error}");
}

#[test]
fn a_house_that_is_not_there_is_exit_code_3() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    // Port 1 is nobody's on a machine that runs tests.
    let asked = ["window", "list", "--config", "coalition/clearing.toml", "--endpoint", "https://localhost:1"];
    let (code, error) = desk.failure(&[&asked[..], &["--set", "client.deadline_seconds=2"]].concat());
    assert_eq!((code, error["kind"].as_str()), (3, Some("UNREACHABLE")), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("clearing serve"), "{error}");
}

#[test]
fn init_makes_a_coalition_and_overwrites_nothing() {
    let desk = Desk::new();
    let made = desk.json(&["init", "--domain", "points.example", "--currency", "EUR", "--point-value", "0.01"]);
    assert_eq!((made["currency"].as_str(), made["scale"].as_u64()), (Some("EUR"), Some(2)));
    let folder = desk.path("coalition");
    for secret in ["authority/ca.key", "server.key", "operator.key", "auditor.key", "identifier.key"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    let key = fs::read_to_string(folder.join("identifier.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    let check = desk.json(&["config", "check", "--config", "coalition/clearing.toml"]);
    assert!(check["keys"].as_array().unwrap().iter().any(|key| key["source"] == "default"), "{check}");
    assert!(check["keys"].as_array().unwrap().iter().any(|key| {
        key["key"] == "house.domain" && key["source"].as_str().unwrap().starts_with("coalition/clearing.toml:")
    }));
    let state = desk.json(&["migrate", "--check", "--config", "coalition/clearing.toml"]);
    assert_eq!(state["pending"].as_array().map(Vec::len), Some(0));

    let (code, error) = desk.failure(&["init", "--domain", "points.example"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("not overwritten"), "{error}");
    assert_eq!(fs::read_to_string(folder.join("identifier.key")).unwrap(), key);

    let (code, error) = desk.failure(&[
        "init",
        "--domain",
        "other.example",
        "--dir",
        "other",
        "--database",
        "sqlite:../coalition/clearing.db",
    ]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("holds the coalition points.example already"), "{error}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_holds_a_secret_is_its_owners_alone_from_the_first_byte() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--dir", "new/coalition"]);
    let folder = desk.path("new/coalition");
    let server = desk.serve(&["serve", "--config", "new/coalition/clearing.toml"]);
    for secret in ["clearing.toml", "clearing.db", "clearing.db-wal", "clearing.db-shm", "clearing.db.lock"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    assert_eq!((mode(&folder), mode(&folder.join("authority"))), (0o700, 0o700));
    assert_eq!(server.stop("-TERM").0, Some(0));
    let certificate = ["partner", "certificate", "A", "--out", "brand", "--config", "new/coalition/clearing.toml"];
    desk.json(&certificate);
    assert_eq!((mode(&desk.path("brand")), mode(&desk.path("brand/A.key"))), (0o700, 0o600));

    let server = desk.serve(&["sandbox", "--dir", "sandbox"]);
    for secret in ["sandbox.db", "sandbox.db-wal", "grocer.key", "clearing.toml"] {
        assert_eq!(mode(&desk.path("sandbox").join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&desk.path("sandbox")), 0o700);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_key_that_others_may_read_is_refused_by_whoever_would_use_it() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let certificate = ["partner", "certificate", "A", "--out", "brand"];
    for (file, wide, commands) in [
        ("server.key", 0o640, vec![&["serve"][..], &["config", "check"]]),
        ("identifier.key", 0o604, vec![&["serve"], &["config", "check"], &["audit"]]),
        ("operator.key", 0o644, vec![&["window", "list"], &["config", "check", "--client"]]),
        ("authority/ca.key", 0o660, vec![&certificate]),
    ] {
        let path = desk.path("coalition").join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
        for command in commands {
            let (code, error) = desk.failure(&[command, &config].concat());
            assert_eq!(code, 2, "{command:?}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(file) && message.contains(&format!("has mode {wide:04o}")), "{message}");
            assert!(error["hint"].as_str().unwrap().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    desk.json(&[&["config", "check"][..], &config].concat());
    // The file of the configuration is no secret as long as no password is in it.
    let path = desk.path("coalition/clearing.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    desk.json(&[&["config", "check"][..], &config].concat());
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("sqlite:clearing.db", "postgres://house:hunter2@127.0.0.1:1/books");
    fs::write(&path, text).unwrap();
    for command in [&["config", "check"][..], &["serve"], &["window", "list"]] {
        let (code, error) = desk.failure(&[command, &config].concat());
        assert_eq!(code, 2, "{error}");
        assert!(error["message"].as_str().unwrap().contains("clearing.toml has mode 0644"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // Out of reach is no fault of the configuration; nothing that is said of it tells the password.
    let output = desk.run(&[&["config", "check", "--output", "json"][..], &config].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    assert!(!text_of(&output).contains("hunter2"), "{}", text_of(&output));
    assert!(text_of(&output).contains("cannot be reached"), "{}", text_of(&output));
}

/// All that a program said.
fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn no_command_tells_the_password_of_a_database() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    let config = ["--config", "coalition/clearing.toml"];
    for url in [
        "postgres://house:hunter2@127.0.0.1:1/books",
        "postgres://house:hun?ter2@127.0.0.1:1/books",
        "postgres://house:h@hunter2@127.0.0.1:1/books",
        "postgres://127.0.0.1:1/books?user=house&password=hunter2",
        "postgres://127.0.0.1:1/books?user=house&pass%77ord=hunter2",
        "postgres:house:hunter2@127.0.0.1/books",
        "mysql://house:hunter2@127.0.0.1/books",
    ] {
        let set = format!("house.database={url}");
        for command in [
            &["config", "check", "--set", &set][..],
            &["config", "check", "--set", &set, "--output", "json"],
            &["audit", "--database", url],
            &["migrate", "--database", url],
            &["init", "--domain", "points.example", "--dir", "other", "--database", url],
        ] {
            let output = desk.run(&[command, &config].concat());
            let said = text_of(&output);
            assert!(!said.contains("ter2"), "{command:?}: {said}");
        }
    }
    // What stands under a key that nobody knows may be one.
    let output = desk.run(&["config", "check", "--set", "house.password=hunter2"]);
    assert!(text_of(&output).contains("house.password is unknown"), "{}", text_of(&output));
    assert!(!text_of(&output).contains("hunter2"), "{}", text_of(&output));
}

#[test]
fn another_identifier_key_or_domain_than_the_books_were_made_with_is_refused() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    desk.json(&["init", "--domain", "points.example", "--dir", "other"]);
    let config = ["--config", "coalition/clearing.toml"];
    let key = ["--set", "keys.identifier_key=other/identifier.key"];
    let domain = ["--set", "house.domain=other.example"];
    for command in [&["serve"][..], &["audit"], &["config", "check"]] {
        let (code, error) = desk.failure(&[command, &config, &key].concat());
        assert_eq!(code, 2, "{command:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains("the identifier key is not the one"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("restore the key from its backup"), "{error}");
        let (code, error) = desk.failure(&[command, &config, &domain].concat());
        assert_eq!(code, 2, "{command:?}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("other.example") && message.contains("points.example"), "{error}");
    }
    assert_eq!(desk.json(&[&["audit"][..], &config].concat())["identifier_key_checked"], true);
    // Whoever has no key audits all the same, and is told.
    let audit = desk.json(&["audit", "--database", "sqlite:coalition/clearing.db"]);
    assert_eq!((&audit["clean"], &audit["identifier_key_checked"]), (&true.into(), &false.into()));
}

#[test]
fn a_second_house_on_one_file_and_whoever_would_change_its_layout_are_told_which_process_has_it() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    let process = format!("process {} (clearing serve)", server.child.id());
    let init = ["init", "--domain", "b.example", "--dir", "b", "--database", "sqlite:../coalition/clearing.db"];
    for command in [&[&["serve"], &config[..]].concat()[..], &init] {
        let (code, error) = desk.failure(command);
        assert_eq!(code, 2, "{error}");
        assert!(error["message"].as_str().unwrap().contains(&process), "{error}");
    }
    // Who reads is not kept out.
    desk.json(&[&["audit"][..], &config].concat());
    desk.json(&[&["config", "check"][..], &config].concat());
    desk.json(&[&["migrate", "--check"][..], &config].concat());
    // A process that was killed keeps nobody out.
    server.stop("-KILL");
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));

    let server = desk.serve(&["sandbox", "--dir", "sandbox"]);
    let (code, error) = desk.failure(&["sandbox", "--dir", "sandbox"]);
    assert_eq!(code, 2, "{error}");
    assert!(error["message"].as_str().unwrap().contains(&format!("process {}", server.child.id())), "{error}");
    assert!(desk.path("sandbox/endpoint.txt").exists(), "the files of the first are as they were");
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test]
async fn a_house_that_was_alive_at_another_time_opens_once_somebody_says_that_the_clock_is_right() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let check = [&["config", "check"][..], &config].concat();
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));
    let known = desk.json(&check);
    assert!(known["machine_time"].is_string() && known["last_alive_time"].is_string(), "{known}");

    for (shift, words) in [(-250_i64, "more than 8 days after"), (1, "more than 5 minutes before")] {
        let url = format!("sqlite:{}", desk.path("coalition/clearing.db").display());
        let mut books = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let moved = sqlx::query("UPDATE house_alive SET alive_at = alive_at + $1 RETURNING alive_at")
            .bind(shift * 86_400_000_000)
            .fetch_one(&mut books)
            .await
            .unwrap();
        let alive = clearing_core::units::Timestamp(sqlx::Row::get(&moved, 0)).to_string();
        books.close().await.unwrap();
        let (code, error) = desk.failure(&check);
        let message = error["message"].as_str().unwrap();
        assert_eq!(code, 2, "{error}");
        assert!(message.contains(words) && message.contains(&alive) && message.contains("--accept-time"), "{message}");

        let mut server = desk.start(&[&["serve"], &config[..]].concat());
        let line = server.logs("nothing is written");
        assert!(line.contains(words) && line.contains(&alive), "{line}");
        let (code, log) = server.stop("-TERM");
        assert_eq!(code, Some(0), "{log}");

        let server = desk.serve(&[&["serve", "--accept-time"], &config[..]].concat());
        let (code, log) = server.stop("-TERM");
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("taken as right") && log.contains(&alive), "{log}");
        desk.json(&check);
    }
}

#[test]
fn init_limits_new_partners_unless_no_limits_is_written() {
    let desk = Desk::new();
    let init = |folder: &str, more: &[&str]| {
        let line = [&["init", "--domain", "points.example", "--scale", "4", "--dir", folder][..], more].concat();
        let made = desk.json(&line)["default_limits"].clone();
        (made["net_debit_cap"].as_str().map(str::to_owned), made["points_per_entry"].as_i64())
    };
    // Nobody can be asked here: what is suggested holds, and it is said.
    assert_eq!(init("suggested", &[]), (Some("100000.0000".to_owned()), Some(100_000)));
    let said = desk.table(&["init", "--domain", "points.example", "--dir", "told"]);
    assert!(
        said.contains("New partners may owe up to 100000.00 RUB and issue up to 100000 points at a time"),
        "{said}"
    );
    assert!(said.contains("That is a suggestion") && said.contains("--no-limits"), "{said}");
    let flags = ["--default-net-debit-cap", "2500.5", "--default-points-per-entry", "700"];
    assert_eq!(init("chosen", &flags), (Some("2500.5000".to_owned()), Some(700)));
    assert_eq!(init("none", &["--no-limits"]), (None, None));
    let (code, _) =
        desk.failure(&["init", "--domain", "points.example", "--dir", "x", "--default-net-debit-cap", "-1"]);
    assert_eq!(code, 2);
    let both = desk.run(&["init", "--domain", "points.example", "--dir", "x", "--no-limits", flags[0], flags[1]]);
    assert_eq!(both.status.code(), Some(2));
    assert!(!desk.path("x").exists());
}

#[test]
fn a_number_has_one_form_on_the_command_line_too() {
    let desk = Desk::new();
    for number in ["+1", "1e3", "1_000", "01", ".5", "5.", "1.0000000000"] {
        for flag in ["--point-value", "--fee", "--settlement-threshold", "--default-net-debit-cap", "--grace-days"] {
            let output = desk.run(&["init", "--domain", "points.example", flag, number]);
            assert_eq!(output.status.code(), Some(2), "{flag} {number}");
            assert!(text(&output.stderr).contains("is not a number such as -58.80"), "{}", text(&output.stderr));
        }
    }
    // More decimals than the coalition's money has, be they zeros.
    for flag in ["--point-value", "--settlement-threshold", "--default-net-debit-cap"] {
        let (code, error) = desk.failure(&["init", "--domain", "points.example", flag, "1.000"]);
        assert_eq!(code, 2);
        assert!(error["message"].as_str().unwrap().contains("1.000 has 3 decimals"), "{flag}: {error}");
    }
    let time =
        ["member", "extend-expiry", "card:1", "--issuer", "A", "--until", "2026-02-01T00:00:00Z", "--reason", "R"];
    let output = desk.run(&[&time[..], &["--expires", "9999-12-31T00:00:00Z"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("lies outside of 1970-01-01T00:00:00Z"), "{}", text(&output.stderr));
    assert!(!desk.path("coalition").exists());
}

#[test]
fn a_file_of_a_coalition_is_held_to_what_the_wire_is_held_to() {
    let desk = Desk::new();
    let file = |coalition: &str, partner: &str| {
        format!(
            "[coalition]\ncurrency = \"RUB\"\nscale = 2\nstart = \"2026-01-01T00:00:00Z\"\n{coalition}\n\
             [[partner]]\n{partner}\n"
        )
    };
    let value = "point_value = \"1.00\"";
    for (coalition, partner, problem) in [
        (value, "id = \"bank\"", "the house uses this name itself"),
        (value, "id = \"Hub\"", "the house uses this name itself"),
        (value, "id = \"1e5\"", "must begin with a letter"),
        (value, "id = \"MAR1\"", "a date or a truth value"),
        (value, "id = \"A\"\nexpiry = \"END_OF_YEAR 36500\"", "leads beyond the year 9999"),
        (value, "id = \"A\"\nexpiry = \"FIXED 9999-12-31T00:00:00Z\"", "lies outside of"),
        (value, "id = \"A\"\nprice = \"+1\"", "is not a number"),
        (value, "id = \"A\"\nprice = \"1.000\"", "more than the 2 decimals"),
        (value, "id = \"A\"\nnet_debit_cap = \"5.000\"", "has 3 decimals"),
        ("point_value = \"1e0\"", "id = \"A\"", "is not a number"),
        ("point_value = \"-1\"", "id = \"A\"", "below zero"),
    ] {
        fs::write(desk.path("coalition.toml"), file(coalition, partner)).unwrap();
        let (code, error) = desk.failure(&["sandbox", "--dir", "sandbox", "--coalition", "coalition.toml"]);
        assert_eq!(code, 2, "{partner}");
        assert!(error["message"].as_str().unwrap().contains(problem), "{partner}: {error}");
    }
}

#[test]
fn init_refuses_what_no_coalition_can_be() {
    let desk = Desk::new();
    for (flag, value) in [
        ("--domain", "Points Example"),
        ("--currency", "rubles"),
        ("--scale", "7"),
        ("--scale", "1"),
        ("--point-value", "0.001"),
        ("--time-zone", "Mars/Olympus"),
        ("--breakage", "0.5/0.5/0.5"),
        ("--fee", "2"),
        ("--fee-bearer", "NOBODY"),
        ("--recovery", "NONE"),
        ("--funding", "LATER"),
        ("--listen", "localhost:1"),
        ("--database", "mysql://x"),
        ("--server-name", "not a name"),
    ] {
        let domain = if flag == "--domain" { value } else { "points.example" };
        let more = if flag == "--domain" { vec![] } else { vec![flag, value] };
        let (code, error) = desk.failure(&[&["init", "--domain", domain][..], &more].concat());
        assert_eq!(code, 2, "{flag} {value}: {error}");
        assert!(!desk.path("coalition").exists(), "{flag} {value} left something behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coalition_lives_from_init_to_a_settled_window() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--fee", "0.02", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    let endpoint = server.endpoint.clone();
    let ask = |arguments: &[&str]| {
        [arguments, &config, &["--endpoint", &endpoint]]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let json = |arguments: &[&str]| desk.json(&ask(arguments).iter().map(String::as_str).collect::<Vec<_>>());
    let table = |arguments: &[&str]| desk.table(&ask(arguments).iter().map(String::as_str).collect::<Vec<_>>());
    let failure = |arguments: &[&str]| desk.failure(&ask(arguments).iter().map(String::as_str).collect::<Vec<_>>());

    // Two brands join.
    let created = json(&["partner", "create", "GROCER", "--name", "Green Grocer"]);
    assert_eq!(created["partner"]["terms"]["acceptance_fee"], "0.02");
    assert_eq!(created["partner"]["limits"]["net_debit_cap"], "100000.00");
    assert_eq!(created["partner"]["limits"]["points_per_entry"], 100_000);
    let unlimited = table(&["partner", "create", "TRIAL", "--no-limits", "--points-per-day", "9"]);
    let limit = |name: &str| unlimited.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(limit("net debit cap").contains("none") && limit("points per day").contains('9'), "{unlimited}");
    json(&["partner", "create", "FUEL", "--funding", "at-issue", "--price", "1.05", "--expiry", "MONTHS 12"]);
    let (code, error) = failure(&["partner", "create", "FUEL"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("PARTNER_EXISTS")), "{error}");
    let (code, error) = failure(&["partner", "terms", "FUEL", "--reimbursement", "1.01"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("TERMS_UNDERFUND")), "{error}");
    let listed = json(&["partner", "list"]);
    let ids: Vec<_> = listed["partners"].as_array().unwrap().iter().map(|of| of["partner"].as_str().unwrap()).collect();
    assert_eq!(ids, ["FUEL", "GROCER", "TRIAL", "operator"]);
    assert!(table(&["partner", "list"]).contains("Green Grocer"));
    assert_eq!(json(&["partner", "terms", "FUEL"])["terms"]["expiry"], "MONTHS 12");
    for brand in ["GROCER", "FUEL"] {
        json(&["partner", "certificate", brand, "--out", "brands"]);
    }
    let (code, _) = failure(&["partner", "certificate", "FUEL", "--out", "brands"]);
    assert_eq!(code, 2);

    // A member earns at one and spends at the other.
    let grocer = client(&endpoint, &desk.path("brands"), "GROCER").await;
    let fuel = client(&endpoint, &desk.path("brands"), "FUEL").await;
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();

    // The window is closed once, however often the same request is sent.
    let preview = json(&["settlement", "preview"]);
    assert_eq!((preview["window"].as_i64(), &preview["settlement_state"]), (Some(1), &Value::Null));
    let request = fuel.new_request_id().to_string();
    let closed = json(&["window", "close", "--request-id", &request]);
    assert_eq!((closed["open_window"].as_i64(), closed["replayed"].as_bool()), (Some(2), Some(false)));
    let again = json(&["window", "close", "--request-id", &request]);
    assert_eq!((again["open_window"].as_i64(), again["replayed"].as_bool()), (Some(2), Some(true)));
    let legs = &closed["settlement"]["legs"];
    let leg = |partner: &str| {
        let of = legs.as_array().unwrap().iter().find(|leg| leg["partner"] == partner);
        of.unwrap()["amount"].as_str().unwrap().to_owned()
    };
    assert_eq!([leg("GROCER"), leg("FUEL"), leg("operator")], ["-60.00", "58.80", "1.20"]);
    assert_eq!(closed["settlement"]["proof"]["sum"], "0.00");

    // It settles.
    let (code, error) = failure(&["settlement", "pay", "1", "GROCER"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SETTLEMENT_NOT_CONFIRMED")), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("clearing settlement confirm"), "{error}");
    assert_eq!(json(&["settlement", "confirm", "1"])["settlement_state"], "CONFIRMED");
    let exported = json(&["settlement", "export", "1", "--csv", "orders.csv"]);
    assert_eq!(exported["orders"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(desk.path("orders.csv")).unwrap().starts_with("window,payer,payee,amount,currency\r\n"));
    let (code, error) = failure(&["settlement", "pay", "1", "GROCER", "--amount", "59"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("AMOUNT_MISMATCH")), "{error}");
    assert_eq!(json(&["settlement", "pay", "1", "GROCER"])["settlement_state"], "PARTLY_PAID");
    let orders = json(&["settlement", "orders", "1"]);
    let paid = orders["orders"].as_array().unwrap().iter().filter(|order| order["paid"] == true);
    assert_eq!(paid.count(), 1, "{orders}");
    let (code, error) = failure(&["settlement", "abort", "1"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SETTLEMENT_ALREADY_PAID")), "{error}");
    assert_eq!(json(&["settlement", "pay", "1", "--all"])["settlement_state"], "SETTLED");
    assert_eq!(json(&["window", "list"])["windows"][1]["settlement_state"], "SETTLED");
    assert!(table(&["settlement", "preview", "1"]).contains("PAID"));

    // The reports agree with it.
    let netting = json(&["report", "netting", "1"]);
    assert_eq!(netting["obligations"][0]["gross"], "60.00");
    assert!(table(&["report", "netting", "1"]).contains("issuer \\ acceptor"));
    let balance = json(&["report", "trial-balance"]);
    assert_eq!((balance["balanced"].as_bool(), balance["points_sum"].as_i64()), (Some(true), Some(0)));
    assert!(table(&["report", "trial-balance"]).contains("The books balance."));
    let journal = json(&["report", "journal", "--limit", "2"]);
    assert_eq!(journal["entries"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&journal["entries"][0]["kind"], &journal["entries"][1]["kind"]),
        (&"FOUND".into(), &"CREATE_PARTNER".into())
    );
    assert_eq!(json(&["report", "notices"])["notices"].as_array().map(Vec::len), Some(0), "no points expire");
    let (code, error) = failure(&["report", "notices", "--day", "tomorrow"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{error}");
    let statement = json(&["statement", "FUEL", "--window", "1"]);
    assert_eq!((statement["leg"].as_str(), statement["closing"].as_str()), (Some("58.80"), Some("0.00")));
    assert!(table(&["statement", "GROCER", "--window", "1"]).contains("to the settlement"));

    // The rest of the operator's desk.
    assert_eq!(json(&["deposit", "reserve", "100"])["balance"], "100.00");
    let calendar = json(&["calendar", "set", "0 0 * * *", "--time-zone", "Europe/Moscow"]);
    let next = calendar["next_close_times"][0].as_str().unwrap();
    assert!(next.ends_with("T21:00:00Z"), "{next}");
    assert_eq!(json(&["calendar", "show"])["next_close_times"], calendar["next_close_times"]);
    assert_eq!(json(&["calendar", "set", "--none"])["next_close_times"].as_array().map(Vec::len), Some(0));
    assert_eq!(json(&["partner", "state", "FUEL", "suspended"])["state"], "SUSPENDED");
    let refused = fuel.issue(Issue::to("card", "1").points(1)).await.unwrap();
    assert_eq!(refused.rejection().unwrap().reason.as_str(), "PARTNER_SUSPENDED");

    // An auditor reads, and changes nothing.
    let auditor = ["--set", "client.cert=coalition/auditor.pem", "--set", "client.key=coalition/auditor.key"];
    json(&[&["report", "trial-balance"][..], &auditor].concat());
    let (code, error) = failure(&[&["window", "close"][..], &auditor].concat());
    assert_eq!((code, error["kind"].as_str()), (1, Some("REJECTED")), "{error}");

    // The house stops when it is asked to, and its books hold.
    drop((grocer, fuel));
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    let audit = desk.json(&[&["audit"], &config[..]].concat());
    let leases = audit["unexplained"].as_array().unwrap().iter().find(|of| of["table"] == "leases").unwrap();
    assert!(!leases["reason"].as_str().unwrap().is_empty());
    let page = desk.run(&[&["audit"], &config[..]].concat());
    assert!(text(&page.stdout).contains("It says nothing about the tables leases,"), "{}", text(&page.stdout));
    assert_eq!(audit["clean"], true, "{audit}");

    // Somebody writes into the database by hand, and the audit finds it.
    let books = format!("sqlite:{}", desk.path("coalition/clearing.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&books).await.unwrap();
    let changed = sqlx::query("UPDATE lots SET available = available + 1").execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    connection.close().await.unwrap();
    let output = desk.run(&[&["audit"], &config[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(4));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["clean"].as_bool(), found["finding_count"].as_u64() > Some(0)), (Some(false), true), "{found}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "UNBALANCED");

    // For people it tells how far it is, and what it found in words.
    let output = desk.run(&[&["audit"], &config[..]].concat());
    let (page, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let (read, compared) =
        (format!("audit: read {0} of {0} entries", found["entries"]), "audit: compared 1 of 1 members");
    assert!(told.contains(&read) && told.contains(compared), "{told}");
    assert!(page.contains("of GROCER, made by entry ") && !page.contains("Points("), "{page}");
}

#[test]
fn a_house_waits_for_its_migrations_and_stops_when_it_is_told() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let state = desk.json(&[&["migrate", "--check", "--database", "sqlite:empty.db"], &config[..]].concat());
    assert!(!state["pending"].as_array().unwrap().is_empty());

    let asked = ["serve", "--database", "sqlite:empty.db", "--set", "log.format=json"];
    let mut server = desk.start(&[&asked, &config[..]].concat());
    let listening: Value = serde_json::from_str(&server.logs("listening")).unwrap();
    let endpoint = format!("https://{}", listening["address"].as_str().unwrap());
    let asked = ["window", "list", "--set", "client.deadline_seconds=1", "--endpoint", &endpoint];
    let (code, error) = desk.failure(&[&asked, &config[..]].concat());
    assert_eq!(code, 3, "{error}");
    server.logs("migrations are pending");
    assert_eq!(server.stop("-TERM").0, Some(0));

    let state = desk.json(&[&["migrate", "--database", "sqlite:empty.db"], &config[..]].concat());
    assert!(state["pending"].as_array().unwrap().is_empty());
    assert!(!state["pending_before"].as_array().unwrap().is_empty());
}

#[test]
fn certificates_are_read_again_on_sighup_and_unusable_ones_are_not_taken() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let mut server = desk.serve(&[&["serve"], &config[..]].concat());
    let endpoint = server.endpoint.clone();
    let asked = [&["window", "list", "--endpoint", &endpoint], &config[..]].concat();
    server.signal("-HUP");
    server.logs("read again; new connections use them");
    desk.json(&asked);
    fs::write(desk.path("coalition/server.pem"), "no certificate").unwrap();
    server.signal("-HUP");
    server.logs("the old ones stay in use");
    desk.json(&asked);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn the_log_is_json_on_demand_and_the_ready_line_is_all_of_standard_output() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml", "--set", "log.format=json"]);
    assert!(server.ready.starts_with("ready https://127.0.0.1:"), "{}", server.ready);
    let (code, log) = server.stop("-INT");
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "listening"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_gives_everyone_a_certificate_and_a_clock_that_stands_still() {
    let desk = Desk::new();
    let arguments = ["sandbox", "--dir", "sandbox"];
    let server = desk.serve(&arguments);
    assert!(server.ready.contains(" partners=cards,cinema,fuel,grocer"), "{}", server.ready);
    let folder = desk.path("sandbox");
    assert_eq!(fs::read_to_string(folder.join("endpoint.txt")).unwrap(), server.endpoint);
    let operator = client(&server.endpoint, &folder, "operator").await;
    let start = operator.sandbox().clock().await.unwrap();
    assert_eq!(jiff::Timestamp::try_from(start).unwrap().to_string(), "2026-01-01T00:00:00Z");

    // Commands work against it, whatever the machine's clock says.
    let closed = desk.json(&["window", "close", "--config", "sandbox/clearing.toml"]);
    assert_eq!(closed["open_window"], 2);
    let windows = desk.json(&["window", "list", "--config", "sandbox/clearing.toml"]);
    assert_eq!(windows["windows"][0]["open_time"], "2026-01-01T00:00:00Z");
    for id in ["grocer", "fuel", "cards", "cinema"] {
        let info = client(&server.endpoint, &folder, id).await.server_info().await.unwrap();
        assert_eq!(info.caller_id, id);
    }
    let auditor = client(&server.endpoint, &folder, "auditor").await;
    assert!(auditor.operator().trial_balance(false).await.unwrap().balanced);
    drop((operator, auditor));
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!folder.join("endpoint.txt").exists());

    // The same folder begins anew.
    let server = desk.serve(&arguments);
    let windows = desk.json(&["window", "list", "--config", "sandbox/clearing.toml"]);
    assert_eq!(windows["windows"].as_array().unwrap().len(), 1);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// The sandbox's configuration once named the file in its folder whatever `--database` said, so `audit` looked there.
#[test]
fn a_sandbox_with_a_database_of_its_own_is_audited_there() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--dir", "sandbox", "--database", "sqlite:own.db"]);
    desk.json(&["audit", "--config", "sandbox/clearing.toml"]);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_sandbox_plays_any_scenario_file_and_touches_no_folder_that_is_not_its_own() {
    let desk = Desk::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/S10.toml");
    let server = desk.serve(&["sandbox", "--dir", "s10", "--coalition", scenario, "--variant", "AT_ISSUE"]);
    assert!(server.ready.trim_end().ends_with("partners=A,C"), "{}", server.ready);
    let listed = desk.json(&["partner", "list", "--config", "s10/clearing.toml"]);
    let terms = &listed["partners"][0]["terms"];
    assert_eq!((terms["price"].as_str(), terms["funding"].as_str()), (Some("0.95"), Some("AT_ISSUE")));
    assert_eq!(server.stop("-TERM").0, Some(0));

    fs::create_dir(desk.path("mine")).unwrap();
    fs::write(desk.path("mine/letter.txt"), "dear").unwrap();
    let (code, error) = desk.failure(&["sandbox", "--dir", "mine"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("not empty"), "{error}");
    assert_eq!(fs::read_dir(desk.path("mine")).unwrap().count(), 1);

    fs::write(desk.path("wrong.toml"), "[coalition]\ncurrency = \"RUB\"\n").unwrap();
    let (code, error) = desk.failure(&["sandbox", "--dir", "new", "--coalition", "wrong.toml"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("wrong.toml"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_consents_hold_at_once_and_are_marked_when_they_are_nearly_used() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--dir", "sandbox"]);
    let folder = desk.path("sandbox");
    let config = ["--config", "sandbox/clearing.toml"];
    let json = |arguments: &[&str]| desk.json(&[arguments, &config].concat());
    let table = |arguments: &[&str]| desk.table(&[arguments, &config].concat());
    let grocer = client(&server.endpoint, &folder, "grocer").await;
    let issue = async |points| grocer.issue(Issue::to("card", "1").points(points)).await.unwrap();

    let set = json(&["partner", "limits", "grocer", "--net-debit-cap", "1000.00", "--points-per-day", "500"]);
    assert_eq!((&set["limits"]["net_debit_cap"], &set["limits"]["points_per_day"]), (&"1000.00".into(), &500.into()));
    assert!(!table(&["partner", "list"]).contains("80 %"));
    issue(450).await.accepted().unwrap();
    assert_eq!(issue(51).await.rejection().unwrap().reason.as_str(), "LIMIT_EXCEEDED");
    let listed = json(&["partner", "list"]);
    let shown = listed["partners"].as_array().unwrap().iter().find(|of| of["partner"] == "grocer").unwrap();
    assert_eq!(shown["alarm"], true, "{shown}");
    let used = shown["limit_uses"].as_array().unwrap().iter().find(|of| of["limit"] == "points_per_day").unwrap();
    assert_eq!((&used["used"], &used["alarm"]), (&"450".into(), &true.into()));
    let people = table(&["partner", "list"]);
    assert!(people.contains("points per day (90 %) !"), "{people}");
    assert!(people.contains("! grocer used 80 % of a limit or more."), "{people}");
    assert!(table(&["partner", "limits", "grocer"]).contains("450 (90 %) !"));

    // What is not named stays, what is cleared is gone.
    let set = json(&["partner", "limits", "grocer", "--clear", "points-per-day"]);
    assert_eq!((&set["limits"]["net_debit_cap"], &set["limits"]["points_per_day"]), (&"1000.00".into(), &Value::Null));
    issue(51).await.accepted().unwrap();
    let (code, error) =
        desk.failure(&[&["partner", "limits", "nobody", "--points-per-day", "1"][..], &config].concat());
    assert_eq!(code, 1, "{error}");
    assert_eq!(desk.run(&["partner", "limits", "grocer", "--points-per-day", "-1"]).status.code(), Some(2));
    assert_eq!(desk.run(&["partner", "limits", "grocer", "--clear", "everything"]).status.code(), Some(2));

    // The sandbox consents to everything until somebody says otherwise.
    let joint = async |points| {
        let issue = Issue::to("card", "1").points(points).funders([("fuel", 1)]);
        grocer.issue(issue).await.unwrap()
    };
    joint(5).await.accepted().unwrap();
    let given = json(&["partner", "consent", "fuel", "grocer", "--budget", "20"]);
    assert_eq!((&given["given"], &given["budget_points"]), (&true.into(), &20.into()));
    assert_eq!(joint(21).await.rejection().unwrap().reason.as_str(), "CONSENT_EXCEEDED");
    let used = given["used_points"].as_i64().unwrap();
    joint(20 - used).await.accepted().unwrap();
    assert!(table(&["partner", "limits", "fuel"]).contains("Who may name fuel as a funder"));
    assert_eq!(json(&["partner", "consent", "fuel", "grocer", "--revoke"])["given"], false);
    assert_eq!(joint(1).await.rejection().unwrap().reason.as_str(), "CONSENT_EXCEEDED");

    let terms = [
        &["partner", "terms", "grocer", "--return-days", "forever", "--tender-value", "0.90"][..],
        &["--receipt-share", "0.5", "--expiry", "INACTIVE_DAYS 90", "--funding", "on-payment"],
    ];
    let terms = &json(&terms.concat())["terms"];
    assert_eq!((&terms["return_days"], &terms["tender_value"]), (&Value::Null, &"0.90".into()));
    assert_eq!((&terms["receipt_share"], &terms["expiry"]), (&"0.5".into(), &"INACTIVE_DAYS 90".into()));
    assert_eq!(terms["funding"], "ON_PAYMENT");
    assert_eq!(json(&["partner", "terms", "grocer", "--return-days", "14"])["terms"]["return_days"], 14);
    assert!(table(&["partner", "terms", "grocer"]).contains("return days"));
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_cares_for_members() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--dir", "sandbox"]);
    let folder = desk.path("sandbox");
    let config = ["--config", "sandbox/clearing.toml"];
    let json = |arguments: &[&str]| desk.json(&[arguments, &config].concat());
    let table = |arguments: &[&str]| desk.table(&[arguments, &config].concat());
    let grocer = client(&server.endpoint, &folder, "grocer").await;
    let fuel = client(&server.endpoint, &folder, "fuel").await;
    let issued = grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();

    let balance = json(&["member", "balance", "card:1"]);
    assert_eq!((&balance["available_points"], &balance["owed_points"]), (&100.into(), &0.into()));
    assert_eq!(balance["next_expiry"]["expire_time"], "2027-01-01T00:00:00Z");
    assert!(table(&["member", "balance", &issued.member.member_id]).contains("100 points expire at 2027-01-01"));

    // A tenth for January, once.
    let decay = ["member", "decay", "card:1", "--rate", "0.1", "--period", "2026-01"];
    let decayed = json(&decay);
    assert_eq!((&decayed["decayed_points"], &decayed["available_points"]), (&10.into(), &90.into()));
    assert_eq!(json(&decay)["decayed_points"], 0);
    assert!(table(&decay).contains("Nothing was taken"));

    let extended = [
        &["member", "extend-expiry", "card:1", "--issuer", "grocer", "--until", "2027-06-01T00:00:00Z"][..],
        &["--expires", "2028-01-01T00:00:00Z", "--reason", "OUTAGE-7"],
    ];
    assert_eq!(json(&extended.concat())["next_expiry"]["expire_time"], "2028-01-01T00:00:00Z");

    // Of 100 points 30 are spent and 10 decayed; what is reversed beyond the 60 left and the 10 that are gone is owed.
    fuel.redeem(Redeem::from("card", "1").points(30)).await.unwrap().accepted().unwrap();
    let reversed =
        grocer.reverse(Reverse::entry(issued.written.entry_id()).points(100)).await.unwrap().accepted().unwrap();
    assert_eq!((reversed.taken_back_points, reversed.written_off_points, reversed.debt_points), (60, 10, 30));
    assert_eq!(json(&["member", "balance", "card:1"])["owed_points"], 30);
    let off = ["member", "write-off-debt", "card:1", "--creditor", "grocer", "--points", "20", "--reason", "CASE-12"];
    let off = json(&off);
    assert_eq!((&off["written_off_points"], &off["owed_points"]), (&20.into(), &10.into()));
    let given = ["member", "reinstate", "card:1", "--funder", "operator", "--points", "25", "--reason", "GOODWILL"];
    let given = json(&given);
    assert_eq!((&given["recovered_points"], &given["available_points"]), (&10.into(), &15.into()));

    // Of all who are inactive: nobody is, until two days have gone by.
    let all = ["member", "decay", "--all", "--rate", "0.2", "--period", "2026-02", "--inactive-days", "1"];
    let nobody = json(&all);
    assert_eq!([&nobody["member_count"], &nobody["decayed_member_count"], &nobody["decayed_points"]], [1, 0, 0]);
    let sandbox = grocer.sandbox();
    let now = sandbox.clock().await.unwrap();
    sandbox.advance_clock(now + Duration::from_secs(2 * 86_400)).await.unwrap();
    let somebody = json(&all);
    assert_eq!([&somebody["member_count"], &somebody["decayed_member_count"], &somebody["decayed_points"]], [1, 1, 3]);
    assert_eq!(json(&all)["decayed_member_count"], 0);
    let since = nobody["inactive_since_time"].as_str().unwrap();
    assert!(table(&[&all[..7], &["--inactive-since", since]].concat()).contains("not active after"));
    let ahead = [&all[..7], &["--inactive-since", "2999-01-01T00:00:00Z"], &config].concat();
    let (code, error) = desk.failure(&ahead);
    assert_eq!((code, error["reason"].as_str()), (1, Some("TIME_OUT_OF_RANGE")), "{error}");
    for wrong in
        [&["--all"][..], &["card:1", "--all", "--inactive-days", "1"], &["card:1", "--inactive-days", "1"], &[]]
    {
        let command = [&["member", "decay", "--rate", "0.1", "--period", "1"], wrong].concat();
        assert_eq!(desk.run(&command).status.code(), Some(2), "{wrong:?}");
    }
    let both = [&all[..], &["--inactive-since", since]].concat();
    assert_eq!(desk.run(&both).status.code(), Some(2));
    // Why, in the journal.
    let journal = json(&["report", "journal"]);
    let reasons = journal["entries"].as_array().unwrap().iter().filter_map(|entry| entry["reason_code"].as_str());
    assert_eq!(reasons.collect::<Vec<_>>(), ["2026-01", "OUTAGE-7", "CASE-12", "GOODWILL", "2026-02"]);
    assert!(table(&["report", "journal"]).contains("GOODWILL"));

    let (code, error) = desk.failure(&[&["member", "balance", "card:2"][..], &config].concat());
    assert_eq!((code, error["kind"].as_str()), (1, Some("REJECTED")), "{error}");
    assert_eq!(desk.run(&["member", "balance", "card:"]).status.code(), Some(2));
    drop((grocer, fuel));
    assert_eq!(server.stop("-TERM").0, Some(0));
    // Once a sandbox named a file that was not there when it was given no database.
    assert_eq!(desk.json(&[&["audit"], &config[..]].concat())["clean"], true);
}
