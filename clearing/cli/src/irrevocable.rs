//! Before what cannot be undone: the command shows what it will do, and asks. No command asks in a way of its own.
//!
//! | who runs it | what happens |
//! |---|---|
//! | somebody at a terminal | sees what it will do, and is asked |
//! | a script or a program: no terminal, or `--output json` | is refused unless it says `--yes` |
//! | anybody, with `--yes` | it is done at once |
//! | anybody, with `--dry-run` | sees what it would do, and nothing is done |

use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Answer, Output, Page};
use crate::session::{Effect, Session};

/// What every command that cannot be undone can be given.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "It cannot be undone")]
pub struct Irrevocable {
    /// Does it without asking. Scripts and programs need it: nobody can be asked there.
    #[arg(long)]
    yes: bool,
    /// Shows what it would do, and does nothing.
    #[arg(long, conflicts_with_all = ["yes", "request_id"])]
    dry_run: bool,
    #[command(flatten)]
    pub effect: Effect,
}

/// What a command will do, as far as that is known before.
pub struct Plan {
    /// As the end of "This ...": "closes window 3".
    sentence: String,
    json: Value,
    page: Page,
}

impl Plan {
    /// A sentence that goes on after "This ", and the same for programs and for people in full.
    pub fn new(sentence: impl Into<String>, json: Value, page: Page) -> Self {
        Self { sentence: sentence.into(), json, page }
    }
}

impl Irrevocable {
    /// Of a command whose requests have ids of their own.
    pub fn of(yes: bool, dry_run: bool) -> Self {
        Self { yes, dry_run, effect: Effect { request_id: None } }
    }

    /// The same for what can be done again: nobody is asked. A dry run stays one.
    #[must_use]
    pub fn without_asking(self) -> Self {
        Self { yes: !self.dry_run, ..self }
    }

    /// Connects, once it is certain that it may be done or somebody can be asked.
    ///
    /// # Errors
    /// Usage if nobody can be asked and nothing was said; the house was not asked for anything by then.
    pub async fn open(self, context: &Context) -> Result<Session, Failure> {
        may_ask(self.yes || self.dry_run, context.output)?;
        Session::open(context).await
    }

    /// The answer of a dry run; none if it is to be done. The plan is made only for whoever is going to read it.
    ///
    /// # Errors
    /// Usage if somebody was asked and did not say yes; whatever making the plan runs into.
    pub async fn weigh(
        self,
        output: Output,
        plan: impl Future<Output = Result<Plan, Failure>>,
    ) -> Result<Option<Answer>, Failure> {
        if self.yes {
            return Ok(None);
        }
        let Plan { sentence, json, page } = plan.await?;
        if self.dry_run {
            let page = Page::new().text(format!("This {sentence}.")).and(&page);
            let page = page.text("Nothing was done: this was a dry run.");
            return Ok(Some(Answer::new(json!({ "dry_run": true, "would": sentence, "plan": json }), page)));
        }
        said_yes(output, &page, &sentence)?;
        Ok(None)
    }
}

/// Makes sure that it may be done: that it was said, or that somebody at the terminal says so now.
///
/// # Errors
/// Usage, with what to do.
pub fn confirmed(yes: bool, output: Output, sentence: &str) -> Result<(), Failure> {
    may_ask(yes, output)?;
    if yes { Ok(()) } else { said_yes(output, &Page::new(), sentence) }
}

fn may_ask(said: bool, output: Output) -> Result<(), Failure> {
    if said || output.is_dialogue() {
        return Ok(());
    }
    Err(Failure::usage("this cannot be undone, and nobody can be asked here")
        .hint("--yes does it without asking; where there is a --dry-run, it shows what it would do"))
}

fn said_yes(output: Output, page: &Page, sentence: &str) -> Result<(), Failure> {
    output.show_before(page);
    if is_yes(&output.ask(&format!("This {sentence}. That cannot be undone. Go on? [y/N]"))) {
        return Ok(());
    }
    Err(Failure::usage("nothing was done: the answer was not yes").hint("answer y, or say --yes"))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y", "Y", "yes", "Yes"] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "n", "no", "yy", "yes please", "1", "да"] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
