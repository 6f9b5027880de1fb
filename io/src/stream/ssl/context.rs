//! What a handshake needs: whom to trust, and who we are.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::error::SslError;

/// The side of a client or of a server: certificates, keys, and what is asked of the peer.
///
/// Python: `ssl.SSLContext`. Whatever these functions do not offer, rustls's own configurations do:
/// `SslContext::from(ClientConfig)`, `SslContext::from(ServerConfig)`.
///
/// # Examples
///
/// ```no_run
/// use corio_io::ssl::{SslContext, SslError, create_default_context};
/// use corio_io::stream::{StreamReader, StreamWriter, open_connection, start_server};
/// use std::time::Duration;
///
/// # async fn example(chain: &str, key: &str, authority: &str) -> std::io::Result<()> {
/// let greets = async |_: StreamReader, mut writer: StreamWriter| writer.write(b"welcome\n");
/// let server = start_server(greets, "127.0.0.1:0")
///     .ssl(SslContext::with_cert_chain(chain, key)?)
///     .ssl_handshake_timeout(Duration::from_secs(5))
///     .ssl_shutdown_timeout(Duration::from_secs(5))
///     .await?;
///
/// // Nobody has signed it whom the system trusts.
/// let address = server.local_addrs()[0];
/// let error = open_connection(address).ssl(create_default_context()?).await.unwrap_err();
/// assert!(matches!(SslError::of(&error), Some(SslError::CertificateRefused(_))));
///
/// let (_reader, writer) = open_connection(address)
///     .ssl(SslContext::trusting(authority)?)
///     .server_hostname("example.org")
///     .ssl_handshake_timeout(Duration::from_secs(5))
///     .ssl_shutdown_timeout(Duration::from_secs(5))
///     .await?;
/// let agreed = writer.get_extra_info().ssl_object.as_ref().unwrap();
/// assert_eq!((agreed.version(), agreed.server_hostname()), ("TLSv1.3", Some("example.org")));
/// assert_eq!(agreed.peercert(), agreed.peercert_chain().first());
/// println!("{}, {:?}", agreed.cipher(), agreed.selected_alpn_protocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SslContext(pub(super) Side);

#[derive(Clone)]
pub(super) enum Side {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

impl SslContext {
    /// For clients: servers are trusted whose certificates the given authorities have signed, and
    /// no others. The text is in PEM form, one certificate or several.
    ///
    /// Python: `create_default_context(cadata=..)`.
    ///
    /// # Errors
    ///
    /// [`SslError::BadPem`] if the text has no certificate or one that cannot be read.
    pub fn trusting(authorities: impl AsRef<[u8]>) -> Result<Self, SslError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities.as_ref())? {
            roots.add(certificate).map_err(|error| SslError::BadPem(error.to_string()))?;
        }
        client(roots)
    }

    /// For servers: a chain of certificates in PEM form, our own first, and its key. Clients need no
    /// certificate.
    ///
    /// Python: `create_default_context(Purpose.CLIENT_AUTH)` and `load_cert_chain`.
    ///
    /// # Errors
    ///
    /// [`SslError::BadPem`] if one of them cannot be read; [`SslError::Tls`] if the key does not fit.
    pub fn with_cert_chain(
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, SslError> {
        let chain = certificates(chain.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| SslError::BadPem(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(config.into())
    }
}

/// For clients: trusts the authorities that the system trusts. They are read from the file that
/// `SSL_CERT_FILE` names, or else from where the usual systems have it; so it blocks for a moment,
/// and is to be called once.
///
/// Python: `ssl.create_default_context()`.
///
/// See [`SslContext`] for an example.
///
/// # Errors
///
/// `NotFound` if there is no such file; `InvalidInput` if it has no certificate.
pub fn create_default_context() -> io::Result<SslContext> {
    /// Debian and Arch; Fedora; SUSE; Alpine, the BSDs and macOS.
    const PLACES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let place = match std::env::var_os("SSL_CERT_FILE") {
        Some(named) => PathBuf::from(named),
        None => PLACES.iter().map(PathBuf::from).find(|place| place.exists()).ok_or_else(|| {
            let message = "the system's certificates were not found; set SSL_CERT_FILE";
            io::Error::new(io::ErrorKind::NotFound, message)
        })?,
    };
    let text = fs::read(&place)
        .map_err(|error| crate::context::failed("read certificates of", place.display(), error))?;
    let mut roots = RootCertStore::empty();
    // A bundle of the system may have old ones that nobody can use any more.
    let (added, _) = roots.add_parsable_certificates(certificates(&text)?);
    if added == 0 {
        return Err(SslError::BadPem(format!("{} has no authority", place.display())).into());
    }
    Ok(client(roots)?)
}

fn client(roots: RootCertStore) -> Result<SslContext, SslError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

/// Named, because a process may have another default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SslError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| SslError::BadPem(error.to_string()))?;
    if read.is_empty() {
        return Err(SslError::BadPem("there is no certificate".to_owned()));
    }
    Ok(read)
}

macro_rules! from {
    ($($config:ident $side:ident),*) => {$(
        impl From<Arc<$config>> for SslContext {
            fn from(config: Arc<$config>) -> Self {
                Self(Side::$side(config))
            }
        }

        impl From<$config> for SslContext {
            fn from(config: $config) -> Self {
                Arc::new(config).into()
            }
        }
    )*};
}

from!(ClientConfig Client, ServerConfig Server);

impl fmt::Debug for SslContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SslContext")
            .field(&match self.0 {
                Side::Client(_) => "client",
                Side::Server(_) => "server",
            })
            .finish()
    }
}
