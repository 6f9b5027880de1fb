//! Sockets, `serve` and signals, through the facade only.

mod asyncio_edges;
mod asyncio_ends;
mod asyncio_servers;
mod asyncio_sockets;
mod asyncio_streams;
mod buffered;
mod cancel;
mod conversation;
mod copies;
mod copies_to_writers;
mod datagrams;
mod duplex;
mod endpoints;
mod errors;
mod eyeballs;
mod file_reads;
mod file_traits;
mod files;
mod full_buffers;
mod half_closes;
mod http2;
mod killed;
mod many;
mod places;
mod portable;
mod restart;
mod serve;
mod serve_accepts;
mod serve_pieces;
mod server_ends;
mod signals;
mod sigpipe;
mod ssl;
mod stream_traits;
mod streams;
mod syscalls;
mod temp;
mod text;
mod traits;
mod unix;

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use corio::net::{TcpListener, TcpStream};
use corio_tests::child::with_default_signals;
use corio_tests::within;
use socket2::{Domain, Socket, Type};

/// A test that takes longer hangs.
pub const LIMIT: Duration = corio_tests::PATIENCE;
/// For the thread of a test whose runtime cannot end it.
pub const HARD_LIMIT: Duration = LIMIT.saturating_add(Duration::from_secs(5));

/// A setting, and how it is made.
type Setting = (&'static str, fn(corio::Builder) -> corio::Builder);

/// The settings that change how tasks and sockets meet.
const SETTINGS: [Setting; 6] = [
    ("two workers", |b| b.workers(2)),
    ("one worker", |b| b.workers(1)),
    ("no stealing", |b| b.workers(2).stealing(false)),
    ("no LIFO slot", |b| b.workers(2).lifo_slot(false)),
    ("a budget of 1", |b| b.workers(2).poll_budget(1)),
    ("no Watch", |b| b.workers(2).watch(false)),
];

/// Runs a test with each of the settings.
pub fn everywhere<F: AsyncFn() + Copy + Send + 'static>(test: F) {
    for (name, set) in SETTINGS {
        within(HARD_LIMIT, name, move || {
            let done = set(corio::Builder::new()).run(corio::timeout(LIMIT, test()));
            done.expect("it starts").unwrap_or_else(|error| panic!("with {name}: {error}"));
        });
    }
}

/// Runs a test with two workers.
pub fn once<F: Future + Send + 'static>(test: F) -> F::Output
where
    F::Output: Send,
{
    patiently(1, test)
}

/// As [`once`], for a test that has so many times as much to do as others.
pub fn patiently<F: Future + Send + 'static>(times: u32, test: F) -> F::Output
where
    F::Output: Send,
{
    within(HARD_LIMIT * times, "the test", move || {
        let run = corio::Builder::new().workers(2).run(corio::timeout(LIMIT * times, test));
        run.expect("it starts").unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Two ends of one connection.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = corio::create_task(TcpStream::connect(address));
    let (server, peer) = listener.accept().await.unwrap();
    let client = client.await.unwrap().unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    (client, server)
}

/// A port of this machine that refuses connections: it is taken, so that no other test gets it, and
/// nobody listens there.
pub struct Closed(pub SocketAddr, #[expect(dead_code, reason = "it keeps the port")] Socket);

/// A port that is [`Closed`].
pub fn closed() -> Closed {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    Closed(socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

/// Reads to the end of the stream.
pub async fn read_all(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// Waits for something that another task or thread is about to do.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        corio::sleep(Duration::from_millis(1)).await;
    }
}

/// Set in a process that a test has started to play a part.
const PART: &str = "CORIO_TEST_PART";

/// True in the process that [`play`] has started for this part.
pub fn plays(part: &str) -> bool {
    std::env::var(PART).is_ok_and(|p| p == part)
}

/// A process that runs one test of this program, which asks [`plays`]; `wrap` comes before it.
pub fn play(test: &str, part: &str, wrap: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrap {
        [] => with_default_signals(this),
        [program, args @ ..] => {
            let mut command = with_default_signals(program);
            command.args(args).arg(this);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(PART, part);
    command.stdin(Stdio::null());
    command
}

/// The output of a process that must end well.
pub fn well(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    text + &errors
}
