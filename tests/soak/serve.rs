//! Two servers that echo: on plain sockets, and on asyncio's streams over a Unix socket.

use std::fmt::Write;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corio::net::{TcpListener, TcpStream};
use corio::stream::{StreamReader, StreamWriter, start_unix_server};
use corio_tests::open_descriptors;

use crate::books::{Heard, Register};

/// A client that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// So many bytes are read at once.
const BUFFER: usize = 4096;

/// What the server has seen.
struct Books {
    /// Connections that were accepted.
    opened: AtomicU64,
    /// Those that ended with the end of what the client sent.
    orderly: AtomicU64,
    /// Those that were reset, or fell silent.
    broken: AtomicU64,
    /// Each of them.
    register: Register,
}

impl Books {
    /// An end that cannot be written down is seen as one: the connection is missing then.
    fn end(&self, id: u64, heard: Heard) {
        if let Err(error) = self.register.add(id, heard) {
            eprintln!("soak: the book is closed: {error}");
        }
        let count = if heard.orderly { &self.orderly } else { &self.broken };
        count.fetch_add(1, Relaxed);
    }
}

pub async fn serve(register: &Path, unix: &Path) -> io::Result<()> {
    let books = Arc::new(Books {
        opened: AtomicU64::new(0),
        orderly: AtomicU64::new(0),
        broken: AtomicU64::new(0),
        register: Register::create(register)?,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let shown = TcpListener::bind("127.0.0.1:0").await?;
    let streams = {
        let books = books.clone();
        let handler = move |reader, writer| stream(reader, writer, books.clone());
        start_unix_server(handler, unix).await?
    };
    println!("listening on {}", listener.local_addr()?);
    println!("books on {}", shown.local_addr()?);
    let show = corio::task().name("books").spawn(show(shown, books.clone()));
    loop {
        let (stream, _) = listener.accept().await?;
        if show.done() || !streams.is_serving() {
            return Err(io::Error::other("the books or the other server are closed"));
        }
        books.opened.fetch_add(1, Relaxed);
        let books = books.clone();
        drop(corio::task().name("echo").spawn(async move {
            let (mut id, mut heard) = (0, Heard { orderly: false, read: 0, written: 0 });
            heard.orderly = echo(stream, &mut id, &mut heard).await.is_ok();
            books.end(id, heard);
        }));
    }
}

async fn patient<T>(read: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    corio::timeout(SILENCE_MAX, read).await.map_err(io::Error::other)?
}

/// Sends back what comes until the client has sent all; counts the bytes that came and went.
async fn echo(stream: TcpStream, id: &mut u64, heard: &mut Heard) -> io::Result<()> {
    let mut number = [0; 8];
    patient(stream.read_exact(&mut number)).await?;
    *id = u64::from_be_bytes(number);
    let mut buf = [0; BUFFER];
    loop {
        let n = patient(stream.read(&mut buf)).await?;
        if n == 0 {
            return Ok(());
        }
        heard.read += n as u64;
        // What a write that fails has sent of it is the client's to say.
        heard.written += n as u64;
        stream.write_all(&buf[..n]).await?;
    }
}

/// The same on asyncio's streams.
async fn stream(mut reader: StreamReader, mut writer: StreamWriter, books: Arc<Books>) {
    books.opened.fetch_add(1, Relaxed);
    let (mut id, mut heard) = (0, Heard { orderly: false, read: 0, written: 0 });
    heard.orderly = echo_stream(&mut reader, &mut writer, &mut id, &mut heard).await.is_ok();
    books.end(id, heard);
}

async fn echo_stream(
    reader: &mut StreamReader,
    writer: &mut StreamWriter,
    id: &mut u64,
    heard: &mut Heard,
) -> io::Result<()> {
    let exact = async { reader.read_exact(8).await.map_err(io::Error::other) };
    let number = patient(exact).await?;
    *id = u64::from_be_bytes(number.try_into().map_err(|_| io::Error::other("not eight bytes"))?);
    loop {
        let bytes = patient(reader.read(Some(BUFFER))).await?;
        if bytes.is_empty() {
            writer.close();
            return writer.wait_closed().await;
        }
        heard.read += bytes.len() as u64;
        heard.written += bytes.len() as u64;
        writer.write(&bytes);
        writer.drain().await?;
    }
}

/// Answers everybody with the books, one at a time, as a page for curl.
async fn show(listener: TcpListener, books: Arc<Books>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let request = corio::timeout(SILENCE_MAX, stream.read(&mut [0; 1024])).await;
        let metrics = corio::Handle::current().metrics();
        let mut page = String::from("HTTP/1.0 200 OK\r\n\r\n");
        for (name, value) in [
            ("tasks", metrics.tasks as u64),
            ("timers", metrics.timers as u64),
            ("sources", metrics.sources as u64),
            ("descriptors", open_descriptors() as u64),
            ("opened", books.opened.load(Relaxed)),
            ("orderly", books.orderly.load(Relaxed)),
            ("broken", books.broken.load(Relaxed)),
        ] {
            let _ = writeln!(page, "{name} {value}");
        }
        // A client that went away before its answer has lost only that.
        if request.is_ok() && stream.write_all(page.as_bytes()).await.is_ok() {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = corio::timeout(SILENCE_MAX, stream.read(&mut [0; 64])).await;
        }
    }
}
