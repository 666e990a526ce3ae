#!/usr/bin/env bash
# The side-by-side benchmark that `make bench` runs; results go to bench/RESULTS.md. Options are those
# of bench/run.py (--quick is about two minutes); BUILD=folder says where Squall was built.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build}
tools/install-deps.sh bench
bench/pion/build.sh "$BUILD/bench-pion"
exec python3 bench/run.py "$@"
