"""Score and MOS of real runs: their order in bad networks, and each peer's computed once more out of peers.csv."""
import math

from harness import test
from harness.proc import check

CALM = ("--peers", 6, "--publishers", 2, "--duration", "9s", "--rate", "20/s", "--lateness-max", "500")
PARTS = ("setup", "audio_loss", "video_loss", "freezes", "latency", "bitrate")
BPL = {"opus": 10, "PCMU": 25.1, "PCMA": 25.1, "G722": 10}


def known(number):
    return 0 if math.isnan(number) else number


def delay_impairment(t):
    """Id of ITU-T G.107, section 7.4, at the standard's defaults."""
    ro, x = 94.769, math.log(max(t, 100) / 100) / math.log(2)
    terv = 65 - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t * t)
    re = 80 + 2.5 * (terv - 14)
    idte = ((ro - re) / 2 + math.sqrt((ro - re) ** 2 / 4 + 100) - 1) * (1 - math.exp(-t)) if t >= 1 else 0

    def idle(tr):
        rle = 10.5 * (110 + 7) * (tr + 1) ** -0.25
        return (ro - rle) / 2 + math.sqrt((ro - rle) ** 2 / 4 + 169)

    idd = 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return idte + idle(2 * t) - idle(0) + idd


def loss_impairment(p, percent):
    burst = max(known(p["audio.in.burst_ratio"]), 1)
    percent = min(percent, 100)
    return 95 * min(percent / (percent / burst + BPL[p["audio.in.codec"] or "opus"]), 1)


def delay(p, kind):
    path = p[f"{kind}.in.latency_ms"]
    return known(p[f"{kind}.in.rtt_ms"] / 2 if math.isnan(path) else path) + known(p[f"{kind}.in.playout_ms"])


def mos(p):
    if p["outcome"] == "failed" or not p["connected"]:
        return 1
    if not p["audio.in.tracks"]:
        return 1 if p["audio.in.agreed"] else math.nan
    r = 93.2039 - delay_impairment(delay(p, "audio")) - loss_impairment(p, p["audio.in.concealment_percent"])
    r = min(max(r, 0), 100)
    return max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def felt(mean, stddev):
    return known(mean) + known(stddev) / 2


def penalties(p):
    def loss(kind, column):
        return 100 if p[f"{kind}.in.agreed"] and not p[f"{kind}.in.tracks"] else p[f"{kind}.in.{column}"]

    seconds = known(p["setup.total_ms"]) / 1e3
    call_s = (p["end_ms"] - p["start_ms"] - p["setup.total_ms"]) / 1e3
    watched_s = p["video.in.watched_s"]
    pictures = watched_s / call_s if watched_s > call_s > 0 else 1  # a drop stops them all
    stood_ms = known(p["video.in.freeze_ms"]) + known(p["away_ms"]) * pictures
    stood = p["video.in.freezes"] + p["drops"] * pictures
    windows = max(known(call_s if math.isnan(watched_s) else watched_s) / 30, 1)
    later = "video" if delay(p, "video") > delay(p, "audio") else "audio"
    came = 0 if p["video.in.agreed"] and not p["video.in.tracks"] else p["video.in.target_share"]
    shares = [(share, spread) for share, spread in ((came, p["video.in.target_share_stddev"]),
                                                    (p["video.out.target_share"], p["video.out.target_share_stddev"]))
              if not math.isnan(share)]
    share, spread = min(shares, default=(1, 0))
    share -= max(known(spread) - 0.3, 0) / 2
    return (min(3 * math.log10(seconds), 5) if seconds > 1 else 0,
            loss_impairment(p, felt(loss("audio", "concealment_percent"), p["audio.in.concealment_stddev"])) / 10,
            3 * (1 - math.exp(-felt(loss("video", "loss_percent"), p["video.in.loss_stddev"]) / 3)),
            6 * (1 - math.exp(-(0.15 * stood_ms / 1e3 + 0.19 * stood) / windows)),
            delay_impairment(felt(delay(p, later), p[f"{later}.in.delay_stddev_ms"])) / 10,
            0 if share >= 0.9 else 5 if share <= 0 else min(2 * math.log(0.9 / share), 5))


def recompute(results):
    """Every peer's figures, and the run's, agree with what peers.csv makes of them."""
    scores, voices = [], []
    for p in results.peers:
        failed = p["outcome"] == "failed" or not p["connected"]
        parts = (0,) * 6 if failed else penalties(p)
        score = 0 if failed else 10 * math.exp(-sum(parts) / 10)
        for name, value in zip(PARTS, parts):
            check(abs(p[f"score.{name}"] - value) < 0.002, f"{p['peer']}: penalty of {name} {p[f'score.{name}']}, computed {value}")
        check(abs(p["score"] - score) < 0.002, f"{p['peer']}: score {p['score']}, computed {score}")
        voice = mos(p)
        check(abs(p["mos"] - voice) < 0.002 or math.isnan(p["mos"]) and math.isnan(voice), f"{p['peer']}: MOS {p['mos']}, computed {voice}")
        scores.append(score)
        voices += [] if math.isnan(voice) else [voice]
    check(abs(results.summary["score"] - sum(scores) / len(scores)) < 0.005, f"the run's score is {results.summary['score']}")
    check(abs(results.summary["mos"] - sum(voices) / len(voices)) < 0.005, f"the run's MOS is {results.summary['mos']}")
    check(results.metric("score", "count") == len(scores), "a peer is not in the score")


def score(t):
    """Worse networks have lower scores, in the order in which they are worse; who failed counts as 0."""
    half = ("--network", "HTTPS only@50%", "--network", "No throttling@50%", "--connect-timeout", "4s", "--expect", "peers.failed == 50%",
            "--expect", "score >= 1 for 50% of peers", "--expect", "score.min == 0", "--expect", "mos.min == 1")
    networks = {"good": (), "Wifi High packet loss": ("--network", "Wifi High packet loss"), "Poor 3G": ("--network", "Poor 3G"), "half": half}
    runs = {name: t.run("lab:", *CALM, *options) for name, options in networks.items()}
    done = {name: run.finish() for name, run in runs.items()}
    for name, results in done.items():
        recompute(results)
        figures = results.summary
        test.note(f"{name}: score {figures['score']:.2f}, MOS {figures['mos']:.2f}")
    good, lossy, poor, half = (done[name].summary for name in networks)
    check(good["score"] > lossy["score"] + 1 and lossy["score"] > poor["score"] + 0.5, "the scores are in another order")
    check(good["mos"] > lossy["mos"] + 0.2 and lossy["mos"] > poor["mos"], "MOS is in another order")
    if max(good["generator"]["lateness_ms"]["p99"], half["generator"]["lateness_ms"]["p99"]) < 10:  # else the machine is what was bad
        check(good["score"] > 9 and good["mos"] > 4.2, "a good network has a bad score")
    check(done["half"].code == 0 and half["peers"]["failed"] == 3, f"{half['reason']}: {half['peers']}")
    check(half["score"] <= 5, "peers that failed have vanished from the score")


if __name__ == "__main__":
    test.run([score])
