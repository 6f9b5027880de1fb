//! The thread of the debug socket.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::client::Client;
use super::looks::Looks;
use super::{answer, shown};

/// Pause after the system gave no descriptor for a client, who stays in the queue.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

thread_local! {
    static IS_SERVER: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is that of the socket.
pub(super) fn is_server() -> bool {
    IS_SERVER.get()
}

/// How to end the thread.
#[derive(Debug)]
pub(super) struct Server {
    /// The thread holds the other end, which sees when this is dropped.
    stop: Option<UnixStream>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Takes the name, and starts the thread. std opens all descriptors such that a program that is
    /// executed does not inherit them.
    pub(super) fn start() -> io::Result<Self> {
        let name = format!("corio-top/{}", std::process::id());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = UnixStream::pair()?;
        let thread = std::thread::Builder::new()
            .name("corio-top".into())
            .spawn(move || Serving { listener, stopped, looks: Looks::new() }.run())?;
        Ok(Self { stop: Some(stop), thread })
    }

    /// Tells the thread to end: at once, or after the look that it is just taking.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the thread has ended and the name is free again.
    pub(super) fn join(self) {
        let Self { stop, thread } = self;
        drop(stop);
        // It calls no code of users, so it ends well.
        let _ = thread.join();
    }
}

/// What the thread has.
struct Serving {
    listener: UnixListener,
    stopped: UnixStream,
    looks: Looks,
}

impl Serving {
    fn run(mut self) {
        IS_SERVER.set(true);
        loop {
            let due = self.looks.due().saturating_duration_since(Instant::now());
            match wait(&self.listener, PollFlags::IN, &self.stopped, Some(due)) {
                Ok(Ready::Yes) => self.accept(),
                Ok(Ready::Stop) => return,
                // The kernel refuses the call itself: there is no way to serve.
                Err(_) => return,
                Ok(Ready::TimeOut) => (),
            }
            self.looks.take_due(&shown());
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            // A client that goes away, or is too slow, has lost its own answer only.
            Ok((stream, _)) => drop(self.answer(&stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(_) => {
                let _ =
                    wait(&self.stopped, PollFlags::IN, &self.stopped, Some(NO_DESCRIPTOR_PAUSE));
            }
        }
    }

    fn answer(&mut self, stream: &UnixStream) -> io::Result<()> {
        let mut client = Client::greet(stream, &self.stopped)?;
        let question = client.question()?;
        answer::answer(&mut client, &question, &mut self.looks)
    }
}

/// What [`wait`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Yes,
    TimeOut,
    /// The thread is to end.
    Stop,
}

/// Waits until a descriptor is ready, or failed, or the thread is to end.
pub(super) fn wait(
    on: impl AsFd,
    flags: PollFlags,
    stopped: &UnixStream,
    timeout: Option<Duration>,
) -> io::Result<Ready> {
    let mut fds = [PollFd::new(stopped, PollFlags::IN), PollFd::new(&on, flags)];
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()) as _,
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) => Ok(Ready::TimeOut),
        // A signal's handler ran: the operation says whether it is time.
        Err(Errno::INTR) => Ok(Ready::Yes),
        Ok(_) if !fds[0].revents().is_empty() => Ok(Ready::Stop),
        Ok(_) => Ok(Ready::Yes),
        Err(error) => Err(error.into()),
    }
}
