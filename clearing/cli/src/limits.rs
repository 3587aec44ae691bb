//! Limits of a partner on the command line, in JSON and in words.

use clap::{Args, ValueEnum};
use partner_sdk::Decimal;
use partner_sdk::operator::{LimitUse, Partner, PartnerLimits};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::values;

/// Changes of limits as flags. What is left out stays as it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitChanges {
    #[command(flatten)]
    set: LimitFlags,
    /// Takes this limit away; may be repeated.
    #[arg(long, value_name = "LIMIT")]
    clear: Vec<Limit>,
}

/// Limits as flags.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// How far its debts may grow, in the coalition's currency. It guards prepaid issues, and redemptions and holds of
    /// points that it pays for when they are accepted.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    net_debit_cap: Option<Decimal>,
    /// Points of its issues that are neither spent nor expired nor reversed.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    outstanding_points: Option<i64>,
    /// Points that it issues on one day.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    points_per_day: Option<i64>,
    /// Points that it issues to one member on one day.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    points_per_member_per_day: Option<i64>,
    /// Points of one issue.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    points_per_entry: Option<i64>,
    /// Points of one transfer that it asks for.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    transfer_points_per_entry: Option<i64>,
    /// Points that one member transfers on one day when it asks.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    transfer_points_per_member_per_day: Option<i64>,
    /// Points that one member redeems at its tills on one day, those of holds among them.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    redeem_points_per_member_per_day: Option<i64>,
    /// Points of other issuers that are redeemed at its tills on one day, those of holds among them.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    redeem_foreign_points_per_day: Option<i64>,
    /// For how long after earning, anywhere, a member cannot spend at its tills.
    #[arg(long, value_name = "SECONDS", value_parser = values::count)]
    cooling_seconds: Option<i64>,
}

/// The limits by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Limit {
    NetDebitCap,
    OutstandingPoints,
    PointsPerDay,
    PointsPerMemberPerDay,
    PointsPerEntry,
    TransferPointsPerEntry,
    TransferPointsPerMemberPerDay,
    RedeemPointsPerMemberPerDay,
    RedeemForeignPointsPerDay,
    CoolingSeconds,
}

impl LimitChanges {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.clear.is_empty() && self.over(PartnerLimits::none()) == PartnerLimits::none()
    }

    /// Makes sure that no limit is both set and taken away.
    ///
    /// # Errors
    /// Usage, with the name of such a limit.
    pub fn check(&self) -> Result<(), Failure> {
        let set = self.set.over(PartnerLimits::none());
        let without = |limit: &Limit| Self { set: LimitFlags::default(), clear: vec![*limit] }.over(set);
        let both = self.clear.iter().find(|limit| without(limit) != set);
        both.map_or(Ok(()), |limit| {
            let name = limit.to_possible_value().expect("no limit is hidden").get_name().to_owned();
            Err(Failure::usage(format!("--{name} and --clear {name} contradict each other"))
                .hint("leave one of them out"))
        })
    }

    /// The limits that they make of those `before`.
    pub fn over(&self, before: PartnerLimits) -> PartnerLimits {
        let mut limits = before;
        for limit in &self.clear {
            match limit {
                Limit::NetDebitCap => limits.net_debit_cap = None,
                Limit::OutstandingPoints => limits.outstanding_points = None,
                Limit::PointsPerDay => limits.points_per_day = None,
                Limit::PointsPerMemberPerDay => limits.points_per_member_per_day = None,
                Limit::PointsPerEntry => limits.points_per_entry = None,
                Limit::TransferPointsPerEntry => limits.transfer_points_per_entry = None,
                Limit::TransferPointsPerMemberPerDay => limits.transfer_points_per_member_per_day = None,
                Limit::RedeemPointsPerMemberPerDay => limits.redeem_points_per_member_per_day = None,
                Limit::RedeemForeignPointsPerDay => limits.redeem_foreign_points_per_day = None,
                Limit::CoolingSeconds => limits.cooling_seconds = None,
            }
        }
        self.set.over(limits)
    }
}

impl LimitFlags {
    /// The limits that they make of those `before`.
    pub fn over(&self, before: PartnerLimits) -> PartnerLimits {
        let mut limits = before;
        limits.net_debit_cap = self.net_debit_cap.or(limits.net_debit_cap);
        limits.outstanding_points = self.outstanding_points.or(limits.outstanding_points);
        limits.points_per_day = self.points_per_day.or(limits.points_per_day);
        limits.points_per_member_per_day = self.points_per_member_per_day.or(limits.points_per_member_per_day);
        limits.points_per_entry = self.points_per_entry.or(limits.points_per_entry);
        limits.transfer_points_per_entry = self.transfer_points_per_entry.or(limits.transfer_points_per_entry);
        limits.transfer_points_per_member_per_day =
            self.transfer_points_per_member_per_day.or(limits.transfer_points_per_member_per_day);
        limits.redeem_points_per_member_per_day =
            self.redeem_points_per_member_per_day.or(limits.redeem_points_per_member_per_day);
        limits.redeem_foreign_points_per_day =
            self.redeem_foreign_points_per_day.or(limits.redeem_foreign_points_per_day);
        limits.cooling_seconds = self.cooling_seconds.or(limits.cooling_seconds);
        limits
    }
}

/// Limits for programs.
pub fn to_json(limits: &PartnerLimits) -> Value {
    json!({
        "net_debit_cap": limits.net_debit_cap.map(|cap| cap.to_string()),
        "outstanding_points": limits.outstanding_points,
        "points_per_day": limits.points_per_day,
        "points_per_member_per_day": limits.points_per_member_per_day,
        "points_per_entry": limits.points_per_entry,
        "transfer_points_per_entry": limits.transfer_points_per_entry,
        "transfer_points_per_member_per_day": limits.transfer_points_per_member_per_day,
        "redeem_points_per_member_per_day": limits.redeem_points_per_member_per_day,
        "redeem_foreign_points_per_day": limits.redeem_foreign_points_per_day,
        "cooling_seconds": limits.cooling_seconds,
    })
}

/// How much of limits is used, for programs.
pub fn uses_to_json(uses: &[LimitUse]) -> Value {
    let one = |of: &LimitUse| {
        json!({
            "limit": of.limit,
            "used": of.used.to_string(),
            "maximum": of.maximum.to_string(),
            "alarm": of.alarm,
        })
    };
    uses.iter().map(one).collect()
}

/// Limits as rows of a table, with what is used of those that are counted for the whole partner.
pub fn rows(limits: &PartnerLimits, uses: &[LimitUse]) -> Vec<Vec<String>> {
    let text = |number: Option<i64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let cap = limits.net_debit_cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string());
    [
        ("net_debit_cap", "net debit cap", cap),
        ("outstanding_points", "outstanding points", text(limits.outstanding_points)),
        ("points_per_day", "points per day", text(limits.points_per_day)),
        ("", "points per member and day", text(limits.points_per_member_per_day)),
        ("", "points per issue", text(limits.points_per_entry)),
        ("", "points per transfer", text(limits.transfer_points_per_entry)),
        ("", "points per member and day, transferred", text(limits.transfer_points_per_member_per_day)),
        ("", "points per member and day, redeemed", text(limits.redeem_points_per_member_per_day)),
        (
            "redeem_foreign_points_per_day",
            "points of others per day, redeemed",
            text(limits.redeem_foreign_points_per_day),
        ),
        ("", "seconds between earning and spending", text(limits.cooling_seconds)),
    ]
    .map(|(name, words, limit)| {
        let used = uses.iter().find(|used| used.limit == name);
        vec![words.to_owned(), limit, used.map_or_else(String::new, used_words)]
    })
    .to_vec()
}

/// `8500 (85 %) !`
fn used_words(used: &LimitUse) -> String {
    format!("{} {}", used.used, share_words(used))
}

/// `85 %`, with a mark from 80 % on.
fn share_words(used: &LimitUse) -> String {
    let share = (used.used * Decimal::ONE_HUNDRED).checked_div(used.maximum);
    let share = share.map_or_else(|| "-".to_owned(), |share| format!("{} %", share.max(Decimal::ZERO).trunc()));
    if used.alarm { format!("({share}) !") } else { format!("({share})") }
}

/// How much a partner has used of its limits, in one cell: the one that is used most.
pub fn cell(partner: &Partner) -> String {
    let share = |used: &&LimitUse| (used.used * Decimal::ONE_HUNDRED).checked_div(used.maximum).unwrap_or(Decimal::MAX);
    let most = partner.limit_uses.iter().max_by_key(share);
    most.map_or_else(String::new, |used| format!("{} {}", used.limit.replace('_', " "), share_words(used)))
}
