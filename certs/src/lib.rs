//! The coalition's certificate authority.
//!
//! It issues the identities that the clearing house trusts: one server certificate for the house, one client certificate
//! per partner or auditor, and the list of those that are trusted no more. It never reads a clock (every date is the
//! caller's), never keeps state (numbers of lists and the register of what was issued are the caller's), and never takes
//! anything but the public key from a request somebody else wrote.
//!
//! An identity is exactly one URI name in the certificate, after the SPIFFE form:
//!
//! | who | name |
//! |---|---|
//! | the authority | `spiffe://<coalition domain>` |
//! | a partner, the operator among them | `spiffe://<coalition domain>/partner/<id>` |
//! | an auditor | `spiffe://<coalition domain>/auditor/<name>` |
//!
//! Keys are ECDSA P-256, made by aws-lc.

mod authority;
mod identity;
mod key_file;

pub use authority::{
    Authority, CertError, Issued, PrivateKey, Revoked, ServerAddress, SigningRequest, Validity, verify_holder,
};
pub use identity::{DOMAIN_LENGTH_MAX, Identity, IdentityError, Kind, parse_identity};
pub use key_file::{SecretError, check_private, read_private, write_private, write_private_new};
