//! Every adapter does what the trait says.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::*;

const SETUP: Setup = Setup { workers: 2, unstable: None };

/// A deadline that no test waits for.
const FAR: Duration = Duration::from_secs(3600);

macro_rules! for_every_runtime {
    ($($(#[$meta:meta])* $module:ident: $runtime:ty;)*) => {$(
        $(#[$meta])*
        mod $module {
            use super::*;

            #[test]
            fn spawns_and_joins_from_inside_and_outside() {
                spawning::<$runtime>();
            }

            #[test]
            fn keeps_time() {
                timing::<$runtime>();
            }

            #[test]
            fn talks_over_sockets() {
                talking::<$runtime>();
            }

            #[test]
            fn runs_main() {
                let main = async { <$runtime>::spawn(async { 7 }).await + 1 };
                assert_eq!(<$runtime>::run(&SETUP, main), 8);
            }
        }
    )*};
}

for_every_runtime! {
    under_tokio: Tokio;
    under_smol: Smol;
    under_nio: Nio;
    #[cfg(feature = "corio")]
    under_corio: Corio;
}

fn spawning<R: Rt>() {
    let rt = R::start(&SETUP);
    let inside = rt.submit(async {
        R::yield_now().await;
        let (tx, rx) = crate::signal::oneshot();
        R::spawn_detached(async move { tx.send(3) });
        let blocking = R::spawn_blocking(|| 4).await;
        R::spawn(async { 2 }).await + rx.await + blocking
    });
    assert_eq!(rt.block_on(inside), 9);
    let (tx, rx) = crate::signal::oneshot();
    rt.submit_detached(async move { tx.send(5) });
    assert_eq!(rt.block_on(rx), 5);
    rt.stop();
}

fn timing<R: Rt>() {
    let rt = R::start(&SETUP);
    rt.block_on(async {
        R::spawn_home(|| async {
            let start = Instant::now();
            R::sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() >= Duration::from_millis(5));
            assert_eq!(R::timeout(FAR, async { 1 }).await, Some(1));
            let pending = std::future::pending::<()>();
            assert_eq!(R::timeout(Duration::from_millis(1), pending).await, None);
        })
        .await;
    });
    rt.stop();
}

fn talking<R: Rt>() {
    let rt = R::start(&SETUP);
    let (addr_tx, addr_rx) = std::sync::mpsc::channel();
    let client = std::thread::spawn(move || {
        let addr: SocketAddr = addr_rx.recv().unwrap();
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).unwrap();
        echo
    });
    rt.block_on(async {
        R::spawn_home(move || async move {
            let (mut listener, addr) = R::Net::listen().await.unwrap();
            addr_tx.send(addr).unwrap();
            let conn = R::Net::accept(&mut listener).await.unwrap();
            R::spawn_home(move || async move {
                let mut stream = R::Net::open(conn).unwrap();
                let mut buf = [0; 16];
                loop {
                    match R::Net::read(&mut stream, &mut buf).await.unwrap() {
                        0 => break,
                        n => R::Net::write_all(&mut stream, &buf[..n]).await.unwrap(),
                    }
                }
            })
            .await;
        })
        .await;
    });
    assert_eq!(client.join().unwrap(), *b"hello");
    rt.stop();
}
