//! asyncio's streams, servers, copies, and streams in memory.

use corio::io::{
    BufReader, BufWriter, DuplexReader, DuplexStream, DuplexWriter, copy, copy_bidirectional,
    duplex,
};
use corio::net::UnixStream;
use corio::stream::{
    Server, StreamReader, StreamWriter, connect_accepted_socket, open_connection,
    open_unix_connection, start_server, start_unix_server,
};

use super::papers::{serving, trusting};
use super::{Make, STREAM, forget, no_future, unpolled};

const ANY: &str = "127.0.0.1:0";
const NEVER: &str = "/tmp/never/socket";

async fn hold(_reader: StreamReader, _writer: StreamWriter) {}

fn streams() -> (StreamReader, StreamWriter) {
    connect_accepted_socket(UnixStream::pair().unwrap().0).unwrap()
}

async fn server() -> Server {
    start_server(hold, ANY).await.unwrap()
}

fn memory() -> DuplexStream {
    duplex(64).0
}

fn memory_reader() -> DuplexReader {
    memory().into_split().0
}

fn memory_writer() -> DuplexWriter {
    memory().into_split().1
}

pub const TABLE: &[(&str, Make)] = unpolled! {
    "stream::StreamReader::read" => forget(streams().0.read(None));
    "stream::StreamReader::read_exact" => forget(streams().0.read_exact(1));
    "stream::StreamReader::read_line" => forget(streams().0.read_line());
    "stream::StreamReader::read_until" => forget(streams().0.read_until(&[b";"]));
    "stream::Lines::next_line" => forget(streams().0.lines().next_line());
    "stream::Lines as Stream" => no_future(STREAM);
    "stream::StreamWriter::drain" => forget(streams().1.drain());
    "stream::StreamWriter::wait_closed" => forget(streams().1.wait_closed());
    "stream::StreamWriter::start_tls" => {
        let (mut reader, mut writer) = streams();
        forget(writer.start_tls(&mut reader, trusting()).into_future())
    };
    "stream::open_connection" => forget(open_connection(ANY).into_future());
    "stream::open_unix_connection" => forget(open_unix_connection(NEVER).into_future());
    "stream::OpenConnection::ssl" => forget(open_connection(ANY).ssl(trusting()).into_future());
    "stream::OpenUnixConnection::ssl" => {
        forget(open_unix_connection(NEVER).ssl(trusting()).into_future())
    };
    "stream::start_server" => forget(start_server(hold, ANY).into_future());
    "stream::start_unix_server" => forget(start_unix_server(hold, NEVER).into_future());
    "stream::StartServer::ssl" => forget(start_server(hold, ANY).ssl(serving()).into_future());
    "stream::StartUnixServer::ssl" => {
        forget(start_unix_server(hold, NEVER).ssl(serving()).into_future())
    };
    "stream::Server::serve_forever" => forget(server().await.serve_forever());
    "stream::Server::wait_closed" => forget(server().await.wait_closed());

    "io::DuplexReader::read" => forget(memory_reader().read(&mut [0]));
    "io::DuplexReader::read_exact" => forget(memory_reader().read_exact(&mut [0]));
    "io::DuplexStream::read" => forget(memory().read(&mut [0]));
    "io::DuplexStream::read_exact" => forget(memory().read_exact(&mut [0]));
    "io::DuplexStream::write" => forget(memory().write(b"lost"));
    "io::DuplexStream::write_all" => forget(memory().write_all(b"lost"));
    "io::DuplexWriter::write" => forget(memory_writer().write(b"lost"));
    "io::DuplexWriter::write_all" => forget(memory_writer().write_all(b"lost"));
    "io::BufReader::read" => forget(BufReader::new(memory()).read(None));
    "io::BufReader::read_exact" => forget(BufReader::new(memory()).read_exact(1));
    "io::BufReader::read_line" => forget(BufReader::new(memory()).read_line());
    "io::BufReader::read_until" => forget(BufReader::new(memory()).read_until(&[b";"]));
    "io::BufWriter::flush" => forget(BufWriter::new(memory()).flush());
    "io::BufWriter::write" => forget(BufWriter::new(memory()).write(b"lost"));
    "io::BufWriter::write_all" => forget(BufWriter::new(memory()).write_all(b"lost"));
    "io::copy" => forget(copy(&mut memory_reader(), &mut memory_writer()));
    "io::copy_bidirectional" => forget(copy_bidirectional(&mut memory(), &mut memory()));
};
