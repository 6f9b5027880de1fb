//! hyper's I/O traits, executor and timer.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use corio_runtime::time;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

use crate::net::{
    Connected, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, TcpStream, UnixStream, Wire,
    WriteHalf,
};

macro_rules! reads {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Read for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                fill(self.wire(), cx, buf)
            }
        }
    };
}

macro_rules! writes {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Write for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_write(cx, buf)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_write_vectored(cx, bufs)
            }

            /// Nothing is buffered here.
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.close_write())
            }
        }
    };
}

fn fill(
    stream: Wire<'_>,
    cx: &mut Context<'_>,
    mut buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: nothing that is initialized becomes uninitialized: the slice only goes to a system
    // call that writes into it.
    let unfilled: &mut [MaybeUninit<u8>] = unsafe { buf.as_mut() };
    let n = ready!(stream.poll_read_uninit(cx, unfilled))?;
    // SAFETY: the system has written the first `n` bytes behind the cursor.
    unsafe { buf.advance(n) };
    Poll::Ready(Ok(()))
}

reads!([] TcpStream);
reads!([] UnixStream);
reads!([S: StreamSocket] OwnedReadHalf<S>);
reads!([S: StreamSocket] ReadHalf<'_, S>);
writes!([] TcpStream);
writes!([] UnixStream);
writes!([S: StreamSocket] OwnedWriteHalf<S>);
writes!([S: StreamSocket] WriteHalf<'_, S>);

/// Runs what hyper spawns, such as the streams of an HTTP/2 connection, as tasks of the calling
/// thread's runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioExecutor;

impl<F> Executor<F> for CorioExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(corio_runtime::create_task(future));
    }
}

/// hyper's clock: timers of the calling thread's runtime, and its time, virtual or real.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorioTimer;

/// A sleep of corio's as hyper wants it.
#[derive(Debug)]
struct TimerSleep(time::Sleep);

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Sleep for TimerSleep {}

impl Timer for CorioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep(time::sleep(duration).inside()))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep(time::sleep_until(deadline).inside()))
    }

    fn now(&self) -> Instant {
        time::now()
    }

    /// Without the allocation that hyper's own body makes: an HTTP/1 connection resets its timer
    /// for each request.
    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(ours) => ours.get_mut().0.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
