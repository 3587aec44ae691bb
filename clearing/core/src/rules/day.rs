//! What tills count of a day, to be compared with what is booked.

use crate::facts::entry::{Entry, EntryKind};
use crate::units::Points;

/// The kinds of which a day's totals are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    Issue,
    Redemption,
    Return,
    Reversal,
}

impl DayKind {
    pub const ALL: [Self; 4] = [Self::Issue, Self::Redemption, Self::Return, Self::Reversal];

    /// As what an entry counts, and how many points, never below zero; none if no till counts it.
    ///
    /// Rule: day-totals
    #[allow(clippy::wildcard_enum_match_arm, reason = "a till counts these four, whatever other kinds there will be")]
    pub fn of(entry: &Entry) -> Option<(Self, Points)> {
        let issued = || {
            let made = entry.lots.iter().filter(|moved| moved.birth.is_some());
            made.map(|moved| moved.net().unwrap_or_default().0).sum()
        };
        let redeemed = entry.redemption().map(|facts| facts.points.0);
        let reversed = entry.facts.reversal().map(|parts| parts.iter().map(|part| part.points.0).sum());
        let counted = match entry.kind {
            EntryKind::Issue => Some((Self::Issue, issued())),
            EntryKind::Redeem | EntryKind::Capture => redeemed.map(|points| (Self::Redemption, points)),
            EntryKind::Return => redeemed.map(|points| (Self::Return, -points)),
            EntryKind::Reverse => reversed.map(|points| (Self::Reversal, points)),
            _ => None,
        };
        counted.map(|(kind, points)| (kind, Points(points)))
    }
}
