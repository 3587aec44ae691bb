//! `clearing sandbox advance`: moves the clock of a sandbox that stands still.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;

use crate::amounts::counted;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::session::{Session, moment};
use crate::times::{self, When};

/// Where a clock is moved to.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    By(Span),
    To(When),
}

/// As it is written on the command line.
pub fn target(text: &str) -> Result<Target, String> {
    if let Ok(when) = times::when(text) {
        return Ok(Target::To(when));
    }
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() => Ok(Target::By(span)),
        Ok(_) | Err(_) => {
            Err(format!("{text:?} is neither how far (write 30d, 12h or 1h30m) nor a time ({})", times::FORMS))
        }
    }
}

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
        Target::To(when) => {
            Timestamp::try_from(when.begin(&session.zone)?).map_err(|error| Failure::internal(&error))?
        }
        Target::By(span) => before.to_zoned(zone).checked_add(span).map_err(beyond)?.timestamp(),
    };
    let moved = session.client.sandbox().advance_clock(to.into()).await?;
    let works = moved.due_works.iter().map(|work| {
        let entries = work.entry_ids.len().to_string();
        let window = work.window.map(|window| window.to_string()).unwrap_or_default();
        vec![session.zone.text(work.due_time), work.kind.to_string(), window, entries]
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
    let [was, is] = [before.into(), moved.clock_time].map(|time| session.zone.text(time));
    let mut page = Page::new().text(format!("It is {is} now; it was {was}. {}", session.zone.note()));
    if moved.due_work_count > 0 {
        page = page.text(format!("{} due:", counted(moved.due_work_count, "piece of work was", "pieces of work were")));
        page = page.table(&["due", "what", ">window", ">entries"], works);
    }
    context.output.show(&Answer::new(json, page));
    Ok(())
}
