//! Who may open a connection, and who they are. What it may cost is [`door`](crate::door)'s.
//!
//! Every connection is TLS 1.3 with certificates on both sides. The client's must come from the coalition's authority and
//! name, in one URI, a partner or auditor of this coalition; it is read once per connection and given to every request on
//! it as [`Peer`]. What a peer may *do* is not decided here but at each call, against a live table. A connection is closed when its
//! certificate is revoked or ends ([`Door::close_over`]).
//!
//! | choice | why |
//! |---|---|
//! | TLS 1.3 alone | nothing older is needed by any gRPC library in use, and there is less to get wrong |
//! | X25519MLKEM768 first | what is recorded today stays secret when quantum computers come |
//! | the authority's own bound on certificates between it and a client | webpki does not look at it; a root of `clearing init` has one authority below it, which vouches for clients alone |
//! | a partner's own authority vouches for that partner alone | a brand with a PKI of its own must not be able to name another |
//! | no resumption | a resumed session skips the check of the client's certificate and of the revocation list |
//! | an acceptor of our own | tonic's has no revocation list, no reload, no limits: see [`door`](crate::door) |
//! | time is the machine's | certificates end at real moments, also in a sandbox whose business clock was moved |
//! | a stale revocation list still counts | it names all who were revoked until then; refusing every partner because a list was not renewed in time would turn a late job into an outage |

pub mod credentials;
pub mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, io};

use arc_swap::ArcSwap;
use clearing_certs::{Identity, IdentityError, Kind, parse_identity};
use clearing_core::facts::credential::{Holder, HolderKind};
use clearing_core::units::{Malformed, Timestamp};
use futures::stream::{self, Stream};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::badges::Shown;
use crate::door::{Connection, Door, Full, Guard, Held};

/// How long the acceptor waits after the machine refused it a connection for want of memory or file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server shows and whom it trusts, as PEM texts.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The certificates of the coalition's authority: one, or several while one replaces another.
    pub ca_pem: String,
    /// The server's certificate, followed by those between it and the authority, if any.
    pub cert_pem: String,
    /// The server's private key.
    pub key_pem: Zeroizing<String>,
    /// The lists of revoked certificates. If there is any list, each authority that issues needs one; a root need not have one.
    pub crl_pem: Option<String>,
    /// Partners' own authorities, by partner: each vouches for that one partner, and for nobody else.
    pub partner_ca_pems: BTreeMap<String, String>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial").finish_non_exhaustive()
    }
}

/// Why a server cannot be configured from this material.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The text is damaged, or is no PEM.
    #[error("the {what} cannot be read as PEM")]
    Unreadable {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The text holds nothing of the kind that is needed.
    #[error("there is no {what} in the text given for it")]
    Missing {
        /// Which text.
        what: &'static str,
    },
    /// What is inside the PEM is damaged.
    #[error("the {what} is malformed: {why}")]
    Malformed {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// There are revocation lists, but not of this authority: all its certificates would be refused.
    #[error("there is no revocation list of the authority {authority:?}, though there is one of another")]
    RevocationListMissing {
        /// The authority's name.
        authority: String,
    },
    /// The check of client certificates cannot be built from the authority and the lists.
    #[error("client certificates cannot be checked with this authority and these revocation lists")]
    Verifier(#[from] VerifierBuilderError),
    /// It is not valid any more.
    #[error("the {what} ended {not_after}, and the clock of this machine says {now}")]
    Ended {
        /// Whose.
        what: &'static str,
        /// Its last second.
        not_after: Timestamp,
        /// What the machine's clock says.
        now: Timestamp,
    },
    /// It is not valid yet.
    #[error("the {what} is not valid before {not_before}, and the clock of this machine says {now}")]
    NotYet {
        /// Whose.
        what: &'static str,
        /// Its first second.
        not_before: Timestamp,
        /// What the machine's clock says.
        now: Timestamp,
    },
    /// A key that is another's.
    #[error("the private key is not that of the {what}")]
    OtherKey {
        /// Whose.
        what: &'static str,
    },
    /// A certificate that whoever trusts these authorities does not believe.
    #[error("the {what} is not signed by the authority")]
    OtherAuthority {
        /// Whose.
        what: &'static str,
    },
    /// A certificate of somebody who may issue none.
    #[error("the certificate is not an authority's")]
    NoAuthority,
    /// A certificate that the authority has taken back.
    #[error("the {what} is revoked")]
    Revoked {
        /// Whose.
        what: &'static str,
    },
    /// A certificate of other hosts.
    #[error("the server certificate names {names}, and not {host}")]
    OtherName {
        /// The host that was looked for.
        host: String,
        /// Those that it names.
        names: String,
    },
    /// A certificate and its key are of a kind that cannot be used.
    #[error("the {what} and its private key cannot be used")]
    Unusable {
        /// Which one.
        what: &'static str,
        #[source]
        source: rustls::Error,
    },
}

/// The server's side of TLS: version 1.3, client certificates required, no resumption, HTTP/2.
///
/// # Errors
///
/// [`TlsError`] says which part of the material cannot be used.
pub fn server_config(material: &TlsMaterial) -> Result<ServerTls, TlsError> {
    let authorities: Vec<CertificateDer<'static>> = read_all("authority certificate", &material.ca_pem)?;
    let lists: Vec<CertificateRevocationListDer<'static>> = match &material.crl_pem {
        Some(text) => read_all("revocation list", text)?,
        None => Vec::new(),
    };
    let chain: Vec<CertificateDer<'static>> = read_all("server certificate", &material.cert_pem)?;
    if !lists.is_empty() {
        check_lists(&authorities, &chain, &lists)?;
    }
    let provider = Arc::new(provider());
    let mut verifier = ClientVerifier::new(authorities, &lists, &provider)?;
    for (partner, ca_pem) in &material.partner_ca_pems {
        for authority in read_all("partner's authority certificate", ca_pem)? {
            let ends = credentials::end_of_authority(&authority)?;
            let own = ClientVerifier::new(vec![authority], &[], &provider)?;
            verifier.names.extend(own.names.iter().cloned());
            verifier.of_partner.entry(partner.clone()).or_default().push((ends, own));
        }
    }
    let verifier = Arc::new(verifier);

    let mut keys: Vec<PrivateKeyDer<'static>> = read_all("server private key", &material.key_pem)?;
    let key = keys.swap_remove(0);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| TlsError::Unusable { what: "server certificate", source })?
        .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
        .with_single_cert(chain, key)
        .map_err(|error| credentials::of_key("server certificate", error))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(ServerTls { config: Arc::new(config), verifier, partner_ca_pems: material.partner_ca_pems.clone() })
}

/// How the server does TLS: what it shows, and whom it lets in.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    verifier: Arc<ClientVerifier>,
    partner_ca_pems: BTreeMap<String, String>,
}

impl ServerTls {
    /// Whether it is an authority of the partner's own that vouches for a client that was let in, and not the coalition's.
    fn is_by_own_authority(&self, identity: &Identity, shown: &[CertificateDer<'_>]) -> bool {
        let Some((end_entity, between)) = shown.split_first() else { return false };
        identity.kind == Kind::Partner
            && self.partner_ca_pems.contains_key(&identity.id)
            && self.verifier.verify_of_coalition(end_entity, between, UnixTime::now()).is_err()
    }
}

/// The server's side of TLS for those who have no certificate yet: version 1.3, no resumption, HTTP/2. Behind the server's
/// certificate the authority's is shown, so that whoever knows its key believes it.
///
/// # Errors
///
/// [`TlsError`] says which part of the material cannot be used.
pub fn guests_config(material: &TlsMaterial) -> Result<ServerConfig, TlsError> {
    let mut chain: Vec<CertificateDer<'static>> = read_all("server certificate", &material.cert_pem)?;
    let authorities: Vec<CertificateDer<'static>> = read_all("authority certificate", &material.ca_pem)?;
    let issuer_of_last = chain.last().map(|last| names_of(last)).transpose()?.map(|(issuer, _)| issuer);
    for authority in authorities {
        let (_, subject) = names_of(&authority)?;
        if Some(&subject) == issuer_of_last.as_ref() && !chain.contains(&authority) {
            chain.push(authority);
            break;
        }
    }
    let mut keys: Vec<PrivateKeyDer<'static>> = read_all("server private key", &material.key_pem)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| TlsError::Unusable { what: "server certificate", source })?
        .with_no_client_auth()
        .with_single_cert(chain, keys.swap_remove(0))
        .map_err(|error| credentials::of_key("server certificate", error))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Whose a certificate is: who has signed it, and whom it names, as their names are encoded.
fn names_of(certificate: &CertificateDer<'_>) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let (_, read) = X509Certificate::from_der(certificate)
        .map_err(|error| TlsError::Malformed { what: "server certificate", why: error.to_string() })?;
    Ok((read.issuer().as_raw().to_vec(), read.subject().as_raw().to_vec()))
}

/// Checks clients' certificates as webpki does, and also how long the chain of certificates may be below an authority:
/// webpki holds that of authorities between, and not that of those it is told to trust.
#[derive(Debug)]
struct ClientVerifier {
    /// A verifier of the authorities that allow so many others below them; `None`: any number.
    of_length: BTreeMap<Option<u32>, Arc<dyn ClientCertVerifier>>,
    names: Vec<DistinguishedName>,
    /// The names of the authorities that have a revocation list, if there is any list.
    listed: Option<BTreeSet<Vec<u8>>>,
    /// Partners' own authorities, by the partner that alone may be named by what they issue, each with its end: webpki does not
    /// look at the dates of an authority that it is told to trust.
    of_partner: BTreeMap<String, Vec<(UnixTime, Self)>>,
}

impl ClientVerifier {
    fn new(
        authorities: Vec<CertificateDer<'static>>,
        lists: &[CertificateRevocationListDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let malformed = |why: String| TlsError::Malformed { what: "authority certificate", why };
        let mut roots: BTreeMap<Option<u32>, RootCertStore> = BTreeMap::new();
        for authority in authorities {
            let (_, read) = X509Certificate::from_der(&authority).map_err(|error| malformed(error.to_string()))?;
            let constraints = read.basic_constraints().map_err(|error| malformed(error.to_string()))?;
            let length = constraints.and_then(|constraints| constraints.value.path_len_constraint);
            let roots = roots.entry(length).or_insert_with(RootCertStore::empty);
            roots.add(authority).map_err(|error| malformed(error.to_string()))?;
        }
        let names = roots.values().flat_map(RootCertStore::subjects).collect();
        let verifier = |(length, roots)| {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            // A root need not have a list. That who issued the client's own certificate has one is looked at beside webpki.
            let builder = builder.with_crls(lists.to_vec()).allow_unknown_revocation_status();
            Ok((length, builder.build()?))
        };
        let of_length = roots.into_iter().map(verifier).collect::<Result<_, TlsError>>()?;
        let listed = issuers_of(lists)?;
        Ok(Self { of_length, names, listed: (!lists.is_empty()).then_some(listed), of_partner: BTreeMap::new() })
    }

    /// With any list there must be one of whoever issued a certificate.
    fn check_listed(&self, end_entity: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let Some(listed) = &self.listed else { return Ok(()) };
        let issuer = X509Certificate::from_der(end_entity).ok().map(|(_, read)| read.issuer().as_raw().to_vec());
        if issuer.is_some_and(|issuer| listed.contains(&issuer)) {
            return Ok(());
        }
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownRevocationStatus))
    }

    /// Whether a partner's own authority vouches for it, and for nobody else.
    fn verify_of_partner(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Result<ClientCertVerified, rustls::Error>> {
        let identity = parse_identity(end_entity).ok().filter(|identity| identity.kind == Kind::Partner)?;
        let own = self.of_partner.get(&identity.id)?;
        let tried = own.iter().filter(|(ends, _)| now <= *ends);
        let tried = tried.map(|(_, own)| own.verify_of_coalition(end_entity, intermediates, now));
        tried.reduce(|one, other| one.or(other))
    }

    fn verify_of_coalition(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let mut refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for (length, verifier) in &self.of_length {
            let allowed = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(intermediates.len());
            let between = &intermediates[..allowed.min(intermediates.len())];
            match verifier.verify_client_cert(end_entity, between, now) {
                Ok(verified) => return self.check_listed(end_entity).map(|()| verified),
                Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {}
                // It is of one of these authorities, so this is what is wrong with it.
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn any(&self) -> &dyn ClientCertVerifier {
        self.of_length.values().next().expect("there is an authority, or nothing was built").as_ref()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let refused = match self.verify_of_coalition(end_entity, intermediates, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let own = (refused == unknown).then(|| self.verify_of_partner(end_entity, intermediates, now)).flatten();
        own.unwrap_or(Err(refused))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any().verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any().verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any().supported_verify_schemes()
    }
}

/// Who is at the other end of a connection. Requests carry it in their extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What the peer's certificate says, already checked: it is of this coalition.
    pub identity: Arc<Identity>,
    /// Where the peer connects from. Only good for logs: it is not part of who the peer is.
    pub remote: SocketAddr,
    /// What is under way on its connection.
    pub connection: Arc<Connection>,
    /// What the house has on its certificate, once somebody has looked.
    pub shown: Arc<OnceCell<Arc<Shown>>>,
}

/// Turns TCP connections into connections of known peers.
///
/// Clones share one configuration: what is reloaded through one, all use.
#[derive(Clone)]
pub struct Acceptor {
    tls: Arc<ArcSwap<ServerTls>>,
    domain: Arc<str>,
    door: Door,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("domain", &self.domain)
            .field("limits", self.door.limits())
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// An acceptor that lets in the partners and auditors of the coalition of this domain.
    #[must_use]
    pub fn new(tls: ServerTls, domain: &str) -> Self {
        let tls = Arc::new(ArcSwap::from_pointee(tls));
        Self { tls, domain: Arc::from(domain), door: Door::default() }
    }

    /// The same with another door.
    #[must_use]
    pub fn with_door(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// Uses another configuration for the handshakes that begin from now on: new certificates, a new revocation list.
    /// Connections that are open stay as they are, but for those for which nothing vouches but a partner's own authority that is
    /// gone, or has become another.
    pub fn reload(&self, tls: ServerTls) {
        let tls = Arc::new(tls);
        let before = self.tls.swap(Arc::clone(&tls));
        let is_gone = |partner: &str| before.partner_ca_pems.get(partner) != tls.partner_ca_pems.get(partner);
        self.door.close_by_own_authority(is_gone);
    }

    /// The connections of this listener whose handshake succeeded, in the order in which they succeeded.
    ///
    /// Handshakes run as tasks of their own beside each other, so that a slow one holds up nobody; they end when the stream
    /// is dropped. Refused connections are logged and never seen here. The stream neither fails nor ends: a server stops by
    /// dropping it.
    pub fn incoming(&self, listener: TcpListener) -> impl Stream<Item = io::Result<TlsStream>> + Send + use<> {
        let incoming = Incoming { acceptor: self.clone(), listener, handshakes: JoinSet::new() };
        stream::unfold(incoming, |mut incoming| async move {
            let stream = incoming.next().await;
            Some((Ok(stream), incoming))
        })
    }

    async fn handshake(self, tcp: TcpStream, remote: SocketAddr) -> Result<TlsStream, Refusal> {
        let limits = *self.door.limits();
        let mut seat = self.door.wait(remote.ip());
        let begun = tokio::time::Instant::now();
        // Requests are small and wait for their answer: holding back a packet to fill it only costs time.
        tcp.set_nodelay(true)?;
        // Nothing is set up for a peer that says nothing.
        let mut first = [0];
        tokio::select! {
            () = seat.gone() => return Err(Refusal::MadeRoom),
            spoke = tokio::time::timeout(limits.first_byte, tcp.peek(&mut first)) => match spoke {
                Ok(heard) => drop(heard?),
                Err(_) => return Err(Refusal::Silent(limits.first_byte)),
            },
        }
        seat.spoke();
        let by = self.tls.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&by.config));
        let tls = tokio::select! {
            () = seat.gone() => return Err(Refusal::MadeRoom),
            tls = tokio::time::timeout_at(begun + limits.handshake, acceptor.accept(tcp)) => {
                tls.map_err(|_| Refusal::Timeout(limits.handshake))??
            }
        };
        seat.spoke();
        let (_, connection) = tls.get_ref();
        let shown = connection.peer_certificates().unwrap_or_default();
        let certificate = shown.first().expect("the verifier lets no client in without a certificate");
        let identity = parse_identity(certificate)?;
        if *identity.domain != *self.domain {
            return Err(Refusal::WrongDomain { peer: identity.domain, ours: self.domain });
        }
        let held = Held { by_own_authority: by.is_by_own_authority(&identity, shown), ..held(&identity)? };
        let connection = self.door.enter(&held.holder.to_string())?;
        connection.hold(held);
        if held.by_own_authority
            && self.tls.load().partner_ca_pems.get(held.holder.id.as_str())
                != by.partner_ca_pems.get(held.holder.id.as_str())
        {
            // It was taken away while the handshake was under way.
            return Err(Refusal::AuthorityGone);
        }
        let guard = Guard::new(Arc::clone(&connection), seat);
        let peer = Peer { identity: Arc::new(identity), remote, connection, shown: Arc::default() };
        Ok(TlsStream { tls, peer, guard })
    }
}

/// What the house compares of a certificate.
pub(crate) fn held(identity: &Identity) -> Result<Held, Malformed> {
    let kind = match identity.kind {
        Kind::Partner => HolderKind::Partner,
        Kind::Operator => HolderKind::Operator,
        Kind::Auditor => HolderKind::Auditor,
    };
    let time = |time: jiff::Timestamp| Timestamp(time.as_microsecond());
    Ok(Held {
        serial: identity.serial_hex.parse()?,
        holder: Holder::new(kind, &identity.id)?,
        begins: time(identity.not_before),
        ends: time(identity.not_after),
        by_own_authority: false,
    })
}

/// A connection of a known peer.
pub struct TlsStream {
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    peer: Peer,
    guard: Guard,
}

impl TlsStream {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected for TlsStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl TlsStream {
    fn written(&mut self, wrote: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => self.guard.wrote(Poll::Ready(bytes), cx)?,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.guard.wrote(Poll::Pending, cx)?,
        }
        wrote
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.guard.poll(cx)?;
        let most = ready!(self.guard.poll_reading(cx));
        if most < buf.remaining() {
            let mut bytes = vec![0; most];
            let mut part = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.tls).poll_read(cx, &mut part))?;
            self.guard.heard(part.filled())?;
            buf.put_slice(part.filled());
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tls).poll_read(cx, buf);
        self.guard.heard(&buf.filled()[before..])?;
        read
    }
}

impl AsyncWrite for TlsStream {
    // Never more than one buffer at once: to a stream that takes several, the transport gives each answer by itself, which
    // makes a record and a call of the system of each.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.guard.poll(cx)?;
        ready!(self.guard.poll_writing(cx));
        let wrote = Pin::new(&mut self.tls).poll_write(cx, buf);
        self.written(wrote, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.guard.poll(cx)?;
        let flushed = Pin::new(&mut self.tls).poll_flush(cx);
        if flushed.is_ready() {
            self.guard.flushed();
        }
        self.written(flushed.map_ok(|()| 0), cx).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A peer that takes nothing any more is not waited for either.
        self.guard.poll(cx)?;
        let shut = Pin::new(&mut self.tls).poll_shutdown(cx);
        self.written(shut.map_ok(|()| 0), cx).map_ok(|_| ())
    }
}

/// A listener and the handshakes that are under way on it.
struct Incoming {
    acceptor: Acceptor,
    listener: TcpListener,
    handshakes: JoinSet<Option<TlsStream>>,
}

impl Incoming {
    async fn next(&mut self) -> TlsStream {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Some(stream) = opened(done) {
                        return stream;
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((tcp, remote)) => self.begin(tcp, remote),
                    Err(error) => recover(&error).await,
                },
            }
        }
    }

    fn begin(&mut self, tcp: TcpStream, remote: SocketAddr) {
        let acceptor = self.acceptor.clone();
        self.handshakes.spawn(async move {
            let door = acceptor.door.clone();
            match acceptor.handshake(tcp, remote).await {
                Ok(stream) => Some(stream),
                Err(refusal) => {
                    if let Some(left_out) = door.refused().turn() {
                        tracing::info!(%remote, reason = %refusal, left_out, "connection refused");
                    }
                    None
                }
            }
        });
    }
}

fn opened(done: Result<Option<TlsStream>, JoinError>) -> Option<TlsStream> {
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a handshake panicked");
        None
    })
}

/// What the peer did wrong before it was accepted concerns that peer alone. Everything else (no memory, no file
/// descriptors) passes only when connections end, so trying again at once would only burn the processor.
pub(crate) async fn recover(error: &io::Error) {
    let of_the_peer = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::Interrupted,
    ];
    if !of_the_peer.contains(&error.kind()) {
        tracing::warn!(%error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Why a connection was not let in; said to the log only.
#[derive(Debug, Error)]
enum Refusal {
    #[error("{0}")]
    Handshake(#[from] io::Error),
    #[error("it said nothing within {0:?}")]
    Silent(Duration),
    #[error("its handshake took longer than {0:?}")]
    Timeout(Duration),
    #[error("it was the longest without a word among too many that wait")]
    MadeRoom,
    #[error("{0}")]
    Full(#[from] Full),
    #[error("the partner's own authority that vouched for it was taken away")]
    AuthorityGone,
    #[error("{0}")]
    Identity(#[from] IdentityError),
    #[error("its certificate: {0}")]
    Certificate(#[from] Malformed),
    #[error("its certificate is of the coalition {peer:?}, and this is {ours:?}")]
    WrongDomain { peer: String, ours: Arc<str> },
}

/// The cryptography, named rather than taken from whatever the process has installed.
fn provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

fn read_all<T: PemObject>(what: &'static str, text: &str) -> Result<Vec<T>, TlsError> {
    let items = T::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Unreadable { what, source })?;
    if items.is_empty() {
        return Err(TlsError::Missing { what });
    }
    Ok(items)
}

/// With any list configured, certificates of an authority without one are refused, each handshake anew and without a word
/// to the operator. So it is said at the start.
///
/// Authorities that issue are those that may have none below them, and those below a root that the house's own certificate
/// names.
fn check_lists(
    authorities: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    lists: &[CertificateRevocationListDer<'static>],
) -> Result<(), TlsError> {
    let listed = issuers_of(lists)?;
    let between = chain.get(1..).unwrap_or_default();
    for authority in authorities.iter().chain(between) {
        let malformed = |why: String| TlsError::Malformed { what: "authority certificate", why };
        let (_, authority) = X509Certificate::from_der(authority).map_err(|error| malformed(error.to_string()))?;
        let basic = authority.basic_constraints().map_err(|error| malformed(error.to_string()))?;
        let is_root = basic.is_some_and(|basic| basic.value.path_len_constraint.is_some_and(|length| length > 0));
        if !is_root && !listed.contains(authority.subject().as_raw()) {
            return Err(TlsError::RevocationListMissing { authority: authority.subject().to_string() });
        }
    }
    Ok(())
}

/// The names of the authorities whose lists these are.
fn issuers_of(lists: &[CertificateRevocationListDer<'static>]) -> Result<BTreeSet<Vec<u8>>, TlsError> {
    let issuer =
        |list: &[u8]| CertificateRevocationList::from_der(list).map(|(_, list)| list.issuer().as_raw().to_vec());
    let issuers = lists.iter().map(|list| issuer(list.as_ref())).collect::<Result<_, _>>();
    issuers.map_err(|error| TlsError::Malformed { what: "revocation list", why: error.to_string() })
}
