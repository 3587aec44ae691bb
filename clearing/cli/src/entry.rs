//! `clearing entry`: one entry of the journal, or those that something is known of.

use clap::{Args, Subcommand};
use clearing_core::facts::origin::BusinessDate;
use partner_sdk::operator::EntrySearch;
use partner_sdk::{Entry, EntryFilter, EntryKind, Error, MemberRef};
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
        after_help = "Examples:\n  clearing entry show 4711 --output json      its number in the journal, for the operator and auditors\n  \
                            clearing entry show e1Zk3mB0                its id, as every answer names those that it wrote"
    )]
    Show {
        /// Id of the entry, or its number in the journal.
        #[arg(value_name = "ENTRY")]
        entry: String,
    },
    /// Finds entries by whom they concern, what they are, or the receipt that they were booked with: the newest first.
    ///
    /// The house looks a member, a store, a receipt or a day up, the faster if --partner says of whom. By --kind or --window
    /// alone it looks through the journal, which takes its time where that is long. A brand finds its own entries.
    #[command(after_help = "Examples:\n  clearing entry find --member card:4000123\n  \
                            clearing entry find --partner grocer --receipt 4711 --day 2026-02-01\n  \
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
    /// Only entries of this store.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Only entries of this till.
    #[arg(long, value_name = "TILL")]
    till: Option<String>,
    /// Only entries that were booked with a receipt of this number.
    #[arg(long, value_name = "NUMBER")]
    receipt: Option<String>,
    /// Only entries of this business day: those whose till named it and, beside a member, store or receipt, those that were
    /// booked on it without one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<BusinessDate>,
    /// Only entries of this window.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// Only entries before this place in the journal.
    #[arg(long, value_name = "SEQUENCE", value_parser = |text: &str| values::between::<i64>(text, 1, i64::MAX))]
    before: Option<i64>,
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

async fn show(session: &Session, named: &str) -> Result<Answer, Failure> {
    // The house's ids begin with a letter.
    let entry = match named.parse::<i64>() {
        Err(_) => session.client.entry(named).await?,
        Ok(number) => {
            let from = session.operator().journal(number.max(1), None).first(1).await?;
            let there = from.into_iter().find(|entry| entry.journal_sequence == Some(number));
            there.ok_or_else(|| Error::NotFound { message: format!("the journal has no entry {number}") })?
        }
    };
    Ok(Answer::new(entry_json(&entry), journal_page(std::slice::from_ref(&entry), session)))
}

async fn find(session: &Session, arguments: Find) -> Result<Answer, Failure> {
    let limit = arguments.limit;
    // One more tells whether there are more.
    let most = limit.saturating_add(1);
    let (mut found, own) = match session.operator().find_entries(search(&arguments)).first(most).await {
        Err(Error::PermissionDenied { .. }) => (find_own(session, &arguments, most).await?, true),
        found => (found?, false),
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).and_then(|last| last.journal_sequence);
    let json = json!({
        "currency": session.info.currency_code,
        "entries": found.iter().map(entry_json).collect::<Vec<_>>(),
        "more": more,
        "next_before": next,
    });
    if found.is_empty() {
        return Ok(Answer::new(json, Page::new().text("No entry is like that.")));
    }
    let page = journal_page(&found, session);
    let page = match next {
        Some(next) => page.text(format!("There are more: the same with --before {next}.")),
        None if more && own => page.text(format!("There are more: --limit {}.", limit.saturating_mul(2).max(1))),
        None => page,
    };
    Ok(Answer::new(json, page))
}

/// What the operator and auditors look for.
fn search(arguments: &Find) -> EntrySearch {
    let Find { member, partner, kind, store, till, receipt, day, window, before, limit: _ } = arguments;
    let mut search = EntrySearch::all();
    if let Some(member) = member {
        search = search.member(member.clone());
    }
    if let Some(partner) = partner {
        search = search.partner(partner);
    }
    if let Some(kind) = kind {
        search = search.kind(*kind);
    }
    if let Some(store) = store {
        search = search.store(store);
    }
    if let Some(till) = till {
        search = search.till(till);
    }
    if let Some(receipt) = receipt {
        search = search.receipt(receipt);
    }
    if let Some(day) = day {
        search = search.business_date(day.to_string());
    }
    if let Some(window) = window {
        search = search.window(*window);
    }
    if let Some(before) = before {
        search = search.before(*before);
    }
    search
}

/// What a brand finds among its own.
async fn find_own(session: &Session, arguments: &Find, most: usize) -> Result<Vec<Entry>, Failure> {
    let Find { member, partner, kind, store, till, receipt, day, window, before, limit: _ } = arguments;
    let caller = &session.info.caller_id;
    if let Some(partner) = partner.as_ref().filter(|partner| *partner != caller) {
        return Err(Failure::usage(format!("--partner {partner}: {caller} finds its own entries only")));
    }
    if before.is_some() {
        return Err(Failure::usage(
            "--before: places in the journal are told to the operator and auditors; use --limit",
        ));
    }
    let mut filter = EntryFilter::all();
    if let Some(member) = member {
        filter = filter.member(member.clone());
    }
    if let Some(store) = store {
        filter = filter.store(store);
    }
    if let Some(till) = till {
        filter = filter.till(till);
    }
    if let Some(receipt) = receipt {
        filter = filter.receipt(receipt);
    }
    if let Some(day) = day {
        filter = filter.business_date(day.to_string());
    }
    if let Some(window) = window {
        filter = filter.window(*window);
    }
    let (mut entries, mut found) = (session.client.entries(filter), Vec::new());
    while found.len() < most
        && let Some(entry) = entries.try_next().await?
    {
        let asked = partner.is_none() || entry.partner_id.as_ref() == Some(caller);
        if asked && kind.is_none_or(|kind| entry.kind == kind) {
            found.push(entry);
        }
    }
    Ok(found)
}
