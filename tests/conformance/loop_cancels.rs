//! What a cancel does that comes while a composition is about to return: each test is a scenario of
//! `recorded/cancels.py`.

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;

use corio::{
    Handle, ReturnWhen, Task, as_completed, catch_cancel, create_task, gather, gather_all, shield,
    try_gather, wait,
};

use crate::support::{Trace, py, turns, with_loop};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Ends,
    Fails,
    Panics,
    Never,
}
use How::{Ends, Fails, Never, Panics};

type Child = Task<Result<&'static str, ()>>;
/// The names that came, or that one has failed.
type Waited = Pin<Box<dyn Future<Output = Result<Vec<String>, ()>> + Send>>;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
}

fn say(trace: &Trace, words: &str) {
    trace.say(format!("{} {words}", NOW.get()));
}

fn count_turns() {
    NOW.set(NOW.get() + 1);
    Handle::current().call_soon(count_turns);
}

async fn child(
    trace: Trace,
    name: &'static str,
    count: usize,
    how: How,
) -> Result<&'static str, ()> {
    let body = async {
        turns(count).await;
        if how == Never {
            pending::<()>().await;
        }
    };
    if let Err(cancelled) = catch_cancel(body).await {
        say(&trace, &format!("{name} cancelled"));
        cancelled.raise::<()>().await;
    }
    match how {
        Fails | Panics => say(&trace, &format!("{name} fails")),
        _ => say(&trace, &format!("{name} ends")),
    }
    match how {
        Panics => panic!("it fails"),
        Fails => Err(()),
        _ => Ok(name),
    }
}

async fn waiter(trace: Trace, function: fn(Vec<Child>) -> Waited, start: usize, tasks: Vec<Child>) {
    turns(start).await;
    match catch_cancel(function(tasks)).await {
        Ok(Ok(values)) => say(&trace, &format!("waited {}", values.join(" "))),
        Ok(Err(())) => say(&trace, "waited in vain"),
        Err(_) => say(&trace, "waiter cancelled"),
    }
}

async fn played(
    trace: Trace,
    function: fn(Vec<Child>) -> Waited,
    children: &[(usize, How)],
    start: usize,
    count: usize,
    first: bool,
) {
    NOW.set(0);
    count_turns();
    let waiting = std::sync::Arc::new(std::sync::OnceLock::<corio::TaskRef>::new());
    let cancels = {
        let (trace, waiting) = (trace.clone(), waiting.clone());
        async move {
            turns(count).await;
            say(&trace, &format!("cancels {}", py(waiting.get().unwrap().cancel())));
        }
    };
    let mut cancels = Some(cancels);
    let mut spawn_cancels = || drop(cancels.take().map(create_task));
    if first {
        spawn_cancels();
    }
    let tasks: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(children)
        .map(|(name, (count, how))| create_task(child(trace.clone(), name, *count, *how)))
        .collect();
    let refs: Vec<_> = tasks.iter().map(Task::task_ref).collect();
    let task = create_task(waiter(trace.clone(), function, start, tasks));
    waiting.set(task.task_ref()).unwrap();
    if !first {
        spawn_cancels();
    }
    turns(14).await;
    for task in refs {
        task.cancel();
    }
}

/// Of each child: after how many turns it ends, and how. The wait begins after `start` turns.
#[track_caller]
fn plays(
    scenario: &str,
    children: &'static [(usize, How)],
    start: usize,
    function: fn(Vec<Child>) -> Waited,
) {
    plays_since(0, scenario, children, start, function);
}

/// Without the first `since` cancels.
#[track_caller]
fn plays_since(
    since: usize,
    scenario: &str,
    children: &'static [(usize, How)],
    start: usize,
    function: fn(Vec<Child>) -> Waited,
) {
    let trace = Trace::default();
    for (count, first) in (1..8).flat_map(|count| [(count, true), (count, false)]).skip(since) {
        trace.say(format!("after {count}, made {}", if first { "first" } else { "last" }));
        let said = trace.clone();
        with_loop(move |event_loop| {
            let main = played(said, function, children, start, count, first);
            event_loop.run_until_complete(main).unwrap();
        });
    }
    trace.expect_recorded(&format!("cancels {scenario}"));
}

fn names(values: Vec<&str>) -> Result<Vec<String>, ()> {
    Ok(values.into_iter().map(String::from).collect())
}

fn waits(tasks: Vec<Child>, when: ReturnWhen) -> Waited {
    Box::pin(async move {
        let ids: Vec<_> = tasks.iter().map(Task::id).collect();
        let (done, _pending) = wait(tasks, when, None).await.unwrap();
        let is_done = |id| done.iter().any(|task| task.id() == id);
        Ok(ids.into_iter().map(|id| py(is_done(id)).to_owned()).collect())
    })
}

fn waits_for_all(tasks: Vec<Child>) -> Waited {
    waits(tasks, ReturnWhen::AllCompleted)
}

fn completes(tasks: Vec<Child>) -> Waited {
    Box::pin(async move {
        let (mut all, mut values) = (as_completed(tasks), Vec::new());
        while let Some((_, value)) = all.next().await {
            values.push(value.unwrap()?);
        }
        names(values)
    })
}

fn gathers(tasks: Vec<Child>) -> Waited {
    Box::pin(async move { names(try_gather(tasks).await.map_err(drop)?) })
}

#[test]
fn shield_of_a_task() {
    plays("shield", &[(3, Ends)], 0, |mut tasks| {
        Box::pin(async move { names(vec![shield(tasks.remove(0)).await.unwrap()?]) })
    });
}

#[test]
fn shield_of_a_borrowed_task() {
    plays("shield", &[(3, Ends)], 0, |tasks| {
        Box::pin(async move { names(vec![(*shield(&tasks[0]).await.unwrap())?]) })
    });
}

#[test]
fn wait_for_all() {
    plays("wait", &[(3, Ends), (3, Ends)], 0, waits_for_all);
}

#[test]
fn wait_for_one_after_the_other() {
    plays("wait_one_after_the_other", &[(3, Ends), (4, Ends)], 0, waits_for_all);
}

#[test]
fn wait_for_the_first() {
    plays("wait_first", &[(3, Ends), (0, Never)], 0, |tasks| {
        waits(tasks, ReturnWhen::FirstCompleted)
    });
}

#[test]
fn wait_for_an_exception() {
    plays("wait_exception", &[(2, Ends), (3, Panics), (0, Never)], 0, |tasks| {
        waits(tasks, ReturnWhen::FirstException)
    });
}

#[test]
fn wait_for_what_has_ended() {
    plays("wait_ended", &[(0, Ends)], 2, waits_for_all);
}

#[test]
fn as_they_complete() {
    plays("as_completed", &[(3, Ends), (3, Ends)], 0, completes);
}

#[test]
fn as_they_complete_one_after_the_other() {
    plays("as_completed_one_after_the_other", &[(3, Ends), (5, Ends)], 0, completes);
}

#[test]
fn as_they_have_completed() {
    plays("as_completed_ended", &[(0, Ends)], 2, completes);
}

#[test]
fn gather_of_several() {
    plays_since(5, "gather", &[(3, Ends), (3, Ends)], 0, gathers);
    plays_since(5, "gather", &[(3, Ends), (3, Ends)], 0, |tasks| {
        Box::pin(async move {
            let values = gather(tasks).await.map_err(drop)?;
            names(values.into_iter().collect::<Result<_, _>>()?)
        })
    });
}

#[test]
fn gather_of_several_by_the_macro() {
    plays_since(5, "gather", &[(3, Ends), (3, Ends)], 0, |mut tasks| {
        Box::pin(async move {
            let (b, a) = (tasks.remove(1), tasks.remove(0));
            let (a, b) = gather!(a, b).await.map_err(drop)?;
            names(vec![a?, b?])
        })
    });
}

#[test]
fn gather_of_one_after_the_other() {
    plays_since(7, "gather_one_after_the_other", &[(3, Ends), (4, Ends)], 0, gathers);
}

#[test]
fn gather_that_fails() {
    plays_since(7, "gather_fails", &[(2, Ends), (3, Fails), (0, Never)], 0, gathers);
}

#[test]
fn gather_that_fails_by_the_macro() {
    plays_since(7, "gather_fails", &[(2, Ends), (3, Panics), (0, Never)], 0, |mut tasks| {
        Box::pin(async move {
            let (c, b, a) = (tasks.remove(2), tasks.remove(1), tasks.remove(0));
            let (a, b, c) = gather!(a, b, c).await.map_err(drop)?;
            names(vec![a?, b?, c?])
        })
    });
}

#[test]
fn gather_of_all_results() {
    plays_since(7, "gather_all", &[(2, Ends), (3, Fails), (4, Ends)], 0, |tasks| {
        Box::pin(async move {
            let results = gather_all(tasks).await.into_iter();
            names(results.map(|result| result.unwrap().unwrap_or("failed")).collect())
        })
    });
}
