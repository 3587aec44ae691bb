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
//! A coalition has a root, whose key is kept away, and below it the authority that issues from day to day ([`Tier`]). What that
//! one issues brings its certificate along, so that who trusts the root believes it, also when another one takes its place.
//!
//! Keys are ECDSA P-256, made by aws-lc. Those of authorities may be kept under a passphrase ([`PrivateKey::seal`]).

mod authority;
mod identity;
mod key_file;
mod sealed;

pub use authority::{
    Authority, CertError, Issued, PrivateKey, Revoked, ServerAddress, SigningRequest, Tier, Validity, is_vouched_for,
    verify_holder,
};
pub use identity::{DOMAIN_LENGTH_MAX, Identity, IdentityError, Kind, parse_identity, serial_hex};
pub use key_file::{SecretError, check_private, read_private, write_private, write_private_new};
pub use sealed::{Passphrase, is_sealed};
