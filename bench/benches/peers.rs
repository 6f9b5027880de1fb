//! What tokio's own benches measure and no row of `compare` does: corio beside stock tokio.
//!
//! ```text
//! cargo bench -p corio-bench --bench peers -- spawn_many_remote
//! ```
//!
//! The workloads are those of tokio's `benches/` folder, with the two workers of every comparison in this
//! project. tokio's other benches are rows: see `rows.rs` in this folder.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use corio_bench::rt::{Corio, Rt, Setup, Tokio};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};

const SETUP: Setup = Setup { workers: 2, unstable: None };

/// Tasks that are submitted from outside at a time.
const SUBMITTED: usize = 10_000;
/// Spawns of all threads together.
const REMOTE: usize = 12_800;
/// Batches of each task, and calls of each batch, that go to the blocking pool.
const BATCHES: usize = 10;
const BATCH: usize = 16;
/// Wake-ups that are counted before an iteration is over.
const WAKES: usize = 500;
/// Values that each channel takes in an iteration.
const VALUES: usize = 5_000;
/// Of each of five senders.
const SENDERS: usize = 5;
/// Values of a broadcast, and of a watch.
const SENDS: usize = 100;
/// Reads of the clock in an iteration.
const READS: usize = 1_000;
/// Bytes that are copied.
const COPIED: usize = 256 * 1024;

/// Both runtimes under one name each.
macro_rules! both {
    ($group:expr, $id:expr, $bench:ident($($arg:expr),*)) => {{
        let group = &mut $group;
        group.bench_function(BenchmarkId::new("corio", $id), |b| $bench::<Corio>(b, $($arg),*));
        group.bench_function(BenchmarkId::new("tokio", $id), |b| $bench::<Tokio>(b, $($arg),*));
    }};
}

/// Counts down to the end of an iteration.
#[derive(Clone)]
struct Left(Arc<AtomicUsize>, mpsc::SyncSender<()>);

impl Left {
    fn new(count: usize) -> (Self, mpsc::Receiver<()>) {
        let (over, wait) = mpsc::sync_channel(1);
        (Self(Arc::new(AtomicUsize::new(count)), over), wait)
    }

    fn one_less(&self) {
        // Relaxed: only the count matters.
        if self.0.fetch_sub(1, Relaxed) == 1 {
            self.1.send(()).expect("somebody waits");
        }
    }
}

/// How busy the workers are while tasks come from outside.
#[derive(Clone, Copy)]
enum Busy {
    Idle,
    /// Eight tasks that compute for 10 us and yield.
    Yielding,
    /// Four tasks that compute for 10 us and spawn their successor.
    Spawning,
}

const STALL: Duration = Duration::from_micros(10);

fn stall() {
    let start = Instant::now();
    while start.elapsed() < STALL {
        std::hint::spin_loop();
    }
}

async fn respawn<R: Rt>(over: Arc<AtomicBool>) {
    stall();
    // Relaxed: the last ones may come a little later.
    if !over.load(Relaxed) {
        spawn_again::<R>(over);
    }
}

/// Apart, so that the future's type does not contain itself.
fn spawn_again<R: Rt>(over: Arc<AtomicBool>) {
    let next: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(respawn::<R>(over));
    R::spawn_detached(next);
}

fn submits<R: Rt>(b: &mut criterion::Bencher<'_>, busy: Busy) {
    let rt = R::start(&SETUP);
    let over = Arc::new(AtomicBool::new(false));
    match busy {
        Busy::Idle => {}
        Busy::Yielding => (0..8).for_each(|_| {
            let over = over.clone();
            rt.submit_detached(async move {
                while !over.load(Relaxed) {
                    stall();
                    R::yield_now().await;
                }
            });
        }),
        Busy::Spawning => (0..4).for_each(|_| rt.submit_detached(respawn::<R>(over.clone()))),
    }
    b.iter(|| {
        let (left, wait) = Left::new(SUBMITTED);
        for _ in 0..SUBMITTED {
            let left = left.clone();
            rt.submit_detached(async move { left.one_less() });
        }
        wait.recv().expect("the last one says so");
    });
    over.store(true, Relaxed);
    rt.stop();
}

fn spawn_many_remote(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn_many_remote");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    both!(group, "idle", submits(Busy::Idle));
    both!(group, "busy1", submits(Busy::Yielding));
    both!(group, "busy2", submits(Busy::Spawning));
}

/// Only the pushes count, as at tokio.
fn pushes<R: Rt>(b: &mut criterion::Bencher<'_>, threads: usize) {
    let rt = Arc::new(R::start(&SETUP));
    b.iter_custom(|iterations| {
        let mut all = Duration::ZERO;
        for _ in 0..iterations {
            let (left, wait) = Left::new(REMOTE);
            let begin = Arc::new(Barrier::new(threads + 1));
            let pushers: Vec<_> = (0..threads)
                .map(|_| {
                    let (rt, left, begin) = (rt.clone(), left.clone(), begin.clone());
                    thread::spawn(move || {
                        begin.wait();
                        for _ in 0..REMOTE / threads {
                            let left = left.clone();
                            rt.submit_detached(async move { left.one_less() });
                        }
                    })
                })
                .collect();
            begin.wait();
            let start = Instant::now();
            pushers.into_iter().for_each(|pusher| pusher.join().expect("it only pushes"));
            all += start.elapsed();
            wait.recv().expect("the last one says so");
        }
        all
    });
    Arc::into_inner(rt).expect("the pushers are gone").stop();
}

fn remote_spawn(c: &mut Criterion) {
    let mut group = c.benchmark_group("remote_spawn");
    group.sample_size(10);
    for threads in [1, 2, 4, 8] {
        both!(group, format!("threads/{threads}"), pushes(threads));
    }
}

fn blocks<R: Rt>(b: &mut criterion::Bencher<'_>, tasks: usize) {
    let rt = R::start(&SETUP);
    b.iter(|| {
        rt.block_on(async {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    R::spawn(async {
                        for _ in 0..BATCHES {
                            let calls: Vec<_> =
                                (0..BATCH).map(|_| R::spawn_blocking(|| black_box(()))).collect();
                            for call in calls {
                                call.await;
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
    });
    rt.stop();
}

fn spawn_blocking(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn_blocking");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for tasks in [1, 4, 16, 64] {
        both!(group, format!("concurrency/{tasks}"), blocks(tasks));
    }
}

/// The benches of primitives, each under its own runtime: the same code for both libraries.
macro_rules! primitives {
    ($lib:ident, $rt:ty, $name:literal, $unbounded:ident, $listen:expr) => {
        mod $lib {
            use super::*;
            use ::$lib::sync::{Notify, broadcast, mpsc, watch};

            pub fn mpsc_create(c: &mut Criterion) {
                let mut group = c.benchmark_group("mpsc_create");
                for room in [1_usize, 100, 100_000] {
                    group.bench_function(BenchmarkId::new($name, room), |b| {
                        b.iter(|| drop(black_box(mpsc::channel::<[u8; 64]>(room))));
                    });
                }
            }

            pub fn mpsc_recv_many(c: &mut Criterion) {
                let mut group = c.benchmark_group("mpsc_recv_many");
                group.sample_size(10);
                let rt = <$rt>::start(&SETUP);
                for (senders, room) in [(1, 100), (SENDERS, 100), (SENDERS, 1_000_000)] {
                    let id = format!("bounded_{senders}_{room}");
                    group.bench_function(BenchmarkId::new($name, id), |b| {
                        b.iter(|| {
                            rt.block_on(async {
                                let (sender, mut receiver) = mpsc::channel::<usize>(room);
                                for _ in 0..senders {
                                    let sender = sender.clone();
                                    <$rt>::spawn_detached(async move {
                                        for value in 0..VALUES / senders {
                                            sender.send(value).await.expect("it receives");
                                        }
                                    });
                                }
                                drop(sender);
                                let (mut buffer, mut count) = (Vec::with_capacity(VALUES), 0);
                                loop {
                                    match receiver.recv_many(&mut buffer, VALUES).await {
                                        0 => break,
                                        n => count += n,
                                    }
                                    buffer.clear();
                                }
                                assert_eq!(count, VALUES);
                            });
                        });
                    });
                }
                group.bench_function(BenchmarkId::new($name, "unbounded_5"), |b| {
                    b.iter(|| {
                        rt.block_on(async {
                            let (sender, mut receiver) = mpsc::$unbounded::<usize>();
                            for _ in 0..SENDERS {
                                let sender = sender.clone();
                                <$rt>::spawn_detached(async move {
                                    for value in 0..VALUES / SENDERS {
                                        assert!(sender.send(value).is_ok());
                                    }
                                });
                            }
                            drop(sender);
                            let (mut buffer, mut count) = (Vec::with_capacity(VALUES), 0);
                            loop {
                                match receiver.recv_many(&mut buffer, VALUES).await {
                                    0 => break,
                                    n => count += n,
                                }
                                buffer.clear();
                            }
                            assert_eq!(count, VALUES);
                        });
                    });
                });
                rt.stop();
            }

            /// Waiters that wait again and again, until so many wake-ups were counted.
            fn notifies(c: &mut Criterion, name: &str, notify: fn(&Notify)) {
                let mut group = c.benchmark_group(name);
                group.sample_size(10).sampling_mode(SamplingMode::Flat);
                for waiters in [10_usize, 50, 100, 200, 500] {
                    group.bench_function(BenchmarkId::new($name, waiters), |b| {
                        let rt = <$rt>::start(&SETUP);
                        let (bell, woken) =
                            (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
                        for _ in 0..waiters {
                            let (bell, woken) = (bell.clone(), woken.clone());
                            rt.submit_detached(async move {
                                loop {
                                    bell.notified().await;
                                    // Relaxed: only the count matters.
                                    woken.fetch_add(1, Relaxed);
                                }
                            });
                        }
                        b.iter(|| {
                            woken.store(0, Relaxed);
                            while woken.load(Relaxed) < WAKES {
                                notify(&bell);
                                // The waiters have a core of two; who notifies must not take it.
                                thread::yield_now();
                            }
                        });
                        rt.stop();
                    });
                }
            }

            pub fn notify_one(c: &mut Criterion) {
                notifies(c, "notify_one", |bell| bell.notify_one());
            }

            pub fn notify_waiters(c: &mut Criterion) {
                notifies(c, "notify_waiters", |bell| bell.notify_waiters());
            }

            pub fn broadcasts(c: &mut Criterion) {
                let mut group = c.benchmark_group("broadcast_contention");
                group.sample_size(10).sampling_mode(SamplingMode::Flat);
                for receivers in [10_usize, 100, 500, 1000] {
                    group.bench_function(BenchmarkId::new($name, receivers), |b| {
                        let rt = <$rt>::start(&SETUP);
                        b.iter(|| {
                            let (sender, _first) = broadcast::channel::<usize>(SENDS);
                            let (left, wait) = Left::new(receivers);
                            for _ in 0..receivers {
                                let (mut receiver, left) = (sender.subscribe(), left.clone());
                                rt.submit_detached(async move {
                                    while receiver.recv().await.is_ok() {}
                                    left.one_less();
                                });
                            }
                            for value in 0..SENDS {
                                sender.send(value).expect("they receive");
                            }
                            drop(sender);
                            wait.recv().expect("the last one says so");
                        });
                        rt.stop();
                    });
                }
            }

            pub fn watches(c: &mut Criterion) {
                let mut group = c.benchmark_group("watch_contention");
                group.sample_size(10).sampling_mode(SamplingMode::Flat);
                for receivers in [10_usize, 100, 500, 1000] {
                    group.bench_function(BenchmarkId::new($name, receivers), |b| {
                        let rt = <$rt>::start(&SETUP);
                        b.iter(|| {
                            let (sender, first) = watch::channel(0);
                            let (left, wait) = Left::new(receivers);
                            for _ in 0..receivers {
                                let (mut receiver, left) = (first.clone(), left.clone());
                                rt.submit_detached(async move {
                                    while receiver.changed().await.is_ok() {
                                        black_box(*receiver.borrow());
                                    }
                                    left.one_less();
                                });
                            }
                            for value in 0..SENDS {
                                sender.send(value).expect("they receive");
                                thread::yield_now();
                            }
                            drop(sender);
                            wait.recv().expect("the last one says so");
                        });
                        rt.stop();
                    });
                }
            }

            /// Registering and dropping listeners of two signals.
            pub fn signals(c: &mut Criterion) {
                c.bench_function(concat!("many_signals/", $name), |b| {
                    let rt = <$rt>::start(&SETUP);
                    b.iter(|| rt.block_on(async { (0..10).for_each(|_| $listen) }));
                    rt.stop();
                });
            }
        }
    };
}

primitives!(corio, Corio, "corio", unbounded, {
    use ::corio::signal::{SignalKind, stream};
    drop((stream(SignalKind::child()), stream(SignalKind::window_change())));
});
primitives!(tokio, Tokio, "tokio", unbounded_channel, {
    use ::tokio::signal::unix::{SignalKind, signal};
    drop((signal(SignalKind::child()), signal(SignalKind::window_change())));
});

fn time_now(c: &mut Criterion) {
    let rt = Corio::start(&SETUP);
    c.bench_function("time_now/corio", |b| {
        b.iter(|| {
            rt.block_on(async {
                for _ in 0..READS {
                    black_box(::corio::now());
                }
            })
        });
    });
    rt.stop();
    let rt = Tokio::start(&SETUP);
    c.bench_function("time_now/tokio", |b| {
        b.iter(|| {
            rt.block_on(async {
                for _ in 0..READS {
                    black_box(::tokio::time::Instant::now());
                }
            })
        });
    });
    rt.stop();
}

/// From one stream in memory to another, which somebody empties.
macro_rules! copies {
    ($group:ident, $bytes:ident, $name:literal, $rt:ty, { $($names:tt)* }) => {{
        $($names)*
        let rt = <$rt>::start(&SETUP);
        $group.bench_function($name, |b| {
            b.iter(|| {
                let bytes = $bytes.clone();
                rt.block_on(rt.submit(async move {
                    let (mut source, mut feed) = duplex(ROOM);
                    let (mut target, mut sink) = duplex(ROOM);
                    let feeder = <$rt>::spawn(async move { feed.write_all(&bytes).await });
                    let reader = <$rt>::spawn(async move {
                        let (mut count, mut buffer) = (0, vec![0; ROOM]);
                        while count < COPIED {
                            count += sink.read(&mut buffer).await.expect("there is more");
                        }
                    });
                    let copied = copy(&mut source, &mut target).await.expect("it copies");
                    assert_eq!(copied, COPIED as u64);
                    feeder.await.expect("it feeds");
                    reader.await;
                }));
            });
        });
        rt.stop();
    }};
}

fn copy(c: &mut Criterion) {
    const ROOM: usize = 16 * 1024;
    let mut group = c.benchmark_group("copy_mem_to_mem");
    let bytes: Arc<[u8]> = vec![7; COPIED].into();
    copies!(group, bytes, "corio", Corio, {
        use ::corio::io::{copy, duplex};
    });
    copies!(group, bytes, "tokio", Tokio, {
        use ::tokio::io::{AsyncReadExt, AsyncWriteExt, copy, duplex};
    });
}

criterion_group!(runtimes, spawn_many_remote, remote_spawn, spawn_blocking, time_now, copy);
criterion_group!(
    primitives,
    corio::mpsc_create,
    tokio::mpsc_create,
    corio::mpsc_recv_many,
    tokio::mpsc_recv_many,
    corio::notify_one,
    tokio::notify_one,
    corio::notify_waiters,
    tokio::notify_waiters,
    corio::broadcasts,
    tokio::broadcasts,
    corio::watches,
    tokio::watches,
    corio::signals,
    tokio::signals
);
criterion_main!(runtimes, primitives);
