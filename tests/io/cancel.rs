//! A waiting future may be dropped at any poll: nothing is lost, nobody else is harmed.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corio::net::{TcpListener, TcpStream};
use corio_tests::open_descriptors;

use crate::{everywhere, once, pair, play, plays, until, well};

/// Polls a future until it is ready or has said Pending `n` times; then drops it.
async fn at_most<F: Future>(n: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut pending = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => {
            pending += 1;
            if pending > n { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

// conforms: 24 test_sock_client_racing
#[test]
fn reads_lose_nothing() {
    everywhere(async || {
        let (a, b) = pair().await;
        let writer = corio::create_task(async move {
            for i in 0..200_u8 {
                a.write_all(&[i]).await.unwrap();
                corio::yield_now().await;
            }
        });
        let mut seen = Vec::new();
        for attempt in 0.. {
            let mut buf = [0; 3];
            match at_most(attempt % 3, b.read(&mut buf)).await {
                Some(Ok(0)) => break,
                Some(Ok(n)) => seen.extend_from_slice(&buf[..n]),
                Some(Err(error)) => panic!("{error}"),
                None => corio::yield_now().await,
            }
        }
        assert_eq!(seen, (0..200).collect::<Vec<u8>>());
        writer.await.unwrap();
    });
}

#[test]
fn writes_that_were_not_ready_have_written_nothing() {
    everywhere(async || {
        let (a, b) = pair().await;
        let reader = corio::create_task(async move { crate::read_all(&b).await.unwrap().len() });
        let part = vec![7; 50_000];
        let mut sent = 0;
        for attempt in 0..400 {
            match at_most(attempt % 3, a.write(&part)).await {
                Some(n) => sent += n.unwrap(),
                None => corio::yield_now().await,
            }
        }
        drop(a);
        assert_eq!(reader.await.unwrap(), sent);
    });
}

// conforms: 24 test_sock_accept_racing
// conforms: 24 test_sock_accept
// conforms: 24 test_cancel_sock_accept
#[test]
fn accepts_lose_no_connection() {
    everywhere(async || {
        const CLIENTS: usize = 40;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| corio::create_task(TcpStream::connect(address))).collect();
        let mut accepted = Vec::new();
        for attempt in 0.. {
            match at_most(attempt % 3, listener.accept()).await {
                Some(connection) => accepted.push(connection.unwrap()),
                None => corio::yield_now().await,
            }
            if accepted.len() == CLIENTS {
                break;
            }
        }
        for client in clients {
            client.await.unwrap().unwrap();
        }
    });
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A future with a waker of its own.
struct Watched<'a> {
    future: Pin<Box<dyn Future<Output = io::Result<usize>> + 'a>>,
    flag: Arc<Flag>,
}

impl<'a> Watched<'a> {
    fn new(future: impl Future<Output = io::Result<usize>> + 'a) -> Self {
        Self { future: Box::pin(future), flag: Arc::default() }
    }

    fn poll(&mut self) -> Poll<io::Result<usize>> {
        // A store might take effect after the poll, and wipe out a wake-up.
        self.flag.0.swap(false, Ordering::AcqRel);
        let waker = Waker::from(self.flag.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> bool {
        self.flag.0.load(Ordering::Acquire)
    }
}

/// A waiter that was woken and is dropped before it looks takes the event with it from nobody.
#[test]
fn a_woken_waiter_that_is_dropped_harms_nobody() {
    everywhere(async || {
        let (a, b) = pair().await;
        for round in 0..20 {
            let (mut x, mut y) = ([0; 4], [0; 4]);
            let mut first = Watched::new(b.read(&mut x));
            let mut second = Watched::new(b.read(&mut y));
            assert!(first.poll().is_pending() && second.poll().is_pending());
            a.write_all(b"1").await.unwrap();
            until("one of two waiters is woken", || first.woken() || second.woken()).await;
            let mut left = if round % 2 == 0 {
                drop(first);
                second
            } else {
                drop(second);
                first
            };
            until("the other one is woken", || left.woken()).await;
            let mut result = left.poll();
            while result.is_pending() {
                // A task without budget is woken at once, and gets more of it when it yields.
                corio::yield_now().await;
                until("it is woken again", || left.woken()).await;
                result = left.poll();
            }
            assert!(matches!(result, Poll::Ready(Ok(1))), "{result:?}");
        }
    });
}

/// A cancelled task that waits for a socket lets go of it at once.
#[test]
fn a_cancelled_task_closes_its_socket() {
    everywhere(async || {
        let (a, b) = pair().await;
        let task = corio::create_task(async move { b.read(&mut [0; 1]).await });
        corio::sleep(Duration::from_millis(1)).await;
        assert!(task.cancel());
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(crate::read_all(&a).await.unwrap(), b"");
    });
}

// conforms: 22 test_open_connection_happy_eyeball_refcycles
// conforms: 22 test_create_connection_sock_transport_error_closes_sock
// conforms: 22 test_create_connection_transport_error_closes_sock
// conforms: 24 test_sock_client_connect_racing
#[test]
fn connects_leave_no_descriptor_behind() {
    let part = "connects";
    if plays(part) {
        return once(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let before = open_descriptors();
            for attempt in 0..60 {
                // Nobody answers there (RFC 5737): it has to wait, unless there is no way.
                let nowhere = at_most(attempt % 3, TcpStream::connect("192.0.2.1:9"));
                let _ = corio::timeout(Duration::from_millis(1), nowhere).await;
                if let Some(stream) = at_most(attempt % 3, TcpStream::connect(address)).await {
                    drop(stream.unwrap());
                }
                drop(listener.accept().await.unwrap());
            }
            assert_eq!(open_descriptors(), before);
        });
    }
    let test = "cancel::connects_leave_no_descriptor_behind";
    well(play(test, part, &[]).output().unwrap());
}
