//! Callbacks with a deadline: one mechanism for single loops and for runtimes.
//!
//! A timer wakes a waker; here the waker is [`Later`], which submits its callback to the loop that
//! it was made for. So callbacks become ready in the order of their deadlines, equal ones in that
//! of their making, and are called by the loop like any other. A sibling that fires the timers of a
//! stuck worker submits to that worker all the same: a callback stays on its loop.
//!
//! `Later` and its timer hold each other until the timer fires, is cancelled, or its runtime ends.
//! Each of the two things in it is taken out once, see [`OnceSlot`]:
//!
//! ```text
//!   timer   put in when it was armed; taken by the fire or the cancel, whichever comes first
//!   call    taken by the fire, to submit it, or by the cancel, to drop it
//! ```

use std::panic::Location;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

use super::callback::{CallHandle, Callback};
use super::once_slot::OnceSlot;
use super::shared::Shared;
use crate::timer::Timer;
use crate::timer::clock::from_instant;

/// A callback that waits for its time; dropping the handle changes nothing. asyncio: `TimerHandle`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::time::Duration;
///
/// # corio::run(async {
/// let handle = corio::Handle::current();
/// let hour = Duration::from_secs(3600);
/// let alarm = handle.call_later(hour, || println!("wake up"));
/// assert!(alarm.when() <= handle.time() + hour && !alarm.cancelled());
/// alarm.cancel();
/// assert!(alarm.cancelled());
/// assert_eq!(alarm.submitted_at().file(), file!());
/// # });
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    when: Instant,
    handle: CallHandle,
    later: Option<Arc<Later>>,
}

impl TimerHandle {
    /// Keeps the callback from being called, unless that has begun. Before its time has come it is
    /// dropped at once.
    ///
    /// asyncio: there a cancelled timer stays in the heap until it is due or until many are.
    pub fn cancel(&self) {
        if self.handle.try_cancel() {
            if let Some(later) = &self.later {
                later.cancel();
            }
        }
    }

    /// True if the callback was cancelled before it was called.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.handle.cancelled()
    }

    /// When the callback is due.
    #[must_use]
    pub fn when(&self) -> Instant {
        self.when
    }

    /// The line that submitted the callback.
    #[must_use]
    pub fn submitted_at(&self) -> &'static Location<'static> {
        self.handle.submitted_at()
    }
}

impl PartialEq for TimerHandle {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}

impl Eq for TimerHandle {}

impl std::fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when)
            .field("handle", &self.handle)
            .finish()
    }
}

/// What a timer wakes.
struct Later {
    shared: Arc<Shared>,
    /// The loop that calls.
    home: usize,
    timer: OnceSlot<Timer>,
    call: OnceSlot<Callback>,
}

impl Later {
    fn cancel(&self) {
        drop(self.timer.close());
        drop(self.call.close());
    }
}

impl Wake for Later {
    fn wake(self: Arc<Self>) {
        drop(self.timer.close());
        if let Some(callback) = self.call.close() {
            // A loop that has closed calls nothing more.
            let _refused = self.shared.submit_call(self.home, callback);
        }
    }
}

impl Shared {
    /// Calls `f` on a loop at a time, or soon if that has passed.
    #[track_caller]
    pub(crate) fn call_at(
        self: &Arc<Self>,
        home: usize,
        when: Instant,
        f: Box<dyn FnOnce() + Send>,
    ) -> TimerHandle {
        if !self.phase().is_open() {
            return TimerHandle { when, handle: CallHandle::refused(), later: None };
        }
        let (callback, handle) = Callback::new(f);
        let later = Arc::new(Later {
            shared: self.clone(),
            home,
            timer: OnceSlot::empty(),
            call: OnceSlot::full(callback),
        });
        match self.arm(home, from_instant(when), Waker::from(later.clone())) {
            // If it has fired meanwhile there is nothing to cancel, and dropping it does no harm.
            Ok(timer) => drop(later.timer.put(timer)),
            // The runtime has shut down meanwhile.
            Err(_waker) => {
                handle.cancel();
                later.cancel();
            }
        }
        TimerHandle { when, handle, later: Some(later) }
    }

    fn arm(self: &Arc<Self>, home: usize, deadline: u64, waker: Waker) -> Result<Timer, Waker> {
        let driver = &self.drivers[home];
        let on_loop = self.with_own_worker(|worker| worker.is_some_and(|w| w.index() == home));
        if on_loop {
            Ok(driver.timers.insert(deadline, waker))
        } else {
            driver.timers.try_post(deadline, waker, || driver.poller.wake())
        }
    }
}
