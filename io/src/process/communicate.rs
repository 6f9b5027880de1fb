//! Talking to a child until it ends.
//!
//! *Invariant.* What was read lies in the readers until the poll that returns: dropping the future
//! loses nothing.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};

use super::exit::{EndWaiter, Process};
use crate::made::Made;
use crate::stream::ahead::ReadAhead;
use crate::stream::{StreamReader, StreamWriter};

/// Future of [`Child::communicate`](super::Child::communicate): `io::Result<Output>`.
#[must_use = "nothing is sent or read unless this is awaited"]
pub struct Communicate<'a> {
    /// Taken when it is sent.
    input: Option<Vec<u8>>,
    stdin: &'a mut Option<StreamWriter>,
    /// The output and the error.
    readers: [&'a mut Option<StreamReader>; 2],
    status: Option<ExitStatus>,
    process: &'a Process,
    waiter: EndWaiter<'a>,
    made: Made,
}

impl<'a> Communicate<'a> {
    pub(super) fn new(
        input: Vec<u8>,
        readers: [&'a mut Option<StreamReader>; 2],
        stdin: &'a mut Option<StreamWriter>,
        process: &'a Process,
        made: Made,
    ) -> Self {
        let waiter = process.waiter();
        Self { input: Some(input), stdin, readers, status: None, process, waiter, made }
    }

    /// Hands all input to the writer, which sends it by itself, and closes.
    fn send(&mut self) -> io::Result<()> {
        let Some(input) = self.input.take() else { return Ok(()) };
        match self.stdin {
            Some(stdin) => {
                // A child that no longer reads is found out by nobody: its output is what counts.
                stdin.write(&input);
                stdin.close();
                Ok(())
            }
            None if input.is_empty() => Ok(()),
            None => {
                let message = "there is input, but the child's standard input is no pipe";
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }

    /// What kept the input from being sent, but that the child did not want it. Told once: the output
    /// stays where it is, for another call.
    fn not_sent(&mut self) -> Option<io::Error> {
        let error = self.stdin.as_ref().and_then(StreamWriter::lost)?;
        let unwanted = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        if unwanted.contains(&error.kind()) {
            return None;
        }
        *self.stdin = None;
        Some(error)
    }
}

impl Future for Communicate<'_> {
    type Output = io::Result<Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let at = this.made.begin();
        this.send()?;
        let mut pending = false;
        for reader in this.readers.iter_mut().filter_map(|reader| reader.as_mut()) {
            pending |= reader.poll_to_end(at, cx)?.is_pending();
        }
        if this.status.is_none() {
            match this.process.poll_end(&mut this.waiter, at, cx)? {
                Poll::Ready(status) => this.status = Some(status),
                Poll::Pending => pending = true,
            }
        }
        let Some(status) = this.status.filter(|_| !pending) else { return Poll::Pending };
        if let Some(error) = this.not_sent() {
            return Poll::Ready(Err(error));
        }
        let mut all = this
            .readers
            .iter_mut()
            .map(|reader| reader.as_mut().map(StreamReader::take_all).unwrap_or_default());
        let mut next = || all.next().unwrap_or_default();
        let (stdout, stderr) = (next(), next());
        Poll::Ready(Ok(Output { status, stdout, stderr }))
    }
}

impl fmt::Debug for Communicate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Communicate")
            .field("process", self.process)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
