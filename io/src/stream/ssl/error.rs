//! What securing a connection fails with.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_rustls::rustls::{self, CertificateError};

/// Why a connection is not secured.
///
/// Where an [`io::Error`] is returned, this lies in it: [`SslError::of`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SslError {
    /// The peer's certificate is not trusted, or is for another name. Python:
    /// `SSLCertVerificationError`.
    CertificateRefused(CertificateError),
    /// The peers did not agree in time. asyncio: `ConnectionAbortedError`, "SSL handshake is taking
    /// longer than 60.0 seconds".
    HandshakeTimeout(Duration),
    /// The connection ended during the handshake. asyncio: `ConnectionResetError`.
    EofDuringHandshake,
    /// There is no host name in the address, so nobody can tell whose certificate it is to be. Say
    /// it by `server_hostname`. asyncio: `ValueError`.
    NoServerHostname,
    /// The name of the server is no host name and no address.
    BadServerHostname(String),
    /// A client was given the context of a server, or a server that of a client.
    WrongSide,
    /// The connection cannot be secured: it is a pipe, or it is secured already.
    Unsupported,
    /// A text that is not what is expected in PEM form.
    BadPem(String),
    /// The peers do not understand each other, or one of them breaks the rules; also a refusal that
    /// the peer has told us.
    Tls(rustls::Error),
    /// The system's error.
    Io(io::Error),
}

impl SslError {
    /// What lies in the error of a function that returns [`io::Error`].
    ///
    /// See [`SslContext`](super::SslContext) for an example.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What a handshake has failed with.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        if let Some(found) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            return found.clone().into();
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::EofDuringHandshake,
            _ => Self::Io(error),
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::CertificateRefused(_) | Self::Tls(_) => io::ErrorKind::InvalidData,
            Self::HandshakeTimeout(_) => io::ErrorKind::ConnectionAborted,
            Self::EofDuringHandshake => io::ErrorKind::ConnectionReset,
            Self::Unsupported => io::ErrorKind::Unsupported,
            Self::Io(error) => error.kind(),
            Self::NoServerHostname
            | Self::BadServerHostname(_)
            | Self::WrongSide
            | Self::BadPem(_) => io::ErrorKind::InvalidInput,
        }
    }

    /// The error for those who come later than the one who has started the handshake.
    pub(super) fn told_later(&self) -> io::Error {
        io::Error::new(self.kind(), self.to_string())
    }
}

impl fmt::Display for SslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateRefused(error) => write!(f, "the certificate is refused: {error}"),
            Self::HandshakeTimeout(limit) => {
                write!(f, "the TLS handshake takes longer than {limit:?}")
            }
            Self::EofDuringHandshake => f.write_str("the connection ended during the handshake"),
            Self::NoServerHostname => f.write_str("server_hostname is needed without a host name"),
            Self::BadServerHostname(name) => write!(f, "{name:?} is no host name and no address"),
            Self::WrongSide => f.write_str("the context is for the other side of the connection"),
            Self::Unsupported => f.write_str("only sockets that are not secured yet can be"),
            Self::BadPem(error) => write!(f, "not the expected PEM text: {error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for SslError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rustls::Error> for SslError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(refused) => Self::CertificateRefused(refused),
            error => Self::Tls(error),
        }
    }
}

impl From<io::Error> for SslError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SslError> for io::Error {
    fn from(error: SslError) -> Self {
        match error {
            SslError::Io(error) => error,
            error => Self::new(error.kind(), error),
        }
    }
}
