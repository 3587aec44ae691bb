//! What the store loads for a batch is enough: it answers as a book that holds everything.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a game remembers what it needs of an answer, not all that there is"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::audit;
use clearing_core::book::Book;
use clearing_core::chart::{Fund, UnappliedOf};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Answer, RecordedState};
use clearing_core::facts::coalition::{House, Recovery};
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::{OrderMode, OrderParty};
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::receipt::Receipt;
use clearing_core::facts::terms::{ExpiryPolicy, Funding, TermsDraft};
use clearing_core::facts::window::Window;
use clearing_core::operation::Gate;
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::decay::RunDecay;
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::partner::SetPartnerState;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement};
use clearing_core::rules::terms::SetTerms;
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{EntryId, Money, PartnerId, Points, Rate, RequestId, Timestamp, WindowNumber};
use rand::{Rng as _, SeedableRng as _};

use crate::{START, TestStore, Till, card, house, id, redeem};

on_both! {
    empty: a_store_answers_as_a_book_that_holds_everything;
    coalition: ;
}

/// How many games are played on each back end, some hundred commands each.
const SEEDS: u64 = 12;
/// Batches of a game.
const BATCHES: usize = 70;
/// How many lots stay in the row of a member, game by game.
const LOTS_IN_ROW: [usize; 4] = [32, 2, 1, 0];

/// Random batches of everything that can be asked, with members who have many lots, must be answered alike by a book that
/// holds everything and by the store, which loads what it thinks is needed; and in the end both must say the same of
/// every member, lot, hold, balance and limit.
async fn a_store_answers_as_a_book_that_holds_everything(test: &TestStore) {
    let (mut lived_on, mut ended) = (0, 0);
    for seed in 0..SEEDS {
        let test = TestStore::empty(test.store.backend()).await;
        let whole = play(&test, seed).await;
        let moved =
            whole.entries.values().filter(|entry| entry.kind == EntryKind::Extend && entry.request_id.is_none());
        lived_on += moved.count();
        let lots = whole.members.values().flat_map(|member| member.record.inactive.values());
        ended += lots.filter(|lots| lots.ended.is_some()).count();
        let violations = audit::check(&whole);
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
        let mut snapshot = test.store.snapshot().await.unwrap();
        let stored = snapshot.ledger(whole.house.clone()).await.unwrap();
        snapshot.finish().await.unwrap();
        let violations = audit::check(&stored);
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
        let differences = audit::compare(&stored, &whole);
        assert!(differences.is_empty(), "seed {seed}: {differences:?}");
        test.remove().await;
    }
    assert!(lived_on > 0, "no lot lived on because it was passed over");
    assert!(ended > 0, "no member was active again after its lots had ended");
}

/// Plays a game on a database in which nothing is yet. Gives the book that holds everything.
pub async fn play(test: &TestStore, seed: u64) -> Book {
    play_with(test, seed, async |_| {}).await
}

/// Plays a game as [`play`] does; `after` is told of every batch that has been committed, from 0.
pub async fn play_with(test: &TestStore, seed: u64, mut after: impl AsyncFnMut(usize)) -> Book {
    let coalition = coalition(seed);
    test.database.found(&coalition, START).await;
    let lots_in_row = LOTS_IN_ROW[usize::try_from(seed % 4).unwrap()];
    let mut till = Till::open(&test.store.clone().with_lots_in_row(lots_in_row), 1).await;
    let mut play = Play::new(seed);
    let mut whole = Book::new(Arc::new(coalition), 1);
    whole.windows.insert(1, Window::first(START));
    let mut now = START;
    let mut told: Vec<(Request, Answer)> = Vec::new();
    for number in 0..BATCHES {
        now = now.plus_seconds(play.rng.random_range(0..150_000));
        let requests = play.batch(&mut till, now);
        let done = till.run(&requests, now).await.unwrap();
        whole.begin_batch(done.header.batch);
        for (request, answer) in requests.iter().zip(done.answers) {
            let expected = whole.execute(request, now);
            assert_eq!(answer, expected, "seed {seed}, {:?} at {now}", request.command);
            play.learn(request, &expected, &whole);
            told.push((request.clone(), expected));
        }
        after(number).await;
    }
    all_are_told_again(&mut till, told, &whole, now).await;
    whole.take_changes();
    whole
}

/// Repeats all requests whose answers are kept: each is told what it was told first, unless it was abandoned since.
async fn all_are_told_again(till: &mut Till, told: Vec<(Request, Answer)>, whole: &Book, now: Timestamp) {
    let kept = |(_, answer): &(Request, Answer)| {
        !answer.replayed && answer.result.as_ref().err().is_none_or(Rejection::recorded)
    };
    let kept: Vec<(Request, Answer)> = told.into_iter().filter(kept).collect();
    assert!(kept.len() > 100, "{}", kept.len());
    let (mut abandoned, key) = (0, |request: &Request| (request.caller, request.request_id.unwrap()));
    let beside = |(request, _): &(Request, Answer)| request.command.gate() == Gate::Shared;
    for together in kept.chunk_by(|one, other| beside(one) && beside(other)) {
        let requests: Vec<Request> = together.iter().map(|(request, _)| request.clone()).collect();
        let again = till.run(&requests, now).await.unwrap();
        for ((request, first), again) in together.iter().zip(again.answers) {
            let gone = matches!(whole.requests[&key(request)].state, RecordedState::Burned | RecordedState::Undone(_));
            abandoned += usize::from(gone);
            match again.result {
                Err(Rejection::RequestAbandoned { .. }) if gone => {}
                result => assert_eq!(result, first.result, "{:?}", request.command),
            }
            assert!(again.replayed, "{:?}", request.command);
        }
    }
    assert!(abandoned > 0, "something of the game was abandoned");
}

/// A coalition of its own for each game: with recovery from own lots or any, with caps and limits or without.
fn coalition(seed: u64) -> House {
    let mut house = house();
    house.coalition.recovery = if seed.is_multiple_of(2) { Recovery::Any } else { Recovery::Own };
    house.coalition.grace_days = if seed.is_multiple_of(3) { 0 } else { 14 };
    house.coalition.passed_over_grace_days = if seed.is_multiple_of(4) { 0 } else { 14 };
    house.coalition.open_consents = seed % 4 != 3;
    house.coalition.settlement_threshold = Money(if seed % 3 == 1 { 200_000 } else { 100 });
    let terms = &mut house.partners.get_mut(&id("cards")).unwrap().terms[0];
    if seed % 2 == 1 {
        terms.funding = Funding::OnPayment;
    }
    if seed % 5 == 2 {
        terms.expiry = ExpiryPolicy::InactiveDays(9);
    }
    if seed % 5 == 4 {
        terms.expiry = ExpiryPolicy::InactiveDays(2);
    }
    if seed % 3 == 2 {
        let fuel = house.partners.get_mut(&id("fuel")).unwrap();
        fuel.limits = Limits {
            net_debit_cap: Some(Money(if seed % 2 == 1 { 20_000 } else { 900_000 })),
            points_per_day: Some(Points(120)),
            redeem_foreign_points_per_day: Some(Points(60)),
            cooling_seconds: Some(3_600),
            ..Limits::default()
        };
        let grocer = house.partners.get_mut(&id("grocer")).unwrap();
        grocer.limits = Limits {
            net_debit_cap: Some(Money(5_000_000)),
            outstanding_points: Some(Points(400)),
            points_per_member_per_day: Some(Points(30)),
            points_per_entry: Some(Points(14)),
            transfer_points_per_member_per_day: Some(Points(40)),
            redeem_points_per_member_per_day: Some(Points(20)),
            ..Limits::default()
        };
        grocer.terms[0].receipt_share = Rate::new("0.5".parse().unwrap()).unwrap();
        grocer.terms[0].return_days = Some(20);
    }
    house
}

/// Random commands that refer to what was answered before.
struct Play {
    rng: rand_chacha::ChaCha8Rng,
    redemptions: Vec<(PartnerId, EntryId)>,
    issues: Vec<(PartnerId, EntryId)>,
    holds: Vec<(PartnerId, EntryId, MemberRef)>,
    purchases: Vec<(PartnerId, Option<EntryId>, Option<EntryId>)>,
    receipts: Vec<Receipt>,
    asked: Vec<(PartnerId, RequestId)>,
    repeats: Vec<Request>,
    closed: Vec<WindowNumber>,
    payments: Vec<(WindowNumber, Payment)>,
    numbers: u32,
    /// Of its own, so that what else a seed plays does not depend on it.
    money: rand_chacha::ChaCha8Rng,
    /// Entries that used money.
    uses: Vec<EntryId>,
}

pub const TILLS: [&str; 3] = ["grocer", "fuel", "cards"];

impl Play {
    fn new(seed: u64) -> Self {
        Self {
            rng: rand_chacha::ChaCha8Rng::seed_from_u64(seed),
            redemptions: Vec::new(),
            issues: Vec::new(),
            holds: Vec::new(),
            purchases: Vec::new(),
            receipts: Vec::new(),
            asked: Vec::new(),
            repeats: Vec::new(),
            closed: Vec::new(),
            payments: Vec::new(),
            numbers: 0,
            money: rand_chacha::ChaCha8Rng::seed_from_u64(seed + 1_000),
            uses: Vec::new(),
        }
    }

    fn batch(&mut self, till: &mut Till, now: Timestamp) -> Vec<Request> {
        if self.rng.random_range(0..5) == 0 {
            return vec![self.house_request(till)];
        }
        let size = self.rng.random_range(1..12);
        let mut batch: Vec<Request> = (0..size).map(|_| self.request(till, now)).collect();
        for _ in 0..self.money.random_range(0..3) {
            batch.push(self.money_request(till));
        }
        batch
    }

    /// Something of money at the bank. Lines repeat now and then, and so do amounts.
    fn money_request(&mut self, till: &mut Till) -> Request {
        let partner = id(TILLS[self.money.random_range(0..3)]);
        let amount = Money(self.money.random_range(1..6) * 50_000);
        let mut line = || {
            let reference = format!("NTRF-{}", self.money.random_range(0..40));
            BankKey { account: String::new(), booked: None, reference }
        };
        let (one, other) = (line(), line());
        let window = self.closed.last().copied();
        let command: Command = match self.money.random_range(0..14) {
            0..4 => ReceiveMoney {
                partner: (self.money.random_range(0..4) > 0).then_some(partner),
                amount,
                line: one,
                window: window.filter(|_| self.money.random_range(0..2) == 0),
            }
            .into(),
            4..7 => {
                let to = [UsedFor::Leg, UsedFor::Leg, UsedFor::Advance, UsedFor::Claim];
                let to = to[self.money.random_range(0..to.len())];
                ApplyMoney { partner, amount, to, window: None, from: UsedFrom::Partner }.into()
            }
            7 => {
                let (to, from) = (UsedFor::Unapplied, UsedFrom::Unknown);
                ApplyMoney { partner, amount, to, window: None, from }.into()
            }
            8 if !self.uses.is_empty() => {
                let payment = self.uses[self.money.random_range(0..self.uses.len())];
                UndoPayment { payment, reason: Code::word("wrong").unwrap() }.into()
            }
            9 => ReturnPayment { payment: ReturnedPayment::Arrived(one), line: Some(other) }.into(),
            10 => ReturnMoney { account: UnappliedOf(Some(partner)), amount }.into(),
            11 => ConfirmOrdered { partner: Some(partner), amount, line: Some(one) }.into(),
            12 => Deposit { fund: Fund::Advance(partner), amount }.into(),
            _ => WithdrawFunds { fund: Fund::Advance(partner), amount }.into(),
        };
        till.request("operator", command)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        // Rather something recent: what is long past is spent.
        let recent = of.len().saturating_sub(12);
        (!of.is_empty()).then(|| of[self.rng.random_range(recent..of.len())].clone())
    }

    fn house_request(&mut self, till: &mut Till) -> Request {
        let partner = id(TILLS[self.rng.random_range(0..3)]);
        let command = match self.rng.random_range(0..12) {
            0..4 => Command::CloseWindow(CloseWindow { expected: None }),
            4..6 => match self.pick(&self.closed.clone()) {
                Some(window) => Command::ConfirmSettlement(ConfirmSettlement { window }),
                None => Command::CloseWindow(CloseWindow { expected: None }),
            },
            6..9 => match self.pick(&self.payments.clone()) {
                Some((window, payment)) => Command::ConfirmPayment(ConfirmPayment::of(window, payment)),
                None => Command::CloseWindow(CloseWindow { expected: None }),
            },
            9 => match self.pick(&self.closed.clone()) {
                Some(window) => Command::AbortSettlement(AbortSettlement { window }),
                None => Command::CloseWindow(CloseWindow { expected: None }),
            },
            10 => {
                let (active, restricted) = (PartnerState::Active, PartnerState::Restricted);
                let state = [active, active, active, restricted, PartnerState::Suspended];
                Command::SetPartnerState(SetPartnerState {
                    partner,
                    state: state[self.rng.random_range(0..state.len())],
                })
            }
            _ if self.rng.random_range(0..2) == 0 => Command::SetFundingConsent(SetFundingConsent {
                funder: id("fuel"),
                partner: id("grocer"),
                granted: Some(self.rng.random_range(0..4) > 0),
                budget: Some(Points(self.rng.random_range(0..200))),
            }),
            _ => Command::SetTerms(SetTerms {
                partner,
                terms: TermsDraft { acceptance_fee: Some(Rate::ZERO), ..TermsDraft::default() },
                effective: None,
            }),
        };
        till.request("operator", command)
    }

    fn earn(&mut self, now: Timestamp) -> Earn {
        let mut earn = Earn::points(Points(self.rng.random_range(1..4) * 5));
        // Some expire together, some never.
        if self.rng.random_range(0..2) == 0 {
            let day = self.rng.random_range(0..5) * 10;
            earn.expires = Some(if day > 30 { Timestamp::LAST } else { now.plus_days(day + 1) });
        }
        if self.rng.random_range(0..8) == 0 {
            earn.activates = Some(now.plus_days(self.rng.random_range(0..6)));
        }
        if self.rng.random_range(0..8) == 0 {
            earn.funders = vec![(id("fuel"), 2), (id("cards"), 1), (id("operator"), 1)];
        }
        earn
    }

    fn request(&mut self, till: &mut Till, now: Timestamp) -> Request {
        let member = card(self.rng.random_range(0..4));
        let caller = TILLS[self.rng.random_range(0..3)];
        let command = match self.rng.random_range(0..40) {
            0..12 => Command::IssuePoints(IssuePoints { member, earn: self.earn(now) }),
            12..17 => {
                // Whole lots as often as not, so that what is read is used up to its end.
                let points = self.rng.random_range(1..10) * 5;
                redeem(member, points)
            }
            17..19 => {
                let lapses = now.plus_seconds(self.rng.random_range(1..800_000));
                Command::AuthorizeRedemption(AuthorizeRedemption {
                    member,
                    points: Points(self.rng.random_range(1..8) * 5),
                    lapses,
                })
            }
            19..22 if !self.holds.is_empty() => {
                let (partner, hold, _) = self.pick(&self.holds.clone()).unwrap();
                let points = Points(self.rng.random_range(1..25));
                let void = self.rng.random_range(0..3) == 0;
                let command = if void {
                    Command::VoidHold(VoidHold { hold })
                } else {
                    Command::CaptureHold(CaptureHold { hold, points })
                };
                return till.request(partner.as_str(), command);
            }
            22..24 => {
                let hold = self.pick(&self.holds.clone());
                let (caller, member, spend) = match (self.rng.random_range(0..3), hold) {
                    (0, Some((partner, hold, member))) => {
                        let points = Points(self.rng.random_range(1..15));
                        (partner, member, Some(Spend::Capture { hold, points }))
                    }
                    (1, _) => (id(caller), member, Some(Spend::Redeem(Points(self.rng.random_range(1..20))))),
                    _ => (id(caller), member, None),
                };
                let earn = Some(self.earn(now));
                return till.request(caller.as_str(), Command::PostPurchase(PostPurchase { member, spend, earn }));
            }
            24 if !self.purchases.is_empty() => {
                let (partner, redemption, issue) = self.pick(&self.purchases.clone()).unwrap();
                let amount = Money(self.rng.random_range(1..100));
                let total = Money(if self.rng.random_range(0..6) == 0 { 110 } else { 100 });
                let command = Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount, total });
                return till.request(partner.as_str(), command);
            }
            25..28 if !self.issues.is_empty() => {
                let (partner, issue) = self.pick(&self.issues.clone()).unwrap();
                let target = ReversalTarget::Entry(issue);
                let refuse_shortfall = self.rng.random_range(0..4) == 0;
                let points = Points(self.rng.random_range(1..16));
                return till.request(
                    partner.as_str(),
                    Command::ReverseIssue(ReverseIssue { target, points, refuse_shortfall }),
                );
            }
            28 => {
                let target = match self.pick(&self.receipts.clone()) {
                    Some(receipt) if self.rng.random_range(0..2) == 0 => {
                        let command = Command::ReverseIssue(ReverseIssue {
                            target: ReversalTarget::Receipt(receipt.clone()),
                            points: Points(self.rng.random_range(1..16)),
                            refuse_shortfall: false,
                        });
                        return till.request(receipt.partner.as_str(), command);
                    }
                    _ => ReversalTarget::Newest(member),
                };
                Command::ReverseIssue(ReverseIssue {
                    target,
                    points: Points(self.rng.random_range(1..30)),
                    refuse_shortfall: false,
                })
            }
            29 => {
                let to = card(self.rng.random_range(0..6));
                let (points, enrol_receiver) = (Points(self.rng.random_range(1..25)), self.rng.random_range(0..2) == 0);
                Command::TransferPoints(TransferPoints { member, to, points, enrol_receiver })
            }
            30 => return self.operator_request(till, member, now),
            31..33 if !self.redemptions.is_empty() => {
                let (partner, redemption) = self.pick(&self.redemptions.clone()).unwrap();
                let points = Points(self.rng.random_range(1..30));
                return till
                    .request(partner.as_str(), Command::ReturnRedemption(ReturnRedemption { redemption, points }));
            }
            33..36 if !self.asked.is_empty() => {
                let (partner, request) = self.pick(&self.asked.clone()).unwrap();
                return till.request(partner.as_str(), Command::AbandonRequest(AbandonRequest::of(request)));
            }
            36 if !self.repeats.is_empty() => return self.pick(&self.repeats.clone()).unwrap(),
            _ => {
                let request = till.request(caller, redeem(member, 1));
                // Now and then a request and its abandoning come in one batch, or in the wrong order.
                self.asked.push((request.caller, request.request_id.unwrap()));
                return request;
            }
        };
        let mut request = till.request(caller, command);
        if self.rng.random_range(0..2) == 0 {
            // Receipts repeat now and then.
            self.numbers += u32::from(self.rng.random_range(0..5) > 0);
            request.origin.receipt_number = Some(Code::new(&format!("R-{}", self.numbers)).unwrap());
            request.origin.receipt_line = Some(self.rng.random_range(1..3));
            request.origin.receipt_total = Some(Money(200_000));
            request.origin.store = Some(Code::new("s").unwrap());
            request.origin.business_date = Some("2026-01-01".parse().unwrap());
        }
        request
    }

    fn operator_request(&mut self, till: &mut Till, member: MemberRef, now: Timestamp) -> Request {
        let issuer = id(TILLS[self.rng.random_range(0..3)]);
        let reason = Code::new("goodwill").unwrap();
        let command = match self.rng.random_range(0..4) {
            0 => Command::RunDecay(RunDecay {
                member,
                rate: Rate::new("0.3".parse().unwrap()).unwrap(),
                period: Code::new(&format!("2026-{:02}", 1 + (now.0 - START.0) / 864_000_000_000)).unwrap(),
                inactive_since: match self.rng.random_range(0..3) {
                    0 => None,
                    // Now and then a moment ahead, which is refused.
                    _ => Some(now.plus_seconds(self.rng.random_range(-500_000..50_000))),
                },
            }),
            1 => Command::ExtendExpiry(ExtendExpiry {
                member,
                issuer,
                until: now.plus_days(20),
                expires: now.plus_days(self.rng.random_range(10..60)),
                reason,
            }),
            2 => Command::ReinstatePoints(ReinstatePoints {
                member,
                funder: issuer,
                points: Points(7),
                expires: None,
                reason,
            }),
            // Of no draw of their own, so that a game of a seed stays nearly what it was.
            _ if issuer == id(TILLS[0]) => {
                Command::FreezeMember(FreezeMember { member, reason, end: Some(now.plus_seconds(60_000)) })
            }
            _ if issuer == id(TILLS[1]) => Command::UnfreezeMember(UnfreezeMember { member, reason: None }),
            _ => Command::WriteOffDebt(WriteOffDebt { member, creditor: issuer, points: Points(4), reason }),
        };
        till.request("operator", command)
    }

    fn learn(&mut self, request: &Request, answer: &Answer, whole: &Book) {
        // A command of the house makes a batch of its own.
        if request.command.gate() == Gate::Shared {
            self.repeats.push(request.clone());
        }
        self.asked.push((request.caller, request.request_id.unwrap()));
        let Ok(accepted) = &answer.result else { return };
        let of_kind =
            |wanted: fn(EntryKind) -> bool| accepted.entries.iter().copied().find(|id| wanted(whole.entries[id].kind));
        let redemption = of_kind(EntryKind::is_redemption);
        let issue = of_kind(|kind| kind == EntryKind::Issue);
        self.redemptions.extend(redemption.map(|entry| (request.caller, entry)));
        self.issues.extend(issue.map(|entry| (request.caller, entry)));
        match &request.command {
            Command::AuthorizeRedemption(AuthorizeRedemption { member, .. }) => {
                self.holds.push((request.caller, accepted.entries[0], *member));
            }
            Command::PostPurchase(PostPurchase { .. }) => self.purchases.push((request.caller, redemption, issue)),
            Command::IssuePoints(IssuePoints { .. }) => {
                self.receipts.extend(request.origin.receipt_number.clone().map(|number| Receipt {
                    partner: request.caller,
                    store: request.origin.store.clone(),
                    till: None,
                    date: request.origin.business_date.unwrap_or("2026-01-01".parse::<BusinessDate>().unwrap()),
                    number,
                }))
            }
            Command::ApplyMoney(_) => self.uses.extend(accepted.entries.first()),
            Command::CloseWindow(CloseWindow { .. }) => {
                self.closed.extend(accepted.entries.first().map(|id| whole.entries[id].window));
            }
            Command::ConfirmSettlement(ConfirmSettlement { window }) => {
                let settlement = whole.windows[window].settlement.as_ref().unwrap();
                let mode = if self.rng.random_range(0..2) == 0 { OrderMode::Hub } else { OrderMode::Pairwise };
                let legs: BTreeMap<PartnerId, Money> =
                    settlement.legs.iter().map(|(partner, leg)| (*partner, leg.amount)).collect();
                for order in clearing_core::netting::orders(mode, &legs) {
                    let payment = match (order.payer, order.payee) {
                        (OrderParty::Hub, party) | (party, OrderParty::Hub) => {
                            Payment::Hub(party.participant().unwrap())
                        }
                        (payer, payee) => Payment::Pair { payer, payee },
                    };
                    self.payments.push((*window, payment));
                }
            }
            _ => {}
        }
    }
}
