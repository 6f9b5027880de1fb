//! A thousand connections at once.

use std::io;

use corio::net::{TcpListener, TcpStream};
use corio_tests::open_descriptors;

use crate::{once, play, plays, until, well};

const CONNECTIONS: usize = 1000;
const ROUNDS: u32 = 5;

/// Takes as many descriptors as the system allows before it goes on as the program behind it.
pub const MANY_FILES: [&str; 3] = ["sh", "-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""];

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 64];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(()),
            n => stream.write_all(&buf[..n]).await?,
        }
    }
}

async fn client(address: std::net::SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    for round in 0..ROUNDS {
        let sent = round.to_be_bytes();
        stream.write_all(&sent).await?;
        let mut echoed = [0; 4];
        stream.read_exact(&mut echoed).await?;
        assert_eq!(sent, echoed);
    }
    Ok(())
}

#[test]
fn a_thousand_connections_come_and_go() {
    let part = "thousand";
    if plays(part) {
        return once(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = corio::create_task(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    drop(corio::create_task(echo(stream)));
                }
            });
            // Whatever is made once is made now.
            client(address).await.unwrap();
            until("the echo task has ended", || corio::all_tasks().len() <= 2).await;
            let (tasks, files) = (corio::all_tasks().len(), open_descriptors());
            for _ in 0..2 {
                let clients: Vec<_> =
                    (0..CONNECTIONS).map(|_| corio::create_task(client(address))).collect();
                for client in clients {
                    client.await.unwrap().unwrap();
                }
            }
            until("the tasks have ended", || corio::all_tasks().len() == tasks).await;
            until("the descriptors are closed", || open_descriptors() == files).await;
            server.cancel();
        });
    }
    let test = "many::a_thousand_connections_come_and_go";
    well(play(test, part, &MANY_FILES).output().unwrap());
}
