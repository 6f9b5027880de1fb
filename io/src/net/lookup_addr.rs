//! From addresses to names.
//!
//! The system's resolver (`getnameinfo`) blocks, so it runs on a thread of the default executor.

use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;

use socket2::SockAddr;

use crate::context::failed;
use crate::fs::{FsTask, run_blocking};

/// The longest name of a host, in bytes with its end: `NI_MAXHOST`.
const HOST_BYTES: usize = 1025;
/// The longest name of a service, in bytes with its end: `NI_MAXSERV`.
const SERVICE_BYTES: usize = 32;

/// Looks the names of a host and of a service up by the system's resolver. What has no name is
/// written as a number.
///
/// asyncio: `loop.getnameinfo`.
///
/// # Errors
///
/// The resolver's, with the address; one that says so outside a runtime.
///
/// # Cancel safety
///
/// Strict: dropping the future forgets the lookup, which may still run to its end on its thread.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (host, service) = corio_io::net::lookup_addr(([127, 0, 0, 1], 80).into()).await?;
/// println!("{host} {service}");
/// # assert!(!host.is_empty() && !service.is_empty());
/// # Ok(())
/// # })
/// # }
/// ```
#[doc(alias = "getnameinfo")]
#[track_caller]
pub fn lookup_addr(address: SocketAddr) -> FsTask<(String, String)> {
    run_blocking(move || names(address).map_err(|error| failed("lookup", address, error)))
}

fn names(address: SocketAddr) -> io::Result<(String, String)> {
    let address = SockAddr::from(address);
    let (mut host, mut service) = ([0_u8; HOST_BYTES], [0_u8; SERVICE_BYTES]);
    // SAFETY: the address is as long as it says, the buffers are as long as the call is told, and
    // all of them outlive it.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr().cast(),
            HOST_BYTES as libc::socklen_t,
            service.as_mut_ptr().cast(),
            SERVICE_BYTES as libc::socklen_t,
            0,
        )
    };
    match code {
        0 => Ok((text(&host), text(&service))),
        libc::EAI_SYSTEM => Err(io::Error::last_os_error()),
        _ => Err(io::Error::other(format!("the resolver gives no name (code {code})"))),
    }
}

/// What stands before the end mark.
fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes)
        .map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
}
