//! Sleeping, ticking and limits, in real time: bounds are generous upwards and strict downwards.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corio::{MissedTick, TaskStatus};
use corio_tests::eventually;
use corio_tests::kit::{CountingWaker, Ledger, block_on, poll_once};

use crate::support::{
    begun, bounded, burn, on, on_one_worker, on_runtime, one_worker, panic_of, rt, wait,
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
/// A loaded machine wakes a thread late; a timer that is lost comes never.
const LATE: Duration = Duration::from_secs(60);

#[test]
fn a_sleep_is_never_early_and_seldom_late() {
    on_runtime(|| async {
        // A runtime whose wait is too coarse is late each time; a machine that is busy keeps a thread
        // waiting now and then. So one sleep that is exact tells the two apart.
        let (mut best, end) = (HOUR, Instant::now() + LATE);
        while best >= 5 * MS && Instant::now() < end {
            for micros in [1, 10, 50, 100, 500, 1000, 1001, 1999, 5000, 20_000] {
                let wanted = Duration::from_micros(micros);
                let start = Instant::now();
                corio::sleep(wanted).await;
                let slept = start.elapsed();
                assert!(slept >= wanted, "slept {slept:?} instead of {wanted:?}");
                assert!(slept < wanted + LATE, "slept {slept:?} instead of {wanted:?}");
                best = best.min(slept - wanted);
            }
        }
        assert!(best < 5 * MS, "at best {best:?} late");
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    on(one_worker().watch(false), || async {
        let beyond = [7, 3, 9, 1, 5, 3, 8, 2, 6, 4];
        let ends = ends(&beyond, |body| corio::spawn(body)).await;
        let ends: Vec<_> = ends.into_iter().map(|i| beyond[i]).collect();
        assert_eq!(ends, [1, 2, 3, 3, 4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn equal_deadlines_end_in_the_order_of_their_begin() {
    on(one_worker().watch(false), || async {
        // Pinned tasks begin in the order in which they were spawned.
        let ends = ends(&[0; 200], |body| corio::spawn_local(body)).await;
        assert!(ends.iter().copied().eq(0..200), "{ends:?}");
    });
}

type Sleeper = Pin<Box<dyn Future<Output = bool> + Send>>;

/// In which order sleeps end that are due at the same time but for this many units of 3 ms; each
/// is a task that `spawn` makes. To be called without Watch, which ends a poll of a millisecond
/// earlier: then a sleep that would begin or end yields, and comes after its successors.
async fn ends(beyond: &[u32], spawn: impl Fn(Sleeper) -> corio::Task<bool>) -> Vec<usize> {
    // A sleep that begins when its deadline has passed does not wait for those that began before:
    // the deadlines must lie far enough ahead for all of them, however slow this is.
    for lead in [20, 200, 2_000, 20_000] {
        if let Some(ends) = ends_after(lead * MS, beyond, &spawn).await {
            return ends;
        }
    }
    panic!("{} sleeps did not begin within 20 s", beyond.len());
}

/// As [`ends`], where the first deadline is `lead` from now; `None` if some sleep began too late.
async fn ends_after(
    lead: Duration,
    beyond: &[u32],
    spawn: impl Fn(Sleeper) -> corio::Task<bool>,
) -> Option<Vec<usize>> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now() + lead;
    let tasks: Vec<_> = (0..beyond.len())
        .map(|i| {
            let (order, due) = (order.clone(), start + beyond[i] * 3 * MS);
            spawn(Box::pin(async move {
                let mut sleep = corio::sleep_until(due);
                let mut polls = 0;
                // No second poll before the wake: it might find the time past before its turn.
                poll_fn(|cx| {
                    polls += 1;
                    Pin::new(&mut sleep).poll(cx)
                })
                .await;
                order.lock().unwrap().push(i);
                polls > 1
            }))
        })
        .collect();
    let mut all_waited = true;
    for task in tasks {
        all_waited &= task.await.unwrap();
    }
    all_waited.then(|| std::mem::take(&mut *order.lock().unwrap()))
}

#[test]
fn a_sleep_of_zero_gives_everybody_a_turn() {
    on_one_worker(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let other = {
            let order = order.clone();
            corio::spawn_local(async move { order.lock().unwrap().push("other") })
        };
        corio::sleep(Duration::ZERO).await;
        order.lock().unwrap().push("main");
        other.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["other", "main"]);
        // None for ever is no overflow.
        assert!(poll_once(corio::sleep(Duration::MAX)).is_pending());
    });
}

#[test]
fn thousands_of_sleeps_all_end() {
    on_runtime(|| async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..5000_u32)
            .map(|i| {
                corio::spawn(async move {
                    let wanted = Duration::from_micros(u64::from(i) * 37 % 50_000);
                    corio::sleep(wanted).await;
                    wanted
                })
            })
            .collect();
        for task in tasks {
            let wanted = task.await.unwrap();
            assert!(start.elapsed() >= wanted);
        }
        assert!(start.elapsed() < LATE);
    });
}

#[test]
fn a_sleep_may_be_reset_forwards_and_backwards() {
    on_runtime(|| async {
        let start = Instant::now();
        let mut sleep = pin!(corio::sleep(HOUR));
        assert!(poll_once(sleep.as_mut()).is_pending() && !sleep.is_elapsed());
        sleep.as_mut().get_mut().reset(start + 5 * MS);
        assert!(sleep.deadline() <= start + 6 * MS);
        sleep.as_mut().await;
        assert!(sleep.is_elapsed() && start.elapsed() >= 5 * MS && start.elapsed() < LATE);
        let again = Instant::now() + 5 * MS;
        sleep.as_mut().get_mut().reset(again);
        sleep.as_mut().await;
        assert!(Instant::now() >= again);
        // A waiting task is woken at the new deadline though it does not poll again.
        let mut first = Box::pin(corio::sleep(HOUR));
        let (count, waker) = CountingWaker::new();
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        first.as_mut().get_mut().reset(Instant::now() + MS);
        while count.wakes() == 0 {
            corio::sleep(MS).await;
        }
    });
}

/// Without Watch, which ends a poll of a millisecond earlier: then a wait that is ready yields.
#[test]
fn what_has_ended_costs_no_turn_within_the_budget() {
    on(one_worker().watch(false), || async {
        let mut sleep = pin!(corio::sleep(MS));
        sleep.as_mut().await;
        // With a full budget: a ready wait takes of it too.
        corio::yield_now().await;
        assert!(poll_once(sleep.as_mut()).is_ready(), "it stays ready");
        corio::yield_now().await;
        assert!(poll_once(corio::sleep_until(Instant::now() - MS)).is_ready());
    });
}

#[test]
fn ticks_come_at_once_and_then_every_period() {
    on_runtime(|| async {
        let start = Instant::now();
        let mut interval = corio::interval(5 * MS);
        let first = interval.tick().await;
        let mut last = first;
        for i in 1..=6_u32 {
            let tick = interval.tick().await;
            assert!(start.elapsed() >= i * 5 * MS && tick <= Instant::now());
            assert!(tick > last);
            last = tick;
        }
        assert!(last.duration_since(first) >= 30 * MS);
        assert_eq!(interval.period(), 5 * MS);
        let message = panic_of(|| drop(corio::interval(Duration::ZERO)));
        assert!(message.contains("must be longer"), "{message}");
    });
}

#[test]
fn missed_ticks_are_made_up_for_delayed_or_skipped() {
    on_runtime(|| async {
        for missed in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
            let (mut interval, start) = begun_interval(missed).await;
            burn(35 * MS);
            let late = interval.tick().await;
            assert_eq!(late, start + 10 * MS, "the tick that was missed");
            let after = Instant::now();
            let next = interval.tick().await - start;
            match missed {
                MissedTick::Burst => assert_eq!(next, 20 * MS),
                // Counted from when the late one was taken.
                MissedTick::Delay => assert!(next >= 45 * MS && next <= after - start + 10 * MS),
                // The next multiple of the period.
                MissedTick::Skip => {
                    assert!(next >= 40 * MS, "{next:?}");
                    let off = next.as_nanos() % 10_000_000;
                    assert!(!(1000..=9_999_000).contains(&off), "{next:?}");
                }
            }
        }
    });
}

/// An interval of 10 ms whose first tick was taken in time: one that is taken late counts as missed
/// itself, and moves those that follow.
async fn begun_interval(missed: MissedTick) -> (corio::Interval, Instant) {
    /// Half of what still counts as in time.
    const IN_TIME: Duration = Duration::from_micros(2_500);
    let end = Instant::now() + LATE;
    loop {
        let mut interval = corio::interval(10 * MS);
        interval.set_missed_tick(missed);
        assert_eq!(interval.missed_tick(), missed);
        let start = interval.tick().await;
        if start.elapsed() < IN_TIME {
            return (interval, start);
        }
        assert!(Instant::now() < end, "no first tick was taken in time");
    }
}

#[test]
fn a_dropped_tick_is_not_lost() {
    on_runtime(|| async {
        let start = Instant::now() + 20 * MS;
        let mut interval = corio::interval_at(start, HOUR);
        // Begun and dropped until it comes.
        while corio::timeout(MS, interval.tick()).await.is_err() {}
        assert!(Instant::now() >= start);
        interval.reset();
        assert!(corio::timeout(MS, interval.tick()).await.is_err());
    });
}

#[test]
fn limits_of_every_kind() {
    on_runtime(|| async {
        assert_eq!(corio::timeout(HOUR, ready(1)).await.unwrap(), 1);
        assert_eq!(corio::timeout(Duration::ZERO, ready(1)).await.unwrap(), 1);
        assert_eq!(corio::timeout(Duration::MAX, ready(1)).await.unwrap(), 1);
        assert_eq!(corio::timeout(None, corio::yield_now()).await, Ok(()));
        assert_eq!(corio::timeout(Duration::MAX, corio::yield_now()).await, Ok(()));
        assert_eq!(corio::timeout(Some(HOUR), corio::sleep(MS)).await, Ok(()));
        assert!(corio::timeout(Duration::ZERO, pending::<()>()).await.is_err());
        assert!(corio::timeout_at(Instant::now() - HOUR.min(MS), pending::<()>()).await.is_err());
        let start = Instant::now();
        let line = line!() + 1;
        let error = corio::timeout(5 * MS, pending::<()>()).await.unwrap_err();
        assert!(start.elapsed() >= 5 * MS && start.elapsed() < LATE);
        assert_eq!((error.limit(), error.at().line()), (Some(5 * MS), line));
        assert!(error.to_string().contains("timed out after 5ms"), "{error}");
        let error = corio::timeout_at(start, pending::<()>()).await.unwrap_err();
        assert_eq!(error.limit(), None);
        // Nested ones: the inner is told first.
        let outer = corio::timeout(HOUR, corio::timeout(MS, pending::<()>())).await;
        assert_eq!(outer.unwrap().unwrap_err().limit(), Some(MS));
        // A task as the future is cancelled, and its end awaited; a borrowed one goes on.
        let task = corio::spawn(corio::sleep(HOUR));
        assert!(corio::timeout(MS, &task).await.is_err());
        assert!(!task.done());
        let watched = task.task_ref();
        assert!(corio::timeout(MS, task).await.is_err());
        assert!(watched.done());
    });
}

#[test]
fn what_timed_out_is_dropped() {
    on_runtime(|| async {
        let ledger = Ledger::new();
        let token = ledger.token();
        let limited = corio::timeout(MS, async move {
            let _token = token;
            pending::<()>().await;
        });
        assert!(limited.await.is_err());
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn timers_may_be_dropped_in_every_state() {
    on_runtime(|| async {
        for round in 0..500_u32 {
            let duration = Duration::from_micros(u64::from(round % 7) * 300);
            drop(corio::sleep(duration));
            let mut sleep = Box::pin(corio::sleep(duration));
            let _ = poll_once(sleep.as_mut());
            if round % 3 == 0 {
                corio::yield_now().await;
            }
            if round % 5 == 0 {
                burn(duration / 4);
            }
            if round % 2 == 0 {
                drop(sleep);
            } else {
                drop(corio::spawn(async move { drop(sleep) }));
            }
        }
        // Those that waited are gone; the others still come.
        corio::sleep(MS).await;
    });
}

#[test]
fn timers_may_be_dropped_on_any_thread_at_any_time() {
    bounded(|| {
        let runtime = rt();
        let mut pile: Vec<Pin<Box<corio::Sleep>>> = Vec::new();
        for i in 0..300_u64 {
            let task = runtime.create_task(async move {
                let mut sleep = Box::pin(corio::sleep(Duration::from_micros(i * 20)));
                let _ = poll_once(sleep.as_mut());
                Some(sleep)
            });
            pile.extend(wait(&runtime, task).unwrap());
        }
        let (foreign, late) = pile.split_at_mut(150);
        thread::scope(|scope| {
            for part in foreign.chunks_mut(50) {
                scope.spawn(|| {
                    for sleep in part {
                        *sleep = Box::pin(corio::sleep(HOUR));
                    }
                });
            }
        });
        drop(runtime);
        assert_eq!(late.len(), 150);
        drop(pile);
    });
}

#[test]
fn a_timer_moves_between_workers_and_runtimes() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let begin = |runtime: &corio::Runtime| {
            let begin = || begun(&mut Context::from_waker(Waker::noop()));
            let [sleep] = wait(runtime, runtime.create_task(async move { [begin()] })).unwrap();
            sleep
        };
        // Awaited elsewhere while its runtime lives, and after it is gone.
        let sleep = begin(&one);
        let due = sleep.deadline();
        wait(&other, other.create_task(sleep)).unwrap();
        assert!(Instant::now() >= due);
        for one_worker in one.handle().loops() {
            let sleep = begin(&one);
            wait(&one, one_worker.create_task(sleep)).unwrap();
        }
        let outlived = [30, 300, 3_000, 30_000].into_iter().any(|lead| outlives(lead * MS));
        assert!(outlived, "30 s were not enough to end a runtime");
    });
}

/// A task of one runtime awaits a sleep of another one, which ends before it; false if the sleep was
/// over before that.
fn outlives(lead: Duration) -> bool {
    let (one, other) = (rt(), rt());
    let due = Instant::now() + lead;
    let begins = one.create_task(async move {
        let mut sleep = Box::pin(corio::sleep_until(due));
        poll_once(sleep.as_mut()).is_pending().then_some(sleep)
    });
    let Some(sleep) = wait(&one, begins).unwrap() else { return false };
    let waiting = other.create_task(sleep);
    eventually("the wait, or its end", || {
        let status = waiting.task_ref().status();
        matches!(status, TaskStatus::Waiting(_) | TaskStatus::Done).then_some(())
    });
    drop(one);
    let was_gone_first = Instant::now() < due;
    wait(&other, waiting).unwrap();
    assert!(Instant::now() >= due);
    was_gone_first
}

#[test]
fn a_timer_outside_a_runtime_names_the_remedy() {
    let outside = panic_of(|| poll_once(corio::sleep(MS)));
    assert!(outside.contains("sleep()") && outside.contains("corio::run"), "{outside}");
    let outside = panic_of(|| poll_once(corio::timeout(MS, pending::<()>())));
    assert!(outside.contains("timeout()"), "{outside}");
    let outside = panic_of(|| {
        let mut interval = corio::interval_at(Instant::now() + HOUR, MS);
        poll_once(interval.tick())
    });
    assert!(outside.contains("tick()"), "{outside}");
    // What needs no timer needs no runtime.
    assert!(poll_once(corio::timeout(MS, ready(()))).is_ready());
    assert!(poll_once(corio::timeout(None, pending::<()>())).is_pending());
    drop(corio::sleep(MS));
}

#[test]
fn a_foreign_thread_sleeps_inside_a_runtime() {
    bounded(|| {
        let runtime = rt();
        let entered = runtime.enter();
        for _ in 0..20 {
            let start = Instant::now();
            block_on(corio::sleep(2 * MS));
            assert!(start.elapsed() >= 2 * MS && start.elapsed() < LATE);
        }
        drop(entered);
        // Also through block_on, and by several threads at once.
        thread::scope(|scope| {
            for i in 1..5 {
                let runtime = &runtime;
                scope.spawn(move || {
                    let start = Instant::now();
                    runtime.block_on(corio::sleep(i * 3 * MS));
                    assert!(start.elapsed() >= i * 3 * MS && start.elapsed() < LATE);
                });
            }
        });
    });
}

#[test]
fn an_earlier_timer_wakes_a_worker_that_sleeps_for_a_later_one() {
    bounded(|| {
        let runtime = rt();
        let late = runtime.create_task(corio::sleep(HOUR));
        eventually("the wait", || {
            matches!(late.task_ref().status(), TaskStatus::Waiting(_)).then_some(())
        });
        let start = Instant::now();
        for one in runtime.handle().loops() {
            let _entered = one.enter();
            block_on(corio::sleep(3 * MS));
        }
        assert!(start.elapsed() < LATE);
    });
}

#[test]
fn a_timer_and_its_drop_race() {
    on_runtime(|| async {
        let tasks: Vec<_> = (0..8_u64)
            .map(|me| {
                corio::spawn(async move {
                    let mut ended = 0;
                    for round in 0..200 {
                        let nap = Duration::from_micros((round * 37 + me * 11) % 400);
                        let limit = Duration::from_micros((round * 53 + me * 7) % 400);
                        ended += u32::from(corio::timeout(limit, corio::sleep(nap)).await.is_ok());
                    }
                    ended
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap() <= 200);
        }
    });
}

#[test]
fn yielding_lets_the_task_go_on_later() {
    on_runtime(|| async {
        let mut turns = 0;
        for _ in 0..1000 {
            corio::yield_now().await;
            turns += 1;
        }
        assert_eq!(turns, 1000);
        let mut again = pin!(corio::yield_now());
        assert!(matches!(poll_once(again.as_mut()), Poll::Pending));
        assert!(matches!(poll_once(again.as_mut()), Poll::Ready(())));
    });
}

#[test]
fn a_sleep_in_a_runtime_that_has_shut_down_says_so() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        let (say, hear) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let _entered = handle.enter();
            let mut armed = pin!(corio::sleep(HOUR));
            assert!(matches!(poll_once(armed.as_mut()), Poll::Pending));
            say.send(()).unwrap();
            let across = panic_of(|| block_on(armed));
            (across, panic_of(|| block_on(corio::sleep(MS))))
        });
        hear.recv().unwrap();
        assert!(runtime.shutdown(None).is_clean());
        let (across, after) = thread.join().unwrap();
        for said in [across, after] {
            assert!(said.contains("sleep") && said.contains("has shut down"), "{said}");
            // The remedy, and where to apply it.
            assert!(said.contains("before the shutdown") && said.contains(file!()), "{said}");
        }
    });
}
