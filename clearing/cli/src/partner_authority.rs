//! `clearing partner authority`: a brand that has a PKI of its own lets that one vouch for it.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clearing::tls::credentials::check_authority;
use clearing_core::units::PartnerId;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::files::{Made, NewText, is_there, replace_all};
use crate::irrevocable::confirmed;
use crate::material::of_tls;
use crate::output::{Answer, Page};

/// Arguments of `partner authority`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["cert", "remove"])))]
pub struct Arguments {
    /// Whom it vouches for.
    partner: String,
    /// The certificate of the partner's authority, PEM. It takes the place of one that was there.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Takes it away: what it issued opens no connection any more.
    #[arg(long)]
    remove: bool,
    /// Removes without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long, requires = "remove", conflicts_with = "cert")]
    yes: bool,
}

/// Runs it.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let settings = context.config()?.server()?;
    let folder = settings.partner_authorities.ok_or_else(|| {
        Failure::usage("tls.partner_authorities is not configured")
            .hint("set it to a folder, such as partner-authorities, and send SIGHUP to the house")
    })?;
    let partner: PartnerId = arguments.partner.parse().map_err(|error| {
        Failure::usage(format!("{:?}: {error}", arguments.partner))
            .hint("name a partner by its id: clearing partner list")
    })?;
    if partner.is_operator() {
        return Err(Failure::usage("the operator's people have certificates of the coalition").hint("name a brand"));
    }
    let path = folder.join(format!("{partner}.pem"));
    let next = "copy the folder to every node and send SIGHUP: who comes by an authority that is gone is out then";
    let Some(cert) = &arguments.cert else {
        if !is_there(&path) {
            return Err(Failure::usage(format!(
                "{partner} has no authority of its own: {} is not there",
                path.display()
            )));
        }
        let sentence = format!("ends the trust in the own authority of {partner}");
        confirmed(arguments.yes, context.output, &sentence)?;
        fs::remove_file(&path).map_err(|error| Failure::file("cannot remove", &path, &error))?;
        let page = Page::new().text(format!("The own authority of {partner} is not trusted any more.")).next(next);
        return Ok(Answer::new(json!({ "partner": partner.to_string(), "removed": true }), page));
    };
    let text = fs::read_to_string(cert).map_err(|error| Failure::file("cannot read", cert, &error))?;
    let read = check_authority(&text).map_err(|error| of_tls(&cert.display().to_string(), &error))?;
    let mut made = Made::new();
    made.folder(&folder)?;
    replace_all(&[NewText::public(path.clone(), text)])?;
    made.keep();
    let json = json!({
        "partner": partner.to_string(),
        "subject": read.subject,
        "serial": read.serial_hex,
        "not_after": read.not_after.to_string(),
        "cert_file": path,
    });
    let page = Page::new()
        .text(format!("{} vouches for {partner} alone, until {}.", read.subject, read.not_after))
        .text(format!("Its certificates name spiffe://{}/partner/{partner} as their one URI name.", settings.domain))
        .next(next);
    Ok(Answer::new(json, page))
}
