//! Several things at once.

use std::time::Duration;

use corio::*;

use crate::{gives, is, some};

type Tasks = Vec<Task<u32>>;

pub fn names() {
    is::<Task<u32>>(into_task(async { 1 }));
    is::<Task<u32>>(into_task(some::<Task<u32>>()));
    is::<Result<u32, TaskError>>(shieldable(async { 1 }));
    is::<Result<u32, TaskError>>(shieldable(some::<Task<u32>>()));
    is::<Result<&u32, &TaskError>>(shieldable(&some::<Task<u32>>()));
    in_a_group::<()>();
    in_a_group::<Result<u32, String>>();
    gathers();
    sets();
    groups();
    races();
}

/// What compositions ask of what they are given.
fn into_task<A: IntoTask>(it: A) -> Task<A::Output> {
    it.into_task()
}

fn shieldable<S: Shieldable>(_: S) -> S::Output {
    some()
}

fn in_a_group<T: GroupOutput<String>>() {}

fn gathers() {
    gives::<Result<(u32, &str), TaskError>>(gather!(async { 1 }, some::<Task<&str>>()));
    gives::<Result<Vec<u32>, TaskError>>(gather([async { 1 }]));
    gives::<Vec<Result<u32, TaskError>>>(gather_all(some::<Tasks>()));
    let tried = try_gather([async { Ok::<u32, String>(1) }]);
    gives::<Result<Vec<u32>, GatherError<String>>>(tried);
    match some::<GatherError<String>>() {
        GatherError::Failed { index, error } => is::<(usize, String)>((index, error)),
        GatherError::Task { index, error } => is::<(usize, TaskError)>((index, error)),
    }
}

fn sets() {
    let limit = some::<Option<Duration>>();
    for when in [ReturnWhen::AllCompleted, ReturnWhen::FirstCompleted, ReturnWhen::FirstException] {
        gives::<Result<(Tasks, Tasks), EmptySet>>(wait(some::<Tasks>(), when, limit));
    }
    let mut all: AsCompleted<u32> = as_completed([async { 1 }]);
    gives::<Option<(usize, Result<u32, TaskError>)>>(all.next());
    is_stream::<(usize, Result<u32, TaskError>)>(all);
    is::<AsCompletedWithin<u32>>(as_completed([async { 1 }]).with_timeout(Duration::ZERO));
    let mut set = JoinSet::<u32>::new();
    is::<TaskRef>(set.spawn(async { 1 }));
    gives::<Option<Result<u32, TaskError>>>(set.join_next());
    set.abort_all();
}

fn is_stream<T>(_: impl futures_core::Stream<Item = T>) {}

fn groups() {
    gives::<Result<u32, GroupError<String>>>(task_group(async |group: TaskGroup<String>| {
        let group: TaskGroup<String> = group.clone();
        if let Err(GroupClosed(refused)) = group.create_task(async {}) {
            gives::<()>(refused);
        }
        is::<bool>(group.create_task(async { Err::<u32, String>(String::new()) }).is_ok());
        group.cancel();
        is::<usize>(group.len());
        Ok(1)
    }));
    match some::<GroupError<String>>() {
        GroupError::Errors(errors) => is::<Vec<String>>(errors),
        GroupError::Stopped => {}
    }
}

fn races() {
    let attempts = [|| async { Ok::<u32, String>(1) }];
    gives::<Result<(usize, u32), Vec<String>>>(staggered_race(attempts, Some(Duration::ZERO)));
    gives::<()>(async {
        let lent = String::new();
        is::<(&str, u32)>(join!(async { lent.as_str() }, async { 1 }));
        is::<Result<(u32, u32), String>>(try_join!(async { Ok(1) }, async { Ok(2) }));
        let picked = select! {
            biased;
            one = async { 1 }, if lent.is_empty() => one,
            else => 2,
        };
        is::<i32>(picked);
    });
}
