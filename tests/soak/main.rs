//! A server that echoes for as long as it is let, and clients that do all that clients do:
//! `.ci/soak.sh` runs both, kills clients, and balances the books.
//!
//! ```text
//! soak serve                 says where it listens, and where its books are open
//! soak talk ADDRESS SEED     talks until it is killed; ends by itself if something is wrong
//! ```

use std::fmt::Write;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corio::net::{TcpListener, TcpStream};
use corio_tests::{Random, open_descriptors};

/// A client that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Conversations of one client process at a time.
const TALKS: u64 = 32;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["serve"] => corio::run(serve()),
        ["talk", address, seed] => match (address.parse(), seed.parse()) {
            (Ok(address), Ok(seed)) => corio::run(talk(address, seed)),
            _ => Err(io::Error::other(format!("talk {address} {seed}: no address or no number"))),
        },
        _ => Err(io::Error::other("usage: soak serve | soak talk ADDRESS SEED")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the server has seen.
#[derive(Debug, Default)]
struct Books {
    /// Connections that were accepted.
    opened: AtomicU64,
    /// Those that ended with the end of what the client sent.
    orderly: AtomicU64,
    /// Those that were reset, or fell silent.
    broken: AtomicU64,
    /// Bytes that came and went on orderly ones.
    read: AtomicU64,
    written: AtomicU64,
}

async fn serve() -> io::Result<()> {
    let books = Arc::new(Books::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let shown = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    println!("books on {}", shown.local_addr()?);
    let show = corio::task().name("books").spawn(show(shown, books.clone()));
    loop {
        let (stream, _) = listener.accept().await?;
        if show.done() {
            return Err(io::Error::other("the books are closed"));
        }
        books.opened.fetch_add(1, Relaxed);
        let books = books.clone();
        drop(corio::task().name("echo").spawn(async move {
            match echo(stream).await {
                Ok((read, written)) => {
                    books.orderly.fetch_add(1, Relaxed);
                    books.read.fetch_add(read, Relaxed);
                    books.written.fetch_add(written, Relaxed);
                }
                Err(_) => drop(books.broken.fetch_add(1, Relaxed)),
            }
        }));
    }
}

/// Sends back what comes until the client has sent all; tells how many bytes came and went.
async fn echo(stream: TcpStream) -> io::Result<(u64, u64)> {
    let (mut read, mut written) = (0, 0);
    let mut buf = [0; 4096];
    loop {
        let n = corio::timeout(SILENCE_MAX, stream.read(&mut buf))
            .await
            .map_err(io::Error::other)??;
        if n == 0 {
            return Ok((read, written));
        }
        read += n as u64;
        stream.write_all(&buf[..n]).await?;
        written += n as u64;
    }
}

/// Answers everybody with the books, one at a time, as a page for curl.
async fn show(listener: TcpListener, books: Arc<Books>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let request = corio::timeout(SILENCE_MAX, stream.read(&mut [0; 1024])).await;
        let metrics = corio::Handle::current().metrics();
        let mut page = String::from("HTTP/1.0 200 OK\r\n\r\n");
        for (name, value) in [
            ("tasks", metrics.tasks as u64),
            ("timers", metrics.timers as u64),
            ("sources", metrics.sources as u64),
            ("descriptors", open_descriptors() as u64),
            ("opened", books.opened.load(Relaxed)),
            ("orderly", books.orderly.load(Relaxed)),
            ("broken", books.broken.load(Relaxed)),
            ("read", books.read.load(Relaxed)),
            ("written", books.written.load(Relaxed)),
        ] {
            let _ = writeln!(page, "{name} {value}");
        }
        // A client that went away before its answer has lost only that.
        if request.is_ok() && stream.write_all(page.as_bytes()).await.is_ok() {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = corio::timeout(SILENCE_MAX, stream.read(&mut [0; 64])).await;
        }
    }
}

/// Talks on many connections at a time, each time in another way.
async fn talk(address: SocketAddr, seed: u64) -> io::Result<()> {
    let talks: Vec<_> = (0..TALKS)
        .map(|number| {
            let mut random = Random::new(seed.wrapping_mul(TALKS).wrapping_add(number));
            corio::create_task(async move {
                loop {
                    conversation(address, &mut random).await?;
                }
            })
        })
        .collect();
    for talk in talks {
        // It ends with an error only.
        let ended: io::Result<()> = talk.await.map_err(io::Error::other)?;
        ended?;
    }
    Ok(())
}

async fn conversation(address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    match random.below(7) {
        0 | 1 => rounds(&stream, random).await,
        2 => all_at_once(&stream, random).await,
        3 => slowly(&stream, random).await,
        4 => {
            // Reset: what was sent is lost, and the other end is told.
            stream.write_all(&message(random, 2_000)).await?;
            stream.set_linger(Some(Duration::ZERO))
        }
        // Gone without reading the answer.
        5 => stream.write_all(&message(random, 100_000)).await,
        _ => {
            corio::sleep(Duration::from_millis(random.below(100) as u64)).await;
            Ok(())
        }
    }
}

/// Up to so many bytes, no two messages alike.
fn message(random: &mut Random, max: usize) -> Vec<u8> {
    let first = random.next_u64();
    (0..1 + random.below(max) as u64).map(|i| (first.wrapping_add(i * 7) >> 3) as u8).collect()
}

fn unless_equal(found: &[u8], sent: &[u8]) -> io::Result<()> {
    if found == sent {
        return Ok(());
    }
    Err(io::Error::other(format!("WRONG: {} bytes came back of {}", found.len(), sent.len())))
}

/// Question and answer, some times; then the end.
async fn rounds(stream: &TcpStream, random: &mut Random) -> io::Result<()> {
    for _ in 0..1 + random.below(10) {
        let sent = message(random, 20_000);
        let mut found = vec![0; sent.len()];
        corio::try_join!(stream.write_all(&sent), stream.read_exact(&mut found))?;
        unless_equal(&found, &sent)?;
    }
    Ok(())
}

/// Sends everything, ends its half, and reads the rest.
async fn all_at_once(stream: &TcpStream, random: &mut Random) -> io::Result<()> {
    let sent = message(random, 300_000);
    let sending = async {
        stream.write_all(&sent).await?;
        stream.shutdown(Shutdown::Write)
    };
    let reading = async {
        let (mut found, mut buf) = (Vec::new(), vec![0; 16_000]);
        loop {
            match stream.read(&mut buf).await? {
                0 => return Ok::<_, io::Error>(found),
                n => found.extend_from_slice(&buf[..n]),
            }
        }
    };
    let ((), found) = corio::try_join!(sending, reading)?;
    unless_equal(&found, &sent)
}

/// A byte at a time, with pauses.
async fn slowly(stream: &TcpStream, random: &mut Random) -> io::Result<()> {
    stream.set_nodelay(true)?;
    for byte in message(random, 40) {
        stream.write_all(&[byte]).await?;
        let mut found = [0];
        stream.read_exact(&mut found).await?;
        unless_equal(&found, &[byte])?;
        corio::sleep(Duration::from_millis(random.below(20) as u64)).await;
    }
    Ok(())
}
