//! What tills do, as data: tests that send the same thing many times, at several nodes, or until there is an answer, say
//! it once.

use std::time::SystemTime;

use partner_sdk::{
    Authorize, Capture, Client, Earn, Error, Issue, Origin, Outcome, Purchase, Redeem, RequestId, ReturnRedemption,
    Reverse, Transfer, Void,
};

/// What a till asks for. Cards are identifiers of the scheme "card".
#[derive(Debug, Clone)]
pub enum Deed {
    Issue {
        card: String,
        points: i64,
    },
    Redeem {
        card: String,
        points: i64,
    },
    Return {
        redemption: String,
        points: i64,
    },
    Authorize {
        card: String,
        points: i64,
        lapses: SystemTime,
    },
    Capture {
        hold: String,
        points: i64,
    },
    Void {
        hold: String,
    },
    Reverse {
        issue: String,
        points: i64,
    },
    /// Spends, where `spend` is not 0, then earns.
    Purchase {
        card: String,
        spend: i64,
        earn: i64,
    },
    Transfer {
        card: String,
        to: String,
        points: i64,
    },
}

impl Deed {
    /// The card that it names, if it names one.
    pub fn card(&self) -> Option<&str> {
        match self {
            Self::Issue { card, .. }
            | Self::Redeem { card, .. }
            | Self::Authorize { card, .. }
            | Self::Purchase { card, .. }
            | Self::Transfer { card, .. } => Some(card),
            Self::Return { .. } | Self::Capture { .. } | Self::Void { .. } | Self::Reverse { .. } => None,
        }
    }

    /// The entry of an earlier deed that it is about, if it is.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::Return { redemption: entry, .. }
            | Self::Capture { hold: entry, .. }
            | Self::Void { hold: entry }
            | Self::Reverse { issue: entry, .. } => Some(entry),
            Self::Issue { .. }
            | Self::Redeem { .. }
            | Self::Authorize { .. }
            | Self::Purchase { .. }
            | Self::Transfer { .. } => None,
        }
    }
}

/// What an accepted deed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What was written for it; not what followed by itself.
    pub entries: Vec<String>,
    pub available: i64,
    pub replayed: bool,
}

/// Asks once, as far as the client does.
pub async fn ask(client: &Client, id: RequestId, deed: &Deed, origin: Origin) -> Result<Outcome<Done>, Error> {
    macro_rules! done {
        ($asked:expr, |$answer:ident| $entries:expr) => {
            match $asked.await? {
                Outcome::Accepted($answer) => Ok(Outcome::Accepted(Done {
                    available: $answer.member.available_points,
                    replayed: $answer.written.replayed,
                    entries: $entries,
                })),
                Outcome::Rejected(rejection) => Ok(Outcome::Rejected(rejection)),
                Outcome::Unknown(unknown) => Ok(Outcome::Unknown(unknown)),
            }
        };
    }
    match deed.clone() {
        Deed::Issue { card, points } => {
            let issue = Issue::to("card", card).points(points).origin(origin).request_id(id);
            done!(client.issue(issue), |issued| vec![issued.written.entry_id().to_owned()])
        }
        Deed::Redeem { card, points } => {
            let redeem = Redeem::from("card", card).points(points).origin(origin).request_id(id);
            done!(client.redeem(redeem), |redeemed| vec![redeemed.written.entry_id().to_owned()])
        }
        Deed::Return { redemption, points } => {
            let back = ReturnRedemption::of(redemption).points(points).origin(origin).request_id(id);
            done!(client.return_redemption(back), |returned| vec![returned.written.entry_id().to_owned()])
        }
        Deed::Authorize { card, points, lapses } => {
            let hold = Authorize::from("card", card).points(points).lapses(lapses).origin(origin).request_id(id);
            done!(client.authorize(hold), |held| vec![held.hold_id])
        }
        Deed::Capture { hold, points } => {
            let capture = Capture::hold(hold).points(points).origin(origin).request_id(id);
            done!(client.capture(capture), |captured| vec![captured.written.entry_id().to_owned()])
        }
        Deed::Void { hold } => {
            let void = Void::hold(hold).origin(origin).request_id(id);
            done!(client.void(void), |voided| vec![voided.written.entry_id().to_owned()])
        }
        Deed::Reverse { issue, points } => {
            let reverse = Reverse::entry(issue).points(points).origin(origin).request_id(id);
            done!(client.reverse(reverse), |reversed| {
                reversed.written.entries.into_iter().map(|entry| entry.entry_id).collect()
            })
        }
        Deed::Purchase { card, spend, earn } => {
            let purchase = Purchase::by("card", card).earn(Earn::points(earn)).origin(origin).request_id(id);
            let purchase = if spend == 0 { purchase } else { purchase.redeem(spend) };
            done!(client.purchase(purchase), |purchased| {
                purchased.redemption_entry_id.into_iter().chain(purchased.issue_entry_id).collect()
            })
        }
        Deed::Transfer { card, to, points } => {
            let transfer =
                Transfer::between(("card", card), ("card", to)).points(points).enrol_receiver().origin(origin);
            done!(client.transfer(transfer.request_id(id)), |transferred| vec![
                transferred.written.entry_id().to_owned()
            ])
        }
    }
}
