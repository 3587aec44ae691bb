//! A bank's file: how it is named and read, and what its lines mean (`clearing bank show`).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clearing_bank as files;
use clearing_bank::{Balance, BankFile, Judged, Line, Period, Sheet, Sign, Statement};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::units::Currency;
use partner_sdk::{Decimal, Money};
use serde_json::{Value, json};

use crate::amounts::counted;
use crate::bank_picture::{Picture, own_account};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::paper::settlement as paper;
use crate::session::Session;
use crate::values;

/// A bank's file, and how it is read.
#[derive(Debug, Args)]
pub struct OfFile {
    /// The bank's file: camt.053, camt.054, 1C, or CSV with its columns named.
    file: PathBuf,
    /// Another account of the coalition's, and what it is for: settlement, pool, reserve or collateral. May be given several times.
    #[arg(long, value_name = "PURPOSE=ACCOUNT", value_parser = own_account)]
    own: Vec<(files::Purpose, String)>,
    /// Refuses the file if a line was booked, or a balance is, before this day.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "until")]
    from: Option<BusinessDate>,
    /// Refuses the file if a line was booked, or a balance is, after this day.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    until: Option<BusinessDate>,
    #[command(flatten)]
    csv: Csv,
}

/// How a file in CSV is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "CSV")]
pub struct Csv {
    /// Where something stands: FIELD=NAME of the column. May be given several times; without any, the file is none in CSV.
    #[arg(long = "column", value_name = "FIELD=NAME", value_parser = column)]
    named: Vec<(Field, String)>,
    /// Whose statement it is, which the file does not say. Left out: the one account that the coalition has.
    #[arg(long, value_name = "NUMBER", requires = "named")]
    account: Option<String>,
    /// How its characters are written.
    #[arg(long, value_enum, default_value_t = Characters::Utf8)]
    encoding: Characters,
    /// What stands between cells.
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    delimiter: String,
    /// Lines above the one with the names of the columns.
    #[arg(long, value_name = "LINES", default_value_t = 0, value_parser = values::whole::<u32>)]
    lines_above: u32,
    /// How days are written.
    #[arg(long, value_enum, default_value_t = Days::Iso)]
    dates: Days,
    /// The word in the column sign of what came.
    #[arg(long, value_name = "WORD", requires = "debit_word")]
    credit_word: Option<String>,
    /// The word in the column sign of what went.
    #[arg(long, value_name = "WORD", requires = "credit_word")]
    debit_word: Option<String>,
    /// The balance before the first line.
    #[arg(long, value_name = "AMOUNT", requires = "named", allow_hyphen_values = true, value_parser = values::decimal)]
    opening: Option<Decimal>,
    /// The balance behind the last line.
    #[arg(long, value_name = "AMOUNT", requires = "named", allow_hyphen_values = true, value_parser = values::decimal)]
    closing: Option<Decimal>,
    /// The file holds all lines of the days of --from and --until.
    #[arg(long, requires_all = ["named", "from"])]
    whole_days: bool,
}

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Field {
    BookingDate,
    Amount,
    Credit,
    Debit,
    Sign,
    ValueDate,
    Currency,
    OtherAccount,
    OtherBank,
    OtherName,
    OtherTaxId,
    Reference,
    EndToEndId,
    DocumentNumber,
    Text,
}

/// How characters are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Characters {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "windows-1251")]
    Windows1251,
    #[value(name = "cp866")]
    Dos866,
}

/// How days are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Days {
    /// 2026-03-31.
    Iso,
    /// 31.03.2026.
    Dotted,
}

fn column(text: &str) -> Result<(Field, String), String> {
    let parts = text.split_once('=').filter(|(_, name)| !name.is_empty());
    let (field, name) = parts.ok_or_else(|| format!("{text:?} is not FIELD=NAME, such as amount=Sum"))?;
    let field = Field::from_str(field, false).map_err(|_| {
        let names: Vec<String> = Field::value_variants()
            .iter()
            .filter_map(|field| Some(field.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!("{field:?} is no field: {} are", names.join(", "))
    })?;
    Ok((field, name.to_owned()))
}

/// Shows what each line of a file means.
pub async fn show(context: &Context, file: &OfFile) -> Result<Answer, Failure> {
    let bytes = file.bytes()?;
    let session = Session::open(context).await?;
    let (picture, read) = file.read(&session, &bytes).await?;
    let judged = files::judge(&read, picture.known());
    let told = Told { path: &file.file, file: &read, judged: &judged, currency: &session.info.currency_code };
    let (json, page) = told.shown();
    Ok(Answer::new(json, page.text("Nothing was booked.")))
}

impl OfFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// What is in it, still unread; of one that is too large, so much that this is seen.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let most = u64::try_from(files::FILE_BYTES_MAX).expect("64 bits hold every length") + 1;
        let read = File::open(&self.file).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map_err(|error| Failure::file("cannot read", &self.file, &error))?;
        Ok(bytes)
    }

    fn days(&self) -> Result<Option<Period>, Failure> {
        let (Some(from), Some(until)) = (self.from, self.until) else { return Ok(None) };
        let days = Period::of(from.to_jiff(), until.to_jiff());
        days.map(Some).ok_or_else(|| Failure::usage(format!("--from {from} is after --until {until}")))
    }

    /// Reads it, as a whole, and what the house knows of the money that may stand in it.
    ///
    /// # Errors
    /// Usage for a file of which anything is wrong; whatever asking the house runs into.
    pub async fn read(&self, session: &Session, bytes: &[u8]) -> Result<(Picture, BankFile), Failure> {
        let days = self.days()?;
        let picture = Picture::of(session, &self.own).await?;
        let currency: Currency = session.info.currency_code.parse().map_err(|error| Failure::internal(&error))?;
        let own = files::Own::new(currency, picture.own_accounts());
        let wrong = |error: files::FileError| {
            Failure::usage(format!("{}: {error}", self.file.display()))
                .hint("nothing of the file was used: put it right, or fetch it from the bank again")
        };
        let file = if self.csv.named.is_empty() {
            files::read(bytes, &own).map_err(wrong)?
        } else {
            files::read_csv(bytes, &own, &self.csv.sheet(&picture, days)?).map_err(wrong)?
        };
        if let Some(days) = days {
            file.check_days(days).map_err(wrong)?;
        }
        Ok((picture, file))
    }
}

impl Csv {
    fn sheet(&self, picture: &Picture, days: Option<Period>) -> Result<Sheet, Failure> {
        let column = |field: Field| self.named.iter().find(|(of, _)| *of == field).map(|(_, name)| name.clone());
        if let Some((twice, _)) = self.named.iter().enumerate().find_map(|(at, (field, name))| {
            self.named[..at].iter().any(|(before, _)| before == field).then_some((name, field))
        }) {
            return Err(Failure::usage(format!("the field of column {twice:?} is named twice")));
        }
        let missing =
            |what: &str| Failure::usage(format!("no column is named for {what}")).hint("clearing bank show --help");
        let amounts = match (column(Field::Amount), column(Field::Credit), column(Field::Debit), column(Field::Sign)) {
            (Some(amount), None, None, None) => files::Amounts::Signed(amount),
            (None, Some(credit), Some(debit), None) => files::Amounts::Columns { credit, debit },
            (Some(amount), None, None, Some(sign)) => {
                let words = self.credit_word.clone().zip(self.debit_word.clone());
                let (credit, debit) = words.ok_or_else(|| missing("the words --credit-word and --debit-word"))?;
                files::Amounts::Words { amount, sign, credit, debit }
            }
            _ => return Err(missing("amounts: amount, or credit and debit, or amount and sign")),
        };
        let account = match (&self.account, picture.only_own_account()) {
            (Some(given), _) => given.clone(),
            (None, Some(only)) => only.to_owned(),
            (None, None) => return Err(Failure::usage("the coalition has several accounts: name one with --account")),
        };
        let delimiter = match self.delimiter.as_bytes() {
            [one] => *one,
            _ if self.delimiter == "\\t" => b'\t',
            _ => return Err(Failure::usage(format!("{:?} is not one character of ASCII", self.delimiter))),
        };
        Ok(Sheet {
            account,
            encoding: match self.encoding {
                Characters::Utf8 => files::Encoding::Utf8,
                Characters::Windows1251 => files::Encoding::Windows1251,
                Characters::Dos866 => files::Encoding::Dos866,
            },
            delimiter,
            lines_above: self.lines_above,
            dates: match self.dates {
                Days::Iso => files::DateForm::Iso,
                Days::Dotted => files::DateForm::Dotted,
            },
            booking_date: column(Field::BookingDate).ok_or_else(|| missing("booking-date"))?,
            amounts,
            value_date: column(Field::ValueDate),
            currency: column(Field::Currency),
            other_account: column(Field::OtherAccount),
            other_bank: column(Field::OtherBank),
            other_name: column(Field::OtherName),
            other_tax_id: column(Field::OtherTaxId),
            bank_reference: column(Field::Reference),
            end_to_end_id: column(Field::EndToEndId),
            document_number: column(Field::DocumentNumber),
            text: column(Field::Text),
            opening: self.opening,
            closing: self.closing,
            whole_days: days.filter(|_| self.whole_days),
        })
    }
}

/// A file with what its lines mean.
pub struct Told<'a> {
    pub path: &'a Path,
    pub file: &'a BankFile,
    pub judged: &'a [Judged<'a>],
    pub currency: &'a str,
}

/// What became of a line in the house.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What it means, in a word.
    pub meaning: &'static str,
    /// What the house made of it: `BOOKED` now, `KNOWN` of an earlier time, `SEEN` where it had been booked without its line, `REFUSED`
    /// or, where nothing was told, `LEFT`.
    pub became: &'static str,
    /// The entry that booked it.
    pub entry_id: Option<String>,
    /// The reason for which the house refused it.
    pub reason: Option<String>,
    pub why: String,
}

impl Outcome {
    /// Of one of which nothing was told.
    pub fn untold(judged: &Judged<'_>) -> Self {
        let (meaning, why) = (judged.meaning.name(), judged.why.clone());
        Self { meaning, became: "LEFT", entry_id: None, reason: None, why }
    }
}

/// Why a line means what it does: no column of a screen holds that.
fn because(page: Page, judged: &Judged<'_>, why: &str) -> Page {
    if why.is_empty() { page } else { page.text(format!("Line {}: {why}.", judged.line.file_line)) }
}

impl Told<'_> {
    /// What the lines mean.
    pub fn shown(&self) -> (Value, Page) {
        let rows =
            self.judged.iter().map(|judged| [self.cells(judged), vec![judged.meaning.name().to_owned()]].concat());
        let came = format!(">came, {}", self.currency);
        let header = [&header(&came)[..], &["it is"]].concat();
        let page = self.page().table(&header, rows);
        let page = self.judged.iter().fold(page, |page, judged| because(page, judged, &judged.why));
        (self.json(self.judged.iter().map(line_json)), page)
    }

    /// What became of them.
    pub fn booked(&self, outcomes: &[Outcome]) -> Answer {
        let both = || self.judged.iter().zip(outcomes);
        let rows = both().map(|(judged, outcome)| {
            let Outcome { meaning, became, .. } = outcome;
            [self.cells(judged), vec![(*meaning).to_owned(), (*became).to_owned()]].concat()
        });
        let came = format!(">came, {}", self.currency);
        let header = [&header(&came)[..], &["it is", "became"]].concat();
        let of = |became: &str| outcomes.iter().filter(|outcome| outcome.became == became).count();
        let [booked, seen, known, left, refused] = ["BOOKED", "SEEN", "KNOWN", "LEFT", "REFUSED"].map(of);
        let mut json = self.json(both().map(|(judged, outcome)| {
            let mut line = line_json(judged);
            let Outcome { meaning, became, entry_id, reason, why } = outcome;
            line["meaning"] = json!(meaning);
            line["why"] = json!(why);
            line["became"] = json!(became);
            line["entry_id"] = json!(entry_id);
            line["reason"] = json!(reason);
            line
        }));
        json["counts"] = json!({ "booked": booked, "seen": seen, "known": known, "left": left, "refused": refused });
        let page = self.page().table(&header, rows);
        let page = both().fold(page, |page, (judged, outcome)| because(page, judged, &outcome.why));
        let page = page.text(format!(
            "{booked} booked, {seen} seen of what was booked before, {known} known before, {left} left, {refused} refused."
        ));
        Answer::new(json, page.next("clearing bank open"))
    }

    fn json(&self, lines: impl Iterator<Item = Value>) -> Value {
        json!({
            "file": self.path.display().to_string(),
            "sha256": hex(&self.file.hash),
            "currency": self.currency,
            "statements": self.file.statements.iter().map(statement_json).collect::<Vec<_>>(),
            "lines": lines.collect::<Vec<_>>(),
        })
    }

    fn money(&self, amount: Decimal) -> String {
        paper::said(&Money::new(self.currency, amount))
    }

    fn page(&self) -> Page {
        let balance = |of: Option<Balance>| of.map_or("not told".to_owned(), |of| self.money(of.amount));
        self.file.statements.iter().fold(Page::new(), |page, statement| {
            page.text(format!(
                "Account {}: {}, opening balance {}, closing balance {}.",
                statement.account,
                counted(statement.lines.len(), "line", "lines"),
                balance(statement.opening),
                balance(statement.closing)
            ))
        })
    }

    fn cells(&self, judged: &Judged<'_>) -> Vec<String> {
        let line = judged.line;
        let [came, went] = match line.sign {
            Sign::Credit => [self.money(line.amount), String::new()],
            Sign::Debit => [String::new(), self.money(line.amount)],
        };
        let other = line.other.name.clone().or_else(|| line.other.account.clone()).unwrap_or_default();
        let day = line.booking_date.map_or_else(String::new, |day| day.to_string());
        vec![line.file_line.to_string(), day, came, went, other]
    }
}

fn header(came: &str) -> [&str; 5] {
    [">line", "booked", came, ">went", "other side"]
}

fn statement_json(statement: &Statement) -> Value {
    let balance = |of: Option<Balance>| of.map(|of| of.amount.to_string());
    json!({
        "account": statement.account,
        "opening": balance(statement.opening),
        "closing": balance(statement.closing),
        "lines": statement.lines.len(),
        "whole_from": statement.whole_days.map(|days| days.first.to_string()),
        "whole_until": statement.whole_days.map(|days| days.last.to_string()),
    })
}

fn line_json(judged: &Judged<'_>) -> Value {
    let Judged { line, key, meaning, why, perhaps: _ } = judged;
    let Line { file_line, booking_date, value_date, other, end_to_end_id, document_number, text, .. } = line;
    json!({
        "line": file_line,
        "booking_date": booking_date.map(|day| day.to_string()),
        "value_date": value_date.map(|day| day.to_string()),
        "amount": line.signed().to_string(),
        "other_account": other.account,
        "other_name": other.name,
        "end_to_end_id": end_to_end_id,
        "document_number": document_number,
        "text": text,
        "reference": key.as_ref().map(files::LineKey::reference),
        "meaning": meaning.name(),
        "why": why,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
