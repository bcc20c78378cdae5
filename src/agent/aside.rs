//! What a server's store held when another history took its place, in a file for people.
//!
//! It decides nothing, and where it can't be written the store is replaced all the same: the file
//! is for comparing, the cluster does not wait for it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::engine::ids::Revision;
use crate::engine::model::Objects;
use crate::engine::placement::INTENT_KIND;

/// Files that are kept; the oldest goes first.
const FILES_MAX: usize = 20;

/// Writes what people wrote as one list, ready for `stead apply -f`.
///
/// # Errors
/// Where the disk does not take it.
pub fn keep(folder: &Path, revision: Revision, objects: &Objects) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let items: Vec<Value> = objects
        .iter()
        .filter(|(key, _)| key.kind != INTENT_KIND)
        .filter_map(|(_, object)| serde_json::from_str(&object.json).ok())
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let path = folder.join(format!("{revision}.json"));
    let partial = folder.join(format!("{revision}.partial"));
    let mut file: File =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    serde_json::to_writer_pretty(&mut file, &list)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    forget_old(folder)?;
    Ok(path)
}

fn forget_old(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let revision = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        files.extend(revision.map(|revision| (revision, path)));
    }
    files.sort();
    let surplus = files.len().saturating_sub(FILES_MAX);
    files.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{ObjectKey, StoredObject};

    #[test]
    fn what_people_wrote_is_kept_and_the_oldest_file_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let aside = folder.path().join("aside");
        let stored = |json: &str| StoredObject { revision: Revision(1), json: json.into() };
        let objects = Objects::from([
            (ObjectKey::new("FailoverGroup", "web"), stored(r#"{"kind":"FailoverGroup"}"#)),
            (ObjectKey::new(INTENT_KIND, "lineage"), stored("{}")),
        ]);
        for revision in 1..=22 {
            keep(&aside, Revision(revision), &objects).unwrap();
        }
        let list = fs::read_to_string(aside.join("22.json")).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["items"], json!([{"kind": "FailoverGroup"}]));
        assert!(!aside.join("2.json").exists() && aside.join("3.json").exists());
        assert!(keep(&aside.join("22.json"), Revision(1), &objects).is_err(), "not a folder");
    }
}
