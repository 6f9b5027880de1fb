//! Sleeping, intervals and timeouts.

mod interval;
mod sleep;
mod timeout;
