//! Tills that store what they are about to ask for, ask until they have an answer, and then compare with the books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clearing::clock::Clock;
use clearing_core::command::Command;
use clearing_core::facts::member::MemberRef;
use clearing_core::rules::purchase::Spend;
use clearing_core::units::EntryId;
use partner_sdk::{EntryFilter, EntryKind, Error, Origin, Outcome, RequestId};
use tokio::task::JoinSet;

use crate::commands;
use crate::house::{PATIENCE, system_time};
use crate::names::sdk_member;
use crate::sdk::{self, Caller};

/// Between two tries of a till that has no answer.
const PAUSE: Duration = Duration::from_millis(25);

/// Members whom all tills share.
const CARDS: usize = 12;

/// What the house answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What was written for it, and the member that it is about.
    Accepted {
        entries: Vec<EntryId>,
        member: String,
    },
    Rejected {
        reason: String,
    },
}

/// One answer, or none.
#[derive(Debug)]
pub enum Heard {
    Answer {
        verdict: Verdict,
        replayed: bool,
    },
    /// It may have had its effect.
    Doubt(Error),
    /// It certainly had none.
    NoEffect(Error),
}

impl Heard {
    /// What the answer was; fails unless there is one that is a replay, or is none.
    pub fn answer(self, a_replay: bool) -> Verdict {
        let said = format!("{self:?}");
        match self {
            Self::Answer { verdict, replayed } if replayed == a_replay => verdict,
            Self::Answer { .. } | Self::Doubt(_) | Self::NoEffect(_) => panic!("the answer was {said}"),
        }
    }

    /// The house's own words for why there is no answer; fails unless it said that it is not available. It may have said so
    /// before the request had left: then it is no doubt.
    pub fn unavailable(self) -> String {
        let said = format!("{self:?}");
        match self {
            Self::Doubt(Error::Unavailable { message, source: None, .. })
            | Self::NoEffect(Error::Unavailable { message, source: None, .. }) => message,
            Self::Answer { .. } | Self::Doubt(_) | Self::NoEffect(_) => panic!("the answer was {said}"),
        }
    }
}

/// A request that was answered at last.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The place of the caller among the partners.
    pub partner: usize,
    pub id: RequestId,
    pub command: Command,
    pub verdict: Verdict,
    /// Whether there was a try that nobody knew the effect of.
    pub doubted: bool,
    /// Whether that try had been committed.
    pub committed_unheard: bool,
}

/// What tills ask for most.
pub fn issue(card: impl std::fmt::Display) -> Command {
    commands::issue(card, 10)
}

/// Asks once.
pub async fn ask(caller: &impl Caller, id: RequestId, command: &Command) -> Heard {
    match sdk::ask(caller, id, command, Origin::default()).await {
        Ok(Outcome::Accepted(done)) => {
            let verdict = Verdict::Accepted { entries: done.entries, member: done.member };
            Heard::Answer { verdict, replayed: done.replayed }
        }
        Ok(Outcome::Rejected(rejection)) => {
            let reason = rejection.reason.as_str().to_owned();
            // The one rule that this traffic breaks. Any other rejection would be a mistake of the house.
            assert!(matches!(reason.as_str(), "INSUFFICIENT_POINTS" | "NOT_FOUND"), "{rejection}");
            Heard::Answer { verdict: Verdict::Rejected { reason }, replayed: rejection.replayed }
        }
        Ok(Outcome::Unknown(unknown)) => {
            assert_eq!(unknown.request_id, id);
            assert!(is_absence(&unknown.cause), "{:?}", unknown.cause);
            Heard::Doubt(unknown.cause)
        }
        Err(error) => {
            assert!(is_absence(&error), "{error:?}");
            Heard::NoEffect(error)
        }
    }
}

/// What a house that is away may look like; nothing else.
pub fn is_absence(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::DeadlineExceeded { .. })
}

/// Asks under one key until there is an answer.
pub async fn ask_until_answered(caller: &impl Caller, partner: usize, id: RequestId, command: Command) -> Answered {
    let asking = async {
        let mut doubted = false;
        loop {
            match ask(caller, id, &command).await {
                Heard::Answer { verdict, replayed } => {
                    assert!(doubted || !replayed, "{id} was said to have had no effect, and had one: {command:?}");
                    let command = command.clone();
                    return Answered { partner, id, command, verdict, doubted, committed_unheard: replayed };
                }
                Heard::Doubt(_) => doubted = true,
                Heard::NoEffect(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    answered.unwrap_or_else(|_| panic!("nobody answers {id}"))
}

/// Asks until there is an answer, after it was in doubt; gives the verdict, and whether it was a replay.
pub async fn ask_after_doubt(caller: &impl Caller, id: RequestId, command: &Command) -> (Verdict, bool) {
    let asking = async {
        loop {
            if let Heard::Answer { verdict, replayed } = ask(caller, id, command).await {
                return (verdict, replayed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the house answers")
}

/// How many requests were in doubt, and how many of these had been committed, in words. Fails if none was: then nothing
/// was broken while the tills were at work.
pub fn doubts(calls: &[Answered]) -> String {
    let doubted = calls.iter().filter(|call| call.doubted).count();
    assert!(doubted > 0, "whatever broke, no till noticed");
    let committed = calls.iter().filter(|call| call.committed_unheard).count();
    format!("{} requests; {doubted} in doubt, {committed} of them committed and not answered", calls.len())
}

/// Tills at work.
pub struct Callers {
    tills: JoinSet<Vec<Answered>>,
    closing: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Callers {
    /// Puts so many tills to work at each of the partners.
    pub fn start(partners: &[impl Caller], tills_each: usize) -> Self {
        let mut tills = JoinSet::new();
        let (closing, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for (partner, caller) in partners.iter().enumerate() {
            for till in 0..tills_each {
                let (caller, closing, answered) = (caller.clone(), Arc::clone(&closing), Arc::clone(&answered));
                tills.spawn(async move {
                    let mut calls: Vec<Answered> = Vec::new();
                    while !closing.load(Ordering::Relaxed) {
                        let card = format!("{}", (partner + till + calls.len()) % CARDS);
                        let (id, command) = (caller.client().new_request_id(), next_command(&calls, &card));
                        calls.push(ask_until_answered(&caller, partner, id, command).await);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    calls
                });
            }
        }
        Self { tills, closing, answered }
    }

    /// Waits until this many more requests were answered.
    pub async fn work(&self, requests: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + requests;
        let worked = async {
            while self.answered.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, worked).await.expect("the tills go on");
    }

    /// Lets every till end what it is about, and gives what they did.
    pub async fn stop(self) -> Vec<Answered> {
        self.closing.store(true, Ordering::Relaxed);
        self.tills.join_all().await.into_iter().flatten().collect()
    }
}

/// What a till asks for next: everything that it can ask for comes round, and what needs an earlier entry follows it.
fn next_command(calls: &[Answered], card: &str) -> Command {
    let lately = |ago: usize| {
        let call = calls.len().checked_sub(ago).and_then(|at| calls.get(at));
        match call.map(|call| &call.verdict) {
            Some(Verdict::Accepted { entries, .. }) => Some(entries[0]),
            Some(Verdict::Rejected { .. }) | None => None,
        }
    };
    let redeem = || commands::redeem(card, 17);
    let in_an_hour = || system_time(Clock::system().now().plus_seconds(3600));
    match calls.len() % 12 {
        2 | 7 => redeem(),
        3 => lately(1).map_or_else(redeem, |redemption| commands::return_redemption(redemption, 4)),
        4 | 8 => commands::authorize(card, 9, in_an_hour()),
        5 => lately(1).map_or_else(redeem, |hold| commands::capture(hold, 6)),
        9 => lately(1).map_or_else(redeem, commands::void),
        10 => lately(10).map_or_else(redeem, |issue| commands::reverse(issue, 10)),
        11 => commands::purchase(card, 5, 3),
        _ => commands::issue(card, 10),
    }
}

/// Whom a command names, if it names somebody, and by how much it moves what its member has, less what it owes: a hold takes
/// nothing, and a reversal all it says.
#[allow(clippy::wildcard_enum_match_arm, reason = "of all operations these are what `commands` makes")]
fn effect(command: &Command) -> (Option<MemberRef>, i64) {
    match command {
        Command::IssuePoints(issue) => (Some(issue.member), issue.earn.points.0),
        Command::RedeemPoints(redeem) => (Some(redeem.member), -redeem.points.0),
        Command::ReturnRedemption(back) => (None, back.points.0),
        Command::AuthorizeRedemption(hold) => (Some(hold.member), 0),
        Command::CaptureHold(capture) => (None, -capture.points.0),
        Command::VoidHold(_) => (None, 0),
        Command::ReverseIssue(reverse) => (None, -reverse.points.0),
        Command::PostPurchase(purchase) => {
            let earned = purchase.earn.as_ref().map_or(0, |earn| earn.points.0);
            let spent = purchase.spend.map_or(0, |(Spend::Redeem(points) | Spend::Capture { points, .. })| points.0);
            (Some(purchase.member), earned - spent)
        }
        other => panic!("no till of these tests asks for {other:?}"),
    }
}

/// Fails unless the books hold what the tills were told: every accepted request is there once, by entry and by key, and
/// nothing else is.
pub async fn compare(partners: &[impl Caller], calls: &[Answered]) {
    let (mut points, mut named) = (BTreeMap::<&str, i64>::new(), BTreeMap::<MemberRef, &str>::new());
    for (partner, caller) in partners.iter().enumerate() {
        let (client, ids) = (caller.client(), caller.ids());
        let own = client.server_info().await.unwrap().caller_id;
        let mut listed = client.entries(EntryFilter::all()).all().await.unwrap();
        // What others redeem of a brand's points is no operation of the brand.
        listed.retain(|entry| entry.partner_id.as_ref() == Some(&own));
        let mut by_key: BTreeMap<String, Vec<EntryId>> = BTreeMap::new();
        let (mut entries, mut recovered) = (BTreeSet::new(), 0);
        for entry in &listed {
            assert!(entries.insert(&entry.entry_id), "{} is listed twice", entry.entry_id);
            // A debt is paid by whatever brings points, and nobody asks for it.
            let Some(key) = entry.request_id.clone() else {
                assert_eq!(entry.kind, EntryKind::Recover, "a partner sees the keys of its own requests: {entry:?}");
                recovered += 1;
                continue;
            };
            by_key.entry(key).or_default().push(ids.opened_entry(&entry.entry_id).unwrap());
        }
        let mut accepted = 0;
        for call in calls.iter().filter(|call| call.partner == partner) {
            let found = by_key.remove(&call.id.to_string()).unwrap_or_default();
            match &call.verdict {
                Verdict::Accepted { entries, member } => {
                    let (mut found, mut told) = (found, entries.clone());
                    found.sort();
                    told.sort();
                    assert_eq!(found, told, "{call:?}");
                    accepted += told.len();
                    let (card, moved) = effect(&call.command);
                    *points.entry(member).or_default() += moved;
                    let known = card.map(|card| *named.entry(card).or_insert(member));
                    assert!(known.is_none_or(|known| known == member), "{call:?}: the card was of {known:?}");
                }
                Verdict::Rejected { .. } => assert!(found.is_empty(), "{call:?} wrote {found:?}"),
            }
        }
        assert!(by_key.is_empty(), "there are entries that nobody asked for: {by_key:?}");
        assert_eq!(entries.len(), accepted + recovered);
    }
    let client = partners[0].client();
    for (card, member) in named {
        assert_eq!(client.balance(sdk_member(card)).await.unwrap().member.member_id, member);
    }
    for (member, points) in points {
        let balance = client.balance(partner_sdk::MemberRef::id(member)).await.unwrap();
        let worth = balance.member.available_points + balance.member.held_points - balance.member.owed_points;
        assert_eq!(worth, points, "member {member}");
    }
    // A till that asks once more, for whatever reason, hears the same. One in seven stands for all.
    for (at, call) in calls.iter().enumerate().filter(|(at, call)| call.committed_unheard || at % 7 == 0) {
        let verdict = ask(&partners[call.partner], call.id, &call.command).await.answer(true);
        assert_eq!(verdict, call.verdict, "{at}: {call:?}");
    }
}
