//! Defaults: a leg that is not paid is paid for its partner out of what there is, and what is missing may be taken off the creditors.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{Fund, MoneyAccount, Purpose};
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::money::{LegFacts, LegHow, MoneyMove, Place};
use crate::facts::order::OrderParty;
use crate::facts::partner::PartnerState;
use crate::facts::window::SettlementState;
use crate::facts::{Fact, FundedPart, StateFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::ordered::through_settlement;
use crate::rules::settlement::check_confirmed;
use crate::rules::steps::Steps;
use crate::units::{Money, PartnerId, WindowNumber, largest_remainder};

/// Pays what is due of a leg for a partner that defaults: its pending points are cancelled, then goes what arrived of it, what it
/// has paid ahead, its collateral, and the reserve. It is suspended by that.
///
/// Rule: cover-default
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverDefault {
    pub window: WindowNumber,
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
}

/// As a cover, and what is missing is taken off the creditors.
///
/// Rule: share-loss
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareLoss {
    pub window: WindowNumber,
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
}

impl Operation for CoverDefault {
    const NAME: &'static str = "CoverDefault";
    /// It suspends a partner.
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn found(&self, book: &Book) -> Vec<u8> {
        book.due_of(self.window, self.partner)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject { window: Some(self.window), ..Subject::partner(self.partner) })
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        covers(needs, self.window, self.partner);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        cover(book, ask, EntryKind::CoverDefault, self.window, self.partner)
    }
}

impl Operation for ShareLoss {
    const NAME: &'static str = "ShareLoss";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn found(&self, book: &Book) -> Vec<u8> {
        book.due_of(self.window, self.partner)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject { window: Some(self.window), ..Subject::partner(self.partner) })
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        covers(needs, self.window, self.partner);
        needs.gross.insert((self.window, self.partner));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        cover(book, ask, EntryKind::ShareLoss, self.window, self.partner)
    }
}

fn covers(needs: &mut Footprint<'_>, window: WindowNumber, partner: PartnerId) {
    needs.money(Some(partner), None);
    needs.pays_legs(Some(window));
    needs.balances.extend([MoneyAccount::Collateral(partner), MoneyAccount::Reserve]);
}

/// What is paid for a leg in one entry, in the making.
struct Cover {
    window: WindowNumber,
    partner: PartnerId,
    /// What of the leg is still missing.
    left: i64,
    legs: Vec<LegFacts>,
    postings: Vec<(MoneyAccount, i64)>,
}

impl Cover {
    fn post(&mut self, account: MoneyAccount, amount: i64) {
        self.postings.push((account, amount));
    }

    /// Pays as much of the leg as there is.
    fn pay(&mut self, steps: &Steps<'_>, account: MoneyAccount, available: i128, how: LegHow) -> i64 {
        let paid = i128::from(self.left).min(available.max(0));
        let paid = i64::try_from(paid).expect("no more than what is missing");
        if paid > 0 {
            self.post(account, -paid);
            self.credit(steps, paid, how);
        }
        paid
    }

    fn credit(&mut self, steps: &Steps<'_>, paid: i64, how: LegHow) {
        self.post(MoneyAccount::Settle(self.window, self.partner), paid);
        self.legs.push(steps.leg(&self.legs, self.window, self.partner, how, paid));
        self.left -= paid;
    }
}

/// The order in which a default is covered.
///
/// Rule: waterfall
fn cover(
    book: &Book,
    ask: &Ask<'_>,
    kind: EntryKind,
    window: WindowNumber,
    partner: PartnerId,
) -> Result<Decision, Rejection> {
    let state = book.house.partner(partner)?.state;
    let settlement = book.settlement(window)?;
    check_confirmed(window, settlement)?;
    if settlement.state == SettlementState::Settled {
        return Err(Rejection::SettlementSettled { window });
    }
    let leg = settlement.legs.get(&partner).filter(|leg| leg.owes());
    let not_due = || Rejection::LegNotDue {
        window,
        payer: OrderParty::of(partner).to_string(),
        payee: OrderParty::Hub.to_string(),
    };
    let left = -leg.ok_or_else(not_due)?.due.0;
    let mut steps = Steps::new(book, ask);
    let mut draft = steps.draft(kind);
    let mut cover = Cover { window, partner, left, legs: Vec::new(), postings: Vec::new() };

    let cancelled = book.waiting_parts(window, partner);
    if !cancelled.is_empty() {
        let worth = book.worth(&cancelled)?;
        let paid = cover.pay(&steps, MoneyAccount::Unfunded, worth.into(), LegHow::Cancelled);
        cover.post(MoneyAccount::Unfunded, paid - worth);
        cover.post(MoneyAccount::Position(partner), worth - paid);
        draft = draft.with(Fact::Cancelled(cancelled));
    }
    let mut moves: Vec<MoneyMove> = Vec::new();
    for (place, account) in
        [(Place::Unapplied, MoneyAccount::Unapplied(Some(partner))), (Place::Advance, MoneyAccount::Advance(partner))]
    {
        let paid = cover.pay(&steps, account, book.money_at(Some(partner), place), LegHow::Paid);
        if paid > 0 {
            moves.extend(book.use_money(Some(partner), place, Place::Leg(window), Money(paid))?);
        }
    }
    if !moves.is_empty() {
        draft = draft.with(Fact::Moved(moves));
    }
    let balance = |account: MoneyAccount| book.money_balances.get(&account).copied().unwrap_or_default();
    let collateral = MoneyAccount::Collateral(partner);
    let paid = cover.pay(&steps, collateral, balance(collateral).0.into(), LegHow::Covered);
    through_settlement(&mut draft, Fund::Collateral(partner), Purpose::Settlement, Money(paid));

    let (missing, in_reserve) = (cover.left, balance(MoneyAccount::Reserve).0.max(0));
    let insufficient = |available: i64| {
        let text = |amount: i64| book.house.coalition.money_text(Money(amount));
        Rejection::ReserveInsufficient { needed: text(missing), available: text(available) }
    };
    if missing > in_reserve && kind != EntryKind::ShareLoss {
        return Err(insufficient(in_reserve));
    }
    let minor = book.house.coalition.minor_unit();
    // What is taken off creditors leaves them whole minor units.
    let taken = if missing > in_reserve { in_reserve - (in_reserve - missing).rem_euclid(minor) } else { in_reserve };
    if taken < 0 {
        return Err(insufficient(in_reserve));
    }
    let of_reserve = cover.pay(&steps, MoneyAccount::Reserve, taken.into(), LegHow::Covered);
    through_settlement(&mut draft, Fund::Reserve, Purpose::Settlement, Money(of_reserve));
    cover.post(MoneyAccount::ReserveClaim, of_reserve);
    cover.post(MoneyAccount::Claim(partner), -of_reserve);

    let loss = cover.left;
    if loss > 0 {
        let shares = book.shares(window, partner, loss).ok_or_else(|| insufficient(in_reserve))?;
        cover.credit(&steps, loss, LegHow::Covered);
        cover.post(MoneyAccount::Claim(partner), -loss);
        for (sharer, share) in shares {
            let of_leg = share.min(settlement.free_credit(sharer));
            for (how, part) in [(LegHow::Shared, of_leg), (LegHow::SharedBeyond, share - of_leg)] {
                if part > 0 {
                    cover.legs.push(steps.leg(&cover.legs, window, sharer, how, -part));
                }
            }
            cover.post(MoneyAccount::Settle(window, sharer), -of_leg);
            cover.post(MoneyAccount::Position(sharer), of_leg - share);
            cover.post(MoneyAccount::Shared(sharer, partner), share);
        }
    }
    for (account, amount) in &cover.postings {
        draft.post_money(*account, Purpose::Settlement, i128::from(*amount));
    }
    draft = draft.with(Fact::Legs(cover.legs));
    if !state.is_suspended() && !partner.is_operator() {
        let suspended = StateFacts { partner, state: PartnerState::Suspended, before: state };
        draft = draft.with(Fact::State(suspended));
    }
    steps.write(draft)?;
    Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
}

impl Book {
    /// What is due of a leg, in bytes.
    fn due_of(&self, window: WindowNumber, partner: PartnerId) -> Vec<u8> {
        let settlement = self.windows.get(&window).and_then(|window| window.settlement.as_ref());
        let leg = settlement.and_then(|settlement| settlement.legs.get(&partner));
        leg.map_or_else(Vec::new, |leg| leg.due.0.to_be_bytes().to_vec())
    }

    /// What pending points are worth that were never paid for.
    fn worth(&self, parts: &[FundedPart]) -> Result<i64, Rejection> {
        let mut worth = Money::ZERO;
        for part in parts {
            worth = worth.plus(part.points.times(self.house.lot_terms(part.issuer, part.terms).price)?)?;
        }
        Ok(worth.0)
    }

    /// Who bears how much of a loss: by what each accepted of the defaulter's points in the window, at most what was its leg. What
    /// that bound cuts off is split again over the others. None if nobody is left to bear it.
    ///
    /// Rule: loss-shares
    fn shares(&self, window: WindowNumber, partner: PartnerId, loss: i64) -> Option<BTreeMap<PartnerId, i64>> {
        let settlement = self.windows.get(&window)?.settlement.as_ref()?;
        let minor = self.house.coalition.minor_unit();
        let unit = if loss % minor == 0 { minor } else { 1 };
        let accepted = self.gross.iter().filter(|((of, issuer, _), _)| *of == window && *issuer == partner);
        let sharers = accepted.filter_map(|((.., acceptor), gross)| {
            let leg = settlement.legs.get(acceptor)?;
            let bound = (leg.amount.0 - leg.shared.0).max(0) / unit;
            (gross.points.0 > 0 && bound > 0).then_some((*acceptor, gross.points.0, bound))
        });
        let sharers: Vec<(PartnerId, i64, i64)> = sharers.collect();
        let mut shares: BTreeMap<PartnerId, i64> = BTreeMap::new();
        let mut rest = loss / unit;
        while rest > 0 {
            let share_of = |partner: &PartnerId| shares.get(partner).copied().unwrap_or_default();
            let open: Vec<_> = sharers.iter().filter(|(partner, _, bound)| share_of(partner) < *bound).collect();
            if open.is_empty() {
                return None;
            }
            let weights: Vec<i64> = open.iter().map(|(_, points, _)| *points).collect();
            let split = largest_remainder(rest, &weights);
            rest = 0;
            for ((partner, _, bound), part) in open.into_iter().zip(split) {
                let share = shares.entry(*partner).or_default();
                let cut = (*share + part - bound).max(0);
                *share += part - cut;
                rest += cut;
            }
        }
        Some(
            shares
                .into_iter()
                .filter(|(_, share)| *share > 0)
                .map(|(partner, share)| (partner, share * unit))
                .collect(),
        )
    }
}
