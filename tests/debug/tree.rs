//! The tree of a dump: who awaits whom, with debug mode and without.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use corio::{Builder, ReturnWhen, Runtime, Task};
use corio_tests::PATIENCE;

use crate::support::{HOUR, bounded, ignore, listen};

/// Calls a test with a runtime in debug mode, and with another one.
fn with_and_without_debug(test: impl Fn(&Runtime) + Send + 'static) {
    bounded(move || {
        listen();
        for debug in [false, true] {
            test(&Builder::new().workers(2).debug(debug).build().expect("a runtime"));
        }
    });
}

fn spawn(
    runtime: &Runtime,
    name: impl Into<Arc<str>>,
    body: impl Future<Output = ()> + Send + 'static,
) -> Task<()> {
    corio::task().name(name).spawn_on(runtime.handle(), body)
}

fn sleeper(runtime: &Runtime, name: impl Into<Arc<str>>) -> Task<()> {
    spawn(runtime, name, async { corio::sleep(HOUR).await })
}

/// The tree of a dump, without places and with `#` for the number of a task.
fn tree(runtime: &Runtime) -> String {
    let dump = runtime.handle().dump().to_string();
    let tree = dump.split_once("awaits:\n").map_or("", |(_, tree)| tree);
    tree.lines().map(|line| plain(line) + "\n").collect()
}

fn plain(line: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let bare = word.trim_matches(['(', ')', ',']);
        let parts = bare.split_once('.');
        let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
        if bare.contains(".rs:") {
            assert_eq!(out.pop().as_deref(), Some("at"), "{line}");
            if word.ends_with(',') {
                out.last_mut().expect("a word before it").push(',');
            }
        } else if parts.is_some_and(|(slot, use_of_it)| number(slot) && number(use_of_it)) {
            out.push(word.replace(bare, "#"));
        } else {
            out.push(word.to_owned());
        }
    }
    out.join(" ")
}

/// Waits until the tree is this one.
#[track_caller]
fn shows(runtime: &Runtime, expected: &str) {
    let give_up = Instant::now() + PATIENCE / 2;
    loop {
        let tree = tree(runtime);
        if tree == expected {
            return;
        }
        assert!(Instant::now() < give_up, "expected\n{expected}\nfound\n{tree}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn each_composition_stands_above_what_it_awaits() {
    with_and_without_debug(|runtime| {
        macro_rules! edge {
            ($waits:literal, $child:ident => $body:expr) => {{
                let $child = sleeper(runtime, "child");
                let child = $child.task_ref();
                let parent = spawn(runtime, "parent", async move { ignore($body.await) });
                let waits = $waits;
                shows(
                    runtime,
                    &format!(
                        "\
└── 'parent' #, waiting for {waits}, spawned
    └── 'child' #, waiting for sleep, spawned
"
                    ),
                );
                parent.abort();
                child.abort();
                shows(runtime, "");
            }};
        }
        edge!("a task", child => child);
        edge!("a task", child => async move { (&child).await.is_ok() });
        edge!("a task", child => async move {
            corio::join!(child, corio::sleep(std::time::Duration::ZERO)).0.is_ok()
        });
        edge!("a task", child => async move {
            corio::select! { _ = child => (), () = std::future::pending() => () }
        });
        edge!("gather", child => corio::gather([child]));
        edge!("gather", child => corio::gather_all([child]));
        edge!("gather", child => async move {
            corio::gather!(child, corio::create_task(async {})).await.is_ok()
        });
        edge!("wait", child => corio::wait(vec![child], ReturnWhen::AllCompleted, None));
        edge!("a task", child => corio::shield(child));
        edge!("a task", child => corio::timeout(HOUR, child));
        edge!("a task", child => corio::wait_for(child, HOUR));
        edge!("AsCompleted::next", child => async move {
            drop(corio::as_completed([child]).next().await);
        });
        edge!("a JoinSet", child => async move {
            let mut set = corio::JoinSet::new();
            set.insert(child);
            drop(set.join_next().await);
        });
    });
}

#[test]
fn a_group_stands_above_its_children_and_theirs() {
    with_and_without_debug(|runtime| {
        let parent = spawn(runtime, "parent", async {
            let group = corio::task_group(async |group: corio::TaskGroup<()>| {
                let more = group.clone();
                let adds = async move {
                    let added = more.create_task(async { corio::sleep(HOUR).await }).unwrap();
                    added.set_name("added");
                    corio::sleep(HOUR).await;
                };
                group.create_task(adds).unwrap().set_name("adds");
                Ok(())
            });
            drop(group.await);
        });
        shows(
            runtime,
            "\
└── 'parent' #, waiting for a task group, spawned
    ├── 'added' #, waiting for sleep, spawned
    └── 'adds' #, waiting for sleep, spawned
",
        );
        parent.abort();
        shows(runtime, "");
    });
}

#[test]
fn what_outlives_its_group_is_awaited_by_nobody() {
    with_and_without_debug(|runtime| {
        let parent = spawn(runtime, "parent", async {
            let (says, began) = corio::sync::oneshot::channel();
            let mut group = Box::pin(corio::task_group(async |group: corio::TaskGroup<()>| {
                let stays = corio::defer_cancel(async {
                    says.send(()).unwrap();
                    corio::sleep(HOUR).await;
                });
                group.create_task(stays).unwrap().set_name("stays");
                Ok(())
            }));
            std::future::poll_fn(|cx| {
                assert!(group.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            began.await.unwrap();
            drop(group);
            corio::sync::Event::new().wait().await;
        });
        shows(
            runtime,
            "\
├── 'parent' #, waiting for Event::wait, spawned
└── 'stays' #, waiting for sleep, spawned
",
        );
        parent.abort();
    });
}

#[test]
fn tasks_that_differ_by_numbers_make_one_line() {
    with_and_without_debug(|runtime| {
        let serve = |number: usize| {
            let handler = sleeper(runtime, format!("handler {number}"));
            spawn(runtime, format!("connection {number}"), async move { ignore(handler.await) })
        };
        let connections: Vec<_> = (0..5).map(serve).collect();
        let other = sleeper(runtime, "other 7");
        let all = connections.into_iter().chain([other]);
        let all: Vec<_> = all.collect();
        let server = spawn(runtime, "server", async move { ignore(corio::gather(all).await) });
        shows(
            runtime,
            "\
└── 'server' #, waiting for gather, spawned
    ├── 5 x 'connection *', waiting for a task, spawned (#, #, #, ..)
    │   └── 5 x 'handler *', waiting for sleep, spawned (#, #, #, ..)
    └── 'other 7' #, waiting for sleep, spawned
",
        );
        server.abort();
    });
}

#[test]
fn what_several_await_is_shown_below_each_and_unfolded_once() {
    with_and_without_debug(|runtime| {
        let leaf = sleeper(runtime, "leaf");
        let shared = Arc::new(spawn(runtime, "shared", async move { ignore(leaf.await) }));
        let awaits = |name| {
            let shared = shared.clone();
            spawn(runtime, name, async move { assert!((&*shared).await.is_ok()) })
        };
        let _both = [awaits("left"), awaits("right")];
        shows(
            runtime,
            "\
├── 'left' #, waiting for a task, spawned
│   └── 'shared' #, waiting for a task, spawned
│       └── 'leaf' #, waiting for sleep, spawned
└── 'right' #, waiting for a task, spawned
    └── 'shared' #, waiting for a task, spawned (as above)
",
        );
    });
}

#[test]
fn a_circle_stands_at_the_end_and_is_told() {
    with_and_without_debug(|runtime| {
        let (give, take) = corio::sync::oneshot::channel::<Arc<Task<()>>>();
        let left = spawn(runtime, "left", async move {
            let right = take.await.unwrap();
            ignore((&*right).await);
        });
        let left = Arc::new(left);
        let awaited = left.clone();
        let right = spawn(runtime, "right", async move { ignore((&*awaited).await) });
        let right = Arc::new(right);
        give.send(right.clone()).unwrap();
        shows(
            runtime,
            "\
└── 'left' #, waiting for a task, spawned
    └── 'right' #, waiting for a task, spawned
        └── 'left' #, waiting for a task, spawned (as above)
in a circle: 'right' # awaits 'left' # awaits 'right' #
",
        );
        left.abort();
        right.abort();
    });
}

#[test]
fn a_long_chain_is_cut() {
    with_and_without_debug(|runtime| {
        let mut task = sleeper(runtime, "bottom");
        for i in 0..100 {
            let awaited = task;
            let name = if i % 2 == 0 { "even" } else { "odd" };
            task = spawn(runtime, name, async move { ignore(awaited.await) });
        }
        let mut expected = String::new();
        for depth in 0..25 {
            let margin = "    ".repeat(depth);
            let name = if depth % 2 == 0 { "odd" } else { "even" };
            expected += &format!("{margin}└── '{name}' #, waiting for a task, spawned\n");
        }
        expected += &format!("{}└── and what it awaits: 76 more\n", "    ".repeat(25));
        shows(runtime, &expected);
        task.abort();
    });
}

/// The await chain, downwards: as text, and as it is captured.
#[test]
fn a_stack_shows_what_is_awaited_and_what_that_awaits() {
    with_and_without_debug(|runtime| {
        let (one, two) = (sleeper(runtime, "one"), sleeper(runtime, "two"));
        let both = spawn(runtime, "both", async move { ignore(corio::gather([one, two]).await) });
        let top = spawn(runtime, "top", async move { ignore(corio::timeout(HOUR, both).await) });
        shows(
            runtime,
            "\
└── 'top' #, waiting for a task, spawned
    └── 'both' #, waiting for gather, spawned
        ├── 'one' #, waiting for sleep, spawned
        └── 'two' #, waiting for sleep, spawned
",
        );
        let printed = |limit| {
            let mut out = Vec::new();
            top.print_stack(limit, Some(&mut out)).unwrap();
            let text = String::from_utf8(out).unwrap();
            text.lines().skip(1).map(|line| plain(line) + "\n").collect::<String>()
        };
        let all = "  a task
  spawned
  awaits
  └── 'both' #, waiting for gather, spawned
      ├── 'one' #, waiting for sleep, spawned
      └── 'two' #, waiting for sleep, spawned
";
        assert_eq!(printed(None), all);
        assert_eq!(printed(Some(2)), "  a task\n  spawned\n");
        assert_eq!(
            printed(Some(4)),
            all.lines().take(5).map(|it| format!("{it}\n")).collect::<String>()
        );
        let graph = corio::capture_call_graph(Some(&top.task_ref())).unwrap();
        assert_eq!(graph.entries().len(), 1, "nobody awaits it");
        let chain: Vec<_> = graph
            .awaits()
            .iter()
            .map(|entry| (entry.depth, entry.task.name().to_string(), entry.stack[0].what))
            .collect();
        let expected =
            [(0, "top", "a task"), (1, "both", "gather"), (2, "one", "sleep"), (2, "two", "sleep")];
        assert_eq!(chain, expected.map(|(depth, name, what)| (depth, name.to_owned(), what)));
        top.abort();
    });
}

/// Each connection has a task of its own below it, and all names differ.
#[test]
fn ten_thousand_connections_make_a_short_dump() {
    bounded(|| {
        let runtime = Builder::new().workers(2).build().unwrap();
        let connections: Vec<_> = (0..10_000)
            .map(|number| {
                let handler = runtime.create_task(async { corio::sleep(HOUR).await });
                let name = format!("127.0.0.1:{number}");
                spawn(&runtime, name, async move { ignore(handler.await) })
            })
            .collect();
        let server = spawn(&runtime, "server", async move {
            ignore(corio::gather_all(connections).await);
        });
        let give_up = Instant::now() + PATIENCE / 2;
        let tree = loop {
            let tree = tree(&runtime);
            if tree.matches("10000 x ").count() == 2 || Instant::now() > give_up {
                break tree;
            }
        };
        let lines: Vec<_> = tree.lines().collect();
        assert_eq!(lines.len(), 3, "{tree}");
        assert_eq!(lines[0], "└── 'server' #, waiting for gather, spawned");
        let connections = "    └── 10000 x '*.*.*.*:*', waiting for a task, spawned (#, #, #, ..)";
        assert_eq!(lines[1], connections);
        assert!(lines[2].starts_with("        └── 10000 x 'Task-* "), "{tree}");
        server.abort();
    });
}

/// The set was filled by one task and is awaited by another one.
#[test]
fn a_set_that_was_handed_over_is_awaited_by_its_new_owner() {
    with_and_without_debug(|runtime| {
        let (give, take) = corio::sync::oneshot::channel();
        let child = sleeper(runtime, "child");
        let fills = spawn(runtime, "fills", async move {
            let mut set = corio::JoinSet::new();
            set.insert(child);
            assert!(give.send(set).is_ok());
            corio::sleep(HOUR).await;
        });
        let waits = spawn(runtime, "waits", async move {
            let mut set = take.await.unwrap();
            drop(set.join_next().await);
        });
        shows(
            runtime,
            "\
├── 'waits' #, waiting for a JoinSet, spawned
│   └── 'child' #, waiting for sleep, spawned
└── 'fills' #, waiting for sleep, spawned
",
        );
        waits.abort();
        fills.abort();
    });
}

#[test]
fn who_waits_by_run_coroutine_threadsafe_stands_above() {
    with_and_without_debug(|runtime| {
        let handle = runtime.handle().clone();
        let asks = spawn(runtime, "asks", async move {
            let asked = corio::run_coroutine_threadsafe(
                async {
                    corio::current_task().unwrap().set_name("asked");
                    corio::sleep(HOUR).await;
                },
                &handle,
            );
            ignore(asked.await);
        });
        shows(
            runtime,
            "\
└── 'asks' #, waiting for a task, spawned
    └── 'asked' #, waiting for sleep, spawned
",
        );
        asks.abort();
    });
}

/// Wakes somebody else.
struct Passes(Waker);

impl Wake for Passes {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// What the documentation says is not known.
#[test]
fn who_waits_by_a_waker_of_its_own_is_not_known() {
    with_and_without_debug(|runtime| {
        let child = sleeper(runtime, "child");
        let hides = spawn(runtime, "hides", async move {
            let mut wait = pin!(child.into_future());
            std::future::poll_fn(|cx| {
                let waker = Waker::from(Arc::new(Passes(cx.waker().clone())));
                ignore(wait.as_mut().poll(&mut Context::from_waker(&waker)));
                Poll::<()>::Pending
            })
            .await;
        });
        shows(
            runtime,
            "\
├── 'hides' #, waiting for a task, spawned
└── 'child' #, waiting for sleep, spawned
",
        );
        hides.abort();
    });
}
