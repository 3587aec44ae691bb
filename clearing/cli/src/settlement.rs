//! `clearing settlement`: from the netted result of a window to its last payment.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use partner_sdk::operator::{
    AbortSettlement, ConfirmPayment, ConfirmSettlement, ExportOrders, OrderMode, PaymentConfirmed, PaymentOrder,
};
use partner_sdk::{Decimal, Leg, Settlement};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session};
use crate::values;

/// The settlement commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the legs, what is carried and the zero-sum proof of a window; of the open one as it would be now.
    #[command(
        after_help = "Examples:\n  clearing settlement preview          what would settle if the window closed now\n  \
                            clearing settlement preview 3 --output json"
    )]
    Preview {
        /// Number of the window. Left out: the open one.
        #[arg(value_parser = values::whole::<i64>)]
        window: Option<i64>,
    },
    /// Confirms a proposed settlement, so that it can be paid.
    #[command(after_help = "Example:\n  clearing settlement confirm 3")]
    Confirm {
        /// Number of the window.
        #[arg(value_parser = values::whole::<i64>)]
        window: i64,
        #[command(flatten)]
        effect: Effect,
    },
    /// Gives the payment orders of a confirmed settlement, for the bank.
    #[command(
        after_help = "Examples:\n  clearing settlement export 3 --csv orders.csv      everyone to or from one account\n  \
                            clearing settlement export 3 --mode pairwise       participants pay each other"
    )]
    Export(Export),
    /// Shows the payment orders of a closed window and which of them are paid, without exporting anything.
    #[command(
        after_help = "Examples:\n  clearing settlement orders 3                     those that were exported\n  \
                            clearing settlement orders 3 --mode pairwise     as an export in this mode would make them"
    )]
    Orders {
        /// Number of the window.
        #[arg(value_parser = values::whole::<i64>)]
        window: i64,
        /// Who pays whom. Left out: as it was exported.
        #[arg(long, value_enum)]
        mode: Option<Mode>,
    },
    /// Records that an order was paid; with --all, every order that is still due.
    #[command(
        after_help = "Examples:\n  clearing settlement pay 3 GROCER                   its leg, against the settlement account\n  \
                            clearing settlement pay 3 FUEL --to GROCER          an order between two participants\n  \
                            clearing settlement pay 3 GROCER --amount 120.50    only if that is what is due\n  \
                            clearing settlement pay 3 --all                     everything, those who pay first"
    )]
    Pay(Pay),
    /// Gives a settlement up before its first payment; its legs go into the open window.
    #[command(after_help = "Example:\n  clearing settlement abort 3")]
    Abort {
        /// Number of the window.
        #[arg(value_parser = values::whole::<i64>)]
        window: i64,
        #[command(flatten)]
        effect: Effect,
    },
}

/// Who pays whom.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Mode {
    /// Everyone to or from one settlement account.
    #[default]
    Hub,
    /// Participants each other.
    Pairwise,
}

impl From<Mode> for OrderMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Hub => Self::Hub,
            Mode::Pairwise => Self::Pairwise,
        }
    }
}

/// Arguments of `settlement export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    /// Who pays whom.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Also writes the orders as CSV to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `settlement pay`.
#[derive(Debug, Args)]
pub struct Pay {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    /// Whose leg was paid; with --to, who paid.
    #[arg(value_name = "PARTNER", required_unless_present = "all")]
    payer: Option<String>,
    /// Who was paid, for an order between two: a partner, "operator" or "funds".
    #[arg(long, value_name = "PARTNER", requires = "payer")]
    to: Option<String>,
    /// The amount that was paid. Left out: all that is due.
    #[arg(long, value_name = "AMOUNT", requires = "payer", value_parser = values::decimal)]
    amount: Option<Decimal>,
    /// Every order that is still due, those that come in first. Takes the mode of --mode.
    #[arg(long, conflicts_with_all = ["payer", "request_id"])]
    all: bool,
    /// With --all: who pays whom.
    #[arg(long, value_enum, default_value_t, requires = "all")]
    mode: Mode,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    match command {
        Command::Preview { window } => preview(&session, window).await,
        Command::Confirm { window, effect } => confirm(&session, window, effect).await,
        Command::Export(export) => export_orders(&session, export).await,
        Command::Orders { window, mode } => orders(&session, window, mode).await,
        Command::Pay(pay) if pay.all => pay_all(&session, pay.window, pay.mode).await,
        Command::Pay(pay) => pay_one(&session, pay).await,
        Command::Abort { window, effect } => abort(&session, window, effect).await,
    }
}

async fn preview(session: &Session, window: Option<i64>) -> Result<Answer, Failure> {
    let settlement = session.operator().preview_settlement(window).await?;
    let page = page(&settlement);
    Ok(Answer::new(to_json(&settlement), page))
}

async fn confirm(session: &Session, window: i64, effect: Effect) -> Result<Answer, Failure> {
    let request = ConfirmSettlement::of(window).request_id(session.request_id(effect));
    let confirmed = accepted(session.operator().confirm_settlement(request).await)?;
    let json = json!({
        "window": window,
        "window_state": confirmed.window_state.as_str(),
        "settlement_state": confirmed.settlement_state.as_str(),
        "replayed": confirmed.written.replayed,
    });
    let page = Page::new().text(format!("Settlement of window {window} is {}.", confirmed.settlement_state));
    let page = if confirmed.settlement_state == partner_sdk::SettlementState::Settled {
        page.text("There was nothing to pay.").next(format!("clearing report netting {window}"))
    } else {
        page.next(format!("clearing settlement export {window} --csv orders-{window}.csv"))
    };
    Ok(Answer::new(json, page))
}

async fn export_orders(session: &Session, export: Export) -> Result<Answer, Failure> {
    let Export { window, mode, csv, effect } = export;
    let request = ExportOrders::of(window, mode.into()).request_id(session.request_id(effect));
    let orders = accepted(session.operator().export_orders(request).await)?;
    let json = json!({
        "window": window,
        "mode": OrderMode::from(mode).as_str(),
        "settlement_state": orders.settlement_state.as_str(),
        "currency": session.info.currency_code,
        "orders": orders.orders.iter().map(order_json).collect::<Vec<_>>(),
        "csv": orders.csv,
        "replayed": orders.written.replayed,
    });
    let rows = orders
        .orders
        .iter()
        .map(|order| vec![order.payer.clone(), order.payee.clone(), order.amount.amount.to_string()]);
    let mut page = Page::new()
        .text(format!("{} orders of window {window}, {}:", orders.orders.len(), OrderMode::from(mode)))
        .table(&["payer", "payee", &format!(">amount, {}", session.info.currency_code)], rows);
    if let Some(path) = csv {
        fs::write(&path, &orders.csv).map_err(|error| Failure::file("cannot write", &path, &error))?;
        page = page.text(format!("Written to {}.", path.display()));
    }
    let pay = match (mode, orders.orders.first()) {
        (_, None) => format!("clearing window list (nothing is due of window {window})"),
        (Mode::Hub, Some(order)) => {
            let whose = if order.payer == "hub" { &order.payee } else { &order.payer };
            format!("when an order is paid: clearing settlement pay {window} {whose}")
        }
        (Mode::Pairwise, Some(order)) => {
            format!("when an order is paid: clearing settlement pay {window} {} --to {}", order.payer, order.payee)
        }
    };
    Ok(Answer::new(json, page.next(pay)))
}

async fn orders(session: &Session, window: i64, mode: Option<Mode>) -> Result<Answer, Failure> {
    let orders = session.client.orders(window, mode.map(OrderMode::from)).collect().await?;
    let json = json!({
        "window": window,
        "currency": session.info.currency_code,
        "orders": orders.iter().map(order_json).collect::<Vec<_>>(),
    });
    let page = if orders.is_empty() {
        Page::new()
            .text(format!("There are no orders of window {window}."))
            .next(format!("clearing settlement orders {window} --mode hub   (shows what an export would make)"))
    } else {
        let rows = orders.iter().map(|order| {
            let paid = if order.paid { "paid" } else { "due" };
            vec![order.payer.clone(), order.payee.clone(), order.amount.amount.to_string(), paid.to_owned()]
        });
        let amount = format!(">amount, {}", session.info.currency_code);
        Page::new().table(&["payer", "payee", &amount, ""], rows)
    };
    Ok(Answer::new(json, page))
}

async fn pay_one(session: &Session, pay: Pay) -> Result<Answer, Failure> {
    let payer = pay.payer.expect("clap requires it unless --all is given");
    let request = match &pay.to {
        Some(payee) => ConfirmPayment::pair(pay.window, &payer, payee),
        None => ConfirmPayment::hub(pay.window, &payer),
    };
    let request = match pay.amount {
        Some(amount) => request.amount(session.money(amount)),
        None => request,
    };
    let request = request.request_id(session.request_id(pay.effect));
    let paid = accepted(session.operator().confirm_payment(request).await)?;
    let json = json!({
        "window": pay.window,
        "currency": session.info.currency_code,
        "payment": payment_json(&paid),
        "window_state": paid.window_state.as_str(),
        "settlement_state": paid.settlement_state.as_str(),
    });
    let page = Page::new()
        .text(format!("Recorded the payment: settlement of window {} is {}.", pay.window, paid.settlement_state))
        .and(&legs_page(&paid.legs, &session.info.currency_code));
    Ok(Answer::new(json, after_payment(page, pay.window, paid.settlement_state)))
}

/// Those who pay come first: the house pays nothing out that has not come in.
async fn pay_all(session: &Session, window: i64, mode: Mode) -> Result<Answer, Failure> {
    let request = ExportOrders::of(window, mode.into()).request_id(session.client.new_request_id());
    let exported = accepted(session.operator().export_orders(request).await)?;
    let mut orders = exported.orders;
    orders.sort_by_key(|order| ["hub", "funds"].contains(&order.payer.as_str()));
    let mut state = exported.settlement_state;
    let mut payments = Vec::with_capacity(orders.len());
    for order in &orders {
        let request = match mode {
            Mode::Hub if order.payer == "hub" => ConfirmPayment::hub(window, &order.payee),
            Mode::Hub => ConfirmPayment::hub(window, &order.payer),
            Mode::Pairwise => ConfirmPayment::pair(window, &order.payer, &order.payee),
        };
        let request = request.amount(order.amount.clone()).request_id(session.client.new_request_id());
        let paid = accepted(session.operator().confirm_payment(request).await).map_err(|failure| {
            let done = format!("{} of {} orders were recorded before this one", payments.len(), orders.len());
            let message = format!("{} -> {}: {} ({done})", order.payer, order.payee, failure.message);
            Failure { message, ..failure }
        })?;
        state = paid.settlement_state;
        payments.push(payment_json(&paid));
    }
    let json = json!({
        "window": window,
        "currency": session.info.currency_code,
        "orders": orders.iter().map(order_json).collect::<Vec<_>>(),
        "payments": payments,
        "settlement_state": state.as_str(),
    });
    let rows =
        orders.iter().map(|order| vec![order.payer.clone(), order.payee.clone(), order.amount.amount.to_string()]);
    let page = Page::new()
        .text(format!("Recorded {} payments: settlement of window {window} is {state}.", orders.len()))
        .table(&["payer", "payee", &format!(">amount, {}", session.info.currency_code)], rows);
    Ok(Answer::new(json, after_payment(page, window, state)))
}

async fn abort(session: &Session, window: i64, effect: Effect) -> Result<Answer, Failure> {
    let request = AbortSettlement::of(window).request_id(session.request_id(effect));
    let aborted = accepted(session.operator().abort_settlement(request).await)?;
    let json = json!({
        "window": window,
        "open_window": aborted.open_window,
        "entry_id": aborted.written.entry().map(|entry| &entry.entry_id),
        "replayed": aborted.written.replayed,
    });
    let page = Page::new()
        .text(format!(
            "Gave up the settlement of window {window}. Its legs went into the open window {} and settle with it.",
            aborted.open_window
        ))
        .next("clearing settlement preview");
    Ok(Answer::new(json, page))
}

fn after_payment(page: Page, window: i64, state: partner_sdk::SettlementState) -> Page {
    if state == partner_sdk::SettlementState::Settled {
        page.text(format!("Window {window} is settled: all is paid, and that is final.")).next("clearing audit")
    } else {
        page.next(format!("clearing settlement preview {window}   (shows what is still due)"))
    }
}

/// A settlement for programs.
pub fn to_json(settlement: &Settlement) -> Value {
    let proof = &settlement.proof;
    let funds: serde_json::Map<_, _> = proof
        .account_changes
        .iter()
        .map(|change| (change.account.clone(), json!(change.amount.amount.to_string())))
        .collect();
    json!({
        "window": settlement.window,
        "window_state": settlement.window_state.as_str(),
        "settlement_state": state_word(settlement),
        "currency": settlement.gross.currency,
        "legs": settlement.legs.iter().map(leg_json).collect::<Vec<_>>(),
        "carried": settlement.carried.iter().map(|of| {
            json!({ "partner": of.partner_id, "amount": of.amount.amount.to_string() })
        }).collect::<Vec<_>>(),
        "proof": {
            "legs_total": proof.legs_total.amount.to_string(),
            "account_changes": funds,
            "carried_change": proof.carried_change.amount.to_string(),
            "sum": proof.sum.amount.to_string(),
        },
        "gross": settlement.gross.amount.to_string(),
        "pairwise_total": settlement.pairwise_total.amount.to_string(),
        "saved": settlement.saved.map(|share| share.to_string()),
    })
}

/// A settlement for people.
pub fn page(settlement: &Settlement) -> Page {
    let currency = &settlement.gross.currency;
    let window = settlement.window;
    let title = match state_word(settlement) {
        None => format!("Window {window} is open. If it closed now:"),
        Some(state) => format!("Window {window} is {}, its settlement {state}.", settlement.window_state),
    };
    let mut page = Page::new().text(title);
    page = if settlement.legs.is_empty() {
        page.text("No legs: nobody owes and nobody is owed.")
    } else {
        page.and(&legs_page(&settlement.legs, currency))
    };
    for carried in &settlement.carried {
        page = page.text(format!("Carried: {} {}", carried.partner_id, carried.amount));
    }
    let saved = settlement.saved.map_or_else(
        || "nothing to net".to_owned(),
        |share| format!("{} % need not move", (share * Decimal::ONE_HUNDRED).normalize()),
    );
    page = page.text(format!("Gross {}, after netting {}: {saved}.", settlement.gross, settlement.pairwise_total));
    let proof = &settlement.proof;
    let funds: Vec<_> =
        proof.account_changes.iter().map(|change| format!(" + {} {}", change.account, change.amount.amount)).collect();
    page = page.text(format!(
        "Proof: legs {}{} + carried {} = {}.",
        proof.legs_total.amount,
        funds.concat(),
        proof.carried_change.amount,
        proof.sum
    ));
    use partner_sdk::SettlementState as State;
    match settlement.state {
        State::Proposed => {
            page.next(format!("clearing settlement confirm {window}   (or: clearing settlement abort {window})"))
        }
        State::Confirmed => page.next(format!("clearing settlement export {window} --csv orders-{window}.csv")),
        State::Exported | State::PartlyPaid => page.next(format!("clearing settlement pay {window} PARTNER")),
        State::Settled | State::Aborted => page,
        State::Other(_) | _ => page.next("clearing window close"),
    }
}

/// The state of a settlement; none of an open window.
fn state_word(settlement: &Settlement) -> Option<&'static str> {
    let open = settlement.window_state == partner_sdk::WindowState::Open;
    (!open).then(|| settlement.state.as_str())
}

fn legs_page(legs: &[Leg], currency: &str) -> Page {
    let rows = legs.iter().map(|leg| {
        let verb = if leg.amount.amount.is_sign_negative() { "pays" } else { "gets" };
        let state = if matches!(leg.state, partner_sdk::LegState::Other(0)) { "" } else { leg.state.as_str() };
        vec![
            leg.partner_id.clone(),
            verb.to_owned(),
            leg.amount.amount.abs().to_string(),
            leg.due.amount.abs().to_string(),
            state.to_owned(),
        ]
    });
    Page::new().table(&["participant", "", &format!(">amount, {currency}"), ">still due", "state"], rows)
}

fn leg_json(leg: &Leg) -> Value {
    let state = (!matches!(leg.state, partner_sdk::LegState::Other(0))).then(|| leg.state.as_str());
    json!({
        "partner": leg.partner_id,
        "amount": leg.amount.amount.to_string(),
        "due": leg.due.amount.to_string(),
        "state": state,
    })
}

fn order_json(order: &PaymentOrder) -> Value {
    json!({
        "payer": order.payer,
        "payee": order.payee,
        "amount": order.amount.amount.to_string(),
        "paid": order.paid,
    })
}

fn payment_json(paid: &PaymentConfirmed) -> Value {
    json!({
        "entry_id": paid.written.entry_id(),
        "legs": paid.legs.iter().map(leg_json).collect::<Vec<_>>(),
        "replayed": paid.written.replayed,
    })
}
