//! The parsers of the network against oracles: the environment of socket activation, and addresses.

use std::net::{IpAddr, SocketAddr};

use super::ToAddrs;
use super::inherit::names;
use crate::fuzz::Input;

/// `host:port` as text: a number is an address at once, a name is to be looked up, and what is
/// neither, what has a bracket that is not around it for one, is named in the error.
pub fn addresses(input: &[u8]) {
    let text = Input(input).text(24, b"0123456789abcdef.:[]%x");
    let known = text.parse::<SocketAddr>().ok();
    let named =
        text.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().map(|_| host));
    // An address in brackets is one of a URL.
    let within = |host: &str| match host.as_bytes() {
        [b'[', within @ .., b']'] => within.to_vec(),
        all => all.to_vec(),
    };
    let expected = named.filter(|host| {
        let host = String::from_utf8(within(host)).expect("brackets are ASCII");
        let brackets = host.bytes().any(|byte| b"[]".contains(&byte));
        known.is_none() && !brackets && !host.is_empty() && host.parse::<IpAddr>().is_err()
    });
    let found = text.as_str().to_addrs();
    assert_eq!(found.host().as_deref(), expected, "{text}");
}

/// The most descriptors that are taken for meant.
const MAX: usize = 1024;

/// The environment of socket activation, right and wrong.
pub fn inherited_names(input: &[u8]) {
    let mut input = Input(input);
    let own = u32::from(input.byte());
    let mut variable = |alphabet: &[u8], n| match input.below(4) {
        0 => None,
        1 => Some(own.to_string()),
        _ => Some(input.text(n, alphabet)),
    };
    let (pid, count) = (variable(b"0123456789-+ ", 4), variable(b"0123456789-+ ", 4));
    let list = variable(b"ab:", 12);
    let found = names(own, pid.as_deref(), count.as_deref(), list.as_deref());
    let (Some(pid), Some(count)) = (pid, count) else {
        assert_eq!(found.expect("nothing is announced"), []);
        return;
    };
    let right = pid.parse() == Ok(own);
    let number = count.parse::<usize>().ok().filter(|&number| number <= MAX);
    let all: Vec<&str> = list.as_deref().map_or(Vec::new(), |list| list.split(':').collect());
    match found {
        Ok(found) if right => {
            assert_eq!(Some(found.len()), number);
            let given = found.iter().map_while(|name| name.as_deref()).collect::<Vec<_>>();
            assert_eq!(given, all);
            assert!(found[all.len()..].iter().all(Option::is_none));
        }
        Ok(found) => {
            assert!(pid.parse::<u32>().is_ok(), "LISTEN_PID={pid} is no number");
            assert_eq!(found, []);
        }
        Err(error) => {
            assert!(error.to_string().contains("sd_listen_fds"), "{error}");
            let bad = number.is_none() || number.is_some_and(|number| all.len() > number);
            assert!(bad || pid.parse::<u32>().is_err(), "{pid} {count} {list:?}: {error}");
        }
    }
}
