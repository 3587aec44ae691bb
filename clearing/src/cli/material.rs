//! What a server needs besides its configuration: certificates and the identifier key, read from their files.

use std::fs;
use std::path::Path;

use clearing_certs::write_private;

use super::failure::{Failure, with_causes};
use crate::clock;
use crate::config::ServerSettings;
use crate::tls::{TlsMaterial, server_config};

/// Bytes of an identifier key.
const IDENTIFIER_KEY_BYTES: usize = 32;

/// Reads the certificates and makes sure that a server can be made of them.
pub fn tls(settings: &ServerSettings) -> Result<TlsMaterial, Failure> {
    let material = TlsMaterial {
        ca_pem: read("tls.ca", &settings.ca)?,
        cert_pem: read("tls.cert", &settings.cert)?,
        key_pem: read("tls.key", &settings.key)?,
        crl_pem: settings.crl.as_deref().map(|path| read("tls.crl", path)).transpose()?,
    };
    server_config(&material).map_err(|error| {
        Failure::usage(with_causes(&error)).hint("check the files of tls.ca, tls.cert, tls.key and tls.crl")
    })?;
    Ok(material)
}

/// Reads the identifier key.
pub fn identifier_key(settings: &ServerSettings) -> Result<[u8; IDENTIFIER_KEY_BYTES], Failure> {
    let text = read("keys.identifier_key", &settings.identifier_key)?;
    parse_key(text.trim()).ok_or_else(|| {
        let digits = IDENTIFIER_KEY_BYTES * 2;
        // Nothing of what is in the file is shown: it may be most of a secret.
        let place = settings.identifier_key.display();
        Failure::usage(format!("keys.identifier_key: {place} is malformed: not {digits} hexadecimal digits"))
            .hint("restore the key from its backup; a new one would not find the members that are known")
    })
}

/// Makes an identifier key and writes it.
pub fn make_identifier_key(path: &Path) -> Result<(), Failure> {
    let key: [u8; IDENTIFIER_KEY_BYTES] = clock::random_bytes();
    let text: String = key.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(hex_digit).chain(['\n']).collect();
    write_private(path, &text).map_err(|error| Failure::file("cannot write", path, &error))
}

fn read(key: &str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::file(&format!("{key}: cannot read"), path, &error)
            .hint(format!("put the file there, or set {key} to where it is; `clearing init` makes all of them"))
    })
}

fn parse_key(text: &str) -> Option<[u8; IDENTIFIER_KEY_BYTES]> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || text.len() != IDENTIFIER_KEY_BYTES * 2 {
        return None;
    }
    let mut key = [0; IDENTIFIER_KEY_BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(key)
}

fn hex_digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).expect("half a byte is below 16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        let text = "00ff".repeat(16);
        let key = parse_key(&text).unwrap();
        assert_eq!((key[0], key[1], key[31]), (0, 0xff, 0xff));
        for wrong in [String::new(), "0".repeat(63), "0".repeat(65), "g".repeat(64), "ä".repeat(32)] {
            assert_eq!(parse_key(&wrong), None);
        }
    }
}
