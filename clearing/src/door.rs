//! What a connection and the calls on it may cost the house, so that neither a stranger nor one partner can hurt the
//! others.
//!
//! | what comes | what bounds it | beyond it |
//! |---|---|---|
//! | connections whose peer is not known yet, or has not begun to speak HTTP/2 | `waiting`: per address and in all; short times to the first byte, for the handshake, and to the preface | the one that has said nothing for longest is closed |
//! | open connections | per partner and in all; descriptors are kept for the database ([`files`]) | the partner's connection that is idle for longest is closed; if none is idle the new one is refused |
//! | frames that ask for nothing | `frames`: a rate per connection | the connection is closed |
//! | calls, and the memory they take | [`budget`]: per partner and in all | `RESOURCE_EXHAUSTED` with a delay |
//! | a request that stands still | [`body`]: a time | `DEADLINE_EXCEEDED` |
//! | an answer that nobody takes | [`connection`]: a time | the connection is closed |
//!
//! Nothing here knows what a call is about: how much it is thought to take is said by who admits it.

pub mod body;
pub mod budget;
pub mod connection;
pub mod files;
mod frames;
mod guard;
pub mod sample;
mod waiting;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use clearing_core::facts::credential::{Revoked, Serial};
use clearing_core::units::Timestamp;
use futures::task::AtomicWaker;
use tokio_util::sync::CancellationToken;

use self::budget::Budget;
pub use self::connection::{Connection, Held};
pub(crate) use self::guard::Guard;
use self::sample::Sample;
pub(crate) use self::waiting::Seat;
use self::waiting::Waiting;
use crate::clock;

/// Everything that the door limits. Each number is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// From the connection to the first byte.
    pub first_byte: Duration,
    /// From the connection to the end of the handshake.
    pub handshake: Duration,
    /// From the end of the handshake to the preface of HTTP/2.
    pub preface: Duration,
    /// Connections that have not come so far, in all and per address. An IPv6 address counts with its /64.
    pub waiting: usize,
    pub waiting_per_address: usize,
    /// Open connections, in all and per partner.
    pub connections: usize,
    pub connections_per_partner: usize,
    /// Calls in flight, in all and per partner.
    pub calls: usize,
    pub calls_per_partner: usize,
    /// Bytes that calls in flight take, requests and answers, in all and per partner.
    pub bytes: usize,
    pub bytes_per_partner: usize,
    /// So long may a body stand still in either direction.
    pub still: Duration,
}

impl Default for DoorLimits {
    /// Far above what a till, an app or a nightly import needs; in sum some hundred megabytes.
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(3),
            handshake: Duration::from_secs(10),
            preface: Duration::from_secs(3),
            waiting: 1_024,
            waiting_per_address: 128,
            connections: 4_096,
            connections_per_partner: 128,
            calls: 16_384,
            calls_per_partner: 4_096,
            bytes: 96 << 20,
            bytes_per_partner: 32 << 20,
            still: Duration::from_secs(30),
        }
    }
}

/// How a stream with nothing to say between two of its messages may go on, as a multiple of [`DoorLimits::still`]: an
/// import may look for its next batch for a while.
const PAUSES: u32 = 10;

/// A connection whose identity is known, and that cannot be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("its partner has {0} connections, the most it may have, and none of them is idle")]
    Partner(usize),
    #[error("there are {0} connections, the most there may be, and none of them is idle")]
    House(usize),
}

/// What all connections and calls cost at the moment, and their limits. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: DoorLimits,
    begun: Instant,
    waiting: Arc<Waiting>,
    budget: Arc<Budget>,
    open: Mutex<Open>,
    next: AtomicU64,
    /// Calls whose request was heard to its end and that are not answered.
    working: AtomicUsize,
    calls: AtomicUsize,
    stopping: CancellationToken,
    refused: Sample,
    cut: Sample,
}

/// Open connections, by the name of who holds them.
#[derive(Debug, Default)]
struct Open {
    of: HashMap<Arc<str>, Vec<Arc<Connection>>>,
    all: usize,
}

impl Default for Door {
    fn default() -> Self {
        Self::new(DoorLimits::default())
    }
}

impl Door {
    pub fn new(limits: DoorLimits) -> Self {
        Self(Arc::new(Inner {
            limits,
            begun: Instant::now(),
            waiting: Arc::new(Waiting::new(limits.waiting, limits.waiting_per_address)),
            budget: Arc::new(Budget::new(&limits)),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            working: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            stopping: CancellationToken::new(),
            refused: Sample::default(),
            cut: Sample::default(),
        }))
    }

    pub fn limits(&self) -> &DoorLimits {
        &self.0.limits
    }

    /// Lets a connection wait; if too many do, the one that has said nothing for longest goes.
    pub(crate) fn wait(&self, address: IpAddr) -> Seat {
        Waiting::take(&self.0.waiting, address)
    }

    /// Lets in a connection whose peer is known.
    ///
    /// # Errors
    /// [`Full`] if there is no room and none can be made.
    pub(crate) fn enter(&self, name: &str) -> Result<Arc<Connection>, Full> {
        let limits = &self.0.limits;
        let mut open = lock(&self.0.open);
        let own = open.of.get(name).map_or(0, Vec::len);
        if own >= limits.connections_per_partner && !open.close_idle(name) {
            return Err(Full::Partner(own));
        }
        if open.all >= limits.connections {
            let most = open.of.iter().max_by_key(|(_, held)| held.len()).map(|(name, _)| Arc::clone(name));
            if !most.is_some_and(|name| open.close_idle(&name)) {
                return Err(Full::House(open.all));
            }
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let account = self.0.budget.account(name);
        let connection = Arc::new(Connection::new(id, account, self.clone()));
        open.of.entry(Arc::clone(connection.name())).or_default().push(Arc::clone(&connection));
        open.all += 1;
        Ok(connection)
    }

    fn leave(&self, connection: &Connection) {
        lock(&self.0.open).remove(connection.name(), connection.id());
    }

    /// How many connections are open, and of how many calls the request was heard and is not answered.
    pub fn counts(&self) -> DoorCounts {
        DoorCounts {
            waiting: self.0.waiting.len(),
            connections: lock(&self.0.open).all,
            calls: self.0.calls.load(Ordering::Relaxed),
            working: self.0.working.load(Ordering::Relaxed),
            bytes: self.0.budget.bytes(),
        }
    }

    /// From now on streams end at their next pause.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Closes every connection, with whatever is on it.
    pub fn close_all(&self) {
        for connection in lock(&self.0.open).of.values().flatten() {
            connection.cut();
        }
    }

    /// Closes the connections whose certificates were revoked or have ended, idle ones too.
    pub fn close_over(&self, revoked: Option<&Revoked>, now: Timestamp) {
        let open: Vec<_> = lock(&self.0.open).of.values().flatten().cloned().collect();
        for connection in open {
            let Some(why) = connection.is_over(revoked, now) else { continue };
            connection.cut();
            if let Some(left_out) = self.0.cut.turn() {
                let serial = connection.held().map(|held| held.serial);
                tracing::info!(caller = &**connection.name(), ?serial, left_out, "connection closed: {why}");
            }
        }
    }

    /// Closes the connections for which nothing vouches but an authority of the partner's own that is gone.
    pub fn close_by_own_authority(&self, is_gone: impl Fn(&str) -> bool) {
        let open: Vec<_> = lock(&self.0.open).of.values().flatten().cloned().collect();
        for connection in open {
            let over = |held: &&Held| held.by_own_authority && is_gone(held.holder.id.as_str());
            if let Some(held) = connection.held().filter(over) {
                connection.cut();
                if let Some(left_out) = self.0.cut.turn() {
                    let (caller, serial) = (&**connection.name(), held.serial);
                    tracing::info!(caller, %serial, left_out, "connection closed: its own authority was taken away");
                }
            }
        }
    }

    /// How many connections are open that showed a certificate.
    pub fn connections_of(&self, name: &str, serial: Serial) -> usize {
        let open = lock(&self.0.open);
        let held = open.of.get(name).map_or(&[][..], |held| held);
        held.iter().filter(|connection| connection.held().is_some_and(|held| held.serial == serial)).count()
    }

    /// Looks after connections whose certificates end, and on which an answer stands still. Never ends; to be run beside the server.
    pub async fn watch(self) {
        let still = self.0.limits.still;
        let pause = (still / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            tokio::time::sleep(pause).await;
            self.close_over(None, clock::machine_time());
            let open: Vec<_> = lock(&self.0.open).of.values().flatten().cloned().collect();
            for connection in open.iter().filter(|connection| connection.stands_still(still)) {
                connection.cut();
                if let Some(left_out) = self.0.cut.turn() {
                    tracing::info!(
                        caller = &**connection.name(),
                        left_out,
                        "connection closed: nobody took an answer for {still:?}"
                    );
                }
            }
            for (sample, what) in [(&self.0.refused, "refused"), (&self.0.cut, "closed")] {
                if let Some(left_out) = sample.rest() {
                    tracing::info!(left_out, "more connections were {what}");
                }
            }
        }
    }

    /// Lines about connections that were not let in.
    pub(crate) fn refused(&self) -> &Sample {
        &self.0.refused
    }

    pub(crate) fn cut(&self) -> &Sample {
        &self.0.cut
    }
}

/// What the door has to do with at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorCounts {
    /// Connections whose peer is not known, or has not begun to speak.
    pub waiting: usize,
    pub connections: usize,
    pub calls: usize,
    /// Calls whose request was heard to its end and that are not answered.
    pub working: usize,
    /// What calls in flight are thought to take.
    pub bytes: usize,
}

impl Open {
    /// Closes the connection of this holder that is idle for longest; false if none is.
    fn close_idle(&mut self, name: &str) -> bool {
        let held = self.of.get(name).map_or(&[][..], |held| held);
        let idle = held.iter().filter(|connection| connection.is_idle()).min_by_key(|idle| idle.last_used());
        let Some(idle) = idle.cloned() else { return false };
        idle.cut();
        self.remove(name, idle.id());
        true
    }

    fn remove(&mut self, name: &str, id: u64) {
        let Some(held) = self.of.get_mut(name) else { return };
        if let Some(at) = held.iter().position(|connection| connection.id() == id) {
            held.swap_remove(at);
            self.all -= 1;
        }
        if held.is_empty() {
            self.of.remove(name);
        }
    }
}

/// Something that one task waits for beside other things, and that is said once.
#[derive(Debug, Default)]
struct Latch {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl Latch {
    fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    fn is_set(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.set.load(Ordering::SeqCst)
    }
}

/// What these locks guard is whole at every moment, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
