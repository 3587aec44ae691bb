//! The string by which somebody joins: all that a newcomer needs to get a certificate, in one word.
//!
//! It is text of `a-z` and digits only, so that no shell, chat or browser breaks it, and one click marks the whole of it. Its
//! parts, before they are written in base 32 (RFC 4648, lower case, no padding):
//!
//! | bytes | |
//! |---|---|
//! | 2 | how many follow behind the next three |
//! | 3 | SHA-256 of what stands before, cut off: so a string that was cut is told from one that was mistyped |
//! | 16 | the invite's id |
//! | 16 | the secret |
//! | 32 | the pin |
//! | up to 260 | the enrolment endpoint, `host:port` |
//! | 5 | SHA-256 of all before, the prefix among it, cut off |

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, DecodeKind, HEXLOWER};
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::credential::Device;
use crate::error::Error;
use crate::request_id::RequestId;
use crate::tls::Address;

/// What an invite begins with.
const PREFIX: &str = "clearinginvite";
/// The version of its form. It is one character that base 32 does not have.
const VERSION: char = '1';

const SECRET_BYTES: usize = 16;
const ID_BYTES: usize = 16;
const PIN_BYTES: usize = 32;
const HEAD_BYTES: usize = 5;
const CHECK_BYTES: usize = 5;
/// A host name has at most 253 characters, a port 5.
const ENDPOINT_BYTES_MAX: usize = 260;

/// SHA-256 of the public key (the DER of SubjectPublicKeyInfo) of the coalition's authority: by it a newcomer recognises the
/// house before it trusts anybody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; PIN_BYTES]);

impl Pin {
    /// Of each certificate in a text of PEM, in their order.
    ///
    /// # Errors
    /// [`Error::Config`]: there is none in it, or one cannot be read.
    pub fn of_pem(pem: impl AsRef<[u8]>) -> Result<Vec<Self>, Error> {
        let config = |problem: String| Error::Config { what: "the coalition's certificate", problem };
        let all = CertificateDer::pem_slice_iter(pem.as_ref())
            .map(|read| Self::of_der(&read.map_err(|error| config(error.to_string()))?))
            .collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() { Err(config("there is no certificate in it".to_owned())) } else { Ok(all) }
    }

    pub(crate) fn of_der(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let parsed = ParsedCertificate::try_from(certificate)
            .map_err(|error| Error::Config { what: "a certificate", problem: error.to_string() })?;
        let hash = digest(&SHA256, &parsed.subject_public_key_info());
        Ok(Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes")))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// What an invite proves itself by. It prints as nothing and is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    fn random() -> Self {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).expect("the system gives random bytes");
        Self(bytes)
    }

    fn hash(&self) -> Vec<u8> {
        digest(&SHA256, self.0.as_slice()).as_ref().to_vec()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// An invite before the house knows of it: its id and its secret, of which the house gets the hash. Made by
/// [`Client::new_invite`](crate::Client::new_invite), sent with [`CreateInvites`](crate::CreateInvites); the
/// [string](Self::string) is for whoever is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    id: Uuid,
    secret: Secret,
    device: Option<Device>,
}

impl NewInvite {
    pub(crate) fn at(time: SystemTime) -> Self {
        Self { id: RequestId::at(time).uuid(), secret: Secret::random(), device: None }
    }

    /// One that was made before and kept, to be sent again under the same request id: its id, a UUIDv7 as text, and its secret,
    /// 16 random bytes.
    ///
    /// # Errors
    /// [`Error::Config`]: the id is no UUID.
    pub fn kept(id: &str, secret: [u8; 16]) -> Result<Self, Error> {
        let id = Uuid::parse_str(id)
            .map_err(|error| Error::Config { what: "the id of an invite", problem: error.to_string() })?;
        Ok(Self { id, secret: Secret(Zeroizing::new(secret)), device: None })
    }

    /// For this device.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Its id, by which it is found in lists.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    pub(crate) fn secret_hash(&self) -> Vec<u8> {
        self.secret.hash()
    }

    pub(crate) fn for_device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// The string, with where the house says that invites are used
    /// ([`ServerInfo::enrolment_endpoint`](crate::ServerInfo)).
    ///
    /// # Errors
    /// [`InviteError::Endpoint`]: that is no `host:port`.
    pub fn string(&self, endpoint: &str, pin: Pin) -> Result<InviteString, InviteError> {
        check_endpoint(endpoint)?;
        Ok(InviteString { id: self.id, secret: self.secret.clone(), pin, endpoint: endpoint.to_owned() })
    }
}

/// The one string that a newcomer is given, whole. Whoever has it can use it once: it is a secret until then.
///
/// [`Display`](fmt::Display) writes it, [`FromStr`] reads it; `Debug` leaves the secret out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteString {
    id: Uuid,
    secret: Secret,
    pin: Pin,
    endpoint: String,
}

impl InviteString {
    /// The invite's id, by which who made it finds it in lists.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// Where it is used: `host:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// By what the house is recognised there.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.pin
    }

    #[cfg(feature = "enrolment")]
    pub(crate) fn secret(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.secret.0.to_vec())
    }
}

impl fmt::Display for InviteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(Vec::with_capacity(
            HEAD_BYTES + ID_BYTES + SECRET_BYTES + PIN_BYTES + self.endpoint.len() + CHECK_BYTES,
        ));
        let body = ID_BYTES + SECRET_BYTES + PIN_BYTES + self.endpoint.len() + CHECK_BYTES;
        bytes.extend(head(u16::try_from(body).expect("an endpoint has at most 260 bytes")));
        bytes.extend(self.id.as_bytes());
        bytes.extend(self.secret.0.as_slice());
        bytes.extend(self.pin.0);
        bytes.extend(self.endpoint.as_bytes());
        let check = check::<CHECK_BYTES>(&bytes);
        bytes.extend(check);
        let text = Zeroizing::new(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase());
        write!(f, "{PREFIX}{VERSION}{}", *text)
    }
}

impl FromStr for InviteString {
    type Err = InviteError;

    /// White space is left out wherever it stands, since mail breaks long words; capitals are as good as small letters.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text: Zeroizing<String> = Zeroizing::new(text.chars().filter(|letter| !letter.is_whitespace()).collect());
        let said = text.chars().count();
        let begins = text.get(..PREFIX.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(PREFIX));
        if !begins {
            // What is left of a string that was cut within its first word.
            let cut = !text.is_empty() && PREFIX.starts_with(&text.to_ascii_lowercase());
            return Err(if cut { InviteError::Cut { found: said, expected: SHORTEST } } else { InviteError::NoInvite });
        }
        let mut rest = text[PREFIX.len()..].chars();
        match rest.next() {
            Some(VERSION) => {}
            Some(version) => return Err(InviteError::OtherVersion { version }),
            None => return Err(InviteError::Cut { found: said, expected: SHORTEST }),
        }
        let digits = Zeroizing::new(rest.as_str().to_ascii_uppercase());
        // A character is looked at before the length: it may stand for several that were there.
        if let Some((at, character)) =
            digits.chars().enumerate().find(|(_, digit)| !matches!(digit, 'A'..='Z' | '2'..='7'))
        {
            return Err(InviteError::Character { place: PREFIX.len() + 2 + at, character });
        }
        let head_digits = digits_of(HEAD_BYTES);
        let Some((head_text, body_text)) = digits.split_at_checked(head_digits) else {
            return Err(InviteError::Cut { found: said, expected: SHORTEST });
        };
        let head_bytes = decode(head_text)?;
        let body_bytes = u16::from_be_bytes([head_bytes[0], head_bytes[1]]);
        if *head_bytes != head(body_bytes) {
            return Err(InviteError::Mistyped);
        }
        let expected = PREFIX.len() + 1 + head_digits + digits_of(body_bytes.into());
        match body_text.len().cmp(&digits_of(body_bytes.into())) {
            std::cmp::Ordering::Less => return Err(InviteError::Cut { found: said, expected }),
            std::cmp::Ordering::Greater => return Err(InviteError::TooLong { found: said, expected }),
            std::cmp::Ordering::Equal => {}
        }
        let mut bytes = decode(&digits)?;
        if bytes.len() < HEAD_BYTES + ID_BYTES + SECRET_BYTES + PIN_BYTES + CHECK_BYTES {
            return Err(InviteError::Mistyped);
        }
        let at = bytes.len() - CHECK_BYTES;
        let found = bytes.split_off(at);
        if check::<CHECK_BYTES>(&bytes) != *found {
            return Err(InviteError::Mistyped);
        }
        let mut left = &bytes[HEAD_BYTES..];
        let mut take = |count: usize| {
            let (taken, rest) = left.split_at(count);
            left = rest;
            taken
        };
        let id = Uuid::from_slice(take(ID_BYTES)).expect("it has 16 bytes");
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        secret.copy_from_slice(take(SECRET_BYTES));
        let pin = Pin(take(PIN_BYTES).try_into().expect("it has 32 bytes"));
        let endpoint = String::from_utf8_lossy(left).into_owned();
        check_endpoint(&endpoint)?;
        Ok(Self { id, secret: Secret(secret), pin, endpoint })
    }
}

/// How many characters the shortest string has.
const SHORTEST: usize =
    PREFIX.len() + 1 + digits_of(HEAD_BYTES + ID_BYTES + SECRET_BYTES + PIN_BYTES + 3 + CHECK_BYTES);

/// How many digits of base 32 so many bytes have.
const fn digits_of(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// How many bytes follow, and the check of that.
fn head(body_bytes: u16) -> [u8; HEAD_BYTES] {
    let [high, low] = body_bytes.to_be_bytes();
    let [one, two, three] = check::<3>(&[high, low]);
    [high, low, one, two, three]
}

/// The first bytes of the hash of the prefix and of this.
fn check<const BYTES: usize>(of: &[u8]) -> [u8; BYTES] {
    let mut all = Zeroizing::new(format!("{PREFIX}{VERSION}").into_bytes());
    all.extend(of);
    digest(&SHA256, &all).as_ref()[..BYTES].try_into().expect("a hash has more bytes")
}

fn decode(digits: &str) -> Result<Zeroizing<Vec<u8>>, InviteError> {
    BASE32_NOPAD.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|error| match error.kind {
        DecodeKind::Length | DecodeKind::Symbol | DecodeKind::Trailing | DecodeKind::Padding => InviteError::Mistyped,
    })
}

fn check_endpoint(endpoint: &str) -> Result<(), InviteError> {
    let wrong = || InviteError::Endpoint { endpoint: endpoint.to_owned() };
    let plain = endpoint.len() <= ENDPOINT_BYTES_MAX && endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && !endpoint.contains("://") && Address::parse(endpoint, None).is_ok() { Ok(()) } else { Err(wrong()) }
}

/// Why a string is no invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// It begins otherwise.
    #[error(
        "this is no invite: an invite begins with {PREFIX}. Copy the whole string, from its first to its last character"
    )]
    NoInvite,
    /// It was made by a later version of the house.
    #[error("this invite has version {version}, and this program knows version {VERSION}: take a newer program")]
    OtherVersion {
        /// Its version.
        version: char,
    },
    /// Its end is missing.
    #[error(
        "the invite is cut: it has {found} characters of at least {expected}. Copy the whole string, from its first to its \
         last character"
    )]
    Cut {
        /// How many characters are there.
        found: usize,
        /// How many there are in all, as far as what is left tells it.
        expected: usize,
    },
    /// Something follows its end.
    #[error(
        "something follows the end of the invite: it has {found} characters, and {expected} are its own. Copy it alone, once"
    )]
    TooLong {
        /// How many characters are there.
        found: usize,
        /// How many are its own.
        expected: usize,
    },
    /// A character that no invite has.
    #[error(
        "character {place} of the invite is {character:?}, which no invite has: they have a-z and 2-7. Copy the string, do \
         not type it"
    )]
    Character {
        /// Its place, from 1, white space left out.
        place: usize,
        /// The character.
        character: char,
    },
    /// A character is another one than it was.
    #[error("the invite was changed on its way: one of its characters is another. Copy the string, do not type it")]
    Mistyped,
    /// It does not say where it is used.
    #[error("{endpoint:?} is no enrolment endpoint of the form HOST:PORT: tell the operator of the house")]
    Endpoint {
        /// What it says.
        endpoint: String,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn invite() -> InviteString {
        let new = NewInvite::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000));
        new.string("clearing.points.example:7444", Pin([7; PIN_BYTES])).unwrap()
    }

    #[test]
    fn an_invite_reads_back_as_it_was_written_however_it_was_sent() {
        let invite = invite();
        let text = invite.to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{text}");
        assert!(text.starts_with("clearinginvite1") && text.len() < 200, "{text}");
        let broken = format!(" {}\r\n{}\n", &text[..70], &text[70..]);
        for sent in [text.clone(), broken, text.to_uppercase()] {
            assert_eq!(sent.parse(), Ok(invite.clone()), "{sent}");
        }
        for endpoint in ["[::1]:1", "a.b:65535", "10.0.0.1:7444"] {
            let other = InviteString { endpoint: endpoint.to_owned(), ..invite.clone() };
            assert_eq!(other.to_string().parse(), Ok(other));
        }
    }

    #[test]
    fn wherever_an_invite_is_cut_it_says_that_it_is_cut() {
        let text = invite().to_string();
        for end in 1..text.len() {
            let error = text[..end].parse::<InviteString>().unwrap_err();
            let InviteError::Cut { found, expected } = error else { panic!("{end}: {error:?}") };
            assert_eq!(found, end);
            assert!(expected > end || expected == SHORTEST, "{end}: {expected}");
            if end > PREFIX.len() + 1 + 8 {
                assert_eq!(expected, text.len());
            }
        }
        assert_eq!("".parse::<InviteString>(), Err(InviteError::NoInvite));
        let twice = format!("{text}{}", &text[15..]);
        let too_long = InviteError::TooLong { found: twice.len(), expected: text.len() };
        assert_eq!(twice.parse::<InviteString>(), Err(too_long));
    }

    #[test]
    fn whichever_character_is_another_the_invite_says_that_it_was_changed() {
        let text = invite().to_string();
        for at in 0..text.len() {
            for other in ['a', 'b', 'z', '2', '7', '1', '0', '-', 'ä'] {
                if text[at..].starts_with(other) {
                    continue;
                }
                let wrong = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                let error = wrong.parse::<InviteString>().unwrap_err();
                let digit = other.is_ascii_lowercase() || ('2'..='7').contains(&other);
                let expected = match at {
                    ..14 => InviteError::NoInvite,
                    14 => InviteError::OtherVersion { version: other },
                    15.. if digit => InviteError::Mistyped,
                    15.. => InviteError::Character { place: at + 1, character: other.to_ascii_uppercase() },
                };
                assert_eq!(error, expected, "{at} {other}");
            }
        }
    }

    #[test]
    fn the_secret_of_an_invite_is_not_in_what_debug_prints() {
        let invite = invite();
        let secret = HEXLOWER.encode(invite.secret.0.as_slice());
        let list = format!("{:?}", invite.secret.0.as_slice());
        let said = format!("{invite:?} {:?}", NewInvite::at(SystemTime::UNIX_EPOCH));
        assert!(!said.contains(&secret) && !said.contains(&list) && said.contains(".."), "{said}");
    }

    #[test]
    fn two_invites_share_neither_id_nor_secret() {
        let (one, other) = (invite(), invite());
        assert_ne!(one.id, other.id);
        assert_ne!(one.secret, other.secret);
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let new = NewInvite::at(SystemTime::UNIX_EPOCH);
        for wrong in ["", "host", "https://host:1", "host:99999", "ho st:1", &format!("{}:1", "a".repeat(300))] {
            let refused = new.string(wrong, Pin([0; PIN_BYTES]));
            assert_eq!(refused, Err(InviteError::Endpoint { endpoint: wrong.to_owned() }));
        }
    }
}
