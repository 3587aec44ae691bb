//! `clearing explain`: how the leg of a partner comes about, to the last unit, from the receipts up.
//!
//! What the house says of it is compared with what is added up here, line by line, while the lines are written.

mod ties;

use clap::{Args, ValueEnum};
use partner_sdk::{Decimal, LegExplained, Statement, WindowState};
use serde_json::{Value, json};

use crate::amounts::count;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, Destination, Page, Writing};
use crate::paper::settlement as paper;
use crate::session::Session;
use crate::statement::{Lines, Sheet, write_json, write_lines};
use crate::values;
use ties::{Tie, ties};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    /// Whose leg; "operator" for the operator's own.
    partner: String,
    /// Adds the lines up without writing them.
    #[arg(long)]
    no_lines: bool,
    /// How it is written. Left out: text, or as --output says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// As text, each line in one row, wider than a screen of 80 columns.
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    destination: Destination,
}

/// How it is written: the same in other clothes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One file for a spreadsheet: that of the statement, with a row for each step from the position to the leg and for each tie.
    Csv,
    /// One JSON document: that of the statement, with the steps and the ties.
    Json,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let Arguments { window, partner, no_lines, format, wide, destination } = arguments;
    let format = match (format, context.output.is_json()) {
        // With a file --output says how its name is told.
        (Some(Format::Text | Format::Csv), true) if destination.file().is_none() => {
            let message = "--output json and --format say different things";
            return Err(Failure::new(Exit::Usage, message).hint("leave one of them out"));
        }
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Text,
    };
    if wide && format != Format::Text {
        return Err(Failure::new(Exit::Usage, "--wide is for text, and this is none").hint("leave one of them out"));
    }
    destination.may_write()?;
    let session = Session::open(context).await?;
    let statement = session.client.statement_of(&partner, Some(window)).await?;
    if statement.window.state == WindowState::Open {
        let message = format!("window {window} is open: {partner} has no leg in it yet");
        let hint =
            format!("`clearing settlement preview` shows what it would be, `clearing statement {partner}` why so far");
        return Err(Failure::new(Exit::Rejected, message).hint(hint));
    }
    let leg = session.client.explain_leg_of(&partner, window).await?;
    let sheet = Sheet::new(&session.info, &statement);
    let mut lines = Lines::new(session.client.statement_lines_of(&partner, Some(window)), 0, usize::MAX);
    let explained = Explained { sheet: &sheet, statement: &statement, leg: &leg };
    let mut out = context.output.begin(&destination)?;
    if no_lines {
        while lines.next_page(&out).await?.is_some() {}
    }
    match format {
        Format::Text => explained.text(&mut out, &mut lines, wide).await?,
        Format::Csv => explained.csv(&mut out, &mut lines).await?,
        Format::Json => write_json(&mut out, &mut lines, |lines| explained.json(lines)).await?,
    }
    // Whoever stopped reading has not seen all lines, and neither has this.
    let is_read = out.is_read();
    let answer = out.end()?;
    let untied: Vec<Tie> = explained.ties(&lines).into_iter().filter(|tie| !tie.holds()).collect();
    match untied.first() {
        Some(tie) if is_read => {
            let message = format!(
                "the leg of {} in window {window} does not tie: {} ({} and {})",
                leg.partner_id, tie.what, tie.one, tie.other
            );
            Ok(answer.but(Failure::new(Exit::Unbalanced, message).hint("`clearing audit` looks for what is wrong")))
        }
        Some(_) | None => Ok(answer),
    }
}

/// A leg and where it comes from, ready to be written.
struct Explained<'a> {
    sheet: &'a Sheet<'a>,
    statement: &'a Statement,
    leg: &'a LegExplained,
}

/// A step from the position to the leg.
struct Step {
    name: &'static str,
    what: &'static str,
    amount: Decimal,
    /// It is the sum of those above.
    is_sum: bool,
}

impl Explained<'_> {
    fn ties(&self, lines: &Lines) -> Vec<Tie> {
        ties(self.statement, self.leg, &self.sheet.bridge(), lines.added())
    }

    /// From the position to the leg.
    fn steps(&self) -> Vec<Step> {
        let LegExplained { position, remainder, raised, leg, carried, .. } = self.leg;
        let small = if self.leg.partner_id == paper::OPERATOR {
            "in the place of partners whose legs are too small"
        } else {
            "carried on, too small for a leg"
        };
        let steps = [
            ("position", "position at the close", position.amount, true),
            ("remainder", "down to whole minor units", Decimal::ZERO - remainder.amount, false),
            ("raised", "raised by largest remainder", raised.amount, false),
            ("small", small, Decimal::ZERO - carried.small.amount, false),
            ("leg", "to the settlement", leg.amount.amount, true),
        ];
        let step = |(name, what, amount, is_sum)| Step { name, what, amount, is_sum };
        steps.into_iter().map(step).filter(|step| step.is_sum || !step.amount.is_zero()).collect()
    }

    /// What is said of the roundings, in sentences.
    fn notes(&self) -> Vec<String> {
        let LegExplained { window, partner_id, carried_in, carried, rounding_order, leg, proof, .. } = self.leg;
        let mut notes = Vec::new();
        if let Some(carried) = carried_in.as_ref().filter(|carried| !carried.amount.amount.is_zero()) {
            let (amount, why) =
                (self.said(&carried.amount), paper::why_carried(partner_id, &carried.rounding, &carried.small));
            let before = window - 1;
            notes.push(format!(
                "Window {before} carried {amount} into it: {why} (clearing explain {before} {partner_id})."
            ));
        }
        if let Some(order) = rounding_order {
            notes.push(format!(
                "Of {} participants the {} with the largest remainders were raised by a minor unit; this one is number {}.",
                count(order.participant_count),
                count(order.raised_count),
                count(order.place)
            ));
        }
        if !carried.amount.amount.is_zero() {
            let (amount, why) =
                (self.said(&carried.amount), paper::why_carried(partner_id, &carried.rounding, &carried.small));
            notes.push(format!("It carries {amount} on: {why}."));
        }
        if !leg.amount.amount.is_zero() {
            let due = if leg.due.amount.is_zero() { "nothing".to_owned() } else { self.said(&leg.due) };
            notes.push(format!("The leg is {}; {due} of it is still due.", leg.state));
        }
        notes.extend(proof.as_ref().map(|proof| format!("Of the whole window. {}", paper::proof_in_words(proof))));
        notes
    }

    fn said(&self, of: &partner_sdk::Money) -> String {
        self.sheet.said(of.amount)
    }

    /// For a screen.
    async fn text(&self, out: &mut Writing, lines: &mut Lines, wide: bool) -> Result<(), Failure> {
        let LegExplained { window, partner_id, taken_over, .. } = self.leg;
        let page = Page::new().text(format!("How the leg of {partner_id} in window {window} comes about")).text("");
        out.page(&page.and(&self.sheet.words("").page()))?;
        write_lines(out, self.sheet, lines, wide).await?;
        let rows = self.steps().into_iter().map(|step| {
            let [pays, gets] = self.sheet.pays_and_gets(step.amount);
            vec![step.what.to_owned(), pays, gets]
        });
        let mut page = Page::new().text("From the position to the leg:").table(&["why", ">pays", ">gets"], rows);
        if !taken_over.is_empty() {
            let rows = taken_over.iter().map(|of| {
                let [pays, gets] = self.sheet.pays_and_gets(of.amount.amount);
                vec![of.partner_id.clone(), pays, gets]
            });
            page = page.text("Legs that are too small, and that it stands in for:");
            page = page.table(&["partner", ">pays", ">gets"], rows);
        }
        page = self.notes().into_iter().fold(page, Page::text);
        let rows = self.ties(lines).into_iter().map(|tie| {
            let [one, other] =
                [tie.one, tie.other].map(|of| if tie.is_count { count(of) } else { self.sheet.said(of) });
            vec![tie.what.clone(), one, other, if tie.holds() { "ties" } else { "DOES NOT TIE" }.to_owned()]
        });
        page = page.text("Added up again:").table(&["what is the same", ">one", ">other", ""], rows);
        out.page(&page)
    }

    /// For a spreadsheet.
    async fn csv(&self, out: &mut Writing, lines: &mut Lines) -> Result<(), Failure> {
        out.put(&self.sheet.csv())?;
        while let Some(page) = lines.next_page(out).await? {
            out.put(&self.sheet.csv_lines(&page))?;
        }
        let step = |step: Step| (step.what.to_owned(), String::new(), step.amount);
        let (sums, steps): (Vec<Step>, Vec<Step>) = self.steps().into_iter().partition(|step| step.is_sum);
        out.put(&self.sheet.csv_steps("leg", steps.into_iter().map(step)))?;
        out.put(&self.sheet.csv_steps("leg result", sums.into_iter().map(step)))?;
        let taken_over = self.leg.taken_over.iter();
        let taken_over =
            taken_over.map(|of| ("too small for a leg".to_owned(), of.partner_id.clone(), of.amount.amount));
        out.put(&self.sheet.csv_steps("taken over", taken_over))?;
        // What a tie is off by.
        let ties = self.ties(lines).into_iter().map(|tie| (tie.what.clone(), String::new(), tie.one - tie.other));
        out.put(&self.sheet.csv_steps("tie", ties))
    }

    /// For programs, without the lines.
    fn json(&self, lines: &Lines) -> Value {
        let mut document = self.sheet.to_json(None);
        let carried = |of: &partner_sdk::CarriedAmount| {
            json!({
                "amount": of.amount.amount.to_string(),
                "rounding": of.rounding.amount.to_string(),
                "small": of.small.amount.to_string(),
            })
        };
        let steps = self.steps().into_iter().map(|step| {
            json!({ "name": step.name, "what": step.what, "amount": step.amount.to_string(), "is_sum": step.is_sum })
        });
        document["leg_steps"] = steps.collect();
        document["leg_state"] = json!(self.leg.leg.state.as_str());
        document["leg_due"] = json!(self.leg.leg.due.amount.to_string());
        document["carried_in"] = self.leg.carried_in.as_ref().map(carried).into();
        document["carried"] = carried(&self.leg.carried);
        document["minor_unit"] = json!(self.leg.minor_unit.amount.to_string());
        document["rounding_order"] = self.leg.rounding_order.as_ref().map_or(Value::Null, |order| {
            json!({
                "place": order.place,
                "raised_count": order.raised_count,
                "participant_count": order.participant_count,
            })
        });
        let taken_over = self.leg.taken_over.iter();
        document["taken_over"] =
            taken_over.map(|of| json!({ "partner": of.partner_id, "amount": of.amount.amount.to_string() })).collect();
        let ties = self.ties(lines).into_iter().map(|tie| {
            let [one, other] = [tie.one, tie.other].map(|of| of.to_string());
            json!({ "what": tie.what, "one": one, "other": other, "ties": tie.holds() })
        });
        document["ties"] = ties.collect();
        document
    }
}
