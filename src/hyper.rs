//! What hyper asks of a runtime; [`net::TcpStream`](crate::net::TcpStream) has hyper's I/O traits.
pub use corio_io::hyper::{CorioExecutor, CorioTimer};
