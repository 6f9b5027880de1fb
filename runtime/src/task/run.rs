//! Running a task: one poll, or its end.

use std::task::{Context, Poll, Waker};

use corio_sync::place;
use corio_sync::shim::Ordering::Relaxed;

use super::ext::TaskExt;
use super::inside;
use super::raw::TaskPtr;
use super::scope;
use super::state::{Claim, End, Finished, Paused, Snapshot};
use super::waker::{WakerRef, is_ours};
use crate::error::Cancelled;
use crate::quiet::{drop_quietly, quietly};

/// What the awaiter of a task is told that ended with its event loop.
const SHUT_DOWN: &str = "its event loop was shut down";

impl TaskPtr {
    /// Runs the task once. `PASS`: who waits for its end by a waker that is no task's hears of it as the
    /// runtime wants, see [`RuntimeHead::pass_on`](super::raw::RuntimeHead). If it was woken meanwhile, the caller owes it a queue entry, and gets the
    /// word that it had when it was started, to tell which queue is its. `ended` is called if this was
    /// the last of its polls; not for one that is cancelled.
    ///
    /// # Safety
    ///
    /// The caller took the task's queue entry; a pinned task runs on its home.
    #[inline(always)]
    pub(crate) unsafe fn run<const PASS: bool>(self, ended: impl FnOnce()) -> Option<Snapshot> {
        let header = self.header();
        let seen = header.state.start();
        let outer = inside::begin(self);
        let again = if seen.needs_care() {
            // SAFETY: `start` made this thread the runner.
            unsafe { self.run_with_care(seen) }
        } else {
            // SAFETY: as above.
            match unsafe { self.poll_body() } {
                Poll::Pending => self.park(seen),
                Poll::Ready(()) => {
                    // SAFETY: the output is written.
                    unsafe { self.finish::<PASS>(End::Itself, false) };
                    ended();
                    false
                }
            }
        };
        inside::end(outer);
        again.then_some(seen)
    }

    /// [`TaskPtr::run`] for loops that are in no hurry: the fast one gets a copy of its own.
    ///
    /// # Safety
    ///
    /// As [`TaskPtr::run`].
    #[inline(never)]
    pub(crate) unsafe fn run_apart(self) -> Option<Snapshot> {
        // SAFETY: passed on.
        unsafe { self.run::<true>(|| ()) }
    }

    /// Polls the body once.
    ///
    /// # Safety
    ///
    /// The caller is the runner.
    #[inline]
    pub(super) unsafe fn poll_body(self) -> Poll<()> {
        let waker = WakerRef::new(self);
        let mut cx = Context::from_waker(&waker);
        scope::begin_poll();
        // SAFETY: passed on.
        unsafe { self.poll(&mut cx) }
    }

    /// The runner leaves a body that waits; `seen` is what made it the runner. `true`: it was woken
    /// meanwhile, or asked for another poll.
    #[inline]
    pub(super) fn park(self, seen: Snapshot) -> bool {
        let header = self.header();
        let place = place::take().map_or(0, place::Place::to_word);
        // Ordering: Relaxed; a walker reads the word alone, and `pause` releases it before a waker
        // may use it as a queue link.
        header.link.store(place, Relaxed);
        let left = inside::leave(self);
        if left.again {
            header.state.pause_again(scope::is_joining(), left.lent);
            return true;
        }
        match header.state.pause_as(scope::is_joining(), seen.is_joining(), left.lent) {
            Paused::Enqueue => self.waits_for_another(),
            _ => false,
        }
    }

    /// The task was woken in the run that has ended, and its queue entry is the runner's. True if it is
    /// to be queued; not if something was raised to the task, which ends it here and now.
    #[inline(never)]
    fn waits_for_another(self) -> bool {
        // SAFETY: nobody else can become the runner: the entry is here.
        let unwinds = |ext: &TaskExt| unsafe { ext.scopes() }.is_unwound();
        if !inside::was_raised(self) || !self.header().ext().is_some_and(unwinds) {
            return true;
        }
        if inside::is_starting(self) {
            // What was raised in an eager start ends the task in it.
            self.note_eager_start();
        }
        // SAFETY: the entry is here; a pinned task runs on its home.
        unsafe { self.run::<true>(|| ()) }.is_some()
    }

    /// Drops the body of a task that must stop; `said` is why, if it is known.
    ///
    /// # Safety
    ///
    /// The caller is the runner.
    #[cold]
    pub(super) unsafe fn end_cancelled(self, said: Option<Cancelled>, queued: bool) {
        let said = said.or_else(|| self.header().take_request());
        let error = self.cancelled(said.unwrap_or_else(|| Cancelled::from_parts(None, None)));
        // SAFETY: the caller is the runner.
        let end = unsafe { self.cancel_body(error) };
        // SAFETY: the output is written.
        unsafe { self.finish::<true>(end, queued) };
    }

    /// Drops the body of a task whose event loop ends. A cancel that was asked for before is why;
    /// without one, the awaiter learns that nobody meant this task.
    ///
    /// # Safety
    ///
    /// The caller is the runner.
    unsafe fn end_shut_down(self, queued: bool) {
        let asked = self.header().take_request();
        let said = asked.unwrap_or_else(|| {
            let mut said = Cancelled::from_parts(Some(SHUT_DOWN.into()), None);
            said.shut_down = true;
            said
        });
        // SAFETY: passed on.
        unsafe { self.end_cancelled(Some(said), queued) };
    }

    /// Makes the task done and tells whoever waits.
    ///
    /// # Safety
    ///
    /// The caller is the runner and has written the output.
    #[inline]
    pub(super) unsafe fn finish<const PASS: bool>(self, mut end: End, queued: bool) {
        let header = self.header();
        let state = &header.state;
        if let Some(ext) = header.ext() {
            // SAFETY: the caller is the runner.
            let scopes = unsafe { ext.scopes() };
            scopes.forget_retracted(state);
            scopes.clear(state);
        }
        let left = inside::leave(self);
        loop {
            match state.finish(end, queued, left.lent) {
                Finished::CancelFirst => {
                    let said = self.header().take_request();
                    let said = said.unwrap_or_else(|| Cancelled::from_parts(None, None));
                    let error = self.cancelled(said);
                    // SAFETY: the caller is the runner and has written the output.
                    end = unsafe { self.replace_output(error) };
                }
                Finished::Released { free } => {
                    if free {
                        self.free();
                    }
                    return;
                }
                Finished::Done { join_waker, unwatched, observed } => {
                    self.tell::<PASS>(join_waker, unwatched, observed);
                    if !queued {
                        self.release();
                    }
                    return;
                }
            }
        }
    }

    /// What a completer owes; it still holds the runtime's reference.
    #[inline]
    fn tell<const PASS: bool>(self, join_waker: bool, unwatched: bool, observed: bool) {
        let header = self.header();
        if observed {
            // SAFETY: as below.
            let waker = join_waker.then(|| unsafe { header.take_join_waker() });
            return self.tell_observers::<PASS>(waker, unwatched);
        }
        if join_waker {
            // SAFETY: JOIN_WAKER was set at `finish`, so the slot is full and the completer's.
            let waker = unsafe { header.take_join_waker() };
            if unwatched {
                drop_quietly(waker);
            } else {
                self.wake_waiter::<PASS>(waker);
            }
        }
        if unwatched {
            // SAFETY: no handle is left to own the output.
            unsafe { self.drop_output() };
        }
    }

    /// Wakes who waits for the end; the completer's.
    #[inline]
    pub(super) fn wake_waiter<const PASS: bool>(self, waker: Waker) {
        // A foreign waker may panic; the task is done all the same.
        quietly(|| {
            if PASS && !is_ours(waker.vtable()) {
                // SAFETY: the arena keeps the runtime's shared part alive.
                let pass_on = unsafe { self.head().as_ref() }.pass_on;
                pass_on(self, waker);
            } else {
                waker.wake();
            }
        });
    }

    /// A shutdown ends the task if nobody is inside it; `false` if somebody is.
    ///
    /// # Safety
    ///
    /// Nobody but the caller starts the task; a pinned task is stopped by its home, or by anyone if
    /// its body is `Send`. The caller holds a reference.
    pub(crate) unsafe fn stop(self) -> bool {
        // SAFETY: passed on.
        unsafe { self.stop_claimed(self.header().state.claim()) }
    }

    /// A shutdown ends the task if it is idle; `false` if somebody is inside it or has its entry.
    ///
    /// # Safety
    ///
    /// As [`TaskPtr::stop`], except that workers may start tasks meanwhile.
    pub(crate) unsafe fn stop_idle(self) -> bool {
        // SAFETY: passed on.
        unsafe { self.stop_claimed(self.header().state.claim_idle()) }
    }

    /// # Safety
    ///
    /// As [`TaskPtr::stop`]; the claim is the caller's.
    unsafe fn stop_claimed(self, claim: Claim) -> bool {
        match claim {
            Claim::Done => true,
            Claim::Running => false,
            Claim::Claimed { queued } => {
                // SAFETY: the claim made this thread the runner.
                unsafe { self.end_shut_down(queued) };
                true
            }
        }
    }

    /// Ends the task of a queue entry that nobody will run, and releases what the entry holds.
    /// True if that stopped it.
    ///
    /// # Safety
    ///
    /// The caller holds the entry; a pinned task is stopped by its home, or by anyone if its body is
    /// `Send` or gone.
    pub(crate) unsafe fn stop_entry(self) -> bool {
        let claim = self.header().state.claim();
        let stopped = matches!(claim, Claim::Claimed { .. });
        if stopped {
            // SAFETY: the claim made this thread the runner.
            unsafe { self.end_shut_down(true) };
        }
        // Who ended or is ending the task through a claim of its own left the runtime's reference
        // to this entry, and holds another one as long as it is at it.
        self.release();
        stopped
    }
}
