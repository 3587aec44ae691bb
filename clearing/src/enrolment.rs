//! Certificates that the house issues itself, and the listener on which those are served that have none yet.
//!
//! Whoever comes here is nobody. So everything is small: TLS of the server's side alone, which shows the authority with its
//! certificate so that the pin of an invite can be checked; requests of a few kilobytes; few of them a minute; connections that
//! end after a minute whatever is done on them. Nothing here reads the books before the request is complete.
//!
//! | what comes | what bounds it |
//! |---|---|
//! | connections | [`CONNECTIONS_MAX`] in all and [`CONNECTIONS_PER_ADDRESS_MAX`] of an address; a further one is closed |
//! | a handshake | [`HANDSHAKE`] |
//! | a connection | [`CONNECTION`], from its handshake on |
//! | requests | [`REQUEST_BYTES_MAX`] each; [`PER_MINUTE_MAX`] a minute in all and [`PER_ADDRESS_MAX`] of an address |

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use clearing_certs::{Authority, CertError, Kind, SigningRequest, Validity};
use clearing_core::facts::credential::{Holder, HolderKind, Revoked};
use clearing_core::rules::credential::Made;
use clearing_core::units::Timestamp;
use data_encoding::BASE64;
use futures::stream::{self, Stream};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::clock;
use crate::rpc::enrolment::csr_refused;
use crate::rpc::errors;

/// Requests a minute, of one address and in all. A further one is asked to come back.
pub const PER_ADDRESS_MAX: u32 = 60;
pub const PER_MINUTE_MAX: u32 = 600;

/// Connections, of one address and in all. A further one is closed.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
pub const CONNECTIONS_MAX: usize = 256;

/// A request at the most, in bytes.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;

/// How long a handshake may take, and a connection be open.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
pub const CONNECTION: Duration = Duration::from_secs(60);

/// Addresses that are remembered; beyond it those that have been silent for longest are forgotten.
const ADDRESSES_MAX: usize = 4_096;

/// Clocks differ: a certificate is valid a little before it was made.
const BACKDATED_SECONDS: i64 = 300;

/// What a house needs to issue certificates.
#[derive(Clone)]
pub struct EnrolmentOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where invites are used, as the house tells it: `host:port`. None: where it listens.
    pub endpoint: Option<String>,
    /// Where the house is reached, as it tells those who enrol: `https://host:port`. None: where it listens.
    pub house_endpoint: Option<String>,
    /// The certificate of the authority that issues, and those between it and one that is trusted, PEM.
    pub authority_cert_pem: String,
    pub authority_key_pem: Zeroizing<String>,
    /// How long a certificate is valid, in days.
    pub certificate_days: i64,
}

impl fmt::Debug for EnrolmentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentOptions").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Why a house cannot issue certificates.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the issuing authority cannot be used: {0}")]
    Authority(#[from] CertError),
    #[error("the issuing authority is of the coalition {theirs:?}, and this is {ours:?}")]
    OtherDomain { theirs: String, ours: String },
    #[error("the issuing authority is none of those that the house trusts, nor signed by one of them")]
    NotTrusted,
    #[error("the {what} cannot be read: {why}")]
    Unreadable { what: &'static str, why: String },
    #[error("the issuing authority ended {0}")]
    Ended(Timestamp),
}

/// Makes certificates.
#[derive(Debug)]
pub struct Issuer {
    domain: String,
    signer: ArcSwap<Signer>,
    /// Those that are trusted.
    ca_pem: ArcSwap<String>,
    days: i64,
    house_endpoint: String,
    enrolment_endpoint: String,
}

/// Who signs them, and what goes with them.
struct Signer {
    authority: Authority,
    /// The authority's certificate, if it is not one of those that are trusted, and others between it and these.
    chain_pem: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Signer {
    fn new(options: &EnrolmentOptions, domain: &str, ca_pem: &str) -> Result<Self, IssuerError> {
        let authority = Authority::from_pem(&options.authority_cert_pem, &options.authority_key_pem)?;
        if authority.domain() != domain {
            return Err(IssuerError::OtherDomain { theirs: authority.domain().to_owned(), ours: domain.to_owned() });
        }
        let not_after = micros(authority.not_after());
        if not_after < clock::machine_time() {
            return Err(IssuerError::Ended(not_after));
        }
        let trusted = certificates("authorities that are trusted", ca_pem)?;
        let own = certificates("issuing authority", &options.authority_cert_pem)?;
        let between: Vec<&CertificateDer<'_>> = own.iter().filter(|one| !trusted.contains(one)).collect();
        // Each is signed by the next, and the last by one that is trusted.
        let mut signers = own.iter().skip(1).chain(&trusted);
        let signed = own.first().is_some_and(|first| trusted.contains(first))
            || between.iter().all(|one| signers.by_ref().any(|signer| is_signed_by(one, signer)));
        if !signed {
            return Err(IssuerError::NotTrusted);
        }
        Ok(Self { authority, chain_pem: between.into_iter().map(|der| pem(der)).collect() })
    }
}

impl Issuer {
    /// Of a house of this domain that trusts these authorities, listens at `house`, and enrols at `enrolment`.
    ///
    /// # Errors
    /// [`IssuerError`] if certificates of this authority would not be trusted.
    pub fn new(
        options: &EnrolmentOptions,
        (domain, ca_pem): (&str, &str),
        (house, enrolment): (SocketAddr, SocketAddr),
    ) -> Result<Self, IssuerError> {
        Ok(Self {
            domain: domain.to_owned(),
            signer: ArcSwap::from_pointee(Signer::new(options, domain, ca_pem)?),
            ca_pem: ArcSwap::from_pointee(ca_pem.to_owned()),
            days: options.certificate_days,
            house_endpoint: options.house_endpoint.clone().unwrap_or_else(|| format!("https://{house}")),
            enrolment_endpoint: options.endpoint.clone().unwrap_or_else(|| enrolment.to_string()),
        })
    }

    /// The house trusts others from now on, which whoever enrols is told.
    pub fn trusts(&self, ca_pem: &str) {
        self.ca_pem.store(Arc::new(ca_pem.to_owned()));
    }

    /// Another authority issues from now on, or the house trusts others. All else of the options is read at the start alone.
    ///
    /// # Errors
    /// What [`Self::new`] refuses; all stays as it was then.
    pub fn reload(&self, options: &EnrolmentOptions, ca_pem: &str) -> Result<(), IssuerError> {
        self.signer.store(Arc::new(Signer::new(options, &self.domain, ca_pem)?));
        self.trusts(ca_pem);
        Ok(())
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn enrolment_endpoint(&self) -> &str {
        &self.enrolment_endpoint
    }

    pub fn house_endpoint(&self) -> &str {
        &self.house_endpoint
    }

    /// Those between its certificates and one that is trusted, if any.
    pub fn chain_pem(&self) -> String {
        self.signer.load().chain_pem.clone()
    }

    /// Those that are trusted.
    pub fn ca_pem(&self) -> String {
        self.ca_pem.load().to_string()
    }

    /// Whoever may have signed a certificate of this coalition.
    pub fn authorities_pem(&self) -> String {
        format!("{}\n{}", self.ca_pem.load(), self.signer.load().authority.cert_pem())
    }

    /// Makes a certificate for the key of a signing request. It begins after all that its holder had was revoked, if it was.
    ///
    /// # Errors
    /// `CSR_REFUSED`.
    pub(crate) fn make(&self, csr: &[u8], holder: Holder, revoked: &Revoked) -> Result<Made, Status> {
        let request = SigningRequest::from_der(csr).map_err(|error| csr_refused(error.to_string()))?;
        let authority = &self.signer.load().authority;
        let now = clock::machine_time();
        let second = |time: Timestamp| Timestamp::from_seconds(time.0.div_euclid(1_000_000));
        let cut = revoked.holders.get(&holder).map(|all| second(all.cut).plus_seconds(1));
        let begins = second(now.plus_seconds(-BACKDATED_SECONDS)).max(cut.unwrap_or(Timestamp(0)));
        let ends = second(now.plus_days(self.days)).min(second(micros(authority.not_after())));
        let kind = match holder.kind {
            HolderKind::Partner => Kind::Partner,
            HolderKind::Operator => Kind::Operator,
            HolderKind::Auditor => Kind::Auditor,
        };
        let validity = Validity { not_before: begins.to_jiff(), not_after: ends.to_jiff() };
        let issued = authority.sign(&request, kind, holder.id.as_str(), validity).map_err(|error| {
            tracing::error!(%holder, error = &error as &dyn std::error::Error, "no certificate could be made");
            errors::internal()
        })?;
        let serial = issued.serial_hex.parse().map_err(|_| errors::internal())?;
        let key = Sha256::digest(request.key_der()).into();
        Ok(Made { serial, certificate: issued.cert_der, begins, ends, key })
    }
}

fn micros(time: jiff::Timestamp) -> Timestamp {
    Timestamp(time.as_microsecond())
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, IssuerError> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| IssuerError::Unreadable { what, why: error.to_string() })?;
    if all.is_empty() {
        return Err(IssuerError::Unreadable { what, why: "there is no certificate in it".to_owned() });
    }
    Ok(all)
}

fn is_signed_by(one: &CertificateDer<'_>, signer: &CertificateDer<'_>) -> bool {
    let (Ok((_, one)), Ok((_, signer))) = (X509Certificate::from_der(one), X509Certificate::from_der(signer)) else {
        return false;
    };
    one.issuer().as_raw() == signer.subject().as_raw() && one.verify_signature(Some(signer.public_key())).is_ok()
}

/// A certificate as PEM.
pub(crate) fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for at in (0..text.len()).step_by(64) {
        pem.push_str(&text[at..text.len().min(at + 64)]);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Guest(SocketAddr);

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.ip().fmt(f)
    }
}

/// An IPv6 address counts with its /64.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// How many requests may come.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    all: Count,
    of: HashMap<IpAddr, Count>,
}

/// Requests of a minute: as many at once as may come in it, and from then on as they come back.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// When all would be there again.
    full_at: Option<Instant>,
}

impl Count {
    fn has_room(self, most: u32, now: Instant) -> Option<Instant> {
        let next = self.full_at.map_or(now, |full_at| full_at.max(now)) + Duration::from_secs(60) / most;
        (next <= now + Duration::from_secs(60)).then_some(next)
    }
}

impl Limits {
    /// Takes a request.
    ///
    /// # Errors
    /// How many a minute there may be at the most, if there were as many.
    pub(crate) fn admit(&self, guest: Guest) -> Result<(), u32> {
        self.admit_at(counted(guest.0.ip()), Instant::now())
    }

    fn admit_at(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = requests.of.get(&address).copied().unwrap_or_default();
        let own = own.has_room(PER_ADDRESS_MAX, now).ok_or(PER_ADDRESS_MAX)?;
        let all = requests.all.has_room(PER_MINUTE_MAX, now).ok_or(PER_MINUTE_MAX)?;
        requests.all.full_at = Some(all);
        if requests.of.len() >= ADDRESSES_MAX {
            // Among so many there are some of which all is there again: no more than those of a minute are not.
            requests.of.retain(|_, count| count.full_at.is_some_and(|full_at| full_at > now));
        }
        requests.of.insert(address, Count { full_at: Some(own) });
        Ok(())
    }
}

/// Turns TCP connections into connections of whoever it may be.
#[derive(Clone)]
pub struct Reception {
    config: Arc<ArcSwap<ServerConfig>>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    closed: CancellationToken,
}

impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reception").finish_non_exhaustive()
    }
}

impl Reception {
    pub fn new(config: ServerConfig) -> Self {
        Self { config: Arc::new(ArcSwap::from_pointee(config)), open: Arc::default(), closed: CancellationToken::new() }
    }

    /// Closes every connection, with whatever is on it.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Uses another configuration for the handshakes that begin from now on.
    pub fn reload(&self, config: ServerConfig) {
        self.config.store(Arc::new(config));
    }

    /// The connections whose handshake succeeded. The stream neither fails nor ends.
    pub fn incoming(&self, listener: TcpListener) -> impl Stream<Item = io::Result<GuestStream>> + Send + use<> {
        let incoming = Incoming { reception: self.clone(), listener, handshakes: JoinSet::new() };
        stream::unfold(incoming, |mut incoming| async move {
            let stream = incoming.next().await;
            Some((Ok(stream), incoming))
        })
    }

    /// Takes a place, if there is one.
    fn place(&self, address: IpAddr) -> Option<Place> {
        let address = counted(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= CONNECTIONS_MAX {
            return None;
        }
        let own = open.entry(address).or_default();
        if *own >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *own += 1;
        Some(Place { open: Arc::clone(&self.open), address })
    }
}

/// A place that a connection takes until it is dropped.
#[derive(Debug)]
struct Place {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// A listener and the handshakes that are under way on it.
struct Incoming {
    reception: Reception,
    listener: TcpListener,
    handshakes: JoinSet<Option<GuestStream>>,
}

impl Incoming {
    async fn next(&mut self) -> GuestStream {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(stream)) = done {
                        return stream;
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((tcp, remote)) => self.begin(tcp, remote),
                    Err(error) => crate::tls::recover(&error).await,
                },
            }
        }
    }

    fn begin(&mut self, tcp: TcpStream, remote: SocketAddr) {
        let Some(place) = self.reception.place(remote.ip()) else { return };
        let acceptor = TlsAcceptor::from(self.reception.config.load_full());
        let closed = self.reception.closed.clone();
        self.handshakes.spawn(async move {
            let tls = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await.ok()?.ok()?;
            let end: End = Box::pin(async move {
                // Whichever comes first.
                let _ = tokio::time::timeout(CONNECTION, closed.cancelled()).await;
            });
            Some(GuestStream { tls, guest: Guest(remote), end, _place: place })
        });
    }
}

type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection of somebody.
pub struct GuestStream {
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    guest: Guest,
    /// When it has been open for long enough, or the house closes.
    end: End,
    _place: Place,
}

impl fmt::Debug for GuestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestStream").field("guest", &self.guest).finish_non_exhaustive()
    }
}

impl GuestStream {
    fn check_end(&mut self, cx: &mut TaskContext<'_>) -> io::Result<()> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was open for long enough"));
        }
        Ok(())
    }
}

impl Connected for GuestStream {
    type ConnectInfo = Guest;

    fn connect_info(&self) -> Guest {
        self.guest
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_end(cx)?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_end(cx)?;
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_requests_a_minute_and_they_come_back_one_by_one() {
        let (limits, begin) = (Limits::default(), Instant::now());
        let address = |last: u8| IpAddr::from([127, 0, 0, last]);
        let taken = (0..100).filter(|_| limits.admit_at(address(1), begin).is_ok()).count();
        assert_eq!(taken, 60);
        assert_eq!(limits.admit_at(address(1), begin), Err(PER_ADDRESS_MAX));
        assert_eq!(limits.admit_at(address(2), begin), Ok(()), "another address");
        assert_eq!(limits.admit_at(address(1), begin + Duration::from_secs(1)), Ok(()));
        assert_eq!(limits.admit_at(address(1), begin + Duration::from_secs(1)), Err(PER_ADDRESS_MAX));
    }

    #[test]
    fn all_addresses_together_have_so_many_requests_a_minute() {
        let (limits, begin) = (Limits::default(), Instant::now());
        let all = (0..=255_u8).flat_map(|last| std::iter::repeat_n(last, 4));
        let taken = all.filter(|last| limits.admit_at(IpAddr::from([10, 0, 0, *last]), begin).is_ok()).count();
        assert_eq!(taken, 600);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_count_together() {
        let (limits, begin) = (Limits::default(), Instant::now());
        let address = |text: &str| counted(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_eq!(address("::ffff:127.0.0.1"), address("127.0.0.1"));
        for _ in 0..60 {
            limits.admit_at(address("2001:db8::1"), begin).unwrap();
        }
        assert!(limits.admit_at(address("2001:db8::2"), begin).is_err());
    }
}
