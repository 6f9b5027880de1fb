//! TLS for streams, by rustls: asyncio's `ssl` arguments.
//!
//! *Vocabulary.* Under a **secured** connection lies the same socket as before. One task of the
//! connection, the one that sends, makes the handshake and owns the session from then on: it takes
//! what the writer queues, encrypts and sends it, and hands what it has decrypted to the reader
//! through memory. Nobody else touches the session, so nothing is locked.
//!
//! ```text
//! plain --(1)--> handshake --(2)--> secured --(3)--> closing --(4)--> closed
//!                    |                 |                |                ^
//!                    +-----------------+----------------+------(5)-------+
//! ```
//! (1) [`StreamWriter::start_tls`](super::StreamWriter::start_tls), and `ssl` of what connects and
//! serves; (2) the peers agree; (3) the writer is closed or dropped and everything is sent; (4) the
//! peer has said that it ends too; (5) a refusal, an error, a time limit, `abort`.
//!
//! *Differences from asyncio.* A stream that ends without TLS's own end (`close_notify`) may have
//! been cut off by anybody: reading says `UnexpectedEof`, where asyncio says nothing.
//! [`write_eof`](super::StreamWriter::write_eof) works, where asyncio refuses.

mod context;
mod error;
mod handshake;
mod object;
mod open;
mod options;
mod session;

pub use context::{SslContext, create_default_context};
pub use error::SslError;
pub use handshake::StartTls;
pub(super) use handshake::Upgrade;
pub use object::SslObject;
pub(super) use open::secured;
pub use open::{OpenSsl, StartSslServer};
pub(super) use options::SslOptions;
pub(super) use session::run;
/// For contexts that [`SslContext`]'s functions do not make: client certificates, ALPN, resumption.
pub use tokio_rustls::rustls;
