"""bench/RESULTS.md: medians, ratios and the goals, with the machine they hold for."""
import datetime
import os
import platform
import statistics
import subprocess

NAMES = {
    "squall": "Squall",
    "squall-rt": "Squall with `--realtime`",
    "pion": "Pion, default interceptors",
    "pion-cc": "Pion with congestion control",
    "pion-bare": "Pion, no interceptors",
    "wrtc": "libwebrtc in Node (@roamhq/wrtc)",
    "chromium": "headless Chromium",
    "floor": "floor (sockets and SRTP alone)",
}
CASES = {
    "audio": "Audio only, 50 packets/s each way",
    "av": "Audio and 1 Mbit/s video, 156 packets/s each way",
    "av-all": "The same with `--latency` and `--data 1/s:200`",
    "density": "Many peers on one core: audio and 1 Mbit/s video",
    "density-audio": "Many peers on one core: audio only",
}


# As bench/run.py asks for it: nothing but the target, --echo and, for audio alone, --no-video.
WHAT_IS_ON = (
    "**What Squall's peers do in these runs** is what they do by default: congestion control of what they send (Google's, on the lab's transport-wide "
    "feedback, with probes), transport-wide feedback for what comes, NACK and RTX both ways, PLI, sender and receiver reports, ICE consent, SRTP; the play-out "
    "model of each stream (NetEQ's for audio, frames with references, freezes and play-out delay for video), all statistics each second, score and MOS. "
    "Off are what a run has to ask for: `--latency`, `--data` (both on in the case `av-all`), `--decode`, `--record`, `--dump`, "
    "`--simulcast`, `--network`.")


def first_line(*argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (out.stdout or out.stderr).strip().split("\n")[0]


def package_version(package):
    return first_line("dpkg-query", "-W", "-f", "${Version}", package) or "not a package"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    lines = [f"- Machine: {model}, {os.cpu_count()} cores; {platform.system()} {platform.release()}; {release}"]
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        lines.append(f"- All of it at real-time priority (`chrt -f {os.sched_getparam(0).sched_priority}` before the command): what else the "
                     "machine does waits")
    return lines


def versions(squall):
    return [
        f"- Versions: {first_line(squall, '--version') or 'no Squall'}; Pion "
        f"{package_version('golang-github-pion-webrtc.v3-dev')} with {first_line('go', 'version')}; OpenSSL "
        f"{package_version('libssl3')}; libipsec-mb {package_version('libipsec-mb1')}; Chromium "
        f"{package_version('chromium')}; @roamhq/wrtc as bench/run.sh has it, Node.js {first_line('node', '--version')}"
    ]


def middle(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.median(values) if values else None


def text(value, form="{:.0f}"):
    return "–" if value is None else form.format(value)


def spread(rows, key, form):
    values = [row[key] for row in rows if row.get(key) is not None]
    if len(values) < 2:
        return ""
    return f" ({form.format(min(values))}–{form.format(max(values))})"


def clients(rows, peers):
    """Said where it is not the case's number."""
    number = rows[-1].get("peers", peers)
    return "" if number == peers else f", {number} client{'s' if number > 1 else ''}"


def case_table(case, results, peers):
    squall = middle(results.get("squall", []), "cpu_us")
    lines = [f"## {CASES[case]}; {peers} peers", "",
             "| client | CPU µs a peer-second | against Squall | KB a peer | target's CPU µs a peer-second | "
             "sent / received by a peer, packets/s or audio + video kbit/s | lateness p99 ms |",
             "|---|---|---|---|---|---|---|"]
    for name, rows in results.items():
        cpu = middle(rows, "cpu_us")
        ratio = cpu / squall if cpu and squall else None
        mark = " **core full**" if any(row.get("full") for row in rows) else ""
        mark += " **INVALID**" if any(row.get("invalid") for row in rows) else ""
        traffic = " / ".join(rows[-1].get(key + "_text") or text(middle(rows, key), "{:.1f}")
                             for key in ("sent", "received"))
        lines.append(
            f"| {NAMES[name]}{clients(rows, peers)} | {text(cpu)}{spread(rows, 'cpu_us', '{:.0f}')}{mark} | {text(ratio, '{:.2f}×')} | "
            f"{text(middle(rows, 'rss_kb'))} | {text(middle(rows, 'target_us'))} | {traffic} | "
            f"{text(middle(rows, 'lateness_p99_ms'), '{:.2f}')} |")
    return lines + [""]


def setup_table(results, dtls, peers):
    lines = [f"## Setting up; {peers} audio peers, as fast as they go", "",
             "| client | CPU µs a set-up | against OpenSSL's handshake | set-ups/s |", "|---|---|---|---|"]
    for name, rows in results.items():
        cpu = middle(rows, "setup_us")
        ratio = cpu / dtls["client_us"] if cpu and dtls else None
        lines.append(f"| {NAMES[name]} | {text(cpu)}{spread(rows, 'setup_us', '{:.0f}')} | {text(ratio, '{:.2f}×')} | "
                     f"{text(middle(rows, 'setups_per_s'))} |")
    if dtls:
        lines.append(f"| Squall's peer alone: SDP, ICE, DTLS | {dtls['peer_us']:.0f} | "
                     f"{dtls['peer_us'] / dtls['client_us']:.2f}× | – |")
        lines.append(f"| OpenSSL {dtls['openssl']} handshake alone, P-256 | {dtls['client_us']:.0f} client, "
                     f"{dtls['server_us']:.0f} server | 1.00× | – |")
    lines += ["", "A client's set-up holds signalling too: HTTP, SDP, ICE, DTLS and the session's memory. For Squall the media "
              "that peers sent meanwhile is taken off at its measured cost, and the program's start at that of a run with one peer; "
              "Pion starts media after its ramp, and counts from when its program has started.", ""]
    return lines


def goal_rows(all_results, dtls):
    """(goal, value or None, limit, form, at_most)"""
    def of(case, name, key):
        return middle(all_results.get(case, {}).get(name, []), key)

    av, audio = of("av", "squall", "cpu_us"), of("audio", "squall", "cpu_us")
    def times(case, name):
        squall, other = of(case, "squall", "cpu_us"), of(case, name, "cpu_us")
        return other / squall if squall and other else None

    full, full_floor = of("density", "squall", "cpu_us"), of("density", "floor", "cpu_us")
    full_audio, full_audio_floor = of("density-audio", "squall", "cpu_us"), of("density-audio", "floor", "cpu_us")
    setup = of("setup", "squall", "setup_us")
    return [
        ("audio + video, CPU µs a peer-second", av, 1600, "{:.0f}", True),
        ("audio + video, times less CPU than Pion with congestion control, as Squall has it", times("av", "pion-cc"), 5, "{:.2f}", False),
        ("audio + video, times less CPU than Pion with default interceptors, without", times("av", "pion"), 5, "{:.2f}", False),
        ("audio + video, times less CPU than headless Chromium", times("av", "chromium"), 100, "{:.0f}", False),
        ("audio + video, KB a peer", of("av", "squall", "rss_kb"), 80, "{:.0f}", True),
        ("audio + video with data channel and latency, CPU µs a peer-second", of("av-all", "squall", "cpu_us"), 1600, "{:.0f}", True),
        ("audio + video with data channel and latency, KB a peer", of("av-all", "squall", "rss_kb"), 80, "{:.0f}", True),
        ("audio only, CPU µs a peer-second", audio, 550, "{:.0f}", True),
        ("audio only, KB a peer", of("audio", "squall", "rss_kb"), 55, "{:.0f}", True),
        ("audio only, times less CPU than Pion with congestion control, as Squall has it", times("audio", "pion-cc"), 5, "{:.2f}", False),
        ("audio only, times less CPU than Pion with default interceptors, without", times("audio", "pion"), 5, "{:.2f}", False),
        ("audio only, times less CPU than headless Chromium", times("audio", "chromium"), 100, "{:.0f}", False),
        ("many peers, CPU µs a peer-second", full, 1600, "{:.0f}", True),
        ("many peers, CPU against the floor", full / full_floor if full and full_floor else None, None, "{:.2f}", True),
        ("many peers, KB a peer", of("density", "squall", "rss_kb"), 80, "{:.0f}", True),
        ("many peers, timer lateness p99 ms", of("density", "squall", "lateness_p99_ms"), 2, "{:.2f}", True),
        ("the same with `--realtime`", of("density", "squall-rt", "lateness_p99_ms"), 2, "{:.2f}", True),
        ("1,500 audio peers on one core, CPU against the floor, which sends no feedback",
         full_audio / full_audio_floor if full_audio and full_audio_floor else None, None, "{:.2f}", True),
        ("1,500 audio peers on one core, timer lateness p99 ms", of("density-audio", "squall", "lateness_p99_ms"), 2,
         "{:.2f}", True),
        ("the same with `--realtime`", of("density-audio", "squall-rt", "lateness_p99_ms"), 2, "{:.2f}", True),
        ("set-up CPU of the peer (SDP, ICE, DTLS) against OpenSSL's handshake",
         dtls["peer_us"] / dtls["client_us"] if dtls else None, 1.5, "{:.2f}", True),
        ("the same with WHIP signalling", setup / dtls["client_us"] if setup and dtls else None, None, "{:.2f}", True),
    ]


def goals_table(rows):
    lines = ["## Goals", "", "| goal | limit | measured | |", "|---|---|---|---|"]
    for name, value, limit, form, at_most in rows:
        verdict = "" if value is None or limit is None else "reached" if (value <= limit) == at_most else "**missed**"
        bound = "" if limit is None else ("≤ " if at_most else "≥ ") + f"{limit:g}"
        lines.append(f"| {name} | {bound} | {text(value, form)} | {verdict} |")
    return lines + [""]


def missed(rows):
    return [name for name, value, limit, _, at_most in rows
            if value is None or (limit is not None and (value <= limit) != at_most)]


def render(config, all_results, dtls, bench, goals):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = ["# Benchmark results", "",
             "Written by `make bench` (bench/run.py). Each figure is the median of the "
             "rounds, in brackets the least and the most.", "",
             f"- Date: {now}"]
    lines += machine() + versions(config.squall)
    lines += [f"- Command: `{config.command}`; {config.rounds} rounds, window {config.window:g} s after the ramp",
              f"- Generator on core {config.cpu}, target ({config.target}) on core {config.target_cpu}; CPU from "
              "/proc/PID/stat, memory as VmRSS less that of one peer",
              f"- Noise: others used up to {100 * bench.noise:.0f} % of the generator's core during a window"
              + (" — **too much, measure again on a quiet machine**" if bench.noise > 0.1 else "")]
    lines += [f"- **Not measured**: {failure}" for failure in bench.failures] + [""]
    lines += [WHAT_IS_ON, ""]
    lines += goals_table(goals)
    for case in CASES:
        if case in all_results:
            lines += case_table(case, all_results[case], config.peers_of[case])
    if "setup" in all_results:
        lines += setup_table(all_results["setup"], dtls, config.peers_of["setup"])
    return "\n".join(lines)
