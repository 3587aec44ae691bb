//! `clearing certificate`: who may connect, and ending that; and `clearing partner lock`, for a brand whose keys are stolen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use clearing::clock::Clock;
use clearing_certs::Revoked;
use clearing_core::units::Timestamp;
use partner_sdk::operator::{EntrySearch, PartnerState, SetPartnerState};
use partner_sdk::{
    Credential, CredentialFilter, CredentialState, Device, Entry, EntryKind, Holder, Invite, InviteFilter,
    RevokeCredentials, WithdrawInvites,
};
use serde_json::{Value, json};

use crate::authority::Place;
use crate::context::Context;
use crate::failure::{Exit, Failure, accepted};
use crate::files::{may_write, write};
use crate::invite::Whose;
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::passphrase::PassphraseFlags;
use crate::renewal;
use crate::server_certificate;
use crate::session::{Effect, Session, moment, moment_or_none};
use crate::times::Zone;
use crate::values;

/// The certificate commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the certificates that the house has issued: whose, for what, until when.
    #[command(after_help = "Examples:\n  clearing certificate list\n  clearing certificate list grocer --all\n  \
                            clearing certificate list --person anna --output json\n\n\
                            Certificates that were made by hand (clearing partner certificate) are not in it, unless revoked.")]
    List(List),
    /// Shows one certificate: where it came from, and what became of it.
    #[command(after_help = "Examples:\n  clearing certificate show 5d0e7c3a9f000123456789ab5d0e7c3a")]
    Show {
        /// Its serial number.
        serial: String,
    },
    /// Revokes certificates, at once and for good. It never needs a second person.
    ///
    /// The next write under one of them is refused on every node; the next read, and connections that are open, within a second.
    #[command(
        after_help = "Examples:\n  clearing certificate revoke 5d0e7c3a9f000123456789ab5d0e7c3a --reason sold\n  \
                            clearing certificate revoke --person anna --reason left      all that anna has\n\n\
                            For a brand whose keys are stolen: clearing partner lock grocer"
    )]
    Revoke(Revoke),
    /// Writes the list of revoked certificates (CRL), signed by the authority of a folder, for those who check it themselves.
    ///
    /// The house needs none: it refuses what is revoked by its own books.
    #[command(after_help = "Examples:\n  clearing certificate crl --out revoked.crl\n  \
                            clearing certificate crl --out revoked.crl --force --days 2 --authority /media/key/authority")]
    Crl(Crl),
    /// Renews the certificate that these commands show (client.cert), over its own connection and with a new key.
    ///
    /// The former one stays valid until its end.
    #[command(after_help = "Examples:\n  clearing certificate renew\n  clearing certificate renew --output json")]
    Renew,
    /// Makes a new certificate for the house, in the place of the one that it shows.
    #[command(
        after_help = "Examples:\n  clearing certificate server\n  clearing certificate server --server-name clearing.points.example --days 90"
    )]
    Server(server_certificate::Arguments),
    /// Lists invites: who was invited, and what became of it.
    #[command(after_help = "Examples:\n  clearing certificate invites\n  clearing certificate invites grocer --all")]
    Invites(List),
    /// Takes back invites that were not used.
    #[command(after_help = "Examples:\n  clearing certificate withdraw 019c1e0a-5d0e-7c3a-9f00-0123456789ab")]
    Withdraw {
        /// Their ids, as `clearing certificate invites` shows them.
        #[arg(required = true)]
        invites: Vec<String>,
        #[command(flatten)]
        effect: Effect,
    },
}

/// Arguments of `certificate list` and `certificate invites`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    whose: Whose,
    /// Also those that cannot be used any more.
    #[arg(long)]
    all: bool,
    /// How many at most, the newest first.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = values::whole::<usize>)]
    limit: usize,
}

/// Arguments of `certificate revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Their serial numbers, as `clearing certificate list` shows them.
    #[arg(required_unless_present_any = ["person", "auditor"], conflicts_with_all = ["person", "auditor"])]
    serials: Vec<String>,
    /// All that this person of the operator has, invites among it.
    #[arg(long, value_name = "NAME", conflicts_with = "auditor")]
    person: Option<String>,
    /// All that this auditor has, invites among it.
    #[arg(long, value_name = "NAME")]
    auditor: Option<String>,
    /// Why, in a word of A-Z a-z 0-9 . _ : / # -, such as sold.
    #[arg(long, value_name = "WORD")]
    reason: String,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `certificate crl`.
#[derive(Debug, Args)]
pub struct Crl {
    /// The file, as PEM.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrites the file of --out if there is one.
    #[arg(long)]
    force: bool,
    /// After how many days the next list is due.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = |text: &str| values::between::<i64>(text, 1, 366))]
    days: i64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Arguments of `partner lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// Which partner.
    partner: String,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List(arguments) => list(&Session::open(context).await?, &arguments).await,
        Command::Show { serial } => show(&Session::open(context).await?, &serial).await,
        Command::Revoke(arguments) => revoke(context, arguments).await,
        Command::Crl(arguments) => crl(context, &arguments).await,
        Command::Renew => renewal::run(context).await,
        Command::Server(arguments) => server_certificate::run(context, &arguments),
        Command::Invites(arguments) => invites(&Session::open(context).await?, &arguments).await,
        Command::Withdraw { invites, effect } => withdraw(&Session::open(context).await?, invites, effect).await,
    }
}

async fn list(session: &Session, arguments: &List) -> Result<Answer, Failure> {
    let filter = if arguments.all { CredentialFilter::all() } else { CredentialFilter::all().valid() };
    let filter = match arguments.whose.holder() {
        Some(holder) => filter.holder(holder),
        None => filter,
    };
    let mut found = session.client.credentials(filter).first(arguments.limit.saturating_add(1)).await?;
    let more = found.len() > arguments.limit;
    found.truncate(arguments.limit);
    let json = json!({ "certificates": found.iter().map(to_json).collect::<Vec<_>>(), "more": more });
    if found.is_empty() {
        let page = Page::new().text("The house has issued no certificate that is like this.");
        return Ok(Answer::new(json, page.next("clearing partner invite PARTNER")));
    }
    let page = Page::new().table(&HEADER, found.iter().map(|one| row(one, &session.zone))).text(session.zone.note());
    let page = if more {
        page.text(format!("There are more: --limit {}.", arguments.limit.saturating_mul(2).max(1)))
    } else {
        page
    };
    Ok(Answer::new(json, page))
}

const HEADER: [&str; 6] = ["serial", "whose", "device", "may", "state", "until"];

fn row(credential: &Credential, zone: &Zone) -> Vec<String> {
    vec![
        credential.serial.clone(),
        credential.holder.as_ref().map_or_else(|| "not issued by the house".to_owned(), Holder::to_string),
        device(credential.device.as_ref()),
        scopes(credential),
        credential.state.to_string(),
        zone.text_or_none(credential.end_time),
    ]
}

async fn show(session: &Session, serial: &str) -> Result<Answer, Failure> {
    let found = session.client.credentials(CredentialFilter::all().serial(serial)).first(1).await?;
    let Some(credential) = found.first() else {
        return Err(Failure::new(Exit::Rejected, format!("the house has issued no certificate {serial}"))
            .hint("`clearing certificate list --all` shows those that it has; one that was made by hand is known when it is revoked"));
    };
    let zone = &session.zone;
    let mut rows = vec![
        ("serial", credential.serial.clone()),
        ("whose", credential.holder.as_ref().map(Holder::to_string).unwrap_or_default()),
        ("device", device(credential.device.as_ref())),
        ("may", scopes(credential)),
        ("state", credential.state.to_string()),
        ("issued", zone.text_or_none(credential.create_time)),
        ("renewed from", zone.text_or_none(credential.renew_time)),
        ("ends", zone.text_or_none(credential.end_time)),
        ("invite", credential.invite_id.clone()),
        ("renews", credential.renews_serial.clone()),
        ("renewed by", credential.renewed_by_serial.clone()),
        ("revoked", zone.text_or_none(credential.revoke_time)),
        ("revoked by", credential.revoked_by.clone()),
        ("why", credential.revoke_reason_code.clone()),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    let page = Page::new().table(&["certificate", ""], rows).text(zone.note());
    let page = if credential.state == CredentialState::Valid {
        page.next(format!("clearing certificate revoke {serial} --reason WORD   (ends it)"))
    } else {
        page
    };
    Ok(Answer::new(to_json(credential), page))
}

async fn revoke(context: &Context, arguments: Revoke) -> Result<Answer, Failure> {
    let Revoke { serials, person, auditor, reason, irrevocable } = arguments;
    let holder = person.map(Holder::Operator).or_else(|| auditor.map(Holder::Auditor));
    let session = irrevocable.open(context).await?;
    let plan = async {
        let mut there = Vec::new();
        match &holder {
            Some(holder) => there = valid(&session, holder).await?,
            None => {
                for serial in &serials {
                    there.extend(session.client.credentials(CredentialFilter::all().serial(serial)).first(1).await?);
                }
            }
        }
        let sentence = match &holder {
            Some(holder) => format!("revokes all that {holder} has, and the invites that it could use"),
            None => format!("revokes {}", serials.join(" and ")),
        };
        let json = json!({ "certificates": there.iter().map(to_json).collect::<Vec<_>>() });
        Ok(Plan::new(sentence, json, Page::new().table(&HEADER, there.iter().map(|one| row(one, &session.zone)))))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = match holder {
        Some(holder) => RevokeCredentials::all_of(holder, reason),
        None => RevokeCredentials::serials(serials, reason),
    };
    let request = request.request_id(session.request_id(irrevocable.effect));
    let revoked = accepted(session.client.revoke_credentials(request).await)?;
    let json = json!({
        "revoked": revoked.revoked_serials,
        "withdrawn_invites": revoked.withdrawn_count,
        "replayed": revoked.written.replayed,
    });
    let mut page = Page::new().text(match revoked.revoked_serials.as_slice() {
        [] => "Nothing that was valid was left to revoke.".to_owned(),
        serials => format!("Revoked: {}.", serials.join(", ")),
    });
    if revoked.withdrawn_count > 0 {
        page = page.text(format!("Invites taken back: {}.", revoked.withdrawn_count));
    }
    Ok(Answer::new(json, page))
}

async fn crl(context: &Context, arguments: &Crl) -> Result<Answer, Failure> {
    may_write(&arguments.out, arguments.force)?;
    let authority = arguments.place.folder(context)?.issuing(context, &arguments.passphrase)?;
    let session = Session::open(context).await?;
    let mut revoked = Vec::new();
    let mut all = session.client.credentials(CredentialFilter::all());
    while let Some(credential) = all.try_next().await? {
        let Some(time) = credential.revoke_time.filter(|_| credential.state == CredentialState::Revoked) else {
            continue;
        };
        let revoke_time = jiff::Timestamp::try_from(time).map_err(|error| Failure::internal(&error))?;
        revoked.push(Revoked { serial_hex: credential.serial, revoke_time });
    }
    let now = Clock::system().now();
    // It grows from list to list, whoever makes them.
    let number = u64::try_from(now.0).map_err(|error| Failure::internal(&error))?;
    let (this, next) = (now.to_jiff(), Timestamp(now.0).plus_days(arguments.days).to_jiff());
    let pem = authority.revocation_list(&revoked, number, this, next)?;
    write(&arguments.out, &pem, arguments.force)?;
    let shown = arguments.out.display();
    let json = json!({
        "file": shown.to_string(),
        "revoked_count": revoked.len(),
        "number": number,
        "next_update": next.to_string(),
    });
    let page = Page::new()
        .text(format!(
            "{} certificates are in {shown}; the next list is due {}.",
            revoked.len(),
            session.zone.said(next.into())
        ))
        .text("Whoever reads it at connecting needs a list of each authority that it trusts.");
    Ok(Answer::new(json, page))
}

async fn invites(session: &Session, arguments: &List) -> Result<Answer, Failure> {
    let filter = if arguments.all { InviteFilter::all() } else { InviteFilter::all().open() };
    let filter = match arguments.whose.holder() {
        Some(holder) => filter.holder(holder),
        None => filter,
    };
    let mut found = session.client.invites(filter).first(arguments.limit.saturating_add(1)).await?;
    let more = found.len() > arguments.limit;
    found.truncate(arguments.limit);
    let json = json!({ "invites": found.iter().map(invite_to_json).collect::<Vec<_>>(), "more": more });
    if found.is_empty() {
        return Ok(Answer::new(
            json,
            Page::new().text("There is no invite like this.").next("clearing partner invite PARTNER"),
        ));
    }
    let zone = &session.zone;
    let rows = found.iter().map(|invite| {
        vec![
            invite.invite_id.clone(),
            invite.holder.to_string(),
            device(invite.device.as_ref()),
            invite.state.to_string(),
            zone.text(invite.end_time),
            invite.created_by.clone(),
            invite.serial.clone(),
        ]
    });
    let header = ["invite", "whose", "device", "state", "until", "made by", "certificate"];
    let mut page = Page::new().table(&header, rows).text(zone.note());
    for seen in found.iter().filter(|invite| invite.foreign_attempt_count > 0) {
        page = page.text(format!(
            "! {} was tried {} times with another key after it was used: somebody else has seen the string.",
            seen.invite_id, seen.foreign_attempt_count
        ));
        if !seen.serial.is_empty() {
            page = page.next(format!("clearing certificate revoke {} --reason seen", seen.serial));
        }
    }
    let page = if more {
        page.text(format!("There are more: --limit {}.", arguments.limit.saturating_mul(2).max(1)))
    } else {
        page
    };
    Ok(Answer::new(json, page))
}

async fn withdraw(session: &Session, invites: Vec<String>, effect: Effect) -> Result<Answer, Failure> {
    let request = WithdrawInvites::new(invites).request_id(session.request_id(effect));
    let withdrawn = accepted(session.client.withdraw_invites(request).await)?;
    let json = json!({ "withdrawn": withdrawn.withdrawn_count, "replayed": withdrawn.written.replayed });
    let page = Page::new().text(match withdrawn.withdrawn_count {
        0 => "None of them could be used any more.".to_owned(),
        1 => "1 invite can be used no more.".to_owned(),
        count => format!("{count} invites can be used no more."),
    });
    let page = if withdrawn.withdrawn_count == 0 {
        page.next("clearing certificate invites --all   (shows which were used, and what came of them)")
    } else {
        page
    };
    Ok(Answer::new(json, page))
}

/// Why the keys of a locked partner are revoked, in the books.
const STOLEN: &str = "keys-stolen";

/// Runs `partner lock`.
pub async fn lock(context: &Context, arguments: Lock) -> Result<Answer, Failure> {
    let Lock { partner, irrevocable } = arguments;
    let session = irrevocable.open(context).await?;
    let holder = Holder::Partner(partner.clone());
    let plan = async {
        let there = valid(&session, &holder).await?;
        let open = session.client.invites(InviteFilter::all().holder(holder.clone()).open()).all().await?;
        let holds = open_holds(&session, &partner).await?;
        let json = json!({
            "partner": partner,
            "certificates": there.iter().map(to_json).collect::<Vec<_>>(),
            "invites": open.iter().map(invite_to_json).collect::<Vec<_>>(),
            "open_holds": holds.iter().map(hold_to_json).collect::<Vec<_>>(),
        });
        let sentence = format!(
            "revokes {} certificates and {} invites of {partner} and suspends it: from then on nobody acts in its name",
            there.len(),
            open.len()
        );
        let page = Page::new().table(&HEADER, there.iter().map(|one| row(one, &session.zone)));
        Ok(Plan::new(sentence, json, page.and(&holds_page(&holds, &session.zone))))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = RevokeCredentials::all_of(holder, STOLEN).request_id(session.request_id(irrevocable.effect));
    let revoked = accepted(session.client.revoke_credentials(request).await)?;
    // Whoever repeats the command suspends what is suspended, which changes nothing.
    let request = SetPartnerState::of(&partner, PartnerState::Suspended);
    let set = accepted(session.operator().set_partner_state(request).await).map_err(|failure| {
        failure.hint(format!("its keys are revoked; `clearing partner state {partner} suspended` does the rest"))
    })?;
    let holds = open_holds(&session, &partner).await?;
    let own_authority = context.config()?.server().ok().and_then(|settings| settings.partner_authorities);
    let own_authority = own_authority.map(|folder| folder.join(format!("{partner}.pem"))).filter(|path| path.exists());
    let json = json!({
        "partner": partner,
        "revoked": revoked.revoked_serials,
        "withdrawn_invites": revoked.withdrawn_count,
        "previous_state": set.previous_state.as_str(),
        "state": set.state.as_str(),
        "open_holds": holds.iter().map(hold_to_json).collect::<Vec<_>>(),
        "own_authority": own_authority,
        "replayed": revoked.written.replayed,
    });
    let page = Page::new()
        .text(format!("{partner} is locked:"))
        .text(format!("  certificates revoked   {}", revoked.revoked_serials.len()))
        .text(format!("  invites taken back     {}", revoked.withdrawn_count))
        .text(format!("  state                  {}, it was {}", set.state, set.previous_state))
        .and(&holds_page(&holds, &session.zone))
        .text("Certificates that were made by hand before are refused as well, whatever their numbers.")
        .and(&own_authority_page(own_authority.as_deref(), &partner))
        .next(format!("clearing entry find --partner {partner}   (what was done in its name)"))
        .next(format!("clearing partner invite {partner}   (once its machines are clean: a new key)"))
        .next(format!("clearing partner state {partner} active"));
    Ok(Answer::new(json, page))
}

/// What is said of a brand's own authority, which can go on making certificates.
fn own_authority_page(own: Option<&Path>, partner: &str) -> Page {
    let Some(path) = own else { return Page::new() };
    Page::new().text(format!(
        "! {} still vouches for it: if its key may be stolen, clearing partner authority {partner} --remove, and SIGHUP to every node.",
        path.display()
    ))
}

async fn valid(session: &Session, holder: &Holder) -> Result<Vec<Credential>, Failure> {
    Ok(session.client.credentials(CredentialFilter::all().holder(holder.clone()).valid()).all().await?)
}

/// How many authorizations are looked at, and how many entries by which holds end.
const HOLDS_MAX: usize = 1_000;
const ENDS_MAX: usize = 10_000;

/// The holds of a partner that neither it nor the house has ended, the newest first: of its last 1,000.
async fn open_holds(session: &Session, partner: &str) -> Result<Vec<Entry>, Failure> {
    let of = |partner: &str, kind| EntrySearch::all().partner(partner).kind(kind);
    let mut holds = session.operator().find_entries(of(partner, EntryKind::Authorize)).first(HOLDS_MAX).await?;
    let Some(oldest) = holds.last().map(|hold| hold.entry_time) else { return Ok(holds) };
    let mut ended = BTreeSet::new();
    let ends = [EntryKind::Capture, EntryKind::Void, EntryKind::Undo].map(|kind| of(partner, kind));
    // The house lets holds lapse.
    for search in ends.into_iter().chain([of("operator", EntryKind::Lapse), of(partner, EntryKind::Lapse)]) {
        let mut found = session.operator().find_entries(search);
        let mut looked = 0;
        // None ends before it begins.
        while let Some(entry) = found.try_next().await?.filter(|entry| entry.entry_time >= oldest && looked < ENDS_MAX)
        {
            ended.extend(entry.linked_entry_id);
            looked += 1;
        }
    }
    holds.retain(|hold| !ended.contains(&hold.entry_id));
    Ok(holds)
}

fn reserved(hold: &Entry) -> i64 {
    hold.lots.iter().map(|lot| lot.points).sum()
}

fn hold_to_json(hold: &Entry) -> Value {
    json!({
        "hold_id": hold.entry_id,
        "member_id": hold.member_id,
        "points": reserved(hold),
        "authorize_time": moment(hold.entry_time),
        "journal_sequence": hold.journal_sequence,
    })
}

fn holds_page(holds: &[Entry], zone: &Zone) -> Page {
    if holds.is_empty() {
        return Page::new().text("No hold of it is open.");
    }
    let rows = holds.iter().map(|hold| {
        vec![
            hold.entry_id.clone(),
            hold.member_id.clone().unwrap_or_default(),
            reserved(hold).to_string(),
            zone.text(hold.entry_time),
        ]
    });
    Page::new()
        .text("Holds of it that are open; each lapses by itself at its end:")
        .table(&["hold", "member", ">points", "authorized"], rows)
}

fn device(device: Option<&Device>) -> String {
    let Some(device) = device else { return String::new() };
    let place: Vec<&str> = [&*device.store, &*device.till].into_iter().filter(|part| !part.is_empty()).collect();
    if place.is_empty() { device.name.clone() } else { format!("{} ({})", device.name, place.join("/")) }
}

fn scopes(credential: &Credential) -> String {
    let words: Vec<String> = credential.scopes.iter().map(|scope| scope.as_str().to_lowercase()).collect();
    if words.is_empty() { "all".to_owned() } else { words.join(", ") }
}

fn device_to_json(device: &Device) -> Value {
    json!({
        "name": device.name,
        "store": device.store,
        "till": device.till,
        "calls_per_second": device.calls_per_second,
        "connections_max": device.connections_max,
    })
}

fn holder_to_json(holder: &Holder) -> Value {
    json!({ "kind": holder.kind(), "id": holder.id() })
}

fn to_json(credential: &Credential) -> Value {
    json!({
        "serial": credential.serial,
        "holder": credential.holder.as_ref().map(holder_to_json),
        "device": credential.device.as_ref().map(device_to_json),
        "scopes": credential.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "state": credential.state.as_str(),
        "create_time": moment_or_none(credential.create_time),
        "renew_time": moment_or_none(credential.renew_time),
        "end_time": moment_or_none(credential.end_time),
        "revoke_time": moment_or_none(credential.revoke_time),
        "revoked_by": credential.revoked_by,
        "revoke_reason_code": credential.revoke_reason_code,
        "invite_id": credential.invite_id,
        "renews_serial": credential.renews_serial,
        "renewed_by_serial": credential.renewed_by_serial,
    })
}

fn invite_to_json(invite: &Invite) -> Value {
    json!({
        "invite_id": invite.invite_id,
        "holder": holder_to_json(&invite.holder),
        "device": invite.device.as_ref().map(device_to_json),
        "scopes": invite.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "state": invite.state.as_str(),
        "create_time": moment(invite.create_time),
        "end_time": moment(invite.end_time),
        "created_by": invite.created_by,
        "serial": invite.serial,
        "foreign_attempt_count": invite.foreign_attempt_count,
    })
}
