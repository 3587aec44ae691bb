//! Work that falls due by itself: the calendar closes the open window, points expire. And a look at the limits of partners,
//! which [`alarms`] tells of, and at closed windows that nobody confirms, of which [`unconfirmed`] does.
//!
//! All of it is asked of the writer like anything else, and each piece is right whoever asks and however often: a close
//! names the window it means, and points expire once. So work that was interrupted is found again by looking, nothing
//! is ever noted down, and nodes that share a database need only agree on who looks:
//!
//! | danger | what protects against it |
//! |---|---|
//! | two nodes look at once | the lease; and without it they ask for the same things, which are done once |
//! | a node that lost its lease goes on, late | the close names its window, which is closed or not; an expiry finds the lots |
//! | the clock jumps back | the next cut-off is looked for after the open window began, and is not due until the clock is there |
//! | the clock is wrong | nothing is looked for, and the lease goes to another node |
//! | the clock jumps forward, or the house was down | every cut-off passed is closed on its own, in order, each as of its time |
//! | requests are forgotten twice, or by a node whose clock is ahead | up to when they are is a decision of the journal, and they are kept a day longer than they are answered |
//! | a calendar is set that had cut-offs in the past | it rules none before the moment at which it takes effect |
//! | a calendar is set while a cut-off of the one before waits to be kept | that one rules it still |
//!
//! At one moment points expire first, then the calendar closes the window. While cut-offs are waiting to be closed, each
//! expiry runs as of its own time and in order, so that it falls into the right window; otherwise expiries join the batches
//! of the tills, and cost no commit of their own.

pub mod alarms;
pub mod unconfirmed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clearing_core::book::Book;
use clearing_core::command::{Command, Request, charges_of, close_of, forgetting, lower_cap_of, work_of};
use clearing_core::facts::answer::Answer;
use clearing_core::facts::origin::Origin;
use clearing_core::rejection::Rejection;
use clearing_core::schedule::{CalendarProblem, Schedule as CutOffs};
use clearing_core::units::{EntryId, MemberId, PartnerId, RequestId, Timestamp, WindowNumber};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, info_span, warn};

use self::alarms::Told;
use crate::clock::{self, Clock};
use crate::reminder::Reminder;
use crate::store::{MemberDue, Schedule, Store, StoreError};
use crate::writer::{WriteError, Writer, Written};

/// Between two looks at the latest.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks after failures: doubled from [`LOOK`] up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Between two looks at the limits of partners, and at windows that nobody has confirmed.
const LIMITS_LOOK: Duration = Duration::from_secs(10);
/// Partners of whom charges are looked up, and asked for, at once.
const CHARGES_AT_ONCE: u32 = 256;
/// Members looked up, and asked for, at once.
const MEMBERS_AT_ONCE: u32 = 256;
/// Between two looks at requests that are too old to be kept, when there were none left.
const FORGET_LOOK: Duration = Duration::from_secs(60);
/// Steps in which such requests are forgotten in one look, so that due work does not wait for a long backlog.
const FORGET_STEPS: u32 = 16;
/// What the lease of the node that looks is called, and how long it lasts: some looks, so that one that is late loses
/// nothing, and short enough for another node to take over soon.
pub(crate) const LEASE: &str = "scheduler";
pub(crate) const LEASE_SECONDS: u32 = 10;

/// A piece of work that ran because its time had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWork {
    pub kind: DueWorkKind,
    pub due: Timestamp,
    /// What it wrote, in journal order.
    pub entries: Vec<EntryId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueWorkKind {
    /// The calendar closed this window.
    Close { window: WindowNumber },
    /// What was due of one member: activations, lapses, expiries, and what followed from them.
    Member,
    /// A partner was charged for periods that have begun.
    Charges { partner: PartnerId },
}

/// Due work did not run to its end. What has run, has; the rest is found again by the next look.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("due work was not written")]
    Write(#[from] WriteError),
    #[error("due work could not be looked for")]
    Store(#[from] StoreError),
    #[error("the calendar in force cannot be read")]
    Calendar(#[from] CalendarProblem),
    #[error("window {window} was not closed by the calendar: {rejection}")]
    CloseRefused { window: WindowNumber, rejection: Rejection },
}

/// The clock was not moved to where it should go.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    #[error("the house's clock is the machine's, which nobody moves")]
    NotManual,
    #[error("the clock stands at {now} already")]
    Backwards { now: Timestamp },
    #[error("the work that was due did not run")]
    Due(#[from] ScheduleError),
}

/// A command of the house itself.
pub(crate) fn own_work(command: Command) -> Request {
    Request {
        caller: PartnerId::operator(),
        request_id: None,
        origin: Origin::default(),
        command,
        fresh_member: MemberId(clock::fresh_uuid()),
        fresh_salt: clock::random_bytes(),
        person: None,
        attachment: None,
        badge: None,
    }
}

/// Asks for what falls due, on the node that has the lease. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    writer: Writer,
    clock: Clock,
    /// This node, in leases.
    node: u128,
    /// Held while due work runs, so that it runs once and in order, and nobody moves a manual clock under it.
    turn: Mutex<()>,
    /// Up to which key requests were forgotten, and when there may be more.
    forgotten: std::sync::Mutex<(RequestId, Option<Instant>)>,
    /// What was said about limits.
    told: std::sync::Mutex<Told>,
    /// When windows were told of that nobody has confirmed, by the house's clock.
    told_unconfirmed: std::sync::Mutex<Option<Timestamp>>,
    stop: CancellationToken,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// How a piece of work learns what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// One by one, each as of its due time, which lies in the past.
    Behind,
    /// Together with what else goes on: the clock says a time at which all of it is due.
    Abreast,
    /// The clock is moved to the due time of each piece, then it runs.
    Moving,
}

impl Scheduler {
    pub fn new(store: Store, writer: Writer, clock: Clock) -> Self {
        let inner = Inner {
            store,
            writer,
            clock,
            node: clock::fresh_uuid(),
            turn: Mutex::new(()),
            forgotten: std::sync::Mutex::new((RequestId(0), None)),
            told: std::sync::Mutex::default(),
            told_unconfirmed: std::sync::Mutex::default(),
            stop: CancellationToken::new(),
            task: std::sync::Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins to look for due work, until [`Scheduler::stop`]. Under a manual clock there is nothing to look for: work
    /// falls due when the clock is moved.
    pub fn start(&self) {
        let mut task = self.inner.task.lock().expect("nobody panics with the lock");
        if self.inner.clock.is_manual() || task.is_some() {
            return;
        }
        let looking = Arc::clone(&self.inner).look_until_stopped().instrument(info_span!("scheduler"));
        #[allow(clippy::disallowed_methods, reason = "the scheduler's one task; stop() waits for its end")]
        let handle = tokio::spawn(looking);
        *task = Some(handle);
    }

    /// Looks no more, and returns when what was under way is done.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        let task = self.inner.task.lock().expect("nobody panics with the lock").take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            error!(%error, "the scheduler ended badly");
        }
    }

    /// Closes the open window once for every cut-off that has passed by `until`, each as of its time and after the
    /// expiries that were due by then. For the start of a house, before it serves. What has expired since the last
    /// cut-off is left to the looks that follow.
    ///
    /// # Errors
    /// [`ScheduleError`]; it may be called again.
    pub async fn replay_missed(&self, until: Timestamp) -> Result<Vec<DueWork>, ScheduleError> {
        let _turn = self.inner.turn.lock().await;
        let mut ran = Vec::new();
        self.inner.close_passed(until, Pace::Behind, &mut ran).await?;
        Ok(ran)
    }

    /// Moves a manual clock, running on the way all that falls due: each piece with the clock at its due time. Then it looks
    /// at the limits of partners and at windows that nobody has confirmed.
    ///
    /// # Errors
    /// [`AdvanceError`]. After [`AdvanceError::Due`] the clock stands where the work stopped; it may be called again.
    pub async fn advance_to(&self, to: Timestamp) -> Result<Vec<DueWork>, AdvanceError> {
        let inner = &self.inner;
        if !inner.clock.is_manual() {
            return Err(AdvanceError::NotManual);
        }
        let _turn = inner.turn.lock().await;
        let now = inner.clock.now();
        if to < now {
            return Err(AdvanceError::Backwards { now });
        }
        let mut ran = Vec::new();
        inner.close_passed(to, Pace::Moving, &mut ran).await?;
        inner.expire_until(to, Pace::Moving, &mut ran).await?;
        inner.clock.advance_to(to);
        inner.look_at_limits().await;
        inner.look_at_unconfirmed().await;
        while !inner.forget_requests(to).await? {}
        Ok(ran)
    }
}

impl Inner {
    async fn look_until_stopped(self: Arc<Self>) {
        let mut failures = 0;
        let mut reminder = Reminder::default();
        let mut leading = false;
        let mut limits_at = Instant::now();
        while !self.stop.is_cancelled() {
            let pause = match self.look(&mut leading).await {
                Ok(pause) => {
                    failures = 0;
                    reminder.over();
                    pause
                }
                Err(error) => {
                    let pause = (LOOK * 2_u32.saturating_pow(failures)).min(PAUSE_MAX);
                    failures += 1;
                    if reminder.is_due(&error.to_string()) {
                        warn!(?pause, error = &error as &dyn std::error::Error, "due work waits for another look");
                    }
                    pause
                }
            };
            let next = Instant::now() + pause;
            if leading && Instant::now() >= limits_at {
                self.look_at_limits().await;
                self.look_at_unconfirmed().await;
                limits_at = Instant::now() + LIMITS_LOOK;
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
        if leading && let Err(error) = self.store.lease(LEASE, self.node, 0).await {
            debug!(error = &error as &dyn std::error::Error, "the lease was not given back; it ends by itself");
        }
    }

    /// One look, if this node is the one that looks. Gives how long to wait for the next.
    async fn look(&self, leading: &mut bool) -> Result<Duration, ScheduleError> {
        let right = self.clock.wrong().is_none() && self.clock.paused().is_none();
        if !right && *leading {
            self.store.lease(LEASE, self.node, 0).await?;
        }
        let leads = right && self.store.lease(LEASE, self.node, LEASE_SECONDS).await?;
        if leads != *leading {
            info!(leads, "this node {} the due work", if leads { "now runs" } else { "no longer runs" });
            // Another node has told of them meanwhile, or nobody has.
            *self.told_unconfirmed.lock().expect("nobody panics with the lock") = None;
            *leading = leads;
        }
        if !leads {
            return Ok(LOOK);
        }
        let _turn = self.turn.lock().await;
        let mut ran = Vec::new();
        let now = self.clock.now();
        self.close_passed(now, Pace::Behind, &mut ran).await?;
        self.expire_until(now, Pace::Abreast, &mut ran).await?;
        self.forget_requests(now).await?;
        if !ran.is_empty() {
            info!(pieces = ran.len(), "due work ran");
        }
        // Expiries can wait for the next look: a member's own command finds them done. A cut-off is kept to the moment.
        let next = self.next_close().await?.map(|(cut_off, _)| cut_off.0.saturating_sub(self.clock.now().0));
        Ok(next.map_or(LOOK, |micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LOOK)))
    }

    /// Forgets requests that are too old to be kept, some at a time; true if none is left. By the machine's clock it looks for
    /// them once a minute.
    async fn forget_requests(&self, now: Timestamp) -> Result<bool, ScheduleError> {
        let (from, next) = *self.forgotten.lock().expect("nobody panics with the lock");
        if next.is_some_and(|next| Instant::now() < next) && !self.clock.is_manual() {
            return Ok(true);
        }
        if self.store.forgetting_is_due(now).await? {
            let written = self.writer.ask(own_work(forgetting())).await?;
            if let Err(rejection) = written.answer.result {
                warn!(%rejection, "requests cannot be forgotten");
            }
        }
        let Some(to) = self.store.forget_requests(from, FORGET_STEPS).await? else { return Ok(false) };
        self.store.forget_link_changes(now).await?;
        *self.forgotten.lock().expect("nobody panics with the lock") = (to, Some(Instant::now() + FORGET_LOOK));
        Ok(true)
    }

    /// Tells of limits that came to be nearly used, or are no longer. It reads what the list of partners reads, beside the
    /// writer; where that fails, the next look will do.
    async fn look_at_limits(&self) {
        let book = match self.store.open_book().await {
            Ok(book) => book,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "the limits of partners wait for another look");
                return;
            }
        };
        self.lower_caps(&book).await;
        let uses = alarms::uses(&book, self.clock.now());
        let mut told = self.told.lock().expect("nobody panics with the lock");
        let (crossed, after) = alarms::crossings(&told, &uses);
        *told = after;
        for crossing in &crossed {
            alarms::tell(crossing, &book.house.coalition);
        }
    }

    /// Lowers caps that stand above what covers them since a guarantee has ended. Where that fails, the next look will do.
    async fn lower_caps(&self, book: &Book) {
        let partners: Vec<PartnerId> = book.caps_to_lower(self.clock.now()).collect();
        for partner in partners {
            match self.writer.ask(own_work(lower_cap_of(partner))).await {
                Ok(Written { answer: Answer { result: Err(rejection), .. }, .. }) => {
                    warn!(%partner, %rejection, "a cap above what covers it was not lowered");
                }
                Ok(_) => {
                    info!(%partner, "a guarantee has ended, and the net debit cap is lowered to what is left of the cover")
                }
                Err(error) => {
                    warn!(%partner, error = &error as &dyn std::error::Error, "a cap waits for another look");
                }
            }
        }
    }

    /// Tells of closed windows that wait to be confirmed. Where they cannot be read, the next look will do; that the database
    /// is away others say.
    async fn look_at_unconfirmed(&self) {
        let Ok(waiting) = self.store.unconfirmed().await else { return };
        let now = self.clock.now();
        let mut told = self.told_unconfirmed.lock().expect("nobody panics with the lock");
        let due = unconfirmed::is_due(&waiting, *told, now);
        if due {
            unconfirmed::tell(&waiting);
        }
        if due || told.is_none() {
            *told = Some(now);
        }
    }

    /// Closes the open window for each cut-off up to `until`.
    async fn close_passed(&self, until: Timestamp, pace: Pace, ran: &mut Vec<DueWork>) -> Result<(), ScheduleError> {
        while !self.stop.is_cancelled()
            && let Some((cut_off, window)) = self.next_close().await?
            && cut_off <= until
        {
            self.expire_until(cut_off, pace, ran).await?;
            if self.stop.is_cancelled() {
                break;
            }
            if pace == Pace::Moving {
                self.clock.advance_to(cut_off);
            }
            let close = own_work(close_of(window));
            let written = self.writer.run_due(close, cut_off).await?;
            if let Err(rejection) = written.answer.result {
                return Err(ScheduleError::CloseRefused { window, rejection });
            }
            info!(window, %cut_off, "the calendar closed the window");
            let entries = written.entries.iter().map(|entry| entry.id).collect();
            ran.push(DueWork { kind: DueWorkKind::Close { window }, due: cut_off, entries });
        }
        Ok(())
    }

    /// When the calendar closes the open window next, and which that is.
    async fn next_close(&self) -> Result<Option<(Timestamp, WindowNumber)>, ScheduleError> {
        let Schedule { open_window, opened, calendars } = self.store.schedule().await?;
        let cut_off = CutOffs::read(&calendars)?.next_after(opened);
        Ok(cut_off.map(|cut_off| (cut_off, open_window)))
    }

    /// Posts the expiries that are due by `until`.
    async fn expire_until(&self, until: Timestamp, pace: Pace, ran: &mut Vec<DueWork>) -> Result<(), ScheduleError> {
        // What was asked for and came to nothing: it must not be found again and again.
        let mut fruitless = BTreeSet::new();
        let mut uncharged = BTreeSet::new();
        while !self.stop.is_cancelled() {
            let found = self.find_due(until, pace, &fruitless).await?;
            let next = found.first().map_or(until, |first| first.due);
            if self.charge_until(next, pace, &mut uncharged, ran).await? {
                continue;
            }
            let Some(first) = found.first() else { break };
            if pace == Pace::Moving {
                self.clock.advance_to(first.due);
            }
            let answers = self.expire(&found, pace).await;
            for (due, answer) in found.into_iter().zip(answers) {
                match expired(&due, answer)? {
                    entries if entries.is_empty() => {
                        fruitless.insert(due);
                    }
                    entries => ran.push(DueWork { kind: DueWorkKind::Member, due: due.due, entries }),
                }
            }
        }
        Ok(self.store.mark_released().await?)
    }

    /// Charges partners for what is due by `until`: all that is due at the same moment, unless the order is of no importance. True if
    /// something was; who cannot be charged is noted in `uncharged`, so that it is not found again and again.
    async fn charge_until(
        &self,
        until: Timestamp,
        pace: Pace,
        uncharged: &mut BTreeSet<PartnerId>,
        ran: &mut Vec<DueWork>,
    ) -> Result<bool, ScheduleError> {
        let mut due = self.store.charges_due(until, CHARGES_AT_ONCE).await?;
        due.retain(|(partner, _)| !uncharged.contains(partner));
        let Some((_, first)) = due.first().copied() else { return Ok(false) };
        if pace != Pace::Abreast {
            due.retain(|(_, due)| *due == first);
        }
        if pace == Pace::Moving {
            self.clock.advance_to(first);
        }
        let request = |(partner, _): &(PartnerId, Timestamp)| own_work(charges_of(*partner));
        let answers = if pace == Pace::Behind {
            let mut answers = Vec::with_capacity(due.len());
            for partner in &due {
                answers.push(self.writer.run_due(request(partner), first).await);
            }
            answers
        } else {
            self.writer.ask_all(due.iter().map(request).collect()).await
        };
        for ((partner, due), answer) in due.into_iter().zip(answers) {
            let written = answer?;
            if let Err(rejection) = &written.answer.result {
                warn!(%partner, %rejection, "a partner was not charged");
            }
            if written.entries.is_empty() {
                uncharged.insert(partner);
                continue;
            }
            let entries = written.entries.iter().map(|entry| entry.id).collect();
            ran.push(DueWork { kind: DueWorkKind::Charges { partner }, due, entries });
        }
        Ok(true)
    }

    /// The members to ask for next, the earliest due first: all due at the same moment, unless the order is of no
    /// importance.
    async fn find_due(
        &self,
        until: Timestamp,
        pace: Pace,
        fruitless: &BTreeSet<MemberDue>,
    ) -> Result<Vec<MemberDue>, ScheduleError> {
        let mut after = None;
        loop {
            let page = self.store.members_due(until, after, MEMBERS_AT_ONCE).await?;
            let last = page.last().copied().filter(|_| page.len() == MEMBERS_AT_ONCE as usize);
            let mut found: Vec<MemberDue> = page.into_iter().filter(|due| !fruitless.contains(due)).collect();
            if let Some(first) = found.first().copied() {
                if pace != Pace::Abreast {
                    found.retain(|due| due.due == first.due);
                }
                return Ok(found);
            }
            let Some(last) = last else { return Ok(Vec::new()) };
            after = Some(last);
        }
    }

    /// Asks for what is due for these members; answers in their order.
    async fn expire(&self, members: &[MemberDue], pace: Pace) -> Vec<Result<Written, WriteError>> {
        let request = |due: &MemberDue| own_work(work_of(due.member));
        match pace {
            Pace::Abreast | Pace::Moving => self.writer.ask_all(members.iter().map(request).collect()).await,
            Pace::Behind => {
                let mut answers = Vec::with_capacity(members.len());
                for due in members {
                    answers.push(self.writer.run_due(request(due), due.due).await);
                }
                answers
            }
        }
    }
}

/// The entries that an expiry wrote. A member on whom the house fails holds up nobody else.
fn expired(due: &MemberDue, answer: Result<Written, WriteError>) -> Result<Vec<EntryId>, ScheduleError> {
    match answer {
        Ok(written) => {
            if let Err(rejection) = &written.answer.result {
                warn!(member = %due.member, %rejection, "points did not expire");
            }
            Ok(written.entries.iter().map(|entry| entry.id).collect())
        }
        Err(WriteError::Internal) => {
            warn!(member = %due.member, due = %due.due, "points did not expire; the writer's log says why");
            Ok(Vec::new())
        }
        Err(
            error @ (WriteError::Overloaded { .. }
            | WriteError::TooFast { .. }
            | WriteError::DeadlinePassed
            | WriteError::Unavailable
            | WriteError::OutcomeUnknown
            | WriteError::WrongClock(_)
            | WriteError::ShuttingDown),
        ) => Err(error.into()),
    }
}
