//! Looking into a running program: reports of debug mode, dumps, the graph of tasks, metrics, and
//! simulations.

mod asyncio;
mod dump;
mod forgotten;
mod graph;
mod locks;
mod metrics;
mod process;
mod reports;
mod sim;
mod support;
mod unpolled;
