//! Child processes, and runtimes that start and end.

use std::time::Duration;

use corio::Builder;
use corio::process::{Stdio, create_subprocess_exec};

use crate::pattern;
use crate::trial::Fault::{Errno, Interrupts, Survivable};
use crate::trial::{Outcome, fresh_tasks, stack, tasks, threads};

async fn a_child_that_answers() -> Outcome {
    let cat = create_subprocess_exec("cat", [""; 0]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
    let mut cat = cat.await?;
    let question = pattern(100_000);
    let output = cat.communicate(question.clone()).await?;
    assert!(output.stdout == question, "{} bytes came back", output.stdout.len());
    assert!(output.status.success());
    let status = create_subprocess_exec("sh", ["-c", "exit 3"]).await?.wait().await?;
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
