//! The one home of what a process cannot decide by rule: what time it is, and what is random.
//!
//! The house reads its time here, once per batch. A sandbox has a clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clearing_core::units::Timestamp;

/// Where the house gets its time from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock. It never runs back within one process.
    System { latest: Arc<AtomicI64> },
    /// Stands still until it is set.
    Manual { now: Arc<AtomicI64> },
}

impl Clock {
    pub fn system() -> Self {
        Self::System { latest: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    pub fn manual(now: Timestamp) -> Self {
        Self::Manual { now: Arc::new(AtomicI64::new(now.0)) }
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System { latest } => {
                let now = Timestamp::from_jiff(jiff::Timestamp::now()).0;
                Timestamp(latest.fetch_max(now, Ordering::Relaxed).max(now))
            }
            Self::Manual { now } => Timestamp(now.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock forward; it never runs back. Does nothing to the machine's clock.
    pub fn advance_to(&self, time: Timestamp) {
        match self {
            Self::System { .. } => {}
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

/// A new UUIDv7: its first bits are the machine's time, so that rows with such keys are appended.
#[allow(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh_uuid() -> u128 {
    uuid::Uuid::now_v7().as_u128()
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let rng = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    rng.fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
