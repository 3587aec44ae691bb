//! Settlements that go wrong, on the command line: pay-outs that leave early, defaults, claims; and money moved by hand.

use clap::Args;
use partner_sdk::Decimal;
use partner_sdk::operator::{Adjust, CoverDefault, ReleaseOrders, RepayClaim, ShareLoss};
use serde_json::json;

use crate::bank::MaybeLine;
use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::irrevocable::{Irrevocable, Plan};
use crate::output::{Answer, Page};
use crate::paper::settlement::{said, with_currency};
use crate::session::{Effect, Session};
use crate::settlement::{facts, to_json};
use crate::values;

/// Arguments of `settlement release`.
#[derive(Debug, Args)]
pub struct Release {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    /// How much in all. Left out: as much as has come in.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    amount: Option<Decimal>,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `settlement cover`.
#[derive(Debug, Args)]
pub struct Cover {
    /// Number of the window.
    #[arg(value_parser = values::whole::<i64>)]
    window: i64,
    /// Whose leg is not paid.
    partner: String,
    /// What the reserve leaves missing is taken off the creditors' legs, and is their claim.
    #[arg(long)]
    share: bool,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `settlement repay`.
#[derive(Debug, Args)]
pub struct Repay {
    /// Whose claim.
    partner: String,
    /// How much of it.
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    /// What arrived besides, for the operator.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    penalty: Option<Decimal>,
    #[command(flatten)]
    line: MaybeLine,
    #[command(flatten)]
    irrevocable: Irrevocable,
}

/// Arguments of `adjust`.
#[derive(Debug, Args)]
pub struct Adjusted {
    /// From whose position; "operator" for the operator.
    payer: String,
    /// To whose position.
    payee: String,
    #[arg(value_parser = values::decimal)]
    amount: Decimal,
    /// Why: a word, which stays in the journal.
    #[arg(long, value_name = "CODE")]
    reason: String,
    #[command(flatten)]
    effect: Effect,
}

/// Lets pay-outs leave before all debits are paid.
pub async fn release(context: &Context, release: Release) -> Result<Answer, Failure> {
    let Release { window, amount, effect } = release;
    let session = Session::open(context).await?;
    let request = ReleaseOrders::of(window);
    let request = match amount {
        Some(amount) => request.amount(session.money(amount)),
        None => request,
    };
    let done = accepted(session.operator().release_orders(request.request_id(session.request_id(effect))).await)?;
    let json = json!({
        "window": window,
        "currency": session.info.currency_code,
        "pay_outs": done.pay_outs.iter().map(|of| json!({
            "partner": of.partner_id,
            "amount": of.amount.amount.to_string(),
        })).collect::<Vec<_>>(),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let rows = done.pay_outs.iter().map(|of| vec![of.partner_id.clone(), said(&of.amount)]);
    let page = Page::new().text(format!("Let out of window {window}:"));
    let page = page.table(&["payee", &format!(">amount, {}", session.info.currency_code)], rows);
    Ok(Answer::new(json, page.next(format!("clearing settlement export {window}"))))
}

/// Pays a leg for a partner that defaults.
pub async fn cover(context: &Context, cover: Cover) -> Result<Answer, Failure> {
    let Cover { window, partner, share, irrevocable } = cover;
    let session = irrevocable.open(context).await?;
    let plan = async {
        let settlement = session.operator().preview_settlement(Some(window)).await?;
        let due = settlement
            .legs
            .iter()
            .find(|leg| leg.partner_id == partner)
            .map(|leg| with_currency(&session.money(leg.due.amount.abs())));
        let due = due.unwrap_or_else(|| "nothing".to_owned());
        let rest = if share { ", and what is missing is taken off the creditors" } else { "" };
        let sentence = format!(
            "covers the default of {partner} in window {window}, of which {due} is due, and suspends it: its waiting points of \
             the window are cancelled, then goes what arrived of it, its advance, its collateral and the reserve{rest}"
        );
        Ok(Plan::new(sentence, to_json(&settlement), facts(&settlement)))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request_id = session.request_id(irrevocable.effect);
    let written = if share {
        let request = ShareLoss::of(window, partner.as_str()).request_id(request_id);
        accepted(session.operator().share_loss(request).await)?.written
    } else {
        let request = CoverDefault::of(window, partner.as_str()).request_id(request_id);
        accepted(session.operator().cover_default(request).await)?.written
    };
    let settlement = session.operator().preview_settlement(Some(window)).await?;
    let json = json!({
        "window": window,
        "partner": partner,
        "entry_id": written.entry_id(),
        "settlement": to_json(&settlement),
        "replayed": written.replayed,
    });
    let page = Page::new().text(format!("Covered the default of {partner} in window {window}; it is suspended."));
    Ok(Answer::new(json, page.and(&facts(&settlement)).next("clearing report cover")))
}

/// Records a payment of a claim.
pub async fn repay(context: &Context, repay: Repay) -> Result<Answer, Failure> {
    let Repay { partner, amount, penalty, line, irrevocable } = repay;
    let session = irrevocable.open(context).await?;
    let amount = session.money(amount);
    let plan = async {
        let more = penalty
            .map_or(String::new(), |penalty| format!(" and a penalty of {}", with_currency(&session.money(penalty))));
        let sentence = format!(
            "records that {partner} paid {}{more} of what is claimed of it, for good; it goes to those who bore the default",
            with_currency(&amount)
        );
        let json = json!({
            "partner": partner,
            "currency": amount.currency,
            "amount": amount.amount.to_string(),
            "penalty": penalty.map(|penalty| penalty.to_string()),
        });
        Ok(Plan::new(sentence, json, Page::new()))
    };
    if let Some(shown) = irrevocable.weigh(context.output, plan).await? {
        return Ok(shown);
    }
    let request = RepayClaim::of(partner.as_str(), amount.clone());
    let request = match penalty {
        Some(penalty) => request.penalty(session.money(penalty)),
        None => request,
    };
    let request = match line.line() {
        Some(line) => request.line(line),
        None => request,
    };
    let done =
        accepted(session.operator().repay_claim(request.request_id(session.request_id(irrevocable.effect))).await)?;
    let known = Some(&done.known_entry_id).filter(|known| !known.is_empty());
    let json = json!({
        "partner": partner,
        "currency": amount.currency,
        "amount": amount.amount.to_string(),
        "entry_id": done.written.entry_id(),
        "known_entry_id": known,
        "replayed": done.written.replayed,
    });
    let text = match known {
        Some(known) => format!("That line was booked before, by entry {known}: nothing was done."),
        None => format!("Recorded {amount} of what is claimed of {partner}."),
    };
    Ok(Answer::new(json, Page::new().text(text).next("clearing report trial-balance")))
}

/// Moves money between two positions.
pub async fn adjust(context: &Context, adjust: Adjusted) -> Result<Answer, Failure> {
    let Adjusted { payer, payee, amount, reason, effect } = adjust;
    let session = Session::open(context).await?;
    let amount = session.money(amount);
    let request = Adjust::of(payer.as_str(), payee.as_str(), amount.clone(), reason);
    let done = accepted(session.operator().adjust(request.request_id(session.request_id(effect))).await)?;
    let json = json!({
        "payer": payer,
        "payee": payee,
        "currency": amount.currency,
        "amount": amount.amount.to_string(),
        "entry_id": done.written.entry_id(),
        "replayed": done.written.replayed,
    });
    let text = format!("Moved {amount} from the position of {payer} to that of {payee}, in the open window.");
    Ok(Answer::new(json, Page::new().text(text).next("clearing settlement preview")))
}
