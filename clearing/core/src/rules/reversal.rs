//! Issues taken back, and the debts this leaves.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::answer::Reversed;
use crate::facts::entry::{Entry, EntryDraft, EntryKind, LOTS_PER_ENTRY_MAX};
use crate::facts::lot::{Lot, LotId, LotMove};
use crate::facts::member::{Member, MemberRef};
use crate::facts::origin::{BusinessDate, Code};
use crate::facts::receipt::{Receipt, ReceiptLine, Side};
use crate::facts::terms::Terms;
use crate::facts::{Fact, ReversedPart};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::check_points;
use crate::rules::issue::post_issue_money;
use crate::units::{EntryId, Malformed, MemberId, PartnerId, Points, Timestamp, largest_remainder};

/// How many points of which lots are to be reversed.
pub(crate) type LotShares = Vec<(LotId, Points)>;

/// An issue with lots of it.
type IssueLots = (EntryId, Arc<Entry>, Vec<LotId>);

/// Takes points of the caller's issues back; what is gone becomes a debt, unless the caller would rather be refused.
///
/// Rule: reverse
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(try_from = "ReversalFields")]
pub struct ReverseIssue {
    pub target: ReversalTarget,
    pub points: Points,
    /// Rather refuse than let a shortfall become a debt.
    pub refuse_shortfall: bool,
}

/// Which issues are to be reversed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ReversalTarget {
    Entry(EntryId),
    /// All issues of a receipt of the caller's, the newest first; the house finds them by its number.
    Receipt(Receipt),
    /// The newest lots that the caller issued to a member, for a return without a receipt.
    Newest(MemberRef),
}

/// A reversal as it is written: which issues it is about stands beside the points.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReversalFields {
    issue_entry_id: Option<EntryId>,
    receipt: Option<ReceiptFields>,
    newest_of_member: Option<MemberRef>,
    points: Points,
    #[serde(default)]
    refuse_shortfall: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptFields {
    store: Option<String>,
    till: Option<String>,
    receipt_number: String,
    business_date: BusinessDate,
}

impl TryFrom<ReversalFields> for ReverseIssue {
    type Error = Malformed;

    fn try_from(fields: ReversalFields) -> Result<Self, Malformed> {
        let ReversalFields { issue_entry_id, receipt, newest_of_member, points, refuse_shortfall } = fields;
        let target = match (issue_entry_id, receipt, newest_of_member) {
            (Some(entry), None, None) => ReversalTarget::Entry(entry),
            (None, Some(receipt), None) => ReversalTarget::Receipt(receipt.try_into()?),
            (None, None, Some(member)) => ReversalTarget::Newest(member),
            _ => {
                let wanted = "give one of issue_entry_id, receipt and newest_of_member";
                return Err(Malformed(wanted.to_owned()));
            }
        };
        Ok(Self { target, points, refuse_shortfall })
    }
}

impl TryFrom<ReceiptFields> for Receipt {
    type Error = Malformed;

    fn try_from(fields: ReceiptFields) -> Result<Self, Malformed> {
        let code = |code: Option<String>| code.map(|code| Code::new(&code)).transpose();
        Ok(Self {
            // Whoever asks takes its place: it is a receipt of the caller's.
            partner: PartnerId::operator(),
            store: code(fields.store)?,
            till: code(fields.till)?,
            date: fields.business_date,
            number: Code::receipt(&fields.receipt_number)?,
        })
    }
}

impl Operation for ReverseIssue {
    const NAME: &'static str = "ReverseIssue";

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        match &self.target {
            ReversalTarget::Entry(entry) => needs.takes_back(*entry),
            ReversalTarget::Receipt(receipt) => {
                needs.reversed_receipts.insert(Receipt { partner: ask.caller, ..receipt.clone() });
            }
            ReversalTarget::Newest(member) => {
                needs.member(*member).all = true;
                needs.newest.insert((*member, ask.caller));
            }
        }
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.reversal_targets(ask, &self.target).map(|(member, _)| Admitted::of(member))
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let (member, issues) = book.reversal_targets(ask, &self.target)?;
        let mut left = self.points.0;
        let mut parts: Vec<(EntryId, Arc<Entry>, LotShares)> = Vec::new();
        for (id, issue, lots) in issues {
            let reversible = lots.iter().map(|lot| book.reversible(lot)).sum::<i64>();
            let share = left.min(reversible);
            if share > 0 {
                let shares = book.split_over(&lots, Points(share));
                left -= share;
                parts.push((id, issue, shares));
            }
        }
        for (_, issue, _) in &parts {
            book.check_may_reverse(ask.caller, issue)?;
        }
        if left > 0 {
            return Err(Rejection::ReversalExceedsIssue { asked: self.points.0, left: self.points.0 - left });
        }
        for (_, issue, shares) in &parts {
            book.check_return_period(issue, shares, ask.now)?;
        }
        let mut entries = Vec::new();
        let mut done = Reversed::default();
        for (id, _, shares) in &parts {
            let draft = book.draft(EntryKind::Reverse, ask);
            let (entry, reversed) = book.reversal_entry(draft, *id, member, shares)?;
            done.taken_back = done.taken_back.plus(reversed.taken_back)?;
            done.written_off = done.written_off.plus(reversed.written_off)?;
            done.debt = done.debt.plus(reversed.debt)?;
            entries.push(entry);
        }
        if self.refuse_shortfall && done.debt.0 > 0 {
            return Err(Rejection::ReversalShortfall { asked: self.points.0, left: self.points.0 - done.debt.0 });
        }
        let reachable = parts.iter().take(LOTS_PER_ENTRY_MAX).flat_map(|(.., shares)| shares);
        let reachable: i64 = reachable.map(|(_, points)| points.0).sum();
        if reachable < self.points.0 {
            return Err(Rejection::too_many_lots(self.points, reachable));
        }
        // Each entry fits on its own; so must all of them together.
        book.members.get(&member).map_or(Points::ZERO, Member::owed).plus(done.debt)?;
        let lots = parts.iter().flat_map(|(.., shares)| shares).filter_map(|(lot, _)| book.lots.get(lot));
        for account in lots.map(|lot| PointsAccount::Recoverable(lot.issuer)) {
            book.points_balances.get(&account).copied().unwrap_or_default().plus(done.debt)?;
        }
        let decision = Decision::of_member(member, entries).settling(member);
        Ok(decision.with(|figures| figures.reversed = Some(done)))
    }
}

impl Book {
    /// The issues that a reversal is about, in the order in which they are reversed, with their lots.
    ///
    /// Rule: reversal-targets
    fn reversal_targets(
        &self,
        ask: &Ask<'_>,
        target: &ReversalTarget,
    ) -> Result<(MemberId, Vec<IssueLots>), Rejection> {
        let of_issue = |id: EntryId, entry: &Arc<Entry>| (id, Arc::clone(entry), born_lots(entry));
        match target {
            ReversalTarget::Entry(id) => {
                let entry = self.own_issue(ask.caller, *id)?;
                Ok((entry.member.expect("an issue is of a member"), vec![of_issue(*id, &entry)]))
            }
            ReversalTarget::Receipt(receipt) => {
                let receipt = Receipt { partner: ask.caller, ..receipt.clone() };
                let lines = self.receipts.range(ReceiptLine::range(&receipt, Side::Earn)).map(|(_, id)| *id);
                let mut issues: Vec<(EntryId, Arc<Entry>)> =
                    lines.filter_map(|id| Some((id, self.entries.get(&id)?.clone()))).collect();
                issues.sort_by_key(|(id, entry)| std::cmp::Reverse((entry.time, *id)));
                let unknown = || Rejection::not_found("receipt", receipt.number.as_str());
                let member = issues.first().and_then(|(_, entry)| entry.member).ok_or_else(unknown)?;
                // Two customers may share a receipt; it is reversed for the one who earned last.
                issues.retain(|(_, entry)| entry.member == Some(member));
                Ok((member, issues.iter().map(|(id, entry)| of_issue(*id, entry)).collect()))
            }
            ReversalTarget::Newest(member) => {
                let member = self.find_member(*member)?;
                let own = |lot: &&Lot| lot.issuer == ask.caller && lot.origin.is_none() && lot.reversible().0 > 0;
                let lots = self.lots_of(member).rev().filter(own);
                let issues = lots.filter_map(|lot| {
                    let issue = self.entries.get(&lot.entry)?;
                    Some((lot.entry, Arc::clone(issue), vec![lot.id]))
                });
                Ok((member, issues.collect()))
            }
        }
    }

    /// An issue that the caller asked for.
    pub(crate) fn own_issue(&self, caller: PartnerId, id: EntryId) -> Result<Arc<Entry>, Rejection> {
        let entry = self.entries.get(&id).filter(|entry| entry.kind == EntryKind::Issue && entry.partner == caller);
        entry.cloned().ok_or_else(|| Rejection::not_found("issue", id))
    }

    pub(crate) fn reversible(&self, lot: &LotId) -> i64 {
        self.lots.get(lot).map_or(0, |lot| lot.reversible().0)
    }

    /// Splits points over lots by what is not yet reversed of each.
    ///
    /// Rule: reversal-split
    fn split_over(&self, lots: &[LotId], points: Points) -> LotShares {
        let weights: Vec<i64> = lots.iter().map(|lot| self.reversible(lot)).collect();
        let shares = largest_remainder(points.0, &weights);
        lots.iter().copied().zip(shares.into_iter().map(Points)).filter(|(_, points)| points.0 > 0).collect()
    }

    /// The shares of the lots of one issue when `points` of it are reversed.
    pub(crate) fn shares_of_issue(&self, issue: &Entry, points: Points) -> Result<LotShares, Rejection> {
        let lots = born_lots(issue);
        let left = lots.iter().map(|lot| self.reversible(lot)).sum::<i64>();
        if points.0 > left {
            return Err(Rejection::ReversalExceedsIssue { asked: points.0, left });
        }
        Ok(self.split_over(&lots, points))
    }

    /// Rule: return-period
    pub(crate) fn check_return_period(
        &self,
        issue: &Entry,
        shares: &LotShares,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        for (lot, _) in shares {
            let Some(lot) = self.lots.get(lot) else { continue };
            let Some(days) = self.house.lot_terms(lot.issuer, lot.terms).return_days else { continue };
            let latest = self.house.coalition.days_after(days, issue.time);
            if now > latest {
                let (issued, latest) = (issue.time.to_string(), latest.to_string());
                return Err(Rejection::ReversalTooLate { issued, latest });
            }
        }
        Ok(())
    }

    /// The entry that reverses points of the lots of one issue: first what is there, then what is lost already, the rest
    /// as a debt.
    ///
    /// Rule: reversal-money
    pub(crate) fn reversal_entry(
        &self,
        draft: EntryDraft,
        issue: EntryId,
        member: MemberId,
        shares: &LotShares,
    ) -> Result<(Entry, Reversed), Rejection> {
        let mut draft = draft.of_member(member).linked_to(issue);
        let mut done = Reversed::default();
        let mut parts = Vec::with_capacity(shares.len());
        for (id, points) in shares {
            let lot = self.lots.get(id).ok_or_else(|| Rejection::not_found("lot", id))?;
            let terms = self.house.lot_terms(lot.issuer, lot.terms);
            let pending = Points(points.0.min(lot.pending.0));
            let available = Points((points.0 - pending.0).min(lot.available.0));
            let taken = pending.plus(available)?;
            let written_off = Points((points.0 - taken.0).min(lot.lost.0));
            let debt = points.minus(taken)?.minus(written_off)?;

            draft.post_points(PointsAccount::Member(member), -i128::from(available.0));
            draft.post_points(PointsAccount::Pending(member), -i128::from(pending.0));
            draft.post_points(PointsAccount::Issuer(lot.issuer), i128::from(taken.0));
            draft.post_points(PointsAccount::Debt(member), -i128::from(debt.0));
            draft.post_points(PointsAccount::Recoverable(lot.issuer), i128::from(debt.0));
            let paid_for =
                lot.release_window.is_none_or(|window| lot.pending.is_zero() || self.is_funded(window, lot.issuer));
            post_issue_money(&mut draft, lot.issuer, terms, taken, !paid_for, -1)?;
            if terms.funding.is_prepaid() {
                post_written_off(&mut draft, lot.issuer, terms, written_off)?;
            }
            if taken.0 > 0 {
                draft.move_lot(LotMove {
                    lot: lot.id,
                    issuer: lot.issuer,
                    terms: lot.terms,
                    points: available.negated()?,
                    held: Points::ZERO,
                    pending: pending.negated()?,
                    expires: lot.expires,
                    birth: None,
                });
            }
            parts.push(ReversedPart {
                lot: lot.id,
                issuer: lot.issuer,
                terms: lot.terms,
                points: *points,
                taken,
                unpaid: if paid_for { Points::ZERO } else { taken },
                written_off,
                debt,
            });
            done.taken_back = done.taken_back.plus(taken)?;
            done.written_off = done.written_off.plus(written_off)?;
            done.debt = done.debt.plus(debt)?;
        }
        Ok((self.finish(draft.with(Fact::Reversal(parts)))?, done))
    }
}

/// The lots that an entry made.
pub(crate) fn born_lots(entry: &Entry) -> Vec<LotId> {
    entry.lots.iter().filter(|moved| moved.birth.is_some()).map(|moved| moved.lot).collect()
}

/// An issuer gets back what it prepaid for points that were lost before their issue was reversed.
///
/// Rule: written-off
fn post_written_off(draft: &mut EntryDraft, issuer: PartnerId, terms: &Terms, points: Points) -> Result<(), Rejection> {
    let [reserve, operator, _] = terms.breakage.split(points.times(terms.value)?);
    let spread = i128::from(points.times(terms.price.minus(terms.value)?)?.0);
    let (reserve, operator) = (i128::from(reserve.0), i128::from(operator.0));
    let house = MoneyAccount::Position(PartnerId::operator());
    draft.post_money(MoneyAccount::Reserve, Purpose::Breakage, -reserve);
    draft.post_money(house, Purpose::Breakage, -operator);
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Breakage, reserve + operator);
    draft.post_money(house, Purpose::Spread, -spread);
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Spread, spread);
    Ok(())
}
