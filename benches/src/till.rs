//! Requests as they come out of `rpc`, for whoever measures behind it: the rules, or the writer and what is below it.

use clearing::clock::{self, Clock};
use clearing_core::command::{Command, Request};
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::units::{MemberId, Money, PartnerId, RequestId};

/// Spreads a counter over all 128 bits, so that keys made from it come in no order, as random ones do.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// A till. Its requests have ids and receipts of their own.
#[derive(Debug, Clone)]
pub struct Till {
    clock: Clock,
    name: Code,
    asked: u64,
}

impl Till {
    /// A till whose receipts begin behind so many that it has printed. By a manual clock it asks the same each time that the
    /// program runs: ids are made from a counter then.
    ///
    /// # Panics
    /// If the name is no code.
    pub fn new(clock: Clock, name: &str, printed: u64) -> Self {
        Self { clock, name: code(name), asked: printed }
    }

    /// What a partner asks for.
    pub fn request(&mut self, caller: PartnerId, command: Command) -> Request {
        self.asked += 1;
        let now = self.clock.now();
        let millis = u128::try_from(now.0 / 1000).expect("after 1970");
        let (random, fresh_member) = if self.clock.is_manual() {
            (u128::from(self.asked), MemberId(u128::from(self.asked).wrapping_mul(SPREAD)))
        } else {
            (u128::from_be_bytes(clock::random_bytes()) >> 66, clock::fresh_member_id())
        };
        let day = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        let origin = Origin {
            store: Some(code("store-7")),
            till: Some(self.name.clone()),
            receipt_number: Some(code(&format!("R-{:07}", self.asked))),
            receipt_line: Some(1),
            business_date: Some(day.to_string().parse().expect("a date")),
            business_time: Some(now),
            receipt_total: Some(Money(12_345)),
            device_counter: Some(self.asked),
            attachment: None,
        };
        Request {
            caller,
            request_id: Some(RequestId(millis << 80 | 0x7 << 76 | 0b10 << 62 | random)),
            origin,
            command,
            fresh_member,
            fresh_salt: [7; 16],
            person: None,
            attachment: None,
            badge: None,
        }
    }
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a short code")
}
