//! Switching debug mode while the runtime lives.

use crate::handle::Handle;

impl Handle {
    /// Whether the runtime is in debug mode; see [`Builder::debug`](crate::Builder::debug).
    ///
    /// asyncio: `loop.get_debug`.
    ///
    /// See [`set_debug`](Self::set_debug) for an example.
    #[must_use]
    pub fn get_debug(&self) -> bool {
        self.shared().is_debug()
    }

    /// Switches debug mode of the whole runtime on or off, from any thread. A worker that sleeps heeds it
    /// when it gets up, one that is busy after about 100 us, 16 polls at least and 128 at most; an
    /// [`EventLoop`](crate::EventLoop) at its next iteration. What began before is not known: locks that
    /// were taken, polls that tasks have had. The dump on SIGQUIT stays as it was when the runtime was
    /// built. After the end of the runtime this does nothing.
    ///
    /// asyncio: `loop.set_debug`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// corio::run(async {
    ///     let handle = corio::Handle::current();
    ///     handle.set_debug(true);
    ///     assert!(handle.get_debug());
    ///     drop(corio::time::sleep(std::time::Duration::ZERO)); // "sleep was never awaited"
    ///     handle.set_debug(false);
    /// });
    /// ```
    pub fn set_debug(&self, on: bool) {
        let shared = self.shared();
        if !shared.switch_debug(on) || !on {
            return;
        }
        super::turn_on();
        if shared.life.all_left() {
            shared.switch_debug(false);
        }
    }
}
