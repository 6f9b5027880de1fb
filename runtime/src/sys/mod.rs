//! What only the operating system can say.

pub mod interrupt;
