//! What `bind` and `connect` take: addresses, or names that have to be looked up.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::lookup::LookupHost;
use crate::made::Made;

/// One address, several, or a host name with a port: `"localhost:8080"`, `("localhost", 8080)`,
/// `([127, 0, 0, 1], 0)`, any socket address of std's, and slices of these.
///
/// Numeric addresses are read at once. Names are looked up on a thread of the default executor,
/// when the operation is awaited. With several addresses `bind` and `connect` try one after the
/// other.
///
/// # Examples
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use corio_io::net::TcpStream;
///
/// let by_name = TcpStream::connect("localhost:8080").await?;
/// let by_number = TcpStream::connect(([127, 0, 0, 1], 8080)).await?;
/// # Ok(())
/// # }
/// ```
pub trait ToAddrs {
    /// The addresses, or what is needed to find them.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{Addrs, TcpListener, ToAddrs};
    ///
    /// /// A name that stands for addresses of ours.
    /// enum Place {
    ///     Test,
    /// }
    ///
    /// impl ToAddrs for Place {
    ///     fn to_addrs(self) -> Addrs {
    ///         ("127.0.0.1", 0).to_addrs()
    ///     }
    /// }
    ///
    /// # corio_runtime::run(async {
    /// assert!(TcpListener::bind(Place::Test).await?.local_addr()?.is_ipv4());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    fn to_addrs(self) -> Addrs;
}

/// Addresses, known or to be looked up; made by [`ToAddrs`].
#[derive(Debug)]
#[must_use = "addresses do nothing until a socket uses them"]
pub struct Addrs(State);

#[derive(Debug)]
enum State {
    Known(Known),
    Lookup(LookupHost),
    Invalid(String),
}

/// Addresses to try in turn.
#[derive(Debug)]
pub(super) enum Known {
    /// The usual case does not allocate.
    One(Option<SocketAddr>),
    Many(std::vec::IntoIter<SocketAddr>),
}

impl Known {
    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::One(one) => one.is_none(),
            Self::Many(many) => many.as_slice().is_empty(),
        }
    }
}

impl Iterator for Known {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Self::One(address) => address.take(),
            Self::Many(addresses) => addresses.next(),
        }
    }
}

impl Addrs {
    fn known(addresses: Vec<SocketAddr>) -> Self {
        Self(State::Known(Known::Many(addresses.into_iter())))
    }

    /// The host name, if there is one to look up.
    pub(super) fn host(&self) -> Option<String> {
        match &self.0 {
            State::Lookup(lookup) => Some(lookup.host().to_owned()),
            State::Known(_) | State::Invalid(_) => None,
        }
    }

    /// Waits for all addresses; to be called until it is ready, and once only then.
    pub(crate) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<SocketAddr>>> {
        let all: Vec<_> = std::task::ready!(self.poll(cx))?.collect();
        Poll::Ready(if all.is_empty() { Err(no_address()) } else { Ok(all) })
    }

    /// Waits for the addresses; to be called until it is ready, and once only then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Known>> {
        let nothing = State::Known(Known::One(None));
        Poll::Ready(match &mut self.0 {
            State::Lookup(lookup) => {
                let found = std::task::ready!(Pin::new(lookup).poll(cx))?;
                Ok(Known::Many(found.into_iter()))
            }
            state => match std::mem::replace(state, nothing) {
                State::Known(known) => Ok(known),
                State::Invalid(text) => Err(invalid(&text)),
                State::Lookup(_) => unreachable!("handled above"),
            },
        })
    }
}

/// Whether a name could stand before the port: brackets are around it, as around an IPv6 address, or
/// nowhere.
fn is_host(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    !bare.is_empty() && !bare.contains(['[', ']'])
}

fn invalid(text: &str) -> io::Error {
    let message =
        format!("invalid address {text:?}: expected \"host:port\", such as \"0.0.0.0:80\"");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// What is tried if there is no address at all.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no address was given")
}

macro_rules! numeric {
    ($($from:ty),*) => {$(
        impl ToAddrs for $from {
            fn to_addrs(self) -> Addrs {
                Addrs(State::Known(Known::One(Some(SocketAddr::from(self)))))
            }
        }
    )*};
}

numeric!(SocketAddr, SocketAddrV4, SocketAddrV6);
numeric!((IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16), ([u8; 4], u16), ([u16; 8], u16));

impl ToAddrs for (&str, u16) {
    #[track_caller]
    fn to_addrs(self) -> Addrs {
        let (host, port) = self;
        // An address in brackets is how a URL writes IPv6.
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) => (ip, port).to_addrs(),
            Err(_) => {
                Addrs(State::Lookup(LookupHost::new(host, port, Made::inside(Location::caller()))))
            }
        }
    }
}

impl ToAddrs for (String, u16) {
    #[track_caller]
    fn to_addrs(self) -> Addrs {
        (self.0.as_str(), self.1).to_addrs()
    }
}

impl ToAddrs for &str {
    #[track_caller]
    fn to_addrs(self) -> Addrs {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return address.to_addrs();
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Addrs(State::Invalid(self.to_owned()));
        };
        match port.parse::<u16>() {
            Ok(port) if is_host(host) => (host, port).to_addrs(),
            _ => Addrs(State::Invalid(self.to_owned())),
        }
    }
}

impl ToAddrs for String {
    #[track_caller]
    fn to_addrs(self) -> Addrs {
        self.as_str().to_addrs()
    }
}

impl ToAddrs for &String {
    #[track_caller]
    fn to_addrs(self) -> Addrs {
        self.as_str().to_addrs()
    }
}

impl ToAddrs for &SocketAddr {
    fn to_addrs(self) -> Addrs {
        (*self).to_addrs()
    }
}

impl ToAddrs for &[SocketAddr] {
    fn to_addrs(self) -> Addrs {
        Addrs::known(self.to_vec())
    }
}

impl<const N: usize> ToAddrs for &[SocketAddr; N] {
    fn to_addrs(self) -> Addrs {
        Addrs::known(self.to_vec())
    }
}

impl<const N: usize> ToAddrs for [SocketAddr; N] {
    fn to_addrs(self) -> Addrs {
        Addrs::known(self.to_vec())
    }
}

impl ToAddrs for Vec<SocketAddr> {
    fn to_addrs(self) -> Addrs {
        Addrs::known(self)
    }
}

impl ToAddrs for &Vec<SocketAddr> {
    fn to_addrs(self) -> Addrs {
        Addrs::known(self.clone())
    }
}

/// Prepared addresses, as they are.
impl ToAddrs for Addrs {
    fn to_addrs(self) -> Addrs {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn ready(from: impl ToAddrs) -> io::Result<Vec<SocketAddr>> {
        match from.to_addrs().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(known) => known.map(Iterator::collect),
            Poll::Pending => panic!("it needs no thread"),
        }
    }

    #[test]
    fn numbers_are_read_at_once() {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(ready("127.0.0.1:80").unwrap(), [v4]);
        assert_eq!(ready("[::1]:80".to_owned()).unwrap(), [v6]);
        assert_eq!(ready(("127.0.0.1", 80)).unwrap(), [v4]);
        assert_eq!(ready(("::1", 80)).unwrap(), [v6]);
        assert_eq!(ready(("[::1]".to_owned(), 80)).unwrap(), [v6]);
        assert_eq!(ready(([127, 0, 0, 1], 80)).unwrap(), [v4]);
        assert_eq!(ready((IpAddr::from([127, 0, 0, 1]), 80)).unwrap(), [v4]);
        assert_eq!(ready([v4, v6]).unwrap(), [v4, v6]);
        assert_eq!(ready(&[v4, v6][..]).unwrap(), [v4, v6]);
        assert_eq!(ready(vec![v6]).unwrap(), [v6]);
        assert_eq!(ready(&[][..]).unwrap(), []);
    }

    #[test]
    fn what_is_no_address_is_named() {
        for bad in [
            "nonsense",
            "host:",
            ":80",
            "[]:80",
            "[:80",
            "[::1",
            "::1]:80",
            "[[a]:80",
            "a]b:80",
            "host:99999",
            "host:-1",
            "",
        ] {
            let error = ready(bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
