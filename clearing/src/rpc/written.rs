//! What every operation on points has in common: how it is asked for, and what its answer tells of what was written.

use std::sync::Arc;

use clearing_core::command::{self, Command};
use clearing_core::facts::answer::{Accepted, MemberReply, Reply};
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::units::{self, PartnerId};
use clearing_proto::v1;
use tonic::Status;

use crate::badges::SHOWN;
use crate::clock;
use crate::rpc::auth::Asker;
use crate::rpc::convert::{self, View};
use crate::rpc::opaque::Opaque;
use crate::rpc::{Context, bounds, errors};
use crate::writer::{WriteError, Written};

impl Context {
    /// Asks the writer for a command on points.
    pub(super) async fn ask(
        &self,
        asker: Asker,
        request_id: &str,
        origin: Option<v1::Origin>,
        command: Command,
    ) -> Result<Written, Status> {
        let asked = self.request(asker, request_id, origin, command)?;
        self.carry_out(asked).await
    }

    pub(super) fn request(
        &self,
        asker: Asker,
        request_id: &str,
        origin: Option<v1::Origin>,
        command: Command,
    ) -> Result<command::Request, Status> {
        let request_id = convert::request_id(request_id)?;
        let Asker { partner: caller, person } = asker;
        let house = self.house();
        let key = &self.identifier_key;
        let (badge, origin) = (Some(self.badge()?), of_device(origin)?);
        let (origin, attachment) = convert::origin(origin, caller, request_id, key, &house.coalition)?;
        let (fresh_member, fresh_salt) = (clock::fresh_member_id(), clock::random_bytes());
        let asked = command::Request {
            caller,
            person,
            request_id: Some(request_id),
            origin,
            command,
            fresh_member,
            fresh_salt,
            attachment,
            badge,
        };
        // What the message alone tells is told before it takes a place in the queue.
        asked.validate().map_err(|rejection| errors::refused(&rejection))?;
        Ok(asked)
    }
}

/// What a device writes names the store and the till that it is: nothing else, and where it says nothing that is filled in.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming both.
fn of_device(origin: Option<v1::Origin>) -> Result<Option<v1::Origin>, Status> {
    let shown = SHOWN.try_with(Arc::clone).ok();
    let Some(device) = shown.as_ref().and_then(|shown| shown.device()) else { return Ok(origin) };
    if device.store.is_none() && device.till.is_none() {
        return Ok(origin);
    }
    let mut origin = origin.unwrap_or_default();
    for (field, own, given) in
        [("origin.store", &device.store, &mut origin.store), ("origin.till", &device.till, &mut origin.till)]
    {
        let Some(own) = own else { continue };
        if !given.is_empty() && given != own.as_str() {
            let problem = format!(
                "is {}, and the credential of this call is for {}; leave it out, or use the credential of that one",
                units::shown(given),
                units::shown(own.as_str())
            );
            return Err(errors::invalid(field, problem));
        }
        own.as_str().clone_into(given);
    }
    Ok(Some(origin))
}

/// What an answer tells of what its request wrote: without the origin, which the caller has just sent.
pub(super) fn from_written(written: &Written, view: View, opaque: &Opaque) -> v1::Written {
    let (following, own): (Vec<&JournalEntry>, Vec<&JournalEntry>) =
        written.entries.iter().partition(|written| follows(&written.entry));
    let recovered = following.iter().filter(|written| written.entry.kind == EntryKind::Recover);
    let recovered = recovered.filter_map(|written| written.entry.redemption()).map(|facts| facts.points.0).sum();
    let seen = |written: &&JournalEntry| match view {
        View::Whole => true,
        View::Part(partner) => written.entry.parties().contains(&partner),
    };
    let entry = |entry: &JournalEntry| {
        let shown = convert::from_entry(entry.id, &entry.entry, view, &written.house, opaque);
        v1::Entry { origin: None, ..shown }
    };
    v1::Written {
        entries: bounds::entries(own.into_iter().map(entry)),
        following: bounds::entries(following.into_iter().filter(seen).map(entry)),
        recovered_points: recovered,
        replayed: written.answer.replayed,
    }
}

/// The id of the proposal that a request became, if it waits for a second person.
pub(super) fn proposed(written: &Written, context: &Context) -> Option<String> {
    let accepted = written.answer.result.is_ok();
    let first = written.entries.first().filter(|first| accepted && first.entry.kind == EntryKind::Propose)?;
    Some(context.opaque.entry(first.id))
}

/// Answers with the proposal that a request became, if it became one. All that the answer tells of what was done is left out.
macro_rules! or_proposed {
    ($written:ident, $context:expr, $answer:ident) => {
        if let Some(proposal_id) = $crate::rpc::written::proposed(&$written, &$context) {
            let told = $crate::rpc::written::from_written(&$written, View::Whole, &$context.opaque);
            #[allow(clippy::needless_update, reason = "some answers tell nothing else")]
            let answer = v1::$answer { written: Some(told), proposal_id, ..v1::$answer::default() };
            return Ok(Response::new(answer));
        }
    };
}

pub(super) use or_proposed;

/// Whether an entry followed by itself from an operation.
fn follows(entry: &Entry) -> bool {
    let due = [EntryKind::Recover, EntryKind::Expire, EntryKind::Activate, EntryKind::Lapse].contains(&entry.kind);
    // Points that were passed over live on; nobody asked for it.
    due || (entry.kind == EntryKind::Extend && entry.request_id.is_none())
}

/// The member of an answer, as the answer tells it.
pub(super) fn from_figures(reply: &MemberReply) -> v1::MemberFigures {
    v1::MemberFigures {
        member_id: reply.member.to_string(),
        available_points: reply.available.0,
        held_points: reply.held.0,
        pending_points: reply.pending.0,
        owed_points: reply.owed.0,
        next_expiry: convert::from_next_expiry(reply.next_expiry),
    }
}

/// The accepted answer.
///
/// # Errors
/// The rejection, if it was one.
pub(super) fn accepted<'a>(written: &'a Written, caller: PartnerId, context: &Context) -> Result<&'a Accepted, Status> {
    let replayed = written.answer.replayed;
    written.answer.result.as_ref().map_err(|rejection| errors::of_answer(rejection, replayed, caller, context))
}

/// The figures of an accepted answer to a command on a member's points.
///
/// # Errors
/// The rejection, if it was one.
pub(super) fn member_reply<'a>(
    written: &'a Written,
    caller: PartnerId,
    context: &Context,
) -> Result<&'a MemberReply, Status> {
    match &accepted(written, caller, context)?.reply {
        Reply::Member(reply) => Ok(reply),
        Reply::Abandoned(_) | Reply::House(_) => Err(errors::of_write(&WriteError::Internal)),
    }
}

/// The entry of a command that writes one before all that follows from it.
pub(super) fn first_entry(written: &Written) -> Result<&JournalEntry, Status> {
    written.entries.first().ok_or_else(|| errors::of_write(&WriteError::Internal))
}

/// The first entry of a kind among those that a command wrote.
pub(super) fn of_kind(written: &Written, kind: impl Fn(EntryKind) -> bool) -> Option<&JournalEntry> {
    written.entries.iter().find(|written| kind(written.entry.kind))
}
