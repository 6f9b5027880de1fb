//! From host names to addresses.
//!
//! The system's resolver (`getaddrinfo`) blocks, so it runs on a thread of the default executor.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::{Handle, Job};
use corio_sync::place::{self, WaitKind};

use crate::context::failed;
use crate::made::Made;

/// Looks a host name up by the system's resolver.
///
/// asyncio: `loop.getaddrinfo`, which returns more than addresses.
///
/// # Errors
///
/// The resolver's, with the host's name; also if there is no address.
///
/// # Cancel safety
///
/// Strict: dropping the future forgets the lookup, which may still run to its end on its thread.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// for address in corio_io::net::lookup_host("localhost", 80).await? {
///     println!("{address}");
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "getaddrinfo")]
#[track_caller]
pub fn lookup_host(host: &str, port: u16) -> LookupHost {
    LookupHost::new(host, port, Made::here("lookup_host"))
}

/// Future of [`lookup_host`]: `io::Result<Vec<SocketAddr>>`, never an empty one.
///
/// # Examples
///
/// ```
/// let lookup = corio_io::net::lookup_host("localhost", 80);
/// assert_eq!((lookup.host(), lookup.port()), ("localhost", 80));
/// ```
#[must_use = "a lookup does nothing unless it is awaited"]
pub struct LookupHost {
    host: Box<str>,
    port: u16,
    job: Option<Job<io::Result<Vec<SocketAddr>>>>,
    made: Made,
}

impl LookupHost {
    pub(super) fn new(host: &str, port: u16, made: Made) -> Self {
        Self { host: host.into(), port, job: None, made }
    }

    /// What is looked up.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that all results will have.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Future for LookupHost {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let at = this.made.begin();
        let (host, port) = (&this.host, this.port);
        let job = match &mut this.job {
            Some(job) => job,
            None => {
                let handle = Handle::try_current().map_err(io::Error::other)?;
                let host = host.clone();
                let find = move || Ok((&*host, port).to_socket_addrs()?.collect());
                this.job.insert(handle.run_in_executor(None, find))
            }
        };
        place::note(WaitKind::Executor, at);
        let found = match ready!(Pin::new(job).poll(cx)) {
            Ok(Ok(found)) if found.is_empty() => Err(io::ErrorKind::NotFound.into()),
            Ok(found) => found,
            Err(error) => Err(io::Error::other(error)),
        };
        Poll::Ready(found.map_err(|error| failed("lookup", &this.host, error)))
    }
}

impl fmt::Debug for LookupHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupHost")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
