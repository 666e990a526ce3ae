#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages of the given purposes that are not yet there:
#   tools/install-deps.sh build [unit] [test] [lint] [ci] [bench] [media]
# tools/packages has them. `test` has those of `unit` in it. A name that ends in ? is left out, and
# told, where the distribution does not have it. A third word is a command that does as well: a
# newer Node.js than the distribution's brings its own npm, and its package will not stand beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$(uname -m)
case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
purposes=" $* "
case $purposes in *" test "*) purposes="${purposes}unit " ;; esac

wanted=()
while read -r purpose package instead; do
    [ -n "$instead" ] && command -v "$instead" >/dev/null && continue
    case $purposes in *" ${purpose%-"$arch"} "*) wanted+=("$package") ;; esac
done < <(grep -v -e '^#' -e '^$' tools/packages)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: no apt here, so nothing is installed. Squall is built on Debian and Ubuntu with" >&2
    echo "install-deps: ${wanted[*]%\?}: have the like of them." >&2
    exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
missing=()
for package in "${wanted[@]}"; do
    grep -qxF "${package%\?}" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: some packages are missing, and installing them needs root. Run this as root, then try again:" >&2
        echo "    apt-get update && apt-get install --no-install-recommends ${missing[*]%\?}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "install-deps: apt-get $1 failed; its own words are above." >&2
        exit 1
    fi
}

echo "Installing ${as_root[*]:+with sudo }: ${missing[*]%\?}" | sed 's/ :/:/'
apt update
install=()
for package in "${missing[@]}"; do
    case $package in
    *\?)
        # A package of Ubuntu that only fetches a snap is no use to a test.
        found=$(apt-cache show --no-all-versions "${package%\?}" 2>/dev/null || true)
        if [ -z "$found" ] || grep -qiE '^(Version: .*snap|Description.*snap)' <<<"$found"; then
            echo "Not in this distribution, so tests that need it are skipped: ${package%\?}"
            continue
        fi
        ;;
    esac
    install+=("${package%\?}")
done
if [ ${#install[@]} -gt 0 ]; then
    apt install -y --no-install-recommends "${install[@]}"
fi
