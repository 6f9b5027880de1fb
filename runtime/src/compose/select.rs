//! `select!`: the first of several futures of one task.
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::debug;
use pin_project_lite::pin_project;

use super::branch::{Branch, Due, Next, Progress, Stopping};
use crate::reactor::random;
use crate::task::scope::Landing;

/// Awaits several futures at once, in the calling task, and goes on with the first that is ready.
///
/// ```text
/// select! {
///     biased;                             // optional: poll in the order in which they are written
///     pattern = future => handler,
///     pattern = future, if condition => handler,
///     else => handler,                    // optional: no branch is left
/// }
/// ```
///
/// Each future is polled, beginning with a random one, until one is ready whose value fits its
/// pattern. The others are dropped, then the handler runs; its value is that of the whole. All
/// handlers have one type, and may use `?`, `return`, `break` and what the futures have borrowed.
///
/// A branch is left out if its condition is false (its future is made, and not polled), or if its
/// value does not fit its pattern. If all are out, `else` runs.
///
/// A pattern that may fail is tried on a reference first, so inside of it `ref` and `mut` are not
/// allowed.
///
/// The futures may borrow, and a future that is kept and polled through `&mut` may be awaited again
/// by the next `select!`.
///
/// If the task is cancelled, every branch is, as in [`join!`](crate::join!): when all have ended the
/// cancel goes on. If one gives a value all the same, that wins, and a cancel that has stopped another
/// one is delivered at the next wait.
///
/// asyncio: `wait(.., FIRST_COMPLETED)`, which needs tasks.
///
/// # Panics
///
/// If no branch is left and there is no `else`.
///
/// # Cancel safety
///
/// That of the futures: those that lose are dropped.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::time::Duration;
///
/// # corio::sim::run(1, async {
/// let mut ticks = corio::time::interval(Duration::from_millis(1));
/// let mut work = std::pin::pin!(corio::time::sleep(Duration::from_millis(20)));
/// let mut count = 0;
/// loop {
///     corio::select! {
///         () = work.as_mut() => break,
///         _ = ticks.tick() => count += 1,
///     }
/// }
/// assert!(count > 1);
/// # });
/// ```
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)+) => {
        $crate::__select!(@read false [] $($branches)+)
    };
    ($($branches:tt)+) => {
        $crate::__select!(@read true [] $($branches)+)
    };
}

/// Reads the branches one by one, then makes a list of their futures and a nest of their handlers.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@read $fair:tt [$($read:tt)*]) => {
        $crate::__select!(@make $fair [$($read)*] (panic!(
            "all branches of a select! are out, and it has no `else`"
        )))
    };
    (@read $fair:tt [$($read:tt)*] else => $handler:expr $(,)?) => {
        $crate::__select!(@make $fair [$($read)*] ($handler))
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr, if $when:expr => $handler:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) ($when) ($handler) }] $($($rest)*)?)
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr, if $when:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) ($when) ($handler) }] $($rest)*)
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr, if $when:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) ($when) ($handler) }] $($($rest)*)?)
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr => $handler:block $(, $($rest:tt)*)?) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) (true) ($handler) }] $($($rest)*)?)
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) (true) ($handler) }] $($rest)*)
    };
    (@read $fair:tt [$($read:tt)*]
        $value:pat = $future:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@read $fair
            [$($read)* { ($value) ($future) (true) ($handler) }] $($($rest)*)?)
    };

    (@make $fair:tt
        [$({ ($value:pat) ($future:expr) ($when:expr) ($handler:expr) })+] ($else:expr)) => {{
        let out = $crate::__private::select(
            $crate::__select!(@list $({ ($value) ($future) ($when) })+),
            $fair,
        )
        .await;
        $crate::__select!(@handle out ($else) $({ ($value) ($handler) })+)
    }};

    (@list) => { () };
    (@list { ($value:pat) ($future:expr) ($when:expr) } $($rest:tt)*) => {
        $crate::__private::select_branch(
            $future,
            $when,
            |value| {
                #[allow(unused_variables, unreachable_patterns)]
                let fits = match value {
                    $value => true,
                    _ => false,
                };
                fits
            },
            $crate::__select!(@list $($rest)*),
        )
    };

    (@handle $out:ident ($else:expr)) => {{
        let () = $out;
        $else
    }};
    (@handle $out:ident ($else:expr) { ($value:pat) ($handler:expr) } $($rest:tt)*) => {
        match $out {
            $crate::__private::Which::This(value) => match value {
                $value => $handler,
                #[allow(unreachable_patterns)]
                _ => unreachable!("the pattern was tried before"),
            },
            $crate::__private::Which::Later($out) => {
                $crate::__select!(@handle $out ($else) $($rest)*)
            }
        }
    };
}

/// The value of a branch, or of one after it.
#[derive(Debug)]
#[doc(hidden)]
pub enum Which<T, L> {
    This(T),
    Later(L),
}

pin_project! {
    /// A branch with its pattern, and those after it.
    #[doc(hidden)]
    pub struct Choice<F, P, R> {
        #[pin]
        branch: Branch<F>,
        // True if a value fits the pattern.
        fits: P,
        #[pin]
        rest: R,
    }
}

#[inline]
#[doc(hidden)]
pub fn select_branch<F, P, R>(
    future: F,
    when: bool,
    fits: P,
    rest: R,
) -> Choice<F::IntoFuture, P, R>
where
    F: IntoFuture,
    P: Fn(&F::Output) -> bool,
{
    let future = future.into_future();
    // One that its condition leaves out is made all the same, and not forgotten.
    let mut future = Some(future);
    if !when {
        debug::silently(|| future = None);
    }
    Choice { branch: Branch::new(future), fits, rest }
}

/// Branches one after the other.
#[doc(hidden)]
pub trait Choices {
    /// The value of one of them, or that none is left.
    type Out;
    /// How many there are.
    const LEN: usize;
    /// None is left.
    const NONE: Self::Out;

    /// Polls those that are due, until one is ready.
    fn poll_due(
        self: Pin<&mut Self>,
        due: Due,
        cx: &mut Context<'_>,
        all: &Progress<'_>,
    ) -> Option<Self::Out>;
    fn suspend(self: Pin<&mut Self>, cx: &Context<'_>, all: &Progress<'_>);
}

impl Choices for () {
    type Out = ();
    const LEN: usize = 0;
    const NONE: () = ();

    #[inline]
    fn poll_due(self: Pin<&mut Self>, _: Due, _: &mut Context<'_>, _: &Progress<'_>) -> Option<()> {
        None
    }

    fn suspend(self: Pin<&mut Self>, _: &Context<'_>, _: &Progress<'_>) {}
}

impl<F, P, R> Choices for Choice<F, P, R>
where
    F: Future,
    P: Fn(&F::Output) -> bool,
    R: Choices,
{
    type Out = Which<F::Output, R::Out>;
    const LEN: usize = 1 + R::LEN;
    const NONE: Self::Out = Which::Later(R::NONE);

    #[inline]
    fn poll_due(
        self: Pin<&mut Self>,
        due: Due,
        cx: &mut Context<'_>,
        all: &Progress<'_>,
    ) -> Option<Self::Out> {
        let this = self.project();
        if due.has(R::LEN) {
            if let Some(value) = this.branch.poll(cx, all).filter(|value| (this.fits)(value)) {
                return Some(Which::This(value));
            }
        }
        this.rest.poll_due(due, cx, all).map(Which::Later)
    }

    fn suspend(self: Pin<&mut Self>, cx: &Context<'_>, all: &Progress<'_>) {
        let this = self.project();
        this.branch.suspend(cx, all);
        this.rest.suspend(cx, all);
    }
}

pin_project! {
    /// Future of [`select!`](crate::select!).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[doc(hidden)]
    pub struct Select<C> {
        #[pin]
        choices: C,
        stopping: Stopping,
        fair: bool,
    }
}

#[inline]
#[doc(hidden)]
pub fn select<C: Choices>(choices: C, fair: bool) -> Select<C> {
    Select { choices, stopping: Stopping::default(), fair }
}

/// Polls the branches from the `first` on, until one is ready.
#[inline]
fn poll_all<C: Choices>(
    mut choices: Pin<&mut C>,
    mut first: usize,
    cx: &mut Context<'_>,
    found: &Progress<'_>,
) -> Option<C::Out> {
    let mut due = Due::from(first, C::LEN);
    let _entered = found.enter();
    loop {
        let out = choices.as_mut().poll_due(due, cx, found);
        if out.is_some() || first == 0 {
            return out;
        }
        (due, first) = (due.others(), 0);
    }
}

impl<C: Choices> Future for Select<C> {
    type Output = C::Out;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Out> {
        let mut this = self.project();
        if this.stopping.is_raising() {
            return Poll::Pending;
        }
        let landing = Landing::default();
        let found = Progress::new(&landing);
        let first = if *this.fair { random(Due::firsts(C::LEN)) } else { 0 };
        if let Some(out) = poll_all(this.choices.as_mut(), first, cx, &found) {
            this.stopping.give_back(&found);
            return Poll::Ready(out);
        }
        match this.stopping.look(&found) {
            Next::Ended => Poll::Ready(C::NONE),
            Next::Wait(has_scopes) => {
                if has_scopes {
                    this.choices.suspend(cx, &found);
                }
                Poll::Pending
            }
        }
    }
}

impl<C> fmt::Debug for Select<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Select")
    }
}
