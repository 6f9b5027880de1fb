//! What a million waits that were cut short leave behind, and what a burst of tasks does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::sync::{Event, Lock, Queue};
use corio::{Handle, Task, timeout};
use corio_tests::{PATIENCE, eventually, resident_bytes};

use corio_tests::child::alone;

/// What the collector and the timers may hold back; a word for each wait would be five times that.
const GROWTH_MAX: usize = 4 << 20;

/// Acquires on a lock that is held, waits for an event and gets from a queue, each with a limit that
/// comes before its turn.
async fn cut_short(waits: usize, (lock, event, queue): &(Lock<u8>, Event, Queue<u8>)) {
    for wait in 0..waits {
        // None at all: polled once and dropped. Now and then a real one, which has a timer.
        let limit = Duration::from_micros(if wait % 1024 == 0 { 10 } else { 0 });
        assert!(timeout(limit, lock.acquire()).await.is_err());
        assert!(timeout(limit, event.wait()).await.is_err());
        assert!(timeout(limit, queue.get()).await.is_err());
    }
}

#[test]
fn a_million_limits_leave_no_memory() {
    alone("limits::a_million_limits_leave_no_memory", ":", || {
        corio::run(async {
            let shared = (Lock::new(0), Event::new(), Queue::new(0));
            let held = shared.0.acquire().await;
            cut_short(50_000, &shared).await;
            let before = resident_bytes();
            cut_short(1_000_000, &shared).await;
            let growth = resident_bytes().saturating_sub(before);
            println!("{growth} bytes more");
            assert!(growth < GROWTH_MAX, "{growth} bytes more");
            drop(held);
            drop(shared.0.try_acquire().expect("nobody waits"));
            shared.1.set();
            shared.1.wait().await;
            shared.2.put_nowait(7).unwrap();
            assert_eq!(shared.2.get().await, Ok(7));
        });
    });
}

/// Tasks of a burst, and the bytes of each of their bodies.
const BURST: usize = 50_000;
const BODY: usize = 1024;

/// Tasks that wait for an event and then give the low bits of their number.
fn burst(handle: &Handle, event: &Arc<Event>) -> Vec<Task<usize>> {
    let task = |i: usize| {
        let event = event.clone();
        handle.create_task(async move {
            let body = [i as u8; BODY];
            event.wait().await;
            usize::from(body[i % BODY])
        })
    };
    (0..BURST).map(task).collect()
}

/// Sees them all end.
async fn ended(tasks: Vec<Task<usize>>) {
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("it ends"), usize::from(i as u8));
    }
}

/// Waits, without giving the loops anything to do, until the burst's memory is back and they sleep.
fn comes_back_at_rest(handle: &Handle, before: usize, peak: usize) {
    assert!(peak > BURST * BODY, "{peak} bytes for the burst");
    let left = eventually("most of a burst's memory", || {
        let left = resident_bytes().saturating_sub(before);
        (left < peak / 4).then_some(left)
    });
    println!("{peak} bytes more, then {left}");
    let parks = || handle.metrics().workers.iter().map(|worker| worker.parks).sum::<u64>();
    eventually("a second without a wake-up", || {
        let before = parks();
        std::thread::sleep(Duration::from_secs(1));
        (parks() == before).then_some(())
    });
}

#[test]
fn a_runtime_that_falls_idle_gives_a_bursts_memory_back() {
    let name = "limits::a_runtime_that_falls_idle_gives_a_bursts_memory_back";
    alone(name, ":", || {
        for on_worker in [false, true] {
            let runtime = corio::Builder::new().workers(2).build().expect("a runtime");
            let handle = runtime.handle().clone();
            let event = Arc::new(Event::new());
            // It looks after the memory of other threads' bursts, too, whenever it falls asleep. So it
            // is the one that frees: of what is freed while it sleeps it hears later.
            let first = handle.loops().remove(0);
            let before = resident_bytes();
            let tasks = if on_worker {
                let (handle, event) = (handle.clone(), event.clone());
                let makes = first.create_pinned_task(move || async move { burst(&handle, &event) });
                runtime.block_on(makes.into_future()).expect("it ends")
            } else {
                burst(&handle, &event)
            };
            let peak = resident_bytes() - before;
            let ends = first.create_pinned_task(move || ended(tasks));
            event.set();
            runtime.block_on(ends.into_future()).expect("it ends");
            comes_back_at_rest(&handle, before, peak);
        }
    });
}

#[test]
fn an_event_loop_that_falls_idle_gives_a_bursts_memory_back() {
    let name = "limits::an_event_loop_that_falls_idle_gives_a_bursts_memory_back";
    alone(name, ":", || {
        let (say, hear) = std::sync::mpsc::channel();
        let release = Arc::new(Event::new());
        let released = release.clone();
        let before = resident_bytes();
        let thread = std::thread::spawn(move || {
            let one = corio::new_event_loop().expect("a loop");
            let handle = Handle::clone(&one);
            let main = async {
                let event = Arc::new(Event::new());
                let tasks = burst(&handle, &event);
                corio::yield_now().await;
                let peak = resident_bytes() - before;
                event.set();
                ended(tasks).await;
                say.send((handle.clone(), peak)).expect("the test waits");
                released.wait().await;
            };
            one.run_until_complete(main).expect("it runs");
            one.close().expect("it stands still");
        });
        let (handle, peak) = hear.recv().expect("the loop has run");
        comes_back_at_rest(&handle, before, peak);
        release.set();
        thread.join().expect("the loop ends");
    });
}

#[test]
fn the_memory_of_a_threads_burst_is_given_back() {
    alone("limits::the_memory_of_a_threads_burst_is_given_back", ":", || {
        let runtime = corio::Builder::new().workers(2).build().expect("a runtime");
        let event = Arc::new(Event::new());
        let before = resident_bytes();
        let tasks = burst(runtime.handle(), &event);
        let peak = resident_bytes() - before;
        assert!(peak > BURST * BODY, "{peak} bytes for the burst");
        event.set();
        // On the workers, which have something to do all the time.
        let small = runtime.create_task(async move {
            ended(tasks).await;
            let since = Instant::now();
            loop {
                let left = resident_bytes().saturating_sub(before);
                if left < peak / 4 || since.elapsed() > PATIENCE {
                    return left;
                }
                corio::yield_now().await;
            }
        });
        let left = runtime.block_on(small.into_future()).expect("it ends");
        println!("{peak} bytes more, then {left}");
        assert!(left < peak / 4, "{left} of {peak} bytes were not given back within {PATIENCE:?}");
    });
}
