//! What makes no sense is refused, in the caller's line and with the value; what was refused has
//! changed nothing; and errors are sentences.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::{
    Barrier, BoundedSemaphore, GetError, LifoQueue, Lock, PriorityQueue, PutError, Queue,
    Semaphore, broadcast, mpsc, oneshot, watch,
};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

const TOO_MANY: usize = Semaphore::MAX_PERMITS + 1;

/// Message and file of the panic of a call.
fn refused<R>(call: impl FnOnce() -> R) -> (String, String) {
    // The hook is the process's.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let told = Arc::new(Mutex::new(String::new()));
    let tell = told.clone();
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        let file = info.location().map_or("", |location| location.file());
        file.clone_into(&mut tell.lock().unwrap());
    }));
    let outcome = catch_unwind(AssertUnwindSafe(call));
    set_hook(usual);
    let Err(payload) = outcome else { panic!("it was accepted") };
    let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = literal.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let file = std::mem::take(&mut *told.lock().unwrap());
    (text, file)
}

/// The panic's words, and that it points here.
macro_rules! refuses {
    ($call:expr, $($words:expr),+) => {
        let (text, file) = refused(|| $call);
        let words = [$($words.to_string()),+];
        let call = stringify!($call);
        assert!(words.iter().all(|word| text.contains(word)), "{call}: {text:?} lacks {words:?}");
        assert!(file.ends_with("refused.rs"), "{call}: the panic points to {file}");
    };
}

#[test]
fn sizes_that_make_no_sense() {
    refuses!(Barrier::new(0), "at least one party");
    refuses!(Barrier::new(2_000_000), 2_000_000, "limit");
    refuses!(mpsc::channel::<u8>(0), "one value at least");
    refuses!(mpsc::channel::<u8>(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(broadcast::channel::<u8>(0), "one value at least");
    refuses!(Queue::<u8>::new(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(LifoQueue::<u8>::new(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(PriorityQueue::<u8>::new(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    // A constant's message has no numbers in it.
    refuses!(Semaphore::new(TOO_MANY), "at most Semaphore::MAX_PERMITS");
    refuses!(BoundedSemaphore::new(TOO_MANY), "at most Semaphore::MAX_PERMITS");
}

#[test]
fn permits_that_make_no_sense() {
    let semaphore = Arc::new(Semaphore::new(1));
    refuses!(semaphore.acquire_many(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(semaphore.clone().acquire_many_owned(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(semaphore.try_acquire_many(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(semaphore.release(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    refuses!(semaphore.release(TOO_MANY - 1), TOO_MANY - 1, "more than 1", "MAX_PERMITS");
    assert_eq!(semaphore.available_permits(), 1);
    semaphore.release(TOO_MANY - 2);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    let bounded = BoundedSemaphore::new(1);
    refuses!(bounded.acquire_many(TOO_MANY), TOO_MANY, "MAX_PERMITS");
    assert!(bounded.release(1).is_err() && bounded.release(TOO_MANY).is_err());
    assert_eq!(bounded.available_permits(), 1);
}

#[test]
fn futures_that_are_polled_after_their_end() {
    let cx = &mut Context::from_waker(Waker::noop());
    let (lock, semaphore, barrier) = (Lock::new(()), Semaphore::new(1), Barrier::new(1));
    let queue = Queue::new(0);
    let (sender, _receiver) = mpsc::channel(1);
    /// Polls to the end, and once more.
    macro_rules! twice {
        ($wait:expr) => {
            let mut wait = pin!($wait);
            assert!(wait.as_mut().poll(cx).is_ready());
            let (text, _) = refused(|| wait.as_mut().poll(cx));
            assert!(text.contains("polled after it had completed"), "{text}");
        };
    }
    twice!(lock.acquire());
    twice!(semaphore.acquire());
    twice!(barrier.wait());
    twice!(queue.put(1));
    twice!(sender.send(1));
}

#[test]
fn errors_are_sentences() {
    let lock = Lock::new(());
    let bounded = BoundedSemaphore::new(0);
    let semaphore = Semaphore::new(0);
    let empty = semaphore.try_acquire().map(drop).unwrap_err();
    semaphore.close();
    let closed = semaphore.try_acquire().map(drop).unwrap_err();
    let queue = Queue::<u8>::new(0);
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let (answer, mut asker) = oneshot::channel::<u8>();
    let (announcer, listener) = broadcast::channel::<u8>(1);
    drop((answer, listener));
    let (watched, watcher) = watch::channel(0);
    drop(watcher);
    let errors: [&dyn Error; 15] = [
        &lock.release().unwrap_err(),
        &bounded.release(1).unwrap_err(),
        &empty,
        &closed,
        &queue.task_done().unwrap_err(),
        &GetError::Empty,
        &GetError::ShutDown,
        &GetError::Timeout,
        &PutError::Full(1_u8),
        &PutError::ShutDown(1_u8),
        &PutError::Timeout(1_u8),
        &sender.try_send(1).unwrap_err(),
        &asker.try_recv().unwrap_err(),
        &announcer.send(1).unwrap_err(),
        &watched.send(1).unwrap_err(),
    ];
    for error in errors {
        let (text, code) = (error.to_string(), format!("{error:?}"));
        assert!(text.contains(' ') && text != code, "{code}: {text:?} is no sentence");
    }
}
