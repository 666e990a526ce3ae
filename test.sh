#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test. Options pass on to ctest:
#   ./test.sh -R peer/     only tests whose name matches
#   ./test.sh -L unit      only the unit tests (no servers, no browsers: nothing of them is installed)
set -euo pipefail
cd "$(dirname "$0")"

case " $* " in
*" -L unit "*) tools/install-deps.sh build unit ;;
*) tools/install-deps.sh build test ;;
esac
tools/build.sh all
exec ctest --test-dir build --output-on-failure -j "$((2 * $(nproc)))" "$@" # two slots a core: tests/interop/CMakeLists.txt
