"""The Pion program of ../pion, built once into build/interop-pion against Debian's sources, without any download."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

from .sandbox import need, skip

SOURCES = pathlib.Path(__file__).parents[1] / "pion"
FOLDER = pathlib.Path(__file__).parents[3] / "build" / "interop-pion"
DEBIAN = pathlib.Path("/usr/share/gocode")
PACKAGE = "golang-github-pion-webrtc.v3-dev"
SECONDS = 400


def version():
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", PACKAGE], capture_output=True, text=True)
    return out.stdout.split("-")[0] or "?"


def build(go, tree):
    # Debian keeps the sources without the /v3 of their import path. Go resolves that only for a
    # program that lies within GOPATH and has a go.mod: so it is copied there.
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SOURCES, tree)
    env = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": f"{FOLDER}/gopath:{DEBIAN}", "GOCACHE": f"{FOLDER}/gocache"}
    for words in (["vet", "."], ["build", "-ldflags", f"-X main.version={version()}", "-o", FOLDER / "pion-peer", "."]):
        done = subprocess.run([go, *words], cwd=tree, env=env, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: go {words[0]}: {done.stderr}")


def program():
    go = need("go", "/usr/lib/go/bin/go")
    if not (DEBIAN / "src/github.com/pion/webrtc").is_dir():
        skip(f"{PACKAGE} is not installed (tools/install-deps.sh test)")
    digest = hashlib.sha256(version().encode() + b"".join(p.read_bytes() for p in sorted(SOURCES.iterdir()))).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = FOLDER / "built"
        if not stamp.exists() or stamp.read_text() != digest:
            build(go, FOLDER / "gopath/src/squall/interop/pion")
            stamp.write_text(digest)
    return FOLDER / "pion-peer"
