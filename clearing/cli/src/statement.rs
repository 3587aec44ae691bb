//! `clearing statement`: what one partner's position came to in one window, and why.

use clap::Args;
use partner_sdk::{Statement, StatementLine, StatementTotal};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::session::{Session, first, moment};
use crate::{values, window};

/// Arguments of `statement`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose statement; "operator" for the operator's own.
    partner: String,
    /// Number of the window. Left out: the open one, so far.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// How many lines to list; 0 lists none.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = values::whole::<usize>)]
    lines: usize,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    let Arguments { partner, window, lines: lines_max } = arguments;
    let statement = session.client.statement_of(&partner, window).await?;
    // The lines of the window that was shown, also when another has been opened since.
    let lines = first(session.client.statement_lines_of(&partner, Some(statement.window.window)), lines_max).await?;
    Ok(Answer::new(to_json(&statement, &lines), page(&statement, &lines)))
}

fn to_json(statement: &Statement, lines: &[StatementLine]) -> Value {
    json!({
        "partner": statement.partner_id,
        "window": window::to_json(&statement.window),
        "currency": statement.opening.currency,
        "opening": statement.opening.amount.to_string(),
        "totals": statement.totals.iter().map(|total| json!({
            "role": total.role.as_str(),
            "kind": total.kind.as_str(),
            "purpose": total.purpose.as_str(),
            "amount": total.amount.amount.to_string(),
            "points": total.points,
            "line_count": total.line_count,
        })).collect::<Vec<_>>(),
        "leg": statement.leg.amount.to_string(),
        "closing": statement.closing.amount.to_string(),
        "lines": lines.iter().map(|line| json!({
            "entry_id": line.entry_id,
            "sequence": line.sequence,
            "entry_time": moment(line.entry_time),
            "kind": line.kind.as_str(),
            "role": line.role.as_str(),
            "counterparty_id": line.counterparty_id,
            "purpose": line.purpose.as_str(),
            "amount": line.amount.amount.to_string(),
            "points": line.points,
        })).collect::<Vec<_>>(),
    })
}

fn page(statement: &Statement, lines: &[StatementLine]) -> Page {
    let currency = &statement.opening.currency;
    let window = &statement.window;
    let total_row = |total: &StatementTotal| {
        vec![
            total.role.to_string(),
            total.kind.to_string(),
            total.purpose.to_string(),
            total.points.to_string(),
            total.line_count.to_string(),
            total.amount.amount.to_string(),
        ]
    };
    let bare = |what: &str, amount: &partner_sdk::Money| {
        let mut row = vec![String::new(); 6];
        what.clone_into(&mut row[0]);
        row[5] = amount.amount.to_string();
        row
    };
    let mut rows = vec![bare("opening", &statement.opening)];
    rows.extend(statement.totals.iter().map(total_row));
    rows.push(bare("to the settlement", &partner_sdk::Money::new(currency.as_str(), -statement.leg.amount)));
    rows.push(bare("closing", &statement.closing));
    let mut page = Page::new()
        .text(format!("Statement of {} for window {} ({}):", statement.partner_id, window.window, window.state))
        .table(&["role", "what", "purpose", ">points", ">lines", &format!(">amount, {currency}")], rows);
    if !lines.is_empty() {
        let count: i64 = statement.totals.iter().map(|total| total.line_count).sum();
        let rows = lines.iter().map(|line| {
            vec![
                line.sequence.to_string(),
                moment(line.entry_time),
                line.kind.to_string(),
                line.role.to_string(),
                line.counterparty_id.clone().unwrap_or_default(),
                line.purpose.to_string(),
                line.points.to_string(),
                line.amount.amount.to_string(),
            ]
        });
        let header = [">entry", "time", "what", "role", "other side", "purpose", ">points", ">amount"];
        page = page.text(format!("The first {} of {count} lines:", lines.len())).table(&header, rows);
    }
    page
}
