//! Small parts that tests of several areas are built from: counted drops, one-shot signals,
//! counting wakers, folders that go away, and a look at the threads of the process.

use std::collections::HashSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use crate::{PATIENCE, eventually};

/// Counts values that were made and dropped.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    threads: Mutex<HashSet<ThreadId>>,
}

/// A value whose drop its [`Ledger`] counts.
#[derive(Debug)]
pub struct Token(Arc<Counts>);

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new value to be dropped.
    #[must_use]
    pub fn token(&self) -> Token {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Token(self.0.clone())
    }

    /// Tokens made so far.
    #[must_use]
    pub fn made(&self) -> usize {
        self.0.made.load(Ordering::Relaxed)
    }

    /// Tokens dropped so far.
    #[must_use]
    pub fn dropped(&self) -> usize {
        // Who sees a drop sees that the token was made.
        self.0.dropped.load(Ordering::Acquire)
    }

    /// Tokens that live.
    #[must_use]
    pub fn live(&self) -> usize {
        let dropped = self.dropped();
        self.made() - dropped
    }

    /// The threads that dropped tokens.
    ///
    /// # Panics
    ///
    /// If a drop has panicked.
    #[must_use]
    pub fn droppers(&self) -> HashSet<ThreadId> {
        self.0.threads.lock().unwrap().clone()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.threads.lock().unwrap().insert(thread::current().id());
        self.0.dropped.fetch_add(1, Ordering::Release);
    }
}

/// Something that happens once; tasks and threads may wait for it.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<SignalState>);

#[derive(Debug, Default)]
struct SignalState {
    set: AtomicBool,
    waiters: Mutex<Vec<Waker>>,
}

impl Signal {
    /// One that has not happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets it happen.
    ///
    /// # Panics
    ///
    /// If a waker panics.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::Release);
        let waiters = std::mem::take(&mut *self.0.waiters.lock().unwrap());
        for waiter in waiters {
            waiter.wake();
        }
    }

    /// True once it has happened.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Waits for it as a task.
    pub fn wait(&self) -> SignalWait {
        SignalWait(self.clone())
    }

    /// Waits for it as a thread.
    ///
    /// # Panics
    ///
    /// With `what` if it does not happen in time.
    #[track_caller]
    pub fn wait_blocking(&self, what: &str) {
        eventually(what, || self.is_set().then_some(()));
    }
}

/// The wait of [`Signal::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct SignalWait(Signal);

impl Future for SignalWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.0.0;
        let mut waiters = state.waiters.lock().unwrap();
        if state.set.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
pub struct CountingWaker(AtomicUsize);

impl CountingWaker {
    /// A new one and the waker made of it.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let counting = Arc::new(Self::default());
        (counting.clone(), Waker::from(counting))
    }

    /// How often it was woken.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Polls a future once, with a waker that does nothing. It is asked to give way by nobody, also if the
/// machine stood still in the middle of the caller's poll.
pub fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(corio::unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

/// Drives a future on the calling thread, which knows no runtime.
///
/// # Panics
///
/// If the future is not ready in time.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let start = std::time::Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "the future was not ready within {PATIENCE:?}");
        thread::park_timeout(PATIENCE);
    }
}

/// A folder that is removed at the end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

/// An empty folder of this test's own.
///
/// # Panics
///
/// If the system makes none.
#[must_use]
pub fn scratch() -> Scratch {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("corio-{}-{number}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    Scratch(path)
}

impl Scratch {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The names of the threads of this process that begin with `prefix`; the system keeps 15 bytes.
///
/// # Panics
///
/// Where there is no `/proc/self/task`.
#[must_use]
pub fn threads_named(prefix: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let names = tasks.flatten().filter_map(|entry| {
        // A thread may end between the listing and the look at it.
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    });
    names.filter(|name| name.starts_with(prefix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted() {
        let ledger = Ledger::new();
        let token = ledger.token();
        drop(ledger.token());
        assert_eq!((ledger.made(), ledger.dropped(), ledger.live()), (2, 1, 1));
        thread::spawn(move || drop(token)).join().unwrap();
        assert_eq!((ledger.live(), ledger.droppers().len()), (0, 2));
    }

    #[test]
    fn a_signal_reaches_tasks_and_threads() {
        let signal = Signal::new();
        let (count, waker) = CountingWaker::new();
        let mut wait = signal.wait();
        for _ in 0..2 {
            let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        let thread = thread::spawn({
            let signal = signal.clone();
            move || block_on(signal.wait())
        });
        signal.set();
        thread.join().unwrap();
        signal.wait_blocking("a signal that is set");
        assert_eq!(count.wakes(), 1);
        assert!(poll_once(wait).is_ready());
    }

    #[test]
    fn threads_are_found_by_name() {
        let (hold, wait) = std::sync::mpsc::channel::<()>();
        let named = thread::Builder::new().name("kit-probe".into());
        let thread = named.spawn(move || wait.recv()).unwrap();
        eventually("the thread's name", || (threads_named("kit-pr").len() == 1).then_some(()));
        drop(hold);
        let _ = thread.join().unwrap();
        eventually("its end", || threads_named("kit-pr").is_empty().then_some(()));
    }
}
