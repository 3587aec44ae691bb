//! `partner credential`: the brand's own credentials.

use clap::{Args, Subcommand};
use partner_sdk::{Credential, CredentialFilter, CredentialScope, Device, RevokeCredentials};
use serde_json::{Value, json};

use crate::command::Global;
use crate::failure::{Exit, Failure, accepted};
use crate::output::{Answer, Output, moment, table};
use crate::session::{Effect, connect};

/// The credential commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the brand's credentials: which device has which, what they may do, until when.
    #[command(after_help = "Examples:\n  partner credential list\n  partner credential list --all --output json")]
    List {
        /// Also those that have ended or were revoked.
        #[arg(long)]
        all: bool,
    },
    /// Revokes credentials, at once and for good: a till that was stolen, a machine that is sold.
    ///
    /// The next write under one of them is refused; the next read, and connections that are open, within a second.
    #[command(after_help = "Examples:\n  partner credential revoke 5d0e7c3a9f000123456789ab5d0e7c3a --reason stolen")]
    Revoke(Revoke),
    /// Renews the credential of this folder now, with a new key. Programs of the SDK do it by themselves, at half of its life.
    #[command(
        after_help = "Examples:\n  partner credential renew\n  partner credential renew --credentials /etc/till/credentials\n\n\
                            One that has ended can be renewed for 30 days."
    )]
    Renew,
}

/// Arguments of `credential revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Their serial numbers, as `partner credential list` shows them.
    #[arg(required = true)]
    serials: Vec<String>,
    /// Why, in a word of A-Z a-z 0-9 . _ : / # -, such as stolen.
    #[arg(long, value_name = "WORD")]
    reason: String,
    /// Does it without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(global: &Global, output: Output, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { all } => list(global, all).await,
        Command::Revoke(arguments) => revoke(global, output, arguments).await,
        Command::Renew => renew(global).await,
    }
}

async fn list(global: &Global, all: bool) -> Result<Answer, Failure> {
    let filter = if all { CredentialFilter::all() } else { CredentialFilter::all().valid() };
    let found = connect(global).await?.credentials(filter).all().await?;
    let json = json!({ "credentials": found.iter().map(to_json).collect::<Vec<_>>() });
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|credential| {
            let device = credential.device.as_ref();
            vec![
                credential.serial.clone(),
                device.map(|device| device.name.clone()).unwrap_or_default(),
                place(device),
                scopes(&credential.scopes),
                credential.state.to_string(),
                credential.end_time.map(moment).unwrap_or_default(),
            ]
        })
        .collect();
    let text = table(&["serial", "device", "till", "may", "state", "until"], &rows);
    Ok(Answer::new(json, text))
}

async fn revoke(global: &Global, output: Output, arguments: Revoke) -> Result<Answer, Failure> {
    if !arguments.yes {
        if !output.is_dialogue() {
            return Err(Failure::new(Exit::Usage, "this cannot be undone, and nobody can be asked here")
                .hint("--yes does it without asking"));
        }
        let question = format!("This revokes {} for good. Go on? [y/N]", arguments.serials.join(" and "));
        if !["y", "yes"].contains(&output.ask(&question).to_ascii_lowercase().as_str()) {
            return Err(
                Failure::new(Exit::Usage, "nothing was done: the answer was not yes").hint("answer y, or say --yes")
            );
        }
    }
    let client = connect(global).await?;
    let request = RevokeCredentials::serials(&arguments.serials, arguments.reason);
    let revoked = accepted(client.revoke_credentials(request.request_id(arguments.effect.id(&client))).await)?;
    let json = json!({
        "revoked": revoked.revoked_serials,
        "withdrawn_invites": revoked.withdrawn_count,
        "replayed": revoked.written.replayed,
    });
    let before = arguments.serials.len() - revoked.revoked_serials.len().min(arguments.serials.len());
    let mut text = format!("{} revoked", revoked.revoked_serials.len());
    if before > 0 {
        text.push_str(&format!(", {before} had ended or were revoked before"));
    }
    text.push_str(".\nNext: partner device invite ...   (a device that goes on needs a new credential)");
    Ok(Answer::new(json, text))
}

async fn renew(global: &Global) -> Result<Answer, Failure> {
    let folder = partner_sdk::CredentialFolder::open(&global.credentials)?;
    let renewed = folder.renew().await?;
    let json = json!({
        "renewed_serial": folder.serial(),
        "serial": renewed.serial(),
        "renew_time": moment(renewed.renew_time()),
        "end_time": moment(renewed.end_time()),
    });
    let text = format!(
        "Renewed: {} takes the place of {}, until {}. The old one stays valid until {}, for connections that have it.",
        renewed.serial(),
        folder.serial(),
        moment(renewed.end_time()),
        moment(folder.end_time()),
    );
    Ok(Answer::new(json, text))
}

/// What a credential may do, in words.
pub fn scopes(scopes: &[CredentialScope]) -> String {
    let words: Vec<String> = scopes.iter().map(|scope| scope.to_string().to_lowercase()).collect();
    if words.is_empty() { "all".to_owned() } else { words.join(",") }
}

/// Where a device stands.
fn place(device: Option<&Device>) -> String {
    let parts = device.map(|device| [device.store.as_str(), device.till.as_str()]).unwrap_or_default();
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn to_json(credential: &Credential) -> Value {
    json!({
        "serial": credential.serial,
        "holder": credential.holder.as_ref().map(ToString::to_string),
        "device": credential.device.as_ref().map(|device| json!({
            "name": device.name,
            "store": device.store,
            "till": device.till,
            "calls_per_second": device.calls_per_second,
            "connections_max": device.connections_max,
        })),
        "scopes": credential.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "state": credential.state.as_str(),
        "create_time": credential.create_time.map(moment),
        "renew_time": credential.renew_time.map(moment),
        "end_time": credential.end_time.map(moment),
        "revoke_time": credential.revoke_time.map(moment),
        "revoked_by": credential.revoked_by,
        "revoke_reason_code": credential.revoke_reason_code,
        "invite_id": credential.invite_id,
        "renews_serial": credential.renews_serial,
        "renewed_by_serial": credential.renewed_by_serial,
    })
}
