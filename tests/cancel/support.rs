//! Runtimes, logs, and the combinators that a stranger might have written.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corio::{Builder, TaskRef, TaskStatus};
use corio_tests::{PATIENCE, within};

/// Runs a test's coroutine as main of two runtimes, of one worker and of four.
#[track_caller]
pub fn run<F, T: Send + 'static>(main: impl Fn() -> F + Send + Sync + 'static) -> T
where
    F: Future<Output = T>,
{
    let main = Arc::new(main);
    let what = format!("main of {}", Location::caller());
    let on = |workers: usize| {
        let (main, builder) = (main.clone(), Builder::new().name("t").workers(workers));
        within(PATIENCE, &what, move || builder.run(main()).expect("main ends well"))
    };
    on(4);
    on(1)
}

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Longer than any test.
pub async fn for_ever() {
    std::future::pending::<()>().await;
}

pub async fn nap() {
    corio::sleep(ms(1)).await;
}

/// The count of the current task.
pub fn count() -> u32 {
    corio::current_task().unwrap().cancelling()
}

/// Waits until `is` says so.
pub async fn until(is: impl Fn() -> bool) {
    while !is() {
        nap().await;
    }
}

/// Waits until the task has seen what was done to it: a cancel or a wake schedules it at once, and it
/// waits again only after the poll that follows.
pub async fn rested(task: TaskRef) {
    until(|| matches!(task.status(), TaskStatus::Waiting(_))).await;
}

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// A value that says `what` when it is dropped.
    pub fn on_drop<S: Into<String>>(&self, what: S) -> impl Send + use<S> {
        struct Said(Log, String);
        impl Drop for Said {
            fn drop(&mut self) {
                self.0.say(std::mem::take(&mut self.1));
            }
        }
        Said(self.clone(), what.into())
    }

    pub fn said(&self, what: &str) -> bool {
        self.count(what) > 0
    }

    /// How often this was said.
    pub fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| *line == what).count()
    }

    /// Fails unless just these lines were said, in whatever order.
    #[track_caller]
    pub fn has(&self, lines: &[&str]) {
        let mut said = self.0.lock().unwrap().clone();
        let mut lines = lines.to_vec();
        said.sort_unstable();
        lines.sort_unstable();
        assert_eq!(said, lines);
    }

    #[track_caller]
    pub fn is(&self, lines: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), lines);
    }
}

/// A flag that something polls.
#[derive(Clone, Debug, Default)]
pub struct Flag(Arc<AtomicBool>);

impl Flag {
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Ready once it is set; is woken by nobody.
    pub async fn seen(&self) {
        poll_fn(|_| if self.is_set() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// Polls both each time.
pub async fn join2<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut x, mut y) = (None, None);
    poll_fn(move |cx| {
        if x.is_none() {
            if let Poll::Ready(value) = a.as_mut().poll(cx) {
                x = Some(value);
            }
        }
        if y.is_none() {
            if let Poll::Ready(value) = b.as_mut().poll(cx) {
                y = Some(value);
            }
        }
        match (x.take(), y.take()) {
            (Some(x), Some(y)) => Poll::Ready((x, y)),
            (a, b) => {
                (x, y) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// The first that is ready, `a` before `b`; the other one is dropped.
pub async fn select2<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(move |cx| match a.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => b.as_mut().poll(cx),
    })
    .await
}

struct Sub {
    woken: AtomicBool,
    above: Mutex<Option<Waker>>,
}

impl Wake for Sub {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        if let Some(waker) = &*self.above.lock().unwrap() {
            waker.wake_by_ref();
        }
    }
}

/// Polls only those that were woken, as `FuturesUnordered` does.
pub async fn unordered<'a, T>(parts: Vec<Pin<Box<dyn Future<Output = T> + Send + 'a>>>) -> Vec<T> {
    let sub = || Arc::new(Sub { woken: AtomicBool::new(true), above: Mutex::new(None) });
    let mut parts: Vec<_> = parts.into_iter().map(|part| (Some(part), sub())).collect();
    let mut out = Vec::new();
    poll_fn(move |cx| {
        for (part, sub) in &mut parts {
            *sub.above.lock().unwrap() = Some(cx.waker().clone());
            let Some(future) = part else { continue };
            if sub.woken.swap(false, Ordering::Acquire) {
                let waker = Waker::from(sub.clone());
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    out.push(value);
                    *part = None;
                }
            }
        }
        if parts.iter().all(|(part, _)| part.is_none()) {
            Poll::Ready(std::mem::take(&mut out))
        } else {
            Poll::Pending
        }
    })
    .await
}
