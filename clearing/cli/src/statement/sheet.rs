//! A statement in words, made once and written as tables for people, as a file for a spreadsheet, as HTML and as JSON: what is said
//! of an amount is the same in each.
//!
//! People see what is paid and what comes in side by side, and no sign that they must know the meaning of. In files amounts are
//! numbers: above zero the partner gets it, below zero it pays.

use std::time::SystemTime;

use clearing::spreadsheet::{self, Cell};
use partner_sdk::{
    Decimal, Obligation, Origin, ServerInfo, Statement, StatementBridge, StatementLine, StatementTotal, WindowState,
};
use serde_json::{Value, json};

use crate::amounts::{count, minor_digits, money, pays_and_gets, said, verb};
use crate::paper::{self, Line, Name, Table};
use crate::session::{moment, moment_or_none};
use crate::times::Zone;
use crate::window;

/// A statement but for its lines, ready to be written.
#[derive(Debug)]
pub struct Sheet<'a> {
    info: &'a ServerInfo,
    statement: &'a Statement,
    zone: Zone,
    minor_digits: u32,
}

/// One step from what the window opened with to what is paid for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub what: &'static str,
    pub amount: Decimal,
}

impl<'a> Sheet<'a> {
    /// Of a statement.
    pub fn new(info: &'a ServerInfo, statement: &'a Statement) -> Self {
        Self { info, statement, zone: Zone::named(&info.time_zone), minor_digits: minor_digits(&info.currency_code) }
    }

    /// Whether nothing was carried in, nothing happened, and nothing is to be paid.
    pub fn is_empty(&self) -> bool {
        let Statement { opening, leg, closing, obligations, totals, .. } = self.statement;
        let nothing = [opening, leg, closing].iter().all(|money| money.amount.is_zero());
        nothing && obligations.is_empty() && totals.is_empty()
    }

    fn is_open(&self) -> bool {
        self.statement.window.state == WindowState::Open
    }

    /// What the partner has to do, in a sentence.
    fn verdict(&self) -> String {
        let Statement { partner_id, window, leg, closing, .. } = self.statement;
        let of = |amount: Decimal| format!("{} {}", money(amount.abs(), self.minor_digits), self.info.currency_code);
        let (leg, closing) = (leg.amount, closing.amount);
        match (self.is_open(), leg.is_zero(), closing.is_zero()) {
            (true, _, true) => {
                format!("Window {} is open; so far {partner_id} neither pays nor gets anything.", window.window)
            }
            (true, _, false) => {
                format!("Window {} is open; so far {partner_id} {} {}.", window.window, verb(closing), of(closing))
            }
            (false, true, true) => format!("{partner_id} neither pays nor gets anything."),
            (false, true, false) => {
                format!("{partner_id} pays nothing and gets nothing now: {} is carried on.", of(closing))
            }
            (false, false, _) => format!("{partner_id} {} {}.", verb(leg), of(leg)),
        }
    }

    /// From what was carried in to what is paid: the amounts sum up to it.
    pub fn bridge(&self) -> Vec<Step> {
        let StatementBridge { owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other, .. } =
            &self.statement.bridge;
        let mut steps = vec![
            ("opening", "carried from the window before", &self.statement.opening),
            ("owes", "owes for its points that others accepted", owes),
            ("paid_by_pool", "of its prepaid points the pool pays", paid_by_pool),
            ("is_owed", "is owed for others' points that it accepted", is_owed),
            ("prepays", "prepays for points that it issued", prepays),
            ("fees", "acceptance fees", fees),
            ("spread", "spread: prices above what acceptors get", spread),
            ("breakage", "share of prepaid points that expired", breakage),
            ("other", "all else", other),
        ];
        let mut carried = self.statement.closing.clone();
        carried.amount = Decimal::ZERO - carried.amount;
        if !self.is_open() {
            steps.push(("carried", "carried on to the next window", &carried));
        }
        let step = |(name, what, money): (_, _, &partner_sdk::Money)| Step { name, what, amount: money.amount };
        steps.into_iter().map(step).collect()
    }

    /// What the steps come to, in the words of the last row.
    fn result(&self) -> (&'static str, Decimal) {
        if self.is_open() {
            ("so far", self.statement.closing.amount)
        } else {
            ("to the settlement", self.statement.leg.amount)
        }
    }

    /// For people. Of the file it is a part of this name.
    pub fn words(&self, part: impl Into<String>) -> paper::Statement {
        let Self { info, statement, .. } = self;
        let Statement { partner_id, partner_name, window, totals, .. } = *statement;
        let settlement =
            if self.is_open() { String::new() } else { format!(", its settlement {}", window.settlement_state) };
        paper::Statement {
            part: part.into(),
            of: Name::new(partner_id, partner_name),
            coalition: coalition(info),
            window: format!("Window {}, {}{settlement}", window.window, window.state),
            period: self.period(),
            verdict: self.verdict(),
            tables: [self.bridge_table(), self.obligations_table(), self.totals_table()]
                .into_iter()
                .filter(|table| !table.is_empty())
                .collect(),
            nothing: totals.is_empty().then_some("There is nothing else on it."),
        }
    }

    /// From when to when, in the coalition's zone.
    pub fn period(&self) -> String {
        let window = &self.statement.window;
        let closed = window.close_time.map_or_else(|| "now".to_owned(), |time| self.local(time));
        format!("From {} to {closed}, {}", self.local(window.open_time), self.zone.name())
    }

    fn bridge_table(&self) -> Table {
        let row = |what: &str, amount: Decimal| {
            let [pays, gets] = pays_and_gets(amount, self.minor_digits);
            vec![what.to_owned(), pays, gets]
        };
        let steps = self.bridge().into_iter().filter(|step| !step.amount.is_zero());
        let mut rows: Vec<_> = steps.map(|step| row(step.what, step.amount)).collect();
        let (what, amount) = self.result();
        rows.push(row(what, amount));
        Table::new("", &["why", ">pays", ">gets"], rows).with_sums(1)
    }

    fn obligations_table(&self) -> Table {
        let rows = self.statement.obligations.iter().map(|of| {
            let (what, other, amount) = self.side(of);
            let [pays, gets] = pays_and_gets(amount, self.minor_digits);
            vec![other, what.to_owned(), count(of.points), pays, gets]
        });
        Table::new("Obligations, before netting", &["partner", "", ">points", ">owes", ">is owed"], rows)
    }

    /// An obligation from the partner's side: what it is, to whom or from whom, and how much.
    fn side(&self, of: &Obligation) -> (&'static str, String, Decimal) {
        if of.issuer_id.as_ref() == Some(&self.statement.partner_id) {
            ("accepted points of this partner", of.acceptor_id.clone(), Decimal::ZERO - of.gross.amount)
        } else {
            let other = of.issuer_id.clone().unwrap_or_else(|| NOT_DISCLOSED.to_owned());
            ("had its points accepted here", other, of.gross.amount)
        }
    }

    fn totals_table(&self) -> Table {
        let rows = self.statement.totals.iter().map(|total| {
            let [pays, gets] = pays_and_gets(total.amount.amount, self.minor_digits);
            let points = if total.points == 0 { String::new() } else { count(total.points) };
            vec![of_total(total), count(total.entry_count), points, pays, gets]
        });
        Table::new("By what happened", &["what", ">entries", ">points", ">pays", ">gets"], rows)
    }

    /// A line in words.
    pub fn line(&self, line: &StatementLine) -> Line {
        Line {
            entry: line.own_sequence.to_string(),
            time: self.local(line.entry_time),
            receipt: line.origin.as_ref().map(receipt).unwrap_or_default(),
            what: of_line(line),
            partner: line.counterparty_id.clone(),
            terms: line.terms_version.map(|version| version.to_string()),
            points: count(line.points),
            rate: line.rate.map(|rate| said(rate, self.minor_digits)),
            rounding: line.rounding.map(|rounding| said(rounding, self.minor_digits)),
            amount: said(line.amount.amount, self.minor_digits),
        }
    }

    /// For a spreadsheet: all but the lines.
    pub fn csv(&self) -> String {
        let statement = self.statement;
        let of_points = |points: i64| {
            let mut middle = no_line();
            middle[POINTS] = Cell::count(points);
            middle
        };
        let mut rows = Vec::new();
        for step in self.bridge() {
            rows.push(self.row("bridge", step.what, "", no_line(), step.amount, Cell::empty()));
        }
        let (what, amount) = self.result();
        rows.push(self.row("result", what, "", no_line(), amount, Cell::empty()));
        for of in &statement.obligations {
            let (what, other, amount) = self.side(of);
            rows.push(self.row("obligation", what, &other, of_points(of.points), amount, Cell::empty()));
        }
        spreadsheet::csv(&CSV, rows)
    }

    /// For a spreadsheet: some lines.
    pub fn csv_lines(&self, lines: &[StatementLine]) -> String {
        spreadsheet::csv_rows(lines.iter().map(|line| {
            let origin = line.origin.clone().unwrap_or_default();
            let middle = [
                Cell::count(line.own_sequence),
                Cell::text(&line.entry_id),
                Cell::text(self.local(line.entry_time)),
                Cell::text(origin.store),
                Cell::text(origin.till),
                Cell::text(origin.receipt_number),
                Cell::text(origin.business_date),
                Cell::text(line.section.as_str()),
                Cell::text(line.kind.as_str()),
                Cell::text(line.purpose.as_str()),
                line.terms_version.map_or_else(Cell::empty, Cell::count),
                Cell::count(line.points),
                line.rate.map_or_else(Cell::empty, |rate| Cell::amount(rate, self.minor_digits)),
                line.rounding.map_or_else(Cell::empty, |rounding| Cell::amount(rounding, 0)),
            ];
            let other = line.counterparty_id.as_deref().unwrap_or_default();
            let obligation =
                line.gross.as_ref().map_or_else(Cell::empty, |gross| Cell::amount(gross.amount, self.minor_digits));
            self.row("line", &of_line(line), other, middle, line.amount.amount, obligation)
        }))
    }

    /// For a spreadsheet: amounts besides, each as a row of this part of the file.
    pub fn csv_steps(&self, part: &str, steps: impl IntoIterator<Item = (String, String, Decimal)>) -> String {
        let row = |(what, other, amount): (String, String, Decimal)| {
            self.row(part, &what, &other, no_line(), amount, Cell::empty())
        };
        spreadsheet::csv_rows(steps.into_iter().map(row))
    }

    /// An amount, as short as it is exact, with the digits of the currency.
    pub fn said(&self, amount: Decimal) -> String {
        money(amount, self.minor_digits)
    }

    /// An amount in the column of what is paid or in that of what comes in.
    pub fn pays_and_gets(&self, amount: Decimal) -> [String; 2] {
        pays_and_gets(amount, self.minor_digits)
    }

    /// A row: its first cells, those of a line in its middle, and the amount.
    fn row(
        &self,
        part: &str,
        what: &str,
        counterparty: &str,
        middle: [Cell; OF_LINE],
        amount: Decimal,
        obligation: Cell,
    ) -> Vec<Cell> {
        let mut cells = vec![
            Cell::text(part),
            Cell::text(&self.info.coalition_id),
            Cell::text(&self.statement.partner_id),
            Cell::text(&self.statement.partner_name),
            Cell::count(self.statement.window.window),
            Cell::text(what),
            Cell::text(counterparty),
        ];
        cells.extend(middle);
        cells.extend([Cell::amount(amount, self.minor_digits), obligation, Cell::text(&self.info.currency_code)]);
        cells
    }

    /// For programs, without the lines. `next` is how many there are before those that are left out.
    pub fn to_json(&self, next: Option<usize>) -> Value {
        let statement = self.statement;
        let bridge = self.bridge().into_iter().map(|step| {
            json!({
                "name": step.name,
                "what": step.what,
                "amount": step.amount.to_string(),
            })
        });
        json!({
            "coalition": self.info.coalition_id,
            "partner": statement.partner_id,
            "partner_name": statement.partner_name,
            "window": window::to_json(&statement.window),
            "time_zone": self.info.time_zone,
            "currency": self.info.currency_code,
            "verdict": self.verdict(),
            "opening": statement.opening.amount.to_string(),
            "bridge": bridge.collect::<Vec<_>>(),
            "leg": statement.leg.amount.to_string(),
            "closing": statement.closing.amount.to_string(),
            "obligations": statement.obligations.iter().map(|of| json!({
                "issuer_id": of.issuer_id,
                "acceptor_id": of.acceptor_id,
                "points": of.points,
                "gross": of.gross.amount.to_string(),
            })).collect::<Vec<_>>(),
            "totals": statement.totals.iter().map(|total| json!({
                "what": of_total(total),
                "section": total.section.as_str(),
                "kind": total.kind.as_str(),
                "purpose": total.purpose.as_str(),
                "amount": total.amount.amount.to_string(),
                "points": total.points,
                "entry_count": total.entry_count,
            })).collect::<Vec<_>>(),
            "lines": [],
            "next": next,
        })
    }

    /// A moment in the coalition's zone.
    pub fn local(&self, time: SystemTime) -> String {
        self.zone.text(time)
    }
}

/// Whose amounts, and in what.
pub fn coalition(info: &ServerInfo) -> String {
    format!("Coalition {}, amounts in {}", info.coalition_id, info.currency_code)
}

/// The columns of the file for a spreadsheet.
const CSV: [&str; 24] = [
    "part",
    "coalition",
    "partner",
    "partner_name",
    "window",
    "what",
    "counterparty",
    "entry",
    "entry_id",
    "time",
    "store",
    "till",
    "receipt_number",
    "business_date",
    "section",
    "kind",
    "purpose",
    "terms_version",
    "points",
    "rate",
    "rounding",
    "amount",
    "obligation",
    "currency",
];

/// How many of them only a line has, and which of these the points are in: an obligation has them too.
const OF_LINE: usize = 14;
const POINTS: usize = 11;

/// The cells of a line where there is none.
fn no_line() -> [Cell; OF_LINE] {
    std::array::from_fn(|_| Cell::empty())
}

/// What is written where the coalition does not disclose issuers.
pub const NOT_DISCLOSED: &str = "others, not disclosed";

/// A line for programs.
pub fn line_json(line: &StatementLine) -> Value {
    json!({
        "entry_id": line.entry_id,
        "own_sequence": line.own_sequence,
        "entry_time": moment(line.entry_time),
        "kind": line.kind.as_str(),
        "origin": line.origin.as_ref().map(|origin| json!({
            "store": origin.store,
            "till": origin.till,
            "receipt_number": origin.receipt_number,
            "receipt_line": origin.receipt_line,
            "business_date": origin.business_date,
            "business_time": moment_or_none(origin.business_time),
        })),
        "section": line.section.as_str(),
        "what": of_line(line),
        "counterparty_id": line.counterparty_id,
        "terms_version": line.terms_version,
        "purpose": line.purpose.as_str(),
        "points": line.points,
        "rate": line.rate.map(|rate| rate.to_string()),
        "rounding": line.rounding.map(|rounding| rounding.to_string()),
        "amount": line.amount.amount.to_string(),
        "gross": line.gross.as_ref().map(|gross| gross.amount.to_string()),
    })
}

/// Where something was bought, as it is printed on the receipt.
fn receipt(origin: &Origin) -> Vec<String> {
    let parts = [&origin.store, &origin.till, &origin.receipt_number, &origin.business_date];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect()
}

fn of_total(total: &StatementTotal) -> String {
    words(total.section.as_str(), total.kind.as_str(), total.purpose.as_str())
}

fn of_line(line: &StatementLine) -> String {
    let what = words(line.section.as_str(), line.kind.as_str(), line.purpose.as_str());
    // What is owed for them is no money of the partner's any more.
    let prepaid = line.gross.is_some() && line.rate.is_none();
    if prepaid { format!("{what}, paid by the pool") } else { what }
}

/// What happened to a partner in an entry, and why money moved, in words: its section, kind and purpose on the wire.
fn words(section: &str, kind: &str, purpose: &str) -> String {
    let happened = match (section, kind) {
        ("ISSUED", "ISSUE") => "points issued",
        ("ISSUED", "REINSTATE") => "points given again",
        ("ISSUED", "UNDO") => "issues undone",
        ("ISSUED", "REVERSE") => "points taken back",
        ("SPENT", "REDEEM") => "own points spent elsewhere",
        ("SPENT", "CAPTURE") => "own points taken elsewhere from holds",
        ("SPENT", "RECOVER") => "own points that paid debts elsewhere",
        ("SPENT", "RETURN") => "own points that came back",
        ("SPENT", "UNDO") => "own points, undone elsewhere",
        ("ACCEPTED", "REDEEM") => "points accepted",
        ("ACCEPTED", "CAPTURE") => "points taken from holds",
        ("ACCEPTED", "RECOVER") => "points that paid debts",
        ("ACCEPTED", "RETURN") => "points returned to customers",
        ("ACCEPTED", "UNDO") => "points accepted or returned, undone",
        ("AT_HOME", "REDEEM") => "own points spent here",
        ("AT_HOME", "CAPTURE") => "own points taken here from holds",
        ("AT_HOME", "RECOVER") => "own points that paid debts here",
        ("AT_HOME", "RETURN") => "own points returned here",
        ("AT_HOME", "UNDO") => "own points, undone here",
        ("LOST", "EXPIRE") => "own points expired",
        ("LOST", "DECAY") => "own points decayed",
        ("LOST", _) => "expired points taken back",
        ("HOUSE", "ABORT_SETTLEMENT") => "legs of a settlement that was given up",
        ("HOUSE", "ISSUE") => "others' points issued",
        ("HOUSE", "REINSTATE") => "others' points given again",
        ("HOUSE", "FUND") => "others' points paid for",
        ("HOUSE", "REDEEM") => "redemptions",
        ("HOUSE", "CAPTURE") => "captures of holds",
        ("HOUSE", "RECOVER") => "debts paid with points",
        ("HOUSE", "RETURN") => "returns",
        ("HOUSE", "REVERSE") => "others' points taken back",
        ("HOUSE", "UNDO") => "requests undone",
        ("HOUSE", "EXPIRE") => "others' points expired",
        ("HOUSE", "DECAY") => "others' points decayed",
        (section, kind) => return format!("{section} {kind} {purpose}").to_lowercase().replace('_', " "),
    };
    match purpose {
        "REWARD" | "SETTLEMENT" => happened.to_owned(),
        "FEE" => format!("{happened}: acceptance fee"),
        "SPREAD" => format!("{happened}: spread"),
        "BREAKAGE" => format!("{happened}: share of their value"),
        purpose => format!("{happened}: {}", purpose.to_lowercase()),
    }
}
