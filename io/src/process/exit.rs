//! A process that was started: its number, how its end is learnt, and its exit status.
//!
//! *Invariant.* The number belongs to our child as long as `status` is empty. So everything that
//! uses the number or gives it up does so under the lock of `status`: [`Process::reap`] empties the
//! number into a status, [`Process::signal`] refuses once there is one. The lock is held for one or
//! two system calls that do not wait, never across a wait, nor while anything is told to people: a
//! standard error that is a full pipe blocks who writes to it.
//!
//! Somebody else in the program may reap our child all the same, or the system, where SIGCHLD is
//! ignored. A descriptor tells that apart; a number is asked about before it is signalled.
//!
//! ```text
//! running --(1) the system--> ended (a zombie) --(2) reap--> status is set
//! ```
//! (2) is done by whoever finds (1) first: a task that waits, `returncode`, or the thread.
//!
//! *Rejected.* SIGCHLD: it needs a handler in the host program, tells no number, and merges. A
//! descriptor-only protocol without a lock: a process group has to be signalled by its number.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::Location;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;

use corio_runtime::Handle;
use corio_runtime::debug::ReportKind;
use corio_runtime::reactor::Waiter;
use corio_sync::Event;
use corio_sync::place::WaitKind;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};

use crate::signal::SignalKind;
#[cfg(target_os = "linux")]
use crate::source::Registered;

/// What asyncio reports when somebody else has taken the exit status: 255.
const UNKNOWN: i32 = 255 << 8;
/// Stack of a thread that waits for one process, in bytes: it makes system calls only.
const STACK: usize = 64 << 10;

/// Asks after a child and leaves all as it is; fails if there is no such child.
const LOOK: WaitIdOptions =
    WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG).union(WaitIdOptions::NOWAIT);

/// How the end is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// By a descriptor of the process, if the system has them.
    Descriptor,
    /// By a thread.
    Thread,
}

/// A process that was started.
pub(super) struct Process {
    pid: Pid,
    #[cfg(target_os = "linux")]
    descriptor: Option<Registered<std::os::fd::OwnedFd>>,
    /// Set by the thread, if there is one.
    ended: Event,
    status: Mutex<Option<ExitStatus>>,
}

impl Process {
    /// Takes over a child that nobody else waits for. If its end cannot be learnt, it is killed and
    /// reaped, which blocks: a child that is never heard of would be waited for in vain.
    pub(super) fn new(pid: Pid, watch: Watch) -> io::Result<Arc<Self>> {
        let process = Arc::new(Self {
            pid,
            #[cfg(target_os = "linux")]
            descriptor: if watch == Watch::Descriptor { describe(pid) } else { None },
            ended: Event::new(),
            status: Mutex::new(None),
        });
        let watched = match process.watch() {
            Watch::Descriptor => Ok(()),
            Watch::Thread => process.clone().watch_by_thread(),
        };
        if watched.is_err() {
            // Both fail only if somebody else has reaped it.
            let _ = process.signal(SignalKind::from_raw(libc::SIGKILL), false);
            let _ = process.ask(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            process.reap();
        }
        watched.map(|()| process)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn watch(&self) -> Watch {
        if self.descriptor.is_some() { Watch::Descriptor } else { Watch::Thread }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn watch(&self) -> Watch {
        Watch::Thread
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    fn status(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        // Nothing in here panics between a change and its end.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exit status, if the process has ended.
    pub(super) fn reap(&self) -> Option<ExitStatus> {
        let mut status = self.status();
        if status.is_some() {
            return *status;
        }
        if let Ok(found) = self.ask(WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            *status = found.map(|found| raw_status(&found));
            return *status;
        }
        *status = Some(ExitStatus::from_raw(UNKNOWN));
        drop(status);
        tell(format_args!(
            "somebody else has taken the exit status of child {}; 255 stands for it",
            self.pid()
        ));
        Some(ExitStatus::from_raw(UNKNOWN))
    }

    /// Asks the system, which fails only if it knows no such child.
    fn ask(&self, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
        loop {
            match rustix::process::waitid(self.id(), options) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn id(&self) -> WaitId<'_> {
        match &self.descriptor {
            Some(descriptor) => WaitId::PidFd(descriptor.fd()),
            None => WaitId::Pid(self.pid),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn id(&self) -> WaitId<'_> {
        WaitId::Pid(self.pid)
    }

    /// Signals the process, or its group; does nothing once it was reaped.
    pub(super) fn signal(&self, kind: SignalKind, group: bool) -> io::Result<()> {
        let Some(signal) = Signal::from_named_raw(kind.as_raw()) else {
            let message = format!("a child cannot be sent {kind}: it has no name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        let status = self.status();
        if status.is_some() {
            return Ok(());
        }
        // We have not reaped it, and cannot before the lock is given back. If nobody else has, the
        // number is our child's.
        let by_number = group || self.watch() == Watch::Thread;
        if by_number && self.ask(LOOK).is_err() {
            return Ok(());
        }
        let sent = if group {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            self.send(signal)
        };
        match sent {
            // Somebody else has reaped it, or it leads no group.
            Err(Errno::SRCH) if !group => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Signals by the descriptor, which stays right even if somebody else has reaped the process.
    #[cfg(target_os = "linux")]
    fn send(&self, signal: Signal) -> rustix::io::Result<()> {
        match &self.descriptor {
            Some(descriptor) => rustix::process::pidfd_send_signal(descriptor.fd(), signal),
            None => rustix::process::kill_process(self.pid, signal),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, signal: Signal) -> rustix::io::Result<()> {
        rustix::process::kill_process(self.pid, signal)
    }

    /// Waits for the end.
    pub(super) fn poll_end(
        &self,
        waiter: &mut EndWaiter<'_>,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        let Some(ended) = &mut waiter.ended else {
            return self.poll_descriptor(&mut waiter.readiness, at, cx);
        };
        if let Some(status) = self.reap() {
            return Poll::Ready(Ok(status));
        }
        if Pin::new(ended).poll(cx).is_pending() {
            corio_sync::place::note(WaitKind::Child, at);
            return Poll::Pending;
        }
        Poll::Ready(self.reap().ok_or_else(|| io::Error::other("a child ended without a status")))
    }

    #[cfg(target_os = "linux")]
    fn poll_descriptor(
        &self,
        waiter: &mut Waiter,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        use corio_runtime::reactor::Direction;

        let descriptor = self.descriptor.as_ref().expect("asked for where there is one only");
        let reap = || self.reap().ok_or(io::ErrorKind::WouldBlock.into());
        let (fd, source) = (descriptor.fd(), descriptor.source());
        crate::source::step(WaitKind::Child, at, cx, |cx| {
            source.poll_io_with(fd, Direction::Read, waiter, cx, reap)
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn poll_descriptor(
        &self,
        _waiter: &mut Waiter,
        _at: &'static Location<'static>,
        _cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        unreachable!("there is a thread for each child here")
    }

    /// What a future needs in order to wait.
    pub(super) fn waiter(&self) -> EndWaiter<'_> {
        let ended = (self.watch() == Watch::Thread).then(|| self.ended.wait().inside());
        EndWaiter { readiness: Waiter::default(), ended }
    }

    /// Blocks a thread of its own until the process has ended, and reaps it.
    fn watch_by_thread(self: Arc<Self>) -> io::Result<()> {
        let builder = thread::Builder::new().name("corio-child".into()).stack_size(STACK);
        let started = builder.spawn(move || {
            // A process that somebody else has reaped has ended, too.
            let _ = self.ask(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            self.reap();
            self.ended.set();
        });
        started.map(drop)
    }

    /// Sees to it that the process is reaped although nobody waits for it any more.
    pub(super) fn leave(self: Arc<Self>) {
        if self.watch() == Watch::Thread || self.reap().is_some() {
            return;
        }
        let orphan = Orphan { process: self, waiter: Waiter::default() };
        // A runtime that takes no more tasks drops it, and that starts a thread.
        if let Ok(handle) = Handle::try_current() {
            drop(handle.try_create_task(orphan));
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("watch", &self.watch())
            .field("status", &*self.status())
            .finish()
    }
}

/// Tells people. Not to be called with the lock: it may block, and runs the user's hook.
fn tell(what: fmt::Arguments<'_>) {
    corio_runtime::__private::report(ReportKind::System, what);
}

/// A place among those who wait for the end.
pub(super) struct EndWaiter<'a> {
    readiness: Waiter,
    ended: Option<corio_sync::EventWait<'a>>,
}

/// A child that was dropped while it ran: a task that reaps it. If the task is dropped too, a thread
/// does.
struct Orphan {
    process: Arc<Process>,
    waiter: Waiter,
}

impl Future for Orphan {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { process, waiter } = self.get_mut();
        process.poll_descriptor(waiter, Location::caller(), cx).map(drop)
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if self.process.reap().is_some() {
            return;
        }
        if let Err(error) = self.process.clone().watch_by_thread() {
            // Nobody waits for it any more, and the system reaps it when this process has ended.
            tell(format_args!("no thread to wait for child {}: {error}", self.process.pid()));
        }
    }
}

/// A descriptor of a process. `None` if the system has none of them, or refuses, or is too old to
/// wait by them.
#[cfg(target_os = "linux")]
fn describe(pid: Pid) -> Option<Registered<std::os::fd::OwnedFd>> {
    use corio_runtime::reactor::SourceKind;
    use rustix::process::PidfdFlags;

    let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let id = WaitId::PidFd(std::os::fd::AsFd::as_fd(&descriptor));
    // Linux 5.3 opens descriptors that `waitid` does not take yet.
    if rustix::process::waitid(id, LOOK).err() == Some(Errno::INVAL) {
        return None;
    }
    Some(Registered::new(descriptor, SourceKind::Other))
}

/// The status as `wait` gives it: the code in the second byte, or the signal in the first.
fn raw_status(found: &WaitIdStatus) -> ExitStatus {
    const DUMPED: i32 = 0x80;
    let raw = match (found.exit_status(), found.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) => signal | if found.dumped() { DUMPED } else { 0 },
        (None, None) => UNKNOWN,
    };
    ExitStatus::from_raw(raw)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    use corio_runtime::debug::{Report, set_report_hook};

    use super::*;

    fn number(child: &std::process::Child) -> Pid {
        let number = i32::try_from(child.id()).ok();
        number.and_then(Pid::from_raw).expect("a child has a number")
    }

    #[expect(clippy::zombie_processes, reason = "reaping is what is tested")]
    fn start(watch: Watch, script: &str) -> Arc<Process> {
        let child = Command::new("sh").args(["-c", script]).spawn().expect("sh is there");
        Process::new(number(&child), watch).expect("a thread can be made")
    }

    /// A child with default signals, whatever this process was started with; it says when it has them.
    #[expect(clippy::zombie_processes, reason = "reaping is what is tested")]
    fn asleep(watch: Watch) -> Arc<Process> {
        let mut command = Command::new("env");
        command.args(["--default-signal", "sh", "-c", "echo; exec sleep 60"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("env is there");
        child.stdout.take().expect("a pipe").read_exact(&mut [0]).expect("it says so");
        Process::new(number(&child), watch).expect("a thread can be made")
    }

    fn end(process: &Process) -> ExitStatus {
        loop {
            if let Some(status) = process.reap() {
                return status;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn both_ways_tell_codes_and_signals() {
        for watch in [Watch::Descriptor, Watch::Thread] {
            assert_eq!(end(&start(watch, "exit 7")).code(), Some(7));
            let sleeping = asleep(watch);
            sleeping.signal(SignalKind::terminate(), false).unwrap();
            assert_eq!(end(&sleeping).signal(), Some(libc::SIGTERM));
            // Reaped: there is nobody to signal, and that is no error.
            sleeping.signal(SignalKind::terminate(), false).unwrap();
        }
    }

    /// A child whose status somebody else has taken.
    #[expect(clippy::zombie_processes, reason = "reaping is what is tested")]
    fn bereft() -> Arc<Process> {
        let child = Command::new("true").spawn().expect("true is there");
        let pid = number(&child);
        let process = Process::new(pid, Watch::Descriptor).expect("a descriptor needs no thread");
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
        process
    }

    #[test]
    fn a_status_that_somebody_else_took_is_255() {
        let process = bereft();
        // Neither is anybody signalled by its number before that is known.
        process.signal(SignalKind::terminate(), true).unwrap();
        assert_eq!(end(&process).code(), Some(255));
        process.signal(SignalKind::terminate(), false).unwrap();
    }

    /// Who is told may take its time, and may ask about the child: nobody waits for it meanwhile.
    #[test]
    fn telling_people_holds_up_nobody() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let process = bereft();
        let name = format!("child {};", process.pid());
        let (told, asked) = mpsc::channel();
        let hook = {
            let process = process.clone();
            move |report: &Report| {
                if report.text().contains(&name) {
                    let (done, answer) = mpsc::channel();
                    let process = process.clone();
                    thread::spawn(move || {
                        let sent = process.signal(SignalKind::terminate(), false);
                        done.send((process.reap().and_then(|status| status.code()), sent.is_ok()))
                    });
                    let _ = told.send(answer.recv_timeout(PATIENCE));
                }
            }
        };
        let before = set_report_hook(Some(Arc::new(hook)));
        assert_eq!(process.reap().and_then(|status| status.code()), Some(255));
        set_report_hook(before);
        assert_eq!(asked.recv(), Ok(Ok((Some(255), true))));
    }

    #[test]
    fn signals_without_a_name_are_refused() {
        let process = start(Watch::Descriptor, "exit 0");
        let error = process.signal(SignalKind::from_raw(1000), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        end(&process);
    }
}
