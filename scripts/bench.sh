#!/usr/bin/env bash
# Speed and size, on this machine: placement, failover, footprint. Takes about ten minutes.
#   scripts/bench.sh [placement|failover|footprint ...]
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
what=("$@")
[ ${#what[@]} -gt 0 ] || what=(placement failover footprint)
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
out="$target/bench"
mkdir -p "$out"
echo "conditions: $(nproc) cores, $(uname -sr), $(rustc --version)"

for one in "${what[@]}"; do
    case "$one" in
    placement) cargo bench --quiet --bench placement ;;
    failover)
        cargo build --quiet --release --bin stead
        cargo build --quiet --example demo --example web
        "$target/debug/examples/demo" --stead "$target/release/stead" --runs 10 \
            --json "$out/failover.json"
        ;;
    footprint)
        cargo build --quiet --release --bin stead
        cargo build --quiet --example demo --example web
        python3 benches/footprint/measure.py "$target"
        ;;
    *)
        echo "unknown: $one (placement, failover, footprint)" >&2
        exit 2
        ;;
    esac
done
