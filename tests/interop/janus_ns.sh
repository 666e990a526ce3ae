#!/bin/sh
# A Janus of our own in a network namespace of its own: it never gathers loopback candidates, so it
# is reached over a veth pair. Needs root.
#
#   janus_ns.sh start        prints, as lines for `eval`: JANUS_NS=… JANUS_URL=ws://…:8188/
#                            JANUS_PID=… JANUS_LOG=…
#   janus_ns.sh stop NS      ends it and takes everything away
#   janus_ns.sh kill NS      ends Janus at once (SIGKILL), keeps the namespace
#   janus_ns.sh restart NS   starts Janus again in it
#
# Settings from the environment: JANUS_API_SECRET=…, JANUS_TOKEN_SECRET=… (tokens signed with it are
# asked for), JANUS_STRING_IDS=1, JANUS_FULL_TRICKLE=0. Room 1234 is there from the start, unless
# ids are strings.
set -eu

STATE=${TMPDIR:-/tmp}
LIBS=$(dirname "$(find /usr/lib /usr/local/lib -path '*janus/plugins/libjanus_echotest.so' 2>/dev/null | head -n 1)")/..

fail() {
    echo "janus_ns.sh: $*" >&2
    exit 1
}

# The third number of 10.177.N.0/30, free by being made: "ip netns add" fails for a taken name.
make_namespace() {
    n=$(( $$ % 200 + 20 ))
    tries=0
    until ip netns add "sqj$n" 2>/dev/null; do
        n=$(( n % 230 + 20 ))
        tries=$(( tries + 1 ))
        [ "$tries" -lt 200 ] || fail "no namespace could be made (root is needed)"
    done
    NS=sqj$n
    NET=10.177.$n
    ip link add "$NS" type veth peer name veth0 netns "$NS"
    ip addr add "$NET.1/30" dev "$NS"
    ip link set "$NS" up
    ip netns exec "$NS" ip addr add "$NET.2/30" dev veth0
    ip netns exec "$NS" ip link set veth0 up
    ip netns exec "$NS" ip link set lo up
}

write_config() {
    dir=$1
    auth=
    [ -z "${JANUS_TOKEN_SECRET:-}" ] ||
        auth="token_auth = true
    token_auth_secret = \"$JANUS_TOKEN_SECRET\""
    secret=
    [ -z "${JANUS_API_SECRET:-}" ] || secret="api_secret = \"$JANUS_API_SECRET\""
    mkdir -p "$dir/conf" "$dir/plugins" "$dir/transports" "$dir/none"
    for p in echotest videoroom; do
        ln -sf "$LIBS/plugins/libjanus_$p.so" "$dir/plugins/libjanus_$p.so"
    done
    ln -sf "$LIBS/transports/libjanus_websockets.so" "$dir/transports/libjanus_websockets.so"
    cat >"$dir/conf/janus.jcfg" <<CONFIG
general: {
    configs_folder = "$dir/conf"
    plugins_folder = "$dir/plugins"
    transports_folder = "$dir/transports"
    events_folder = "$dir/none"
    loggers_folder = "$dir/none"
    debug_level = 4
    admin_secret = "squall"
    interface = "$NET.2"
    $auth
    $secret
}
media: {
    ipv6 = false
    dtls_mtu = 1200
}
nat: {
    full_trickle = $([ "${JANUS_FULL_TRICKLE:-1}" = 1 ] && echo true || echo false)
    ice_lite = false
    ignore_mdns = true
}
CONFIG
    cat >"$dir/conf/janus.transport.websockets.jcfg" <<CONFIG
general: {
    json = "compact"
    ws = true
    ws_port = 8188
    ws_ip = "$NET.2"
    wss = false
}
admin: {
    admin_ws = false
    admin_wss = false
}
CONFIG
    echo 'general: { }' >"$dir/conf/janus.plugin.echotest.jcfg"
    if [ "${JANUS_STRING_IDS:-0}" = 1 ]; then
        echo 'general: { string_ids = true }' >"$dir/conf/janus.plugin.videoroom.jcfg"
    else
        cat >"$dir/conf/janus.plugin.videoroom.jcfg" <<CONFIG
room-1234: {
    description = "interop"
    publishers = 100
    bitrate = 0
}
CONFIG
    fi
}

# Does something listen on the WebSocket port, in the namespace's own table of sockets?
listens() {
    ip netns exec "$1" grep -qi ':1FFC 00000000:0000 0A' /proc/net/tcp
}

run_janus() {
    NS=$1
    dir=$2
    ip netns exec "$NS" janus -F "$dir/conf" >>"$dir/log" 2>&1 &
    echo $! >"$dir/pid"
    i=0
    until listens "$NS"; do
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || { tail -n 20 "$dir/log" >&2; fail "Janus ended"; }
        i=$(( i + 1 ))
        [ "$i" -lt 100 ] || fail "Janus does not listen after 10 s, see $dir/log"
        sleep 0.1
    done
}

# Ends the Janus of a folder and waits for it: $1 signal, $2 folder.
end_janus() {
    pid=$(cat "$2/pid" 2>/dev/null || true)
    rm -f "$2/pid"
    [ -n "$pid" ] || return 0
    kill "-$1" "$pid" 2>/dev/null || true
    i=0
    while kill -0 "$pid" 2>/dev/null; do
        i=$(( i + 1 ))
        [ "$i" -ne 50 ] || kill -KILL "$pid" 2>/dev/null || true
        [ "$i" -lt 100 ] || break
        sleep 0.1
    done
}

# Kept between calls: the folder is named after the namespace.
folder() {
    case $1 in sqj[0-9]*) echo "$STATE/squall-janus-$1" ;; *) fail "'$1' is not one of ours" ;; esac
}

tell() {
    echo "JANUS_NS=$1"
    echo "JANUS_URL=ws://$NET.2:8188/"
    echo "JANUS_HOST_IP=$NET.1"
    echo "JANUS_PID=$(cat "$2/pid")"
    echo "JANUS_LOG=$2/log"
}

stop() {
    dir=$(folder "$1")
    end_janus TERM "$dir"
    ip link del "$1" 2>/dev/null || true
    ip netns del "$1" 2>/dev/null || true
    rm -rf "$dir"
}

case ${1:-} in
start)
    command -v janus >/dev/null || fail "janus is not installed"
    make_namespace
    dir=$(folder "$NS")
    trap 'stop "$NS"' INT TERM HUP
    mkdir -p "$dir"
    write_config "$dir"
    (run_janus "$NS" "$dir") || { stop "$NS"; exit 1; }
    tell "$NS" "$dir"
    ;;
stop)
    stop "${2:?namespace}"
    ;;
kill)
    dir=$(folder "${2:?namespace}")
    end_janus KILL "$dir"
    ;;
restart)
    dir=$(folder "${2:?namespace}")
    NET=10.177.${2#sqj}
    end_janus TERM "$dir"
    run_janus "$2" "$dir"
    tell "$2" "$dir"
    ;;
*)
    fail "expected start, stop NS, kill NS or restart NS"
    ;;
esac
