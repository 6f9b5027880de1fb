//! The system calls that the seam knows: what each may fail with, by its manual page, and where its
//! length is.

use std::ffi::c_long;

/// A system call.
#[derive(Debug)]
pub struct Call {
    pub name: &'static str,
    pub number: c_long,
    /// Restricts it to some arguments, so that all other uses run at full speed.
    pub only: Option<Only>,
    /// What it may fail with.
    pub may: Faults,
    pub length: Length,
}

/// `arguments[argument] & mask == value`, in the lower half of the word.
#[derive(Clone, Copy, Debug)]
pub struct Only {
    pub argument: u32,
    pub mask: u32,
    pub value: u32,
}

/// Where a call says how many bytes it is to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It moves none, or all or nothing.
    None,
    /// In this argument.
    Argument(usize),
    /// In a list of buffers: its address and its length are arguments 1 and 2.
    Buffers,
    /// In the list of buffers of a message, whose address is argument 1.
    Message,
}

/// Kinds of faults, as bits.
pub type Faults = u32;

/// No descriptor is left: EMFILE, ENFILE.
pub const DESCRIPTORS: Faults = 1;
/// No memory is left: ENOMEM, ENOBUFS.
pub const MEMORY: Faults = 1 << 1;
/// A signal came: EINTR.
pub const SIGNAL: Faults = 1 << 2;
/// The device fails: EIO.
pub const DEVICE: Faults = 1 << 3;
/// The device is full: ENOSPC, EDQUOT.
pub const SPACE: Faults = 1 << 4;
/// The peer has reset the connection: ECONNRESET.
pub const PEER: Faults = 1 << 5;
/// The connection was reset before it was accepted: ECONNABORTED.
pub const ABORTED: Faults = 1 << 6;
/// Nobody can be reached: ENETUNREACH, ECONNREFUSED.
pub const NETWORK: Faults = 1 << 7;
/// The address is taken: EADDRINUSE.
pub const ADDRESS: Faults = 1 << 8;
/// No thread can be made: EAGAIN.
pub const THREADS: Faults = 1 << 9;

/// What makes an error possible. `None`: no call of the list fails with it.
pub fn kind(errno: i32) -> Option<Faults> {
    Some(match errno {
        libc::EMFILE | libc::ENFILE => DESCRIPTORS,
        libc::ENOMEM | libc::ENOBUFS => MEMORY,
        libc::EINTR => SIGNAL,
        libc::EIO => DEVICE,
        libc::ENOSPC | libc::EDQUOT => SPACE,
        libc::ECONNRESET => PEER,
        libc::ECONNABORTED => ABORTED,
        libc::ENETUNREACH | libc::ECONNREFUSED => NETWORK,
        libc::EADDRINUSE => ADDRESS,
        libc::EAGAIN => THREADS,
        _ => return None,
    })
}

const fn call(name: &'static str, number: c_long, may: Faults, length: Length) -> Call {
    Call { name, number, only: None, may, length }
}

const FILE: Faults = SIGNAL | DEVICE | SPACE;
const NEW: Faults = DESCRIPTORS | MEMORY;
const RECEIVE: Faults = SIGNAL | MEMORY | PEER;
const SEND: Faults = SIGNAL | MEMORY | PEER;

/// Not here: `clone`, around which the C library blocks all signals: a thread fails by its stack
/// instead, and a child by a filter of its own (`programs::a_child_that_cannot_be_made`).
pub const ALL: &[Call] = &[
    call("read", libc::SYS_read, SIGNAL | DEVICE, Length::Argument(2)),
    call("write", libc::SYS_write, FILE, Length::Argument(2)),
    call("pread64", libc::SYS_pread64, SIGNAL | DEVICE, Length::Argument(2)),
    call("pwrite64", libc::SYS_pwrite64, FILE, Length::Argument(2)),
    call("readv", libc::SYS_readv, RECEIVE | DEVICE, Length::Buffers),
    call("writev", libc::SYS_writev, FILE, Length::Buffers),
    call("recvfrom", libc::SYS_recvfrom, RECEIVE, Length::Argument(2)),
    call("recvmsg", libc::SYS_recvmsg, RECEIVE, Length::Message),
    call("sendto", libc::SYS_sendto, SEND, Length::Argument(2)),
    call("sendmsg", libc::SYS_sendmsg, SEND, Length::Message),
    call("sendfile", libc::SYS_sendfile, SEND | DEVICE, Length::Argument(3)),
    call("splice", libc::SYS_splice, SIGNAL | MEMORY, Length::Argument(4)),
    call("copy_file_range", libc::SYS_copy_file_range, FILE | MEMORY, Length::Argument(4)),
    call("fsync", libc::SYS_fsync, FILE, Length::None),
    call("fdatasync", libc::SYS_fdatasync, FILE, Length::None),
    call("ftruncate", libc::SYS_ftruncate, FILE, Length::None),
    call("openat", libc::SYS_openat, NEW | FILE, Length::None),
    // It closes, whatever it says.
    call("close", libc::SYS_close, FILE, Length::None),
    call("fstat", libc::SYS_fstat, MEMORY, Length::None),
    call("newfstatat", libc::SYS_newfstatat, MEMORY, Length::None),
    call("statx", libc::SYS_statx, MEMORY, Length::None),
    call("statfs", libc::SYS_statfs, SIGNAL | DEVICE | MEMORY, Length::None),
    // A file system on a network asks its server for the end.
    call("lseek", libc::SYS_lseek, DEVICE, Length::None),
    call("getdents64", libc::SYS_getdents64, DEVICE | MEMORY, Length::None),
    call("mkdir", libc::SYS_mkdir, DEVICE | SPACE | MEMORY, Length::None),
    call("rmdir", libc::SYS_rmdir, DEVICE | MEMORY, Length::None),
    call("unlink", libc::SYS_unlink, DEVICE | MEMORY, Length::None),
    call("unlinkat", libc::SYS_unlinkat, DEVICE | MEMORY, Length::None),
    call("rename", libc::SYS_rename, DEVICE | SPACE | MEMORY, Length::None),
    call("socket", libc::SYS_socket, NEW, Length::None),
    call("socketpair", libc::SYS_socketpair, NEW, Length::None),
    call("pipe2", libc::SYS_pipe2, NEW, Length::None),
    call("eventfd2", libc::SYS_eventfd2, NEW, Length::None),
    call("epoll_create1", libc::SYS_epoll_create1, NEW, Length::None),
    call("timerfd_create", libc::SYS_timerfd_create, NEW, Length::None),
    call("memfd_create", libc::SYS_memfd_create, NEW, Length::None),
    call("pidfd_open", libc::SYS_pidfd_open, NEW, Length::None),
    Call {
        name: "fcntl(F_DUPFD_CLOEXEC)",
        number: libc::SYS_fcntl,
        only: Some(Only { argument: 1, mask: !0, value: libc::F_DUPFD_CLOEXEC as u32 }),
        may: DESCRIPTORS,
        length: Length::None,
    },
    call("accept4", libc::SYS_accept4, NEW | SIGNAL | ABORTED, Length::None),
    call("connect", libc::SYS_connect, SIGNAL | MEMORY | NETWORK, Length::None),
    call("bind", libc::SYS_bind, MEMORY | ADDRESS, Length::None),
    call("listen", libc::SYS_listen, ADDRESS, Length::None),
    call("getsockname", libc::SYS_getsockname, MEMORY, Length::None),
    call("getpeername", libc::SYS_getpeername, MEMORY, Length::None),
    call("getsockopt", libc::SYS_getsockopt, MEMORY, Length::None),
    call("setsockopt", libc::SYS_setsockopt, MEMORY, Length::None),
    call("shutdown", libc::SYS_shutdown, MEMORY, Length::None),
    call("poll", libc::SYS_poll, SIGNAL | MEMORY, Length::None),
    call("epoll_ctl", libc::SYS_epoll_ctl, MEMORY | SPACE, Length::None),
    call("epoll_wait", libc::SYS_epoll_wait, SIGNAL, Length::None),
    call("epoll_pwait", libc::SYS_epoll_pwait, SIGNAL, Length::None),
    call("epoll_pwait2", libc::SYS_epoll_pwait2, SIGNAL, Length::None),
    call("waitid", libc::SYS_waitid, SIGNAL, Length::None),
    call("kill", libc::SYS_kill, 0, Length::None),
    call("pidfd_send_signal", libc::SYS_pidfd_send_signal, 0, Length::None),
    Call {
        name: "mmap(MAP_STACK)",
        number: libc::SYS_mmap,
        only: Some(Only {
            argument: 3,
            mask: libc::MAP_STACK as u32,
            value: libc::MAP_STACK as u32,
        }),
        may: MEMORY | THREADS,
        length: Length::None,
    },
];

/// The entry of a number.
pub fn find(number: i64) -> Option<&'static Call> {
    ALL.iter().find(|call| call.number == number)
}
