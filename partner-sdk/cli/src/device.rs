//! `partner device`: invites for the brand's tills and machines.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use partner_sdk::{CreateInvites, CredentialScope, Device};
use serde_json::json;

use crate::command::Global;
use crate::failure::{Exit, Failure, accepted};
use crate::output::{Answer, moment, table};
use crate::session::{builder, credential};

/// The device commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Invites devices: one string for each, which it uses once with `partner enroll`.
    ///
    /// Each device gets a credential of its own, which can be revoked alone. It may do what --scopes says, and no more than the
    /// credential of this folder. One with a store and a till writes in the name of these only.
    #[command(after_help = "Examples:\n  partner device invite --count 4 --store 7 --scopes issue,accept\n  \
                            partner device invite --count 900 --store mall --till-from 101 --scopes issue,accept,read --csv tills.csv\n  \
                            partner device invite --name app --scopes read,app --hours 72")]
    Invite(Invite),
}

/// Arguments of `device invite`.
#[derive(Debug, Args)]
pub struct Invite {
    /// How many: 1 to 1,000.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000), conflicts_with = "name")]
    count: u32,
    /// The name of a single device that is no till.
    #[arg(long)]
    name: Option<String>,
    /// The store that they stand in. Left out: any.
    #[arg(long)]
    store: Option<String>,
    /// The number of the first till; those that follow have the next ones. Left out: 1 where there is a --store, else they are
    /// no tills in particular.
    #[arg(long, value_name = "N", conflicts_with = "name")]
    till_from: Option<u32>,
    /// What they may do, some of: issue, accept, read, settle, app, credentials. Left out: all that the brand may do.
    #[arg(long, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<CredentialScope>,
    /// Calls that each may make in a second, 1 to 10,000. Left out: no limit but the brand's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    calls_per_second: Option<i32>,
    /// Connections that each may have at once, 1 to 128. Left out: no limit but the brand's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=128))]
    connections: Option<i32>,
    /// For how many hours the strings can be used: 1 to 720.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=720))]
    hours: u64,
    /// Writes device, store, till and string to this file instead, which must not be there: its owner's alone.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl Invite {
    fn devices(&self) -> Vec<Device> {
        let first = self.till_from.or_else(|| self.store.as_ref().map(|_| 1));
        let device = |at: u32| {
            let till = first.filter(|_| self.name.is_none()).map(|first| first.saturating_add(at).to_string());
            let name = match (&self.name, &self.store, &till) {
                (Some(name), _, _) => name.clone(),
                (None, Some(store), Some(till)) => format!("{store}-{till}"),
                (None, None, Some(till)) => format!("till-{till}"),
                (None, _, None) => format!("device-{}", at + 1),
            };
            let mut device = Device::named(name);
            if let Some(store) = &self.store {
                device = device.store(store);
            }
            if let Some(till) = till {
                device = device.till(till);
            }
            device
                .calls_per_second(self.calls_per_second.unwrap_or_default())
                .connections_max(self.connections.unwrap_or_default())
        };
        (0..self.count).map(device).collect()
    }
}

/// Runs one of them.
pub async fn run(global: &Global, command: Command) -> Result<Answer, Failure> {
    let Command::Invite(arguments) = command;
    if let Some(file) = arguments.csv.as_ref().filter(|file| file.exists()) {
        return Err(Failure::new(Exit::Usage, format!("{} is there already, and is not overwritten", file.display())));
    }
    let folder = credential(global).await?;
    let builder = builder(global, &folder);
    let (pin, client) = (builder.pin().await?, builder.connect().await?);
    let info = client.server_info().await?;
    if info.enrolment_endpoint.is_empty() {
        // Invites that cannot be used are not made.
        return Err(Failure::new(Exit::Usage, "this house issues no certificates, so there is nothing to invite to")
            .hint("ask the operator for certificates that are made by hand, or to turn enrolment on"));
    }
    let end = info.server_time + Duration::from_secs(arguments.hours * 3_600);
    let invites: Vec<_> =
        arguments.devices().into_iter().map(|device| (client.new_invite().device(device.clone()), device)).collect();
    let create =
        CreateInvites::new(invites.iter().map(|(invite, _)| invite)).scopes(arguments.scopes.iter().copied()).ends(end);
    // Without a request id of its own: the secrets are this process's, and what it made for nobody ends by itself.
    let created = accepted(client.create_invites(create).await)
        .map_err(|failure| failure.hint("run it again: strings that were never shown can be used by nobody"))?;
    let mut rows = Vec::new();
    for (invite, device) in &invites {
        let string = invite
            .string(&info.enrolment_endpoint, pin)
            .map_err(|error| Failure::new(Exit::Internal, error))?
            .to_string();
        rows.push(vec![device.name.clone(), device.store.clone(), device.till.clone(), string]);
    }
    let json = json!({
        "end_time": moment(created.end_time),
        "enrolment_endpoint": info.enrolment_endpoint,
        "invites": invites.iter().zip(&rows).map(|((invite, _), row)| json!({
            "invite_id": invite.id(), "device": row[0], "store": row[1], "till": row[2], "string": row[3],
        })).collect::<Vec<_>>(),
    });
    let header = ["device", "store", "till", "string"];
    let count = invites.len();
    let next =
        format!("Each can be used once, until {}, on its device: partner enroll STRING", moment(created.end_time));
    let Some(file) = &arguments.csv else {
        return Ok(Answer::new(json, format!("{}{next}", table(&header, &rows))));
    };
    write_private(file, &sheet(&header, &rows))
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", file.display())))?;
    Ok(Answer::new(json, format!("{count} strings are in {}.\n{next}", file.display())))
}

/// Rows for a spreadsheet or a program: the codes of stores and tills may have commas and quotes.
fn sheet(header: &[&str], rows: &[Vec<String>]) -> String {
    const WHY: &str = "memory takes what is written, and it is text";
    let mut sheet = csv::Writer::from_writer(Vec::new());
    sheet.write_record(header).expect(WHY);
    for row in rows {
        sheet.write_record(row).expect(WHY);
    }
    String::from_utf8(sheet.into_inner().expect(WHY)).expect(WHY)
}

fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn scope(text: &str) -> Result<CredentialScope, String> {
    let word = text.trim().to_ascii_uppercase();
    let found = CredentialScope::ALL.iter().copied().find(|scope| scope.as_str() == word);
    found.ok_or_else(|| {
        let all: Vec<String> = CredentialScope::ALL.iter().map(|scope| scope.as_str().to_lowercase()).collect();
        format!("some of {}", all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_with_a_comma_or_a_quote_stays_one_cell() {
        let row = ["7-1", "store 7, left", "the \"big\" one", "clearinginvite1"].map(str::to_owned).to_vec();
        let text = sheet(&["device", "store", "till", "string"], std::slice::from_ref(&row));
        let read: Vec<csv::StringRecord> =
            csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
        assert_eq!(read, [csv::StringRecord::from(row)]);
    }
}
