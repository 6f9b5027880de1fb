//! asyncio's streams: [`open_connection`], [`start_server`], [`StreamReader`], [`StreamWriter`].
//!
//! # Examples
//!
//! ```
//! use corio::stream::{open_connection, start_server};
//!
//! # fn main() -> std::io::Result<()> {
//! corio::run(async {
//!     let server = start_server(
//!         async |mut reader, mut writer| {
//!             let mut lines = reader.lines();
//!             while let Some(Ok(line)) = lines.next_line().await {
//!                 writer.write(&line);
//!                 if writer.drain().await.is_err() {
//!                     break;
//!                 }
//!             }
//!         },
//!         "127.0.0.1:0",
//!     )
//!     .await?;
//!     let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
//!     writer.write(b"one\ntwo\n");
//!     writer.write_eof()?;
//!     assert_eq!(reader.read(None).await?, b"one\ntwo\n");
//!     writer.close();
//!     writer.wait_closed().await
//! })
//! # }
//! ```
pub use corio_io::stream::*;
