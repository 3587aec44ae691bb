//! `clearing settlement`: from the netted result of a window to its last payment.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use partner_sdk::operator::{
    AbortSettlement, AdminAction, AdminActions, ConfirmPayment, ConfirmSettlement, ExportOrders, OrderMode,
    PaymentConfirmed, PaymentOrder,
};
use partner_sdk::{Decimal, EntryKind, Leg, Settlement};
use serde_json::{Value, json};

use clearing_core::facts::origin::BusinessDate;

use crate::amounts::counted;
use crate::bank_orders::{Ready, ToBanks};
use crate::context::Context;
use crate::default;
use crate::failure::{Exit, Failure, accepted};
use crate::files::{may_write, write};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::paper::settlement as paper;
use crate::session::{Session, moment};
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
    /// Confirms a proposed settlement, so that it can be paid; with --empty, every one that has no legs. Those are settled by it,
    /// which is final.
    #[command(
        after_help = "Examples:\n  clearing settlement confirm 3\n  clearing settlement confirm 3 --dry-run     what would be confirmed\n  \
                            clearing settlement confirm --empty         all windows in which nobody owes anything\n\n\
                            clearing window list names the windows that wait to be confirmed."
    )]
    Confirm(Confirm),
    /// Gives the payment orders of a confirmed settlement, for the bank.
    #[command(
        after_help = "Examples:\n  clearing settlement export 3 --csv orders.csv      everyone to or from one account\n  \
                            clearing settlement export 3 --mode pairwise       participants pay each other\n  \
                            clearing settlement export 3 --mode pairwise --replace     although it was exported otherwise\n  \
                            clearing settlement export 3 --format pain.001 --folder orders     a file for each payer's bank\n  \
                            clearing settlement export 3 --mode pairwise --format 1c --folder orders --payer fuel\n\n\
                            A file for a bank names the accounts that were in force when the window was exported, and stays the same\n\
                            however often it is made. The coalition pays from the operator's account (clearing partner account operator).\n\n\
                            Pay-outs wait until their money has come in: export again then. `clearing settlement release` pays parts earlier.\n\n\
                            The same mode may be exported again. Another one voids the orders of the first: take their file back from\n\
                            the bank before you say --replace."
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
    /// Records that an order was paid; with --all, every order that is still due. A payment that is recorded is final.
    #[command(
        after_help = "Examples:\n  clearing settlement pay 3 grocer                   its leg, against the settlement account\n  \
                            clearing settlement pay 3 grocer --reference 'RF18 5390' --value-date 2026-03-02\n  \
                            clearing settlement pay 3 fuel --to grocer          an order between two participants\n  \
                            clearing settlement pay 3 grocer --amount 120.50    only if that is what is due\n  \
                            clearing settlement pay 3 --all --dry-run           what is still due\n  \
                            clearing settlement pay 3 --all                     everything, those who pay first"
    )]
    Pay(Pay),
    /// Gives a settlement up before its first payment; its legs go into the open window.
    #[command(
        after_help = "Examples:\n  clearing settlement abort 3\n  clearing settlement abort 3 --dry-run     which legs would go back"
    )]
    Abort(OfWindow),
    /// Lets pay-outs leave before all debits are paid, as far as their money has come in: to all creditors by the same part.
    #[command(
        after_help = "Examples:\n  clearing settlement release 3\n  clearing settlement release 3 --amount 5000\n\n\
                            A house that was founded with --pay-out-at-once lets them leave by themselves."
    )]
    Release(default::Release),
    /// Pays a leg for a partner that defaults: what arrived of it, its advance, its collateral, the reserve; it is suspended.
    #[command(
        after_help = "Examples:\n  clearing settlement cover 3 fuel --dry-run\n  clearing settlement cover 3 fuel\n  \
                      clearing settlement cover 3 fuel --share     what the reserve leaves missing, the creditors bear"
    )]
    Cover(default::Cover),
    /// Records that a partner paid of what is claimed of it.
    #[command(
        after_help = "Examples:\n  clearing settlement repay fuel 1000 --reference NTRF-4714 --booked 2026-03-09\n  \
                      clearing settlement repay fuel 1000 --penalty 20 --reference NTRF-4714"
    )]
    Repay(default::Repay),
}

/// Arguments of `settlement confirm`.
#[derive(Debug, Args)]
pub struct Confirm {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>, required_unless_present = "empty")]
    window: Option<i64>,
    /// Every closed window without legs that waits to be confirmed, instead of one: nothing is to be paid there.
    #[arg(long, conflicts_with_all = ["window", "request_id"])]
    empty: bool,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// A closed window, of which something is done that cannot be undone.
#[derive(Debug, Args)]
pub struct OfWindow {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    #[command(flatten)]
    irrevocable: Irrevocable,
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
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    csv: Option<PathBuf>,
    /// Overwrites files that are there.
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
    #[command(flatten)]
    to_banks: ToBanks,
    /// The orders that were exported in the other mode are void.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    irrevocable: Irrevocable,
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
    /// Every order that is still due, those that come in first: as they were exported, and where nothing was exported those
    /// against the settlement account.
    #[arg(long, conflicts_with_all = ["payer", "to", "amount", "reference", "request_id"])]
    all: bool,
    /// By what the bank calls the payment: at most 140 characters. It is kept for good, so it must name no person.
    #[arg(long, value_name = "TEXT", requires = "payer")]
    reference: Option<String>,
    /// The day on which the bank booked what was paid.
    #[arg(long, value_name = "YYYY-MM-DD")]
    value_date: Option<BusinessDate>,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Preview { window } => preview(&Session::open(context).await?, window).await,
        Command::Confirm(Confirm { window: Some(window), irrevocable, .. }) => {
            confirm(context, OfWindow { window, irrevocable }).await
        }
        Command::Confirm(Confirm { irrevocable, .. }) => confirm_empty(context, irrevocable).await,
        Command::Export(export) => export_orders(context, export).await,
        Command::Orders { window, mode } => orders(&Session::open(context).await?, window, mode).await,
        Command::Pay(pay) if pay.all => pay_all(context, pay).await,
        Command::Pay(pay) => pay_one(context, pay).await,
        Command::Abort(of) => abort(context, of).await,
        Command::Release(release) => default::release(context, release).await,
        Command::Cover(cover) => default::cover(context, cover).await,
        Command::Repay(repay) => default::repay(context, repay).await,
    }
}

async fn preview(session: &Session, window: Option<i64>) -> Result<Answer, Failure> {
    let settlement = session.operator().preview_settlement(window).await?;
    let page = page(&settlement);
    Ok(Answer::new(to_json(&settlement), page))
}

async fn confirm(context: &Context, of: OfWindow) -> Result<Answer, Failure> {
    let OfWindow { window, irrevocable } = of;
    let session = irrevocable.open(context).await?;
    let plan = plan_for(&session, window, format!("confirms the settlement of window {window}"));
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = ConfirmSettlement::of(window).request_id(session.request_id(irrevocable.effect));
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

async fn confirm_empty(context: &Context, irrevocable: Irrevocable) -> Result<Answer, Failure> {
    let session = irrevocable.open(context).await?;
    let mut windows = session.client.unconfirmed_windows().all().await?;
    let others = windows.len();
    windows.retain(|window| window.leg_count == Some(0));
    let others = others - windows.len();
    // As they were closed.
    windows.reverse();
    let numbers: Vec<i64> = windows.iter().map(|window| window.window).collect();
    let left = match others {
        0 => String::new(),
        _ => format!(" {others} with legs wait to be confirmed one by one: clearing window list."),
    };
    if numbers.is_empty() {
        let json = json!({ "windows": [], "with_legs": others });
        return Ok(Answer::new(json, Page::new().text(format!("No window without legs waits to be confirmed.{left}"))));
    }
    let listed = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let plan = async {
        let sentence =
            format!("confirms the settlements without legs of windows {listed}, and so settles them for good");
        let rows = windows.iter().map(|window| {
            let [opened, closed] =
                [Some(window.open_time), window.close_time].map(|time| session.zone.text_or_none(time));
            vec![window.window.to_string(), opened, closed]
        });
        let page = Page::new().table(&[">window", "opened", "closed"], rows).text(session.zone.note());
        Ok(Plan::new(sentence, json!({ "windows": numbers, "with_legs": others }), page))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let mut confirmed = Vec::with_capacity(numbers.len());
    for window in &numbers {
        let request = ConfirmSettlement::of(*window).request_id(session.client.new_request_id());
        let done = accepted(session.operator().confirm_settlement(request).await).map_err(|failure| {
            let done = format!("{} of {} were confirmed before this one", confirmed.len(), numbers.len());
            again(Failure { message: format!("window {window}: {} ({done})", failure.message), ..failure }, "confirmed")
        })?;
        confirmed.push(json!({
            "window": window,
            "window_state": done.window_state.as_str(),
            "settlement_state": done.settlement_state.as_str(),
        }));
    }
    let page = Page::new().text(format!("Confirmed and settled without a payment: {listed}.{left}"));
    Ok(Answer::new(json!({ "windows": confirmed, "with_legs": others }), page))
}

/// What was broken off, of a command that does many things under request ids of their own, goes on by itself.
fn again(failure: Failure, done: &str) -> Failure {
    if failure.exit == Exit::Unreachable {
        failure.hint(format!("run the same command again: what is {done} is passed over"))
    } else {
        failure
    }
}

/// What is done with the settlement of a window that is closed.
async fn plan_for(session: &Session, window: i64, sentence: String) -> Result<Plan, Failure> {
    let settlement = session.operator().preview_settlement(Some(window)).await?;
    Ok(Plan::new(sentence, to_json(&settlement), facts(&settlement)))
}

async fn export_orders(context: &Context, export: Export) -> Result<Answer, Failure> {
    let Export { window, mode, csv, force, to_banks, replace, irrevocable } = export;
    if let Some(path) = &csv {
        may_write(path, force)?;
    }
    // Only orders that become void cannot be had again.
    let irrevocable = if replace { irrevocable } else { irrevocable.without_asking() };
    let session = irrevocable.open(context).await?;
    let plan = async {
        let orders = session.client.orders(window, Some(mode.into())).all().await?;
        let void = if replace { "; orders that were exported in the other mode are void" } else { "" };
        let sentence = format!(
            "exports {} of window {window}, {}{void}",
            counted(orders.len(), "order", "orders"),
            OrderMode::from(mode)
        );
        let ready = to_banks.ready(&session, window, mode.into()).await?;
        let mut json = json!({ "window": window, "orders": orders.iter().map(order_json).collect::<Vec<_>>() });
        tell(&mut json, ready.as_ref());
        let page = orders_page(&orders, &session.info.currency_code);
        Ok(Plan::new(sentence, json, ready.iter().fold(page, |page, ready| page.and(&ready.page()))))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    // What no file can hold is told before anything is recorded.
    if let Some(ready) = to_banks.ready(&session, window, mode.into()).await? {
        ready.may_write(force)?;
    }
    let request = ExportOrders::of(window, mode.into()).request_id(session.request_id(irrevocable.effect));
    let request = if replace { request.replace() } else { request };
    let orders = accepted(session.operator().export_orders(request).await)?;
    let all = session.client.orders(window, Some(mode.into())).all().await?;
    let held: Vec<&PaymentOrder> = all.iter().filter(|order| order.held).collect();
    let ready = to_banks.ready(&session, window, mode.into()).await?;
    let mut json = json!({
        "window": window,
        "mode": OrderMode::from(mode).as_str(),
        "settlement_state": orders.settlement_state.as_str(),
        "currency": session.info.currency_code,
        "orders": orders.orders.iter().map(order_json).collect::<Vec<_>>(),
        "held": held.iter().map(|order| order_json(order)).collect::<Vec<_>>(),
        "csv": orders.csv,
        "replayed": orders.written.replayed,
    });
    tell(&mut json, ready.as_ref());
    let mut page = Page::new()
        .text(format!(
            "{} of window {window}, {}:",
            counted(orders.orders.len(), "order", "orders"),
            OrderMode::from(mode)
        ))
        .and(&orders_page(&orders.orders, &session.info.currency_code));
    if !held.is_empty() {
        let total = session.money(held.iter().map(|order| order.amount.amount).sum());
        page = page.text(format!(
            "{}, {}, until the money has come in: export again then. `clearing settlement release {window}` pays parts earlier.",
            match held.len() {
                1 => "1 pay-out waits".to_owned(),
                many => format!("{many} pay-outs wait"),
            },
            paper::with_currency(&total)
        ));
    }
    if let Some(path) = csv {
        write(&path, &orders.csv, force)?;
        page = page.text(format!("Written to {}.", path.display()));
    }
    if let Some(ready) = &ready {
        ready.may_write(force)?;
        ready.write(force)?;
        page = page.and(&ready.page());
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

/// Adds the files for banks to what programs are told.
fn tell(json: &mut Value, ready: Option<&Ready>) {
    if let Some(ready) = ready {
        let (files, left_out) = ready.json();
        json["files"] = files;
        json["left_out"] = left_out;
    }
}

async fn orders(session: &Session, window: i64, mode: Option<Mode>) -> Result<Answer, Failure> {
    let orders = session.client.orders(window, mode.map(OrderMode::from)).all().await?;
    let payments = payments(session, window).await?;
    let json = json!({
        "window": window,
        "currency": session.info.currency_code,
        "orders": orders.iter().map(order_json).collect::<Vec<_>>(),
        "payments": payments.iter().map(|payment| json!({
            "entry_id": payment.entry_id,
            "record_time": moment(payment.action_time),
            "paid": paper::field(payment, "paid"),
            "amount": paper::field(payment, "amount"),
            "reference": paper::field(payment, "reference"),
            "value_date": paper::field(payment, "value_date"),
        })).collect::<Vec<_>>(),
    });
    let page = if orders.is_empty() {
        Page::new()
            .text(format!("There are no orders of window {window}."))
            .next(format!("clearing settlement orders {window} --mode hub   (shows what an export would make)"))
    } else {
        paper::orders("", &orders, &session.info.currency_code).on(Page::new())
    };
    if payments.is_empty() {
        return Ok(Answer::new(json, page));
    }
    let payments = paper::payments(&payments, &session.info.currency_code, |time| session.zone.text(time));
    Ok(Answer::new(json, payments.on(page).text(session.zone.note())))
}

/// What was recorded as paid of a window, the latest first, as the record of administration tells it.
pub async fn payments(session: &Session, window: i64) -> Result<Vec<AdminAction>, Failure> {
    let filter = AdminActions::all().kind(EntryKind::Payment).window(window);
    Ok(session.operator().admin_actions(filter).all().await?)
}

async fn pay_one(context: &Context, pay: Pay) -> Result<Answer, Failure> {
    let session = pay.irrevocable.open(context).await?;
    let payer = pay.payer.as_deref().expect("clap requires it unless --all is given");
    if let Some(shown) = pay.irrevocable.weigh(context.output, plan_of_one(&session, &pay, payer)).await? {
        return Ok(shown);
    }
    let request = match &pay.to {
        Some(payee) => ConfirmPayment::pair(pay.window, payer, payee),
        None => ConfirmPayment::hub(pay.window, payer),
    };
    let request = match pay.amount {
        Some(amount) => request.amount(session.money(amount)),
        None => request,
    };
    let request = request.reference(pay.reference.as_deref().unwrap_or_default());
    let request = dated(request, pay.value_date).request_id(session.request_id(pay.irrevocable.effect));
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

/// The order that is said to be paid. Where none is due the house refuses the payment.
async fn plan_of_one(session: &Session, pay: &Pay, payer: &str) -> Result<Plan, Failure> {
    let orders = due_orders(session, pay.window).await?;
    let found = orders.iter().find(|order| match &pay.to {
        Some(payee) => order.payer == payer && order.payee == *payee,
        None => [(HUB, payer), (payer, HUB)].contains(&(&*order.payer, &*order.payee)),
    });
    let window = pay.window;
    let sentence = match (found, pay.amount) {
        (Some(order), amount) => {
            let amount = amount.map_or_else(|| order.amount.clone(), |amount| session.money(amount));
            let amount = paper::with_currency(&amount);
            format!("records that {} paid {amount} to {}, in window {window}, for good", order.payer, order.payee)
        }
        (None, _) => {
            format!(
                "records a payment of {payer} in window {window}, where no such order is due: the house will refuse it"
            )
        }
    };
    let json = json!({ "window": window, "order": found.map(order_json) });
    Ok(Plan::new(sentence, json, Page::new()))
}

/// The name of the settlement account in orders.
const HUB: &str = "hub";

/// What is still due of a window: as it was exported, and where nothing was exported against the settlement account. Those
/// who pay come first: the house pays nothing out that has not come in.
async fn due_orders(session: &Session, window: i64) -> Result<Vec<PaymentOrder>, Failure> {
    let mut orders = session.client.orders(window, None).all().await?;
    if orders.is_empty() {
        orders = session.client.orders(window, Some(OrderMode::Hub)).all().await?;
    }
    orders.retain(|order| !order.paid);
    orders.sort_by_key(|order| [HUB, "funds"].contains(&order.payer.as_str()));
    Ok(orders)
}

async fn pay_all(context: &Context, pay: Pay) -> Result<Answer, Failure> {
    let Pay { window, value_date, irrevocable, .. } = pay;
    let session = irrevocable.open(context).await?;
    let orders = due_orders(&session, window).await?;
    let currency = &session.info.currency_code;
    if orders.is_empty() {
        let state = session.operator().preview_settlement(Some(window)).await?.state;
        let json = json!({ "window": window, "orders": [], "payments": [], "settlement_state": state.as_str() });
        let page = Page::new().text(format!("Nothing is due of window {window}: its settlement is {state}."));
        return Ok(Answer::new(json, page));
    }
    let plan = async {
        let total = orders.iter().map(|order| order.amount.amount).sum();
        let total = paper::with_currency(&session.money(total));
        let sentence = format!("records {} payments of window {window}, {total} in all, for good", orders.len());
        let json = json!({ "window": window, "orders": orders.iter().map(order_json).collect::<Vec<_>>() });
        Ok(Plan::new(sentence, json, orders_page(&orders, currency)))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let mut payments = Vec::with_capacity(orders.len());
    for order in &orders {
        let request = match (order.payer.as_str(), order.payee.as_str()) {
            (HUB, partner) | (partner, HUB) => ConfirmPayment::hub(window, partner),
            (payer, payee) => ConfirmPayment::pair(window, payer, payee),
        };
        // What was shown is what is recorded: the house refuses another amount.
        let request = request.amount(order.amount.clone()).request_id(session.client.new_request_id());
        let request = dated(request, value_date);
        let paid = accepted(session.operator().confirm_payment(request).await).map_err(|failure| {
            let done =
                format!("{} of {} recorded before this one", payments.len(), counted(orders.len(), "order", "orders"));
            let message = format!("{} -> {}: {} ({done})", order.payer, order.payee, failure.message);
            again(Failure { message, ..failure }, "recorded")
        })?;
        payments.push(payment_json(&paid));
    }
    let state = session.operator().preview_settlement(Some(window)).await?.state;
    let json = json!({
        "window": window,
        "currency": currency,
        "orders": orders.iter().map(order_json).collect::<Vec<_>>(),
        "payments": payments,
        "settlement_state": state.as_str(),
    });
    let page = Page::new()
        .text(format!("Recorded {} payments: settlement of window {window} is {state}.", orders.len()))
        .and(&orders_page(&orders, currency));
    Ok(Answer::new(json, after_payment(page, window, state)))
}

fn dated(request: ConfirmPayment, value_date: Option<BusinessDate>) -> ConfirmPayment {
    match value_date {
        Some(day) => request.value_date(day.to_string()),
        None => request,
    }
}

fn orders_page(orders: &[PaymentOrder], currency: &str) -> Page {
    let rows = orders.iter().map(|order| vec![order.payer.clone(), order.payee.clone(), paper::said(&order.amount)]);
    Page::new().table(&["payer", "payee", &format!(">amount, {currency}")], rows)
}

async fn abort(context: &Context, of: OfWindow) -> Result<Answer, Failure> {
    let OfWindow { window, irrevocable } = of;
    let session = irrevocable.open(context).await?;
    let sentence = format!("gives up the settlement of window {window}; its legs go into the open window");
    if let Some(shown) = irrevocable.weigh(context.output, plan_for(&session, window, sentence)).await? {
        return Ok(shown);
    }
    let request = AbortSettlement::of(window).request_id(session.request_id(irrevocable.effect));
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
            json!({
                "partner": of.partner_id,
                "amount": of.amount.amount.to_string(),
                "rounding": of.rounding.amount.to_string(),
                "small": of.small.amount.to_string(),
            })
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

/// A settlement for people, with what to do next.
pub fn page(settlement: &Settlement) -> Page {
    use partner_sdk::SettlementState as State;
    let (page, window) = (facts(settlement), settlement.window);
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

/// A settlement for people.
pub fn facts(settlement: &Settlement) -> Page {
    let page = Page::new().text(paper::title(settlement));
    let page = if settlement.legs.is_empty() {
        page.text("No legs: nobody owes and nobody is owed.")
    } else {
        page.and(&legs_page(&settlement.legs, &settlement.gross.currency))
    };
    let page = paper::carried(settlement).fold(page, Page::text);
    page.text(paper::moves(settlement)).text(paper::proof(settlement))
}

/// The state of a settlement; none of an open window.
fn state_word(settlement: &Settlement) -> Option<&'static str> {
    let open = settlement.window_state == partner_sdk::WindowState::Open;
    (!open).then(|| settlement.state.as_str())
}

fn legs_page(legs: &[Leg], currency: &str) -> Page {
    paper::legs(legs, currency).on(Page::new())
}

fn leg_json(leg: &Leg) -> Value {
    let state = (!matches!(leg.state, partner_sdk::LegState::Other(0))).then(|| leg.state.as_str());
    json!({
        "partner": leg.partner_id,
        "amount": leg.amount.amount.to_string(),
        "due": leg.due.amount.to_string(),
        "covered": leg.covered_amount.amount.to_string(),
        "cancelled": leg.cancelled_amount.amount.to_string(),
        "shared": leg.shared_amount.amount.to_string(),
        "state": state,
    })
}

fn order_json(order: &PaymentOrder) -> Value {
    json!({
        "payer": order.payer,
        "payee": order.payee,
        "amount": order.amount.amount.to_string(),
        "paid": order.paid,
        "held": order.held,
    })
}

fn known(entry_id: &str) -> Option<&str> {
    Some(entry_id).filter(|entry_id| !entry_id.is_empty())
}

fn payment_json(paid: &PaymentConfirmed) -> Value {
    json!({
        "entry_id": paid.written.entry_id(),
        "known_entry_id": known(&paid.known_entry_id),
        "seen_entry_id": known(&paid.seen_entry_id),
        "legs": paid.legs.iter().map(leg_json).collect::<Vec<_>>(),
        "replayed": paid.written.replayed,
    })
}
