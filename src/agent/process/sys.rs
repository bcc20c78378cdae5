//! The only module with `unsafe`: what the kernel offers and no safe interface in the tree does.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;

/// Has the command's process, before its program runs, enter a cgroup, start a session, close the
/// descriptors that it was not given, and heed every signal.
///
/// `procs` is an open `cgroup.procs`. It is entered before anything else: no moment exists in
/// which the process runs outside.
pub fn separate(command: &mut Command, procs: Option<OwnedFd>) {
    let enter = move || {
        if let Some(procs) = &procs {
            check(unsafe { libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) })?;
        }
        check(unsafe { libc::setsid() } as isize)?;
        let mut none = MaybeUninit::uninit();
        check(unsafe { libc::sigemptyset(none.as_mut_ptr()) } as isize)?;
        let set = libc::SIG_SETMASK;
        check(unsafe { libc::sigprocmask(set, none.as_ptr(), ptr::null_mut()) } as isize)?;
        // Those above standard error close when the program is executed. A kernel before 5.11
        // can't: then what the keeper's own parent left open stays open.
        unsafe {
            libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int)
        };
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only, all async-signal-safe,
    // on constant strings, on a local that `sigemptyset` fills before it is read, and on a
    // descriptor that it owns; it allocates nothing and takes no lock. Each call's arguments
    // outlive it, and the length given is that of the string.
    unsafe { command.pre_exec(enter) };
}

/// The same, and it takes the usual place in the kernel's choice of victims when memory runs out,
/// and dies with the thread that starts it.
pub fn contain(command: &mut Command, procs: Option<OwnedFd>) {
    separate(command, procs);
    let yield_first = || {
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } as isize)?;
        // Failure leaves it less likely to be chosen, no more.
        let path = c"/proc/self/oom_score_adj".as_ptr();
        let score = unsafe { libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC) };
        if score >= 0 {
            unsafe { libc::write(score, c"0".as_ptr().cast(), 1) };
            unsafe { libc::close(score) };
        }
        Ok(())
    };
    // SAFETY: as above; the descriptor is one that it has just opened.
    unsafe { command.pre_exec(yield_first) };
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

/// Heaps for all threads together: more are an answer to contention, which we do not have, and
/// each keeps what it once grew to.
#[cfg(target_env = "gnu")]
const HEAPS_MAX: libc::c_int = 2;

/// Keeps the heap small. Before any thread starts.
pub fn limit_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers and changes what later allocations do, no memory in use.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MAX);
    }
}

/// Gives back what only the start needed: free pages of the heap, and pages of programs and
/// libraries, which the kernel maps sixteen at a time. Those that are still needed come back from
/// the page cache when they are touched.
///
/// # Errors
/// Where the kernel does not say what is mapped.
pub fn give_back_memory() -> io::Result<()> {
    #[cfg(target_env = "gnu")]
    // SAFETY: it releases free pages only.
    unsafe {
        libc::malloc_trim(0);
    }
    for mapping in untouched_mappings(&fs::read_to_string("/proc/self/smaps")?) {
        // SAFETY: the range is a mapping of a file, private, read-only, and without any page of
        // this process's own: each page that is dropped is read from the file again, unchanged.
        // Nobody unmaps programs and libraries.
        unsafe {
            let start = ptr::with_exposed_provenance_mut(mapping.start);
            libc::madvise(start, mapping.end - mapping.start, libc::MADV_DONTNEED)
        };
    }
    Ok(())
}

/// Mappings of files that hold exactly what the file holds: relocated data does not.
fn untouched_mappings(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in smaps.lines() {
        if let Some(header) = read_only_file(line) {
            mapping = header;
        } else if line.strip_prefix("Anonymous:").is_some_and(|size| size.trim() == "0 kB") {
            found.extend(mapping.take());
        }
    }
    found
}

/// None: no header of a mapping. None inside: of one that is no read-only file.
fn read_only_file(line: &str) -> Option<Option<Range<usize>>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let (permissions, path) = (fields.next()?, fields.nth(3));
    let wanted = matches!(permissions, "r--p" | "r-xp");
    Some((wanted && path.is_some_and(|path| path.starts_with('/'))).then_some(range))
}

/// A watchdog of the kernel's. Opening it starts it, and closing it does not stop it, unless the
/// letter `V` was written last.
#[derive(Debug)]
pub struct WatchdogDevice(File);

impl WatchdogDevice {
    /// `_IOR('W', 0, struct watchdog_info)`, `_IOWR('W', 6, int)`.
    const GET_SUPPORT: libc::Ioctl = 0x8028_5700;
    const SET_TIMEOUT: libc::Ioctl = 0xC004_5706;

    /// Opens it.
    ///
    /// # Errors
    /// Where it is missing, in use, or none of the kernel's devices.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Looked at first: opening and writing could harm what is no device.
        if !fs::metadata(path)?.file_type().is_char_device() {
            return Err(io::Error::other("it is no device"));
        }
        Ok(Self(File::options().write(true).open(path)?))
    }

    /// What it calls itself.
    ///
    /// # Errors
    /// Where it is no watchdog.
    pub fn identity(&self) -> io::Result<String> {
        let mut info = [0u8; 40];
        // SAFETY: the request fills 40 bytes, which the array has and which outlive the call.
        let result =
            unsafe { libc::ioctl(self.0.as_raw_fd(), Self::GET_SUPPORT, info.as_mut_ptr()) };
        check(result as isize)?;
        // Two numbers of four bytes, then the name.
        let name = info[8..].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Sets its time-out, which begins anew; gives the one that it took.
    ///
    /// # Errors
    /// Where it has a fixed one, or none that long.
    pub fn set_timeout(&mut self, seconds: u32) -> io::Result<u32> {
        let mut timeout = libc::c_int::try_from(seconds).unwrap_or(libc::c_int::MAX);
        let pointer = &raw mut timeout;
        // SAFETY: the request reads and writes one number, a local that outlives the call.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), Self::SET_TIMEOUT, pointer) };
        check(result as isize)?;
        Ok(u32::try_from(timeout).unwrap_or_default())
    }

    /// Writes one byte: any begins its time-out anew.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn write(&mut self, byte: u8) -> io::Result<()> {
        self.0.write_all(&[byte])
    }
}

fn check(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SMAPS: &str = "\
7f00-7f10 r--p 00000000 08:01 12 /usr/bin/stead
Rss:  4 kB
Anonymous:             0 kB
7f10-7f20 r-xp 00001000 08:01 12 /usr/bin/stead
Anonymous:             0 kB
7f20-7f30 r--p 00002000 08:01 12 /usr/bin/stead
Anonymous:             900 kB
7f30-7f40 rw-p 00003000 08:01 12 /usr/bin/stead
Anonymous:             0 kB
7f40-7f50 r--p 00000000 00:00 0
Anonymous:             0 kB
7f50-7f60 r-xp 00000000 00:00 0  [vdso]
Anonymous:             0 kB
7f60-7f70 r--s 00000000 08:01 13 /usr/lib/locale/C
Anonymous:             0 kB
";

    #[test]
    fn only_what_the_file_holds_too_is_given_back() {
        assert_eq!(untouched_mappings(SMAPS), [0x7f00..0x7f10, 0x7f10..0x7f20]);
    }

    #[test]
    fn the_program_goes_on_after_it() {
        let before = format!("{:?}", BTreeMap::from([(1, "a"), (2, "b")]));
        give_back_memory().unwrap();
        assert_eq!(format!("{:?}", BTreeMap::from([(1, "a"), (2, "b")])), before);
    }
}
