//! Connections that the server closes as soon as it has accepted them.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Window, connect, say};
use crate::args::Load;

/// Keeps `conns` connections under way until the time is over; says what it found.
///
/// # Errors
/// A connection fails, or the server sends something on one.
pub fn run(options: &Load) -> io::Result<()> {
    let mut window = Window::of(options);
    let mut underway: std::collections::VecDeque<(Instant, TcpStream)> =
        std::collections::VecDeque::new();
    while window.is_open(Instant::now())? {
        while underway.len() < options.conns {
            let asked = Instant::now();
            underway.push_back((asked, connect(options.port)?));
        }
        if let Some((asked, stream)) = underway.pop_front() {
            wait_for_end(stream)?;
            window.count(asked, Instant::now());
        }
    }
    say("end")?;
    window.report()
}

fn wait_for_end(mut stream: TcpStream) -> io::Result<()> {
    match stream.read(&mut [0; 1])? {
        0 => {}
        _ => return Err(io::Error::other("the server sent something")),
    }
    // The server closed first. A reset spares both sides the wait of a minute that a closed
    // connection's port has to be kept for, of which thousands would be too many.
    Ok(rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?)
}
