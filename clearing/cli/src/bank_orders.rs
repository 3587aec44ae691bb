//! Payment orders of a settlement as files for banks: one for each payer, made for its own bank.
//!
//! The same export gives the same bytes whenever somebody asks for them, for as long as no more of it is paid: nothing in a file is of
//! the moment at which it is made; what has been paid is left out, and pay-outs that wait for their money. Its time is that of the
//! recorded export. An order names the account that was in force at the first export at which one was, and keeps it: a version that
//! has come into force never changes. Tax ids are those of that time too, read from the record of administration. The coalition pays
//! and is paid at the operator's account.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use clearing_bank as bank;
use clearing_core::facts::origin::BusinessDate;
use jiff::civil::Date;
use partner_sdk::operator::{AdminAction, AdminActions, OrderMode, PaymentOrder, TaxId};
use partner_sdk::{AccountNumber, BankAccount, BankAccountVersion, Decimal, EntryKind, Money};
use serde_json::{Value, json};

use crate::amounts::counted;
use crate::failure::Failure;
use crate::files::{NewFile, is_there, there_already};
use crate::output::Page;
use crate::paper::settlement as paper;
use crate::session::Session;

/// Who stands for the coalition's own account in orders.
const HOUSE: [&str; 2] = ["hub", "funds"];
const OPERATOR: &str = "operator";

/// What `settlement export` is told of files for banks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files for banks")]
pub struct ToBanks {
    /// Writes the orders of each payer into a file of its own, in this form.
    #[arg(long, value_enum, value_name = "FORM", requires = "folder")]
    format: Option<Form>,
    /// The folder for these files, orders-WINDOW-PAYER; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", requires = "format")]
    folder: Option<PathBuf>,
    /// Only the files of this payer: a partner, "operator", "hub" or "funds". May be given several times.
    #[arg(long = "payer", value_name = "PAYER", requires = "format")]
    payers: Vec<String>,
    /// The day on which the banks shall pay. Left out: the payment day of the calendar, at the earliest the day of the export.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "format")]
    payment_date: Option<BusinessDate>,
    /// What payments say they are for, with {reference} in it, and with {window}, {number}, {coalition}, {payer} and {payee} where you
    /// like. Left out: a text in the language of the form.
    #[arg(long, value_name = "TEXT", requires = "format")]
    purpose: Option<String>,
}

/// The form of a file for a bank.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// ISO 20022: pain.001.001.09.
    #[value(name = "pain.001")]
    Pain001,
    /// 1CClientBankExchange, in windows-1251.
    #[value(name = "1c")]
    Exchange,
    /// 1CClientBankExchange, in UTF-8.
    #[value(name = "1c-utf8")]
    ExchangeUtf8,
    /// CSV with accounts, names and purposes.
    #[value(name = "csv")]
    Csv,
}

impl From<Form> for bank::Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Pain001 => Self::Pain001,
            Form::Exchange => Self::Exchange(bank::Encoding::Windows1251),
            Form::ExchangeUtf8 => Self::Exchange(bank::Encoding::Utf8),
            Form::Csv => Self::Csv,
        }
    }
}

/// An order that stands in no file.
#[derive(Debug)]
struct LeftOut {
    payer: String,
    payee: String,
    amount: Money,
    why: String,
}

/// Files that are ready to be written.
pub struct Ready {
    folder: PathBuf,
    files: Vec<bank::File>,
    /// By the payer: how many orders, and what they come to.
    sums: BTreeMap<String, (usize, Decimal)>,
    left_out: Vec<LeftOut>,
    currency: String,
}

impl ToBanks {
    /// The files of the orders that are due of a window, as an export makes them that is recorded, or, where none is yet, as one
    /// made now would.
    ///
    /// # Errors
    /// Usage where no file can be made, or one cannot hold an order; whatever asking the house runs into.
    pub async fn ready(&self, session: &Session, window: i64, mode: OrderMode) -> Result<Option<Ready>, Failure> {
        let (Some(form), Some(folder)) = (self.format, &self.folder) else { return Ok(None) };
        let format = bank::Format::from(form);
        // Their numbers are their places among all of the settlement's, whatever is paid of it.
        let orders = session.client.orders(window, Some(mode)).all().await?;
        let numbered = (1..).zip(orders).filter(|(_, order)| !order.paid && !order.held);
        let numbered: Vec<(u32, PaymentOrder)> = numbered.filter(|(_, order)| self.is_wanted(&order.payer)).collect();
        let exports = exports_of(session, window, mode).await?;
        let first = exports.first();
        let ends = Ends::of(session, &numbered, &exports).await?;
        let (orders, left_out) = ends.orders(&numbered);
        let exported = session.zone.civil(first).map_err(|error| Failure::internal(&error))?;
        let sums = sums(&orders);
        if orders.is_empty() && !left_out.is_empty() {
            let why: BTreeSet<&str> = left_out.iter().map(|left| left.why.as_str()).collect();
            let why = why.into_iter().collect::<Vec<_>>().join("; ");
            return Err(Failure::usage(format!("no order of window {window} can go to a bank: {why}"))
                .hint("clearing partner account PARTNER writes down where a partner is paid; \"operator\" is the coalition's own"));
        }
        let payments = bank::Payments {
            coalition: session.info.coalition_id.clone(),
            window,
            export: exports.number,
            exported,
            payment_date: self.payment_date(session, window, exported.date()).await?,
            currency: session.info.currency_code.parse().map_err(|error| Failure::internal(&error))?,
            orders,
            purpose: self.purpose.clone().unwrap_or_else(|| format.purpose().to_owned()),
        };
        let files = bank::files(&payments, format).map_err(|error| {
            Failure::usage(format!("no file was made: {error}"))
                .hint("put it right, or leave the payer out: --payer names whose files are made")
        })?;
        let currency = session.info.currency_code.clone();
        Ok(Some(Ready { folder: folder.clone(), files, sums, left_out, currency }))
    }

    fn is_wanted(&self, payer: &str) -> bool {
        self.payers.is_empty() || self.payers.iter().any(|wanted| wanted == payer)
    }

    /// No bank takes an order for a day that is over.
    async fn payment_date(&self, session: &Session, window: i64, exported: Date) -> Result<Date, Failure> {
        if let Some(given) = self.payment_date {
            return Ok(given.to_jiff());
        }
        let mut pages = session.client.windows();
        while let Some(page) = pages.next_page().await? {
            if let Some(found) = page.iter().find(|found| found.window == window) {
                let ruled = found.payment_day.parse::<BusinessDate>().ok().map(BusinessDate::to_jiff);
                return Ok(ruled.map_or(exported, |ruled| ruled.max(exported)));
            }
        }
        Ok(exported)
    }
}

/// The exports of a settlement in the mode in which it is exported now.
struct Exports {
    /// From 1; one that replaced another counts on.
    number: u32,
    /// When they were recorded, the first one first. There is always one.
    times: Vec<SystemTime>,
    /// The place of the first one in the journal; none if it is still to be recorded.
    place: Option<i64>,
}

impl Exports {
    fn first(&self) -> SystemTime {
        self.times[0]
    }

    /// From what was recorded, the earliest first. One that is to be recorded now, in another mode than the last, begins anew.
    fn from(recorded: &[AdminAction], mode: OrderMode, now: SystemTime) -> Self {
        let mut exports = Self { number: 0, times: Vec::new(), place: None };
        let mut last = None;
        for action in recorded {
            let changed = paper::field(action, "mode");
            if exports.times.is_empty() || changed.is_some() {
                let place = Some(action.journal_sequence);
                exports = Self { number: exports.number + 1, times: Vec::new(), place };
            }
            last = changed.or(last);
            exports.times.push(action.action_time);
        }
        // Where a payment had fixed the mode before the first export, no export names it.
        if exports.times.is_empty() || last.is_some_and(|last| last != mode.as_str()) {
            return Self { number: exports.number + 1, times: vec![now], place: None };
        }
        exports
    }
}

async fn exports_of(session: &Session, window: i64, mode: OrderMode) -> Result<Exports, Failure> {
    let filter = AdminActions::all().kind(EntryKind::ExportOrders).window(window);
    let mut recorded = session.operator().admin_actions(filter).all().await?;
    recorded.retain(|action| action.window == window);
    recorded.sort_by_key(|action| action.journal_sequence);
    Ok(Exports::from(&recorded, mode, session.info.server_time))
}

/// What orders say of those who pay and are paid.
struct Ends(BTreeMap<String, Option<bank::Party>>);

impl Ends {
    async fn of(session: &Session, orders: &[(u32, PaymentOrder)], exports: &Exports) -> Result<Self, Failure> {
        let named: BTreeSet<&str> = orders.iter().flat_map(|(_, order)| [&*order.payer, &*order.payee]).collect();
        let changes = record_changes(session, exports).await?;
        let mut known: BTreeMap<&str, Option<bank::Party>> = BTreeMap::new();
        let mut ends = BTreeMap::new();
        for id in named {
            let whose = whose_account(id);
            let found = match known.get(whose) {
                Some(found) => found.clone(),
                None => party(session, whose, exports, &changes).await?,
            };
            known.insert(whose, found.clone());
            ends.insert(id.to_owned(), found.map(|found| bank::Party { id: id.to_owned(), ..found }));
        }
        Ok(Self(ends))
    }

    /// The orders whose ends both have an account, and those that have not.
    fn orders(&self, numbered: &[(u32, PaymentOrder)]) -> (Vec<bank::Order>, Vec<LeftOut>) {
        let (mut orders, mut left_out) = (Vec::new(), Vec::new());
        for (number, order) in numbered {
            let [payer, payee] = [&order.payer, &order.payee].map(|id| self.0.get(id).and_then(Option::as_ref));
            let why = match (payer, payee) {
                (Some(payer), Some(payee)) if is_one_account(&payer.account, &payee.account) => {
                    "both ends have one account, so no bank moves anything: record it with clearing settlement pay"
                        .to_owned()
                }
                (Some(payer), Some(payee)) => {
                    let (number, amount) = (*number, order.amount.amount);
                    orders.push(bank::Order { number, payer: payer.clone(), payee: payee.clone(), amount });
                    continue;
                }
                (None, _) => no_account(&order.payer),
                (_, None) => no_account(&order.payee),
            };
            let PaymentOrder { payer, payee, amount, .. } = order.clone();
            left_out.push(LeftOut { payer, payee, amount, why });
        }
        (orders, left_out)
    }
}

/// A number is the bank's own where no IBAN says it all.
fn is_one_account(one: &bank::Account, other: &bank::Account) -> bool {
    one.number == other.number && one.bank == other.bank
}

fn no_account(id: &str) -> String {
    format!("{} had no bank account in force at the export; export again once it has one", whose_account(id))
}

/// The participant at whose account an end of an order pays or is paid.
///
/// Rule: house-account
fn whose_account(id: &str) -> &str {
    if HOUSE.contains(&id) { OPERATOR } else { id }
}

/// Who somebody is in a file; none without an account at any of the exports.
///
/// Rule: order-accounts
async fn party(
    session: &Session,
    id: &str,
    exports: &Exports,
    changes: &[AdminAction],
) -> Result<Option<bank::Party>, Failure> {
    let known = session.operator().partner(id).await?;
    let is_there_since = |version: &BankAccountVersion| version.effective_time <= exports.first();
    let account = match known.bank_account {
        Some(in_force) if is_there_since(&in_force) => Some(in_force.bank_account),
        Some(_) => {
            let versions = session.client.bank_accounts(id).all().await?;
            exports.times.iter().find_map(|time| account_at(&versions, *time)).cloned()
        }
        None => None,
    };
    let Some(account) = account else { return Ok(None) };
    let tax_ids = known.legal_record.map(|record| record.tax_ids).unwrap_or_default();
    let tax_ids = tax_ids_before(changes, id).unwrap_or_else(|| pairs(&tax_ids));
    let of = |scheme: &str| tax_ids.iter().find(|(found, _)| found == scheme).map(|(_, value)| value.clone());
    Ok(Some(bank::Party {
        id: id.to_owned(),
        name: account.holder.clone(),
        tax_id: of("RU_INN").or_else(|| of("EU_VAT")),
        tax_code: of("RU_KPP"),
        account: at_bank(account),
    }))
}

/// The account that was in force at a moment. What has come into force is never ended, so the answer is the same for ever.
fn account_at(versions: &[BankAccountVersion], time: SystemTime) -> Option<&BankAccount> {
    let in_force = |version: &&BankAccountVersion| version.end_time.is_none() && version.effective_time <= time;
    versions.iter().filter(in_force).max_by_key(|version| version.version).map(|version| &version.bank_account)
}

fn at_bank(account: BankAccount) -> bank::Account {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let bank_name = given(account.bank_name);
    let by_number = |number| bank::Account {
        number,
        bank: bank::BankCode::None,
        bank_name: bank_name.clone(),
        correspondent: None,
    };
    match account.number {
        AccountNumber::Iban(number) => by_number(number),
        AccountNumber::National { country_code, bank_code, account_number, correspondent_account_number } => {
            bank::Account {
                number: account_number,
                bank: bank::BankCode::National { country: country_code, code: bank_code },
                bank_name,
                correspondent: given(correspondent_account_number),
            }
        }
        // Of a kind that this program does not know, no file can be made.
        _ => by_number(String::new()),
    }
}

/// What was written down since of who somebody is by law, the earliest first.
async fn record_changes(session: &Session, exports: &Exports) -> Result<Vec<AdminAction>, Failure> {
    let Some(place) = exports.place else { return Ok(Vec::new()) };
    let filter = AdminActions::all().kind(EntryKind::SetLegalRecord).since(exports.first());
    let mut changes = session.operator().admin_actions(filter).all().await?;
    changes.retain(|action| action.journal_sequence > place);
    changes.sort_by_key(|action| action.journal_sequence);
    Ok(changes)
}

/// The tax ids that somebody had before the first of these changes of them; none if none is one.
fn tax_ids_before(changes: &[AdminAction], id: &str) -> Option<Vec<(String, String)>> {
    let of_partner = changes.iter().filter(|action| action.partner_ids.iter().any(|partner| partner == id));
    let change = of_partner.flat_map(|action| &action.changes).find(|change| change.field == "tax_ids")?;
    let before = change.before.as_deref().unwrap_or_default();
    let pair = |text: &str| text.split_once(' ').map(|(scheme, value)| (scheme.to_owned(), value.to_owned()));
    Some(before.split(", ").filter_map(pair).collect())
}

fn pairs(tax_ids: &[TaxId]) -> Vec<(String, String)> {
    tax_ids.iter().map(|tax_id| (tax_id.scheme.clone(), tax_id.value.clone())).collect()
}

fn sums(orders: &[bank::Order]) -> BTreeMap<String, (usize, Decimal)> {
    let mut sums: BTreeMap<String, (usize, Decimal)> = BTreeMap::new();
    for order in orders {
        let sum = sums.entry(order.payer.id.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + order.amount);
    }
    sums
}

impl Ready {
    /// Refuses what would overwrite a file that says something else, unless it was said that it may be.
    ///
    /// # Errors
    /// Usage, with the file.
    pub fn may_write(&self, force: bool) -> Result<(), Failure> {
        for file in &self.files {
            let path = self.folder.join(&file.name);
            if !force && is_there(&path) && !is_written(&path, file) {
                return Err(there_already(&path)
                    .hint("the orders in it were others: name another folder, or overwrite it with --force once no bank has it"));
            }
        }
        Ok(())
    }

    /// Writes them. One that is there already as it should be stays: whoever was broken off begins again.
    ///
    /// # Errors
    /// What writing runs into.
    pub fn write(&self, force: bool) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| Failure::file("cannot make the folder", &self.folder, &error))?;
        for file in &self.files {
            let path = self.folder.join(&file.name);
            if is_written(&path, file) {
                continue;
            }
            let mut new = NewFile::new(&path, force)?;
            new.write_all(&file.bytes).map_err(|error| Failure::file("cannot write", &path, &error))?;
            new.keep()?;
        }
        Ok(())
    }

    /// For programs: the files, and the orders that stand in none.
    pub fn json(&self) -> (Value, Value) {
        let files = self.files.iter().map(|file| {
            let (orders, sum) = self.sum(file);
            json!({
                "file": self.folder.join(&file.name).display().to_string(),
                "payer": file.payer,
                "orders": orders,
                "amount": sum.amount.to_string(),
                "message_id": file.message_id,
            })
        });
        let left_out = self.left_out.iter().map(|left| {
            json!({
                "payer": left.payer,
                "payee": left.payee,
                "amount": left.amount.amount.to_string(),
                "why": left.why,
            })
        });
        (files.collect(), left_out.collect())
    }

    /// For people.
    pub fn page(&self) -> Page {
        let rows = self.files.iter().map(|file| {
            let (orders, sum) = self.sum(file);
            vec![
                self.folder.join(&file.name).display().to_string(),
                file.payer.clone(),
                orders.to_string(),
                paper::said(&sum),
                file.message_id.clone(),
            ]
        });
        let amount = format!(">amount, {}", self.currency);
        let page = Page::new().table(&["file", "payer", ">orders", &amount, "message id"], rows);
        if self.left_out.is_empty() {
            return page;
        }
        let rows = self
            .left_out
            .iter()
            .map(|left| vec![left.payer.clone(), left.payee.clone(), paper::said(&left.amount), left.why.clone()]);
        page.text(format!("In no file: {}.", counted(self.left_out.len(), "order", "orders")))
            .table(&["payer", "payee", &amount, "why"], rows)
    }

    fn sum(&self, file: &bank::File) -> (usize, Money) {
        let (orders, sum) = self.sums.get(&file.payer).copied().unwrap_or_default();
        (orders, Money::new(&self.currency, sum))
    }
}

fn is_written(path: &Path, file: &bank::File) -> bool {
    fs::read(path).is_ok_and(|found| found == file.bytes)
}
