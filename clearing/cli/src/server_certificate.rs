//! `clearing certificate server`: a new certificate for the house, in the place of the one that it shows.

use clap::Args;
use clearing::tls::credentials::{Certificate, check_client, check_server};
use clearing_certs::{Authority, ServerAddress};
use serde_json::json;

use crate::authority::Place;
use crate::certificate::{CERTIFICATE_DAYS, valid_for};
use crate::context::Context;
use crate::failure::Failure;
use crate::files::{NewText, replace_all};
use crate::material::{of_tls, public};
use crate::output::{Answer, Page};
use crate::passphrase::PassphraseFlags;
use crate::values;

/// Arguments of `certificate server`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A name or address under which partners reach the house; may be repeated. This machine's own names are always in it. Left
    /// out: the names that the certificate has now.
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
    /// How many days it is valid.
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS, value_parser = |text: &str| values::between::<i64>(text, 1, 3_650))]
    days: i64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Runs it.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let issuing = arguments.place.folder(context)?.issuing(context, &arguments.passphrase)?;
    let Replaced { json, page } = replace(context, &issuing, &arguments.server_names, Some(arguments.days))?;
    let page = page.next("send SIGHUP to the house: new connections use it, and none that is open ends");
    Ok(Answer::new(json, page))
}

/// What was put in the place of the old one.
pub struct Replaced {
    pub json: serde_json::Value,
    pub page: Page,
}

/// Makes a new server certificate, and writes it and its key where the configuration has the old ones, both or neither.
///
/// # Errors
/// Names that are none, files that cannot be read or written; a certificate that whoever trusts `tls.ca` would not believe.
pub fn replace(
    context: &Context,
    issuing: &Authority,
    names: &[String],
    days: Option<i64>,
) -> Result<Replaced, Failure> {
    let settings = context.config()?.server()?;
    let mut addresses = ServerAddress::loopback();
    let now = if names.is_empty() { names_of(&public("tls.cert", &settings.cert)?)? } else { names.to_vec() };
    for name in now {
        let address = name.parse().map_or_else(|_| ServerAddress::Dns(name.clone()), ServerAddress::Ip);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let validity = valid_for(days.unwrap_or(CERTIFICATE_DAYS));
    let (issued, key) = issuing.issue_server(&addresses, validity)?;
    let ca = public("tls.ca", &settings.ca)?;
    check_server(&ca, &issued.cert_pem, None).map_err(|error| of_tls("the new server certificate, tls.ca", &error))?;
    replace_all(&[
        NewText::secret(settings.key.clone(), key.expose_pem().to_owned()),
        NewText::public(settings.cert.clone(), issued.cert_pem.clone()),
    ])?;
    let names = names_of(&issued.cert_pem)?;
    let json = json!({
        "serial": issued.serial_hex,
        "names": names,
        "not_after": validity.not_after.to_string(),
        "cert_file": settings.cert,
        "key_file": settings.key,
    });
    let page = Page::new().text(format!(
        "Made the server certificate {} for {}, valid until {}, in {}.",
        issued.serial_hex,
        names.join(", "),
        validity.not_after,
        settings.cert.display()
    ));
    Ok(Replaced { json, page })
}

fn names_of(cert: &str) -> Result<Vec<String>, Failure> {
    let read = Certificate::read("server certificate", cert).map_err(|error| of_tls("tls.cert", &error))?;
    Ok(read.into_iter().next().expect("a text without one was refused").names)
}

/// Makes sure that the house and the operator's commands need no other root than this one.
///
/// # Errors
/// The certificate that still does, and how to renew it.
pub fn check_all_of(context: &Context, root: &str) -> Result<(), Failure> {
    let config = context.config()?;
    if let Ok(settings) = config.server() {
        let cert = public("tls.cert", &settings.cert)?;
        check_server(root, &cert, None).map_err(|error| {
            of_tls("tls.cert", &error).hint("clearing certificate server makes one of the authority in force")
        })?;
    }
    if let Some(settings) = config.client().ok().filter(|settings| settings.cert.exists()) {
        let cert = public("client.cert", &settings.cert)?;
        check_client(root, None, "client certificate", &cert).map_err(|error| {
            of_tls("client.cert", &error).hint("renew the operator's first: clearing certificate renew")
        })?;
    }
    Ok(())
}
