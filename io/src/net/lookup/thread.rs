//! A thread for one lookup.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use corio_sync::waker_slot::WakerSlot;

type Found = io::Result<Vec<SocketAddr>>;

/// The result of a lookup that runs on a thread of its own.
#[derive(Debug)]
pub(super) struct Job(Arc<(OnceLock<Found>, WakerSlot)>);

pub(super) fn start(f: impl FnOnce() -> Found + Send + 'static) -> Job {
    let shared = Arc::new((OnceLock::new(), WakerSlot::new()));
    let theirs = shared.clone();
    std::thread::spawn(move || {
        let _ = theirs.0.set(f());
        theirs.1.wake();
    });
    Job(shared)
}

impl Future for Job {
    type Output = Result<Found, io::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.1.register(cx.waker());
        match self.0.0.get() {
            Some(Ok(found)) => Poll::Ready(Ok(Ok(found.clone()))),
            Some(Err(error)) => {
                Poll::Ready(Ok(Err(io::Error::new(error.kind(), error.to_string()))))
            }
            None => Poll::Pending,
        }
    }
}
