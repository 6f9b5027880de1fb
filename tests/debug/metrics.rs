//! Counters, and their text for Prometheus.

use std::collections::HashMap;
use std::sync::mpsc;

use corio_tests::eventually;

use crate::support::{HOUR, bounded, waits};

/// The values of a page by name and labels; fails if it is not in Prometheus' text format.
fn parse(page: &str) -> HashMap<String, u64> {
    let mut values = HashMap::new();
    let mut typed = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(matches!(kind, "gauge" | "counter"), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            name.clone_into(&mut typed);
        } else if !line.starts_with("# HELP ") {
            let (key, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = key.split_once('{').expect("labels");
            assert_eq!(name, typed, "a sample follows its type");
            assert!(labels.ends_with('}'), "{line}");
            assert!(
                values.insert(key.to_owned(), value.parse().unwrap()).is_none(),
                "{line} twice"
            );
        }
    }
    values
}

#[test]
fn the_page_says_what_the_metrics_say() {
    bounded(|| {
        let runtime = corio::Builder::new().workers(2).build().expect("a runtime");
        let sleeper = runtime.create_task(async { corio::sleep(HOUR).await });
        waits(&sleeper.task_ref());
        let (go_on, wait) = mpsc::channel::<()>();
        let job = runtime.handle().run_in_executor(None, move || wait.recv().is_ok());
        let metrics = eventually("a timer and a busy thread", || {
            let metrics = runtime.handle().metrics();
            (metrics.timers == 1 && metrics.blocking_busy == 1).then_some(metrics)
        });
        assert_eq!((metrics.tasks, metrics.workers.len()), (1, 2));
        assert_eq!((metrics.blocking_threads, metrics.blocking_queued), (1, 0));
        let values = parse(&metrics.to_prometheus("a\"b\\c\n"));
        let runtime_label = r#"runtime="a\"b\\c\n""#;
        let of = |name: &str| values[&format!("corio_{name}{{{runtime_label}}}")];
        assert_eq!((of("tasks"), of("timers"), of("blocking_busy_threads")), (1, 1, 1));
        assert_eq!((of("sources"), of("injected_tasks")), (0, 0));
        for (i, worker) in metrics.workers.iter().enumerate() {
            let of = |name: &str| {
                values[&format!("corio_worker_{name}{{{runtime_label},worker=\"{i}\"}}")]
            };
            assert_eq!(of("polls_total"), worker.polls);
            assert_eq!(of("parks_total"), worker.parks);
            assert_eq!(of("steals_total"), worker.steals);
            assert_eq!(of("searches_total"), worker.searches);
            assert_eq!(of("queued_tasks"), worker.queued as u64);
        }
        assert_eq!(values.len(), 7 + 2 * 5);
        drop(go_on);
        runtime.block_on(async { job.await.unwrap() });
        drop(sleeper);
        eventually("the idle thread", || {
            (runtime.handle().metrics().blocking_busy == 0).then_some(())
        });
    });
}

#[test]
fn polls_and_parks_are_counted() {
    bounded(|| {
        let runtime = corio::Builder::new().workers(1).build().expect("a runtime");
        let task = runtime.create_task(async {
            for _ in 0..10 {
                corio::yield_now().await;
            }
        });
        runtime.block_on(async { task.await.unwrap() });
        eventually("the counts of a worker that sleeps", || {
            let worker = runtime.handle().metrics().workers[0].clone();
            (worker.polls == 11 && worker.parks > 0).then_some(())
        });
    });
}

/// What waits behind a worker that is blocked, behind a single thread of the executor, and on a loop
/// that stands still.
#[test]
fn what_waits_is_counted() {
    bounded(|| {
        let blocking = corio::Builder::new().workers(1).watch(false).blocking_threads(1);
        let runtime = blocking.build().expect("a runtime");
        let (inside, is_inside) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let blocked = runtime.create_task(async move {
            let mine = [0; 3].map(|_| corio::create_task(async {}));
            let pinned = corio::create_local_task(async {});
            inside.send(()).unwrap();
            assert!(wait.recv().is_err());
            corio::gather_all(mine).await;
            pinned.await.unwrap();
        });
        is_inside.recv().unwrap();
        let outside = [0; 4].map(|_| runtime.create_task(async {}));
        let called = runtime.handle().call_soon(|| ());
        let (go_on_too, wait) = mpsc::channel::<()>();
        let mut jobs =
            vec![runtime.handle().run_in_executor(None, move || assert!(wait.recv().is_err()))];
        eventually("a busy thread", || {
            (runtime.handle().metrics().blocking_busy == 1).then_some(())
        });
        jobs.extend([0; 2].map(|_| runtime.handle().run_in_executor(None, || ())));
        let metrics = runtime.handle().metrics();
        assert_eq!(metrics.workers[0].queued, 3 + 1 + 1, "children, a pinned one, a callback");
        assert_eq!((metrics.injected, metrics.blocking_queued), (4, 2));
        drop((go_on, go_on_too));
        runtime.block_on(async {
            blocked.await.unwrap();
            corio::gather_all(outside).await;
            corio::gather_all(jobs).await;
        });
        drop(called);
        eventually("nothing that waits", || {
            let metrics = runtime.handle().metrics();
            let waits = metrics.workers[0].queued + metrics.injected + metrics.blocking_queued;
            (waits == 0).then_some(())
        });

        let event_loop = corio::new_event_loop().expect("a loop");
        drop(event_loop.call_soon(|| ()));
        let task = event_loop.create_task(async {});
        assert_eq!(event_loop.metrics().workers[0].queued, 2);
        event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(event_loop.metrics().workers[0].queued, 0);
        event_loop.close().unwrap();
    });
}
