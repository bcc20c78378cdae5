//! What is wrong with a manifest.

use super::{Entry, Severity, Text};

/// The table.
pub const ENTRIES: &[Entry] = &[Entry {
    id: "UnknownField",
    severity: Severity::Error,
    text: Text { en: "unknown field {field}", ja: "未知のフィールド {field}" },
    cause: Text {
        en: "The manifest names a field that the kind does not have, most often a slip of the pen.",
        ja: "マニフェストに、その種別に存在しないフィールドがあります。多くは綴りの誤りです。",
    },
    remedy: Text {
        en: "Correct the name; docs/kinds.md lists every field.",
        ja: "名前を直してください。全フィールドは docs/kinds.md にあります。",
    },
}];
