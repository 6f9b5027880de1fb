//! What needs a runtime, called where there is none: a panic or an error that says what to do.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use corio::net::{TcpListener, UdpSocket, UnixDatagram, UnixStream};
use corio_tests::kit::block_on;

use crate::support::{bounded, message};

const MS: Duration = Duration::from_millis(1);

/// What a call says that cannot work: the message of its panic, or what an `unwrap` would show.
fn said<R: Debug>(call: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => format!("{result:?}"),
        Err(payload) => message(&*payload).to_owned(),
    }
}

/// Calls, as they are written, with what they say.
macro_rules! calls {
    ($($call:expr),* $(,)?) => { vec![$((stringify!($call), said(|| $call))),*] };
}

/// Waits, likewise.
macro_rules! waits {
    ($($wait:expr),* $(,)?) => { vec![$((stringify!($wait), said(|| block_on($wait)))),*] };
}

/// On a thread that has never seen a runtime, so that nobody has left anything behind.
fn nowhere(calls: impl FnOnce() -> Vec<(&'static str, String)> + Send + 'static) {
    bounded(|| {
        let said = thread::spawn(calls).join().expect("the calls are caught");
        // What is local to a loop is made elsewhere by the handle's way.
        let remedies = ["corio::run", "Handle::create_pinned_task"];
        let says = |said: &str| remedies.iter().any(|remedy| said.contains(remedy));
        let silent: Vec<_> = said.iter().filter(|(_, said)| !says(said)).collect();
        assert!(silent.is_empty(), "these name no remedy: {silent:#?}");
    });
}

#[test]
fn tasks_name_the_remedy() {
    nowhere(|| {
        calls![
            corio::create_task(async {}),
            corio::create_local_task(async {}),
            corio::ensure_future(async {}),
            corio::task().name("nobody's").spawn(async {}),
            corio::task().spawn_local(async {}),
            corio::task().eager(true).spawn(async {}),
            corio::current_task(),
            corio::all_tasks(),
            corio::Handle::current(),
            corio::Handle::try_current().map_err(|error| error.to_string()),
            corio::get_running_loop().map_err(|error| error.to_string()),
            corio::get_event_loop().map_err(|error| error.to_string()),
            corio::to_thread(|| ()),
            corio::run_in_executor(None, || ()),
            corio::JoinSet::new().spawn(async {}),
        ]
    });
}

#[test]
fn compositions_name_the_remedy() {
    nowhere(|| {
        waits![
            corio::gather([async {}]),
            corio::gather_all([async {}]),
            corio::try_gather([async { Ok::<_, ()>(()) }]),
            async { corio::as_completed([async {}]).next().await },
            corio::shield(async {}),
            corio::task_group(async |group: corio::TaskGroup<()>| {
                group.create_task(async {}).map(drop).map_err(drop)
            }),
        ]
    });
}

#[test]
fn timers_name_the_remedy() {
    nowhere(|| {
        waits![
            corio::sleep(MS),
            corio::sleep_until(Instant::now() + MS),
            async { corio::interval_at(Instant::now() + MS, MS).tick().await },
            corio::timeout(MS, std::future::pending::<()>()),
            corio::timeout_at(Instant::now() + MS, std::future::pending::<()>()),
            corio::wait_for(std::future::pending::<()>(), MS),
            corio::timeout_scope(MS, async |_: corio::TimeoutScope| {
                std::future::pending::<()>().await;
            }),
        ]
    });
}

#[test]
fn the_outside_world_names_the_remedy() {
    nowhere(|| {
        waits![
            async { TcpListener::bind("127.0.0.1:0").await?.accept().await.map(drop) },
            async { TcpListener::bind("localhost:0").await.map(drop) },
            async { UdpSocket::bind("127.0.0.1:0").await?.recv_from(&mut [0]).await.map(drop) },
            async { UnixStream::pair()?.0.read(&mut [0]).await },
            async { UnixDatagram::pair()?.0.recv(&mut [0]).await },
            corio::net::lookup_host("localhost", 80),
            async { corio::stream::open_connection("localhost:1").await.map(drop) },
            async { corio::fs::open("/dev/null", "r").await.map(drop) },
            async { corio::fs::read("/dev/null").await.map(drop) },
            corio::signal::ctrl_c(),
            async {
                corio::process::create_subprocess_exec("true", [""; 0]).spawn().await.map(drop)
            },
        ]
    });
}
