//! Files with credentials: lines `NAME=value`, as in a shell's environment.
//!
//! Values are read when a store is opened and never shown.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::store::StoreError;

/// What such a file has at most.
const LENGTH_MAX: u64 = 64 * 1024;

/// Names and values of the file.
///
/// # Errors
/// Where it can't be read, others may read it, or a line has no `=`.
pub fn read(file: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let text = secret(file)?;
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            let number = number + 1;
            return Err(StoreError::new(format!("{file}: line {number} is not NAME=value")));
        };
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        found.insert(name.trim().to_ascii_uppercase(), value.to_owned());
    }
    Ok(found)
}

/// The text of a file that only its owner may read.
///
/// # Errors
/// Where it can't be read, or others may read it.
pub fn secret(file: &str) -> Result<String, StoreError> {
    let failed = |error: std::io::Error| StoreError::new(format!("failed to read {file}: {error}"));
    let metadata = fs::metadata(file).map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let words = format!("{file} may be read by others: run `chmod 600 {file}`");
        return Err(StoreError::new(words));
    }
    if metadata.len() > LENGTH_MAX {
        return Err(StoreError::new(format!("{file} is no file of credentials: it is too long")));
    }
    fs::read_to_string(file).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.as_file().set_permissions(fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn lines_are_read_as_a_shell_s() {
        let text = "# key\n\nA_KEY=one=two\nexport b = \"three\"\nC='four'\n";
        let file = file(text, 0o600);
        let found = read(file.path().to_str().unwrap()).unwrap();
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A_KEY", "one=two"), ("B", "three"), ("C", "four")]);
    }

    #[test]
    fn what_others_may_read_is_refused_and_errors_hold_no_values() {
        let open = file("KEY=secret", 0o640);
        let error = read(open.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
        let odd = file("KEY=fine\nsecret", 0o600);
        let error = read(odd.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("line 2 is not NAME=value"), "{error}");
    }
}
