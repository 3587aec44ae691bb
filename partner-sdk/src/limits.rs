//! What partners may do at the most.

use rust_decimal::Decimal;

/// What a partner may do at the most; what is not set has no limit.
///
/// ```
/// use partner_sdk::Decimal;
/// use partner_sdk::operator::PartnerLimits;
///
/// let limits = PartnerLimits::none().net_debit_cap(Decimal::new(50_000, 0)).points_per_entry(10_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PartnerLimits {
    /// How far its debts may grow, in the coalition's currency.
    pub net_debit_cap: Option<Decimal>,
    /// Points of its issues that are neither redeemed nor expired nor reversed.
    pub outstanding_points: Option<i64>,
    /// Points that it issues on one day.
    pub points_per_day: Option<i64>,
    /// Points that it issues to one member on one day.
    pub points_per_member_per_day: Option<i64>,
    /// Points of one issue.
    pub points_per_entry: Option<i64>,
    /// Points of one transfer that it asks for.
    pub transfer_points_per_entry: Option<i64>,
    /// Points that one member transfers on one day when it asks.
    pub transfer_points_per_member_per_day: Option<i64>,
    /// Points that one member redeems at it on one day, those of holds among them.
    pub redeem_points_per_member_per_day: Option<i64>,
    /// Points of other issuers that are redeemed at it on one day, those of holds among them.
    pub redeem_foreign_points_per_day: Option<i64>,
    /// For how long after earning a member cannot spend at it, in seconds.
    pub cooling_seconds: Option<i64>,
}

impl PartnerLimits {
    /// No limits.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Limits how far its debts may grow.
    #[must_use]
    pub fn net_debit_cap(self, amount: Decimal) -> Self {
        Self { net_debit_cap: Some(amount), ..self }
    }

    /// Limits the points of its issues that are neither redeemed nor expired nor reversed.
    #[must_use]
    pub fn outstanding_points(self, points: i64) -> Self {
        Self { outstanding_points: Some(points), ..self }
    }

    /// Limits the points that it issues on one day.
    #[must_use]
    pub fn points_per_day(self, points: i64) -> Self {
        Self { points_per_day: Some(points), ..self }
    }

    /// Limits the points that it issues to one member on one day.
    #[must_use]
    pub fn points_per_member_per_day(self, points: i64) -> Self {
        Self { points_per_member_per_day: Some(points), ..self }
    }

    /// Limits the points of one issue.
    #[must_use]
    pub fn points_per_entry(self, points: i64) -> Self {
        Self { points_per_entry: Some(points), ..self }
    }

    /// Limits the points of one transfer that it asks for.
    #[must_use]
    pub fn transfer_points_per_entry(self, points: i64) -> Self {
        Self { transfer_points_per_entry: Some(points), ..self }
    }

    /// Limits the points that one member transfers on one day when it asks.
    #[must_use]
    pub fn transfer_points_per_member_per_day(self, points: i64) -> Self {
        Self { transfer_points_per_member_per_day: Some(points), ..self }
    }

    /// Limits the points that one member redeems at it on one day.
    #[must_use]
    pub fn redeem_points_per_member_per_day(self, points: i64) -> Self {
        Self { redeem_points_per_member_per_day: Some(points), ..self }
    }

    /// Limits the points of other issuers that are redeemed at it on one day.
    #[must_use]
    pub fn redeem_foreign_points_per_day(self, points: i64) -> Self {
        Self { redeem_foreign_points_per_day: Some(points), ..self }
    }

    /// Sets for how long after earning a member cannot spend at it, in seconds.
    #[must_use]
    pub fn cooling_seconds(self, seconds: i64) -> Self {
        Self { cooling_seconds: Some(seconds), ..self }
    }
}
