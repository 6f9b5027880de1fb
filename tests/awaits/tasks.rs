//! Tasks: a cancel is passed on to one that is awaited by value, one that is looked at goes on, and
//! none is lost.

use std::sync::{Arc, OnceLock, mpsc};

use corio::{
    Cancelled, GroupError, Handle, IntoTask, Runtime, TaskError, TaskGroup, catch_cancel,
    create_local_task, create_task, ensure_future, new_event_loop, run_coroutine_threadsafe, task,
    task_group,
};
use corio_tests::kit::{Ledger, Signal, Token};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{lend, lent, turns};

/// What a task does: it holds something until a signal comes.
async fn body(token: Token, go: Signal) -> u8 {
    let _token = token;
    go.wait().await;
    turns().await;
    7
}

/// A task that the operation awaits by value: dropped it runs on alone, and a cancel is passed on.
/// It ends either way.
fn owned<E: Send + 'static, F: Future<Output = Result<u8, E>> + Send + 'static>(
    spawn: impl FnOnce(Token, Signal) -> F,
) -> Case {
    let (ledger, go) = (Ledger::new(), Signal::new());
    let wait = spawn(ledger.token(), go.clone());
    let stimulus = async move {
        turns().await;
        go.set();
    };
    case(wait, stimulus, async move |got: Option<Result<u8, E>>| {
        assert!(got.is_none_or(|got| got.is_ok_and(|value| value == 7)));
        until("the task has ended", || ledger.live() == 0).await;
    })
}

/// Another runtime, which no test ends.
fn other() -> &'static Runtime {
    static OTHER: OnceLock<Runtime> = OnceLock::new();
    OTHER.get_or_init(|| Runtime::builder().workers(1).name("aw-other").build().expect("it starts"))
}

/// A task of a loop on a thread of its own, which ends with the task's `Token`.
fn on_a_loop(token: Token, go: Signal) -> impl Future<Output = Result<u8, TaskError>> + Send {
    let (tell, told) = mpsc::channel();
    let stop = go.clone();
    std::thread::spawn(move || {
        let event_loop = new_event_loop().expect("there are descriptors");
        tell.send(event_loop.create_task(body(token, go))).expect("the test waits for it");
        event_loop.run_until_complete(stop.wait()).expect("nobody stops it");
        while event_loop.all_tasks().iter().any(|task| !task.done()) {
            event_loop.run_until_complete(corio::yield_now()).expect("nobody stops it");
        }
    });
    let task = told.recv().expect("the thread sends it");
    async move { task.await }
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "create_task" => owned(|token, go| {
        let task = create_task(body(token, go));
        async move { task.await }
    });
    "create_local_task" => owned(|token, go| {
        let task = create_local_task(body(token, go));
        async move { task.await }
    });
    "ensure_future" => owned(|token, go| {
        let task = ensure_future(body(token, go));
        async move { task.await }
    });
    "IntoTask::into_task" => owned(|token, go| {
        let task = body(token, go).into_task();
        async move { task.await }
    });
    "TaskBuilder::spawn" => owned(|token, go| {
        let task = task().eager(true).spawn(body(token, go));
        async move { task.await }
    });
    "TaskBuilder::spawn_local" => owned(|token, go| {
        let task = task().spawn_local(body(token, go));
        async move { task.await }
    });
    "TaskBuilder::spawn_on" => owned(|token, go| {
        let task = task().spawn_on(&Handle::current(), body(token, go));
        async move { task.await }
    });
    "Handle::create_task" => owned(|token, go| {
        let task = Handle::current().create_task(body(token, go));
        async move { task.await }
    });
    "Handle::try_create_task" => owned(|token, go| {
        let task = Handle::current().try_create_task(body(token, go));
        let task = task.unwrap_or_else(|_| panic!("the runtime runs"));
        async move { task.await }
    });
    "Handle::create_pinned_task" => owned(|token, go| {
        let task = Handle::current().create_pinned_task(move || body(token, go));
        async move { task.await }
    });
    "Runtime::create_task" => owned(|token, go| {
        let task = other().create_task(body(token, go));
        async move { task.await }
    });
    "EventLoop::create_task" => owned(on_a_loop);
    "TaskGroup::create_task" => owned(|token, go| async move {
        let ended: Result<u8, GroupError<()>> = task_group(async |group: TaskGroup<()>| {
            let child = group.create_task(async { Ok::<_, ()>(body(token, go).await) });
            let child = child.unwrap_or_else(|_| panic!("the group is open"));
            Ok(child.await.unwrap())
        })
        .await;
        ended
    });
    "run_coroutine_threadsafe" => owned(|token, go| {
        run_coroutine_threadsafe(body(token, go), other().handle())
    });
    "Handle::run_coroutine_threadsafe" => owned(|token, go| {
        Handle::current().run_coroutine_threadsafe(body(token, go))
    });
    "Task::cancel_on_drop" => owned(|token, go| {
        create_task(body(token, go)).cancel_on_drop()
    });
    "CancelOnDrop::into_inner" => owned(|token, go| {
        let task = create_task(body(token, go)).cancel_on_drop().into_inner();
        async move { task.await }
    });

    // Looked at, a task gives its value in any case.
    "&Task" => {
        let go = Signal::new();
        let task = Arc::new(create_task(body(Ledger::new().token(), go.clone())));
        let looked = task.clone();
        let stimulus = async move {
            turns().await;
            go.set();
        };
        let operation = async move { (&*looked).await.is_ok_and(|value| *value == 7) };
        case(operation, stimulus, async move |got: Option<bool>| {
            assert!(got.unwrap_or(true));
            assert_eq!(*(&*task).await.expect("nobody cancels it"), 7);
        })
    };
    "&mut Task" => {
        let go = Signal::new();
        let task = lent(create_task(body(Ledger::new().token(), go.clone())));
        let stimulus = async move {
            turns().await;
            go.set();
        };
        let operation = lend!(task => (&mut *task).await);
        case(operation, stimulus, async move |got: Option<Result<u8, TaskError>>| {
            if got.is_none() {
                let mut task = task.try_acquire().expect("the operation is over");
                // A cancel was passed on; after a drop it can be waited for again.
                assert!((&mut *task).await.map_or_else(|e| e.is_cancelled(), |value| value == 7));
            }
        })
    };

    // Never gives a value: the scope outwards does.
    "Cancelled::raise" => case(
        async {
            let raised = catch_cancel(async {
                corio::yield_now().await;
                Cancelled::new("by hand").raise::<()>().await;
            });
            let request = raised.await.unwrap_err();
            if request.msg().is_none() {
                // Somebody's cancel was quicker.
                request.raise::<()>().await;
            }
            corio::yield_now().await;
        },
        async {},
        async |_| {},
    );
};
