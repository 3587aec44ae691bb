//! The record of administration: what each decision of the house changed, for whom, and from what to what, as its entry tells.

use std::collections::BTreeSet;

use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::bank_account::{AccountNumber, AccountState, BankAccount, NationalAccount};
use crate::facts::calendar::{Calendar, CutOffPattern};
use crate::facts::charges::ScheduledCharge;
use crate::facts::coalition::{Coalition, House};
use crate::facts::credential::Holder;
use crate::facts::entry::{Entry, EntryKind, IsDecision};
use crate::facts::legal::{Address, LegalRecord, TaxId};
use crate::facts::limits::Limits;
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::origin::BusinessDate;
use crate::facts::person::Person;
use crate::facts::proposal::ProposalState;
use crate::facts::security::{Guarantee, Security};
use crate::facts::terms::Terms;
use crate::facts::window::{SettlementState, WindowState};
use crate::facts::{Fact, FoundedFacts};
use crate::units::{Money, PartnerId, Points, WindowNumber};

/// Serial numbers of a revocation that are named, of however many.
const SERIALS_NAMED: usize = 10;

/// One field that a decision changed, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Named as in the interface, for example `price`, `net_debit_cap`, `settlement_state`.
    pub field: String,
    /// None: nothing stood there.
    pub before: Option<String>,
    /// None: nothing stands there any more.
    pub after: Option<String>,
}

impl FieldChange {
    fn new(field: impl Into<String>, before: Option<String>, after: Option<String>) -> Self {
        Self { field: field.into(), before, after }
    }
}

impl Entry {
    /// Whether the entry is a decision of the house. What an operation writes besides, and what follows from it by itself, is
    /// none: each operation is recorded once.
    ///
    /// Rule: admin-actions
    pub fn is_action(&self) -> bool {
        match self.kind.decision() {
            IsDecision::Yes => true,
            // The first entry of a decay tells of all of it, whose others are of single lots. Points that were passed over
            // live longer by themselves.
            IsDecision::IfItTells => self.facts.decayed().is_some() || self.facts.extended().is_some(),
            IsDecision::No => false,
        }
    }

    /// The window that a decision is about; of one that is about none, the window that was open.
    pub fn action_window(&self) -> WindowNumber {
        let facts = &self.facts;
        let named = facts.confirmed().map(|confirmed| confirmed.window);
        let named = named.or_else(|| facts.exported().map(|exported| exported.window));
        let named = named.or_else(|| facts.paid().map(|paid| paid.window));
        let named = named.or_else(|| facts.aborted().map(|aborted| aborted.window));
        named.unwrap_or(self.window)
    }

    /// The partners that a decision is about: whose settings it changes, or to whose accounts it posts.
    pub fn action_partners(&self) -> BTreeSet<PartnerId> {
        let points = self.points.iter().filter_map(|posting| posting.account.partner());
        let money = self.money.iter().filter_map(|posting| posting.account.partner());
        let mut partners: BTreeSet<PartnerId> = points.chain(money).collect();
        let facts = &self.facts;
        partners.extend(facts.created().map(|created| created.partner));
        partners.extend(facts.terms().map(|new| new.partner));
        partners.extend(facts.state().map(|new| new.partner));
        partners.extend(facts.renamed().map(|new| new.partner));
        partners.extend(facts.limits().map(|new| new.partner));
        partners.extend(facts.security().map(|new| new.partner));
        partners.extend(facts.charges().map(|new| new.partner));
        partners.extend(facts.legal().map(|new| new.partner));
        partners.extend(facts.group().map(|new| new.partner));
        partners.extend(facts.bank_account().map(|new| new.partner));
        partners.extend(facts.bank_account_stopped().map(|stopped| stopped.partner));
        partners.extend(facts.consent().into_iter().flat_map(|new| [new.funder, new.partner]));
        let ends = facts.paid().into_iter().flat_map(|paid| [paid.payer, paid.payee]);
        partners.extend(ends.filter_map(OrderParty::participant));
        partners.extend(facts.extended().map(|extended| extended.issuer));
        let holders = [
            facts.invited().map(|invited| invited.holder),
            facts.withdrawn().map(|withdrawn| withdrawn.by),
            facts.issued().map(|issued| issued.holder),
            facts.revoked().and_then(|revoked| revoked.holder),
        ];
        partners.extend(holders.into_iter().flatten().filter_map(Holder::partner_of));
        partners
    }

    /// What a decision changed, field by field; what it left as it was is not named. `house` knows the terms that there were.
    pub fn action_changes(&self, house: &House) -> Vec<FieldChange> {
        let coalition = &house.coalition;
        let mut changes = Vec::new();
        if self.kind == EntryKind::Close {
            changes.extend(self.of_close(coalition));
        }
        for fact in self.facts.iter() {
            match fact {
                Fact::Founded(founded) => changes.extend(compared(Vec::new(), founded_fields(founded))),
                Fact::PartnerCreated(created) => {
                    let mut fields = vec![
                        field("display_name", Some(created.display_name.clone())),
                        field("state", Some(created.state.as_str())),
                    ];
                    fields.extend(limit_fields(&created.limits, coalition));
                    changes.extend(compared(Vec::new(), fields));
                }
                Fact::Terms(new) => {
                    let known = house.partners.get(&new.partner);
                    let before = new.before.and_then(|version| known?.terms_version(version));
                    let before = before.map(|terms| terms_fields(terms, coalition)).unwrap_or_default();
                    changes.extend(compared(before, terms_fields(&new.terms, coalition)));
                }
                Fact::State(new) => changes.extend(compared(
                    vec![field("state", Some(new.before.as_str()))],
                    vec![field("state", Some(new.state.as_str()))],
                )),
                Fact::Renamed(new) => changes.extend(compared(
                    vec![field("display_name", Some(new.before.clone()))],
                    vec![field("display_name", Some(new.display_name.clone()))],
                )),
                Fact::Limits(new) => {
                    let before = limit_fields(&new.before, coalition);
                    changes.extend(compared(before, limit_fields(&new.limits, coalition)));
                }
                Fact::Security(new) => {
                    let before = security_fields(&new.before, coalition);
                    changes.extend(compared(before, security_fields(&new.security, coalition)));
                }
                Fact::Charges(new) => {
                    let before: Vec<String> = new.before.iter().map(|charge| charge_text(charge, coalition)).collect();
                    let after = new.charges.iter().map(|(charge, _)| charge_text(charge, coalition));
                    let text = |charges: Vec<String>| Some(charges.join(", ")).filter(|text| !text.is_empty());
                    let (before, after) = (text(before), text(after.collect()));
                    changes.extend(compared(vec![field("charges", before)], vec![field("charges", after)]));
                }
                Fact::Charged(charged) => {
                    changes.push(FieldChange::new("period", None, Some(charged.period.to_string())));
                }
                Fact::Consent(new) => changes.extend(compared(
                    consent_fields(new.before.granted, new.before.budget),
                    consent_fields(new.granted, new.budget),
                )),
                Fact::Calendar(new) => {
                    let before = new.before.as_ref().map(calendar_fields).unwrap_or_default();
                    // Beside what it says: which version it is, and from when on it rules.
                    changes.push(FieldChange::new("version", None, Some(new.version.to_string())));
                    changes.push(FieldChange::new("effective_time", None, Some(new.effective.to_string())));
                    changes.extend(compared(before, calendar_fields(&new.calendar)));
                }
                Fact::Confirmed(confirmed) => changes.push(states(SettlementState::Proposed, confirmed.state)),
                Fact::Exported(exported) => {
                    changes.extend(compared(
                        vec![state(exported.states.before), field("mode", exported.mode_before.map(OrderMode::as_str))],
                        vec![state(exported.states.after), field("mode", Some(exported.mode.as_str()))],
                    ));
                }
                Fact::Paid(paid) => {
                    let order = format!("{} to {}", paid.payer, paid.payee);
                    changes.push(FieldChange::new("paid", None, Some(order)));
                    changes.push(FieldChange::new("amount", None, Some(self.paid_text(coalition))));
                    let reference = Some(paid.reference.clone()).filter(|reference| !reference.is_empty());
                    let value_date = paid.value_date.map(|date| date.to_string());
                    changes.extend(compared(
                        Vec::new(),
                        vec![field("reference", reference), field("value_date", value_date)],
                    ));
                    changes.extend(compared(vec![state(paid.states.before)], vec![state(paid.states.after)]));
                }
                Fact::Aborted(aborted) => changes.push(states(aborted.before, SettlementState::Aborted)),
                Fact::Forgotten(forgotten) => changes.push(FieldChange::new(
                    "forgotten_before_time",
                    Some(forgotten.before.to_string()),
                    Some(forgotten.until.to_string()),
                )),
                Fact::Fund(fund) => {
                    let moved = self.money.iter().filter(|posting| posting.account == fund.account);
                    let moved: i128 = moved.map(|posting| i128::from(posting.amount.0)).sum();
                    let text = |amount: i128| money_text(amount, coalition);
                    let before = i128::from(fund.before.0);
                    let name = fund.account.to_string();
                    changes.push(FieldChange::new(name, Some(text(before)), Some(text(before + moved))));
                }
                Fact::Decay(decay) => {
                    changes.push(FieldChange::new("period", None, Some(decay.period.as_str().to_owned())));
                    changes.push(FieldChange::new("rate", None, Some(decay.rate.decimal().to_string())));
                }
                Fact::Decayed(decayed) => changes.push(FieldChange::new(
                    "available_points",
                    Some(decayed.before.0.to_string()),
                    Some(decayed.after.0.to_string()),
                )),
                Fact::Extended(extended) => {
                    let (first, last) = extended.before;
                    let before = if first == last { first.to_string() } else { format!("{first} to {last}") };
                    let after = self.lots.first().map(|moved| moved.expires.to_string());
                    changes.push(FieldChange::new("expire_time", Some(before), after));
                    changes.push(FieldChange::new("points", None, Some(extended.points.0.to_string())));
                }
                Fact::WrittenOff(given_up) => {
                    let moved = self.points.iter().find(|posting| matches!(posting.account, PointsAccount::Debt(_)));
                    let left = given_up.before.0 - moved.map_or(0, |posting| posting.points.0);
                    let before = given_up.before.0.to_string();
                    changes.push(FieldChange::new("owed_points", Some(before), Some(left.to_string())));
                }
                Fact::Frozen(frozen) => changes.push(FieldChange::new(
                    "frozen_until_time",
                    frozen.before.map(|until| until.to_string()),
                    frozen.until.map(|until| until.to_string()),
                )),
                Fact::Invited(invited) => changes.extend(compared(
                    Vec::new(),
                    vec![
                        field("holder", Some(invited.holder.to_string())),
                        field("scopes", Some(invited.scopes.to_string())),
                        field("invite_count", Some(invited.invites.len().to_string())),
                        field("end_time", Some(invited.ends.to_string())),
                        field("created_by", Some(invited.by.to_string())),
                    ],
                )),
                Fact::InvitesWithdrawn(withdrawn) => {
                    let count = withdrawn.invites.len().to_string();
                    changes.push(FieldChange::new("withdrawn_count", None, Some(count)));
                }
                Fact::CredentialIssued(issued) => changes.extend(compared(
                    Vec::new(),
                    vec![
                        field("serial", Some(issued.serial.to_string())),
                        field("holder", Some(issued.holder.to_string())),
                        field("scopes", Some(issued.scopes.to_string())),
                        field("device", issued.device.as_ref().map(|device| device.name.as_str())),
                        field("end_time", Some(issued.ends.to_string())),
                        field("invite_id", issued.invite.map(|invite| invite.to_string())),
                        field("renews_serial", issued.renews.map(|serial| serial.to_string())),
                    ],
                )),
                Fact::ForeignAttempt(foreign) => {
                    changes.push(FieldChange::new("foreign_attempt", None, Some(foreign.invite.to_string())));
                }
                Fact::Revoked(revoked) => {
                    let few: Vec<String> =
                        revoked.serials.iter().take(SERIALS_NAMED).map(|(serial, _)| serial.to_string()).collect();
                    changes.extend(compared(
                        Vec::new(),
                        vec![
                            field("holder", revoked.holder.map(|holder| holder.to_string())),
                            field("serials", Some(few.join(" ")).filter(|few| !few.is_empty())),
                            field("revoked_count", Some(revoked.serials.len().to_string())),
                            field("withdrawn_count", Some(revoked.invites.to_string())),
                            field("revoked_by", Some(revoked.by.to_string())),
                        ],
                    ));
                }
                Fact::Person(new) => {
                    let fields = |person: &Person| {
                        let since = (new.now.since > self.time).then(|| person.since.to_string());
                        vec![field("roles", Some(person.roles.to_string())), field("since_time", since)]
                    };
                    let before = new.before.as_ref().map(fields).unwrap_or_default();
                    if self.kind == EntryKind::Found {
                        changes.push(FieldChange::new("person_id", None, Some(new.person.to_string())));
                    }
                    changes.extend(compared(before, fields(&new.now)));
                    if new.makes_two {
                        // What one person made alone for people and auditors ends with it.
                        let since = new.now.since.to_string();
                        changes.push(FieldChange::new("two_persons_since_time", None, Some(since.clone())));
                        changes.push(FieldChange::new("open_invites_end_time", None, Some(since)));
                    }
                }
                Fact::Certified(certified) => {
                    let serial = Some(certified.serial.to_string());
                    changes.push(FieldChange::new("certificate_serial", None, serial));
                }
                Fact::Alone(new) => {
                    let words = |names: &BTreeSet<String>| {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        Some(names.join(", ")).filter(|names| !names.is_empty())
                    };
                    changes.extend(compared(
                        vec![field("one_person_operations", words(&new.before))],
                        vec![field("one_person_operations", words(&new.operations))],
                    ));
                }
                Fact::Proposal(decided) => changes.push(FieldChange::new(
                    "proposal_state",
                    Some(ProposalState::Open.as_str().to_owned()),
                    Some(decided.state.as_str().to_owned()),
                )),
                Fact::Proposed(_) => changes.push(FieldChange::new(
                    "proposal_state",
                    None,
                    Some(ProposalState::Open.as_str().to_owned()),
                )),
                Fact::Legal(new) => {
                    let before = new.before.as_ref().map(legal_fields).unwrap_or_default();
                    changes.extend(compared(before, legal_fields(&new.legal)));
                }
                Fact::Group(new) => changes.extend(compared(
                    vec![field("group_id", new.before.map(|group| group.to_string()))],
                    vec![field("group_id", new.group.map(|group| group.to_string()))],
                )),
                Fact::BankAccount(new) => {
                    let text = |version: u32| version.to_string();
                    changes.push(FieldChange::new("version", new.before.map(text), Some(text(new.version))));
                    if let Some(replaced) = new.replaces {
                        changes.push(FieldChange::new("replaced_version", None, Some(text(replaced))));
                    }
                    changes.extend(compared(Vec::new(), account_fields(&new.account)));
                    changes.push(FieldChange::new("effective_time", None, Some(new.from.to_string())));
                }
                Fact::BankAccountStopped(stopped) => {
                    let state = |state: AccountState| Some(state.as_str().to_owned());
                    changes.push(FieldChange::new("version", None, Some(stopped.version.to_string())));
                    changes.push(FieldChange::new(
                        "bank_account_state",
                        state(AccountState::Pending),
                        state(AccountState::Stopped),
                    ));
                    changes.push(FieldChange::new("effective_time", Some(stopped.from.to_string()), None));
                }
                Fact::CutOff(cut_off) => changes.extend(compared(
                    Vec::new(),
                    vec![
                        field("calendar_version", Some(cut_off.version.to_string())),
                        field("advice_day", Some(cut_off.days.advice.to_string())),
                        field("payment_day", Some(cut_off.days.payment.to_string())),
                    ],
                )),
                Fact::Line(line) => {
                    changes.push(FieldChange::new("line_reference", None, Some(line.key.reference.clone())));
                }
                Fact::Legs(legs) => {
                    for leg in legs {
                        changes.extend(compared(vec![state(leg.states.before)], vec![state(leg.states.after)]));
                    }
                }
                Fact::Released(released) => changes.extend(released.pay_outs.iter().map(|(partner, amount)| {
                    let field = format!("released:{partner}");
                    FieldChange::new(field, None, Some(coalition.money_text(*amount)))
                })),
                Fact::Cancelled(parts) => {
                    let points: i128 = parts.iter().map(|part| i128::from(part.points.0)).sum();
                    changes.push(FieldChange::new("cancelled_points", None, Some(points.to_string())));
                }
                Fact::OutState(out) => changes.push(FieldChange::new(
                    "money_out_state",
                    Some(out.before.as_str().to_owned()),
                    Some(out.after.as_str().to_owned()),
                )),
                Fact::UndonePayment(payment) => {
                    changes.push(FieldChange::new("undone_entry_id", None, Some(payment.to_string())));
                }
                Fact::Received(_)
                | Fact::Moved(_)
                | Fact::Assigned(_)
                | Fact::Out(_)
                | Fact::Unpaid(_)
                | Fact::FundsMoved(_)
                | Fact::By(_)
                | Fact::Redemption(_)
                | Fact::Hold(_)
                | Fact::Reversal(_)
                | Fact::Funding(_)
                | Fact::DecayedTo(_)
                | Fact::Reason(_)
                | Fact::PassedOver(_)
                | Fact::PurchaseReturn(_)
                | Fact::Abandoned(_)
                | Fact::Uncounted(_)
                | Fact::Linked(_) => {}
            }
        }
        if self.kind.is_of_money() {
            let moved = self.money.iter().map(|posting| {
                let moved = money_text(i128::from(posting.amount.0), coalition);
                FieldChange::new(posting.account.to_string(), None, Some(moved))
            });
            changes.extend(moved);
        }
        if self.kind == EntryKind::Reinstate {
            let given: i64 = self.lots.iter().map(|moved| moved.points.0).sum();
            changes.push(FieldChange::new("points", None, Some(given.to_string())));
        }
        changes
    }

    fn of_close(&self, coalition: &Coalition) -> Vec<FieldChange> {
        let legs = self.money.iter().filter(|posting| matches!(posting.account, MoneyAccount::Settle(..)));
        let amounts: Vec<i128> = legs.map(|posting| i128::from(posting.amount.0)).collect();
        let paid_in: i128 = amounts.iter().filter(|amount| **amount < 0).sum();
        vec![
            FieldChange::new(
                "window_state",
                Some(WindowState::Open.as_str().to_owned()),
                Some(WindowState::Closed.as_str().to_owned()),
            ),
            FieldChange::new("settlement_state", None, Some(SettlementState::Proposed.as_str().to_owned())),
            FieldChange::new("leg_count", None, Some(amounts.len().to_string())),
            FieldChange::new("debit_total", None, Some(money_text(-paid_in, coalition))),
        ]
    }

    /// The amount of the order that a payment was of.
    fn paid_text(&self, coalition: &Coalition) -> String {
        let credits = self.money.iter().map(|posting| i128::from(posting.amount.0)).filter(|amount| *amount > 0);
        money_text(credits.sum(), coalition)
    }
}

/// A field with its text; none where nothing stands.
type Field = (&'static str, Option<String>);

fn field<T: Into<String>>(name: &'static str, text: Option<T>) -> Field {
    (name, text.map(Into::into))
}

fn state(state: SettlementState) -> Field {
    field("settlement_state", Some(state.as_str()))
}

fn states(before: SettlementState, after: SettlementState) -> FieldChange {
    FieldChange::new("settlement_state", Some(before.as_str().to_owned()), Some(after.as_str().to_owned()))
}

/// The fields that are not the same before and after. Both sides have the same fields, or there was nothing before.
fn compared(before: Vec<Field>, after: Vec<Field>) -> Vec<FieldChange> {
    let text = |name: &str| before.iter().find(|(known, _)| *known == name).and_then(|(_, text)| text.clone());
    let changes = after.into_iter().map(|(name, after)| FieldChange::new(name, text(name), after));
    changes.filter(|change| change.before != change.after).collect()
}

fn terms_fields(terms: &Terms, coalition: &Coalition) -> Vec<Field> {
    let money = |amount: Money| Some(coalition.money_text(amount));
    let Terms {
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
    } = terms;
    let [reserve, operator, issuer] =
        [breakage.reserve, breakage.operator, breakage.issuer].map(|share| share.decimal().to_string());
    vec![
        field("version", Some(version.to_string())),
        field("effective_time", Some(effective.to_string())),
        field("funding", Some(funding.as_str())),
        field("price", money(*price)),
        field("value", money(*value)),
        field("reimbursement", money(*reimbursement)),
        field("acceptance_fee", Some(acceptance_fee.decimal().to_string())),
        field("fee_bearer", Some(fee_bearer.as_str())),
        field("breakage", Some(format!("{reserve}/{operator}/{issuer}"))),
        field("expiry", Some(expiry.to_string())),
        field("return_days", return_days.map(|days| days.to_string())),
        field("tender_value", money(*tender_value)),
        field("receipt_share", Some(receipt_share.decimal().to_string())),
    ]
}

fn limit_fields(limits: &Limits, coalition: &Coalition) -> Vec<Field> {
    let points = |limit: Option<Points>| limit.map(|points| points.0.to_string());
    vec![
        field("net_debit_cap", limits.net_debit_cap.map(|cap| coalition.money_text(cap))),
        field("outstanding_points", points(limits.outstanding_points)),
        field("points_per_day", points(limits.points_per_day)),
        field("points_per_member_per_day", points(limits.points_per_member_per_day)),
        field("points_per_entry", points(limits.points_per_entry)),
        field("transfer_points_per_entry", points(limits.transfer_points_per_entry)),
        field("transfer_points_per_member_per_day", points(limits.transfer_points_per_member_per_day)),
        field("redeem_points_per_member_per_day", points(limits.redeem_points_per_member_per_day)),
        field("redeem_foreign_points_per_day", points(limits.redeem_foreign_points_per_day)),
        field("cooling_seconds", limits.cooling_seconds.map(|seconds| seconds.to_string())),
    ]
}

fn consent_fields(granted: Option<bool>, budget: Option<Points>) -> Vec<Field> {
    vec![
        field("given", granted.map(|given| given.to_string())),
        field("budget_points", budget.map(|points| points.0.to_string())),
    ]
}

/// Dates of a calendar that are named, of however many.
const DATES_NAMED: usize = 40;

fn calendar_fields(calendar: &Calendar) -> Vec<Field> {
    let Calendar { cut_offs, time_zone, weekend, holiday_rules, holidays, working_days } = calendar;
    let words = |words: Vec<String>, between| Some(words.join(between)).filter(|words| !words.is_empty());
    let cut_off = |pattern: &CutOffPattern| {
        let CutOffPattern { cron_expression, on_holiday, advice_days, payment_days } = pattern;
        format!("{cron_expression} {} {advice_days} {payment_days}", on_holiday.as_str())
    };
    let dates = |dates: &BTreeSet<BusinessDate>| {
        let mut named: Vec<String> = dates.iter().take(DATES_NAMED).map(ToString::to_string).collect();
        if dates.len() > named.len() {
            named.push(format!("and {} more", dates.len() - named.len()));
        }
        words(named, " ")
    };
    vec![
        field("cut_offs", words(cut_offs.iter().map(cut_off).collect(), "; ")),
        field("time_zone", Some(time_zone.clone()).filter(|zone| !zone.is_empty())),
        field("weekend", words(weekend.iter().map(|day| day.as_str().to_owned()).collect(), " ")),
        field("holiday_rules", words(holiday_rules.iter().map(|rule| rule.as_str().to_owned()).collect(), " ")),
        field("holidays", dates(holidays)),
        field("working_days", dates(working_days)),
    ]
}

fn charge_text(charge: &ScheduledCharge, coalition: &Coalition) -> String {
    let ScheduledCharge { reason, amount, every, first, last } = charge;
    let last = last.map(|last| format!(" to {last}")).unwrap_or_default();
    format!("{} {} every {} from {first}{last}", reason.as_str(), coalition.money_text(*amount), every.as_str())
}

fn security_fields(security: &Security, coalition: &Coalition) -> Vec<Field> {
    let Security { unsecured, guarantees } = security;
    let guarantee = |Guarantee { reference, amount, ends }: &Guarantee| {
        format!("{reference} {} until {ends}", coalition.money_text(*amount))
    };
    let named: Vec<String> = guarantees.iter().map(guarantee).collect();
    vec![
        field("unsecured_amount", Some(coalition.money_text(*unsecured)).filter(|_| !unsecured.is_zero())),
        field("guarantees", Some(named.join(", ")).filter(|named| !named.is_empty())),
    ]
}

fn legal_fields(legal: &LegalRecord) -> Vec<Field> {
    let LegalRecord { name, tax_ids, address: Address { street, post_code, town, country } } = legal;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let ids: Vec<String> = tax_ids.iter().map(|TaxId { scheme, value }| format!("{scheme} {value}")).collect();
    vec![
        field("legal_name", given(name)),
        field("tax_ids", given(&ids.join(", "))),
        field("street", given(street)),
        field("postal_code", given(post_code)),
        field("town", given(town)),
        field("country_code", given(country)),
    ]
}

fn account_fields(account: &BankAccount) -> Vec<Field> {
    let BankAccount { number, holder, bank_name } = account;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut fields = match number {
        AccountNumber::Iban(iban) => vec![field("iban", given(iban))],
        AccountNumber::National(NationalAccount { country, bank_code, account, correspondent }) => vec![
            field("country_code", given(country)),
            field("bank_code", given(bank_code)),
            field("account_number", given(account)),
            field("correspondent_account_number", given(correspondent)),
        ],
    };
    fields.extend([field("holder", given(holder)), field("bank_name", given(bank_name))]);
    fields
}

fn founded_fields(founded: &FoundedFacts) -> Vec<Field> {
    let coalition = &founded.coalition;
    let mut fields = vec![
        field("coalition_id", Some(coalition.id.clone())),
        field("domain", Some(founded.domain.clone())),
        field("currency", Some(coalition.currency.as_str())),
        field("scale", Some(coalition.scale.to_string())),
        field("time_zone", coalition.time_zone.iana_name()),
        field("grace_days", Some(coalition.grace_days.to_string())),
        field("passed_over_grace_days", Some(coalition.passed_over_grace_days.to_string())),
        field("recovery", Some(coalition.recovery.as_str())),
        field("open_consents", Some(coalition.open_consents.to_string())),
        field("settlement_threshold", Some(coalition.money_text(coalition.settlement_threshold))),
        field("disclose_issuers", Some(coalition.disclose_issuers.to_string())),
        field("key_retention_days", Some(coalition.key_retention_days.to_string())),
        field("business_time_age_days", Some(coalition.business_time_age_days.to_string())),
        field("notice_days", Some(coalition.notice_days.to_string())),
        field("proposal_days", Some(coalition.proposal_days.to_string())),
        field("account_change_days", Some(coalition.account_change_days.to_string())),
        field("carry_windows_max", coalition.carry_windows_max.map(|closes| closes.to_string())),
        field("care_points", Some(coalition.care_points.0.to_string())),
        field("pay_outs_wait", Some(coalition.pay_outs_wait.to_string())),
        field("caps_need_cover", Some(coalition.caps_need_cover.to_string())),
    ];
    // New partners' terms begin with these.
    let no_version = |(name, _): &Field| !matches!(*name, "version" | "effective_time");
    fields.extend(terms_fields(&coalition.default_terms, coalition).into_iter().filter(no_version));
    fields.extend(limit_fields(&coalition.default_limits, coalition));
    fields
}

fn money_text(amount: i128, coalition: &Coalition) -> String {
    let fits = i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX });
    coalition.money_text(Money(fits))
}
