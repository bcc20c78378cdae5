//! What a request is about: a pure function of its path.

use http::request::Parts;

use super::kinds::{self, Access, Kind};
use super::query::decode;

/// What a request is about.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health {
        /// Whether it asks for readiness.
        ready: bool,
    },
    /// `/api` or `/apis`: what groups there are.
    Groups {
        /// Whether it is `/api`.
        core: bool,
    },
    /// `/apis/GROUP`.
    Group {
        /// The group.
        group: &'static str,
        /// Its version.
        version: &'static str,
    },
    /// `/api/v1`, `/apis/GROUP/VERSION`.
    GroupVersion {
        /// The group.
        group: &'static str,
        /// The version.
        version: &'static str,
    },
    /// `/openapi/v2`.
    OpenApi2,
    /// `/openapi/v3`.
    OpenApi3Index,
    /// `/openapi/v3/apis/GROUP/VERSION`.
    OpenApi3 {
        /// The group, which has one version.
        group: &'static str,
    },
    /// Objects.
    Objects(Target),
    /// A question about rights: the kind of question.
    Review(&'static Kind),
    /// Nothing.
    Unknown,
}

/// Which objects a request is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Their kind.
    pub(super) kind: &'static Kind,
    /// Their namespace; none: all.
    pub(super) namespace: Option<String>,
    /// The one object; none: the collection.
    pub(super) name: Option<String>,
    /// Whether it is about `/status` only.
    pub(super) status: bool,
}

/// What a request is about.
pub(super) fn route(parts: &Parts) -> Route {
    let path = parts.uri.path();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment, false))
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez"] => Route::Health { ready: false },
        ["readyz"] => Route::Health { ready: true },
        ["api"] => Route::Groups { core: true },
        ["apis"] => Route::Groups { core: false },
        ["openapi", "v2"] => Route::OpenApi2,
        ["openapi", "v3"] => Route::OpenApi3Index,
        ["openapi", "v3", "api", version] => openapi("", version),
        ["openapi", "v3", "apis", group, version] => openapi(group, version),
        ["api", version, rest @ ..] => group_version("", version, rest),
        ["apis", group] => match served(group) {
            Some((group, version)) if !group.is_empty() => Route::Group { group, version },
            Some(_) | None => Route::Unknown,
        },
        ["apis", group, version, rest @ ..] if !group.is_empty() => {
            group_version(group, version, rest)
        }
        _ => Route::Unknown,
    }
}

fn served(group: &str) -> Option<(&'static str, &'static str)> {
    kinds::GROUPS.into_iter().find(|(name, _)| *name == group)
}

fn openapi(group: &str, version: &str) -> Route {
    match served(group).filter(|(_, served)| *served == version) {
        Some((group, _)) => Route::OpenApi3 { group },
        None => Route::Unknown,
    }
}

fn group_version(group: &str, version: &str, rest: &[&str]) -> Route {
    let Some((group, version)) = served(group).filter(|(_, served)| *served == version) else {
        return Route::Unknown;
    };
    let (namespace, rest) = match rest {
        [] => return Route::GroupVersion { group, version },
        // The namespace object itself has the path of a prefix.
        ["namespaces"] | ["namespaces", _] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
        rest => (None, rest),
    };
    let (plural, name, status) = match rest {
        [plural] => (plural, None, false),
        [plural, name] => (plural, Some((*name).to_owned()), false),
        [plural, name, "status"] => (plural, Some((*name).to_owned()), true),
        _ => return Route::Unknown,
    };
    let Some(kind) = kinds::find(group, version, plural) else { return Route::Unknown };
    if kind.access == Access::Review && name.is_none() {
        return Route::Review(kind);
    }
    if kind.access == Access::Review {
        return Route::Unknown;
    }
    let misplaced = match kind.namespaced {
        true => namespace.is_none() && name.is_some(),
        false => namespace.is_some(),
    };
    if misplaced || (status && !kind.status) {
        return Route::Unknown;
    }
    Route::Objects(Target { kind, namespace, name, status })
}
