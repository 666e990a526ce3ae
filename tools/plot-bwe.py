#!/usr/bin/env python3
"""Draws seconds of congestion control as an SVG: plot-bwe.py OUT.svg TITLE=FILE.csv [TITLE=FILE.csv…]

Each file has the column second, and in kbit/s of link, sent, estimate, video, and of a second sender sent2 and estimate2, what
there is; a cell may be empty. bwe-squall.csv and bwe-share.csv are written into the build's folder by tests/sim/test_congestion.c, a
browser's by tests/interop/congestion_series.py. One panel a file, all on the same axes."""
import csv
import sys

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 760, 230, 56, 12, 26, 44
LINES = [("link", "#b8b8b8", "bottleneck"), ("sent", "#4c9f70", "sent, on the wire"),
         ("estimate", "#1f5fa8", "estimate"), ("video", "#d07b2a", "video payload of the step sent"),
         ("sent2", "#b0475f", "second sender: sent"), ("estimate2", "#7a5bb5", "its estimate")]
KEYS = 3  # side by side
RATES = ("estimate", "sent", "estimate2", "sent2")


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def points(rows, name, x, y):
    out = []
    for row in rows:
        if row.get(name):
            at = x(float(row["second"])), y(float(row[name]))
            if name == "link" and out:
                out.append((at[0] - 0.5, out[-1][1]))
            out.append(at)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in out)


def panel(title, rows, top, seconds, most):
    def x(second):
        return LEFT + second / seconds * (WIDTH - LEFT - RIGHT)

    def y(kbps):
        return top + PANEL - min(kbps, most) / most * PANEL
    out = [f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{title}</text>']
    for kbps in range(0, most + 1, 500):
        out.append(f'<path d="M{LEFT} {y(kbps):.1f}H{WIDTH - RIGHT}" stroke="#e8e8e8"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(kbps) + 4:.1f}" text-anchor="end">{kbps}</text>')
    for second in range(0, int(seconds) + 1, 10):
        out.append(f'<text x="{x(second):.1f}" y="{top + PANEL + 15}" text-anchor="middle">{second} s</text>')
    for name, colour, _ in LINES:
        at = points(rows, name, x, y)
        if at:
            out.append(f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    return out


def main():
    if len(sys.argv) < 3 or any("=" not in arg for arg in sys.argv[2:]):
        sys.exit(__doc__)
    panels = [(arg.split("=", 1)[0], read(arg.split("=", 1)[1])) for arg in sys.argv[2:]]
    seconds = max(float(rows[-1]["second"]) for _, rows in panels)
    most = max(float(row[name]) for _, rows in panels for row in rows for name in RATES if row.get(name))
    most = int(most // 500 + 1) * 500
    drawn = [line for line in LINES if any(row.get(line[0]) for _, rows in panels for row in rows)]
    rows_of_keys = (len(drawn) + KEYS - 1) // KEYS
    height = TOP + len(panels) * (PANEL + GAP) + 4 + 16 * rows_of_keys
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
           'font-size="11" fill="#333">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    for i, (title, rows) in enumerate(panels):
        out += panel(f"{title}, kbit/s", rows, TOP + i * (PANEL + GAP), seconds, most)
    for i, (_, colour, text) in enumerate(drawn):
        at, down = LEFT + i % KEYS * (WIDTH - LEFT) / KEYS, height - 8 - 16 * (rows_of_keys - 1 - i // KEYS)
        out.append(f'<path d="M{at:.1f} {down - 4}h16" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{at + 20:.1f}" y="{down}">{text}</text>')
    with open(sys.argv[1], "w") as file:
        file.write("\n".join(out + ["</svg>"]) + "\n")


if __name__ == "__main__":
    main()
