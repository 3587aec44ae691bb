//! What the rules answer, as a scenario sees it: what the stages that speak to the rules directly have in common.

use clearing_core::facts::answer::{Answer, Reply};
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::lot::LotMove;
use clearing_core::facts::window::{Settlement, Window};
use clearing_core::rejection::Rejection;
use clearing_core::units::{EntryId, Points};

use crate::player::{LotMoved, Played, Posted, WindowView};

/// An answer as a scenario sees it, with the entries that it wrote and a way to those that it names.
pub fn played<'a>(answer: &Answer, written: Vec<Posted>, entry: impl Fn(&EntryId) -> Option<&'a Entry>) -> Played {
    let kept = answer.result.as_ref().err().is_none_or(Rejection::recorded);
    let told = format!("{:?}", answer.result);
    let mut played = Played { told, kept, written, replayed: answer.replayed, ..Played::default() };
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
