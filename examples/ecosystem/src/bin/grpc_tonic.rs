//! gRPC with tonic, without tokio: a server through `corio::serve`, a client on corio's streams.
//!
//! The messages and the wiring of the service are what `tonic-prost-build` writes from
//!
//! ```proto
//! package example;
//! service Greeter {
//!   rpc Greet (Name) returns (Greeting);
//!   rpc Repeat (Name) returns (stream Greeting);
//! }
//! message Name { string name = 1; uint32 times = 2; }
//! message Greeting { string text = 1; }
//! ```
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::uri::PathAndQuery;
use axum::http::{self, Uri};
use corio::hyper::CorioExecutor;
use corio::net::{TcpListener, TcpStream};
use corio_ecosystem::{BoxError, assert_no_tokio, assert_on_corio};
use futures_util::{Stream, StreamExt, stream};
use tonic::body::Body;
use tonic::server::{NamedService, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, client, server};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

#[derive(Clone, PartialEq, prost::Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    times: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
}

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Greetings = Pin<Box<dyn Stream<Item = Result<Greeting, Status>> + Send>>;

#[derive(Clone, Copy)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "example.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            assert_no_tokio();
            assert_on_corio();
            let mut grpc = server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                "/example.Greeter/Greet" => grpc.unary(Greet, request).await,
                "/example.Greeter/Repeat" => grpc.server_streaming(Repeat, request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        })
    }
}

struct Greet;

impl UnaryService<Name> for Greet {
    type Response = Greeting;
    type Future = Answering<Result<Response<Greeting>, Status>>;

    fn call(&mut self, request: Request<Name>) -> Self::Future {
        Box::pin(async move {
            let Name { name, .. } = request.into_inner();
            if name.is_empty() {
                return Err(Status::invalid_argument("nobody to greet"));
            }
            corio::yield_now().await;
            Ok(Response::new(Greeting { text: format!("hello {name}") }))
        })
    }
}

struct Repeat;

impl ServerStreamingService<Name> for Repeat {
    type Response = Greeting;
    type ResponseStream = Greetings;
    type Future = Answering<Result<Response<Greetings>, Status>>;

    fn call(&mut self, request: Request<Name>) -> Self::Future {
        Box::pin(async move {
            let Name { name, times } = request.into_inner();
            let greetings = stream::iter(1..=times).then(move |n| {
                let text = format!("hello {name}, number {n}");
                async move {
                    corio::yield_now().await;
                    Ok(Greeting { text })
                }
            });
            Ok(Response::new(greetings.boxed()))
        })
    }
}

#[corio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let routes = Routes::new(Greeter).into_axum_router();
    let server = corio::create_task(corio::serve(listener, routes).into_future());

    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.executor(CorioExecutor);
    let connect = service_fn(move |_: Uri| TcpStream::connect(address));
    let channel = endpoint.connect_with_connector(connect).await?;

    let calls = (0..50).map(|n| {
        let channel = channel.clone();
        corio::create_task(async move {
            let greeting = greet(channel, format!("caller {n}")).await?;
            assert_eq!(greeting.text, format!("hello caller {n}"));
            Ok::<_, BoxError>(())
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await??;
    }
    println!("50 calls over one connection");

    let nobody = greet(channel.clone(), String::new()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::InvalidArgument);
    println!("an error: {}", nobody.message());

    let mut grpc = client::Grpc::new(channel);
    grpc.ready().await?;
    let path = PathAndQuery::from_static("/example.Greeter/Repeat");
    let name = Name { name: "stream".into(), times: 1000 };
    let answer = grpc.server_streaming(Request::new(name), path, ProstCodec::default()).await?;
    let greetings: Vec<Result<Greeting, Status>> = answer.into_inner().collect().await;
    assert_eq!(greetings.len(), 1000);
    let last = greetings.into_iter().last().expect("there are 1000")?;
    assert_eq!(last.text, "hello stream, number 1000");
    println!("a stream of 1000 greetings");
    server.cancel();
    Ok(())
}

async fn greet(channel: Channel, name: String) -> Result<Greeting, Status> {
    let mut grpc = client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/example.Greeter/Greet");
    let request = Request::new(Name { name, times: 1 });
    Ok(grpc.unary(request, path, ProstCodec::default()).await?.into_inner())
}
