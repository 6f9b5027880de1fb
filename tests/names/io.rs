//! `corio::net`, `corio::stream`, `corio::fs`, `corio::process`, `corio::signal`.

use std::io::{self, SeekFrom};
use std::net::SocketAddr;
use std::process::{ExitStatus, Output};

use corio::fs::{File, TextFile};
use corio::io::{BufReader, BufWriter};
use corio::net::{
    Async, OwnedReadHalf, OwnedWriteHalf, Serve, Shutdown, TcpListener, TcpStream, lookup_host,
};
use corio::net::{UdpSocket, UnixDatagram, UnixListener, UnixStream};
use corio::process::{Child, Command, create_subprocess_exec, create_subprocess_shell};
use corio::signal::{SignalHandlers, SignalKind};
use corio::stream::StreamWriter;
use corio::stream::{ExtraInfo, ReadError, Server, ServerClosed, StartServer, StreamReader};
use corio::{Handle, Job, fs, signal, stream};

use crate::{gives, is, some};

pub fn names() {
    sockets();
    tcp(some::<TcpStream>());
    served();
    readers(some::<StreamReader>());
    buffers(some::<OwnedReadHalf>(), some::<OwnedWriteHalf>());
    writers(some::<StreamWriter>());
    servers(&some::<Server>());
    files(some::<File>());
    texts(some::<TextFile>());
    processes();
    signals();
}

fn sockets() {
    gives::<io::Result<TcpListener>>(TcpListener::bind("127.0.0.1:0"));
    let listener = some::<TcpListener>();
    gives::<io::Result<(TcpStream, SocketAddr)>>(listener.accept());
    is::<io::Result<SocketAddr>>(listener.local_addr());
    is::<io::Result<TcpListener>>(TcpListener::from_std(some()));
    gives::<io::Result<UdpSocket>>(UdpSocket::bind("127.0.0.1:0"));
    let udp = some::<UdpSocket>();
    gives::<io::Result<usize>>(udp.send_to(b"", "127.0.0.1:1"));
    gives::<io::Result<(usize, SocketAddr)>>(udp.recv_from(&mut []));
    is::<io::Result<UnixListener>>(UnixListener::bind("a path"));
    gives::<io::Result<UnixStream>>(UnixStream::connect("a path"));
    is::<io::Result<UnixDatagram>>(UnixDatagram::bind("a path"));
    gives::<io::Result<Vec<SocketAddr>>>(lookup_host("a host", 80));
    is::<io::Result<Async<std::net::TcpStream>>>(Async::new(some()));
}

fn tcp(mut socket: TcpStream) {
    gives::<io::Result<TcpStream>>(TcpStream::connect("127.0.0.1:1"));
    gives::<io::Result<usize>>(socket.read(&mut []));
    gives::<io::Result<()>>(socket.read_exact(&mut []));
    gives::<io::Result<usize>>(socket.write(b""));
    gives::<io::Result<()>>(socket.write_all(b""));
    gives::<io::Result<usize>>(socket.peek(&mut []));
    gives::<io::Result<()>>(socket.readable());
    gives::<io::Result<()>>(socket.writable());
    is::<io::Result<usize>>(socket.try_read(&mut []));
    is::<io::Result<usize>>(socket.try_write(b""));
    is::<io::Result<()>>(socket.try_io(corio::net::Direction::Read, || Ok(())));
    is::<io::Result<()>>(socket.shutdown(Shutdown::Both));
    is::<io::Result<()>>(socket.set_nodelay(true));
    let (_, _) = socket.split();
    drop(socket.into_split());
}

fn served() {
    let service = axum::Router::new();
    let served: Serve<TcpListener, _> = corio::serve(some::<TcpListener>(), service);
    gives::<io::Result<()>>(served.with_graceful_shutdown(async {}));
}

fn readers(mut reader: StreamReader) {
    type Both = (StreamReader, StreamWriter);
    gives::<io::Result<Both>>(stream::open_connection("127.0.0.1:1"));
    gives::<io::Result<Vec<u8>>>(reader.read(None));
    gives::<Result<Vec<u8>, ReadError>>(reader.read_line());
    gives::<Result<Vec<u8>, ReadError>>(reader.read_exact(1));
    gives::<Result<Vec<u8>, ReadError>>(reader.read_until(&[b"\n"]));
    is::<bool>(reader.at_eof());
    is::<stream::Lines<'_>>(reader.lines());
    match some::<ReadError>() {
        ReadError::Incomplete { partial, expected } => {
            is::<(Vec<u8>, Option<usize>)>((partial, expected));
        }
        ReadError::LimitOverrun { consumed } => is::<usize>(consumed),
        ReadError::Io(error) => is::<io::Error>(error),
        _ => {}
    }
}

fn buffers(read: OwnedReadHalf, write: OwnedWriteHalf) {
    let mut reader: BufReader<OwnedReadHalf> = BufReader::new(read).limit(1);
    gives::<io::Result<Vec<u8>>>(reader.read(None));
    gives::<Result<Vec<u8>, ReadError>>(reader.read_line());
    gives::<Result<Vec<u8>, ReadError>>(reader.read_exact(1));
    gives::<Result<Vec<u8>, ReadError>>(reader.read_until(&[b"\n"]));
    is::<stream::Lines<'_, BufReader<OwnedReadHalf>>>(reader.lines());
    is::<bool>(reader.at_eof());
    is::<&[u8]>(reader.buffer());
    is::<&OwnedReadHalf>(reader.get_ref());
    is::<&mut OwnedReadHalf>(reader.get_mut());
    is::<(OwnedReadHalf, Vec<u8>)>(reader.into_inner());
    is::<BufReader<TcpStream>>(BufReader::with_capacity(1, some()));
    let mut writer: BufWriter<OwnedWriteHalf> = BufWriter::new(write);
    gives::<io::Result<usize>>(writer.write(b""));
    gives::<io::Result<()>>(writer.write_all(b""));
    gives::<io::Result<()>>(writer.flush());
    is::<&[u8]>(writer.buffer());
    is::<&OwnedWriteHalf>(writer.get_ref());
    is::<&mut OwnedWriteHalf>(writer.get_mut());
    is::<(OwnedWriteHalf, Vec<u8>)>(writer.into_inner());
    is::<BufWriter<StreamWriter>>(BufWriter::with_capacity(1, some()));
}

fn writers(mut writer: StreamWriter) {
    writer.write(b"");
    writer.write_lines([b"".as_slice()]);
    gives::<io::Result<()>>(writer.drain());
    is::<io::Result<()>>(writer.write_eof());
    writer.close();
    gives::<io::Result<()>>(writer.wait_closed());
    is::<bool>(writer.is_closing());
    is::<&ExtraInfo>(writer.get_extra_info());
}

fn servers(server: &Server) {
    let handler = async |_: StreamReader, _: StreamWriter| ();
    let starts: StartServer<_> = stream::start_server(handler, "127.0.0.1:0");
    gives::<io::Result<Server>>(starts);
    is::<Vec<SocketAddr>>(server.local_addrs());
    gives::<Result<(), ServerClosed>>(server.serve_forever());
    is::<bool>(server.is_serving());
    server.close();
    gives::<()>(server.wait_closed());
    server.close_clients();
    server.abort_clients();
}

fn files(mut file: File) {
    gives::<io::Result<File>>(fs::open("a path", "rb"));
    drop(File::options());
    gives::<io::Result<Vec<u8>>>(file.read(None));
    gives::<io::Result<Vec<u8>>>(file.read1(None));
    gives::<io::Result<Vec<u8>>>(file.read_all());
    gives::<(io::Result<usize>, Vec<u8>)>(file.read_into(Vec::new()));
    gives::<io::Result<Vec<u8>>>(file.read_line(None));
    gives::<io::Result<Vec<Vec<u8>>>>(file.read_lines(None));
    drop(file.lines());
    gives::<io::Result<usize>>(file.write(b""));
    gives::<io::Result<usize>>(file.write_lines([b""]));
    gives::<io::Result<u64>>(file.seek(SeekFrom::Start(0)));
    gives::<io::Result<u64>>(file.tell());
    gives::<io::Result<u64>>(file.truncate(None));
    gives::<io::Result<()>>(file.flush());
    gives::<io::Result<()>>(file.sync_all());
    gives::<io::Result<()>>(file.close());
    is::<[bool; 4]>([file.is_terminal(), file.readable(), file.writable(), file.seekable()]);
    gives::<io::Result<(usize, Vec<u8>)>>(file.read_at(0, Vec::new()));
    gives::<io::Result<(usize, Vec<u8>)>>(file.write_at(0, Vec::new()));
    gives::<io::Result<u32>>(fs::run_blocking(|| Ok(1)));
}

fn texts(mut file: TextFile) {
    gives::<io::Result<TextFile>>(fs::open_text("a path", "r"));
    gives::<io::Result<String>>(file.read(None));
    gives::<io::Result<String>>(file.read_line(None));
    gives::<io::Result<Vec<String>>>(file.read_lines(None));
    drop(file.lines());
    gives::<io::Result<usize>>(file.write(""));
    gives::<io::Result<usize>>(file.write_lines([""]));
    gives::<io::Result<u64>>(file.seek(SeekFrom::Start(0)));
    gives::<io::Result<u64>>(file.tell());
    gives::<io::Result<u64>>(file.truncate(None));
    gives::<io::Result<()>>(file.flush());
    gives::<io::Result<()>>(file.close());
    is::<[bool; 4]>([file.is_terminal(), file.readable(), file.writable(), file.seekable()]);
}

fn processes() {
    is::<Command>(create_subprocess_exec("a program", ["an argument"]));
    is::<Command>(create_subprocess_shell("a line"));
    gives::<io::Result<Child>>(some::<Command>());
    let mut child = some::<Child>();
    is::<Option<StreamWriter>>(child.stdin.take());
    is::<Option<StreamReader>>(child.stdout.take());
    is::<Option<StreamReader>>(child.stderr.take());
    is::<u32>(child.pid());
    is::<Option<i32>>(child.returncode());
    gives::<io::Result<ExitStatus>>(child.wait());
    is::<io::Result<()>>(child.send_signal(SignalKind::terminate()));
    is::<io::Result<()>>(child.terminate());
    is::<io::Result<()>>(child.kill());
    gives::<io::Result<Output>>(child.communicate("input"));
}

fn signals() {
    gives::<io::Result<()>>(signal::ctrl_c());
    is::<io::Result<signal::Signals>>(signal::stream(SignalKind::interrupt()));
    let handle = some::<Handle>();
    is::<io::Result<()>>(handle.add_signal_handler(SignalKind::interrupt(), || ()));
    is::<bool>(handle.remove_signal_handler(SignalKind::interrupt()));
    is::<Job<u32>>(handle.run_in_executor(None, || 1));
}
