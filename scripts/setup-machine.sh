#!/usr/bin/env bash
# A virtual machine's kernel with a watchdog in software, for the test that lets one bite: the
# machine that runs the tests must never have its own watchdog opened. Debian or Ubuntu, x86-64.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="$(realpath -m "${CARGO_TARGET_DIR:-target}")/machine"
programs=(qemu-system-x86_64 busybox strip xz)
missing=0
for program in "${programs[@]}"; do command -v "$program" >/dev/null || missing=1; done
[ $missing = 0 ] && [ -e "$folder/softdog.ko" ] && [ -e "$folder/vmlinuz" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "the test of the watchdog needs ${programs[*]} and a kernel in $folder" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
if [ $missing = 1 ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends \
        qemu-system-x86 busybox-static binutils xz-utils >/dev/null
fi
# Only unpacked: nothing of this machine's own boot is touched.
mkdir -p "$folder"
unpacked="$(mktemp -d)"
trap 'rm -rf "$unpacked"' EXIT
for name in linux-image-cloud-amd64 linux-image-virtual; do
    package="$(apt-cache depends "$name" 2>/dev/null \
        | awk '/Depends: linux-(image|modules)-[0-9]/ { print $2; exit }')"
    [ -n "$package" ] && break
done
modules="${package/linux-image-/linux-modules-}"
apt-cache show "$modules" >/dev/null 2>&1 || modules=""
chmod 777 "$unpacked"
(cd "$unpacked" && apt-get download -qq "$package" $modules)
for archive in "$unpacked"/*.deb; do dpkg-deb -x "$archive" "$unpacked/root"; done
cp "$unpacked"/root/boot/vmlinuz-* "$folder/vmlinuz"
# The last one says that all is there.
for name in watchdog softdog; do
    module="$(find "$unpacked/root" -name "$name.ko*" -print -quit)"
    case "$module" in
    *.xz) xz -dc "$module" >"$folder/$name.ko" ;;
    *.zst) zstd -dcq "$module" >"$folder/$name.ko" ;;
    # Part of the kernel itself.
    "") : >"$folder/$name.ko" ;;
    *) cp "$module" "$folder/$name.ko" ;;
    esac
done
