//! A tower service without a framework, behind two of tower's layers: of four requests at a time,
//! two are served and two are told to come again.
use std::net::SocketAddr;
use std::sync::Arc;

use corio::net::{Peer, TcpListener};
use corio::sync::Event;
use corio_ecosystem::{BoxError, assert_no_tokio, get, text};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use tower::{ServiceBuilder, service_fn};

/// How many requests are served at a time.
const AT_A_TIME: usize = 2;

type Answer = Response<Full<Bytes>>;

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let (begun, finish) = (Arc::new(corio::sync::Queue::new(0)), Arc::new(Event::new()));
    let state = (begun.clone(), finish.clone());
    let service = ServiceBuilder::new()
        .map_result(too_many)
        .load_shed()
        .concurrency_limit(AT_A_TIME)
        .service(service_fn(move |request: Request<Incoming>| {
            let (begun, finish) = state.clone();
            async move {
                assert_no_tokio();
                let peer =
                    request.extensions().get::<Peer<SocketAddr>>().expect("it was asked for");
                let answer = format!("hello {}", peer.0);
                begun.put(()).await?;
                finish.wait().await;
                Ok::<_, BoxError>(Response::new(Full::from(answer)))
            }
        }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = corio::serve(listener, service).add_peer(true);
    let server = corio::create_task(serve.into_future());

    let request = |path| corio::create_task(get(address, path));
    let served = [request("/1"), request("/2")];
    for _ in 0..AT_A_TIME {
        begun.get().await?;
    }
    for refused in [request("/3"), request("/4")] {
        assert_eq!(refused.await??.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    finish.set();
    for served in served {
        let served = served.await??;
        assert_eq!(served.status(), StatusCode::OK);
        assert!(text(&served)?.starts_with("hello 127.0.0.1:"), "{served:?}");
    }
    server.cancel();
    println!("{AT_A_TIME} requests served, 2 told to come again");
    Ok(())
}

/// What the layers refuse is an answer too.
fn too_many(answer: Result<Answer, BoxError>) -> Result<Answer, BoxError> {
    Ok(answer.unwrap_or_else(|error| {
        let mut answer = Response::new(Full::from(error.to_string()));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer
    }))
}
