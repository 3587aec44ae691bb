//! How many calls may be in flight, and how much memory they may take: per partner and in all.
//!
//! What is used up by others never keeps a partner out entirely: up to an eighth of its own share it is let in although
//! all is used. So several greedy partners together cannot shut out a modest one, and the sum stays bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::{DoorLimits, lock};

/// The part of its share up to which a partner is let in although all is used.
const MODEST: usize = 8;

/// For how long a partner's connections are not read after a call of it was refused, and after many were.
const REST: Duration = Duration::from_micros(500);
const REST_MAX: Duration = Duration::from_millis(100);
/// For how long after that they are read a little at a time.
const CAREFUL: Duration = Duration::from_secs(1);

/// There is no room for a call, or for more of it. The text is for its caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    #[error("{whose} {used} calls in flight; the most is {most}")]
    Calls { whose: Whose, used: usize, most: usize },
    #[error("{whose} calls in flight that take {used} bytes, and this one asks for {asked} more; the most is {most}")]
    Bytes { whose: Whose, used: usize, asked: usize, most: usize },
}

/// Whose share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Callers,
    Everybodys,
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Callers => "you have",
            Self::Everybodys => "the house has",
        })
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    calls: Pot,
    bytes: Pot,
    accounts: Mutex<HashMap<Arc<str>, Weak<Account>>>,
}

#[derive(Debug)]
struct Pot {
    most: usize,
    most_of_one: usize,
    used: AtomicUsize,
}

impl Pot {
    fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, used: AtomicUsize::new(0) }
    }

    /// Takes what is asked for, or says whose share has how much used of how much.
    fn take(&self, own: &AtomicUsize, asked: usize) -> Result<(), (Whose, usize, usize)> {
        let before = own.fetch_add(asked, Ordering::Relaxed);
        if before + asked > self.most_of_one {
            own.fetch_sub(asked, Ordering::Relaxed);
            return Err((Whose::Callers, before, self.most_of_one));
        }
        let all = self.used.fetch_add(asked, Ordering::Relaxed);
        if all + asked > self.most && before + asked > self.most_of_one / MODEST {
            self.give(own, asked);
            return Err((Whose::Everybodys, all, self.most));
        }
        Ok(())
    }

    fn take_anyway(&self, own: &AtomicUsize, asked: usize) {
        own.fetch_add(asked, Ordering::Relaxed);
        self.used.fetch_add(asked, Ordering::Relaxed);
    }

    fn give(&self, own: &AtomicUsize, back: usize) {
        own.fetch_sub(back, Ordering::Relaxed);
        self.used.fetch_sub(back, Ordering::Relaxed);
    }
}

impl Budget {
    pub fn new(limits: &DoorLimits) -> Self {
        Self {
            calls: Pot::new(limits.calls, limits.calls_per_partner),
            bytes: Pot::new(limits.bytes, limits.bytes_per_partner),
            accounts: Mutex::default(),
        }
    }

    /// The account of a partner, shared by all its connections.
    pub fn account(self: &Arc<Self>, name: &str) -> Arc<Account> {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get(name).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let name: Arc<str> = Arc::from(name);
        let account = Arc::new(Account {
            budget: Arc::clone(self),
            name: Arc::clone(&name),
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            rests_until: Mutex::default(),
        });
        accounts.insert(name, Arc::downgrade(&account));
        account
    }

    pub fn bytes(&self) -> usize {
        self.bytes.used.load(Ordering::Relaxed)
    }
}

/// What one partner uses.
#[derive(Debug)]
pub(super) struct Account {
    budget: Arc<Budget>,
    pub name: Arc<str>,
    calls: AtomicUsize,
    bytes: AtomicUsize,
    rests_until: Mutex<Option<Instant>>,
}

impl Account {
    /// Notes that a call was refused, which cost the house time all the same. For each its partner's connections are not
    /// read for a moment, so that who asks again at once does not fill the house with refusals.
    pub fn rest(&self) {
        let now = Instant::now();
        let mut until = lock(&self.rests_until);
        *until = Some((until.map_or(now, |until| until.max(now)) + REST).min(now + REST_MAX));
    }

    /// Until when its connections are not read, if that is to come or not long ago.
    pub fn rests_until(&self) -> Option<Instant> {
        let until = (*lock(&self.rests_until))?;
        (Instant::now() < until + CAREFUL).then_some(until)
    }

    /// Admits a call that will take so many bytes, as far as is known.
    pub fn admit(self: &Arc<Self>, bytes: usize) -> Result<Permit, Exhausted> {
        let full = |(whose, used, most)| Exhausted::Calls { whose, used, most };
        self.budget.calls.take(&self.calls, 1).map_err(full)?;
        let mut permit = Permit { account: Arc::clone(self), charge: Charge { account: Arc::clone(self), bytes: 0 } };
        permit.charge.add(bytes)?;
        Ok(permit)
    }
}

/// A call that was admitted; gives everything back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    account: Arc<Account>,
    pub charge: Charge,
}

impl Permit {
    /// The call is over, and what it takes is not given back yet.
    pub fn take_charge(&mut self) -> Charge {
        let none = Charge { account: Arc::clone(&self.account), bytes: 0 };
        std::mem::replace(&mut self.charge, none)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.account.budget.calls.give(&self.account.calls, 1);
    }
}

/// Bytes that are taken until it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    account: Arc<Account>,
    pub bytes: usize,
}

impl Charge {
    pub fn add(&mut self, asked: usize) -> Result<(), Exhausted> {
        let full = |(whose, used, most)| Exhausted::Bytes { whose, used, asked, most };
        self.account.budget.bytes.take(&self.account.bytes, asked).map_err(full)?;
        self.bytes += asked;
        Ok(())
    }

    /// Sets it to what is really taken: what was done is not refused any more.
    pub fn set(&mut self, bytes: usize) {
        let pot = &self.account.budget.bytes;
        if bytes > self.bytes {
            pot.take_anyway(&self.account.bytes, bytes - self.bytes);
        } else {
            pot.give(&self.account.bytes, self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(calls: usize, calls_per_partner: usize, bytes: usize, bytes_per_partner: usize) -> Arc<Budget> {
        let limits = DoorLimits { calls, calls_per_partner, bytes, bytes_per_partner, ..DoorLimits::default() };
        Arc::new(Budget::new(&limits))
    }

    #[test]
    fn a_partner_has_its_share_and_gets_it_back() {
        let budget = budget(100, 2, 1_000, 100);
        let account = budget.account("A");
        let (first, _second) = (account.admit(40).unwrap(), account.admit(40).unwrap());
        let calls = account.admit(1).unwrap_err();
        assert_eq!(calls, Exhausted::Calls { whose: Whose::Callers, used: 2, most: 2 });
        drop(first);
        let bytes = account.admit(61).unwrap_err();
        assert_eq!(bytes, Exhausted::Bytes { whose: Whose::Callers, used: 40, asked: 61, most: 100 });
        drop(account.admit(60).unwrap());
        assert_eq!(budget.bytes(), 40);
    }

    #[test]
    fn a_modest_partner_gets_in_although_all_is_used() {
        let budget = budget(100, 100, 200, 160);
        let greedy = [budget.account("A"), budget.account("B")];
        let _held = [greedy[0].admit(160).unwrap(), greedy[1].admit(40).unwrap()];
        let refused = greedy[1].admit(1).unwrap_err();
        assert_eq!(refused, Exhausted::Bytes { whose: Whose::Everybodys, used: 200, asked: 1, most: 200 });
        let modest = budget.account("C");
        let _in = modest.admit(20).unwrap();
        assert!(modest.admit(1).is_err());
    }

    #[test]
    fn who_is_refused_rests_the_longer_the_more_often_and_nobody_else_does() {
        let budget = budget(10, 10, 1_000, 100);
        let (refused, other) = (budget.account("A"), budget.account("B"));
        assert_eq!(refused.rests_until(), None);
        let before = Instant::now();
        for _ in 0..20 {
            refused.rest();
        }
        let after = Instant::now();
        let until = refused.rests_until().unwrap();
        assert!(until >= before + REST * 20 && until <= after + REST * 20, "{until:?}");
        for _ in 0..10_000 {
            refused.rest();
        }
        assert!(refused.rests_until().unwrap() <= Instant::now() + REST_MAX);
        assert_eq!(other.rests_until(), None);
    }

    #[test]
    fn an_answer_is_counted_as_it_is_even_beyond_the_share() {
        let budget = budget(10, 10, 1_000, 100);
        let account = budget.account("A");
        let mut permit = account.admit(10).unwrap();
        permit.charge.set(500);
        assert!(account.admit(1).is_err());
        let charge = permit.take_charge();
        drop(permit);
        assert_eq!(budget.bytes(), 500);
        drop(charge);
        assert_eq!(budget.bytes(), 0);
        account.admit(100).unwrap();
    }
}
