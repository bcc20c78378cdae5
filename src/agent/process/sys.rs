//! The only module with `unsafe`: what the kernel offers and no safe interface in the tree does.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Has the command's process, before its program runs, enter a cgroup, start a session, close the
/// descriptors that it was not given, heed every signal, take the usual place in the kernel's choice of victims when
/// memory runs out, and die with the thread that starts it.
///
/// `procs` is an open `cgroup.procs`. It is entered before anything else: no moment exists in
/// which the process runs outside.
pub fn contain(command: &mut Command, procs: Option<OwnedFd>) {
    let enter = move || {
        if let Some(procs) = &procs {
            check(unsafe { libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) })?;
        }
        check(unsafe { libc::setsid() } as isize)?;
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } as isize)?;
        let mut none = MaybeUninit::uninit();
        check(unsafe { libc::sigemptyset(none.as_mut_ptr()) } as isize)?;
        let set = libc::SIG_SETMASK;
        check(unsafe { libc::sigprocmask(set, none.as_ptr(), ptr::null_mut()) } as isize)?;
        // Those above standard error close when the program is executed. A kernel before 5.11
        // can't: then what the keeper's own parent left open stays open.
        unsafe {
            libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int)
        };
        // Failure leaves it less likely to be chosen, no more.
        let path = c"/proc/self/oom_score_adj".as_ptr();
        let score = unsafe { libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC) };
        if score >= 0 {
            unsafe { libc::write(score, c"0".as_ptr().cast(), 1) };
            unsafe { libc::close(score) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only, all async-signal-safe,
    // on constant strings, on a local that `sigemptyset` fills before it is read, and on a
    // descriptor that it owns; it allocates nothing and takes no lock. Each call's arguments
    // outlive it, and the length given is that of the string.
    unsafe { command.pre_exec(enter) };
}

/// Of the calling thread: ahead of every ordinary process, and its children not.
///
/// # Errors
/// Where this process may not.
pub fn run_in_real_time(priority: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the pointer is to a local that outlives the call, which only reads it.
    check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } as isize)
}

fn check(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
