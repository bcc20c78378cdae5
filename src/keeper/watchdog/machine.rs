//! A real watchdog that really bites, in a virtual machine: its kernel and softdog are Debian's,
//! its only programs a shell and this test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::eventfd::EfdFlags;

use super::super::containment::Holder;
use super::super::lease::boot_time;
use super::*;

/// What the kernel of the virtual machine is started with: nothing else may open a watchdog here.
const INSIDE: &str = "stead.machine";
const DEVICE: &str = "/dev/watchdog";
const FIRST_PROGRAM: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox test ! -s /watchdog.ko || /bin/busybox insmod /watchdog.ko
/bin/busybox insmod /softdog.ko
/test --exact keeper::watchdog::machine::inside_the_machine --nocapture
echo 'THE END, AND NO RESET'
/bin/busybox poweroff -f
";

fn say(text: &str) {
    println!("\nMACHINE: {text}");
}

#[allow(clippy::disallowed_methods, reason = "nothing is what is waited for")]
fn wait(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// Runs in the virtual machine; by itself it does nothing.
#[test]
fn inside_the_machine() {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if !command_line.split_ascii_whitespace().any(|word| word == INSIDE) {
        return;
    }
    let mut device = open_kernel_device(Path::new(DEVICE)).unwrap();
    say(&format!("opened {}", device.identity()));
    let busy = open_kernel_device(Path::new(DEVICE)).unwrap_err();
    assert!(explain(&busy).contains("another program has it"), "{busy}");
    assert!(device.set_timeout(1_000_000).is_err(), "longer than any device takes");
    assert_eq!(device.set_timeout(2).unwrap(), 2);
    device.pet().unwrap();
    device.stop().unwrap();
    drop(device);
    wait(4);
    say("stopped, and it did not bite");
    let folder = tempfile::tempdir_in("/").unwrap();
    let holder = Arc::new(Holder::open(folder.path(), Some(Path::new("/proc/self/no-cgroup"))));
    let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
    let lease = Lease::start(holder, wake.clone(), folder.path().join("addresses")).unwrap();
    let services = Arc::new(AtomicBool::new(true));
    let watchdog = Watchdog::start(lease.clone(), services, wake, open_kernel_device).unwrap();
    lease.set(Some(boot_time() + 600_000_000_000));
    let order = WatchdogOrder { device: DEVICE.into(), seconds: 2 };
    say(&format!("{:?}", watchdog.arm(&order).unwrap()));
    wait(5);
    say("petted under a lease, and it did not bite");
    lease.set(None);
    say("a service lives without a lease");
    wait(60);
    say("it did not bite");
}

/// The files of the virtual machine, as its kernel takes them.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let length = u32::try_from(content.len()).unwrap();
        let name_length = u32::try_from(name.len()).unwrap() + 1;
        let fields = [self.entries, mode, 0, 0, 1, 0, length, 0, 0, device.0, device.1];
        self.bytes.extend(b"070701");
        for field in fields.into_iter().chain([name_length, 0]) {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn folders_of(&mut self, path: &Path) {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            let name = folder.to_str().unwrap().trim_start_matches('/');
            if !name.is_empty() {
                self.add(name, 0o040_755, (0, 0), b"");
            }
        }
    }

    fn file(&mut self, at: &str, from: &Path) {
        self.folders_of(Path::new(at));
        self.add(at.trim_start_matches('/'), 0o100_755, (0, 0), &fs::read(from).unwrap());
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{error}");
    text
}

fn archive(machine: &Path, folder: &Path) -> PathBuf {
    let test = folder.join("test");
    let own = std::env::current_exe().unwrap();
    run(Command::new("strip").arg("-o").arg(&test).arg(&own));
    let mut archive = Archive::default();
    for name in ["proc", "dev", "tmp"] {
        archive.add(name, 0o041_777, (0, 0), b"");
    }
    archive.add("dev/console", 0o020_600, (5, 1), b"");
    archive.add("init", 0o100_755, (0, 0), FIRST_PROGRAM.as_bytes());
    archive.file("/bin/busybox", &which("busybox"));
    for module in ["watchdog.ko", "softdog.ko"] {
        archive.file(module, &machine.join(module));
    }
    archive.file("/test", &test);
    let libraries = run(Command::new("ldd").arg(&own));
    for library in libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')) {
        archive.file(library, Path::new(library));
    }
    archive.add("TRAILER!!!", 0, (0, 0), b"");
    let path = folder.join("files");
    fs::write(&path, &archive.bytes).unwrap();
    path
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(runs).unwrap()
}

#[test]
fn a_real_watchdog_bites_what_lives_without_a_lease_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    run(Command::new("bash").arg(root.join("scripts/setup-machine.sh")));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let machine = root.join(target).join("machine");
    let folder = tempfile::tempdir().unwrap();
    let files = archive(&machine, folder.path());
    // It ends by itself: by the reset, or by the end of its only program.
    let said = run(Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio", "-kernel"])
        .arg(machine.join("vmlinuz"))
        .arg("-initrd")
        .arg(&files)
        .arg("-append")
        .arg(format!("console=ttyS0 loglevel=5 panic=-1 {INSIDE}")));
    let mut rest = said.as_str();
    for step in [
        "MACHINE: opened Software Watchdog",
        "MACHINE: stopped, and it did not bite",
        "seconds: 2",
        "MACHINE: petted under a lease, and it did not bite",
        "MACHINE: a service lives without a lease",
        "Initiating system reboot",
    ] {
        let Some(at) = rest.find(step) else { panic!("not said in its turn: {step:?}\n{said}") };
        rest = &rest[at + step.len()..];
    }
    assert!(!rest.contains("it did not bite") && !rest.contains("THE END"), "{said}");
}
