//! The values that messages of all nouns are made of, between the wire and the rules: ids, moments, money, members,
//! origins, entries. What comes in is parsed once, here, into types that cannot be wrong; what goes out shows each caller
//! its own part. Messages of one noun alone are converted in its own room.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clearing_core::chart::{MoneyAccount, PointsAccount, Purpose};
use clearing_core::facts::answer::Attachment;
use clearing_core::facts::chain::attachment_commitment;
use clearing_core::facts::coalition::{Coalition, House};
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::lot::LotMove;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{BusinessDate, Code, Origin};
use clearing_core::facts::terms::ExpiryPolicy;
use clearing_core::units::{
    EntryId, Money, PartnerId, Points, Rate, RequestId, Timestamp, WindowNumber, check_identifier, check_text, shown,
};
use clearing_proto::v1;
use rust_decimal::Decimal;
use tonic::Status;

use crate::identifier::IdentifierKey;
use crate::rpc::auth::Caller;
use crate::rpc::errors::invalid;
use crate::rpc::opaque::Opaque;
use crate::store::OwnEntry;

/// The longest cashier code, in characters.
const CASHIER_MAX: usize = 64;
const SCHEME_MAX: usize = 32;
/// The longest identifier of a member, in characters.
const IDENTIFIER_MAX: usize = 128;

/// Reads a required id in its text form.
pub fn id<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Status> {
    if text.is_empty() {
        return Err(invalid(field, "is missing"));
    }
    text.parse().map_err(|problem| invalid(field, problem))
}

pub fn request_id(text: &str) -> Result<RequestId, Status> {
    id("request_id", text)
}

pub fn window(number: i64) -> Result<WindowNumber, Status> {
    WindowNumber::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid("window", format!("{number} is not the number of a window, which count from 1")))
}

pub fn member(member: Option<v1::MemberRef>, key: &IdentifierKey) -> Result<MemberRef, Status> {
    member_in("member", member, key)
}

/// A member named in some field.
pub fn member_in(field: &str, member: Option<v1::MemberRef>, key: &IdentifierKey) -> Result<MemberRef, Status> {
    use v1::member_ref::Member;
    match member.and_then(|member| member.member) {
        None => Err(invalid(field, "is missing: give a member_id or an identifier")),
        Some(Member::MemberId(text)) => id(&format!("{field}.member_id"), &text).map(MemberRef::Id),
        Some(Member::Identifier(v1::Identifier { scheme, value })) => {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
            if scheme.is_empty() || scheme.len() > SCHEME_MAX || !scheme.bytes().all(fits) {
                let form = format!("{} is not 1 to {SCHEME_MAX} characters of a-z 0-9 _ -", shown(&scheme));
                return Err(invalid(&format!("{field}.identifier.scheme"), form));
            }
            // The value itself is somebody's card or phone: it is not repeated.
            check_identifier(&value, IDENTIFIER_MAX)
                .map_err(|problem| invalid(&format!("{field}.identifier.value"), problem))?;
            Ok(MemberRef::Identifier(key.hash(&scheme, &value)))
        }
    }
}

pub fn timestamp(field: &str, time: prost_types::Timestamp) -> Result<Timestamp, Status> {
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let problem = || invalid(field, format!("{} nanoseconds are not from 0 to 999999999", time.nanos));
    let micros = i64::from(nanos.ok_or_else(problem)? / 1000);
    // Seconds beyond 64 bits of microseconds are beyond the calendar as well.
    let moment = Timestamp(Timestamp::from_seconds(time.seconds).0.saturating_add(micros));
    moment.named().map_err(|problem| invalid(field, problem))
}

/// A required moment.
pub fn moment(field: &str, time: Option<prost_types::Timestamp>) -> Result<Timestamp, Status> {
    timestamp(field, time.ok_or_else(|| invalid(field, "is missing"))?)
}

/// A moment that may be left out.
pub fn moment_or_none(field: &str, time: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>, Status> {
    time.map(|time| timestamp(field, time)).transpose()
}

/// A moment; none for one that never comes.
pub fn from_timestamp(time: Timestamp) -> Option<prost_types::Timestamp> {
    if time == Timestamp::NEVER || time.inactivity_days().is_some() {
        return None;
    }
    let nanos = i32::try_from(time.0.rem_euclid(1_000_000) * 1000).expect("less than a second");
    Some(prost_types::Timestamp { seconds: time.0.div_euclid(1_000_000), nanos })
}

/// When a lot expires; of one that ends with inactivity, when it does so if its owner is inactive from `active` on.
pub fn from_expiry(expires: Timestamp, active: Timestamp, coalition: &Coalition) -> Option<prost_types::Timestamp> {
    match expires.inactivity_days() {
        Some(days) => from_timestamp(ExpiryPolicy::Days(days).expires(active, &coalition.time_zone)),
        None => from_timestamp(expires),
    }
}

pub fn money(field: &str, money: &v1::Money, coalition: &Coalition) -> Result<Money, Status> {
    if money.currency_code != coalition.currency.as_str() {
        let given = shown(&money.currency_code);
        let problem = format!("{given} is not the coalition's currency {}", coalition.currency);
        return Err(invalid(&format!("{field}.currency_code"), problem));
    }
    let field = format!("{field}.amount");
    Money::read(&money.amount, coalition.scale).map_err(|problem| invalid(&field, problem))
}

pub fn from_money(amount: Money, coalition: &Coalition) -> Option<v1::Money> {
    Some(v1::Money { currency_code: coalition.currency.to_string(), amount: coalition.money_text(amount) })
}

/// A sum over many accounts, which may be larger than any amount.
pub fn from_sum(units: i128, coalition: &Coalition) -> Option<v1::Money> {
    let amount = Decimal::from_i128_with_scale(units, coalition.scale).to_string();
    Some(v1::Money { currency_code: coalition.currency.to_string(), amount })
}

/// Reads an origin, and what of it is personal and stays outside the journal.
pub fn origin(
    origin: Option<v1::Origin>,
    partner: PartnerId,
    request: RequestId,
    key: &IdentifierKey,
    coalition: &Coalition,
) -> Result<(Origin, Option<Attachment>), Status> {
    let Some(wire) = origin else { return Ok((Origin::default(), None)) };
    let attachment = if wire.cashier.is_empty() {
        None
    } else {
        check_text(&wire.cashier, CASHIER_MAX).map_err(|problem| invalid("origin.cashier", problem))?;
        Some(Attachment { salt: key.attachment_salt(partner, request), bytes: wire.cashier.into_bytes() })
    };
    let business_date: Option<BusinessDate> = match wire.business_date.as_str() {
        "" => None,
        date => Some(date.parse().map_err(|problem| invalid("origin.business_date", problem))?),
    };
    let count = |field: &str, count: i64| {
        let below = |_| invalid(&format!("origin.{field}"), format!("{count} is below zero"));
        let unsigned = u64::try_from(count).map_err(below)?;
        Ok::<_, Status>((unsigned > 0).then_some(unsigned))
    };
    let line = count("receipt_line", i64::from(wire.receipt_line))?;
    let origin = Origin {
        store: code_or_none("origin.store", &wire.store)?,
        till: code_or_none("origin.till", &wire.till)?,
        receipt_number: receipt_or_none("origin.receipt_number", &wire.receipt_number)?,
        receipt_line: line.map(|line| u32::try_from(line).expect("it was 32 bits on the wire")),
        business_date,
        business_time: wire.business_time.map(|time| timestamp("origin.business_time", time)).transpose()?,
        receipt_total: wire.receipt_total.map(|total| money("origin.receipt_total", &total, coalition)).transpose()?,
        device_counter: count("device_counter", wire.device_counter)?,
        attachment: attachment.as_ref().map(|kept| attachment_commitment(&kept.salt, &kept.bytes)),
    };
    Ok((origin, attachment))
}

pub fn from_origin(origin: &Origin, coalition: &Coalition) -> Option<v1::Origin> {
    if *origin == Origin::default() {
        return None;
    }
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    Some(v1::Origin {
        store: code(&origin.store),
        till: code(&origin.till),
        // Personal data is not part of the journal.
        cashier: String::new(),
        receipt_number: code(&origin.receipt_number),
        receipt_line: origin.receipt_line.map_or(0, |line| i32::try_from(line).unwrap_or(i32::MAX)),
        business_date: origin.business_date.map_or_else(String::new, |date| date.to_string()),
        business_time: origin.business_time.and_then(from_timestamp),
        receipt_total: origin.receipt_total.and_then(|total| from_money(total, coalition)),
        device_counter: origin.device_counter.map_or(0, |count| i64::try_from(count).unwrap_or(i64::MAX)),
    })
}

/// The kind of entry of this number; none for 0, which means any.
pub fn kind_or_any(field: &str, number: i32) -> Result<Option<EntryKind>, Status> {
    if number == 0 {
        return Ok(None);
    }
    let named = EntryKind::ALL.iter().copied().find(|kind| i32::from(from_kind(*kind)) == number);
    named.map(Some).ok_or_else(|| invalid(field, format!("{number} is unknown")))
}

/// By its name, which is the rules' word.
pub fn from_kind(kind: EntryKind) -> v1::EntryKind {
    static KINDS: LazyLock<BTreeMap<EntryKind, v1::EntryKind>> = LazyLock::new(|| {
        let named = |kind: &EntryKind| format!("ENTRY_KIND_{}", kind.as_str().to_uppercase());
        let of_interface = |kind| {
            v1::EntryKind::from_str_name(&named(kind)).expect("a test compares the kinds of rules and interface")
        };
        EntryKind::ALL.iter().map(|kind| (*kind, of_interface(kind))).collect()
    });
    KINDS[&kind]
}

pub fn from_purpose(purpose: Purpose) -> v1::Purpose {
    match purpose {
        Purpose::Reward => v1::Purpose::Reward,
        Purpose::Fee => v1::Purpose::Fee,
        Purpose::Spread => v1::Purpose::Spread,
        Purpose::Breakage => v1::Purpose::Breakage,
        Purpose::Settlement => v1::Purpose::Settlement,
        Purpose::Deposit => v1::Purpose::Deposit,
        Purpose::Penalty => v1::Purpose::Penalty,
        Purpose::Charge => v1::Purpose::Charge,
        Purpose::Tax => v1::Purpose::Tax,
        Purpose::Adjustment => v1::Purpose::Adjustment,
    }
}

/// One of points and money.
pub fn from_quantity(quantity: v1::quantity::Quantity) -> Option<v1::Quantity> {
    Some(v1::Quantity { quantity: Some(quantity) })
}

/// How much of an entry somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Everything: the operator's reports, and auditors.
    Whole,
    /// A partner's part: its own accounts and lots; who and where only of what it asked for itself.
    Part(PartnerId),
}

impl View {
    /// What a caller sees of the entries that it is a party to.
    pub fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Partner(partner) => Self::Part(*partner),
            Caller::Person(..) => Self::Part(PartnerId::operator()),
            Caller::Auditor(_) => Self::Whole,
        }
    }
}

/// An entry of the journal as the operator and auditors see it there.
pub fn from_journal(written: &JournalEntry, house: &House, opaque: &Opaque) -> v1::Entry {
    let entry = from_entry(written.id, &written.entry, View::Whole, house, opaque);
    v1::Entry { journal_sequence: Some(written.sequence), ..entry }
}

/// An entry as a partner that has a part in it finds it in a list.
pub fn from_own(own: &OwnEntry, partner: PartnerId, house: &House, opaque: &Opaque) -> v1::Entry {
    let entry = from_entry(own.written.id, &own.written.entry, View::Part(partner), house, opaque);
    v1::Entry { own_sequence: Some(own.own_sequence), ..entry }
}

/// An entry as the wire shows it to somebody, without a place among others.
pub fn from_entry(id: EntryId, entry: &Entry, view: View, house: &House, opaque: &Opaque) -> v1::Entry {
    let coalition = &house.coalition;
    let own = |partner: PartnerId| view == View::Whole || view == View::Part(partner);
    // Who asked sees the member; another party learns that its points moved, not whose they were.
    let asked = own(entry.partner);
    let points = entry.points.iter().filter(|posting| match posting.account {
        PointsAccount::Member(_) | PointsAccount::Held(_) | PointsAccount::Pending(_) | PointsAccount::Debt(_) => asked,
        PointsAccount::Issuer(partner) | PointsAccount::Recoverable(partner) => own(partner),
    });
    let points = points.map(|posting| v1::Posting {
        account: posting.account.to_string(),
        quantity: from_quantity(v1::quantity::Quantity::Points(posting.points.0)),
        purpose: None,
    });
    let money = entry.money.iter().filter(|posting| match posting.account {
        MoneyAccount::Position(partner)
        | MoneyAccount::Collateral(partner)
        | MoneyAccount::Settle(_, partner)
        | MoneyAccount::Advance(partner)
        | MoneyAccount::Unapplied(Some(partner))
        | MoneyAccount::Ordered(Some(partner))
        | MoneyAccount::Claim(partner)
        | MoneyAccount::Shared(partner, _) => own(partner),
        MoneyAccount::Pool
        | MoneyAccount::Reserve
        | MoneyAccount::Bank(_)
        | MoneyAccount::Unfunded
        | MoneyAccount::Unapplied(None)
        | MoneyAccount::Ordered(None)
        | MoneyAccount::ReserveClaim => view == View::Whole,
    });
    let money = money.filter_map(|posting| {
        Some(v1::Posting {
            account: posting.account.to_string(),
            quantity: from_quantity(v1::quantity::Quantity::Money(from_money(posting.amount, coalition)?)),
            purpose: Some(from_purpose(posting.purpose).into()),
        })
    });
    let lots = entry.lots.iter().filter(|moved| asked || own(moved.issuer));
    let lots = lots.flat_map(|moved| from_lot(moved, entry, view, coalition, opaque));
    let passed_over = asked && (view == View::Whole || coalition.disclose_issuers);
    let passed_over = entry.facts.passed_over().iter().filter(|_| passed_over);
    v1::Entry {
        entry_id: opaque.entry(id),
        own_sequence: None,
        journal_sequence: None,
        window: i64::from(entry.window),
        kind: from_kind(entry.kind).into(),
        entry_time: from_timestamp(entry.time),
        postings: points.chain(money).collect(),
        lots: lots.collect(),
        origin: if asked { from_origin(&entry.origin, coalition) } else { None },
        linked_entry_id: entry.link.filter(|_| asked).map(|link| opaque.entry(link)),
        request_id: entry.request_id.filter(|_| asked).map(|id| id.to_string()),
        partner_id: asked.then(|| entry.partner.to_string()),
        member_id: entry.member.filter(|_| asked).map(|member| member.to_string()),
        reason_code: entry.facts.reason().filter(|_| asked).map(|code| code.as_str().to_owned()),
        passed_over_issuer_ids: passed_over.map(ToString::to_string).collect(),
    }
}

/// What an entry did to one lot: of a lot that a capture took one part of and released another, two things.
fn from_lot(moved: &LotMove, entry: &Entry, view: View, coalition: &Coalition, opaque: &Opaque) -> Vec<v1::LotPart> {
    use v1::LotChange;
    let is_own = view == View::Part(moved.issuer);
    let disclosed = is_own || view == View::Whole || coalition.disclose_issuers;
    let net = moved.net().unwrap_or_default().0;
    let lot_id = opaque.lot(moved.lot);
    let part = |change: LotChange, points: i64| v1::LotPart {
        lot_id: lot_id.clone(),
        issuer_id: disclosed.then(|| moved.issuer.to_string()),
        own: is_own,
        change: change.into(),
        points,
        expire_time: from_expiry(moved.expires, entry.time, coalition),
    };
    let mut parts = Vec::new();
    if moved.birth.is_some() {
        parts.push(part(LotChange::Made, net));
    } else if net > 0 {
        parts.push(part(LotChange::GivenBack, net));
    } else if net < 0 {
        parts.push(part(LotChange::Taken, -net));
    }
    if moved.held.0 > 0 && net == 0 {
        parts.push(part(LotChange::Reserved, moved.held.0));
    }
    if moved.held.0 < 0 && moved.points.0 > 0 {
        parts.push(part(LotChange::Released, moved.points.0));
    }
    if moved.pending.0 < 0 && moved.points.0 > 0 {
        parts.push(part(LotChange::Activated, moved.points.0));
    }
    if parts.is_empty() {
        parts.push(part(LotChange::Extended, 0));
    }
    parts
}

pub fn from_next_expiry(next: Option<(Timestamp, Points)>) -> Option<v1::ComingExpiry> {
    next.map(|(expires, points)| v1::ComingExpiry { expire_time: from_timestamp(expires), points: points.0 })
}

pub fn rate(field: &str, text: &str) -> Result<Rate, Status> {
    text.parse().map_err(|problem| invalid(field, problem))
}

/// The code of a store or till; none for an empty one.
pub fn code_or_none(field: &str, text: &str) -> Result<Option<Code>, Status> {
    let code = if text.is_empty() { None } else { Some(Code::new(text)) };
    code.transpose().map_err(|problem| invalid(field, problem))
}

/// The number of a receipt; none for an empty one.
pub fn receipt_or_none(field: &str, text: &str) -> Result<Option<Code>, Status> {
    let code = if text.is_empty() { None } else { Some(Code::receipt(text)) };
    code.transpose().map_err(|problem| invalid(field, problem))
}

/// A required reason or period.
pub fn word(field: &str, text: &str) -> Result<Code, Status> {
    if text.is_empty() {
        return Err(invalid(field, "is missing"));
    }
    Code::word(text).map_err(|problem| invalid(field, problem))
}

/// The number of a window; none for 0, which means the open one.
pub fn window_or_open(number: i64) -> Result<Option<WindowNumber>, Status> {
    if number == 0 { Ok(None) } else { window(number).map(Some) }
}
