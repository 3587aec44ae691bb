//! `clearing config check`: what is in force, where it came from, and whether a house could be run with it.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::material;
use super::output::Page;

/// The configuration commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows every key with its value and source, and reads the files that the server needs.
    #[command(
        after_help = "Examples:\n  clearing config check\n  clearing config check --config /etc/clearing/clearing.toml --output json\n  \
                            clearing config check --client     only what the operator's commands need"
    )]
    Check {
        /// Only what commands need that ask a house over the network.
        #[arg(long)]
        client: bool,
    },
}

/// Runs it.
pub fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    let Command::Check { client } = *command;
    let config = context.config()?;
    if client {
        config.client()?;
    } else {
        let settings = config.server()?;
        material::tls(&settings)?;
        material::identifier_key(&settings)?;
    }
    let effective = config.effective();
    let json = json!({
        "file": config.file(),
        "keys": effective.iter().map(|(key, value, source)| json!({
            "key": key.name,
            "value": value,
            "source": source.to_string(),
        })).collect::<Vec<_>>(),
    });
    let file = config.file().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let rows = effective.into_iter().map(|(key, value, source)| vec![key.name.to_owned(), value, source.to_string()]);
    let verdict = if client { "The operator's commands can be run with it." } else { "A house can be run with it." };
    let page = Page::new().text(format!("File: {file}")).table(&["key", "value", "from"], rows).text(verdict);
    context.output.show(&json, &page);
    Ok(())
}
