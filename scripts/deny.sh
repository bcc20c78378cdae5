#!/usr/bin/env bash
# Licences, banned crates and sources of every dependency.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
if ! cargo deny --version 2>/dev/null | grep -q "$version"; then
    echo "installing cargo-deny $version (once)"
    cargo install --locked --debug --quiet --version "$version" cargo-deny
fi
cargo deny --log-level error check licenses bans sources
