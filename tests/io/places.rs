//! A dump says what each task waits for, and on which line.

use std::panic::Location;
use std::time::Duration;

use corio::TaskStatus;
use corio::net::{TcpListener, TcpStream};
use corio::signal::{SignalKind, stream};
use corio::stream::{StreamReader, StreamWriter, start_server};

use crate::{once, pair, until};

/// Waits until a task of this name says that it waits so, in this file.
async fn waits(name: &str, what: &str, line: u32) {
    let mut last = None;
    until(&format!("{name} waits for {what}"), || {
        let task = corio::all_tasks().into_iter().find(|task| &*task.name() == name);
        last = task.map(|task| task.status());
        let Some(TaskStatus::Waiting(Some(frame))) = last else { return false };
        frame.what == what && frame.at.file() == file!() && frame.at.line() == line
    })
    .await;
}

#[test]
fn waiting_calls_tell_their_line() {
    once(async {
        let (a, _b) = pair().await;
        let line = Location::caller().line() + 1;
        let task = corio::task().name("reader").spawn(async move { a.read(&mut [0; 1]).await });
        waits("reader", "read", line).await;
        task.abort();

        let (a, _b) = pair().await;
        let line = Location::caller().line() + 1;
        let all = async move { a.write_all(&vec![0; 64 << 20]).await };
        let task = corio::task().name("writer").spawn(all);
        waits("writer", "write", line).await;
        task.abort();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Location::caller().line() + 1;
        let accept = async move { listener.accept().await.map(drop) };
        let task = corio::task().name("acceptor").spawn(accept);
        waits("acceptor", "accept", line).await;
        task.abort();

        let signals = stream(SignalKind::alarm()).unwrap();
        let line = Location::caller().line() + 1;
        let task = corio::task().name("listener").spawn(async move { signals.recv().await });
        waits("listener", "a signal", line).await;
        task.abort();
    });
}

/// So does the error of a time limit.
#[test]
fn serving_is_called_by_its_name() {
    once(async {
        let handler = async |_: StreamReader, _: StreamWriter| {};
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let line = Location::caller().line() + 1;
        let limited = corio::timeout(Duration::from_millis(1), server.serve_forever());
        let said = limited.await.unwrap_err().to_string();
        assert!(said.contains("serve_forever"), "{said}");
        assert!(
            said.contains(&format!("{}:{line}", file!().rsplit('/').next().unwrap())),
            "{said}"
        );
    });
}

/// A trait's method does not know its caller: the line is the one that made the stream.
#[test]
fn traits_tell_where_the_stream_was_made() {
    once(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Location::caller().line() + 1;
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let read = async move {
            let mut buf = [0; 1];
            std::future::poll_fn(|cx| stream.poll_read(cx, &mut buf)).await
        };
        let task = corio::task().name("by trait").spawn(read);
        waits("by trait", "read", line).await;
        task.abort();
    });
}
