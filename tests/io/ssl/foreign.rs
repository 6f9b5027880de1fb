//! TLS with another library at the other end: OpenSSL, by Python's `ssl`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use corio::stream::{StreamReader, StreamWriter, open_connection, start_server};
use corio_tests::skipped;

use super::converse;
use super::papers::{papers, serving, trusting};
use crate::unix::{Scratch, scratch};
use crate::{once, well};

/// More than a record holds, and more than the sockets do.
const LARGE: usize = 3 << 20;

/// What both programs begin with; their arguments are a folder and, for the client, a port.
const COMMON: &str = r#"
import socket, ssl, sys
def context(purpose):
    made = ssl.SSLContext(purpose)
    # Ours are simpler than the profile that newer versions insist on.
    made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return made
def line(sock):
    got = b""
    while not got.endswith(b"\n"):
        byte = sock.recv(1)
        assert byte, got
        got += byte
    return got
folder = sys.argv[1]
"#;

const CLIENT: &str = r#"
sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
sock.sendall(b"STARTTLS\n")
assert line(sock) == b"go ahead\n"
trusting = context(ssl.PROTOCOL_TLS_CLIENT)
trusting.load_verify_locations(folder + "/authority")
sock = trusting.wrap_socket(sock, server_hostname="localhost")
sock.sendall(b"hello\n")
assert line(sock) == b"HELLO\n"
large = int(sys.argv[3])
sock.sendall(b"send\n")
seen = 0
while True:
    piece = sock.recv(1 << 16)
    if not piece:
        break
    assert piece.count(b"x") == len(piece)
    seen += len(piece)
assert seen == large, seen
print(sock.version())
"#;

const SERVER: &str = r#"
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sock, _ = listener.accept()
assert line(sock) == b"STARTTLS\n"
sock.sendall(b"go ahead\n")
serving = context(ssl.PROTOCOL_TLS_SERVER)
serving.load_cert_chain(folder + "/chain", folder + "/key")
sock = serving.wrap_socket(sock, server_side=True)
while True:
    piece = sock.recv(1 << 16)
    if not piece:
        break
    sock.sendall(piece.upper())
sock.unwrap()
"#;

/// The certificates in files, for programs of others.
fn on_disk() -> Scratch {
    let (folder, papers) = (scratch(), papers());
    let all = [("authority", &papers.authority), ("chain", &papers.chain), ("key", &papers.key)];
    for (name, text) in all {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn python(program: &str, folder: &Scratch, more: &[&str]) -> Child {
    let mut python = Command::new("python3");
    python.args(["-c", &[COMMON, program].concat()]).arg(folder.path()).args(more);
    python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether there is somebody to talk to.
fn has_openssl(test: &str) -> bool {
    let works = Command::new("python3").args(["-c", "import ssl"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        skipped("openssl", test, "there is no Python with ssl");
    }
    works
}

#[test]
fn a_client_on_openssl_is_served() {
    if !has_openssl("a_client_on_openssl_is_served") {
        return;
    }
    once(async {
        let folder = on_disk();
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            assert_eq!(reader.read_line().await.unwrap(), b"STARTTLS\n");
            writer.write(b"go ahead\n");
            writer.start_tls(&mut reader, serving()).await.unwrap();
            let line = reader.read_line().await.unwrap();
            writer.write(&line.to_ascii_uppercase());
            assert_eq!(reader.read_line().await.unwrap(), b"send\n");
            writer.write(&vec![b'x'; LARGE]);
            writer.close();
            let _ = writer.wait_closed().await;
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let port = server.local_addrs()[0].port().to_string();
        let client = python(CLIENT, &folder, &[&port, &LARGE.to_string()]);
        let said = corio::to_thread(move || well(client.wait_with_output().unwrap()));
        assert_eq!(said.await.unwrap(), "TLSv1.3\n");
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_server_on_openssl_is_spoken_to() {
    if !has_openssl("a_server_on_openssl_is_spoken_to") {
        return;
    }
    once(async {
        let folder = on_disk();
        let mut server = python(SERVER, &folder, &[]);
        let mut said = BufReader::new(server.stdout.take().unwrap());
        let port = corio::to_thread(move || {
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
            line.trim().parse::<u16>().unwrap()
        });
        let address = ("127.0.0.1", port.await.unwrap());
        let (mut reader, mut writer) = open_connection(address).await.unwrap();
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.read_line().await.unwrap(), b"go ahead\n");
        let start = writer.start_tls(&mut reader, trusting()).server_hostname("localhost");
        start.await.unwrap();
        converse(&mut reader, &mut writer).await;
        let sending = corio::create_task(async move {
            writer.write(&vec![b'x'; LARGE]);
            writer.write_eof().unwrap();
            writer.drain().await.unwrap();
            writer
        });
        let all = reader.read_exact(LARGE).await.unwrap();
        assert!(all == vec![b'X'; LARGE]);
        assert_eq!(reader.read(None).await.unwrap(), b"");
        let mut writer = sending.await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
        let ended = corio::to_thread(move || server.wait_with_output());
        well(ended.await.unwrap().unwrap());
    });
}
