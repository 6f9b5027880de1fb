//! An axum router through `corio::serve`: a handler, server-sent events, a WebSocket, and a shutdown
//! that lets a request finish.
//!
//! axum calls `tokio::spawn` for a WebSocket and tokio's timers between events, hence the context;
//! a router without these two needs none.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use corio::net::{TcpListener, TcpStream};
use corio::sync;
use corio_ecosystem::{BoxError, assert_on_corio, text};
use futures_util::{SinkExt, StreamExt, stream};
use tokio_tungstenite::{client_async, tungstenite};

/// What the slow handler tells the client, and waits for.
#[derive(Default)]
struct Slow {
    begun: sync::Event,
    finish: sync::Event,
}

#[corio::main(tokio_context = true)]
async fn main() -> Result<(), BoxError> {
    let slow = Arc::new(Slow::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = sync::oneshot::channel::<()>();
    let serve = corio::serve(listener, router(slow.clone())).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = corio::create_task(serve.report());

    let hello = corio_ecosystem::get(address, "/hello/corio").await?;
    assert_eq!(text(&hello)?, "Hello, corio!");
    events(address).await?;
    chat(address).await?;
    corio::to_thread(move || chat_from_outside(address)).await??;

    // A shutdown while a request is under way.
    let request = corio::create_task(async move { corio_ecosystem::get(address, "/slow").await });
    slow.begun.wait().await;
    stop.send(()).expect("the server listens");
    while TcpStream::connect(address).await.is_ok() {
        corio::sleep(Duration::from_millis(1)).await;
    }
    slow.finish.set();
    assert_eq!(text(&request.await??)?, "done");
    let report = server.await??;
    assert!(report.is_clean(), "{report}");
    println!("shutdown: {report}");
    Ok(())
}

fn router(slow: Arc<Slow>) -> Router {
    Router::new()
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("Hello, {name}!")))
        .route("/events", get(count))
        .route("/chat", get(upgrade))
        .route("/slow", get(wait))
        .with_state(slow)
}

async fn wait(State(slow): State<Arc<Slow>>) -> &'static str {
    assert_on_corio();
    slow.begun.set();
    slow.finish.wait().await;
    "done"
}

/// Three events, with a comment between them whenever nothing came for a while.
async fn count() -> impl IntoResponse {
    let numbers = stream::iter(1..=3).then(async |n| {
        corio::sleep(Duration::from_millis(30)).await;
        Ok::<_, BoxError>(Event::default().data(n.to_string()))
    });
    let alive = KeepAlive::new().interval(Duration::from_millis(5)).text("still here");
    Sse::new(numbers.boxed()).keep_alive(alive)
}

async fn events(server: SocketAddr) -> Result<(), BoxError> {
    // A machine that stalls may let the events come late enough to leave no time between them, but
    // not each time.
    for _ in 0..20 {
        let response = corio_ecosystem::get(server, "/events").await?;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = text(&response)?;
        let data: Vec<_> = body.lines().filter(|line| line.starts_with("data: ")).collect();
        assert_eq!(data, ["data: 1", "data: 2", "data: 3"]);
        if body.contains(": still here") {
            println!("events: {data:?}");
            return Ok(());
        }
    }
    Err("no sign of life between the events".into())
}

/// axum runs the callback on tokio's thread; the conversation is a task of corio's.
async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |socket| {
        if let Err(error) = corio::create_task(converse(socket)).await {
            eprintln!("chat: {error}");
        }
    })
}

async fn converse(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        assert_on_corio();
        if let Message::Text(said) = message {
            if socket.send(Message::text(format!("you said {said}"))).await.is_err() {
                break;
            }
        }
    }
}

async fn chat(server: SocketAddr) -> Result<(), BoxError> {
    let stream = TcpStream::connect(server).await?;
    let (mut socket, _) = client_async("ws://localhost/chat", stream).await?;
    for said in ["hello", "and good bye"] {
        socket.send(tungstenite::Message::text(said)).await?;
        let answer = socket.next().await.ok_or("the server has hung up")??;
        assert_eq!(answer.into_text()?.as_str(), format!("you said {said}"));
    }
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        assert!(message?.is_close());
    }
    println!("chat: two messages and their answers");
    Ok(())
}

/// The same by a client that knows nothing of corio: on a thread, and a socket of the standard
/// library's.
fn chat_from_outside(server: SocketAddr) -> Result<(), BoxError> {
    let stream = std::net::TcpStream::connect(server)?;
    let (mut socket, answer) = tungstenite::client("ws://localhost/chat", stream)?;
    assert_eq!(answer.status(), 101);
    // Longer than a socket takes at once.
    for said in ["hello".to_owned(), "long".repeat(1_000_000)] {
        socket.send(tungstenite::Message::text(said.clone()))?;
        assert!(socket.read()?.into_text()?.as_str() == format!("you said {said}"));
    }
    socket.close(None)?;
    let end = loop {
        if let Err(end) = socket.read() {
            break end;
        }
    };
    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
    println!("chat: the same from outside");
    Ok(())
}
