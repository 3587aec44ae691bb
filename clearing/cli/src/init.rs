//! `clearing init`: everything a new coalition needs, in one folder.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clearing::clock::Clock;
use clearing::coalition_file::{CoalitionFile, CoalitionTable, FIRST_PERSON, NamedRecovery};
use clearing::config::{self, Kind as KeyKind, without_password};
use clearing::identifier::IdentifierKey;
use clearing_certs::{Authority, Kind, Passphrase, ServerAddress, write_private_new};
use clearing_core::facts::coalition::{
    ACCOUNT_CHANGE_DAYS, CARE_POINTS, CARRY_WINDOWS_MAX, DECISION_DAYS_MAX, House, NoticeDays, PROPOSAL_DAYS,
};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::person::PersonId;
use clearing_core::facts::terms::{Breakage, FeeBearer};
use clearing_core::units::{self, Currency, Money, Points, Rate, Timestamp};
use jiff::tz::TimeZone;
use partner_sdk::Decimal;
use serde_json::{Value, json};

use crate::authority::{AUTHORITY_FOLDER, Authorities, CA_KEY_FILE, root_in_the_clear};
use crate::certificate::{CA_FILE, CERTIFICATE_DAYS, Identity, valid_for};
use crate::context::Context;
use crate::failure::{Failure, with_causes};
use crate::files::{refuse_to_overwrite, write_new};
use crate::material::write_identifier_key;
use crate::output::{Answer, Output, Page};
use crate::passphrase::{self, Source};
use crate::times::Zone;
use crate::values::{self, word};
use crate::waiting::Waiting;
use crate::{database, files};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder for everything. It is made when it is not there; no file is overwritten.
    #[arg(long, value_name = "DIR", default_value = "coalition")]
    dir: PathBuf,
    /// Where the books are kept: sqlite:FILE (relative to the folder) or postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(long, value_name = "URL", default_value = "sqlite:clearing.db")]
    database: String,
    /// Where partners will connect: an IP address and a port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7443")]
    listen: String,
    /// A name or address under which partners reach the house, for its certificate; may be repeated. This machine's own
    /// names are always in it.
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
    /// The coalition's domain, in every certificate. It never changes.
    #[arg(long)]
    domain: String,
    /// The coalition's id, in every entry of the journal. It never changes. Left out: the domain.
    #[arg(long, value_name = "ID")]
    coalition: Option<String>,
    /// The name of the operator's first person, who is clerk, approver and support; operator.pem says operator/NAME.
    #[arg(long, value_name = "NAME", default_value = FIRST_PERSON, value_parser = values::person)]
    first_person: PersonId,
    #[command(flatten)]
    units: Units,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    root: RootKey,
}

/// What opens the key of the root.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The root's key")]
struct RootKey {
    /// The file whose first line is the passphrase that encrypts the root's key; it must be its owner's alone. Left out: whoever sits
    /// at the terminal is asked; without a passphrase the key lies in the clear until `clearing authority encrypt root`.
    #[arg(long, value_name = "FILE", conflicts_with = "root_passphrase_command")]
    root_passphrase_file: Option<PathBuf>,
    /// The command of a shell whose first line is that passphrase, such as 'pass show coalition/root'.
    #[arg(long, value_name = "COMMAND")]
    root_passphrase_command: Option<String>,
    #[arg(skip)]
    passphrase: Option<Passphrase>,
}

impl RootKey {
    fn read(&mut self, output: Output) -> Result<(), Failure> {
        let source = Source::of(self.root_passphrase_file.as_deref(), self.root_passphrase_command.as_deref());
        self.passphrase = passphrase::chosen(source, output, "root")?;
        Ok(())
    }
}

/// What never changes about money and days.
#[derive(Debug, Args)]
#[command(next_help_heading = "Units (for good)")]
struct Units {
    /// The currency, a code of ISO 4217.
    #[arg(long, default_value = "RUB")]
    currency: String,
    /// How many decimals money has: at least those of the currency's minor unit, at most 6. Prices per point are exact at
    /// it. Left out: those of the minor unit.
    #[arg(long, value_parser = values::whole::<u32>)]
    scale: Option<u32>,
    /// What a point is worth: the default of price, value and reimbursement.
    #[arg(long, value_name = "AMOUNT", default_value = "1.00", value_parser = values::decimal)]
    point_value: Decimal,
    /// The IANA time zone in which days, months and years end.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
}

/// The coalition's defaults.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
struct Rules {
    /// The default acceptance fee, a share of the reimbursement for points of others.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = values::rate)]
    fee: Decimal,
    /// Who bears that fee: ACCEPTOR or ISSUER.
    #[arg(long, value_name = "BEARER", default_value = "ACCEPTOR")]
    fee_bearer: String,
    /// When issuers pay unless their terms say otherwise: AT_REDEMPTION, AT_ISSUE or ON_PAYMENT (the points wait until the
    /// settlement that contains them is paid).
    #[arg(long, value_name = "FUNDING", default_value = "AT_REDEMPTION")]
    funding: String,
    /// Who gets the value of prepaid points that expire: shares that add up to 1.
    #[arg(long, value_name = "RESERVE/OPERATOR/ISSUER", default_value = "0.5/0.3/0.2")]
    breakage: String,
    /// How many days returned points live when their lot has expired meanwhile.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = values::whole::<u16>)]
    grace_days: u16,
    /// How many days from a redemption that passed over points, because their issuer could owe no more, these points do not
    /// expire; 0: they expire as usual.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = values::whole::<u16>)]
    passed_over_grace_days: u16,
    /// From whose points a member's debt is recovered, when an issue is reversed after its points were spent: ANY issuer's
    /// or only the creditor's OWN.
    #[arg(long, value_name = "WHOSE", default_value = "ANY")]
    recovery: String,
    /// Every partner may name every other as a funder of joint issues, without limit. Left out: each needs a consent, given
    /// with `clearing partner consent`.
    #[arg(long)]
    open_consents: bool,
    /// A partner's leg smaller than this is carried into the next window.
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = values::decimal)]
    settlement_threshold: Decimal,
    /// How many windows carry a leg that is smaller than that; the next one settles it whatever its size, and so does the last of
    /// a year: 0 to 366.
    #[arg(long, value_name = "WINDOWS", default_value_t = CARRY_WINDOWS_MAX, value_parser = |text: &str| values::between::<u16>(text, 0, 366))]
    carry_windows_max: u16,
    /// Pay-outs are listed for the bank at once, whether the money for them is there or not. Left out: they wait until all debits of
    /// their settlement are paid, or are let out with `clearing settlement release`.
    #[arg(long)]
    pay_out_at_once: bool,
    /// No net debit cap stands above what covers it: collateral, guarantees and a line without security (`clearing partner cover`).
    #[arg(long)]
    caps_need_cover: bool,
    /// Acceptors do not learn the issuers of the points they take.
    #[arg(long)]
    hide_issuers: bool,
    /// How many days the answers to requests are kept for repeats; 0: for ever.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = values::whole::<u16>)]
    key_retention_days: u16,
    /// How many days a till's own time may lie back; 0: any.
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = values::whole::<u16>)]
    business_time_days: u16,
    /// How many days ahead of an expiry its notices are due: 1 to 8 numbers from 1 to 366, from the most to the fewest.
    #[arg(long, value_name = "DAYS,...", default_value = "30,7,1", value_parser = notice_days)]
    notice_days: NoticeDays,
    /// After how many days a proposal lapses that no second person has approved: 1 to 366.
    #[arg(long, value_name = "DAYS", default_value_t = PROPOSAL_DAYS, value_parser = |text: &str| values::between::<u16>(text, 1, i64::from(DECISION_DAYS_MAX)))]
    proposal_days: u16,
    /// After how many days a change of a bank account is in force, and somebody is an approver whom `person recover` has named: 0
    /// to 366.
    #[arg(long, value_name = "DAYS", default_value_t = ACCOUNT_CHANGE_DAYS, value_parser = |text: &str| values::between::<u16>(text, 0, i64::from(DECISION_DAYS_MAX)))]
    account_change_days: u16,
    /// How many points one person gives to members again on a day (`member reinstate`), before a second one is needed; 0: each
    /// time.
    #[arg(long, value_name = "POINTS", default_value_t = CARE_POINTS.0, value_parser = |text: &str| values::between::<i64>(text, 0, Points::OPERATION_MAX.0))]
    care_points: i64,
    #[command(flatten)]
    limits: DefaultLimits,
}

/// The limits of new partners that are created without limits of their own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of new partners")]
struct DefaultLimits {
    /// How far the debts of a partner may grow, in the currency. Left out: it is asked for on a terminal, and 100000
    /// elsewhere.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal, allow_negative_numbers = true)]
    default_net_debit_cap: Option<Decimal>,
    /// How many points one issue may have. Left out: it is asked for on a terminal, and 100000 elsewhere.
    #[arg(long, value_name = "POINTS", value_parser = values::count, allow_negative_numbers = true)]
    default_points_per_entry: Option<i64>,
    /// New partners have no limits. One with a stolen key can then owe any amount.
    #[arg(long, conflicts_with_all = ["default_net_debit_cap", "default_points_per_entry"])]
    no_limits: bool,
}

/// What `init` suggests: units of the currency, and points.
const SUGGESTED: i64 = 100_000;

impl DefaultLimits {
    /// Asks for what no flag has said.
    fn ask(&mut self, output: Output, currency: &str) {
        if self.no_limits || !output.is_dialogue() {
            return;
        }
        let cap = format!("How far may a new partner's debts grow, in {currency}? (--no-limits: any) [{SUGGESTED}]");
        let points = format!("How many points may one issue of a new partner have? [{SUGGESTED}]");
        let ask = |question: &str| output.ask(question);
        self.default_net_debit_cap.get_or_insert_with(|| answer(ask, &cap, Decimal::from(SUGGESTED), values::decimal));
        self.default_points_per_entry.get_or_insert_with(|| answer(ask, &points, SUGGESTED, values::count));
    }

    /// The limits, where nothing was said those that are suggested.
    fn limits(&self, scale: u32) -> Result<Limits, Failure> {
        if self.no_limits {
            return Ok(Limits::default());
        }
        let cap = self.default_net_debit_cap.unwrap_or(Decimal::from(SUGGESTED));
        let wrong = |problem: String| Failure::usage(format!("--default-net-debit-cap {problem}"));
        let cap = Money::of(cap, scale).map_err(|problem| wrong(problem.to_string()))?;
        if cap < Money::ZERO {
            return Err(wrong(format!("{} is below zero", cap.text(scale))));
        }
        let points = Points(self.default_points_per_entry.unwrap_or(SUGGESTED));
        Ok(Limits { net_debit_cap: Some(cap), points_per_entry: Some(points), ..Limits::default() })
    }

    /// Whether a part of them is a suggestion that nobody was asked about.
    fn suggested(&self) -> bool {
        !self.no_limits && (self.default_net_debit_cap.is_none() || self.default_points_per_entry.is_none())
    }
}

/// The answer to a question, or what is suggested if it is empty. A wrong one is told so, and asked for again.
fn answer<T>(
    ask: impl Fn(&str) -> String,
    question: &str,
    suggested: T,
    read: impl Fn(&str) -> Result<T, String>,
) -> T {
    let mut said = ask(question);
    loop {
        if said.is_empty() {
            return suggested;
        }
        match read(&said) {
            Ok(value) => return value,
            Err(problem) => said = ask(&format!("{problem}\n{question}")),
        }
    }
}

/// Numbers of days with commas between them.
fn notice_days(text: &str) -> Result<NoticeDays, String> {
    let days = text.split(',').map(|days| units::digits(days.trim())).collect::<Option<Vec<u16>>>();
    let days = days.ok_or_else(|| format!("{text:?} is not numbers of days with commas between them; write 30,7,1"))?;
    NoticeDays::new(days).map_err(|problem| problem.to_string())
}

/// The name of the auditor whose certificate comes with a new coalition. "auditor" alone is nobody's.
pub const AUDITOR: &str = "auditor-1";

/// Runs it.
pub async fn run(context: &Context, mut arguments: Arguments) -> Result<Answer, Failure> {
    arguments.rules.limits.ask(context.output, &arguments.units.currency);
    arguments.root.read(context.output)?;
    let made = make(&arguments, Clock::system().now(), &context.waiting).await?;
    let Made { house, files, .. } = &made;
    Ok(Answer::new(to_json(&arguments, house, files), page(&arguments, house, files)))
}

/// A new coalition.
pub struct Made {
    /// The rules it begins with.
    pub house: House,
    /// Who issues its certificates.
    pub authority: Authority,
    files: Files,
}

/// Makes a new coalition whose first window opens at `now`.
pub async fn make(arguments: &Arguments, now: Timestamp, waiting: &Waiting) -> Result<Made, Failure> {
    let house = house(arguments, now)?;
    let addresses = addresses(arguments)?;
    let files = Files::of(arguments)?;
    let database = config::database_in(&arguments.dir, &arguments.database);

    // Whatever fails from here on, what was made before it goes with `making`.
    let (mut making, dir) = (files::Made::new(), &arguments.dir);
    making.folder(dir)?;
    let key = IdentifierKey::random();
    let passphrase = arguments.root.passphrase.as_ref();
    let authorities = Authorities::make(&files.authority, &arguments.domain, (passphrase, None), &mut making)?;
    let authority = authorities.issuing;
    making.file(&files.ca);
    write_new(&files.ca, authorities.root.cert_pem())?;
    server_identity(&authority, &addresses)?.write(dir, "server", &mut making)?;
    let first = arguments.first_person.as_str();
    Identity::of_client(&authority, Kind::Operator, first)?.write(dir, "operator", &mut making)?;
    Identity::of_client(&authority, Kind::Auditor, AUDITOR)?.write(dir, "auditor", &mut making)?;
    making.file(&files.identifier_key);
    write_identifier_key(&files.identifier_key, &key)?;
    making.file(&files.config);
    // The database's password may be in it.
    write_private_new(&files.config, &config_text(arguments))
        .map_err(|error| Failure::file("cannot write", &files.config, &error))?;
    // The coalition comes last, as it alone cannot be taken back: when it is founded nothing is left that could fail.
    database::found_with(&database, &house, &arguments.domain, &key, now, (&mut making, waiting)).await?;
    making.keep();
    Ok(Made { house, authority, files })
}

/// The certificate of the house.
pub fn server_identity(authority: &Authority, addresses: &[ServerAddress]) -> Result<Identity, Failure> {
    let (issued, key) = authority.issue_server(addresses, valid_for(CERTIFICATE_DAYS))?;
    Ok(Identity { cert_pem: issued.cert_pem, key: Some(key) })
}

/// The files that are made, all of which must not be there yet.
struct Files {
    config: PathBuf,
    ca: PathBuf,
    identifier_key: PathBuf,
    authority: PathBuf,
}

impl Files {
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let dir = &arguments.dir;
        let files = Self {
            config: dir.join(config::FILE_DEFAULT),
            ca: dir.join(CA_FILE),
            identifier_key: dir.join("identifier.key"),
            authority: dir.join(AUTHORITY_FOLDER),
        };
        refuse_to_overwrite([&files.config, &files.ca, &files.identifier_key, &files.authority])?;
        let names = ["server", "operator", "auditor"];
        let identities: Vec<_> = names.iter().flat_map(|name| [format!("{name}.pem"), format!("{name}.key")]).collect();
        let identities: Vec<_> = identities.iter().map(|name| dir.join(name)).collect();
        refuse_to_overwrite(&identities)?;
        Ok(files)
    }
}

/// The new coalition, made in the same way as one of a file.
fn house(arguments: &Arguments, now: Timestamp) -> Result<House, Failure> {
    let Arguments { units, rules, .. } = arguments;
    let wrong = |flag: &str, value: &str, allowed: &str| {
        Failure::usage(format!("{flag} {value:?} is malformed")).hint(format!("allowed: {allowed}"))
    };
    let checked = |flag: &str, value: &str, kind: KeyKind| {
        kind.read(value).map(drop).map_err(|_| wrong(flag, value, &kind.allowed()))
    };
    checked("--domain", &arguments.domain, KeyKind::Domain)?;
    checked("--listen", &arguments.listen, KeyKind::Address)?;
    if KeyKind::Database.read(&arguments.database).is_err() {
        return Err(wrong("--database", &without_password(&arguments.database), &KeyKind::Database.allowed()));
    }
    let currency: Currency =
        units.currency.parse().map_err(|_| wrong("--currency", &units.currency, "a code of ISO 4217 such as RUB"))?;
    if units.point_value <= Decimal::ZERO {
        return Err(wrong("--point-value", &units.point_value.to_string(), "an amount above zero, such as 1.00"));
    }
    TimeZone::get(&units.time_zone)
        .map_err(|_| wrong("--time-zone", &units.time_zone, "an IANA name such as Europe/Moscow"))?;
    let fee_bearer = FeeBearer::parse(&word(&rules.fee_bearer))
        .ok_or_else(|| wrong("--fee-bearer", &rules.fee_bearer, "ACCEPTOR or ISSUER"))?;
    let fee = Rate::new(rules.fee)
        .map_err(|_| wrong("--fee", &rules.fee.to_string(), "a decimal from 0 to 1 with at most 9 decimals"))?;
    let funding =
        values::funding_variant(&rules.funding).map_err(|allowed| wrong("--funding", &rules.funding, &allowed))?;
    let recovery: NamedRecovery =
        word(&rules.recovery).parse().map_err(|_| wrong("--recovery", &rules.recovery, "ANY or OWN"))?;
    let shares: Vec<Option<Rate>> = rules.breakage.split('/').map(|share| share.parse().ok()).collect();
    let [Some(reserve), Some(operator), Some(issuer)] = shares[..] else {
        return Err(wrong("--breakage", &rules.breakage, "three shares that add up to 1, such as 0.5/0.3/0.2"));
    };
    let file = CoalitionFile {
        coalition: CoalitionTable {
            currency,
            scale: units.scale.unwrap_or_else(|| currency.minor_digits()),
            point_value: units.point_value,
            acceptance_fee: Some(fee),
            fee_bearer: Some(fee_bearer),
            grace_days: Some(rules.grace_days),
            passed_over_grace_days: Some(rules.passed_over_grace_days),
            start: Some(now),
            time_zone: Some(units.time_zone.clone()),
            disclose_issuers: Some(!rules.hide_issuers),
            key_retention_days: Some(rules.key_retention_days),
            business_time_days: Some(rules.business_time_days),
            notice_days: Some(rules.notice_days.iter().collect()),
            proposal_days: Some(rules.proposal_days),
            account_change_days: Some(rules.account_change_days),
            care_points: Some(rules.care_points),
            first_person: Some(arguments.first_person),
            breakage: Some(Breakage { reserve, operator, issuer }),
            settlement_threshold: Some(rules.settlement_threshold),
            carry_windows_max: Some(rules.carry_windows_max),
            pay_outs_wait: Some(!rules.pay_out_at_once),
            caps_need_cover: Some(rules.caps_need_cover),
            recovery: Some(recovery),
            open_consents: Some(rules.open_consents),
        },
        partners: Vec::new(),
    };
    let id = arguments.coalition.as_deref().unwrap_or(&arguments.domain);
    let mut house = file
        .to_house(id, funding)
        .map_err(|error| Failure::usage(with_causes(&error)).hint("correct the flag; --help tells what each may be"))?;
    house.coalition.default_limits = rules.limits.limits(house.coalition.scale)?;
    Ok(house)
}

fn addresses(arguments: &Arguments) -> Result<Vec<ServerAddress>, Failure> {
    let mut addresses = ServerAddress::loopback();
    for name in &arguments.server_names {
        let address = match name.parse() {
            Ok(address) => ServerAddress::Ip(address),
            Err(_) => ServerAddress::Dns(name.clone()),
        };
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    // Checked by a throw-away authority, before anything is written.
    let trial = Authority::generate(&arguments.domain, valid_for(1))?;
    trial.issue_server(&addresses, valid_for(0)).map_err(|error| {
        Failure::usage(with_causes(&error))
            .hint("--server-name is a host name such as clearing.points.example, or an IP address")
    })?;
    Ok(addresses)
}

fn config_text(arguments: &Arguments) -> String {
    let port = arguments.listen.rsplit_once(':').map_or("7443", |(_, port)| port);
    // A port that the system chooses is not known before it serves.
    let port = if port == "0" { "7443" } else { port };
    let of = |name: &'static str, value: &str| (name, value.to_owned());
    let (enrolment, endpoints) = enrolment_of(arguments);
    let mut values = vec![
        of("house.database", &arguments.database),
        of("house.listen", &arguments.listen),
        of("house.domain", &arguments.domain),
        of("tls.ca", CA_FILE),
        of("tls.cert", "server.pem"),
        of("tls.key", "server.key"),
        of("tls.partner_authorities", "partner-authorities"),
        of("keys.identifier_key", "identifier.key"),
        of("client.endpoint", &format!("https://localhost:{port}")),
        of("client.ca", CA_FILE),
        of("client.cert", "operator.pem"),
        of("client.key", "operator.key"),
        of("authority.cert", &format!("{AUTHORITY_FOLDER}/{CA_FILE}")),
        of("authority.key", &format!("{AUTHORITY_FOLDER}/{CA_KEY_FILE}")),
        of("enrolment.listen", &enrolment),
    ];
    values.extend(endpoints);
    config::template(&values)
}

/// Where invites are used, beside the house; and what those who enrol are told, where the house listens on every network.
fn enrolment_of(arguments: &Arguments) -> (String, Vec<(&'static str, String)>) {
    let Ok(house) = arguments.listen.parse::<SocketAddr>() else { return ("127.0.0.1:7444".to_owned(), Vec::new()) };
    let port = if house.port() == 0 { 0 } else { house.port().checked_add(1).unwrap_or(house.port() - 1) };
    let listen = SocketAddr::new(house.ip(), port);
    if !house.ip().is_unspecified() || port == 0 {
        return (listen.to_string(), Vec::new());
    }
    let host = arguments.server_names.first().map_or("localhost", String::as_str);
    let endpoints = vec![
        ("enrolment.endpoint", format!("{host}:{port}")),
        ("enrolment.house_endpoint", format!("https://{host}:{}", house.port())),
    ];
    (listen.to_string(), endpoints)
}

fn to_json(arguments: &Arguments, house: &House, files: &Files) -> Value {
    let coalition = &house.coalition;
    let limits = &coalition.default_limits;
    json!({
        "dir": arguments.dir,
        "config": files.config,
        "database": config::without_password(&arguments.database),
        "domain": arguments.domain,
        "coalition": coalition.id,
        "currency": coalition.currency.as_str(),
        "scale": coalition.scale,
        "time_zone": coalition.time_zone.iana_name(),
        "notice_days": coalition.notice_days.iter().collect::<Vec<_>>(),
        "proposal_days": coalition.proposal_days,
        "account_change_days": coalition.account_change_days,
        "carry_windows_max": coalition.carry_windows_max,
        "care_points": coalition.care_points.0,
        "first_person": arguments.first_person.as_str(),
        "authority": files.authority,
        "root_key_encrypted": arguments.root.passphrase.is_some(),
        "ca": files.ca,
        "default_limits": {
            "net_debit_cap": limits.net_debit_cap.map(|cap| coalition.money_text(cap)),
            "points_per_entry": limits.points_per_entry.map(|points| points.0),
        },
    })
}

fn page(arguments: &Arguments, house: &House, files: &Files) -> Page {
    let coalition = &house.coalition;
    let dir = &arguments.dir;
    let at = |name: &str| dir.join(name).display().to_string();
    let config = files.config.display();
    Page::new()
        .text(format!(
            "Made the coalition {} ({}, {} decimals) in {}:",
            coalition.id,
            coalition.currency,
            coalition.scale,
            dir.display()
        ))
        .text(format!("  {config}   the configuration, every key explained"))
        .text(format!(
            "  {}   the coalition's root and the authority that issues below it. Whoever has ca.key can be every partner",
            files.authority.display()
        ))
        .text(match arguments.root.passphrase {
            None => root_in_the_clear(&files.authority.join("root.key")),
            Some(_) => format!(
                "  {}   encrypted. Take it off this machine: it is needed to renew and to replace the authority, never to serve",
                files.authority.join("root.key").display()
            ),
        })
        .text(format!(
            "  {}   the secret that leads from a card to its member. Back it up; it never changes",
            files.identifier_key.display()
        ))
        .text(format!(
            "  {}, {}   who the house, the operator's first person ({}) and the auditor are, each with its key",
            at("server.pem"),
            at("operator.pem, auditor.pem"),
            arguments.first_person
        ))
        .text(format!("  {}   the books", config::without_password(&arguments.database)))
        .text(limits_words(arguments, house))
        .text(calendar_words(house))
        .text("Next:")
        .text(format!("  clearing serve --config {config}"))
        .text(format!("  clearing partner create grocer --name 'Green Grocer' --invite --config {config}"))
        .text("  partner enroll clearinginvite1...   (what the brand types, with the string that this prints)")
}

/// When its days end and windows close, and when its members hear of expiries.
fn calendar_words(house: &House) -> String {
    let zone = Zone::of(&house.coalition.time_zone);
    format!(
        "Its days end at midnight of {}. Windows close by hand until a calendar closes them, such as clearing calendar set '0 0 \
         * * *'. Notices of expiry are due {} days ahead.",
        zone.name(),
        house.coalition.notice_days
    )
}

/// What new partners may do, and whether anybody has said so.
fn limits_words(arguments: &Arguments, house: &House) -> String {
    let coalition = &house.coalition;
    let limits = &coalition.default_limits;
    let new_partners = match (limits.net_debit_cap, limits.points_per_entry) {
        (Some(cap), Some(points)) => format!(
            "New partners may owe up to {} {} and issue up to {} points at a time, unless `partner create` says otherwise.",
            coalition.money_text(cap),
            coalition.currency,
            points.0
        ),
        _ => "New partners have no limits, unless `partner create` sets some.".to_owned(),
    };
    let suggested = if arguments.rules.limits.suggested() {
        " That is a suggestion: --default-net-debit-cap, --default-points-per-entry or --no-limits say something else."
    } else {
        ""
    };
    format!("{new_partners}{suggested}")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn an_empty_answer_is_the_suggestion_and_a_wrong_one_is_asked_for_again() {
        let heard = RefCell::new(Vec::new());
        let answers = RefCell::new(vec!["250000", "1e6", "+1"]);
        let ask = |question: &str| {
            heard.borrow_mut().push(question.to_owned());
            answers.borrow_mut().pop().unwrap_or_default().to_owned()
        };
        assert_eq!(answer(ask, "How many?", SUGGESTED, values::count), 250_000);
        assert_eq!(heard.borrow().len(), 3);
        assert!(heard.borrow()[1].starts_with("\"+1\" is not a number"), "{heard:?}");
        assert_eq!(answer(ask, "How many?", SUGGESTED, values::count), SUGGESTED);
    }
}
