//! `clearing config check`: what is broken is found before a house is run with it, with its cause and what to do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use clearing_certs::{Authority, Kind, PrivateKey, ServerAddress, Validity, write_private};
use clearing_play::{BACKENDS, Backend, Database};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::desk::Desk;

/// A coalition on a database of its own, whose folder is put right again after each plant.
struct Planted {
    desk: Desk,
    database: Database,
}

const CHECK: [&str; 4] = ["config", "check", "--config", "coalition/clearing.toml"];

/// Days from now.
fn days(from: i64, to: i64) -> Validity {
    #[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
    let now = Timestamp::now();
    Validity { not_before: now + (24 * from).hours(), not_after: now + (24 * to).hours() }
}

impl Planted {
    async fn new(backend: Backend) -> Self {
        let (desk, database) = (Desk::new(), Database::new(backend).await);
        let init = ["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--database", &database.url];
        desk.json(&init);
        Self { desk, database }
    }

    fn authority(&self) -> Authority {
        let read = |name: &str| fs::read_to_string(self.desk.path("coalition/authority").join(name)).unwrap();
        Authority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap()
    }

    /// Puts a certificate and its key into the folder.
    fn put(&self, name: &str, cert_pem: &str, key: &PrivateKey) {
        fs::write(self.desk.path(&format!("coalition/{name}.pem")), cert_pem).unwrap();
        write_private(&self.desk.path(&format!("coalition/{name}.key")), key.expose_pem()).unwrap();
    }

    /// What is wrong, found alone: its name, and what is told of it.
    fn wrong(&self, flags: &[&str]) -> (i32, String, String) {
        let (code, error, answer) = self.desk.compared(&[&CHECK, flags].concat());
        assert_eq!(answer["is_well"], false, "{answer}");
        let compared = answer["compared"].as_array().unwrap();
        let wrong: Vec<&Value> = compared.iter().filter(|one| one["state"] == "WRONG").collect();
        let [one] = wrong[..] else { panic!("{flags:?}: one thing is wrong, and found are {wrong:#?}") };
        assert_eq!((&one["found"], &one["what_to_do"]), (&error["message"], &error["hint"]), "{flags:?}");
        assert!(!one["what_to_do"].as_str().unwrap().is_empty());
        let output = self.desk.run(&[&CHECK, flags].concat());
        let said = crate::desk::text(&output.stdout);
        assert!(said.contains("  WRONG   ") && !said.contains("A house can be run with it"), "{flags:?}: {said}");
        (code, one["what"].as_str().unwrap().to_owned(), one["found"].as_str().unwrap().to_owned())
    }

    fn is_well(&self) -> Value {
        let answer = self.desk.json(&CHECK);
        assert_eq!(answer["is_well"], true, "{answer}");
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_found_with_its_cause_and_what_is_well_lists_what_was_compared() {
    for backend in BACKENDS {
        let planted = Planted::new(backend).await;
        let well = planted.is_well();
        let names: Vec<&str> =
            well["compared"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
        for what in [
            "authority",
            "server key",
            "server certificate",
            "client key",
            "client certificate",
            "operator",
            "endpoint",
            "database",
            "layout",
            "rights",
            "locks",
            "coalition",
            "domain",
            "identifier key",
            "clock",
            "listen address",
        ] {
            assert!(names.contains(&what), "{backend:?}: {what} is not among {names:?}");
        }
        let found = |planted: &Planted, flags: &[&str], what: &str, cause: &str, code: i32| {
            let (ended, name, told) = planted.wrong(flags);
            assert!(told.contains(cause), "{backend:?} {what}: {told}");
            assert_eq!((name.as_str(), ended), (what, code), "{backend:?}: {told}");
        };
        let desk = &planted.desk;
        let folder = |name: &str| desk.path("coalition").join(name);

        // Another coalition's key, and another coalition's name.
        desk.json(&["init", "--domain", "points.example", "--dir", "other"]);
        let key = ["--set", "keys.identifier_key=other/identifier.key"];
        found(&planted, &key, "identifier key", "not the one that the books", 2);
        let (code, _, answer) = desk.compared(&[&CHECK[..], &["--set", "house.domain=other.example"]].concat());
        let wrong = |answer: &Value| -> Vec<String> {
            let of = answer["compared"].as_array().unwrap().iter().filter(|one| one["state"] == "WRONG");
            of.map(|one| one["what"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            (code, wrong(&answer)),
            (2, ["authority", "operator", "domain"].map(str::to_owned).to_vec()),
            "{answer}"
        );

        // Modes.
        for (file, what) in
            [("server.key", "server key"), ("operator.key", "client key"), ("identifier.key", "identifier key")]
        {
            fs::set_permissions(folder(file), fs::Permissions::from_mode(0o640)).unwrap();
            found(&planted, &[], what, "has mode 0640", 2);
            fs::set_permissions(folder(file), fs::Permissions::from_mode(0o600)).unwrap();
        }

        // Certificates.
        let authority = planted.authority();
        let stranger = Authority::generate("points.example", days(-1, 3_000)).unwrap();
        let kept = ["server.pem", "server.key", "operator.pem", "operator.key"]
            .map(|name| (name, fs::read_to_string(folder(name)).unwrap()));
        let restore = || {
            for (name, text) in &kept {
                write_private(&folder(name), text).unwrap();
            }
        };
        let named = vec![ServerAddress::Dns("clearing.points.example".to_owned())];
        for (issuer, names, validity, what, cause) in [
            (&authority, ServerAddress::loopback(), days(-20, -2), "server certificate", "server certificate ended"),
            (&authority, ServerAddress::loopback(), days(2, 20), "server certificate", "is not valid before"),
            (
                &stranger,
                ServerAddress::loopback(),
                days(-1, 90),
                "server certificate",
                "is not signed by the authority",
            ),
            (&authority, named, days(-1, 90), "endpoint", "names clearing.points.example, and not localhost"),
        ] {
            let (server, key) = issuer.issue_server(&names, validity).unwrap();
            planted.put("server", &server.cert_pem, &key);
            // Nobody trusts a stranger, so neither does the operator.
            if std::ptr::eq(issuer, &stranger) {
                let (code, _, answer) = desk.compared(&CHECK);
                assert_eq!(
                    (code, wrong(&answer)),
                    (2, ["server certificate", "endpoint"].map(str::to_owned).to_vec()),
                    "{answer}"
                );
            } else {
                found(&planted, &[], what, cause, 2);
            }
            restore();
        }
        let keys = ["--set", "tls.key=coalition/operator.key"];
        found(&planted, &keys, "server certificate", "the private key is not that of the server certificate", 2);
        let keys = ["--set", "client.key=coalition/server.key"];
        found(&planted, &keys, "client certificate", "the private key is not that of the client certificate", 2);
        let (client, key) = stranger.issue_client(Kind::Operator, "operator-1", days(-1, 90)).unwrap();
        planted.put("operator", &client.cert_pem, &key);
        found(&planted, &[], "operator", "the client certificate is not signed by the authority", 2);
        restore();
        let revoked = clearing_certs::parse_identity(&der(&kept[2].1)).unwrap().serial_hex;
        let revoked = clearing_certs::Revoked { serial_hex: revoked, revoke_time: days(0, 1).not_before };
        let list = authority.revocation_list(&[revoked], 1, days(-1, 0).not_before, days(0, 9).not_after).unwrap();
        fs::write(folder("crl.pem"), list).unwrap();
        found(&planted, &["--set", "tls.crl=coalition/crl.pem"], "operator", "is revoked", 2);
        // What ends soon is a warning.
        let (server, key) = authority.issue_server(&ServerAddress::loopback(), days(-1, 12)).unwrap();
        planted.put("server", &server.cert_pem, &key);
        let soon = planted.is_well();
        let warned: Vec<&Value> =
            soon["compared"].as_array().unwrap().iter().filter(|one| one["state"] == "WARNING").collect();
        assert!(
            matches!(warned[..], [one] if one["what"] == "server certificate" && one["found"].as_str().unwrap().contains("in 11 days")),
            "{warned:?}"
        );
        restore();

        // The address, and the time.
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = format!("house.listen={}", taken.local_addr().unwrap());
        alive(&planted, -600).await;
        found(&planted, &["--set", &listen], "listen address", "another program listens at", 2);
        alive(&planted, 86_400).await;
        found(&planted, &[], "clock", "more than 5 minutes before", 2);
        alive(&planted, -90 * 86_400).await;
        found(&planted, &[], "clock", "more than 8 days after", 2);
        alive(&planted, 0).await;
        planted.is_well();

        // The database.
        let foreign = ["--set", "house.database=postgres://house@127.0.0.1:1/books"];
        found(&planted, &foreign, "database", "no database server listens at 127.0.0.1:1", 3);
        let none = ["--set", "house.database=sqlite:nowhere.db"];
        found(&planted, &none, "database", "there is no database sqlite:nowhere.db", 2);
        assert!(!desk.path("nowhere.db").exists());
        let empty = Database::new(backend).await;
        if let Some(file) = empty.url.strip_prefix("sqlite:") {
            fs::write(file, "").unwrap();
        }
        let set = format!("house.database={}", empty.url);
        found(&planted, &["--set", &set], "layout", "6 migrations are pending", 2);
        desk.json(&["migrate", "--database", &empty.url]);
        found(&planted, &["--set", &set], "coalition", "holds no coalition yet", 2);
        empty.remove().await;
        planted.is_well();
        planted.database.remove().await;
    }
}

/// Lets the house have been alive so many seconds from now.
async fn alive(planted: &Planted, seconds: i64) {
    #[allow(clippy::disallowed_methods, reason = "the house's clock is the machine's")]
    let at = Timestamp::now().as_microsecond() + seconds * 1_000_000;
    let sql = format!(
        "INSERT INTO house_alive (id, alive_at) VALUES (1, {at}) ON CONFLICT (id) DO UPDATE SET alive_at = excluded.alive_at"
    );
    assert_eq!(planted.database.execute(&sql, &sql).await, 1);
}

/// The bytes of the first certificate of a text.
fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_write_and_a_server_that_only_reads_are_found_before_a_house_is_run() {
    let planted = Planted::new(Backend::Postgres).await;
    let role = format!("reader_{}", std::process::id());
    let run = async |sql: String| planted.database.execute("", &sql).await;
    run(format!("CREATE ROLE {role} LOGIN")).await;
    run(format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    run(format!("GRANT INSERT ON gate TO {role}")).await;
    let as_reader =
        format!("house.database={}", planted.database.url.replace("user=postgres", &format!("user={role}")));
    let (code, what, told) = planted.wrong(&["--set", &as_reader]);
    assert!(told.starts_with(&format!("permission denied: the role {role} may not read and add to ")), "{told}");
    assert!(told.contains("entries") && !told.contains("gate,"), "{told}");
    assert_eq!((code, what.as_str()), (2, "rights"));
    run(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;

    let name = planted.database.url.split(['/', '?']).nth(3).unwrap().to_owned();
    run(format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let (code, what, told) = planted.wrong(&[]);
    assert!(told.contains("only reads"), "{told}");
    assert_eq!((code, what.as_str()), (2, "database"));
    planted.database.remove().await;
}

#[test]
fn the_check_of_the_operators_side_asks_the_house() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let check = [&CHECK[..], &["--client"]].concat();
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml"]);
    let answer = desk.json(&[&check[..], &["--endpoint", &server.endpoint]].concat());
    let house = answer["compared"].as_array().unwrap().iter().find(|one| one["what"] == "house").unwrap();
    let told = house["found"].as_str().unwrap();
    assert!(told.contains("coalition points.example") && told.contains("caller operator"), "{told}");
    let endpoint = server.endpoint.clone();
    assert_eq!(server.stop("-TERM").0, Some(0));
    let (code, error) = desk.failure(&[&check[..], &["--endpoint", &endpoint]].concat());
    assert_eq!((code, error["kind"].as_str()), (3, Some("UNREACHABLE")), "{error}");
}
