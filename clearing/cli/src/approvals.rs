//! `clearing approvals`: what one person has proposed, and another decides.

use clap::{Args, Subcommand};
use partner_sdk::operator::{
    ApproveProposal, FieldChange, Proposal, ProposalShown, ProposalState, RefuseProposal, WithdrawProposal,
};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Exit, Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::log::change_text;
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment, moment_or_none};
use crate::times::Zone;

/// The approval commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What was proposed and waits for a second person, the newest first.
    #[command(after_help = "Examples:\n  clearing approvals list\n  clearing approvals list --all")]
    List {
        /// Those too of which something was decided.
        #[arg(long)]
        all: bool,
    },
    /// A proposal, with what it would change now, field by field.
    #[command(after_help = "Examples:\n  clearing approvals show PROPOSAL")]
    Show {
        /// The id of the proposal, as `clearing approvals list` shows it.
        proposal: String,
    },
    /// Approves what somebody else has proposed: it is done at once, as the rules stand now.
    #[command(
        after_help = "Examples:\n  clearing approvals approve PROPOSAL\n  clearing approvals approve PROPOSAL --yes"
    )]
    Approve {
        /// The id of the proposal.
        proposal: String,
        #[command(flatten)]
        irrevocable: Irrevocable,
    },
    /// Refuses what somebody else has proposed, for good.
    #[command(after_help = "Examples:\n  clearing approvals refuse PROPOSAL")]
    Refuse(Decide),
    /// Takes back what you have proposed yourself.
    #[command(after_help = "Examples:\n  clearing approvals withdraw PROPOSAL")]
    Withdraw(Decide),
}

/// Arguments of `approvals refuse` and `approvals withdraw`.
#[derive(Debug, Args)]
pub struct Decide {
    /// The id of the proposal.
    proposal: String,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { all } => list(&Session::open(context).await?, all).await,
        Command::Show { proposal } => show(&Session::open(context).await?, &proposal).await,
        Command::Approve { proposal, irrevocable } => approve(context, &proposal, irrevocable).await,
        Command::Refuse(decide) => {
            let session = Session::open(context).await?;
            let request = RefuseProposal::of(&decide.proposal).request_id(session.request_id(decide.effect));
            let done = accepted(session.operator().refuse_proposal(request).await)?;
            Ok(decided(&decide.proposal, "refused", done.written.replayed))
        }
        Command::Withdraw(decide) => {
            let session = Session::open(context).await?;
            let request = WithdrawProposal::of(&decide.proposal).request_id(session.request_id(decide.effect));
            let done = accepted(session.operator().withdraw_proposal(request).await)?;
            Ok(decided(&decide.proposal, "withdrawn", done.written.replayed))
        }
    }
}

fn decided(proposal: &str, what: &str, replayed: bool) -> Answer {
    let json = json!({ "proposal_id": proposal, "state": what.to_uppercase(), "replayed": replayed });
    Answer::new(json, Page::new().text(format!("Proposal {proposal} is {what}.")))
}

async fn list(session: &Session, all: bool) -> Result<Answer, Failure> {
    let proposals = session.operator().proposals(all).all().await?;
    let json = json!({ "proposals": proposals.iter().map(to_json).collect::<Vec<_>>() });
    let page = if proposals.is_empty() {
        Page::new().text(if all { "Nothing was ever proposed." } else { "Nothing waits for a second person." })
    } else {
        let rows = proposals.iter().map(|proposal| row(proposal, &session.zone));
        Page::new()
            .table(&["proposal", "what", "of whom", "proposed by", "until", "state"], rows)
            .text(session.zone.note())
            .next("clearing approvals show PROPOSAL")
    };
    Ok(Answer::new(json, page))
}

fn about(proposal: &Proposal) -> String {
    let window = proposal.window.map(|window| format!("window {window}"));
    let person = proposal.person_id.as_ref().map(|person| format!("operator/{person}"));
    let member = proposal.member_id.as_ref().map(|member| format!("member {member}"));
    let mut about = proposal.partner_ids.clone();
    about.extend(person.into_iter().chain(member).chain(window));
    about.join(", ")
}

fn row(proposal: &Proposal, zone: &Zone) -> Vec<String> {
    let decided = proposal.decided_by.as_ref().map(|person| format!(" by operator/{person}"));
    vec![
        proposal.proposal_id.clone(),
        proposal.operation.clone(),
        about(proposal),
        format!("operator/{}", proposal.proposed_by),
        zone.text(proposal.lapse_time),
        format!("{}{}", proposal.state, decided.unwrap_or_default()),
    ]
}

async fn show(session: &Session, id: &str) -> Result<Answer, Failure> {
    let shown = session.operator().proposal(id).await?;
    let mut page = page(&shown, &session.zone);
    if shown.proposal.state == ProposalState::Open {
        page = page.next(format!("clearing approvals approve {id}"));
    }
    Ok(Answer::new(shown_to_json(&shown), page))
}

fn page(shown: &ProposalShown, zone: &Zone) -> Page {
    let proposal = &shown.proposal;
    let about = Some(about(proposal)).filter(|about| !about.is_empty()).map(|about| format!(" of {about}"));
    let mut page = Page::new()
        .text(format!(
            "{}{}, proposed by operator/{} at {}; it lapses at {}. It is {}{}.",
            proposal.operation,
            about.unwrap_or_default(),
            proposal.proposed_by,
            zone.text(proposal.propose_time),
            zone.text(proposal.lapse_time),
            proposal.state,
            proposal.decided_by.as_ref().map_or_else(String::new, |person| format!(", by operator/{person}")),
        ))
        .table(
            &["field", "before", "after"],
            shown.changes.iter().map(|FieldChange { field, before, after, .. }| {
                let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
                vec![field.clone(), text(before), text(after)]
            }),
        );
    if !proposal.reason_code.is_empty() {
        page = page.text(format!("The reason that was given: {}.", proposal.reason_code));
    }
    if let Some(refusal) = &shown.refusal {
        page = page.text(format!("The rules would refuse it now: {refusal}."));
    }
    page.text(zone.note())
}

async fn approve(context: &Context, id: &str, irrevocable: Irrevocable) -> Result<Answer, Failure> {
    let session = irrevocable.open(context).await?;
    let shown = session.operator().proposal(id).await?;
    let proposal = &shown.proposal;
    if irrevocable.effect.request_id.is_none() && proposal.state != ProposalState::Open {
        let problem = format!("proposal {id} is {}, not OPEN", proposal.state);
        return Err(Failure::new(Exit::Rejected, problem).hint("if it is still wanted, have it proposed anew"));
    }
    let sentence = format!("does what operator/{} has proposed: {}", proposal.proposed_by, proposal.operation);
    let plan = async { Ok(Plan::new(sentence, shown_to_json(&shown), page(&shown, &session.zone))) };
    if let Some(answer) = irrevocable.weigh(context.output, plan).await? {
        return Ok(answer);
    }
    let request = ApproveProposal::of(id, &proposal.proposal_hash).request_id(session.request_id(irrevocable.effect));
    let done = accepted(session.operator().approve_proposal(request).await)?;
    let json = json!({
        "proposal_id": id,
        "state": "DONE",
        "operation": proposal.operation,
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let changes: Vec<String> = shown.changes.iter().map(|change| change_text(change, &session.zone)).collect();
    let mut page =
        Page::new().text(format!("{} is done, as operator/{} had proposed.", proposal.operation, proposal.proposed_by));
    if !changes.is_empty() {
        page = page.text(changes.join("\n"));
    }
    Ok(Answer::new(json, page.next("clearing log   (shows both persons)")))
}

fn shown_to_json(shown: &ProposalShown) -> Value {
    let change =
        |change: &FieldChange| json!({ "field": change.field, "before": change.before, "after": change.after });
    let mut json = to_json(&shown.proposal);
    json["changes"] = shown.changes.iter().map(change).collect::<Vec<_>>().into();
    json["refusal"] = shown.refusal.clone().into();
    json
}

fn to_json(proposal: &Proposal) -> Value {
    json!({
        "proposal_id": proposal.proposal_id,
        "proposal_hash": proposal.proposal_hash,
        "operation": proposal.operation,
        "proposed_by": proposal.proposed_by,
        "propose_time": moment(proposal.propose_time),
        "lapse_time": moment(proposal.lapse_time),
        "state": proposal.state.as_str(),
        "partners": proposal.partner_ids,
        "person": proposal.person_id,
        "window": proposal.window,
        "member_id": proposal.member_id,
        "reason": Some(&proposal.reason_code).filter(|reason| !reason.is_empty()),
        "decided_by": proposal.decided_by,
        "decide_time": moment_or_none(proposal.decide_time),
        "decision_entry_id": proposal.decision_entry_id,
    })
}
