//! Playing the day: every request of the plan, through the SDK, over mTLS.
//!
//! Customers are independent of each other, so many are on their way at a time; one customer does one thing after the
//! other. The hours are played one by one, since the house's clock stands where it is put. Every answer is compared with
//! what the plan expects of it: a wrong balance at any till ends the demo.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clearing_core::units::Timestamp;
use indicatif::ProgressBar;
use partner_sdk::{
    Abandon, AbandonOutcome, Client, Decimal, Error, Issue, Issued, Money, NotAccepted, Origin, Outcome, Reason,
    Redeem, Redeemed, Rejection, ReturnRedemption,
};
use tokio::task::JoinSet;

use super::brands::{BANK, BRANDS, CURRENCY, MINOR_DIGITS};
use super::figures::Requests;
use super::house::DemoHouse;
use super::plan::{Customer, HOURS, Plan, Step, Visit, What};
use super::stories::{self, Stories};
use crate::failure::{Exit, Failure, accepted};

/// Customers who are being served at the same time.
pub const IN_FLIGHT: usize = 64;

/// The hour in which the bank credits the card turnover of the day before.
const BATCH_HOUR: i64 = 6;

/// What the answers at the tills come to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub requests: Requests,
    /// By brand.
    pub points: [Points; BRANDS.len()],
    /// How long each call took.
    pub latencies: Vec<Duration>,
}

/// Points that went through the tills of a brand, by its answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Points {
    pub issued: i64,
    pub accepted: i64,
}

/// The day, played.
#[derive(Debug)]
pub struct Day {
    pub tally: Tally,
    /// How long the tills were busy: the day without the batch of the morning and the stories.
    pub busy: Duration,
    pub stories: Stories,
}

/// Plays a plan, and the stories of a seed.
pub async fn play(house: &DemoHouse, seed: u64, plan: &Arc<Plan>, progress: &ProgressBar) -> Result<Day, Failure> {
    let mut tally = credit_turnover(house, plan).await?;
    let stories = stories::play(house, seed, &mut tally).await?;
    let tills = Arc::new(Tills { clients: house.brands.clone(), midnight: house.midnight, progress: progress.clone() });
    let mut wallets: Vec<Wallet> = plan.customers.iter().map(|_| Wallet::default()).collect();
    let began = Instant::now();
    for hour in HOURS.0..=HOURS.1 {
        // A till's own time may not be ahead of the house's.
        house.clock.advance_to(house.midnight.plus_seconds(i64::from(hour) * 3_600 + 3_599));
        let mut running = JoinSet::new();
        for (number, customer) in plan.customers.iter().enumerate() {
            if !customer.visits.iter().any(|visit| visit.hour == hour) {
                continue;
            }
            if running.len() >= IN_FLIGHT {
                ended(running.join_next().await, &mut wallets, &mut tally)?;
            }
            let wallet = std::mem::take(&mut wallets[number]);
            running.spawn(serve(Arc::clone(&tills), Arc::clone(plan), number, hour, wallet));
        }
        while !running.is_empty() {
            ended(running.join_next().await, &mut wallets, &mut tally)?;
        }
    }
    Ok(Day { tally, busy: began.elapsed(), stories })
}

/// Early in the morning the bank credits the card turnover of the day before, as one batch.
async fn credit_turnover(house: &DemoHouse, plan: &Plan) -> Result<Tally, Failure> {
    house.clock.advance_to(house.midnight.plus_seconds(BATCH_HOUR * 3_600));
    let day = date(house.midnight.plus_days(-1));
    // The list of the day is one receipt, and every customer a line of it: a line is credited once.
    let issue = |(line, customer): (i32, &Customer)| {
        let origin = Origin::store("card-centre").receipt(format!("turnover-{day}")).business_date(day.as_str());
        let origin = origin.receipt_line(line);
        Issue::to("card", customer.card.as_str()).points(customer.turnover_points).origin(origin)
    };
    let items = (1..).zip(&plan.customers).map(issue).collect();
    let outcomes = house.brands[BANK].batch_issue(items).await?;
    let mut tally = Tally::default();
    for (customer, outcome) in plan.customers.iter().zip(outcomes) {
        let issued = accepted(outcome)?;
        agree(customer, "a turnover", issued.member.available_points, customer.turnover_points)?;
        tally.requests.batch_items += 1;
        tally.requests.issues += 1;
        tally.points[BANK].issued += customer.turnover_points;
    }
    Ok(tally)
}

type Served = Result<(usize, Wallet, Tally), Failure>;

/// Takes back what a customer's task was lent, and adds its tally.
fn ended(
    joined: Option<Result<Served, tokio::task::JoinError>>,
    wallets: &mut [Wallet],
    tally: &mut Tally,
) -> Result<(), Failure> {
    let Some(joined) = joined else { return Ok(()) };
    let (number, wallet, more) = joined.map_err(|error| Failure::internal(&error))??;
    wallets[number] = wallet;
    tally.add(more);
    Ok(())
}

/// All that one customer does within one hour.
async fn serve(tills: Arc<Tills>, plan: Arc<Plan>, number: usize, hour: u8, mut wallet: Wallet) -> Served {
    let customer = &plan.customers[number];
    let mut tally = Tally::default();
    for visit in customer.visits.iter().filter(|visit| visit.hour == hour) {
        for step in &visit.steps {
            tills.take(customer, visit, step, &mut wallet, &mut tally).await?;
        }
        if visit.total_cents.is_some() {
            tills.progress.inc(1);
        }
    }
    Ok((number, wallet, tally))
}

/// What a customer keeps: the receipts of the redemptions, by their number.
#[derive(Debug, Default)]
struct Wallet {
    redemptions: Vec<String>,
}

/// The tills of all brands.
#[derive(Debug)]
struct Tills {
    clients: [Client; BRANDS.len()],
    midnight: Timestamp,
    progress: ProgressBar,
}

impl Tills {
    /// Makes one step of a visit.
    async fn take(
        &self,
        customer: &Customer,
        visit: &Visit,
        step: &Step,
        wallet: &mut Wallet,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let client = &self.clients[visit.brand];
        let issue = |points| Issue::to("card", customer.card.as_str()).points(points).origin(self.origin(visit));
        let redeem = |points| Redeem::from("card", customer.card.as_str()).points(points).origin(self.origin(visit));
        let available = match step.what {
            What::Issue { points } => {
                let issued = accepted(tally.timed(client.issue(issue(points))).await)?;
                tally.issued(visit, points);
                issued.member.available_points
            }
            What::IssueTwice { points } => {
                let request = issue(points).request_id(client.new_request_id());
                let first = accepted(tally.timed(client.issue(request.clone())).await)?;
                let second = accepted(tally.timed(client.issue(request)).await)?;
                same_issue(customer, &first, &second)?;
                tally.issued(visit, points);
                tally.requests.replayed += 1;
                second.member.available_points
            }
            What::Redeem { points, .. } => {
                let redeemed = accepted(tally.timed(client.redeem(redeem(points))).await)?;
                tally.redeemed(visit, points);
                wallet.redemptions.push(redeemed.written.entry_id().to_owned());
                redeemed.member.available_points
            }
            What::RedeemTwice { points, .. } => {
                let request = redeem(points).request_id(client.new_request_id());
                let first = accepted(tally.timed(client.redeem(request.clone())).await)?;
                let second = accepted(tally.timed(client.redeem(request)).await)?;
                same_redemption(customer, &first, &second)?;
                tally.redeemed(visit, points);
                tally.requests.replayed += 1;
                wallet.redemptions.push(second.written.entry_id().to_owned());
                second.member.available_points
            }
            What::Race { points } => self.race(customer, visit, points, tally).await?,
            What::Overspend { points } => {
                let rejection = refused(tally.timed(client.redeem(redeem(points))).await, &Reason::InsufficientPoints)?;
                tally.requests.overspends_refused += 1;
                number(&rejection, "available_points")?
            }
            What::Return { number, points } => {
                let of = wallet.redemptions.get(number).cloned().unwrap_or_default();
                let request = ReturnRedemption::of(of).points(points).origin(self.origin(visit));
                let returned = accepted(tally.timed(client.return_redemption(request)).await)?;
                tally.requests.returns += 1;
                tally.points[visit.brand].accepted -= points;
                returned.member.available_points
            }
            What::AbandonAccepted { points } => {
                let id = client.new_request_id();
                accepted(tally.timed(client.issue(issue(points).request_id(id))).await)?;
                let abandoned = accepted(tally.timed(client.abandon(Abandon::request(id))).await)?;
                expect(customer, "abandoning an accepted issue", abandoned.outcome, AbandonOutcome::Undone)?;
                tally.requests.abandoned_undone += 1;
                self.balance(client, customer).await?
            }
            What::AbandonUnseen { points } => {
                let id = client.new_request_id();
                let abandoned = accepted(tally.timed(client.abandon(Abandon::request(id))).await)?;
                expect(customer, "abandoning an unseen issue", abandoned.outcome, AbandonOutcome::BurnedUnseen)?;
                let late = client.issue(issue(points).request_id(id));
                refused(tally.timed(late).await, &Reason::RequestAbandoned)?;
                tally.requests.abandoned_refused += 1;
                self.balance(client, customer).await?
            }
        };
        agree(customer, "a step", available, step.available)
    }

    /// Two tills of a store take the same points at the same moment. Which of them gets them is up to the house; that it
    /// is one and not two is what this is for.
    async fn race(&self, customer: &Customer, visit: &Visit, points: i64, tally: &mut Tally) -> Result<i64, Failure> {
        let client = &self.clients[visit.brand];
        let at_till = |till| {
            let mut origin = self.origin(visit);
            origin.till = format!("till-{till}");
            client.redeem(Redeem::from("card", customer.card.as_str()).points(points).origin(origin))
        };
        let (first, second) = tokio::join!(timed(at_till(visit.till)), timed(at_till(visit.till + 1)));
        for (_, time) in [&first, &second] {
            tally.latency(*time);
        }
        let (winner, loser) = match (first.0?, second.0?) {
            (Outcome::Accepted(winner), loser) | (loser, Outcome::Accepted(winner)) => (winner, loser),
            (Outcome::Rejected(rejection), _) => return Err(rejection.into()),
            (Outcome::Unknown(unknown), _) => return accepted(Ok(Outcome::Unknown(unknown))),
        };
        refused(Ok(loser), &Reason::InsufficientPoints)?;
        tally.redeemed(visit, points);
        tally.requests.races += 1;
        Ok(winner.member.available_points)
    }

    async fn balance(&self, client: &Client, customer: &Customer) -> Result<i64, Failure> {
        Ok(client.balance(("card", customer.card.as_str())).await?.member.available_points)
    }

    /// Where a visit takes place.
    fn origin(&self, visit: &Visit) -> Origin {
        let seconds = i64::from(visit.hour) * 3_600 + i64::from(visit.minute) * 60;
        let origin = Origin::till(format!("store-{}", visit.store), format!("till-{}", visit.till))
            .receipt(format!("R-{:06}", visit.receipt))
            .business_date(date(self.midnight))
            .business_time(SystemTime::from(self.midnight.plus_seconds(seconds).to_jiff()));
        match visit.total_cents {
            Some(cents) => origin.receipt_total(Money::new(CURRENCY, Decimal::new(cents, MINOR_DIGITS))),
            None => origin,
        }
    }
}

impl Tally {
    /// Waits for a call of one request, and counts it.
    async fn timed<T>(&mut self, call: impl Future<Output = T>) -> T {
        let (answer, time) = timed(call).await;
        self.latency(time);
        answer
    }

    fn latency(&mut self, time: Duration) {
        self.requests.unary += 1;
        self.latencies.push(time);
    }

    fn issued(&mut self, visit: &Visit, points: i64) {
        self.requests.issues += 1;
        self.points[visit.brand].issued += points;
    }

    fn redeemed(&mut self, visit: &Visit, points: i64) {
        self.requests.redemptions += 1;
        self.points[visit.brand].accepted += points;
    }

    fn add(&mut self, more: Self) {
        let (sum, add) = (&mut self.requests, more.requests);
        sum.unary += add.unary;
        sum.batch_items += add.batch_items;
        sum.issues += add.issues;
        sum.redemptions += add.redemptions;
        sum.returns += add.returns;
        sum.replayed += add.replayed;
        sum.races += add.races;
        sum.overspends_refused += add.overspends_refused;
        sum.abandoned_undone += add.abandoned_undone;
        sum.abandoned_refused += add.abandoned_refused;
        for (sum, add) in self.points.iter_mut().zip(more.points) {
            sum.issued += add.issued;
            sum.accepted += add.accepted;
        }
        self.latencies.extend(more.latencies);
    }
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = call.await;
    (answer, began.elapsed())
}

/// The day of a moment, YYYY-MM-DD in UTC.
pub fn date(moment: Timestamp) -> String {
    moment.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// The rejection, which must be of this reason.
fn refused<T>(outcome: Result<Outcome<T>, Error>, reason: &Reason) -> Result<Rejection, Failure> {
    match outcome?.accepted() {
        Err(NotAccepted::Rejected(rejection)) if rejection.reason == *reason => Ok(rejection),
        Err(NotAccepted::Rejected(rejection)) => Err(rejection.into()),
        Err(NotAccepted::Unknown(unknown)) => Err(Failure::internal(&unknown)),
        Ok(_) => Err(Failure::new(Exit::Unbalanced, format!("the house accepted what it must refuse as {reason}"))),
    }
}

fn number(rejection: &Rejection, name: &str) -> Result<i64, Failure> {
    rejection.number(name).ok_or_else(|| Failure::new(Exit::Internal, format!("{rejection} does not say {name}")))
}

fn agree(customer: &Customer, what: &str, said: i64, planned: i64) -> Result<(), Failure> {
    expect(customer, &format!("available points after {what}"), said, planned)
}

fn same_issue(customer: &Customer, first: &Issued, second: &Issued) -> Result<(), Failure> {
    let part = |of: &Issued| (of.written.entry_id().to_owned(), of.member.available_points);
    expect(
        customer,
        "the answer to an issue that was repeated",
        (part(second), second.written.replayed),
        (part(first), true),
    )
}

fn same_redemption(customer: &Customer, first: &Redeemed, second: &Redeemed) -> Result<(), Failure> {
    let part = |of: &Redeemed| (of.written.entry_id().to_owned(), of.member.available_points);
    let what = "the answer to a redemption that was repeated";
    expect(customer, what, (part(second), second.written.replayed), (part(first), true))
}

fn expect<T: PartialEq + std::fmt::Debug>(customer: &Customer, what: &str, said: T, must: T) -> Result<(), Failure> {
    if said == must {
        return Ok(());
    }
    let card = &customer.card;
    Err(Failure::new(Exit::Unbalanced, format!("{what} of card {card}: the house says {said:?}, it must be {must:?}")))
}
