//! `clearing partner`: admitting brands, their terms and states, and the certificates with which they join.

use clap::{Args, Subcommand};
use partner_sdk::Holder;
use partner_sdk::operator::{
    CreatePartner, FundingConsent, Partner, PartnerLimits, PartnerState, RenamePartner, SetFundingConsent, SetLimits,
    SetPartnerState, SetTerms,
};
use serde_json::{Value, json};

use crate::context::Context;
use crate::endings;
use crate::failure::{Exit, Failure, accepted};
use crate::invite::{self, Terms};
use crate::irrevocable::{Irrevocable, Plan};
use crate::limits::{self, LimitChanges, LimitFlags};
use crate::output::{Answer, Page};
use crate::partner_authority;
use crate::session::{Effect, Session, moment};
use crate::terms::{self, TermsFlags};
use crate::times::{self, When};
use crate::{certificate, cover, credential, party, values};

/// The partner commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Admits a partner.
    #[command(after_help = "Examples:\n  clearing partner create grocer --name 'Green Grocer'\n  \
                            clearing partner create fuel --funding at-issue --price 0.95 --value 0.90 --reimbursement 0.85\n  \
                            clearing partner create CARDS --net-debit-cap 250000     and the default for points per entry\n  \
                            clearing partner create TRIAL --no-limits\n  \
                            clearing partner create grocer --invite     and prints the string by which it joins")]
    Create(Create),
    /// Prints one string by which a brand gets its certificate; or a person of the operator, or an auditor.
    ///
    /// It is used once, within a day unless --hours says otherwise. The brand types `partner enroll STRING`, or its program does:
    /// the key is made there. Whoever sees the string first can use it, so send it by a way that nobody else reads.
    #[command(
        after_help = "Examples:\n  clearing partner invite grocer\n  clearing partner invite grocer --scopes issue,accept --hours 2\n  \
                            clearing partner invite grocer --bare > grocer.invite\n  \
                            clearing partner invite --person anna\n  clearing partner invite --auditor kpmg --hours 72"
    )]
    Invite(invite::Arguments),
    /// Shuts out whoever has the keys of a brand: one command for the day on which they are stolen.
    ///
    /// It revokes all its certificates and invites, suspends it, and shows its open holds and what was done. The points that it
    /// issued stay spendable at others.
    #[command(
        after_help = "Examples:\n  clearing partner lock grocer\n  clearing partner lock grocer --yes\n  clearing partner lock grocer --dry-run"
    )]
    Lock(credential::Lock),
    /// Makes a certificate by hand with which a partner (or an auditor) connects, from the coalition's authority.
    ///
    /// It needs the authority's private key and no house, and the house does not know of it. Invites need neither: see
    /// `clearing partner invite`.
    #[command(after_help = "Examples:\n  clearing partner certificate grocer --out grocer/\n  \
                            clearing partner certificate grocer --out grocer/ --csr grocer.csr    its key never leaves the brand\n  \
                            clearing partner certificate KPMG --auditor --out kpmg/")]
    Certificate(certificate::Arguments),
    /// Lets what a partner's own authority issues open connections as that partner, and as nobody else.
    ///
    /// Its certificates name the partner as those of the coalition do: spiffe://DOMAIN/partner/ID is their one URI name. Whom it
    /// takes back is for its own list to say; the house ends all of them when the authority is removed.
    #[command(after_help = "Examples:\n  clearing partner authority grocer --cert grocer-ca.pem\n  \
                            clearing partner authority grocer --remove")]
    Authority(partner_authority::Arguments),
    /// Changes the terms of a partner, or shows them when nothing is to change.
    #[command(
        after_help = "Examples:\n  clearing partner terms grocer\n  clearing partner terms grocer --fee 0.015 --from 2027-01-01\n  \
                            clearing partner terms operator --expiry 'MONTHS 12'"
    )]
    Terms(SetTermsArguments),
    /// Changes the limits of a partner, or shows them with what is used when nothing is to change.
    ///
    /// Limits hold at once. What is left out stays as it is: the command reads the limits that there are and sets them anew,
    /// so two operators should not change the same partner's at the same time.
    #[command(after_help = "Examples:\n  clearing partner limits grocer\n  \
                            clearing partner limits grocer --net-debit-cap 1000.00 --points-per-day 50000\n  \
                            clearing partner limits grocer --clear net-debit-cap --clear points-per-day")]
    Limits(LimitsArguments),
    /// Lets a partner name another one as a funder of joint issues, or no longer.
    ///
    /// The funder issues its share of each such issue and pays for it by its own terms.
    #[command(
        after_help = "Examples:\n  clearing partner consent supplier grocer --budget 100000     supplier pays up to so many points\n  \
                            clearing partner consent supplier grocer                     any number\n  \
                            clearing partner consent supplier grocer --revoke"
    )]
    Consent(ConsentArguments),
    /// Lists who may name whom as a funder of joint issues, with what is used of each budget.
    #[command(
        after_help = "Examples:\n  clearing partner consents\n  clearing partner consents supplier --output json"
    )]
    Consents {
        /// Only consents that this partner gave or got. Left out: all.
        partner: Option<String>,
    },
    /// Restricts or suspends a partner, or lets it act again. Its tills feel it at once.
    #[command(after_help = "Examples:\n  clearing partner state grocer restricted     no issues\n  \
                            clearing partner state grocer suspended      neither issues nor redemptions\n  \
                            clearing partner state grocer active")]
    State {
        /// Which partner.
        partner: String,
        /// ACTIVE, RESTRICTED or SUSPENDED.
        #[arg(value_parser = state)]
        state: PartnerState,
        #[command(flatten)]
        irrevocable: Irrevocable,
    },
    /// Gives a partner another name for people. Its id is for good.
    #[command(
        after_help = "Examples:\n  clearing partner rename grocer 'Green Grocer'\n  clearing partner rename operator 'Points House'"
    )]
    Rename {
        /// Which partner; "operator" for the operator.
        partner: String,
        /// Its new name: 1 to 100 characters.
        name: String,
        #[command(flatten)]
        effect: Effect,
    },
    #[command(flatten)]
    Party(party::Command),
    #[command(flatten)]
    Cover(cover::Command),
    /// Lists the partners, the operator among them.
    #[command(after_help = "Examples:\n  clearing partner list\n  clearing partner list --output json")]
    List,
}

/// Arguments of `partner create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its id, for good: 1 to 31 characters of A-Z a-z 0-9 _ -, the first of them a letter.
    partner: String,
    /// Its name for people. Left out: its id.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    terms: TermsFlags,
    #[command(flatten)]
    limits: LimitFlags,
    /// What no flag limits has no limit. Left out: it has the coalition's default for new partners.
    #[arg(long, help_heading = "Limits")]
    no_limits: bool,
    /// Prints the string by which it joins as well, as `clearing partner invite` does.
    #[arg(long)]
    invite: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `partner terms`.
#[derive(Debug, Args)]
pub struct SetTermsArguments {
    /// Which partner; "operator" for the operator's own.
    partner: String,
    /// From when on; a day: from its beginning. Left out: at once.
    #[arg(long, value_parser = times::when, value_name = "TIME")]
    from: Option<When>,
    #[command(flatten)]
    terms: TermsFlags,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `partner limits`.
#[derive(Debug, Args)]
pub struct LimitsArguments {
    /// Which partner; "operator" for the operator.
    partner: String,
    #[command(flatten)]
    limits: LimitChanges,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `partner consent`.
#[derive(Debug, Args)]
pub struct ConsentArguments {
    /// Who pays.
    funder: String,
    /// Who may name it as a funder.
    partner: String,
    /// How many points in all, those that were used before among them. Left out: any number.
    #[arg(long, value_name = "POINTS", value_parser = values::count)]
    budget: Option<i64>,
    /// Withdraws the consent. What was issued under it stays.
    #[arg(long, conflicts_with = "budget")]
    revoke: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Certificate(arguments) => certificate::run(context, &arguments),
        Command::Authority(arguments) => partner_authority::run(context, &arguments),
        Command::Invite(arguments) => invite::run(context, arguments).await,
        Command::Lock(arguments) => credential::lock(context, arguments).await,
        Command::Create(arguments) => create(&Session::open(context).await?, arguments).await,
        Command::Terms(arguments) if arguments.terms.is_empty() => {
            show_terms(&Session::open(context).await?, &arguments).await
        }
        Command::Terms(arguments) => set_terms(&Session::open(context).await?, arguments).await,
        Command::Limits(arguments) => {
            arguments.limits.check()?;
            limits(&Session::open(context).await?, arguments).await
        }
        Command::Consent(arguments) => consent(&Session::open(context).await?, arguments).await,
        Command::Consents { partner } => consents(&Session::open(context).await?, partner.as_deref()).await,
        Command::State { partner, state, irrevocable } => set_state(context, &partner, state, irrevocable).await,
        Command::Rename { partner, name, effect } => {
            rename(&Session::open(context).await?, &partner, &name, effect).await
        }
        Command::Cover(command) => cover::run(&Session::open(context).await?, command).await,
        Command::Party(command) => party::run(&Session::open(context).await?, command).await,
        Command::List => list(context, &Session::open(context).await?).await,
    }
}

async fn create(session: &Session, arguments: Create) -> Result<Answer, Failure> {
    let limits = arguments.limits.over(PartnerLimits::none());
    let terms = arguments.terms.change(&session.zone)?;
    let mut request = CreatePartner::new(&arguments.partner).terms(terms).limits(limits);
    if arguments.no_limits {
        request = request.without_default_limits();
    }
    if let Some(name) = arguments.name {
        request = request.display_name(name);
    }
    let request = request.request_id(session.request_id(arguments.effect));
    let created = accepted(session.operator().create_partner(request).await)?;
    let partner = &created.partner;
    let mut json = json!({
        "partner": to_json(partner),
        "currency": session.info.currency_code,
        "replayed": created.written.replayed,
    });
    let page = Page::new()
        .text(format!("Admitted {} ({}). Its terms:", partner.partner_id, partner.display_name))
        .table(&["term", "value"], terms::rows(&partner.terms, &session.zone))
        .text(format!(
            "Its limits, the cap in {}; clearing partner limits {} changes them:",
            session.info.currency_code, partner.partner_id
        ))
        .table(
            &["limit", ">most"],
            limits::rows(&partner.limits, &[]).into_iter().map(|row| row.into_iter().take(2).collect()),
        );
    if !arguments.invite {
        return Ok(Answer::new(json, page.next(format!("clearing partner invite {}", partner.partner_id))));
    }
    let holder = Holder::Partner(partner.partner_id.clone());
    let invited = invite::invite(session, holder, &Terms::default()).await.map_err(|failure| {
        let hint = failure.hint.clone().unwrap_or_default();
        failure.hint(format!("{} is admitted; `clearing partner invite {0}` invites it. {hint}", partner.partner_id))
    })?;
    json["invite"] = invited.to_json();
    Ok(Answer::new(json, page.and(&invited.page(&session.zone))))
}

async fn show_terms(session: &Session, arguments: &SetTermsArguments) -> Result<Answer, Failure> {
    if arguments.from.is_some() || arguments.effect.request_id.is_some() {
        return Err(Failure::usage("nothing is to change").hint("name a term, such as --fee 0.015; --help lists them"));
    }
    let partner = find(session, &arguments.partner).await?;
    let json = json!({
        "partner": partner.partner_id,
        "currency": session.info.currency_code,
        "terms": terms::to_json(&partner.terms),
        "scheduled_terms": partner.scheduled_terms.iter().map(terms::to_json).collect::<Vec<_>>(),
    });
    let mut page = Page::new()
        .text(format!("Terms of {}, amounts in {}:", partner.partner_id, session.info.currency_code))
        .table(&["term", "value"], terms::rows(&partner.terms, &session.zone));
    for scheduled in &partner.scheduled_terms {
        page = page.text("Scheduled:").table(&["term", "value"], terms::rows(scheduled, &session.zone));
    }
    Ok(Answer::new(json, page))
}

async fn set_terms(session: &Session, arguments: SetTermsArguments) -> Result<Answer, Failure> {
    let mut request = SetTerms::of(&arguments.partner, arguments.terms.change(&session.zone)?);
    if let Some(from) = arguments.from {
        request = request.effective(from.begin(&session.zone)?);
    }
    let request = request.request_id(session.request_id(arguments.effect));
    let set = accepted(session.operator().set_terms(request).await)?;
    let json = json!({
        "partner": arguments.partner,
        "currency": session.info.currency_code,
        "terms": terms::to_json(&set.terms),
        "replayed": set.written.replayed,
    });
    let page = Page::new()
        .text(format!("Version {} of the terms of {}:", set.terms.version, arguments.partner))
        .table(&["term", "value"], terms::rows(&set.terms, &session.zone))
        .text("Lots that were issued before keep the version they were issued under.");
    Ok(Answer::new(json, page))
}

async fn find(session: &Session, id: &str) -> Result<Partner, Failure> {
    let all = session.operator().partners().all().await?;
    all.into_iter().find(|partner| partner.partner_id == id).ok_or_else(|| {
        Failure::new(Exit::Rejected, format!("there is no partner {id}")).hint("clearing partner list shows all")
    })
}

async fn limits(session: &Session, arguments: LimitsArguments) -> Result<Answer, Failure> {
    let LimitsArguments { partner: id, limits: flags, effect } = arguments;
    let partner = find(session, &id).await?;
    let (limits, uses, replayed) = if flags.is_empty() {
        if effect.request_id.is_some() {
            return Err(Failure::usage("nothing is to change")
                .hint("name a limit, such as --points-per-day 50000; --help lists them"));
        }
        (partner.limits, partner.limit_uses.clone(), None)
    } else {
        let request = SetLimits::of(&id, flags.over(partner.limits)).request_id(session.request_id(effect));
        let set = accepted(session.operator().set_limits(request).await)?;
        (set.limits, set.limit_uses, Some(set.written.replayed))
    };
    let mut json = json!({
        "partner": id,
        "currency": session.info.currency_code,
        "limits": limits::to_json(&limits),
        "limit_uses": limits::uses_to_json(&uses),
        "consents": partner.consents.iter().map(consent_to_json).collect::<Vec<_>>(),
    });
    if let Some(replayed) = replayed {
        json["replayed"] = replayed.into();
    }
    let verb = if replayed.is_some() { "has these limits now" } else { "has these limits" };
    let mut page = Page::new()
        .text(format!("{id} {verb}, the cap in {}; ! from 80 % on:", session.info.currency_code))
        .table(&["limit", ">most", ">used"], limits::rows(&limits, &uses));
    if !partner.consents.is_empty() {
        page = page
            .text(format!("Who may name {id} as a funder of joint issues:"))
            .and(&consents_page(partner.consents.iter()));
    }
    Ok(Answer::new(json, page))
}

async fn consents(session: &Session, of: Option<&str>) -> Result<Answer, Failure> {
    if let Some(id) = of {
        find(session, id).await?;
    }
    let partners = session.operator().partners().all().await?;
    let is_of =
        |consent: &&FundingConsent| of.is_none_or(|id| [&*consent.funder_id, &*consent.partner_id].contains(&id));
    let found: Vec<_> = partners.iter().flat_map(|partner| &partner.consents).filter(is_of).collect();
    let json = json!({ "consents": found.iter().map(|consent| consent_to_json(consent)).collect::<Vec<_>>() });
    let page = if found.is_empty() {
        Page::new().text("No consent was ever given or withdrawn.")
    } else {
        consents_page(found.into_iter())
    };
    Ok(Answer::new(json, page))
}

fn consents_page<'a>(consents: impl Iterator<Item = &'a FundingConsent>) -> Page {
    let rows = consents.map(|consent| {
        vec![
            consent.funder_id.clone(),
            consent.partner_id.clone(),
            if consent.given { "given" } else { "withdrawn" }.to_owned(),
            consent.budget_points.map_or_else(|| "any".to_owned(), |points| points.to_string()),
            consent.used_points.to_string(),
        ]
    });
    Page::new().table(&["funder", "partner", "consent", ">budget", ">used"], rows)
}

async fn consent(session: &Session, arguments: ConsentArguments) -> Result<Answer, Failure> {
    let ConsentArguments { funder, partner, budget, revoke, effect } = arguments;
    let mut request = if revoke {
        SetFundingConsent::withdraw(&funder, &partner)
    } else {
        SetFundingConsent::give(&funder, &partner)
    };
    if let Some(points) = budget {
        request = request.budget(points);
    }
    let request = request.request_id(session.request_id(effect));
    let set = accepted(session.operator().set_funding_consent(request).await)?;
    let mut json = consent_to_json(&set.consent);
    json["replayed"] = set.written.replayed.into();
    let used = set.consent.used_points;
    let page = Page::new().text(match (set.consent.given, set.consent.budget_points) {
        (false, _) => format!("{partner} may no longer name {funder} as a funder; {used} points were used."),
        (true, None) => format!("{partner} may name {funder} as a funder of any number of points; {used} are used."),
        (true, Some(budget)) => {
            format!("{partner} may name {funder} as a funder of {budget} points in all; {used} are used.")
        }
    });
    Ok(Answer::new(json, page))
}

/// A consent for programs.
fn consent_to_json(consent: &FundingConsent) -> Value {
    json!({
        "funder": consent.funder_id,
        "partner": consent.partner_id,
        "given": consent.given,
        "budget_points": consent.budget_points,
        "used_points": consent.used_points,
    })
}

async fn set_state(
    context: &Context,
    partner: &str,
    state: PartnerState,
    irrevocable: Irrevocable,
) -> Result<Answer, Failure> {
    let session = irrevocable.open(context).await?;
    let plan = async {
        let before = find(&session, partner).await?.state;
        let sentence = format!("makes {partner} {state}, which is {before}: {}", meaning(state));
        Ok(Plan::new(
            sentence,
            json!({ "partner": partner, "previous_state": before.as_str(), "state": state.as_str() }),
            Page::new(),
        ))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = SetPartnerState::of(partner, state).request_id(session.request_id(irrevocable.effect));
    let set = accepted(session.operator().set_partner_state(request).await)?;
    let json = json!({
        "partner": partner,
        "previous_state": set.previous_state.as_str(),
        "state": set.state.as_str(),
        "replayed": set.written.replayed,
    });
    let meaning = meaning(set.state);
    let page = Page::new().text(format!("{partner} was {} and is {}: {meaning}.", set.previous_state, set.state));
    Ok(Answer::new(json, page))
}

async fn rename(session: &Session, partner: &str, name: &str, effect: Effect) -> Result<Answer, Failure> {
    let request = RenamePartner::to(partner, name).request_id(session.request_id(effect));
    let renamed = accepted(session.operator().rename_partner(request).await)?;
    let (before, now) = (&renamed.previous_display_name, &renamed.display_name);
    let json = json!({
        "partner": partner,
        "previous_display_name": before,
        "display_name": now,
        "replayed": renamed.written.replayed,
    });
    Ok(Answer::new(json, Page::new().text(format!("{partner} was called {before} and is called {now}."))))
}

/// What a partner may do in a state.
fn meaning(state: PartnerState) -> &'static str {
    match state {
        PartnerState::Active => "it may do everything its certificate covers",
        PartnerState::Restricted => "it may not issue; all else is allowed",
        PartnerState::Suspended => {
            "it may neither issue nor accept, nor reverse issues of earlier windows; returns and reads stay allowed, and its \
             points stay spendable at others"
        }
        PartnerState::Other(_) | _ => "a state that this command does not know",
    }
}

async fn list(context: &Context, session: &Session) -> Result<Answer, Failure> {
    let partners = session.operator().partners().all().await?;
    let near = endings::near(&context.config()?);
    let json = json!({
        "currency": session.info.currency_code,
        "partners": partners.iter().map(to_json).collect::<Vec<_>>(),
        "certificates": near.to_json(),
    });
    let rows = partners.iter().map(|partner| {
        let terms = &partner.terms;
        vec![
            partner.partner_id.clone(),
            partner.display_name.clone(),
            partner.state.to_string(),
            terms.funding.to_string(),
            limits::cell(partner),
            match partner.scheduled_terms.first() {
                Some(scheduled) => session.zone.text(scheduled.effective_time),
                None => String::new(),
            },
        ]
    });
    // Prices are terms, and `partner terms` shows all of them; here they would make the table too wide for a screen.
    let header = ["partner", "name", "state", "funding", "limit used most", "new terms from"];
    let mut page = Page::new().table(&header, rows);
    if partners.iter().any(|partner| !partner.scheduled_terms.is_empty()) {
        page = page.text(session.zone.note());
    }
    page = page.next("clearing partner terms PARTNER   (shows prices, fees and expiry)");
    let alarmed: Vec<&str> =
        partners.iter().filter(|partner| partner.alarm).map(|partner| partner.partner_id.as_str()).collect();
    if let Some(first) = alarmed.first() {
        page = page
            .text(format!("! {} used 80 % of a limit or more.", alarmed.join(", ")))
            .next(format!("clearing partner limits {first}"));
    }
    for line in near.lines() {
        page = page.text(line);
    }
    Ok(Answer::new(json, page))
}

fn state(text: &str) -> Result<PartnerState, String> {
    let all = [
        ("ACTIVE", PartnerState::Active),
        ("RESTRICTED", PartnerState::Restricted),
        ("SUSPENDED", PartnerState::Suspended),
    ];
    values::one_of(text, &all)
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
        "limits": limits::to_json(&partner.limits),
        "limit_uses": limits::uses_to_json(&partner.limit_uses),
        "alarm": partner.alarm,
        "consents": partner.consents.iter().map(consent_to_json).collect::<Vec<_>>(),
    })
}
