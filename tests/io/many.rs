//! A thousand connections at once, ten thousand that are silent, clients that are killed, and where
//! sockets are registered.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use corio::net::{TcpListener, TcpStream};
use corio_tests::kit::poll_once;
use corio_tests::{PATIENCE, at_rest, open_descriptors, skipped};

use crate::{once, patiently, play, plays, until, well};

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

async fn client(address: SocketAddr) -> io::Result<()> {
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

/// Runs `load` against an echo server in this process; tasks and descriptors must be exactly as
/// before it.
async fn nothing_stays(load: impl AsyncFnOnce(SocketAddr)) {
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
    let (tasks, files) = (corio::all_tasks().len(), at_rest(open_descriptors));
    load(address).await;
    until("the tasks have ended", || corio::all_tasks().len() == tasks).await;
    until("the descriptors are closed", || open_descriptors() <= files).await;
    server.cancel();
}

#[test]
fn a_thousand_connections_come_and_go() {
    let part = "thousand";
    if plays(part) {
        return once(nothing_stays(async |address| {
            for _ in 0..2 {
                let clients: Vec<_> =
                    (0..CONNECTIONS).map(|_| corio::create_task(client(address))).collect();
                for client in clients {
                    client.await.unwrap().unwrap();
                }
            }
        }));
    }
    let test = "many::a_thousand_connections_come_and_go";
    well(play(test, part, &MANY_FILES).output().unwrap());
}

/// Connections of a process that is killed in the middle of its conversations.
const DOOMED: usize = 50;
/// Where the doomed process connects to.
const ADDRESS: &str = "CORIO_TEST_ADDRESS";

/// Clients that talk until they are killed; says `talking` when all of them do.
async fn talk_for_ever() {
    let address: SocketAddr = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let talks: Vec<_> = (0..DOOMED)
        .map(|_| {
            let (mark, talking) = corio::sync::oneshot::channel();
            let talk = async move {
                client(address).await.unwrap();
                mark.send(()).unwrap();
                loop {
                    client(address).await.unwrap();
                }
            };
            drop(corio::create_task(talk));
            talking
        })
        .collect();
    for talking in talks {
        talking.await.unwrap();
    }
    println!("\ntalking");
    std::future::pending().await
}

#[test]
fn killed_clients_leave_nothing() {
    let test = "many::killed_clients_leave_nothing";
    if plays("clients") {
        return once(talk_for_ever());
    }
    if plays("server") {
        return once(nothing_stays(async |address| {
            for _ in 0..3 {
                let mut clients = play(test, "clients", &[]);
                clients.env(ADDRESS, address.to_string()).stdout(Stdio::piped());
                let mut clients = clients.spawn().unwrap();
                let out = clients.stdout.take().unwrap();
                let talking = corio::to_thread(move || {
                    BufReader::new(out).lines().any(|line| line.unwrap() == "talking")
                });
                assert!(talking.await.unwrap(), "the clients did not begin");
                // By SIGKILL, under load.
                clients.kill().unwrap();
                assert!(!clients.wait().unwrap().success());
            }
        }));
    }
    well(play(test, "server", &[]).output().unwrap());
}

/// Connections that are open and silent.
const SILENT: usize = 10_000;
/// What the two processes need besides.
const OTHER_FILES: usize = 100;

/// The most descriptors that this process may have.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // Soft, hard, unit.
    let hard = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    hard.unwrap_or(0)
}

/// Says each word to the other process, and waits for its answer.
async fn word(stream: &TcpStream) {
    stream.write_all(b"!").await.unwrap();
    stream.read_exact(&mut [0]).await.unwrap();
}

/// Opens the connections, and uses each of them before and after a silence that the server ends.
async fn silent_clients() {
    let address: SocketAddr = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let mut streams = Vec::new();
    let steering = TcpStream::connect(address).await.unwrap();
    while streams.len() < SILENT {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    for _ in 0..2 {
        for (number, stream) in streams.iter().enumerate() {
            let sent = (number as u32).to_be_bytes();
            let mut echoed = [0; 4];
            stream.write_all(&sent).await.unwrap();
            stream.read_exact(&mut echoed).await.unwrap();
            assert_eq!(sent, echoed);
        }
        word(&steering).await;
    }
}

/// Serves them, and waits for a second in which workers hardly wake up.
async fn silent_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = play(SILENT_TEST, "silent clients", &MANY_FILES);
    clients.env(ADDRESS, listener.local_addr().unwrap().to_string());
    let clients = corio::to_thread(move || clients.output().unwrap());
    let (steering, _) = listener.accept().await.unwrap();
    let served: Vec<_> = {
        let mut served = Vec::new();
        while served.len() < SILENT {
            served.push(corio::create_task(echo(listener.accept().await.unwrap().0)));
        }
        served
    };
    steering.read_exact(&mut [0]).await.unwrap();
    let parks = || -> u64 {
        corio::Handle::current().metrics().workers.iter().map(|worker| worker.parks).sum()
    };
    // What the last echo has begun ends in the first second, or later on a machine that is busy. What
    // keeps a silent server awake does so in each of them.
    let start = Instant::now();
    loop {
        let before = parks();
        corio::sleep(Duration::from_secs(1)).await;
        let woken = parks() - before;
        // This sleep parks once, and may be put off by a wake-up that it caused itself.
        if woken <= 3 {
            break;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "workers woke {woken} times in a second while {SILENT} connections were silent"
        );
    }
    assert!(corio::Handle::current().metrics().sources >= SILENT);
    steering.write_all(b"!").await.unwrap();
    steering.read_exact(&mut [0]).await.unwrap();
    steering.write_all(b"!").await.unwrap();
    well(clients.await.unwrap());
    for task in served {
        task.await.unwrap().unwrap();
    }
}

const SILENT_TEST: &str = "many::ten_thousand_connections_are_silent";

#[test]
fn ten_thousand_connections_are_silent() {
    if plays("silent clients") {
        return patiently(10, silent_clients());
    }
    if plays("silent server") {
        return patiently(10, silent_server());
    }
    if files_max() < SILENT + OTHER_FILES {
        return skipped("files", SILENT_TEST, "the system allows fewer descriptors");
    }
    well(play(SILENT_TEST, "silent server", &MANY_FILES).output().unwrap());
}

/// The epoll instances of this process, and the descriptors that each of them watches.
#[cfg(target_os = "linux")]
fn watched() -> Vec<HashSet<i32>> {
    let listed = std::fs::read_dir("/proc/self/fdinfo").unwrap().filter_map(Result::ok);
    // What was closed meanwhile tells nothing.
    let infos = listed.filter_map(|info| std::fs::read_to_string(info.path()).ok());
    let watched = |info: String| {
        let lines = info.lines().filter_map(|line| line.strip_prefix("tfd:"));
        let numbers = lines.filter_map(|line| line.split_whitespace().next()?.parse().ok());
        numbers.collect::<HashSet<i32>>()
    };
    infos.map(watched).filter(|watched| !watched.is_empty()).collect()
}

/// More than three pollers take before the next one gets any, and few enough for 1,024 descriptors.
#[cfg(target_os = "linux")]
const SOCKETS: usize = 500;

/// How many pollers serve that many sockets.
#[cfg(target_os = "linux")]
fn pollers_in_use(builder: corio::Builder) -> usize {
    let runtime = builder.build().unwrap();
    let sockets: Vec<_> = runtime.block_on(async {
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let socket = corio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Registered by its first wait.
            assert!(poll_once(socket.readable()).is_pending(), "nobody has sent anything");
            sockets.push(socket);
        }
        sockets
    });
    let ours: HashSet<_> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let watched = watched();
    let each = watched.iter().map(|watched| watched.intersection(&ours).count());
    let each: Vec<_> = each.filter(|&count| count > 0).collect();
    assert_eq!(each.iter().sum::<usize>(), SOCKETS, "each is watched by one poller: {each:?}");
    each.len()
}

#[cfg(target_os = "linux")]
#[test]
fn sockets_are_placed_on_so_many_pollers() {
    let new = || corio::Builder::new().workers(3);
    assert_eq!(pollers_in_use(new().pollers(1)), 1);
    assert_eq!(pollers_in_use(new().pollers(2)), 2);
    assert_eq!(pollers_in_use(new()), 3);
}
