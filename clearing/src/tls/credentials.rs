//! What certificates and keys are good for, found out before anybody connects: in a handshake the other side learns no more
//! than an alert, and this side that somebody has gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clearing_certs::{Identity, parse_identity, serial_hex};
use clearing_core::units::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{ClientVerifier, TlsError, provider, read_all};
use crate::clock::Clock;

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// What a certificate says of itself.
#[derive(Debug, Clone)]
pub struct Certificate {
    what: &'static str,
    /// Its holder, as a directory would name it.
    pub subject: String,
    /// Its serial number, as revocations name it.
    pub serial_hex: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The hosts and addresses that it names.
    pub names: Vec<String>,
    /// The domain of the coalition that its URI names, if it has one.
    pub domain: Option<String>,
    /// Which partner or auditor it names, if it does.
    pub identity: Option<Identity>,
}

impl Certificate {
    /// All of a text, in their order; `what` is what errors call them.
    ///
    /// # Errors
    /// A text that is no PEM, or has no certificate in it, or one that is damaged.
    pub fn read(what: &'static str, pem: &str) -> Result<Vec<Self>, TlsError> {
        let all: Vec<CertificateDer<'static>> = read_all(what, pem)?;
        all.iter().map(|der| Self::of(what, der)).collect()
    }

    fn of(what: &'static str, der: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let malformed = |error: &dyn std::fmt::Display| TlsError::Malformed { what, why: error.to_string() };
        let (_, read) = X509Certificate::from_der(der).map_err(|error| malformed(&error))?;
        let alternative = read.subject_alternative_name().map_err(|error| malformed(&error))?;
        let (mut names, mut domain) = (Vec::new(), None);
        for name in alternative.iter().flat_map(|alternative| &alternative.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                names.push((*name).to_owned());
            } else if let GeneralName::IPAddress(bytes) = name {
                names.extend(address(bytes).map(|address| address.to_string()));
            } else if let GeneralName::URI(uri) = name {
                let place = uri.split_once("://").map(|(_, place)| place.split('/').next().unwrap_or(place));
                domain = place.map(str::to_owned);
            }
        }
        let time = |time: &x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
        let validity = read.validity();
        Ok(Self {
            what,
            subject: read.subject().to_string(),
            serial_hex: serial_hex(read.raw_serial()),
            not_before: time(&validity.not_before),
            not_after: time(&validity.not_after),
            names,
            domain,
            identity: parse_identity(der).ok(),
        })
    }

    /// Whether it is valid at a moment.
    ///
    /// # Errors
    /// [`TlsError::Ended`] and [`TlsError::NotYet`].
    pub fn judge(&self, now: Timestamp) -> Result<(), TlsError> {
        let Self { what, not_before, not_after, .. } = *self;
        if now < not_before {
            return Err(TlsError::NotYet { what, not_before, now });
        }
        // It counts in whole seconds, the last of which is its own.
        if now >= not_after.plus_seconds(1) {
            return Err(TlsError::Ended { what, not_after, now });
        }
        Ok(())
    }

    /// How many whole days are left until it ends.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after.0.saturating_sub(now.0).div_euclid(DAY)
    }

    /// Whether it names more than this machine itself.
    pub fn names_others(&self) -> bool {
        let own =
            |name: &String| name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        !self.names.iter().all(own)
    }
}

/// An address as a certificate has it.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The first certificate of a text, which must be an authority's that is valid now by the machine's clock.
///
/// # Errors
/// [`TlsError::NoAuthority`], or a text that cannot be used.
pub fn check_authority(pem: &str) -> Result<Certificate, TlsError> {
    let all: Vec<CertificateDer<'static>> = read_all(AUTHORITY, pem)?;
    // What the handshake will make of it.
    ClientVerifier::new(all.clone(), &[], &Arc::new(provider()))?;
    let mut first = None;
    for one in &all {
        end_of_authority(one)?;
        let certificate = Certificate::of(AUTHORITY, one)?;
        certificate.judge(Clock::system().now())?;
        first.get_or_insert(certificate);
    }
    Ok(first.expect("a text without one was refused"))
}

const AUTHORITY: &str = "authority certificate";

/// The last second of an authority's certificate.
pub(super) fn end_of_authority(der: &CertificateDer<'_>) -> Result<UnixTime, TlsError> {
    let malformed = |why: String| TlsError::Malformed { what: AUTHORITY, why };
    let (_, read) = X509Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
    if !read.is_ca() {
        return Err(TlsError::NoAuthority);
    }
    let seconds = u64::try_from(read.validity().not_after.timestamp()).unwrap_or_default();
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// Whether a private key is that of a certificate.
///
/// # Errors
/// [`TlsError::OtherKey`], or a text that cannot be used.
pub fn check_key(what: &'static str, cert_pem: &str, key_pem: &str) -> Result<(), TlsError> {
    let chain = read_all(what, cert_pem)?;
    let mut keys: Vec<PrivateKeyDer<'static>> = read_all("private key", key_pem)?;
    let made = CertifiedKey::from_der(chain, keys.swap_remove(0), &provider());
    made.map(drop).map_err(|error| of_key(what, error))
}

/// What rustls says of a certificate with a key.
pub(super) fn of_key(what: &'static str, error: rustls::Error) -> TlsError {
    if let rustls::Error::InconsistentKeys(_) = error {
        return TlsError::OtherKey { what };
    }
    TlsError::Unusable { what, source: error }
}

/// Whether whoever trusts these authorities takes the holder of a certificate for the house at a host; without a host, for
/// that of any name in it. When it is valid, [`Certificate::judge`] tells.
///
/// # Errors
/// [`TlsError::OtherAuthority`], [`TlsError::OtherName`], or a text that cannot be used.
pub fn check_server(ca_pem: &str, cert_pem: &str, host: Option<&str>) -> Result<(), TlsError> {
    const WHAT: &str = "server certificate";
    let chain: Vec<CertificateDer<'static>> = read_all(WHAT, cert_pem)?;
    let (end, between) = chain.split_first().expect("a text without one was refused");
    let read = Certificate::of(WHAT, end)?;
    let other_name = || TlsError::OtherName {
        host: host.unwrap_or("any host").to_owned(),
        names: if read.names.is_empty() { "nobody".to_owned() } else { read.names.join(", ") },
    };
    let host = host.or(read.names.first().map(String::as_str)).ok_or_else(other_name)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| other_name())?;
    let mut roots = RootCertStore::empty();
    for authority in read_all::<CertificateDer<'static>>("authority certificate", ca_pem)? {
        let malformed =
            |error: rustls::Error| TlsError::Malformed { what: "authority certificate", why: error.to_string() };
        roots.add(authority).map_err(malformed)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build()?;
    let Some(time) = within(WHAT, &read, between)? else { return Ok(()) };
    match verifier.verify_server_cert(end, between, &name, &[], time) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Err(other_name()),
        Err(error) => Err(of_chain(WHAT, &error)),
    }
}

/// Whether a house with these authorities and revocation lists lets the holder of a certificate in. When it is valid,
/// [`Certificate::judge`] tells.
///
/// # Errors
/// [`TlsError::OtherAuthority`], [`TlsError::Revoked`], or a text that cannot be used.
pub fn check_client(ca_pem: &str, crl_pem: Option<&str>, what: &'static str, cert_pem: &str) -> Result<(), TlsError> {
    let chain: Vec<CertificateDer<'static>> = read_all(what, cert_pem)?;
    let (end, between) = chain.split_first().expect("a text without one was refused");
    let lists = crl_pem.map(|text| read_all("revocation list", text)).transpose()?.unwrap_or_default();
    let authorities = read_all("authority certificate", ca_pem)?;
    let verifier = ClientVerifier::new(authorities, &lists, &Arc::new(provider()))?;
    let read = Certificate::of(what, end)?;
    let Some(time) = within(what, &read, between)? else { return Ok(()) };
    match verifier.verify_client_cert(end, between, time) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => Err(TlsError::Revoked { what }),
        Err(error) => Err(of_chain(what, &error)),
    }
}

fn of_chain(what: &'static str, error: &rustls::Error) -> TlsError {
    use CertificateError::{BadSignature, UnknownIssuer};
    if let rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) = error {
        return TlsError::OtherAuthority { what };
    }
    TlsError::Malformed { what, why: error.to_string() }
}

/// A moment at which a certificate and those between it and an authority are valid, so that what is wrong with it besides is
/// found. None for one that ended before one of these began: that it has ended is all there is to say of it.
fn within(
    what: &'static str,
    certificate: &Certificate,
    between: &[CertificateDer<'_>],
) -> Result<Option<UnixTime>, TlsError> {
    let mut begins = certificate.not_before;
    for above in between {
        begins = begins.max(Certificate::of(what, above)?.not_before);
    }
    if begins > certificate.not_after {
        return Ok(None);
    }
    let seconds = u64::try_from(begins.0.div_euclid(SECOND)).unwrap_or(0);
    Ok(Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds))))
}

/// How many certificates revocation lists name.
///
/// # Errors
/// A text that cannot be used.
pub fn count_revoked(crl_pem: &str) -> Result<usize, TlsError> {
    const WHAT: &str = "revocation list";
    let lists: Vec<CertificateRevocationListDer<'static>> = read_all(WHAT, crl_pem)?;
    lists.iter().try_fold(0, |sum, list| {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|error| TlsError::Malformed { what: WHAT, why: error.to_string() })?;
        Ok(sum + list.iter_revoked_certificates().count())
    })
}

/// When the next revocation list of each authority is due, where its list says so: the earliest of these moments.
///
/// # Errors
/// A text that cannot be used.
pub fn next_list_due(crl_pem: &str) -> Result<Option<Timestamp>, TlsError> {
    const WHAT: &str = "revocation list";
    let lists: Vec<CertificateRevocationListDer<'static>> = read_all(WHAT, crl_pem)?;
    let mut earliest = None;
    for list in &lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|error| TlsError::Malformed { what: WHAT, why: error.to_string() })?;
        let due = list.next_update().map(|time| Timestamp::from_seconds(time.timestamp()));
        earliest = earliest.into_iter().chain(due).min();
    }
    Ok(earliest)
}
