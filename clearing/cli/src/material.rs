//! What a server needs besides its configuration: certificates and the identifier key, read from their files.

use std::fs;
use std::path::Path;

use clearing::config::ServerSettings;
use clearing::identifier::{IdentifierKey, KEY_BYTES};
use clearing::tls::{TlsMaterial, server_config};
use clearing_certs::{SecretError, read_private, write_private_new};
use zeroize::Zeroizing;

use crate::failure::{Failure, with_causes};

/// Reads the certificates and makes sure that a server can be made of them.
pub fn tls(settings: &ServerSettings) -> Result<TlsMaterial, Failure> {
    let material = TlsMaterial {
        ca_pem: read("tls.ca", &settings.ca)?,
        cert_pem: read("tls.cert", &settings.cert)?,
        key_pem: secret("tls.key", &settings.key)?,
        crl_pem: settings.crl.as_deref().map(|path| read("tls.crl", path)).transpose()?,
    };
    server_config(&material).map_err(|error| {
        Failure::usage(with_causes(&error)).hint("check the files of tls.ca, tls.cert, tls.key and tls.crl")
    })?;
    Ok(material)
}

/// Reads the identifier key.
pub fn identifier_key(path: &Path) -> Result<IdentifierKey, Failure> {
    let text = secret("keys.identifier_key", path)?;
    IdentifierKey::from_hex(text.trim()).ok_or_else(|| {
        let (place, digits) = (path.display(), KEY_BYTES * 2);
        // Nothing of what is in the file is shown: it may be most of a secret.
        Failure::usage(format!("keys.identifier_key: {place} is malformed: not {digits} hexadecimal digits"))
            .hint("restore the key from its backup; a new one would not find the members that are known")
    })
}

/// Writes a new identifier key.
pub fn write_identifier_key(path: &Path, key: &IdentifierKey) -> Result<(), Failure> {
    let mut text = key.expose_hex();
    text.push('\n');
    write_private_new(path, &text).map_err(|error| Failure::file("cannot write", path, &error))
}

/// Reads a secret that a key of the configuration names: its owner's alone.
pub fn secret(key: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    read_private(path).map_err(|error| match error {
        SecretError::Unreadable { .. } => Failure::usage(format!("{key}: {error}")).hint(where_it_goes(key)),
        SecretError::Wide { .. } => too_wide(&format!("{key}: "), &error, path),
    })
}

/// Others than its owner have a right to a file that holds a secret.
pub fn too_wide(before: &str, error: &SecretError, path: &Path) -> Failure {
    Failure::usage(format!("{before}{error}"))
        .hint(format!("chmod 600 {}; if somebody may have read it meanwhile, replace the secret", path.display()))
}

fn read(key: &str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::file(&format!("{key}: cannot read"), path, &error).hint(where_it_goes(key)))
}

fn where_it_goes(key: &str) -> String {
    format!("put the file there, or set {key} to where it is; `clearing init` makes all of them")
}
