//! The traits of futures-io and of tokio for what has a buffer of its own: files, asyncio's streams, and
//! buffers before other streams.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::buffered::{BufReader, BufWriter};
use crate::copy::{ByteSink, ByteSource};
use crate::fs::File;
use crate::stream::{StreamReader, StreamWriter};

/// Reading, for what has `poll_read`, `poll_fill` and `consume_ahead`.
macro_rules! reads {
    ([$($generics:tt)*] $type:ty) => {
        #[cfg(feature = "futures-io")]
        impl<$($generics)*> futures_io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let room = buf.len();
                let put = |bytes: &[u8]| buf[..bytes.len()].copy_from_slice(bytes);
                <$type>::poll_read(self.get_mut(), cx, room, put)
            }
        }

        #[cfg(feature = "tokio-io")]
        impl<$($generics)*> tokio::io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let room = buf.remaining();
                let read = <$type>::poll_read(self.get_mut(), cx, room, |bytes| {
                    buf.put_slice(bytes);
                });
                read.map_ok(drop)
            }
        }

        reads!(futures_io::AsyncBufRead, "futures-io", [$($generics)*] $type);
        reads!(tokio::io::AsyncBufRead, "tokio-io", [$($generics)*] $type);
    };
    ($trait:path, $feature:literal, [$($generics:tt)*] $type:ty) => {
        #[cfg(feature = $feature)]
        impl<$($generics)*> $trait for $type {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                self.get_mut().poll_fill(cx)
            }

            fn consume(self: Pin<&mut Self>, n: usize) {
                self.get_mut().consume_ahead(n);
            }
        }
    };
}

reads!([] File);
reads!([] StreamReader);
reads!([R: ByteSource + Unpin] BufReader<R>);

/// Writing, for one family and one type; `$end` is the family's name of the last step, `$how` its body.
macro_rules! writes {
    (
        $trait:path, $feature:literal, [$($generics:tt)*] $type:ty, $end:ident => $how:ident,
        [$($vectored:tt)*]
    ) => {
        #[cfg(feature = $feature)]
        impl<$($generics)*> $trait for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_write(self.get_mut(), cx, buf)
            }

            $($vectored)*

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$type>::poll_flush(self.get_mut(), cx)
            }

            fn $end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().$how(cx)
            }
        }
    };
}

/// Several buffers in one call.
macro_rules! vectored {
    ($trait:path, $feature:literal, $type:ty, $end:ident => $how:ident, [$($said:tt)*]) => {
        writes!($trait, $feature, [] $type, $end => $how, [
            $($said)*

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().poll_write_parts(cx, bufs)
            }
        ]);
    };
}

writes!(futures_io::AsyncWrite, "futures-io", [] File, poll_close => poll_finish, []);
writes!(tokio::io::AsyncWrite, "tokio-io", [] File, poll_shutdown => poll_flush, []);
writes!(futures_io::AsyncWrite, "futures-io", [W: ByteSink + Unpin] BufWriter<W>,
    poll_close => poll_end, []);
writes!(tokio::io::AsyncWrite, "tokio-io", [W: ByteSink + Unpin] BufWriter<W>,
    poll_shutdown => poll_end, []);
vectored!(futures_io::AsyncWrite, "futures-io", StreamWriter, poll_close => poll_end, []);
vectored!(tokio::io::AsyncWrite, "tokio-io", StreamWriter, poll_shutdown => poll_end,
    [fn is_write_vectored(&self) -> bool { true }]);

#[cfg(feature = "futures-io")]
impl futures_io::AsyncSeek for File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        Self::poll_seek(self.get_mut(), cx, to)
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().seeking = Some(to);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        let Some(to) = this.seeking else { return this.poll_place(cx) };
        let sought = Self::poll_seek(this, cx, to);
        if sought.is_ready() {
            this.seeking = None;
        }
        sought
    }
}
