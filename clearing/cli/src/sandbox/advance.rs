//! `clearing sandbox advance`: moves the clock of a sandbox that stands still.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::session::{Session, moment};

/// Where a clock is moved to.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    By(Span),
    To(Timestamp),
    Day(Date),
}

/// As it is written on the command line.
pub fn target(text: &str) -> Result<Target, String> {
    if let Ok(time) = text.parse() {
        return Ok(Target::To(time));
    }
    if let Ok(day) = text.parse() {
        return Ok(Target::Day(day));
    }
    let span: Span = text.parse().map_err(|_| FORMS.to_owned())?;
    if span.is_positive() { Ok(Target::By(span)) } else { Err(FORMS.to_owned()) }
}

const FORMS: &str = "how far, such as 30d, 12h or 1h30m, or to when, such as 2026-12-01 or 2026-12-01T08:00:00Z";

/// Moves the clock of the sandbox that a configuration names.
pub async fn advance(context: Context, to: Target) -> Result<(), Failure> {
    let session = Session::open(&context).await?;
    if !session.info.clock_stands_still {
        return Err(Failure::usage("the clock of this house runs in real time, and cannot be moved")
            .hint("start the sandbox with --start 2026-01-01 to have one that stands still"));
    }
    let before = Timestamp::try_from(session.info.server_time).map_err(|error| Failure::internal(&error))?;
    let zone = TimeZone::get(&session.info.time_zone).map_err(|error| Failure::internal(&error))?;
    let beyond = |_| Failure::usage("that is beyond the calendar");
    let to = match to {
        Target::To(time) => time,
        Target::Day(day) => day.to_zoned(zone).map_err(beyond)?.timestamp(),
        Target::By(span) => before.to_zoned(zone).checked_add(span).map_err(beyond)?.timestamp(),
    };
    let moved = session.client.sandbox().advance_clock(to.into()).await?;
    let works = moved.due_works.iter().map(|work| {
        let entries = work.entry_ids.len().to_string();
        let window = work.window.map(|window| window.to_string()).unwrap_or_default();
        vec![moment(work.due_time), work.kind.to_string(), window, entries]
    });
    let json = json!({
        "from": before.to_string(),
        "clock": moment(moved.clock_time),
        "due_work_count": moved.due_work_count,
        "due_works": moved.due_works.iter().map(|work| json!({
            "kind": work.kind.as_str(),
            "due_time": moment(work.due_time),
            "window": work.window,
            "entry_ids": work.entry_ids,
        })).collect::<Vec<_>>(),
    });
    let mut page = Page::new().text(format!("It is {} now; it was {before}.", moment(moved.clock_time)));
    if moved.due_work_count > 0 {
        page = page.text(format!("{} pieces of work were due:", moved.due_work_count));
        page = page.table(&["due", "what", ">window", ">entries"], works);
    }
    context.output.show(&Answer::new(json, page));
    Ok(())
}
