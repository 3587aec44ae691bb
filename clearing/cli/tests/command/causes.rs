//! Why a command fails: it says the cause once, in one line, with what to do, on standard error, and ends with the code that
//! `--help` documents. Nothing waits for the network without a word or without an end.

use std::fs;
use std::net::TcpListener;
use std::process::{Output, Stdio};

use clearing_certs::{Authority, Kind, PrivateKey, ServerAddress, Validity};
use clearing_play::cluster::{Cluster, Pooler};
use clearing_play::proxy::{Proxy, Upstream};
use clearing_play::{BACKENDS, Database, audit};
use jiff::{Timestamp, ToSpan as _};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::desk::{Desk, text};

const CONFIG: [&str; 2] = ["--config", "coalition/clearing.toml"];

/// A command in a situation, and what must come of it.
struct Case<'a> {
    arguments: Vec<&'a str>,
    code: i32,
    /// A part of the cause, and of what to do.
    says: [&'a str; 2],
}

fn case<'a>(arguments: &[&[&'a str]], code: i32, cause: &'a str, what_to_do: &'a str) -> Case<'a> {
    Case { arguments: arguments.concat(), code, says: [cause, what_to_do] }
}

impl Case<'_> {
    /// Runs it, beside the others.
    fn hold(cases: &[Self], desk: &Desk) {
        let run = |case: &Self| {
            let mut command = desk.command(&case.arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let running: Vec<_> = cases.iter().map(run).collect();
        for (case, running) in cases.iter().zip(running) {
            case.holds(&running.wait_with_output().unwrap());
        }
    }

    fn holds(&self, output: &Output) {
        let (arguments, said) = (&self.arguments, text(&output.stderr));
        assert_eq!(output.status.code(), Some(self.code), "{arguments:?}: {said}");
        // A server has a log besides.
        let log = |line: &&str| line.contains(" INFO ") || line.contains(" WARN ") || line.starts_with("waiting for ");
        let lines: Vec<&str> = said.lines().filter(|line| !log(line)).collect();
        let [cause, what_to_do] = lines[..] else { panic!("{arguments:?} does not say it in two lines: {said}") };
        assert!(cause.starts_with("error: ") && cause.contains(self.says[0]), "{arguments:?}: {said}");
        assert!(what_to_do.starts_with("What to do: ") && what_to_do.contains(self.says[1]), "{arguments:?}: {said}");
        assert_eq!(said.matches(self.says[0]).count(), 1, "{arguments:?} says it more than once: {said}");
        if !arguments.starts_with(&["config", "check"]) {
            assert_eq!(text(&output.stdout), "", "{arguments:?}");
        }
    }
}

/// A folder with a coalition on SQLite.
fn founded() -> Desk {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    desk
}

#[test]
fn each_cause_about_files_of_the_books_is_said_once_with_what_to_do_and_the_code_of_the_help() {
    let desk = founded();
    fs::write(desk.path("no.db"), "This is a letter, and no database of anything.".repeat(100)).unwrap();
    fs::create_dir(desk.path("folder")).unwrap();
    fs::write(desk.path("empty.db"), "").unwrap();
    desk.json(&[&["migrate", "--database", "sqlite:laid-out.db"], &CONFIG[..]].concat());
    let of = |command: &'static str, url: &'static str| vec![command, "--database", url];
    let mut cases = Vec::new();
    for command in ["serve", "migrate", "audit"] {
        // Who only reads says that there is no such database.
        let (cause, next) = match command {
            "audit" => ("there is no database sqlite:nowhere/clearing.db", "name the right file"),
            _ => ("there is no folder nowhere for the database", "make the folder"),
        };
        cases.push(case(&[&of(command, "sqlite:nowhere/clearing.db"), &CONFIG], 2, cause, next));
        cases.push(case(
            &[&of(command, "sqlite:no.db"), &CONFIG],
            2,
            "no.db is no database of SQLite",
            "name the right file",
        ));
        cases.push(case(&[&of(command, "sqlite:folder"), &CONFIG], 2, "folder is a folder", "name a file"));
    }
    cases.push(case(&[&of("audit", "sqlite:empty.db"), &CONFIG], 2, "6 migrations are pending", "clearing migrate"));
    for command in ["serve", "audit"] {
        let next = "clearing init --database URL";
        cases.push(case(&[&of(command, "sqlite:laid-out.db"), &CONFIG], 2, "holds no coalition yet", next));
    }
    cases.push(case(
        &[&["init", "--domain", "b.example", "--dir", "b", "--database", "sqlite:../nowhere/b.db"]],
        2,
        "nowhere for the database",
        "make the folder",
    ));
    Case::hold(&cases, &desk);
    assert!(!desk.path("b").exists() && !desk.path("nowhere").exists(), "what failed left something behind");
}

/// Of root everything is writable, so `strace` stands in for the file system.
#[test]
fn a_file_that_cannot_be_written_and_a_disk_that_is_full_are_told_apart() {
    let desk = founded();
    let books = desk.path("coalition/clearing.db");
    let books = books.to_str().unwrap();
    let fail = |calls: &str, error: &str, files: &[&str], arguments: &[&str]| {
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:error={error}")]).args(files.iter().flat_map(|file| ["-P", file]));
        command.arg(env!("CARGO_BIN_EXE_clearing")).args(arguments).args(CONFIG).current_dir(desk.path(""));
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command.output().expect("strace is installed: `./check test` sees to it")
    };
    for command in [&["serve"][..], &["audit"], &["migrate"]] {
        let output = fail("openat", "EROFS", &[books], command);
        case(&[command], 2, "cannot be opened for writing", "let the user of the house write").holds(&output);
    }
    let new = desk.path("new.db");
    let files = ["", "-wal", "-journal"].map(|end| format!("{}{end}", new.display()));
    let migrate = ["migrate", "--database", "sqlite:new.db"];
    let output = fail("pwrite64", "ENOSPC", &files.each_ref().map(String::as_str), &migrate);
    case(&[&migrate], 5, "the disk of the database is full", "make room on it").holds(&output);
    desk.json(&[&["audit"], &CONFIG[..]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_of_another_build_is_told_by_every_command_that_opens_the_books() {
    for backend in BACKENDS {
        let (desk, database) = (Desk::new(), Database::new(backend).await);
        let init = ["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--database", &database.url];
        desk.json(&init);
        for (change, cause, next) in [
            (
                "UPDATE _sqlx_migrations SET version = 99 WHERE version = 5",
                "migration 99 of a later release",
                "run the release",
            ),
            (
                "UPDATE _sqlx_migrations SET version = 5, checksum = x'00' WHERE version = 99",
                "build from before the first release",
                "use an empty database",
            ),
        ] {
            let postgres = change.replace("x'00'", "'\\x00'");
            assert_eq!(database.execute(change, &postgres).await, 1);
            let of = |command: &[&'static str]| case(&[command, &CONFIG], 2, cause, next);
            let cases = [
                of(&["serve"]),
                of(&["migrate"]),
                of(&["migrate", "--check"]),
                of(&["audit"]),
                of(&["config", "check"]),
            ];
            Case::hold(&cases, &desk);
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_about_a_postgresql_is_said_once_and_a_start_that_cannot_succeed_ends_at_once() {
    let cluster = Cluster::letting_in(
        "local all postgres trust\nlocal all poor trust\nlocal all unheard trust\nlocal all narrow trust\n\
         local all house scram-sha-256\nhostssl all house 127.0.0.1/32 trust\n",
    );
    let mut admin = PgConnection::connect(&cluster.url()).await.unwrap();
    for sql in [
        "CREATE ROLE house LOGIN PASSWORD 'right'",
        "CREATE ROLE poor LOGIN",
        "CREATE ROLE narrow LOGIN CONNECTION LIMIT 0",
        "CREATE ROLE foreign_ LOGIN",
        "CREATE DATABASE books",
        "CREATE DATABASE closed",
        "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
    ] {
        admin.execute(sqlx::raw_sql(sql)).await.unwrap();
    }
    let desk = founded();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("postgres://house@{closed}/books");
    let no_socket = "postgres:///books?host=/tmp/clearing-nobody-here&user=house".to_owned();
    let over_tcp = format!("postgres://house@127.0.0.1:{}/books", cluster.port());
    let listens = format!("no database server listens at {closed}");
    let at_socket = "no database server listens at the socket";
    let refused: Vec<(String, i32, &str, &str)> = vec![
        (cluster.url_as("postgres", "nowhere", ""), 2, "there is no database `nowhere` at", "`createdb nowhere`"),
        (
            cluster.url_as("house", "books", "&password=wrong"),
            2,
            "refuses the password of the role `house`",
            "correct user and password",
        ),
        (cluster.url_as("unheard", "books", ""), 2, "there is no role `unheard`", "`createuser --pwprompt unheard`"),
        (cluster.url_as("foreign_", "books", ""), 2, "does not let the role `foreign_` in", "pg_hba.conf"),
        (
            cluster.url_as("poor", "closed", ""),
            2,
            "permission denied: the role `poor` may not connect",
            "GRANT CONNECT ON DATABASE closed",
        ),
        (cluster.url_as("postgres", "books", "&sslmode=require"), 2, "asks for TLS", "leave sslmode out"),
        (over_tcp, 2, "does not let the role `house` in without TLS", "a line that begins with host"),
        (cluster.url_as("narrow", "books", ""), 3, "takes no more connections", "max_connections"),
        (nobody, 3, listens.as_str(), "start the database server"),
        (no_socket, 3, at_socket, "start the database server"),
    ];
    let mut cases = Vec::new();
    let dirs: Vec<String> = (0..refused.len()).map(|at| format!("other-{at}")).collect();
    for ((url, code, cause, next), dir) in refused.iter().zip(&dirs) {
        for command in ["migrate", "audit"] {
            cases.push(case(&[&[command, "--database", url], &CONFIG], *code, cause, next));
        }
        let init = ["init", "--domain", "points.example", "--dir", dir, "--database", url];
        cases.push(case(&[&init], *code, cause, next));
        // What may come back is waited for.
        if *code == 2 {
            cases.push(case(&[&["serve", "--database", url], &CONFIG], *code, cause, next));
        }
    }
    // A role that may not make tables cannot prepare a database, and one that may not read them cannot serve it.
    let poor = cluster.url_as("poor", "books", "");
    cases.push(case(
        &[&["migrate", "--database", &poor], &CONFIG],
        2,
        "permission denied for schema public",
        "GRANT CREATE",
    ));
    Case::hold(&cases, &desk);
    let owner = cluster.url_as("postgres", "books", "");
    desk.json(&[
        "init",
        "--domain",
        "points.example",
        "--listen",
        "127.0.0.1:0",
        "--dir",
        "there",
        "--database",
        &owner,
    ]);
    let there = ["--config", "there/clearing.toml"];
    let cases = ["serve", "audit"].map(|command| {
        case(&[&[command, "--database", &poor], &there], 2, "permission denied for table", "read and write the tables")
    });
    Case::hold(&cases, &desk);
    assert!(dirs.iter().all(|dir| !desk.path(dir).exists()), "a failed init left something behind");
    admin.close().await.unwrap();
}

/// A pooler that hands out one session for two takes locks for nothing and forgets what was prepared: sometimes it works.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_shares_sessions_is_found_out_and_one_that_does_not_is_welcome() {
    let cluster = Cluster::start();
    let mut admin = PgConnection::connect(&cluster.url()).await.unwrap();
    admin.execute(sqlx::raw_sql("CREATE DATABASE books")).await.unwrap();
    admin.close().await.unwrap();
    let desk = Desk::new();
    let session = Pooler::start("session", &cluster.url()).await;
    let well = session.url("books");
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--database", &well]);
    desk.json(&[&["config", "check"], &CONFIG[..]].concat());
    let server = desk.serve(&[&["serve"], &CONFIG[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::start(mode, &cluster.url()).await;
        let (books, nowhere) = (pooler.url("books"), pooler.url("nowhere"));
        let says = ["transaction pooling is not supported", "connect to the server itself"];
        let set = format!("house.database={books}");
        let init = ["init", "--domain", "points.example", "--dir", "other", "--database", &books];
        let mut cases: Vec<Case<'_>> = ["serve", "audit", "migrate"]
            .iter()
            .map(|command| case(&[&[command, "--database", &books], &CONFIG], 2, says[0], says[1]))
            .collect();
        cases.push(case(&[&["config", "check", "--set", &set], &CONFIG], 2, says[0], says[1]));
        cases.push(case(&[&init], 2, says[0], says[1]));
        cases.push(case(
            &[&["audit", "--database", &nowhere], &CONFIG],
            2,
            "there is no database `nowhere`",
            "createdb",
        ));
        // One after the other: each of them must be found out by a pooler that has nothing else to do, too.
        for case in cases {
            case.holds(&desk.run(&case.arguments));
        }
    }
    audit(&cluster.url_as("postgres", "books", "")).await;
}

/// An authority of a coalition's folder, with the moments around now.
fn authority(desk: &Desk) -> (Authority, impl Fn(i64, i64) -> Validity) {
    let read = |name: &str| fs::read_to_string(desk.path("coalition/authority").join(name)).unwrap();
    let authority = Authority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap();
    #[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
    let now = Timestamp::now();
    let days = move |from: i64, to: i64| Validity {
        not_before: now + (24 * from).hours(),
        not_after: now + (24 * to).hours(),
    };
    (authority, days)
}

fn write_identity(desk: &Desk, name: &str, cert_pem: &str, key: &PrivateKey) {
    let (cert, secret) = (desk.path(&format!("{name}.pem")), desk.path(&format!("{name}.key")));
    fs::write(cert, cert_pem).unwrap();
    clearing_certs::write_private(&secret, key.expose_pem()).unwrap();
}

#[test]
fn a_certificate_that_has_ended_or_begins_later_or_has_another_key_is_named_before_anybody_connects() {
    let desk = founded();
    let (authority, days) = authority(&desk);
    for (name, from, to) in [("ended", -20, -10), ("later", 10, 20), ("other", -1, 20)] {
        let (server, key) = authority.issue_server(&ServerAddress::loopback(), days(from, to)).unwrap();
        write_identity(&desk, &format!("server-{name}"), &server.cert_pem, &key);
        let (client, key) = authority.issue_client(Kind::Operator, "operator-1", days(from, to)).unwrap();
        write_identity(&desk, &format!("client-{name}"), &client.cert_pem, &key);
    }
    let mut cases = Vec::new();
    let flags: Vec<(String, String, &str, &str)> = [
        ("ended", "ended", " certificate ended ", "look at the clock of this machine"),
        ("later", "later", "is not valid before", "look at the clock of this machine"),
        ("ended", "other", "the private key is not that of the", "name the key that was made with this certificate"),
    ]
    .map(|(cert, key, cause, next)| (format!("{cert}.pem"), format!("{key}.key"), cause, next))
    .into();
    let keys: Vec<(String, String, String, String, &str, &str)> = flags
        .iter()
        .map(|(cert, key, cause, next)| {
            let of = |what: &str, whose: &str, file: &str| format!("{what}={whose}-{file}");
            (
                of("tls.cert", "server", cert),
                of("tls.key", "server", key),
                of("client.cert", "client", cert),
                of("client.key", "client", key),
                *cause,
                *next,
            )
        })
        .collect();
    for (server_cert, server_key, client_cert, client_key, cause, next) in &keys {
        let server = ["--set", server_cert.as_str(), "--set", server_key.as_str()];
        let client = ["--set", client_cert.as_str(), "--set", client_key.as_str()];
        cases.push(case(&[&["serve"], &server, &CONFIG], 2, cause, next));
        cases.push(case(&[&["config", "check"], &server, &CONFIG], 2, cause, next));
        cases.push(case(&[&["window", "list"], &client, &CONFIG], 2, cause, next));
        cases.push(case(&[&["config", "check", "--client"], &client, &CONFIG], 2, cause, next));
    }
    Case::hold(&cases, &desk);
}

#[test]
fn a_house_and_a_command_that_do_not_trust_each_other_say_whose_certificate_it_is() {
    let desk = founded();
    desk.json(&["init", "--domain", "points.example", "--dir", "other"]);
    let (authority, days) = authority(&desk);
    let named = [ServerAddress::Dns("clearing.points.example".to_owned())];
    let (server, key) = authority.issue_server(&named, days(-1, 90)).unwrap();
    write_identity(&desk, "elsewhere", &server.cert_pem, &key);
    let house = desk.serve(&[&["serve"], &CONFIG[..]].concat());
    let elsewhere = ["--set", "tls.cert=elsewhere.pem", "--set", "tls.key=elsewhere.key"];
    let endpoint = house.endpoint.clone();
    let asked = ["window", "list", "--endpoint", &endpoint];
    let ca = ["--set", "client.ca=other/ca.pem"];
    let client = ["--set", "client.cert=other/operator.pem", "--set", "client.key=other/operator.key"];
    let refused = "the house refused this client's certificate";
    let cases = [
        case(&[&asked, &ca, &CONFIG], 3, "UnknownIssuer", "client.ca must be the authority of this house"),
        case(&[&asked, &client, &CONFIG], 3, refused, "client.cert must come from"),
    ];
    Case::hold(&cases, &desk);
    assert_eq!(house.stop("-TERM").0, Some(0));
    let house = desk.serve(&[&["serve"], &elsewhere[..], &CONFIG].concat());
    let asked = ["window", "list", "--endpoint", &house.endpoint];
    case(&[&asked, &CONFIG], 3, "not valid for name", "by a host that its certificate has")
        .holds(&desk.run(&[&asked[..], &CONFIG].concat()));
    assert_eq!(house.stop("-TERM").0, Some(0));
}

#[test]
fn a_port_that_is_taken_and_an_address_of_another_machine_are_named() {
    let desk = founded();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (in_use, set) = (format!("another program listens at {taken}"), format!("house.listen={taken}"));
    // 192.0.2.0/24 is nobody's: RFC 5737.
    let foreign = ["--set", "house.listen=192.0.2.1:7443"];
    let cases = [
        case(&[&["serve", "--listen", &taken], &CONFIG], 2, &in_use, "--listen (house.listen)"),
        case(&[&["sandbox", "--listen", &taken]], 2, &in_use, "--listen (house.listen)"),
        case(&[&["serve"], &foreign, &CONFIG], 2, "this machine has no address 192.0.2.1", "--listen (house.listen)"),
    ];
    // One after the other: they are about the same file.
    for case in cases {
        case.holds(&desk.run(&case.arguments));
    }
    let output = desk.run(&[&["config", "check", "--set", &set], &CONFIG[..]].concat());
    // It may be taken by the house of these books, if that was alive a moment ago.
    assert!(text(&output.stdout).contains(&taken), "{}", text(&output.stdout));
}

#[test]
fn a_configuration_file_that_is_not_there_is_named_with_what_names_it_by_every_command_that_reads_one() {
    let desk = Desk::new();
    fs::create_dir(desk.path("x")).unwrap();
    let commands: [&[&str]; 17] = [
        &["serve"],
        &["migrate"],
        &["audit"],
        &["config", "check"],
        &["config", "check", "--client"],
        &["sandbox"],
        &["sandbox", "advance", "1d"],
        &["partner", "list"],
        &["member", "balance", "card:1"],
        &["window", "list"],
        &["settlement", "preview", "1"],
        &["partner", "consents"],
        &["calendar", "show"],
        &["report", "netting"],
        &["entry", "show", "1"],
        &["log"],
        &["statement", "A"],
    ];
    for (file, lack) in [("x/clearing.toml", "is not there"), ("x", "is a folder")] {
        let by_variable = format!("CLEARING_CONFIG names {file}, which {lack}");
        let by_flag = format!("--config names {file}, which {lack}");
        for command in commands {
            let output = desk.command(command).env("CLEARING_CONFIG", file).output().unwrap();
            case(&[command], 2, &by_variable, "--config").holds(&output);
            let output =
                desk.command(&[command, &["--config", file]].concat()).env("CLEARING_CONFIG", "y").output().unwrap();
            case(&[command], 2, &by_flag, "--config").holds(&output);
        }
    }
    let output = desk.run(&["sandbox", "advance", "1d", "--dir", "x"]);
    case(&[&["sandbox", "advance"]], 2, "--dir names the folder of x/clearing.toml, which is not there", "--config")
        .holds(&output);
}

#[test]
fn a_command_that_waits_for_the_network_says_for_what_and_comes_to_an_end() {
    let desk = founded();
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let endpoint = format!("https://{address}");
    let url = format!("postgres://house:hunter2@{address}/books");
    let silence = format!("the database server at {address} does not answer within 5 seconds");
    let cases = [
        case(
            &[&["window", "list", "--endpoint", &endpoint], &CONFIG],
            3,
            "is not available",
            "is `clearing serve` running",
        ),
        case(&[&["audit", "--database", &url], &CONFIG], 3, &silence, "start the database server"),
        case(&[&["migrate", "--database", &url], &CONFIG], 3, &silence, "start the database server"),
    ];
    let running: Vec<_> = cases
        .iter()
        .map(|case| desk.command(&case.arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for (case, running) in cases.iter().zip(running) {
        let output = running.wait_with_output().unwrap();
        let said = text(&output.stderr);
        let first = said.lines().next().unwrap();
        let place = address.to_string();
        assert!(first.starts_with("waiting for the ") && first.contains(&place), "{:?}: {said}", case.arguments);
        assert_eq!(said.matches("waiting for ").count(), 1, "{:?}: {said}", case.arguments);
        assert!(!said.contains("hunter2"), "{said}");
        case.holds(&output);
    }
    // A program that reads JSON gets one document.
    let (code, error) = desk.failure(&[&["window", "list", "--endpoint", &endpoint], &CONFIG[..]].concat());
    assert_eq!((code, error["kind"].as_str()), (3, Some("UNREACHABLE")), "{error}");
}

/// It once said so each second, and never what was the matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_says_once_that_it_waits_for_its_database_and_once_that_it_is_there() {
    let cluster = Cluster::start();
    let desk = Desk::new();
    let url = cluster.url();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--database", &url]);
    let proxy = Proxy::to(None).await;
    let through = format!("postgres://postgres@{}/postgres", proxy.address());
    let mut server = desk.start(&[&["serve", "--database", &through], &CONFIG[..]].concat());
    let line = server.logs("the house waits to open");
    assert!(line.contains(&proxy.address().to_string()) && line.contains("start the database server"), "{line}");
    // It looks again each second.
    proxy.more_came(4).await;
    proxy.lead(Some(Upstream::Unix(cluster.socket())));
    server.logs("what the house waited for is there");
    server.opens();
    // And when it goes away in the middle.
    proxy.lead(None);
    proxy.cut();
    server.logs("the house cannot read its books");
    proxy.more_came(8).await;
    proxy.lead(Some(Upstream::Unix(cluster.socket())));
    server.logs("the database is there again");
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    for once in [
        "the house waits to open",
        "what the house waited for is there",
        "the house cannot read its books",
        "the database is there again",
    ] {
        assert_eq!(log.matches(once).count(), 1, "{once}: {log}");
    }
    audit(&url).await;
}
