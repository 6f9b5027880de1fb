//! reqwest inside corio's tasks. It looks for tokio's reactor, hence the context; the requests are
//! awaited on corio's workers, and so is the server.
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use corio::net::TcpListener;
use corio_ecosystem::{BoxError, assert_on_corio};

const REQUESTS: usize = 100;

#[corio::main(tokio_context = true)]
async fn main() -> Result<(), BoxError> {
    let router = Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/never", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = corio::create_task(corio::serve(listener, router).into_future());

    // Its connections are shared, and kept for the next request.
    let client = reqwest::Client::new();
    let requests = (0..REQUESTS).map(|n| {
        let request = client.post(format!("{base}/echo")).body(vec![n as u8; 10_000]);
        corio::create_task(async move {
            let response = request.send().await?.error_for_status()?;
            assert_on_corio();
            let body = response.bytes().await?;
            assert_on_corio();
            assert!(body == vec![n as u8; 10_000], "request {n} got {} bytes", body.len());
            Ok::<_, BoxError>(())
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await??;
    }
    println!("{REQUESTS} requests at a time");

    // Its time limit is a timer of tokio's.
    let never = client.get(format!("{base}/never")).timeout(Duration::from_millis(20));
    let late = never.send().await.unwrap_err();
    assert!(late.is_timeout(), "{late}");
    println!("a request that is never answered: {late}");
    server.cancel();
    Ok(())
}
