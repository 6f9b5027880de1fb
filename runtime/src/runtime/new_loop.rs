//! Making a single loop.

use std::any::Any;
use std::io;
use std::panic::Location;

use super::start::{self, Caller};
use crate::builder::{Builder, Settled};
use crate::debug::DebugSocket;
use crate::error::BuildError;
use crate::event_loop::EventLoop;

/// Makes a loop of the calling thread, and does not make it the current one.
///
/// asyncio: `new_event_loop`. See [`EventLoop`].
///
/// # Errors
///
/// If the system gives no poller.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let event_loop = corio_runtime::new_event_loop()?;
/// assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "new_current_thread")]
#[track_caller]
pub fn new_event_loop() -> io::Result<EventLoop> {
    EventLoop::new()
}

impl EventLoop {
    /// A loop with the default settings.
    ///
    /// # Errors
    ///
    /// If the system gives no poller.
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Ok(Builder::new().build_event_loop()?)
    }
}

impl Builder {
    /// Makes a single loop that the calling thread will run. The settings of workers, stealing, the
    /// LIFO slot, the poll budget and Watch do not concern it; in debug mode a thread of its own
    /// watches it, to tell of a step that is slow while it is still stuck.
    ///
    /// # Errors
    ///
    /// [`BuildError`], as [`Builder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// let event_loop = corio_runtime::Builder::new().name("ui").build_event_loop().unwrap();
    /// assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
    /// # }
    /// ```
    #[doc(alias = "new_current_thread")]
    #[track_caller]
    pub fn build_event_loop(self) -> Result<EventLoop, BuildError> {
        let mut settled = self.workers(1).pollers(1).watch(false).stealing(false).settle()?;
        settled.config.built_at = Location::caller();
        let started = start::start(Settled { single: true, ..settled }, Caller::BecomesWorker)?;
        let shown = DebugSocket::new(&started.shared).map(|shown| Box::new(shown) as Box<dyn Any>);
        Ok(EventLoop::adopt(started.own.expect("the caller's worker was asked for"), shown))
    }
}
