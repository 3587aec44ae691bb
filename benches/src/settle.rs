//! `load settle`: what it takes to close a window and to settle it.
//!
//! | what is timed | aim |
//! |---|---|
//! | the close of a long window, beside that of a short one of the same house, in turns | less than twice as long |
//! | preview, close, confirmation, exports and the explanation of a leg, of many partners each of which owes many others | 2 s each |

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::projector;
use clearing::store::{Projector, Store};
use clearing::writer::Writer;
use clearing_core::command::{Command, Request};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::Origin;
use clearing_core::rules::close::CloseWindow as Close;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{PartnerId, Points};
use partner_sdk::operator::{ConfirmSettlement, ExportOrders, OrderMode};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::coalition::{self, DOMAIN, FIRST_WINDOW, IDENTIFIER_KEY, PARTNERS, WALLET_ISSUERS};
use crate::fill::prepare;
use crate::loads::Turns;
use crate::machine::load_average;
use crate::report::{Figure, Report, load_text, median};
use crate::system::{Backend, Databases, Kind, Site, System, database};
use crate::till::Till;
use crate::workload::card_number;

/// How much longer the close of a long window may take than that of a short one.
const RATIO_MAX: f64 = 2.0;

/// How long each step of a wide settlement may take, in milliseconds.
const STEP_MILLIS_MAX: f64 = 2_000.0;

/// Issues of a brand that are asked for at once; all brands are asked at once.
const BATCH: u64 = 1_024;

/// Members whom the entries of windows name.
const MEMBERS: u64 = 10_000;

/// Callers of a wide coalition that ask at once.
const AT_ONCE: usize = 64;

/// What to settle.
#[derive(Debug, Args)]
pub struct Options {
    /// Entries of a long window.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Entries of the short window that it is compared with.
    #[arg(long, default_value_t = 1_000)]
    few_entries: u64,
    /// Partners of the wide coalition.
    #[arg(long, default_value_t = 2_000)]
    partners: usize,
    /// How many others each of them owes.
    #[arg(long, default_value_t = 50)]
    others: usize,
}

/// Measures both, and writes what it finds. That an aim is missed is told, and no error: on a machine that does other things it
/// says nothing.
///
/// # Errors
/// If a step is refused, or the books are wrong in the end.
pub async fn run(
    options: &Options,
    turns: &Turns,
    backends: &[Backend],
    servers: Handle,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let wide = PARTNERS + WALLET_ISSUERS;
    ensure!(options.partners >= wide, "a wide coalition has at least {wide} partners");
    ensure!(options.others < options.partners, "a partner can owe no more others than there are");
    let site = Site::new(servers, 0, 0, turns.seed)?;
    for backend in backends {
        turns.quiet().await;
        closes(options, turns.rounds, *backend, databases, report).await?;
        steps(options, turns.rounds, &site, *backend, databases, report).await?;
    }
    Ok(())
}

/// Closes a short and a long window in turns.
async fn closes(
    options: &Options,
    rounds: u32,
    backend: Backend,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let load = load_average();
    let url = database::url_of(&databases.make(backend, "closes").await?);
    let store = prepare(&url).await?;
    let (writer, writing) = Writer::start(store.clone(), Clock::system(), 1 << 20);
    let (stop, mut projecting) = (CancellationToken::new(), JoinSet::new());
    projecting.spawn(projector::follow(store.clone(), stop.clone()));
    let mut till = Till::new(Clock::system(), "till", 0);
    let key = IdentifierKey::new(IDENTIFIER_KEY);
    let lengths = [options.few_entries, options.entries];
    let mut taken: [Vec<f64>; 2] = Default::default();
    for round in 0..rounds {
        // What comes second finds more rows than what comes first: each does so in every other round.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            issue(&writer, &mut till, &key, lengths[at]).await?;
            let closing = Command::CloseWindow(Close { expected: None });
            let closing = Request { origin: Origin::default(), ..till.request(PartnerId::operator(), closing) };
            let began = Instant::now();
            writer.ask(closing).await?.answer.result.ok().context("the window was not closed")?;
            taken[at].push(millis(began.elapsed()));
        }
    }
    drop(writer);
    writing.await?;
    stop.cancel();
    while let Some(ended) = projecting.join_next().await {
        ended?;
    }
    let medians = taken.each_ref().map(|values| median(values).unwrap_or_default());
    let ratio = medians[1] / medians[0];
    let system = Kind::House(backend).name().to_owned();
    writeln!(
        std::io::stdout(),
        "{system}: a window of {} entries closes in {:.1} ms, one of {} in {:.1} ms: x {ratio:.2}, {} below {RATIO_MAX} (load average {})",
        lengths[0],
        medians[0],
        lengths[1],
        medians[1],
        if ratio < RATIO_MAX { "which is" } else { "which is NOT" },
        load_text(load),
    )?;
    for (length, values) in lengths.into_iter().zip(taken) {
        let name = format!("close of a window of {length} entries");
        report.figures.push(Figure { name, system: system.clone(), unit: "ms".to_owned(), values, load_average: load });
    }
    Ok(())
}

/// So many issues, of all brands in turns.
async fn issue(writer: &Writer, till: &mut Till, key: &IdentifierKey, entries: u64) -> Result<()> {
    let mut issued = 0;
    while issued < entries {
        let mut batches = vec![Vec::new(); PARTNERS];
        for brand in (0..PARTNERS).cycle().take(usize::try_from((entries - issued).min(BATCH * PARTNERS as u64))?) {
            let card = card_number(u32::try_from(issued % MEMBERS)?);
            let member = MemberRef::Identifier(key.hash("card", &card));
            let earn = IssuePoints { member, earn: Earn::points(Points(10)) };
            batches[brand].push(till.request(coalition::partner(brand), earn.into()));
            issued += 1;
        }
        batches.retain(|batch| !batch.is_empty());
        ask_all(writer, batches).await?;
    }
    Ok(())
}

/// Asks batches of several callers at once.
async fn ask_all(writer: &Writer, batches: Vec<Vec<Request>>) -> Result<()> {
    let answers = futures::future::try_join_all(batches.into_iter().map(|batch| writer.ask_batch(batch))).await?;
    for answer in answers.into_iter().flatten() {
        answer?.answer.result.ok().context("a request was refused")?;
    }
    Ok(())
}

/// A coalition in which each partner owes many others, on a database of its own.
async fn wide(options: &Options, url: &str) -> Result<()> {
    let (store, clock) = (Store::connect(url).await?, Clock::system());
    store.migrate().await?;
    let (key, now) = (IdentifierKey::new(IDENTIFIER_KEY), clock.now());
    store.create_coalition(&coalition::wide_house(now, options.partners), DOMAIN, &key, now).await?;
    let (writer, writing) = Writer::start(store.clone(), clock.clone(), 1 << 20);
    let mut till = Till::new(clock, "till", 0);
    let member = |of: usize| MemberRef::Identifier(key.hash("card", &card_number(u32::try_from(of).expect("few"))));
    let (partners, others) = (options.partners, options.others);
    let everybody: Vec<usize> = (0..partners).collect();
    for some in everybody.chunks(AT_ONCE) {
        let issue = |of: &usize| IssuePoints { member: member(*of), earn: Earn::points(Points(1_000_000)) };
        let batches = some.iter().map(|of| vec![till.request(coalition::partner(*of), issue(of).into())]);
        let batches = batches.collect();
        ask_all(&writer, batches).await?;
    }
    for some in everybody.chunks(AT_ONCE) {
        let batches = some.iter().map(|at| {
            let redeem = |back: usize| {
                let points = i64::try_from((at * 31 + back * 17) % 997 + 1).expect("few");
                RedeemPoints { member: member((at + partners - back) % partners), points: Points(points) }
            };
            (1..=others).map(|back| till.request(coalition::partner(*at), redeem(back).into())).collect()
        });
        let batches = batches.collect();
        ask_all(&writer, batches).await?;
    }
    drop(writer);
    writing.await?;
    let mut projector = Projector::new(store.clone());
    while projector.step().await?.behind > 0 {}
    drop((projector, store));
    Databases::settle(url).await
}

/// Settles a wide coalition, step by step.
async fn steps(
    options: &Options,
    rounds: u32,
    site: &Site,
    backend: Backend,
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let url = database::url_of(&databases.make(backend, "wide").await?);
    wide(options, &url).await?;
    let load = load_average();
    let house = System::house_on(site, &url).await?;
    let client = house.operator().context("a house has an operator")?.clone();
    let operator = client.operator();
    let window = i64::from(FIRST_WINDOW);
    let mut taken: Vec<(&str, Vec<f64>)> = Vec::new();
    macro_rules! timed {
        ($name:literal, $times:expr, $call:expr) => {{
            let mut values = Vec::new();
            for _ in 0..$times {
                let began = Instant::now();
                $call;
                values.push(millis(began.elapsed()));
            }
            taken.push(($name, values));
        }};
    }
    macro_rules! done {
        ($call:expr) => {{
            let _ = $call.await?.accepted()?;
            house.clients.acknowledge(1);
        }};
    }
    timed!("preview of the open window", rounds, {
        let legs = operator.preview_settlement(None).await?.legs.len();
        ensure!(legs + 10 > options.partners, "only {legs} legs");
    });
    timed!("close", 1, {
        house.close_window().await?;
    });
    timed!("preview of the closed window", rounds, {
        let _ = operator.preview_settlement(Some(window)).await?;
    });
    timed!("confirmation", 1, done!(operator.confirm_settlement(ConfirmSettlement::of(window))));
    timed!("export, hub", rounds, done!(operator.export_orders(ExportOrders::of(window, OrderMode::Hub))));
    timed!(
        "export, pairwise",
        rounds,
        done!(operator.export_orders(ExportOrders::of(window, OrderMode::Pairwise).replace()))
    );
    timed!("list of the orders", rounds, {
        let _ = client.orders(window, None).all().await?;
    });
    timed!("explanation of a leg", rounds, {
        let _ = client.explain_leg_of(coalition::partner(0).as_str(), window).await?;
    });
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{}: {} partners, each owes {} others (load average {})\n\n| step | ms, median | largest | at most {STEP_MILLIS_MAX} |\n|---|---|---|---|",
        house.name,
        options.partners,
        options.others,
        load_text(load)
    )?;
    for (name, values) in taken {
        let largest = values.iter().copied().fold(0.0, f64::max);
        let (middle, holds) = (median(&values).unwrap_or_default(), largest <= STEP_MILLIS_MAX);
        writeln!(out, "| {name} | {middle:.0} | {largest:.0} | {} |", if holds { "yes" } else { "NO" })?;
        let (system, unit) = (house.name.clone(), "ms".to_owned());
        report.figures.push(Figure { name: name.to_owned(), system, unit, values, load_average: load });
    }
    drop((operator, client));
    let books = house.end(true).await?.context("a house has books")?;
    writeln!(out, "{}", books.line())?;
    report.books.push(books);
    Ok(())
}

fn millis(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e3
}
