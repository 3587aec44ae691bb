//! What the lines of a bank's file mean for a coalition: whose money arrived and for what, which of its payments went out, what came
//! back, what the bank took for itself.
//!
//! It is found from a picture of what the house knows, which whoever imports has made, and from the line alone; nothing is booked
//! here, and the house decides again when it is told. Whose money it is, the account that it came from and the reference of an order
//! must agree on; where they do not, it is booked as nobody's and a person says whose.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::reference::Reference;
use crate::statement::{BankFile, Keyed, Line, LineKey, LineKind, LineState, OtherSide, Sign, Statement};

/// Which of the coalition's own accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Legs, advances, what is unapplied and what is ordered out.
    Settlement,
    Pool,
    Reserve,
    Collateral,
}

impl Purpose {
    pub const ALL: [Self; 4] = [Self::Settlement, Self::Pool, Self::Reserve, Self::Collateral];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settlement => "settlement",
            Self::Pool => "pool",
            Self::Reserve => "reserve",
            Self::Collateral => "collateral",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// What a house knows of money that may stand in a bank's file.
#[derive(Debug, Clone, Default)]
pub struct Known {
    own: BTreeMap<String, Purpose>,
    /// By the number: the bank's code, where one is needed, and whose.
    accounts: BTreeMap<String, BTreeSet<(Option<String>, String)>>,
    orders: BTreeMap<Reference, KnownOrder>,
    ordered: Vec<OrderedOut>,
}

/// An order of a settlement, as the house has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    pub window: i64,
    /// A partner id, `operator`, `hub` or `funds`.
    pub payer: String,
    pub payee: String,
    /// What of it is due now.
    pub state: OrderState,
}

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// So much is to be paid.
    Due(Decimal),
    /// Nothing is due any more.
    Paid,
    /// Its settlement was given up.
    Aborted,
}

/// Money that the house has ordered out, and that the bank has not paid yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedOut {
    /// None: back to nobody knows whom.
    pub partner: Option<String>,
    pub amount: Decimal,
}

/// The ends of orders that are the coalition's own.
const HOUSE: [&str; 2] = ["hub", "funds"];

impl KnownOrder {
    fn is_pay_in(&self) -> bool {
        HOUSE.contains(&self.payee.as_str()) && !HOUSE.contains(&self.payer.as_str())
    }

    fn is_pay_out(&self) -> bool {
        HOUSE.contains(&self.payer.as_str()) && !HOUSE.contains(&self.payee.as_str())
    }
}

impl Known {
    /// One of the coalition's own accounts.
    pub fn own_account(&mut self, number: &str, purpose: Purpose) {
        self.own.insert(number.to_owned(), purpose);
    }

    /// An account of a partner, in whatever version. `bank` is the bank's code, of an account that has no IBAN.
    pub fn account(&mut self, number: &str, bank: Option<&str>, partner: &str) {
        let whose = (bank.map(str::to_owned), partner.to_owned());
        self.accounts.entry(number.to_owned()).or_default().insert(whose);
    }

    /// An order of a settlement that payments may still name. `coalition` is the coalition's domain.
    pub fn order(&mut self, coalition: &str, order: KnownOrder) {
        let reference = Reference::of(coalition, order.window, &order.payer, &order.payee);
        self.orders.insert(reference, order);
    }

    /// Money that is ordered out.
    pub fn ordered_out(&mut self, ordered: OrderedOut) {
        self.ordered.push(ordered);
    }

    /// What one of the coalition's own accounts is for.
    pub fn purpose(&self, account: &str) -> Option<Purpose> {
        self.own.get(account).copied()
    }

    /// Whose an account may be, by all that is known of it.
    fn owners(&self, side: &OtherSide) -> BTreeSet<&str> {
        let known = side.account.as_ref().and_then(|number| self.accounts.get(number));
        let is_of_bank = |code: &Option<String>| match (code, &side.bank) {
            (Some(code), Some(said)) => code == said,
            (Some(_) | None, _) => true,
        };
        known.into_iter().flatten().filter(|(code, _)| is_of_bank(code)).map(|(_, partner)| partner.as_str()).collect()
    }

    /// The orders that a line names, each once.
    fn named(&self, line: &Line) -> Vec<&KnownOrder> {
        let texts = [line.end_to_end_id.as_deref(), Some(line.text.as_str())];
        let mut references: Vec<Reference> = Vec::new();
        for reference in texts.into_iter().flatten().flat_map(Reference::all_in) {
            if !references.contains(&reference) {
                references.push(reference);
            }
        }
        references.iter().filter_map(|reference| self.orders.get(reference)).collect()
    }
}

/// What a line means, and what is to be told to the house of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The bank has not booked it: it may still not come.
    NotBooked,
    /// Money arrived. It pays the leg of the window by itself if it is exactly what is due of it, and is unapplied else.
    Received {
        /// None: nobody knows whose.
        partner: Option<String>,
        /// The window that its reference names.
        window: Option<i64>,
        /// Whether it is just what is due there.
        pays: bool,
    },
    /// The bank has paid what a window owes a partner.
    PaidOut { window: i64, partner: String },
    /// The bank has paid what was ordered out.
    OrderedOut { partner: Option<String> },
    /// What was paid to a partner came back.
    PayOutReturned { window: i64, partner: String },
    /// What a partner had paid was taken back: the line by which it had come.
    PaymentReturned { payment: LineKey },
    /// From one of the own accounts to another; `arrived` if the line is of the one that it came to.
    OwnTransfer { from: Purpose, to: Purpose, arrived: bool },
    /// The bank took it for itself, or gave it of its own.
    Fee { purpose: Purpose, interest: bool },
    /// Nothing is booked by itself: a person says what it is.
    Left,
}

impl Meaning {
    /// In one word, for people and programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBooked => "NOT_BOOKED",
            Self::Received { pays: true, .. } => "MATCHED",
            Self::Received { pays: false, .. } => "UNAPPLIED",
            Self::PaidOut { .. } | Self::OrderedOut { .. } => "OURS_OUT",
            Self::PayOutReturned { .. } | Self::PaymentReturned { .. } => "RETURNED",
            Self::OwnTransfer { .. } => "OWN_TRANSFER",
            Self::Fee { .. } => "FEE",
            Self::Left => "LEFT",
        }
    }
}

/// A line with what it means.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    pub line: &'a Line,
    /// None of a line that is not booked.
    pub key: Option<LineKey>,
    pub meaning: Meaning,
    /// Why it means that, for whoever reads the table.
    pub why: String,
    /// Of one that is left: what it means if the house has booked it before, or knows more of it by now. The house may be told that, and
    /// refuses it else.
    pub perhaps: Option<Meaning>,
}

/// What each line of a file means, in the file's order. The same file and the same picture give the same.
///
/// Rule: bank-matching
pub fn judge<'a>(file: &'a BankFile, known: &Known) -> Vec<Judged<'a>> {
    let mut before = Before { ordered: known.ordered.clone(), paid: BTreeMap::new() };
    let mut judged = Vec::with_capacity(file.lines());
    for statement in &file.statements {
        let keys = statement.keys();
        for (line, keyed) in statement.lines.iter().zip(&keys) {
            let of = OfLine { line, keyed, statement, keys: &keys, known };
            let Verdict { meaning, why, perhaps } = of.judge(&mut before);
            judged.push(Judged { line, key: keyed.key.clone(), meaning, why, perhaps });
        }
    }
    judged
}

/// What the lines above one in the file leave of what is known.
struct Before {
    /// What is still ordered out.
    ordered: Vec<OrderedOut>,
    /// The legs that one of them pays: window and partner, and its line in the file.
    paid: BTreeMap<(i64, String), u64>,
}

/// A line among what is known.
struct OfLine<'a> {
    line: &'a Line,
    keyed: &'a Keyed,
    statement: &'a Statement,
    keys: &'a [Keyed],
    known: &'a Known,
}

struct Verdict {
    meaning: Meaning,
    why: String,
    perhaps: Option<Meaning>,
}

fn is(meaning: Meaning, why: impl Into<String>) -> Verdict {
    Verdict { meaning, why: why.into(), perhaps: None }
}

fn left(why: impl Into<String>) -> Verdict {
    is(Meaning::Left, why)
}

fn left_unless(perhaps: Meaning, why: impl Into<String>) -> Verdict {
    Verdict { perhaps: Some(perhaps), ..left(why) }
}

impl OfLine<'_> {
    fn judge(&self, before: &mut Before) -> Verdict {
        let Self { line, keyed, known, .. } = *self;
        if line.state == LineState::Pending {
            return is(Meaning::NotBooked, "the bank has not booked it");
        }
        if keyed.waits_for_person {
            return left(
                "it has no reference, and the file does not hold the whole day: it may have come in another file",
            );
        }
        let Some(purpose) = known.purpose(&self.statement.account) else {
            return left("it is not said what the account is for");
        };
        if line.amount.is_zero() {
            return left("nothing moved");
        }
        let other = line.other.account.as_ref().and_then(|number| known.purpose(number));
        if let Some(other) = other {
            return self.own_transfer(purpose, other);
        }
        if line.kind != LineKind::Payment {
            return self.of_bank(purpose);
        }
        if purpose != Purpose::Settlement {
            // All that partners pay and are paid goes through the account for settlements.
            return left(format!("the account is that for {}: say what it was for", purpose.as_str()));
        }
        if line.reversal || line.return_reason.is_some() {
            return self.returned();
        }
        match line.sign {
            Sign::Credit => self.received(&mut before.paid),
            Sign::Debit => self.went_out(&mut before.ordered),
        }
    }

    fn own_transfer(&self, here: Purpose, other: Purpose) -> Verdict {
        if here == other {
            return left(format!("it moves between two accounts that are both for {}", here.as_str()));
        }
        let arrived = self.line.sign == Sign::Credit;
        let (from, to) = if arrived { (other, here) } else { (here, other) };
        let why = format!("from the account for {} to the one for {}", from.as_str(), to.as_str());
        is(Meaning::OwnTransfer { from, to, arrived }, why)
    }

    fn of_bank(&self, purpose: Purpose) -> Verdict {
        match (self.line.kind, self.line.sign) {
            (LineKind::Interest, Sign::Credit) => {
                is(Meaning::Fee { purpose, interest: true }, "the bank gave interest")
            }
            (LineKind::Interest, Sign::Debit) => {
                is(Meaning::Fee { purpose, interest: false }, "the bank took interest")
            }
            (LineKind::Charge, Sign::Debit) => is(Meaning::Fee { purpose, interest: false }, "the bank took a fee"),
            (LineKind::Charge, Sign::Credit) => left("the bank gave a fee back: say what for"),
            (LineKind::Payment, _) => left("it is a payment"),
        }
    }

    /// Something that came back.
    fn returned(&self) -> Verdict {
        let line = self.line;
        let reason = line.return_reason.as_deref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let named = self.known.named(line);
        match line.sign {
            Sign::Credit => match named.as_slice() {
                [order] if order.is_pay_out() => {
                    let (window, partner) = (order.window, order.payee.clone());
                    let why = format!("what window {window} paid to {partner} came back{reason}");
                    is(Meaning::PayOutReturned { window, partner }, why)
                }
                _ => left(format!("something came back{reason}, and no reference says what")),
            },
            Sign::Debit => match self.taken_back() {
                Some(payment) => {
                    let why = format!("the bank took {} back{reason}", payment.reference());
                    is(Meaning::PaymentReturned { payment }, why)
                }
                None => left(format!("the bank took a payment back{reason}: say which one")),
            },
        }
    }

    /// The one line of the statement before this one that it takes back: of the same amount, and called the same.
    fn taken_back(&self) -> Option<LineKey> {
        let line = self.line;
        let called = line.end_to_end_id.as_deref()?;
        let mut found = self.statement.lines.iter().zip(self.keys).filter(|(of, _)| {
            of.sign == Sign::Credit && of.amount == line.amount && of.end_to_end_id.as_deref() == Some(called)
        });
        let first = found.next()?;
        if found.next().is_some() || first.1.waits_for_person {
            return None;
        }
        first.1.key.clone()
    }

    fn received(&self, paid: &mut BTreeMap<(i64, String), u64>) -> Verdict {
        let line = self.line;
        let owners = self.known.owners(&line.other);
        let named = self.known.named(line);
        let of = |partner: Option<&str>, why: String| {
            is(Meaning::Received { partner: partner.map(str::to_owned), window: None, pays: false }, why)
        };
        let nobody = |why: String| of(None, why);
        let mut shared = owners.iter();
        let owner = match (shared.next(), shared.next()) {
            (Some(_), Some(_)) => {
                let owners: Vec<&str> = owners.into_iter().collect();
                return nobody(format!("the account is that of {}", owners.join(" and of ")));
            }
            (owner, _) => owner.copied(),
        };
        let order = match named.as_slice() {
            [] => None,
            [order] => Some(*order),
            several => {
                // One payment for several orders is a person's to divide.
                let why = format!("it names {} orders, so a person divides it", several.len());
                let payer = owner.filter(|owner| several.iter().all(|order| order.payer == *owner));
                return of(payer, why);
            }
        };
        match (owner, order) {
            (None, None) => nobody("neither the account nor a reference is known".to_owned()),
            (Some(owner), None) => of(Some(owner), format!("the account is {owner}'s, and no reference is known")),
            (Some(owner), Some(order)) if order.payer != owner => {
                nobody(format!("the account is {owner}'s, and the reference that of an order of {}", order.payer))
            }
            (_, Some(order)) if order.is_pay_in() => self.pays(order, owner.is_some(), paid),
            (_, Some(order)) => {
                nobody(format!("the reference is that of an order from {} to {}", order.payer, order.payee))
            }
        }
    }

    /// Money of whoever the reference names, for what it names.
    fn pays(&self, order: &KnownOrder, is_account_known: bool, paid: &mut BTreeMap<(i64, String), u64>) -> Verdict {
        let KnownOrder { window, payer, .. } = order;
        let amount = self.line.amount;
        let leg = (*window, payer.clone());
        let (pays, told) = match order.state {
            OrderState::Due(_) if paid.contains_key(&leg) => {
                (false, format!("line {} of the file pays it already", paid[&leg]))
            }
            OrderState::Due(due) if due == amount => (true, "just what is due".to_owned()),
            OrderState::Due(due) if due > amount => (false, format!("{} too little: {due} are due", due - amount)),
            OrderState::Due(due) => (false, format!("{} too much: {due} are due", amount - due)),
            OrderState::Paid => (false, "nothing is due there any more".to_owned()),
            OrderState::Aborted => (false, "the settlement was given up".to_owned()),
        };
        if pays {
            paid.insert(leg, self.line.file_line);
        }
        let from = if is_account_known { "" } else { ", from an account that is not known" };
        let why = format!("{payer} for window {window}{from}: {told}");
        is(Meaning::Received { partner: Some(payer.clone()), window: Some(*window), pays }, why)
    }

    fn went_out(&self, ordered: &mut Vec<OrderedOut>) -> Verdict {
        let line = self.line;
        let named = self.known.named(line);
        if let [order] = named.as_slice()
            && order.is_pay_out()
        {
            let (window, partner) = (order.window, order.payee.clone());
            let owners = self.known.owners(&line.other);
            if line.other.account.is_some() && !owners.contains(partner.as_str()) {
                return left(format!(
                    "it names the order of window {window} to {partner}, and went to another account"
                ));
            }
            let paid_out = Meaning::PaidOut { window, partner: partner.clone() };
            return match order.state {
                OrderState::Due(due) if due != line.amount => {
                    left_unless(paid_out, format!("the order of window {window} to {partner} is one of {due}"))
                }
                OrderState::Aborted => left(format!("the settlement of window {window} was given up")),
                // Of one that was recorded by hand this is the line; whether it was paid twice, the house says.
                OrderState::Due(_) | OrderState::Paid => {
                    is(paid_out, format!("the order of window {window} to {partner}"))
                }
            };
        }
        let owners = self.known.owners(&line.other);
        let is_this = |of: &OrderedOut| {
            let to = of.partner.as_deref().is_some_and(|partner| owners.contains(partner));
            of.amount == line.amount && to
        };
        if let Some(at) = ordered.iter().position(is_this) {
            // Each is paid once: the next line of the amount is another order's, or nobody's.
            let OrderedOut { partner, .. } = ordered.remove(at);
            let why = format!("what was ordered out to {}", partner.as_deref().unwrap_or_default());
            return is(Meaning::OrderedOut { partner }, why);
        }
        let why = match named.len() {
            0 => "nobody here ordered it: if the bank took it for itself, say so",
            _ => "its reference is of no order that the coalition pays",
        };
        // It may have been ordered out and be booked by now.
        let mut owners = owners.into_iter();
        match (owners.next(), owners.next()) {
            (Some(owner), None) => left_unless(Meaning::OrderedOut { partner: Some(owner.to_owned()) }, why),
            _ => left(why),
        }
    }
}

/// The id of the request by which the house is told of a line, as the sixteen bytes of a UUID of version 7: made from the file and
/// the line alone, so whoever begins again after a break asks for the same. Its time is the day before the line was booked, which is
/// over wherever the house stands.
pub fn request_id(file_hash: &[u8; 32], key: &LineKey) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(file_hash);
    hasher.update(key.digest());
    let digest = hasher.finalize();
    let (_, booked) = key.place();
    let milliseconds = milliseconds_of(booked.yesterday().unwrap_or(booked)).to_be_bytes();
    let mut id = [0; 16];
    id[..6].copy_from_slice(&milliseconds[2..]);
    id[6..].copy_from_slice(&digest[..10]);
    id[6] = id[6] & 0x0F | 0x70;
    id[8] = id[8] & 0x3F | 0x80;
    id
}

/// Of the first moment of a day in UTC, since 1970.
fn milliseconds_of(day: Date) -> u64 {
    let first = day.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |first| first.timestamp().as_millisecond());
    u64::try_from(first).unwrap_or(0)
}
