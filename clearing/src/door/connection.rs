//! An open connection: whose it is, what is under way on it, and what was answered on it and not taken yet.
//!
//! The transport takes a piece of an answer when the peer has room for it. A piece that is offered and not taken for too
//! long stands still, and so does what was taken and never went out on the wire. There is no way to reach into the transport
//! and drop one stream, so the whole connection goes: its peer has stopped listening, or means ill.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Context;
use std::time::{Duration, Instant};

use clearing_core::facts::credential::{Holder, Revoked, Serial};
use clearing_core::units::Timestamp;

use super::body::Call;
use super::budget::{Account, Charge, Exhausted};
use super::{Door, Latch, lock};

/// The certificate that a connection was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub serial: Serial,
    pub holder: Holder,
    /// Its first moment, and its last second.
    pub begins: Timestamp,
    pub ends: Timestamp,
    /// An authority of the partner's own vouches for it, and not the coalition's.
    pub by_own_authority: bool,
}

/// An open connection, as the calls on it and its guard share it.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    account: Arc<Account>,
    door: Door,
    held: OnceLock<Held>,
    cut: Latch,
    calls: AtomicUsize,
    /// Milliseconds after the door was made.
    used: AtomicU64,
    unsent: Mutex<Unsent>,
    /// Answers in `unsent.taken`.
    piled: AtomicUsize,
    /// Bytes of answers that the transport was given and has not written, as far as one can tell from outside.
    backlog: AtomicUsize,
    /// Whether the wire takes nothing at the moment.
    blocked: AtomicBool,
}

#[derive(Debug, Default)]
struct Unsent {
    next: u64,
    /// Since when a piece of an answer waits to be taken.
    offered: BTreeMap<u64, Instant>,
    /// Answers that the transport has taken to their end: since when, and how many bytes of them are not written.
    taken: VecDeque<(Instant, usize, Charge)>,
}

impl Connection {
    pub(super) fn new(id: u64, account: Arc<Account>, door: Door) -> Self {
        let connection = Self {
            id,
            account,
            door,
            held: OnceLock::new(),
            cut: Latch::default(),
            calls: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            unsent: Mutex::default(),
            piled: AtomicUsize::new(0),
            backlog: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
        };
        connection.touch();
        connection
    }

    /// Who holds it.
    pub fn name(&self) -> &Arc<str> {
        &self.account.name
    }

    /// Notes the certificate that it was opened with.
    pub(crate) fn hold(&self, held: Held) {
        // It is opened once.
        let _ = self.held.set(held);
    }

    /// The certificate that it was opened with; none of one that is only counted.
    pub fn held(&self) -> Option<&Held> {
        self.held.get()
    }

    /// Why it is not to stay open, if it is not: its certificate was revoked, or has ended.
    pub(super) fn is_over(&self, revoked: Option<&Revoked>, now: Timestamp) -> Option<&'static str> {
        let Held { serial, holder, begins, ends, by_own_authority: _ } = *self.held()?;
        if revoked.is_some_and(|revoked| revoked.of(serial, holder, begins).is_some()) {
            return Some("its certificate was revoked");
        }
        // It counts in whole seconds, the last of which is its own.
        (now >= ends.plus_seconds(1)).then_some("its certificate has ended")
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    /// Admits a call that is thought to take so many bytes.
    ///
    /// # Errors
    /// [`Exhausted`] if there is no room for it.
    pub fn admit(self: &Arc<Self>, bytes: usize) -> Result<Arc<Call>, Exhausted> {
        let permit = self.account.admit(bytes).inspect_err(|_| self.account.rest())?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.door.0.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Call::new(Arc::clone(self), permit)))
    }

    /// A call was refused for want of room, which cost the house time all the same. Who asks again at once is read less.
    pub fn rest(&self) {
        self.account.rest();
    }

    /// Until when it is not read, as many of its partner's calls were refused.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.account.rests_until()
    }

    pub(super) fn call_ended(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.door.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        let millis = u64::try_from(self.door.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(millis, Ordering::Relaxed);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.load(Ordering::Relaxed) == 0
    }

    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Closes it, with whatever is on it.
    pub fn cut(&self) {
        self.cut.set();
    }

    pub(super) fn is_cut(&self, cx: &Context<'_>) -> bool {
        self.cut.is_set(cx)
    }

    /// A piece of an answer is offered to the transport.
    pub(super) fn offer(&self, bytes: usize) -> u64 {
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        let mut unsent = lock(&self.unsent);
        unsent.next += 1;
        let ticket = unsent.next;
        unsent.offered.insert(ticket, Instant::now());
        ticket
    }

    /// It was taken, or nobody wants it any more.
    pub(super) fn accepted(&self, ticket: u64) {
        lock(&self.unsent).offered.remove(&ticket);
    }

    /// An answer was taken to its end. What may not be written yet of it stays counted until it is.
    pub(super) fn pile(&self, mut charge: Charge) {
        charge.set(charge.bytes.min(self.backlog.load(Ordering::Relaxed)));
        if charge.bytes > 0 {
            lock(&self.unsent).taken.push_back((Instant::now(), charge.bytes, charge));
            self.piled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nobody wants the rest of an answer: what was given of it is not written any more.
    pub(super) fn forget(&self, bytes: usize) {
        self.shrink_backlog(bytes);
    }

    /// So many bytes were written. Heads of frames count as answers here, so it is rather less than more that stays counted.
    pub(super) fn written(&self, mut bytes: usize) {
        self.blocked.store(false, Ordering::Relaxed);
        self.shrink_backlog(bytes);
        if self.piled.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut unsent = lock(&self.unsent);
        while let Some((_, left, _)) = unsent.taken.front_mut() {
            if *left > bytes {
                *left -= bytes;
                break;
            }
            bytes -= *left;
            unsent.taken.pop_front();
            self.piled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn shrink_backlog(&self, bytes: usize) {
        let less = |backlog: usize| Some(backlog.saturating_sub(bytes));
        // The closure never says no.
        let _ = self.backlog.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The wire takes nothing.
    pub(super) fn block(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }

    /// Whether a piece of an answer was not taken for so long, or whole answers lie before a wire that hardly moves.
    pub(super) fn stands_still(&self, still: Duration) -> bool {
        let mut unsent = lock(&self.unsent);
        if unsent.offered.first_key_value().is_some_and(|(_, since)| since.elapsed() > still) {
            return true;
        }
        let old = |unsent: &Unsent| unsent.taken.front().is_some_and(|(since, ..)| since.elapsed() > still * 2);
        if old(&unsent) && self.blocked.load(Ordering::Relaxed) {
            return true;
        }
        // The wire is free, so there is nothing left of them: their callers took them back at the end.
        while old(&unsent) {
            unsent.taken.pop_front();
            self.piled.fetch_sub(1, Ordering::Relaxed);
        }
        false
    }

    pub(crate) fn leave(&self) {
        self.cut();
        self.door.leave(self);
        // What was not written by now never will be.
        *lock(&self.unsent) = Unsent::default();
    }
}
