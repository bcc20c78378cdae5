#!/usr/bin/env bash
# Installs what the demo and the tests use and this machine lacks. Idempotent; needs root.
set -euo pipefail

declare -A needed=(
    [ip]=iproute2 [nft]=nftables [haproxy]=haproxy [curl]=curl [mount]=mount
    [unshare]=util-linux [ping]=iputils-ping [python3]=python3 [gcc]=gcc
)
missing=()
for program in "${!needed[@]}"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("${needed[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "these packages are missing, and this is no Debian: ${missing[*]}" >&2
    exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# A packaged HAProxy starts itself; here it is only ever started by the demo and the tests.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
