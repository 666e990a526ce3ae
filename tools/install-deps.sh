#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages of the given purposes that are not yet there:
#   tools/install-deps.sh build [test] [lint] [bench] [media]
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$(dpkg --print-architecture)
wanted=()
for purpose in "$@"; do
    while read -r p package; do
        if [ "$p" = "$purpose" ] || [ "$p" = "$purpose-$arch" ]; then
            wanted+=("$package")
        fi
    done < <(grep -v '^#' tools/packages)
done

missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps: these packages are missing and need root to install: ${missing[*]}" >&2; exit 1; }
    sudo=sudo
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
