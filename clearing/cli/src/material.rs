//! What a server needs besides its configuration: certificates and the identifier key, read from their files.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use clearing::clock::Clock;
use clearing::config::ServerSettings;
use clearing::enrolment::EnrolmentOptions;
use clearing::identifier::{IdentifierKey, KEY_BYTES};
use clearing::tls::credentials::{Certificate, check_key};
use clearing::tls::{TlsError, TlsMaterial, server_config};
use clearing_certs::{PrivateKey, SecretError, is_sealed, read_private, write_private_new};
use clearing_core::units::PartnerId;
use zeroize::Zeroizing;

use crate::failure::{Failure, with_causes};
use crate::passphrase::configured;

/// Reads the certificates and makes sure that a server can be made of them, whom somebody may believe at this moment.
pub fn tls(settings: &ServerSettings) -> Result<TlsMaterial, Failure> {
    let material = TlsMaterial {
        ca_pem: public("tls.ca", &settings.ca)?,
        cert_pem: public("tls.cert", &settings.cert)?,
        key_pem: secret("tls.key", &settings.key)?,
        crl_pem: settings.crl.as_deref().map(|path| public("tls.crl", path)).transpose()?,
        partner_ca_pems: partner_authorities(settings)?,
    };
    own("server certificate", ("tls.cert", &settings.cert), (&material.cert_pem, &material.key_pem))?;
    server_config(&material).map_err(|error| {
        let files = "tls.ca, tls.cert, tls.key and tls.crl";
        of_tls(files, &error)
    })?;
    Ok(material)
}

/// Partners' own authorities, by partner: the files P.pem of the folder that is configured. One that is not there has none.
pub fn partner_authorities(settings: &ServerSettings) -> Result<BTreeMap<String, String>, Failure> {
    const KEY: &str = "tls.partner_authorities";
    let Some(folder) = settings.partner_authorities.as_deref().filter(|folder| folder.exists()) else {
        return Ok(BTreeMap::new());
    };
    let wrong = |error: io::Error| Failure::file(&format!("{KEY}: cannot read"), folder, &error);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let Some(partner) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.extension().is_some_and(|extension| extension == "pem") {
            let id = partner.parse::<PartnerId>().map_err(|error| {
                Failure::usage(format!("{KEY}: {}: {error}", path.display())).hint("a file is called PARTNER.pem")
            })?;
            found.insert(id.to_string(), public(KEY, &path)?);
        }
    }
    Ok(found)
}

/// Makes sure that a key is that of a certificate, and that the certificate is valid at this moment: `what` is what it is
/// called, `place` the key of the configuration and the file.
pub fn own(what: &'static str, place: (&str, &Path), (cert, key): (&str, &str)) -> Result<Certificate, Failure> {
    let place = format!("{} ({})", place.0, place.1.display());
    let wrong = |error: &TlsError| of_tls(&place, error);
    let read = Certificate::read(what, cert).map_err(|error| wrong(&error))?;
    let certificate = read.into_iter().next().expect("a text without one was refused");
    check_key(what, cert, key).map_err(|error| wrong(&error))?;
    certificate.judge(Clock::system().now()).map_err(|error| wrong(&error))?;
    Ok(certificate)
}

/// What is wrong with a certificate, where it is, and what to do.
pub fn of_tls(place: &str, error: &TlsError) -> Failure {
    let hint = match error {
        TlsError::Ended { .. } | TlsError::NotYet { .. } => {
            "look at the clock of this machine; if it is right, let the coalition's authority issue a new certificate. A house \
             that is open reads it again at SIGHUP"
        }
        TlsError::OtherKey { .. } => "name the key that was made with this certificate, or the certificate of this key",
        TlsError::OtherAuthority { .. } => {
            "name the certificate of the authority that signed it, or let that one sign it"
        }
        TlsError::OtherName { .. } => {
            "let the authority issue one with this name (`clearing init --server-name`), or name a host that it has"
        }
        TlsError::NoAuthority => "name the certificate of the authority itself, not one that it issued",
        TlsError::Revoked { .. } => "let the coalition's authority issue a new one",
        TlsError::RevocationListMissing { .. } => {
            "put the list of each authority that issues into the file, or name no list at all"
        }
        TlsError::Unreadable { .. }
        | TlsError::Missing { .. }
        | TlsError::Malformed { .. }
        | TlsError::Verifier(_)
        | TlsError::Unusable { .. } => {
            "put the right files there, or name them; `clearing config check` tells when all is well"
        }
    };
    Failure::usage(format!("{place}: {}", with_causes(error))).hint(hint)
}

/// Reads the authority that issues, if there is one.
pub fn enrolment(settings: &ServerSettings) -> Result<Option<EnrolmentOptions>, Failure> {
    let Some(enrolment) = &settings.enrolment else { return Ok(None) };
    let key = secret("authority.key", &enrolment.authority_key)?;
    let passphrase = if is_sealed(&key) { configured(&enrolment.passphrase)? } else { None };
    let key = PrivateKey::open(&key, passphrase.as_ref()).map_err(|error| {
        let place = enrolment.authority_key.display();
        Failure::usage(format!("authority.key ({place}): {}", with_causes(&error)))
            .hint("say where its passphrase is: authority.passphrase_file or authority.passphrase_command")
    })?;
    Ok(Some(EnrolmentOptions {
        listen: enrolment.listen,
        endpoint: enrolment.endpoint.clone(),
        house_endpoint: enrolment.house_endpoint.clone(),
        authority_cert_pem: public("authority.cert", &enrolment.authority_cert)?,
        authority_key_pem: Zeroizing::new(key.expose_pem().to_owned()),
        certificate_days: enrolment.certificate_days,
    }))
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

/// Reads what everybody may know, a certificate say, from the file that a key of the configuration names.
pub fn public(key: &str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::file(&format!("{key}: cannot read"), path, &error).hint(where_it_goes(key)))
}

fn where_it_goes(key: &str) -> String {
    format!("put the file there, or set {key} to where it is; `clearing init` makes all of them")
}
