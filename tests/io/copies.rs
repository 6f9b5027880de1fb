//! From one stream to another: copies, files to sockets, pipes, and the standard streams.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use corio::io::{copy, copy_bidirectional};
use corio::net::{UnixStream, sendfile, splice};
use corio::stream::{connect_read_pipe, connect_write_pipe};

use crate::unix::{Scratch, scratch};
use crate::{everywhere, once, pair, play, plays, read_all, until};

const LARGE: usize = 3 << 20;

pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

#[test]
fn a_copy_ends_with_its_source() {
    everywhere(async || {
        let (feed, mut source) = pair().await;
        let (mut target, sink) = UnixStream::pair().unwrap();
        let feeder = corio::create_task(async move {
            feed.write_all(&pattern(LARGE)).await.unwrap();
        });
        let reader = corio::create_task(async move {
            let mut all = vec![0; LARGE];
            sink.read_exact(&mut all).await.unwrap();
            (all, sink)
        });
        assert_eq!(copy(&mut source, &mut target).await.unwrap(), LARGE as u64);
        let (all, sink) = reader.await.unwrap();
        assert!(all == pattern(LARGE));
        // The target is not ended by it.
        target.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        sink.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
        feeder.await.unwrap();
    });
}

#[test]
fn a_splice_copies_until_the_end_and_tells_what_it_holds() {
    everywhere(async || {
        let (feed, source) = pair().await;
        let (target, sink) = UnixStream::pair().unwrap();
        let feeder = corio::create_task(async move {
            for piece in pattern(LARGE).chunks(100_003) {
                feed.write_all(piece).await.unwrap();
            }
        });
        let reader = corio::create_task(async move {
            let mut all = vec![0; LARGE];
            sink.read_exact(&mut all).await.unwrap();
            (all, sink)
        });
        assert_eq!(splice(&source, &target).await.unwrap(), LARGE as u64);
        let (all, sink) = reader.await.unwrap();
        assert!(all == pattern(LARGE));
        feeder.await.unwrap();
        // Nothing at all is an end too, and the target is not ended by it.
        assert_eq!(splice(&source, &target).await.unwrap(), 0);
        target.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        sink.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
    });
}

#[test]
fn a_splice_waits_for_its_slow_end_and_fails_with_it() {
    once(async {
        let (feed, source) = UnixStream::pair().unwrap();
        let (target, sink) = pair().await;
        let feeder = corio::create_task(async move {
            let bytes = vec![7; LARGE * 8];
            feed.write_all(&bytes).await
        });
        let mut splicing = splice(&source, &target);
        // It holds something while it sleeps: the target has no room. What it holds before it has
        // copied anything may also be due to a poll that ended early.
        while splicing.held() == 0 || splicing.copied() == 0 {
            let short = corio::timeout(std::time::Duration::from_millis(5), &mut splicing);
            assert!(short.await.is_err(), "nobody reads");
        }
        let (copied, held) = (splicing.copied(), splicing.held());
        assert!(copied + held as u64 <= (LARGE * 8) as u64);
        drop(sink);
        let error = splicing.await.unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        drop(source);
        assert!(feeder.await.unwrap().is_err());
    });
}

#[test]
fn a_dropped_copy_shows_what_it_holds() {
    once(async {
        let (feed, mut source) = UnixStream::pair().unwrap();
        let (mut target, sink) = UnixStream::pair().unwrap();
        let feeder = corio::create_task(async move {
            feed.write_all(&pattern(LARGE)).await.unwrap();
        });
        let mut copying = copy(&mut source, &mut target);
        let short = corio::timeout(std::time::Duration::from_millis(20), &mut copying);
        assert!(short.await.is_err(), "nobody reads");
        let (copied, held) = (copying.copied() as usize, copying.unwritten().to_vec());
        drop(copying);
        let mut seen = vec![0; copied];
        sink.read_exact(&mut seen).await.unwrap();
        seen.extend(held);
        let mut rest = vec![0; LARGE - seen.len()];
        source.read_exact(&mut rest).await.unwrap();
        seen.extend(rest);
        assert!(seen == pattern(LARGE), "every byte is in one of three places");
        feeder.await.unwrap();
    });
}

#[test]
fn a_proxy_passes_both_ways_and_both_ends() {
    everywhere(async || {
        let (client, mut outer) = pair().await;
        let (mut inner, server) = UnixStream::pair().unwrap();
        let proxy =
            corio::create_task(
                async move { copy_bidirectional(&mut outer, &mut inner).await.unwrap() },
            );
        let service = corio::create_task(async move {
            // The answer is longer than the question, and comes after its end.
            let mut all = Vec::new();
            let mut buf = vec![0; 1 << 16];
            loop {
                match server.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            server.write_all(&all).await.unwrap();
            server.write_all(b"!").await.unwrap();
        });
        let question = pattern(1 << 20);
        client.write_all(&question).await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(&client).await.unwrap();
        assert!(answer[..1 << 20] == question && answer[1 << 20..] == *b"!");
        service.await.unwrap();
        assert_eq!(proxy.await.unwrap(), (1 << 20, (1 << 20) + 1));
    });
}

/// A file of so many bytes.
fn file(size: usize) -> (Scratch, std::fs::File) {
    let folder = scratch();
    let path = folder.path().join("file");
    std::fs::write(&path, pattern(size)).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    (folder, file)
}

// conforms: 24 test_sock_sendfile_success
// conforms: 24 test_sock_sendfile_with_offset_and_count
// conforms: 24 test_sock_sendfile_zero_size
// conforms: 24 test_sock_sendfile_mix_with_regular_send
// conforms: 24 test_sendfile_partial
// conforms: 28 test_os.py test_sendfile_socket
// conforms: 28 test_simple.py test_serve_small_bin_file_sync
// conforms: 28 test_simple.py test_serve_small_bin_file
#[test]
fn files_are_sent() {
    everywhere(async || {
        let (client, server) = pair().await;
        let reader = corio::create_task(async move { read_all(&client).await.unwrap() });
        let (_folder, mut from) = file(LARGE);
        server.write_all(b"before").await.unwrap();
        assert_eq!(sendfile(&server, &from, 0, None).await.unwrap(), LARGE as u64);
        assert_eq!(from.stream_position().unwrap(), LARGE as u64);
        // By the system's own call: what reads and writes instead is not allowed here.
        let part = sendfile(&server, &from, 1000, Some(2000)).fallback(false);
        assert_eq!(part.await.unwrap(), 2000);
        assert_eq!(from.stream_position().unwrap(), 3000);
        // More than there is, from behind the end, and nothing at all.
        let end = LARGE as u64 - 10;
        assert_eq!(sendfile(&server, &from, end, Some(100)).await.unwrap(), 10);
        assert_eq!(sendfile(&server, &from, end + 100, None).await.unwrap(), 0);
        assert_eq!(sendfile(&server, &from, 0, Some(0)).await.unwrap(), 0);
        server.write_all(b"after").await.unwrap();
        drop(server);
        let whole = pattern(LARGE);
        let parts = [b"before", &whole[..], &whole[1000..3000], &whole[LARGE - 10..], b"after"];
        assert!(reader.await.unwrap() == parts.concat());
    });
}

// conforms: 24 test_sock_sendfile_fallback
// conforms: 24 test_sock_sendfile_no_fallback
// conforms: 24 test_nonbinary_file
// conforms: 30 test_sock_sendfile_fallback_offset_and_count
// conforms: 30 test__sock_sendfile_native_failure
#[test]
fn files_that_the_system_does_not_send_are_read() {
    once(async {
        let (client, server) = pair().await;
        let folder = std::fs::File::open("/proc").unwrap();
        let error = sendfile(&server, &folder, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "a folder is no file");
        // Linux does not send from files that it makes up as they are read, or not all of them.
        let made_up = std::fs::File::open("/proc/self/environ").unwrap();
        match sendfile(&server, &made_up, 0, Some(1)).fallback(false).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
            Ok(sent) => {
                assert_eq!(sent, 1);
                client.read_exact(&mut [0]).await.unwrap();
            }
        }
        let expected = std::fs::read("/proc/self/environ").unwrap();
        let count = expected.len() as u64 - 2;
        assert_eq!(sendfile(&server, &made_up, 1, Some(count)).await.unwrap(), count);
        assert_eq!(sendfile(&server, &made_up, 0, None).await.unwrap(), count + 2);
        drop(server);
        let all = [&expected[1..expected.len() - 1], &expected].concat();
        assert!(read_all(&client).await.unwrap() == all);
    });
}

// conforms: 24 test_sock_sendfile_cancel1
// conforms: 24 test_sock_sendfile_cancel2
// conforms: 24 test_sendfile_close_peer_in_the_middle_of_receiving
#[test]
fn sending_a_file_ends_early() {
    once(async {
        let (client, server) = pair().await;
        // More than two sockets hold; nothing of it takes room on the disk.
        let (_folder, mut from) = file(0);
        from.set_len(64 << 20).unwrap();
        let mut sending = sendfile(&server, &from, 0, None);
        let short = corio::timeout(std::time::Duration::from_millis(5), &mut sending);
        assert!(short.await.is_err(), "nobody reads");
        let sent = sending.sent();
        drop(sending);
        assert_eq!(from.stream_position().unwrap(), sent);
        // What it says was sent, and not a byte more before what was written next.
        let mut seen = vec![1; sent as usize];
        let reader = corio::create_task(async move {
            client.read_exact(&mut seen).await.unwrap();
            let mut next = [0];
            client.read_exact(&mut next).await.unwrap();
            assert!(seen == vec![0; seen.len()] && next == *b"|");
            // Now the peer goes away in the middle of a file.
            client.read_exact(&mut [0; 1000]).await.unwrap();
        });
        server.write_all(b"|").await.unwrap();
        let error = sendfile(&server, &from, 0, None).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        reader.await.unwrap();
    });
}

// conforms: 28 test_os.py test_sendfile_file
#[cfg(target_os = "linux")]
#[test]
fn a_file_is_sent_to_a_file() {
    once(async {
        let (_folder, from) = file(10);
        let (_other, mut to) = file(0);
        assert_eq!(corio::fs::sendfile(&to, &from, 2, 5).await.unwrap(), 5);
        let mut seen = Vec::new();
        to.seek(SeekFrom::Start(0)).unwrap();
        to.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, pattern(10)[2..7]);
    });
}

/// A pipe: the reading end first.
fn pipe() -> (std::fs::File, std::fs::File) {
    let folder = scratch();
    let path = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let options = std::fs::File::options().read(true).clone();
    // Opened both ways it waits for nobody, and lets the two ends be opened.
    let both = options.clone().write(true).open(&path).unwrap();
    let reading = options.open(&path).unwrap();
    let writing = std::fs::File::options().write(true).open(&path).unwrap();
    drop(both);
    (reading, writing)
}

// conforms: 23 test_read_pipe
// conforms: 23 test_write_pipe
// conforms: 30 test_read_fifo
// conforms: 30 test_write_fifo
// conforms: 30 test_read_socket
// conforms: 30 test_write_socket
#[test]
fn pipes_and_sockets_are_streams() {
    everywhere(async || {
        let (reading, writing) = pipe();
        let fifo = [reading.into(), writing.into()];
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        for [reading, writing] in [fifo, [OwnedFd::from(a), b.into()]] {
            let mut reader = connect_read_pipe(reading).unwrap();
            let mut writer = connect_write_pipe(writing).unwrap();
            // More than a pipe holds is queued and sent.
            let data = pattern(1 << 20);
            writer.write(&data);
            assert!(writer.queued() > 0);
            assert!(reader.read_exact(1 << 20).await.unwrap() == data);
            writer.drain().await.unwrap();
            writer.write(b"line\nrest");
            assert_eq!(reader.read_line().await.unwrap(), b"line\n");
            assert_eq!(writer.get_extra_info().peer_addr, None);
        }
    });
}

// conforms: 23 test_write_pipe_disconnect_on_close
// differs: it is the next write that finds out
// conforms: 30 test_write_named_fifo_unread_data
// conforms: 30 test_unclosed_pipe_transport
#[test]
fn the_two_ends_of_a_pipe_end() {
    everywhere(async || {
        let (reading, writing) = pipe();
        let mut reader = connect_read_pipe(reading).unwrap();
        let mut writer = connect_write_pipe(writing).unwrap();
        let data = pattern(1 << 20);
        writer.write(&data);
        // What is queued is written although the writer is closed.
        writer.write_eof().unwrap();
        assert!(writer.is_closing());
        assert!(reader.read(None).await.unwrap() == data);
        writer.wait_closed().await.unwrap();
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        // Nobody reads any more.
        let (reading, writing) = pipe();
        let mut writer = connect_write_pipe(writing).unwrap();
        drop(connect_read_pipe(reading).unwrap());
        // A process that another test is just starting has a copy of the end until it has begun.
        let error = loop {
            writer.write(b"data");
            match writer.drain().await {
                Ok(()) => corio::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // An abort drops what nobody has read.
        let (mut reading, writing) = pipe();
        let mut writer = connect_write_pipe(writing).unwrap();
        writer.write(&data);
        writer.abort();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        let rest = corio::to_thread(move || {
            let mut rest = Vec::new();
            reading.read_to_end(&mut rest).map(|_| rest)
        });
        let rest = rest.await.unwrap().unwrap();
        assert!(rest.len() < data.len() && data.starts_with(&rest));
    });
}

// conforms: 30 test_read_character_device
// conforms: 30 test_write_character_device
// conforms: 30 test_read_regular_file
// conforms: 30 test_write_regular_file
#[test]
fn devices_are_streams_and_files_are_not() {
    once(async {
        let terminal = std::fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
        connect_write_pipe(terminal.try_clone().unwrap()).unwrap();
        connect_read_pipe(terminal).unwrap();
        let (_folder, file) = file(1);
        let error = connect_read_pipe(file.try_clone().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = connect_write_pipe(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

// conforms: 28 test_stdio.py test_stdio
// conforms: 28 test_stdio.py test_stdio_bytes
#[test]
fn the_standard_streams() {
    let (test, part) = ("copies::the_standard_streams", "stdio");
    if plays(part) {
        return once(async {
            let mut input = corio::io::stdin().unwrap();
            let (mut output, mut errors) =
                (corio::io::stdout().unwrap(), corio::io::stderr().unwrap());
            // A read that is given up does not take the line with it.
            let early = corio::timeout(std::time::Duration::from_millis(1), input.read_line(None));
            assert!(early.await.is_err());
            output.write("ready\n").await.unwrap();
            let line = input.read_line(None).await.unwrap();
            output.write([b"out ", &line[..]].concat()).await.unwrap();
            errors.write([b"err ", &line[..]].concat()).await.unwrap();
            output.close().await.unwrap();
            corio::io::stdout().unwrap().write("still open\n").await.unwrap();
        });
    }
    let mut child = play(test, part, &[]);
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut seen = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    while !seen.ends_with(b"ready\n") {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    input.write_all(b"hello\n").unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let output = String::from_utf8_lossy(&said.stdout);
    assert!(output.contains("out hello\nstill open\n"), "{output}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("err hello\n"));
}

/// A prompt is often one byte, and who reads it answers only then.
#[test]
fn a_single_byte_is_not_held_back() {
    let (test, part) = ("copies::a_single_byte_is_not_held_back", "prompt");
    if plays(part) {
        return once(async {
            let mut input = corio::io::stdin().unwrap();
            let (mut output, mut errors) =
                (corio::io::stdout().unwrap(), corio::io::stderr().unwrap());
            assert_eq!(output.write([1]).await.unwrap(), 1);
            assert_eq!(input.read_line(None).await.unwrap(), b"yes\n");
            assert_eq!(errors.write([2]).await.unwrap(), 1);
            assert_eq!(input.read_line(None).await.unwrap(), b"no\n");
            // More than a pipe holds, whose other end is read only then: all of it is written.
            assert_eq!(output.write(vec![3; 1 << 20]).await.unwrap(), 1 << 20);
        });
    }
    once(async {
        let mut child = play(test, part, &[]);
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let (mut output, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        output = read_to(output, 1).await;
        input.write_all(b"yes\n").unwrap();
        errors = read_to(errors, 2).await;
        input.write_all(b"no\n").unwrap();
        let (text, all) = corio::to_thread(move || {
            let (mut all, mut text) = (Vec::new(), String::new());
            output.read_to_end(&mut all).unwrap();
            errors.read_to_string(&mut text).unwrap();
            (text, all)
        })
        .await
        .unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        assert_eq!(all.iter().filter(|byte| **byte == 3).count(), 1 << 20);
    });
}

/// Reads to a byte that a child has written, and gives the stream back.
async fn read_to<R: Read + Send + Sync + 'static>(mut from: R, byte: u8) -> R {
    corio::to_thread(move || {
        let mut seen = [0];
        while seen != [byte] {
            assert_eq!(from.read(&mut seen).unwrap(), 1, "the child has ended");
        }
        from
    })
    .await
    .unwrap()
}

#[test]
fn a_child_s_output_is_copied() {
    once(async {
        use corio::process::create_subprocess_exec;
        let command = create_subprocess_exec("head", ["-c", "100000", "/dev/zero"]);
        let mut child = command.stdout(corio::process::Stdio::Pipe).await.unwrap();
        let (mut target, sink) = UnixStream::pair().unwrap();
        let reader = corio::create_task(async move {
            let mut all = vec![1; 100_000];
            sink.read_exact(&mut all).await.unwrap();
            all
        });
        let from = child.stdout.as_mut().unwrap();
        assert_eq!(copy(from, &mut target).await.unwrap(), 100_000);
        assert!(reader.await.unwrap().iter().all(|byte| *byte == 0));
        until("the child ends", || child.returncode() == Some(0)).await;
    });
}
