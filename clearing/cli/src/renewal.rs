//! `clearing certificate renew`: a successor for the certificate that the operator's commands show, with a new key.

use std::fs;
use std::path::{Path, PathBuf};

use clearing::config::ClientSettings;
use clearing::tls::credentials::check_key;
use clearing_certs::{PrivateKey, SecretError, read_private, write_private_new};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::files::{NewText, is_there, replace_all};
use crate::material::too_wide;
use crate::output::{Answer, Page};
use crate::session::{Session, moment};

/// Runs it.
///
/// If the answer of the house is lost the same command is said again: the next key is kept beside the one in use until then, and
/// for it the house gives the same certificate.
pub async fn run(context: &Context) -> Result<Answer, Failure> {
    let config = context.config()?;
    let settings = config.client()?;
    let trusted_by_house = config.server().ok().map(|house| house.ca);
    take_up(&next_to(&settings.key), &settings)?;
    let session = Session::with(context, &settings).await?;
    let next = next_to(&settings.key);
    let key = next_key(&next)?;
    let issued = session.client.renew_certificate(&key.signing_request()?).await?;
    // The key comes last: until then it is found beside the one in use.
    let mut files = vec![NewText::public(settings.cert.clone(), issued.certificate_pem)];
    // Whom the house trusts is not for the house to write, which may not have read it yet.
    if trusted_by_house.as_ref() != Some(&settings.ca) {
        files.push(NewText::public(settings.ca.clone(), issued.ca_pem));
    }
    files.push(NewText::secret(settings.key.clone(), key.expose_pem().to_owned()));
    replace_all(&files)?;
    fs::remove_file(&next).map_err(|error| Failure::file("cannot remove", &next, &error))?;
    let holder = issued.holder.to_string();
    let json = json!({
        "serial": issued.serial,
        "holder": holder,
        "renew_time": moment(issued.renew_time),
        "end_time": moment(issued.end_time),
        "cert_file": settings.cert,
        "key_file": settings.key,
        "ca_file": settings.ca,
    });
    let page = Page::new()
        .text(format!(
            "Renewed the certificate of {holder}: {}, valid until {}, in {}.",
            issued.serial,
            session.zone.text(issued.end_time),
            settings.cert.display()
        ))
        .text("The former one stays valid until its end. If somebody else may have its key, revoke it:")
        .next("clearing certificate list   (then clearing certificate revoke SERIAL --reason ...)");
    Ok(Answer::new(json, page))
}

/// Goes on where a renewal was broken off: if the certificate is that of the next key, that one is in use.
fn take_up(next: &Path, settings: &ClientSettings) -> Result<(), Failure> {
    let (Ok(key), Ok(cert)) = (read_private(next), fs::read_to_string(&settings.cert)) else { return Ok(()) };
    if check_key("client certificate", &cert, &key).is_err() {
        return Ok(());
    }
    replace_all(&[NewText::secret(settings.key.clone(), key)])?;
    fs::remove_file(next).map_err(|error| Failure::file("cannot remove", next, &error))
}

/// The file of the next key, beside that of the one in use.
fn next_to(key: &Path) -> PathBuf {
    let name = key.file_name().unwrap_or_default().to_string_lossy();
    key.with_file_name(format!("{name}.next"))
}

/// The next key: the one that was kept when the command was broken off, or a new one.
fn next_key(path: &Path) -> Result<PrivateKey, Failure> {
    if is_there(path) {
        let kept = read_private(path).map_err(|error| match error {
            SecretError::Unreadable { .. } => Failure::usage(&error).hint("remove it: a new one is made then"),
            SecretError::Wide { .. } => too_wide("", &error, path),
        })?;
        return Ok(PrivateKey::open(&kept, None)?);
    }
    let key = PrivateKey::generate()?;
    write_private_new(path, key.expose_pem()).map_err(|error| Failure::file("cannot write", path, &error))?;
    Ok(key)
}
