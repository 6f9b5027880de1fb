//! Sockets, `serve` and signals, through the facade only.

mod cancel;
mod errors;
mod many;
mod serve;
mod signals;
mod streams;
mod syscalls;
mod traits;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use corio::net::{TcpListener, TcpStream};

/// A test that takes longer hangs.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test with every setting that changes how tasks and sockets meet.
pub fn everywhere(test: impl AsyncFn()) {
    let settings: [(&str, fn(corio::Builder) -> corio::Builder); 6] = [
        ("two workers", |b| b.workers(2)),
        ("one worker", |b| b.workers(1)),
        ("no stealing", |b| b.workers(2).stealing(false)),
        ("no LIFO slot", |b| b.workers(2).lifo_slot(false)),
        ("a budget of 1", |b| b.workers(2).poll_budget(1)),
        ("no Watch", |b| b.workers(2).watch(false)),
    ];
    for (name, set) in settings {
        let in_time = set(corio::Builder::new()).run(corio::timeout(LIMIT, test()));
        in_time.expect("it starts").unwrap_or_else(|_| panic!("with {name}: not done in {LIMIT:?}"));
    }
}

/// Runs a test with the default settings.
pub fn once<F: Future>(test: F) -> F::Output {
    corio::run(corio::timeout(LIMIT, test)).expect("it ends in time")
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

/// How many descriptors this process has open.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux has it").count()
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
        [] => Command::new(this),
        [program, args @ ..] => {
            let mut command = Command::new(program);
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

/// Says why a test had nothing to do.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "{test} skipped: {why}");
}
