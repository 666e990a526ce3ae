#!/usr/bin/env python3
"""plot.py SOURCE BUILD: tools/plot-bwe.py draws what tests/sim/test_congestion.c wrote into BUILD, each file as a panel with lines that
say the same as its cells."""
import csv
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

SVG = "{http://www.w3.org/2000/svg}"
FILES = (("one sender", "bwe-squall.csv", ("link", "sent", "estimate", "video")),
         ("two senders", "bwe-share.csv", ("link", "sent", "estimate", "sent2", "estimate2")))


def check(ok, why):
    if not ok:
        sys.exit(f"plot: {why}")


def draw(source, build, out):
    panels = [f"{title}={build / name}" for title, name, _ in FILES]
    subprocess.run([sys.executable, "-B", source / "tools/plot-bwe.py", out, *panels], check=True)
    return tree.parse(out).getroot()


def main():
    source, build = (pathlib.Path(arg) for arg in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        picture = draw(source, build, pathlib.Path(folder) / "bwe.svg")
    width, height = (float(n) for n in picture.get("viewBox").split()[2:])
    titles = [text.text for text in picture.iter(SVG + "text") if text.get("font-weight")]
    check([title.split(",")[0] for title in titles] == [title for title, _, _ in FILES], f"the panels are {titles}")
    lines = [[tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in picture.iter(SVG + "polyline")]
    check(len(lines) == sum(len(columns) for _, _, columns in FILES), f"{len(lines)} lines")
    check(all(0 <= x <= width and 0 <= y <= height for line in lines for x, y in line), "a point lies outside")
    place = 0
    for title, name, columns in FILES:
        with open(build / name, newline="") as file:
            rows = list(csv.DictReader(file))
        check(len(rows) >= 60, f"{name} has {len(rows)} rows")
        heights = {}
        for column in columns:
            line, place = lines[place], place + 1
            cells = [float(row[column]) for row in rows if row[column]]
            points = 2 * len(cells) - 1 if column == "link" else len(cells)
            check(len(line) == points and len(cells) >= 45, f"{title}, {column}: {len(line)} points of {len(cells)} cells")
            if column != "link":
                heights.update({cell: y for cell, (_, y) in zip(cells, line)})
        # The more, the higher, and alike on all lines of a panel.
        ordered = [heights[cell] for cell in sorted(heights)]
        check(len(ordered) > 40 and ordered == sorted(ordered, reverse=True), f"{title}: its lines are not as high as its cells")


if __name__ == "__main__":
    main()
