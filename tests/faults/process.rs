//! What belongs to the whole process: its signals, its standard streams, the names that it looks up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use corio::net::lookup_host;
use corio::signal::{SignalHandlers, SignalKind, ctrl_c, stream};
use corio_tests::kit::{Signal, poll_once};

use crate::trial::Fault::{Errno, Interrupts, Lengths, Survivable};
use crate::trial::{Outcome, apart, tasks};

fn raise(kind: SignalKind) {
    // Somebody listens to it.
    let kind = rustix::process::Signal::from_named_raw(kind.as_raw()).expect("it has a name");
    apart(|| rustix::process::kill_process(rustix::process::getpid(), kind).unwrap());
}

#[test]
fn signals() {
    async fn run() -> Outcome {
        let ours = stream(SignalKind::user_defined1())?;
        for _ in 0..2 {
            raise(SignalKind::user_defined1());
            ours.recv().await?;
        }
        let mut interrupt = ctrl_c();
        // It listens from its first poll on.
        if let Poll::Ready(refused) = poll_once(&mut interrupt) {
            return Ok(refused?);
        }
        raise(SignalKind::interrupt());
        interrupt.await?;
        let (called, heard) = (Arc::new(AtomicUsize::new(0)), Signal::new());
        let handle = corio::Handle::current();
        handle.add_signal_handler(SignalKind::user_defined2(), {
            let (called, heard) = (called.clone(), heard.clone());
            move || {
                called.fetch_add(1, Ordering::SeqCst);
                heard.set();
            }
        })?;
        raise(SignalKind::user_defined2());
        heard.wait().await;
        assert!(handle.remove_signal_handler(SignalKind::user_defined2()));
        assert_eq!(called.load(Ordering::SeqCst), 1);
        Ok(())
    }
    const FAULTS: &[crate::Fault] =
        &[Errno(libc::EMFILE), Errno(libc::ENOMEM), Survivable(libc::EINTR), Interrupts];
    tasks("process::signals", FAULTS, run);
}

#[test]
fn names() {
    async fn run() -> Outcome {
        let found = again!(lookup_host("127.0.0.1", 80))?;
        assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], 80))]);
        let found = again!(lookup_host("localhost", 80))?;
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 80), "{found:?}");
        Ok(())
    }
    // Not all at once: the C library's resolver asks again and again without an end.
    const FAULTS: &[crate::Fault] =
        &[Survivable(libc::EINTR), Survivable(libc::EMFILE), Survivable(libc::ENOMEM)];
    tasks("process::names", FAULTS, run);
}

/// The standard streams are others' too: nothing but what was written goes there, once.
#[test]
fn the_standard_streams() {
    async fn run() -> Outcome {
        let mut input = again!(async { corio::io::stdin() })?;
        let line = again!(input.read_line(None))?;
        assert_eq!(line, b"", "the test has no input");
        for mut output in
            [again!(async { corio::io::stdout() })?, again!(async { corio::io::stderr() })?]
        {
            let mut rest = &b"said\n"[..];
            while !rest.is_empty() {
                rest = &rest[again!(output.write(rest))?..];
            }
            again!(output.flush())?;
            again!(output.close())?;
        }
        Ok(again!(input.close())?)
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EIO),
        Survivable(libc::EMFILE),
        Survivable(libc::EINTR),
        Interrupts,
        Lengths(6),
    ];
    tasks("process::the_standard_streams", FAULTS, run);
}
