//! `clearing report`: the whole book, for the operator and auditors.

mod html;

use clap::{Args, Subcommand};
use partner_sdk::operator::{AccountBalance, NettingReport};
use partner_sdk::{Entry, Posting, Quantity};
use serde_json::{Value, json};

use crate::amounts::{amount, count};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, Page};
use crate::paper::settlement as paper;
use crate::session::{Session, moment};
use crate::times::Zone;
use crate::{cover, settlement, values};

/// The reports.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who owed whom in a window, and what netting made of it.
    #[command(
        after_help = "Examples:\n  clearing report netting         the open window, so far\n  clearing report netting 3 --output json"
    )]
    Netting {
        /// Number of the window. Left out: the open one.
        #[arg(value_parser = values::whole::<i64>)]
        window: Option<i64>,
    },
    /// A window as one HTML file: its settlement, and the statement of each brand in it; for a browser, and printed.
    #[command(after_help = "Examples:\n  clearing report html --window 3 --out window-3.html\n  \
                            clearing report html --window 3 --lines 1000 > window-3.html     with every line of each statement\n\n\
                            One brand's alone: clearing statement grocer --window 3 --format html")]
    Html(html::Arguments),
    /// The balance of every account, and whether they add up to zero.
    #[command(after_help = "Examples:\n  clearing report trial-balance\n  clearing report trial-balance --members\n\n\
                            Exit code 4: the books do not balance.")]
    TrialBalance {
        /// Lists the accounts of single members too; there may be millions.
        #[arg(long)]
        members: bool,
    },
    /// What partners owe and what stands behind it; the reserve, and what would be missing if the two largest debtors failed.
    #[command(after_help = "Examples:\n  clearing report cover\n  clearing report cover --output json")]
    Cover,
    /// The journal with every posting, in its own order.
    #[command(
        after_help = "Examples:\n  clearing report journal --window 3\n  clearing report journal --from 1001 --limit 50 --output json"
    )]
    Journal(Journal),
    /// Which members are about to lose points, so many days ahead as the coalition has it: 30, 7 and 1, if it was founded with no
    /// others.
    #[command(
        after_help = "Examples:\n  clearing report notices\n  clearing report notices --day 2026-02-01 --output json"
    )]
    Notices {
        /// The day whose notices to list, in the coalition's time zone; tomorrow at the latest. Left out: today.
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<String>,
    },
}

/// Arguments of `report journal`.
#[derive(Debug, Args)]
pub struct Journal {
    /// The first entry, by its place in the journal.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = |text: &str| values::between::<i64>(text, 1, i64::MAX))]
    from: i64,
    /// Only entries of this window.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// How many entries at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = values::whole::<usize>)]
    limit: usize,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    let session = async || Session::open(context).await;
    match command {
        Command::Netting { window } => netting(&session().await?, window).await,
        Command::Html(arguments) => html::run(context, arguments).await,
        Command::TrialBalance { members } => trial_balance(&session().await?, members).await,
        Command::Cover => cover_report(&session().await?).await,
        Command::Journal(arguments) => journal(&session().await?, arguments).await,
        Command::Notices { day } => notices(&session().await?, day.as_deref()).await,
    }
}

async fn netting(session: &Session, window: Option<i64>) -> Result<Answer, Failure> {
    let report = session.operator().netting_report(window).await?;
    let json = json!({
        "window": report.settlement.window,
        "currency": session.info.currency_code,
        "obligations": report.obligations.iter().map(|of| json!({
            "issuer_id": of.issuer_id,
            "acceptor_id": of.acceptor_id,
            "points": of.points,
            "gross": of.gross.amount.to_string(),
        })).collect::<Vec<_>>(),
        "bilateral_nets": report.bilateral_nets.iter().map(|of| json!({
            "debtor_id": of.debtor_id,
            "creditor_id": of.creditor_id,
            "amount": of.amount.amount.to_string(),
        })).collect::<Vec<_>>(),
        "netted_total": report.netted_total.amount.to_string(),
        "netted_share": report.netted_share.map(|share| share.to_string()),
        "settlement": settlement::to_json(&report.settlement),
    });
    let page = Page::new()
        .text(format!(
            "Obligations of window {}, {}: rows owe columns.",
            report.settlement.window, session.info.currency_code
        ))
        .and(&matrix(&report, session.info.scale))
        .text("After netting between each two:")
        .table(
            &["debtor", "creditor", ">amount"],
            report.bilateral_nets.iter().map(|net| {
                vec![net.debtor_id.clone(), net.creditor_id.clone(), amount(net.amount.amount, session.info.scale)]
            }),
        )
        .text(paper::headline(&report))
        .text("What is settled, with prepaid points, fees, spreads and what was carried:")
        .and(&settlement::page(&report.settlement));
    Ok(Answer::new(json, page))
}

/// Issuers by rows, acceptors by columns.
fn matrix(report: &NettingReport, scale: u32) -> Page {
    let mut acceptors: Vec<&str> = report.obligations.iter().map(|of| of.acceptor_id.as_str()).collect();
    acceptors.sort_unstable();
    acceptors.dedup();
    let mut issuers: Vec<&str> = report.obligations.iter().filter_map(|of| of.issuer_id.as_deref()).collect();
    issuers.sort_unstable();
    issuers.dedup();
    let cell = |issuer: &str, acceptor: &str| {
        let of =
            report.obligations.iter().find(|of| of.issuer_id.as_deref() == Some(issuer) && of.acceptor_id == acceptor);
        of.map_or_else(String::new, |of| amount(of.gross.amount, scale))
    };
    let rows = issuers.iter().map(|issuer| {
        let mut row = vec![(*issuer).to_owned()];
        row.extend(acceptors.iter().map(|acceptor| cell(issuer, acceptor)));
        row
    });
    let header: Vec<String> = std::iter::once("issuer \\ acceptor".to_owned())
        .chain(acceptors.iter().map(|name| format!(">{name}")))
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    Page::new().table(&header, rows)
}

async fn trial_balance(session: &Session, members: bool) -> Result<Answer, Failure> {
    let balance = session.operator().trial_balance(members).await?;
    let json = json!({
        "currency": session.info.currency_code,
        "accounts": balance.accounts.iter().map(account_json).collect::<Vec<_>>(),
        "totals": balance.totals.iter().map(account_json).collect::<Vec<_>>(),
        "points_sum": balance.points_sum,
        "money_sum": balance.money_sum.amount.to_string(),
        "balanced": balance.balanced,
        "as_of_journal_sequence": balance.as_of_journal_sequence,
    });
    let row = |account: &AccountBalance| {
        let [points, money] = quantity_cells(&account.balance);
        vec![account.account.clone(), points, money]
    };
    let header = ["account", ">points", &format!(">{}", session.info.currency_code)];
    let verdict = if balance.balanced { "The books balance." } else { "THE BOOKS DO NOT BALANCE." };
    let page = Page::new()
        .text(format!("Balances after entry {}:", balance.as_of_journal_sequence))
        .table(&header, balance.accounts.iter().map(row))
        .text("By class of account:")
        .table(&header, balance.totals.iter().map(row))
        .text(format!(
            "All points: {}. All money: {}. {verdict}",
            count(balance.points_sum),
            paper::with_currency(&balance.money_sum)
        ));
    let answer = Answer::new(json, page);
    if balance.balanced {
        return Ok(answer);
    }
    let message = format!("the books do not balance: points {}, money {}", balance.points_sum, balance.money_sum);
    let hint = "stop the house and run `clearing audit`, which finds the entry";
    Ok(answer.but(Failure::new(Exit::Unbalanced, message).hint(hint)))
}

async fn cover_report(session: &Session) -> Result<Answer, Failure> {
    let report = session.operator().cover_report().await?;
    let sums = [
        ("reserve", &report.reserve_amount),
        ("largest", &report.largest_uncovered_amount),
        ("two_largest", &report.two_largest_uncovered_amount),
        ("largest_missing", &report.largest_missing_amount),
        ("two_largest_missing", &report.two_largest_missing_amount),
    ];
    let mut json = json!({
        "currency": session.info.currency_code,
        "partners": report.partners.iter().map(cover::of_partner_json).collect::<Vec<_>>(),
    });
    for (name, money) in sums {
        json[name] = json!(money.amount.to_string());
    }
    let [reserve, largest, two, lacks_largest, lacks_two] = sums.map(|(_, money)| paper::with_currency(money));
    let page = cover::cover_page(&report.partners, session).text(format!(
        "The reserve holds {reserve}. If the largest debtor failed, {largest} would not be covered, and the reserve would lack \
         {lacks_largest}; of the two largest {two}, and {lacks_two}."
    ));
    Ok(Answer::new(json, page))
}

async fn notices(session: &Session, day: Option<&str>) -> Result<Answer, Failure> {
    let notices = session.operator().expiry_notices(day).all().await?;
    let json = json!({
        "notices": notices.iter().map(|notice| json!({
            "member_id": notice.member_id,
            "issuer_id": notice.issuer_id,
            "points": notice.points,
            "expire_time": moment(notice.expire_time),
            "days_ahead": notice.days_ahead,
        })).collect::<Vec<_>>(),
    });
    let rows = notices.iter().map(|notice| {
        let (points, expires, ahead) = (notice.points, session.zone.text(notice.expire_time), notice.days_ahead);
        vec![notice.member_id.clone(), notice.issuer_id.clone(), count(points), expires, ahead.to_string()]
    });
    let page =
        Page::new().table(&["member", "issuer", ">points", "expires", ">days ahead"], rows).text(session.zone.note());
    Ok(Answer::new(json, page))
}

async fn journal(session: &Session, arguments: Journal) -> Result<Answer, Failure> {
    let pages = session.operator().journal(arguments.from, arguments.window);
    // One more tells whether there are more.
    let mut entries = pages.first(arguments.limit.saturating_add(1)).await?;
    let more = entries.len() > arguments.limit;
    entries.truncate(arguments.limit);
    let json = json!({
        "currency": session.info.currency_code,
        "entries": entries.iter().map(entry_json).collect::<Vec<_>>(),
    });
    let mut page = journal_page(&entries, session);
    if let (true, Some(last)) = (more, entries.last()) {
        page = page.next(format!("clearing report journal --from {}", last.journal_sequence.unwrap_or_default() + 1));
    }
    Ok(Answer::new(json, page))
}

/// Entries with every posting, for people.
pub fn journal_page(entries: &[Entry], session: &Session) -> Page {
    let money = format!(">{}", session.info.currency_code);
    let header = [">entry", "time", ">window", "what", "by", "why", "account", ">points", &money, "purpose"];
    let rows = entries.iter().flat_map(|entry| entry_rows(entry, &session.zone));
    Page::new().table(&header, rows).text(session.zone.note())
}

/// A row for each posting, or one where there is none; what belongs to the entry stands in the first.
fn entry_rows(entry: &Entry, zone: &Zone) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = entry.postings.iter().map(posting_cells).collect();
    if rows.is_empty() {
        rows.push(vec![String::new(); 4]);
    }
    let mut of_entry = [
        // A brand is told the place among its own entries.
        entry.journal_sequence.or(entry.own_sequence).map(|number| number.to_string()).unwrap_or_default(),
        zone.text(entry.entry_time),
        entry.window.to_string(),
        entry.kind.to_string(),
        entry.partner_id.clone().unwrap_or_default(),
        entry.reason_code.clone().unwrap_or_default(),
    ];
    for cells in &mut rows {
        cells.splice(..0, of_entry.iter_mut().map(std::mem::take));
    }
    rows
}

fn posting_cells(posting: &Posting) -> Vec<String> {
    let [points, money] = quantity_cells(&posting.quantity);
    vec![posting.account.clone(), points, money, posting.purpose.map(|purpose| purpose.to_string()).unwrap_or_default()]
}

/// The cell of points and the cell of money, one of them empty.
fn quantity_cells(quantity: &Quantity) -> [String; 2] {
    match quantity {
        Quantity::Points(points) => [count(points), String::new()],
        Quantity::Money(money) => [String::new(), count(money.amount)],
    }
}

fn quantity_json(quantity: &Quantity) -> (&'static str, Value) {
    match quantity {
        Quantity::Points(points) => ("points", json!(points)),
        Quantity::Money(money) => ("money", json!(money.amount.to_string())),
    }
}

fn account_json(account: &AccountBalance) -> Value {
    let (kind, quantity) = quantity_json(&account.balance);
    json!({ "account": account.account, kind: quantity })
}

/// An entry for programs.
pub fn entry_json(entry: &Entry) -> Value {
    let postings: Vec<_> = entry
        .postings
        .iter()
        .map(|posting| {
            let (kind, quantity) = quantity_json(&posting.quantity);
            json!({ "account": posting.account, kind: quantity, "purpose": posting.purpose.map(|purpose| purpose.as_str()) })
        })
        .collect();
    json!({
        "entry_id": entry.entry_id,
        "journal_sequence": entry.journal_sequence,
        "own_sequence": entry.own_sequence,
        "window": entry.window,
        "kind": entry.kind.as_str(),
        "entry_time": moment(entry.entry_time),
        "partner": entry.partner_id,
        "member": entry.member_id,
        "request_id": entry.request_id,
        "linked_entry_id": entry.linked_entry_id,
        "reason_code": entry.reason_code,
        "store": entry.origin.as_ref().map(|origin| &origin.store),
        "till": entry.origin.as_ref().map(|origin| &origin.till),
        "receipt_number": entry.origin.as_ref().map(|origin| &origin.receipt_number),
        "business_date": entry.origin.as_ref().map(|origin| &origin.business_date),
        "postings": postings,
    })
}
