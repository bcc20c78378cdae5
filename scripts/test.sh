#!/usr/bin/env bash
# Every test. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
bash scripts/setup-kubectl.sh
cargo test "$@"
