//! The day as it is planned: who buys what, where and when, and what each customer must have in points after every step.
//!
//! The plan is made of the seed alone, before anything is sent. What a customer does depends only on what the same
//! customer did before, never on the answers or on other customers; the day is played customer by customer in this
//! order and any number of customers at a time. So no figure depends on how the requests happen to interleave.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::brands::{BRANDS, Brand};

/// The hours in which shops are open, the first and the last.
pub const HOURS: (u8, u8) = (7, 22);

/// Of 100 purchases, how many are made in each hour from the first on.
const RUSH: [u32; 16] = [3, 5, 6, 5, 5, 7, 8, 6, 5, 5, 7, 10, 11, 8, 5, 4];

/// Of so many purchases, one is a special case of each kind.
const DUPLICATE_ONE_IN: u32 = 90;
const RACE_ONE_IN: u32 = 160;
const OVERSPEND_ONE_IN: u32 = 250;
const UNDONE_ONE_IN: u32 = 450;
const BURNED_ONE_IN: u32 = 600;

/// Of so many redemptions, one is returned later, every other of these in two parts.
const RETURN_ONE_IN: u32 = 14;

/// With fewer points nobody bothers to pay.
const WORTH_PAYING_WITH: i64 = 40;

/// A day.
#[derive(Debug)]
pub struct Plan {
    /// One per customer.
    pub customers: Vec<Customer>,
    /// How many purchases there are.
    pub purchases: u32,
}

/// One customer's day.
#[derive(Debug)]
pub struct Customer {
    /// The number of the customer's card.
    pub card: String,
    /// Points that the bank credits in the morning for the card turnover of the day before.
    pub turnover_points: i64,
    /// In order of time.
    pub visits: Vec<Visit>,
}

/// One visit of a shop.
#[derive(Debug, PartialEq, Eq)]
pub struct Visit {
    /// Which of [`BRANDS`].
    pub brand: usize,
    pub hour: u8,
    pub minute: u8,
    pub store: u32,
    pub till: u32,
    /// The number on the receipt, unique within the day.
    pub receipt: u32,
    /// What the basket costs, in cents; none when goods are brought back.
    pub total_cents: Option<i64>,
    /// In the order in which they are sent.
    pub steps: Vec<Step>,
}

/// One request, or the few that make a special case.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub what: What,
    /// What the customer must have after it.
    pub available: i64,
}

/// What is asked of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Points are given.
    Issue {
        points: i64,
    },
    /// Points are taken. The customer's redemptions are counted from 0: `number` is this one's.
    Redeem {
        points: i64,
        number: usize,
    },
    /// As the two above, sent a second time under the same request id.
    IssueTwice {
        points: i64,
    },
    RedeemTwice {
        points: i64,
        number: usize,
    },
    /// Two tills take the same points at the same moment; there are only enough for one of them.
    Race {
        points: i64,
    },
    /// More is asked for than there is.
    Overspend {
        points: i64,
    },
    /// Points of a redemption are given back.
    Return {
        number: usize,
        points: i64,
    },
    /// The till gets no answer to an issue, gives up and abandons it; the house had accepted it and undoes it.
    AbandonAccepted {
        points: i64,
    },
    /// The till abandons an issue that was delayed on its way; it arrives later, and is refused.
    AbandonUnseen {
        points: i64,
    },
}

/// What a purchase may be besides an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Race,
    Overspend,
    Twice,
    Undone,
    Burned,
}

/// The first purchases of a day are one of each kind, so that a short day tells what a long one does.
const FIRST: [Special; 5] = [Special::Race, Special::Overspend, Special::Twice, Special::Undone, Special::Burned];

/// Goods that will be brought back.
#[derive(Debug)]
struct Regret {
    hour: u8,
    brand: usize,
    store: u32,
    number: usize,
    points: i64,
}

impl Plan {
    /// The day that a seed gives.
    pub fn new(seed: u64, customers: u32, purchases: u32) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut times: Vec<Vec<(u8, u8)>> = (0..customers).map(|_| Vec::new()).collect();
        for _ in 0..purchases {
            let customer = rng.random_range(0..times.len());
            let hour = HOURS.0 + weighted(&mut rng, &RUSH);
            times[customer].push((hour, rng.random_range(0..60)));
        }
        let mut receipt = 0;
        let mut first = FIRST.into_iter();
        let mut day = |(number, mut times): (usize, Vec<(u8, u8)>)| {
            times.sort_unstable();
            let mut shopper = Shopper {
                rng: &mut rng,
                receipt: &mut receipt,
                first: &mut first,
                available: 0,
                redemptions: 0,
                regrets: Vec::new(),
                visits: Vec::new(),
            };
            let turnover_points = shopper.rng.random_range(40..400);
            shopper.available = turnover_points;
            for (hour, minute) in times {
                shopper.bring_back(hour, minute);
                shopper.buy(hour, minute);
            }
            shopper.bring_back(HOURS.1, 59);
            Customer { card: format!("7000{:08}", 1_000 + number), turnover_points, visits: shopper.visits }
        };
        let customers = times.into_iter().enumerate().map(&mut day).collect();
        Self { customers, purchases }
    }
}

/// A customer on the way through the day.
struct Shopper<'a> {
    rng: &'a mut ChaCha12Rng,
    receipt: &'a mut u32,
    /// What the next purchases must be, until there was one of each.
    first: &'a mut std::array::IntoIter<Special, { FIRST.len() }>,
    available: i64,
    redemptions: usize,
    regrets: Vec<Regret>,
    visits: Vec<Visit>,
}

impl Shopper<'_> {
    /// A purchase: perhaps pays with points, earns points on the rest.
    fn buy(&mut self, hour: u8, minute: u8) {
        let at = usize::from(weighted(self.rng, &BRANDS.each_ref().map(|brand| brand.shopping.visits)));
        let brand = &BRANDS[at];
        let cents = self.rng.random_range(brand.shopping.basket.0..=brand.shopping.basket.1);
        let store = self.rng.random_range(1..=brand.shopping.stores);
        let mut steps = Vec::new();
        let special = self.first.next();
        let paid = self.pay(brand, cents, special, &mut steps);
        if let Some((number, points)) = paid
            && self.rng.random_ratio(1, RETURN_ONE_IN)
        {
            let latest = HOURS.1.min(hour + 6);
            self.regrets.push(Regret { hour: self.rng.random_range(hour..=latest), brand: at, store, number, points });
        }
        let paid_points = paid.map_or(0, |(_, points)| points);
        self.earn((cents - paid_points) * brand.shopping.earn / 100, special, &mut steps);
        self.visit(at, store, (hour, minute), Some(cents), steps);
    }

    /// Pays a part of a basket with points. Gives the number of the redemption and its points.
    fn pay(
        &mut self,
        brand: &Brand,
        cents: i64,
        special: Option<Special>,
        steps: &mut Vec<Step>,
    ) -> Option<(usize, i64)> {
        if self.rng.random_ratio(1, OVERSPEND_ONE_IN) || special == Some(Special::Overspend) {
            let points = self.available + self.rng.random_range(1..500);
            steps.push(Step { what: What::Overspend { points }, available: self.available });
        }
        let most = self.available.min(cents);
        let pays = most >= WORTH_PAYING_WITH && self.rng.random_range(0..100) < brand.shopping.pay_with_points;
        let races = special == Some(Special::Race);
        // What is to go wrong when points are given needs some to be given.
        let must_earn = matches!(special, Some(Special::Twice | Special::Undone | Special::Burned));
        if !(pays || races) || must_earn {
            return None;
        }
        // All of it, or a part that leaves something for another time.
        let points = if self.rng.random_ratio(3, 5) || races {
            most
        } else {
            self.rng.random_range(WORTH_PAYING_WITH / 2..=most)
        };
        let number = self.redemptions;
        self.available -= points;
        // Only when the points are not enough for two is a race a race.
        let what = if points > self.available && (self.rng.random_ratio(1, RACE_ONE_IN) || races) {
            What::Race { points }
        } else if self.rng.random_ratio(1, DUPLICATE_ONE_IN) {
            What::RedeemTwice { points, number }
        } else {
            What::Redeem { points, number }
        };
        steps.push(Step { what, available: self.available });
        if let What::Race { .. } = what {
            return None;
        }
        self.redemptions += 1;
        Some((number, points))
    }

    fn earn(&mut self, points: i64, special: Option<Special>, steps: &mut Vec<Step>) {
        if points == 0 {
            return;
        }
        let undone = self.rng.random_ratio(1, UNDONE_ONE_IN) && special != Some(Special::Burned);
        if undone || special == Some(Special::Undone) {
            steps.push(Step { what: What::AbandonAccepted { points }, available: self.available });
        } else if self.rng.random_ratio(1, BURNED_ONE_IN) || special == Some(Special::Burned) {
            steps.push(Step { what: What::AbandonUnseen { points }, available: self.available });
        }
        // The till that gave up tries again under a new request id.
        self.available += points;
        let twice = self.rng.random_ratio(1, DUPLICATE_ONE_IN) || special == Some(Special::Twice);
        let what = if twice { What::IssueTwice { points } } else { What::Issue { points } };
        steps.push(Step { what, available: self.available });
    }

    /// Brings back what is to be brought back by now.
    fn bring_back(&mut self, hour: u8, minute: u8) {
        let regrets = std::mem::take(&mut self.regrets);
        let (due, later): (Vec<_>, Vec<_>) = regrets.into_iter().partition(|regret| regret.hour <= hour);
        self.regrets = later;
        for Regret { brand, store, number, points, .. } in due {
            let in_parts = points > 1 && self.rng.random_ratio(1, 2);
            let first = if in_parts { self.rng.random_range(1..points) } else { points };
            let mut steps = Vec::new();
            for part in [first, points - first].into_iter().filter(|part| *part > 0) {
                self.available += part;
                steps.push(Step { what: What::Return { number, points: part }, available: self.available });
            }
            self.visit(brand, store, (hour, minute), None, steps);
        }
    }

    fn visit(&mut self, brand: usize, store: u32, time: (u8, u8), total_cents: Option<i64>, steps: Vec<Step>) {
        let (hour, minute) = time;
        let till = self.rng.random_range(1..=BRANDS[brand].shopping.tills);
        *self.receipt += 1;
        let receipt = *self.receipt;
        self.visits.push(Visit { brand, hour, minute, store, till, receipt, total_cents, steps });
    }
}

/// A place among `weights`, as often as its weight says.
fn weighted(rng: &mut ChaCha12Rng, weights: &[u32]) -> u8 {
    let mut left = rng.random_range(0..weights.iter().sum::<u32>());
    let place = weights.iter().position(|weight| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here
    });
    u8::try_from(place.expect("the number is below the sum")).expect("there are few weights")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_seed_another() {
        let visits = |seed| Plan::new(seed, 40, 400).customers.into_iter().map(|one| one.visits).collect::<Vec<_>>();
        assert_eq!(visits(7), visits(7));
        assert_ne!(visits(7), visits(8));
    }

    #[test]
    fn every_customer_has_what_the_steps_before_left() {
        for customer in Plan::new(1, 60, 3_000).customers {
            let mut available = customer.turnover_points;
            let mut returnable = Vec::new();
            for step in customer.visits.iter().flat_map(|visit| &visit.steps) {
                match step.what {
                    What::Issue { points } | What::IssueTwice { points } => available += points,
                    What::Redeem { points, number } | What::RedeemTwice { points, number } => {
                        assert_eq!(number, returnable.len());
                        returnable.push(points);
                        available -= points;
                    }
                    What::Race { points } => {
                        assert!(available < 2 * points);
                        available -= points;
                    }
                    What::Overspend { points } => assert!(points > available),
                    What::Return { number, points } => {
                        returnable[number] -= points;
                        assert!(returnable[number] >= 0);
                        available += points;
                    }
                    What::AbandonAccepted { .. } | What::AbandonUnseen { .. } => {}
                }
                assert_eq!(step.available, available);
                assert!(available >= 0);
            }
        }
    }

    #[test]
    fn visits_are_in_order_of_time_and_within_the_opening_hours() {
        for customer in Plan::new(2, 60, 3_000).customers {
            assert!(customer.visits.is_sorted_by_key(|visit| (visit.hour, visit.minute)));
            assert!(customer.visits.iter().all(|visit| (HOURS.0..=HOURS.1).contains(&visit.hour)));
        }
    }

    fn some(plan: &Plan, wanted: fn(&What) -> bool) -> bool {
        let visits = plan.customers.iter().flat_map(|one| &one.visits);
        visits.flat_map(|visit| &visit.steps).any(|step| wanted(&step.what))
    }

    #[test]
    fn a_day_of_the_usual_size_has_every_special_case() {
        let plan = Plan::new(1, 400, 4_000);
        assert!(some(&plan, |what| matches!(what, What::RedeemTwice { .. })));
        assert!(some(&plan, |what| matches!(what, What::Return { .. })));
        assert_every_first_case(&plan);
    }

    /// A day of five purchases showed five lines of nothing where the usual one tells what went wrong at the tills.
    #[test]
    fn a_day_of_few_purchases_has_what_a_long_one_has() {
        for seed in 0..200 {
            for (customers, purchases) in [(1, 5), (4, 5), (400, 5), (4, 20), (400, 60)] {
                assert_every_first_case(&Plan::new(seed, customers, purchases));
            }
        }
    }

    fn assert_every_first_case(plan: &Plan) {
        assert!(some(plan, |what| matches!(what, What::IssueTwice { .. })));
        assert!(some(plan, |what| matches!(what, What::Race { .. })));
        assert!(some(plan, |what| matches!(what, What::Overspend { .. })));
        assert!(some(plan, |what| matches!(what, What::AbandonAccepted { .. })));
        assert!(some(plan, |what| matches!(what, What::AbandonUnseen { .. })));
    }
}
