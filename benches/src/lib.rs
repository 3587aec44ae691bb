//! What the load harness (`bin/load.rs`) and the micro-benchmarks are made of.
//!
//! | room | what is in it |
//! |---|---|
//! | [`coalition`] | the coalition that is measured: its house, its certificates |
//! | [`workload`], [`till`] | seeded requests: who asks what for whom, on the wire and behind it |
//! | [`client`] | connections over mTLS, and what a caller does on them |
//! | [`harness`] | closed and open loops, and what they measure |
//! | [`machine`], [`disk`] | how busy the machine is; what was written |
//! | [`baseline`] | what the house is compared with |
//! | [`system`] | everything that can be put under load, started and ended |
//! | [`loads`] | the loads, on systems in turns |
//! | [`fill`], [`filled`] | a database of any size, made once; the loads on copies of such |
//! | [`reads`], [`restart`] | what readers wait; starts after a kill, memory, and the audit |
//! | [`poison`], [`fairness`] | what one brand may cost the others |
//! | [`deposits`], [`links`] | what the operator, and changed links, may cost the tills |
//! | [`settle`] | what closing a window and settling it take |
//! | [`revocation`] | how long whoever is out is still heard |
//! | [`process`], [`hostile`] | the house as a process of its own; clients that mean ill, beside one that does not |
//! | [`report`], [`ratios`] | the table and the JSON; two builds beside each other |

pub mod baseline;
pub mod client;
pub mod coalition;
pub mod deposits;
pub mod disk;
pub mod fairness;
pub mod fill;
pub mod filled;
pub mod harness;
pub mod hostile;
pub mod links;
pub mod loads;
pub mod machine;
pub mod poison;
pub mod process;
pub mod ratios;
pub mod reads;
pub mod report;
pub mod restart;
pub mod revocation;
pub mod settle;
pub mod system;
pub mod till;
pub mod workload;
