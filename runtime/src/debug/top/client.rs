//! One client of the debug socket: who it is, what it asks, and how long it may take.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::process::geteuid;

use super::serve::{Ready, wait};
use crate::sys::peer;

/// The user who may ask all.
const ROOT: u32 = 0;
/// What the process says first, and the version of all that follows.
const GREETING: &str = "corio-top 1";
/// A client says what it wants in this time.
const QUESTION_TIME: Duration = Duration::from_secs(1);
/// A client has read the answer in this time: a busy machine wants some for a hundred thousand tasks.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// A client that reads nothing for so long is let go.
const STALL_TIME: Duration = Duration::from_secs(5);
/// Longer than any question, its end included.
const QUESTION_BYTES: usize = 64;

/// A client that may ask. Reads and writes wait for it, until its time is over or the thread is to end.
#[derive(Debug)]
pub(super) struct Client<'a> {
    stream: &'a UnixStream,
    stopped: &'a UnixStream,
    until: Instant,
}

impl<'a> Client<'a> {
    /// Greets a client, or turns it away.
    pub(super) fn greet(stream: &'a UnixStream, stopped: &'a UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut client = Self { stream, stopped, until: Instant::now() + QUESTION_TIME };
        let own = geteuid().as_raw();
        let peer = peer(stream.as_fd())?.uid;
        if peer == own || peer == ROOT {
            writeln!(client, "{GREETING}")?;
            return Ok(client);
        }
        writeln!(client, "{GREETING} refused: the process belongs to user {own}")?;
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Reads the question. The time for the answer begins.
    pub(super) fn question(&mut self) -> io::Result<String> {
        let mut bytes = [0; QUESTION_BYTES];
        let mut len = 0;
        while !bytes[..len].contains(&b'\n') {
            match self.read(&mut bytes[len..])? {
                // It went away, or there is no room left.
                0 => return Err(io::ErrorKind::InvalidData.into()),
                n => len += n,
            }
        }
        self.until = Instant::now() + ANSWER_TIME;
        let question = String::from_utf8_lossy(&bytes[..len]);
        Ok(question.lines().next().unwrap_or_default().to_owned())
    }

    /// Does what `operation` does, when it can be done.
    fn when(
        &mut self,
        flags: PollFlags,
        mut operation: impl FnMut(&mut &'a UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match operation(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                done => return done,
            }
            let left = self.until.saturating_duration_since(Instant::now()).min(STALL_TIME);
            if wait(self.stream, flags, self.stopped, Some(left))? != Ready::Yes {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Read for Client<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.when(PollFlags::IN, |stream| stream.read(bytes))
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One that reads a byte now and then would take as long as it likes.
        if self.until <= Instant::now() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.when(PollFlags::OUT, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
