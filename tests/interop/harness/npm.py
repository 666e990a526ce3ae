"""npm's packages for the counterparts in JavaScript: those of node/package.json, at the versions that
stand there, installed once into build/npm. That needs the network, so it comes before the sandbox."""
import fcntl
import os
import pathlib
import re
import subprocess

from .sandbox import INSIDE, need, skip

WANTED = pathlib.Path(__file__).parents[1] / "node" / "package.json"
FOLDER = pathlib.Path(__file__).parents[3] / "build" / "npm"
INSTALL = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
SECONDS = 180


def installed():
    stamp = FOLDER / "installed.json"
    return stamp.exists() and stamp.read_bytes() == WANTED.read_bytes()


def ensure():
    """Outside the sandbox: installs what is missing. Inside: says whether it is there."""
    if installed():
        return
    if os.environ.get(INSIDE):
        skip(f"the packages of {WANTED.name} are not in {FOLDER}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed():
            return
        (FOLDER / "package.json").write_bytes(WANTED.read_bytes())
        try:
            done = subprocess.run([need("npm"), *INSTALL], cwd=FOLDER, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            skip(f"npm did not end within {SECONDS} s")
        if done.returncode != 0:
            skip(f"npm cannot install: {(done.stderr or done.stdout).strip()[-400:]}")
        (FOLDER / "installed.json").write_bytes(WANTED.read_bytes())


def node(script):
    """The command that runs a script of tests/interop/node, or another by its whole path; its packages are in build/npm."""
    program = need("node")
    major = int(re.match(r"v(\d+)", subprocess.run([program, "--version"], capture_output=True, text=True).stdout).group(1))
    if major < 18:
        skip(f"Node {major} is too old: 18 is needed")
    return [program, WANTED.parent / script]


def environment():
    return {"NODE_PATH": str(FOLDER / "node_modules")}
