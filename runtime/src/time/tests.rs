//! Sleeps, intervals and timeouts by a clock that only the tests move.
use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::context::{self, Driver, Drivers};
use crate::reactor::{self, Poller};
use crate::timer::owner::Role;
use crate::timer::wheel::NEVER;
use crate::timer::{Clock, Timers};
use crate::wake_batch::WakeBatch;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// A worker's driver without a worker.
#[derive(Clone)]
struct TestHome(Arc<Driver>);

impl TestHome {
    fn new() -> Self {
        let timers = Timers::new(Clock::new_virtual());
        Self(Arc::new(Driver { poller: Poller::new().unwrap(), timers }))
    }

    /// Runs `f` as the worker would.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter_as(true, f)
    }

    /// Runs `f` as a thread that has entered the runtime would.
    fn visit<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter_as(false, f)
    }

    fn enter_as<R>(&self, is_worker: bool, f: impl FnOnce() -> R) -> R {
        let all = Arc::new([self.0.clone()]);
        let pollers = Arc::new([]);
        let _entered = context::enter(Drivers { all, pollers, mine: 0, is_worker });
        f()
    }

    fn timers(&self) -> &Timers {
        &self.0.timers
    }

    /// Lets time pass and timers fire; how many tasks were woken.
    fn advance(&self, by: Duration) -> usize {
        let now = self.timers().clock().advance(by);
        let mut woken = 0;
        loop {
            let mut batch = WakeBatch::new();
            let expired = self.timers().expire(Role::Owner, now, &mut batch);
            woken += batch.len();
            batch.wake_all();
            if !expired.more {
                return woken;
            }
        }
    }
}

/// A task's waker that counts.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(self.clone());
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn public_types_are_send_sync_and_unpin_where_their_contents_are() {
    fn all<T: Send + Sync + Unpin>() {}
    all::<Sleep>();
    all::<YieldNow>();
    all::<Interval>();
    all::<Tick<'_>>();
    all::<Timeout<Sleep>>();
    all::<TimeoutError>();
}

#[test]
fn a_sleep_ends_at_its_deadline_and_stays_ended() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let start = now();
        let mut sleep = sleep(3 * MS);
        assert_eq!(sleep.deadline(), start + 3 * MS);
        assert!(task.poll(&mut sleep).is_pending());
        assert_eq!(home.advance(3 * MS - Duration::from_nanos(1)), 0);
        assert!(!sleep.is_elapsed());
        assert!(task.poll(&mut sleep).is_pending());
        assert_eq!(home.advance(Duration::from_nanos(1)), 1);
        assert_eq!(task.wakes(), 1);
        assert!(sleep.is_elapsed());
        assert!(task.poll(&mut sleep).is_ready());
        assert!(task.poll(&mut sleep).is_ready());
    });
}

#[test]
fn a_sleep_of_zero_gives_one_turn_even_outside_a_runtime() {
    let task = Arc::new(Task::default());
    let mut sleep = sleep(Duration::ZERO);
    assert!(task.poll(&mut sleep).is_pending());
    assert_eq!(task.wakes(), 1);
    assert!(task.poll(&mut sleep).is_ready());
    let mut turn = yield_now();
    assert!(task.poll(&mut turn).is_pending());
    assert_eq!(task.wakes(), 2);
    assert!(task.poll(&mut turn).is_ready());
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_the_first_poll() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let mut early = sleep(MS);
        home.advance(2 * MS);
        assert!(task.poll(&mut early).is_ready(), "created in time, polled late");
        assert!(task.poll(&mut sleep_until(now())).is_ready());
        assert_eq!(home.timers().park_deadline(), NEVER, "nothing was armed");
    });
}

#[test]
fn what_is_too_far_away_never_comes_and_never_overflows() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let mut forever = sleep(Duration::MAX);
        assert!(task.poll(&mut forever).is_pending());
        assert!(forever.deadline() > now() + 100 * 365 * 24 * 3600 * SEC);
        let mut limited = timeout(Duration::MAX, pending::<()>());
        assert!(task.poll(&mut limited).is_pending());
        assert_eq!(home.advance(1000 * SEC), 0);
        let mut slow = interval(Duration::MAX);
        assert!(task.poll(&mut pin!(slow.tick())).is_ready());
        assert!(task.poll(&mut pin!(slow.tick())).is_pending());
        forever.reset(now() + MS);
        assert_eq!(home.advance(MS), 1, "and can be brought near");
    });
}

#[test]
#[should_panic(expected = "sleep() needs a corio runtime")]
fn a_sleep_outside_a_runtime_says_what_is_wrong() {
    let _ = Arc::new(Task::default()).poll(&mut sleep(MS));
}

#[test]
fn the_message_of_that_panic_names_the_place() {
    let line = line!() + 1;
    let mut sleep = sleep(MS);
    let poll = std::panic::AssertUnwindSafe(|| {
        let _ = Arc::new(Task::default()).poll(&mut sleep);
    });
    let payload = std::panic::catch_unwind(poll).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains(&format!("{}:{line}:", file!())), "{message}");
    assert!(message.contains("Handle::enter"), "{message}");
}

#[test]
fn a_dropped_sleep_wakes_nobody_and_leaves_nothing() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        for _ in 0..1000 {
            let mut sleep = sleep(MS);
            assert!(task.poll(&mut sleep).is_pending());
        }
        assert_eq!(home.timers().park_deadline(), NEVER);
        assert_eq!(Arc::strong_count(&task), 1);
        assert_eq!(home.advance(2 * MS), 0);
    });
}

#[test]
fn reset_wakes_at_the_new_deadline_without_another_poll() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let mut sleep = sleep(MS);
        assert!(task.poll(&mut sleep).is_pending());
        sleep.reset(now() + 5 * MS);
        assert_eq!(home.advance(4 * MS), 0);
        sleep.reset(now() + Duration::from_micros(10));
        assert_eq!(home.advance(Duration::from_micros(10)), 1);
        assert!(task.poll(&mut sleep).is_ready());
        sleep.reset(now() + MS);
        assert!(task.poll(&mut sleep).is_pending(), "used again after its end");
        assert_eq!(home.advance(MS), 1);
    });
}

#[test]
fn a_reset_on_another_worker_moves_the_timer_there() {
    let (home, other) = (TestHome::new(), TestHome::new());
    let task = Arc::new(Task::default());
    let mut sleep = home.enter(|| sleep(10 * MS));
    home.enter(|| assert!(task.poll(&mut sleep).is_pending()));
    other.enter(|| sleep.reset(now() + MS));
    assert_eq!(home.advance(10 * MS), 0, "it left");
    assert_eq!(other.advance(MS), 1, "it follows its task");
    home.enter(|| assert!(task.poll(&mut sleep).is_ready()));
}

#[test]
fn a_reset_outside_a_runtime_lets_the_task_arm_it_again() {
    let home = TestHome::new();
    let task = Arc::new(Task::default());
    let mut sleep = home.enter(|| sleep(10 * MS));
    home.enter(|| assert!(task.poll(&mut sleep).is_pending()));
    let at = home.enter(now) + MS;
    sleep.reset(at);
    assert_eq!(task.wakes(), 1, "woken to poll again");
    home.enter(|| assert!(task.poll(&mut sleep).is_pending()));
    assert_eq!(home.advance(MS), 1);
}

#[test]
fn a_visitor_of_the_runtime_posts_its_timers_and_wakes_the_poller() {
    let home = TestHome::new();
    home.visit(|| {
        let task = Arc::new(Task::default());
        let mut sleep = sleep(MS);
        assert!(task.poll(&mut sleep).is_pending());
        let start = Instant::now();
        home.0.poller.park(Some(20 * SEC), &mut reactor::WakeBatch::new()).unwrap();
        assert!(start.elapsed() < 10 * SEC, "the poller was not woken");
        assert_eq!(home.advance(MS), 1);
        assert!(task.poll(&mut sleep).is_ready());
    });
}

#[test]
fn a_sleep_that_outlives_its_runtime_goes_on_in_the_next() {
    let task = Arc::new(Task::default());
    let home = TestHome::new();
    let mut sleep = home.enter(|| sleep(10 * SEC));
    home.enter(|| assert!(task.poll(&mut sleep).is_pending()));
    drop(home);
    assert_eq!(task.wakes(), 1, "the end of the runtime wakes");
    let next = TestHome::new();
    next.enter(|| assert!(task.poll(&mut sleep).is_pending()));
    next.advance(20 * SEC);
    next.enter(|| assert!(task.poll(&mut sleep).is_ready()));
}

#[test]
fn a_timeout_around_something_ready_needs_neither_timer_nor_runtime() {
    let task = Arc::new(Task::default());
    assert_eq!(task.poll(&mut timeout(SEC, ready(7))), Poll::Ready(Ok(7)));
    assert_eq!(task.poll(&mut timeout(Duration::ZERO, ready(7))), Poll::Ready(Ok(7)));
    assert_eq!(task.poll(&mut timeout(None, ready(7))), Poll::Ready(Ok(7)));
    assert!(task.poll(&mut timeout(None, pending::<()>())).is_pending());
}

#[test]
fn a_timeout_names_its_limit_and_its_place() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let line = line!() + 1;
        let mut limited = timeout(5 * MS, pending::<()>());
        assert!(task.poll(&mut limited).is_pending());
        assert_eq!(home.advance(5 * MS), 1);
        let Poll::Ready(Err(error)) = task.poll(&mut limited) else { panic!("in time") };
        assert_eq!(error.limit(), Some(5 * MS));
        assert_eq!(error.at().line(), line);
        let place = format!("{}:{line}:", file!());
        assert!(error.to_string().starts_with("timed out after 5ms (limit set at "));
        assert!(error.to_string().contains(&place), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
        let until = task.poll(&mut timeout_at(now(), pending::<()>()));
        let Poll::Ready(Err(error)) = until else { panic!("in time") };
        assert_eq!(error.limit(), None);
        assert!(error.to_string().starts_with("not ready by its deadline"), "{error}");
    });
}

#[test]
fn a_timeout_names_what_the_future_was_waiting_for() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        assert!(task.poll(&mut sleep(SEC)).is_pending(), "a neighbour in the same task");
        let line = line!() + 1;
        let Poll::Ready(Err(error)) = task.poll(&mut timeout(Duration::ZERO, yield_now())) else {
            panic!("in time")
        };
        let what = format!("while waiting for yield_now at {}:{line}:", file!());
        assert!(error.to_string().contains(&what), "{error}");
        let Poll::Ready(Err(error)) = task.poll(&mut timeout(Duration::ZERO, pending::<()>()))
        else {
            panic!("in time")
        };
        assert!(!error.to_string().contains("waiting"), "{error}");
        assert_eq!(format!("{error:?}"), format!("TimeoutError({error})"));
    });
}

#[test]
fn a_limit_of_zero_polls_once() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let mut polls = 0;
        let mut limited = timeout(
            Duration::ZERO,
            poll_fn(|_| {
                polls += 1;
                Poll::<()>::Pending
            }),
        );
        assert!(matches!(task.poll(&mut limited), Poll::Ready(Err(_))));
        drop(limited);
        assert_eq!(polls, 1);
    });
}

#[test]
fn the_time_counts_from_the_first_wait_and_the_value_wins() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let mut limited = timeout(5 * MS, sleep(7 * MS));
        home.advance(2 * MS);
        assert!(task.poll(&mut limited).is_pending());
        assert_eq!(home.advance(5 * MS), 2, "both come now");
        assert_eq!(task.poll(&mut limited), Poll::Ready(Ok(())));
        let limited = timeout(MS, sleep(2 * MS));
        assert!(!limited.get_ref().is_elapsed());
        assert_eq!(limited.into_inner().deadline(), now() + 2 * MS);
    });
}

#[test]
fn a_loop_over_what_is_ready_lets_others_run() {
    use corio_sync::coop;
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        coop::enter(2, &AtomicBool::new(false), || {
            let mut interval = interval_at(now() - SEC, MS);
            assert!(task.poll(&mut sleep_until(now())).is_ready());
            assert!(task.poll(&mut pin!(interval.tick())).is_ready());
            assert!(task.poll(&mut sleep_until(now())).is_pending(), "the budget is used up");
            assert!(task.poll(&mut pin!(interval.tick())).is_pending());
            assert_eq!(task.wakes(), 2);
            // A limit must hold for a future that uses up every budget.
            assert!(task.poll(&mut timeout_at(now(), sleep_until(now()))).is_ready());
            coop::refill(2);
            assert_eq!(task.poll(&mut pin!(interval.tick())), Poll::Ready(now() - SEC + MS));
        });
    });
}

#[test]
fn a_sleep_may_be_dropped_by_the_end_of_its_thread() {
    thread_local! {
        static KEPT: RefCell<Vec<Sleep>> = const { RefCell::new(Vec::new()) };
    }
    let home = TestHome::new();
    let task = Arc::new(Task::default());
    let (driver, waits) = (home.clone(), task.clone());
    let thread = std::thread::spawn(move || {
        // First used, last destroyed: the drivers are gone when the sleep goes.
        KEPT.with_borrow_mut(Vec::clear);
        let mut sleep = driver.visit(|| sleep(MS));
        driver.visit(|| assert!(waits.poll(&mut sleep).is_pending()));
        KEPT.with_borrow_mut(|kept| kept.push(sleep));
    });
    thread.join().unwrap();
    assert_eq!(home.advance(MS), 0, "it was cancelled");
    assert_eq!(Arc::strong_count(&task), 1);
}

#[test]
fn a_thread_that_never_left_its_runtime_forgets_it_at_its_end() {
    thread_local! {
        static KEPT: RefCell<Vec<Sleep>> = const { RefCell::new(Vec::new()) };
    }
    let task = Arc::new(Task::default());
    let waits = task.clone();
    let thread = std::thread::spawn(move || {
        // First used, last destroyed: the drivers are gone, freed even, when the sleep goes.
        KEPT.with_borrow_mut(Vec::clear);
        let all: Arc<[_]> = Arc::new([TestHome::new().0]);
        let pollers = Arc::new([]);
        std::mem::forget(context::enter(Drivers { all, pollers, mine: 0, is_worker: true }));
        let mut sleep = sleep(MS);
        assert!(waits.poll(&mut sleep).is_pending());
        KEPT.with_borrow_mut(|kept| kept.push(sleep));
    });
    thread.join().unwrap();
    assert_eq!(Arc::strong_count(&task), 1);
}

#[test]
fn a_dump_sees_the_future_inside_of_a_timeout() {
    use corio_sync::place::{self, WaitKind};
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let _ = place::take();
        assert!(task.poll(&mut timeout(SEC, sleep(SEC))).is_pending());
        assert_eq!(place::take().unwrap().kind(), WaitKind::Sleep);
        assert!(task.poll(&mut timeout(SEC, pending::<()>())).is_pending());
        assert_eq!(place::take().unwrap().kind(), WaitKind::Timeout);
        assert!(task.poll(&mut sleep(SEC)).is_pending());
        assert!(task.poll(&mut timeout(SEC, ready(()))).is_ready());
        assert_eq!(place::take().unwrap().kind(), WaitKind::Sleep, "not where it waits no more");
        assert!(task.poll(&mut pin!(interval_at(now() + MS, MS).tick())).is_pending());
        assert_eq!(place::take().unwrap().kind(), WaitKind::Interval);
    });
}

/// Ticks that are awaited at these times (in ms), with a period of 10 ms from 0.
fn ticks(missed: MissedTick, awaited: &[u64]) -> Vec<u64> {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let start = now();
        let mut interval = interval(10 * MS);
        interval.set_missed_tick(missed);
        assert_eq!(interval.missed_tick(), missed);
        let millis = |at: Instant| (at - start).as_millis() as u64;
        let mut ticks = Vec::new();
        for &at in awaited {
            home.advance((start + Duration::from_millis(at)).saturating_duration_since(now()));
            loop {
                match task.poll(&mut pin!(interval.tick())) {
                    Poll::Ready(due) => break ticks.push(millis(due)),
                    Poll::Pending => home.advance(MS),
                };
            }
        }
        ticks
    })
}

#[test]
fn ticks_come_at_once_and_then_every_period() {
    for missed in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
        assert_eq!(ticks(missed, &[0, 1, 12, 33]), [0, 10, 20, 30]);
    }
}

#[test]
fn missed_ticks_are_made_up_for_delayed_or_skipped() {
    assert_eq!(ticks(MissedTick::Burst, &[0, 37, 37, 37, 37]), [0, 10, 20, 30, 40]);
    assert_eq!(ticks(MissedTick::Delay, &[0, 37, 37, 37]), [0, 10, 47, 57]);
    assert_eq!(ticks(MissedTick::Skip, &[0, 37, 37, 37]), [0, 10, 40, 50]);
}

#[test]
fn a_dropped_tick_loses_none_and_reset_starts_over() {
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let start = now();
        let mut interval = interval_at(start + MS, 10 * MS);
        assert!(task.poll(&mut pin!(interval.tick())).is_pending());
        home.advance(MS);
        assert_eq!(task.poll(&mut pin!(interval.tick())), Poll::Ready(start + MS));
        home.advance(4 * MS);
        interval.reset();
        assert!(task.poll(&mut pin!(interval.tick())).is_pending());
        assert_eq!(home.advance(9 * MS), 0);
        assert_eq!(home.advance(MS), 1);
        assert_eq!(task.poll(&mut pin!(interval.tick())), Poll::Ready(start + 15 * MS));
        assert_eq!(interval.period(), 10 * MS);
    });
}

#[test]
#[should_panic(expected = "the period of an interval is 0ns")]
fn a_period_of_zero_is_refused() {
    let _ = interval(Duration::ZERO);
}

#[test]
fn an_interval_is_a_stream_of_its_ticks() {
    use futures_core::Stream;
    let home = TestHome::new();
    home.enter(|| {
        let task = Arc::new(Task::default());
        let start = now();
        let mut ticks = interval_at(start, MS);
        let mut next =
            || task.poll(&mut std::future::poll_fn(|cx| Pin::new(&mut ticks).poll_next(cx)));
        assert_eq!(next(), Poll::Ready(Some(start)));
        assert!(next().is_pending());
        home.advance(MS);
        assert_eq!(next(), Poll::Ready(Some(start + MS)));
        assert_eq!(ticks.size_hint(), (usize::MAX, None));
    });
}
