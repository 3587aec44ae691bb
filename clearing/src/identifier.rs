//! Identifiers of members: only a keyed hash is ever stored, so that nobody who reads the database can tell, or try
//! out, whose card or phone it is.

use clearing_core::units::{IdentifierHash, PartnerId, RequestId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The coalition's secret key for identifiers. Whoever loses it loses the members: back it up apart from the database.
#[derive(Clone)]
pub struct IdentifierKey([u8; 32]);

impl std::fmt::Debug for IdentifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentifierKey(..)")
    }
}

impl IdentifierKey {
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
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

    /// Each part with its length before it, so that no two lists of parts read the same.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}
