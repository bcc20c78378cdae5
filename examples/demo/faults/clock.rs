//! A wall clock that can be set for the programs of one machine: a library loaded before others,
//! which moves what the kernel says by as many seconds as a file does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::lab::run;

const SOURCE: &str = include_str!("clock.c");

/// The library, and the folder of the files.
pub struct Clock {
    library: PathBuf,
    folder: PathBuf,
}

impl Clock {
    /// Compiles the library.
    pub fn make(folder: &Path) -> Result<Self> {
        let folder = folder.join("clocks");
        fs::create_dir_all(&folder)?;
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SOURCE)?;
        run(Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source))
            .context("failed to compile the library that sets clocks")?;
        Ok(Self { library, folder })
    }

    /// The variables that give a server's programs this clock.
    pub fn environment(&self, server: &str) -> [String; 2] {
        [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("CLOCK_STEP={}", self.folder.join(server).display()),
        ]
    }

    /// Sets a server's clock.
    pub fn step(&self, server: &str, seconds: i64) -> Result<()> {
        fs::write(self.folder.join(server), seconds.to_string())
            .with_context(|| format!("failed to set the clock of {server}"))
    }
}
