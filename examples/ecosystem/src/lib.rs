//! What the programs of this package share: certificates for a test, a small HTTP client, and the
//! proof that no tokio runtime is near.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use corio::net::TcpStream;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Whatever goes wrong ends the program.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// # Panics
///
/// If tokio's context is on the calling thread: then nothing would be shown by what works.
pub fn assert_no_tokio() {
    let found = tokio::runtime::Handle::try_current();
    assert!(found.is_err(), "a tokio runtime is on this thread: {found:?}");
}

/// # Panics
///
/// Unless a worker of corio's, or the thread that called `run`, runs this.
pub fn assert_on_corio() {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    let worker =
        name == "main" || name.strip_prefix("corio-").is_some_and(|n| n.parse::<u16>().is_ok());
    assert!(worker, "this runs on the thread {name}");
}

/// A certificate for `localhost` that nobody knows, and its key.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Those of the random numbers.
    pub fn new() -> Result<Self, BoxError> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Ok(Self { certificate: made.cert.der().clone(), key })
    }

    /// What a client has to trust.
    ///
    /// # Errors
    ///
    /// If it is no certificate.
    pub fn roots(&self) -> Result<RootCertStore, BoxError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        Ok(roots)
    }

    /// rustls' configurations of both sides.
    ///
    /// # Errors
    ///
    /// If the key does not belong to the certificate.
    pub fn tls(&self) -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), BoxError> {
        let chain = vec![self.certificate.clone()];
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, self.key.clone_key())?;
        let client =
            ClientConfig::builder().with_root_certificates(self.roots()?).with_no_client_auth();
        Ok((Arc::new(server), Arc::new(client)))
    }
}

/// `GET path` over HTTP/1 and a connection of its own, with the whole body.
///
/// # Errors
///
/// Those of the connection and of hyper.
pub async fn get(server: SocketAddr, path: &str) -> Result<Response<Bytes>, BoxError> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let connection = corio::create_task(connection);
    let request = Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(Response::from_parts(head, body))
}

/// The body as text.
///
/// # Errors
///
/// If it is none.
pub fn text(response: &Response<Bytes>) -> io::Result<&str> {
    std::str::from_utf8(response.body()).map_err(io::Error::other)
}
