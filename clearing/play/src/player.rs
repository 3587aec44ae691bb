//! Plays a scenario on a [`Stage`] and compares everything it says with what the stage did.
//!
//! The player knows the file's names and the stage knows the house. What a member, a lot, an entry or a request is
//! called in the file is kept here, so a stage only sees identifiers. A stage is the rules in memory
//! ([`crate::book_stage`]), the writer over a database, or the SDK over mTLS: the player is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use clearing::coalition_file::{CoalitionFileError, PartnerTable, Variant};
use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::command::Command;
use clearing_core::facts::answer::{Abandoned, Reversed};
use clearing_core::facts::entry::{EntryKind, MoneyPosting, PointsPosting};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::lot::LotId;
use clearing_core::facts::order::{Order, OrderParty};
use clearing_core::facts::origin::Origin;
use clearing_core::facts::terms::TermsDraft;
use clearing_core::facts::window::WindowState;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::CreatePartner;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{
    EntryId, Hash, Malformed, MemberId, Money, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};
use rust_decimal::Decimal;

use crate::fields::Fields;
use crate::names::Names;
use crate::scenario::{Action, Amount, Amounts, By, Expect, Scenario, Step};

/// One request to the house.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks.
    pub by: By,
    pub request: RequestId,
    pub origin: Origin,
    /// Its members are named as by [`identifier`](crate::names::identifier).
    pub command: Command,
}

/// The house's answer to a call.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// All that the answer told, but for whether it was told before.
    pub told: String,
    /// Whether it is kept under the key of the call: whoever repeats it is told the same.
    pub kept: bool,
    /// Everything that the call added to the journal, in journal order; for a replay nothing.
    pub written: Vec<Posted>,
    /// The entries that the answer names; the first is the one that the call asked for.
    pub entries: Vec<EntryId>,
    /// The reason, if it was rejected.
    pub rejected: Option<String>,
    pub replayed: bool,
    /// The member it was about.
    pub member: Option<MemberId>,
    /// The member that points went to, of a transfer.
    pub to_member: Option<MemberId>,
    /// What became of an abandoned request.
    pub abandoned: Option<Abandoned>,
    /// What a reversal did.
    pub reversed: Option<Reversed>,
}

/// An entry of the journal, as far as a scenario looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub id: EntryId,
    pub kind: EntryKind,
    pub points: Vec<PointsPosting>,
    pub money: Vec<MoneyPosting>,
    /// Lots in the order moved.
    pub lots: Vec<LotMoved>,
}

/// What an entry did to a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LotMoved {
    pub lot: LotId,
    pub issuer: PartnerId,
    /// The points that the entry was about: taken, given back, reserved or made; never below zero.
    pub points: Points,
    /// Whether the entry made the lot.
    pub made: bool,
}

/// A window, as far as a scenario looks at it.
#[derive(Debug, Clone)]
pub struct WindowView {
    pub state: WindowState,
    pub legs: BTreeMap<PartnerId, Money>,
    /// What stays in the positions after the close; zeros may be left out.
    pub carried: BTreeMap<PartnerId, Money>,
    /// The share of gross saved, in ten-thousandths.
    pub saved: Option<i64>,
    pub orders: Vec<Order>,
}

/// All balances; zeros may be left out.
#[derive(Debug, Clone, Default)]
pub struct Balances {
    pub points: BTreeMap<PointsAccount, Points>,
    pub money: BTreeMap<MoneyAccount, Money>,
}

/// Where a scenario is played.
pub trait Stage {
    /// The stage itself broke: not an answer by the rules.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Moves the clock, which never runs back, and runs what is due by then, in order of due time. Gives what that
    /// wrote, in journal order.
    fn advance_time(&mut self, to: Timestamp) -> impl Future<Output = Result<Vec<Posted>, Self::Error>> + Send;

    /// Asks the house, and reads back what that wrote.
    fn call(&mut self, call: Call) -> impl Future<Output = Result<Played, Self::Error>> + Send;

    /// A window, if there is one of this number.
    fn window(&mut self, window: WindowNumber) -> impl Future<Output = Result<Option<WindowView>, Self::Error>> + Send;

    /// All balances, those of the members given among them.
    fn balances(&mut self, members: &[MemberId]) -> impl Future<Output = Result<Balances, Self::Error>> + Send;
}

/// Why a play ended early.
#[derive(Debug, thiserror::Error)]
pub enum PlayError<E: std::error::Error + 'static> {
    /// A step sets terms or limits that are none.
    #[error(transparent)]
    Table(Box<CoalitionFileError>),
    /// A step that this release does not play.
    #[error("step {step}: this release does not play {what}")]
    Unsupported { step: usize, what: String },
    /// A step refers to something that no earlier step has made, or expects a figure that it cannot have.
    #[error("step {step}: {problem}")]
    Broken { step: usize, problem: String },
    /// What happened is not what the file says.
    #[error("{0}")]
    Different(Difference),
    /// The stage broke.
    #[error("step {step}: the stage broke")]
    Stage {
        step: usize,
        #[source]
        source: E,
    },
}

/// All differences of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub scenario: String,
    pub variant: &'static str,
    /// `step 3 (redeem, 2026-01-10T12:00:00Z)` or `end`.
    pub place: String,
    /// What differs, what was expected, what there was.
    pub lines: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}:", self.scenario, self.variant, self.place)?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Plays a scenario with one of its variants. The stage must be a fresh house made by
/// [`CoalitionFile::to_house`](clearing::coalition_file::CoalitionFile::to_house) with that variant.
///
/// # Errors
/// [`PlayError::Different`] with all differences of the first step that has any; the others if it cannot be played.
pub async fn play<S: Stage>(scenario: &Scenario, variant: Variant, stage: &mut S) -> Result<(), PlayError<S::Error>> {
    let mut player = Player {
        scenario,
        variant,
        scale: scenario.house.coalition.scale,
        window: 1,
        names: Names::default(),
        answers: BTreeMap::new(),
        members: BTreeMap::new(),
        lots: BTreeMap::new(),
        limits: BTreeMap::new(),
        told: Vec::new(),
        abandoned: BTreeSet::new(),
        asked: BTreeMap::new(),
    };
    for partner in &scenario.house.partners {
        let limits = partner.limits_over(Limits::default(), player.scale);
        player.limits.insert(partner.id, limits.map_err(|problem| PlayError::Table(Box::new(problem)))?);
    }
    for step in &scenario.steps {
        player.step(stage, step).await?;
    }
    player.end(stage).await?;
    player.told_again(stage).await
}

/// What is known in the course of a play.
struct Player<'a> {
    scenario: &'a Scenario,
    variant: Variant,
    scale: u32,
    /// The open window.
    window: WindowNumber,
    names: Names,
    /// What the first answer under a key wrote: a replay is expected to stand for the same.
    answers: BTreeMap<(By, RequestId), (Vec<EntryId>, Vec<Posted>)>,
    members: BTreeMap<MemberId, String>,
    lots: BTreeMap<LotId, String>,
    /// A step that sets a limit leaves the others as they are, and the house takes all of them at once.
    limits: BTreeMap<PartnerId, Limits>,
    /// The first call under each key whose answer is kept, with the number of its step and what was told.
    told: Vec<(usize, Call, String)>,
    /// What was abandoned, and is refused from then on.
    abandoned: BTreeSet<(By, RequestId)>,
    /// What was asked for by the entry that it wrote: an approval repeats what was proposed.
    asked: BTreeMap<EntryId, Command>,
}

/// What a step did, in the words of the file.
#[derive(Default)]
struct Happened {
    written: Vec<Posted>,
    rejected: Option<String>,
    replayed: bool,
    abandoned: Option<Abandoned>,
    reversed: Option<Reversed>,
    /// The window whose legs or orders the step is about, and whether it asked for its close.
    window: Option<WindowNumber>,
    closes: bool,
    /// Something that no expectation names but that must not be.
    surprises: Vec<String>,
}

impl Player<'_> {
    async fn step<S: Stage>(&mut self, stage: &mut S, step: &Step) -> Result<(), PlayError<S::Error>> {
        let broke = |source| PlayError::Stage { step: step.number, source };
        let due = stage.advance_time(step.at).await.map_err(broke)?;
        let mut happened = Happened::default();
        let commands = match &step.action {
            Action::Unsupported => {
                return Err(PlayError::Unsupported { step: step.number, what: step.action_name.clone() });
            }
            Action::AdvanceTime => {
                happened.written = due;
                Vec::new()
            }
            Action::PayAll { window } => {
                happened.window = Some(*window);
                let view = stage.window(*window).await.map_err(broke)?;
                let due = view.iter().flat_map(|view| &view.orders).filter(|order| !order.paid);
                let mut due: Vec<Payment> = due.map(payment_of).collect();
                // What was never exported is paid against the settlement account, the debtors first.
                if due.is_empty() {
                    let money = stage.balances(&[]).await.map_err(broke)?.money;
                    let of_window = |(account, due): (MoneyAccount, Money)| {
                        let MoneyAccount::Settle(of, partner) = account else { return None };
                        (of == *window && !due.is_zero()).then_some((due, partner))
                    };
                    let mut legs: Vec<(Money, PartnerId)> = money.into_iter().filter_map(of_window).collect();
                    legs.sort_by_key(|(due, _)| due.0 > 0);
                    due.extend(legs.into_iter().map(|(_, partner)| Payment::Hub(partner)));
                }
                due.into_iter().map(|payment| ConfirmPayment::of(*window, payment).into()).collect()
            }
            Action::SetTerms { table, effective } => self.terms_and_limits::<S>(table, *effective)?,
            Action::Ask(fields) => {
                let broken = |problem| PlayError::Broken { step: step.number, problem };
                vec![fields.command(&mut self.names, step.at, self.scale).map_err(broken)?]
            }
        };
        let wrong_total = |Malformed(problem)| PlayError::Broken { step: step.number, problem };
        let origin = step.receipt.origin(self.scale).map_err(wrong_total)?;
        let mut named = step.request.as_deref();
        for mut command in commands {
            self.complete(&mut command);
            let request = match named.take() {
                None => self.names.fresh_request(step.at),
                Some(name) => self.names.request(name, step.at),
            };
            happened.closes = matches!(command, Command::CloseWindow(_));
            let about = command.subject().and_then(|subject| subject.window);
            happened.window = if happened.closes { Some(self.window) } else { about };
            let limits = limits_set_by(&command);
            let call = Call { by: step.by, request, origin: origin.clone(), command };
            self.call(stage, step, call, &mut happened).await?;
            if happened.rejected.is_some() {
                break;
            }
            self.limits.extend(limits);
        }
        if happened.closes && happened.rejected.is_none() && !happened.replayed {
            self.window += 1;
        }
        let view = match happened.window {
            Some(window) => stage.window(window).await.map_err(broke)?,
            None => None,
        };
        let mut lines = std::mem::take(&mut happened.surprises);
        match &step.expect {
            None => {
                if let Some(reason) = &happened.rejected {
                    lines.push(format!("rejected: expected no rejection, got {reason}"));
                }
            }
            Some(expect) => self.compare::<S>(step, expect, &happened, view.as_ref(), &mut lines)?,
        }
        self.finish(format!("step {} ({}, {})", step.number, step.action_name, step.at), lines)
    }

    /// Asks the house and keeps the names of what it made.
    async fn call<S: Stage>(
        &mut self,
        stage: &mut S,
        step: &Step,
        call: Call,
        happened: &mut Happened,
    ) -> Result<(), PlayError<S::Error>> {
        let key = (call.by, call.request);
        let fields = if let Action::Ask(fields) = &step.action { Some(fields) } else { None };
        let named = |field| fields.and_then(|fields: &Fields| fields.text(field)).map(str::to_owned);
        let joint = fields.is_some_and(|fields| fields.has("funders"));
        let asked = call.clone();
        let reply = stage.call(call).await.map_err(|source| PlayError::Stage { step: step.number, source })?;
        if let (Command::AbandonRequest(AbandonRequest { request, .. }), Some(Abandoned::Undone | Abandoned::Burned)) =
            (&asked.command, reply.abandoned)
        {
            self.abandoned.insert((asked.by, *request));
        }
        if reply.kept && !reply.replayed {
            self.told.push((step.number, asked.clone(), reply.told.clone()));
        }
        happened.rejected = reply.rejected;
        happened.replayed = reply.replayed;
        happened.abandoned = reply.abandoned;
        happened.reversed = reply.reversed;
        for (name, member) in [(named("member"), reply.member), (named("to_member"), reply.to_member)] {
            if let (Some(name), Some(member)) = (name, member) {
                self.members.insert(member, name);
            }
        }
        if !reply.written.is_empty() && (reply.replayed || happened.rejected.is_some()) {
            let what = if reply.replayed { "a replay" } else { "a rejection" };
            happened.surprises.push(format!("{what} wrote {} entries", reply.written.len()));
        }
        if happened.rejected.is_some() {
            return Ok(());
        }
        if reply.replayed {
            let (entries, written) = self.answers.get(&key).cloned().unwrap_or_default();
            if entries != reply.entries {
                happened.surprises.push(format!("replayed entries: expected {entries:?}, got {:?}", reply.entries));
            }
            happened.written.extend(written);
            return Ok(());
        }
        if let (Some(name), Some(entry)) = (&step.name, reply.entries.first()) {
            self.names.entries.insert(name.clone(), *entry);
            let written = reply.written.iter().find(|posted| posted.id == *entry);
            let made = written.into_iter().flat_map(|posted| posted.lots.iter().filter(|moved| moved.made));
            let moved = written.is_some_and(|posted| posted.kind == EntryKind::Transfer);
            for (at, lot) in made.enumerate() {
                let name = match () {
                    () if moved => format!("{name}.{}", at + 1),
                    () if joint => format!("{name}.{}", lot.issuer),
                    () => name.clone(),
                };
                self.lots.insert(lot.lot, name);
            }
        }
        self.asked.extend(reply.entries.first().map(|entry| (*entry, asked.command.clone())));
        self.answers.insert(key, (reply.entries, reply.written.clone()));
        happened.written.extend(reply.written);
        Ok(())
    }

    /// Tells an approval what it approves, unless the step names a hash of its own.
    fn complete(&self, command: &mut Command) {
        if let Command::ApproveProposal(approve) = command {
            approve.operation = self.asked.get(&approve.proposal).cloned().map(Box::new);
            if let (Some(operation), true) = (&approve.operation, approve.content == Hash::default()) {
                approve.content = operation.content();
            }
        }
    }

    /// What a step asks for that sets terms, limits, or both.
    fn terms_and_limits<S: Stage>(
        &mut self,
        table: &PartnerTable,
        effective: Option<Timestamp>,
    ) -> Result<Vec<Command>, PlayError<S::Error>> {
        let wrong = |problem| PlayError::Table(Box::new(problem));
        let (partner, terms) = (table.id, table.to_draft().map_err(wrong)?);
        let before = self.limits.get(&partner).copied().unwrap_or_default();
        let limits = table.limits_over(before, self.scale).map_err(wrong)?;
        let mut commands = Vec::new();
        if terms != TermsDraft::default() || limits == before {
            commands.push(SetTerms { partner, terms, effective }.into());
        }
        if limits != before {
            commands.push(SetLimits { partner, limits }.into());
        }
        Ok(commands)
    }

    fn compare<S: Stage>(
        &self,
        step: &Step,
        expect: &Expect,
        happened: &Happened,
        view: Option<&WindowView>,
        lines: &mut Vec<String>,
    ) -> Result<(), PlayError<S::Error>> {
        let broken = |problem: &str| PlayError::Broken { step: step.number, problem: problem.to_owned() };
        let figures = [expect.units, expect.units_taken, expect.units_back];
        if figures.iter().any(Option::is_some) {
            return Err(broken("expects a figure that no reply of this release has"));
        }
        if expect.rejected != happened.rejected {
            let name = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "no rejection".to_owned());
            lines.push(format!("rejected: expected {}, got {}", name(&expect.rejected), name(&happened.rejected)));
            return Ok(());
        }
        if expect.replayed != happened.replayed && expect.rejected.is_none() {
            lines.push(format!("replayed: expected {}, got {}", expect.replayed, happened.replayed));
        }
        if expect.rejected.is_some() {
            return Ok(());
        }
        let (points, money) = self.sums(&happened.written);
        if let Some(expected) = &expect.points {
            differ("points", expected, &points, lines);
        }
        differ("money", &self.expected(&expect.money), &money, lines);
        for (what, expected, got) in [
            ("taken_back", expect.taken_back, happened.reversed.map(|reversed| reversed.taken_back.0)),
            ("debt", expect.debt, happened.reversed.map(|reversed| reversed.debt.0)),
        ] {
            if expected.is_some() && expected != got {
                lines.push(format!("{what}: expected {expected:?}, got {got:?}"));
            }
        }
        if let Some(expected) = &expect.lots {
            let lots = self.named_lots(&happened.written);
            if *expected != lots {
                lines.push(format!("lots: expected {expected:?}, got {lots:?}"));
            }
        }
        if let Some(expected) = &expect.entries {
            // Scenarios have one `bank`: what moves between the house's own accounts moves nothing there.
            let posted = happened.written.iter().filter(|posted| posted.kind != EntryKind::MoveFunds);
            let kinds: Vec<&str> = posted.map(|posted| posted.kind.as_str()).collect();
            if *expected != kinds {
                lines.push(format!("entries: expected {expected:?}, got {kinds:?}"));
            }
        }
        let abandoned = happened.abandoned.map(abandoned_name);
        if expect.abandoned.as_deref() != abandoned {
            lines.push(format!("abandoned: expected {:?}, got {abandoned:?}", expect.abandoned));
        }
        let looks_at_window = happened.closes
            || !(expect.legs.is_empty()
                && expect.carried.is_empty()
                && expect.saved.is_empty()
                && expect.orders.is_empty());
        if looks_at_window {
            let view = view.ok_or_else(|| broken("expects legs or orders, and there is no such window"))?;
            self.compare_window(happened.closes, expect, view, lines);
        }
        Ok(())
    }

    fn compare_window(&self, closes: bool, expect: &Expect, view: &WindowView, lines: &mut Vec<String>) {
        let named = |amounts: &BTreeMap<PartnerId, Money>| -> BTreeMap<String, Decimal> {
            let kept = amounts.iter().filter(|(_, amount)| !amount.is_zero());
            kept.map(|(partner, amount)| (partner.to_string(), self.decimal(*amount))).collect()
        };
        if closes {
            differ("legs", &self.expected(&expect.legs), &named(&view.legs), lines);
            differ("carried", &self.expected(&expect.carried), &named(&view.carried), lines);
        }
        if let Some(Amount(expected)) = expect.saved.get(&self.variant) {
            let saved = view.saved.map(|share| Decimal::new(share, 4));
            if saved != Some(*expected) {
                lines.push(format!("saved: expected {expected}, got {saved:?}"));
            }
        }
        if let Some(expected) = expect.orders.get(&self.variant) {
            let text = |from: &str, to: &str, amount: Decimal| format!("{from} -> {to} {}", amount.normalize());
            let expected: Vec<String> = expected.iter().map(|(from, to, Amount(sum))| text(from, to, *sum)).collect();
            let orders = view.orders.iter();
            let orders = orders
                .map(|order| text(&order.payer.to_string(), &order.payee.to_string(), self.decimal(order.amount)));
            let orders: Vec<String> = orders.collect();
            if expected != orders {
                lines.push(format!("orders: expected {expected:?}, got {orders:?}"));
            }
        }
    }

    async fn end<S: Stage>(&self, stage: &mut S) -> Result<(), PlayError<S::Error>> {
        let Some(end) = &self.scenario.end else { return Ok(()) };
        let broke = |source| PlayError::Stage { step: self.scenario.steps.len(), source };
        let mut lines = Vec::new();
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        let balances = stage.balances(&members).await.map_err(broke)?;
        let points = balances.points.into_iter().map(|(account, points)| PointsPosting { account, points });
        differ("points", &end.points, &self.points_sums(points), &mut lines);
        differ("money", &self.expected(&end.money), &self.money_sums(balances.money.into_iter()), &mut lines);
        if let Some(expected) = &end.windows {
            let mut states = Vec::new();
            for number in 1.. {
                let Some(view) = stage.window(number).await.map_err(broke)? else { break };
                states.push(view.state.as_str().to_owned());
            }
            if *expected != states {
                lines.push(format!("windows: expected {expected:?}, got {states:?}"));
            }
        }
        self.finish("end".to_owned(), lines)
    }

    /// Whatever has changed since: who repeats a request is told what was told first, and nothing is written.
    async fn told_again<S: Stage>(&self, stage: &mut S) -> Result<(), PlayError<S::Error>> {
        let mut lines = Vec::new();
        for (step, call, told) in &self.told {
            let key = (call.by, call.request);
            let again = stage.call(call.clone()).await.map_err(|source| PlayError::Stage { step: *step, source })?;
            let abandoned = self.abandoned.contains(&key) && again.rejected.as_deref() == Some("REQUEST_ABANDONED");
            if !again.replayed || !(abandoned || again.told == *told) {
                lines.push(format!("step {step}, repeated: told {told}, and then {}", again.told));
            }
            if !again.written.is_empty() {
                lines.push(format!("step {step}, repeated: wrote {} entries", again.written.len()));
            }
        }
        self.finish("repeated at the end".to_owned(), lines)
    }

    fn finish<E: std::error::Error>(&self, place: String, lines: Vec<String>) -> Result<(), PlayError<E>> {
        if lines.is_empty() {
            return Ok(());
        }
        let scenario = self.scenario.id.clone();
        Err(PlayError::Different(Difference { scenario, variant: self.variant.as_str(), place, lines }))
    }

    /// What the file expects for this variant; of a variant that it does not name, nothing.
    fn expected(&self, amounts: &BTreeMap<Variant, Amounts>) -> BTreeMap<String, Decimal> {
        let named = amounts.get(&self.variant).into_iter().flatten();
        named.map(|(name, Amount(amount))| (name.clone(), *amount)).filter(|(_, amount)| !amount.is_zero()).collect()
    }

    fn sums(&self, written: &[Posted]) -> (BTreeMap<String, i64>, BTreeMap<String, Decimal>) {
        let points = written.iter().flat_map(|posted| posted.points.iter().cloned());
        let money = written.iter().flat_map(|posted| &posted.money).map(|posting| (posting.account, posting.amount));
        (self.points_sums(points), self.money_sums(money))
    }

    fn points_sums(&self, postings: impl Iterator<Item = PointsPosting>) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for posting in postings {
            *sums.entry(self.points_account(posting.account)).or_default() += posting.points.0;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    fn money_sums(&self, postings: impl Iterator<Item = (MoneyAccount, Money)>) -> BTreeMap<String, Decimal> {
        let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
        for (account, amount) in postings {
            *sums.entry(money_account(account)).or_default() += self.decimal(amount);
        }
        sums.retain(|_, sum| !sum.is_zero());
        sums
    }

    fn points_account(&self, account: PointsAccount) -> String {
        match account {
            PointsAccount::Member(member)
            | PointsAccount::Held(member)
            | PointsAccount::Pending(member)
            | PointsAccount::Debt(member) => {
                let text = account.to_string();
                match (self.members.get(&member), text.split_once(':')) {
                    (Some(name), Some((class, _))) => format!("{class}:{name}"),
                    (Some(_) | None, _) => text,
                }
            }
            PointsAccount::Issuer(_) | PointsAccount::Recoverable(_) => account.to_string(),
        }
    }

    /// The lots that the first entry moved, and others of its kind: a decay is an entry for each lot. Of a transfer those
    /// that it took from.
    fn named_lots(&self, written: &[Posted]) -> Vec<(String, i64)> {
        let Some(first) = written.first() else { return Vec::new() };
        let same = written.iter().filter(|posted| posted.kind == first.kind);
        let lots = same.flat_map(|posted| &posted.lots);
        let taken = lots.filter(|moved| moved.points.0 != 0 && !(first.kind == EntryKind::Transfer && moved.made));
        let named = taken.map(|moved| {
            let name = self.lots.get(&moved.lot).cloned().unwrap_or_else(|| moved.lot.to_string());
            (name, moved.points.0)
        });
        named.collect()
    }

    fn decimal(&self, amount: Money) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(amount.0), self.scale)
    }
}

/// The limits that a partner has once a command was accepted, if it sets any.
fn limits_set_by(command: &Command) -> Option<(PartnerId, Limits)> {
    if let Command::SetLimits(SetLimits { partner, limits })
    | Command::CreatePartner(CreatePartner { partner, limits, .. }) = command
    {
        return Some((*partner, *limits));
    }
    None
}

fn money_account(account: MoneyAccount) -> String {
    match account {
        MoneyAccount::Bank(_) => "bank".to_owned(),
        MoneyAccount::Position(_)
        | MoneyAccount::Pool
        | MoneyAccount::Reserve
        | MoneyAccount::Unfunded
        | MoneyAccount::Collateral(_)
        | MoneyAccount::Settle(..)
        | MoneyAccount::Advance(_)
        | MoneyAccount::Unapplied(_)
        | MoneyAccount::Ordered(_)
        | MoneyAccount::Claim(_)
        | MoneyAccount::ReserveClaim
        | MoneyAccount::Shared(..) => account.to_string(),
    }
}

fn abandoned_name(abandoned: Abandoned) -> &'static str {
    match abandoned {
        Abandoned::Burned => "BURNED",
        Abandoned::Undone => "UNDONE",
        Abandoned::NoEffect => "NO_EFFECT",
        Abandoned::Already => "ALREADY",
    }
}

/// The payment that confirms an order.
fn payment_of(order: &Order) -> Payment {
    match (order.payer, order.payee) {
        (OrderParty::Hub, party) | (party, OrderParty::Hub) => {
            party.participant().map_or(Payment::Pair { payer: order.payer, payee: order.payee }, Payment::Hub)
        }
        (payer, payee) => Payment::Pair { payer, payee },
    }
}

/// One line for each name whose figures differ.
fn differ<T: PartialEq + fmt::Display>(
    what: &str,
    expected: &BTreeMap<String, T>,
    got: &BTreeMap<String, T>,
    lines: &mut Vec<String>,
) {
    let text = |figure: Option<&T>| figure.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let mut names: Vec<&String> = expected.keys().chain(got.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|name| expected.get(*name) != got.get(*name)) {
        lines.push(format!("{what} {name}: expected {}, got {}", text(expected.get(name)), text(got.get(name))));
    }
}
