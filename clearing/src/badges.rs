//! What the house has on the certificate that a connection was opened with: whose it is, what it may be used for, which device
//! it is of. It is looked up once for a connection, as none of that ever changes; what is revoked is looked up at every call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use clearing_core::facts::credential::{Badge, Credential, Device, Scope, Scopes, Serial};

use crate::clock;
use crate::door::Held;

/// A certificate, as the house knows it.
#[derive(Debug)]
pub struct Shown {
    held: Held,
    scopes: Scopes,
    device: Option<Device>,
    rate: Option<Arc<Rate>>,
}

impl Shown {
    /// One that the house did not issue: made by hand, it may do all that its holder may.
    pub fn by_hand(held: Held) -> Self {
        Self { held, scopes: Scopes::WHOLE, device: None, rate: None }
    }

    /// One of an authority of the partner's own, which looks after its certificates itself: with one of them nobody asks for
    /// further ones, nor ends any. Its serial number may be that of another's.
    pub fn by_own_authority(held: Held) -> Self {
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Credentials).collect();
        Self { held, scopes, device: None, rate: None }
    }

    pub fn is_by_own_authority(&self) -> bool {
        self.held.by_own_authority
    }

    /// One of the house's own.
    pub fn of(held: Held, credential: Credential, devices: &Devices) -> Self {
        let Credential { scopes, device, .. } = credential;
        let rate = device.as_ref().and_then(|device| devices.rate(held.serial, device.calls_per_second));
        Self { held, scopes, device, rate }
    }

    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    pub fn serial(&self) -> Serial {
        self.held.serial
    }

    /// As a request carries it that is made now.
    pub fn badge(&self) -> Badge {
        let Held { serial, holder, begins, .. } = self.held;
        Badge { serial, holder, scopes: self.scopes, begins, now: clock::machine_time() }
    }

    /// Takes a call of those that its device may make.
    ///
    /// # Errors
    /// [`TooFast`] if it has made as many within a second.
    pub fn count_call(&self) -> Result<(), TooFast> {
        self.rate.as_ref().map_or(Ok(()), |rate| rate.take(Instant::now()))
    }
}

tokio::task_local! {
    /// The certificate with which the call was made that runs in here.
    pub(crate) static SHOWN: Arc<Shown>;
}

/// A device has made all the calls that it may make in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    pub per_second: u16,
    pub retry_after: Duration,
}

/// Calls of one device: as many at once as it may make in a second, and from then on as they come back.
#[derive(Debug)]
struct Rate {
    per_second: u16,
    /// When all calls would be there again.
    full_at: Mutex<Instant>,
}

impl Rate {
    fn new(per_second: u16) -> Self {
        Self { per_second, full_at: Mutex::new(Instant::now()) }
    }

    fn take(&self, now: Instant) -> Result<(), TooFast> {
        let each = Duration::from_secs(1) / u32::from(self.per_second.max(1));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + each;
        let latest = now + Duration::from_secs(1);
        if next > latest {
            return Err(TooFast { per_second: self.per_second, retry_after: next - latest });
        }
        *full_at = next;
        Ok(())
    }
}

/// The devices that are connected to this node and have a limit of their own: connections of one share what it may do.
#[derive(Debug, Clone, Default)]
pub struct Devices(Arc<Mutex<HashMap<Serial, Weak<Rate>>>>);

impl Devices {
    fn rate(&self, serial: Serial, per_second: u16) -> Option<Arc<Rate>> {
        if per_second == 0 {
            return None;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = known.get(&serial).and_then(Weak::upgrade) {
            return Some(rate);
        }
        known.retain(|_, rate| rate.strong_count() > 0);
        let rate = Arc::new(Rate::new(per_second));
        known.insert(serial, Arc::downgrade(&rate));
        Some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_makes_as_many_calls_in_a_second_as_it_may_and_then_waits_for_the_next() {
        let rate = Rate::new(4);
        let begin = Instant::now() + Duration::from_secs(1);
        let taken = (0..10).filter(|_| rate.take(begin).is_ok()).count();
        assert_eq!(taken, 4);
        let refused = rate.take(begin).unwrap_err();
        assert_eq!((refused.per_second, refused.retry_after), (4, Duration::from_millis(250)));
        assert!(rate.take(begin + refused.retry_after).is_ok());
        assert!(rate.take(begin + refused.retry_after).is_err());
    }
}
