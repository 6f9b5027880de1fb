//! What the peers have agreed upon.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{CommonState, ProtocolVersion};

/// What is known about a secured connection, after its handshake.
///
/// Python: `ssl.SSLObject`, and the extra informations `peercert` and `cipher`.
///
/// See [`SslContext`](super::SslContext) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslObject {
    version: ProtocolVersion,
    cipher: &'static str,
    chain: Vec<CertificateDer<'static>>,
    alpn: Option<Vec<u8>>,
    server_hostname: Option<String>,
}

impl SslObject {
    pub(super) fn new(session: &CommonState, server_hostname: Option<String>) -> Self {
        let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        Self {
            version: session.protocol_version().unwrap_or(ProtocolVersion::Unknown(0)),
            cipher: suite.unwrap_or("unknown"),
            chain: session.peer_certificates().unwrap_or_default().to_vec(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            server_hostname,
        }
    }

    /// The protocol, such as `"TLSv1.3"`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.version {
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "unknown",
        }
    }

    /// The name of the cipher suite, such as `"TLS13_AES_256_GCM_SHA384"`.
    #[must_use]
    pub fn cipher(&self) -> &'static str {
        self.cipher
    }

    /// The peer's own certificate in DER form, if it has shown one. Python: `getpeercert(True)`.
    #[must_use]
    pub fn peercert(&self) -> Option<&CertificateDer<'static>> {
        self.chain.first()
    }

    /// What the peer has shown, its own certificate first. Python: `get_unverified_chain`.
    #[must_use]
    pub fn peercert_chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The protocol above TLS that the peers chose, if they did (ALPN).
    #[must_use]
    pub fn selected_alpn_protocol(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The name that the server's certificate was checked for; `None` on the server's side.
    #[must_use]
    pub fn server_hostname(&self) -> Option<&str> {
        self.server_hostname.as_deref()
    }
}
