//! Threads that run random calls and record them.

use super::checker::{Call, Spec, Thread, check};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Context, Poll, Wake, Waker};

/// Threads of a program, and the calls that each makes.
const THREADS: usize = 3;
const CALLS: usize = if cfg!(corio_shuttle) { 4 } else { 5 };

/// Numbers of the calls after all others: beyond those of a thread, whatever its calls consist of.
const LAST: u64 = 1_000;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// What a thread records with. The clock is no part of a model.
pub struct Recorder<P> {
    clock: std::sync::Arc<AtomicU64>,
    calls: Thread<P>,
    pub random: Random,
    /// This thread's number, and that of its next call: together they are unique.
    thread: usize,
    pub number: u64,
}

impl<P> Recorder<P> {
    /// Makes one call and records the steps that it reports.
    pub fn call<R>(&mut self, call: impl FnOnce(&mut Self) -> (Vec<P>, R)) -> R {
        self.number = self.number.wrapping_add(1);
        // A call that begins after another one has ended sees what that did.
        let start = self.clock.fetch_add(1, AcqRel);
        let (steps, result) = call(self);
        let end = self.clock.fetch_add(1, AcqRel);
        self.calls.push(Call { start, end, steps });
        result
    }

    /// A name for the call under way.
    pub fn id(&self) -> u64 {
        self.number * THREADS as u64 + self.thread as u64
    }

    /// Polls a few times; then the future is dropped.
    pub fn try_for_a_while<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..=self.random.below(4) {
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(output) = poll {
                return Some(output);
            }
            thread::yield_now();
        }
        None
    }

    /// The name of the call that comes next, for what takes several.
    pub fn next_id(&self) -> u64 {
        (self.number + 1) * THREADS as u64 + self.thread as u64
    }

    /// Polls a few times, each time in a call of its own, of which `steps` tells what the outcome
    /// stands for. If the future still waits then, a last call looks whether its waker was woken,
    /// and records `asleep` if it was not: so a wake-up that is lost shows in the history.
    pub fn poll_for_a_while<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
        steps: impl Fn(Option<&F::Output>) -> Vec<P>,
        asleep: impl FnOnce() -> Vec<P>,
    ) -> Option<F::Output> {
        let woken = std::sync::Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        for _ in 0..=self.random.below(3) {
            let output = self.call(|_| {
                // A swap, as every executor needs one: a store may take effect after the poll has
                // looked and missed the grant, and wipe out the wake-up that came with it. (With a
                // store it did, in 35 to 55 of a million polls that met a release.)
                woken.0.swap(false, AcqRel);
                let output = match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(output) => Some(output),
                    Poll::Pending => None,
                };
                (steps(output.as_ref()), output)
            });
            if output.is_some() {
                return output;
            }
            thread::yield_now();
        }
        self.call(|_| {
            let steps = if woken.0.load(Acquire) { Vec::new() } else { asleep() };
            (steps, None)
        })
    }
}

/// Remembers that it was woken. No part of a model, as the clock.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Release);
    }
}

/// Runs a program on some threads and checks its history; returns the number of calls.
pub fn run<S, T>(
    seed: u64,
    initial: S,
    shared: T,
    call: fn(&T, &mut Recorder<S::Step>),
    finish: fn(&T, &mut Recorder<S::Step>),
) -> usize
where
    S: Spec + Send + 'static,
    S::Step: Send + 'static,
    T: Send + Sync + 'static,
{
    let history = history(seed, shared, call, finish);
    // A thread of a model has a stack too small for a search.
    let checked = std::thread::spawn(move || check(&initial, &history)).join();
    checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a program on some threads; what `finish` does after all others is the last thread.
pub fn history<P, T>(
    seed: u64,
    shared: T,
    call: fn(&T, &mut Recorder<P>),
    finish: fn(&T, &mut Recorder<P>),
) -> Vec<Thread<P>>
where
    P: Send + 'static,
    T: Send + Sync + 'static,
{
    let shared = Arc::new((shared, AtomicUsize::new(0)));
    let clock = std::sync::Arc::new(AtomicU64::new(0));
    let recorder = move |thread: usize| Recorder {
        clock: clock.clone(),
        calls: Vec::new(),
        random: Random(seed.wrapping_mul(31).wrapping_add(thread as u64)),
        thread,
        number: 0,
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (shared, mut recorder) = (shared.clone(), recorder(thread));
            thread::spawn(move || {
                let (object, arrived) = &*shared;
                arrived.fetch_add(1, Relaxed);
                while arrived.load(Relaxed) < THREADS {
                    thread::yield_now();
                }
                for _ in 0..CALLS {
                    call(object, &mut recorder);
                    if recorder.random.below(3) == 0 {
                        thread::yield_now();
                    }
                }
                recorder.calls
            })
        })
        .collect();
    let mut history: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let mut last = recorder(0);
    last.number = LAST;
    finish(&shared.0, &mut last);
    history.push(last.calls);
    history
}
