//! Writes down the dictionary that entries are packed with, from canonical entries of the kinds that tills write most:
//!
//! ```text
//! cargo run -p clearing --example dictionary -- FILE
//! ```
//!
//! `clearing/src/store/packed/dictionary-1.bin` was made by it. That file is frozen, as stored rows are read with it: what this writes
//! when entries have changed is a dictionary 2, beside it.

#![allow(
    clippy::unwrap_used,
    reason = "the entries below are balanced, and all of their names and numbers can be read"
)]

use clearing_core::chart::{MoneyAccount, PointsAccount, Purpose};
use clearing_core::facts::entry::{Entry, EntryDraft, EntryKind};
use clearing_core::facts::lot::{LotBirth, LotId, LotMove};
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::terms::FeeBearer;
use clearing_core::facts::{Fact, HoldFacts, LinkFacts, PurchaseReturnFacts, RedemptionFacts};
use clearing_core::units::{BatchId, EntryId, MemberId, Money, PartnerId, Points, RequestId, Timestamp};

/// Ids are random in every entry. Where they stand there is nothing to be found, and no zeros that are not there either.
const MEMBER: MemberId = MemberId(0x0193_a7c2_5d0e_7c3a_9f61_b2d8_4567_89ab);
const REQUEST: RequestId = RequestId(0x0194_ef50_0c80_7b1d_8c4e_5fa3_9017_c2e6);
const EARLIER: EntryId = EntryId { batch: BatchId(0x0193_b04d_8e21_76f5_a83b_1c9e_62d7_f4b1), ordinal: 1 };

/// Who takes part, and what is printed on its receipts: `[partner, store, till, receipt]`. One is named before the operator, one
/// behind it, as postings are in this order.
const CINEMA: [&str; 4] = ["cinema", "12", "till-1", "2026/000123"];
const PHARMACY: [&str; 4] = ["pharmacy", "S-0042", "till-4", "R-123456"];

fn main() -> std::io::Result<()> {
    let file = std::env::args().nth(1).expect("the file to write is the one argument");
    // Of two that are alike the later one is found. What captures, voids and other returns have is in these.
    let entries =
        [expiry(), undoing(), hold(), giving_back(), redemption(), issue(CINEMA, true), issue(PHARMACY, false)];
    let bytes: Vec<u8> = entries.iter().flat_map(Entry::to_bytes).collect();
    std::fs::write(file, bytes)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(name: &str) -> PartnerId {
    name.parse().unwrap()
}

fn draft(kind: EntryKind, partner: &str) -> EntryDraft {
    EntryDraft::new(kind, 1, time("2026-12-03T10:15:30.123456Z"), "EUR".parse().unwrap(), id(partner)).of_member(MEMBER)
}

fn origin([_, store, till, receipt]: [&str; 4]) -> Origin {
    Origin {
        store: Some(Code::new(store).unwrap()),
        till: Some(Code::new(till).unwrap()),
        receipt_number: Some(Code::receipt(receipt).unwrap()),
        receipt_line: Some(1),
        business_date: Some("2026-12-03".parse().unwrap()),
        business_time: Some(time("2026-12-03T10:15:29.654321Z")),
        receipt_total: Some(Money(12_345)),
        device_counter: Some(809),
        attachment: None,
    }
}

/// What is done to a lot of the member that `grocer` issued, the number of which is `entry_no`.
fn lot(entry_no: i64, points: i64, held: i64) -> LotMove {
    LotMove {
        lot: LotId { member: MEMBER, entry_no, part: 0 },
        issuer: id("grocer"),
        terms: 1,
        points: Points(points),
        held: Points(held),
        pending: Points::ZERO,
        expires: time("2028-12-03T10:15:30.123456Z"),
        birth: None,
    }
}

fn issue(till: [&str; 4], enrols: bool) -> Entry {
    let partner = id(till[0]);
    let mut draft = draft(EntryKind::Issue, till[0]).asked_by(Some(REQUEST), &origin(till));
    draft.post_points(PointsAccount::Member(MEMBER), 123);
    draft.post_points(PointsAccount::Issuer(partner), -123);
    draft.post_money(MoneyAccount::Position(partner), Purpose::Reward, -12_300);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, 12_300);
    draft.post_money(MoneyAccount::Position(partner), Purpose::Spread, -615);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, 615);
    draft.move_lot(LotMove { issuer: partner, birth: Some(LotBirth::default()), ..lot(3, 123, 0) });
    if enrols {
        draft = draft.with(Fact::Linked(LinkFacts { number: 1, commitment: *b"what binds an identifier to a me" }));
    }
    draft.balance().unwrap()
}

fn facts(points: i64) -> Fact {
    Fact::Redemption(RedemptionFacts {
        points: Points(points),
        terms: 1,
        reimbursement: Money(95),
        fee_rate: "0.02".parse().unwrap(),
        fee_bearer: FeeBearer::Acceptor,
        fee: Money(points * 2),
    })
}

/// What comes of points that a member pays with at `cinema`.
fn take(draft: &mut EntryDraft, points: i128) {
    draft.post_points(PointsAccount::Member(MEMBER), -points);
    draft.post_points(PointsAccount::Issuer(id("grocer")), points);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, -points * 95);
    draft.post_money(MoneyAccount::Position(id("cinema")), Purpose::Reward, points * 95);
    draft.post_money(MoneyAccount::Position(id("cinema")), Purpose::Fee, -points * 2);
    draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Fee, points * 2);
}

fn redemption() -> Entry {
    let draft = draft(EntryKind::Redeem, "cinema").asked_by(Some(REQUEST), &origin(CINEMA));
    let mut draft = draft.with(facts(120));
    take(&mut draft, 120);
    draft.move_lot(lot(1, -70, 0));
    draft.move_lot(lot(2, -50, 0));
    draft.balance().unwrap()
}

/// A return of a purchase; others have less.
fn giving_back() -> Entry {
    let draft = draft(EntryKind::Return, "cinema").asked_by(Some(REQUEST), &origin(CINEMA)).linked_to(EARLIER);
    let mut draft = draft.with(facts(-60));
    let part = PurchaseReturnFacts { purchase: EARLIER, amount: Money(500), total: Money(12_345) };
    draft = draft.with(Fact::PurchaseReturn(part));
    take(&mut draft, -60);
    draft.move_lot(lot(1, 60, 0));
    draft.balance().unwrap()
}

fn hold() -> Entry {
    let facts = HoldFacts {
        points: Points(120),
        terms: 1,
        reimbursement: Money(95),
        fee_rate: "0.02".parse().unwrap(),
        fee_bearer: FeeBearer::Acceptor,
        lapses: time("2026-12-10T10:15:30.123456Z"),
        reserved: vec![],
    };
    let draft = draft(EntryKind::Authorize, "cinema").asked_by(Some(REQUEST), &origin(CINEMA));
    let mut draft = draft.with(Fact::Hold(facts));
    draft.post_points(PointsAccount::Member(MEMBER), -120);
    draft.post_points(PointsAccount::Held(MEMBER), 120);
    draft.move_lot(lot(1, -120, 120));
    draft.balance().unwrap()
}

fn undoing() -> Entry {
    let mut draft = draft(EntryKind::Undo, "grocer").linked_to(EARLIER).with(Fact::Abandoned(REQUEST));
    draft.post_points(PointsAccount::Member(MEMBER), -123);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 123);
    draft.post_money(MoneyAccount::Position(id("grocer")), Purpose::Reward, 12_300);
    draft.post_money(MoneyAccount::Pool, Purpose::Reward, -12_300);
    draft.move_lot(lot(3, -123, 0));
    draft.balance().unwrap()
}

fn expiry() -> Entry {
    let mut draft = draft(EntryKind::Expire, "operator");
    draft.post_points(PointsAccount::Member(MEMBER), -90);
    draft.post_points(PointsAccount::Issuer(id("grocer")), 90);
    draft.post_money(MoneyAccount::Pool, Purpose::Breakage, -9000);
    draft.post_money(MoneyAccount::Reserve, Purpose::Breakage, 9000);
    draft.move_lot(lot(1, -90, 0));
    draft.balance().unwrap()
}
