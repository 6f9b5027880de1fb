//! The traits of tokio, from a tokio without features: traits alone, no runtime.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{
    Connected, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, TcpStream, UnixStream, Wire,
    WriteHalf,
};

macro_rules! reads {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                fill(self.wire(), cx, buf)
            }
        }
    };
}

macro_rules! writes {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> AsyncWrite for $type {
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

pub(crate) fn fill(
    stream: Wire<'_>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: nothing that is initialized becomes uninitialized: the slice only goes to a system
    // call that writes into it.
    let unfilled: &mut [MaybeUninit<u8>] = unsafe { buf.unfilled_mut() };
    let n = ready!(stream.poll_read_uninit(cx, unfilled))?;
    // SAFETY: the system has written the first `n` bytes of the unfilled part.
    unsafe { buf.assume_init(n) };
    buf.advance(n);
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
