//! tokio: the multi-thread runtime with all drivers, stock or with its unstable options.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::{Net, Rt, Setup};

/// tokio's multi-thread runtime.
pub struct Tokio(Runtime);

impl Rt for Tokio {
    type Net = TokioNet;

    fn switches(setup: &Setup) -> Option<String> {
        setup.unstable.map(|options| format!("--cfg tokio_unstable; {options}"))
    }

    fn start(setup: &Setup) -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(setup.workers).enable_all();
        apply_unstable(&mut builder, setup);
        Self(builder.build().expect("tokio's runtime starts"))
    }

    fn stop(self) {
        drop(self.0);
    }

    fn run<F>(setup: &Setup, main: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        Self::start(setup).0.block_on(main)
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.0.block_on(future)
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
        self.0.spawn(future);
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(tokio::spawn(future))
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(future);
    }

    fn spawn_home<M, F>(make: M) -> impl Future<Output = F::Output> + Send + 'static
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        joined(tokio::spawn(make()))
    }

    fn spawn_home_detached<M, F>(make: M)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(make());
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(span: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(span)
    }

    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        let timeout = tokio::time::timeout(limit, future);
        async move { timeout.await.ok() }
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        joined(tokio::task::spawn_blocking(f))
    }
}

async fn joined<T>(handle: JoinHandle<T>) -> T {
    handle.await.expect("the task does not panic")
}

#[cfg(tokio_unstable)]
fn apply_unstable(builder: &mut Builder, setup: &Setup) {
    let Some(options) = setup.unstable else { return };
    if options.alt_timer {
        builder.enable_alt_timer();
    }
    if options.handoff {
        builder.enable_eager_driver_handoff();
    }
    if options.sharded {
        builder.enable_sharded_blocking_queue();
    }
    if options.no_lifo {
        builder.disable_lifo_slot();
    }
}

#[cfg(not(tokio_unstable))]
fn apply_unstable(_: &mut Builder, setup: &Setup) {
    assert!(setup.unstable.is_none(), "unstable options need the build with --cfg tokio_unstable");
}

/// tokio's sockets.
pub struct TokioNet;

impl Net for TokioNet {
    type Listener = TcpListener;
    type Conn = TcpStream;
    type Stream = TcpStream;
    type Hyper = TokioIo<TcpStream>;

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn open(conn: TcpStream) -> io::Result<TcpStream> {
        Ok(conn)
    }

    async fn read(stream: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        stream.read(buf).await
    }

    async fn write_all(stream: &mut TcpStream, buf: &[u8]) -> io::Result<()> {
        stream.write_all(buf).await
    }

    fn hyper(stream: TcpStream) -> TokioIo<TcpStream> {
        TokioIo::new(stream)
    }
}
