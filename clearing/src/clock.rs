//! The one home of what a process cannot decide by rule: what time it is, and what is random.
//!
//! The house reads its time here, once per batch. A sandbox has a clock that stands still until it is moved; a house has the
//! [machine's](machine), which may be wrong.

pub mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clearing_core::units::{MemberId, Timestamp};

pub use self::machine::{Against, DatabaseTime, Machine, StartRules, WrongClock};

/// Where the house gets its time from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock. It never runs back within one process.
    System(Arc<Machine>),
    /// Stands still until it is set.
    Manual { now: Arc<AtomicI64> },
}

impl Clock {
    pub fn system() -> Self {
        Self::system_with(StartRules::default())
    }

    pub fn system_with(rules: StartRules) -> Self {
        Self::System(Arc::new(Machine::new(rules, Arc::default())))
    }

    /// The machine's clock as if somebody had set it wrong by so many microseconds, for tests of what comes of that.
    pub fn system_set_wrong(rules: StartRules, by_micros: Arc<AtomicI64>) -> Self {
        Self::System(Arc::new(Machine::new(rules, by_micros)))
    }

    pub fn manual(now: Timestamp) -> Self {
        Self::Manual { now: Arc::new(AtomicI64::new(now.0)) }
    }

    /// What time it is, as far as is known: where the machine's clock is wrong, it goes on from where it was right.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System(machine) => machine.read().0,
            Self::Manual { now } => Timestamp(now.load(Ordering::Relaxed)),
        }
    }

    /// What time it is, for whoever writes by it.
    ///
    /// # Errors
    /// The clock is wrong: nothing is to be written by it.
    pub fn now_to_write(&self) -> Result<Timestamp, WrongClock> {
        match self {
            Self::System(machine) => match machine.read() {
                (now, None) => Ok(now),
                (_, Some(wrong)) => Err(wrong),
            },
            Self::Manual { .. } => Ok(self.now()),
        }
    }

    /// What is wrong with the clock, if anything is.
    pub fn wrong(&self) -> Option<WrongClock> {
        self.now_to_write().err()
    }

    /// Why callers have to wait although the clock is right now, if they have: it was wrong, and the house has not yet caught
    /// up with what it missed.
    pub fn paused(&self) -> Option<WrongClock> {
        match self {
            Self::System(machine) => machine.paused(),
            Self::Manual { .. } => None,
        }
    }

    /// Moves a manual clock forward; it never runs back. Does nothing to the machine's clock.
    pub fn advance_to(&self, time: Timestamp) {
        match self {
            Self::System(_) => {}
            Self::Manual { now } => {
                now.fetch_max(time.0, Ordering::Relaxed);
            }
        }
    }

    /// By what time clients make the ids of requests, where that is not this clock's: theirs goes on while it stands still.
    pub fn clients_time(&self) -> Option<Timestamp> {
        self.is_manual().then(|| Self::system().now())
    }

    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual { .. })
    }
}

/// What the machine's clock says, whatever the house's says: certificates begin and end by it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the time")]
pub fn machine_time() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// A new UUIDv7: its first bits are the machine's time, so that rows with such keys are appended.
#[allow(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh_uuid() -> u128 {
    uuid::Uuid::now_v7().as_u128()
}

/// The id of a new member. It is random (UUIDv4): one that began with a time would tell everybody who sees the member when it
/// was enrolled.
#[allow(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh_member_id() -> MemberId {
    MemberId(uuid::Builder::from_random_bytes(random_bytes()).into_uuid().as_u128())
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
