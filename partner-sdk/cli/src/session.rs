//! The credential of a folder, and the connection with it.

use clap::Args;
use partner_sdk::{Client, ClientBuilder, CredentialFolder, RequestId};

use crate::command::Global;
use crate::failure::Failure;

/// What every command with an effect can be given.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Repeating")]
pub struct Effect {
    /// The id under which this command has its effect once, a UUID of version 7.
    ///
    /// When no answer came, the message names the id that was used: repeat the command with it.
    #[arg(long, value_name = "UUID")]
    request_id: Option<RequestId>,
}

impl Effect {
    /// The id of a request: the one that was given, or a fresh one.
    pub fn id(self, client: &Client) -> RequestId {
        self.request_id.unwrap_or_else(|| client.new_request_id())
    }
}

/// The credential, renewed if that is due.
pub async fn credential(global: &Global) -> Result<CredentialFolder, Failure> {
    let folder = CredentialFolder::open(&global.credentials)?;
    if !folder.is_due() {
        return Ok(folder);
    }
    match folder.renew().await {
        Ok(renewed) => Ok(renewed),
        // One that is due can wait for better days; one that has ended cannot.
        Err(_) if !folder.has_ended() => Ok(folder),
        Err(error) => Err(error.into()),
    }
}

/// What connects with it.
pub fn builder(global: &Global, folder: &CredentialFolder) -> ClientBuilder {
    match &global.endpoint {
        Some(endpoint) => folder.client_at(endpoint),
        None => folder.client(),
    }
}

/// Connects.
pub async fn connect(global: &Global) -> Result<Client, Failure> {
    Ok(builder(global, &credential(global).await?).connect().await?)
}
