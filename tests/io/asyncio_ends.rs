//! How streams and servers of asyncio's kind end where their own tasks are cancelled, or where several
//! threads end them at a time.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use corio::stream::{
    StreamReader, StreamWriter, open_unix_connection, start_server, start_unix_server,
};

use crate::asyncio_streams::{echo, fed};
use crate::unix::scratch;
use crate::{LIMIT, everywhere, patiently};

/// Cancels all tasks but this one, as the end of `run` does and as programs do that clean up.
fn cancel_all_others() {
    let own = corio::current_task();
    for task in corio::all_tasks() {
        if Some(&task) != own.as_ref() {
            task.cancel();
        }
    }
}

#[test]
fn a_writer_whose_sender_is_cancelled_is_lost_and_says_so() {
    everywhere(async || {
        let (_reader, mut writer, _peer) = fed(1 << 16).await;
        writer.write(&vec![7; 8 << 20]);
        assert!(writer.queued() > 0, "a task sends it");
        cancel_all_others();
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
        writer.close();
        let error = writer.wait_closed().await.unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    });
}

#[test]
fn a_server_whose_acceptor_is_cancelled_is_closed() {
    everywhere(async || {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        cancel_all_others();
        server.wait_closed().await;
        assert!(!server.is_serving());
        assert!(server.serve_forever().await.is_err(), "it is closed");
        corio::net::TcpStream::connect(address).await.unwrap_err();
        server.close();
        server.wait_closed().await;
    });
}

/// The end of `run` cancels what is left, in no order: a task that cleans up may wait for what has been
/// cancelled before it.
#[test]
fn clean_up_at_the_end_of_a_run_does_not_wait_for_ever() {
    let ended = Arc::new(AtomicBool::new(false));
    let (all, seen) = (ended.clone(), ended);
    corio_tests::within(LIMIT, "the end", move || {
        let run = corio::Builder::new().workers(2).run(async {
            let (_reader, mut writer, peer) = fed(1 << 16).await;
            let server = start_server(echo, "127.0.0.1:0").await.unwrap();
            let begun = corio_tests::kit::Signal::new();
            let begins = begun.clone();
            writer.write(&vec![7; 8 << 20]);
            drop(corio::create_task(async move {
                let serves = async {
                    begins.set();
                    std::future::pending::<()>().await;
                };
                assert!(corio::catch_cancel(serves).await.is_err());
                writer.close();
                let _ = writer.wait_closed().await;
                server.close();
                server.wait_closed().await;
                all.store(true, Ordering::Relaxed);
                drop(peer);
            }));
            begun.wait().await;
        });
        run.unwrap();
    });
    assert!(seen.load(Ordering::Relaxed));
}

/// A server closes its clients while their handlers write: each byte that was queued before is sent,
/// and a handler whose write was cut hears of it.
#[test]
fn clients_that_are_closed_while_they_write_lose_nothing_unheard() {
    const ROUNDS: usize = 3000;
    /// More than a socket takes at once, so that the first write queues.
    const SIZE: usize = 1 << 19;
    patiently(4, async {
        let folder = scratch();
        let path = folder.path().join("server");
        let (go, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(corio::sync::Queue::new(0)));
        let begun = Arc::new(corio::sync::Queue::new(0));
        let (goes, tells, begins) = (go.clone(), ends.clone(), begun.clone());
        let handler = move |_reader: StreamReader, mut writer: StreamWriter| {
            let (go, ends, begun) = (goes.clone(), tells.clone(), begins.clone());
            async move {
                let bytes = vec![7; SIZE];
                begun.put_nowait(()).unwrap();
                while !go.swap(false, Ordering::Relaxed) {
                    corio::yield_now().await;
                }
                writer.write(&bytes);
                ends.put_nowait(writer.wait_closed().await).unwrap();
            }
        };
        let server = start_unix_server(handler, &path).await.unwrap();
        for round in 0..ROUNDS {
            let (mut reader, _writer) = open_unix_connection(&path).await.unwrap();
            begun.get().await.unwrap();
            go.store(true, Ordering::Relaxed);
            // Later each time, to meet each moment of the write.
            for _ in 0..round % 1000 {
                std::hint::spin_loop();
            }
            server.close_clients();
            let seen = reader.read(None).await.unwrap().len();
            let end = ends.get().await.unwrap();
            if let Err(error) = &end {
                assert!(error.to_string().contains("in the middle"), "{round}: {error}");
            }
            let whole = seen == 0 || seen == SIZE;
            assert!(
                whole || end.is_err(),
                "{round}: {seen} of {SIZE} bytes, and nobody hears of it"
            );
        }
    });
}
