//! `clearing bank import`: the lines of a bank's file, told to the house.
//!
//! | step | what holds |
//! |---|---|
//! | the whole file is read and judged | of a file with anything wrong nothing is told |
//! | what each line means is told, many at a time | under an id made from the file and the line, with the line's own key |
//! | what came back is told last, one by one | what it takes back has been told by then |
//!
//! So a command that was broken off is run again, the same file twice books nothing twice, and neither does another one in which the
//! line stands as well. What the house refuses of a line is told beside it, and the others go on.

use clap::Args;
use clearing_bank::{Judged, LineKey, Meaning, Purpose, judge, request_id};
use partner_sdk::operator::{
    BankLine, BankPurpose, BookBankFee, BookOwnTransfer, ConfirmOrdered, ConfirmPayment, Operator, ReceiveMoney,
    ReturnPayment,
};
use partner_sdk::{Money, RequestId, Written};
use tokio::task::JoinSet;

use crate::amounts::counted;
use crate::bank_file::{OfFile, Outcome, Told};
use crate::bank_picture::Picture;
use crate::context::Context;
use crate::failure::{Exit, Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Output};
use crate::session::Session;

/// Lines that are told to the house at a time. It writes what comes together in one batch.
const AT_A_TIME: usize = 32;

/// After so many lines, people are told how far it is.
const PROGRESS: usize = 500;

/// Arguments of `bank import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    file: OfFile,
    /// Books it without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long)]
    yes: bool,
    /// Shows what it would book, and books nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// Tells the house what the lines of a file mean.
pub async fn run(context: &Context, import: &Import) -> Result<Answer, Failure> {
    let irrevocable = Irrevocable::of(import.yes, import.dry_run);
    let bytes = import.file.bytes()?;
    let session = irrevocable.open(context).await?;
    let (picture, file) = import.file.read(&session, &bytes).await?;
    if picture.first_own_account().is_none() {
        return Err(Failure::usage("no account of the operator is known, so nothing says which lines are of it")
            .hint("write it down first: clearing partner account operator --help"));
    }
    let judged = judge(&file, picture.known());
    let told = Told { path: import.file.path(), file: &file, judged: &judged, currency: &session.info.currency_code };
    let plan = async {
        let to_book = judged.iter().filter(|line| !matches!(line.meaning, Meaning::NotBooked | Meaning::Left)).count();
        let (json, page) = told.shown();
        let lines = counted(judged.len(), "line", "lines");
        Ok(Plan::new(format!("books what is not booked yet of {to_book} of {lines}"), json, page))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let outcomes = tell(context.output, &session, &picture, &file.hash, &judged).await?;
    Ok(told.booked(&outcomes))
}

/// What the house answered to a line that it took.
struct Heard {
    written: Written,
    known: String,
    seen: String,
    /// Of money that arrived: the window whose leg it paid, 0 if none.
    paid_window: Option<i64>,
}

/// What is told to the house of a line.
#[derive(Debug, Clone)]
enum Call {
    Receive(ReceiveMoney),
    Pay(ConfirmPayment),
    Ordered(ConfirmOrdered),
    Return(ReturnPayment),
    Transfer(BookOwnTransfer),
    Fee(BookBankFee),
}

impl Call {
    fn of(judged: &Judged<'_>, picture: &Picture) -> Option<Self> {
        let (line, key) = (judged.line, judged.key.as_ref()?);
        let amount = Money::new(line.currency.as_str(), line.amount);
        let own = bank_line(key, picture);
        Some(match judged.perhaps.as_ref().unwrap_or(&judged.meaning) {
            Meaning::NotBooked | Meaning::Left => return None,
            Meaning::Received { partner, window, .. } => {
                let receive = ReceiveMoney::of(partner.as_deref().unwrap_or_default(), amount, own);
                Self::Receive(match window {
                    Some(window) => receive.window(*window),
                    None => receive,
                })
            }
            Meaning::PaidOut { window, partner } => Self::Pay(ConfirmPayment::hub(*window, partner).line(own, amount)),
            Meaning::OrderedOut { partner } => {
                Self::Ordered(ConfirmOrdered::of(partner.as_deref().unwrap_or_default(), amount).line(own))
            }
            Meaning::PayOutReturned { window, partner } => {
                Self::Return(ReturnPayment::pay_out(*window, partner).line(own))
            }
            Meaning::PaymentReturned { payment } => {
                Self::Return(ReturnPayment::arrived(bank_line(payment, picture)).line(own))
            }
            Meaning::OwnTransfer { from, to, arrived } => {
                let [from, to] = [*from, *to].map(purpose);
                Self::Transfer(if *arrived {
                    BookOwnTransfer::arrived(from, to, amount, own)
                } else {
                    BookOwnTransfer::left(from, to, amount, own)
                })
            }
            Meaning::Fee { purpose: of, interest } => Self::Fee(if *interest {
                BookBankFee::interest(purpose(*of), amount, own)
            } else {
                BookBankFee::taken(purpose(*of), amount, own)
            }),
        })
    }

    async fn tell(self, operator: &Operator, id: RequestId) -> Result<Heard, Failure> {
        let nothing = String::new;
        Ok(match self {
            Self::Receive(receive) => {
                let done = accepted(operator.receive_money(receive.request_id(id)).await)?;
                let (known, seen) = (done.known_entry_id, done.seen_entry_id);
                Heard { written: done.written, known, seen, paid_window: Some(done.paid_window) }
            }
            Self::Pay(pay) => {
                let done = accepted(operator.confirm_payment(pay.request_id(id)).await)?;
                let (known, seen) = (done.known_entry_id, done.seen_entry_id);
                Heard { written: done.written, known, seen, paid_window: None }
            }
            Self::Ordered(ordered) => {
                let done = accepted(operator.confirm_ordered(ordered.request_id(id)).await)?;
                Heard { written: done.written, known: done.known_entry_id, seen: nothing(), paid_window: None }
            }
            Self::Return(back) => {
                let done = accepted(operator.return_payment(back.request_id(id)).await)?;
                Heard { written: done.written, known: done.known_entry_id, seen: nothing(), paid_window: None }
            }
            Self::Transfer(transfer) => {
                let done = accepted(operator.book_own_transfer(transfer.request_id(id)).await)?;
                let (known, seen) = (done.known_entry_id, done.seen_entry_id);
                Heard { written: done.written, known, seen, paid_window: None }
            }
            Self::Fee(fee) => {
                let done = accepted(operator.book_bank_fee(fee.request_id(id)).await)?;
                Heard { written: done.written, known: done.known_entry_id, seen: nothing(), paid_window: None }
            }
        })
    }
}

fn purpose(of: Purpose) -> BankPurpose {
    match of {
        Purpose::Settlement => BankPurpose::Settlement,
        Purpose::Pool => BankPurpose::Pool,
        Purpose::Reserve => BankPurpose::Reserve,
        Purpose::Collateral => BankPurpose::Collateral,
    }
}

/// By what the house knows a line.
fn bank_line(key: &LineKey, picture: &Picture) -> BankLine {
    let (account, day) = key.place();
    let line = BankLine::of(key.reference()).booked(day.to_string());
    if picture.first_own_account() == Some(account) { line } else { line.own_account(account) }
}

/// Tells the house of all lines, in the order of the file but for what came back. What became of each is in the file's order.
///
/// # Errors
/// What is no answer of the rules: then the same command, run again, goes on where this one ended.
async fn tell(
    output: Output,
    session: &Session,
    picture: &Picture,
    file_hash: &[u8; 32],
    judged: &[Judged<'_>],
) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes: Vec<Outcome> = judged.iter().map(|judged| untold(judged, picture)).collect();
    let call = |(at, judged): (usize, &Judged<'_>)| {
        let key = judged.key.as_ref()?;
        Some((at, Call::of(judged, picture)?, id_of(file_hash, key)))
    };
    let all: Vec<(usize, Call, RequestId)> = judged.iter().enumerate().filter_map(call).collect();
    let to_tell = all.len();
    let (back, first): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, call, _)| matches!(call, Call::Return(_)));
    let mut told = 0;
    for (lines, at_a_time) in [(first, AT_A_TIME), (back, 1)] {
        let mut lines = lines.into_iter();
        let mut running = JoinSet::new();
        loop {
            for (at, call, id) in lines.by_ref().take(at_a_time - running.len()) {
                let (operator, fresh) = (session.operator(), session.client.new_request_id());
                running.spawn(async move { (at, of_house(call, &operator, id, fresh).await) });
            }
            let Some(done) = running.join_next().await else { break };
            let (at, heard) = done.map_err(|error| Failure::internal(&error))?;
            outcomes[at] = outcome(&judged[at], &outcomes[at], heard)?;
            told += 1;
            if told % PROGRESS == 0 {
                output.note(&format!("told the house of {told} of {to_tell} lines"));
            }
        }
    }
    Ok(outcomes)
}

/// Tells one line. What is refused is told once more under another id: the file may be older than the house keeps answers, the line mean
/// something else by now, or the house repeat what it said before something changed. The line's key still books it once.
async fn of_house(call: Call, operator: &Operator, id: RequestId, fresh: RequestId) -> Result<Heard, Failure> {
    let answer = call.clone().tell(operator, id).await;
    if answer.as_ref().is_err_and(is_refused) { call.tell(operator, fresh).await } else { answer }
}

fn is_refused(failure: &Failure) -> bool {
    failure.exit == Exit::Rejected && failure.reason.is_some()
}

/// What became of a line, by what the house answered.
///
/// # Errors
/// What is no answer of the rules, with the line.
fn outcome(judged: &Judged<'_>, untold: &Outcome, heard: Result<Heard, Failure>) -> Result<Outcome, Failure> {
    let Heard { written, known, seen, paid_window } = match heard {
        Ok(heard) => heard,
        // It had been left in any case.
        Err(failure) if is_refused(&failure) && judged.perhaps.is_some() => return Ok(untold.clone()),
        Err(failure) if is_refused(&failure) => {
            let reason = failure.reason.as_ref().map(|(reason, _)| reason.clone());
            return Ok(Outcome { became: "REFUSED", reason, why: failure.message, ..untold.clone() });
        }
        Err(failure) => return Err(broken_off(failure, judged)),
    };
    let entry = written.entry_id().to_owned();
    let known = if known.is_empty() && written.replayed { entry.clone() } else { known };
    let taken = match &judged.perhaps {
        None => Outcome { became: "BOOKED", ..untold.clone() },
        Some(perhaps) => {
            let why = "the house knows by now what it is".to_owned();
            Outcome { meaning: perhaps.name(), became: "BOOKED", why, ..untold.clone() }
        }
    };
    if !known.is_empty() {
        let why = format!("it was booked before, by entry {known}");
        return Ok(Outcome { meaning: "KNOWN", became: "KNOWN", entry_id: Some(known), why, ..taken });
    }
    if !seen.is_empty() {
        let why = format!("it is what was booked before without this line, by entry {seen}");
        let meaning = if taken.meaning == "UNAPPLIED" { "MATCHED" } else { taken.meaning };
        return Ok(Outcome { meaning, became: "SEEN", entry_id: Some(seen), why, ..taken });
    }
    let taken = Outcome { entry_id: Some(entry), ..taken };
    // Something may have changed since it was judged.
    Ok(match (paid_window, taken.meaning) {
        (Some(0), "MATCHED") => {
            let why = format!("{}, but it was not when the house was told", taken.why);
            Outcome { meaning: "UNAPPLIED", why, ..taken }
        }
        (Some(window), "UNAPPLIED") if window != 0 => {
            Outcome { meaning: "MATCHED", why: format!("it was just what was due of window {window}"), ..taken }
        }
        _ => taken,
    })
}

/// Of a line of which nothing was told, or which was not taken: by what a person books it.
fn untold(judged: &Judged<'_>, picture: &Picture) -> Outcome {
    let outcome = Outcome::untold(judged);
    let (Meaning::Left, Some(key)) = (&judged.meaning, &judged.key) else { return outcome };
    let (account, day) = key.place();
    let own =
        if picture.first_own_account() == Some(account) { String::new() } else { format!(" --own-account {account}") };
    let why = format!("{}; by hand: --reference '{}' --booked {day}{own}", outcome.why, key.reference());
    Outcome { why, ..outcome }
}

fn broken_off(failure: Failure, judged: &Judged<'_>) -> Failure {
    let message = format!("line {}: {}", judged.line.file_line, failure.message);
    let failure = Failure { message, ..failure };
    if failure.exit == Exit::Unreachable {
        failure.hint("run the same command again: what was booked of the file is not booked twice")
    } else {
        failure
    }
}

fn id_of(file_hash: &[u8; 32], key: &LineKey) -> RequestId {
    let id = u128::from_be_bytes(request_id(file_hash, key));
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        id >> 96,
        id >> 80 & 0xFFFF,
        id >> 64 & 0xFFFF,
        id >> 48 & 0xFFFF,
        id & 0xFFFF_FFFF_FFFF
    );
    text.parse().expect("sixteen bytes of version 7")
}
