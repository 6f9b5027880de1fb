//! Starting, tasks, time, cancellation, contexts.

use std::any::Any;
use std::io::Write;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::*;

use crate::{gives, is, some};

#[corio::main(workers = 4)]
async fn by_attribute() -> u32 {
    1
}

#[corio::test]
async fn the_attribute_of_tests() {
    assert_eq!(create_task(async { 1 }).await.unwrap(), 1);
}

pub fn names() {
    is::<fn() -> u32>(by_attribute);
    start();
    time();
    task_methods(some::<Task<String>>());
    errors();
    coroutines();
    cancellation();
    contexts();
}

fn start() {
    let not_send = std::rc::Rc::new(1);
    is::<u32>(run(async { *not_send }));
    is::<Task<u32>>(create_task(async { 1 }));
    is::<Task<u32>>(spawn(async { 1 }));
    is::<Task<u32>>(create_local_task(async move { *not_send }));
    is::<Task<u32>>(spawn_local(async { 1 }));
    is::<Task<u32>>(ensure_future(async { 1 }));
    is::<Task<u32>>(ensure_future(some::<Task<u32>>()));
    let builder: TaskBuilder = task().name("a name").context(Context::current()).eager(true);
    is::<Task<u32>>(builder.clone().spawn(async { 1 }));
    is::<Task<u32>>(builder.clone().spawn_local(async { 1 }));
    is::<Task<u32>>(builder.spawn_on(&some::<Handle>(), async { 1 }));
    is::<Option<TaskRef>>(current_task());
    is::<Vec<TaskRef>>(all_tasks());
}

fn time() {
    let (d, at) = (some::<Duration>(), some::<Instant>());
    let mut wait: Sleep = sleep(d);
    wait.reset(at);
    is::<Instant>(wait.deadline());
    is::<bool>(wait.is_elapsed());
    gives::<()>(wait);
    gives::<()>(sleep_until(at));
    gives::<()>(yield_now());
    let mut ticks: Interval = interval(d);
    ticks.set_missed_tick(MissedTick::Burst);
    ticks.set_missed_tick(MissedTick::Delay);
    ticks.set_missed_tick(MissedTick::Skip);
    gives::<Instant>(ticks.tick());
    is_stream::<Instant>(ticks);
    let body = async || 1;
    gives::<Result<u32, TimeoutError>>(timeout(d, body()));
    gives::<Result<u32, TimeoutError>>(timeout(None, body()));
    gives::<Result<u32, TimeoutError>>(timeout_at(at, body()));
    gives::<Result<u32, TimeoutError>>(wait_for(body(), d));
    gives::<Result<u32, TimeoutError>>(timeout_scope(d, async |scope: TimeoutScope| {
        is::<Option<Instant>>(scope.when());
        is::<Result<(), InvalidState>>(scope.reschedule(Some(at)));
        is::<bool>(scope.expired());
        1
    }));
}

fn is_stream<T>(_: impl futures_core::Stream<Item = T>) {}

fn task_methods(mut task: Task<String>) {
    gives::<Result<&String, &TaskError>>(&task);
    gives::<Result<String, TaskError>>(&mut task);
    is::<bool>(task.done());
    is::<bool>(task.cancelled());
    is::<bool>(task.cancel());
    is::<bool>(task.cancel_with("a reason"));
    is::<u32>(task.cancelling());
    is::<u32>(task.uncancel());
    let () = task.abort();
    is::<Result<&String, ResultError>>(task.result());
    is::<Result<Option<&TaskError>, ResultError>>(task.exception());
    is::<Arc<str>>(task.name());
    task.set_name("another name");
    is::<TaskId>(task.id());
    is::<Handle>(task.get_loop());
    is::<Context>(task.get_context());
    is::<Option<CoroHandle>>(task.get_coro());
    for frame in task.stack(Some(1)) {
        let Frame { what, at, .. } = frame;
        is::<(&'static str, &'static Location<'static>)>((what, at));
    }
    is::<std::io::Result<()>>(task.print_stack(None, Some(some::<&mut dyn Write>())));
    let id: CallbackId = task.add_done_callback(|task: &TaskRef| is::<bool>(task.done()));
    is::<bool>(task.remove_done_callback(id));
    untyped(task.task_ref());
    let on_drop: CancelOnDrop<String> = task.cancel_on_drop();
    gives::<Result<String, TaskError>>(on_drop);
    gives::<Result<String, TaskError>>(some::<Task<String>>());
}

fn untyped(task: TaskRef) {
    is_shared(task.clone());
    is::<bool>(task.done());
    is::<bool>(task.cancelled());
    is::<bool>(task.cancel());
    is::<bool>(task.cancel_with("a reason"));
    is::<u32>(task.cancelling());
    is::<u32>(task.uncancel());
    let () = task.abort();
    is::<Arc<str>>(task.name());
    task.set_name("another name");
    is::<TaskId>(task.id());
    is::<Handle>(task.get_loop());
    is::<Context>(task.get_context());
    is::<Option<CoroHandle>>(task.get_coro());
    is::<Vec<Frame>>(task.stack(None));
    is::<std::io::Result<()>>(task.print_stack(None, None));
    let id = task.add_done_callback(|_| ());
    is::<bool>(task.remove_done_callback(id));
}

fn is_shared(_: impl Clone + Send + Sync) {}

fn errors() {
    match some::<ResultError>() {
        ResultError::NotReady => {}
        ResultError::Cancelled(cancelled) => is::<Cancelled>(cancelled),
        ResultError::Panicked(info) => is::<Arc<PanicInfo>>(info),
    }
    let error = some::<TaskError>();
    is::<bool>(error.is_cancelled());
    is::<bool>(error.is_panic());
    is::<Option<&Cancelled>>(error.cancelled());
    is::<Option<&str>>(error.panic_message());
    is::<&str>(error.task_name());
    is::<&'static Location<'static>>(error.spawned_at());
    is::<Box<dyn Any + Send>>(error.into_panic());
}

fn coroutines() {
    let mut coroutine: Coroutine<u32> = Coroutine::new(async { 1 });
    is::<Result<CoroState<u32>, CoroError>>(coroutine.send(()));
    is::<Result<CoroState<u32>, CoroError>>(coroutine.throw(Cancelled::new("no more")));
    is::<Result<(), CoroError>>(coroutine.close());
    match some::<CoroState<u32>>() {
        CoroState::Yielded => {}
        CoroState::Complete(value) => is::<u32>(value),
    }
    match some::<CoroError>() {
        CoroError::Running | CoroError::Finished | CoroError::IgnoredClose => {}
        CoroError::Cancelled(cancelled) => is::<Cancelled>(cancelled),
        CoroError::OwnedByTask => {}
        _ => {}
    }
    let handle = some::<CoroHandle>();
    is::<Result<CoroState<()>, CoroError>>(handle.send());
    is::<Result<CoroState<()>, CoroError>>(handle.throw(Cancelled::new("no more")));
    let () = handle.close();
}

fn cancellation() {
    let body = async || 1;
    gives::<Result<u32, Cancelled>>(catch_cancel(body()));
    gives::<u32>(on_cancel(body(), async {}));
    gives::<u32>(finally(body(), async {}));
    gives::<u32>(defer_cancel(body()));
    gives::<Result<u32, TaskError>>(shield(async { 1 }));
    gives::<Result<u32, TaskError>>(shield(some::<Task<u32>>()));
    gives::<Result<&u32, &TaskError>>(shield(&some::<Task<u32>>()));
    let cancelled = Cancelled::new("a reason");
    is_error(cancelled.clone());
    is::<Option<&str>>(cancelled.msg());
    is::<Option<&'static Location<'static>>>(cancelled.requested_at());
    gives::<u32>(cancelled.clone().raise::<u32>());
    cancelled.suppress();
}

fn is_error(_: impl std::error::Error + Clone) {}

task_local! {
    /// A context variable.
    static USER: &'static str;
}

fn contexts() {
    is::<u32>(Context::current().run(|| 1));
    is::<Context>(copy_context());
    is::<Option<&str>>(USER.get());
    let token = USER.set("ann");
    is::<Result<(), contextvars::ResetError<&str>>>(USER.reset(token));
}
