//! T21, T27 and T30 once more: a panic on top of a panic, cancels from where nobody expects them, and
//! chains that are too long to recurse.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corio::{Task, TaskRef, TaskStatus, catch_cancel, spawn};

use crate::support::{Log, count, for_ever, nap, rested, run, until};

/// Set in the process that is to abort.
const ABORTS: &str = "CORIO_TEST_ABORTS";

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a drop's panic");
    }
}

/// Rust's own rule: a drop that panics while another one unwinds ends the process.
#[test]
fn t21_a_panic_on_top_of_a_panic_aborts() {
    if std::env::var_os(ABORTS).is_some() {
        return corio::run(async {
            let task = spawn(catch_cancel(async {
                let _bombs = (Bomb, Bomb);
                for_ever().await;
            }));
            rested(task.task_ref()).await;
            task.cancel();
            drop(task.await);
        });
    }
    let mut this = Command::new(std::env::current_exe().expect("the path of this program"));
    this.args(["--exact", "corners::t21_a_panic_on_top_of_a_panic_aborts", "--nocapture"]);
    let aborted = this.env(ABORTS, "yes").stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&aborted.stderr);
    let status = std::os::unix::process::ExitStatusExt::signal(&aborted.status);
    assert_eq!(status, Some(libc::SIGABRT), "{said}");
    assert_eq!(said.matches("a drop's panic").count(), 2, "{said}");
}

#[test]
fn t27_a_cancel_from_a_done_callback() {
    run(|| async {
        let log = Log::default();
        let other = spawn(for_ever());
        let task = spawn(nap());
        let (said, victim) = (log.clone(), other.task_ref());
        task.add_done_callback(move |task: &TaskRef| {
            let itself = task.cancel();
            said.say(format!("itself {itself}, the other {}", victim.cancel()));
            assert!(task.done() && !task.cancelled());
        });
        assert!(task.await.is_ok());
        assert!(other.await.unwrap_err().is_cancelled());
        log.is(&["itself false, the other true"]);
    });
}

#[test]
fn t27_a_cancel_in_the_eager_step() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = corio::task().eager(true).spawn(async move {
            let me = corio::current_task().expect("inside the task");
            assert!(me.cancel_with("early"));
            catch_cancel(std::future::ready(())).await.expect("what is ready passes");
            inner.say("went on");
            let caught = catch_cancel(for_ever()).await.expect_err("the next wait is told");
            (caught.msg().map(str::to_owned), count())
        });
        log.is(&["went on"]);
        assert_eq!(task.await.unwrap(), (Some("early".to_owned()), 1));

        let task = corio::task().eager(true).spawn(async {
            corio::current_task().expect("inside the task").cancel();
        });
        assert!(task.await.unwrap_err().is_cancelled(), "nothing was left to tell");
    });
}

/// One stack frame for each task would be too many.
#[test]
fn t30_a_long_chain_of_tasks() {
    const LINKS: usize = 20_000;
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    run(|| async {
        let gone = Arc::new(AtomicUsize::new(0));
        let mut links = Vec::new();
        let mut last: Task<()> = spawn(for_ever());
        for _ in 0..LINKS {
            links.push(last.task_ref());
            let token = Gone(gone.clone());
            last = spawn(async move {
                let _token = token;
                drop(last.await);
                unreachable!("a cancel goes through");
            });
        }
        links.push(last.task_ref());
        // One that has not begun yet would let its inner task go.
        for link in &links {
            until(|| matches!(link.status(), TaskStatus::Waiting(_))).await;
        }
        last.cancel_with("all");
        assert_eq!(last.await.unwrap_err().cancelled().unwrap().msg(), Some("all"));
        assert!(links.iter().all(TaskRef::cancelled));
        until(|| gone.load(Ordering::SeqCst) == LINKS).await;
    });
}
