//! What the authority issues, seen by those who verify it: rustls' own verifier, told the time, and an X.509 parser.
#![allow(clippy::unwrap_used, reason = "helpers of a test fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use clearing_certs::{
    Authority, CertError, IdentityError, Issued, Kind, Passphrase, PrivateKey, Revoked, ServerAddress, Tier, Validity,
    is_sealed, parse_identity,
};
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm, SigningKey,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DOMAIN: &str = "points.example";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn year(number: u16) -> Validity {
    Validity {
        not_before: at(&format!("{number}-01-01T00:00:00Z")),
        not_after: at(&format!("{number}-12-31T23:59:59Z")),
    }
}

fn decade() -> Validity {
    Validity { not_before: at("2026-01-01T00:00:00Z"), not_after: at("2035-12-31T23:59:59Z") }
}

fn authority() -> Authority {
    Authority::generate(DOMAIN, decade()).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(time.as_second().try_into().unwrap()))
}

fn roots(authorities: &[&Authority]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(der(authority.cert_pem())).unwrap();
    }
    Arc::new(roots)
}

fn verify_client(trusted: &[&Authority], lists: &[String], pem: &str, now: Timestamp) -> Result<(), Error> {
    let lists = lists.iter().map(|list| CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap());
    WebPkiClientVerifier::builder_with_provider(roots(trusted), Arc::new(default_provider()))
        .with_crls(lists)
        .build()
        .unwrap()
        .verify_client_cert(&der(pem), &[], unix(now))
        .map(|_| ())
}

fn verify_server(trusted: &Authority, pem: &str, name: &str, now: Timestamp) -> Result<(), Error> {
    WebPkiServerVerifier::builder_with_provider(roots(&[trusted]), Arc::new(default_provider()))
        .build()
        .unwrap()
        .verify_server_cert(&der(pem), &[], &ServerName::try_from(name.to_owned()).unwrap(), &[], unix(now))
        .map(|_| ())
}

fn request(key: &impl SigningKey, params: &CertificateParams) -> String {
    params.serialize_request(key).unwrap().pem().unwrap()
}

#[test]
fn a_partner_certificate_names_its_partner_and_is_good_for_clients_only() {
    let authority = authority();
    let (issued, _) = authority.issue_client(Kind::Partner, "GROCER", year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    verify_client(&[&authority], &[], &issued.cert_pem, now).unwrap();
    verify_server(&authority, &issued.cert_pem, "localhost", now).unwrap_err();

    let identity = parse_identity(&der(&issued.cert_pem)).unwrap();
    assert_eq!(identity.domain, DOMAIN);
    assert_eq!((identity.kind, identity.id.as_str()), (Kind::Partner, "GROCER"));
    assert_eq!(identity.serial_hex, issued.serial_hex);
    assert_eq!(identity.not_after, year(2026).not_after);
}

#[test]
fn an_auditor_certificate_names_its_auditor() {
    let (issued, _) = authority().issue_client(Kind::Auditor, "books-and-co", year(2026)).unwrap();
    let identity = parse_identity(&der(&issued.cert_pem)).unwrap();
    assert_eq!((identity.kind, identity.id.as_str()), (Kind::Auditor, "books-and-co"));
}

#[test]
fn a_server_certificate_is_good_for_its_names_and_for_servers_only() {
    let authority = authority();
    let mut addresses = ServerAddress::loopback();
    addresses.push(ServerAddress::Dns("house.points.example".to_owned()));
    let (issued, _) = authority.issue_server(&addresses, year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    for name in ["localhost", "127.0.0.1", "::1", "house.points.example"] {
        verify_server(&authority, &issued.cert_pem, name, now).unwrap();
    }
    verify_server(&authority, &issued.cert_pem, "other.points.example", now).unwrap_err();
    verify_client(&[&authority], &[], &issued.cert_pem, now).unwrap_err();
    assert_eq!(parse_identity(&der(&issued.cert_pem)), Err(IdentityError::NoUri));

    assert!(matches!(authority.issue_server(&[], year(2026)), Err(CertError::NoServerAddress)));
    let wild = [ServerAddress::Dns("*.points.example".to_owned())];
    assert!(matches!(authority.issue_server(&wild, year(2026)), Err(CertError::WrongServerName(_))));
}

#[test]
fn a_certificate_is_valid_from_its_first_second_to_its_last() {
    let authority = authority();
    let (issued, _) = authority.issue_client(Kind::Partner, "A", year(2026)).unwrap();
    let verify = |now| verify_client(&[&authority], &[], &issued.cert_pem, now);
    let Validity { not_before, not_after } = year(2026);
    verify(not_before).unwrap();
    verify(not_after).unwrap();
    let is = |error: Error, wanted: &str| {
        let Error::InvalidCertificate(error) = error else { panic!("{error:?}") };
        assert!(format!("{error:?}").starts_with(wanted), "{error:?}");
    };
    is(verify(not_before - 1.second()).unwrap_err(), "NotValidYet");
    is(verify(not_after + 1.second()).unwrap_err(), "Expired");
}

#[test]
fn an_authority_that_is_not_trusted_vouches_for_nobody() {
    let (ours, foreign) = (authority(), authority());
    let (issued, _) = foreign.issue_client(Kind::Partner, "GROCER", year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    let error = verify_client(&[&ours], &[], &issued.cert_pem, now).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
    // Both are trusted while one authority replaces the other.
    verify_client(&[&ours, &foreign], &[], &issued.cert_pem, now).unwrap();
}

#[test]
fn what_is_on_the_revocation_list_is_refused_and_what_is_not_is_accepted() {
    let authority = authority();
    let (good, _) = authority.issue_client(Kind::Partner, "GOOD", year(2026)).unwrap();
    let (bad, _) = authority.issue_client(Kind::Partner, "BAD", year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    let empty = authority.revocation_list(&[], 1, now, now + 24.hours()).unwrap();
    verify_client(&[&authority], &[empty], &bad.cert_pem, now).unwrap();

    let revoked = [Revoked { serial_hex: bad.serial_hex.clone(), revoke_time: now }];
    let list = authority.revocation_list(&revoked, 2, now, now + 24.hours()).unwrap();
    verify_client(&[&authority], std::slice::from_ref(&list), &good.cert_pem, now).unwrap();
    let error = verify_client(&[&authority], &[list], &bad.cert_pem, now).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::Revoked));
}

#[test]
fn as_soon_as_there_is_a_list_every_authority_needs_one() {
    let (old, new) = (authority(), authority());
    let (issued, _) = new.issue_client(Kind::Partner, "A", year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    let list = |authority: &Authority| authority.revocation_list(&[], 1, now, now + 24.hours()).unwrap();
    let error = verify_client(&[&old, &new], &[list(&old)], &issued.cert_pem, now).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownRevocationStatus));
    verify_client(&[&old, &new], &[list(&old), list(&new)], &issued.cert_pem, now).unwrap();
}

#[test]
fn a_revocation_list_refuses_malformed_serials_and_a_successor_that_is_not_later() {
    let authority = authority();
    let now = at("2026-06-01T12:00:00Z");
    let revoked = [Revoked { serial_hex: "12:34".to_owned(), revoke_time: now }];
    let error = authority.revocation_list(&revoked, 1, now, now + 24.hours()).unwrap_err();
    assert!(matches!(error, CertError::WrongSerial(_)));
    assert!(matches!(authority.revocation_list(&[], 1, now, now).unwrap_err(), CertError::ListNeverValid { .. }));
}

#[test]
fn of_a_signing_request_only_the_key_is_taken() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    // It asks for everything: to be an authority, to be a server, and to be somebody else.
    let mut greedy = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    greedy.subject_alt_names.push(SanType::URI("spiffe://points.example/partner/BANK".try_into().unwrap()));
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let issued = authority.sign_csr(&request(&key, &greedy), Kind::Partner, "CINEMA", year(2026)).unwrap();

    let now = at("2026-06-01T12:00:00Z");
    verify_client(&[&authority], &[], &issued.cert_pem, now).unwrap();
    verify_server(&authority, &issued.cert_pem, "localhost", now).unwrap_err();
    assert_eq!(parse_identity(&der(&issued.cert_pem)).unwrap().id, "CINEMA");

    let bytes = der(&issued.cert_pem);
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    assert!(!certificate.is_ca());
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
    // Its own key does not make it an authority either.
    assert!(matches!(Authority::from_pem(&issued.cert_pem, &key.serialize_pem()), Err(CertError::NotAnAuthority)));
}

#[test]
fn keys_of_the_accepted_kinds_are_signed_and_others_are_not() {
    let authority = authority();
    let params = CertificateParams::default();
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let issued = authority.sign_csr(&request(&key, &params), Kind::Partner, "A", year(2026)).unwrap();
        verify_client(&[&authority], &[], &issued.cert_pem, at("2026-06-01T12:00:00Z")).unwrap();
    }
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let error = authority.sign_csr(&request(&rsa, &params), Kind::Partner, "A", year(2026)).unwrap_err();
    assert!(matches!(error, CertError::KeyNotAccepted), "{error}");
}

#[test]
fn a_signing_request_must_be_whole_and_signed_by_its_own_key() {
    let authority = authority();
    let impostor = Impostor { shown: KeyPair::generate().unwrap(), own: KeyPair::generate().unwrap() };
    let csr = request(&impostor, &CertificateParams::default());
    let error = authority.sign_csr(&csr, Kind::Partner, "A", year(2026)).unwrap_err();
    assert!(matches!(error, CertError::RequestSignature), "{error}");

    let damaged = "-----BEGIN CERTIFICATE REQUEST-----\naGVsbG8=\n-----END CERTIFICATE REQUEST-----\n";
    for garbage in ["", "hello", authority.cert_pem(), damaged] {
        let error = authority.sign_csr(garbage, Kind::Partner, "A", year(2026)).unwrap_err();
        assert!(matches!(error, CertError::Unreadable { .. }), "{error}");
    }
}

#[test]
fn an_authority_signs_certificates_and_lists_and_makes_no_other_authority() {
    let authority = authority();
    let certificate = der(authority.cert_pem());
    let (_, certificate) = X509Certificate::from_der(&certificate).unwrap();
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert_eq!((constraints.value.ca, constraints.value.path_len_constraint), (true, Some(0)));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    // Bits 5 and 6 of RFC 5280: keyCertSign and cRLSign, nothing else.
    assert_eq!(usage.value.flags, 1 << 5 | 1 << 6);

    // Whatever it issues is no authority.
    let (issued, _) = authority.issue_client(Kind::Partner, "A", year(2026)).unwrap();
    let issued = der(&issued.cert_pem);
    let (_, issued) = X509Certificate::from_der(&issued).unwrap();
    assert!(!issued.basic_constraints().unwrap().unwrap().value.ca);
}

#[test]
fn an_authority_is_taken_up_again_from_its_files() {
    let first = authority();
    let second = Authority::from_pem(first.cert_pem(), first.private_key().expose_pem()).unwrap();
    assert_eq!((second.domain(), second.not_after()), (DOMAIN, first.not_after()));
    let (issued, _) = second.issue_client(Kind::Partner, "A", year(2026)).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    let list = second.revocation_list(&[], 1, now, now + 24.hours()).unwrap();
    verify_client(&[&first], &[list], &issued.cert_pem, now).unwrap();
}

#[test]
fn an_authority_is_not_taken_up_with_another_key_or_another_certificate() {
    let (ours, other) = (authority(), authority());
    let error = Authority::from_pem(ours.cert_pem(), other.private_key().expose_pem()).unwrap_err();
    assert!(matches!(error, CertError::WrongKey), "{error}");
    let error = Authority::from_pem("no certificate", ours.private_key().expose_pem()).unwrap_err();
    assert!(matches!(error, CertError::Unreadable { .. }), "{error}");
    let error = Authority::from_pem(ours.cert_pem(), "no key").unwrap_err();
    assert!(matches!(error, CertError::Unreadable { .. }), "{error}");
}

#[test]
fn nothing_outlives_its_authority_or_ends_before_it_begins() {
    let authority = authority();
    let beyond = Validity { not_after: authority.not_after() + 1.second(), ..year(2030) };
    assert!(matches!(
        authority.issue_client(Kind::Partner, "A", beyond).unwrap_err(),
        CertError::OutlivesAuthority { .. }
    ));
    let Validity { not_before, .. } = year(2026);
    let empty = Validity { not_before, not_after: not_before };
    assert!(matches!(authority.issue_client(Kind::Partner, "A", empty).unwrap_err(), CertError::NeverValid(_)));
    assert!(matches!(Authority::generate(DOMAIN, empty).unwrap_err(), CertError::NeverValid(_)));
    let ancient = Validity { not_before: at("1969-12-31T23:59:59Z"), ..year(2026) };
    assert!(matches!(Authority::generate(DOMAIN, ancient).unwrap_err(), CertError::WrongTime(_)));
}

#[test]
fn malformed_names_are_refused_before_anything_is_signed() {
    let authority = authority();
    for id in ["", "a/b", "a b", &"x".repeat(32)] {
        let error = authority.issue_client(Kind::Partner, id, year(2026)).unwrap_err();
        assert!(matches!(error, CertError::Identity(IdentityError::WrongId { .. })), "{error}");
    }
    let error = Authority::generate("Points.Example", decade()).unwrap_err();
    assert!(matches!(error, CertError::Identity(IdentityError::WrongDomain(_))), "{error}");
}

#[test]
fn a_certificate_with_two_uris_names_nobody() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    for id in ["A", "B"] {
        params
            .subject_alt_names
            .push(SanType::URI(format!("spiffe://points.example/partner/{id}").try_into().unwrap()));
    }
    let certificate = params.self_signed(&key).unwrap();
    assert_eq!(parse_identity(certificate.der()), Err(IdentityError::ManyUris(2)));
}

#[test]
fn every_certificate_has_its_own_serial_number() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let csr = request(&key, &CertificateParams::default());
    // Even the same key at its renewal: a revocation of the old one must not reach the new one.
    let issue = || -> Issued { authority.sign_csr(&csr, Kind::Partner, "A", year(2026)).unwrap() };
    assert_ne!(issue().serial_hex, issue().serial_hex);
}

#[test]
fn an_issued_key_is_the_certificates_own() {
    let authority = authority();
    let (issued, key): (Issued, PrivateKey) = authority.issue_client(Kind::Partner, "A", year(2026)).unwrap();
    let key = KeyPair::from_pem(key.expose_pem()).unwrap();
    let bytes = der(&issued.cert_pem);
    let (_, certificate) = X509Certificate::from_der(&bytes).unwrap();
    assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
}

/// Shows one key and signs with another.
struct Impostor {
    shown: KeyPair,
    own: KeyPair,
}

impl PublicKeyData for Impostor {
    fn der_bytes(&self) -> &[u8] {
        self.shown.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.shown.algorithm()
    }
}

impl SigningKey for Impostor {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.own.sign(message)
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into()).unwrap()
}

/// As who trusts `root` alone sees what its holder shows.
fn verify_chain(root: &Authority, pem: &str, now: Timestamp) -> Result<(), Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
    WebPkiClientVerifier::builder_with_provider(roots(&[root]), Arc::new(default_provider()))
        .build()
        .unwrap()
        .verify_client_cert(&chain[0], &chain[1..], unix(now))
        .map(|_| ())
}

#[test]
fn what_an_authority_below_a_root_issues_is_believed_by_who_trusts_the_root_alone() {
    let root = Authority::root(DOMAIN, decade()).unwrap();
    let now = at("2026-06-01T12:00:00Z");
    // Two of them, as one follows the other.
    for issuing in [root.issuing(decade()).unwrap(), root.issuing(decade()).unwrap()] {
        assert_eq!((root.tier(), issuing.tier()), (Tier::Root, Tier::Issuing));
        let again = Authority::from_pem(issuing.cert_pem(), issuing.private_key().expose_pem()).unwrap();
        assert_eq!((again.tier(), again.serial_hex(), again.domain()), (Tier::Issuing, issuing.serial_hex(), DOMAIN));
        for authority in [&issuing, &again] {
            let (issued, _) = authority.issue_client(Kind::Partner, "A", year(2026)).unwrap();
            verify_chain(&root, &issued.cert_pem, now).unwrap();
            let foreign = Authority::root(DOMAIN, decade()).unwrap();
            verify_chain(&foreign, &issued.cert_pem, now).unwrap_err();
        }
    }
    let again = Authority::from_pem(root.cert_pem(), root.private_key().expose_pem()).unwrap();
    assert_eq!((again.tier(), again.serial_hex()), (Tier::Root, root.serial_hex()));
}

#[test]
fn a_root_issues_authorities_alone_and_these_issue_none() {
    let root = Authority::root(DOMAIN, decade()).unwrap();
    let issuing = root.issuing(decade()).unwrap();
    let error = root.issue_client(Kind::Partner, "A", year(2026)).unwrap_err();
    assert!(matches!(error, CertError::OfRoot), "{error}");
    assert!(matches!(root.issue_server(&ServerAddress::loopback(), year(2026)).unwrap_err(), CertError::OfRoot));
    for none_below in [&issuing, &authority()] {
        assert!(matches!(none_below.issuing(year(2026)).unwrap_err(), CertError::NoneBelow));
    }
    let beyond = Validity { not_after: root.not_after() + 1.second(), ..year(2030) };
    assert!(matches!(root.issuing(beyond).unwrap_err(), CertError::OutlivesAuthority { .. }));
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_alone() {
    let root = Authority::root(DOMAIN, decade()).unwrap();
    let (right, wrong) = (passphrase("correct horse"), passphrase("Correct horse"));
    let sealed = root.private_key().seal(&right).unwrap();
    assert!(is_sealed(&sealed) && !is_sealed(root.private_key().expose_pem()));
    let first = sealed.lines().next().unwrap_or_default();
    assert_eq!(first.trim_matches('-'), "BEGIN ENCRYPTED PRIVATE KEY");
    assert_ne!(sealed, root.private_key().seal(&right).unwrap(), "salt and first block are new each time");
    let opened = Authority::from_sealed_pem(root.cert_pem(), &sealed, Some(&right)).unwrap();
    assert_eq!(opened.serial_hex(), root.serial_hex());
    opened.issuing(decade()).unwrap();
    for passphrase in [&wrong, &passphrase("correct hors"), &passphrase("correct horse ")] {
        let error = Authority::from_sealed_pem(root.cert_pem(), &sealed, Some(passphrase)).unwrap_err();
        assert!(matches!(error, CertError::WrongPassphrase), "{error}");
    }
    assert!(matches!(Authority::from_sealed_pem(root.cert_pem(), &sealed, None).unwrap_err(), CertError::Sealed));
    // One that is not sealed needs none.
    Authority::from_sealed_pem(root.cert_pem(), root.private_key().expose_pem(), Some(&wrong)).unwrap();
}
