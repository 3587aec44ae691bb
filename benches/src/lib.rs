//! What the load harness (`bin/load.rs`) and the micro-benchmarks are made of.
//!
//! | room | what is in it |
//! |---|---|
//! | [`coalition`] | the coalition that is measured: its house, its certificates |
//! | [`workload`] | seeded requests: who asks what for whom |
//! | [`client`] | connections over mTLS, and what a caller does on them |
//! | [`harness`] | closed and open loops, and what they measure |
//! | [`baseline`] | what the house is compared with |
//! | [`poison`], [`fairness`] | what one brand may cost the others |
//! | [`deposits`] | what the operator may cost the tills |
//! | [`system`] | everything that can be put under load, started and ended |
//! | [`hostile`] | clients that mean ill, beside one that does not |
//! | [`fill`] | many entries, and a statement right after |
//! | [`report`] | the table and the JSON |

pub mod baseline;
pub mod client;
pub mod coalition;
pub mod deposits;
pub mod fairness;
pub mod fill;
pub mod harness;
pub mod hostile;
pub mod poison;
pub mod report;
pub mod system;
pub mod workload;
