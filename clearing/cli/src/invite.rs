//! `clearing partner invite`: one string by which a brand, a person of the operator or an auditor gets a certificate.
//!
//! The secret of an invite is made here, and the house gets its hash: so nobody but whoever reads this answer can use it.

use std::time::{Duration, SystemTime};

use clap::Args;
use partner_sdk::{CreateInvites, CredentialScope, Holder};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Exit, Failure, accepted};
use crate::output::{Answer, Page};
use crate::session::{Session, moment_or_none};
use crate::times::Zone;
use crate::values;

/// For how long an invite can be used, unless somebody says otherwise: so says the house.
const HOURS: u64 = 24;

/// Arguments of `partner invite`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    terms: Terms,
    /// Prints the string alone, to be redirected: `partner enroll -` reads it.
    #[arg(long)]
    bare: bool,
}

/// Of whom credentials and invites are: of exactly one.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct Whose {
    /// A partner, by its id.
    partner: Option<String>,
    /// A person of the operator, by name.
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// An auditor, by name: it may read the books and change nothing.
    #[arg(long, value_name = "NAME")]
    auditor: Option<String>,
}

impl Whose {
    /// The one that was named, if one was.
    pub fn holder(&self) -> Option<Holder> {
        let of = |id: &Option<String>, holder: fn(String) -> Holder| id.clone().map(holder);
        of(&self.partner, Holder::Partner)
            .or_else(|| of(&self.person, Holder::Operator))
            .or_else(|| of(&self.auditor, Holder::Auditor))
    }
}

/// What an invite is for.
#[derive(Debug, Clone, Default, Args)]
pub struct Terms {
    /// What the credential may do, some of: issue, accept, read, settle, app, credentials. Left out: all that its holder may do.
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = scope)]
    scopes: Vec<CredentialScope>,
    /// For how many hours from now it can be used, at most 720. Left out: 24, from when it is made, or approved.
    #[arg(long, value_name = "N", value_parser = |text: &str| values::between::<u64>(text, 1, 720))]
    hours: Option<u64>,
}

/// An invite that the house knows of.
pub struct Invited {
    holder: Holder,
    invite_id: String,
    string: String,
    endpoint: String,
    until: Until,
}

/// How long an invite can be used.
enum Until {
    /// Until then.
    Made(SystemTime),
    /// It waits for a second person, as this proposal; until then, or for a day from its approval.
    Proposed(String, Option<SystemTime>),
}

/// Runs `partner invite`.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let Some(holder) = arguments.whose.holder() else {
        return Err(Failure::usage("it is not said who is invited")
            .hint("name a partner, or --person NAME or --auditor NAME; `clearing partner list` shows the partners"));
    };
    let session = Session::open(context).await?;
    let invited = invite(&session, holder, &arguments.terms).await?;
    let answer = Answer::new(invited.to_json(), invited.page(&session.zone));
    Ok(if arguments.bare && !context.output.is_json() {
        answer.in_a_file(format!("{}\n", invited.string))
    } else {
        answer
    })
}

/// Makes an invite.
pub async fn invite(session: &Session, holder: Holder, terms: &Terms) -> Result<Invited, Failure> {
    let pin = session.pin().await?;
    let endpoint = session.info.enrolment_endpoint.clone();
    if endpoint.is_empty() {
        // An invite that cannot be used is not made.
        return Err(Failure::usage("this house issues no certificates, so there is nothing to invite to")
            .hint("set enrolment.listen, authority.cert and authority.key in clearing.toml and start the house again; or make one by hand: clearing partner certificate"));
    }
    let invite = session.client.new_invite();
    let ends = terms.hours.map(|hours| session.info.server_time + Duration::from_secs(hours * 3_600));
    let create = CreateInvites::new([&invite]).holder(holder.clone()).scopes(terms.scopes.iter().copied());
    let create = ends.into_iter().fold(create, CreateInvites::ends);
    let until = match accepted(session.client.create_invites(create).await) {
        Ok(created) => Until::Made(created.end_time),
        Err(failure) if failure.exit == Exit::Proposed => {
            Until::Proposed(failure.proposal_id().unwrap_or_default().to_owned(), ends)
        }
        // The secret is in this process alone: what the house may have taken can be used by nobody.
        Err(failure) if failure.exit == Exit::Unreachable => {
            return Err(
                failure.hint("run it again; an invite that nobody was shown can be used by nobody, and ends by itself")
            );
        }
        Err(failure) => return Err(failure),
    };
    let string = invite
        .string(&endpoint, pin)
        .map_err(|error| Failure::usage(error).hint("enrolment.endpoint of the house must be HOST:PORT"))?;
    Ok(Invited { holder, invite_id: invite.id(), string: string.to_string(), endpoint, until })
}

impl Invited {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let (proposal, ends) = match &self.until {
            Until::Made(ends) => (None, Some(*ends)),
            Until::Proposed(proposal, ends) => (Some(proposal), *ends),
        };
        json!({
            "holder": { "kind": self.holder.kind(), "id": self.holder.id() },
            "invite_id": self.invite_id,
            "string": self.string,
            "enrolment_endpoint": self.endpoint,
            "end_time": moment_or_none(ends),
            "proposal_id": proposal,
        })
    }

    /// For people.
    pub fn page(&self, zone: &Zone) -> Page {
        let Self { holder, string, endpoint, .. } = self;
        let when = match &self.until {
            Until::Made(ends) => format!("until {}", zone.said(*ends)),
            Until::Proposed(proposal, ends) => {
                let ends =
                    ends.map_or_else(|| format!("for {HOURS} hours"), |ends| format!("until {}", zone.said(ends)));
                format!("once another approver has approved proposal {proposal}, {ends}")
            }
        };
        let page = Page::new()
            .text(format!(
                "An invite for {} {}. Whoever has this string can use it once, {when}, at {endpoint}:",
                holder.kind(),
                holder.id(),
            ))
            .text("")
            .text(string)
            .text("")
            .next("send it by a way that nobody else reads; they type: partner enroll clearinginvite1...");
        match &self.until {
            Until::Made(_) => page,
            Until::Proposed(proposal, _) => {
                page.next(format!("another approver types: clearing approvals approve {proposal}"))
            }
        }
    }
}

/// A scope of a credential.
pub fn scope(text: &str) -> Result<CredentialScope, String> {
    let all: Vec<(&str, CredentialScope)> = CredentialScope::ALL.iter().map(|scope| (scope.as_str(), *scope)).collect();
    values::one_of(text, &all)
}
