//! Identifiers of members: only a keyed hash is ever stored, so that nobody who reads the database can tell, or try
//! out, whose card or phone it is.

use clearing_core::units::{IdentifierHash, PartnerId, RequestId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::clock;

/// Bytes of an identifier key.
pub const KEY_BYTES: usize = 32;

/// The coalition's secret key for identifiers. Whoever loses it loses the members: back it up apart from the database.
/// It prints as nothing, and is wiped from memory when it is no longer needed.
#[derive(Clone)]
pub struct IdentifierKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for IdentifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentifierKey(..)")
    }
}

/// The configuration is not that of the books. Nothing may be done with it: under another key each customer is another
/// member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtherBooks {
    #[error("house.domain is {configured}, and the books are those of {books}")]
    Domain { configured: String, books: String },
    #[error("the identifier key is not the one that the books of the coalition {coalition} were made with")]
    Key { coalition: String },
}

impl IdentifierKey {
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// A new one.
    pub fn random() -> Self {
        Self::new(clock::random_bytes())
    }

    /// As the 64 hexadecimal digits of a key file, if they are.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != KEY_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    /// The digits themselves, for its file.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        let digit = |half: u8| char::from_digit(u32::from(half), 16).expect("half a byte is below 16");
        Zeroizing::new(self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(digit).collect())
    }

    /// What the database keeps, to know the key again: it tells nothing about it.
    pub fn fingerprint(&self, coalition: &str, domain: &str) -> [u8; 32] {
        self.mac(&[b"fingerprint", coalition.as_bytes(), domain.as_bytes()])
    }

    /// Whether the books of a coalition, with the domain and the fingerprint that they keep, were made with this key and
    /// the domain that is configured.
    ///
    /// # Errors
    /// Which of the two is another.
    pub fn check(
        &self,
        configured: &str,
        coalition: &str,
        domain: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), OtherBooks> {
        if configured != domain {
            return Err(OtherBooks::Domain { configured: configured.to_owned(), books: domain.to_owned() });
        }
        if self.fingerprint(coalition, domain) != *fingerprint {
            return Err(OtherBooks::Key { coalition: coalition.to_owned() });
        }
        Ok(())
    }

    /// The hash under which an identifier is stored.
    pub fn hash(&self, scheme: &str, value: &str) -> IdentifierHash {
        IdentifierHash(self.mac(&[b"identifier", scheme.as_bytes(), value.as_bytes()]))
    }

    /// The salt for the commitment to an attachment. It follows from the request, so that a repeated request makes the
    /// same commitment, and tells nothing to whoever does not have the key.
    pub fn attachment_salt(&self, partner: PartnerId, request: RequestId) -> [u8; 16] {
        let mac = self.mac(&[b"attachment", partner.as_str().as_bytes(), &request.bytes()]);
        let mut salt = [0; 16];
        salt.copy_from_slice(&mac[..16]);
        salt
    }

    /// The key under which ids and places in lists are encrypted for whoever sees them.
    pub fn of_opaque_texts(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(self.mac(&[b"opaque texts"]))
    }

    /// Each part with its length before it, so that no two lists of parts read the same.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("a key of any length will do");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        let text = "00ff".repeat(16);
        let key = IdentifierKey::from_hex(&text).unwrap();
        assert_eq!((key.0[0], key.0[1], key.0[31]), (0, 0xff, 0xff));
        assert_eq!(*key.expose_hex(), text);
        for wrong in [String::new(), "0".repeat(63), "0".repeat(65), "g".repeat(64), "ä".repeat(32)] {
            assert!(IdentifierKey::from_hex(&wrong).is_none());
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_one_key_one_coalition_and_one_domain() {
        let key = IdentifierKey::new([7; KEY_BYTES]);
        let known = key.fingerprint("points", "points.example");
        assert_eq!(key.check("points.example", "points", "points.example", &known), Ok(()));
        let other = IdentifierKey::new([8; KEY_BYTES]);
        let of_other = other.check("points.example", "points", "points.example", &known);
        assert_eq!(of_other, Err(OtherBooks::Key { coalition: "points".to_owned() }));
        let domain = key.check("other.example", "points", "points.example", &known);
        assert!(matches!(domain, Err(OtherBooks::Domain { .. })), "{domain:?}");
        assert_ne!(known, key.fingerprint("pointsp", "oints.example"));
        // It is none of the hashes that are stored for members.
        assert_ne!(known, key.hash("points", "points.example").0);
    }

    #[test]
    fn a_key_never_prints() {
        assert_eq!(format!("{:?}", IdentifierKey::new([7; KEY_BYTES])), "IdentifierKey(..)");
    }
}
