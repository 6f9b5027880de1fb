//! corio with its default builder.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use corio::net::{TcpListener, TcpStream};
use corio::{Builder, Runtime};

use super::{Net, Rt, Setup};

/// corio's runtime.
pub struct Corio(Runtime);

fn builder(setup: &Setup) -> Builder {
    Builder::new().workers(setup.workers)
}

impl Rt for Corio {
    type Net = CorioNet;

    fn switches(_: &Setup) -> Option<String> {
        None
    }

    fn start(setup: &Setup) -> Self {
        Self(builder(setup).build().expect("corio's runtime starts"))
    }

    fn stop(self) {
        self.0.shutdown(None);
    }

    fn run<F>(setup: &Setup, main: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        builder(setup).run(main).expect("corio's main ends well")
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
        let task = self.0.create_task(future);
        async move { task.await.expect("the task does not panic") }
    }

    fn submit_detached<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.0.create_task(future));
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = corio::create_task(future);
        async move { task.await.expect("the task does not panic") }
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(corio::create_task(future));
    }

    fn spawn_with_callback<F, C>(future: F, call: C)
    where
        F: Future<Output = ()> + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        corio::create_task(future).add_done_callback(|_| call());
    }

    fn spawn_home<M, F>(make: M) -> impl Future<Output = F::Output> + Send + 'static
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::spawn(make())
    }

    fn spawn_home_detached<M, F>(make: M)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn_detached(make());
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        corio::yield_now()
    }

    fn sleep(span: Duration) -> impl Future<Output = ()> + Send {
        corio::sleep(span)
    }

    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        let timeout = corio::timeout(limit, future);
        async move { timeout.await.ok() }
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = corio::to_thread(f);
        async move { job.await.expect("the job does not panic") }
    }
}

/// corio's sockets.
pub struct CorioNet;

impl Net for CorioNet {
    type Listener = TcpListener;
    type Conn = TcpStream;
    type Stream = TcpStream;
    type Hyper = TcpStream;

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

    fn hyper(stream: TcpStream) -> TcpStream {
        stream
    }
}
