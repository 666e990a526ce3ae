#!/usr/bin/env python3
"""tests/fuzz/make_corpus.py loses nothing that fuzzing found, and what it does not make is kept in tests/fuzz/found."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.glob("*/*")}


def make(folder):
    return subprocess.run([sys.executable, "-B", HERE / "make_corpus.py", folder], check=True, capture_output=True, text=True).stdout


def check(good, what):
    if not good:
        sys.exit(f"FAILED: {what}")


with tempfile.TemporaryDirectory(prefix="squall-corpus-") as made:
    folder = pathlib.Path(made)
    corpus, found = folder / "corpus", folder / "found"
    make(folder)
    seeds = names(corpus)
    check(len(seeds) > 300 and not found.exists(), f"{len(seeds)} seeds; found: {found.exists()}")
    first = (corpus / "stun" / "request").read_bytes()

    (found / "stun").mkdir(parents=True)
    (found / "stun" / "kept").write_bytes(b"kept")
    (found / "stun" / "twice").write_bytes(b"one")
    (corpus / "stun" / "new").write_bytes(b"new")
    (corpus / "stun" / "twice").write_bytes(b"two")
    (corpus / "stun" / "request").write_bytes(b"damaged")
    said = make(folder)
    check("corpus/stun/new is no seed of this script: moved to found/stun/new" in said, said)
    check(names(corpus) == seeds, f"{names(corpus) ^ seeds}")
    check((corpus / "stun" / "request").read_bytes() == first, "a seed that is not made anew")
    kept = sorted(path.read_bytes() for path in (found / "stun").iterdir())
    check(kept == [b"kept", b"new", b"one", b"two"], f"{kept}")

    # What lies beside this test: whatever the script does not make has its place in found/. (A seed that an example
    # of today would add is no fault: they are made of its files.)
    strange = names(HERE / "corpus") - seeds
    check(not strange, f"of tests/fuzz/corpus, to be moved to tests/fuzz/found: {sorted(strange)}")
    print(f"{len(seeds)} seeds, {len(names(HERE / 'found'))} that were found")
