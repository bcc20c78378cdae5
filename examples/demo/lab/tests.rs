use std::process::Command;

use nix::sys::signal::Signal;

use super::*;

fn ports(number: u8) -> [Port; 2] {
    [
        Port { network: "lan1".into(), address: format!("10.77.0.{number}/24") },
        Port { network: "lan2".into(), address: format!("10.78.0.{number}/24") },
    ]
}

#[test]
fn machines_hear_each_other_until_power_is_cut_and_again_after_it_is_back() -> Result<()> {
    let mut lab = Lab::new("test-power")?;
    lab.start("vm1", &ports(1))?;
    lab.start("vm2", &ports(2))?;
    let heard = |lab: &Lab, address| {
        lab.machine("vm1")?.run(&["timeout", "2", "bash", "-c", &format!("</dev/tcp/{address}")])
    };
    let listen = ["sh", "-c", "exec setsid sleep 1000"];
    let service = lab.machine("vm2")?.start_service("sleeper", &listen)?;
    let pid = service.pid()?;
    // Refused, and so answered.
    for address in ["10.77.0.2/9", "10.78.0.2/9"] {
        let refused = format!("{:#}", heard(&lab, address).unwrap_err());
        assert!(refused.contains("Connection refused"), "{refused}");
    }
    lab.cut_power("vm2")?;
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the sleeper lives on");
    let silent = format!("{:#}", heard(&lab, "10.77.0.2/9").unwrap_err());
    assert!(!silent.contains("Connection refused"), "{silent}");
    lab.start("vm2", &ports(2))?;
    let refused = format!("{:#}", heard(&lab, "10.77.0.2/9").unwrap_err());
    assert!(refused.contains("Connection refused"), "{refused}");
    Ok(())
}

#[test]
fn a_machine_has_its_own_name_run_folder_and_processes_and_keeps_its_disk() -> Result<()> {
    let mut lab = Lab::new("test-machine")?;
    lab.start("vm1", &[])?;
    let machine = lab.machine("vm1")?;
    assert_eq!(machine.run(&["hostname"])?.trim(), "vm1");
    assert_eq!(
        machine.run(&["sh", "-c", "ls /run | grep -v mount; kill -0 1; echo $?"])?.trim(),
        "0"
    );
    let disk = machine.disk().to_owned();
    fs::write(disk.join("kept"), "")?;
    machine.run(&["touch", &format!("{}/run/gone", disk.display())])?;
    lab.cut_power("vm1")?;
    lab.start("vm1", &[])?;
    let found = lab.machine("vm1")?.run(&["ls", &disk.to_string_lossy()])?;
    assert!(found.contains("kept"), "{found}");
    assert!(!disk.join("run/gone").exists());
    Ok(())
}

#[test]
fn a_service_that_ends_says_so_with_its_last_words() -> Result<()> {
    let mut lab = Lab::new("test-service")?;
    lab.start("vm1", &[])?;
    let machine = lab.machine("vm1")?;
    let mut sleeper = machine.start_service("sleeper", &["sleep", "1000"])?;
    let pid = sleeper.pid()?;
    sleeper.check()?;
    sleeper.signal(Signal::SIGKILL)?;
    sleeper.wait()?;
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(sleeper.check().is_err());
    let mut talker = machine.start_service("talker", &["sh", "-c", "echo farewell; exit 3"])?;
    talker.wait()?;
    let error = format!("{:#}", talker.check().unwrap_err());
    assert!(error.contains("talker on vm1 ended: exit status: 3"), "{error}");
    assert!(error.ends_with("farewell"), "{error}");
    Ok(())
}

#[test]
fn what_a_lab_left_behind_is_cleared_by_the_next() -> Result<()> {
    let mut first = Lab::new("test-leftovers")?;
    first.start("vm1", &[])?;
    let pid = first.machine("vm1")?.first_process();
    let folder = first.folder().to_owned();
    first.keep()?;
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    let second = Lab::new("test-leftovers")?;
    assert_eq!(fs::read_to_string(folder.join("machines"))?.lines().count(), 1, "the switch");
    drop(second);
    assert!(!Path::new(&format!("/proc/{pid}/ns/net")).exists(), "vm1 lives on");
    assert!(!folder.exists());
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    assert!(!mounts.contains(&*folder.to_string_lossy()), "{mounts}");
    Ok(())
}

#[test]
fn what_a_program_says_on_failure_becomes_the_error() {
    let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("exit status: 3: broken"), "{error}");
}

#[test]
fn a_relay_holds_the_packets_of_one_port_and_lets_others_pass() -> Result<()> {
    let mut lab = Lab::new("test-relay")?;
    lab.start("vm1", &ports(1))?;
    lab.start("vm2", &ports(2))?;
    let program = RelayProgram::make(lab.folder())?;
    let late = (7380, std::time::Duration::from_millis(500));
    let relay = lab.switch().slow_down("vm1", "lan1", &program, late)?;
    let bind = |machine: &str, address: &'static str| -> Result<std::net::UdpSocket> {
        let first = lab.machine(machine)?.first_process();
        let bound = std::thread::spawn(move || {
            enter_network(first)?;
            anyhow::Ok(std::net::UdpSocket::bind(address)?)
        });
        bound.join().expect("no panic")
    };
    let (late, prompt) = (bind("vm2", "10.77.0.2:7380")?, bind("vm2", "10.77.0.2:9")?);
    let sender = bind("vm1", "10.77.0.1:0")?;
    sender.send_to(b"first", "10.77.0.2:7380")?;
    sender.send_to(b"second", "10.77.0.2:9")?;
    let mut buffer = [0; 16];
    let length = prompt.recv(&mut buffer)?;
    assert_eq!(&buffer[..length], b"second");
    late.set_nonblocking(true)?;
    assert!(late.recv(&mut buffer).is_err(), "the first one is on its way still");
    late.set_nonblocking(false)?;
    let length = late.recv(&mut buffer)?;
    assert_eq!(&buffer[..length], b"first");
    lab.switch().speed_up("vm1", "lan1", relay)?;
    // What is sent now is passed by the switch again.
    sender.send_to(b"third", "10.77.0.2:7380")?;
    let length = late.recv(&mut buffer)?;
    assert_eq!(&buffer[..length], b"third");
    Ok(())
}
