//! `clearing person`: the people of the operator, what they may do, and what needs two of them.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use clearing::clock::Clock;
use clearing::recovery::{RecoverError, recover};
use clearing_certs::{Identity, Kind, parse_identity};
use clearing_core::facts::person::PersonId;
use partner_sdk::Holder;
use partner_sdk::operator::{Person, PersonRole, SetPerson, SetTwoPersonList};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::context::Context;
use crate::database::open_existing;
use crate::failure::{Exit, Failure, accepted, with_causes};
use crate::invite::{self, Terms};
use crate::irrevocable::confirmed;
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment, moment_or_none};
use crate::times::Zone;
use crate::values;

/// The person commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lets a new person act for the operator, and prints the string by which it joins: it needs a certificate of its own.
    #[command(
        after_help = "Examples:\n  clearing person add anna --roles clerk\n  clearing person add boris --roles approver,support\n  \
                      clearing person add clara --roles clerk --no-invite\n\n\
                      Roles: clerk prepares and records; approver approves what others have proposed; support looks after members; \
                      auditor reads.\nWho is to be approver gets that role once it has joined, by `clearing person roles`; at once with \
                      --certificate.\n\
                      From the second approver on, for good, two persons are needed for what `clearing person list` shows."
    )]
    Add(Add),
    /// Sets all roles of a person. Without any it may do nothing.
    #[command(
        after_help = "Examples:\n  clearing person roles anna --roles clerk,approver\n  clearing person roles boris --none\n\n\
                      Who becomes approver has a certificate of the house, or one that --certificate names.\n\
                      Before the second approver it asks, as that is for good: two persons are needed from then on."
    )]
    Roles(Roles),
    /// The people, their roles, and what needs two of them.
    #[command(after_help = "Examples:\n  clearing person list\n  clearing person list --output json")]
    List,
    /// Sets what one person does alone of what else needs two.
    #[command(
        after_help = "Examples:\n  clearing person alone SetTerms SetLimits   these two need one person\n  clearing person alone --none               \
                      the whole list needs two\n\nIt needs two persons itself. SetPerson, SetTwoPersonList and CreateInvites stay on the list.\n\
                      CreateInvites is on it for people and auditors; partners are invited by one person."
    )]
    Alone(Alone),
    /// Names an approver on the machine of the house while `clearing serve` is stopped: where the keys of approvers are lost.
    #[command(
        after_help = "Examples:\n  clearing person recover anna --yes\n\nAn entry of the journal records it. The person is clerk and approver some \
                      days later (`account_change_days`, 3).\nWhere no approver is left, name two."
    )]
    Recover(Recover),
}

/// Arguments of `person add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The person's name, as its certificate says it: operator/NAME.
    #[arg(value_parser = values::person)]
    person: PersonId,
    /// All roles of the person: clerk, approver, support, auditor.
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',', value_parser = role, required = true)]
    roles: Vec<PersonRole>,
    /// Invites nobody: the person has a certificate, or gets one that is made by hand (`clearing partner certificate NAME --person`).
    #[arg(long)]
    no_invite: bool,
    #[command(flatten)]
    becoming: Becoming,
    #[command(flatten)]
    effect: Effect,
}

/// What an approver needs to become one.
#[derive(Debug, Args)]
struct Becoming {
    /// The certificate (PEM) that the person has, where it was made by hand: an approver has one before it is one. Without it the
    /// house knows by itself who has joined.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Makes the second approver without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long)]
    yes: bool,
}

/// Arguments of `person roles`.
#[derive(Debug, Args)]
pub struct Roles {
    /// The person's name, as its certificate says it: operator/NAME.
    #[arg(value_parser = values::person)]
    person: PersonId,
    /// All roles of the person: clerk, approver, support, auditor.
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',', value_parser = role, required_unless_present = "none")]
    roles: Vec<PersonRole>,
    /// No role: the person may do nothing.
    #[arg(long, conflicts_with = "roles")]
    none: bool,
    #[command(flatten)]
    becoming: Becoming,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `person alone`.
#[derive(Debug, Args)]
pub struct Alone {
    /// The operations, by the names that `clearing person list` shows.
    #[arg(value_name = "OPERATION", required_unless_present = "none")]
    operations: Vec<String>,
    /// None of them: the whole list needs two persons.
    #[arg(long, conflicts_with = "operations")]
    none: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `person recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// The person's name, as its certificate says it: operator/NAME.
    #[arg(value_parser = values::person)]
    person: PersonId,
    /// Where the books are: sqlite:FILE or postgres://... The same as --set house.database=...
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Does it without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long)]
    yes: bool,
}

/// Runs one of them.
pub async fn run(context: Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Add(arguments) => add(&context, arguments).await,
        Command::Roles(Roles { person, roles, none: _, becoming, effect }) => {
            let serial = becoming.serial(person)?;
            let session = Session::open(&context).await?;
            becoming.confirm(&context, &session, person, &roles).await?;
            let (json, page) = set(&session, SetPerson::of(person.as_str(), roles).certificate(serial), effect).await?;
            Ok(Answer::new(
                json,
                page.next(format!("clearing partner invite --person {person}   (where it has no certificate)")),
            ))
        }
        Command::List => list(&Session::open(&context).await?).await,
        Command::Alone(arguments) => alone(&Session::open(&context).await?, arguments).await,
        Command::Recover(arguments) => run_recover(context, arguments).await,
    }
}

/// A role by its word.
fn role(text: &str) -> Result<PersonRole, String> {
    let named: Vec<_> = PersonRole::ALL.iter().map(|role| (role.as_str(), *role)).collect();
    values::one_of(text, &named)
}

impl Becoming {
    /// The serial number of the certificate that was named; empty if none was.
    ///
    /// # Errors
    /// Usage for a file that has no certificate of the person, or one that has ended.
    fn serial(&self, person: PersonId) -> Result<String, Failure> {
        let Some(path) = &self.certificate else { return Ok(String::new()) };
        let pem = fs::read(path).map_err(|error| Failure::file("cannot read", path, &error))?;
        let wrong = |problem: String| {
            Failure::usage(format!("{}: {problem}", path.display()))
                .hint(format!("name the certificate of operator/{person}, as PEM"))
        };
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| wrong(error.to_string()))?;
        let Identity { kind, id, serial_hex, not_after, .. } =
            parse_identity(&certificate).map_err(|error| wrong(error.to_string()))?;
        if kind != Kind::Operator || id != person.as_str() {
            return Err(wrong(format!("it is a certificate of {kind}/{id}")));
        }
        if not_after <= Clock::system().now().to_jiff() {
            return Err(wrong(format!("it has ended at {not_after}")));
        }
        Ok(serial_hex)
    }

    /// Asks before somebody becomes the second approver.
    async fn confirm(
        &self,
        context: &Context,
        session: &Session,
        person: PersonId,
        roles: &[PersonRole],
    ) -> Result<(), Failure> {
        if !roles.contains(&PersonRole::Approver) {
            return Ok(());
        }
        let listed = session.operator().people().await?;
        let approver = |known: &&Person| known.roles.contains(&PersonRole::Approver);
        let others = listed.people.iter().filter(approver).filter(|known| known.person_id != person.as_str()).count();
        if listed.two_persons || others == 0 {
            return Ok(());
        }
        let needs = listed.two_person_operations.join(", ");
        let sentence = format!(
            "makes operator/{person} the second approver; from then on, for good, these need two persons: {needs}. Open invites to \
             people and auditors give nothing any more"
        );
        confirmed(self.yes, context.output, &sentence)
    }
}

async fn add(context: &Context, arguments: Add) -> Result<Answer, Failure> {
    let Add { person, roles, no_invite, becoming, effect } = arguments;
    let serial = becoming.serial(person)?;
    let session = &Session::open(context).await?;
    let known = session.operator().people().await?.people;
    // Repeated under its id it is answered as it was.
    if effect.request_id.is_none() && known.iter().any(|known| known.person_id == person.as_str()) {
        return Err(Failure::new(Exit::Rejected, format!("there is a person {person} already"))
            .hint("clearing person roles sets the roles of somebody who is known"));
    }
    // Who has no certificate yet becomes approver later.
    let later = serial.is_empty() && roles.contains(&PersonRole::Approver);
    let given: Vec<PersonRole> = roles.iter().copied().filter(|role| !later || *role != PersonRole::Approver).collect();
    becoming.confirm(context, session, person, &given).await?;
    let invites = serial.is_empty() && !no_invite && !session.info.enrolment_endpoint.is_empty();
    let invited = if invites {
        Some(invite::invite(session, Holder::Operator(person.to_string()), &Terms::default()).await?)
    } else {
        None
    };
    // Where two persons are needed, both wait.
    let by_hand = invited.is_none();
    let set = set(session, SetPerson::of(person.as_str(), given).certificate(&*serial), effect).await;
    let (mut json, page) = set.or_else(|failure| failure.as_proposed().ok_or(failure))?;
    let mut page = match invited {
        Some(invited) => {
            json["invite"] = invited.to_json();
            page.and(&invited.page(&session.zone))
        }
        None if no_invite || !serial.is_empty() => page,
        None => page.next(format!("clearing partner certificate {person} --person --out {person}/")),
    };
    if later {
        json["roles_once_joined"] = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().into();
        let all: Vec<String> = roles.iter().map(|role| role.as_str().to_lowercase()).collect();
        let file = if by_hand { format!(" --certificate {person}/{person}.pem") } else { String::new() };
        page = page
            .text("An approver has a certificate before it is one, so that role is given once the person has joined.")
            .next(format!("clearing person roles {person} --roles {}{file}   (once it has joined)", all.join(",")));
    }
    Ok(Answer::new(json, page))
}

/// Sets the roles of a person, and tells it to programs and people.
async fn set(session: &Session, set: SetPerson, effect: Effect) -> Result<(Value, Page), Failure> {
    let done = accepted(session.operator().set_person(set.request_id(session.request_id(effect))).await)?;
    let json = json!({ "person": to_json(&done.person), "replayed": done.written.replayed });
    let Person { person_id, roles, .. } = &done.person;
    Ok((json, Page::new().text(format!("operator/{person_id} has these roles now: {}.", words(roles)))))
}

async fn alone(session: &Session, arguments: Alone) -> Result<Answer, Failure> {
    let request = SetTwoPersonList::without(arguments.operations);
    let request = request.request_id(session.request_id(arguments.effect));
    let done = accepted(session.operator().set_two_person_list(request).await)?;
    let json = json!({ "one_person_operations": done.one_person_operations, "replayed": done.written.replayed });
    let page = match &done.one_person_operations[..] {
        [] => Page::new().text("The whole list needs two persons."),
        some => Page::new().text(format!("One person does alone: {}.", some.join(", "))),
    };
    Ok(Answer::new(json, page))
}

async fn list(session: &Session) -> Result<Answer, Failure> {
    let listed = session.operator().people().await?;
    let json = json!({
        "people": listed.people.iter().map(to_json).collect::<Vec<_>>(),
        "two_persons": listed.two_persons,
        "two_person_operations": listed.two_person_operations,
        "one_person_operations": listed.one_person_operations,
    });
    let rows = listed.people.iter().map(|person| row(person, &session.zone));
    let needs = listed.two_person_operations.join(", ");
    let mut page = Page::new().table(&["person", "roles", "since", "coming"], rows).text(if listed.two_persons {
        format!("These need two persons: {needs}.")
    } else {
        format!("From the second approver on these need two persons, for good: {needs}.")
    });
    if !listed.one_person_operations.is_empty() {
        page =
            page.text(format!("The coalition lets one person do alone: {}.", listed.one_person_operations.join(", ")));
    }
    Ok(Answer::new(json, page.text(session.zone.note())))
}

fn row(person: &Person, zone: &Zone) -> Vec<String> {
    let coming = person.coming_time.map(|time| format!("{} from {}", words(&person.coming_roles), zone.text(time)));
    // The first of them have been since the beginning.
    let since = person.since_time.filter(|since| *since > SystemTime::UNIX_EPOCH);
    vec![
        format!("operator/{}", person.person_id),
        words(&person.roles),
        since.map_or_else(String::new, |since| zone.text(since)),
        coming.unwrap_or_default(),
    ]
}

/// Roles as people read them.
fn words(roles: &[PersonRole]) -> String {
    let words: Vec<String> = roles.iter().map(|role| role.as_str().to_lowercase()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn to_json(person: &Person) -> Value {
    let words = |roles: &[PersonRole]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
    json!({
        "person": person.person_id,
        "roles": words(&person.roles),
        "since_time": moment_or_none(person.since_time),
        "coming_roles": words(&person.coming_roles),
        "coming_time": moment_or_none(person.coming_time),
    })
}

async fn run_recover(context: Context, arguments: Recover) -> Result<Answer, Failure> {
    let context = context.with("--database", "house.database", arguments.database);
    let url = context.config()?.database();
    let person = arguments.person;
    let store = open_existing(&url, &context.waiting).await?;
    let coalition = store.load_house().await?.house.coalition;
    let days = coalition.account_change_days;
    let sentence = format!("makes operator/{person} clerk and approver in {days} days, as an entry of the journal");
    confirmed(arguments.yes, context.output, &sentence)?;
    let _occupancy = store.occupy("clearing person recover", Clock::system().now())?;
    let named = recover(store, Clock::system(), person).await.map_err(|error| match &error {
        RecoverError::Refused(_) => Failure::new(Exit::Rejected, with_causes(&error)),
        RecoverError::Alive => Failure::usage(&error)
            .hint("stop `clearing serve` on every node; of one that was killed that is known 10 seconds later"),
        RecoverError::Store(_) | RecoverError::Write(_) | RecoverError::Untold => Failure::internal(&error),
    })?;
    let since = SystemTime::from(named.now.since.to_jiff());
    let roles = named.now.roles.to_string();
    let json = json!({ "person": person.as_str(), "roles": roles, "since_time": moment(since) });
    let zone = Zone::of(&coalition.time_zone);
    let page = Page::new()
        .text(format!("operator/{person} is {} from {} on.", roles.to_lowercase(), zone.text(since)))
        .text("Whoever can be an approver again needs a second one: where none is left, name two.")
        .next(format!("clearing partner certificate {person} --person --out {person}/"))
        .next("clearing serve");
    Ok(Answer::new(json, page))
}
