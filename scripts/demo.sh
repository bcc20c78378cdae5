#!/usr/bin/env bash
# Builds the demo while what it needs is installed, and runs it. Arguments go to it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "the demo needs root: it makes network namespaces and control groups" >&2
    exit 1
fi
bash scripts/setup.sh &
setup=$!
cargo build --quiet --bin stead --example demo --example web
wait "$setup"
exec "${CARGO_TARGET_DIR:-target}/debug/examples/demo" "$@"
