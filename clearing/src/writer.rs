//! The only place with a write transaction.
//!
//! Handlers put a request and a way to answer on a bounded queue and wait. The writer takes what is queued and runs it
//! as one batch: **begin - gate - load - decide - save - commit - answer**. A caller that goes away changes nothing: its
//! request runs or was never taken. Nothing cancels a future of the writer but its own patience with a silent database,
//! and then the session goes with it.
//!
//! | what fails | what happens |
//! |---|---|
//! | a rule says no | the rejection is an answer like any other, recorded in the same commit |
//! | the database, before COMMIT, in passing | the whole batch runs again with a new time |
//! | the database, before COMMIT, for good | the batch is halved until the culprit is alone; that one gets an error, unrecorded |
//! | the outcome of COMMIT is unknown | it is looked up under the batch's id before anybody is answered |
//! | the rules panic on one request | that one gets an error, unrecorded; the batch runs again without it |
//! | the machine's clock is wrong | callers are told so, with both times; nothing is written by it |
//! | the database is gone, or silent | callers are told so and may ask again under the same key |

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clearing_core::book::Book;
use clearing_core::changes::Changes;
use clearing_core::command::{Answer, Command, Request};
use clearing_core::journal::{BatchHeader, JournalEntry};
use clearing_core::terms::House;
use clearing_core::units::{BatchId, EntryId, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, debug, error, info_span, warn};

use crate::clock::{self, Clock, WrongClock};
use crate::store::{ErrorKind, Gate, Probe, Store, StoreError, WriterSession};

/// Requests one batch takes at the most.
const BATCH_MAX: usize = 2048;
/// When more than twice as many wait, the writer leaves half of them for the next batch. Were all taken, all callers would
/// wait for one batch, and then ask again at once, while in turn the handlers and the database have nothing to do.
const BATCH_EVEN: usize = 128;
/// How often a batch is tried again after passing failures.
const TRIES_MAX: u32 = 4;
/// Between tries, doubled each time.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the database may take over one step of a batch. One that is silent for longer is gone, although its
/// connections look alive: a machine that lost its network or its power closes none. Longer than SQLite waits for its file.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long an unknown outcome is looked up before callers are told that it is unknown.
const OUTCOME_WAIT: Duration = Duration::from_secs(20);

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
    #[error("the queue of {0} requests is full")]
    Overloaded(usize),
    #[error("the database cannot be reached")]
    Unavailable,
    #[error("the database went away while it committed; ask again under the same request id")]
    OutcomeUnknown,
    #[error("the house failed on this request; it was logged, and nothing was changed")]
    Internal,
    #[error("the house is shutting down")]
    ShuttingDown,
    #[error("the house writes nothing now: {0}")]
    WrongClock(#[from] WrongClock),
}

type Reply = oneshot::Sender<Result<Written, WriteError>>;

struct Job {
    request: Request,
    /// For due work of the house: the time as of which it counts.
    as_of: Option<Timestamp>,
    reply: Reply,
}

/// Requests that run in one transaction, each with the way to its answer.
#[derive(Default)]
struct Batch {
    requests: Vec<Request>,
    replies: Vec<Reply>,
    as_of: Option<Timestamp>,
}

impl Batch {
    fn push(&mut self, job: Job) {
        self.requests.push(job.request);
        self.replies.push(job.reply);
        self.as_of = job.as_of;
    }

    fn alone(job: Job) -> Self {
        let mut batch = Self::default();
        batch.push(job);
        batch
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { requests: self.requests.split_off(at), replies: self.replies.split_off(at), as_of: self.as_of }
    }

    fn refuse(self, error: &WriteError) {
        for reply in self.replies {
            let _ = reply.send(Err(error.clone()));
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
}

/// [`WriterCounts`] as the writer keeps them.
#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    reruns: AtomicU64,
}

/// The way to the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the writer, on a thread of its own: among the handlers, whatever the database answered would wait until a
    /// thread has done with some of them, several times a batch, and everybody waits for the batch. It ends, with
    /// everything queued answered, when all clones of the handle are gone.
    pub fn start(store: Store, clock: Clock, queue_length: usize) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(queue_length);
        let handlers = Handle::current();
        let counters = Arc::new(Counters::default());
        let counted = Arc::clone(&counters);
        let answering = JoinSet::new();
        let desk = Desk { store, clock, session: None, house: None, handlers, answering, counters: counted };
        let run = desk.run(jobs).instrument(info_span!("writer"));
        let (end, ended) = oneshot::channel::<()>();
        // Not one of the runtime's threads for what blocks: the process could not end while a database is silent.
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let _end = end;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread gets the files that it waits on").block_on(run);
        });
        thread.expect("a process that starts can start a thread");
        #[allow(clippy::disallowed_methods, reason = "it tells that the thread has ended; awaited at shutdown")]
        let task = tokio::spawn(async move {
            let _ = ended.await;
        });
        (Self { queue, counters }, task)
    }

    /// What the writer has done so far.
    pub fn counts(&self) -> WriterCounts {
        WriterCounts {
            batches: self.counters.batches.load(Ordering::Relaxed),
            reruns: self.counters.reruns.load(Ordering::Relaxed),
        }
    }

    /// Asks the house, or says at once that it is too busy.
    pub async fn ask(&self, request: Request) -> Result<Written, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { request, as_of: None, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => WriteError::Overloaded(self.queue.max_capacity()),
            mpsc::error::TrySendError::Closed(_) => WriteError::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(WriteError::ShuttingDown))
    }

    /// Asks many things, waiting for room in the queue; the answers come in the order of the requests.
    pub async fn ask_all(&self, requests: Vec<Request>) -> Vec<Result<Written, WriteError>> {
        let mut waiting = Vec::with_capacity(requests.len());
        for request in requests {
            let (reply, answer) = oneshot::channel();
            let sent = self.queue.send(Job { request, as_of: None, reply }).await;
            waiting.push(sent.map(|()| answer));
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(match answer {
                Ok(answer) => answer.await.unwrap_or(Err(WriteError::ShuttingDown)),
                Err(_) => Err(WriteError::ShuttingDown),
            });
        }
        answers
    }

    /// Runs work of the house that was due at `as_of`.
    pub async fn run_due(&self, request: Request, as_of: Timestamp) -> Result<Written, WriteError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { request, as_of: Some(as_of), reply };
        self.queue.send(job).await.map_err(|_| WriteError::ShuttingDown)?;
        answer.await.unwrap_or(Err(WriteError::ShuttingDown))
    }
}

/// Where the writer works: its session with the database and what it keeps between batches.
struct Desk {
    store: Store,
    clock: Clock,
    session: Option<WriterSession>,
    /// The house as of an epoch of its terms.
    house: Option<(i64, Arc<House>)>,
    /// Where the callers wait. Their answers are made there, beside the next batch.
    handlers: Handle,
    answering: JoinSet<()>,
    counters: Arc<Counters>,
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

impl Desk {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        while jobs.recv_many(&mut taken, (jobs.len() / 2).clamp(BATCH_EVEN, BATCH_MAX)).await > 0 {
            // Commands of the house, and due work with a time of its own, each make a batch of one.
            let mut shared = Batch::default();
            for job in taken.drain(..) {
                if job.as_of.is_none() && gate_of(&job.request) == Gate::Shared {
                    shared.push(job);
                    continue;
                }
                self.write(std::mem::take(&mut shared)).await;
                self.write(Batch::alone(job)).await;
            }
            self.write(shared).await;
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
            match self.try_repeatedly(&batch).await {
                Ok(committed) => self.answer(batch, committed),
                Err(Failed::Panicked(at)) => {
                    batch.requests.remove(at);
                    let _ = batch.replies.remove(at).send(Err(WriteError::Internal));
                    waiting.push(batch);
                }
                Err(Failed::OutcomeUnknown) => batch.refuse(&WriteError::OutcomeUnknown),
                Err(Failed::Lost) => batch.refuse(&WriteError::Unavailable),
                Err(Failed::WrongClock(wrong)) => batch.refuse(&WriteError::WrongClock(wrong)),
                Err(Failed::Silent) => {
                    warn!(requests, silent = ?SILENCE_MAX, "the database does not answer");
                    batch.refuse(&WriteError::Unavailable);
                }
                Err(Failed::Store(error)) if error.kind() == ErrorKind::Permanent => {
                    error!(requests, error = &error as &dyn std::error::Error, "a batch failed for good");
                    if requests == 1 {
                        batch.refuse(&WriteError::Internal);
                    } else {
                        let second = batch.split_off(requests / 2);
                        waiting.extend([second, batch]);
                    }
                }
                Err(Failed::Store(error)) => {
                    warn!(requests, error = &error as &dyn std::error::Error, "the database is gone");
                    batch.refuse(&WriteError::Unavailable);
                }
            }
        }
    }

    /// Has a batch answered without waiting for it.
    fn answer(&mut self, batch: Batch, committed: Committed) {
        while let Some(answered) = self.answering.try_join_next() {
            note_answered(answered);
        }
        self.answering.spawn_on(async move { answer_all(batch, &committed) }, &self.handlers);
    }

    async fn try_repeatedly(&mut self, batch: &Batch) -> Result<Committed, Failed> {
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        let mut pause = PAUSE;
        for tried in 1.. {
            let outcome = self.try_once(batch).await;
            if !matches!(outcome, Ok(_) | Err(Failed::Panicked(_) | Failed::WrongClock(_))) {
                // Whatever it was in the middle of, the server ends it with the connection.
                self.session = None;
            }
            match outcome {
                Err(Failed::Store(error)) if error.kind() == ErrorKind::Transient && tried < TRIES_MAX => {
                    warn!(tried, error = &error as &dyn std::error::Error, "a batch runs again");
                }
                Err(Failed::Lost) if tried < TRIES_MAX => warn!(tried, "a batch whose commit was lost runs again"),
                outcome => return outcome,
            }
            self.counters.reruns.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the loop returns")
    }

    async fn try_once(&mut self, batch: &Batch) -> Result<Committed, Failed> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => in_time(self.store.writer()).await?,
        };
        let requests = &batch.requests;
        let gate = requests.first().map_or(Gate::Shared, gate_of);
        let row = in_time(session.begin(gate)).await?;
        let house = match &self.house {
            Some((epoch, house)) if *epoch == row.terms_epoch => Arc::clone(house),
            _ => {
                let house = Arc::new(in_time(session.load_house()).await?.house);
                self.house = Some((row.terms_epoch, Arc::clone(&house)));
                house
            }
        };
        let clock = match self.time_of(batch) {
            Ok(now) => now,
            Err(wrong) => {
                in_time(session.rollback()).await?;
                self.session = Some(session);
                return Err(Failed::WrongClock(wrong));
            }
        };
        // Due work counts as of its due time; nothing counts before the window it falls into was opened. Nodes' clocks
        // differ, and no batch may find terms in force that another node has replaced.
        let now = batch.as_of.unwrap_or_else(|| clock.max(row.last_time)).max(row.opened);
        let id = BatchId(clock::fresh_uuid());
        let mut book = Book::new(Arc::clone(&house), row.open_window);
        book.begin_batch(id);
        let mut sequences = match gate {
            Gate::Shared => in_time(session.load(&mut book, requests, now)).await?,
            Gate::Exclusive => in_time(session.load_all(&mut book, requests)).await?,
        };

        let mut answers = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            // A panic is a mistake in the rules. The book may be half changed then, so the batch starts anew.
            match catch_unwind(AssertUnwindSafe(|| book.execute(request, now))) {
                Ok(answer) => answers.push(answer),
                Err(_) => {
                    error!(command = ?request.command, caller = %request.caller, "the rules panicked on a request");
                    in_time(session.rollback()).await?;
                    self.session = Some(session);
                    return Err(Failed::Panicked(at));
                }
            }
        }

        let changes = book.take_changes();
        if changes.is_empty() {
            in_time(session.rollback()).await?;
            self.session = Some(session);
            return Ok(Committed { answers, book, sequences });
        }
        let coalition = house.coalition.id.clone();
        let window = row.open_window;
        let header = BatchHeader { coalition, batch: id, window, time: now, salt: clock::random_bytes() };
        let saved = in_time(session.save(&book, &changes, &header)).await?;
        let known = match in_time(session.commit()).await {
            Ok(()) => {
                self.session = Some(session);
                true
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
        if !known && !self.look_up(id, &changes).await? {
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

    /// Whether a batch whose COMMIT got no answer is there.
    async fn look_up(&self, batch: BatchId, changes: &Changes) -> Result<bool, Failed> {
        let entry = changes.entries.first().map(|id| Probe::Entry(*id));
        let key = changes.requests.iter().find(|(_, change)| !change.known);
        let key = key.map(|((partner, request), _)| Probe::Request(*partner, *request));
        // The house's own work without entries leaves nothing to ask for, and may run twice.
        let Some(probe) = entry.or(key) else { return Ok(false) };
        let end = tokio::time::Instant::now() + OUTCOME_WAIT;
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
            let asked = async { self.store.writer().await?.was_committed(batch, probe).await };
            match tokio::time::timeout_at(end, asked).await {
                Ok(Ok(committed)) => return Ok(committed),
                Ok(Err(error)) => {
                    warn!(error = &error as &dyn std::error::Error, "the outcome could not be looked up");
                }
                Err(_) => return Err(Failed::OutcomeUnknown),
            }
        }
    }
}

/// Waits for a step of a batch, but not for ever. A session that was given up on must be dropped.
async fn in_time<T>(step: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failed> {
    match tokio::time::timeout(SILENCE_MAX, step).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failed::Silent),
    }
}

fn gate_of(request: &Request) -> Gate {
    if matches!(request.command, Command::House(_)) { Gate::Exclusive } else { Gate::Shared }
}

fn note_answered(answered: Result<(), tokio::task::JoinError>) {
    if let Err(error) = answered {
        error!(error = &error as &dyn std::error::Error, "a batch was committed, and not all of it answered");
    }
}

fn answer_all(batch: Batch, committed: &Committed) {
    let Committed { answers, book, sequences } = committed;
    for (reply, answer) in batch.replies.into_iter().zip(answers) {
        let ids = answer.result.as_ref().map_or(&[][..], |accepted| &accepted.entries);
        let place = |id: &EntryId| {
            let first = sequences.get(&id.batch).expect("the sequence of an entry answered with is known");
            let entry = book.entries.get(id).expect("an entry answered with is in the book");
            JournalEntry { id: *id, sequence: first + i64::from(id.ordinal), entry: Arc::clone(entry) }
        };
        let entries = ids.iter().map(place).collect();
        let house = Arc::clone(&book.house);
        // A caller that has gone away does not mind.
        let _ = reply.send(Ok(Written { answer: answer.clone(), entries, house }));
    }
}
