"""Reads a page on standard input and checks it by HTML's own rules, as far as a report uses them: elements are
closed in order, ids are there once and what refers to them finds them, nothing is fetched. Says what is wrong."""
import html.parser
import re
import sys

VOID = {"meta", "br", "link", "img", "input", "hr", "col"}
PHRASING_ONLY = {"p", "h1", "h2", "h3", "code", "span", "strong", "b", "small", "summary", "figcaption"}
BLOCK = {"div", "p", "ul", "ol", "dl", "table", "section", "figure", "details", "h2", "header", "footer", "nav", "main"}
PARENTS = {"li": {"ul", "ol"}, "tr": {"thead", "tbody", "table"}, "td": {"tr"}, "th": {"tr"}, "dt": {"dl", "div"},
           "dd": {"dl", "div"}, "tbody": {"table"}, "thead": {"table"}, "figcaption": {"figure"}, "summary": {"details"}}
CHILDREN = {"ul": {"li"}, "tr": {"td", "th"}, "dl": {"dt", "dd", "div"}, "table": {"thead", "tbody"}}
FETCHES = ("src", "srcset", "poster", "action", "background", "data", "xlink:href")
FETCHING_SCRIPT = r"\bfetch\s*\(|XMLHttpRequest|\bimport\s*\(|WebSocket|EventSource|sendBeacon|https?://(?!www\.w3\.org/2000/svg)"


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.refs, self.wrong, self.counts = [], set(), [], [], {}

    def complain(self, text):
        line, column = self.getpos()
        self.wrong.append(f"{line}:{column}: {text}")

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.complain(f"<{tag}> has an attribute twice: {names}")
        parent = self.open[-1] if self.open else None
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.complain(f"<{tag}> in <{parent}>")
        if parent in CHILDREN and tag not in CHILDREN[parent]:
            self.complain(f"<{tag}> in <{parent}>")
        if tag in BLOCK and parent in PHRASING_ONLY and not (parent in ("summary", "figcaption") and tag.startswith("h")):
            self.complain(f"<{tag}> in <{parent}>")
        for name, value in attrs:
            if name.startswith("on") or name in FETCHES and tag != "object":
                self.complain(f"<{tag} {name}={value!r}>")
            if name == "href" and re.match(r"\s*([a-z][a-z0-9+.-]*:|//)", value or "", re.I):
                self.complain(f"<{tag}> leads out: {value}")
            if name == "id":
                if value in self.ids:
                    self.complain(f"id {value} is there twice")
                self.ids.add(value)
            if name in ("aria-labelledby", "for"):
                self.refs += value.split()
            if name == "href" and value.startswith("#"):
                self.refs.append(value[1:])
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.complain(f"</{tag}> closes {self.open[-1] if self.open else 'nothing'}")
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_data(self, data):
        inside = self.open[-1] if self.open else None
        if inside == "style" and re.search(r"@import|url\s*\(", data):
            self.complain("the style fetches something")
        if inside == "script" and re.search(FETCHING_SCRIPT, data):
            self.complain(f"the script fetches something: {re.search(FETCHING_SCRIPT, data).group(0)}")
        if inside in CHILDREN and data.strip():
            self.complain(f"text in <{inside}>: {data.strip()[:40]!r}")


def main():
    page = sys.stdin.buffer.read().decode("utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    if checker.open:
        checker.wrong.append(f"never closed: {checker.open}")
    checker.wrong += [f"nothing has the id {ref}" for ref in checker.refs if ref not in checker.ids]
    if not page.startswith("<!doctype html>") or checker.counts.get("h1") != 1:
        checker.wrong.append(f"doctype, or not one h1: {checker.counts.get('h1')}")
    for line in checker.wrong[:20]:
        print(line, file=sys.stderr)
    sys.exit(1 if checker.wrong else 0)


main()
