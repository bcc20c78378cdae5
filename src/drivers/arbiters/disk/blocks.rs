//! A device as blocks: a header that names the cluster, then a slot for each server.
//!
//! Every block carries a checksum; reading and writing bypass the page cache (`O_DIRECT`), or other
//! servers would not see what was written and this one would not see what they did.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::engine::arbitration::disk::{Seen, Slot};

/// What `O_DIRECT` reads and writes at once on any disk, and no disk tears.
const BLOCK: usize = 4096;
/// Slots: as many as a cluster may have servers.
const SLOTS: usize = 64;
/// Header and slots.
const SIZE: usize = (1 + SLOTS) * BLOCK;
const MAGIC: &[u8; 8] = b"steadarb";
/// Format of header and slots.
const VERSION: u32 = 1;
/// Magic, length, checksum.
const PREFIX: usize = 8 + 4 + 32;

/// Why a disk can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It can't be opened.
    #[error("failed to open the disk {}: {source}", path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be read or written.
    #[error("failed to {what} the disk {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too small.
    #[error("the disk {} has {found} bytes, and {SIZE} are needed", path.display())]
    TooSmall {
        /// The device.
        path: PathBuf,
        /// Its size.
        found: u64,
    },
    /// It was never made ready.
    #[error("the disk {} is not made ready: run `stead disk-arbiter init`", path.display())]
    NotReady {
        /// The device.
        path: PathBuf,
    },
    /// It is another cluster's.
    #[error("the disk {} belongs to cluster {found}, and this is {wanted}", path.display())]
    OtherCluster {
        /// The device.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who we are.
        wanted: String,
    },
    /// It was made by another release.
    #[error("the disk {} has format {found}, and this release knows {VERSION}", path.display())]
    OtherVersion {
        /// The device.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It holds something.
    #[error(
        "the disk {} holds data in its first {SIZE} bytes: nothing was written. Choose another \
         one, or say --overwrite if nobody needs it", path.display()
    )]
    HoldsData {
        /// The device.
        path: PathBuf,
    },
    /// Every slot is taken.
    #[error("every slot of the disk is taken by another server")]
    Full,
    /// What is to be written is longer than a block.
    #[error("{length} bytes do not fit into a block")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It was closed in between.
    #[error("the disk was closed")]
    Gone,
}

/// What the arbiter needs of a disk.
pub trait Blocks: Send {
    /// Every slot.
    ///
    /// # Errors
    /// When the disk can't be read, or is not this cluster's.
    fn read(&mut self) -> Result<Vec<Seen>, DiskError>;
    /// Writes one slot; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk can't be written.
    fn write(&mut self, place: usize, slot: &Slot) -> Result<(), DiskError>;
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u32,
    cluster: String,
}

/// An open device.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    file: File,
    cluster: String,
    buffer: Aligned,
}

/// Memory at an address that `O_DIRECT` takes.
#[derive(Debug)]
struct Aligned {
    memory: Vec<u8>,
    offset: usize,
}

impl Aligned {
    fn new() -> Self {
        let memory = vec![0; SIZE + BLOCK];
        let offset = memory.as_ptr().align_offset(BLOCK);
        Self { memory, offset }
    }

    fn slice(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.offset..self.offset + length]
    }
}

impl Device {
    /// Opens a disk that was made ready for this cluster.
    ///
    /// # Errors
    /// When it can't be opened, is too small, or not this cluster's.
    pub fn open(path: &Path, cluster: &str) -> Result<Self, DiskError> {
        let file = open(path, 0)?;
        let path = path.to_owned();
        let mut device = Self { path, file, cluster: cluster.to_owned(), buffer: Aligned::new() };
        device.read()?;
        Ok(device)
    }

    fn read_all(&mut self) -> Result<&[u8], DiskError> {
        let failed = |source| DiskError::Io { what: "read", path: self.path.clone(), source };
        let buffer = self.buffer.slice(SIZE);
        self.file.read_exact_at(buffer, 0).map_err(failed)?;
        Ok(buffer)
    }

    fn write_block(&mut self, index: usize, payload: &[u8]) -> Result<(), DiskError> {
        let sealed = seal(payload)?;
        let block = self.buffer.slice(BLOCK);
        block.copy_from_slice(&sealed);
        let failed = |source| DiskError::Io { what: "write", path: self.path.clone(), source };
        self.file.write_all_at(block, (index * BLOCK) as u64).map_err(failed)
    }
}

impl Blocks for Device {
    fn read(&mut self) -> Result<Vec<Seen>, DiskError> {
        let (path, wanted) = (self.path.clone(), self.cluster.clone());
        let bytes = self.read_all()?;
        check_header(&path, &wanted, &bytes[..BLOCK])?;
        Ok(bytes[BLOCK..].chunks(BLOCK).map(seen).collect())
    }

    fn write(&mut self, place: usize, slot: &Slot) -> Result<(), DiskError> {
        let payload = postcard::to_allocvec(slot).unwrap_or_default();
        self.write_block(1 + place, &payload)
    }
}

/// A file where `O_DIRECT` is not possible, such as on tmpfs, is read and written synchronously; a
/// device must be able to.
fn open(path: &Path, flags: i32) -> Result<File, DiskError> {
    let failed = |source| DiskError::Open { path: path.to_owned(), source };
    let with = |more: i32| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags | more | libc::O_SYNC | libc::O_CLOEXEC)
            .open(path)
    };
    let file = match with(libc::O_DIRECT) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && path.is_file() => with(0),
        result => result,
    };
    let file = file.map_err(failed)?;
    let found = size(&file).map_err(failed)?;
    if found < SIZE as u64 {
        return Err(DiskError::TooSmall { path: path.to_owned(), found });
    }
    Ok(file)
}

/// Of a file or a block device.
fn size(mut file: &File) -> io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::End(0))
}

fn seal(payload: &[u8]) -> Result<Vec<u8>, DiskError> {
    if PREFIX + payload.len() > BLOCK {
        return Err(DiskError::TooLong { length: payload.len() });
    }
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut block = Vec::with_capacity(BLOCK);
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(digest(&SHA256, payload).as_ref());
    block.extend_from_slice(payload);
    block.resize(BLOCK, 0);
    Ok(block)
}

/// The payload of a block, if it is one of ours and whole.
fn unseal(block: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = block.split_at_checked(8)?;
    let (length, rest) = rest.split_at_checked(4)?;
    let (sum, rest) = rest.split_at_checked(32)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let payload = rest.get(..length)?;
    (magic == MAGIC && digest(&SHA256, payload).as_ref() == sum).then_some(payload)
}

fn seen(block: &[u8]) -> Seen {
    if block.iter().all(|byte| *byte == 0) {
        return Seen::Empty;
    }
    let slot = unseal(block).and_then(|payload| postcard::from_bytes::<Slot>(payload).ok());
    slot.map_or_else(
        || {
            let sum = digest(&SHA256, block);
            let first = sum.as_ref().iter().take(8);
            Seen::Torn(first.fold(0, |number, byte| number << 8 | u64::from(*byte)))
        },
        Seen::Slot,
    )
}

fn check_header(path: &Path, wanted: &str, block: &[u8]) -> Result<(), DiskError> {
    let path = path.to_owned();
    let Some(payload) = unseal(block) else { return Err(DiskError::NotReady { path }) };
    let Ok(header) = postcard::from_bytes::<Header>(payload) else {
        return Err(DiskError::NotReady { path });
    };
    if header.version != VERSION {
        return Err(DiskError::OtherVersion { path, found: header.version });
    }
    if header.cluster != wanted {
        let (found, wanted) = (header.cluster, wanted.to_owned());
        return Err(DiskError::OtherCluster { path, found, wanted });
    }
    Ok(())
}

/// How a disk is made ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitOptions {
    /// Make a file of the right size where there is none.
    pub create: bool,
    /// Overwrite what it holds.
    pub overwrite: bool,
}

/// Makes a disk ready; says whether it was already. Refuses one that holds anything else.
///
/// # Errors
/// When it can't be opened, is too small, in use, or holds data.
pub fn init(path: &Path, cluster: &str, options: InitOptions) -> Result<bool, DiskError> {
    let failed = |source| DiskError::Open { path: path.to_owned(), source };
    if options.create && !path.exists() {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        made.and_then(|file| file.set_len(SIZE as u64)).map_err(failed)?;
    }
    // A device that is mounted, or part of another one, is busy then.
    let device = path.metadata().map_err(failed)?.file_type().is_block_device();
    let file = open(path, if device { libc::O_EXCL } else { 0 })?;
    let buffer = Aligned::new();
    let mut device = Device { path: path.to_owned(), file, cluster: cluster.to_owned(), buffer };
    let bytes = device.read_all()?;
    let empty = bytes.iter().all(|byte| *byte == 0);
    match check_header(path, cluster, &bytes[..BLOCK]) {
        Ok(()) if !options.overwrite => return Ok(true),
        Err(error @ (DiskError::OtherCluster { .. } | DiskError::OtherVersion { .. }))
            if !options.overwrite =>
        {
            return Err(error);
        }
        Ok(()) | Err(_) if empty || options.overwrite => {}
        Ok(()) | Err(_) => return Err(DiskError::HoldsData { path: path.to_owned() }),
    }
    let failed = |source| DiskError::Io { what: "write", path: path.to_owned(), source };
    let zeros = device.buffer.slice(SIZE);
    zeros.fill(0);
    device.file.write_all_at(zeros, 0).map_err(failed)?;
    let header = Header { version: VERSION, cluster: cluster.to_owned() };
    device.write_block(0, &postcard::to_allocvec(&header).unwrap_or_default())?;
    Ok(false)
}
