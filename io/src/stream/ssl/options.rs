//! What may be said about a handshake.

use std::time::Duration;

use super::context::SslContext;

/// How long a handshake may take: asyncio's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a closed connection waits for the peer's end: asyncio's.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(in crate::stream) struct SslOptions {
    pub(super) context: SslContext,
    pub(super) server_hostname: Option<String>,
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
}

impl SslOptions {
    pub(super) fn new(context: SslContext) -> Self {
        Self {
            context,
            server_hostname: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

/// asyncio's `ValueError`: "should be a positive number".
#[track_caller]
pub(super) fn positive(limit: Duration) -> Duration {
    assert!(!limit.is_zero(), "a time limit of TLS must be more than 0");
    limit
}

/// The settings of futures that have a method `options(&mut self) -> &mut SslOptions`.
macro_rules! ssl_options {
    ([$($generics:tt)*] $future:ty) => {
        impl<$($generics)*> $future {
            /// How long the handshake may take. Default: 60 s.
            ///
            /// See [`SslContext`](crate::stream::ssl::SslContext) for an example.
            ///
            /// # Panics
            ///
            /// If it is 0.
            #[track_caller]
            pub fn ssl_handshake_timeout(mut self, limit: std::time::Duration) -> Self {
                self.options().handshake_timeout = $crate::stream::ssl::options::positive(limit);
                self
            }

            /// How long a connection that was closed waits until the peer has ended it too.
            /// Default: 30 s. What was written has been sent before; when the time is over the
            /// socket is closed, and `wait_closed` says `TimedOut`.
            ///
            /// See [`SslContext`](crate::stream::ssl::SslContext) for an example.
            ///
            /// # Panics
            ///
            /// If it is 0.
            #[track_caller]
            pub fn ssl_shutdown_timeout(mut self, limit: std::time::Duration) -> Self {
                self.options().shutdown_timeout = $crate::stream::ssl::options::positive(limit);
                self
            }
        }
    };
}
pub(super) use ssl_options;

/// The setting that clients have besides.
macro_rules! ssl_client_options {
    ([$($generics:tt)*] $future:ty) => {
        impl<$($generics)*> $future {
            /// The name that the server's certificate has to be for. Default: the host of the
            /// address that was connected to.
            ///
            /// See [`SslContext`](crate::stream::ssl::SslContext) for an example.
            pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
                self.options().server_hostname = Some(name.into());
                self
            }
        }
    };
}
pub(super) use ssl_client_options;
