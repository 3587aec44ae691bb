//! The door, knocked at over real loopback sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clearing::door::{Door, DoorLimits};
use clearing::tls::{Acceptor, TlsError, TlsMaterial, server_config};
use clearing_certs::{Authority, Kind, PrivateKey, Revoked, ServerAddress, Validity};
use futures::StreamExt as _;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const DOMAIN: &str = "points.example";

#[allow(
    clippy::disallowed_methods,
    reason = "TLS checks certificates against the machine's clock, whatever the house's says"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn today() -> Validity {
    Validity { not_before: now() - 1.hour(), not_after: now() + 24.hours() }
}

fn authority(domain: &str) -> Authority {
    Authority::generate(domain, Validity { not_before: now() - 1_000.hours(), not_after: now() + 1_000.hours() })
        .unwrap()
}

/// What the house shows when it trusts these authorities; the first one vouches for the house.
fn material(authorities: &[&Authority], crl_pem: Option<String>) -> TlsMaterial {
    let (server, key) = authorities[0].issue_server(&ServerAddress::loopback(), today()).unwrap();
    TlsMaterial {
        ca_pem: authorities.iter().map(|authority| authority.cert_pem()).collect(),
        cert_pem: server.cert_pem,
        key_pem: key.expose_pem().to_owned().into(),
        crl_pem,
        partner_ca_pems: BTreeMap::new(),
    }
}

fn list(authority: &Authority, serials: &[&str]) -> String {
    let revoked: Vec<_> =
        serials.iter().map(|serial| Revoked { serial_hex: (*serial).to_owned(), revoke_time: now() }).collect();
    authority.revocation_list(&revoked, 1, now(), now() + 24.hours()).unwrap()
}

/// The house's door with somebody behind it who says to each guest whom it takes the guest for. Dropping it closes it.
struct Doorstep {
    address: SocketAddr,
    acceptor: Acceptor,
    _tasks: JoinSet<()>,
}

impl Doorstep {
    async fn open(material: &TlsMaterial, limits: DoorLimits) -> Self {
        let acceptor = Acceptor::new(server_config(material).unwrap(), DOMAIN).with_door(Door::new(limits));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = acceptor.incoming(listener);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut guests = JoinSet::new();
            let mut incoming = pin!(incoming);
            while let Some(stream) = incoming.next().await {
                let mut stream = stream.unwrap();
                guests.spawn(async move {
                    let identity = Arc::clone(&stream.peer().identity);
                    let greeting = format!("{} {} from {}", identity.kind, identity.id, stream.peer().remote.ip());
                    // A guest that has gone meanwhile is the test's own doing.
                    if stream.write_all(greeting.as_bytes()).await.is_ok() {
                        stream.shutdown().await.ok();
                    }
                });
            }
        });
        Self { address, acceptor, _tasks: tasks }
    }

    async fn of(authority: &Authority) -> Self {
        Self::open(&material(&[authority], None), DoorLimits::default()).await
    }

    /// Knocks and tells what was heard.
    async fn knock(&self, client: &Guest) -> io::Result<String> {
        self.connect(client).await.map(|(greeting, _)| greeting)
    }

    async fn connect(&self, client: &Guest) -> io::Result<(String, tokio_rustls::client::TlsStream<TcpStream>)> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = TlsConnector::from(Arc::clone(&client.0)).connect(name, tcp).await?;
        let mut greeting = String::new();
        // In TLS 1.3 a client learns only now whether its certificate was accepted.
        tls.read_to_string(&mut greeting).await?;
        Ok((greeting, tls))
    }
}

struct Guest(Arc<ClientConfig>);

impl Guest {
    fn with(trusted: &Authority, identity: Option<(&str, &str)>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.cert_pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(
                    CertificateDer::pem_slice_iter(cert.as_bytes()).collect::<Result<_, _>>().unwrap(),
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self(Arc::new(config))
    }

    /// A partner with a certificate of `issuer`, who trusts the house of `trusted`.
    fn partner(trusted: &Authority, issuer: &Authority, id: &str, validity: Validity) -> (Self, String) {
        let (issued, key): (_, PrivateKey) = issuer.issue_client(Kind::Partner, id, validity).unwrap();
        (Self::with(trusted, Some((&issued.cert_pem, key.expose_pem()))), issued.serial_hex)
    }
}

fn alert(result: io::Result<String>) -> AlertDescription {
    let error = result.expect_err("the door should be shut");
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        other => panic!("not an alert: {error:?}, {other:?}"),
    }
}

#[tokio::test]
async fn a_partner_of_the_coalition_is_let_in_and_known() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", today());
    assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");

    let (issued, key) = ca.issue_client(Kind::Auditor, "books-and-co", today()).unwrap();
    let auditor = Guest::with(&ca, Some((&issued.cert_pem, key.expose_pem())));
    assert_eq!(door.knock(&auditor).await.unwrap(), "auditor books-and-co from 127.0.0.1");
}

#[tokio::test]
async fn the_key_exchange_withstands_quantum_computers_and_nothing_is_resumed() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", today());
    for _ in 0..2 {
        let (_, tls) = door.connect(&client).await.unwrap();
        let (_, connection) = tls.get_ref();
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(connection.tls13_tickets_received(), 0);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_certificate() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let refused = door.knock(&Guest::with(&ca, None)).await;
    assert_eq!(alert(refused), AlertDescription::CertificateRequired);
}

#[tokio::test]
async fn a_certificate_that_has_ended_or_not_begun_opens_nothing() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let ended = Validity { not_before: now() - 48.hours(), not_after: now() - 1.hour() };
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", ended);
    assert_eq!(alert(door.knock(&client).await), AlertDescription::CertificateExpired);
    let to_come = Validity { not_before: now() + 1.hour(), not_after: now() + 48.hours() };
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", to_come);
    assert_eq!(alert(door.knock(&client).await), AlertDescription::CertificateExpired);
}

#[tokio::test]
async fn a_certificate_of_a_foreign_authority_opens_nothing() {
    let (ca, foreign) = (authority(DOMAIN), authority(DOMAIN));
    let door = Doorstep::of(&ca).await;
    let (client, _) = Guest::partner(&ca, &foreign, "GROCER", today());
    assert_eq!(alert(door.knock(&client).await), AlertDescription::UnknownCA);
}

#[tokio::test]
async fn a_servers_certificate_is_none_for_a_client() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let (server, key) = ca.issue_server(&ServerAddress::loopback(), today()).unwrap();
    let client = Guest::with(&ca, Some((&server.cert_pem, key.expose_pem())));
    assert_eq!(alert(door.knock(&client).await), AlertDescription::UnsupportedCertificate);
}

#[tokio::test]
async fn a_revoked_certificate_opens_nothing_from_the_reload_on() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let (bad, serial) = Guest::partner(&ca, &ca, "BAD", today());
    let (good, _) = Guest::partner(&ca, &ca, "GOOD", today());
    assert_eq!(door.knock(&bad).await.unwrap(), "partner BAD from 127.0.0.1");

    door.acceptor.reload(server_config(&material(&[&ca], Some(list(&ca, &[&serial])))).unwrap());
    assert_eq!(alert(door.knock(&bad).await), AlertDescription::CertificateRevoked);
    assert_eq!(door.knock(&good).await.unwrap(), "partner GOOD from 127.0.0.1");
}

#[tokio::test]
async fn two_authorities_are_trusted_while_one_replaces_the_other() {
    let (old, new) = (authority(DOMAIN), authority(DOMAIN));
    let lists = list(&old, &[]) + &list(&new, &[]);
    let door = Doorstep::open(&material(&[&new, &old], Some(lists)), DoorLimits::default()).await;
    for issuer in [&old, &new] {
        let (client, _) = Guest::partner(&new, issuer, "GROCER", today());
        assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");
    }
}

/// A root and the authority below it that issues.
fn tiers() -> (Authority, Authority) {
    let validity = Validity { not_before: now() - 1_000.hours(), not_after: now() + 1_000.hours() };
    let root = Authority::root(DOMAIN, validity).unwrap();
    let issuing = root.issuing(validity).unwrap();
    (root, issuing)
}

/// What the house shows with a certificate of `issuing`, when it trusts `roots`.
fn below(roots: &[&Authority], issuing: &Authority, crl_pem: Option<String>) -> TlsMaterial {
    TlsMaterial { ca_pem: roots.iter().map(|root| root.cert_pem()).collect(), ..material(&[issuing], crl_pem) }
}

#[tokio::test]
async fn whoever_trusts_the_root_believes_what_any_authority_below_it_issued() {
    let (root, issuing) = tiers();
    let validity = Validity { not_before: now() - 10.hours(), not_after: now() + 10.hours() };
    let former = root.issuing(validity).unwrap();
    let door = Doorstep::open(&below(&[&root], &issuing, None), DoorLimits::default()).await;
    for issuer in [&issuing, &former] {
        let (client, _) = Guest::partner(&root, issuer, "GROCER", validity);
        assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");
    }
    let (foreign_root, foreign) = tiers();
    let (client, _) = Guest::partner(&root, &foreign, "GROCER", today());
    assert_eq!(alert(door.knock(&client).await), AlertDescription::UnknownCA);
    // While one root replaces another both are trusted.
    door.acceptor.reload(server_config(&below(&[&root, &foreign_root], &issuing, None)).unwrap());
    assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");
}

#[tokio::test]
async fn of_a_root_no_list_is_needed_and_of_each_authority_that_issues_one_is() {
    let (root, issuing) = tiers();
    let former = root.issuing(today()).unwrap();
    let (bad, serial) = Guest::partner(&root, &issuing, "BAD", today());
    let (good, _) = Guest::partner(&root, &issuing, "GOOD", today());
    let (old, _) = Guest::partner(&root, &former, "OLD", today());
    let refused = server_config(&below(&[&root], &issuing, Some(list(&root, &[])))).unwrap_err();
    assert!(matches!(refused, TlsError::RevocationListMissing { .. }), "{refused}");
    let lists = list(&issuing, &[&serial]);
    let door = Doorstep::open(&below(&[&root], &issuing, Some(lists.clone())), DoorLimits::default()).await;
    assert_eq!(alert(door.knock(&bad).await), AlertDescription::CertificateRevoked);
    assert_eq!(door.knock(&good).await.unwrap(), "partner GOOD from 127.0.0.1");
    // Nobody says whether one of another authority is revoked.
    door.knock(&old).await.unwrap_err();
    let lists = lists + &list(&former, &[]);
    door.acceptor.reload(server_config(&below(&[&root], &issuing, Some(lists.clone()))).unwrap());
    assert_eq!(door.knock(&old).await.unwrap(), "partner OLD from 127.0.0.1");
    // The root's own list takes an authority back with all that it issued.
    let lists = lists + &list(&root, &[former.serial_hex()]);
    door.acceptor.reload(server_config(&below(&[&root], &issuing, Some(lists))).unwrap());
    assert_eq!(alert(door.knock(&old).await), AlertDescription::CertificateRevoked);
    assert_eq!(door.knock(&good).await.unwrap(), "partner GOOD from 127.0.0.1");
}

#[tokio::test]
async fn a_partners_own_authority_vouches_for_that_partner_and_for_nobody_else() {
    let (ca, own) = (authority(DOMAIN), authority(DOMAIN));
    let mut material = material(&[&ca], Some(list(&ca, &[])));
    material.partner_ca_pems.insert("GROCER".to_owned(), own.cert_pem().to_owned());
    let door = Doorstep::open(&material, DoorLimits::default()).await;
    let (grocer, _) = Guest::partner(&ca, &own, "GROCER", today());
    assert_eq!(door.knock(&grocer).await.unwrap(), "partner GROCER from 127.0.0.1");
    for (kind, id) in [(Kind::Partner, "FUEL"), (Kind::Partner, "operator"), (Kind::Auditor, "GROCER")] {
        let (issued, key) = own.issue_client(kind, id, today()).unwrap();
        let other = Guest::with(&ca, Some((&issued.cert_pem, key.expose_pem())));
        assert_eq!(alert(door.knock(&other).await), AlertDescription::UnknownCA, "{kind} {id}");
    }
    // What the coalition issued goes on, for this partner as well.
    for id in ["GROCER", "FUEL"] {
        let (client, _) = Guest::partner(&ca, &ca, id, today());
        assert_eq!(door.knock(&client).await.unwrap(), format!("partner {id} from 127.0.0.1"));
    }
    // One of another coalition's domain names nobody here.
    let elsewhere = authority("elsewhere.example");
    material.partner_ca_pems.insert("GROCER".to_owned(), elsewhere.cert_pem().to_owned());
    door.acceptor.reload(server_config(&material).unwrap());
    let (client, _) = Guest::partner(&ca, &elsewhere, "GROCER", today());
    door.knock(&client).await.unwrap_err();
    door.knock(&grocer).await.unwrap_err();
}

/// A client certificate with any names, signed with the coalition's own key.
fn client_named(ca: &Authority, uris: &[&str]) -> Guest {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    let ca_key = KeyPair::from_pem(ca.private_key().expose_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(ca.cert_pem(), ca_key).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Guest::with(ca, Some((&certificate.pem(), &key.serialize_pem())))
}

#[tokio::test]
async fn the_authority_may_vouch_for_others_but_only_this_coalitions_partners_get_in() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let right = client_named(&ca, &["spiffe://points.example/partner/A"]);
    assert_eq!(door.knock(&right).await.unwrap(), "partner A from 127.0.0.1");

    let other_domain = ["spiffe://other.example/partner/A"].as_slice();
    let two_names = ["spiffe://points.example/partner/A", "spiffe://points.example/partner/B"].as_slice();
    let unknown_kind = ["spiffe://points.example/supplier/A"].as_slice();
    for uris in [other_domain, two_names, unknown_kind, &[]] {
        // The handshake itself succeeds; then the connection is cut before a byte is served.
        let error = door.knock(&client_named(&ca, uris)).await.unwrap_err();
        let cut = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(cut.contains(&error.kind()), "{uris:?}: {error:?}");
    }
}

/// An authority with so many others below it, one under the other, and a partner of the last: the authority's certificate,
/// and a client that shows all others.
fn partner_below(ca: &Authority, root: BasicConstraints, others: usize) -> (String, Guest) {
    let of_authority = |name: String, constraints| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(constraints);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    };
    let key = KeyPair::generate().unwrap();
    let root = of_authority(format!("{root:?}"), root).self_signed(&key).unwrap();
    let mut issuer = Issuer::from_ca_cert_pem(&root.pem(), key).unwrap();
    let mut chain = String::new();
    for other in 0..others {
        let key = KeyPair::generate().unwrap();
        let params = of_authority(format!("other {other}"), BasicConstraints::Unconstrained);
        let between = params.signed_by(&key, &issuer).unwrap();
        chain.insert_str(0, &between.pem());
        issuer = Issuer::from_ca_cert_pem(&between.pem(), key).unwrap();
    }
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI("spiffe://points.example/partner/A".try_into().unwrap())];
    chain.insert_str(0, &params.signed_by(&key, &issuer).unwrap().pem());
    (root.pem(), Guest::with(ca, Some((&chain, &key.serialize_pem()))))
}

/// An authority of `clearing init` says that nobody stands between it and a client, and webpki alone does not look at that:
/// it was no bound at all.
#[tokio::test]
async fn an_authority_is_held_to_the_number_of_others_that_it_allows_below_it() {
    let ca = authority(DOMAIN);
    for (root, others, heard) in [
        (BasicConstraints::Constrained(0), 0, true),
        (BasicConstraints::Constrained(0), 1, false),
        (BasicConstraints::Constrained(1), 1, true),
        (BasicConstraints::Constrained(1), 2, false),
        (BasicConstraints::Unconstrained, 2, true),
    ] {
        let (root_pem, client) = partner_below(&ca, root, others);
        let mut material = material(&[&ca], None);
        material.ca_pem.push_str(&root_pem);
        let door = Doorstep::open(&material, DoorLimits::default()).await;
        let answer = door.knock(&client).await;
        if heard {
            assert_eq!(answer.unwrap(), "partner A from 127.0.0.1", "{root_pem} {others}");
        } else {
            assert_eq!(alert(answer), AlertDescription::UnknownCA);
        }
    }
}

#[tokio::test]
async fn who_sends_the_authoritys_own_certificate_along_is_let_in_all_the_same() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let (issued, key) = ca.issue_client(Kind::Partner, "A", today()).unwrap();
    let chain = issued.cert_pem + ca.cert_pem();
    let client = Guest::with(&ca, Some((&chain, key.expose_pem())));
    assert_eq!(door.knock(&client).await.unwrap(), "partner A from 127.0.0.1");
}

#[tokio::test]
async fn a_client_that_speaks_only_tls_1_2_is_told_so() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let mut tcp = TcpStream::connect(door.address).await.unwrap();
    tcp.write_all(&client_hello_of_tls_1_2()).await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    // One record: an alert (21) of two bytes, fatal (2), protocol_version (70).
    assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_holds_up_nobody() {
    let ca = authority(DOMAIN);
    let door = Doorstep::of(&ca).await;
    let silent = TcpStream::connect(door.address).await.unwrap();
    let mut halfway = TcpStream::connect(door.address).await.unwrap();
    halfway.write_all(&[22, 3, 1]).await.unwrap();
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", today());
    assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");
    drop((silent, halfway));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let ca = authority(DOMAIN);
    let short = Duration::from_millis(100);
    let limits = DoorLimits { first_byte: short, handshake: short, ..DoorLimits::default() };
    let door = Doorstep::open(&material(&[&ca], None), limits).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    let mut halfway = TcpStream::connect(door.address).await.unwrap();
    halfway.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
    // What it had sent is unread, so the system tells it of a reset.
    assert!(matches!(halfway.read(&mut [0; 16]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn among_too_many_who_say_nothing_the_oldest_makes_room_and_a_partner_gets_in() {
    let ca = authority(DOMAIN);
    let limits = DoorLimits { waiting: 1, ..DoorLimits::default() };
    let door = Doorstep::open(&material(&[&ca], None), limits).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    let (client, _) = Guest::partner(&ca, &ca, "GROCER", today());
    assert_eq!(door.knock(&client).await.unwrap(), "partner GROCER from 127.0.0.1");
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
}

#[test]
fn material_that_cannot_work_is_refused_before_the_server_starts() {
    let (ca, other) = (authority(DOMAIN), authority(DOMAIN));
    let good = || material(&[&ca], None);
    server_config(&good()).unwrap();
    let refused = |change: fn(&mut TlsMaterial, &Authority)| {
        let mut material = good();
        change(&mut material, &other);
        server_config(&material).unwrap_err()
    };

    let error = refused(|material, _| material.ca_pem.clear());
    assert!(matches!(error, TlsError::Missing { what: "authority certificate" }), "{error:?}");
    let error = refused(|material, _| material.cert_pem = "hello".to_owned());
    assert!(matches!(error, TlsError::Missing { what: "server certificate" }), "{error:?}");
    let error = refused(|material, _| material.key_pem.clear());
    assert!(matches!(error, TlsError::Missing { what: "server private key" }), "{error:?}");
    let error = refused(|material, _| material.crl_pem = Some(String::new()));
    assert!(matches!(error, TlsError::Missing { what: "revocation list" }), "{error:?}");
    let error = refused(|material, _| material.cert_pem.truncate(60));
    assert!(matches!(error, TlsError::Unreadable { what: "server certificate", .. }), "{error:?}");
    let error = refused(|material, other| material.key_pem = other.private_key().expose_pem().to_owned().into());
    assert!(matches!(error, TlsError::OtherKey { what: "server certificate" }), "{error:?}");
    let error = refused(|material, other| material.crl_pem = Some(list(other, &[])));
    assert!(matches!(error, TlsError::RevocationListMissing { .. }), "{error:?}");
    let damaged = "-----BEGIN X509 CRL-----\naGVsbG8=\n-----END X509 CRL-----\n";
    let mut material = good();
    material.crl_pem = Some(damaged.to_owned());
    let error = server_config(&material).unwrap_err();
    assert!(matches!(error, TlsError::Malformed { what: "revocation list", .. }), "{error:?}");
}

#[test]
fn material_never_prints_its_key() {
    let ca = authority(DOMAIN);
    assert_eq!(format!("{:?}", material(&[&ca], None)), "TlsMaterial { .. }");
}

/// Written by hand (RFC 5246, section 7.4.1.2), since the TLS library here is built without version 1.2.
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 2, 0xc0, 0x2b]); // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    body.extend([1, 0]); // no compression
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 29], // supported_groups: x25519
        &[0, 11, 0, 2, 1, 0],        // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],  // signature_algorithms: ecdsa_secp256r1_sha256
    ];
    let extensions = extensions.concat();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);

    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    handshake.extend(body);

    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}
