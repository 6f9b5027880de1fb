//! Certificates that are made here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use corio::ssl::SslContext;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority, and what it has signed for `localhost` and 127.0.0.1.
pub struct Papers {
    pub authority: String,
    pub chain: String,
    pub key: String,
}

pub fn make() -> Papers {
    let signer = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // Authorities are told from each other by their names first.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("authority {}", NEXT.fetch_add(1, Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&signer).unwrap().pem();
    let issuer = Issuer::new(params, signer);
    let key = KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
    let chain = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap().pem();
    Papers { authority, chain, key: key.serialize_pem() }
}

pub fn papers() -> &'static Papers {
    static PAPERS: OnceLock<Papers> = OnceLock::new();
    PAPERS.get_or_init(make)
}

/// What servers use here.
pub fn serving() -> SslContext {
    SslContext::with_cert_chain(&papers().chain, &papers().key).unwrap()
}

/// What clients use that trust them.
pub fn trusting() -> SslContext {
    SslContext::trusting(&papers().authority).unwrap()
}
