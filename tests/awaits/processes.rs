//! Processes and signals: no child is left behind or lost sight of, and each listener hears each
//! signal.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use corio::process::{Child, Command, Stdio, create_subprocess_exec, create_subprocess_shell};
use corio::signal::{SignalKind, Signals, ctrl_c, stream};
use rustix::process::{Signal, getpid, kill_process};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{Gate, lend, lent, next, settle, turns};

/// The processes whose parent this one is.
pub fn children() -> usize {
    let parent = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let stats = processes.filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // "pid (name) state parent ..", and a name may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        Some(rest.split_whitespace().nth(1)? == parent)
    });
    stats.filter(|ours| *ours).count()
}

/// Starts a child that would stay for ten minutes; it goes with its handle, and if nobody got one.
fn starts<F: Future<Output = io::Result<Child>> + Send + 'static>(spawn: F) -> Case {
    let gate = Gate::shut();
    let stimulus = async move {
        turns().await;
        gate.open().await;
    };
    case(spawn, stimulus, async move |got: Option<io::Result<Child>>| {
        drop(got.map(Result::unwrap));
        settle().await;
        until("the child is gone", || children() == 0).await;
    })
}

/// A child that ends when its input does.
async fn cat() -> Child {
    create_subprocess_exec("cat", [""; 0])
        .stdin(Stdio::Pipe)
        .stdout(Stdio::Pipe)
        .kill_on_drop(true)
        .await
        .unwrap()
}

/// An operation that waits for a signal, while another listener hears it in any case.
fn hears<F: Future<Output = io::Result<()>> + Send + 'static>(
    (kind, signal): (SignalKind, Signal),
    hear: impl FnOnce(Arc<Signals>) -> F,
) -> Case {
    let (other, mine) = (stream(kind).unwrap(), Arc::new(stream(kind).unwrap()));
    let stimulus = async move {
        turns().await;
        kill_process(getpid(), signal).unwrap();
    };
    case(hear(mine.clone()), stimulus, async move |got: Option<io::Result<()>>| {
        other.recv().await.unwrap();
        match got {
            Some(heard) => heard.unwrap(),
            // What nobody has taken is still there.
            None => mine.recv().await.unwrap(),
        }
    })
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "process::create_subprocess_exec" => starts(async {
        create_subprocess_exec("sleep", ["600"]).kill_on_drop(true).await
    });
    "process::create_subprocess_shell" => starts(async {
        create_subprocess_shell("exec sleep 600").kill_on_drop(true).await
    });
    "process::Command::spawn" => starts(async {
        Command::new("sleep").arg("600").kill_on_drop(true).spawn().await
    });
    "process::Child::wait" => {
        let mut child = cat().await;
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let child = Arc::new(child);
        let waited = child.clone();
        let stimulus = async move {
            turns().await;
            stdin.close();
        };
        let operation = async move { waited.wait().await.unwrap() };
        case(operation, stimulus, async move |got: Option<ExitStatus>| {
            assert!(got.is_none_or(|status| status.success()));
            assert!(child.wait().await.unwrap().success());
            drop(child);
            until("the child is gone", || children() == 0).await;
        })
    };
    // What the child has said to the first call the second one returns.
    "process::Child::communicate" => {
        let child = lent(cat().await);
        let operation = lend!(child => child.communicate("hello").await.unwrap().stdout);
        let spoken = case(operation, async {}, async move |got: Option<Vec<u8>>| {
            let mut child = child.try_acquire().expect("the operation is over");
            let begun = got.is_some();
            let said = match got {
                Some(said) => said,
                None => child.communicate("").await.unwrap().stdout,
            };
            // Dropped before its first poll it has said nothing.
            assert!(said == b"hello" || (said.is_empty() && !begun), "{said:?}");
            assert!(child.wait().await.unwrap().success());
        });
        spoken.unsteady("the child answers when it likes")
    };

    "signal::Signals::recv" => hears((SignalKind::user_defined1(), Signal::USR1), |mine| async move {
        mine.recv().await
    });
    "signal::Signals as Stream" => {
        let (kind, signal) = (SignalKind::user_defined2(), Signal::USR2);
        let mine = lent(stream(kind).unwrap());
        let operation = lend!(mine => next(&mut *mine).await.unwrap().unwrap());
        let stimulus = async move {
            turns().await;
            kill_process(getpid(), signal).unwrap();
        };
        case(operation, stimulus, async move |got: Option<()>| {
            let mut mine = mine.try_acquire().expect("the operation is over");
            if got.is_none() {
                next(&mut *mine).await.unwrap().unwrap();
            }
        })
    };
    // The listeners beside it keep the signal from ending this process.
    "signal::ctrl_c" => hears((SignalKind::interrupt(), Signal::INT), |mine| async move {
        ctrl_c().await?;
        mine.recv().await
    });
};
