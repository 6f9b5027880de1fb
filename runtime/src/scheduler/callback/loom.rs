//! Models of callbacks: submissions against the loop, a cancel and the close.

use std::sync::OnceLock;

use corio_sync::model;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{Callback, Callbacks};
use crate::scheduler::idle::IdleSet;

/// Counts what becomes of callbacks: called, and dropped, called or not.
#[derive(Default)]
struct Fate {
    called: AtomicUsize,
    dropped: AtomicUsize,
}

/// Counts the drop of a callback.
struct Body(Arc<Fate>);

impl Drop for Body {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

fn body(fate: &Arc<Fate>) -> Box<dyn FnOnce() + Send> {
    let body = Body(fate.clone());
    Box::new(move || {
        body.0.called.fetch_add(1, Relaxed);
    })
}

fn run(callbacks: &Callbacks) -> usize {
    callbacks.run(usize::MAX, |_, _| panic!("a callback panicked"))
}

model! {
    /// A handle cancels while the loop calls.
    callback_cancel_vs_call(threads = 2, bound = 3, claim = "a callback is called or cancelled, and its handle tells which") {
        let callbacks = Arc::new(Callbacks::new());
        let fate = Arc::new(Fate::default());
        let (callback, handle) = Callback::new(body(&fate));
        callbacks.push(callback).expect("it is open");
        let loop_side = callbacks.clone();
        let runner = thread::spawn(move || run(&loop_side));
        handle.cancel();
        let cancelled = handle.cancelled();
        assert_eq!(runner.join().unwrap(), 1);
        assert_eq!(handle.cancelled(), cancelled);
        assert_eq!(fate.called.load(Relaxed), usize::from(!cancelled));
        assert_eq!(fate.dropped.load(Relaxed), 1);
    }
}

model! {
    /// Two threads submit while the loop runs its last callbacks and closes.
    callback_close_vs_submit(threads = 3, bound = 3, claim = "a callback beside the close is called, dropped or refused, once") {
        let callbacks = Arc::new(Callbacks::new());
        let fate = Arc::new(Fate::default());
        let submitters = [(); 2].map(|()| {
            let (callbacks, fate) = (callbacks.clone(), fate.clone());
            thread::spawn(move || callbacks.push(Callback::new(body(&fate)).0).is_ok())
        });
        let called = run(&callbacks);
        callbacks.close();
        let accepted = submitters.map(|submitter| submitter.join().unwrap());
        assert!(called <= accepted.into_iter().filter(|&accepted| accepted).count());
        assert_eq!(fate.called.load(Relaxed), called);
        assert_eq!(fate.dropped.load(Relaxed), 2, "a callback was left behind");
        assert!(callbacks.push(Callback::new(body(&fate)).0).is_err());
    }
}

/// The callbacks of a loop, the idle set of its worker and the worker's thread.
struct Loop {
    callbacks: Callbacks,
    idle: IdleSet,
    thread: OnceLock<thread::Thread>,
}

impl Loop {
    /// `Handle::call_soon_threadsafe`.
    fn submit(&self, fate: &Arc<Fate>) {
        self.callbacks.push(Callback::new(body(fate)).0).expect("it is open");
        if self.idle.notify_worker(0) {
            self.thread.get().expect("a worker that sleeps has registered").unpark();
        }
    }
}

model! {
    /// Two threads submit beside a worker that goes to sleep.
    callback_submit_vs_park(threads = 3, bound = 2, claim = "a worker that parks beside two submissions calls both") {
        let home = Arc::new(Loop { callbacks: Callbacks::new(), idle: IdleSet::new(1), thread: OnceLock::new() });
        let fate = Arc::new(Fate::default());
        let submitters = [(); 2].map(|()| {
            let (home, fate) = (home.clone(), fate.clone());
            thread::spawn(move || home.submit(&fate))
        });
        let _ = home.thread.set(thread::current());
        let mut called = run(&home.callbacks);
        while called < 2 {
            home.idle.enter(0);
            if home.callbacks.is_empty() {
                thread::park();
            }
            assert!(home.idle.leave(0), "a claim by name counts no searcher");
            called += run(&home.callbacks);
        }
        for submitter in submitters {
            submitter.join().unwrap();
        }
        assert_eq!(fate.called.load(Relaxed), 2);
    }
}
