//! Seeded requests: the same seed asks the same of every system, but for the request ids, which carry the time.

use std::ops::Range;

use clearing::clock::Clock;
use clearing_proto::v1;
use prost_types::Timestamp;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::coalition::PARTNERS;

/// How the load is spread over the brands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Evenly over all twenty.
    Even,
    /// One brand has 70 % of it.
    OneHot,
}

/// Makes requests. Each worker has its own, told apart by its stream.
#[derive(Debug, Clone)]
pub struct Workload {
    rng: ChaCha8Rng,
    clock: Clock,
    spread: Spread,
    members: Range<u32>,
    counter: i64,
    /// A till stands in one store.
    store: String,
    till: String,
}

impl Workload {
    pub fn new(seed: u64, stream: u64, clock: Clock, spread: Spread, members: Range<u32>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self {
            rng,
            clock,
            spread,
            members,
            counter: 0,
            store: format!("store-{}", stream % 50),
            till: format!("till-{stream}"),
        }
    }

    /// The brand whose turn it is.
    pub fn partner(&mut self) -> usize {
        match self.spread {
            Spread::OneHot if self.rng.random_ratio(7, 10) => 0,
            Spread::OneHot => self.rng.random_range(1..PARTNERS),
            Spread::Even => self.rng.random_range(0..PARTNERS),
        }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.rng.random_range(0..end)
    }

    pub fn issue(&mut self) -> v1::IssuePointsRequest {
        let (member, points) = (self.member(), self.rng.random_range(10..500));
        self.issue_to(member, points)
    }

    pub fn issue_to(&mut self, member: u32, points: i64) -> v1::IssuePointsRequest {
        v1::IssuePointsRequest {
            request_id: self.request_id(),
            member: Some(card(member)),
            points,
            origin: Some(self.origin(points)),
            ..v1::IssuePointsRequest::default()
        }
    }

    /// Any member of the population, by its card.
    pub fn any_member(&mut self) -> v1::MemberRef {
        card(self.member())
    }

    fn member(&mut self) -> u32 {
        self.rng.random_range(self.members.clone())
    }

    /// Takes some of so many points: few enough that a member of the population has them.
    pub fn redeem(&mut self, points: Range<i64>) -> v1::RedeemPointsRequest {
        let (member, points) = (self.member(), self.rng.random_range(points));
        let (request_id, origin) = (self.request_id(), self.origin(points));
        v1::RedeemPointsRequest { request_id, member: Some(card(member)), points, origin: Some(origin) }
    }

    /// Reserves some of so many points for a day.
    pub fn authorize(&mut self, points: Range<i64>) -> v1::AuthorizeRedemptionRequest {
        let (member, points) = (self.member(), self.rng.random_range(points));
        let (request_id, origin) = (self.request_id(), self.origin(points));
        let lapse_time = Some(wire_time(self.clock.now().plus_days(1)));
        v1::AuthorizeRedemptionRequest {
            request_id,
            member: Some(card(member)),
            points,
            lapse_time,
            origin: Some(origin),
        }
    }

    pub fn capture(&mut self, hold_id: String, points: i64) -> v1::CaptureHoldRequest {
        let (request_id, origin) = (self.request_id(), self.origin(points));
        v1::CaptureHoldRequest { request_id, hold_id, points, origin: Some(origin) }
    }

    /// One of the first lots of a member who redeems: without a receipt, as points brought along have none.
    pub fn wallet_lot(
        &mut self,
        member: u32,
        points: i64,
        expires: clearing_core::units::Timestamp,
    ) -> v1::IssuePointsRequest {
        v1::IssuePointsRequest {
            request_id: self.request_id(),
            member: Some(card(member)),
            points,
            expire_time: Some(wire_time(expires)),
            ..v1::IssuePointsRequest::default()
        }
    }

    pub fn return_of(&mut self, redemption_entry_id: String, points: i64) -> v1::ReturnRedemptionRequest {
        let (request_id, origin) = (self.request_id(), self.origin(points));
        v1::ReturnRedemptionRequest { request_id, redemption_entry_id, points, origin: Some(origin) }
    }

    pub fn request_id(&mut self) -> String {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        let millis = u64::try_from(self.clock.now().0 / 1000).expect("after 1970");
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().hyphenated().to_string()
    }

    /// What a till says of a receipt.
    fn origin(&mut self, points: i64) -> v1::Origin {
        self.counter += 1;
        let now = self.clock.now();
        let date = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        v1::Origin {
            store: self.store.clone(),
            till: self.till.clone(),
            cashier: String::new(),
            receipt_number: format!("R-{}", self.counter),
            receipt_line: 1,
            business_date: date.to_string(),
            business_time: Some(wire_time(now)),
            receipt_total: Some(v1::Money { currency_code: "EUR".to_owned(), amount: format!("{points}.00") }),
            device_counter: self.counter,
        }
    }
}

fn wire_time(time: clearing_core::units::Timestamp) -> Timestamp {
    let nanos = i32::try_from(time.0.rem_euclid(1_000_000) * 1000).expect("below a second");
    Timestamp { seconds: time.0.div_euclid(1_000_000), nanos }
}

/// A member by the number of its card.
fn card(member: u32) -> v1::MemberRef {
    let identifier = v1::Identifier { scheme: "card".to_owned(), value: card_number(member) };
    v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(identifier)) }
}

/// The number on the card of a member of the population.
pub fn card_number(member: u32) -> String {
    format!("4000{member:08}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_asks_the_same_again_but_for_request_ids_and_times() {
        let clock = Clock::manual(clearing_core::units::Timestamp::from_seconds(1_790_000_000));
        let asked = |seed, stream| {
            let mut workload = Workload::new(seed, stream, clock.clone(), Spread::OneHot, 0..1000);
            (0..50).map(|_| (workload.partner(), workload.issue())).collect::<Vec<_>>()
        };
        assert_eq!(asked(1, 0), asked(1, 0));
        assert_ne!(asked(1, 0), asked(1, 1));
        assert_ne!(asked(1, 0), asked(2, 0));
    }

    #[test]
    fn one_hot_brand_has_seven_tenths_of_the_load() {
        let mut workload = Workload::new(1, 0, Clock::system(), Spread::OneHot, 0..1000);
        let hot = (0..10_000).filter(|_| workload.partner() == 0).count();
        assert!((6_800..7_200).contains(&hot), "{hot}");
    }
}
