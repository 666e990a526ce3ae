#!/usr/bin/env bash
# A smoke test for a pipeline: short, strict, quiet; junit.xml for the job's page.
# On GitHub a summary stands on the page, too.
# The exit code says it all: 0 held, 1 did not, 3 not reached, 4 this machine was too slow to tell.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 10 --room-size 5 --duration 10s --no-tui --junit "${JUNIT:-junit.xml}" \
    --expect "peers.ok == 100%" --expect "video.in.loss < 1%" --expect "audio.in.bitrate > 20" \
    --expect "setup.total.p95 < 3s" --expect "video.in.freezes.max == 0 else warn" ${GITHUB_STEP_SUMMARY:+--markdown "$GITHUB_STEP_SUMMARY"} "$@"
