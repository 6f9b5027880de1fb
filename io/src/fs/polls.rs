//! A file in the hands of a trait's method: the bodies of `compat/files.rs`.
//!
//! A method keeps no future between two polls, so what a thread is lent the file for leaves its answer
//! in the file: bytes in the buffer, an error, or [`Told`].

use std::io::{self, SeekFrom};
use std::task::{Context, Poll, ready};

use super::core::{Core, Told};
use super::file::{File, State, handle};

impl File {
    /// Reads ahead unless something was, with room for so many bytes; false at the end of the file.
    fn poll_ahead(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<bool>> {
        loop {
            let core = ready!(self.poll_usable(cx))?;
            core.may_read()?;
            if !core.ahead().is_empty() {
                return Poll::Ready(Ok(true));
            }
            if let Some(Told::End) = core.told.take() {
                return Poll::Ready(Ok(false));
            }
            self.lend(&handle()?, move |core| core.read_ahead(room));
        }
    }

    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        ready!(self.poll_ahead(cx, 1))?;
        Poll::Ready(Ok(self.idle().map_or(&[], Core::ahead)))
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 || !ready!(self.poll_ahead(cx, room))? {
            return Poll::Ready(Ok(0));
        }
        let ahead = self.idle().map_or(&[][..], Core::ahead);
        let n = ahead.len().min(room);
        put(&ahead[..n]);
        self.consume_ahead(n);
        Poll::Ready(Ok(n))
    }

    /// Takes bytes of [`File::poll_fill`].
    pub(crate) fn consume_ahead(&mut self, n: usize) {
        if let State::Idle(core) = &mut self.state {
            core.skip(n.min(core.ahead().len()));
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let core = ready!(self.poll_usable(cx))?;
            core.may_write()?;
            core.told = None;
            if core.try_write(bytes) {
                return Poll::Ready(Ok(bytes.len()));
            }
            let handle = handle()?;
            let n = core.accept(bytes)?;
            self.lend(&handle, Core::write_back);
            // Nothing is taken while as much as there may be is left of a write that failed.
            if n > 0 {
                return Poll::Ready(Ok(n));
            }
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while ready!(self.poll_usable(cx))?.is_dirty() {
            self.lend(&handle()?, Core::write_back);
        }
        Poll::Ready(Ok(()))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let at = self.opened_at;
        loop {
            let Some(core) = ready!(self.poll_idle(cx, at))? else { return Poll::Ready(Ok(())) };
            if !core.is_dirty() {
                let failed = core.deferred.take();
                self.state = State::Closed;
                return Poll::Ready(failed.map_or(Ok(()), Err));
            }
            self.lend(&handle()?, Core::finish);
        }
    }

    pub(crate) fn poll_seek(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            let core = ready!(self.poll_usable(cx))?;
            match core.told.take() {
                Some(Told::At(asked, at)) if asked == to => return Poll::Ready(Ok(at)),
                _ => {}
            }
            if core.is_dirty() {
                self.lend(&handle()?, Core::write_back);
            } else if let SeekFrom::End(_) = to {
                // Where the end is, a file system of another machine has to be asked. To do it again
                // if nobody hears of it does no harm.
                self.lend(&handle()?, move |core| {
                    core.told = Some(Told::At(to, core.seek(to)?));
                    Ok(())
                });
            } else {
                return Poll::Ready(core.seek(to));
            }
        }
    }

    /// Where the next byte is read or written.
    #[cfg(feature = "tokio-io")]
    pub(crate) fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(ready!(self.poll_usable(cx))?.tell())
    }
}
