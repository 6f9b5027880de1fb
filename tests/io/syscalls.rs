//! How many system calls an echo costs, counted by strace.
//!
//! A message needs a read and a write; the rest is waiting. At one connection each message is
//! waited for; at 64 one wait brings several.
//!
//! A call that strace counts takes some 20 us longer, so whatever happens once per 100 us would be
//! counted far too often per message. Therefore reads and writes are counted in a run of their own,
//! and all others in another, where reads and writes have their usual speed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use corio::net::TcpListener;
use corio_tests::skipped;

use crate::{once, play, plays, well};

const TEST: &str = "syscalls::an_echo_costs_two_calls_and_a_wait";
const PART: &str = "echo";
const CONNECTIONS: &str = "CORIO_TEST_CONNECTIONS";
const MESSAGE: usize = 64;

/// Serves echoes until all connections have ended.
fn server() {
    let connections: usize = std::env::var(CONNECTIONS).unwrap().parse().unwrap();
    once(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("\nport {}", listener.local_addr().unwrap().port());
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let (stream, _) = listener.accept().await.unwrap();
            tasks.push(corio::create_task(async move {
                let mut buf = [0; 1024];
                loop {
                    match stream.read(&mut buf).await.unwrap() {
                        0 => return,
                        n => stream.write_all(&buf[..n]).await.unwrap(),
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Those whose number depends on messages alone; `TIMED` are all others.
const DATA: &str = "trace=recvfrom,sendto,read,write,readv,writev,recvmsg,sendmsg";
const TIMED: &str = "trace=!recvfrom,sendto,read,write,readv,writev,recvmsg,sendmsg";
/// A machine that is busy with other things adds polls and clock ticks, and takes none away.
const ATTEMPTS: usize = 20;

/// The system calls of a server that answers `rounds` messages on each connection; `None` if strace
/// was stopped itself, and has counted nothing.
fn calls(set: &str, connections: usize, rounds: usize) -> Option<usize> {
    let file = std::env::temp_dir().join(format!("corio-calls-{}", std::process::id()));
    let file = file.to_str().unwrap();
    let strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-c", "-e", set, "-o", file];
    let mut child = play(TEST, PART, &strace)
        .env(CONNECTIONS, connections.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse::<u16>().ok());
    let address = SocketAddr::from(([127, 0, 0, 1], port.expect("the child has begun")));
    let mut streams: Vec<_> =
        (0..connections).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &streams {
        stream.set_nodelay(true).unwrap();
    }
    let mut echo = [0; MESSAGE];
    for _ in 0..rounds {
        for stream in &mut streams {
            stream.write_all(&[7; MESSAGE]).unwrap();
        }
        for stream in &mut streams {
            stream.read_exact(&mut echo).unwrap();
        }
    }
    drop(streams);
    well(child.wait_with_output().unwrap());
    let table = std::fs::read_to_string(file).unwrap();
    std::fs::remove_file(file).unwrap();
    let total = table.lines().find(|line| line.ends_with(" total"))?;
    let count: usize = total.split_whitespace().nth(3).unwrap().parse().unwrap();
    let ticks = table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // Share, seconds, time per call, calls, and errors if there are any.
        let [_, _, _, _, errors, "futex"] = words[..] else { return None };
        errors.parse::<usize>().ok()
    });
    println!("{connections} connections, {rounds} rounds: {count} calls\n{table}");
    Some(count - ticks.unwrap_or(0))
}

#[test]
fn an_echo_costs_two_calls_and_a_wait() {
    if plays(PART) {
        return server();
    }
    if std::env::var_os("CORIO_POLLER").is_some_and(|poller| poller == "portable") {
        return skipped("none", TEST, "the portable poller makes more calls, and promises nothing");
    }
    if std::env::var_os("ASAN_OPTIONS").is_some() {
        return skipped("none", TEST, "a sanitizer looks for leaks, and cannot while it is traced");
    }
    // A container may have strace and not be allowed to use it.
    let works =
        Command::new("strace").args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return skipped("strace", TEST, "strace is not there, or may not trace");
    }
    for (connections, rounds, limit) in [(1, 1000, 4.0), (64, 100, 2.2)] {
        let mut seen = Vec::new();
        let within = (0..ATTEMPTS).any(|_| {
            let Some(cost) = per_echo(connections, rounds) else { return false };
            println!("{connections} connections: {cost:.2} system calls per echo");
            seen.push(cost);
            cost <= limit
        });
        assert!(within, "{connections} connections: {seen:.2?} per echo, at most {limit}");
    }
}

/// What one message more costs: starting, accepting and ending are the same in both runs.
fn per_echo(connections: usize, rounds: usize) -> Option<f64> {
    let mut extra = 0;
    for set in [DATA, TIMED] {
        let (few, many) = (calls(set, connections, rounds)?, calls(set, connections, 2 * rounds)?);
        extra += many.saturating_sub(few);
    }
    Some(extra as f64 / (connections * rounds) as f64)
}
