//! Tills that store what they are about to ask for, ask until they have an answer, and then compare with the books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use partner_sdk::{Client, EntryFilter, Error, Issue, MemberRef, Outcome, Redeem, RequestId};
use tokio::task::JoinSet;

/// Between two tries of a till that has no answer.
const PAUSE: Duration = Duration::from_millis(25);

/// Members whom all tills share.
const CARDS: usize = 12;

/// What a till asks for.
#[derive(Debug, Clone)]
pub enum Wish {
    Issue { card: String, points: i64 },
    Redeem { card: String, points: i64 },
}

/// What the house answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted { entry: String },
    Rejected { reason: String },
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
    NoEffect,
}

impl Heard {
    /// What the answer was; fails unless there is one that is a replay, or is none.
    pub fn answer(self, a_replay: bool) -> Verdict {
        let said = format!("{self:?}");
        match self {
            Self::Answer { verdict, replayed } if replayed == a_replay => verdict,
            Self::Answer { .. } | Self::Doubt(_) | Self::NoEffect => panic!("the answer was {said}"),
        }
    }

    /// The house's own words for why there is no answer; fails unless it said that it is not available.
    pub fn unavailable(self) -> String {
        let said = format!("{self:?}");
        match self {
            Self::Doubt(Error::Unavailable { message, source: None, .. }) => message,
            Self::Answer { .. } | Self::Doubt(_) | Self::NoEffect => panic!("the answer was {said}"),
        }
    }
}

/// A request that was answered at last.
#[derive(Debug, Clone)]
pub struct Call {
    /// The place of the caller among the partners.
    pub partner: usize,
    pub id: RequestId,
    pub wish: Wish,
    pub verdict: Verdict,
    /// Whether there was a try that nobody knew the effect of.
    pub doubted: bool,
    /// Whether that try had been committed.
    pub committed_unheard: bool,
}

/// Asks once.
pub async fn ask(client: &Client, id: RequestId, wish: &Wish) -> Heard {
    match wish {
        Wish::Issue { card, points } => {
            let asked = client.issue(Issue::to("card", card).points(*points).request_id(id)).await;
            heard(id, asked, |issued| (issued.entry.entry_id, issued.replayed))
        }
        Wish::Redeem { card, points } => {
            let asked = client.redeem(Redeem::from("card", card).points(*points).request_id(id)).await;
            heard(id, asked, |redeemed| (redeemed.entry.entry_id, redeemed.replayed))
        }
    }
}

fn heard<T>(id: RequestId, asked: Result<Outcome<T>, Error>, read: impl FnOnce(T) -> (String, bool)) -> Heard {
    match asked {
        Ok(Outcome::Accepted(answer)) => {
            let (entry, replayed) = read(answer);
            Heard::Answer { verdict: Verdict::Accepted { entry }, replayed }
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
            Heard::NoEffect
        }
    }
}

/// What a house that is away may look like; nothing else.
pub fn is_absence(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::DeadlineExceeded { .. })
}

/// Asks under one key until there is an answer.
pub async fn ask_until_answered(client: &Client, partner: usize, id: RequestId, wish: Wish) -> Call {
    let asking = async {
        let mut doubted = false;
        loop {
            match ask(client, id, &wish).await {
                Heard::Answer { verdict, replayed } => {
                    assert!(doubted || !replayed, "{id} was said to have had no effect, and had one: {wish:?}");
                    return Call { partner, id, wish: wish.clone(), verdict, doubted, committed_unheard: replayed };
                }
                Heard::Doubt(_) => doubted = true,
                Heard::NoEffect => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let answered = tokio::time::timeout(super::PATIENCE, asking).await;
    answered.unwrap_or_else(|_| panic!("nobody answers {id}"))
}

/// How many requests were in doubt, and how many of these had been committed, in words. Fails if none was: then nothing
/// was broken while the tills were at work.
pub fn doubts(calls: &[Call]) -> String {
    let doubted = calls.iter().filter(|call| call.doubted).count();
    assert!(doubted > 0, "whatever broke, no till noticed");
    let committed = calls.iter().filter(|call| call.committed_unheard).count();
    format!("{} requests; {doubted} in doubt, {committed} of them committed and not answered", calls.len())
}

/// Tills at work.
pub struct Callers {
    tills: JoinSet<Vec<Call>>,
    closing: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Callers {
    /// Puts so many tills to work at each of the partners.
    pub fn start(partners: &[Client], tills_each: usize) -> Self {
        let mut tills = JoinSet::new();
        let (closing, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for (partner, client) in partners.iter().enumerate() {
            for till in 0..tills_each {
                let (client, closing, answered) = (client.clone(), Arc::clone(&closing), Arc::clone(&answered));
                tills.spawn(async move {
                    let mut calls = Vec::new();
                    while !closing.load(Ordering::Relaxed) {
                        let card = format!("{}", (partner + till + calls.len()) % CARDS);
                        let wish = match calls.len() % 3 {
                            0 | 1 => Wish::Issue { card, points: 10 },
                            _ => Wish::Redeem { card, points: 17 },
                        };
                        calls.push(ask_until_answered(&client, partner, client.new_request_id(), wish).await);
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
        tokio::time::timeout(super::PATIENCE, worked).await.expect("the tills go on");
    }

    /// Lets every till end what it is about, and gives what they did.
    pub async fn stop(self) -> Vec<Call> {
        self.closing.store(true, Ordering::Relaxed);
        self.tills.join_all().await.into_iter().flatten().collect()
    }
}

/// Fails unless the books hold what the tills were told: every accepted request is there once, by entry and by key, and
/// nothing else is.
pub async fn compare(partners: &[Client], calls: &[Call]) {
    let mut points: BTreeMap<&str, i64> = BTreeMap::new();
    for (partner, client) in partners.iter().enumerate() {
        let own = client.server_info().await.unwrap().caller_id;
        let mut listed = client.entries(EntryFilter::all()).collect().await.unwrap();
        // What others redeem of a brand's points is no operation of the brand.
        listed.retain(|entry| entry.partner_id == own);
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut entries = BTreeSet::new();
        for entry in &listed {
            let key = entry.request_id.clone().expect("a partner sees the keys of its own requests");
            by_key.entry(key).or_default().push(entry.entry_id.clone());
            assert!(entries.insert(&entry.entry_id), "{} is listed twice", entry.entry_id);
        }
        let mut accepted = 0;
        for call in calls.iter().filter(|call| call.partner == partner) {
            let found = by_key.remove(&call.id.to_string()).unwrap_or_default();
            match &call.verdict {
                Verdict::Accepted { entry } => {
                    assert_eq!(&found, std::slice::from_ref(entry), "{call:?}");
                    accepted += 1;
                    match &call.wish {
                        Wish::Issue { card, points: more } => *points.entry(card).or_default() += more,
                        Wish::Redeem { card, points: less } => *points.entry(card).or_default() -= less,
                    }
                }
                Verdict::Rejected { .. } => assert!(found.is_empty(), "{call:?} wrote {found:?}"),
            }
        }
        assert!(by_key.is_empty(), "there are entries that nobody asked for: {by_key:?}");
        assert_eq!(entries.len(), accepted);
    }
    for (card, points) in points {
        let balance = partners[0].balance(MemberRef::identifier("card", card)).await.unwrap();
        assert_eq!(balance.available_points, points, "card {card}");
    }
    // A till that asks once more, for whatever reason, hears the same. One in seven stands for all.
    for (at, call) in calls.iter().enumerate().filter(|(at, call)| call.committed_unheard || at % 7 == 0) {
        let verdict = ask(&partners[call.partner], call.id, &call.wish).await.answer(true);
        assert_eq!(verdict, call.verdict, "{at}: {call:?}");
    }
}
