//! Where a connection's service comes from: a clone of one, or made for its peer.

use std::error::Error;
use std::future::{Future, poll_fn, ready};

use tower_service::Service;

/// Gives each connection its service.
///
/// # Examples
///
/// ```
/// use corio_io::net::ForPeer;
/// use std::net::SocketAddr;
///
/// /// Serves those on this machine alone.
/// #[derive(Clone)]
/// struct Near<S>(S);
///
/// impl<S: Clone + Send + 'static> ForPeer<SocketAddr> for Near<S> {
///     type Service = S;
///
///     async fn service_for(self, peer: SocketAddr) -> Option<S> {
///         peer.ip().is_loopback().then_some(self.0)
///     }
/// }
///
/// corio_runtime::run(async {
///     let far = Near("service").service_for("192.0.2.1:80".parse().unwrap()).await;
///     assert_eq!(far, None);
/// });
/// ```
pub trait ForPeer<A>: Clone + Send + 'static {
    /// What serves the requests of one connection.
    type Service;

    /// The service of the connection to `peer`; `None` if there is to be none, and the connection
    /// is closed. Awaited by the connection's task, so that it delays nobody else.
    ///
    /// # Cancel safety
    ///
    /// What the implementation says; a server drops it when its drain deadline passes.
    fn service_for(self, peer: A) -> impl Future<Output = Option<Self::Service>> + Send;
}

/// A clone of the same service for each connection; of [`serve`](super::serve).
#[derive(Clone, Debug)]
pub struct Same<S>(pub(super) S);

impl<A, S: Clone + Send + 'static> ForPeer<A> for Same<S> {
    type Service = S;

    fn service_for(self, _: A) -> impl Future<Output = Option<S>> + Send {
        ready(Some(self.0))
    }
}

/// A service made for each connection; of [`serve_make_service`](super::serve_make_service).
#[derive(Clone, Debug)]
pub struct Made<M>(pub(super) M);

impl<A, M> ForPeer<A> for Made<M>
where
    A: Send + 'static,
    M: Service<A, Error: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + 'static,
    M::Future: Send,
    M::Response: Send,
{
    type Service = M::Response;

    async fn service_for(mut self, peer: A) -> Option<M::Response> {
        poll_fn(|cx| self.0.poll_ready(cx)).await.ok()?;
        self.0.call(peer).await.ok()
    }
}
