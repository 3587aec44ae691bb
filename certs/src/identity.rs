//! Who a certificate says its holder is.

use std::fmt;

use clearing_core::units::{self, Malformed, PartnerId};
use jiff::Timestamp;
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const SCHEME: &str = "spiffe://";

/// The longest coalition domain, in characters (each one byte). The SPIFFE standard sets it.
pub const DOMAIN_LENGTH_MAX: usize = 255;

/// What a holder of a certificate is to the coalition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A brand, or the operator, who is a partner too.
    Partner,
    /// A person of the operator.
    Operator,
    /// Somebody who may read the books and change nothing.
    Auditor,
}

impl Kind {
    /// The word that stands for it in a certificate.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identity in one certificate. That the certificate may be believed is for the TLS handshake to find out; that the
/// domain is the house's own is for the caller to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The coalition's domain.
    pub domain: String,
    /// Partner, person of the operator, or auditor.
    pub kind: Kind,
    /// The partner's id, `operator` among them, or the person's or auditor's name. All have the form of an id of the coalition (see
    /// `clearing_core::units::check_id`).
    pub id: String,
    /// The certificate's serial number: lower-case hexadecimal, two digits a byte, without leading zero bytes.
    pub serial_hex: String,
    /// The first moment at which the certificate is valid.
    pub not_before: Timestamp,
    /// The last moment at which the certificate is valid.
    pub not_after: Timestamp,
}

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// These bytes are no X.509 certificate.
    #[error("not an X.509 certificate: {0}")]
    Malformed(String),
    /// There is no URI among the certificate's names.
    #[error("the certificate has no URI name; one of the form spiffe://DOMAIN/partner/ID is needed")]
    NoUri,
    /// There is more than one URI among the certificate's names, so which one counts would be a guess.
    #[error("the certificate has {0} URI names; exactly one is allowed")]
    ManyUris(usize),
    /// The URI is of another scheme or shape.
    #[error(
        "the URI name {0:?} is not of the form spiffe://DOMAIN/partner/ID, spiffe://DOMAIN/operator/NAME or spiffe://DOMAIN/auditor/NAME"
    )]
    WrongUri(String),
    /// The domain is empty, too long, or holds other characters than `a-z 0-9 . _ -`.
    #[error("the coalition domain {0:?} is not 1 to {DOMAIN_LENGTH_MAX} characters of a-z 0-9 . _ -")]
    WrongDomain(String),
    /// The id is none that a partner or an auditor can have.
    #[error("{kind}: {problem}")]
    WrongId {
        /// Whose id it was to be.
        kind: Kind,
        /// What is wrong with it.
        problem: Malformed,
    },
}

/// Reads the identity out of a certificate in DER form.
///
/// # Errors
///
/// [`IdentityError`] says what the certificate lacks.
pub fn parse_identity(der: &[u8]) -> Result<Identity, IdentityError> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|error| IdentityError::Malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(IdentityError::Malformed("bytes follow its end".to_owned()));
    }
    let uri = only_uri(&certificate)?;
    let (domain, kind, id) = parse_uri(uri)?;
    let validity = certificate.validity();
    let time = |seconds| Timestamp::from_second(seconds).map_err(|error| IdentityError::Malformed(error.to_string()));
    let (not_before, not_after) = (time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?);
    Ok(Identity {
        domain: domain.to_owned(),
        kind,
        id: id.to_owned(),
        serial_hex: serial_hex(certificate.raw_serial()),
        not_before,
        not_after,
    })
}

/// The URI that names a holder.
pub(crate) fn uri(domain: &str, kind: Kind, id: &str) -> Result<String, IdentityError> {
    check_domain(domain)?;
    check_id(kind, id)?;
    Ok(format!("{SCHEME}{domain}/{kind}/{id}"))
}

/// The URI that names the authority itself.
pub(crate) fn authority_uri(domain: &str) -> Result<String, IdentityError> {
    check_domain(domain)?;
    Ok(format!("{SCHEME}{domain}"))
}

/// The coalition domain that an authority's certificate names.
pub(crate) fn authority_domain(certificate: &X509Certificate<'_>) -> Result<String, IdentityError> {
    let uri = only_uri(certificate)?;
    let domain = uri.strip_prefix(SCHEME).ok_or_else(|| IdentityError::WrongUri(uri.to_owned()))?;
    check_domain(domain)?;
    Ok(domain.to_owned())
}

/// Serial numbers are compared as text in the register of revoked certificates, so there must be one way to write them.
#[must_use]
pub fn serial_hex(serial: &[u8]) -> String {
    use fmt::Write as _;
    let significant = serial.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &serial[first..]);
    significant.iter().fold(String::with_capacity(significant.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, IdentityError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| IdentityError::Malformed(error.to_string()))?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let uris: Vec<&str> =
        names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
    match uris.as_slice() {
        [] => Err(IdentityError::NoUri),
        [uri] => Ok(uri),
        more => Err(IdentityError::ManyUris(more.len())),
    }
}

fn parse_uri(uri: &str) -> Result<(&str, Kind, &str), IdentityError> {
    let wrong = || IdentityError::WrongUri(uri.to_owned());
    let rest = uri.strip_prefix(SCHEME).ok_or_else(wrong)?;
    let mut parts = rest.split('/');
    let (Some(domain), Some(kind), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let kind = match kind {
        "partner" => Kind::Partner,
        "operator" => Kind::Operator,
        "auditor" => Kind::Auditor,
        _ => return Err(wrong()),
    };
    check_domain(domain)?;
    check_id(kind, id)?;
    Ok((domain, kind, id))
}

fn check_domain(domain: &str) -> Result<(), IdentityError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    if domain.is_empty() || domain.len() > DOMAIN_LENGTH_MAX || !domain.bytes().all(allowed) {
        return Err(IdentityError::WrongDomain(domain.to_owned()));
    }
    Ok(())
}

/// The house's own names are nobody's, but for that of the operator, who is a partner.
fn check_id(kind: Kind, id: &str) -> Result<(), IdentityError> {
    let checked = match kind {
        Kind::Partner => id.parse::<PartnerId>().map(drop),
        Kind::Operator | Kind::Auditor => units::check_id(id),
    };
    checked.map_err(|problem| IdentityError::WrongId { kind, problem })
}

#[cfg(test)]
mod tests {
    use clearing_core::units::PARTNER_ID_MAX;

    use super::*;

    #[test]
    fn a_uri_names_one_partner_or_one_auditor_and_nothing_else_is_understood() {
        assert_eq!(
            parse_uri("spiffe://points.example/partner/GROCER"),
            Ok(("points.example", Kind::Partner, "GROCER"))
        );
        assert_eq!(
            parse_uri("spiffe://points.example/auditor/kpmg-2"),
            Ok(("points.example", Kind::Auditor, "kpmg-2"))
        );
        assert_eq!(parse_uri("spiffe://points.example/operator/anna"), Ok(("points.example", Kind::Operator, "anna")));
        for wrong in [
            "",
            "spiffe://",
            "spiffe://points.example",
            "spiffe://points.example/partner",
            "spiffe://points.example/partner/A/B",
            "spiffe://points.example/partner/A/",
            "spiffe://points.example//A",
            "spiffe://points.example/operator/A/B",
            "spiffe://points.example/owner/A",
            "spiffe://points.example/Partner/A",
            "SPIFFE://points.example/partner/A",
            "https://points.example/partner/A",
        ] {
            assert_eq!(parse_uri(wrong), Err(IdentityError::WrongUri(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn an_id_has_1_to_31_plain_characters() {
        let longest = "x".repeat(PARTNER_ID_MAX);
        assert_eq!(uri("d", Kind::Partner, &longest), Ok(format!("spiffe://d/partner/{longest}")));
        let too_long = "x".repeat(PARTNER_ID_MAX + 1);
        for wrong in ["", &too_long, "a b", "a.b", "a?b", "ä", "1e5", "-1", "mar-1", "TRUE"] {
            for kind in [Kind::Partner, Kind::Operator, Kind::Auditor] {
                refuses(kind, wrong);
            }
        }
    }

    #[test]
    fn the_houses_own_names_are_nobodys_but_the_operators() {
        assert_eq!(uri("d", Kind::Partner, "operator"), Ok("spiffe://d/partner/operator".to_owned()));
        refuses(Kind::Auditor, "operator");
        for reserved in ["Operator", "hub", "Funds", "BANK", "pool", "reserve", "auditor", "Auditor", "sandbox"] {
            for kind in [Kind::Partner, Kind::Operator, Kind::Auditor] {
                refuses(kind, reserved);
            }
        }
    }

    fn refuses(kind: Kind, id: &str) {
        let wrong_id = |error| matches!(error, IdentityError::WrongId { kind: of, .. } if of == kind);
        assert!(uri("d", kind, id).is_err_and(wrong_id), "{kind} {id:?}");
        assert!(parse_uri(&format!("spiffe://d/{kind}/{id}")).is_err_and(wrong_id), "{kind} {id:?}");
    }

    #[test]
    fn a_domain_has_lower_case_characters_and_neither_user_nor_port() {
        for wrong in
            ["", "Points.example", "points.example:443", "me@points.example", &"x".repeat(DOMAIN_LENGTH_MAX + 1)]
        {
            assert_eq!(authority_uri(wrong), Err(IdentityError::WrongDomain(wrong.to_owned())), "{wrong:?}");
            let uri = format!("spiffe://{wrong}/partner/A");
            assert_eq!(parse_uri(&uri), Err(IdentityError::WrongDomain(wrong.to_owned())));
        }
    }

    #[test]
    fn a_serial_number_is_written_in_one_way() {
        assert_eq!(serial_hex(&[0x00, 0x0a, 0xff]), "0aff");
        assert_eq!(serial_hex(&[0x0a, 0xff]), "0aff");
        assert_eq!(serial_hex(&[0x00]), "");
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        assert!(matches!(parse_identity(b"hello"), Err(IdentityError::Malformed(_))));
    }
}
