//! Signals of the operating system: [`ctrl_c`] once, [`stream`] for each kind.
pub use corio_io::signal::*;
