//! `corio::serve` over streams that hold few bytes: requests come in pieces of every length, with a wait
//! between them, and answers are written short; the first piece ends at every byte of a request.
//!
//! Cut by the system, on sockets: `faults/lengths.rs`.

use std::io;
use std::task::{Context, Poll};

use corio::io::{DuplexStream, duplex};
use corio::net::Listener;
use corio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use corio_tests::kit::Signal;

use crate::conversation::{self, HTTP_1_MAX, HTTP_2_MAX, UPGRADE_MAX};
use crate::{everywhere, once};

/// Connections that a test has made.
struct Made(UnboundedReceiver<DuplexStream>);

impl Listener for Made {
    type Io = DuplexStream;
    type Addr = &'static str;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(DuplexStream, &'static str)>> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(stream)) => Poll::Ready(Ok((stream, "a test"))),
            // The server is told to stop.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Serves connections of every length up to `most`, one after the other.
async fn each_length(most: usize, ask: impl AsyncFn(DuplexStream) -> conversation::Outcome) {
    let (made, accepted): (UnboundedSender<DuplexStream>, _) = mpsc::unbounded();
    let stop = Signal::new();
    let serve = corio::serve(Made(accepted), conversation::router());
    let server = corio::create_task(serve.with_graceful_shutdown(stop.wait()).report());
    for held in 1..=most {
        let (near, far) = duplex(held);
        made.send(far).expect("it is served");
        ask(near).await.unwrap_or_else(|error| panic!("{held} bytes at a time: {error}"));
    }
    stop.set();
    let report = server.await.unwrap().unwrap();
    assert!(report.accepted == most as u64 && report.is_clean(), "{report}");
}

#[test]
fn requests_of_http_1() {
    once(each_length(HTTP_1_MAX, async |stream| {
        let (reads, writes) = stream.into_split();
        conversation::http_1(reads, writes).await
    }));
}

#[test]
fn upgrades() {
    once(each_length(UPGRADE_MAX, async |stream| {
        let (reads, writes) = stream.into_split();
        conversation::upgraded(reads, writes).await
    }));
}

#[test]
fn requests_of_http_2() {
    once(each_length(HTTP_2_MAX, async |stream| conversation::http_2(stream).await));
}

#[test]
fn the_smallest_pieces_everywhere() {
    everywhere(async || {
        each_length(3, async |stream| {
            let (reads, writes) = stream.into_split();
            conversation::http_1(reads, writes).await
        })
        .await;
        each_length(3, async |stream| conversation::http_2(stream).await).await;
    });
}
