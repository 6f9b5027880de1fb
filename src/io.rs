//! From one stream to another, buffers, streams in memory, and the standard streams: [`copy`],
//! [`copy_bidirectional`], [`BufReader`], [`BufWriter`], [`duplex`], [`stdin`], [`stdout`], [`stderr`].
//!
//! The buffers are for sockets, their halves and streams in memory. asyncio's streams in
//! [`stream`](crate::stream), those with TLS and of child processes among them, and
//! [`fs::File`](crate::fs::File) have their own.
//!
//! # Examples
//!
//! A proxy:
//!
//! ```no_run
//! use corio::net::{TcpListener, TcpStream};
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! loop {
//!     let (mut client, _) = listener.accept().await?;
//!     let _detached = corio::create_task(async move {
//!         let mut server = TcpStream::connect("127.0.0.1:80").await?;
//!         corio::io::copy_bidirectional(&mut client, &mut server).await
//!     });
//! }
//! # }
//! ```
//!
//! A line at a time from a socket, and answers that go out together:
//!
//! ```
//! use corio::io::{BufReader, BufWriter};
//! use corio::net::{Shutdown, UnixStream};
//!
//! # fn main() -> std::io::Result<()> {
//! # corio::run(async {
//! let (client, server) = UnixStream::pair()?;
//! let served = corio::create_task(async move {
//!     let (read, write) = server.into_split();
//!     let (mut reader, mut writer) = (BufReader::new(read), BufWriter::new(write));
//!     let mut lines = reader.lines();
//!     while let Some(Ok(line)) = lines.next_line().await {
//!         writer.write_all(b"you said ").await?;
//!         writer.write_all(&line).await?;
//!     }
//!     writer.flush().await
//! });
//! client.write_all(b"one\ntwo\n").await?;
//! client.shutdown(Shutdown::Write)?;
//! let answer = BufReader::new(&client).read(None).await?;
//! assert_eq!(answer, b"you said one\nyou said two\n");
//! served.await.expect("it does not panic")
//! # })
//! # }
//! ```
pub use corio_io::buffered::{BufFlush, BufReader, BufWrite, BufWriteAll, BufWriter};
pub use corio_io::copy::{ByteSink, ByteSource, Copy, CopyBidirectional, copy, copy_bidirectional};
pub use corio_io::duplex::{
    DuplexRead, DuplexReadExact, DuplexReader, DuplexStream, DuplexWrite, DuplexWriteAll,
    DuplexWriter, duplex,
};
pub use corio_io::stdio::{stderr, stdin, stdout};
