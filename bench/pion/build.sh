#!/usr/bin/env bash
# Builds the Pion programs against Debian's golang-github-pion-webrtc.v3-dev, without any download:
#   bench/pion/build.sh OUTPUT-FOLDER    gives OUTPUT-FOLDER/pion-client and OUTPUT-FOLDER/pion-echo
# Debian keeps the sources at /usr/share/gocode without the /v3 of their import path. Go resolves that
# path only for a program that lies within GOPATH and has a go.mod, so the sources are copied there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

tree=$out/gopath/src/squall/bench/pion
rm -rf "$tree"
mkdir -p "$tree/echo"
cp "$here"/go.mod "$here"/*.go "$tree/"
cp "$here"/echo/*.go "$tree/echo/"

export GO111MODULE=off GOFLAGS= GOPATH=$out/gopath:/usr/share/gocode GOCACHE=${GOCACHE:-$out/gocache}
cd "$tree"
go vet . ./echo
go build -o "$out/pion-client" .
go build -o "$out/pion-echo" ./echo
