//! One job without a pool: who gets, who drops, and what panics do.
use super::*;
use corio_sync::park::block_on;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Wake, Waker};

fn job<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> (QueuedJob, Job<R>) {
    queue(f, Location::caller())
}

fn poll<R>(job: &mut Job<R>) -> Poll<Result<R, TaskError>> {
    Pin::new(job).poll(&mut Context::from_waker(Waker::noop()))
}

/// A closure whose captured value and whose result are counted by `Arc`.
fn counted() -> (Arc<()>, impl FnOnce() -> Arc<()> + Send) {
    let count = Arc::new(());
    let captured = count.clone();
    (count, move || captured)
}

fn alive(count: &Arc<()>) -> bool {
    Arc::strong_count(count) > 1
}

#[test]
fn a_job_gives_what_its_closure_returns() {
    let text = "a borrowed value that moves in and out".to_owned();
    let (queued, mut job) = job(move || text);
    assert!(!job.done());
    assert!(poll(&mut job).is_pending());
    let debug = format!("{job:?}");
    assert!(debug.contains("a_job_gives") && debug.contains("done: false"), "{debug}");
    queued.run();
    assert!(job.done());
    assert_eq!(block_on(&mut job).unwrap(), "a borrowed value that moves in and out");
    catch_unwind(AssertUnwindSafe(|| drop(poll(&mut job)))).expect_err("polled once too often");
}

#[test]
fn a_panic_reaches_the_awaiter_with_name_and_place() {
    let place = Location::caller();
    let (queued, job) = queue(|| -> u8 { panic!("boom {}", 7) }, place);
    queued.run();
    let error = block_on(job).unwrap_err();
    assert!(error.is_panic());
    assert_eq!(error.panic_message(), Some("boom 7"));
    assert!(error.task_name().contains("a_panic_reaches_the_awaiter"), "{}", error.task_name());
    assert_eq!(error.spawned_at(), place);
}

#[test]
fn a_cancelled_job_never_starts_and_drops_its_closure_at_once() {
    let (count, work) = counted();
    let (queued, job) = job(work);
    let line = line!() + 1;
    assert!(job.cancel());
    assert!(!alive(&count), "the closure is dropped by cancel");
    assert!(!job.cancel(), "once is enough");
    assert!(job.done());
    queued.run();
    let error = block_on(job).unwrap_err();
    let request = error.cancelled().expect("cancelled, not panicked");
    assert_eq!(request.requested_at().unwrap().line(), line);
}

#[test]
fn a_running_or_finished_job_cannot_be_cancelled() {
    let (queued, job) = job(|| 1);
    queued.run();
    assert!(!job.cancel());
    assert_eq!(block_on(job).unwrap(), 1);
}

#[test]
fn a_job_dropped_before_its_first_poll_is_detached() {
    let (count, work) = counted();
    let ran = Arc::new(AtomicBool::new(false));
    let (queued, job) = {
        let ran = ran.clone();
        job(move || {
            ran.store(true, Relaxed);
            work()
        })
    };
    drop(job);
    assert!(alive(&count));
    queued.run();
    assert!(ran.load(Relaxed));
    assert!(!alive(&count), "the outcome that nobody wants is dropped");
}

#[test]
fn a_job_dropped_while_awaited_does_not_start() {
    let (count, work) = counted();
    let (queued, mut job) = job(work);
    assert!(poll(&mut job).is_pending());
    drop(job);
    assert!(!alive(&count), "the closure is dropped with the future");
    queued.run();
}

#[test]
fn an_outcome_that_is_not_taken_is_dropped_with_the_handle() {
    let (count, work) = counted();
    let (queued, mut job) = job(work);
    assert!(poll(&mut job).is_pending());
    queued.run();
    assert!(alive(&count));
    drop(job);
    assert!(!alive(&count));
}

#[test]
fn a_refused_or_dropped_job_says_why() {
    let (queued, first) = job(|| ());
    queued.refuse("no room");
    drop(queued);
    assert!(block_on(first).unwrap_err().to_string().ends_with("was cancelled: no room"));

    let (queued, second) = job(|| ());
    drop(queued);
    let error = block_on(second).unwrap_err();
    assert!(error.to_string().contains("its executor was dropped"), "{error}");
}

/// Panics when it is dropped, or woken.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

struct LoudWaker;

impl Wake for LoudWaker {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn user_code_that_panics_does_not_reach_the_runner() {
    // The outcome of a detached job.
    let (queued, detached) = job(|| Bomb);
    drop(detached);
    queued.run();

    // A waker.
    let (queued, mut woken) = job(|| 1);
    let waker = Waker::from(Arc::new(LoudWaker));
    assert!(Pin::new(&mut woken).poll(&mut Context::from_waker(&waker)).is_pending());
    queued.run();
    assert_eq!(block_on(woken).unwrap(), 1);

    // A closure that is refused.
    let bomb = Bomb;
    let (queued, refused) = job(move || std::mem::forget(bomb));
    queued.refuse("no room");
    assert!(block_on(refused).is_err());
}

#[test]
fn a_closure_that_panics_when_cancelled_tells_the_canceller() {
    let bomb = Bomb;
    let (queued, job) = job(move || std::mem::forget(bomb));
    catch_unwind(AssertUnwindSafe(|| job.cancel())).expect_err("the drop panics");
    drop(queued);
    assert!(block_on(job).unwrap_err().is_cancelled(), "and the job is in order");
}

#[test]
fn a_job_uses_the_budget_of_its_task() {
    let (queued, mut ready) = job(|| 1);
    queued.run();
    coop::enter(1, &corio_sync::shim::atomic::AtomicBool::new(false), || {
        let (_queued, mut waiting) = job(|| 2);
        assert!(poll(&mut waiting).is_pending());
        assert!(coop::has_remaining(), "waiting costs nothing");
        assert!(poll(&mut ready).is_ready());
        assert!(!coop::has_remaining());
    });
}

#[test]
fn sizes_are_as_promised() {
    assert_eq!(size_of::<Job<[u64; 9]>>(), 16);
    const fn shareable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<Job<std::cell::Cell<u8>>>();
    assert!(size_of::<Header>() <= 48);
}
