//! nio: one event loop per worker, tasks placed on the worker with the shortest queue.
//!
//! Its timers and sockets live on one worker and are not `Send`; see [`Pinned`]. It has no yield
//! of its own in its public interface, so the one that any future could write stands in. Its
//! worker threads never end.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use nio::net::{TcpConnection, TcpListener, TcpStream};
use nio::{JoinHandle, Runtime, RuntimeBuilder};
use tokio::io::AsyncWriteExt;

use super::pinned::Pinned;
use super::{Net, Rt, Setup};

/// nio's runtime.
pub struct Nio(Runtime);

fn builder(setup: &Setup) -> RuntimeBuilder {
    let workers = u8::try_from(setup.workers).expect("nio has at most 255 workers");
    RuntimeBuilder::new().worker_threads(workers)
}

impl Rt for Nio {
    type Net = NioNet;

    fn switches(_: &Setup) -> Option<String> {
        None
    }

    fn start(setup: &Setup) -> Self {
        Self(builder(setup).rt().expect("nio's runtime starts"))
    }

    fn stop(self) {
        drop(self.0);
    }

    fn run<F>(setup: &Setup, main: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        builder(setup).build().expect("nio's runtime starts").block_on(main)
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.0.block_on(move || future)
    }

    fn submit<F>(&self, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(self.0.spawn(future))
    }

    fn submit_detached<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.0.spawn(future));
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(nio::spawn(future))
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(nio::spawn(future));
    }

    fn spawn_home<M, F>(make: M) -> impl Future<Output = F::Output> + Send + 'static
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(nio::spawn_pinned(make))
    }

    fn spawn_home_detached<M, F>(make: M)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        drop(nio::spawn_pinned(make));
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        let mut yielded = false;
        poll_fn(move |cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn sleep(span: Duration) -> impl Future<Output = ()> + Send {
        Pinned::new(nio::sleep(span))
    }

    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        Pinned::new(nio::timeout(limit, future))
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        joined(nio::spawn_blocking(f))
    }
}

async fn joined<T>(handle: JoinHandle<T>) -> T {
    handle.await.expect("the task does not panic")
}

/// nio's sockets.
pub struct NioNet;

impl Net for NioNet {
    type Listener = Pinned<TcpListener>;
    type Conn = TcpConnection;
    type Stream = Pinned<TcpStream>;
    type Hyper = TokioIo<Pinned<TcpStream>>;

    async fn listen() -> io::Result<(Pinned<TcpListener>, SocketAddr)> {
        // Binding is immediate; awaiting it here would hold a future that is not `Send`.
        let bound = Pinned::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let mut listener = Pinned::new(bound.await?);
        let addr = listener.get_mut().local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut Pinned<TcpListener>) -> io::Result<TcpConnection> {
        let conn = Pinned::new(listener.get_mut().accept()).await?;
        conn.set_nodelay(true)?;
        Ok(conn)
    }

    fn open(conn: TcpConnection) -> io::Result<Pinned<TcpStream>> {
        let mut opening = std::pin::pin!(conn.connect());
        match opening.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(stream) => Ok(Pinned::new(stream?)),
            Poll::Pending => Err(io::Error::other("nio no longer opens a connection at once")),
        }
    }

    async fn read(stream: &mut Pinned<TcpStream>, buf: &mut [u8]) -> io::Result<usize> {
        Pinned::new(stream.get_mut().read(buf)).await
    }

    async fn write_all(stream: &mut Pinned<TcpStream>, buf: &[u8]) -> io::Result<()> {
        Pinned::new(stream.get_mut().write_all(buf)).await
    }

    fn hyper(stream: Pinned<TcpStream>) -> TokioIo<Pinned<TcpStream>> {
        TokioIo::new(stream)
    }
}
