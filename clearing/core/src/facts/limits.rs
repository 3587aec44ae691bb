//! What partners may do at the most, and what that is checked against.
//!
//! Limits stand apart from terms: they move at once and have no versions. What they are checked against is kept in a
//! [`Guard`] per partner, moved by every entry, so that a check reads one row and sums nothing.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::units::{Money, Points};

/// What a partner may do at the most. None: no limit.
///
/// It has one form as text, which coalition files, scenarios and the stored settings share: serde's. A file names the cap as it
/// names prices (`M`), and the coalition's scale makes money of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits<M = Money> {
    /// How far the partner's debts may grow, in money (rule `net-debit-cap`).
    pub net_debit_cap: Option<M>,
    /// Points of its issues that are not redeemed, expired or reversed.
    pub outstanding_points: Option<Points>,
    /// Points it issues on a day.
    pub points_per_day: Option<Points>,
    /// Points it issues to one member on a day.
    pub points_per_member_per_day: Option<Points>,
    /// Points of one issue.
    pub points_per_entry: Option<Points>,
    /// Points of one transfer that it asks for.
    pub transfer_points_per_entry: Option<Points>,
    /// Points that one member transfers on a day when it asks.
    pub transfer_points_per_member_per_day: Option<Points>,
    /// Points that one member redeems at its tills on a day, those of its holds among them.
    pub redeem_points_per_member_per_day: Option<Points>,
    /// Points of other issuers that it redeems on a day, those of its holds among them.
    pub redeem_foreign_points_per_day: Option<Points>,
    /// How long after earning a member can not spend at its tills, in seconds.
    pub cooling_seconds: Option<u32>,
}

impl<M> Limits<M> {
    /// These limits with another cap, or with it in another form.
    #[must_use]
    pub fn with_cap<N>(self, net_debit_cap: Option<N>) -> Limits<N> {
        Limits {
            net_debit_cap,
            outstanding_points: self.outstanding_points,
            points_per_day: self.points_per_day,
            points_per_member_per_day: self.points_per_member_per_day,
            points_per_entry: self.points_per_entry,
            transfer_points_per_entry: self.transfer_points_per_entry,
            transfer_points_per_member_per_day: self.transfer_points_per_member_per_day,
            redeem_points_per_member_per_day: self.redeem_points_per_member_per_day,
            redeem_foreign_points_per_day: self.redeem_foreign_points_per_day,
            cooling_seconds: self.cooling_seconds,
        }
    }
}

impl Limits {
    /// These limits, and where they leave one out that of others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            net_debit_cap: self.net_debit_cap.or(others.net_debit_cap),
            outstanding_points: self.outstanding_points.or(others.outstanding_points),
            points_per_day: self.points_per_day.or(others.points_per_day),
            points_per_member_per_day: self.points_per_member_per_day.or(others.points_per_member_per_day),
            points_per_entry: self.points_per_entry.or(others.points_per_entry),
            transfer_points_per_entry: self.transfer_points_per_entry.or(others.transfer_points_per_entry),
            transfer_points_per_member_per_day: self
                .transfer_points_per_member_per_day
                .or(others.transfer_points_per_member_per_day),
            redeem_points_per_member_per_day: self
                .redeem_points_per_member_per_day
                .or(others.redeem_points_per_member_per_day),
            redeem_foreign_points_per_day: self.redeem_foreign_points_per_day.or(others.redeem_foreign_points_per_day),
            cooling_seconds: self.cooling_seconds.or(others.cooling_seconds),
        }
    }

    /// Whether something must be read before the partner's points move.
    pub fn guards_points(&self) -> bool {
        let points = [self.outstanding_points, self.points_per_day, self.redeem_foreign_points_per_day];
        self.net_debit_cap.is_some() || points.iter().any(Option::is_some)
    }
}

/// How much is used of those of a partner's limits that are counted for the whole of it; none of those that it does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LimitsUsed {
    pub net_debit_cap: Option<Money>,
    pub outstanding_points: Option<Points>,
    pub points_per_day: Option<Points>,
    pub redeem_foreign_points_per_day: Option<Points>,
}

/// What a partner's limits are checked against, besides its position and its outstanding points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// What open holds reserve of its headroom.
    pub reserved: Money,
    /// The sum of what it owes to settlements that are not paid: at most zero.
    pub unsettled: Money,
    /// What it has paid ahead, less what is claimed of it.
    pub ahead: Money,
    /// What was counted on the last day on which something was.
    pub counted: DayCounts,
}

/// What a partner did on a day of the coalition's calendar, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayCounts {
    pub day: i32,
    /// Points it issued.
    pub issued: Points,
    /// Points of other issuers that it redeemed, or holds.
    pub accepted: Points,
}

impl DayCounts {
    /// What was counted on a day.
    #[must_use]
    pub fn on(&self, day: i32) -> Self {
        if self.day == day { *self } else { Self { day, ..Self::default() } }
    }

    /// Counts points on a day. No limit counts beyond what fits.
    pub fn add(&mut self, day: i32, issued: Points, accepted: Points) {
        let before = self.on(day);
        let sum = |before: Points, more: Points| Points(before.0.saturating_add(more.0));
        *self = Self { day, issued: sum(before.issued, issued), accepted: sum(before.accepted, accepted) };
    }
}

/// What a funder lets another partner issue at its cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Consent {
    /// In points, over its whole life; none: without limit.
    pub budget: Option<Points>,
    /// Whether it was given or refused; none: nothing was said, and the coalition's default holds.
    pub granted: Option<bool>,
    pub used: Points,
}
