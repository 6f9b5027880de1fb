//! Threads and other runtimes that submit coroutines and callbacks, while the runtime ends or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use corio::{ConcurrentError, ConcurrentFuture, Handle};
use corio_tests::Random;
use corio_tests::kit::Token;

use crate::world::World;

/// What became of the callbacks.
#[derive(Default)]
struct Calls {
    accepted: AtomicUsize,
    called: AtomicUsize,
    done_called: AtomicUsize,
    done_added: AtomicUsize,
}

pub fn run(world: &World, random: &mut Random) {
    let runtime = world.runtime();
    let calls = Arc::new(Calls::default());
    let submitters: Vec<_> = (0..1 + random.below(4))
        .map(|_| {
            let (handle, calls) = (runtime.handle().clone(), calls.clone());
            let (books, mut random) = (world.books.clone(), Random::new(random.next_u64()));
            thread::spawn(move || {
                for _ in 0..300 {
                    let (body, outputs) = (books.bodies.token(), books.outputs.clone());
                    let naps = random.below(3);
                    submit(&handle, &calls, &mut random, async move {
                        let _body = body;
                        for _ in 0..naps {
                            corio::yield_now().await;
                        }
                        outputs.token()
                    });
                }
            })
        })
        .collect();
    let in_the_middle = random.below(2) == 0;
    let report = if in_the_middle {
        thread::sleep(Duration::from_micros(random.below(2000) as u64));
        let report = runtime.shutdown(None);
        for submitter in submitters {
            submitter.join().unwrap();
        }
        report
    } else {
        for submitter in submitters {
            submitter.join().unwrap();
        }
        for one in runtime.handle().loops() {
            // A callback behind all others of its loop.
            let (last, seen) = std::sync::mpsc::channel();
            one.call_soon(move || last.send(()).unwrap());
            seen.recv_timeout(corio_tests::PATIENCE).expect("the last callback of a loop");
        }
        let counted = (&calls.accepted, &calls.called);
        assert_eq!(counted.0.load(Ordering::Relaxed), counted.1.load(Ordering::Relaxed));
        runtime.shutdown(None)
    };
    assert!(report.is_clean(), "{report}");
    assert!(calls.called.load(Ordering::Relaxed) <= calls.accepted.load(Ordering::Relaxed));
    let added = calls.done_added.load(Ordering::Relaxed);
    assert_eq!(calls.done_called.load(Ordering::Relaxed), added, "done callbacks");
}

fn submit(
    handle: &Handle,
    calls: &Arc<Calls>,
    random: &mut Random,
    body: impl Future<Output = Token> + Send + 'static,
) {
    let loops = handle.loops();
    let one = &loops[random.below(loops.len())];
    let target = if random.below(2) == 0 { handle } else { one };
    match random.below(7) {
        0 => finish(target.run_coroutine_threadsafe(body)),
        1 => {
            let future = target.run_coroutine_threadsafe(body);
            calls.done_added.fetch_add(1, Ordering::Relaxed);
            let counted = calls.clone();
            future.add_done_callback(move || {
                counted.done_called.fetch_add(1, Ordering::Relaxed);
            });
            if random.below(2) == 0 {
                finish(future);
            }
        }
        2 => {
            let mut future = target.run_coroutine_threadsafe(body);
            let said = future.cancel();
            // A shutdown may have ended it before, and then it is cancelled, too.
            assert!(!said || future.cancelled(), "it was asked to stop");
            match future.result(None) {
                Ok(_) => assert!(!said, "a cancel was swallowed"),
                Err(error) => assert!(!matches!(error, ConcurrentError::Timeout), "{error}"),
            }
        }
        3 => {
            let mut future = target.run_coroutine_threadsafe(body);
            let limit = Duration::from_micros(random.below(200) as u64);
            if let Err(ConcurrentError::Timeout) = future.result(Some(limit)) {
                finish(future);
            }
        }
        4 => match target.try_create_task(body) {
            Ok(task) => {
                let said = task.cancel();
                let ended = target.run_coroutine_threadsafe(task.into_future()).result(None);
                assert!(!said || !matches!(ended, Ok(Ok(_))), "a cancel was swallowed");
            }
            Err(refused) => drop(refused.0),
        },
        5 => {
            drop(body);
            let counted = calls.clone();
            let accepted = one.call_soon_threadsafe(move || {
                counted.called.fetch_add(1, Ordering::Relaxed);
            });
            calls.accepted.fetch_add(usize::from(accepted.is_ok()), Ordering::Relaxed);
        }
        _ => match target.try_create_task(body) {
            Ok(task) => drop(task),
            Err(refused) => drop(refused.0),
        },
    }
}

/// Waits for the end.
fn finish(mut future: ConcurrentFuture<Token>) {
    match future.result(Some(corio_tests::PATIENCE)) {
        Ok(_) | Err(ConcurrentError::LoopClosed) => {}
        Err(error) => panic!("{error}"),
    }
}
