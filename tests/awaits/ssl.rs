//! Streams that are secured: a handshake that nobody waits for ends the connection, and no client of a
//! server outlives it.

#[path = "../io/ssl/papers.rs"]
pub mod papers;

use std::io;

use corio::create_task;
use corio::net::UnixStream;
use corio::ssl::SslError;
use corio::stream::{
    Server, StartServer, StartUnixServer, StreamReader, StreamWriter, connect_accepted_socket,
    open_connection, open_unix_connection, start_server, start_unix_server,
};
use corio_tests::kit::Signal;
use papers::{serving, trusting};

use crate::driver::{Case, Make, awaits, case, ready};
use crate::support::{Folder, Gate, lend, lent, settle, turns};

type Streams = (StreamReader, StreamWriter);

/// Holds each connection until its client ends it.
async fn hold(mut reader: StreamReader, _writer: StreamWriter) {
    // A client that is gone without a word is gone as well.
    let _ = reader.read(None).await;
}

/// A connection to a server that begins to serve with the stimulus. It waits for its clients at the
/// end, so none is left open.
fn opens<F: Future<Output = io::Result<Streams>> + Send + 'static>(
    server: Server,
    open: F,
) -> Case {
    let server = std::sync::Arc::new(server);
    let serving = server.clone();
    let stimulus = async move {
        turns().await;
        serving.start_serving();
    };
    case(open, stimulus, async move |got: Option<io::Result<Streams>>| {
        if let Some(got) = got {
            let (_reader, mut writer) = got.unwrap();
            assert!(writer.get_extra_info().ssl_object.is_some());
            writer.close();
            writer.wait_closed().await.unwrap();
        }
        server.close();
        server.wait_closed().await;
    })
}

async fn tcp() -> Server {
    let start: StartServer<_> = start_server(hold, "127.0.0.1:0");
    start.start_serving(false).ssl(serving()).await.unwrap()
}

async fn unix(folder: &Folder) -> Server {
    let start: StartUnixServer<_> = start_unix_server(hold, folder.at("socket"));
    start.start_serving(false).ssl(serving()).await.unwrap()
}

/// Ends a server that somebody got.
async fn end(got: Option<io::Result<Server>>) {
    if let Some(server) = got {
        let server = server.unwrap();
        server.close();
        server.wait_closed().await;
    }
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "stream::OpenConnection::ssl" => {
        let server = tcp().await;
        let address = server.local_addrs()[0];
        opens(server, async move { open_connection(address).ssl(trusting()).await })
    };
    "stream::OpenUnixConnection::ssl" => {
        let folder = Folder::new();
        let server = unix(&folder).await;
        opens(server, async move {
            let open = open_unix_connection(folder.at("socket")).ssl(trusting());
            open.server_hostname("localhost").await
        })
    };
    // Given up in its middle it ends the connection, so the other end does not wait for more.
    "stream::StreamWriter::start_tls" => {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let streams = lent(connect_accepted_socket(ours).unwrap());
        let begun = Signal::new();
        let begins = begun.clone();
        let operation = lend!(streams => {
            let (reader, writer) = &mut *streams;
            let start = writer.start_tls(reader, trusting()).server_hostname("localhost");
            begins.set();
            start.await
        });
        let other = lent(None);
        let theirs = lend!(other => {
            let (mut reader, mut writer) = connect_accepted_socket(theirs).unwrap();
            *other = Some(create_task(async move {
                let secured = writer.start_tls(&mut reader, serving()).await;
                hold(reader, writer).await;
                secured
            }));
        });
        let stimulus = async move {
            turns().await;
            theirs.await;
        };
        case(operation, stimulus, async move |got: Option<Result<(), SslError>>| {
            let other = other.try_acquire().expect("the stimulus has run").take();
            let mut streams = streams.try_acquire().expect("the operation is over");
            let (succeeds, begun) = (got.is_some(), begun.is_set());
            assert!(got.is_none_or(|got| got.is_ok()));
            if succeeds || !begun {
                streams.1.close();
            }
            let secured = other.expect("it was made").await.expect("it is not cancelled");
            assert!(secured.is_ok() || !succeeds);
        })
    };

    "stream::StartServer::ssl" => {
        let gate = Gate::shut();
        let start = start_server(hold, "localhost:0").ssl(serving());
        case(start, async move { gate.open().await }, async move |got| {
            settle().await;
            end(got).await;
        })
    };
    "stream::StartUnixServer::ssl" => {
        let folder = Folder::new();
        let start = start_unix_server(hold, folder.at("socket")).ssl(serving());
        ready("a path needs no lookup", start, async move |got| {
            end(got).await;
            assert!(folder.names().is_empty(), "the socket's file goes with the server");
        })
    };
};
