//! The three families of traits for streams in memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::duplex::{DuplexReader, DuplexStream, DuplexWriter};

/// Reading. `$part` is the half that reads, of a whole stream.
macro_rules! reads {
    ($($type:ident $(.$part:ident)?;)*) => {$(
        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                DuplexReader::poll_read(&mut self$(.$part)?, cx, buf)
            }
        }

        #[cfg(feature = "tokio-io")]
        impl tokio::io::AsyncRead for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let room = buf.remaining();
                self$(.$part)?.poll_put_into(cx, room, |bytes| buf.put_slice(bytes))
            }
        }

        #[cfg(feature = "hyper")]
        impl hyper::rt::Read for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                mut buf: hyper::rt::ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                let room = buf.remaining();
                self$(.$part)?.poll_put_into(cx, room, |bytes| buf.put_slice(bytes))
            }
        }
    )*};
}

/// Writing, for one family and one type.
macro_rules! writes {
    ($trait:path, $end:ident, [$($vectored:tt)*], $type:ident $(.$part:ident)?) => {
        impl $trait for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                DuplexWriter::poll_write_vectored(&mut self$(.$part)?, cx, &[IoSlice::new(buf)])
            }

            $($vectored)*

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                DuplexWriter::poll_write_vectored(&mut self$(.$part)?, cx, bufs)
            }

            /// What was written can be read already.
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn $end(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self$(.$part)?.shutdown();
                Poll::Ready(Ok(()))
            }
        }
    };
}

macro_rules! writes_all {
    ($($type:ident $(.$part:ident)?;)*) => {$(
        #[cfg(feature = "futures-io")]
        writes!(futures_io::AsyncWrite, poll_close, [], $type $(.$part)?);
        #[cfg(feature = "tokio-io")]
        writes!(tokio::io::AsyncWrite, poll_shutdown,
            [fn is_write_vectored(&self) -> bool { true }], $type $(.$part)?);
        #[cfg(feature = "hyper")]
        writes!(hyper::rt::Write, poll_shutdown,
            [fn is_write_vectored(&self) -> bool { true }], $type $(.$part)?);
    )*};
}

reads! {
    DuplexReader;
    DuplexStream.reader;
}

writes_all! {
    DuplexWriter;
    DuplexStream.writer;
}
