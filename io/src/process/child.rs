//! A child that runs.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::communicate::Communicate;
use super::exit::{EndWaiter, Process};
use crate::made::Made;
use crate::signal::SignalKind;
use crate::stream::{StreamReader, StreamWriter};

/// A child process. Dropping it lets the child run, unless
/// [`kill_on_drop`](super::Command::kill_on_drop) was asked for; it is reaped in any case. Dropping
/// closes the pipes that were not taken out.
///
/// No signal is ever sent for a child that was reaped, since its number may be somebody else's by
/// then: [`kill`](Self::kill) and the others do nothing, which is no error. Whoever has to know looks
/// at [`returncode`](Self::returncode).
///
/// asyncio: `Process`, whose `kill` raises `ProcessLookupError` after the end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use corio_io::process::create_subprocess_exec;
///
/// # fn main() -> std::io::Result<()> {
/// corio_runtime::run(async {
///     let child = create_subprocess_exec("sleep", ["600"]).await?;
///     // So long it may take to end by itself.
///     let patience = Duration::from_millis(10);
///     if corio_runtime::time::timeout(patience, child.wait()).await.is_err() {
///         child.kill()?;
///     }
///     child.wait().await?;
///     assert_eq!(child.returncode(), Some(-9));
///     child.kill()?;
///     Ok(())
/// })
/// # }
/// ```
pub struct Child {
    /// The child's standard input, if it is a pipe. What is queued when it is closed is still sent.
    pub stdin: Option<StreamWriter>,
    /// The child's standard output, if it is a pipe.
    pub stdout: Option<StreamReader>,
    /// The child's standard error, if it is a pipe.
    pub stderr: Option<StreamReader>,
    owner: Owner,
}

impl Child {
    pub(super) fn new(
        owner: Owner,
        stdin: Option<StreamWriter>,
        stdout: Option<StreamReader>,
        stderr: Option<StreamReader>,
    ) -> Self {
        Self { stdin, stdout, stderr, owner }
    }

    /// Its number. Once the child has been reaped it may be another process' number.
    ///
    /// See [`Command::process_group`](super::Command::process_group) for an example.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.owner.process.pid()
    }

    /// How it ended: its exit code, or the number of the signal that killed it, negative; `None`
    /// while it runs. 255 if somebody else has taken the status.
    #[doc(alias = "try_wait")]
    #[must_use]
    pub fn returncode(&self) -> Option<i32> {
        let status = self.owner.process.reap()?;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// Waits for the end of the process, which does not wait for its pipes: there may be output
    /// left to read. A child that writes more than a pipe holds (64 KiB on Linux) does not end
    /// unless it is read: see [`communicate`](Self::communicate).
    ///
    /// Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict: the child runs on, and can be waited for again.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::create_subprocess_exec;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let child = create_subprocess_exec("sh", ["-c", "exit 3"]).await?;
    /// assert_eq!(child.wait().await?.code(), Some(3));
    /// assert_eq!(child.returncode(), Some(3));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn wait(&self) -> ChildWait<'_> {
        let process = &*self.owner.process;
        ChildWait { process, waiter: process.waiter(), made: Made::here("Child::wait") }
    }

    /// Sends `input`, closes the child's input, reads its output and error to their ends, and waits
    /// for the child. What was written to or read from its pipes before is not repeated.
    ///
    /// A child that does not read its input is no error.
    ///
    /// # Errors
    ///
    /// The system's, also for input that could not be sent: a second call returns the output then;
    /// `InvalidInput` if there is input and the child's is no pipe.
    ///
    /// # Cancel safety
    ///
    /// Strict: what was read stays in the readers, and the rest of the input is still sent. A second
    /// call, without input, returns everything; so a [`timeout`](corio_runtime::time::timeout)
    /// around it loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Stdio, create_subprocess_exec};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// corio_runtime::run(async {
    ///     let sort = create_subprocess_exec("sort", [""; 0]);
    ///     let mut sort = sort.stdin(Stdio::Pipe).stdout(Stdio::Pipe).await?;
    ///     let output = sort.communicate("two\none\n").await?;
    ///     assert_eq!(output.stdout, b"one\ntwo\n");
    ///     assert!(output.status.success());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias("output", "wait_with_output"))]
    #[track_caller]
    pub fn communicate(&mut self, input: impl Into<Vec<u8>>) -> Communicate<'_> {
        let Self { stdin, stdout, stderr, owner } = self;
        let process = &*owner.process;
        let made = Made::here("Child::communicate");
        Communicate::new(input.into(), [stdout, stderr], stdin, process, made)
    }

    /// Sends a signal. A child that was reaped gets none, which is no error. On Linux it goes through
    /// the child's descriptor (pidfd_send_signal(2)), where the system has one.
    ///
    /// # Errors
    ///
    /// The system's; `InvalidInput` for 0 and for real-time signals.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::create_subprocess_exec;
    /// use corio_io::signal::SignalKind;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let child = create_subprocess_exec("sleep", ["600"]).await?;
    /// child.send_signal(SignalKind::user_defined1())?;
    /// child.wait().await?;
    /// assert_eq!(child.returncode(), Some(-SignalKind::user_defined1().as_raw()));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        self.owner.process.signal(kind, false)
    }

    /// Sends a signal to the process group that the child leads, as to those that a shell has started
    /// and not waited for. It does nothing once the child was reaped: the number may be that of
    /// another group then. asyncio: `os.killpg(process.pid, signal)`.
    ///
    /// See [`Command::process_group`](super::Command::process_group) for an example.
    ///
    /// # Errors
    ///
    /// The system's: it leads none, unless it was started with
    /// [`process_group(0)`](super::Command::process_group) or in a session of its own.
    pub fn send_signal_to_group(&self, kind: SignalKind) -> io::Result<()> {
        self.owner.process.signal(kind, true)
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::create_subprocess_exec;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let child = create_subprocess_exec("sleep", ["600"]).await?;
    /// child.terminate()?;
    /// child.wait().await?;
    /// assert_eq!(child.returncode(), Some(-15));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(SignalKind::terminate())
    }

    /// Ends it: SIGKILL.
    ///
    /// # Errors
    ///
    /// The system's.
    #[doc(alias = "start_kill")]
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(KILL)
    }
}

const KILL: SignalKind = SignalKind::from_raw(libc::SIGKILL);

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("returncode", &self.returncode())
            .finish_non_exhaustive()
    }
}

/// Who sees to it that a process is reaped.
pub(super) struct Owner {
    process: Arc<Process>,
    kill_on_drop: bool,
}

impl Owner {
    /// Kills when it is dropped, until it is told otherwise.
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self { process, kill_on_drop: true }
    }

    pub(super) fn kill_on_drop(&mut self, on: bool) {
        self.kill_on_drop = on;
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // It may have ended; nobody is there to be told otherwise.
            let _ = self.process.signal(KILL, false);
        }
        self.process.clone().leave();
    }
}

/// Future of [`Child::wait`]: `io::Result<ExitStatus>`.
#[must_use = "nothing is awaited unless this is"]
pub struct ChildWait<'a> {
    process: &'a Process,
    waiter: EndWaiter<'a>,
    made: Made,
}

impl Future for ChildWait<'_> {
    type Output = io::Result<ExitStatus>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { process, waiter, made } = self.get_mut();
        process.poll_end(waiter, made.begin(), cx)
    }
}

impl fmt::Debug for ChildWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildWait")
            .field("process", self.process)
            .field("at", &format_args!("{}", self.made.at()))
            .finish()
    }
}
