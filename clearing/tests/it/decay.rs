//! The decay of all members, a page at a time, through the SDK.

use std::time::{Duration, SystemTime};

use partner_sdk::operator::{DecayMembers, MembersDecayed, Operator, RunDecay};
use partner_sdk::{Client, Decimal, EntryKind, Error, Issue, MemberRef, Redeem};

use clearing_play::{BACKENDS, Backend, TestHouse};

const DAY: Duration = Duration::from_secs(86_400);

/// The house of S01 with members 0 to 6 who are idle from its first day on, each with 100 points and some more by its
/// number; and member 7, who bought something nine days later. It is the tenth day.
struct IdleMembers {
    test: TestHouse,
    a: Client,
    operator: Operator,
    /// The end of the first day.
    since: SystemTime,
}

impl IdleMembers {
    async fn open(backend: Backend) -> Self {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        for number in 0..8 {
            issue(&a, number, 100 + i64::from(number)).await;
        }
        desk.sandbox().advance_clock(begin + 9 * DAY).await.unwrap();
        let c = test.client("C").await;
        c.redeem(Redeem::from("card", "7").points(7)).await.unwrap().accepted().unwrap();
        desk.sandbox().advance_clock(begin + 10 * DAY).await.unwrap();
        Self { test, a, operator: desk.operator(), since: begin + DAY }
    }

    fn decay(&self, period: &str) -> DecayMembers {
        DecayMembers::of(Decimal::new(1, 1), period, self.since)
    }

    async fn available(&self) -> Vec<i64> {
        let mut available = Vec::new();
        for number in 0..8 {
            available.push(self.a.balance(card(number)).await.unwrap().member.available_points);
        }
        available
    }
}

/// What the members have after a tenth was taken of those that are idle.
const DECAYED: [i64; 8] = [90, 91, 92, 93, 94, 95, 96, 100];

fn card(number: u32) -> MemberRef {
    MemberRef::identifier("card", number.to_string())
}

async fn issue(client: &Client, number: u32, points: i64) {
    client.issue(Issue::to("card", number.to_string()).points(points)).await.unwrap().accepted().unwrap();
}

fn figures(done: &MembersDecayed) -> (i64, i64, i64) {
    (done.member_count, done.decayed_member_count, done.decayed_points)
}

fn field(error: Error) -> String {
    let Error::InvalidArgument { fields, .. } = error else { panic!("{error:?} is no wrong field") };
    fields[0].0.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn decay_of_all_members_takes_of_the_inactive_once_in_a_period() {
    for backend in BACKENDS {
        let idle = IdleMembers::open(backend).await;
        let mut told = Vec::new();
        let decay = idle.decay("2026-02").page_size(3);
        let done = idle.operator.decay_members(&decay, |so_far| told.push(so_far.member_count)).await.unwrap();
        assert_eq!(figures(&done), (8, 7, 70));
        assert_eq!(told, [3, 6, 8]);
        assert_eq!(idle.available().await, DECAYED);

        let again = idle.operator.decay_members(&idle.decay("2026-02"), |_| ()).await.unwrap();
        assert_eq!(figures(&again), (8, 0, 0));
        assert_eq!(idle.available().await, DECAYED);
        let next = idle.operator.decay_members(&idle.decay("2026-03"), |_| ()).await.unwrap();
        assert_eq!(figures(&next), (8, 7, 9 * 7));

        // The journal tells by whom and for what; the issuer of the points is not told.
        let journal = idle.operator.journal(1, None).all().await.unwrap();
        let mut decays = journal.iter().filter(|entry| entry.kind == EntryKind::Decay);
        let first = decays.next().unwrap();
        assert_eq!((first.partner_id.as_deref(), first.reason_code.as_deref()), (Some("operator"), Some("2026-02")));
        assert_eq!((decays.count(), &first.request_id), (13, &None));
        assert_eq!(idle.a.entry(&first.entry_id).await.unwrap().reason_code, None);
        idle.test.end().await;
    }
}

/// Two members with 1,100 lots each: one is served on its own, the other with all.
#[tokio::test(flavor = "multi_thread")]
async fn decay_of_many_lots_takes_from_1024_a_call_and_goes_on() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let operator = desk.operator();
        let lots = (0..2_200).map(|at| Issue::to("card", (at % 2).to_string()).points(10));
        for outcome in a.batch_issue(lots.collect()).await.unwrap() {
            outcome.unwrap().accepted().unwrap();
        }
        let since = begin + DAY;
        desk.sandbox().advance_clock(since + DAY).await.unwrap();

        let run = || operator.run_decay(RunDecay::of(card(0), Decimal::new(1, 1), "2026-02"));
        let mut parts = Vec::new();
        for _ in 0..3 {
            let part = run().await.unwrap().accepted().unwrap();
            parts.push((part.written.entries.len(), part.decayed_points, part.unfinished));
        }
        assert_eq!(parts, [(1_024, 1_024, true), (76, 76, false), (0, 0, false)]);

        let all = DecayMembers::of(Decimal::new(1, 1), "2026-02", since);
        let done = operator.decay_members(&all, |_| ()).await.unwrap();
        assert_eq!(figures(&done), (2, 1, 1_100), "the one has been served");
        for number in [0, 1] {
            assert_eq!(a.balance(card(number)).await.unwrap().member.available_points, 9_900);
        }
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decay_that_was_broken_off_and_begun_again_ends_as_if_it_had_not_been() {
    for backend in BACKENDS {
        let idle = IdleMembers::open(backend).await;
        let decay = idle.decay("2026-02").page_size(2);
        let (first, token) = idle.operator.decay_members_page(&decay, String::new()).await.unwrap();
        let token = token.unwrap();
        let (second, _) = idle.operator.decay_members_page(&decay, token.clone()).await.unwrap();
        // The same page again, as when its answer was lost.
        let (repeated, _) = idle.operator.decay_members_page(&decay, token).await.unwrap();
        assert_eq!(figures(&repeated), (2, 0, 0));
        // Somebody is served on its own meanwhile.
        let alone = RunDecay::of(card(6), Decimal::new(1, 1), "2026-02");
        let alone = idle.operator.run_decay(alone).await.unwrap().accepted().unwrap();

        let rest = idle.operator.decay_members(&decay, |_| ()).await.unwrap();
        let pages = first.decayed_points + second.decayed_points;
        assert_eq!((rest.member_count, pages + alone.decayed_points + rest.decayed_points), (8, 70));
        assert_eq!(idle.available().await, DECAYED);
        idle.test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decay_leaves_their_points_to_members_that_come_back_while_it_goes_on() {
    for backend in BACKENDS {
        let idle = IdleMembers::open(backend).await;
        let decay = idle.decay("2026-02").page_size(1);
        let (_, mut next) = idle.operator.decay_members_page(&decay, String::new()).await.unwrap();
        let before = idle.available().await;
        let served = before.iter().zip(DECAYED).take(7).filter(|(has, decayed)| *has == decayed).count();
        assert!(served <= 1, "{before:?}");
        // All but who was served come back.
        for number in 0..7 {
            issue(&idle.a, number, 1).await;
        }
        while let Some(token) = next {
            let page;
            (page, next) = idle.operator.decay_members_page(&decay, token).await.unwrap();
            assert_eq!(figures(&page), (1, 0, 0));
        }
        let after: Vec<i64> = before.iter().enumerate().map(|(at, points)| points + i64::from(at < 7)).collect();
        assert_eq!(idle.available().await, after);
        idle.test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decay_of_all_members_refuses_pages_tokens_and_times_that_are_none() {
    for backend in BACKENDS {
        let idle = IdleMembers::open(backend).await;
        let operator = &idle.operator;
        let page = async |decay: DecayMembers, token: &str| operator.decay_members_page(&decay, token.to_owned()).await;
        let wrong = async |decay: DecayMembers, token: &str| field(page(decay, token).await.unwrap_err());
        let decay = || idle.decay("2026-02");
        let of = |rate, period: &str| DecayMembers::of(rate, period, idle.since);

        assert_eq!(wrong(decay().page_size(1001), "").await, "page_size");
        assert_eq!(wrong(decay().page_size(-1), "").await, "page_size");
        assert_eq!(wrong(of(Decimal::TWO, "2026-02"), "").await, "rate");
        assert_eq!(wrong(of(Decimal::ZERO, "2026-02"), "").await, "rate");
        // Too little to take a point of anybody.
        let little = Decimal::new(1, 3);
        assert_eq!(wrong(of(Decimal::ONE, ""), "").await, "period");
        let never = DecayMembers::of(Decimal::ONE, "2026-02", SystemTime::UNIX_EPOCH);
        assert_eq!(wrong(never, "").await, "inactive_since_time");

        assert_eq!(wrong(decay(), "x").await, "page_token");
        let (_, token) = page(of(little, "2026-02").page_size(1), "").await.unwrap();
        let token = token.unwrap();
        assert_eq!(wrong(decay(), &token).await, "page_token", "of another rate");
        assert_eq!(wrong(of(little, "2026-03"), &token).await, "page_token");
        let other = DecayMembers::of(little, "2026-02", idle.since + DAY);
        assert_eq!(wrong(other, &token).await, "page_token");
        // The length of a page may change.
        page(of(little, "2026-02").page_size(2), &token).await.unwrap();

        let ahead = DecayMembers::of(Decimal::ONE, "2026-02", idle.since + 10 * DAY);
        match page(ahead, "").await {
            Err(Error::Refused(rejection)) => assert_eq!(rejection.reason.as_str(), "TIME_OUT_OF_RANGE"),
            other => panic!("{other:?}"),
        }
        let before = [100, 101, 102, 103, 104, 105, 106, 100];
        assert_eq!(idle.available().await, before, "nothing of all this took a point");
        idle.test.end().await;
    }
}
