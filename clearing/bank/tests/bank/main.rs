//! Files for banks and from banks, as whoever exchanges them sees them.

mod hostile;
mod matching;
mod orders;
mod samples;
mod statements;
