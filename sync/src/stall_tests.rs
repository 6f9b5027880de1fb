//! One thread stops for good in the middle of an operation: who waits for it?
//!
//! A thread is held before its first access to an atomic, its second and so on, until the operation
//! needs no more; each time two other threads must come to the end of what they do. Where they do
//! not, the site is listed in `stall_tests/sites.txt`, and the documentation of the primitive says
//! so. Not asked is what waiting means: nobody gets a lock that the stopped thread owns.

mod channels;
mod edges;
mod ends;
mod locks;
mod queues;
mod rooms;
mod waits;

use crate::shim::sync::Arc;
use crate::shim::thread;
use crate::shim::{run_stalled, stall};
use crate::testing::{block_on, poll_once};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Schedules for each access.
const SCHEDULES: u64 = 12;

std::thread_local! {
    /// The access at which the victim stops.
    static AT: Cell<usize> = const { Cell::new(0) };
    /// Other threads that are ready for the victim to stop.
    static READY: Cell<usize> = const { Cell::new(0) };
    /// Where it stopped in this execution.
    static STOPPED: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// What three threads do with a shared object.
struct Plan<T> {
    name: &'static str,
    claim: &'static str,
    make: fn() -> T,
    /// Calls [`held`] with the operation in question.
    victim: fn(&T),
    /// Each calls [`ready`] once: before it nothing is expected of the others.
    others: [fn(&T); 2],
    /// After all have ended.
    after: fn(&T),
}

/// The victim's operation; it starts when the others are ready.
fn held(operation: impl FnOnce()) {
    while READY.get() < 2 {
        thread::yield_now();
    }
    stall::begin(AT.get());
    operation();
    stall::end();
}

/// Says that this thread is ready, and goes on once the victim has stopped.
fn ready() {
    READY.set(READY.get() + 1);
    stall::wait();
}

/// Ends the sleep of a thread in [`wait`].
struct Alarm {
    thread: thread::Thread,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: std::sync::Arc<Self>) {
        self.rung.store(true, Relaxed);
        self.thread.unpark();
    }
}

/// Enlists, lets the victim stop, and sleeps until the future is ready. It is not polled unless it
/// was woken: a poll of its own accord would find what nobody has told it.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let alarm = Alarm { thread: thread::current(), rung: AtomicBool::new(false) };
    let alarm = std::sync::Arc::new(alarm);
    let waker = Waker::from(alarm.clone());
    let mut poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    ready();
    loop {
        while !alarm.rung.swap(false, Relaxed) {
            thread::park();
        }
        if let Poll::Ready(output) = poll() {
            return output;
        }
    }
}

/// Enlists, and leaves while the victim is stopped.
fn leave<F: Future>(future: F) {
    let mut future = Box::pin(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    ready();
}

/// Enlists; what is looked at is leaving.
fn held_leave<F: Future>(future: F) {
    let mut future = Box::pin(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    held(|| drop(future));
}

/// Joins a queue, where it may be held, and then stays.
fn held_join<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let mut first = Poll::Pending;
    held(|| first = poll_once(|cx| future.as_mut().poll(cx)));
    if let Poll::Ready(output) = first { output } else { block_on(future) }
}

/// Comes, and goes again unless there is no need to wait.
fn glance<F: Future>(future: F) {
    let mut future = Box::pin(future);
    drop(poll_once(|cx| future.as_mut().poll(cx)));
}

impl<T: Send + Sync + 'static> Plan<T> {
    fn run(self) {
        let Self { name, claim, .. } = self;
        println!("model {name} threads 4 bound 3 claim {claim}");
        if std::env::var_os("CORIO_MODEL_LIST").is_some() {
            return;
        }
        let (mut found, mut held, mut executions) = (BTreeSet::new(), BTreeSet::new(), 0);
        for at in 1.. {
            let mut stopped = false;
            for seed in 0..SCHEDULES {
                let result = self.once(at, seed);
                executions += 1;
                let Some(place) = STOPPED.get() else {
                    result.unwrap_or_else(|panic| resume_unwind(panic));
                    continue;
                };
                stopped = true;
                held.insert((place.file(), place.line()));
                if let Err(panic) = result {
                    let text = panic.downcast_ref::<String>().map_or("", String::as_str);
                    if !text.contains("deadlock") && !text.contains("exceeded max_steps") {
                        resume_unwind(panic);
                    }
                    found.insert(site(place));
                }
            }
            if !stopped {
                println!("{name}: {} accesses; others wait at {found:?}", at - 1);
                break;
            }
        }
        assert_eq!(found, listed(name), "left: where others wait, right: what sites.txt says");
        // `.ci/models.py` asks whether some model has held a thread at each access there is.
        let held = held.iter().map(|(file, line)| format!(" {file}:{line}"));
        println!("model {name} held{}", held.collect::<String>());
        println!("model {name} executions {executions} complete");
    }

    fn once(&self, at: usize, seed: u64) -> std::thread::Result<()> {
        let Self { make, victim, others, after, .. } = *self;
        catch_unwind(AssertUnwindSafe(|| {
            run_stalled(seed, move || {
                stall::reset();
                AT.set(at);
                READY.set(0);
                STOPPED.set(None);
                let shared = Arc::new(make());
                let spawn = |act: fn(&T)| {
                    let shared = shared.clone();
                    thread::spawn(move || act(&shared))
                };
                let (victim, others) = (spawn(victim), others.map(spawn));
                STOPPED.set(stall::wait());
                for other in others {
                    other.join().unwrap();
                }
                stall::release();
                victim.join().unwrap();
                after(&shared);
            });
        }))
    }
}

fn source(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("the source is there")
}

/// The sites at which others may wait in a model.
fn listed(name: &str) -> BTreeSet<String> {
    let text = source("src/stall_tests/sites.txt");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or("").split_whitespace().map(str::to_owned).collect()
}

/// The name of an access: that of the ordering's comment at or above it.
fn site(place: &Location<'_>) -> String {
    let text = source(&format!("../{}", place.file()));
    let above: Vec<_> = text.lines().take(place.line() as usize).collect();
    let named = |line: &&str| {
        let code = line.trim();
        let comment = code.strip_prefix("// Ordering(").map(|rest| (rest, ')'));
        let call = code.split_once(concat!("ord", "(\"")).map(|(_, rest)| (rest, '"'));
        let (rest, end) = call.or(comment)?;
        rest.split(end).next().map(str::to_owned)
    };
    let found = above.iter().rev().find_map(named);
    found.unwrap_or_else(|| format!("{}:{}", place.file(), place.line()))
}
