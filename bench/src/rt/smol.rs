//! smol 2: a leaked `StaticExecutor` run by threads in `smol::block_on`.
//!
//! smol's documentation advises an executor of one's own over the global one, and
//! async-executor's `StaticExecutor` is its fastest form, so that is what stands here. Leaking
//! it is part of that form: a stopped executor's few hundred bytes stay.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_executor::{Executor, StaticExecutor};
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};
use smol::Timer;
use smol::net::{TcpListener, TcpStream};
use smol_hyper::rt::FuturesIo;

use super::{Net, Rt, Setup};

thread_local! {
    /// The executor that the tasks of this thread spawn onto.
    static CURRENT: Cell<Option<&'static StaticExecutor>> = const { Cell::new(None) };
}

fn current() -> &'static StaticExecutor {
    CURRENT.get().expect("spawn is called within a task")
}

/// A smol executor with its threads.
pub struct Smol {
    executor: &'static StaticExecutor,
    stop: smol::channel::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Rt for Smol {
    type Net = SmolNet;

    fn switches(_: &Setup) -> Option<String> {
        Some("StaticExecutor".to_owned())
    }

    fn start(setup: &Setup) -> Self {
        let executor = Executor::new().leak();
        let (stop, stopped) = smol::channel::unbounded::<()>();
        let threads = (0..setup.workers)
            .map(|n| {
                let stopped = stopped.clone();
                thread::Builder::new()
                    .name(format!("smol-{n}"))
                    .spawn(move || {
                        CURRENT.set(Some(executor));
                        // The channel never carries a message: it ends when its sender goes.
                        let _ = smol::block_on(executor.run(stopped.recv()));
                    })
                    .expect("a worker thread starts")
            })
            .collect();
        Self { executor, stop, threads }
    }

    fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            thread.join().expect("a worker thread ends well");
        }
    }

    fn run<F>(setup: &Setup, main: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        Self::start(setup).block_on(main)
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        CURRENT.set(Some(self.executor));
        smol::block_on(future)
    }

    fn submit<F>(&self, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.executor.spawn(future)
    }

    fn submit_detached<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.executor.spawn(future).detach();
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        current().spawn(future)
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        current().spawn(future).detach();
    }

    fn spawn_home<M, F>(make: M) -> impl Future<Output = F::Output> + Send + 'static
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        current().spawn(make())
    }

    fn spawn_home_detached<M, F>(make: M)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        current().spawn(make()).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn sleep(span: Duration) {
        Timer::after(span).await;
    }

    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        let expired = async move {
            Timer::after(limit).await;
            None
        };
        async move { Some(future.await) }.or(expired)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(f)
    }
}

/// smol's sockets.
pub struct SmolNet;

impl Net for SmolNet {
    type Listener = TcpListener;
    type Conn = TcpStream;
    type Stream = TcpStream;
    type Hyper = FuturesIo<TcpStream>;

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

    fn hyper(stream: TcpStream) -> FuturesIo<TcpStream> {
        FuturesIo::new(stream)
    }
}
