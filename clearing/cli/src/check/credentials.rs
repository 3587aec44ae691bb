//! Certificates and keys: whether they belong together, whom they name, and how long they last.

use std::net::IpAddr;
use std::path::Path;

use clearing::clock::Clock;
use clearing::config::{ClientSettings, ServerSettings};
use clearing::tls::credentials::{Certificate, check_client, check_server, next_list_due};
use clearing::tls::{TlsError, TlsMaterial, server_config};
use clearing_certs::Kind;

use super::findings::{Findings, Found};
use crate::failure::Failure;
use crate::material::{of_tls, own, partner_authorities, public, secret};

/// With fewer days left, somebody should see to the next one.
const DAYS_LEFT_MIN: i64 = 30;

/// What was read of a client's credentials.
pub struct Client {
    ca: String,
    cert: String,
    certificate: Certificate,
}

/// Those of the house. What was read of them, if all of it can be.
pub fn of_server(settings: &ServerSettings, findings: &mut Findings) -> Option<TlsMaterial> {
    let ca = authorities("authority", ("tls.ca", &settings.ca), Some(&settings.domain), findings);
    let key = findings.secret("server key", "tls.key", &settings.key);
    let cert = findings.public("server certificate", "tls.cert", &settings.cert);
    let crl = settings.crl.as_ref().map(|path| findings.public("revocation list", "tls.crl", path));
    let (ca_pem, key_pem, cert_pem) = (ca?, key?, cert?);
    let crl_pem = match crl {
        Some(read) => Some(read?),
        None => None,
    };
    let place = ("tls.cert", settings.cert.as_path());
    let found = own("server certificate", place, (&cert_pem, &key_pem)).and_then(|certificate| {
        let signed = check_server(&ca_pem, &cert_pem, None);
        signed.map_err(|error| of_tls(&format!("tls.cert ({}), tls.ca", settings.cert.display()), &error))?;
        reached(settings, &certificate)?;
        Ok(lasting(
            &certificate,
            format!("has its key, is signed by the authority, names {}", certificate.names.join(", ")),
        ))
    });
    let is_well = found.is_ok();
    findings.add("server certificate", found);
    let partner_ca_pems = findings.kept("partners' authorities", partner_authorities(settings))?;
    for (partner, pem) in &partner_ca_pems {
        let place = format!("the authority of {partner} (tls.partner_authorities)");
        let read = Certificate::read("authority certificate", pem).map_err(|error| of_tls(&place, &error));
        let found = read.and_then(|all| {
            let first = all.into_iter().next().expect("a text without one was refused");
            first.judge(Clock::system().now()).map_err(|error| of_tls(&place, &error))?;
            Ok(lasting(&first, format!("vouches for {partner} alone")))
        });
        findings.add("partner's authority", found);
    }
    let material = TlsMaterial { ca_pem, cert_pem, key_pem, crl_pem, partner_ca_pems };
    if let Some(list) = &material.crl_pem {
        findings.add("revocation list", revocations(list).map_err(|error| of_tls("tls.crl", &error)));
    }
    if let (true, Err(error)) = (is_well, server_config(&material)) {
        findings.add("TLS", Err(of_tls("tls.ca, tls.cert, tls.key, tls.crl", &error)));
    }
    Some(material)
}

/// A house that listens for others must be known to them by a name.
fn reached(settings: &ServerSettings, certificate: &Certificate) -> Result<(), Failure> {
    let address = settings.listen.ip();
    if certificate.names_others() || address.is_loopback() || address.is_unspecified() {
        return Ok(());
    }
    let error = TlsError::OtherName { host: address.to_string(), names: certificate.names.join(", ") };
    Err(of_tls("tls.cert, house.listen", &error))
}

fn revocations(list: &str) -> Result<Found, TlsError> {
    let now = Clock::system().now();
    Ok(match next_list_due(list)? {
        Some(due) if due < now => Found::but(
            format!("was to be replaced by {due}, and still counts"),
            "let the coalition's authority make a new one, so that whoever was revoked since is refused",
        ),
        Some(due) => Found::well(format!("is to be replaced by {due}")),
        None => Found::well("names no end"),
    })
}

/// Those of the operator's commands. What was read of them, if all of it can be used.
pub fn of_client(settings: &ClientSettings, findings: &mut Findings) -> Option<Client> {
    let ca = authorities("authority of the client", ("client.ca", &settings.ca), None, findings);
    let key = findings.secret("client key", "client.key", &settings.key);
    let cert = findings.public("client certificate", "client.cert", &settings.cert);
    let (ca, key, cert) = (ca?, key?, cert?);
    match own("client certificate", ("client.cert", &settings.cert), (&cert, &key)) {
        Ok(certificate) => {
            findings.add("client certificate", Ok(known(&certificate)));
            Some(Client { ca, cert, certificate })
        }
        Err(failure) => {
            findings.add("client certificate", Err(failure));
            None
        }
    }
}

/// Whom a client's certificate names.
fn known(certificate: &Certificate) -> Found {
    match &certificate.identity {
        Some(identity) if identity.kind == Kind::Operator => {
            lasting(certificate, format!("has its key, names operator/{}", identity.id))
        }
        Some(identity) => lasting(
            certificate,
            format!("has its key, names the {} {}: not all commands are for it", identity.kind, identity.id),
        ),
        None => {
            Found::but("names neither a partner nor an auditor", "name the operator's certificate with client.cert")
        }
    }
}

/// Those of the operator's commands, and whether this house and they would know each other. Who runs a house need not have
/// them.
pub fn of_operator(
    settings: &ServerSettings,
    house: Option<&TlsMaterial>,
    client: &ClientSettings,
    findings: &mut Findings,
) {
    if !client.cert.exists() && !client.key.exists() {
        let told = format!("{} and its key are not on this machine: not compared", client.cert.display());
        return findings.add("client certificate", Ok(Found::well(told)));
    }
    let (Some(read), Some(house)) = (of_client(client, findings), house) else { return };
    let domain = read.certificate.identity.as_ref().map_or(settings.domain.as_str(), |identity| &identity.domain);
    let lets_in = if domain == settings.domain {
        let place = format!("client.cert ({}), tls.ca", client.cert.display());
        let checked = check_client(&house.ca_pem, house.crl_pem.as_deref(), "client certificate", &read.cert);
        checked.map_err(|error| of_tls(&place, &error))
    } else {
        Err(other_domain(&format!("client.cert ({})", client.cert.display()), domain, &settings.domain))
    };
    findings.add("operator", lets_in.map(|()| Found::well("this house lets the client certificate in")));
    let host = host(&client.endpoint);
    let place = "client.endpoint, client.ca, tls.cert";
    let trusted = check_server(&read.ca, &house.cert_pem, Some(host)).map_err(|error| of_tls(place, &error));
    findings.add("endpoint", trusted.map(|()| Found::well(format!("the server certificate names {host}"))));
}

/// All authorities of a file, with the text of it if it can be used.
fn authorities(
    what: &'static str,
    (key, path): (&str, &Path),
    domain: Option<&str>,
    findings: &mut Findings,
) -> Option<String> {
    let text = findings.public(what, key, path)?;
    let place = format!("{key} ({})", path.display());
    let all = match Certificate::read("authority certificate", &text) {
        Ok(all) => all,
        Err(error) => {
            findings.add(what, Err(of_tls(&place, &error)));
            return None;
        }
    };
    for certificate in &all {
        let found = certificate.judge(Clock::system().now()).map_err(|error| of_tls(&place, &error)).and_then(|()| {
            match (domain, certificate.domain.as_deref()) {
                (Some(ours), Some(of_it)) if ours != of_it => Err(other_domain(&place, of_it, ours)),
                _ => Ok(lasting(certificate, certificate.subject.clone())),
            }
        });
        findings.add(what, found);
    }
    Some(text)
}

fn other_domain(place: &str, of_it: &str, ours: &str) -> Failure {
    Failure::usage(format!("{place} is of the coalition {of_it}, and house.domain is {ours}"))
        .hint("name the certificates of this coalition, or correct house.domain: it is the one that the books were founded with")
}

/// What is told of a certificate that is valid.
fn lasting(certificate: &Certificate, told: String) -> Found {
    let days = certificate.days_left(Clock::system().now());
    let told = format!("{told}; ends {}, in {days} days", certificate.not_after);
    if days >= DAYS_LEFT_MIN {
        return Found::well(told);
    }
    Found::but(told, "let the coalition's authority issue the next one before that; SIGHUP lets a house read it")
}

/// The host of `https://HOST:PORT`.
fn host(endpoint: &str) -> &str {
    let place = endpoint.split_once("://").map_or(endpoint, |(_, place)| place).trim_end_matches('/');
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() { address } else { host }
}

impl Findings {
    /// A file that everybody may read; that it cannot be is a finding.
    fn public(&mut self, what: &'static str, key: &str, path: &Path) -> Option<String> {
        self.kept(what, public(key, path))
    }

    /// A file that is its owner's alone; what is wrong with it is a finding.
    fn secret(&mut self, what: &'static str, key: &str, path: &Path) -> Option<zeroize::Zeroizing<String>> {
        let read = self.kept(what, secret(key, path))?;
        self.add(what, Ok(Found::well(format!("{} is its owner's alone", path.display()))));
        Some(read)
    }

    fn kept<T>(&mut self, what: &'static str, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.add(what, Err(failure))).ok()
    }
}
