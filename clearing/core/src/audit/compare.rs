//! Two books compared: what is stored against what the journal gives.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::audit::shown::{Shown, Unit, differing};
use crate::audit::violation::Violation;
use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::bank_account::AccountVersion;
use crate::facts::calendar::{CalendarVersion, Calendars};
use crate::facts::charges::ChargeState;
use crate::facts::coalition::{Coalition, House};
use crate::facts::credential::{Credential, Holder, Invite, Revocation, Serial};
use crate::facts::hold::Hold;
use crate::facts::legal::LegalRecord;
use crate::facts::limits::{Consent, Guard};
use crate::facts::lot::{Lot, LotId};
use crate::facts::member::{DayCount, Holding, Member, Record};
use crate::facts::money::{BankKey, BankLine, Claim, Incoming, Outgoing};
use crate::facts::origin::Code;
use crate::facts::partner::Partner;
use crate::facts::person::{Person, PersonId};
use crate::facts::proposal::Proposal;
use crate::facts::returned::{Returned, ReturnedAmount};
use crate::facts::terms::{Funding, Terms};
use crate::facts::window::{FundingGroup, Gross, Window};
use crate::units::{EntryId, InviteId, MemberId, Money, PartnerId, Points, WindowNumber};

/// What is stored against what the journal gives: `rebuilt` is a book to which every entry was applied in journal
/// order. What is zero on one side may be missing on the other.
pub fn compare(stored: &Book, rebuilt: &Book) -> Vec<Violation> {
    let mut found = compare_house(stored, rebuilt);
    found.extend(compare_windows(stored, rebuilt, 0..=WindowNumber::MAX));
    found.extend(compare_gross(&stored.house, &stored.gross, &rebuilt.gross));
    found.extend(compare_members(stored, rebuilt));
    found
}

/// [`compare`] for all that is no member's, but for the gross obligations.
pub fn compare_house(stored: &Book, rebuilt: &Book) -> Vec<Violation> {
    let unit = Unit::of(&stored.house);
    let mut found = Vec::new();
    let zero = Some(&Points::ZERO);
    let account = |account: &PointsAccount, _: &Points| account.to_string();
    differ(&unit, account, &stored.points_balances, &rebuilt.points_balances, zero, &mut found);
    let account = |account: &MoneyAccount, _: &Money| account.to_string();
    differ(&unit, account, &stored.money_balances, &rebuilt.money_balances, Some(&Money::ZERO), &mut found);
    let version =
        |(issuer, version): &(PartnerId, u32), _: &Points| format!("outstanding points of {issuer}, terms {version}");
    differ(&unit, version, &stored.outstanding, &rebuilt.outstanding, zero, &mut found);
    let guard = |partner: &PartnerId, _: &Guard| format!("what the limits of {partner} are checked against");
    differ(&unit, guard, &stored.guards, &rebuilt.guards, Some(&Guard::default()), &mut found);
    let consent = |(funder, partner): &(PartnerId, PartnerId), _: &Consent| {
        format!("what {partner} may issue at the cost of {funder}")
    };
    differ(&unit, consent, &stored.consents, &rebuilt.consents, Some(&Consent::default()), &mut found);
    let care = |person: &PersonId, _: &DayCount| format!("what operator/{person} gave to members again");
    differ(&unit, care, &stored.care, &rebuilt.care, Some(&DayCount::default()), &mut found);
    let group = |(window, issuer, terms): &(WindowNumber, PartnerId, u32), _: &FundingGroup| {
        format!("points of window {window} of {issuer}, terms {terms}, that wait for a payment")
    };
    differ(&unit, group, &stored.funding, &rebuilt.funding, None, &mut found);
    let (house, of_journal) = (&stored.house, &rebuilt.house);
    let one = |coalition: &Coalition| BTreeMap::from([((), coalition.clone())]);
    let settings = |(): &(), _: &Coalition| "the coalition".to_owned();
    differ(&unit, settings, &one(&house.coalition), &one(&of_journal.coalition), None, &mut found);
    let versions = |calendars: &Calendars| -> BTreeMap<_, _> {
        calendars.iter().map(|version| (version.number, version.clone())).collect()
    };
    let calendar = |number: &u32, _: &CalendarVersion| format!("calendar {number}");
    differ(&unit, calendar, &versions(&house.calendar), &versions(&of_journal.calendar), None, &mut found);
    let partner = |partner: &PartnerId, _: &Partner| format!("partner {partner}");
    differ(&unit, partner, &house.partners, &of_journal.partners, None, &mut found);
    let person = |person: &PersonId, _: &Person| format!("operator/{person}");
    differ(&unit, person, &house.people.persons, &of_journal.people.persons, None, &mut found);
    let one = |house: &House| BTreeMap::from([((), house.people.alone.clone())]);
    let alone = |(): &(), _: &BTreeSet<String>| "what one person does alone".to_owned();
    differ(&unit, alone, &one(house), &one(of_journal), None, &mut found);
    let proposal = |proposal: &EntryId, _: &Proposal| format!("proposal {proposal}");
    differ(&unit, proposal, &stored.proposals, &rebuilt.proposals, None, &mut found);
    let incoming = |entry: &EntryId, _: &Incoming| format!("the money that arrived with entry {entry}");
    differ(&unit, incoming, &stored.incoming, &rebuilt.incoming, None, &mut found);
    let outgoing = |entry: &EntryId, _: &Outgoing| format!("the money that goes out by entry {entry}");
    differ(&unit, outgoing, &stored.outgoing, &rebuilt.outgoing, None, &mut found);
    let line = |key: &BankKey, _: &BankLine| format!("the bank's line {}", key.reference);
    differ(&unit, line, &stored.bank_lines, &rebuilt.bank_lines, None, &mut found);
    let claim = |partner: &PartnerId, _: &Claim| format!("the claim against {partner}");
    differ(&unit, claim, &stored.claims, &rebuilt.claims, Some(&Claim::default()), &mut found);
    let undone = |book: &Book| book.undone.iter().map(|entry| (*entry, ())).collect::<BTreeMap<EntryId, ()>>();
    let payment = |entry: &EntryId, (): &()| format!("whether the payment of entry {entry} is undone");
    differ(&unit, payment, &undone(stored), &undone(rebuilt), None, &mut found);
    let versions = |house: &House| {
        let of = |partner: &Partner| -> Vec<_> {
            partner.terms.iter().map(|terms| ((partner.id, terms.version), terms.clone())).collect()
        };
        house.partners.values().flat_map(of).collect()
    };
    let version = |(partner, version): &(PartnerId, u32), _: &Terms| format!("terms {version} of {partner}");
    differ(&unit, version, &versions(house), &versions(of_journal), None, &mut found);
    let invite = |id: &InviteId, invite: &Invite| format!("invite {id} of {}", invite.holder);
    differ(&unit, invite, &stored.invites, &rebuilt.invites, None, &mut found);
    let credential = |serial: &Serial, credential: &Credential| format!("credential {serial} of {}", credential.holder);
    differ(&unit, credential, &stored.credentials, &rebuilt.credentials, None, &mut found);
    let serial = |serial: &Serial, _: &Revocation| format!("the revocation of the certificate {serial}");
    differ(&unit, serial, &house.revoked.serials, &of_journal.revoked.serials, None, &mut found);
    let holder = |holder: &Holder, _: &Revocation| format!("the revocation of all that {holder} had");
    differ(&unit, holder, &house.revoked.holders, &of_journal.revoked.holders, None, &mut found);
    let legal = |partner: &PartnerId, _: &LegalRecord| format!("the legal record of {partner}");
    differ(&unit, legal, &stored.legal, &rebuilt.legal, None, &mut found);
    let account = |(partner, version): &(PartnerId, u32), _: &AccountVersion| {
        format!("version {version} of the bank account of {partner}")
    };
    differ(&unit, account, &stored.bank_accounts, &rebuilt.bank_accounts, None, &mut found);
    let charge = |(partner, reason): &(PartnerId, Code), _: &ChargeState| {
        format!("what {partner} is charged for {}", reason.as_str())
    };
    differ(&unit, charge, &stored.charges, &rebuilt.charges, None, &mut found);
    let one = |book: &Book| BTreeMap::from([((), book.open_window)]);
    let open = |(): &(), _: &WindowNumber| "the open window".to_owned();
    differ(&unit, open, &one(stored), &one(rebuilt), None, &mut found);
    found
}

/// [`compare`] for windows of these numbers.
pub fn compare_windows(stored: &Book, rebuilt: &Book, numbers: RangeInclusive<WindowNumber>) -> Vec<Violation> {
    let mut found = Vec::new();
    let of =
        |book: &Book| book.windows.range(numbers.clone()).map(|(number, window)| (*number, window.clone())).collect();
    let window = |number: &WindowNumber, _: &Window| format!("window {number}");
    differ(&Unit::of(&stored.house), window, &of(stored), &of(rebuilt), None, &mut found);
    found
}

type GrossRows = BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>;

/// [`compare`] for gross obligations of whatever windows.
pub fn compare_gross(house: &House, stored: &GrossRows, rebuilt: &GrossRows) -> Vec<Violation> {
    let mut found = Vec::new();
    let obligation = |(window, issuer, acceptor): &(WindowNumber, PartnerId, PartnerId), _: &Gross| {
        format!("gross obligations of {issuer} to {acceptor} in window {window}")
    };
    differ(&Unit::of(house), obligation, stored, rebuilt, Some(&Gross::default()), &mut found);
    found
}

/// [`compare`] for members, of whom both books have the same.
pub fn compare_members(stored: &Book, rebuilt: &Book) -> Vec<Violation> {
    let unit = Unit::of(&stored.house);
    let mut found = Vec::new();
    let redemption = |redemption: &EntryId, _: &Returned| format!("returned points of redemption {redemption}");
    differ(&unit, redemption, &stored.returned, &rebuilt.returned, Some(&Returned::default()), &mut found);
    let purchase = |purchase: &EntryId, _: &ReturnedAmount| format!("what was returned of the purchase {purchase}");
    let zero = ReturnedAmount::default();
    differ(&unit, purchase, &stored.returned_amounts, &rebuilt.returned_amounts, Some(&zero), &mut found);
    let lot = |id: &LotId, lot: &Lot| format!("lot {id} of {}, made by entry {}", lot.issuer, lot.entry);
    differ(&unit, lot, &stored.lots, &rebuilt.lots, None, &mut found);
    let holding = |(member, issuer, funding): &(MemberId, PartnerId, Funding), _: &Holding| {
        format!("points of {issuer} under {} of member {member}", funding.as_str())
    };
    differ(&unit, holding, &holdings(stored), &holdings(rebuilt), Some(&Holding::default()), &mut found);
    let entries = |book: &Book| book.members.values().map(|member| (member.id, member.entry_no)).collect();
    let number = |member: &MemberId, _: &i64| format!("number of entries of member {member}");
    differ(&unit, number, &entries(stored), &entries(rebuilt), Some(&0), &mut found);
    let record = |member: &MemberId, _: &Record| format!("record of member {member}");
    differ(&unit, record, &records(stored), &records(rebuilt), Some(&Record::default()), &mut found);
    let hold = |id: &EntryId, hold: &Hold| format!("hold {id} of {}", hold.acceptor);
    differ(&unit, hold, &stored.holds, &rebuilt.holds, None, &mut found);
    found
}

/// What the journal tells of members; when something is due next is only a bound.
fn records(book: &Book) -> BTreeMap<MemberId, Record> {
    let record = |member: &Member| (member.id, Record { next_release: None, ..member.record.clone() });
    book.members.values().map(record).collect()
}

fn holdings(book: &Book) -> BTreeMap<(MemberId, PartnerId, Funding), Holding> {
    let of_member = |member: &Member| {
        let id = member.id;
        let holdings: Vec<_> =
            member.holdings.iter().map(|((issuer, funding), held)| ((id, *issuer, *funding), *held)).collect();
        holdings
    };
    book.members.values().flat_map(of_member).collect()
}

/// Notes where two tables differ. What is `zero` on one side may be missing on the other.
fn differ<K: Ord, V: PartialEq + Shown>(
    unit: &Unit,
    name: impl Fn(&K, &V) -> String,
    stored: &BTreeMap<K, V>,
    rebuilt: &BTreeMap<K, V>,
    zero: Option<&V>,
    found: &mut Vec<Violation>,
) {
    let only_stored = stored.keys().filter(|key| !rebuilt.contains_key(key));
    for key in rebuilt.keys().chain(only_stored) {
        let (in_store, in_journal) = (stored.get(key).or(zero), rebuilt.get(key).or(zero));
        if in_store != in_journal
            && let Some(either) = in_store.or(in_journal)
        {
            let (stored, rebuilt) = differing(unit, in_store, in_journal);
            found.push(Violation::NotRebuilt { what: name(key, either), stored, rebuilt });
        }
    }
}
