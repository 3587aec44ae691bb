//! `partner account`: where the brand is paid.

use clap::Args;
use partner_sdk::{
    AccountNumber, BankAccount, BankAccountState, BankAccountVersion, SetBankAccount, StopBankAccountChange,
};
use serde_json::{Value, json};

use crate::command::Global;
use crate::failure::{Exit, Failure, accepted};
use crate::output::{Answer, moment, table};
use crate::session::{Effect, builder, credential};

/// Arguments of `account`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Asks for a change to this IBAN, with or without spaces.
    #[arg(long, conflicts_with_all = ["bik", "country", "bank_code", "account", "correspondent"], requires = "holder")]
    iban: Option<String>,
    /// Russia: the BIK of the bank.
    #[arg(long, requires_all = ["account", "holder"], conflicts_with_all = ["country", "bank_code"])]
    bik: Option<String>,
    /// The country of a bank code: two capital letters.
    #[arg(long, value_name = "CODE", requires = "bank_code")]
    country: Option<String>,
    /// The code of the bank, where there are no IBANs.
    #[arg(long, requires_all = ["account", "country", "holder"])]
    bank_code: Option<String>,
    /// The number of the account at that bank.
    #[arg(long, value_name = "NUMBER")]
    account: Option<String>,
    /// The bank's own account with the central bank.
    #[arg(long, value_name = "NUMBER", requires = "account")]
    correspondent: Option<String>,
    /// Whose it is, as the bank has it.
    #[arg(long)]
    holder: Option<String>,
    /// The bank, as orders name it.
    #[arg(long, requires = "holder")]
    bank_name: Option<String>,
    /// Stops the change of this version, for good.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["iban", "bik", "country", "bank_code", "account", "correspondent", "holder", "bank_name"])]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=10_000))]
    stop: Option<i32>,
    /// Why it is stopped, in a word of A-Z a-z 0-9 . _ : / # -, such as not-ours.
    #[arg(long, value_name = "WORD", requires = "stop")]
    reason: Option<String>,
    #[command(flatten)]
    effect: Effect,
}

/// Runs `account`.
pub async fn run(global: &Global, arguments: Arguments) -> Result<Answer, Failure> {
    let folder = credential(global).await?;
    let client = builder(global, &folder).connect().await?;
    let own = folder.holder().trim_start_matches("partner/").to_owned();
    let request_id = arguments.effect.id(&client);
    if let Some(version) = arguments.stop {
        let stop = StopBankAccountChange::of(&own, version).request_id(request_id);
        let stop = arguments.reason.into_iter().fold(stop, |stop, reason| stop.reason(reason));
        let stopped = accepted(client.stop_bank_account_change(stop).await)?;
        let json = json!({ "version": stopped.version, "replayed": stopped.written.replayed });
        let text = format!(
            "Version {version} is stopped for good; an account that is in force stays so.\nIf the change was not yours, somebody \
             has your credential: partner credential revoke SERIAL --reason stolen"
        );
        return Ok(Answer::new(json, text));
    }
    let Some(asked) = asked(arguments)? else {
        let versions = client.bank_accounts(&own).all().await?;
        let json = json!({ "versions": versions.iter().map(to_json).collect::<Vec<_>>() });
        return Ok(Answer::new(json, listed(&versions)));
    };
    let set = SetBankAccount::of(&own, asked).request_id(request_id);
    let set = accepted(client.set_bank_account(set).await)?;
    let json = json!({
        "version": to_json(&set.version),
        "replaced_version": set.replaced_version,
        "replayed": set.written.replayed,
    });
    let (version, from) = (set.version.version, moment(set.version.effective_time));
    let text = format!(
        "Version {version} is in force from {from} on: orders that are made then name it. Until then you or the operator stop it \
         by\n  partner account --stop {version} --reason WORD"
    );
    Ok(Answer::new(json, text))
}

/// The account that the flags name; none if they name none.
fn asked(arguments: Arguments) -> Result<Option<BankAccount>, Failure> {
    let Arguments { iban, bik, country, bank_code, account, correspondent, holder, bank_name, .. } = arguments;
    // What is typed, or pasted from a paper, has spaces; what is kept has none.
    let plain = |text: String| text.split_whitespace().collect::<String>();
    let by_code = bik.map(|bik| ("RU".to_owned(), bik)).or(country.zip(bank_code));
    let made = match (iban, by_code, account, holder) {
        (Some(iban), None, None, Some(holder)) => BankAccount::iban(plain(iban), holder),
        (None, Some((country, code)), Some(account), Some(holder)) => {
            BankAccount::national(country, plain(code), plain(account), holder)
        }
        (None, None, None, None) => return Ok(None),
        _ => {
            return Err(Failure::new(Exit::Usage, "that names no account")
                .hint("write --iban IBAN --holder NAME, or --bik BIK --account NUMBER --holder NAME"));
        }
    };
    let made = correspondent.into_iter().fold(made, |made, number| made.correspondent(plain(number)));
    Ok(Some(bank_name.into_iter().fold(made, BankAccount::bank_name)))
}

fn listed(versions: &[BankAccountVersion]) -> String {
    if versions.is_empty() {
        return "The house knows no account of yours, and pays nothing out.\n\
                Next: partner account --iban IBAN --holder NAME"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|version| {
            vec![
                version.version.to_string(),
                version.state.to_string(),
                version.bank_account.number.to_string(),
                version.bank_account.holder.clone(),
                version.asked_by.clone(),
                moment(version.effective_time),
            ]
        })
        .collect();
    let mut text = table(&["version", "state", "account", "holder", "asked by", "in force from"], &rows);
    if let Some(waiting) = versions.iter().find(|version| version.state == BankAccountState::Pending) {
        text.push_str(&format!(
            "If version {0} is none of yours: partner account --stop {0} --reason WORD",
            waiting.version
        ));
    }
    text
}

fn to_json(version: &BankAccountVersion) -> Value {
    let BankAccount { number, holder, bank_name, .. } = &version.bank_account;
    let number = match number {
        AccountNumber::Iban(iban) => json!({ "iban": iban }),
        AccountNumber::National { country_code, bank_code, account_number, correspondent_account_number } => json!({
            "country_code": country_code,
            "bank_code": bank_code,
            "account_number": account_number,
            "correspondent_account_number": correspondent_account_number,
        }),
        _ => Value::Null,
    };
    json!({
        "version": version.version,
        "state": version.state.as_str(),
        "number": number,
        "holder": holder,
        "bank_name": bank_name,
        "ask_time": moment(version.ask_time),
        "asked_by": version.asked_by,
        "effective_time": moment(version.effective_time),
        "end_time": version.end_time.map(moment),
    })
}
