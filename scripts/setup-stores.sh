#!/usr/bin/env bash
# Puts the stores that tests/lease and tests/aws ask into target/stores/: moto (the APIs of S3, EC2
# and Route 53) in a Python environment, Azurite (Azure Blob Storage) from npm, etcd unpacked from
# its Debian package. Nothing is installed, nothing is started, and what is there already is not
# fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
root="${CARGO_TARGET_DIR:-target}/stores"
moto=5.2.5
azurite=3.37.0
mkdir -p "$root"
root="$(cd "$root" && pwd)"
failed=0

fetch_moto() {
    [ -e "$root/moto/$moto-ec2-hcl" ] && return 0
    rm -rf "$root/moto" &&
        python3 -m venv "$root/moto" &&
        "$root/moto/bin/pip" install --quiet --disable-pip-version-check \
            "moto[ec2,route53,s3,sts]==$moto" "flask==3.*" "flask-cors==6.*" \
            "python-hcl2==8.*" &&
        touch "$root/moto/$moto-ec2-hcl"
}

fetch_azurite() {
    [ -e "$root/azurite/$azurite" ] && return 0
    rm -rf "$root/azurite" &&
        mkdir -p "$root/azurite" &&
        (cd "$root/azurite" && npm install --silent --no-audit --no-fund --no-package-lock \
            --prefix . "azurite@$azurite") &&
        touch "$root/azurite/$azurite"
}

fetch_etcd() {
    [ -x "$root/etcd/usr/bin/etcd" ] && return 0
    rm -rf "$root/etcd" &&
        mkdir -p "$root/etcd" &&
        (cd "$root/etcd" && apt-get -qq -o APT::Sandbox::User=root download etcd-server) &&
        dpkg-deb -x "$root"/etcd/etcd-server_*.deb "$root/etcd" &&
        rm -f "$root"/etcd/*.deb
}

# A machine without venv, npm or an up-to-date package list gets them first.
needed=()
python3 -c 'import ensurepip' 2>/dev/null || needed+=(python3-venv)
command -v npm >/dev/null || needed+=(npm)
apt-cache show etcd-server >/dev/null 2>&1 || needed+=(ca-certificates)
if [ -n "${needed[*]:-}" ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${needed[@]}" >/dev/null
fi

for store in moto azurite etcd; do
    "fetch_$store" || { echo "failed to fetch $store for the tests of the lease" >&2; failed=1; }
done
exit "$failed"
