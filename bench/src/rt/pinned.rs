//! A `Send` coat for what must stay on its thread, checked at run time.
//!
//! nio's timers and sockets are not `Send`; the tasks that use them are pinned and never move.
//! The workloads are generic and ask for `Send`. [`Pinned`] makes both true: it may be sent, and
//! aborts the process when it is touched on any other thread than the one that made it. The
//! check is a thread-local load and a comparison, about a nanosecond.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

static NEXT_THREAD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// A number that no other thread has, nor will have.
    // Relaxed: only that no two threads get the same number matters.
    static THREAD: u64 = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

fn this_thread() -> u64 {
    THREAD.with(|number| *number)
}

pin_project_lite::pin_project! {
    /// A value that is used on one thread only.
    pub struct Pinned<T> {
        #[pin]
        value: T,
        home: u64,
    }

    impl<T> PinnedDrop for Pinned<T> {
        fn drop(this: Pin<&mut Self>) {
            this.check();
        }
    }
}

// SAFETY: `check` runs before every access to the value and before its drop, and aborts unless
// the thread is the one that made the value. A `Pinned` that moves is memory that nobody reads.
unsafe impl<T> Send for Pinned<T> {}

impl<T> Pinned<T> {
    /// Wraps a value of the calling thread.
    pub fn new(value: T) -> Self {
        Self { value, home: this_thread() }
    }

    /// The value.
    pub fn get_mut(&mut self) -> &mut T {
        self.check();
        &mut self.value
    }

    /// The value, pinned.
    pub fn project_value(self: Pin<&mut Self>) -> Pin<&mut T> {
        self.check();
        self.project().value
    }

    /// Aborts, since a panic within `drop` would still go on to drop the value.
    fn check(&self) {
        let here = this_thread();
        if here != self.home {
            eprintln!("a value of thread {} was used on thread {here}", self.home);
            std::process::abort();
        }
    }
}

impl<T> fmt::Debug for Pinned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("home", &self.home).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Pinned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project_value().poll(cx)
    }
}

impl<T: AsyncRead> AsyncRead for Pinned<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project_value().poll_read(cx, buf)
    }
}

impl<T: AsyncWrite> AsyncWrite for Pinned<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project_value().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project_value().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project_value().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project_value().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.check();
        self.value.is_write_vectored()
    }
}
