//! What was compared, and what came of it.

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::Page;

/// What was found where nothing is wrong.
#[derive(Debug)]
pub struct Found {
    told: String,
    /// What to do before it becomes wrong.
    warning: Option<String>,
}

impl Found {
    /// All is well with it.
    pub fn well(told: impl Into<String>) -> Self {
        Self { told: told.into(), warning: None }
    }

    /// It is not wrong yet, or not for a house: what to do.
    pub fn but(told: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self { told: told.into(), warning: Some(what_to_do.into()) }
    }
}

/// Everything that was compared, in its order.
#[derive(Debug, Default)]
pub struct Findings(Vec<(&'static str, Result<Found, Failure>)>);

impl Findings {
    /// What was compared, and what was found.
    pub fn add(&mut self, what: &'static str, found: Result<Found, Failure>) {
        self.0.push((what, found));
    }

    fn wrong(&self) -> impl Iterator<Item = (&'static str, &Failure)> {
        self.0.iter().filter_map(|(what, found)| Some((*what, found.as_ref().err()?)))
    }

    /// Why the command fails, if it does: with the code of what a house would meet first.
    pub fn failure(&self) -> Option<Failure> {
        let mut wrong: Vec<_> = self.wrong().collect();
        // What is configured is read before anybody is asked.
        wrong.sort_by_key(|(_, failure)| (failure.exit != Exit::Usage, failure.exit != Exit::Unreachable));
        let (_, first) = wrong.first()?;
        if wrong.len() == 1 {
            return Some((*first).clone());
        }
        let told: Vec<&str> = wrong.iter().map(|(_, failure)| failure.message.as_str()).collect();
        let message =
            format!("{} of {} things that were compared are wrong: {}", wrong.len(), self.0.len(), told.join("; "));
        Some(Failure::new(first.exit, message).hint("correct them one by one; each is listed above with what to do"))
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let one = |(what, found): &(&str, Result<Found, Failure>)| match found {
            Ok(Found { told, warning: None }) => {
                json!({ "what": what, "state": "WELL", "found": told, "what_to_do": null })
            }
            Ok(Found { told, warning }) => {
                json!({ "what": what, "state": "WARNING", "found": told, "what_to_do": warning })
            }
            Err(Failure { message, hint, .. }) => {
                json!({ "what": what, "state": "WRONG", "found": message, "what_to_do": hint })
            }
        };
        Value::Array(self.0.iter().map(one).collect())
    }

    /// For people.
    pub fn show(&self, mut page: Page) -> Page {
        for (what, found) in &self.0 {
            let (state, told, what_to_do) = match found {
                Ok(Found { told, warning }) => {
                    (if warning.is_some() { "WARNING" } else { "well" }, told, warning.as_ref())
                }
                Err(Failure { message, hint, .. }) => ("WRONG", message, hint.as_ref()),
            };
            page = page.text(format!("  {state:7} {what}: {told}"));
            if let Some(what_to_do) = what_to_do {
                page = page.text(format!("          what to do: {what_to_do}"));
            }
        }
        page
    }
}
