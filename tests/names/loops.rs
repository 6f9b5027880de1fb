//! Runtimes, loops, handles, executors, debugging.

use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::*;

use crate::{gives, is, some};

pub fn names() {
    runtimes();
    single_loops();
    handles(&some::<Handle>());
    handles_of_loops(&some::<Handle>());
    threads();
    debugging();
}

fn runtimes() {
    is::<io::Result<Runtime>>(Runtime::new());
    let builder: Builder = Runtime::builder();
    is::<Builder>(Builder::new());
    let d = Duration::ZERO;
    let builder = builder.workers(1).name("a name").stack_size(1).blocking_threads(1);
    let builder = builder.blocking_keep_alive(d).pollers(1).watch(true).debug(true);
    let builder = builder.debug_socket(true);
    let builder = builder.slow_callback_duration(d).lifo_slot(true).stealing(true).poll_budget(1);
    let builder = builder.handle_signals(true).shutdown_timeout(d);
    let builder = builder.on_thread_start(|| ()).on_thread_stop(|| ());
    is::<Result<u32, RunError>>(some::<Builder>().run(async { 1 }));
    let runtime: Result<Runtime, BuildError> = builder.build();
    let runtime = runtime.unwrap();
    is::<&Handle>(runtime.handle());
    is::<u32>(runtime.block_on(async { 1 }));
    is::<Task<u32>>(runtime.create_task(async { 1 }));
    drop::<EnterGuard<'_>>(runtime.enter());
    is::<ShutdownReport>(runtime.shutdown(Some(d)));
    let mut runner = Runner::new();
    is::<Result<u32, RunError>>(runner.run(async { 1 }));
    is::<Handle>(runner.get_loop());
    let () = runner.close();
    match some::<RunError>() {
        RunError::Nested { outer } => is::<&'static Location<'static>>(outer),
        RunError::Cancelled(cancelled) => is::<Cancelled>(cancelled),
        RunError::Build(error) => is::<BuildError>(error),
        RunError::Interrupted | RunError::Stopped | RunError::Closed | RunError::WrongThread => {}
        _ => {}
    }
}

fn single_loops() {
    is::<io::Result<EventLoop>>(EventLoop::new());
    let event_loop: io::Result<EventLoop> = new_event_loop();
    let event_loop = event_loop.unwrap();
    let not_send = std::rc::Rc::new(1);
    let [one, two, three] = [not_send.clone(), not_send.clone(), not_send.clone()];
    is::<CallHandle>(event_loop.call_soon(move || drop(one)));
    is::<TimerHandle>(event_loop.call_later(Duration::ZERO, move || drop(two)));
    is::<TimerHandle>(event_loop.call_at(event_loop.time(), move || drop(three)));
    is::<Task<i32>>(event_loop.create_task(async move { *not_send }));
    is::<Result<(), LoopRunning>>(event_loop.close());
    let handle: &Handle = &event_loop;
    set_event_loop(Some(handle));
    is::<Result<Handle, NoLoop>>(get_event_loop());
    is::<Result<Handle, NoLoop>>(get_running_loop());
}

fn handles(handle: &Handle) {
    fn shared<T: Clone + Send + Sync>(_: &T) {}
    shared(handle);
    is::<Handle>(Handle::current());
    is::<Result<Handle, NoLoop>>(Handle::try_current());
    is::<Vec<Handle>>(handle.loops());
    is::<Vec<TaskRef>>(handle.all_tasks());
    drop::<EnterGuard<'_>>(handle.enter());
    is::<Task<u32>>(handle.create_task(async { 1 }));
    if let Err(Refused(body)) = handle.try_create_task(async { 1 }) {
        gives::<u32>(body);
    }
    let local = || async { *std::rc::Rc::new(1) };
    is::<Task<u32>>(handle.create_pinned_task(local));
    let mut future: ConcurrentFuture<u32> = handle.run_coroutine_threadsafe(async { 1 });
    is::<ConcurrentFuture<u32>>(run_coroutine_threadsafe(async { 1 }, handle));
    is::<Result<u32, ConcurrentError>>(future.result(Some(Duration::ZERO)));
    is::<(bool, bool, bool)>((future.done(), future.cancel(), future.cancelled()));
    future.add_done_callback(|| ());
    gives::<Result<u32, TaskError>>(future);
    match some::<ConcurrentError>() {
        ConcurrentError::Timeout | ConcurrentError::LoopClosed => {}
        ConcurrentError::Task(error) => is::<TaskError>(error),
        ConcurrentError::WouldDeadlock { worker } => is::<usize>(worker),
        _ => {}
    }
    is::<Metrics>(handle.metrics());
    is::<Job<u32>>(handle.run_in_executor(None, || 1));
    handle.set_default_executor(some::<ThreadPoolExecutor>());
    is::<ShutdownExecutor>(handle.shutdown_default_executor(None));
    handle.set_exception_handler(Some(Arc::new(|_: &Handle, _: &ErrorContext| ())));
    handle.call_exception_handler(&some::<ErrorContext>());
    handle.set_debug(true);
}

fn handles_of_loops(handle: &Handle) {
    let call: CallHandle = handle.call_soon(|| ());
    call.cancel();
    is::<bool>(call.cancelled());
    is::<Result<CallHandle, LoopClosed>>(handle.call_soon_threadsafe(|| ()));
    let timer: TimerHandle = handle.call_later(Duration::ZERO, || ());
    timer.cancel();
    is::<bool>(timer.cancelled());
    is::<Instant>(timer.when());
    is::<TimerHandle>(handle.call_at(handle.time(), || ()));
    is::<Instant>(handle.time());
    is::<Result<u32, RunError>>(handle.run_until_complete(async { 1 }));
    is::<Result<(), RunError>>(handle.run_forever());
    handle.stop();
    is::<bool>(handle.is_running());
    is::<bool>(handle.is_closed());
    is::<Result<(), LoopRunning>>(handle.close());
}

fn threads() {
    gives::<Result<u32, TaskError>>(to_thread(|| 1));
    gives::<Result<u32, TaskError>>(spawn_blocking(|| 1));
    let pool = ThreadPoolExecutor::new(2).name("a name");
    gives::<Result<u32, TaskError>>(run_in_executor(Some(&pool), || 1));
    is::<ThreadPoolExecutor>(ThreadPoolExecutor::for_cpu());
    is::<u32>(block_in_place(|| 1));
}

fn debugging() {
    is::<String>(dump().to_string());
    is::<Dump>(some::<Handle>().dump());
    is::<u32>(sim::run(1, async { 1 }));
    is::<String>(some::<Metrics>().to_prometheus("a name"));
}
