//! Child processes, and runtimes that start and end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use corio::process::{Child, Stdio, create_subprocess_exec, create_subprocess_shell};
use corio::signal::SignalKind;
use corio::{Builder, Runtime};

use crate::pattern;
use crate::plan::{self, Plan};
use crate::seam::refuse_children;
use crate::trial::Fault::{Errno, Interrupts, Survivable};
use crate::trial::{Outcome, apart, behind_the_seam, fresh_tasks, stack, tasks, threads};

async fn a_child_that_answers() -> Outcome {
    a_child_that_is_watched(true).await
}

async fn a_child_that_a_thread_waits_for() -> Outcome {
    a_child_that_is_watched(false).await
}

async fn a_child_that_is_watched(pidfd: bool) -> Outcome {
    let cat = create_subprocess_exec("cat", [""; 0]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
    let mut cat = cat.pidfd(pidfd).await?;
    let question = pattern(100_000);
    let output = cat.communicate(question.clone()).await?;
    assert!(output.stdout == question, "{} bytes came back", output.stdout.len());
    assert!(output.status.success());
    let sh = create_subprocess_exec("sh", ["-c", "exit 3"]).pidfd(pidfd);
    let status = sh.await?.wait().await?;
    assert_eq!(status.code(), Some(3));
    Ok(())
}

#[test]
fn a_child_answers() {
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENFILE),
        Errno(libc::ENOMEM),
        Errno(libc::EIO),
        Errno(libc::ENOSPC),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("programs::a_child_answers", FAULTS, a_child_that_answers);
}

#[test]
fn a_child_that_a_thread_waits_for_answers() {
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENOMEM),
        Errno(libc::EIO),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    let test = "programs::a_child_that_a_thread_waits_for_answers";
    tasks(test, FAULTS, a_child_that_a_thread_waits_for);
}

/// Without a thread to wait for it there is no child: who waits for one hears of its end.
#[test]
fn a_child_without_a_thread_to_wait_for_it() {
    async fn run() -> Outcome {
        // That of the run before is reaped although nobody has heard of it.
        // SAFETY: the call takes numbers, and tells nothing where it is given no place for it.
        let waited = || unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        apart(|| {
            corio_tests::eventually("the end of all children", || (waited() < 0).then_some(()))
        });
        let sh = create_subprocess_exec("sh", ["-c", "read line; exit 3"]).stdin(Stdio::Pipe);
        let mut child = sh.pidfd(false).await?;
        let mut input = child.stdin.take().expect("a pipe");
        let (status, ()) = corio::join!(child.wait(), async {
            // It is waited for when it ends.
            corio::yield_now().await;
            input.close();
        });
        assert_eq!(status?.code(), Some(3));
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[Errno(libc::EAGAIN), Errno(libc::ENOMEM)];
    fresh_tasks("programs::a_child_without_a_thread_to_wait_for_it", FAULTS, run);
}

#[test]
fn a_child_without_threads() {
    const FAULTS: &[crate::Fault] = &[Errno(libc::EAGAIN), Errno(libc::ENOMEM)];
    fresh_tasks("programs::a_child_without_threads", FAULTS, a_child_that_answers);
}

#[test]
fn a_runtime_starts_and_ends() {
    fn run(number: usize) -> Outcome {
        let runtime = Builder::new().workers(2).stack_size(stack(number)).build()?;
        let answer = runtime.block_on(async {
            let ticks = corio::create_task(async {
                corio::sleep(Duration::from_micros(100)).await;
                3
            });
            Ok::<_, crate::trial::Failure>(ticks.await? + corio::to_thread(|| 4).await?)
        });
        assert!(runtime.shutdown(None).is_clean());
        assert_eq!(answer?, 7);
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENFILE),
        Errno(libc::ENOMEM),
        Errno(libc::ENOSPC),
        Errno(libc::EAGAIN),
        Interrupts,
    ];
    threads("programs::a_runtime_starts_and_ends", FAULTS, run);
}

#[test]
fn main_runs_or_is_told_why_not() {
    fn run(number: usize) -> Outcome {
        let ran = Builder::new().workers(2).stack_size(stack(number)).run(async {
            corio::sleep(Duration::from_micros(100)).await;
            7
        });
        assert_eq!(ran?, 7);
        Ok(())
    }
    const FAULTS: &[crate::Fault] =
        &[Errno(libc::EMFILE), Errno(libc::ENOMEM), Errno(libc::EAGAIN), Interrupts];
    threads("programs::main_runs_or_is_told_why_not", FAULTS, run);
}

/// The system makes no process: the caller is told, and no descriptor is left.
#[test]
fn a_child_that_cannot_be_made() {
    behind_the_seam("programs::a_child_that_cannot_be_made", || {
        let runtime = Runtime::new().unwrap();
        // What is made once is made now.
        runtime.block_on(a_child_that_answers()).unwrap();
        runtime.block_on(async { corio::to_thread(|| ()).await }).unwrap();
        let before = corio_tests::at_rest(corio_tests::open_descriptors);
        refuse_children(libc::EAGAIN).unwrap();
        for shell in [false, true] {
            let command = match shell {
                true => create_subprocess_shell("true"),
                false => create_subprocess_exec("true", [""; 0]),
            };
            let piped = command.stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
            let error = runtime.block_on(piped.spawn()).unwrap_err();
            assert!(error.to_string().contains("(os error 11)"), "{error}");
        }
        // Threads are not refused.
        assert_eq!(runtime.block_on(async { corio::to_thread(|| 3).await }).unwrap(), 3);
        corio_tests::eventually("the end of all descriptors", || {
            (corio_tests::open_descriptors() <= before).then_some(())
        });
        assert!(runtime.shutdown(None).is_clean());
    });
}

/// A child that ends by itself and leads a group.
fn brief(runtime: &Runtime, pidfd: bool) -> Child {
    let command = create_subprocess_exec("true", [""; 0]).pidfd(pidfd).process_group(0);
    runtime.block_on(command.kill_on_drop(true).spawn()).expect("true is there")
}

/// Every way to signal it but by dropping it.
fn signal_in_all_ways(child: &Child) {
    child.kill().unwrap();
    child.terminate().unwrap();
    child.send_signal(SignalKind::hangup()).unwrap();
    child.send_signal_to_group(SignalKind::hangup()).unwrap();
}

/// What a thread does whose calls are seen.
fn seen(body: impl FnOnce() + Send + 'static) {
    thread::spawn(body).join().unwrap();
}

#[test]
fn nobody_signals_a_child_that_was_reaped() {
    behind_the_seam("programs::nobody_signals_a_child_that_was_reaped", || {
        let runtime = Runtime::new().unwrap();
        for pidfd in [true, false] {
            let child = brief(&runtime, pidfd);
            runtime.block_on(child.wait()).unwrap();
            plan::arm(Plan::Signals);
            seen(move || {
                signal_in_all_ways(&child);
                drop(child);
            });
            let struck = plan::disarm();
            assert_eq!(struck.seen, 0, "{} was made, with pidfd {pidfd}", struck.call);
        }
    });
}

#[test]
fn nobody_signals_the_number_of_a_child_that_somebody_else_has_reaped() {
    let test = "programs::nobody_signals_the_number_of_a_child_that_somebody_else_has_reaped";
    behind_the_seam(test, || {
        let runtime = Runtime::new().unwrap();
        for pidfd in [true, false] {
            let child = brief(&runtime, pidfd);
            let pid = i32::try_from(child.pid()).unwrap();
            // SAFETY: the call takes numbers, and tells nothing where it is given no place for it.
            let reaped = unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            // With a thread that waits for its end corio may be the first.
            assert!(reaped == pid || !pidfd, "waitpid returned {reaped}");
            plan::arm(Plan::Signals);
            seen(move || {
                signal_in_all_ways(&child);
                drop(child);
            });
            let struck = plan::disarm();
            // By a descriptor nobody is hit but the child, if it still were there.
            assert!(struck.times == 0 || struck.call == "pidfd_send_signal", "{struck:?}");
        }
    });
}

/// Children whose ends meet signals, for each way to learn of an end.
const RACES: usize = 150;
/// Signals to one child; it ends somewhere among them.
const SIGNALS_MAX: usize = 2_000;

#[test]
fn signals_that_race_with_the_end_hit_nobody_else() {
    behind_the_seam("programs::signals_that_race_with_the_end_hit_nobody_else", || {
        let runtime = Runtime::new().unwrap();
        for pidfd in [true, false] {
            plan::arm(Plan::Signals);
            for race in 0..RACES {
                let child = Arc::new(brief(&runtime, pidfd));
                let sender = thread::spawn({
                    let child = child.clone();
                    // Nothing happens to a process that goes on when it is told to.
                    let go_on = SignalKind::resume();
                    move || {
                        for _ in 0..SIGNALS_MAX {
                            child.send_signal(go_on).unwrap();
                            // Its group ends with it, before it is reaped.
                            let _ = child.send_signal_to_group(go_on);
                        }
                    }
                });
                // Whoever finds the end reaps: a task that waits, or a thread that asks.
                if race % 2 == 0 {
                    runtime.block_on(child.wait()).unwrap();
                } else {
                    while child.returncode().is_none() {
                        thread::yield_now();
                    }
                }
                sender.join().unwrap();
                assert_eq!(child.returncode(), Some(0));
            }
            let struck = plan::disarm();
            assert_eq!(struck.times, 0, "{struck:?}, with pidfd {pidfd}");
            assert!(struck.seen > RACES as u64, "{struck:?}: most ended before the first signal");
        }
    });
}
