//! Issuing and revoking.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, RevokedCertParams, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::{Pem, parse_x509_pem};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::identity::{self, IdentityError, Kind};
use crate::sealed::Passphrase;

/// The span in which a certificate is valid. Certificates count in whole seconds: fractions are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment at which the certificate is valid. Clocks differ: minutes before now rather than now.
    pub not_before: Timestamp,
    /// The last moment at which the certificate is valid, later than `not_before`.
    pub not_after: Timestamp,
}

/// One name or address under which partners reach the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// A host name, in ASCII.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl ServerAddress {
    /// This machine's own names: `localhost`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn loopback() -> Vec<Self> {
        vec![
            Self::Dns("localhost".to_owned()),
            Self::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
            Self::Ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
        ]
    }
}

/// A private key as PKCS#8 PEM. It prints as nothing, so that it cannot reach a log by accident.
/// It is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Zeroizing<String>);

impl PrivateKey {
    pub(crate) fn from_text(pem: &str) -> Self {
        Self(Zeroizing::new(pem.to_owned()))
    }

    /// A new one, ECDSA P-256.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, CertError> {
        Ok(Self(Zeroizing::new(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem())))
    }

    /// A signing request (PKCS#10, DER) that says nothing but the key: all else is the authority's to say.
    ///
    /// # Errors
    ///
    /// A text that is no private key.
    pub fn signing_request(&self) -> Result<Vec<u8>, CertError> {
        let key = KeyPair::from_pem(&self.0)
            .map_err(|error| CertError::Unreadable { what: "private key", why: error.to_string() })?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&key)?.der().to_vec())
    }

    /// The secret itself; [`crate::write_private`] is the way to keep it.
    #[must_use]
    pub fn expose_pem(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// A certificate just issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, as PEM; behind it that of the authority, where a root vouches for that one: whoever trusts the root alone
    /// needs both.
    pub cert_pem: String,
    /// The same in DER.
    pub cert_der: Vec<u8>,
    /// Its serial number, written as in [`crate::Identity::serial_hex`]: what a revocation names.
    pub serial_hex: String,
}

/// A certificate that is trusted no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The certificate's serial number, written as in [`crate::Identity::serial_hex`].
    pub serial_hex: String,
    /// When it was revoked.
    pub revoke_time: Timestamp,
}

/// Why nothing was issued.
#[derive(Debug, Error)]
pub enum CertError {
    /// The domain or the id has not the form that an identity needs.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The end is not after the beginning.
    #[error("a certificate from {} to {} is never valid", .0.not_before, .0.not_after)]
    NeverValid(Validity),
    /// A date before 1970.
    #[error("{0} is before 1970")]
    WrongTime(Timestamp),
    /// The certificate would outlive the authority's own. Verifiers do not look at the dates of an authority they trust,
    /// so this is where its end is kept.
    #[error("a certificate until {not_after} outlives its authority, which ends {authority_not_after}")]
    OutlivesAuthority {
        /// The end that was asked for.
        not_after: Timestamp,
        /// The authority's end.
        authority_not_after: Timestamp,
    },
    /// The list's next issue is not after this one.
    #[error("a revocation list of {this_update} whose successor is due {next_update}")]
    ListNeverValid {
        /// When the list was made.
        this_update: Timestamp,
        /// When the next one is due.
        next_update: Timestamp,
    },
    /// A server certificate without any name.
    #[error("a server certificate needs at least one name or address")]
    NoServerAddress,
    /// The name is not ASCII, or not a name.
    #[error("{0:?} is no host name")]
    WrongServerName(String),
    /// A serial number that is not hexadecimal of 1 to 20 bytes (the limit of RFC 5280).
    #[error("{0:?} is no serial number: 1 to 20 bytes in hexadecimal")]
    WrongSerial(String),
    /// The text is not the PEM that was expected, or what is in it is damaged.
    #[error("not a readable {what} in PEM form: {why}")]
    Unreadable {
        /// What was expected.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
    /// The certificate may not issue others.
    #[error("the certificate is not an authority's")]
    NotAnAuthority,
    /// The authority may have none below it.
    #[error("the authority may have no other authority below it")]
    NoneBelow,
    /// A root is kept away: it vouches for authorities, and for nobody else.
    #[error("a root issues certificates of authorities alone; the one below it issues all others")]
    OfRoot,
    /// The key cannot be read without a passphrase.
    #[error("the private key is encrypted, and no passphrase was given")]
    Sealed,
    /// The passphrase is not the one that the key was encrypted with.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// The key is not the one of the certificate.
    #[error("the private key does not belong to the authority's certificate")]
    WrongKey,
    /// The request is not signed by the key it names, so its sender may not hold that key.
    #[error("the request is not signed by its own key")]
    RequestSignature,
    /// The certificate is an authority's, and no holder's.
    #[error("the certificate is an authority's")]
    OfAnAuthority,
    /// The message is not signed by the key of the certificate, so its sender may not hold that key.
    #[error("the request is not signed by the key of the certificate")]
    HolderSignature,
    /// The key of the request is of a kind that is not accepted.
    #[error("the request's key is of a kind that is not accepted: ECDSA P-256, ECDSA P-384 and Ed25519 are")]
    KeyNotAccepted,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused")]
    Library(#[from] rcgen::Error),
}

/// An authority of the coalition: a certificate and the private key that signs with it.
pub struct Authority {
    domain: String,
    cert_pem: String,
    serial_hex: String,
    not_after: Timestamp,
    tier: Tier,
    issuer: Issuer<'static, KeyPair>,
}

/// Where an authority stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// It vouches for itself, and issues everything: that of a sandbox.
    Alone,
    /// It vouches for itself and for authorities below it. Its key is kept away, and used once in years.
    Root,
    /// A root vouches for it, and it issues what the coalition needs from day to day.
    Issuing,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("domain", &self.domain)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority for the coalition that is named by `domain`, which vouches for itself and has none below it.
    ///
    /// # Errors
    ///
    /// A malformed domain, or a validity that ends before it begins.
    pub fn generate(domain: &str, validity: Validity) -> Result<Self, CertError> {
        Self::make(domain, Tier::Alone, validity, None)
    }

    /// Makes a new root for the coalition that is named by `domain`: it vouches for the authorities that
    /// [`Self::issuing`] makes below it, and for nobody else.
    ///
    /// # Errors
    ///
    /// A malformed domain, or a validity that ends before it begins.
    pub fn root(domain: &str, validity: Validity) -> Result<Self, CertError> {
        Self::make(domain, Tier::Root, validity, None)
    }

    /// Makes a new authority for daily use below this root.
    ///
    /// # Errors
    ///
    /// An authority that is no root, or a validity that is empty or outlives it.
    pub fn issuing(&self, validity: Validity) -> Result<Self, CertError> {
        if self.tier != Tier::Root {
            return Err(CertError::NoneBelow);
        }
        self.outlives(validity)?;
        Self::make(&self.domain, Tier::Issuing, validity, Some(&self.issuer))
    }

    fn make(
        domain: &str,
        tier: Tier,
        validity: Validity,
        above: Option<&Issuer<'static, KeyPair>>,
    ) -> Result<Self, CertError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let serial = random_serial();
        let serial_hex = identity::serial_hex(&serial);
        // Verifiers find the revocation list of an authority by its name: two authorities, as there are while one
        // replaces the other, must never share it.
        let word = if tier == Tier::Root { "root" } else { "authority" };
        let mut params = params(domain, &format!("Clearing {word} {}", &serial_hex[..8]), &serial, validity)?;
        params.subject_alt_names = vec![san_uri(identity::authority_uri(domain)?)?];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(u8::from(tier == Tier::Root)));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = match above {
            None => params.self_signed(&key)?,
            Some(root) => {
                params.use_authority_key_identifier_extension = true;
                params.signed_by(&key, root)?
            }
        };
        Ok(Self {
            domain: domain.to_owned(),
            cert_pem: certificate.pem(),
            serial_hex,
            not_after: whole_seconds(validity.not_after),
            tier,
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes up an authority that was made earlier.
    ///
    /// # Errors
    ///
    /// Unreadable PEM, a certificate that is not an authority's or names no coalition, or a key that is not its own.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, CertError> {
        const WHAT: &str = "authority certificate";
        let key = KeyPair::from_pem(key_pem)
            .map_err(|error| CertError::Unreadable { what: "private key", why: error.to_string() })?;
        let pem = read_pem(cert_pem, "CERTIFICATE", WHAT)?;
        let (_, certificate) = X509Certificate::from_der(&pem.contents)
            .map_err(|error| CertError::Unreadable { what: WHAT, why: error.to_string() })?;
        if !certificate.is_ca() {
            return Err(CertError::NotAnAuthority);
        }
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(CertError::WrongKey);
        }
        let domain = identity::authority_domain(&certificate)?;
        let serial_hex = identity::serial_hex(certificate.raw_serial());
        let length = certificate.basic_constraints().ok().flatten().and_then(|basic| basic.value.path_len_constraint);
        let tier = if certificate.subject().as_raw() != certificate.issuer().as_raw() {
            Tier::Issuing
        } else if length.is_some_and(|length| length > 0) {
            Tier::Root
        } else {
            Tier::Alone
        };
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|error| CertError::Unreadable { what: WHAT, why: error.to_string() })?;
        let issuer = Issuer::from_ca_cert_pem(cert_pem, key)?;
        Ok(Self { domain, cert_pem: cert_pem.to_owned(), serial_hex, not_after, tier, issuer })
    }

    /// Takes up an authority whose key may be sealed.
    ///
    /// # Errors
    ///
    /// What [`PrivateKey::open`] and [`Self::from_pem`] refuse.
    pub fn from_sealed_pem(cert_pem: &str, key_pem: &str, passphrase: Option<&Passphrase>) -> Result<Self, CertError> {
        Self::from_pem(cert_pem, PrivateKey::open(key_pem, passphrase)?.expose_pem())
    }

    /// The coalition's domain in an authority's certificate, for whoever has no key of it.
    ///
    /// # Errors
    ///
    /// A text that is no certificate, or names no coalition.
    pub fn domain_of(cert_pem: &str) -> Result<String, CertError> {
        of_certificate(cert_pem, |certificate| Ok(identity::authority_domain(certificate)?))
    }

    /// The serial number of an authority's certificate, written as in [`crate::Identity::serial_hex`].
    ///
    /// # Errors
    ///
    /// A text that is no certificate.
    pub fn serial_of(cert_pem: &str) -> Result<String, CertError> {
        of_certificate(cert_pem, |certificate| Ok(identity::serial_hex(certificate.raw_serial())))
    }

    /// Where it stands.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The serial number of its certificate, written as in [`crate::Identity::serial_hex`].
    #[must_use]
    pub fn serial_hex(&self) -> &str {
        &self.serial_hex
    }

    /// The coalition's domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The last moment at which the authority is valid; nothing it issues ends later.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The authority's certificate as PEM. It is public. That of a root, or of one that is alone, is what servers and clients
    /// trust.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's private key. Whoever has it can be every partner: it belongs on no server.
    #[must_use]
    pub fn private_key(&self) -> PrivateKey {
        PrivateKey(Zeroizing::new(self.issuer.key().serialize_pem()))
    }

    /// Makes a key and issues the house's server certificate for it.
    ///
    /// # Errors
    ///
    /// No address, a malformed name, or a validity that is empty or outlives the authority.
    pub fn issue_server(
        &self,
        addresses: &[ServerAddress],
        validity: Validity,
    ) -> Result<(Issued, PrivateKey), CertError> {
        if addresses.is_empty() {
            return Err(CertError::NoServerAddress);
        }
        let names = addresses
            .iter()
            .map(|address| match address {
                ServerAddress::Dns(name) => {
                    check_host_name(name)?;
                    let name = name.as_str().try_into().map_err(|_| CertError::WrongServerName(name.clone()))?;
                    Ok(SanType::DnsName(name))
                }
                ServerAddress::Ip(address) => Ok(SanType::IpAddress(*address)),
            })
            .collect::<Result<Vec<_>, CertError>>()?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issued = self.issue("Clearing house", names, ExtendedKeyUsagePurpose::ServerAuth, &key, validity)?;
        Ok((issued, PrivateKey(Zeroizing::new(key.serialize_pem()))))
    }

    /// Makes a key and issues a client certificate for it. For a partner that makes its own key, as it should, there is
    /// [`Self::sign_csr`].
    ///
    /// # Errors
    ///
    /// A malformed id, or a validity that is empty or outlives the authority.
    pub fn issue_client(&self, kind: Kind, id: &str, validity: Validity) -> Result<(Issued, PrivateKey), CertError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issued = self.issue_identity(kind, id, &key, validity)?;
        Ok((issued, PrivateKey(Zeroizing::new(key.serialize_pem()))))
    }

    /// Issues a client certificate for the public key of a signing request (PKCS#10, PEM).
    ///
    /// Of the request only the key is taken: its names, usages and any wish to be an authority are ignored. Who the
    /// holder is, the caller says.
    ///
    /// # Errors
    ///
    /// An unreadable request, one that is not signed by its own key, a key that is not accepted, and what
    /// [`Self::issue_client`] refuses.
    pub fn sign_csr(&self, csr_pem: &str, kind: Kind, id: &str, validity: Validity) -> Result<Issued, CertError> {
        let pem = read_pem(csr_pem, "CERTIFICATE REQUEST", SigningRequest::WHAT)?;
        self.sign(&SigningRequest::from_der(&pem.contents)?, kind, id, validity)
    }

    /// Issues a client certificate for the public key of a signing request.
    ///
    /// # Errors
    ///
    /// What [`Self::issue_client`] refuses.
    pub fn sign(
        &self,
        request: &SigningRequest,
        kind: Kind,
        id: &str,
        validity: Validity,
    ) -> Result<Issued, CertError> {
        self.issue_identity(kind, id, &request.key, validity)
    }

    /// The list of certificates that are trusted no more, as PEM. As soon as a server is given one list, it needs one of
    /// every authority it trusts.
    ///
    /// `number` must grow from list to list. `next_update` is when the next list is due.
    ///
    /// # Errors
    ///
    /// A malformed serial number, or a successor that is not due after the list.
    pub fn revocation_list(
        &self,
        revoked: &[Revoked],
        number: u64,
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<String, CertError> {
        if whole_seconds(next_update) <= whole_seconds(this_update) {
            return Err(CertError::ListNeverValid { this_update, next_update });
        }
        let revoked_certs = revoked
            .iter()
            .map(|revoked| {
                Ok(RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&parse_serial(&revoked.serial_hex)?),
                    revocation_time: x509_time(revoked.revoke_time)?,
                    reason_code: None,
                    invalidity_date: None,
                })
            })
            .collect::<Result<Vec<_>, CertError>>()?;
        let list = CertificateRevocationListParams {
            this_update: x509_time(this_update)?,
            next_update: x509_time(next_update)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    fn issue_identity(
        &self,
        kind: Kind,
        id: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<Issued, CertError> {
        let name = san_uri(identity::uri(&self.domain, kind, id)?)?;
        self.issue(id, vec![name], ExtendedKeyUsagePurpose::ClientAuth, key, validity)
    }

    fn issue(
        &self,
        common_name: &str,
        names: Vec<SanType>,
        usage: ExtendedKeyUsagePurpose,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<Issued, CertError> {
        if self.tier == Tier::Root {
            return Err(CertError::OfRoot);
        }
        self.outlives(validity)?;
        let serial = random_serial();
        let mut params = params(&self.domain, common_name, &serial, validity)?;
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        // TLS 1.3 signs and does nothing else with the key of a certificate.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer)?;
        let (mut cert_pem, cert_der) = (certificate.pem(), certificate.der().to_vec());
        if self.tier == Tier::Issuing {
            cert_pem.push_str(&self.cert_pem);
        }
        Ok(Issued { cert_pem, cert_der, serial_hex: identity::serial_hex(&serial) })
    }

    fn outlives(&self, validity: Validity) -> Result<(), CertError> {
        let not_after = whole_seconds(validity.not_after);
        if not_after > self.not_after {
            return Err(CertError::OutlivesAuthority { not_after, authority_not_after: self.not_after });
        }
        Ok(())
    }
}

/// A signing request (PKCS#10) that was read: signed by its own key, of a kind that is accepted. Of all else that it says nothing
/// is kept.
pub struct SigningRequest {
    key: SubjectPublicKeyInfo,
    key_der: Vec<u8>,
}

impl fmt::Debug for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningRequest").finish_non_exhaustive()
    }
}

impl SigningRequest {
    /// The longest request that is read, in bytes of DER: one with the largest of the accepted keys has some hundred.
    pub const BYTES_MAX: usize = 4 << 10;

    const WHAT: &str = "signing request";

    /// Reads a request in DER.
    ///
    /// # Errors
    ///
    /// One that is longer than [`Self::BYTES_MAX`] or unreadable, one that is not signed by its own key, and a key that is not
    /// accepted.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        let unreadable = |why: String| CertError::Unreadable { what: Self::WHAT, why };
        if der.len() > Self::BYTES_MAX {
            return Err(unreadable(format!("it has {} bytes, and {} are the most", der.len(), Self::BYTES_MAX)));
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable("bytes follow its end".to_owned()));
        }
        let key_der = request.certification_request_info.subject_pki.raw.to_vec();
        let key = SubjectPublicKeyInfo::from_der(&key_der).map_err(|_| CertError::KeyNotAccepted)?;
        if ![&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519].contains(&key.algorithm()) {
            return Err(CertError::KeyNotAccepted);
        }
        request.verify_signature().map_err(|_| CertError::RequestSignature)?;
        Ok(Self { key, key_der })
    }

    /// The public key: SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        &self.key_der
    }
}

/// Whether one of these authorities has signed a certificate, whatever its dates say.
///
/// # Errors
///
/// An unreadable certificate or authority.
pub fn is_vouched_for(authorities_pem: &str, certificate_der: &[u8]) -> Result<bool, CertError> {
    let certificate = read_certificate(certificate_der)?;
    for pem in Pem::iter_from_buffer(authorities_pem.as_bytes()) {
        let pem = pem.map_err(|error| unreadable(&error))?;
        let authority = pem.parse_x509().map_err(|error| unreadable(&error))?;
        let signed = authority.is_ca()
            && authority.subject().as_raw() == certificate.issuer().as_raw()
            && certificate.verify_signature(Some(authority.public_key())).is_ok();
        if signed {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that the key of a certificate signed a message, as its holder shows it who cannot connect with it. The signature is in
/// the form of X.509: ECDSA with SHA-256 (P-256) or SHA-384 (P-384) in DER, or Ed25519.
///
/// # Errors
///
/// An unreadable certificate, one of an authority, a key that is not accepted, and another's signature.
pub fn verify_holder(certificate_der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CertError> {
    let certificate = read_certificate(certificate_der)?;
    if certificate.is_ca() {
        return Err(CertError::OfAnAuthority);
    }
    let key = SubjectPublicKeyInfo::from_der(certificate.public_key().raw).map_err(|_| CertError::KeyNotAccepted)?;
    let algorithm: &dyn VerificationAlgorithm = if key.algorithm() == &PKCS_ECDSA_P256_SHA256 {
        &ECDSA_P256_SHA256_ASN1
    } else if key.algorithm() == &PKCS_ECDSA_P384_SHA384 {
        &ECDSA_P384_SHA384_ASN1
    } else if key.algorithm() == &PKCS_ED25519 {
        &ED25519
    } else {
        return Err(CertError::KeyNotAccepted);
    };
    let point = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(algorithm, point).verify(message, signature).map_err(|_| CertError::HolderSignature)
}

fn read_certificate(der: &[u8]) -> Result<X509Certificate<'_>, CertError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(&error))?;
    if rest.is_empty() { Ok(certificate) } else { Err(unreadable(&"bytes follow its end")) }
}

fn unreadable(why: &dyn fmt::Display) -> CertError {
    CertError::Unreadable { what: "certificate", why: why.to_string() }
}

/// What every certificate has. `rcgen`'s own defaults are a serial number made of the key, so the same one at each
/// renewal, and a validity of two millennia: both are always set here.
fn params(domain: &str, common_name: &str, serial: &[u8], validity: Validity) -> Result<CertificateParams, CertError> {
    if whole_seconds(validity.not_after) <= whole_seconds(validity.not_before) {
        return Err(CertError::NeverValid(validity));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, domain);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.not_before = x509_time(validity.not_before)?;
    params.not_after = x509_time(validity.not_after)?;
    Ok(params)
}

/// 16 random bytes but for the six bits that a version 4 UUID fixes and the two highest, which are 01: so the number is
/// positive and always has its 16 bytes. 120 bits of chance are far above the 64 that certificate authorities must have.
fn random_serial() -> [u8; 16] {
    let mut bytes = Uuid::new_v4().into_bytes();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    bytes
}

fn parse_serial(hex: &str) -> Result<Vec<u8>, CertError> {
    let wrong = || CertError::WrongSerial(hex.to_owned());
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex.is_empty() || hex.len() > 40 || !hex.len().is_multiple_of(2) || !digits {
        return Err(wrong());
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong())).collect()
}

/// A host name as RFC 1123 writes it: labels of letters, digits and inner hyphens. No wildcards: one certificate, one house.
fn check_host_name(name: &str) -> Result<(), CertError> {
    let label_holds = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label_holds) {
        return Err(CertError::WrongServerName(name.to_owned()));
    }
    Ok(())
}

fn san_uri(uri: String) -> Result<SanType, CertError> {
    Ok(SanType::URI(uri.try_into()?))
}

fn read_pem(text: &str, label: &str, what: &'static str) -> Result<Pem, CertError> {
    let (_, pem) =
        parse_x509_pem(text.as_bytes()).map_err(|error| CertError::Unreadable { what, why: error.to_string() })?;
    if pem.label != label {
        return Err(CertError::Unreadable { what, why: format!("it is a {}", pem.label) });
    }
    Ok(pem)
}

/// Reads something of the first certificate of a text.
fn of_certificate<T>(
    cert_pem: &str,
    read: impl FnOnce(&X509Certificate<'_>) -> Result<T, CertError>,
) -> Result<T, CertError> {
    const WHAT: &str = "authority certificate";
    let pem = read_pem(cert_pem, "CERTIFICATE", WHAT)?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents)
        .map_err(|error| CertError::Unreadable { what: WHAT, why: error.to_string() })?;
    read(&certificate)
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("the whole second of a timestamp is a timestamp")
}

/// Dates before 1970 are some caller's mistake, and X.509 cannot write those before the year 0.
fn x509_time(at: Timestamp) -> Result<OffsetDateTime, CertError> {
    if at < Timestamp::UNIX_EPOCH {
        return Err(CertError::WrongTime(at));
    }
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| CertError::WrongTime(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_positive_distinct_and_of_16_bytes() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let serial = random_serial();
            assert_eq!(serial[0] & 0xc0, 0x40);
            assert_eq!(identity::serial_hex(&serial).len(), 32);
            assert!(seen.insert(serial));
        }
    }

    #[test]
    fn a_serial_number_reads_back_what_was_written() {
        let serial = random_serial();
        assert_eq!(parse_serial(&identity::serial_hex(&serial)).unwrap(), serial);
        for wrong in ["", "0", "xy", "0A", "+1", &"00".repeat(21)] {
            assert!(matches!(parse_serial(wrong), Err(CertError::WrongSerial(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_name_is_plain() {
        for right in ["localhost", "house.points.example", "a-b.c1"] {
            check_host_name(right).unwrap();
        }
        for wrong in ["", ".", "a..b", "*.points.example", "-a", "a-", "a b", "a_b", "ä.example", &"a".repeat(64)] {
            assert!(matches!(check_host_name(wrong), Err(CertError::WrongServerName(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_private_key_never_prints() {
        let key = PrivateKey(Zeroizing::new("secret".to_owned()));
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    }
}
