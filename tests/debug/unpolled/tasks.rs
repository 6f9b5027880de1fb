//! Tasks, jobs and timers.

use std::time::Instant;

use corio::{
    Cancelled, EventLoop, Handle, IntoTask, Runtime, TaskGroup, ThreadPoolExecutor,
    create_local_task, create_task, ensure_future, interval, run_coroutine_threadsafe,
    run_in_executor, sleep, sleep_until, task, task_group, timeout, timeout_at, timeout_scope,
    to_thread, unconstrained, wait_for, yield_now,
};

use super::{Make, STREAM, forget, let_go, no_future, unpolled};
use crate::support::HOUR;

const RUNS: &str = "a task runs by itself: without a handle it is detached";
const JOB: &str = "a job runs by itself, and a pool takes more than anybody waits for";

fn other() -> Runtime {
    Runtime::builder().workers(1).name("unpolled").build().expect("it starts")
}

/// Runtimes may wait, which tasks must not.
fn end<T: Send + 'static>(runtime: T) {
    std::thread::spawn(move || drop(runtime)).join().expect("it ends");
}

pub const TABLE: &[(&str, Make)] = unpolled! {
    "create_task" => let_go(RUNS, create_task(async {}));
    "create_local_task" => let_go(RUNS, create_local_task(async {}));
    "ensure_future" => let_go(RUNS, ensure_future(async {}));
    "IntoTask::into_task" => let_go(RUNS, async {}.into_task());
    "TaskBuilder::spawn" => let_go(RUNS, task().spawn(async {}));
    "TaskBuilder::spawn_local" => let_go(RUNS, task().spawn_local(async {}));
    "TaskBuilder::spawn_on" => let_go(RUNS, task().spawn_on(&Handle::current(), async {}));
    "Handle::create_task" => let_go(RUNS, Handle::current().create_task(async {}));
    "Handle::try_create_task" => {
        let_go(RUNS, Handle::current().try_create_task(async {}).map_err(drop).unwrap())
    };
    "Handle::create_pinned_task" => {
        let_go(RUNS, Handle::current().create_pinned_task(|| async {}))
    };
    "Runtime::create_task" => {
        let runtime = other();
        let how = let_go(RUNS, runtime.create_task(async {}));
        end(runtime);
        how
    };
    "EventLoop::create_task" => {
        let run = || let_go(RUNS, EventLoop::new().expect("it starts").create_task(async {}));
        std::thread::spawn(run).join().expect("it ends")
    };
    "TaskGroup::create_task" => {
        let group = task_group(async |group: TaskGroup<()>| {
            Ok(let_go(RUNS, group.create_task(async {}).map_err(drop).unwrap()))
        });
        group.await.unwrap()
    };
    "run_coroutine_threadsafe" => {
        let_go(RUNS, run_coroutine_threadsafe(async {}, &Handle::current()))
    };
    "Handle::run_coroutine_threadsafe" => {
        let_go(RUNS, Handle::current().run_coroutine_threadsafe(async {}))
    };
    "Task::cancel_on_drop" => let_go(RUNS, create_task(async {}).cancel_on_drop());
    "CancelOnDrop::into_inner" => {
        let_go(RUNS, create_task(async {}).cancel_on_drop().into_inner())
    };
    "&Task" => let_go(RUNS, (&create_task(async {})).into_future());
    "&mut Task" => let_go(RUNS, (&mut create_task(async {})).into_future());
    "Cancelled::raise" => forget(Cancelled::new("lost").raise::<()>());

    "to_thread" => let_go(JOB, to_thread(|| ()));
    "run_in_executor" => let_go(JOB, run_in_executor(None, || ()));
    "Handle::run_in_executor" => let_go(JOB, Handle::current().run_in_executor(None, || ()));
    "ThreadPoolExecutor::submit" => let_go(JOB, ThreadPoolExecutor::new(1).submit(|| ()));
    "Handle::shutdown_default_executor" => {
        let runtime = other();
        let how = forget(runtime.handle().shutdown_default_executor(Some(HOUR)));
        end(runtime);
        how
    };

    "sleep" => forget(sleep(HOUR));
    "sleep_until" => forget(sleep_until(Instant::now()));
    "yield_now" => forget(yield_now());
    "unconstrained" => forget(unconstrained(async {}));
    "Interval::tick" => forget(interval(HOUR).tick());
    "Interval as Stream" => no_future(STREAM);
    // The body is told with its limit.
    "timeout" => forget(timeout(HOUR, yield_now()));
    "timeout_at" => forget(timeout_at(Instant::now(), yield_now()));
    "wait_for" => forget(wait_for(yield_now(), None));
    "timeout_scope" => forget(timeout_scope(HOUR, async |_limit| ()));
};
