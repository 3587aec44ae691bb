//! The rules alone, in memory, as a stage for scenarios: no writer, no database, no network.

use std::convert::Infallible;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::chart::PointsAccount;
use clearing_core::command::{Command, MemberRef, Reply as CoreReply, Request};
use clearing_core::journal::{Entry, Origin};
use clearing_core::settlement::Window;
use clearing_core::terms::House;
use clearing_core::units::{BatchId, EntryId, IdentifierHash, MemberId, Points, RequestId, Timestamp, WindowNumber};
use sha2::{Digest, Sha256};

use super::player::{Balances, Call, Posted, Reply, Stage, WindowView, Wish};

/// A [`Book`] that holds a whole coalition, and its clock.
#[derive(Debug)]
pub struct BookStage {
    pub book: Book,
    now: Timestamp,
    batches: u128,
    members: u128,
}

impl BookStage {
    /// A house whose first window opens at `start`.
    pub fn new(house: House, start: Timestamp) -> Self {
        let mut book = Book::new(Arc::new(house), 1);
        book.windows.insert(1, Window::first(start));
        Self { book, now: start, batches: 0, members: 0 }
    }

    /// Takes one request as a batch of its own.
    fn execute(&mut self, request: &Request) -> Reply {
        self.batches += 1;
        self.book.begin_batch(BatchId(self.batches));
        let answer = self.book.execute(request, self.now);
        let written = self.book.take_changes().entries;
        let written = written.into_iter().map(|id| posted(id, &self.book.entries[&id])).collect();
        let mut reply = Reply { written, replayed: answer.replayed, ..Reply::default() };
        match answer.result {
            Err(rejection) => reply.rejected = Some(rejection.reason().to_owned()),
            Ok(accepted) => {
                reply.entries = accepted.entries;
                match accepted.reply {
                    CoreReply::Member(member) => reply.member = Some(member.member),
                    CoreReply::Abandoned(abandoned) => reply.abandoned = Some(abandoned),
                    CoreReply::House(_) => {}
                }
            }
        }
        reply
    }

    fn request(&mut self, call: Call) -> Request {
        let command = match call.wish {
            Wish::Issue { member, points, expires } => Command::Issue {
                member: named(&member),
                earn: clearing_core::command::Earn { expires, ..clearing_core::command::Earn::points(points) },
            },
            Wish::Redeem { member, points } => Command::Redeem { member: named(&member), points },
            Wish::Return { redemption, points } => Command::Return { redemption, points },
            Wish::Abandon { request } => Command::Abandon { request },
            Wish::House(command) => Command::House(command),
        };
        self.members += 1;
        Request {
            caller: call.by,
            request_id: Some(call.request),
            origin: Origin::default(),
            command,
            fresh_member: MemberId(self.members),
            attachment: None,
        }
    }
}

impl Stage for BookStage {
    type Error = Infallible;

    async fn advance_time(&mut self, to: Timestamp) -> Result<Vec<Posted>, Infallible> {
        let mut written = Vec::new();
        loop {
            let due = self
                .book
                .members
                .values()
                .map(|member| (member.next_due(&self.book.house.coalition.time_zone), member.id))
                .min();
            let Some((time, member)) = due.filter(|(time, _)| *time <= to) else { break };
            self.now = self.now.max(time);
            let request = Request {
                caller: clearing_core::units::PartnerId::operator(),
                request_id: None::<RequestId>,
                origin: Origin::default(),
                command: Command::RunDue { member },
                fresh_member: member,
                attachment: None,
            };
            written.extend(self.execute(&request).written);
        }
        self.now = self.now.max(to);
        Ok(written)
    }

    async fn call(&mut self, call: Call) -> Result<Reply, Infallible> {
        let request = self.request(call);
        Ok(self.execute(&request))
    }

    async fn window(&mut self, window: WindowNumber) -> Result<Option<WindowView>, Infallible> {
        let view = self.book.windows.get(&window).map(|window| {
            let settlement = window.settlement.as_ref();
            let legs = settlement.iter().flat_map(|settlement| &settlement.legs);
            WindowView {
                state: window.state,
                legs: legs.map(|(partner, leg)| (*partner, leg.amount)).collect(),
                carried: window.participants.iter().map(|(partner, part)| (*partner, part.carried)).collect(),
                saved: settlement.and_then(clearing_core::settlement::Settlement::saved),
                orders: settlement.map_or_else(Vec::new, |settlement| settlement.orders.clone()),
            }
        });
        Ok(view)
    }

    async fn balances(&mut self, members: &[MemberId]) -> Result<Balances, Infallible> {
        let mut points = self.book.points_balances.clone();
        for id in members {
            let available = self.book.members.get(id).map_or(0, clearing_core::member::Member::available);
            let available = i64::try_from(available).expect("the book checks that what a member has fits");
            points.insert(PointsAccount::Member(*id), Points(available));
        }
        Ok(Balances { points, money: self.book.money_balances.clone() })
    }
}

fn named(member: &str) -> MemberRef {
    MemberRef::Identifier(IdentifierHash(Sha256::digest(member.as_bytes()).into()))
}

fn posted(id: EntryId, entry: &Entry) -> Posted {
    Posted {
        id,
        kind: entry.kind,
        points: entry.points.clone(),
        money: entry.money.clone(),
        lots: entry.lots.iter().map(|moved| (moved.lot, moved.points)).collect(),
    }
}
