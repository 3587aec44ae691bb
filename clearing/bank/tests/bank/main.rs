//! Files for banks and from banks, as whoever exchanges them sees them.

mod hostile;
mod orders;
mod samples;
mod statements;
