//! Files, read and written from a task.

use std::fs;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Corio, Std, Tokio, TokioBuffered};

/// The buffer of those who have none of their own, in bytes: corio's size.
const BUFFER: usize = corio::fs::BUFFER;

/// A library's files, from their beginning to their end.
pub trait Sequential: Send + Sync + 'static {
    /// A file to read.
    type Reader: Send;
    /// A file to write.
    type Writer: Send;

    /// Opens for reading.
    fn open(path: &Path) -> impl Future<Output = io::Result<Self::Reader>> + Send;

    /// Opens for writing, and empties.
    fn create(path: &Path) -> impl Future<Output = io::Result<Self::Writer>> + Send;

    /// Fills `buf`, which may travel; returns how many bytes, fewer only at the end.
    fn read(
        file: &mut Self::Reader,
        buf: Vec<u8>,
    ) -> impl Future<Output = io::Result<(usize, Vec<u8>)>> + Send;

    /// Writes all bytes.
    fn write(
        file: &mut Self::Writer,
        bytes: &'static [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Gives everything to the system.
    fn flush(file: &mut Self::Writer) -> impl Future<Output = io::Result<()>> + Send;
}

/// A library's reads at a place, with buffers that travel.
pub trait Positional: Send + Sync + 'static {
    /// A file to read.
    type File: Send;

    /// Opens for reading.
    fn open_at(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// Reads once, and gives the buffer back.
    fn read_at(
        file: &mut Self::File,
        at: u64,
        buf: Vec<u8>,
    ) -> impl Future<Output = io::Result<(usize, Vec<u8>)>> + Send;
}

impl Sequential for Corio {
    type Reader = corio::fs::File;
    type Writer = corio::fs::File;

    async fn open(path: &Path) -> io::Result<Self::Reader> {
        corio::fs::open(path, "r").await
    }

    async fn create(path: &Path) -> io::Result<Self::Writer> {
        corio::fs::open(path, "w").await
    }

    async fn read(file: &mut Self::Reader, buf: Vec<u8>) -> io::Result<(usize, Vec<u8>)> {
        let (read, buf) = file.read_into(buf).await;
        Ok((read?, buf))
    }

    async fn write(file: &mut Self::Writer, bytes: &'static [u8]) -> io::Result<()> {
        file.write(bytes).await.map(drop)
    }

    async fn flush(file: &mut Self::Writer) -> io::Result<()> {
        file.flush().await
    }
}

impl Positional for Corio {
    type File = corio::fs::File;

    async fn open_at(path: &Path) -> io::Result<Self::File> {
        corio::fs::open(path, "r").await
    }

    async fn read_at(file: &mut Self::File, at: u64, buf: Vec<u8>) -> io::Result<(usize, Vec<u8>)> {
        file.read_at(at, buf).await
    }
}

/// tokio's file as it is.
impl Sequential for Tokio {
    type Reader = tokio::fs::File;
    type Writer = tokio::fs::File;

    async fn open(path: &Path) -> io::Result<Self::Reader> {
        tokio::fs::File::open(path).await
    }

    async fn create(path: &Path) -> io::Result<Self::Writer> {
        tokio::fs::File::create(path).await
    }

    async fn read(file: &mut Self::Reader, mut buf: Vec<u8>) -> io::Result<(usize, Vec<u8>)> {
        Ok((file.read_exact(&mut buf).await?, buf))
    }

    async fn write(file: &mut Self::Writer, bytes: &'static [u8]) -> io::Result<()> {
        file.write_all(bytes).await
    }

    async fn flush(file: &mut Self::Writer) -> io::Result<()> {
        file.flush().await
    }
}

/// tokio has no such call; this is what its users write.
impl Positional for Tokio {
    type File = Arc<fs::File>;

    async fn open_at(path: &Path) -> io::Result<Self::File> {
        Ok(tokio::fs::File::open(path).await?.into_std().await.into())
    }

    async fn read_at(
        file: &mut Self::File,
        at: u64,
        mut buf: Vec<u8>,
    ) -> io::Result<(usize, Vec<u8>)> {
        let file = file.clone();
        let read = move || file.read_at(&mut buf, at).map(|n| (n, buf));
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

/// tokio's file behind a buffer of corio's size.
impl Sequential for TokioBuffered {
    type Reader = tokio::io::BufReader<tokio::fs::File>;
    type Writer = tokio::io::BufWriter<tokio::fs::File>;

    async fn open(path: &Path) -> io::Result<Self::Reader> {
        let file = tokio::fs::File::open(path).await?;
        Ok(tokio::io::BufReader::with_capacity(BUFFER, file))
    }

    async fn create(path: &Path) -> io::Result<Self::Writer> {
        let file = tokio::fs::File::create(path).await?;
        Ok(tokio::io::BufWriter::with_capacity(BUFFER, file))
    }

    async fn read(file: &mut Self::Reader, mut buf: Vec<u8>) -> io::Result<(usize, Vec<u8>)> {
        Ok((file.read_exact(&mut buf).await?, buf))
    }

    async fn write(file: &mut Self::Writer, bytes: &'static [u8]) -> io::Result<()> {
        file.write_all(bytes).await
    }

    async fn flush(file: &mut Self::Writer) -> io::Result<()> {
        file.flush().await
    }
}

/// The floor: std's files behind a buffer of the same size, on the worker itself, which waits.
impl Sequential for Std {
    type Reader = io::BufReader<fs::File>;
    type Writer = io::BufWriter<fs::File>;

    async fn open(path: &Path) -> io::Result<Self::Reader> {
        Ok(io::BufReader::with_capacity(BUFFER, fs::File::open(path)?))
    }

    async fn create(path: &Path) -> io::Result<Self::Writer> {
        Ok(io::BufWriter::with_capacity(BUFFER, fs::File::create(path)?))
    }

    async fn read(file: &mut Self::Reader, mut buf: Vec<u8>) -> io::Result<(usize, Vec<u8>)> {
        file.read_exact(&mut buf)?;
        Ok((buf.len(), buf))
    }

    async fn write(file: &mut Self::Writer, bytes: &'static [u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    async fn flush(file: &mut Self::Writer) -> io::Result<()> {
        file.flush()
    }
}

impl Positional for Std {
    type File = fs::File;

    async fn open_at(path: &Path) -> io::Result<Self::File> {
        fs::File::open(path)
    }

    async fn read_at(
        file: &mut Self::File,
        at: u64,
        mut buf: Vec<u8>,
    ) -> io::Result<(usize, Vec<u8>)> {
        file.read_at(&mut buf, at).map(|n| (n, buf))
    }
}
