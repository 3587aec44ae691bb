//! `clearing member`: what a member has, and what the operator can do about it.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use partner_sdk::operator::{
    DecayMembers, ExtendExpiry, FreezeMember, ListedMember, MembersDecayed, ReinstatePoints, RunDecay, UnfreezeMember,
    WriteOffDebt,
};
use partner_sdk::{ComingExpiry, Decimal, MemberRef};
use serde_json::{Value, json};

use crate::amounts::count;
use crate::context::Context;
use crate::failure::{Exit, Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment};
use crate::times::{self, When, Zone};
use crate::values;

/// The member commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a member has, and its id: available, held, pending, owed, and what expires next.
    #[command(
        visible_alias = "find",
        after_help = "Examples:\n  clearing member balance card:4000123\n  \
                            clearing member balance 0197f2a4-6d3e-7c11-9c55-0242ac120002 --output json"
    )]
    Balance(Who),
    /// Lists the members, by id, with what each has. For the operator and auditors.
    ///
    /// What fell due and is not booked yet, such as points that expired a moment ago, is not counted; `member balance` counts it.
    /// Whose card or phone a member is, nobody is told: the house keeps keyed hashes of identifiers.
    #[command(after_help = "Examples:\n  clearing member list --limit 20\n  \
                            clearing member list --after 0197f2a4-6d3e-7c11-9c55-0242ac120002 --output json")]
    List(List),
    /// Takes a share of available points for inactivity, once in a period: of a member, or of all that are inactive.
    ///
    /// What is taken goes the way of expired points. For the same period nothing more is taken of a member.
    ///
    /// With --all the house looks at its members page by page, while the tills go on. Whoever was active after the moment
    /// that --inactive-days or --inactive-since gives keeps all points, even who buys something while the work goes on. If
    /// it is interrupted, run the same command again: members that were served are passed over.
    #[command(after_help = "Examples:\n  clearing member decay card:4000123 --rate 0.1 --period 2026-02\n  \
                            clearing member decay --all --rate 0.1 --period 2026-02 --inactive-days 365\n  \
                            clearing member decay --all --rate 0.1 --period 2026-02 --inactive-since 2025-02-01")]
    Decay(Decay),
    /// Lets a member's points of one issuer live longer.
    #[command(
        after_help = "Examples:\n  clearing member extend-expiry card:4000123 --issuer grocer --until 2026-03-01 \\\n    \
                            --expires 2026-06-01 --reason OUTAGE-7"
    )]
    ExtendExpiry(Extend),
    /// Gives a member points again that it lost, at the cost of a funder.
    #[command(
        after_help = "Examples:\n  clearing member reinstate card:4000123 --funder operator --points 250 --reason GOODWILL\n\n\
                      A partner lets the operator do so at its cost: clearing partner consent grocer operator --budget 10000\n\
                      Where two persons are needed, one gives so many on a day as the coalition's care_points say (500)."
    )]
    Reinstate(Reinstate),
    /// Gives up what a member owes to a partner, at that partner's cost.
    #[command(
        after_help = "Examples:\n  clearing member write-off-debt card:4000123 --creditor grocer --points 70 --reason CASE-12"
    )]
    WriteOffDebt(WriteOff),
    /// Lets nothing of a member be spent: no redemption, no hold, no transfer.
    ///
    /// For a card that was stolen, or a claim that is looked into. Whoever tries to spend is told MEMBER_BLOCKED, on every node
    /// from its next batch on. The member earns, what it owes is paid, its points expire; holds that are open are captured or
    /// voided as usual. If the member is frozen already, the new end holds. `member balance` tells whether it is, `clearing log
    /// --kind freeze-member` who did it and why.
    #[command(after_help = "Examples:\n  clearing member freeze card:4000123 --reason STOLEN-31\n  \
                            clearing member freeze card:4000123 --reason CASE-12 --until 2026-03-01")]
    Freeze(Freeze),
    /// Lifts the freeze of a member before its end.
    #[command(after_help = "Examples:\n  clearing member unfreeze card:4000123\n  \
                            clearing member unfreeze card:4000123 --reason FOUND-31")]
    Unfreeze(Unfreeze),
}

/// Which member.
#[derive(Debug, Args)]
pub struct Who {
    /// An identifier, as SCHEME:VALUE, or the id of the member.
    #[arg(value_parser = member, value_name = "MEMBER")]
    member: MemberRef,
}

/// Arguments of `member list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only members with a greater id than this one.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// How many members at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = values::whole::<usize>)]
    limit: usize,
}

/// Arguments of `member decay`.
#[derive(Debug, Args)]
pub struct Decay {
    /// An identifier, as SCHEME:VALUE, or the id of the member.
    #[arg(value_parser = member, value_name = "MEMBER", required_unless_present = "all", conflicts_with = "all")]
    member: Option<MemberRef>,
    /// Of all members that are inactive, instead of one.
    #[arg(long, requires = "inactive", conflicts_with = "request_id")]
    all: bool,
    /// With --all: of those that have not been active for so many days, by the house's clock.
    #[arg(long, value_name = "DAYS", group = "inactive", requires = "all", conflicts_with_all = ["member", "request_id"],
          value_parser = |text: &str| values::between::<u32>(text, 1, 36_500))]
    inactive_days: Option<u32>,
    /// With --all: of those whose last activity was then or before; a day: before it began.
    #[arg(long, value_name = "TIME", group = "inactive", requires = "all", conflicts_with_all = ["member", "request_id"],
          value_parser = times::when)]
    inactive_since: Option<When>,
    /// The share to take: 0.1 is a tenth, rounded down to whole points.
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    rate: Decimal,
    /// The period it is for. A member decays once in each.
    #[arg(long, value_name = "CODE")]
    period: String,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `member extend-expiry`.
#[derive(Debug, Args)]
pub struct Extend {
    #[command(flatten)]
    who: Who,
    /// Whose points.
    #[arg(long, value_name = "PARTNER")]
    issuer: String,
    /// Those that expire by then, and have not expired yet; a day: by its end.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    until: When,
    /// When they shall expire instead; a day: when it begins.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    expires: When,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `member reinstate`.
#[derive(Debug, Args)]
pub struct Reinstate {
    #[command(flatten)]
    who: Who,
    /// Who issues the points and pays for them by its terms: a partner, or "operator".
    #[arg(long, value_name = "PARTNER")]
    funder: String,
    /// How many.
    #[arg(long, value_name = "POINTS", value_parser = values::points)]
    points: i64,
    /// When they expire; a day: when it begins. Left out: by the funder's terms.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    expires: Option<When>,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `member write-off-debt`.
#[derive(Debug, Args)]
pub struct WriteOff {
    #[command(flatten)]
    who: Who,
    /// To whom the member owes.
    #[arg(long, value_name = "PARTNER")]
    creditor: String,
    /// How many points at most.
    #[arg(long, value_name = "POINTS", value_parser = values::points)]
    points: i64,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `member freeze`.
#[derive(Debug, Args)]
pub struct Freeze {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    reason: Reason,
    /// When the freeze ends by itself; a day: with its end. Left out: when `member unfreeze` lifts it.
    #[arg(long, value_name = "TIME", value_parser = times::when)]
    until: Option<When>,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `member unfreeze`.
#[derive(Debug, Args)]
pub struct Unfreeze {
    #[command(flatten)]
    who: Who,
    /// Why, as a code of your own, as of `member freeze`.
    #[arg(long = "reason", value_name = "CODE")]
    reason: Option<String>,
    #[command(flatten)]
    effect: Effect,
}

/// Why.
#[derive(Debug, Args)]
struct Reason {
    /// Why, as a code of your own: 1 to 64 characters of A-Z a-z 0-9 . _ : / # -. No names: it is kept with the request.
    #[arg(long = "reason", value_name = "CODE")]
    code: String,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Balance(who) => balance(&Session::open(context).await?, who).await,
        Command::List(arguments) => list(&Session::open(context).await?, &arguments).await,
        Command::Decay(arguments) => decay(context, arguments).await,
        Command::ExtendExpiry(arguments) => extend(context, arguments).await,
        Command::Reinstate(arguments) => reinstate(context, arguments).await,
        Command::WriteOffDebt(arguments) => write_off(context, arguments).await,
        Command::Freeze(arguments) => freeze(&Session::open(context).await?, arguments).await,
        Command::Unfreeze(arguments) => unfreeze(&Session::open(context).await?, arguments).await,
    }
}

/// What is done to a member, with what it has before.
async fn plan_for(session: &Session, member: &MemberRef, what: String) -> Result<Plan, Failure> {
    let of = session.client.balance(member.clone()).await?.member;
    let sentence = format!(
        "{what}. Member {} has {} points available, {} pending, and owes {}",
        of.member_id, of.available_points, of.pending_points, of.owed_points
    );
    let json = json!({
        "member": of.member_id,
        "available_points": of.available_points,
        "pending_points": of.pending_points,
        "owed_points": of.owed_points,
    });
    Ok(Plan::new(sentence, json, Page::new()))
}

async fn balance(session: &Session, who: Who) -> Result<Answer, Failure> {
    let balance = session.client.balance(who.member).await?;
    let json = json!({
        "member": balance.member.member_id,
        "available_points": balance.member.available_points,
        "held_points": balance.member.held_points,
        "pending_points": balance.member.pending_points,
        "owed_points": balance.member.owed_points,
        "next_expiry": expiry_json(balance.member.next_expiry.as_ref()),
        "coming_expiries": balance.coming_expiries.iter().map(|next| expiry_json(Some(next))).collect::<Vec<_>>(),
        "other_points": balance.other_points,
        "frozen": balance.frozen,
        "freeze_end_time": balance.freeze_end_time.map(moment),
    });
    let rows = [
        ("available", balance.member.available_points, "can be spent now"),
        ("held", balance.member.held_points, "reserved for an acceptor"),
        ("pending", balance.member.pending_points, "not released yet"),
        ("owed", balance.member.owed_points, "reversed after they were spent"),
    ];
    let rows = rows.map(|(what, points, why)| vec![what.to_owned(), points.to_string(), why.to_owned()]);
    let mut page = Page::new()
        .text(format!("Member {}:", balance.member.member_id))
        .table(&["points", ">number", ""], rows)
        .text(expiry_words(balance.member.next_expiry.as_ref(), &session.zone));
    if balance.coming_expiries.len() > 1 {
        let rows = balance
            .coming_expiries
            .iter()
            .map(|next| vec![session.zone.text(next.expire_time), next.points.to_string()]);
        page = page.table(&["expires", ">points"], rows);
        page = page.text(format!("{} points expire later, or never.", balance.other_points));
    }
    if balance.frozen {
        page = page.text(format!("The member is {}.", frozen_words(balance.freeze_end_time, &session.zone)));
    }
    Ok(Answer::new(json, page))
}

async fn list(session: &Session, arguments: &List) -> Result<Answer, Failure> {
    let List { after, limit } = arguments;
    // One more tells whether there are more.
    let mut members = session.operator().members(after.as_deref()).first(limit.saturating_add(1)).await?;
    let more = members.len() > *limit;
    members.truncate(*limit);
    let next = members.last().filter(|_| more).map(|last| last.member_id.clone());
    let row = |member: &ListedMember| {
        json!({
            "member": member.member_id,
            "available_points": member.available_points,
            "held_points": member.held_points,
            "pending_points": member.pending_points,
            "owed_points": member.owed_points,
            "frozen": member.frozen,
            "freeze_end_time": member.freeze_end_time.map(moment),
            "last_activity_time": member.last_activity_time.map(moment),
        })
    };
    let json = json!({ "members": members.iter().map(row).collect::<Vec<_>>(), "more": more, "next_after": next });
    if members.is_empty() && !more {
        let none = if after.is_some() { "There are no members after that one." } else { "There are no members." };
        return Ok(Answer::new(json, Page::new().text(none)));
    }
    let cells = |member: &ListedMember| {
        let points = [member.available_points, member.held_points, member.pending_points, member.owed_points];
        let mut cells = vec![member.member_id.clone()];
        cells.extend(points.map(count));
        cells.push(if member.frozen { "frozen".to_owned() } else { String::new() });
        cells
    };
    let header = ["member", ">available", ">held", ">pending", ">owed", ""];
    let page = Page::new().table(&header, members.iter().map(cells));
    let page = match next {
        Some(next) => page.text(format!("There are more: the same with --after {next}.")),
        None => page,
    };
    Ok(Answer::new(json, page))
}

async fn decay(context: &Context, arguments: Decay) -> Result<Answer, Failure> {
    let Decay { member, all: _, inactive_days, inactive_since, rate, period, irrevocable } = arguments;
    let session = irrevocable.open(context).await?;
    let Some(member) = member else {
        let days = Duration::from_secs(u64::from(inactive_days.unwrap_or_default()) * 86_400);
        // Both are not given together.
        let since = inactive_since.map(|when| when.begin(&session.zone)).transpose()?;
        let since = since.or_else(|| session.info.server_time.checked_sub(days));
        let since = since.ok_or_else(|| Failure::usage("--inactive-days: so long ago there was no time"))?;
        let plan = async {
            let sentence = format!(
                "takes the share {rate} of the available points of every member that was not active after {}, for {period}",
                session.zone.said(since)
            );
            let json = json!({ "period": period, "rate": rate.to_string(), "inactive_since_time": moment(since) });
            Ok(Plan::new(sentence, json, Page::new()))
        };
        if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
            return Ok(shown);
        }
        return decay_all(context, &session, &DecayMembers::of(rate, &period, since), since, &period).await;
    };
    let what = format!("takes the share {rate} of a member's available points, for {period}");
    if let Some(shown) = irrevocable.weigh(context.output, plan_for(&session, &member, what)).await? {
        return Ok(shown);
    }
    let request = RunDecay::of(member, rate, &period).request_id(session.request_id(irrevocable.effect));
    let done = accepted(session.operator().run_decay(request).await)?;
    let json = json!({
        "member": done.member.member_id,
        "period": period,
        "decayed_points": done.decayed_points,
        "available_points": done.member.available_points,
        "entry_ids": done.written.entries.iter().map(|entry| entry.entry_id.as_str()).collect::<Vec<_>>(),
        "replayed": done.written.replayed,
        "unfinished": done.unfinished,
    });
    let what = if done.decayed_points == 0 && !done.unfinished {
        format!(
            "Nothing was taken of member {}: there is too little, or it was done for {period}",
            done.member.member_id
        )
    } else {
        format!("Took {} points of member {} for {period}", done.decayed_points, done.member.member_id)
    };
    let page = Page::new().text(format!("{what}; {} are available.", done.member.available_points));
    let page = if done.unfinished { page.text("There are more lots: run the same command again.") } else { page };
    Ok(Answer::new(json, page))
}

async fn decay_all(
    context: &Context,
    session: &Session,
    decay: &DecayMembers,
    since: SystemTime,
    period: &str,
) -> Result<Answer, Failure> {
    let bar = if context.output.is_watched() {
        let style = ProgressStyle::with_template("{spinner} {elapsed:>4} {human_pos} members looked at, {msg}")
            .expect("the template is well formed");
        ProgressBar::new_spinner().with_style(style)
    } else {
        ProgressBar::hidden()
    };
    let told = |so_far: &MembersDecayed| {
        bar.set_message(format!("{} points taken of {}", so_far.decayed_points, so_far.decayed_member_count));
        bar.set_position(u64::try_from(so_far.member_count).unwrap_or_default());
    };
    let done = session.operator().decay_members(decay, told).await;
    bar.finish_and_clear();
    let done = done.map_err(|error| broken_off(error.into()))?;
    let json = json!({
        "period": period,
        "inactive_since_time": moment(since),
        "member_count": done.member_count,
        "decayed_member_count": done.decayed_member_count,
        "decayed_points": done.decayed_points,
    });
    let rows = [
        ("looked at", done.member_count, "all members"),
        ("decayed", done.decayed_member_count, "inactive, with points to take, and not served before"),
        ("points", done.decayed_points, "taken of them"),
    ];
    let rows = rows.map(|(what, count, why)| vec![what.to_owned(), count.to_string(), why.to_owned()]);
    let page = Page::new()
        .text(format!("Decay for {period} of members not active after {}:", session.zone.said(since)))
        .table(&["members", ">number", ""], rows);
    Ok(Answer::new(json, page))
}

/// Why a decay of all members ended early, with how to go on.
fn broken_off(failure: Failure) -> Failure {
    let on = "to go on, run the same command again: members that were served are passed over";
    match failure.exit {
        Exit::Unreachable | Exit::Internal => {
            let first = failure.hint.as_ref().map_or_else(String::new, |hint| format!("{hint}; "));
            failure.hint(format!("{first}{on}"))
        }
        Exit::Proposed | Exit::Rejected | Exit::Usage | Exit::Unbalanced => failure,
    }
}

async fn extend(context: &Context, arguments: Extend) -> Result<Answer, Failure> {
    let Extend { who, issuer, until, expires, reason, irrevocable } = arguments;
    let session = irrevocable.open(context).await?;
    let (until, expires) = (until.end(&session.zone)?, expires.begin(&session.zone)?);
    let said = |time| session.zone.said(time);
    let what = format!("lets points of {issuer} that expire by {} live until {}", said(until), said(expires));
    if let Some(shown) = irrevocable.weigh(context.output, plan_for(&session, &who.member, what)).await? {
        return Ok(shown);
    }
    let request = ExtendExpiry::of(who.member, &issuer).expiring_until(until).to(expires).reason(reason.code);
    let request = request.request_id(session.request_id(irrevocable.effect));
    let done = accepted(session.operator().extend_expiry(request).await)?;
    let lots = done.written.entry().map_or(0, |entry| entry.lots.len());
    let json = json!({
        "member": done.member.member_id,
        "issuer_id": issuer,
        "lots": lots,
        "expire_time": moment(expires),
        "next_expiry": expiry_json(done.member.next_expiry.as_ref()),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let page = Page::new()
        .text(format!("{} lots of {issuer} of member {} live until {}.", lots, done.member.member_id, said(expires)))
        .text(expiry_words(done.member.next_expiry.as_ref(), &session.zone));
    Ok(Answer::new(json, page))
}

async fn reinstate(context: &Context, arguments: Reinstate) -> Result<Answer, Failure> {
    let Reinstate { who, funder, points, expires, reason, irrevocable } = arguments;
    let session = irrevocable.open(context).await?;
    let expires = expires.map(|when| when.begin(&session.zone)).transpose()?;
    let until = expires.map_or_else(String::new, |time| format!(", to expire at {}", session.zone.said(time)));
    let what = format!("gives a member {points} points at the cost of {funder}{until}");
    if let Some(shown) = irrevocable.weigh(context.output, plan_for(&session, &who.member, what)).await? {
        return Ok(shown);
    }
    let mut request = ReinstatePoints::to(who.member, &funder).points(points).reason(reason.code);
    if let Some(expires) = expires {
        request = request.expires(expires);
    }
    let request = request.request_id(session.request_id(irrevocable.effect));
    let done = accepted(session.operator().reinstate_points(request).await)?;
    let json = json!({
        "member": done.member.member_id,
        "funder_id": funder,
        "points": points,
        "available_points": done.member.available_points,
        "pending_points": done.member.pending_points,
        "owed_points": done.member.owed_points,
        "recovered_points": done.written.recovered_points,
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let mut page = Page::new().text(format!(
        "Gave member {} {points} points of {funder}; {} are available, {} pending.",
        done.member.member_id, done.member.available_points, done.member.pending_points
    ));
    if done.written.recovered_points > 0 {
        page = page.text(format!("{} of its points paid debts at once.", done.written.recovered_points));
    }
    Ok(Answer::new(json, page))
}

async fn write_off(context: &Context, arguments: WriteOff) -> Result<Answer, Failure> {
    let WriteOff { who, creditor, points, reason, irrevocable } = arguments;
    let session = irrevocable.open(context).await?;
    let what = format!("gives up to {points} points up that a member owes to {creditor}, at its cost");
    if let Some(shown) = irrevocable.weigh(context.output, plan_for(&session, &who.member, what)).await? {
        return Ok(shown);
    }
    let request = WriteOffDebt::of(who.member, &creditor).points(points).reason(reason.code);
    let request = request.request_id(session.request_id(irrevocable.effect));
    let done = accepted(session.operator().write_off_debt(request).await)?;
    let json = json!({
        "member": done.member.member_id,
        "creditor_id": creditor,
        "written_off_points": done.written_off_points,
        "owed_points": done.member.owed_points,
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let page = Page::new().text(format!(
        "{creditor} gave up {} points that member {} owed it; the member owes {} in all now.",
        done.written_off_points, done.member.member_id, done.member.owed_points
    ));
    Ok(Answer::new(json, page))
}

async fn freeze(session: &Session, arguments: Freeze) -> Result<Answer, Failure> {
    let Freeze { who, reason, until, effect } = arguments;
    let until = until.map(|until| until.end(&session.zone)).transpose()?;
    let mut request = FreezeMember::of(who.member).reason(reason.code).request_id(session.request_id(effect));
    if let Some(until) = until {
        request = request.until(until);
    }
    let done = accepted(session.operator().freeze_member(request).await)?;
    let json = json!({
        "member": done.member.member_id,
        "frozen": true,
        "freeze_end_time": until.map(moment),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let page = Page::new().text(format!("Member {} is {}.", done.member.member_id, frozen_words(until, &session.zone)));
    Ok(Answer::new(json, page))
}

async fn unfreeze(session: &Session, arguments: Unfreeze) -> Result<Answer, Failure> {
    let Unfreeze { who, reason, effect } = arguments;
    let mut request = UnfreezeMember::of(who.member).request_id(session.request_id(effect));
    if let Some(reason) = reason {
        request = request.reason(reason);
    }
    let done = accepted(session.operator().unfreeze_member(request).await)?;
    let json = json!({
        "member": done.member.member_id,
        "frozen": false,
        "available_points": done.member.available_points,
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let page = Page::new().text(format!(
        "Member {} is frozen no more; {} points are available.",
        done.member.member_id, done.member.available_points
    ));
    Ok(Answer::new(json, page))
}

fn frozen_words(until: Option<SystemTime>, zone: &Zone) -> String {
    let end = until.map_or_else(|| "`clearing member unfreeze` lifts that".to_owned(), |end| zone.said(end));
    format!("frozen until {end}: none of its points can be spent")
}

fn expiry_json(next: Option<&ComingExpiry>) -> Value {
    next.map_or(Value::Null, |next| json!({ "expire_time": moment(next.expire_time), "points": next.points }))
}

fn expiry_words(next: Option<&ComingExpiry>, zone: &Zone) -> String {
    next.map_or_else(
        || "None of its points expires.".to_owned(),
        |next| format!("Next, {} points expire at {}.", next.points, zone.said(next.expire_time)),
    )
}

/// A member as people name it: `card:4000123`, or its id.
pub fn member(text: &str) -> Result<MemberRef, String> {
    match text.split_once(':') {
        Some((scheme, value)) if !scheme.is_empty() && !value.is_empty() => Ok(MemberRef::identifier(scheme, value)),
        None if !text.is_empty() => Ok(MemberRef::id(text)),
        Some(_) | None => Err("SCHEME:VALUE, such as card:4000123, or the id of a member".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_an_identifier_or_its_id() {
        assert_eq!(member("card:4000:1"), Ok(MemberRef::identifier("card", "4000:1")));
        assert_eq!(member("0197f2a4"), Ok(MemberRef::id("0197f2a4")));
        for wrong in ["", ":", "card:", ":1"] {
            member(wrong).unwrap_err();
        }
    }
}
