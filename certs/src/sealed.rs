//! Private keys under a passphrase, in the form that `openssl pkcs8 -topk8 -scrypt` writes and reads: PKCS#8 with PBES2, the
//! key by scrypt, the cipher AES-256 in CBC.

use std::fmt;

use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::authority::{CertError, PrivateKey};

/// The words between which a sealed key stands.
const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const LABEL_OPEN: &str = "PRIVATE KEY";

/// What guessing costs: 2^14 blocks of 1 KiB (16 MiB, as much as openssl takes of a file), 8 times.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 8;

/// What opens a sealed key. It prints as nothing, and is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A text of at least one character; none if it is empty.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Whether a text is a key that needs a passphrase.
#[must_use]
pub fn is_sealed(key_pem: &str) -> bool {
    key_pem.lines().any(|line| line.trim_end() == format!("-----BEGIN {LABEL}-----"))
}

impl PrivateKey {
    /// The key as PEM that nobody reads without the passphrase.
    ///
    /// # Errors
    ///
    /// A key that is none.
    pub fn seal(&self, passphrase: &Passphrase) -> Result<String, CertError> {
        let (_, open) = SecretDocument::from_pem(self.expose_pem()).map_err(|error| unreadable(&error))?;
        let key = PrivateKeyInfoRef::try_from(open.as_bytes()).map_err(|error| unreadable(&error))?;
        let params = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).expect("constants that scrypt takes");
        let (salt, iv) = (random_bytes()?, random_bytes()?);
        let params =
            pbes2::Parameters::generate_scrypt_aes256cbc(params, &salt, iv).map_err(|error| unreadable(&error))?;
        let sealed = key.encrypt_with_params(params, passphrase.0.as_bytes()).map_err(|error| unreadable(&error))?;
        let pem = sealed.to_pem(LABEL, LineEnding::LF).map_err(|error| unreadable(&error))?;
        Ok(pem.as_str().to_owned())
    }

    /// The key of a PEM text, sealed or not.
    ///
    /// # Errors
    ///
    /// [`CertError::Sealed`] without a passphrase where one is needed, [`CertError::WrongPassphrase`], a text that is none.
    pub fn open(key_pem: &str, passphrase: Option<&Passphrase>) -> Result<Self, CertError> {
        if !is_sealed(key_pem) {
            return Ok(Self::from_text(key_pem));
        }
        let passphrase = passphrase.ok_or(CertError::Sealed)?;
        let (_, sealed) = SecretDocument::from_pem(key_pem).map_err(|error| unreadable(&error))?;
        let sealed = EncryptedPrivateKeyInfoRef::try_from(sealed.as_bytes()).map_err(|error| unreadable(&error))?;
        let open = sealed.decrypt(passphrase.0.as_bytes()).map_err(|_| CertError::WrongPassphrase)?;
        // With a wrong passphrase the padding may come out right by chance, and what is inside is no key then.
        PrivateKeyInfoRef::try_from(open.as_bytes()).map_err(|_| CertError::WrongPassphrase)?;
        let pem = open.to_pem(LABEL_OPEN, LineEnding::LF).map_err(|error| unreadable(&error))?;
        Ok(Self::from_text(&pem))
    }
}

fn random_bytes() -> Result<[u8; 16], CertError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

fn unreadable(error: &dyn fmt::Display) -> CertError {
    CertError::Unreadable { what: "private key", why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_passphrase_never_prints_and_is_never_empty() {
        assert_eq!(format!("{:?}", passphrase("secret")), "Passphrase(..)");
        assert_eq!(Passphrase::new(Zeroizing::new(String::new())), None);
    }
}
