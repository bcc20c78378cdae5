#!/usr/bin/env bash
# Plays wide schedules of the simulator, from a seed on: a bounded time in each call.
# Arguments: --from SEED, --count N, --seconds N (at most so long; 540), --draw ordinary (a fault or a few, everything
# else mild) or grounds (those on which broken engines are hunted).
set -euo pipefail
cd "$(dirname "$0")/.."
while [ $# -gt 0 ]; do
    case "$1" in
        --from) export STEAD_FROM="$2" ;;
        --count) export STEAD_COUNT="$2" ;;
        --seconds) export STEAD_SECONDS="$2" ;;
        --draw) export STEAD_DRAW="$2" ;;
        *) echo "unknown: $1 (--from SEED, --count N, --seconds N, --draw wide|ordinary|grounds)" >&2; exit 2 ;;
    esac
    shift 2
done
exec cargo test --quiet --profile simulate --features simulate --test sim -- \
    hunt::hunt --exact --nocapture
