//! `clearing bank`: money at the house's own bank accounts, booked by hand; and what the banks say.

use clap::{Args, Subcommand, ValueEnum};
use clearing_core::facts::origin::BusinessDate;
use partner_sdk::Decimal;
use partner_sdk::Written;
use partner_sdk::operator::{
    ApplyMoney, BankLine, BankPurpose, BookBankFee, BookOwnTransfer, ConfirmOrdered, MoneyDirection, MoneyUse,
    OpenMoney, ReceiveMoney, ReturnMoney, ReturnPayment, UndoPayment,
};
use serde_json::{Value, json};

use crate::bank_file::{self, OfFile};
use crate::bank_import::{self, Import};
use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, Page};
use crate::paper::settlement::said;
use crate::session::{Effect, Session, moment};
use crate::values;

/// The bank commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows what each line of a bank's file means for the house, and why; nothing is booked.
    ///
    /// The file is read as a whole: of one that is cut off, of another account or another currency, or that does not tie, nothing is
    /// shown but what is wrong with it, with the line and the field.
    #[command(
        after_help = "Examples:\n  clearing bank show statement.xml\n  clearing bank show kl_to_1c.txt --from 2026-03-01 --until 2026-03-31\n  \
                      clearing bank show statement.xml --own reserve=DE02120300000000202051\n  \
                      clearing bank show march.csv --delimiter ';' --dates dotted --column booking-date=Date --column amount=Sum\n\n\
                      camt.053, camt.054 and files of 1C are known by what is in them. Of CSV, the columns are named by --column FIELD=NAME:\n\
                      booking-date and amount, or booking-date, credit and debit, or booking-date, amount and sign with --credit-word and\n\
                      --debit-word; and as there are, value-date, currency, other-account, other-bank, other-name, other-tax-id, reference,\n\
                      end-to-end-id, document-number, text.\n\n\
                      The coalition's account is that of the operator (clearing partner account operator); --own names others."
    )]
    Show(OfFile),
    /// Books what each line of a bank's file means: money that arrived, what was paid out, what came back, fees, own transfers.
    ///
    /// A line is booked once, whatever files it stands in and however often they are imported: a command that was broken off is run
    /// again. What cannot be said for certain is left for a person, with the reason.
    #[command(
        after_help = "Examples:\n  clearing bank import statement.xml --dry-run     what each line means, as bank show tells it\n  \
                      clearing bank import statement.xml --yes\n\nHow CSV is read and other accounts are named: clearing bank show --help.\n\
                      clearing bank open lists what waits for a person."
    )]
    Import(Import),
    #[command(flatten)]
    Book(Book),
}

/// Those that tell of money at the house's accounts, or book it.
#[derive(Debug, Subcommand)]
pub enum Book {
    /// Lists what waits for somebody: money that belongs to nothing yet, money ordered out, payments whose line was not seen.
    #[command(
        after_help = "Examples:\n  clearing bank open\n  clearing bank open grocer\n  clearing bank open unknown --output json"
    )]
    Open {
        /// Of this partner; "unknown": of nobody knows whom. Left out: all.
        partner: Option<String>,
    },
    /// Records money that arrived; each line of the bank is booked once.
    #[command(
        after_help = "Examples:\n  clearing bank receive grocer 1250.00 --reference NTRF-4711 --booked 2026-03-02\n  \
                      clearing bank receive grocer 1250.00 --reference NTRF-4711 --window 3     its text names window 3\n  \
                      clearing bank receive unknown 80 --reference NTRF-4712"
    )]
    Receive(Receive),
    /// Uses money that arrived: for a leg, a claim or as an advance; or says whose money of nobody knows whom is.
    #[command(
        after_help = "Examples:\n  clearing bank apply grocer 1250.00                     its oldest leg that is due\n  \
                      clearing bank apply grocer 500 --window 3              a part of that leg\n  \
                      clearing bank apply grocer 500 --to advance\n  clearing bank apply grocer 80 --from-unknown           needs two persons"
    )]
    Apply(Apply),
    /// Undoes a use of money, or a payment that was booked by mistake.
    #[command(
        after_help = "Example:\n  clearing bank unapply ENTRY --reason wrong-window\n\nA payment that the bank took back is `bank bounced`."
    )]
    Unapply {
        /// The entry of the payment.
        entry: String,
        /// Why: a word, which stays in the journal.
        #[arg(long, value_name = "CODE")]
        reason: String,
        #[command(flatten)]
        effect: Effect,
    },
    /// Orders money back that arrived and belongs to nothing.
    #[command(after_help = "Examples:\n  clearing bank return grocer 80\n  clearing bank return unknown 80")]
    Return {
        /// To whom; "unknown": back to nobody knows whom.
        partner: String,
        #[arg(value_parser = values::decimal)]
        amount: Decimal,
        #[command(flatten)]
        effect: Effect,
    },
    /// Records that the bank has paid what was ordered out: returned money, withdrawals.
    #[command(after_help = "Example:\n  clearing bank paid grocer 80 --reference NTRF-4713 --booked 2026-03-04")]
    Paid {
        /// To whom; "unknown": back to nobody knows whom.
        partner: String,
        #[arg(value_parser = values::decimal)]
        amount: Decimal,
        #[command(flatten)]
        line: MaybeLine,
        #[command(flatten)]
        effect: Effect,
    },
    /// Records that a payment came back: one that had arrived, a pay-out of a leg, or money that was ordered out.
    #[command(after_help = "Examples:\n  clearing bank bounced --payment NTRF-4711 --payment-booked 2026-03-02\n  \
                      clearing bank bounced --window 3 --partner cinema\n  clearing bank bounced --ordered ENTRY")]
    Bounced(Bounced),
    /// Records a fee that the bank took of one of the house's accounts, or interest that it gave.
    #[command(
        after_help = "Examples:\n  clearing bank fee settlement 12.50 --reference NCHG-1\n  clearing bank fee reserve 3 --interest --reference NINT-1"
    )]
    Fee {
        /// Which account.
        #[arg(value_enum)]
        account: Purpose,
        #[arg(value_parser = values::decimal)]
        amount: Decimal,
        /// The bank gave it.
        #[arg(long)]
        interest: bool,
        #[command(flatten)]
        line: Line,
        #[command(flatten)]
        effect: Effect,
    },
    /// Records that money was moved from one of the house's own accounts to another.
    #[command(
        after_help = "Example:\n  clearing bank transfer settlement reserve 500 --reference NTRF-9 --booked 2026-03-04\n\n\
                      Each of the two statements has a line of it; tell both, the one of the receiving account with --arrived."
    )]
    Transfer {
        /// The account that the money left.
        #[arg(value_enum)]
        from: Purpose,
        /// The account that it came to.
        #[arg(value_enum)]
        to: Purpose,
        #[arg(value_parser = values::decimal)]
        amount: Decimal,
        /// The line is of the account that it came to.
        #[arg(long)]
        arrived: bool,
        #[command(flatten)]
        line: Line,
        #[command(flatten)]
        effect: Effect,
    },
}

/// A line of the bank's statement.
#[derive(Debug, Args)]
pub struct Line {
    /// The bank's own reference of the line.
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// The day on which the bank booked it.
    #[arg(long, value_name = "YYYY-MM-DD")]
    booked: Option<BusinessDate>,
    /// The house's own account, as the bank writes it. Left out: it has one only.
    #[arg(long, value_name = "NUMBER")]
    own_account: Option<String>,
}

/// A line of the bank's statement, where it is known.
#[derive(Debug, Args)]
pub struct MaybeLine {
    /// The bank's own reference of the line. Left out: it is booked by hand, and waits for its line.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// The day on which the bank booked it.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "reference")]
    booked: Option<BusinessDate>,
    /// The house's own account, as the bank writes it. Left out: it has one only.
    #[arg(long, value_name = "NUMBER", requires = "reference")]
    own_account: Option<String>,
}

/// Arguments of `bank receive`.
#[derive(Debug, Args)]
pub struct Receive {
    /// Whose it is; "unknown": nobody knows.
    partner: String,
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    /// The window that its text names: if that leg is due by exactly so much, it is paid.
    #[arg(long, value_parser = values::whole::<i64>)]
    window: Option<i64>,
    #[command(flatten)]
    line: Line,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `bank apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// For which partner.
    partner: String,
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    /// What for.
    #[arg(long, value_enum, default_value_t)]
    to: Use,
    /// Of which leg. Left out: the oldest that is due.
    #[arg(long, value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// It came from nobody knows whom, and is this partner's: it is unapplied then, and needs two persons.
    #[arg(long, conflicts_with_all = ["to", "window"])]
    from_unknown: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `bank bounced`.
#[derive(Debug, Args)]
pub struct Bounced {
    /// The reference of the line by which it had arrived.
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["window", "ordered"], conflicts_with_all = ["window", "ordered"])]
    payment: Option<String>,
    /// The day on which that line was booked.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "payment", conflicts_with_all = ["window", "partner", "ordered"])]
    payment_booked: Option<BusinessDate>,
    /// The house's own account of that line. Left out: it has one only.
    #[arg(long, value_name = "NUMBER", requires = "payment", conflicts_with_all = ["window", "partner", "ordered"])]
    payment_account: Option<String>,
    /// The window of a pay-out.
    #[arg(long, requires = "partner", conflicts_with = "ordered", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// To whom it was paid out.
    #[arg(long, requires = "window", conflicts_with_all = ["payment", "ordered"])]
    partner: Option<String>,
    /// The entry that ordered it out.
    #[arg(long, value_name = "ENTRY")]
    ordered: Option<String>,
    #[command(flatten)]
    line: MaybeLine,
    #[command(flatten)]
    effect: Effect,
}

/// What money is used for.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Use {
    /// A leg that is due, or a part of it.
    #[default]
    Leg,
    /// What is claimed.
    Claim,
    /// It is paid ahead.
    Advance,
}

/// Which of the house's own accounts.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Purpose {
    /// Legs, advances and what is unapplied or ordered out.
    Settlement,
    /// The reserve.
    Reserve,
    /// What partners deposited against their own defaults.
    Collateral,
    /// What backs prepaid points.
    Pool,
}

impl From<Purpose> for BankPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Settlement => Self::Settlement,
            Purpose::Reserve => Self::Reserve,
            Purpose::Collateral => Self::Collateral,
            Purpose::Pool => Self::Pool,
        }
    }
}

fn line_of(reference: &str, booked: Option<BusinessDate>, own_account: Option<&str>) -> BankLine {
    let line = BankLine::of(reference).own_account(own_account.unwrap_or_default());
    match booked {
        Some(day) => line.booked(day.to_string()),
        None => line,
    }
}

impl Line {
    pub fn line(&self) -> BankLine {
        line_of(&self.reference, self.booked, self.own_account.as_deref())
    }
}

impl MaybeLine {
    pub fn line(&self) -> Option<BankLine> {
        let reference = self.reference.as_deref()?;
        Some(line_of(reference, self.booked, self.own_account.as_deref()))
    }
}

/// How money of nobody knows whom is named.
const UNKNOWN: &str = "unknown";

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Show(file) => bank_file::show(context, &file).await,
        Command::Import(import) => bank_import::run(context, &import).await,
        Command::Book(command) => book(&Session::open(context).await?, command).await,
    }
}

async fn book(session: &Session, command: Book) -> Result<Answer, Failure> {
    match command {
        Book::Open { partner } => open(session, partner.as_deref().unwrap_or_default()).await,
        Book::Receive(receive) => receive_money(session, receive).await,
        Book::Apply(apply) => apply_money(session, apply).await,
        Book::Unapply { entry, reason, effect } => {
            let undo = UndoPayment::of(entry.as_str(), reason).request_id(session.request_id(effect));
            let done = accepted(session.operator().undo_payment(undo).await)?;
            Ok(told(&done.written, "", format!("Undid the payment of entry {entry}.")))
        }
        Book::Return { partner, amount, effect } => {
            let amount = session.money(amount);
            let text =
                format!("Ordered {amount} back to {partner}; tell `clearing bank paid` when the bank has paid it.");
            let account = format!("unapplied:{partner}");
            let give = ReturnMoney::account(account, amount).request_id(session.request_id(effect));
            Ok(told(&accepted(session.operator().return_money(give).await)?.written, "", text))
        }
        Book::Paid { partner, amount, line, effect } => {
            let amount = session.money(amount);
            let text = format!("Recorded that {amount} left the bank, to {partner}.");
            let to = if partner == UNKNOWN { "" } else { &partner };
            let confirm = ConfirmOrdered::of(to, amount);
            let confirm = match line.line() {
                Some(line) => confirm.line(line),
                None => confirm,
            };
            let done =
                accepted(session.operator().confirm_ordered(confirm.request_id(session.request_id(effect))).await)?;
            Ok(told(&done.written, &done.known_entry_id, text))
        }
        Book::Bounced(bounced) => return_payment(session, bounced).await,
        Book::Fee { account, amount, interest, line, effect } => {
            let amount = session.money(amount);
            let what = if interest { "interest" } else { "a fee" };
            let text = format!("Recorded {what} of {amount}: it is in the operator's position.");
            let fee = if interest {
                BookBankFee::interest(account.into(), amount, line.line())
            } else {
                BookBankFee::taken(account.into(), amount, line.line())
            };
            let done = accepted(session.operator().book_bank_fee(fee.request_id(session.request_id(effect))).await)?;
            Ok(told(&done.written, &done.known_entry_id, text))
        }
        Book::Transfer { from, to, amount, arrived, line, effect } => {
            let (from, to) = (BankPurpose::from(from), BankPurpose::from(to));
            let amount = session.money(amount);
            let transfer = if arrived {
                BookOwnTransfer::arrived(from, to, amount.clone(), line.line())
            } else {
                BookOwnTransfer::left(from, to, amount.clone(), line.line())
            };
            let transfer = transfer.request_id(session.request_id(effect));
            let done = accepted(session.operator().book_own_transfer(transfer).await)?;
            let text = match done.seen_entry_id.as_str() {
                "" => format!("Recorded {amount} from {from} to {to}; the other account's line is still to come."),
                seen => format!("It is the other line of the transfer of entry {seen}."),
            };
            Ok(told(&done.written, &done.known_entry_id, text))
        }
    }
}

/// An answer of a command that books something; of a line that was booked before it says that.
fn told(written: &Written, known_entry_id: &str, text: String) -> Answer {
    let known = Some(known_entry_id).filter(|known| !known.is_empty());
    let json = json!({
        "entry_id": written.entry_id(),
        "known_entry_id": known,
        "replayed": written.replayed,
    });
    let text = known.map_or(text, |known| format!("That line was booked before, by entry {known}: nothing was done."));
    Answer::new(json, Page::new().text(text).next("clearing bank open"))
}

async fn receive_money(session: &Session, receive: Receive) -> Result<Answer, Failure> {
    let Receive { partner, amount, window, line, effect } = receive;
    let amount = session.money(amount);
    let of = if partner == UNKNOWN { "" } else { &partner };
    let request = ReceiveMoney::of(of, amount.clone(), line.line());
    let request = match window {
        Some(window) => request.window(window),
        None => request,
    };
    let done = accepted(session.operator().receive_money(request.request_id(session.request_id(effect))).await)?;
    let text = match (done.seen_entry_id.as_str(), done.paid_window) {
        ("", 0) => format!("Recorded {amount} of {partner}: it is unapplied."),
        ("", window) => format!("Recorded {amount} of {partner}: it paid the leg of window {window}."),
        (seen, _) => format!("It is the payment that was booked by hand with entry {seen}, and is seen now."),
    };
    Ok(told(&done.written, &done.known_entry_id, text))
}

async fn apply_money(session: &Session, apply: Apply) -> Result<Answer, Failure> {
    let Apply { partner, amount, to, window, from_unknown, effect } = apply;
    let amount = session.money(amount);
    let to = match (from_unknown, to) {
        (true, _) => MoneyUse::Unapplied,
        (false, Use::Leg) => MoneyUse::Leg,
        (false, Use::Claim) => MoneyUse::Claim,
        (false, Use::Advance) => MoneyUse::Advance,
    };
    let request = ApplyMoney::of(partner.as_str(), amount.clone(), to);
    let request = match window {
        Some(window) => request.window(window),
        None => request,
    };
    let done = accepted(session.operator().apply_money(request.request_id(session.request_id(effect))).await)?;
    let what = match to {
        MoneyUse::Leg => format!("paid the leg of window {}", done.paid_window),
        MoneyUse::Claim => "paid what is claimed".to_owned(),
        MoneyUse::Advance => "is paid ahead".to_owned(),
        MoneyUse::Unapplied | MoneyUse::Other(_) | _ => "is unapplied".to_owned(),
    };
    Ok(told(&done.written, "", format!("{amount} of {partner} {what}.")))
}

async fn return_payment(session: &Session, bounced: Bounced) -> Result<Answer, Failure> {
    let Bounced { payment, payment_booked, payment_account, window, partner, ordered, line, effect } = bounced;
    let request = match (payment, window.zip(partner), ordered) {
        (Some(reference), ..) => {
            ReturnPayment::arrived(line_of(&reference, payment_booked, payment_account.as_deref()))
        }
        (None, Some((window, partner)), _) => ReturnPayment::pay_out(window, partner),
        (None, None, ordered) => ReturnPayment::ordered(ordered.unwrap_or_default()),
    };
    let request = match line.line() {
        Some(line) => request.line(line),
        None => request,
    };
    let done = accepted(session.operator().return_payment(request.request_id(session.request_id(effect))).await)?;
    Ok(told(&done.written, &done.known_entry_id, "Recorded that the payment came back.".to_owned()))
}

async fn open(session: &Session, partner: &str) -> Result<Answer, Failure> {
    let open = session.operator().open_money(partner).all().await?;
    let json = json!({ "money": open.iter().map(open_json).collect::<Vec<_>>() });
    if open.is_empty() {
        return Ok(Answer::new(json, Page::new().text("Nothing waits for anybody.")));
    }
    let rows = open.iter().map(|money| {
        let amount = money.unapplied_amount.as_ref().filter(|_| money.seen).unwrap_or(&money.amount);
        vec![
            waits_for(money).to_owned(),
            if money.partner_id.is_empty() { UNKNOWN.to_owned() } else { money.partner_id.clone() },
            said(amount),
            money.account.clone(),
            session.zone.text(money.create_time),
            money.entry_id.clone(),
        ]
    });
    let header =
        ["waits for", "partner", &format!(">amount, {}", session.info.currency_code), "account", "recorded", "entry"];
    let page = Page::new().table(&header, rows).text(session.zone.note());
    Ok(Answer::new(json, page.next("clearing bank apply PARTNER AMOUNT   (or: clearing bank return PARTNER AMOUNT)")))
}

/// What somebody has to do about it.
fn waits_for(money: &OpenMoney) -> &'static str {
    if money.ordered {
        "the bank to pay it"
    } else if !money.seen {
        "its line"
    } else if money.direction == MoneyDirection::In {
        "a use"
    } else {
        "its other line"
    }
}

fn open_json(money: &OpenMoney) -> Value {
    json!({
        "entry_id": money.entry_id,
        "direction": money.direction.as_str(),
        "waits_for": waits_for(money),
        "partner": Some(&money.partner_id).filter(|partner| !partner.is_empty()),
        "time": moment(money.create_time),
        "currency": money.amount.currency,
        "amount": money.amount.amount.to_string(),
        "unapplied": money.unapplied_amount.as_ref().map(|amount| amount.amount.to_string()),
        "ordered": money.ordered,
        "account": money.account,
        "seen": money.seen,
    })
}
