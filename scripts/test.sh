#!/usr/bin/env bash
# Every test. Arguments go to `cargo test`; with any, the simulator's schedules are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "the tests need root: they make network namespaces and control groups" >&2
    exit 1
fi
bash scripts/setup.sh
bash scripts/setup-fence-agents.sh
bash scripts/setup-kubectl.sh
bash scripts/setup-stores.sh
bash scripts/setup-machine.sh
if [ $# -gt 0 ]; then
    exec cargo test "$@"
fi
# One command for the simulator, which is a build of its own, and one for all the rest.
cargo test --features lease,etcd,aws \
    --lib --bins --examples --test tidy --test api --test e2e --test lease --test aws
cargo test --profile simulate --features simulate --test sim
