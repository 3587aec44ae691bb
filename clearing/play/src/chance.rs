//! Chance that can be had again.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A source of chance, and its seed, which CLEARING_TEST_SEED sets to repeat its choices. What happens at the moments
/// chosen is up to the machine.
#[allow(clippy::disallowed_methods, reason = "the one place where tests learn of a seed")]
pub fn chance() -> (ChaCha8Rng, u64) {
    let seed = match std::env::var("CLEARING_TEST_SEED") {
        Ok(seed) => seed.parse().expect("CLEARING_TEST_SEED is a whole number"),
        Err(_) => u64::from_le_bytes(clearing::clock::random_bytes()),
    };
    (ChaCha8Rng::seed_from_u64(seed), seed)
}
