//! What is done to an operation.
//!
//! It runs in a task of its own, which counts the polls that left it waiting. Once it waits (or has
//! ended) the stimulus runs beside it. After the nth wait the anomaly comes:
//!
//! | | at once, while it waits | when it is woken, before it looks |
//! |---|---|---|
//! | its future is dropped | `DropWaiting` | `DropWoken` |
//! | its task is cancelled | `CancelWaiting` | `CancelWoken` |
//!
//! n goes up from 0 (not polled at all; for those that are woken) or 1 until the operation is
//! through before its turn. The right column is where a grant that was made already has to move on.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio::{TaskError, create_task, sleep, yield_now};
use corio_tests::kit::Signal;
use corio_tests::{PATIENCE, open_descriptors};

/// More polls than any operation needs.
const POLLS_MAX: usize = 200;
/// Runs of an unsteady operation that may tell nothing, one after the other.
const IDLE_RUNS_MAX: usize = 100;
/// Looks that a state gets to come about by itself, before there is a pause between them.
const QUICK_LOOKS: usize = 20;

/// What is done to the operation after its nth poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    DropWaiting,
    DropWoken,
    CancelWaiting,
    CancelWoken,
}

pub const ANOMALIES: [Anomaly; 4] =
    [Anomaly::DropWaiting, Anomaly::DropWoken, Anomaly::CancelWaiting, Anomaly::CancelWoken];

impl Anomaly {
    fn when_woken(self) -> bool {
        matches!(self, Self::DropWoken | Self::CancelWoken)
    }

    fn drops(self) -> bool {
        matches!(self, Self::DropWaiting | Self::DropWoken)
    }
}

pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Sets the stage for an operation.
pub type Make = fn() -> Boxed<Case>;

/// An operation on its stage.
pub struct Case {
    run: Box<dyn FnOnce(Anomaly, usize) -> Boxed<Outcome>>,
    /// False for what is ready at its first poll.
    waits: bool,
    /// True for what may once be ready at its first poll, or not be, by no fault of its own.
    unsteady: bool,
}

impl Case {
    /// What it waits for does not wait for the stimulus, and may come before its first poll if the
    /// machine stands still; the reason says what that is. A run where that happens tells nothing,
    /// and is made again.
    pub fn unsteady(self, reason: &str) -> Self {
        assert!(!reason.is_empty());
        Self { unsteady: true, ..self }
    }
}

/// How a run went.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    interfered: bool,
    /// How often it was left waiting.
    waits: usize,
}

/// A table: paths of awaits, and the bodies of async blocks that end in a [`Case`].
macro_rules! awaits {
    ($($path:literal => $make:expr;)*) => {
        &[$((
            $path,
            (|| -> $crate::driver::Boxed<$crate::driver::Case> {
                Box::pin(async move { $make })
            }) as $crate::driver::Make,
        )),*]
    };
}
pub(crate) use awaits;

/// An operation, what completes it, and what must be true then; the check gets what the operation
/// gave, or `None` if it was interfered with.
pub fn case<T: Send + 'static>(
    operation: impl Future<Output = T> + Send + 'static,
    stimulus: impl Future<Output = ()> + 'static,
    check: impl AsyncFnOnce(Option<T>) + 'static,
) -> Case {
    let run = move |anomaly, at| {
        let driven = drive(operation, stimulus, check, anomaly, at);
        Box::pin(driven) as Boxed<Outcome>
    };
    Case { run: Box::new(run), waits: true, unsteady: false }
}

/// An await that cannot wait, and why.
pub fn ready<T: Send + 'static>(
    reason: &str,
    operation: impl Future<Output = T> + Send + 'static,
    check: impl AsyncFnOnce(Option<T>) + 'static,
) -> Case {
    assert!(!reason.is_empty());
    // If the machine stands still in its poll, it is asked to give way.
    Case { waits: false, unsteady: true, ..case(operation, async {}, check) }
}

/// What the task of an operation and its driver share.
#[derive(Default)]
struct Progress {
    /// It waits, or has ended.
    began: Signal,
    waits: AtomicUsize,
    interfered: AtomicBool,
}

async fn drive<T: Send + 'static>(
    operation: impl Future<Output = T> + Send + 'static,
    stimulus: impl Future<Output = ()>,
    check: impl AsyncFnOnce(Option<T>),
    anomaly: Anomaly,
    at: usize,
) -> Outcome {
    let progress = Arc::new(Progress::default());
    let task = create_task(victim(operation, progress.clone(), anomaly, at));
    progress.began.wait().await;
    stimulus.await;
    let ended = task.await;
    let interfered = progress.interfered.load(Ordering::SeqCst);
    let waits = progress.waits.load(Ordering::SeqCst);
    check(value(ended, interfered, anomaly)).await;
    Outcome { interfered, waits }
}

/// The operation's value; `None` if it ended as the anomaly has it.
fn value<T>(ended: Result<Option<T>, TaskError>, interfered: bool, anomaly: Anomaly) -> Option<T> {
    match ended {
        Ok(value) => {
            // The cancel said true, and no operation answers it with a value.
            assert!(!interfered || anomaly.drops(), "the cancel was lost");
            assert_eq!(value.is_none(), interfered);
            value
        }
        Err(error) if error.is_cancelled() && interfered && !anomaly.drops() => None,
        Err(error) => panic!("{error}"),
    }
}

/// Polls the operation, and interferes at its turn.
fn victim<T: Send + 'static>(
    operation: impl Future<Output = T> + Send + 'static,
    progress: Arc<Progress>,
    anomaly: Anomaly,
    at: usize,
) -> impl Future<Output = Option<T>> + Send {
    let mut operation = Some(Box::pin(operation));
    let interfere = move |operation: &mut Option<_>, progress: &Progress| {
        progress.interfered.store(true, Ordering::SeqCst);
        if anomaly.drops() {
            *operation = None;
            return Poll::Ready(None);
        }
        assert!(corio::current_task().expect("this is one").cancel());
        Poll::Pending
    };
    poll_fn(move |cx: &mut Context<'_>| {
        let waits = progress.waits.load(Ordering::SeqCst);
        let turn = !progress.interfered.load(Ordering::SeqCst);
        let ended = if turn && anomaly.when_woken() && waits == at {
            interfere(&mut operation, &progress)
        } else {
            let running = operation.as_mut().expect("it is polled until it has ended");
            match running.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => {
                    progress.waits.store(waits + 1, Ordering::SeqCst);
                    if turn && !anomaly.when_woken() && waits + 1 == at {
                        interfere(&mut operation, &progress)
                    } else {
                        Poll::Pending
                    }
                }
            }
        };
        progress.began.set();
        ended
    })
}

/// Runs an operation until an anomaly comes too late for it.
pub async fn at_every_poll(path: &str, make: Make, anomaly: Anomaly) {
    let tasks = corio::all_tasks().len();
    let mut descriptors = None;
    // Debug mode tells of what is dropped before its first poll, and rightly: that is left out.
    let polled = anomaly == Anomaly::DropWoken && corio::Handle::current().get_debug();
    let (mut at, mut idle_runs) = (usize::from(polled || !anomaly.when_woken()), 0);
    while at < POLLS_MAX {
        let Case { run, waits: expected, unsteady } = make().await;
        let Outcome { interfered, waits } = run(anomaly, at).await;
        until("its tasks are gone", || corio::all_tasks().len() <= tasks).await;
        // The first run may have opened what the process keeps.
        match descriptors {
            None => descriptors = Some(open_descriptors()),
            Some(most) => until("its descriptors are closed", || open_descriptors() <= most).await,
        }
        if interfered {
            at += 1;
        } else if (waits > 0) != expected && unsteady && idle_runs < IDLE_RUNS_MAX {
            idle_runs += 1;
        } else {
            assert_eq!(waits > 0, expected, "whether {path} waits");
            return;
        }
    }
    panic!("{path} does not end");
}

/// Waits until `is` says so.
#[track_caller]
pub fn until(what: &str, is: impl Fn() -> bool) -> impl Future<Output = ()> {
    let (start, what) = (Instant::now(), what.to_owned());
    async move {
        for look in 0.. {
            if is() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
            if look < QUICK_LOOKS {
                yield_now().await;
            } else {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
}
