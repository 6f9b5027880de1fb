//! Signals of the operating system: [`ctrl_c`] once, [`stream`] for each kind.
//!
//! While a kind has a listener its default action, mostly to end the process, does not happen, and
//! SIGINT cancels no `main`; when the last listener has been dropped both are back. Signals that
//! come faster than they are taken may be merged.
//!
//! # Examples
//!
//! ```no_run
//! use corio::signal::{SignalKind, ctrl_c, stream};
//!
//! # async fn example() -> std::io::Result<()> {
//! let terminate = stream(SignalKind::terminate())?;
//! corio::select! {
//!     interrupted = ctrl_c() => interrupted?,
//!     terminated = terminate.recv() => terminated?,
//! }
//! println!("good bye");
//! # Ok(())
//! # }
//! ```
pub use corio_io::signal::*;
