#!/usr/bin/env bash
# Two machines that connect without a server, here both on this one: the offer and the answer, which people
# would carry, go through pipes. Each side says what it measured; the exit code is that of both.
squall=${SQUALL:-$(dirname "$0")/../build/squall}
coproc offerer { exec "$squall" pair --local-ip 127.0.0.1 --duration 8s --quiet "$@"; }
pid=$offerer_PID
exec 3<&"${offerer[0]}" 4>&"${offerer[1]}" # bash takes its own away when the other one ends
read -r offer <&3
echo "offer   $offer"
"$squall" pair "$offer" --local-ip 127.0.0.1 --duration 8s --quiet "$@" > >(
    read -r answer
    echo "answer  $answer"
    echo "$answer" >&4
    cat
)
answerer=$?
cat <&3
wait "$pid" && exit "$answerer"
