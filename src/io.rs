//! From one stream to another, streams in memory, and the standard streams: [`copy`],
//! [`copy_bidirectional`], [`duplex`], [`stdin`], [`stdout`], [`stderr`].
//!
//! There is no buffered reader here: [`stream`](crate::stream) has asyncio's, which has the traits of
//! futures-io and of tokio as well, as [`fs::File`](crate::fs::File) has.
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
pub use corio_io::copy::{ByteSink, ByteSource, Copy, CopyBidirectional, copy, copy_bidirectional};
pub use corio_io::duplex::{
    DuplexRead, DuplexReadExact, DuplexReader, DuplexStream, DuplexWrite, DuplexWriteAll,
    DuplexWriter, duplex,
};
pub use corio_io::stdio::{stderr, stdin, stdout};
