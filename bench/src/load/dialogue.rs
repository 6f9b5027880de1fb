//! What is said on a connection, and how a right answer is told from a wrong one.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// One request at a time and its answer.
pub trait Dialogue {
    /// Makes the next request of a client.
    fn request(&mut self, client: usize, request: &mut Vec<u8>);

    /// Whether what a client has received since its request is the whole answer.
    ///
    /// # Errors
    /// It cannot become the right answer any more.
    fn is_complete(&self, client: usize, received: &[u8]) -> io::Result<bool>;
}

/// Has one conversation on a blocking socket.
///
/// # Errors
/// The socket fails or the answer is wrong.
pub fn talk_once(
    dialogue: &mut impl Dialogue,
    client: usize,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let mut request = Vec::new();
    dialogue.request(client, &mut request);
    stream.write_all(&request)?;
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    while !dialogue.is_complete(client, &received)? {
        match stream.read(&mut chunk)? {
            0 => return Err(io::Error::other("the server closed a connection")),
            n => received.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(())
}

/// Bytes of an echo message.
pub const ECHO: usize = 64;

/// Messages that differ from each other and must come back unchanged.
pub struct Echo {
    sent: Vec<[u8; ECHO]>,
    count: u64,
}

impl Echo {
    /// Messages for so many clients.
    pub fn new(clients: usize) -> Self {
        Self { sent: vec![[0x5a; ECHO]; clients], count: 0 }
    }
}

impl Dialogue for Echo {
    fn request(&mut self, client: usize, request: &mut Vec<u8>) {
        self.count += 1;
        let message = &mut self.sent[client];
        message[..8].copy_from_slice(&self.count.to_le_bytes());
        message[ECHO - 8..].copy_from_slice(&(client as u64).to_le_bytes());
        request.clear();
        request.extend_from_slice(message);
    }

    fn is_complete(&self, client: usize, received: &[u8]) -> io::Result<bool> {
        let sent = &self.sent[client];
        if received.len() < ECHO && sent.starts_with(received) {
            return Ok(false);
        }
        if received == sent {
            return Ok(true);
        }
        Err(io::Error::other(format!("the echo of {sent:02x?} is {received:02x?}")))
    }
}

/// What the HTTP server answers.
pub const HTTP_BODY: &str = "Hello, world!";

const HTTP_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The same small request again and again, never two at a time on a connection.
pub struct Http;

impl Dialogue for Http {
    fn request(&mut self, _: usize, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(HTTP_REQUEST);
    }

    fn is_complete(&self, _: usize, received: &[u8]) -> io::Result<bool> {
        let Some(head) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(false);
        };
        let (head, body) = (&received[..head], &received[head + 4..]);
        if !head.starts_with(b"HTTP/1.1 200 OK\r\n") || !HTTP_BODY.as_bytes().starts_with(body) {
            let received = String::from_utf8_lossy(received);
            return Err(io::Error::other(format!("the answer is {received:?}")));
        }
        Ok(body.len() == HTTP_BODY.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_the_last_message_and_no_other() {
        let mut echo = Echo::new(2);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        echo.request(1, &mut first);
        assert!(!echo.is_complete(1, &first[..10]).unwrap());
        assert!(echo.is_complete(1, &first).unwrap());
        echo.request(1, &mut second);
        assert!(echo.is_complete(1, &first).is_err());
        assert!(echo.is_complete(1, &[second.clone(), vec![0]].concat()).is_err());
        assert!(echo.is_complete(0, &second).is_err());
    }

    #[test]
    fn an_http_answer_has_the_right_status_and_body() {
        let answer = |status: &str, body: &str| {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 13\r\n\r\n{body}");
            Http.is_complete(0, text.as_bytes())
        };
        assert!(answer("200 OK", HTTP_BODY).unwrap());
        assert!(!answer("200 OK", &HTTP_BODY[..5]).unwrap());
        assert!(!Http.is_complete(0, b"HTTP/1.1 200 OK\r\nconte").unwrap());
        assert!(answer("500 Oh no", HTTP_BODY).is_err());
        assert!(answer("200 OK", "Hello, moon!!").is_err());
        assert!(answer("200 OK", "Hello, world!!").is_err());
    }
}
