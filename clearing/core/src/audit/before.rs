//! What a decision says was before it, against the book that the entries before it give.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::audit::violation::Violation;
use crate::book::Book;
use crate::facts::bank_account::AccountVersion;
use crate::facts::entry::Entry;
use crate::facts::window::SettlementState;
use crate::units::{EntryId, WindowNumber};

/// What of an entry's facts does not tell what was before it, as a book has it that was rebuilt up to there.
pub fn check_before(book: &Book, id: EntryId, entry: &Entry) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut told = |what: &str, told: &dyn Debug, rebuilt: &dyn Debug| {
        let (told, rebuilt) = (format!("{told:?}"), format!("{rebuilt:?}"));
        if told != rebuilt {
            let what = format!("{what} before entry {id}, as the entry tells");
            found.push(Violation::NotRebuilt { what, stored: told, rebuilt });
        }
    };
    let facts = &entry.facts;
    if let Some(new) = facts.state() {
        let known = book.house.partners.get(&new.partner).map(|partner| partner.state);
        told(&format!("the state of {}", new.partner), &Some(new.before), &known);
    }
    if let Some(new) = facts.renamed() {
        let known = book.house.partners.get(&new.partner).map(|partner| partner.display_name.as_str());
        told(&format!("the name of {}", new.partner), &Some(new.before.as_str()), &known);
    }
    if let Some(new) = facts.limits() {
        let known = book.house.partners.get(&new.partner).map(|partner| partner.limits);
        told(&format!("the limits of {}", new.partner), &Some(new.before), &known);
    }
    if let Some((new, version)) = facts.terms().and_then(|new| Some((new, new.before?))) {
        let known = book.house.partners.get(&new.partner).filter(|partner| !partner.terms.is_empty());
        let known = known.map(|partner| partner.terms_at(new.terms.effective).version);
        told(&format!("the terms of {}", new.partner), &Some(version), &known);
    }
    if let Some(new) = facts.consent() {
        let known = book.consents.get(&(new.funder, new.partner)).copied().unwrap_or_default();
        told(&format!("the consent of {} to {}", new.funder, new.partner), &new.before, &known);
    }
    if let Some(before) = facts.calendar().and_then(|new| new.before.as_ref()) {
        let effective = facts.calendar().map_or(entry.time, |new| new.effective);
        told("the calendar", before, &book.house.calendar.in_force(effective));
    }
    if let Some(new) = facts.person() {
        let known = book.house.people.persons.get(&new.person).copied();
        told(&format!("the roles of operator/{}", new.person), &new.before, &known);
    }
    if let Some(new) = facts.alone() {
        told("what one person does alone", &new.before, &book.house.people.alone);
    }
    if let Some(new) = facts.legal() {
        told(&format!("the legal record of {}", new.partner), &new.before, &book.legal.get(&new.partner).cloned());
    }
    if let Some(new) = facts.group() {
        let known = book.house.partners.get(&new.partner).map(|partner| partner.group);
        told(&format!("the group of {}", new.partner), &Some(new.before), &known);
    }
    if let Some(new) = facts.bank_account() {
        let version = |known: Option<(u32, &AccountVersion)>| known.map(|(version, _)| version);
        let last = version(book.bank_accounts_of(new.partner).next_back()).unwrap_or_default();
        let in_force = version(book.bank_account_at(new.partner, entry.time));
        let pending = version(book.bank_account_pending(new.partner, entry.time));
        let before = (new.version.wrapping_sub(1), new.before, new.replaces);
        told(&format!("the bank account of {}", new.partner), &before, &(last, in_force, pending));
    }
    if let Some(stopped) = facts.bank_account_stopped() {
        let pending = book.bank_account_pending(stopped.partner, entry.time);
        let known = pending.map(|(version, known)| (version, known.from));
        let before = Some((stopped.version, stopped.from));
        told(&format!("the bank account of {} that waited", stopped.partner), &before, &known);
    }
    if let Some(new) = facts.security() {
        let known = book.house.partners.get(&new.partner).map(|partner| partner.security.clone());
        told(&format!("the cover of {}", new.partner), &Some(new.before.clone()), &known);
    }
    if let Some(new) = facts.charges() {
        told(&format!("what {} is charged", new.partner), &new.before, &book.charges_of(new.partner));
    }
    if let Some(fund) = facts.fund() {
        let known = book.money_balances.get(&fund.account).copied().unwrap_or_default();
        told(&fund.account.to_string(), &fund.before, &known);
    }
    if let Some(forgotten) = facts.forgotten() {
        told("up to when requests may be forgotten", &forgotten.before, &book.forgotten);
    }
    let settlement = |window: WindowNumber| book.windows.get(&window).and_then(|window| window.settlement.as_ref());
    let state = |window| settlement(window).map(|settlement| settlement.state);
    if let Some(exported) = facts.exported() {
        let known = settlement(exported.window).map(|settlement| (settlement.state, settlement.mode));
        let before = Some((exported.states.before, exported.mode_before));
        told(&format!("the settlement of window {}", exported.window), &before, &known);
    }
    if let Some(paid) = facts.paid() {
        told(&format!("the settlement of window {}", paid.window), &Some(paid.states.before), &state(paid.window));
    }
    let mut looked: Vec<WindowNumber> = Vec::new();
    for leg in facts.legs().into_iter().flatten() {
        if !looked.contains(&leg.window) {
            looked.push(leg.window);
            told(&format!("the settlement of window {}", leg.window), &Some(leg.states.before), &state(leg.window));
        }
    }
    if let Some(out) = facts.out_state() {
        let known = book.outgoing.get(&out.money).map(|money| money.state);
        told(&format!("the money that goes out by entry {}", out.money), &Some(out.before), &known);
    }
    if let Some(aborted) = facts.aborted() {
        told(&format!("the settlement of window {}", aborted.window), &Some(aborted.before), &state(aborted.window));
    }
    found
}

/// What of an entry's facts does not tell what is by it, as a book has it to which it was applied.
pub fn check_after(book: &Book, id: EntryId, entry: &Entry) -> Vec<Violation> {
    let facts = &entry.facts;
    let confirmed = facts.confirmed().map(|confirmed| (confirmed.window, confirmed.state));
    let exported = facts.exported().map(|exported| (exported.window, exported.states.after));
    let paid = facts.paid().map(|paid| (paid.window, paid.states.after));
    let told = confirmed.or(exported).or(paid).into_iter();
    // Of several legs of a window the last one tells what it came to.
    let mut legs: BTreeMap<WindowNumber, SettlementState> = BTreeMap::new();
    legs.extend(facts.legs().into_iter().flatten().map(|leg| (leg.window, leg.states.after)));
    let differing = told.chain(legs).filter_map(|(window, told)| {
        let known = book.windows.get(&window)?.settlement.as_ref()?.state;
        (known != told).then(|| Violation::NotRebuilt {
            what: format!("the settlement of window {window} by entry {id}, as the entry tells"),
            stored: told.as_str().to_owned(),
            rebuilt: known.as_str().to_owned(),
        })
    });
    differing.collect()
}
