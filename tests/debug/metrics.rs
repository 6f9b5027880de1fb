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
