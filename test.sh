#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test. Options pass on to ctest:
#   ./test.sh -R peer/     only tests whose name matches
#   ./test.sh -L unit      only the unit tests (no servers, no browsers)
set -euo pipefail
cd "$(dirname "$0")"

tools/install-deps.sh build test
make -s all
exec ctest --test-dir build --output-on-failure -j "$(nproc)" "$@"
