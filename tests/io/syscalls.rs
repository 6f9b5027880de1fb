//! How many system calls an echo costs, counted by strace.
//!
//! A message needs a read and a write; the rest is waiting. At one connection each message is
//! waited for; at 64 one wait brings several.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use corio::net::TcpListener;

use crate::{once, play, plays, skipped, well};

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

/// The system calls of a server that answers `rounds` messages on each connection, but for waits
/// that run out: strace slows all threads down, so a clock ticks more often per message.
fn calls(connections: usize, rounds: usize) -> usize {
    let file = std::env::temp_dir().join(format!("corio-calls-{}", std::process::id()));
    let file = file.to_str().unwrap();
    let strace = ["strace", "-f", "-qq", "-c", "-o", file];
    let mut child = play("syscalls::an_echo_costs_two_calls_and_a_wait", PART, &strace)
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
    let count = column(&table, " total", 3) - column(&table, " futex", 4);
    std::fs::remove_file(file).unwrap();
    println!("{connections} connections, {rounds} rounds: {count} calls\n{table}");
    count
}

/// A number from strace's table: `% time, seconds, usecs/call, calls, errors, syscall`.
fn column(table: &str, name: &str, index: usize) -> usize {
    let line = table.lines().find(|line| line.ends_with(name));
    let words: Vec<&str> = line.map_or(Vec::new(), |line| line.split_whitespace().collect());
    // Without errors there is a word less.
    if words.len() <= index + 1 { 0 } else { words[index].parse().unwrap() }
}

#[test]
fn an_echo_costs_two_calls_and_a_wait() {
    if plays(PART) {
        return server();
    }
    // A container may have strace and not be allowed to use it.
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return skipped("syscalls", "strace is not there, or may not trace");
    }
    for (connections, rounds, limit) in [(1, 600, 4.0), (64, 20, 2.2)] {
        // What it takes to start, to accept and to end is the same in both.
        let extra = calls(connections, 2 * rounds) - calls(connections, rounds);
        let per_echo = extra as f64 / (connections * rounds) as f64;
        println!("{connections} connections: {per_echo:.2} system calls per echo");
        assert!(per_echo <= limit, "{per_echo:.2} system calls per echo, at most {limit}");
    }
}
