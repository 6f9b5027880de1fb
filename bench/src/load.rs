//! The load generator: a process of its own with one thread in `epoll_wait` and no runtime.
//!
//! It speaks to the server over the loopback interface and to the measurement that started it
//! over its standard output:
//!
//! ```text
//! begin            the measured time begins: the server notes its CPU time
//! end              it is over: the server notes its CPU time again
//! figure answers 250123
//! figure p50 48000
//! ```
//!
//! Each answer is compared with what it should be; a wrong one ends the process with an error.
//!
//! At a given rate, a request is due at a point in time that does not depend on the answers
//! before it, and its latency counts from there: when the server stalls, the requests that have
//! to wait for a free connection count their waiting. Nothing is left out.

mod accept;
mod converse;
mod dialogue;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal};

use crate::args::Load;
use crate::stats;
pub use dialogue::HTTP_BODY;
use dialogue::{Dialogue, Echo, Http};

/// Runs the generator.
pub fn main(options: &Load) -> ExitCode {
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Load) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    raise_descriptor_limit()?;
    match options.kind.as_str() {
        "echo" => converse::run(options, Echo::new(options.conns)),
        "http" => converse::run(options, Http),
        "accept" => accept::run(options),
        "hold" => hold(options),
        kind => Err(io::Error::other(format!("there is no load {kind:?}"))),
    }
}

/// Lets this process have as many descriptors as it may: a thousand connections need more than
/// the usual 1,024.
///
/// # Errors
/// The limit cannot be set.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    Ok(rustix::process::setrlimit(Resource::Nofile, raised)?)
}

/// Opens connections, uses each once, lets them be, and uses each once more.
fn hold(options: &Load) -> io::Result<()> {
    let mut dialogue = Echo::new(options.conns);
    let mut clients = open(options, &mut dialogue)?;
    thread::sleep(options.warm_up);
    say("begin")?;
    thread::sleep(options.measure);
    say("end")?;
    for (number, client) in clients.iter_mut().enumerate() {
        dialogue::talk_once(&mut dialogue, number, client)?;
    }
    say(&format!("figure conns {}", clients.len()))
}

/// Opens all connections and has one conversation on each, so that the server knows them all.
fn open(options: &Load, dialogue: &mut impl Dialogue) -> io::Result<Vec<TcpStream>> {
    (0..options.conns)
        .map(|client| {
            let mut stream = connect(options.port)?;
            dialogue::talk_once(dialogue, client, &mut stream)?;
            Ok(stream)
        })
        .collect()
}

/// A server that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The measured span and what fell into it.
struct Window {
    begin: Instant,
    end: Instant,
    begun: bool,
    latencies_ns: Vec<f64>,
}

impl Window {
    fn of(options: &Load) -> Self {
        let begin = Instant::now() + options.warm_up;
        Self {
            begin,
            end: begin + options.measure,
            begun: false,
            latencies_ns: Vec::with_capacity(1 << 20),
        }
    }

    /// Says when the span begins; returns whether it has not ended yet.
    fn is_open(&mut self, now: Instant) -> io::Result<bool> {
        if !self.begun && now >= self.begin {
            self.begun = true;
            say("begin")?;
        }
        Ok(now < self.end)
    }

    /// Counts an answer to a request of `asked`, if that belongs to the span.
    fn count(&mut self, asked: Instant, answered: Instant) {
        if asked >= self.begin && asked < self.end {
            self.latencies_ns.push(answered.duration_since(asked).as_nanos() as f64);
        }
    }

    fn report(&self) -> io::Result<()> {
        say(&format!("figure answers {}", self.latencies_ns.len()))?;
        for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            let quantile = stats::quantile(&self.latencies_ns, q);
            say(&format!("figure {name} {}", quantile.unwrap_or(f64::NAN)))?;
        }
        Ok(())
    }
}
