"""squall compare and --baseline over real runs: two that are the same, one that a network has made worse, and all three."""
import json

from harness import test
from harness.proc import check
from harness.squall import CONSTANT

SAME = ("--peers", 10, "--rate", "20/s", "--duration", "4s", "--lateness-max", "500", *CONSTANT)

SLOWER = {"setup.total", "setup.total.p95", "video.in.rtt"}
UNTOUCHED = {"peers.failed", "video.in.loss", "audio.in.loss", "video.in.bitrate", "audio.in.bitrate", "video.out.bitrate"}


def compared(t, code, *words):
    """What it says of them; the exit code has to be that."""
    path = t.folder / f"{words[1].name}-{code}.json"
    process = t.start("compare", [t.squall, "compare", *words, "--json", path])
    check(process.wait(20) == code, f"exit code {process.popen.returncode}, expected {code}: {process.stdout()}{process.stderr()}")
    said = json.loads(path.read_text())
    check(said["exit_code"] == code and "exit code " + str(code) in process.stdout(), process.stdout())
    return {f["figure"]: f for f in said["comparisons"][0]["figures"]}, said


def called(figures, call):
    return {name for name, figure in figures.items() if figure["call"] == call}


def compare_runs(t):
    # Times that the network makes, so that a busy machine does not.
    near = ("--network", "up.delay=25ms,down.delay=25ms")
    first, second = t.run("lab:echo", *SAME, *near), t.run("lab:echo", *SAME, *near)
    for run in (first, second):
        run.finish().all_ok(10)
    figures, said = compared(t, 0, first.folder, second.folder)
    check(said["verdict"] == "not-worse" and not called(figures, "worse"), said["reason"])
    check(said["comparisons"][0]["unit_of_test"] == "peers" and not said["notes"], f"{said['notes']}")

    far = t.run("lab:echo", *SAME, "--duration", "6s", "--network", "up.delay=150ms,down.delay=150ms", "--baseline",
                first.folder).finish()
    check(far.code == 1 and far.summary["verdict"] == "fail", f"exit code {far.code}: {far.summary['reason']}")
    check(far.summary["baseline"]["verdict"] == "worse" and "✗ setup.total" in far.text, far.text)
    figures, said = compared(t, 1, first.folder, far.folder)
    worse = called(figures, "worse")
    test.note(f"worse: {sorted(worse)}")
    check(worse >= SLOWER and not worse & UNTOUCHED, f"worse is {sorted(worse)}")
    longer = figures["video.in.rtt"]["change"]
    check(150 < longer < 275, f"the round trip is {longer:.1f} ms longer, 250 were set")
    check(any("network differs" in note for note in said["notes"]), f"{said['notes']}")
    figures, said = compared(t, 0, far.folder, second.folder)
    check(called(figures, "better") >= SLOWER and not called(figures, "worse"), f"better is {sorted(called(figures, 'better'))}")
    check_three(t, first.folder, second.folder, far.folder)


def check_three(t, *folders):
    """Each further side is compared with the first: the second is no worse, the third is, and that is the verdict."""
    _, said = compared(t, 1, *folders)
    test.note(f"three sides: {said['reason']}")
    check([side["name"] for side in said["sides"]] == [str(f) for f in folders], f"sides: {said['sides']}")
    check([pair["after"] for pair in said["comparisons"]] == [str(f) for f in folders[1:]], f"pairs: {said['comparisons']}")
    near, far = ({f["figure"]: f for f in pair["figures"]} for pair in said["comparisons"])
    check(not called(near, "worse") and called(far, "worse") >= SLOWER, f"worse: {sorted(called(near, 'worse'))}, {sorted(called(far, 'worse'))}")
    check(said["verdict"] == "worse" and str(folders[2]) in said["reason"] and str(folders[1]) not in said["reason"], said["reason"])
    # Each figure is that of the pair alone, and so is what is said of it.
    for pair, folder, code in ((near, folders[1], 0), (far, folders[2], 1)):
        alone, _ = compared(t, code, folders[0], folder)
        for name, figure in alone.items():
            check(all(figure[key] == pair[name][key] for key in ("before", "after", "change", "p", "p_adjusted", "call")), f"{folder}: {figure}, among three {pair[name]}")


if __name__ == "__main__":
    test.run([compare_runs])
