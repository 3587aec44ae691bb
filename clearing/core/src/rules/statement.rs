//! A partner's statement of a window: what opened it, every movement of its position, what was settled, what is
//! carried on. Opening + lines = leg + carried, to the last unit.
//!
//! | what | made of | for |
//! |---|---|---|
//! | [`effects`] | the entry alone | sums that are kept while the journal grows ([`Totals`]), and the [`Bridge`] over them |
//! | [`lines`] | the entry and the terms it went by | what a person checks: points x rate + rounding = amount, on every line |
//!
//! The lines of an entry come to its effects, section by section and purpose by purpose: a law of the tests.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::chart::{MoneyAccount, Purpose};
use crate::facts::coalition::House;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::terms::{FeeBearer, Funding, Terms};
use crate::facts::{RedemptionFacts, ReversedPart};
use crate::netting::Obligations;
use crate::units::{EntryId, Money, Overflow, PartnerId, Points, Rate, Timestamp};

/// What an effect of an entry was to a partner: the sections of its statement, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Its own points given to members, or taken back from them by a reversal: what it prepays.
    Issued,
    /// Its own points spent at other partners, or given back there: what it owes.
    Spent,
    /// Other partners' points spent at it, or given back there: what it is owed.
    Accepted,
    /// Its own points spent at itself.
    AtHome,
    /// Its own points that expired or decayed.
    Lost,
    /// What the house moves, for no points of its own trade: what the operator earns, legs that an aborted settlement gave
    /// back.
    House,
}

impl Section {
    pub const ALL: [Self; 6] = [Self::Issued, Self::Spent, Self::Accepted, Self::AtHome, Self::Lost, Self::House];
}

/// An exact amount of money, in billionths of the ledger's unit: what rates of nine decimals make of whole units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(pub i128);

impl Exact {
    const UNIT: i128 = 1_000_000_000;

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The decimal number, without needless zeros, of money that has `scale` digits behind the point.
    pub fn text(self, scale: u32) -> String {
        Decimal::from_i128_with_scale(self.0, scale + 9).normalize().to_string()
    }

    fn share(rate: Rate, of: Money) -> Self {
        Self(i128::from(of.0) * i128::from(rate.billionths()))
    }
}

impl From<Money> for Exact {
    fn from(money: Money) -> Self {
        Self(i128::from(money.0) * Self::UNIT)
    }
}

/// One effect of one entry on a partner's position, or on its points alone.
/// `amount` = `points` x `rate` + `rounding`, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    pub entry: EntryId,
    pub sequence: i64,
    pub time: Timestamp,
    pub kind: EntryKind,
    pub section: Section,
    pub purpose: Purpose,
    /// Who accepted its points, whose points it accepted, or whose points or fees the operator earns by.
    pub counterparty: Option<PartnerId>,
    /// The version of the terms by which: of the partner's own, those that its points were issued under or that it accepts
    /// others' by; of the counterparty's for what the operator earns. None where it is another's, or no terms say anything.
    pub terms: Option<u32>,
    /// The points that the amount is for; below zero where they are taken back.
    pub points: Points,
    /// What the partner gets (+) or pays (-) for a point. None where no money moves for points.
    pub rate: Option<Exact>,
    /// What rounding added to points x rate.
    pub rounding: Exact,
    pub amount: Money,
    /// What the line adds to the obligation of the points' issuer to their acceptor, whoever pays it: of points accepted
    /// from another partner, and of its own points spent at one, also where the pool pays for them.
    pub gross: Option<Money>,
}

/// The terms of a lot are not among those that the reader knows: another node has just set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstated {
    #[error(transparent)]
    Overflow(#[from] Overflow),
    #[error("version {1} of the terms of {0} is not known here yet")]
    UnknownTerms(PartnerId, u32),
}

/// What an entry comes to on a partner's statement, by section and purpose: money, and under [`Purpose::Reward`] points.
/// Points that cost nothing have an effect of no money, so that a brand finds every point of its own. The close itself has
/// none: it is the leg.
///
/// # Errors
/// [`Overflow`] if a sum does not fit, which it does in every entry of the house.
///
/// Rule: statement
pub fn effects(partner: PartnerId, entry: &Entry) -> Result<BTreeMap<(Section, Purpose), Effect>, Overflow> {
    let mut effects: BTreeMap<(Section, Purpose), Effect> = BTreeMap::new();
    if entry.kind == EntryKind::Close {
        return Ok(effects);
    }
    let sections = moved(partner, entry)?;
    for (section, points) in &sections {
        effects.insert((*section, Purpose::Reward), Effect { amount: Money::ZERO, points: *points });
    }
    let own = entry.money.iter().filter(|posting| posting.account == MoneyAccount::Position(partner));
    for posting in own {
        let at_home = !sections.contains_key(&Section::Accepted);
        let section = section_of(partner, entry, posting.purpose, at_home);
        let effect = effects.entry((section, posting.purpose)).or_default();
        effect.amount = effect.amount.plus(posting.amount)?;
    }
    // An acceptor gets the same for a point of any other issuer; the rest is for its own prepaid points.
    if let (Some(facts), Some(accepted)) = (entry.redemption(), effects.get_mut(&(Section::Accepted, Purpose::Reward)))
    {
        let owed = accepted.points.times(facts.reimbursement)?;
        let rest = accepted.amount.minus(owed)?;
        accepted.amount = owed;
        if let Some(home) = effects.get_mut(&(Section::AtHome, Purpose::Reward)) {
            home.amount = home.amount.plus(rest)?;
        }
    }
    Ok(effects)
}

/// What an entry comes to in one section, for one purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    pub amount: Money,
    pub points: Points,
}

/// The points of an entry by what they were to a partner.
fn moved(partner: PartnerId, entry: &Entry) -> Result<BTreeMap<Section, Points>, Overflow> {
    let mut sections: BTreeMap<Section, Points> = BTreeMap::new();
    let mut add = |section: Section, points: Points| -> Result<(), Overflow> {
        if !points.is_zero() {
            let sum = sections.entry(section).or_default();
            *sum = sum.plus(points)?;
        }
        Ok(())
    };
    if let Some(parts) = entry.facts.reversal() {
        for part in parts.iter().filter(|part| part.issuer == partner) {
            add(Section::Issued, part.taken.negated()?)?;
        }
    } else {
        for moved in &entry.lots {
            let net = moved.net()?;
            match section_of_lot(partner, entry, moved.issuer) {
                Some(Section::Issued) => add(Section::Issued, net)?,
                Some(section) => add(section, net.negated()?)?,
                None => {}
            }
        }
    }
    Ok(sections)
}

/// What the points of an issuer's lot in an entry are to a partner, if they are anything to it.
fn section_of_lot(partner: PartnerId, entry: &Entry, issuer: PartnerId) -> Option<Section> {
    let (own, asked) = (issuer == partner, entry.partner == partner);
    if entry.redemption().is_some() {
        return match (own, asked) {
            (true, true) => Some(Section::AtHome),
            (true, false) => Some(Section::Spent),
            (false, true) => Some(Section::Accepted),
            (false, false) => None,
        };
    }
    let section = if is_issue(entry.kind) {
        Some(Section::Issued)
    } else if is_loss(entry.kind) {
        Some(Section::Lost)
    } else {
        None
    };
    section.filter(|_| own)
}

/// Whether an entry of a kind gives points to a member.
fn is_issue(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Issue | EntryKind::Reinstate)
}

/// Whether an entry of a kind takes points for which nobody gets anything.
fn is_loss(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Expire | EntryKind::Decay)
}

/// The section of a posting to a partner's position. `at_home`: it accepts no points but its own.
fn section_of(partner: PartnerId, entry: &Entry, purpose: Purpose, at_home: bool) -> Section {
    let reversed = entry.facts.reversal().into_iter().flatten();
    let is_issuer = reversed
        .map(|part| part.issuer)
        .chain(entry.lots.iter().map(|moved| moved.issuer))
        .any(|issuer| issuer == partner);
    let accepts = entry.redemption().is_some().then_some(entry.partner == partner);
    match purpose {
        // What the operator earns on others' operations is not part of its own trade.
        Purpose::Fee | Purpose::Spread if partner.is_operator() => Section::House,
        Purpose::Reward | Purpose::Fee | Purpose::Spread => match accepts {
            Some(true) if at_home => Section::AtHome,
            Some(true) => Section::Accepted,
            Some(false) => Section::Spent,
            None => Section::Issued,
        },
        Purpose::Breakage if is_issuer => Section::Lost,
        Purpose::Breakage
        | Purpose::Settlement
        | Purpose::Deposit
        | Purpose::Penalty
        | Purpose::Charge
        | Purpose::Tax
        | Purpose::Adjustment => Section::House,
    }
}

/// The lines of one entry on a partner's statement: one for each section, other side, version of terms and purpose.
///
/// # Errors
/// [`Unstated`] if the house does not know the terms of a lot yet, or a sum does not fit.
///
/// Rule: statement-lines
pub fn lines(
    partner: PartnerId,
    id: EntryId,
    sequence: i64,
    entry: &Entry,
    house: &House,
) -> Result<Vec<StatementLine>, Unstated> {
    if entry.kind == EntryKind::Close {
        return Ok(Vec::new());
    }
    let mut draft = Draft { partner, entry, house, parts: BTreeMap::new() };
    if let Some(facts) = entry.redemption() {
        draft.redemption(facts)?;
        draft.fees(facts)?;
    } else if let Some(parts) = entry.facts.reversal() {
        parts.iter().try_for_each(|part| draft.reversal(part))?;
    } else if is_issue(entry.kind) {
        draft.issue()?;
    } else if is_loss(entry.kind) {
        draft.loss()?;
    } else {
        draft.funding()?;
    }
    draft.house_money()?;
    let line = |(key, part): (Key, Part)| -> Result<StatementLine, Unstated> {
        let Key { section, counterparty, terms, purpose, .. } = key;
        let exact = part.rate.unwrap_or_default().0 * i128::from(part.points.0);
        let rounding = if part.rate.is_some() { Exact(Exact::from(part.amount).0 - exact) } else { Exact::default() };
        Ok(StatementLine {
            entry: id,
            sequence,
            time: entry.time,
            kind: entry.kind,
            section,
            purpose,
            counterparty,
            terms,
            points: part.points,
            rate: part.rate,
            rounding,
            amount: part.amount,
            gross: part.gross,
        })
    };
    // Points are told where they cost nothing, too; nobody misses a fee of nothing.
    let told = draft.parts.into_iter().filter(|(key, part)| key.purpose == Purpose::Reward || !part.amount.is_zero());
    told.map(line).collect()
}

/// The lines of an entry as an acceptor may see them that is not to learn whose points it took: what it is owed is one line.
///
/// # Errors
/// [`Overflow`] if a sum does not fit.
pub fn without_issuers(lines: Vec<StatementLine>) -> Result<Vec<StatementLine>, Overflow> {
    let mut told: Vec<StatementLine> = Vec::with_capacity(lines.len());
    for mut line in lines {
        if line.section == Section::Accepted {
            line.counterparty = None;
            let same = |known: &&mut StatementLine| {
                known.section == line.section && known.purpose == line.purpose && known.rate == line.rate
            };
            if let Some(known) = told.iter_mut().find(same) {
                known.points = known.points.plus(line.points)?;
                known.amount = known.amount.plus(line.amount)?;
                known.rounding.0 += line.rounding.0;
                if let Some(gross) = line.gross {
                    known.gross = Some(known.gross.unwrap_or_default().plus(gross)?);
                }
                continue;
            }
        }
        told.push(line);
    }
    Ok(told)
}

/// Where a part of an entry goes, in the order of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    section: Section,
    /// What is on the whole of an entry comes after what is on a part of it.
    whole: bool,
    counterparty: Option<PartnerId>,
    terms: Option<u32>,
    purpose: Purpose,
}

/// What goes into one line.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    points: Points,
    rate: Option<Exact>,
    amount: Money,
    gross: Option<Money>,
}

/// The lines of an entry in the making.
struct Draft<'a> {
    partner: PartnerId,
    entry: &'a Entry,
    house: &'a House,
    parts: BTreeMap<Key, Part>,
}

impl Draft<'_> {
    fn terms(&self, issuer: PartnerId, version: u32) -> Result<&Terms, Unstated> {
        let known = self.house.partners.get(&issuer).and_then(|partner| partner.terms_version(version));
        known.ok_or(Unstated::UnknownTerms(issuer, version))
    }

    /// Adds to a line, whose rate is that of all that is added to it.
    fn add(
        &mut self,
        (section, purpose): (Section, Purpose),
        counterparty: Option<PartnerId>,
        terms: Option<u32>,
        part: Part,
    ) -> Result<(), Overflow> {
        let counterparty = counterparty.filter(|other| *other != self.partner);
        let whole = counterparty.is_none() && section == Section::Accepted;
        let line = self.parts.entry(Key { section, whole, counterparty, terms, purpose }).or_default();
        line.points = line.points.plus(part.points)?;
        line.amount = line.amount.plus(part.amount)?;
        line.rate = part.rate;
        if let Some(gross) = part.gross {
            line.gross = Some(line.gross.unwrap_or_default().plus(gross)?);
        }
        Ok(())
    }

    /// Points at so much each, which the partner gets (+) or pays (-); at none: points that move no money.
    fn at(points: Points, each: Option<Money>) -> Result<Part, Overflow> {
        let amount = each.map_or(Ok(Money::ZERO), |each| points.times(each))?;
        Ok(Part { points, rate: each.map(Exact::from), amount, gross: None })
    }

    /// What a redemption, or its return, comes to but for its fee.
    fn redemption(&mut self, facts: &RedemptionFacts) -> Result<(), Unstated> {
        let (partner, acceptor, paid) = (self.partner, self.entry.partner, facts.reimbursement);
        for ((issuer, version), points) in self.taken()? {
            let gross = Some(points.times(paid)?);
            let terms = self.terms(issuer, version)?;
            let (prepaid, price, value) = (terms.funding.is_prepaid(), terms.price, terms.value);
            match section_of_lot(partner, self.entry, issuer) {
                Some(Section::AtHome) => {
                    let part = Self::at(points, prepaid.then_some(paid))?;
                    self.add((Section::AtHome, Purpose::Reward), None, Some(version), part)?;
                }
                Some(Section::Accepted) => {
                    let part = Part { gross, ..Self::at(points, Some(paid))? };
                    self.add((Section::Accepted, Purpose::Reward), Some(issuer), Some(facts.terms), part)?;
                }
                Some(_) => {
                    let owes = if prepaid { None } else { Some(paid.negated()?) };
                    let part = Part { gross, ..Self::at(points, owes)? };
                    self.add((Section::Spent, Purpose::Reward), Some(acceptor), Some(version), part)?;
                    // What the operator would pay itself is no line.
                    if !prepaid && !partner.is_operator() {
                        let part = Self::at(points, Some(paid.minus(price)?))?;
                        self.add((Section::Spent, Purpose::Spread), Some(acceptor), Some(version), part)?;
                    }
                }
                None => {}
            }
            let earned =
                if prepaid { Some(value) } else { Some(price).filter(|_| issuer != acceptor && issuer != partner) };
            if let Some(earned) = earned.filter(|_| partner.is_operator()) {
                let part = Self::at(points, Some(earned.minus(paid)?))?;
                self.add((Section::House, Purpose::Spread), Some(issuer), Some(version), part)?;
            }
        }
        Ok(())
    }

    /// The points that an entry takes (+) or gives back (-), by issuer and version of its terms.
    fn taken(&self) -> Result<BTreeMap<(PartnerId, u32), Points>, Overflow> {
        let mut taken: BTreeMap<(PartnerId, u32), Points> = BTreeMap::new();
        for moved in &self.entry.lots {
            let sum = taken.entry((moved.issuer, moved.terms)).or_default();
            *sum = sum.minus(moved.net()?)?;
        }
        taken.retain(|_, points| !points.is_zero());
        Ok(taken)
    }

    /// The acceptance fee of a redemption, or what a return gives back of it. It is rounded on the whole redemption.
    fn fees(&mut self, facts: &RedemptionFacts) -> Result<(), Unstated> {
        let (partner, acceptor) = (self.partner, self.entry.partner);
        let each = Exact::share(facts.fee_rate, facts.reimbursement);
        let pays = Some(Exact(-each.0));
        let mut bearing: BTreeMap<PartnerId, Points> = BTreeMap::new();
        for ((issuer, version), points) in self.taken()? {
            let funding = self.terms(issuer, version)?.funding;
            let bearer = match facts.fee_bearer {
                _ if issuer == acceptor => continue,
                FeeBearer::Acceptor => acceptor,
                FeeBearer::Issuer if funding == Funding::AtRedemption => issuer,
                FeeBearer::Issuer => continue,
            };
            let sum = bearing.entry(bearer).or_default();
            *sum = sum.plus(points)?;
        }
        let entry = self.entry;
        for posting in entry.money.iter().filter(|posting| posting.purpose == Purpose::Fee) {
            // What the operator would pay itself is no line.
            let Some(bearer) = posting.account.partner().filter(|bearer| !bearer.is_operator()) else { continue };
            // A return may move the fee of an issuer of whose points it gives none back, by what it rounds.
            let points = bearing.get(&bearer).copied().unwrap_or_default();
            let version = (bearer == acceptor).then_some(facts.terms);
            if partner == bearer {
                let section = if bearer == acceptor { Section::Accepted } else { Section::Spent };
                let part = Part { points, rate: pays, amount: posting.amount, gross: None };
                self.add((section, Purpose::Fee), Some(acceptor), version, part)?;
            } else if partner.is_operator() {
                let part = Part { points, rate: Some(each), amount: posting.amount.negated()?, gross: None };
                self.add((Section::House, Purpose::Fee), Some(bearer), version, part)?;
            }
        }
        Ok(())
    }

    fn issue(&mut self) -> Result<(), Unstated> {
        for moved in self.entry.lots.iter() {
            let terms = self.terms(moved.issuer, moved.terms)?;
            let waits = terms.funding == Funding::OnPayment;
            self.prepaid(moved.issuer, moved.terms, moved.net()?, moved.net()?, waits)?;
        }
        Ok(())
    }

    /// What an issuer prepays for points, or gets back of it for points below zero: their value, and of all of `priced` the
    /// spread. While points wait for their payment, the operator earns nothing of it.
    fn prepaid(
        &mut self,
        issuer: PartnerId,
        version: u32,
        points: Points,
        priced: Points,
        waits: bool,
    ) -> Result<(), Unstated> {
        let terms = self.terms(issuer, version)?;
        let (prepaid, value, spread) = (terms.funding.is_prepaid(), terms.value, terms.price.minus(terms.value)?);
        let own = issuer == self.partner;
        if own && !points.is_zero() {
            let each = if prepaid { Some(value.negated()?) } else { None };
            self.add((Section::Issued, Purpose::Reward), None, Some(version), Self::at(points, each)?)?;
        }
        if !prepaid {
            return Ok(());
        }
        let operator = self.partner.is_operator();
        if own && (!operator || waits) {
            let section = if operator { Section::House } else { Section::Issued };
            let part = Self::at(priced, Some(spread.negated()?))?;
            self.add((section, Purpose::Spread), None, Some(version), part)?;
        }
        if operator && !own && !waits {
            let part = Self::at(priced, Some(spread))?;
            self.add((Section::House, Purpose::Spread), Some(issuer), Some(version), part)?;
        }
        Ok(())
    }

    fn reversal(&mut self, part: &ReversedPart) -> Result<(), Unstated> {
        let terms = self.terms(part.issuer, part.terms)?;
        let (prepaid, value, breakage) = (terms.funding.is_prepaid(), terms.value, terms.breakage);
        let waits = !part.unpaid.is_zero();
        let (taken, lost) = (part.taken.negated()?, part.written_off.negated()?);
        self.prepaid(part.issuer, part.terms, taken, taken, waits)?;
        if !prepaid || lost.is_zero() {
            return Ok(());
        }
        // What was lost was paid for.
        self.prepaid(part.issuer, part.terms, Points::ZERO, lost, false)?;
        let (own, operator) = (part.issuer == self.partner, self.partner.is_operator());
        let [reserve, to_operator, _] = breakage.split(part.written_off.times(value)?);
        let (shares, amount) = match (own, operator) {
            (true, true) => (breakage.reserve.billionths(), reserve),
            (true, false) => {
                (breakage.reserve.billionths() + breakage.operator.billionths(), reserve.plus(to_operator)?)
            }
            (false, true) => (breakage.operator.billionths(), to_operator.negated()?),
            (false, false) => return Ok(()),
        };
        let each = i128::from(value.0) * i128::from(shares);
        let rate = Some(Exact(if own { -each } else { each }));
        let section = if own { Section::Lost } else { Section::House };
        let amount = Part { points: lost, rate, amount, gross: None };
        self.add((section, Purpose::Breakage), Some(part.issuer), Some(part.terms), amount)?;
        Ok(())
    }

    /// Points that expired or decayed, and what of their value the partner gets.
    fn loss(&mut self) -> Result<(), Unstated> {
        for moved in self.entry.lots.iter() {
            let terms = self.terms(moved.issuer, moved.terms)?;
            let (prepaid, value, breakage) = (terms.funding.is_prepaid(), terms.value, terms.breakage);
            let points = moved.net()?.negated()?;
            let (own, operator) = (moved.issuer == self.partner, self.partner.is_operator());
            if own {
                let key = (Section::Lost, Purpose::Reward);
                self.add(key, None, Some(moved.terms), Self::at(points, None)?)?;
            }
            if !prepaid {
                continue;
            }
            let [_, to_operator, to_issuer] = breakage.split(points.times(value)?);
            let mut amount = if own { to_issuer } else { Money::ZERO };
            let mut shares = if own { breakage.issuer.billionths() } else { 0 };
            if operator {
                amount = amount.plus(to_operator)?;
                shares += breakage.operator.billionths();
            }
            let rate = Some(Exact(i128::from(value.0) * i128::from(shares)));
            let section = if own { Section::Lost } else { Section::House };
            let part = Part { points, rate, amount, gross: None };
            self.add((section, Purpose::Breakage), Some(moved.issuer), Some(moved.terms), part)?;
        }
        Ok(())
    }

    /// What the operator earns once points are paid for that waited, if the entry says of any.
    fn funding(&mut self) -> Result<(), Unstated> {
        if !self.partner.is_operator() {
            return Ok(());
        }
        let entry = self.entry;
        for part in entry.facts.funding().into_iter().flatten() {
            let terms = self.terms(part.issuer, part.terms)?;
            let earned = Self::at(part.points, Some(terms.price.minus(terms.value)?))?;
            self.add((Section::House, Purpose::Spread), Some(part.issuer), Some(part.terms), earned)?;
        }
        Ok(())
    }

    /// Money that is for no points.
    fn house_money(&mut self) -> Result<(), Overflow> {
        let account = MoneyAccount::Position(self.partner);
        for posting in self.entry.money.iter().filter(|posting| posting.account == account) {
            match posting.purpose {
                Purpose::Reward | Purpose::Fee | Purpose::Spread | Purpose::Breakage => {}
                Purpose::Settlement
                | Purpose::Deposit
                | Purpose::Penalty
                | Purpose::Charge
                | Purpose::Tax
                | Purpose::Adjustment => {
                    let part = Part { amount: posting.amount, ..Part::default() };
                    self.add((Section::House, posting.purpose), None, None, part)?;
                }
            }
        }
        Ok(())
    }
}

/// What the entries of one section, kind and purpose come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub entries: u64,
    pub amount: Money,
    pub points: Points,
}

/// Sums of a statement's effects. They only ever grow by those of the next entries of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub rows: BTreeMap<(Section, EntryKind, Purpose), Total>,
}

impl Totals {
    /// Adds what an entry comes to.
    ///
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub fn add(&mut self, partner: PartnerId, entry: &Entry) -> Result<(), Overflow> {
        for ((section, purpose), effect) in effects(partner, entry)? {
            let total = self.rows.entry((section, entry.kind, purpose)).or_default();
            total.entries += 1;
            total.amount = total.amount.plus(effect.amount)?;
            total.points = total.points.plus(effect.points)?;
        }
        Ok(())
    }

    /// The sum of all effects.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn sum(&self) -> Result<Money, Overflow> {
        self.rows.values().map(|total| total.amount).try_fold(Money::ZERO, Money::plus)
    }

    fn sum_of(&self, wanted: impl Fn(Section, Purpose) -> bool) -> Result<Money, Overflow> {
        let of = self.rows.iter().filter(|((section, _, purpose), _)| wanted(*section, *purpose));
        of.map(|(_, total)| total.amount).try_fold(Money::ZERO, Money::plus)
    }
}

/// The way from what a partner opened a window with to what it gets or pays for it: opening + all of these = leg + carried.
/// Above zero the partner gets it, below zero it pays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Its obligations as an issuer, with the sign of what it pays.
    pub owes: Money,
    /// Its obligations as an acceptor.
    pub is_owed: Money,
    /// What the pool pays for the partner's own prepaid points: of what it owes, and for those spent at itself.
    pub paid_by_pool: Money,
    /// What it prepays for points that it issued.
    pub prepays: Money,
    /// Acceptance fees.
    pub fees: Money,
    /// The operator's share of prices.
    pub spread: Money,
    /// Its share of prepaid points that expired.
    pub breakage: Money,
    /// Whatever else: legs that an aborted settlement gave back, charges.
    pub other: Money,
}

impl Bridge {
    /// Of the totals of a statement and the gross obligations of its window, both of one moment.
    ///
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    ///
    /// Rule: statement-bridge
    pub fn of(partner: PartnerId, totals: &Totals, obligations: &Obligations) -> Result<Self, Overflow> {
        let gross = |of: &dyn Fn(PartnerId, PartnerId) -> bool| {
            let rows = obligations.iter().filter(|((issuer, acceptor), _)| of(*issuer, *acceptor));
            rows.map(|(_, gross)| gross.amount).try_fold(Money::ZERO, Money::plus)
        };
        let owes = gross(&|issuer, _| issuer == partner)?.negated()?;
        let is_owed = gross(&|_, acceptor| acceptor == partner)?;
        let traded = |section| matches!(section, Section::Spent | Section::Accepted | Section::AtHome);
        let rewards = totals.sum_of(|section, purpose| purpose == Purpose::Reward && traded(section))?;
        let of = |wanted: Purpose| totals.sum_of(|_, purpose| purpose == wanted);
        let named = [Purpose::Reward, Purpose::Fee, Purpose::Spread, Purpose::Breakage];
        Ok(Self {
            owes,
            is_owed,
            paid_by_pool: rewards.minus(owes)?.minus(is_owed)?,
            prepays: totals.sum_of(|section, purpose| purpose == Purpose::Reward && !traded(section))?,
            fees: of(Purpose::Fee)?,
            spread: of(Purpose::Spread)?,
            breakage: of(Purpose::Breakage)?,
            other: totals.sum_of(|_, purpose| !named.contains(&purpose))?,
        })
    }

    /// All of it: what the totals come to.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn sum(&self) -> Result<Money, Overflow> {
        let Self { owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other } = *self;
        [owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other]
            .into_iter()
            .try_fold(Money::ZERO, Money::plus)
    }
}
