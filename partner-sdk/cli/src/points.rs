//! What a till does, by hand: balance, issue, redeem.

use clap::Args;
use partner_sdk::{Issue, MemberFigures, MemberRef, Origin, Redeem, Written};
use serde_json::{Value, json};

use crate::command::Global;
use crate::failure::{Failure, accepted};
use crate::output::{Answer, moment, table};
use crate::session::{Effect, connect};

/// Arguments of `issue` and `redeem`.
#[derive(Debug, Args)]
pub struct Movement {
    /// SCHEME:VALUE, such as card:4000123, or the id of a member.
    #[arg(value_parser = member)]
    member: MemberRef,
    /// How many points, from 1.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    points: i64,
    /// The store that it happens in.
    #[arg(long, default_value = "")]
    store: String,
    /// The till.
    #[arg(long, default_value = "")]
    till: String,
    /// The number on the receipt: a receipt earns once.
    #[arg(long, default_value = "")]
    receipt: String,
    /// The brand's business day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    day: String,
    #[command(flatten)]
    effect: Effect,
}

impl Movement {
    fn origin(&self) -> Origin {
        Origin::till(&self.store, &self.till).receipt(&self.receipt).business_date(&self.day)
    }
}

/// Runs `balance`.
pub async fn balance(global: &Global, member: MemberRef) -> Result<Answer, Failure> {
    let balance = connect(global).await?.balance(member).await?;
    let mut json = figures(&balance.member);
    let expiries = balance.coming_expiries.iter();
    json["coming_expiries"] = expiries
        .clone()
        .map(|one| json!({ "time": moment(one.expire_time), "points": one.points }))
        .collect::<Vec<_>>()
        .into();
    json["frozen"] = balance.frozen.into();
    let mut text = told(&balance.member);
    let rows: Vec<Vec<String>> = expiries.map(|one| vec![moment(one.expire_time), one.points.to_string()]).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", table(&["expires", "points"], &rows)));
    }
    if balance.frozen {
        text.push_str("\nThe member is frozen: none of its points can be spent.");
    }
    Ok(Answer::new(json, text))
}

/// Runs `issue`.
pub async fn issue(global: &Global, movement: Movement) -> Result<Answer, Failure> {
    let client = connect(global).await?;
    let origin = movement.origin();
    let issue = Issue::to_member(movement.member).points(movement.points).origin(origin);
    let issued = accepted(client.issue(issue.request_id(movement.effect.id(&client))).await)?;
    Ok(answer("issued", movement.points, &issued.written, &issued.member, json!({})))
}

/// Runs `redeem`.
pub async fn redeem(global: &Global, movement: Movement) -> Result<Answer, Failure> {
    let client = connect(global).await?;
    let origin = movement.origin();
    let redeem = Redeem::from_member(movement.member).points(movement.points).origin(origin);
    let redeemed = accepted(client.redeem(redeem.request_id(movement.effect.id(&client))).await)?;
    let more = json!({ "acceptor_credit": redeemed.acceptor_credit.to_string(), "fee": redeemed.fee.to_string() });
    Ok(answer("redeemed", movement.points, &redeemed.written, &redeemed.member, more))
}

fn answer(done: &str, points: i64, written: &Written, member: &MemberFigures, more: Value) -> Answer {
    let mut json = figures(member);
    json["done"] = done.into();
    json["points"] = points.into();
    json["entry_id"] = written.entries.first().map(|entry| entry.entry_id.clone()).into();
    json["replayed"] = written.replayed.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        json[name] = value.clone();
    }
    let again = if written.replayed { " (it was done before, under this request id)" } else { "" };
    let value = more["acceptor_credit"].as_str().map_or_else(String::new, |credit| format!(", worth {credit} to us"));
    Answer::new(json, format!("{points} points {done}{value}{again}.\n{}", told(member)))
}

fn figures(member: &MemberFigures) -> Value {
    json!({
        "member_id": member.member_id,
        "available_points": member.available_points,
        "held_points": member.held_points,
        "pending_points": member.pending_points,
        "owed_points": member.owed_points,
    })
}

fn told(member: &MemberFigures) -> String {
    let mut text = format!("The member has {} points to spend", member.available_points);
    for (points, what) in
        [(member.held_points, "held"), (member.pending_points, "pending"), (member.owed_points, "owed")]
    {
        if points != 0 {
            text.push_str(&format!(", {points} {what}"));
        }
    }
    text + "."
}

/// A member as people name it: `card:4000123`, or its id.
pub fn member(text: &str) -> Result<MemberRef, String> {
    match text.split_once(':') {
        Some((scheme, value)) if !scheme.is_empty() && !value.is_empty() => Ok(MemberRef::identifier(scheme, value)),
        None if !text.is_empty() => Ok(MemberRef::id(text)),
        Some(_) | None => Err("SCHEME:VALUE, such as card:4000123, or the id of a member".to_owned()),
    }
}
