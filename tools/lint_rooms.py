#!/usr/bin/env python3
"""Checks the house's order: a room includes only rooms below it, a folder's internals stay inside,
functions stay within 100 lines and files within 800. Exceptions stand in tools/lint_exceptions.txt,
each with its reason."""
import json
import os
import re
import subprocess
import sys

# From top to bottom. Rooms on one line know nothing of each other.
ORDER = [
    ["cli"],
    ["monitor", "web", "doctor", "inspect", "agent", "lab", "prepare"],
    ["report"],
    ["store"],
    ["run"],
    ["scenario"],
    ["signal"],
    ["peer"],
    ["media"],
    ["stats"],
    ["net"],
    ["base"],
]
# Finer than the order: what these rooms must not know, though it lies below them.
FORBIDDEN = {
    "peer": {"net"},
    "media": {"net"},
    "stats": {"net"},
    "scenario": {"signal", "peer", "media", "stats", "net"},
    "report": {"signal", "peer", "net"},
    "prepare": {"report", "store", "run", "scenario", "signal", "peer", "net"},
}
FUNCTION_MAX = 100
FILE_MAX = 800

LEVEL = {room: i for i, row in enumerate(ORDER) for room in row}


def source_files():
    out = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src", "tests", "bench"],
        capture_output=True, text=True, check=True).stdout.split("\n")
    return [f for f in out if f.endswith((".c", ".h")) and os.path.exists(f)]


def exceptions():
    allowed = {}
    path = "tools/lint_exceptions.txt"
    if os.path.exists(path):
        for number, line in enumerate(open(path), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(None, 2)
            if len(parts) < 3:
                sys.exit(f"{path}:{number}: expected 'PATH NAME-or-FILE reason', got: {line}")
            allowed[(parts[0], parts[1])] = parts[2]
    return allowed


def check_includes(path, problems):
    parts = path.split("/")
    if parts[0] != "src" or parts[1] not in LEVEL:
        if parts[0] == "src" and len(parts) > 2:
            problems.append(f"{path}: '{parts[1]}' is not a room")
        return
    room = parts[1]
    folder = os.path.dirname(path)
    for number, line in enumerate(open(path), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        head = target.split("/")[0]
        where = f"{path}:{number}"
        if head not in LEVEL:
            problems.append(f'{where}: "{target}": includes are written from src/, as "room/file.h"')
            continue
        if LEVEL[head] < LEVEL[room] or (LEVEL[head] == LEVEL[room] and head != room):
            problems.append(f"{where}: upward include of {target} from {room}")
        if head in FORBIDDEN.get(room, ()):
            problems.append(f"{where}: {room} must not know {head}")
        if target.endswith("_int.h") and os.path.dirname("src/" + target) != folder:
            problems.append(f"{where}: {target} is internal to its folder")


def check_lengths(files, allowed, problems):
    for path in files:
        lines = sum(1 for _ in open(path, errors="replace"))
        if lines > FILE_MAX and (path, "FILE") not in allowed:
            problems.append(f"{path}: {lines} lines, the end is {FILE_MAX}")
    ctags = subprocess.run(
        ["ctags", "--languages=C", "--c-kinds=f", "--fields=+ne", "--output-format=json", "-f", "-"] + files,
        capture_output=True, text=True, check=True).stdout
    for line in ctags.splitlines():
        tag = json.loads(line)
        if "end" not in tag:
            continue
        length = tag["end"] - tag["line"] + 1
        if length > FUNCTION_MAX and (tag["path"], tag["name"]) not in allowed:
            problems.append(f"{tag['path']}:{tag['line']}: {tag['name']} has {length} lines, the end is {FUNCTION_MAX}")


def main():
    files = source_files()
    problems = []
    for path in files:
        check_includes(path, problems)
    check_lengths(files, exceptions(), problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
