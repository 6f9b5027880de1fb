//! tokio's context on corio's threads: where it is, what ends with it, and what is said without it.
//!
//! That it is no more than this, and costs nothing where it was not asked for, is in the runtime's
//! own tests (`tokio_context`).

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use corio::debug::{ReportKind, set_report_hook};
use corio::{Builder, Handle};
use corio_ecosystem::{assert_no_tokio, assert_on_corio};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn name() -> String {
    thread::current().name().unwrap_or("?").to_owned()
}

fn has_tokio() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

fn builder() -> Builder {
    Builder::new().workers(2).tokio_context(true)
}

/// Sets a flag when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn tasks_jobs_and_threads_that_enter_have_it() {
    let runtime = builder().build().unwrap();
    let on_worker = runtime.create_task(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_on_corio();
        let job = corio::to_thread(|| tokio::runtime::Handle::current().block_on(async { 1 }));
        let local = corio::create_local_task(async { has_tokio() });
        (job.await.unwrap(), local.await.unwrap())
    });
    assert_eq!(runtime.block_on(async { on_worker.await.unwrap() }), (1, true));

    assert_no_tokio();
    {
        let _inside = runtime.enter();
        assert!(has_tokio());
    }
    assert_no_tokio();
    assert!(runtime.block_on(async { has_tokio() }));
    assert_no_tokio();
}

#[test]
fn run_has_it_and_leaves_it() {
    let (main, stand_in) = builder()
        .run(async {
            // The worker goes on on another thread meanwhile.
            let task = corio::create_task(async { has_tokio() });
            let handle = Handle::current();
            let stand_in = corio::block_in_place(|| {
                let other = async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    has_tokio()
                };
                corio::run_coroutine_threadsafe(other, &handle).result(Some(PATIENCE)).unwrap()
            });
            assert!(task.await.unwrap());
            (has_tokio(), stand_in)
        })
        .unwrap();
    assert!(main && stand_in);
    assert_no_tokio();
}

#[test]
fn a_single_loop_has_it() {
    let event_loop = Builder::new().tokio_context(true).build_event_loop().unwrap();
    for _ in 0..2 {
        let slept = event_loop.run_until_complete(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async { name() }).await.unwrap()
        });
        assert_eq!(slept.unwrap(), "corio-tokio");
        assert_no_tokio();
    }
    event_loop.close().unwrap();
}

#[test]
fn what_tokio_spawns_is_inside_corio() {
    let names = builder().name("shop").run(async {
        tokio::spawn(async {
            let handle = Handle::current();
            let task = corio::create_task(async { name() });
            corio::sleep(Duration::from_millis(1)).await;
            let job = handle.run_in_executor(None, name);
            (name(), task.await.unwrap(), job.await.unwrap())
        })
        .await
        .unwrap()
    });
    let (tokio, task, job) = names.unwrap();
    assert_eq!(tokio, "shop-tokio");
    assert!(task == "shop-1" || task == name(), "{task}");
    assert!(job.starts_with("shop-blocking"), "{job}");
}

#[test]
fn the_end_of_a_run_drops_what_tokio_still_has() {
    let flag = Arc::new(AtomicBool::new(false));
    let dropped = Dropped(flag.clone());
    builder()
        .run(async move {
            let task = tokio::spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            tokio::task::yield_now().await;
            assert!(!task.is_finished());
        })
        .unwrap();
    assert!(flag.load(Ordering::Acquire), "the task outlived its runtime");
}

#[test]
fn a_panic_on_tokios_thread_ends_its_task_only() {
    let sum = builder().run(async {
        let panicked = tokio::spawn(async { panic!("on purpose") }).await;
        assert!(panicked.unwrap_err().is_panic());
        tokio::spawn(async { 1 + 1 }).await.unwrap()
    });
    assert_eq!(sum.unwrap(), 2);
}

#[test]
fn a_closure_of_tokios_that_does_not_end_is_reported() {
    let runtime = builder().build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    runtime.create_task(async move {
        tokio::task::spawn_blocking(move || {
            begin.send(()).unwrap();
            let _ = released.recv_timeout(PATIENCE);
        });
    });
    begun.recv_timeout(PATIENCE).expect("the closure begins");
    let began = Instant::now();
    let report = runtime.shutdown(Some(Duration::from_millis(50)));
    assert!(began.elapsed() < PATIENCE / 2, "the shutdown waited for it");
    assert!(report.to_string().contains("of tokio's"), "{report}");
    assert!(!report.is_clean());
    drop(release);
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_task() {
    let flag = Arc::new(AtomicBool::new(false));
    let dropped = Dropped(flag.clone());
    let runtime = builder().build().unwrap();
    let handle = runtime.handle().clone();
    handle.create_task(async move {
        tokio::spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        drop(runtime);
    });
    let began = Instant::now();
    while !flag.load(Ordering::Acquire) {
        assert!(began.elapsed() < PATIENCE, "tokio's runtime is still there");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_runtime_of_ones_own_is_used_and_left_alone() {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("mine")
        .enable_all()
        .build()
        .unwrap();
    let spawned = Builder::new().workers(1).tokio_handle(tokio.handle().clone()).run(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::spawn(async { name() }).await.unwrap()
    });
    assert_eq!(spawned.unwrap(), "mine");
    assert_eq!(tokio.block_on(async { tokio::spawn(async { 7 }).await.unwrap() }), 7);
}

#[test]
fn without_it_the_panic_names_the_feature() {
    let (sender, reports) = mpsc::channel();
    set_report_hook(Some(Arc::new(move |report| {
        if report.kind() == ReportKind::Hint {
            let _ = sender.send(report.to_string());
        }
    })));
    let error = corio::run(async {
        let task = corio::create_task(async { tokio::time::sleep(Duration::ZERO).await });
        task.await.unwrap_err()
    });
    set_report_hook(None);
    let said = error.to_string();
    assert!(said.contains("there is no reactor running"), "{said}");
    assert!(said.contains("hint:") && said.contains("`tokio-context`"), "{said}");
    let hint = reports.recv_timeout(PATIENCE).expect("a report beside the panic");
    assert!(hint.contains("`tokio-context`"), "{hint}");
}
