//! `clearing calendar`: when the house closes windows by itself.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use partner_sdk::Calendar;
use partner_sdk::operator::SetCalendar;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment};
use crate::times::Zone;

/// Expressions for the help, with what they mean and the first days of 2026 on which they close a window.
const EXAMPLES: [(&str, &str, [&str; 3]); 11] = [
    ("0 0 * * *", "every midnight: the day that ends with it", ["01-01", "01-02", "01-03"]),
    ("30 23 * * FRI", "Fridays at 23:30", ["01-02", "01-09", "01-16"]),
    ("0 12 1,15 * *", "noon of the 1st and of the 15th", ["01-01", "01-15", "02-01"]),
    ("0 12 1 * FRI", "the 1st, and every Friday as well", ["01-01", "01-02", "01-09"]),
    ("0 12 1 * +FRI", "a 1st that is a Friday", ["05-01", "01-01", "10-01"]),
    ("0 12 L * *", "the last day of a month", ["01-31", "02-28", "03-31"]),
    ("0 12 15W * *", "the weekday next to the 15th", ["01-15", "02-16", "03-16"]),
    ("0 12 LW * *", "the last weekday of a month", ["01-30", "02-27", "03-31"]),
    ("0 12 * * FRI#2", "the second Friday of a month", ["01-09", "02-13", "03-13"]),
    ("0 12 * * FRI#L", "the last Friday of a month", ["01-30", "02-27", "03-27"]),
    ("0 12 * * MON-FRI", "every weekday", ["01-01", "01-02", "01-05"]),
];

/// The calendar commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sets when windows are closed. Replaces the calendar that was.
    #[command(after_help = help())]
    Set(Set),
    /// Shows the calendar: its expressions as they were given, its time zone, and when it closes the open window next.
    #[command(after_help = help())]
    Show,
}

fn help() -> String {
    let mut text = "Examples:\n  clearing calendar set '0 0 * * *'\n  \
                    clearing calendar set '30 23 * * FRI' --time-zone Europe/Moscow\n  \
                    clearing calendar set '0 12 * * *' '0 0 1 * *'     whenever one of the two is due\n  \
                    clearing calendar set --none                       by hand only\n\n\
                    Five fields: minute, hour, day of month, month, day of week (0 or SUN to 6 or SAT). Times are those on the wall of the\n\
                    zone. One that a change to summer time skips is due when the gap ends; one that comes twice, the first time.\n\n\
                    Two day fields: where neither is *, a day that one of them names is enough. + before the day of the week wants both.\n\
                    L, W and # count within a month:\n"
        .to_owned();
    for (expression, meaning, _) in EXAMPLES {
        text.push_str(&format!("  {expression:<17} {meaning}\n"));
    }
    text
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
    let (calendar, next_closes, replayed) = match command {
        Command::Show => {
            let (calendar, next_closes) = session.client.calendar().await?;
            (calendar, next_closes, None)
        }
        Command::Set(set) => {
            let mut request = SetCalendar::new(set.expressions);
            if let Some(zone) = set.time_zone {
                request = request.time_zone(zone);
            }
            let request = request.request_id(session.request_id(set.effect));
            let set = accepted(session.operator().set_calendar(request).await)?;
            (set.calendar, set.next_close_times, Some(set.written.replayed))
        }
    };
    let json = json!({
        "cron_expressions": calendar.cron_expressions,
        "time_zone": calendar.time_zone,
        "next_close_times": next_closes.iter().copied().map(moment).collect::<Vec<_>>(),
        "replayed": replayed,
    });
    let page = if replayed.is_some() { Page::new().text("The calendar is set.") } else { Page::new() };
    Ok(Answer::new(json, page.and(&shown(&calendar, &next_closes, &session.zone))))
}

/// A calendar for people: what it says, and what follows from it on the walls of its zone and of the coalition's.
fn shown(calendar: &Calendar, next_closes: &[SystemTime], coalition: &Zone) -> Page {
    if calendar.cron_expressions.is_empty() {
        return Page::new().text("Windows are closed by hand, with `clearing window close`.");
    }
    let own = Zone::named(&calendar.time_zone);
    let mut page =
        Page::new().text(format!("Windows are closed by this calendar, in times of {}:", calendar.time_zone));
    for expression in &calendar.cron_expressions {
        page = page.text(format!("  {expression}"));
    }
    let elsewhere = own.name() != coalition.name();
    let (here, there) = (format!("next, {}", own.name()), coalition.name());
    let mut header = vec!["", here.as_str()];
    header.extend(elsewhere.then_some(there));
    let rows = next_closes.iter().map(|time| {
        let mut row = vec![own.weekday(*time), own.text(*time)];
        row.extend(elsewhere.then(|| coalition.text(*time)));
        row
    });
    page.table(&header, rows)
}

/// A calendar in a few words, for a sentence.
pub fn words(calendar: &Calendar) -> String {
    format!("{}, {}", calendar.cron_expressions.join("; "), calendar.time_zone)
}

#[cfg(test)]
mod tests {
    use clearing_core::facts::calendar::Calendars;
    use clearing_core::schedule::Schedule;
    use clearing_core::units::Timestamp;

    use super::*;

    fn next_cut_offs(
        calendar: clearing_core::facts::calendar::Calendar,
        after: Timestamp,
        count: usize,
    ) -> Vec<Timestamp> {
        let calendars = Calendars::from(calendar);
        let schedule = Schedule::read(&calendars).unwrap();
        schedule.after(after).take(count).map(|cut_off| cut_off.time).collect()
    }

    #[test]
    fn each_example_of_the_help_means_what_the_help_says() {
        let (begin, help) = ("2025-12-31T23:59:59Z".parse::<Timestamp>().unwrap(), help());
        for (expression, meaning, days) in EXAMPLES {
            assert!(help.contains(&format!("  {expression:<17} {meaning}\n")), "{help}");
            let calendar = clearing_core::facts::calendar::Calendar::of([expression], "UTC");
            let next: Vec<String> = next_cut_offs(calendar, begin, 3).iter().map(|next| next.to_string()).collect();
            let next: Vec<&str> = next.iter().map(|next| &next[5..10]).collect();
            assert_eq!(next, days, "{expression}");
        }
    }

    /// The help speaks of two day fields: what it says of them holds in every month, not in the first ones alone.
    #[test]
    fn of_two_day_fields_one_is_enough_unless_a_plus_wants_both() {
        let days = |expression: &str| -> Vec<jiff::civil::Date> {
            let calendar = clearing_core::facts::calendar::Calendar::of([expression], "UTC");
            let begin = "2025-12-31T23:59:59Z".parse::<Timestamp>().unwrap();
            let next = next_cut_offs(calendar, begin, 800);
            let dates = next.iter().map(|next| jiff::tz::TimeZone::UTC.to_datetime(next.to_jiff()).date());
            dates.filter(|day| day.year() < 2028).collect()
        };
        let friday = |day: &jiff::civil::Date| day.weekday() == jiff::civil::Weekday::Friday;
        let all = days("0 0 * * *");
        let either: Vec<_> = all.iter().copied().filter(|day| day.day() == 13 || friday(day)).collect();
        let both: Vec<_> = either.iter().copied().filter(|day| day.day() == 13 && friday(day)).collect();
        assert_eq!(days("0 0 13 * FRI")[..50], either[..50]);
        assert_eq!(days("0 0 13 * +FRI"), both);
        assert_eq!(both.len(), 4, "{both:?}");
    }
}
