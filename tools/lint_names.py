#!/usr/bin/env python3
"""Checks that what is named is there, and what is there is named: each case of tests/interop/*.py is registered in
tests/interop/CMakeLists.txt and each registered one exists; each file of examples/ stands in its README; each test
that a page of the documentation cites exists, and so does each case of it."""
import ast
import fnmatch
import glob
import os
import re
import subprocess
import sys

CMAKE = "tests/interop/CMakeLists.txt"
EXAMPLES = "examples/README.md"
UNIT_ROOMS = "base|net|stats|media|peer|signal|scenario|run|store|report|lab|prepare|cli|sim|regress"  # as in cmake/SquallBuild.cmake


def listed(*places):
    """Files that git has, or would take."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *places], capture_output=True, text=True, check=True).stdout
    return [path for path in out.splitlines() if os.path.exists(path)]


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- Cases of tests/interop, and their registration ----

def ends_of(commands, at):
    """The place of the endforeach that belongs to the foreach at `at`."""
    depth = 0
    for i in range(at, len(commands)):
        depth += {"foreach": 1, "endforeach": -1}.get(commands[i][0], 0)
        if depth == 0:
            return i
    sys.exit(f"{CMAKE}: a foreach without its endforeach")


def run_commands(commands, values, ret_calls):
    """What CMake would call, as words: foreach over words that stand there is all that this knows."""
    at = 0
    while at < len(commands):
        name, words = commands[at]
        words = [re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[0]), word) for word in words]
        if name == "foreach":
            end = ends_of(commands, at)
            for item in words[1:]:
                run_commands(commands[at + 1:end], {**values, words[0]: item}, ret_calls)
            at = end
        else:
            ret_calls.append((name, words))
        at += 1


def registered(problems):
    """{case: script} of tests/interop, as ctest gets them."""
    text = re.sub(r"#.*", "", text_of(CMAKE))
    text = re.sub(r"(?s)\bfunction\(.*?\bendfunction\(\)", "", text)
    calls, cases, chosen = [], {}, []
    run_commands([(m[1], m[2].split()) for m in re.finditer(r"(\w+)\s*\(([^()]*)\)", text)], {}, calls)
    for name, words in calls:
        if name == "sq_interop":
            cases[words[1].replace("_", "-")] = words[0]
        elif name in ("set", "list") and "SQ_SANITIZED_CASES" in words[:2]:
            chosen += words[words.index("SQ_SANITIZED_CASES") + 1:]
    for case in chosen:
        if case not in cases:
            problems.append(f"{CMAKE}: SQ_SANITIZED_CASES has {case}, which is not registered")
    return cases


def is_run(node):
    return (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "run"
            and isinstance(node.func.value, ast.Name) and node.func.value.id == "test")


def cases_of(path, tree, problems):
    """{case: line} of the file's test.run([…])."""
    found = {}
    for call in filter(is_run, ast.walk(tree)):
        names = call.args[0].elts if call.args and isinstance(call.args[0], ast.List) else [None]
        if not all(isinstance(name, ast.Name) for name in names):
            problems.append(f"{path}:{call.lineno}: expected test.run([case, …]), with the names of its functions")
            continue
        found.update({name.id.replace("_", "-"): name.lineno for name in names})
    return found


def check_forgotten(path, tree, used, problems):
    """A function that takes a test and nothing else, and that nobody names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args] == ["t"] and node.name not in used:
            problems.append(f"{path}:{node.lineno}: {node.name} is neither called nor in test.run([…])")


def check_interop(problems):
    known = registered(problems)
    trees = {path: ast.parse(text_of(path), path) for path in listed("tests/interop", "tests/examples") if path.endswith(".py")}
    used = {node.id if isinstance(node, ast.Name) else node.attr for tree in trees.values() for node in ast.walk(tree)
            if isinstance(node, (ast.Name, ast.Attribute))}
    there = {}
    for path, tree in trees.items():
        if not re.fullmatch(r"tests/interop/test_\w+\.py", path):
            continue
        cases = cases_of(path, tree, problems)
        check_forgotten(path, tree, used, problems)
        script = os.path.basename(path)
        there.update({case: script for case in cases})
        for case, line in cases.items():
            if known.get(case) != script:
                problems.append(f"{path}:{line}: the case {case} is not registered: expected sq_interop({script} "
                                f"{case.replace('-', '_')} …) in {CMAKE}, or ctest never runs it")
    for case, script in known.items():
        if there.get(case) != script:
            problems.append(f"{CMAKE}: {case} is registered, and test.run([…]) of tests/interop/{script} has no such case")
    return known


# ---- Examples ----

def check_examples(problems):
    linked = set(re.findall(r"\]\(([^)#\s]+)\)", text_of(EXAMPLES)))
    for path in listed("examples"):
        name = path.removeprefix("examples/")
        if path != EXAMPLES and name not in linked:
            problems.append(f"{EXAMPLES}: {name} is not in it: expected a link, [{os.path.basename(name)}]({name})")


# ---- Tests that pages cite ----

def unit_test(room, name):
    """The files that `room/name` may mean: tests/ROOM/test_NAME.c, also as ROOM/test_NAME and with *."""
    return glob.glob(f"tests/{room}/test_{name.removeprefix('test_')}.c")


def is_cited_right(room, name, cases):
    if room == "interop":
        return fnmatch.filter(cases, name)
    if room == "fuzz":
        return glob.glob(f"tests/fuzz/fuzz_{name}.c")
    # Some tests are scripts; pages about the code name its files as well.
    return unit_test(room, name) or glob.glob(f"tests/{room}/{name}.py") or glob.glob(f"tests/{room}/{name}.[ch]") or glob.glob(f"src/{room}/{name}") or glob.glob(f"src/{room}/{name}*.[ch]")


def check_cases(where, files, words, problems):
    text = "".join(text_of(path) for path in files)
    for case in re.findall(r"\w+", words):
        if "_" in case and not re.search(rf"\b{case}\(void \*\*", text):
            problems.append(f"{where}: {' and '.join(files)} has no case {case}")


def check_page(path, cases, problems):
    lists_cases = False  # the table's last column has names of tests/interop
    for number, line in enumerate(text_of(path).splitlines(), 1):
        where = f"{path}:{number}"
        lists_cases = line.startswith("|") and (lists_cases or line.endswith("| cases |"))
        for name in re.findall(r"`([a-z0-9-]+)`", line.rsplit(" | ", 1)[-1]) if lists_cases else ():
            if name not in cases:
                problems.append(f"{where}: the case {name} is cited, and {CMAKE} registers no such case")
        for cited in re.finditer(rf"`({UNIT_ROOMS}|interop|fuzz)/([a-z0-9_*-]+)`(?::? ((?:[a-z0-9]\w*_\w+(?:, | and )?)+))?", line):
            room, name, words = cited.groups()
            if not is_cited_right(room, name, cases):
                of = f"{CMAKE} registers no such case" if room == "interop" else f"there is no tests/{room}/{'fuzz' if room == 'fuzz' else 'test'}_{name}.c"
                problems.append(f"{where}: {room}/{name} is cited, and {of}")
            elif words and unit_test(room, name):
                check_cases(where, unit_test(room, name), words, problems)
        for name in re.findall(r"`(fuzz_\w+)`", line):
            if not os.path.exists(f"tests/fuzz/{name}.c"):
                problems.append(f"{where}: {name} is cited, and there is no tests/fuzz/{name}.c")


def main():
    problems = []
    cases = check_interop(problems)
    check_examples(problems)
    for path in listed("*.md"):
        if path != "CHANGELOG.md":  # what was true when it was written
            check_page(path, cases, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
