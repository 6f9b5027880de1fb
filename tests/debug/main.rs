//! Looking into a running program: reports of debug mode, dumps, the graph of tasks, metrics, and
//! simulations; and corio-top, which looks from outside.

mod asyncio;
mod dump;
mod forgotten;
mod graph;
mod locks;
mod metrics;
mod process;
mod reports;
mod sim;
mod single;
mod support;
#[cfg(target_os = "linux")]
mod top;
mod tree;
mod unpolled;
