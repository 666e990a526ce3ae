#!/usr/bin/env bash
# A call through a TURN relay and nothing else. The default starts coturn (Debian: apt install coturn) and a lab on
# this machine. Elsewhere: TARGET=janus+wss://HOST/…, TURN=turn:HOST:PORT, SQUALL_TURN_USER and SQUALL_TURN_PASSWORD.
set -euo pipefail
if [ -z "${TURN:-}" ]; then
    : "${SQUALL_TURN_USER:=anna}" "${SQUALL_TURN_PASSWORD:=wonderland}"
    export SQUALL_TURN_USER SQUALL_TURN_PASSWORD
    port=${TURN_PORT:-13478} work=$(mktemp -d)
    # It does not relay to loopback unless it is told to.
    turnserver -n --no-cli -L 127.0.0.1 -E 127.0.0.1 -p "$port" --no-tls --no-dtls --no-rfc5780 --lt-cred-mech --fingerprint \
        --realm example.org --user "$SQUALL_TURN_USER:$SQUALL_TURN_PASSWORD" --allow-loopback-peers --min-port 30000 --max-port 30999 \
        --db "$work/db" --pidfile "$work/pid" --log-file "$work/log" --simple-log >/dev/null 2>&1 &
    coturn=$!
    trap 'kill "$coturn" 2>/dev/null; rm -rf "$work"' EXIT
    for _ in $(seq 50); do
        grep -qs 'Total General servers' "$work/log" && break
        sleep 0.1
    done
    TURN=turn:127.0.0.1:$port
fi
"${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:echo}" --turn "$TURN" --ice relay --duration 10s \
    --expect "peers.ok == 100%" --expect "video.in.loss.p95 < 1%" --expect "setup.ice.p95 < 1s" "$@"
