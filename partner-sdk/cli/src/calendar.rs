//! `partner calendar`: when windows close, and when what they settle is told and paid.

use partner_sdk::CutOff;
use serde_json::json;

use crate::command::Global;
use crate::failure::Failure;
use crate::output::{Answer, moment, table};
use crate::session::connect;

/// Runs `calendar`: the first so many cut-offs of the year that is published.
pub async fn run(global: &Global, next: u16) -> Result<Answer, Failure> {
    let client = connect(global).await?;
    let cut_offs = client.cut_offs().first(usize::from(next)).await?;
    let announced = client.announced_calendars().await?;
    let to_json = |cut_off: &CutOff| {
        json!({
            "close_time": moment(cut_off.close_time),
            "advice_day": cut_off.advice_day,
            "payment_day": cut_off.payment_day,
            "last_of_year": cut_off.last_of_year,
            "calendar_version": cut_off.calendar_version,
        })
    };
    let json = json!({
        "cut_offs": cut_offs.iter().map(to_json).collect::<Vec<_>>(),
        "announced": announced
            .iter()
            .map(|version| json!({ "version": version.number, "effective_time": moment(version.effective_time) }))
            .collect::<Vec<_>>(),
    });
    if cut_offs.is_empty() {
        return Ok(Answer::new(json, "There is no cut-off in the year to come: the operator closes windows by hand."));
    }
    let rows: Vec<Vec<String>> = cut_offs
        .iter()
        .map(|cut_off| {
            let last = if cut_off.last_of_year { "last of the year" } else { "" };
            let (advice, payment) = (cut_off.advice_day.clone(), cut_off.payment_day.clone());
            vec![moment(cut_off.close_time), advice, payment, cut_off.calendar_version.to_string(), last.to_owned()]
        })
        .collect();
    let mut text = table(&["window closes", "told", "paid", "calendar", ""], &rows);
    for version in &announced {
        let from = moment(version.effective_time);
        text.push_str(&format!("Calendar {} is announced: it rules from {from} on.\n", version.number));
    }
    Ok(Answer::new(json, text))
}
