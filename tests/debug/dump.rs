//! Dumps: what all tasks wait for, and where.

use std::sync::Arc;

use corio::sync::{
    Barrier, CancelToken, Condition, Event, Lock, Notify, OnceCell, Queue, RwLock, Semaphore,
    broadcast, mpsc, oneshot, watch,
};
use corio::{Runtime, Task};
use corio_tests::eventually;

use crate::support::{HOUR, bounded, ignore, waits};

fn rt() -> Runtime {
    corio::Builder::new().name("dumped").workers(2).build().expect("a runtime")
}

/// Spawns a task that waits for ever, and gives the kind and the line of its wait.
fn place(
    runtime: &Runtime,
    wait: impl Future<Output = ()> + Send + 'static,
) -> (&'static str, u32) {
    let task = runtime.create_task(wait);
    let frame = waits(&task.task_ref());
    assert_eq!(frame.at.file(), file!());
    task.abort();
    (frame.what, frame.at.line())
}

#[test]
fn every_primitive_says_what_is_waited_for_and_where() {
    bounded(|| {
        let runtime = rt();
        macro_rules! places {
            ($($name:literal $body:expr;)*) => {
                $({
                    let (what, _) = place(&runtime, async move { ignore($body.await) });
                    assert_eq!(what, $name);
                })*
            };
        }
        let (lock, rwlock) = (Arc::new(Lock::new(())), Arc::new(RwLock::new(())));
        let held = lock.try_acquire().unwrap();
        let written = rwlock.try_write().unwrap();
        let full = Queue::new(1);
        full.put_nowait(1).unwrap();
        let joined = Queue::new(1);
        joined.put_nowait(1).unwrap();
        let (sender, _receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let (_keeps, mut receives) = mpsc::unbounded::<u8>();
        let (_one, once) = oneshot::channel::<u8>();
        let (_caster, mut hears) = broadcast::channel::<u8>(1);
        let (_sets, mut sees) = watch::channel(0);
        let (l, o) = (lock.clone(), lock.clone());
        let (r, w) = (rwlock.clone(), rwlock.clone());
        let once_cell = OnceCell::<u8>::new();
        places! {
            "Lock::acquire" l.acquire();
            "Lock::acquire" o.acquire_owned();
            "RwLock::read" r.read();
            "RwLock::write" w.write();
            "Semaphore::acquire" Semaphore::new(0).acquire();
            "Event::wait" Event::new().wait();
            "Notify::notified" Notify::new().notified();
            "Barrier::wait" Barrier::new(2).wait();
            "CancelToken::cancelled" CancelToken::new().cancelled();
            "Queue::put" full.put(2);
            "Queue::get" Queue::<u8>::new(0).get();
            "Queue::join" joined.join();
            "send" sender.send(2);
            "recv" receives.recv();
            "a oneshot channel" once;
            "recv" hears.recv();
            "changed" sees.changed();
            "sleep" corio::sleep(HOUR);
            "sleep" once_cell.get_or_init(async || { corio::sleep(HOUR).await; 1 });
            "Condition::wait" async {
                let (lock, condition) = (Lock::new(()), Condition::new());
                let mut guard = lock.acquire().await;
                condition.wait(&mut guard).await;
            };
        }
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let job = place(&runtime, async move {
            let _ = corio::to_thread(move || wait.recv()).await;
        });
        assert_eq!(job.0, "run_in_executor");
        drop((go_on, held, written));
    });
}

#[test]
fn tasks_that_wait_at_two_lines_are_two_groups() {
    bounded(|| {
        let runtime = rt();
        let event = Arc::new(Event::new());
        let [one, two] = [event.clone(), event.clone()];
        let tasks = [
            (line!(), runtime.create_task(async move { one.wait().await })),
            (line!(), runtime.create_task(async move { two.wait().await })),
        ];
        for (_, task) in &tasks {
            waits(&task.task_ref());
        }
        let dump = runtime.handle().dump().to_string();
        for (line, task) in &tasks {
            let wait = format!("waiting for Event::wait at {}:{line}:", file!());
            let crowd = format!("1 task {wait}");
            assert!(
                dump.lines().any(|shown| shown.starts_with(&crowd)),
                "{crowd} is not in\n{dump}"
            );
            let spawned = format!(", spawned at {}:{line}:", file!());
            let row =
                |shown: &str| shown.contains(&format!(", {wait}")) && shown.contains(&spawned);
            assert!(dump.lines().any(row), "{dump}");
            task.abort();
        }
    });
}

/// Also a wait through a handle that was made elsewhere.
#[test]
fn who_awaits_a_task_waits_at_the_await() {
    bounded(|| {
        let runtime = rt();
        let mut endless = runtime.create_task(std::future::pending::<()>());
        let cancels = runtime.create_task(std::future::pending::<()>()).cancel_on_drop();
        let own = runtime.create_task(std::future::pending::<()>());
        let waits = [
            (line!(), place(&runtime, async move { ignore((&mut endless).await) })),
            (line!(), place(&runtime, async move { ignore(cancels.await) })),
            (line!(), place(&runtime, async move { ignore(own.await) })),
        ];
        for (line, wait) in waits {
            assert_eq!(wait, ("a task", line));
        }
    });
}

/// Who waits for several tasks waits where that was asked for, and for what it is.
#[test]
fn who_waits_for_several_tasks_says_how() {
    use corio::{JoinSet, ReturnWhen, as_completed, gather, gather_all, spawn, wait};
    bounded(|| {
        let runtime = rt();
        let endless = || spawn(std::future::pending::<()>());
        let all = ReturnWhen::AllCompleted;
        let set = || [std::future::pending::<()>()].into_iter().collect::<JoinSet<_>>();
        let (mut one, mut two) = runtime.block_on(async { (as_completed([endless()]), set()) });
        let first = line!() + 2;
        let waits = [
            place(&runtime, async move { ignore(gather!(endless(), endless()).await) }),
            place(&runtime, async move { ignore(gather_all([endless()]).await) }),
            place(&runtime, async move { ignore(wait(vec![endless()], all, None).await) }),
            place(&runtime, async move { ignore(one.next().await) }),
            place(&runtime, async move { ignore(two.join_next().await) }),
        ];
        let kinds = ["gather", "gather", "wait", "AsCompleted::next", "a JoinSet"];
        for ((kind, line), wait) in kinds.into_iter().zip(first..).zip(waits) {
            assert_eq!(wait, (kind, line));
        }
    });
}

/// Tasks that wait at one line.
fn crowd(runtime: &Runtime, size: usize) -> Vec<Task<()>> {
    let event = Arc::new(Event::new());
    let spawn = |_| {
        let event = event.clone();
        corio::task().name("crowd").spawn_on(runtime.handle(), async move { event.wait().await })
    };
    let tasks: Vec<_> = (0..size).map(spawn).collect();
    for task in &tasks {
        waits(&task.task_ref());
    }
    tasks
}

#[test]
fn a_dump_groups_tasks_by_their_place_the_largest_crowd_first() {
    bounded(|| {
        let runtime = rt();
        let crowd = crowd(&runtime, 5);
        let single = corio::task().name("single").spawn_on(runtime.handle(), async {
            corio::sleep(HOUR).await;
        });
        waits(&single.task_ref());
        let dump = runtime.handle().dump().to_string();
        let lines: Vec<&str> = dump.lines().collect();
        assert!(lines[0].starts_with("runtime 'dumped': 6 tasks, 2 workers, "), "{dump}");
        let event = format!("waiting for Event::wait at {}:", file!());
        let sleep = format!("waiting for sleep at {}:", file!());
        assert!(lines[1].starts_with(&format!("5 tasks {event}")), "{dump}");
        assert!(lines[2].starts_with(&format!("1 task {sleep}")), "{dump}");
        assert_eq!(lines[3], "each above those that it awaits:");
        assert!(lines[4].starts_with(&format!("├── 5 x 'crowd', {event}")), "{dump}");
        assert!(lines[4].ends_with(", ..)"), "{dump}");
        assert!(lines[5].starts_with(&format!("└── 'single' {}, {sleep}", single.id())), "{dump}");
        assert_eq!(lines.len(), 6, "{dump}");
        crowd.iter().for_each(Task::abort);
        drop(single);
    });
}

#[test]
fn a_dump_names_who_awaits_whom_and_who_runs() {
    bounded(|| {
        let runtime = rt();
        let inner = corio::task().name("inner").spawn_on(runtime.handle(), async {
            corio::sleep(HOUR).await;
        });
        let asleep = inner.task_ref();
        let outer = corio::task().name("outer").spawn_on(runtime.handle(), async move {
            drop(inner.await);
        });
        waits(&outer.task_ref());
        waits(&asleep);
        let dump = eventually("the edge", || {
            let dump = runtime.handle().dump().to_string();
            dump.contains("    └── 'inner' ").then_some(dump)
        });
        assert!(dump.contains(&format!("\n└── 'outer' {}, waiting for a task at ", outer.id())));
        assert!(dump.contains("1 task waiting for a task at "), "{dump}");
        let own = runtime.create_task(async {
            corio::current_task().expect("inside a task").set_name("dumps");
            corio::dump().to_string()
        });
        let own = runtime.block_on(async { own.await.unwrap() });
        assert!(own.contains("1 task running\n") && own.contains("── 'dumps' "), "{own}");
    });
}

#[test]
fn a_circle_of_tasks_is_shown() {
    bounded(|| {
        let runtime = rt();
        let (give, take) = oneshot::channel::<Arc<Task<()>>>();
        let left = corio::task().name("left").spawn_on(runtime.handle(), async move {
            let right = take.await.unwrap();
            let _ = (&*right).await;
        });
        let left = Arc::new(left);
        let awaited = left.clone();
        let right = corio::task().name("right").spawn_on(runtime.handle(), async move {
            let _ = (&*awaited).await;
        });
        let right = Arc::new(right);
        give.send(right.clone()).unwrap();
        let dump = eventually("the circle", || {
            let dump = runtime.handle().dump().to_string();
            dump.contains("in a circle").then_some(dump)
        });
        let circle = dump.lines().last().unwrap();
        assert!(dump.contains(" (as above)\n"), "{dump}");
        let (l, r) = (format!("'left' {}", left.id()), format!("'right' {}", right.id()));
        let ways = [
            format!("in a circle: {l} awaits {r} awaits {l}"),
            format!("in a circle: {r} awaits {l} awaits {r}"),
        ];
        assert!(ways.iter().any(|way| way == circle), "{dump}");
        left.abort();
        right.abort();
    });
}
