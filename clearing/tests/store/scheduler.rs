//! The scheduler on a real writer and database: work that falls due runs once, in order, as of its time, whatever the
//! clock has done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clearing::clock::{self, Clock};
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::scheduler::{AdvanceError, DueWork, DueWorkKind, Scheduler};
use clearing::store::{Store, Windows};
use clearing::writer::{Writer, Written};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::Reply;
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::Origin;
use clearing_core::facts::window::{Window, WindowState};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, RequestId, Timestamp};
use clearing_play::{Backend, Database};

const START: &str = "2026-02-01T00:00:00Z";

/// A house without a server: a writer, a scheduler and a clock on a database of its own.
struct BackOffice {
    database: Database,
    store: Store,
    writer: Writer,
    clock: Clock,
    scheduler: Scheduler,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(cut_offs: &[&str], time_zone: &str) -> Calendar {
    Calendar::of(cut_offs.iter().copied(), time_zone)
}

impl BackOffice {
    /// Of a house whose first window opens at a moment.
    async fn new(backend: Backend, start: Timestamp, calendar: Calendar, clock: Clock) -> Self {
        let file = format!(
            "[coalition]\ncurrency = \"EUR\"\nscale = 2\npoint_value = \"0.01\"\nstart = \"{start}\"\n\
             [[partner]]\nid = \"A\"\n[[partner]]\nid = \"B\"\n"
        );
        let mut house = CoalitionFile::parse(&file).unwrap().to_house("test", Variant::AtIssue).unwrap();
        house.calendar = calendar.into();
        let database = Database::new(backend).await;
        let store = database.found(&house, start).await;
        let (writer, _) = Writer::start(store.clone(), clock.clone(), 256);
        let scheduler = Scheduler::new(store.clone(), writer.clone(), clock.clone());
        Self { database, store, writer, clock, scheduler }
    }

    /// With a clock that stands still when the first window opens.
    async fn manual(backend: Backend, start: &str, calendar: Calendar) -> Self {
        Self::new(backend, time(start), calendar, Clock::manual(time(start))).await
    }

    /// Audits the books.
    async fn end(self) {
        self.scheduler.stop().await;
        self.database.audit().await;
        self.database.remove().await;
    }

    /// Another scheduler of the same house, which says that it is another time.
    fn scheduler_at(&self, now: Timestamp) -> Scheduler {
        Scheduler::new(self.store.clone(), self.writer.clone(), Clock::manual(now))
    }

    async fn ask(&self, command: Command) -> Written {
        let of_till = matches!(command, Command::IssuePoints(_) | Command::RedeemPoints(_));
        let caller = if of_till { "A".parse().unwrap() } else { PartnerId::operator() };
        let written = self.writer.ask(request(caller, command)).await.unwrap();
        assert!(written.answer.result.is_ok(), "{:?}", written.answer.result);
        written
    }

    async fn issue(&self, member: u8, points: i64, expires: Timestamp) -> MemberId {
        let member = MemberRef::Identifier(IdentifierHash([member; 32]));
        let issue = Command::IssuePoints(IssuePoints {
            member,
            earn: Earn {
                expires: Some(expires).filter(|expires| *expires != Timestamp::NEVER),
                ..Earn::points(Points(points))
            },
        });
        match self.ask(issue).await.answer.result.unwrap().reply {
            Reply::Member(reply) => reply.member,
            other @ (Reply::Abandoned(_) | Reply::House(_)) => panic!("an issue is answered with {other:?}"),
        }
    }

    async fn windows(&self) -> Vec<Window> {
        let mut snapshot = self.store.snapshot().await.unwrap();
        let windows = snapshot.windows(Windows::All).await.unwrap();
        snapshot.finish().await.unwrap();
        windows.into_iter().map(|row| row.window).collect()
    }

    async fn entry(&self, id: EntryId) -> JournalEntry {
        self.store.entry(id).await.unwrap().unwrap()
    }

    async fn journal(&self) -> Vec<JournalEntry> {
        self.store.journal(1, None, 100_000).await.unwrap()
    }
}

on_both! {
    backend:
        limits_that_come_to_be_nearly_used_are_told_of_once
        every_missed_cut_off_is_closed_on_its_own_as_of_its_time
        a_clock_that_jumps_back_closes_nothing_twice
        expiries_fall_into_the_window_of_their_time_after_downtime
        moving_the_clock_runs_all_that_falls_due_on_the_way
        points_that_expire_at_the_cut_off_expire_before_the_window_closes
        moving_the_clock_to_where_it_is_does_nothing_and_back_is_refused
        the_machines_clock_is_not_moved
        a_daily_cut_off_closes_once_a_day_through_both_changes_of_the_clocks
        a_calendar_has_no_cut_offs_before_it_was_set
        a_window_closed_by_hand_is_closed_by_the_next_cut_off_after_it
        two_schedulers_at_once_close_every_cut_off_once
        work_that_was_interrupted_goes_on_where_it_stopped
        a_thousand_members_whose_points_expire_at_once_all_lose_them
        a_member_with_more_expired_lots_than_one_entry_takes_loses_them_all
        points_that_were_spent_before_they_expire_leave_nothing_to_run
        a_running_house_looks_at_limits_by_itself
        a_running_house_looks_by_itself_until_it_is_stopped;
}

/// A request of somebody's with a fresh id.
fn request(caller: PartnerId, command: Command) -> Request {
    Request {
        caller,
        request_id: Some(RequestId(clock::fresh_uuid())),
        origin: Origin::default(),
        command,
        fresh_member: MemberId(clock::fresh_uuid()),
        fresh_salt: clock::random_bytes(),
        person: None,
        attachment: None,
        badge: None,
    }
}

/// What ran, in words: `close 1 2026-…` or `expiry 2026-…`.
fn told(ran: &[DueWork]) -> Vec<String> {
    let words = |work: &DueWork| match work.kind {
        DueWorkKind::Close { window } => format!("close {window} {}", work.due),
        DueWorkKind::Member => format!("expiry {}", work.due),
        DueWorkKind::Charges { partner } => format!("charge {partner} {}", work.due),
    };
    ran.iter().map(words).collect()
}

/// The log of this thread, as long as it is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        tracing::subscriber::set_default(subscriber.with_writer(move || log.clone()).finish())
    }

    /// The lines about limits since the last call, sorted.
    fn of_limits(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.contains("limit=")).map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    }
}

async fn limits_that_come_to_be_nearly_used_are_told_of_once(backend: Backend) {
    let house = BackOffice::manual(backend, START, Calendar::default()).await;
    let log = Log::default();
    let _captured = log.capture();
    let (a, b) = ("A".parse().unwrap(), "B".parse().unwrap());
    let limits = Limits {
        points_per_day: Some(Points(100)),
        outstanding_points: Some(Points(300)),
        net_debit_cap: Some(Money(1000)),
        ..Limits::default()
    };
    house.ask(Command::SetLimits(SetLimits { partner: a, limits })).await;
    let (granted, budget) = (Some(true), Some(Points(50)));
    house.ask(Command::SetFundingConsent(SetFundingConsent { funder: b, partner: a, granted, budget })).await;
    let look = async |at: &str| {
        house.scheduler.advance_to(time(at)).await.unwrap();
        log.of_limits()
    };
    let never = Timestamp::NEVER;
    house.issue(1, 79, never).await;
    assert_eq!(look("2026-02-01T01:00:00Z").await, [""; 0]);
    house.issue(1, 1, never).await;
    let nearly = "WARN 80 % of a limit are used partner=A limit=\"points_per_day\" used=\"80\" maximum=\"100\"";
    assert_eq!(look("2026-02-01T02:00:00Z").await, [nearly]);
    house.issue(1, 10, never).await;
    assert_eq!(look("2026-02-01T03:00:00Z").await, [""; 0], "it stays nearly used");
    house.issue(1, 10, never).await;
    let up = "WARN a limit is used up partner=A limit=\"points_per_day\" used=\"100\" maximum=\"100\"";
    assert_eq!(look("2026-02-01T04:00:00Z").await, [up]);
    assert_eq!(look("2026-02-01T05:00:00Z").await, [""; 0]);
    // On the next day all of it is there again; somebody else's budget is used then, and the prepaid price of each point
    // counts against the cap.
    let again =
        "INFO less than 80 % of a limit are used again partner=A limit=\"points_per_day\" used=\"0\" maximum=\"100\"";
    assert_eq!(look("2026-02-02T00:00:00Z").await, [again]);
    let member = MemberRef::Identifier(IdentifierHash([1; 32]));
    house
        .ask(Command::IssuePoints(IssuePoints {
            member,
            earn: Earn { funders: vec![(b, 1)], ..Earn::points(Points(45)) },
        }))
        .await;
    let budget = "WARN 80 % of a limit are used partner=B limit=\"consent_budget\" by=A used=\"45\" maximum=\"50\"";
    assert_eq!(look("2026-02-02T01:00:00Z").await, [budget]);
    let limits = Limits { net_debit_cap: Some(Money(120)), ..Limits::default() };
    house.ask(Command::SetLimits(SetLimits { partner: a, limits })).await;
    let cap = "WARN 80 % of a limit are used partner=A limit=\"net_debit_cap\" used=\"1.00\" maximum=\"1.20\"";
    assert_eq!(look("2026-02-02T02:00:00Z").await, [cap]);
    house.end().await;
}

async fn every_missed_cut_off_is_closed_on_its_own_as_of_its_time(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 18 * * *"], "UTC")).await;
    let back = time("2026-02-04T09:30:00Z");
    let ran = house.scheduler_at(back).replay_missed(back).await.unwrap();
    assert_eq!(
        told(&ran),
        ["close 1 2026-02-01T18:00:00Z", "close 2 2026-02-02T18:00:00Z", "close 3 2026-02-03T18:00:00Z"]
    );
    let windows = house.windows().await;
    let periods: Vec<(String, Option<String>)> = windows
        .iter()
        .map(|window| (window.opened.to_string(), window.closed.map(|closed| closed.to_string())))
        .collect();
    let cut_off = |day: u32| format!("2026-02-0{day}T18:00:00Z");
    let expected = [
        (START.to_owned(), Some(cut_off(1))),
        (cut_off(1), Some(cut_off(2))),
        (cut_off(2), Some(cut_off(3))),
        (cut_off(3), None),
    ];
    assert_eq!(periods, expected);
    assert!(house.scheduler.replay_missed(back).await.unwrap().is_empty(), "nothing is missed any more");
    house.end().await;
}

async fn a_clock_that_jumps_back_closes_nothing_twice(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 * * * *"], "UTC")).await;
    let ran =
        house.scheduler_at(time("2026-02-01T02:30:00Z")).replay_missed(time("2026-02-01T02:30:00Z")).await.unwrap();
    assert_eq!(ran.len(), 2);
    for earlier in ["2026-02-01T00:59:00Z", "2026-02-01T01:00:00Z", "2026-02-01T02:00:00Z", "2026-02-01T02:59:59Z"] {
        let ran = house.scheduler_at(time(earlier)).replay_missed(time(earlier)).await.unwrap();
        assert!(ran.is_empty(), "{earlier}: {ran:?}");
    }
    let ran = house.scheduler.replay_missed(time("2026-02-01T03:00:00Z")).await.unwrap();
    assert_eq!(told(&ran), ["close 3 2026-02-01T03:00:00Z"]);
    house.end().await;
}

async fn expiries_fall_into_the_window_of_their_time_after_downtime(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 18 * * *"], "UTC")).await;
    house.issue(1, 10, time("2026-02-01T12:00:00Z")).await;
    house.issue(2, 20, time("2026-02-02T12:00:00Z")).await;
    house.issue(1, 40, time("2026-02-02T15:00:00Z")).await;
    house.issue(3, 80, time("2026-02-03T20:00:00Z")).await;
    let back = time("2026-02-04T00:00:00Z");
    let ran = house.scheduler_at(back).replay_missed(back).await.unwrap();
    let expected = [
        "expiry 2026-02-01T12:00:00Z",
        "close 1 2026-02-01T18:00:00Z",
        "expiry 2026-02-02T12:00:00Z",
        "expiry 2026-02-02T15:00:00Z",
        "close 2 2026-02-02T18:00:00Z",
        "close 3 2026-02-03T18:00:00Z",
    ];
    assert_eq!(told(&ran), expected, "what expired after the last cut-off does not hold up the start");
    for (work, window) in ran.iter().zip([1, 1, 2, 2, 2, 3]) {
        for id in &work.entries {
            let written = house.entry(*id).await;
            assert_eq!((written.entry.window, written.entry.time), (window, work.due));
        }
    }
    house.end().await;
}

async fn moving_the_clock_runs_all_that_falls_due_on_the_way(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 0 * * *"], "UTC")).await;
    house.issue(1, 10, time("2026-02-01T12:00:00Z")).await;
    house.issue(1, 20, time("2026-02-02T12:00:00Z")).await;
    house.issue(2, 40, time("2026-02-02T06:00:00Z")).await;
    let ran = house.scheduler.advance_to(time("2026-02-02T10:00:00Z")).await.unwrap();
    let expected = ["expiry 2026-02-01T12:00:00Z", "close 1 2026-02-02T00:00:00Z", "expiry 2026-02-02T06:00:00Z"];
    assert_eq!(told(&ran), expected);
    assert_eq!(house.clock.now(), time("2026-02-02T10:00:00Z"));
    let ran = house.scheduler.advance_to(time("2026-02-03T00:00:00Z")).await.unwrap();
    assert_eq!(told(&ran), ["expiry 2026-02-02T12:00:00Z", "close 2 2026-02-03T00:00:00Z"]);
    house.end().await;
}

async fn points_that_expire_at_the_cut_off_expire_before_the_window_closes(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 0 * * *"], "UTC")).await;
    let midnight = time("2026-02-02T00:00:00Z");
    house.issue(1, 10, midnight).await;
    let ran = house.scheduler.advance_to(midnight).await.unwrap();
    assert_eq!(told(&ran), ["expiry 2026-02-02T00:00:00Z", "close 1 2026-02-02T00:00:00Z"]);
    assert_eq!(house.entry(ran[0].entries[0]).await.entry.window, 1);
    house.end().await;
}

async fn moving_the_clock_to_where_it_is_does_nothing_and_back_is_refused(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 0 * * *"], "UTC")).await;
    assert!(house.scheduler.advance_to(time(START)).await.unwrap().is_empty());
    let noon = time("2026-02-02T12:00:00Z");
    assert_eq!(house.scheduler.advance_to(noon).await.unwrap().len(), 1);
    assert!(house.scheduler.advance_to(noon).await.unwrap().is_empty());
    let refused = house.scheduler.advance_to(time(START)).await;
    assert!(matches!(refused, Err(AdvanceError::Backwards { now }) if now == noon), "{refused:?}");
    assert_eq!(house.clock.now(), noon);
    house.end().await;
}

async fn the_machines_clock_is_not_moved(backend: Backend) {
    let house = BackOffice::new(backend, time(START), Calendar::default(), Clock::system()).await;
    let refused = house.scheduler.advance_to(time("2126-02-01T00:00:00Z")).await;
    assert!(matches!(refused, Err(AdvanceError::NotManual)), "{refused:?}");
    house.end().await;
}

async fn a_daily_cut_off_closes_once_a_day_through_both_changes_of_the_clocks(backend: Backend) {
    // In Berlin 29 March 2026 has no 02:30, and 25 October 2026 has two.
    for (start, end, days) in
        [("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z", 4), ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z", 4)]
    {
        let house = BackOffice::manual(backend, start, calendar(&["30 2 * * *"], "Europe/Berlin")).await;
        // In steps of a quarter of an hour, as a running house would look.
        let mut ran = Vec::new();
        let mut now = time(start);
        while now < time(end) {
            now = now.plus_seconds(900);
            ran.extend(house.scheduler.advance_to(now).await.unwrap());
        }
        assert_eq!(ran.len(), days, "{ran:?}");
        // And the same in one leap.
        let leaping = BackOffice::manual(backend, start, calendar(&["30 2 * * *"], "Europe/Berlin")).await;
        let at_once = leaping.scheduler_at(time(end)).replay_missed(time(end)).await.unwrap();
        assert_eq!(told(&at_once), told(&ran));
        house.end().await;
        leaping.end().await;
    }
}

async fn a_calendar_has_no_cut_offs_before_it_was_set(backend: Backend) {
    let house = BackOffice::manual(backend, START, Calendar::default()).await;
    house.scheduler.advance_to(time("2026-02-05T12:00:00Z")).await.unwrap();
    let calendar = calendar(&["0 0 * * *"], "UTC");
    house.ask(Command::SetCalendar(SetCalendar::from(calendar))).await;
    let ran = house.scheduler.advance_to(time("2026-02-06T12:00:00Z")).await.unwrap();
    assert_eq!(told(&ran), ["close 1 2026-02-06T00:00:00Z"]);
    house.end().await;
}

async fn a_window_closed_by_hand_is_closed_by_the_next_cut_off_after_it(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 18 * * *"], "UTC")).await;
    house.scheduler.advance_to(time("2026-02-01T18:30:00Z")).await.unwrap();
    house.ask(Command::CloseWindow(CloseWindow { expected: None })).await;
    let ran = house.scheduler.advance_to(time("2026-02-02T18:00:00Z")).await.unwrap();
    assert_eq!(told(&ran), ["close 3 2026-02-02T18:00:00Z"]);
    house.end().await;
}

async fn two_schedulers_at_once_close_every_cut_off_once(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 * * * *"], "UTC")).await;
    for member in 1..=20 {
        house.issue(member, 5, time(START).plus_seconds(600 * i64::from(member))).await;
    }
    let back = time("2026-02-02T00:30:00Z");
    let (one, other) = (house.scheduler_at(back), house.scheduler_at(back));
    let (one, other) = tokio::join!(one.replay_missed(back), other.replay_missed(back));
    one.unwrap();
    other.unwrap();
    let windows = house.windows().await;
    assert_eq!(windows.len(), 25);
    for window in &windows[..24] {
        assert_eq!(window.closed, Some(time(START).plus_seconds(3600 * i64::from(window.number))));
        assert_eq!(window.state, WindowState::Closed);
    }
    let expired = house.journal().await.iter().filter(|written| written.entry.kind == EntryKind::Expire).count();
    assert_eq!(expired, 20, "each lot expired once");
    house.end().await;
}

async fn work_that_was_interrupted_goes_on_where_it_stopped(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 * * * *"], "UTC")).await;
    let back = time("2026-02-03T00:30:00Z");
    let first = house.scheduler_at(back);
    let (interrupted, ()) = tokio::join!(first.replay_missed(back), async {
        while house.store.gate().await.unwrap().open_window < 5 {
            tokio::task::yield_now().await;
        }
        first.stop().await;
    });
    let done = interrupted.unwrap().len();
    let rest = house.scheduler_at(back).replay_missed(back).await.unwrap();
    assert_eq!(done + rest.len(), 48);
    assert_eq!(house.windows().await.len(), 49);
    house.end().await;
}

async fn a_thousand_members_whose_points_expire_at_once_all_lose_them(backend: Backend) {
    let house = BackOffice::manual(backend, START, calendar(&["0 0 1 * *"], "UTC")).await;
    let midnight = time("2026-02-15T00:00:00Z");
    let issue = |number: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        let member = MemberRef::Identifier(IdentifierHash(hash));
        let earn = Earn { expires: Some(midnight), ..Earn::points(Points(3)) };
        request("A".parse().unwrap(), IssuePoints { member, earn }.into())
    };
    for answer in house.writer.ask_all((0..1000).map(issue).collect()).await {
        answer.unwrap().answer.result.unwrap();
    }
    let ran = house.scheduler.advance_to(midnight).await.unwrap();
    assert_eq!(ran.len(), 1000);
    assert!(ran.iter().all(|work| work.due == midnight && work.entries.len() == 1));
    assert!(house.store.members_due(midnight, None, 1).await.unwrap().is_empty(), "nothing is due any more");
    house.end().await;
}

async fn a_member_with_more_expired_lots_than_one_entry_takes_loses_them_all(backend: Backend) {
    let house = BackOffice::manual(backend, START, Calendar::default()).await;
    let midnight = time("2026-02-15T00:00:00Z");
    let member = MemberRef::Identifier(IdentifierHash([7; 32]));
    let earn = Earn { expires: Some(midnight), ..Earn::points(Points(1)) };
    let issue = |_| request("A".parse().unwrap(), IssuePoints { member, earn: earn.clone() }.into());
    for answer in house.writer.ask_all((0..1500).map(issue).collect()).await {
        answer.unwrap().answer.result.unwrap();
    }
    let ran = house.scheduler.advance_to(midnight).await.unwrap();
    let expired: usize = ran.iter().map(|work| work.entries.len()).sum();
    assert_eq!(expired, 1500, "{:?}", told(&ran));
    house.end().await;
}

async fn points_that_were_spent_before_they_expire_leave_nothing_to_run(backend: Backend) {
    let house = BackOffice::manual(backend, START, Calendar::default()).await;
    let member = house.issue(1, 10, time("2026-02-02T00:00:00Z")).await;
    house.issue(1, 10, time("2026-02-03T00:00:00Z")).await;
    house.ask(Command::RedeemPoints(RedeemPoints { member: MemberRef::Id(member), points: Points(10) })).await;
    let ran = house.scheduler.advance_to(time("2026-02-04T00:00:00Z")).await.unwrap();
    assert_eq!(told(&ran), ["expiry 2026-02-03T00:00:00Z"]);
    house.end().await;
}

async fn a_running_house_looks_at_limits_by_itself(backend: Backend) {
    let log = Log::default();
    let _captured = log.capture();
    let machine = Clock::system();
    let house = BackOffice::new(backend, machine.now(), Calendar::default(), machine.clone()).await;
    let limits = Limits { outstanding_points: Some(Points(10)), ..Limits::default() };
    house.ask(Command::SetLimits(SetLimits { partner: "A".parse().unwrap(), limits })).await;
    house.issue(1, 9, Timestamp::NEVER).await;
    house.scheduler.start();
    let told = async {
        loop {
            let lines = log.of_limits();
            if !lines.is_empty() {
                break lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let lines = tokio::time::timeout(Duration::from_secs(30), told).await.unwrap();
    house.scheduler.stop().await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("partner=A limit=\"outstanding_points\" used=\"9\" maximum=\"10\""), "{lines:?}");
    house.end().await;
}

async fn a_running_house_looks_by_itself_until_it_is_stopped(backend: Backend) {
    let machine = Clock::system();
    let now = machine.now();
    let opened = now.plus_seconds(-150);
    let house = BackOffice::new(backend, opened, calendar(&["* * * * *"], "UTC"), machine.clone()).await;
    let member = house.issue(1, 10, now.plus_seconds(10)).await;
    house.scheduler.start();
    house.scheduler.start();
    let done = async {
        loop {
            let journal = house.journal().await;
            let expired = journal.iter().any(|written| written.entry.kind == EntryKind::Expire);
            if expired && house.store.gate().await.unwrap().open_window > 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("the scheduler looks every second");
    house.scheduler.stop().await;
    let journal = house.journal().await;
    let expiry = journal.iter().find(|written| written.entry.kind == EntryKind::Expire).unwrap();
    assert_eq!((expiry.entry.member, expiry.entry.time), (Some(member), now.plus_seconds(10)));
    for window in house.windows().await.iter().filter(|window| window.state != WindowState::Open) {
        let closed = window.closed.unwrap();
        assert_eq!(closed.0 % 60_000_000, 0, "as of the full minute, not of the moment it was looked at: {closed}");
    }
    house.end().await;
}

#[tokio::test]
async fn two_nodes_at_once_close_every_cut_off_once() {
    let house = BackOffice::manual(Backend::Postgres, START, calendar(&["0 * * * *"], "UTC")).await;
    for member in 1..=20 {
        house.issue(member, 5, time(START).plus_seconds(600 * i64::from(member))).await;
    }
    let back = time("2026-02-02T00:30:00Z");
    let node = |store: Store| {
        let clock = Clock::manual(back);
        let (writer, _) = Writer::start(store.clone(), clock.clone(), 256);
        Scheduler::new(store, writer, clock)
    };
    let (one, other) = (node(house.database.store().await), node(house.database.store().await));
    let (one, other) = tokio::join!(one.replay_missed(back), other.replay_missed(back));
    one.unwrap();
    other.unwrap();
    let windows = house.windows().await;
    assert_eq!(windows.len(), 25);
    for window in &windows[..24] {
        assert_eq!(window.closed, Some(time(START).plus_seconds(3600 * i64::from(window.number))));
    }
    let journal = house.journal().await;
    let expired = journal.iter().filter(|written| written.entry.kind == EntryKind::Expire).count();
    assert_eq!(expired, 20, "each lot expired once");
    assert!(journal.iter().zip(1..).all(|(written, sequence)| written.sequence == sequence));
    house.end().await;
}

/// An SQLite has one node only.
#[tokio::test]
async fn a_lease_is_of_one_node_until_it_is_given_back_or_ends() {
    let database = Database::new(Backend::Postgres).await;
    let store = database.store().await;
    store.migrate().await.unwrap();
    let lease = |node, seconds| store.lease("test", node, seconds);
    assert!(lease(1, 3600).await.unwrap());
    assert!(!lease(2, 3600).await.unwrap());
    assert!(lease(1, 3600).await.unwrap(), "its holder makes it last longer");
    assert!(!lease(2, 0).await.unwrap());
    assert!(!lease(2, 3600).await.unwrap(), "nobody gives back what another has");
    assert!(lease(1, 0).await.unwrap());
    assert!(lease(2, 0).await.unwrap());
    assert!(lease(1, 3600).await.unwrap(), "one that has ended is anybody's");
    assert!(store.lease("another", 2, 3600).await.unwrap());
    database.remove().await;
}
