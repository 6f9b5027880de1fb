//! What to start, and starting it.

use std::ffi::OsStr;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::pin::Pin;
use std::process::Command as StdCommand;
use std::task::{Context, Poll, ready};

use rustix::process::Pid;

use super::child::{Child, Owner};
use super::exit::{Process, Watch};
use super::stdio::{Stdio, Way};
use crate::context::failed;
use crate::fs::{FsTask, run_blocking};
use crate::stream::{DEFAULT_LIMIT, check_limit, pipe_reader, pipe_writer};

/// Starts a program, with arguments as they are: no shell looks at them. Nothing is started before
/// it is awaited; until then it can be told more.
///
/// asyncio: the same; there the pipes are keyword arguments.
///
/// # Cancel safety
///
/// As [`Command::spawn`].
///
/// # Examples
///
/// ```
/// use corio_io::process::{Stdio, create_subprocess_exec};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let mut sort = create_subprocess_exec("sort", ["-r"])
///     .stdin(Stdio::Pipe)
///     .stdout(Stdio::Pipe)
///     .await?;
/// let output = sort.communicate("a\nb\n").await?;
/// assert_eq!(output.stdout, b"b\na\n");
/// assert!(output.status.success());
/// # Ok(())
/// # })
/// # }
/// ```
pub fn create_subprocess_exec<S, A>(program: S, args: impl IntoIterator<Item = A>) -> Command
where
    S: AsRef<OsStr>,
    A: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.std.args(args);
    command
}

/// Starts a line of the shell, by `/bin/sh -c`. Quote what comes from elsewhere, or better use
/// [`create_subprocess_exec`].
///
/// asyncio: the same.
///
/// # Cancel safety
///
/// As [`Command::spawn`].
///
/// # Examples
///
/// ```
/// use corio_io::process::create_subprocess_shell;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let status = create_subprocess_shell("exit 3").await?.wait().await?;
/// assert_eq!(status.code(), Some(3));
/// # Ok(())
/// # })
/// # }
/// ```
pub fn create_subprocess_shell(line: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.std.arg("-c").arg(line);
    command
}

/// A program to start: await it, or its [`spawn`](Self::spawn), for a [`Child`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// corio_runtime::run(async {
///     let child = corio_io::process::Command::new("sh").args(["-c", "exit 3"]).await?;
///     assert_eq!(child.wait().await?.code(), Some(3));
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "nothing is started unless this is awaited"]
pub struct Command {
    std: StdCommand,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    new_session: bool,
    kill_on_drop: bool,
    watch: Watch,
    limit: usize,
}

impl Command {
    /// A program without arguments, that inherits everything. A name without a slash is looked for
    /// along `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            std: StdCommand::new(program),
            stdin: Stdio::Inherit,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            new_session: false,
            kill_on_drop: false,
            watch: Watch::Descriptor,
            limit: DEFAULT_LIMIT,
        }
    }

    /// One more argument.
    ///
    /// See [`env_clear`](Self::env_clear) for an example.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.std.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.std.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let child = Command::new("sh").args(["-c", "echo $WORD"]).env("WORD", "hi");
    /// let output = child.stdout(Stdio::Pipe).await?.communicate("").await?;
    /// assert_eq!(output.stdout, b"hi\n");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.std.env(name, value);
        self
    }

    /// Removes a variable from the child's environment.
    ///
    /// See [`env_clear`](Self::env_clear) for an example.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.std.env_remove(name);
        self
    }

    /// Removes all variables, also those that were set before.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # corio_runtime::run(async {
    /// let show = Command::new("/bin/sh").arg("-c").arg("echo $WORD$HOME$MORE");
    /// let show = show.env("MORE", "x").env_clear().env("WORD", "hi").env("MORE", "!");
    /// let output = show.env_remove("MORE").stdout(Stdio::Pipe).await?.communicate("").await?;
    /// assert_eq!(output.stdout, b"hi\n");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn env_clear(mut self) -> Self {
        self.std.env_clear();
        self
    }

    /// The folder that the child starts in. asyncio: `cwd`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let pwd = Command::new("pwd").current_dir("/").stdout(Stdio::Pipe);
    /// assert_eq!(pwd.await?.communicate("").await?.stdout, b"/\n");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn current_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.std.current_dir(path);
        self
    }

    /// Where the standard input comes from. Default: inherited.
    ///
    /// See [`stderr`](Self::stderr) for an example.
    pub fn stdin(mut self, from: impl Into<Stdio>) -> Self {
        self.stdin = from.into();
        self
    }

    /// Where the standard output goes to. Default: inherited.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut child = Command::new("echo").arg("hi").stdout(Stdio::Pipe).await?;
    /// let output = child.stdout.as_mut().unwrap();
    /// assert_eq!(output.read_line().await.unwrap(), b"hi\n");
    /// child.wait().await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = to.into();
        self
    }

    /// Where the standard error goes to. Default: inherited.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # corio_runtime::run(async {
    /// let both = Command::new("sh").args(["-c", "cat; echo no >&2"]);
    /// let both = both.stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
    /// let output = both.limit(1 << 10).spawn().await?.communicate("yes\n").await?;
    /// assert_eq!((&*output.stdout, &*output.stderr), (&b"yes\n"[..], &b"no\n"[..]));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.stderr = to.into();
        self
    }

    /// Puts the child into a process group: 0 makes a new one, which [`Child::send_signal_to_group`]
    /// reaches.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::Command;
    /// use corio_io::signal::SignalKind;
    ///
    /// # corio_runtime::run(async {
    /// // The shell and its child; of `pidfd(false)` a thread awaits the end.
    /// let child = Command::new("sh").args(["-c", "sleep 600 & wait"]).process_group(0);
    /// let child = child.pidfd(false).await?;
    /// assert_ne!(child.pid(), std::process::id());
    /// child.send_signal_to_group(SignalKind::terminate())?;
    /// child.wait().await?;
    /// assert_eq!(child.returncode(), Some(-15));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn process_group(mut self, group: i32) -> Self {
        self.std.process_group(group);
        self
    }

    /// Whether the child begins a session of its own, without a terminal; it leads a new process
    /// group then. Default: no.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::Command;
    ///
    /// # corio_runtime::run(async {
    /// let mut daemon = Command::new("sh").args(["-c", "exit 3"]).start_new_session(true);
    /// // What this builder does not say, std's does.
    /// assert_eq!(daemon.as_std_mut().get_program(), "sh");
    /// assert_eq!(daemon.await?.wait().await?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn start_new_session(mut self, on: bool) -> Self {
        self.new_session = on;
        self
    }

    /// Whether dropping the [`Child`] kills it, if it still runs. Default: no, it runs on. asyncio's
    /// transport kills when it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let child = Command::new("sleep").arg("600").kill_on_drop(true).await?;
    /// drop(child);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn kill_on_drop(mut self, on: bool) -> Self {
        self.kill_on_drop = on;
        self
    }

    /// Whether the end is awaited by a descriptor of the process, if the system has them; else by a
    /// thread. Default: yes. asyncio: `PidfdChildWatcher` and `ThreadedChildWatcher`.
    ///
    /// See [`process_group`](Self::process_group) for an example.
    pub fn pidfd(mut self, on: bool) -> Self {
        self.watch = if on { Watch::Descriptor } else { Watch::Thread };
        self
    }

    /// The most that a line of the child's output may be long, in bytes. Default:
    /// [`DEFAULT_LIMIT`].
    ///
    /// See [`stderr`](Self::stderr) for an example.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = check_limit(bytes);
        self
    }

    /// std's command, for what this one does not say, such as the user. The three streams that are
    /// set there do not count.
    ///
    /// See [`start_new_session`](Self::start_new_session) for an example.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// Starts it, on a thread of the default executor: making a process may take milliseconds.
    ///
    /// See [`stderr`](Self::stderr) for an example.
    ///
    /// # Errors
    ///
    /// The system's, with the program's name: that there is no such program, for example; or that
    /// there is neither a descriptor nor a thread to learn of the end by, for which the child is
    /// killed. Or one that says that there is no runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict: a child that was started in vain is killed and reaped.
    #[track_caller]
    pub fn spawn(self) -> Spawn {
        let (limit, kill_on_drop) = (self.limit, self.kill_on_drop);
        Spawn { task: run_blocking(move || self.start()), limit, kill_on_drop }
    }

    /// Makes the pipes and the process. Blocks.
    fn start(mut self) -> io::Result<Started> {
        let stdin = self.stdin.open(Way::ToChild, None)?;
        let stdout = self.stdout.open(Way::FromChild, None)?;
        let stderr = self.stderr.open(Way::FromChild, Some(&stdout))?;
        self.std.stdin(stdin.theirs).stdout(stdout.theirs).stderr(stderr.theirs);
        if self.new_session {
            new_session(&mut self.std);
        }
        let program = self.std.get_program().to_owned();
        let child =
            self.std.spawn().map_err(|error| failed("start", program.to_string_lossy(), error))?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the system gave a child without a number"))?;
        // std's child does nothing when it is dropped, and its streams were not its own to make.
        drop(child);
        let process = Process::new(pid, self.watch)
            .map_err(|error| failed("wait for", program.to_string_lossy(), error))?;
        Ok(Started {
            owner: Owner::new(process),
            stdin: stdin.ours,
            stdout: stdout.ours,
            stderr: stderr.ours,
        })
    }
}

/// Makes the child the leader of a session of its own.
fn new_session(command: &mut StdCommand) {
    let setsid = || {
        rustix::process::setsid()?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes one system call, and touches no memory.
    unsafe { command.pre_exec(setsid) };
}

impl IntoFuture for Command {
    type Output = io::Result<Child>;
    type IntoFuture = Spawn;

    #[track_caller]
    fn into_future(self) -> Spawn {
        self.spawn()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

/// A process, and our ends of its pipes. Dropping it kills.
struct Started {
    owner: Owner,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// Future of [`Command::spawn`]: `io::Result<Child>`.
#[derive(Debug)]
#[must_use = "nothing is started unless this is awaited"]
pub struct Spawn {
    task: FsTask<Started>,
    limit: usize,
    kill_on_drop: bool,
}

impl Future for Spawn {
    type Output = io::Result<Child>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Started { mut owner, stdin, stdout, stderr } =
            ready!(Pin::new(&mut this.task).poll(cx))?;
        let stdin = stdin.map(pipe_writer).transpose()?;
        let stdout = stdout.map(|fd| pipe_reader(fd, this.limit)).transpose()?;
        let stderr = stderr.map(|fd| pipe_reader(fd, this.limit)).transpose()?;
        owner.kill_on_drop(this.kill_on_drop);
        Poll::Ready(Ok(Child::new(owner, stdin, stdout, stderr)))
    }
}
