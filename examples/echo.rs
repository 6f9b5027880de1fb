//! A TCP echo server: each connection is a task, on any core.
//!
//! Runs until Ctrl-C. Try it with `nc 127.0.0.1 7777`.
use std::io;

use corio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".into());
    corio::run(async {
        let listener = TcpListener::bind(address).await?;
        println!("echoing on {}", listener.local_addr()?);
        let accept = async {
            loop {
                let (stream, peer) = listener.accept().await?;
                drop(corio::task().name(format!("echo for {peer}")).spawn(echo(stream)));
            }
        };
        accept.await
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(()),
            n => stream.write_all(&buf[..n]).await?,
        }
    }
}
