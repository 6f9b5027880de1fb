//! Operations of files, sockets, streams, children and signals that nobody awaits.

use std::future::Future;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corio::debug::ReportKind;
use corio::net::{Async, Direction};
use corio::sync::{Lock, Queue, RwLock, Semaphore, mpsc};

use crate::support::{bounded, debug_builder, debug_rt, ignore, report, told};

#[test]
fn operations_of_files_and_sockets_that_nobody_awaits_are_told() {
    bounded(|| {
        let runtime = debug_rt();
        let (begin, end) = runtime.block_on(async {
            let listener = corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let near = corio::net::TcpStream::connect(address).await.unwrap();
            let mut file = corio::fs::temporary_file().await.unwrap();
            let foreign = Async::new(UnixStream::pair().unwrap().0).unwrap();
            let plain = std::fs::File::open("/proc/self/exe").unwrap();
            let begin = line!() + 1;
            ignore(listener.accept());
            ignore(near.read(&mut [0]));
            ignore(near.write_all(b"lost"));
            ignore(corio::net::TcpStream::connect(address));
            ignore(corio::stream::open_connection(address));
            ignore(corio::fs::open("/tmp/never", "w"));
            ignore(file.write("lost"));
            ignore(corio::process::create_subprocess_exec("true", ["1"]).spawn());
            ignore(foreign.readable());
            ignore(foreign.writable());
            ignore(foreign.io(Direction::Read, |_| Ok(())));
            ignore(corio::net::sendfile(&near, &plain, 0, None));
            ignore(corio::net::splice(&near, &near));
            ignore(corio::net::create_datagram_endpoint().local_addr("127.0.0.1:0"));
            ignore(corio::stream::start_server(async |_, _| {}, "127.0.0.1:0"));
            ignore(corio::stream::start_unix_server(async |_, _| {}, "/tmp/never/socket"));
            ignore(corio::net::TcpListener::bind("127.0.0.1:0"));
            ignore(corio::net::UdpSocket::bind("127.0.0.1:0"));
            ignore(corio::net::lookup_host("never.invalid", 80));
            ignore(corio::net::UnixStream::connect("/tmp/never/socket"));
            ignore(corio::net::UnixSeqpacket::connect("/tmp/never/socket"));
            let end = line!();
            // These are awaited, or had nothing to do.
            near.write_all(b"").await.unwrap();
            foreign.io(Direction::Read, |_| Ok(())).await.unwrap();
            assert_eq!(corio::net::sendfile(&near, &plain, 0, Some(0)).await.unwrap(), 0);
            let server = corio::stream::start_server(async |_, _| {}, "127.0.0.1:0").await;
            drop(server.unwrap());
            assert_eq!(near.read(&mut []).await.unwrap(), 0);
            file.close().await.unwrap();
            (begin, end)
        });
        for line in begin..end {
            let text = report(ReportKind::NeverAwaited, &format!("made at {}:{line}:", file!()));
            assert!(text.contains(" was never awaited"), "{text}");
        }
        for line in end..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

/// Where each future was made, what it is called, and nothing of what is made inside.
fn told_as(line: u32, name: &str) {
    let place = format!("made at {}:{line}:", file!());
    let text = report(ReportKind::NeverAwaited, &place);
    assert!(text.starts_with(&format!("{name} was never awaited")), "{text}");
    assert_eq!(told(ReportKind::NeverAwaited, &place).len(), 1, "{place}");
}

#[test]
fn operations_of_streams_that_nobody_awaits_are_told_once_each() {
    bounded(|| {
        let runtime = debug_rt();
        let (begin, end) = runtime.block_on(async {
            let (near, far) = corio::io::duplex(64);
            let (mut reads, mut writes) = far.into_split();
            let server = corio::stream::start_server(async |_, _| {}, "127.0.0.1:0").await.unwrap();
            let address = server.local_addrs()[0];
            let (mut reader, mut writer) = corio::stream::open_connection(address).await.unwrap();
            let (mut copied, mut other) = corio::io::duplex(64);
            let begin = line!() + 1;
            ignore(reader.read(None));
            ignore(reader.read_line());
            ignore(reader.read_exact(1));
            ignore(reader.read_until(&[b";"]));
            ignore(reader.lines().next_line());
            ignore(writer.drain());
            ignore(writer.wait_closed());
            ignore(server.wait_closed());
            ignore(reads.read(&mut [0]));
            ignore(reads.read_exact(&mut [0]));
            ignore(writes.write(b"lost"));
            ignore(writes.write_all(b"lost"));
            ignore(corio::io::copy(&mut copied, &mut other));
            ignore(corio::io::copy_bidirectional(&mut copied, &mut other));
            let end = line!();
            // These are awaited, at once ready or not.
            writes.write_all(b"").await.unwrap();
            writer.drain().await.unwrap();
            assert_eq!(reader.read(Some(0)).await.unwrap(), b"");
            assert_eq!(reader.read(None).await.unwrap(), b"");
            writer.close();
            writer.wait_closed().await.unwrap();
            server.close();
            drop((near, copied, other));
            (begin, end)
        });
        let names = [
            "StreamReader::read",
            "StreamReader::read_line",
            "StreamReader::read_exact",
            "StreamReader::read_until",
            "Lines::next_line",
            "StreamWriter::drain",
            // Both wait for an event of the connection or server.
            "Event::wait",
            "Event::wait",
            "DuplexReader::read",
            "DuplexReader::read_exact",
            "DuplexWriter::write",
            "DuplexWriter::write_all",
            "copy",
            "copy_bidirectional",
        ];
        assert_eq!((end - begin) as usize, names.len());
        (begin..end).zip(names).for_each(|(line, name)| told_as(line, name));
        for line in end..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

#[test]
fn waits_for_signals_and_children_and_servers_that_nobody_awaits_are_told() {
    bounded(|| {
        let runtime = debug_rt();
        let (begin, end) = runtime.block_on(async {
            let changes =
                corio::signal::stream(corio::signal::SignalKind::window_change()).unwrap();
            let command = corio::process::create_subprocess_exec("true", [] as [&str; 0]);
            let mut child = command.await.unwrap();
            let listener = async || corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (one, two) = (listener().await, listener().await);
            let begin = line!() + 1;
            ignore(changes.recv());
            ignore(corio::signal::ctrl_c());
            ignore(child.wait());
            ignore(child.communicate([]));
            ignore(corio::serve(one, axum::Router::<()>::new()));
            ignore(corio::serve(two, axum::Router::<()>::new()).report());
            let end = line!();
            assert!(child.communicate([]).await.unwrap().status.success());
            assert!(child.wait().await.unwrap().success());
            (begin, end)
        });
        let names = ["Signals::recv", "ctrl_c", "Child::wait", "Child::communicate"];
        let names = names.iter().chain(&["serve", "serve"]);
        (begin..end).zip(names).for_each(|(line, name)| told_as(line, name));
        for line in end..line!() {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

/// A poll with the budget of the task that makes it.
fn poll_spent<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A wait whose only poll had to yield has been awaited all the same.
#[test]
fn waits_that_yielded_are_not_told() {
    bounded(|| {
        let runtime = debug_builder().workers(1).poll_budget(1).build().unwrap();
        let (begin, end) = runtime
            .block_on(
                runtime
                    .create_task(async {
                        let (lock, shared, permits) =
                            (Lock::new(1), RwLock::new(2), Semaphore::new(3));
                        let (queue, (sender, _receiver)) = (Queue::new(1), mpsc::channel::<u8>(1));
                        let spent = Lock::new(0);
                        // Uses the budget of this poll up.
                        drop(spent.acquire().await);
                        let begin = line!() + 1;
                        assert!(poll_spent(lock.acquire()).is_pending());
                        assert!(poll_spent(shared.read()).is_pending());
                        assert!(poll_spent(shared.write()).is_pending());
                        assert!(poll_spent(permits.acquire()).is_pending());
                        assert!(poll_spent(queue.put(4)).is_pending());
                        assert!(poll_spent(queue.get()).is_pending());
                        assert!(poll_spent(sender.reserve()).is_pending());
                        assert!(poll_spent(sender.send(5)).is_pending());
                        let end = line!();
                        // They left nothing behind.
                        corio::yield_now().await;
                        assert_eq!(*lock.acquire().await, 1);
                        corio::yield_now().await;
                        assert_eq!(*shared.write().await, 2);
                        assert_eq!((permits.available_permits(), queue.qsize()), (3, 0));
                        (begin, end)
                    })
                    .into_future(),
            )
            .expect("it ends");
        for line in begin..end {
            let place = format!("made at {}:{line}:", file!());
            assert_eq!(told(ReportKind::NeverAwaited, &place), Vec::<String>::new());
        }
    });
}

#[test]
fn parts_of_streams_and_servers_are_not_told() {
    bounded(|| {
        let runtime = debug_rt();
        runtime.block_on(async {
            let big = vec![7; 4 << 20];
            let sent = big.clone();
            let handler = move |_, mut writer: corio::stream::StreamWriter| {
                let sent = sent.clone();
                async move {
                    // More than the system takes at once.
                    writer.write(&sent);
                    writer.drain().await.unwrap();
                    writer.close();
                    writer.wait_closed().await.unwrap();
                }
            };
            let server = corio::stream::start_server(handler, "127.0.0.1:0").await.unwrap();
            let address = server.local_addrs()[0];
            let (mut reader, mut writer) = corio::stream::open_connection(address).await.unwrap();
            assert!(reader.read(None).await.unwrap() == big);
            writer.close();
            writer.wait_closed().await.unwrap();
            server.close();
            server.wait_closed().await;
        });
        drop(runtime);
        let inside = told(ReportKind::NeverAwaited, "made at io/src/");
        assert_eq!(inside, Vec::<String>::new());
    });
}
