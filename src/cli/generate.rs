//! `stead generate`: what stands in `crds/` and `docs/` and is made from the types.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::failure::Failure;
use crate::api::reference;

/// Write what is generated from the types.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The CustomResourceDefinitions, a file each.
    Crds {
        /// Where to.
        directory: PathBuf,
    },
    /// The reference: kinds, messages, command line.
    Docs {
        /// Where to.
        directory: PathBuf,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.what {
        What::Crds { directory } => write(directory, &crds())?,
        What::Docs { directory } => write(directory, &docs())?,
    }
    Ok(())
}

/// Files of `crds/` with their text.
fn crds() -> Vec<(String, String)> {
    reference::crd_files()
}

/// Generated files of `docs/` with their text.
fn docs() -> Vec<(String, String)> {
    vec![
        ("kinds.md".to_owned(), reference::kinds()),
        ("messages.md".to_owned(), reference::messages()),
        ("cli.md".to_owned(), super::reference()),
    ]
}

fn write(directory: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("failed to make {}", directory.display()))?;
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_fresh(folder: &str, files: &[(String, String)]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for (name, text) in files {
            let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(written == *text, "{name} is stale: make generate");
        }
    }

    #[test]
    fn the_definitions_in_crds_are_fresh() {
        assert_eq!(crds().len(), 6);
        assert_fresh("crds", &crds());
    }

    #[test]
    fn the_generated_pages_in_docs_are_fresh() {
        assert_fresh("docs", &docs());
    }
}
