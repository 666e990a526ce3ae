#!/usr/bin/env bash
# Builds one target of the Makefile in build/ without the compiler's chatter, which goes to
# build/build.log; on a terminal one line shows how far it is.
#   tools/build.sh program|all
set -euo pipefail
cd "$(dirname "$0")/.."

trap 'echo; echo "Interrupted." >&2; exit 130' INT

target=${1:-all}
mkdir -p build
log=build/build.log
[ -x build/squall ] || echo "Building (a minute or two the first time; $log has the details)"

show() {
    if [ -t 1 ]; then
        while read -r line; do
            case $line in "["*) printf '\r\033[K%.70s' "$line" ;; esac
        done
        printf '\r\033[K'
    else
        cat >/dev/null
    fi
}

if ! make -s "$target" 2>&1 | tee "$log" | show; then
    grep -nE 'rror|undefined reference|not found|No package' -A 3 "$log" | tail -n 40 >&2 || true
    echo "The build failed; all of its output is in $log" >&2
    exit 1
fi
