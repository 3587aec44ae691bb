//! `partner enroll`: an invite becomes a folder with a credential.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use partner_sdk::{Enrolment, InviteString};
use serde_json::json;

use crate::command::Global;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, moment};

/// Arguments of `enroll`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The string, whole: it begins with clearinginvite1. With - it is read from standard input.
    string: String,
    /// The folder for the credential. It is made when it is not there. Left out: that of --credentials.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `enroll`.
pub async fn run(global: &Global, arguments: Arguments) -> Result<Answer, Failure> {
    let mut text = arguments.string;
    if text == "-" {
        text.clear();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(Exit::Usage, format!("the invite cannot be read: {error}")))?;
    }
    // `...` stands for a string in the help, and is none.
    let invite: InviteString = text.parse().map_err(partner_sdk::EnrolmentError::from)?;
    let path = arguments.out.as_ref().unwrap_or(&global.credentials);
    let folder = Enrolment::new(invite).folder(path).enroll().await?;
    let shown = folder.path().display();
    let json = json!({
        "holder": folder.holder(),
        "serial": folder.serial(),
        "endpoint": folder.endpoint(),
        "folder": shown.to_string(),
        "renew_time": moment(folder.renew_time()),
        "end_time": moment(folder.end_time()),
    });
    let flag = if *path == global.credentials { String::new() } else { format!(" --credentials {shown}") };
    let text = format!(
        "Joined as {} at {}.\n  {shown}/client.key   the private key, made here: it never leaves this machine\n  \
         {shown}/client.pem   the certificate, until {}; programs of the SDK renew it from {} on\n  \
         {shown}/ca.pem       which house to trust\nNext: partner doctor{flag}",
        folder.holder(),
        folder.endpoint(),
        moment(folder.end_time()),
        moment(folder.renew_time()),
    );
    Ok(Answer::new(json, text))
}
