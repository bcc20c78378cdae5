//! Probe ports: a load balancer's health check finds them open exactly where the group is active.
//!
//! A thread for each listener accepts and closes at once. It asks the lease at every accept: after
//! a pause of the whole machine the first question asked is whether it may still answer.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::eventfd::EventFd;
use nix::sys::socket::{Shutdown, shutdown};

use super::lease::boot_time;
use super::listeners::listeners;
use super::protocol::{Fault, PortReport};

/// Probe ports of one server.
const PORTS_MAX: usize = 256;

/// The open ports, by resource.
#[derive(Debug)]
pub struct Ports {
    open: Mutex<BTreeMap<String, Port>>,
    died: Arc<Mutex<Vec<(String, String)>>>,
    deadline: Arc<AtomicU64>,
    wake: Arc<EventFd>,
}

#[derive(Debug)]
struct Port {
    listeners: Vec<(SocketAddr, Arc<TcpListener>)>,
    threads: Vec<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
}

impl Ports {
    /// None yet. `deadline` is the lease's; `wake` is written when a listener dies.
    #[must_use]
    pub fn new(deadline: Arc<AtomicU64>, wake: Arc<EventFd>) -> Self {
        Self { open: Mutex::default(), died: Arc::default(), deadline, wake }
    }

    /// Listens; one that listens there already goes on.
    ///
    /// # Errors
    /// Where there is no lease, or one of the addresses can't be listened on: then on none.
    pub fn open(&self, name: &str, addresses: &[IpAddr], port: u16) -> Result<(), Fault> {
        let wanted: Vec<SocketAddr> =
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        if self.report().iter().any(|it| it.name == name && it.addresses == wanted) {
            return Ok(());
        }
        self.close(name);
        let mut opened = Port {
            listeners: Vec::new(),
            threads: Vec::new(),
            closing: Arc::new(AtomicBool::new(false)),
        };
        for address in wanted {
            let listener = TcpListener::bind(address).map_err(|error| refusal(address, &error))?;
            opened.listeners.push((address, Arc::new(listener)));
        }
        let mut open = self.lock();
        if open.len() >= PORTS_MAX {
            return Err(Fault::TooMany { what: "probe ports".to_owned(), limit: PORTS_MAX });
        }
        // Under the lock that the end of the lease takes: none opens behind its back.
        if self.deadline.load(Ordering::SeqCst) <= boot_time() {
            return Err(Fault::NoLease);
        }
        for (address, listener) in &opened.listeners {
            let answerer = Answerer {
                name: name.to_owned(),
                listener: listener.clone(),
                closing: opened.closing.clone(),
                deadline: self.deadline.clone(),
                died: self.died.clone(),
                wake: self.wake.clone(),
            };
            let thread = thread::Builder::new()
                .name("keeper-port".to_owned())
                .stack_size(128 << 10)
                .spawn(move || answerer.run())
                .map_err(|error| refusal(*address, &error))?;
            opened.threads.push(thread);
        }
        open.insert(name.to_owned(), opened);
        Ok(())
    }

    /// Listens no longer; returns once it is certain.
    pub fn close(&self, name: &str) {
        let closed = self.lock().remove(name);
        if let Some(port) = closed {
            port.shut();
            for thread in port.threads {
                let _ = thread.join();
            }
        }
    }

    /// As [`Self::close`], for all, without waiting for the threads: from here on nobody is let in.
    pub fn close_all(&self) {
        for port in std::mem::take(&mut *self.lock()).into_values() {
            port.shut();
        }
    }

    /// What is open.
    #[must_use]
    pub fn report(&self) -> Vec<PortReport> {
        let report = |(name, port): (&String, &Port)| PortReport {
            name: name.clone(),
            addresses: port.listeners.iter().map(|(address, _)| *address).collect(),
        };
        self.lock().iter().map(report).collect()
    }

    /// Ports that died since this was last asked, and why; all their listeners close.
    pub fn take_died(&self) -> Vec<(String, String)> {
        let died = std::mem::take(&mut *self.died.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, _) in &died {
            self.close(name);
        }
        died
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Port>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port {
    fn shut(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for (_, listener) in &self.listeners {
            // Takes it out of the listening state at once and wakes its thread, which closes it.
            let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
        }
    }
}

struct Answerer {
    name: String,
    listener: Arc<TcpListener>,
    closing: Arc<AtomicBool>,
    deadline: Arc<AtomicU64>,
    died: Arc<Mutex<Vec<(String, String)>>>,
    wake: Arc<EventFd>,
}

impl Answerer {
    fn run(self) {
        let error = loop {
            match self.listener.accept() {
                Ok(_) if self.deadline.load(Ordering::SeqCst) <= boot_time() => {
                    let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
                    return;
                }
                // Dropped: closed.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => break error,
            }
        };
        if !self.closing.load(Ordering::SeqCst) {
            let mut died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
            died.push((self.name, error.to_string()));
            let _ = self.wake.write(1);
        }
    }
}

fn refusal(address: SocketAddr, error: &io::Error) -> Fault {
    if error.kind() != ErrorKind::AddrInUse {
        return Fault::Listen { address, message: error.to_string() };
    }
    let found = listeners(address.port()).unwrap_or_default();
    let same = found.iter().find(|listener| {
        listener.address.ip() == address.ip() || listener.address.ip().is_unspecified()
    });
    let holder = same.or(found.first()).map_or_else(
        || format!("something that is gone by now held {address}"),
        ToString::to_string,
    );
    Fault::PortTaken { port: address.port(), holder }
}
