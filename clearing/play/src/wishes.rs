//! Wishes of a scenario as commands of the rules, and what the rules answer as a scenario sees it: what the stages that
//! speak to the rules directly have in common.

use clearing_core::command::Command;
use clearing_core::facts::answer::{Answer, Reply};
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::lot::LotMove;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::window::{Settlement, Window};
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::decay::RunDecay;
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::rules::issue::IssuePoints;
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{EntryId, IdentifierHash, Points};
use sha2::{Digest, Sha256};

use crate::player::{LotMoved, Played, Posted, WindowView, Wish};

/// The command that a wish is.
pub fn command_of(wish: Wish) -> Command {
    match wish {
        Wish::Issue { member, earn } => Command::IssuePoints(IssuePoints { member: named(&member), earn }),
        Wish::Redeem { member, points } => Command::RedeemPoints(RedeemPoints { member: named(&member), points }),
        Wish::Authorize { member, points, lapses } => {
            Command::AuthorizeRedemption(AuthorizeRedemption { member: named(&member), points, lapses })
        }
        Wish::Capture { hold, points } => Command::CaptureHold(CaptureHold { hold, points }),
        Wish::Void { hold } => Command::VoidHold(VoidHold { hold }),
        Wish::Reverse { issue, points, refuse_shortfall } => {
            Command::ReverseIssue(ReverseIssue { target: ReversalTarget::Entry(issue), points, refuse_shortfall })
        }
        // The members of a scenario are those that it names.
        Wish::Transfer { member, to, points } => Command::TransferPoints(TransferPoints {
            member: named(&member),
            to: named(&to),
            points,
            enrol_receiver: true,
        }),
        Wish::Decay { member, rate, period } => {
            Command::RunDecay(RunDecay { member: named(&member), rate, period, inactive_since: None })
        }
        Wish::Return { redemption, points } => Command::ReturnRedemption(ReturnRedemption { redemption, points }),
        Wish::Abandon { request } => Command::AbandonRequest(AbandonRequest { request }),
        Wish::House(command) => command,
    }
}

/// An answer as a scenario sees it, with the entries that it wrote and a way to those that it names.
pub fn played<'a>(answer: &Answer, written: Vec<Posted>, entry: impl Fn(&EntryId) -> Option<&'a Entry>) -> Played {
    let mut played = Played { written, replayed: answer.replayed, ..Played::default() };
    match &answer.result {
        Err(rejection) => played.rejected = Some(rejection.reason().to_owned()),
        Ok(accepted) => {
            played.entries.clone_from(&accepted.entries);
            match &accepted.reply {
                Reply::Member(member) => {
                    played.member = Some(member.member);
                    played.reversed = member.reversed;
                    let first = played.entries.first().and_then(entry);
                    let transfer = first.filter(|entry| entry.kind == EntryKind::Transfer);
                    let made = transfer.and_then(|entry| entry.lots.iter().find(|moved| moved.birth.is_some()));
                    played.to_member = made.map(|moved| moved.lot.member);
                }
                Reply::Abandoned(abandoned) => played.abandoned = Some(*abandoned),
                Reply::House(_) => {}
            }
        }
    }
    played
}

/// An entry as a scenario sees it.
pub fn posted(id: EntryId, entry: &Entry) -> Posted {
    Posted {
        id,
        kind: entry.kind,
        points: entry.points.clone(),
        money: entry.money.clone(),
        lots: entry.lots.iter().map(lot_moved).collect(),
    }
}

fn lot_moved(moved: &LotMove) -> LotMoved {
    let net = moved.net().expect("the book checks that the points of an entry fit");
    // What a hold reserves or releases changes the state of points and not their number.
    let points = if net.is_zero() { moved.held } else { net };
    LotMoved { lot: moved.lot, issuer: moved.issuer, points: Points(points.0.abs()), made: moved.birth.is_some() }
}

/// A window as a scenario sees it.
pub fn view_of(window: &Window) -> WindowView {
    let settlement = window.settlement.as_ref();
    let legs = settlement.iter().flat_map(|settlement| &settlement.legs);
    WindowView {
        state: window.state,
        legs: legs.map(|(partner, leg)| (*partner, leg.amount)).collect(),
        carried: window.participants.iter().map(|(partner, part)| (*partner, part.carried)).collect(),
        saved: settlement.and_then(Settlement::saved),
        orders: settlement.map_or_else(Vec::new, |settlement| settlement.orders.clone()),
    }
}

fn named(member: &str) -> MemberRef {
    MemberRef::Identifier(IdentifierHash(Sha256::digest(member.as_bytes()).into()))
}
