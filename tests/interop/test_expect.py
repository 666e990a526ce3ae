"""Windows, some of the peers and hopeless ends, held against what the CSV files of the same run say."""
import csv

from harness import test
from harness.proc import check

CALM = ("--rate", "20/s", "--lateness-max", "500", "--no-video", "--seed", 7)
MIX = ("--network", "No throttling@50%", "--network", "20packet")


def value_of(results, expr):
    found = next(e for e in results.summary["expectations"] if e["expr"] == expr)
    check(found["value"] is not None, f"{expr}: {found['message']}")
    return found["value"]


def expect_windows(t):
    """A window's rate is that of the seconds of the time line; a network's loss is the mean of its rows of peers.csv."""
    window = "audio.in.bitrate > 0 between 2s and 6s"
    bad, good = "audio.in.loss > 5 where network is 20packet", "audio.in.loss < 5 where network is no-throttling"
    results = t.run("lab:echo", "--peers", 6, "--duration", "8s", *MIX, *CALM, "--expect", window, "--expect", bad, "--expect", good).finish()
    results.all_ok(6)
    for expr, network in (bad, "20packet"), (good, "No throttling@50%"):
        rows = [p["audio.in.loss_percent"] for p in results.peers if p["network"] == network]
        mean = sum(rows) / len(rows)
        check(len(rows) == 3 and abs(value_of(results, expr) - mean) < 0.01, f"{expr}: {value_of(results, expr)}, {mean} in peers.csv")
    with open(results.folder / "timeline.csv", newline="") as file:
        seconds = [float(row["audio.in.bitrate_kbps"]) / 6 for row in csv.DictReader(file) if 3 <= float(row["t_s"]) <= 6]
    mean = sum(seconds) / len(seconds)
    test.note(f"{value_of(results, window):.2f} kbit/s in the window, {mean:.2f} by the time line; {value_of(results, bad):.1f} % lost where 20 are set each way")
    check(abs(value_of(results, window) / mean - 1) < 0.05, f"{value_of(results, window)} kbit/s, {mean} by the time line")


def expect_abort(t):
    """A run that has become hopeless ends in good order, and says when and by what."""
    hopeless = "audio.in.loss < 5 where network is 20packet@2s"
    results = t.run("lab:echo", "--peers", 6, "--duration", "60s", *MIX, *CALM, "--abort-on", hopeless).finish()
    check(results.code == 1 and results.summary["verdict"] == "fail", f"exit code {results.code}: {results.summary['reason']}")
    check(f"when '{hopeless}' had become hopeless: audio.in.loss is" in results.summary["reason"], results.summary["reason"])
    check(results.summary["run"]["duration_s"] < 15, f"{results.summary['run']['duration_s']} s")
    check(results.summary["peers"]["ok"] == 6, str(results.summary["peers"]))


if __name__ == "__main__":
    test.run([expect_windows, expect_abort])
