//! `clearing window`: the periods whose positions settle together.

use std::time::{Duration, SystemTime};

use clap::Subcommand;
use partner_sdk::operator::CloseWindow;
use partner_sdk::{SettlementState, Window, WindowState};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::session::{Session, moment, moment_or_none};
use crate::times::{Zone, duration};
use crate::{calendar, settlement, values};

/// The window commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the windows, newest first, and after them the older ones that are closed and wait to be confirmed.
    #[command(after_help = "Examples:\n  clearing window list\n  clearing window list --limit 3 --output json")]
    List {
        /// How many at most, beside those that wait to be confirmed: these are all listed.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = values::whole::<usize>)]
        limit: usize,
    },
    /// Closes the open window now and opens the next: positions become the legs of a proposed settlement.
    #[command(
        after_help = "Examples:\n  clearing window close\n  clearing window close --dry-run     shows the settlement that it would make\n  \
                            clearing window close --yes         in a script\n\nA calendar does this by itself: clearing calendar set '0 0 * * *'"
    )]
    Close(Irrevocable),
}

/// Windows of which `window list` says in words when they are paid: the newest.
const PAYMENT_DAYS_TOLD: usize = 3;

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { limit } => list(&Session::open(context).await?, limit).await,
        Command::Close(irrevocable) => close(context, irrevocable).await,
    }
}

async fn list(session: &Session, limit: usize) -> Result<Answer, Failure> {
    let mut windows = session.client.windows().first(limit).await?;
    let waiting = session.client.unconfirmed_windows().all().await?;
    let unlisted = |window: &&Window| windows.iter().all(|listed| listed.window != window.window);
    let older: Vec<Window> = waiting.iter().filter(unlisted).cloned().collect();
    windows.extend(older);
    let (calendar, next_closes) = session.client.calendar().await?;
    let now = session.info.server_time;
    let json = json!({
        "currency": session.info.currency_code,
        "windows": windows.iter().map(|window| listed(window, now)).collect::<Vec<_>>(),
        "unconfirmed": waiting.iter().map(|window| window.window).collect::<Vec<_>>(),
        "calendar_version": calendar.as_ref().map(|calendar| calendar.number),
        "next_close_times": next_closes.iter().map(|next| moment(next.close_time)).collect::<Vec<_>>(),
    });
    let rows = windows.iter().map(|window| {
        vec![
            window.window.to_string(),
            window.state.to_string(),
            settlement_word(window).unwrap_or_default().to_owned(),
            session.zone.text_or_none(window.close_time),
            window.leg_count.map_or_else(String::new, |legs| legs.to_string()),
            unconfirmed_for(window, now).map_or_else(String::new, duration),
        ]
    });
    let mut page = Page::new().table(&[">window", "state", "settlement", "closed", ">legs", "unconfirmed for"], rows);
    if let Some(open) = windows.iter().find(|window| window.state == WindowState::Open) {
        page = page.text(format!("Window {} is open since {}.", open.window, session.zone.said(open.open_time)));
    }
    let to_be_paid = |window: &&Window| !window.payment_day.is_empty() && window.state != WindowState::Settled;
    for window in windows.iter().filter(to_be_paid).take(PAYMENT_DAYS_TOLD) {
        let Window { window, advice_day, payment_day, .. } = window;
        page = page.text(format!("What window {window} settles is told on {advice_day} and paid on {payment_day}."));
    }
    page = match next_closes.first().zip(calendar.as_ref()) {
        Some((next, calendar)) => {
            let (words, next) = (calendar::words(calendar), session.zone.said(next.close_time));
            page.text(format!("The calendar ({words}) closes it at {next}."))
        }
        None => page.text("There is no calendar: windows are closed by hand, with `clearing window close`."),
    };
    Ok(Answer::new(json, page.and(&to_confirm(&waiting, &session.zone))))
}

/// What is said of windows that wait to be confirmed, newest first.
fn to_confirm(waiting: &[Window], zone: &Zone) -> Page {
    let Some(oldest) = waiting.last() else { return Page::new() };
    let empty = waiting.iter().filter(|window| window.leg_count == Some(0)).count();
    let since = oldest.close_time.map_or_else(String::new, |closed| format!(", the first since {}", zone.said(closed)));
    let page = Page::new()
        .text(format!(
            "To be confirmed: {}{since}. Nobody is paid before.",
            waiting.iter().rev().map(|window| window.window.to_string()).collect::<Vec<_>>().join(", ")
        ))
        .next(format!("clearing settlement confirm {}", oldest.window));
    match empty {
        0 => page,
        _ => page.text(format!("      clearing settlement confirm --empty   (confirms the {empty} without legs)")),
    }
}

/// For how long a window has been closed that nobody has confirmed or given up.
fn unconfirmed_for(window: &Window, now: SystemTime) -> Option<Duration> {
    let waits = window.settlement_state == SettlementState::Proposed && window.state != WindowState::Open;
    // A house with a wrong clock is not to be made worse by this one.
    window.close_time.filter(|_| waits).map(|closed| now.duration_since(closed).unwrap_or_default())
}

async fn close(context: &Context, irrevocable: Irrevocable) -> Result<Answer, Failure> {
    let session = irrevocable.open(context).await?;
    let plan = async {
        let settlement = session.operator().preview_settlement(None).await?;
        let sentence = format!("closes window {} and opens the next", settlement.window);
        Ok(Plan::new(sentence, settlement::to_json(&settlement), settlement::facts(&settlement)))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = CloseWindow::now().request_id(session.request_id(irrevocable.effect));
    let closed = accepted(session.operator().close_window(request).await)?;
    let json = json!({
        "settlement": settlement::to_json(&closed.settlement),
        "open_window": closed.open_window,
        "entry_id": closed.written.entry().map(|entry| &entry.entry_id),
        "replayed": closed.written.replayed,
    });
    let page = Page::new()
        .text(format!("Closed window {}; window {} is open now.", closed.settlement.window, closed.open_window))
        .and(&settlement::page(&closed.settlement));
    Ok(Answer::new(json, page))
}

/// The state of a window's settlement; none while it is open.
fn settlement_word(window: &Window) -> Option<&'static str> {
    (window.state != WindowState::Open).then(|| window.settlement_state.as_str())
}

/// A window of the list, for programs.
fn listed(window: &Window, now: SystemTime) -> Value {
    let mut json = to_json(window);
    json["leg_count"] = json!(window.leg_count);
    json["unconfirmed_seconds"] = json!(unconfirmed_for(window, now).map(|waits| waits.as_secs()));
    json
}

/// A window for programs.
pub fn to_json(window: &Window) -> Value {
    json!({
        "window": window.window,
        "state": window.state.as_str(),
        "settlement_state": settlement_word(window),
        "open_time": moment(window.open_time),
        "close_time": moment_or_none(window.close_time),
        "advice_day": Some(&window.advice_day).filter(|day| !day.is_empty()),
        "payment_day": Some(&window.payment_day).filter(|day| !day.is_empty()),
        "leg": window.leg.as_ref().map(|leg| leg.amount.amount.to_string()),
    })
}
