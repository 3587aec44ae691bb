//! Who may connect: invites, enrolment, renewal, scopes and devices, and who is out at once. What the SDK makes of it is tested
//! with the SDK.

mod enrolling;
mod revoked;
mod scoped;

use std::net::SocketAddr;
use std::sync::Arc;

use clearing_certs::Kind;
use clearing_play::wire::channel;
use clearing_play::{TestHouse, Wire};
use clearing_proto::v1;
use clearing_proto::v1::enrolment_service_client::EnrolmentServiceClient;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::foreign;

/// The secret of every invite here.
const SECRET: &[u8] = b"sixteen bytes or more";

/// A key of a newcomer.
pub fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// A signing request that says nothing but the key.
pub fn csr(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key).unwrap().der().to_vec()
}

/// The reason of a refusal.
fn reason(status: &Status) -> String {
    let reason = status.metadata().get("clearing-reason").map(|reason| reason.to_str().unwrap().to_owned());
    reason.unwrap_or_else(|| format!("without a reason: {status:?}"))
}

/// Whoever is invited to a house and has no certificate yet.
pub struct Newcomer {
    channel: Channel,
    identities: Arc<ClientConfig>,
}

/// A credential, with the key that it is of.
pub struct Joined {
    pub issued: v1::IssuedCertificate,
    pub key: KeyPair,
}

impl Newcomer {
    pub fn to(test: &TestHouse) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = test.identities.authority().cert_pem();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let identities = Arc::new(config);
        let at = test.server.enrolment_addr().expect("a test house enrols");
        Self { channel: channel(at, Arc::clone(&identities)), identities }
    }

    /// The same, at the listener of another node.
    fn at(&self, enrolment: SocketAddr) -> Self {
        Self { channel: channel(enrolment, Arc::clone(&self.identities)), identities: Arc::clone(&self.identities) }
    }

    async fn enroll_as(&self, invite: &str, secret: &[u8], csr: Vec<u8>) -> Result<v1::IssuedCertificate, Status> {
        let request = v1::EnrollRequest { invite_id: invite.to_owned(), secret: secret.to_vec(), csr };
        let answer = EnrolmentServiceClient::new(self.channel.clone()).enroll(request).await?;
        Ok(answer.into_inner().issued.unwrap())
    }

    /// Makes somebody a credential, as `change` asks for it, of an invite of `by`.
    pub async fn join(&self, by: &Wire, change: impl FnOnce(&mut v1::CreateInvitesRequest)) -> Joined {
        let invite = invite_by(by, change).await.unwrap();
        let key = new_key();
        let issued = self.enroll_as(&invite, SECRET, csr(&key)).await.unwrap();
        Joined { issued, key }
    }

    /// Makes a credential of the caller's own, for a device if there is one.
    pub async fn enroll(&self, by: &Wire, device: Option<v1::Device>) -> v1::IssuedCertificate {
        self.join(by, |asked| asked.invites[0].device = device).await.issued
    }

    async fn renew_ended(&self, request: v1::RenewEndedRequest) -> Result<v1::IssuedCertificate, Status> {
        let answer = EnrolmentServiceClient::new(self.channel.clone()).renew_ended(request).await?;
        Ok(answer.into_inner().issued.unwrap())
    }
}

impl Joined {
    /// Connects with the credential.
    fn wire(&self, test: &TestHouse) -> Wire {
        self.wire_at(test, test.server.local_addr())
    }

    fn wire_at(&self, test: &TestHouse, house: SocketAddr) -> Wire {
        Wire::with(house, test.identities.tls_of(&self.issued.certificate_pem, &self.key.serialize_pem()))
    }
}

/// An invite of the caller's own, as `change` asks for it: its id.
pub async fn invite_by(by: &Wire, change: impl FnOnce(&mut v1::CreateInvitesRequest)) -> Result<String, Status> {
    let invite_id = foreign::key();
    let secret_hash = Sha256::digest(SECRET).to_vec();
    let invites = vec![v1::NewInvite { invite_id: invite_id.clone(), secret_hash, device: None }];
    let mut asked = v1::CreateInvitesRequest { request_id: foreign::key(), invites, ..Default::default() };
    change(&mut asked);
    by.clone().credentials.create_invites(asked).await?;
    Ok(invite_id)
}

fn partner(id: &str) -> Option<v1::Holder> {
    Some(v1::Holder { kind: v1::HolderKind::Partner.into(), id: id.to_owned() })
}

async fn revoke(
    by: &Wire,
    serials: &[&str],
    holder: Option<v1::Holder>,
) -> Result<v1::RevokeCredentialsResponse, Status> {
    let request = v1::RevokeCredentialsRequest {
        request_id: foreign::key(),
        serials: serials.iter().map(|serial| (*serial).to_owned()).collect(),
        holder,
        reason_code: "stolen".to_owned(),
    };
    Ok(by.clone().credentials.revoke_credentials(request).await?.into_inner())
}

async fn credentials(by: &Wire, request: v1::ListCredentialsRequest) -> Vec<v1::Credential> {
    by.clone().credentials.list_credentials(request).await.unwrap().into_inner().credentials
}

async fn invites(by: &Wire) -> Vec<v1::Invite> {
    by.clone().credentials.list_invites(v1::ListInvitesRequest::default()).await.unwrap().into_inner().invites
}

fn issue(to: &str) -> v1::IssuePointsRequest {
    let card = v1::Identifier { scheme: "card".to_owned(), value: to.to_owned() };
    let member = Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(card)) });
    v1::IssuePointsRequest { request_id: foreign::key(), member, points: 10, ..Default::default() }
}

async fn issues(by: &Wire, request: &v1::IssuePointsRequest) -> Result<v1::IssuePointsResponse, Status> {
    Ok(by.clone().issues.issue_points(request.clone()).await?.into_inner())
}

/// Asks until the answer is this, for as long as anybody would wait.
async fn until<T: std::fmt::Debug>(mut ask: impl AsyncFnMut() -> T, is_it: impl Fn(&T) -> bool) -> T {
    let end = tokio::time::Instant::now() + clearing_play::house::PATIENCE;
    loop {
        let answer = ask().await;
        if is_it(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "still {answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Writes, which is refused as the certificate was revoked. A call on the connection that is just being closed hears nothing of
/// that, and is asked again on the next.
async fn is_out(by: &Wire, asked: &v1::IssuePointsRequest) {
    let answer =
        until(async || issues(by, asked).await, |answer| code_of(answer) != Code::Unavailable && !is_broken(answer));
    let answer = answer.await;
    assert!(is_refused(&answer, "CREDENTIAL_REVOKED"), "{answer:?}");
    assert_eq!(code_of(&answer), Code::Unauthenticated);
}

/// Whether an answer is the library's own word that its connection broke.
fn is_broken(answer: &Result<impl Sized, Status>) -> bool {
    answer.as_ref().err().is_some_and(|status| !status.metadata().contains_key("clearing-reason"))
}

fn operator(test: &TestHouse) -> Wire {
    test.wire(Kind::Partner, "operator")
}

fn is_refused(answer: &Result<impl Sized, Status>, why: &str) -> bool {
    answer.as_ref().err().is_some_and(|status| reason(status) == why)
}

fn code_of(answer: &Result<impl Sized, Status>) -> Code {
    answer.as_ref().err().map_or(Code::Ok, Status::code)
}
