//! `clearing certificate renew`: a successor for the certificate that the operator's commands show, with a new key.

use std::fs;
use std::path::{Path, PathBuf};

use clearing_certs::{PrivateKey, SecretError, read_private, write_private_new};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::files::{NewText, is_there, replace_all};
use crate::material::{secret, too_wide};
use crate::output::{Answer, Page};
use crate::session::{Session, moment};

/// Runs it.
///
/// If the answer of the house is lost the same command is said again: the next key is kept beside the one in use until then, and
/// for it the house gives the same certificate.
pub async fn run(context: &Context) -> Result<Answer, Failure> {
    let settings = context.config()?.client()?;
    let session = Session::with(context, &settings).await?;
    let next = next_to(&settings.key);
    let key = next_key(&next, &settings.key)?;
    let issued = session.client.renew_certificate(&key.signing_request()?).await?;
    replace_all(&[
        NewText { path: settings.key.clone(), text: key.expose_pem().to_owned(), secret: true },
        NewText { path: settings.cert.clone(), text: issued.certificate_pem, secret: false },
        NewText { path: settings.ca.clone(), text: issued.ca_pem, secret: false },
    ])?;
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

/// The file of the next key, beside that of the one in use.
fn next_to(key: &Path) -> PathBuf {
    let name = key.file_name().unwrap_or_default().to_string_lossy();
    key.with_file_name(format!("{name}.next"))
}

/// The next key: the one that was kept when the command was broken off, or a new one.
fn next_key(path: &Path, in_use: &Path) -> Result<PrivateKey, Failure> {
    if is_there(path) {
        let kept = read_private(path).map_err(|error| match error {
            SecretError::Unreadable { .. } => Failure::usage(&error).hint("remove it: a new one is made then"),
            SecretError::Wide { .. } => too_wide("", &error, path),
        })?;
        // It may have been put in its place, and not been removed here any more.
        if *kept != *secret("client.key", in_use)? {
            return Ok(PrivateKey::open(&kept, None)?);
        }
        fs::remove_file(path).map_err(|error| Failure::file("cannot remove", path, &error))?;
    }
    let key = PrivateKey::generate()?;
    write_private_new(path, key.expose_pem()).map_err(|error| Failure::file("cannot write", path, &error))?;
    Ok(key)
}
