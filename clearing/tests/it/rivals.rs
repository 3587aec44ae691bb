//! Tills that want the same thing at the same moment: at one node on either database, and at two nodes that share one
//! PostgreSQL. Whoever comes first gets it, the others are told why they do not, nobody waits for ever, and the books
//! balance.

mod arena;
mod caps;
mod many_lots;
mod races;
mod repeats;
mod settlements;
mod spends;
mod states;
