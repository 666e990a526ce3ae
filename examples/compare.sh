#!/usr/bin/env bash
# Two versions of a service, so many runs of each in turn, and whether the second is worse by more than noise.
set -euo pipefail
squall=${SQUALL:-$(dirname "$0")/../build/squall}
results=${RESULTS:-squall-results/compare-$(date +%Y%m%d-%H%M%S)}
for i in $(seq "${RUNS:-6}"); do
    "$squall" run "${BEFORE:-lab:}" --peers 12 --room-size 4 --duration 10s --quiet --out "$results/before/$i" "$@"
    "$squall" run "${AFTER:-lab:}" --peers 12 --room-size 4 --duration 10s --quiet --out "$results/after/$i" "$@"
done
exec "$squall" compare "$results/before" "$results/after"
