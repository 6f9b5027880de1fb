//! A web server that is replaced while it works: no connection is refused, no request is lost.
//!
//! SIGHUP starts a successor, which gets the listening socket. When the successor is ready, this
//! process accepts no more, answers what is under way, and ends.
//!
//! Runs until Ctrl-C. Try it with `wrk http://127.0.0.1:8080`, and `kill -HUP` of its number again
//! and again. Under systemd the socket may come from a `.socket` unit.
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use corio::Handle;
use corio::net::{TcpListener, inherited_sockets};
use corio::process::{Command, Stdio};
use corio::signal::{SignalHandlers, SignalKind, stream};
use corio::sync::Event;

/// Longer than clients pause between two requests.
const GRACE: Duration = Duration::from_secs(1);
/// What a process says when it accepts.
const READY: &[u8] = b"ready\n";

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    corio::run(async move {
        let listener = match inherited_sockets()?.pop() {
            Some(socket) => socket.into_tcp()?,
            None => TcpListener::bind(&address).await?,
        };
        let socket = listener.as_fd().try_clone_to_owned()?;
        let me = std::process::id();
        let router = Router::new().route("/", get(move || async move { format!("I am {me}\n") }));
        let end = Arc::new(Event::new());
        // Before it says that it is ready, so that no signal is lost.
        let hangups = stream(SignalKind::hangup())?;
        let quit = end.clone();
        Handle::current().add_signal_handler(SignalKind::interrupt(), move || quit.set())?;
        corio::io::stdout()?.write(READY).await?;
        eprintln!("{me} serves {}", listener.local_addr()?);
        let replaced = end.clone();
        let restarts = corio::create_task(async move {
            while hangups.recv().await.is_ok() {
                match start_successor(&socket).await {
                    Ok(()) => replaced.set(),
                    Err(error) => eprintln!("{me} stays: {error}"),
                }
            }
        });
        restarts.set_name("restarts");
        let end = async move { end.wait().await };
        corio::serve(listener, router).with_graceful_shutdown(end).keep_alive_grace(GRACE).await?;
        eprintln!("{me} has answered all of its requests");
        Ok(())
    })
}

/// Starts this program again, with the socket as descriptor 3, and waits until it is ready.
async fn start_successor(socket: &impl AsFd) -> io::Result<()> {
    // The shell knows its number before it becomes the program; the protocol wants to be told.
    let line = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@""#;
    let successor = Command::new("/bin/sh")
        .args(["-c", line])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .stdin(socket.as_fd().try_clone_to_owned()?)
        .stdout(Stdio::Pipe);
    let mut successor = successor.await?;
    let output = successor.stdout.as_mut().expect("it was asked for");
    if output.read_line().await? == READY {
        Ok(())
    } else {
        Err(io::Error::other("the successor does not serve"))
    }
}
