//! Names of things, one type each, so that a group's name never lands where a server's belongs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is compared far more often than it is read: nearly always its first bytes decide.
#[derive(Clone)]
struct Text {
    /// The first bytes, the first of all most significant; zeros where there are fewer.
    head: u128,
    whole: Arc<str>,
}

/// So many bytes are compared without a look at the text itself.
const HEAD: usize = size_of::<u128>();

impl Text {
    fn new(whole: Arc<str>) -> Self {
        let mut head = [0; HEAD];
        for (place, byte) in head.iter_mut().zip(whole.bytes()) {
            *place = byte;
        }
        Self { head: u128::from_be_bytes(head), whole }
    }

    /// The texts begin with the same bytes: what the rest says.
    fn compare_rest(&self, other: &Self) -> Ordering {
        if self.whole.len() <= HEAD && other.whole.len() <= HEAD {
            return self.whole.len().cmp(&other.whole.len());
        }
        match Arc::ptr_eq(&self.whole, &other.whole) {
            true => Ordering::Equal,
            false => self.whole.cmp(&other.whole),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.compare_rest(other).is_eq()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.compare_rest(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole.hash(state);
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.whole.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::deserialize(deserializer).map(Self::new)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Text);

        impl $type {
            /// The name as written in the manifest.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0.whole
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(Text::new(name.into()))
            }
        }

        impl From<String> for $type {
            fn from(name: String) -> Self {
                Self(Text::new(name.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }
    };
}

name!(
    /// A server of the cluster, as listed in `Cluster.spec.servers[].name`.
    ServerName
);
name!(
    /// A `FailoverGroup`.
    GroupName
);
name!(
    /// A `Resource`.
    ResourceName
);
name!(
    /// A `Monitor`.
    MonitorName
);
name!(
    /// A heartbeat path, as listed in `Cluster.spec.heartbeat.paths`.
    PathName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_their_texts_are() {
        let texts = [
            "",
            "a",
            "a\0",
            "app",
            "app-1",
            "app-database-main",
            "app-database-main-1",
            "app-database-main-2",
            "app-database-mains",
            "b",
        ];
        for one in texts {
            for other in texts {
                let (named, others) = (ServerName::from(one), ServerName::from(other));
                assert_eq!(named.cmp(&others), one.cmp(other), "{one:?} and {other:?}");
                assert_eq!(named == others, one == other, "{one:?} and {other:?}");
            }
        }
    }
}
