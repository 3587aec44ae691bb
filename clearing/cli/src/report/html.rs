//! `clearing report html`: a window on paper. The settlement first, then each statement, read and written one after the other.

use askama::Template;
use clap::Args;
use partner_sdk::operator::{NettingReport, PaymentOrder};
use partner_sdk::{Decimal, WindowState};

use crate::amounts::{count, minor_digits, money, percent};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Destination};
use crate::paper::{self, Head, Name, Obligations, Owed, Running, Table, Tile, Tiles, render};
use crate::session::Session;
use crate::settlement::payments;
use crate::statement::{Lines, Sheet, coalition, write_html};
use crate::values;

/// Whose statement comes last.
const OPERATOR: &str = "operator";

/// Arguments of `report html`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of the window. Left out: the open one, so far.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// How many lines of each statement at most. Left out: none, only what they come to.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::whole::<usize>)]
    lines: usize,
    #[command(flatten)]
    destination: Destination,
}

/// A window as it is written.
#[derive(Debug, Template)]
#[template(path = "report/html.html")]
struct Window {
    coalition: String,
    title: String,
    period: String,
    written: String,
    headline: String,
    tiles: Tiles,
    legs: Table,
    orders: Option<Table>,
    payments: Option<Table>,
    obligations: Option<Obligations>,
    remarks: Vec<String>,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let Arguments { window, lines, destination } = arguments;
    destination.may_write()?;
    let session = Session::open(context).await?;
    let report = session.operator().netting_report(window).await?;
    let window = report.settlement.window;
    let house = session.client.statement_of(OPERATOR, Some(window)).await?;
    let partners = session.operator().partners().all().await?;

    let sheet = Sheet::new(&session.info, &house);
    let title = format!("Settlement of window {window}, coalition {}", session.info.coalition_id);
    let period = sheet.period();
    let mut running = vec![Running {
        part: String::new(),
        text: format!("{} - Settlement of window {window} - {period}", coalition(&session.info)),
    }];
    // Whose pages are whose must stand in the head of the file, before their statements are read.
    let mut parts: Vec<(String, String)> = Vec::with_capacity(partners.len() + 1);
    let names = partners.iter().map(|partner| (partner.partner_id.as_str(), partner.display_name.as_str()));
    let others = names.filter(|(id, _)| *id != OPERATOR);
    for (number, (id, name)) in others.chain([(OPERATOR, OPERATOR)]).enumerate() {
        let part = format!("statement{}", number + 1);
        let name = Name::new(id, name).said();
        let text = format!("{} - Statement of {name} - Window {window} - {period}", coalition(&session.info));
        running.push(Running { part: part.clone(), text });
        parts.push((id.to_owned(), part));
    }

    let mut out = context.output.begin(&destination)?;
    out.put(&render(&Head { generator: "clearing report", title: &title, running: &running }))?;
    out.put(&render(&settlement(&session, &report, &sheet, &parts).await?))?;
    drop((report, running));
    let mut idle = Vec::new();
    for (id, part) in &parts {
        if !out.is_read() {
            break;
        }
        let statement = session.client.statement_of(id, Some(window)).await?;
        let sheet = Sheet::new(&session.info, &statement);
        if sheet.is_empty() {
            idle.push(id.as_str());
            continue;
        }
        let mut lines = Lines::new(session.client.statement_lines_of(id, Some(window)), 0, lines);
        write_html(&mut out, &sheet, &sheet.words(part), &mut lines).await?;
    }
    if !idle.is_empty() {
        out.put(&format!("<p class=\"soft\">Nothing to state in this window: {}.</p>\n", idle.join(", ")))?;
    }
    out.put(paper::END)?;
    out.end()
}

/// What the window came to.
async fn settlement(
    session: &Session,
    report: &NettingReport,
    sheet: &Sheet<'_>,
    parts: &[(String, String)],
) -> Result<Window, Failure> {
    let settlement = &report.settlement;
    let (window, currency) = (settlement.window, &session.info.currency_code);
    let is_open = settlement.window_state == WindowState::Open;
    let (orders, payments) = if is_open {
        (Vec::new(), Vec::new())
    } else {
        (session.client.orders(window, None).all().await?, payments(session, window).await?)
    };
    let part = |id: &str| parts.iter().find(|(of, _)| of == id).map(|(_, part)| format!("#{part}"));
    let links = settlement.legs.iter().map(|leg| part(&leg.partner_id)).collect();
    let obligations: Vec<Owed> = report.obligations.iter().map(Owed::from).collect();
    let mut remarks: Vec<String> = paper::settlement::carried(settlement).collect();
    remarks.push(paper::settlement::moves(settlement));
    remarks.push(paper::settlement::proof(settlement));
    Ok(Window {
        coalition: coalition(&session.info),
        title: paper::settlement::title(settlement),
        period: sheet.period(),
        written: sheet.local(session.info.server_time),
        headline: paper::settlement::headline(report),
        tiles: tiles(report, &orders),
        legs: paper::settlement::legs(&settlement.legs, currency).with_links(links),
        orders: (!orders.is_empty()).then(|| paper::settlement::orders("Payment orders", &orders, currency)),
        payments: (!payments.is_empty())
            .then(|| paper::settlement::payments(&payments, currency, |time| sheet.local(time))),
        obligations: (!obligations.is_empty())
            .then(|| Obligations::new(&obligations, currency, minor_digits(currency))),
        remarks,
    })
}

fn tiles(report: &NettingReport, orders: &[PaymentOrder]) -> Tiles {
    let settlement = &report.settlement;
    let currency = &settlement.gross.currency;
    let said = |amount: Decimal| money(amount, minor_digits(currency));
    let tile = |number: String, what: String| Tile { number, what };
    let mut tiles = vec![
        tile(said(settlement.gross.amount), format!("{currency} owed between brands")),
        tile(said(report.netted_total.amount), format!("{currency} of it left after netting")),
    ];
    tiles.extend(report.netted_share.map(|share| tile(percent(share), "of what is owed need not move".to_owned())));
    let moves = format!("{currency} move with prepaid points, fees and what was carried");
    tiles.push(tile(said(settlement.pairwise_total.amount), moves));
    if !orders.is_empty() {
        let due: Decimal = orders.iter().filter(|order| !order.paid).map(|order| order.amount.amount).sum();
        let paid = orders.iter().filter(|order| order.paid).count();
        let what = format!("{currency} still due; {} of {} orders are paid", count(paid), count(orders.len()));
        tiles.push(tile(said(due), what));
    }
    Tiles(tiles)
}
