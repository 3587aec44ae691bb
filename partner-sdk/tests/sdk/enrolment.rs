//! Joining: whom a newcomer trusts, what it keeps, and what it is told when it gets no certificate.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use clearing_certs::{Kind, ServerAddress, Validity};
use clearing_proto::v1;
use clearing_proto::v1::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use data_encoding::BASE64;
use partner_sdk::{Client, CredentialFolder, Enrolment, EnrolmentError, Error, InviteString, Pin};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::house::{Coalition, Connection, House, validity};

/// What the listener does with one request.
enum Step {
    /// Issues a certificate for the key that was sent.
    Issue,
    /// Issues one for another key.
    IssueOther,
    /// Refuses.
    Refuse(Status),
    /// Takes the request and loses the answer.
    Lose,
}

/// An enrolment listener that plays a script. Dropping it stops it.
struct Listener {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    coalition: Coalition,
    /// Where certificates are to be used.
    endpoint: String,
    script: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<v1::EnrollRequest>>,
}

impl Listener {
    /// Whose certificate has these names and dates.
    async fn with(
        coalition: Coalition,
        endpoint: &str,
        names: &[ServerAddress],
        dates: Validity,
        script: impl IntoIterator<Item = Step>,
    ) -> Self {
        let (issued, key) = coalition.authority.issue_server(names, dates).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = [issued.cert_pem.as_str(), coalition.ca_pem()];
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain.map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).to_vec(),
                PrivateKeyDer::from_pem_slice(key.expose_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            coalition,
            endpoint: endpoint.to_owned(),
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::default(),
        });
        let (incoming, connections) = tokio::sync::mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = acceptor.accept(tcp).await else { continue };
                if incoming.send(Ok::<_, std::io::Error>(Connection { tls, lost: Arc::default() })).await.is_err() {
                    return;
                }
            }
        });
        let service = EnrolmentServiceServer::new(Script(Arc::clone(&state)));
        tasks.spawn(async move {
            let incoming = ReceiverStream::new(connections);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, state, _tasks: tasks }
    }

    async fn playing(script: impl IntoIterator<Item = Step>) -> Self {
        Self::with(Coalition::new(), "https://localhost:1", &ServerAddress::loopback(), validity(), script).await
    }

    /// An invite with the pin of this listener's coalition.
    fn invite(&self) -> InviteString {
        invite(&self.address.to_string(), Pin::of_pem(self.state.coalition.ca_pem()).unwrap()[0])
    }

    fn seen(&self) -> Vec<v1::EnrollRequest> {
        self.state.seen.lock().unwrap().clone()
    }
}

/// An invite that was made at no house.
fn invite(endpoint: &str, pin: Pin) -> InviteString {
    let (cert, key) = Coalition::new().partner("grocer");
    let client = Client::builder("https://localhost:1")
        .ca_pem(Coalition::new().ca_pem())
        .identity_pem(cert, key)
        .connect_lazy()
        .unwrap();
    client.new_invite().string(endpoint, pin).unwrap()
}

struct Script(Arc<State>);

#[tonic::async_trait]
impl EnrolmentService for Script {
    async fn enroll(&self, request: Request<v1::EnrollRequest>) -> Result<Response<v1::EnrollResponse>, Status> {
        let request = request.into_inner();
        self.0.seen.lock().unwrap().push(request.clone());
        let step = self.0.script.lock().unwrap().pop_front().unwrap_or(Step::Issue);
        let authority = &self.0.coalition.authority;
        let issued = match step {
            Step::Refuse(status) => return Err(status),
            // What a lost connection comes to on the other side; the request may have had its effect.
            Step::Lose => return Err(Status::unavailable("lost")),
            Step::Issue => {
                let base64 = BASE64.encode(&request.csr);
                let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
                let (begin, end) = ("-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----");
                let pem = format!("{begin}\n{}\n{end}\n", lines.join("\n"));
                authority.sign_csr(&pem, Kind::Partner, "grocer", validity()).unwrap()
            }
            Step::IssueOther => authority.issue_client(Kind::Partner, "grocer", validity()).unwrap().0,
        };
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let issued = v1::IssuedCertificate {
            certificate_pem: issued.cert_pem,
            ca_pem: self.0.coalition.ca_pem().to_owned(),
            endpoint: self.0.endpoint.clone(),
            holder: Some(v1::Holder { kind: v1::HolderKind::Partner.into(), id: "grocer".to_owned() }),
            serial: issued.serial_hex,
            renew_time: time(4_000_000_000),
            end_time: time(4_500_000_000),
        };
        Ok(Response::new(v1::EnrollResponse { issued: Some(issued) }))
    }

    async fn renew_ended(&self, _: Request<v1::RenewEndedRequest>) -> Result<Response<v1::RenewEndedResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

fn place() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn enroll(listener: &Listener, place: &TempDir) -> Result<CredentialFolder, EnrolmentError> {
    Enrolment::new(listener.invite()).folder(place.path().join("credentials")).enroll().await
}

#[tokio::test]
async fn an_invite_becomes_a_folder_whose_credential_connects() {
    let house = House::playing([]).await;
    let coalition = Coalition { authority: house.coalition.authority_again() };
    let listener = Listener::with(coalition, &house.endpoint(), &ServerAddress::loopback(), validity(), []).await;
    let place = place();
    let folder = enroll(&listener, &place).await.unwrap();
    assert_eq!((folder.holder(), folder.endpoint()), ("partner/grocer", house.endpoint().as_str()));
    let path = folder.path().to_owned();
    drop(folder);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for file in fs::read_dir(&path).unwrap().map(Result::unwrap) {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
    let client = CredentialFolder::open(&path).unwrap().client().connect().await.unwrap();
    client.balance(("card", "4000")).await.unwrap();

    // The house got the hash's other half, and of the key the public one only.
    let [request] = &listener.seen()[..] else { panic!("one request") };
    assert!(request.secret.len() >= 16);
    let key = fs::read_to_string(path.join("client.key")).unwrap();
    assert!(!String::from_utf8_lossy(&request.csr).contains(key.lines().nth(1).unwrap()));

    let again = enroll(&listener, &place).await.unwrap_err();
    assert!(matches!(again, EnrolmentError::Enrolled { .. }), "{again}");
    assert_eq!(listener.seen().len(), 1);
}

/// The answer is lost, once within the enrolment and once with the whole program: each time the same key asks again, so that the
/// house can give the same certificate.
#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_with_the_same_key() {
    let refused = refusal(Code::FailedPrecondition, "INVITE_WITHDRAWN", &[]);
    let listener = Listener::playing([Step::Lose, Step::Refuse(refused)]).await;
    let place = place();
    enroll(&listener, &place).await.unwrap_err();
    enroll(&listener, &place).await.unwrap();
    let seen = listener.seen();
    assert_eq!(seen.len(), 3);
    // A signature is made anew each time; the key stands before it. P-256: the last 65 bytes of its part are the point.
    let key = |csr: &[u8]| {
        let at = csr.windows(4).position(|bytes| bytes == [0x03, 0x42, 0x00, 0x04]).unwrap();
        csr[at..at + 68].to_vec()
    };
    assert_eq!(key(&seen[0].csr), key(&seen[1].csr));
    assert_eq!(key(&seen[0].csr), key(&seen[2].csr));
}

#[tokio::test]
async fn whoever_does_not_have_the_pin_is_told_nothing() {
    let listener = Listener::playing([]).await;
    let place = place();
    let other = Pin::of_pem(Coalition::new().ca_pem()).unwrap()[0];
    let invite = invite(&listener.address.to_string(), other);
    let error = Enrolment::new(invite).folder(place.path().join("c")).enroll().await.unwrap_err();
    assert!(matches!(error, EnrolmentError::OtherHouse { .. }), "{error}");
    assert!(error.to_string().contains("Do not go on"), "{error}");
    assert_eq!(listener.seen(), []);
}

#[tokio::test]
async fn a_house_of_another_name_is_not_trusted_although_it_has_the_pin() {
    let names = [ServerAddress::Dns("elsewhere.example".to_owned())];
    let listener = Listener::with(Coalition::new(), "https://localhost:1", &names, validity(), []).await;
    let error = enroll(&listener, &place()).await.unwrap_err();
    assert!(matches!(error, EnrolmentError::Other(Error::Tls { .. })), "{error}");
    assert_eq!(listener.seen(), []);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_with_both_times() {
    let dates = |from: &str, to: &str| Validity { not_before: from.parse().unwrap(), not_after: to.parse().unwrap() };
    for (dates, bound, has_ended) in [
        (dates("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), "ended 2021-01-01T00:00:00Z", true),
        (dates("2100-01-01T00:00:00Z", "2110-01-01T00:00:00Z"), "begins 2100-01-01T00:00:00Z", false),
    ] {
        let listener =
            Listener::with(Coalition::new(), "https://localhost:1", &ServerAddress::loopback(), dates, []).await;
        let error = enroll(&listener, &place()).await.unwrap_err();
        let EnrolmentError::Clock { ended, machine, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*ended, has_ended);
        assert!(*machine > SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let said = error.to_string();
        assert!(said.contains("this machine's clock says 20") && said.contains(bound), "{said}");
    }
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (reason, metadata, said) in [
        ("INVITE_UNKNOWN", &[][..], "knows no such invite"),
        ("INVITE_ENDED", &[("end_time", "2026-01-02T00:00:00Z")], "ended 2026-01-02T00:00:00Z"),
        ("INVITE_WITHDRAWN", &[], "was taken back"),
        ("INVITE_USED", &[("used_time", "2026-01-02T00:00:00Z")], "used 2026-01-02T00:00:00Z with another key"),
        ("ENROLMENT_OFF", &[], "issues no certificates"),
        ("CSR_REFUSED", &[("problem", "RSA")], "CSR_REFUSED"),
    ] {
        let listener = Listener::playing([Step::Refuse(refusal(Code::FailedPrecondition, reason, metadata))]).await;
        let error = enroll(&listener, &place()).await.unwrap_err();
        assert_eq!(error.reason(), Some(reason));
        assert!(error.to_string().contains(said), "{reason}: {error}");
        assert_eq!(listener.seen().len(), 1, "{reason} was asked again");
    }
}

#[tokio::test]
async fn whoever_is_one_too_many_is_told_when_to_come_back() {
    let later = ErrorDetails::with_retry_info(Some(Duration::from_secs(3_600)));
    let refused = Status::with_error_details(Code::Unavailable, "too many requests from here", later);
    let listener = Listener::playing([Step::Refuse(refused)]).await;
    let error = enroll(&listener, &place()).await.unwrap_err();
    assert!(
        matches!(error, EnrolmentError::ComeBack { after, .. } if after == Duration::from_secs(3_600)),
        "{error:?}"
    );
    assert!(error.to_string().contains("in 3600 seconds"), "{error}");
}

#[tokio::test]
async fn a_house_that_is_not_there_is_told_with_its_address() {
    let listener = Listener::playing([]).await;
    let (invite, address) = (listener.invite(), listener.address.to_string());
    drop(listener);
    let error = Enrolment::new(invite).folder(place().path().join("c")).enroll().await.unwrap_err();
    assert!(matches!(&error, EnrolmentError::Unreachable { endpoint, .. } if *endpoint == address), "{error:?}");
}

#[tokio::test]
async fn a_certificate_of_another_key_is_not_kept() {
    let listener = Listener::playing([Step::IssueOther]).await;
    let place = place();
    let error = enroll(&listener, &place).await.unwrap_err();
    assert!(matches!(error, EnrolmentError::Other(Error::Protocol { .. })), "{error:?}");
    assert!(!place.path().join("credentials/client.pem").exists());
    enroll(&listener, &place).await.unwrap();
}

fn refusal(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
    let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let details = ErrorDetails::with_error_info(
        reason,
        "clearing.coalition",
        metadata.collect::<std::collections::HashMap<_, _>>(),
    );
    Status::with_error_details(code, "as the script says", details)
}
