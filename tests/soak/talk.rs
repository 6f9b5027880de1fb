//! Clients that do all that clients do, and keep books of it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corio::net::{TcpStream, UnixStream};
use corio_tests::Random;

use crate::books::{Ledger, Page, State};

/// Conversations of one client process at a time.
const TALKS: u64 = 32;

/// Where the servers listen.
#[derive(Clone)]
pub struct Servers {
    pub tcp: SocketAddr,
    pub unix: Arc<Path>,
}

/// Talks on many connections at a time, each time in another way.
pub async fn talk(servers: Servers, ledger: PathBuf, number: u64, seed: u64) -> io::Result<()> {
    let ledger = Ledger::create(&ledger, number)?;
    let talks: Vec<_> = (0..TALKS)
        .map(|talk| {
            let mut random = Random::new(seed.wrapping_mul(TALKS).wrapping_add(talk));
            let (servers, ledger) = (servers.clone(), ledger.clone());
            corio::create_task(async move {
                loop {
                    conversation(&servers, &ledger, &mut random).await?;
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

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection whose bytes are in the books.
struct Line {
    socket: Socket,
    page: Page,
}

impl Line {
    /// Connects, and says which conversation it is.
    async fn open(servers: &Servers, ledger: &Arc<Ledger>, unix: bool) -> io::Result<Self> {
        let socket = match unix {
            true => Socket::Unix(UnixStream::connect(&servers.unix).await?),
            false => Socket::Tcp(TcpStream::connect(servers.tcp).await?),
        };
        let page = ledger.begin()?;
        let id = page.id().to_be_bytes();
        match &socket {
            Socket::Tcp(stream) => stream.write_all(&id).await?,
            Socket::Unix(stream) => stream.write_all(&id).await?,
        }
        Ok(Self { socket, page })
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.page.offers(bytes.len())?;
            let n = match &self.socket {
                Socket::Tcp(stream) => stream.write(bytes).await?,
                Socket::Unix(stream) => stream.write(bytes).await?,
            };
            self.page.sent(n)?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &self.socket {
            Socket::Tcp(stream) => stream.read(buf).await?,
            Socket::Unix(stream) => stream.read(buf).await?,
        };
        self.page.received(n)?;
        Ok(n)
    }

    async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(())
    }

    fn shutdown(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

async fn conversation(
    servers: &Servers,
    ledger: &Arc<Ledger>,
    random: &mut Random,
) -> io::Result<()> {
    let line = Line::open(servers, ledger, random.below(2) == 0).await?;
    let end = match random.below(7) {
        0 | 1 => rounds(&line, random).await?,
        2 => all_at_once(&line, random).await?,
        3 => slowly(&line, random).await?,
        4 => reset(&line, random).await?,
        5 => {
            // Gone without reading the answer.
            line.write_all(&message(random, 100_000)).await?;
            State::Left
        }
        _ => {
            corio::sleep(Duration::from_millis(random.below(100) as u64)).await;
            State::Left
        }
    };
    line.page.publish(end)
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
async fn rounds(line: &Line, random: &mut Random) -> io::Result<State> {
    for _ in 0..1 + random.below(10) {
        let sent = message(random, 20_000);
        let mut found = vec![0; sent.len()];
        corio::try_join!(line.write_all(&sent), line.read_exact(&mut found))?;
        unless_equal(&found, &sent)?;
    }
    Ok(State::Confirmed)
}

/// Sends everything, ends its half, and reads the rest.
async fn all_at_once(line: &Line, random: &mut Random) -> io::Result<State> {
    let sent = message(random, 300_000);
    let sending = async {
        line.write_all(&sent).await?;
        line.shutdown()
    };
    let reading = async {
        let (mut found, mut buf) = (Vec::new(), vec![0; 16_000]);
        loop {
            match line.read(&mut buf).await? {
                0 => return Ok::<_, io::Error>(found),
                n => found.extend_from_slice(&buf[..n]),
            }
        }
    };
    let ((), found) = corio::try_join!(sending, reading)?;
    unless_equal(&found, &sent)?;
    Ok(State::Confirmed)
}

/// A byte at a time, with pauses.
async fn slowly(line: &Line, random: &mut Random) -> io::Result<State> {
    if let Socket::Tcp(stream) = &line.socket {
        stream.set_nodelay(true)?;
    }
    for byte in message(random, 40) {
        line.write_all(&[byte]).await?;
        let mut found = [0];
        line.read_exact(&mut found).await?;
        unless_equal(&found, &[byte])?;
        corio::sleep(Duration::from_millis(random.below(20) as u64)).await;
    }
    Ok(State::Confirmed)
}

/// What was sent is lost, and the other end is told; a Unix socket has no such end and is just closed.
async fn reset(line: &Line, random: &mut Random) -> io::Result<State> {
    line.write_all(&message(random, 2_000)).await?;
    if let Socket::Tcp(stream) = &line.socket {
        stream.set_linger(Some(Duration::ZERO))?;
    }
    Ok(State::Left)
}
