//! Every public await, dropped and cancelled at every one of its polls.
//!
//! The table has an entry for each of them; a house test makes the list from the sources and fails
//! if one is missing. An entry sets the stage and gives three things: the operation, a stimulus that
//! completes it, and a check of what its `# Cancel safety` promises. See [`driver`] for what is done
//! to it.

mod buffered;
mod bytes;
mod channels;
mod compositions;
mod driver;
mod duplex;
mod executors;
mod files;
mod files_open;
mod files_text;
mod locks;
mod paths;
mod processes;
mod queues;
mod sockets;
mod sockets_local;
mod sockets_make;
mod ssl;
mod streams;
mod streams_over;
mod support;
mod tasks;
mod timers;

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;

use corio::Builder;
use corio::debug::{Report, ReportKind, set_report_hook};
use corio_tests::PATIENCE;
use driver::{ANOMALIES, Make, at_every_poll};

/// The entries by area.
const AREAS: [(&str, &[(&str, Make)]); 20] = [
    ("buffered", buffered::TABLE),
    ("channels", channels::TABLE),
    ("compositions", compositions::TABLE),
    ("duplex", duplex::TABLE),
    ("executors", executors::TABLE),
    ("files", files::TABLE),
    ("files_open", files_open::TABLE),
    ("files_text", files_text::TABLE),
    ("locks", locks::TABLE),
    ("paths", paths::TABLE),
    ("processes", processes::TABLE),
    ("queues", queues::TABLE),
    ("sockets", sockets::TABLE),
    ("sockets_local", sockets_local::TABLE),
    ("sockets_make", sockets_make::TABLE),
    ("ssl", ssl::TABLE),
    ("streams", streams::TABLE),
    ("streams_over", streams_over::TABLE),
    ("tasks", tasks::TABLE),
    ("timers", timers::TABLE),
];

/// One at a time: descriptors and signals belong to the process.
static TURN: Mutex<()> = Mutex::new(());

/// Runs the table. `CORIO_AWAIT=word` picks the entries that contain the word.
///
/// However long it takes: it hangs if nothing is told of the next entry for so long.
fn on(builder: Builder) {
    let _turn = TURN.lock();
    let picked = std::env::var("CORIO_AWAIT").unwrap_or_default();
    let (begins, begun) = mpsc::channel();
    let running = thread::spawn(move || {
        let main = async {
            for (area, table) in AREAS {
                for (path, make) in table.iter().filter(|(path, _)| path.contains(&picked)) {
                    for anomaly in ANOMALIES {
                        begins.send(format!("{area}: {path}, {anomaly:?}")).expect("it is watched");
                        at_every_poll(path, *make, anomaly).await;
                    }
                }
            }
        };
        // One thread for blocking calls: what is submitted first is done first. Ctrl-C is an await
        // like others here.
        let builder = builder.name("aw").blocking_threads(1).handle_signals(false);
        builder.run(main).expect("main ends well");
    });
    let mut last = String::from("the beginning");
    loop {
        match begun.recv_timeout(PATIENCE) {
            Ok(next) => last = next,
            Err(RecvTimeoutError::Timeout) => panic!("{last}: not done within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        println!("{last}");
    }
    if let Err(panic) = running.join() {
        resume_unwind(panic);
    }
}

#[test]
fn on_four_workers() {
    on(Builder::new().workers(4));
}

#[test]
fn on_one_worker() {
    on(Builder::new().workers(1));
}

#[test]
fn without_stealing() {
    on(Builder::new().workers(2).stealing(false));
}

#[test]
fn with_a_budget_of_one() {
    on(Builder::new().workers(1).poll_budget(1));
}

/// What was polled, or belongs to what was, is never told of as forgotten, whatever becomes of it.
#[test]
fn in_debug_mode_nothing_is_told_of_what_was_awaited() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let hook = |report: &Report| {
        if report.kind() == ReportKind::NeverAwaited {
            TOLD.lock().expect("nobody panics with it").push(report.to_string());
        }
    };
    let before = set_report_hook(Some(Arc::new(hook)));
    on(Builder::new().workers(2).debug(true));
    set_report_hook(before);
    let told = std::mem::take(&mut *TOLD.lock().expect("nobody panics with it"));
    assert!(told.is_empty(), "{told:#?}");
}
