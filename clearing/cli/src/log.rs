//! `clearing log`: who did what, when, from what to what.

use std::time::SystemTime;

use clap::Args;
use clearing_core::units::Timestamp;
use partner_sdk::EntryKind;
use partner_sdk::operator::{AdminAction, AdminActions, FieldChange};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Page};
use crate::session::{Session, moment};
use crate::times::{self, When, Zone};
use crate::values;

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only decisions of this kind, for example set-terms, deposit, close, payment, write-off.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<EntryKind>,
    /// Only decisions that concern this partner: its settings, or its accounts.
    #[arg(long, value_name = "PARTNER")]
    partner: Option<String>,
    /// Only decisions about this window; of those about none, the ones made while it was open.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// Only decisions at this moment or later; a day: from its beginning.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    since: Option<When>,
    /// Only decisions before this moment; a day: those of that day too.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    until: Option<When>,
    /// How many decisions at most, the newest first.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = values::whole::<usize>)]
    limit: usize,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    let Arguments { kind, partner, window, since, until, limit } = arguments;
    let mut filter = AdminActions::all();
    if let Some(kind) = kind {
        filter = filter.kind(kind);
    }
    if let Some(partner) = partner {
        filter = filter.partner(partner);
    }
    if let Some(window) = window {
        filter = filter.window(window);
    }
    if let Some(since) = since {
        filter = filter.since(since.begin(&session.zone)?);
    }
    if let Some(until) = until {
        filter = filter.until(until.end(&session.zone)?);
    }
    // One more tells whether there are older ones.
    let mut actions = session.operator().admin_actions(filter).first(limit.saturating_add(1)).await?;
    let more = actions.len() > limit;
    actions.truncate(limit);
    let json = json!({ "actions": actions.iter().map(to_json).collect::<Vec<_>>(), "more": more });
    let mut page = Page::new()
        .table(
            &["time", "who", "what", "of whom", "before -> after"],
            actions.iter().map(|action| row(action, &session.zone)),
        )
        .text(session.zone.note());
    if more {
        page = page.text(format!("There are older ones: --limit {}, or --until TIME.", limit.saturating_mul(2).max(1)));
    }
    Ok(Answer::new(json, page))
}

/// A kind of entry, as it is named in the journal.
pub fn kind(text: &str) -> Result<EntryKind, String> {
    let named: Vec<_> = EntryKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    values::one_of(text, &named)
}

fn row(action: &AdminAction, zone: &Zone) -> Vec<String> {
    let mut of_whom = action.partner_ids.clone();
    of_whom.extend(action.person_id.iter().map(|person| format!("operator/{person}")));
    of_whom.extend(action.member_id.iter().map(|member| format!("member {member}")));
    let mut changes: Vec<String> = action.changes.iter().map(|change| change_text(change, zone)).collect();
    changes.extend(action.reason_code.iter().map(|reason| format!("reason {reason}")));
    vec![
        zone.text(action.action_time),
        action
            .approver
            .as_ref()
            .map_or_else(|| action.actor.clone(), |approver| format!("{}, approved by {approver}", action.actor)),
        format!("{} (window {})", action.kind, action.window),
        of_whom.join(", "),
        changes.join("\n"),
    ]
}

/// A change in one line.
pub fn change_text(change: &FieldChange, zone: &Zone) -> String {
    let FieldChange { field, before, after, .. } = change;
    let after = after.as_deref().map_or_else(|| "none".to_owned(), |after| with_local_times(after, zone));
    match before {
        None => format!("{field} {after}"),
        Some(before) => format!("{field} {} -> {after}", with_local_times(before, zone)),
    }
}

/// A text of the house, in which moments stand as words of their own: `FIXED 2027-01-01T00:00:00Z`.
fn with_local_times(text: &str, zone: &Zone) -> String {
    let word = |word: &str| match word.parse::<Timestamp>() {
        Ok(moment) => zone.text(SystemTime::from(moment.to_jiff())),
        Err(_) => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn to_json(action: &AdminAction) -> Value {
    let change =
        |change: &FieldChange| json!({ "field": change.field, "before": change.before, "after": change.after });
    json!({
        "entry_id": action.entry_id,
        "journal_sequence": action.journal_sequence,
        "action_time": moment(action.action_time),
        "actor": action.actor,
        "approver": action.approver,
        "person": action.person_id,
        "request_id": action.request_id,
        "kind": action.kind.as_str(),
        "partners": action.partner_ids,
        "member": action.member_id,
        "window": action.window,
        "reason_code": action.reason_code,
        "before": action.before,
        "after": action.after,
        "changes": action.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
