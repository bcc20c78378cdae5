#!/usr/bin/env bash
# Unpacks the kubectl of two Debian suites below target/kubectl/, for tests/api: the oldest that we
# promise to serve (bookworm, 1.20) and a current one (sid). Nothing is installed, nothing outside
# target/ is written, and what is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
root="${CARGO_TARGET_DIR:-target}/kubectl"
# The Debian mirror that this machine is set up with; on another system DEBIAN_MIRROR names one.
mirror="${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  grep -m1 -E '/debian/?$' || true)}"
if [ -z "$mirror" ]; then
  echo "no Debian mirror among this machine's apt sources: set DEBIAN_MIRROR to the URL of one" >&2
  exit 1
fi
# Debian itself has it; Ubuntu has it as a package.
if [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends debian-archive-keyring >/dev/null
fi
architecture="$(dpkg --print-architecture)"
failed=0

fetch() {
  local suite="$1" directory="$root/$1"
  [ -x "$directory/kubectl" ] && return 0
  mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
  directory="$(cd "$directory" && pwd)"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
    > "$directory/sources.list"
  : > "$directory/status"
  local options=(
    -o "Dir::Etc::SourceList=$directory/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
    -o "Dir::State::Lists=$directory/lists" -o "Dir::Cache=$directory/cache"
    -o "Dir::State::status=$directory/status" -o "APT::Architecture=$architecture"
    -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
    -o "Acquire::Retries=3" -o "APT::Get::List-Cleanup=false"
  )
  apt-get -qq "${options[@]}" update
  # Newer suites have the program in a package of its own, and leave an empty one behind.
  local package
  for package in kubectl kubernetes-client; do
    (cd "$directory" && apt-get -qq "${options[@]}" download "$package") || continue
    dpkg-deb --fsys-tarfile "$directory/$package"_*.deb |
      tar -x -C "$directory" --strip-components=3 ./usr/bin/kubectl && break
  done 2>/dev/null
  rm -rf "$directory"/{lists,cache,status,sources.list} "$directory"/*.deb
  [ -x "$directory/kubectl" ]
}

for suite in ${1:-bookworm sid}; do
  fetch "$suite" || { echo "no kubectl of Debian $suite could be had" >&2; failed=1; }
done
exit "$failed"
