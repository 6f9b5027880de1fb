//! One workload, one trait, many runtimes.
//!
//! The program `corio-bench` compares corio with its peers; the criterion benches of this
//! package take the same rows.

pub mod args;
pub mod burn;
pub mod child;
pub mod cli;
pub mod compare;
pub mod contender;
pub mod load;
pub mod machine;
pub mod measure;
pub mod pass;
#[cfg(feature = "corio")]
pub mod prim;
pub mod report;
pub mod results;
pub mod row;
pub mod rows;
pub mod rt;
pub mod signal;
pub mod stats;
pub mod still;
pub mod unstable;
pub mod usage;
