#!/usr/bin/env bash
# The side-by-side benchmark that `make bench` runs; results go to bench/RESULTS.md. Options are those
# of bench/run.py (--quick is about two minutes); BUILD=folder says where Squall was built.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build}
tools/install-deps.sh bench
bench/pion/build.sh "$BUILD/bench-pion"
# libwebrtc in Node, from npm.
wrtc=$(cd "$BUILD" && pwd)/bench-npm
[ -d "$wrtc/node_modules/@roamhq/wrtc" ] ||
    npm install --silent --no-audit --no-fund --prefix "$wrtc" @roamhq/wrtc@0.10.0
export NODE_PATH=$wrtc/node_modules
exec python3 bench/run.py "$@"
