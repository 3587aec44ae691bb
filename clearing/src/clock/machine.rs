//! The machine's clock, and whether it can be believed. Whoever sets it wrong must not close windows, expire points and
//! refuse requests by it: what is written of such a time cannot be taken back.
//!
//! | compared with | when | wrong |
//! |---|---|---|
//! | the time at which the house was last alive | at start | more than `clock.jump_max` ahead, or 5 minutes behind |
//! | CLOCK_BOOTTIME, which nobody sets, since the last minute that was right | at every reading | 60 seconds off |
//! | PostgreSQL's clock, as [`Timekeeper`](crate::timekeeper::Timekeeper) measures it | each second | 30 seconds off |
//!
//! While it is wrong nothing is written. Reads go on, at a time that goes on by CLOCK_BOOTTIME from where the clock was
//! right.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use clearing_core::units::Timestamp;

const SECOND: i64 = 1_000_000;

/// A house that ran a moment ago cannot be started earlier than that, but for what clocks are adjusted by.
const BEHIND_MAX: i64 = 5 * 60 * SECOND;
/// How far the clock may stray from CLOCK_BOOTTIME within a minute.
const STRAY_MAX: i64 = 60 * SECOND;
/// How far nodes may be off the clock of the database that they share.
const OFF_MAX: i64 = 30 * SECOND;

/// A clock that cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongClock {
    /// What it says.
    pub machine: Timestamp,
    /// What it is compared with says.
    pub other: Timestamp,
    pub against: Against,
}

/// What tells that a clock is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// When the house was last alive; a start may be so many microseconds later.
    LastAlive { ahead_max: i64 },
    /// CLOCK_BOOTTIME.
    Boottime,
    /// The clock of PostgreSQL.
    Database,
}

impl fmt::Display for WrongClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, other, against } = self;
        write!(f, "the machine's clock says {machine}, ")?;
        match against {
            Against::LastAlive { ahead_max } if machine > other => write!(
                f,
                "more than {} days after {other}, when the house was last alive (clock.jump_max): set the clock, or start \
                 with --accept-time if it is right",
                ahead_max / (86_400 * SECOND)
            ),
            Against::LastAlive { .. } => write!(
                f,
                "more than {} minutes before {other}, when the house was last alive: set the clock, or start with \
                 --accept-time if it is right",
                BEHIND_MAX / (60 * SECOND)
            ),
            Against::Boottime => write!(
                f,
                "but by the time that has gone by (CLOCK_BOOTTIME) it should be {other}, and it may be {} seconds off: set \
                 the clock, or start the house again if it is right",
                STRAY_MAX / SECOND
            ),
            Against::Database => write!(
                f,
                "PostgreSQL's clock {other}, and a node may be {} seconds off: set the clock that is wrong",
                OFF_MAX / SECOND
            ),
        }
    }
}

impl std::error::Error for WrongClock {}

/// How a start judges the clock by the time at which the house was last alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartRules {
    /// How far ahead of it the clock may be.
    pub jump_max: Duration,
    /// Whether somebody has looked at the clock, and says that it is right.
    pub accept_time: bool,
}

impl Default for StartRules {
    fn default() -> Self {
        Self { jump_max: Duration::from_hours(8 * 24), accept_time: false }
    }
}

/// The machine's clock, judged at every reading.
#[derive(Debug)]
pub struct Machine {
    rules: StartRules,
    /// By how much somebody has set the clock wrong: zero, but in tests.
    wrong_by: Arc<AtomicI64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The latest time that was told: it never runs back within one process.
    latest: i64,
    /// The last moment that was right, by which the next ones are judged.
    anchor: Anchor,
    /// What PostgreSQL's clock told against this one, if it did.
    database: Option<(WrongClock, Anchor)>,
    /// Why callers wait although the clock may be right again: the house has not yet caught up.
    paused: Option<WrongClock>,
}

/// A moment by both clocks, and how far off a later one may be.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: i64,
    boot: i64,
    ahead_max: i64,
    behind_max: i64,
    against: Against,
}

impl Anchor {
    fn running(now: Moment) -> Self {
        Self { wall: now.wall, boot: now.boot, ahead_max: STRAY_MAX, behind_max: STRAY_MAX, against: Against::Boottime }
    }

    /// The time at a later moment, by the clock that nobody sets.
    fn time_at(&self, now: Moment) -> i64 {
        self.wall.saturating_add(now.boot.saturating_sub(self.boot))
    }

    fn judge(&self, now: Moment) -> Option<WrongClock> {
        let other = self.time_at(now);
        let ahead = now.wall.saturating_sub(other);
        if ahead <= self.ahead_max && ahead >= -self.behind_max {
            return None;
        }
        let other = if self.against == Against::Boottime { other } else { self.wall };
        Some(WrongClock { machine: Timestamp(now.wall), other: Timestamp(other), against: self.against })
    }
}

/// What both clocks say, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: i64,
    boot: i64,
}

/// What the clock of a database said, and this machine's before and after it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseTime {
    pub before: Timestamp,
    pub database: Timestamp,
    pub after: Timestamp,
}

impl DatabaseTime {
    /// What it tells against the machine's clock. It was read somewhere between before and after, so only what is more than
    /// half of that off is.
    pub fn judge(&self) -> Option<WrongClock> {
        let half = self.after.0.saturating_sub(self.before.0).max(0) / 2;
        let machine = Timestamp(self.before.0.saturating_add(half));
        let off = machine.0.saturating_sub(self.database.0).saturating_abs();
        let wrong = WrongClock { machine, other: self.database, against: Against::Database };
        (off.saturating_sub(half) > OFF_MAX).then_some(wrong)
    }
}

/// Whether a house may be started at a time: what its last life tells against it.
pub fn judge_start(machine: Timestamp, last_alive: Timestamp, jump_max: Duration) -> Option<WrongClock> {
    let now = Moment { wall: machine.0, boot: 0 };
    start_anchor(last_alive, 0, jump_max).judge(now)
}

fn start_anchor(last_alive: Timestamp, boot: i64, jump_max: Duration) -> Anchor {
    let ahead_max = i64::try_from(jump_max.as_micros()).unwrap_or(i64::MAX);
    let against = Against::LastAlive { ahead_max };
    Anchor { wall: last_alive.0, boot, ahead_max, behind_max: BEHIND_MAX, against }
}

impl Machine {
    pub(super) fn new(rules: StartRules, wrong_by: Arc<AtomicI64>) -> Self {
        let now = moment(&wrong_by);
        let state = State { latest: i64::MIN, anchor: Anchor::running(now), database: None, paused: None };
        Self { rules, wrong_by, state: Mutex::new(state) }
    }

    /// What the clock says, whether or not it is right.
    pub fn raw(&self) -> Timestamp {
        Timestamp(moment(&self.wrong_by).wall)
    }

    /// The time, and what is wrong with the clock, if anything is.
    pub(super) fn read(&self) -> (Timestamp, Option<WrongClock>) {
        let mut state = self.lock();
        let now = moment(&self.wrong_by);
        let (time, wrong) = match (state.anchor.judge(now), state.database) {
            (Some(wrong), _) => (state.anchor.time_at(now), Some(wrong)),
            (None, Some((wrong, anchor))) => (anchor.time_at(now), Some(wrong)),
            (None, None) => (now.wall, None),
        };
        state.latest = state.latest.max(time);
        (Timestamp(state.latest), wrong)
    }

    /// From here on the clock is judged by the time at which the house was last alive, until that lets it pass; or not at
    /// all, if somebody said that it is right: then this gives what was to be said against it.
    pub fn start_after(&self, last_alive: Timestamp) -> Option<WrongClock> {
        let mut state = self.lock();
        let now = moment(&self.wrong_by);
        let anchor = start_anchor(last_alive, now.boot, self.rules.jump_max);
        state.latest = i64::MIN;
        if self.rules.accept_time {
            state.anchor = Anchor::running(now);
            return anchor.judge(now);
        }
        state.anchor = anchor;
        None
    }

    /// What the clock of the database told.
    pub fn compare(&self, told: DatabaseTime) {
        let mut state = self.lock();
        let now = moment(&self.wrong_by);
        let of_database = |wrong: WrongClock| {
            // It goes on from what the database said when it was asked.
            let since = now.wall.saturating_sub(wrong.machine.0).max(0);
            let wall = wrong.other.0.saturating_add(since);
            (wrong, Anchor { wall, against: Against::Database, ..Anchor::running(now) })
        };
        state.database = told.judge().map(of_database);
    }

    /// Takes the present moment, if it is right, for the one by which the next are judged: clocks are adjusted by a little,
    /// and over months the little becomes much. Gives that moment.
    pub fn settle(&self) -> Option<Timestamp> {
        let mut state = self.lock();
        let now = moment(&self.wrong_by);
        let right = state.database.is_none() && state.anchor.judge(now).is_none();
        right.then(|| {
            state.anchor = Anchor::running(now);
            Timestamp(now.wall)
        })
    }

    /// Why callers have to wait although the clock is right now, if they have: until the house has caught up.
    pub fn paused(&self) -> Option<WrongClock> {
        self.lock().paused
    }

    pub fn pause(&self, wrong: Option<WrongClock>) {
        self.lock().paused = wrong;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock")
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn moment(wrong_by: &AtomicI64) -> Moment {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let boot = boot.tv_sec.saturating_mul(SECOND).saturating_add(boot.tv_nsec / 1_000);
    let wall = jiff::Timestamp::now().as_microsecond().saturating_add(wrong_by.load(Ordering::Relaxed));
    Moment { wall, boot }
}
