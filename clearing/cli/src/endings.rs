//! Certificates on this machine that are about to end: those of the house, if its files are here, and the operator's own.

use std::fs;
use std::path::Path;

use clearing::clock::Clock;
use clearing::config::Config;
use clearing::tls::credentials::Certificate;
use clearing::tls::ending::{Ending, Nearness};
use clearing_core::units::Timestamp;
use serde_json::{Value, json};

/// The end of what the operator's commands show, if that lies on this machine.
pub fn of_operator(config: &Config) -> Vec<Ending> {
    let client = config.client().ok();
    client.iter().filter_map(|client| first_of("the operator's certificate", &client.cert)).collect()
}

/// Those of the house and of the operator that end within thirty days, the nearest first.
pub fn near(config: &Config) -> Near {
    let server = config.server().ok();
    let mut endings: Vec<Ending> =
        server.iter().filter_map(|settings| first_of("the server certificate", &settings.cert)).collect();
    endings.extend(of_operator(config));
    let now = Clock::system().now();
    endings.retain(|ending| ending.nearness(now) > Nearness::Far);
    endings.sort_by_key(|ending| ending.not_after);
    Near { endings, now }
}

fn first_of(what: &str, path: &Path) -> Option<Ending> {
    let all = Certificate::read("certificate", &fs::read_to_string(path).ok()?).ok()?;
    all.first().map(|first| Ending::of(format!("{what} ({})", path.display()), first))
}

/// What is about to end, as seen now.
pub struct Near {
    endings: Vec<Ending>,
    now: Timestamp,
}

impl Near {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let one = |ending: &Ending| {
            json!({
                "what": ending.what,
                "not_after": ending.not_after.to_string(),
                "days_left": ending.days_left(self.now),
            })
        };
        self.endings.iter().map(one).collect()
    }

    /// For people, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.endings.iter().map(|ending| {
            let Ending { what, not_after } = ending;
            match ending.days_left(self.now) {
                days if days < 0 => format!("! {what} has ended, {not_after}."),
                1 => format!("! {what} ends {not_after}, in 1 day."),
                days => format!("! {what} ends {not_after}, in {days} days."),
            }
        })
    }
}
