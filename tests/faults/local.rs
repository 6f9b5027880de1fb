//! Messages with addresses, and what lies behind a path: datagrams, seqpackets, asyncio's streams.

use std::io;
use std::path::PathBuf;

use corio::net::{
    UdpSocket, UnixSeqpacket, UnixSeqpacketListener, create_datagram_endpoint,
    create_unix_datagram_endpoint,
};
use corio::stream::{
    ReadError, StreamReader, StreamWriter, open_unix_connection, start_unix_server,
};

use crate::scratch_path;
use crate::trial::Fault::{Errno, Interrupts, Lengths, Survivable};
use crate::trial::{Outcome, apart, tasks};

/// Where nothing is left by the run before.
fn place() -> PathBuf {
    let path = scratch_path("socket");
    let _ = apart(|| std::fs::remove_file(&path));
    path
}

/// What making and using sockets that send messages may fail with.
const MESSAGES: &[crate::Fault] = &[
    Errno(libc::EMFILE),
    Errno(libc::ENFILE),
    Errno(libc::ENOMEM),
    Errno(libc::ENOBUFS),
    Errno(libc::ENOSPC),
    Errno(libc::EADDRINUSE),
    Survivable(libc::EINTR),
    Interrupts,
];

const SENT: [&[u8]; 3] = [b"one", b"", b"three"];

/// A call that fails has neither sent nor taken a message; one that only looks takes none.
#[test]
fn messages_tell_who_sent_them() {
    async fn run() -> Outcome {
        let near = UdpSocket::bind("127.0.0.1:0").await?;
        let far = UdpSocket::bind("127.0.0.1:0").await?;
        let (from, to) = (near.local_addr()?, far.local_addr()?);
        let mut buf = [0; 16];
        for message in SENT {
            let n = again!(near.send_to(message, to))?;
            assert_eq!(n, message.len());
            let n = again!(far.peek(&mut buf))?;
            assert_eq!(&buf[..n], message);
            let (n, sender) = again!(far.recv_from(&mut buf))?;
            assert_eq!((&buf[..n], sender), (message, from));
        }
        let waiting = async { far.recv_from(&mut buf).await };
        let late = async {
            corio::yield_now().await;
            near.send_to(b"late", to).await
        };
        let ((n, _), _) = corio::try_join!(waiting, late)?;
        assert_eq!(n, 4);
        Ok(())
    }
    tasks("local::messages_tell_who_sent_them", MESSAGES, run);
}

#[test]
fn endpoints() {
    async fn run() -> Outcome {
        let server = create_datagram_endpoint().local_addr("127.0.0.1:0").await?;
        let client = create_datagram_endpoint().remote_addr(server.local_addr()?).await?;
        let path = place();
        let receiver = create_unix_datagram_endpoint(Some(&path), None)?;
        let sender = create_unix_datagram_endpoint(None, Some(&path))?;
        let mut buf = [0; 16];
        for message in SENT {
            again!(client.send(message))?;
            let (n, from) = again!(server.recv_from(&mut buf))?;
            assert_eq!((&buf[..n], from), (message, client.local_addr()?));
            again!(server.send_to(message, from))?;
            let n = again!(client.recv(&mut buf))?;
            assert_eq!(&buf[..n], message);
            again!(sender.send(message))?;
            let n = again!(receiver.recv(&mut buf))?;
            assert_eq!(&buf[..n], message);
        }
        // Another one takes its place.
        drop(receiver);
        let receiver = create_unix_datagram_endpoint(Some(&path), None)?;
        let sender = create_unix_datagram_endpoint(None, Some(&path))?;
        again!(sender.send(b"anew"))?;
        let n = again!(receiver.recv(&mut buf))?;
        assert_eq!(n, 4);
        Ok(())
    }
    tasks("local::endpoints", MESSAGES, run);
}

#[test]
fn seqpackets_behind_a_path() {
    async fn run() -> Outcome {
        let path = place();
        let listener = UnixSeqpacketListener::bind(&path)?;
        let server = async {
            for message in SENT {
                let (far, _) = again!(listener.accept())?;
                let mut buf = [0; 16];
                let n = again!(far.recv(&mut buf))?;
                assert_eq!(&buf[..n], message);
                again!(far.send(b"thanks"))?;
            }
            Ok::<_, io::Error>(())
        };
        let clients = async {
            for message in SENT {
                let near = UnixSeqpacket::connect(&path).await?;
                again!(near.send(message))?;
                let mut buf = [0; 16];
                let n = again!(near.recv(&mut buf))?;
                assert_eq!(&buf[..n], b"thanks");
            }
            Ok(())
        };
        corio::try_join!(server, clients)?;
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Errno(libc::EMFILE),
        Errno(libc::ENOMEM),
        Errno(libc::ENOSPC),
        Errno(libc::EADDRINUSE),
        Errno(libc::ECONNREFUSED),
        Survivable(libc::ECONNABORTED),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("local::seqpackets_behind_a_path", FAULTS, run);
}

/// One conversation with the server.
async fn talk(path: PathBuf) -> Result<(), ReadError> {
    let (mut reader, mut writer) = open_unix_connection(path).await?;
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        writer.write(line);
        writer.drain().await?;
        let echoed = reader.read_line().await?;
        if echoed.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        assert_eq!(echoed, line);
    }
    writer.write_eof()?;
    assert_eq!(reader.read(None).await?, b"");
    writer.close();
    writer.wait_closed().await?;
    Ok(())
}

/// A server of lines behind a path, and two that talk to it.
async fn lines() -> Outcome {
    let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
        while let Ok(line) = reader.read_line().await {
            if line.is_empty() {
                break;
            }
            writer.write(&line);
            if writer.drain().await.is_err() {
                break;
            }
        }
    };
    let path = place();
    let server = again!(start_unix_server(handler, &path))?;
    let talks = async || again!(talk(path.clone()));
    let talked = corio::join!(talks(), talks());
    server.close();
    server.wait_closed().await;
    talked.0?;
    talked.1?;
    Ok(())
}

#[test]
fn streams() {
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EMFILE),
        Survivable(libc::ENFILE),
        Survivable(libc::ENOMEM),
        Survivable(libc::ENOBUFS),
        Survivable(libc::ENOSPC),
        Survivable(libc::ECONNABORTED),
        Survivable(libc::ECONNRESET),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("local::streams", FAULTS, lines);
}

#[test]
fn streams_in_pieces() {
    const FAULTS: &[crate::Fault] = &[Lengths(8), Survivable(libc::EADDRINUSE)];
    tasks("local::streams_in_pieces", FAULTS, lines);
}
