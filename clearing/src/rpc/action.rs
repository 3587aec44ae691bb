//! The one log line of each action of the operator, and of what brands ask of their certificates: who, what, of whom, and what
//! became of it. Of what tills ask there is none.

use clearing_core::command::Request;
use clearing_core::facts::answer::Reply;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::member::MemberRef;
use clearing_core::operation::Subject;
use clearing_core::units::{PartnerId, RequestId};
use tracing::info;

use crate::rpc::auth::Asker;
use crate::rpc::opaque::Opaque;
use crate::writer::{WriteError, Written};

/// An action that is asked for, and whose outcome is to be logged.
pub(super) struct Action {
    name: &'static str,
    caller: Asker,
    request_id: Option<RequestId>,
    subject: Subject,
}

impl Action {
    /// None of what a till asks.
    pub fn of(request: &Request) -> Option<Self> {
        let subject = request.command.subject()?;
        let Request { caller: partner, person, request_id, .. } = *request;
        let caller = Asker { partner, person };
        Some(Self { name: request.command.name(), caller, request_id, subject })
    }

    /// Logs what became of it. Amounts, terms and identifiers are not said: the record of administration has them.
    pub fn log(self, outcome: &Result<Written, WriteError>, opaque: &Opaque) {
        let Self { name: action, caller, request_id, subject } = self;
        let Subject { partners, member, window, person } = subject;
        let partners: Vec<&str> = partners.iter().map(PartnerId::as_str).collect();
        let partners = Some(partners.join(" ")).filter(|partners| !partners.is_empty());
        let request_id = request_id.map(|id| id.to_string());
        let written = outcome.as_ref().ok();
        let accepted = written.and_then(|written| written.answer.result.as_ref().ok());
        let answered = accepted.and_then(|accepted| match &accepted.reply {
            Reply::Member(reply) => Some(reply.member),
            Reply::Abandoned(_) | Reply::House(_) => None,
        });
        let named = member.and_then(|member| match member {
            MemberRef::Id(id) => Some(id),
            MemberRef::Identifier(_) => None,
        });
        let member = answered.or(named).map(|member| member.to_string());
        let entry = written.and_then(|written| written.entries.first());
        let is_proposal = entry.is_some_and(|written| written.entry.kind == EntryKind::Propose);
        let window = window.or_else(|| entry.map(|written| written.entry.action_window()));
        let entry = entry.map(|written| opaque.entry(written.id));
        let replayed = written.is_some_and(|written| written.answer.replayed);
        let (outcome, reason) = match outcome {
            Ok(written) => match &written.answer.result {
                Ok(_) if is_proposal => ("proposed", None),
                Ok(_) => ("accepted", None),
                Err(rejection) => ("rejected", Some(format!("{}: {rejection}", rejection.reason()))),
            },
            Err(error) => ("failed", Some(error.to_string())),
        };
        info!(
            action,
            %caller,
            request_id,
            partners,
            person = person.map(|person| person.to_string()),
            member,
            window,
            outcome,
            entry,
            replayed,
            reason,
            "an action of {}",
            if caller.partner.is_operator() { "the operator" } else { "a brand" }
        );
    }
}
