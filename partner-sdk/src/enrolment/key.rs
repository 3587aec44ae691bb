//! Keys that are made where they are used, and never leave it: what is sent is a signing request.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SigningKey as _,
};
use zeroize::Zeroizing;

use crate::error::Error;

/// A private key, ECDSA P-256 unless somebody put another one there.
pub(super) struct Key {
    pair: KeyPair,
}

impl Key {
    /// A new one.
    pub(super) fn generate() -> Result<Self, Error> {
        Ok(Self { pair: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| of_library(&error))? })
    }

    /// One that was kept, as PKCS#8 PEM.
    pub(super) fn from_pem(pem: &str) -> Result<Self, Error> {
        Ok(Self { pair: KeyPair::from_pem(pem).map_err(|error| of_library(&error))? })
    }

    /// As it is kept.
    pub(super) fn pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }

    /// A signing request (PKCS#10, DER) that says nothing but the key: all else is the house's to say.
    pub(super) fn csr(&self) -> Result<Vec<u8>, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(&self.pair).map_err(|error| of_library(&error))?;
        Ok(csr.der().to_vec())
    }

    /// A signature in the form of the key's algorithm in X.509.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.pair.sign(message).map_err(|error| of_library(&error))
    }

    /// Its public half: the DER of SubjectPublicKeyInfo.
    pub(super) fn public(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }
}

fn of_library(error: &rcgen::Error) -> Error {
    Error::Config { what: "the private key", problem: error.to_string() }
}
