#!/usr/bin/env bash
# Proof that a minimal Debian with nothing but a Rust toolchain runs `make demo` and what `make test`
# sets up: in a root of its own, with namespaces of its own. Not part of `make test`; needs root and
# debootstrap, takes about ten minutes. Its packages come from this machine's own Debian mirror.
#   scripts/bare.sh [FOLDER]     where the root is made, and removed afterwards
set -euo pipefail
cd "$(dirname "$0")/.."
mirror="${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m1 -E '/debian/?$' || true)}"
[ -n "$mirror" ] || { echo "no Debian mirror among this machine's apt sources: set DEBIAN_MIRROR" >&2; exit 1; }
if ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
suite="${SUITE:-bookworm}"
root="$(mktemp -d "${1:-/var/tmp}/stead-bare.XXXXXX")"
cleanup() { rm -rf --one-file-system "$root"; }
trap cleanup EXIT

echo "a minimal $suite in $root"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
# A compiler for C is what rustup itself asks for before it installs a toolchain.
mkdir -p "$root"/{project,toolchain/{cargo/bin,rustup}}
git archive HEAD | tar -x -C "$root/project"
cat >"$root/run.sh" <<'INSIDE'
set -euo pipefail
mount -t proc proc /proc
umount -l /old
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export RUSTUP_HOME=/toolchain/rustup CARGO_HOME=/cargo PATH="/toolchain/cargo/bin:$PATH"
cd /project
apt-get update -qq
apt-get install -y -qq --no-install-recommends make gcc libc6-dev >/dev/null
for step in "$@"; do
    echo "--- $step"
    bash -c "$step"
done
INSIDE
# The toolchain and what it has downloaded are read, never written: writes go over them.
mkdir -p "$root/cargo"
cp -a "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$root/cargo/" 2>/dev/null || true
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
unshare --mount --pid --fork --ipc --uts --cgroup sh -eu -c '
    root="$1"; shift
    mount --bind "$root" "$root"
    mount --rbind /dev "$root/dev"
    mount --bind "${RUSTUP_HOME:-$HOME/.rustup}" "$root/toolchain/rustup"
    mount --bind -o ro "${CARGO_HOME:-$HOME/.cargo}/bin" "$root/toolchain/cargo/bin"
    for kept in registry git; do
        [ -d "${CARGO_HOME:-$HOME/.cargo}/$kept" ] || continue
        mkdir -p "$root/cargo/$kept"
        mount --bind "${CARGO_HOME:-$HOME/.cargo}/$kept" "$root/cargo/$kept"
    done
    # Not chroot: who enters another process'"'"'s mount namespace (nsenter) leaves a chroot by that.
    mkdir -p "$root/old"
    cd "$root"
    pivot_root . old
    exec chroot . bash /run.sh "$@"
' sh "$root" \
    "make demo ARGS='--lab bare'" \
    "bash scripts/setup.sh && bash scripts/setup-kubectl.sh && target/kubectl/sid/kubectl version --client"
