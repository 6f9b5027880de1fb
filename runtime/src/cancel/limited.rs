//! A future that its holder may ask to stop: what timeouts and races are made of.
//!
//! To stop a future is to send a request to the innermost scopes *inside* of it, which may clean up
//! and take their time, and to no other part of the task. A future without scopes has nobody to
//! ask: it is stopped as soon as it is dropped, which the holder does.
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_sync::debug;
use pin_project_lite::pin_project;

use super::raise::Raising;
use crate::alarm::{self, Alarm};
use crate::error::Cancelled;
use crate::task::inside;
use crate::task::scope::{self, Asks, Held, Kind, Part, Polled, Request, Scope};
use crate::timer::clock;

pin_project! {
    /// A future and its scope.
    pub(crate) struct Limited<F> {
        // What the future has not awaited when it is stopped was not forgotten.
        hush: debug::Hush,
        #[pin]
        future: F,
        loud: debug::Loud,
        scope: Scope,
        asked: Rarely,
    }
}

/// Whether the future was asked to stop, and what is then known of it.
///
/// A timeout is made, moved and dropped far more often than one comes. So `No` is not zero: beside a
/// scope that is empty, which is, the two would be cleared as one block, and the compiler does not take
/// blocks apart but writes them and reads them back.
#[repr(usize)]
enum Asked {
    No = 1,
    /// Not yet: something else goes first.
    Later(Box<Later>),
    Yes(Box<Stopping>),
}

/// Between two looks whether what goes first is still held back.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How often a scope gives way. Combinators with wakers of their own poll who has woken itself up to three
/// times, before the scope around that was about to ask has its turn.
pub(crate) const GIVES_WAY: u8 = 4;

/// A future that is to be asked, and was not yet.
struct Later {
    /// When to look again.
    look: Alarm,
    gave_way: u8,
    /// It was asked by a scope around.
    heard: bool,
}

/// A future that was asked to stop.
struct Stopping {
    request: Request,
    /// A cancel of the whole task that goes on outwards.
    raise: Option<Raising>,
}

/// Drops what it holds with one comparison, if nobody has asked.
struct Rarely(Asked);

impl Drop for Rarely {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.0, Asked::No) {
            forget(mem::replace(&mut self.0, Asked::No));
        }
    }
}

#[cold]
#[inline(never)]
fn forget(asked: Asked) {
    drop(asked);
}

impl Rarely {
    /// From now on the future is asked.
    fn ask(&mut self, request: Request) {
        self.0 = Asked::Yes(Box::new(Stopping { request, raise: None }));
    }

    fn stopping(&mut self) -> &mut Stopping {
        match &mut self.0 {
            Asked::Yes(stopping) => stopping,
            _ => unreachable!("only who was asked stops"),
        }
    }

    /// Nobody has asked yet.
    fn later(&mut self) -> &mut Later {
        if matches!(self.0, Asked::No) {
            self.0 =
                Asked::Later(Box::new(Later { look: Alarm::new(0), gave_way: 0, heard: false }));
        }
        match &mut self.0 {
            Asked::Later(later) => later,
            Asked::No | Asked::Yes(_) => unreachable!("it was set just now"),
        }
    }

    fn is_raising(&self) -> bool {
        matches!(&self.0, Asked::Yes(stopping) if stopping.raise.is_some())
    }
}

impl Later {
    fn look_again(&mut self, cx: &mut Context<'_>) {
        while self.look.poll(cx.waker(), "a limit", Location::caller()).is_ready() {
            self.look.set(clock::after(alarm::now(), LOOK_AGAIN));
        }
    }
}

impl<F> Limited<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self {
            hush: debug::Hush,
            future,
            loud: debug::Loud,
            scope: Scope::new(),
            asked: Rarely(Asked::No),
        }
    }

    pub(crate) fn get_ref(&self) -> &F {
        &self.future
    }

    pub(crate) fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    pub(crate) fn into_inner(self) -> F {
        self.future
    }

    /// True once [`Limited::stop`] was called.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.asked.0, Asked::Yes(_))
    }
}

impl<F: Future> Limited<F> {
    /// Polls the future, which nobody has asked to stop; `asks` tells when somebody will.
    #[inline]
    pub(crate) fn poll_freely(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        asks: Option<&dyn Asks>,
    ) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.scope.poll_through(Kind::Limit, asks, cx, |cx| this.future.poll(cx));
        if polled.is_ready() {
            this.scope.release();
        } else if this.scope.is_known() {
            this.scope.suspend(Kind::Limit, cx);
        }
        polled
    }

    /// Asks the future, which waits, to stop. Ready when it has: `Some` is a value that it gave all
    /// the same, with `None` it is to be dropped. Pending for good if a cancel of the whole task
    /// goes on outwards in place of that. Poll on with [`Limited::poll_asked`] once it
    /// [was asked](Limited::is_asked). `begins`: the future has perhaps begun to wait in this very poll.
    #[cold]
    pub(crate) fn stop(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        begins: bool,
        said: impl FnOnce() -> Cancelled,
    ) -> Poll<Option<F::Output>> {
        if Scope::is_task_cancelled() && !scope::is_in_mask() {
            // That goes first; if another part of the task takes it, this is polled again.
            let goes = match self.scope.held_back() {
                None => self.as_mut().wake_later(cx, false),
                // Which would hold this request back as well, and sees to that by its own end.
                Some(Held::Inside) => true,
                Some(Held::Beside) => self.as_mut().look_later(cx),
            };
            if goes {
                return Poll::Pending;
            }
        }
        let _begins = begins.then(inside::Repeating::begin);
        self.ask_and_poll(cx, Request::new(said()))
    }

    /// Before [`Limited::stop`]: true if that is not for now, because a scope around is about to ask, or has
    /// asked what is inside since this was to be stopped.
    #[cold]
    pub(crate) fn gives_way(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.as_mut().project();
        let heard = matches!(&this.asked.0, Asked::Later(later) if later.heard);
        let merged = this.scope.is_merged(heard);
        if merged || heard {
            this.asked.later().heard = merged;
        }
        if !merged {
            this.scope.unmerge();
        }
        merged || scope::is_outdone() && self.wake_later(cx, true)
    }

    /// Has the task poll this again, if something else may go first once more. Soon, unless the waker is not
    /// the task's, and so perhaps that of a poll which blocks; `lets`: in this poll, but who knows.
    fn wake_later(self: Pin<&mut Self>, cx: &mut Context<'_>, lets: bool) -> bool {
        let of_task = scope::is_of_task(cx.waker());
        if of_task && !lets {
            cx.waker().wake_by_ref();
            return true;
        }
        let later = self.project().asked.later();
        let goes = later.gave_way < GIVES_WAY;
        later.gave_way += u8::from(goes);
        if goes && of_task {
            later.look_again(cx);
        } else if goes {
            cx.waker().wake_by_ref();
        }
        goes
    }

    /// As [`Limited::stop`], for who resumes the future by hand: it is asked now, whatever is asked of the
    /// whole task, which does not count this among its cancels; and pending it has taken the request, or
    /// a mask holds that back.
    #[cold]
    pub(crate) fn stop_by_hand(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        said: Cancelled,
    ) -> Poll<Option<F::Output>> {
        // The scopes inside are in the tree of the task that has polled them last. Those of another one
        // come here by a poll.
        let known = self.scope.is_known();
        if known && self.as_mut().project().scope.leave_elsewhere() && Scope::is_in_task() {
            if let Poll::Ready(value) = self.as_mut().poll_freely(cx, None) {
                return Poll::Ready(Some(value));
            }
        }
        self.ask_and_poll(cx, Request::by_hand(said))
    }

    fn ask_and_poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        request: Request,
    ) -> Poll<Option<F::Output>> {
        let this = self.as_mut().project();
        if !this.scope.is_known() {
            return Poll::Ready(None);
        }
        this.asked.ask(request);
        match this.asked.stopping().request.begin(this.scope) {
            Part::Nobody => self.give_up(None),
            _ => self.poll_asked(cx),
        }
    }

    /// The limit has not come after all.
    pub(crate) fn not_yet(self: Pin<&mut Self>) {
        let this = self.project();
        this.scope.unmerge();
        if let Asked::Later(later) = &mut this.asked.0 {
            later.heard = false;
        }
    }

    /// A mask in another part of the task holds back what goes first, and nobody tells this part
    /// when it is over, whatever becomes of it then.
    fn look_later(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        self.project().asked.later().look_again(cx);
        true
    }

    /// Polls a future that was asked to stop, be it in another task or in none; as [`Limited::stop`].
    #[cold]
    pub(crate) fn poll_asked(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        let mut again = false;
        loop {
            let mut this = self.as_mut().project();
            if this.asked.is_raising() {
                return Poll::Pending;
            }
            this.scope.ask_part();
            let future = this.future.as_mut();
            match this.scope.poll_part(Kind::Limit, cx, |cx| future.poll(cx)) {
                Polled::Ready(value) => {
                    this.scope.close_part();
                    return Poll::Ready(Some(value));
                }
                Polled::Unwound(said) => return self.give_up(Some(said)),
                Polled::Pending => {}
            }
            match this.asked.stopping().request.look(this.scope, again) {
                Part::Offered => {}
                Part::Held => again = true,
                Part::Nobody => return self.give_up(None),
                Part::Waiting => return Poll::Pending,
                Part::Again => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The future has stopped, or nobody inside of it can take the request.
    fn give_up(self: Pin<&mut Self>, said: Option<Cancelled>) -> Poll<Option<F::Output>> {
        let this = self.project();
        let stopping = this.asked.stopping();
        let said = said.filter(|said| !stopping.request.is(said));
        if stopping.request.is_by_hand() || !Scope::is_in_task() {
            this.scope.close_part();
            // Whoever resumes it hears of its own request, and the task of any other.
            said.into_iter().for_each(scope::return_request);
            return Poll::Ready(None);
        }
        let Some(said) = this.scope.end_part(said) else { return Poll::Ready(None) };
        stopping.raise.insert(said.raising()).go();
        Poll::Pending
    }
}

impl<F: fmt::Debug> fmt::Debug for Limited<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.future.fmt(f)
    }
}
