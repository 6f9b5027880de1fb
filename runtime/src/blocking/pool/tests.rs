//! Pools on real threads. Every wait is bounded by a minute; nothing depends on how long it takes.
use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize as Count, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};

const FOREVER: Duration = Duration::from_secs(60);

fn pool(threads: usize) -> Pool {
    Pool::new(PoolConfig { name: "test".into(), threads, ..PoolConfig::default() })
}

/// Awaits with a limit, so that a lost job fails instead of hanging.
fn wait<F: Future>(future: F) -> F::Output {
    block_on_deadline(future, Some(Instant::now() + FOREVER)).expect("nothing came for a minute")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + FOREVER;
    while !condition() {
        assert!(Instant::now() < deadline, "a minute passed before {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn end(pool: &Pool) {
    let stuck = pool.shutdown(Some(Instant::now() + FOREVER));
    assert!(stuck.is_empty(), "{stuck:?}");
    assert_eq!((pool.threads(), pool.queued()), (0, 0));
}

/// A job that runs until it is let go.
fn held(pool: &Pool) -> (Job<()>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let job = pool.submit(move || {
        started.send(()).unwrap();
        let _ = released.recv_timeout(FOREVER);
    });
    start.recv_timeout(FOREVER).expect("the job did not start");
    (job, release)
}

#[test]
fn jobs_run_on_named_threads_of_their_own() {
    let pool = pool(2);
    assert_eq!(pool.threads(), 0, "threads are made when they are needed");
    let (name, id) = wait(pool.submit(|| {
        let thread = std::thread::current();
        (thread.name().map(str::to_owned), thread.id())
    }))
    .unwrap();
    assert_eq!(name.as_deref(), Some("test-0"));
    assert_ne!(id, std::thread::current().id());
    assert_eq!(
        wait(pool.submit(|| -> u8 { panic!("boom") })).unwrap_err().panic_message(),
        Some("boom")
    );
    assert_eq!(wait(pool.submit(|| 5)).unwrap(), 5, "the worker has survived");
    end(&pool);
}

#[test]
fn jobs_that_wait_for_each_other_get_a_thread_each() {
    const JOBS: usize = 20;
    let pool = pool(JOBS);
    let barrier = Arc::new(Barrier::new(JOBS));
    let jobs: Vec<_> = (0..JOBS)
        .map(|_| {
            let barrier = barrier.clone();
            pool.submit(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = jobs.into_iter().map(|job| wait(job).unwrap());
    assert_eq!(leaders.filter(|leader| *leader).count(), 1);
    assert_eq!(pool.threads(), JOBS);
    end(&pool);
}

#[test]
fn no_more_threads_than_the_cap_and_a_burst_needs_few() {
    let pool = pool(3);
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let jobs: Vec<_> = (0..500)
        .map(|_| {
            let seen = seen.clone();
            pool.submit(move || {
                let name = std::thread::current().name().map(str::to_owned);
                seen.lock().unwrap().insert(name);
            })
        })
        .collect();
    for job in jobs {
        wait(job).unwrap();
    }
    assert!(pool.threads() <= 3);
    assert!(seen.lock().unwrap().len() <= 3);
    end(&pool);
}

#[test]
fn queued_jobs_start_in_order() {
    let pool = pool(1);
    let (holder, release) = held(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = (0..50)
        .map(|index| {
            let order = order.clone();
            pool.submit(move || order.lock().unwrap().push(index))
        })
        .collect();
    assert_eq!(pool.queued(), 50);
    drop(release);
    wait(holder).unwrap();
    for job in jobs {
        wait(job).unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
    end(&pool);
}

#[test]
fn resting_threads_leave_after_their_time_and_come_back() {
    let keep_alive = Duration::from_millis(2);
    let pool = Pool::new(PoolConfig { threads: 4, keep_alive, ..PoolConfig::default() });
    for _ in 0..3 {
        let barrier = Arc::new(Barrier::new(4));
        let jobs = [(); 4].map(|()| {
            let barrier = barrier.clone();
            pool.submit(move || {
                barrier.wait();
            })
        });
        for job in jobs {
            wait(job).unwrap();
        }
        until("all threads had left", || pool.threads() == 0);
    }
    assert_eq!(wait(pool.submit(|| 1)).unwrap(), 1);
    end(&pool);
}

#[test]
fn hooks_run_on_every_thread_and_may_panic() {
    let started = Arc::new(Count::new(0));
    let stopped = Arc::new(Count::new(0));
    let (count_start, count_stop) = (started.clone(), stopped.clone());
    let pool = Pool::new(PoolConfig {
        threads: 2,
        on_thread_start: Some(Arc::new(move || {
            count_start.fetch_add(1, Relaxed);
            panic!("in the start hook");
        })),
        on_thread_stop: Some(Arc::new(move || {
            count_stop.fetch_add(1, Relaxed);
        })),
        ..PoolConfig::default()
    });
    assert_eq!(wait(pool.submit(|| 1)).unwrap(), 1);
    end(&pool);
    assert!(started.load(Relaxed) >= 1);
    assert_eq!(started.load(Relaxed), stopped.load(Relaxed), "shutdown has waited for the hook");
}

#[test]
fn a_shutdown_runs_what_is_queued_and_refuses_what_comes() {
    let pool = pool(1);
    let (holder, release) = held(&pool);
    let queued = pool.submit(|| 7);
    pool.stop();
    let late = pool.submit(|| 8);
    assert!(late.done());
    let error = wait(late).unwrap_err();
    assert!(error.is_cancelled() && error.to_string().contains("shut down"), "{error}");
    assert!(!queued.done());
    drop(release);
    end(&pool);
    assert!(queued.done(), "shutdown has waited for it");
    assert_eq!(wait(queued).unwrap(), 7);
    wait(holder).unwrap();
}

#[test]
fn a_shutdown_that_gives_up_names_the_stuck_and_refuses_the_queued() {
    let pool = pool(1);
    let (holder, release) = held(&pool);
    let queued = pool.submit(|| 7);
    let stuck = pool.shutdown(Some(Instant::now()));
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].thread, "test-0");
    assert!(stuck[0].closure.contains("held"), "{}", stuck[0]);
    assert!(stuck[0].spawned_at.file().ends_with("tests.rs"));
    assert!(wait(queued).unwrap_err().is_cancelled());
    drop(release);
    wait(holder).unwrap();
    end(&pool);
}

#[test]
fn a_job_may_shut_its_own_pool_down() {
    let pool = Arc::new(pool(1));
    let inside = pool.clone();
    let stuck = wait(pool.submit(move || inside.shutdown(None))).unwrap();
    assert_eq!(stuck.len(), 1, "only the job itself: {stuck:?}");
    end(&pool);
}

#[test]
fn dropping_a_pool_waits_for_nothing_and_loses_nothing() {
    let pool = pool(1);
    let (holder, release) = held(&pool);
    let queued = pool.submit(|| 7);
    drop(pool);
    assert!(!holder.done());
    drop(release);
    assert_eq!(wait(queued).unwrap(), 7);
    wait(holder).unwrap();
}

#[test]
fn the_end_of_a_pool_can_be_awaited_by_several() {
    let pool = pool(1);
    let (holder, release) = held(&pool);
    pool.stop();
    std::thread::scope(|scope| {
        let waits = [(); 3].map(|()| scope.spawn(|| wait(pool.ended())));
        drop(release);
        for thread in waits {
            thread.join().unwrap();
        }
    });
    assert!(holder.done());
    assert_eq!(pool.threads(), 0);
}

#[test]
fn a_thread_that_cannot_be_made_fails_its_jobs_and_no_later_ones() {
    // No address space has room for this stack.
    let stack_size = Some(usize::MAX / 4);
    let failing = Pool::new(PoolConfig { stack_size, threads: 2, ..PoolConfig::default() });
    for _ in 0..3 {
        let error = wait(failing.submit(|| 1)).unwrap_err();
        assert!(error.is_cancelled());
        assert!(error.to_string().contains("could not start a thread"), "{error}");
    }
    assert_eq!(failing.threads(), 0);
    end(&failing);
}

/// xorshift64*: a seed that is printed replays the run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// One submitter of the stress test: what it has seen of its jobs.
#[derive(Default)]
struct Tally {
    ran: usize,
    cancelled: usize,
    panicked: usize,
    detached: usize,
}

fn submit_at_random(
    pool: &Pool,
    random: &mut Random,
    started: &Arc<Count>,
    rounds: usize,
) -> Tally {
    let mut tally = Tally::default();
    let mut waiting = Vec::new();
    for round in 0..rounds {
        let kind = random.below(16);
        let counter = started.clone();
        let job = pool.submit(move || {
            counter.fetch_add(1, Relaxed);
            match kind {
                0 => std::panic::resume_unwind(Box::new("planned")),
                1 => std::thread::sleep(Duration::from_micros(50)),
                _ => {}
            }
            round
        });
        match random.below(8) {
            0 => {
                drop(job);
                tally.detached += 1;
            }
            1 => {
                job.cancel();
                waiting.push((round, job));
            }
            _ => waiting.push((round, job)),
        }
        if random.below(64) == 0 {
            std::thread::sleep(Duration::from_micros(random.below(800)));
        }
        if random.below(4) == 0 {
            for (round, job) in waiting.drain(..) {
                tally.count(round, wait(job));
            }
        }
    }
    for (round, job) in waiting {
        tally.count(round, wait(job));
    }
    tally
}

impl Tally {
    fn count(&mut self, round: usize, outcome: Result<usize, crate::error::TaskError>) {
        match outcome {
            Ok(value) => {
                assert_eq!(value, round);
                self.ran += 1;
            }
            Err(error) if error.is_cancelled() => self.cancelled += 1,
            Err(error) => {
                assert_eq!(error.panic_message(), Some("planned"));
                self.panicked += 1;
            }
        }
    }
}

#[test]
fn stress_every_job_starts_once_or_is_cancelled() {
    const ROUNDS: usize = 4_000;
    const SUBMITTERS: usize = 3;
    for seed in [1_u64, 0xDECA_FBAD, 0x5EED_5EED_5EED] {
        // Threads leave all the time: the keep-alive is about as long as the pauses.
        let keep_alive = Duration::from_micros(300);
        let pool = Pool::new(PoolConfig { threads: 4, keep_alive, ..PoolConfig::default() });
        let started = Arc::new(Count::new(0));
        let tallies: Vec<Tally> = std::thread::scope(|scope| {
            let submit = |index: u64| {
                let (pool, started) = (&pool, &started);
                let mut random = Random(seed.wrapping_mul(index * 2 + 1));
                scope.spawn(move || submit_at_random(pool, &mut random, started, ROUNDS))
            };
            let submitters: Vec<_> = (0..SUBMITTERS as u64).map(submit).collect();
            submitters.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        end(&pool);
        let sum = |field: fn(&Tally) -> usize| tallies.iter().map(field).sum::<usize>();
        let (ran, cancelled) = (sum(|t| t.ran), sum(|t| t.cancelled));
        let (panicked, detached) = (sum(|t| t.panicked), sum(|t| t.detached));
        let all = ran + cancelled + panicked + detached;
        assert_eq!(all, SUBMITTERS * ROUNDS, "seed {seed:#x}");
        assert_eq!(started.load(Relaxed), ran + panicked + detached, "seed {seed:#x}");
    }
}

#[test]
fn stress_a_pool_that_stops_answers_every_job() {
    for seed in 1..=200_u64 {
        let pool = pool(2);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        let late = pool.is_stopped();
                        let outcome = wait(pool.submit(|| ()));
                        assert!(outcome.is_err() || !late, "seed {seed}: run after the stop");
                    }
                });
            }
            std::thread::sleep(Duration::from_micros(Random(seed).below(300)));
            let stuck = pool.shutdown(Some(Instant::now() + FOREVER));
            let threads = pool.threads();
            stop.store(true, Relaxed);
            assert!(stuck.is_empty(), "seed {seed}: {stuck:?}");
            assert_eq!(threads, 0, "seed {seed}");
        });
        assert_eq!(pool.queued(), 0, "seed {seed}: a job was not answered");
    }
}

struct Owner;

impl Host for Owner {
    fn enter(self: Arc<Self>) -> Box<dyn std::any::Any> {
        Box::new(())
    }
}

#[test]
fn a_thread_that_rests_holds_no_owner() {
    let pool = pool(1);
    let owner = Arc::new(Owner);
    let weak: Weak<dyn Host> = Arc::<Owner>::downgrade(&owner);
    pool.set_owner(weak);
    for _ in 0..3 {
        let visits = || crate::visit::during(crate::visit::owner().expect("it is there"), || 7);
        assert_eq!(wait(pool.submit(visits)).unwrap(), 7);
        until("the thread rests", || Arc::strong_count(&owner) == 1);
        assert_eq!(pool.threads(), 1);
    }
    drop(owner);
    assert!(wait(pool.submit(|| crate::visit::owner().is_none())).unwrap(), "it is gone");
    end(&pool);
}
