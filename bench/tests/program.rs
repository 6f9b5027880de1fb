//! The program from outside: its refusals, and its load generator against servers of plain threads.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

fn program(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corio-bench"));
    command.args(args.split_whitespace()).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

#[test]
fn the_list_names_every_row() {
    let listed = program("--list");
    assert!(listed.status.success());
    let listed = text(&listed.stdout);
    for row in ["spawn_many_local", "echo_1000", "hog", "weak_B"] {
        assert!(listed.lines().any(|line| line.split(' ').next() == Some(row)), "{listed}");
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let unknown = program("compare --fast");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("there is no option \"--fast\""));
    if cfg!(debug_assertions) {
        let debug = program("compare --only fib");
        assert_eq!(debug.status.code(), Some(2));
        assert!(text(&debug.stderr).contains("a debug build measures nothing"));
    }
}

/// A server that runs `serve` on a thread for each connection, until the test process ends.
fn server(serve: fn(TcpStream) -> io::Result<()>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // The client goes away in the middle of something when its time is over.
            thread::spawn(move || serve(stream));
        }
    });
    port
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// Turns a bit of the third message.
fn echo_wrongly(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    for message in 1.. {
        stream.read_exact(&mut buffer)?;
        buffer[20] ^= u8::from(message == 3);
        stream.write_all(&buffer)?;
    }
    Ok(())
}

fn http(mut stream: TcpStream) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 256];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => received.extend_from_slice(&buffer[..n]),
        }
        if received.ends_with(b"\r\n\r\n") {
            received.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!")?;
        }
    }
}

fn close(_: TcpStream) -> io::Result<()> {
    Ok(())
}

/// Runs the generator; returns its figures after looking at the order of its words.
fn load(args: &str, port: u16) -> HashMap<String, f64> {
    let output = program(&format!("load {args} --port {port}"));
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", text(&output.stderr));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(&lines[..2], ["begin", "end"], "{stdout}");
    let figure = |line: &&str| {
        let (name, value) = line.strip_prefix("figure ")?.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    lines[2..].iter().map(|line| figure(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

/// A machine that is busy with other things may keep a generator or its server from running for most
/// of a short span, but not in each of so many.
const ATTEMPTS: usize = 40;

/// Runs the generator until its figures are as they should be; returns them.
fn load_until(
    args: &str,
    port: u16,
    are_good: impl Fn(&HashMap<String, f64>) -> bool,
) -> HashMap<String, f64> {
    let mut all = Vec::new();
    for _ in 0..ATTEMPTS {
        let figures = load(args, port);
        if are_good(&figures) {
            return figures;
        }
        all.push(figures);
    }
    panic!("{args}: not once in {all:?}")
}

#[test]
fn every_kind_of_load_counts_its_answers() {
    for (kind, serve) in
        [("echo", echo as fn(TcpStream) -> io::Result<()>), ("http", http), ("accept", close)]
    {
        let args = format!("--kind {kind} --conns 4 --warm-up 20 --measure 200");
        let figures = load_until(&args, server(serve), |figures| figures["answers"] > 0.0);
        assert!(figures["p50"] > 0.0 && figures["p50"] <= figures["p99"], "{kind}: {figures:?}");
        assert!(figures["p99"] <= figures["max"], "{kind}: {figures:?}");
    }
}

#[test]
fn held_connections_are_all_held() {
    let figures = load("--kind hold --conns 20 --measure 50", server(echo));
    assert_eq!(figures["conns"], 20.0);
}

#[test]
fn a_rate_is_kept_whatever_the_server_does() {
    // A server that takes 20 ms for each answer of its two connections can give 100 a second. Of
    // 250 a second none may be left out: each waits in line, the last ones for a long time.
    fn slow(mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            stream.read_exact(&mut buffer)?;
            thread::sleep(std::time::Duration::from_millis(20));
            stream.write_all(&buffer)?;
        }
    }
    let figures = load("--kind echo --conns 2 --rate 250 --measure 200", server(slow));
    assert!((49.0..=51.0).contains(&figures["answers"]), "{figures:?}");
    assert!(figures["p50"] > 50e6 && figures["max"] > 200e6, "{figures:?}");
}

#[test]
fn a_rate_is_kept_to_the_moment() {
    // A generator that slept through its due times would find their answers late by its sleep.
    let args = "--kind echo --conns 4 --rate 1000 --measure 500";
    load_until(args, server(echo), |figures| {
        assert!((499.0..=501.0).contains(&figures["answers"]), "{figures:?}");
        figures["p50"] < 5e6
    });
}

#[test]
fn a_wrong_echo_is_an_error() {
    let port = server(echo_wrongly);
    let args = format!("load --kind echo --conns 1 --measure 200 --port {port}");
    // One that was kept from running has not come to the third message, and ends well.
    let mut attempts = (0..ATTEMPTS).map(|_| program(&args));
    let output = attempts.find(|output| !output.status.success()).expect("it found nothing wrong");
    assert!(text(&output.stderr).contains("the echo of"), "{}", text(&output.stderr));
}
