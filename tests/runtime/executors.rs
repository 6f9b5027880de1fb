//! Work that blocks or computes: on the default executor, on executors of one's own, in place.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use corio::ThreadPoolExecutor;
use corio_tests::eventually;
use corio_tests::kit::{Ledger, Signal, block_on, poll_once, threads_named};

use crate::support::{
    bounded, builder, here, message, on_one_worker, on_runtime, panic_of, rt, variant, wait,
};

#[test]
fn a_function_runs_on_another_thread() {
    on_runtime(|| async {
        let here = thread::current().id();
        let there = corio::to_thread(|| thread::current().id()).await.unwrap();
        assert_ne!(there, here);
        assert_eq!(corio::spawn_blocking(|| 6 * 7).await.unwrap(), 42);
        assert_eq!(corio::run_in_executor(None, || "default").await.unwrap(), "default");
        let own = ThreadPoolExecutor::new(1).name("own-pool");
        let name = || thread::current().name().unwrap().to_owned();
        assert!(corio::run_in_executor(Some(&own), name).await.unwrap().starts_with("own-pool"));
        assert_eq!(own.submit(|| 1).await.unwrap(), 1);
        let big = corio::to_thread(|| [7_u8; 5000]).await.unwrap();
        assert!(big.iter().all(|&byte| byte == 7));
    });
}

#[test]
fn handles_reach_the_default_executor_from_anywhere() {
    bounded(|| {
        let runtime = rt();
        assert_eq!(block_on(runtime.handle().run_in_executor(None, || 3)).unwrap(), 3);
        let entered = runtime.enter();
        assert_eq!(block_on(corio::to_thread(|| 4)).unwrap(), 4);
        drop(entered);
        let message = panic_of(|| drop(corio::to_thread(|| 5)));
        assert!(message.contains("no running event loop"), "{message}");
    });
}

#[test]
fn panics_travel_to_the_awaiter() {
    on_runtime(|| async {
        let line = line!() + 1;
        let job = corio::to_thread(|| panic!("in {}", "a thread"));
        let error = job.await.map(|(): ()| ()).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.panic_message(), Some("in a thread"));
        assert_eq!((error.spawned_at().file(), error.spawned_at().line()), (file!(), line));
        assert_eq!(message(&*error.into_panic()), "in a thread");
        // The threads survive.
        for _ in 0..50 {
            drop(corio::to_thread(|| panic!("nobody looks")));
        }
        assert_eq!(corio::to_thread(|| 1).await.unwrap(), 1);
    });
}

#[test]
fn a_job_is_dropped_once_whatever_becomes_of_it() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let work = || {
            let (body, output) = (ledger.token(), ledger.token());
            move || {
                drop(body);
                output
            }
        };
        drop(block_on(runtime.handle().run_in_executor(None, work())).unwrap());
        let mut job = runtime.handle().run_in_executor(None, work());
        drop(block_on(&mut job).unwrap());
        drop(job);
        let job = runtime.handle().run_in_executor(None, work());
        eventually("the job's end", || job.done().then_some(()));
        drop(job);
        for _ in 0..200 {
            drop(runtime.handle().run_in_executor(None, work()));
        }
        eventually("all drops", || (ledger.live() == 0).then_some(()));
        assert_eq!(ledger.made(), 406);
    });
}

/// An executor of one thread that is busy until the signal is set.
fn busy_executor() -> (ThreadPoolExecutor, Signal) {
    let (executor, started, gate) = (ThreadPoolExecutor::new(1), Signal::new(), Signal::new());
    let (mark, open) = (started.clone(), gate.clone());
    drop(executor.submit(move || {
        mark.set();
        open.wait_blocking("the end of the busy time");
    }));
    started.wait_blocking("the first job's start");
    (executor, gate)
}

#[test]
fn a_queued_job_that_was_cancelled_never_starts() {
    bounded(|| {
        let (executor, gate) = busy_executor();
        let ledger = Ledger::new();
        let token = ledger.token();
        let job = executor.submit(move || panic!("it ran with {token:?}"));
        assert!(!job.done() && job.cancel() && job.done());
        assert_eq!(ledger.live(), 0, "the closure is dropped at once");
        assert!(!job.cancel(), "only once");
        assert!(block_on(job).map(|(): ()| ()).unwrap_err().is_cancelled());
        // One that runs cannot be stopped.
        let started = Signal::new();
        let mark = started.clone();
        let running = executor.submit(move || {
            mark.set();
            8
        });
        gate.set();
        started.wait_blocking("the last job's start");
        assert!(!running.cancel());
        assert_eq!(block_on(running).unwrap(), 8);
        assert!(executor.shutdown(None).is_empty());
    });
}

#[test]
fn no_more_threads_than_allowed_and_no_fewer() {
    bounded(|| {
        const LIMIT: usize = 4;
        let executor = ThreadPoolExecutor::new(LIMIT).name("limited");
        // All four must run at once, or nobody passes the barrier.
        let barrier = Arc::new(Barrier::new(LIMIT));
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..LIMIT * 10)
            .map(|_| {
                let (barrier, inside, most) = (barrier.clone(), inside.clone(), most.clone());
                executor.submit(move || {
                    let now = inside.fetch_add(1, Ordering::Relaxed) + 1;
                    most.fetch_max(now, Ordering::Relaxed);
                    barrier.wait();
                    inside.fetch_sub(1, Ordering::Relaxed);
                })
            })
            .collect();
        for job in jobs {
            block_on(job).unwrap();
        }
        assert_eq!(most.load(Ordering::Relaxed), LIMIT);
        assert!(threads_named("limited").len() <= LIMIT);
        assert!(executor.shutdown(None).is_empty());
        eventually("the threads' ends", || threads_named("limited").is_empty().then_some(()));
    });
}

#[test]
fn the_default_executor_keeps_its_limit_and_retires_its_threads() {
    bounded(|| {
        let runtime = builder()
            .blocking_threads(3)
            .blocking_keep_alive(Duration::from_millis(20))
            .build()
            .unwrap();
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..60)
            .map(|_| {
                let (inside, most) = (inside.clone(), most.clone());
                runtime.handle().run_in_executor(None, move || {
                    most.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(1));
                    inside.fetch_sub(1, Ordering::Relaxed);
                })
            })
            .collect();
        assert!(runtime.handle().metrics().blocking_threads <= 3);
        for job in jobs {
            block_on(job).unwrap();
        }
        assert!((1..=3).contains(&most.load(Ordering::Relaxed)));
        eventually("the retirement of idle threads", || {
            (runtime.handle().metrics().blocking_threads == 0).then_some(())
        });
        assert_eq!(block_on(runtime.handle().run_in_executor(None, || 2)).unwrap(), 2);
    });
}

#[test]
fn a_shutdown_waits_for_jobs_until_its_deadline() {
    bounded(|| {
        let (executor, gate) = busy_executor();
        let queued = executor.submit(|| panic!("it ran after the shutdown"));
        let start = Instant::now();
        let stuck = executor.shutdown(Some(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(stuck.len(), 1);
        assert!(block_on(queued).map(|(): ()| ()).unwrap_err().is_cancelled());
        let late = executor.submit(|| 1);
        assert!(block_on(late).unwrap_err().is_cancelled());
        gate.set();
        assert!(executor.shutdown(None).is_empty());
    });
}

#[test]
fn the_end_of_a_runtime_reports_jobs_that_are_stuck() {
    bounded(|| {
        let runtime = rt();
        let (started, gate) = (Signal::new(), Signal::new());
        let (mark, open) = (started.clone(), gate.clone());
        let stuck = runtime.handle().run_in_executor(None, move || {
            mark.set();
            open.wait_blocking("the report");
            9
        });
        started.wait_blocking("the job's start");
        let handle = runtime.handle().clone();
        let report = runtime.shutdown(Some(Duration::from_millis(20)));
        assert_eq!((report.is_clean(), report.busy_threads.len()), (false, 1), "{report}");
        assert!(block_on(handle.run_in_executor(None, || 1)).unwrap_err().is_cancelled());
        gate.set();
        // It runs to its end, and its value is there for who waits.
        assert_eq!(block_on(stuck).unwrap(), 9);
    });
}

#[test]
fn the_end_of_a_runtime_waits_for_jobs_that_end() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let started = Signal::new();
        let (mark, token) = (started.clone(), ledger.token());
        drop(runtime.handle().run_in_executor(None, move || {
            let _token = token;
            mark.set();
            thread::sleep(Duration::from_millis(30));
        }));
        started.wait_blocking("the job's start");
        let report = runtime.shutdown(None);
        assert!(report.is_clean(), "{report}");
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn thousands_of_jobs_from_many_tasks() {
    on_runtime(|| async {
        let tasks: Vec<_> = (0..20_u64)
            .map(|i| {
                corio::spawn(async move {
                    let mut sum = 0;
                    for j in 0..100 {
                        sum += corio::to_thread(move || i * j).await.unwrap();
                    }
                    sum
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, (0..20).sum::<u64>() * (0..100).sum::<u64>());
    });
}

#[test]
fn a_job_that_submits_and_waits_for_others() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        let outer = runtime.handle().run_in_executor(None, move || {
            let inner = handle.run_in_executor(None, || 5);
            let task = handle.run_coroutine_threadsafe(async { 6 }).result(None).unwrap();
            block_on(inner).unwrap() + task
        });
        assert_eq!(block_on(outer).unwrap(), 11);
    });
}

#[test]
fn blocking_in_place_keeps_the_thread_and_gives_the_value() {
    on_runtime(|| async {
        let task = corio::spawn(async {
            let before = here().await;
            let inside = corio::block_in_place(|| thread::current().id());
            assert_eq!(inside, before);
            let text = String::from("borrowed");
            let length = corio::block_in_place(|| text.len());
            corio::yield_now().await;
            length
        });
        assert_eq!(task.await.unwrap(), 8);
        let panicking = corio::spawn(async { corio::block_in_place(|| panic!("in place")) });
        let error = panicking.await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.panic_message(), Some("in place"));
        // Nested, and outside of any task.
        let nested = corio::spawn(async { corio::block_in_place(|| corio::block_in_place(|| 2)) });
        assert_eq!(nested.await.unwrap(), 2);
    });
    assert_eq!(corio::block_in_place(|| 3), 3);
}

#[test]
fn blocking_in_place_stops_nobody_else() {
    on_one_worker(|| async {
        let gate = Signal::new();
        let open = gate.clone();
        // The other task must run while this one blocks, though there is one worker.
        let blocking = corio::spawn(async move {
            let setter = corio::spawn(async move { open.set() });
            corio::block_in_place(|| gate.wait_blocking("a task beside the one that blocks"));
            setter.await.unwrap();
            here().await
        });
        blocking.await.unwrap();
    });
}

/// The executor has as many threads as it may, and all are busy: nobody runs the loop, and siblings help
/// as they help any worker that is stuck.
#[test]
fn blocking_in_place_stops_nobody_else_where_no_thread_is_left() {
    bounded(|| {
        let runtime = corio::Builder::new().workers(2).blocking_threads(1).build().unwrap();
        let (started, gate) = (Signal::new(), Signal::new());
        let (mark, open) = (started.clone(), gate.clone());
        let busy = runtime.handle().run_in_executor(None, move || {
            mark.set();
            open.wait_blocking("the end of the busy time");
        });
        started.wait_blocking("the executor's only thread");
        let task = runtime.create_task(async {
            let (queued, slept) = (Signal::new(), Signal::new());
            let (set, awake) = (queued.clone(), slept.clone());
            let mut sleep = Box::pin(corio::sleep(Duration::from_millis(1)));
            // Its timer is this worker's.
            assert!(poll_once(&mut sleep).is_pending());
            let sleeper = corio::spawn(async move {
                sleep.await;
                awake.set();
            });
            let setter = corio::spawn(async move { set.set() });
            corio::block_in_place(|| {
                queued.wait_blocking("a task of the worker that blocks");
                slept.wait_blocking("a timer of the worker that blocks");
            });
            sleeper.await.unwrap();
            setter.await.unwrap();
        });
        wait(&runtime, task).unwrap();
        gate.set();
        block_on(busy).unwrap();
    });
}

#[test]
fn blocking_in_place_stays_in_the_runtime_and_has_no_budget() {
    on_runtime(|| async {
        let inside = corio::Handle::current();
        let task = corio::spawn(async move {
            corio::block_in_place(|| {
                assert_eq!(corio::Handle::current(), inside);
                assert!(corio::current_task().is_none());
                let nested = corio::spawn(async { 4 });
                assert_eq!(block_on(nested.into_future()).unwrap(), 4);
                // More waits that need not wait than any poll has units.
                let semaphore = corio::sync::Semaphore::new(1);
                block_on(async {
                    for _ in 0..1_000 {
                        drop(semaphore.acquire().await);
                    }
                });
            });
            corio::Handle::current() == inside
        });
        assert!(task.await.unwrap());
    });
    assert!(corio::Handle::try_current().is_err());
}

#[test]
fn waits_of_threads_inside_a_poll_have_no_budget() {
    on_runtime(|| async {
        let queue = Arc::new(corio::sync::Queue::new(1));
        let fed = queue.clone();
        let feed = corio::to_thread(move || {
            (0..1_000).for_each(|i| fed.put_blocking(i, None).unwrap());
        });
        let task = corio::spawn(async move {
            (0..1_000).map(|_| queue.get_blocking(None).unwrap()).sum::<u32>()
        });
        assert_eq!(task.await.unwrap(), 499_500);
        feed.await.unwrap();
    });
}

#[test]
fn a_runtime_that_is_shut_down_in_place_is_not_waited_for() {
    bounded(|| {
        let (slot, runtime) = std::sync::mpsc::channel::<corio::Runtime>();
        let (say, hear) = std::sync::mpsc::channel();
        let outer = rt();
        let task = outer.create_task(async move {
            corio::block_in_place(|| {
                let report = runtime.recv().unwrap().shutdown(None);
                say.send(report.is_clean()).unwrap();
            });
        });
        drop(task);
        slot.send(outer).unwrap();
        assert!(hear.recv().unwrap());
    });
}

#[test]
fn many_tasks_block_in_place_at_once() {
    const TASKS: usize = 6;
    bounded(|| {
        let runtime = rt();
        let barrier = Arc::new(Barrier::new(TASKS));
        let tasks: Vec<_> = (0..TASKS)
            .map(|i| {
                let barrier = barrier.clone();
                runtime.create_task(async move {
                    corio::block_in_place(|| barrier.wait());
                    corio::sleep(Duration::from_millis(1)).await;
                    i
                })
            })
            .collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(wait(&runtime, task).unwrap(), i);
        }
        assert!(runtime.shutdown(None).is_clean());
    });
}

#[test]
fn no_local_task_begins_on_a_thread_that_stands_in() {
    // Its body may be tied to the calling thread, and would be run by the loop's own.
    on_one_worker(|| async {
        let gate = Signal::new();
        let open = gate.clone();
        let blocking = corio::spawn(async move {
            let beside = corio::spawn(async move {
                let message = panic_of(|| drop(corio::spawn_local(async {})));
                let pinned = corio::Handle::current().create_pinned_task(here);
                open.set();
                (message, pinned.await.unwrap())
            });
            corio::block_in_place(|| gate.wait_blocking("a task beside the one that blocks"));
            (beside.await.unwrap(), here().await)
        });
        let ((message, pinned), home) = blocking.await.unwrap();
        assert!(message.contains("create_pinned_task"), "{message}");
        assert_eq!(pinned, home);
    });
}

#[test]
fn pinned_tasks_stay_on_their_loop_when_it_blocks_in_place() {
    bounded(|| {
        let runtime = rt();
        for one in runtime.handle().loops() {
            let pinned = one.create_pinned_task(|| async {
                let local = std::rc::Rc::new(4);
                let first = here().await;
                let other = corio::spawn_local({
                    let local = local.clone();
                    async move { (*local, here().await) }
                });
                corio::block_in_place(|| thread::sleep(Duration::from_millis(2)));
                let (value, thread) = other.await.unwrap();
                corio::yield_now().await;
                assert_eq!((value, thread, here().await), (4, first, first));
            });
            wait(&runtime, pinned).unwrap();
        }
    });
}

#[test]
fn senseless_executors_are_refused() {
    let message = panic_of(|| ThreadPoolExecutor::new(0));
    assert!(message.contains("new(0)") && message.contains("at least 1"), "{message}");
    let used = ThreadPoolExecutor::new(1);
    let clone = used.clone();
    let message = panic_of(|| used.name("too late"));
    assert!(message.contains("in use"), "{message}");
    assert_eq!(block_on(clone.submit(|| 1)).unwrap(), 1);
}

#[test]
fn workers_and_executor_threads_are_different_threads() {
    bounded(|| {
        let runtime = rt();
        let workers: HashSet<_> = runtime
            .handle()
            .loops()
            .iter()
            .map(|one| wait(&runtime, one.create_task(here())).unwrap())
            .collect();
        assert_eq!(workers.len(), variant().workers);
        for _ in 0..20 {
            let thread = runtime.handle().run_in_executor(None, || thread::current().id());
            assert!(!workers.contains(&block_on(thread).unwrap()));
        }
    });
}

/// What tokio's users do inside `spawn_blocking`.
#[test]
fn a_function_on_a_thread_is_inside_the_runtime() {
    on_runtime(|| async {
        let ours = corio::Handle::current();
        let (answer, inside) = corio::to_thread(|| {
            let handle = corio::Handle::current();
            let task = corio::create_task(async {
                corio::sleep(Duration::from_millis(1)).await;
                42
            });
            let mut answer = corio::run_coroutine_threadsafe(task.into_future(), &handle);
            (answer.result(None).unwrap().unwrap(), handle)
        })
        .await
        .unwrap();
        assert_eq!((answer, inside), (42, ours));
        // As asyncio has it, and the same thread is outside again.
        let outside = || corio::Handle::try_current().is_err();
        assert!(corio::run_in_executor(None, outside).await.unwrap());
    });
}
