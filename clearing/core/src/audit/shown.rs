//! How findings show what differs: amounts in the currency, and of a row only what is not the same.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;

use crate::chart::BankPurpose;
use crate::facts::bank_account::{AccountEnd, AccountNumber, AccountVersion, BankAccount, NationalAccount};
use crate::facts::calendar::{Calendar, CalendarVersion, CutOffPattern, SettlementDays};
use crate::facts::charges::{ChargeState, ScheduledCharge};
use crate::facts::coalition::{Coalition, House};
use crate::facts::credential::{Credential, Device, Invite, Revocation};
use crate::facts::hold::Hold;
use crate::facts::legal::{Address, LegalRecord, TaxId};
use crate::facts::limits::{Consent, Guard, Limits};
use crate::facts::lot::Lot;
use crate::facts::member::{DayCount, Holding, Inactive, PassedOver, Record};
use crate::facts::money::{BankLine, Claim, Incoming, Outgoing};
use crate::facts::order::{Order, OrderMode};
use crate::facts::partner::Partner;
use crate::facts::person::Person;
use crate::facts::proof::ClassAmounts;
use crate::facts::proposal::{Proposal, ProposedFacts};
use crate::facts::returned::{Returned, ReturnedAmount};
use crate::facts::security::{Guarantee, Security};
use crate::facts::terms::{Breakage, Terms};
use crate::facts::window::{FundShare, FundingGroup, Gross, Leg, ParticipantWindow, Settlement, Window};
use crate::units::{Currency, Hash, Money, PartnerId, Points, WindowNumber};

/// An amount of money with its currency, such as `-188.90 RUB`. Wider than any balance: a broken sum is shown, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    units: i128,
    unit: Unit,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unit { currency, scale } = self.unit;
        match Decimal::try_from_i128_with_scale(self.units, scale) {
            Ok(amount) => write!(f, "{amount} {currency}"),
            Err(_) => write!(f, "{} units of 10^-{scale} {currency}", self.units),
        }
    }
}

/// What amounts are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    currency: Currency,
    scale: u32,
}

impl Unit {
    pub fn of(house: &House) -> Self {
        Self { currency: house.coalition.currency, scale: house.coalition.scale }
    }

    pub fn amount(&self, units: i128) -> Amount {
        Amount { units, unit: *self }
    }

    fn money(&self, amount: Money) -> String {
        self.amount(i128::from(amount.0)).to_string()
    }
}

/// A row whose fields can be told one by one, each with its name.
pub(super) trait Shown {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)>;
}

/// What is not the same in two rows, or "nothing" for one that is not there.
pub(super) fn differing<V: Shown>(unit: &Unit, one: Option<&V>, other: Option<&V>) -> (String, String) {
    let fields = |row: Option<&V>| row.map(|row| row.fields(unit));
    let (one, other) = (fields(one), fields(other));
    let text = |own: &Option<Vec<_>>, others: &Option<Vec<(&'static str, String)>>| {
        let Some(own) = own else { return "nothing".to_owned() };
        let same = |field| others.as_ref().is_some_and(|others| others.contains(field));
        let left: Vec<String> = own.iter().filter(|field| !same(field)).map(one_field).collect();
        // Nothing is told apart that is not told at all.
        if left.is_empty() { own.iter().map(one_field).collect::<Vec<_>>().join(", ") } else { left.join(", ") }
    };
    (text(&one, &other), text(&other, &one))
}

fn one_field((name, value): &(&'static str, String)) -> String {
    if name.is_empty() { value.clone() } else { format!("{name} {value}") }
}

/// A holding, for a person.
pub(super) fn holding(holding: &Holding) -> String {
    let Holding { available, held, pending } = holding;
    format!("{} points available, {} held, {} pending", available.0, held.0, pending.0)
}

fn points(points: Points) -> String {
    if points.0 == 1 { "1 point".to_owned() } else { format!("{} points", points.0) }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// The members of a list, or "none".
fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(" and ") }
}

impl Shown for Points {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![("", points(*self))]
    }
}

impl Shown for Money {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        vec![("", unit.money(*self))]
    }
}

impl Shown for i64 {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![("", self.to_string())]
    }
}

impl Shown for Gross {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        vec![("", points(self.points)), ("", unit.money(self.amount))]
    }
}

impl Shown for Holding {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("available", self.available.0.to_string()),
            ("held", self.held.0.to_string()),
            ("pending", self.pending.0.to_string()),
        ]
    }
}

impl Shown for Lot {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("issuer", self.issuer.to_string()),
            ("terms", self.terms.to_string()),
            ("funding", self.funding.as_str().to_owned()),
            ("size", self.size.0.to_string()),
            ("available", self.available.0.to_string()),
            ("held", self.held.0.to_string()),
            ("pending", self.pending.0.to_string()),
            ("lost", self.lost.0.to_string()),
            ("reversed", self.reversed.0.to_string()),
            ("expiry", self.expires.to_string()),
            ("made by entry", self.entry.to_string()),
            ("origin", or_none(self.origin)),
            ("activation", or_none(self.activates)),
            ("paid for in window", or_none(self.release_window)),
        ]
    }
}

impl Shown for Hold {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("state", self.state.as_str().to_owned()),
            ("captured", self.captured.0.to_string()),
            ("member", self.member.to_string()),
            ("points", self.facts.points.0.to_string()),
            ("lapsing", self.facts.lapses.to_string()),
        ]
    }
}

impl Shown for Returned {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let lots = self.lots().map(|(lot, back)| format!("{} into lot {lot}", points(back)));
        vec![("", points(self.points())), ("by lot", list(lots))]
    }
}

impl Shown for ReturnedAmount {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        vec![("amount", unit.money(self.amount)), ("of a total of", unit.money(self.total))]
    }
}

fn of_inactive(days: u16, lots: &Inactive) -> String {
    let ended = lots.ended.map_or_else(String::new, |ended| {
        format!(", {} of before entry {} ended {}", points(ended.points), ended.entry_no, ended.time)
    });
    format!("{} after {days} days{ended}", points(lots.points))
}

fn of_day(day: i32, counted: Points) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let day = epoch.checked_add(jiff::Span::new().days(day)).map_or_else(|_| day.to_string(), |day| day.to_string());
    format!("{} on {day}", points(counted))
}

impl Shown for Guard {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("reserved", unit.money(self.reserved)),
            ("unsettled", unit.money(self.unsettled)),
            ("paid ahead less claims", unit.money(self.ahead)),
            ("issued", of_day(self.counted.day, self.counted.issued)),
            ("redeemed of others", of_day(self.counted.day, self.counted.accepted)),
        ]
    }
}

impl Shown for FundingGroup {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("", points(self.points)),
            ("settles in window", self.settles_in.to_string()),
            ("paid for", or_none(self.funded)),
            ("cancelled", or_none(self.cancelled)),
        ]
    }
}

impl Shown for Consent {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![
            ("granted", or_none(self.granted)),
            ("budget", or_none(self.budget.map(points))),
            ("used", points(self.used)),
        ]
    }
}

impl Shown for DayCount {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { day, points } = self;
        vec![("day", day.to_string()), ("points", points.0.to_string())]
    }
}

impl Shown for Coalition {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self {
            id,
            currency,
            scale,
            default_terms,
            default_limits,
            grace_days,
            passed_over_grace_days,
            recovery,
            open_consents,
            settlement_threshold,
            disclose_issuers,
            time_zone,
            key_retention_days,
            business_time_age_days,
            notice_days,
            proposal_days,
            account_change_days,
            care_points,
            carry_windows_max,
            pay_outs_wait,
            caps_need_cover,
        } = self;
        let own = vec![
            ("id", id.clone()),
            ("currency", currency.to_string()),
            ("scale", scale.to_string()),
            ("days of grace", grace_days.to_string()),
            ("days of grace of what was passed over", passed_over_grace_days.to_string()),
            ("recovery", recovery.as_str().to_owned()),
            ("open consents", open_consents.to_string()),
            ("settlement threshold", unit.money(*settlement_threshold)),
            ("discloses issuers", disclose_issuers.to_string()),
            ("time zone", or_none(time_zone.iana_name())),
            ("days that keys are kept", key_retention_days.to_string()),
            ("days of a business time", business_time_age_days.to_string()),
            ("days of notices", notice_days.to_string()),
            ("days of a proposal", proposal_days.to_string()),
            ("days until a bank account is changed or a recovered approver is one", account_change_days.to_string()),
            ("closes that carry a small leg", or_none(*carry_windows_max)),
            ("points that one person gives again on a day", care_points.0.to_string()),
            ("pay-outs wait", pay_outs_wait.to_string()),
            ("caps need cover", caps_need_cover.to_string()),
        ];
        own.into_iter().chain(default_terms.fields(unit)).chain(default_limits.fields(unit)).collect()
    }
}

impl Shown for Person {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { roles, since, before } = self;
        vec![("roles", roles.to_string()), ("since", since.to_string()), ("roles until then", before.to_string())]
    }
}

impl Shown for BTreeSet<String> {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![("", list(self.iter().cloned()))]
    }
}

impl Shown for Proposal {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { person, asked, facts, state, decided } = self;
        let ProposedFacts { operation, content, found, about, shown, replaces } = facts;
        let shown = shown.map(|shown| format!("{} of {}, from {}", shown.serial, shown.holder, shown.begins));
        let replaces = replaces.map(|(proposal, state)| format!("{proposal}, which is {}", state.as_str()));
        vec![
            ("of", person.to_string()),
            ("asked for", asked.to_string()),
            ("operation", format!("{operation:02x?}")),
            ("hash", format!("{content:02x?}")),
            ("hash of what was found", format!("{found:02x?}")),
            ("about", or_none(*about)),
            ("certificate", or_none(shown)),
            ("takes the place of", or_none(replaces)),
            ("state", state.as_str().to_owned()),
            ("decided by entry", or_none(*decided)),
        ]
    }
}

impl Shown for Partner {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        // Its terms are compared by themselves.
        let Self { id, display_name, state, suspended_in, terms: _, limits, group, state_no, limits_no, security } =
            self;
        let Security { unsecured, guarantees } = security;
        let guarantee = |Guarantee { reference, amount, ends }: &Guarantee| {
            format!("{reference}: {} until {ends}", unit.money(*amount))
        };
        let own = vec![
            ("id", id.to_string()),
            ("display name", display_name.clone()),
            ("state", state.as_str().to_owned()),
            ("suspended in window", or_none(*suspended_in)),
            ("group", or_none(*group)),
            ("changes of the state", state_no.to_string()),
            ("changes of the limits", limits_no.to_string()),
            ("line without security", unit.money(*unsecured)),
            ("guarantees", list(guarantees.iter().map(guarantee))),
        ];
        own.into_iter().chain(limits.fields(unit)).collect()
    }
}

impl Shown for LegalRecord {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { name, tax_ids, address: Address { street, post_code, town, country } } = self;
        vec![
            ("name", name.clone()),
            ("tax ids", list(tax_ids.iter().map(|TaxId { scheme, value }| format!("{scheme} {value}")))),
            ("street", street.clone()),
            ("postal code", post_code.clone()),
            ("town", town.clone()),
            ("country", country.clone()),
        ]
    }
}

impl Shown for AccountVersion {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { account: BankAccount { number, holder, bank_name }, asked, by, from, ended } = self;
        let number = match number {
            AccountNumber::Iban(iban) => iban.clone(),
            AccountNumber::National(NationalAccount { country, bank_code, account, correspondent }) => {
                format!("{country} {bank_code} {account}, correspondent {correspondent}")
            }
        };
        let ended = ended.map(|end| match end {
            AccountEnd::Replaced(time) => format!("replaced {time}"),
            AccountEnd::Stopped(time) => format!("stopped {time}"),
        });
        vec![
            ("number", number),
            ("holder", holder.clone()),
            ("bank", bank_name.clone()),
            ("asked for", asked.to_string()),
            ("by", by.to_string()),
            ("in force from", from.to_string()),
            ("ended", or_none(ended)),
        ]
    }
}

impl Shown for ChargeState {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self { charge: ScheduledCharge { reason, amount, every, first, last }, charged, next } = self;
        vec![
            ("reason", reason.as_str().to_owned()),
            ("amount", unit.money(*amount)),
            ("every", every.as_str().to_owned()),
            ("first", first.to_string()),
            ("last", or_none(*last)),
            ("charged for", or_none(*charged)),
            ("next", or_none(*next)),
        ]
    }
}

impl Shown for Terms {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self {
            version,
            effective,
            funding,
            price,
            value,
            reimbursement,
            acceptance_fee,
            fee_bearer,
            breakage,
            expiry,
            return_days,
            tender_value,
            receipt_share,
        } = self;
        let Breakage { reserve, operator, issuer } = breakage;
        vec![
            ("version", version.to_string()),
            ("effective", effective.to_string()),
            ("funding", funding.as_str().to_owned()),
            ("price", unit.money(*price)),
            ("value", unit.money(*value)),
            ("reimbursement", unit.money(*reimbursement)),
            ("acceptance fee", acceptance_fee.decimal().to_string()),
            ("fee bearer", fee_bearer.as_str().to_owned()),
            ("breakage", list([reserve, operator, issuer].into_iter().map(|rate| rate.decimal().to_string()))),
            ("expiry", expiry.to_string()),
            ("days of returns", or_none(*return_days)),
            ("tender value", unit.money(*tender_value)),
            ("receipt share", receipt_share.decimal().to_string()),
        ]
    }
}

impl Shown for Limits {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self {
            net_debit_cap,
            outstanding_points,
            points_per_day,
            points_per_member_per_day,
            points_per_entry,
            transfer_points_per_entry,
            transfer_points_per_member_per_day,
            redeem_points_per_member_per_day,
            redeem_foreign_points_per_day,
            cooling_seconds,
        } = self;
        vec![
            ("net debit cap", or_none(net_debit_cap.map(|cap| unit.money(cap)))),
            ("outstanding points", or_none(outstanding_points.map(points))),
            ("points a day", or_none(points_per_day.map(points))),
            ("points a member and day", or_none(points_per_member_per_day.map(points))),
            ("points an entry", or_none(points_per_entry.map(points))),
            ("transferred points an entry", or_none(transfer_points_per_entry.map(points))),
            ("transferred points a member and day", or_none(transfer_points_per_member_per_day.map(points))),
            ("redeemed points a member and day", or_none(redeem_points_per_member_per_day.map(points))),
            ("redeemed points of others a day", or_none(redeem_foreign_points_per_day.map(points))),
            ("cooling seconds", or_none(*cooling_seconds)),
        ]
    }
}

impl Shown for CalendarVersion {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { number, effective, calendar } = self;
        let Calendar { cut_offs, time_zone, weekend, holiday_rules, holidays, working_days } = calendar;
        let cut_off = |pattern: &CutOffPattern| {
            let CutOffPattern { cron_expression, on_holiday, advice_days, payment_days } = pattern;
            format!(
                "{cron_expression} ({}, told after {advice_days} and paid after {payment_days} days)",
                on_holiday.as_str()
            )
        };
        vec![
            ("number", number.to_string()),
            ("effective", effective.to_string()),
            ("cut-offs", list(cut_offs.iter().map(cut_off))),
            ("time zone", time_zone.clone()),
            ("weekend", list(weekend.iter().map(|day| day.as_str().to_owned()))),
            ("rules of holidays", list(holiday_rules.iter().map(|rule| rule.as_str().to_owned()))),
            ("holidays", list(holidays.iter().map(ToString::to_string))),
            ("working days", list(working_days.iter().map(ToString::to_string))),
        ]
    }
}

/// What a device is limited to.
fn of_device(device: Option<&Device>) -> String {
    let Some(Device { name, store, till, calls_per_second, connections_max }) = device else {
        return "none".to_owned();
    };
    let code = |code: &Option<crate::facts::origin::Code>| or_none(code.as_ref().map(|code| code.as_str().to_owned()));
    let (store, till) = (code(store), code(till));
    format!("{}, store {store}, till {till}, {calls_per_second} calls, {connections_max} connections", name.as_str())
}

/// The first bytes of a hash.
fn of_hash(hash: &Hash) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Shown for Invite {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self {
            holder,
            scopes,
            device,
            secret,
            created,
            ends,
            by,
            made_with,
            withdrawn,
            made_alone,
            used,
            foreign_attempts,
        } = self;
        vec![
            ("holder", holder.to_string()),
            ("scopes", scopes.to_string()),
            ("device", of_device(device.as_ref())),
            ("secret's hash", of_hash(secret)),
            ("made", created.to_string()),
            ("end", ends.to_string()),
            ("made by", by.to_string()),
            ("made with", or_none(*made_with)),
            ("withdrawn", or_none(*withdrawn)),
            ("made by one person alone", made_alone.to_string()),
            ("used", or_none(used.map(|(time, serial)| format!("{time} for {serial}")))),
            ("foreign attempts", foreign_attempts.to_string()),
        ]
    }
}

impl Shown for Credential {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { holder, scopes, device, key, created, begins, ends, line, invite, renews, entry } = self;
        vec![
            ("holder", holder.to_string()),
            ("scopes", scopes.to_string()),
            ("device", of_device(device.as_ref())),
            ("key", of_hash(key)),
            ("issued", created.to_string()),
            ("begin", begins.to_string()),
            ("end", ends.to_string()),
            ("line", line.to_string()),
            ("invite", or_none(*invite)),
            ("renews", or_none(*renews)),
            ("made by entry", entry.to_string()),
        ]
    }
}

impl Shown for Revocation {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self { time, cut, ends, by, reason } = self;
        vec![
            ("revoked", time.to_string()),
            ("those that begin by", cut.to_string()),
            ("end", ends.to_string()),
            ("by", by.to_string()),
            ("reason", reason.as_str().to_owned()),
        ]
    }
}

impl Shown for Incoming {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self { partner, received, amount, parts, seen } = self;
        let parts = parts.iter().map(|(place, part)| format!("{} {place:?}", unit.money(*part)));
        vec![
            ("of", or_none(*partner)),
            ("received", received.to_string()),
            ("amount", unit.money(*amount)),
            ("parts", list(parts)),
            ("seen", seen.to_string()),
        ]
    }
}

impl Shown for Outgoing {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self { partner, amount, of, state, seen } = self;
        vec![
            ("to", or_none(*partner)),
            ("amount", unit.money(*amount)),
            ("out of", format!("{of:?}")),
            ("state", state.as_str().to_owned()),
            ("seen", seen.to_string()),
        ]
    }
}

impl Shown for BankLine {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        vec![("amount", unit.money(self.amount)), ("booked by entry", self.entry.to_string())]
    }
}

impl Shown for Claim {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let shared = self.shared.iter().map(|(sharer, amount)| format!("{sharer}: {}", unit.money(*amount)));
        vec![
            ("bounced", unit.money(self.bounced)),
            ("shared", list(shared)),
            ("of the reserve", unit.money(self.reserve)),
        ]
    }
}

impl Shown for () {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![("", "undone".to_owned())]
    }
}

impl Shown for WindowNumber {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        vec![("", self.to_string())]
    }
}

impl Shown for Window {
    fn fields(&self, unit: &Unit) -> Vec<(&'static str, String)> {
        let Self { number, state, opened, closed, days, participants, opening, legs_moved, aside, settlement } = self;
        let classes = |amounts: &ClassAmounts| {
            list(amounts.iter().map(|(class, amount)| format!("{class}: {}", unit.amount(*amount))))
        };
        let participant = |(partner, of): (&PartnerId, &ParticipantWindow)| {
            let ParticipantWindow { opening, carried, carried_windows } = of;
            let (opening, carried) = (unit.money(*opening), unit.money(*carried));
            format!("{partner}: opening {opening}, small for {carried_windows} closes, carried {carried}")
        };
        let mut fields = vec![
            ("number", number.to_string()),
            ("state", state.as_str().to_owned()),
            ("opened", opened.to_string()),
            ("closed", or_none(*closed)),
            ("told and paid", or_none(days.map(|SettlementDays { advice, payment }| format!("{advice}, {payment}")))),
            ("participants", list(participants.iter().map(participant))),
            ("balances at its beginning", classes(opening)),
            ("change of earlier legs", unit.amount(*legs_moved).to_string()),
            (
                "put aside of funds",
                list(aside.iter().map(|(fund, amount)| format!("{fund}: {}", unit.amount(*amount)))),
            ),
        ];
        let Some(settlement) = settlement else {
            fields.push(("settlement", "none".to_owned()));
            return fields;
        };
        let Settlement { state, legs, mode, orders, gross, pairwise, proof, funds } = settlement;
        let fund = |(fund, FundShare { change, moved }): (&BankPurpose, &FundShare)| {
            format!("{fund}: {}, moved {}", unit.money(*change), unit.money(*moved))
        };
        let leg = |(partner, leg): (&PartnerId, &Leg)| {
            let Leg { amount, due, returned, covered, cancelled, shared } = *leg;
            let of = [covered, cancelled, shared].map(|amount| unit.money(amount));
            let returned = if returned { ", returned" } else { "" };
            let [covered, cancelled, shared] = of;
            format!(
                "{partner}: {}, due {}{returned}, covered {covered}, cancelled {cancelled}, shared {shared}",
                unit.money(amount),
                unit.money(due)
            )
        };
        let order = |order: &Order| {
            let paid = if order.paid { "paid" } else { "open" };
            let released = if order.released { ", let out" } else { "" };
            format!("{} to {}: {}, {paid}{released}", order.payer, order.payee, unit.money(order.amount))
        };
        fields.extend([
            ("settlement", state.as_str().to_owned()),
            ("legs", list(legs.iter().map(leg))),
            ("mode", or_none(mode.map(OrderMode::as_str))),
            ("orders", list(orders.iter().map(order))),
            ("gross", unit.money(*gross)),
            ("pairwise", unit.money(*pairwise)),
            ("sum of legs in the proof", unit.amount(proof.legs).to_string()),
            ("change of what is carried in the proof", unit.amount(proof.carried_change).to_string()),
            ("changes of accounts in the proof", classes(&proof.changes)),
            ("funds", list(funds.iter().map(fund))),
        ]);
        fields
    }
}

impl Shown for Record {
    fn fields(&self, _: &Unit) -> Vec<(&'static str, String)> {
        let Self {
            earned,
            active,
            debts,
            issued,
            transferred,
            redeemed,
            inactive,
            waiting,
            decayed,
            decaying,
            next_release,
            frozen_until,
            frozen_no,
            passed_over,
        } = self;
        let counts = |counts: &std::collections::BTreeMap<PartnerId, DayCount>| {
            list(counts.iter().map(|(partner, count)| format!("{partner}: {}", of_day(count.day, count.points))))
        };
        let waiting =
            waiting.iter().map(|((window, issuer), sum)| format!("{issuer} in window {window}: {}", points(*sum)));
        let mark = |mark: &PassedOver| format!("{} by its entry {}", mark.time, mark.entry_no);
        let decaying = decaying.as_ref().map(|(period, (expires, entry_no, part))| {
            format!("{} up to the lot {entry_no}.{part}, which expires {expires}", period.as_str())
        });
        vec![
            ("last earned", or_none(*earned)),
            ("last active", or_none(*active)),
            ("owes", list(debts.iter().map(|debt| format!("{} to {}", points(debt.points), debt.creditor)))),
            ("issued", counts(issued)),
            ("transferred", counts(transferred)),
            ("redeemed", counts(redeemed)),
            ("ending with inactivity", list(inactive.iter().map(|(days, lots)| of_inactive(*days, lots)))),
            ("waiting for payments", list(waiting)),
            ("decayed for", list(decayed.iter().map(|period| period.as_str().to_owned()))),
            ("decaying for", or_none(decaying)),
            ("next release", or_none(*next_release)),
            ("frozen until", or_none(*frozen_until)),
            ("frozen by its entry", frozen_no.to_string()),
            ("passed over", list(passed_over.iter().map(|(issuer, at)| format!("{issuer} at {}", mark(at))))),
        ]
    }
}
