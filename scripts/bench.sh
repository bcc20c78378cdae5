#!/usr/bin/env bash
# Speed and size, on this machine: placement, failover, footprint, rehearse. Takes about ten minutes.
# And aws, which is asked for by name: it needs moto, and the SDK takes minutes to compile.
#   scripts/bench.sh [placement|failover|footprint|rehearse|aws ...]
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
what=("$@")
[ ${#what[@]} -gt 0 ] || what=(placement failover footprint rehearse)
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
    rehearse)
        cargo build --quiet --release --bin stead
        python3 benches/rehearse/manifest.py > "$out/ten.yaml"
        for faults in single double; do
            echo "every $faults fault of two servers with ten resources:"
            time "$target/release/stead" rehearse -f "$out/ten.yaml" --faults "$faults" -o json \
                > "$out/rehearse-$faults.json"
        done
        ;;
    aws)
        bash scripts/setup-stores.sh
        # Not optimised: what is measured is waiting for answers.
        cargo bench --quiet --profile dev --features lease,etcd,aws --bench aws
        ;;
    *)
        echo "unknown: $one (placement, failover, footprint, rehearse, aws)" >&2
        exit 2
        ;;
    esac
done
