//! `clearing window`: the periods whose positions settle together.

use clap::Subcommand;
use partner_sdk::operator::CloseWindow;
use partner_sdk::{Window, WindowState};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::session::{Session, first, moment, moment_or_none};
use crate::{settlement, values};

/// The window commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the windows, newest first.
    #[command(after_help = "Examples:\n  clearing window list\n  clearing window list --limit 3 --output json")]
    List {
        /// How many at most.
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

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { limit } => list(&Session::open(context).await?, limit).await,
        Command::Close(irrevocable) => close(context, irrevocable).await,
    }
}

async fn list(session: &Session, limit: usize) -> Result<Answer, Failure> {
    let windows = first(session.client.windows(), limit).await?;
    let next_closes = session.client.next_closes().await?;
    let json = json!({
        "currency": session.info.currency_code,
        "windows": windows.iter().map(to_json).collect::<Vec<_>>(),
        "next_close_times": next_closes.iter().copied().map(moment).collect::<Vec<_>>(),
    });
    let rows = windows.iter().map(|window| {
        vec![
            window.window.to_string(),
            window.state.to_string(),
            settlement_word(window).unwrap_or_default().to_owned(),
            moment(window.open_time),
            moment_or_none(window.close_time).unwrap_or_default(),
        ]
    });
    let page = Page::new().table(&[">window", "state", "settlement", "opened", "closed"], rows);
    let page = match next_closes.first() {
        Some(next) => page.text(format!("The calendar closes the open window at {}.", moment(*next))),
        None => page.text("There is no calendar: windows are closed by hand, with `clearing window close`."),
    };
    Ok(Answer::new(json, page))
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

/// A window for programs.
pub fn to_json(window: &Window) -> Value {
    json!({
        "window": window.window,
        "state": window.state.as_str(),
        "settlement_state": settlement_word(window),
        "open_time": moment(window.open_time),
        "close_time": moment_or_none(window.close_time),
        "leg": window.leg.as_ref().map(|leg| leg.amount.amount.to_string()),
    })
}
