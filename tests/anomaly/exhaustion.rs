//! The system refuses threads or descriptors: an error that says so, and nothing is left.

use std::fs::File;

use corio::{BuildError, Builder, RunError};
use corio_tests::kit::{Ledger, threads_named};
use corio_tests::{at_rest, eventually, open_descriptors};

use corio_tests::child::alone;

/// A stack that no machine can map.
const IMPOSSIBLE_STACK: usize = 1 << 46;

/// Checks that no runtime is left: its threads, and descriptors beyond `before`.
#[track_caller]
fn nothing_is_left(before: usize) {
    eventually("the threads' ends", || threads_named("doomed").is_empty().then_some(()));
    eventually("the descriptors' ends", || (open_descriptors() <= before).then_some(()));
}

#[test]
fn a_refused_thread_is_an_error() {
    alone("exhaustion::a_refused_thread_is_an_error", ":", || {
        let before = at_rest(open_descriptors);
        for workers in [1, 2, 5] {
            let doomed =
                || Builder::new().name("doomed").workers(workers).stack_size(IMPOSSIBLE_STACK);
            let error = doomed().build().map(drop).expect_err("a thread with that stack");
            assert!(matches!(error, BuildError::Thread(_)), "{error:?}");
            assert!(error.to_string().contains("thread"), "{error}");
            assert!(std::error::Error::source(&error).is_some());
            nothing_is_left(before);
            if workers == 1 {
                // The caller is the only worker and needs no new stack.
                continue;
            }
            let ledger = Ledger::new();
            let token = ledger.token();
            let ran = doomed().run(async move {
                let _token = token;
                panic!("main ran");
            });
            let Err(RunError::Build(BuildError::Thread(_))) = ran.map(|(): ()| ()) else {
                panic!("it ran")
            };
            assert_eq!(ledger.live(), 0);
            nothing_is_left(before);
        }
        // What was refused keeps nothing from working.
        assert_eq!(Builder::new().workers(2).run(async { 1 }).expect("it runs"), 1);
    });
}

#[test]
fn threads_that_run_out_half_way_are_an_error() {
    // Room for some stacks of 64 MiB, not for forty.
    let limits = "ulimit -v 1500000";
    alone("exhaustion::threads_that_run_out_half_way_are_an_error", limits, || {
        let before = at_rest(open_descriptors);
        let many = || Builder::new().name("doomed").workers(40).stack_size(64 << 20);
        for _ in 0..3 {
            let error = many().build().map(drop).expect_err("40 stacks of 64 MiB in 1.5 GB");
            assert!(matches!(error, BuildError::Thread(_)), "{error:?}");
            nothing_is_left(before);
            let ran = many().run(async {});
            assert!(matches!(ran, Err(RunError::Build(BuildError::Thread(_)))), "{ran:?}");
            nothing_is_left(before);
        }
        let few = Builder::new().workers(4).stack_size(64 << 20).build().expect("4 stacks fit");
        assert!(few.shutdown(None).is_clean());
    });
}

#[test]
fn descriptors_that_run_out_are_an_error() {
    let name = "exhaustion::descriptors_that_run_out_are_an_error";
    alone(name, "ulimit -n 64", || {
        let before = at_rest(open_descriptors);
        let doomed = || Builder::new().name("doomed").workers(40);
        let error = doomed().build().map(drop).expect_err("40 pollers in 64 descriptors");
        assert!(matches!(error, BuildError::Poller(_)), "{error:?}");
        assert!(error.to_string().contains("poller"), "{error}");
        nothing_is_left(before);
        let ran = doomed().run(async {});
        assert!(matches!(ran, Err(RunError::Build(BuildError::Poller(_)))), "{ran:?}");
        nothing_is_left(before);
        // One after the other is taken away, so that each step of the start fails once.
        let mut kept = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            kept.push(file);
        }
        let mut refused = 0;
        loop {
            match Builder::new().name("doomed").workers(2).build() {
                Ok(runtime) => {
                    assert_eq!(runtime.block_on(async { 1 }), 1);
                    drop(runtime);
                    break;
                }
                Err(error) => assert!(matches!(error, BuildError::Poller(_)), "{error:?}"),
            }
            refused += 1;
            kept.pop().expect("with none taken away it works");
            eventually("the threads' ends", || {
                // The listing itself needs a descriptor.
                let spare = kept.pop();
                let none = threads_named("doomed").is_empty();
                kept.extend(spare.and_then(|_| File::open("/dev/null").ok()));
                none.then_some(())
            });
        }
        assert!(refused > 2, "{refused} refusals");
        drop(kept);
        nothing_is_left(before);
    });
}
