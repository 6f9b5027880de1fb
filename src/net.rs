//! Sockets: TCP, UDP, Unix, name resolution, and the pieces of `serve`.
//!
//! asyncio's counterparts are `loop.sock_*` and transports. Reads and writes take `&self`: any
//! number of tasks may use one socket, and each of them is woken.
//!
//! # Examples
//!
//! ```
//! use corio::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! corio::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = corio::create_task(async move {
//!         let (stream, _peer) = listener.accept().await?;
//!         stream.write_all(b"hello").await
//!     });
//!     let stream = TcpStream::connect(address).await?;
//!     let mut greeting = [0; 5];
//!     stream.read_exact(&mut greeting).await?;
//!     assert_eq!(&greeting, b"hello");
//!     server.await.unwrap()
//! })
//! # }
//! ```
pub use corio_io::net::*;
