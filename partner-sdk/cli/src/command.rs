//! Every command by name, with its help; reading the command line and running it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::{account, calendar, credential, device, doctor, enroll, points};

const AFTER_HELP: &str = "\
The first day, with the string that the operator has sent:
  partner enroll clearinginvite1...        the key is made here, and never leaves
  partner issue card:4000123 100
  partner redeem card:4000123 60
  partner doctor

Exit codes:
  0  done
  1  the rules said no, or the invite is used, ended or withdrawn
  2  the command line, the invite or the credential is wrong
  3  the house did not answer; repeat the command with the request id that it names
  5  something broke

What went wrong is told on standard error: what it is, and what to do about it.";

/// A brand's hand in a coalition for loyalty points: joining, trying, looking after keys.
#[derive(Debug, Parser)]
#[command(name = "partner", version, after_help = AFTER_HELP, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The folder with the credential.
    #[arg(long, global = true, value_name = "DIR", env = "PARTNER_CREDENTIALS", default_value = "credentials")]
    pub credentials: PathBuf,
    /// The house, where it is reached at another address than the credential says: https://HOST:PORT.
    #[arg(long, global = true, value_name = "URL", env = "PARTNER_ENDPOINT")]
    pub endpoint: Option<String>,
    /// For whom the answer is written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Joins a coalition with the string that the operator (or whoever looks after your devices) has sent.
    ///
    /// A key is made in the folder and never leaves it; the house certifies it. The house is recognised by the string, so nothing
    /// else need be trusted. If the answer is lost, run the same command again: it gives the same certificate.
    #[command(after_help = "Examples:\n  partner enroll clearinginvite1...\n  \
                            partner enroll clearinginvite1... --out /etc/till/credentials\n  \
                            partner enroll - < invite.txt                    the string is not seen in the list of processes")]
    Enroll(enroll::Arguments),
    /// Shows the points of a member.
    #[command(after_help = "Examples:\n  partner balance card:4000123\n  partner balance card:4000123 --output json")]
    Balance {
        /// SCHEME:VALUE, such as card:4000123, or the id of a member.
        #[arg(value_parser = points::member)]
        member: partner_sdk::MemberRef,
    },
    /// Gives points to a member. A card that nobody has seen becomes a new one.
    #[command(after_help = "Examples:\n  partner issue card:4000123 100\n  \
                            partner issue card:4000123 100 --store 7 --till 3 --receipt R-1 --day 2026-12-01")]
    Issue(points::Movement),
    /// Takes points from a member, as payment.
    #[command(after_help = "Examples:\n  partner redeem card:4000123 60\n  \
                            partner redeem card:4000123 60 --store 7 --till 3 --receipt R-2")]
    Redeem(points::Movement),
    /// Where the brand is paid: asks for another bank account, stops such a change, or shows all versions when nothing is to change.
    ///
    /// A change is in force some days later. Until then you or the operator stop it.
    #[command(after_help = "Examples:\n  partner account\n  \
                            partner account --iban DE89370400440532013000 --holder Grocer\n  \
                            partner account --bik 044525225 --account 40702810838000110017 --holder Grocer\n  \
                            partner account --stop 3 --reason not-ours")]
    Account(account::Arguments),
    /// When the house closes windows, and when what they settle is told and paid: a year ahead, in UTC.
    #[command(after_help = "Examples:\n  partner calendar\n  partner calendar --next 100 --output json")]
    Calendar {
        /// How many cut-offs: 1 to 1,000.
        #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        next: u16,
    },
    /// The brand's own credentials: which there are, and ending or renewing them.
    #[command(subcommand)]
    Credential(credential::Command),
    /// The brand's devices: tills, machines, apps.
    #[command(subcommand)]
    Device(device::Command),
    /// Looks whether all is well: credential, certificate, connection, clock, scopes, versions, latency.
    #[command(after_help = "Examples:\n  partner doctor\n  partner doctor --output json\n\n\
                            Exit code 2: something is wrong, and each line that is says what to do.")]
    Doctor,
}

/// Runs the command line of this process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is an error of usage; clap knows where each goes.
            let code = if error.use_stderr() { Exit::Usage.code() } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let output = Output::new(cli.global.output);
    match execute(&cli.global, output, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

fn execute(global: &Global, output: Output, command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Internal, error))?;
    let answer = runtime.block_on(async {
        match command {
            Command::Enroll(arguments) => enroll::run(global, arguments).await,
            Command::Balance { member } => points::balance(global, member).await,
            Command::Issue(movement) => points::issue(global, movement).await,
            Command::Redeem(movement) => points::redeem(global, movement).await,
            Command::Account(arguments) => account::run(global, arguments).await,
            Command::Calendar { next } => calendar::run(global, next).await,
            Command::Credential(command) => credential::run(global, output, command).await,
            Command::Device(command) => device::run(global, command).await,
            Command::Doctor => doctor::run(global).await,
        }
    })?;
    output.show(&answer);
    answer.failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_examples_and_each_of_them_can_be_typed() {
        let mut cli = Cli::command();
        cli.build();
        let mut left = vec![cli];
        let mut tried = 0;
        while let Some(command) = left.pop() {
            let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").cloned().collect();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!below.is_empty() || help.contains("Examples:"), "{} has no examples", command.get_name());
            for line in help.lines().filter_map(|line| line.trim().strip_prefix("partner ")) {
                // What stands far to the right explains.
                let typed = line.split("   ").next().unwrap().split(" < ").next().unwrap();
                let words = std::iter::once("partner").chain(typed.split_whitespace());
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
                tried += 1;
            }
            left.extend(below);
        }
        assert!(tried > 15, "{tried}");
    }
}
