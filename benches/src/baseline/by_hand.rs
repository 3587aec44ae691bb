//! The service one would write by hand: the handler opens a transaction, does what one `IssuePoints` needs, and commits.
//!
//! It is meant to be fair. It keeps the facts that the house keeps: the entry's canonical bytes, the request with the hash
//! of its content and its answer, the line of the receipt, the lot, the member's sum, when the member last earned and how much
//! it got that day, the balances of the issuer, its position, the pool and the operator, what is outstanding under the terms,
//! and what the issuer issued that day. It makes the same answer with the same functions, is as
//! durable, and finds a repeated request and a line that was booked before. Its choices, each the faster of those that are right:
//!
//! | choice | why |
//! |---|---|
//! | the member's row first, by its identifier, in one statement | it is the lock of the member, and gives the entry's number |
//! | the rows of request and receipt are inserted without looking first | their keys find what is repeated; almost nothing is |
//! | balances in one statement, last, in the order of their keys | nobody waits for another while holding a hot row longer than a commit, and nobody deadlocks |
//! | one sum per member, one count of the day | the house keeps them per issuer, and the sums per funding, too |
//! | statements prepared once per connection, no ping when a connection is taken from the pool | fewer round trips |
//! | pool: 16 connections to PostgreSQL (`--by-hand-connections`), one to SQLite | all but a few would only wait for the hot rows; SQLite has one writer, and waiting in its lock is dearer than in the pool |
//!
//! It leaves out what only the house does, in its own favour: no hash chain, no gapless sequence, no guard against a close
//! of the window (it reads the window, without a lock), no settings that would be read per request.

mod postgres;
mod sqlite;

pub use postgres::ByHandPostgres;
pub use sqlite::ByHandSqlite;

use std::sync::Arc;

use clearing::clock::{self, Clock};
use clearing::identifier::IdentifierKey;
use clearing::rpc::convert::{self, View};
use clearing::rpc::errors;
use clearing::rpc::opaque::Opaque;
use clearing_core::chart::{MoneyAccount, PointsAccount, Purpose};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{MemberReply, Reply};
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{Entry, EntryDraft, EntryKind};
use clearing_core::facts::lot::{LotBirth, LotId, LotMove};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::Code;
use clearing_core::facts::receipt::{ReceiptLine, Side};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::units::{
    BatchId, ContentHash, EntryId, IdentifierHash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};
use clearing_proto::v1;
use tonic::Status;

/// What both back ends work with.
#[derive(Clone)]
pub struct Desk {
    pub house: Arc<House>,
    pub clock: Clock,
    pub key: Arc<IdentifierKey>,
    pub opaque: Arc<Opaque>,
}

/// A request as it came, checked.
struct Issue {
    caller: PartnerId,
    request_id: RequestId,
    identifier: IdentifierHash,
    points: Points,
    origin: clearing_core::facts::origin::Origin,
    content_hash: ContentHash,
    entry_id: u128,
    fresh_member: MemberId,
    /// The line of the receipt, if the till named one.
    receipt: Option<ReceiptLine>,
    now: Timestamp,
    /// In days since 1970.
    day: i64,
    expires: Timestamp,
}

/// What the member's row says once it is locked.
struct MemberRow {
    id: MemberId,
    entry_no: i64,
    available: i64,
    window: WindowNumber,
}

impl Desk {
    fn issue(&self, caller: PartnerId, wire: v1::IssuePointsRequest) -> Result<Issue, Status> {
        let request_id = convert::request_id(&wire.request_id)?;
        let MemberRef::Identifier(identifier) = convert::member(wire.member, &self.key)? else {
            return Err(Status::unimplemented("this baseline knows members by their cards"));
        };
        let (origin, attachment) = convert::origin(wire.origin, caller, request_id, &self.key, &self.house.coalition)?;
        let points = Points(wire.points);
        let member = MemberRef::Identifier(identifier);
        let request = Request {
            caller,
            request_id: Some(request_id),
            origin,
            command: Command::IssuePoints(IssuePoints { member, earn: Earn::points(points) }),
            fresh_member: clock::fresh_member_id(),
            fresh_salt: clock::random_bytes(),
            person: None,
            attachment,
            badge: None,
        };
        request.validate().map_err(|rejection| errors::refused(&rejection))?;
        let now = self.clock.now();
        let coalition = &self.house.coalition;
        let terms = &coalition.default_terms;
        let zone = &coalition.time_zone;
        Ok(Issue {
            caller,
            request_id,
            identifier,
            points,
            content_hash: request.content_hash(),
            receipt: ReceiptLine::of(caller, &request.origin, Side::Earn, now, zone),
            origin: request.origin,
            entry_id: clock::fresh_uuid(),
            fresh_member: request.fresh_member,
            now,
            // The coalition that is measured counts days as they are counted in UTC.
            day: now.0.div_euclid(86_400_000_000),
            expires: terms.expiry.expires(now, zone),
        })
    }

    /// The entry of an issue under terms that prepay.
    fn entry(&self, issue: &Issue, member: &MemberRow) -> Result<Entry, Status> {
        let coalition = &self.house.coalition;
        let terms = &coalition.default_terms;
        let (issuer, points) = (issue.caller, i128::from(issue.points.0));
        let mut draft = EntryDraft::new(EntryKind::Issue, member.window, issue.now, coalition.currency, issuer)
            .asked_by(Some(issue.request_id), &issue.origin)
            .of_member(member.id);
        draft.post_points(PointsAccount::Member(member.id), points);
        draft.post_points(PointsAccount::Issuer(issuer), -points);
        let backing = points * i128::from(terms.value.0);
        let spread = points * i128::from(terms.price.0 - terms.value.0);
        draft.post_money(MoneyAccount::Position(issuer), Purpose::Reward, -backing);
        draft.post_money(MoneyAccount::Pool, Purpose::Reward, backing);
        draft.post_money(MoneyAccount::Position(issuer), Purpose::Spread, -spread);
        draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, spread);
        draft.move_lot(LotMove {
            lot: LotId { member: member.id, entry_no: member.entry_no, part: 0 },
            issuer,
            terms: terms.version,
            points: issue.points,
            held: Points::ZERO,
            pending: Points::ZERO,
            expires: issue.expires,
            birth: Some(LotBirth::default()),
        });
        draft.balance().map_err(broken)
    }

    /// What an entry adds to balances: commodity, account and amount in the order of the keys.
    fn balances(&self, entry: &Entry) -> Vec<(String, String, i64)> {
        let currency = self.house.coalition.currency.to_string();
        let points = entry.points.iter().filter(|posting| posting.account.member().is_none());
        let points = points.map(|posting| ("points".to_owned(), posting.account.to_string(), posting.points.0));
        let money = entry.money.iter().map(|posting| (currency.clone(), posting.account.to_string(), posting.amount.0));
        let mut sums = std::collections::BTreeMap::new();
        for (commodity, account, amount) in points.chain(money) {
            *sums.entry((commodity, account)).or_insert(0) += amount;
        }
        sums.into_iter().map(|((commodity, account), amount)| (commodity, account, amount)).collect()
    }

    fn reply(&self, member: &MemberRow, next_expiry: (i64, i64)) -> MemberReply {
        MemberReply {
            member: member.id,
            available: Points(member.available),
            held: Points::ZERO,
            pending: Points::ZERO,
            owed: Points::ZERO,
            returnable: Points::ZERO,
            reversed: None,
            next_expiry: Some((Timestamp(next_expiry.0), Points(next_expiry.1))),
        }
    }

    fn response(
        &self,
        caller: PartnerId,
        id: u128,
        entry: &Entry,
        reply: &MemberReply,
        replayed: bool,
    ) -> v1::IssuePointsResponse {
        let id = EntryId { batch: BatchId(id), ordinal: 0 };
        v1::IssuePointsResponse {
            written: Some(v1::Written {
                entries: vec![convert::from_entry(id, entry, View::Part(caller), &self.house, &self.opaque)],
                replayed,
                ..v1::Written::default()
            }),
            member: Some(v1::MemberFigures {
                member_id: reply.member.to_string(),
                available_points: reply.available.0,
                held_points: reply.held.0,
                pending_points: reply.pending.0,
                owed_points: reply.owed.0,
                next_expiry: convert::from_next_expiry(reply.next_expiry),
            }),
        }
    }

    /// The answer to a request that was answered before.
    fn replay(&self, issue: &Issue, kept: &Kept) -> Result<v1::IssuePointsResponse, Status> {
        if kept.content_hash != issue.content_hash {
            return Err(Status::failed_precondition("IDEMPOTENCY_CONFLICT"));
        }
        let id = EntryId { batch: BatchId(kept.entry_id), ordinal: 0 };
        let entry = Entry::from_bytes(id, &kept.bytes).map_err(broken)?;
        let Reply::Member(reply) = Reply::read(&kept.reply, entry.member).map_err(broken)? else {
            return Err(broken("the reply is not that of an issue"));
        };
        Ok(self.response(issue.caller, kept.entry_id, &entry, &reply, true))
    }
}

/// A line of a receipt as its columns hold it.
struct ReceiptRow {
    date: i64,
    store: String,
    till: String,
    number: String,
    line: i64,
}

impl ReceiptRow {
    fn of(line: &ReceiptLine) -> Self {
        let text = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
        Self {
            date: line.receipt.date.number(),
            store: text(&line.receipt.store),
            till: text(&line.receipt.till),
            number: line.receipt.number.as_str().to_owned(),
            line: i64::from(line.line),
        }
    }
}

/// What is kept of a request.
struct Kept {
    content_hash: Vec<u8>,
    reply: Vec<u8>,
    entry_id: u128,
    bytes: Vec<u8>,
}

fn reply_bytes(reply: &MemberReply) -> Vec<u8> {
    Reply::Member(reply.clone()).kept(Some(reply.member))
}

fn booked_before() -> Status {
    Status::already_exists("DUPLICATE_RECEIPT")
}

fn broken(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

/// The earlier of two expiries with its points: that of the lots there were, and that of the new lot.
fn next_expiry(known: Option<(i64, i64)>, new: (i64, i64)) -> (i64, i64) {
    match known {
        Some((expires, points)) if expires == new.0 => (expires, points + new.1),
        Some(known) if known.0 < new.0 => known,
        Some(_) | None => new,
    }
}

/// The canonical bytes of an issue such as the workload asks for.
///
/// # Errors
/// If the rules refuse it.
pub fn sample_entry(house: &Arc<House>, clock: &Clock) -> Result<Vec<u8>, Status> {
    let key = Arc::new(IdentifierKey::new(crate::coalition::IDENTIFIER_KEY));
    let opaque = Arc::new(Opaque::new(&key));
    let desk = Desk { house: Arc::clone(house), clock: clock.clone(), key, opaque };
    let mut workload = crate::workload::Workload::new(1, 1, clock.clone(), crate::workload::Spread::Even, 0..1000);
    let issue = desk.issue(crate::coalition::partner(0), workload.issue())?;
    let member = MemberRow { id: issue.fresh_member, entry_no: 7, available: 0, window: 1 };
    Ok(desk.entry(&issue, &member)?.to_bytes())
}
