//! The rules alone, in memory, as a stage for scenarios: no writer, no database, no network.

use std::convert::Infallible;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::chart::PointsAccount;
use clearing_core::command::{Command, Request};
use clearing_core::facts::charges::begin_of;
use clearing_core::facts::coalition::House;
use clearing_core::facts::origin::Origin;
use clearing_core::facts::window::Window;
use clearing_core::rules::charge_schedule::RunCharges;
use clearing_core::rules::due::RunDueWork;
use clearing_core::units::{BatchId, EntryId, MemberId, Points, RequestId, Timestamp, WindowNumber};

use crate::answers::{played, posted, view_of};
use crate::player::{Balances, Call, Played, Posted, Stage, WindowView};

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

    /// What is due next, and when: at one moment charges come before what is a member's.
    fn next_due(&self) -> Option<(Timestamp, Command)> {
        let zone = &self.book.house.coalition.time_zone;
        let charges = self.book.charges.iter();
        let charges = charges.filter_map(|((partner, _), charge)| Some((begin_of(charge.next?, zone), *partner)));
        let member = self.next_due_of_member();
        match charges.min() {
            Some((time, partner)) if member.is_none_or(|(due, _)| time <= due) => {
                Some((time, Command::RunCharges(RunCharges { partner })))
            }
            Some(_) | None => member.map(|(time, member)| (time, Command::RunDueWork(RunDueWork { member }))),
        }
    }

    fn next_due_of_member(&self) -> Option<(Timestamp, MemberId)> {
        let zone = &self.book.house.coalition.time_zone;
        let own = self.book.members.values().map(|member| (member.next_due(zone), member.id));
        // Points that wait for a payment are due when it is there, and not before they are to be released.
        let waiting = self.book.lots.values().filter(|lot| lot.pending.0 > 0);
        let paid = waiting.filter_map(|lot| {
            let (window, issuer) = (lot.release_window?, lot.issuer);
            if let Some(cancelled) = self.book.cancelled_at(window, issuer) {
                return Some((cancelled, lot.id.member));
            }
            let funded = self.book.funded_at(window, issuer)?;
            Some((lot.activates.map_or(funded, |activates| activates.max(funded)), lot.id.member))
        });
        own.chain(paid).min()
    }

    /// Takes one request as a batch of its own.
    fn execute(&mut self, request: &Request) -> Played {
        self.batches += 1;
        self.book.begin_batch(BatchId(self.batches));
        let answer = self.book.execute(request, self.now);
        let written = self.book.take_changes().entries;
        let written = written.into_iter().map(|id| posted(id, &self.book.entries[&id])).collect();
        let written_now = |id: &EntryId| self.book.entries.get(id).map(Arc::as_ref);
        played(&answer, written, written_now)
    }

    fn request(&mut self, call: Call) -> Request {
        self.members += 1;
        Request {
            caller: call.by.partner,
            request_id: Some(call.request),
            origin: call.origin,
            command: call.command,
            fresh_member: MemberId(self.members),
            fresh_salt: [7; 16],
            person: call.by.person,
            attachment: None,
            badge: None,
        }
    }
}

impl Stage for BookStage {
    type Error = Infallible;

    async fn advance_time(&mut self, to: Timestamp) -> Result<Vec<Posted>, Infallible> {
        let mut written = Vec::new();
        loop {
            let due = self.next_due();
            let Some((time, command)) = due.filter(|(time, _)| *time <= to) else { break };
            self.now = self.now.max(time);
            let request = Request {
                caller: clearing_core::units::PartnerId::operator(),
                request_id: None::<RequestId>,
                origin: Origin::default(),
                command,
                fresh_member: MemberId(0),
                fresh_salt: [7; 16],
                person: None,
                attachment: None,
                badge: None,
            };
            written.extend(self.execute(&request).written);
        }
        self.now = self.now.max(to);
        Ok(written)
    }

    async fn call(&mut self, call: Call) -> Result<Played, Infallible> {
        let request = self.request(call);
        Ok(self.execute(&request))
    }

    async fn window(&mut self, window: WindowNumber) -> Result<Option<WindowView>, Infallible> {
        Ok(self.book.windows.get(&window).map(view_of))
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
