//! Every command by name, with its help; reading the command line and running it.

#[cfg(test)]
mod flags;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::context::{Context, Global};
use crate::failure::{self, Failure};
use crate::waiting::telling;
use crate::{
    approvals, audit, authority, bank, calendar, check, credential, default, demo, entry, explain, fund, init, log,
    member, migrate, partner, person, report, sandbox, serve, settlement, statement, window,
};

const AFTER_HELP: &str = "\
A coalition in six commands, the last three the brand's:
  clearing init --domain points.example --dir coalition
  clearing serve --config coalition/clearing.toml &
  clearing partner create grocer --invite --config coalition/clearing.toml
  partner enroll clearinginvite1...
  partner issue card:4000123 100
  partner redeem card:4000123 60

What cannot be undone asks first. Scripts say --yes; --dry-run shows what would be done.

A TIME is a day (2026-12-01), a local time of the coalition's zone (2026-12-01T10:00), or a moment
(2026-12-01T07:00:00Z). A day begins with its first moment; --until takes it whole. Answers for people, and
statements as csv and html, have local times; JSON has UTC.

Configuration: flags win over the environment (house.listen is CLEARING_HOUSE_LISTEN), the environment over the file
(--config, CLEARING_CONFIG or ./clearing.toml).

Exit codes:
  0  done; or proposed, where it needs a second person
  1  the rules said no
  2  the command line, the configuration or what it names is wrong: a file, a certificate, the database as it is set up
  3  the house or its database did not answer; repeat a command with the request id that it names
  4  the books do not balance, or the audit found something
  5  something broke: the disk is full or failed, the program; of serve also: the stop cut calls off

What went wrong is told on standard error: what it is, and what to do about it.";

/// The clearing house of a coalition: brands that share one loyalty point.
#[derive(Debug, Parser)]
#[command(name = "clearing", version, after_help = AFTER_HELP, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a day of a coalition of four brands, settles it, and shows what came of it: the place to begin.
    ///
    /// A throw-away coalition on SQLite, real mutual TLS on loopback, every brand through the SDK. The same seed gives the
    /// same figures.
    #[command(
        after_help = "Examples:\n  clearing demo\n  clearing demo --seed 7 --purchases 20000\n  clearing demo --keep day --report day.html\n  \
                            clearing demo --output json"
    )]
    Demo(demo::Args),
    /// Makes a new coalition: authority, certificates, keys, configuration and database, in one folder.
    #[command(after_help = "Examples:\n  clearing init --domain points.example\n  \
                            clearing init --domain points.example --dir /srv/coalition --server-name clearing.points.example \\\n    \
                            --database postgres://house:secret@db.example/books --currency EUR --point-value 0.01 --fee 0.02")]
    Init(init::Arguments),
    /// Runs the house until SIGTERM or SIGINT; SIGHUP reads certificates, authorities and revocation lists again.
    ///
    /// It prints one line, "ready https://ADDRESS", when it takes calls. A database that is out of reach, or is not migrated, keeps
    /// it waiting: the log says so once, then less and less often, and when it is over. What no waiting mends (a wrong password, no
    /// such database, a certificate that has ended) ends it at once, with exit code 2.
    #[command(
        after_help = "Examples:\n  clearing serve\n  clearing serve --config coalition/clearing.toml --listen 0.0.0.0:7443 --set log.format=json"
    )]
    Serve(serve::Arguments),
    /// Runs a house for integrators, with certificates for everyone; in real time, or on a clock that is moved by hand.
    ///
    /// DIR holds ca.pem, PARTNER.pem and PARTNER.key of every partner, of the operator and of an auditor, endpoint.txt, and
    /// a clearing.toml for the operator's commands. It prints one line when it takes calls and runs until SIGTERM or SIGINT.
    ///
    /// With --start, or a file that names `start`, its clock stands still and moves by `advance` only: what callers send as a
    /// time, of a purchase say, must not lie after it. GetServerInfo, and each refusal that is about time, say so.
    #[command(
        after_help = "Examples:\n  clearing sandbox\n  clearing sandbox --dir /tmp/sandbox --start 2026-01-01\n  clearing sandbox advance 30d --dir /tmp/sandbox\n  \
                            clearing sandbox --dir /tmp/sandbox --coalition S01.toml --variant AT_ISSUE\n  \
                            clearing window close --config /tmp/sandbox/clearing.toml"
    )]
    Sandbox(sandbox::Arguments),
    /// Who did what: the operator's decisions, the newest first.
    ///
    /// Each with what was before it and what is by it; and what the house does by itself: a close by the calendar, what may be
    /// forgotten.
    /// Each is an entry of the journal and in its chain, so nothing can be taken out of this list. What was refused decided
    /// nothing and is not in it; the log of `clearing serve` has a line of it.
    #[command(
        after_help = "Examples:\n  clearing log\n  clearing log --partner grocer --kind set-terms\n  clearing log --window 3\n  \
                            clearing log --since 2026-03-01 --until 2026-03-31 --output json"
    )]
    Log(log::Arguments),
    /// Brings the database up to date.
    #[command(
        after_help = "Examples:\n  clearing migrate --check\n  clearing migrate --config coalition/clearing.toml"
    )]
    Migrate(migrate::Arguments),
    /// Admits brands, sets their terms, limits and states, makes their certificates.
    #[command(subcommand)]
    Partner(partner::Command),
    /// The coalition's root, and the authority below it that issues certificates.
    #[command(subcommand)]
    Authority(authority::Command),
    /// Who may connect, and ending that; the house's own certificate.
    #[command(subcommand)]
    Certificate(credential::Command),
    /// What a member has, and what the operator can do for it.
    #[command(subcommand)]
    Member(member::Command),
    /// The people of the operator, what they may do, and what needs two of them.
    #[command(subcommand)]
    Person(person::Command),
    /// What one person has proposed, and another decides.
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// The periods whose positions settle together.
    #[command(subcommand)]
    Window(window::Command),
    /// The netted result of a window, from its preview to its last payment.
    #[command(subcommand)]
    Settlement(settlement::Command),
    /// The reserve, and what partners have deposited against their defaults.
    #[command(subcommand)]
    Fund(fund::Command),
    /// Money at the house's own bank accounts: what arrived, what it pays, what comes back, and what the banks say.
    #[command(subcommand)]
    Bank(bank::Command),
    /// Moves money between the positions of two participants, in the open window, with a reason.
    #[command(after_help = "Example:\n  clearing adjust grocer cinema 12.50 --reason recount-4711")]
    Adjust(default::Adjusted),
    /// When the house closes windows by itself.
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// The whole book: netting, balances, journal.
    #[command(subcommand)]
    Report(report::Command),
    /// One entry of the journal, or those that something is known of.
    #[command(subcommand)]
    Entry(entry::Command),
    /// What one partner's position came to in one window, and why.
    #[command(
        after_help = "Examples:\n  clearing statement grocer\n  clearing statement grocer --window 3 --format csv > grocer-3.csv\n  \
                            clearing statement grocer --window 3 --format html --out grocer-3.html\n  \
                            clearing statement grocer --window 3 --lines 0 --output json"
    )]
    Statement(statement::Arguments),
    /// How the leg of a partner comes about, to the last unit: every line, every rounding, and every sum added up again.
    ///
    /// What the house says is compared with what this command adds up from the lines. It fails with exit code 4 where they differ.
    #[command(
        after_help = "Examples:\n  clearing explain 3 grocer\n  clearing explain 3 grocer --no-lines            the sums alone\n  \
                            clearing explain 3 operator --format csv --out operator-3.csv"
    )]
    Explain(explain::Arguments),
    /// Rebuilds everything that is stored from the journal and compares; reads the database, not the house.
    ///
    /// With --since it begins from what an earlier audit recorded, and is done sooner. Then it checks the chain of hashes from
    /// there on and each entry in it; every balance and what every member has and owes, against what was recorded and what entries
    /// since have posted; that the row of a member that no entry since names is as it was, with the lots in it; lots and holds of
    /// the other members against their rows; what all members hold against the accounts of issuers. It does not look at entries before,
    /// at holds of members that no entry since names and their lots beyond their rows, at requests, attachments, links of cards, lines of receipts, windows and their
    /// settlements, terms, limits and consents. It believes the record: whoever can change that and the database is not found out.
    #[command(
        after_help = "Examples:\n  clearing audit --config coalition/clearing.toml\n  clearing audit --database sqlite:copy.db --output json\n  \
                            clearing audit --record sunday.audit                            once a week, of the whole\n  \
                            clearing audit --since sunday.audit --record monday.audit       once a day\n\n\
                            It may run beside a house that is open. Exit code 4: it found something."
    )]
    Audit(audit::Arguments),
    /// What is configured, and where it came from.
    #[command(subcommand)]
    Config(check::Command),
    /// Prints the completions of a shell.
    #[command(
        after_help = "Examples:\n  clearing completions bash > /etc/bash_completion.d/clearing\n  clearing completions fish | source"
    )]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Runs the command line of this process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let read = Cli::command().try_get_matches_from(arguments).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, words(&matches)))
    });
    let (cli, words) = match read {
        Ok(read) => read,
        Err(error) => {
            // Help and version are answers, everything else is an error of usage; clap knows where each goes.
            let code = if error.use_stderr() { failure::Exit::Usage.code() } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let context = Context::new(cli.global);
    let output = context.output;
    match execute(context, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(answer) = failure.as_answer() {
                output.show(&answer);
                return ExitCode::SUCCESS;
            }
            let failure = failure.after(&words);
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

/// The words by which a command was called, such as "settlement pay".
fn words(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut left = matches.subcommand();
    while let Some((name, below)) = left {
        words.push(name);
        left = below.subcommand();
    }
    words.join(" ")
}

fn execute(context: Context, command: Command) -> Result<(), Failure> {
    // The TLS library asks for one provider of cryptography per process when none is named.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let (output, waiting) = (context.output, context.waiting.clone());
    let doing = telling(output, &waiting, dispatch(context, command));
    runtime.map_err(|error| Failure::internal(&error))?.block_on(doing)
}

async fn dispatch(context: Context, command: Command) -> Result<(), Failure> {
    let output = context.output;
    let answer = match command {
        // These say what they have to say while they run.
        Command::Serve(arguments) => return serve::run(context, arguments).await,
        Command::Sandbox(arguments) => return sandbox::run(context, arguments).await,
        Command::Completions { shell } => {
            output.raw(&completions(shell));
            return Ok(());
        }
        Command::Demo(arguments) => demo::run(&arguments, output.is_watched()).await?,
        Command::Init(arguments) => init::run(&context, arguments).await?,
        Command::Migrate(arguments) => migrate::run(context, arguments).await?,
        Command::Authority(command) => authority::run(&context, command)?,
        Command::Partner(command) => partner::run(&context, command).await?,
        Command::Certificate(command) => credential::run(&context, command).await?,
        Command::Member(command) => member::run(&context, command).await?,
        Command::Person(command) => person::run(context, command).await?,
        Command::Approvals(command) => approvals::run(&context, command).await?,
        Command::Window(command) => window::run(&context, command).await?,
        Command::Settlement(command) => settlement::run(&context, command).await?,
        Command::Fund(command) => fund::run(&context, command).await?,
        Command::Bank(command) => bank::run(&context, command).await?,
        Command::Adjust(arguments) => default::adjust(&context, arguments).await?,
        Command::Calendar(command) => calendar::run(&context, command).await?,
        Command::Report(command) => report::run(&context, command).await?,
        Command::Entry(command) => entry::run(&context, command).await?,
        Command::Log(arguments) => log::run(&context, arguments).await?,
        Command::Statement(arguments) => statement::run(&context, arguments).await?,
        Command::Explain(arguments) => explain::run(&context, arguments).await?,
        Command::Audit(arguments) => audit::run(context, arguments).await?,
        Command::Config(command) => check::run(&context, &command).await?,
    };
    output.show(&answer);
    answer.failure.map_or(Ok(()), Err)
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "clearing", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Reads a command line as the program does, without running it.
#[cfg(test)]
pub fn read(line: &str) -> Result<(), String> {
    Cli::try_parse_from(line.split_whitespace()).map(drop).map_err(|error| error.to_string())
}

/// How many of the first words name a command and those below it.
#[cfg(test)]
pub fn words_that_are_commands(line: &str) -> usize {
    let cli = Cli::command();
    let mut at = Some(&cli);
    line.split_whitespace()
        .take_while(|word| {
            at = at.and_then(|command| command.find_subcommand(word));
            at.is_some()
        })
        .count()
}

/// The flags of a command, with those of every command.
#[cfg(test)]
pub fn flags_of(command: &str) -> Vec<String> {
    let mut cli = Cli::command();
    cli.build();
    let found = command.split_whitespace().try_fold(&cli, |at, word| at.find_subcommand(word));
    let flags = found.into_iter().flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long);
    flags.map(|flag| format!("--{flag}")).collect()
}

/// Every command that can be run, by its words.
#[cfg(test)]
pub fn names() -> Vec<String> {
    flags::commands().into_iter().map(|(name, _)| name).collect()
}
