//! `clearing entry`: one entry of the journal, or those that something is known of.

use clap::{Args, Subcommand};
use clearing_core::facts::origin::BusinessDate;
use partner_sdk::{Entry, EntryKind, MemberRef};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::log::kind;
use crate::member::member;
use crate::output::{Answer, Page};
use crate::report::{entry_json, journal_page};
use crate::session::Session;
use crate::values;

/// The entry commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows one entry with every posting.
    #[command(
        after_help = "Example:\n  clearing entry show e1Zk3mB0 --output json\n\nEvery answer names the ids of the entries that it wrote."
    )]
    Show {
        /// Id of the entry.
        #[arg(value_name = "ENTRY")]
        entry: String,
    },
    /// Finds entries by whom they concern, what they are, or the receipt that they were booked with.
    ///
    /// It looks through the journal from its beginning, or from --from on: of a long one that takes its time.
    #[command(after_help = "Examples:\n  clearing entry find --member card:4000123\n  \
                            clearing entry find --partner GROCER --receipt 4711 --day 2026-02-01\n  \
                            clearing entry find --kind redeem --window 3 --limit 20")]
    Find(Find),
}

/// Arguments of `entry find`. What is left out may be anything.
#[derive(Debug, Args)]
pub struct Find {
    /// Only entries of this member: an identifier, as SCHEME:VALUE, or its id.
    #[arg(long, value_name = "MEMBER", value_parser = member)]
    member: Option<MemberRef>,
    /// Only entries that this partner asked for.
    #[arg(long, value_name = "PARTNER")]
    partner: Option<String>,
    /// Only entries of this kind, for example issue, redeem, return, expire.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<EntryKind>,
    /// Only entries that were booked with a receipt of this number.
    #[arg(long, value_name = "NUMBER")]
    receipt: Option<String>,
    /// Only entries whose till named this business day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<BusinessDate>,
    /// Only entries of this window.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// The first entry to look at, by its place in the journal.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = |text: &str| values::between::<i64>(text, 1, i64::MAX))]
    from: i64,
    /// How many entries at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = values::whole::<usize>)]
    limit: usize,
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    let session = Session::open(context).await?;
    match command {
        Command::Show { entry } => show(&session, &entry).await,
        Command::Find(arguments) => find(&session, arguments).await,
    }
}

async fn show(session: &Session, id: &str) -> Result<Answer, Failure> {
    let entry = session.client.entry(id).await?;
    Ok(Answer::new(entry_json(&entry), journal_page(std::slice::from_ref(&entry), session)))
}

async fn find(session: &Session, arguments: Find) -> Result<Answer, Failure> {
    let Find { member, partner, kind, receipt, day, window, from, limit } = arguments;
    let member = match member {
        Some(member) => Some(session.client.balance(member).await?.member.member_id),
        None => None,
    };
    let day = day.map(|day| day.to_string());
    let matches = |entry: &Entry| {
        let origin = entry.origin.as_ref();
        member.as_ref().is_none_or(|member| entry.member_id.as_ref() == Some(member))
            && partner.as_ref().is_none_or(|partner| entry.partner_id.as_ref() == Some(partner))
            && kind.is_none_or(|kind| entry.kind == kind)
            && receipt.as_ref().is_none_or(|number| origin.is_some_and(|of| of.receipt_number == *number))
            && day.as_ref().is_none_or(|day| origin.is_some_and(|of| of.business_date == *day))
    };
    let mut pages = session.operator().journal(from, window);
    let mut found = Vec::new();
    // One more tells whether there are more.
    while found.len() <= limit
        && let Some(page) = pages.next_page().await?
    {
        found.extend(page.into_iter().filter(&matches));
    }
    let next = found.get(limit).and_then(|entry| entry.journal_sequence);
    found.truncate(limit);
    let json = json!({
        "currency": session.info.currency_code,
        "entries": found.iter().map(entry_json).collect::<Vec<_>>(),
        "next_sequence": next,
    });
    if found.is_empty() {
        return Ok(Answer::new(json, Page::new().text("No entry is like that.")));
    }
    let page = journal_page(&found, session);
    let page = match next {
        Some(next) => page.text(format!("There are more: the same with --from {next}.")),
        None => page,
    };
    Ok(Answer::new(json, page))
}
