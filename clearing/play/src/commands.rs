//! What tills ask for most, as operations: tests that send the same thing many times, at several nodes, or until there is an
//! answer, say it once. Cards are identifiers of the scheme "card".

use std::fmt::Display;
use std::time::SystemTime;

use clearing_core::command::Command;
use clearing_core::facts::member::MemberRef;
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::purchase::{PostPurchase, Spend};
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{EntryId, Points, Timestamp};

use crate::names::identifier;

pub fn issue(to: impl Display, points: i64) -> Command {
    IssuePoints { member: card(to), earn: Earn::points(Points(points)) }.into()
}

pub fn redeem(from: impl Display, points: i64) -> Command {
    RedeemPoints { member: card(from), points: Points(points) }.into()
}

pub fn return_redemption(redemption: EntryId, points: i64) -> Command {
    ReturnRedemption { redemption, points: Points(points) }.into()
}

pub fn authorize(from: impl Display, points: i64, lapses: SystemTime) -> Command {
    let since = lapses.duration_since(SystemTime::UNIX_EPOCH).expect("behind 1970");
    let lapses = Timestamp(i64::try_from(since.as_micros()).expect("before the year 290000"));
    AuthorizeRedemption { member: card(from), points: Points(points), lapses }.into()
}

pub fn capture(hold: EntryId, points: i64) -> Command {
    CaptureHold { hold, points: Points(points) }.into()
}

pub fn void(hold: EntryId) -> Command {
    VoidHold { hold }.into()
}

pub fn reverse(issue: EntryId, points: i64) -> Command {
    ReverseIssue { target: ReversalTarget::Entry(issue), points: Points(points), refuse_shortfall: false }.into()
}

/// Spends, where `spend` is not 0, then earns.
pub fn purchase(by: impl Display, spend: i64, earn: i64) -> Command {
    let spend = (spend != 0).then_some(Spend::Redeem(Points(spend)));
    PostPurchase { member: card(by), spend, earn: Some(Earn::points(Points(earn))) }.into()
}

/// The receiver is enrolled if nobody has it.
pub fn transfer(from: impl Display, to: impl Display, points: i64) -> Command {
    TransferPoints { member: card(from), to: card(to), points: Points(points), enrol_receiver: true }.into()
}

fn card(card: impl Display) -> MemberRef {
    identifier("card", &card.to_string())
}
