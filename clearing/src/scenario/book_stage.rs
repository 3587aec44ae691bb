//! The rules alone, in memory, as a stage for scenarios: no writer, no database, no network.

use std::convert::Infallible;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::chart::PointsAccount;
use clearing_core::command::{Command, MemberRef, Reply as CoreReply, Request, ReversalTarget};
use clearing_core::journal::{Entry, EntryKind, LotMove, Origin};
use clearing_core::settlement::Window;
use clearing_core::terms::House;
use clearing_core::units::{BatchId, EntryId, IdentifierHash, MemberId, Points, RequestId, Timestamp, WindowNumber};
use sha2::{Digest, Sha256};

use super::player::{Balances, Call, LotMoved, Posted, Reply, Stage, WindowView, Wish};

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

    /// The member for whom something is due next, and when.
    fn next_due(&self) -> Option<(Timestamp, MemberId)> {
        let zone = &self.book.house.coalition.time_zone;
        let own = self.book.members.values().map(|member| (member.next_due(zone), member.id));
        // Points that wait for a payment are due when it is there, and not before they are to be released.
        let waiting = self.book.lots.values().filter(|lot| lot.pending.0 > 0);
        let paid = waiting.filter_map(|lot| {
            let funded = self.book.funded_at(lot.release_window?, lot.issuer)?;
            Some((lot.activates.map_or(funded, |activates| activates.max(funded)), lot.id.member))
        });
        own.chain(paid).min()
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
                    CoreReply::Member(member) => {
                        reply.member = Some(member.member);
                        reply.reversed = member.reversed;
                        reply.to_member = self.receiver(&reply.entries);
                    }
                    CoreReply::Abandoned(abandoned) => reply.abandoned = Some(abandoned),
                    CoreReply::House(_) => {}
                }
            }
        }
        reply
    }

    /// The member that points went to, if the answer is that to a transfer.
    fn receiver(&self, entries: &[EntryId]) -> Option<MemberId> {
        let entry = self.book.entries.get(entries.first()?)?;
        let made = entry.lots.iter().find(|moved| moved.birth.is_some());
        made.filter(|_| entry.kind == EntryKind::Transfer).map(|moved| moved.lot.member)
    }

    fn request(&mut self, call: Call) -> Request {
        let command = match call.wish {
            Wish::Issue { member, earn } => Command::Issue { member: named(&member), earn },
            Wish::Redeem { member, points } => Command::Redeem { member: named(&member), points },
            Wish::Authorize { member, points, lapses } => Command::Authorize { member: named(&member), points, lapses },
            Wish::Capture { hold, points } => Command::Capture { hold, points },
            Wish::Void { hold } => Command::Void { hold },
            Wish::Reverse { issue, points, refuse_shortfall } => {
                Command::Reverse { target: ReversalTarget::Entry(issue), points, refuse_shortfall }
            }
            Wish::Transfer { member, to, points } => {
                Command::Transfer { member: named(&member), to: named(&to), points }
            }
            Wish::Decay { member, rate, period } => Command::Decay { member: named(&member), rate, period },
            Wish::Return { redemption, points } => Command::Return { redemption, points },
            Wish::Abandon { request } => Command::Abandon { request },
            Wish::House(command) => Command::House(command),
        };
        self.members += 1;
        Request {
            caller: call.by,
            request_id: Some(call.request),
            origin: call.origin,
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
            let due = self.next_due();
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
        for member in members.iter().filter_map(|id| self.book.members.get(id)) {
            let id = member.id;
            let available = i64::try_from(member.available()).expect("the book checks that what a member has fits");
            points.insert(PointsAccount::Member(id), Points(available));
            points.insert(PointsAccount::Held(id), member.held());
            points.insert(PointsAccount::Pending(id), member.pending());
            points.insert(PointsAccount::Debt(id), Points(-member.owed().0));
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
        lots: entry.lots.iter().map(lot_moved).collect(),
    }
}

fn lot_moved(moved: &LotMove) -> LotMoved {
    let net = moved.net().expect("the book checks that the points of an entry fit");
    // What a hold reserves or releases changes the state of points and not their number.
    let points = if net.is_zero() { moved.held } else { net };
    LotMoved { lot: moved.lot, issuer: moved.issuer, points: Points(points.0.abs()), made: moved.birth.is_some() }
}
