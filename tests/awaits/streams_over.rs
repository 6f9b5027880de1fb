//! asyncio's streams once more, over what is no socket as it is: TLS, whose session belongs to the task
//! that sends, and the pipes of a child.

use corio::net::UnixStream;
use corio::process::{Child, Stdio, create_subprocess_exec};
use corio::stream::{StreamReader, StreamWriter, connect_accepted_socket};

use crate::driver::{Case, Make, awaits, case, until};
use crate::processes::children;
use crate::ssl::papers::{serving, trusting};
use crate::support::{Lent, lend, lent, turns};

/// More bytes than a socket takes, or two pipes and who copies between them.
const MUCH: usize = 1 << 20;

type Streams = (StreamReader, StreamWriter);

/// Both ends of a secured connection.
async fn secured() -> (Streams, Streams) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut near = connect_accepted_socket(ours).unwrap();
    let mut far = connect_accepted_socket(theirs).unwrap();
    let (client, server) = corio::join!(
        async { near.1.start_tls(&mut near.0, trusting()).server_hostname("localhost").await },
        async { far.1.start_tls(&mut far.0, serving()).await },
    );
    client.unwrap();
    server.unwrap();
    (near, far)
}

/// A child that says what it hears, with its output and its input.
async fn cat() -> (Child, Streams) {
    let spawn = create_subprocess_exec("cat", [""; 0]).stdin(Stdio::Pipe).stdout(Stdio::Pipe);
    let mut child = spawn.kill_on_drop(true).await.unwrap();
    let streams = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    (child, streams)
}

/// Sends a line in two parts, and ends. With TLS nobody waits here for the other end's farewell, which
/// comes when the check is over.
async fn say(mut writer: StreamWriter) {
    for part in [&b"ab"[..], b"cd\n"] {
        turns().await;
        writer.write(part);
        writer.drain().await.unwrap();
    }
    writer.write_eof().unwrap();
}

/// What an operation got, and what it has left, are that line.
async fn said(reader: &Lent<StreamReader>, got: Option<Vec<u8>>) {
    let mut reader = reader.try_acquire().expect("the operation is over");
    let all = [got.unwrap_or_default(), reader.read(None).await.unwrap()].concat();
    assert_eq!(all, b"abcd\n");
}

/// Sees a child to its end.
async fn end(child: Child) {
    assert!(child.wait().await.unwrap().success());
    drop(child);
    until("the child is gone", || children() == 0).await;
}

/// An operation that reads from a lent reader, over TLS.
macro_rules! reads_secured {
    (|$reader:ident| $read:expr) => {{
        let ((reader, writer), far) = secured().await;
        let $reader = lent(reader);
        let operation = lend!($reader => $read);
        case(operation, async move { say(far.1).await }, async move |got: Option<Vec<u8>>| {
            said(&$reader, got).await;
            drop(writer);
        })
    }};
}

/// The same of what a child says.
macro_rules! reads_child {
    (|$reader:ident| $read:expr) => {{
        let (child, (output, input)) = cat().await;
        let $reader = lent(output);
        let operation = lend!($reader => $read);
        case(operation, async move { say(input).await }, async move |got: Option<Vec<u8>>| {
            said(&$reader, got).await;
            end(child).await;
        })
    }};
}

/// A writer with much in its queue, and who reads all that at the other end as the stimulus, and ends it.
async fn queued<F: Future<Output = ()> + Send + 'static>(
    mut writer: StreamWriter,
    (mut other, ends): (StreamReader, Option<StreamWriter>),
    begin: impl FnOnce(&mut StreamWriter),
    wait: impl FnOnce(Lent<StreamWriter>) -> F,
    end: impl AsyncFnOnce() + 'static,
) -> Case {
    writer.write(&vec![b'!'; MUCH]);
    begin(&mut writer);
    let writer = lent(writer);
    let stimulus = async move {
        turns().await;
        assert!(other.read_exact(MUCH).await.unwrap().iter().all(|byte| *byte == b'!'));
        drop((other, ends));
    };
    case(wait(writer.clone()), stimulus, async move |_| {
        {
            let mut writer = writer.try_acquire().expect("the operation is over");
            writer.close();
            writer.wait_closed().await.unwrap();
            assert_eq!(writer.queued(), 0, "what is queued is sent all the same");
        }
        end().await;
    })
}

fn low(writer: &mut StreamWriter) {
    writer.set_write_buffer_limits(Some(100), None);
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "stream::StreamReader::read, secured" => {
        reads_secured!(|reader| reader.read(Some(4)).await.unwrap())
    };
    "stream::StreamReader::read_line, secured" => {
        reads_secured!(|reader| reader.read_line().await.unwrap())
    };
    "stream::StreamReader::read_exact, secured" => {
        reads_secured!(|reader| reader.read_exact(4).await.unwrap())
    };
    "stream::StreamReader::read_until, secured" => {
        reads_secured!(|reader| reader.read_until(&[b"d", b"x"]).await.unwrap())
    };
    "stream::StreamWriter::drain, secured" => {
        let ((reader, writer), far) = secured().await;
        let wait = |writer: Lent<StreamWriter>| lend!(writer => writer.drain().await.unwrap());
        queued(writer, (far.0, Some(far.1)), low, wait, async move || drop(reader)).await
    };
    "stream::StreamWriter::wait_closed, secured" => {
        let ((reader, writer), far) = secured().await;
        let wait =
            |writer: Lent<StreamWriter>| lend!(writer => writer.wait_closed().await.unwrap());
        let far = (far.0, Some(far.1));
        queued(writer, far, StreamWriter::close, wait, async move || drop(reader)).await
    };

    "stream::StreamReader::read, of a child" => {
        reads_child!(|reader| reader.read(Some(4)).await.unwrap())
    };
    "stream::StreamReader::read_line, of a child" => {
        reads_child!(|reader| reader.read_line().await.unwrap())
    };
    "stream::StreamReader::read_exact, of a child" => {
        reads_child!(|reader| reader.read_exact(4).await.unwrap())
    };
    "stream::StreamReader::read_until, of a child" => {
        reads_child!(|reader| reader.read_until(&[b"d", b"x"]).await.unwrap())
    };
    "stream::StreamWriter::drain, to a child" => {
        let (child, (output, input)) = cat().await;
        let wait = |writer: Lent<StreamWriter>| lend!(writer => writer.drain().await.unwrap());
        queued(input, (output, None), low, wait, async move || end(child).await).await
    };
    "stream::StreamWriter::wait_closed, to a child" => {
        let (child, (output, input)) = cat().await;
        let wait =
            |writer: Lent<StreamWriter>| lend!(writer => writer.wait_closed().await.unwrap());
        queued(input, (output, None), StreamWriter::close, wait, async move || end(child).await).await
    };
};
