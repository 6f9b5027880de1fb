//! Sockets and files.

use std::fs::File;
use std::io::Read;

use corio::net::{TcpListener, TcpStream, sendfile};

// conforms: 24 test_nonstream_socket
// conforms: 24 test_notint_count
// conforms: 24 test_negative_count
// conforms: 24 test_notint_offset
// conforms: 24 test_negative_offset
/// Datagrams carry no files, and offsets and counts are whole and not negative.
///
/// ```compile_fail,E0277
/// use corio::net::{UdpSocket, sendfile};
/// async fn send(socket: UdpSocket, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, 0, None).await;
/// }
/// ```
///
/// ```compile_fail,E0308
/// use corio::net::{TcpStream, sendfile};
/// async fn send(socket: TcpStream, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, 0, Some("2")).await;
/// }
/// ```
///
/// ```compile_fail,E0600
/// use corio::net::{TcpStream, sendfile};
/// async fn send(socket: TcpStream, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, 0, Some(-2)).await;
/// }
/// ```
///
/// ```compile_fail,E0308
/// use corio::net::{TcpStream, sendfile};
/// async fn send(socket: TcpStream, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, 0.5, None).await;
/// }
/// ```
///
/// ```compile_fail,E0600
/// use corio::net::{TcpStream, sendfile};
/// async fn send(socket: TcpStream, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, -1, None).await;
/// }
/// ```
///
/// And what they are made of:
///
/// ```
/// use corio::net::{TcpStream, sendfile};
/// async fn send(socket: TcpStream, file: std::fs::File) {
///     let _ = sendfile(&socket, &file, 1, Some(2)).await;
/// }
/// ```
pub fn sendfile_takes_a_stream_and_whole_numbers() {
    corio::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let program = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(sendfile(&stream, &program, 1, Some(2)).await.unwrap(), 2);
    });
}

// conforms: 28 test_wrap.py test_threadpool_wrapper_negative
/// Only files are wrapped into files.
///
/// ```compile_fail,E0308
/// let file = corio::fs::File::from_std("not a file");
/// ```
pub fn files_are_what_the_executor_wraps() {
    let mut program = File::open(std::env::current_exe().unwrap()).unwrap();
    program.read_exact(&mut [0]).unwrap();
    let wrapped = corio::fs::File::from_std(program);
    assert!(wrapped.readable());
}
