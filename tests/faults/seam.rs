//! The seam: every system call of this process, before the system sees it.
//!
//! A filter of the kernel's own (seccomp, `SECCOMP_RET_TRAP`) turns the calls of [`calls`] into
//! signals, whoever makes them: corio, std, socket2, the C library, or a bare `syscall` instruction
//! of rustix. The handler asks [`plan`] what becomes of the call, makes it or does not, and leaves
//! the result where the instruction would have. So nothing in corio knows of it, no call can be
//! forgotten, and a build without this program pays nothing.
//!
//! ```text
//! corio --(1) syscall--> filter --(2) trap--> on_trap --(3) meet--> plan
//!                          |                                       |
//!                          +--(5) allow <--------- gate <----(4)---+
//! ```
//! (2) only from the code of this program and of the C library, so a child that executes another
//! program is let alone; (4) the call that is to be made after all, by the one instruction (5) that
//! the filter lets through.
//!
//! Rejected: a hook in each of corio's own calls, which sees neither those that std makes for it nor
//! the ones that somebody forgets to wrap; symbols that replace the C library's, which rustix does
//! not use; `ptrace`, which costs two switches of process per call.

use std::ffi::{c_int, c_void};
use std::io;

use crate::calls;
use crate::plan;

/// A call's six arguments, as the registers hold them.
pub type Args = [u64; 6];

std::arch::global_asm!(
    ".globl corio_faults_gate",
    ".globl corio_faults_gate_end",
    "corio_faults_gate:",
    "mov rax, rdi",
    "mov r11, rsi",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "syscall",
    "corio_faults_gate_end:",
    "ret",
);

// SAFETY: they are defined above, by the C calling convention.
unsafe extern "C" {
    fn corio_faults_gate(number: i64, args: *const Args) -> i64;
    static corio_faults_gate_end: u8;
}

/// Makes a system call past the filter: its result, or an error's number, negative.
///
/// # Safety
///
/// That of the call with these arguments.
pub unsafe fn gate(number: i64, args: &Args) -> i64 {
    // SAFETY: the caller's; the gate itself reads six words and changes what a call may change.
    unsafe { corio_faults_gate(number, args) }
}

/// Puts the seam in place, for the rest of the process and for all of its threads.
///
/// # Errors
///
/// The system's, where it has no filters or does not allow them.
pub fn install() -> io::Result<()> {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_trap;
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeros are a value: no flags, an empty mask, the default action.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: the handler does only what a handler may.
    check(unsafe { libc::sigaction(libc::SIGSYS, action, std::ptr::null_mut()) }.into())?;
    add(&filter(&own_code()?, gate_end()))
}

/// Makes every call that would make a process, not a thread, fail from now on. Its own filter: around
/// these calls the C library blocks all signals, so they cannot be trapped.
///
/// # Errors
///
/// As [`install`].
pub fn refuse_children(errno: i32) -> io::Result<()> {
    let answer =
        |errno: i32| step(code::RETURN, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(), 0, 0);
    let program = [
        step(code::LOAD, place::NUMBER, 0, 0),
        // Its flags lie in memory, where no filter sees them: without it there is `clone`.
        step(code::IF_EQUAL, libc::SYS_clone3 as u32, 0, 1),
        answer(libc::ENOSYS),
        step(code::IF_EQUAL, libc::SYS_fork as u32, 5, 0),
        step(code::IF_EQUAL, libc::SYS_vfork as u32, 4, 0),
        step(code::IF_EQUAL, libc::SYS_clone as u32, 0, 4),
        step(code::LOAD, place::ARGUMENTS, 0, 0),
        step(code::AND, libc::CLONE_THREAD as u32, 0, 0),
        step(code::IF_EQUAL, 0, 0, 1),
        answer(errno),
        step(code::RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    add(&program)
}

/// Puts a filter in place, for all threads.
fn add(program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the call takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: the kernel copies the program.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })
}

fn check(result: i64) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the filter sees as the place of the gate's call: the instruction behind it.
fn gate_end() -> u64 {
    (&raw const corio_faults_gate_end) as u64
}

/// Where the code of this program and of the C library lies.
fn own_code() -> io::Result<Vec<(u64, u64)>> {
    let program = std::env::current_exe()?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let ours = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (range, rights, path) = (words.next()?, words.next()?, words.nth(3)?);
        let named =
            path == program.to_str()? || path.contains("/libc.so") || path.contains("/libc-");
        let (first, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        (rights.contains('x') && named).then_some((number(first)?, number(end)?))
    });
    Ok(ours.collect())
}

/// Instructions of the filter: classic BPF, see seccomp(2) and linux/filter.h.
mod code {
    pub const LOAD: u16 = 0x20;
    pub const IF_EQUAL: u16 = 0x15;
    pub const IF_GREATER: u16 = 0x25;
    pub const IF_AT_LEAST: u16 = 0x35;
    pub const AND: u16 = 0x54;
    pub const RETURN: u16 = 0x06;
}

/// Places in `struct seccomp_data`; the low half of a word comes first.
mod place {
    pub const NUMBER: u32 = 0;
    pub const ARCHITECTURE: u32 = 4;
    pub const POINTER: u32 = 8;
    pub const ARGUMENTS: u32 = 16;
}

/// `AUDIT_ARCH_X86_64`: calls of another kind are none that corio makes.
const ARCHITECTURE: u32 = 0xc000_003e;
/// A jump that is to lead to the check of the place, which is not known yet.
const TO_PLACE: u8 = u8::MAX;

fn step(code: u16, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt: yes, jf: no, k }
}

/// The filter's program.
fn filter(ours: &[(u64, u64)], gate_end: u64) -> Vec<libc::sock_filter> {
    let allow = step(code::RETURN, libc::SECCOMP_RET_ALLOW, 0, 0);
    let mut program = vec![
        step(code::LOAD, place::ARCHITECTURE, 0, 0),
        step(code::IF_EQUAL, ARCHITECTURE, 1, 0),
        allow,
    ];
    for call in calls::ALL {
        let number = call.number as u32;
        program.push(step(code::LOAD, place::NUMBER, 0, 0));
        match call.only {
            None => program.push(step(code::IF_EQUAL, number, TO_PLACE, 0)),
            Some(only) => program.extend([
                step(code::IF_EQUAL, number, 0, 3),
                step(code::LOAD, place::ARGUMENTS + 8 * only.argument, 0, 0),
                step(code::AND, only.mask, 0, 0),
                step(code::IF_EQUAL, only.value, TO_PLACE, 0),
            ]),
        }
    }
    program.push(allow);
    let target = program.len();
    for (index, step) in program.iter_mut().enumerate().filter(|(_, step)| step.jt == TO_PLACE) {
        step.jt = u8::try_from(target - index - 1).expect("the list of calls is short");
    }
    let (high, low) = ((gate_end >> 32) as u32, gate_end as u32);
    program.extend([
        step(code::LOAD, place::POINTER + 4, 0, 0),
        step(code::IF_EQUAL, high, 0, 3),
        step(code::LOAD, place::POINTER, 0, 0),
        step(code::IF_EQUAL, low, 0, 1),
        allow,
    ]);
    for &(first, end) in ours {
        program.extend(range(first, end));
    }
    program.push(allow);
    program
}

/// Traps what comes from a range of addresses.
fn range(first: u64, end: u64) -> Vec<libc::sock_filter> {
    let last = end - 1;
    // Comparisons are of half words: a range that crosses a border of the upper half is two.
    if first >> 32 != last >> 32 {
        let border = last >> 32 << 32;
        return [range(first, border), range(border, end)].concat();
    }
    vec![
        step(code::LOAD, place::POINTER + 4, 0, 0),
        step(code::IF_EQUAL, (first >> 32) as u32, 0, 4),
        step(code::LOAD, place::POINTER, 0, 0),
        step(code::IF_AT_LEAST, first as u32, 0, 2),
        step(code::IF_GREATER, last as u32, 1, 0),
        step(code::RETURN, libc::SECCOMP_RET_TRAP, 0, 0),
    ]
}

/// What runs instead of a system call: no memory is allocated, nothing is locked, and `errno` stays.
extern "C" fn on_trap(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes a handler that asked for it the context of the thread, which is this
    // handler's until it returns.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let order =
        [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9];
    let args = order.map(|register| registers[register as usize] as u64);
    let result = &mut registers[libc::REG_RAX as usize];
    // A trapped call's number is in the register of its result.
    *result = plan::meet(*result, args);
}
