//! What stands behind partners' net debit caps, and what partners are charged, on the command line.

use clap::{Args, Subcommand};
use partner_sdk::Decimal;
use partner_sdk::operator::{
    Charge, ChargePeriod, Cover, CoverOfPartner, NewCharge, ScheduledCharge, SetCharges, SetCover,
};
use serde_json::{Value, json};

use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::paper::settlement::said;
use crate::session::{Effect, Session, moment};
use crate::times::{self, When};
use crate::values;

/// The commands of cover and charges.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sets what covers a partner's debts besides its collateral, or shows it when nothing is to change.
    ///
    /// What is given takes the place of all guarantees and of the line that there were.
    #[command(
        after_help = "Examples:\n  clearing partner cover grocer\n  clearing partner cover grocer --guarantee BG-17=50000@2027-01-01\n  \
                      clearing partner cover grocer --guarantee BG-17=50000@2027-01-01 --unsecured 1000\n  clearing partner cover grocer --none"
    )]
    Cover(CoverArguments),
    /// Charges a partner once, in the open window.
    #[command(after_help = "Example:\n  clearing partner charge grocer 250 --reason audit-2026")]
    Charge {
        /// Which partner.
        partner: String,
        #[arg(value_parser = values::decimal)]
        amount: Decimal,
        /// What for: a word, which stays in the journal.
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        #[command(flatten)]
        effect: Effect,
    },
    /// Sets what a partner is charged by itself each month, quarter or year, or shows it when nothing is to change.
    ///
    /// What is given takes the place of all charges that there were. Periods that began before today are not charged.
    #[command(
        after_help = "Examples:\n  clearing partner charges grocer\n  clearing partner charges grocer --charge licence=100/month@2026-04-01\n  \
                      clearing partner charges grocer --none"
    )]
    Charges(ChargesArguments),
}

/// Arguments of `partner cover`.
#[derive(Debug, Args)]
pub struct CoverArguments {
    /// Which partner.
    partner: String,
    /// What another answers for, by what it calls it: REFERENCE=AMOUNT@END; may be given several times.
    #[arg(long, value_name = "REFERENCE=AMOUNT@END", value_parser = guarantee)]
    guarantee: Vec<(String, Decimal, When)>,
    /// What it may owe without any security.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    unsecured: Option<Decimal>,
    /// No guarantee and no line any more.
    #[arg(long, conflicts_with_all = ["guarantee", "unsecured"])]
    none: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `partner charges`.
#[derive(Debug, Args)]
pub struct ChargesArguments {
    /// Which partner.
    partner: String,
    /// REASON=AMOUNT/PERIOD@FIRST or REASON=AMOUNT/PERIOD@FIRST..LAST, with month, quarter or year, and days such as 2026-04-01; may be
    /// given several times.
    #[arg(long, value_name = "REASON=AMOUNT/PERIOD@FIRST", value_parser = new_charge)]
    charge: Vec<Read>,
    /// It is charged nothing any more.
    #[arg(long, conflicts_with = "charge")]
    none: bool,
    #[command(flatten)]
    effect: Effect,
}

/// A charge, as it was typed.
#[derive(Debug, Clone)]
pub struct Read {
    reason: String,
    amount: Decimal,
    every: ChargePeriod,
    first: String,
    last: Option<String>,
}

fn guarantee(text: &str) -> Result<(String, Decimal, When), String> {
    let form = || format!("{text:?} is not REFERENCE=AMOUNT@END, such as BG-17=50000@2027-01-01");
    let (reference, rest) = text.split_once('=').ok_or_else(form)?;
    let (amount, end) = rest.split_once('@').ok_or_else(form)?;
    Ok((reference.to_owned(), values::decimal(amount)?, times::when(end)?))
}

fn new_charge(text: &str) -> Result<Read, String> {
    let form = || format!("{text:?} is not REASON=AMOUNT/PERIOD@FIRST, such as licence=100/month@2026-04-01");
    let (reason, rest) = text.split_once('=').ok_or_else(form)?;
    let (amount, rest) = rest.split_once('/').ok_or_else(form)?;
    let (every, days) = rest.split_once('@').ok_or_else(form)?;
    let known = [("MONTH", ChargePeriod::Month), ("QUARTER", ChargePeriod::Quarter), ("YEAR", ChargePeriod::Year)];
    let every = values::one_of(every, &known)?;
    let (first, last) = match days.split_once("..") {
        Some((first, last)) => (first, Some(last.to_owned())),
        None => (days, None),
    };
    Ok(Read { reason: reason.to_owned(), amount: values::decimal(amount)?, every, first: first.to_owned(), last })
}

/// Runs one of them.
pub async fn run(session: &Session, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Cover(arguments) => cover(session, arguments).await,
        Command::Charge { partner, amount, reason, effect } => {
            let amount = session.money(amount);
            let request = Charge::of(partner.as_str(), amount.clone()).reason(reason.unwrap_or_default());
            let done = accepted(session.operator().charge(request.request_id(session.request_id(effect))).await)?;
            let json = json!({
                "partner": partner,
                "currency": amount.currency,
                "amount": amount.amount.to_string(),
                "entry_id": done.written.entry_id(),
                "replayed": done.written.replayed,
            });
            let text = format!("Charged {amount} to {partner}, in the open window.");
            Ok(Answer::new(json, Page::new().text(text).next("clearing settlement preview")))
        }
        Command::Charges(arguments) => charges(session, arguments).await,
    }
}

async fn cover(session: &Session, arguments: CoverArguments) -> Result<Answer, Failure> {
    let CoverArguments { partner, guarantee, unsecured, none, effect } = arguments;
    if guarantee.is_empty() && unsecured.is_none() && !none {
        let report = session.operator().cover_report().await?;
        let found = report.partners.into_iter().find(|of| of.partner_id == partner);
        let found = found.ok_or_else(|| {
            Failure::usage(format!("there is no partner {partner}")).hint("clearing partner list shows them")
        })?;
        return Ok(Answer::new(of_partner_json(&found), cover_page(&[found], session)));
    }
    let mut set = SetCover::of(partner.as_str());
    for (reference, amount, end) in guarantee {
        set = set.guarantee(reference, session.money(amount), end.begin(&session.zone)?);
    }
    if let Some(unsecured) = unsecured {
        set = set.unsecured(session.money(unsecured));
    }
    let done = accepted(session.operator().set_cover(set.request_id(session.request_id(effect))).await)?;
    let json = json!({
        "partner": partner,
        "cover": cover_json(&done.cover),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let page = Page::new().text(format!("Set what covers {partner}."));
    Ok(Answer::new(json, page.next(format!("clearing partner cover {partner}"))))
}

async fn charges(session: &Session, arguments: ChargesArguments) -> Result<Answer, Failure> {
    let ChargesArguments { partner, charge, none, effect } = arguments;
    if charge.is_empty() && !none {
        let known = session.operator().charges(&partner).await?;
        let json = json!({ "partner": partner, "charges": known.iter().map(charge_json).collect::<Vec<_>>() });
        return Ok(Answer::new(json, charges_page(&partner, &known, session)));
    }
    let new = charge.into_iter().map(|Read { reason, amount, every, first, last }| {
        let charge = NewCharge::of(reason, session.money(amount), every, first);
        match last {
            Some(last) => charge.last(last),
            None => charge,
        }
    });
    let set = SetCharges::of(partner.as_str(), new).request_id(session.request_id(effect));
    let done = accepted(session.operator().set_charges(set).await)?;
    let json = json!({
        "partner": partner,
        "charges": done.charges.iter().map(charge_json).collect::<Vec<_>>(),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    Ok(Answer::new(json, charges_page(&partner, &done.charges, session)))
}

fn charges_page(partner: &str, charges: &[ScheduledCharge], session: &Session) -> Page {
    if charges.is_empty() {
        return Page::new().text(format!("{partner} is charged nothing by itself."));
    }
    let rows = charges.iter().map(|charge| {
        vec![
            charge.reason_code.clone(),
            said(&charge.amount),
            charge.every.to_string(),
            charge.first_date.clone(),
            charge.last_date.clone(),
            charge.next_date.clone(),
        ]
    });
    let amount = format!(">amount, {}", session.info.currency_code);
    Page::new().table(&["for", &amount, "every", "first", "last", "next"], rows)
}

fn charge_json(charge: &ScheduledCharge) -> Value {
    let day = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    json!({
        "reason_code": charge.reason_code,
        "amount": charge.amount.amount.to_string(),
        "every": charge.every.as_str(),
        "first_date": charge.first_date,
        "last_date": day(&charge.last_date),
        "next_date": day(&charge.next_date),
    })
}

fn cover_json(cover: &Cover) -> Value {
    json!({
        "unsecured": cover.unsecured_amount.amount.to_string(),
        "guarantees": cover.guarantees.iter().map(|of| json!({
            "reference": of.reference,
            "amount": of.amount.amount.to_string(),
            "end_time": moment(of.end_time),
        })).collect::<Vec<_>>(),
    })
}

/// What a partner owes and what covers it, for programs.
pub fn of_partner_json(of: &CoverOfPartner) -> Value {
    json!({
        "partner": of.partner_id,
        "exposure": of.exposure_amount.amount.to_string(),
        "net_debit_cap": of.net_debit_cap.as_ref().map(|cap| cap.amount.to_string()),
        "collateral": of.collateral_amount.amount.to_string(),
        "guaranteed": of.guaranteed_amount.amount.to_string(),
        "unsecured": of.unsecured_amount.amount.to_string(),
        "uncovered": of.uncovered_amount.amount.to_string(),
        "guarantees": of.guarantees.iter().map(|of| json!({
            "reference": of.reference,
            "amount": of.amount.amount.to_string(),
            "end_time": moment(of.end_time),
        })).collect::<Vec<_>>(),
    })
}

/// The same, for people.
pub fn cover_page(partners: &[CoverOfPartner], session: &Session) -> Page {
    let rows = partners.iter().map(|of| {
        vec![
            of.partner_id.clone(),
            said(&of.exposure_amount),
            of.net_debit_cap.as_ref().map_or_else(|| "none".to_owned(), said),
            said(&of.collateral_amount),
            said(&of.guaranteed_amount),
            said(&of.unsecured_amount),
            said(&of.uncovered_amount),
        ]
    });
    let header = [">owes", ">cap", ">collateral", ">guarantees", ">unsecured", ">not covered"];
    let header: Vec<&str> = ["partner"].into_iter().chain(header).collect();
    let page = Page::new().text(format!("Amounts in {}.", session.info.currency_code)).table(&header, rows);
    let mut guarantees = partners.iter().flat_map(|of| &of.guarantees).peekable();
    if guarantees.peek().is_none() {
        return page;
    }
    let page = guarantees.fold(page, |page, of| {
        page.text(format!("{}: {} until {}", of.reference, said(&of.amount), session.zone.text(of.end_time)))
    });
    page.text(session.zone.note())
}
