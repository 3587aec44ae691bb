//! What waits for the writer: a lane for each caller, taken in turns.
//!
//! One partner's loop fills its own lane, and it alone is turned away. Whoever has little waiting is in the next batch.
//!
//! | lane | weight |
//! |---|---|
//! | each partner, the operator among them, for what it asks of members' points | as configured |
//! | commands of the house | that of a partner |
//! | due work, and what runs over all members | a fifth of it |
//! | a caller set apart, because a request of its failed for good | batches of its own, a tenth of the writer's time |
//!
//! Nothing waits for a database that stands still: when a batch has been under way for too long, what waits behind it is
//! refused, and so is what comes until it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clearing_core::units::PartnerId;
use tokio::sync::Notify;

use super::WriteError;
use crate::shares::{Bucket, WEIGHT, WriteShares};

/// Requests one batch takes at the most.
pub(super) const BATCH_MAX: usize = 2048;
/// When more than twice as many wait, the writer leaves half of them for the next batch. Were all taken, all callers would
/// wait for one batch, and then ask again at once, while in turn the handlers and the database have nothing to do.
const BATCH_EVEN: usize = 128;
/// A lane that holds so many, and more than half of all that waits, is a crowd: while others are about, batches are short.
const CROWD: usize = 256;
/// Who has asked within this time is about.
const ABOUT: Duration = Duration::from_secs(1);

/// The weight of work that nobody waits for.
const DUE_WEIGHT: u64 = WEIGHT / 5;

/// How long a caller is set apart.
const APART: Duration = Duration::from_secs(60);
/// Requests that a batch of its own takes.
const APART_MAX: usize = 32;
/// While others are about, a batch of a caller set apart is followed by so many times its length for them.
const APART_PAUSES: u32 = 9;

/// How long a batch may be under way before what waits behind it is refused.
const STALL: Duration = Duration::from_secs(2);

/// When asking again makes sense where a lane is full: once half of it is gone, within these bounds.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Partner(PartnerId),
    House,
    Due,
}

/// Something that waits.
pub(super) trait Waits {
    /// Whether its caller has gone away, or will not hear the answer in time.
    fn is_late(&self, now: Instant) -> bool;
    fn refuse(self, error: WriteError);
}

/// The lanes in front of the writer.
#[derive(Debug)]
pub(super) struct Queue<J> {
    shares: WriteShares,
    state: Mutex<State<J>>,
    /// Something came.
    came: Notify,
    /// Something was taken.
    room: Notify,
}

#[derive(Debug)]
struct State<J> {
    lanes: BTreeMap<Lane, InLane<J>>,
    /// Lanes in which something waits, in the order of their turns.
    turns: VecDeque<Lane>,
    waiting: usize,
    /// Lanes set apart, and until when.
    apart: BTreeMap<Lane, Instant>,
    apart_from: Instant,
    /// The batch under way.
    begun: Option<Instant>,
    stalled: bool,
    closed: bool,
    rate: Rate,
}

#[derive(Debug)]
struct InLane<J> {
    jobs: VecDeque<J>,
    /// What it may take in units of [`WEIGHT`], from earlier turns.
    credit: u64,
    bucket: Bucket,
    heard: Instant,
}

/// How fast the queue moves.
#[derive(Debug)]
struct Rate {
    since: Instant,
    taken: u32,
    /// What one request took, within the last second that was counted.
    each: Duration,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Next<J> {
    Batch(Vec<(Lane, J)>),
    /// The batch of a caller set apart: [`Queue::was_apart`] is to be told how long it took.
    Apart(Vec<(Lane, J)>),
    /// Nothing before this moment, unless something comes.
    NotBefore(Instant),
    Nothing,
    Closed,
}

impl<J: Waits> Queue<J> {
    pub fn new(shares: WriteShares, now: Instant) -> Self {
        let rate = Rate { since: now, taken: 0, each: Duration::from_micros(100) };
        let state = State {
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            apart: BTreeMap::new(),
            apart_from: now,
            begun: None,
            stalled: false,
            closed: false,
            rate,
        };
        Self { shares, state: Mutex::new(state), came: Notify::new(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts jobs of one caller into its lane, all of them or none. A batch is taken whole once there is room for some of
    /// it: one that is larger than the lane would else never be.
    pub fn put(
        &self,
        lane: Lane,
        jobs: impl IntoIterator<IntoIter: ExactSizeIterator<Item = J>>,
        now: Instant,
    ) -> Result<(), WriteError> {
        let jobs = jobs.into_iter();
        let mut state = self.state();
        state.admit(&self.shares, lane, jobs.len(), now)?;
        state.push(lane, jobs);
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    /// Whether there is room for something of a caller.
    pub fn has_room(&self, lane: Lane) -> Result<(), WriteError> {
        self.state().has_room(&self.shares, lane)
    }

    /// Puts jobs of one caller into its lane, waiting for room where there is none.
    pub async fn put_when_there_is_room(&self, lane: Lane, jobs: Vec<J>) -> Result<(), WriteError> {
        let mut rest = VecDeque::from(jobs);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // From here on it hears of room that is made while it looks for some.
            room.as_mut().enable();
            let found = {
                let now = Instant::now();
                let mut state = self.state();
                let fits = state.room(&self.shares, lane).min(rest.len());
                match state.admit(&self.shares, lane, fits, now) {
                    Ok(()) => {
                        state.push(lane, rest.drain(..fits));
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            };
            self.came.notify_one();
            match found {
                Ok(()) if rest.is_empty() => return Ok(()),
                Ok(()) => room.await,
                Err(WriteError::TooFast { retry_after, .. }) => tokio::time::sleep(retry_after).await,
                Err(WriteError::Overloaded { .. }) => room.await,
                Err(error) => {
                    rest.into_iter().for_each(|job| job.refuse(error.clone()));
                    return Err(error);
                }
            }
        }
    }

    /// The next batch; `None` when the queue is closed and empty.
    pub async fn next(&self, short: usize, long: usize) -> Option<(Vec<(Lane, J)>, bool)> {
        loop {
            let came = self.came.notified();
            match self.take(short, long, Instant::now()) {
                Next::Batch(jobs) => return Some((jobs, false)),
                Next::Apart(jobs) => return Some((jobs, true)),
                Next::Closed => return None,
                Next::Nothing => came.await,
                Next::NotBefore(moment) => {
                    let _ = tokio::time::timeout_at(moment.into(), came).await;
                }
            }
        }
    }

    /// Takes a batch: of `long` requests, or of `short` ones while somebody else is about beside a crowd.
    fn take(&self, short: usize, long: usize, now: Instant) -> Next<J> {
        let mut late = Vec::new();
        let mut state = self.state();
        let next = state.take(&self.shares, short, long, now, &mut late);
        drop(state);
        self.room.notify_waiters();
        late.into_iter().for_each(|job| job.refuse(WriteError::DeadlinePassed));
        next
    }

    /// Sets a caller apart for a while.
    pub fn set_apart(&self, lane: Lane, now: Instant) {
        self.state().apart.insert(lane, now + APART);
    }

    /// Puts a job back in front of its lane.
    pub fn put_back(&self, lane: Lane, job: J) {
        let mut state = self.state();
        let Some(into) = state.lanes.get_mut(&lane) else { return };
        into.jobs.push_front(job);
        let first = into.jobs.len() == 1;
        state.waiting += 1;
        if first {
            state.turns.push_back(lane);
        }
    }

    /// Notes how long a batch of a caller set apart took.
    pub fn was_apart(&self, took: Duration, now: Instant) {
        self.state().apart_from = now + took * APART_PAUSES;
    }

    /// Notes that a batch is under way.
    pub fn begin(&self, now: Instant) {
        self.state().begun = Some(now);
    }

    /// Notes that it has ended.
    pub fn end(&self) {
        let mut state = self.state();
        (state.begun, state.stalled) = (None, false);
    }

    /// Refuses what waits, if the batch under way has been for too long.
    pub fn watch(&self, now: Instant) {
        let mut state = self.state();
        if state.begun.is_none_or(|begun| now <= begun + STALL) {
            return;
        }
        state.stalled = true;
        let refused = state.drain();
        drop(state);
        refused.into_iter().for_each(|job| job.refuse(WriteError::Unavailable));
        self.room.notify_waiters();
    }

    /// Refuses everything that waits now.
    pub fn refuse_all(&self, error: &WriteError) {
        let refused = self.state().drain();
        refused.into_iter().for_each(|job| job.refuse(error.clone()));
        self.room.notify_waiters();
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.state().closed = true;
        self.came.notify_one();
        self.room.notify_waiters();
    }
}

impl<J: Waits> State<J> {
    fn lane(&mut self, lane: Lane, now: Instant) -> &mut InLane<J> {
        let fresh = || InLane { jobs: VecDeque::new(), credit: 0, bucket: Bucket::new(now), heard: now };
        self.lanes.entry(lane).or_insert_with(fresh)
    }

    /// How many requests still fit into a lane. In a queue that is full a caller has its even share of it, so that nobody
    /// is turned away for what others have waiting.
    fn room(&self, shares: &WriteShares, lane: Lane) -> usize {
        let held = self.lanes.get(&lane).map_or(0, |lane| lane.jobs.len());
        let callers = self.turns.len() + usize::from(held == 0);
        let even = (shares.waiting_all / callers.max(1)).max(1);
        let whole = shares.waiting_all.saturating_sub(self.waiting).max(even.saturating_sub(held));
        (lane_max(shares, lane).saturating_sub(held)).min(whole)
    }

    fn admit(&mut self, shares: &WriteShares, lane: Lane, count: usize, now: Instant) -> Result<(), WriteError> {
        self.lane(lane, now).heard = now;
        self.has_room(shares, lane)?;
        let Lane::Partner(partner) = lane else { return Ok(()) };
        let per_second = shares.per_second.of(Some(partner));
        let taken = self.lane(lane, now).bucket.take(count, per_second, now);
        taken.map_err(|retry_after| WriteError::TooFast { per_second, retry_after: retry_after.max(RETRY_MIN) })
    }

    fn has_room(&self, shares: &WriteShares, lane: Lane) -> Result<(), WriteError> {
        if self.closed {
            return Err(WriteError::ShuttingDown);
        }
        if self.stalled {
            return Err(WriteError::Unavailable);
        }
        if self.room(shares, lane) == 0 {
            let waiting = self.lanes.get(&lane).map_or(0, |lane| lane.jobs.len());
            let half = u32::try_from(self.waiting / 2).unwrap_or(u32::MAX);
            let retry_after = self.rate.each.saturating_mul(half).clamp(RETRY_MIN, RETRY_MAX);
            // A queue that is full may leave it less than its lane holds.
            let maximum = lane_max(shares, lane).min(waiting.max(1));
            return Err(WriteError::Overloaded { waiting, maximum, retry_after });
        }
        Ok(())
    }

    /// Puts jobs into a lane that was looked up by [`admit`](Self::admit).
    fn push(&mut self, lane: Lane, jobs: impl ExactSizeIterator<Item = J>) {
        self.waiting += jobs.len();
        let Some(into) = self.lanes.get_mut(&lane).filter(|_| jobs.len() > 0) else { return };
        if into.jobs.is_empty() {
            self.turns.push_back(lane);
        }
        into.jobs.extend(jobs);
    }

    fn drain(&mut self) -> Vec<J> {
        self.turns.clear();
        self.waiting = 0;
        self.lanes.values_mut().flat_map(|lane| lane.jobs.drain(..)).collect()
    }

    fn take(&mut self, shares: &WriteShares, short: usize, long: usize, now: Instant, late: &mut Vec<J>) -> Next<J> {
        self.apart.retain(|_, until| *until > now);
        if let Some(lane) = self.turns.iter().copied().find(|lane| self.apart.contains_key(lane))
            && (now >= self.apart_from || !self.others_are_about(lane, now))
        {
            let mut jobs = Vec::new();
            self.take_from(lane, APART_MAX, now, &mut jobs, late);
            self.move_to_the_end(lane);
            if !jobs.is_empty() {
                return Next::Apart(jobs);
            }
        }
        let even = (self.waiting / 2).clamp(BATCH_EVEN, BATCH_MAX);
        let size = even.min(if self.is_crowded(now) { short } else { long });
        let jobs = self.take_in_turns(shares, size, now, late);
        if !jobs.is_empty() {
            self.rate.count(jobs.len(), now);
            return Next::Batch(jobs);
        }
        match (self.waiting, self.closed) {
            (0, true) => Next::Closed,
            (0, false) => Next::Nothing,
            // Only callers set apart are left.
            (_, true) => {
                self.apart.clear();
                self.take(shares, short, long, now, late)
            }
            (_, false) => Next::NotBefore(self.apart_from),
        }
    }

    fn take_in_turns(&mut self, shares: &WriteShares, size: usize, now: Instant, late: &mut Vec<J>) -> Vec<(Lane, J)> {
        let mut jobs = Vec::with_capacity(size.min(self.waiting));
        let mut apart = Vec::new();
        while jobs.len() < size
            && let Some(lane) = self.turns.pop_front()
        {
            if self.apart.contains_key(&lane) {
                apart.push(lane);
                continue;
            }
            // Who is alone need not count turns.
            let alone = self.turns.is_empty();
            let Some(from) = self.lanes.get_mut(&lane) else { continue };
            from.credit = from.credit.saturating_add(weight(shares, lane)).min(WEIGHT * BATCH_MAX as u64);
            let due = usize::try_from(from.credit / WEIGHT).unwrap_or(BATCH_MAX);
            let most = if alone { size } else { due }.min(size - jobs.len());
            self.turns.push_back(lane);
            let before = jobs.len();
            self.take_from(lane, most, now, &mut jobs, late);
            if let Some(from) = self.lanes.get_mut(&lane) {
                from.credit = match from.jobs.is_empty() {
                    true => 0,
                    false => from.credit.saturating_sub((jobs.len() - before) as u64 * WEIGHT),
                };
            }
        }
        self.turns.extend(apart);
        jobs
    }

    /// Takes the first jobs of a lane that are not late, and the lane out of the turns when it is empty.
    fn take_from(&mut self, lane: Lane, most: usize, now: Instant, jobs: &mut Vec<(Lane, J)>, late: &mut Vec<J>) {
        let Some(from) = self.lanes.get_mut(&lane) else { return };
        let full = jobs.len() + most;
        while jobs.len() < full
            && let Some(job) = from.jobs.pop_front()
        {
            self.waiting -= 1;
            if job.is_late(now) {
                late.push(job);
            } else {
                jobs.push((lane, job));
            }
        }
        if from.jobs.is_empty() {
            self.turns.retain(|waiting| *waiting != lane);
        }
    }

    fn move_to_the_end(&mut self, lane: Lane) {
        if let Some(at) = self.turns.iter().position(|waiting| *waiting == lane)
            && let Some(lane) = self.turns.remove(at)
        {
            self.turns.push_back(lane);
        }
    }

    fn others_are_about(&self, lane: Lane, now: Instant) -> bool {
        self.lanes.iter().any(|(other, inside)| *other != lane && now < inside.heard + ABOUT)
    }

    fn is_crowded(&self, now: Instant) -> bool {
        let longest = self.turns.iter().max_by_key(|lane| self.lanes.get(lane).map_or(0, |lane| lane.jobs.len()));
        longest.is_some_and(|lane| {
            let held = self.lanes.get(lane).map_or(0, |lane| lane.jobs.len());
            held >= CROWD && held > self.waiting / 2 && self.others_are_about(*lane, now)
        })
    }
}

fn weight(shares: &WriteShares, lane: Lane) -> u64 {
    match lane {
        Lane::Partner(partner) => shares.weight.of(Some(partner)),
        Lane::House => WEIGHT,
        Lane::Due => DUE_WEIGHT,
    }
}

/// How many requests a lane holds at the most.
fn lane_max(shares: &WriteShares, lane: Lane) -> usize {
    let of_one = match lane {
        Lane::Partner(partner) => shares.waiting.of(Some(partner)),
        Lane::House | Lane::Due => shares.waiting.all,
    };
    usize::try_from(of_one).unwrap_or(usize::MAX)
}

impl Rate {
    fn count(&mut self, taken: usize, now: Instant) {
        self.taken = self.taken.saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
        let passed = now.saturating_duration_since(self.since);
        if passed >= ABOUT {
            self.each = passed / self.taken.max(1);
            (self.since, self.taken) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::PerPartner;

    /// A job that is late, or not.
    struct Job(bool);

    impl Waits for Job {
        fn is_late(&self, _: Instant) -> bool {
            self.0
        }

        fn refuse(self, _: WriteError) {}
    }

    fn partner(id: &str) -> Lane {
        Lane::Partner(id.parse().unwrap())
    }

    fn jobs(count: usize) -> Vec<Job> {
        (0..count).map(|_| Job(false)).collect()
    }

    fn queue(change: impl FnOnce(&mut WriteShares)) -> (Queue<Job>, Instant) {
        let (mut shares, now) = (WriteShares::default(), Instant::now());
        change(&mut shares);
        (Queue::new(shares, now), now)
    }

    /// How many of each lane are in the next batch.
    fn taken(queue: &Queue<Job>, short: usize, now: Instant) -> BTreeMap<Lane, usize> {
        let mut counts = BTreeMap::new();
        if let Next::Batch(jobs) = queue.take(short, BATCH_MAX, now) {
            jobs.iter().for_each(|(lane, _)| *counts.entry(*lane).or_default() += 1);
        }
        counts
    }

    #[test]
    fn who_has_little_waiting_is_in_the_next_batch_whatever_others_have() {
        let (queue, now) = queue(|_| ());
        queue.put(partner("GREEDY"), jobs(4_000), now).unwrap();
        queue.put(partner("POLITE"), jobs(3), now).unwrap();
        let counts = taken(&queue, 16, now);
        assert_eq!(counts, [(partner("GREEDY"), 13), (partner("POLITE"), 3)].into());
    }

    #[test]
    fn batches_are_short_only_while_somebody_else_is_about() {
        let (queue, now) = queue(|_| ());
        queue.put(partner("GREEDY"), jobs(4_000), now).unwrap();
        assert_eq!(taken(&queue, 16, now), [(partner("GREEDY"), 2_000)].into(), "nobody else is about");
        queue.put(partner("POLITE"), jobs(1), now).unwrap();
        assert_eq!(taken(&queue, 16, now).values().sum::<usize>(), 16);
        assert_eq!(taken(&queue, 16, now).values().sum::<usize>(), 16, "it was heard of a moment ago");
        assert_eq!(taken(&queue, 16, now + ABOUT).values().sum::<usize>(), 984);
    }

    #[test]
    fn turns_come_in_proportion_to_weights() {
        let (queue, now) = queue(|shares| {
            shares.weight = PerPartner { all: WEIGHT, some: [("B".parse().unwrap(), 3 * WEIGHT)].into() }
        });
        for lane in [partner("A"), partner("B"), Lane::House, Lane::Due] {
            queue.put(lane, jobs(200), now).unwrap();
        }
        let counts = taken(&queue, BATCH_MAX, now);
        let expected = [(partner("A"), 77), (partner("B"), 231), (Lane::House, 77), (Lane::Due, 15)];
        for (lane, share) in expected {
            let share = share.min(200);
            assert!(counts[&lane].abs_diff(share) <= 40, "{counts:?}");
        }
        assert!(counts[&Lane::Due] > 0 && counts[&Lane::Due] < counts[&partner("A")], "{counts:?}");
        assert_eq!(counts[&partner("B")], 200, "{counts:?}");
    }

    #[test]
    fn due_work_is_never_starved() {
        let (queue, now) = queue(|_| ());
        queue.put(Lane::Due, jobs(1), now).unwrap();
        let mut batches = 0;
        while queue.state().lanes[&Lane::Due].jobs.len() == 1 {
            for at in 0..8 {
                queue.put(partner(&format!("BRAND-{at}")), jobs(2), now).unwrap();
            }
            queue.take(1, 1, now);
            batches += 1;
            assert!(batches < 100, "it is never its turn");
        }
    }

    #[test]
    fn a_full_lane_turns_its_own_caller_away_and_nobody_else() {
        let (queue, now) = queue(|shares| shares.waiting = PerPartner::all(100));
        for _ in 0..100 {
            queue.put(partner("GREEDY"), jobs(1), now).unwrap();
        }
        for _ in 0..10 {
            let refused = queue.put(partner("GREEDY"), jobs(1), now);
            assert!(matches!(refused, Err(WriteError::Overloaded { waiting: 100, .. })), "{refused:?}");
            queue.put(partner("POLITE"), jobs(1), now).unwrap();
        }
    }

    #[test]
    fn a_full_queue_turns_nobody_away_who_has_less_than_an_even_share() {
        let (queue, now) = queue(|shares| shares.waiting_all = 100);
        for greedy in ["G1", "G2", "G3"] {
            while queue.put(partner(greedy), jobs(1), now).is_ok() {}
        }
        assert_eq!(queue.state().waiting, 100 + 50 + 33);
        for _ in 0..25 {
            queue.put(partner("POLITE"), jobs(1), now).unwrap();
        }
        assert!(queue.put(partner("POLITE"), jobs(1), now).is_err());
    }

    #[test]
    fn a_batch_is_taken_whole_or_not_at_all() {
        let (queue, now) = queue(|shares| shares.waiting = PerPartner::all(100));
        queue.put(partner("A"), jobs(8_000), now).unwrap();
        assert!(queue.put(partner("A"), jobs(2), now).is_err());
        assert_eq!(queue.state().waiting, 8_000);
    }

    #[test]
    fn who_asks_faster_than_it_may_is_told_when_to_ask_again() {
        let (queue, now) = queue(|shares| shares.per_second = PerPartner::all(10));
        let refused = (0..30).filter(|_| queue.put(partner("A"), jobs(1), now).is_err()).count();
        assert_eq!(refused, 19, "one, and a second's worth");
        queue.put(partner("B"), jobs(1), now).unwrap();
        queue.put(Lane::Due, jobs(100), now).unwrap();
        queue.put(Lane::Due, jobs(1), now).unwrap();
    }

    #[test]
    fn what_is_late_is_not_taken() {
        let (queue, now) = queue(|_| ());
        queue.put(partner("A"), vec![Job(true), Job(false), Job(true)], now).unwrap();
        assert_eq!(taken(&queue, BATCH_MAX, now), [(partner("A"), 1)].into());
        queue.put(partner("A"), vec![Job(true)], now).unwrap();
        assert!(matches!(queue.take(1, 1, now), Next::Nothing));
    }

    #[test]
    fn a_caller_set_apart_has_batches_of_its_own_and_a_tenth_of_the_time() {
        let (queue, now) = queue(|_| ());
        queue.put(partner("POISON"), jobs(100), now).unwrap();
        queue.put(partner("A"), jobs(300), now).unwrap();
        queue.set_apart(partner("POISON"), now);
        let Next::Apart(jobs) = queue.take(16, BATCH_MAX, now) else { panic!("its batch comes") };
        assert!(jobs.iter().all(|(lane, _)| *lane == partner("POISON")));
        let took = Duration::from_millis(10);
        queue.was_apart(took, now);
        assert_eq!(taken(&queue, 500, now), [(partner("A"), 184)].into());
        assert_eq!(taken(&queue, 500, now), [(partner("A"), 116)].into());
        assert!(matches!(queue.take(16, BATCH_MAX, now), Next::NotBefore(_)));
        assert!(matches!(queue.take(16, BATCH_MAX, now + took * 9), Next::Apart(_)));
        queue.was_apart(took, now + ABOUT);
        assert!(matches!(queue.take(16, BATCH_MAX, now + ABOUT), Next::Apart(_)), "nobody else is about");
        assert_eq!(taken(&queue, 16, now + APART), [(partner("POISON"), 4)].into(), "a minute is over");
    }

    #[test]
    fn nothing_waits_behind_a_batch_that_stands_still() {
        let (queue, now) = queue(|_| ());
        queue.begin(now);
        queue.put(partner("A"), jobs(10), now).unwrap();
        queue.watch(now + STALL);
        assert_eq!(queue.state().waiting, 10);
        queue.watch(now + STALL + Duration::from_millis(1));
        assert_eq!(queue.state().waiting, 0);
        assert!(matches!(queue.put(partner("A"), jobs(1), now), Err(WriteError::Unavailable)));
        queue.end();
        queue.put(partner("A"), jobs(1), now).unwrap();
    }
}
