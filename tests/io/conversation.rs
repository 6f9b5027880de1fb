//! Conversations with a web server that show whether bytes are lost, doubled or taken for an end, however
//! they are cut: for the tests of faults too.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use axum::routing::{get, post};
use corio::hyper::CorioExecutor;
use corio::io::{BufReader, BufWriter, ByteSink, ByteSource};
use hyper::body::{Frame, Incoming};
use hyper::rt::{Read, ReadBuf, Write};

pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Bytes of a body, few enough for every length.
const BODY: usize = 97;
/// Longer than all that is sent at a time, there or back.
pub const HTTP_1_MAX: usize = 700;
/// Longer than a request with what follows it.
pub const UPGRADE_MAX: usize = 120;
/// Longer than a frame, and than the preface with its settings.
pub const HTTP_2_MAX: usize = 150;

fn body() -> Vec<u8> {
    piece(BODY)
}

fn piece(size: usize) -> Vec<u8> {
    (0..size).map(|i| b'a' + (i % 23) as u8).collect()
}

/// A body in several pieces, whose length nobody knows before.
struct Pieces {
    left: VecDeque<Vec<u8>>,
    rested: bool,
}

impl Pieces {
    fn new() -> Self {
        Self { left: [1, 30, 7, 50].map(piece).into(), rested: false }
    }

    fn whole() -> Vec<u8> {
        Self::new().left.into_iter().flatten().collect()
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.rested = !self.rested;
        if self.rested {
            // So that pieces go out one by one, too.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece.into()))))
    }
}

/// Answers with what it is sent, with pieces, and with an upgrade.
pub fn router() -> Router {
    Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/pieces", get(async || Body::new(Pieces::new())))
        .route("/upgrade", get(upgrade))
}

/// Gives the connection to a task, which answers in capitals until it ends.
async fn upgrade(mut request: Request<Body>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    drop(corio::create_task(async move {
        let mut io = upgrade.await.expect("the client goes on");
        let mut memory = [0; 64];
        loop {
            let mut buf = ReadBuf::new(&mut memory);
            let read = poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buf.unfilled())).await;
            let said = buf.filled().to_ascii_uppercase();
            let mut rest = &said[..];
            while let Some(_more) = rest.first() {
                let write = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, rest));
                rest = &rest[write.await.expect("the client reads")..];
            }
            if read.is_err() || said.is_empty() {
                break;
            }
        }
    }));
    let response = Response::builder().status(101).header("connection", "upgrade");
    response.header("upgrade", "shouting").body(Body::empty()).expect("a response")
}

/// The bodies of some answers of HTTP/1.1.
fn bodies(mut answers: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !answers.is_empty() {
        let end = answers.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answers[..end]).to_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        answers = &answers[end..];
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        found.push(match (field("content-length:"), field("transfer-encoding:")) {
            (Some(length), None) => taken(&mut answers, length.parse().expect("a number")),
            (None, Some("chunked")) => chunks(&mut answers),
            other => panic!("the body has no end: {other:?}"),
        });
    }
    found
}

fn taken(bytes: &mut &[u8], n: usize) -> Vec<u8> {
    let (first, rest) = bytes.split_at(n);
    *bytes = rest;
    first.to_vec()
}

fn chunks(bytes: &mut &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").expect("the size of a chunk");
        let size = String::from_utf8(taken(bytes, end)).expect("a number");
        let size = usize::from_str_radix(&size, 16).expect("a number");
        assert_eq!(taken(bytes, 2), b"\r\n");
        whole.extend(taken(bytes, size));
        assert_eq!(taken(bytes, 2), b"\r\n");
        if size == 0 {
            return whole;
        }
    }
}

/// Three requests at once, so that a read may end anywhere in the next one.
fn requests() -> Vec<u8> {
    let body = String::from_utf8(body()).expect("letters");
    let (first, rest) = body.split_at(33);
    let requests = [
        format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {BODY}\r\n\r\n{body}"),
        format!(
            "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\
             21\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
            rest.len()
        ),
        "GET /pieces HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    requests.concat().into_bytes()
}

/// Asks three times at once, and sees that each answer is right. It reads while it writes: the other end
/// may take no more before its answer is read.
pub async fn http_1(reads: impl ByteSource, writes: impl ByteSink) -> Outcome {
    assert!(requests().len() < HTTP_1_MAX);
    let mut writer = BufWriter::new(writes);
    let asking = async {
        writer.write_all(&requests()).await?;
        Ok(writer.flush().await?)
    };
    let mut reader = BufReader::new(reads);
    let answers = async { Ok(reader.read(None).await?) };
    let ((), answers): ((), Vec<u8>) = joined(asking, answers).await?;
    assert!(answers.len() < HTTP_1_MAX, "{} bytes", answers.len());
    assert_eq!(bodies(&answers), [body(), body(), Pieces::whole()]);
    Ok(())
}

/// Both at once, and the first failure.
async fn joined<A, B>(
    one: impl Future<Output = Result<A, Box<dyn Error + Send + Sync>>>,
    other: impl Future<Output = Result<B, Box<dyn Error + Send + Sync>>>,
) -> Result<(A, B), Box<dyn Error + Send + Sync>> {
    corio::try_join!(one, other)
}

/// What the client says without waiting for the answer is the upgraded connection's, to the byte.
pub async fn upgraded(reads: impl ByteSource, writes: impl ByteSink) -> Outcome {
    const REQUEST: &[u8] = b"GET /upgrade HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\n\
        Upgrade: shouting\r\n\r\nhello";
    assert!(REQUEST.len() < UPGRADE_MAX);
    let (mut reader, mut writer) = (BufReader::new(reads), BufWriter::new(writes));
    let asking = async {
        writer.write_all(REQUEST).await?;
        writer.write_all(&body()).await?;
        Ok(writer.flush().await?)
    };
    let answers = async {
        let head = reader.read_until(&[b"\r\n\r\n"]).await?;
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        assert_eq!(reader.read_exact(5).await?, b"HELLO");
        assert_eq!(reader.read_exact(BODY).await?, body().to_ascii_uppercase());
        Ok(())
    };
    joined(asking, answers).await?;
    // That ends its stream.
    drop(writer);
    assert_eq!(reader.read(None).await?, b"");
    Ok(())
}

/// Reads to the end of a body.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all)
}

/// Two requests at once on one connection.
pub async fn http_2(stream: impl Read + Write + Unpin + Send + 'static) -> Outcome {
    let http2 = hyper::client::conn::http2::Builder::new(CorioExecutor);
    let (mut sender, connection) = http2.handshake::<_, Body>(stream).await?;
    let connection = corio::create_task(connection).cancel_on_drop();
    let to = |path| Request::builder().uri(format!("http://test{path}"));
    let echo = to("/echo").method("POST").body(Body::from(body()))?;
    let pieces = to("/pieces").body(Body::empty())?;
    let (echo, pieces) = (sender.send_request(echo), sender.send_request(pieces));
    let bodies = corio::try_join!(async { whole(echo.await?.into_body()).await }, async {
        whole(pieces.await?.into_body()).await
    })?;
    assert_eq!(bodies, (body(), Pieces::whole()));
    drop(sender);
    Ok(connection.await??)
}
