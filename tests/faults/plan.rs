//! What becomes of the calls that reach the seam.
//!
//! One plan at a time holds for all threads but those that are exempt: the test's own. A plan that
//! strikes once counts the calls that it could strike, and strikes the one with its number.
//!
//! *Truth.* A fault is one that the system could have made:
//! - A call fails only with what its manual page or POSIX allows (see [`calls`](crate::calls)), and has
//!   had no effect then; except that an interrupted `connect` goes on, as it does (connect(2)), and that
//!   `close` closes: who tries that again closes what another thread has opened meanwhile.
//! - A short transfer on a socket that an epoll instance watches is followed by a new edge, as if the
//!   rest had come, or had found room, just afterwards: corio may take a short transfer as proof that
//!   there is no more (epoll(7)), and it would be wrong to punish it for that.
//! - A reset is one: the peer gets it too.
//! - Deregistering does not fail, nor does the bell of a poller: 8 bytes written to or read from an
//!   eventfd that is never full.
//! - What std needs for itself and cannot do without is let alone: see [`is_signal_stack`].

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::SeqCst};

use crate::calls::{self, Call, Length};
use crate::seam::{Args, gate};

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The `nth` call that may fail so does.
    Fail { errno: i32, nth: u64 },
    /// Every second call that a signal may interrupt is interrupted, from the first on.
    Interrupt,
    /// No transfer moves more than `to` bytes.
    Shorten { to: u64 },
    /// The disk has room for so many bytes: the write that needs more is cut short, the next one is
    /// refused, and then somebody has made room.
    Full { room: u64 },
    /// Before its `nth` transfer the connection is reset, for both ends.
    Reset { nth: u64 },
    /// Before its `nth` transfer this end of the connection stops sending.
    HalfClose { nth: u64 },
    /// Nothing is changed. Signals are counted, and those that are sent for a child that has been
    /// reaped are struck: whose number that is now, nobody knows.
    Signals,
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    /// Calls that the plan could have changed.
    pub seen: u64,
    /// How often the plan has changed a call.
    pub times: u64,
    /// The last call that it has changed.
    pub call: &'static str,
}

/// [`Plan`], as numbers that a handler can read: its kind, its error, its other number.
static KIND: AtomicU32 = AtomicU32::new(NOTHING);
static ERRNO: AtomicI64 = AtomicI64::new(0);
static NUMBER: AtomicU64 = AtomicU64::new(0);

const NOTHING: u32 = 0;
const FAIL: u32 = 1;
const INTERRUPT: u32 = 2;
const SHORTEN: u32 = 3;
const RESET: u32 = 4;
const HALF_CLOSE: u32 = 5;
const SIGNALS: u32 = 6;
const FULL: u32 = 7;

/// Calls that the plan could have changed.
static SEEN: AtomicU64 = AtomicU64::new(0);
/// Calls that it has changed, and the number of the last one.
static TIMES: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicI64 = AtomicI64::new(-1);

thread_local! {
    /// Whether this thread's calls are never changed.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Takes the calling thread out of all plans, or puts it back.
pub fn exempt(on: bool) {
    EXEMPT.set(on);
}

pub fn is_exempt() -> bool {
    EXEMPT.get()
}

/// Lets a plan hold from now on.
pub fn arm(plan: Plan) {
    KIND.store(NOTHING, SeqCst);
    let (kind, errno, number) = match plan {
        Plan::Fail { errno, nth } => (FAIL, errno, nth),
        Plan::Interrupt => (INTERRUPT, libc::EINTR, 0),
        Plan::Shorten { to } => (SHORTEN, 0, to),
        Plan::Reset { nth } => (RESET, libc::ECONNRESET, nth),
        Plan::HalfClose { nth } => (HALF_CLOSE, 0, nth),
        Plan::Signals => (SIGNALS, 0, 0),
        Plan::Full { room } => (FULL, libc::ENOSPC, room),
    };
    ERRNO.store(errno.into(), SeqCst);
    NUMBER.store(number, SeqCst);
    SEEN.store(0, SeqCst);
    TIMES.store(0, SeqCst);
    LAST.store(-1, SeqCst);
    KIND.store(kind, SeqCst);
}

/// Ends the plan, and tells what it did.
pub fn disarm() -> Struck {
    KIND.store(NOTHING, SeqCst);
    let call = calls::find(LAST.load(SeqCst)).map_or("no call", |call| call.name);
    Struck { seen: SEEN.load(SeqCst), times: TIMES.load(SeqCst), call }
}

/// Lets every call be what it is, until the pause is dropped.
pub fn pause() -> Pause {
    Pause(KIND.swap(NOTHING, SeqCst))
}

/// See [`pause`].
pub struct Pause(u32);

impl Drop for Pause {
    fn drop(&mut self) {
        KIND.store(self.0, SeqCst);
    }
}

/// A call has come: returns what it results in.
pub fn meet(number: i64, args: Args) -> i64 {
    let kind = if EXEMPT.get() { NOTHING } else { KIND.load(SeqCst) };
    let Some(call) = calls::find(number) else { return pass(number, &args) };
    match kind {
        FAIL | INTERRUPT => fail(kind, call, args),
        SHORTEN => shorten(call, args),
        RESET | HALF_CLOSE => break_off(kind, call, args),
        SIGNALS => signal(call, args),
        FULL => fill(call, args),
        _ => pass(number, &args),
    }
}

/// Makes the call as it is.
fn pass(number: i64, args: &Args) -> i64 {
    // SAFETY: the program was about to make this very call.
    let result = unsafe { gate(number, args) };
    if number == libc::SYS_epoll_ctl && result == 0 {
        watched::note(args);
    }
    result
}

fn strike(call: &Call) {
    LAST.store(call.number, SeqCst);
    TIMES.fetch_add(1, SeqCst);
}

/// Whether this call, of those that count, is the one.
fn is_due() -> bool {
    SEEN.fetch_add(1, SeqCst) + 1 == NUMBER.load(SeqCst)
}

fn fail(kind: u32, call: &Call, args: Args) -> i64 {
    let errno = ERRNO.load(SeqCst);
    let may = calls::kind(errno as i32).is_some_and(|fault| call.may & fault != 0);
    if !may
        || is_bell(call, &args)
        || is_removal(call, &args)
        || is_signal_stack(call, &args)
        || is_end_of_folder(call, &args)
    {
        return pass(call.number, &args);
    }
    let due = match kind {
        // Who tries anew with another socket closes the first: one of the two would always be hit.
        INTERRUPT if call.number == libc::SYS_close => false,
        INTERRUPT => SEEN.fetch_add(1, SeqCst) % 2 == 0,
        _ => is_due(),
    };
    if !due {
        return pass(call.number, &args);
    }
    strike(call);
    let goes_on = match call.number {
        libc::SYS_connect => errno == i64::from(libc::EINTR) && !is_local(&args),
        libc::SYS_close => true,
        _ => false,
    };
    if goes_on {
        pass(call.number, &args);
    }
    -errno
}

fn is_bell(call: &Call, args: &Args) -> bool {
    matches!(call.number, libc::SYS_read | libc::SYS_write) && args[2] == 8
}

/// Whether the address of a `connect` is one of this machine's own: such a connection stands at once,
/// and is interrupted before it does.
fn is_local(args: &Args) -> bool {
    // SAFETY: the program passes an address there, which begins with its family.
    let family = unsafe { (args[1] as *const libc::sa_family_t).read_unaligned() };
    i32::from(family) == libc::AF_UNIX
}

fn is_removal(call: &Call, args: &Args) -> bool {
    call.number == libc::SYS_epoll_ctl && args[1] == libc::EPOLL_CTL_DEL as u64
}

/// std maps a small stack for the handler of overflows inside each new thread, and aborts the program
/// where it gets none. A thread's own stack has no rights before its guard is made.
fn is_signal_stack(call: &Call, args: &Args) -> bool {
    call.number == libc::SYS_mmap && args[2] != libc::PROT_NONE as u64
}

/// std panics where a folder is not closed well: nothing was written to it, so nothing can be lost.
fn is_end_of_folder(call: &Call, args: &Args) -> bool {
    call.number == libc::SYS_close && kind_of(args[0]) == libc::S_IFDIR
}

/// What a descriptor is of: a file, a folder, and so on.
fn kind_of(descriptor: u64) -> libc::mode_t {
    let mut found = std::mem::MaybeUninit::<libc::stat>::zeroed();
    let asked = [descriptor, found.as_mut_ptr() as u64, 0, 0, 0, 0];
    // SAFETY: the call writes to the place that it is given, and no more than that holds.
    unsafe { gate(libc::SYS_fstat, &asked) };
    // SAFETY: zeros are a value, too, should the call have failed.
    let found = unsafe { found.assume_init() };
    found.st_mode & libc::S_IFMT
}

/// A write to a file on a disk that gets full, once.
fn fill(call: &Call, mut args: Args) -> i64 {
    let (file, length) = match call.number {
        libc::SYS_write | libc::SYS_pwrite64 => (0, 2),
        libc::SYS_copy_file_range => (2, 4),
        _ => return pass(call.number, &args),
    };
    // Somebody has made room since.
    let refused = TIMES.load(SeqCst) > 0;
    if refused || args[length] == 0 || kind_of(args[file]) != libc::S_IFREG {
        return pass(call.number, &args);
    }
    let room = NUMBER.load(SeqCst);
    if room == 0 {
        strike(call);
        return -ERRNO.load(SeqCst);
    }
    args[length] = args[length].min(room);
    let result = pass(call.number, &args);
    NUMBER.fetch_sub(u64::try_from(result).unwrap_or(0), SeqCst);
    result
}

fn shorten(call: &Call, asked: Args) -> i64 {
    let mut args = asked;
    let to = NUMBER.load(SeqCst);
    if is_bell(call, &args) {
        return pass(call.number, &args);
    }
    // What the arguments point to instead lives until the call is over.
    let mut buffer = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    let mut message = None;
    let cut = match call.length {
        Length::None => false,
        Length::Argument(index) => {
            let cut = args[index] > to;
            args[index] = args[index].min(to);
            cut
        }
        Length::Buffers => {
            let cut = cut_list(args[1], args[2], to, &mut buffer);
            if cut {
                (args[1], args[2]) = (&raw const buffer as u64, 1);
            }
            cut
        }
        Length::Message => {
            // SAFETY: the program passes a message header there.
            let mut header = unsafe { *(args[1] as *const libc::msghdr) };
            let cut = cut_list(header.msg_iov as u64, header.msg_iovlen as u64, to, &mut buffer);
            if cut {
                (header.msg_iov, header.msg_iovlen) = (&raw mut buffer, 1);
                args[1] = std::ptr::from_ref(message.insert(header)) as u64;
            }
            cut
        }
    };
    let result = pass(call.number, &args);
    if let Some(header) = message {
        // SAFETY: as above; the system has written its answers into the copy.
        let original = unsafe { &mut *(asked[1] as *mut libc::msghdr) };
        original.msg_namelen = header.msg_namelen;
        original.msg_controllen = header.msg_controllen;
        original.msg_flags = header.msg_flags;
    }
    if cut {
        strike(call);
        if result > 0 {
            watched::new_edge(args[0]);
        }
    }
    result
}

/// Puts the first `to` bytes of a list of buffers into `only`, or what its first buffer has of them.
/// False if the list holds no more than that.
fn cut_list(list: u64, count: u64, to: u64, only: &mut libc::iovec) -> bool {
    let list = list as *const libc::iovec;
    let (mut total, mut first) = (0, None);
    for index in 0..count as usize {
        // SAFETY: the program passes so many buffers there.
        let place = unsafe { list.add(index) };
        // SAFETY: as above.
        let buffer = unsafe { *place };
        total += buffer.iov_len as u64;
        if buffer.iov_len > 0 {
            first = first.or(Some(buffer));
        }
    }
    let Some(first) = first.filter(|_| total > to) else { return false };
    *only = libc::iovec { iov_base: first.iov_base, iov_len: first.iov_len.min(to as usize) };
    true
}

fn break_off(kind: u32, call: &Call, args: Args) -> i64 {
    if call.may & calls::PEER == 0 || !is_due() {
        return pass(call.number, &args);
    }
    strike(call);
    let socket = args[0];
    if kind == HALF_CLOSE {
        // SAFETY: the call takes numbers.
        unsafe { gate(libc::SYS_shutdown, &[socket, libc::SHUT_WR as u64, 0, 0, 0, 0]) };
        return pass(call.number, &args);
    }
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    let size = size_of::<libc::sockaddr>() as u64;
    // SAFETY: the address outlives the call. Connecting to nowhere resets a connection (connect(2)).
    unsafe { gate(libc::SYS_connect, &[socket, &raw const nowhere as u64, size, 0, 0, 0]) };
    -ERRNO.load(SeqCst)
}

/// Sends a signal, after a look at whom it is for.
fn signal(call: &Call, args: Args) -> i64 {
    let (kind, whom) = match call.number {
        // The number of a group is that of its leader, negative.
        libc::SYS_kill => (libc::P_PID, u64::from((args[0] as i32).unsigned_abs())),
        libc::SYS_pidfd_send_signal => (libc::P_PIDFD, args[0]),
        _ => return pass(call.number, &args),
    };
    SEEN.fetch_add(1, SeqCst);
    let look = (libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) as u64;
    // SAFETY: the call takes numbers, and tells nothing where it is given no place for it.
    if unsafe { gate(libc::SYS_waitid, &[kind.into(), whom, 0, look, 0, 0]) } < 0 {
        strike(call);
    }
    pass(call.number, &args)
}

/// Which epoll instance watches which descriptor, and how.
mod watched {
    use super::{Args, AtomicU64, SeqCst, gate};

    /// Descriptors beyond it are not known: no scenario has so many.
    const DESCRIPTORS_MAX: usize = 1024;
    /// The instance and 1, or 0; the events; the key.
    static ENTRIES: [[AtomicU64; 3]; DESCRIPTORS_MAX] =
        [const { [const { AtomicU64::new(0) }; 3] }; DESCRIPTORS_MAX];

    /// A descriptor was registered, changed or deregistered.
    pub fn note(args: &Args) {
        let [epoll, operation, descriptor, event, ..] = *args;
        let Some([instance, events, key]) = ENTRIES.get(descriptor as usize) else { return };
        if operation == libc::EPOLL_CTL_DEL as u64 {
            instance.store(0, SeqCst);
            return;
        }
        // SAFETY: the call has succeeded, so there is an event.
        let event = unsafe { (event as *const libc::epoll_event).read_unaligned() };
        events.store(event.events.into(), SeqCst);
        key.store(event.u64, SeqCst);
        instance.store(epoll + 1, SeqCst);
    }

    /// Lets the instance announce the descriptor once more, if it is ready.
    pub fn new_edge(descriptor: u64) {
        let Some([instance, events, key]) = ENTRIES.get(descriptor as usize) else { return };
        let Some(epoll) = instance.load(SeqCst).checked_sub(1) else { return };
        let event = libc::epoll_event { events: events.load(SeqCst) as u32, u64: key.load(SeqCst) };
        let change = libc::EPOLL_CTL_MOD as u64;
        let args = [epoll, change, descriptor, &raw const event as u64, 0, 0];
        // SAFETY: the event outlives the call, which changes nothing: it is what was asked for.
        unsafe { gate(libc::SYS_epoll_ctl, &args) };
    }
}
