//! The graph of tasks: test_graph.py and test_tools.py of CPython 3.14.
//! Without debug mode: the edges are there always.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use corio::{Builder, ReturnWhen, Task, TaskRef, capture_call_graph, format_call_graph};
use corio_tests::{PATIENCE, within};

use crate::support::sync::{Deferred, oneshot};
use crate::support::{turn, turns};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs `main` as a task of a loop in strict order.
#[track_caller]
fn on_strict_loop<F>(main: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    within(PATIENCE, &format!("main of {}", Location::caller()), move || {
        let builder = Builder::new().workers(1).lifo_slot(false).stealing(false).watch(false);
        let main = async move { corio::create_task(main()).await.expect("main ends well") };
        builder.run(main).expect("the loop ends well");
    });
}

fn named<T: Send + 'static>(
    name: &'static str,
    body: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    corio::task().name(name).spawn(body)
}

fn sleeper() -> Task<()> {
    named("sleeper", async { corio::sleep(HOUR).await })
}

/// The names of the tasks that await this one themselves.
fn awaited_by(task: &TaskRef) -> Vec<String> {
    let graph = capture_call_graph(Some(task)).expect("a task was given");
    graph.awaited_by().map(|task| task.name().to_string()).collect()
}

/// A test of one composition: it makes a future of a task, and another task awaits that.
macro_rules! edge {
    ($(#[$meta:meta])* $name:ident, $child:ident => $body:expr) => {
        $(#[$meta])*
        fn $name() {
            on_strict_loop(|| async {
                let $child = sleeper();
                let child = $child.task_ref();
                let parent = named("parent", async move {
                        let _ended = $body.await;
                    });
                turns(5).await;
                assert_eq!(awaited_by(&child), ["parent"]);
                parent.abort();
                child.abort();
            });
        }
    };
}

// conforms: 27 test_stack_task
#[test]
fn test_stack_task() {
    on_strict_loop(|| async {
        let inner = sleeper();
        let task = inner.task_ref();
        let middle = named("middle", async move { drop(inner.await) });
        let outer = named("outer", async move { drop(middle.await) });
        turns(5).await;
        let graph = capture_call_graph(Some(&task)).unwrap();
        let chain: Vec<_> = graph.entries().iter().map(|e| e.task.name().to_string()).collect();
        assert_eq!(chain, ["sleeper", "middle", "outer"]);
        let stack = &graph.entries()[0].stack;
        assert_eq!((stack[0].what, stack[0].at.file()), ("sleep", file!()));
        drop(outer);
    });
}

// conforms: 27 test_stack_gather
edge! { #[test] test_stack_gather, child => corio::gather([child]) }
// conforms: 27 test_stack_shield
edge! { #[test] test_stack_shield, child => corio::shield(child) }
// conforms: 27 test_stack_timeout
edge! { #[test] test_stack_timeout, child => corio::timeout(HOUR, child) }
// conforms: 27 test_stack_wait
edge! { #[test] test_stack_wait, child => corio::wait(vec![child], ReturnWhen::AllCompleted, None) }
// conforms: 27 test_stack_as_completed
edge! { #[test] test_stack_as_completed, child => async move {
    drop(corio::as_completed([child]).next().await);
} }

// conforms: 27 test_stack_tgroup
#[test]
fn test_stack_tgroup() {
    on_strict_loop(|| async {
        let (give, take) = oneshot::channel();
        let parent = named("parent", async move {
            let group = corio::task_group(async move |group: corio::TaskGroup<()>| {
                let child = group.create_task(async { corio::sleep(HOUR).await }).unwrap();
                give.send(child.task_ref()).unwrap();
                Ok(())
            });
            drop(group.await);
        });
        let child = take.await.unwrap();
        turns(5).await;
        assert_eq!(awaited_by(&child), ["parent"]);
        assert_eq!(parent.stack(None)[0].what, "a task group");
        parent.abort();
    });
}

// conforms: 27 test_stack_gather_survivor
// conforms: 4 test_gather_discards_awaited_by_for_pending
#[test]
fn test_stack_gather_survivor() {
    on_strict_loop(|| async {
        let survivor = sleeper();
        let task = survivor.task_ref();
        let fails = corio::create_task(async {
            turn().await;
            std::panic::resume_unwind(Box::new("it fails"));
        });
        let parent = named("parent", async move {
            assert!(corio::gather([survivor, fails]).await.is_err());
            corio::sleep(HOUR).await;
        });
        turns(10).await;
        assert!(!parent.done() && !task.done());
        assert_eq!(awaited_by(&task), Vec::<String>::new());
    });
}

// conforms: 4 test_gather_discards_awaited_by_for_cancelled_sibling
#[test]
fn test_gather_discards_awaited_by_for_cancelled_sibling() {
    on_strict_loop(|| async {
        let (survivor, cancelled) = (sleeper(), sleeper());
        let (task, sibling) = (survivor.task_ref(), cancelled.task_ref());
        let parent = named("parent", async move {
            assert!(corio::gather([cancelled, survivor]).await.is_err());
            corio::sleep(HOUR).await;
        });
        turns(5).await;
        assert_eq!(awaited_by(&task), ["parent"]);
        sibling.cancel();
        turns(10).await;
        assert!(!parent.done() && !task.done());
        assert_eq!(awaited_by(&task), Vec::<String>::new());
    });
}

// conforms: 4 test_wait_discards_awaited_by_for_pending
#[test]
fn test_wait_discards_awaited_by_for_pending() {
    on_strict_loop(|| async {
        let pending = sleeper();
        let task = pending.task_ref();
        let parent = named("parent", async move {
            let ends = corio::create_task(turns(5));
            let both = vec![ends, pending];
            let waited = corio::wait(both, ReturnWhen::FirstCompleted, None).await.unwrap();
            corio::sleep(HOUR).await;
            drop(waited);
        });
        turns(4).await;
        assert_eq!(awaited_by(&task), ["parent"]);
        turns(10).await;
        assert_eq!(parent.stack(None)[0].what, "sleep", "the wait is over");
        assert!(!task.done());
        assert_eq!(awaited_by(&task), Vec::<String>::new());
    });
}

// conforms: 27 test_stack_future
// differs: the future itself is asked; a graph begins at a task
#[test]
fn test_stack_future() {
    on_strict_loop(|| async {
        let deferred = Deferred::<()>::new();
        let waits = |name| {
            let deferred = deferred.clone();
            named(name, async move { deferred.await.is_ok() })
        };
        let observed = deferred.clone();
        let tasks =
            [waits("one"), waits("two"), named("three", async move { (&observed).await.is_ok() })];
        let awaiters = || {
            let mut names: Vec<_> =
                deferred.awaited_by().iter().map(|task| task.name().to_string()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(awaiters(), Vec::<String>::new(), "nobody has asked yet");
        turns(3).await;
        assert_eq!(awaiters(), ["one", "three", "two"]);
        tasks[2].abort();
        turns(2).await;
        assert_eq!(awaiters(), ["one", "two"]);
        deferred.set_result(()).unwrap();
        turns(3).await;
        assert_eq!(awaiters(), Vec::<String>::new());
    });
}

// conforms: 27 test_stack_async_gen
// differs: a stream is polled by its task and has no frame of its own
#[test]
fn test_stack_async_gen() {
    /// What tasks give, one after the other.
    struct InTurn(Vec<Task<()>>);

    impl futures_core::Stream for InTurn {
        type Item = ();

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
            let Some(mut last) = self.0.last_mut() else { return Poll::Ready(None) };
            let ended = std::task::ready!(Pin::new(&mut last).poll(cx));
            self.0.pop();
            Poll::Ready(ended.ok())
        }
    }

    on_strict_loop(|| async {
        let child = sleeper();
        let task = child.task_ref();
        let parent = named("parent", async move {
            let mut stream = InTurn(vec![child]);
            poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut stream), cx)).await
        });
        turns(5).await;
        assert_eq!(awaited_by(&task), ["parent"]);
        parent.abort();
    });
}

/// The names of the current task and of those that await it, asked for inside plain functions.
fn nested(depth: u32) -> Vec<String> {
    match depth {
        0 => {
            let graph = capture_call_graph(None).expect("a task");
            graph.entries().iter().map(|entry| entry.task.name().to_string()).collect()
        }
        _ => nested(depth - 1),
    }
}

// conforms: 30 test_capture_call_graph_generator_keeps_caller_frames
#[test]
fn a_graph_from_inside_plain_calls_keeps_the_chain() {
    on_strict_loop(|| async {
        let inner = named("inner", async {
            turns(3).await;
            (0..3).map(nested).collect::<Vec<_>>()
        });
        let middle = named("middle", async move { inner.await.unwrap() });
        let outer = named("outer", async move { middle.await.unwrap() });
        for chain in outer.await.unwrap() {
            assert_eq!(chain[..3], ["inner", "middle", "outer"]);
        }
    });
}

// conforms: 27 test_stack_as_completed_timeout
#[test]
fn test_stack_as_completed_timeout() {
    on_strict_loop(|| async {
        let child = sleeper();
        let task = child.task_ref();
        let mut rest = corio::as_completed([child]);
        let limit = Duration::from_millis(1);
        assert!(corio::timeout(limit, rest.next()).await.is_err());
        drop(rest);
        turns(5).await;
        assert!(!task.done());
        assert_eq!(awaited_by(&task), Vec::<String>::new());
    });
}

// conforms: 27 test_stack_wait_for_non_positive_timeout
#[test]
fn test_stack_wait_for_non_positive_timeout() {
    on_strict_loop(|| async {
        let child = sleeper();
        let task = child.task_ref();
        assert!(corio::wait_for(child, Duration::ZERO).await.is_err());
        turns(5).await;
        assert_eq!(awaited_by(&task), Vec::<String>::new());
    });
}

// conforms: 27 test_call_graph_finished_task
#[test]
fn test_call_graph_finished_task() {
    on_strict_loop(|| async {
        let task = named("finished", async {});
        turns(2).await;
        assert!(task.done() && task.stack(None).is_empty());
        let text = format_call_graph(Some(&task.task_ref()));
        assert_eq!(text, format!("* Task(name='finished', id={})\n", task.id()));
    });
}

// conforms: 27 test_task_print_stack
// differs: a panic's frames are in its backtrace; print_stack says that there is no stack
#[test]
fn test_task_print_stack() {
    on_strict_loop(|| async {
        let task: Task<()> = named("fails", async { std::panic::resume_unwind(Box::new("why")) });
        assert!((&task).await.unwrap_err().is_panic());
        let mut printed = Vec::new();
        task.print_stack(None, Some(&mut printed)).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.starts_with("No stack for <Task "), "{printed}");
        assert!(printed.contains("'fails'"), "{printed}");
    });
}

// conforms: 27 TestAsyncioToolsBasic.test_single_task_tree
#[test]
fn test_single_task_tree() {
    on_strict_loop(|| async {
        let task = sleeper();
        turns(2).await;
        let dump = corio::dump().to_string();
        assert!(dump.contains("1 task waiting for sleep at "), "{dump}");
        assert!(dump.contains("── 'sleeper' "), "{dump}");
        drop(task);
    });
}

// conforms: 27 TestAsyncioToolsBasic.test_complex_tree
#[test]
fn test_complex_tree() {
    on_strict_loop(|| async {
        let leaf = Arc::new(sleeper());
        let task = leaf.task_ref();
        let awaits = |name| {
            let leaf = leaf.clone();
            named(name, async move {
                let _ = (&*leaf).await;
            })
        };
        let (left, right) = (awaits("left"), awaits("right"));
        let top = named("top", async move { drop(corio::gather([left, right]).await) });
        turns(5).await;
        assert_eq!(awaited_by(&task), ["left", "right"]);
        let text = format_call_graph(Some(&task));
        // The top awaits both; its own line stands below each.
        assert_eq!(text.matches("\n        * Task(name='top', ").count(), 2, "{text}");
        assert_eq!(text.matches("+ as above").count(), 1, "{text}");
        let dump = corio::dump().to_string();
        let has = |line: &str| dump.contains(line);
        assert!(has("└── 'top' ") && has("    ├── 'left' ") && has("    └── 'right' "), "{dump}");
        assert!(has("    │   └── 'sleeper' ") && has("        └── 'sleeper' "), "{dump}");
        drop(top);
    });
}

/// A task that awaits the task it is given later.
fn awaits_later(name: &'static str) -> (oneshot::Sender<Arc<Task<()>>>, Arc<Task<()>>) {
    let (give, take) = oneshot::channel::<Arc<Task<()>>>();
    let task = named(name, async move {
        let other = take.await.unwrap();
        let _ = (&*other).await;
    });
    (give, Arc::new(task))
}

// conforms: 27 TestAsyncioToolsBasic.test_cycle_detection
#[test]
fn test_cycle_detection() {
    on_strict_loop(|| async {
        let ((to_a, a), (to_b, b)) = (awaits_later("a"), awaits_later("b"));
        to_a.send(b.clone()).unwrap();
        to_b.send(a.clone()).unwrap();
        turns(5).await;
        let dump = corio::dump().to_string();
        let circles: Vec<_> = dump.lines().filter(|line| line.starts_with("in a circle")).collect();
        assert_eq!(circles.len(), 1, "{dump}");
        assert!(circles[0].contains("'a' ") && circles[0].contains("'b' "), "{dump}");
        a.abort();
    });
}

// conforms: 27 TestAsyncioToolsBasic.test_multiple_cycles_same_node
#[test]
fn test_multiple_cycles_same_node() {
    on_strict_loop(|| async {
        // Two tasks await the one that awaits both of them.
        let (give, take) = oneshot::channel::<Vec<Task<()>>>();
        let node = named("node", async move { drop(corio::gather(take.await.unwrap()).await) });
        let node = Arc::new(node);
        let awaits = |name| {
            let node = node.clone();
            named(name, async move {
                let _ = (&*node).await;
            })
        };
        give.send(vec![awaits("one"), awaits("two")]).unwrap();
        turns(5).await;
        let dump = corio::dump().to_string();
        let circles: Vec<_> = dump.lines().filter(|line| line.starts_with("in a circle")).collect();
        assert_eq!(circles.len(), 2, "{dump}");
        assert!(circles.iter().all(|circle| circle.contains("'node' ")), "{dump}");
        node.abort();
    });
}

// conforms: 27 test_task_with_no_name
// differs: a task without a name is called after the type of its body
#[test]
fn test_task_with_no_name() {
    on_strict_loop(|| async {
        let task = corio::create_task(async { corio::sleep(HOUR).await });
        turns(2).await;
        let dump = corio::dump().to_string();
        assert!(dump.contains(&*task.name()), "{dump}");
        assert!(task.name().contains("test_task_with_no_name"), "{}", task.name());
    });
}

// conforms: 27 test_task_awaits_self
#[test]
fn test_task_awaits_self() {
    on_strict_loop(|| async {
        // Through a composition, because a plain await of the own handle is refused.
        let (give, take) = oneshot::channel::<Task<()>>();
        let itself = named("itself", async move {
            drop(corio::gather([take.await.unwrap()]).await);
        });
        let task = itself.task_ref();
        give.send(itself).unwrap();
        turns(5).await;
        assert_eq!(awaited_by(&task), ["itself"]);
        let id = task.id();
        let dump = corio::dump().to_string();
        let circle = format!("in a circle: 'itself' {id} awaits 'itself' {id}\n");
        assert!(dump.ends_with(&circle), "{dump}");
        task.abort();
    });
}
