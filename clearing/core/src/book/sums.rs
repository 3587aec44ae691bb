//! Sums that the house keeps, and how large they may become.
//!
//! Most balances that a batch moves are not in its book: the database adds to them. So that a sum near the end of 64 bits
//! is refused to the one who asked for it, and never the database's own mistake, the book checks every sum that an entry
//! moves before it is written, against what it holds, and the store looks at what each sum became: one beyond
//! [`SUM_WATCHED`] is loaded from then on. A batch that brings one beyond [`SUM_REFUSED`] nevertheless, because what falls
//! due may be any number of times as large as an operation, is decided again with that sum in the book.
//!
//! | bound | of what | why |
//! |---|---|---|
//! | 2^44 | money of one operation | a batch of 2^13 operations cannot come from 2^60 to 2^61 |
//! | 2^60 | a sum that is left to the database | beyond it is loaded, and checked |
//! | 2^61 | every sum | what a close rounds and moves on fits behind it |
//! | 1.5 x 2^61 | what a batch on points may leave | one operation may write several entries, each checked by itself |
//! | 2^62 | what a close, a payment of a leg or that of waiting points makes | what is added to it still fits into 64 bits |

use std::collections::BTreeMap;
use std::fmt;

use crate::book::Book;
use crate::book::spending::Spending;
use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::member::Member;
use crate::netting::gross_of;
use crate::rejection::Rejection;
use crate::units::{MemberId, Overflow, PartnerId, WindowNumber};

/// The most money that one operation may move on one account.
pub const OPERATION_MONEY_MAX: i64 = 1 << 44;

/// A sum beyond this on either side is loaded with every batch that may move it.
pub const SUM_WATCHED: i64 = 1 << 60;

/// No sum goes beyond this on either side.
pub const SUM_MAX: i64 = 1 << 61;

/// A batch on points that brings a sum further than this is not saved.
pub const SUM_REFUSED: i64 = 3 << 60;

/// What a close, the payment of a leg and that of points which waited for it may come to: else one partner's sums would hold up the
/// settlement of all.
pub const SETTLED_MAX: i64 = 1 << 62;

/// A sum that the house keeps. Its text is what a refusal names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sum {
    /// All points of a member, in whatever state.
    Member(MemberId),
    Debt(MemberId),
    /// An account in points of a partner.
    Points(PointsAccount),
    Money(MoneyAccount),
    /// What is outstanding of a partner under a version of its terms.
    Outstanding(PartnerId, u32),
    /// Gross obligations of a window, issuer to acceptor: points and money.
    GrossPoints(WindowNumber, PartnerId, PartnerId),
    GrossMoney(WindowNumber, PartnerId, PartnerId),
    /// What a partner's limits are checked against.
    Reserved(PartnerId),
    Unsettled(PartnerId),
    Issued(PartnerId),
    Accepted(PartnerId),
    /// What was used of a consent of a funder to a partner.
    Consent(PartnerId, PartnerId),
    /// Points of a window, an issuer and a version of terms that wait for a payment.
    Waiting(WindowNumber, PartnerId, u32),
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => write!(f, "the balance of {}", PointsAccount::Member(*member)),
            Self::Debt(member) => write!(f, "the balance of {}", PointsAccount::Debt(*member)),
            Self::Points(account) => write!(f, "the balance of {account}"),
            Self::Money(account) => write!(f, "the balance of {account}"),
            Self::Outstanding(partner, version) => {
                write!(f, "what is outstanding of {partner} under version {version} of its terms")
            }
            Self::GrossPoints(window, issuer, acceptor) => {
                write!(f, "the points of {issuer} accepted by {acceptor} in window {window}")
            }
            Self::GrossMoney(window, issuer, acceptor) => {
                write!(f, "the gross obligations of {issuer} to {acceptor} in window {window}")
            }
            Self::Reserved(partner) => write!(f, "what open holds reserve of {partner}"),
            Self::Unsettled(partner) => write!(f, "what {partner} owes to settlements"),
            Self::Issued(partner) => write!(f, "what {partner} issued on this day"),
            Self::Accepted(partner) => write!(f, "what {partner} redeemed of others on this day"),
            Self::Consent(funder, partner) => write!(f, "what {partner} issued at the cost of {funder}"),
            Self::Waiting(window, issuer, version) => {
                write!(f, "the points of {issuer}, terms {version}, window {window}, that wait for a payment")
            }
        }
    }
}

impl Book {
    /// Refuses an entry that would bring a sum out of its bounds, further than it is.
    ///
    /// Rule: overflow
    pub(crate) fn check_sums(&self, entry: &Entry) -> Result<(), Rejection> {
        let maximum = if settles(entry.kind) { SETTLED_MAX } else { SUM_MAX };
        let day = self.day_of(entry.time);
        for (sum, change) in self.sums_of(entry)?.into_iter().filter(|(_, change)| *change != 0) {
            if is_money(sum) && is_operation(entry.kind) && change.abs() > i128::from(OPERATION_MONEY_MAX) {
                let what = "the money of one operation".to_owned();
                return Err(Rejection::Overflow { what, maximum: OPERATION_MONEY_MAX });
            }
            let before = self.sum(sum, day);
            let after = before + change;
            if after.abs() > i128::from(maximum) && after.abs() >= before.abs() {
                return Err(Rejection::Overflow { what: sum.to_string(), maximum });
            }
        }
        Ok(())
    }

    /// By how much an entry moves which sums. Holds that it closes are left out: what they reserve only becomes less.
    ///
    /// # Errors
    /// [`Overflow`] if its gross obligations do not fit.
    pub fn sums_of(&self, entry: &Entry) -> Result<BTreeMap<Sum, i128>, Overflow> {
        let mut sums: BTreeMap<Sum, i128> = BTreeMap::new();
        let mut add = |sum: Sum, change: i128| *sums.entry(sum).or_default() += change;
        for posting in &entry.points {
            let sum = match posting.account {
                PointsAccount::Member(id) | PointsAccount::Held(id) | PointsAccount::Pending(id) => Sum::Member(id),
                PointsAccount::Debt(member) => Sum::Debt(member),
                PointsAccount::Issuer(_) | PointsAccount::Recoverable(_) => Sum::Points(posting.account),
            };
            add(sum, i128::from(posting.points.0));
        }
        for posting in &entry.money {
            add(Sum::Money(posting.account), i128::from(posting.amount.0));
            if let MoneyAccount::Settle(_, partner) = posting.account {
                let before = self.money_balances.get(&posting.account).copied().unwrap_or_default();
                let after = i128::from(before.0) + i128::from(posting.amount.0);
                add(Sum::Unsettled(partner), after.min(0) - i128::from(before.0.min(0)));
            }
        }
        for moved in &entry.lots {
            let net = i128::from(moved.points.0) + i128::from(moved.held.0) + i128::from(moved.pending.0);
            add(Sum::Outstanding(moved.issuer, moved.terms), net);
            if moved.birth.is_some() && entry.kind == EntryKind::Issue {
                add(Sum::Issued(moved.issuer), net);
            }
            let issues = matches!(entry.kind, EntryKind::Issue | EntryKind::Reinstate);
            if moved.birth.is_some() && issues && moved.issuer != entry.partner {
                add(Sum::Consent(moved.issuer, entry.partner), net);
            }
            if let Some(window) = self.waits_for(entry, moved) {
                add(Sum::Waiting(window, moved.issuer, moved.terms), i128::from(moved.pending.0));
            }
        }
        for ((window, issuer, acceptor), gross) in gross_of(entry)? {
            add(Sum::GrossPoints(window, issuer, acceptor), i128::from(gross.points.0));
            add(Sum::GrossMoney(window, issuer, acceptor), i128::from(gross.amount.0));
        }
        if let Some(Spending { foreign, .. }) = Spending::counted(entry, || self.day_of(entry.time)) {
            add(Sum::Accepted(entry.partner), i128::from(foreign.0));
        }
        if let Some(facts) = entry.hold() {
            facts.reserved.iter().for_each(|(issuer, amount)| add(Sum::Reserved(*issuer), i128::from(amount.0)));
        }
        Ok(sums)
    }

    /// What a sum is in this book, what was issued and redeemed counted on a day: zero, if it is one that the database adds to and that
    /// was not loaded.
    pub fn sum(&self, sum: Sum, day: i32) -> i128 {
        let guard = |partner: &PartnerId| self.guards.get(partner).copied().unwrap_or_default();
        let gross = |key| self.gross.get(&key).copied().unwrap_or_default();
        let kept = match sum {
            Sum::Member(member) => return self.members.get(&member).map_or(0, Member::total),
            Sum::Debt(member) => -self.members.get(&member).map_or(0, |member| member.owed().0),
            Sum::Points(account) => self.points_balances.get(&account).map_or(0, |points| points.0),
            Sum::Money(account) => self.money_balances.get(&account).map_or(0, |amount| amount.0),
            Sum::Outstanding(partner, terms) => self.outstanding.get(&(partner, terms)).map_or(0, |points| points.0),
            Sum::GrossPoints(window, issuer, acceptor) => gross((window, issuer, acceptor)).points.0,
            Sum::GrossMoney(window, issuer, acceptor) => gross((window, issuer, acceptor)).amount.0,
            Sum::Reserved(partner) => guard(&partner).reserved.0,
            Sum::Unsettled(partner) => guard(&partner).unsettled.0,
            Sum::Issued(partner) => guard(&partner).counted.on(day).issued.0,
            Sum::Accepted(partner) => guard(&partner).counted.on(day).accepted.0,
            Sum::Consent(funder, partner) => self.consents.get(&(funder, partner)).map_or(0, |consent| consent.used.0),
            Sum::Waiting(window, issuer, terms) => {
                self.funding.get(&(window, issuer, terms)).map_or(0, |group| group.points.0)
            }
        };
        i128::from(kept)
    }
}

/// Whether an entry settles what others have moved: it may bring sums to [`SETTLED_MAX`].
pub fn settles(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Close
            | EntryKind::Payment
            | EntryKind::Fund
            | EntryKind::TakeMoney
            | EntryKind::Offset
            | EntryKind::ReturnPayment
            | EntryKind::CoverDefault
            | EntryKind::ShareLoss
    )
}

fn is_money(sum: Sum) -> bool {
    matches!(sum, Sum::Money(_) | Sum::Reserved(_))
}

/// Whether an entry is what a partner asks for anew. What follows from it, undoes it or falls due is no larger than what it
/// was before, and must not be refused for its size.
fn is_operation(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Issue | EntryKind::Redeem | EntryKind::Authorize | EntryKind::Reinstate)
}
