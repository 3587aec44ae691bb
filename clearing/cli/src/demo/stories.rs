//! Five customers whose day is told one by one: what can happen to points between earning and spending.
//!
//! They are played in the morning, before the shops fill, each with a card of its own, so that nothing of it depends on the
//! traffic. What falls due at night (a hold that lapses, points that expire) is looked at when the night has passed.

use std::time::SystemTime;

use clearing_core::units::Timestamp;
use partner_sdk::operator::SetFundingConsent;
use partner_sdk::{Authorize, Capture, Client, Issue, Issued, Redeem, Reverse};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use super::brands::{BANK, BRANDS, CINEMA, FUEL, GROCER};
use super::day::Tally;
use super::house::DemoHouse;
use crate::failure::{Exit, Failure, accepted};

/// When the stories are played, and when a hold that nobody collects lapses.
const MORNING_HOUR: i64 = 7;
const LAPSE_HOUR: i64 = 22;

/// The stories have numbers of their own, whatever the day draws.
const SEED: u64 = 0x51_0e_5a_11;

/// What is held at the pump before filling, and for seats that nobody will collect.
const PUMP: i64 = 4_000;
const SEATS: i64 = 1_200;

/// A promotion, and who pays for how many hundredths of it.
const PROMOTION: i64 = 1_000;
const FUNDERS: [(usize, u32); 2] = [(CINEMA, 60), (GROCER, 40)];

/// What the stories came to, by the answers of the house. The same seed gives the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stories {
    /// Points held at the pump, taken for what was filled, and given back at once.
    pub held: i64,
    pub captured: i64,
    pub released: i64,
    /// Points held for seats, and back when the hold had lapsed.
    pub unclaimed: i64,
    pub lapsed: i64,
    /// Points earned with a purchase, spent elsewhere, taken back with the goods, and owed.
    pub earned: i64,
    pub spent: i64,
    pub taken_back: i64,
    pub owed: i64,
    /// Points earned after that, what of them paid the debt, and what stayed.
    pub next: i64,
    pub recovered: i64,
    pub kept: i64,
    /// Points of a promotion, and who issued how many of them.
    pub promotion: i64,
    pub funders: Vec<Funder>,
    /// Birthday points that nobody used, and how many of them expired.
    pub birthday: i64,
    pub expired: i64,
}

/// A brand's part of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Funder {
    pub partner: String,
    pub points: i64,
}

/// Plays the mornings of all five.
pub async fn play(house: &DemoHouse, seed: u64, tally: &mut Tally) -> Result<Stories, Failure> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed ^ SEED);
    house.clock.advance_to(house.midnight.plus_seconds(MORNING_HOUR * 3_600));
    let mut stories = Stories::default();
    pump(house, rng.random_range(2_100..3_900), &mut stories, tally).await?;
    seats(house, &mut stories, tally).await?;
    let (earned, left) = (rng.random_range(600..900), rng.random_range(100..250));
    goods_back(house, earned, left, &mut stories, tally).await?;
    promotion(house, &mut stories, tally).await?;
    birthday(house, rng.random_range(200..300), &mut stories, tally).await?;
    Ok(stories)
}

/// Looks at what became of them when the night has passed.
pub async fn after_the_night(house: &DemoHouse, stories: &mut Stories) -> Result<(), Failure> {
    let seats = house.brands[CINEMA].balance(card(1)).await?;
    stories.lapsed = stories.unclaimed - seats.member.held_points;
    must("points that are back after a lapse", seats.member.available_points, stories.unclaimed)?;
    let birthday = house.brands[CINEMA].balance(card(4)).await?;
    stories.expired = stories.birthday - birthday.member.available_points;
    must("points that are there after their expiry", birthday.member.available_points, 0)
}

/// A pump reserves before it knows what will be filled.
async fn pump(house: &DemoHouse, filled: i64, stories: &mut Stories, tally: &mut Tally) -> Result<(), Failure> {
    issue(house, GROCER, 0, PUMP, tally).await?;
    let fuel = &house.brands[FUEL];
    let hold = Authorize::from_member(card(0)).points(PUMP).lapses(at(house.midnight, LAPSE_HOUR));
    let hold = accepted(fuel.authorize(hold).await)?;
    let capture = Capture::hold(&hold.hold_id).points(filled);
    let captured = accepted(fuel.capture(capture).await)?;
    took(FUEL, filled, tally);
    (stories.held, stories.captured, stories.released) = (hold.member.held_points, filled, captured.released_points);
    must("points after a capture", captured.member.available_points, PUMP - filled)?;
    must("points that a capture released", captured.released_points, PUMP - filled)
}

/// Points held for seats that nobody collects.
async fn seats(house: &DemoHouse, stories: &mut Stories, tally: &mut Tally) -> Result<(), Failure> {
    issue(house, BANK, 1, SEATS, tally).await?;
    let hold = Authorize::from_member(card(1)).points(SEATS).lapses(at(house.midnight, LAPSE_HOUR));
    let hold = accepted(house.brands[CINEMA].authorize(hold).await)?;
    stories.unclaimed = hold.member.held_points;
    must("points that are available while they are held", hold.member.available_points, 0)
}

/// A purchase comes back after its points were spent: what is missing is owed, and the next points pay it.
async fn goods_back(
    house: &DemoHouse,
    earned: i64,
    left: i64,
    stories: &mut Stories,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let purchase = issue(house, GROCER, 2, earned, tally).await?;
    let spent = earned - left;
    let redeem = Redeem::from_member(card(2)).points(spent);
    accepted(house.brands[CINEMA].redeem(redeem).await)?;
    took(CINEMA, spent, tally);
    let reverse = Reverse::entry(purchase.written.entry_id()).points(earned);
    let back = accepted(house.brands[GROCER].reverse(reverse).await)?;
    tally.points[GROCER].issued -= back.taken_back_points;
    let next = issue(house, FUEL, 2, earned, tally).await?;
    // What pays a debt is accepted by whom it is owed to.
    tally.points[GROCER].accepted += next.written.recovered_points;
    (stories.earned, stories.spent) = (earned, spent);
    (stories.taken_back, stories.owed) = (back.taken_back_points, back.debt_points);
    (stories.next, stories.recovered, stories.kept) =
        (earned, next.written.recovered_points, next.member.available_points);
    must("points that were taken back", back.taken_back_points, left)?;
    must("points that were owed", back.debt_points, spent)?;
    must("points that paid a debt", next.written.recovered_points, spent)?;
    must("points that stayed when a debt was paid", next.member.available_points, left)
}

/// Two brands pay for one promotion.
async fn promotion(house: &DemoHouse, stories: &mut Stories, tally: &mut Tally) -> Result<(), Failure> {
    let consent = SetFundingConsent::give(BRANDS[CINEMA].id, BRANDS[GROCER].id).budget(10 * PROMOTION);
    accepted(house.operator.operator().set_funding_consent(consent).await)?;
    let funders = FUNDERS.map(|(brand, weight)| (BRANDS[brand].id, weight));
    let gift = Issue::to_member(card(3)).points(PROMOTION).funders(funders);
    let given = accepted(house.brands[GROCER].issue(gift).await)?;
    tally.requests.issues += 1;
    stories.promotion = given.member.available_points;
    let lots = given.written.entry().map_or(&[][..], |entry| &entry.lots);
    for (lot, (brand, weight)) in lots.iter().zip(FUNDERS) {
        must("a funder's part of a promotion", lot.points, PROMOTION * i64::from(weight) / 100)?;
        tally.points[brand].issued += lot.points;
        stories.funders.push(Funder { partner: BRANDS[brand].id.to_owned(), points: lot.points });
    }
    must("the lots of a promotion", lots.len(), FUNDERS.len())
}

/// Points for a birthday, good for that day.
async fn birthday(house: &DemoHouse, points: i64, stories: &mut Stories, tally: &mut Tally) -> Result<(), Failure> {
    let gift =
        Issue::to_member(card(4)).points(points).expires(SystemTime::from(house.midnight.plus_days(1).to_jiff()));
    let given = accepted(house.brands[CINEMA].issue(gift).await)?;
    tally.requests.issues += 1;
    tally.points[CINEMA].issued += points;
    stories.birthday = given.member.available_points;
    must("points for a birthday", given.member.available_points, points)
}

async fn issue(
    house: &DemoHouse,
    brand: usize,
    customer: usize,
    points: i64,
    tally: &mut Tally,
) -> Result<Issued, Failure> {
    let client: &Client = &house.brands[brand];
    let issued = accepted(client.issue(Issue::to_member(card(customer)).points(points)).await)?;
    tally.requests.issues += 1;
    tally.points[brand].issued += points;
    Ok(issued)
}

fn took(brand: usize, points: i64, tally: &mut Tally) {
    tally.requests.redemptions += 1;
    tally.points[brand].accepted += points;
}

/// The card of one of the five.
fn card(customer: usize) -> (&'static str, String) {
    ("card", format!("7100{customer:08}"))
}

fn at(midnight: Timestamp, hour: i64) -> SystemTime {
    SystemTime::from(midnight.plus_seconds(hour * 3_600).to_jiff())
}

fn must<T: PartialEq + std::fmt::Debug>(what: &str, said: T, must: T) -> Result<(), Failure> {
    if said == must {
        return Ok(());
    }
    Err(Failure::new(Exit::Unbalanced, format!("{what}: the house says {said:?}, it must be {must:?}")))
}
