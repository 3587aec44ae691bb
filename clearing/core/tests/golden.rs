//! The formats that cannot change: the canonical bytes of an entry, its hash, the hash of a batch and of the chain, what is kept
//! of an answer, and the key of a receipt.
//!
//! The figures stand in `golden/journal-v1.txt`. They are the first release's, and every journal in the world is written and
//! chained in them.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use clearing_core::chart::{BankPurpose, MoneyAccount, PointsAccount, Purpose};
use clearing_core::facts::answer::{Abandoned, HouseReply, MemberReply, Reply, Reversed};
use clearing_core::facts::bank_account::{
    AccountNumber, AccountStopFacts, BankAccount, BankAccountFacts, NationalAccount,
};
use clearing_core::facts::calendar::{Calendar, CutOffPattern, HolidayRule, OnHoliday, SettlementDays};
use clearing_core::facts::chain::{
    BatchHeader, Outcome, RequestRecord, attachment_commitment, chain_hash, link_commitment, requests_hash,
};
use clearing_core::facts::charges::{ChargedFacts, ChargesFacts, Every, ScheduledCharge};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::credential::{
    CertifiedFacts, Device, ForeignFacts, Holder, InvitedFacts, IssuedFacts, NewInvite, RevokedFacts, Scope, Scopes,
    Serial, WithdrawnFacts,
};
use clearing_core::facts::entry::{Entry, EntryDraft, EntryKind};
use clearing_core::facts::legal::{Address, LegalFacts, LegalRecord, TaxId};
use clearing_core::facts::limits::{Consent, Limits};
use clearing_core::facts::lot::{LotBirth, LotId, LotMove};
use clearing_core::facts::money::{
    AssignedFacts, BankKey, FundsMovedFacts, LegFacts, LegHow, LineFacts, MoneyMove, OutFacts, OutOf, OutState,
    OutStateFacts, OwnTransfer, Place, ReceivedFacts, ReleasedFacts, UnpaidFacts,
};
use clearing_core::facts::order::{OrderMode, OrderParty};
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::partner::{GroupFacts, PartnerState};
use clearing_core::facts::person::{AloneFacts, Person, PersonFacts, PersonId, Role, Roles};
use clearing_core::facts::proposal::{ByFacts, ProposalFacts, ProposalState, ProposedFacts, ShownFacts};
use clearing_core::facts::receipt::Receipt;
use clearing_core::facts::security::{Guarantee, Security, SecurityFacts};
use clearing_core::facts::terms::{FeeBearer, Funding, Terms};
use clearing_core::facts::window::{SettlementState, StateChange};
use clearing_core::facts::{
    AbortFacts, CalendarFacts, ConfirmFacts, ConsentFacts, CutOffFacts, DecayFacts, DecayedFacts, ExportFacts,
    ExtendFacts, Fact, Facts, ForgetFacts, FoundedFacts, FreezeFacts, FundFacts, FundedPart, HoldFacts, LimitsFacts,
    LinkFacts, PartnerFacts, PaymentFacts, PurchaseReturnFacts, RedemptionFacts, RenameFacts, ReversedPart, StateFacts,
    TermsFacts, UncountedFacts, WriteOffFacts,
};
use clearing_core::units::{
    BatchId, EntryId, Hash, IdentifierHash, InviteId, MemberId, Money, PartnerId, Points, RequestId, Timestamp,
    WindowNumber,
};
use house::{id, rate};

const WHY: &str = "
    The bytes or hashes of the journal have changed. They are frozen: every coalition's journal is stored in these
    bytes and chained by these hashes, and partners hold receipts of them. Changing the golden file would only hide
    that this build can no longer read or verify what is already written, so never edit it. Undo the change of the
    format; if the new form is really needed, give it a new version byte, keep reading and hashing version 1 as
    before, and add its figures in a file of their own.
";

const MEMBER: MemberId = MemberId(0x0193_a7c2_5d0e_7c3a_9f00_0123_4567_89ab);
const BATCH: BatchId = BatchId(0x0193_b000_0000_7000_8000_0000_0000_0001);
const SALT: [u8; 16] = *b"sixteen bytes ..";
const WINDOW: WindowNumber = 3;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn draft(kind: EntryKind, partner: &str, at: &str) -> EntryDraft {
    EntryDraft::new(kind, WINDOW, time(at), "RUB".parse().unwrap(), id(partner))
}

fn lot(entry_no: i64, issuer: &str, points: i64) -> LotMove {
    LotMove {
        lot: LotId { member: MEMBER, entry_no, part: 0 },
        issuer: id(issuer),
        terms: 1,
        points: Points(points),
        held: Points::ZERO,
        pending: Points::ZERO,
        expires: time("2026-12-31T00:00:00Z"),
        birth: None,
    }
}

/// A prepaid issue with a spread, and nothing said about where it comes from.
fn issue() -> Entry {
    let mut draft = draft(EntryKind::Issue, "grocer", "2026-02-10T10:00:00.000001Z")
        .asked_by(Some(RequestId(0x0194_ef50_0c80_7000_8000_0000_0000_0001)), &Origin::default())
        .of_member(MEMBER);
    draft.post_points(PointsAccount::Member(MEMBER), 100);
    draft.post_points(PointsAccount::Issuer(id("grocer")), -100);
    draft.post_money(MoneyAccount::Position(id("grocer")), Purpose::Reward, -9000);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, 9000);
    draft.post_money(MoneyAccount::Position(id("grocer")), Purpose::Spread, -500);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, 500);
    let birth = LotBirth { origin: None, activates: Some(time("2026-02-11T00:00:00Z")) };
    draft.move_lot(LotMove { birth: Some(birth), expires: Timestamp::NEVER, ..lot(1, "grocer", 100) });
    draft.balance().unwrap()
}

/// A redemption of the lots of two issuers with every field of an origin and the facts it was made at.
fn redemption() -> Entry {
    let origin = Origin {
        store: Some(Code::new("store-17").unwrap()),
        till: Some(Code::new("T3").unwrap()),
        receipt_number: Some(Code::new("2026/000123").unwrap()),
        receipt_line: Some(2),
        business_date: Some("2026-03-10".parse().unwrap()),
        business_time: Some(time("2026-03-10T11:59:58Z")),
        receipt_total: Some(Money(123_456)),
        device_counter: Some(99),
        attachment: Some(attachment_commitment(&SALT, b"cashier 7")),
    };
    let facts = RedemptionFacts {
        points: Points(120),
        terms: 2,
        reimbursement: Money(85),
        fee_rate: rate("0.02"),
        fee_bearer: FeeBearer::Acceptor,
        fee: Money(204),
    };
    let mut draft = draft(EntryKind::Redeem, "cinema", "2026-03-10T12:00:00Z")
        .asked_by(Some(RequestId(0x0195_8015_7e00_7000_8000_0000_0000_0002)), &origin)
        .of_member(MEMBER)
        .with(Fact::Redemption(facts));
    draft.post_points(PointsAccount::Member(MEMBER), -120);
    draft.post_points(PointsAccount::Issuer(id("cards")), 50);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 70);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, -10_200);
    draft.post_money(MoneyAccount::Position(id("cinema")), Purpose::Reward, 10_200);
    draft.post_money(MoneyAccount::Position(id("cinema")), Purpose::Fee, -204);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Fee, 204);
    draft.move_lot(lot(2, "cards", -50));
    draft.move_lot(lot(1, "grocer", -70));
    draft.balance().unwrap()
}

/// A return, which is linked to its redemption.
fn giving_back() -> Entry {
    let facts = RedemptionFacts {
        points: Points(-60),
        terms: 2,
        reimbursement: Money(85),
        fee_rate: rate("0.02"),
        fee_bearer: FeeBearer::Issuer,
        fee: Money(-102),
    };
    let mut draft = draft(EntryKind::Return, "cinema", "2026-03-15T12:00:00Z")
        .of_member(MEMBER)
        .linked_to(EntryId { batch: BATCH, ordinal: 1 })
        .with(Fact::Redemption(facts));
    draft.post_points(PointsAccount::Member(MEMBER), 60);
    draft.post_points(PointsAccount::Issuer(id("grocer")), -60);
    draft.move_lot(lot(1, "grocer", 60));
    draft.balance().unwrap()
}

/// An expiry of the house's own, with the breakage of prepaid points.
fn expiry() -> Entry {
    let mut draft = draft(EntryKind::Expire, "operator", "2026-12-31T00:00:00Z").of_member(MEMBER);
    draft.post_points(PointsAccount::Member(MEMBER), -90);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 90);
    draft.post_money(MoneyAccount::Pool, Purpose::Breakage, -8100);
    draft.post_money(MoneyAccount::Reserve, Purpose::Breakage, 8100);
    draft.move_lot(lot(1, "grocer", -90));
    draft.balance().unwrap()
}

/// A close and the money accounts that the others leave out.
fn close() -> Entry {
    let mut draft = draft(EntryKind::Close, "operator", "2026-04-01T00:00:00Z");
    for (partner, leg) in [("cinema", 5880), ("grocer", -1000), ("operator", 120)] {
        draft.post_money(MoneyAccount::Position(id(partner)), Purpose::Settlement, -leg);
        draft.post_money(MoneyAccount::Settle(WINDOW, id(partner)), Purpose::Settlement, leg);
    }
    draft.post_money(MoneyAccount::Collateral(id("cinema")), Purpose::Deposit, 1);
    draft.post_money(MoneyAccount::Bank(BankPurpose::Collateral), Purpose::Deposit, -1);
    draft.post_money(MoneyAccount::Bank(BankPurpose::Reserve), Purpose::Adjustment, -2);
    draft.post_money(MoneyAccount::Bank(BankPurpose::Settlement), Purpose::Adjustment, 2);
    draft.balance().unwrap()
}

/// A hold, with the headroom that it reserves.
fn hold() -> Entry {
    let facts = HoldFacts {
        points: Points(120),
        terms: 2,
        reimbursement: Money(85),
        fee_rate: rate("0.02"),
        fee_bearer: FeeBearer::Issuer,
        lapses: time("2026-03-17T12:00:00Z"),
        reserved: vec![(id("cards"), Money(4350)), (id("grocer"), Money(6090))],
    };
    let mut draft =
        draft(EntryKind::Authorize, "cinema", "2026-03-10T12:00:00Z").of_member(MEMBER).with(Fact::Hold(facts));
    draft.post_points(PointsAccount::Member(MEMBER), -120);
    draft.post_points(PointsAccount::Held(MEMBER), 120);
    draft.move_lot(LotMove { held: Points(50), ..lot(2, "cards", -50) });
    draft.move_lot(LotMove { held: Points(70), ..lot(1, "grocer", -70) });
    draft.balance().unwrap()
}

/// A capture of a part of a hold, which releases the rest.
fn capture() -> Entry {
    let facts = RedemptionFacts {
        points: Points(80),
        terms: 2,
        reimbursement: Money(85),
        fee_rate: rate("0.02"),
        fee_bearer: FeeBearer::Acceptor,
        fee: Money(136),
    };
    let mut draft = draft(EntryKind::Capture, "cinema", "2026-03-11T12:00:00Z")
        .of_member(MEMBER)
        .linked_to(EntryId { batch: BATCH, ordinal: 0 })
        .with(Fact::Redemption(facts));
    draft.post_points(PointsAccount::Held(MEMBER), -120);
    draft.post_points(PointsAccount::Member(MEMBER), 40);
    draft.post_points(PointsAccount::Issuer(id("cards")), 50);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 30);
    draft.move_lot(LotMove { held: Points(-50), ..lot(2, "cards", 0) });
    draft.move_lot(LotMove { held: Points(-70), ..lot(1, "grocer", 40) });
    draft.balance().unwrap()
}

/// A reversal that finds a part, writes off a part and leaves a part as a debt.
fn reversal() -> Entry {
    let part = ReversedPart {
        lot: LotId { member: MEMBER, entry_no: 1, part: 0 },
        issuer: id("grocer"),
        terms: 1,
        points: Points(60),
        taken: Points(30),
        unpaid: Points(30),
        written_off: Points(10),
        debt: Points(20),
    };
    let mut draft = draft(EntryKind::Reverse, "grocer", "2026-04-02T00:00:00Z")
        .of_member(MEMBER)
        .linked_to(EntryId { batch: BATCH, ordinal: 0 })
        .with(Fact::Reversal(vec![part]));
    draft.post_points(PointsAccount::Member(MEMBER), -10);
    draft.post_points(PointsAccount::Pending(MEMBER), -20);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 30);
    draft.post_points(PointsAccount::Debt(MEMBER), -20);
    draft.post_points(PointsAccount::Recoverable(id("grocer")), 20);
    draft.post_money(MoneyAccount::Unfunded, Purpose::Reward, -2700);
    draft.post_money(MoneyAccount::Position(id("grocer")), Purpose::Reward, 2700);
    draft.move_lot(LotMove { pending: Points(-20), ..lot(1, "grocer", -10) });
    draft.balance().unwrap()
}

/// Points that were paid for.
fn funding() -> Entry {
    let part = FundedPart { window: 2, issuer: id("grocer"), terms: 3, points: Points(40) };
    let mut draft = draft(EntryKind::Fund, "operator", "2026-04-03T00:00:00Z").with(Fact::Funding(vec![part]));
    draft.post_money(MoneyAccount::Unfunded, Purpose::Reward, -3600);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, 3600);
    draft.balance().unwrap()
}

/// Points that decayed.
fn decay() -> Entry {
    let facts = DecayFacts { rate: rate("0.125"), period: Code::new("2026-03").unwrap() };
    let draft = draft(EntryKind::Decay, "operator", "2026-04-04T00:00:00Z").of_member(MEMBER).with(Fact::Decay(facts));
    let mut draft = draft.with(Fact::Decayed(DecayedFacts { before: Points(40), after: Points(35) }));
    draft.post_points(PointsAccount::Member(MEMBER), -5);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 5);
    draft.move_lot(lot(1, "grocer", -5));
    draft.balance().unwrap()
}

/// Points given to another member, and one of each kind that has no facts of its own.
fn of_kind(kind: EntryKind) -> Entry {
    let other = MemberId(MEMBER.0 + 1);
    let mut draft = draft(kind, "cinema", "2026-04-05T00:00:00Z").of_member(MEMBER);
    draft.post_points(PointsAccount::Member(MEMBER), -7);
    draft.post_points(PointsAccount::Member(other), 7);
    draft.move_lot(lot(1, "grocer", -7));
    let birth = LotBirth { origin: Some(LotId { member: MEMBER, entry_no: 1, part: 0 }), activates: None };
    let lot = LotMove { lot: LotId { member: other, entry_no: 1, part: 0 }, ..lot(1, "grocer", 7) };
    draft.move_lot(LotMove { birth: Some(birth), expires: Timestamp::after_inactivity(90), ..lot });
    draft.balance().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An entry of each kind, and those that say what else may stand in one.
fn entries() -> Vec<(&'static str, Entry)> {
    let special = vec![
        ("issue", issue()),
        ("redeem", redemption()),
        ("return", giving_back()),
        ("expire", expiry()),
        ("close", close()),
        ("authorize", hold()),
        ("capture", capture()),
        ("reverse", reversal()),
        ("fund", funding()),
        ("decay", decay()),
        ("redeem passing over", passing(redemption())),
        ("authorize passing over", passing(hold())),
        ("decay that goes on", decay_part()),
        ("return of a purchase", purchase_return()),
    ];
    let of_house = house_entries();
    let later = vec![
        ("forget", forgetting()),
        ("undo of a request", undoing()),
        ("issue that enrols", enrolling()),
        ("undo", of_kind(EntryKind::Undo)),
        ("freeze_member", freezing(EntryKind::FreezeMember, None, Some(Timestamp::NEVER))),
        ("unfreeze_member", freezing(EntryKind::UnfreezeMember, Some(time("2026-05-01T00:00:00Z")), None)),
    ];
    // Last, and a new kind behind them all: the places of entries are in their hashes.
    let mut newest = vec![("rename_partner", renaming())];
    newest.extend(credential_entries());
    newest.extend(people_entries());
    newest.extend(party_entries());
    newest.push(("close by the calendar", close_by_the_calendar()));
    newest.extend(money_entries());
    let shown: Vec<(&str, Entry)> = special.into_iter().chain(of_house).chain(later).collect();
    let others =
        EntryKind::ALL.iter().filter(|kind| shown.iter().chain(&newest).all(|(_, entry)| entry.kind != **kind));
    let plain: Vec<(&str, Entry)> = others.map(|kind| (kind.as_str(), of_kind(*kind))).collect();
    shown.into_iter().chain(plain).chain(newest).collect()
}

/// A close without legs, with when it is told and paid.
fn close_by_the_calendar() -> Entry {
    let days = SettlementDays { advice: "2026-05-04".parse().unwrap(), payment: "2026-05-06".parse().unwrap() };
    let draft = draft(EntryKind::Close, "operator", "2026-04-30T15:00:00Z");
    draft.with(Fact::CutOff(CutOffFacts { version: 2, days })).balance().unwrap()
}

fn renaming() -> Entry {
    let (display_name, before) = ("Green Grocer".to_owned(), "Grocer \u{438}".to_owned());
    let renamed = RenameFacts { partner: id("grocer"), display_name, before };
    let draft = draft(EntryKind::RenamePartner, "operator", "2026-04-02T00:00:00Z");
    draft.with(Fact::Renamed(renamed)).balance().unwrap()
}

/// What is decided of invites and credentials.
fn credential_entries() -> Vec<(&'static str, Entry)> {
    let (holder, serial) = (Holder::partner(id("grocer")), |text: &str| -> Serial { text.parse().unwrap() });
    let invite = InviteId(0x019b_a792_1a00_7000_8000_0000_0000_0001);
    let device = Device {
        name: Code::new("till-7").unwrap(),
        store: Code::new("s1").ok(),
        till: Code::new("t7").ok(),
        calls_per_second: 20,
        connections_max: 2,
    };
    let scopes: Scopes = [Scope::Issue, Scope::Read].into_iter().collect();
    let (begins, ends) = (time("2026-04-02T00:00:00Z"), time("2026-07-01T00:00:00Z"));
    let invited = InvitedFacts {
        holder,
        scopes,
        ends,
        by: "operator/anna".parse().unwrap(),
        made_with: Some(serial("40aa")),
        invites: vec![NewInvite { id: invite, secret: [1; 32], device: Some(device.clone()) }],
    };
    let withdrawn = WithdrawnFacts { by: holder, invites: vec![invite] };
    let issued = IssuedFacts {
        serial: serial("40ab"),
        holder,
        scopes,
        device: Some(device),
        key: [2; 32],
        begins,
        ends,
        line: serial("40ab"),
        invite: Some(invite),
        renews: None,
        certificate: vec![0x30, 0x03, 0x02, 0x01, 0x07],
    };
    let (line, renews) = (issued.serial, Some(issued.serial));
    let renewed = IssuedFacts { serial: serial("40ac"), key: [3; 32], line, renews, invite: None, ..issued.clone() };
    let foreign = ForeignFacts { invite, key: [4; 32] };
    let serials = vec![(serial("40ab"), ends), (serial("40ac"), ends)];
    let revoked = RevokedFacts { by: holder, cut: begins, holder: None, serials, invites: 1 };
    let facts = [
        (EntryKind::CreateInvites, vec![Fact::Invited(invited)]),
        (EntryKind::WithdrawInvites, vec![Fact::InvitesWithdrawn(withdrawn)]),
        (EntryKind::Enroll, vec![Fact::CredentialIssued(Box::new(issued))]),
        (EntryKind::RefuseEnrolment, vec![Fact::ForeignAttempt(foreign)]),
        (EntryKind::RenewCertificate, vec![Fact::CredentialIssued(Box::new(renewed))]),
        (EntryKind::RevokeCredentials, vec![Fact::Reason(Code::word("stolen").unwrap()), Fact::Revoked(revoked)]),
    ];
    let entry = |(kind, facts): (EntryKind, Vec<Fact>)| {
        let draft = draft(kind, "operator", "2026-04-02T00:00:00Z");
        (kind.as_str(), facts.into_iter().fold(draft, EntryDraft::with).balance().unwrap())
    };
    facts.into_iter().map(entry).collect()
}

/// What is decided of people and of proposals.
fn people_entries() -> Vec<(&'static str, Entry)> {
    vec![
        ("set_person", naming()),
        ("set_two_person_list", listing()),
        ("propose", proposing()),
        ("refuse_proposal", refusing()),
        ("recover_person", of_kind(EntryKind::RecoverPerson)),
        ("withdraw_proposal", of_kind(EntryKind::WithdrawProposal)),
        ("of two", approving()),
    ]
}

fn person(name: &str) -> PersonId {
    name.parse().unwrap()
}

fn naming() -> Entry {
    let since = time("2026-04-02T00:00:00Z");
    let now = Person { roles: Roles::FIRST, since, before: Roles::of(&[Role::Clerk]) };
    let named = PersonFacts { person: person("anna"), now, before: None, makes_two: true };
    let certified = CertifiedFacts { serial: "40aa".parse().unwrap(), by_hand: true };
    let by = ByFacts { person: person("boris"), approved: None };
    let draft = draft(EntryKind::SetPerson, "operator", "2026-04-02T00:00:00Z");
    draft.with(Fact::Person(named)).with(Fact::Certified(certified)).with(Fact::By(by)).balance().unwrap()
}

fn listing() -> Entry {
    let alone = AloneFacts { operations: BTreeSet::from(["SetLimits".to_owned()]), before: BTreeSet::new() };
    let draft = draft(EntryKind::SetTwoPersonList, "operator", "2026-04-02T00:00:00Z");
    draft.with(Fact::Alone(alone)).balance().unwrap()
}

fn proposing() -> Entry {
    let replaces = Some((EntryId { batch: BatchId(7), ordinal: 2 }, ProposalState::Lapsed));
    let begins = time("2026-03-01T00:00:00Z");
    let shown = ShownFacts { serial: "40aa".parse().unwrap(), holder: "operator/anna".parse().unwrap(), begins };
    let proposed = ProposedFacts {
        operation: vec![1, 2, 3],
        content: [4; 32],
        found: [5; 32],
        about: Some(person("clara")),
        shown: Some(shown),
        replaces,
    };
    let by = ByFacts { person: person("anna"), approved: None };
    let draft = draft(EntryKind::Propose, "operator", "2026-04-02T00:00:00Z");
    draft.with(Fact::Proposed(proposed)).with(Fact::By(by)).balance().unwrap()
}

fn refusing() -> Entry {
    let proposal = EntryId { batch: BatchId(7), ordinal: 2 };
    let refused = ProposalFacts { proposal, state: ProposalState::Refused };
    let draft = draft(EntryKind::RefuseProposal, "operator", "2026-04-02T00:00:00Z").linked_to(proposal);
    draft.with(Fact::Proposal(refused)).balance().unwrap()
}

fn approving() -> Entry {
    let mut entry = renaming();
    let approved = Some((EntryId { batch: BatchId(7), ordinal: 2 }, person("anna")));
    entry.facts.push(Fact::By(ByFacts { person: person("boris"), approved }));
    entry
}

/// What is decided of partners as legal parties.
fn party_entries() -> Vec<(&'static str, Entry)> {
    let (grocer, text) = (id("grocer"), str::to_owned);
    let tax_id = |scheme: &str, value: &str| TaxId { scheme: text(scheme), value: text(value) };
    let legal = LegalRecord {
        name: text("\u{41e}\u{41e}\u{41e} Grocer"),
        tax_ids: vec![tax_id("RU_INN", "7707083893"), tax_id("X_DUNS", "15-048-3782")],
        address: Address {
            street: text("Main St 1"),
            post_code: String::new(),
            town: text("Bonn"),
            country: text("DE"),
        },
    };
    let before = LegalRecord { name: text("Grocer"), tax_ids: Vec::new(), ..legal.clone() };
    let legal = LegalFacts { partner: grocer, legal, before: Some(before) };
    let grouped = GroupFacts { partner: grocer, group: Some("retail".parse().unwrap()), before: None };
    let asked = |version, number, bank_name: &str, before, replaces| BankAccountFacts {
        partner: grocer,
        version,
        account: BankAccount { number, holder: text("Grocer Ltd"), bank_name: text(bank_name) },
        from: time("2026-04-05T00:00:00Z"),
        before,
        replaces,
    };
    let national = AccountNumber::National(NationalAccount {
        country: text("RU"),
        bank_code: text("044525225"),
        account: text("40702810838000110017"),
        correspondent: text("30101810400000000225"),
    });
    let iban = AccountNumber::Iban(text("DE89370400440532013000"));
    let (first, second) = (asked(1, iban, "", None, None), asked(4, national, "Bank", Some(1), Some(3)));
    let stopped = AccountStopFacts { partner: grocer, version: 4, from: time("2026-04-05T00:00:00Z") };
    let reason = Fact::Reason(Code::word("not-ours").unwrap());
    let entry = |name, kind, by, facts: Vec<Fact>| {
        let draft = draft(kind, by, "2026-04-02T00:00:00Z");
        (name, facts.into_iter().fold(draft, EntryDraft::with).balance().unwrap())
    };
    let set = |account| vec![Fact::BankAccount(Box::new(account))];
    vec![
        entry("set_legal_record", EntryKind::SetLegalRecord, "operator", vec![Fact::Legal(Box::new(legal))]),
        entry("set_group", EntryKind::SetGroup, "operator", vec![Fact::Group(grouped)]),
        entry("set_bank_account", EntryKind::SetBankAccount, "grocer", set(first)),
        entry("set_bank_account of a country", EntryKind::SetBankAccount, "operator", set(second)),
        entry(
            "stop_bank_account_change",
            EntryKind::StopBankAccount,
            "grocer",
            vec![Fact::BankAccountStopped(stopped), reason],
        ),
    ]
}

/// What is done with money at the bank: every fact of it once.
fn money_entries() -> Vec<(&'static str, Entry)> {
    let money = EntryId { batch: BatchId(7), ordinal: 2 };
    let grocer = id("grocer");
    let key = BankKey {
        account: "40702810900000000001".to_owned(),
        booked: Some("2026-04-02".parse().unwrap()),
        reference: "R-4711".to_owned(),
    };
    let received = ReceivedFacts { partner: Some(grocer), amount: Money(700), place: Place::Unapplied };
    let line = LineFacts { key, amount: Money(700), of: Some(money) };
    let moves = vec![MoneyMove { money, from: Place::Advance, to: Place::Leg(WINDOW), amount: Money(700) }];
    let states = StateChange { before: SettlementState::Exported, after: SettlementState::PartlyPaid };
    let leg = LegFacts { window: WINDOW, partner: grocer, how: LegHow::Covered, amount: Money(700), states };
    let out = OutFacts {
        partner: None,
        amount: Money(700),
        of: OutOf::Account(MoneyAccount::Unapplied(None)),
        state: OutState::Ordered,
    };
    let paid = OutStateFacts { money, before: OutState::Ordered, after: OutState::Paid };
    let released = ReleasedFacts { window: WINDOW, pay_outs: vec![(grocer, Money(700))] };
    let cancelled = FundedPart { window: WINDOW, issuer: grocer, terms: 2, points: Points(7) };
    let (payer, payee) = (OrderParty::of(grocer), OrderParty::of(id("cinema")));
    let unpaid = UnpaidFacts { window: WINDOW, payer, payee, amount: Money(700), mode: OrderMode::Pairwise };
    let assigned = AssignedFacts { money, partner: Some(grocer) };
    let (unknown, own) = (MoneyAccount::Unapplied(None), MoneyAccount::Unapplied(Some(grocer)));
    let ordered = MoneyAccount::Ordered(None);
    let (settle, advance) = (MoneyAccount::Settle(WINDOW, grocer), MoneyAccount::Advance(grocer));
    let (claim, shared) = (MoneyAccount::Claim(grocer), MoneyAccount::Shared(id("cinema"), grocer));
    let (bank, settlements) = (MoneyAccount::Bank(BankPurpose::Pool), MoneyAccount::Bank(BankPurpose::Settlement));
    let of = OutOf::Own(OwnTransfer { from: BankPurpose::Settlement, to: BankPurpose::Pool, arrived: true });
    let transfer = OutFacts { partner: None, amount: Money(700), of, state: OutState::Paid };
    let moved = FundsMovedFacts { window: WINDOW, moved: vec![(BankPurpose::Pool, Money(-700))] };
    type Told = (EntryKind, [MoneyAccount; 2], Vec<Fact>);
    let told: Vec<Told> = vec![
        (EntryKind::ReceiveMoney, [bank, own], vec![Fact::Received(received), Fact::Line(line)]),
        (EntryKind::TakeMoney, [advance, settle], vec![Fact::Moved(moves), Fact::Legs(vec![leg])]),
        (EntryKind::ApplyMoney, [unknown, own], vec![Fact::Assigned(assigned)]),
        (EntryKind::ReturnMoney, [unknown, ordered], vec![Fact::Out(out)]),
        (EntryKind::ConfirmOrdered, [ordered, bank], vec![Fact::OutState(paid)]),
        (EntryKind::ReleaseOrders, [bank, bank], vec![Fact::Released(released)]),
        (EntryKind::CoverDefault, [claim, MoneyAccount::ReserveClaim], vec![Fact::Cancelled(vec![cancelled])]),
        (EntryKind::ShareLoss, [claim, shared], Vec::new()),
        (EntryKind::UndoPayment, [settle, own], vec![Fact::UndonePayment(money), Fact::Unpaid(unpaid)]),
        (EntryKind::BookOwnTransfer, [bank, settlements], vec![Fact::Out(transfer)]),
        (EntryKind::MoveFunds, [settlements, bank], vec![Fact::FundsMoved(moved)]),
    ];
    let entry = |(kind, [from, to], facts): Told| {
        let mut draft = draft(kind, "operator", "2026-04-02T00:00:00Z");
        draft.post_money(from, Purpose::Settlement, -700);
        draft.post_money(to, Purpose::Settlement, 700);
        (kind.as_str(), facts.into_iter().fold(draft, EntryDraft::with).balance().unwrap())
    };
    let guarantee =
        Guarantee { reference: "BG-17".to_owned(), amount: Money(50_000), ends: time("2027-01-01T00:00:00Z") };
    let security = Security { unsecured: Money(1_000), guarantees: vec![guarantee] };
    let security = SecurityFacts { partner: grocer, security, before: Security::default() };
    let day = |text: &str| text.parse().unwrap();
    let charge = ScheduledCharge {
        reason: Code::word("licence").unwrap(),
        amount: Money(2_500),
        every: Every::Quarter,
        first: day("2026-01-31"),
        last: Some(day("2027-12-31")),
    };
    let charges = ChargesFacts {
        partner: grocer,
        charges: vec![(charge.clone(), Some(day("2026-04-30")))],
        before: vec![ScheduledCharge { every: Every::Month, last: None, ..charge }],
    };
    let charged = ChargedFacts { partner: grocer, period: day("2026-04-30"), next: Some(day("2026-07-31")) };
    let of_partners = [
        (EntryKind::SetCover, Fact::Security(security)),
        (EntryKind::SetCharges, Fact::Charges(charges)),
        (EntryKind::Charge, Fact::Charged(charged)),
    ];
    let of_partners = of_partners.map(|(kind, fact)| {
        let draft = draft(kind, "operator", "2026-04-02T00:00:00Z");
        (kind.as_str(), draft.with(fact).balance().unwrap())
    });
    let rest = [
        EntryKind::Offset,
        EntryKind::Release,
        EntryKind::ReturnPayment,
        EntryKind::RepayClaim,
        EntryKind::Cancel,
        EntryKind::Adjust,
        EntryKind::BookBankFee,
    ];
    let plain = rest.into_iter().map(|kind| (kind.as_str(), of_kind(kind)));
    told.into_iter().map(entry).chain(of_partners).chain(plain).collect()
}

fn forgetting() -> Entry {
    let draft = draft(EntryKind::Forget, "operator", "2026-04-02T00:00:00Z");
    let forgotten = ForgetFacts { until: time("2026-03-01T00:00:00Z"), before: time("2026-02-01T00:00:00Z") };
    draft.with(Fact::Forgotten(forgotten)).balance().unwrap()
}

fn enrolling() -> Entry {
    let mut entry = issue();
    let commitment = link_commitment(&SALT, &IdentifierHash([5; 32]), MEMBER);
    entry.facts.push(Fact::Linked(LinkFacts { number: 1, commitment }));
    entry
}

fn undoing() -> Entry {
    let mut entry = of_kind(EntryKind::Undo);
    entry.facts.push(Fact::Abandoned(RequestId(0x0195_8015_7e00_7000_8000_0000_0000_0002)));
    let undone = UncountedFacts { day: 20_500, points: Points(120), foreign: Points(80) };
    entry.facts.push(Fact::Uncounted(undone));
    entry
}

fn passing(mut entry: Entry) -> Entry {
    entry.facts.push(Fact::PassedOver(vec![id("airline"), id("hotel")]));
    entry
}

/// A decay that goes on behind one of the member's lots.
fn decay_part() -> Entry {
    let mut entry = decay();
    entry.facts.push(Fact::DecayedTo((time("2026-12-31T00:00:00Z"), 1, 2)));
    entry
}

fn purchase_return() -> Entry {
    let mut entry = giving_back();
    let purchase = EntryId { batch: BATCH, ordinal: 1 };
    entry.facts.push(Fact::PurchaseReturn(PurchaseReturnFacts { purchase, amount: Money(500), total: Money(1_000) }));
    entry
}

fn freezing(kind: EntryKind, before: Option<Timestamp>, until: Option<Timestamp>) -> Entry {
    let draft = draft(kind, "operator", "2026-04-07T00:00:00Z").of_member(MEMBER);
    draft.with(Fact::Frozen(FreezeFacts { before, until })).balance().unwrap()
}

/// The decisions of the house.
fn house_entries() -> Vec<(&'static str, Entry)> {
    let (grocer, cinema) = (id("grocer"), id("cinema"));
    let limits = Limits {
        net_debit_cap: Some(Money(100_000)),
        redeem_foreign_points_per_day: Some(Points(5_000)),
        cooling_seconds: Some(60),
        ..Limits::default()
    };
    let terms = Terms { version: 2, effective: time("2026-05-01T00:00:00Z"), ..house::terms(Funding::AtIssue) };
    let coalition = Coalition { time_zone: jiff::tz::TimeZone::get("Europe/Moscow").unwrap(), ..house::coalition() };
    let domain = "golden.example".to_owned();
    let founded = FoundedFacts { coalition, domain, key_fingerprint: [7; 32] };
    let display_name = "Grocer \u{438}".to_owned();
    let created = PartnerFacts { partner: grocer, display_name, state: PartnerState::Active, limits };
    let before = Consent { granted: Some(false), budget: None, used: Points(50) };
    let (granted, budget) = (Some(true), Some(Points(10_000)));
    let consent = ConsentFacts { funder: cinema, partner: grocer, granted, budget, before };
    let monthly = CutOffPattern {
        on_holiday: OnHoliday::Before,
        advice_days: 1,
        payment_days: 3,
        ..CutOffPattern::new("0 18 L * *")
    };
    let calendar = Calendar {
        cut_offs: vec![monthly],
        holiday_rules: BTreeSet::from([HolidayRule::Russia]),
        holidays: BTreeSet::from(["2026-05-11".parse().unwrap()]),
        working_days: BTreeSet::from(["2026-11-07".parse().unwrap()]),
        ..Calendar::of(["0 0 1 * *"], "Europe/Moscow")
    };
    let (reference, value_date) = ("RF18 5390".to_owned(), Some("2026-03-02".parse().unwrap()));
    let (payer, payee) = (OrderParty::Partner(grocer), OrderParty::Partner(cinema));
    let states = StateChange { before: SettlementState::Confirmed, after: SettlementState::PartlyPaid };
    let paid = PaymentFacts { window: WINDOW, payer, payee, mode: OrderMode::Pairwise, states, reference, value_date };
    let states = StateChange { before: SettlementState::Confirmed, after: SettlementState::Exported };
    let exported = ExportFacts { window: WINDOW, mode: OrderMode::Hub, states, mode_before: None };
    let suspended = StateFacts { partner: grocer, state: PartnerState::Suspended, before: PartnerState::Restricted };
    let (effective, before) = (time("2026-04-10T00:00:00Z"), Some(Calendar::of(["0 0 1 * *"], "Europe/Moscow")));
    let calendar = CalendarFacts { version: 2, effective, calendar, before };
    let ends = (time("2026-04-03T00:00:00Z"), time("2026-04-30T00:00:00Z"));
    let extended = ExtendFacts { issuer: grocer, before: ends, points: Points(70) };
    let facts = [
        (EntryKind::Found, vec![Fact::Founded(Box::new(founded))]),
        (
            EntryKind::CreatePartner,
            vec![
                Fact::PartnerCreated(created),
                Fact::Terms(TermsFacts { partner: grocer, terms: house::terms(Funding::OnPayment), before: None }),
            ],
        ),
        (EntryKind::SetTerms, vec![Fact::Terms(TermsFacts { partner: grocer, terms, before: Some(1) })]),
        (EntryKind::SetState, vec![Fact::State(suspended)]),
        (EntryKind::SetLimits, vec![Fact::Limits(LimitsFacts { partner: grocer, limits, before: Limits::default() })]),
        (EntryKind::SetConsent, vec![Fact::Consent(consent)]),
        (EntryKind::SetCalendar, vec![Fact::Calendar(calendar)]),
        (EntryKind::Confirm, vec![Fact::Confirmed(ConfirmFacts { window: WINDOW, state: SettlementState::Confirmed })]),
        (EntryKind::Export, vec![Fact::Exported(exported)]),
        (EntryKind::Payment, vec![Fact::Paid(paid)]),
        (EntryKind::Abort, vec![Fact::Aborted(AbortFacts { window: WINDOW, before: SettlementState::Proposed })]),
        (
            EntryKind::Deposit,
            vec![Fact::Fund(FundFacts { account: MoneyAccount::Collateral(grocer), before: Money(7) })],
        ),
        (EntryKind::Extend, vec![Fact::Extended(extended)]),
        (EntryKind::WriteOff, vec![Fact::WrittenOff(WriteOffFacts { creditor: grocer, before: Points(9) })]),
    ];
    let entry = |(kind, facts): (EntryKind, Vec<Fact>)| {
        let draft = draft(kind, "operator", "2026-04-02T00:00:00Z");
        (kind.as_str(), facts.into_iter().fold(draft, EntryDraft::with).balance().unwrap())
    };
    facts.into_iter().map(entry).collect()
}

/// Every frozen figure by its name.
fn figures() -> BTreeMap<String, String> {
    let entries = entries();
    let mut figures = BTreeMap::new();
    for (ordinal, (name, entry)) in (0u32..).zip(&entries) {
        let name = name.replace(' ', "_");
        figures.insert(format!("{name}.bytes"), hex(&entry.to_bytes()));
        figures.insert(format!("{name}.hash"), hex(&entry.hash(&SALT, ordinal)));
    }
    let header = BatchHeader {
        coalition: "golden".to_owned(),
        stripe: 0,
        batch: BATCH,
        window: WINDOW,
        time: time("2026-04-01T00:00:00.5Z"),
        salt: SALT,
    };
    let numbered: Vec<(u32, &Entry)> = (0u32..).zip(entries.iter().take(5).map(|(_, entry)| entry)).collect();
    let recorded: Vec<Hash> = requests().iter().map(RequestRecord::hash).collect();
    for (name, hash) in ["accepted", "rejected", "burned"].into_iter().zip(&recorded) {
        figures.insert(format!("request.{name}"), hex(hash));
    }
    for (name, reply) in replies() {
        figures.insert(format!("reply.{name}"), hex(&reply.kept(Some(MEMBER))));
    }
    for (name, number) in [("number", "4711"), ("text", "R-4711")] {
        let (store, till) = (Some(Code::new("store-7").unwrap()), None);
        let (date, number) = ("2026-03-10".parse().unwrap(), Code::receipt(number).unwrap());
        let receipt = Receipt { partner: id("grocer"), store, till, date, number };
        figures.insert(format!("receipt.{name}"), hex(&receipt.key().0.to_be_bytes()));
    }
    let requests = requests_hash(recorded);
    figures.insert("batch.requests".to_owned(), hex(&requests));
    let contents = header.contents_hash(&requests, numbered.iter().copied());
    let first = chain_hash(&[0; 32], 1, 1, &contents);
    figures.insert("batch.contents".to_owned(), hex(&contents));
    figures.insert("chain.first".to_owned(), hex(&first));
    figures.insert("chain.second".to_owned(), hex(&chain_hash(&first, 2, 6, &contents)));
    figures
}

#[test]
fn the_bytes_and_hashes_of_the_journal_never_change() {
    let golden: BTreeMap<String, String> = include_str!("golden/journal-v1.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, figure) = line.split_once(' ').expect("a name and a figure");
            (name.to_owned(), figure.to_owned())
        })
        .collect();
    let figures = figures();
    let names: Vec<&String> = figures.keys().filter(|name| golden.get(*name) != figures.get(*name)).collect();
    let lines: Vec<String> = names.iter().map(|name| format!("{name} {}", figures[*name])).collect();
    assert!(names.is_empty() && golden.len() == figures.len(), "{WHY}\n    Different:\n{}\n", lines.join("\n"));
}

/// A kind without a frozen entry could change its code unseen.
#[test]
fn every_kind_of_entry_has_its_figures() {
    let all = entries();
    let missing: Vec<_> =
        EntryKind::ALL.iter().filter(|kind| all.iter().all(|(_, entry)| entry.kind != **kind)).collect();
    assert_eq!(missing, Vec::<&EntryKind>::new());
}

#[test]
fn what_is_written_is_read_back() {
    for (ordinal, (name, entry)) in (0u32..).zip(entries()) {
        let id = EntryId { batch: BATCH, ordinal };
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(id, &bytes).unwrap(), entry, "{name}");
        assert!(Entry::from_bytes(id, &bytes[..bytes.len() - 1]).is_err(), "{name}, cut short");
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Entry::from_bytes(id, &longer).is_err(), "{name}, with a byte too many");
        let mut unknown = bytes;
        unknown[0] = 200;
        let problem = Entry::from_bytes(id, &unknown).unwrap_err().to_string();
        assert!(problem.contains("version 200 is unknown"), "{problem}");
    }
}

#[test]
fn a_link_costs_the_entry_that_makes_it_at_most_40_bytes() {
    assert_eq!(enrolling().to_bytes().len() - issue().to_bytes().len(), 37);
    let (hash, salt) = (IdentifierHash([5; 32]), SALT);
    let commitment = link_commitment(&salt, &hash, MEMBER);
    assert_ne!(commitment, link_commitment(&[0; 16], &hash, MEMBER), "the salt");
    assert_ne!(commitment, link_commitment(&salt, &IdentifierHash([6; 32]), MEMBER), "the identifier");
    assert_ne!(commitment, link_commitment(&salt, &hash, MemberId(7)), "the member");
}

#[test]
fn passing_over_nobody_costs_no_byte() {
    let plain = || draft(EntryKind::Redeem, "cinema", "2026-03-10T12:00:00Z");
    let bytes = |draft: EntryDraft| draft.balance().unwrap().to_bytes();
    assert_eq!(bytes(plain()), bytes(plain().passing_over([].into())));
    assert!(bytes(plain()).len() < bytes(plain().passing_over([id("hotel")].into())).len());
}

/// Each hash must depend on everything that it is said to cover.
#[test]
fn a_hash_changes_with_everything_that_it_covers() {
    let entry = redemption();
    let hash = entry.hash(&SALT, 1);
    assert_ne!(hash, entry.hash(&SALT, 2), "the place in the batch");
    assert_ne!(hash, entry.hash(&[0; 16], 1), "the salt");
    let mut changed = entry.clone();
    changed.money[0].amount.0 += 1;
    assert_ne!(hash, changed.hash(&SALT, 1), "an amount");
    let mut changed = entry.clone();
    changed.lots[0].expires.0 += 1;
    assert_ne!(hash, changed.hash(&SALT, 1), "a lot");
    let mut changed = entry.clone();
    changed.origin.till = None;
    assert_ne!(hash, changed.hash(&SALT, 1), "the origin");
    let mut changed = entry.clone();
    changed.facts = Facts::default();
    assert_ne!(hash, changed.hash(&SALT, 1), "the facts");
    let mut changed = entry.clone();
    changed.facts.push(Fact::PassedOver(vec![id("hotel")]));
    assert_ne!(hash, changed.hash(&SALT, 1), "who was passed over");
    assert_ne!(chain_hash(&[0; 32], 1, 1, &hash), chain_hash(&[0; 32], 1, 2, &hash), "the sequence");
    assert_ne!(chain_hash(&[0; 32], 1, 1, &hash), chain_hash(&[0; 32], 2, 1, &hash), "the number");
    assert_ne!(chain_hash(&[0; 32], 1, 1, &hash), chain_hash(&[1; 32], 1, 1, &hash), "what came before");
}

#[test]
fn the_hash_of_a_batch_covers_every_request_that_it_recorded_in_any_order() {
    let [accepted, rejected, burned] = requests();
    let hashes = |of: &[&RequestRecord]| requests_hash(of.iter().map(|request| request.hash()).collect());
    let all = hashes(&[&accepted, &rejected, &burned]);
    assert_eq!(all, hashes(&[&burned, &accepted, &rejected]), "the order");
    assert_ne!(all, hashes(&[&accepted, &rejected]), "one is missing");
    assert_ne!(hashes(&[]), hashes(&[&burned]));
    let changes: [fn(&mut RequestRecord); 7] = [
        |request| request.partner = id("cinema"),
        |request| request.request.0 += 1,
        |request| request.content[0] ^= 1,
        |request| request.outcome = Outcome::Burned,
        |request| request.first = Some(3),
        |request| request.count += 1,
        |request| request.reply[0] ^= 1,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut changed = accepted.clone();
        change(&mut changed);
        assert_ne!(hashes(&[&accepted]), hashes(&[&changed]), "change {at}");
    }
}

/// An answer of each kind, and one with all figures that there may be.
fn replies() -> [(&'static str, Reply); 4] {
    let next_expiry = Some((time("2027-03-10T00:00:00+01:00"), Points(40)));
    let plain = MemberReply {
        member: MEMBER,
        available: Points(340),
        held: Points::ZERO,
        pending: Points::ZERO,
        owed: Points::ZERO,
        returnable: Points::ZERO,
        reversed: None,
        next_expiry,
    };
    let reversed = Some(Reversed { taken_back: Points(9), written_off: Points(130), debt: Points(1) });
    let all = MemberReply {
        member: MemberId(7),
        held: Points(127),
        pending: Points(128),
        owed: Points(16_384),
        returnable: Points(-1),
        reversed,
        ..plain
    };
    [
        ("member", Reply::Member(plain)),
        ("all", Reply::Member(all)),
        ("abandoned", Reply::Abandoned(Abandoned::NoEffect)),
        ("house", Reply::House(HouseReply::Entries)),
    ]
}

/// One request of each outcome.
fn requests() -> [RequestRecord; 3] {
    let accepted = RequestRecord {
        partner: id("grocer"),
        request: RequestId(0x0194_ef50_0c80_7000_8000_0000_0000_0001),
        content: [9; 16],
        outcome: Outcome::Accepted,
        first: Some(1),
        count: 2,
        reply: vec![1, 2, 3],
    };
    let request = RequestId(0x0194_ef50_0c80_7000_8000_0000_0000_0002);
    let rejected = RequestRecord { request, outcome: Outcome::Rejected, first: None, count: 0, ..accepted.clone() };
    let request = RequestId(0x0194_ef50_0c80_7000_8000_0000_0000_0003);
    let burned =
        RequestRecord { request, content: [0; 16], outcome: Outcome::Burned, reply: Vec::new(), ..rejected.clone() };
    [accepted, rejected, burned]
}
