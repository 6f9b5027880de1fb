//! A TCP proxy: what comes from either side goes to the other, until both have ended.
//!
//! `tcp_proxy LISTEN TARGET` serves until Ctrl-C. Without arguments it shows itself at work: an echo
//! server, the proxy before it, and a client that gets back what it has sent.
use std::io;
use std::net::{Shutdown, SocketAddr};

use corio::io::copy_bidirectional;
use corio::net::{TcpListener, TcpStream};

#[corio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [listen, target] = &arguments[..] {
        let listener = TcpListener::bind(listen).await?;
        println!("{} leads to {target}; Ctrl-C ends it", listener.local_addr()?);
        let serving = corio::create_task(proxy(listener, target.clone())).cancel_on_drop();
        return corio::select! {
            ended = serving => ended.map_err(io::Error::other)?,
            pressed = corio::signal::ctrl_c() => pressed,
        };
    }
    show().await
}

/// Accepts until the listener fails; each connection is a task.
async fn proxy(listener: TcpListener, target: String) -> io::Result<()> {
    loop {
        let (mut client, peer) = listener.accept().await?;
        let target = target.clone();
        let connection = async move {
            let passed = async {
                let mut server = TcpStream::connect(target).await?;
                copy_bidirectional(&mut client, &mut server).await
            };
            match passed.await {
                Ok((there, back)) => println!("{peer}: {there} bytes there, {back} back"),
                Err(error) => eprintln!("{peer}: {error}"),
            }
        };
        drop(corio::task().name(format!("proxy for {peer}")).spawn(connection));
    }
}

async fn show() -> io::Result<()> {
    const SIZE: usize = 5_000_000;
    let (target, echo) = listen().await?;
    let echoing = corio::create_task(async move {
        let (mut stream, _) = echo.accept().await?;
        let (mut reading, mut writing) = stream.split();
        corio::io::copy(&mut reading, &mut writing).await?;
        stream.shutdown(Shutdown::Write)
    });
    let (address, listener) = listen().await?;
    let _proxy = corio::create_task(proxy(listener, target.to_string())).cancel_on_drop();

    let client = TcpStream::connect(address).await?;
    let sent: Vec<u8> = (0..SIZE).map(|n| n as u8).collect();
    let sending = async {
        client.write_all(&sent).await?;
        client.shutdown(Shutdown::Write)
    };
    let receiving = async {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            match client.read(&mut buffer).await? {
                0 => return Ok(received),
                n => received.extend_from_slice(&buffer[..n]),
            }
        }
    };
    let ((), received) = corio::try_join!(sending, receiving)?;
    assert!(received == sent, "{} of {SIZE} bytes came back", received.len());
    println!("{SIZE} bytes went through the proxy and came back");
    echoing.await.map_err(io::Error::other)?
}

async fn listen() -> io::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok((listener.local_addr()?, listener))
}
