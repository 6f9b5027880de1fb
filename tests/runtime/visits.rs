//! Functions on threads, which are inside their runtime as soon as they ask for it.

use std::sync::Arc;
use std::time::Duration;

use corio::net::TcpListener;
use corio::{Handle, Runtime, ThreadPoolExecutor};
use corio_tests::eventually;
use corio_tests::kit::block_on;

use crate::support::{bounded, builder, on_runtime, rt, wait};

/// Runs a function on a thread of the runtime.
fn on_thread<T: Send + 'static>(runtime: &Runtime, f: impl FnOnce() -> T + Send + 'static) -> T {
    let _entered = runtime.enter();
    block_on(corio::to_thread(f)).unwrap()
}

/// Each function asks for one thing alone, and first.
#[test]
fn whatever_is_asked_first_is_there() {
    on_runtime(|| async {
        let ours = Handle::current();
        for _ in 0..3 {
            assert_eq!(corio::to_thread(Handle::current).await.unwrap(), ours);
            let task = corio::to_thread(|| corio::create_task(async { 6 * 7 }));
            assert_eq!(task.await.unwrap().await.unwrap(), 42);
            let sleeps = || block_on(corio::sleep(Duration::from_millis(1)));
            corio::to_thread(sleeps).await.unwrap();
            let limit = Duration::from_secs(3600);
            let limited = move || block_on(corio::timeout(limit, async { 7 })).unwrap();
            assert_eq!(corio::to_thread(limited).await.unwrap(), 7);
            let again = || block_on(corio::to_thread(Handle::current)).unwrap();
            assert_eq!(corio::to_thread(again).await.unwrap(), ours);
            let in_place = || corio::block_in_place(Handle::current);
            assert_eq!(corio::to_thread(in_place).await.unwrap(), ours);
        }
    });
}

/// A socket that has to wait asks for a poller, and for nothing else.
#[test]
fn a_socket_that_waits_finds_the_poller() {
    on_runtime(|| async {
        let (says, hears) = std::sync::mpsc::channel();
        let listens = move || {
            block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                says.send(listener.local_addr().unwrap()).unwrap();
                listener.accept().await.unwrap();
            });
        };
        let served = corio::to_thread(listens);
        let comes = move || {
            let address = hears.recv().unwrap();
            std::net::TcpStream::connect(address).unwrap()
        };
        let _stream = corio::to_thread(comes).await.unwrap();
        served.await.unwrap();
    });
}

/// The runtime that is visited lies below those that the function enters, whenever it is asked for.
#[test]
fn guards_lie_above_the_visit() {
    bounded(|| {
        let (runtime, other) = (rt(), Arc::new(rt()));
        let ours = runtime.handle().clone();
        let theirs = other.clone();
        on_thread(&runtime, move || {
            let inner = theirs.enter();
            assert_eq!(Handle::current(), *theirs.handle());
            drop(inner);
            assert_eq!(Handle::current(), ours);
            // The timers change with the name.
            block_on(corio::sleep(Duration::from_millis(1)));
        });
        let (ours, theirs) = (runtime.handle().clone(), other.clone());
        on_thread(&runtime, move || {
            assert_eq!(
                theirs.block_on(async { corio::create_task(async { 3 }).await.unwrap() }),
                3
            );
            assert_eq!(Handle::current(), ours);
        });
        let outside = runtime.handle().run_in_executor(None, || Handle::try_current().is_err());
        assert!(block_on(outside).unwrap(), "the thread has stayed inside");
    });
}

/// A guard that a function forgot is no reason for the next one to be elsewhere.
#[test]
fn a_forgotten_guard_hides_no_runtime() {
    bounded(|| {
        static OTHER: std::sync::OnceLock<corio::Runtime> = std::sync::OnceLock::new();
        let runtime = builder().blocking_threads(1).build().unwrap();
        let other = OTHER.get_or_init(rt);
        on_thread(&runtime, || std::mem::forget(other.enter()));
        for _ in 0..2 {
            let ours = runtime.handle().clone();
            assert_eq!(on_thread(&runtime, Handle::current), ours);
        }
    });
}

/// A function that panics, asked or not, leaves its thread as it found it.
#[test]
fn a_visit_ends_with_a_panic() {
    bounded(|| {
        let runtime = builder().blocking_threads(1).build().unwrap();
        for asks in [false, true] {
            let _entered = runtime.enter();
            let panics = move || {
                let _current = asks.then(Handle::current);
                panic!("in a visit")
            };
            let job: corio::Job<()> = corio::to_thread(panics);
            assert!(block_on(job).unwrap_err().is_panic());
            let outside = runtime.handle().run_in_executor(None, || Handle::try_current().is_err());
            assert!(block_on(outside).unwrap());
        }
    });
}

#[test]
fn a_handle_of_one_loop_is_what_its_functions_find() {
    bounded(|| {
        let runtime = rt();
        let last = runtime.handle().loops().pop().unwrap();
        let _entered = last.enter();
        assert_eq!(block_on(corio::to_thread(Handle::current)).unwrap(), last);
    });
}

/// Whether its functions ran on its own threads or on those of an executor.
#[test]
fn a_runtime_goes_when_its_functions_have_run() {
    bounded(|| {
        for own in [true, false] {
            let held = Arc::new(());
            let runtime = rt();
            let witness = held.clone();
            runtime.handle().set_exception_handler(Some(Arc::new(move |_, _| {
                let _ = &witness;
            })));
            if !own {
                runtime.handle().set_default_executor(ThreadPoolExecutor::new(2));
            }
            let ours = runtime.handle().clone();
            assert_eq!(on_thread(&runtime, Handle::current), ours);
            for n in 0..100 {
                assert_eq!(on_thread(&runtime, move || n), n);
            }
            let task =
                runtime.handle().create_task(async { corio::to_thread(|| 5).await.unwrap() });
            assert_eq!(wait(&runtime, task).unwrap(), 5);
            drop((runtime, ours));
            eventually("the end", || (Arc::strong_count(&held) == 1).then_some(()));
        }
    });
}
