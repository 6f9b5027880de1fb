//! Panics end their task, reach whoever awaits it, and harm nobody else.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corio::{ResultError, Task};
use corio_tests::eventually;
use corio_tests::kit::{CountingWaker, Ledger, Signal};

use crate::support::{
    begun, bounded, message, on_one_worker, on_runtime, one_worker, rt, variant, wait,
};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// A payload whose drop panics with the next one, until none is left.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Chain(self.0 - 1));
        }
    }
}

#[test]
fn a_panic_reaches_the_awaiter_with_its_message() {
    on_runtime(|| async {
        let line = line!() + 1;
        let task = corio::task().name("unlucky").spawn(async { panic!("no {}", "luck") });
        let error: corio::TaskError = task.await.map(|(): ()| ()).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled() && error.cancelled().is_none());
        assert_eq!(error.panic_message(), Some("no luck"));
        assert_eq!((error.task_name(), error.spawned_at().line()), ("unlucky", line));
        let text = error.to_string();
        assert!(text.contains("'unlucky'") && text.ends_with("panicked: no luck"), "{text}");
        assert_eq!(message(&*error.into_panic()), "no luck");
    });
}

#[test]
fn a_payload_of_any_type_travels() {
    on_runtime(|| async {
        let task = corio::spawn(async { panic_any(vec![1_u8, 2]) });
        let error = task.await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.panic_message(), None);
        assert_eq!(*error.into_panic().downcast::<Vec<u8>>().unwrap(), [1, 2]);
    });
}

#[test]
fn observers_and_lookers_see_the_panic_too() {
    on_runtime(|| async {
        let task: Task<()> = corio::spawn(async { panic!("seen by all") });
        let error = (&task).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("seen by all"));
        let Err(ResultError::Panicked(info)) = task.result() else { panic!("no panic") };
        assert_eq!(info.message(), Some("seen by all"));
        let exception = task.exception().unwrap().expect("an error");
        assert!(exception.is_panic() && !task.cancelled() && task.done());
        assert_eq!(task.await.unwrap_err().panic_message(), Some("seen by all"));
    });
}

#[test]
fn a_panic_after_waits_and_on_another_worker_travels() {
    on_runtime(|| async {
        let tasks: Vec<_> = (0..200)
            .map(|i| {
                corio::spawn(async move {
                    for _ in 0..i % 4 {
                        corio::yield_now().await;
                    }
                    assert!(i % 2 == 0, "odd {i}");
                    i
                })
            })
            .collect();
        for (i, task) in tasks.into_iter().enumerate() {
            match task.await {
                Ok(value) => assert_eq!(value, i),
                Err(error) => assert_eq!(error.panic_message().unwrap(), format!("odd {i}")),
            }
        }
    });
}

#[test]
fn workers_survive_any_number_of_panics() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        for _ in 0..200 {
            let token = ledger.token();
            drop(runtime.create_task(async move {
                let _token = token;
                panic!("one of many");
            }));
        }
        eventually("every body's drop", || (ledger.live() == 0).then_some(()));
        // Every worker still runs tasks.
        for one in runtime.handle().loops() {
            assert_eq!(wait(&runtime, one.create_task(async { 1 })).unwrap(), 1);
        }
        assert!(runtime.shutdown(None).is_clean());
    });
}

#[test]
fn a_panic_in_the_drop_of_a_finished_body_is_the_outcome() {
    /// Ready at once; the bomb goes off when the body is dropped.
    struct Ready(#[expect(dead_code)] Bomb, Ledger);
    impl Future for Ready {
        type Output = corio_tests::kit::Token;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(self.1.token())
        }
    }
    on_runtime(|| async {
        let ledger = Ledger::new();
        let error = corio::spawn(Ready(Bomb("body"), ledger.clone())).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("body"));
        assert_eq!((ledger.made(), ledger.live()), (1, 0), "the value is dropped");
        assert_eq!(corio::spawn(async { 3 }).await.unwrap(), 3);
    });
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_body_is_told() {
    on_runtime(|| async {
        let bomb = Bomb("dropped");
        let task = corio::spawn(async move {
            let _bomb = bomb;
            std::future::pending::<()>().await;
        });
        corio::yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap_err().panic_message(), Some("dropped"));
    });
}

#[test]
fn a_panic_in_the_drop_of_a_value_that_a_cancel_replaces_goes_no_further() {
    on_runtime(|| async {
        let task = corio::spawn(async {
            corio::current_task().unwrap().cancel();
            Bomb("value")
        });
        assert!(task.await.map(drop).unwrap_err().is_cancelled());
        assert_eq!(corio::spawn(async { 3 }).await.unwrap(), 3);
    });
}

#[test]
fn a_detached_output_that_panics_in_its_drop_does_not_stop_the_worker() {
    on_one_worker(|| async {
        drop(corio::spawn(async { Bomb("detached") }));
        assert_eq!(corio::spawn(async { 3 }).await.unwrap(), 3);
    });
}

#[test]
fn payloads_that_panic_in_their_drop_do_not_stop_the_worker() {
    bounded(|| {
        for links in [1, 2, 3] {
            let runtime = one_worker().build().unwrap();
            drop(runtime.create_task(async move { panic_any(Chain(links)) }));
            let done = Signal::new();
            let finish = done.clone();
            drop(runtime.create_task(async move { finish.set() }));
            done.wait_blocking("the task behind the panic");
            assert!(runtime.shutdown(None).is_clean());
        }
    });
}

#[test]
fn bodies_that_panic_in_their_drop_do_not_stop_the_shutdown() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        for _ in 0..20 {
            let (token, bomb) = (ledger.token(), Bomb("at the end"));
            drop(runtime.create_task(async move {
                let _kept = (token, bomb);
                std::future::pending::<()>().await;
            }));
        }
        let report = runtime.shutdown(None);
        assert!(report.is_clean(), "{report}");
        assert_eq!(ledger.live(), 0);
    });
}

/// A waker that panics.
struct Thorn;

impl Wake for Thorn {
    fn wake(self: Arc<Self>) {
        panic!("a waker of somebody else's");
    }
}

#[test]
fn a_waker_that_panics_does_not_stop_the_worker() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let thorn = Waker::from(Arc::new(Thorn));
        let mut cx = Context::from_waker(&thorn);
        // In the join slot, among observers, and in a timer.
        let gate = Signal::new();
        let mut joined = runtime.create_task(gate.wait());
        assert!(Pin::new(&mut &mut joined).poll(&mut cx).is_pending());
        let observed = runtime.create_task(gate.wait());
        let mut observer = std::pin::pin!((&observed).into_future());
        assert!(observer.as_mut().poll(&mut cx).is_pending());
        let entered = runtime.enter();
        let mut sleep = begun(&mut cx);
        drop(entered);
        gate.set();
        eventually("both tasks' ends", || (joined.done() && observed.done()).then_some(()));
        runtime.block_on(sleep.as_mut());
        assert_eq!(wait(&runtime, runtime.create_task(async { 3 })).unwrap(), 3);
        assert!(runtime.shutdown(None).is_clean());
    });
}

#[test]
fn a_waker_that_panics_keeps_no_other_observer_asleep() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let gate = Signal::new();
        let observed = runtime.create_task(gate.wait());
        let (counts, wakers): (Vec<_>, Vec<_>) = (0..2).map(|_| CountingWaker::new()).unzip();
        let thorn = Waker::from(Arc::new(Thorn));
        let mut observers: Vec<_> = (0..3).map(|_| Box::pin((&observed).into_future())).collect();
        for (observer, waker) in observers.iter_mut().zip([&wakers[0], &thorn, &wakers[1]]) {
            assert!(observer.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        }
        gate.set();
        eventually("both wakes", || (counts.iter().all(|c| c.wakes() == 1)).then_some(()));
    });
}

#[test]
fn a_callback_that_panics_does_not_stop_the_loop() {
    bounded(|| {
        let runtime = rt();
        let done = Signal::new();
        let finish = done.clone();
        runtime.handle().call_soon(|| panic!("a callback"));
        runtime.handle().call_soon(move || finish.set());
        done.wait_blocking("the callback behind it");
    });
}

#[test]
fn a_panic_of_main_is_resumed_after_an_orderly_end() {
    bounded(|| {
        let ledger = Ledger::new();
        let tokens: Vec<_> = (0..10).map(|_| ledger.token()).collect();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            crate::support::builder().run(async {
                for token in tokens {
                    drop(corio::spawn(async move {
                        let _token = token;
                        std::future::pending::<()>().await;
                    }));
                }
                corio::yield_now().await;
                panic_any(77_u8);
            })
        }));
        assert_eq!(*ran.unwrap_err().downcast::<u8>().unwrap(), 77);
        assert_eq!(ledger.live(), 0);
        // The thread may run again.
        assert_eq!(crate::support::builder().run(async { 1 }).unwrap(), 1);
    });
}

#[test]
fn a_panic_inside_block_on_leaves_the_runtime_usable() {
    bounded(|| {
        let runtime = rt();
        let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("mine") })));
        assert_eq!(message(&*panic.map(|(): ()| ()).unwrap_err()), "mine");
        assert!(corio::Handle::try_current().is_err(), "the runtime was left");
        assert_eq!(wait(&runtime, runtime.create_task(async { 3 })).unwrap(), 3);
    });
}

#[test]
fn hooks_that_panic_keep_no_shutdown_from_ending() {
    bounded(|| {
        let workers = variant().workers;
        let runtime = crate::support::builder()
            .on_thread_start(|| panic!("start hook"))
            .on_thread_stop(|| panic!("stop hook"))
            .build()
            .unwrap();
        for one in runtime.handle().loops() {
            assert_eq!(wait(&runtime, one.create_task(async { 1 })).unwrap(), 1);
        }
        assert_eq!(runtime.handle().loops().len(), workers);
        let report = runtime.shutdown(Some(corio_tests::PATIENCE / 2));
        assert!(report.is_clean(), "{report}");
    });
}
