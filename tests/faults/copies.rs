//! From one stream to another, and from a file to a socket.

use std::io::{self, Write};
use std::net::Shutdown;

use corio::io::{copy, copy_bidirectional};
use corio::net::{UnixStream, sendfile, splice};

use crate::sockets::pair;
use crate::trial::Fault::{Errno, Interrupts, Lengths, Resets, Survivable};
use crate::trial::{Outcome, apart, tasks};
use crate::{pattern, scratch_path};

/// Few enough for every length of a transfer.
const SMALL: usize = 61;

async fn read_all(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

async fn feed(stream: UnixStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown(Shutdown::Write)
}

const FAULTS: &[crate::Fault] = &[
    Lengths(SMALL as u64),
    Errno(libc::EMFILE),
    Errno(libc::ENOMEM),
    Errno(libc::ENOBUFS),
    Errno(libc::ECONNRESET),
    Survivable(libc::EINTR),
    Interrupts,
];

#[test]
fn one_way() {
    async fn run() -> Outcome {
        let (source, mut inner) = UnixStream::pair()?;
        let (mut outer, sink) = UnixStream::pair()?;
        let bytes = pattern(SMALL);
        let copying = async move {
            let copied = copy(&mut inner, &mut outer).await?;
            outer.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(copied)
        };
        let ((), copied, found) = corio::try_join!(feed(source, &bytes), copying, read_all(&sink))?;
        assert_eq!(copied, SMALL as u64);
        assert_eq!(found, bytes);
        Ok(())
    }
    tasks("copies::one_way", FAULTS, run);
}

#[test]
fn one_way_within_the_system() {
    async fn run() -> Outcome {
        let (source, inner) = UnixStream::pair()?;
        let (outer, sink) = UnixStream::pair()?;
        let bytes = pattern(SMALL);
        let copying = async move {
            let copied = splice(&inner, &outer).await?;
            outer.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(copied)
        };
        let ((), copied, found) = corio::try_join!(feed(source, &bytes), copying, read_all(&sink))?;
        assert_eq!(copied, SMALL as u64);
        assert_eq!(found, bytes);
        Ok(())
    }
    tasks("copies::one_way_within_the_system", FAULTS, run);
}

#[test]
fn both_ways() {
    async fn run() -> Outcome {
        let (client, mut outer) = UnixStream::pair()?;
        let (mut inner, server) = UnixStream::pair()?;
        let bytes = pattern(SMALL);
        let proxy =
            corio::create_task(async move { copy_bidirectional(&mut outer, &mut inner).await });
        let proxy = async { proxy.cancel_on_drop().await.map_err(io::Error::other)? };
        let asking = async {
            client.write_all(&bytes).await?;
            client.shutdown(Shutdown::Write)?;
            read_all(&client).await
        };
        let answering = async {
            let question = read_all(&server).await?;
            server.write_all(&question).await?;
            server.shutdown(Shutdown::Write)
        };
        let (answer, (), copied) = corio::try_join!(asking, answering, proxy)?;
        assert_eq!(answer, bytes);
        assert_eq!(copied, (SMALL as u64, SMALL as u64));
        Ok(())
    }
    tasks("copies::both_ways", FAULTS, run);
}

#[test]
fn a_file_to_a_socket() {
    async fn run() -> Outcome {
        let bytes = pattern(SMALL);
        let file = apart(|| {
            let path = scratch_path("sent");
            std::fs::File::create(&path)?.write_all(&bytes)?;
            std::fs::File::open(path)
        })?;
        let (client, server) = pair().await?;
        let sending = async {
            let sent = sendfile(&server, &file, 0, None).await?;
            server.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(sent)
        };
        let receiving = async {
            let mut found = vec![0; SMALL];
            client.read_exact(&mut found).await?;
            assert_eq!(client.read(&mut [0]).await?, 0);
            Ok(found)
        };
        let (sent, found) = corio::try_join!(sending, receiving)?;
        assert_eq!(sent, SMALL as u64);
        assert_eq!(found, bytes);
        Ok(())
    }
    const SENDING: &[crate::Fault] = &[
        Lengths(SMALL as u64),
        Errno(libc::ENOMEM),
        Errno(libc::EIO),
        Errno(libc::ECONNRESET),
        Survivable(libc::EINTR),
        Interrupts,
        Resets,
    ];
    tasks("copies::a_file_to_a_socket", SENDING, run);
}

/// Some files the system does not send by itself, such as those that it makes up as they are read; which
/// these are depends on its version. The rest is read and written.
#[test]
fn a_file_that_is_made_up_to_a_socket() {
    async fn run() -> Outcome {
        let path = "/proc/self/environ";
        let (file, all) =
            apart(|| Ok::<_, io::Error>((std::fs::File::open(path)?, std::fs::read(path)?)))?;
        let count = SMALL.min(all.len() - 1);
        let (client, server) = pair().await?;
        let sending = async {
            let sent = sendfile(&server, &file, 1, Some(count as u64)).await?;
            server.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(sent)
        };
        let receiving = async {
            let mut found = vec![0; count];
            client.read_exact(&mut found).await?;
            assert_eq!(client.read(&mut [0]).await?, 0);
            Ok(found)
        };
        let (sent, found) = corio::try_join!(sending, receiving)?;
        assert_eq!(sent, count as u64);
        assert_eq!(found, all[1..=count]);
        Ok(())
    }
    const SENDING: &[crate::Fault] =
        &[Lengths(SMALL as u64), Survivable(libc::EINTR), Interrupts, Resets];
    tasks("copies::a_file_that_is_made_up_to_a_socket", SENDING, run);
}
