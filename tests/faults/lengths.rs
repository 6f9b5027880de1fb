//! Transfers that are cut short, at every length: HTTP, the pipes of children, buffers before sockets,
//! reads and writes at a place, text. Nothing is lost, doubled or taken for an end.
//!
//! What the system moves in one call is its own business, and on a busy machine less than was asked for
//! is common; everything here must come out as if each call had moved everything.

use std::future::Future;
use std::io::{self, SeekFrom};
use std::net::SocketAddr;

use corio::fs::{self, File, Newline};
use corio::io::{BufReader, BufWriter, copy};
use corio::net::{OwnedReadHalf, OwnedWriteHalf, Shutdown, TcpListener, TcpStream, UnixStream};
use corio::process::{Stdio, create_subprocess_shell};
use corio::stream::connect_accepted_socket;
use corio_tests::kit::Signal;

use crate::conversation;
use crate::sockets::pair;
use crate::trial::Fault::{Full, Interrupts, Lengths, Resets, Survivable};
use crate::trial::{Failure, Outcome, apart, tasks};
use crate::{pattern, scratch_path};

/// Bytes that go one way, few enough for every length.
const BODY: usize = 97;

/// Serves while a client asks, and sees that everything ends.
async fn served<F: Future<Output = Outcome>>(asks: impl FnOnce(SocketAddr) -> F) -> Outcome {
    let listener = apart(|| std::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = apart(|| listener.local_addr())?;
    let stop = Signal::new();
    let serve = corio::serve(apart(|| TcpListener::from_std(listener))?, conversation::router());
    let serve = serve.with_graceful_shutdown(stop.wait()).report();
    let server = corio::create_task(serve).cancel_on_drop();
    let asked = asks(address).await;
    stop.set();
    let report = server.await??;
    asked?;
    assert!(report.accepted == 1 && report.is_clean(), "{report}");
    Ok(())
}

#[test]
fn requests_and_answers_of_http_1() {
    async fn ask(address: SocketAddr) -> Outcome {
        let (reads, writes) = TcpStream::connect(address).await?.into_split();
        conversation::http_1(reads, writes).await
    }
    async fn run() -> Outcome {
        served(ask).await
    }
    const FAULTS: &[crate::Fault] = &[Lengths(conversation::HTTP_1_MAX as u64), Interrupts];
    tasks("lengths::requests_and_answers_of_http_1", FAULTS, run);
}

#[test]
fn an_upgrade_with_what_comes_right_behind_it() {
    async fn ask(address: SocketAddr) -> Outcome {
        let (reads, writes) = TcpStream::connect(address).await?.into_split();
        conversation::upgraded(reads, writes).await
    }
    async fn run() -> Outcome {
        served(ask).await
    }
    const FAULTS: &[crate::Fault] = &[Lengths(conversation::UPGRADE_MAX as u64), Interrupts];
    tasks("lengths::an_upgrade_with_what_comes_right_behind_it", FAULTS, run);
}

#[test]
fn requests_and_answers_of_http_2() {
    async fn ask(address: SocketAddr) -> Outcome {
        conversation::http_2(TcpStream::connect(address).await?).await
    }
    async fn run() -> Outcome {
        served(ask).await
    }
    const FAULTS: &[crate::Fault] = &[Lengths(conversation::HTTP_2_MAX as u64), Interrupts];
    tasks("lengths::requests_and_answers_of_http_2", FAULTS, run);
}

#[test]
fn what_children_hear_and_say() {
    async fn run() -> Outcome {
        let command = create_subprocess_shell("cat; echo gone >&2; exit 3");
        let command = command.stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
        let mut child = command.await?;
        let mut input = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let mut errors = child.stderr.take().expect("a pipe");
        let line = [&pattern(40)[..], b"\n"].concat();
        input.write_lines([&b"one\n"[..], &line]);
        input.drain().await?;
        assert_eq!(output.read_line().await?, b"one\n");
        assert_eq!(output.read_exact(line.len()).await?, line);
        input.write(&pattern(BODY));
        input.write_eof()?;
        assert_eq!(output.read(None).await?, pattern(BODY));
        assert_eq!(errors.read_line().await?, b"gone\n");
        input.wait_closed().await?;
        assert_eq!(child.wait().await?.code(), Some(3));

        let command = create_subprocess_shell("cat; echo gone >&2");
        let command = command.stdin(Stdio::Pipe).stdout(Stdio::Pipe).stderr(Stdio::Pipe);
        let output = command.await?.communicate(pattern(BODY)).await?;
        assert_eq!((output.stdout, &*output.stderr), (pattern(BODY), &b"gone\n"[..]));
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[Lengths(BODY as u64)];
    tasks("lengths::what_children_hear_and_say", FAULTS, run);
}

/// With a second attempt for each call: what has failed took no byte, and lost none.
#[test]
fn buffers_before_sockets() {
    async fn send(half: OwnedWriteHalf, capacity: usize) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(capacity, half);
        let bytes = [&pattern(BODY)[..], b"\nthe end"].concat();
        for piece in bytes.chunks(10) {
            let mut rest = piece;
            while !rest.is_empty() {
                rest = &rest[again!(writer.write(rest))?..];
            }
        }
        again!(writer.flush())
    }
    async fn receive(half: OwnedReadHalf, capacity: usize) -> Result<(), Failure> {
        let mut reader = BufReader::with_capacity(capacity, half);
        let found = again!(reader.read_exact(20))?;
        assert_eq!(found, pattern(BODY)[..20]);
        let line = again!(reader.read_line())?;
        assert_eq!(line, [&pattern(BODY)[20..], b"\n"].concat());
        let found = again!(reader.read_until(&[b" "]))?;
        assert_eq!(found, b"the ");
        let found = again!(reader.read(None))?;
        assert_eq!(found, b"end");
        Ok(())
    }
    async fn run() -> Outcome {
        for capacity in [1, 16, 200] {
            let (near, far) = again!(pair())?;
            let sent = async { Ok(send(near.into_split().1, capacity).await?) };
            corio::try_join!(sent, receive(far.into_split().0, capacity))?;
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Lengths(BODY as u64),
        Survivable(libc::ENOMEM),
        Survivable(libc::ENOBUFS),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("lengths::buffers_before_sockets", FAULTS, run);
}

/// From a buffer to asyncio's writer, whose queue holds few.
#[test]
fn copies_to_a_queue() {
    async fn run() -> Outcome {
        let (source, near) = UnixStream::pair()?;
        let (far, sink) = UnixStream::pair()?;
        source.write_all(&[b"head\n", &pattern(BODY)[..]].concat()).await?;
        source.shutdown(Shutdown::Write)?;
        let mut reader = BufReader::with_capacity(10, near);
        let (_reader, mut writer) = connect_accepted_socket(far)?;
        writer.set_write_buffer_limits(Some(7), None);
        let copying = async {
            assert_eq!(reader.read_line().await?, b"head\n");
            let copied = copy(&mut reader, &mut writer).await?;
            writer.close();
            writer.wait_closed().await?;
            Ok::<_, Failure>(copied)
        };
        let mut sink = BufReader::new(sink);
        let arrived = async { Ok(sink.read(None).await?) };
        let (copied, arrived) = corio::try_join!(copying, arrived)?;
        assert_eq!((copied, arrived), (BODY as u64, pattern(BODY)));
        Ok(())
    }
    const FAULTS: &[crate::Fault] =
        &[Lengths(BODY as u64 + 8), Survivable(libc::EINTR), Interrupts, Resets];
    tasks("lengths::copies_to_a_queue", FAULTS, run);
}

/// Each call may move less than was asked for, and says so; what it moved is where it was to be.
#[test]
fn reads_and_writes_at_a_place() {
    /// Where the bytes begin, behind some that are written in order.
    const AT: usize = 5;

    async fn with_buffer(buffer: usize) -> Outcome {
        let options = File::options().read(true).write(true).create(true).truncate(true);
        let options = options.buffer(buffer);
        let mut file = again!(options.clone().open(scratch_path("file")))?;
        let mut rest = &b"first"[..];
        while !rest.is_empty() {
            rest = &rest[again!(file.write(rest))?..];
        }
        let all = pattern(BODY);
        let mut written = 0;
        while written < BODY {
            let rest = &all[written..];
            let (n, bytes) = again!(file.write_at((AT + written) as u64, rest.to_vec()))?;
            assert!((1..=rest.len()).contains(&n) && bytes == rest);
            written += n;
        }
        let mut found = Vec::new();
        loop {
            let (n, bytes) = again!(file.read_at(found.len() as u64, vec![b'?'; 50]))?;
            assert!(n <= 50 && bytes.len() == 50);
            assert!(bytes[n..].iter().all(|byte| *byte == b'?'), "what was not read is untouched");
            found.extend_from_slice(&bytes[..n]);
            if n == 0 {
                break;
            }
        }
        assert_eq!(found, [b"first", &all[..]].concat());
        // The position is where it was.
        let rest = again!(file.read_all())?;
        assert_eq!(rest, all);
        Ok(again!(file.close())?)
    }
    async fn run() -> Outcome {
        for buffer in [0, 4, 4096] {
            with_buffer(buffer).await?;
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Lengths(BODY as u64),
        Survivable(libc::EIO),
        Survivable(libc::ENOSPC),
        Survivable(libc::EINTR),
        Interrupts,
        Full,
    ];
    tasks("lengths::reads_and_writes_at_a_place", FAULTS, run);
}

/// Lines with characters of one to four bytes, and with every end of a line, each at every end of a read.
const LINES: [&str; 5] = ["uno\n", "dós\r\n", "漢字\r", "\n", "😀 ñ"];

/// Writes them, and one more after that.
async fn write_lines(buffer: usize, newline: Newline) -> Outcome {
    let path = scratch_path("file");
    let open = |mode| fs::open_text(&path, mode).buffer(buffer).newline(newline);
    let mut file = again!(open("w"))?;
    for line in &LINES[..3] {
        let n = again!(file.write(line))?;
        assert_eq!(n, line.chars().count());
    }
    again!(file.write_lines(&LINES[3..]))?;
    again!(file.flush())?;
    again!(file.close())?;
    let found = again!(fs::read(&path))?;
    assert_eq!(found, LINES.concat().into_bytes());
    // Each line is flushed, and a failure takes nothing of it.
    let mut file = again!(open("a").line_buffering(true))?;
    let n = again!(file.write("f"))?;
    assert_eq!(n, 1);
    let n = again!(file.write("in\nfin"))?;
    assert_eq!(n, 6);
    again!(file.flush())?;
    Ok(again!(file.close())?)
}

/// Reads them whole, by lines, and from each character on.
async fn read_lines(buffer: usize, newline: Newline) -> Outcome {
    // A `\r` and the `\n` after it are one end, though they came from two lines.
    let expected = match newline {
        Newline::Universal => ["uno\n", "dós\n", "漢字\n", "😀 ñfin\n", "fin"],
        _ => ["uno\n", "dós\r\n", "漢字\r\n", "😀 ñfin\n", "fin"],
    };
    let path = scratch_path("file");
    let open = || fs::open_text(&path, "r").buffer(buffer).newline(newline);
    let mut file = again!(open())?;
    let found = again!(file.read_lines(None))?;
    assert_eq!(found, expected);
    again!(file.seek(SeekFrom::Start(0)))?;
    for line in &expected {
        let found = again!(file.read_line(None))?;
        assert_eq!(found, *line);
    }
    again!(file.seek(SeekFrom::Start(0)))?;
    let (mut found, mut places) = (String::new(), Vec::new());
    loop {
        let place = again!(file.tell())?;
        let character = again!(file.read(Some(1)))?;
        if character.is_empty() {
            break;
        }
        places.push((place, found.len()));
        found += &character;
    }
    assert_eq!(found, expected.concat());
    // From each character on.
    for (place, before) in places {
        again!(file.seek(SeekFrom::Start(place)))?;
        let rest = again!(file.read(None))?;
        assert_eq!(rest, found[before..]);
    }
    Ok(again!(file.close())?)
}

#[test]
fn text_in_pieces() {
    async fn run() -> Outcome {
        for buffer in [2, 4096] {
            for newline in [Newline::Universal, Newline::Keep] {
                write_lines(buffer, newline).await?;
                read_lines(buffer, newline).await?;
            }
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Lengths(40),
        Survivable(libc::EIO),
        Survivable(libc::ENOSPC),
        Survivable(libc::EINTR),
        Interrupts,
        Full,
    ];
    tasks("lengths::text_in_pieces", FAULTS, run);
}
