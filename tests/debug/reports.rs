//! What debug mode tells, with the names and places that a reader needs.

use std::panic::Location;
use std::time::Duration;

use corio::debug::ReportKind;
use corio::sync::{Barrier, Condition, Event, Lock, Queue, RwLock, Semaphore, mpsc};

use corio_tests::eventually;

use crate::support::{
    HOUR, bounded, debug_builder, debug_rt, ignore, listen, report, seconds, told, waits,
};

const LIMIT: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(30);

// conforms: 19 test_log_slow_callbacks
#[test]
fn a_slow_poll_is_told_while_it_is_stuck_and_afterwards() {
    bounded(|| {
        let runtime =
            debug_builder().workers(2).slow_callback_duration(LIMIT).build().expect("a runtime");
        let line = line!() + 1;
        let slow = corio::task().name("slow-one").spawn_on(runtime.handle(), async {
            // A loaded machine may keep the Watch from looking for a while.
            report(ReportKind::SlowCallback, "has been inside task 'slow-one'");
            std::thread::sleep(SLOW);
        });
        let text = report(ReportKind::SlowCallback, "name='slow-one'");
        assert!(text.starts_with("executing <Task "), "{text}");
        assert!(text.contains(&format!("spawned at {}:{line}", file!())), "{text}");
        assert!(seconds(&text) >= SLOW.as_secs_f64(), "{text}");
        let stuck = report(ReportKind::SlowCallback, "has been inside task 'slow-one'");
        assert!(stuck.contains("use to_thread"), "{stuck}");
        assert!(stuck.contains(&format!("spawned at {}:{line}:", file!())), "{stuck}");
        drop(slow);
    });
}

// conforms: 19 test_log_slow_callbacks
#[test]
fn a_slow_callback_is_told() {
    bounded(|| {
        let builder = debug_builder().workers(1).name("calls").slow_callback_duration(LIMIT);
        let runtime = builder.build().expect("a runtime");
        let line = line!() + 1;
        let handle = runtime.handle().call_soon(|| {
            // It stays until the Watch has told of it, with its place.
            report(ReportKind::SlowCallback, "worker 0 has been inside <Handle called");
            std::thread::sleep(SLOW);
        });
        let place = format!("<Handle called submitted at {}:{line}:", file!());
        let text = report(ReportKind::SlowCallback, &format!("executing {place}"));
        assert!(seconds(&text) >= SLOW.as_secs_f64(), "{text}");
        let stuck = report(ReportKind::SlowCallback, &format!("has been inside {place}"));
        assert!(stuck.contains("use to_thread"), "{stuck}");
        drop(handle);
    });
}

#[test]
fn a_quick_poll_and_one_that_blocks_in_place_are_not_told() {
    bounded(|| {
        let builder = debug_builder().workers(2).watch(false).slow_callback_duration(SLOW);
        let runtime = builder.build().expect("a runtime");
        let is_told = |name: &str| {
            let quick = corio::task().name(name.to_owned()).spawn_on(runtime.handle(), async {
                corio::block_in_place(|| std::thread::sleep(2 * SLOW));
            });
            runtime.block_on(async { quick.await.unwrap() });
            !told(ReportKind::SlowCallback, &format!("name='{name}'")).is_empty()
        };
        // A machine that stalls makes any poll slow now and then; one that counts the block, each.
        assert!((0..20).any(|n| !is_told(&format!("quick-one-{n}"))), "the block was counted");
    });
}

/// Drops futures that nobody awaited; where each was made, and what it is called.
fn forgotten() -> Vec<(&'static str, &'static Location<'static>)> {
    let (lock, rwlock, semaphore) = (Lock::new(()), RwLock::new(()), Semaphore::new(1));
    let (event, barrier, queue) = (Event::new(), Barrier::new(2), Queue::new(1));
    let (changed, other) = (Condition::new(), Lock::new(()));
    let mut held = other.try_acquire().expect("nobody has it");
    let (sender, _receiver) = mpsc::channel(1);
    let mut made = Vec::new();
    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }
    macro_rules! forget {
        ($($name:literal $future:expr;)*) => {
            $({
                drop($future);
                made.push(($name, here()));
            })*
        };
    }
    forget! {
        "Lock::acquire" lock.acquire();
        "RwLock::read" rwlock.read();
        "RwLock::write" rwlock.write();
        "Semaphore::acquire" semaphore.acquire();
        "Event::wait" event.wait();
        "Barrier::wait" barrier.wait();
        "Queue::put" queue.put(1);
        "Queue::get" queue.get();
        "Queue::join" queue.join();
        "sleep" corio::sleep(HOUR);
        "Condition::wait" changed.wait(&mut held);
        "Condition::wait" changed.wait_for(&mut held, |()| true);
        "send" sender.send(1);
        "send" sender.reserve();
    }
    made
}

#[test]
fn a_future_that_nobody_awaited_is_told_with_its_place() {
    let runtime = debug_rt();
    for (name, near) in runtime.block_on(async { forgotten() }) {
        // The macro's arm and the call are on different lines; the file is the same.
        let text = report(ReportKind::NeverAwaited, &format!("{name} was never awaited"));
        assert!(text.contains(near.file()), "{text}");
    }
    for twice in ["Condition::wait", "send"] {
        let texts = told(ReportKind::NeverAwaited, &format!("{twice} was never awaited"));
        let ours = texts.iter().filter(|text| text.contains(file!())).count();
        assert_eq!(ours, 2, "{texts:?}");
    }
    let line = line!() + 1;
    drop(Event::new().wait());
    let place = format!("Event::wait was never awaited; it was made at {}:{line}:", file!());
    report(ReportKind::NeverAwaited, &place);
}

#[test]
fn what_was_awaited_is_not_told_whether_it_had_to_wait_or_not() {
    bounded(|| {
        let runtime = debug_rt();
        let begin = line!();
        runtime.block_on(async {
            let (lock, rwlock, semaphore) = (Lock::new(()), RwLock::new(()), Semaphore::new(1));
            let (event, barrier, queue) = (Event::new(), Barrier::new(1), Queue::new(0));
            drop(lock.acquire().await);
            drop(rwlock.read().await);
            drop(rwlock.write().await);
            drop(semaphore.acquire().await);
            event.set();
            event.wait().await;
            barrier.wait().await.unwrap();
            queue.put(1).await.unwrap();
            queue.get().await.unwrap();
            queue.task_done().unwrap();
            queue.join().await;
            corio::sleep(Duration::from_millis(1)).await;
            corio::sleep(Duration::ZERO).await;
            let (changed, other) = (Condition::new(), Lock::new(()));
            let mut guard = other.acquire().await;
            changed.wait_for(&mut guard, |()| true).await;
            let (sender, mut receiver) = mpsc::channel(1);
            sender.send(1).await.unwrap();
            receiver.recv().await.unwrap();
            drop(sender.reserve().await.unwrap());
            // These wait, and are given up.
            let held = lock.acquire().await;
            let limit = Duration::from_millis(1);
            assert!(corio::timeout(limit, lock.acquire()).await.is_err());
            assert!(corio::timeout(limit, queue.get()).await.is_err());
            assert!(corio::timeout(limit, changed.wait(&mut guard)).await.is_err());
            sender.send(1).await.unwrap();
            assert!(corio::timeout(limit, sender.send(2)).await.is_err());
            drop(held);
            drop(queue.stream());
        });
        for line in begin..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

// conforms: 1 test_log_destroyed_pending_task
// differs: a task lives as long as its runtime, so it is told when that ends
#[test]
fn a_task_that_ends_with_its_runtime_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let task = corio::task().name("left-behind").spawn_on(runtime.handle(), async {
            corio::sleep(HOUR).await;
        });
        waits(&task.task_ref());
        drop(runtime);
        let text = report(ReportKind::DestroyedPending, "'left-behind'");
        assert!(text.starts_with("task was destroyed but it is pending: <Task "), "{text}");
        assert!(text.contains(&format!("waiting for sleep at {}:", file!())), "{text}");
        assert!(!text.contains("never awaited"), "{text}");
    });
}

#[test]
fn a_task_that_never_ran_is_told_so() {
    bounded(|| {
        let runtime = debug_builder().workers(1).watch(false).build().expect("a runtime");
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (began, begun) = std::sync::mpsc::channel();
        drop(runtime.create_task(async move {
            began.send(()).unwrap();
            let _ = wait.recv();
        }));
        begun.recv().unwrap();
        // The only worker is stuck, so this one lies in a queue until the shutdown empties it.
        let unborn = corio::task().name("unborn").spawn_on(runtime.handle(), async {});
        assert_eq!(runtime.shutdown(Some(Duration::ZERO)).stuck.len(), 1);
        let text = report(ReportKind::DestroyedPending, "'unborn'");
        assert!(text.ends_with("its body was never awaited"), "{text}");
        drop((go_on, unborn));
    });
}

// conforms: 22 test_unclosed_resource_warnings
// conforms: 22 test_unclosed_server_resource_warnings
#[test]
fn files_streams_and_servers_that_are_dropped_open_are_told() {
    bounded(|| {
        let path = std::env::temp_dir().join(format!("corio-unclosed-{}", std::process::id()));
        let shown = format!("{path:?}");
        let runtime = debug_rt();
        let there = path.clone();
        let both = corio::task().name("closes-one").spawn_on(runtime.handle(), async move {
            let mut closed = corio::fs::open(&there, "w").await.unwrap();
            closed.close().await.unwrap();
            assert_eq!(told(ReportKind::Unclosed, &format!("{there:?}")).len(), 0);
            drop(corio::fs::open(&there, "r").await.unwrap());
        });
        runtime.block_on(async { both.await.unwrap() });
        let text = report(ReportKind::Unclosed, &shown);
        assert!(text.contains("unclosed file") && text.contains("by task 'closes-one'"), "{text}");
        std::fs::remove_file(path).unwrap();
        runtime.block_on(async {
            let handler = async |reader, mut writer: corio::stream::StreamWriter| {
                drop(reader);
                writer.close();
            };
            let server = corio::stream::start_server(handler, "127.0.0.1:0").await.unwrap();
            let address = server.local_addrs()[0];
            let (_, writer) = corio::stream::open_connection(address).await.unwrap();
            let port = address.port();
            drop(writer);
            report(ReportKind::Unclosed, &format!("peer_addr: Some(127.0.0.1:{port})"));
            drop(server);
            report(ReportKind::Unclosed, &format!("Server on [127.0.0.1:{port}]"));
        });
    });
}

#[test]
fn a_thread_that_blocks_its_loop_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let queue = std::sync::Arc::new(Queue::<()>::new(0));
        let limit = Some(Duration::from_millis(1));
        let inner = queue.clone();
        let line = line!() + 2;
        let blocks = corio::task().name("blocks-a-loop").spawn_on(runtime.handle(), async move {
            assert!(inner.get_blocking(limit).is_err());
        });
        runtime.block_on(async { blocks.await.unwrap() });
        let text = report(ReportKind::WrongThread, "task 'blocks-a-loop'");
        assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
        let may = corio::task().name("may-block").spawn_on(runtime.handle(), async move {
            corio::block_in_place(|| assert!(queue.get_blocking(limit).is_err()));
        });
        runtime.block_on(async { may.await.unwrap() });
        assert_eq!(told(ReportKind::WrongThread, "may-block"), Vec::<String>::new());
    });
}

#[test]
fn a_task_that_nobody_can_wake_is_told_once() {
    bounded(|| {
        let runtime = debug_rt();
        let line = line!() + 1;
        let lost = corio::task().name("lost-one").spawn_on(runtime.handle(), async {
            std::future::pending::<()>().await;
        });
        let well = corio::task().name("sleeps-well").spawn_on(runtime.handle(), async {
            corio::sleep(HOUR).await;
        });
        let text = report(ReportKind::LostTask, "'lost-one'");
        assert!(text.contains("only a cancel through its handle"), "{text}");
        assert!(text.contains(&format!("spawned at {}:{line}:", file!())), "{text}");
        // A second one is found by a later look, which passes the first one by.
        drop(corio::task().name("lost-two").spawn_on(runtime.handle(), async {
            std::future::pending::<()>().await;
        }));
        let text = report(ReportKind::LostTask, "'lost-two'");
        assert!(text.contains("only the end of the runtime"), "{text}");
        assert_eq!(told(ReportKind::LostTask, "'lost-one'").len(), 1);
        assert_eq!(told(ReportKind::LostTask, "'sleeps-well'").len(), 0);
        lost.cancel();
        runtime.block_on(async { assert!(lost.await.is_err()) });
        drop(well);
    });
}

/// What a group and a kept request have of their tasks are no wakers.
#[test]
fn a_task_that_nobody_can_wake_is_told_whatever_is_kept_of_it_inside() {
    bounded(|| {
        let runtime = debug_rt();
        let group = corio::task().name("its-group").spawn_on(runtime.handle(), async {
            corio::task_group(async |group: corio::TaskGroup<()>| {
                let lost = async {
                    std::future::pending::<()>().await;
                    Ok::<_, ()>(())
                };
                let sleeps = async {
                    corio::sleep(HOUR).await;
                    Ok::<_, ()>(())
                };
                group.create_task(lost).unwrap().task_ref().set_name("lost-in-a-group");
                group.create_task(sleeps).unwrap().task_ref().set_name("sleeps-in-a-group");
                Ok(())
            })
            .await
        });
        let cleans = corio::task().name("lost-cleaning-up").spawn_on(runtime.handle(), async {
            corio::finally(corio::sleep(HOUR), std::future::pending::<()>()).await;
        });
        corio_tests::eventually("its sleep", || {
            matches!(cleans.task_ref().status(), corio::TaskStatus::Waiting(Some(_))).then_some(())
        });
        cleans.cancel();
        report(ReportKind::LostTask, "'lost-in-a-group'");
        report(ReportKind::LostTask, "'lost-cleaning-up'");
        assert_eq!(told(ReportKind::LostTask, "'sleeps-in-a-group'").len(), 0);
        assert_eq!(told(ReportKind::LostTask, "'its-group'").len(), 0);
        group.cancel();
        runtime.block_on(async { assert!(group.await.is_err()) });
        drop(cleans);
    });
}

#[test]
fn a_task_that_nobody_can_wake_is_told_on_an_event_loop() {
    bounded(|| {
        listen();
        let event_loop = corio::new_event_loop().expect("a loop");
        event_loop.set_debug(true);
        event_loop.run_until_complete(async {}).unwrap();
        let main = async {
            let spawn = |name| corio::task().name(name).spawn_local(std::future::pending::<()>());
            let first = spawn("lost-on-a-loop");
            let told = |name| corio::to_thread(move || report(ReportKind::LostTask, name));
            told("'lost-on-a-loop'").await.unwrap();
            // By a later look.
            let second = spawn("lost-there-later");
            told("'lost-there-later'").await.unwrap();
            drop((first, second));
        };
        event_loop.run_until_complete(main).unwrap();
        assert_eq!(told(ReportKind::LostTask, "'lost-on-a-loop'").len(), 1);
        event_loop.close().unwrap();
    });
}

/// A foreign future, whose waker somebody keeps for a while.
#[test]
fn a_task_whose_last_waker_is_dropped_later_is_told_then() {
    use std::task::{Poll, Waker};
    bounded(|| {
        let runtime = debug_rt();
        let kept = std::sync::Arc::new(std::sync::Mutex::new(None::<Waker>));
        let keep = kept.clone();
        let lost = corio::task().name("lost-later").spawn_on(runtime.handle(), async move {
            std::future::poll_fn(|cx| {
                *keep.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        });
        let spawn_lost = |name: &'static str| {
            drop(corio::task().name(name).spawn_on(runtime.handle(), async {
                std::future::pending::<()>().await;
            }));
        };
        eventually("its first poll", || kept.lock().unwrap().is_some().then_some(()));
        // Two looks end after that: the first may have begun before it.
        for name in ["lost-before-1", "lost-before-2"] {
            spawn_lost(name);
            report(ReportKind::LostTask, &format!("'{name}'"));
        }
        assert_eq!(told(ReportKind::LostTask, "'lost-later'"), Vec::<String>::new());
        // Everybody sleeps by then, the Watch too: nothing but its own look will find it.
        std::thread::sleep(Duration::from_millis(600));
        drop(kept.lock().unwrap().take());
        report(ReportKind::LostTask, "'lost-later'");
        drop(lost);
    });
}

#[test]
fn a_hook_hears_of_callbacks_that_panic() {
    listen();
    bounded(|| {
        let runtime = corio::Builder::new().workers(1).build().expect("a runtime");
        runtime.handle().call_soon(|| panic!("callback of the hook's test"));
        report(ReportKind::Unhandled, "callback of the hook's test");
    });
}

#[test]
fn a_coroutine_that_nobody_resumes_is_told() {
    use corio::Coroutine;
    bounded(|| {
        let _runtime = debug_rt();
        let line = line!() + 1;
        drop(Coroutine::new(async {}));
        let text = report(ReportKind::NeverAwaited, &format!("made at {}:{line}:", file!()));
        assert!(text.starts_with("coroutine 'debug::reports::a_coroutine_that_"), "{text}");
        let begin = line!();
        Coroutine::new(async {}).close().unwrap();
        let mut resumed = Coroutine::new(async {});
        assert!(resumed.send(()).is_ok());
        for line in begin..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

#[test]
fn what_loses_or_is_cancelled_before_its_first_poll_is_not_told() {
    bounded(|| {
        let runtime = debug_rt();
        let begin = line!();
        runtime.block_on(async {
            let out = corio::select! {
                biased;
                _ = std::future::ready(()) => 1,
                _ = corio::sleep(HOUR) => 2,
                _ = corio::sleep(HOUR), if false => 3,
            };
            assert_eq!(out, 1);
        });
        corio::Builder::new()
            .workers(1)
            .run(async {
                let task = corio::create_local_task(corio::sleep(HOUR));
                task.cancel();
                assert!(task.await.is_err());
            })
            .unwrap();
        for line in begin..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

#[test]
fn an_error_of_a_task_in_the_background_is_told_if_it_is_asked_for() {
    listen();
    bounded(|| {
        let runtime = corio::Builder::new().workers(1).build().expect("a runtime");
        runtime.create_task(async { Err::<u32, _>("the background's error") }).report_error();
        let text = report(ReportKind::Unhandled, "the background's error");
        assert!(text.contains("task exception was never retrieved"), "{text}");
        assert!(text.contains(file!()), "{text}");
        runtime.create_task(async { Ok::<_, String>(1) }).report_error();
        let ended = runtime.create_task(async { Err::<u32, _>("a late error") });
        runtime.block_on(async { assert!((&ended).await.is_ok()) });
        ended.report_error();
        report(ReportKind::Unhandled, "a late error");
    });
}

// conforms: 19 test_set_debug
#[test]
fn debug_mode_is_switched_while_a_runtime_runs() {
    bounded(|| {
        listen();
        let builder = corio::Builder::new().workers(2).slow_callback_duration(LIMIT);
        let runtime = builder.build().expect("a runtime");
        let handle = runtime.handle();
        let slow = |name: &'static str| {
            let task = corio::task().name(name).spawn_on(handle, async move {
                // A worker that is busy heeds the switch some polls later.
                for _ in 0..128 {
                    std::thread::sleep(2 * LIMIT);
                    corio::yield_now().await;
                    if !told(ReportKind::SlowCallback, &format!("name='{name}'")).is_empty()
                        || !name.starts_with("after")
                    {
                        break;
                    }
                }
            });
            runtime.block_on(async { task.await.unwrap() });
        };
        assert!(!handle.get_debug());
        slow("before-the-switch");
        handle.set_debug(true);
        handle.set_debug(true);
        assert!(handle.get_debug());
        slow("after-the-switch");
        report(ReportKind::SlowCallback, "name='after-the-switch'");
        handle.set_debug(false);
        assert!(!handle.get_debug());
        // Enough polls for each worker to heed it.
        for one in handle.loops() {
            for _ in 0..1_000 {
                let pinned = one.create_pinned_task(|| async {});
                runtime.block_on(async { pinned.await.unwrap() });
            }
        }
        slow("switched-off");
        for name in ["name='before-the-switch'", "name='switched-off'"] {
            assert_eq!(told(ReportKind::SlowCallback, name), Vec::<String>::new());
        }
        handle.set_debug(true);
        let handle = handle.clone();
        drop(runtime);
        handle.set_debug(true);
        assert!(!handle.get_debug(), "a runtime that has ended is in no mode");
    });
}

#[test]
fn an_event_loop_is_switched_at_its_next_iteration() {
    bounded(|| {
        listen();
        let event_loop = corio::new_event_loop().expect("a loop");
        let handle: corio::Handle = (*event_loop).clone();
        event_loop.set_debug(true);
        let main = async {
            let line = line!() + 1;
            ignore(corio::sleep(LIMIT));
            handle.set_debug(false);
            corio::yield_now().await;
            line
        };
        let line = event_loop.run_until_complete(main).unwrap();
        report(ReportKind::NeverAwaited, &format!("made at {}:{line}:", file!()));
        assert!(!event_loop.get_debug());
        event_loop.close().unwrap();
    });
}

#[test]
fn a_panic_for_want_of_tokio_comes_with_advice() {
    bounded(|| {
        let runtime = debug_rt();
        let task = runtime.create_task(async {
            let missing = "there is no reactor running, must be called from the context of a \
                           Tokio 1.x runtime";
            assert!(corio::current_task().is_none(), "{missing}");
        });
        let error = runtime.block_on(async { task.await }).unwrap_err().to_string();
        assert!(error.contains("there is no reactor running"), "{error}");
        assert!(error.contains("hint: ") && error.contains("`tokio-context`"), "{error}");
        let advice = report(ReportKind::Hint, "`tokio-context`");
        assert!(advice.contains("#[corio::main(tokio_context = true)]"), "{advice}");
    });
}
