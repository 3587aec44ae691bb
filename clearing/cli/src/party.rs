//! Partners as legal parties: who they are by law, of which group, and where they are paid.

use clap::{Args, Subcommand};
use partner_sdk::operator::{Address, LegalRecord, Partner, SetGroup, SetLegalRecord, TaxId};
use partner_sdk::{
    AccountNumber, BankAccount, BankAccountState, BankAccountVersion, SetBankAccount, StopBankAccountChange,
};
use serde_json::{Value, json};

use crate::failure::{Failure, accepted};
use crate::limits;
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment, moment_or_none};
use crate::times::Zone;
use crate::values;

/// The commands of partners as legal parties.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows all that is known of a partner.
    #[command(after_help = "Examples:\n  clearing partner show grocer\n  clearing partner show grocer --output json")]
    Show {
        /// Which partner; "operator" for the operator.
        partner: String,
    },
    /// Writes down who a partner is by law, or shows it when nothing is to change.
    ///
    /// What no flag says stays as it is. With --tax-id all tax ids are those that are given.
    #[command(
        after_help = "Examples:\n  clearing partner legal grocer\n  clearing partner legal grocer --name 'Grocer GmbH' --town Bonn \
                      --country DE --tax-id EU_VAT=DE136695976\n  clearing partner legal grocer --street 'Am Markt 1' --postal-code 53111"
    )]
    Legal(LegalArguments),
    /// Puts a partner into a group, or takes it out: a brand that trades through several companies.
    #[command(after_help = "Examples:\n  clearing partner group grocer retail\n  clearing partner group grocer --none")]
    Group {
        /// Which partner.
        partner: String,
        /// The group: of the form of a partner's id.
        #[arg(required_unless_present = "none", conflicts_with = "none")]
        group: Option<String>,
        /// The partner stands alone from now on.
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        effect: Effect,
    },
    /// Asks for another bank account of a partner, stops such a change, or shows all versions when nothing is to change.
    ///
    /// A change is in force some days later. Until then one person of either side stops it.
    #[command(
        after_help = "Examples:\n  clearing partner account grocer\n  clearing partner account grocer --iban 'DE89 3704 0044 0532 0130 00' \
                      --holder 'Grocer GmbH'\n  clearing partner account grocer --bik 044525225 --account 40702810838000110017 \
                      --holder 'Grocer LLC'\n  clearing partner account grocer --stop 3 --reason not-ours"
    )]
    Account(AccountArguments),
}

/// Arguments of `partner legal`.
#[derive(Debug, Args)]
pub struct LegalArguments {
    /// Which partner; "operator" for the operator.
    partner: String,
    /// As the register of companies has it.
    #[arg(long)]
    name: Option<String>,
    /// A tax id; may be given several times. RU_INN, RU_KPP, RU_OGRN, RU_OGRNIP, EU_VAT and LEI are checked; a scheme of your own
    /// begins with X_.
    #[arg(long, value_name = "SCHEME=VALUE", value_parser = tax_id)]
    tax_id: Vec<(String, String)>,
    /// Street, house, office.
    #[arg(long)]
    street: Option<String>,
    #[arg(long)]
    postal_code: Option<String>,
    #[arg(long)]
    town: Option<String>,
    /// Two capital letters, such as RU.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    #[command(flatten)]
    effect: Effect,
}

/// What names another account; what stops a change does not.
const OF_ANOTHER: [&str; 6] = ["country", "bank_code", "account", "correspondent", "holder", "bank_name"];

/// Arguments of `partner account`.
#[derive(Debug, Args)]
pub struct AccountArguments {
    /// Which partner; "operator" for the operator.
    partner: String,
    /// Its number, with or without spaces.
    #[arg(long, conflicts_with_all = ["bik", "country", "bank_code", "account", "correspondent", "stop", "reason"])]
    iban: Option<String>,
    /// Russia: the BIK of its bank.
    #[arg(long, requires = "account", conflicts_with_all = ["country", "bank_code", "stop", "reason"])]
    bik: Option<String>,
    /// The country of a bank code.
    #[arg(long, value_name = "CODE", requires = "bank_code")]
    country: Option<String>,
    /// The code of its bank.
    #[arg(long, requires_all = ["account", "country"])]
    bank_code: Option<String>,
    /// Its number at that bank.
    #[arg(long, value_name = "NUMBER")]
    account: Option<String>,
    /// The bank's own account with the central bank.
    #[arg(long, value_name = "NUMBER", requires = "account")]
    correspondent: Option<String>,
    /// Whose it is, as the bank has it. Left out: the legal name.
    #[arg(long)]
    holder: Option<String>,
    /// The bank, as orders name it.
    #[arg(long)]
    bank_name: Option<String>,
    /// Stops the change of this version.
    #[arg(long, value_name = "VERSION", conflicts_with_all = OF_ANOTHER, value_parser = |text: &str| values::between::<i32>(text, 1, 10_000))]
    stop: Option<i32>,
    /// Why it is stopped: a word, such as not-ours.
    #[arg(long, value_name = "CODE", requires = "stop", conflicts_with_all = OF_ANOTHER)]
    reason: Option<String>,
    #[command(flatten)]
    effect: Effect,
}

fn tax_id(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(scheme, value)| !scheme.is_empty() && !value.is_empty());
    let parts = parts.ok_or_else(|| format!("{text:?} is not SCHEME=VALUE, such as RU_INN=7707083893"))?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

/// Runs one of them.
pub async fn run(session: &Session, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Show { partner } => show(session, &partner).await,
        Command::Legal(arguments) => legal(session, arguments).await,
        Command::Group { partner, group, none: _, effect } => set_group(session, &partner, group, effect).await,
        Command::Account(arguments) => account(session, arguments).await,
    }
}

async fn show(session: &Session, partner: &str) -> Result<Answer, Failure> {
    let known = session.operator().partner(partner).await?;
    let json = json!({
        "partner": known.partner_id,
        "display_name": known.display_name,
        "state": known.state.to_string(),
        "group": group_text(&known),
        "legal_record": known.legal_record.as_ref().map(legal_json),
        "bank_account": known.bank_account.as_ref().map(version_json),
        "pending_bank_account": known.pending_bank_account.as_ref().map(version_json),
        "limits": limits::to_json(&known.limits),
    });
    let mut rows = vec![
        vec!["name".to_owned(), known.display_name.clone()],
        vec!["state".to_owned(), known.state.to_string()],
        vec!["group".to_owned(), group_text(&known).unwrap_or("none").to_owned()],
    ];
    match &known.legal_record {
        Some(record) => rows.extend(legal_rows(record)),
        None => rows.push(vec!["legal name".to_owned(), "not known".to_owned()]),
    }
    let account = |version: &Option<BankAccountVersion>| {
        version.as_ref().map_or("none".to_owned(), |version| version.bank_account.number.to_string())
    };
    rows.push(vec!["bank account".to_owned(), account(&known.bank_account)]);
    if let Some(pending) = &known.pending_bank_account {
        let from = session.zone.text(pending.effective_time);
        rows.push(vec!["changes to".to_owned(), format!("{} on {from}", pending.bank_account.number)]);
    }
    let page = Page::new().table(&["", &known.partner_id], rows).text(session.zone.note());
    let page =
        page.next(format!("clearing partner terms {partner}")).next(format!("clearing partner account {partner}"));
    Ok(Answer::new(json, page))
}

fn group_text(partner: &Partner) -> Option<&str> {
    Some(partner.group_id.as_str()).filter(|group| !group.is_empty())
}

async fn legal(session: &Session, arguments: LegalArguments) -> Result<Answer, Failure> {
    let LegalArguments { partner, name, tax_id, street, postal_code, town, country, effect } = arguments;
    let known = session.operator().partner(&partner).await?.legal_record;
    let changes =
        [&name, &street, &postal_code, &town, &country].into_iter().any(Option::is_some) || !tax_id.is_empty();
    if !changes {
        let json = json!({ "partner": partner, "legal_record": known.as_ref().map(legal_json) });
        let page = match &known {
            Some(record) => Page::new().table(&["", &partner], legal_rows(record)),
            None => Page::new().text(format!("Nothing is known of who {partner} is by law.")).next(format!(
                "clearing partner legal {partner} --name NAME --town TOWN --country CODE --tax-id SCHEME=VALUE"
            )),
        };
        return Ok(Answer::new(json, page));
    }
    let before = known.as_ref();
    let of = |flag: Option<String>, field: fn(&LegalRecord) -> &String| {
        flag.or_else(|| before.map(|record| field(record).clone())).unwrap_or_default()
    };
    let address =
        Address::of(of(town, |record| &record.address.town), of(country, |record| &record.address.country_code))
            .street(of(street, |record| &record.address.street))
            .postal_code(of(postal_code, |record| &record.address.postal_code));
    let kept = before.filter(|_| tax_id.is_empty()).map(|record| record.tax_ids.clone()).unwrap_or_default();
    let kept = kept.into_iter().map(|TaxId { scheme, value, .. }| (scheme, value));
    let record = LegalRecord::of(of(name, |record| &record.legal_name), address);
    let record = kept.chain(tax_id).fold(record, |record, (scheme, value)| record.tax_id(scheme, value));
    let set = SetLegalRecord::of(&partner, record).request_id(session.request_id(effect));
    let set = accepted(session.operator().set_legal_record(set).await)?;
    let json = json!({
        "partner": partner,
        "legal_record": legal_json(&set.legal_record),
        "previous_legal_record": set.previous_legal_record.as_ref().map(legal_json),
        "replayed": set.written.replayed,
    });
    let page = Page::new().text(format!("{partner} is by law from now on:"));
    Ok(Answer::new(json, page.table(&["", &partner], legal_rows(&set.legal_record))))
}

async fn set_group(session: &Session, partner: &str, group: Option<String>, effect: Effect) -> Result<Answer, Failure> {
    let set = group.map_or_else(|| SetGroup::none(partner), |group| SetGroup::of(partner, group));
    let set = accepted(session.operator().set_group(set.request_id(session.request_id(effect))).await)?;
    let said = |group: &str| if group.is_empty() { "none".to_owned() } else { group.to_owned() };
    let (before, now) = (said(&set.previous_group_id), said(&set.group_id));
    let json = json!({
        "partner": partner,
        "previous_group": set.previous_group_id,
        "group": set.group_id,
        "replayed": set.written.replayed,
    });
    Ok(Answer::new(json, Page::new().text(format!("The group of {partner} was {before} and is {now}."))))
}

async fn account(session: &Session, arguments: AccountArguments) -> Result<Answer, Failure> {
    let AccountArguments {
        partner,
        iban,
        bik,
        country,
        bank_code,
        account,
        correspondent,
        holder,
        bank_name,
        stop,
        reason,
        effect,
    } = arguments;
    if let Some(version) = stop {
        let stop = StopBankAccountChange::of(&partner, version);
        let stop = reason.into_iter().fold(stop, |stop, reason| stop.reason(reason));
        let stop = stop.request_id(session.request_id(effect));
        let stopped = accepted(session.client.stop_bank_account_change(stop).await)?;
        let json = json!({ "partner": partner, "version": stopped.version, "replayed": stopped.written.replayed });
        let said = format!("Version {version} of the bank account of {partner} is stopped for good.");
        return Ok(Answer::new(json, Page::new().text(said).next(format!("clearing partner account {partner}"))));
    }
    let says_more =
        [&country, &bank_code, &account, &correspondent, &holder, &bank_name].into_iter().any(Option::is_some);
    // What is typed, or pasted from a paper, has spaces; what is kept has none.
    let plain = |text: String| text.split_whitespace().collect::<String>();
    let number = |holder: String| {
        let by_code = bik.map(|bik| ("RU".to_owned(), bik)).or(country.zip(bank_code));
        let made = match (iban, by_code, account) {
            (Some(iban), _, _) => Some(BankAccount::iban(plain(iban), holder)),
            (None, Some((country, code)), Some(account)) => {
                Some(BankAccount::national(country, plain(code), plain(account), holder))
            }
            (None, _, _) => None,
        };
        let made = made.map(|made| correspondent.into_iter().fold(made, |made, of| made.correspondent(plain(of))));
        made.map(|made| bank_name.into_iter().fold(made, |made, name| made.bank_name(name)))
    };
    let known = session.operator().partner(&partner).await?;
    let legal_name = known.legal_record.as_ref().map(|record| record.legal_name.clone());
    let Some(asked) = number(holder.or(legal_name).unwrap_or_default()) else {
        // Whoever names a holder wants a change, and would take the list for it.
        if says_more {
            return Err(Failure::usage("that names no account").hint(
                "write --iban IBAN, or --bik BIK --account NUMBER, or --country CODE --bank-code CODE --account NUMBER",
            ));
        }
        return list(session, &partner).await;
    };
    let set = SetBankAccount::of(&partner, asked).request_id(session.request_id(effect));
    let set = accepted(session.client.set_bank_account(set).await)?;
    let json = json!({
        "partner": partner,
        "version": version_json(&set.version),
        "replaced_version": set.replaced_version,
        "replayed": set.written.replayed,
    });
    let (version, from) = (set.version.version, session.zone.said(set.version.effective_time));
    let mut page = Page::new().text(format!(
        "Version {version} of the bank account of {partner} is in force from {from} on. Until then one person of either side stops it."
    ));
    page = match &known.legal_record {
        Some(record) => {
            page.text(format!("Tell {partner} of it: {}", address_text(&record.legal_name, &record.address)))
        }
        None => page.text(format!("Tell {partner} of it; its address is not known.")),
    };
    Ok(Answer::new(json, page.next(format!("clearing partner account {partner} --stop {version}"))))
}

async fn list(session: &Session, partner: &str) -> Result<Answer, Failure> {
    let versions = session.client.bank_accounts(partner).all().await?;
    let json = json!({ "partner": partner, "versions": versions.iter().map(version_json).collect::<Vec<_>>() });
    if versions.is_empty() {
        let page = Page::new().text(format!("No bank account of {partner} is known: nothing can be paid to it."));
        return Ok(Answer::new(
            json,
            page.next(format!("clearing partner account {partner} --iban IBAN --holder NAME")),
        ));
    }
    let rows = versions.iter().map(|version| row(version, &session.zone));
    let header = ["version", "state", "account", "holder", "asked by", "in force from"];
    let mut page = Page::new().table(&header, rows).text(session.zone.note());
    if let Some(waiting) = versions.iter().find(|version| version.state == BankAccountState::Pending) {
        page = page.next(format!("clearing partner account {partner} --stop {}", waiting.version));
    }
    Ok(Answer::new(json, page))
}

fn row(version: &BankAccountVersion, zone: &Zone) -> Vec<String> {
    vec![
        version.version.to_string(),
        version.state.to_string(),
        version.bank_account.number.to_string(),
        version.bank_account.holder.clone(),
        version.asked_by.clone(),
        zone.text(version.effective_time),
    ]
}

fn address_text(name: &str, address: &Address) -> String {
    let Address { street, postal_code, town, country_code, .. } = address;
    let town = [postal_code.as_str(), town.as_str()].into_iter().filter(|part| !part.is_empty());
    let town = town.collect::<Vec<_>>().join(" ");
    let parts = [name, street.as_str(), town.as_str(), country_code.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn legal_rows(record: &LegalRecord) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["legal name".to_owned(), record.legal_name.clone()]];
    rows.extend(record.tax_ids.iter().map(|tax_id| vec![tax_id.scheme.clone(), tax_id.value.clone()]));
    rows.push(vec!["address".to_owned(), address_text("", &record.address)]);
    rows
}

fn legal_json(record: &LegalRecord) -> Value {
    json!({
        "legal_name": record.legal_name,
        "tax_ids": record.tax_ids.iter().map(|tax_id| json!({ "scheme": tax_id.scheme, "value": tax_id.value }))
            .collect::<Vec<_>>(),
        "street": record.address.street,
        "postal_code": record.address.postal_code,
        "town": record.address.town,
        "country_code": record.address.country_code,
    })
}

fn version_json(version: &BankAccountVersion) -> Value {
    let number = match &version.bank_account.number {
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
        "state": version.state.to_string(),
        "number": number,
        "holder": version.bank_account.holder,
        "bank_name": version.bank_account.bank_name,
        "ask_time": moment(version.ask_time),
        "asked_by": version.asked_by,
        "effective_time": moment(version.effective_time),
        "end_time": moment_or_none(version.end_time),
    })
}
