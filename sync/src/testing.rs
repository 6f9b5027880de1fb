//! What the tests and models of this crate share: polling without a runtime.

#[cfg(any(corio_loom, corio_shuttle))]
use crate::shim::{Witness, sync::Arc, thread};
use std::task::{Context, Waker};

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use crate::park::block_on;
#[cfg(all(corio_shuttle, not(corio_loom)))]
pub(crate) use shuttle::future::block_on;

/// Unparks a thread of a model while its `block_on` goes on.
///
/// A wake-up that comes later must not hit the thread in `join`, which loom 0.7 takes for an error
/// of its own. The flag is no part of the model, and no switch happens between it and `unpark`.
#[cfg(corio_loom)]
struct Unpark {
    thread: thread::Thread,
    goes_on: std::sync::atomic::AtomicBool,
    /// std keeps every `unpark` for the next `park`; loom 0.7 does not keep one that comes while
    /// the thread yields.
    woken: std::sync::atomic::AtomicBool,
}

#[cfg(corio_loom)]
impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        if self.goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            self.woken.store(true, std::sync::atomic::Ordering::Relaxed);
            self.thread.unpark();
        }
    }
}

/// Runs a future on a thread of a model.
#[cfg(corio_loom)]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let goes_on = std::sync::atomic::AtomicBool::new(true);
    let unpark = std::sync::Arc::new(Unpark {
        thread: thread::current(),
        goes_on,
        woken: std::sync::atomic::AtomicBool::new(false),
    });
    let waker = Waker::from(unpark.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            unpark.goes_on.store(false, std::sync::atomic::Ordering::Relaxed);
            return output;
        }
        if unpark.woken.swap(false, std::sync::atomic::Ordering::Relaxed) {
            thread::yield_now();
        } else {
            thread::park();
        }
    }
}

/// One poll with a waker that does nothing.
pub(crate) fn poll_once<R>(mut poll: impl FnMut(&mut Context<'_>) -> R) -> R {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// Joins the threads of a model.
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) fn join_all<const N: usize>(threads: [thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// What two threads of a model did; plain memory, so somebody must order it.
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) struct Deeds([Witness<bool>; 2]);

#[cfg(any(corio_loom, corio_shuttle))]
impl Deeds {
    /// Two threads each do something, then drop what they were given.
    pub(crate) fn before_drop<T: Send + 'static>(
        given: [T; 2],
    ) -> (Arc<Self>, [thread::JoinHandle<()>; 2]) {
        let deeds = Arc::new(Self([Witness::new(false), Witness::new(false)]));
        let mut number = 0..;
        let threads = given.map(|given| {
            let (deeds, number) = (deeds.clone(), number.next().unwrap());
            thread::spawn(move || {
                deeds.0[number].set(true);
                drop(given);
            })
        });
        (deeds, threads)
    }

    /// Both were done, and the caller sees it.
    pub(crate) fn seen(&self) {
        assert!(self.0.iter().all(Witness::get));
    }
}

/// Polls a few times, with a waker that does nothing and other threads in between; then leaves
/// (`None`) or stays to the end.
#[cfg(all(corio_shuttle, not(corio_loom)))]
pub(crate) fn visit<F: Future>(future: F) -> Option<F::Output> {
    use crate::shim::rand::{Rng, thread_rng};
    let mut future = std::pin::pin!(future);
    for _ in 0..thread_rng().gen_range(0..3) {
        if let std::task::Poll::Ready(output) = poll_once(|cx| future.as_mut().poll(cx)) {
            return Some(output);
        }
    }
    thread_rng().gen_bool(0.5).then(|| block_on(future))
}
