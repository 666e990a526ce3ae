#!/usr/bin/env python3
"""Makes the pictures of the pages out of real runs: live.png (the terminal view), report.png, and of a run over
bad networks report-metrics.png and report-peer.png, and of six runs over each of two networks compare.png.

Usage: docs/img/make.py [SQUALL [compare]], with the word for that picture alone. Needs tmux, chromium and pngquant.
"""
import html
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SQUALL = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../build/squall"))
COMMAND = [SQUALL, "run", "lab:", "--peers", "200", "--room-size", "10", "--publishers", "2",
           "--duration", "30s", "--expect", "peers.ok == 100%", "--expect", "video.in.loss.p95 < 1%",
           "--expect", "setup.media.p95 < 2s"]
CHROMIUM = ["/usr/lib/chromium/chromium", "--headless=new", "--no-sandbox", "--hide-scrollbars",
            "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--virtual-time-budget=3000"]
NETWORKS = [SQUALL, "run", "lab:", "--peers", "40", "--room-size", "5", "--publishers", "2", "--duration", "30s",
            "--network", "UDP blocked@10%", "--network", "Wifi High packet loss@30%", "--network", "DSL", "--connect-timeout", "8s",
            "--no-tui", "--expect", "video.in.loss.p95 < 1%"]
COMPARED = ["--peers", "12", "--room-size", "4", "--rate", "10/s", "--duration", "6s", "--quiet"]
# In turn, as docs/compare.md has it.
SIDES = {"before": "up.delay=20ms,down.delay=20ms", "after": "up.delay=20ms,down.delay=30ms,down.loss=1%"}
# What else there is would be above it.
ALONE = "<style>header, nav, main > :not(%s) { display: none } body { padding-top: 1px }</style>"
COLORS = {"31": "#f2777a", "32": "#7bc67e", "2": "#8b949e", "1": "#ffffff;font-weight:bold"}


def screenshot(work, page, size, out):
    raw = os.path.join(work, "raw.png")
    subprocess.run(CHROMIUM + [f"--user-data-dir={work}/profile", f"--window-size={size}",
                               f"--screenshot={raw}", f"file://{page}"],
                   check=True, timeout=120, stderr=subprocess.DEVNULL)
    subprocess.run(["pngquant", "--force", "--strip", "--quality", "70-95", "--output", out, raw], check=True)


def run_in_tmux(work):
    """Runs the command in a terminal of its own; returns what it shows after 20 seconds, with its colours."""
    def tmux(*args):
        return subprocess.run(["tmux", "-S", f"{work}/tmux", "-f", "/dev/null", *args],
                              capture_output=True, text=True).stdout

    words = " ".join("'" + word + "'" for word in COMMAND + ["--out", f"{work}/out"])
    tmux("new-session", "-d", "-x", "96", "-y", "30", words)
    time.sleep(20)
    text = tmux("capture-pane", "-e", "-p").rstrip()
    while tmux("list-sessions"):
        time.sleep(0.5)
    return text


def as_html(text):
    out = []
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not code:
            out.append(html.escape(part))
        else:
            color = COLORS.get(code.group(1), "#d5dae1")
            out.append(f'</span><span style="color:{color}">')
    return ("<meta charset=utf-8><body style='margin:0;background:#14181f;color:#d5dae1'>"
            "<pre style='font:15px/1.4 \"DejaVu Sans Mono\",monospace;margin:16px 20px'>"
            "<span style='color:#8b949e'>$ ./demo.sh\n</span><span>" + "".join(out) + "</span></pre>")


def compare(work):
    for i in range(6):
        for side, network in SIDES.items():
            subprocess.run([SQUALL, "run", "lab:", *COMPARED, "--network", network, "--out", f"{side}/{i + 1}"], cwd=work)
    subprocess.run([SQUALL, "compare", "before", "after", "--html", "compare.html"], cwd=work)
    screenshot(work, f"{work}/compare.html", "1280,1160", os.path.join(HERE, "compare.png"))


def main():
    with tempfile.TemporaryDirectory() as work:
        compare(work)
    if sys.argv[2:] == ["compare"]:
        return
    with tempfile.TemporaryDirectory() as work:
        page = os.path.join(work, "live.html")
        with open(page, "w", encoding="utf-8") as f:
            f.write(as_html(run_in_tmux(work)))
        screenshot(work, page, "940,350", os.path.join(HERE, "live.png"))
        screenshot(work, f"{work}/out/report.html", "1280,1060", os.path.join(HERE, "report.png"))
        subprocess.run(NETWORKS + ["--out", f"{work}/networks"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{work}/networks/report.html", encoding="utf-8") as f:
            whole = f.read()
        for name, section, size in (("metrics", "#metrics", "1280,800"), ("peer", "#groups, #peers", "1280,1080")):
            part = os.path.join(work, f"{name}.html")
            text = whole.replace("</head>", ALONE % section + "</head>")
            with open(part, "w", encoding="utf-8") as f:
                # The first with a history is opened.
                f.write(re.sub(r'<details class="peer card">(?=(?:(?!<details class="peer card">)[\s\S])*?Bit rates)',
                               '<details open class="peer card">', text, count=1))
            screenshot(work, part, size, os.path.join(HERE, f"report-{name}.png"))


if __name__ == "__main__":
    main()
