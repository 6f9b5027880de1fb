//! Unix streams: everything that TCP streams do, paths, credentials, and a full queue.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use corio::net::{UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream};
pub use corio_tests::kit::{Scratch, scratch};

use crate::{everywhere, once, play, plays, until, well};

// conforms: 24 test_unix_sock_client_ops
#[test]
fn a_conversation() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = corio::create_task(async move {
            let client = UnixStream::connect(&path).await.unwrap();
            assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
            client.write_all(b"question").await.unwrap();
            let mut answer = [0; 6];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"answer");
            assert_eq!(client.read(&mut answer).await.unwrap(), 0, "the end");
        });
        let (server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed(), "{peer:?}");
        let cred = server.peer_cred().unwrap();
        assert_eq!(cred.pid(), Some(std::process::id() as i32));
        let mut question = [0; 8];
        server.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        client.await.unwrap();
    });
}

/// What is told is the peer's, and not what this process is.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_in_another_process_is_known() {
    const FOLDER: &str = "CORIO_TEST_FOLDER";
    let (test, part) = ("unix::a_peer_in_another_process_is_known", "peer");
    if plays(part) {
        return once(async {
            let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
            let stream = UnixStream::connect(folder.join("stream")).await.unwrap();
            let packets = UnixSeqpacket::connect(folder.join("packets")).await.unwrap();
            // They stay until the other end has looked.
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(packets.recv(&mut [0]).await.unwrap(), 0);
        });
    }
    once(async {
        let folder = scratch();
        let streams = UnixListener::bind(folder.path().join("stream")).unwrap();
        let packets = UnixSeqpacketListener::bind(folder.path().join("packets")).unwrap();
        let ours = std::fs::metadata("/proc/self").unwrap();
        let child = || {
            let mut child = play(test, part, &[]);
            child.env(FOLDER, folder.path()).stdout(Stdio::null());
            child
        };
        // A group of its own, where this process may give it one.
        let other = ours.gid() + 1;
        let (child, group) = match child().gid(other).spawn() {
            Ok(child) => (child, other),
            Err(_) => (child().spawn().unwrap(), ours.gid()),
        };
        let pid = Some(i32::try_from(child.id()).unwrap());
        let (stream, _) = streams.accept().await.unwrap();
        let (packet, _) = packets.accept().await.unwrap();
        for found in [stream.peer_cred().unwrap(), packet.peer_cred().unwrap()] {
            assert_eq!((found.pid(), found.uid(), found.gid()), (pid, ours.uid(), group));
        }
        drop((stream, packet));
        let end = corio::to_thread(move || child.wait_with_output());
        well(end.await.unwrap().unwrap());
    });
}

#[test]
fn more_than_the_buffers_hold_in_two_halves() {
    const SIZE: usize = 4 << 20;
    everywhere(async || {
        let (a, b) = UnixStream::pair().unwrap();
        let (read, write) = a.into_split();
        let echo = corio::create_task(async move {
            let mut buf = vec![0; 64 << 10];
            loop {
                let n = b.read(&mut buf).await.unwrap();
                if n == 0 {
                    break;
                }
                b.write_all(&buf[..n]).await.unwrap();
            }
        });
        let writer = corio::create_task(async move {
            let data: Vec<u8> = (0..SIZE).map(|i| i as u8).collect();
            write.write_all(&data).await.unwrap();
        });
        let mut seen = 0;
        let mut buf = vec![0; 48 << 10];
        loop {
            let n = read.read(&mut buf).await.unwrap();
            if n == 0 {
                break;
            }
            assert!(buf[..n].iter().enumerate().all(|(i, &byte)| byte == (seen + i) as u8));
            seen += n;
        }
        assert_eq!(seen, SIZE);
        writer.await.unwrap();
        echo.await.unwrap();
    });
}

/// A stream socket may end a read where a descriptor was passed along: nothing sleeps on the rest.
#[test]
fn a_short_read_is_not_the_end_of_what_is_queued() {
    once(async {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let b = UnixStream::from_std(b).unwrap();
        let reader = corio::create_task(async move {
            let mut buf = [0; 100];
            let mut seen = 0;
            while seen < 2 {
                seen += b.read(&mut buf).await.unwrap();
            }
        });
        corio::sleep(Duration::from_millis(2)).await;
        (&a).write_all(b"x").unwrap();
        (&a).write_all(b"y").unwrap();
        reader.await.unwrap();
    });
}

#[test]
fn a_full_queue_is_waited_for() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("busy");
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(1).unwrap();
        let listener: std::os::unix::net::UnixListener = std::os::fd::OwnedFd::from(socket).into();
        let listener = UnixListener::from_std(listener).unwrap();
        let clients: Vec<_> =
            (0..8).map(|_| corio::create_task(UnixStream::connect(path.clone()))).collect();
        let mut accepted = Vec::new();
        for _ in 0..8 {
            accepted.push(listener.accept().await.unwrap());
        }
        for client in clients {
            client.await.unwrap().unwrap();
        }
    });
}

#[test]
fn errors_name_the_path() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("nobody");
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with(&format!("connect {}: ", path.display())), "{error}");
        drop(UnixListener::bind(&path).unwrap());
        let error = UnixListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("bind {}: ", path.display())), "{error}");
        // The remedy.
        assert!(error.to_string().contains("; remove the file"), "{error}");
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = UnixStream::connect("x".repeat(500)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

/// Linux takes paths that fill their room to the last byte, without an end mark. std makes no such
/// address, but a peer may have one, and its connection is as good as others.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_may_have_the_longest_path() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("listener");
        let packets = folder.path().join("packets");
        let listener = UnixListener::bind(&path).unwrap();
        let packet_listener = UnixSeqpacketListener::bind(&packets).unwrap();
        let (stream, packet) = (socket2::Type::STREAM, socket2::Type::SEQPACKET);
        for (to, kind) in [(&path, stream), (&packets, packet)] {
            let client = socket2::Socket::new(socket2::Domain::UNIX, kind, None).unwrap();
            bind_to_the_longest_path(&client, folder.path());
            client.connect(&socket2::SockAddr::unix(to).unwrap()).unwrap();
            if kind == stream {
                let (server, peer) = listener.accept().await.unwrap();
                assert!(peer.as_pathname().is_some(), "{peer:?}");
                server.write_all(b"x").await.unwrap();
            } else {
                let (server, _) = packet_listener.accept().await.unwrap();
                server.send(b"x").await.unwrap();
            }
            assert_eq!((&client).read(&mut [0]).unwrap(), 1);
        }
    });
}

/// Binds to a path in the folder of as many bytes as there is room for.
#[cfg(target_os = "linux")]
fn bind_to_the_longest_path(socket: &socket2::Socket, folder: &std::path::Path) {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;

    // SAFETY: zeros are an address.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let mut path = folder.as_os_str().as_bytes().to_vec();
    path.push(b'/');
    path.resize(address.sun_path.len(), b'x');
    for (to, from) in address.sun_path.iter_mut().zip(&path) {
        *to = *from as libc::c_char;
    }
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: the address is there, and as long as is said.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
    let _ = std::fs::remove_file(std::ffi::OsStr::from_bytes(&path));
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    once(async {
        let name = format!("corio-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let client = corio::create_task(UnixStream::connect_addr(&address));
        let (server, _) = listener.accept().await.unwrap();
        let client = client.await.unwrap().unwrap();
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
    });
}

/// The peer's end comes with, after and before what is read.
#[test]
fn the_end_of_a_unix_stream_is_seen() {
    everywhere(async || {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let b = UnixStream::from_std(b).unwrap();
        let reader = corio::create_task(async move {
            let mut seen = Vec::new();
            let mut buf = [0; 16];
            loop {
                match b.read(&mut buf).await.unwrap() {
                    0 => return seen,
                    n => seen.extend_from_slice(&buf[..n]),
                }
            }
        });
        corio::sleep(Duration::from_millis(1)).await;
        (&a).write_all(b"last").unwrap();
        drop(a);
        assert_eq!(reader.await.unwrap(), b"last");
        let (a, b) = UnixStream::pair().unwrap();
        let std = a.into_std().unwrap();
        drop(b);
        let mut buf = [0; 1];
        until("the end", || matches!((&std).read(&mut buf), Ok(0))).await;
    });
}
