//! `clearing partner`: admitting brands, their terms and states, and the certificates with which they join.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use partner_sdk::operator::{CreatePartner, Partner, PartnerState, SetPartnerState, SetTerms};
use serde_json::{Value, json};

use super::certificate;
use super::context::Context;
use super::failure::{Failure, accepted};
use super::output::Page;
use super::session::{Effect, Session, moment};
use super::terms::{self, TermsFlags};

/// The partner commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Admits a partner.
    #[command(after_help = "Examples:\n  clearing partner create GROCER --name 'Green Grocer'\n  \
                            clearing partner create FUEL --funding at-issue --price 0.95 --value 0.90 --reimbursement 0.85\n\n\
                            Then give it a certificate: clearing partner certificate GROCER --out grocer/")]
    Create(Create),
    /// Makes a certificate with which a partner (or an auditor) connects, from the coalition's authority.
    ///
    /// It needs the authority's private key and no house.
    #[command(after_help = "Examples:\n  clearing partner certificate GROCER --out grocer/\n  \
                            clearing partner certificate GROCER --out grocer/ --csr grocer.csr    its key never leaves the brand\n  \
                            clearing partner certificate KPMG --auditor --out kpmg/")]
    Certificate(certificate::Arguments),
    /// Changes the terms of a partner, or shows them when nothing is to change.
    #[command(
        after_help = "Examples:\n  clearing partner terms GROCER\n  clearing partner terms GROCER --fee 0.015 --from 2027-01-01T00:00:00Z\n  \
                            clearing partner terms operator --expiry 'MONTHS 12'"
    )]
    Terms(SetTermsArguments),
    /// Restricts or suspends a partner, or lets it act again.
    #[command(after_help = "Examples:\n  clearing partner state GROCER restricted     no issues\n  \
                            clearing partner state GROCER suspended      neither issues nor redemptions\n  \
                            clearing partner state GROCER active")]
    State {
        /// Which partner.
        partner: String,
        /// ACTIVE, RESTRICTED or SUSPENDED.
        #[arg(value_parser = state)]
        state: PartnerState,
        #[command(flatten)]
        effect: Effect,
    },
    /// Lists the partners, the operator among them.
    #[command(after_help = "Examples:\n  clearing partner list\n  clearing partner list --output json")]
    List,
}

/// Arguments of `partner create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its id, for good: 1 to 31 characters of A-Z a-z 0-9 _ -.
    partner: String,
    /// Its name for people. Left out: its id.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    terms: TermsFlags,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `partner terms`.
#[derive(Debug, Args)]
pub struct SetTermsArguments {
    /// Which partner; "operator" for the operator's own.
    partner: String,
    /// From when on. Left out: at once.
    #[arg(long, value_parser = terms::time, value_name = "TIME")]
    from: Option<SystemTime>,
    #[command(flatten)]
    terms: TermsFlags,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Certificate(arguments) => certificate::run(context, &arguments),
        Command::Create(arguments) => create(context, &Session::open(context).await?, arguments).await,
        Command::Terms(arguments) if arguments.terms.is_empty() => {
            show_terms(context, &Session::open(context).await?, &arguments).await
        }
        Command::Terms(arguments) => set_terms(context, &Session::open(context).await?, arguments).await,
        Command::State { partner, state, effect } => {
            set_state(context, &Session::open(context).await?, &partner, state, effect).await
        }
        Command::List => list(context, &Session::open(context).await?).await,
    }
}

async fn create(context: &Context, session: &Session, arguments: Create) -> Result<(), Failure> {
    let mut request = CreatePartner::new(&arguments.partner).terms(arguments.terms.change());
    if let Some(name) = arguments.name {
        request = request.display_name(name);
    }
    let request = request.request_id(session.request_id(arguments.effect));
    let created = accepted(session.operator().create_partner(request).await)?;
    let partner = &created.partner;
    let json = json!({
        "partner": to_json(partner),
        "currency": session.info.currency,
        "replayed": created.replayed,
    });
    let page = Page::new()
        .text(format!("Admitted {} ({}). Its terms:", partner.partner_id, partner.display_name))
        .table(&["term", "value"], terms::rows(&partner.terms))
        .next(format!("clearing partner certificate {0} --out {0}/", partner.partner_id));
    context.output.show(&json, &page);
    Ok(())
}

async fn show_terms(context: &Context, session: &Session, arguments: &SetTermsArguments) -> Result<(), Failure> {
    if arguments.from.is_some() || arguments.effect.request_id.is_some() {
        return Err(Failure::usage("nothing is to change").hint("name a term, such as --fee 0.015; --help lists them"));
    }
    let all = session.operator().partners().collect().await?;
    let partner = all.iter().find(|partner| partner.partner_id == arguments.partner).ok_or_else(|| {
        Failure::new(super::failure::Exit::Rejected, format!("there is no partner {}", arguments.partner))
            .hint("clearing partner list shows all")
    })?;
    let json = json!({
        "partner": partner.partner_id,
        "currency": session.info.currency,
        "terms": terms::to_json(&partner.terms),
        "scheduled_terms": partner.scheduled_terms.iter().map(terms::to_json).collect::<Vec<_>>(),
    });
    let mut page = Page::new()
        .text(format!("Terms of {}, amounts in {}:", partner.partner_id, session.info.currency))
        .table(&["term", "value"], terms::rows(&partner.terms));
    for scheduled in &partner.scheduled_terms {
        page = page.text("Scheduled:").table(&["term", "value"], terms::rows(scheduled));
    }
    context.output.show(&json, &page);
    Ok(())
}

async fn set_terms(context: &Context, session: &Session, arguments: SetTermsArguments) -> Result<(), Failure> {
    let mut request = SetTerms::of(&arguments.partner, arguments.terms.change());
    if let Some(from) = arguments.from {
        request = request.effective(from);
    }
    let request = request.request_id(session.request_id(arguments.effect));
    let set = accepted(session.operator().set_terms(request).await)?;
    let json = json!({
        "partner": arguments.partner,
        "currency": session.info.currency,
        "terms": terms::to_json(&set.terms),
        "replayed": set.replayed,
    });
    let page = Page::new()
        .text(format!("Version {} of the terms of {}:", set.terms.version, arguments.partner))
        .table(&["term", "value"], terms::rows(&set.terms))
        .text("Lots that were issued before keep the version they were issued under.");
    context.output.show(&json, &page);
    Ok(())
}

async fn set_state(
    context: &Context,
    session: &Session,
    partner: &str,
    state: PartnerState,
    effect: Effect,
) -> Result<(), Failure> {
    let request = SetPartnerState::of(partner, state).request_id(session.request_id(effect));
    let set = accepted(session.operator().set_partner_state(request).await)?;
    let json = json!({
        "partner": partner,
        "previous_state": set.previous_state.as_str(),
        "state": set.state.as_str(),
        "replayed": set.replayed,
    });
    let meaning = match set.state {
        PartnerState::Active => "it may do everything its certificate covers",
        PartnerState::Restricted => "it may not issue; all else is allowed",
        PartnerState::Suspended => {
            "it may neither issue nor accept; returns and reads stay allowed, and its points stay spendable at others"
        }
        PartnerState::Other(_) | _ => "a state that this command does not know",
    };
    let page = Page::new().text(format!("{partner} was {} and is {}: {meaning}.", set.previous_state, set.state));
    context.output.show(&json, &page);
    Ok(())
}

async fn list(context: &Context, session: &Session) -> Result<(), Failure> {
    let partners = session.operator().partners().collect().await?;
    let json = json!({
        "currency": session.info.currency,
        "partners": partners.iter().map(to_json).collect::<Vec<_>>(),
    });
    let rows = partners.iter().map(|partner| {
        let terms = &partner.terms;
        vec![
            partner.partner_id.clone(),
            partner.display_name.clone(),
            partner.state.to_string(),
            terms.funding.to_string(),
            terms.price.to_string(),
            terms.value.to_string(),
            terms.reimbursement.to_string(),
            terms.acceptance_fee.to_string(),
            terms.fee_bearer.to_string(),
            match partner.scheduled_terms.first() {
                Some(scheduled) => format!("from {}", moment(scheduled.effective_time)),
                None => String::new(),
            },
        ]
    });
    let header =
        ["partner", "name", "state", "funding", ">price", ">value", ">reimbursement", ">fee", "bearer", "change"];
    let page = Page::new().table(&header, rows).text(format!("Amounts are per point, in {}.", session.info.currency));
    context.output.show(&json, &page);
    Ok(())
}

fn state(text: &str) -> Result<PartnerState, String> {
    match terms::word(text).as_str() {
        "ACTIVE" => Ok(PartnerState::Active),
        "RESTRICTED" => Ok(PartnerState::Restricted),
        "SUSPENDED" => Ok(PartnerState::Suspended),
        _ => Err("one of: ACTIVE, RESTRICTED, SUSPENDED".to_owned()),
    }
}

/// A partner for programs.
fn to_json(partner: &Partner) -> Value {
    json!({
        "partner": partner.partner_id,
        "display_name": partner.display_name,
        "state": partner.state.as_str(),
        "terms": terms::to_json(&partner.terms),
        "scheduled_terms": partner.scheduled_terms.iter().map(terms::to_json).collect::<Vec<_>>(),
        "create_time": moment(partner.create_time),
    })
}
