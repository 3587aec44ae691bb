//! What became of requests is kept for as long as their ids are taken, and then forgotten. That it may be is a decision, so
//! that a row that was forgotten is told from one that was made away with.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::Book;
use crate::facts::answer::HouseReply;
use crate::facts::entry::EntryKind;
use crate::facts::{Fact, ForgetFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation};
use crate::rejection::Rejection;

/// Moves the time before which answers may be forgotten, at most once a day: work of the house's own.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ForgetRequests;

impl Operation for ForgetRequests {
    const NAME: &'static str = "ForgetRequests";
    /// The time stands with the gate, where every batch reads it.
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let entries = match book.house.coalition.forgettable(book.forgotten, ask.now) {
            Some(until) => {
                let forgotten = ForgetFacts { until, before: book.forgotten };
                vec![book.finish(book.draft(EntryKind::Forget, ask).with(Fact::Forgotten(forgotten)))?]
            }
            None => Vec::new(),
        };
        Ok(Decision::of_house(entries, HouseReply::Entries))
    }
}
