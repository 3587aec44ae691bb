//! A coalition's certificates, for one test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clearing::coalition_file::FIRST_PERSON;
use clearing::enrolment::EnrolmentOptions;
use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, ServerAddress, Validity};
use partner_sdk::{Client, ClientBuilder, Retries};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::database::DOMAIN;

/// As tests call who acts for the operator.
const OPERATOR: &str = "operator";

/// An authority, and whom it vouches for.
pub struct Identities {
    authority: Authority,
    validity: Validity,
}

impl Identities {
    /// A new authority. What it signs is valid from yesterday until tomorrow.
    #[allow(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "certificates are valid at real moments, whatever the house's clock says; each authority is another"
    )]
    pub fn new() -> Self {
        let now = jiff::Timestamp::now();
        let day = jiff::SignedDuration::from_hours(24);
        let validity = Validity { not_before: now - day, not_after: now + day };
        Self { authority: Authority::generate(DOMAIN, validity).unwrap(), validity }
    }

    /// Who vouches for all of them.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What a server on this machine shows.
    pub fn server(&self) -> TlsMaterial {
        let (issued, key) = self.authority.issue_server(&ServerAddress::loopback(), self.validity).unwrap();
        TlsMaterial {
            ca_pem: self.authority.cert_pem().to_owned(),
            cert_pem: issued.cert_pem,
            key_pem: key.expose_pem().to_owned().into(),
            crl_pem: None,
            partner_ca_pems: BTreeMap::new(),
        }
    }

    /// How a house issues certificates of this authority.
    pub fn enrolment(&self) -> EnrolmentOptions {
        EnrolmentOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            endpoint: None,
            house_endpoint: None,
            authority_cert_pem: self.authority.cert_pem().to_owned(),
            authority_key_pem: self.authority.private_key().expose_pem().to_owned().into(),
            certificate_days: 90,
        }
    }

    /// A client with the identity of a partner or auditor, which asks again as the SDK does by default.
    pub async fn client(&self, endpoint: &str, kind: Kind, id: &str) -> Client {
        self.builder(endpoint, kind, id).retries(Retries::default()).connect().await.unwrap()
    }

    /// A partner's client that asks once.
    pub async fn client_that_asks_once(&self, endpoint: &str, partner: &str) -> Client {
        self.builder(endpoint, Kind::Partner, partner).retries(Retries::none()).connect().await.unwrap()
    }

    /// A client before it connects.
    pub fn builder(&self, endpoint: &str, kind: Kind, id: &str) -> ClientBuilder {
        let [ca, cert, key] = self.pem(kind, id);
        Client::builder(endpoint).ca_pem(ca).identity_pem(cert, key).deadline(Duration::from_secs(30))
    }

    /// A client with the identity of the operator as a brand, which is none of its people.
    pub async fn operator_as_brand(&self, endpoint: &str) -> Client {
        let [ca, cert, key] = self.raw_pem(Kind::Partner, OPERATOR);
        Client::builder(endpoint).ca_pem(ca).identity_pem(cert, key).connect().await.unwrap()
    }

    /// As [`tls`](Self::tls), of the operator as a brand.
    pub fn tls_as_brand(&self) -> Arc<ClientConfig> {
        self.tls_showing(self.raw_pem(Kind::Partner, OPERATOR))
    }

    /// What a client shows that is none of the SDK: TLS 1.3, HTTP/2, and a certificate of this authority.
    pub fn tls(&self, kind: Kind, id: &str) -> Arc<ClientConfig> {
        self.tls_showing(self.pem(kind, id))
    }

    fn tls_showing(&self, [_, cert, key]: [String; 3]) -> Arc<ClientConfig> {
        self.tls_of(&cert, &key)
    }

    /// The same with a certificate and key of somebody's own.
    pub fn tls_of(&self, cert: &str, key: &str) -> Arc<ClientConfig> {
        let ca = self.authority.cert_pem();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).map(Result::unwrap).collect();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    /// The authority's certificate, and a client's certificate and key, as PEM.
    pub fn pem(&self, kind: Kind, id: &str) -> [String; 3] {
        // Who acts for the operator is a person.
        let acts = if (kind, id) == (Kind::Partner, OPERATOR) { (Kind::Operator, FIRST_PERSON) } else { (kind, id) };
        self.raw_pem(acts.0, acts.1)
    }

    /// The same, of whatever identity.
    fn raw_pem(&self, kind: Kind, id: &str) -> [String; 3] {
        let (issued, key) = self.authority.issue_client(kind, id, self.validity).unwrap();
        [self.authority.cert_pem().to_owned(), issued.cert_pem, key.expose_pem().to_owned()]
    }
}
