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
use crate::session::{Session, moment};
use crate::times::Zone;
use crate::values;

/// For how long an invite can be used, unless somebody says otherwise.
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
#[derive(Debug, Clone, Args)]
pub struct Terms {
    /// What the credential may do, some of: issue, accept, read, settle, app, credentials. Left out: all that its holder may do.
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = scope)]
    scopes: Vec<CredentialScope>,
    /// For how many hours it can be used, at most 720.
    #[arg(long, value_name = "N", default_value_t = HOURS, value_parser = |text: &str| values::between::<u64>(text, 1, 720))]
    hours: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { scopes: Vec::new(), hours: HOURS }
    }
}

/// An invite that the house knows of.
pub struct Invited {
    holder: Holder,
    invite_id: String,
    string: String,
    endpoint: String,
    end_time: SystemTime,
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
    let create = CreateInvites::new([&invite])
        .holder(holder.clone())
        .scopes(terms.scopes.iter().copied())
        .ends(session.info.server_time + Duration::from_secs(terms.hours * 3_600));
    let created = match accepted(session.client.create_invites(create).await) {
        Ok(created) => created,
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
    Ok(Invited { holder, invite_id: invite.id(), string: string.to_string(), endpoint, end_time: created.end_time })
}

impl Invited {
    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "holder": { "kind": self.holder.kind(), "id": self.holder.id() },
            "invite_id": self.invite_id,
            "string": self.string,
            "enrolment_endpoint": self.endpoint,
            "end_time": moment(self.end_time),
        })
    }

    /// For people.
    pub fn page(&self, zone: &Zone) -> Page {
        let Self { holder, string, endpoint, end_time, .. } = self;
        Page::new()
            .text(format!(
                "An invite for {} {}. Whoever has this string can use it once, until {}, at {endpoint}:",
                holder.kind(),
                holder.id(),
                zone.said(*end_time)
            ))
            .text("")
            .text(string)
            .text("")
            .next("send it by a way that nobody else reads; they type: partner enroll clearinginvite1...")
    }
}

/// A scope of a credential.
pub fn scope(text: &str) -> Result<CredentialScope, String> {
    let all: Vec<(&str, CredentialScope)> = CredentialScope::ALL.iter().map(|scope| (scope.as_str(), *scope)).collect();
    values::one_of(text, &all)
}
