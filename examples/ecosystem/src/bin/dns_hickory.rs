//! DNS with hickory's resolver on corio's sockets and timers, without tokio: a question over UDP,
//! and one whose answer is too long for it and comes over TCP.
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use corio::hickory_0_26::CorioRuntimeProvider;
use corio::net::{TcpListener, TcpStream, UdpSocket};
use corio_ecosystem::{BoxError, assert_no_tokio, assert_on_corio};
use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};

/// How many addresses the long answer has; more than 512 bytes hold.
const MANY: u8 = 100;
/// The one address of the short answer.
const ONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let udp = UdpSocket::bind("127.0.0.1:0").await?;
    let server = udp.local_addr()?;
    let tcp = TcpListener::bind(server).await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let over_udp = corio::create_task(serve_udp(udp, asked.clone()));
    let over_tcp = corio::create_task(serve_tcp(tcp, asked.clone()));

    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut name_server.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let mut builder = Resolver::builder_with_config(config, CorioRuntimeProvider);
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    let resolver = builder.build()?;

    let short = resolver.ipv4_lookup("one.example.").await?;
    assert_eq!(addresses(short.answers()), [IpAddr::V4(ONE)]);
    println!("one.example: {ONE}, over UDP");

    let before = asked.load(Relaxed);
    let long = resolver.ipv4_lookup("many.example.").await?;
    assert_eq!(addresses(long.answers()).len(), usize::from(MANY));
    assert!(asked.load(Relaxed) >= before + 2, "a truncated answer is asked for again over TCP");
    println!("many.example: {MANY} addresses, over TCP");

    let cached = asked.load(Relaxed);
    resolver.ipv4_lookup("one.example.").await?;
    assert_eq!(asked.load(Relaxed), cached, "the resolver remembers");
    let nothing = resolver.ipv4_lookup("nobody.example.").await;
    assert!(nothing.is_err(), "{nothing:?}");
    println!("nobody.example: {}", nothing.unwrap_err());
    over_udp.cancel();
    over_tcp.cancel();
    Ok(())
}

fn addresses(answers: &[hickory_resolver::proto::rr::Record]) -> Vec<IpAddr> {
    answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

async fn serve_udp(socket: UdpSocket, asked: Arc<AtomicUsize>) -> io::Result<Infallible> {
    let mut buf = [0; 512];
    loop {
        let (n, from) = socket.recv_from(&mut buf).await?;
        assert_no_tokio();
        assert_on_corio();
        asked.fetch_add(1, Relaxed);
        socket.send_to(&answer(&buf[..n], false), from).await?;
    }
}

/// Each message has its length before it (RFC 1035, 4.2.2).
async fn serve_tcp(listener: TcpListener, asked: Arc<AtomicUsize>) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        let asked = asked.clone();
        let _detached = corio::create_task(converse(stream, asked));
    }
}

/// Until the client hangs up.
async fn converse(stream: TcpStream, asked: Arc<AtomicUsize>) -> io::Result<Infallible> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).await?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query).await?;
        asked.fetch_add(1, Relaxed);
        let answer = answer(&query, true);
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
}

/// A name server's answer (RFC 1035, 4.1): a header, the question, addresses of its name.
fn answer(query: &[u8], has_room: bool) -> Vec<u8> {
    const HEADER: usize = 12;
    /// Response, recursion desired and available.
    const ANSWER: u16 = 0x8180;
    const TRUNCATED: u16 = 0x0200;
    const NO_SUCH_NAME: u16 = 3;

    let name_end = query[HEADER..].iter().position(|&b| b == 0).expect("a name ends") + HEADER + 1;
    // Letters of a name may come in either case, and go back as they are.
    let name = query[HEADER..name_end].to_ascii_lowercase();
    let (flags, count) = match &name[1..] {
        [b'o', b'n', b'e', 7, ..] => (ANSWER, 1),
        [b'm', b'a', b'n', b'y', 7, ..] if has_room => (ANSWER, MANY),
        [b'm', b'a', b'n', b'y', 7, ..] => (ANSWER | TRUNCATED, 0),
        _ => (ANSWER | NO_SUCH_NAME, 0),
    };
    let mut answer = query[..2].to_vec();
    for word in [flags, 1, u16::from(count), 0, 0] {
        answer.extend(word.to_be_bytes());
    }
    // The question: its name, type and class.
    answer.extend(&query[HEADER..name_end + 4]);
    for n in 1..=count {
        // The name is that of the question; an address of the Internet, for a minute, 4 bytes long.
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend([192, 0, 2, n]);
    }
    answer
}
