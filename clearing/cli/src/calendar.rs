//! `clearing calendar`: when the house closes windows by itself.

use clap::{Args, Subcommand};
use partner_sdk::operator::SetCalendar;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment};

/// The calendar commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sets when windows are closed. Replaces the calendar that was.
    #[command(
        after_help = "Examples:\n  clearing calendar set '0 0 * * *'                                   every midnight\n  \
                            clearing calendar set '30 23 * * FRI' --time-zone Europe/Moscow     Fridays at 23:30\n  \
                            clearing calendar set '0 12 * * *' '0 0 1 * *'                      noon, and the first of the month\n  \
                            clearing calendar set --none                                        by hand only\n\n\
                            Five fields: minute, hour, day of month, month, day of week."
    )]
    Set(Set),
    /// Shows the next moments at which the calendar closes the open window.
    Show,
}

/// Arguments of `calendar set`.
#[derive(Debug, Args)]
pub struct Set {
    /// Cron expressions of five fields, each in quotes; the window is closed whenever one of them is due.
    #[arg(value_name = "CRON", required_unless_present = "none", num_args = 1..=16)]
    expressions: Vec<String>,
    /// The IANA time zone in which they are read. Left out: the coalition's.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// No calendar: windows are closed by hand.
    #[arg(long, conflicts_with_all = ["expressions", "time_zone"])]
    none: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    let (next_closes, replayed) = match command {
        Command::Show => (session.client.next_closes().await?, None),
        Command::Set(set) => {
            let mut request = SetCalendar::new(set.expressions);
            if let Some(zone) = set.time_zone {
                request = request.time_zone(zone);
            }
            let request = request.request_id(session.request_id(set.effect));
            let calendar = accepted(session.operator().set_calendar(request).await)?;
            (calendar.next_close_times, Some(calendar.written.replayed))
        }
    };
    let times: Vec<_> = next_closes.into_iter().map(moment).collect();
    let mut page = Page::new();
    if replayed.is_some() {
        page = page.text("The calendar is set.");
    }
    page = if times.is_empty() {
        page.text("Windows are closed by hand, with `clearing window close`.")
    } else {
        page.table(&["the window closes at"], times.iter().map(|time| vec![time.clone()]))
    };
    Ok(Answer::new(json!({ "next_close_times": times, "replayed": replayed }), page))
}
