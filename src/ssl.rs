//! TLS for asyncio's streams: [`SslContext`], [`StreamWriter::start_tls`], and `ssl` of
//! [`open_connection`] and [`start_server`]. Feature `tls`.
//!
//! [`StreamWriter::start_tls`]: crate::stream::StreamWriter::start_tls
//! [`open_connection`]: crate::stream::open_connection
//! [`start_server`]: crate::stream::start_server
//!
//! # Examples
//!
//! ```no_run
//! use corio::ssl::{SslContext, create_default_context};
//! use corio::stream::{open_connection, start_server};
//!
//! # async fn example() -> std::io::Result<()> {
//! let chain = std::fs::read("chain.pem")?;
//! let key = std::fs::read("key.pem")?;
//! let server = start_server(
//!     async |mut reader, mut writer| {
//!         if let Ok(line) = reader.read_line().await {
//!             writer.write(&line);
//!         }
//!     },
//!     "0.0.0.0:4433",
//! )
//! .ssl(SslContext::with_cert_chain(chain, key)?)
//! .await?;
//!
//! let context = create_default_context()?;
//! let (reader, writer) = open_connection("example.org:443").ssl(context).await?;
//! println!("{:?}", writer.get_extra_info().ssl_object);
//! # drop((server, reader));
//! # Ok(())
//! # }
//! ```
pub use corio_io::ssl::*;
