//! The only place with a write transaction.
//!
//! Handlers put a request and a way to answer into their caller's lane of the `queue`, and wait. The writer takes some of
//! each lane and runs them as one batch: **begin - gate - load - decide - save - commit - answer**. A caller that goes away,
//! or whose deadline has passed, changes nothing: its request runs or was never taken. Nothing cancels a future of the
//! writer but its own patience with a silent database, and then the session goes with it.
//!
//! | what fails | what happens |
//! |---|---|
//! | a rule says no | the rejection is an answer like any other, recorded in the same commit |
//! | the database, before COMMIT, in passing | the whole batch runs again with a new time |
//! | the database, before COMMIT, for good | a second try traces the culprits by a savepoint; these get an error, unrecorded, all others their answers, and the callers of the culprits are set apart for a minute |
//! | the outcome of COMMIT is unknown | it is looked up under the batch's id before anybody is answered |
//! | the database could not sync what COMMIT wrote | callers are told that the outcome is unknown, and the process stops: what the disk holds is known after a start only |
//! | the rules panic on one request | that one gets an error, unrecorded; the batch runs again without it |
//! | the machine's clock is wrong | callers are told so, with both times; nothing is written by it |
//! | the database is gone, or silent | callers are told so within three seconds and may ask again under the same key |

mod pace;
mod queue;
mod under_way;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::command::Request;
use clearing_core::facts::answer::Answer;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::operation::Gate;
use clearing_core::units::{BatchId, EntryId, PartnerId, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, debug, error, info_span, warn};

use self::pace::Pace;
use self::queue::{BATCH_MAX, Lane, Queue, Waits};
use self::under_way::UnderWay;
use crate::clock::{self, Clock, WrongClock};
use crate::shares::WriteShares;
use crate::store::{ErrorKind, GateRow, Probe, Store, StoreError, WriterSession};

/// How often a batch is tried again after passing failures.
const TRIES_MAX: u32 = 4;
/// Between tries, doubled each time.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a batch may take, with all its tries. A database that is silent for longer is gone, although its connections
/// look alive: a machine that lost its network or its power closes none. Longer than SQLite waits for its file, and than
/// PostgreSQL keeps the locks of a node that is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long COMMIT may take before it is looked up whether it was heard: early enough to run the batch again if it was not.
const COMMIT_WAIT: Duration = Duration::from_secs(1);
/// When the callers of a batch are told, counted from its begin, that nobody knows its outcome.
const OUTCOME_WAIT: Duration = Duration::from_millis(2_700);
/// How many culprits are traced in one batch.
const CULPRITS_MAX: usize = 8;
/// Between two looks at how long a batch has been under way.
const WATCH: Duration = Duration::from_millis(100);

/// How long a batch is to take while somebody waits beside a crowd, and at any other time: longer ones are made smaller.
const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(250);

/// What a request came to.
#[derive(Debug, Clone)]
pub struct Written {
    pub answer: Answer,
    /// The entries of an accepted answer, in journal order.
    pub entries: Vec<JournalEntry>,
    /// The house the request was decided under.
    pub house: Arc<House>,
}

/// Something broke, or the house is too busy. Nothing is known to have changed, unless it says so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    #[error(
        "{waiting} requests of this caller wait already, of at most {maximum}; ask again in {} ms",
        retry_after.as_millis()
    )]
    Overloaded { waiting: usize, maximum: usize, retry_after: Duration },
    #[error(
        "more than {per_second} requests a second of this caller came; ask again in {} ms", retry_after.as_millis()
    )]
    TooFast { per_second: u64, retry_after: Duration },
    #[error("the database cannot be reached, or does not answer; ask again under the same request id")]
    Unavailable,
    #[error("the database went away while it committed; ask again under the same request id")]
    OutcomeUnknown,
    #[error("the deadline passed while the request waited; nothing was changed")]
    DeadlinePassed,
    #[error("the house failed on this request; it was logged, and nothing was changed")]
    Internal,
    #[error("the house is shutting down")]
    ShuttingDown,
    #[error("the house writes nothing now: {0}")]
    WrongClock(#[from] WrongClock),
}

tokio::task_local! {
    /// When the caller of what runs in here stops listening.
    pub(crate) static DEADLINE: Instant;
}

type Reply = oneshot::Sender<Result<Written, WriteError>>;
type Answering = oneshot::Receiver<Result<Written, WriteError>>;

#[derive(Debug)]
struct Job {
    request: Request,
    /// For due work of the house: the time as of which it counts.
    as_of: Option<Timestamp>,
    deadline: Option<Instant>,
    reply: Reply,
}

impl Job {
    fn new(request: Request) -> (Self, Answering) {
        let (reply, answer) = oneshot::channel();
        let deadline = DEADLINE.try_with(|deadline| *deadline).ok();
        (Self { request, as_of: None, deadline, reply }, answer)
    }

    fn lane(&self) -> Lane {
        match (self.as_of, self.request.request_id) {
            (None, Some(_)) if self.request.command.gate() == Gate::Alone => Lane::House,
            (None, Some(_)) => Lane::Partner(self.request.caller),
            // What nobody asked for under a key is work of the house itself.
            (Some(_), _) | (None, None) => Lane::Due,
        }
    }
}

impl Waits for Job {
    fn is_late(&self, now: Instant) -> bool {
        self.reply.is_closed() || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn refuse(self, error: WriteError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Requests that run in one transaction, each with the way to its answer.
#[derive(Default)]
struct Batch {
    requests: Vec<Request>,
    callers: Vec<Asking>,
    as_of: Option<Timestamp>,
}

/// Who asked for a request of a batch.
struct Asking {
    lane: Lane,
    deadline: Option<Instant>,
    reply: Reply,
}

impl Batch {
    fn push(&mut self, lane: Lane, job: Job) {
        let Job { request, as_of, deadline, reply } = job;
        self.requests.push(request);
        self.callers.push(Asking { lane, deadline, reply });
        self.as_of = as_of;
    }

    fn alone(lane: Lane, job: Job) -> Self {
        let mut batch = Self::default();
        batch.push(lane, job);
        batch
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { requests: self.requests.split_off(at), callers: self.callers.split_off(at), as_of: self.as_of }
    }

    /// Takes one request out.
    fn remove(&mut self, at: usize) -> (Lane, Job) {
        let (request, Asking { lane, deadline, reply }) = (self.requests.remove(at), self.callers.remove(at));
        (lane, Job { request, as_of: self.as_of, deadline, reply })
    }

    /// Takes one request out, and tells its caller that the house failed on it. Gives the lane that it came from.
    fn fail(&mut self, at: usize) -> Lane {
        let (lane, job) = self.remove(at);
        let (caller, request_id) = (job.request.caller, job.request.request_id);
        error!(%caller, ?request_id, "the house failed on a request for good");
        job.refuse(WriteError::Internal);
        lane
    }

    fn refuse(self, error: &WriteError) {
        for caller in self.callers {
            let _ = caller.reply.send(Err(error.clone()));
        }
    }
}

/// How much the writer has done since it was started. Nodes that share a database must seldom want the same thing at once:
/// reruns are to be few among the batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterCounts {
    /// Batches that were begun, each once however often it ran.
    pub batches: u64,
    /// How many times a batch ran again after a passing failure: another node was faster, or the database was away.
    pub reruns: u64,
    /// Batches that were committed.
    pub committed: u64,
    /// Batches whose callers were told that the database is gone or silent, or that their outcome is unknown.
    pub unavailable: u64,
}

/// [`WriterCounts`] as the writer keeps them.
#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    reruns: AtomicU64,
    committed: AtomicU64,
    unavailable: AtomicU64,
}

impl Counters {
    fn note(&self, outcome: &Result<Committed, Failed>) {
        let counter = match outcome {
            Ok(_) => &self.committed,
            Err(Failed::Store(error)) if error.is_permanent() => return,
            Err(Failed::Panicked(_) | Failed::WrongClock(_)) => return,
            Err(Failed::Store(_) | Failed::Silent | Failed::Lost | Failed::OutcomeUnknown) => &self.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The way to the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    door: Arc<Door>,
    counters: Arc<Counters>,
}

/// When its last handle is gone, the queue takes nothing more.
#[derive(Debug)]
struct Door(Arc<Queue<Job>>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Writer {
    /// Starts the writer, on a thread of its own: among the handlers, whatever the database answered would wait until a
    /// thread has done with some of them, several times a batch, and everybody waits for the batch. It ends, with
    /// everything queued answered, when all clones of the handle are gone.
    pub fn start(store: Store, clock: Clock, shares: impl Into<WriteShares>) -> (Self, JoinHandle<()>) {
        let queue = Arc::new(Queue::new(shares.into(), Instant::now()));
        let (counters, under_way) = (Arc::new(Counters::default()), Arc::new(UnderWay::default()));
        let desk = Desk {
            store,
            clock,
            queue: Arc::clone(&queue),
            session: None,
            under_way: Arc::clone(&under_way),
            short: Pace::new(SHORT, 64),
            long: Pace::new(LONG, BATCH_MAX / 2),
            handlers: Handle::current(),
            answering: JoinSet::new(),
            counters: Arc::clone(&counters),
        };
        let run = desk.run().instrument(info_span!("writer"));
        let (end, ended) = oneshot::channel::<()>();
        // Not one of the runtime's threads for what blocks: the process could not end while a database is silent.
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let _end = end;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread gets the files that it waits on").block_on(run);
        });
        thread.expect("a process that starts can start a thread");
        let watched = Arc::clone(&queue);
        #[allow(clippy::disallowed_methods, reason = "it watches the thread until that has ended; awaited at shutdown")]
        let task = tokio::spawn(async move {
            let mut ended = ended;
            while tokio::time::timeout(WATCH, &mut ended).await.is_err() {
                let now = Instant::now();
                watched.watch(now);
                under_way.watch(now);
            }
        });
        (Self { door: Arc::new(Door(queue)), counters }, task)
    }

    /// What the writer has done so far.
    pub fn counts(&self) -> WriterCounts {
        WriterCounts {
            batches: self.counters.batches.load(Ordering::Relaxed),
            reruns: self.counters.reruns.load(Ordering::Relaxed),
            committed: self.counters.committed.load(Ordering::Relaxed),
            unavailable: self.counters.unavailable.load(Ordering::Relaxed),
        }
    }

    /// Asks the house, or says at once that its caller has too much waiting.
    pub async fn ask(&self, request: Request) -> Result<Written, WriteError> {
        let (job, answer) = Job::new(request);
        self.door.0.put(job.lane(), [job], Instant::now())?;
        heard(answer).await
    }

    /// Whether a batch of a caller would be refused now, before it is heard.
    ///
    /// # Errors
    /// As [`ask_batch`](Self::ask_batch).
    pub fn has_room(&self, caller: PartnerId) -> Result<(), WriteError> {
        self.door.0.has_room(Lane::Partner(caller))
    }

    /// Asks many things of one caller, all of them or none; the answers come in the order of the requests.
    ///
    /// # Errors
    /// If its caller has too much waiting: then nothing was asked.
    pub async fn ask_batch(&self, requests: Vec<Request>) -> Result<Vec<Result<Written, WriteError>>, WriteError> {
        let (jobs, answers): (Vec<_>, Vec<_>) = requests.into_iter().map(Job::new).unzip();
        if let Some(lane) = jobs.first().map(Job::lane) {
            self.door.0.put(lane, jobs, Instant::now())?;
        }
        Ok(heard_all(answers).await)
    }

    /// Asks many things of one caller, waiting for room in its lane; the answers come in the order of the requests.
    pub async fn ask_all(&self, requests: Vec<Request>) -> Vec<Result<Written, WriteError>> {
        let (jobs, answers): (Vec<_>, Vec<_>) = requests.into_iter().map(Job::new).unzip();
        if let Some(lane) = jobs.first().map(Job::lane) {
            // Whatever it did not take it has refused, each for itself.
            let _ = self.door.0.put_when_there_is_room(lane, jobs).await;
        }
        heard_all(answers).await
    }

    /// Runs work of the house that was due at `as_of`.
    pub async fn run_due(&self, request: Request, as_of: Timestamp) -> Result<Written, WriteError> {
        let (job, answer) = Job::new(request);
        let job = Job { as_of: Some(as_of), ..job };
        self.door.0.put_when_there_is_room(Lane::Due, vec![job]).await?;
        heard(answer).await
    }
}

async fn heard(answer: Answering) -> Result<Written, WriteError> {
    answer.await.unwrap_or(Err(WriteError::ShuttingDown))
}

async fn heard_all(answers: Vec<Answering>) -> Vec<Result<Written, WriteError>> {
    let mut all = Vec::with_capacity(answers.len());
    for answer in answers {
        all.push(heard(answer).await);
    }
    all
}

/// Where the writer works: its session with the database and what it keeps between batches.
struct Desk {
    store: Store,
    clock: Clock,
    queue: Arc<Queue<Job>>,
    session: Option<WriterSession>,
    under_way: Arc<UnderWay>,
    /// Sizes of batches.
    short: Pace,
    long: Pace,
    /// Where the callers wait. Their answers are made there, beside the next batch.
    handlers: Handle,
    answering: JoinSet<()>,
    counters: Arc<Counters>,
}

/// A transaction that was begun, and what holds for all that is decided in it.
struct Begun {
    session: WriterSession,
    house: Arc<House>,
    row: GateRow,
    now: Timestamp,
    /// By what time clients make the ids of requests, if not by that one.
    clients_time: Option<Timestamp>,
    id: BatchId,
    /// When the database must have answered.
    until: Instant,
}

/// What requests came to, before it is saved.
struct Decided {
    answers: Vec<Answer>,
    book: Book,
    sequences: BTreeMap<BatchId, i64>,
}

/// A batch that was decided, saved and committed.
struct Committed {
    answers: Vec<Answer>,
    book: Book,
    /// First sequences of the batches whose entries the answers name.
    sequences: BTreeMap<BatchId, i64>,
}

/// Why a batch did not come to a commit.
enum Failed {
    Store(StoreError),
    /// The database did not answer in time, before COMMIT.
    Silent,
    /// The rules panicked on the request at this place.
    Panicked(usize),
    /// COMMIT got no answer, and the batch is not there.
    Lost,
    /// COMMIT got no answer, and nobody could tell in time whether the batch is there.
    OutcomeUnknown,
    /// Nothing may be decided by this clock.
    WrongClock(WrongClock),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    fn is_permanent(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_permanent())
    }

    /// Whether it stood still for so long that who waited behind it has waited enough.
    fn stood_still(&self) -> bool {
        matches!(self, Self::Silent | Self::OutcomeUnknown)
    }
}

impl Desk {
    async fn run(mut self) {
        while let Some((jobs, apart)) = self.queue.next(self.short.size(), self.long.size()).await {
            let begun = Instant::now();
            // Commands of the house, and due work with a time of its own, each make a batch of one.
            let mut shared = Batch::default();
            for (lane, job) in jobs {
                if job.as_of.is_none() && job.request.command.gate() == Gate::Shared {
                    shared.push(lane, job);
                    continue;
                }
                self.write(std::mem::take(&mut shared)).await;
                self.write(Batch::alone(lane, job)).await;
            }
            self.write(shared).await;
            if apart {
                let now = Instant::now();
                self.queue.was_apart(now - begun, now);
            }
            if self.store.durability().is_lost() {
                self.queue.close();
                self.queue.refuse_all(&WriteError::ShuttingDown);
            }
        }
        while let Some(answered) = self.answering.join_next().await {
            note_answered(answered);
        }
        debug!("the writer's queue is closed and empty");
    }

    /// Brings a batch to its answers, whatever it takes.
    async fn write(&mut self, batch: Batch) {
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            let requests = batch.requests.len();
            if requests == 0 {
                continue;
            }
            let outcome = self.try_repeatedly(&mut batch).await;
            self.counters.note(&outcome);
            match outcome {
                Ok(committed) => self.answer(batch, committed),
                Err(Failed::Panicked(at)) => {
                    let lane = batch.fail(at);
                    self.set_apart(&[lane], &batch);
                    waiting.push(batch);
                }
                Err(failed) if failed.is_permanent() => {
                    self.tell(&failed, requests);
                    if requests == 1 {
                        let lane = batch.fail(0);
                        self.set_apart(&[lane], &batch);
                        continue;
                    }
                    match self.trace(&mut batch).await {
                        Ok(committed) => self.answer(batch, committed),
                        Err(failed) if failed.stood_still() => self.give_up(batch, &failed),
                        // The culprits cannot be traced in one transaction, so it takes several.
                        Err(failed) => {
                            self.tell(&failed, batch.requests.len());
                            let second = batch.split_off(batch.requests.len() / 2);
                            waiting.extend([second, batch]);
                        }
                    }
                }
                Err(failed) => self.give_up(batch, &failed),
            }
        }
    }

    /// Tells callers that their batch came to nothing that is known.
    fn give_up(&self, batch: Batch, failed: &Failed) {
        self.tell(failed, batch.requests.len());
        batch.refuse(&match failed {
            Failed::OutcomeUnknown => WriteError::OutcomeUnknown,
            Failed::WrongClock(wrong) => WriteError::WrongClock(*wrong),
            Failed::Store(_) | Failed::Silent | Failed::Lost | Failed::Panicked(_) => WriteError::Unavailable,
        });
        if failed.stood_still() {
            self.queue.refuse_all(&WriteError::Unavailable);
        }
    }

    fn tell(&self, failed: &Failed, requests: usize) {
        match failed {
            Failed::Store(error) if error.is_permanent() => {
                error!(requests, error = error as &dyn std::error::Error, "a batch failed for good");
            }
            Failed::Store(error) => warn!(requests, error = error as &dyn std::error::Error, "the database is gone"),
            Failed::Silent => warn!(requests, silent = ?PATIENCE, "the database does not answer"),
            Failed::Lost => warn!(requests, "a batch was lost"),
            Failed::OutcomeUnknown => warn!(requests, "nobody can tell in time what became of a batch"),
            // Said elsewhere, once.
            Failed::Panicked(_) | Failed::WrongClock(_) => {}
        }
    }

    /// Sets apart the callers of requests on which the house failed. What fails on whatever comes is no caller's fault, so
    /// if it failed on several callers and nothing is left of others, all stay where they are.
    fn set_apart(&self, culprits: &[Lane], left: &Batch) {
        let Some(first) = culprits.first() else { return };
        let one = culprits.iter().all(|lane| lane == first);
        if one || left.callers.iter().any(|asking| !culprits.contains(&asking.lane)) {
            let now = Instant::now();
            // Commands of the house have batches of their own anyway.
            culprits.iter().filter(|lane| **lane != Lane::House).for_each(|lane| self.queue.set_apart(*lane, now));
        }
    }

    /// Has a batch answered without waiting for it.
    fn answer(&mut self, batch: Batch, committed: Committed) {
        while let Some(answered) = self.answering.try_join_next() {
            note_answered(answered);
        }
        self.answering.spawn_on(async move { answer_all(batch, committed) }, &self.handlers);
    }

    async fn try_repeatedly(&mut self, batch: &mut Batch) -> Result<Committed, Failed> {
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        self.queue.begin(begun);
        self.under_way.begin(std::mem::take(&mut batch.callers), begun);
        let outcome = self.try_until(batch, begun + PATIENCE).await;
        batch.callers = self.under_way.end();
        self.queue.end();
        if outcome.is_ok() {
            let took = begun.elapsed();
            self.short.took(batch.requests.len(), took);
            self.long.took(batch.requests.len(), took);
        }
        outcome
    }

    async fn try_until(&mut self, batch: &Batch, until: Instant) -> Result<Committed, Failed> {
        let mut pause = PAUSE;
        for tried in 1.. {
            let outcome = self.try_once(batch, until).await;
            let again = tried < TRIES_MAX && Instant::now() + pause < until;
            match outcome {
                Err(Failed::Store(error)) if error.kind() == ErrorKind::Transient && again => {
                    warn!(tried, error = &error as &dyn std::error::Error, "a batch runs again");
                }
                Err(Failed::Lost) if again => warn!(tried, "a batch whose commit was lost runs again"),
                outcome => return outcome,
            }
            self.counters.reruns.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the loop returns")
    }

    /// Runs a batch. After a failure the session is gone, and the server ends with the connection whatever it was in the
    /// middle of.
    async fn try_once(&mut self, batch: &Batch, until: Instant) -> Result<Committed, Failed> {
        let mut begun = self.begin(batch, until).await?;
        match begun.decide(&batch.requests).await {
            Ok(decided) => self.finish(begun, decided).await,
            Err(failed) => {
                if matches!(failed, Failed::Panicked(_)) {
                    in_time(until, begun.session.rollback()).await?;
                    self.session = Some(begun.session);
                }
                Err(failed)
            }
        }
    }

    /// Runs a batch that failed for good again, without the requests that made it fail: these are found out, in the same
    /// transaction, by trying parts of the batch behind a savepoint. What is tried is undone, and what is left runs as
    /// one batch.
    async fn trace(&mut self, batch: &mut Batch) -> Result<Committed, Failed> {
        let since = Instant::now();
        self.queue.begin(since);
        self.under_way.begin(std::mem::take(&mut batch.callers), since);
        let traced = self.trace_until(batch, since).await;
        batch.callers = self.under_way.end();
        self.queue.end();
        traced
    }

    async fn trace_until(&mut self, batch: &mut Batch, since: Instant) -> Result<Committed, Failed> {
        let until = since + PATIENCE;
        let mut begun = self.begin(batch, until).await?;
        in_time(until, begun.session.savepoint()).await?;
        let half = batch.requests.len() / 2;
        let mut parts = vec![half..batch.requests.len(), 0..half];
        let mut culprits = Vec::new();
        while culprits.len() < CULPRITS_MAX
            && let Some(part) = parts.pop()
        {
            let tried = begun.try_out(&batch.requests[part.clone()]).await;
            in_time(until, begun.session.back_to_savepoint()).await?;
            match tried {
                Ok(()) => {}
                Err(failed) if failed.is_permanent() || matches!(failed, Failed::Panicked(_)) => {
                    if part.len() == 1 {
                        culprits.push(part.start);
                    } else {
                        let half = part.start + part.len() / 2;
                        parts.extend([half..part.end, part.start..half]);
                    }
                }
                Err(failed) => return Err(failed),
            }
        }
        batch.callers = self.under_way.end();
        let lanes: Vec<Lane> = culprits.iter().rev().map(|at| batch.fail(*at)).collect();
        self.set_apart(&lanes, batch);
        if !parts.is_empty() {
            // Whoever has so many of them has more. They have time, and the others have not.
            self.put_back(batch, &lanes);
        }
        self.under_way.begin(std::mem::take(&mut batch.callers), since);
        let decided = begun.decide(&batch.requests).await?;
        self.finish(begun, decided).await
    }

    /// Puts the requests of these lanes back to where they came from.
    fn put_back(&self, batch: &mut Batch, lanes: &[Lane]) {
        let (requests, callers) = (std::mem::take(&mut batch.requests), std::mem::take(&mut batch.callers));
        for (request, Asking { lane, deadline, reply }) in requests.into_iter().zip(callers).rev() {
            let job = Job { request, as_of: batch.as_of, deadline, reply };
            if lanes.contains(&lane) {
                self.queue.put_back(lane, job);
            } else {
                batch.push(lane, job);
            }
        }
        batch.requests.reverse();
        batch.callers.reverse();
    }

    /// Begins the transaction of a batch.
    async fn begin(&mut self, batch: &Batch, until: Instant) -> Result<Begun, Failed> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => in_time(until, self.store.writer()).await?,
        };
        session.wait_until(until)?;
        self.under_way.uses(session.interrupter());
        let gate = batch.requests.first().map_or(Gate::Shared, |request| request.command.gate());
        let (row, house) = in_time(until, session.begin(gate)).await?;
        let clock = match self.time_of(batch) {
            Ok(now) => now,
            Err(wrong) => {
                in_time(until, session.rollback()).await?;
                self.session = Some(session);
                return Err(Failed::WrongClock(wrong));
            }
        };
        // Due work counts as of its due time; nothing counts before the window it falls into was opened. Nodes' clocks
        // differ, and no batch may find terms in force that another node has replaced.
        let now = batch.as_of.unwrap_or_else(|| clock.max(row.last_time)).max(row.opened);
        let clients_time = self.clock.clients_time();
        Ok(Begun { session, house, row, now, clients_time, id: BatchId(clock::fresh_uuid()), until })
    }

    /// Saves and commits what was decided.
    async fn finish(&mut self, mut begun: Begun, decided: Decided) -> Result<Committed, Failed> {
        let Decided { answers, mut book, mut sequences } = decided;
        let changes = book.take_changes();
        if changes.is_empty() {
            in_time(begun.until, begun.session.rollback()).await?;
            self.session = Some(begun.session);
            return Ok(Committed { answers, book, sequences });
        }
        let saved = in_time(begun.until, begun.session.save(&book, &changes, &begun.header())).await?;
        let Begun { mut session, id, until, .. } = begun;
        if until <= Instant::now() || !self.under_way.may_commit() {
            return Err(Failed::Silent);
        }
        let known = match in_time(until.min(Instant::now() + COMMIT_WAIT), session.commit()).await {
            Ok(()) => {
                self.session = Some(session);
                true
            }
            Err(Failed::Store(error)) if error.is_failed_sync() => {
                error!(batch = %id, error = &error as &dyn std::error::Error, "a commit could not be synced to the disk");
                self.store.durability().lose(&error);
                // The batch is not seen any more, but its pages may be in the file, and be found there at the next start.
                return Err(Failed::OutcomeUnknown);
            }
            Err(Failed::Store(error)) if error.kind() == ErrorKind::CommitUnknown => {
                warn!(batch = %id, error = &error as &dyn std::error::Error, "the outcome of a commit is unknown");
                drop(session);
                false
            }
            Err(Failed::Silent) => {
                warn!(batch = %id, "the outcome of a commit is unknown: the database does not answer");
                drop(session);
                false
            }
            Err(failed) => return Err(failed),
        };
        if !known && !look_up(&self.store, id, &changes, until + (OUTCOME_WAIT - PATIENCE)).await? {
            return Err(Failed::Lost);
        }
        sequences.insert(id, saved.first_sequence);
        Ok(Committed { answers, book, sequences })
    }

    /// What time it is. Until a house whose clock was wrong has caught up, only what was missed is written.
    fn time_of(&self, batch: &Batch) -> Result<Timestamp, WrongClock> {
        let now = self.clock.now_to_write()?;
        match self.clock.paused() {
            Some(wrong) if batch.as_of.is_none() => Err(wrong),
            Some(_) | None => Ok(now),
        }
    }
}

impl Begun {
    /// Loads what requests need, and decides them.
    async fn decide(&mut self, requests: &[Request]) -> Result<Decided, Failed> {
        let mut book = Book::new(Arc::clone(&self.house), self.row.open_window);
        book.clients_time = self.clients_time;
        book.begin_batch(self.id);
        let sequences = in_time(self.until, self.session.load(&mut book, requests, self.now)).await?;
        let mut answers = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            // A panic is a mistake in the rules. The book may be half changed then, so the batch starts anew.
            match catch_unwind(AssertUnwindSafe(|| book.execute(request, self.now))) {
                Ok(answer) => answers.push(answer),
                Err(_) => {
                    error!(command = ?request.command, caller = %request.caller, "the rules panicked on a request");
                    return Err(Failed::Panicked(at));
                }
            }
        }
        Ok(Decided { answers, book, sequences })
    }

    /// Decides requests and saves what they come to, for no other purpose than to see whether that can be done.
    async fn try_out(&mut self, requests: &[Request]) -> Result<(), Failed> {
        let mut book = self.decide(requests).await?.book;
        let changes = book.take_changes();
        if !changes.is_empty() {
            let header = self.header();
            in_time(self.until, self.session.save(&book, &changes, &header)).await?;
        }
        Ok(())
    }

    fn header(&self) -> BatchHeader {
        let coalition = self.house.coalition.id.clone();
        let (window, time) = (self.row.open_window, self.now);
        BatchHeader { coalition, stripe: STRIPE, batch: self.id, window, time, salt: clock::random_bytes() }
    }
}

/// Whether a batch whose COMMIT got no answer is there.
async fn look_up(store: &Store, batch: BatchId, changes: &Changes, end: Instant) -> Result<bool, Failed> {
    let entry = changes.entries.first().map(|id| Probe::Entry(*id));
    let key = changes.requests.iter().find(|(_, change)| !change.known);
    let key = key.map(|((partner, request), _)| Probe::Request(*partner, *request));
    // The house's own work without entries leaves nothing to ask for, and may run twice.
    let Some(probe) = entry.or(key) else { return Ok(false) };
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
        match tokio::time::timeout_at(end.into(), store.look_up(batch, probe)).await {
            Ok(Ok(committed)) => return Ok(committed),
            Ok(Err(error)) => {
                warn!(error = &error as &dyn std::error::Error, "the outcome could not be looked up");
            }
            Err(_) => return Err(Failed::OutcomeUnknown),
        }
    }
}

/// Waits for a step of a batch, but not for ever: it is given up, or, where it blocks this thread, broken off from beside
/// (`under_way`). A session that was given up on must be dropped.
async fn in_time<T>(until: Instant, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failed> {
    match tokio::time::timeout_at(until.into(), step).await {
        Ok(Err(error)) if error.is_broken_off() => Err(Failed::Silent),
        Ok(done) => Ok(done?),
        Err(_) => Err(Failed::Silent),
    }
}

fn note_answered(answered: Result<(), tokio::task::JoinError>) {
    if let Err(error) = answered {
        error!(error = &error as &dyn std::error::Error, "a batch was committed, and not all of it answered");
    }
}

fn answer_all(batch: Batch, committed: Committed) {
    let Committed { answers, book, sequences } = committed;
    for (asking, answer) in batch.callers.into_iter().zip(answers) {
        let ids = answer.result.as_ref().map_or(&[][..], |accepted| &accepted.entries);
        let place = |id: &EntryId| {
            let first = sequences.get(&id.batch).expect("the sequence of an entry answered with is known");
            let entry = book.entries.get(id).expect("an entry answered with is in the book");
            JournalEntry { id: *id, sequence: first + i64::from(id.ordinal), entry: Arc::clone(entry) }
        };
        let entries = ids.iter().map(place).collect();
        let house = Arc::clone(&book.house);
        // A caller that has gone away does not mind.
        let _ = asking.reply.send(Ok(Written { answer, entries, house }));
    }
}
